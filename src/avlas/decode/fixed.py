"""The fixed data structure of old wired meters (EN 1434-3:1997 clause 6.5; CI 73, 77).

identification(4) access-number status medium/unit(2) counter-1(4) counter-2(4)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from avlas.decode.errors import HeaderError
from avlas.decode.types import Address, Record
from avlas.decode.values import bcd, scaled

if TYPE_CHECKING:
    from avlas.decode.records import Explain

LENGTH = 16
_BINARY, _AT_TARGET_DATE = 0x01, 0x02  # status bits
_SAME_BUT_HISTORIC = 0x3E


class _Unit(NamedTuple):
    quantity: str
    unit: str
    exponent: int


def _units() -> dict[int, _Unit]:
    units: dict[int, _Unit] = {}
    rows = (
        (0x02, "energy", "kWh", -3, 9),
        (0x0B, "energy", "GJ", -6, 9),
        (0x14, "power", "kW", -3, 9),
        (0x1D, "power", "GJ/h", -6, 9),
        (0x26, "volume", "m³", -6, 9),
        (0x2F, "volume_flow", "m³/h", -6, 9),
    )
    for first, quantity, unit, exponent, count in rows:
        units |= {first + n: _Unit(quantity, unit, exponent + n) for n in range(count)}
    units[0x38] = _Unit("temperature", "°C", -3)
    units[0x39] = _Unit("heat_cost_units", "", 0)
    units[0x3F] = _Unit("dimensionless", "", 0)
    return units


_UNITS = _units()


def read(data: bytes, start: int, end: int, explain: Explain, *, high_byte_first: bool) -> list[Record]:
    """Identification and the two counters. Raises HeaderError when the frame is too short."""
    if end - start < LENGTH:
        raise HeaderError(f"the fixed data structure needs {LENGTH} bytes, {end - start} are left")
    status = data[start + 5]
    codes = data[start + 6] & 0x3F, data[start + 7] & 0x3F
    medium = data[start + 6] >> 6 | (data[start + 7] >> 6) << 2
    explain(start, start + 4, "identification", _ordered(data, start, high_byte_first)[::-1].hex().upper())
    explain(start + 4, start + 5, "access number", str(data[start + 4]))
    explain(start + 5, start + 6, "status", f"{status:02X}")
    explain(
        start + 6, start + 8, "medium, units", f"medium {medium}, units {codes[0]:02X} and {codes[1]:02X}"
    )
    found = []
    for n, code in enumerate(codes):
        at = start + 8 + 4 * n
        historic = code == _SAME_BUT_HISTORIC
        quantity, unit, exponent = _UNITS.get(codes[0] if historic else code, _Unit("reserved", "", 0))
        content = _ordered(data, at, high_byte_first)
        number, why = (int.from_bytes(content, "little"), "") if status & _BINARY else bcd(content)
        found.append(
            Record(
                quantity,
                unit,
                None if number is None else scaled(number, exponent),
                storage=int(historic or bool(status & _AT_TARGET_DATE)),
                subunit=0,
                range=(at, at + 4),
                data=content,
                error=why,
            )
        )
        explain(at, at + 4, f"counter {n + 1}", f"{quantity} in {unit or 'units'}")
    explain(start + LENGTH, end, "rest", "nothing is expected here")
    return found


def identity(data: bytes, start: int, *, high_byte_first: bool) -> Address:
    """Who sent it: an identification number and a medium; there is no manufacturer and no version."""
    number = _ordered(data, start, high_byte_first)
    medium = data[start + 6] >> 6 | (data[start + 7] >> 6) << 2
    raw = bytes(2) + number + bytes([0, medium])
    return Address("", number[::-1].hex().upper(), 0, medium, raw)


def _ordered(data: bytes, at: int, high_byte_first: bool) -> bytes:
    content = data[at : at + 4]
    return content[::-1] if high_byte_first else content
