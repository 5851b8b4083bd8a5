"""Jobs that fetch tables and key files from a place: archived, refused and told, never twice."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Event

import pytest
from django.db import transaction
from tests.transfer.servers import PASSWORD, USER, sftp_server
from tests.transfer.test_mscons import interchange

from avlas.meters.models import Customer, Installation, Key, Meter, MeterAddress, MeteringPoint, Reading
from avlas.simulate.kem import KemMeter, kem_file
from avlas.system import jobs
from avlas.system.models import Job, JobRun, KeptSecret
from avlas.system.schedule import Schedule
from avlas.system.told import in_words
from avlas.transfer.imports.models import Import, ImportMapping, KeyFilePassword
from avlas.transfer.imports.settings import Settings
from avlas.transfer.places import opening
from avlas.transfer.places.place import Place

MAPPING = Settings(columns=[["Kundnr", "customer.number"], ["Namn", "customer.name"]]).packed()
METERS = [
    KemMeter("67000001", bytes(range(16)), "MC403", "403-W"),
    KemMeter("67000002", bytes(range(1, 17)), "MC21", "021-66", consumption_type="VolumeCold"),
]


@pytest.fixture
def place(clerk, tmp_path, settings):
    settings.TRANSFER_FOLDERS = [str(tmp_path)]
    (tmp_path / "in").mkdir()
    return Place.objects.create(utility=clerk.utility, name="in", kind="folder", folder=str(tmp_path / "in"))


@pytest.fixture
def inbox(place, tmp_path):
    return tmp_path / "in"


def make_job(clerk, kind: str, **parameters) -> Job:
    job = Job(utility=clerk.utility, kind=kind, parameters=parameters)
    jobs.set_schedule(job, Schedule(cron="0 3 * * *"))
    job.save()
    return job


def work(job: Job) -> tuple[JobRun, list[str]]:
    """Run a job once, with all attempts, and give its run and what it said."""
    from avlas.job_kinds import KINDS

    with transaction.atomic():
        run = jobs.run_now(job, None)
    for _attempt in range(3):
        JobRun.objects.filter(pk=run.pk, status="waiting").update(not_before=datetime.now(UTC))
        jobs.work_once({job.kind: KINDS[job.kind]}, Event())
    run.refresh_from_db()
    return run, [in_words({"text": line.text, "values": line.values}) for line in run.lines.all()]


@pytest.fixture
def tables(clerk, place):
    mapping = ImportMapping.objects.create(
        utility=clerk.utility, kind="register", name="Kunder", settings=MAPPING
    )
    return make_job(
        clerk, "import", place=str(place.pk), mapping=str(mapping.pk), pattern="*.csv", rows="all"
    )


def test_tables_are_taken_in_and_archived(clerk, tables, inbox):
    (inbox / "kunder.csv").write_bytes("Kundnr;Namn\nK1;Åsa\n".encode("cp1252"))
    (inbox / "annat.txt").write_bytes(b"x")
    run, said = work(tables)
    assert run.status == "done", run.told
    assert Customer.objects.get().name == "Åsa"
    assert said == ["kunder.csv: 1 rows, 1 things added, 0 changed, 0 rows refused."]
    assert [one.name for one in inbox.iterdir() if one.is_file()] == ["annat.txt"]
    assert [one.name for one in (inbox / "archive").iterdir()] != []
    assert work(tables)[1] == ["No file lies there."]
    (inbox / "kunder.csv").write_bytes("Kundnr;Namn\nK1;Åsa Ek\nK2;Bo\n".encode())
    assert "1 things added, 1 changed" in work(tables)[1][0]


def test_a_refused_table_waits_for_somebody_and_is_told(clerk, tables, inbox):
    (inbox / "kunder.csv").write_bytes(b"Kundnr;Namn\nK1;A\n;B\n")
    run, _said = work(tables)
    assert run.status == "failed"
    assert in_words(run.told) == "kunder.csv: 1 rows are refused. Look at it under Imports."
    one = Import.objects.get()
    assert one.status == "checked"
    assert not Customer.objects.exists()
    one.by = clerk.user  # who takes in the good rows on the page
    assert clerk.works(one, "take_in", whole=False).status == "done"
    assert work(tables)[0].status == "done"


def test_the_good_rows_come_in_by_themselves_when_asked_for(clerk, tables, inbox):
    tables.parameters["rows"] = "good"
    tables.save()
    (inbox / "kunder.csv").write_bytes(b"Kundnr;Namn\nK1;A\n;B\n")
    run, said = work(tables)
    assert (run.status, Customer.objects.count()) == ("done", 1)
    assert said[0].endswith("1 rows refused.")


def test_a_mapping_that_no_longer_fits_is_told_clearly(clerk, tables, inbox):
    (inbox / "kunder.csv").write_bytes(b"Kund-id;Namn\nK1;A\n")
    run, _said = work(tables)
    assert run.status == "failed"
    assert "The mapping no longer fits: the file has no column “Kundnr”" in in_words(run.told)
    assert "Kund-id, Namn" in in_words(run.told)


def test_a_mapping_that_has_become_one_of_compared_months_takes_nothing_in(clerk, tables, inbox):
    ImportMapping.objects.update(kind="month")
    (inbox / "kunder.csv").write_bytes(b"Kundnr;Namn\nK1;A\n")
    run, _said = work(tables)
    assert (run.status, Import.objects.count()) == ("failed", 0)
    assert "only compared" in in_words(run.told)
    assert (inbox / "kunder.csv").exists()


def test_a_table_that_is_no_table(clerk, tables, inbox):
    (inbox / "kunder.csv").write_bytes(b"%PDF-1.7")
    run, _said = work(tables)
    assert "not a table" in in_words(run.told)


@pytest.mark.parametrize("missing", ["place", "mapping"])
def test_what_the_job_needs_is_gone(clerk, tables, missing):
    tables.parameters[missing] = "987654"
    tables.save()
    assert "is not there any more" in in_words(work(tables)[0].told)


@pytest.fixture
def watch(clerk, place):
    return make_job(clerk, "key_files", place=str(place.pk), pattern="*.kem*", meters=True)


def keep_password(clerk, text: str) -> None:
    with transaction.atomic():
        secret = KeptSecret.keep(clerk.utility, text)
        KeyFilePassword.objects.create(utility=clerk.utility, name=f"order {text[:2]}", secret=secret)


def test_newly_bought_meters_appear_with_their_keys(clerk, watch, inbox):
    keep_password(clerk, "fel lösen")
    keep_password(clerk, "rätt lösen")
    (inbox / "order.kem").write_bytes(kem_file(METERS, password="rätt lösen"))
    run, said = work(watch)
    assert run.status == "done", run.told
    assert said == ["order.kem: 2 keys added, 0 replaced, 0 the same; 2 meters added."]
    assert (Key.objects.count(), Meter.objects.count()) == (2, 2)
    assert Meter.objects.get(serial="67000002").medium == "cold water"
    assert sorted(MeterAddress.objects.values_list("identifier", flat=True)) == ["KAM67000001", "KAM67000002"]
    assert not [one for one in inbox.iterdir() if one.is_file()]
    assert b"l\xc3\xb6sen" not in bytes(KeptSecret.objects.first().sealed)
    (inbox / "again.kem").write_bytes(kem_file(METERS, password="rätt lösen"))
    assert work(watch)[1] == ["again.kem: 0 keys added, 0 replaced, 2 the same; 0 meters added."]


def test_a_refused_key_file_is_told_once_and_tried_with_a_new_password(clerk, watch, inbox):
    (inbox / "order.kem").write_bytes(kem_file(METERS, password="rätt lösen"))
    (inbox / "bad.kem").write_bytes(b"nothing of the kind")
    run, _said = work(watch)
    assert run.status == "failed"
    assert "bad.kem" in in_words(run.told)
    assert work(watch)[0].status == "done"  # told once
    keep_password(clerk, "rätt lösen")
    work(watch)
    assert Meter.objects.count() == 2
    assert [one.name for one in inbox.iterdir() if one.is_file()] == ["bad.kem"]


def test_keys_alone(clerk, watch, inbox):
    watch.parameters["meters"] = False
    watch.save()
    keep_password(clerk, "rätt lösen")
    (inbox / "order.kem").write_bytes(kem_file(METERS, "rätt lösen"))
    work(watch)
    assert (Key.objects.count(), Meter.objects.count()) == (2, 0)


def test_files_that_are_recognised_need_no_mapping(clerk, place, inbox):
    meter = Meter.objects.create(utility=clerk.utility, manufacturer="KAM", serial="67000001", medium="heat")
    point = MeteringPoint.objects.create(utility=clerk.utility, facility_id="735")
    Installation.objects.create(point=point, meter=meter, from_at=datetime(2020, 1, 1, tzinfo=UTC))
    job = make_job(clerk, "import", place=str(place.pk), mapping="recognised", pattern="*", rows="all")
    sent = interchange("LOC+90+735::9'LIN+1'MEA+AAZ++MWH'QTY+220:12.5'DTM+597:202601010000:203'")
    (inbox / "matvarden.edi").write_bytes(sent)
    run, said = work(job)
    assert (run.status, said) == (
        "done",
        ["matvarden.edi: 1 rows, 1 things added, 0 changed, 0 rows refused."],
    )
    assert Reading.objects.get().energy_heat_kwh == 12500.0
    (inbox / "matvarden.edi").write_bytes(sent)
    assert work(job)[1] == ["matvarden.edi is the same as last time."]
    (inbox / "again.edi").write_bytes(sent)
    assert "0 things added" in work(job)[1][0]
    (inbox / "kunder.csv").write_bytes(b"Kundnr;Namn\nK1;A\n")
    run, _said = work(job)
    assert run.status == "failed"
    assert in_words(run.told).startswith("kunder.csv: The file is not recognised")
    assert (Import.objects.last().status, Reading.objects.count()) == ("columns", 1)


def test_readings_are_fetched_from_an_sftp_server(clerk, tmp_path):
    meter = Meter.objects.create(utility=clerk.utility, manufacturer="KAM", serial="67000001", medium="heat")
    point = MeteringPoint.objects.create(utility=clerk.utility, facility_id="735")
    Installation.objects.create(point=point, meter=meter, from_at=datetime(2020, 1, 1, tzinfo=UTC))
    sent = interchange("LOC+90+735::9'LIN+1'MEA+AAZ++MWH'QTY+220:12.5'DTM+597:202601010000:203'")
    (tmp_path / "matvarden.edi").write_bytes(sent)
    with sftp_server(tmp_path) as server:
        place = Place(utility=clerk.utility, name="S", kind="sftp", host="localhost", port=server.port, user=USER,
                      own_machine=True)  # fmt: skip
        place.set_secret(PASSWORD)
        place.pinned = opening.opened(place).identity().written
        place.save()
        job = make_job(
            clerk, "import", place=str(place.pk), mapping="recognised", pattern="*.edi", rows="good"
        )
        assert work(job)[1] == ["matvarden.edi: 1 rows, 1 things added, 0 changed, 0 rows refused."]
        assert not (tmp_path / "matvarden.edi").exists()
        assert work(job)[1] == ["No file lies there."]
    row = Reading.objects.get()
    assert (row.energy_heat_kwh, row.other["import"]["id"]) == (12500.0, Import.objects.get().pk)
