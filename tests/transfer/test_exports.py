"""Exports from readings to a file at its place, on both databases."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta

import openpyxl
import pytest
from django.db import connection
from tests.transfer.servers import PASSWORD, USER, sftp_server

from avlas.meters import column_store, formats
from avlas.meters.models import (
    Collector,
    Customer,
    Exchange,
    InfoEvent,
    Installation,
    Kind,
    Meter,
    MeteringPoint,
    MeterState,
    Occupancy,
    Quality,
)
from avlas.meters.slots import READING_KEY
from avlas.system.models import Utility
from avlas.transfer.exports import making, receipt, sending
from avlas.transfer.exports.layout import EXCEL, Column, Layout, to_data
from avlas.transfer.exports.ready_made import READY_MADE
from avlas.transfer.models import ExportTemplate, Place, Receipt, ReceiptPart
from avlas.transfer.places.road import PlaceError
from avlas.web.variable_words import as_cell

pytestmark = pytest.mark.django_db
START, END = (
    datetime(2026, 8, 31, 23, tzinfo=UTC),
    datetime(2026, 9, 30, 23, tzinfo=UTC),
)  # September, standard time
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def _nothing_remembered():
    formats.forget()
    yield
    formats.forget()


@pytest.fixture
def utility():
    return Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")


@pytest.fixture
def tower(utility):
    return Collector.objects.create(utility=utility, name="Torn", spec="im871a:/dev/ttyUSB0")


def make_meter(utility, serial, tower=None, **fields):
    meter = Meter.objects.create(
        utility=utility,
        manufacturer="KAM",
        serial=serial,
        **{"medium": "heat", "family": "multical_403", **fields},
    )
    if tower:
        MeterState.objects.create(
            utility=utility, address=serial, meter=meter, manufacturer="KAM", identification=serial, version=1,
            device_type=4, first_heard_at=START, last_heard_at=END, last_collector=tower,
        )  # fmt: skip
    return meter


def store(meter, at, energy, *, kind=Kind.LIVE, late=5, sent=("MWh", 2), quality=0):
    """A reading with E1 (kWh) and V1 = a hundredth of it (m³)."""
    text = json.dumps({"energy_heat_kwh": list(sent), "volume_m3": ["m³", 2]}, separators=(",", ":"))
    second = int(at.timestamp())
    column_store.upsert(
        connection, "reading",
        {
            "meter_id": [meter.pk], "slot_at": [second], "kind": [int(kind)], "heard_at": [second + late],
            "source": [1], "quality": [quality], "format_id": [formats.ids({text})[text]],
            "energy_heat_kwh": [float(energy)], "volume_m3": [energy / 100],
        },
        READING_KEY,
    )  # fmt: skip


def install(meter, from_at, to_at=None, point=None):
    point = point or MeteringPoint.objects.create(
        utility=meter.utility, facility_id=f"7350{meter.serial}", address="Åsgatan 1"
    )
    return Installation.objects.create(point=point, meter=meter, from_at=from_at, to_at=to_at)


def template(utility, *codes, **fields):
    columns = tuple(code if isinstance(code, Column) else Column(code) for code in codes)
    layout = Layout(columns=columns, **{"header": False, "language": "en", **fields})
    return ExportTemplate.objects.create(
        utility=utility, name=f"x{ExportTemplate.objects.count()}", layout=to_data(layout)
    )


def made(of, start=START, end=END):
    one = making.new_receipt(of, start, end)
    making.make(one, of.read(), as_cell)
    return one


def lines(of, start=START, end=END):
    with made(of, start, end).content() as file:
        return file.read().decode(of.read().encoding).splitlines()


WHAT = (
    "serial",
    "energy_heat_kwh.start",
    "energy_heat_kwh.end",
    "energy_heat_kwh.use",
    "energy_heat_kwh.how",
)


# --- values ---------------------------------------------------------------------------------------------


def test_values_come_in_the_order_of_the_house(utility, tower):
    """Stored by the meter before entered, before read, before interpolated; a reading too far away is none."""
    for serial, kinds, how in (
        ("1", (Kind.LOGGED, Kind.ENTERED, Kind.LIVE), "stored by the meter"),
        ("2", (Kind.ENTERED, Kind.LIVE), "entered"),
        ("3", (Kind.LIVE,), "read"),
    ):
        meter = make_meter(utility, serial, tower)
        install(meter, START - DAY)
        store(meter, START, 1000)
        for kind in kinds:
            store(meter, END, 2000 + 10 * kind, kind=kind)
        assert lines(template(utility, *WHAT))[-1].endswith(f";{how}")
        assert lines(template(utility, *WHAT))[-1].startswith(
            f"{serial};1,00;2,{'0' if len(kinds) < 2 else '01' if kinds[0] == 1 else '02'}"
        )
    between = make_meter(utility, "4", tower)
    install(between, START - DAY)
    store(between, START, 1000)
    store(between, END - HOUR, 1990)
    store(between, END + HOUR, 2010)
    assert lines(template(utility, *WHAT))[-1] == "4;1,00;2,00;1,00;interpolated"
    assert lines(template(utility, *WHAT, interpolate=False))[-1] == "4;1,00;;;"


def test_interpolation_is_for_meters_of_a_fixed_network(utility, tower):
    meter = make_meter(utility, "1")
    install(meter, START - DAY)
    for at, energy in ((START, 1000), (END - HOUR, 1990), (END + HOUR, 2010)):
        store(meter, at, energy)
    assert lines(template(utility, *WHAT)) == ["1;1,00;;;"]
    assert lines(template(utility, *WHAT, only_network=False)) == ["1;1,00;2,00;1,00;interpolated"]


def test_estimated_and_doubtful_values_are_marked(utility, tower):
    meter = make_meter(utility, "1", tower)
    install(meter, START - DAY)
    store(meter, START, 1000, quality=int(Quality.IMPLAUSIBLE))
    store(meter, END, 1500, kind=Kind.ENTERED, quality=int(Quality.ESTIMATED))
    one = made(template(utility, *WHAT, "row.marks"))
    with one.content() as file:
        assert file.read().decode() == "1;1,00;1,50;0,50;estimated;implausible, estimated\r\n"
    assert one.tally["estimated"] == 2
    assert lines(template(utility, "energy_heat_kwh.use", "row.marks")) == ["0,50;estimated, implausible"]


def test_a_counter_that_went_backwards_is_never_used(utility, tower):
    meter = make_meter(utility, "1", tower)
    install(meter, START - DAY)
    store(meter, START, 5000)
    store(meter, END, 4000)
    one = template(utility, "energy_heat_kwh.end", "energy_heat_kwh.use", "row.marks")
    assert lines(one) == ["4,00;;backwards"]


def test_a_counter_that_rolled_over(utility, tower):
    meter = make_meter(utility, "1", tower)
    install(meter, START - DAY)
    store(meter, START, 99_999_000)  # 7 digits of MWh with two decimals
    store(meter, END, 1000)
    found = lines(template(utility, "energy_heat_kwh.use", "row.marks"))[0]
    assert found == "2,00;rolled over"


def test_the_meters_own_unit_and_others(utility, tower):
    for serial, sent in (("1", ("MWh", 2)), ("2", ("GJ", 2)), ("3", ("kWh", 0))):
        meter = make_meter(utility, serial, tower)
        install(meter, START - DAY)
        store(meter, END, {"1": 12340, "2": 2500, "3": 12345}[serial], sent=sent)
    columns = (
        Column("energy_heat_kwh.end"), Column("energy_heat_kwh.unit"), Column("energy_heat_kwh.end", unit="MWh"),
        Column("energy_heat_kwh.end", unit="standard"), Column("volume_m3.end", unit="l"),
    )  # fmt: skip
    assert lines(template(utility, *columns)) == [
        "12,34;MWh;12,34;12340;123400", "9,00;GJ;2,500;2500,00;25000", "12345;kWh;12,345;12345;123450"
    ]  # fmt: skip


# --- rows -----------------------------------------------------------------------------------------------


def test_an_exchange_and_a_move_split_the_period(utility, tower):
    old, new = make_meter(utility, "1", tower), make_meter(utility, "2", tower)
    at = START + 10 * DAY
    first = install(old, START - 99 * DAY, at)
    second = install(new, at, point=first.point)
    Exchange.objects.create(
        utility=utility, old=first, new=second, new_meter=new, state=Exchange.DONE, at=at, reason="Revision"
    )
    for number, (begin, end) in enumerate(((START - 50 * DAY, START + 20 * DAY), (START + 20 * DAY, None))):
        customer = Customer.objects.create(utility=utility, number=f"K{number}", name=f"Kund {number}")
        Occupancy.objects.create(point=first.point, customer=customer, from_at=begin, to_at=end)
    store(old, START, 1000)
    store(old, at, 1500, kind=Kind.ENTERED)
    store(new, at, 0, kind=Kind.ENTERED)
    store(new, START + 20 * DAY, 700, kind=Kind.ENTERED)
    store(new, END, 1900)
    one = template(
        utility, "facility_id", "customer_number", "serial", "row.from", "row.to", "energy_heat_kwh.use", "row.begins",
        "row.ends", "exchange.other", "exchange.reason", date="dd-MM-yyyy HH:mm",
    )  # fmt: skip
    assert lines(one) == [
        "73501;K0;1;01-09-2026 00:00;11-09-2026 00:00;0,50;the period;meter exchange;2;Revision",
        "73501;K0;2;11-09-2026 00:00;21-09-2026 00:00;0,70;meter exchange;change of customer;1;Revision",
        "73501;K1;2;21-09-2026 00:00;01-10-2026 00:00;1,20;change of customer;the period;;",
    ]


@pytest.mark.parametrize("many", [0, 10_000])  # moments from which on a meter's readings are read at once
def test_hours_and_days_are_the_same_however_they_are_read(utility, tower, monkeypatch, many):
    from avlas.transfer.exports import values

    monkeypatch.setattr(values, "_MANY", many)
    meter = make_meter(utility, "1", tower)
    install(meter, START - DAY)
    for hour in range(-1, 50):
        if hour not in (5, 24):
            store(meter, START + hour * HOUR, 1000 + 10 * hour, late=hour % 3)
    store(meter, START + 24 * HOUR, 1240, kind=Kind.LOGGED)
    store(meter, START + 7 * HOUR, 9999, quality=int(Quality.VOIDED))
    found = lines(template(utility, "row.from", "energy_heat_kwh.use", "energy_heat_kwh.how", interval="hour",
                           date="HH"), START, START + 25 * HOUR)  # fmt: skip
    assert len(found) == 25
    assert found[3:6] == ["03;0,01;read", "04;0,01;interpolated", "05;0,01;read"]
    assert found[23] == "23;0,01;stored by the meter"
    days = lines(
        template(utility, "row.from", "energy_heat_kwh.use", interval="day", date="dd"),
        START,
        START + 2 * DAY,
    )
    assert days == ["01;0,24", "02;0,24"]


def test_days_in_civil_time_have_25_hours_once(utility, tower):
    meter = make_meter(utility, "1", tower)
    install(meter, START - DAY)
    start = datetime(2026, 10, 24, 22, tzinfo=UTC)
    found = lines(template(utility, "row.from", "row.to", interval="day", borders="Europe/Stockholm",
                           zone="Europe/Stockholm", date="dd HH"), start, start + timedelta(hours=49))  # fmt: skip
    assert found == ["25 00;26 00", "26 00;27 00"]


def test_meters_that_are_chosen(utility, tower):
    heat, water, loose = (
        make_meter(utility, "1", tower), make_meter(utility, "2", tower, medium="water"), make_meter(utility, "3", tower)
    )  # fmt: skip
    install(heat, START - DAY)
    install(water, START - DAY)
    install(make_meter(utility, "4", tower), END + DAY)  # only afterwards
    other = Utility.objects.create(name="Annan", slug="annan")
    install(make_meter(other, "5"), START - DAY)
    assert lines(template(utility, "serial")) == ["1", "2"]
    assert lines(template(utility, "serial", medium="water")) == ["2"]
    assert lines(template(utility, "serial", only_installed=False)) == ["1", "2", "3", "4"]
    assert lines(template(utility, "serial", group="nix")) == []
    assert loose.serial == "3"


def test_info_codes_of_the_period(utility, tower):
    meter = make_meter(utility, "1", tower)
    install(meter, START - DAY)
    for at, code in ((START - 9 * DAY, 8), (START + DAY, 0), (START + 2 * DAY, 16), (END + DAY, 64)):
        InfoEvent.objects.create(meter=meter, at=at, code=code)
    assert lines(template(utility, "row.info_codes")) == ["8 16"]
    assert lines(template(utility, "row.info_codes"), START + 1.5 * DAY, START + 1.8 * DAY) == [""]


def test_every_ready_made_format_can_be_made(utility, tower):
    meter = make_meter(utility, "1", tower)
    point = install(meter, START - DAY).point
    Occupancy.objects.create(
        point=point,
        customer=Customer.objects.create(utility=utility, number="7", name="=Åsa"),
        from_at=START - DAY,
    )
    for day in range(-1, 32):
        store(meter, START + day * DAY, 1000 + day)
    for one in READY_MADE.values():
        saved = ExportTemplate.objects.create(utility=utility, name=one.code, layout=to_data(one.layout))
        result = made(saved)
        assert result.rows == {"hours": 30 * 24, "avlas": 30}.get(one.code, 1)
        with result.content() as file:
            content = file.read()
        assert hashlib.sha256(content).hexdigest() == result.sha256
        assert len(content) == result.size
        if one.layout.kind == EXCEL:
            sheet = openpyxl.load_workbook(io.BytesIO(content)).active
            assert sheet["A2"].value == "=Åsa"
            assert sheet["A2"].data_type == "s"
            assert sheet["I2"].value == datetime(2026, 9, 1)
        elif one.code == "billing":
            assert result.file_name == "debitering_2026-09.csv"
            row = content.decode("iso8859-1").splitlines()[1]
            assert row.startswith("73501;7;1;01-09-2026 00:00;01-10-2026 00:00;1,00;1,03;0,03;MWh;avläst;")
    raw = b"".join(
        bytes(part.content) for part in ReceiptPart.objects.filter(receipt=result).order_by("number")
    )
    assert gzip.decompress(raw) == content


def test_more_rows_than_a_sheet_has_room_for(utility, tower, monkeypatch):
    from avlas.transfer.exports import excel
    from avlas.transfer.exports.formatting import Unwritable

    monkeypatch.setattr(excel, "MOST_ROWS", 1)
    of = template(utility, "serial", kind=EXCEL)
    install(make_meter(utility, "1", tower), START - DAY)
    assert made(of).rows == 1
    install(make_meter(utility, "2", tower), START - DAY)
    with pytest.raises(Unwritable, match="room for 1 rows"):
        made(of)


def test_a_kept_file_that_is_damaged_is_not_given_out(utility, tower):
    install(make_meter(utility, "1", tower), START - DAY)
    one = made(template(utility, "serial"))
    part = one.parts.get()
    part.content = gzip.compress(b"2\r\n")
    part.save()
    with pytest.raises(ValueError, match="not the one"):
        one.content()


def test_receipts_go_after_seven_years(utility, tower):
    one = made(template(utility, "serial"))
    now = datetime.now(UTC)
    assert receipt.forget_old(now + timedelta(days=7 * 365)) == 0
    assert receipt.forget_old(now + timedelta(days=7 * 367)) == 1
    assert not ReceiptPart.objects.filter(receipt_id=one.pk).exists()
    broken = making.new_receipt(template(utility, "serial"), START, END)  # never made whole
    assert receipt.forget_old(now + timedelta(hours=1)) == 0
    assert Receipt.objects.filter(pk=broken.pk).exists()
    receipt.forget_old(now + timedelta(days=2))
    assert not Receipt.objects.filter(pk=broken.pk).exists()


# --- sending --------------------------------------------------------------------------------------------


@pytest.fixture
def folder(utility, tmp_path, settings):
    settings.TRANSFER_FOLDERS = [str(tmp_path)]
    return Place.objects.create(utility=utility, kind="folder", name="Mapp", folder=str(tmp_path))


def test_the_same_period_again_is_marked(utility, tower, folder, tmp_path):
    of = template(utility, "serial", file_name="{number}.csv")
    install(make_meter(utility, "1", tower), START - DAY)
    first = made(of)
    assert not making.new_receipt(of, START, END).again  # the first was made, not sent
    sending.send(first, folder)
    assert (tmp_path / f"{first.pk}.csv").read_bytes() == b"1\r\n"
    assert made(of).again
    assert not making.new_receipt(of, START - DAY, END).again


class Killed(BaseException):
    """Stands for the end of the program."""


@pytest.mark.parametrize(("moved", "state"), [(True, "sent"), (False, "unsure")])
def test_a_program_that_dies_in_the_moment_of_doubt(
    utility, tower, folder, tmp_path, monkeypatch, moved, state
):
    from avlas.transfer.places import folder as folder_module

    one = made(template(utility, "serial", file_name="a.csv"))
    real = folder_module.os.rename

    def dying(*args, **kwargs):
        if moved:
            real(*args, **kwargs)
        raise Killed

    monkeypatch.setattr(folder_module.os, "rename", dying)
    with pytest.raises(Killed):
        sending.send(one, folder)
    monkeypatch.undo()
    again = Receipt.objects.get(pk=one.pk)
    if moved:
        sending.send(again, folder)
    else:
        with pytest.raises(PlaceError, match="may have arrived"):
            sending.send(again, folder)
    assert Receipt.objects.get(pk=one.pk).state == state
    if not moved:  # a person decides
        sending.send(Receipt.objects.get(pk=one.pk), folder, by_person=True)
        assert Receipt.objects.get(pk=one.pk).state == "sent"
        assert (tmp_path / "a.csv").exists()


def test_a_server_that_dies_half_way_gets_the_file_the_next_time(utility, tower, tmp_path):
    for serial in range(300):
        install(make_meter(utility, f"{serial:08d}", tower), START - DAY)
    one = made(template(utility, *["address"] * 40, file_name="a.csv"))
    with sftp_server(tmp_path) as server:
        place = Place(
            utility=utility,
            kind="sftp",
            name="S",
            host="localhost",
            port=server.port,
            user=USER,
            own_machine=True,
        )
        place.set_secret(PASSWORD)
        from avlas.transfer.places import opening

        place.pinned = opening.opened(place).identity().written
        place.save()
        server.break_after = 50_000
        with pytest.raises(PlaceError, match="lost"):
            sending.send(one, place)
        assert Receipt.objects.get(pk=one.pk).state == "failed"
        sending.send(Receipt.objects.get(pk=one.pk), place)
    assert (tmp_path / "a.csv").stat().st_size == one.size > 50_000
    assert Receipt.objects.get(pk=one.pk).state == "sent"


# --- the job --------------------------------------------------------------------------------------------


class Context:
    """What a job's function is given."""

    def __init__(self, utility, job, due_at, **parameters):
        self.utility, self.job_id, self.due_at, self.parameters = utility, job.pk, due_at, parameters
        self.run_id, self.attempt, self.lines = 1, 1, []

    def log(self, text, /, **values):
        self.lines.append(text % values if values else text)

    def progress(self, done, total=None):
        pass

    def check(self):
        pass


