"""What a meter, or a metering point across its meters, used per hour, day, month or year."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection
from django.utils import timezone

from avlas.decode.families import as_sent, canonical, named
from avlas.decode.registers import BY_CODE, Aggregate
from avlas.meters import doubts, formats
from avlas.meters.models import Installation, Kind, Meter, Quality
from avlas.reports.calc.borders import STANDARD_TIME, Unit, borders, own_stamp
from avlas.reports.calc.judgement import (
    BACKWARDS,
    ROLLED_OVER,
    counter_step,
    energy_contradicts_volume,
    modulus,
)
from avlas.reports.calc.shown_in import ShownIn, shown_in
from avlas.reports.calc.value_at import INTERPOLATED, NONE, Series, ValuesAt, values_at
from avlas.reports.day_words import days_begin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, tzinfo

_QUALITY_MARKS = {
    Quality.CONFLICT: "conflict",
    Quality.IMPLAUSIBLE: "implausible",
    Quality.SENSOR_ERROR: "sensor_error",
    Quality.CLOCK_WRONG: "clock_wrong",
    Quality.ESTIMATED: "estimated",
}


@dataclass(frozen=True, slots=True)
class Span:
    """A meter that counts from one moment to another (aware; None: open end)."""

    meter_id: int
    from_at: datetime | None = None
    to_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One interval. ``amount`` is the use (counters) or the mean (momentary values); None: not known.

    ``marks``: interpolated, exchange, rolled_over, backwards, incomplete, conflict, implausible, sensor_error,
    clock_wrong, estimated, info_code.
    """

    start: datetime
    end: datetime
    amount: Decimal | float | None
    marks: frozenset[str]


@dataclass(frozen=True, slots=True)
class Consumption:
    """Intervals of one register; amounts are in the canonical unit ``unit_text`` and deserve ``decimals``."""

    register: str
    unit_text: str
    decimals: int
    rows: list[Row]
    total: Decimal | float | None
    zone: tzinfo  # in which days begin
    energy: str = "kwh"  # in which unit people want energy, see calc.shown_in

    @property
    def rows_shown_in(self) -> ShownIn:
        """The one unit for all rows."""
        return shown_in(self.unit_text, self.decimals, [row.amount for row in self.rows], self.energy)

    @property
    def total_shown_in(self) -> ShownIn:
        """The unit for the total, which stands alone and says its unit."""
        return shown_in(self.unit_text, self.decimals, [self.total], self.energy)

    @property
    def note(self) -> str:
        """Say in the reader's language where days begin."""
        return days_begin(self.zone)


def spans_of_meter(meter_id: int) -> list[Span]:
    """Give the one span of a single meter, from its first reading on."""
    return [Span(meter_id)]


def spans_of_point(point_id: int) -> list[Span]:
    """Give the main meters of a metering point, one after the other."""
    rows = Installation.objects.filter(point_id=point_id, role=Installation.MAIN).order_by("from_at")
    return [Span(row.meter_id, row.from_at, row.to_at) for row in rows]


@dataclass(frozen=True, slots=True)
class Standing:
    """What a counter stood at: ``figure`` in ``unit`` as the meter sends it, None when nobody knows.

    ``how``: one of calc.value_at's LOGGED, ENTERED, LIVE, INTERPOLATED or NONE.
    """

    register: str
    figure: Decimal | None
    unit: str
    decimals: int
    how: int


def standing(meter_id: int, register: str, at: datetime) -> Standing:
    """Give what ``register`` of a meter stood at ``at`` (aware), and how that is known (DESIGN section 5)."""
    known, moment = BY_CODE[register], at.timestamp()
    readings = _load(meter_id, register, moment, moment)
    found = values_at(readings.series, np.array([moment]))
    how = int(found.how[0])
    sent = [
        formats.parse(spec).get(register) for spec in formats.specs(set(readings.formats.tolist())).values()
    ]
    unit, decimals = next((one for one in sent if one), (known.unit, known.decimals))
    figure = None if how == NONE else as_sent(float(found.value[0]), unit, decimals)
    return Standing(register, figure, unit, decimals, how)


