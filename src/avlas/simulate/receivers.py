"""Radio receivers as their hosts see them: pure machines that answer bytes with bytes.

Every receiver has ``feed`` (what the host wrote; the answer comes back), ``transmit`` (a telegram in the
air; what the host gets to read) and ``power_on`` (the state after plugging in).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from avlas.simulate import frames


class Device(Protocol):
    """What a ``line.Terminal`` needs of a device behind it."""

    def power_on(self) -> None:
        """Forget everything that was set temporarily."""

    def feed(self, data: bytes) -> bytes:
        """Bytes from the host; returns the answer."""


class Receiver(Device, Protocol):
    """What a ``line.Line`` needs of a receiver."""

    def transmit(
        self,
        frame: bytes,
        rssi_dbm: float,
        *,
        at: datetime | None = None,
        mode: str = "C1",
        intact: bool = True,
    ) -> bytes:
        """A telegram in the air; returns what the receiver hands to the host."""


def crc_x25(data: bytes) -> int:
    """CRC-16/X-25 as IMST's HCI uses it: polynomial 1021 reflected, start FFFF, inverted."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x8408 if register & 1 else 0)
    return register ^ 0xFFFF


class Im871a:
    """IMST iM871A: WMBus HCI on 57600 8N1 (im170a with ``module_type`` 36).

    It hears nothing for the host until it is set to a radio mode that fits the telegram's. ``attach_crc``
    makes it put a CRC behind every message, as its firmware can; ``device_id`` is its own number.
    """

    # One entry a bit of the two indicator flags: name and size in bytes, in the order of the configuration.
    FIRST = (
        ("device_mode", 1), ("link_mode", 1), ("c_field", 1), ("manufacturer", 2),
        ("identification", 4), ("version", 1), ("device_type", 1), ("channel", 1),
    )  # fmt: skip
    SECOND = (
        ("power", 1), ("data_rate", 1), ("receive_window", 1), ("power_saving", 1),
        ("rssi", 1), ("timestamp", 1), ("led", 1), ("clock", 1),
    )  # fmt: skip
    HEARS = {  # noqa: RUF012 - a table, never changed
        "S1": {0, 1, 2}, "T1": {3, 4, 10}, "C1": {6, 7, 8, 9, 10}, "N1": {11},
    }  # fmt: skip
    C_AND_T, SINCE_FIRMWARE = 10, 0x14

    def __init__(
        self,
        *,
        device_id: int = 0x00210D7A,
        firmware: int = 0x14,
        module_type: int = 0x33,
        attach_crc: bool = False,
    ) -> None:
        self.device_id = device_id
        self.firmware = firmware
        self.module_type = module_type
        self.attach_crc = attach_crc
        self._saved = {name: 0 for name, _ in self.FIRST + self.SECOND}
        self.power_on()

    def power_on(self) -> None:
        """Back to the saved configuration, with nothing half received."""
        self.configuration = dict(self._saved)
        self.configured = False
        self._buffer = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Requests may be cut anywhere; bytes before the next A5 are ignored."""
        self._buffer += data
        out = bytearray()
        while (start := self._buffer.find(0xA5)) >= 0:
            del self._buffer[:start]
            if len(self._buffer) < 4:
                return bytes(out)
            with_crc = self._buffer[1] & 0x80
            size = 4 + self._buffer[3] + (2 if with_crc else 0)
            if len(self._buffer) < size:
                return bytes(out)
            message = bytes(self._buffer[:size])
            if with_crc and crc_x25(message[1:-2]) != int.from_bytes(message[-2:], "little"):
                del self._buffer[:1]
                continue
            del self._buffer[:size]
            out += self._answer(message[1] & 0x0F, message[2], message[4 : 4 + message[3]])
        self._buffer.clear()
        return bytes(out)

    def transmit(
        self,
        frame: bytes,
        rssi_dbm: float,
        *,
        at: datetime | None = None,
        mode: str = "C1",
        intact: bool = True,
    ) -> bytes:
        """The telegram as endpoint 2, message 3, from the C-field on; nothing when it cannot be heard."""
        if not intact or not self.configured or self.configuration["link_mode"] not in self.HEARS[mode]:
            return b""
        flags, trailer = 0, b""
        if self.configuration["timestamp"]:
            flags |= 0x20
            seconds = int((at or datetime.now(UTC)).timestamp())
            trailer += seconds.to_bytes(4, "little")
        if self.configuration["rssi"]:
            flags |= 0x40
            trailer += bytes((rssi_byte(rssi_dbm),))
        return self._message(0x02 | flags, 0x03, frame[1:], trailer)

    def _answer(self, endpoint: int, message: int, payload: bytes) -> bytes:
        if endpoint == 2 and message == 0x01:  # send a telegram: done
            return self._message(2, 0x02, b"\x00")
        if endpoint != 1:
            return b""
        if message == 0x03:
            status = self._configure(payload)
            return self._message(1, 0x04, bytes((status,)))
        answers = {
            0x01: (0x02, b""),
            0x05: (0x06, self._configuration_memory()),
            0x07: (0x08, b""),
            0x0B: (0x0C, bytes((self.configuration["device_mode"],))),
            0x0D: (0x0E, b"\x00"),
            0x0F: (0x10, self._device_info()),
            0x13: (0x14, bytes((self.firmware, 0, 0x2A, 0)) + b"iM871A"),
        }
        if message not in answers:
            return b""
        identifier, content = answers[message]
        if message == 0x07:
            self.power_on()
        return self._message(1, identifier, content)

    def _device_info(self) -> bytes:
        head = bytes((self.module_type, self.configuration["device_mode"], self.firmware, 0x01))
        return head + self.device_id.to_bytes(4, "little")

    def _configuration_memory(self) -> bytes:
        def group(names: tuple[tuple[str, int], ...]) -> bytes:
            fields = b"".join(self.configuration[name].to_bytes(size, "little") for name, size in names)
            return b"\xff" + fields

        return group(self.FIRST) + group(self.SECOND)

    def _configure(self, payload: bytes) -> int:
        """Take over a set configuration payload; 0 when done, 1 when it does not hold what it announces."""
        changed = dict(self.configuration)
        position = 1
        for names in (self.FIRST, self.SECOND):
            if position >= len(payload):
                return 1
            flags = payload[position]
            position += 1
            for bit, (name, size) in enumerate(names):
                if flags & 1 << bit:
                    if position + size > len(payload):
                        return 1
                    changed[name] = int.from_bytes(payload[position : position + size], "little")
                    position += size
        if changed["link_mode"] == self.C_AND_T and self.firmware < self.SINCE_FIRMWARE:
            return 1
        self.configuration = changed
        self.configured = True
        if payload[0]:
            self._saved = dict(changed)
        return 0

    def _message(self, control: int, message: int, payload: bytes, trailer: bytes = b"") -> bytes:
        if self.attach_crc:
            control |= 0x80
        body = bytes((control, message, len(payload))) + payload + trailer
        if self.attach_crc:
            body += crc_x25(body).to_bytes(2, "little")
        return b"\xa5" + body


def rssi_byte(rssi_dbm: float) -> int:
    """The iM871A's RSSI byte: 45 is -100 dBm, 205 is -20 dBm, half a dB a step."""
    return max(0, min(255, round(45 + 2 * (rssi_dbm + 100))))


