"""Apator: water modules AT-WMBUS-16-2, NA-1 and older ones, heat cost allocators E-ITN 30.

AT-WMBUS-16-2 (behind DIF 0F): clock(4) faults(3), then registers, each a number and bytes whose count the
number fixes (``_LENGTHS``); FF ends them. 10 is the total in litres; 7n is a byte and the n + 1 totals stored
last, newest first; 43 counts days since the first run.

NA-1 (CI A0, A1): access number(1) flags(1), then one AES-CBC block with the meter's key (zeros as delivered),
initial vector as in security mode 5; layers.py decrypts it. In it:

    2F | total and scale(4) | clock(4: seconds since 2000) | hours since and use since the stored value(4) | (3)

The total's low four bits come first, then two bits of scale (powers of ten of a litre). The stored value is the
total less 18 bits of use, at the clock less 14 bits of hours.

E-ITN (CI A0, or B6 with a header that its first byte counts): A0 is also the first byte of the block of 16:
season's beginning(2, high byte first) unknown(2) previous season(2) seal broken on(2) this season(2) today(2)
and the mean room temperatures of the previous and this season (2 each, 1/256 °C). Dates: day 5 bits, month 4,
year 5.

The older modules (maker's letters APT, CI A0) begin with a count of thirds of a litre or of a cubic metre.

Sources: public telegrams with known values, and the wmbusmeters project's descriptions.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from avlas.decode.payloads.blocks import counted, little, on_day
from avlas.decode.types import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.decode.types import Address, Header

_LENGTHS = {
    code: length
    for length, codes in (
        (1, (0xA2, 0xA5, 0xA9, 0xAF)),
        (2, (0x11, 0x41, 0x43, 0xA7, 0xA8, *range(0xAA, 0xAE), 0xB4)),
        (3, (0x01, 0x44, 0xA6, *range(0xB6, 0xC8), 0xD0, 0xD3)),
        (4, (0x00, 0x10, 0x42, 0xA0, 0xA1, 0xA4, 0xF0)),
        (5, (0xB0,)),
        (6, (0x40, 0x8B, 0x8C)),
        (7, (0x8E, 0xA3)),
        (8, (0xB1, 0xB3)),
        (9, (0x8A,)),
        (10, (0x80, 0x81, 0x82, 0x83, 0x84, 0x86, 0x87)),
        (11, (0x85, 0x88, 0x8F)),
        (16, (0xB2, 0xB5)),
        *((1 + 4 * (code - 0x6F), (code,)) for code in range(0x71, 0x80)),
    )
    for code in codes
}
_HEAD, _END, _TOTAL, _DAYS, _HISTORY = 7, 0xFF, 0x10, 0x43, range(0x71, 0x80)
NA_1_CIS, _NA_1_BLOCK = frozenset({0xA0, 0xA1}), slice(2, 18)
_EPOCH, _LONGEST_HOURS = datetime(2000, 1, 1), 24 * 62  # noqa: DTZ001 - the meter's own clock
_ALLOCATOR, _HEADED = 16, 0xB6


def at_wmbus_16(_header: Header, block: Record, _others: Sequence[Record]) -> list[Record]:
    """The total, the totals stored before, faults and days; nothing where no whole total is found."""
    data, start = block.data, block.range[1] - len(block.data)
    made: list[Record] = []
    n, total = _HEAD, None
    while n < len(data) and data[n] != _END:
        code, first = data[n], n + 1
        length = _LENGTHS.get(code)
        if length is None or first + length > len(data):
            break
        if code == _TOTAL and total is None:
            total = little(data, first, 4)
            made.append(_litres(total, data, first, start))
        elif code in _HISTORY:
            made += [
                _litres(little(data, at, 4), data, at, start, storage=order, words=("stored before",))
                for order, at in enumerate(range(first + 1, first + length, 4), 1)
            ]
        elif code == _DAYS:
            made.append(counted("on_time", "d", little(data, first, 2), "", data, (first, first + 2), start))
        n = first + length
    if total is None:
        return []
    return [*made, counted("error_flags", "", little(data, 4, 3), "", data, (4, 7), start)]


def _litres(
    litres: int, data: bytes, first: int, start: int, *, storage: int = 0, words: tuple[str, ...] = ()
) -> Record:
    value = Decimal(litres).scaleb(-3)
    place = (first, first + 4)
    return counted("volume", "m³", value, "13", data, place, start, storage=storage, modifiers=words)


def is_na_1(who: Address | None, ci: int) -> bool:
    """Whether layers.py has to decrypt an NA-1 block behind this CI field."""
    return who is not None and ci in NA_1_CIS and (who.manufacturer, who.version) == ("APA", 0x14)


def na_1_fits(block: bytes) -> bool:
    """Whether a decrypted block is an NA-1's: its check byte, and a clock of this century's first half."""
    return block[0] == 0x2F and 2015 <= (_EPOCH + timedelta(seconds=little(block, 5, 4))).year < 2060


def na_1(_header: Header, block: Record, _others: Sequence[Record]) -> list[Record]:
    """Total, the meter's clock, and the stored value with its moment."""
    content = block.data[_NA_1_BLOCK]
    if len(content) < 16 or not na_1_fits(content):
        return []
    start = block.range[0] + 2
    word = little(content, 1, 4)
    # the low nibble, then from bit 8 on; bits 4 and 5 are the scale
    scale = (word >> 4 & 0x03) - 3
    count = word & 0x0F | word >> 8 << 4
    clock = _EPOCH + timedelta(seconds=little(content, 5, 4))
    made = [
        counted("volume", "m³", Decimal(count).scaleb(scale), "13", content, (1, 5), start),
        Record("datetime", "", clock.replace(second=0), vif_key="6D", range=(start + 5, start + 9),
               data=content[5:9]),
    ]  # fmt: skip
    hours, used = content[9] | content[10] >> 2 << 8, content[10] & 0x03 | little(content, 11, 2) << 2
    if 0 < hours <= _LONGEST_HOURS and used <= count:
        stored = Decimal(count - used).scaleb(scale)
        then = clock.replace(second=0) - timedelta(hours=hours)
        made += [
            counted("volume", "m³", stored, "13", content, (9, 13), start, storage=1, moment=then),
            Record("datetime", "", then, storage=1, range=(start + 9, start + 11), data=content[9:11]),
            counted("age", "h", hours, "", content, (9, 11), start, storage=1),
        ]
    return made


