"""Meters: found, added, changed, installed, taken down, taken out of use."""

from __future__ import annotations

from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from django.db import transaction
from django.db.models import Q
from django.http import HttpResponse
from ninja import Schema, Status
from pydantic import Field

from avlas.meters import groups, installing
from avlas.meters.changes import change
from avlas.meters.models import Installation, Meter, MeteringPoint, MeterState
from avlas.web.api.access import ApiRequest, Token, find, mine, router, who
from avlas.web.api.problems import Refused, conflict, wrong
from avlas.web.api.shapes import (
    AS_IT_IS,
    Change,
    Closed,
    Limit,
    Moment,
    Number,
    Reason,
    check_version,
    line,
    lines,
    page,
    place,
    version,
)
from avlas.web.pages.meter_edit import impossible

if TYPE_CHECKING:
    from collections.abc import Sequence

routes = router("Meters")
READ, WRITE = Token("meters:read"), Token("meters:write")
Role = Literal["main", "sub", "control"]
Maker = Annotated[str, line(3, least=3, pattern="^[A-Z]{3}$")]
Serial = Annotated[str, line(20, least=1, pattern="^[0-9A-Za-z./-]+$")]
Identifier = Annotated[
    str,
    line(8, pattern="^([0-9]{8})?$"),
    Field(description="eight digits in radio telegrams; empty: the serial number, if it has eight digits"),
]
Medium = Literal["", "heat", "cooling", "heat/cooling", "water", "warm water", "cold water", "hot water",
                 "electricity", "gas", "pressure", "other"]  # fmt: skip
FlowRate = Annotated[float, Field(ge=0.01, le=10_000, description="qp or Q3, m³/h")]
PulseValue = Annotated[float, Field(ge=0.0001, le=100_000, description="litres per pulse")]
Year = Annotated[int, Field(ge=1950, le=2100)]
Model = Annotated[str, line(60)]
Pipe = Literal["", "flow", "return"]
Accuracy = Annotated[str, line(20)]
Seals = Annotated[str, line(200)]
Note = Annotated[str, lines(2000)]
MASTER_DATA: Final = ("manufacturer", "serial", "model", "medium", "qp_m3h", "mounted_in", "litres_per_pulse",
                      "accuracy_class", "manufactured_year", "revision_due", "seals", "note")  # fmt: skip


class Placed(Schema):
    """Where a meter sits now."""

    point_id: int
    facility_id: str
    address: str
    role: str
    since: datetime


class AddressOut(Schema):
    """How a meter is found on one road. ``contested``: another utility claims it too."""

    road: str
    identifier: str
    contested: bool


class MeterOut(Schema):
    """A meter. ``qp_m3h`` in m³/h; ``slot_seconds``: one reading is kept for each so many seconds."""

    id: int
    manufacturer: str
    serial: str
    model: str
    medium: str
    slot_seconds: int
    qp_m3h: float | None
    mounted_in: str
    litres_per_pulse: float | None
    accuracy_class: str
    manufactured_year: int | None
    revision_due: date | None
    seals: str
    note: str
    retired_at: datetime | None
    created_at: datetime
    installed: Placed | None
    addresses: list[AddressOut]
    last_heard_at: datetime | None
    last_read_at: datetime | None
    info_code: int | None


class MetersOut(Schema):
    """A part of the list; ``next`` is the cursor of what follows, null at the end."""

    items: list[MeterOut]
    next: str | None


class MeterIn(Closed):
    """A meter that nobody has heard yet; it lies in stock until it is installed."""

    manufacturer: Maker
    serial: Serial
    identifier: Identifier = ""
    model: Model = ""
    medium: Medium = ""
    qp_m3h: FlowRate | None = None
    mounted_in: Pipe = ""
    litres_per_pulse: PulseValue | None = None
    accuracy_class: Accuracy = ""
    manufactured_year: Year | None = None
    revision_due: date | None = None
    seals: Seals = ""
    note: Note = ""

    @property
    def values(self) -> dict[str, Any]:
        """The meter's columns."""
        return {name: getattr(self, name) for name in MASTER_DATA}

    @property
    def number(self) -> str:
        """Its number in radio telegrams, "" when it has none."""
        digits = self.serial if self.serial.isdecimal() and len(self.serial) == 8 else ""
        return self.identifier or digits


class MeterChange(Change):
    """What is to become of a meter's master data."""

    manufacturer: Maker = AS_IT_IS
    serial: Serial = AS_IT_IS
    model: Model = AS_IT_IS
    medium: Medium = AS_IT_IS
    qp_m3h: FlowRate | None = None
    mounted_in: Pipe = AS_IT_IS
    litres_per_pulse: PulseValue | None = None
    accuracy_class: Accuracy = AS_IT_IS
    manufactured_year: Year | None = None
    revision_due: date | None = None
    seals: Seals = AS_IT_IS
    note: Note = AS_IT_IS


