"""A file's bytes become a table of texts: CSV in any of the usual encodings, or Excel. Pure.

A guess is a guess: ``read`` says what it took the file for, and takes what it is told instead.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from openpyxl import load_workbook

from avlas.meters.key_text import N_
from avlas.transfer.imports.errors import SheetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LARGEST: Final = 100 * 2**20  # bytes of a file
_LARGEST_UNPACKED: Final = 600 * 2**20
_LONGEST_CELL: Final = 5000
MOST_COLUMNS: Final = 300
_SHOWN: Final = 60  # lines looked at for a guess
ENCODINGS: Final = ("utf-8", "utf-16", "cp1252", "iso8859-1", "mac_roman", "cp850")
DELIMITERS: Final = (";", ",", "\t", "|")
EXCEL: Final = "excel"
_SINGLE_BYTE: Final = ("cp1252", "mac_roman", "cp850")
_LETTERS: Final = "åäöÅÄÖ"
_OTHER_LETTERS: Final = "éÉüÜæøÆØèàçÿñ°³²§ "
_OPEN_QUOTE_LINES: Final = 20  # a cell with more lines is a quote that was never closed


@dataclass(frozen=True, slots=True)
class How:
    """How a file is read. Empty: guessed. ``heading_line``: which line holds the headings, 0 none, -1 guessed."""

    encoding: str = ""
    delimiter: str = ""
    heading_line: int = -1
    worksheet: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the file: the number people find it by (from 1) and its cells as text."""

    number: int
    cells: list[str]
    whole: bool = True  # False: the file ends within it


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file understood as a table. ``how`` is complete: nothing in it is left to guess."""

    how: How
    headings: list[str]
    worksheets: list[str]
    typed: bool  # numbers and dates came as such (Excel), so a point is a decimal point
    _lines: Callable[[], Iterator[Line]] = field(repr=False)

    def lines(self) -> Iterator[Line]:
        """The rows below the headings, empty ones left out. Raises SheetError when the file breaks off."""
        for line in self._lines():
            if line.number > self.how.heading_line and any(line.cells):
                yield line

    def sample(self, count: int = 5) -> list[Line]:
        """The first rows."""
        return list(islice(self.lines(), count))


def read(data: bytes, how: How = How(), words: frozenset[str] = frozenset()) -> Sheet:
    """Understand a file. ``words``: known headings (see ``fields.words``), to find the line that holds them.

    Raises SheetError.
    """
    if len(data) > LARGEST:
        raise SheetError(N_("The file is larger than %(limit)s MB."), limit=LARGEST >> 20)
    if not data.strip(b"\0 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise SheetError(N_("The file is empty."))
    if data[:4] == b"PK\3\4":
        return _excel(data, how, words)
    if data[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        raise SheetError(
            N_("This is an old Excel file (.xls) or one with a password. Save it as .xlsx, or as CSV.")
        )
    if data[:5] in (b"%PDF-", b"{\\rtf") or data[:2] == b"\x1f\x8b":
        raise SheetError(N_("This is not a table. Save it as CSV or as Excel (.xlsx)."))
    return _text(data, how, words)


def guess_encoding(data: bytes) -> str:
    """Which encoding a text file most likely has: by its mark, by being sound UTF-8, else by its Swedish letters."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if data[:200].count(0) > len(data[:200]) // 4:
        return "utf-16"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as problem:
        if problem.start >= len(data) - 3 and problem.reason == "unexpected end of data":
            return "utf-8"  # it breaks off within a letter
    else:
        return "utf-8"
    high = bytes(byte for byte in data[: 4 * 2**20] if byte > 127)

    def likely(name: str) -> int:
        text = high.decode(name, errors="replace")
        return sum(4 * (one in _LETTERS) + (one in _OTHER_LETTERS) - 2 * (one == "\ufffd") for one in text)

    return max(_SINGLE_BYTE, key=likely)  # the first of equals


def _decoded(data: bytes, encoding: str) -> str:
    if encoding == "utf-16":
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return data.decode("utf-16", errors="replace")
        little = data[1:200:2].count(0) >= data[:200:2].count(0)
        return data.decode("utf-16-le" if little else "utf-16-be", errors="replace")
    return data.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="replace")


def guess_delimiter(text: str) -> str:
    """Which character splits the most lines into the same number of columns."""
    lines = [line for line in text[:200_000].splitlines()[: _SHOWN + 1] if line.strip()][:_SHOWN]

    def likely(delimiter: str) -> tuple[int, int]:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        usual = max(counts, key=counts.count, default=1)
        return (counts.count(usual) * (usual > 1), usual)

    try:
        return max(DELIMITERS, key=likely)
    except csv.Error:
        return ";"


