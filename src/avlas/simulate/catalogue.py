"""The meters in use in the invented town: types, how common, in which sizes, with which info codes."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from avlas.simulate.layouts import TYPES, MeterType
from avlas.simulate.loads import COOLING, ELECTRICITY, HEAT, HEAT_COOLING, PRESSURE, WATER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# The counters a meter keeps. What the first two are called depends on the medium.
ENERGY, ENERGY_2, VOLUME, FLOW_M3C, RETURN_M3C, INPUT_A, ERROR_HOURS = range(7)
COUNTERS = 7

_INFO_X03 = {  # MULTICAL 403, 603, 803, 303
    "low_battery": 0x2,
    "t1_high": 0x8,
    "t2_high": 0x10,
    "t1_low": 0x20,
    "t2_low": 0x40,
    "difference": 0x80,
    "air": 0x100,
    "wrong_direction": 0x200,
    "input_a_leak": 0x1000,
}
_INFO_602 = {"t2": 4, "t1": 8, "input_a_leak": 64, "air": 4096, "wrong_direction": 16384}  # MULTICAL 402, 602
_INFO_21 = {"reverse": 0x2, "leak": 0x4, "reverse_for": 1 << 7, "leak_for": 1 << 10}
_INFO_FLOWIQ = {"reverse": 0x2, "leak": 0x4, "tamper": 0x10, "low_battery": 0x20}


@dataclass(frozen=True)
class Model:
    """One meter type and its place in the town."""

    type_name: str  # in simulate.layouts
    medium: int
    share: float  # how common among meters of its medium
    qp_m3h: tuple[float, float] = (0.0, 1000.0)  # sizes it is used in
    age_years: tuple[int, int] = (1, 8)  # how long the ones in the town have been mounted
    radio: str = "C1"  # mode of EN 13757-4
    info: Mapping[str, int] = field(default_factory=dict)
    clear: float = 0.0  # share that sends without encryption

    @cached_property
    def type(self) -> MeterType:
        """Address, datagram and security of the type."""
        return TYPES[self.type_name]

    @cached_property
    def steps(self) -> tuple[float, ...]:
        """Per counter: one step as sent, in the canonical unit."""
        return tuple(float(self._step(code)) for code in COUNTER_CODES[self.medium])

    @cached_property
    def digits(self) -> int:
        """Digits of every counter before it rolls over."""
        return self.type.digits

    @cached_property
    def sent(self) -> Mapping[str, tuple[str, int]]:
        """Register code -> unit and decimals as the meter sends and shows it."""
        out: dict[str, tuple[str, int]] = {}
        for each in self.type.fields:
            code = each.source
            if code.endswith("_kwh") and "." not in code:
                out[code] = _ENERGY_UNITS[each.step]
            elif "." not in code and code in _UNITS:
                decimals = 0
                while each.step * 10**decimals % 1:
                    decimals += 1
                out[code] = (_UNITS[code], decimals)
        return out

    def _step(self, code: str) -> Fraction:
        steps = [each.step for each in self.type.fields if each.source == code]
        return steps[0] if steps else _DEFAULT_STEPS.get(code, Fraction(1))


_ENERGY_UNITS = {
    Fraction(1, 10): ("kWh", 1),
    Fraction(1, 100): ("kWh", 2),
    Fraction(1): ("kWh", 0),
    Fraction(10): ("MWh", 2),
    Fraction(5, 18): ("GJ", 3),
    Fraction(25, 9): ("GJ", 2),
}
_DEFAULT_STEPS = {"volume_m3": Fraction(1, 100), "input_a": Fraction(1, 100)}
_UNITS = {
    "volume_m3": "m³",
    "input_a": "m³",
    "energy_flow_m3c": "m³·°C",
    "energy_return_m3c": "m³·°C",
    "flow_temperature_c": "°C",
    "return_temperature_c": "°C",
    "temperature_difference_k": "K",
    "volume_flow_m3h": "m³/h",
    "power_kw": "kW",
    "power_export_kw": "kW",
    "pressure_1_bar": "bar",
    "operating_hours": "h",
    "error_hours": "h",
}
_THERMAL = (
    "energy_heat_kwh",
    "energy_cooling_kwh",
    "volume_m3",
    "energy_flow_m3c",
    "energy_return_m3c",
    "input_a",
)
COUNTER_CODES: Mapping[int, tuple[str, ...]] = {
    HEAT: (*_THERMAL, "error_hours"),
    COOLING: (*_THERMAL, "error_hours"),
    HEAT_COOLING: (*_THERMAL, "error_hours"),
    WATER: ("", "", "volume_m3", "", "", "", "error_hours"),
    ELECTRICITY: ("electricity_import_kwh", "electricity_export_kwh", "", "", "", "", "error_hours"),
    PRESSURE: ("", "", "", "", "", "", "error_hours"),
}
"""Per medium: the register codes of the counters, "" where there is none."""

_SMALL, _ANY, _MIDDLE, _LARGE = (0.0, 2.6), (0.0, 1000.0), (2.6, 16.0), (9.0, 1000.0)

MODELS: tuple[Model, ...] = (
    Model("multical403", HEAT, 30, (0.0, 11.0), (1, 7), info=_INFO_X03),
    Model("multical403_gj", HEAT, 3, _SMALL, (2, 7), info=_INFO_X03),
    Model("multical403_mwh", HEAT, 5, _MIDDLE, (1, 7), info=_INFO_X03),
    Model("multical603", HEAT, 12, _ANY, (1, 6), info=_INFO_X03),
    Model("multical603_gj", HEAT, 5, _LARGE, (2, 6), info=_INFO_X03),
    Model("multical603_fixed", HEAT, 14, _ANY, (1, 6), info=_INFO_X03),
    Model("multical603_wired", HEAT, 0, _ANY, (1, 6), info=_INFO_X03),
    Model("multical803", HEAT, 16, _LARGE, (1, 4), info=_INFO_X03),
    Model("multical803_gj", HEAT, 4, _LARGE, (1, 4), info=_INFO_X03),
    Model("multical303", HEAT, 8, _SMALL, (1, 4), info=_INFO_X03),
    Model("multical303_oms", HEAT, 5, _SMALL, (1, 4), "T1", _INFO_X03),
    Model("multical302", HEAT, 9, _SMALL, (3, 9)),
    Model("multical302_gj", HEAT, 2, _SMALL, (3, 9)),
    Model("multical302_mwh", HEAT, 2, _SMALL, (3, 9)),
    Model("multical402", HEAT, 7, (0.0, 11.0), (6, 11), info=_INFO_602),
    Model("multical402_gj", HEAT, 2, (0.0, 11.0), (6, 11), info=_INFO_602),
    Model("multical602", HEAT, 7, _ANY, (6, 12), info=_INFO_602),
    Model("multical602_gj", HEAT, 3, _LARGE, (6, 12), info=_INFO_602),
    Model("diehl_sharky", HEAT, 2, (0.0, 11.0), (2, 8), "T1"),
    Model("sensus_pollucom", HEAT, 1.5, _SMALL, (2, 8), "T1"),
    Model("engelmann_sensostar", HEAT, 1.5, _SMALL, (1, 5), "T1"),
    Model("landis_ultraheat", HEAT, 2.5, (0.0, 16.0), (1, 5), "T1"),
    Model("multical403_cooling", COOLING, 1, info=_INFO_X03),
    Model("multical403_heat_cooling", HEAT_COOLING, 3, info=_INFO_X03),
    Model("multical303_heat_cooling", HEAT_COOLING, 1, radio="T1", info=_INFO_X03),
    Model("multical21", WATER, 46, (0.0, 4.0), (1, 7), info=_INFO_21),
    Model("flowiq2200", WATER, 32, _ANY, (1, 4), info=_INFO_FLOWIQ),
    Model("diehl_hydrus", WATER, 10, _ANY, (1, 7), "T1"),
    Model("sensus_iperl", WATER, 7, (0.0, 4.0), (1, 7), "T1"),
    Model("itron_cyble", WATER, 5, _ANY, (4, 11), "T1", clear=0.7),
    Model("omnipower", ELECTRICITY, 1),
    Model("pressure_sensor", PRESSURE, 1, age_years=(1, 4)),
)
BY_TYPE = {model.type_name: number for number, model in enumerate(MODELS)}
WIRED = BY_TYPE["multical603_wired"]

SIZES_QP = np.array([0.6, 1.5, 2.5, 3.5, 6.0, 10.0, 15.0, 25.0, 40.0, 60.0, 100.0])
"""Permanent flows that meters are made for [m³/h]."""


def water_duration(hours_in_30_days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Kamstrup water meters' three-bit code for how long a state has lasted within the last 30 days."""
    return np.searchsorted(np.array([1, 9, 25, 73, 169, 337, 505]), hours_in_30_days, side="right")
