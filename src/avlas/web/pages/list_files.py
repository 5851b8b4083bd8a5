"""The lists of metering points and customers as files: all rows that fit the search, in its order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _

from avlas.meters.models import Customer, Installation, MeteringPoint, Occupancy
from avlas.web.table_files import FILE_KINDS, table_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.models import QuerySet
    from django.http import HttpResponse

    from avlas.web.pages.access import PageRequest
    from avlas.web.table_files import Cell

_AT_ONCE: Final = 2000


def asked_kind(request: PageRequest) -> str:
    """The kind of file the address asks for ("csv", "xlsx"), "" for the page itself."""
    kind = request.GET.get("file", "")
    return kind if kind in FILE_KINDS else ""


def _pieces(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]


def point_file(request: PageRequest, kind: str, found: QuerySet[MeteringPoint]) -> HttpResponse:
    """Metering points with who has them and what measures there. What is for a visit only stays out."""

    def lines() -> Iterator[list[Cell]]:
        for ids in _pieces(list(found.values_list("pk", flat=True))):
            points = MeteringPoint.objects.in_bulk(ids)
            has = {one.point_id: one.customer for one in
                   Occupancy.objects.filter(point__in=ids, to_at=None).select_related("customer")}  # fmt: skip
            meters: dict[int, list[str]] = {}
            for one in Installation.objects.filter(point__in=ids, to_at=None).select_related("meter"):
                meters.setdefault(one.point_id, []).append(str(one.meter))
            for pk in ids:
                if point := points.get(pk):
                    customer = has.get(pk)
                    yield [
                        point.facility_id, point.address, point.postal_code, point.city, point.district,
                        point.property_name, point.latitude, point.longitude, customer.number if customer else "",
                        customer.name if customer else "", ", ".join(sorted(meters.get(pk, []))),
                    ]  # fmt: skip

    headings = [
        _("Facility id"), _("Address"), _("Postal code"), _("City"), _("District"), _("Property name"),
        _("Latitude (WGS 84)"), _("Longitude (WGS 84)"), _("Customer number"), _("Customer"), _("Meters"),
    ]  # fmt: skip
    return table_file(request, kind, _("metering-points"), headings, lines())


def customer_file(request: PageRequest, kind: str, found: QuerySet[Customer]) -> HttpResponse:
    """Customers with the metering points they have now."""

    def lines() -> Iterator[list[Cell]]:
        for ids in _pieces(list(found.values_list("pk", flat=True))):
            customers = Customer.objects.in_bulk(ids)
            points: dict[int, list[MeteringPoint]] = {}
            for one in Occupancy.objects.filter(customer__in=ids, to_at=None).select_related("point"):
                points.setdefault(one.customer_id, []).append(one.point)
            for pk in ids:
                if customer := customers.get(pk):
                    here = sorted(points.get(pk, []), key=lambda point: point.facility_id)
                    yield [
                        customer.number, customer.name, customer.email, customer.phone,
                        ", ".join(point.facility_id for point in here), ", ".join(point.address for point in here),
                    ]  # fmt: skip

    headings = [
        _("Customer number"), _("Name"), _("E-mail"), _("Phone"), _("Metering points now"), _("Addresses"),
    ]  # fmt: skip
    return table_file(request, kind, _("customers"), headings, lines())
