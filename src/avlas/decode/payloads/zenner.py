"""Zenner water modules (version 0B): totals in 1/256 litre behind DIF 0F.

    status(4) | at the target date(4) | now(4) | unknown(1)

Both counters are unsigned, low byte first. Source: a public telegram with known values; what the status bits
mean and which day the target date is, the telegram does not say.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from avlas.decode.payloads.blocks import counted, little

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.decode.types import Header, Record

_LENGTH, _PARTS_OF_M3 = 13, 256_000


def read(_header: Header, block: Record, _others: Sequence[Record]) -> list[Record]:
    """Volume now and at the target date."""
    data = block.data
    if len(data) < _LENGTH or data[_LENGTH:].strip(b"\x2f"):
        return []
    at = block.range[1] - len(data)
    before, now = little(data, 4, 4), little(data, 8, 4)
    if before > now:
        return []
    return [
        counted("volume", "m³", Decimal(now) / _PARTS_OF_M3, "13", data, (8, 12), at),
        counted("volume", "m³", Decimal(before) / _PARTS_OF_M3, "13", data, (4, 8), at, storage=1),
        counted("error_flags", "", little(data, 0, 4), "", data, (0, 4), at),
    ]
