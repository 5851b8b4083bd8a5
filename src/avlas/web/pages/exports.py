"""Exports: saved formats, built here with a live preview of real data, and made once or by a job."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import FileResponse, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from avlas.meters import groups
from avlas.system.models import Permission
from avlas.system.told import in_words
from avlas.transfer.exports import catalogue, making, sending
from avlas.transfer.exports.formatting import Formatter, Unwritable, zone_of
from avlas.transfer.exports.layout import (
    EXCEL,
    FIXED,
    PERIOD,
    STANDARD,
    BadLayout,
    Layout,
    from_data,
    to_data,
)
from avlas.transfer.exports.periods import days, period
from avlas.transfer.exports.ready_made import READY_MADE
from avlas.transfer.exports.receipt import Receipt, ReceiptState
from avlas.transfer.exports.rows import chosen_meters
from avlas.transfer.exports.template import ExportTemplate
from avlas.transfer.places.place import Place
from avlas.transfer.places.road import PlaceError
from avlas.web import formats
from avlas.web.listing import ROWS_PER_PAGE, Pages, asked
from avlas.web.pages.access import PageRequest, find, page, record, rows
from avlas.web.pages.exports_form import LayoutForm, posted_columns
from avlas.web.report_period import KINDS, asked_period
from avlas.web.variable_words import as_cell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from avlas.system.models import Utility
    from avlas.transfer.exports.layout import Column

_MAY: Final = Permission.READING_MANAGEMENT
_MOST_FILE_BYTES: Final = 200_000
_MOST_ROWS_AT_ONCE: Final = 1_000_000
STATE_TONES: Final[dict[str, str]] = {
    ReceiptState.MAKING: "", ReceiptState.MADE: "", ReceiptState.SENT: "good", ReceiptState.UNSURE: "warn",
    ReceiptState.FAILED: "bad",
}  # fmt: skip


@page()
def exports(request: PageRequest) -> HttpResponse:
    """All saved exports, and the formats that Avläs comes with."""
    found = [(one, _said_of(request, one)) for one in rows(request, ExportTemplate).order_by("name")]
    context = {"templates": found, "ready_made": list(READY_MADE.values())}
    return render(request, "exports/exports.html", context)


def _said_of(request: PageRequest, one: ExportTemplate) -> str:
    try:
        layout = one.read()
    except BadLayout as problem:
        return str(problem)
    group = groups.title(request.utility.pk, layout.group)
    count = len(layout.columns)
    said = ngettext("%(group)s, %(count)d column", "%(group)s, %(count)d columns", count)
    return said % {"group": group, "count": count}


@page(view=_MAY, change=_MAY)
def add(request: PageRequest) -> HttpResponse:
    """Build a new export, from one of the formats that Avläs comes with or from nothing."""
    ready = READY_MADE.get(request.GET.get("from", ""))
    layout = replace(ready.layout if ready else Layout(), borders=request.utility.day_borders)
    own = ExportTemplate(utility=request.utility, name=str(ready.name) if ready else "")
    return _build(request, own, layout, new=True)


@page(view=_MAY, change=_MAY)
def edit(request: PageRequest, pk: int) -> HttpResponse:
    """Change a saved export."""
    own = find(request, ExportTemplate, pk)
    try:
        layout = own.read()
    except BadLayout as problem:
        messages.error(request, str(problem))
        layout = Layout()
    return _build(request, own, layout, new=False)


@dataclass(frozen=True, slots=True)
class _Preview:
    """What the file would look like."""

    period: str = ""
    text: str = ""
    headings: Sequence[str] = ()
    cells: Sequence[Sequence[str]] = ()
    problem: str = ""
    empty: bool = False


def _build(request: PageRequest, own: ExportTemplate, layout: Layout, *, new: bool) -> HttpResponse:
    posted = request.POST if request.method == "POST" else None
    form = LayoutForm(posted, layout=layout, name=own.name, note=own.note, utility=request.utility)
    columns: Sequence[Column] = posted_columns(request.POST) if posted is not None else layout.columns
    problems: dict[str, str] = {}
    status = 200
    if posted is not None and form.is_valid():
        try:
            layout = form.layout(columns)
        except BadLayout as problem:
            problems = problem.problems
        saving = posted.get("act") == "save"
        if saving and _name_taken(request, own, form.cleaned_data["name"]):
            form.add_error("name", _("There is an export of this name already."))
        for name, said in problems.items():
            form.add_error(name if name in form.fields else None, said)
        if saving and form.is_valid():
            _save(request, own, form, layout, new=new)
            return redirect("exports")
        status = 422 if saving else 200
    elif posted is not None:
        problems = {"": _("Something above is not filled in right.")}
    preview = _Preview(problem=" ".join(problems.values())) if problems else _preview(request, layout)
    context = {
        "preview": preview,
        "form": form,
        "own": own,
        "new": new,
        "columns": _shown_columns(columns),
        "choices": _offered(),
        "units": catalogue.units(),
        "fixed": (posted.get("kind") if posted is not None else layout.kind) == FIXED,
    }
    if request.htmx and not request.htmx.boosted:
        return render(request, "exports/preview.html", context)
    return render(request, "exports/export_form.html", context, status=status)


def _name_taken(request: PageRequest, own: ExportTemplate, name: str) -> bool:
    return rows(request, ExportTemplate).filter(name__iexact=name).exclude(pk=own.pk).exists()


def _save(request: PageRequest, own: ExportTemplate, form: LayoutForm, layout: Layout, *, new: bool) -> None:
    own.name, own.note = form.cleaned_data["name"], form.cleaned_data["note"]
    own.layout = to_data(layout)
    with transaction.atomic():
        if new:
            own.created_by = request.user
        own.save()
        record(request, "exports.added" if new else "exports.changed", target=own.name)
    messages.success(request, _("%(name)s is saved.") % {"name": own.name})


def _shown_columns(columns: Sequence[Column]) -> list[dict[str, Any]]:
    titles = {one.code: one for one in catalogue.choices()}
    return [
        {
            "row": one,
            "title": titles[one.code].title,
            "is_figure": titles[one.code].is_figure,
            "usual": catalogue.heading(one),
        }
        for one in columns
    ]


def _offered() -> list[tuple[str, list[tuple[str, str]]]]:
    """The columns to choose from, under their headings."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in catalogue.choices():
        found.setdefault(one.part, []).append((one.code, one.title))
    return list(found.items())


