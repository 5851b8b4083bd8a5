"""What a consumption chart shows: intervals of one length over a period, and the period beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.reports.calc.borders import STANDARD_TIME, beginning_of, months_later
from avlas.web import formats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, tzinfo

    from django.utils.functional import Promise

    from avlas.reports.calc.borders import Unit
    from avlas.reports.consumption import Row

UNITS: Final[dict[Unit, Promise]] = {
    "hour": gettext_lazy("Hours"),
    "day": gettext_lazy("Days"),
    "month": gettext_lazy("Months"),
    "year": gettext_lazy("Years"),
}
LAST_YEAR, BEFORE, NOTHING = "last_year", "before", "nothing"
BESIDE: Final[dict[str, Promise]] = {
    LAST_YEAR: gettext_lazy("Same period last year"),
    BEFORE: gettext_lazy("The period before"),
    NOTHING: gettext_lazy("Nothing beside it"),
}
_YEARS_SHOWN: Final = 10
_MOST_DAYS: Final[dict[str, int]] = {"hour": 31, "day": 366, "month": 3660, "year": 36_600}
_EARLIEST, _LATEST = date(1990, 1, 1), date(2200, 1, 1)


@dataclass(frozen=True, slots=True)
class Period:
    """Intervals of ``unit`` from ``first`` on, days in ``zone``; ``last``: where somebody chose the last day."""

    unit: Unit
    first: date
    last: date | None = None
    zone: tzinfo = STANDARD_TIME

    @property
    def end(self) -> date:
        """The first day after the period."""
        return self.last + timedelta(days=1) if self.last else self.stepped(1).first

    @property
    def final(self) -> date:
        """The last day of the period."""
        return self.end - timedelta(days=1)

    @property
    def start_at(self) -> datetime:
        """Its first moment."""
        return beginning_of(self.first, self.zone)

    @property
    def end_at(self) -> datetime:
        """The moment after its last."""
        return beginning_of(self.end, self.zone)

    def stepped(self, steps: int) -> Period:
        """The period so many periods later."""
        if self.last is not None:
            if self.unit in ("month", "year"):
                count = (self.end.year - self.first.year) * 12 + self.end.month - self.first.month
                end = months_later(self.end, steps * count)
                first = months_later(self.first, steps * count)
                return replace(self, first=first, last=end - timedelta(days=1))
            shift = (self.end - self.first) * steps
            return replace(self, first=self.first + shift, last=self.last + shift)
        if self.unit == "hour":
            return replace(self, first=self.first + timedelta(days=steps))
        if self.unit == "day":
            return replace(self, first=months_later(self.first, steps))
        return replace(
            self, first=date(self.first.year + steps * (1 if self.unit == "month" else _YEARS_SHOWN), 1, 1)
        )

    @property
    def a_year_before(self) -> Period:
        """The same days of the year before."""
        last = _year_before(self.end) - timedelta(days=1)
        return replace(self, first=_year_before(self.first), last=last)

    def beside(self, kind: str) -> Period | None:
        """The period to show beside it: one of BESIDE's."""
        if kind == NOTHING:
            return None
        return self.a_year_before if kind == LAST_YEAR else self.stepped(-1)

    @property
    def query(self) -> str:
        """The period as it stands in an address."""
        last = f"&to={self.last.isoformat()}" if self.last else ""
        return f"unit={self.unit}&from={self.first.isoformat()}{last}"

    @property
    def in_name(self) -> str:
        """The period as it stands in a file's name."""
        return f"{self.first.isoformat()}_{self.final.isoformat()}"

    @property
    def title(self) -> str:
        """The period in words."""
        whole = {
            "hour": self.final == self.first,
            "day": self.first.day == 1 and self.end == months_later(self.first, 1),
            "month": (self.first.month, self.first.day) == (1, 1)
            and self.end == date(self.first.year + 1, 1, 1),
        }
        if self.unit == "year":
            return f"{self.first.year}{formats.UNTIL}{self.end.year - 1}"
        if not whole[self.unit]:
            return _("%(first)s to %(last)s") % {
                "first": formats.day(self.first),
                "last": formats.day(self.final),
            }
        if self.unit == "hour":
            return formats.long_day(self.first)
        return formats.month(self.first) if self.unit == "day" else str(self.first.year)


def asked_period(query: Mapping[str, str], today: date, zone: tzinfo = STANDARD_TIME) -> Period:
    """The period that an address asks for; whatever makes no sense becomes the one that holds ``today``.

    ``zone``: where its days begin.
    """
    unit: Unit = next((one for one in UNITS if one == query.get("unit", "")), "day")
    first = _day(query.get("from", "")) or today
    last = _day(query.get("to", ""))
    if last is not None and last >= first:
        if unit in ("month", "year"):
            first = first.replace(day=1) if unit == "month" else first.replace(month=1, day=1)
            end = months_later(last.replace(day=1), 1) if unit == "month" else date(last.year + 1, 1, 1)
            last = end - timedelta(days=1)
        return Period(unit, first, min(last, first + timedelta(days=_MOST_DAYS[unit] - 1)), zone)
    if unit == "day":
        first = first.replace(day=1)
    elif unit == "month":
        first = first.replace(month=1, day=1)
    elif unit == "year":
        newest = today.year - _YEARS_SHOWN + 1
        first = date(newest if first >= date(newest, 1, 1) else first.year, 1, 1)
    return Period(unit, first, zone=zone)


def is_wrong_way(query: Mapping[str, str]) -> bool:
    """Whether an address asks for days that end before they begin."""
    first, last = _day(query.get("from", "")), _day(query.get("to", ""))
    return first is not None and last is not None and last < first


def partners(
    rows: Sequence[Row], others: Sequence[Row], unit: Unit, kind: str, zone: tzinfo = STANDARD_TIME
) -> list[Row | None]:
    """For each interval the one beside it: of the same date a year before, or in the period before it.

    The hours of a day on which clocks change in ``zone`` stand beside the same hours of the clock.
    """
    if not rows or not others:
        return [None] * len(rows)
    if kind == LAST_YEAR:
        found = {_name(one, unit, 1, zone): one for one in others}
        return [found.get(_name(one, unit, 0, zone)) for one in rows]
    if unit != "hour":
        return [others[place] if place < len(others) else None for place in range(len(rows))]
    by_clock = {_clock(one, others[0], zone): one for one in others}
    return [by_clock.get(_clock(one, rows[0], zone)) for one in rows]


def _name(row: Row, unit: Unit, years: int, zone: tzinfo) -> tuple[int, ...]:
    start = row.start.astimezone(zone)
    parts = (start.year + years, start.month, start.day, start.hour, start.fold)
    return parts[: {"year": 1, "month": 2, "day": 3, "hour": 5}[unit]]


def _clock(row: Row, first: Row, zone: tzinfo) -> tuple[int, int, int]:
    """How many days after the first row's, and which hour of the clock."""
    start = row.start.astimezone(zone)
    return (start.date() - first.start.astimezone(zone).date()).days, start.hour, start.fold


def _year_before(day: date) -> date:
    return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return min(max(day, _EARLIEST), _LATEST)
