"""Zone balances and flow at night: the formulas, and both over stored readings on both databases."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from avlas.meters import column_store, formats
from avlas.meters.models import Group, Installation, Kind, Meter, MeteringPoint, Source
from avlas.meters.slots import READING_KEY
from avlas.reports.calc.leakage import loss_share, night_flow
from avlas.reports.period_use import Members
from avlas.reports.water_loss import KINDS, night_report, zone_balance
from avlas.system.models import Utility

START = datetime(2026, 8, 31, 23, tzinfo=UTC)  # midnight, standard time
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NAN = float("nan")


def test_the_quietest_hour_of_each_night_counts_and_nights_with_a_gap_do_not():
    counters = np.array([
        [[0.0, 0.1, 0.115, 0.4], [1.0, 1.014, 1.1, 1.2], [2.0, NAN, 2.2, 2.3]],  # a toilet runs: 14 l/h
        [[0.0, 0.3, 0.3, 0.4], [1.0, 1.0, 1.0, 1.0], [5.0, 4.0, 4.1, 4.2]],  # stands still; once backwards
    ])  # fmt: skip
    found = night_flow(counters, np.array([0.001, 0.001]))
    assert found.nights.tolist() == [2, 2]
    assert found.running.tolist() == [2, 0]
    assert found.least == pytest.approx([0.014, 0.0])
    assert found.mean == pytest.approx([0.0145, 0.0])


def test_without_a_whole_night_nothing_is_said():
    found = night_flow(np.full((1, 2, 4), NAN), np.array([0.001]))
    assert found.nights.tolist() == [0]
    assert np.isnan([found.least[0], found.mean[0]]).all()
    assert night_flow(np.zeros((0, 0, 4)), np.zeros(0)).least.shape == (0,)
    assert np.isnan(loss_share(np.array([0.0]), np.array([1.0]))[0])


@given(
    st.lists(st.lists(st.floats(0, 50), min_size=3, max_size=3), min_size=1, max_size=9), st.floats(0, 1e6)
)
def test_what_runs_all_the_time_is_found_whatever_else_is_drawn(drawn, begun):
    leak = 0.05
    nights = np.array([np.concatenate([[begun], begun + np.cumsum(np.array(one) + leak)]) for one in drawn])
    found = night_flow(nights[None], np.array([0.001]))
    assert found.running[0] == found.nights[0] == len(drawn)
    assert found.least[0] >= leak - 1e-6


@pytest.fixture
def utility(db):
    formats.forget()
    yield Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")
    formats.forget()


def meter(utility, serial, hourly, *, days=5, medium="cold water", step=HOUR):
    """A water meter with a use of ``hourly`` m³ in each hour of the day."""
    made = Meter.objects.create(utility=utility, manufacturer="KAM", serial=serial, medium=medium)
    point = MeteringPoint.objects.create(utility=utility, facility_id=serial)
    Installation.objects.create(point=point, meter=made, from_at=START - 99 * DAY)
    hours = days * 24 + 1
    values = np.concatenate([[0.0], np.cumsum(np.resize(np.array(hourly, float), hours - 1))]) + 10
    chosen = list(range(0, hours, int(step / HOUR)))
    at = [int((START + hour * HOUR).timestamp()) for hour in chosen]
    text = json.dumps({"volume_m3": ["m³", 3]}, separators=(",", ":"))
    column_store.upsert(
        connection,
        "reading",
        {
            "meter_id": [made.pk] * len(at), "slot_at": at, "kind": [int(Kind.LIVE)] * len(at),
            "heard_at": [second + 7 for second in at], "source": [int(Source.RADIO)] * len(at),
            "quality": [0] * len(at), "format_id": [formats.ids({text})[text]] * len(at),
            "volume_m3": column_store.nullable(values[chosen]),
        },
        READING_KEY,
    )  # fmt: skip
    return made


def group(utility, name, *meters):
    made = Group.objects.create(utility=utility, name=name)
    made.meters.add(*meters)
    test = "m.id IN (SELECT g.meter_id FROM meters_groupmember g WHERE g.group_id = %s)"
    return Members(utility.pk, test, (made.pk,))


BY_DAY = [0.0] * 6 + [0.03] * 18


def test_a_leak_is_told_from_a_house_that_sleeps_and_from_meters_read_once_a_day(utility):
    meter(utility, "leak", [0.038 + one for one in BY_DAY])
    meter(utility, "sleeps", BY_DAY)
    meter(utility, "daily", [0.5] * 24, step=DAY)
    meter(utility, "heat", [0.5] * 24, medium="heat")
    found = night_report(Members(utility.pk), "volume_m3", START, START + 5 * DAY)
    least = dict(zip([one.serial for one in found.people], found.flow.least.tolist(), strict=True))
    assert least["leak"] == pytest.approx(0.038)
    assert least["sleeps"] == 0
    assert np.isnan(least["daily"])
    assert "heat" not in least
    assert (found.nights, found.cut) == (5, False)
    leak = [one.serial for one in found.people].index("leak")
    assert found.share[leak] == pytest.approx(0.038 * 24 / (0.038 * 24 + 0.54))


def test_a_zones_balance_day_by_day_and_a_meter_in_both_groups_supplies(utility):
    supply = meter(utility, "main", [0.3] * 24)
    houses = [meter(utility, f"house {n}", [0.1] * 24) for n in range(2)]
    gone = meter(utility, "gone", [0.1] * 24, days=2)
    meter(utility, "heat", [9.0] * 24, medium="heat")
    zone = group(utility, "Zon", supply, *houses)
    found = zone_balance(KINDS["water"], group(utility, "In", supply), zone, START, START + 5 * DAY)
    assert found.by_day
    assert (found.supply_meters, found.consumer_meters) == (1, 2)
    assert found.supplied == pytest.approx([7.2] * 5, abs=0.01)
    assert found.lost == pytest.approx([2.4] * 5, abs=0.02)
    group(utility, "Alla", supply, *houses, gone)
    everybody = zone_balance(
        KINDS["water"], group(utility, "In 2", supply), Members(utility.pk), START, START + 5 * DAY
    )
    assert everybody.consumer_meters == 3
    assert everybody.consumers_unknown.tolist() == [0, 0, 1, 1, 1]
    nobody = zone_balance(KINDS["water"], group(utility, "Tom"), zone, START, START + 5 * DAY)
    assert np.isnan(nobody.lost).all()


def test_too_large_a_zone_is_balanced_as_a_whole_and_too_many_nights_are_cut(utility, monkeypatch):
    supply = meter(utility, "main", [0.3] * 24)
    house = meter(utility, "house", [0.1] * 24)
    monkeypatch.setattr("avlas.reports.water_loss._MOST_LOOK_UPS", 10)
    found = zone_balance(
        KINDS["water"], group(utility, "In", supply), group(utility, "Ut", house), START, START + 5 * DAY
    )
    assert not found.by_day
    assert found.lost == pytest.approx([24.0], abs=0.02)
    nights = night_report(Members(utility.pk), "volume_m3", START, START + 5 * DAY)
    assert nights.cut
    assert nights.nights == 1
