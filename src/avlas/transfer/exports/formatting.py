"""Cells become text and text becomes bytes, as a layout says. Pure."""

from __future__ import annotations

import re
import unicodedata
import zoneinfo
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext_noop

from avlas.reports.calc.borders import STANDARD_TIME
from avlas.transfer.exports.block import At, Block, Number, Strip
from avlas.transfer.exports.date_pattern import written
from avlas.transfer.exports.layout import FIXED, NEWLINES, STANDARD

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from avlas.transfer.exports.block import Cell
    from avlas.transfer.exports.layout import Column, Layout

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_REMEMBERED: Final = 20_000  # moments: an hour's of two years
_LINE: Final = "\n"  # never within a text
_LIKE: Final = str.maketrans({"–": "-", "—": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "„": '"',
                              "…": "...", "\u00a0": " ", "\u202f": " "})  # fmt: skip


class Unwritable(Exception):  # noqa: N818
    """The file can't be written as the layout says. ``text`` is an English message, ``values`` fill its blanks."""

    def __init__(self, text: str, **values: Any) -> None:
        super().__init__(text % values)
        self.text, self.values = text, values


class TooWide(Unwritable):
    """A text does not fit its column of a fixed width."""

    def __init__(self, heading: str, value: str, width: int) -> None:
        super().__init__(
            gettext_noop("“%(value)s” is wider than the %(width)s signs of the column %(column)s."),
            value=value,
            width=width,
            column=heading,
        )


def zone_of(name: str) -> tzinfo:
    """The zone of a layout's ``zone`` or ``borders``."""
    return STANDARD_TIME if name == STANDARD else zoneinfo.ZoneInfo(name)


class Formatter:
    """Writes one file. ``replaced`` counts the signs that the encoding doesn't have."""

    def __init__(self, layout: Layout) -> None:
        self.layout, self.replaced = layout, 0
        self.zone = zone_of(layout.zone)
        self._newline = NEWLINES[layout.newline]
        self._moments: dict[int, dict[Any, str]] = {}  # by column, as they stand in the file
        self._first = True

    def text(self, cell: Cell) -> str:
        """A cell as text, not quoted or padded yet."""
        if cell is None:
            return ""
        if isinstance(cell, Number):
            return self._number(cell)
        if isinstance(cell, At):
            moment = datetime.fromtimestamp(cell, UTC).astimezone(self.zone)
            return written(self.layout.date, moment)
        if isinstance(cell, date):
            return cell.isoformat()
        return _CONTROL.sub(" ", cell)

    def block(self, block: Block) -> bytes:
        """Rows, each with its end. Raises TooWide."""
        fixed = self.layout.kind == FIXED
        columns = [self._column(place, strip) for place, strip in enumerate(block.strips)]
        between = "" if fixed else self.layout.separator
        rows = map(between.join, zip(*columns, strict=True))
        return self._bytes(self._newline.join([*rows, ""]))

    def line(self, cells: Sequence[Cell]) -> bytes:
        """A row, with its end. Raises TooWide."""
        return self.block(Block([Strip([cell]) for cell in cells]))

    def _column(self, place: int, strip: Strip) -> Sequence[str]:
        """The texts of one column as they stand in the file."""
        kind, values = strip.kind, strip.values
        if kind is Number and (plain := self._plain_numbers(values)):
            return strip.spread(plain)
        if kind is None:
            return strip.spread([self._final(cell, place) for cell in values])
        known = self._moments.setdefault(place, {}) if kind is At else {}
        if len(known) > _REMEMBERED:
            known.clear()
        for value in dict.fromkeys(values):
            if value not in known:
                known[value] = self._final(None if value is None else kind(value), place)
        return strip.spread([known[value] for value in values])

    def _plain_numbers(self, values: Sequence[str | None]) -> list[str] | None:
        """Numbers as they stand in the file when only their decimal sign is to be changed, else None."""
        layout = self.layout
        if layout.kind == FIXED or layout.thousands or layout.quoting == "always":
            return None
        texts = _LINE.join([value or "" for value in values])
        if layout.decimal != ".":
            texts = texts.replace(".", layout.decimal)
        if layout.quoting != "never" and (layout.separator in texts or layout.quote in texts):
            return None
        return texts.split(_LINE)

    def _final(self, cell: Cell, place: int) -> str:
        """A cell of a column as it stands in the file."""
        if self.layout.kind == FIXED:
            column = self.layout.columns[place]
            return self._padded(self.text(cell), column, number=isinstance(cell, Number))
        return self._quoted(cell)

    def header(self, headings: Sequence[str]) -> bytes:
        """The line with the headings, or nothing if the layout has none."""
        if not self.layout.header:
            return b""
        if self.layout.kind != FIXED:
            return self._bytes(self.layout.separator.join(map(self._quoted, headings)) + self._newline)
        columns = zip(headings, self.layout.columns, strict=True)
        return self._bytes(
            "".join(
                heading[: one.width].rjust(one.width)
                if one.side == "right"
                else heading[: one.width].ljust(one.width)
                for heading, one in columns
            )
            + self._newline
        )

    def _number(self, number: Number) -> str:
        layout = self.layout
        if layout.thousands:
            sign, digits = ("-", number[1:]) if number[0] == "-" else ("", str(number))
            whole, point, rest = digits.partition(".")
            grouped = f"{int(whole):,}".replace(",", layout.thousands)
            return f"{sign}{grouped}{layout.decimal if point else ''}{rest}"
        return number if layout.decimal == "." else number.replace(".", layout.decimal)

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

    def _bytes(self, text: str) -> bytes:
        encoding = self.layout.encoding
        if encoding == "utf-8-sig":
            encoding = "utf-8-sig" if self._first else "utf-8"
        self._first = False
        try:
            return text.encode(encoding)
        except UnicodeEncodeError:
            return b"".join(self._nearly(line, encoding) for line in text.splitlines(keepends=True))

    def _nearly(self, line: str, encoding: str) -> bytes:
        """A line of which the encoding doesn't have all signs."""
        try:
            return line.encode(encoding)
        except UnicodeEncodeError:
            return "".join(self._known(sign, encoding) for sign in line).encode(encoding, "replace")

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
