"""Where hours, days, months and years begin: in standard time (the Swedish rule for measured values) or civil time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

Unit = Literal["hour", "day", "month", "year"]
STANDARD_TIME = timezone(timedelta(hours=1))  # UTC+1 all year: Sweden's standard time
STANDARD = "standard"
"""The name of standard time among those of civil time zones."""


def zone_of(name: str) -> tzinfo:
    """Where days begin: STANDARD, or the name of a civil time zone. Raises KeyError (ZoneInfoNotFoundError)."""
    return STANDARD_TIME if name == STANDARD else ZoneInfo(name)


def name_of(zone: tzinfo) -> str:
    """The name that ``zone_of`` takes."""
    return STANDARD if zone is STANDARD_TIME else str(zone)


def beginning_of(day: date, zone: tzinfo) -> datetime:
    """The moment (aware) at which a day begins in ``zone``."""
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def borders(unit: Unit, start: datetime, end: datetime, zone: tzinfo = STANDARD_TIME) -> list[datetime]:
    """Give the moments (aware, UTC) at which intervals of ``unit`` begin, from the one that holds ``start``.

    ``start`` and ``end`` are aware. The last moment is the first border at or after ``end``, so n + 1 borders
    enclose n whole intervals. ``zone``: where days begin, STANDARD_TIME or a civil time zone (whose days may have
    23 or 25 hours). Raises ValueError when ``end`` is not after ``start``.
    """
    if end <= start:
        raise ValueError(f"the period ends ({end}) before it begins ({start})")
    first = _floor(unit, start.astimezone(zone))
    found = [_moment(first, zone)]
    step = 0
    while found[-1] < end:
        step += 1
        found.append(_moment(_add(unit, first, step), zone))
    return found


def months_later(day: date, months: int) -> date:
    """Give the first day of the month so many months after ``day``'s; fewer than none: before it."""
    count = day.year * 12 + day.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)


def own_stamp(moment: datetime, zone: tzinfo) -> datetime:
    """When a meter, whose clock keeps standard time, stores its value of the month that begins at ``moment`` (UTC).

    In the summer of a civil ``zone`` that is an hour later; ``moment`` itself where no month begins.
    """
    local = moment.astimezone(zone)
    begins = (local.day, local.hour, local.minute, local.second, local.microsecond) == (1, 0, 0, 0, 0)
    return beginning_of(local.date(), STANDARD_TIME).astimezone(UTC) if begins else moment


def _floor(unit: Unit, local: datetime) -> datetime:
    if unit == "hour":
        return local.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    naive = local.replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0, fold=0)
    if unit == "day":
        return naive
    return naive.replace(day=1) if unit == "month" else naive.replace(month=1, day=1)


def _add(unit: Unit, first: datetime, step: int) -> datetime:
    if unit in ("hour", "day"):
        return first + (timedelta(hours=step) if unit == "hour" else timedelta(days=step))
    there = months_later(first, step * (1 if unit == "month" else 12))
    return first.replace(year=there.year, month=there.month)


def _moment(local: datetime, zone: tzinfo) -> datetime:
    return (local if local.tzinfo else local.replace(tzinfo=zone)).astimezone(UTC)
