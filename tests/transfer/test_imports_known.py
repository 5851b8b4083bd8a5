"""Files that say themselves how they are read: MSCONS, exports of Avläs, reports of M-Bus gateways."""

from __future__ import annotations

import hashlib
import json
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from tests.transfer.conftest import reasons
from tests.transfer.test_mscons import HEAD, interchange

from avlas.meters import column_store, formats
from avlas.meters.models import (
    Fence,
    Installation,
    Kind,
    Meter,
    MeterAddress,
    MeteringPoint,
    Quality,
    Reading,
    Source,
)
from avlas.meters.slots import READING_KEY
from avlas.system.models import User, Utility
from avlas.transfer.exports import making
from avlas.transfer.exports.layout import Column, Layout, to_data
from avlas.transfer.exports.ready_made import READY_MADE
from avlas.transfer.imports import reading_row
from avlas.transfer.imports.known_files import recognised
from avlas.transfer.models import ExportTemplate, Import, ImportFile
from avlas.web.variable_words import as_cell

START = datetime(2025, 12, 31, 23, tzinfo=UTC)  # the year's beginning in standard time
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def hand_in(clerk, data: bytes, *, kind: str = "readings", name: str = "f") -> Import:
    """A file as the page or a job takes it when it is recognised, checked."""
    known = recognised(data, kind, clerk.utility)
    assert known is not None
    made = Import.objects.create(
        utility=clerk.utility, by=clerk.user, kind="readings", name=name, size=len(data),
        sha256=hashlib.sha256(data).hexdigest(), status="check", settings=known.settings.packed(),
    )  # fmt: skip
    ImportFile.objects.create(of=made, packed=zlib.compress(data))
    return clerk.works(made)


def meter_at(utility, serial, facility, **fields):
    meter = Meter.objects.create(
        utility=utility, serial=serial, **{"manufacturer": "KAM", "medium": "heat"} | fields
    )
    point = MeteringPoint.objects.create(utility=utility, facility_id=facility)
    Installation.objects.create(point=point, meter=meter, from_at=START - 400 * DAY)
    return meter


@pytest.fixture
def heat(clerk):
    return meter_at(clerk.utility, "67000001", "735999100000000011")


# --- MSCONS ----------------------------------------------------------------------------------------------

SHOWN = (
    "LOC+172+735999100000000011'DTM+9:20260101:102'LIN+1'PIA+5+6-0?:1.0.0'QTY+220:12.345:MWH'"
    "LIN+2'PIA+5+6-0?:2.0.0'QTY+220:100.5:MTQ'"
)


def message(body: str) -> bytes:
    return interchange(HEAD["german"] + body, release="04B")


def test_what_a_meter_showed_comes_in_as_one_reading(clerk, heat):
    one = hand_in(clerk, message(SHOWN))
    assert (one.counts, reasons(one)) == ({"new": 1, "rows": 1, "reading_added": 1}, [])
    one = clerk.works(one, "take_in")
    row = Reading.objects.get()
    assert (row.meter_id, row.slot_at, row.kind, row.source) == (
        heat.pk,
        START,
        Kind.ENTERED,
        Source.IMPORTED,
    )
    assert (row.energy_heat_kwh, row.volume_m3, row.quality) == (12345.0, 100.5, 0)
    assert row.other["import"] == {"id": one.pk, "line": 13}  # the segment of its first quantity
    assert row.other["entered"]["note"] == "MSCONS QTY+220"
    assert formats.parse(formats.specs({row.format_id})[row.format_id])["energy_heat_kwh"] == ("MWh", 3)
    again = hand_in(clerk, message(SHOWN))
    assert again.counts == {"same": 1, "rows": 1}
    undone = clerk.works(one, "undo")
    assert undone.counts["undone"]["reading_added"] == 1
    assert Reading.objects.get().quality & Quality.VOIDED


