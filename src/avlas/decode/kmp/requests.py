"""What a meter can be asked for in KMP, built and read (fact sheet on KMP, 4.2, 4.5, 4.6).

Every request is a frozen value: ``frame()`` gives the bytes for the line, ``read`` makes a request of a frame.
Registers are the maker's numbers; a meter leaves those it does not have out of its answer. ``address`` says who
is asked: the meter, or a logger in one of its modules.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from avlas.decode.errors import RecordError
from avlas.decode.kmp import table
from avlas.decode.kmp.frame import BODY_AT, METER, TOP_MODULE, Frame, build
from avlas.decode.kmp.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from avlas.decode.types import Span

MOST_REGISTERS = 8  # a request may name
MAX_LENGTH = 0x80  # of an old log's answer, from command to info byte
_STAMP_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Request:
    """One question or order. ``acknowledged``: it is answered by the byte 06 alone."""

    _: KW_ONLY
    address: int = METER
    command: ClassVar[int] = 0
    name: ClassVar[str] = ""
    acknowledged: ClassVar[bool] = False

    def data(self) -> bytes:
        """What follows the command byte."""
        return b""

    def frame(self) -> bytes:
        """The bytes for the line. ValueError: a number that does not fit, or too many registers."""
        return build(self.address, self.command, self.data())


@dataclass(frozen=True, slots=True)
class GetType(Request):
    """Which type of meter and which software."""

    command: ClassVar[int] = table.GET_TYPE
    name: ClassVar[str] = "GetType"


@dataclass(frozen=True, slots=True)
class GetSerialNo(Request):
    """The meter's serial number."""

    command: ClassVar[int] = table.GET_SERIAL
    name: ClassVar[str] = "GetSerialNo"


@dataclass(frozen=True, slots=True)
class SetClock(Request):
    """Set the meter's clock to ``at`` (naive, as the meter is to show it)."""

    at: datetime
    command: ClassVar[int] = table.SET_CLOCK
    name: ClassVar[str] = "SetClock"
    acknowledged: ClassVar[bool] = True

    def data(self) -> bytes:
        """Date and time as decimal numbers of four bytes each."""
        day = self.at.year % 100 * 10000 + self.at.month * 100 + self.at.day
        return _sent(day, 4) + _sent(self.at.hour * 10000 + self.at.minute * 100 + self.at.second, 4)


@dataclass(frozen=True, slots=True)
class GetRegister(Request):
    """The values of up to eight registers."""

    registers: tuple[int, ...]
    command: ClassVar[int] = table.GET_REGISTER
    name: ClassVar[str] = "GetRegister"

    def data(self) -> bytes:
        """How many, and their numbers."""
        return _registers(self.registers)


def get_registers(registers: Sequence[int], *, address: int = METER) -> tuple[GetRegister, ...]:
    """As many requests as it takes to ask for all ``registers``, eight at a time."""
    return tuple(
        GetRegister(tuple(registers[first : first + MOST_REGISTERS]), address=address)
        for first in range(0, len(registers), MOST_REGISTERS)
    )


@dataclass(frozen=True, slots=True)
class PutRegister(Request):
    """Write one register, as it is sent: unit, sign and exponent, integer. A wrong password changes nothing."""

    password: int
    register: int
    unit_code: int
    sign_exponent: int
    integer: bytes
    command: ClassVar[int] = table.PUT_REGISTER
    name: ClassVar[str] = "PutRegister"
    acknowledged: ClassVar[bool] = True

    def data(self) -> bytes:
        """Password, number, unit, length, sign and exponent, integer."""
        head = _sent(self.password, 2) + _sent(self.register, 2) + _sent(self.unit_code, 1)
        return head + _sent(len(self.integer), 1) + _sent(self.sign_exponent, 1) + self.integer