def _preview(request: PageRequest, layout: Layout) -> _Preview:
    """The first rows as they would be for last month (or its last day, for hours)."""
    if not layout.columns:
        return _Preview(problem=_("Choose at least one column."))
    start, end = period("last_month", datetime.now(UTC), zone_of(layout.borders), None)
    said = _said_of_period(layout, start, end)
    headings, found = making.preview(request.utility, layout, start, end, as_cell)
    if layout.kind == EXCEL:
        formatter = Formatter(layout)
        return _Preview(
            said, "", headings, [[formatter.text(one) for one in row] for row in found], "", not found
        )
    try:
        text = making.written(layout, headings, found)
    except Unwritable as problem:
        return _Preview(said, problem=in_words({"text": problem.text, "values": problem.values}))
    return _Preview(said, text, empty=not found)


def _said_of_period(layout: Layout, start: datetime, end: datetime) -> str:
    zone = zone_of(layout.borders)
    last = datetime.fromtimestamp(end.timestamp() - 1, zone).date()
    return _("%(first)s to %(last)s, %(zone)s") % {
        "first": formats.day(start.astimezone(zone).date()),
        "last": formats.day(last),
        "zone": _clock(layout.borders),
    }


@page(view=_MAY, change=_MAY)
def copy(request: PageRequest, pk: int) -> HttpResponse:
    """Make a copy to change."""
    own = find(request, ExportTemplate, pk)
    if request.method != "POST":
        return redirect("exports")
    name = _free_name(request, _("Copy of %(name)s") % {"name": own.name[:80]})
    with transaction.atomic():
        made = ExportTemplate.objects.create(
            utility=request.utility, name=name, note=own.note, layout=own.layout, created_by=request.user
        )
        record(request, "exports.added", target=name)
    return redirect("export_edit", made.pk)


def _free_name(request: PageRequest, name: str) -> str:
    """``name``, with a number if there is an export called so already."""
    wanted, number = name[:90], 2
    while rows(request, ExportTemplate).filter(name__iexact=wanted).exists():
        wanted, number = f"{name[:90]} {number}", number + 1
    return wanted


