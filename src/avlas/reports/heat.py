"""Heat reports: how well each substation of a group cooled its water in a period, and at which temperatures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from avlas.reports.calc.borders import STANDARD_TIME
from avlas.reports.calc.cooling import (
    Counted,
    Excess,
    Mode,
    Temperatures,
    excess_flow,
    levels,
    mode,
    temperatures,
)
from avlas.reports.period_use import THERMAL, Members, PeriodUse, Used, day_borders, period_use, used

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from avlas.reports.models import CoolingLevels
    from avlas.reports.period_use import Who

HEAT, COOLING, VOLUME = "energy_heat_kwh", "energy_cooling_kwh", "volume_m3"
INLET, OUTLET = "energy_flow_m3c", "energy_return_m3c"
REGISTERS: Final = (HEAT, COOLING, VOLUME, INLET, OUTLET)


@dataclass(frozen=True, slots=True)
class HeatReport:
    """Arrays of n lines; a meter that both heated and cooled has a line for each.

    ``who`` is an index into ``people``, the rows of the group. Volume in m³, energy in kWh (of the line's mode).
    """

    people: list[Who]
    who: np.ndarray
    volume: np.ndarray
    volume_decimals: np.ndarray
    energy_decimals: np.ndarray
    found: Temperatures
    level: np.ndarray
    excess: Excess
    use_marks: np.ndarray

    @property
    def energy(self) -> np.ndarray:
        """Heat, or cooling on the lines of who cools."""
        return self.found.energy_kwh


def heat_report(
    members: Members,
    start: datetime,
    end: datetime,
    limits: CoolingLevels,
    now: datetime | None = None,
    zone: tzinfo = STANDARD_TIME,
) -> HeatReport:
    """Make the report of a group's heat and cooling meters; days begin in ``zone``.

    Raises ValueError for an empty period.
    """
    use = period_use(members, REGISTERS, start, end, now, zone)
    counted = use.used.amount
    thermal = np.array([one.medium in THERMAL or not one.medium for one in use.who], bool)
    lines = np.flatnonzero(thermal | ~np.isnan(counted[HEAT]) | ~np.isnan(counted[COOLING]))
    mixed = lines[mode(counted[HEAT][lines], counted[COOLING][lines]) == Mode.MIXED]
    amount = {code: counted[code][lines] for code in REGISTERS}
    who = lines
    if mixed.size:
        who, amount = _kept_apart(use, lines, mixed, amount, day_borders(start, end, zone))
    found = temperatures(_counted(amount, use.used, who))
    cools = found.mode == Mode.COOLING
    level = np.where(
        cools,
        levels(found.difference_k, limits.cooling_good_from_k, limits.cooling_poor_below_k),
        levels(found.difference_k, limits.good_from_k, limits.poor_below_k),
    )
    decimals = use.used.decimals
    return HeatReport(
        use.who,
        who,
        amount[VOLUME],
        decimals[VOLUME][who],
        np.where(cools, decimals[COOLING][who], decimals[HEAT][who]),
        found,
        level,
        excess_flow(found, amount[VOLUME]),
        use.used.marks[who],
    )


def _counted(amount: dict[str, np.ndarray], of_rows: Used, who: np.ndarray) -> Counted:
    cools = mode(amount[HEAT], amount[COOLING]) == Mode.COOLING
    return Counted(
        amount[HEAT],
        amount[COOLING],
        amount[VOLUME],
        amount[INLET],
        amount[OUTLET],
        energy_step=np.where(cools, of_rows.step[COOLING][who], of_rows.step[HEAT][who]),
        inlet_step=np.maximum(of_rows.step[INLET][who], 1.0),
    )


def _kept_apart(
    use: PeriodUse, lines: np.ndarray, mixed: np.ndarray, amount: dict[str, np.ndarray], days: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Two lines for who both heated and cooled: the days with heat only, and those with cooling only.

    Days with both are left out of the temperatures. Who had no day of one kind keeps one line, without any.
    """
    count = len(days) - 1
    families = {one.meter_id: one.family for one in use.who}
    by_day = used(use.spans.of_rows(mixed).by_days(days), len(use.who) * count, REGISTERS, families)
    per_day = {code: by_day.amount[code].reshape(-1, count)[mixed] for code in REGISTERS}
    does = mode(per_day[HEAT], per_day[COOLING])
    alone = {
        Mode.HEATING: (does == Mode.HEATING) & (per_day[HEAT] > 0),
        Mode.COOLING: (does == Mode.COOLING) & (per_day[COOLING] > 0),
    }
    parts = {}
    for wanted, which in alone.items():
        parts[wanted] = {code: np.where(which, per_day[code], 0.0).sum(1) for code in REGISTERS}
        other = COOLING if wanted == Mode.HEATING else HEAT
        parts[wanted][other] = np.full(len(mixed), np.nan)
    heats, cools = (alone[wanted].any(1) for wanted in (Mode.HEATING, Mode.COOLING))
    place = np.searchsorted(lines, mixed)
    amount = {code: column.copy() for code, column in amount.items()}
    for code in REGISTERS:
        amount[code][place[heats]] = parts[Mode.HEATING][code][heats]
        only = cools & ~heats
        amount[code][place[only]] = parts[Mode.COOLING][code][only]
        both = cools & heats
        amount[code] = np.concatenate([amount[code], parts[Mode.COOLING][code][both]])
    return np.concatenate([lines, mixed[cools & heats]]), amount
