"""Receivers' hours, and when one is missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from avlas.meters.models import Collector, ReceiverHour
from avlas.meters.receiver_hours import Tally, add, median, merged
from avlas.meters.receiver_silence import DAY, HOUR, Hour, expected, hears_again, is_silent, silent_receivers
from avlas.system.models import Utility

NOW = 20_000 * DAY + 14 * HOUR  # an afternoon


def days(count: int, by_hour: dict[int, int], seconds: int = HOUR) -> dict[int, Hour]:
    """The same day so many times before NOW's: telegrams by hour of the day, 0 where none is given."""
    return {
        20_000 * DAY - DAY * day + HOUR * hour: Hour(by_hour.get(hour, 0), seconds)
        for day in range(1, count + 1)
        for hour in range(24)
    }


ALWAYS = dict.fromkeys(range(24), 60)
BY_DAY = dict.fromkeys(range(7, 18), 60)


@pytest.mark.parametrize(
    ("hours", "silent_for", "now", "missed"),
    [
        (days(7, ALWAYS), 20 * 60, NOW, True),
        (days(7, ALWAYS), 10 * 60, NOW, False),  # shorter than anybody is told of
        (days(7, dict.fromkeys(range(24), 4)), HOUR, NOW, False),  # one that hears little has time
        (days(7, dict.fromkeys(range(24), 4)), 3 * HOUR, NOW, True),
        (days(7, BY_DAY), 6 * HOUR, NOW + 10 * HOUR, False),  # midnight: it never hears at night
        (days(7, BY_DAY), 12 * HOUR, NOW + 16 * HOUR, False),  # six in the morning, last heard at 18
        (days(7, BY_DAY), 14 * HOUR, NOW + 18 * HOUR, True),  # eight: now it should
        (days(1, ALWAYS), 5 * HOUR, NOW, False),  # one day is no habit
        (days(2, ALWAYS), 5 * HOUR, NOW, True),
        (days(7, ALWAYS, seconds=600), 5 * HOUR, NOW, False),  # it was hardly listened to
        (days(7, {}), 5 * HOUR, NOW, False),
        ({}, 5 * HOUR, NOW, False),
    ],
)
def test_when_it_is_missed(hours: dict[int, Hour], silent_for: int, now: int, missed: bool) -> None:
    assert is_silent(hours, now - silent_for, now) is missed


def test_a_silence_never_becomes_usual() -> None:
    hours = days(30, {}) | {at - 20 * DAY: hour for at, hour in days(7, ALWAYS).items()}
    last_heard = NOW - 20 * DAY - 14 * HOUR
    assert expected(hours, last_heard, NOW) == pytest.approx(24 * 60)


@pytest.mark.parametrize(
    ("heard", "now", "again"),
    [
        ({}, NOW + 600, False),
        ({NOW - 2 * HOUR: 60}, NOW + 600, False),  # in the hour in which it fell silent, and perhaps before
        ({NOW: 2}, NOW + 600, False),  # 10 in ten minutes, and 60 in the hour before, would be usual
        ({NOW: 18}, NOW + 600, True),
        ({NOW - HOUR: 10, NOW: 8}, NOW + 600, True),
        ({NOW - HOUR: 1}, NOW + 14 * HOUR, False),  # long ago
        ({NOW + 9 * HOUR: 1}, NOW + 9 * HOUR + 600, True),  # at night, when it never hears: any will do
    ],
)
def test_when_a_silence_is_over(heard: dict[int, int], now: int, again: bool) -> None:
    hours = days(7, BY_DAY) | {at: Hour(count, HOUR) for at, count in heard.items()}
    assert hears_again(hours, NOW - 1.5 * HOUR, now) is again


def test_half_an_hour_of_listening_counts_as_half() -> None:
    assert expected(days(7, dict.fromkeys(range(24), 30), seconds=HOUR // 2), NOW - HOUR, NOW) == 60


def test_median() -> None:
    assert median({}) is None
    assert median({"-70": 1, "-90": 1, "-80": 1}) == -80
    assert median({"-100": 1, "-9": 9}) == -9


@pytest.mark.django_db
def test_hours_add_up_and_the_silent_are_found() -> None:
    utility = Utility.objects.create(name="Norrtuna", slug="norrtuna")
    other = Utility.objects.create(name="Söder", slug="soder")
    now = datetime.fromtimestamp(NOW, UTC)
    rows = {"last_heard_at": now - timedelta(hours=2), "spec": "cul:/dev/ttyUSB0", "status": "running"}
    tower = Collector.objects.create(utility=utility, name="Tornet", **rows)
    Collector.objects.create(utility=utility, name="Ny", **rows)
    Collector.objects.create(utility=utility, name="Stoppad", **rows | {"active": False})
    for hour_at, hour in days(7, ALWAYS).items():
        ReceiverHour.objects.create(
            collector=tower, hour_at=hour_at, telegrams=hour.telegrams, seconds=hour.seconds
        )
    (silent,) = silent_receivers(utility.pk, now)
    assert (silent.collector, silent.reason) == (tower, "not_started")
    assert silent.since == now - timedelta(hours=2)
    assert silent.expected == pytest.approx(120)
    assert silent_receivers(other.pk, now) == []

    tally = Tally(seconds=1800, damaged=1)
    tally.hear(b"one", -70.5)
    tally.hear(b"two", None)
    add(tower.pk, NOW - HOUR, tally)
    tally.hear(b"two", -70.4)
    add(tower.pk, NOW - HOUR, tally)
    row = ReceiverHour.objects.get(collector=tower, hour_at=NOW - HOUR)
    assert (row.telegrams, row.damaged, row.meters, row.seconds) == (5, 2, 2, 3600)
    assert row.signals == {"-70": 3}
    assert merged([row, row]).telegrams == 10
    assert silent_receivers(None, now)[0].reason == "hears_nothing"
    Collector.objects.filter(pk=tower.pk).update(status="waiting")
    assert silent_receivers(collector_id=tower.pk, now=now)[0].reason == "not_working"
