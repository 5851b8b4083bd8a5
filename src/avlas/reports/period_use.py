"""What each metering point of a group used in a period, across meter exchanges: the rows beneath the reports."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from enum import IntFlag
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django.db import connection
from django.utils.dateparse import parse_datetime

from avlas.decode.families import named
from avlas.decode.registers import BY_CODE
from avlas.meters import formats
from avlas.meters.models import Installation, Quality
from avlas.reports.calc.borders import STANDARD_TIME, borders, own_stamp
from avlas.reports.calc.judgement import BACKWARDS, ROLLED_OVER, counter_step, modulus
from avlas.reports.calc.value_at import INTERPOLATED, NONE
from avlas.reports.counters import AFTER, BEFORE, EXACTLY, HELD, Counters, Moments, counters_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

THERMAL: Final = ("heat", "cooling", "heat/cooling")


class UseMark(IntFlag):
    """What must be known of an amount; the names are those of ``consumption.Row.marks`` in capitals."""

    INCOMPLETE = 1  # a meter's first or last reading stands for one that is missing, or a part is not known
    ESTIMATED = 2
    INTERPOLATED = 4
    EXCHANGE = 8
    ROLLED_OVER = 16
    BACKWARDS = 32
    CONFLICT = 64
    IMPLAUSIBLE = 128
    SENSOR_ERROR = 256
    CLOCK_WRONG = 512
    PART_MISSING = 1024  # of a virtual point


_OF_QUALITY: Final = {
    Quality.ESTIMATED: UseMark.ESTIMATED,
    Quality.CONFLICT: UseMark.CONFLICT,
    Quality.IMPLAUSIBLE: UseMark.IMPLAUSIBLE,
    Quality.SENSOR_ERROR: UseMark.SENSOR_ERROR,
    Quality.CLOCK_WRONG: UseMark.CLOCK_WRONG,
}


@dataclass(frozen=True, slots=True)
class Members:
    """Which meters a report is about: ``test`` is SQL on the row ``m`` of meters_meter, of a group's choice."""

    utility_id: int
    test: str = "1 = 1"
    values: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Who:
    """Whose row it is. ``address`` and ``customer`` are empty where nobody has said where the meter sits."""

    meter_id: int
    model: str
    manufacturer: str
    serial: str
    medium: str
    family: str
    point_id: int = 0
    address: str = ""
    city: str = ""
    customer: str = ""
    customer_number: str = ""


@dataclass(frozen=True, slots=True)
class Spans:
    """A meter that counts for a row from one moment to another: arrays of n; whole seconds UTC."""

    row: np.ndarray
    meter_id: np.ndarray
    start: np.ndarray
    end: np.ndarray
    start_else: np.ndarray  # see counters.Moments.else_take
    end_else: np.ndarray
    stamps: Mapping[int, int] = field(default_factory=dict)  # see counters.counters_at; not of days

    def counters(self, registers: Sequence[str]) -> Counters:
        """The ``registers`` at all starts, and then at all ends; once where a span goes on from the last."""
        parts = (self.meter_id, self.start, self.start_else), (self.meter_id, self.end, self.end_else)
        goes_on = np.zeros(len(self.row), bool)
        goes_on[1:] = np.logical_and.reduce(
            [of[1:] == before[:-1] for of, before in zip(*parts, strict=True)]
        )
        begins = np.flatnonzero(~goes_on)
        starts, ends = parts
        moments = Moments(*(np.concatenate([a[begins], b]) for a, b in zip(starts, ends, strict=True)))
        found = counters_at(moments, registers, self.stamps)
        place = np.arange(len(self.row)) + len(begins)
        return found.at(np.concatenate([np.where(goes_on, place - 1, np.cumsum(~goes_on) - 1), place]))

    def of_rows(self, rows: np.ndarray) -> Spans:
        """Those of some rows only."""
        return self._picked(np.isin(self.row, rows))

    def by_days(self, days: np.ndarray) -> Spans:
        """Cut at the days' ``borders`` (ascending); the rows' numbers become row x days + day."""
        count = len(days) - 1
        pieces: list[tuple[int, ...]] = []
        for row, meter, start, end, start_else, end_else in zip(
            *(part.tolist() for part in (self.row, self.meter_id, self.start, self.end)),
            self.start_else.tolist(),
            self.end_else.tolist(),
            strict=True,
        ):
            for day in range(count):
                low, high = max(start, int(days[day])), min(end, int(days[day + 1]))
                if low < high:
                    pieces.append(
                        (
                            row * count + day,
                            meter,
                            low,
                            high,
                            start_else if low == start else EXACTLY,
                            end_else if high == end else EXACTLY,
                        )
                    )
        return Spans(*np.array(pieces, np.int64).reshape(-1, 6).T)

    def _picked(self, which: np.ndarray) -> Spans:
        parts = ("row", "meter_id", "start", "end", "start_else", "end_else")
        return replace(self, **{name: getattr(self, name)[which] for name in parts})


