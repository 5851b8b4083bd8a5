"""What a value information block means (EN 13757-3:2018 clause 6.4, tables 10 to 17).

Units are the ones people write: energy kWh, MWh or GJ, volume m³, power kW, flow m³/h. The exponent says
how the integer that was sent becomes a number in that unit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from avlas.decode.values import text

# How a value is to be read, when a number is not what it is.
NUMBER, TIME, DIGITS, ADDRESS, LETTERS = "number", "time", "digits", "address", "letters"
PROFILE_INVERSE, PROFILE_REGISTERS, PROFILE_PLAIN = 0x13, 0x1E, 0x1F
PROFILES = frozenset({PROFILE_INVERSE, PROFILE_REGISTERS, PROFILE_PLAIN})
EXTENSION = 0x80


class _Vif(NamedTuple):
    quantity: str
    unit: str = ""
    exponent: int = 0
    kind: str = NUMBER
    unsigned: bool = False


@dataclass(frozen=True, slots=True)
class Meaning:
    """One value information block in words: see ``types.Record`` for key, modifiers and vife."""

    key: str
    quantity: str
    unit: str
    exponent: int = 0
    kind: str = NUMBER
    unsigned: bool = False
    modifiers: tuple[str, ...] = ()
    vife: tuple[int, ...] = ()
    offset: Decimal | None = None  # added after scaling (VIFE 78-7B)
    profile: int = 0  # VIFE 13, 1E or 1F: the data is a compact profile
    error: str = ""  # VIFE 01-1C: the meter reports an error instead of a value

    @property
    def words(self) -> str:
        """For people: "volume in m³ x 10^-3, backward flow"."""
        head = self.quantity.replace("_", " ")
        if self.unit:
            head += f" in {self.unit}"
        if self.exponent:
            head += f" x 10^{self.exponent}"
        return ", ".join((head, *self.modifiers))


def _steps(first: int, count: int, quantity: str, unit: str, exponent: int) -> dict[int, _Vif]:
    """``count`` codes from ``first``, each ten times the one before."""
    return {first + n: _Vif(quantity, unit, exponent + n) for n in range(count)}


def _durations(first: int, quantity: str, units: tuple[str, ...]) -> dict[int, _Vif]:
    return {first + n: _Vif(quantity, unit) for n, unit in enumerate(units)}


_SMHD = ("s", "min", "h", "d")

# Table 10, primary VIFs.
PRIMARY: dict[int, _Vif] = {
    **_steps(0x00, 8, "energy", "kWh", -6),
    **_steps(0x08, 8, "energy", "GJ", -9),
    **_steps(0x10, 8, "volume", "m³", -6),
    **_steps(0x18, 8, "mass", "kg", -3),
    **_durations(0x20, "on_time", _SMHD),
    **_durations(0x24, "operating_time", _SMHD),
    **_steps(0x28, 8, "power", "kW", -6),
    **_steps(0x30, 8, "power", "GJ/h", -9),
    **_steps(0x38, 8, "volume_flow", "m³/h", -6),
    **_steps(0x40, 8, "volume_flow", "m³/min", -7),
    **_steps(0x48, 8, "volume_flow", "m³/s", -9),
    **_steps(0x50, 8, "mass_flow", "kg/h", -3),
    **_steps(0x58, 4, "flow_temperature", "°C", -3),
    **_steps(0x5C, 4, "return_temperature", "°C", -3),
    **_steps(0x60, 4, "temperature_difference", "K", -3),
    **_steps(0x64, 4, "external_temperature", "°C", -3),
    **_steps(0x68, 4, "pressure", "bar", -3),
    0x6C: _Vif("date", kind=TIME),
    0x6D: _Vif("datetime", kind=TIME),
    0x6E: _Vif("heat_cost_units"),
    **_durations(0x70, "averaging_duration", _SMHD),
    **_durations(0x74, "actuality_duration", _SMHD),
    0x78: _Vif("fabrication_number", kind=DIGITS, unsigned=True),
    0x79: _Vif("enhanced_identification", kind=ADDRESS, unsigned=True),
    0x7A: _Vif("bus_address", unsigned=True),
    0x7E: _Vif("any_vif"),
    0x7F: _Vif("manufacturer_specific", unsigned=True),
}

# Table 14, first extension (FB).
EXTENSION_FB: dict[int, _Vif] = {
    **_steps(0x00, 2, "energy", "MWh", -1),
    **_steps(0x02, 2, "reactive_energy", "kvarh", 0),
    **_steps(0x04, 2, "apparent_energy", "kVAh", 0),
    **_steps(0x08, 2, "energy", "GJ", -1),
    **_steps(0x0C, 4, "energy", "Mcal", -1),
    **_steps(0x10, 2, "volume", "m³", 2),
    **_steps(0x14, 4, "reactive_power", "kvar", -3),
    **_steps(0x18, 2, "mass", "t", 2),
    **_steps(0x1A, 2, "relative_humidity", "%", -1),
    0x20: _Vif("volume", "ft³"),
    0x21: _Vif("volume", "ft³", -1),
    **_steps(0x28, 2, "power", "MW", -1),
    0x2A: _Vif("phase_voltage_to_voltage", "°", -1),
    0x2B: _Vif("phase_voltage_to_current", "°", -1),
    **_steps(0x2C, 4, "frequency", "Hz", -3),
    **_steps(0x30, 2, "power", "GJ/h", -1),
    **_steps(0x34, 4, "apparent_power", "kVA", -3),
    **_steps(0x58, 4, "flow_temperature", "°F", -3),
    **_steps(0x5C, 4, "return_temperature", "°F", -3),
    **_steps(0x60, 4, "temperature_difference", "°F", -3),
    **_steps(0x64, 4, "external_temperature", "°F", -3),
    **_steps(0x70, 4, "temperature_limit", "°F", -3),
    **_steps(0x74, 4, "temperature_limit", "°C", -3),
    **_steps(0x78, 8, "maximum_power_total", "kW", -6),
}

# Table 12, main extension (FD).
EXTENSION_FD: dict[int, _Vif] = {
    **_steps(0x00, 4, "credit", "currency", -3),
    **_steps(0x04, 4, "debit", "currency", -3),
    0x08: _Vif("access_number", unsigned=True),
    0x09: _Vif("device_type", unsigned=True),
    0x0A: _Vif("manufacturer", kind=LETTERS, unsigned=True),
    0x0B: _Vif("parameter_set", kind=DIGITS, unsigned=True),
    0x0C: _Vif("model_version", kind=DIGITS, unsigned=True),
    0x0D: _Vif("hardware_version", kind=DIGITS, unsigned=True),
    0x0E: _Vif("firmware_version", kind=DIGITS, unsigned=True),
    0x0F: _Vif("software_version", kind=DIGITS, unsigned=True),
    0x10: _Vif("customer_location", kind=DIGITS, unsigned=True),
    0x11: _Vif("customer", kind=DIGITS, unsigned=True),
    0x12: _Vif("access_code_user", unsigned=True),
    0x13: _Vif("access_code_operator", unsigned=True),
    0x14: _Vif("access_code_system_operator", unsigned=True),
    0x15: _Vif("access_code_developer", unsigned=True),
    0x16: _Vif("password", unsigned=True),
    0x17: _Vif("error_flags", unsigned=True),
    0x18: _Vif("error_mask", unsigned=True),
    0x19: _Vif("security_key", unsigned=True),
    0x1A: _Vif("digital_output", unsigned=True),
    0x1B: _Vif("digital_input", unsigned=True),
    0x1C: _Vif("baud_rate", "Bd", unsigned=True),
    0x1D: _Vif("response_delay", "bit times", unsigned=True),
    0x1E: _Vif("retries", unsigned=True),
    0x1F: _Vif("remote_control", unsigned=True),
    0x20: _Vif("first_storage_number", unsigned=True),
    0x21: _Vif("last_storage_number", unsigned=True),
    0x22: _Vif("storage_block_size", unsigned=True),
    0x23: _Vif("tariff_and_subunit_descriptor", unsigned=True),
    **_durations(0x24, "storage_interval", (*_SMHD, "month", "year")),
    0x2A: _Vif("operator_specific", unsigned=True),
    0x2B: _Vif("time_point_second", "s", unsigned=True),
    **_durations(0x2C, "time_since_readout", _SMHD),
    0x30: _Vif("tariff_start", kind=TIME),
    **_durations(0x31, "tariff_duration", ("min", "h", "d")),
    **_durations(0x34, "tariff_period", (*_SMHD, "month", "year")),
    0x3A: _Vif("dimensionless"),
    0x3B: _Vif("radio_data_container", unsigned=True),
    **_durations(0x3C, "transmission_period", _SMHD),
    **_steps(0x40, 16, "voltage", "V", -9),
    **_steps(0x50, 16, "current", "A", -12),
    0x60: _Vif("reset_counter", unsigned=True),
    0x61: _Vif("cumulation_counter", unsigned=True),
    0x62: _Vif("control_signal", unsigned=True),
    0x63: _Vif("day_of_week", unsigned=True),
    0x64: _Vif("week_number", unsigned=True),
    0x65: _Vif("day_change", kind=TIME),
    0x66: _Vif("parameter_activation_state", unsigned=True),
    0x67: _Vif("special_supplier_information", unsigned=True),
    **_durations(0x68, "time_since_cumulation", ("h", "d", "month", "year")),
    **_durations(0x6C, "battery_operating_time", ("h", "d", "month", "year")),
    0x70: _Vif("battery_change", kind=TIME),
    0x71: _Vif("signal_strength", "dBm", unsigned=True),
    0x72: _Vif("daylight_saving", unsigned=True),
    0x73: _Vif("listening_window", unsigned=True),
    0x74: _Vif("battery_time_left", "d", unsigned=True),
    0x75: _Vif("stop_counter", unsigned=True),
    0x76: _Vif("manufacturer_data_container", unsigned=True),
}

# Table 13, second level of the main extension (FD FD).
EXTENSION_FDFD: dict[int, _Vif] = {
    0x00: _Vif("selected_application", unsigned=True),
    0x02: _Vif("battery_time_left", "month", unsigned=True),
    0x03: _Vif("battery_time_left", "year", unsigned=True),
    0x3E: _Vif("moisture", "%"),
    0x3F: _Vif("moisture", "%", -1),
}

# Table 15, VIFEs that tell of an error instead of a value.
RECORD_ERRORS: dict[int, str] = {
    0x01: "too many DIFEs",
    0x02: "storage number not implemented",
    0x03: "unit number not implemented",
    0x04: "tariff number not implemented",
    0x05: "function not implemented",
    0x06: "data class not implemented",
    0x07: "data size not implemented",
    0x0B: "too many VIFEs",
    0x0C: "illegal VIF group",
    0x0D: "illegal VIF exponent",
    0x0E: "VIF and DIF do not match",
    0x0F: "action not implemented",
    0x15: "no data available",
    0x16: "data overflow",
    0x17: "data underflow",
    0x18: "data error",
    0x1C: "premature end of record",
}

_PER = {
    0x20: "s", 0x21: "min", 0x22: "h", 0x23: "d", 0x24: "week", 0x25: "month", 0x26: "year",
    0x27: "revolution", 0x28: "input pulse on channel 0", 0x29: "input pulse on channel 1",
    0x2A: "output pulse on channel 0", 0x2B: "output pulse on channel 1",
    0x2C: "l", 0x2D: "m³", 0x2E: "kg", 0x2F: "K", 0x30: "kWh", 0x31: "GJ", 0x32: "kW", 0x33: "(K·l)",
    0x34: "V", 0x35: "A",
}  # fmt: skip
# The additive constant of VIFE 78-7B counts in the table's own unit (Wh, W, J), not in ours.
_OWN_UNIT = {"kWh": -3, "kW": -3, "GJ": -9, "GJ/h": -9}
_RATES = frozenset({"power", "volume_flow", "mass_flow", "reactive_power", "apparent_power"})
_LAST_PER_TIME = 0x26
_TIMES = {0x36: "s", 0x37: "s/V", 0x38: "s/A"}
_WORDS = {
    0x12: "average",
    0x13: "inverse compact profile",
    0x14: "relative deviation",
    0x1D: "standard conform data content",
    0x1E: "compact profile with registers",
    0x1F: "compact profile",
    0x3A: "uncorrected",
    0x3B: "forward flow",
    0x3C: "backward flow",
    0x3D: "alternate unit system",
    0x3E: "at base conditions",
    0x3F: "OBIS declaration",
    0x40: "lower limit",
    0x48: "upper limit",
    0x68: "value during lower limit exceed",
    0x69: "leakage",
    0x6C: "value during upper limit exceed",
    0x6D: "overflow",
    0x7E: "future value",
}
_PHASES = {
    0x01: "at phase L1",
    0x02: "at phase L2",
    0x03: "at phase L3",
    0x04: "at neutral",
    0x05: "between L1 and L2",
    0x06: "between L2 and L3",
    0x07: "between L3 and L1",
    0x08: "at quadrant Q1",
    0x09: "at quadrant Q2",
    0x0A: "at quadrant Q3",
    0x0B: "at quadrant Q4",
    0x0C: "delta between import and export",
    0x10: "absolute",
    0x11: "type C",
    0x12: "type D",
    0x13: "from partner to meter",
    0x14: "from meter to partner",
}


@lru_cache(maxsize=4096)
def describe(codes: bytes, unit_text: bytes | None = None) -> Meaning:
    """The meaning of a VIF with its VIFEs; ``unit_text`` is the text of a plain-text VIF, as sent."""
    first = codes[0] & 0x7F
    rest = tuple(code & 0x7F for code in codes[1:])
    if first == 0x7F:
        key = "FF" + "".join(f"{code:02X}" for code in rest)
        words = tuple(f"manufacturer's {code:02X}" for code in rest)
        return Meaning(key, "manufacturer_specific", "", unsigned=True, modifiers=words, vife=rest)
    if first == 0x7C:
        base, key = _Vif("plain_text", text(unit_text or b"")), "7C"
    elif codes[0] in (0xFB, 0xFD) and rest:
        base, key, rest = _extended(codes[0], rest)
    else:
        base, key = PRIMARY.get(first, _Vif("reserved", unsigned=True)), f"{first:02X}"
    meaning = Meaning(key, base.quantity, base.unit, base.exponent, base.kind, base.unsigned)
    return _with_vifes(meaning, rest)


def _extended(first: int, rest: tuple[int, ...]) -> tuple[_Vif, str, tuple[int, ...]]:
    reserved = _Vif("reserved", unsigned=True)
    if first == 0xFB:
        return EXTENSION_FB.get(rest[0], reserved), f"FB{rest[0]:02X}", rest[1:]
    if rest[0] == 0x7D and len(rest) > 1:
        return EXTENSION_FDFD.get(rest[1], reserved), f"FDFD{rest[1]:02X}", rest[2:]
    return EXTENSION_FD.get(rest[0], reserved), f"FD{rest[0]:02X}", rest[1:]


def _with_vifes(meaning: Meaning, codes: tuple[int, ...]) -> Meaning:
    """Apply the orthogonal VIFEs one after the other (tables 15 to 17)."""
    meaning = replace(meaning, vife=codes)
    at = 0
    while at < len(codes):
        code = codes[at]
        at += 1
        if code == 0x7F:  # the rest, and how the data is to be read, is the manufacturer's
            words = tuple(f"manufacturer's {own:02X}" for own in codes[at:]) or ("manufacturer's",)
            return replace(meaning, modifiers=meaning.modifiers + words)
        if code == 0x7C and at < len(codes):
            meaning = _add(meaning, _PHASES.get(codes[at], f"reserved VIFE FC {codes[at]:02X}"))
            at += 1
        elif code in RECORD_ERRORS:
            meaning = replace(meaning, error=RECORD_ERRORS[code])
        elif code:
            meaning = _with_vife(meaning, code)
    return meaning


def _add(meaning: Meaning, words: str) -> Meaning:
    return replace(meaning, modifiers=(*meaning.modifiers, words))


def _with_vife(meaning: Meaning, code: int) -> Meaning:
    if code in PROFILES:
        return replace(_add(meaning, _WORDS[code]), profile=code)
    if code in _WORDS:
        return _add(meaning, _WORDS[code])
    if code in _PER:
        rate = meaning.quantity in _RATES and code <= _LAST_PER_TIME  # its extreme or mean over that time
        unit = meaning.unit if rate else f"{meaning.unit}/{_PER[code]}"
        return replace(_add(meaning, f"per {_PER[code]}"), unit=unit)
    if code in _TIMES:
        return replace(_add(meaning, f"times {_TIMES[code]}"), unit=f"{meaning.unit}·{_TIMES[code]}")
    if code == 0x39:
        return replace(_add(meaning, "start of"), kind=TIME, unit="", exponent=0)
    if 0x70 <= code <= 0x77:
        return replace(meaning, exponent=meaning.exponent + code - 0x76)
    if 0x78 <= code <= 0x7B:
        ours = _OWN_UNIT.get(meaning.unit, 0) if len(meaning.key) == 2 else 0
        return replace(meaning, offset=Decimal(1).scaleb(code - 0x7B + ours))
    if code == 0x7D:
        return replace(meaning, exponent=meaning.exponent + 3)
    if 0x40 <= code <= 0x6F:
        return _with_limit(meaning, code)
    return _add(meaning, f"reserved VIFE {code:02X}")


def _with_limit(meaning: Meaning, code: int) -> Meaning:
    """E100 uf1b and its kin: count, moment or duration of an exceeded limit."""
    limit = "upper limit" if code & 0x08 else "lower limit"
    which = "last" if code & 0x04 else "first"
    edge = "end" if code & 0x01 else "begin"
    if code in (0x41, 0x49):
        return replace(_add(meaning, f"number of exceeds of {limit}"), kind=NUMBER, unit="", exponent=0)
    if code < 0x50 and code & 0x02:
        return replace(_add(meaning, f"{edge} of {which} exceed of {limit}"), kind=TIME, unit="", exponent=0)
    if 0x50 <= code <= 0x5F:
        words = f"duration of {which} exceed of {limit}"
        return replace(_add(meaning, words), kind=NUMBER, unit=_SMHD[code & 0x03], exponent=0)
    if 0x60 <= code <= 0x67:
        return replace(
            _add(meaning, f"duration of {which}"), kind=NUMBER, unit=_SMHD[code & 0x03], exponent=0
        )
    if code >= 0x68 and code & 0x02:
        return replace(_add(meaning, f"{edge} of {which}"), kind=TIME, unit="", exponent=0)
    return _add(meaning, f"reserved VIFE {code:02X}")
