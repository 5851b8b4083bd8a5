"""IMST iM871A (868 MHz) and iM170A (169 MHz): the WMBus HCI protocol, 57600 8N1.

    A5 | flags, endpoint | message | payload length | payload | [timestamp 4] [RSSI 1] [CRC 2, low byte first]

The flags are 20 timestamp, 40 RSSI, 80 CRC attached; 10 is reserved. The CRC (X-25) covers everything
between A5 and itself. A received telegram is endpoint 2, message 3, and its payload starts with the C-field:
the L-field and the link CRCs are gone. After damage the machine looks for the next A5 that can begin a
message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from avlas.collect.drivers.asking import C_FIELDS, AskingDriver
from avlas.collect.drivers.heard import Heard, Notice

if TYPE_CHECKING:
    from avlas.collect.drivers.heard import Event

BAUD_RATE: Final = 57_600
LINK_MODES: Final = {"c1t1": 10, "c1": 6, "t1": 3, "s1": 0}
"""Link mode as people write it -> radio mode byte. c1t1 (both at once) needs firmware newer than 13 (hex)."""
LINK_MODES_169: Final = {
    f"n{way}{channel}": 10 + 2 * number + (way - 1)
    for number, channel in enumerate("abcdef")
    for way in (1, 2)
}
"""The same for an iM170A: 10 N1a, 11 N2a, 12 N1b, ... in turns."""

START = 0xA5
TIMESTAMP, RSSI, CRC, RESERVED = 0x20, 0x40, 0x80, 0x10
MANAGEMENT, RADIO = 1, 2
RECEIVED = 0x03
LAST_MANAGEMENT_MESSAGE, LAST_RADIO_MESSAGE = 0x28, 0x05

MODELS: Final = {0x33: "iM871A", 0x36: "iM170A"}
"""Module type -> the receiver as people call it."""

PING, SET_CONFIG, GET_CONFIG, DEVICE_INFO, FIRMWARE_INFO = (
    "ping",
    "set configuration",
    "get configuration",
    "device info",
    "firmware info",
)
MESSAGES: Final = {PING: 0x01, SET_CONFIG: 0x03, GET_CONFIG: 0x05, DEVICE_INFO: 0x0F, FIRMWARE_INFO: 0x13}
"""The requests; the answer is one more."""


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message from the receiver."""

    endpoint: int
    message: int
    payload: bytes
    rssi_dbm: float | None
    size: int  # bytes on the line


def crc_x25(data: bytes) -> int:
    """CRC-16/X-25: polynomial 1021 reflected (8408), begun with FFFF, inverted at the end."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x8408 if crc & 1 else crc >> 1
    return crc ^ 0xFFFF


def dbm(rssi: int) -> float:
    """Signal strength of an RSSI byte: a line through 45 = -100 dBm and 205 = -20 dBm; 0 from 230 on."""
    return 0.0 if rssi >= 230 else -100 + 0.5 * (rssi - 45)


def request(message: int, payload: bytes = b"") -> bytes:
    """A request to the receiver's device management, without CRC (which it does not ask for)."""
    return bytes([START, MANAGEMENT, message, len(payload)]) + payload


