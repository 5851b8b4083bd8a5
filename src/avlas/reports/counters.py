"""Counters of many meters at their own moments, in two or three statements however many meters there are.

What a counter shows at a moment is decided as for a single meter (DESIGN section 5; ``calc.value_at``): the meter's
own logged value, one entered, a live one within the tolerance, else interpolated between its neighbours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from django.db import connection

from avlas.meters import doubts
from avlas.meters.models import Kind, Quality
from avlas.reports.calc.value_at import ENTERED, INTERPOLATED, LIVE, LOGGED, NONE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HELD: Final = 5
"""How a value is known, beside those of ``calc.value_at``: the last one before (or the first one after)."""
TOLERANCE_SECONDS: Final = 600
_LONGEST_SLOT_SECONDS: Final = 3600  # of what is found at once; longer slots are found by the neighbours
_NEIGHBOURS: Final = 3  # a logged and a live row of one moment, and one more that may lack a register

EXACTLY, BEFORE, AFTER = 0, -1, 1
"""What may stand for a value that is missing at its moment: nothing, the last one before, the first one after."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Where counters are wanted: arrays of n. ``at`` whole seconds UTC, ``else_take`` EXACTLY, BEFORE or AFTER."""

    meter_id: np.ndarray  # int64
    at: np.ndarray  # int64
    else_take: np.ndarray  # int8


@dataclass(frozen=True, slots=True)
class Counters:
    """Arrays of n x r (moments x registers)."""

    value: np.ndarray  # float64, NaN: not known
    how: np.ndarray  # int8: NONE, LOGGED, ENTERED, LIVE, INTERPOLATED or HELD
    format_id: np.ndarray  # int64, 0: not known
    stood_at: np.ndarray  # int64: when the value stood in the meter; for interpolated ones the moment wanted
    quality: np.ndarray  # int64 of n: marks of the readings used

    def at(self, places: np.ndarray) -> Counters:
        """Those of some moments, in the order of ``places``."""
        parts = (self.value, self.how, self.format_id, self.stood_at, self.quality)
        return Counters(*(part[places] for part in parts))


def counters_at(
    moments: Moments, registers: Sequence[str], stamps: Mapping[int, int] | None = None
) -> Counters:
    """Give ``registers`` (codes of counters) at all ``moments``.

    ``stamps``: of some moments when the meters' own logged values of them stand (calc.borders.own_stamp).
    """
    found = _counters_at(moments, registers)
    if stamps:
        _take_own(found, moments, registers, stamps)
    return found


def _take_own(found: Counters, moments: Moments, registers: Sequence[str], stamps: Mapping[int, int]) -> None:
    """Put the meters' own values of moments for which they stand at other ones in first place."""
    late = np.flatnonzero(np.isin(moments.at, np.fromiter(stamps, np.int64, len(stamps))))
    if not late.size:
        return
    at = np.array([stamps[moment] for moment in moments.at[late].tolist()], np.int64)
    own = _counters_at(Moments(moments.meter_id[late], at, np.full(len(at), EXACTLY, np.int8)), registers)
    row, column = np.nonzero(own.how == LOGGED)
    for name in ("value", "how", "format_id", "stood_at"):
        getattr(found, name)[late[row], column] = getattr(own, name)[row, column]
    found.quality[late[row]] |= own.quality[row]


def measured_at(moments: Moments, registers: Sequence[str]) -> Counters:
    """Give ``registers`` where they were read at the moment itself: nothing is interpolated, or held from before."""
    return _counters_at(moments, registers, beside=False)


def _counters_at(moments: Moments, registers: Sequence[str], *, beside: bool = True) -> Counters:
    count = len(moments.meter_id)
    if not count:
        empty = np.zeros((0, len(registers)))
        whole = empty.astype(np.int64)
        return Counters(empty, empty.astype(np.int8), whole, whole, np.zeros(0, np.int64))
    near = _rows(_AT_ONCE[connection.vendor], np.arange(count), moments, registers)
    found = _choose(moments, near, len(registers))
    lacking = np.flatnonzero(_lacking(found, near, count)) if beside else np.zeros(0, np.int64)
    if lacking.size:
        more = _rows(_NEIGHBOURING[connection.vendor], lacking, moments, registers)
        found = _choose(moments, near.joined(more), len(registers))
    return found


