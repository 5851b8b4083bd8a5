"""Readings: as they came in, the newest, per interval, at a moment; entered and voided."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from django.db.models import Q
from ninja import Schema, Status
from ninja.params.functions import Query
from pydantic import Field

from avlas.decode.families import canonical
from avlas.decode.registers import BY_CODE, COUNTERS
from avlas.meters import entered, groups
from avlas.meters.entered import Figure
from avlas.meters.models import Kind, Meter, MeteringPoint, Reading, Source
from avlas.reports.calc.borders import STANDARD_TIME, zone_of
from avlas.reports.calc.value_at import ENTERED, INTERPOLATED, LIVE, LOGGED, NONE
from avlas.reports.consumption import consumption, spans_of_meter, spans_of_point, standing
from avlas.reports.latest import latest_of
from avlas.reports.reading_told import KINDS, REGISTERS, marks, readings_told, value_told
from avlas.reports.virtual_use import combined, parts_of
from avlas.web.api.access import ApiRequest, Token, find, router, who
from avlas.web.api.meters import chosen, past
from avlas.web.api.problems import conflict, not_there, wrong
from avlas.web.api.shapes import Closed, Limit, Moment, Number, Reason, line, page, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import tzinfo

    from avlas.meters.entered import Doubt
    from avlas.reports.consumption import Consumption, Span
    from avlas.reports.virtual_use import Part

routes = router("Readings")
READ, WRITE = Token("readings:read"), Token("readings:write")
Register = Literal[REGISTERS]  # type: ignore[valid-type]
Counter = Literal[COUNTERS]  # type: ignore[valid-type]
Enterable = Literal[entered.ENTERABLE]  # type: ignore[valid-type]
KindName = Literal["live", "logged", "entered"]
How = Literal["logged", "entered", "live", "interpolated", "unknown"]
Interval = Literal["hour", "day", "month", "year"]
Time = Literal["standard", "civil"]
Registers = list[Register]
_ALL: Final = Query([], description="which registers; all if left out")
_LONGEST: Final[dict[str, timedelta]] = {
    "hour": timedelta(days=93),
    "day": timedelta(days=3 * 366),
    "month": timedelta(days=30 * 366),
    "year": timedelta(days=110 * 366),
}
_ZONES: Final[dict[Time, tzinfo]] = {"standard": STANDARD_TIME, "civil": ZoneInfo("Europe/Stockholm")}
_HOW: Final[dict[int, How]] = {
    LOGGED: "logged",
    ENTERED: "entered",
    LIVE: "live",
    INTERPOLATED: "interpolated",
}


class Value(Schema):
    """A register's value: ``value`` in ``unit`` (canonical), ``figure`` in ``figure_unit`` as the meter shows it."""

    value: float
    unit: str
    figure: str | None
    figure_unit: str


class ReadingOut(Schema):
    """A meter's values at one time. ``quality``: what speaks against them; empty: nothing.

    ``slot_at``: the moment the reading belongs to (of a live one the start of its slot). ``at``: when the values stood
    in the meter.
    """

    slot_at: datetime
    at: datetime
    kind: KindName
    source: str
    quality: list[str]
    info_code: int | None
    values: dict[str, Value]


class ReadingsOut(Schema):
    """A part of the list; ``next`` is the cursor of what follows, null at the end."""

    items: list[ReadingOut]
    next: str | None


class LatestValue(Value):
    """A register's newest value, and when it stood in the meter."""

    at: datetime
    kind: KindName
    quality: list[str]


class LatestOut(Schema):
    """The newest value of each register of a meter."""

    meter_id: int
    serial: str
    values: dict[str, LatestValue]


class LatestsOut(Schema):
    """A part of the list; ``next`` is the cursor of what follows, null at the end."""

    items: list[LatestOut]
    next: str | None


class IntervalOut(Schema):
    """What was used from ``start`` until ``end`` (the mean of what is no counter); null: not known.

    ``marks``: interpolated, exchange, rolled_over, backwards, incomplete, conflict, implausible, sensor_error,
    clock_wrong, estimated.
    """

    start: datetime
    end: datetime
    amount: float | None
    exact: str | None
    marks: list[str]


