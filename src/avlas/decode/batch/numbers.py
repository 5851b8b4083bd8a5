"""Data fields of many telegrams as float64 columns, each figure exactly what the single decoder gives.

A figure is raw x factor + constant in its register's canonical unit. Raw numbers are small enough that this is done
in whole numbers and divided once, so that the result is the float64 nearest to the exact figure; units that do not
end in decimals (GJ as kWh) are rounded to 1e-9 as ``families.canonical`` does. The rare figure beyond what fits is
left to the single decoder's own functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Exact = Callable[[bytes], float]

_EXACT_FLOAT = 1 << 53
_EXACT_INT = 1 << 62
_ROUNDED_DECIMALS = 9  # as families.canonical rounds
_MOST_DECIMALS = 22  # 10**22 is the largest power of ten that is a float64 exactly
_NIBBLES = np.uint64(0x1111_1111_1111_1111)
SIGNED, UNSIGNED, BCD, REAL = range(4)
BINARY_SIZES = frozenset({1, 2, 3, 4, 6, 8})


class NotLinear(Exception):  # noqa: N818
    """A figure that can't be computed for a whole column exactly."""


@dataclass(frozen=True, slots=True)
class Scale:
    """figure = (raw x times + plus) / (10^decimals x odd), ``odd`` having no factor 2 or 5."""

    times: int
    plus: int
    decimals: int
    odd: int
    limit: int  # for raw numbers up to this size whole numbers of 64 bits do

    @classmethod
    def of(cls, factor: Fraction, constant: Fraction) -> Scale:
        """Raises NotLinear when the figures have more decimals than can be kept exact."""
        denominator = (
            factor.denominator * constant.denominator // _gcd(factor.denominator, constant.denominator)
        )
        odd = denominator
        for prime in (2, 5):
            while odd % prime == 0:
                odd //= prime
        decimals = 0
        while 10**decimals * odd % denominator:
            decimals += 1
        if decimals > (_ROUNDED_DECIMALS if odd > 1 else _MOST_DECIMALS):
            raise NotLinear
        whole = Fraction(10**decimals * odd)
        times, plus = int(factor * whole), int(constant * whole)
        if odd == 1:
            most = _EXACT_FLOAT
        else:  # numbers in units of 1e-9 must fit too
            most = min(_EXACT_INT // 10 ** (_ROUNDED_DECIMALS - decimals), _EXACT_FLOAT * odd
                       // 10 ** (_ROUNDED_DECIMALS - decimals))  # fmt: skip
        limit = (most - abs(plus)) // max(1, abs(times))
        if limit < 1:
            raise NotLinear
        return cls(times, plus, decimals, odd, limit)

    def apply(self, raw: np.ndarray) -> np.ndarray:
        """The figures (float64) of raw numbers (int64) within the limit."""
        number = raw
        if self.times != 1:
            number = number * self.times
        if self.plus:
            number = number + self.plus
        if self.odd == 1:
            return number / 10.0**self.decimals if self.decimals else number.astype(np.float64)
        whole, rest = np.divmod(number, self.odd)
        finer = number * 10 ** (_ROUNDED_DECIMALS - self.decimals)
        rounded, left = np.divmod(finer, self.odd)
        rounded += 2 * left > self.odd
        figures: np.ndarray = np.where(
            rest == 0, whole / 10.0**self.decimals, rounded / 10.0**_ROUNDED_DECIMALS
        )
        return figures


def _gcd(one: int, other: int) -> int:
    while other:
        one, other = other, one % other
    return one


@dataclass(frozen=True, slots=True)
class Figure:
    """One data field: where it lies in the frame, how it is coded, what it counts."""

    start: int
    size: int
    coding: int  # SIGNED, UNSIGNED, BCD, REAL
    scale: Scale | None  # None for REAL
    exponent: int  # REAL alone: 10^exponent, then x real_factors
    real_factors: tuple[float, ...]
    exact: Exact  # the single decoder's way, NaN for no value

    @property
    def far(self) -> bool:
        """Whether raw numbers beyond the scale's limit can come."""
        largest = 10 ** (2 * self.size) if self.coding == BCD else 1 << (8 * self.size)
        return self.scale is not None and largest > self.scale.limit


class Table:
    """Several figures of one layout, read from many frames at once."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self.figures = tuple(figures)
        self._whole = [n for n, one in enumerate(figures) if one.coding in (SIGNED, UNSIGNED)]
        self._bcd = [n for n, one in enumerate(figures) if one.coding == BCD]
        self._real = [n for n, one in enumerate(figures) if one.coding == REAL]
        # whole numbers and BCD in the order they are worked on
        self._order = [*self._whole, *self._bcd]
        chosen = [figures[n] for n in self._order]
        self._straight = self._order == list(range(len(figures)))
        self._starts = np.array([one.start for one in chosen], np.int64)
        binary = [figures[n] for n in self._whole]
        self._shift = np.array([64 - 8 * one.size for one in binary], np.int64)
        self._mask = np.array(
            [-1 if one.coding == SIGNED else (1 << (8 * one.size)) - 1 for one in binary], np.int64
        )
        # after the shift to the left the lowest number of every length, which means "invalid", is the same
        self._signed = np.array([one.coding == SIGNED for one in binary], bool)
        self._any_signed = bool(self._signed.any())
        self._digits = np.array([8 * figures[n].size for n in self._bcd], np.uint64)
        scales = [one.scale for one in chosen if one.scale is not None]
        self._times = np.array([scale.times for scale in scales], np.int64)
        self._plus = np.array([scale.plus for scale in scales], np.int64)
        self._any_plus = bool(self._plus.any())
        self._divisor = np.array([10.0**scale.decimals for scale in scales], np.float64)
        self._odd = [(at, one.scale) for at, one in enumerate(chosen) if one.scale and one.scale.odd > 1]
        self._far = [(at, one) for at, one in enumerate(chosen) if one.far]

    def read(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The figures (rows, figures) float64, NaN for none, of frames (rows, width) uint8 with 8 bytes to spare.

        And which are none (rows, figures) bool; None when all are there.
        """
        bad: np.ndarray | None = None
        raw, bad = self._raw(frames)
        number = raw * self._times
        if self._any_plus:
            number += self._plus
        values = number / self._divisor
        for at, scale in self._odd:
            values[:, at] = scale.apply(raw[:, at])
        for at, one in self._far:
            assert one.scale is not None
            column = raw[:, at]
            for row in np.flatnonzero((column > one.scale.limit) | (column < -one.scale.limit)).tolist():
                values[row, at] = one.exact(frames[row, one.start : one.start + one.size].tobytes())
        if bad is not None:
            values[bad] = np.nan
        if self._straight:
            return values, bad
        return self._with_reals(frames, values, bad)

    def _with_reals(
        self, frames: np.ndarray, values: np.ndarray, bad: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        every = np.empty((len(frames), len(self.figures)))
        every[:, self._order] = values
        for n in self._real:
            every[:, n] = _real(frames, self.figures[n])
        if bad is None and not self._real:
            return every, None
        gaps = np.isnan(every)
        return every, gaps if gaps.any() else None

    def _raw(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Whole numbers and BCD as sent (int64), and which are none."""
        width = frames.strides[0]
        bytes_of: np.ndarray = np.ndarray((frames.size - 7,), "<i8", frames.data, 0, (1,))
        raw = bytes_of[np.arange(0, len(frames) * width, width)[:, None] + self._starts]
        count = len(self._whole)
        bad: np.ndarray | None = None
        if count:
            part = raw[:, :count] if self._bcd else raw
            part <<= self._shift
            if self._any_signed:
                none = (part == NO_NUMBER) & self._signed
                if none.any():
                    bad = np.zeros(raw.shape, bool)
                    bad[:, :count] = none
            part >>= self._shift
            part &= self._mask
        if self._bcd:
            number, wrong = _bcd(raw[:, count:].view(np.uint64), self._digits)
            raw[:, count:] = number
            if wrong.any():
                bad = np.zeros(raw.shape, bool) if bad is None else bad
                bad[:, count:] = wrong
        return raw, bad


NO_NUMBER = np.iinfo(np.int64).min


def _real(frames: np.ndarray, one: Figure) -> np.ndarray:
    """A column of real32 numbers: see ``values.scaled_real`` and ``families.canonical``."""
    number = _strided(frames, one.start, "<f4").astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        number[~np.isfinite(number)] = np.nan
        number = number / 10.0**-one.exponent if one.exponent < 0 else number * 10.0**one.exponent
        number[~np.isfinite(number)] = np.nan
        for factor in one.real_factors:
            number = number * factor
    return number


def _strided(rows: np.ndarray, start: int, kind: str) -> np.ndarray:
    """A column of unaligned numbers, without copying."""
    return np.ndarray((len(rows),), kind, rows.data, start, (rows.strides[0],))


def load(rows: np.ndarray, start: int, size: int) -> np.ndarray:
    """A column of unsigned integers (int64) of 1, 2, 3, 4 or 6 bytes of frames with 8 bytes to spare."""
    column: np.ndarray = _strided(rows, start, "<i8") & ((1 << 8 * size) - 1)
    return column


def _bcd(raw: np.ndarray, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """BCD fields of ``bits`` bits (rows, fields) uint64 as numbers (int64), F in the top digit being a minus.

    And which are no numbers (bool).
    """
    one = np.uint64(1)
    # all ones where there are 64 bits: a shift by 64 is no shift
    whole = np.where(bits == 64, ~np.uint64(0), (one << (bits & np.uint64(63))) - one)
    digits = raw & whole
    minus = digits >> (bits - np.uint64(4)) == 0xF
    digits = np.where(minus, digits & (whole >> np.uint64(4)), digits)
    wrong = (digits >> np.uint64(3)) & ((digits >> np.uint64(2)) | (digits >> one)) & _NIBBLES != 0
    for mask, shift, factor in (
        (0x0F0F_0F0F_0F0F_0F0F, 4, 10),
        (0x00FF_00FF_00FF_00FF, 8, 100),
        (0x0000_FFFF_0000_FFFF, 16, 10_000),
        (0x0000_0000_FFFF_FFFF, 32, 100_000_000),
    ):
        low = np.uint64(mask)
        digits = (digits & low) + (digits >> np.uint64(shift) & low) * np.uint64(factor)
    number = digits.astype(np.int64)
    return np.where(minus, -number, number), wrong
