"""What the list of metering points can show of each. What is for a visit only stays out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from avlas.meters.models import Customer, Installation, MeteringPoint, Occupancy, PointPart
from avlas.web import formats, words
from avlas.web.list_columns import Column, Elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.utils.safestring import SafeString

    from avlas.web.list_columns import Icon


@dataclass(frozen=True, slots=True)
class Placed:
    """A metering point, what measures there now and who has it."""

    point: MeteringPoint
    meters: list[Installation]
    customer: Customer | None
    virtual: bool

    @property
    def pk(self) -> int:
        """The point's number."""
        return self.point.pk

    @property
    def title(self) -> str:
        """The point's address, or its facility id."""
        return str(self.point)

    @property
    def address(self) -> str:
        """The point's page."""
        return reverse("point", args=[self.point.pk])


def fetch(ids: Sequence[int]) -> list[Placed]:
    """What is known of the points with these numbers, in this order; those not there are left out."""
    points = MeteringPoint.objects.in_bulk(ids)
    meters: dict[int, list[Installation]] = {}
    now = Installation.objects.filter(point__in=ids, to_at=None)
    for one in now.select_related("meter").order_by("role", "pk"):
        meters.setdefault(one.point_id, []).append(one)
    occupied = Occupancy.objects.filter(point__in=ids, to_at=None).select_related("customer")
    customers = {one.point_id: one.customer for one in occupied}
    virtual = set(PointPart.objects.filter(whole__in=ids).values_list("whole", flat=True))
    return [
        Placed(points[pk], meters.get(pk, []), customers.get(pk), pk in virtual) for pk in ids if pk in points
    ]


def _customer(one: Placed, _icon: Icon) -> SafeString | str:
    if one.customer is None:
        return format_html('<span class="muted">{}</span>', _now("no customer"))
    return one.customer.name or one.customer.number


def _icon_of(there: Installation, icon: Icon) -> SafeString:
    return icon(words.MEDIUM_ICONS.get(there.meter.medium, "meter"))


def _meters(one: Placed, icon: Icon) -> SafeString:
    if one.meters:
        return format_html_join(
            " ",
            '<span class="medium" title="{}">{}<span class="mono">{}</span></span>',
            ((there.get_role_display(), _icon_of(there, icon), there.meter.serial) for there in one.meters),
        )
    if one.virtual:
        return format_html('<span class="tag">{}</span>', _now("virtual"))
    return format_html('<span class="muted">{}</span>', _now("no meter"))


def _degrees(name: str) -> Callable[[Placed, Icon], str]:
    def shown(one: Placed, _icon: Icon) -> str:
        value: float | None = getattr(one.point, name)
        return "" if value is None else formats.number(value, 5)

    return shown


COLUMNS: Final[tuple[Column[Placed], ...]] = (
    Column("facility", _("Facility id"), lambda one: one.point.facility_id, css="mono"),
    Column(
        "address",
        _("Address"),
        lambda one: one.point.address,
        lambda one, _icon: one.point.address or one.point.facility_id,
        css="full",
    ),
    Column("postal_code", _("Postal code"), lambda one: one.point.postal_code, css="nowrap"),
    Column("city", _("City"), lambda one: one.point.city, css="nowrap"),
    Column("district", _("District"), lambda one: one.point.district),
    Column("property", _("Property name"), lambda one: one.point.property_name),
    Column(
        "latitude", _("Latitude (WGS 84)"), lambda one: one.point.latitude, _degrees("latitude"), css="figure"
    ),
    Column(
        "longitude",
        _("Longitude (WGS 84)"),
        lambda one: one.point.longitude,
        _degrees("longitude"),
        css="figure",
    ),
    Column("customer_number", _("Customer number"), lambda one: one.customer.number if one.customer else ""),
    Column(
        "customer",
        _("Customer"),
        lambda one: one.customer.name if one.customer else "",
        _customer,
        css="full",
    ),
    Column(
        "meters",
        _("Meters"),
        lambda one: ", ".join(sorted(str(there.meter) for there in one.meters)),
        _meters,
        css="full",
    ),
)
STANDARD: Final = ("address", "postal_code", "city", "facility", "customer", "meters")
_CUSTOMERS: Final = (
    "SELECT o.point_id FROM meters_customer k JOIN meters_occupancy o ON o.customer_id = k.id AND o.to_at IS NULL"
    " WHERE k.utility_id = %s AND ({test})"
)
_METERS: Final = (
    "SELECT i.point_id FROM meters_meter m JOIN meters_installation i ON i.meter_id = m.id AND i.to_at IS NULL"
    " WHERE m.utility_id = %s AND ({test})"
)
SEARCHED: Final[dict[str, tuple[str, ...] | Elsewhere]] = {
    "facility": ("facility_id",),
    "address": ("address",),
    "postal_code": ("postal_code",),
    "city": ("city",),
    "district": ("district",),
    "property": ("property_name",),
    "customer": Elsewhere(_CUSTOMERS, ("k.search_text",)),
    "meters": Elsewhere(_METERS, ("m.search_text",)),
}
IN_ALL: Final = ("search_text", "district", "property_name")
SORTS: Final = {
    "address": ("address_order",),
    "postal_code": ("postal_code",),
    "city": ("city_order", "address_order"),
    "district": ("district_order", "address_order"),
    "facility": ("facility_id",),
}
