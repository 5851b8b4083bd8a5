"""Info codes: which meters report something now, and when each meter's code changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from ninja import Schema
from pydantic import Field

from avlas.meters import groups
from avlas.meters.models import InfoEvent, Meter, MeterState
from avlas.web import info_codes as words
from avlas.web.api.access import ApiRequest, Token, find, router
from avlas.web.api.meters import chosen
from avlas.web.api.shapes import Limit, Moment, Number, page, place

routes = router("Info codes")
READ = Token("readings:read")


class CodeOut(Schema):
    """One thing a meter reports, in words of the language asked for (Accept-Language). ``severity``: 1, 2 or 3."""

    code: str
    text: str
    severity: int


class ActiveOut(Schema):
    """A meter that reports something now. ``info_code``: the number as the meter sends it."""

    meter_id: int
    serial: str
    info_code: int
    read_at: datetime | None
    since: datetime | None
    codes: list[CodeOut]


class ActivesOut(Schema):
    """A part of the list; ``next`` is the cursor of what follows, null at the end."""

    items: list[ActiveOut]
    next: str | None


class InfoEventOut(Schema):
    """A moment at which a meter's info code changed; ``codes``: what it says from then on."""

    at: datetime
    info_code_before: int | None
    info_code: int
    codes: list[CodeOut]


class InfoEventsOut(Schema):
    """A part of the list, newest first; ``next`` is the cursor of what follows, null at the end."""

    items: list[InfoEventOut]
    next: str | None


def in_words(family: str, number: int | None) -> list[CodeOut]:
    """What an info code says now, gravest first."""
    return [
        CodeOut(code=one.code, text=one.text, severity=one.severity)
        for one in words.in_words(family, number)
        if one.now
    ]


@routes.get("/info-codes", auth=READ, response=ActivesOut, summary="Active info codes")
def list_active(
    request: ApiRequest,
    group: Annotated[str, Field(max_length=20, description="all, stock, priority, ... or g12")] = groups.ALL,
    cursor: str | None = None,
    limit: Limit = 100,
) -> ActivesOut:
    """The meters that report an info code now."""
    utility = request.auth.utility_id
    states = MeterState.objects.filter(utility_id=utility, info_code__gt=0, meter__isnull=False)
    if group != groups.ALL:
        states = states.filter(meter__in=chosen(request, group))
    if after := place(cursor, int):
        states = states.filter(pk__gt=after[0])
    found = states.select_related("meter").defer("recent").order_by("pk")
    some, follows = page(found[: limit + 1], limit, lambda one: (one.pk,))
    began: dict[int, datetime] = {}
    events = InfoEvent.objects.filter(meter_id__in=[one.meter_id for one in some]).order_by("at")
    for event in events:
        began[event.meter_id] = event.at
    return ActivesOut(
        items=[
            ActiveOut(
                meter_id=one.meter.pk,
                serial=one.meter.serial,
                info_code=one.info_code or 0,
                read_at=one.last_read_at,
                since=began.get(one.meter.pk),
                codes=in_words(one.meter.family, one.info_code),
            )
            for one in some
            if one.meter is not None
        ],
        next=follows,
    )


@routes.get(
    "/meters/{pk}/info-codes", auth=READ, response=InfoEventsOut, summary="A meter's info codes through time"
)
def list_changes(
    request: ApiRequest,
    pk: Number,
    start: Moment | None = None,
    end: Moment | None = None,
    cursor: str | None = None,
    limit: Limit = 100,
) -> InfoEventsOut:
    """When a meter's info code changed and what it said, newest first."""
    own = find(request, Meter, pk, "meter")
    found = InfoEvent.objects.filter(meter=own)
    if start is not None:
        found = found.filter(at__gte=int(start.timestamp()))
    if end is not None:
        found = found.filter(at__lt=int(end.timestamp()))
    if after := place(cursor, int):
        found = found.filter(at__lt=after[0])
    some, follows = page(found.order_by("-at")[: limit + 1], limit, lambda one: (int(one.at.timestamp()),))
    return InfoEventsOut(
        items=[
            InfoEventOut(
                at=one.at.astimezone(UTC),
                info_code_before=one.code_before,
                info_code=one.code,
                codes=in_words(own.family, one.code),
            )
            for one in some
        ],
        next=follows,
    )
