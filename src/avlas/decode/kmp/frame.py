"""KMP frames: start, address, command, data, CRC, stop (fact sheet on KMP, 4.2).

``80`` (to the meter) or ``40`` (from it), the *body* (address, command, data, CRC-16 high byte first), ``0D``.
The five bytes that mean something on the line are stuffed inside the body: 1B and the byte's complement stand
for it, in the CRC too. An acknowledgement is the single byte 06 without a frame. ``Frame.plain`` is the frame
with the stuffing undone: all offsets of spans and values count in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastcrc.crc16 import xmodem

from avlas.decode.errors import FrameError

TO_METER, FROM_METER, STOP, ACKNOWLEDGE = 0x80, 0x40, 0x0D, 0x06
METER, TOP_MODULE, BASE_MODULE = 0x3F, 0x7F, 0xBF  # addresses: the meter, loggers in its modules
BODY_AT = 3  # offset of the data in ``plain``: behind start, address and command
_ESCAPE = 0x1B
_STUFFED = frozenset({TO_METER, FROM_METER, STOP, ACKNOWLEDGE, _ESCAPE})
_SHORTEST_BODY = 4  # address, command, CRC
_CRC_LENGTH = 2


@dataclass(frozen=True, slots=True)
class Frame:
    """One checked frame."""

    from_meter: bool
    address: int
    command: int
    data: bytes
    stuffed: int = 0  # how many bytes 1B were sent besides

    @property
    def body(self) -> bytes:
        """Address, command and data: what the CRC covers."""
        return bytes((self.address, self.command)) + self.data

    @property
    def plain(self) -> bytes:
        """The frame from start to stop without stuffing."""
        start = FROM_METER if self.from_meter else TO_METER
        return bytes((start,)) + self.body + crc(self.body) + bytes((STOP,))


def crc(body: bytes) -> bytes:
    """CRC-16 of address, command and data: polynomial 1021, start 0, not reflected, high byte first."""
    return xmodem(body).to_bytes(_CRC_LENGTH, "big")


def build(address: int, command: int, data: bytes = b"", *, from_meter: bool = False) -> bytes:
    """The bytes of a frame as they go on the line."""
    body = bytes((address, command)) + data
    start = FROM_METER if from_meter else TO_METER
    return bytes((start,)) + stuff(body + crc(body)) + bytes((STOP,))


def stuff(body: bytes) -> bytes:
    """Put 1B and the complement in the place of every byte that means something on the line."""
    sent = bytearray()
    for byte in body:
        sent += bytes((_ESCAPE, byte ^ 0xFF)) if byte in _STUFFED else bytes((byte,))
    return bytes(sent)


def unstuff(sent: bytes) -> bytes:
    """What stands between start and stop, the stuffing undone in one pass (1B E4 7F is 1B 7F, not 80).

    Raises FrameError: a byte stands bare that never does, 1B stands last or before a byte it can't stand for.
    """
    body = bytearray()
    rest = enumerate(sent, 1)  # offset 0 is the start byte
    for at, byte in rest:
        if byte != _ESCAPE:
            if byte in _STUFFED:
                raise FrameError(f"byte {byte:02X} at place {at} never stands bare inside a frame: damaged")
            body.append(byte)
            continue
        _at, complement = next(rest, (0, None))
        if complement is None:
            raise FrameError(f"byte 1B at place {at} is the last one: the byte it stands for is missing")
        if complement ^ 0xFF not in _STUFFED:
            raise FrameError(f"1B {complement:02X} at place {at} stands for no byte: damaged")
        body.append(complement ^ 0xFF)
    return bytes(body)


def parse(raw: bytes) -> Frame:
    """Check one frame from its start to its stop byte. Raises FrameError: start, stop, stuffing, length or CRC."""
    if not raw:
        raise FrameError("no bytes at all")
    if raw[0] not in (TO_METER, FROM_METER):
        raise FrameError(f"start byte {raw[0]:02X} is neither 80 nor 40")
    if raw[-1] != STOP or len(raw) < 2:
        raise FrameError(f"the frame ends with {raw[-1]:02X} instead of the stop byte 0D")
    end = raw.index(STOP)  # stuffed inside a frame, so the first one is its end
    if end < len(raw) - 1:
        raise FrameError(
            f"the frame ends at place {end}, and {len(raw) - 1 - end} bytes follow: one frame at a time"
        )
    body = unstuff(raw[1:-1])
    if len(body) < _SHORTEST_BODY:
        raise FrameError(
            f"{len(body)} bytes between start and stop are too few: address, command and CRC are four"
        )
    content, sent = body[:-_CRC_LENGTH], body[-_CRC_LENGTH:]
    if crc(content) != sent:
        raise FrameError(
            f"CRC is {sent.hex().upper()}, the bytes give {crc(content).hex().upper()}: damaged on its way"
        )
    stuffed = len(raw) - 2 - len(body)
    return Frame(raw[0] == FROM_METER, content[0], content[1], content[2:], stuffed)
