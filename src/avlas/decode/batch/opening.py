"""Decrypting many frames of one shape at once: AES block by block by the meters' contexts, the modes in columns.

Encrypted parts are replaced in place. CTR of the extended link layer: frames xor E(counter blocks); mode 5 and 7 (CBC):
D(block) xor the block before (EN 13757-7 clause 9; EN 13757-4 clause 13.2; OMS volume 2 clause 9).
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from operator import call
from typing import TYPE_CHECKING

import numpy as np

from avlas.decode import security
from avlas.decode.afl import AUTHENTICATED_AT, MAC_AT
from avlas.decode.ell import CHANGED_ON_THE_WAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from avlas.decode.batch.keyring import Keyring, Update

_BLOCK = security.BLOCK
_MOST_BLOCKS = 16
_STRIDE = _BLOCK * (_MOST_BLOCKS + 1) + 16  # update_into wants a block less one byte of room behind
ROWS = 4096  # the most frames at a time: what is worked on then stays in the processor's cache


class _Scratch:
    """Where contexts write to; making the places costs more than using them, so they are kept."""

    def __init__(self) -> None:
        whole = memoryview(bytearray(ROWS * _STRIDE))
        self.places = [whole[at : at + _STRIDE] for at in range(0, len(whole), _STRIDE)]
        self.rows = np.frombuffer(whole, np.uint8).reshape(ROWS, _STRIDE)


_free: list[_Scratch] = []  # as many as ever were in use at the same time, in whatever threads


@contextmanager
def _through(contexts: list[Update], blocks: np.ndarray) -> Iterator[np.ndarray]:
    """Each row of ``blocks`` (rows, 16 n) through its context, as uint8 (rows, 16 n) to use inside ``with``."""
    try:
        scratch = _free.pop()
    except IndexError:
        scratch = _Scratch()
    try:
        parts = np.ascontiguousarray(blocks).view(f"V{blocks.shape[1]}")[:, 0].tolist()
        deque(map(call, contexts, parts, scratch.places), maxlen=0)
        yield scratch.rows[: len(parts), : blocks.shape[1]]
    finally:
        _free.append(scratch)


def ell_ctr(frames: np.ndarray, end: int, ring: Keyring, handles: np.ndarray) -> None:
    """Open frames (rows, width) uint8 from CI 8D at byte 10 on, in place; the first two bytes are the payload CRC."""
    start = 17
    count = (end - start + _BLOCK - 1) // _BLOCK
    counters = np.zeros((len(frames), count, _BLOCK), np.uint8)
    counters[:, :, :8] = frames[:, None, 2:10]
    counters[:, :, 8] = (frames[:, 11] & (0xFF & ~CHANGED_ON_THE_WAY))[:, None]
    counters[:, :, 9:13] = frames[:, None, 13:17]
    counters[:, :, 15] = np.arange(count, dtype=np.uint8)
    blocks = counters.reshape(len(frames), count * _BLOCK)
    with _through(ring.encryptors(handles), blocks) as stream:
        frames[:, start:end] ^= stream[:, : end - start]


def mode_5(
    frames: np.ndarray, body: int, blocks: int, vectors: np.ndarray, ring: Keyring, handles: np.ndarray
) -> None:
    """Open ``blocks`` blocks from ``body`` on, in place; ``vectors``: initial vectors (rows, 16) uint8."""
    end = body + blocks * _BLOCK
    cipher = np.ascontiguousarray(frames[:, body:end])
    with _through(ring.decryptors(handles), cipher) as opened:
        frames[:, body : body + _BLOCK] = opened[:, :_BLOCK] ^ vectors
        frames[:, body + _BLOCK : end] = opened[:, _BLOCK:] ^ cipher[:, :-_BLOCK]


def mode_7(
    frames: np.ndarray, tpl_at: int, body: int, blocks: int, end: int, addresses: np.ndarray,
    ring: Keyring, handles: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Open mode 7 in place, one by one since every message has keys of its own; gives which have a right MAC (bool)."""
    right = np.zeros(len(frames), bool)
    stop = body + blocks * _BLOCK
    counters = frames[:, tpl_at - 12 : tpl_at - 8]
    identifications = addresses.view(np.uint8).reshape(-1, 8)[:, 2:6]
    keys = _mode_7_keys(counters, identifications, ring.encryptors(handles))
    for row, (opening, proof) in enumerate(keys):
        frame = frames[row, :end].tobytes()
        afl = frame[tpl_at - 17 : tpl_at]
        if security.mac_fits(proof, afl[AUTHENTICATED_AT:MAC_AT] + frame[tpl_at:], afl[MAC_AT:]):
            frames[row, body:stop] = np.frombuffer(security.mode_7(opening, frame[body:stop]), np.uint8)
            right[row] = True
    return right


def _mode_7_keys(
    counters: np.ndarray, identifications: np.ndarray, encryptors: list[Update]
) -> list[tuple[bytes, bytes]]:
    """Encryption and authentication key of each message (``security.encryption_key``, ``security.authentication_key``).

    Both are the CMAC of a single block: E(block xor K1), K1 being E(0) doubled (RFC 4493, 2.3 and 2.4).
    """
    count = len(counters)
    with _through(encryptors, np.zeros((count, _BLOCK), np.uint8)) as last:
        subkey = last << 1
        subkey[:, :-1] |= last[:, 1:] >> 7
        subkey[:, -1] ^= 0x87 * (last[:, 0] >> 7)
    blocks = np.empty((count, 2, _BLOCK), np.uint8)
    blocks[:, :, 0] = security.ENCRYPTION, security.AUTHENTICATION
    blocks[:, :, 1:5] = counters[:, None]
    blocks[:, :, 5:9] = identifications[:, None]
    blocks[:, :, 9:] = security.KDF_PADDING[0]
    blocks ^= subkey[:, None]
    with _through(encryptors, blocks.reshape(count, 2 * _BLOCK)) as keys:
        raw = keys.tobytes()
    size = 2 * _BLOCK
    return [(raw[at : at + _BLOCK], raw[at + _BLOCK : at + size]) for at in range(0, len(raw), size)]
