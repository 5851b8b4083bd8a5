"""Metering points: the list, one point through time, adding and changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.db import connection, transaction
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters import column_store
from avlas.meters import points as meter_points
from avlas.meters.changes import change
from avlas.meters.models import Installation, MeteringPoint
from avlas.reports.calc.sweref import SYSTEMS
from avlas.reports.consumption import spans_of_point
from avlas.reports.latest import latest
from avlas.reports.virtual_use import newest_of, parts_of
from avlas.system.models import Permission
from avlas.web import point_columns
from avlas.web.consumption_shown import consumption_of
from avlas.web.pages.access import PageRequest, find, page, rows
from avlas.web.pages.edited import EditForm
from avlas.web.pages.listed import Listed
from avlas.web.pages.meter_edit import MANAGE, who
from avlas.web.pages.photos import newest as newest_photos
from avlas.web.pages.position import WGS84, PositionForm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpResponse

VISIT: Final = ("door_code", "key_place", "contact", "warning")
"""For who goes there; never shown without the permission to manage devices and customers."""


class PointForm(PositionForm, EditForm):
    """A metering point."""

    facility_id = forms.CharField(label=gettext_lazy("Facility id"), max_length=40)
    address = forms.CharField(label=gettext_lazy("Address"), max_length=200, required=False)
    postal_code = forms.CharField(label=gettext_lazy("Postal code"), max_length=12, required=False)
    city = forms.CharField(label=gettext_lazy("City"), max_length=80, required=False)
    district = forms.CharField(label=gettext_lazy("District"), max_length=80, required=False)
    property_name = forms.CharField(
        label=gettext_lazy("Property name"),
        max_length=120,
        required=False,
        help_text=gettext_lazy("As in the land register, for example Ekorren 7."),
    )
    door_code = forms.CharField(label=gettext_lazy("Door code"), max_length=40, required=False)
    key_place = forms.CharField(label=gettext_lazy("Where the key is"), max_length=120, required=False)
    contact = forms.CharField(
        label=gettext_lazy("Contact on site"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("Caretaker, telephone, hours."),
    )
    warning = forms.CharField(
        label=gettext_lazy("Warning"),
        max_length=300,
        required=False,
        help_text=gettext_lazy("What endangers who goes there: dog, low ceiling, live parts."),
    )

    def __init__(
        self, *args: Any, request: PageRequest, own: MeteringPoint | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._request, self._own = request, own

    def clean_facility_id(self) -> str:
        """An id that is not taken."""
        name: str = self.cleaned_data["facility_id"].strip()
        there = rows(self._request, MeteringPoint).filter(facility_id=name)
        if self._own is not None:
            there = there.exclude(pk=self._own.pk)
        if there.exists():
            raise forms.ValidationError(_("There is a metering point with this facility id already."))
        return name

    @property
    def row_values(self) -> dict[str, Any]:
        """What the valid form says, as the point's columns."""
        values = self.values
        for name in ("system", "north", "east"):
            values.pop(name)
        latitude, longitude = self.position or (None, None)
        return values | {"latitude": latitude, "longitude": longitude}


_TEXTS: Final = tuple(
    name for name in PointForm.base_fields if name not in ("seen", "system", "north", "east")
)


def current_values(own: MeteringPoint) -> dict[str, Any]:
    """The point as its form shows it."""
    return {name: getattr(own, name) for name in _TEXTS} | {
        "system": WGS84, "north": own.latitude, "east": own.longitude,
    }  # fmt: skip


def _meters_at(request: PageRequest, ids: Sequence[int]) -> list[int]:
    """The meters that sit at these points now."""
    test, numbers = column_store.among(connection, "meters_installation.point_id", ids)
    there = Installation.objects.filter(to_at=None, point__utility=request.utility)
    found = there.extra(where=[test], params=[numbers])  # noqa: S610  # a fixed text; the numbers are a parameter
    return list(found.order_by("meter_id").values_list("meter_id", flat=True))


