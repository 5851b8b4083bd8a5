"""Numbers, dates and times as the reader's language wants them. The only place that knows.

Swedish: 1 234,5 and 2026-11-23 14:05. English: 1,234.5 and 23 Nov 2026 14:05. Moments are shown in the
active time zone unless told otherwise.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from datetime import tzinfo

HARD_SPACE = "\u00a0"
MINUS = "\u2212"
MISSING = UNTIL = "\u2013"  # en dash: nothing there; from ... until ...

_MONTHS = {
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September",
           "October", "November", "December"),
    "sv": ("januari", "februari", "mars", "april", "maj", "juni", "juli", "augusti", "september",
           "oktober", "november", "december"),
}  # fmt: skip
_DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "sv": ("måndag", "tisdag", "onsdag", "torsdag", "fredag", "lördag", "söndag"),
}


def language() -> str:
    """The active language, "sv" or "en"."""
    return "sv" if (get_language() or "sv").startswith("sv") else "en"


def number(value: Decimal | float | None, decimals: int | None = None) -> str:
    """``value`` with the language's thousands and decimal signs; a dash for None.

    ``decimals`` fixes how many are shown (half is rounded away from zero); None shows what the value has.
    """
    if value is None:
        return MISSING
    exact = (
        value if isinstance(value, Decimal) else Decimal(repr(value) if isinstance(value, float) else value)
    )
    if not exact.is_finite():
        return MISSING
    if decimals is not None:
        exact = exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    text = f"{abs(exact):f}"
    whole, _point, fraction = text.partition(".")
    group, point = (HARD_SPACE, ",") if language() == "sv" else (",", ".")
    grouped = f"{int(whole):,}".replace(",", group)
    shown = grouped + (point + fraction if fraction else "")
    return MINUS + shown if exact < 0 and any(digit != "0" for digit in text if digit != ".") else shown


def quantity(value: Decimal | float | None, unit: str, decimals: int | None = None) -> str:
    """A number with its unit, never broken over two lines."""
    shown = number(value, decimals)
    return f"{shown}{HARD_SPACE}{unit}" if unit and shown != MISSING else shown


def local(moment: datetime, zone: tzinfo | None = None) -> datetime:
    """``moment`` in ``zone`` (default: the reader's); a naive one, a meter's own clock, stays as it is."""
    return moment if moment.tzinfo is None else timezone.localtime(moment, zone)


def date_time(moment: datetime | None, zone: tzinfo | None = None, *, seconds: bool = False) -> str:
    """Date and clock: 2026-11-23 14:05 or 23 Nov 2026 14:05."""
    if moment is None:
        return MISSING
    here = local(moment, zone)
    return (
        f"{day(here.date())}{HARD_SPACE}{here:%H:%M:%S}"
        if seconds
        else f"{day(here.date())}{HARD_SPACE}{here:%H:%M}"
    )


def date_time_offset(moment: datetime | None, zone: tzinfo | None = None) -> str:
    """Date, clock and the clock's distance from universal time: 2026-11-23 14:05 +01:00."""
    if moment is None:
        return MISSING
    return f"{date_time(moment, zone)}{HARD_SPACE}{offset(local(moment, zone))}"


def offset(moment: datetime) -> str:
    """The clock's distance from universal time: +01:00."""
    text = f"{moment:%z}"
    return f"{text[:3]}:{text[3:5]}"


def day(value: date | None) -> str:
    """A date: 2026-11-23 or 23 Nov 2026."""
    if value is None:
        return MISSING
    if language() == "sv":
        return f"{value:%Y-%m-%d}"
    return f"{value.day}{HARD_SPACE}{_MONTHS['en'][value.month - 1][:3]}{HARD_SPACE}{value.year}"


def period(start: datetime, end: datetime, zone: tzinfo) -> str:
    """From when to when: whole days, the last one included, if it begins and ends at midnight in ``zone``."""
    first, after = local(start, zone), local(end, zone)
    if first.time() != time() or after.time() != time():
        return f"{date_time_offset(start, zone)} – {date_time_offset(end, zone)}"
    last = after.date() - timedelta(days=1)
    return day(last) if first.date() == last else f"{day(first.date())} – {day(last)}"


def long_day(value: date) -> str:
    """A date in words: måndag 23 november 2026."""
    return f"{_DAYS[language()][value.weekday()]} {value.day} {month(value)}"


def short_day(value: date) -> str:
    """A day within a month that is known: mån 23."""
    return f"{_DAYS[language()][value.weekday()][:3]} {value.day}"


def month(value: date) -> str:
    """A month in words: november 2026."""
    return f"{_MONTHS[language()][value.month - 1]} {value.year}"


def short_month(value: date) -> str:
    """The month alone in three letters."""
    return _MONTHS[language()][value.month - 1][:3]


def span(seconds: float) -> str:
    """A length of time in its two largest sensible units: 0.4 s, 12 s, 3 min 20 s, 1 h 5 min."""
    if seconds < 10:
        return quantity(round(max(0.0, seconds), 1), "s")
    whole = round(seconds)
    if whole < 60:
        return quantity(whole, "s")
    if whole < 3600:
        return f"{quantity(whole // 60, 'min')} {quantity(whole % 60, 's')}"
    minutes = round(seconds / 60)
    return f"{quantity(minutes // 60, 'h')} {quantity(minutes % 60, 'min')}"


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago in the largest sensible unit; the date when it is more than two weeks ago."""
    if moment is None:
        return _("never")
    span = (now or datetime.now(UTC)) - moment
    if span < timedelta(seconds=-90):
        return date_time(moment)
    if span < timedelta(seconds=45):
        return _("just now")
    if span < timedelta(minutes=90):
        minutes = max(1, round(span.total_seconds() / 60))
        return ngettext("%(n)d min ago", "%(n)d min ago", minutes) % {"n": minutes}
    if span < timedelta(hours=36):
        hours = round(span.total_seconds() / 3600)
        return ngettext("%(n)d h ago", "%(n)d h ago", hours) % {"n": hours}
    if span < timedelta(days=14):
        days = round(span.total_seconds() / 86400)
        return ngettext("%(n)d day ago", "%(n)d days ago", days) % {"n": days}
    return day(local(moment).date())
