"""More radio receivers as their hosts see them: iU891A, AMB8465 and AMB3665, RC1180, CUL, bare modems.

The same as in receivers.py: ``feed``, ``transmit``, ``power_on``.
"""

from __future__ import annotations

from functools import reduce
from operator import xor
from typing import TYPE_CHECKING, ClassVar

from avlas.simulate import frames
from avlas.simulate.receivers import crc_x25

if TYPE_CHECKING:
    from datetime import datetime

_END, _ESCAPE = b"\xc0", b"\xdb"


def _half_db(rssi_dbm: float) -> int:
    """Signed half dB over -74 dBm, as chips of the CC1101 family count."""
    return max(-128, min(127, round((rssi_dbm + 74) * 2))) & 0xFF


class Iu891a:
    """IMST iU891A: WiMOD HCI in SLIP on 115200 8N1; ``module_type`` 71 makes it an iU893A.

    It hears nothing until a link mode is set. ``counter`` stands where a telegram's time does.
    """

    HEARS = {0: (), 1: ("S1",), 2: ("T1",), 3: ("C1", "T1"), 5: ("C1",)}  # noqa: RUF012 - never changed

    def __init__(self, *, module_type: int = 0x6E, device_id: int = 0x0102C0DB) -> None:
        self.module_type = module_type
        self.device_id = device_id
        self.power_on()

    def power_on(self) -> None:
        """No link mode, nothing half received."""
        self.active = bytes(11)
        self._counter = 0
        self._buffer = b""

    def feed(self, data: bytes) -> bytes:
        """Answers what stands between two ENDs; a wrong checksum is not answered."""
        *messages, self._buffer = (self._buffer + data).split(_END)
        return b"".join(self._answer(message) for message in messages if message)

    def transmit(
        self,
        frame: bytes,
        rssi_dbm: float,
        *,
        at: datetime | None = None,  # noqa: ARG002 - it counts for itself
        mode: str = "C1",
        intact: bool = True,
    ) -> bytes:
        """Endpoint 9, message 20, when it is set to report and the mode fits."""
        if not intact or mode not in self.HEARS.get(self.active[0], ()) or not self.active[1] & 2:
            return b""
        self._counter += 1
        strength = max(-128, min(0, round(rssi_dbm))) & 0xFF
        head = self._counter.to_bytes(4, "little") + bytes((0, 0, 2, strength))
        return self._message(9, 0x20, head + frame)

    def _answer(self, escaped: bytes) -> bytes:
        body = escaped.replace(b"\xdb\xdc", _END).replace(b"\xdb\xdd", _ESCAPE)
        if len(body) < 4 or crc_x25(body[:-2]).to_bytes(2, "little") != body[-2:]:
            return b""
        endpoint, message, payload = body[0], body[1], body[2:-2]
        number = self.device_id.to_bytes(4, "little")
        known = {
            (1, 0x01): b"",
            (1, 0x03): bytes((self.module_type,)) + number + bytes(4),
            (1, 0x05): bytes((0x02, 0x01)) + b"\x10\x00",
            (9, 0x01): self.active,
        }
        if (endpoint, message) == (9, 0x03):
            done = len(payload) == 11 and payload[0] in self.HEARS
            self.active = payload if done else self.active
            return self._message(9, 0x04, b"\x00" if done else b"\x02")
        if (endpoint, message) not in known:
            return self._message(endpoint, message + 1, b"\x01")
        return self._message(endpoint, message + 1, b"\x00" + known[endpoint, message])

    @staticmethod
    def _message(endpoint: int, message: int, payload: bytes) -> bytes:
        body = bytes((endpoint, message)) + payload
        body += crc_x25(body).to_bytes(2, "little")
        return _END + body.replace(_ESCAPE, b"\xdb\xdd").replace(_END, b"\xdb\xdc") + _END


