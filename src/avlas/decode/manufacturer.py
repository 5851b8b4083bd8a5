"""What stands in manufacturers' own data where everything else of a telegram follows the standard.

One small pure function a maker: it gets a record that holds raw bytes and gives the records that are in
them, or nothing when the bytes are not in the form it knows. Sources: public telegrams with known values.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from avlas.decode import values, vif
from avlas.decode.types import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from avlas.decode.types import Address, Header

_TECHEM_HEAT_KWH, _TECHEM_HEAT_MJ = frozenset({0x22, 0x39, 0x45}), frozenset({0x27})
_TECHEM_HEAT, _TECHEM_WATER, _TECHEM_ALLOCATOR = (0x04, 0x43, 0xC3), (0x62, 0x72), (0x80,)
_QUNDIS_VIB = b"\xff\x5f"
_QUNDIS_LENGTH, _QUNDIS_MONTHS = 28, 12


def unfold(header: Header, records: Iterable[Record]) -> list[Record]:
    """The records that stand in manufacturers' own data among ``records``; never raises."""
    link = header.link_address
    found: list[Record] = []
    for record in records:
        if link and link.manufacturer == "TCH" and 0xA0 <= header.ci <= 0xA2 and not record.vib:
            found += techem(link, record)
        elif link and link.manufacturer == "QDS" and record.vib == _QUNDIS_VIB:
            found += qundis(record)
    return found


def techem(who: Address, block: Record) -> list[Record]:
    """CI A0-A2 of Techem's meters and heat cost allocators.

    state(1) set date(2) value at the set date(3) today(1: with the byte before it) since the set date(3);
    allocators go on with room and radiator temperature. Water and allocators have two-byte values, and the
    byte between belongs to the date. A meter's total is the sum.
    """
    data = block.data
    allocator, water = who.device_type in _TECHEM_ALLOCATOR, who.device_type in _TECHEM_WATER
    if len(data) < 10 or not (allocator or water or who.device_type in _TECHEM_HEAT):
        return []
    quantity, unit, scale = "heat_cost_units", "", Decimal(1)
    if water:
        quantity, unit, scale = "volume", "m³", Decimal("0.1")
    elif not allocator and who.version in _TECHEM_HEAT_MJ:
        quantity, unit, scale = "energy", "GJ", Decimal("0.001")
    elif not allocator and who.version in _TECHEM_HEAT_KWH:
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
    set_date = _techem_set_date(data[1:3])
    if set_date:
        made.append(
            Record("date", "", set_date, storage=1, vif_key="6C", range=(at + 1, at + 3), data=data[1:3])
        )
        today = _techem_today(data[5:7], set_date) if size == 2 else None
        if today:
            made.append(Record("date", "", today, vif_key="6C", range=(at + 5, at + 7), data=data[5:7]))
    return made + (_techem_temperatures(who, data, at) if allocator else [])


def _techem_set_date(raw: bytes) -> date | None:
    """Day in bits 0-4, month in 5-8, year of this century in 9-14."""
    word = int.from_bytes(raw, "little")
    return _day(2000 + (word >> 9 & 0x3F), word >> 5 & 0x0F, word & 0x1F)


def _techem_today(raw: bytes, set_date: date) -> date | None:
    """Day in bits 4-8, month in 9-12; the year is the first after the set date in which it lies."""
    word = int.from_bytes(raw, "little")
    day, month = word >> 4 & 0x1F, word >> 9 & 0x0F
    later = (month, day) > (set_date.month, set_date.day)
    return _day(set_date.year + (0 if later else 1), month, day)


def _techem_temperatures(who: Address, data: bytes, at: int) -> list[Record]:
    start = 10 if who.version == 0x94 else 9
    if len(data) < start + 4:
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


def qundis(block: Record) -> list[Record]:
    """The walk-by record FF5F of Qundis' meters.

    00 82 .. .. .. .. .. 07 .. VIF error-date(2), then three times a value of eight decimal digits: now, and
    behind its date the one of the year's set date and of the last month; then twelve consumptions of the
    months before, two bytes each.
    """
    data = block.data[1:]  # behind the LVAR byte
    if len(data) < _QUNDIS_LENGTH or data[1] != 0x82 or data[7] != 0x07 or data[9] & 0x80:
        return []
    meaning = vif.describe(data[9:10])
    at = block.range[1] - len(data)
    made = []
    for storage, n in ((0, 12), (1, 18), (17, 24)):
        raw = data[n : n + 4]
        number, why = values.bcd(raw)
        value = None if number is None else values.scaled(number, meaning.exponent)
        place = (at + n, at + n + 4)
        made.append(
            Record(
                meaning.quantity, meaning.unit, value, storage=storage, range=place, data=raw,
                vif_key=meaning.key, error=why,
            )
        )  # fmt: skip
        if storage:
            raw, place = data[n - 2 : n], (at + n - 2, at + n)
            day, why = values.type_g(raw)
            made.append(
                Record("date", "", day, storage=storage, range=place, data=raw, vif_key="6C", error=why)
            )
    return made + _qundis_months(meaning, data, at)


def _qundis_months(meaning: vif.Meaning, data: bytes, at: int) -> list[Record]:
    """What each of the months before consumed: differences, no counters, so they have no VIF of their own."""
    made = []
    for month in range(_QUNDIS_MONTHS):
        n = _QUNDIS_LENGTH + 2 * month
        raw = data[n : n + 2]
        if len(raw) < 2:
            break
        number = values.integer(raw, unsigned=False)
        made.append(
            Record(
                meaning.quantity,
                meaning.unit,
                None if number is None else values.scaled(number, meaning.exponent),
                storage=month + 2,
                range=(at + n, at + n + 2),
                data=raw,
                modifiers=("consumption of a month",),
                error="no value" if number is None else "",
            )
        )
    return made


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
