"""Letting in telegrams of a meter that were not trusted: why it may be right, a reason, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from avlas.meters import let_in as meter_let_in
from avlas.meters.keys import Who
from avlas.meters.models import Meter, State
from avlas.system.models import Permission
from avlas.web import formats
from avlas.web.pages.access import PageRequest, computer, find, page

if TYPE_CHECKING:
    from django.http import HttpResponse

    from avlas.meters.ingest import IngestResult

MANAGE = Permission.DEVICE_AND_CUSTOMER_MANAGEMENT


class LetInForm(forms.Form):
    """Why these telegrams are the meter's own."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=200,
        help_text=gettext_lazy("For example: radio module exchanged on 12 May, work order 4711."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


@page(view=MANAGE, change=MANAGE)
def let_in(request: PageRequest, pk: int) -> HttpResponse:
    """Ask for the reason, then let the meter's telegrams since its last reading in."""
    meter = find(request, Meter, pk)
    kept = meter_let_in.distrusted(meter)
    if kept is None or not kept.since_read:
        messages.info(request, _("The meter has no telegrams to let in."))
        return redirect("meter", meter.pk)
    form = LetInForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            result = meter_let_in.let_in(
                meter, form.cleaned_data["reason"], Who(request.user, computer(request))
            )
        except meter_let_in.NothingToLetIn:
            messages.warning(request, _("None of the telegrams can be read now. Is the meter's key here?"))
        else:
            messages.success(request, _told(result))
        return redirect("meter", meter.pk)
    states = meter.states.order_by("-last_heard_at")
    context = {
        "meter": meter,
        "distrusted": kept,
        "form": form,
        "problem": next((one.problem for one in states if one.state == State.DOWNGRADED), ""),
        "last_read_at": max((one.last_read_at for one in states if one.last_read_at), default=None),
    }
    return render(request, "pages/let_in.html", context, status=422 if form.errors else 200)


def _told(result: IngestResult) -> str:
    read = result.states[State.READ]
    text = ngettext(
        "%(n)s telegram is let in and read. New ones are trusted from now on.",
        "%(n)s telegrams are let in and read. New ones are trusted from now on.",
        read,
    )
    return text % {"n": formats.number(read)}