def test_what_was_used_is_added_to_the_reading_it_begins_with(clerk, heat):
    used = "LOC+90+735999100000000011'LIN+1'MEA+AAZ++KWH'"
    for number in range(1, 4):
        begin, end = START + (number - 1) * HOUR, START + number * HOUR
        used += (
            f"QTY+{'67' if number == 2 else '220'}:0.{number}'DTM+324:{begin:%Y%m%d%H%M}{end:%Y%m%d%H%M}:719'"
        )
    body = HEAD["nordic"].replace("ZZZ:1:805", "ZZZ:0:805") + used
    alone = hand_in(clerk, interchange(body))
    assert alone.counts["refused"] == 3
    assert "Take that one in first" in reasons(alone)[0][3]
    clerk.works(hand_in(clerk, message(SHOWN)), "take_in")
    clerk.works(hand_in(clerk, interchange(body)), "take_in")
    shown = {row.slot_at: row for row in Reading.objects.order_by("slot_at")}
    assert [row.energy_heat_kwh for row in shown.values()] == [12345.0, 12345.1, 12345.3, 12345.6]
    assert [bool(row.quality & Quality.ESTIMATED) for row in shown.values()] == [False, False, True, False]
    again = hand_in(clerk, interchange(body))
    assert again.counts == {"same": 3, "rows": 3}


def test_what_the_meter_stored_itself_can_be_counted_on(clerk, heat):
    spec = formats.text({"energy_heat_kwh": ("kWh", 0)})
    column_store.upsert(
        connection, "reading",
        {"meter_id": [heat.pk], "slot_at": [int(START.timestamp())], "kind": [int(Kind.LOGGED)],
         "heard_at": [int(START.timestamp())], "source": [1], "quality": [0],
         "format_id": [formats.ids({spec})[spec]], "energy_heat_kwh": [500.0]},
        READING_KEY,
    )  # fmt: skip
    used = "LOC+172+735999100000000011'LIN+1'QTY+220:7:KWH'DTM+163:202512312300?+00:303'DTM+164:202601010000?+00:303'"
    clerk.works(hand_in(clerk, message(used)), "take_in")
    assert Reading.objects.get(kind=Kind.ENTERED).energy_heat_kwh == 507.0


REFUSED = {
    "LOC+172+9'LIN+1'QTY+220:1:KWH'DTM+9:20260101:102'": (
        "LOC", "No main meter was installed at this metering point at that time."),
    "LOC+172+735999100000000011'LIN+1'QTY+20:'DTM+9:20260101:102'": (
        "QTY 11", "The sender says that there is no usable value (QTY+20)."),
    "LOC+172+735999100000000011'LIN+1'QTY+31:5:KWH'DTM+9:20260101:102'": (
        "QTY 11", "This quantity (QTY+31) is none that a meter has counted."),
    "LOC+172+735999100000000011'LIN+1'QTY+220:5:KVR'DTM+9:20260101:102'": (
        "QTY 11", "“KVR” is no unit of energy or volume."),
    "LOC+172+735999100000000011'LIN+1'PIA+5+7-0?:3.0.0'QTY+220:5:MTQ'DTM+9:20260101:102'": (
        "QTY 12", "The OBIS code 7-0:3.0.0 is none of a counter that is kept here."),
    "LOC+172+735999100000000011'LIN+1'PIA+5+6-0?:1.0.0'QTY+220:5:MTQ'DTM+9:20260101:102'": (
        "QTY 12", "Heat energy is not counted in “m³”."),
    "LOC+172+735999100000000011'LIN+1'QTY+220:-5:KWH'DTM+9:20260101:102'": ("QTY 11", "“-5” is no figure of a meter."),
    "LOC+172+735999100000000011'LIN+1'QTY+220:5'DTM+9:20260101:102'": (
        "QTY 11", "Neither a unit nor an OBIS code says what was counted."),
    "LOC+172+735999100000000011'LIN+1'QTY+220:5:KWH'DTM+9:21260101:102'": (
        "QTY 11", "2126-01-01 00:00+01:00 is in the future."),
    "LIN+1'QTY+220:5:KWH'DTM+9:20260101:102'": ("QTY 10", "The metering point is not said."),
}  # fmt: skip


@pytest.mark.parametrize("body", REFUSED)
def test_what_can_not_be_taken_in_is_said_with_its_segment(clerk, heat, body):
    ((_line, column, _value, why),) = reasons(hand_in(clerk, message(body)))
    assert (column, why) == REFUSED[body]