def allocator(header: Header, block: Record, _others: Sequence[Record]) -> list[Record]:
    """Heat cost units and mean room temperatures of this and the previous season, and the dates."""
    data, start = bytes([header.ci]) + block.data, block.range[0] - 1
    if header.ci == _HEADED:
        skip = 1 + block.data[0]
        data, start = block.data[skip:], block.range[0] + skip
    today = _date(little(data, 10, 2))
    if len(data) != _ALLOCATOR or data[0] & 0x80 == 0 or today is None:
        return []
    season, broken = int.from_bytes(data[:2], "big"), little(data, 6, 2)
    made = [
        counted("heat_cost_units", "", little(data, 8, 2), "6E", data, (8, 10), start),
        counted("heat_cost_units", "", little(data, 4, 2), "6E", data, (4, 6), start, storage=1),
        Record("date", "", today, vif_key="6C", range=(start + 10, start + 12), data=data[10:12]),
    ]
    for storage, n in ((0, 14), (1, 12)):
        value = Decimal(little(data, n, 2)) / 256
        words = ("mean of the season",)
        made.append(
            counted(
                "external_temperature", "°C", value, "", data, (n, n + 2), start,
                storage=storage, modifiers=words,
            )
        )  # fmt: skip
    for name, n, word in (("season_start_date", 0, season), ("seal_broken_date", 6, broken)):
        day = _date(word)
        if day:
            made.append(Record(name, "", day, range=(start + n, start + n + 2), data=data[n : n + 2]))
    return made


def _date(word: int) -> date | None:
    return on_day(2000 + (word >> 9 & 0x1F), word >> 5 & 0x0F, word & 0x1F)


def pulses_of_a_litre(_header: Header, block: Record, _others: Sequence[Record]) -> list[Record]:
    """The total in thirds of a litre at the block's beginning."""
    return _thirds(block, -3)


def pulses_of_a_cubic_metre(_header: Header, block: Record, _others: Sequence[Record]) -> list[Record]:
    """The total in thirds of a cubic metre at the block's beginning."""
    return _thirds(block, 0)


def _thirds(block: Record, exponent: int) -> list[Record]:
    if len(block.data) < 4:
        return []
    value = (Decimal(little(block.data, 0, 4)) / 3).quantize(Decimal("0.001")).scaleb(exponent)
    return [counted("volume", "m³", value, "13", block.data, (0, 4), block.range[0])]
