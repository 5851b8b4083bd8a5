"""Readings of other systems: exact, idempotent, fenced, and taken back by voiding."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.transfer.conftest import reasons

from avlas.meters import entered, formats
from avlas.meters.keys import Who
from avlas.meters.models import (
    Fence,
    Installation,
    Kind,
    Meter,
    MeteringPoint,
    Quality,
    Reading,
    Source,
    VoidedReading,
)
from avlas.transfer.imports import fields
from avlas.transfer.imports.reading_row import understand
from avlas.transfer.imports.register_row import Rules
from avlas.transfer.imports.sheet import Line

TABLE = "Mätarnr;Tidpunkt;Energi [MWh];Volym (m3)\n67000001;01-01-2026 00:00;12,345;100,5\n67000002;01-01-2026 00:00;7;\n"
MOMENT = datetime(2025, 12, 31, 23, tzinfo=UTC)  # standard time, as the winter's civil time


@pytest.fixture
def meters(clerk):
    return [
        Meter.objects.create(utility=clerk.utility, manufacturer="KAM", serial=serial, medium="heat")
        for serial in ("67000001", "67000002")
    ]


def test_readings_come_in_exactly_as_they_were_written(clerk, meters):
    one = clerk.checks(TABLE, kind="readings")
    assert one.counts == {"new": 2, "rows": 2, "reading_added": 2}
    assert not Reading.objects.exists()
    one = clerk.works(one, "take_in")
    assert (one.status, one.counts["result"]) == ("done", {"reading_added": 2})
    row = Reading.objects.get(meter_id=meters[0].pk)
    assert (row.kind, row.source, row.slot_at) == (Kind.ENTERED, Source.IMPORTED, MOMENT)
    assert (row.energy_heat_kwh, row.volume_m3) == (12345.0, 100.5)
    assert row.other["import"] == {"id": one.pk, "line": 2}
    assert formats.parse(formats.specs({row.format_id})[row.format_id]) == {
        "energy_heat_kwh": ("MWh", 3), "volume_m3": ("m³", 1),
    }  # fmt: skip


def test_the_same_readings_again_change_nothing(clerk, meters):
    clerk.works(clerk.checks(TABLE, kind="readings"), "take_in")
    again = clerk.checks(TABLE, kind="readings")
    assert again.counts == {"same": 2, "rows": 2}
    assert clerk.works(again, "take_in").counts["result"] == {"reading_added": 0}
    assert Reading.objects.count() == 2


def test_one_register_a_row_with_its_unit(clerk, meters):
    text = "Mätare;Datum;Klockslag;Register;Värde;Enhet\n67000001;2026-01-31;24:00;E1;44.5;GJ\n67000002;2026-02-01;00:00;Volym;1 000;l\n"
    clerk.works(clerk.checks(text, kind="readings"), "take_in")
    first, second = (Reading.objects.get(meter_id=meter.pk) for meter in meters)
    assert first.energy_heat_kwh == pytest.approx(44.5 * 2500 / 9, abs=1e-6)
    assert second.volume_m3 == 1.0
    assert first.slot_at == second.slot_at


def test_a_reading_finds_the_meter_that_sat_there(clerk, meters):
    point = MeteringPoint.objects.create(utility=clerk.utility, facility_id="735")
    Installation.objects.create(
        point=point,
        meter=meters[0],
        from_at=MOMENT - timedelta(days=9),
        to_at=MOMENT + timedelta(days=1),
        reason="byte",
    )
    Installation.objects.create(point=point, meter=meters[1], from_at=MOMENT + timedelta(days=1))
    text = "Anläggningsid;Datum;Energi\n735;2026-01-01;1\n735;2026-01-05;2\n735;2025-01-01;3\n"
    one = clerk.checks(text, kind="readings")
    assert [row[3] for row in reasons(one)] == [
        "No main meter was installed at this metering point at that time."
    ]
    clerk.works(one, "take_in", whole=False)
    assert [Reading.objects.get(meter_id=meter.pk).energy_heat_kwh for meter in meters] == [1.0, 2.0]


BAD = {
    "1;2026-01-01;1;": "There is no meter with this number.",
    ";2026-01-01;1;": "The meter's serial number is missing.",
    "67000001;;1;": "The time of the reading is missing.",
    "67000001;2199-01-01;1;": "2199-01-01 is in the future.",
    "67000001;2026-01-01;;": "There is no figure in this line.",
    "67000001;2026-01-01;-1;": "“-1” is no figure of a meter.",
    "67000001;2026-01-01;x;": "“x” is not a number.",
    "67000001;2026-01-01": "The line has 2 columns, the headings are 4.",
}


def test_bad_rows_are_refused(clerk, meters):
    one = clerk.checks(
        "Mätarnr;Tidpunkt;Energi;Volym\n" + "".join(f"{row}\n" for row in BAD), kind="readings"
    )
    assert [(row[0], row[3]) for row in reasons(one)] == list(enumerate(BAD.values(), 2))


def test_a_unit_that_is_not_the_registers(clerk, meters):
    one = clerk.checks("Mätarnr;Tidpunkt;Energi [m3]\n67000001;2026-01-01;1\n", kind="readings")
    assert reasons(one)[0][3] == "Heat energy is not counted in “m3”."


def test_another_figure_for_the_same_minute_is_refused_until_it_is_voided(clerk, meters):
    clerk.works(clerk.checks(TABLE, kind="readings"), "take_in")
    other = TABLE.replace("12,345", "13")
    assert "void that one first" in reasons(clerk.checks(other, kind="readings"))[0][3]
    entered.void(meters[0], MOMENT, Kind.ENTERED, "fel", Who(clerk.user))
    clerk.works(clerk.checks(other, kind="readings"), "take_in")
    assert Reading.objects.get(meter_id=meters[0].pk).energy_heat_kwh == 13000.0
    twice = "Mätarnr;Tidpunkt;Energi\n67000001;2026-03-01;1\n67000001;2026-03-01;2\n67000001;2026-03-01;1\n"
    one = clerk.checks(twice, kind="readings")
    assert one.counts == {"new": 1, "refused": 1, "same": 1, "rows": 3, "reading_added": 1}


def test_what_was_erased_never_comes_back(clerk, meters):
    Fence.objects.create(
        meter=meters[0], from_at=MOMENT - timedelta(days=1), to_at=MOMENT + timedelta(days=1)
    )
    one = clerk.checks(TABLE, kind="readings")
    assert "erased for good" in reasons(one)[0][3]
    clerk.works(one, "take_in", whole=False)
    assert Reading.objects.get().meter_id == meters[1].pk


def test_imported_readings_are_taken_back_by_voiding(clerk, meters):
    one = clerk.works(clerk.checks(TABLE, kind="readings"), "take_in")
    one = clerk.works(one, "undo")
    assert one.counts["undone"] == {"reading_added": 2, "kept": 0}
    assert all(row.quality & Quality.VOIDED for row in Reading.objects.all())
    assert VoidedReading.objects.count() == 2
    again = clerk.works(clerk.checks(TABLE, kind="readings"), "take_in")
    assert again.counts["result"] == {"reading_added": 2}
    assert not any(row.quality & Quality.VOIDED for row in Reading.objects.all())


def test_columns_of_readings_are_guessed_and_missed():
    assert fields.guess(["Mätarnr", "Avläsningsdatum", "Energi (kWh)", "V1"], fields.READING_FIELDS) == [
        "reading.serial", "reading.at", "reading.energy_heat_kwh", "reading.volume_m3",
    ]  # fmt: skip
    for one in fields.READING_FIELDS:
        assert fields.guess([one.label], fields.READING_FIELDS) == [one.code]
    said = fields.lacking({"reading.value"}, maker_given=False)
    assert len(said) == 3


@given(st.lists(st.text(max_size=20), min_size=5, max_size=5))
def test_any_row_is_a_reading_or_refused(texts):
    columns = {
        "reading.serial": 0,
        "reading.at": 1,
        "reading.register": 2,
        "reading.value": 3,
        "reading.unit": 4,
    }
    now = datetime(2026, 6, 1, tzinfo=UTC)
    record, faults = understand(Line(2, texts), Rules(columns, list("ABCDE"), since=now, now=now))
    assert faults or (record.serial and record.at and record.figures)
