"""The wireless link layer (EN 13757-4): frames, CRCs, addresses, 3-out-of-6 coding.

Format A: L C M(2) A(6), CRC, then blocks of 16 bytes, each with its CRC; L counts neither itself nor CRCs.
Format B: L C M(2) A(6) and up to 116 more bytes, CRC, then one more block with its CRC; L counts the CRCs.
Inside Avläs a frame is always *normalised*: L-field first, no CRCs, L counting what follows it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from fastcrc.crc16 import en_13757

from avlas.decode.errors import FrameError
from avlas.decode.types import Address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from avlas.decode.types import Header

CrcFormat = Literal["a-crc", "b-crc"]

HEADER_LENGTH = 10  # L C M(2) A(6)
BLOCK_A = 16
BLOCK_B = 126  # bytes of the first CRC-protected part of format B
_CODES_3_OF_6 = (
    0b010110, 0b001101, 0b001110, 0b001011, 0b011100, 0b011001, 0b011010, 0b010011,
    0b101100, 0b100101, 0b100110, 0b100011, 0b110100, 0b110001, 0b110010, 0b101001,
)  # fmt: skip
_NIBBLES = {code: nibble for nibble, code in enumerate(_CODES_3_OF_6)}
# Makers of the Diehl group send the A-field as version, type, identification in their own payloads.
SWAPPING_MAKERS = frozenset({"DME", "EWT", "HYD", "SPL"})
_SEND_NO_REPLY = frozenset({0x44, 0x46})


def crc16(data: Iterable[int]) -> int:
    """CRC of EN 13757-4 clause 11.5.7: polynomial 3D65, start 0, result inverted.

    The link layer sends it high byte first; ELL payload CRC and compact frames low byte first.
    """
    return en_13757(bytes(data))


def strip_crcs(frame: bytes, format: CrcFormat) -> bytes:  # noqa: A002 - the contract's word
    """Check and remove the link CRCs of one frame that begins with its L-field.

    Returns the normalised frame (no CRCs, L counting what follows). Bytes after the end that L announces
    (a receiver's signal strength, say) are dropped. Raises FrameError when the frame is shorter than L says
    or a CRC is wrong.
    """
    if len(frame) < HEADER_LENGTH + 2:
        raise FrameError(f"{len(frame)} bytes are too few for a wireless frame with CRCs")
    plain = _strip_a(frame) if format == "a-crc" else _strip_b(frame)
    return bytes([len(plain) - 1]) + plain[1:]


def _checked(block: bytes, crc: bytes, where: str) -> bytes:
    if crc16(block) != int.from_bytes(crc, "big"):
        raise FrameError(f"link CRC of {where} is wrong: the frame was damaged on its way")
    return block


def _strip_a(frame: bytes) -> bytes:
    left = frame[0] + 1
    if left < HEADER_LENGTH:
        raise FrameError(f"L-field {frame[0]} is too small for a format A frame")
    parts: list[bytes] = []
    at, size = 0, HEADER_LENGTH
    while left:
        size = min(size, left)
        if len(frame) < at + size + 2:
            raise FrameError(f"frame ends after {len(frame)} bytes inside block {len(parts) + 1}")
        where = f"block {len(parts) + 1}"
        parts.append(_checked(frame[at : at + size], frame[at + size : at + size + 2], where))
        at += size + 2
        left -= size
        size = BLOCK_A
    return b"".join(parts)


def _strip_b(frame: bytes) -> bytes:
    total = frame[0] + 1
    if len(frame) < total:
        raise FrameError(f"L-field announces {total} bytes, only {len(frame)} are there")
    if total < HEADER_LENGTH + 2 or BLOCK_B + 2 < total <= BLOCK_B + 4:
        raise FrameError(f"L-field {frame[0]} is impossible for a format B frame")
    first = min(total - 2, BLOCK_B)
    plain = _checked(frame[:first], frame[first : first + 2], "the first part")
    if total > BLOCK_B + 2:
        plain += _checked(frame[BLOCK_B + 2 : total - 2], frame[total - 2 : total], "the second part")
    return plain


def length_with_crcs_a(l_field: int) -> int:
    """How many bytes a format A frame takes with its CRCs."""
    body = max(0, l_field + 1 - HEADER_LENGTH)
    return l_field + 1 + 2 * (1 + (body + BLOCK_A - 1) // BLOCK_A)


def decode_3_of_6(coded: bytes) -> bytes:
    """Undo the 3-out-of-6 coding of mode T (EN 13757-4 clause 6.4.2): six chips give four bits.

    Left-over chips at the end (the postamble) are ignored. Raises FrameError at the first code that
    is not one of the sixteen.
    """
    bits = int.from_bytes(coded, "big")
    chips = len(coded) * 8
    data = bytearray()
    for index in range(chips // 12):
        shift = chips - 12 * (index + 1)
        high = _NIBBLES.get((bits >> (shift + 6)) & 0x3F)
        low = _NIBBLES.get((bits >> shift) & 0x3F)
        if high is None or low is None:
            raise FrameError(f"byte {index} is not 3-out-of-6 coded")
        data.append(high << 4 | low)
    return bytes(data)


def manufacturer_letters(code: int) -> str:
    """The three letters of a manufacturer code (EN 62056-21; five bits a letter)."""
    return "".join(chr(64 + (code >> shift & 0x1F)) for shift in (10, 5, 0))


def manufacturer_code(letters: str) -> int:
    """The 15-bit code of three letters: "KAM" -> 0x2C2D. Raises ValueError for anything but A-Z."""
    if len(letters) != 3 or not all("A" <= letter <= "Z" for letter in letters):
        raise ValueError(f"not a manufacturer's three letters: {letters!r}")
    first, second, third = (ord(letter) - 64 for letter in letters)
    return first << 10 | second << 5 | third


@lru_cache(maxsize=4096)
def address(raw: bytes) -> Address:
    """The address in eight bytes of link order: M(2) identification(4) version(1) device type(1)."""
    return Address(
        manufacturer=manufacturer_letters(raw[0] | raw[1] << 8),
        identification=raw[5:1:-1].hex().upper(),
        version=raw[6],
        device_type=raw[7],
        raw=raw,
    )


def link_address(frame: bytes) -> Address:
    """The link layer's address of a normalised frame (at least 10 bytes).

    Diehl's own payloads (CI A0-A7, B0, alarms 71, and 7A with bit 12 of the configuration word) put version
    and type before the identification number; SAP's keep the standard order.
    """
    raw = bytes(frame[2:HEADER_LENGTH])
    if len(frame) > HEADER_LENGTH and frame[1] in _SEND_NO_REPLY:
        ci = frame[HEADER_LENGTH]
        own = 0xA0 <= ci <= 0xA7 or ci in (0xB0, 0x71)
        own = own or (ci == 0x7A and len(frame) > 14 and bool(frame[14] & 0x10))
        if own and manufacturer_letters(raw[0] | raw[1] << 8) in SWAPPING_MAKERS:
            raw = raw[:2] + raw[4:] + raw[2:4]
    return address(raw)


def header(frame: bytes, format: str = "auto") -> Header:  # noqa: A002
    """Everything of a telegram that stands in clear: see ``layers.header``."""
    from avlas.decode.layers import header as read_header  # the layers above stand on this module

    return read_header(frame, format)
