"""The case of a meter's info codes: acknowledge, snooze, hand to somebody, note, and what was done before."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters import cases
from avlas.meters.keys import Who
from avlas.meters.models import CaseEntry, Installation, Meter, MeterState
from avlas.system.models import User
from avlas.web import info_codes
from avlas.web.pages.access import PageRequest, computer, find, page, rows
from avlas.web.pages.info_code_list import MAY_FOLLOW_UP

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.utils.functional import Promise

_LONGEST_SNOOZE: Final = timedelta(days=3 * 366)
_DEEDS: Final[dict[str, Promise]] = {
    CaseEntry.ACKNOWLEDGED: gettext_lazy("Acknowledged"),
    CaseEntry.SNOOZED: gettext_lazy("Snoozed until %(until)s"),
    CaseEntry.WOKEN: gettext_lazy("No longer snoozed"),
    CaseEntry.ASSIGNED: gettext_lazy("Assigned to %(to)s"),
    CaseEntry.UNASSIGNED: gettext_lazy("Assigned to nobody"),
    CaseEntry.NOTED: gettext_lazy("Note"),
}


class CaseForm(forms.Form):
    """What is to be done about the codes."""

    note = forms.CharField(
        label=gettext_lazy("Note"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("For colleagues. Write nothing about the customer that isn't needed."),
    )
    assigned_to = forms.ModelChoiceField(
        label=gettext_lazy("Assigned to"),
        required=False,
        queryset=User.objects.none(),
        empty_label=gettext_lazy("nobody"),
    )
    snoozed_until = forms.DateField(
        label=gettext_lazy("Snoozed until"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("Left out of the list until that day. A new code shows it again at once."),
    )

    def __init__(self, *args: Any, request: PageRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["assigned_to"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = (
            rows(request, User).filter(is_active=True).order_by("first_name", "last_name", "email")
        )

    def clean_snoozed_until(self) -> datetime | None:
        """The start of that day where the user is; it must lie ahead."""
        day = self.cleaned_data["snoozed_until"]
        if day is None:
            return None
        if "snoozed_until" not in self.changed_data:
            kept: datetime = self.initial["snoozed_until_at"]
            return kept
        until = timezone.make_aware(datetime.combine(day, time()))
        now = datetime.now(UTC)
        if not now < until < now + _LONGEST_SNOOZE:
            raise forms.ValidationError(_("Choose a day after today, at most three years from now."))
        return until


@page(change=MAY_FOLLOW_UP)
def case(request: PageRequest, pk: int) -> HttpResponse:
    """The case of one meter."""
    meter = find(request, Meter, pk)
    own = cases.case_of(meter)
    until = own.snoozed_until if own and own.snoozed_until and own.snoozed_until > datetime.now(UTC) else None
    first = {
        "assigned_to": own.assigned_to_id if own else None,
        "snoozed_until": timezone.localtime(until).date() if until else None,
        "snoozed_until_at": until,
    }
    form = CaseForm(request.POST or None, request=request, initial=first)
    if request.method == "POST" and form.is_valid():
        _act(request, meter, form, acknowledge="acknowledge" in request.POST)
        messages.success(request, _("Saved."))
        return redirect("meter_case", meter.pk)
    newest = (
        MeterState.objects.filter(meter=meter, last_read_at__isnull=False).order_by("-last_read_at").first()
    )
    said = info_codes.in_words(meter.family, newest.info_code if newest else None)
    context = {
        "meter": meter,
        "place": Installation.objects.filter(meter=meter, to_at=None).select_related("point").first(),
        "case": own,
        "form": form,
        "said": said,
        "deeds": [(one, _deed(one), _codes_then(one)) for one in cases.entries(meter)[:200]],
        "may_follow_up": MAY_FOLLOW_UP in request.allowed,
    }
    return render(request, "pages/case.html", context, status=422 if request.method == "POST" else 200)


def _act(request: PageRequest, meter: Meter, form: CaseForm, *, acknowledge: bool) -> None:
    who, data = Who(request.user, computer(request)), form.cleaned_data
    with transaction.atomic():
        if data["note"].strip():
            cases.note(meter, who, data["note"].strip())
        if "assigned_to" in form.changed_data:
            cases.assign(meter, who, data["assigned_to"])
        if "snoozed_until" in form.changed_data:
            cases.snooze(meter, who, data["snoozed_until"])
        if acknowledge:
            cases.acknowledge(meter, who)


def _deed(entry: CaseEntry) -> str:
    """What was done, in words."""
    until = timezone.localtime(entry.until).date().isoformat() if entry.until else ""
    return str(_DEEDS[entry.what]) % {"until": until, "to": entry.to or "–"}


def _codes_then(entry: CaseEntry) -> str:
    """Which codes were active when it was done."""
    return info_codes.joined(entry.meter.family, entry.info_code) if entry.meter else ""
