"""Metering points, customers, and who has which point from when to when."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpResponse
from ninja import Schema, Status
from pydantic import AfterValidator, Field

from avlas.meters import points as meter_points
from avlas.meters.changes import change
from avlas.meters.models import Customer, Installation, MeteringPoint, Occupancy
from avlas.web.api.access import ApiRequest, Token, find, mine, router, who
from avlas.web.api.meters import past
from avlas.web.api.problems import conflict, wrong
from avlas.web.api.shapes import (
    AS_IT_IS,
    Change,
    Closed,
    Limit,
    Moment,
    Number,
    check_version,
    line,
    page,
    place,
    version,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

routes = router("Metering points")
customer_routes = router("Customers")
READ, WRITE = Token("meters:read"), Token("meters:write")
READ_CUSTOMERS, WRITE_CUSTOMERS = Token("customers:read"), Token("customers:write")
FacilityId = Annotated[str, line(40, least=1)]
Street = Annotated[str, line(200)]
PostalCode = Annotated[str, line(12)]
City = Annotated[str, line(80)]
PropertyName = Annotated[str, line(120)]
Latitude = Annotated[float, Field(ge=53, le=72, description="WGS 84, degrees; within the Nordic countries")]
Longitude = Annotated[float, Field(ge=4, le=33, description="WGS 84, degrees; within the Nordic countries")]
CustomerNumber = Annotated[str, line(40, least=1)]
Name = Annotated[str, line(200)]
Phone = Annotated[str, line(40)]
POINT_DATA: Final = ("facility_id", "address", "postal_code", "city", "district", "property_name", "latitude",
                     "longitude")  # fmt: skip
CUSTOMER_DATA: Final = ("number", "name", "email", "phone")


def _email(written: str) -> str:
    try:
        validate_email(written)
    except ValidationError as problem:
        raise ValueError("is no e-mail address") from problem
    return written


Email = Annotated[str, line(254), AfterValidator(_email), Field(json_schema_extra={"format": "email"})]


class MeterHere(Schema):
    """A meter that sits at a point now."""

    meter_id: int
    manufacturer: str
    serial: str
    medium: str
    role: str
    since: datetime


class PointOut(Schema):
    """A place where energy or water is delivered. How to get in is never told over the API."""

    id: int
    facility_id: str
    address: str
    postal_code: str
    city: str
    district: str
    property_name: str
    latitude: float | None
    longitude: float | None
    meters: list[MeterHere]


class PointsOut(Schema):
    """A part of the list; ``next`` is the cursor of what follows, null at the end."""

    items: list[PointOut]
    next: str | None


class PointIn(Closed):
    """A new metering point."""

    facility_id: FacilityId
    address: Street = ""
    postal_code: PostalCode = ""
    city: City = ""
    district: City = ""
    property_name: PropertyName = ""
    latitude: Latitude | None = None
    longitude: Longitude | None = None


class PointChange(Change):
    """What is to become of a metering point."""

    facility_id: FacilityId = AS_IT_IS
    address: Street = AS_IT_IS
    postal_code: PostalCode = AS_IT_IS
    city: City = AS_IT_IS
    district: City = AS_IT_IS
    property_name: PropertyName = AS_IT_IS
    latitude: Latitude | None = None
    longitude: Longitude | None = None


class CustomerOut(Schema):
    """A customer."""

    id: int
    number: str
    name: str
    email: str
    phone: str


class CustomersOut(Schema):
    """A part of the list; ``next`` is the cursor of what follows, null at the end."""

    items: list[CustomerOut]
    next: str | None


class CustomerIn(Closed):
    """A new customer."""

    number: CustomerNumber
    name: Name = ""
    email: Email | None = None
    phone: Phone = ""


class CustomerChange(Change):
    """What is to become of a customer; ``email`` null: none is known."""

    number: CustomerNumber = AS_IT_IS
    name: Name = AS_IT_IS
    email: Email | None = None
    phone: Phone = AS_IT_IS


class OccupancyOut(Schema):
    """Which customer has a point from when to when; ``until`` null: still there."""

    point_id: int
    facility_id: str
    customer_id: int
    customer_number: str
    since: datetime
    until: datetime | None


class OccupanciesOut(Schema):
    """All of them, newest first."""

    items: list[OccupancyOut]


class MoveIn(Closed):
    """Who has the point from ``at`` (now if left out) on; null: nobody."""

    customer_id: Number | None
    at: Moment | None = None


def shown(points: Sequence[MeteringPoint]) -> list[PointOut]:
    """Points with the meters that sit there now."""
    here: dict[int, list[MeterHere]] = {}
    sitting = Installation.objects.filter(point__in=[one.pk for one in points], to_at=None)
    for one in sitting.select_related("meter").order_by("role", "pk"):
        here.setdefault(one.point_id, []).append(
            MeterHere(
                meter_id=one.meter_id,
                manufacturer=one.meter.manufacturer,
                serial=one.meter.serial,
                medium=one.meter.medium,
                role=one.role,
                since=one.from_at,
            )
        )
    return [
        PointOut(
            id=point.pk, **{name: getattr(point, name) for name in POINT_DATA}, meters=here.get(point.pk, [])
        )
        for point in points
    ]


def _point(response: HttpResponse, point: MeteringPoint) -> PointOut:
    response["ETag"] = version(point, POINT_DATA)
    return shown([point])[0]


@routes.get("/points", auth=READ, response=PointsOut, summary="List metering points")
def list_points(
    request: ApiRequest,
    cursor: str | None = None,
    limit: Limit = 100,
    facility_id: Annotated[str, line(40)] = "",
    q: Annotated[str, line(100), Field(description="part of facility id, address, town or property")] = "",
) -> PointsOut:
    """The utility's metering points, each with the meters that sit there now."""
    found = mine(request, MeteringPoint)
    if facility_id:
        found = found.filter(facility_id=facility_id)
    if q:
        found = found.filter(
            Q(facility_id__icontains=q)
            | Q(address__icontains=q)
            | Q(city__icontains=q)
            | Q(property_name__icontains=q)
        )
    if after := place(cursor, int):
        found = found.filter(pk__gt=after[0])
    some, follows = page(found.order_by("pk")[: limit + 1], limit, lambda point: (point.pk,))
    return PointsOut(items=shown(some), next=follows)