@dataclass(frozen=True, slots=True)
class Used:
    """Amounts of n rows by register code; NaN where not known. ``decimals``: what an amount deserves."""

    amount: dict[str, np.ndarray]
    decimals: dict[str, np.ndarray]
    step: dict[str, np.ndarray]  # one count of the register, in its canonical unit; 0: not known
    marks: np.ndarray  # int64, UseMark


@dataclass(frozen=True, slots=True)
class PeriodUse:
    """A group's metering points (and meters without one) and what they used in a period."""

    who: list[Who]
    spans: Spans
    used: Used


def period_use(
    members: Members,
    registers: Sequence[str],
    start: datetime,
    end: datetime,
    now: datetime | None = None,
    zone: tzinfo = STANDARD_TIME,
    *,
    with_names: bool = True,
) -> PeriodUse:
    """Give the use of the ``registers`` (codes of counters) from ``start`` to ``end`` (aware).

    ``zone``: in which days begin; where a month does, the meters' own values of it come first, though they keep
    standard time. A period that has not ended is counted to each meter's newest reading. Raises ValueError for an empty
    period. Without ``with_names`` nothing is said of addresses and customers, which takes time to find.
    """
    if end <= start:
        raise ValueError(f"the period ends ({end}) before it begins ({start})")
    now = now or datetime.now(UTC)
    running = end > now
    end_else = BEFORE if running else EXACTLY
    who, spans = _rows_of(members, start, min(end, max(now, start)), end_else, with_names=with_names)
    spans = replace(spans, stamps=own_stamps(start, end, zone))
    families = dict({(one.meter_id, one.family) for one in who})
    return PeriodUse(who, spans, used(spans, len(who), registers, families))


def own_stamps(start: datetime, end: datetime, zone: tzinfo) -> dict[int, int]:
    """When the meters' own values of a period's ends stand, where that is at other moments (seconds UTC)."""
    stamps = {moment: own_stamp(moment, zone) for moment in (start, end)}
    return {int(moment.timestamp()): int(own.timestamp()) for moment, own in stamps.items() if own != moment}


def used(spans: Spans, rows: int, registers: Sequence[str], families: dict[int, str]) -> Used:
    """Give what the ``rows`` used over their ``spans``. ``families``: of the meters, for their registers' digits."""
    count = len(spans.row)
    found = spans.counters(registers)
    specs = formats.specs(set(np.unique(found.format_id).tolist()) - {0})
    marks = np.zeros(count, np.int64)
    quality = found.quality[:count] | found.quality[count:]
    for bit, mark in _OF_QUALITY.items():
        marks |= np.where(quality & int(bit), int(mark), 0)
    amount, decimals, step = {}, {}, {}
    of_row = np.zeros(rows, np.int64)
    for number, code in enumerate(registers):
        used_format = np.maximum(found.format_id[:count, number], found.format_id[count:, number])
        step[code] = _per_row(spans, rows, _by_format(used_format, specs, _step_of(code)))
        decimals[code] = _per_row(spans, rows, _by_format(used_format, specs, _decimals_of(code))).astype(
            np.int8
        )
        part, part_marks = _differences(spans, found, number, code, specs, families)
        known = ~np.isnan(part)
        amount[code] = np.full(rows, np.nan)
        amount[code][np.unique(spans.row[known])] = 0.0
        np.add.at(amount[code], spans.row[known], part[known])
        # part of the point's meters known and part not
        counted = ((found.how[:count, number] != NONE) | (found.how[count:, number] != NONE)) & ~known
        part_marks |= np.where(counted & ~np.isnan(amount[code])[spans.row], int(UseMark.INCOMPLETE), 0)
        marks |= part_marks
    np.bitwise_or.at(of_row, spans.row, marks)
    several = np.bincount(spans.row, minlength=rows) > 1
    return Used(amount, decimals, step, of_row | np.where(several, int(UseMark.EXCHANGE), 0))


