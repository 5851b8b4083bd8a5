"""Techem: meters and heat cost allocators with CI A0-A2. Source: public telegrams with known values."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from avlas.decode.types import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.decode.types import Address, Header

_HEAT_KWH, _HEAT_MJ = frozenset({0x22, 0x39, 0x45}), frozenset({0x27})
_HEAT, _WATER, _ALLOCATOR, _SMOKE = (0x04, 0x43, 0xC3), (0x62, 0x72), (0x80,), 0xF0
_TEMPERATURES_AT = {0x69: 9, 0x94: 10}  # version of an allocator -> where its temperatures stand


def read(header: Header, block: Record, _others: Sequence[Record]) -> list[Record]:
    """CI A0-A2 of Techem's meters and heat cost allocators.

    state(1) set date(2) value at the set date(3) today(1: with the byte before it) since the set date(3);
    allocators go on with room and radiator temperature. Water and allocators have two-byte values, and the
    byte between belongs to the date. A meter's total is the sum.
    """
    who = header.link_address
    assert who is not None
    data = block.data
    if who.device_type == _SMOKE:
        return _smoke_detector(block)
    allocator, water = who.device_type in _ALLOCATOR, who.device_type in _WATER
    if len(data) < 10 or not (allocator or water or who.device_type in _HEAT):
        return []
    quantity, unit, scale = "heat_cost_units", "", Decimal(1)
    if water:
        quantity, unit, scale = "volume", "m³", Decimal("0.1")
    elif not allocator and who.version in _HEAT_MJ:
        quantity, unit, scale = "energy", "GJ", Decimal("0.001")
    elif not allocator and who.version in _HEAT_KWH:
        quantity, unit = "energy", "kWh"
    elif not allocator:
        return []
    key = {"volume": "12", "energy": "06", "heat_cost_units": "6E"}[quantity]
    size = 2 if allocator or water else 3
    at = block.range[0]
    first, second = data[3 : 3 + size], data[7 : 7 + size]
    before, since = (int.from_bytes(raw, "little") * scale for raw in (first, second))
    counted = Record(quantity, unit, since, vif_key=key, range=(at + 7, at + 7 + size), data=second)
    if not allocator:  # an allocator begins at 0 after its set date, a meter counts on
        whole = Record(quantity, unit, before + since, vif_key=key, range=(at + 3, at + 7 + size))
        made = [whole, replace(counted, vif_key="", modifiers=("since the set date",))]
    else:
        made = [counted]
    made.append(
        Record(quantity, unit, before, storage=1, vif_key=key, range=(at + 3, at + 3 + size), data=first)
    )
    set_date = _set_date(data[1:3])
    if set_date:
        made.append(
            Record("date", "", set_date, storage=1, vif_key="6C", range=(at + 1, at + 3), data=data[1:3])
        )
        today = _today(data[5:7], set_date) if size == 2 else None
        if today:
            made.append(Record("date", "", today, vif_key="6C", range=(at + 5, at + 7), data=data[5:7]))
    return made + (_temperatures(who, data, at) if allocator else [])


def _set_date(raw: bytes) -> date | None:
    """Day in bits 0-4, month in 5-8, year of this century in 9-14."""
    word = int.from_bytes(raw, "little")
    return _day(2000 + (word >> 9 & 0x3F), word >> 5 & 0x0F, word & 0x1F)


def _today(raw: bytes, set_date: date) -> date | None:
    """Day in bits 4-8, month in 9-12; the year is the first after the set date in which it lies."""
    word = int.from_bytes(raw, "little")
    day, month = word >> 4 & 0x1F, word >> 9 & 0x0F
    later = (month, day) > (set_date.month, set_date.day)
    return _day(set_date.year + (0 if later else 1), month, day)


def _smoke_detector(block: Record) -> list[Record]:
    """A smoke detector sends its state, of which bit 0 is known (smoke), and the set date."""
    data, at = block.data, block.range[0]
    day = _set_date(data[1:3]) if len(data) >= 3 else None
    if day is None:
        return []
    return [
        Record(
            "error_flags", "", data[0], vif_key="FD17", vib=b"\xfd\x17", range=(at, at + 1), data=data[:1]
        ),
        Record("date", "", day, storage=1, vif_key="6C", range=(at + 1, at + 3), data=data[1:3]),
    ]


def _temperatures(who: Address, data: bytes, at: int) -> list[Record]:
    start = _TEMPERATURES_AT.get(who.version)
    if start is None or len(data) < start + 4:
        return []
    places = (("external_temperature", "65", start), ("radiator_temperature", "", start + 2))
    return [
        Record(
            quantity,
            "°C",
            Decimal(int.from_bytes(data[n : n + 2], "little")).scaleb(-2),
            vif_key=key,
            range=(at + n, at + n + 2),
            data=data[n : n + 2],
        )
        for quantity, key, n in places
    ]


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
