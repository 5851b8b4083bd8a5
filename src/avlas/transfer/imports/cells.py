"""Cells become values: numbers, dates, moments, numbers of meters, places on Earth. Pure.

All raise CellError with what is wrong. Texts come as ``sheet`` gives them.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from avlas.meters.key_text import N_
from avlas.meters.wellformed import NORDIC_DEGREES
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.reports.calc.sweref import SYSTEMS
from avlas.transfer.imports.errors import CellError

if TYPE_CHECKING:
    from datetime import tzinfo

CIVIL, STANDARD, UNIVERSAL = "civil", "standard", "utc"
CLOCKS: Final[dict[str, tzinfo]] = {
    CIVIL: ZoneInfo("Europe/Stockholm"), STANDARD: STANDARD_TIME, UNIVERSAL: UTC,
}  # fmt: skip
WGS84: Final = "WGS 84"
_NOT_EXCEL_DAY: Final = date(1899, 12, 30)
_ERRORS: Final = ("#REF!", "#N/A", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SAKNAS!", "#REFERENS!",
                  "#VÄRDEFEL!", "#NAMN?")  # fmt: skip


def plain(text: str) -> str:
    """A cell without what spreadsheets put around it: ="00123" and '=text are text. Raises CellError for a formula."""
    if text[:1] == "=":
        quoted = re.fullmatch(r'="((?:[^"]|"")*)"', text)
        if quoted is None:
            raise CellError(
                N_("This is a formula, not a value. Save the file with values instead of formulas.")
            )
        return quoted[1].replace('""', '"').strip()
    if text[:1] == "'" and text[1:2] in tuple("=+-@\t\r0123456789"):
        return text[1:].strip()
    if text[:1] == "#" and text.upper() in _ERRORS:
        raise CellError(N_("The spreadsheet shows an error here instead of a value."))
    if "\ufffd" in text:
        raise CellError(
            N_("There are characters that can't be read here. Is it another encoding than was chosen?")
        )
    return text


def number(text: str, decimal: str = "") -> Decimal:
    """A number. ``decimal``: which sign begins the decimals; "": the last of point and comma that stands in it."""
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return Decimal(text)
    bare = re.sub(r"[\s\u00a0\u202f']", "", text).replace("\u2212", "-")
    if decimal not in (",", "."):
        points, commas = bare.count("."), bare.count(",")
        decimal = "," if commas and (not points or bare.rfind(",") > bare.rfind(".")) else "."
        if max(points, commas) > 1 and not min(points, commas):  # 1.234.567: signs between thousands alone
            decimal = "." if commas else ","
    thousands = "," if decimal == "." else "."
    whole, sign, rest = bare.partition(decimal)
    if thousands in whole:
        if not re.fullmatch(rf"[+-]?\d{{1,3}}(?:\{thousands}\d{{3}})+", whole):
            raise _no_number(text)
        whole = whole.replace(thousands, "")
    joined = whole + ("." if sign else "") + rest
    if not re.fullmatch(r"[+-]?(?:\d{1,18}\.?\d{0,15}|\.\d{1,15})(?:[eE][+-]?\d{1,2})?", joined, re.ASCII):
        raise _no_number(text)
    return Decimal(joined)


def _no_number(text: str) -> CellError:
    return CellError(N_("“%(text)s” is not a number."), text=text[:60])


@lru_cache(4096)
def day(text: str) -> date:
    """A date: 2026-05-31, 31-05-2026, 31/5/2026, 31.05.2026, 20260531, or the number that Excel counts days by."""
    clean = text.strip()
    found = re.fullmatch(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})", clean, re.ASCII) or re.fullmatch(
        r"((?:19|20)\d\d)(\d\d)(\d\d)", clean, re.ASCII
    )
    try:
        if found:
            return date(int(found[1]), int(found[2]), int(found[3]))
        if found := re.fullmatch(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})", clean, re.ASCII):
            return date(int(found[3]), int(found[2]), int(found[1]))
        if found := re.fullmatch(r"([2-7]\d{4})(?:[.,]0+)?", clean, re.ASCII):
            return _NOT_EXCEL_DAY + timedelta(days=int(found[1]))
    except ValueError:
        raise CellError(N_("There is no such day as %(text)s."), text=clean[:40]) from None
    raise CellError(N_("“%(text)s” is not a date. Write it as 2026-05-31 or 31-05-2026."), text=clean[:40])


