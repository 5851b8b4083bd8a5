"""Entering a meter's reading by hand, and taking one out of use."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters import entered
from avlas.meters.models import Kind, Meter, Reading, Source
from avlas.system.models import Permission
from avlas.web.pages.access import PageRequest, find, page
from avlas.web.pages.fields import moment_field
from avlas.web.pages.figures import FiguresForm
from avlas.web.pages.meter_edit import who
from avlas.web.pages.meter_readings import columns_of, lines_of

if TYPE_CHECKING:
    from django.http import HttpResponse

MANAGE: Final = Permission.READING_MANAGEMENT


class ReadingForm(FiguresForm):
    """A reading that somebody took, or estimates."""

    at = moment_field(label=gettext_lazy("Read at"))
    method = forms.CharField(
        label=gettext_lazy("Estimated: how"),
        max_length=200,
        required=False,
        help_text=gettext_lazy(
            "Only if nobody read it. For example: mean of the same month in two years. It is marked as estimated, "
            "and you stand for it."
        ),
    )
    note = forms.CharField(label=gettext_lazy("Note"), max_length=200, required=False)

    def clean_at(self) -> datetime:
        """A moment that has been."""
        at: datetime = self.cleaned_data["at"]
        if at > datetime.now(UTC):
            raise forms.ValidationError(_("This is in the future."))
        return at


def _asked_moment(request: PageRequest) -> datetime | None:
    """The moment that the address proposes: ``?at=`` an ISO date and time with its offset."""
    try:
        at = datetime.fromisoformat(request.GET.get("at", ""))
    except ValueError:
        return None
    return at if at.tzinfo else None


@page(view=MANAGE, change=MANAGE)
def add(request: PageRequest, pk: int) -> HttpResponse:
    """Enter a reading by hand."""
    own = find(request, Meter, pk)
    form = ReadingForm(
        request.POST or None, meter=own, initial={"at": _asked_moment(request) or datetime.now(UTC)}
    )
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        if not form.doubted(data["at"]):
            try:
                entered.enter(
                    own, data["at"], form.figures, Source.TYPED, who(request),
                    estimated_by=data["method"].strip(), note=data["note"].strip(),
                )  # fmt: skip
            except entered.AlreadyThere:
                form.add_error("at", _("A reading is entered for this minute already. Void it first."))
            except entered.Erased:
                form.add_error(
                    "at", _("The readings of this time were erased for good; none is stored again.")
                )
            else:
                messages.success(request, _("The reading is kept."))
                return redirect("meter_readings", own.pk)
    refused = bool(form.errors or form.doubts)
    context = {"meter": own, "form": form}
    return render(request, "pages/reading_form.html", context, status=422 if refused else 200)


class VoidForm(forms.Form):
    """Why a reading is taken out of use."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=300,
        help_text=gettext_lazy("For example: read from the neighbour's meter."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


@page(view=MANAGE, change=MANAGE)
def void(request: PageRequest, pk: int, slot: int, kind: int) -> HttpResponse:
    """Take a reading out of use, with a reason."""
    own = find(request, Meter, pk)
    try:
        row = Reading.objects.get(meter_id=own.pk, slot_at=slot, kind=kind)
    except (Reading.DoesNotExist, OverflowError, ValueError, OSError) as problem:
        raise Http404 from problem
    form = VoidForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        entered.void(own, row.slot_at, Kind(row.kind), form.cleaned_data["reason"], who(request))
        messages.success(request, _("The reading is out of use. It stays in the list, marked."))
        return (
            redirect("readings_in_doubt") if "doubts" in request.GET else redirect("meter_readings", own.pk)
        )
    columns = columns_of([row])
    context: dict[str, Any] = {
        "meter": own,
        "form": form,
        "shown": next(lines_of(own, [row], columns)),
        "columns": columns,
    }
    return render(request, "pages/reading_void.html", context, status=422 if form.errors else 200)
