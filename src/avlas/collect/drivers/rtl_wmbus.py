"""Lines of rtl_wmbus, a software receiver for cheap DVB-T sticks.

``MODE;CRC_OK;3OUTOF6_OK;timestamp;packet RSSI;current RSSI;id;0xHEX``, for instance
``C1;1;1;2019-04-03 19:00:42.000;97;148;12345678;0x2c44...``; further telegrams ``;0x...`` may follow on the
line, and a line may be a telegram alone. The hex has an L-field (not to be trusted in old versions) and no
link CRCs. The RSSI is a raw number that is no dBm, so no signal strength is given. Timestamps are UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from avlas.collect.drivers.frames import BadFrame, from_hex, with_length
from avlas.collect.drivers.heard import Heard, Notice
from avlas.collect.drivers.lines import LineDriver

if TYPE_CHECKING:
    from avlas.collect.drivers.heard import Event

MODE = re.compile(r"[A-Z][0-9][A-Za-z]?")
FIELDS_BEFORE_TELEGRAM = 7


class RtlWmbusLines(LineDriver):
    """Driver for rtl_wmbus lines (spec ``rtl_wmbus:``). Only lines whose CRC was right give telegrams."""

    def line(self, text: str, number: int) -> list[Event]:
        """The telegrams of one line; a notice naming the line when it is damaged in itself."""
        if not text or text.startswith("#"):
            return []
        if text == "rtl_wmbus: exiting":
            return [Notice("warning", "source_exiting")]
        fields = [part.strip() for part in text.split(";")]
        if text[:2].lower() == "0x":
            return self._telegrams(fields, None, number)
        if not MODE.fullmatch(fields[0]):
            return [Notice("info", "line_unknown", {"line": number})]
        if not any(fields[FIELDS_BEFORE_TELEGRAM:]):
            self.damaged += 1
            return [Notice("warning", "line_cut_short", {"line": number})]
        if fields[1] != "1":
            self.damaged += 1
            self.bad_crc += 1
            return []
        heard_at = utc(fields[3])
        events: list[Event] = []
        if heard_at is None:
            events.append(Notice("warning", "line_time", {"line": number, "time": fields[3][:40]}))
        return events + self._telegrams(fields[FIELDS_BEFORE_TELEGRAM:], heard_at, number)

    def _telegrams(self, fields: list[str], heard_at: datetime | None, number: int) -> list[Event]:
        events: list[Event] = []
        for digits in filter(None, fields):
            try:
                if digits[:2].lower() != "0x":
                    raise BadFrame("line_cut_short")  # noqa: TRY301 - reported like the other bad ones
                events.append(Heard(with_length(from_hex(digits[2:])), heard_at))
            except BadFrame as bad:
                self.damaged += 1
                events.append(Notice("warning", bad.text_id, {"line": number, **bad.detail}))
        return events


def utc(text: str) -> datetime | None:
    """The moment a timestamp names, UTC unless it says otherwise; None when it is none."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
