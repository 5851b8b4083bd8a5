"""The period of a report: a month, the month before this one, or any dates; all of it in the address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.reports.calc.borders import STANDARD, STANDARD_TIME, beginning_of, months_later, zone_of
from avlas.reports.day_words import days_begin, months_begin
from avlas.web import formats

if TYPE_CHECKING:
    from django.http import QueryDict
    from django.utils.functional import Promise

MONTH, LAST_MONTH, DATES = "month", "last_month", "dates"
KINDS: Final[dict[str, Promise]] = {
    MONTH: gettext_lazy("Month"),
    LAST_MONTH: gettext_lazy("Previous month"),
    DATES: gettext_lazy("From date to date"),
}
_MONTHS_OFFERED: Final = 36
_EARLIEST, _LATEST = date(1990, 1, 1), date(2200, 1, 1)


@dataclass(frozen=True, slots=True)
class ReportPeriod:
    """From the beginning of ``first`` to the end of ``last``, days that begin in ``zone``."""

    kind: str
    first: date
    last: date
    zone: tzinfo = STANDARD_TIME

    @property
    def wrong_way(self) -> bool:
        """Whether it ends before it begins."""
        return self.last < self.first

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return beginning_of(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """The moment after its last."""
        return beginning_of(self.last + timedelta(days=1), self.zone)

    @property
    def is_running(self) -> bool:
        """Whether it is not over yet."""
        return self.end > datetime.now(UTC)

    @property
    def days_begin(self) -> str:
        """A sentence about where its days begin."""
        return days_begin(self.zone)

    @property
    def months_begin(self) -> str:
        """A sentence about where months begin."""
        return months_begin(self.zone)

    @property
    def title(self) -> str:
        """The period in words."""
        if self.kind != DATES:
            return formats.month(self.first)
        return _("%(first)s to %(last)s") % {
            "first": formats.day(self.first),
            "last": formats.day(self.last),
        }

    @property
    def in_name(self) -> str:
        """The period as it stands in a file's name."""
        dates = f"{self.first:%Y-%m}" if self.kind != DATES else f"{self.first}_{self.last}"
        return dates if self.zone is STANDARD_TIME else dates + "-" + _("civil-time")

    @property
    def months(self) -> list[tuple[str, str]]:
        """The months to choose from, newest first: as they stand in the address, and in words."""
        newest = today(self.zone).replace(day=1)
        offered = [months_later(newest, -step) for step in range(_MONTHS_OFFERED)]
        if self.kind == MONTH and self.first not in offered:
            offered = sorted({*offered, self.first}, reverse=True)
        return [(f"{month:%Y-%m}", formats.month(month)) for month in offered]

    @property
    def month(self) -> str:
        """The month as it stands in the address."""
        return f"{self.first:%Y-%m}"


def today(zone: tzinfo = STANDARD_TIME) -> date:
    """The date now."""
    return datetime.now(zone).date()


def asked_period(query: QueryDict, borders: str = STANDARD) -> ReportPeriod:
    """The period that a query string asks for; whatever makes no sense becomes the previous month.

    ``borders``: where its days begin (calc.borders.zone_of).
    """
    kind, zone = query.get("period", MONTH), zone_of(borders)
    previous = months_later(today(zone), -1)
    if kind == DATES:
        first = _day(query.get("from", ""))
        last = _day(query.get("to", ""))
        first = first or (last.replace(day=1) if last else previous)
        return ReportPeriod(DATES, first, last or _last_of(first), zone)
    month = _day(f"{query.get('month', '')}-01") if kind != LAST_MONTH else None
    first = month or previous
    return ReportPeriod(LAST_MONTH if kind == LAST_MONTH else MONTH, first, _last_of(first), zone)


def _last_of(first: date) -> date:
    return months_later(first, 1) - timedelta(days=1)


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return min(max(day, _EARLIEST), _LATEST)