_MOMENT: Final = re.compile(
    r"(?P<day>[\d/.-]{8,10})(?:[T ]\s*(?P<hour>\d{1,2})[:.](?P<minute>\d\d)(?:[:.](?P<second>\d\d)(?:[.,]\d+)?)?"
    r"\s*(?P<zone>Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)
_EXCEL_MOMENT: Final = re.compile(r"([2-7]\d{4})[.,](\d{1,12})", re.ASCII)


@lru_cache(8192)
def moment(text: str, clock: str = CIVIL) -> datetime:
    """A moment, aware, UTC, to the second: a date and a time of day on ``clock`` (a name in CLOCKS).

    A date alone is 00:00 standard time, when a day begins for bills; 24:00 is the end of its day. A time zone written
    in the cell goes before ``clock``. The hour that comes twice in autumn is the first.
    """
    clean = text.strip()
    if found := _EXCEL_MOMENT.fullmatch(clean):
        share = timedelta(days=float(f"0.{found[2]}"))
        return _on(_NOT_EXCEL_DAY + timedelta(days=int(found[1])), timedelta(seconds=round(share.total_seconds())),
                   CLOCKS[clock])  # fmt: skip
    shape = _MOMENT.fullmatch(clean)
    if shape is None:
        return _on(day(clean), timedelta(), STANDARD_TIME)
    found_day = day(shape["day"])
    if shape["hour"] is None:
        return _on(found_day, timedelta(), STANDARD_TIME)
    hour, minute, second = int(shape["hour"]), int(shape["minute"]), int(shape["second"] or 0)
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and (minute or second)):
        raise CellError(N_("There is no such time of day as in “%(text)s”."), text=clean[:40])
    zone = CLOCKS[clock]
    if shape["zone"]:
        digits = shape["zone"].replace(":", "")
        minutes = 0 if digits == "Z" else int(digits[1:3]) * 60 + int(digits[3:5])
        if minutes > 14 * 60:
            raise CellError(N_("There is no such time zone as in “%(text)s”."), text=clean[:40])
        zone = timezone(timedelta(minutes=-minutes if digits[0] == "-" else minutes))
    return _on(found_day, timedelta(hours=hour, minutes=minute, seconds=second), zone)


def _on(on: date, after: timedelta, zone: tzinfo) -> datetime:
    if not date(1900, 1, 1) <= on <= date(2199, 12, 31):
        raise CellError(N_("The year %(year)s can't be right."), year=str(on.year))
    local = datetime(on.year, on.month, on.day) + after  # noqa: DTZ001 - the zone comes next
    found = local.replace(tzinfo=zone).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) != local:
        raise CellError(
            N_("There is no such time as %(text)s: the clocks go forward over it."),
            text=local.isoformat(" ", "minutes"),
        )
    return found


def place(north: Decimal, east: Decimal, system: str) -> tuple[float, float]:
    """Latitude and longitude in degrees (WGS84) of coordinates in ``system``: WGS84 or a name in sweref.SYSTEMS.

    "": degrees when they look like degrees, else SWEREF 99 TM.
    """
    if not system:
        system = WGS84 if abs(north) <= 90 and abs(east) <= 180 else "SWEREF 99 TM"
    try:
        found = (
            SYSTEMS[system].to_degrees(float(north), float(east))
            if system in SYSTEMS
            else (float(north), float(east))
        )
    except (ValueError, OverflowError):
        found = (0.0, 0.0)
    (south, top), (west, right) = NORDIC_DEGREES
    if not (south <= found[0] <= top and west <= found[1] <= right):
        raise CellError(
            N_(
                "This is far outside the Nordic countries. Are north and east swapped, or is it another system?"
            )
        )
    return round(found[0], 7), round(found[1], 7)
