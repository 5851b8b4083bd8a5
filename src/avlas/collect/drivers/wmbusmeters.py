"""Telegrams in wmbusmeters' files: ``simulation_*.txt`` and its log of telegrams.

A simulation file holds ``telegram=|HEX|HEX|`` with ``|``, ``_`` and ``#`` as free separators and perhaps
``+5``, seconds since its beginning; lines that start with ``#`` are comments. In a log the same stands
within a line of other text. Lines without a telegram (expected output, other log lines) mean nothing here.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from avlas.collect.drivers.frames import BadFrame, from_hex, normalise
from avlas.collect.drivers.heard import Heard, Notice
from avlas.collect.drivers.lines import LineDriver

if TYPE_CHECKING:
    from avlas.collect.drivers.heard import Event

TELEGRAM = re.compile(r"telegram=(?P<frame>[^\s+]*)(?:\+(?P<seconds>\d{1,9}(?:\.\d{1,6})?))?")
MISSPELT = re.compile(r"=\|[0-9A-Fa-f|_#]{20,}")
FREE = str.maketrans("", "", "|_#")


class WmbusmetersLines(LineDriver):
    """Driver for wmbusmeters' recorded lines (spec ``wmbusmeters:``).

    ``base`` is the UTC moment at which the recording began: then ``+seconds`` give each telegram its time.
    Without it, and without ``+seconds``, telegrams have no time of their own.
    """

    def __init__(self, base: datetime | None = None) -> None:
        super().__init__()
        self.base = base

    def line(self, text: str, number: int) -> list[Event]:
        """The telegrams of a line, or a notice naming the line for each that is none."""
        if text.startswith("#"):
            return []
        events: list[Event] = []
        for found in TELEGRAM.finditer(text):
            try:
                frame, wired = normalise(from_hex(found["frame"].translate(FREE)))
            except BadFrame as bad:
                events.append(Notice("warning", bad.text_id, {"line": number, **bad.detail}))
                self.damaged += 1
                continue
            events.append(Heard(frame, self._time(found["seconds"]), wired=wired))
        if not events and MISSPELT.search(text):
            self.damaged += 1
            return [Notice("warning", "line_unknown", {"line": number})]
        return events

    def _time(self, seconds: str | None) -> datetime | None:
        if self.base is None or seconds is None:
            return None
        return self.base + timedelta(seconds=float(seconds))
