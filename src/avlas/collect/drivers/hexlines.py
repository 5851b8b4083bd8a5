"""Raw hex lines: one telegram a line, as people paste and keep them.

``2C 44 2D 2C ...``, ``2C442D2C...``, ``0x2C44...`` or with ``| _ ; , : -`` between the digits; ``#`` and
``//`` begin a comment. A key after the telegram (``HEX KEY``) is not used: keys have their own place,
encrypted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from avlas.collect.drivers.frames import BadFrame, from_hex, normalise
from avlas.collect.drivers.heard import Heard, Notice
from avlas.collect.drivers.lines import LineDriver

if TYPE_CHECKING:
    from avlas.collect.drivers.heard import Event

SEPARATORS = re.compile(r"[\s;,|_:\-]+")
KEY_DIGITS = 32


class HexLines(LineDriver):
    """Driver for raw hex lines (spec ``hex:``)."""

    def __init__(self) -> None:
        super().__init__()
        self._said_key = False

    def line(self, text: str, number: int) -> list[Event]:
        """One telegram, or one notice naming the line."""
        text = text.lstrip("\ufeff")
        if not text or text.startswith(("#", "//")):
            return []
        parts = [part.removeprefix("0x").removeprefix("0X") for part in SEPARATORS.split(text) if part]
        if len(parts) > 1 and parts[-1].upper() == "NOKEY":
            parts.pop()
        has_key = False
        try:
            try:
                frame, wired = normalise(from_hex("".join(parts)))
            except BadFrame:
                if len(parts) < 2 or len(parts[-1]) != KEY_DIGITS:
                    raise
                frame, wired = normalise(from_hex("".join(parts[:-1])))
                has_key = True
        except BadFrame as bad:
            self.damaged += 1
            return [Notice("warning", bad.text_id, {"line": number, **bad.detail})]
        events: list[Event] = [Heard(frame, wired=wired)]
        if has_key and not self._said_key:
            self._said_key = True
            events.append(Notice("info", "line_key_ignored", {"line": number}))
        return events
