"""What the payload modules have in common: records of places in a block, and moments that follow from a date."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING

from avlas.decode.types import Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal


def counted(
    quantity: str,
    unit: str,
    value: Decimal | int | None,
    vif_key: str,
    data: bytes,
    place: tuple[int, int],
    at: int,
    *,
    storage: int = 0,
    moment: datetime | None = None,
    modifiers: tuple[str, ...] = (),
) -> Record:
    """A number that stands at ``place`` of the block ``data``, which begins at offset ``at`` of the telegram."""
    return Record(
        quantity,
        unit,
        value,
        storage=storage,
        vif_key=vif_key,
        range=(at + place[0], at + place[1]),
        data=data[place[0] : place[1]],
        modifiers=modifiers,
        error="no value" if value is None else "",
        at=moment,
    )


def little(data: bytes, first: int, length: int) -> int:
    """An unsigned number sent low byte first."""
    return int.from_bytes(data[first : first + length], "little")


def on_day(year: int, month: int, day: int) -> date | None:
    """The date, or None where there is no such day."""
    try:
        return date(year, month, day)
    except ValueError:
        return None


def month_begins(today: date, count: int) -> Iterator[datetime]:
    """The moments at which this month and the ``count`` - 1 before it began, newest first."""
    year, month = today.year, today.month
    for _ in range(count):
        yield datetime.combine(date(year, month, 1), time())
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
