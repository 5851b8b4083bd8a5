"""What records mean: from DIF/VIF records to registers, target-date values and info codes in words.

Two sources, in this order: the meter's family (``families/*.toml``, read by family_files.py) and the
rules of the standard (EN 13757-3, tables 10-16; OMS vol. 2), which serve every meter without one. A
register is the record of storage 0, tariff 0, instantaneous: what the meter counts now. Storage 1 and
up with a date of their own become ``Dated`` values. Energy, volume, power, ... come out in the canonical
units of registers.py; ``sent`` keeps unit and decimals as the meter sends them, so that the figure on
its display can be given back exactly (``as_sent``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Context, Decimal, Inexact
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

from avlas.decode.family_files import Family, Module, RegisterRule, shipped
from avlas.decode.link import address as address_of
from avlas.decode.payloads import diehl
from avlas.decode.registers import BY_CODE
from avlas.decode.types import Dated, InfoCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from avlas.decode.family_files import InfoRule, Who
    from avlas.decode.types import Address, Header, Record

HEAT_TYPES = frozenset({0x04, 0x0C})
COOLING_TYPES = frozenset({0x0A, 0x0B})
HEAT_COOLING = 0x0D
THERMAL_TYPES = HEAT_TYPES | COOLING_TYPES | {HEAT_COOLING}
ELECTRICITY = 0x02
HEAT_COST_ALLOCATOR = 0x08

MEDIA = {  # EN 13757-7, table of device types: English (as JSON and pages' filters use it), Swedish
    0x00: ("other", "annat"),
    0x01: ("oil", "olja"),
    0x02: ("electricity", "el"),
    0x03: ("gas", "gas"),
    0x04: ("heat", "värme"),
    0x05: ("steam", "ånga"),
    0x06: ("warm water", "varmvatten"),
    0x07: ("water", "vatten"),
    0x08: ("heat cost allocator", "värmefördelningsmätare"),
    0x09: ("compressed air", "tryckluft"),
    0x0A: ("cooling", "kyla"),
    0x0B: ("cooling", "kyla"),
    0x0C: ("heat", "värme"),
    0x0D: ("heat/cooling", "värme/kyla"),
    0x0E: ("bus component", "busskomponent"),
    0x0F: ("unknown", "okänt"),
    0x14: ("calorific value", "värmevärde"),
    0x15: ("hot water", "hett vatten"),
    0x16: ("cold water", "kallvatten"),
    0x17: ("dual water", "växlande vatten"),
    0x18: ("pressure", "tryck"),
    0x19: ("A/D converter", "A/D-omvandlare"),
    0x1A: ("smoke detector", "brandvarnare"),
    0x1B: ("room sensor", "rumsgivare"),
    0x1C: ("gas detector", "gasvarnare"),
    0x20: ("breaker", "brytare"),
    0x21: ("valve", "ventil"),
    0x25: ("customer unit", "kundenhet"),
    0x28: ("waste water", "avloppsvatten"),
    0x29: ("garbage", "avfall"),
    0x2A: ("carbon dioxide", "koldioxid"),
    0x31: ("communication controller", "kommunikationsenhet"),
    0x32: ("repeater", "repeater"),
    0x33: ("repeater", "repeater"),
    0x36: ("radio converter", "radioomvandlare"),
    0x37: ("radio converter", "radioomvandlare"),
}

# Unit as records carry it -> canonical unit and exact factor to it.
UNITS: dict[str, tuple[str, Fraction]] = {
    "Wh": ("kWh", Fraction(1, 1000)),
    "kWh": ("kWh", Fraction(1)),
    "MWh": ("kWh", Fraction(1000)),
    "GWh": ("kWh", Fraction(1_000_000)),
    "J": ("kWh", Fraction(1, 3_600_000)),
    "kJ": ("kWh", Fraction(1, 3600)),
    "MJ": ("kWh", Fraction(10, 36)),
    "GJ": ("kWh", Fraction(2500, 9)),
    "TJ": ("kWh", Fraction(2_500_000, 9)),
    "cal": ("kWh", Fraction(1163, 1_000_000_000)),
    "kcal": ("kWh", Fraction(1163, 1_000_000)),
    "Mcal": ("kWh", Fraction(1163, 1000)),
    "MCal": ("kWh", Fraction(1163, 1000)),
    "Gcal": ("kWh", Fraction(1163)),
    "ml": ("m³", Fraction(1, 1_000_000)),
    "l": ("m³", Fraction(1, 1000)),
    "m³": ("m³", Fraction(1)),
    "ft³": ("m³", Fraction(28_316_846_592, 10**12)),
    "gal": ("m³", Fraction(3_785_411_784, 10**12)),
    "ml/s": ("m³/h", Fraction(36, 10_000)),
    "l/h": ("m³/h", Fraction(1, 1000)),
    "l/min": ("m³/h", Fraction(6, 100)),
    "l/s": ("m³/h", Fraction(36, 10)),
    "m³/h": ("m³/h", Fraction(1)),
    "m³/min": ("m³/h", Fraction(60)),
    "m³/s": ("m³/h", Fraction(3600)),
    "W": ("kW", Fraction(1, 1000)),
    "kW": ("kW", Fraction(1)),
    "MW": ("kW", Fraction(1000)),
    "J/h": ("kW", Fraction(1, 3_600_000)),
    "kJ/h": ("kW", Fraction(1, 3600)),
    "MJ/h": ("kW", Fraction(10, 36)),
    "GJ/h": ("kW", Fraction(2500, 9)),
    "°C": ("°C", Fraction(1)),
    "K": ("K", Fraction(1)),
    "mbar": ("bar", Fraction(1, 1000)),
    "bar": ("bar", Fraction(1)),
    "s": ("h", Fraction(1, 3600)),
    "min": ("h", Fraction(1, 60)),
    "h": ("h", Fraction(1)),
    "d": ("h", Fraction(24)),
    "varh": ("kvarh", Fraction(1, 1000)),
    "kvarh": ("kvarh", Fraction(1)),
    "m³·°C": ("m³·°C", Fraction(1)),
    "%": ("%", Fraction(1)),
    "": ("", Fraction(1)),
}
# Units nobody has on a display -> the one people read, and how many decimals more it has.
_SHOWN = {
    "Wh": ("kWh", 3),
    "J": ("GJ", 9),
    "kJ": ("GJ", 6),
    "MJ": ("GJ", 3),
    "ml": ("m³", 6),
    "l": ("m³", 3),
    "l/h": ("m³/h", 3),
    "W": ("kW", 3),
    "mbar": ("bar", 3),
    "varh": ("kvarh", 3),
}
_LARGER = {"kWh": "MWh", "MWh": "GWh", "GJ": "TJ", "kW": "MW"}
_REAL_DECIMALS = 6  # a real32 has no fixed number of decimals; it carries about this many

_EXACT = Context(prec=60)
_DAY = timedelta(days=1)

_RANGES: tuple[tuple[str, int, int, str], ...] = (  # table, first VIF, last VIF, quantity
    ("", 0x00, 0x0F, "energy"),
    ("", 0x10, 0x17, "volume"),
    ("", 0x20, 0x23, "on_time"),
    ("", 0x24, 0x27, "operating_time"),
    ("", 0x28, 0x37, "power"),
    ("", 0x38, 0x4F, "volume_flow"),
    ("", 0x58, 0x5B, "flow_temperature"),
    ("", 0x5C, 0x5F, "return_temperature"),
    ("", 0x60, 0x63, "temperature_difference"),
    ("", 0x64, 0x67, "external_temperature"),
    ("", 0x68, 0x6B, "pressure"),
    ("", 0x6E, 0x6E, "heat_cost_units"),
    ("FB", 0x00, 0x01, "energy"),
    ("FB", 0x02, 0x03, "reactive_energy"),
    ("FB", 0x08, 0x09, "energy"),
    ("FB", 0x0C, 0x0F, "energy"),
    ("FB", 0x10, 0x11, "volume"),
    ("FB", 0x1A, 0x1B, "humidity"),
    ("FB", 0x20, 0x23, "volume"),
    ("FB", 0x28, 0x31, "power"),
)
_QUANTITY_OF = {
    f"{table}{vif:02X}": quantity
    for table, first, last, quantity in _RANGES
    for vif in range(first, last + 1)
}
_SIMPLE = {  # quantity -> register, the same for every medium
    "volume": "volume_m3",
    "volume_flow": "volume_flow_m3h",
    "flow_temperature": "flow_temperature_c",
    "return_temperature": "return_temperature_c",
    "temperature_difference": "temperature_difference_k",
    "external_temperature": "ambient_temperature_c",
    "humidity": "humidity_pct",
    "on_time": "operating_hours",
    "operating_time": "operating_hours",
}
ERROR_FLAGS = "FD17"
_own: tuple[Family, ...] = ()
_CONVERTERS = frozenset({0x36, 0x37})
_ADDRESS_LENGTH = 8
TECHEM_TYPES = {0x43: 0x04, 0xC3: 0x04, 0x62: 0x06, 0x72: 0x16, 0x80: 0x08, 0xF0: 0x1A}

# Status byte of the transport header, EN 13757-7, 7.5.6: the application's state in bits 0-1, then flags.
_APPLICATION_STATE = {
    1: InfoCode("application_busy", "Mätaren är upptagen", "The meter is busy", 1, "status"),
    2: InfoCode("application_error", "Programfel i mätaren", "Application error", 2, "status"),
    3: InfoCode("abnormal_condition", "Onormalt tillstånd, larm", "Abnormal condition, alarm", 2, "status"),
}
_STATUS_FLAGS = {
    0x04: InfoCode("power_low", "Svagt batteri", "Low battery", 2, "status"),
    0x08: InfoCode("permanent_error", "Bestående fel", "Permanent error", 3, "status"),
    0x10: InfoCode("temporary_error", "Tillfälligt fel", "Temporary error", 2, "status"),
}


@dataclass(frozen=True, slots=True)
class Interpretation:
    """The meaning of a telegram's records; the fields are those of ``types.Telegram``."""

    registers: dict[str, Decimal | float]
    sent: dict[str, tuple[str, int]]
    dated: tuple[Dated, ...]
    info_code: int | None
    info_codes: tuple[InfoCode, ...]
    meter_time: datetime | None
    medium: str
    model: str
    family: str


