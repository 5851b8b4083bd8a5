"""Consumption reports: what each metering point of a group used in a period, and all of them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from avlas.reports.calc.borders import STANDARD_TIME
from avlas.reports.period_use import Members, period_use

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from avlas.reports.period_use import PeriodUse

REGISTERS: Final = ("volume_m3", "energy_heat_kwh", "energy_cooling_kwh", "electricity_import_kwh")
"""V1, E1, E3 and A+."""
MORE, LESS, ZERO, UNKNOWN = "more", "less", "zero", "unknown"
TESTS: Final = (MORE, LESS, ZERO, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of a register over some rows; ``counted`` of them had a value."""

    amount: float
    decimals: int
    counted: int


def consumption_report(
    members: Members,
    start: datetime,
    end: datetime,
    now: datetime | None = None,
    zone: tzinfo = STANDARD_TIME,
) -> PeriodUse:
    """Give what each metering point of the group used; as ``period_use``. Raises ValueError for an empty period."""
    return period_use(members, REGISTERS, start, end, now, zone)


def fitting(amount: np.ndarray, decimals: np.ndarray, test: str, limit: float) -> np.ndarray:
    """Tell which amounts are more or less than ``limit``, nothing at all, or not known; compared as they are shown."""
    scale = 10.0 ** decimals.astype(np.float64)
    shown = np.round(amount * scale) / scale
    known = ~np.isnan(amount)
    with np.errstate(invalid="ignore"):
        found: np.ndarray = {MORE: shown > limit, LESS: shown < limit, ZERO: shown == 0, UNKNOWN: ~known}[
            test
        ]
    return found


def total(amount: np.ndarray, decimals: np.ndarray) -> Total:
    """Add up; unknown amounts are left out and not counted."""
    known = ~np.isnan(amount)
    return Total(
        float(amount[known].sum()), int(decimals[known].max()) if known.any() else 0, int(known.sum())
    )
