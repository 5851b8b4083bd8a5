"""Valves: a program asks for closing or opening one, behind the same gates as a person, and sees how it goes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Literal

from ninja import Schema, Status
from pydantic import Field

from avlas.meters import valve_requests
from avlas.meters.models import Meter, ValveRequest
from avlas.meters.valve_requests import Held
from avlas.web.api.access import ApiRequest, Token, find, mine, router, who
from avlas.web.api.problems import Refused, conflict, wrong
from avlas.web.api.shapes import Closed, Limit, Moment, Number, line, page, place
from avlas.web.valve_words import NO_ROAD, why_held

routes = router("Valves")
ASK = Token("valves:ask")
Wish = Literal["disconnect", "connect", "refresh"]
State = Literal["asked", "refused", "queued", "done", "failed", "cancelled"]
ReasonWord = Literal[
    "non_payment", "prepaid_used_up", "customer_request", "vacant", "work", "danger", "other"
]
StepName = Literal["urged", "reminded", "social_welfare", "no_harm"]
Words = Annotated[str, line(500)]


class ValveOut(Schema):
    """A request. ``state``: asked (waits for another person), queued, done, failed, refused or cancelled."""

    id: int
    meter_id: int
    serial: str
    wish: Wish
    reason: ReasonWord | None
    explanation: str
    steps: dict[str, date]
    state: State
    state_text: str
    asked_at: datetime
    asked_by: str
    decided_at: datetime | None
    finished_at: datetime | None
    note: str


class ValvesOut(Schema):
    """A part of the list, newest first; ``next`` is the cursor of what follows, null at the end."""

    items: list[ValveOut]
    next: str | None


class ValveIn(Closed):
    """What is wished for a meter's valve. Disconnecting needs a reason; for want of payment also the legal steps."""

    meter_id: Number
    wish: Wish
    reason: Annotated[ReasonWord | None, Field(description="needed for disconnecting")] = None
    explanation: Words = ""
    steps: Annotated[
        dict[StepName, date],
        Field(description="the dates of the legal steps, for non_payment and prepaid_used_up"),
    ] = Field(default_factory=dict)


class CancelIn(Closed):
    """Why a request is taken back."""

    note: Words = ""


class OutdoorIn(Closed):
    """How cold it is outside, where the utility's customers live, and when it was that (now if left out)."""

    celsius: Annotated[float, Field(ge=-60, le=50)]
    at: Moment | None = None


class OutdoorOut(Schema):
    """The outdoor temperature that the frost guard knows."""

    celsius: float | None
    at: datetime | None


def _shown(one: ValveRequest) -> ValveOut:
    return ValveOut.model_validate(
        {
            "id": one.pk,
            "meter_id": one.meter_id,
            "serial": one.meter.serial,
            "wish": one.wish,
            "reason": one.reason or None,
            "explanation": one.explanation,
            "steps": one.steps,
            "state": one.state,
            "state_text": str(NO_ROAD) if one.state == ValveRequest.QUEUED else one.get_state_display(),
            "asked_at": one.asked_at,
            "asked_by": one.by,
            "decided_at": one.decided_at,
            "finished_at": one.finished_at,
            "note": one.note,
        }
    )


@routes.get("/valve-requests", auth=ASK, response=ValvesOut, summary="List requests about valves")
def list_requests(
    request: ApiRequest,
    meter_id: Number | None = None,
    state: State | None = None,
    cursor: str | None = None,
    limit: Limit = 100,
) -> ValvesOut:
    """What was asked for, newest first, and how it goes."""
    found = mine(request, ValveRequest).select_related("meter", "asked_by")
    if meter_id is not None:
        found = found.filter(meter_id=meter_id)
    if state is not None:
        found = found.filter(state=state)
    if after := place(cursor, int):
        found = found.filter(pk__lt=after[0])
    some, follows = page(found.order_by("-pk")[: limit + 1], limit, lambda one: (one.pk,))
    return ValvesOut(items=[_shown(one) for one in some], next=follows)


@routes.post(
    "/valve-requests", auth=ASK, response={201: ValveOut}, summary="Ask for disconnecting or connecting"
)
def ask(request: ApiRequest, body: ValveIn) -> Status[ValveOut]:
    """Ask for a meter's valve to be closed, opened or looked at.

    Closing passes the same gates as on the pages: a reason; for want of payment (also of a prepaid balance) the dated
    legal steps and then a person's approval; no heat is cut in the frost. Opening is never held up, and takes back what
    was asked before to close the valve. What is refused is answered 409; ``code`` says which gate, ``errors`` what it
    lacks.
    """
    meter = mine(request, Meter).filter(pk=body.meter_id).first()
    if meter is None:
        raise wrong("body.meter_id", "There is no such meter.")
    try:
        made = valve_requests.ask(
            meter,
            body.wish,
            who(request),
            reason=body.reason or "",
            explanation=body.explanation,
            steps={str(name): day for name, day in body.steps.items()},
            program=f"API: {request.auth}"[:120],
        )
    except Held as problem:
        raise _held(problem) from problem
    return Status(201, _shown(made))


@routes.get("/valve-requests/{pk}", auth=ASK, response=ValveOut, summary="One request about a valve")
def get_request(request: ApiRequest, pk: Number) -> ValveOut:
    """One request, and how it goes."""
    return _shown(find(request, ValveRequest, pk, "request"))


@routes.post("/valve-requests/{pk}/cancel", auth=ASK, response=ValveOut, summary="Take a request back")
def cancel(request: ApiRequest, pk: Number, body: CancelIn) -> ValveOut:
    """Take a request back that is not carried out yet."""
    own = find(request, ValveRequest, pk, "request")
    try:
        valve_requests.cancel(own, body.note, who(request))
    except Held as problem:
        raise _held(problem) from problem
    own.refresh_from_db()
    return _shown(own)


@routes.put("/outdoor-temperature", auth=ASK, response=OutdoorOut, summary="Tell how cold it is")
def set_outdoor_temperature(request: ApiRequest, body: OutdoorIn) -> OutdoorOut:
    """Tell the frost guard how cold it is outside. It holds for 24 hours; in the frost months no heat is cut anyway."""
    now = datetime.now(UTC)
    if body.at is not None and body.at > now:
        raise wrong("body.at", "This is in the future.")
    valve_requests.set_outdoor_temperature(request.auth.utility, body.celsius, body.at or now, who(request))
    rules = valve_requests.rules_of(request.auth.utility)
    return OutdoorOut(celsius=rules.outdoor_c, at=rules.outdoor_at)


def _held(problem: Held) -> Refused:
    return conflict(why_held(problem), problem.code, [{"lacks": one} for one in problem.what])
