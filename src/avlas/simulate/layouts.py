"""The datagrams of the town's meter types, as data: which record carries which register, in which step.

A :class:`Field` is written as the meter sends it: DIF and VIF bytes in hexadecimal, the register (in the
codes and canonical units the rest of Avläs uses) and how much one count is worth in that unit. The data's
coding follows from the DIF alone. Nothing here is looked up in a VIF table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING

from avlas.simulate import frames, records

if TYPE_CHECKING:
    from collections.abc import Mapping

Number = int | float | Decimal

KWH_PER_MJ = Fraction(5, 18)

# Registers that a meter sends as zero when nothing is connected or configured.
_ZERO_WHEN_ABSENT = frozenset(
    {
        "input_a", "input_b", "tariff_2", "tariff_3", "tariff_4", "energy_cooling_kwh",
        "electricity_export_kwh", "power_export_kw", "error_hours", "volume_reverse_m3",
    }
)  # fmt: skip
# Registers that show the last whole step reached; all others are rounded to the nearest.
_COUNTERS = frozenset(
    {
        "energy_heat_kwh", "energy_cooling_kwh", "energy_flow_m3c", "energy_return_m3c", "volume_m3",
        "volume_2_m3", "input_a", "input_b", "tariff_2", "tariff_3", "tariff_4", "volume_reverse_m3",
        "electricity_import_kwh", "electricity_export_kwh", "operating_hours", "error_hours",
    }
)  # fmt: skip


_SPECIAL = frozenset({"info_code", "meter_time", "target_at", "identification", "constant"})


@dataclass(frozen=True, slots=True)
class Sample:
    """What a meter knows at one moment.

    ``registers``: values by register code in canonical units (kWh, m³, °C, kW, bar ...), and where a type
    sends extremes also "maximum.power_kw" or "minimum.flow_temperature_c" (the plain register stands in
    when they are missing). ``meter_time`` is the meter's own clock, naive. ``target_at`` is the date at
    whose 00:00 the values in ``target`` were stored; None before the first one.
    """

    registers: Mapping[str, Number]
    meter_time: datetime
    info_code: int = 0
    target_at: date | None = None
    target: Mapping[str, Number] = field(default_factory=lambda: MappingProxyType({}))

    def value(self, source: str) -> Number:
        """The number behind a field's source; ValueError names a register that is missing."""
        prefix, _, code = source.rpartition(".")
        if prefix == "target":
            return self.target.get(code, 0) if self.target_at is not None else 0
        found = self.registers.get(source)
        if found is None and prefix in {"maximum", "minimum"}:
            found = self.registers.get(code)
        if found is None:
            if (code or source) in _ZERO_WHEN_ABSENT:
                return 0
            raise ValueError(f"the datagram needs a value for {source}")
        return found


@dataclass(frozen=True, slots=True)
class Field:
    """One record of a datagram.

    ``header`` is DIF..VIFE in hexadecimal. ``source`` is a register code (with "target.", "maximum." or
    "minimum." before it) or one of "info_code", "meter_time", "target_at", "identification", "constant".
    ``step`` is what one count is worth in the register's canonical unit; a constant's data are ``data``.
    """

    header: str
    source: str
    step: Fraction = Fraction(1)
    data: str = ""


