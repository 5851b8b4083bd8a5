"""Customers: the list, one customer with the points it has and had, adding, changing, moving in and out."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.decode.registers import BY_CODE
from avlas.meters import points as meter_points
from avlas.meters.changes import change
from avlas.meters.models import Customer, Installation, MeteringPoint
from avlas.notify.models import ConsumerChoice
from avlas.reports.calc import value_at
from avlas.reports.calc.borders import beginning_of, zone_of
from avlas.reports.consumption import Standing, standing
from avlas.reports.latest import latest
from avlas.system.models import Permission, SmsGateway
from avlas.web import customer_columns, formats
from avlas.web.pages.access import PageRequest, find, page, rows
from avlas.web.pages.edited import EditForm
from avlas.web.pages.fields import date_field
from avlas.web.pages.listed import Listed
from avlas.web.pages.meter_edit import MANAGE, who

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.utils.functional import Promise

    from avlas.meters.models import Meter

BILLED: Final = ("energy_heat_kwh", "energy_cooling_kwh", "volume_m3", "input_a", "input_b",
                 "electricity_import_kwh", "electricity_export_kwh")  # fmt: skip
"""The counters that bills rest on."""

HOW: Final[dict[int, Promise]] = {
    value_at.LOGGED: gettext_lazy("stored by the meter at that moment"),
    value_at.ENTERED: gettext_lazy("entered by hand for that moment"),
    value_at.LIVE: gettext_lazy("heard within ten minutes"),
    value_at.INTERPOLATED: gettext_lazy("worked out between two readings"),
    value_at.NONE: gettext_lazy("not known"),
}


class CustomerForm(EditForm):
    """A customer."""

    number = forms.CharField(label=gettext_lazy("Customer number"), max_length=40)
    name = forms.CharField(label=gettext_lazy("Name"), max_length=200, required=False)
    email = forms.EmailField(label=gettext_lazy("E-mail"), required=False)
    phone = forms.CharField(label=gettext_lazy("Phone"), max_length=40, required=False)

    def __init__(self, *args: Any, request: PageRequest, own: Customer | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request, self._own = request, own

    def clean_number(self) -> str:
        """A number that is not taken."""
        number: str = self.cleaned_data["number"].strip()
        there = rows(self._request, Customer).filter(number=number)
        if self._own is not None:
            there = there.exclude(pk=self._own.pk)
        if there.exists():
            raise forms.ValidationError(_("There is a customer with this number already."))
        return number


_FIELDS: Final = tuple(name for name in CustomerForm.base_fields if name != "seen")


_LIST: Final = Listed(
    name="customer",
    address="customers",
    act="customers_act",
    page_template="pages/customers.html",
    empty="pages/customers_none.html",
    columns=customer_columns.COLUMNS,
    standard=customer_columns.STANDARD,
    searched=customer_columns.SEARCHED,
    in_all=customer_columns.IN_ALL,
    sorts=customer_columns.SORTS,
    sort="name",
    rows=lambda request, _query: rows(request, Customer),
    fetch=customer_columns.fetch,
    file_name=gettext_lazy("customers"),
    caption=gettext_lazy("Customers"),
    selected=gettext_lazy("Customers selected:"),
    exported=gettext_lazy("The ticked customers, or all in the list when none is ticked."),
)


@page()
def customers(request: PageRequest) -> HttpResponse:
    """The list of customers."""
    return _LIST.page(request)


@page(change=Permission.DATA_ACCESS)
def act(request: PageRequest) -> HttpResponse:
    """Do to the chosen customers what the button pressed says."""
    return _LIST.deed(request) if request.method == "POST" else redirect("customers")


@page()
def customer(request: PageRequest, pk: int) -> HttpResponse:
    """One customer: how to reach it, the points it has now and had before, their meters."""
    own = find(request, Customer, pk)
    occupancies = list(own.occupancies.select_related("point").order_by("-from_at"))
    meters: dict[int, list[Installation]] = {}
    for one in Installation.objects.filter(
        point__in=[occupancy.point_id for occupancy in occupancies], to_at=None
    ).select_related("meter"):
        meters.setdefault(one.point_id, []).append(one)
    context = {
        "customer": own,
        "now": [(one, meters.get(one.point_id, [])) for one in occupancies if one.to_at is None],
        "before": [one for one in occupancies if one.to_at is not None],
        "choice": ConsumerChoice.objects.filter(customer=own).first(),
        "has_sms": rows(request, SmsGateway).exists(),
    }
    return render(request, "pages/customer.html", context)


@page(view=MANAGE, change=MANAGE)
def add(request: PageRequest) -> HttpResponse:
    """Make a customer."""
    form = CustomerForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        made = meter_points.create(Customer, request.utility, form.values, who(request))
        messages.success(request, _("%(customer)s is added.") % {"customer": made})
        return redirect("customer", made.pk)
    context = {"form": form, "customer": None}
    return render(request, "pages/customer_form.html", context, status=422 if form.errors else 200)


@page(view=MANAGE, change=MANAGE)
def edit(request: PageRequest, pk: int) -> HttpResponse:
    """Change a customer."""
    with transaction.atomic():
        own = find(request, Customer, pk)
        if request.method == "POST":
            own = Customer.objects.select_for_update().get(pk=pk)
        current = {name: getattr(own, name) for name in _FIELDS}
        form = CustomerForm(request.POST or None, request=request, own=own, current=current)
        if request.method == "POST" and form.is_valid():
            change(own, form.values, who(request), "customers.changed")
            messages.success(request, _("%(customer)s is saved.") % {"customer": own})
            return redirect("customer", own.pk)
    context = {"form": form, "customer": own}
    return render(request, "pages/customer_form.html", context, status=422 if form.errors else 200)


class MoveForm(forms.Form):
    """Who has a point from a day on."""

    day = date_field(
        label=gettext_lazy("From the day"),
        help_text=gettext_lazy(
            "It begins where days begin in reports and bills; who had the point before has it until then."
        ),
    )
    what = forms.ChoiceField(
        label=gettext_lazy("What happens"),
        choices=[
            ("in", gettext_lazy("Somebody moves in")),
            ("out", gettext_lazy("Moves out, nobody moves in")),
        ],
        widget=forms.RadioSelect,
        initial="in",
    )
    number = forms.CharField(
        label=gettext_lazy("Customer number of who moves in"),
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("Only for a number that is new: the customer is then added."),
    )

    def __init__(self, *args: Any, request: PageRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request
        self.zone = zone_of(request.utility.day_borders)
        self.customer: Customer | None = None
        self.is_new = False

    def clean_day(self) -> date:
        """A day that has begun: what a meter will stand at later nobody knows."""
        day: date = self.cleaned_data["day"]
        if beginning_of(day, self.zone) > datetime.now(UTC):
            raise forms.ValidationError(_("This is in the future. Enter it on the day, or afterwards."))
        return day

    def clean(self) -> dict[str, Any]:
        """Find who moves in."""
        data = super().clean() or {}
        if data.get("what") != "in":
            return data
        number = str(data.get("number", "")).strip()
        if not number:
            self.add_error("number", _("Who moves in?"))
            return data
        self.customer = rows(self._request, Customer).filter(number=number).first()
        self.is_new = self.customer is None
        if self.is_new and not data.get("name"):
            self.add_error("name", _("There is no customer with this number. Give the name to add one."))
        return data


def standings(point: MeteringPoint, at: datetime) -> list[tuple[Meter, list[tuple[Standing, str]]]]:
    """What the meters that sat at ``point`` at ``at`` stood at, each counter with how that is known in words."""
    there = point.installations.filter(from_at__lte=at).exclude(to_at__lt=at).select_related("meter")
    found = []
    for one in there.order_by("role", "from_at"):
        codes = [new.register.code for new in latest(one.meter_id) if new.register.code in BILLED]
        stood = [standing(one.meter_id, code, at) for code in codes]
        found.append((one.meter, [(each, str(HOW[each.how])) for each in stood]))
    return found


@page(view=MANAGE, change=MANAGE)
def move(request: PageRequest, pk: int) -> HttpResponse:
    """Somebody moves in or out: ask, show what the meters stood at on the day, then do it."""
    point = find(request, MeteringPoint, pk)
    form = MoveForm(
        request.POST or None, request=request, initial={"day": formats.local(datetime.now(UTC)).date()}
    )
    here = point.occupancies.select_related("customer").filter(to_at=None).first()
    context: dict[str, Any] = {"point": point, "form": form, "here": here, "checked": False}
    if request.method == "POST" and request.POST.get("undo") == "1":
        if meter_points.undo_move(point, who(request)):
            messages.success(request, _("The latest moving is taken back."))
        return redirect("point", point.pk)
    if request.method == "POST" and form.is_valid():
        at = beginning_of(form.cleaned_data["day"], form.zone)
        if request.POST.get("confirmed") == "1":
            try:
                with transaction.atomic():
                    customer = form.customer
                    if form.is_new and form.cleaned_data["what"] == "in":
                        values = {
                            "number": form.cleaned_data["number"].strip(),
                            "name": form.cleaned_data["name"],
                        }
                        customer = meter_points.create(Customer, request.utility, values, who(request))
                    meter_points.move(point, customer, at, who(request))
            except meter_points.NotThen as problem:
                form.add_error(
                    "day",
                    _("The point changed hands on %(day)s; choose a later day, or take that back first.")
                    % {"day": formats.day(problem.began_at.astimezone(form.zone).date())},
                )
            else:
                messages.success(request, _("%(point)s has changed hands.") % {"point": point})
                return redirect("point", point.pk)
        else:
            context |= {"checked": True, "at": at, "standings": standings(point, at), "registers": BY_CODE}
    return render(request, "pages/point_move.html", context, status=422 if form.errors else 200)