def consumption(
    spans: Sequence[Span],
    register: str,
    unit: Unit,
    start: datetime,
    end: datetime,
    zone: tzinfo = STANDARD_TIME,
) -> Consumption:
    """Give the use (or mean) of ``register`` per ``unit`` from ``start`` to ``end`` (aware).

    Borders lie in ``zone`` (STANDARD_TIME by default); at those of months and years a meter's own value of the month
    comes first, though meters keep standard time. Interpolated borders, exchanges, roll-overs and steps backwards are
    marked on the intervals they touch. Intervals that have not ended yet are left out, but for the
    running one, which is marked incomplete. Raises ValueError for an unknown register or an empty period.
    """
    known = BY_CODE.get(register)
    if known is None:
        raise ValueError(f"there is no register {register!r}")
    moments = borders(unit, start, end, zone)
    edges = np.array([moment.timestamp() for moment in moments])
    stamps = edges
    if unit in ("month", "year"):
        stamps = np.array([own_stamp(moment, zone).timestamp() for moment in moments])
    counter = known.aggregate is Aggregate.DIFFERENCE
    parts = [_of_span(span, register, edges, stamps, counter=counter) for span in spans]
    now = timezone.now().timestamp()
    rows: list[Row] = []
    for number in range(len(edges) - 1):
        if edges[number] > now:
            break
        amounts = [part.amounts[number] for part in parts if part.amounts[number] is not None]
        marks = frozenset().union(*(part.marks[number] for part in parts))
        counting = [part for part in parts if part.counts[number]]
        if len(counting) > 1 and known.aggregate is Aggregate.DIFFERENCE:
            marks |= {"exchange"}
            if amounts and any(part.amounts[number] is None for part in counting):
                marks |= {"incomplete"}
        amount = None
        if amounts:
            amount = added(amounts) if known.aggregate is Aggregate.DIFFERENCE else amounts[-1]
        if edges[number + 1] > now:
            marks |= {"incomplete"}
        rows.append(Row(moments[number], moments[number + 1], amount, marks))
    found = [row.amount for row in rows if row.amount is not None]
    total = added(found) if found and known.aggregate is Aggregate.DIFFERENCE else None
    decimals = max((part.decimals for part in parts if part.decimals is not None), default=known.decimals)
    unit_text = known.unit or next((part.unit for part in parts if part.unit), "")
    return Consumption(register, unit_text, decimals, rows, total, zone)


def added(amounts: Sequence[Decimal | float]) -> Decimal | float:
    """The sum: exact as long as every amount is, a float once one of them was interpolated."""
    exact = [amount for amount in amounts if isinstance(amount, Decimal)]
    return sum(exact, Decimal(0)) if len(exact) == len(amounts) else float(sum(map(float, amounts)))


@dataclass(slots=True)
class _Part:
    amounts: list[Any]
    marks: list[set[str]]
    decimals: int | None
    unit: str
    counts: list[bool]  # whether the meter counted for anything in the interval


def _of_span(span: Span, register: str, edges: np.ndarray, stamps: np.ndarray, *, counter: bool) -> _Part:
    low = max(edges[0], span.from_at.timestamp()) if span.from_at else edges[0]
    high = min(edges[-1], span.to_at.timestamp()) if span.to_at else edges[-1]
    clipped = np.clip(edges, low, high) if low < high else np.full(len(edges), low)
    part = _Part(
        amounts=[None] * (len(edges) - 1),
        marks=[set() for _ in edges[1:]],
        decimals=None,
        unit="",
        counts=(np.diff(clipped) > 0).tolist(),
    )
    if low >= high:
        return part
    readings = _load(span.meter_id, register, low, max(high, stamps[edges <= high].max(initial=high)))
    if not len(readings.series.at):
        return part
    specs = formats.specs(set(readings.formats.tolist()))
    part.unit, part.decimals = _shown(register, [specs[number] for number in readings.formats.tolist()])
    _quality_marks(readings, edges, part.marks)
    if not counter:
        _means(readings, edges, part)
        return part
    now = timezone.now().timestamp()
    last = readings.series.at[-1]
    # the running interval reaches to the newest value there is
    clipped[(edges > now) & (clipped > last)] = max(last, low)
    found = values_at(readings.series, clipped, stamps=np.where(clipped == edges, stamps, clipped))
    _differences(found, readings, register, specs, clipped, part, span.meter_id)
    _mark_steps_down(found, readings, register, specs, clipped, part, span.meter_id)
    if register == "energy_heat_kwh":
        step = max((formats.resolution(spec, register) for spec in specs.values()), default=0.0)
        _mark_contradictions(span.meter_id, np.diff(found.value), step, clipped, part)
    return part