class Im871a(AskingDriver[Message]):
    """Driver for the iM871A (spec ``im871a:``) and, with ``model`` iM170A, for that one (``im170a:``).

    ``link_mode`` is one of LINK_MODES or LINK_MODES_169; ValueError when it is not.
    """

    steps = (PING, DEVICE_INFO, FIRMWARE_INFO, SET_CONFIG, GET_CONFIG)
    optional = (FIRMWARE_INFO, GET_CONFIG)
    known_by = DEVICE_INFO

    def __init__(self, link_mode: str = "c1t1", model: str = "iM871A") -> None:
        self.model = model
        self._modes = LINK_MODES if model == "iM871A" else LINK_MODES_169
        if link_mode not in self._modes:
            raise ValueError(
                f"{link_mode!r} is no link mode of the {model}; choose one of {', '.join(self._modes)}"
            )
        super().__init__(link_mode)

    def request(self, step: str) -> bytes:
        """A request to the receiver's device management."""
        # 00 temporary; 02 radio mode follows; 30 RSSI and timestamp settings follow: RSSI on, timestamp off.
        payload = bytes([0, 2, self._modes[self._mode], 0x30, 1, 0]) if step == SET_CONFIG else b""
        return request(MESSAGES[step], payload)

    def next_message(self) -> Message | None:
        """The next message that begins with A5 and makes sense."""
        buffer = self._buffer
        while buffer:
            if buffer[0] != START:
                start = buffer.find(START)
                self._skip(len(buffer) if start < 0 else start)
                continue
            message = parse(bytes(buffer[: 4 + 255 + 7]))
            if message is None:
                return None
            if isinstance(message, Message):
                del buffer[: message.size]
                return message
            self._skip(1)
        return None

    def act(self, message: Message) -> list[Event]:
        """A telegram, or the answer to the pending request."""
        if message.endpoint == RADIO and message.message == RECEIVED:
            frame = bytes([len(message.payload)]) + message.payload
            return [Heard(frame, rssi_dbm=message.rssi_dbm)]
        if message.endpoint != MANAGEMENT or self._pending is None:
            return []
        if message.message != MESSAGES[self._pending] + 1:
            if message.message - 1 in MESSAGES.values():
                return []  # a late answer to a request that was sent again
            return [Notice("warning", "receiver_wrong_answer", {"got": f"message {message.message:02X}"})]
        return self._answered(self._pending, message.payload)

    def _answered(self, step: str, payload: bytes) -> list[Event]:
        if self.set_up:
            return self._done()
        events: list[Event] = []
        if step == DEVICE_INFO:
            if len(payload) < 4:
                got = f"{payload.hex().upper() or 'nothing'} as device info"
                events.append(Notice("warning", "receiver_wrong_answer", {"got": got}))
            elif MODELS.get(payload[0], self.model) != self.model:
                return self._another(MODELS[payload[0]])
            else:
                events += self._meet(payload)
        elif step == FIRMWARE_INFO and payload:
            self._identity["firmware_info"] = payload.hex().upper()
        elif step == GET_CONFIG:
            mode = configured_mode(payload)
            if mode is not None and mode != self._modes[self._mode]:
                return self._refused(f"radio mode {mode:02X}")
        return events + self._done()

    def _meet(self, payload: bytes) -> list[Event]:
        """Device info: module type, device mode, firmware version, HCI version, unique id."""
        module, _, firmware = payload[:3]
        self._identity = {"module": f"{module:02X}", "firmware": f"{firmware:02X}"}
        if len(payload) >= 8:
            self._identity["serial"] = f"{int.from_bytes(payload[4:8], 'little'):08X}"
        if self.link_mode == "c1t1" and firmware <= 0x13:
            self._mode = "c1"
            return [Notice("warning", "receiver_one_mode", {"firmware": f"{firmware:02X}"})]
        return []


def parse(data: bytes) -> Message | Literal[False] | None:
    """The message ``data`` begins with (A5 first); None when it is not all there, False when it is none.

    Whether it is one depends on its own bytes alone, never on how they arrived. Without a CRC the header must
    make sense, and a telegram must begin with a C-field that EN 13757 knows.
    """
    if len(data) < 2:
        return None
    flags, endpoint = data[1] & 0xF0, data[1] & 0x0F
    if flags & RESERVED or endpoint not in (MANAGEMENT, RADIO):
        return False
    if len(data) < 3:
        return None
    if not 0 < data[2] <= (LAST_MANAGEMENT_MESSAGE if endpoint == MANAGEMENT else LAST_RADIO_MESSAGE):
        return False
    if len(data) < 4:
        return None
    is_telegram = endpoint == RADIO and data[2] == RECEIVED
    if is_telegram and not data[3]:
        return False
    if is_telegram and not flags & CRC:
        if len(data) < 5:
            return None
        if data[4] not in C_FIELDS:
            return False
    end = 4 + data[3]
    size = end + 4 * bool(flags & TIMESTAMP) + bool(flags & RSSI) + 2 * bool(flags & CRC)
    if len(data) < size:
        return None
    if flags & CRC and crc_x25(data[1 : size - 2]) != int.from_bytes(data[size - 2 : size], "little"):
        return False
    rssi_at = end + 4 * bool(flags & TIMESTAMP)
    return Message(endpoint, data[2], data[4:end], dbm(data[rssi_at]) if flags & RSSI else None, size)


def configured_mode(payload: bytes) -> int | None:
    """The radio mode in an answer to get configuration; None when it says none.

    The payload begins with flags: 01 a device mode byte follows, 02 a radio mode byte follows, ...
    """
    if not payload or not payload[0] & 2:
        return None
    at = 1 + (payload[0] & 1)
    return payload[at] if at < len(payload) else None
