"""A table as a file that spreadsheets open: CSV in the reader's language, or Excel. The audit log tells who took it."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext as _
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from avlas.web import formats
from avlas.web.pages.access import PageRequest, record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_MIME_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
FILE_KINDS: Final = tuple(_MIME_TYPES)
Cell = str | int | float | Decimal | date | datetime | None
_WIDEST: Final = 60  # letters
_EXCEL_DIGITS: Final = 15  # a number with more would be rounded by the spreadsheet


def table_file(
    request: PageRequest,
    kind: str,
    name: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    about: Sequence[Sequence[str]] = (),
) -> HttpResponse:
    """The table as a download called ``name``.csv or .xlsx, and an event in the audit log that says who took it.

    Numbers stay numbers and exact, moments (aware) are shown in the reader's zone, None is an empty cell. Text that
    a spreadsheet would take for a formula is disarmed. ``about``: rows that say more, on an Excel file's second sheet.
    Raises KeyError for a kind not in ``FILE_KINDS``.
    """
    response = HttpResponse(content_type=_MIME_TYPES[kind])
    response["Content-Disposition"] = f'attachment; filename="{name}.{kind}"'
    is_csv = kind == "csv"
    count = _write_csv(response, headings, rows) if is_csv else _write_excel(response, headings, rows, about)
    with transaction.atomic():
        record(request, "data.exported", target=f"{name}.{kind}", detail={"rows": count})
    return response


def as_text(value: str) -> str:
    """``value`` so that no spreadsheet takes it for a formula."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _write_csv(response: HttpResponse, headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> int:
    text = io.StringIO()
    swedish = formats.language() == "sv"
    writer = csv.writer(text, delimiter=";" if swedish else ",", lineterminator="\r\n")
    writer.writerow(headings)
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 - the number of the last row is the count
        writer.writerow([_in_csv(cell, "," if swedish else ".") for cell in row])
    response.write("\ufeff" + text.getvalue())
    return count


def _in_csv(cell: Cell, point: str) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return as_text(cell)
    if isinstance(cell, datetime):
        return f"{formats.local(cell):%Y-%m-%d %H:%M:%S}"
    if isinstance(cell, date):
        return cell.isoformat()
    exact = cell if isinstance(cell, Decimal) else Decimal(repr(cell))
    return f"{exact:f}".replace(".", point) if exact.is_finite() else ""


def _write_excel(
    response: HttpResponse,
    headings: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    about: Sequence[Sequence[str]],
) -> int:
    book = Workbook(write_only=True)
    sheet: Any = book.create_sheet()
    prepared = [[_in_excel(cell) for cell in row] for row in rows]
    for number, heading in enumerate(headings):
        widest = max([len(heading), *(len(str(row[number])) for row in prepared if row[number] is not None)])
        sheet.column_dimensions[get_column_letter(number + 1)].width = min(widest, _WIDEST) + 2
    sheet.freeze_panes = "A2"
    titles = []
    for heading in headings:
        titles.append(WriteOnlyCell(sheet, heading))
        titles[-1].font = Font(bold=True)
    sheet.append(titles)
    for row in prepared:
        sheet.append([_cell(sheet, value) for value in row])
    if prepared:
        sheet.auto_filter.ref = f"A1:{get_column_letter(len(headings))}{len(prepared) + 1}"
    if about:
        more: Any = book.create_sheet(_("About"))
        more.column_dimensions["A"].width = more.column_dimensions["B"].width = _WIDEST / 2
        for texts in about:
            more.append([_cell(more, _in_excel(text)) for text in texts])
    book.save(response)
    return len(prepared)


def _in_excel(cell: Cell) -> str | int | float | Decimal | date | datetime | None:
    if isinstance(cell, datetime):
        return formats.local(cell).replace(tzinfo=None)
    if isinstance(cell, str):
        return ILLEGAL_CHARACTERS_RE.sub("", cell)
    if isinstance(cell, Decimal) and len(cell.as_tuple().digits) > _EXCEL_DIGITS:
        return f"{cell:f}"
    if isinstance(cell, float | Decimal) and not Decimal(cell).is_finite():
        return None
    return cell


def _cell(sheet: Any, value: Cell) -> Any:
    """Text goes in as text, whatever it begins with; decimals keep how many they have."""
    if isinstance(value, str):
        cell = WriteOnlyCell(sheet, value)
        cell.data_type = "s"
        return cell
    if isinstance(value, Decimal):
        cell = WriteOnlyCell(sheet)
        cell.value = value
        places = -int(value.as_tuple().exponent)
        cell.number_format = f"0.{'0' * places}" if places > 0 else "0"
        return cell
    return value
