r"""CUL, nanoCUL and other sticks with culfw or a-culfw, 38400 8N1: lines of text that end in CR LF.

``b`` and hexadecimal digits are a frame of format A with its link CRCs, ``bY`` one of format B; after ``X21``
two more bytes follow, link quality and signal strength. The CRCs are checked here. Other lines are answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from avlas.collect.drivers.asking import AskingDriver
from avlas.collect.drivers.heard import Heard, Notice
from avlas.decode.errors import FrameError
from avlas.decode.link import length_with_crcs_a, strip_crcs

if TYPE_CHECKING:
    from avlas.collect.drivers.heard import Event

BAUD_RATE: Final = 38_400
LINK_MODES: Final = {"c1t1": "c", "t1": "t", "s1": "s"}
VERSION, LISTEN = "version", "listen"
REPORT: Final = b"X21\r\n"
"""Receiver on, with link quality and signal strength. It is not answered."""
LONGEST_LINE: Final = 1_024


def dbm(rssi: int) -> float:
    """Signal strength of the last byte: signed half dB over -74 dBm."""
    return (rssi - 256 if rssi >= 0x80 else rssi) / 2 - 74


class Cul(AskingDriver[str]):
    """Driver for the CUL and nanoCUL (spec ``cul:``). A message is a line."""

    steps = (VERSION, LISTEN)
    known_by = VERSION
    model = "CUL"

    def __init__(self, link_mode: str = "c1t1") -> None:
        if link_mode not in LINK_MODES:
            raise ValueError(f"{link_mode!r} is no link mode of the CUL")
        super().__init__(link_mode)

    def request(self, step: str) -> bytes:
        """A line; the version is asked for behind an empty one, which ends what stood there before."""
        return b"\r\nV\r\n" if step == VERSION else f"br{LINK_MODES[self._mode]}\r\n".encode()

    def next_message(self) -> str | None:
        """The next line that is text and not empty."""
        buffer = self._buffer
        while (end := buffer.find(b"\n")) >= 0:
            line = bytes(buffer[:end]).strip()
            if len(line) > LONGEST_LINE or not line.isascii() or not line.decode("ascii").isprintable():
                self._skip(end + 1)
                continue
            del buffer[: end + 1]
            if line:
                return line.decode("ascii")
        if len(buffer) > LONGEST_LINE:
            self._skip(len(buffer))
        return None

    def act(self, message: str) -> list[Event]:
        """A telegram, or the answer to the pending request."""
        if message[0] == "b" and len(message) > 8:
            return self._telegram(message)
        if self._pending == VERSION and message.startswith("V "):
            self._identity["firmware"] = message[2:60]
            return self._done()
        if self._pending == LISTEN and message.endswith("MODE"):
            if message != f"{LINK_MODES[self._mode].upper()}MODE":
                return self._refused(message[:20])
            self._out += REPORT
            return self._done()
        if self._pending == LISTEN and message.startswith("?"):
            return self._refused(message[:60])
        return []

    def _telegram(self, line: str) -> list[Event]:
        format_b = line[1] == "Y"
        digits = line[2:] if format_b else line[1:]
        if len(digits) % 2:
            self.damaged += 1
            return [Notice("warning", "receiver_cuts", {"digits": len(digits)})]
        try:
            raw = bytes.fromhex(digits)
            size = raw[0] + 1 if format_b else length_with_crcs_a(raw[0])
            frame = strip_crcs(raw[:size], "b-crc" if format_b else "a-crc")
        except (ValueError, FrameError):
            self.damaged += 1
            return [Notice("warning", "line_crc")]
        return [Heard(frame, rssi_dbm=dbm(raw[-1]) if len(raw) >= size + 2 else None)]
