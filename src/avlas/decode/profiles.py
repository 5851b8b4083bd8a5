"""Compact profiles become dated values (EN 13757-3 annex F).

A profile record holds equally spaced values of one register in an LVAR field: spacing control byte,
spacing value byte, elements. Its base time and base value are records of the same storage number.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from avlas.decode import vif
from avlas.decode.values import bcd, integer, scaled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.decode.types import Record

_ABSOLUTE, _INCREMENT, _DECREMENT = 0, 1, 2  # 3: signed difference
_ELEMENT_LENGTH = {0x1: 1, 0x2: 2, 0x3: 3, 0x4: 4, 0x6: 6, 0x7: 8, 0x9: 1, 0xA: 2, 0xB: 3, 0xC: 4, 0xE: 6}
_STEP = (timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))
_VARIABLE = 0xD  # data field of the DIF: a profile is always of variable length
_CALENDAR, _HALF_MONTH, _MONTH, _LAST_COUNT = 3, 0xFD, 0xFE, 250


def unfold(records: Sequence[Record]) -> list[Record]:
    """The single values of all compact profiles among ``records``, oldest code order kept.

    Each is a Record like its profile's base value, with ``at`` (None when no base time was sent), the next
    storage numbers and the range of its element.
    """
    values: list[Record] = []
    for record in records:
        variable = record.dib[:1] and record.dib[0] & 0x0F == _VARIABLE
        if variable and record.data and any(code in vif.PROFILES for code in record.vife):
            values += _unfold_one(record, records)
    return values


def _unfold_one(profile: Record, records: Sequence[Record]) -> list[Record]:
    meaning = vif.describe(profile.vib)
    body = profile.data[1:]
    if profile.data[0] > 0xBF or len(body) < 2 or not meaning.profile:
        return []
    control, spacing, elements = body[0], body[1], body[2:]
    coding = control & 0x0F
    size = _ELEMENT_LENGTH.get(coding)
    if size is None:
        return []
    inverse = meaning.profile == vif.PROFILE_INVERSE
    mode = control >> 6
    running, moment = _base_value(profile, records), _base_time(profile, records)
    start = profile.range[1] - len(elements)
    unfolded = []
    for n in range(len(elements) // size):
        raw = elements[n * size : (n + 1) * size]
        number = bcd(raw)[0] if coding >= 0x9 else integer(raw, unsigned=mode in (_INCREMENT, _DECREMENT))
        if mode in (_INCREMENT, _DECREMENT) and coding < 0x9 and raw == b"\xff" * size:
            number = None
        moment = _next(moment, control >> 4 & 0x3, spacing, back=inverse)
        running = _following(running, number, meaning.exponent, mode, back=inverse)
        unfolded.append(
            replace(
                profile,
                value=running,
                storage=profile.storage + n + 1,
                range=(start + n * size, start + (n + 1) * size),
                data=raw,
                modifiers=tuple(m for m in profile.modifiers if "compact profile" not in m),
                vife=tuple(code for code in profile.vife if code not in vif.PROFILES),
                error="" if running is not None else "no value",
                at=moment,
            )
        )
    return unfolded


def _following(
    running: int | Decimal | None, number: int | None, exponent: int, mode: int, *, back: bool
) -> int | Decimal | None:
    """The next value: the element itself, or the one before plus or minus it."""
    if number is None:
        return None
    step = scaled(number, exponent)
    if mode == _ABSOLUTE:
        return step
    if running is None:
        return None
    return running - step if (mode == _DECREMENT) != back else running + step


def _same_place(record: Record, profile: Record) -> bool:
    return (
        record.storage == profile.storage
        and record.tariff == profile.tariff
        and record.subunit == profile.subunit
        and record is not profile
    )


def _base_value(profile: Record, records: Sequence[Record]) -> int | Decimal | None:
    for record in records:
        if (
            _same_place(record, profile)
            and record.vif_key[:-1] == profile.vif_key[:-1]
            and record.quantity == profile.quantity
            and record.function == profile.function
            and isinstance(record.value, int | Decimal)
        ):
            return record.value
    return None


def _base_time(profile: Record, records: Sequence[Record]) -> datetime | None:
    for record in records:
        if record.storage == profile.storage and isinstance(record.value, date):
            value = record.value
            if isinstance(value, datetime):
                return value
            return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - the meter's own clock
    return None


def _next(moment: datetime | None, unit: int, spacing: int, *, back: bool) -> datetime | None:
    if moment is None:
        return None
    try:
        if 1 <= spacing <= _LAST_COUNT:
            step = _STEP[unit] * spacing
            return moment - step if back else moment + step
        if unit == _CALENDAR and spacing == _MONTH:
            return _month_on(moment, -1 if back else 1)
        if unit == _CALENDAR and spacing == _HALF_MONTH:
            return _half_month_on(moment, back=back)
    except (OverflowError, ValueError):
        pass
    return None


def _month_on(moment: datetime, months: int) -> datetime:
    """The same day of the next or last month; the last day of a month stays the last day."""
    count = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(count, 12)
    last = monthrange(year, month + 1)[1]
    at_end = moment.day == monthrange(moment.year, moment.month)[1]
    return moment.replace(year=year, month=month + 1, day=last if at_end else min(moment.day, last))


def _half_month_on(moment: datetime, *, back: bool) -> datetime:
    """Half-months end on the 15th and the last day, or begin on the 1st and the 16th."""
    last = monthrange(moment.year, moment.month)[1]
    if moment.day == last:
        return moment.replace(day=15) if back else _month_on(moment, 1).replace(day=15)
    if moment.day == 15:
        if back:
            before = _month_on(moment, -1)
            return before.replace(day=monthrange(before.year, before.month)[1])
        return moment.replace(day=last)
    if moment.day > 15:
        return (
            moment.replace(day=moment.day - 15) if back else _month_on(moment.replace(day=moment.day - 15), 1)
        )
    return _month_on(moment, -1).replace(day=moment.day + 15) if back else moment.replace(day=moment.day + 15)