@routes.post("/points", auth=WRITE, response={201: PointOut}, summary="Add a metering point")
def add_point(request: ApiRequest, response: HttpResponse, body: PointIn) -> Status[PointOut]:
    """Add a metering point. Its facility id must be free."""
    _whole_position(body.latitude, body.longitude)
    values = {name: getattr(body, name) for name in POINT_DATA}
    try:
        made = meter_points.create(MeteringPoint, request.auth.utility, values, who(request))
    except IntegrityError as problem:
        raise _facility_taken() from problem
    return Status(201, _point(response, made))


@routes.get("/points/{pk}", auth=READ, response=PointOut, summary="One metering point")
def get_point(request: ApiRequest, response: HttpResponse, pk: Number) -> PointOut:
    """One metering point; the ETag is its version."""
    return _point(response, find(request, MeteringPoint, pk, "metering point"))


@routes.patch("/points/{pk}", auth=WRITE, response=PointOut, summary="Change a metering point")
def change_point(request: ApiRequest, response: HttpResponse, pk: Number, body: PointChange) -> PointOut:
    """Change a metering point. With If-Match it is refused (412) when it was changed meanwhile."""
    with transaction.atomic():
        own = find(request, MeteringPoint, pk, "metering point")
        own = MeteringPoint.objects.select_for_update().get(pk=own.pk)
        check_version(request, version(own, POINT_DATA))
        values = body.values
        _whole_position(values.get("latitude", own.latitude), values.get("longitude", own.longitude))
        _save(own, values, request, "points.changed", _facility_taken)
    own.refresh_from_db()
    return _point(response, own)


@routes.get(
    "/points/{pk}/customers", auth=READ_CUSTOMERS, response=OccupanciesOut, summary="Who has had a point"
)
def list_occupancies(request: ApiRequest, pk: Number) -> OccupanciesOut:
    """Which customers have or had a metering point."""
    own = find(request, MeteringPoint, pk, "metering point")
    return _occupancies(own.occupancies)


@routes.post(
    "/points/{pk}/move", auth=WRITE_CUSTOMERS, response=OccupanciesOut, summary="Somebody moves in or out"
)
def move(request: ApiRequest, pk: Number, body: MoveIn) -> OccupanciesOut:
    """Let a customer have the point from a moment on; whoever had it has it until then."""
    own = find(request, MeteringPoint, pk, "metering point")
    customer = None
    if body.customer_id is not None:
        customer = mine(request, Customer).filter(pk=body.customer_id).first()
        if customer is None:
            raise wrong("body.customer_id", "There is no such customer.")
    try:
        meter_points.move(own, customer, past(body.at), who(request))
    except meter_points.NotThen as problem:
        raise conflict(
            f"The point changed hands at {problem.began_at.isoformat()} already; choose a later moment.",
            "changed_hands",
        ) from problem
    return _occupancies(own.occupancies)


