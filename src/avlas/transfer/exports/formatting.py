"""Cells become text and text becomes bytes, as a layout says. Pure."""

from __future__ import annotations

import re
import unicodedata
import zoneinfo
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_noop

from avlas.reports.calc.borders import STANDARD_TIME
from avlas.transfer.exports.date_pattern import written
from avlas.transfer.exports.layout import FIXED, NEWLINES, STANDARD

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from avlas.transfer.exports.layout import Column, Layout

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_REMEMBERED: Final = 20_000  # moments: an hour's of two years
_LIKE: Final = str.maketrans({"–": "-", "—": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "„": '"',
                              "…": "...", "\u00a0": " ", "\u202f": " "})  # fmt: skip


class Number(str):
    """A number as plain text: digits, perhaps a minus sign and a point. Exact, however many there are."""

    __slots__ = ()


class At(int):
    """A moment in whole seconds UTC."""

    __slots__ = ()


Cell = str | Number | At | date | None


class TooWide(Exception):  # noqa: N818
    """A text does not fit its column of a fixed width. ``text`` and ``values`` as a job tells them."""

    def __init__(self, heading: str, value: str, width: int) -> None:
        self.text = gettext_noop("“%(value)s” is wider than the %(width)s signs of the column %(column)s.")
        self.values = {"value": value, "width": width, "column": heading}
        super().__init__(self.text % self.values)


def zone_of(name: str) -> tzinfo:
    """The zone of a layout's ``zone`` or ``borders``."""
    return STANDARD_TIME if name == STANDARD else zoneinfo.ZoneInfo(name)


class Formatter:
    """Writes one file. ``replaced`` counts the signs that the encoding doesn't have."""

    def __init__(self, layout: Layout) -> None:
        self.layout, self.replaced = layout, 0
        self.zone = zone_of(layout.zone)
        self._newline = NEWLINES[layout.newline]
        self._moments: dict[int, str] = {}
        self._first = True

    def text(self, cell: Cell) -> str:
        """A cell as text, not quoted or padded yet."""
        if cell is None:
            return ""
        if isinstance(cell, Number):
            return self._number(cell)
        if isinstance(cell, At):
            return self._moment(cell)
        if isinstance(cell, date):
            return cell.isoformat()
        return _CONTROL.sub(" ", cell)

    def line(self, cells: Sequence[Cell]) -> bytes:
        """A row, with its end. Raises TooWide."""
        layout = self.layout
        if layout.kind == FIXED:
            parts = [
                self._padded(self.text(cell), column, number=isinstance(cell, Number))
                for cell, column in zip(cells, layout.columns, strict=True)
            ]
            return self._bytes("".join(parts))
        return self._bytes(layout.separator.join([self._quoted(cell) for cell in cells]))

    def header(self, headings: Sequence[str]) -> bytes:
        """The line with the headings, or nothing if the layout has none."""
        if not self.layout.header:
            return b""
        if self.layout.kind != FIXED:
            return self.line(headings)
        columns = zip(headings, self.layout.columns, strict=True)
        return self._bytes(
            "".join(
                heading[: one.width].rjust(one.width)
                if one.side == "right"
                else heading[: one.width].ljust(one.width)
                for heading, one in columns
            )
        )

    def _number(self, number: Number) -> str:
        layout = self.layout
        if layout.thousands:
            sign, digits = ("-", number[1:]) if number[0] == "-" else ("", str(number))
            whole, point, rest = digits.partition(".")
            grouped = f"{int(whole):,}".replace(",", layout.thousands)
            return f"{sign}{grouped}{layout.decimal if point else ''}{rest}"
        return number if layout.decimal == "." else number.replace(".", layout.decimal)

    def _moment(self, at: int) -> str:
        text = self._moments.get(at)
        if text is None:
            if len(self._moments) >= _REMEMBERED:
                self._moments.clear()
            text = written(self.layout.date, datetime.fromtimestamp(at, UTC).astimezone(self.zone))
            self._moments[at] = text
        return text

    def _quoted(self, cell: Cell) -> str:
        layout, text = self.layout, self.text(cell)
        if layout.guard and type(cell) is str and text[:1] in ("=", "+", "-", "@"):
            text = f"'{text}"
        if layout.quoting == "never":
            return text.replace(layout.separator, " ") if type(cell) is str else text
        quote = layout.quote
        if layout.quoting == "always" or layout.separator in text or quote in text:
            return f"{quote}{text.replace(quote, quote + quote)}{quote}"
        return text

    def _padded(self, text: str, column: Column, *, number: bool) -> str:
        if len(text) > column.width:
            if column.overflow == "mark":
                return "#" * column.width
            if column.overflow == "refuse" or number:  # a figure that is cut is another figure
                raise TooWide(column.heading or column.code, text, column.width)
            return text[: column.width]
        if column.side == "left":
            return text.ljust(column.width, column.fill)
        if number and column.fill == "0" and text.startswith("-"):
            return "-" + text[1:].rjust(column.width - 1, "0")
        return text.rjust(column.width, column.fill)

    def _bytes(self, line: str) -> bytes:
        encoding = self.layout.encoding
        if encoding == "utf-8-sig":
            encoding = "utf-8-sig" if self._first else "utf-8"
        self._first = False
        text = line + self._newline
        try:
            return text.encode(encoding)
        except UnicodeEncodeError:
            return "".join(self._known(sign, encoding) for sign in text).encode(encoding, "replace")

    def _known(self, sign: str, encoding: str) -> str:
        """The sign if the encoding has it, else one that looks alike, else ?."""
        for tried in (sign, sign.translate(_LIKE), unicodedata.normalize("NFKD", sign)[:1]):
            try:
                tried.encode(encoding)
            except UnicodeEncodeError:
                continue
            self.replaced += tried != sign
            return tried
        self.replaced += 1
        return "?"
