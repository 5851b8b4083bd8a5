"""Imports of tables: handing in a file, what it would do, taking it in, undoing it, and saved mappings."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from avlas.job_kinds import KINDS
from avlas.system import jobs as system_jobs
from avlas.system.told import in_words
from avlas.transfer.imports import sheet, work
from avlas.transfer.imports.errors import SheetError
from avlas.transfer.imports.fields import BY_CODE
from avlas.transfer.imports.known_files import Known, recognised
from avlas.transfer.imports.models import (
    Import,
    ImportDeed,
    ImportFile,
    ImportKind,
    ImportMapping,
    ImportRow,
    ImportStatus,
    Verdict,
)
from avlas.web import formats
from avlas.web.listing import ROWS_PER_PAGE, Pages, asked
from avlas.web.pages.access import PageRequest, find, page, record, rows
from avlas.web.pages.meter_edit import MANAGE
from avlas.web.table_files import FILE_KINDS, table_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.files.uploadedfile import UploadedFile
    from django.db.models import QuerySet
    from django.http import HttpResponse
    from django.utils.functional import Promise

    from avlas.web.table_files import Cell

TONES: Final[dict[str, str]] = {
    ImportStatus.COLUMNS: "warn", ImportStatus.CHECK: "accent", ImportStatus.CHECKED: "warn",
    ImportStatus.TAKE_IN: "accent", ImportStatus.DONE: "good", ImportStatus.UNDO: "accent",
    ImportStatus.UNDONE: "", ImportStatus.FAILED: "bad", ImportStatus.COMPARED: "good",
}  # fmt: skip
VERDICTS: Final[dict[str, tuple[Verdict, Promise, str]]] = {
    "new": (Verdict.NEW, gettext_lazy("New rows"), "good"),
    "changed": (Verdict.CHANGED, gettext_lazy("Changed"), "accent"),
    "same": (Verdict.SAME, gettext_lazy("The same already"), ""),
    "refused": (Verdict.REFUSED, gettext_lazy("Refused"), "bad"),
}
THINGS: Final[tuple[tuple[str, Promise], ...]] = (
    ("customer_added", gettext_lazy("Customers added")),
    ("customer_changed", gettext_lazy("Customers changed")),
    ("point_added", gettext_lazy("Metering points added")),
    ("point_changed", gettext_lazy("Metering points changed")),
    ("meter_added", gettext_lazy("Meters added")),
    ("meter_changed", gettext_lazy("Meters changed")),
    ("installed", gettext_lazy("Meters installed")),
    ("moved", gettext_lazy("Customers moved in")),
    ("member", gettext_lazy("Meters put into groups")),
    ("reading_added", gettext_lazy("Readings")),
)
_STOP_ASKING: Final = 286  # htmx: show this and ask no more
_PART_NAMES: Final[dict[str, str]] = {
    "customer": gettext_noop("Customer"), "point": gettext_noop("Metering point"), "meter": gettext_noop("Meter"),
    "installed": gettext_noop("Installed"), "moved": gettext_noop("Moved in"), "groups": gettext_noop("Groups"),
    "reading": gettext_noop("Reading"),
}  # fmt: skip


class UploadForm(forms.Form):
    """The file, and how files like it were understood before."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy(
            "CSV in any encoding and with any delimiter, Excel (.xlsx), or MSCONS (EDIFACT). At most 100 MB."
        ),
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,.xlsx,.edi,.edifact"}),
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("The file holds"),
        choices=ImportKind.choices,
        initial=ImportKind.REGISTER,
        widget=forms.RadioSelect,
    )
    mapping = forms.ModelChoiceField(
        ImportMapping.objects.none(),
        label=gettext_lazy("Mapping"),
        required=False,
        empty_label=gettext_lazy("guess the columns"),
        help_text=gettext_lazy(
            "A saved mapping says which column is what. You look at it before anything happens."
        ),
    )

    def __init__(self, *args: Any, request: PageRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["mapping"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = rows(request, ImportMapping).order_by("name")

    def clean_file(self) -> UploadedFile[bytes]:
        """A file that is not too large."""
        upload: UploadedFile[bytes] = self.cleaned_data["file"]
        if (upload.size or 0) > sheet.LARGEST:
            raise forms.ValidationError(
                _("The file is larger than %(limit)s MB.") % {"limit": sheet.LARGEST >> 20}
            )
        return upload


@page(view=MANAGE)
def imports(request: PageRequest) -> HttpResponse:
    """All imports, newest first, and the saved mappings."""
    wanted = asked(request.GET, columns=(), sorts=(), default="")
    every = rows(request, Import).select_related("by").order_by("-created_at", "-pk")
    context = {
        "rows": every[wanted.offset : wanted.offset + ROWS_PER_PAGE],
        "pages": Pages(every.count(), wanted.page),
        "mappings": rows(request, ImportMapping).order_by("name"),
        "tones": TONES,
    }
    return render(request, "imports/imports.html", context)


@page(view=MANAGE, change=MANAGE)
def add(request: PageRequest) -> HttpResponse:
    """Hand in a file; it is read here so far that the columns can be shown."""
    form = UploadForm(request.POST or None, request.FILES or None, request=request)
    if request.method == "POST" and form.is_valid():
        upload, mapping = form.cleaned_data["file"], form.cleaned_data["mapping"]
        data = b"".join(upload.chunks())
        kind = mapping.kind if mapping else form.cleaned_data["kind"]
        known = recognised(data, kind, request.utility)
        if mapping and known and not known.settings.format:  # what a person has chosen goes before headings
            known = None
        mapping = None if known else mapping
        try:
            if known is None:
                sheet.read(data)
        except SheetError as problem:
            form.add_error("file", in_words({"text": problem.text, "values": problem.values}))
        else:
            return _handed_in(request, upload.name or "", data, kind, mapping, known)
    return render(request, "imports/add.html", {"form": form}, status=422 if form.errors else 200)


def _handed_in(
    request: PageRequest,
    name: str,
    data: bytes,
    kind: str,
    mapping: ImportMapping | None,
    known: Known | None,
) -> HttpResponse:
    """Keep the file; one that says itself how it is read is checked at once, for others the columns come next."""
    ready = known is not None and known.ready
    settings = known.settings.packed() if known else mapping.settings if mapping else {}
    with transaction.atomic():
        made = Import.objects.create(
            utility=request.utility, kind=ImportKind.READINGS if known else kind, name=name[:200], size=len(data),
            sha256=hashlib.sha256(data).hexdigest(), mapping=mapping, settings=settings, by=request.user,
            status=ImportStatus.CHECK if ready else ImportStatus.COLUMNS,
        )  # fmt: skip
        ImportFile.objects.create(of=made, packed=zlib.compress(data))
        record(request, "imports.uploaded", target=made.name,
               detail={"import": made.pk, "bytes": made.size, "sha256": made.sha256})  # fmt: skip
        if ready:
            work.call_worker(request.user)
    if known is not None:
        messages.success(request, _("Recognised: %(what)s.") % {"what": _(known.name)})
    return redirect("import_one" if ready else "import_columns", made.pk)


@dataclass(frozen=True, slots=True)
class Shown:
    """A staged row as the page shows it."""

    line: int
    names: list[str]
    effects: list[str]
    faults: list[dict[str, Any]]


@page(view=MANAGE)
def one(request: PageRequest, pk: int) -> HttpResponse:
    """One import: how far it is, what it would do or did, and what was refused."""
    own = find(request, Import, pk)
    is_table = not own.settings.get("format")
    if own.status == ImportStatus.COLUMNS and not own.told and is_table:
        return redirect("import_columns", own.pk)
    if own.status == ImportStatus.COMPARED:
        return redirect("import_compare", own.pk)
    staged = ImportRow.objects.filter(of=own)
    show = request.GET.get("show", "")
    if show not in VERDICTS or not own.counts.get(show):
        show = next((name for name in ("refused", "new", "changed", "same") if own.counts.get(name)), "new")
    waits = own.status in work.WAITING
    wanted = asked(request.GET, columns=(), sorts=(), default="")
    listed = staged.filter(verdict=VERDICTS[show][0]).order_by("line")
    looking = own.status == ImportStatus.CHECKED or (own.status == ImportStatus.DONE and show == "refused")
    count = listed.count() if looking else 0
    context = {
        "import": own, "tone": TONES[own.status], "waits": waits, "show": show, "looking": looking,
        "is_table": is_table,
        "verdicts": [(name, title, tone, own.counts.get(name, 0)) for name, (_v, title, tone) in VERDICTS.items()],
        "things": _things(own.counts),
        "result": _things(own.counts.get("result", {})),
        "undone": _things(own.counts.get("undone", {})),
        "good": own.counts.get("rows", 0) - own.counts.get("refused", 0),
        "idle": not (own.counts.get("new") or own.counts.get("changed")),
        "refused": own.counts.get("refused", 0),
        "rows": [_shown(row) for row in listed[wanted.offset : wanted.offset + ROWS_PER_PAGE]] if looking else [],
        "pages": Pages(count, wanted.page), "kept": list(_kept(own)),
        "undoable": work.can_be_undone(own, datetime.now(UTC)), "undo_days": work.UNDO_WITHIN.days,
        "worker_away": waits and system_jobs.worker_away(KINDS, datetime.now(UTC)), "kinds": FILE_KINDS,
    }  # fmt: skip
    if not (request.htmx and not request.htmx.boosted):
        return render(request, "imports/one.html", context)
    return render(request, "imports/one_live.html", context, status=200 if waits else _STOP_ASKING)


def _things(counts: dict[str, int]) -> list[tuple[str, int]]:
    return [(str(title), counts[name]) for name, title in THINGS if counts.get(name)]


def _kept(own: Import) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """What could not be undone, by line."""
    left = 200
    for deed in ImportDeed.objects.filter(of=own, kept__isnull=False).exclude(kept=[]).order_by("pk"):
        for line, why in (deed.kept or [])[:left]:
            yield line, why
            left -= 1
        if left <= 0:
            return


def _shown(row: ImportRow) -> Shown:
    said = row.record
    customer, point, meter = said.get("customer", {}), said.get("point", {}), said.get("meter", {})
    if "figures" in said:
        figures = ", ".join(f"{figure} {unit}".strip() for _code, figure, unit, _decimals in said["figures"])
        at = formats.date_time(datetime.fromisoformat(said["at"])) if said["at"] else ""
        if said.get("since"):
            at, figures = f"{formats.date_time(datetime.fromisoformat(said['since']))} – {at}", f"+{figures}"
        names = [
            f"{said['manufacturer']}{said['serial']}" if said["serial"] else said["facility"],
            at,
            figures,
        ]
        return Shown(row.line, names, [_effect(*each) for each in row.effects.items()], row.faults)
    names = [
        f"{customer.get('number', '')} {customer.get('name', '')}".strip(),
        point.get("address") or point.get("facility_id", ""),
        f"{meter.get('manufacturer', '')}{meter.get('serial', '')}",
    ]
    return Shown(
        row.line,
        [name for name in names if name],
        [_effect(*each) for each in row.effects.items()],
        row.faults,
    )


def _effect(part: str, effect: Any) -> str:
    """What becomes of a thing, in words."""
    name = _(_PART_NAMES[part])
    if part == "groups" and isinstance(effect, list):
        return f"{name}: {', '.join(effect)}"
    if effect == "new":
        return name if part in ("installed", "moved") else _("%(thing)s: new") % {"thing": name}
    if isinstance(effect, list):
        said = ", ".join(_field_label(part, one) for one in effect)
        return _("%(thing)s: %(fields)s changed") % {"thing": name, "fields": said}
    return _("%(thing)s: the same") % {"thing": name}


def _field_label(part: str, name: str) -> str:
    code = {"latitude": "point.north", "longitude": "point.east"}.get(name, f"{part}.{name}")
    return _(BY_CODE[code].label) if code in BY_CODE else name


@page(view=MANAGE, change=MANAGE)
def take_in(request: PageRequest, pk: int) -> HttpResponse:
    """Have a checked import taken in: whole, or the good rows of it."""
    own = find(request, Import, pk)
    if request.method == "POST":
        whole = request.POST.get("good_only") != "1"
        with transaction.atomic():
            asked_for = Import.objects.filter(pk=own.pk, status=ImportStatus.CHECKED)
            if whole and own.counts.get("refused"):
                messages.error(
                    request, _("Some rows are refused. Correct the file, or take in the good rows only.")
                )
            elif asked_for.update(status=ImportStatus.TAKE_IN, whole=whole, progress_done=0, by=request.user):
                record(request, "imports.taking_in_asked_for", target=own.name,
                       detail={"import": own.pk, "whole": whole})  # fmt: skip
                work.call_worker(request.user)
    return redirect("import_one", own.pk)


@page(view=MANAGE, change=MANAGE)
def undo(request: PageRequest, pk: int) -> HttpResponse:
    """Have an import undone, after asking."""
    own = find(request, Import, pk)
    possible = work.can_be_undone(own, datetime.now(UTC))
    if request.method == "POST" and possible:
        with transaction.atomic():
            if Import.objects.filter(pk=own.pk, status=own.status).update(
                status=ImportStatus.UNDO, progress_done=0, by=request.user
            ):
                record(request, "imports.undoing_asked_for", target=own.name, detail={"import": own.pk})
                work.call_worker(request.user)
    if request.method == "POST":
        return redirect("import_one", own.pk)
    context = {"import": own, "possible": possible, "result": _things(own.counts.get("result", {}))}
    return render(request, "imports/undo.html", context)


@page(view=MANAGE, change=MANAGE)
def throw_away(request: PageRequest, pk: int) -> HttpResponse:
    """Forget an import of which nothing was taken in."""
    own = find(request, Import, pk)
    if request.method == "POST" and own.status in (
        ImportStatus.COLUMNS, ImportStatus.CHECKED, ImportStatus.COMPARED,
    ):  # fmt: skip
        work.throw_away(own)
        messages.success(
            request, _("%(name)s is thrown away; nothing of it was taken in.") % {"name": own.name}
        )
        return redirect("imports")
    return redirect("import_one", own.pk)


@page(view=MANAGE)
def refused_file(request: PageRequest, pk: int) -> HttpResponse:
    """The refused rows with their reasons, to be corrected where the file came from."""
    own = find(request, Import, pk)
    kind = request.GET.get("as", "")
    bad = ImportRow.objects.filter(of=own, verdict=Verdict.REFUSED).order_by("line")
    headings = [_("Line"), _("Column"), _("Value"), _("Reason")]
    return table_file(
        request,
        kind if kind in FILE_KINDS else FILE_KINDS[0],
        f"{_('refused')}-{own.pk}",
        headings,
        _reasons(bad),
    )


def _reasons(bad: QuerySet[ImportRow]) -> Iterator[list[Cell]]:
    for row in bad.iterator(1000):
        for fault in row.faults:
            yield [row.line, fault["column"], fault["value"], in_words(fault)]


@page(view=MANAGE, change=MANAGE)
def remove_mapping(request: PageRequest, pk: int) -> HttpResponse:
    """Remove a saved mapping."""
    own = find(request, ImportMapping, pk)
    if request.method == "POST":
        with transaction.atomic():
            record(request, "imports.mapping_removed", target=own.name, detail=own.settings)
            own.delete()
        messages.success(request, _("The mapping %(name)s is removed.") % {"name": own.name})
    return redirect("imports")
