"""Means of momentary values over an export's intervals: as reports have them, marked, exchanges apart."""

from __future__ import annotations

import pytest
from django.db import connection
from tests.transfer.test_exports import DAY, END, HOUR, START, install, lines, make_meter, template

from avlas.meters import column_store, formats
from avlas.meters.models import Kind, Quality
from avlas.meters.slots import READING_KEY
from avlas.reports.consumption import consumption, spans_of_meter
from avlas.system.models import Utility
from avlas.transfer.exports import catalogue, rows
from avlas.transfer.exports.layout import STANDARD, Column, Layout

pytestmark = pytest.mark.django_db


@pytest.fixture
def utility():
    formats.forget()
    return Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")


def store(meter, at, *, t1=None, power=None, energy=None, kind=Kind.LIVE, late=5, quality=0):
    spec = formats.text(
        {"energy_heat_kwh": ("MWh", 2), "flow_temperature_c": ("°C", 2), "power_kw": ("W", 0)}
    )
    second = int(at.timestamp())
    column_store.upsert(
        connection, "reading",
        {"meter_id": [meter.pk], "slot_at": [second], "kind": [int(kind)], "heard_at": [second + late], "source": [1],
         "quality": [quality], "format_id": [formats.ids({spec})[spec]], "flow_temperature_c": [t1],
         "power_kw": [power], "energy_heat_kwh": [energy]},
        READING_KEY,
    )  # fmt: skip


@pytest.fixture
def meter(utility):
    """One that is read every quarter, with a voided reading, a broken sensor, and one heard late in its slot."""
    meter = make_meter(utility, "1", slot_seconds=900)
    install(meter, START - DAY)
    for quarter in range(-4, 12):
        store(meter, START + quarter * HOUR / 4, t1=70 + quarter, power=3.5, energy=1000.0 + quarter)
    store(meter, START + HOUR / 4, t1=500.0, quality=int(Quality.VOIDED))
    store(meter, START + HOUR / 2, t1=185.0, quality=int(Quality.SENSOR_ERROR))
    store(meter, START + HOUR * 3 / 4, t1=60.0, late=899)
    return meter


CODES = (
    "row.from",
    "flow_temperature_c.mean",
    "flow_temperature_c.mean_of",
    "energy_heat_kwh.use",
    "row.marks",
)


def test_each_hours_readings_count_once_and_broken_sensors_do_not(utility, meter):
    found = lines(template(utility, *CODES, interval="hour", date="HH"), START, START + 4 * HOUR)
    # hour 0: 70 and 60, the others are voided or broken; hours 1 and 2: 74 to 77, 78 to 81
    assert found == ["00;65,00;2;0,00;mean", "01;75,50;4;0,00;mean", "02;79,50;4;;mean", "03;;0;;no value"]


@pytest.mark.parametrize("unit", ["hour", "day"])
def test_means_are_those_of_the_reports(utility, meter, unit):
    end = START + DAY
    shown = lines(template(utility, "flow_temperature_c.mean", interval=unit), START, end)
    rows = consumption(spans_of_meter(meter.pk), "flow_temperature_c", unit, START, end).rows
    assert [float(one.replace(",", ".")) if one else None for one in shown] == [
        None if row.amount is None else pytest.approx(float(row.amount), abs=0.005) for row in rows
    ]


def test_a_period_is_one_row_and_an_exchange_parts_it(utility, meter):
    taken = meter.installations.get()
    taken.to_at = START + HOUR
    taken.save()
    other = make_meter(utility, "2", slot_seconds=3600)
    install(other, START + HOUR, point=taken.point)
    store(other, START + 2 * HOUR, t1=40.0, power=0.25)
    of = template(
        utility, "serial", "flow_temperature_c.mean", "power_kw.mean", Column("power_kw.mean", decimals=3)
    )
    assert lines(of, START, START + 9 * HOUR) == ["1;65,00;3,5;3,500", "2;40,00;0,2;0,250"]
    only_ends = template(
        utility, "serial", "flow_temperature_c.mean", "flow_temperature_c.end", only_installed=False
    )
    assert lines(only_ends, START, END) == ["1;65,00;60,00", "2;40,00;"]


def test_means_are_offered_for_momentary_values_alone():
    codes = {one.code for one in catalogue.choices()}
    assert {"flow_temperature_c.mean", "power_kw.mean_of", "volume_flow_m3h.mean"} <= codes
    assert not {"energy_heat_kwh.mean", "info_code.mean", "power_kw.use"} & codes
    assert codes - {"constant"} == catalogue.known()
    for unit in ("own", STANDARD):
        (column,) = Layout(columns=(Column("power_kw.mean", unit=unit),)).columns
        assert catalogue.heading(column).endswith("(kW)")


def test_a_long_export_is_the_same_in_smaller_blocks(utility, meter, monkeypatch):
    other = make_meter(utility, "2")
    install(other, START + 3 * DAY)
    for day in range(2, 6):
        store(other, START + day * DAY, t1=50.0 + day, energy=2000.0 + day)
    of = template(utility, "serial", *CODES, "energy_heat_kwh.end", interval="day", only_network=False)
    whole = lines(of)
    monkeypatch.setattr(rows, "_ROWS", 1)
    assert lines(of) == whole
    assert {line.partition(";")[0] for line in whole} == {"1", "2"}