def interpret(header: Header, records: Sequence[Record]) -> Interpretation:
    """The registers, dated values and info codes that ``records`` of the meter in ``header`` stand for.

    Never raises: a record that cannot be a register (no value, an error mark, an unknown unit) is left
    out here and still stands among the records.
    """
    address = meter_address(header, records)
    known = find(address)
    family, who = known or (None, None)
    device_type = device_type_of(address, records)
    codes = registers_of(family, device_type, records)
    now: dict[str, Decimal | float] = {}
    sent: dict[str, tuple[str, int]] = {}
    for record, (code, unit) in zip(records, codes, strict=True):
        if code and record.storage == 0 and record.at is None:
            take(record, code, unit, now, sent)
    if family:
        _take_tail(family, records, now, sent)
    info_code, info_codes = _info(family, records)
    return Interpretation(
        registers=now,
        sent=sent,
        dated=_dated(family, records, codes),
        info_code=info_code,
        info_codes=info_codes + status_meanings(header.status, family),
        meter_time=_meter_time(records),
        medium=medium(device_type),
        model=who.model if who else "",
        family=family.name if family else "",
    )


def named_records(header: Header, records: Sequence[Record]) -> tuple[Record, ...]:
    """The records with quantity and unit as the meter's family names them, where the standard does not."""
    known = find(meter_address(header, records))
    if known is None or not known[0].names:
        return tuple(records)
    return tuple(as_named(known[0], record) for record in records)


