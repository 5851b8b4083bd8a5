"""Momentary values over intervals: the mean of what was read in each, of many meters in one statement."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from django.db import connection

from avlas.decode.registers import BY_CODE
from avlas.meters.models import Kind, Quality

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Intervals:
    """Arrays of n, int64, seconds UTC: each interval is of one meter, from ``low`` up to but without ``high``.

    ``slot_seconds``: how long the meter's slots are; a reading may have been heard so much later than its slot began.
    """

    meter_id: np.ndarray
    low: np.ndarray
    high: np.ndarray
    slot_seconds: np.ndarray


@dataclass(frozen=True, slots=True)
class Means:
    """Arrays of n x r (intervals x registers): the mean in the canonical unit (NaN: none) and of how many readings."""

    value: np.ndarray
    count: np.ndarray


_MOMENT: Final = f"(CASE WHEN r.kind = {int(Kind.LIVE)} THEN r.heard_at ELSE r.slot_at END)"
_INSIDE: Final = (
    "r.meter_id = w.meter_id AND r.slot_at > w.early AND r.slot_at < w.high"
    f" AND {_MOMENT} >= w.low AND {_MOMENT} < w.high"
    f" AND (r.quality & {int(Quality.VOIDED | Quality.SENSOR_ERROR)}) = 0"
)
_WANTED: Final = (
    "(SELECT json_extract(value, '$[0]') AS place, json_extract(value, '$[1]') AS meter_id,"
    " json_extract(value, '$[2]') AS early, json_extract(value, '$[3]') AS low, json_extract(value, '$[4]') AS high"
    " FROM json_each(%s))"
)


def means(of: Intervals, registers: Sequence[str]) -> Means:
    """Give the means of ``registers`` (codes), as reports have them: each reading counts once, broken sensors don't."""
    size = (len(of.low), len(registers))
    value, count = np.full(size, np.nan), np.zeros(size, np.int64)
    early = of.low - of.slot_seconds
    columns = ", ".join(f"AVG(r.{BY_CODE[code].code}), COUNT(r.{BY_CODE[code].code})" for code in registers)
    arrays = [np.arange(len(of.low)), of.meter_id, early, of.low, of.high]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"SELECT w.place, m.* FROM unnest({', '.join(['%s::bigint[]'] * 5)})"
                " AS w(place, meter_id, early, low, high)"
                f" CROSS JOIN LATERAL (SELECT {columns} FROM reading r WHERE {_INSIDE}) AS m",
                [one.tolist() for one in arrays],
            )
        else:
            wanted = json.dumps(list(zip(*(one.tolist() for one in arrays), strict=True)))
            cursor.execute(
                f"SELECT w.place, {columns} FROM {_WANTED} w CROSS JOIN reading r WHERE {_INSIDE} GROUP BY w.place",
                [wanted],
            )
        for place, *found in cursor.fetchall():
            value[place] = [np.nan if one is None else float(one) for one in found[::2]]
            count[place] = found[1::2]
    return Means(value, count)
