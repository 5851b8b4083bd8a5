"""Chance that depends on nothing but its keys.

The same seed, thing and hour always give the same number, whatever else is asked and in which order. That
is what lets the town be asked for any moment. The mixer is SplitMix64's finaliser (Steele, Lea, Flood 2014).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)


def mix(values: Keys) -> Keys:
    """Scramble unsigned 64-bit numbers; wraps around by design."""
    z = values + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _M1
    z = (z ^ (z >> np.uint64(27))) * _M2
    return z ^ (z >> np.uint64(31))


def keys(seed: int, topic: str, things: NDArray[np.integer] | int) -> Keys:
    """One key per thing, apart for every topic: ``keys(1, "draw-off", np.arange(300))``."""
    salt = int.from_bytes(topic.encode()[-8:].rjust(8, b"\0"), "little")
    start = mix(np.array([(seed * 0x1000003 + salt) % 2**64], dtype=np.uint64))
    return mix(np.atleast_1d(np.asarray(things)).astype(np.int64).astype(np.uint64) * _GOLDEN + start)


def uniform(a: Keys, b: NDArray[np.int64] | int = 0) -> Floats:
    """Evenly spread over (0, 1); ``a`` are keys, ``b`` broadcasts against them (hours, say)."""
    steps = np.asarray(b, dtype=np.int64).astype(np.uint64) * _M1
    return ((mix(a + steps) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def normal(a: Keys, b: NDArray[np.int64] | int = 0) -> Floats:
    """Mean 0, deviation 1, never beyond 3: the sum of three 21-bit parts of one number."""
    steps = np.asarray(b, dtype=np.int64).astype(np.uint64) * _M2
    z = mix(a + steps)
    part = np.uint64(0x1FFFFF)
    total = (z & part) + ((z >> np.uint64(21)) & part) + ((z >> np.uint64(42)) & part)
    spread: Floats = total.astype(np.float64) * 2.0**-20 - 3.0
    return spread


def wave(a: Keys, at: Floats) -> Floats:
    """Smooth noise with a lattice point at every whole number of ``at``, deviation about 0.8."""
    cell = np.floor(at)
    x = at - cell
    whole = cell.astype(np.int64)
    blend = x * x * (3.0 - 2.0 * x)
    return np.asarray(normal(a, whole) * (1.0 - blend) + normal(a, whole + 1) * blend)
