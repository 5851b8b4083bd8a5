"""Consumption of meters and metering points, from stored readings, on both databases."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.db import connection

from avlas.meters import column_store, formats
from avlas.meters.directory import Directory
from avlas.meters.models import Installation, Kind, Meter, MeteringPoint, Quality, Source
from avlas.meters.slots import READING_KEY
from avlas.reports.consumption import consumption, spans_of_meter, spans_of_point
from avlas.reports.latest import latest
from avlas.system.models import Utility

pytestmark = pytest.mark.django_db
START = datetime(2026, 9, 1, 23, tzinfo=UTC)  # midnight, standard time
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def nothing_remembered():
    formats.forget()
    Directory.forget()
    yield
    formats.forget()
    Directory.forget()


@pytest.fixture
def utility():
    return Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")


@pytest.fixture
def meter(utility):
    return Meter.objects.create(utility=utility, manufacturer="KAM", serial="1", family="multical_403")


def store(
    meter, values, *, code="energy_heat_kwh", sent=("kWh", 0), kind=Kind.LIVE, start=START, step=HOUR, late=5
):
    """One reading each ``step`` from ``start``; None leaves one out."""
    rows = [(start + step * number, value) for number, value in enumerate(values) if value is not None]
    spec = json.dumps({code: sent}, separators=(",", ":"))
    seconds = [int(at.timestamp()) for at, _ in rows]
    columns = {
        "meter_id": [meter.pk] * len(rows),
        "slot_at": seconds,
        "kind": [int(kind)] * len(rows),
        "heard_at": [at + late for at in seconds],
        "source": [int(Source.RADIO)] * len(rows),
        "quality": [0] * len(rows),
        "format_id": [formats.ids({spec})[spec]] * len(rows),
        code: column_store.nullable(np.array([value for _, value in rows], float)),
    }
    column_store.upsert(connection, "reading", columns, READING_KEY)


def amounts(found):
    return [None if row.amount is None else float(row.amount) for row in found.rows]


def test_hours_days_and_months_add_up(meter):
    store(meter, [float(2 * hour) for hour in range(24 * 40)])
    hours = consumption(spans_of_meter(meter.pk), "energy_heat_kwh", "hour", START, START + 24 * HOUR)
    assert amounts(hours) == [2.0] * 24
    assert hours.total == 48
    days = consumption(spans_of_meter(meter.pk), "energy_heat_kwh", "day", START, START + 10 * 24 * HOUR)
    assert amounts(days) == [48.0] * 10
    months = consumption(spans_of_meter(meter.pk), "energy_heat_kwh", "month", START, START + HOUR)
    assert months.rows[0].amount is None  # nothing is known of its first day
    assert all(not row.marks for row in days.rows)


def test_a_gap_is_filled_and_marked_and_its_total_kept(meter):
    store(meter, [0.0, 2.0, None, None, 8.0, 10.0])
    found = consumption(spans_of_meter(meter.pk), "energy_heat_kwh", "hour", START, START + 5 * HOUR)
    assert sum(amounts(found)) == pytest.approx(10.0)
    assert ["interpolated" in row.marks for row in found.rows] == [False, True, True, True, False]


def test_the_meters_own_value_at_the_border_goes_before_what_was_heard(meter):
    store(meter, [100.0, 110.0, 120.0], late=300)
    store(meter, [111.0], kind=Kind.LOGGED, start=START + HOUR)
    found = consumption(spans_of_meter(meter.pk), "energy_heat_kwh", "hour", START, START + 2 * HOUR)
    assert amounts(found) == [11.0, 9.0]


def test_roll_over_is_use_and_backwards_is_nothing(meter):
    store(meter, [9_999_990.0, 9_999_995.0, 5.0, 10.0, 2.0, 3.0])
    found = consumption(spans_of_meter(meter.pk), "energy_heat_kwh", "hour", START, START + 5 * HOUR)
    assert amounts(found) == [5.0, 10.0, 5.0, None, 1.0]
    assert "rolled_over" in found.rows[1].marks
    assert "backwards" in found.rows[3].marks


def test_a_point_goes_on_across_an_exchange(utility, meter):
    new = Meter.objects.create(utility=utility, manufacturer="KAM", serial="2", family="multical_403")
    point = MeteringPoint.objects.create(utility=utility, facility_id="700001")
    change = START + 3 * HOUR
    Installation.objects.create(point=point, meter=meter, from_at=START - 999 * HOUR, to_at=change)
    Installation.objects.create(point=point, meter=new, from_at=change)
    store(meter, [500.0, 502.0, 504.0, 506.0])
    store(new, [0.0, 3.0, 6.0], start=change)
    found = consumption(spans_of_point(point.pk), "energy_heat_kwh", "hour", START, START + 5 * HOUR)
    assert amounts(found) == [2.0, 2.0, 2.0, 3.0, 3.0]
    day = consumption(spans_of_point(point.pk), "energy_heat_kwh", "day", START, START + 24 * HOUR)
    assert day.rows[0].marks == {
        "exchange",
        "incomplete",
    }  # what the new meter used after its last reading is open
    store(new, [3.0 * hour for hour in range(22)], start=change)
    day = consumption(spans_of_point(point.pk), "energy_heat_kwh", "day", START, START + 24 * HOUR)
    assert (day.rows[0].amount, day.rows[0].marks) == (6 + 63, {"exchange"})


@pytest.mark.parametrize(
    ("gigajoules", "decimals", "kilowatt_hours"),
    [(18.5, 1, "5138.89"), (2.8, 1, "777.78"), (1488.982, 3, "413606.111")],
)
def test_gigajoules_come_back_exact_in_kilowatt_hours(meter, gigajoules, decimals, kilowatt_hours):
    store(meter, [0.0, gigajoules * 1e3 / 3.6], sent=("GJ", decimals))
    found = consumption(spans_of_meter(meter.pk), "energy_heat_kwh", "hour", START, START + HOUR)
    assert f"{Decimal(found.rows[0].amount):.{found.decimals}f}" == kilowatt_hours
    (energy,) = latest(meter.pk)
    assert (energy.figure, energy.unit) == (Decimal(str(gigajoules)), "GJ")


def test_a_meter_in_megawatt_hours_is_not_given_decimals_it_has_not(meter):
    store(meter, [0.0, 12.345e3], sent=("MWh", 3))
    found = consumption(spans_of_meter(meter.pk), "energy_heat_kwh", "hour", START, START + HOUR)
    assert (found.decimals, found.total) == (0, 12345)
    shown = found.total_shown_in
    assert (shown.figure(found.total), shown.unit, shown.decimals) == (Decimal("12.345"), "MWh", 3)


def test_voided_readings_do_not_count(meter):
    store(meter, [0.0, 99.0, 4.0])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE reading SET quality = %s WHERE energy_heat_kwh = 99", [int(Quality.VOIDED)])
    found = consumption(spans_of_meter(meter.pk), "energy_heat_kwh", "hour", START, START + 2 * HOUR)
    assert amounts(found) == pytest.approx([2.0, 2.0], abs=0.01)
    assert all("interpolated" in row.marks for row in found.rows)


def test_heat_that_the_volume_cannot_have_carried_is_marked(meter):
    for code, step, sent in (
        ("energy_heat_kwh", 1000.0, ("kWh", 0)),
        ("volume_m3", 25.0, ("m³", 2)),
        ("energy_flow_m3c", 25.0 * 80, ("m³·°C", 0)),
        ("energy_return_m3c", 25.0 * 75, ("m³·°C", 0)),
    ):
        rows = [0.0, step, 2 * step]
        with connection.cursor() as cursor:
            if code != "energy_heat_kwh":
                for number, value in enumerate(rows):
                    cursor.execute(
                        f"UPDATE reading SET {code} = %s WHERE slot_at = %s",
                        [value, int((START + number * HOUR).timestamp())],
                    )
                continue
        store(meter, rows, code=code, sent=sent)
    spec = {
        "energy_heat_kwh": ["kWh", 0], "energy_flow_m3c": ["m³·°C", 0], "energy_return_m3c": ["m³·°C", 0],
        "volume_m3": ["m³", 2],
    }  # fmt: skip
    text = json.dumps(spec, separators=(",", ":"))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE reading SET format_id = %s", [formats.ids({text})[text]])
    found = consumption(spans_of_meter(meter.pk), "energy_heat_kwh", "hour", START, START + 2 * HOUR)
    assert all("implausible" in row.marks for row in found.rows)


def test_momentary_values_are_means(meter):
    store(meter, [60.0, 70.0, 80.0], code="flow_temperature_c", sent=("°C", 2), step=timedelta(minutes=20))
    found = consumption(spans_of_meter(meter.pk), "flow_temperature_c", "hour", START, START + HOUR)
    assert amounts(found) == [70.0]
    assert found.total is None


def test_an_unknown_register_is_refused(meter):
    with pytest.raises(ValueError, match="no register"):
        consumption(spans_of_meter(meter.pk), "energy", "hour", START, START + HOUR)


def test_a_roll_over_is_marked_and_counted_at_every_step_of_time(meter):
    first, end = START - timedelta(days=1), START + timedelta(days=29)  # September
    values = [8_000_000, 9_999_970, 9_999_990, 5, 2_000_000]  # seven digits, as the family has them
    store(meter, values, start=first, step=timedelta(days=5), late=0)
    store(meter, [2_100_000], start=end, late=0)
    for unit in ("hour", "day", "month"):
        rows = consumption(spans_of_meter(meter.pk), "energy_heat_kwh", unit, first, end).rows
        assert any("rolled_over" in row.marks for row in rows), unit
        assert not any("backwards" in row.marks for row in rows), unit
    assert [float(row.amount) for row in rows] == [4_100_000], "of which the borders alone know nothing"


def test_a_step_backwards_inside_an_interval_is_marked_though_its_ends_go_up(meter):
    store(meter, [100, 200, 50, 400], step=timedelta(days=3))
    for unit in ("hour", "day", "month", "year"):
        rows = consumption(
            spans_of_meter(meter.pk), "energy_heat_kwh", unit, START, START + timedelta(days=9)
        ).rows
        assert any("backwards" in row.marks for row in rows), unit
