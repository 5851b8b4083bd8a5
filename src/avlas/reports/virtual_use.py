"""What virtual metering points used: sums and differences of others' use, marked where a part is missing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

import numpy as np

from avlas.decode.registers import REGISTERS, Aggregate
from avlas.meters import virtual_points
from avlas.meters.models import Installation, Meter, MeteringPoint
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.reports.consumption import Consumption, Row, added, consumption, spans_of_point
from avlas.reports.counters import AFTER, BEFORE, EXACTLY
from avlas.reports.latest import Latest, latest_of
from avlas.reports.period_use import Spans, UseMark, own_stamps, used

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.reports.calc.borders import Unit
    from avlas.reports.consumption import Span

MISSING = "part_missing"
"""The mark of an interval in which a part is not known, so that the figure lacks it."""


@dataclass(frozen=True, slots=True)
class Part:
    """The main meters of a metered point, and how often it counts (negative: it is subtracted)."""

    point_id: int
    times: int
    spans: list[Span]


def parts_of(point: MeteringPoint) -> list[Part]:
    """The metered points that a virtual one comes down to; [] when the point is not virtual."""
    leaves = virtual_points.measured(point.utility_id).get(point.pk, {})
    return [Part(leaf, times, spans_of_point(leaf)) for leaf, times in leaves.items()]


def newest_of(parts: Sequence[Part]) -> list[Latest]:
    """One of the newest values of each counter that some part has: what can be asked for."""
    meters = [part.spans[-1].meter_id for part in parts if part.spans]
    codes = [one.code for one in REGISTERS if one.aggregate is Aggregate.DIFFERENCE]
    found = latest_of(meters, codes)
    by_code = {code: one for values in found.values() for code, one in values.items()}
    return [by_code[code] for code in codes if code in by_code]


def combined(
    parts: Sequence[Part],
    register: str,
    unit: Unit,
    start: datetime,
    end: datetime,
    zone: tzinfo = STANDARD_TIME,
) -> Consumption:
    """Give the use of a counter per ``unit`` from ``start`` to ``end`` (aware), as ``consumption`` does for one point.

    An interval in which some part is not known is marked MISSING: its figure is that of the others. Raises ValueError
    without parts.
    """
    if not parts:
        raise ValueError("a virtual point without parts")
    found = [consumption(part.spans, register, unit, start, end, zone) for part in parts]
    rows = []
    for row in zip(*(one.rows for one in found), strict=False):
        known = [
            one.amount * part.times for one, part in zip(row, parts, strict=True) if one.amount is not None
        ]
        marks = frozenset().union(*(one.marks for one in row))
        if known and len(known) < len(parts):
            marks |= {MISSING}
        rows.append(Row(row[0].start, row[0].end, added(known) if known else None, marks))
    amounts = [row.amount for row in rows if row.amount is not None]
    best = max(found, key=lambda one: one.decimals)
    return replace(best, rows=rows, total=added(amounts) if amounts else None)


@dataclass(frozen=True, slots=True)
class VirtualUse:
    """What a virtual point used in a period, by register; NaN where nothing is known."""

    point: MeteringPoint
    leaves: frozenset[int]
    amount: dict[str, float]
    decimals: dict[str, int]
    marks: int  # UseMark


def virtual_use(
    utility_id: int,
    registers: Sequence[str],
    start: datetime,
    end: datetime,
    now: datetime | None = None,
    zone: tzinfo = STANDARD_TIME,
) -> list[VirtualUse]:
    """Give what all virtual points of a utility used from ``start`` to ``end`` (aware), by address; as period_use."""
    wholes = virtual_points.measured(utility_id)
    if not wholes:
        return []
    now = now or datetime.now(UTC)
    running = end > now
    low, high = int(start.timestamp()), int(min(end, max(now, start)).timestamp())
    leaves = sorted({leaf for parts in wholes.values() for leaf in parts})
    row_of = {leaf: row for row, leaf in enumerate(leaves)}
    spans = []
    for point, meter, since, until in Installation.objects.filter(
        point_id__in=leaves, role=Installation.MAIN
    ).values_list("point_id", "meter_id", "from_at", "to_at"):
        first = max(low, int(since.timestamp()))
        last = min(high, int(until.timestamp())) if until else high
        if first < last:
            before = BEFORE if last < high or running else EXACTLY
            spans.append((row_of[point], meter, first, last, EXACTLY if first == low else AFTER, before))
    families = dict(Meter.objects.filter(pk__in={span[1] for span in spans}).values_list("pk", "family"))
    table = np.array(spans, np.int64).reshape(-1, 6).T
    own = replace(Spans(*table), stamps=own_stamps(start, end, zone))
    found = used(own, len(leaves), registers, families)
    points = MeteringPoint.objects.in_bulk(wholes)
    made = []
    for whole, parts in wholes.items():
        rows = np.array([row_of[leaf] for leaf in parts], np.int64)
        times = np.array(list(parts.values()), np.float64)
        marks = int(np.bitwise_or.reduce(found.marks[rows])) if len(rows) else 0
        amount, decimals = {}, {}
        for code in registers:
            values = found.amount[code][rows] * times
            known = ~np.isnan(values)
            amount[code] = float(values[known].sum()) if known.any() else float("nan")
            decimals[code] = int(found.decimals[code][rows].max()) if len(rows) else 0
            if known.any() and not known.all():
                marks |= UseMark.PART_MISSING
        made.append(VirtualUse(points[whole], frozenset(parts), amount, decimals, marks))
    return sorted(made, key=lambda one: (str(one.point), one.point.pk))
