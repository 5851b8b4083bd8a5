"""IMST iU891A and iU893A (also the modules iM891A, iM881A): WiMOD HCI in SLIP, 115200 8N1.

    C0 | endpoint | message | [status] | payload | CRC 2, low byte first | C0

Inside, DB DC stands for C0 and DB DD for DB. The CRC (X-25, as in im871a.py) covers everything before it.
Answers carry a status byte (0 = done), telegrams (endpoint 9, message 20) do not: 4 bytes time, 3 bytes
status and format, 1 byte signal strength in dBm (signed), then the frame with its L-field and without CRCs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from avlas.collect.drivers.asking import AskingDriver
from avlas.collect.drivers.frames import BadFrame, with_length
from avlas.collect.drivers.heard import Heard, Notice
from avlas.collect.drivers.im871a import crc_x25

if TYPE_CHECKING:
    from avlas.collect.drivers.heard import Event

BAUD_RATE: Final = 115_200
LINK_MODES: Final = {"c1t1": 3, "c1": 5, "t1": 2, "s1": 1}
MODELS: Final = {0x6D: "iM891A-XL", 0x6E: "iU891A-XL", 0x71: "iU893A-XL", 0xA3: "iM881A-XL"}

END, ESCAPE, ESCAPED_END, ESCAPED_ESCAPE = 0xC0, 0xDB, 0xDC, 0xDD
MANAGEMENT, GATEWAY = 0x01, 0x09
RECEIVED: Final = (GATEWAY, 0x20)
BEFORE_FRAME: Final = 8
LONGEST: Final = 2 * (2 + BEFORE_FRAME + 256 + 2)
"""Bytes between two ENDs, all of them escaped."""

PING, DEVICE_INFO, FIRMWARE, SET_CONFIG, GET_CONFIG = (
    "ping",
    "device info",
    "firmware info",
    "set configuration",
    "get configuration",
)
REQUESTS: Final = {
    PING: (MANAGEMENT, 0x01),
    DEVICE_INFO: (MANAGEMENT, 0x03),
    FIRMWARE: (MANAGEMENT, 0x05),
    SET_CONFIG: (GATEWAY, 0x03),
    GET_CONFIG: (GATEWAY, 0x01),
}
"""Endpoint and message of each request; the answer is one message more."""
REPORT_RECEIVED, REPORT_SENT = 0x02, 0x04  # option bits; 01 (only meters of a list) stays clear


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message; ``payload`` begins with the status byte in answers."""

    endpoint: int
    message: int
    payload: bytes


def slip(data: bytes) -> bytes:
    """``data`` between two ENDs, so that what stood on the line before is over."""
    inside = data.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return b"\xc0" + inside + b"\xc0"


def unslip(data: bytes) -> bytes | None:
    """What stands between two ENDs; None when an escape is followed by anything else than it may be."""
    out = bytearray()
    escaped = False
    for byte in data:
        if escaped:
            if byte not in (ESCAPED_END, ESCAPED_ESCAPE):
                return None
            out.append(END if byte == ESCAPED_END else ESCAPE)
            escaped = False
        elif byte == ESCAPE:
            escaped = True
        else:
            out.append(byte)
    return None if escaped else bytes(out)


class Iu891a(AskingDriver[Message]):
    """Driver for the iU891A and iU893A (specs ``iu891a:`` and ``iu893a:``)."""

    steps = (PING, DEVICE_INFO, FIRMWARE, SET_CONFIG, GET_CONFIG)
    optional = (FIRMWARE, GET_CONFIG)
    known_by = DEVICE_INFO
    model = "iU891A/iU893A"

    def __init__(self, link_mode: str = "c1t1") -> None:
        if link_mode not in LINK_MODES:
            raise ValueError(f"{link_mode!r} is no link mode of the iU891A")
        super().__init__(link_mode)

    def request(self, step: str) -> bytes:
        """A request in SLIP."""
        payload = b""
        if step == SET_CONFIG:  # link mode, options 2, pins 2, LED ms 2, recalibration ms 4
            payload = bytes([LINK_MODES[self._mode], REPORT_RECEIVED | REPORT_SENT]) + bytes(9)
        body = bytes(REQUESTS[step]) + payload
        return slip(body + crc_x25(body).to_bytes(2, "little"))

    def next_message(self) -> Message | None:
        """The next message whose CRC is right."""
        buffer = self._buffer
        while buffer:
            if buffer[0] == END:
                del buffer[:1]
                continue
            end = buffer.find(END)
            if end < 0:
                if len(buffer) > LONGEST:
                    self._skip(len(buffer))
                return None
            body = unslip(bytes(buffer[:end]))
            if body is None or len(body) < 4 or crc_x25(body[:-2]) != int.from_bytes(body[-2:], "little"):
                self._skip(end)
                continue
            del buffer[:end]
            return Message(body[0], body[1], body[2:-2])
        return None

    def act(self, message: Message) -> list[Event]:
        """A telegram, or the answer to the pending request."""
        if (message.endpoint, message.message) == RECEIVED:
            if len(message.payload) <= BEFORE_FRAME:
                self.damaged += 1
                return []
            rssi = message.payload[7]
            try:
                frame = with_length(message.payload[BEFORE_FRAME:])
            except BadFrame as bad:
                self.damaged += 1
                return [Notice("warning", bad.text_id, bad.detail)]
            return [Heard(frame, rssi_dbm=float(rssi - 256 if rssi > 127 else rssi))]
        if self._pending is None:
            return []
        endpoint, asked = REQUESTS[self._pending]
        if (message.endpoint, message.message) != (endpoint, asked + 1):
            return []  # a late answer, or a message nobody asked for
        return self._answered(self._pending, message.payload)

    def _answered(self, step: str, payload: bytes) -> list[Event]:
        if self.set_up:
            return self._done()
        if payload[:1] != b"\0" and step not in self.optional:
            status = f"{payload[0]:02X}" if payload else "none"
            return self._refused(f"status {status} ({step})")
        if step == DEVICE_INFO:
            if len(payload) < 6:
                return self._refused(f"{payload.hex().upper()} as device info")
            module = payload[1]
            if module not in MODELS:
                return self._another(f"IMST {module:02X}")
            self.model = MODELS[module]
            self._identity["serial"] = f"{int.from_bytes(payload[2:6], 'little'):08X}"
        elif step == FIRMWARE and len(payload) >= 3:
            self._identity["firmware"] = f"{payload[2]}.{payload[1]}"
        elif step == GET_CONFIG and len(payload) >= 2 and payload[1] != LINK_MODES[self._mode]:
            return self._refused(f"link mode {payload[1]:02X}")
        return self._done()
