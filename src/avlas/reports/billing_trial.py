"""A trial run of a month's billing: each amount against the month before, and against what the weather explains.

What is expected of a row is what it used in the same month a year before (or, where that is not known, in the month
before), changed as the use of all others of its kind has changed since.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from avlas.meters.models import InfoEvent, Occupancy
from avlas.reports.billing import REGISTERS
from avlas.reports.calc.borders import beginning_of, months_later
from avlas.reports.calc.expected_use import expected
from avlas.reports.period_use import period_use

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, tzinfo

    from avlas.reports.billing import Basis
    from avlas.reports.period_use import Members, PeriodUse

MOVED, INFO_CODE, NOTHING, ALWAYS_ZERO = "moved", "info_code", "nothing", "always_zero"
"""Reasons beside the marks of an amount: somebody moved, the meter reported something, nothing was used, as before."""
_LEAST: Final = {"kWh": 100.0, "m³": 2.0}
"""Differences below this are nobody's concern, whatever their share."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A month's rows with what they are compared with: arrays of n in each register's canonical unit, NaN: not known.

    ``from_last_year``: whether ``expected`` rests on the same month a year before (else the month before).
    """

    month: Basis
    amount: np.ndarray
    before: np.ndarray
    expected: np.ndarray
    from_last_year: np.ndarray

    @property
    def difference(self) -> np.ndarray:
        """How much more was used than expected."""
        found: np.ndarray = self.amount - self.expected
        return found

    def unusual(self, share: float) -> np.ndarray:
        """The rows that differ from what is expected by more than a share (0.3: 30 %), or used nothing unexpectedly."""
        least = np.array([_LEAST.get(_unit(code), 1.0) for code in REGISTERS])[self.month.main]
        with np.errstate(invalid="ignore"):
            found: np.ndarray = (np.abs(self.difference) > share * self.expected) & (
                np.abs(self.difference) > least
            )
        return found


def trial(members: Members, month: Basis) -> Trial:
    """Compare a month that ``basis`` gave."""

    def months_before(moment: datetime, months: int) -> datetime:
        return _months_before(moment, months, month.zone)

    start = month.start
    last_month = _used(members, months_before(start, 1), start, month.zone)
    year_end = max(months_before(month.end, 12), months_before(start, 11))  # of days: their whole month
    last_year = _used(members, months_before(start, 12), year_end, month.zone)
    amount = month.amounts
    before, year = (_of_same_rows(month, other) for other in (last_month, last_year))
    by_year, by_month = (expected(amount, earlier, month.main) for earlier in (year, before))
    return Trial(month, amount, before, np.where(np.isnan(by_year), by_month, by_year), ~np.isnan(by_year))


def reasons(tried: Trial, rows: Sequence[int]) -> dict[int, set[str]]:
    """What may explain some rows, beside the marks of their amounts."""
    month = tried.month
    spans = month.found.spans
    since = _months_before(month.start, 12, month.zone)
    points = {month.found.who[row].point_id for row in rows} - {0}
    moved = set(
        Occupancy.objects.filter(point_id__in=points, from_at__gt=since, from_at__lt=month.end).values_list(
            "point_id", flat=True
        )
    )
    meters = {row: spans.meter_id[spans.row == row].tolist() for row in rows}
    troubled = set(
        InfoEvent.objects.filter(
            meter_id__in=[one for some in meters.values() for one in some],
            at__gte=int(month.start.timestamp()),
            at__lt=int(month.end.timestamp()),
        )
        .exclude(code=0)
        .values_list("meter_id", flat=True)
    )
    told: dict[int, set[str]] = {}
    for row in rows:
        found = told.setdefault(row, set())
        if month.found.who[row].point_id in moved:
            found.add(MOVED)
        if troubled.intersection(meters[row]):
            found.add(INFO_CODE)
        if tried.amount[row] == 0:
            found.add(ALWAYS_ZERO if tried.before[row] == 0 else NOTHING)
    return told


def _used(members: Members, start: datetime, end: datetime, zone: tzinfo) -> PeriodUse:
    """What was used in an earlier month; by whom this month's rows say."""
    return period_use(members, REGISTERS, start, end, zone=zone, with_names=False)


def _of_same_rows(month: Basis, other: PeriodUse) -> np.ndarray:
    """The other month's amounts of this month's rows and registers."""
    places = {(who.point_id or -who.meter_id, who.medium): row for row, who in enumerate(other.who)}
    found = np.full(len(month.found.who), np.nan)
    for row, who in enumerate(month.found.who):
        place = places.get((who.point_id or -who.meter_id, who.medium))
        if place is not None:
            found[row] = other.used.amount[REGISTERS[month.main[row]]][place]
    return found


def _months_before(moment: datetime, months: int, zone: tzinfo) -> datetime:
    """The first moment of the month (in ``zone``) so many months earlier."""
    return beginning_of(months_later(moment.astimezone(zone).date(), -months), zone)


def _unit(code: str) -> str:
    return "m³" if code.endswith("_m3") else "kWh"
