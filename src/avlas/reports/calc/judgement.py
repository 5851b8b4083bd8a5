"""Is a step of a counter believable? Pure arithmetic on arrays (DESIGN section 5, judgement without false alarms)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

FORWARD, ROLLED_OVER, BACKWARDS = 0, 1, 2


def modulus(before: np.ndarray, step: float, digits: Iterable[int]) -> np.ndarray:
    """Give the figure at which a register starts again at 0: the smallest possible one beyond ``before``.

    ``before`` float64 of any shape; ``step`` the register's resolution, in the same unit; ``digits`` the numbers of
    digits its display may have. NaN where no digits are known or ``before`` is beyond them all.
    """
    found = np.full(before.shape, np.nan)
    for count in sorted(digits, reverse=True):
        top = step * 10.0**count
        found = np.where(before < top, top, found)
    return found


_MOST_OVER_QP = (
    2.0  # EN 1434 and EN ISO 4064: the highest flow a meter stands is at most twice its permanent flow
)
_MOST_KWH_PER_M3 = {
    "energy_heat_kwh": 1.17 * 140,
    "energy_cooling_kwh": 1.17 * 40,
}  # temperature differences, K
_FLOWING = ("volume_m3", *_MOST_KWH_PER_M3)


def most_use(register: str, qp_m3h: float | None, hours: float) -> float | None:
    """Give the most a meter of permanent flow ``qp_m3h`` can count in ``hours``, in the register's canonical unit.

    Volume at the highest flow it stands, energy at the largest temperature difference there is in practice. None
    where nothing can be said: size not known, or a register that no flow limits.
    """
    if qp_m3h is None or register not in _FLOWING:
        return None
    return _MOST_OVER_QP * qp_m3h * max(hours, 1.0) * _MOST_KWH_PER_M3.get(register, 1.0)


def counter_step(before: np.ndarray, after: np.ndarray, modulus: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Judge the step from ``before`` to ``after``, element by element.

    All float64 of one shape and one unit; NaN where unknown. ``modulus``: the figure at which the register starts
    again at 0 (NaN: digits not known, then a lower figure is never taken for a roll-over). ``most``: the largest
    use possible between the two for the meter's size (NaN: not known).
    Gives int8: FORWARD (also where either is NaN), ROLLED_OVER or BACKWARDS.
    """
    with np.errstate(invalid="ignore"):
        lower = after < before
        use = after + modulus - before
        possible = np.isnan(most) | (use <= most)
        rolled = lower & (before > 0.9 * modulus) & (after < 0.1 * modulus) & possible
    return np.where(rolled, ROLLED_OVER, np.where(lower, BACKWARDS, FORWARD)).astype(np.int8)


def energy_contradicts_volume(
    energy_kwh: np.ndarray,
    volume_m3: np.ndarray,
    difference_k: np.ndarray,
    energy_step: np.ndarray,
    volume_step: np.ndarray,
    *,
    tolerance: float = 0.15,
) -> np.ndarray:
    """Tell where an interval's energy and its volume x temperature difference can't both be right.

    ``difference_k`` is the volume-weighted temperature difference (K); the steps are the registers' resolutions
    (kWh, m³). Judged only where both span at least 20 steps; elsewhere, and where anything is NaN, False.
    ``tolerance`` is the allowed relative deviation; density and heat capacity alone move k by some per cent.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        enough = (energy_kwh >= 20 * energy_step) & (volume_m3 >= 20 * volume_step)
        expected = 1.15 * volume_m3 * difference_k
        off = np.abs(energy_kwh - expected) > tolerance * np.maximum(np.abs(expected), np.abs(energy_kwh))
        impossible = (difference_k <= 0) & (energy_kwh > 0)
        found: np.ndarray = enough & (off | impossible) & ~np.isnan(difference_k)
    return found
