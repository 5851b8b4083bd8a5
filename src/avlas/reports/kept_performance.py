"""Reading performance of months whose readings have been thinned: counted before, and kept day by day.

Without it old months would look as if nearly nothing had been read in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from django.db.models import Max

from avlas.meters.models import ThinnedMonth
from avlas.meters.retention import month_of
from avlas.reports.models import KeptPerformance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from avlas.meters.retention import Month
    from avlas.reports.performance import Performance

_DAY: Final = 86400
_COUNT: Final = np.dtype("<u2")
_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Days:
    """One meter's days in a period: the first moment of each (seconds UTC), slots expected and received."""

    at: np.ndarray
    expected: np.ndarray
    received: np.ndarray


def keep(month: Month, by_day: Iterable[list[Performance]]) -> None:
    """Keep what was counted of a month, day by day in order. What is kept already stays as it is."""
    days = (month.end - month.begin) // _DAY
    counted: dict[int, np.ndarray] = {}
    for day, meters in enumerate(by_day):
        for one in meters:
            rows = counted.setdefault(one.meter_id, np.zeros((2, days), _COUNT))
            rows[:, day] = one.expected, one.received
    KeptPerformance.objects.bulk_create(
        (
            KeptPerformance(
                meter_id=meter_id,
                month_at=month.begin,
                expected=rows[0].tobytes(),
                received=rows[1].tobytes(),
            )
            for meter_id, rows in counted.items()
        ),
        batch_size=_AT_ONCE,
        ignore_conflicts=True,
    )


def kept_until(utility_id: int) -> int | None:
    """The end of the last thinned month (seconds UTC); None when no month was thinned."""
    last = ThinnedMonth.objects.filter(utility_id=utility_id).aggregate(last=Max("month_at"))["last"]
    return None if last is None else month_of(last).end


def forget(utility_id: int, before: datetime) -> None:
    """Remove what is kept of months that began before a moment."""
    KeptPerformance.objects.filter(meter__utility_id=utility_id, month_at__lt=before).delete()


def kept_days(meter_ids: Iterable[int], begin: int, end: int) -> Iterator[tuple[int, Days]]:
    """What is kept of each of these meters for the days that begin in a period (seconds UTC), month by month."""
    ids = sorted(meter_ids)
    for start in range(0, len(ids), _AT_ONCE):
        rows = KeptPerformance.objects.filter(meter_id__in=ids[start : start + _AT_ONCE])
        for row in rows.filter(month_at__gte=begin - 31 * _DAY, month_at__lt=end).order_by(
            "meter_id", "month_at"
        ):
            received = np.frombuffer(bytes(row.received), _COUNT)
            at = int(row.month_at.timestamp()) + _DAY * np.arange(len(received))
            inside = (at >= begin) & (at < end)
            expected = np.frombuffer(bytes(row.expected), _COUNT)
            yield row.meter_id, Days(at[inside], expected[inside], received[inside])
