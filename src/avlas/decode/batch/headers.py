"""What stands in clear in many telegrams, as columns, without decrypting anything.

The usual shapes are read with numpy; every other telegram goes through ``layers.header`` one by one:

    L C M A(6) CI ...                      CI 78, 79: no header
    L C M A(6) CI acc status cfg(2) ...    CI 7A, 7B; 72 and 73 with the meter's own address before it
    L C M A(6) 8C CC acc  <as above>       extended link layer
    L C M A(6) 8D CC acc SN(4) ...         encrypted by AES-CTR
    L C M A(6) [8C CC acc] 90 0F 002C MCL MCR(4) MAC(8)  72 or 7A with configuration extension: mode 7
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from avlas.decode.batch.columns import NONE
from avlas.decode.errors import DecodeError
from avlas.decode.layers import header
from avlas.decode.link import SWAPPING_MAKERS, address, manufacturer_code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.decode.types import Address, Header

# How the content is found: by the single decoder, in clear, or decrypted in one of three ways.
SINGLE, CLEAR, ELL_CTR, MODE_5, MODE_7 = range(5)
SECURITY_NAMES: list[str] = ["none", "none", "ell-ctr", "mode 5", "mode 7"]  # grows by what else is met
_SWAPPING = np.array([manufacturer_code(letters) for letters in sorted(SWAPPING_MAKERS)], np.uint16)
_WIDTH = 48  # bytes that hold every header of the usual shapes
_LEAST = 11
_TAIL = bytes(576)  # so that whole words can be read behind the last frame
_AFL_LENGTH, _AFL_FIELDS, _AFL_CMAC_8 = 0x0F, 0x2C00, 0x05
_NO_HEADER, _SHORT, _LONG = 1, 2, 3
_TPL = np.zeros(256, np.int8)
_TPL[[0x78, 0x79]] = _NO_HEADER
_TPL[[0x7A, 0x7B]] = _SHORT
_TPL[[0x72]] = _LONG
_TPL_LENGTH = np.array([0, 1, 5, 13], np.int16)  # CI and header


@dataclass(frozen=True, slots=True)
class Headers:
    """What stands in clear, as columns of n rows; ``frames`` have no link CRCs."""

    frames: Sequence[bytes]
    wired: bool
    address: (
        np.ndarray
    )  # uint64: the meter's own address, its eight bytes low byte first; 0 when there is none
    class_code: np.ndarray  # int64: wired << 24 | C << 16 | CI << 8 | length, at most 255
    security: np.ndarray  # int8: index into SECURITY_NAMES, as the header announces
    counter: np.ndarray  # int64: ELL session number or AFL message counter
    problems: dict[int, DecodeError]  # row -> why it has no address
    # For the batch decoder: where each frame begins in ``buffer`` and how long it is, by which way its content is
    # found (SINGLE, CLEAR, ...), offsets in the frame of the transport layer's CI (or 8D) and of what follows the
    # last clear header, and everything of header and length that a layout depends on, packed (0: SINGLE).
    buffer: bytes = field(repr=False)
    offset: np.ndarray = field(repr=False)  # int64
    length: np.ndarray = field(repr=False)  # int64
    way: np.ndarray = field(repr=False)  # int8
    body: np.ndarray = field(repr=False)  # int16
    tpl_at: np.ndarray = field(repr=False)  # int16
    shape: np.ndarray = field(repr=False)  # int64

    def __len__(self) -> int:
        return len(self.address)


def address_of(raw: int) -> Address:
    """The address behind a number of ``Headers.address``. Raises OverflowError for what is none."""
    return address(raw.to_bytes(8, "little"))


def headers(frames: Sequence[bytes], *, wired: bool = False) -> Headers:
    """Read addresses, classes and counters of ``frames``; never raises."""
    count = len(frames)
    length = np.fromiter(map(len, frames), np.int64, count)
    offset = np.zeros(count, np.int64)
    np.cumsum(length[:-1], out=offset[1:])
    found = Headers(
        frames, wired, np.zeros(count, np.uint64), np.zeros(count, np.int64), np.zeros(count, np.int8),
        np.full(count, NONE, np.int64), {}, b"".join((*frames, _TAIL)), offset, length,
        np.zeros(count, np.int8), np.zeros(count, np.int16), np.zeros(count, np.int16), np.zeros(count, np.int64),
    )  # fmt: skip
    if count and not wired:
        _read(found)
    for row in np.flatnonzero(found.way == SINGLE).tolist():
        _read_one(found, row)
    return found


def gather(buffer: bytes, offset: np.ndarray, width: int) -> np.ndarray:
    """``width`` bytes from each offset, as uint8 (rows, width); the buffer must go on so far."""
    view: np.ndarray = np.ndarray((len(buffer) - width + 1,), f"V{width}", buffer, 0, (1,))
    taken: np.ndarray = view[offset].view(np.uint8).reshape(len(offset), width)
    return taken


def _read(found: Headers) -> None:
    head = gather(found.buffer, found.offset, _WIDTH)
    flat = head.reshape(-1)
    start = np.arange(
        0, len(flat), _WIDTH
    )  # of each row in ``flat``; taking from it is quicker than by two indices

    def u16(at: np.ndarray) -> np.ndarray:
        where = start + at
        both: np.ndarray = flat.take(where) | flat.take(where + 1).astype(np.int32) << 8
        return both

    length = found.length
    usual = (head[:, 0] + np.int64(1) == length) & (length > _LEAST)
    first = head[:, 10]
    # an unencrypted 8C may come before everything but 8D
    at = np.where(first == 0x8C, np.int16(13), np.int16(10))
    afl = flat.take(start + at) == 0x90
    if afl.any():
        fields = u16(at + 2)
        usual &= ~afl | (
            (flat.take(start + at + 1) == _AFL_LENGTH)
            & (fields == _AFL_FIELDS)
            & (flat.take(start + at + 4) & 0x0F == _AFL_CMAC_8)
        )
        at = np.where(afl, at + np.int16(_AFL_LENGTH + 2), at)
    ci = flat.take(start + at)
    shape = _TPL.take(ci)
    body = at + _TPL_LENGTH.take(shape)
    session = first == 0x8D
    body = np.where(session, np.int16(17), body)
    configured = shape >= _SHORT
    configuration = np.where(configured, u16(body - 2), 0)
    mode, blocks = configuration >> 8 & 0x1F, configuration >> 4 & 0x0F
    way = np.full(len(length), SINGLE, np.int8)
    way[(shape > 0) & ((mode == 0) | ((mode == 5) & (blocks == 0))) & ~afl] = CLEAR
    way[(shape > 0) & (mode == 5) & (blocks > 0) & ~afl] = MODE_5
    way[(shape > 0) & (mode == 7) & (blocks > 0) & afl] = MODE_7
    way[session] = np.where(head[session, 16] >> 5 == 1, ELL_CTR, SINGLE)
    body = np.where(way == MODE_7, body + np.int16(1), body)  # the configuration extension
    if _SWAPPING.size:  # Diehl's group may turn the address round: see link.link_address
        maker = head[:, 2].astype(np.uint16) | head[:, 3].astype(np.uint16) << 8
        turned = (first >= 0xA0) | (first == 0x71) | ((first == 0x7A) & (head[:, 14] & 0x10 != 0))
        usual &= ~(np.isin(maker, _SWAPPING) & turned)
    encrypted = np.where(way == ELL_CTR, 0, blocks << 4)
    body_of_crc = np.where(way == ELL_CTR, body + np.int16(2), body)  # a payload CRC comes first
    way[~usual | (body_of_crc >= length) | ((way >= MODE_5) & (body + encrypted > length))] = SINGLE
    found.way[:], found.body[:], found.tpl_at[:] = way, body, at
    raw = np.ascontiguousarray(head[:, 2:10])
    own = (shape == _LONG) & ~session
    if own.any():  # in the transport header: identification(4) manufacturer(2) version type
        begin = np.where(own, at + np.int16(1), np.int16(2))
        places = begin[:, None] + np.where(
            own[:, None], np.array([4, 5, 0, 1, 2, 3, 6, 7], np.int16), np.arange(8, dtype=np.int16)
        )
        raw = flat.take(start[:, None] + places)
    found.address[:] = raw.view("<u8")[:, 0]
    found.class_code[:] = (
        head[:, 1].astype(np.int64) << 16 | first.astype(np.int64) << 8 | np.minimum(length, 255)
    )
    found.security[:] = way
    _pack(found, ci, np.where(way >= MODE_5, blocks, 0))
    if session.any():
        numbers = np.ascontiguousarray(head[:, 13:17]).view("<u4")[:, 0]
        found.counter[session] = (numbers[session] & 0x1FFFFFFF).astype(np.int64)
    if afl.any():
        places = (at[afl] - np.int16(12))[:, None] + np.arange(4, dtype=np.int16)
        found.counter[afl] = head[np.flatnonzero(afl)[:, None], places].view("<u4")[:, 0]


def _pack(found: Headers, ci: np.ndarray, blocks: np.ndarray) -> None:
    """``shape``: maker 16 bits, version 8, type 8, L-field 8, CI 8, place of the CI 5, way 3, encrypted blocks 4."""
    raw = found.address
    shape = (raw & np.uint64(0xFFFF)) << np.uint64(44) | (raw >> np.uint64(48)) << np.uint64(28)
    shape |= (found.length - 1).astype(np.uint64) << np.uint64(20) | ci.astype(np.uint64) << np.uint64(12)
    shape |= (found.tpl_at - 10).astype(np.uint64) << np.uint64(7)
    shape |= found.way.astype(np.uint64) << np.uint64(4) | blocks.astype(np.uint64)
    found.shape[:] = np.where(found.way == SINGLE, 0, shape.astype(np.int64))


def _read_one(found: Headers, row: int) -> None:
    """A header of another shape, by the single decoder."""
    frame = found.frames[row]
    found.way[row] = SINGLE
    found.address[row], found.class_code[row], found.counter[row], found.shape[row] = 0, 0, NONE, 0
    try:
        one = header(frame, "wired" if found.wired else "a")
    except DecodeError as problem:
        found.problems[row] = problem
        return
    if one.address is None:
        found.problems[row] = DecodeError("the telegram says no meter's address", one)
    else:
        found.address[row] = int.from_bytes(one.address.raw, "little")
        if not found.address[row]:
            found.problems[row] = DecodeError("the meter's address is nothing but zeros", one)
    found.class_code[row] = _class_code(one, frame, wired=found.wired)
    found.security[row] = _number(one.security)
    if one.counter is not None:
        found.counter[row] = one.counter


def _class_code(one: Header, frame: bytes, *, wired: bool) -> int:
    first_c = 4 if wired else 1
    if len(frame) <= first_c:
        return 0
    ci = one.ci_chain[0] if one.ci_chain else 0
    return int(wired) << 24 | frame[first_c] << 16 | ci << 8 | min(len(frame), 255)


def _number(security: str) -> int:
    if security not in SECURITY_NAMES:
        SECURITY_NAMES.append(security)
    return SECURITY_NAMES.index(security)