def test_the_job_sends_once_for_each_due_time(utility, tower, folder, tmp_path):
    from avlas.job_kinds import KINDS
    from avlas.system import jobs
    from avlas.system.job_kind import JobFailed
    from avlas.system.models import Job
    from avlas.system.schedule import Schedule

    meter = make_meter(utility, "1", tower)
    install(meter, START - 99 * DAY)
    of = template(utility, "serial", "row.from", "row.to", file_name="{from}.csv", date="yyyy-MM-dd")
    parameters = {"template": str(of.pk), "place": str(folder.pk), "period": "yesterday"}
    job = Job(utility=utility, kind="export", parameters=parameters)
    jobs.set_schedule(job, Schedule(cron="0 6 * * *"))
    job.save()
    due = datetime(2026, 9, 10, 4, tzinfo=UTC)
    run = KINDS["export"].run
    for _attempt in range(2):
        context = Context(utility, job, due, **parameters)
        run(context)
    assert "had been sent already" in context.lines[-1]
    assert [path.read_text() for path in tmp_path.iterdir()] == ["1;2026-09-09;2026-09-10\n"]
    assert Receipt.objects.get().job == job
    since = Context(utility, job, due + DAY, **parameters | {"period": "since_last"})
    run(since)
    assert Receipt.objects.order_by("pk").last().start_at == datetime(2026, 9, 9, 23, tzinfo=UTC)
    again = Context(utility, job, due + DAY + HOUR, **parameters | {"period": "since_last"})
    run(again)
    assert again.lines == ["Nothing to export: the last one went up to today."]
    folder.delete()
    with pytest.raises(JobFailed, match="place is not there"):
        run(Context(utility, job, due + 2 * DAY, **parameters))
    options = {one.name: one.options(utility) for one in KINDS["export"].parameters}
    assert options["template"] == [(str(of.pk), of.name)]
    assert options["place"] == []