@dataclass(frozen=True, slots=True)
class SetCutOffState(Request):
    """Disconnect (1), release for the user to reconnect (2) or reconnect (3) an electricity meter's supply."""

    order: int
    command: ClassVar[int] = table.SET_CUT_OFF
    name: ClassVar[str] = "SetCutOffState"
    acknowledged: ClassVar[bool] = True

    def data(self) -> bytes:
        """The order."""
        return _sent(self.order, 1)


@dataclass(frozen=True, slots=True)
class GetCutOffState(Request):
    """Whether an electricity meter's supply is on."""

    command: ClassVar[int] = table.GET_CUT_OFF
    name: ClassVar[str] = "GetCutOffState"


@dataclass(frozen=True, slots=True)
class GetEventStatus(Request):
    """Which logs hold something that was not read yet."""

    command: ClassVar[int] = table.GET_EVENTS
    name: ClassVar[str] = "GetEventStatus"


@dataclass(frozen=True, slots=True)
class ClearEventStatus(Request):
    """Mark logs as read: one bit a log and mask byte."""

    mask: bytes
    command: ClassVar[int] = table.CLEAR_EVENTS
    name: ClassVar[str] = "ClearEventStatus"

    def data(self) -> bytes:
        """The mask."""
        return self.mask


# --- logs of the older meters and logger modules -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OldLog(Request):
    """Rows of a log; ``records`` None asks for as many as an answer of ``max_length`` bytes can hold.

    Rows carry no time of their own: ask for registers 1003 and 1002 (date, clock) among the others.
    """

    log: int
    registers: tuple[int, ...]
    records: int | None = None
    max_length: int = MAX_LENGTH
    _: KW_ONLY
    address: int = TOP_MODULE

    def data(self) -> bytes:
        """Log, registers, how many rows, how long an answer, and where to begin."""
        most = records_that_fit(len(self.registers), self.max_length)
        records = most if self.records is None else self.records
        head = _sent(self.log, 1) + _registers(self.registers)
        return head + _sent(records, 1) + _sent(self.max_length, 1) + self.begin()

    def begin(self) -> bytes:
        """Where in the log to begin."""
        return b""


@dataclass(frozen=True, slots=True)
class GetLogTimePresent(OldLog):
    """From the first row at or after ``at`` on, towards now."""

    _: KW_ONLY
    at: datetime
    command: ClassVar[int] = table.LOG_TIME_PRESENT
    name: ClassVar[str] = "GetLogTimePresent"

    def begin(self) -> bytes:
        """The time."""
        return _stamp(self.at)


@dataclass(frozen=True, slots=True)
class GetLogLastPresent(OldLog):
    """What was not read yet."""

    command: ClassVar[int] = table.LOG_LAST_PRESENT
    name: ClassVar[str] = "GetLogLastPresent"


@dataclass(frozen=True, slots=True)
class GetLogIDPresent(OldLog):
    """From row ``record`` on, towards now."""

    _: KW_ONLY
    record: int
    command: ClassVar[int] = table.LOG_ID_PRESENT
    name: ClassVar[str] = "GetLogIDPresent"

    def begin(self) -> bytes:
        """The row."""
        return _sent(self.record, 2)


@dataclass(frozen=True, slots=True)
class GetLogTimePast(OldLog):
    """From ``offset`` rows before the last one at or before ``at``, towards the past."""

    _: KW_ONLY
    at: datetime
    offset: int = 0
    command: ClassVar[int] = table.LOG_TIME_PAST
    name: ClassVar[str] = "GetLogTimePast"

    def begin(self) -> bytes:
        """The time and the offset."""
        return _stamp(self.at) + _sent(self.offset, 2)


