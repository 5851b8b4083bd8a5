"""Data records written: DIF, DIFE and data fields from plain values (EN 13757-3, clause 6, annex A)."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date, datetime, time
    from decimal import Decimal

INSTANTANEOUS, MAXIMUM, MINIMUM, ERROR = range(4)

_INTEGER_DIF = {1: 0x1, 2: 0x2, 3: 0x3, 4: 0x4, 6: 0x6, 8: 0x7}
_BCD_DIF = {2: 0x9, 4: 0xA, 6: 0xB, 8: 0xC, 12: 0xE}
NO_DATA, REAL32, SELECTION, LVAR = 0x0, 0x5, 0x8, 0xD


def integer_dif(size: int) -> int:
    """Data field code of an integer of ``size`` bytes (1, 2, 3, 4, 6 or 8)."""
    return _INTEGER_DIF[size]


def bcd_dif(digits: int) -> int:
    """Data field code of a BCD number of ``digits`` digits (2, 4, 6, 8 or 12)."""
    return _BCD_DIF[digits]


def dib(
    data_field: int, *, function: int = INSTANTANEOUS, storage: int = 0, tariff: int = 0, subunit: int = 0
) -> bytes:
    """DIF with as many DIFEs as storage, tariff and subunit need (clause 6.3)."""
    if min(storage, tariff, subunit) < 0:
        raise ValueError("storage, tariff and subunit are not negative")
    out = bytearray((data_field | function << 4 | (storage & 1) << 6,))
    storage >>= 1
    while storage or tariff or subunit:
        out[-1] |= 0x80
        out.append(storage & 0xF | (tariff & 3) << 4 | (subunit & 1) << 6)
        storage, tariff, subunit = storage >> 4, tariff >> 2, subunit >> 1
    if len(out) > 11:
        raise ValueError("more than ten DIFE")
    return bytes(out)


def integer(value: int, size: int) -> bytes:
    """Type B: two's complement, low byte first."""
    try:
        return value.to_bytes(size, "little", signed=True)
    except OverflowError:
        raise ValueError(f"{value} does not fit a signed integer of {size} bytes") from None


def unsigned(value: int, size: int) -> bytes:
    """Type C or D: unsigned or bit field, low byte first."""
    try:
        return value.to_bytes(size, "little")
    except OverflowError:
        raise ValueError(f"{value} does not fit {size} unsigned bytes") from None


def bcd(value: int, digits: int) -> bytes:
    """Type A: packed digits, low byte first; F in the top digit is the minus sign."""
    text = f"F{-value:0{digits - 1}d}" if value < 0 else f"{value:0{digits}d}"
    if len(text) > digits:
        raise ValueError(f"{value} does not fit {digits} BCD digits")
    return bytes.fromhex(text)[::-1]


def real32(value: float | Decimal) -> bytes:
    """Type H: IEEE 754 single precision, low byte first."""
    return struct.pack("<f", value)


def date_g(day: date | None) -> bytes:
    """Type G, two bytes; None is FF FF, "no value"."""
    if day is None:
        return b"\xff\xff"
    year = _two_digits(day.year)
    return bytes((day.day | (year & 0x07) << 5, day.month | (year & 0x78) << 1))


def date_time_f(moment: datetime | None, *, summer_time: bool = False) -> bytes:
    """Type F, four bytes, to the minute; None sets the "invalid" bit on zeros."""
    if moment is None:
        return b"\x80\x00\x00\x00"
    hundred = (moment.year - 1900) // 100
    hour = moment.hour | hundred << 5 | (0x80 if summer_time else 0)
    return bytes((moment.minute, hour)) + date_g(moment.date())


def date_time_i(moment: datetime, *, summer_time: bool = False) -> bytes:
    """Type I, six bytes, to the second, with the day of the week (Monday = 1)."""
    second = moment.second | (0x40 if summer_time else 0)
    weekday = moment.isoweekday()
    return bytes((second, moment.minute, moment.hour | weekday << 5)) + date_g(moment.date()) + b"\x00"


def time_j(moment: time) -> bytes:
    """Type J, three bytes: second, minute, hour."""
    return bytes((moment.second, moment.minute, moment.hour))


def lvar_text(text: str) -> bytes:
    """LVAR 00 to BF: ISO 8859-1, last character first."""
    raw = text.encode("latin-1")
    if len(raw) > 0xBF:
        raise ValueError(f"a text of {len(raw)} characters does not fit an LVAR field (191)")
    return bytes((len(raw),)) + raw[::-1]


def lvar_bcd(value: int) -> bytes:
    """LVAR C0 to C9 and D0 to D9: a BCD number, positive or negative."""
    digits = f"{abs(value):d}"
    digits = digits.zfill(len(digits) + len(digits) % 2)
    size = len(digits) // 2
    if size > 9:
        raise ValueError(f"{value} does not fit an LVAR BCD field of nine bytes")
    return bytes(((0xD0 if value < 0 else 0xC0) + size,)) + bytes.fromhex(digits)[::-1]


def lvar_binary(value: int) -> bytes:
    """LVAR E0 to EF: a signed integer of up to 15 bytes."""
    size = max(1, math.ceil((value.bit_length() + 1) / 8))
    if size > 15:
        raise ValueError(f"{value} does not fit an LVAR binary field of 15 bytes")
    return bytes((0xE0 + size,)) + value.to_bytes(size, "little", signed=True)


def plain_text_vib(unit: str, vifes: bytes = b"") -> bytes:
    """VIF 7C/FC in the standard's order: VIFEs before length and text (clause 6.4.3)."""
    return bytes((0xFC if vifes else 0x7C,)) + vifes + lvar_text(unit)


def record(dib_bytes: bytes, vib: bytes, data: bytes = b"") -> bytes:
    """One data record: DIB, VIB, data."""
    return dib_bytes + vib + data


def _two_digits(year: int) -> int:
    if not 1981 <= year <= 2080:
        raise ValueError(f"the year {year} cannot be told by two digits (1981 to 2080)")
    return year % 100
