"""Counters at moments and over intervals: exact in the meter's own unit, or converted, with how each is known."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from django.db import connection

from avlas.decode.families import UNITS, named
from avlas.decode.registers import BY_CODE, COUNTERS
from avlas.meters import formats
from avlas.meters.models import Kind, Quality
from avlas.reports.calc.judgement import BACKWARDS, ROLLED_OVER, counter_step, modulus
from avlas.reports.calc.shown_in import converted_decimals
from avlas.reports.calc.value_at import ENTERED, INTERPOLATED, NONE, Series, values_at
from avlas.reports.counters import EXACTLY, Counters, Moments, counters_at
from avlas.transfer.exports.layout import OWN, STANDARD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


ESTIMATED: Final = 10
"""How a value is known, beside those of ``calc.value_at``: estimated and approved by a person."""
_BESIDE: Final = (
    3  # readings before and after the period: a logged and a live one, and one that lacks a register
)
_MANY: Final = 60  # moments of one meter from which on its readings are read in one go


@dataclass(frozen=True, slots=True)
class Sent:
    """How a figure came: its unit and decimals."""

    unit: str
    decimals: int


class Values:
    """What registers show at moments: arrays of n x r, with the texts of their formats."""

    def __init__(self, found: Counters, registers: Sequence[str], *, interpolate: np.ndarray) -> None:
        """``interpolate``: bool of n, where a value between two measured ones may stand."""
        refused = (found.how == INTERPOLATED) & (
            ~interpolate[:, None] | np.array([code not in COUNTERS for code in registers])
        )
        self.value = np.where(refused | (found.how == NONE), np.nan, found.value)
        self.how = np.where(refused, NONE, found.how)
        estimated = (found.quality & int(Quality.ESTIMATED)) != 0
        self.how[(self.how == ENTERED) & estimated[:, None]] = ESTIMATED
        self.stood_at, self.quality, self.format_id = found.stood_at, found.quality, found.format_id
        self.registers = list(registers)

    def known(self, place: int, number: int) -> bool:
        """Whether there is a value."""
        return bool(self.how[place, number] != NONE)


def at_moments(
    meter_ids: np.ndarray, moments: np.ndarray, registers: Sequence[str], stamps: Mapping[int, int]
) -> Counters:
    """Registers of many meters, each at its own moment (int64 seconds UTC). ``stamps``: see counters_at."""
    wanted = Moments(meter_ids, moments, np.full(len(moments), EXACTLY, np.int8))
    return counters_at(wanted, registers, stamps)


def at_many(
    meter_id: int, moments: np.ndarray, registers: Sequence[str], stamps: Mapping[int, int]
) -> Counters:
    """Registers of one meter at many moments (int64 seconds UTC), read in one go; as ``at_moments`` gives them."""
    own = np.array([stamps.get(moment, moment) for moment in moments.tolist()], np.float64)
    rows = _readings(meter_id, int(moments.min()), int(max(moments.max(), own.max())), registers)
    count = (len(moments), len(registers))
    value, how = np.full(count, np.nan), np.zeros(count, np.int8)
    format_id, stood_at = np.zeros(count, np.int64), np.zeros(count, np.int64)
    quality = np.zeros(len(moments), np.int64)
    asked = moments.astype(np.float64)
    for number in range(len(registers)):
        there = np.flatnonzero(~np.isnan(rows[:, 4 + number]))
        series = Series(rows[there, 0], rows[there, 1].astype(np.int8), rows[there, 4 + number], there)
        found = values_at(series, asked, stamps=own)
        value[:, number], how[:, number] = found.value, found.how
        measured = found.row >= 0
        used = found.row[measured]
        stood_at[measured, number] = rows[used, 0]
        quality[measured] |= rows[used, 2].astype(np.int64)
        format_id[measured, number] = rows[used, 3]
        between = np.flatnonzero(found.how == INTERPOLATED)
        if between.size:
            stood_at[between, number] = moments[between]
            before = there[np.searchsorted(series.at, asked[between], "right") - 1]
            format_id[between, number] = rows[before, 3]
    return Counters(value, how, format_id, stood_at, quality)


def worth_reading_once(moments: int) -> bool:
    """Whether so many moments of one meter are better found by ``at_many``."""
    return moments >= _MANY


def _readings(meter_id: int, low: int, high: int, registers: Sequence[str]) -> np.ndarray:
    """Moment, kind, quality, format and registers of the readings in a period and a few beside it, by moment."""
    columns = ", ".join(
        [
            f"CASE WHEN kind = {int(Kind.LIVE)} THEN heard_at ELSE slot_at END",
            "kind",
            "quality",
            "format_id",
            *(BY_CODE[code].code for code in registers),
        ]
    )
    where = f"meter_id = %s AND (quality & {int(Quality.VOIDED)}) = 0"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT * FROM (SELECT {columns} FROM reading WHERE {where} AND slot_at < %s"
            f" ORDER BY slot_at DESC LIMIT {_BESIDE}) AS earlier"
            f" UNION ALL SELECT {columns} FROM reading WHERE {where} AND slot_at >= %s AND slot_at <= %s"
            f" UNION ALL SELECT * FROM (SELECT {columns} FROM reading WHERE {where} AND slot_at > %s"
            f" ORDER BY slot_at LIMIT {_BESIDE}) AS later",
            [meter_id, low, meter_id, low, high, meter_id, high],
        )
        rows = cursor.fetchall()
    table = np.array(rows, np.float64).reshape(-1, 4 + len(registers))
    ordered: np.ndarray = table[np.lexsort((table[:, 1], table[:, 0]))]
    return ordered


@lru_cache(4096)
def shown_as(register: str, sent: Sent | None, unit: str, decimals: int | None) -> tuple[Fraction, str, int]:
    """How a canonical value becomes a figure: divide by the factor, the unit's name, its decimals."""
    canonical_unit = BY_CODE[register].unit
    own = sent or Sent(canonical_unit, BY_CODE[register].decimals)
    own_factor = UNITS[own.unit][1] if own.unit in UNITS else Fraction(1)
    canonical_of_own = UNITS[own.unit][0] if own.unit in UNITS else own.unit
    if unit == OWN or own.unit not in UNITS:
        target, factor, deserved = own.unit, own_factor, own.decimals
    else:
        target = canonical_of_own if unit == STANDARD else unit
        if target not in UNITS or UNITS[target][0] != canonical_of_own:
            target = canonical_of_own  # a volume can't be shown in MWh
        factor = UNITS[target][1]
        deserved = own.decimals if target == own.unit else _deserved(own.decimals, own_factor / factor)
    return factor, target, deserved if decimals is None else decimals