def _mark_contradictions(
    meter_id: int, energy: np.ndarray, energy_step: float, edges: np.ndarray, part: _Part
) -> None:
    """Mark intervals whose heat can't come from their volume and temperatures (E8/E9 say how warm it was).

    Meters that also cool are left alone: their E8 and E9 mix both.
    """
    others = {}
    steps = {}
    for code in ("volume_m3", "energy_flow_m3c", "energy_return_m3c", "energy_cooling_kwh"):
        readings = _load(meter_id, code, edges[0], edges[-1])
        others[code] = np.diff(values_at(readings.series, edges).value)
        specs = formats.specs(set(readings.formats.tolist()))
        steps[code] = max((formats.resolution(spec, code) for spec in specs.values()), default=0.0)
    volume = others["volume_m3"]
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = (others["energy_flow_m3c"] - others["energy_return_m3c"]) / volume
        cooled = others["energy_cooling_kwh"] > 0
        # E8 and E9 count in whole steps: below 20 of them the temperature difference is a guess
        vague = others["energy_return_m3c"] < 20 * steps["energy_return_m3c"]
    wrong = energy_contradicts_volume(
        energy,
        volume,
        difference,
        np.full(len(energy), energy_step),
        np.full(len(energy), steps["volume_m3"]),
    )
    for number in np.flatnonzero(wrong & ~cooled & ~vague).tolist():
        part.marks[number].add("implausible")


@dataclass(frozen=True, slots=True)
class _Readings:
    series: Series
    quality: np.ndarray
    formats: np.ndarray


def _load(meter_id: int, register: str, low: float, high: float) -> _Readings:
    """The readings of a register between two moments, with the last before and the first after."""
    columns = f"CASE WHEN kind = 0 THEN heard_at ELSE slot_at END, kind, {register}, quality, format_id"
    where = f"meter_id = %s AND {register} IS NOT NULL AND (quality & {int(Quality.VOIDED)}) = 0"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT * FROM (SELECT {columns} FROM reading WHERE {where} AND slot_at < %s"
            " ORDER BY slot_at DESC LIMIT 2) AS earlier"
            f" UNION ALL SELECT {columns} FROM reading WHERE {where} AND slot_at >= %s AND slot_at <= %s"
            f" UNION ALL SELECT * FROM (SELECT {columns} FROM reading WHERE {where} AND slot_at > %s"
            " ORDER BY slot_at LIMIT 2) AS later",
            [meter_id, low, meter_id, low, high, meter_id, high],
        )
        rows = cursor.fetchall()
    rows.sort(key=lambda row: (row[0], row[1]))
    data = np.array([(row[0], row[1], row[2], row[3], row[4]) for row in rows], np.float64).reshape(-1, 5)
    series = Series(data[:, 0], data[:, 1].astype(np.int8), data[:, 2], np.arange(len(rows)))
    return _Readings(series, doubts.left(data[:, 3].astype(np.int64)), data[:, 4].astype(np.int64))


def _shown(register: str, specs: list[str]) -> tuple[str, int]:
    """Canonical unit and the decimals that the finest format deserves in it."""
    known, best = BY_CODE[register], -1
    unit = known.unit
    for spec in set(specs):
        sent = formats.parse(spec).get(register)
        if sent is None:
            continue
        converted = canonical(Decimal(1), sent[0])
        unit = unit or (converted[1] if converted else sent[0])
        best = max(best, formats.shown_decimals(*sent))
    return unit, best if best >= 0 else known.decimals


