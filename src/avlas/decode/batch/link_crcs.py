"""Checking and removing the link CRCs of many frames at once (EN 13757-4): what ``link.strip_crcs`` does to one.

Format A has a CRC for every 16 bytes. A CRC that starts with 0 is linear and does not see zeros before the data, so all
blocks of all frames, filled up to 16 bytes from the left, become rows of one matrix, and the CRCs are sums of what a
table says of each pair of bytes. Format B mostly has one long block: with its own CRC behind it, its CRC is always the
same, so that nothing has to be cut out before it is known to be right.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from fastcrc.crc16 import en_13757

from avlas.decode.batch.headers import gather
from avlas.decode.errors import FrameError
from avlas.decode.link import BLOCK_A, BLOCK_B, HEADER_LENGTH, strip_crcs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.decode.link import CrcFormat

_CRC = 2
_RESIDUE = en_13757(en_13757(b"").to_bytes(_CRC, "big"))
_BYTES = [bytes([number]) for number in range(256)]
# so that whole blocks can be read, and the L-field of an empty frame
_BEFORE, _AFTER = bytes(BLOCK_A), bytes(1)
_ROWS = 1024  # frames at a time: what is worked on then stays in the processor's cache
_FEW = 16  # below, one by one is quicker
# of a row of 16 bytes the last n, n from 0 to 16, as two words
_LAST = np.frombuffer(
    b"".join(bytes(BLOCK_A - size) + b"\xff" * size for size in range(BLOCK_A + 1)), np.uint64
).reshape(-1, 2)


def without_crcs(frames: Sequence[bytes], format: CrcFormat) -> tuple[list[bytes], dict[int, FrameError]]:  # noqa: A002
    """Check and remove the link CRCs of frames that begin with their L-fields.

    Returns the normalised frames (no CRCs, L counting what follows; bytes after the end that L announces are dropped)
    and why the others have none: row -> FrameError; their places hold nothing, b"".
    """
    found: list[bytes] = []
    errors: dict[int, FrameError] = {}
    for first in range(0, len(frames), _ROWS):
        part = frames[first : first + _ROWS]
        plain, left = _without_a(part) if format == "a-crc" else _without_b(part)
        for row in left:
            try:
                plain[row] = strip_crcs(part[row], format)
            except FrameError as error:
                plain[row], errors[first + row] = b"", error
        found += plain
    return found, errors


# Both ways give the frames, and the rows that are left to the single way: what is wrong with them, it says.


def _without_b(frames: Sequence[bytes]) -> tuple[list[bytes], list[int]]:
    plain, left = [], []
    for row, frame in enumerate(frames):
        total = len(frame)
        usual = HEADER_LENGTH + _CRC <= total <= BLOCK_B + _CRC and frame[0] + 1 == total
        if usual and en_13757(frame) == _RESIDUE:
            plain.append(_BYTES[total - 1 - _CRC] + frame[1:-_CRC])
        else:
            plain.append(b"")
            left.append(row)
    return plain, left


def _without_a(frames: Sequence[bytes]) -> tuple[list[bytes], list[int]]:
    if len(frames) < _FEW:
        return [b""] * len(frames), list(range(len(frames)))
    length = np.fromiter(map(len, frames), np.int64, len(frames))
    buffer = b"".join((_BEFORE, *frames, _AFTER))
    content = np.frombuffer(buffer, np.uint8)
    start = len(_BEFORE) + np.cumsum(length) - length
    total = content[start].astype(np.int64) + 1  # without CRCs
    blocks = 1 + (total - HEADER_LENGTH + BLOCK_A - 1) // BLOCK_A
    right = (total >= HEADER_LENGTH) & (length >= total + _CRC * blocks)
    blocks[~right] = 0
    row = np.repeat(np.arange(len(frames)), blocks)  # of each block the frame
    before = np.cumsum(blocks) - blocks  # blocks of all frames before
    place = np.arange(len(row)) - before[row]  # of each block in its frame
    size = np.minimum(total[row] - HEADER_LENGTH - BLOCK_A * (place - 1), BLOCK_A)
    crc_at = start[row] + HEADER_LENGTH + place * (BLOCK_A + _CRC) - BLOCK_A + size
    head = before[right]
    size[head], crc_at[head] = HEADER_LENGTH, start[right] + HEADER_LENGTH
    right[row[~_fits(buffer, crc_at, size)]] = False
    stays = np.ones(len(content), bool)
    stays[crc_at] = stays[crc_at + 1] = False
    plain = content[stays].tobytes()
    start -= _CRC * before
    ends = (start + total).tolist()
    return [plain[a:b] for a, b in zip(start.tolist(), ends, strict=True)], np.flatnonzero(~right).tolist()


@cache
def _tables() -> list[np.ndarray]:
    """For each pair of bytes of a block what it adds to the CRC, by its value low byte first."""
    single = [
        np.array(
            [en_13757(bytes([byte]) + bytes(BLOCK_A - 1 - at)) ^ 0xFFFF for byte in range(256)], np.uint16
        )
        for at in range(BLOCK_A)
    ]
    low, high = np.arange(1 << 16) & 0xFF, np.arange(1 << 16) >> 8
    return [single[at][low] ^ single[at + 1][high] for at in range(0, BLOCK_A, 2)]


def _fits(buffer: bytes, crc_at: np.ndarray, size: np.ndarray) -> np.ndarray:
    """For blocks of ``size`` bytes, at most 16, before ``crc_at`` whether their CRC is right."""
    found = gather(buffer, crc_at - BLOCK_A, BLOCK_A + _CRC)
    data = found[:, :BLOCK_A].copy()
    short = np.flatnonzero(size < BLOCK_A)
    words = data.view(np.uint64)
    words[short] &= _LAST.take(size[short], axis=0)
    pairs = data.view("<u2")
    crc = ~found[:, BLOCK_A:].copy().view(">u2")[:, 0].astype(np.uint16)
    for column, table in enumerate(_tables()):
        crc ^= table.take(pairs[:, column])
    fits: np.ndarray = crc == 0
    return fits
