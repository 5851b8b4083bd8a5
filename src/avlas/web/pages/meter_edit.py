"""Meters are added, changed, put to a metering point, taken down, taken out of use and removed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.core.validators import RegexValidator
from django.db import transaction
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.decode import families
from avlas.meters import installing, revision, wellformed
from avlas.meters.changes import change
from avlas.meters.keys import Who
from avlas.meters.models import Installation, Meter, MeteringPoint
from avlas.meters.reading_order import Kept
from avlas.system.models import Permission
from avlas.web import formats, words
from avlas.web.pages.access import PageRequest, computer, find, page, rows
from avlas.web.pages.edited import EditForm
from avlas.web.pages.fields import FloatNumberField, date_field, moment_field
from avlas.web.pages.search import holding

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpResponse
    from django.utils.functional import Promise

MANAGE: Final = Permission.DEVICE_AND_CUSTOMER_MANAGEMENT
_POINTS_OFFERED: Final = 20
POINT_COLUMNS: Final = ("search_text", "property_name")
"""In what of a metering point one searches."""
_SERIAL: Final = RegexValidator(
    rf"^{wellformed.SERIAL.pattern}$", gettext_lazy("Only letters, digits and . / - are allowed.")
)

IMPOSSIBLE: Final[dict[str, Promise]] = {
    "taken": gettext_lazy("There is a meter with this maker and serial number already."),
    "other_utility": gettext_lazy("There is no such metering point."),
    "installed": gettext_lazy("The meter is installed at a metering point. Take it down first."),
    "retired": gettext_lazy("The meter is out of use. Take it back into stock first."),
    "before_its_end": gettext_lazy("At that time the meter was still installed somewhere else."),
    "main_there": gettext_lazy(
        "The metering point has another main meter at that time. Exchange it, or choose another role."
    ),
    "virtual_point": gettext_lazy("The metering point is virtual, the sum of others; no meter sits there."),
    "gone": gettext_lazy("The meter has been taken down meanwhile."),
    "before_it_began": gettext_lazy("This is before the meter was installed."),
    "planned": gettext_lazy("An exchange of this meter is prepared already."),
    "not_planned": gettext_lazy("The exchange has been carried out or withdrawn meanwhile."),
    "incomplete": gettext_lazy("Some steps are not filled in yet."),
    "future": gettext_lazy("The moment of the exchange is in the future."),
    "erased": gettext_lazy("The readings of this time were erased for good; none is stored again."),
    "reading_there": gettext_lazy(
        "A reading is entered for this very minute already. Choose another minute, or void it."
    ),
    "not_done": gettext_lazy("The exchange is not carried out."),
    "billed": gettext_lazy(
        "A month that counts on the exchange has been billed. Correct it with a new exchange."
    ),
    "changed_since": gettext_lazy(
        "One of the two meters has been moved since, so the exchange can't be undone."
    ),
    "needed": gettext_lazy("Readings or installations of this meter are kept, so it can't be removed."),
}
"""Why something can't be done with a meter: installing.Impossible in words."""


def impossible(problem: installing.Impossible) -> str:
    """Why it can't be done, in the reader's language."""
    return str(IMPOSSIBLE[problem.code])


def who(request: PageRequest) -> Who:
    """Who asks, for the audit log."""
    return Who(request.user, computer(request))


def media_choices() -> list[tuple[str, str]]:
    return [("", formats.MISSING), *((name, words.medium(name)) for name in wellformed.MEDIA)]


