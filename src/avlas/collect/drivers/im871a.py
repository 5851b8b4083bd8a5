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

from avlas.collect.drivers.heard import Heard, Notice

if TYPE_CHECKING:
    from avlas.collect.drivers.heard import Event

BAUD_RATE: Final = 57_600
LINK_MODES: Final = {"s1": 0, "t1": 3, "c1": 6, "c1t1": 10}
"""Link mode as people write it -> radio mode byte. c1t1 (both at once) needs firmware newer than 13 (hex)."""

START = 0xA5
TIMESTAMP, RSSI, CRC, RESERVED = 0x20, 0x40, 0x80, 0x10
MANAGEMENT, RADIO = 1, 2
PING, SET_CONFIG, GET_CONFIG, DEVICE_INFO, FIRMWARE_INFO = (
    0x01,
    0x03,
    0x05,
    0x0F,
    0x13,
)  # the answer is one more
RECEIVED = 0x03
LAST_MANAGEMENT_MESSAGE, LAST_RADIO_MESSAGE = 0x28, 0x05

# C-fields that a meter or its reader sends on the air (EN 13757-4, 12.5.2 and EN 13757-2): SND_NR, SND_IR,
# ACC_NR, ACC_DMD, SND_NKE, SND_UD, REQ_UD1/2, SND_UD2/3, CNF_IR, ACK and RSP_UD with any ACD/DFC.
C_FIELDS: Final = frozenset(
    [0x40, 0x44, 0x45, 0x46, 0x47, 0x48, 0x43, 0x4A, 0x5A, 0x5B, 0x7A, 0x7B, 0x53, 0x73, 0x06]
    + [high | low for high in (0x00, 0x10, 0x20, 0x30, 0x80, 0x90, 0xA0, 0xB0) for low in (0x00, 0x08)]
)

STEPS: Final = (PING, DEVICE_INFO, FIRMWARE_INFO, SET_CONFIG, GET_CONFIG)
OPTIONAL: Final = (FIRMWARE_INFO, GET_CONFIG)  # the receiver hears telegrams whether or not it answers these
STEP_NAMES: Final = {
    PING: "ping",
    DEVICE_INFO: "device info",
    FIRMWARE_INFO: "firmware info",
    SET_CONFIG: "set configuration",
    GET_CONFIG: "get configuration",
}

ANSWER_WITHIN = 1.0
"""Seconds a request may take before it is sent again."""
TRIES = 3
START_OVER_AFTER = 5.0
"""Seconds of rest after TRIES unanswered requests, before the set-up begins anew."""
CUT_SHORT_AFTER = 0.5
"""Seconds of silence in the middle of a message (262 bytes take 46 ms) after which its rest will not come."""
ASK_AFTER = 60.0
"""Seconds without a byte after which the receiver is asked whether it is still there."""


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