class UseOut(Schema):
    """Intervals of one register. Amounts are in ``unit`` and deserve ``decimals``; ``exact`` where it was measured."""

    code: str
    unit: str
    decimals: int
    total: float | None
    items: list[IntervalOut]


class ConsumptionOut(Schema):
    """One for each register asked for. ``time``: where days begin, in standard time (UTC+1 all year) or civil time.

    Civil time is Sweden's.
    """

    interval: Interval
    time: Time
    registers: list[UseOut]


class StandingOut(Schema):
    """What a counter stood at at a moment, and how that is known."""

    code: str
    at: datetime
    how: How
    figure: str | None
    figure_unit: str
    value: float | None
    unit: str


class StandingsOut(Schema):
    """One for each register asked for."""

    meter_id: int
    items: list[StandingOut]


class FigureIn(Closed):
    """A figure of one counter as the display shows it."""

    code: Annotated[Enterable, Field(description="which counter")]
    figure: Annotated[Decimal, Field(ge=0, le=10**12, max_digits=20, decimal_places=6)]
    unit: Annotated[str, line(10), Field(description="as on the display; the register's own if left out")] = (
        ""
    )


Figures = Annotated[list[FigureIn], Field(min_length=1, max_length=9)]


class ReadingIn(Closed):
    """What somebody read off a meter's display at ``at`` (now if left out; seconds are dropped)."""

    at: Moment | None = None
    figures: Figures
    note: Annotated[str, line(300)] = ""
    estimated_by: Annotated[
        str, line(200), Field(description="how it was estimated, when nobody read it")
    ] = ""
    confirmed: Annotated[bool, Field(description="true: keep it although something speaks against it")] = (
        False
    )


class VoidIn(Closed):
    """Which reading is taken out of use, and why."""

    slot_at: Moment
    kind: KindName = "entered"
    reason: Reason


def readings_out(rows: Iterable[Reading], codes: Sequence[str] = REGISTERS) -> list[ReadingOut]:
    """Readings as they are told everywhere."""
    return [ReadingOut(**told) for told in readings_told(rows, codes)]


@routes.get("/meters/{pk}/readings", auth=READ, response=ReadingsOut, summary="A meter's readings")
def list_readings(
    request: ApiRequest,
    pk: Number,
    registers: Registers = _ALL,
    start: Moment | None = None,
    end: Moment | None = None,
    kind: KindName | None = None,
    voided: Annotated[bool, Field(description="true: also those taken out of use")] = False,
    cursor: str | None = None,
    limit: Limit = 100,
) -> ReadingsOut:
    """Readings as they came in, oldest first, from ``start`` until before ``end``."""
    own = find(request, Meter, pk, "meter")
    found = Reading.objects.filter(meter_id=own.pk)
    if start is not None:
        found = found.filter(slot_at__gte=int(start.timestamp()))
    if end is not None:
        found = found.filter(slot_at__lt=int(end.timestamp()))
    if kind is not None:
        found = found.filter(kind=Kind[kind.upper()])
    if not voided:
        found = found.in_use()
    if after := place(cursor, int, int):
        found = found.filter(Q(slot_at__gt=after[0]) | Q(slot_at=after[0], kind__gt=after[1]))
    rows, follows = page(
        found.order_by("slot_at", "kind")[: limit + 1],
        limit,
        lambda row: (int(row.slot_at.timestamp()), row.kind),
    )
    return ReadingsOut(items=readings_out(rows, registers or REGISTERS), next=follows)


@routes.get("/meters/{pk}/readings/latest", auth=READ, response=LatestOut, summary="A meter's newest values")
def get_latest(
    request: ApiRequest,
    pk: Number,
    registers: Registers = _ALL,
) -> LatestOut:
    """The newest value of each register."""
    own = find(request, Meter, pk, "meter")
    return _latest([own], registers or REGISTERS)[0]


