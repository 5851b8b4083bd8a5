"""B Meters: Hydrodigit water meters and HydroClima heat cost allocators, data behind DIF 0F.

Hydrodigit (BMT): a byte whose bits say what follows:

    01 battery (1: low half is a step of the voltage) | 80 date of a leak (3: year, month, day in decimal digits)
    | 04 back flow (4, litres) | 10 twelve totals (3 each, 10 litres): the ends of January to December

With bits 02 and 08 (tampering) the order behind the leak's date is not known, and no more is read.

HydroClima (BMP), frame 10 and 11, all numbers two bytes low byte first, temperatures in 0.01 °C:

    10: status, time, date, room mean, room highest, its date, number of measurements, room mean last month,
        radiator mean last month, units(0.1), total(3; 0.1)
    11: status, time, date, unknown, radiator mean, room mean, room highest, its date, radiator mean last month,
        room mean last month, units at four set dates, room mean at three set dates, unknown(9), total(3)

Source: public telegrams with known values (the wmbusmeters project's descriptions).
"""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING

from avlas.decode.payloads.blocks import counted, little, on_day
from avlas.decode.types import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.decode.types import Header

_BATTERY, _BACK_FLOW, _MONTHS, _LEAK, _TAMPERING = 0x01, 0x04, 0x10, 0x80, 0x0A
_VOLTS = (3.7, 1.9, 2.1, 2.2, 2.3, 2.4, 2.5, 2.65, 2.8, 2.9, 3.05, 3.2, 3.35, 3.5, 3.7, 3.7)
_MOST = 10_000_000  # the display has seven digits of 10 litres; FFFFFF stands for months without the module


def hydrodigit(_header: Header, block: Record, others: Sequence[Record]) -> list[Record]:
    """Battery voltage, date of a leak, back flow, and the totals at the ends of twelve months."""
    data = block.data
    what, n = data[0], 1
    start = block.range[1] - len(data)
    made: list[Record] = []
    if not what & _BATTERY or what & ~0x9F or len(data) < n + 1:
        return made
    volts = Decimal(str(_VOLTS[data[n] & 0x0F]))
    made.append(counted("voltage", "V", volts, "", data, (n, n + 1), start, modifiers=("battery",)))
    n += 1
    if what & _LEAK and len(data) >= n + 3:
        year, month, day = (
            int(f"{byte:02x}") if f"{byte:02x}".isdecimal() else 0 for byte in data[n : n + 3]
        )
        leak = on_day(2000 + year, month, day)
        if leak:
            made.append(Record("leak_date", "", leak, range=(start + n, start + n + 3), data=data[n : n + 3]))
        n += 3
    if what & _TAMPERING or not what & _BACK_FLOW or len(data) < n + 4:
        return made
    litres = little(data, n, 4)
    back = Decimal(litres).scaleb(-3)
    made.append(counted("volume", "m³", back, "", data, (n, n + 4), start, modifiers=("backward flow",)))
    n += 4
    return made + (_month_ends(data, n, start, _clock(others)) if what & _MONTHS else [])


def _clock(records: Sequence[Record]) -> date | None:
    found = (record.value for record in records if record.vif_key == "6D" and not record.storage)
    moment = next((value for value in found if isinstance(value, datetime)), None)
    return moment.date() if moment else None


def _month_ends(data: bytes, n: int, start: int, today: date | None) -> list[Record]:
    """The last twelve month ends; the meter's clock says of which year each is."""
    made = []
    for month in range(1, 13):
        if len(data) < n + 3:
            break
        number = little(data, n, 3)
        moment = None
        if today is not None:  # the end of a month that has not ended this year was a year ago
            year = today.year + (month == 12) - (today.month <= month)
            moment = datetime.combine(date(year, month % 12 + 1, 1), time())
        made.append(
            counted(
                "volume", "m³", Decimal(number).scaleb(-2) if number < _MOST else None, "14", data, (n, n + 3),
                start, storage=month, moment=moment, modifiers=(f"end of month {month}",),
            )
        )  # fmt: skip
        n += 3
    return made


_FRAME_10 = (  # place, quantity, words, storage
    (7, "external_temperature", "mean of this month", 0),
    (9, "external_temperature", "highest of this month", 0),
    (15, "external_temperature", "mean of last month", 1),
    (17, "radiator_temperature", "mean of last month", 1),
)
_FRAME_11 = (
    (9, "radiator_temperature", "mean of this month", 0),
    (11, "external_temperature", "mean of this month", 0),
    (13, "external_temperature", "highest of this month", 0),
    (17, "radiator_temperature", "mean of last month", 1),
    (19, "external_temperature", "mean of last month", 1),
    (29, "external_temperature", "mean at set date 1", 2),
    (31, "external_temperature", "mean at set date 2", 3),
    (33, "external_temperature", "mean at set date 3", 4),
)
_SET_DATES = ((21, 2), (23, 3), (25, 4), (27, 5))


def hydroclima(_header: Header, block: Record, _others: Sequence[Record]) -> list[Record]:
    """Temperatures and heat cost units of frames 10 and 11."""
    data, at = block.data, block.range[1] - len(block.data)
    if data[0] == 0x10 and len(data) >= 24:
        made = _temperatures(data, at, _FRAME_10)
        units, total = Decimal(little(data, 19, 2)).scaleb(-1), Decimal(little(data, 21, 3)).scaleb(-1)
        made.append(counted("heat_cost_units", "", units, "", data, (19, 21), at, modifiers=("unweighted",)))
        made.append(counted("heat_cost_units", "", total, "", data, (21, 24), at, modifiers=("total",)))
        return made
    if data[0] != 0x11 or len(data) < 47:
        return []
    made = _temperatures(data, at, _FRAME_11)
    for number, (n, storage) in enumerate(_SET_DATES, 1):
        words = (f"at set date {number}",)
        value = little(data, n, 2)
        made.append(
            counted("heat_cost_units", "", value, "", data, (n, n + 2), at, storage=storage, modifiers=words)
        )
    total = Decimal(little(data, 44, 3))
    made.append(counted("heat_cost_units", "", total, "", data, (44, 47), at, modifiers=("total",)))
    return made


def _temperatures(data: bytes, at: int, places: Sequence[tuple[int, str, str, int]]) -> list[Record]:
    return [
        counted(
            quantity, "°C", Decimal(little(data, n, 2)).scaleb(-2), "", data, (n, n + 2), at,
            storage=storage, modifiers=(words,),
        )
        for n, quantity, words, storage in places
    ]  # fmt: skip
