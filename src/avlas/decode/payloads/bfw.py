"""BFW 240radio heat cost allocators: behind a standard header and 2F 2F nothing follows the standard.

    2F 2F | unknown(2) | previous period(2) | now(2) | unknown(2) | 18 months, 12 bits each (27) | date(3)

Counts are sent high byte first; the newest month stands last. The date is day, month, year of this century in
decimal digits. Source: public telegrams with known values (the wmbusmeters project's description).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from avlas.decode.payloads.blocks import counted, month_begins, on_day
from avlas.decode.types import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.decode.types import Address, Header

CI = 0x7A
_LENGTH, _MONTHS, _MONTHS_END = 40, 18, 37
_UNITS = "6E"


def is_ours(who: Address | None) -> bool:
    """Whether the sender is such an allocator."""
    return who is not None and (who.manufacturer, who.version, who.device_type) == ("BFW", 0x02, 0x08)


def read(_header: Header, block: Record, _others: Sequence[Record]) -> list[Record]:
    """Heat cost units now, of the previous period, and at the end of each of 18 months with its moment."""
    data = block.data
    if len(data) < _LENGTH or data[:2] != b"\x2f\x2f":
        return []
    day, month, year = (int(f"{byte:02x}") if f"{byte:02x}".isdecimal() else 0 for byte in data[37:40])
    today = on_day(2000 + year, month, day)
    if today is None:
        return []
    at = block.range[0]
    previous = int.from_bytes(data[4:6], "big")
    made = [
        counted("heat_cost_units", "", int.from_bytes(data[6:8], "big"), _UNITS, data, (6, 8), at),
        counted("heat_cost_units", "", previous, _UNITS, data, (4, 6), at, storage=1),
        Record("date", "", today, vif_key="6C", range=(at + 37, at + 40), data=data[37:40]),
    ]
    for n, moment in enumerate(month_begins(today, _MONTHS)):
        value = _month(data, n)
        first = _MONTHS_END - (3 * n + 3) // 2
        made.append(
            counted(
                "heat_cost_units", "", value, _UNITS, data, (first, first + 2), at,
                storage=n + 2, moment=moment,
            )
        )  # fmt: skip
    return made


def _month(data: bytes, n: int) -> int:
    """Two months share three bytes: the older one has the high half of the byte between them as its top."""
    offset, odd = divmod(12 * n, 8)
    if odd:
        return (data[36 - offset] & 0xF0) << 4 | data[35 - offset]
    return (data[35 - offset] & 0x0F) << 8 | data[36 - offset]
