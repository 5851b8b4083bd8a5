"""Reports kept with their settings, to be run again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters import groups
from avlas.reports.models import SavedReport
from avlas.system.models import Permission
from avlas.web.pages.access import PageRequest, find, page, record, rows
from avlas.web.report_period import asked_period

if TYPE_CHECKING:
    from django.utils.functional import Promise

KINDS: Final[dict[str, Promise]] = {
    "heat_report": gettext_lazy("Heat report"),
    "consumption_report": gettext_lazy("Consumption report"),
    "compare": gettext_lazy("Data comparison"),
    "performance": gettext_lazy("Reading performance"),
    "water_loss": gettext_lazy("Water loss analysis"),
}
"""The pages whose settings can be kept."""
_MAY: Final = Permission.READING_MANAGEMENT
_MOST: Final = 40  # settings of a report, and lines of one setting


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept report as the list shows it."""

    report: SavedReport
    kind: Promise | str
    address: str
    group: str
    period: str


def _query(settings: dict[str, Any]) -> QueryDict:
    query = QueryDict(mutable=True)
    for name, values in settings.items():
        query.setlist(name, [str(value) for value in (values if isinstance(values, list) else [values])])
    return query


def _kept(one: SavedReport) -> Kept:
    query = _query(one.settings)
    return Kept(
        one,
        KINDS.get(one.kind, one.kind),
        f"{reverse(one.kind)}?{query.urlencode()}" if one.kind in KINDS else "",
        "" if one.kind == "compare" else groups.title(one.utility_id, query.get("group") or groups.ALL),
        asked_period(query, one.utility.day_borders).title,
    )


@page()
def saved_reports(request: PageRequest) -> HttpResponse:
    """The list."""
    kept = [
        _kept(one)
        for one in rows(request, SavedReport).select_related("created_by", "utility").order_by("name")
    ]
    return render(request, "pages/saved_reports.html", {"kept": kept})


class SaveForm(forms.Form):
    """A name and a comment for the report ``kept``."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    note = forms.CharField(
        label=gettext_lazy("Comment"),
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, data: QueryDict | None, kept: SavedReport) -> None:
        super().__init__(data, initial={"name": kept.name, "note": kept.note})
        self.kept = kept

    def clean_name(self) -> str:
        """A name is free within the utility."""
        name: str = self.cleaned_data["name"]
        same = SavedReport.objects.filter(utility_id=self.kept.utility_id, name=name).exclude(pk=self.kept.pk)
        if same.exists():
            raise forms.ValidationError(_("There is a saved report with this name already."))
        return name

    def save(self) -> None:
        """Write name and comment."""
        self.kept.name, self.kept.note = self.cleaned_data["name"], self.cleaned_data["note"]
        self.kept.save()


@page(view=_MAY, change=_MAY)
def save(request: PageRequest) -> HttpResponse:
    """Keep the report that the address describes under a name."""
    kind = request.GET.get("kind", "")
    if kind not in KINDS:
        kind = next(iter(KINDS))
    settings = {
        name[:40]: [value[:200] for value in values[:_MOST]]
        for name, values in list(request.GET.lists())[:_MOST]
        if name not in ("kind", "page") and any(values)
    }
    one = SavedReport(utility=request.utility, kind=kind, settings=settings, created_by=request.user)
    form = SaveForm(request.POST or None, one)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
            record(request, "reports.saved", target=one.name, detail={"kind": kind})
        messages.success(request, _("The report was saved."))
        return redirect("saved_reports")
    data = {"form": form, "kept": _kept(one), "new": True}
    return render(request, "pages/saved_report_form.html", data, status=422 if form.errors else 200)


@page(view=_MAY, change=_MAY)
def edit(request: PageRequest, pk: int) -> HttpResponse:
    """Change name and comment, or remove it."""
    one = find(request, SavedReport, pk)
    if one.kind not in KINDS:
        raise Http404
    if request.method == "POST" and "remove" in request.POST:
        with transaction.atomic():
            record(request, "reports.removed", target=one.name)
            one.delete()
        messages.success(request, _("The saved report was removed."))
        return redirect("saved_reports")
    form = SaveForm(request.POST or None, one)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
            record(request, "reports.changed", target=one.name)
        messages.success(request, _("The report was saved."))
        return redirect("saved_reports")
    data = {"form": form, "kept": _kept(one), "new": False}
    return render(request, "pages/saved_report_form.html", data, status=422 if form.errors else 200)
