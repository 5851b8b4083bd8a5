"""Security modes 2 and 3 (EN 13757-3:2013 clause 5.12): DES in CBC, read for the sake of old meters.

The low byte of the configuration field counts the encrypted bytes, whole blocks of eight; they begin with 2F 2F.
Mode 2 has an initial vector of zeros. Mode 3 has identification(4) manufacturer(2) and the day on which the meter
encrypted(2, type G). Only the last two bytes of the first block depend on that day, so it is taken from the meter's
clock that the telegram itself tells, when with it all is made of sound records and no other day would do.

DES keys can be found by trying them all. What was read this way proves nothing: it ranks with content in clear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC

from avlas.decode import records
from avlas.decode.errors import HeaderError, Unsupported, WrongKey
from avlas.decode.security import CHECK

if TYPE_CHECKING:
    from collections.abc import Iterator

MODES = (2, 3)
KEY_LENGTH = 8
_BLOCK = 8
_DAY_AT = 6  # in the first block and the initial vector
# DIF and VIF of a meter's clock: where the day stands in the data
_CLOCKS = {b"\x02\x6c": 0, b"\x04\x6d": 2, b"\x06\x6d": 3}


def encrypted_length(configuration: int) -> int:
    """How many bytes are encrypted. Raises HeaderError when they are no whole blocks."""
    length = configuration & 0xFF
    if length % _BLOCK:
        raise HeaderError(f"{length} encrypted bytes are announced: DES has blocks of {_BLOCK}")
    return length


def decrypted(mode: int, key: bytes, sender: bytes, content: bytes, clear: bytes) -> bytes:
    """What the key makes of the encrypted ``content``: begins with 2F 2F when it fits. ``clear`` is what follows.

    ``key``: 8 bytes, or 16 of which the first 8 count. ``sender``: the meter's address bytes in link order. Raises
    WrongKey for a key of another length, Unsupported when mode 3 does not say the day.
    """
    if len(key) not in (KEY_LENGTH, 2 * KEY_LENGTH):
        raise WrongKey(f"the key has {len(key)} bytes; DES needs {KEY_LENGTH} (16 hexadecimal digits)")
    initial = bytes(_BLOCK) if mode == 2 else sender[2:6] + sender[:2] + bytes(_BLOCK - _DAY_AT)
    # the same key three times makes plain DES of triple DES
    cipher = Cipher(TripleDES(key[:KEY_LENGTH] * 3), CBC(initial)).decryptor()
    found = cipher.update(content) + cipher.finalize()
    if mode == 2 or found[: len(CHECK)] != CHECK:
        return found
    fitting = {whole for day in _days(found + clear) if _says((whole := _with_day(found, day)) + clear, day)}
    if len(fitting) != 1:
        raise Unsupported(
            "security mode 3 needs the day on which the meter encrypted: the telegram does not say it"
        )
    return fitting.pop()


def _with_day(found: bytes, day: bytes) -> bytes:
    last = bytes(a ^ b for a, b in zip(found[_DAY_AT:_BLOCK], day, strict=True))
    return found[:_DAY_AT] + last + found[_BLOCK:]


def _days(content: bytes) -> Iterator[bytes]:
    """Every two bytes that may be the day of the meter's clock and do not depend on the day themselves."""
    for mark, place in _CLOCKS.items():
        at = content.find(mark)
        while at >= 0:
            start = at + len(mark) + place
            if start + 2 <= min(len(content), _DAY_AT) or _BLOCK <= start <= len(content) - 2:
                yield content[start : start + 2]
            at = content.find(mark, at + 1)


def _says(content: bytes, day: bytes) -> bool:
    """Whether all of it are sound records and one of them is a clock of this day."""
    walk = records.Walk(content, len(CHECK), len(content), lambda *_: None)
    clocks = [(one, _CLOCKS.get(one.dib + one.vib)) for one in walk.records]
    return not walk.broken and any(
        place is not None and one.data[place : place + 2] == day and not one.error for one, place in clocks
    )