_LIST: Final = Listed(
    name="point",
    address="points",
    act="points_act",
    page_template="pages/points.html",
    empty="pages/points_none.html",
    columns=point_columns.COLUMNS,
    standard=point_columns.STANDARD,
    searched=point_columns.SEARCHED,
    in_all=point_columns.IN_ALL,
    sorts=point_columns.SORTS,
    sort="address",
    rows=lambda request, _query: rows(request, MeteringPoint),
    fetch=point_columns.fetch,
    file_name=gettext_lazy("metering-points"),
    caption=gettext_lazy("Metering points"),
    selected=gettext_lazy("Metering points selected:"),
    exported=gettext_lazy("The ticked metering points, or all in the list when none is ticked."),
    meters=_meters_at,
)


@page()
def points(request: PageRequest) -> HttpResponse:
    """The list of metering points."""
    return _LIST.page(request)


@page(change=Permission.DATA_ACCESS)
def act(request: PageRequest) -> HttpResponse:
    """Do to the chosen metering points, or the meters there, what the button pressed says."""
    return _LIST.deed(request) if request.method == "POST" else redirect("points")


@page()
def point(request: PageRequest, pk: int) -> HttpResponse:
    """One metering point: where it is, its meters and customers through time, its consumption across them."""
    own = find(request, MeteringPoint, pk)
    installations = list(own.installations.select_related("meter").order_by("-from_at"))
    spans, parts = spans_of_point(own.pk), parts_of(own)
    main = next((one for one in installations if one.role == Installation.MAIN), None)
    newest = newest_of(parts) if parts else latest(main.meter_id) if main else []
    plane = None
    if own.latitude is not None and own.longitude is not None:
        plane = SYSTEMS["SWEREF 99 TM"].to_plane(own.latitude, own.longitude)
    occupancies = list(own.occupancies.select_related("customer").order_by("-from_at"))
    context: dict[str, Any] = {
        "point": own,
        "installations": installations,
        "occupancies": occupancies,
        "customer": next((one.customer for one in occupancies if one.to_at is None), None),
        "plane": plane,
        "degrees": _degrees(own),
        "visit": any(getattr(own, name) for name in VISIT),
        "parts": list(own.parts.select_related("part").order_by("-sign", "pk")),
        "photos": newest_photos(request, point=own),
        "part_of": list(own.part_of.select_related("whole").order_by("pk")),
        "has_main": any(one.to_at is None and one.role == Installation.MAIN for one in installations),
    }
    if (parts or spans) and newest:
        context |= consumption_of(request, spans, newest, reverse("point", args=[own.pk]), parts=parts) | {
            "report": reverse("point_report", args=[own.pk]),
            "report_send": reverse("point_report_send", args=[own.pk]),
        }
    return render(request, "pages/point.html", context)


def _degrees(own: MeteringPoint) -> str:
    """Latitude and longitude as maps take them."""
    if own.latitude is None or own.longitude is None:
        return ""
    return f"{own.latitude:.6f}, {own.longitude:.6f}"


@page(view=MANAGE, change=MANAGE)
def add(request: PageRequest) -> HttpResponse:
    """Make a metering point."""
    form = PointForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        made = meter_points.create(MeteringPoint, request.utility, form.row_values, who(request))
        messages.success(request, _("%(point)s is added.") % {"point": made})
        return redirect("point", made.pk)
    return render(
        request, "pages/point_form.html", {"form": form, "point": None}, status=422 if form.errors else 200
    )


@page(view=MANAGE, change=MANAGE)
def edit(request: PageRequest, pk: int) -> HttpResponse:
    """Change a metering point."""
    with transaction.atomic():
        own = find(request, MeteringPoint, pk)
        if request.method == "POST":
            own = MeteringPoint.objects.select_for_update().get(pk=pk)
        form = PointForm(request.POST or None, request=request, own=own, current=current_values(own))
        if request.method == "POST" and form.is_valid():
            change(own, form.row_values, who(request), "points.changed")
            messages.success(request, _("%(point)s is saved.") % {"point": own})
            return redirect("point", own.pk)
    return render(
        request, "pages/point_form.html", {"form": form, "point": own}, status=422 if form.errors else 200
    )