class MeterForm(EditForm):
    """A meter's master data."""

    manufacturer = forms.CharField(
        label=gettext_lazy("Maker"),
        max_length=3,
        validators=[
            RegexValidator(rf"^{wellformed.MAKER.pattern}$", gettext_lazy("Three letters, for example KAM."))
        ],
        help_text=gettext_lazy("Three letters, as the meter sends them: KAM for Kamstrup, DME for Diehl."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "list": "makers"}),
    )
    serial = forms.CharField(
        label=gettext_lazy("Serial number"),
        max_length=20,
        validators=[_SERIAL],
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    model = forms.CharField(
        label=gettext_lazy("Meter type"),
        max_length=60,
        required=False,
        help_text=gettext_lazy("Empty: it is filled in when the meter is heard."),
    )
    medium = forms.ChoiceField(label=gettext_lazy("Medium"), choices=media_choices, required=False)
    qp_m3h = FloatNumberField(
        label=gettext_lazy("Permanent flow qp (Q3), m³/h"),
        required=False,
        least=wellformed.QP_M3H[0],
        most=wellformed.QP_M3H[1],
    )
    mounted_in = forms.ChoiceField(
        label=gettext_lazy("Flow sensor mounted in"),
        choices=[("", formats.MISSING), *Meter.PIPES],
        required=False,
    )
    litres_per_pulse = FloatNumberField(
        label=gettext_lazy("Pulse value, litres per pulse"),
        required=False,
        least=wellformed.LITRES_PER_PULSE[0],
        most=wellformed.LITRES_PER_PULSE[1],
    )
    accuracy_class = forms.CharField(label=gettext_lazy("Accuracy class"), max_length=20, required=False)
    manufactured_year = forms.IntegerField(
        label=gettext_lazy("Year of manufacture"),
        min_value=wellformed.YEARS[0],
        max_value=wellformed.YEARS[1],
        required=False,
    )
    revision_due = date_field(
        label=gettext_lazy("Revision due"),
        required=False,
        help_text=gettext_lazy("Empty: year of manufacture plus the period set for its medium and size."),
    )
    seals = forms.CharField(label=gettext_lazy("Seal numbers"), max_length=200, required=False)
    note = forms.CharField(
        label=gettext_lazy("Note"), max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, request: PageRequest, own: Meter | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request, self._own = request, own
        if own is not None and own.medium not in wellformed.MEDIA:  # what was heard is a choice too
            field = self.fields["medium"]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [*media_choices(), (own.medium, words.medium(own.medium))]

    def clean_manufacturer(self) -> str:
        """In capitals, as meters send it."""
        return str(self.cleaned_data["manufacturer"]).upper()

    def clean(self) -> dict[str, Any]:
        """A maker and serial number that is not taken."""
        data = super().clean()
        there = rows(self._request, Meter).filter(
            manufacturer=data.get("manufacturer", ""), serial=data.get("serial", "")
        )
        if self._own is not None:
            there = there.exclude(pk=self._own.pk)
        if there.exists():
            self.add_error("serial", str(IMPOSSIBLE["taken"]))
        return data


class NewMeterForm(MeterForm):
    """A meter that nobody has heard yet."""

    identifier = forms.CharField(
        label=gettext_lazy("Number in radio telegrams"),
        required=False,
        validators=[RegexValidator(rf"^{wellformed.RADIO_NUMBER.pattern}$", gettext_lazy("Eight digits."))],
        help_text=gettext_lazy(
            "Eight digits. Empty: the serial number, when it has eight digits; else the meter is not read by radio."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
    )


def _makers() -> list[str]:
    return sorted({one.manufacturer for family in families.known() for one in family.meters})


_FIELDS: Final = tuple(name for name in MeterForm.base_fields if name != "seen")


@page(view=MANAGE, change=MANAGE)
def add(request: PageRequest) -> HttpResponse:
    """Make a meter by hand."""
    form = NewMeterForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        values = form.values
        serial = values["serial"]
        identifier = values.pop("identifier") or wellformed.radio_number(serial)
        try:
            made = installing.create(request.utility, values, identifier, who(request))
        except installing.Impossible as problem:
            form.add_error("serial", impossible(problem))
        else:
            messages.success(request, _("%(meter)s is added and lies in stock.") % {"meter": made})
            return redirect("meter", made.pk)
    context = {"form": form, "meter": None, "makers": _makers()}
    return render(request, "pages/meter_form.html", context, status=422 if form.errors else 200)


@page(view=MANAGE, change=MANAGE)
def edit(request: PageRequest, pk: int) -> HttpResponse:
    """Change a meter's master data."""
    with transaction.atomic():
        if request.method == "POST":
            find(request, Meter, pk)
            Meter.objects.select_for_update().get(pk=pk)
        own = find(request, Meter, pk)
        current = {name: getattr(own, name) for name in _FIELDS}
        form = MeterForm(request.POST or None, request=request, own=own, current=current)
        if request.method == "POST" and form.is_valid():
            change(own, form.values, who(request), "meter.changed")
            messages.success(request, _("%(meter)s is saved.") % {"meter": own})
            return redirect("meter", own.pk)
    due = revision.due(own, revision.periods(own.utility_id)) if own.revision_due is None else None
    context = {"form": form, "meter": own, "makers": _makers(), "due": due}
    return render(request, "pages/meter_form.html", context, status=422 if form.errors else 200)


@page(view=MANAGE, change=MANAGE)
def delete(request: PageRequest, pk: int) -> HttpResponse:
    """Remove a meter of which nothing is kept, after asking; others go out of use."""
    own = find(request, Meter, pk)
    needed = installing.is_needed(own)
    if request.method == "POST":
        try:
            installing.delete(own, who(request))
        except installing.Impossible:
            needed = True
        else:
            messages.success(request, _("%(meter)s is removed.") % {"meter": own})
            return redirect("meters")
    context = {"meter": own, "needed": needed, "installed": own.installations.filter(to_at=None).exists()}
    return render(request, "pages/meter_delete.html", context)


@page(view=MANAGE, change=MANAGE)
def use(request: PageRequest, pk: int) -> HttpResponse:
    """Take a meter out of use, or back into stock."""
    own = find(request, Meter, pk)
    if request.method == "POST":
        try:
            if request.POST.get("in_use") == "1":
                installing.back_in_stock(own, who(request))
                text = _("%(meter)s is in stock again.")
            else:
                installing.retire(own, who(request))
                text = _("%(meter)s is out of use. Its readings stay.")
            messages.success(request, text % {"meter": own})
        except installing.Impossible as problem:
            messages.error(request, impossible(problem))
    return redirect("meter", own.pk)


class TakeDownForm(forms.Form):
    """When and why a meter is taken down."""

    at = moment_field(label=gettext_lazy("Taken down"))
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=200,
        help_text=gettext_lazy("For example: house torn down, connection ended."),
    )


@page(view=MANAGE, change=MANAGE)
def take_down(request: PageRequest, pk: int) -> HttpResponse:
    """End a meter's installation without putting another one in its place."""
    own = find(request, Meter, pk)
    place = own.installations.select_related("point").filter(to_at=None).first()
    form = TakeDownForm(request.POST or None, initial={"at": datetime.now(UTC)})
    if request.method == "POST" and place is not None and form.is_valid():
        if form.cleaned_data["at"] > datetime.now(UTC):
            form.add_error("at", _("This is in the future."))
        else:
            try:
                installing.take_down(
                    place, form.cleaned_data["at"], form.cleaned_data["reason"], who(request)
                )
            except installing.Impossible as problem:
                form.add_error("at", impossible(problem))
            else:
                messages.success(request, _("%(meter)s is taken down and lies in stock.") % {"meter": own})
                return redirect("meter", own.pk)
    context = {"meter": own, "place": place, "form": form}
    return render(request, "pages/meter_take_down.html", context, status=422 if form.errors else 200)


class InstallForm(forms.Form):
    """Where, as what and since when a meter is installed."""

    point = forms.ModelChoiceField(
        MeteringPoint.objects.none(),
        label=gettext_lazy("Metering point"),
        error_messages={"required": gettext_lazy("Choose a metering point.")},
    )
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Installation.ROLES)
    at = moment_field(label=gettext_lazy("Installed since"))

    def __init__(self, *args: Any, request: PageRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["point"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = rows(request, MeteringPoint)


@page(view=MANAGE, change=MANAGE)
def install(request: PageRequest, pk: int) -> HttpResponse:
    """Put a meter in stock to a metering point: find the point, then say as what and since when."""
    own = find(request, Meter, pk)
    place = own.installations.select_related("point").filter(to_at=None).first()
    text = request.GET.get("q", "").strip()[:100]
    asked = request.GET.get("point", "")
    offered = find_points(request, text) if text else rows(request, MeteringPoint).none()
    if asked.isascii() and asked.isdigit():
        offered = rows(request, MeteringPoint).filter(pk=int(asked[:18]))
    chosen = offered[0].pk if len(offered[:2]) == 1 else None
    form = InstallForm(
        request.POST or None,
        request=request,
        initial={"at": datetime.now(UTC), "role": Installation.MAIN, "point": chosen},
    )
    if request.method == "POST" and place is None and form.is_valid():
        data = form.cleaned_data
        if data["at"] > datetime.now(UTC):
            form.add_error("at", _("This is in the future."))
        else:
            try:
                installing.install(own, data["point"], data["role"], data["at"], who(request))
            except installing.Impossible as problem:
                form.add_error("role" if problem.code == "main_there" else "at", impossible(problem))
            else:
                messages.success(
                    request,
                    _("%(meter)s is installed at %(point)s.") % {"meter": own, "point": data["point"]},
                )
                return redirect("meter", own.pk)
    picked = form["point"].value()
    if request.method == "POST" and picked and str(picked).isdigit():
        offered = rows(request, MeteringPoint).filter(pk=int(str(picked)[:18]))
    context = {
        "meter": own,
        "place": place,
        "form": form,
        "text": text,
        "offered": offered[:_POINTS_OFFERED],
        "picked": str(picked or ""),
        "searched": bool(text or asked or request.method == "POST"),
        "address": reverse("meter_install", args=[own.pk]),
    }
    return render(request, "pages/meter_install.html", context, status=422 if form.errors else 200)


def find_points(request: PageRequest, text: str) -> QuerySet[MeteringPoint]:
    """The own utility's points whose facility id, address, town or property holds every word of ``text``."""
    words = text.replace("\0", "").split()[:5]
    return holding(rows(request, MeteringPoint), POINT_COLUMNS, words).order_by(
        Kept("address_order"), "facility_id"
    )