def meter_address(header: Header, records: Iterable[Record]) -> Address | None:
    """Whose values these are: behind a radio converter the meter of which it sends the number (VIF 79)."""
    sender = header.address or header.link_address
    if sender and sender.device_type in _CONVERTERS:
        for record in records:
            if record.vif_key == "79" and record.storage == 0 and len(record.data) == _ADDRESS_LENGTH:
                raw = record.data
                return address_of(raw[4:6] + raw[:4] + raw[6:])
    if sender and diehl.is_prios(sender, header.ci):
        return diehl.real_address(sender)
    return sender


def assign(header: Header, records: Sequence[Record]) -> tuple[str, ...]:
    """For each record the code of the register it is (now or dated), "" for none; for explanations."""
    address = meter_address(header, records)
    known = find(address)
    rules = registers_of(known[0] if known else None, device_type_of(address, records), records)
    return tuple(code for code, _unit in rules)


def find(address: Address | None) -> tuple[Family, Who] | None:
    """The family that knows this meter, and as what; None when no family does."""
    if address is None:
        return None
    return _by_address().get((address.manufacturer, address.version, address.device_type))


def named(name: str) -> Family | None:
    """The family with this file name, e.g. "multical_403"; the user's own before the program's."""
    return next((family for family in known() if family.name == name), None)


