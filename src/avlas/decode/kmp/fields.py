"""KMP values: unit, length, sign and exponent, integer; what they are worth (fact sheet on KMP, 4.3).

``value = (-1)^s x integer x 10^(+-exponent)``, the integer high byte first and without sign. Clocks and dates are
decimal numbers (235959, 260101) or, in unit 79, one byte a part. Numbers come out exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal

Value = (
    Decimal | int | str | date | datetime | time | bytes | None
)  # a datetime is naive: the meter's own clock

CLOCK, DATE, LONG_DATE, DAY, ASCII, BITS, DATE_AND_TIME = 47, 48, 49, 50, 54, 59, 79
_MINUS, _EXPONENT_MINUS, _EXPONENT = 0x80, 0x40, 0x3F
_STAMP_LENGTH = 7
_YEARS = range(1900, 2200)  # that a whole date may be of

# Code -> (unit as people write it, how many powers of ten it is larger).
_UNITS: dict[int, tuple[str, int]] = {
    0: ("", 0), 1: ("Wh", 0), 2: ("kWh", 0), 3: ("MWh", 0), 4: ("GWh", 0), 5: ("J", 0), 6: ("kJ", 0), 7: ("MJ", 0),
    8: ("GJ", 0), 9: ("cal", 0), 10: ("kcal", 0), 11: ("Mcal", 0), 12: ("Gcal", 0), 13: ("varh", 0),
    14: ("kvarh", 0), 15: ("Mvarh", 0), 16: ("Gvarh", 0), 17: ("VAh", 0), 18: ("kVAh", 0), 19: ("MVAh", 0),
    20: ("GVAh", 0), 21: ("W", 0), 22: ("kW", 0), 23: ("MW", 0), 24: ("GW", 0), 25: ("var", 0), 26: ("kvar", 0),
    27: ("Mvar", 0), 28: ("Gvar", 0), 29: ("VA", 0), 30: ("kVA", 0), 31: ("MVA", 0), 32: ("GVA", 0), 33: ("V", 0),
    34: ("A", 0), 35: ("kV", 0), 36: ("kA", 0), 37: ("°C", 0), 38: ("K", 0), 39: ("l", 0), 40: ("m³", 0),
    41: ("l/h", 0), 42: ("m³/h", 0), 43: ("m³·°C", 0), 44: ("t", 0), 45: ("t/h", 0), 46: ("h", 0), 51: ("", 0),
    52: ("bar", 0), 55: ("m³", 1), 56: ("t", 1), 57: ("GJ", 1), 58: ("min", 0), 60: ("s", 0),
    61: ("ms", 0), 62: ("d", 0), 67: ("Hz", 0), 68: ("°", 0), 85: ("%RH", 0), 86: ("%O2", 0), 87: ("m/s", 0),
    88: ("kJ/kg", 0), 89: ("pH", 0), 90: ("g/kg", 0),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One register's value as it was sent, and what it is worth."""

    register: int  # the maker's number
    unit_code: int
    sign_exponent: int
    data: bytes  # the integer, high byte first
    unit: str
    value: Value
    error: str = ""  # why there is no value
    range: tuple[int, int] = (0, 0)  # in the plain frame; without the head where it stands only once
    summer_minutes: int = 0  # unit 79: how much summer time the clock shows

    @property
    def raw(self) -> int:
        """The integer alone."""
        return int.from_bytes(self.data, "big")

    @property
    def exponent(self) -> int:
        """The power of ten it is multiplied with."""
        size = self.sign_exponent & _EXPONENT
        return -size if self.sign_exponent & _EXPONENT_MINUS else size


def field(
    register: int, unit_code: int, sign_exponent: int, data: bytes, place: tuple[int, int] = (0, 0)
) -> Field:
    """A register's value from its parts; whatever cannot be made out has ``error`` and no value."""
    unit, value, error, summer = "", None, "", 0
    if not data:
        error = "no value"
    elif unit_code in _CODED:
        value, error = _CODED[unit_code](data)
        summer = data[0] if unit_code == DATE_AND_TIME and value is not None else 0
    elif unit_code in _UNITS:
        unit, more = _UNITS[unit_code]
        value = number(sign_exponent, data, more)
    else:
        value, error = bytes(data), f"unit {unit_code} is not known"
    return Field(register, unit_code, sign_exponent, bytes(data), unit, value, error, place, summer)