class Amber:
    """AMB8465 (868 MHz), and with ``band`` 169 AMB3665, on 9600 8N1.

    ``signal``: whether it appends the signal strength; ``wrapped``: whether a telegram comes as command 03 or
    as it is. Both are kept in its memory, as on the stick; the mode is forgotten without power.
    """

    HEARS: ClassVar[dict[int, dict[int, tuple[str, ...]]]] = {
        868: {0x03: ("S1",), 0x08: ("T1",), 0x0E: ("C1",), 0x09: ("C1", "T1")},
        169: dict.fromkeys((2, 4, 6, 8, 10, 12), ("N1",)),
    }

    def __init__(self, band: int = 868, *, signal: bool = True, wrapped: bool = True) -> None:
        self.band = band
        self.memory = bytearray(0x78 if band == 868 else 0x80)
        self.memory[0x05] = wrapped
        self.memory[0x45] = signal
        self.memory[0x46] = 0x08 if band == 868 else 0x02
        self.power_on()

    def power_on(self) -> None:
        """Back to the mode in its memory."""
        self.mode = self.memory[0x46]
        self._buffer = b""

    def feed(self, data: bytes) -> bytes:
        """Commands with a wrong check byte are not answered."""
        self._buffer += data
        out = b""
        while len(self._buffer) > 2:
            size = 4 + self._buffer[2]
            if self._buffer[0] != 0xFF or (len(self._buffer) >= size and reduce(xor, self._buffer[:size])):
                self._buffer = self._buffer[1:]
                continue
            if len(self._buffer) < size:
                break
            number, payload = self._buffer[1], self._buffer[3 : size - 1]
            self._buffer = self._buffer[size:]
            out += self._answer(number, payload)
        return out

    def transmit(
        self,
        frame: bytes,
        rssi_dbm: float,
        *,
        at: datetime | None = None,  # noqa: ARG002 - it does not tell
        mode: str = "C1",
        intact: bool = True,
    ) -> bytes:
        """From the C-field on, wrapped or not."""
        if not intact or mode not in self.HEARS[self.band].get(self.mode, ()):
            return b""
        payload = frame[1:] + (bytes((_half_db(rssi_dbm),)) if self.memory[0x45] else b"")
        return self._message(0x03, payload) if self.memory[0x05] else bytes((len(payload),)) + payload

    def _answer(self, number: int, payload: bytes) -> bytes:
        if number == 0x04:
            known = payload[:1] and payload[0] in self.HEARS[self.band]
            self.mode = payload[0] if known else self.mode
            return self._message(0x84, b"\x00" if known else b"\x01")
        if number == 0x0A and len(payload) == 2:
            asked = self.memory[payload[0] : payload[0] + payload[1]]
            return self._message(0x8A, bytes((payload[0], len(asked))) + asked)
        answers = {0x0B: bytes.fromhex("00012345"), 0x0C: bytes((1, 6, 2))}
        return self._message(number | 0x80, answers[number]) if number in answers else b""

    @staticmethod
    def _message(number: int, payload: bytes) -> bytes:
        body = bytes((0xFF, number, len(payload))) + payload
        return body + bytes((reduce(xor, body),))


class Rc1180:
    """RC1180-MBUS on 19200 8N1, set to T1; ``signal``: whether it appends the signal strength."""

    def __init__(self, *, signal: bool = True) -> None:
        self.memory = bytearray(b"\xff" * 256)
        self.memory[0x00:0x06] = bytes((12, 5, 3, 1, 0, signal))
        self.memory[0x0A] = 4
        self.memory[0x19:0x21] = frames.address("RAD", "00112233", 0x01, 0x37)
        self.memory[0x30] = 5
        self.memory[0x35:0x37] = b"\x00\x00"
        self.power_on()

    def power_on(self) -> None:
        """It listens."""
        self.commanded = False

    def feed(self, data: bytes) -> bytes:
        """00 is command mode; there 0 lists the memory and X ends it."""
        out = b""
        for byte in data:
            if not self.commanded:
                self.commanded = byte == 0
                out += b">" if self.commanded else b""
            elif byte == ord("0"):
                out += bytes(self.memory) + b">"
            elif byte == ord("X"):
                self.commanded = False
            else:
                out += b">"
        return out

    def transmit(
        self,
        frame: bytes,
        rssi_dbm: float,
        *,
        at: datetime | None = None,  # noqa: ARG002 - it does not tell
        mode: str = "C1",
        intact: bool = True,
    ) -> bytes:
        """The frame as it is, L counting the signal strength too; nothing in command mode."""
        if not intact or self.commanded or mode != "T1":
            return b""
        if not self.memory[0x05]:
            return frame
        return bytes((frame[0] + 1,)) + frame[1:] + bytes((max(0, min(255, round(-2 * rssi_dbm))),))