def hand_over(own: Iterable[Family]) -> None:
    """The user's own families, in place of those handed over before.

    They come before the program's: a meter that both know is the user's. Whoever starts a process hands
    them over before it decodes the first telegram; nothing is read from files here.
    """
    global _own  # noqa: PLW0603 - part of the table of families, as fixed while decoding as the shipped ones
    _own = tuple(own)
    _by_address.cache_clear()


def known() -> tuple[Family, ...]:
    """All families: the user's own, then the program's."""
    return _own + shipped()


def medium(device_type: int, language: str = "en") -> str:
    """The medium of a device type in words ("heat", "cold water", ...), "reserved" where there is none."""
    english, swedish = MEDIA.get(device_type, ("reserved", "reserverat"))
    return swedish if language == "sv" else english


def sensor_errors(family: str, registers: dict[str, Decimal | float]) -> frozenset[str]:
    """Registers whose value is this family's mark of a broken sensor (0.00 or 185.00 °C), not a reading."""
    known = named(family)
    if known is None:
        return frozenset()
    return frozenset(
        code
        for code, marks in known.sensor_errors.items()
        if code in registers and any(registers[code] == mark for mark in marks)
    )


def can_remote_disconnect(family: str) -> tuple[Module, ...]:
    """The modules by which a meter of this family can be disconnected remotely; empty: it cannot."""
    known = named(family)
    return tuple(m for m in known.modules if "remote_disconnect" in m.features) if known else ()


def as_sent(value: Decimal | float, unit: str, decimals: int) -> Decimal:
    """The figure as the meter sent it: ``value`` in the register's canonical unit -> ``unit``, rounded.

    ``unit`` and ``decimals`` are what ``sent`` holds for the register. Exact for every value that came
    from such a telegram, also through a float column.
    """
    factor = UNITS[unit][1]
    exact = _EXACT.divide(
        _EXACT.multiply(Decimal(str(value)), Decimal(factor.denominator)), Decimal(factor.numerator)
    )
    return exact.quantize(Decimal(1).scaleb(-decimals), context=_EXACT)


def canonical(value: Decimal | float, unit: str) -> tuple[Decimal | float, str] | None:
    """``value`` in the canonical unit of its kind (kWh, m³, kW, ...); None for a unit without one.

    Exact for every decimal factor; GJ and the like do not end in decimals and are given to 1e-9.
    """
    if unit not in UNITS:
        return None
    target, factor = UNITS[unit]
    if isinstance(value, float):
        return value * float(factor), target
    if factor == 1:
        return Decimal(value), target
    context = _EXACT.copy()
    context.clear_flags()
    number = context.divide(
        context.multiply(Decimal(value), Decimal(factor.numerator)), Decimal(factor.denominator)
    )
    if context.flags[Inexact]:
        number = number.quantize(Decimal("1e-9"), context=_EXACT)
    return _plain(number), target


def status_meanings(status: int | None, family: Family | None = None) -> tuple[InfoCode, ...]:
    """The transport header's status byte in words (EN 13757-7, 7.5.6); bits 5-7 as the family says."""
    if not status:
        return ()
    found = [_APPLICATION_STATE[status & 0x03]] if status & 0x03 else []
    found += [meaning for bit, meaning in _STATUS_FLAGS.items() if status & bit]
    if family:
        found += [
            InfoCode(bit.code, bit.sv, bit.en, bit.severity, "status")
            for bit in family.status
            if status & bit.mask == bit.value
        ]
    return tuple(found)


@cache
def _by_address() -> dict[tuple[str, int, int], tuple[Family, Who]]:
    return {
        (who.manufacturer, who.version, device_type): (family, who)
        for family in reversed(known())  # the last one stays, and that is the user's
        for who in family.meters
        for device_type in who.device_types
    }