def _text(data: bytes, how: How, words: frozenset[str]) -> Sheet:
    if how.encoding and how.encoding not in ENCODINGS:
        raise SheetError(N_("“%(name)s” is no encoding that is known here."), name=how.encoding)
    encoding = how.encoding or guess_encoding(data)
    text = _decoded(data, encoding).replace("\0", "\ufffd")
    delimiter = how.delimiter or guess_delimiter(text)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise SheetError(N_("The delimiter must be one character."))
    if re.match(r"sep=.[\r\n]", text):  # Excel's own remark on the first line
        delimiter = how.delimiter or text[4]

    def lines() -> Iterator[Line]:
        return _csv_lines(text, delimiter)

    return _made(How(encoding, delimiter, how.heading_line), [], lines, words, typed=False)


def _csv_lines(text: str, delimiter: str) -> Iterator[Line]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    ended = text.endswith(("\n", "\r"))
    total = text.count("\n") or text.count("\r")
    before = 0
    while True:
        try:
            cells = next(reader, None)
        except csv.Error:
            raise SheetError(
                N_("From line %(line)s on the file can't be read: a quote is opened there and never closed."),
                line=before + 1,
            ) from None
        if cells is None:
            return
        number, before = before + 1, reader.line_num
        if number == 1 and re.fullmatch(r"sep=.?", delimiter.join(cells)):
            continue
        if before - number > _OPEN_QUOTE_LINES:
            raise SheetError(
                N_("From line %(line)s on the file can't be read: a quote is opened there and never closed."),
                line=number,
            )
        last = not ended and before > total
        yield Line(
            number, [cell.strip("\ufeff \t\u00a0\r\n") for cell in cells[:MOST_COLUMNS]], whole=not last
        )


def _excel(data: bytes, how: How, words: frozenset[str]) -> Sheet:
    broken = N_("The Excel file is damaged or only half of it is here. Send or save it again.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            sizes = {one.filename: one.file_size for one in packed.infolist()}
    except Exception as problem:  # whatever the ZIP format stumbles over
        raise SheetError(broken) from problem
    if "xl/workbook.xml" not in sizes:
        raise SheetError(N_("This is not a table. Save it as CSV or as Excel (.xlsx)."))
    if sum(sizes.values()) > _LARGEST_UNPACKED:
        raise SheetError(N_("The Excel file is too large. Save it as CSV."))
    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        names = [sheet.title for sheet in book.worksheets]
    except Exception as problem:  # whatever openpyxl stumbles over
        raise SheetError(broken) from problem
    if not names:
        raise SheetError(N_("There is no worksheet in the Excel file."))
    name = how.worksheet or names[0]
    if name not in names:
        raise SheetError(N_("There is no worksheet “%(name)s” in the Excel file."), name=name)

    def lines() -> Iterator[Line]:
        try:
            sheet = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)[name]
            for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
                yield Line(number, [excel_text(cell) for cell in row[:MOST_COLUMNS]])
        except Exception as problem:
            raise SheetError(broken) from problem

    return _made(How(EXCEL, "", how.heading_line, name), names, lines, words, typed=True)


def excel_text(value: Any) -> str:
    """A cell's value as text: numbers with a decimal point and no more digits than were written, dates as ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds") if value.time() != time() else value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float):
        plain = f"{Decimal(repr(value)):f}"
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    return str(value).strip()[:_LONGEST_CELL]


def _made(
    how: How, names: list[str], lines: Callable[[], Iterator[Line]], words: frozenset[str], *, typed: bool
) -> Sheet:
    first = list(islice(lines(), _SHOWN))
    line = how.heading_line
    if line < 0:
        line = _heading_line(first, words)
    found = next((one.cells for one in first if one.number == line), [])
    if not found:
        found = [""] * max((len(one.cells) for one in first), default=0)
    headings = [cell or column_name(place) for place, cell in enumerate(found)]
    return Sheet(
        How(how.encoding, how.delimiter, line, how.worksheet), distinct(headings), names, typed, lines
    )


def _heading_line(first: list[Line], words: frozenset[str]) -> int:
    """The line with the most known headings; without any, the first full line if it holds no figures."""
    best, score = 0, 0
    for line in first[:20]:
        known = sum(normal(cell) in words for cell in line.cells if cell)
        if known > score:
            best, score = line.number, known
    if best:
        return best
    full = next((line for line in first if any(line.cells)), None)
    if full is None or any(re.search(r"\d", cell) for cell in full.cells):
        return 0
    return full.number


def normal(heading: str) -> str:
    """A heading without blanks, signs, units in brackets and capitals, to be compared by."""
    return re.sub(r"[\W_]+", "", re.sub(r"[\[(].*?[\])]", "", heading)).lower()


def column_name(place: int) -> str:
    """A, B, ... as spreadsheets name columns (``place`` from 0)."""
    name = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        name = chr(65 + rest) + name
    return name


def distinct(headings: list[str]) -> list[str]:
    """Headings that come twice get a number."""
    seen: dict[str, int] = {}
    found = []
    for heading in headings:
        seen[heading] = seen.get(heading, 0) + 1
        found.append(heading if seen[heading] == 1 else f"{heading} ({seen[heading]})")
    return found
