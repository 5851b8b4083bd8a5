"""Swedish calendar for many hours at once: clock time with summer time, weekdays, holidays, school breaks.

Hours are whole hours since 1970-01-01T00:00 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Hours = NDArray[np.int64]


def summer_time(hours: Hours) -> NDArray[np.bool_]:
    """Whether summer time rules: last Sunday of March to last Sunday of October, 01:00 UTC (2000/84/EC)."""
    moments = hours.astype("datetime64[h]")
    years = moments.astype("datetime64[Y]")
    return (moments >= _last_sunday(years, 3)) & (moments < _last_sunday(years, 10))


def _last_sunday(years: NDArray[np.datetime64], month: int) -> NDArray[np.datetime64]:
    last = (years.astype("datetime64[M]") + month).astype("datetime64[D]") - 1
    weekday = (last.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    return (last - (weekday + 1) % 7).astype("datetime64[h]") + 1


@dataclass(frozen=True, slots=True)
class Almanac:
    """What the clock on the wall and the calendar say, hour by hour."""

    clock: NDArray[np.int64]  # hour of the day in civil time, 0-23
    day: NDArray[np.int64]  # civil days since 1970-01-01
    off: NDArray[np.bool_]  # Saturday, Sunday or public holiday
    school_break: NDArray[np.bool_]
    holiday_season: NDArray[np.bool_]  # when people travel: July, Christmas
    year_part: NDArray[np.float64]  # 0 at New Year, 1 at the next


_HOLIDAYS = np.array([101, 106, 501, 606, 1224, 1225, 1226, 1231])


def almanac(hours: Hours) -> Almanac:
    """The calendar of these hours in Sweden."""
    local = hours + 1 + summer_time(hours)
    day = local // 24
    date = day.astype("datetime64[D]")
    year = date.astype("datetime64[Y]")
    month = date.astype("datetime64[M]")
    month_day = (month - year.astype("datetime64[M]")).astype(np.int64) * 100 + 101
    month_day = month_day + (date - month.astype("datetime64[D]")).astype(np.int64)
    year_part = (date - year.astype("datetime64[D]")).astype(np.float64) / 365.25
    christmas = (month_day >= 1221) | (month_day <= 107)
    return Almanac(
        clock=local % 24,
        day=day,
        off=((day + 3) % 7 >= 5) | np.isin(month_day, _HOLIDAYS),
        school_break=christmas | ((month_day >= 613) & (month_day <= 818)),
        holiday_season=christmas | ((month_day >= 625) & (month_day <= 808)),
        year_part=year_part,
    )