def as_named(family: Family, record: Record) -> Record:
    """The record with quantity, unit and scale of the family's first name rule that fits; else as it is."""
    vib = record.vib.hex().upper()
    for rule in family.names:
        fits = rule.vib == vib if rule.vib else rule.of == _QUANTITY_OF.get(record.vif_key)
        if not fits or rule.subunit not in (None, record.subunit):
            continue
        value = record.value
        if rule.scale != 1 and isinstance(value, int | Decimal):
            value = _EXACT.multiply(Decimal(value), rule.scale)
        elif rule.scale != 1 and isinstance(value, float):
            value *= float(rule.scale)
        words = tuple(text for text in record.modifiers if not text.startswith("manufacturer's"))
        return replace(record, quantity=rule.quantity, unit=rule.unit, value=value, modifiers=words)
    return record


def device_type_of(address: Address | None, records: Iterable[Record]) -> int:
    """The meter's device type; where the address does not tell one (0F, a radio converter), what it sends."""
    device_type = address.device_type if address else 0x0F
    if address and address.manufacturer == "TCH":
        device_type = TECHEM_TYPES.get(device_type, device_type)  # numbers of its own, outside the standard
    if device_type not in (0x00, 0x0E, 0x0F, 0x31, 0x36, 0x37):
        return device_type
    sends = {_QUANTITY_OF.get(record.vif_key) for record in records}
    if {"energy", "volume"} <= sends or {"energy", "flow_temperature"} <= sends:
        return 0x04
    return device_type


def registers_of(
    family: Family | None, device_type: int, records: Iterable[Record]
) -> tuple[tuple[str, str], ...]:
    """For each record (register code, unit of its value); ("", "") where it is no register."""
    found = []
    seen: set[tuple[str, int, datetime | None]] = set()
    for record in records:
        code, unit = register_of(family, device_type, record)
        key = (code, record.storage, record.at)
        if code == "energy_heat_kwh" and key in seen and device_type == HEAT_COOLING:
            code = "energy_cooling_kwh"  # two equal energies in a row: heat, then cooling
            key = (code, record.storage, record.at)
        if code and key in seen and not _preferred(record, code):
            code = ""
        seen.add(key)
        found.append((code, unit))
    return tuple(found)


def _preferred(record: Record, code: str) -> bool:
    """Operating time says more of the meter than its mere on-time, whichever comes first."""
    return code == "operating_hours" and _QUANTITY_OF.get(record.vif_key) == "operating_time"


def register_of(family: Family | None, device_type: int, record: Record) -> tuple[str, str]:
    """(Register code, unit of its value) of one record looked at alone; ("", "") where it is no register."""
    if record.error or isinstance(record.value, bool) or not isinstance(record.value, int | float | Decimal):
        return "", ""
    quantity, direction = _QUANTITY_OF.get(record.vif_key, ""), direction_of(record.vife)
    code, unit = "", record.unit
    rule = _family_rule(family, device_type, record, quantity, direction) if family else None
    if rule:
        code, unit = rule.code, rule.unit or record.unit
    elif direction is not None:
        code = _standard_register(device_type, record, quantity, direction)
    target = UNITS.get(unit)
    if not code or target is None or BY_CODE[code].unit not in ("", target[0]):
        return "", ""
    return code, unit


def _family_rule(
    family: Family, device_type: int, record: Record, quantity: str, direction: str | None
) -> RegisterRule | None:
    vib = record.vib.hex().upper()
    for rule in family.registers:
        if rule.vib:
            fits = rule.vib == vib
        else:
            fits = rule.quantity == quantity and direction == ("backward" if rule.backward else "")
        if (
            fits
            and (rule.tariff, rule.subunit, rule.function) == (record.tariff, record.subunit, record.function)
            and (not rule.device_types or device_type in rule.device_types)
        ):
            return rule
    return None


def direction_of(vife: tuple[int, ...]) -> str | None:
    """Which way a value counts: "" plain or forward (3B), "backward" (3C); None when other VIFEs change what it is.

    Multiplicative corrections (70-77, 7D) are already in the value; 00 says nothing (EN 13757-3, table 15).
    """
    rest = tuple(code for code in vife if code != 0x00 and code not in range(0x70, 0x78) and code != 0x7D)
    return {(): "", (0x3B,): "", (0x3C,): "backward"}.get(rest)


