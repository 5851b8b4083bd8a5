"""A counter's value at a moment (DESIGN section 5): from the best source there is, and which one that was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NONE, LOGGED, ENTERED, LIVE, INTERPOLATED = 0, 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class Series:
    """One meter's readings of one register, sorted by moment: arrays of n.

    ``at`` float64 seconds UTC: when the figure stood in the meter (for a live reading when it was heard); ``kind``
    int8 (0 live, 1 logged by the meter, 2 entered); ``value`` float64 without NaN; ``row`` int64, the caller's own.
    """

    at: np.ndarray
    kind: np.ndarray
    value: np.ndarray
    row: np.ndarray


@dataclass(frozen=True, slots=True)
class ValuesAt:
    """Values at m moments: ``value`` float64 (NaN: none), ``how`` int8 (constants above), ``row`` int64 (-1: none)."""

    value: np.ndarray
    how: np.ndarray
    row: np.ndarray


def values_at(
    series: Series, moments: np.ndarray, tolerance: float = 600.0, stamps: np.ndarray | None = None
) -> ValuesAt:
    """Give the counter at each of ``moments`` (float64 seconds UTC, any order).

    ``stamps``: the moments at which the meter's own logged values of them stand, where those are others.

    In this order: the meter's own logged value at the moment; one entered for that moment; a live one at most
    ``tolerance`` seconds away (the nearest); else linear interpolation between the measured values around it, but
    never across a step backwards, and never beyond the first or last value.
    """
    count = len(moments)
    value, how, row = np.full(count, np.nan), np.zeros(count, np.int8), np.full(count, -1, np.int64)
    if not len(series.at):
        return ValuesAt(value, how, row)
    after = np.clip(np.searchsorted(series.at, moments, "left"), 0, len(series.at) - 1)
    before = np.clip(np.searchsorted(series.at, moments, "right") - 1, 0, len(series.at) - 1)
    left, right = series.at[before], series.at[after]
    inside = (left <= moments) & (right >= moments) & (right > left)
    share = np.where(inside, (moments - left) / np.where(right > left, right - left, 1.0), 0.0)
    low, high = series.value[before], series.value[after]
    use = inside & (high >= low)
    value[use] = (low + share * (high - low))[use]
    how[use] = INTERPOLATED
    for kind, code, allowed in ((0, LIVE, tolerance), (2, ENTERED, 1.0), (1, LOGGED, 1.0)):
        chosen = np.flatnonzero(series.kind == kind)
        if not chosen.size:
            continue
        at = series.at[chosen]
        wanted = stamps if stamps is not None and code == LOGGED else moments
        near = (
            np.clip(np.searchsorted(at, wanted), 1, max(len(at) - 1, 1))
            if len(at) > 1
            else np.zeros(count, int)
        )
        if len(at) > 1:
            near = np.where(wanted - at[near - 1] <= at[near] - wanted, near - 1, near)
        fits = np.abs(at[near] - wanted) <= allowed
        value[fits] = series.value[chosen[near]][fits]
        how[fits] = code
        row[fits] = series.row[chosen[near]][fits]
    return ValuesAt(value, how, row)
