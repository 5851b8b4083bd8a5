"""Amber AMB8465 (Würth Metis-II, 868 MHz) and AMB3665 (169 MHz), 9600 8N1.

    FF | command | length | payload | XOR of everything before

Answers are the command + 80. A telegram comes as command 03, or, when the stick is set to put nothing around
it, as it is: L, C, ... The payload starts with the C-field; when the stick's parameter for it is set, the
signal strength is the last byte and counted in the length. The link mode is set until the stick loses its
power; its memory is only read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import TYPE_CHECKING, Final

from avlas.collect.drivers.asking import C_FIELDS, AskingDriver
from avlas.collect.drivers.heard import Heard, Notice
from avlas.collect.drivers.plain import plain_frame

if TYPE_CHECKING:
    from avlas.collect.drivers.heard import Event

BAUD_RATE: Final = 9_600
LINK_MODES: Final = {"c1t1": 0x09, "c1": 0x0E, "t1": 0x08, "s1": 0x03}
LINK_MODES_169: Final = {f"n2{channel}": 2 * number for number, channel in enumerate("abcdef", 1)}

START, ANSWER = 0xFF, 0x80
TELEGRAM: Final = 0x03
PARAMETERS, SET_MODE, SERIAL, FIRMWARE = "parameters", "set mode", "serial number", "firmware"
COMMANDS: Final = {PARAMETERS: 0x0A, SET_MODE: 0x04, SERIAL: 0x0B, FIRMWARE: 0x0C}
MODELS: Final = {0x78: "AMB8465", 0x80: "AMB3665"}
"""How many bytes of parameters it has -> the stick."""
RSSI_PARAMETER: Final = 0x45
KNOWN: Final = frozenset(
    (TELEGRAM, TELEGRAM | ANSWER, *(command | ANSWER for command in range(0x12)), 0xD0, 0xD1)
)
MOST_EARLY: Final = 20
"""Telegrams kept until the stick has said whether they end in their signal strength."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; ``command`` is TELEGRAM for one that came without anything around it too."""

    command: int
    payload: bytes


def command(number: int, payload: bytes = b"") -> bytes:
    """A command to the stick."""
    body = bytes([START, number, len(payload)]) + payload
    return body + bytes([reduce(xor, body)])


def dbm(rssi: int) -> float:
    """Signal strength of the stick's RSSI byte: signed half dB over -74 dBm."""
    return (rssi - 256 if rssi >= 0x80 else rssi) / 2 - 74


class Amber(AskingDriver[Message]):
    """Driver for the AMB8465 (spec ``amb8465:``) and the AMB3665 (``amb3665:``)."""

    steps = (PARAMETERS, SET_MODE, SERIAL, FIRMWARE)
    optional = (SERIAL, FIRMWARE)
    known_by = PARAMETERS

    def __init__(self, link_mode: str = "c1t1", model: str = "AMB8465") -> None:
        self.model = model
        self._modes = LINK_MODES if model == "AMB8465" else LINK_MODES_169
        if link_mode not in self._modes:
            raise ValueError(f"{link_mode!r} is no link mode of the {model}")
        super().__init__(link_mode)

    def begin(self) -> bytes:
        """Forget the old stick too."""
        self._with_signal: bool | None = None
        self._early: list[bytes] = []
        return super().begin()

    def request(self, step: str) -> bytes:
        """The command of a step."""
        payload = {PARAMETERS: b"\x00\x80", SET_MODE: bytes([self._modes[self._mode]])}.get(step, b"")
        return command(COMMANDS[step], payload)

    def next_message(self) -> Message | None:
        """The next command whose check byte is right, or plain telegram."""
        buffer = self._buffer
        while buffer:
            if buffer[0] == START:
                size = 4 + buffer[2] if len(buffer) > 2 else 0
                if len(buffer) > 1 and buffer[1] not in KNOWN:
                    self._skip(1)
                elif not size or len(buffer) < size:
                    return None
                elif reduce(xor, buffer[:size]):
                    self._skip(1)
                else:
                    message = Message(buffer[1], bytes(buffer[3 : size - 1]))
                    del buffer[:size]
                    return message
                continue
            frame = plain_frame(buffer)
            if frame is None:
                return None
            if frame:
                del buffer[: len(frame)]
                return Message(TELEGRAM, frame[1:])
            self._skip(1)
        return None

    def act(self, message: Message) -> list[Event]:
        """A telegram, or the answer to the pending command."""
        if message.command & ~ANSWER == TELEGRAM:
            if self._with_signal is not None:
                return self._telegram(message.payload)
            self._early = [*self._early[-MOST_EARLY:], message.payload]
            return []
        if self._pending is None or message.command != COMMANDS[self._pending] | ANSWER:
            return []
        return self._answered(self._pending, message.payload)

    def _telegram(self, payload: bytes) -> list[Event]:
        rssi = None
        if self._with_signal:
            payload, rssi = payload[:-1], dbm(payload[-1]) if payload else None
        if not payload or payload[0] not in C_FIELDS:
            self.damaged += 1
            return []
        return [Heard(bytes([len(payload)]) + payload, rssi_dbm=rssi)]

    def _answered(self, step: str, payload: bytes) -> list[Event]:
        if self.set_up:
            return self._done()
        events: list[Event] = []
        if step == PARAMETERS:
            if len(payload) < 2 + RSSI_PARAMETER + 1:
                return self._refused(f"{len(payload)} bytes of parameters")
            model = MODELS.get(payload[1], self.model)
            if model != self.model:
                return self._another(model)
            self._with_signal = bool(payload[2 + RSSI_PARAMETER])
            if not self._with_signal:
                events.append(Notice("warning", "receiver_no_signal"))
            for early in self._early:
                events += self._telegram(early)
            self._early = []
        elif step == SET_MODE and payload[:1] != b"\0":
            return self._refused(f"{payload.hex().upper() or 'nothing'} ({step})")
        elif step == SERIAL and payload:
            self._identity["serial"] = payload.hex().upper()
        elif step == FIRMWARE and payload:
            self._identity["firmware"] = ".".join(str(byte) for byte in payload)
        return events + self._done()
