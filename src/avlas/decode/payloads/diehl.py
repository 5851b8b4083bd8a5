"""Diehl, Hydrometer, Sappel: PRIOS (IZAR radio modules), obfuscated real data, and the maker's default keys.

PRIOS, CI A0-A7, behind the CI field:

    period and general alarm(1) battery and alarms(1) alarms(1) unknown(1) | 4B total(4) [target value(4) date(2)]

The part behind the bar is combined with the output of a 32-bit linear feedback shift register, seeded with an
8-byte key, the link address and the first four bytes from the CI on. That hides nothing from anyone who knows
the public default keys: ``SECURITY`` says so. 4B is the block's only check; implausible values count as damage.
Counters are in litres, low byte first; the date is of type G.

The address field is not the standard's: version and type stand before the identification (link.py puts them
right), and Sappel's holds a coded serial number and no type.

Real data: CI 7A with bit 4 of the security mode set. Behind the header ordinary records are hidden by the same
register; the configuration field's second byte holds the sum of the plain bytes (bit 4 left out).

Source: the public IZAR and PRIOS descriptions (wmbusmeters and izar-wmbus-esp projects).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from avlas.decode.payloads.blocks import counted, little
from avlas.decode.types import Record
from avlas.decode.values import type_g

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from avlas.decode.types import Address, Header

MAKERS = frozenset({"DME", "EWT", "HYD", "SAP", "SPL"})
PRIOS_CIS = frozenset(range(0xA0, 0xA8))
SECURITY = "LFSR (not secure)"
DEFAULT_KEY_NOTE = "public key"
_HALF_KEYS = (bytes.fromhex("39BC8A10E66D83F8"), bytes.fromhex("51728910E66D83F8"))
DEFAULT_AES_KEY = _HALF_KEYS[1] * 2
HIDDEN_FROM = 15  # offset in the telegram of the hidden part, for PRIOS and real data alike
_TAPS = (1, 2, 11, 31)
_CHECK, _SUM_MASK, _REAL_DATA = 0x4B, 0xEF, 0x10
_HIGHEST_LITRES, _YEARS = 10**9, range(2000, 2061)
ALARM_VIB = b"\xfd\x17"


def is_prios(who: Address | None, ci: int) -> bool:
    """Whether a telegram is a PRIOS one."""
    return who is not None and who.manufacturer in MAKERS and ci in PRIOS_CIS


def is_real_data(who: Address | None, ci: int, mode: int) -> bool:
    """Whether the records behind a short header are hidden by the shift register."""
    return who is not None and who.manufacturer in MAKERS and ci == 0x7A and bool(mode & _REAL_DATA)


def real_address(who: Address) -> Address:
    """A PRIOS sender with the version and device type it has: Sappel's address holds a number instead."""
    return replace(who, version=0x00, device_type=0x07) if who.manufacturer == "SAP" else who


def seeds(key: bytes | None) -> Iterator[int]:
    """What the register may be seeded with: the meter's own key (its first 8 bytes), then the default ones."""
    for half in (*((key[:8].ljust(8, b"\0"),) if key else ()), *_HALF_KEYS):
        yield int.from_bytes(half[:4], "big") ^ int.from_bytes(half[4:], "big")


def uncover(plain: bytes, end: int, seed: int) -> bytes:
    """The hidden bytes of a telegram (link address at 2, CI at 10) with the register so seeded."""
    register = seed
    for start in (2, 6, 10):
        register ^= int.from_bytes(plain[start : start + 4], "big")
    found = bytearray()
    for byte in plain[HIDDEN_FROM:end]:
        for _ in range(8):
            bit = sum(register >> tap & 1 for tap in _TAPS) & 1
            register = (register << 1 | bit) & 0xFFFFFFFF
        found.append(byte ^ register & 0xFF)
    return bytes(found)


def prios_key_fits(block: bytes) -> bool:
    """Whether an uncovered block has the check byte and is long enough for a total."""
    return len(block) >= 5 and block[0] == _CHECK


def prios_is_plausible(block: bytes) -> bool:
    """One byte is a weak check: totals must be possible, not fall, and the date must exist or be missing."""
    now = little(block, 1, 4)
    if now >= _HIGHEST_LITRES or (len(block) >= 9 and little(block, 5, 4) > now):
        return False
    if len(block) < 11 or not any(block[9:11]):
        return True
    day = type_g(block[9:11])[0]
    return isinstance(day, date) and day.year in _YEARS


def real_data_fits(content: bytes, announced: int) -> bool:
    """Whether the sum of the uncovered bytes is the one in the configuration field."""
    return sum(content) & _SUM_MASK == announced & _SUM_MASK


def read(_header: Header, block: Record, _others: Sequence[Record]) -> list[Record]:
    """Total, target value with its date, battery, transmission period and alarms of a PRIOS block."""
    head, content = block.data[:4], block.data[4:]
    if not prios_key_fits(content):
        return []
    start = block.range[0]
    at = start + 4
    made = [counted("volume", "m³", Decimal(little(content, 1, 4)).scaleb(-3), "13", content, (1, 5), at)]
    if len(content) >= 9:
        target = Decimal(little(content, 5, 4)).scaleb(-3)
        made.append(counted("volume", "m³", target, "13", content, (5, 9), at, storage=1))
    if len(content) >= 11:
        day = type_g(content[9:11])[0]
        if isinstance(day, date):
            made.append(
                Record("date", "", day, storage=1, vif_key="6C", range=(at + 9, at + 11), data=content[9:11])
            )
    years = Decimal(head[1] & 0x1F) / 2
    alarms = (head[0] >> 7) << 16 | (head[1] & 0xE0) << 3 | head[2]
    flags = counted("error_flags", "", alarms, "FD17", head, (0, 3), start)
    return [
        *made,
        counted("battery_left", "year", years, "", head, (1, 2), start),
        counted("transmission_period", "s", 4 << (head[0] & 0x0F), "", head, (0, 1), start),
        replace(flags, vib=ALARM_VIB),
    ]
