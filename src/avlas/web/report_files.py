"""Reports as files: CSV, Excel, and PDF set by typst with the utility's name, period, filter and page numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typst
from django.db import transaction
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from avlas.web import formats
from avlas.web.pages.access import PageRequest, record
from avlas.web.table_files import FILE_KINDS, table_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.web.table_files import Cell

REPORT_KINDS: Final = (*FILE_KINDS, "pdf")
MOST_PDF_ROWS: Final = 20_000  # some 500 pages, set in a few seconds; more is a matter for Excel
_TEMPLATE: Final = Path(__file__).parent / "report.typ"


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A report for a file. ``said`` are lines under the title: group, period, filter; ``totals`` stand at the end."""

    name: str  # of the file, without its ending
    title: str
    said: Sequence[tuple[str, str]]
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    figures: Sequence[int]  # which columns hold figures
    widths: Sequence[float]  # of the columns in a PDF, in parts
    totals: Sequence[tuple[str, str]] = field(default=())
    notes: Sequence[str] = field(default=())


def report_file(request: PageRequest, kind: str, table: ReportTable) -> HttpResponse:
    """The report as a download, noted in the audit log. Raises Http404 for an unknown kind of file."""
    if kind not in REPORT_KINDS:
        raise Http404
    if kind != "pdf":
        about = [(table.title,), *table.said, *table.totals, *((note,) for note in table.notes)]
        return table_file(request, kind, table.name, table.headings, table.rows, about)
    if len(table.rows) > MOST_PDF_ROWS:
        return HttpResponse(
            _("%(count)s rows are too many for a PDF; take Excel or CSV, or narrow the report down.")
            % {"count": formats.number(len(table.rows))},
            status=422,
            content_type="text/plain; charset=utf-8",
        )
    response = HttpResponse(pdf(request.utility.name, table), content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{table.name}.pdf"'
    with transaction.atomic():
        record(request, "data.exported", target=f"{table.name}.pdf", detail={"rows": len(table.rows)})
    return response


def pdf(utility: str, table: ReportTable) -> bytes:
    """The report set as a PDF in the active language."""
    now = datetime.now(UTC)
    data = {
        "language": formats.language(),
        "utility": utility,
        "title": table.title,
        "said": table.said,
        "headings": table.headings,
        "rows": [[_in_pdf(cell) for cell in row] for row in table.rows],
        "figures": list(table.figures),
        "widths": list(table.widths),
        "totals": table.totals,
        "notes": table.notes,
        "count": ngettext("%(count)s row", "%(count)s rows", len(table.rows))
        % {"count": formats.number(len(table.rows))},
        "made": _("Made %(when)s") % {"when": formats.date_time(now)},
        "page": _("Page"),
        "of": _("of"),
        "empty": _("No row fits."),
    }
    made = typst.compile(
        _TEMPLATE,
        format="pdf",
        sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
        ignore_system_fonts=True,
        timestamp=int(now.timestamp()),
    )
    assert isinstance(made, bytes)
    return made


def _in_pdf(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, int | float | Decimal):
        return formats.number(cell)
    if isinstance(cell, datetime):
        return formats.date_time(cell)
    return cell if isinstance(cell, str) else formats.day(cell)
