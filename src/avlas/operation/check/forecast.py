"""When the disk will be full, estimated from what the database took on earlier days. Pure."""

from __future__ import annotations

from datetime import timedelta
from itertools import combinations
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

FEWEST_DAYS: Final = 3
_FARTHEST: Final = 100 * 365


def growth(used: Mapping[date, float]) -> float | None:
    """Bytes a day by which what is used grows; negative when it shrinks, None with fewer than three days.

    ``used`` holds the bytes used on some days, gaps allowed. The median of the slopes between all pairs of days
    (Theil and Sen), so that one large import or clearing out doesn't bend the line.
    """
    if len(used) < FEWEST_DAYS:
        return None
    days = sorted(used)
    return median((used[b] - used[a]) / (b - a).days for a, b in combinations(days, 2))


def full_on(used: Mapping[date, float], free: float, today: date) -> date | None:
    """The day on which ``free`` bytes, free ``today``, are used up if it goes on as it did.

    None when nothing grows, when too little is known (see ``growth``), or when it is a century away.
    """
    a_day = growth(used)
    if a_day is None or a_day <= 0:
        return None
    days = max(free, 0) / a_day
    return today + timedelta(days=int(days)) if days < _FARTHEST else None
