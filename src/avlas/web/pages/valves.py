"""Valves: what was asked for, asking from a meter's page, another person's approval, how it went; the rules."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils.dates import MONTHS
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters import valve_requests
from avlas.meters.models import Meter, ValveRequest, ValveRules
from avlas.meters.valve import OPEN
from avlas.meters.valve_requests import Held
from avlas.meters.valve_rules import DISCONNECT, REASONS, STEPS, WISHES
from avlas.system.models import Permission
from avlas.web.pages.access import PageRequest, find, page, record, rows
from avlas.web.pages.fields import FloatNumberField, date_field, needed
from avlas.web.pages.meter_edit import MANAGE, who
from avlas.web.valve_words import NO_ROAD, why_held

if TYPE_CHECKING:
    from datetime import date

    from django.http import HttpResponse

_CONFIGURE: Final = Permission.SYSTEM_CONFIGURATION
_LISTED: Final = 200
TONES: Final = {
    ValveRequest.ASKED: "warn",
    ValveRequest.QUEUED: "accent",
    ValveRequest.DONE: "good",
    ValveRequest.FAILED: "bad",
}


class AskForm(forms.Form):
    """What is wished for a meter's valve, and for closing it why."""

    wish = forms.ChoiceField(
        label=gettext_lazy("What is to be done"), choices=list(WISHES.items()), widget=forms.RadioSelect
    )
    reason = forms.ChoiceField(
        label=gettext_lazy("Why it is to be closed"),
        choices=[("", "–"), *((name, one.title) for name, one in REASONS.items())],
        required=False,
        help_text=gettext_lazy("Opening a valve needs no reason and is never held up."),
    )
    explanation = forms.CharField(
        label=gettext_lazy("In words"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, *args: Any, medium: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        needed(self.fields["reason"])
        for name, step in STEPS.items():
            source = step.source(medium)
            help_text = format_lazy("{} {}.", step.help, source) if source else step.help
            self.fields[name] = needed(date_field(label=step.title, required=False, help_text=help_text))

    @property
    def step_fields(self) -> list[forms.BoundField]:
        """The legal steps' fields."""
        return [self[name] for name in STEPS]

    @property
    def steps(self) -> dict[str, date]:
        """The dates given."""
        return {name: self.cleaned_data[name] for name in STEPS if self.cleaned_data.get(name)}


class NoteForm(forms.Form):
    """A few words about what somebody does with a request."""

    note = forms.CharField(label=gettext_lazy("Note"), max_length=500, required=False)


class RulesForm(forms.Form):
    """A utility's own rules."""

    frost_months = forms.TypedMultipleChoiceField(
        label=gettext_lazy("Months in which no heat is cut"),
        choices=list(MONTHS.items()),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    frost_below_c = FloatNumberField(
        label=gettext_lazy("In the other months not below, °C"),
        least=-30,
        most=25,
        help_text=gettext_lazy("As long as somebody tells the outdoor temperature: over the API, or below."),
    )
    reminder_days = forms.IntegerField(
        label=gettext_lazy("Days from the reminder to the disconnection"),
        min_value=1,
        max_value=365,
        help_text=gettext_lazy(
            "Counted from the later of the reminder served and the message to the social welfare board. Swedish law "
            "gives consumers three weeks; they can't agree to fewer."
        ),
    )
    outdoor_c = FloatNumberField(
        label=gettext_lazy("Outdoor temperature now, °C"),
        required=False,
        least=-60,
        most=50,
        help_text=gettext_lazy("Holds for 24 hours."),
    )


@page(view=MANAGE)
def valve_list(request: PageRequest) -> HttpResponse:
    """What waits for another person, what is queued, and what was done lately."""
    every = rows(request, ValveRequest).select_related("meter", "point", "customer", "asked_by", "decided_by")
    context = {
        "waiting": every.filter(state=ValveRequest.ASKED).order_by("asked_at"),
        "queued": every.filter(state=ValveRequest.QUEUED).order_by("asked_at"),
        "finished": every.exclude(state__in=OPEN).order_by("-finished_at")[:_LISTED],
        "tones": TONES,
        "no_road": NO_ROAD,
        "reasons": {name: one.title for name, one in REASONS.items()},
    }
    return render(request, "pages/valves.html", context)


@page(view=MANAGE, change=MANAGE)
def ask(request: PageRequest, pk: int) -> HttpResponse:
    """Ask for something to be done with a meter's valve."""
    own = find(request, Meter, pk)
    form = AskForm(request.POST or None, medium=own.medium)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        closing = data["wish"] == DISCONNECT
        try:
            made = valve_requests.ask(
                own,
                data["wish"],
                who(request),
                reason=data["reason"] if closing else "",
                explanation=data["explanation"],
                steps=form.steps if closing else None,
            )
        except Held as problem:
            form.add_error(None, why_held(problem))
        else:
            messages.success(request, _("The request is noted."))
            return redirect("valve_request", made.pk)
    context = {
        "meter": own,
        "place": own.installations.select_related("point").filter(to_at=None).first(),
        "form": form,
        "frost": why_held(Held("frost", cold)) if (cold := valve_requests.frost_now(own)) else "",
        "rules": valve_requests.rules_of(request.utility),
        "open": own.valve_requests.filter(state__in=OPEN).order_by("-asked_at"),
    }
    return render(request, "pages/valve_ask.html", context, status=422 if form.errors else 200)


@page(view=MANAGE, change=MANAGE)
def valve_request(request: PageRequest, pk: int) -> HttpResponse:
    """One request: what it is, and what can be done with it."""
    own = find(request, ValveRequest, pk)
    form = NoteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            _act(own, request.POST.get("do", ""), form.cleaned_data["note"], request)
        except Held as problem:
            form.add_error(None, why_held(problem))
        else:
            return redirect("valve_request", own.pk)
    own = ValveRequest.objects.select_related(
        "meter", "point", "customer", "asked_by", "decided_by", "utility"
    ).get(pk=own.pk)
    context = {
        "one": own,
        "form": form,
        "tones": TONES,
        "no_road": NO_ROAD,
        "reason": REASONS[own.reason].title if own.reason in REASONS else "",
        "steps": [
            (step.title, datetime.fromisoformat(own.steps[name]).date(), step.source(own.meter.medium))
            for name, step in STEPS.items()
            if name in own.steps
        ],
        "own_request": own.asked_by_id == request.user.pk,
    }
    return render(request, "pages/valve_request.html", context, status=422 if form.errors else 200)


def _act(own: ValveRequest, deed: str, note: str, request: PageRequest) -> None:
    if deed == "approve":
        valve_requests.approve(own, who(request))
    elif deed == "refuse":
        valve_requests.refuse(own, note, who(request))
    elif deed == "cancel":
        valve_requests.cancel(own, note, who(request))
    elif deed in ("done", "failed"):
        valve_requests.carried_out(own, note, who(request), went_well=deed == "done")


@page(view=_CONFIGURE, change=_CONFIGURE)
def rules(request: PageRequest) -> HttpResponse:
    """The utility's frost guard and the customer's time after a reminder."""
    own = valve_requests.rules_of(request.utility)
    names = ("frost_months", "frost_below_c", "reminder_days")
    form = RulesForm(request.POST or None, initial={name: getattr(own, name) for name in names})
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            own = ValveRules.objects.select_for_update().get_or_create(utility=request.utility)[0]
            changed = {
                name: [getattr(own, name), form.cleaned_data[name]]
                for name in names
                if getattr(own, name) != form.cleaned_data[name]
            }
            for name, (_before, value) in changed.items():
                setattr(own, name, value)
            if changed:
                own.save(update_fields=list(changed))
                record(request, "valve.rules_changed", detail=changed)
            celsius = form.cleaned_data["outdoor_c"]
            if celsius is not None:
                valve_requests.set_outdoor_temperature(
                    request.utility, celsius, datetime.now(UTC), who(request)
                )
        messages.success(request, _("The settings are saved."))
        return redirect("valve_list")
    context = {"form": form, "rules": own}
    return render(request, "pages/valve_rules.html", context, status=422 if form.errors else 200)
