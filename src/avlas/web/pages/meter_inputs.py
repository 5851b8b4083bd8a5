"""The pulse inputs of a meter: which meters they count for, letting one count, ending that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.core.validators import RegexValidator
from django.db import transaction
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from avlas.meters import installing, pulse_inputs
from avlas.meters import points as meter_points
from avlas.meters.models import Installation, Meter, MeteringPoint, PulseInput
from avlas.meters.pulse_inputs import Assignment
from avlas.web import formats
from avlas.web.pages.access import PageRequest, find, page, rows
from avlas.web.pages.fields import FloatNumberField, moment_field
from avlas.web.pages.meter_edit import MANAGE, impossible, media_choices, who

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.utils.functional import Promise

_WHY_NOT: Final[dict[str, tuple[str, Promise]]] = {
    "other_utility": ("serial", gettext_lazy("There is no such meter.")),
    "itself": ("serial", gettext_lazy("This is the meter whose input it is.")),
    "taken": ("channel", gettext_lazy("This input counts for another meter at that time. End that first.")),
    "fed": ("serial", gettext_lazy("This meter is counted by an input, or has inputs of its own, already.")),
    "future": ("at", gettext_lazy("This is in the future.")),
}
"""Why an input can't be assigned: beside which field, and in words."""


class InputForm(forms.Form):
    """Which input counts for which meter, how, and where that meter sits."""

    channel = forms.ChoiceField(
        label=gettext_lazy("Input"),
        choices=PulseInput.CHANNELS,
        widget=forms.RadioSelect,
        initial=PulseInput.A,
    )
    manufacturer = forms.CharField(
        label=gettext_lazy("Maker"),
        max_length=3,
        validators=[RegexValidator(r"^[A-Za-z]{3}$", gettext_lazy("Three letters, for example KAM."))],
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    serial = forms.CharField(
        label=gettext_lazy("Serial number"),
        max_length=20,
        validators=[
            RegexValidator(r"^[0-9A-Za-z./-]+$", gettext_lazy("Only letters, digits and . / - are allowed."))
        ],
        help_text=gettext_lazy("Of the meter that gives the pulses. One that is not known yet is added."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    medium = forms.ChoiceField(label=gettext_lazy("Medium"), choices=media_choices, initial="cold water")
    per_pulse = FloatNumberField(
        label=gettext_lazy("Litres per pulse (electricity, heat: Wh)"),
        required=False,
        least=0.0001,
        most=1_000_000,
        help_text=gettext_lazy("Empty: the input shows m³ or kWh itself, as most heat meters do."),
    )
    start_value = FloatNumberField(
        label=gettext_lazy("What the meter shows at that moment (m³ or kWh)"),
        required=False,
        least=0,
        help_text=gettext_lazy("Empty: the input shows the same figure as the meter."),
    )
    at = moment_field(
        label=gettext_lazy("Counts since"),
        help_text=gettext_lazy("Readings since then are filled in from what is stored."),
    )
    facility_id = forms.CharField(
        label=gettext_lazy("Facility id of its metering point"),
        max_length=40,
        required=False,
        help_text=gettext_lazy(
            "One that is there, or a new one, which gets this meter's address. Empty: the meter stays where it is."
        ),
    )

    def clean_medium(self) -> str:
        """One must be said: it tells which register counts."""
        medium: str = self.cleaned_data["medium"]
        if not medium:
            raise forms.ValidationError(_("Choose a medium."))
        return medium

    def clean_manufacturer(self) -> str:
        """In capitals."""
        return str(self.cleaned_data["manufacturer"]).upper()


@page(view=MANAGE, change=MANAGE)
def inputs(request: PageRequest, pk: int) -> HttpResponse:
    """A meter's inputs: what they count for, letting one count for a meter, ending it."""
    own = find(request, Meter, pk)
    every = list(own.pulse_inputs.select_related("meter").order_by("to_at", "channel", "-from_at"))
    if request.method == "POST" and request.POST.get("end"):
        number = request.POST["end"]
        one = get_object_or_404(own.pulse_inputs, pk=int(number) if number.isdigit() else 0, to_at=None)
        pulse_inputs.end(one, datetime.now(UTC), who(request))
        messages.success(request, _("The input counts for %(meter)s no longer.") % {"meter": one.meter})
        return redirect("meter_inputs", own.pk)
    form = InputForm(request.POST or None, initial=_initial(request, own, every))
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                fed, count = _assign(request, own, form.cleaned_data)
        except pulse_inputs.Impossible as problem:
            field, why_not = _WHY_NOT[problem.code]
            form.add_error(field, str(why_not))
        except installing.Impossible as problem:
            form.add_error("facility_id", impossible(problem))
        else:
            text = ngettext(
                "The input counts for %(meter)s. %(n)s reading is filled in.",
                "The input counts for %(meter)s. %(n)s readings are filled in.",
                count,
            )
            messages.success(request, text % {"meter": fed, "n": formats.number(count)})
            return redirect("meter", fed.pk)
    context = {
        "meter": own,
        "inputs": every,
        "form": form,
        "place": own.installations.select_related("point").filter(to_at=None).first(),
    }
    return render(request, "pages/meter_inputs.html", context, status=422 if form.errors else 200)


def _initial(request: PageRequest, own: Meter, every: list[PulseInput]) -> dict[str, Any]:
    """What is likely; after an exchange the address says what the old meter's input counted for."""
    taken = {one.channel for one in every if one.to_at is None}
    initial: dict[str, Any] = {
        "channel": PulseInput.B if PulseInput.A in taken else PulseInput.A,
        "at": datetime.now(UTC),
    }
    like = request.GET.get("like", "")
    before = (
        PulseInput.objects.filter(parent__utility=request.utility, pk=int(like[:18]))
        .select_related("meter")
        .first()
        if like.isascii() and like.isdigit()
        else None
    )
    if before is not None:
        place = own.installations.filter(to_at=None).first()
        initial |= {
            "channel": before.channel,
            "manufacturer": before.meter.manufacturer,
            "serial": before.meter.serial,
            "medium": before.meter.medium,
            "per_pulse": before.per_pulse,
            "at": max(before.to_at, place.from_at) if before.to_at and place else initial["at"],
        }
    return initial


def _assign(request: PageRequest, own: Meter, data: dict[str, Any]) -> tuple[Meter, int]:
    """Find or make the meter, put it to its point, let the input count; gives the meter and how many readings."""
    by = who(request)
    named = {"manufacturer": data["manufacturer"], "serial": data["serial"]}
    fed = rows(request, Meter).filter(**named).first()
    if fed is None:
        fed = installing.create(request.utility, {**named, "medium": data["medium"]}, "", by)
    facility = data["facility_id"].strip()
    here = fed.installations.select_related("point").filter(to_at=None).first()
    if facility and (here is None or here.point.facility_id != facility):
        point = rows(request, MeteringPoint).filter(facility_id=facility).first()
        if point is None:
            place = own.installations.select_related("point").filter(to_at=None).first()
            like = place.point if place else None
            values = {"facility_id": facility} | {
                name: getattr(like, name)
                for name in ("address", "postal_code", "city", "district", "latitude", "longitude")
                if like is not None
            }
            point = meter_points.create(MeteringPoint, request.utility, values, by)
        installing.install(fed, point, Installation.MAIN, data["at"], by)
    what = Assignment(data["channel"], data["at"], data["per_pulse"], data["start_value"])
    return fed, pulse_inputs.assign(own, fed, what, by)
