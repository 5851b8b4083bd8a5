"""Counters of many meters at once, and what metering points used in a period, on both databases."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connection

from avlas.meters import column_store, formats
from avlas.meters.models import (
    Customer,
    Group,
    Installation,
    Kind,
    Meter,
    MeteringPoint,
    Occupancy,
    Quality,
    Source,
)
from avlas.meters.slots import READING_KEY
from avlas.reports.calc.value_at import INTERPOLATED, LIVE, LOGGED, NONE, Series, values_at
from avlas.reports.counters import AFTER, BEFORE, EXACTLY, HELD, Moments, counters_at
from avlas.reports.heat import heat_report
from avlas.reports.models import CoolingLevels
from avlas.reports.period_use import Members, UseMark, period_use
from avlas.reports.totals import LESS, MORE, UNKNOWN, ZERO, consumption_report, fitting, total
from avlas.system.models import Utility

pytestmark = pytest.mark.django_db
HEAT, VOLUME = "energy_heat_kwh", "volume_m3"
START = datetime(2026, 8, 31, 23, tzinfo=UTC)  # midnight, standard time
END = datetime(2026, 9, 30, 23, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def nothing_remembered():
    formats.forget()
    yield
    formats.forget()


@pytest.fixture
def utility():
    return Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")


def make(utility, serial, **fields):
    return Meter.objects.create(
        utility=utility,
        manufacturer="KAM",
        serial=serial,
        **{"medium": "heat", "family": "multical_403", **fields},
    )


def store(meter, at, values, *, kind=Kind.LIVE, late=5, sent=("kWh", 0), quality=0, **others):
    """A reading at each of ``at`` with E1 ``values``; ``others``: further registers."""
    columns = {HEAT: values, **others}
    spec = {code: ["m³", 2] if code == VOLUME else ["m³·°C", 0] for code in columns} | {HEAT: list(sent)}
    text = json.dumps(dict(sorted(spec.items())), separators=(",", ":"))
    seconds = [int(moment.timestamp()) for moment in at]
    rows = {
        "meter_id": [meter.pk] * len(at),
        "slot_at": seconds,
        "kind": [int(kind)] * len(at),
        "heard_at": [second + late for second in seconds],
        "source": [int(Source.RADIO)] * len(at),
        "quality": [quality] * len(at),
        "format_id": [formats.ids({text})[text]] * len(at),
        **{code: column_store.nullable(np.array(column, float)) for code, column in columns.items()},
    }
    column_store.upsert(connection, "reading", rows, READING_KEY)


def place(meter, from_at, to_at=None, point=None, role=Installation.MAIN):
    point = point or MeteringPoint.objects.create(
        utility=meter.utility, facility_id=f"7{meter.serial}", address=f"Askvägen {meter.serial}"
    )
    Installation.objects.create(point=point, meter=meter, from_at=from_at, to_at=to_at, role=role)
    return point


def use_of(utility, registers=(HEAT,), start=START, end=END, members=None, **options):
    found = period_use(members or Members(utility.pk), registers, start, end, **options)
    return {
        one.serial: (float(found.used.amount[registers[0]][row]), UseMark(int(found.used.marks[row])))
        for row, one in enumerate(found.who)
    }


def test_many_meters_at_once_give_what_each_alone_gives(utility):
    """The rule for one meter (calc.value_at) is the measure of the set-wise statements."""
    rng = np.random.default_rng(4)
    moment = int(END.timestamp())
    series = {}
    for number in range(60):
        meter = make(utility, str(number))
        rows = set()
        for _ in range(rng.integers(0, 9)):
            hours = int(rng.integers(-3, 3))
            kind, late = int(rng.choice([0, 0, 0, 1, 2])), int(rng.choice([5, 400, 900, 3300]))
            rows.add((hours * int(rng.choice([1, 24])), kind, late))
        rows = {(hours, kind): late for hours, kind, late in rows}
        kept = []
        for (hours, kind), late in rows.items():
            value = float(1000 + hours) + kind / 8
            store(meter, [END + hours * HOUR], [value], kind=kind, late=late)
            kept.append((moment + hours * 3600 + (late if kind == 0 else 0), kind, value))
        kept.sort()
        at, kind, value = np.array(kept, float).reshape(-1, 3).T
        series[meter.pk] = Series(at, kind.astype(np.int8), value, np.arange(len(kept)))
    ids = np.array(list(series))
    found = counters_at(Moments(ids, np.full(len(ids), moment), np.zeros(len(ids), np.int8)), (HEAT,))
    assert set(np.unique(found.how)) == {NONE, LOGGED, 2, LIVE, INTERPOLATED}
    for row, pk in enumerate(ids.tolist()):
        alone = values_at(series[pk], np.array([float(moment)]))
        assert found.how[row, 0] == alone.how[0], pk
        assert found.value[row, 0] == pytest.approx(alone.value[0], nan_ok=True)


def test_a_value_that_is_missing_is_held_only_where_that_was_asked_for(utility):
    meter = make(utility, "1")
    store(meter, [START + HOUR, START + 2 * HOUR], [5.0, 7.0])
    wanted = [(START, EXACTLY), (START, AFTER), (END, EXACTLY), (END, BEFORE)]
    found = counters_at(
        Moments(
            np.full(4, meter.pk),
            np.array([int(at.timestamp()) for at, _ in wanted]),
            np.array([instead for _, instead in wanted]),
        ),
        (HEAT,),
    )
    assert found.how[:, 0].tolist() == [NONE, HELD, NONE, HELD]
    assert found.value[[1, 3], 0].tolist() == [5.0, 7.0]


def test_registers_that_the_meters_own_log_lacks_come_from_what_was_heard_around_it(utility):
    meter = make(utility, "1")
    store(meter, [START], [100.0], kind=Kind.LOGGED)
    store(meter, [START - 12 * HOUR, START + 12 * HOUR], [90.0, 110.0], **{VOLUME: [10.0, 14.0]}, late=0)
    found = counters_at(
        Moments(np.array([meter.pk]), np.array([int(START.timestamp())]), np.zeros(1, np.int8)),
        (HEAT, VOLUME),
    )
    assert found.value[0].tolist() == [100.0, 12.0]
    assert found.how[0].tolist() == [LOGGED, INTERPOLATED]


def test_nobody_gives_nothing():
    nobody = np.zeros(0, np.int64)
    assert counters_at(Moments(nobody, nobody, nobody), (HEAT,)).value.shape == (0, 1)
    assert period_use(Members(0), (HEAT,), START, END).who == []


def test_a_point_goes_on_across_an_exchange_and_has_one_row(utility):
    old, new = make(utility, "1"), make(utility, "2", medium="heat/cooling")
    change = START + 10 * DAY
    point = place(old, START - 99 * DAY, change)
    place(new, change, point=point)
    store(old, [START, change - HOUR], [500.0, 600.0])
    store(new, [change + HOUR, END], [0.0, 250.0])
    assert use_of(utility) == {"2": (350.0, UseMark.EXCHANGE | UseMark.INCOMPLETE)}
    store(old, [change], [603.0], kind=Kind.ENTERED)
    store(new, [change], [0.0], kind=Kind.ENTERED)
    assert use_of(utility) == {"2": (353.0, UseMark.EXCHANGE)}
    group = Group.objects.create(utility=utility, name="Byten")
    group.meters.add(old)
    mine = Members(
        utility.pk, "m.id IN (SELECT g.meter_id FROM meters_groupmember g WHERE g.group_id = %s)", (group.pk,)
    )
    assert use_of(utility, members=mine) == {"1": (353.0, UseMark.EXCHANGE)}
    assert use_of(utility, start=END, end=END + DAY) == {
        "2": (pytest.approx(float("nan"), nan_ok=True), UseMark(0))
    }


def test_two_meters_side_by_side_at_one_point_are_two_rows(utility):
    heat, water, sub = make(utility, "1"), make(utility, "2", medium="water"), make(utility, "3")
    point = place(heat, START - DAY)
    place(water, START - DAY, point=point)
    place(sub, START - DAY, point=point, role=Installation.SUB)
    for meter, used in ((heat, 10.0), (water, 20.0), (sub, 30.0)):
        store(meter, [START, END], [1.0, 1.0 + used])
    assert {serial: amount for serial, (amount, _) in use_of(utility).items()} == {"1": 10, "2": 20, "3": 30}


def test_meters_never_installed_count_and_meters_taken_down_before_do_not(utility):
    loose, gone = make(utility, "1"), make(utility, "2")
    place(gone, START - 99 * DAY, START - 9 * DAY)
    for meter in (loose, gone):
        store(meter, [START, END], [1.0, 3.0])
    assert use_of(utility) == {"1": (2.0, UseMark(0))}


def test_roll_over_counts_on_backwards_is_not_known(utility):
    over, back = make(utility, "1"), make(utility, "2")
    store(over, [START, END], [9_999_990.0, 20.0])
    store(back, [START, END], [500.0, 20.0])
    found = use_of(utility)
    assert found["1"] == (30.0, UseMark.ROLLED_OVER)
    assert np.isnan(found["2"][0])
    assert found["2"][1] == UseMark.BACKWARDS


def test_a_period_that_is_not_over_is_counted_to_the_newest_reading(utility):
    meter = make(utility, "1")
    store(meter, [START, START + 5 * DAY], [100.0, 150.0])
    now = START + 5 * DAY + 3 * HOUR
    assert use_of(utility, now=now) == {"1": (50.0, UseMark.INCOMPLETE)}
    late = use_of(utility, now=END + DAY)
    assert np.isnan(late["1"][0])


def test_marks_of_readings_are_passed_on_and_voided_ones_are_not_used(utility):
    meter = make(utility, "1")
    store(meter, [START], [100.0], quality=int(Quality.ESTIMATED), kind=Kind.ENTERED)
    store(meter, [END], [140.0])
    assert use_of(utility) == {"1": (40.0, UseMark.ESTIMATED)}
    store(make(utility, "2"), [START, END], [1.0, 2.0], quality=int(Quality.VOIDED))
    assert np.isnan(use_of(utility)["2"][0])


def test_a_wrong_way_period_is_refused(utility):
    with pytest.raises(ValueError, match="before it begins"):
        period_use(Members(utility.pk), (HEAT,), END, START)


def test_who_lived_there_at_the_end_of_the_period_and_unknown_types(utility):
    meter = make(utility, "1", medium="", family="", model="")
    point = place(meter, START - DAY)
    before, after = (Customer.objects.create(utility=utility, number=n, name=n) for n in ("Anna", "Bo"))
    Occupancy.objects.create(point=point, customer=before, from_at=START - DAY, to_at=END + DAY)
    Occupancy.objects.create(point=point, customer=after, from_at=END + DAY)
    store(meter, [START, END], [1.0, 2.0])
    (one,) = consumption_report(Members(utility.pk), START, END).who
    assert (one.customer, one.address, one.model) == ("Anna", "Askvägen 1", "")


def test_combined_meters_have_a_line_for_heating_and_one_for_cooling(utility):
    meter = make(utility, "1", medium="heat/cooling")
    days = [START + number * DAY for number in range(31)]
    warm = np.arange(31) < 15  # heats for 15 days, then cools; the last day does both
    heat = np.concatenate([[0], np.cumsum(np.where(warm[:-1], 100.0, 0.0))])
    cool = np.concatenate([[0], np.cumsum(np.where(warm[:-1], 0.0, 92.0))])
    heat[-1] += 50
    volume = np.concatenate([[0], np.cumsum(np.where(warm[:-1], 2.2, 10.0))])
    inlet = np.concatenate([[0], np.cumsum(np.where(warm[:-1], 2.2 * 80, 10.0 * 7))])
    outlet = np.concatenate([[0], np.cumsum(np.where(warm[:-1], 2.2 * 40, 10.0 * 15))])
    store(
        meter, days, heat,
        energy_cooling_kwh=cool, volume_m3=volume, energy_flow_m3c=inlet, energy_return_m3c=outlet,
    )  # fmt: skip
    found = heat_report(Members(utility.pk), START, END, CoolingLevels())
    assert found.who.tolist() == [0, 0]
    assert found.found.difference_k == pytest.approx([40, 8], abs=1e-6)
    assert found.energy == pytest.approx([1500, 14 * 92])
    assert found.found.marks[1] == 0


def test_amounts_fit_a_limit_as_they_are_shown():
    amount, decimals = np.array([10.004, 10.0, 0.001, 0.0, float("nan")]), np.array([2, 2, 2, 2, 2], np.int8)
    assert fitting(amount, decimals, MORE, 10.0).tolist() == [False] * 5
    assert fitting(amount, decimals, LESS, 10.0).tolist() == [False, False, True, True, False]
    assert fitting(amount, decimals, ZERO, 0.0).tolist() == [False, False, True, True, False]
    assert fitting(amount, decimals, UNKNOWN, 0.0).tolist() == [False] * 4 + [True]


def test_totals_leave_out_what_is_not_known():
    assert total(np.array([1.5, float("nan"), 2.0]), np.array([1, 3, 0], np.int8)).amount == 3.5
    assert total(np.array([float("nan")]), np.array([3], np.int8)).counted == 0
