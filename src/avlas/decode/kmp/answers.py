"""What a meter answers in KMP (fact sheet on KMP, 4.2, 4.5, 4.6). Everything is a frozen value.

A log's first row carries a register's head (number, unit, length, sign and exponent), further rows the integers
alone. Rows are named by the meter's own running number; what time they are of, only a register among them tells
(see ``meaning.dated``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from avlas.decode.errors import RecordError
from avlas.decode.kmp import table
from avlas.decode.kmp.frame import BODY_AT, Frame
from avlas.decode.kmp.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from avlas.decode.kmp.fields import Field
    from avlas.decode.types import Span

_OLD_TAIL = 5  # last row read, newest row, info byte
_LETTERS = 26


@dataclass(frozen=True, slots=True)
class TypeAnswer:
    """GetType: the maker's number of the type, the model it stands for ("" when unknown), the software."""

    number: int
    model: str
    software: str  # "F1"; "" when the meter does not tell


@dataclass(frozen=True, slots=True)
class SerialAnswer:
    """GetSerialNo."""

    number: int


@dataclass(frozen=True, slots=True)
class RegisterAnswer:
    """GetRegister: the registers the meter has of those it was asked for."""

    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of a log."""

    id: int
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class LogAnswer:
    """Rows of a log, in the order they were sent: old logs as asked, new ones towards the past."""

    log: int | None  # None, as the rest, when an old logger's answer says only what went wrong
    new: bool  # the form of the newer meters (command B8)
    rows: tuple[Row, ...]
    newest_id: int | None  # of the whole log
    last_id: int | None  # the row sent last
    info: int
    flags: tuple[str, ...]  # the info bits in words
    registers: int = 0  # how many there are in a row


@dataclass(frozen=True, slots=True)
class ConfigurationAnswer:
    """How deep a logger is and which registers it keeps."""

    logger: int
    depth: int
    registers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CutOffAnswer:
    """GetCutOffState: the state's number and words; ``rest`` are voltage, validity and relay bits as sent."""

    state: int
    words: str
    rest: bytes


@dataclass(frozen=True, slots=True)
class EventAnswer:
    """The four bytes of the event status."""

    status: bytes


@dataclass(frozen=True, slots=True)
class OtherAnswer:
    """An answer whose layout is not known."""

    command: int
    content: bytes


Answer = (
    TypeAnswer
    | SerialAnswer
    | RegisterAnswer
    | LogAnswer
    | ConfigurationAnswer
    | CutOffAnswer
    | EventAnswer
    | OtherAnswer
)


def read(frame: Frame) -> tuple[Answer, tuple[Span, ...]]:
    """The answer in a frame, and what each byte of its data says. Raises RecordError."""
    walk = Walk(frame.plain, BODY_AT, BODY_AT + len(frame.data))
    reader = _READERS.get(frame.command)
    answer = reader(walk) if reader else OtherAnswer(frame.command, walk.take(walk.left, "data"))
    walk.done()
    return answer, tuple(walk.spans)


def _type(walk: Walk) -> Answer:
    number = walk.number(2, "meter type", lambda number: table.meter_type(number) or "unknown")
    software = walk.take(2, "software", _software)
    return TypeAnswer(number, table.meter_type(number), _software(software))


def _software(sent: bytes) -> str:
    letter, number = sent
    return f"{chr(64 + letter)}{number}" if 1 <= letter <= _LETTERS else ""


def _serial(walk: Walk) -> Answer:
    return SerialAnswer(walk.number(4, "serial number"))


def _fields(walk: Walk) -> Answer:
    found = []
    while walk.left:
        found.append(walk.field())
    return RegisterAnswer(tuple(found))


def _cut_off(walk: Walk) -> Answer:
    state = walk.number(1, "state", _cut_off_words)
    return CutOffAnswer(state, _cut_off_words(state), walk.take(walk.left, "voltage, relay"))


def _cut_off_words(state: int) -> str:
    return table.CUT_OFF_STATES.get(state, "unknown")


def _events(walk: Walk) -> Answer:
    return EventAnswer(walk.take(4, "event status"))


def _old_log(walk: Walk) -> Answer:
    """An old log. With an info bit set, a logger may leave out all but command and info byte."""
    start, spans = walk.at, len(walk.spans)
    info = walk.data[walk.end - 1] if walk.left else 0
    try:
        return _old_rows(walk)
    except RecordError:
        if not info:
            raise
    del walk.spans[spans:]
    walk.at = start
    walk.take(walk.left - 1, "data")
    walk.number(1, "info", _old_flags)
    return LogAnswer(None, False, (), None, None, info, table.flags(info, table.OLD_INFO))


def _old_rows(walk: Walk) -> Answer:
    log, count = walk.number(1, "log"), walk.number(1, "number of registers")
    rows: list[Row] = []
    while walk.left > _OLD_TAIL:
        number = walk.number(2, "row")
        heads = rows[0].fields if rows else None
        fields = (
            tuple(map(walk.again, heads)) if heads is not None else tuple(walk.field() for _ in range(count))
        )
        rows.append(Row(number, fields))
    last, newest = walk.number(2, "row read last"), walk.number(2, "newest row")
    info = walk.number(1, "info", _old_flags)
    return LogAnswer(log, False, tuple(rows), newest, last, info, table.flags(info, table.OLD_INFO), count)


def _old_flags(info: int) -> str:
    return ", ".join(table.flags(info, table.OLD_INFO)) or "all well"


def _new_flags(info: int) -> str:
    return ", ".join(table.flags(info, table.NEW_INFO)) or "all well"


def _logger(walk: Walk) -> Answer:
    part = walk.number(1, "question", lambda number: table.LOGGER_COMMANDS.get(number, "unknown"))
    if part not in table.LOGGER_COMMANDS:
        return OtherAnswer(table.LOGGER, bytes((part,)) + walk.take(walk.left, "data"))
    logger = walk.number(1, "logger", lambda number: table.LOGGERS.get(number, "unknown"))
    return _configuration(walk, logger) if part == table.CONFIGURATION else _new_rows(walk, logger)


def _configuration(walk: Walk, logger: int) -> Answer:
    walk.take(6, "dates and their formats")
    walk.take(4, "longest interval, interval")
    depth = walk.number(2, "depth")
    return ConfigurationAnswer(logger, depth, walk.registers(walk.number(1, "number of registers")))


def _new_rows(walk: Walk, logger: int) -> Answer:
    """A new log: as many rows as are announced, or as there are when the meter cut them at a row's end."""
    entries, count = walk.number(2, "number of rows"), walk.number(1, "number of registers")
    first, newest = walk.number(4, "first row"), walk.number(4, "newest row")
    info = walk.number(2, "info", _new_flags)
    rows: list[Row] = []
    while walk.left and len(rows) < entries:
        fields = tuple(map(walk.again, rows[0].fields)) if rows else tuple(walk.field() for _ in range(count))
        rows.append(Row(first - len(rows), fields))
        if not sum(len(each.data) for each in fields):
            break  # rows without a byte in them never end
    last = rows[-1].id if rows else None
    return LogAnswer(logger, True, tuple(rows), newest, last, info, table.flags(info, table.NEW_INFO), count)


_READERS: dict[int, Callable[[Walk], Answer]] = {
    table.GET_TYPE: _type,
    table.GET_SERIAL: _serial,
    table.GET_REGISTER: _fields,
    table.GET_CUT_OFF: _cut_off,
    table.GET_EVENTS: _events,
    table.CLEAR_EVENTS: _events,
    **dict.fromkeys(table.OLD_LOGS, _old_log),
    table.LOGGER: _logger,
}