class _Lines:
    """A receiver that prints lines and listens to nobody."""

    def power_on(self) -> None:
        """Nothing to forget."""

    def feed(self, data: bytes) -> bytes:  # noqa: ARG002 - it reads nothing
        """Nothing is answered."""
        return b""


class RtlWmbus(_Lines):
    """Lines of rtl_wmbus: mode, CRC ok, 3-out-of-6 ok, time (UTC), raw signal, id, frame."""

    def transmit(
        self,
        frame: bytes,
        rssi_dbm: float,
        *,
        at: datetime | None = None,
        mode: str = "C1",
        intact: bool = True,
    ) -> bytes:
        """A damaged telegram is printed too, with CRC ok 0. The signal is a raw positive number, not dBm."""
        moment = (at or datetime.now(UTC)).astimezone(UTC)
        time = moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"
        signal = max(1, round(rssi_dbm + 160))
        identification = frame[4:8][::-1].hex()
        fields = (mode, int(intact), 1, time, signal, signal + 50, identification, f"0x{frame.hex()}")
        return ";".join(map(str, fields)).encode() + b"\n"


class HexLines(_Lines):
    """One telegram a line in hexadecimal; ``crcs`` "a" or "b" leaves the link CRCs in."""

    def __init__(self, crcs: str = "") -> None:
        self.crcs = crcs

    def transmit(
        self,
        frame: bytes,
        rssi_dbm: float,  # noqa: ARG002 - the lines do not tell
        *,
        at: datetime | None = None,  # noqa: ARG002
        mode: str = "C1",  # noqa: ARG002
        intact: bool = True,
    ) -> bytes:
        """A damaged telegram loses its last byte."""
        sent = {"a": frames.format_a, "b": frames.format_b}.get(self.crcs, bytes)(frame)
        return (sent if intact else sent[:-1]).hex().upper().encode() + b"\n"


class SimulationLines(_Lines):
    """Lines of wmbusmeters' simulation files: ``telegram=|HEX|+seconds`` since the first one."""

    def __init__(self) -> None:
        self._first: datetime | None = None

    def power_on(self) -> None:
        """Begin to count seconds anew."""
        self._first = None

    def transmit(
        self,
        frame: bytes,
        rssi_dbm: float,  # noqa: ARG002 - the lines do not tell
        *,
        at: datetime | None = None,
        mode: str = "C1",  # noqa: ARG002
        intact: bool = True,
    ) -> bytes:
        """The link layer and the rest stand apart, as wmbusmeters logs them."""
        at = at or datetime.now(UTC)
        self._first = self._first or at
        text = (frame if intact else frame[:-1]).hex().upper()
        seconds = int((at - self._first).total_seconds())
        return f"telegram=|{text[:22]}_{text[22:]}|+{seconds}\n".encode()