def unit_words(code: int) -> str:
    """A unit's number and what people write for it."""
    return f"{code} {_CODED_WORDS.get(code) or _UNITS.get(code, ('unknown', 0))[0]}".rstrip()


def exponent_words(sign_exponent: int) -> str:
    """What the byte of sign and exponent does to the integer."""
    size = sign_exponent & _EXPONENT
    exponent = f"× 10^{'-' if sign_exponent & _EXPONENT_MINUS and size else ''}{size}"
    return f"minus, {exponent}" if sign_exponent & _MINUS else exponent


def number(sign_exponent: int, data: bytes, more: int = 0) -> Decimal:
    """The exact number; its decimals are those that were sent. ``more``: powers of ten of the unit."""
    integer = int.from_bytes(data, "big")
    size = sign_exponent & _EXPONENT
    exponent = (-size if sign_exponent & _EXPONENT_MINUS else size) + more
    negative = bool(sign_exponent & _MINUS) and integer != 0
    return Decimal((int(negative), tuple(map(int, str(integer))), exponent))


def _clock(data: bytes) -> tuple[Value, str]:
    """hhmmss; 24:00 is the end of a day, for which Python's clock has no word."""
    minutes, second = divmod(int.from_bytes(data, "big"), 100)
    hour, minute = divmod(minutes, 100)
    if (hour, minute, second) == (24, 0, 0):
        return "24:00:00", ""
    if hour > 23 or minute > 59 or second > 59:
        return None, f"no such time: {int.from_bytes(data, 'big')}"
    return time(hour, minute, second), ""


def _date(data: bytes) -> tuple[Value, str]:
    """As yymmdd of this century or as yyyymmdd."""
    told = int.from_bytes(data, "big")
    if told == 0:
        return None, "no value"
    months, day = divmod(told, 100)
    year, month = divmod(months, 100)
    return _on(2000 + year if year < 100 else year if year in _YEARS else 0, month, day, told)


def _on(year: int, month: int, day: int, told: int | str) -> tuple[Value, str]:
    try:
        return date(year, month, day), ""
    except (ValueError, OverflowError):
        return None, f"no such date: {told}"


def _day(data: bytes) -> tuple[Value, str]:
    """mmdd: a day of every year."""
    told = int.from_bytes(data, "big")
    month, day = divmod(told, 100)
    found, error = _on(2000, month, day, told)  # a leap year: 29 February is a day
    return (f"{month:02d}-{day:02d}", "") if found else (None, error)


def _date_and_time(data: bytes) -> tuple[Value, str]:
    """Minutes of summer time, then year, month, day, hour, minute, second."""
    if len(data) != _STAMP_LENGTH:
        return None, f"no such time: {data.hex().upper()}"
    if not any(data[1:]):
        return None, "no value"
    year, month, day, hour, minute, second = data[1:]
    try:
        return datetime(2000 + year, month, day, hour, minute, second), ""  # noqa: DTZ001 - the meter's own clock
    except ValueError:
        return None, f"no such time: {data.hex().upper()}"


def _text(data: bytes) -> tuple[Value, str]:
    words = data.decode("latin-1").strip("\0 ")
    return "".join(sign if sign.isprintable() else " " for sign in words), ""


def _bits(data: bytes) -> tuple[Value, str]:
    return int.from_bytes(data, "big"), ""


_CODED = {
    CLOCK: _clock,
    DATE: _date,
    LONG_DATE: _date,
    DAY: _day,
    ASCII: _text,
    BITS: _bits,
    DATE_AND_TIME: _date_and_time,
}

_CODED_WORDS = {
    CLOCK: "hhmmss",
    DATE: "yymmdd",
    LONG_DATE: "yyyymmdd",
    DAY: "mmdd",
    ASCII: "text",
    BITS: "bits",
    DATE_AND_TIME: "date and time",
}
