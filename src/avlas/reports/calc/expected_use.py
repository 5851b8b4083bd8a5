"""What somebody's use in a period would be if it had followed everybody else's: a correction for the weather.

Nobody's outdoor temperature is needed: how the use of all has changed from one period to another is what the weather
did to them. Each row's own earlier amount times that change is what is expected of it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

FEWEST: Final = 5
"""So many rows at least must be comparable for their change to say anything."""


def change(now: np.ndarray, before: np.ndarray) -> float:
    """The median of now / before over the rows that used something in both (arrays of n); NaN: too few."""
    both = (now > 0) & (before > 0)
    if both.sum() < FEWEST:
        return float("nan")
    return float(np.median(now[both] / before[both]))


def expected(now: np.ndarray, before: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """What each row (arrays of n) is expected to have used, in the unit of ``before``.

    ``kind``: rows of one number are compared with each other (heat with heat). NaN where the earlier amount is not
    known, or too few rows of the kind can be compared.
    """
    found = np.full(len(now), np.nan)
    for one in np.unique(kind):
        mine = kind == one
        found[mine] = before[mine] * change(now[mine], before[mine])
    return found