class Im871a:
    """Driver for the iM871A and iM170A (spec ``im871a:``).

    ``link_mode`` is one of LINK_MODES. ``set_up`` is True once the receiver has confirmed its configuration;
    telegrams are handed on before that too, should they come.
    """

    def __init__(self, link_mode: str = "c1t1") -> None:
        if link_mode not in LINK_MODES:
            raise ValueError(
                f"{link_mode!r} is no link mode of the iM871A; choose one of {', '.join(LINK_MODES)}"
            )
        self.link_mode = link_mode
        self.damaged = 0
        self.begin()

    def begin(self) -> bytes:
        """Forget the old line and start the set-up; the first request."""
        self._buffer = bytearray()
        self._out = bytearray()
        self._skipped = 0
        self._now: float | None = None
        self._last_byte_at: float | None = None
        self._bytes_came = False
        self._warned = False
        self._identity: dict[str, str | int | float] = {}
        self.set_up = False
        self._mode = self.link_mode
        self._pending: int | None = None
        self._tries = 0
        self._deadline: float | None = None
        self._ask(PING)
        return self.to_send()

    def feed(self, data: bytes) -> list[Event]:
        """Telegrams and notices in ``data``, which may begin and end anywhere in a message."""
        self._buffer += data
        self._bytes_came = True
        return self._read()

    def to_send(self) -> bytes:
        """Requests to write to the receiver now."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def tick(self, now: float) -> list[Event]:
        """Give up a message cut short, repeat an unanswered request, ask a silent receiver (seconds)."""
        self._now = now
        events: list[Event] = []
        if self._bytes_came or self._last_byte_at is None:
            self._bytes_came = False
            self._last_byte_at = now
        elif self._buffer and now - self._last_byte_at >= CUT_SHORT_AFTER:
            self._skip(1)
            events += self._read()
        if self._pending is None:
            if now - self._last_byte_at >= ASK_AFTER:
                self._ask(PING)
        elif self._deadline is None:
            self._deadline = now + ANSWER_WITHIN
        elif now >= self._deadline:
            events += self._unanswered()
        return events

    def end(self) -> list[Event]:
        """What stands complete behind a message that was cut short by the end of the stream."""
        events: list[Event] = []
        while self._buffer:
            self._skip(1)
            events += self._read()
        return events

    # ---- from bytes to messages

    def _read(self) -> list[Event]:
        events: list[Event] = []
        while True:
            message = self._next_message()
            if message is None:
                return events
            if self._skipped:
                events.append(Notice("warning", "line_noise", {"bytes": self._skipped}))
                self.damaged += 1
                self._skipped = 0
            events += self._act(message)

    def _next_message(self) -> Message | None:
        """The next whole message, skipping what is none; None when more bytes are needed."""
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

    def _skip(self, count: int) -> None:
        del self._buffer[:count]
        self._skipped += count

    # ---- what a message means

    def _act(self, message: Message) -> list[Event]:
        if message.endpoint == RADIO and message.message == RECEIVED:
            frame = bytes([len(message.payload)]) + message.payload
            return [Heard(frame, rssi_dbm=message.rssi_dbm)]
        if message.endpoint != MANAGEMENT or self._pending is None:
            return []
        if message.message != self._pending + 1:
            if message.message - 1 in STEPS:
                return []  # a late answer to a request that was sent again
            return [self._wrong_answer(f"message {message.message:02X}")]
        return self._answered(self._pending, message.payload)

    def _answered(self, step: int, payload: bytes) -> list[Event]:
        self._pending = None
        if self.set_up:
            return self._answers_again()
        events: list[Event] = []
        if step == DEVICE_INFO:
            if len(payload) < 4:
                events.append(self._wrong_answer(f"{payload.hex().upper() or 'nothing'} as device info"))
            else:
                events += self._meet(payload)
        elif step == FIRMWARE_INFO and payload:
            self._identity["firmware_info"] = payload.hex().upper()
        elif step == GET_CONFIG:
            mode = configured_mode(payload)
            if mode is not None and mode != LINK_MODES[self._mode]:
                self._rest()
                return [self._wrong_answer(f"radio mode {mode:02X}")]
        return events + self._next_step(step)

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

    def _next_step(self, step: int) -> list[Event]:
        position = STEPS.index(step) + 1
        if position < len(STEPS):
            self._ask(STEPS[position])
            return []
        self.set_up = True
        self._warned = False
        return [Notice("info", "receiver_ready", {"mode": self._mode.upper(), **self._identity})]

    def _answers_again(self) -> list[Event]:
        if not self._warned:
            return []
        self._warned = False
        return [Notice("info", "receiver_answers_again")]

    # ---- requests

    def _ask(self, step: int) -> None:
        self._pending = step
        self._tries = 1
        self._send(step)

    def _send(self, step: int) -> None:
        # 00 temporary; 02 radio mode follows; 30 RSSI and timestamp settings follow: RSSI on, timestamp off.
        payload = bytes([0, 2, LINK_MODES[self._mode], 0x30, 1, 0]) if step == SET_CONFIG else b""
        self._out += request(step, payload)
        self._deadline = None if self._now is None else self._now + ANSWER_WITHIN

    def _unanswered(self) -> list[Event]:
        step = self._pending
        assert step is not None
        if self._tries >= TRIES + 1:  # rested
            self.set_up = False
            self._ask(PING)
            return []
        if self._tries < TRIES:
            self._tries += 1
            self._send(step)
            return []
        if step in OPTIONAL:
            self._pending = None
            return self._next_step(step)
        self._rest()
        if self._warned:
            return []
        self._warned = True
        return [Notice("warning", "receiver_no_answer", {"request": STEP_NAMES[step]})]

    def _rest(self) -> None:
        """Wait a while, then begin the set-up anew; an answer that comes meanwhile is still taken."""
        if self._pending is None:
            self._pending = PING
        self._tries = TRIES + 1
        self._deadline = (self._now or 0.0) + START_OVER_AFTER

    def _wrong_answer(self, got: str) -> Notice:
        return Notice("warning", "receiver_wrong_answer", {"got": got})


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