class InstallIn(Closed):
    """Where a meter is installed, as what and since when (now if left out)."""

    point_id: Number
    role: Role = "main"
    at: Moment | None = None


class TakeDownIn(Closed):
    """When (now if left out) and why a meter is taken down."""

    at: Moment | None = None
    reason: Reason


def shown(meters: Sequence[Meter]) -> list[MeterOut]:
    """Meters with where they sit and what was heard of them, in three statements however many they are."""
    ids = [meter.pk for meter in meters]
    places = {
        one.meter_id: one
        for one in Installation.objects.filter(meter_id__in=ids, to_at=None).select_related("point")
    }
    addresses: dict[int, list[AddressOut]] = {}
    for meter in Meter.objects.filter(pk__in=ids).prefetch_related("addresses"):
        addresses[meter.pk] = [
            AddressOut(road=one.road, identifier=one.identifier, contested=one.contested)
            for one in meter.addresses.all()
            if one.to_at is None
        ]
    states: dict[int, list[MeterState]] = {}
    for state in MeterState.objects.filter(meter_id__in=ids).defer("recent"):
        states.setdefault(state.meter_id or 0, []).append(state)
    return [
        _shown(meter, places.get(meter.pk), addresses.get(meter.pk, []), states.get(meter.pk, []))
        for meter in meters
    ]


def _shown(
    meter: Meter, place: Installation | None, addresses: list[AddressOut], states: list[MeterState]
) -> MeterOut:
    newest = max(states, key=lambda one: one.last_read_at or datetime.min.replace(tzinfo=UTC), default=None)
    return MeterOut(
        id=meter.pk,
        **{name: getattr(meter, name) for name in MASTER_DATA},
        slot_seconds=meter.slot_seconds,
        retired_at=meter.retired_at,
        created_at=meter.created_at,
        installed=None
        if place is None
        else Placed(
            point_id=place.point_id,
            facility_id=place.point.facility_id,
            address=place.point.address,
            role=place.role,
            since=place.from_at,
        ),
        addresses=addresses,
        last_heard_at=max((one.last_heard_at for one in states), default=None),
        last_read_at=newest.last_read_at if newest else None,
        info_code=newest.info_code if newest else None,
    )


def answer(response: HttpResponse, meter: Meter) -> MeterOut:
    """One meter, with its version as ETag."""
    response["ETag"] = version(meter, MASTER_DATA)
    return shown([meter])[0]


def chosen(request: ApiRequest, group: str) -> Any:
    """The utility's meters that a group's word chooses; refuses a group that is not there."""
    found = mine(request, Meter)
    if group == groups.ALL:
        return found
    if not groups.exists(request.auth.utility_id, group):
        raise wrong(
            "query.group", "There is no such group; use all, stock, priority or g and a group's number."
        )
    return found.filter(pk__in=groups.meter_ids(request.auth.utility_id, group))


@routes.get("/meters", auth=READ, response=MetersOut, summary="List meters")
def list_meters(
    request: ApiRequest,
    cursor: str | None = None,
    limit: Limit = 100,
    group: Annotated[str, Field(max_length=20, description="all, stock, priority, ... or g12")] = groups.ALL,
    serial: Annotated[str, line(20)] = "",
    facility_id: Annotated[str, line(40)] = "",
    medium: Annotated[str, line(30)] = "",
    q: Annotated[str, line(100), Field(description="part of serial number, model or address")] = "",
) -> MetersOut:
    """The utility's meters in the order in which they were made known."""
    found = chosen(request, group)
    if serial:
        found = found.filter(serial=serial)
    if facility_id:
        found = found.filter(
            installations__in=Installation.objects.filter(to_at=None, point__facility_id=facility_id)
        )
    if medium:
        found = found.filter(medium=medium)
    if q:
        at = Installation.objects.filter(
            Q(point__address__icontains=q) | Q(point__facility_id__icontains=q), to_at=None
        )
        found = found.filter(Q(serial__icontains=q) | Q(model__icontains=q) | Q(installations__in=at))
    after = place(cursor, int)
    if after:
        found = found.filter(pk__gt=after[0])
    some, follows = page(found.order_by("pk")[: limit + 1], limit, lambda meter: (meter.pk,))
    return MetersOut(items=shown(some), next=follows)