def _standard_register(device_type: int, record: Record, quantity: str, direction: str) -> str:
    """The register of a meter without family, by the standard and the device type alone."""
    if record.function == "error":
        timed = quantity in ("on_time", "operating_time") and not (record.tariff or record.subunit)
        return "error_hours" if timed else ""
    if record.function != "instantaneous":
        return ""
    if record.tariff:
        return _tariff_register(device_type, record, quantity, direction)
    if record.subunit:
        return (
            {1: "pressure_1_bar", 2: "pressure_2_bar"}.get(record.subunit, "")
            if quantity == "pressure"
            else ""
        )
    if quantity == "energy":
        return _energy_register(device_type, backward=direction == "backward")
    if quantity == "power":
        export = direction == "backward" and device_type == ELECTRICITY
        return "power_export_kw" if export else "" if direction == "backward" else "power_kw"
    if quantity == "reactive_energy":
        return "reactive_export_kvarh" if direction == "backward" else "reactive_import_kvarh"
    if direction == "backward":
        return ""
    if quantity == "heat_cost_units":
        return "heat_cost_units" if device_type == HEAT_COST_ALLOCATOR else ""
    if quantity == "pressure":
        return "pressure_1_bar"
    return _SIMPLE.get(quantity, "")


def _energy_register(device_type: int, *, backward: bool) -> str:
    if device_type == ELECTRICITY:
        return "electricity_export_kwh" if backward else "electricity_import_kwh"
    if device_type in COOLING_TYPES:
        return "energy_heat_kwh" if backward else "energy_cooling_kwh"
    if device_type in THERMAL_TYPES:
        return "energy_cooling_kwh" if backward else "energy_heat_kwh"
    return ""


def _tariff_register(device_type: int, record: Record, quantity: str, direction: str) -> str:
    """Tariff 1 of a heat/cooling meter is its cooling energy (OMS vol. 2); electricity counts 2, 3, 4."""
    if quantity != "energy" or direction == "backward" or record.subunit:
        return ""
    if device_type == HEAT_COOLING and record.tariff == 1:
        return "energy_cooling_kwh"
    return f"tariff_{record.tariff}" if device_type == ELECTRICITY and record.tariff in (2, 3, 4) else ""


def take(
    record: Record,
    code: str,
    unit: str,
    registers: dict[str, Decimal | float],
    sent: dict[str, tuple[str, int]],
) -> None:
    """Put one record's value in canonical unit, and how it was sent, under its register."""
    value = record.value
    if isinstance(value, int | float | Decimal):
        number = canonical(value, unit)
        if number is not None:
            registers[code] = number[0]
            sent[code] = as_shown(unit, value)


def as_shown(unit: str, value: float | Decimal) -> tuple[str, int]:
    """Unit and decimals as people read them: 10 kWh steps are MWh with two decimals, MJ are GJ with three."""
    if isinstance(value, float):
        return unit, _REAL_DECIMALS
    exponent = Decimal(value).as_tuple().exponent
    decimals = -exponent if isinstance(exponent, int) else 0
    shown, more = _SHOWN.get(unit, (unit, 0))
    decimals += more
    while decimals < 0 and shown in _LARGER:
        shown, decimals = _LARGER[shown], decimals + 3
    return shown, decimals


def _take_tail(
    family: Family,
    records: Iterable[Record],
    registers: dict[str, Decimal | float],
    sent: dict[str, tuple[str, int]],
) -> None:
    """Registers at fixed places in the manufacturer data behind DIF 0F or 1F."""
    block = next((record.data for record in records if record.dib[:1] in (b"\x0f", b"\x1f")), b"")
    for rule in family.tail:
        raw = block[rule.at : rule.at + rule.length]
        if len(raw) == rule.length and rule.code not in registers:
            number = canonical(Decimal(int.from_bytes(raw, "little")), rule.unit)
            if number is not None:
                registers[rule.code], sent[rule.code] = number[0], (rule.unit, 0)


def _dated(
    family: Family | None, records: Sequence[Record], codes: Sequence[tuple[str, str]]
) -> tuple[Dated, ...]:
    """Values with the meter's own time stamp: by the date record of the same storage, or their own."""
    stamp = family.target_date_stamp if family else ""
    dates: dict[int, datetime] = {}
    for record in records:
        if record.storage and record.vif_key in ("6C", "6D") and _is_plain(record) and record.at is None:
            at = moment_of(record.value, stamp)
            if at is not None:
                dates.setdefault(record.storage, at)
    ends = _ends_of_days(records)
    groups: dict[tuple[datetime, int], Dated] = {}
    for record, (code, unit) in zip(records, codes, strict=True):
        at = dates.get(record.storage) if record.storage else None
        if record.at is not None:
            at = record.at + _DAY if ends and record.at.date() != date.max else record.at
        if code and at is not None:
            group = groups.setdefault((at, record.storage), Dated(at, {}, record.storage))
            take(record, code, unit, group.registers, group.sent)
    return tuple(groups[key] for key in sorted(groups))