def records_that_fit(registers: int, max_length: int = MAX_LENGTH) -> int:
    """How many rows of so many registers (four bytes each) an old log's answer of that length holds."""
    return max(0, (max_length - 8 - 5 * registers) // (2 + 4 * registers))


# --- logs of the newer meters ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoggerRequest(Request):
    """A question to one of the meter's loggers: 2 yearly, 3 monthly, 4 daily, 5 hourly, ..."""

    logger: int
    command: ClassVar[int] = table.LOGGER
    name: ClassVar[str] = "Logger"
    part: ClassVar[int] = 0

    def data(self) -> bytes:
        """Which question, which logger, and the rest of it."""
        return _sent(self.part, 1) + _sent(self.logger, 1) + self.rest()

    def rest(self) -> bytes:
        """What follows the logger."""
        return b""


@dataclass(frozen=True, slots=True)
class GetConfiguration(LoggerRequest):
    """How deep the logger is and which registers it keeps."""

    name: ClassVar[str] = "GetConfiguration"
    part: ClassVar[int] = table.CONFIGURATION


@dataclass(frozen=True, slots=True)
class GetLogIDPastAbs(LoggerRequest):
    """Up to ``entries`` rows from ``log_id`` on, towards the past; the meter sends as many as fit."""

    log_id: int
    entries: int
    registers: tuple[int, ...]
    name: ClassVar[str] = "GetLogIDPastAbs"
    part: ClassVar[int] = table.LOG_ID_PAST

    def rest(self) -> bytes:
        """First row, how many, registers."""
        return _sent(self.log_id, 4) + _sent(self.entries, 2) + _registers(self.registers, most=0xFF)


@dataclass(frozen=True, slots=True)
class GetLogLastEntryPastAbs(LoggerRequest):
    """Up to ``entries`` rows from ``offset`` rows before the newest on; a far too large offset: the oldest."""

    offset: int
    entries: int
    registers: tuple[int, ...]
    name: ClassVar[str] = "GetLogLastEntryPastAbs"
    part: ClassVar[int] = table.LOG_LAST_ENTRY_PAST

    def rest(self) -> bytes:
        """Offset, how many, registers."""
        return _sent(self.offset, 2) + _sent(self.entries, 2) + _registers(self.registers, most=0xFF)


@dataclass(frozen=True, slots=True)
class OtherRequest(Request):
    """A command whose layout is not known: its number and what follows it."""

    number: int
    content: bytes

    def frame(self) -> bytes:
        """The bytes for the line."""
        return build(self.address, self.number, self.content)


# --- reading -----------------------------------------------------------------------------------------------


def read(frame: Frame) -> tuple[Request, tuple[Span, ...]]:
    """The request in a frame, and what each byte of its data says. Raises RecordError."""
    walk = Walk(frame.plain, BODY_AT, BODY_AT + len(frame.data))
    reader = _READERS.get(frame.command)
    request = reader(walk, frame) if reader else _other(walk, frame)
    walk.done()
    return request, tuple(walk.spans)


def _other(walk: Walk, frame: Frame) -> Request:
    return OtherRequest(frame.command, walk.take(walk.left, "data"), address=frame.address)


def _set_clock(walk: Walk, frame: Frame) -> Request:
    day, clock = walk.number(4, "date"), walk.number(4, "time")
    try:
        at = datetime(  # noqa: DTZ001 - the meter's own clock
            2000 + day // 10000, day // 100 % 100, day % 100, clock // 10000, clock // 100 % 100, clock % 100
        )
    except (ValueError, OverflowError):
        raise RecordError(f"{day:06d} {clock:06d} is no date and time") from None
    return SetClock(at, address=frame.address)


def _get_register(walk: Walk, frame: Frame) -> Request:
    return GetRegister(walk.registers(walk.number(1, "number of registers")), address=frame.address)


def _put_register(walk: Walk, frame: Frame) -> Request:
    password = int.from_bytes(walk.take(2, "password"), "big")
    put = walk.field()
    return PutRegister(
        password, put.register, put.unit_code, put.sign_exponent, put.data, address=frame.address
    )


def _set_cut_off(walk: Walk, frame: Frame) -> Request:
    order = walk.number(1, "order", lambda number: table.CUT_OFF_ORDERS.get(number, "unknown"))
    return SetCutOffState(order, address=frame.address)


def _clear_events(walk: Walk, frame: Frame) -> Request:
    return ClearEventStatus(walk.take(walk.left, "mask"), address=frame.address)


def _old_log(walk: Walk, frame: Frame) -> Request:
    log = walk.number(1, "log")
    registers = walk.registers(walk.number(1, "number of registers"))
    records, longest = walk.number(1, "number of rows"), walk.number(1, "longest answer")
    head = (log, registers, records, longest)
    if frame.command == table.LOG_TIME_PRESENT:
        return GetLogTimePresent(*head, at=_time(walk), address=frame.address)
    if frame.command == table.LOG_ID_PRESENT:
        return GetLogIDPresent(*head, record=walk.number(2, "row"), address=frame.address)
    if frame.command == table.LOG_TIME_PAST:
        at = _time(walk)
        return GetLogTimePast(*head, at=at, offset=walk.number(2, "offset"), address=frame.address)
    return GetLogLastPresent(*head, address=frame.address)


def _time(walk: Walk) -> datetime:
    at = walk.at
    stamp = walk.take(_STAMP_LENGTH, "time", _time_words)
    found = _moment(stamp)
    if found is None:
        raise RecordError(f"the time at byte {at} is impossible: {stamp.hex().upper()}")
    return found


def _moment(stamp: bytes) -> datetime | None:
    year, month, day, hour, minute, second, _weekday, _info = stamp
    try:
        return datetime(2000 + year, month, day, hour, minute, second)  # noqa: DTZ001 - the meter's own clock
    except ValueError:
        return None


def _time_words(stamp: bytes) -> str:
    found = _moment(stamp)
    return f"{found:%Y-%m-%d %H:%M:%S}" if found else "no value"


def _logger(walk: Walk, frame: Frame) -> Request:
    part = walk.number(1, "question", lambda number: table.LOGGER_COMMANDS.get(number, "unknown"))
    if part not in table.LOGGER_COMMANDS:
        return OtherRequest(
            frame.command, bytes((part,)) + walk.take(walk.left, "data"), address=frame.address
        )
    logger = walk.number(1, "logger", lambda number: table.LOGGERS.get(number, "unknown"))
    if part == table.CONFIGURATION:
        return GetConfiguration(logger, address=frame.address)
    by_id = part == table.LOG_ID_PAST
    begin = walk.number(4, "row") if by_id else walk.number(2, "offset")
    entries = walk.number(2, "number of rows")
    registers = walk.registers(walk.number(1, "number of registers"))
    kind = GetLogIDPastAbs if by_id else GetLogLastEntryPastAbs
    return kind(logger, begin, entries, registers, address=frame.address)


_READERS: dict[int, Callable[[Walk, Frame], Request]] = {
    table.GET_TYPE: lambda _walk, frame: GetType(address=frame.address),
    table.GET_SERIAL: lambda _walk, frame: GetSerialNo(address=frame.address),
    table.SET_CLOCK: _set_clock,
    table.GET_REGISTER: _get_register,
    table.PUT_REGISTER: _put_register,
    table.SET_CUT_OFF: _set_cut_off,
    table.GET_CUT_OFF: lambda _walk, frame: GetCutOffState(address=frame.address),
    table.GET_EVENTS: lambda _walk, frame: GetEventStatus(address=frame.address),
    table.CLEAR_EVENTS: _clear_events,
    **dict.fromkeys(table.OLD_LOGS, _old_log),
    table.LOGGER: _logger,
}


def _sent(number: int, length: int) -> bytes:
    if not 0 <= number < 1 << 8 * length:
        raise ValueError(f"{number} does not fit in {length} bytes")
    return number.to_bytes(length, "big")


def _registers(numbers: Sequence[int], most: int = MOST_REGISTERS) -> bytes:
    if not 1 <= len(numbers) <= most:
        raise ValueError(f"a request names 1 to {most} registers, not {len(numbers)}")
    return _sent(len(numbers), 1) + b"".join(_sent(number, 2) for number in numbers)


def _stamp(at: datetime) -> bytes:
    parts = (at.year - 2000, at.month, at.day, at.hour, at.minute, at.second, 0, 0)
    return b"".join(_sent(part, 1) for part in parts)