def _means(readings: _Readings, edges: np.ndarray, part: _Part) -> None:
    place = np.searchsorted(edges, readings.series.at, "right") - 1
    good = (readings.quality & int(Quality.SENSOR_ERROR)) == 0
    for number in range(len(edges) - 1):
        here = (place == number) & good
        if here.any():
            part.amounts[number] = float(readings.series.value[here].mean())


def _quality_marks(readings: _Readings, edges: np.ndarray, marks: list[set[str]]) -> None:
    place = np.searchsorted(edges, readings.series.at, "right") - 1
    for at in np.flatnonzero(readings.quality).tolist():
        if 0 <= place[at] < len(marks):
            marks[place[at]] |= {text for bit, text in _QUALITY_MARKS.items() if readings.quality[at] & bit}


def _differences(
    found: ValuesAt,
    readings: _Readings,
    register: str,
    specs: dict[int, str],
    edges: np.ndarray,
    part: _Part,
    meter_id: int,
) -> None:
    before, after = found.value[:-1], found.value[1:]
    tops = _modulus(meter_id, register, specs, before)
    verdict = counter_step(before, after, tops, np.full(len(before), np.nan))
    for number in range(len(before)):
        if edges[number + 1] <= edges[number] or NONE in (found.how[number], found.how[number + 1]):
            continue
        marks = part.marks[number]
        if INTERPOLATED in (found.how[number], found.how[number + 1]):
            marks.add("interpolated")
        if verdict[number] == BACKWARDS:
            marks.add("backwards")
            continue
        amount = float(after[number] - before[number])
        if verdict[number] == ROLLED_OVER:
            marks.add("rolled_over")
            part.amounts[number] = amount + float(tops[number])
        else:
            part.amounts[number] = _exact(found, readings, register, specs, number, amount)


def _mark_steps_down(
    found: ValuesAt,
    readings: _Readings,
    register: str,
    specs: dict[int, str],
    edges: np.ndarray,
    part: _Part,
    meter_id: int,
) -> None:
    """Find roll-overs and steps backwards within intervals: between its borders alone a month may hide them.

    Only what was heard is looked at, whose moments are sure. An interval whose borders go down is counted after all
    when nothing but roll-overs lies within.
    """
    live = np.flatnonzero(readings.series.kind == Kind.LIVE)
    at, value = readings.series.at[live], readings.series.value[live]
    step = max((formats.resolution(spec, register) for spec in specs.values()), default=0.0)
    down = np.flatnonzero(np.diff(value) < -1.5 * step)
    if not down.size:
        return
    tops = _modulus(meter_id, register, specs, value[down])
    verdict = counter_step(value[down], value[down + 1], tops, np.full(len(down), np.nan))
    place = np.searchsorted(edges, at[down + 1], "left") - 1
    for number in np.unique(place[(place >= 0) & (place < len(part.marks))]).tolist():
        here = place == number
        marks = part.marks[number]
        if (verdict[here] != ROLLED_OVER).any():
            marks.add("backwards")
            continue
        if part.amounts[number] is None and "backwards" in marks:
            marks.discard("backwards")
            part.amounts[number] = float(found.value[number + 1] - found.value[number] + tops[here].sum())
        marks.add("rolled_over")


def _exact(
    found: ValuesAt, readings: _Readings, register: str, specs: dict[int, str], number: int, amount: float
) -> Decimal | float:
    """The difference of two figures as the meter showed them, exact where both were measured."""
    first, second = found.row[number], found.row[number + 1]
    if first < 0 or second < 0:
        return amount
    sent = [formats.parse(specs[int(readings.formats[row])]).get(register) for row in (first, second)]
    if sent[0] is None or sent[0] != sent[1]:
        return amount
    unit, decimals = sent[0]
    figures = [as_sent(found.value[number + step], unit, decimals) for step in (0, 1)]
    converted = canonical(figures[1] - figures[0], unit)
    return converted[0] if converted else figures[1] - figures[0]


def _modulus(meter_id: int, register: str, specs: dict[int, str], before: np.ndarray) -> np.ndarray:
    name = Meter.objects.filter(id=meter_id).values_list("family", flat=True).first()
    family = named(name) if name else None
    step = max((formats.resolution(spec, register) for spec in specs.values()), default=0.0)
    return modulus(before, step, family.digits if family else ())
