"""Lines of rtl_433, a software receiver for cheap DVB-T sticks: its CSV (``-F csv``) or JSON (``-F json``).

Only its model Wireless-MBus is of use. The frame is the CSV field that begins with L and the C-field 44, or
JSON's ``data``: hexadecimal digits with an L-field that is not to be trusted, and without link CRCs, which
rtl_433 has checked. No signal strength is taken: it is no dBm.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from avlas.collect.drivers.frames import BadFrame, from_hex, with_length
from avlas.collect.drivers.heard import Heard, Notice
from avlas.collect.drivers.lines import LineDriver

if TYPE_CHECKING:
    from avlas.collect.drivers.heard import Event

MODEL: Final = "Wireless-MBus"
FRAME: Final = re.compile(r"[0-9a-fA-F]{2}4[4678][0-9a-fA-F]{16,}")


class Rtl433Lines(LineDriver):
    """Driver for rtl_433 lines (spec ``rtl_433:``). Lines about other transmitters are passed over."""

    def line(self, text: str, number: int) -> list[Event]:
        """The telegram of one line; a notice naming the line when it should hold one and does not."""
        if MODEL not in text:
            return []
        digits = _json_frame(text) if text.startswith("{") else _csv_frame(text)
        if digits is None:
            self.damaged += 1
            return [Notice("warning", "line_cut_short", {"line": number})]
        try:
            return [Heard(with_length(from_hex(digits)))]
        except BadFrame as bad:
            self.damaged += 1
            return [Notice("warning", bad.text_id, {"line": number, **bad.detail})]


def _csv_frame(text: str) -> str | None:
    return next((part for part in map(str.strip, text.split(",")) if FRAME.fullmatch(part)), None)


def _json_frame(text: str) -> str | None:
    try:
        data = json.loads(text).get("data")
    except (ValueError, AttributeError, RecursionError):
        return None
    return data if isinstance(data, str) and FRAME.fullmatch(data) else None
