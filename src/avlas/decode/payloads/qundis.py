"""Qundis: the walk-by record with VIF FF 5F in otherwise standard telegrams.

Source: public telegrams with known values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from avlas.decode import values, vif
from avlas.decode.types import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.decode.types import Header

VIB = b"\xff\x5f"
_LENGTH, _MONTHS = 28, 12


def walk_by(_header: Header, block: Record, _others: Sequence[Record]) -> list[Record]:
    """The walk-by record FF5F of Qundis' meters.

    00 82 .. .. .. .. .. 07 .. VIF error-date(2), then three times a value of eight decimal digits: now, and
    behind its date the one of the year's set date and of the last month; then twelve consumptions of the
    months before, two bytes each.
    """
    data = block.data[1:]  # behind the LVAR byte
    if len(data) < _LENGTH or data[1] != 0x82 or data[7] != 0x07 or data[9] & 0x80:
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
    return made + _months(meaning, data, at)


def _months(meaning: vif.Meaning, data: bytes, at: int) -> list[Record]:
    """What each of the months before consumed: differences, no counters, so they have no VIF of their own."""
    made = []
    for month in range(_MONTHS):
        n = _LENGTH + 2 * month
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