@routes.post("/meters", auth=WRITE, response={201: MeterOut}, summary="Add a meter")
def add_meter(request: ApiRequest, response: HttpResponse, body: MeterIn) -> Status[MeterOut]:
    """Add a meter by hand. It lies in stock; telegrams under its number are its readings from now on."""
    try:
        made = installing.create(request.auth.utility, body.values, body.number, who(request))
    except installing.Impossible as problem:
        raise cannot(problem) from problem
    return Status(201, answer(response, made))


@routes.get("/meters/{pk}", auth=READ, response=MeterOut, summary="One meter")
def get_meter(request: ApiRequest, response: HttpResponse, pk: Number) -> MeterOut:
    """One meter; the ETag is its version."""
    return answer(response, find(request, Meter, pk, "meter"))


@routes.patch("/meters/{pk}", auth=WRITE, response=MeterOut, summary="Change a meter")
def change_meter(request: ApiRequest, response: HttpResponse, pk: Number, body: MeterChange) -> MeterOut:
    """Change master data. With If-Match it is refused (412) when somebody else has changed it meanwhile."""
    with transaction.atomic():
        own = find(request, Meter, pk, "meter")
        own = Meter.objects.select_for_update().get(pk=own.pk)
        check_version(request, version(own, MASTER_DATA))
        named = (body.values.get("manufacturer", own.manufacturer), body.values.get("serial", own.serial))
        taken = mine(request, Meter).filter(manufacturer=named[0], serial=named[1]).exclude(pk=own.pk)
        if taken.exists():
            raise cannot(installing.Impossible("taken"))
        change(own, body.values, who(request), "meter.changed")
        own.refresh_from_db()
    return answer(response, own)


@routes.delete("/meters/{pk}", auth=WRITE, response={204: None}, summary="Remove a meter")
def remove_meter(request: ApiRequest, pk: Number) -> Status[None]:
    """Remove a meter of which nothing is kept; others can be taken out of use instead."""
    own = find(request, Meter, pk, "meter")
    try:
        installing.delete(own, who(request))
    except installing.Impossible as problem:
        raise cannot(problem) from problem
    return Status(204, None)


@routes.post("/meters/{pk}/install", auth=WRITE, response=MeterOut, summary="Install a meter")
def install_meter(request: ApiRequest, response: HttpResponse, pk: Number, body: InstallIn) -> MeterOut:
    """Put a meter in stock to a metering point."""
    own = find(request, Meter, pk, "meter")
    point = mine(request, MeteringPoint).filter(pk=body.point_id).first()
    if point is None:
        raise wrong("body.point_id", "There is no such metering point.")
    try:
        installing.install(own, point, body.role, past(body.at), who(request))
    except installing.Impossible as problem:
        raise cannot(problem) from problem
    return answer(response, own)


@routes.post("/meters/{pk}/take-down", auth=WRITE, response=MeterOut, summary="Take a meter down")
def take_down_meter(request: ApiRequest, response: HttpResponse, pk: Number, body: TakeDownIn) -> MeterOut:
    """End a meter's installation without putting another one in its place."""
    own = find(request, Meter, pk, "meter")
    here = own.installations.filter(to_at=None).first()
    if here is None:
        raise cannot(installing.Impossible("gone"))
    try:
        installing.take_down(here, past(body.at), body.reason, who(request))
    except installing.Impossible as problem:
        raise cannot(problem) from problem
    return answer(response, own)


@routes.post("/meters/{pk}/retire", auth=WRITE, response=MeterOut, summary="Take a meter out of use")
def retire_meter(request: ApiRequest, response: HttpResponse, pk: Number) -> MeterOut:
    """Take a meter in stock out of use for good. Its readings stay."""
    own = find(request, Meter, pk, "meter")
    try:
        installing.retire(own, who(request))
    except installing.Impossible as problem:
        raise cannot(problem) from problem
    own.refresh_from_db()
    return answer(response, own)


@routes.post("/meters/{pk}/restock", auth=WRITE, response=MeterOut, summary="Take a meter into stock again")
def restock_meter(request: ApiRequest, response: HttpResponse, pk: Number) -> MeterOut:
    """Take a meter that was out of use back into stock."""
    own = find(request, Meter, pk, "meter")
    installing.back_in_stock(own, who(request))
    own.refresh_from_db()
    return answer(response, own)


def past(at: datetime | None) -> datetime:
    """The moment given, or now; refuses the future."""
    now = datetime.now(UTC)
    if at is not None and at > now:
        raise wrong("body.at", "This is in the future.")
    return at or now


def cannot(problem: installing.Impossible) -> Refused:
    """Why it can't be done with a meter, as the pages say it."""
    if problem.code == "future":
        return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, impossible(problem), problem.code)
    return conflict(impossible(problem), problem.code)
