"""The wired link layer (EN 13757-2, IEC 60870-5-1 format class FT 1.2).

E5 | 10 C A CS 16 | 68 L L 68 C A CI ... CS 16, CS the sum of C up to the last byte, modulo 256.
"""

from __future__ import annotations

from dataclasses import dataclass

from avlas.decode.errors import FrameError

ACKNOWLEDGE = 0xE5
_START_SHORT, _START_LONG, _STOP = 0x10, 0x68, 0x16
_FROM_METER = 0x40  # DIR bit of the C-field: 0 from meter, 1 from master


@dataclass(frozen=True, slots=True)
class WiredFrame:
    """One checked frame: ``kind`` is "ack", "short", "control" (long without data) or "long"."""

    kind: str
    control: int = 0
    address: int = 0
    ci: int | None = None
    body: bytes = b""  # what follows the CI field, without check sum and stop byte

    @property
    def from_master(self) -> bool:
        """True when the master sent it (a request or a command)."""
        return bool(self.control & _FROM_METER)


def parse(frame: bytes) -> WiredFrame:
    """Check one wired frame. Raises FrameError: start, length, check sum or stop byte wrong."""
    if not frame:
        raise FrameError("no bytes at all")
    if frame[0] == ACKNOWLEDGE and len(frame) == 1:
        return WiredFrame("ack")
    if frame[0] == _START_SHORT:
        if len(frame) != 5:
            raise FrameError(f"a short frame has 5 bytes, this one {len(frame)}")
        _check(frame, 1)
        return WiredFrame("short", frame[1], frame[2])
    if frame[0] != _START_LONG:
        raise FrameError(f"start byte {frame[0]:02X} is none of E5, 10, 68")
    if len(frame) < 6 or frame[3] != _START_LONG or frame[1] != frame[2]:
        raise FrameError("the head of a long frame is 68 L L 68")
    if frame[1] < 3:
        raise FrameError(f"L-field {frame[1]} is too small: C, A and CI are three bytes")
    if len(frame) != frame[1] + 6:
        raise FrameError(f"L-field announces {frame[1] + 6} bytes, {len(frame)} are there")
    _check(frame, 4)
    kind = "control" if frame[1] == 3 else "long"
    return WiredFrame(kind, frame[4], frame[5], frame[6], frame[7:-2])


def _check(frame: bytes, start: int) -> None:
    if frame[-1] != _STOP:
        raise FrameError(f"stop byte is {frame[-1]:02X}, not 16")
    total = sum(frame[start:-2]) & 0xFF
    if total != frame[-2]:
        raise FrameError(f"check sum is {frame[-2]:02X}, the bytes give {total:02X}")


def mended(frame: bytes) -> bytes:
    """A long frame whose L-fields or check sum lie about it, made true; anything else as it is.

    Some recordings hold such frames; on the wire they are damage and refused. For people who know what they do.
    """
    length = len(frame) - 6
    if not 3 <= length <= 0xFF or frame[0] != _START_LONG or frame[3] != _START_LONG or frame[-1] != _STOP:
        return frame
    body = frame[4:-2]
    head = bytes([_START_LONG, length, length, _START_LONG])
    return head + body + bytes([sum(body) & 0xFF, _STOP])


def looks_wired(frame: bytes) -> bool:
    """Whether the start of ``frame`` has the shape of a wired frame (its check sum is not looked at)."""
    if not frame:
        return False
    if frame[0] == _START_LONG and len(frame) >= 4:
        # a wireless frame of 105 bytes may begin with 68 too; its L then fits the length
        return frame[3] == _START_LONG and frame[1] == frame[2] and len(frame) != _START_LONG + 1
    if frame[0] == _START_SHORT:
        return len(frame) == 5 and frame[-1] == _STOP
    return frame == bytes([ACKNOWLEDGE])
