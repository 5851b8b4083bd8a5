"""The one list of registers: what a meter counts or measures.

Families, JSON, database columns, pages, exports and the API all use these codes. A code ends in its
canonical unit (kWh, m³, °C, kW, ...), so a bare number is never without one. Pulse inputs and tariff
registers count whatever the meter is configured for: their canonical unit (m³ or kWh) stands in the
reading's format.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Aggregate(Enum):
    """How a register is summed up over an interval."""

    DIFFERENCE = "difference"  # a counter: last minus first
    MEAN = "mean"  # a momentary value: mean of the samples
    MAXIMUM = "maximum"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Register:
    """One register: its code, the name the trade uses, texts, canonical unit and how it aggregates."""

    code: str
    symbol: str  # "E1", "V1", "t1"; "" where the trade has none
    sv: str
    en: str
    unit: str  # canonical, as people write it
    decimals: int  # shown when nothing better is known
    aggregate: Aggregate


_D, _M, _L = Aggregate.DIFFERENCE, Aggregate.MEAN, Aggregate.LAST

REGISTERS: tuple[Register, ...] = (
    Register("energy_heat_kwh", "E1", "Värmeenergi", "Heat energy", "kWh", 1, _D),
    Register("energy_cooling_kwh", "E3", "Kylenergi", "Cooling energy", "kWh", 1, _D),
    Register("energy_flow_m3c", "E8", "m³ × ingående temperatur", "m³ × flow temperature", "m³·°C", 0, _D),
    Register(
        "energy_return_m3c", "E9", "m³ × utgående temperatur", "m³ × return temperature", "m³·°C", 0, _D
    ),
    Register("volume_m3", "V1", "Volym", "Volume", "m³", 3, _D),
    Register("volume_2_m3", "V2", "Volym 2", "Volume 2", "m³", 3, _D),
    Register("input_a", "In-A", "Pulsingång A", "Pulse input A", "", 3, _D),
    Register("input_b", "In-B", "Pulsingång B", "Pulse input B", "", 3, _D),
    Register("tariff_2", "TA2", "Tariffregister 2", "Tariff register 2", "", 1, _D),
    Register("tariff_3", "TA3", "Tariffregister 3", "Tariff register 3", "", 1, _D),
    Register("tariff_4", "TA4", "Tariffregister 4", "Tariff register 4", "", 1, _D),
    Register("flow_temperature_c", "t1", "Ingående temperatur", "Flow temperature", "°C", 2, _M),
    Register("return_temperature_c", "t2", "Utgående temperatur", "Return temperature", "°C", 2, _M),
    Register("temperature_3_c", "t3", "Temperatur 3", "Temperature 3", "°C", 2, _M),
    Register("temperature_difference_k", "t1-t2", "Temperaturskillnad", "Temperature difference", "K", 2, _M),
    Register("volume_flow_m3h", "Q1", "Flöde", "Flow", "m³/h", 3, _M),
    Register("volume_flow_2_m3h", "Q2", "Flöde 2", "Flow 2", "m³/h", 3, _M),
    Register("power_kw", "P", "Effekt", "Power", "kW", 1, _M),
    Register("pressure_1_bar", "P1", "Tryck 1", "Pressure 1", "bar", 2, _M),
    Register("pressure_2_bar", "P2", "Tryck 2", "Pressure 2", "bar", 2, _M),
    Register("electricity_import_kwh", "A+", "Elenergi uttag", "Electricity import", "kWh", 3, _D),
    Register("electricity_export_kwh", "A-", "Elenergi inmatning", "Electricity export", "kWh", 3, _D),
    Register("power_export_kw", "P-", "Effekt inmatning", "Power export", "kW", 3, _M),
    Register("reactive_import_kvarh", "R+", "Reaktiv energi uttag", "Reactive import", "kvarh", 3, _D),
    Register("reactive_export_kvarh", "R-", "Reaktiv energi inmatning", "Reactive export", "kvarh", 3, _D),
    Register("heat_cost_units", "HCA", "Värmeandelar", "Heat cost units", "", 0, _D),
    Register("ambient_temperature_c", "tA", "Omgivningstemperatur", "Ambient temperature", "°C", 1, _M),
    Register("humidity_pct", "RH", "Luftfuktighet", "Humidity", "%", 1, _M),
    Register("operating_hours", "", "Drifttid", "Operating time", "h", 0, _D),
    Register("error_hours", "", "Feltid", "Error time", "h", 0, _D),
    Register("info_code", "Info", "Infokod", "Info code", "", 0, _L),
)

BY_CODE: dict[str, Register] = {register.code: register for register in REGISTERS}
COUNTERS: tuple[str, ...] = tuple(r.code for r in REGISTERS if r.aggregate is Aggregate.DIFFERENCE)
CODES: tuple[str, ...] = tuple(r.code for r in REGISTERS)
