"""Reading performance day by day, counted in the background: the start page shows the last two weeks at once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import ClassVar, Final

from django.db import models

from avlas.meters.groups import ALL
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.reports.calc.performance import percent
from avlas.reports.performance import reading_performance
from avlas.system.models import Utility

DAYS: Final = 14
_COUNTED_AGAIN: Final = 2  # the newest days: what is sent late still belongs to them


class PerformanceDay(models.Model):
    """What was expected and received of all meters of a utility on one day (standard time), when it was counted."""

    utility = models.ForeignKey(Utility, models.CASCADE)
    day = models.DateField()
    expected = models.BigIntegerField()
    received = models.BigIntegerField()
    counted_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["utility", "day"], name="performance_day_once")
        ]

    def __str__(self) -> str:
        return f"{self.utility_id} {self.day}"

    @property
    def percent(self) -> float | None:
        """Share received, in percent; None when nothing was to be expected."""
        return percent(self.received, self.expected)


def last_days(utility_id: int, now: datetime) -> dict[date, PerformanceDay | None]:
    """The last DAYS days in order, today last; None for those that have not been counted."""
    today = now.astimezone(STANDARD_TIME).date()
    first = today - timedelta(days=DAYS - 1)
    kept = {one.day: one for one in PerformanceDay.objects.filter(utility_id=utility_id, day__gte=first)}
    return {day: kept.get(day) for day in (first + timedelta(days=n) for n in range(DAYS))}


def count_days(now: datetime | None = None) -> int:
    """Count the days of every utility that are not counted yet, and the newest again; forget older ones.

    Gives how many were counted. Doing it twice changes nothing.
    """
    now = now or datetime.now(UTC)
    counted = 0
    for utility in Utility.objects.order_by("pk"):
        days = last_days(utility.pk, now)
        again = list(days)[-_COUNTED_AGAIN:]
        for day, kept in days.items():
            if kept is not None and day not in again:
                continue
            begin = int(datetime(day.year, day.month, day.day, tzinfo=STANDARD_TIME).timestamp())
            report = reading_performance(utility.pk, ALL, begin, begin + 86400, int(now.timestamp()))
            figures = {
                "expected": sum(one.expected for one in report.meters),
                "received": sum(one.received for one in report.meters),
                "counted_at": now,
            }
            PerformanceDay.objects.update_or_create(utility=utility, day=day, defaults=figures)
            counted += 1
        PerformanceDay.objects.filter(utility=utility, day__lt=min(days)).delete()
    return counted