def moment_of(value: object, stamp: str) -> datetime | None:
    """The moment a target date means. 24:00 of a day is 00:00 of the next, and so is a stamp of 23:59.

    Without a word of the family: the last day of a month means its end, any other day its beginning.
    """
    if isinstance(value, datetime):
        last_minute = (value.hour, value.minute) == (23, 59) and value.date() != date.max
        return datetime.combine(value.date() + _DAY, time()) if last_minute else value
    if not isinstance(value, date):
        return None
    midnight = datetime.combine(value, time())
    if value == date.max:
        return None
    next_day = value + _DAY
    at_end = next_day.day == 1 if not stamp else stamp == "24:00"
    return midnight + _DAY if at_end else midnight


def _ends_of_days(records: Iterable[Record]) -> bool:
    """Whether a profile's stamps are month ends and 15ths alone: then they mean the ends of those days."""
    stamps = [record.at for record in records if record.at is not None and record.at.date() != date.max]
    month_end = [(at + _DAY).day == 1 for at in stamps]
    return any(month_end) and all(
        at.time() == time() and (last or at.day == 15) for at, last in zip(stamps, month_end, strict=True)
    )


def _is_plain(record: Record) -> bool:
    return (
        record.function == "instantaneous"
        and not record.tariff
        and not record.subunit
        and not record.error
        and direction_of(record.vife) == ""
    )


def _meter_time(records: Iterable[Record]) -> datetime | None:
    for record in records:
        if record.vif_key == "6D" and record.storage == 0 and record.at is None and _is_plain(record):
            value = record.value
            if isinstance(value, datetime):
                return value
    return None


def _info(family: Family | None, records: Iterable[Record]) -> tuple[int | None, tuple[InfoCode, ...]]:
    """The info code as a number and its active bits in words."""
    rules = {rule.vib: rule for rule in family.info} if family else {}
    for record in records:
        rule = rules.get(record.vib.hex().upper())
        if rule is not None or (not rules and record.vif_key == ERROR_FLAGS):
            word = _unsigned(record) if record.storage == 0 and record.function == "instantaneous" else None
            if word is not None:
                return word, _meanings(rule, word) if rule else _unexplained(word)
    return None, ()


def _unsigned(record: Record) -> int | None:
    """The bits of an info code as they were sent, whatever number type the decoder made of them."""
    if record.error and record.value is None:
        return None
    if record.dib and record.dib[0] & 0x0F in (1, 2, 3, 4, 6, 7):
        return int.from_bytes(record.data, "little")
    if isinstance(record.value, bytes):
        return int.from_bytes(record.value, "little")
    if isinstance(record.value, int | Decimal) and record.value >= 0:
        return int(record.value)
    return None


def _meanings(rule: InfoRule, word: int) -> tuple[InfoCode, ...]:
    found, explained = [], 0
    for bit in rule.bits:
        explained |= bit.mask
        if word & bit.mask == bit.value:
            found.append(InfoCode(bit.code, bit.sv, bit.en, bit.severity, bit.source))
    found += [
        InfoCode(f"unknown_bit_{n}", f"Okänd infokod, bit {n}", f"Unknown info code, bit {n}", 1, "info_code")
        for n in range(word.bit_length())
        if word >> n & 1 and not explained >> n & 1
    ]
    return tuple(sorted(found, key=lambda code: -code.severity))


def _unexplained(word: int) -> tuple[InfoCode, ...]:
    if not word:
        return ()
    return (
        InfoCode(
            "error_flags",
            f"Felflaggor 0x{word:X}; vad de betyder är inte känt för den här mätartypen",
            f"Error flags 0x{word:X}; what they mean is not known for this type of meter",
            2,
            "info_code",
        ),
    )


def _plain(number: Decimal) -> Decimal:
    """Without trailing zeros behind the point and without an exponent."""
    normal = number.normalize(_EXACT)
    exponent = normal.as_tuple().exponent
    return (
        normal if isinstance(exponent, int) and exponent <= 0 else number.quantize(Decimal(1), context=_EXACT)
    )