@dataclass(frozen=True, slots=True)
class _Rows:
    """Readings beside the moments they may answer: arrays of n, ``value`` n x r."""

    place: np.ndarray  # which of the moments
    at: np.ndarray
    kind: np.ndarray
    quality: np.ndarray
    format_id: np.ndarray
    value: np.ndarray

    def joined(self, other: _Rows) -> _Rows:
        return _Rows(
            *(
                np.concatenate([getattr(self, name), getattr(other, name)])
                for name in ("place", "at", "kind", "quality", "format_id", "value")
            )
        )


_WANTED: Final = {
    "sqlite": (
        "(SELECT json_extract(value, '$[0]') AS place, json_extract(value, '$[1]') AS meter_id,"
        " json_extract(value, '$[2]') AS at FROM json_each(%s))"
    ),
    "postgresql": "unnest(%s::bigint[], %s::bigint[], %s::bigint[])",
}
_GOOD: Final = f"(r.quality & {int(Quality.VOIDED)}) = 0"
_FITS: Final = (
    f"r.meter_id = w.meter_id AND r.slot_at BETWEEN w.at - {_LONGEST_SLOT_SECONDS + TOLERANCE_SECONDS}"
    f" AND w.at + {TOLERANCE_SECONDS} AND {_GOOD} AND (CASE r.kind WHEN {int(Kind.LIVE)}"
    f" THEN r.heard_at BETWEEN w.at - {TOLERANCE_SECONDS} AND w.at + {TOLERANCE_SECONDS} ELSE r.slot_at = w.at END)"
)
_COLUMNS: Final = (
    f"CASE r.kind WHEN {int(Kind.LIVE)} THEN r.heard_at ELSE r.slot_at END, r.kind, r.quality, r.format_id"
)
_BESIDE: Final = (
    "SELECT * FROM reading r WHERE r.meter_id = w.meter_id AND r.slot_at {0} w.at"
    f" AND {_GOOD} ORDER BY r.slot_at {{1}}, r.kind {{1}} LIMIT {_NEIGHBOURS}"
)
_FARTHEST: Final = (
    "(SELECT {0}(slot_at) FROM (SELECT r.slot_at FROM reading r WHERE r.meter_id = w.meter_id AND r.slot_at {1} w.at"
    f" AND {_GOOD} ORDER BY r.slot_at {{2}} LIMIT {_NEIGHBOURS}))"
)
# {wanted} and {columns} are filled in; CROSS JOIN keeps SQLite from beginning with the readings, LIMIT keeps
# PostgreSQL from reading them all and joining afterwards.
_AT_ONCE: Final = {
    "sqlite": f"SELECT w.place, {{columns}} FROM {{wanted}} w CROSS JOIN reading r WHERE {_FITS}",
    "postgresql": (
        "SELECT w.place, {columns} FROM {wanted} AS w(place, meter_id, at)"
        f" CROSS JOIN LATERAL (SELECT * FROM reading r WHERE {_FITS} LIMIT 16) AS r"
    ),
}
_NEIGHBOURING: Final = {
    "sqlite": (
        f"SELECT w.place, {{columns}} FROM {{wanted}} w CROSS JOIN reading r WHERE r.meter_id = w.meter_id AND {_GOOD}"
        f" AND r.slot_at BETWEEN coalesce({_FARTHEST.format('min', '<=', 'DESC')}, w.at)"
        f" AND coalesce({_FARTHEST.format('max', '>', '')}, w.at)"
    ),
    "postgresql": (
        "SELECT w.place, {columns} FROM {wanted} AS w(place, meter_id, at)"
        f" CROSS JOIN LATERAL (({_BESIDE.format('<=', 'DESC')}) UNION ALL ({_BESIDE.format('>', 'ASC')})) AS r"
    ),
}


def _rows(statement: str, places: np.ndarray, moments: Moments, registers: Sequence[str]) -> _Rows:
    wanted = [places.tolist(), moments.meter_id[places].tolist(), moments.at[places].tolist()]
    vendor = connection.vendor
    columns = ", ".join([_COLUMNS, *(f"r.{code}" for code in registers)])
    with connection.cursor() as cursor:
        cursor.execute(
            statement.format(wanted=_WANTED[vendor], columns=columns),
            [json.dumps(list(zip(*wanted, strict=True)))] if vendor == "sqlite" else wanted,
        )
        rows = cursor.fetchall()
    table = np.array(rows, np.float64).reshape(-1, 5 + len(registers))  # None becomes NaN
    head = table[:, :5].astype(np.int64)
    return _Rows(head[:, 0], head[:, 1], head[:, 2], doubts.left(head[:, 3]), head[:, 4], table[:, 5:])


