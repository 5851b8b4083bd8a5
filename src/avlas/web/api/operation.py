"""Whether everything is read: receivers and reading performance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from ninja import Schema
from pydantic import Field

from avlas.collect import texts as collect_texts
from avlas.meters import groups
from avlas.meters.models import Collector
from avlas.reports.performance import find_last_missing, reading_performance
from avlas.web import formats
from avlas.web.api.access import ApiRequest, Token, mine, router
from avlas.web.api.problems import wrong
from avlas.web.api.shapes import Limit, Moment, page, place

routes = router("Operation")
READ = Token("meters:read")
_LONGEST = timedelta(days=93)


class CollectorOut(Schema):
    """Whatever brings telegrams.

    ``status``: stopped, starting, running, waiting or failed; ``status_text``: the same in words.
    """

    id: int
    name: str
    active: bool
    status: str
    status_text: str
    status_at: datetime | None
    last_heard_at: datetime | None
    telegrams: int
    damaged: int


class CollectorsOut(Schema):
    """All receivers and other roads."""

    items: list[CollectorOut]


class PerformanceOut(Schema):
    """How well a meter was read: slots with a reading, and slots that should have one."""

    meter_id: int
    serial: str
    expected: int
    received: int
    percent: float | None
    last_missing_at: datetime | None


class PerformancesOut(Schema):
    """``percent`` of all meters of the group; ``deaf_hours``: while no receiver listened, nothing was expected."""

    start: datetime
    end: datetime
    percent: float | None
    deaf_hours: float
    items: list[PerformanceOut]
    next: str | None


@routes.get("/collectors", auth=READ, response=CollectorsOut, summary="List receivers")
def list_collectors(request: ApiRequest) -> CollectorsOut:
    """The utility's receivers and other roads, with how they are."""
    found = mine(request, Collector).order_by("name", "pk")
    language = formats.language()
    items = []
    for one in found:
        values = {name: getattr(one, name) for name in CollectorOut.model_fields}
        values["status_text"] = collect_texts.unpack(one.status_text, language)
        items.append(CollectorOut(**values))
    return CollectorsOut(items=items)


@routes.get("/performance", auth=READ, response=PerformancesOut, summary="Reading performance")
def performance(
    request: ApiRequest,
    start: Moment | None = None,
    end: Moment | None = None,
    group: Annotated[str, Field(max_length=20, description="all, stock, priority, ... or g12")] = groups.ALL,
    cursor: str | None = None,
    limit: Limit = 100,
) -> PerformancesOut:
    """How well each meter of a group was read from ``start`` until ``end``; the last 24 hours if left out."""
    now = datetime.now(UTC)
    end = end or now
    start = start or end - timedelta(days=1)
    if end <= start:
        raise wrong("query.end", "The period ends before it begins.")
    if end - start > _LONGEST:
        raise wrong("query.end", f"Ask for at most {_LONGEST.days} days at a time.")
    if not groups.exists(request.auth.utility_id, group):
        raise wrong(
            "query.group", "There is no such group; use all, stock, priority or g and a group's number."
        )
    report = reading_performance(
        request.auth.utility_id, group, int(start.timestamp()), int(end.timestamp()), int(now.timestamp())
    )
    after = place(cursor, int)
    following = sorted(
        (one for one in report.meters if after is None or one.meter_id > after[0]),
        key=lambda one: one.meter_id,
    )
    some, follows = page(following[: limit + 1], limit, lambda one: (one.meter_id,))
    find_last_missing(report, some)
    return PerformancesOut(
        start=start,
        end=end,
        percent=report.percent,
        deaf_hours=report.deaf_hours,
        items=[
            PerformanceOut(
                meter_id=one.meter_id,
                serial=one.serial,
                expected=one.expected,
                received=one.received,
                percent=one.percent,
                last_missing_at=one.last_missing_at,
            )
            for one in some
        ],
        next=follows,
    )
