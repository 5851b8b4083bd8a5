"""A meter behind an optical head: it answers KMP requests with registers and logs (fact sheet on KMP).

A pure machine: ``feed`` takes what the host wrote and gives what the head sends back. Values are those of
``samples`` for the same meter, so that what is read optically and what is heard by radio agree. New meters (303,
403, 603, 803) keep yearly, monthly, daily and hourly logs and answer command B8; older ones keep an hourly and a
daily log in their top module, read by A0 to A3, and stamp the end of a day with its own date.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from avlas.simulate import samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from avlas.simulate.meter import SimulatedMeter

METER, TOP_MODULE = 0x3F, 0x7F
_BYTES_WITH_MEANING = b"\x80\x40\x0d\x06\x1b"
_MWH, _KWH, _M3, _M3C, _CELSIUS, _KELVIN, _L_H, _KW, _H, _NUMBER = 3, 2, 40, 43, 37, 38, 41, 22, 46, 51
_MOMENTARY = frozenset({_CELSIUS, _KELVIN, _L_H, _KW})
_CLOCK_UNIT, _DATE_UNIT, _STAMP_UNIT = 47, 48, 79

# Register -> (code of samples, unit, exponent, how many of the code's units one of the meter's is).
_COUNTED: dict[int, tuple[str, int, int, float]] = {
    60: ("energy_heat_kwh", _MWH, -3, 1000),
    63: ("energy_cooling_kwh", _MWH, -3, 1000),
    64: ("tariff_2", _KWH, 0, 1),
    65: ("tariff_3", _KWH, 0, 1),
    68: ("volume_m3", _M3, -2, 1),
    74: ("volume_flow_m3h", _L_H, 0, 0.001),
    80: ("power_kw", _KW, -1, 1),
    84: ("input_a", _M3, -2, 1),
    85: ("input_b", _M3, -2, 1),
    86: ("flow_temperature_c", _CELSIUS, -2, 1),
    87: ("return_temperature_c", _CELSIUS, -2, 1),
    89: ("temperature_difference_k", _KELVIN, -2, 1),
    97: ("energy_flow_m3c", _M3C, 0, 1),
    110: ("energy_return_m3c", _M3C, 0, 1),
    175: ("error_hours", _H, 0, 1),
    1004: ("operating_hours", _H, 0, 1),
}
# Counters that every meter has, and that stand at 0 where it is not set up for them.
_OPTIONAL = frozenset({"energy_cooling_kwh", "tariff_2", "tariff_3", "input_a", "input_b"})
_INFO, _SERIAL, _CLOCK, _DATE, _STAMP = 99, 1001, 1002, 1003, 348
_PASSWORD = 0x1234
_TYPE_AND_SOFTWARE = bytes.fromhex(
    "00040601"
)  # a 601 with Pt100, F1: the numbers of other types are not public


def crc(body: bytes) -> int:
    """CRC-16, polynomial 1021, start 0, bit by bit."""
    register = 0
    for byte in body:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1 ^ (0x1021 if register & 0x8000 else 0)) & 0xFFFF
    return register


def frame(address: int, command: int, data: bytes = b"", *, start: int = 0x40) -> bytes:
    """A frame for the line: body, CRC, both stuffed, between start and stop."""
    body = bytes((address, command)) + data
    body += crc(body).to_bytes(2, "big")
    stuffed = b"".join(
        b"\x1b" + bytes((255 - each,)) if each in _BYTES_WITH_MEANING else bytes((each,)) for each in body
    )
    return bytes((start,)) + stuffed + b"\x0d"


@dataclass(frozen=True, slots=True)
class Log:
    """A log: what lies between two rows, and how many rows it keeps."""

    period: str  # "year", "month", "day", "hour"
    depth: int


NEW_LOGS = {2: Log("year", 20), 3: Log("month", 36), 4: Log("day", 460), 5: Log("hour", 1400)}
OLD_LOGS = {1: Log("hour", 1392), 2: Log("day", 460)}


class OpticalMeter:
    """One meter, as the head on it sees it.

    ``now`` tells the true time (aware). ``echo``: the head sends back what it gets. ``longest``: bytes of data in
    an answer of a new log. ``asleep``: no answer until ``press_key``. ``damage`` and ``ignore`` count answers that
    are spoilt by a flipped bit or never given; ``noise`` goes before each answer.
    """

    def __init__(
        self,
        meter: SimulatedMeter,
        now: Callable[[], datetime],
        *,
        seed: int = 1,
        new: bool = True,
        info_code: int = 0,
        echo: bool = True,
        longest: int = 230,
    ) -> None:
        self.meter, self.seed, self.new = meter, seed, new
        self.info_code, self.echo, self.longest = info_code, echo, longest
        self.asleep, self.damage, self.ignore, self.noise = False, 0, 0, b""
        self.target_date = 101  # mmdd, the one register that may be written
        self._now = now
        self._buffer = b""
        self._read = dict.fromkeys(OLD_LOGS, -1)  # the newest row ever read of each old log
        self._cleared = dict.fromkeys(OLD_LOGS, -1)  # the newest row marked as read

    def power_on(self) -> None:
        """Nothing half received."""
        self._buffer = b""

    def press_key(self) -> None:
        """Wake the optical eye."""
        self.asleep = False

    def feed(self, data: bytes) -> bytes:
        """What the host reads after it wrote ``data``."""
        out = data if self.echo else b""
        *frames, self._buffer = (self._buffer + data).split(b"\x0d")
        for each in frames:
            out += self._reply(each)
        return out

    def _reply(self, sent: bytes) -> bytes:
        body = _unstuffed(sent.rpartition(b"\x80")[2])
        if self.asleep or len(body) < 4 or crc(body) != 0:
            return b""
        address, command, data = body[0], body[1], body[2:-2]
        answer = self._answer(address, command, data)
        if self.ignore and answer:
            self.ignore -= 1
            return b""
        if self.damage and len(answer) > 1:
            self.damage -= 1
            middle = len(answer) // 2
            flipped = answer[middle] ^ 0x20
            return self.noise + answer[:middle] + bytes((flipped,)) + answer[middle + 1 :]
        return self.noise + answer if answer else b""

    def _answer(self, address: int, command: int, data: bytes) -> bytes:
        """The answer's bytes on the line; b"" when the meter keeps silent."""
        try:
            if address == METER and command == 0x09:
                return self._set_clock(data)
            if address == METER and command == 0x11:
                return self._put(data)
            content = self._content(address, command, data)
        except (
            KeyError,
            IndexError,
            OverflowError,
            ValueError,
        ):  # a log it does not keep, an impossible date, a request cut short
            return b""
        return b"" if content is None else frame(address, command, content)

    def _content(self, address: int, command: int, data: bytes) -> bytes | None:
        """The data of an answer; None for what this meter does not know."""
        if address == METER:
            if command == 0x01:
                return _TYPE_AND_SOFTWARE
            if command == 0x02:
                return int(self.meter.identification).to_bytes(4, "big")
            if command == 0x10:
                return self._registers(data)
            return self._new_log(data) if command == 0xB8 and self.new else None
        if address != TOP_MODULE or self.new:
            return None
        if command == 0x9B:
            return self._events()
        if command == 0x9C:
            return self._clear_events(data)
        return self._old_log(command, data) if command in (0xA0, 0xA1, 0xA2, 0xA3) else None

    # --- the meter itself ---

    def own_time(self) -> datetime:
        """What the meter's clock shows, naive."""
        return self.meter.own_time(self._now()).replace(microsecond=0)

    def _set_clock(self, data: bytes) -> bytes:
        day, clock = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:], "big")
        told = datetime(  # noqa: DTZ001 - the meter's own clock
            2000 + day // 10000, day // 100 % 100, day % 100, clock // 10000, clock // 100 % 100, clock % 100
        )
        self.meter.clock_error += told - self.own_time()
        return b"\x06"

    def _put(self, data: bytes) -> bytes:
        right = int.from_bytes(data[:2], "big") == _PASSWORD and int.from_bytes(data[2:4], "big") == 98
        if right:
            self.target_date = int.from_bytes(data[7:], "big")
        return b"\x06" if right else b""

    def _registers(self, data: bytes) -> bytes:
        asked = [int.from_bytes(data[1 + 2 * n : 3 + 2 * n], "big") for n in range(data[0])]
        at, shown = self._now(), self.own_time()
        return b"".join(self._field(number, at, shown) for number in asked if self._has(number))

    def _has(self, number: int) -> bool:
        if number == _STAMP:
            return self.new
        return number in _COUNTED or number in (_INFO, _SERIAL, _CLOCK, _DATE, 98)

    def _field(self, number: int, at: datetime, shown: datetime) -> bytes:
        unit, sign_exponent, integer = self._value(number, at, shown)
        return number.to_bytes(2, "big") + bytes((unit, len(integer), sign_exponent)) + integer

    def _value(self, number: int, at: datetime, shown: datetime) -> tuple[int, int, bytes]:
        """Unit, sign and exponent, integer of a register at ``at``; ``shown`` is what the clock says."""
        if number in _COUNTED:
            code, unit, exponent, scale = _COUNTED[number]
            unused = code in _OPTIONAL and code not in self.meter.type.registers
            exact = 0 if unused else samples.values(self.meter, at, self.seed)[code] / scale * 10**-exponent
            # A counter shows whole steps; one told in floating point may lie a hair below itself.
            amount = round(exact) if unit in _MOMENTARY else int(exact + 1e-6)
            size = 0x40 | -exponent if exponent < 0 else exponent
            return unit, size | (0x80 if amount < 0 else 0), abs(amount).to_bytes(4, "big")
        if number == _STAMP:
            parts = (0, shown.year - 2000, shown.month, shown.day, shown.hour, shown.minute, shown.second)
            return _STAMP_UNIT, 0, bytes(parts)
        plain = {
            _INFO: (_NUMBER, self.info_code),
            _SERIAL: (_NUMBER, int(self.meter.identification)),
            _CLOCK: (_CLOCK_UNIT, shown.hour * 10000 + shown.minute * 100 + shown.second),
            _DATE: (_DATE_UNIT, shown.year % 100 * 10000 + shown.month * 100 + shown.day),
            98: (50, self.target_date),
        }
        return plain[number][0], 0, plain[number][1].to_bytes(4, "big")

    # --- logs ---

    def _moment(self, log: Log, row: int) -> datetime:
        """The moment of a row on the meter's own clock: rows are numbered from the installation on."""
        first = self.meter.own_time(samples.INSTALLED).replace(hour=0, minute=0, second=0)
        if log.period == "year":
            return first.replace(year=first.year + 1 + row, month=1, day=1)
        if log.period == "month":
            months = first.year * 12 + first.month + row
            return first.replace(year=months // 12, month=months % 12 + 1, day=1)
        return first + timedelta(**{f"{log.period}s": row + 1})

    def _newest(self, log: Log) -> int:
        """The number of the newest row, -1 when there is none."""
        now, first = self.own_time(), self._moment(log, 0)
        if log.period == "year":
            return max(-1, now.year - first.year)
        if log.period == "month":
            return max(-1, (now.year - first.year) * 12 + now.month - first.month)
        return max(-1, (now - first) // timedelta(**{f"{log.period}s": 1}))

    def _row(self, log: Log, row: int, registers: list[int], *, heads: bool) -> bytes:
        """The values of a row; registers with or without their heads."""
        moment = self._moment(log, row)
        at = moment.replace(tzinfo=UTC) - self.meter.utc_offset - self.meter.clock_error
        if self.new:
            shown = moment + timedelta(seconds=_WRITTEN_AFTER_S)
        else:
            shown = moment - timedelta(seconds=1) if log.period == "day" else moment
        if heads:
            return b"".join(self._field(number, at, shown) for number in registers)
        return b"".join(self._value(number, at, shown)[2] for number in registers)

    def _old_log(self, command: int, data: bytes) -> bytes:
        number, count = data[0], data[1]
        asked = [int.from_bytes(data[2 + 2 * n : 4 + 2 * n], "big") for n in range(count)]
        most, longest, begin = data[2 + 2 * count], data[3 + 2 * count], data[4 + 2 * count :]
        log, registers = OLD_LOGS[number], [each for each in asked if self._has(each)]
        newest = self._newest(log)
        kept = range(max(0, newest - log.depth + 1), newest + 1)
        first = self._first(command, number, kept, begin)
        info = (0 if kept else _EMPTY) | (0 if first in kept or command == 0xA1 else _OUT_OF_RANGE)
        if command == 0xA3:
            rows = [row for row in range(first, first - most, -1) if row in kept]
        else:
            rows = list(kept[max(0, first - kept.start) :][:most])
        fits = max(0, (longest - 8 - 5 * len(registers)) // (2 + 4 * len(registers)))
        info |= _CUT if len(rows) > fits else _END if len(rows) < most else 0
        rows = rows[:fits]
        out = bytes((number, len(registers)))
        for row in rows:
            out += _u16(row) + self._row(log, row, registers, heads=row == rows[0])
        self._read[number] = max(self._read[number], *rows, -1)
        return out + _u16(rows[-1] if rows else 0) + _u16(newest) + bytes((info,))

    def _first(self, command: int, number: int, kept: range, begin: bytes) -> int:
        """The row a reading of an old log begins with, be it there or not."""
        if command == 0xA1:
            return self._cleared[number] + 1
        if command == 0xA2:
            return int.from_bytes(begin[:2], "big")
        wanted, log = _stamped(begin), OLD_LOGS[number]
        if command == 0xA0:
            return next((row for row in kept if self._moment(log, row) >= wanted), kept.stop)
        last = next((row for row in reversed(kept) if self._moment(log, row) <= wanted), kept.start - 1)
        return last - int.from_bytes(begin[8:10], "big")

    def _events(self) -> bytes:
        unread = sum(
            1 << number - 1 for number, log in OLD_LOGS.items() if self._cleared[number] < self._newest(log)
        )
        return bytes((0, 0, unread, 0))

    def _clear_events(self, data: bytes) -> bytes:
        for number in OLD_LOGS:
            if data[2] >> number - 1 & 1:
                self._cleared[number] = self._read[number]
        return self._events()

    def _new_log(self, data: bytes) -> bytes | None:
        question, number = data[0], data[1]
        log = NEW_LOGS[number]
        if question == 0x05:
            kept = [*_COUNTED, _INFO, _STAMP, _DATE, _CLOCK]
            head = bytes.fromhex("0101010100000100 0100") + log.depth.to_bytes(2, "big") + bytes((len(kept),))
            return data[:2] + head + b"".join(each.to_bytes(2, "big") for each in kept)
        newest = self._newest(log)
        oldest = max(0, newest - log.depth + 1)
        if question == 0x06:
            first, rest = int.from_bytes(data[2:6], "big"), data[6:]
        elif question == 0x07:
            first, rest = max(oldest, newest - int.from_bytes(data[2:4], "big")), data[4:]
        else:
            return None
        wanted = int.from_bytes(rest[:2], "big")
        asked = [int.from_bytes(rest[3 + 2 * n : 5 + 2 * n], "big") for n in range(rest[2])]
        registers = [each for each in asked if self._has(each)]
        info = _UNKNOWN if len(registers) < len(asked) else 0
        rows = range(first, max(oldest - 1, first - wanted), -1) if oldest <= first <= newest else range(0)
        if not rows:
            info |= _OUTSIDE if newest >= 0 else _NOTHING
        out, sent = b"", 0
        for row in rows:
            piece = self._row(log, row, registers, heads=row == first)
            if len(out) + len(piece) > self.longest:
                info |= _ENTRIES_CUT
                break
            out, sent = out + piece, sent + 1
        if rows:
            info |= (_HEAD if first == newest else 0) | (_TAIL if first - sent + 1 == oldest else 0)
        if newest < 0:  # an empty log answers with one row of zeros
            zeros = [self._value(each, self._now(), self.own_time()) for each in registers]
            out = b"".join(
                number.to_bytes(2, "big") + bytes((unit, len(integer), 0)) + bytes(len(integer))
                for number, (unit, _sign_exponent, integer) in zip(registers, zeros, strict=True)
            )
            sent = 1
        head = sent.to_bytes(2, "big") + bytes((len(registers),)) + max(0, first).to_bytes(4, "big")
        return data[:2] + head + max(0, newest).to_bytes(4, "big") + info.to_bytes(2, "big") + out


_WRITTEN_AFTER_S = 4  # a new meter stamps its rows with the moment at which it wrote them
_EMPTY, _OUT_OF_RANGE, _CUT, _END = 1, 4, 8, 16  # info bits of old logs
_NOTHING, _OUTSIDE, _UNKNOWN, _ENTRIES_CUT, _TAIL, _HEAD = 1, 2, 8, 16, 64, 128  # of new ones


def _stamped(begin: bytes) -> datetime:
    year, month, day, hour, minute, second = begin[:6]
    return datetime(2000 + year, month, day, hour, minute, second)  # noqa: DTZ001 - the meter's own clock


def _u16(row: int) -> bytes:
    return (row & 0xFFFF).to_bytes(2, "big")


def _unstuffed(sent: bytes) -> bytes:
    body, taken = bytearray(), iter(sent)
    for byte in taken:
        body.append(255 - next(taken, 0) if byte == 0x1B else byte)
    return bytes(body)
