"""Everything since a place: new readings and info codes, in the order in which they were committed."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

from ninja import Schema
from ninja.params.functions import Query
from pydantic import Field

from avlas.meters.journal import CursorTooOld
from avlas.reports import news
from avlas.web.api.access import ApiRequest, Token, router
from avlas.web.api.info_codes import InfoEventOut
from avlas.web.api.problems import Refused, wrong
from avlas.web.api.readings import ReadingOut
from avlas.web.api.shapes import Limit

routes = router("Live")
READ = Token("readings:read")
EventType = Literal["reading", "info_code", "info_code_withdrawn"]


class MeterOf(Schema):
    """Which meter an event is about, and the metering point where it sits now."""

    id: int
    manufacturer: str
    serial: str
    medium: str
    point_id: int | None
    facility_id: str | None


class Withdrawn(Schema):
    """The moment at which an info code did not change after all."""

    at: datetime


class EventOut(Schema):
    """A reading that was written (or filled, marked, voided), or an info code that changed.

    ``info_code_withdrawn``: a reading that came late showed that the code did not change at that moment.
    """

    id: str
    type: EventType
    meter: MeterOf
    reading: ReadingOut | None = None
    info_code: InfoEventOut | Withdrawn | None = None


class ChangesOut(Schema):
    """Events, and the cursor of what follows; ``more``: it is there already, ask at once."""

    items: list[EventOut]
    next: str
    more: bool


@routes.get("/changes", auth=READ, response=ChangesOut, summary="Everything since")
def list_changes(
    request: ApiRequest,
    cursor: Annotated[
        str, Field(pattern=r"^\d{1,18}(\.\d{1,9})?$", description="the last next; 0: all that is kept")
    ]
    | None = None,
    types: list[EventType] = Query([], description="which events; all if left out"),  # noqa: B008  # as ninja wants it
    limit: Limit = 500,
) -> ChangesOut:
    """What came in after ``cursor``. Without one: nothing, but ``next``, from which everything to come can be read.

    What came in is kept for this for 14 days; a cursor older than that is refused (410): then fetch everything anew.
    """
    if cursor is None:
        return ChangesOut(items=[], next=str(news.now()), more=False)
    try:
        place = news.Place.read(cursor)
    except ValueError as problem:
        raise wrong("query.cursor", str(problem)) from problem
    try:
        found = news.since(request.auth.utility_id, place, limit, types or news.TYPES)
    except CursorTooOld as problem:
        raise Refused(
            HTTPStatus.GONE,
            "What came after this cursor is no longer kept. Fetch everything anew.",
            "cursor_too_old",
        ) from problem
    return ChangesOut(items=[EventOut(**one) for one in found.events], next=str(found.place), more=found.more)