def _differences(
    spans: Spans,
    found: Counters,
    number: int,
    code: str,
    specs: dict[int, str],
    families: dict[int, str],
) -> tuple[np.ndarray, np.ndarray]:
    """Last minus first of each span, and what must be known of it."""
    count = len(spans.row)
    first, last = found.value[:count, number], found.value[count:, number]
    how = (found.how[:count, number], found.how[count:, number])
    amount = last - first
    marks = np.zeros(count, np.int64)
    known = ~np.isnan(amount)
    for ends in how:
        marks |= np.where(known & (ends == INTERPOLATED), int(UseMark.INTERPOLATED), 0)
        marks |= np.where(known & (ends == HELD), int(UseMark.INCOMPLETE), 0)
    for place in np.flatnonzero(known & (amount < 0)).tolist():
        family = named(families.get(int(spans.meter_id[place]), ""))
        step = formats.resolution(specs.get(int(found.format_id[place, number]), ""), code)
        before = first[place : place + 1]
        top = modulus(before, step, family.digits if family else ())
        verdict = counter_step(before, last[place : place + 1], top, np.array([np.nan]))[0]
        if verdict == ROLLED_OVER:
            amount[place] += top[0]
            marks[place] |= int(UseMark.ROLLED_OVER)
        elif verdict == BACKWARDS:
            amount[place] = np.nan
            marks[place] |= int(UseMark.BACKWARDS)
    return amount, marks


def _per_row(spans: Spans, rows: int, value: np.ndarray) -> np.ndarray:
    """The largest of a row's spans."""
    found = np.zeros(rows)
    np.maximum.at(found, spans.row, value)
    return found


def _by_format(format_id: np.ndarray, specs: dict[int, str], of_spec: Callable[[str], float]) -> np.ndarray:
    numbers, place = np.unique(format_id, return_inverse=True)
    return np.array([of_spec(specs.get(number, "")) for number in numbers.tolist()], np.float64)[place]


def _step_of(code: str) -> Callable[[str], float]:
    return lambda spec: formats.resolution(spec, code)


def _decimals_of(code: str) -> Callable[[str], float]:
    def decimals(spec: str) -> float:
        sent = formats.parse(spec).get(code)
        return BY_CODE[code].decimals if sent is None else formats.shown_decimals(*sent)

    return decimals


def day_borders(start: datetime, end: datetime, zone: tzinfo) -> np.ndarray:
    """The days' borders in ``zone`` from ``start`` to ``end`` in whole seconds UTC."""
    return np.array([int(moment.timestamp()) for moment in borders("day", start, end, zone)], np.int64)


# whose rows there are


@dataclass(slots=True)
class _Chain:
    """The meters of one kind at a point, one after the other."""

    thermal: bool
    medium: str
    parts: list[
        tuple[int, int | None, int | None]
    ]  # meter, from, to in whole seconds; None: beyond the period


def _rows_of(
    members: Members, start: datetime, end: datetime, end_else: int, *, with_names: bool
) -> tuple[list[Who], Spans]:
    low, high = int(start.timestamp()), int(end.timestamp())
    chosen = _chosen(members)
    placed, elsewhere = _installed(members, start, end)
    points = _points(members.utility_id, {row[0] for row in placed}, end) if with_names else {}
    who: list[Who] = []
    spans: list[tuple[int, int, int, int, int, int]] = []

    def add(shown: int, point: int, parts: Iterable[tuple[int, int | None, int | None]]) -> None:
        if shown not in chosen:
            return
        for meter, from_at, to_at in parts:
            first, last = max(from_at or low, low), min(to_at or high, high)
            if first < last:
                spans.append(
                    (
                        len(who),
                        meter,
                        first,
                        last,
                        EXACTLY if first == low else AFTER,
                        end_else if last == high else BEFORE,
                    )
                )
        who.append(Who(shown, *chosen[shown], point, *points.get(point, ("", "", "", ""))))

    here = set()
    chains: dict[int, list[_Chain]] = {}
    for point, meter, medium, role, from_at, to_at in placed:
        here.add(meter)
        if role == Installation.MAIN:
            _put(chains.setdefault(point, []), meter, medium, from_at, to_at)
        else:
            add(meter, point, [(meter, from_at, to_at)])
    for point, found in chains.items():
        for chain in found:
            last = chain.parts[-1][0]
            if last not in chosen:
                last = next((part[0] for part in reversed(chain.parts) if part[0] in chosen), 0)
            add(last, point, chain.parts)
    for meter in chosen:
        if meter not in here and meter not in elsewhere:
            add(meter, 0, [(meter, None, None)])
    return who, Spans(*np.array(spans, np.int64).reshape(-1, 6).T)