@dataclass(frozen=True, slots=True)
class MeterType:
    """One meter type with one configured datagram: who it says it is, what it sends, how it protects it."""

    name: str
    model: str
    medium: str
    manufacturer: str
    version: int
    device_type: int
    fields: tuple[Field, ...]
    security: str = "ell-ctr"  # ell-ctr, mode 5, mode 7, none
    header: str = "none"  # transport header: none (78/79), short (7A), long (72)
    wired: bool = False
    compact: bool = False  # seven compact telegrams after each full one
    interval_s: int = 16
    digits: int = 8  # counters roll over after this many
    target_day_before: bool = False  # the target date is stamped 24:00 of the day before
    cc: int = 0x20  # communication control of the extended link layer
    type_number: str = ""  # the maker's type number, as key files tell it

    @property
    def headers(self) -> tuple[bytes, ...]:
        """DIF and VIF bytes, record by record."""
        return tuple(bytes.fromhex(each.header) for each in self.fields)

    @property
    def signature(self) -> int:
        """The format signature of compact frames: the CRC over all DIF and VIF bytes."""
        return frames.crc(b"".join(self.headers))

    @property
    def radio_mode(self) -> str:
        """The wireless mode it sends in: C1 with the extended link layer's encryption, else T1."""
        return "C1" if self.security == "ell-ctr" else "T1"

    @property
    def registers(self) -> tuple[str, ...]:
        """The register codes this datagram gives present values of."""
        return tuple(
            dict.fromkeys(f.source for f in self.fields if f.source not in _SPECIAL and "." not in f.source)
        )

    @property
    def needs(self) -> tuple[str, ...]:
        """The register codes a :class:`Sample` must hold: those of the extremes too, none sent as zero."""
        codes = dict.fromkeys(
            f.source.rpartition(".")[2]
            for f in self.fields
            if f.source not in _SPECIAL and not f.source.startswith("target.")
        )
        return tuple(code for code in codes if code not in _ZERO_WHEN_ABSENT)

    def values(self, sample: Sample, identification: str = "00000000") -> tuple[bytes, ...]:
        """The data fields alone, record by record. ValueError: a value is missing or does not fit."""
        return tuple(_data(each, sample, identification, self) for each in self.fields)

    def full(self, sample: Sample, identification: str = "00000000") -> bytes:
        """The records of a full datagram, without any header."""
        return b"".join(
            header + data
            for header, data in zip(self.headers, self.values(sample, identification), strict=True)
        )


def _data(each: Field, sample: Sample, identification: str, meter_type: MeterType) -> bytes:
    head = bytes.fromhex(each.header)
    code = head[0] & 0x0F
    if each.source == "constant":
        return bytes.fromhex(each.data)
    if each.source == "identification":
        return bytes.fromhex(identification)[::-1]
    if each.source == "info_code":
        size = _INTEGER_SIZE[code]
        return records.unsigned(sample.info_code, size)
    if each.source == "meter_time":
        return _stamp(sample.meter_time, code)
    if each.source == "target_at":
        return _target_stamp(sample.target_at, code, day_before=meter_type.target_day_before)
    number = sample.value(each.source)
    if code == records.REAL32:
        return records.real32(number)
    count = _count(number, each, meter_type.digits)
    try:
        return (
            records.bcd(count, _BCD_DIGITS[code])
            if code in _BCD_DIGITS
            else records.integer(count, _INTEGER_SIZE[code])
        )
    except ValueError as error:
        raise ValueError(f"{each.source} = {number} in record {each.header}: {error}") from None


_INTEGER_SIZE = {0x1: 1, 0x2: 2, 0x3: 3, 0x4: 4, 0x6: 6, 0x7: 8}
_BCD_DIGITS = {0x9: 2, 0xA: 4, 0xB: 6, 0xC: 8, 0xE: 12}