class Cul:
    """A nanoCUL with a-culfw on 38400 8N1. ``cuts``: older firmware, which stops in the middle of a byte.

    ``format_b``: C1 telegrams come as format B.
    """

    HEARS = {"c": ("C1", "T1"), "t": ("T1",), "s": ("S1",)}  # noqa: RUF012 - a table, never changed
    CUT_AT = 101  # hexadecimal digits

    def __init__(self, *, cuts: bool = False, format_b: bool = False) -> None:
        self.cuts = cuts
        self.format_b = format_b
        self.power_on()

    def power_on(self) -> None:
        """Silent, in no mode."""
        self.mode = ""
        self.reporting = self.with_signal = False
        self._buffer = b""

    def feed(self, data: bytes) -> bytes:
        """Lines; what it does not know it answers with a question mark."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return b"".join(self._answer(line.decode("ascii", "replace").strip()) for line in lines)

    def transmit(
        self,
        frame: bytes,
        rssi_dbm: float,
        *,
        at: datetime | None = None,  # noqa: ARG002 - it does not tell
        mode: str = "C1",
        intact: bool = True,
    ) -> bytes:
        """A line with the frame's CRCs; one that is not intact has a wrong bit."""
        if not self.reporting or mode not in self.HEARS.get(self.mode, ()):
            return b""
        in_b = self.format_b and mode == "C1"
        sent = bytearray(frames.format_b(frame) if in_b else frames.format_a(frame))
        if not intact:
            sent[5] ^= 0x10
        digits = sent.hex().upper()
        if self.with_signal:
            digits += f"{0x5B:02X}{_half_db(rssi_dbm):02X}"
        if self.cuts:
            digits = digits[: self.CUT_AT]
        return f"b{'Y' if in_b else ''}{digits}\r\n".encode()

    def _answer(self, line: str) -> bytes:
        if line == "V":
            return b"V 1.26.08 a-culfw Build: private build (unknown) nanoCUL868 (F-Band: 868MHz)\r\n"
        if line.startswith("br") and line[2:] in self.HEARS:
            self.mode = line[2:]
            return f"{self.mode.upper()}MODE\r\n".encode()
        if line.startswith("X"):
            self.reporting, self.with_signal = line[1:] in ("01", "21"), line[1:] == "21"
            return b""
        return f"? ({line} is unknown) Use one of V b X\r\n".encode() if line else b""


class _Bare:
    """A modem that hands on what it hears and listens to nobody."""

    def power_on(self) -> None:
        """Nothing to forget."""

    def feed(self, data: bytes) -> bytes:  # noqa: ARG002 - it reads nothing
        """Nothing is answered."""
        return b""


class RawModem(_Bare):
    """Frames one after the other: bytes, or with ``text`` hexadecimal digits; ``crcs`` "a" or "b" leaves those in."""

    def __init__(self, *, crcs: str = "", text: bool = False) -> None:
        self.crcs = crcs
        self.text = text

    def transmit(
        self,
        frame: bytes,
        rssi_dbm: float,  # noqa: ARG002 - it does not tell
        *,
        at: datetime | None = None,  # noqa: ARG002
        mode: str = "C1",  # noqa: ARG002
        intact: bool = True,
    ) -> bytes:
        """A damaged frame loses its end."""
        sent = {"a": frames.format_a, "b": frames.format_b}.get(self.crcs, bytes)(frame)
        sent = sent if intact else sent[: len(sent) // 2]
        return sent.hex(" ").encode() + b"\r\n" if self.text else sent


class Rtl433(_Bare):
    """Lines of rtl_433: CSV with its heading, or with ``json`` objects; other transmitters are in the air too."""

    HEADING = b"time,msg,codes,model,id,M,version,type,type_string,mode,data_length,data,mic\n"

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self.power_on()

    def power_on(self) -> None:
        """A fresh start prints the heading again."""
        self._headed = False

    def transmit(
        self,
        frame: bytes,
        rssi_dbm: float,  # noqa: ARG002 - it does not tell
        *,
        at: datetime | None = None,
        mode: str = "C1",
        intact: bool = True,
    ) -> bytes:
        """rtl_433 prints only what its CRCs speak for."""
        if not intact:
            return b""
        time = f"{at:%Y-%m-%d %H:%M:%S}" if at else "2026-01-01 00:00:00"
        identification = frame[4:8][::-1].hex()
        if self.json:
            return (
                f'{{"time" : "{time}", "model" : "Wireless-MBus", "mode" : "{mode[0]}", "id" : {identification},'
                f' "data_length" : {frame[0]}, "data" : "{frame.hex()}", "mic" : "CRC"}}\n'
            ).encode()
        heading, self._headed = b"" if self._headed else self.HEADING, True
        other = f"{time},,,Fineoffset-WHx080,17,,,,,,,,\n".encode()
        cells = (
            time,
            "",
            "",
            "Wireless-MBus",
            identification,
            "KAM",
            27,
            4,
            "Heat",
            mode[0],
            frame[0],
            frame.hex(),
            "CRC",
        )
        return heading + other + ",".join(map(str, cells)).encode() + b"\n"