def _put(chains: list[_Chain], meter: int, medium: str, from_at: int | None, to_at: int | None) -> None:
    """Lay a meter after the one it replaced, else begin a chain; they come in the order of ``from_at``."""
    thermal = medium in THERMAL
    if not chains:
        chains.append(_Chain(thermal, medium, [(meter, from_at, to_at)]))
        return
    fitting = [
        chain
        for chain in chains
        if (ended := chain.parts[-1][2]) is not None
        and from_at is not None
        and ended <= from_at
        and (chain.medium == medium or not medium or not chain.medium or (chain.thermal and thermal))
    ]
    chain = next((one for one in fitting if one.medium == medium), fitting[0] if fitting else None)
    if chain is None:
        chains.append(_Chain(thermal, medium, [(meter, from_at, to_at)]))
    else:
        chain.parts.append((meter, from_at, to_at))


def _chosen(members: Members) -> dict[int, tuple[str, str, str, str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.id, m.model, m.manufacturer, m.serial, m.medium, m.family FROM meters_meter m"
            f" WHERE m.utility_id = %s AND {members.test}",
            [members.utility_id, *members.values],
        )
        return {row[0]: row[1:] for row in cursor.fetchall()}


_Placed = tuple[int, int, str, str, int | None, int | None]


def _installed(members: Members, start: datetime, end: datetime) -> tuple[list[_Placed], set[int]]:
    """All installations within the period at the points of the chosen meters; the meters installed at other times."""
    adapt: Callable[[datetime], Any] = connection.ops.adapt_datetimefield_value
    low, high = adapt(start), adapt(end)
    mine = (
        ""
        if members.test == "1 = 1"
        else (
            " AND i.point_id IN (SELECT x.point_id FROM meters_installation x JOIN meters_meter m ON m.id = x.meter_id"
            f" WHERE m.utility_id = %s AND {members.test})"
        )
    )
    mine_values = [members.utility_id, *members.values] if mine else []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.point_id, i.meter_id, n.medium, i.role, CASE WHEN i.from_at > %s THEN i.from_at END,"
            " CASE WHEN i.to_at < %s THEN i.to_at END"
            " FROM meters_installation i JOIN meters_meter n ON n.id = i.meter_id"
            f" WHERE n.utility_id = %s AND i.from_at < %s AND (i.to_at IS NULL OR i.to_at > %s){mine}"
            " ORDER BY i.from_at, i.id",
            [low, high, members.utility_id, high, low, *mine_values],
        )
        placed = [(*row[:4], _seconds(row[4]), _seconds(row[5])) for row in cursor.fetchall()]
        cursor.execute(
            "SELECT i.meter_id FROM meters_installation i JOIN meters_meter n ON n.id = i.meter_id"
            " WHERE n.utility_id = %s AND (i.to_at <= %s OR i.from_at >= %s)",
            [members.utility_id, low, high],
        )
        return placed, {row[0] for row in cursor.fetchall()}


def _seconds(moment: datetime | str | None) -> int | None:
    """A moment as the database gives it (SQLite: text in UTC)."""
    if isinstance(moment, str):
        moment = parse_datetime(moment)
    if moment is None:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _points(utility_id: int, wanted: set[int], end: datetime) -> dict[int, tuple[str, str, str, str]]:
    """Address, city, customer's name and number of each point at the end of the period."""
    moment = connection.ops.adapt_datetimefield_value(end)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.id, CASE p.address WHEN '' THEN p.facility_id ELSE p.address END, p.city, k.name, k.number"
            " FROM meters_meteringpoint p"
            " LEFT JOIN meters_occupancy o ON o.point_id = p.id AND o.from_at < %s"
            " AND (o.to_at IS NULL OR o.to_at >= %s) LEFT JOIN meters_customer k ON k.id = o.customer_id"
            " WHERE p.utility_id = %s",
            [moment, moment, utility_id],
        )
        return {
            row[0]: (row[1], row[2], row[3] or "", row[4] or "")
            for row in cursor.fetchall()
            if row[0] in wanted
        }