@page(view=_MAY, change=_MAY)
def delete(request: PageRequest, pk: int) -> HttpResponse:
    """Remove a saved export; what was made with it is kept."""
    own = find(request, ExportTemplate, pk)
    if request.method == "POST":
        with transaction.atomic():
            record(request, "exports.removed", target=own.name)
            own.delete()
        messages.success(request, _("%(name)s is removed.") % {"name": own.name})
        return redirect("exports")
    return render(request, "exports/export_delete.html", {"own": own})


@page(view=_MAY)
def file(request: PageRequest, pk: int) -> HttpResponse:
    """The export's format as a JSON file, for another utility."""
    own = find(request, ExportTemplate, pk)
    data = {"name": own.name, "note": own.note, **own.layout}
    answer = HttpResponse(
        json.dumps(data, ensure_ascii=False, indent=2) + "\n", content_type="application/json; charset=utf-8"
    )
    name = f"avlas-export-{own.pk}.json"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    with transaction.atomic():
        record(request, "data.exported", target=name, detail={"export": own.name})
    return answer


@page(view=_MAY, change=_MAY)
def upload(request: PageRequest) -> HttpResponse:
    """Take in a format from a JSON file."""
    given = request.FILES.get("file")
    if request.method != "POST" or given is None:
        return redirect("exports")
    try:
        data = json.loads(given.read(_MOST_FILE_BYTES).decode("utf-8-sig"))
        layout = from_data(data, catalogue.known())
    except (ValueError, RecursionError) as problem:
        said = str(problem) if isinstance(problem, BadLayout) else _("It is no JSON file.")
        messages.error(request, _("The file was not taken in: %(said)s") % {"said": said})
        return redirect("exports")
    wanted = _free_name(request, str(data.get("name") or _("Export")))
    if not groups.exists(request.utility.pk, layout.group):
        layout = replace(layout, group=groups.ALL)
    with transaction.atomic():
        made = ExportTemplate.objects.create(
            utility=request.utility, name=wanted, note=str(data.get("note", ""))[:300], layout=to_data(layout),
            created_by=request.user,
        )  # fmt: skip
        record(request, "exports.added", target=wanted)
    messages.success(request, _("%(name)s is taken in. Look at it and save.") % {"name": wanted})
    return redirect("export_edit", made.pk)


@page(change=Permission.DATA_ACCESS)
def make(request: PageRequest, pk: int) -> HttpResponse:
    """Make an export once: choose the period, then download it or, with the permission to, send it to a place."""
    own = find(request, ExportTemplate, pk)
    asked_for = asked_period(request.POST if request.method == "POST" else request.GET)
    try:
        layout = own.read()
    except BadLayout as problem:
        messages.error(request, str(problem))
        return redirect("exports")
    start, end = days(asked_for.first, asked_for.last, zone_of(layout.borders))
    context = {
        "own": own,
        "period": asked_for,
        "period_kinds": KINDS,
        "places": rows(request, Place).order_by("name") if _MAY in request.allowed else (),
        "borders": _clock(layout.borders),
        "before": Receipt.objects.filter(template=own, start_at=start, end_at=end)
        .filter(state__in=[ReceiptState.SENT, ReceiptState.UNSURE])
        .order_by("-pk")
        .first(),
    }
    if request.method != "POST" or asked_for.wrong_way:
        return render(
            request, "exports/export_make.html", context, status=200 if request.method != "POST" else 422
        )
    place = None
    if request.POST.get("place", "").isdecimal():
        if _MAY not in request.allowed:
            raise PermissionDenied
        place = find(request, Place, int(request.POST["place"]))
    if too_many(request.utility, layout, start, end):
        messages.error(
            request,
            _("That is more than a million rows; make a job of it (Operation, Jobs), which takes its time."),
        )
        return render(request, "exports/export_make.html", context, status=422)
    receipt = making.new_receipt(own, start, end, by=request.user)
    try:
        making.make(receipt, layout, as_cell)
    except Unwritable as problem:
        receipt.delete()
        messages.error(request, in_words({"text": problem.text, "values": problem.values}))
        return render(request, "exports/export_make.html", context, status=422)
    with transaction.atomic():
        record(
            request, "exports.made", target=receipt.file_name,
            detail={"export": own.name, "rows": receipt.rows, "receipt": receipt.pk},
        )  # fmt: skip
    if place is None:
        return _downloaded(request, receipt)
    _send(request, receipt, place)
    return redirect("receipt", receipt.pk)