def test_one_bad_quantity_stops_no_other(clerk, heat):
    one = hand_in(clerk, message(SHOWN + "LIN+3'QTY+999:1:KWH'LIN+4'PIA+5+6-0?:1.0.0'QTY+220:13:MWH'"))
    assert [(line, column) for line, column, _value, _why in reasons(one)] == [(18, "QTY 18"), (21, "QTY 21")]
    assert "Segment 13 holds another value" in reasons(one)[1][3]
    clerk.works(one, "take_in", whole=False)
    assert Reading.objects.count() == 1


def test_the_medium_says_which_register_is_meant_when_nothing_else_does(clerk):
    water = meter_at(clerk.utility, "1", "W", medium="cold water")
    power = meter_at(clerk.utility, "2", "P", medium="electricity")
    body = "".join(
        f"LOC+172+{one}'LIN+1'QTY+220:5:{unit}'DTM+9:20260101:102'"
        for one, unit in (("W", "MTQ"), ("P", "KWH"))
    )
    one = hand_in(clerk, message(body))
    assert [why for *_where, why in reasons(one)] == [
        "It is not said which register is meant, and the meter's medium doesn't tell."
    ]
    clerk.works(one, "take_in", whole=False)
    assert Reading.objects.get(meter_id=water.pk).volume_m3 == 5.0
    clerk.works(
        hand_in(clerk, message(body.replace("LIN+1'QTY+220:5:KWH", "LIN+1'PIA+5+1-1?:2.8.0'QTY+220:5:KWH"))),
        "take_in",
    )
    assert Reading.objects.get(meter_id=power.pk).electricity_export_kwh == 5.0


def test_a_damaged_file_a_test_and_a_fence(clerk, heat):
    broken = hand_in(clerk, message(SHOWN)[:-20])
    assert (broken.status, broken.told["text"].split(" ")[0]) == ("columns", "The")
    sent = message(SHOWN).replace(b"+R1'UNH", b"+R1++++++1'UNH")
    assert "marked the file as a test" in hand_in(clerk, sent).told["text"]
    Fence.objects.create(meter=heat, from_at=START - DAY, to_at=START + DAY)
    assert "erased for good" in reasons(hand_in(clerk, message(SHOWN)))[0][3]


# --- exports of Avläs ------------------------------------------------------------------------------------


def store(meter, at, values, sent, *, quality=0):
    second, spec = int(at.timestamp()), formats.text(sent)
    column_store.upsert(
        connection, "reading",
        {"meter_id": [meter.pk], "slot_at": [second], "kind": [int(Kind.ENTERED if quality else Kind.LIVE)],
         "heard_at": [second + 7], "source": [1], "quality": [quality], "format_id": [formats.ids({spec})[spec]],
         **{code: [value] for code, value in values.items()}},
        READING_KEY,
    )  # fmt: skip


def exported(utility, layout, start=START, end=START + 3 * DAY) -> bytes:
    template = ExportTemplate.objects.create(
        utility=utility, name=f"x{ExportTemplate.objects.count()}", layout=to_data(layout)
    )
    receipt = making.new_receipt(template, start, end)
    making.make(receipt, layout, as_cell)
    with receipt.content() as file:
        return file.read()


HEAT = {"energy_heat_kwh": ("MWh", 3), "volume_m3": ("m³", 2)}


@pytest.fixture
def town(clerk):
    """Meters of every kind with three days' readings, one estimated, one meter without any."""
    meters = [meter_at(clerk.utility, "67000001", "A1"), meter_at(clerk.utility, "2", "-A2", medium="electricity"),
              meter_at(clerk.utility, "3", "A3", manufacturer="DME", medium="cooling"), meter_at(clerk.utility, "4", "A4")]  # fmt: skip
    for day in range(4):
        at = START + day * DAY
        store(meters[0], at, {"energy_heat_kwh": 12345.0 + day, "volume_m3": 100.25 + day}, HEAT)
        store(meters[1], at, {"electricity_import_kwh": 0.001 * day, "electricity_export_kwh": 7.0},
              {"electricity_import_kwh": ("kWh", 3), "electricity_export_kwh": ("Wh", 0)})  # fmt: skip
        store(meters[2], at, {"energy_cooling_kwh": 2500 / 9 * (4 + day), "volume_m3": 5.0},
              {"energy_cooling_kwh": ("GJ", 2), "volume_m3": ("l", 0)}, quality=int(Quality.ESTIMATED) if day == 2 else 0)  # fmt: skip
    return meters


