"""What the list of customers can show of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from avlas.meters.models import Customer, MeteringPoint, Occupancy
from avlas.web.list_columns import Column, Elsewhere

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.utils.safestring import SafeString

    from avlas.web.list_columns import Icon

_POINTS_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Supplied:
    """A customer and the metering points it has now, by facility id."""

    customer: Customer
    points: list[MeteringPoint]

    @property
    def pk(self) -> int:
        """The customer's number in the tables."""
        return self.customer.pk

    @property
    def title(self) -> str:
        """The customer's name, or its number."""
        return self.customer.name or self.customer.number

    @property
    def address(self) -> str:
        """The customer's page."""
        return reverse("customer", args=[self.customer.pk])


def fetch(ids: Sequence[int]) -> list[Supplied]:
    """What is known of the customers with these numbers, in this order; those not there are left out."""
    customers = Customer.objects.in_bulk(ids)
    points: dict[int, list[MeteringPoint]] = {}
    now = Occupancy.objects.filter(customer__in=ids, to_at=None)
    for one in now.select_related("point").order_by("point__facility_id"):
        points.setdefault(one.customer_id, []).append(one.point)
    return [Supplied(customers[pk], points.get(pk, [])) for pk in ids if pk in customers]


def _points(one: Supplied, _icon: Icon) -> SafeString | str:
    if not one.points:
        return format_html('<span class="muted">{}</span>', _now("none"))
    more = " …" if len(one.points) > _POINTS_SHOWN else ""
    return ", ".join(str(point) for point in one.points[:_POINTS_SHOWN]) + more


COLUMNS: Final[tuple[Column[Supplied], ...]] = (
    Column("number", _("Customer number"), lambda one: one.customer.number, css="mono"),
    Column("name", _("Name"), lambda one: one.customer.name, lambda one, _icon: one.title),
    Column("email", _("E-mail"), lambda one: one.customer.email, narrow=False),
    Column("phone", _("Phone"), lambda one: one.customer.phone, css="nowrap", narrow=False),
    Column(
        "points",
        _("Metering points now"),
        lambda one: ", ".join(point.facility_id for point in one.points),
        _points,
        css="full",
    ),
    Column("addresses", _("Addresses"), lambda one: ", ".join(point.address for point in one.points)),
)
STANDARD: Final = ("name", "number", "points", "phone", "email")
_POINTS: Final = (
    "SELECT o.customer_id FROM meters_meteringpoint p JOIN meters_occupancy o ON o.point_id = p.id AND o.to_at IS NULL"
    " WHERE p.utility_id = %s AND ({test})"
)
SEARCHED: Final[dict[str, tuple[str, ...] | Elsewhere]] = {
    "number": ("number",),
    "name": ("name",),
    "email": ("email",),
    "phone": ("phone",),
    "points": Elsewhere(_POINTS, ("p.search_text",)),
}
IN_ALL: Final = ("search_text", "email", "phone")
SORTS: Final = {"name": ("name_order",), "number": ("number",)}
