"""What KMP values mean: registers of registers.py in canonical units, the meter's clock, dated values of logs.

A log's rows tell their time by registers among them: 348 (date and time), or 1003 and 1002 (date, clock). Old
types (402, 601, 602, 801) stamp the end of a day with its own date or as 24:00, new ones (303, 403, 603, 803) with
00:00 of the next: both become the same moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from avlas.decode.errors import RecordError
from avlas.decode.families import as_shown, canonical
from avlas.decode.kmp import table
from avlas.decode.registers import BY_CODE
from avlas.decode.types import Dated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from avlas.decode.kmp.answers import LogAnswer
    from avlas.decode.kmp.fields import Field

_DAY = timedelta(days=1)
# A meter writes a row this long after or before the moment it is of.
_LATE, _EARLY = timedelta(seconds=59), timedelta(seconds=1)
_LARGEST, _MOST_DECIMALS = 15, 12  # powers of ten beyond which no meter counts
_DAYS_LONG = frozenset({table.YEARLY, table.MONTHLY, table.DAILY})
_USELESS = frozenset({table.NEW_INFO[0], table.NEW_INFO[9], table.OLD_INFO[0]})  # such rows say nothing


@dataclass(frozen=True, slots=True)
class Meaning:
    """What some values say together."""

    registers: dict[str, Decimal | float]  # canonical units
    sent: dict[str, tuple[str, int]]  # register -> (unit, decimals) as the meter sent it
    info_code: int | None
    meter_time: datetime | None  # the meter's own clock, naive; summer time that it tells is taken off
    serial: int | None


def meaning(fields: Iterable[Field]) -> Meaning:
    """What the values of one moment mean. The first of several values of one register counts."""
    by_number: dict[int, Field] = {}
    for field in fields:
        by_number.setdefault(field.register, field)
    registers: dict[str, Decimal | float] = {}
    sent: dict[str, tuple[str, int]] = {}
    for number, field in by_number.items():
        _take(table.CODES.get(number, ""), field, registers, sent)
    bits = by_number.get(table.INFO_BITS) or by_number.get(table.INFO_CODE)
    serial = by_number.get(table.SERIAL)
    return Meaning(
        registers=registers,
        sent=sent,
        info_code=_whole(bits),
        meter_time=_time_of(by_number, ""),
        serial=_whole(serial),
    )


def dated(*logs: LogAnswer, stamp: str = "") -> tuple[Dated, ...]:
    """The rows of log answers as values of their moments, oldest first.

    Answers of one log may be given together: rows of the same number are one, so that each register, the date too,
    can be asked for by itself. ``stamp`` says what a date without a clock means: "24:00" its end, "00:00" its
    beginning; "" as the log's form suggests (old: its end). Rows without a date, with an impossible one or with
    none of the registers of registers.py are left out. Moments are naive, the meter's own clock; summer time that it
    tells is taken off. Raises RecordError when there are rows and no register among them tells a date.
    """
    rows: dict[tuple[bool, int, int], dict[int, Field]] = {}
    for log in logs:
        if _USELESS.isdisjoint(log.flags):
            for row in log.rows:
                fields = rows.setdefault((log.new, log.log or 0, row.id), {})
                fields |= {field.register: field for field in row.fields}
    if rows and not any({table.DATE, table.DATE_AND_TIME} & fields.keys() for fields in rows.values()):
        raise RecordError(
            "no register of the log tells a date: ask for 348, or for 1003 and 1002, besides the others"
        )
    found = []
    for (new, number, _row), fields in rows.items():
        at = _time_of(fields, stamp or ("00:00" if new else "24:00"), _step(number, new=new))
        said = meaning(fields.values())
        if at is not None and said.registers:
            found.append(Dated(at, said.registers, 0, said.sent))
    return tuple(sorted(found, key=lambda each: each.at))


def _take(
    code: str, field: Field, registers: dict[str, Decimal | float], sent: dict[str, tuple[str, int]]
) -> None:
    """Put a value in canonical unit, and how it was sent, under its register."""
    value = field.value
    if not code or code == "info_code" or not _is_number(field):
        return
    number = canonical(value, field.unit)  # type: ignore[arg-type]  # a number, see above
    if number is not None and BY_CODE[code].unit in ("", number[1]):
        registers[code] = number[0]
        sent[code] = as_shown(field.unit, value)  # type: ignore[arg-type]


def _is_number(field: Field) -> bool:
    value = field.value
    if isinstance(value, Decimal):
        return field.exponent >= -_MOST_DECIMALS and value.adjusted() < _LARGEST
    return isinstance(value, int)


def _whole(field: Field | None) -> int | None:
    return field.raw if field is not None and field.exponent == 0 and _is_number(field) else None


def _step(logger: int, *, new: bool) -> timedelta | None:
    """How far apart the moments are of which a log keeps values, as far as a stamp beside one is put right."""
    if new and logger in _DAYS_LONG:
        return _DAY
    return timedelta(hours=1) if not new or logger == table.HOURLY else None


def _time_of(fields: Mapping[int, Field], stamp: str, step: timedelta | None = None) -> datetime | None:
    """The moment a row or some registers tell; None when they do not."""
    whole = fields.get(table.DATE_AND_TIME)
    if whole is not None and isinstance(whole.value, datetime):
        return _on_the_mark(whole.value, step) - timedelta(minutes=whole.summer_minutes)
    day, clock = fields.get(table.DATE), fields.get(table.CLOCK)
    if day is None or not isinstance(day.value, date):
        return None
    midnight = datetime.combine(day.value, time())
    if clock is None:
        return {"24:00": midnight + _DAY, "00:00": midnight}.get(stamp)
    if clock.value == "24:00:00":
        return midnight + _DAY
    if not isinstance(clock.value, time):
        return None
    return _on_the_mark(datetime.combine(day.value, clock.value), step)


def _on_the_mark(at: datetime, step: timedelta | None) -> datetime:
    """A row written some seconds beside the moment it is of (00:00:04, 23:59:59) belongs to that moment."""
    if step is None:
        return at
    since = (at - datetime.combine(at.date(), time())) % step
    if since <= _LATE:
        return at - since
    return at + (step - since) if step - since <= _EARLY else at
