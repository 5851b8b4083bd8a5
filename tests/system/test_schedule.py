"""When something is due, in words and in time, also on the days when clocks are put forward or back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from avlas.system.schedule import LAST_DAY, Parts, Schedule, ScheduleError

STOCKHOLM = ZoneInfo("Europe/Stockholm")
SPRING = datetime(2026, 3, 29, tzinfo=STOCKHOLM)  # 02:00 becomes 03:00
AUTUMN = datetime(2026, 10, 25, tzinfo=STOCKHOLM)  # 03:00 becomes 02:00


def clocks(schedule, day):
    """The times of one local day, as "hh:mm+offset", in the order in which they come."""
    local = (at.astimezone(STOCKHOLM) for at in schedule.after(day - timedelta(seconds=1)))
    return [f"{at:%H:%M%z}"[:8] for at in takewhile(lambda at: at.date() == day.date(), local)]


@pytest.mark.parametrize(
    ("cron", "spring", "autumn"),
    [
        ("30 2 * * *", ["03:00+02"], ["02:30+02"]),
        ("0 3 * * *", ["03:00+02"], ["03:00+01"]),
        ("0 2 * * 0", ["03:00+02"], ["02:00+02"]),
        ("59 1 * * *", ["01:59+01"], ["01:59+02"]),
        ("0,30 2 * * *", ["03:00+02"], ["02:00+02", "02:30+02"]),
        ("*/30 2 * * *", ["03:00+02"], ["02:00+02", "02:30+02"]),
        ("15 */2 * * *", None, None),
    ],
)
def test_a_time_that_does_not_exist_or_exists_twice_comes_exactly_once(cron, spring, autumn):
    schedule = Schedule(cron=cron)
    if spring is None:
        assert len(clocks(schedule, SPRING)) == len(clocks(schedule, AUTUMN)) == 12
    else:
        assert clocks(schedule, SPRING) == spring
        assert clocks(schedule, AUTUMN) == autumn


def test_asked_in_the_second_of_two_hours_the_first_is_over():
    second = datetime(2026, 10, 25, 2, 10, tzinfo=STOCKHOLM, fold=1)
    following = Schedule(cron="30 2 * * *").next_after(second)
    assert following == datetime(2026, 10, 26, 2, 30, tzinfo=STOCKHOLM)


def test_hourly_work_comes_every_real_hour():
    hourly = Schedule(cron="15 * * * *")
    assert (len(clocks(hourly, SPRING)), len(clocks(hourly, AUTUMN))) == (23, 25)
    quarters = Schedule(every_minutes=15)
    assert (len(clocks(quarters, SPRING)), len(clocks(quarters, AUTUMN))) == (92, 100)


@given(
    st.datetimes(datetime(2026, 3, 28), datetime(2026, 3, 31)) | st.datetimes(datetime(2026, 10, 24), datetime(2026, 10, 27)),
    st.sampled_from(["30 2 * * *", "0 3 * * *", "*/20 1-3 * * *", "15 * * * *", "0 2 L * *"]) | st.integers(1, 1440),
)  # fmt: skip
def test_what_follows_does_not_depend_on_when_one_asks(moment, what):
    schedule = Schedule(every_minutes=what) if isinstance(what, int) else Schedule(cron=what)
    asked = moment.replace(tzinfo=UTC)
    first, second, third = islice(schedule.after(asked), 3)
    assert asked < first < second < third
    assert schedule.next_after(first) == second
    assert schedule.next_after(first - timedelta(microseconds=1)) == first
    assert schedule.latest(first, third) == (third, 2)
    assert schedule.latest(first, third - timedelta(microseconds=1)) == (second, 1)


@pytest.mark.parametrize(
    ("schedule", "english", "swedish", "parts"),
    [
        (Schedule(every_minutes=15), "every 15 minutes", "med 15 minuters mellanrum", Parts("minutes")),
        (Schedule(every_minutes=1), "every minute", "varje minut", Parts("minutes")),
        (Schedule(cron="0 * * * *"), "every hour on the hour", "varje hel timme", Parts("hourly")),
        (Schedule(cron="17 * * * *"), "every hour at 17 minutes past", "varje timme, 17 minuter över", Parts("hourly", minute=17)),
        (Schedule(cron="30 6 * * *"), "every day at 06:30", "varje dag kl. 06:30", Parts("daily", 6, 30)),
        (Schedule(cron="30 6 * * 1-5"), "every weekday at 06:30", "varje vardag kl. 06:30", Parts("weekly", 6, 30, (1, 2, 3, 4, 5))),
        (Schedule(cron="0 7 * * 0,3"), "every Wednesday and Sunday at 07:00", "varje onsdag och söndag kl. 07:00", Parts("weekly", 7, 0, (3, 7))),
        (Schedule(cron="0 3 1 * *"), "on day 1 of every month at 03:00", "den 1 varje månad kl. 03:00", Parts("monthly", 3, 0, (), 1)),
        (Schedule(cron="0 3 L * *"), "on the last day of every month at 03:00", "sista dagen i varje månad kl. 03:00", Parts("monthly", 3, 0, (), LAST_DAY)),
        (Schedule(cron="*/10 * * * *"), "every 10 minutes", "med 10 minuters mellanrum", Parts("cron")),
        (Schedule(cron="*/7 * * * *"), "by the expression */7 * * * *", "enligt uttrycket */7 * * * *", Parts("cron")),
        (Schedule(cron="0 3 1 1 *"), "by the expression 0 3 1 1 *", "enligt uttrycket 0 3 1 1 *", Parts("cron")),
    ],
)  # fmt: skip
def test_in_words(schedule, english, swedish, parts):
    assert schedule.parts() == parts
    assert schedule.words() == english
    with translation.override("sv"):
        assert schedule.words() == swedish


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"every_minutes": 5, "cron": "0 3 * * *"},
        {"every_minutes": 1441},
        {"cron": "0 3 * *"},
        {"cron": "* * * * * *"},
        {"cron": "61 3 * * *"},
        {"cron": "0 3 30 2 *"},
        {"cron": "x 3 * * *"},
        {"cron": "0 3 * * *", "time_zone": "Europe/Stockhom"},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ScheduleError):
        Schedule(**wrong)
