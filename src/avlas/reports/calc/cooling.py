"""How well water was cooled: volume-weighted temperatures of many meters at once (facts: district heating 5.1, 5.2).

Meters integrate volume x temperature in E8 (inlet) and E9 (outlet), so the mean over an interval that the water itself
had is dE8/dV and dE9/dV. Where a meter has no E8 and E9, its energy tells the difference: dT = E/(k·V).
All arrays are float64 of one shape; NaN where unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

import numpy as np

COARSE_BELOW_M3: Final = 10.0
"""E8 and E9 count whole m³·°C: below this volume a temperature may be off by more than 0.1 °C."""
_CONTRADICTION_K: Final = 2.0
_CONTRADICTION_SHARE: Final = 0.05
_NO_WATER_M3: Final = 1e-6  # differences of floats are not exactly nothing
_INLET_ABOVE_ROOM_K: Final = 5.0  # water can't be cooled to within this of 0 °C
_MOST_COOLING_K: Final = 100.0  # where the inlet temperature isn't known
_HARDLY_K: Final = 3.0
_HARDLY_WARMED_K: Final = 1.0


class Mode(IntEnum):
    """What a meter did in an interval."""

    HEATING = 0  # only heat energy moved (or none did)
    COOLING = 1  # only cooling energy moved
    MIXED = 2  # both: E8 and E9 hold a mixture, no mean temperature can be told


class Mark(IntFlag):
    """What a person must know before trusting a temperature."""

    COARSE = 1  # too little water for a tenth of a degree
    FROM_ENERGY = 2  # no E8 and E9: told by energy and volume
    CONTRADICTS = 4  # E8 and E9 say one thing, energy and volume another: wrong unit, sensor or place
    IMPOSSIBLE = 8  # warmer after than before, or cooled more than water can be
    HARDLY = 16  # water ran and was hardly cooled
    MIXED = 32  # heating and cooling in one interval


@dataclass(frozen=True, slots=True)
class Counted:
    """What meters counted in an interval. ``*_step``: one count of that register in the same unit."""

    heat_kwh: np.ndarray
    cooling_kwh: np.ndarray
    volume_m3: np.ndarray
    inlet_m3c: np.ndarray  # E8
    outlet_m3c: np.ndarray  # E9
    energy_step: np.ndarray | float = 1.0
    inlet_step: np.ndarray | float = 1.0  # of E8 and E9


@dataclass(frozen=True, slots=True)
class Temperatures:
    """Volume-weighted means. ``difference_k`` is positive when the substation does its work, heating or cooling."""

    mode: np.ndarray  # int8, Mode
    energy_kwh: np.ndarray  # of that mode
    inlet_c: np.ndarray
    outlet_c: np.ndarray
    difference_k: np.ndarray
    marks: np.ndarray  # int8, Mark


def kwh_per_m3k(temperature_c: np.ndarray | float) -> np.ndarray:
    """Give k, the energy that a m³ of water carries per kelvin, for the temperature at the flow sensor (°C).

    1.163 kWh per tonne and kelvin times the water's density (Kell 1975, between 0 and 100 °C within 0.1 kg/m³).
    """
    t = np.clip(np.asarray(temperature_c, np.float64), 0.0, 120.0)
    density = (
        999.83952
        + t * (16.945176 + t * (-7.9870401e-3 + t * (-46.170461e-6 + t * (105.56302e-9 - t * 280.54253e-12))))
    ) / (1.0 + 16.879850e-3 * t)
    return 1.163e-3 * density


def mode(heat_kwh: np.ndarray, cooling_kwh: np.ndarray) -> np.ndarray:
    """Give the Mode of each interval (int8)."""
    heats, cools = heat_kwh > 0, cooling_kwh > 0
    only_cooling = cools | (np.isnan(heat_kwh) & ~np.isnan(cooling_kwh))
    return np.where(heats & cools, Mode.MIXED, np.where(only_cooling, Mode.COOLING, Mode.HEATING)).astype(
        np.int8
    )


def temperatures(counted: Counted) -> Temperatures:
    """Give the mean temperatures of each interval; NaN where no water ran, or where heating and cooling are mixed.

    Energy contradicts E8 and E9 where the difference they tell is off by more than 2 K and 5 %, what whole counts may
    hide not included: density and heat capacity alone move k by some per cent.
    """
    does = mode(counted.heat_kwh, counted.cooling_kwh)
    cools = does == Mode.COOLING
    energy = np.where(cools, counted.cooling_kwh, counted.heat_kwh)
    ran = counted.volume_m3 > _NO_WATER_M3
    volume = np.where(ran & (does != Mode.MIXED), counted.volume_m3, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        inlet, outlet = counted.inlet_m3c / volume, counted.outlet_m3c / volume
        measured = np.where(cools, outlet - inlet, inlet - outlet)
        k = kwh_per_m3k(np.where(np.isnan(outlet), np.where(cools, 10.0, 50.0), outlet))
        told = energy / (k * volume)
        difference = np.where(np.isnan(measured), told, measured)
        counts = 2 * counted.inlet_step / volume
        hidden = counts + counted.energy_step / (k * volume)
        off = np.abs(measured - told)
        allowed = np.maximum(_CONTRADICTION_K, _CONTRADICTION_SHARE * np.maximum(np.abs(measured), told))
        most = np.where(np.isnan(inlet) | cools, _MOST_COOLING_K, inlet - _INLET_ABOVE_ROOM_K)
        enough = volume >= COARSE_BELOW_M3
        marks = (
            Mark.COARSE * (~enough & ~np.isnan(difference))
            + Mark.FROM_ENERGY * (np.isnan(measured) & ~np.isnan(told))
            + Mark.CONTRADICTS * (off > allowed + hidden)
            + Mark.IMPOSSIBLE * ((difference < -counts) | (difference > most + counts))
            + Mark.HARDLY
            * (enough & (difference >= -counts) & (difference < np.where(cools, _HARDLY_WARMED_K, _HARDLY_K)))
            + Mark.MIXED * ((does == Mode.MIXED) & ran)
        )
    return Temperatures(does, energy, inlet, outlet, difference, marks.astype(np.int8))


GOOD, MIDDLING, POOR = 1, 2, 3


def levels(difference_k: np.ndarray, good_from_k: float, poor_below_k: float) -> np.ndarray:
    """Give GOOD, MIDDLING or POOR for each difference (int8); 0 where there is none."""
    found = np.where(difference_k >= good_from_k, GOOD, np.where(difference_k < poor_below_k, POOR, MIDDLING))
    return np.where(np.isnan(difference_k), 0, found).astype(np.int8)


@dataclass(frozen=True, slots=True)
class Excess:
    """Water that need not have run. ``volume_m3`` is negative for who cools better than the reference."""

    outlet_reference_c: float  # NaN where no outlet temperature is known
    difference_reference_k: float
    volume_m3: np.ndarray
    network_k: np.ndarray  # how much the common outlet temperature would fall if this one met the reference


def excess_flow(found: Temperatures, volume_m3: np.ndarray) -> Excess:
    """Compare heating meters with the best quartile among themselves: V - E/(k·(tF - tR,ref)).

    Where the inlet temperature isn't known, the best quartile of the differences stands for tF - tR,ref. NaN for
    meters that cool, have no temperatures, or whose values can't be true.
    """
    wrong = Mark.CONTRADICTS | Mark.IMPOSSIBLE | Mark.MIXED
    fair = (
        (found.mode == Mode.HEATING)
        & (found.energy_kwh > 0)
        & (volume_m3 > 0)
        & ((found.marks & int(wrong)) == 0)
        & ~np.isnan(found.difference_k)
    )
    known = fair & ~np.isnan(found.outlet_c)
    outlet = float(np.quantile(found.outlet_c[known], 0.25)) if known.any() else np.nan
    difference = float(np.quantile(found.difference_k[fair], 0.75)) if fair.any() else np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        own = found.inlet_c - outlet
        reference = np.where(own > _INLET_ABOVE_ROOM_K, own, difference)
        needed = found.energy_kwh / (kwh_per_m3k(np.nan_to_num(found.outlet_c, nan=50.0)) * reference)
        excess = np.where(fair, volume_m3 - needed, np.nan)
        total = float(volume_m3[known].sum())
        network = np.where(known, volume_m3 * (found.outlet_c - outlet) / total if total else np.nan, np.nan)
    return Excess(outlet, difference, excess, network)
