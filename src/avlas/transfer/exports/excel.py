"""A workbook row by row: memory stays the same however many there are."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any, Final

from django.utils.translation import gettext_noop
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from avlas.transfer.exports.block import At, Number
from avlas.transfer.exports.formatting import Unwritable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import tzinfo

    from avlas.transfer.exports.block import Cell

MOST_ROWS: Final = 1_048_575  # of a sheet, below the headings
_DIGITS: Final = 15  # a number with more would be rounded by the spreadsheet
_WIDTH: Final = 16


def write(
    file: IO[bytes], headings: Sequence[str], rows: Iterable[Sequence[Cell]], zone: tzinfo, *, header: bool
) -> None:
    """Write a workbook with one sheet; moments in ``zone``. text is text, whatever it is. Raises Unwritable."""
    book = Workbook(write_only=True)
    sheet: Any = book.create_sheet()
    for number, heading in enumerate(headings, 1):
        sheet.column_dimensions[get_column_letter(number)].width = max(_WIDTH, min(len(heading) + 2, 40))
    if header:
        sheet.freeze_panes = "A2"
        titles = [WriteOnlyCell(sheet, heading) for heading in headings]
        for title in titles:
            title.font = Font(bold=True)
        sheet.append(titles)
    try:
        _fill(sheet, rows, zone)
    except BaseException:
        sheet.close()
        sheet._writer.cleanup()  # noqa: SLF001 - its temporary file, which only saving removes otherwise
        raise
    book.save(file)


def _fill(sheet: Any, rows: Iterable[Sequence[Cell]], zone: tzinfo) -> None:
    for number, row in enumerate(rows, 1):
        if number > MOST_ROWS:
            raise Unwritable(
                gettext_noop(
                    "An Excel sheet has room for %(rows)s rows; this export has more. Make it a CSV file."
                ),
                rows=MOST_ROWS,
            )
        sheet.append([_cell(sheet, one, zone) for one in row])


def _cell(sheet: Any, cell: Cell, zone: tzinfo) -> Any:
    if cell is None:
        return None
    if isinstance(cell, At):
        return datetime.fromtimestamp(cell, UTC).astimezone(zone).replace(tzinfo=None)
    if isinstance(cell, date):
        return cell
    if isinstance(cell, Number):
        digits = cell.lstrip("-").replace(".", "").lstrip("0")
        if len(digits) <= _DIGITS:
            made = WriteOnlyCell(sheet)
            made.value = Decimal(cell)
            places = len(cell.partition(".")[2])
            made.number_format = f"0.{'0' * places}" if places else "0"
            return made
    made = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", str(cell)))
    made.data_type = "s"
    return made
