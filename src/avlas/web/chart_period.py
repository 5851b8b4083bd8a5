"""What a consumption chart shows: intervals of one length over a period, and the period beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.reports.calc.borders import STANDARD_TIME, months_later
from avlas.web import formats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    """Intervals of ``unit`` from ``first`` on, days in standard time; ``last``: where somebody chose the last day."""

    unit: Unit
    first: date
    last: date | None = None

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
        return moment_of(self.first)

    @property
    def end_at(self) -> datetime:
        """The moment after its last."""
        return moment_of(self.end)

    def stepped(self, steps: int) -> Period:
        """The period so many periods later."""
        if self.last is not None:
            if self.unit in ("month", "year"):
                count = (self.end.year - self.first.year) * 12 + self.end.month - self.first.month
                end = months_later(self.end, steps * count)
                return Period(self.unit, months_later(self.first, steps * count), end - timedelta(days=1))
            shift = (self.end - self.first) * steps
            return Period(self.unit, self.first + shift, self.last + shift)
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
        return Period(self.unit, _year_before(self.first), _year_before(self.end) - timedelta(days=1))

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


def moment_of(day: date) -> datetime:
    """When a day begins in standard time."""
    return datetime(day.year, day.month, day.day, tzinfo=STANDARD_TIME)


def asked_period(query: Mapping[str, str], today: date) -> Period:
    """The period that an address asks for; whatever makes no sense becomes the one that holds ``today``."""
    unit: Unit = next((one for one in UNITS if one == query.get("unit", "")), "day")
    first = _day(query.get("from", "")) or today
    last = _day(query.get("to", ""))
    if last is not None and last >= first:
        if unit in ("month", "year"):
            first = first.replace(day=1) if unit == "month" else first.replace(month=1, day=1)
            end = months_later(last.replace(day=1), 1) if unit == "month" else date(last.year + 1, 1, 1)
            last = end - timedelta(days=1)
        return Period(unit, first, min(last, first + timedelta(days=_MOST_DAYS[unit] - 1)))
    if unit == "day":
        first = first.replace(day=1)
    elif unit == "month":
        first = first.replace(month=1, day=1)
    elif unit == "year":
        newest = today.year - _YEARS_SHOWN + 1
        first = date(newest if first >= date(newest, 1, 1) else first.year, 1, 1)
    return Period(unit, first)


def is_wrong_way(query: Mapping[str, str]) -> bool:
    """Whether an address asks for days that end before they begin."""
    first, last = _day(query.get("from", "")), _day(query.get("to", ""))
    return first is not None and last is not None and last < first


def partners(rows: Sequence[Row], others: Sequence[Row], unit: Unit, kind: str) -> list[Row | None]:
    """For each interval the one beside it: of the same date a year before, or in the period before it."""
    if kind != LAST_YEAR:
        return [others[place] if place < len(others) else None for place in range(len(rows))]
    found = {_name(one, unit, 1): one for one in others}
    return [found.get(_name(one, unit, 0)) for one in rows]


def _name(row: Row, unit: Unit, years: int) -> tuple[int, ...]:
    start = row.start.astimezone(STANDARD_TIME)
    parts = (start.year + years, start.month, start.day, start.hour)
    return parts[: {"year": 1, "month": 2, "day": 3, "hour": 4}[unit]]


def _year_before(day: date) -> date:
    return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return min(max(day, _EARLIEST), _LATEST)