def _count(number: Number, each: Field, digits: int) -> int:
    exact = Fraction(str(number)) / each.step
    if each.source.rpartition(".")[2] not in _COUNTERS:
        return round(exact)
    # A whole step told in floating point may lie a hair below itself.
    modulus: int = 10**digits
    return int((exact + Fraction(1, 1_000_000)) // 1) % modulus


def _stamp(moment: datetime, code: int) -> bytes:
    if code == 0x2:
        return records.date_g(moment.date())
    return records.date_time_f(moment) if code == 0x4 else records.date_time_i(moment)


def _target_stamp(day: date | None, code: int, *, day_before: bool) -> bytes:
    if day is not None and day_before:
        day -= timedelta(days=1)
    if code == 0x2:
        return records.date_g(day)
    if day is None:
        return records.date_time_f(None)
    # Datagrams with a time stamp the last minute of the day before.
    moment = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the meter's own clock
    return records.date_time_f(moment - timedelta(minutes=1))


def _f(header: str, source: str, step: str | int | Fraction = 1, data: str = "") -> Field:
    return Field(header, source, Fraction(step), data)


_MJ, _10_MJ = KWH_PER_MJ, 10 * KWH_PER_MJ


def _current(energy_vif: str, energy_step: str | int | Fraction) -> tuple[Field, ...]:
    """E1, E8, E9, V1: how the x03 family opens its datagrams."""
    return (
        _f(f"04{energy_vif}", "energy_heat_kwh", energy_step),
        _f("04FF07", "energy_flow_m3c"),
        _f("04FF08", "energy_return_m3c"),
        _f("0414", "volume_m3", "0.01"),
    )


_FLOW_T1_T2 = (
    _f("043B", "volume_flow_m3h", "0.001"),
    _f("0259", "flow_temperature_c", "0.01"),
    _f("025D", "return_temperature_c", "0.01"),
)
_INFO_32 = _f("04FF22", "info_code")
_TARGET_DATE = _f("426C", "target_at")


def _target(energy_vif: str, energy_step: str | int | Fraction) -> tuple[Field, ...]:
    return (
        _f(f"44{energy_vif}", "target.energy_heat_kwh", energy_step),
        _f("4414", "target.volume_m3", "0.01"),
    )


def _multical_403(energy_vif: str, energy_step: str | int | Fraction) -> tuple[Field, ...]:
    return (
        *_current(energy_vif, energy_step), *_FLOW_T1_T2, _INFO_32, _f("026C", "meter_time"),
        *_target(energy_vif, energy_step), _TARGET_DATE,
    )  # fmt: skip


def _multical_603(energy_vif: str, energy_step: str | int | Fraction) -> tuple[Field, ...]:
    return (*_current(energy_vif, energy_step), *_FLOW_T1_T2, _INFO_32)


def _multical_603_fixed(energy_vif: str, energy_step: str | int | Fraction) -> tuple[Field, ...]:
    flow, t1, t2 = _FLOW_T1_T2
    return (
        *_current(energy_vif, energy_step), flow, _f("042D", "power_kw", "0.1"), t1, t2, _INFO_32,
        _f("0422", "operating_hours"),
        _f("143B", "maximum.volume_flow_m3h", "0.001"), _f("142D", "maximum.power_kw", "0.1"),
    )  # fmt: skip


def _multical_803(energy_vif: str, energy_step: str | int | Fraction) -> tuple[Field, ...]:
    return (
        *_current(energy_vif, energy_step),
        _f("844014", "input_a", "0.01"), _f("84804014", "input_b", "0.01"), *_FLOW_T1_T2,
        _f("142D", "maximum.power_kw", "0.1"),
        _f(f"8410{energy_vif}", "tariff_2", energy_step), _f(f"8420{energy_vif}", "tariff_3", energy_step),
        _INFO_32, _f("026C", "meter_time"), *_target(energy_vif, energy_step),
        _f("C44014", "target.input_a", "0.01"), _f("C4804014", "target.input_b", "0.01"), _TARGET_DATE,
    )  # fmt: skip


def _multical_303(
    energy_vif: str, energy_step: str | int | Fraction, volume_vif: str, step: str
) -> tuple[Field, ...]:
    return (
        _f(f"04{energy_vif}", "energy_heat_kwh", energy_step), _f(f"04{volume_vif}", "volume_m3", step),
        _f("04FF07", "energy_flow_m3c"), _f("04FF08", "energy_return_m3c"),
        _f("0259", "flow_temperature_c", "0.01"), _f("025D", "return_temperature_c", "0.01"),
        _f("023B", "volume_flow_m3h", "0.001"), _f("02FF22", "info_code"), _f("026C", "meter_time"),
        _f(f"44{energy_vif}", "target.energy_heat_kwh", energy_step),
        _f(f"44{volume_vif}", "target.volume_m3", step), _TARGET_DATE,
    )  # fmt: skip


def _multical_302(energy_vif: str, energy_step: str | int | Fraction) -> tuple[Field, ...]:
    return (
        _f(f"03{energy_vif}", "energy_heat_kwh", energy_step),
        _f(f"43{energy_vif}", "target.energy_heat_kwh", energy_step),
        _f("0314", "volume_m3", "0.01"), _TARGET_DATE, _f("022D", "power_kw", "0.1"),
        _f("01FF21", "info_code"),
    )  # fmt: skip


def _multical_402(energy_vif: str, energy_step: str | int | Fraction) -> tuple[Field, ...]:
    return (*_current(energy_vif, energy_step), _f("02FD17", "info_code"), *_FLOW_T1_T2)


def _multical_602(energy_vif: str, energy_step: str | int | Fraction) -> tuple[Field, ...]:
    return (
        _f("02F9FF15", "constant", data="1113"),
        _f(f"04{energy_vif}", "energy_heat_kwh", energy_step),
        _f("04EEFF07", "energy_flow_m3c"), _f("04EEFF08", "energy_return_m3c"),
        _f("0414", "volume_m3", "0.01"),
        _f("844014", "input_a", "0.01"), _f("84804014", "input_b", "0.01"), _f("02FD17", "info_code"),
        _f("026C", "meter_time"), _TARGET_DATE, *_target(energy_vif, energy_step),
        _f("C44014", "target.input_a", "0.01"), _f("C4804014", "target.input_b", "0.01"), *_FLOW_T1_T2,
    )  # fmt: skip


_HEAT_COOLING_403 = (
    _f("0406", "energy_heat_kwh"), _f("04863C", "energy_cooling_kwh"), _f("04FF07", "energy_flow_m3c"),
    _f("04FF08", "energy_return_m3c"), _f("0414", "volume_m3", "0.01"), *_FLOW_T1_T2, _INFO_32,
    _f("026C", "meter_time"), _f("4406", "target.energy_heat_kwh"), _f("44863C", "target.energy_cooling_kwh"),
    _f("4414", "target.volume_m3", "0.01"), _TARGET_DATE,
)  # fmt: skip
_COOLING_403 = (
    _f("0406", "energy_cooling_kwh"), _f("04FF07", "energy_flow_m3c"), _f("04FF08", "energy_return_m3c"),
    _f("0414", "volume_m3", "0.01"), *_FLOW_T1_T2, _INFO_32, _f("026C", "meter_time"),
    _f("4406", "target.energy_cooling_kwh"), _f("4414", "target.volume_m3", "0.01"), _TARGET_DATE,
)  # fmt: skip
_HEAT_COOLING_303 = (
    _f("0406", "energy_heat_kwh"), _f("04863C", "energy_cooling_kwh"), _f("0414", "volume_m3", "0.01"),
    _f("04FF07", "energy_flow_m3c"), _f("04FF08", "energy_return_m3c"),
    _f("0259", "flow_temperature_c", "0.01"), _f("025D", "return_temperature_c", "0.01"),
    _f("023B", "volume_flow_m3h", "0.001"), _f("02FF22", "info_code"), _f("026C", "meter_time"),
    _f("4406", "target.energy_heat_kwh"), _f("44863C", "target.energy_cooling_kwh"),
    _f("4414", "target.volume_m3", "0.01"), _TARGET_DATE,
)  # fmt: skip
_MULTICAL_21 = (
    _f("02FF20", "info_code"), _f("0413", "volume_m3", "0.001"), _f("4413", "target.volume_m3", "0.001"),
    _f("615B", "minimum.flow_temperature_c"), _f("6167", "minimum.ambient_temperature_c"),
)  # fmt: skip
_FLOWIQ_2200 = (
    _f("04FF23", "info_code"), _f("0413", "volume_m3", "0.001"), _f("4413", "target.volume_m3", "0.001"),
    _TARGET_DATE, _f("023B", "volume_flow_m3h", "0.001"), _f("92013B", "maximum.volume_flow_m3h", "0.001"),
    _f("A2013B", "minimum.volume_flow_m3h", "0.001"), _f("06FF1B", "constant", data="067000097000"),
    _f("A1015B", "minimum.flow_temperature_c"), _f("91015B", "maximum.flow_temperature_c"),
    _f("A10167", "minimum.ambient_temperature_c"),
)  # fmt: skip
_OMNIPOWER = (
    _f("0404", "electricity_import_kwh", "0.01"), _f("04843C", "electricity_export_kwh", "0.01"),
    _f("042B", "power_kw", "0.001"), _f("04AB3C", "power_export_kw", "0.001"),
)  # fmt: skip
_PRESSURE_SENSOR = (
    _f("2269", "minimum.pressure_1_bar", "0.01"), _f("1269", "maximum.pressure_1_bar", "0.01"),
    _f("0269", "pressure_1_bar", "0.01"), _f("05FF09", "constant", data="1954A33A"),
    _f("05FF0A", "constant", data="99BD823A"), _f("02FD17", "info_code"),
)  # fmt: skip
_MULTICAL_603_WIRED = (
    _f("0406", "energy_heat_kwh"), _f("04FF07", "energy_flow_m3c"), _f("04FF08", "energy_return_m3c"),
    _f("0414", "volume_m3", "0.01"), _f("844014", "input_a", "0.01"), _f("84804014", "input_b", "0.01"),
    _f("0422", "operating_hours"), _f("3422", "error_hours"), _f("0259", "flow_temperature_c", "0.01"),
    _f("025D", "return_temperature_c", "0.01"), _f("0261", "temperature_difference_k", "0.01"),
    _f("042D", "power_kw", "0.1"), _f("142D", "maximum.power_kw", "0.1"),
    _f("043B", "volume_flow_m3h", "0.001"), _f("143B", "maximum.volume_flow_m3h", "0.001"), _INFO_32,
    _f("046D", "meter_time"), _f("4406", "target.energy_heat_kwh"), _f("4414", "target.volume_m3", "0.01"),
    _TARGET_DATE, _f("0C78", "identification"),
)  # fmt: skip

# Meters of other makers, with payloads that hold to the standard (OMS vol. 2).
_SHARKY = (
    _f("0C06", "energy_heat_kwh"), _f("0C13", "volume_m3", "0.001"), _f("0B3B", "volume_flow_m3h", "0.001"),
    _f("0C2B", "power_kw", "0.001"), _f("0A5A", "flow_temperature_c", "0.1"),
    _f("0A5E", "return_temperature_c", "0.1"), _f("4C06", "target.energy_heat_kwh"), _TARGET_DATE,
)  # fmt: skip
_HYDRUS = (
    _f("0C13", "volume_m3", "0.001"), _f("04FD17", "info_code"), _f("0C933C", "volume_reverse_m3", "0.001"),
    _f("4C13", "target.volume_m3", "0.001"), _TARGET_DATE,
)  # fmt: skip
_IPERL = (_f("0413", "volume_m3", "0.001"), _f("023B", "volume_flow_m3h", "0.001"))
_POLLUCOM = (
    _f("046D", "meter_time"), _f("0406", "energy_heat_kwh"), _f("0413", "volume_m3", "0.001"),
    _f("032B", "power_kw", "0.001"), _f("033B", "volume_flow_m3h", "0.001"),
    _f("025A", "flow_temperature_c", "0.1"), _f("025E", "return_temperature_c", "0.1"),
    _f("3222", "error_hours"), _f("02FD17", "info_code"), _TARGET_DATE,
    _f("4406", "target.energy_heat_kwh"), _f("4413", "target.volume_m3", "0.001"),
)  # fmt: skip
_SENSOSTAR = (
    _f("046D", "meter_time"), _f("0406", "energy_heat_kwh"), _f("01FD17", "info_code"),
    _f("0413", "volume_m3", "0.001"), _f("043B", "volume_flow_m3h", "0.001"), _f("042B", "power_kw", "0.001"),
    _f("025B", "flow_temperature_c"), _f("025F", "return_temperature_c"),
    _f("0261", "temperature_difference_k", "0.01"),
)  # fmt: skip
_ULTRAHEAT = (
    _f("0C06", "energy_heat_kwh"), _f("0C14", "volume_m3", "0.01"), _f("0B2D", "power_kw", "0.1"),
    _f("0B3B", "volume_flow_m3h", "0.001"), _f("0A5A", "flow_temperature_c", "0.1"),
    _f("0A5E", "return_temperature_c", "0.1"), _f("4C06", "target.energy_heat_kwh"), _TARGET_DATE,
    _f("02FD17", "info_code"), _f("066D", "meter_time"),
)  # fmt: skip
_CYBLE = (
    _f("0413", "volume_m3", "0.001"), _f("066D", "meter_time"), _f("4413", "target.volume_m3", "0.001"),
    _TARGET_DATE,
)  # fmt: skip

_HEAT, _COOLING, _HEAT_INLET, _HEAT_COOLING = 0x04, 0x0A, 0x0C, 0x0D
_WARM_WATER, _WATER, _COLD_WATER, _ELECTRICITY, _PRESSURE = 0x06, 0x07, 0x16, 0x02, 0x18

_ALL = (
    MeterType("multical403", "MULTICAL 403", "heat", "KAM", 0x34, _HEAT, _multical_403("06", 1),
              compact=True, type_number="403W21A1A2010"),
    MeterType("multical403_gj", "MULTICAL 403", "heat", "KAM", 0x34, _HEAT_INLET, _multical_403("0E", _MJ),
              compact=True, type_number="403W21A1A2010"),
    MeterType("multical403_mwh", "MULTICAL 403", "heat", "KAM", 0x34, _HEAT, _multical_403("07", 10),
              compact=True, type_number="403W21A1A2010"),
    MeterType("multical403_cooling", "MULTICAL 403", "cooling", "KAM", 0x34, _COOLING, _COOLING_403,
              compact=True, type_number="403W51A1A2010"),
    MeterType("multical403_heat_cooling", "MULTICAL 403", "heat/cooling", "KAM", 0x34, _HEAT_COOLING,
              _HEAT_COOLING_403, compact=True, type_number="403W31A1A2010"),
    MeterType("multical603", "MULTICAL 603", "heat", "KAM", 0x35, _HEAT, _multical_603("06", 1),
              compact=True, type_number="603A21A2A1010"),
    MeterType("multical603_gj", "MULTICAL 603", "heat", "KAM", 0x35, _HEAT, _multical_603("0F", _10_MJ),
              compact=True, type_number="603A21A2A1010"),
    MeterType("multical603_fixed", "MULTICAL 603", "heat", "KAM", 0x35, _HEAT_INLET,
              _multical_603_fixed("06", 1), compact=True, interval_s=96, type_number="603A21A2A1010"),
    MeterType("multical603_wired", "MULTICAL 603", "heat", "KAM", 0x35, _HEAT, _MULTICAL_603_WIRED,
              security="none", header="long", wired=True, type_number="603A21A2A1010"),
    MeterType("multical803", "MULTICAL 803", "heat", "KAM", 0x39, _HEAT, _multical_803("07", 10),
              compact=True, type_number="803A21A2A1010"),
    MeterType("multical803_gj", "MULTICAL 803", "heat", "KAM", 0x39, _HEAT, _multical_803("0F", _10_MJ),
              compact=True, type_number="803A21A2A1010"),
    MeterType("multical303", "MULTICAL 303", "heat", "KAM", 0x40, _HEAT,
              _multical_303("06", 1, "14", "0.01"), compact=True, type_number="303W21A1A1010"),
    MeterType("multical303_oms", "MULTICAL 303", "heat", "KAM", 0x40, _HEAT,
              _multical_303("05", "0.1", "13", "0.001"), security="mode 5", header="short", interval_s=900,
              type_number="303W21A1A1010"),
    MeterType("multical303_heat_cooling", "MULTICAL 303", "heat/cooling", "KAM", 0x40, _HEAT_COOLING,
              _HEAT_COOLING_303, security="mode 5", header="short", interval_s=900,
              type_number="303W31A1A1010"),
    MeterType("multical302", "MULTICAL 302", "heat", "KAM", 0x30, _HEAT, _multical_302("06", 1),
              compact=True, digits=7, target_day_before=True, type_number="302T21A1A1010"),
    MeterType("multical302_gj", "MULTICAL 302", "heat", "KAM", 0x30, _HEAT_INLET, _multical_302("0F", _10_MJ),
              compact=True, digits=7, target_day_before=True, type_number="302T21A1A1010"),
    MeterType("multical302_mwh", "MULTICAL 302", "heat", "KAM", 0x30, _HEAT, _multical_302("07", 10),
              compact=True, digits=7, target_day_before=True, type_number="302T21A1A1010"),
    MeterType("multical402", "MULTICAL 402", "heat", "KAM", 0x19, _HEAT, _multical_402("06", 1),
              compact=True, digits=7, target_day_before=True, type_number="402V21A1A1010"),
    MeterType("multical402_gj", "MULTICAL 402", "heat", "KAM", 0x19, _HEAT, _multical_402("0F", _10_MJ),
              compact=True, digits=7, target_day_before=True, type_number="402V21A1A1010"),
    MeterType("multical602", "MULTICAL 602", "heat", "KAM", 0x1C, _HEAT, _multical_602("06", 1),
              compact=True, digits=7, target_day_before=True, type_number="602A21A1A1010"),
    MeterType("multical602_gj", "MULTICAL 602", "heat", "KAM", 0x1C, _HEAT, _multical_602("0F", _10_MJ),
              compact=True, digits=7, target_day_before=True, type_number="602A21A1A1010"),
    MeterType("multical21", "MULTICAL 21", "cold water", "KAM", 0x1B, _COLD_WATER, _MULTICAL_21,
              compact=True, type_number="02147C0A8881"),
    MeterType("multical21_warm", "MULTICAL 21", "warm water", "KAM", 0x1B, _WARM_WATER, _MULTICAL_21,
              compact=True, type_number="02147C0B8881"),
    MeterType("flowiq2200", "flowIQ 2200", "cold water", "KAW", 0x3A, _COLD_WATER, _FLOWIQ_2200,
              compact=True, type_number="02K51AC1A7C"),
    MeterType("flowiq2200_warm", "flowIQ 2200", "warm water", "KAW", 0x3C, _WARM_WATER, _FLOWIQ_2200,
              compact=True, type_number="02K52AC1A8C"),
    MeterType("omnipower", "OMNIPOWER", "electricity", "KAM", 0x30, _ELECTRICITY, _OMNIPOWER,
              compact=True, digits=9, type_number="684123M110"),
    MeterType("pressure_sensor", "PressureSensor", "pressure", "KAM", 0x01, _PRESSURE, _PRESSURE_SENSOR,
              compact=True, cc=0x28, interval_s=96, type_number="0PS10A1A1"),
    MeterType("diehl_sharky", "SHARKY 774", "heat", "DME", 0x41, _HEAT, _SHARKY, security="mode 5",
              header="short", interval_s=120),
    MeterType("diehl_hydrus", "HYDRUS 2.0", "water", "DME", 0x63, _WATER, _HYDRUS, security="mode 7",
              header="short", interval_s=120),
    MeterType("sensus_iperl", "iPERL", "water", "SEN", 0x68, _WATER, _IPERL, security="mode 5",
              header="short", interval_s=60),
    MeterType("sensus_pollucom", "PolluCom F", "heat", "SEN", 0x1D, _HEAT, _POLLUCOM, security="mode 5",
              header="short", interval_s=120),
    MeterType("engelmann_sensostar", "SensoStar U", "heat", "EFE", 0x00, _HEAT, _SENSOSTAR,
              security="mode 5", header="short", interval_s=120),
    MeterType("landis_ultraheat", "ULTRAHEAT T550", "heat", "LUG", 0x04, _HEAT, _ULTRAHEAT,
              security="mode 7", header="short", interval_s=120),
    MeterType("itron_cyble", "Cyble 5", "water", "ITW", 0x03, _WATER, _CYBLE, security="mode 5",
              header="short", interval_s=120),
)  # fmt: skip

TYPES: Mapping[str, MeterType] = MappingProxyType({each.name: each for each in _ALL})
"""Every meter type by name."""


def meter_type(name: str) -> MeterType:
    """The type of that name; ValueError lists the names there are."""
    found = TYPES.get(name)
    if found is None:
        raise ValueError(f"there is no meter type {name!r}; there are {', '.join(TYPES)}")
    return found
