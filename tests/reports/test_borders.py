"""Where hours, days, months and years begin."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlas.reports.calc.borders import STANDARD_TIME, borders, months_later

STOCKHOLM = ZoneInfo("Europe/Stockholm")


def test_days_in_standard_time_begin_at_23_utc_all_year():
    found = borders("day", datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 7, 3, tzinfo=UTC))
    assert [moment.hour for moment in found] == [23, 23, 23, 23]
    assert found[0] == datetime(2026, 6, 30, 23, tzinfo=UTC)


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 5, 1), 24)])
def test_civil_days_have_23_or_25_hours_when_clocks_change(day, hours):
    start = datetime(*day, 12, tzinfo=STOCKHOLM)
    first, second = borders("day", start, start + timedelta(hours=1), STOCKHOLM)
    assert second - first == timedelta(hours=hours)
    assert len(borders("hour", first, second, STOCKHOLM)) == hours + 1


def test_months_and_years():
    months = borders("month", datetime(2025, 11, 15, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    assert [moment.astimezone(STANDARD_TIME).strftime("%Y-%m-%d %H") for moment in months] == [
        "2025-11-01 00", "2025-12-01 00", "2026-01-01 00", "2026-02-01 00", "2026-03-01 00",
    ]  # fmt: skip
    years = borders("year", datetime(2024, 5, 5, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=STANDARD_TIME))
    assert [moment.astimezone(STANDARD_TIME).year for moment in years] == [2024, 2025, 2026]


def test_months_forward_and_back():
    first = date(2026, 11, 1)
    steps = {
        0: first,
        1: date(2026, 12, 1),
        2: date(2027, 1, 1),
        -10: date(2026, 1, 1),
        -11: date(2025, 12, 1),
    }
    assert {step: months_later(date(2026, 11, 23), step) for step in steps} == steps
    assert months_later(first, -36) == date(2023, 11, 1)


def test_a_period_ends_after_it_begins():
    with pytest.raises(ValueError, match="before it begins"):
        borders("day", datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))


@given(
    st.sampled_from(["hour", "day", "month", "year"]),
    st.datetimes(datetime(2020, 1, 1), datetime(2029, 1, 1)),
    st.integers(1, 2000),
    st.sampled_from([STANDARD_TIME, STOCKHOLM]),
)
def test_borders_enclose_the_period_without_gaps(unit, start, hours, zone):
    start = start.replace(tzinfo=UTC)
    end = start + timedelta(hours=hours)
    found = borders(unit, start, end, zone)
    assert found[0] <= start < found[1]
    assert found[-2] < end <= found[-1]
    assert sorted(set(found)) == found