@pytest.fixture
def elsewhere(clerk):
    """Another utility with the same meters, and its clerk."""
    utility = Utility.objects.create(name="Sörby Energi", slug="sorby")
    for serial, maker, facility, medium in (("67000001", "KAM", "A1", "heat"), ("2", "KAM", "-A2", "electricity"),
                                            ("3", "DME", "A3", "cooling"), ("4", "KAM", "A4", "heat")):  # fmt: skip
        meter_at(utility, serial, facility, manufacturer=maker, medium=medium)
    user = User.objects.create_user("b@sorby.example", "x" * 20, utility=utility, role="superuser")
    return type(clerk)(utility, user)


def test_the_format_for_another_avlas_comes_in_there_unchanged(clerk, town, elsewhere):
    layout = READY_MADE["avlas"].layout
    sent = exported(clerk.utility, layout)
    one = hand_in(elsewhere, sent)
    assert (one.counts, reasons(one)) == ({"new": 9, "same": 3, "rows": 12, "reading_added": 9}, [])
    elsewhere.works(one, "take_in")
    assert exported(elsewhere.utility, layout) == sent
    cooled = Reading.objects.get(meter__utility=elsewhere.utility, meter__serial="3", slot_at=START + 2 * DAY)
    assert cooled.quality & Quality.ESTIMATED
    assert cooled.energy_cooling_kwh == pytest.approx(2500 / 9 * 6)
    assert elsewhere.works(hand_in(elsewhere, sent)).counts == {"same": 12, "rows": 12}


@pytest.mark.parametrize("code", ["hours", "excel"])
def test_other_formats_that_leave_nothing_open_are_recognised(clerk, town, elsewhere, code):
    sent = exported(clerk.utility, READY_MADE[code].layout, START, START + DAY)
    one = hand_in(elsewhere, sent)
    assert not reasons(one)
    elsewhere.works(one, "take_in")
    row = Reading.objects.get(meter__utility=elsewhere.utility, meter__serial="67000001", slot_at=START + DAY)
    assert row.energy_heat_kwh == 12346.0


def test_a_utilitys_own_format_is_recognised_with_its_units_and_clock(clerk, town):
    columns = (Column("serial", "Nr"), Column("row.to", "När"), Column("energy_heat_kwh.end", "Värme", unit="GJ"),
               Column("row.marks", "Hur"), Column("constant"))  # fmt: skip
    layout = Layout(
        columns=columns, zone="Europe/Stockholm", date="dd/MM/yyyy HH:mm", decimal=".", separator="|"
    )
    data = exported(clerk.utility, layout)
    settings = recognised(data, "readings", clerk.utility).settings
    assert (settings.clock, settings.delimiter, settings.decimal) == ("civil", "|", ".")
    assert settings.units == {"reading.energy_heat_kwh": "GJ"}
    other = Utility.objects.create(name="X", slug="x")
    assert recognised(data, "readings", other) is None
    assert recognised(data, "register", clerk.utility) is None


OPEN = {
    "a meter's own unit that isn't said": {"columns": (Column("serial"), Column("row.to"), Column("energy_heat_kwh.end"),
                                                       Column("row.marks"))},
    "nothing about interpolation": {"columns": (Column("serial"), Column("row.to"),
                                                Column("energy_heat_kwh.end", unit="kWh"))},
    "no meter": {"columns": (Column("row.to"), Column("energy_heat_kwh.end", unit="kWh"), Column("row.marks"))},
    "a date that isn't understood": {"columns": (Column("serial"), Column("row.to"), Column("row.marks"),
                                                 Column("energy_heat_kwh.end", unit="kWh")), "date": "MM-dd-yyyy HH:mm"},
    "a time zone that isn't known": {"columns": (Column("serial"), Column("row.to"), Column("row.marks"),
                                                 Column("energy_heat_kwh.end", unit="kWh")), "zone": "Asia/Tokyo"},
}  # fmt: skip


