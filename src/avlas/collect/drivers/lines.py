"""The common half of drivers whose source sends text, a line at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from avlas.collect.drivers.heard import Notice

if TYPE_CHECKING:
    from avlas.collect.drivers.heard import Event

LONGEST_LINE = 16_384
"""Bytes; some thirty of the longest telegrams. A longer line is noise and is not kept in memory."""


class LineDriver(ABC):
    """Cuts bytes into lines (LF or CR LF), numbers them from 1, and has a subclass read each."""

    def __init__(self) -> None:
        self.damaged = 0
        self.bad_crc = 0  # those among them that the source marked so
        self._rest = bytearray()
        self._number = 0
        self._skipping = False

    @abstractmethod
    def line(self, text: str, number: int) -> list[Event]:
        """What one line says; ``text`` without its line end."""

    def begin(self) -> bytes:
        """A new stream: half a line of the old one is not continued."""
        self._rest.clear()
        self._skipping = False
        self._number = 0
        return b""

    def feed(self, data: bytes) -> list[Event]:
        """Events of the lines completed by ``data``."""
        *complete, tail = data.split(b"\n")
        events: list[Event] = []
        for part in complete:
            self._rest += part
            events += self._finish()
        self._rest += tail
        if len(self._rest) > LONGEST_LINE:
            self._skipping = True
            self._rest.clear()
        return events

    def to_send(self) -> bytes:
        """Nothing is ever sent to a source of lines."""
        return b""

    def tick(self, now: float) -> list[Event]:  # noqa: ARG002 - a line has no time-out
        """Nothing: a line is over when its line end comes."""
        return []

    def end(self) -> list[Event]:
        """The last line, when the stream ended without a line end."""
        return self._finish() if self._rest or self._skipping else []

    def _finish(self) -> list[Event]:
        self._number += 1
        raw = bytes(self._rest)
        self._rest.clear()
        if self._skipping or len(raw) > LONGEST_LINE:
            self._skipping = False
            self.damaged += 1
            return [Notice("warning", "line_too_long", {"line": self._number, "most": LONGEST_LINE})]
        return self.line(raw.decode("utf-8", "replace").strip(), self._number)