@customer_routes.get("/customers", auth=READ_CUSTOMERS, response=CustomersOut, summary="List customers")
def list_customers(
    request: ApiRequest,
    cursor: str | None = None,
    limit: Limit = 100,
    number: Annotated[str, line(40)] = "",
    q: Annotated[str, line(100), Field(description="part of number, name or e-mail address")] = "",
) -> CustomersOut:
    """The utility's customers."""
    found = mine(request, Customer)
    if number:
        found = found.filter(number=number)
    if q:
        found = found.filter(Q(number__icontains=q) | Q(name__icontains=q) | Q(email__icontains=q))
    if after := place(cursor, int):
        found = found.filter(pk__gt=after[0])
    some, follows = page(found.order_by("pk")[: limit + 1], limit, lambda one: (one.pk,))
    return CustomersOut(items=[_customer_out(one) for one in some], next=follows)


@customer_routes.post(
    "/customers", auth=WRITE_CUSTOMERS, response={201: CustomerOut}, summary="Add a customer"
)
def add_customer(request: ApiRequest, response: HttpResponse, body: CustomerIn) -> Status[CustomerOut]:
    """Add a customer. The number must be free."""
    values = {name: getattr(body, name) or "" for name in CUSTOMER_DATA}
    try:
        made = meter_points.create(Customer, request.auth.utility, values, who(request))
    except IntegrityError as problem:
        raise _number_taken() from problem
    return Status(201, _customer(response, made))


@customer_routes.get("/customers/{pk}", auth=READ_CUSTOMERS, response=CustomerOut, summary="One customer")
def get_customer(request: ApiRequest, response: HttpResponse, pk: Number) -> CustomerOut:
    """One customer; the ETag is its version."""
    return _customer(response, find(request, Customer, pk, "customer"))


@customer_routes.patch(
    "/customers/{pk}", auth=WRITE_CUSTOMERS, response=CustomerOut, summary="Change a customer"
)
def change_customer(
    request: ApiRequest, response: HttpResponse, pk: Number, body: CustomerChange
) -> CustomerOut:
    """Change a customer. With If-Match it is refused (412) when it was changed meanwhile."""
    with transaction.atomic():
        own = find(request, Customer, pk, "customer")
        own = Customer.objects.select_for_update().get(pk=own.pk)
        check_version(request, version(own, CUSTOMER_DATA))
        values = {name: value or "" for name, value in body.values.items()}
        _save(own, values, request, "customers.changed", _number_taken)
    own.refresh_from_db()
    return _customer(response, own)


@customer_routes.get(
    "/customers/{pk}/points", auth=READ_CUSTOMERS, response=OccupanciesOut, summary="A customer's points"
)
def list_points_of_customer(request: ApiRequest, pk: Number) -> OccupanciesOut:
    """Which metering points a customer has or had."""
    own = find(request, Customer, pk, "customer")
    return _occupancies(own.occupancies)


def _occupancies(found: Any) -> OccupanciesOut:
    rows: list[Occupancy] = list(found.select_related("point", "customer").order_by("-from_at", "-pk"))
    return OccupanciesOut(
        items=[
            OccupancyOut(
                point_id=one.point_id,
                facility_id=one.point.facility_id,
                customer_id=one.customer_id,
                customer_number=one.customer.number,
                since=one.from_at,
                until=one.to_at,
            )
            for one in rows
        ]
    )


def _customer_out(one: Customer) -> CustomerOut:
    return CustomerOut(id=one.pk, **{name: getattr(one, name) for name in CUSTOMER_DATA})


def _customer(response: HttpResponse, one: Customer) -> CustomerOut:
    response["ETag"] = version(one, CUSTOMER_DATA)
    return _customer_out(one)


def _save(
    own: MeteringPoint | Customer, values: dict[str, Any], request: ApiRequest, event: str, taken: Any
) -> None:
    try:
        with transaction.atomic():
            change(own, values, who(request), event)
    except IntegrityError as problem:
        raise taken() from problem


def _whole_position(latitude: float | None, longitude: float | None) -> None:
    if (latitude is None) != (longitude is None):
        raise wrong("body.latitude", "Both coordinates are needed, or none.")


def _facility_taken() -> Exception:
    return conflict("There is a metering point with this facility id already.", "taken")


def _number_taken() -> Exception:
    return conflict("There is a customer with this number already.", "taken")
