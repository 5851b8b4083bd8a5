"""Meter exchanges: a billing system prepares, carries out and undoes them as the guided page does."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal

from django.db import transaction
from django.http import HttpResponse
from ninja import Schema, Status
from pydantic import Field

from avlas.meters import entered, installing
from avlas.meters import exchange as meter_exchange
from avlas.meters.entered import Figure
from avlas.meters.models import Exchange, Meter
from avlas.web.api.access import ApiRequest, Token, find, mine, router, who
from avlas.web.api.meters import Identifier, Maker, Note, Serial, cannot
from avlas.web.api.problems import conflict, wrong
from avlas.web.api.readings import Figures, figures_of, refuse_doubtful
from avlas.web.api.shapes import Closed, Limit, Moment, Number, Reason, page, place

State = Literal["planned", "done", "undone"]
routes = router("Exchanges")
READ, WRITE = Token("meters:read"), Token("meters:write")
_STATES: Final[dict[str, State]] = {
    Exchange.PLANNED: "planned",
    Exchange.DONE: "done",
    Exchange.UNDONE: "undone",
}


class FigureOut(Schema):
    """A figure of one counter as a display showed it."""

    code: str
    figure: str
    unit: str


class ExchangeOut(Schema):
    """A meter exchange: planned, done or undone."""

    id: int
    state: State
    point_id: int
    facility_id: str
    old_meter_id: int
    new_meter_id: int | None
    planned_for: date | None
    at: datetime | None
    reason: str
    note: str
    old_unreadable: bool
    old_figures: list[FigureOut]
    new_figures: list[FigureOut]
    missing: list[str]
    undone_reason: str


class ExchangesOut(Schema):
    """A part of the list, newest first; ``next`` is the cursor of what follows, null at the end."""

    items: list[ExchangeOut]
    next: str | None


class NewMeter(Closed):
    """The meter that comes: one that Avläs knows (``id``), or its maker and serial number; it is made if need be."""

    id: Number | None = None
    manufacturer: Maker | None = None
    serial: Serial | None = None
    identifier: Identifier = ""


class CarryOutIn(Closed):
    """All that carrying out an exchange takes. Figures are what the displays showed at that moment."""

    at: Moment
    new_meter: NewMeter
    old_figures: Annotated[Figures | None, Field(description="null: the old meter can't be read any more")]
    new_figures: Figures
    confirmed: Annotated[
        bool, Field(description="true: carry it out although something speaks against the figures")
    ] = False


class ExchangeIn(Closed):
    """An exchange of the meter ``old_meter_id``: carried out at once, or (``carry_out`` left out) only prepared."""

    old_meter_id: Number
    reason: Reason
    note: Note = ""
    planned_for: date | None = None
    carry_out: CarryOutIn | None = None


class UndoIn(Closed):
    """Why an exchange is undone."""

    reason: Reason


def _shown(one: Exchange) -> ExchangeOut:
    return ExchangeOut(
        id=one.pk,
        state=_STATES[one.state],
        point_id=one.old.point_id,
        facility_id=one.old.point.facility_id,
        old_meter_id=one.old.meter_id,
        new_meter_id=one.new_meter_id,
        planned_for=one.planned_for,
        at=one.at,
        reason=one.reason,
        note=one.note,
        old_unreadable=one.old_unreadable,
        old_figures=_figures(one.old_figures),
        new_figures=_figures(one.new_figures),
        missing=meter_exchange.missing(one) if one.state == Exchange.PLANNED else [],
        undone_reason=one.undone_reason,
    )


def _figures(kept: list[Any]) -> list[FigureOut]:
    figures = [Figure.unpacked(one) for one in kept]
    return [FigureOut(code=one.register, figure=f"{one.figure:f}", unit=one.unit) for one in figures]


def _whole(request: ApiRequest, pk: int) -> Exchange:
    find(request, Exchange, pk, "exchange")
    return Exchange.objects.select_related("old__meter", "old__point", "new_meter").get(pk=pk)


@routes.get("/exchanges", auth=READ, response=ExchangesOut, summary="List exchanges")
def list_exchanges(
    request: ApiRequest,
    state: State | None = None,
    cursor: str | None = None,
    limit: Limit = 100,
) -> ExchangesOut:
    """Meter exchanges, newest first."""
    found = mine(request, Exchange).select_related("old__meter", "old__point")
    if state is not None:
        found = found.filter(state=state)
    if after := place(cursor, int):
        found = found.filter(pk__lt=after[0])
    some, follows = page(found.order_by("-pk")[: limit + 1], limit, lambda one: (one.pk,))
    return ExchangesOut(items=[_shown(one) for one in some], next=follows)


@routes.post("/exchanges", auth=WRITE, response={201: ExchangeOut}, summary="Exchange a meter")
def add_exchange(request: ApiRequest, response: HttpResponse, body: ExchangeIn) -> Status[ExchangeOut]:
    """Exchange a meter, or prepare that. Everything is done at one stroke or, when something is refused, nothing."""
    old = mine(request, Meter).filter(pk=body.old_meter_id).first()
    if old is None:
        raise wrong("body.old_meter_id", "There is no such meter.")
    here = old.installations.filter(to_at=None).first()
    if here is None:
        raise cannot(installing.Impossible("gone"))
    values = {"reason": body.reason, "note": body.note, "planned_for": body.planned_for}
    try:
        with transaction.atomic():
            made = meter_exchange.prepare(here, values, who(request))
            if body.carry_out is not None:
                _carry_out(request, made, body.carry_out)
    except installing.Impossible as problem:
        raise cannot(problem) from problem
    response["Location"] = f"/api/v1/exchanges/{made.pk}"
    return Status(201, _shown(_whole(request, made.pk)))


@routes.get("/exchanges/{pk}", auth=READ, response=ExchangeOut, summary="One exchange")
def get_exchange(request: ApiRequest, pk: Number) -> ExchangeOut:
    """One exchange."""
    return _shown(_whole(request, pk))


@routes.post(
    "/exchanges/{pk}/carry-out", auth=WRITE, response=ExchangeOut, summary="Carry a prepared exchange out"
)
def carry_out(request: ApiRequest, pk: Number, body: CarryOutIn) -> ExchangeOut:
    """Carry out an exchange that was prepared, here or on the pages."""
    own = _whole(request, pk)
    try:
        with transaction.atomic():
            _carry_out(request, own, body)
    except installing.Impossible as problem:
        raise cannot(problem) from problem
    return _shown(_whole(request, pk))


@routes.post("/exchanges/{pk}/undo", auth=WRITE, response=ExchangeOut, summary="Undo an exchange")
def undo_exchange(request: ApiRequest, pk: Number, body: UndoIn) -> ExchangeOut:
    """Make an exchange undone: its readings are voided, the old meter sits there again."""
    own = _whole(request, pk)
    try:
        meter_exchange.undo(own, body.reason, who(request))
    except installing.Impossible as problem:
        raise cannot(problem) from problem
    return _shown(_whole(request, pk))


@routes.delete("/exchanges/{pk}", auth=WRITE, response={204: None}, summary="Withdraw a prepared exchange")
def withdraw_exchange(request: ApiRequest, pk: Number) -> Status[None]:
    """Forget an exchange that was only prepared."""
    own = _whole(request, pk)
    try:
        meter_exchange.withdraw(own, who(request))
    except installing.Impossible as problem:
        raise cannot(problem) from problem
    return Status(204, None)


def _carry_out(request: ApiRequest, own: Exchange, body: CarryOutIn) -> None:
    """Fill a prepared exchange in and carry it out, in the caller's transaction."""
    if own.state != Exchange.PLANNED:
        raise installing.Impossible("not_planned")
    if body.at > datetime.now(UTC):
        raise wrong("body.at", "This is in the future.")
    old = own.old.meter
    new = _new_meter(request, body.new_meter, old)
    old_figures = figures_of(old, body.old_figures or [], "body.old_figures")
    new_figures = figures_of(new, body.new_figures, "body.new_figures")
    if not body.confirmed:
        refuse_doubtful(
            [*entered.doubts(old, body.at, old_figures), *entered.doubts(new, body.at, new_figures)]
        )
    own.at, own.new_meter, own.old_unreadable = body.at, new, body.old_figures is None
    own.old_figures = [one.packed() for one in old_figures]
    own.new_figures = [one.packed() for one in new_figures]
    own.save()
    meter_exchange.carry_out(own, who(request))


def _new_meter(request: ApiRequest, said: NewMeter, old: Meter) -> Meter:
    """The meter that comes, made if Avläs does not know it."""
    if said.id is not None:
        meter = mine(request, Meter).filter(pk=said.id).first()
        if meter is None:
            raise wrong("body.new_meter.id", "There is no such meter.")
    elif said.manufacturer is None or said.serial is None:
        raise wrong("body.new_meter", "Say which meter comes: its id, or its maker and serial number.")
    else:
        known = mine(request, Meter).filter(manufacturer=said.manufacturer, serial=said.serial)
        meter = known.first()
        if meter is None:
            digits = said.serial if said.serial.isdecimal() and len(said.serial) == 8 else ""
            values = {"manufacturer": said.manufacturer, "serial": said.serial, "medium": old.medium}
            meter = installing.create(request.auth.utility, values, said.identifier or digits, who(request))
    if meter.pk == old.pk:
        raise conflict("The old and the new meter are the same.", "same_meter")
    return meter
