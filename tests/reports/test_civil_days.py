"""Days that begin in civil time: 23 and 25 hours when clocks change, and the meter's own value of the month first."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from tests.reports.test_period_use import store

from avlas.meters import retention
from avlas.meters.keys import Who
from avlas.meters.models import BillingMonth, Installation, Kind, Meter, MeteringPoint, Reading
from avlas.reports import billing, billing_trial
from avlas.reports.calc.borders import STANDARD_TIME, beginning_of, months_later, own_stamp, zone_of
from avlas.reports.calc.value_at import LOGGED
from avlas.reports.comparison import line
from avlas.reports.consumption import Span, consumption
from avlas.reports.heat import heat_report
from avlas.reports.models import CoolingLevels
from avlas.reports.period_use import Members, period_use
from avlas.reports.water_loss import KINDS, zone_balance
from avlas.system.models import Utility
from avlas.transfer.exports import making, values
from avlas.transfer.exports.layout import Column, Layout

CIVIL = zone_of("Europe/Stockholm")
HEAT = "energy_heat_kwh"
pytestmark = pytest.mark.django_db


@pytest.fixture
def town():
    return Utility.objects.create(name="Sommarstad", slug="sommarstad", day_borders="Europe/Stockholm")


@pytest.fixture
def house(town):
    """A house whose meter counts 1 kWh an hour, 10 in the first hour of each standard day, so that borders tell."""
    meter = Meter.objects.create(utility=town, manufacturer="KAM", serial="1", medium="heat")
    point = MeteringPoint.objects.create(utility=town, facility_id="1", address="Gatan 1")
    Installation.objects.create(point=point, meter=meter, from_at=datetime(2026, 1, 1, tzinfo=UTC))
    return meter


def hourly(meter, first, last, *, own=()):
    """Live readings on each whole hour from a civil day to another; ``own``: months whose own value there is."""
    start, end = beginning_of(first, CIVIL).astimezone(UTC), beginning_of(last, CIVIL).astimezone(UTC)
    hours = [start + timedelta(hours=n) for n in range(int((end - start).total_seconds()) // 3600 + 1)]
    counts, count = [], 1000.0
    for at in hours:
        counts.append(count)
        count += 10.0 if at.astimezone(STANDARD_TIME).hour == 0 else 1.0
    store(meter, hours, counts, late=0)
    for month in own:
        stamp = beginning_of(month, STANDARD_TIME)
        store(meter, [stamp], [counts[hours.index(stamp)]], kind=Kind.LOGGED)


@pytest.mark.parametrize(
    ("day", "hours", "used"),
    [
        (date(2026, 3, 28), 24, 33.0),
        (date(2026, 3, 29), 23, 32.0),
        (date(2026, 3, 30), 24, 33.0),
        (date(2026, 10, 24), 24, 33.0),
        (date(2026, 10, 25), 25, 34.0),
        (date(2026, 10, 26), 24, 33.0),
    ],
)
def test_days_on_which_clocks_change(house, day, hours, used):
    hourly(house, date(day.year, day.month, 20), day + timedelta(days=5))
    begin, end = beginning_of(day, CIVIL), beginning_of(day + timedelta(days=1), CIVIL)
    (row,) = consumption([Span(house.pk)], HEAT, "day", begin, end, CIVIL).rows
    assert row.end - row.start == timedelta(hours=hours)
    by_hour = consumption([Span(house.pk)], HEAT, "hour", begin, end, CIVIL)
    assert len(by_hour.rows) == hours
    assert float(row.amount) == float(by_hour.total) == used
    assert not row.marks
    drawn = line(house.pk, HEAT, "day", begin, end, CIVIL)
    assert [float(value) for value in drawn.values.values()] == [used]
    members = Members(house.utility_id)
    assert period_use(members, (HEAT,), begin, end, zone=CIVIL).used.amount[HEAT].tolist() == [used]


def test_a_weeks_days_add_up_over_the_change(house):
    hourly(house, date(2026, 10, 20), date(2026, 10, 31))
    begin, end = beginning_of(date(2026, 10, 22), CIVIL), beginning_of(date(2026, 10, 29), CIVIL)
    days = consumption([Span(house.pk)], HEAT, "day", begin, end, CIVIL)
    assert [(row.end - row.start) // timedelta(hours=1) for row in days.rows] == [24, 24, 24, 25, 24, 24, 24]
    whole = period_use(Members(house.utility_id), (HEAT,), begin, end, zone=CIVIL)
    assert float(days.total) == whole.used.amount[HEAT][0]
    assert "civil time" in days.note or "borgerlig tid" in days.note


def test_where_a_month_begins_the_meters_own_value_comes_first():
    july, november = (beginning_of(date(2026, month, 1), CIVIL) for month in (7, 11))
    assert own_stamp(july, CIVIL) == july + timedelta(hours=1)
    assert own_stamp(november, CIVIL) == november
    assert own_stamp(july + timedelta(days=1), CIVIL) == july + timedelta(days=1)
    assert own_stamp(july, STANDARD_TIME) == july


def test_a_months_own_values_are_billed_in_summer_too(house, town):
    june, july, august = (date(2026, month, 1) for month in (6, 7, 8))
    hourly(house, date(2026, 5, 30), date(2026, 8, 3), own=(june, july, august))
    begin, end = beginning_of(june, CIVIL), beginning_of(july, CIVIL)
    found = billing.basis(Members(town.pk), begin, end, zone=CIVIL)
    own = 30 * 33.0  # from the standard month's beginning to its end
    assert found.amounts.tolist() == [own]
    assert found.state.tolist() == [billing.COMPLETE]
    month = consumption([Span(house.pk)], HEAT, "month", begin, end, CIVIL)
    assert [float(row.amount) for row in month.rows] == [own]
    year = consumption([Span(house.pk)], HEAT, "month", begin, beginning_of(august, CIVIL), CIVIL)
    assert [float(row.amount) for row in year.rows] == [own, 31 * 33.0]
    made = billing.close(town, found, Who())
    (kept,) = made.amounts.get().parts
    stamps = [int(beginning_of(day, STANDARD_TIME).timestamp()) for day in (june, july)]
    logged = [Reading.objects.get(meter=house, kind=Kind.LOGGED, slot_at=stamp) for stamp in stamps]
    assert [kept["first"][0], kept["last"][0]] == [f"{one.energy_heat_kwh:.0f}" for one in logged]


def test_only_own_values_are_enough_for_a_month(house, town):
    """A meter that is only driven by: its own values of two months, and nothing at all besides."""
    for month, count in ((date(2026, 6, 1), 500.0), (date(2026, 7, 1), 700.0)):
        store(house, [beginning_of(month, STANDARD_TIME)], [count], kind=Kind.LOGGED)
    begin, end = beginning_of(date(2026, 6, 1), CIVIL), beginning_of(date(2026, 7, 1), CIVIL)
    found = billing.basis(Members(town.pk), begin, end, zone=CIVIL)
    assert (found.amounts.tolist(), found.state.tolist()) == ([200.0], [billing.COMPLETE])


def test_a_month_is_closed_once_and_keeps_its_borders(house, town):
    hourly(house, date(2026, 5, 30), date(2026, 7, 3))
    june, july = date(2026, 6, 1), date(2026, 7, 1)
    standard = billing.basis(
        Members(town.pk), beginning_of(june, STANDARD_TIME), beginning_of(july, STANDARD_TIME)
    )
    made = billing.close(town, standard, Who())
    assert made.borders == "standard"
    civil = billing.basis(Members(town.pk), beginning_of(june, CIVIL), beginning_of(july, CIVIL), zone=CIVIL)
    assert billing.closed(town, civil.start) == made
    with pytest.raises(ValueError, match="closed already"):
        billing.close(town, civil, Who())
    assert BillingMonth.objects.count() == 1
    assert billing.closed(town, beginning_of(july, CIVIL)) is None


def test_the_trial_run_compares_civil_months(house, town):
    hourly(house, date(2026, 4, 28), date(2026, 7, 3))
    begin, end = beginning_of(date(2026, 6, 1), CIVIL), beginning_of(date(2026, 7, 1), CIVIL)
    members = Members(town.pk)
    tried = billing_trial.trial(members, billing.basis(members, begin, end, zone=CIVIL))
    assert tried.amount.tolist() == [30 * 33.0]
    assert tried.before.tolist() == [31 * 33.0]


def test_reports_by_day(house, town):
    hourly(house, date(2026, 10, 20), date(2026, 10, 31))
    begin, end = beginning_of(date(2026, 10, 24), CIVIL), beginning_of(date(2026, 10, 27), CIVIL)
    members = Members(town.pk)
    heat = KINDS["heat"]
    balance = zone_balance(heat, members, Members(town.pk, "1 = 0"), begin, end, zone=CIVIL)
    lengths = [int(b - a) // 3600 for a, b in zip(balance.starts[:-1], balance.starts[1:], strict=True)]
    assert lengths == [24, 25]
    assert balance.supplied.tolist() == [33.0, 34.0, 33.0]
    found = heat_report(members, begin, end, CoolingLevels(), zone=CIVIL)
    assert found.energy.tolist() == [100.0]


@pytest.mark.parametrize("month", [date(2025, 7, 1), date(2025, 10, 1), date(2025, 3, 1), date(2025, 1, 1)])
def test_thinning_keeps_the_reading_nearest_the_utilitys_day(house, town, month):
    """Of the hours of a month those at midnight by the clock, also in the months in which it changes."""
    hourly(house, month - timedelta(days=2), months_later(month, 1) + timedelta(days=2))
    found = retention.month_of(beginning_of(month, STANDARD_TIME))
    retention.thin(town, found, rest=False)
    within = Reading.objects.filter(
        meter_id=house.pk, slot_at__gte=found.begin - 3600, slot_at__lt=found.end - 25 * 3600
    )
    kept = [row.slot_at.astimezone(CIVIL) for row in within]
    days = (months_later(month, 1) - month).days
    assert [at.hour for at in kept] == [0] * (days - 1)
    assert [at.date() for at in kept] == [month + timedelta(days=n) for n in range(days - 1)]


def test_exports_take_a_months_own_value_and_days_as_heard(house, town):
    june, july = date(2026, 6, 1), date(2026, 7, 1)
    hourly(house, date(2026, 5, 30), date(2026, 7, 3), own=(june, july))
    begin, end = beginning_of(june, CIVIL), beginning_of(july, CIVIL)
    columns = (Column("energy_heat_kwh.use"), Column("energy_heat_kwh.how"))

    def told(interval):
        layout = Layout(columns=columns, interval=interval, borders="Europe/Stockholm")
        headings, found = making.preview(town, layout, begin, end, lambda *_: None)
        assert len(headings) == 2
        return [(float(row[0]), row[1]) for row in found]

    assert [use for use, _how in told("period")] == [30 * 33.0]
    assert told("month") == told("period")
    assert told("day")[0][0] == 33.0
    stamps = {int(at.timestamp()): int(own_stamp(at, CIVIL).timestamp()) for at in (begin, end)}
    moments = np.array(list(stamps), np.int64)
    one_by_one = values.at_moments(np.full(2, house.pk), moments, [HEAT], stamps)
    in_one_go = values.at_many(house.pk, moments, [HEAT], stamps)
    assert one_by_one.value.tolist() == in_one_go.value.tolist()
    assert one_by_one.how.tolist() == in_one_go.how.tolist() == [[LOGGED], [LOGGED]]
    assert one_by_one.stood_at[:, 0].tolist() == in_one_go.stood_at[:, 0].tolist() == list(stamps.values())


def test_standard_days_are_as_before(house):
    """Nothing changes for those who have not chosen civil time."""
    hourly(house, date(2026, 6, 1), date(2026, 6, 10))
    begin, end = datetime(2026, 6, 3, tzinfo=STANDARD_TIME), datetime(2026, 6, 5, tzinfo=STANDARD_TIME)
    days = consumption([Span(house.pk)], HEAT, "day", begin, end)
    assert [float(row.amount) for row in days.rows] == [33.0, 33.0]
    assert days.rows[0].start == begin
