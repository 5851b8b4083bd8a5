"""Which period an export is about: yesterday, last month, since last time; days in standard or civil time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from datetime import tzinfo

    from django.utils.functional import Promise

RULES: Final[dict[str, Promise]] = {
    "last_month": _("Last month"),
    "this_month": _("This month up to today"),
    "yesterday": _("Yesterday"),
    "last_week": _("Last week, Monday to Sunday"),
    "last_hour": _("The last whole hour"),
    "last_year": _("Last year"),
    "since_last": _("Since the last export, up to today"),
}


def period(rule: str, now: datetime, zone: tzinfo, last_end: datetime | None) -> tuple[datetime, datetime]:
    """From when to when (aware, UTC) an export by ``rule`` goes at ``now``; empty when both are the same.

    ``last_end``: where the last one ended. Raises KeyError for an unknown rule.
    """
    local = now.astimezone(zone)
    today = local.date()
    month = today.replace(day=1)
    if rule == "last_hour":
        end = local.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
        return end - timedelta(hours=1), end
    if rule == "since_last":
        end = _midnight(today, zone)
        first = last_end or _midnight((month - timedelta(days=1)).replace(day=1), zone)
        return min(first, end), end
    first_day, end_day = {
        "last_month": ((month - timedelta(days=1)).replace(day=1), month),
        "this_month": (month, today),
        "yesterday": (today - timedelta(days=1), today),
        "last_week": (
            today - timedelta(days=today.weekday() + 7),
            today - timedelta(days=today.weekday()),
        ),
        "last_year": (date(today.year - 1, 1, 1), date(today.year, 1, 1)),
    }[rule]
    return _midnight(first_day, zone), _midnight(end_day, zone)


def days(first: date, last: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """From the beginning of ``first`` to the end of ``last``."""
    return _midnight(first, zone), _midnight(last + timedelta(days=1), zone)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