@routes.get("/readings/latest", auth=READ, response=LatestsOut, summary="The newest values of many meters")
def list_latest(
    request: ApiRequest,
    registers: Registers = _ALL,
    group: Annotated[str, Field(max_length=20, description="all, stock, priority, ... or g12")] = groups.ALL,
    cursor: str | None = None,
    limit: Limit = 100,
) -> LatestsOut:
    """The newest value of each register of a group's meters; a meter that was never read has none."""
    found = chosen(request, group)
    if after := place(cursor, int):
        found = found.filter(pk__gt=after[0])
    some, follows = page(found.order_by("pk")[: limit + 1], limit, lambda meter: (meter.pk,))
    return LatestsOut(items=_latest(some, registers or REGISTERS), next=follows)


def _latest(meters: Sequence[Meter], codes: Sequence[str]) -> list[LatestOut]:
    found = latest_of([meter.pk for meter in meters], list(codes))
    return [
        LatestOut(
            meter_id=meter.pk,
            serial=meter.serial,
            values={
                code: LatestValue(
                    **value_told(one),
                    at=one.at,
                    kind=KINDS[one.kind],  # type: ignore[arg-type]
                    quality=marks(one.quality),
                )
                for code, one in found.get(meter.pk, {}).items()
            },
        )
        for meter in meters
    ]


@routes.get(
    "/meters/{pk}/consumption", auth=READ, response=ConsumptionOut, summary="A meter's use per interval"
)
def meter_consumption(
    request: ApiRequest,
    pk: Number,
    interval: Interval,
    start: Moment,
    end: Moment,
    registers: Registers = Query(..., min_length=1, max_length=10),  # noqa: B008  # as ninja wants it
    time: Time | None = None,
) -> ConsumptionOut:
    """What a meter counted in each interval from ``start`` until ``end``; days begin in standard time or civil time.

    Without ``time`` it is as the utility has set it for its reports.
    """
    own = find(request, Meter, pk, "meter")
    return _consumption(request, spans_of_meter(own.pk), [], registers, interval, start, end, time)


@routes.get(
    "/points/{pk}/consumption", auth=READ, response=ConsumptionOut, summary="A point's use per interval"
)
def point_consumption(
    request: ApiRequest,
    pk: Number,
    interval: Interval,
    start: Moment,
    end: Moment,
    registers: Registers = Query(..., min_length=1, max_length=10),  # noqa: B008  # as ninja wants it
    time: Time | None = None,
) -> ConsumptionOut:
    """What a metering point used in each interval, across meter exchanges; of a virtual one the sum of its parts."""
    own = find(request, MeteringPoint, pk, "metering point")
    spans, parts = spans_of_point(own.pk), parts_of(own)
    return _consumption(request, spans, parts, registers, interval, start, end, time)


def _consumption(
    request: ApiRequest,
    spans: Sequence[Span],
    parts: Sequence[Part],
    registers: Sequence[str],
    interval: Interval,
    start: datetime,
    end: datetime,
    time: Time | None,
) -> ConsumptionOut:
    if end <= start:
        raise wrong("query.end", "The period ends before it begins.")
    longest = _LONGEST[interval]
    if end - start > longest:
        raise wrong("query.end", f"Ask for at most {longest.days} days at a time with interval {interval}.")
    zone = _ZONES[time] if time else zone_of(request.auth.utility.day_borders)
    found = [
        combined(parts, code, interval, start, end, zone)
        if parts
        else consumption(spans, code, interval, start, end, zone)
        for code in dict.fromkeys(registers)
    ]
    told: Time = "standard" if zone is STANDARD_TIME else "civil"
    return ConsumptionOut(interval=interval, time=told, registers=[_use(one) for one in found])


def _use(found: Consumption) -> UseOut:
    return UseOut(
        code=found.register,
        unit=found.unit_text,
        decimals=found.decimals,
        total=None if found.total is None else float(found.total),
        items=[
            IntervalOut(
                start=row.start,
                end=row.end,
                amount=None if row.amount is None else float(row.amount),
                exact=f"{row.amount:f}" if isinstance(row.amount, Decimal) else None,
                marks=sorted(row.marks),
            )
            for row in found.rows
        ],
    )


@routes.get(
    "/meters/{pk}/standings", auth=READ, response=StandingsOut, summary="What counters stood at at a moment"
)
def list_standings(
    request: ApiRequest,
    pk: Number,
    at: Moment,
    registers: list[Counter] = Query(..., min_length=1, max_length=20),  # noqa: B008
) -> StandingsOut:
    """What counters stood at, for billing: the meter's own logged value, one entered, a live one, else interpolated."""
    own = find(request, Meter, pk, "meter")
    return StandingsOut(meter_id=own.pk, items=[_standing(own.pk, code, at) for code in registers])


