"""Exports: made by the utility's own templates, and their files."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Final

from django.db import transaction
from django.http import HttpResponse
from ninja import Schema, Status
from pydantic import Field

from avlas.system import audit
from avlas.transfer.exports import making
from avlas.transfer.exports.formatting import Unwritable, zone_of
from avlas.transfer.exports.layout import BadLayout
from avlas.transfer.exports.periods import days
from avlas.transfer.models import ExportTemplate, Receipt
from avlas.web.api.access import ApiRequest, Token, find, mine, router, who
from avlas.web.api.problems import conflict, not_there, wrong
from avlas.web.api.shapes import Closed, Limit, Number, page, place
from avlas.web.pages.exports import too_many
from avlas.web.variable_words import as_cell

routes = router("Exports")
MAKE = Token("exports:make")
_FIRST, _LAST = date(1990, 1, 1), date(2100, 1, 1)
_FILE: Final = {
    "responses": {
        200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    }
}
Day = Annotated[date, Field(ge=_FIRST, le=_LAST)]


class ExportOut(Schema):
    """An export that somebody of the utility built."""

    id: int
    name: str
    note: str


class ExportsOut(Schema):
    """All exports of the utility."""

    items: list[ExportOut]


class PeriodIn(Closed):
    """The days to export, both included; they begin where the export says (standard or civil time)."""

    first: Day
    last: Day


class FileOut(Schema):
    """A file that was made. ``again``: the same period had been sent or fetched before."""

    id: int
    export_id: int | None
    name: str
    start: datetime
    end: datetime
    made_at: datetime
    rows: int
    size: int
    sha256: str
    state: str
    again: bool


class FilesOut(Schema):
    """The files that are kept, newest first, and the cursor of those before them."""

    items: list[FileOut]
    next: str | None


def _shown(receipt: Receipt) -> FileOut:
    return FileOut(
        id=receipt.pk, export_id=receipt.template_id, name=receipt.file_name, start=receipt.start_at,
        end=receipt.end_at, made_at=receipt.created_at, rows=receipt.rows, size=receipt.size,
        sha256=receipt.sha256, state=receipt.state, again=receipt.again,
    )  # fmt: skip


@routes.get("/exports", auth=MAKE, response=ExportsOut, summary="List exports")
def list_exports(request: ApiRequest) -> ExportsOut:
    """The exports that were built on the pages."""
    found = mine(request, ExportTemplate).order_by("name")
    return ExportsOut(items=[ExportOut(id=one.pk, name=one.name, note=one.note) for one in found])


@routes.post("/exports/{pk}/make", auth=MAKE, response={201: FileOut}, summary="Make an export")
def make_export(request: ApiRequest, pk: Number, body: PeriodIn) -> Status[FileOut]:
    """Make the file of a period and keep it for seven years; ``/export-files/{pk}`` hands it out."""
    own = find(request, ExportTemplate, pk, "export")
    if body.last < body.first:
        raise wrong("body.last", "The period ends before it begins.")
    try:
        layout = own.read()
    except BadLayout as problem:
        raise conflict(str(problem), "bad_export") from problem
    start, end = days(body.first, body.last, zone_of(layout.borders))
    if too_many(own.utility, layout, start, end):
        raise conflict(
            "That is more than a million rows; make a job of it, which takes its time.", "too_many"
        )
    receipt = making.new_receipt(own, start, end)
    try:
        making.make(receipt, layout, as_cell)
    except Unwritable as problem:
        receipt.delete()
        raise conflict(
            problem.text % problem.values if problem.values else problem.text, "unwritable"
        ) from problem
    with transaction.atomic():
        audit.record(
            "exports.made", utility=own.utility, computer=who(request).computer, target=receipt.file_name,
            detail={"export": own.name, "rows": receipt.rows, "receipt": receipt.pk},
        )  # fmt: skip
    return Status(201, _shown(receipt))


@routes.get("/export-files", auth=MAKE, response=FilesOut, summary="List exported files")
def list_files(request: ApiRequest, cursor: str | None = None, limit: Limit = 100) -> FilesOut:
    """The files that were made, by whom ever, newest first."""
    found = mine(request, Receipt).exclude(sha256="").order_by("-pk")
    if after := place(cursor, int):
        found = found.filter(pk__lte=after[0])
    shown, following = page(found[: limit + 1], limit, lambda one: (one.pk - 1,))
    return FilesOut(items=[_shown(one) for one in shown], next=following)


@routes.get(
    "/export-files/{pk}", auth=MAKE, response=None, summary="Fetch an exported file", openapi_extra=_FILE
)
def get_file(request: ApiRequest, pk: Number) -> HttpResponse:
    """The file itself, byte by byte as it was made."""
    receipt = find(request, Receipt, pk, "file")
    if not receipt.is_whole:
        raise not_there("file")
    with transaction.atomic():
        receipt.downloaded_at = datetime.now(UTC)
        receipt.save(update_fields=["downloaded_at"])
        audit.record(
            "data.exported", utility=receipt.utility, computer=who(request).computer, target=receipt.file_name,
            detail={"rows": receipt.rows, "receipt": receipt.pk},
        )  # fmt: skip
    with receipt.content() as file:
        answer = HttpResponse(file.read(), content_type="application/octet-stream")
    answer["Content-Disposition"] = f'attachment; filename="{receipt.file_name}"'
    return answer
