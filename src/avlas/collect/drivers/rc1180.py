"""Radiocrafts RC1180-MBUS and sticks built on it, 19200 8N1: listens for T1.

Telegrams stand on the line as they are, L, C, M, A, ..., without CRCs; when the stick is set to it, their last
byte is the signal strength and counted in L. A byte 00 takes it into command mode (it answers ``>``), ``0``
lists its 256 configuration bytes and ``>``, ``X`` lets it listen again. Its memory is only read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from avlas.collect.drivers.asking import AskingDriver
from avlas.collect.drivers.heard import Heard, Notice
from avlas.collect.drivers.plain import plain_frame
from avlas.decode.link import manufacturer_letters

if TYPE_CHECKING:
    from avlas.collect.drivers.heard import Event

BAUD_RATE: Final = 19_200
LINK_MODES: Final = {"t1": 1}

PROMPT: Final = ord(">")
COMMAND_MODE, CONFIGURATION = "command mode", "configuration"
LISTEN: Final = b"X"
CONFIGURATION_BYTES: Final = 256
MBUS_MODE, RSSI_MODE, MANUFACTURER, IDENTIFICATION, VERSION, INTERFACE = 0x03, 0x05, 0x19, 0x1B, 0x1F, 0x36


def dbm(rssi: int) -> float:
    """Signal strength of the appended byte: half dB below 0 dBm."""
    return -rssi / 2


class Rc1180(AskingDriver[bytes]):
    """Driver for the RC1180 (spec ``rc1180:``). A message is the prompt, the configuration, or a frame."""

    steps = (COMMAND_MODE, CONFIGURATION)
    known_by = CONFIGURATION
    farewell = LISTEN
    model = "RC1180"

    def __init__(self, link_mode: str = "t1") -> None:
        if link_mode not in LINK_MODES:
            raise ValueError(f"{link_mode!r} is no link mode of the RC1180")
        super().__init__(link_mode)

    def begin(self) -> bytes:
        """Forget the old stick too."""
        self._with_signal = False
        return super().begin()

    def request(self, step: str) -> bytes:
        """One byte each."""
        return b"\0" if step == COMMAND_MODE else b"0"

    def next_message(self) -> bytes | None:
        """In command mode what was asked for; else the next telegram."""
        buffer = self._buffer
        while buffer:
            if self._pending == CONFIGURATION:
                size = CONFIGURATION_BYTES + 1
                if len(buffer) < size:
                    return None
                if buffer[size - 1] == PROMPT:
                    return self._take(size)
                self._skip(1)
                continue
            if self._pending == COMMAND_MODE and buffer == b">":
                return self._take(1)
            frame = plain_frame(buffer)
            if frame is None:
                return None
            if frame:
                return self._take(len(frame))
            self._skip(1)
        return None

    def _take(self, size: int) -> bytes:
        message = bytes(self._buffer[:size])
        del self._buffer[:size]
        return message

    def act(self, message: bytes) -> list[Event]:
        """A telegram, or the answer to the pending request."""
        if len(message) == 1:
            if self.set_up:
                self._out += LISTEN
            return self._done()
        if len(message) != CONFIGURATION_BYTES + 1 or self._pending != CONFIGURATION:
            return self._telegram(message)
        self._out += LISTEN
        if message[INTERFACE] not in (0, 0xFF):
            return self._refused(f"interface {message[INTERFACE]:02X}, which leaves out the address")
        if message[MBUS_MODE] != LINK_MODES[self._mode]:
            return self._refused(f"M-Bus mode {message[MBUS_MODE]:02X}, not T1")
        self._with_signal = message[RSSI_MODE] == 1
        maker = int.from_bytes(message[MANUFACTURER : MANUFACTURER + 2], "little")
        number = int.from_bytes(message[IDENTIFICATION : IDENTIFICATION + 4], "little")
        self._identity["serial"] = f"{manufacturer_letters(maker)} {number:08X}"
        self._identity["firmware"] = f"{message[VERSION]:02X}"
        without = [] if self._with_signal else [Notice("warning", "receiver_no_signal")]
        return [*without, *self._done()]

    def _telegram(self, frame: bytes) -> list[Event]:
        if not self._with_signal:
            return [Heard(frame)]
        return [Heard(bytes([len(frame) - 2]) + frame[1:-1], rssi_dbm=dbm(frame[-1]))]
