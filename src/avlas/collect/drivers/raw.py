"""Frames on a serial line with nothing around them, as bytes or as hexadecimal digits.

For modems and boards that only hand on what they hear. A frame is found by its L-field and the maker's
letters (see ``plain.py``); a pause in the middle of one means that its rest will not come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from avlas.collect.drivers.asking import CUT_SHORT_AFTER
from avlas.collect.drivers.heard import Heard, Notice
from avlas.collect.drivers.plain import begins_frame, plain_frame
from avlas.decode.errors import FrameError
from avlas.decode.link import length_with_crcs_a, strip_crcs

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from avlas.collect.drivers.heard import Event

    Found = tuple[bytes, int] | Literal[False] | None

HEX_DIGITS: Final = frozenset(b"0123456789abcdefABCDEF")


def without_crcs(data: bytearray) -> Found:
    """The frame at the start of ``data`` and how many bytes it took; None: not all there; False: none."""
    frame = plain_frame(data)
    return (frame, len(frame)) if frame else False if frame is False else None


def with_crcs(data: bytearray) -> Found:
    """The same for frames with their link CRCs: format A, or else B (which is shorter); both are checked."""
    begins = begins_frame(data)
    if not begins:
        return begins
    sizes = {"b-crc": data[0] + 1, "a-crc": length_with_crcs_a(data[0])}
    if len(data) < sizes["b-crc"]:
        return None
    for crcs in ("b-crc", "a-crc"):
        if len(data) >= sizes[crcs]:
            try:
                return strip_crcs(bytes(data[: sizes[crcs]]), crcs), sizes[crcs]
            except FrameError:
                continue
    return None if len(data) < sizes["a-crc"] else False


class RawBytes:
    """Driver for binary frames (specs ``rawtty:``, and ``rawtty_crc:`` when they have their link CRCs)."""

    def __init__(self, find: Callable[[bytearray], Found] = without_crcs) -> None:
        self._find = find
        self.damaged = 0
        self.begin()

    def begin(self) -> bytes:
        """A new line; nothing is ever sent on it."""
        self._buffer = bytearray()
        self._skipped = 0
        self._came = False
        self._last_byte_at: float | None = None
        return b""

    def feed(self, data: bytes) -> list[Event]:
        """The frames completed by ``data``."""
        self._buffer += data
        self._came = True
        return self._read()

    def to_send(self) -> bytes:
        """Nothing."""
        return b""

    def tick(self, now: float) -> list[Event]:
        """Give up a frame cut short (seconds)."""
        if self._came or self._last_byte_at is None:
            self._came = False
            self._last_byte_at = now
        elif self._buffer and now - self._last_byte_at >= CUT_SHORT_AFTER:
            return self.end()
        return []

    def end(self) -> list[Event]:
        """What stands complete behind a frame that was cut short."""
        events: list[Event] = []
        while self._buffer:
            self._skip()
            events += self._read()
        if self._skipped:
            events.append(self._noise())
        return events

    def _read(self) -> list[Event]:
        events: list[Event] = []
        while self._buffer:
            found = self._find(self._buffer)
            if found is None:
                break
            if found is False:
                self._skip()
                continue
            if self._skipped:
                events.append(self._noise())
            frame, size = found
            del self._buffer[:size]
            events.append(Heard(frame))
        return events

    def _skip(self) -> None:
        del self._buffer[:1]
        self._skipped += 1

    def _noise(self) -> Notice:
        self.damaged += 1
        skipped, self._skipped = self._skipped, 0
        return Notice("warning", "line_noise", {"bytes": skipped})


class RawHex(RawBytes):
    """Driver for the same as hexadecimal digits (spec ``hextty:``); whatever is no digit is passed over."""

    def begin(self) -> bytes:
        """A new line."""
        self._half = b""
        return super().begin()

    def feed(self, data: bytes) -> list[Event]:
        """The frames completed by the digits in ``data``."""
        digits = self._half + bytes(byte for byte in data if byte in HEX_DIGITS)
        even = len(digits) // 2 * 2
        self._half = digits[even:]
        return super().feed(bytes.fromhex(digits[:even].decode("ascii")))

    def end(self) -> list[Event]:
        """Half a byte is forgotten with the rest."""
        self._half = b""
        return super().end()