def _lacking(found: Counters, near: _Rows, count: int) -> np.ndarray:
    """Which moments need a look at the neighbours: nothing was found, or not all that a live row would have shown."""
    live = np.zeros(count, bool)
    live[near.place[near.kind == Kind.LIVE]] = True
    known = found.how != NONE
    lacking: np.ndarray = ~known.any(1) | (~live & ~known.all(1))
    return lacking


def _choose(moments: Moments, rows: _Rows, registers: int) -> Counters:
    """The best of ``rows`` for each moment and register."""
    count = len(moments.at)
    value = np.full((count, registers), np.nan)
    how = np.zeros((count, registers), np.int8)
    format_id = np.zeros((count, registers), np.int64)
    stood_at = np.zeros((count, registers), np.int64)
    quality = np.zeros(count, np.int64)
    away = rows.at - moments.at[rows.place]
    near = np.abs(away)
    fits = [  # the last one wins
        ((rows.kind == Kind.LIVE) & (near <= TOLERANCE_SECONDS), LIVE),
        ((rows.kind == Kind.ENTERED) & (near == 0), ENTERED),
        ((rows.kind == Kind.LOGGED) & (near == 0), LOGGED),
    ]
    for number in range(registers):
        there = ~np.isnan(rows.value[:, number])
        before, after = (
            _nearest(rows.place, near, there & side, count) for side in (away <= 0, away >= 0)
        )  # row numbers, -1: none
        _between(moments, rows, number, before, after, value, how)
        both = how[:, number] == INTERPOLATED
        stood_at[both, number] = moments.at[both]
        format_id[both, number] = rows.format_id[before[both]]
        for wanted, row in ((BEFORE, before), (AFTER, after)):
            take = ~both & (row >= 0) & (moments.else_take == wanted)
            _take(rows, number, row, take, HELD, value, how, format_id, stood_at, quality)
        for test, code in fits:
            row = _nearest(rows.place, near, there & test, count)
            _take(rows, number, row, row >= 0, code, value, how, format_id, stood_at, quality)
    return Counters(value, how, format_id, stood_at, quality)


def _nearest(place: np.ndarray, distance: np.ndarray, usable: np.ndarray, count: int) -> np.ndarray:
    """For each moment the number of the usable row with the smallest distance, -1 where there is none."""
    chosen = np.flatnonzero(usable)
    found = np.full(count, -1, np.int64)
    # from far to near: the nearest is written last
    order = chosen[np.argsort(-distance[chosen], kind="stable")]
    found[place[order]] = order
    return found


def _between(
    moments: Moments,
    rows: _Rows,
    number: int,
    before: np.ndarray,
    after: np.ndarray,
    value: np.ndarray,
    how: np.ndarray,
) -> None:
    """Interpolate where there is a value on both sides and the counter did not go down in between."""
    places = np.flatnonzero((before >= 0) & (after >= 0))
    if not places.size:
        return
    left, right = before[places], after[places]
    low, high = rows.value[left, number], rows.value[right, number]
    span = rows.at[right] - rows.at[left]
    use = (high >= low) & (span > 0)
    places, left, low, high, span = (part[use] for part in (places, left, low, high, span))
    share = (moments.at[places] - rows.at[left]) / span
    value[places, number] = low + share * (high - low)
    how[places, number] = INTERPOLATED


def _take(
    rows: _Rows,
    number: int,
    row: np.ndarray,
    take: np.ndarray,
    code: int,
    value: np.ndarray,
    how: np.ndarray,
    format_id: np.ndarray,
    stood_at: np.ndarray,
    quality: np.ndarray,
) -> None:
    places = np.flatnonzero(take)
    used = row[places]
    value[places, number] = rows.value[used, number]
    how[places, number] = code
    format_id[places, number] = rows.format_id[used]
    stood_at[places, number] = rows.at[used]
    quality[places] |= rows.quality[used]