def too_many(utility: Utility, layout: Layout, start: datetime, end: datetime) -> bool:
    """Whether an export of a period (aware moments) has more rows than somebody should wait for."""
    hours = (end - start).total_seconds() / 3600
    of_meter = {PERIOD: 1.0, "month": hours / 720, "day": hours / 24, "hour": hours}[layout.interval]
    return len(chosen_meters(utility, layout)) * of_meter > _MOST_ROWS_AT_ONCE


def _send(request: PageRequest, receipt: Receipt, place: Place) -> None:
    """Send a receipt's file and tell the person how it went."""
    with transaction.atomic():
        record(
            request,
            "exports.sent",
            target=receipt.file_name,
            detail={"place": place.name, "receipt": receipt.pk},
        )
    try:
        sending.send(receipt, place, by_person=True)
    except PlaceError as problem:
        messages.error(request, in_words({"text": problem.text, "values": problem.values}))
    else:
        messages.success(
            request, _("%(file)s is sent to %(place)s.") % {"file": receipt.file_name, "place": place.name}
        )


def _downloaded(request: PageRequest, receipt: Receipt) -> HttpResponse:
    with transaction.atomic():
        receipt.downloaded_at = datetime.now(UTC)
        receipt.save(update_fields=["downloaded_at"])
        record(
            request,
            "data.exported",
            target=receipt.file_name,
            detail={"rows": receipt.rows, "receipt": receipt.pk},
        )
    return FileResponse(
        receipt.content(),
        as_attachment=True,
        filename=receipt.file_name,
        content_type="application/octet-stream",
    )  # type: ignore[return-value]


def _clock(borders: str) -> str:
    """In which time days begin, in words."""
    return _("standard time") if borders == STANDARD else borders


# --- receipts ------------------------------------------------------------------------------------------


@page(view=_MAY)
def receipts(request: PageRequest) -> HttpResponse:
    """What was made and sent, the newest first."""
    wanted = asked(request.GET, columns=(), sorts=("at",), default="-at")
    every = rows(request, Receipt).select_related("made_by", "job").order_by("-pk")
    for word in wanted.words:
        every = every.filter(file_name__icontains=word) | every.filter(template_name__icontains=word)
    listed = every[wanted.offset : wanted.offset + ROWS_PER_PAGE]
    context = {
        "receipts": [(one, formats.period(one.start_at, one.end_at, _zone(one))) for one in listed],
        "pages": Pages(every.count(), wanted.page),
        "asked": wanted,
        "tones": STATE_TONES,
    }
    return render(request, "exports/receipts.html", context)


@page(view=_MAY)
def receipt(request: PageRequest, pk: int) -> HttpResponse:
    """One receipt: what the file holds, where it went, and the file itself."""
    own = find(request, Receipt, pk)
    context = {
        "receipt": own,
        "period": formats.period(own.start_at, own.end_at, _zone(own)),
        "clock": _clock(own.borders or STANDARD),
        "tones": STATE_TONES,
        "why": in_words(own.told),
        "places": rows(request, Place).order_by("name"),
    }
    return render(request, "exports/receipt.html", context)


def _zone(of: Receipt) -> tzinfo:
    """Where the days of a file begin; of one made before that was kept, in standard time, as nearly all."""
    return zone_of(of.borders or STANDARD)


@page(view=_MAY, change=_MAY)
def receipt_download(request: PageRequest, pk: int) -> HttpResponse:
    """The kept file."""
    own = find(request, Receipt, pk)
    if request.method != "POST" or not own.is_whole:
        return redirect("receipt", own.pk)
    return _downloaded(request, own)


@page(view=_MAY, change=_MAY)
def receipt_send(request: PageRequest, pk: int) -> HttpResponse:
    """Send the kept file, the first time or once more."""
    own = find(request, Receipt, pk)
    if request.method == "POST" and own.is_whole:
        given = request.POST.get("place", "")
        _send_again(request, own, find(request, Place, int(given) if given.isdecimal() else 0))
    return redirect("receipt", own.pk)


def _send_again(request: PageRequest, own: Receipt, place: Place) -> None:
    if own.state in (ReceiptState.SENT, ReceiptState.UNSURE) or own.downloaded_at:
        own.again = True
        own.save(update_fields=["again"])
    _send(request, own, place)