def _deserved(sent: int, ratio: Fraction) -> int:
    """The decimals of a converted figure: as ``calc.shown_in`` has them, in a larger unit as many as it takes."""
    decimal = Decimal(ratio.numerator) / Decimal(ratio.denominator)
    return max(converted_decimals(sent, decimal), sent - decimal.adjusted() if decimal < 1 else 0)


def figures(values: np.ndarray, factor: Fraction, decimals: int) -> list[str]:
    """``values`` (canonical) as figures; those on the meter's display come back exactly."""
    shown = values * float(factor.denominator) / float(factor.numerator)
    texts = ("\n".join([f"%.{decimals}f"] * len(shown)) % tuple(shown.tolist())).split("\n")
    for place in np.flatnonzero(np.signbit(shown)).tolist():
        if not texts[place].strip("-0."):  # minus nothing
            texts[place] = texts[place][1:]
    return texts


class Units:
    """The formats of values, looked up once each."""

    def __init__(self) -> None:
        self._specs: dict[int, dict[str, tuple[str, int]]] = {}

    def learn(self, format_ids: np.ndarray) -> None:
        """Look up the formats that are not known yet."""
        new = {int(one) for one in np.unique(format_ids)} - self._specs.keys() - {0}
        if new:
            for number, spec in formats.specs(new).items():
                self._specs[number] = formats.parse(spec)

    def sent(self, format_id: int, register: str) -> Sent | None:
        """How a register came in this format."""
        found = self._specs.get(format_id, {}).get(register)
        return Sent(*found) if found else None


def use(before: float, after: float, sent: Sent | None, family: str) -> tuple[float, int]:
    """The use between two values (canonical) and how to judge it: FORWARD, ROLLED_OVER or BACKWARDS (then NaN)."""
    if after >= before:
        return after - before, 0
    known = named(family) if family else None
    step = formats.step((sent.unit, sent.decimals) if sent else None)
    first = np.array([before])
    top = modulus(first, step, known.digits if known else ())
    verdict = int(counter_step(first, np.array([after]), top, np.array([np.nan]))[0])
    if verdict == ROLLED_OVER:
        return after + float(top[0]) - before, verdict
    return float("nan"), BACKWARDS