def _standing(meter_id: int, code: str, at: datetime) -> StandingOut:
    found = standing(meter_id, code, at)
    unit, value = BY_CODE[code].unit or found.unit, None
    if found.figure is not None:
        converted = canonical(found.figure, found.unit)
        value = float(converted[0] if converted else found.figure)
        unit = converted[1] if converted else found.unit
    return StandingOut(
        code=code,
        at=at,
        how=_HOW.get(found.how, "unknown"),
        figure=None if found.figure is None or found.how == NONE else f"{found.figure:f}",
        figure_unit=found.unit,
        value=value,
        unit=unit,
    )


@routes.post("/meters/{pk}/readings", auth=WRITE, response={201: ReadingOut}, summary="Enter a reading")
def add_reading(request: ApiRequest, pk: Number, body: ReadingIn) -> Status[ReadingOut]:
    """Keep what was read off the display. What speaks against it is answered first (409), unless ``confirmed``."""
    own = find(request, Meter, pk, "meter")
    at = past(body.at)
    figures = figures_of(own, body.figures, "body.figures")
    if not body.confirmed:
        refuse_doubtful(entered.doubts(own, at, figures))
    try:
        entered.enter(
            own, at, figures, Source.TYPED, who(request), estimated_by=body.estimated_by, note=body.note
        )
    except entered.AlreadyThere as problem:
        raise conflict(
            "There is an entered reading at this minute; void it first.", "already_there"
        ) from problem
    except entered.Erased as problem:
        raise conflict("The readings of this time were erased for good.", "erased") from problem
    slot = int(at.timestamp()) // 60 * 60
    made = Reading.objects.get(meter_id=own.pk, slot_at=slot, kind=Kind.ENTERED)
    return Status(201, readings_out([made])[0])


@routes.post("/meters/{pk}/readings/void", auth=WRITE, response={204: None}, summary="Void a reading")
def void_reading(request: ApiRequest, pk: Number, body: VoidIn) -> Status[None]:
    """Take a reading out of use, with the reason. It stays, marked, and counts nowhere."""
    own = find(request, Meter, pk, "meter")
    try:
        entered.void(own, body.slot_at, Kind[body.kind.upper()], body.reason, who(request))
    except Reading.DoesNotExist as problem:
        raise not_there("reading") from problem
    return Status(204, None)


def figures_of(meter: Meter, said: Iterable[FigureIn], where: str) -> list[Figure]:
    """Figures with unit and decimals as the meter is known to show them; refuses a unit that doesn't fit."""
    shown = latest_of([meter.pk], list(entered.ENTERABLE)).get(meter.pk, {})
    found: list[Figure] = []
    for number, one in enumerate(said):
        register = BY_CODE[one.code]
        known = shown.get(one.code)
        unit = one.unit or (known.unit if known else register.unit or "m³")
        converted = canonical(one.figure, unit)
        fits = converted is not None and converted[1] == register.unit if register.unit else True
        if not fits and unit != register.unit:
            raise wrong(f"{where}.{number}.unit", f"{unit} is no unit of {register.en} ({register.unit}).")
        if any(other.register == one.code for other in found):
            raise wrong(f"{where}.{number}.code", "This register stands there twice.")
        decimals = known.decimals if known and known.unit == unit else 0
        found.append(Figure(one.code, one.figure, unit, decimals))
    return found


def refuse_doubtful(found: Sequence[Doubt]) -> None:
    """Refuse (409) figures that something speaks against, saying what."""
    if not found:
        return
    errors: list[dict[str, Any]] = [
        {
            "code": one.code,
            "register": one.register,
            "compared_with": one.value,
            "unit": BY_CODE[one.register].unit,
            "at": one.at.astimezone(UTC).isoformat(),
        }
        for one in found
    ]
    raise conflict(
        "Something speaks against these figures. Nothing was stored. Correct them, or send them again with "
        '"confirmed": true.',
        "doubtful",
        errors,
    )