@pytest.mark.parametrize("what", OPEN)
def test_a_format_that_leaves_something_open_is_not(clerk, town, what):
    assert recognised(exported(clerk.utility, Layout(**OPEN[what])), "readings", clerk.utility) is None


def test_interpolated_values_are_never_taken_for_measured_ones(clerk, heat):
    text = "serial;read_at;energy_heat_kwh;energy_heat_kwh_unit;marks\n67000001;2026-01-01 00:00+01:00;12.5;MWh;interpolerad, konflikt\n"
    clerk.works(clerk.checks(text, kind="readings"), "take_in")
    row = Reading.objects.get()
    assert (row.energy_heat_kwh, bool(row.quality & Quality.ESTIMATED)) == (12500.0, True)


def test_the_marks_are_those_that_exports_write():
    from django.utils import translation

    from avlas.transfer.exports import rows, values

    for language in ("sv", "en"):
        with translation.override(language):
            for how in (values.ESTIMATED, rows.INTERPOLATED):
                assert str(rows.HOW[how]) in reading_row.NOT_MEASURED


@pytest.mark.parametrize(("heading", "unit"), [("Energi MWh", "MWh"), ("Energi [GJ]", "GJ"), ("Volym m3", "m3"),
                                               ("MWh", ""), ("Energi värme", ""), ("", "")])  # fmt: skip
def test_units_in_headings(heading, unit):
    assert reading_row.heading_unit(heading) == unit


# --- reports of M-Bus gateways ---------------------------------------------------------------------------

RAW = "08147268710405ac484103470000000c1480769604046dba092e1a426c2a194c140000000042ec7e3f1c0fc010010c"
REPORT = (
    f"00000161;05047168;2026-01-01 00:00:00;00;{RAW}\r\n00000161;05047168;2026-01-01 01:00:00;00;{RAW}\r\n"
)


def test_a_gateways_report_is_read_telegram_by_telegram(clerk):
    meter = Meter.objects.create(utility=clerk.utility, manufacturer="REL", serial="05047168", medium="gas")
    known = recognised(REPORT.encode(), "register", clerk.utility)
    assert (known.ready, known.settings.columns) == (False, [["C", "reading.at"], ["E", "reading.telegram"]])
    one = hand_in(clerk, REPORT.encode())
    assert one.counts == {"new": 2, "rows": 2, "reading_added": 2}
    clerk.works(one, "take_in")
    row = Reading.objects.filter(meter_id=meter.pk).order_by("slot_at").first()
    assert (row.slot_at, row.volume_m3, row.source) == (START, 49676.8, Source.IMPORTED)
    assert json.loads(formats.specs({row.format_id})[row.format_id]) == {"volume_m3": ["m³", 2]}
    assert hand_in(clerk, REPORT.encode()).counts == {"same": 2, "rows": 2}


def test_a_meter_is_found_by_its_number_on_the_bus(clerk):
    meter = Meter.objects.create(utility=clerk.utility, manufacturer="REL", serial="A-77", medium="gas")
    MeterAddress.objects.create(
        utility=clerk.utility, meter=meter, road="wired", identifier="REL05047168", from_at=START
    )
    clerk.works(hand_in(clerk, REPORT.encode()), "take_in")
    assert Reading.objects.filter(meter_id=meter.pk).count() == 2


@pytest.mark.parametrize(
    ("raw", "why"),
    [("zz", "is no telegram in hex digits"), ("081472", "can't be read"), ("", "serial number is missing"),
     (RAW[:-2] + "xx", "is no telegram in hex digits"), ("0a" * 300, "is no telegram in hex digits")],
)  # fmt: skip
def test_a_telegram_that_can_not_be_read_is_refused_with_the_reason(clerk, raw, why):
    settings = recognised(REPORT.encode(), "readings", clerk.utility).settings.packed()
    one = clerk.checks(f"1;2;2026-01-01 00:00:00;0;{raw}\n", kind="readings", **settings)
    assert why in reasons(one)[0][3]
