"""Data fields become values (EN 13757-3 annex A: types A to M; LVAR table of clause 6.3.3).

Numbers stay exact: BCD and integers become int, or Decimal with the exponent the VIF gives.
"""

from __future__ import annotations

import struct
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from math import isfinite
from typing import TYPE_CHECKING

from avlas.decode.errors import RecordError

if TYPE_CHECKING:
    from avlas.decode.types import Value

_EXACT = Context(prec=400)


def scaled(raw: int, exponent: int) -> int | Decimal:
    """``raw`` x 10^``exponent``, exact; the Decimal's exponent keeps the decimals as sent."""
    return _EXACT.scaleb(Decimal(raw), exponent) if exponent else raw


def integer(data: bytes, *, unsigned: bool) -> int | None:
    """Binary integer, low byte first: type C (unsigned) or type B, whose lowest value means "invalid"."""
    if unsigned:
        return int.from_bytes(data, "little")
    number = int.from_bytes(data, "little", signed=True)
    return None if data and number == -(1 << (8 * len(data) - 1)) else number


def bcd(data: bytes) -> tuple[int | None, str]:
    """Type A, low byte first: (number, "") or (None, why). F in the top digit is a minus sign."""
    digits = data[::-1].hex()
    if digits.isdecimal():
        return int(digits), ""
    if digits[:1] == "f" and digits[1:].isdecimal():
        return -int(digits[1:]), ""
    if not digits.strip("f"):
        return None, "no value"
    return None, f"not decimal digits: {digits.upper()}"


def text(data: bytes) -> str:
    """Text, sent last character first; UTF-8 when it is valid UTF-8, else ISO 8859-1."""
    turned = data[::-1]
    try:
        decoded = turned.decode("utf-8")
    except UnicodeDecodeError:
        decoded = turned.decode("latin-1")
    return "".join(c if c.isprintable() else " " for c in decoded.strip("\0"))


def real32(data: bytes) -> tuple[float | None, str]:
    """Type H: IEEE 754 single precision; not-a-number and infinity are no value."""
    (number,) = struct.unpack("<f", data)
    return (number, "") if isfinite(number) else (None, "no value (not a number)")


def scaled_real(number: float, exponent: int, offset: Decimal | None = None) -> float | None:
    """A floating point number times 10^``exponent`` (divided by, where negative: exacter) plus ``offset``."""
    result = number / 10.0**-exponent if exponent < 0 else number * 10.0**exponent
    if offset is not None:
        result += float(offset)
    return result if isfinite(result) else None


def _year(low: int, high: int, century: int = 0) -> int:
    """Two digits below 81 are 20xx; the century bits of type F count only as far as meters can live."""
    year = (low >> 5) | (high & 0xF0) >> 1
    if century == 1:
        return 2000 + year
    return 2000 + year if year < 81 else 1900 + year


def type_g(data: bytes) -> tuple[date | str | None, str]:
    """Date of two bytes. Year 127 means every year and gives "--MM-DD"."""
    low, high = data
    day, month = low & 0x1F, high & 0x0F
    if (low, high) == (0xFF, 0xFF) or not day or not month:
        return None, "no value"
    if (low >> 5 | (high & 0xF0) >> 1) == 127 and month <= 12:
        return f"--{month:02d}-{day:02d}", ""
    try:
        return date(_year(low, high), month, day), ""
    except ValueError:
        return None, f"no such date: day {day}, month {month}"


def _moment(date_bytes: bytes, century: int, hour: int, minute: int, second: int = 0) -> datetime | None:
    low, high = date_bytes
    day, month = low & 0x1F, high & 0x0F
    try:
        whole = datetime(_year(low, high, century), month, day)  # noqa: DTZ001 - the meter's own clock
        if hour == 24 and not minute and not second:
            return whole + timedelta(days=1)
        return whole.replace(hour=hour, minute=minute, second=second)
    except (ValueError, OverflowError):
        return None


def _doubt(value: datetime | None, data: bytes, *, invalid: bool) -> str:
    """Why a time is missing or not to be relied on; "" when it is good."""
    if invalid:
        return "the meter marks its time as invalid"
    return "" if value else f"no such time: {data.hex().upper()}"


def type_f(data: bytes) -> tuple[datetime | None, str, bool]:
    """Date and time of four bytes: (value, why it is missing or doubtful, summer time)."""
    minute, hour, low, high = data
    summer = bool(hour & 0x80)
    if (low, high) == (0xFF, 0xFF) or not low & 0x1F or not high & 0x0F:
        return None, "no value", summer
    value = _moment(data[2:], hour >> 5 & 0x3, hour & 0x1F, minute & 0x3F)
    return value, _doubt(value, data, invalid=bool(minute & 0x80)), summer


def type_i(data: bytes) -> tuple[datetime | None, str, bool]:
    """Date and time with seconds of six bytes: (value, why it is missing or doubtful, summer time)."""
    second, minute, hour, low, high, _ = data
    summer = bool(second & 0x40)
    if (low, high) == (0xFF, 0xFF) or not low & 0x1F or not high & 0x0F:
        return None, "no value", summer
    value = _moment(data[3:5], 0, hour & 0x1F, minute & 0x3F, second & 0x3F)
    return value, _doubt(value, data, invalid=bool(minute & 0x80)), summer


def type_j(data: bytes) -> tuple[str | None, str]:
    """Time of day of three bytes as "HH:MM:SS"."""
    second, minute, hour = data[0] & 0x3F, data[1] & 0x3F, data[2] & 0x1F
    if second > 59 or minute > 59 or hour > 23:
        return None, "no value"
    return f"{hour:02d}:{minute:02d}:{second:02d}", ""


def time_point(data: bytes) -> tuple[Value, str, bool]:
    """A date or time, its type chosen by the length of the field: 2 G, 3 J, 4 F, 6 I."""
    if len(data) == 2:
        return (*type_g(data), False)
    if len(data) == 3:
        return (*type_j(data), False)
    if len(data) == 4:
        return type_f(data)
    if len(data) == 6:
        return type_i(data)
    return None, f"{len(data)} bytes are no date type", False


def lvar_length(lvar: int) -> int:
    """How many data bytes follow this LVAR byte. Raises RecordError for reserved values."""
    if lvar <= 0xBF:
        return lvar
    if lvar <= 0xC9 or 0xD0 <= lvar <= 0xD9:
        return lvar & 0x0F
    if 0xE0 <= lvar <= 0xEF:
        return lvar - 0xE0
    if 0xF0 <= lvar <= 0xF4:
        return 4 * (lvar - 0xEC)
    if lvar in (0xF5, 0xF6):
        return 48 if lvar == 0xF5 else 64
    raise RecordError(f"LVAR {lvar:02X} is reserved: the length of the field is unknown")
