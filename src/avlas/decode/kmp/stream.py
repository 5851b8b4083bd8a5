"""The asking end of an optical line, without the line: requests out, bytes in, events out (fact sheet on KMP, 4.1).

``Exchange`` holds what one line needs: it cuts bytes into frames however they come, finds its way back after noise,
knows the echo that optical heads give of a request, and says which answer belongs to it. It has no clock: whoever
drives the line tells it when the meter had time enough (``give_up``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from avlas.decode.errors import DecodeError, FrameError
from avlas.decode.kmp import table
from avlas.decode.kmp.answers import LogAnswer, RegisterAnswer
from avlas.decode.kmp.frame import ACKNOWLEDGE, FROM_METER, STOP, TO_METER, parse
from avlas.decode.kmp.message import Message, decode
from avlas.decode.kmp.requests import GetRegister, OldLog, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from avlas.decode.kmp.answers import Answer

LONGEST = 8192  # bytes of a frame; the longest log answers known have some hundred


@dataclass(frozen=True, slots=True)
class Noise:
    """Bytes that belong to no frame."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Echo:
    """The request itself, heard back from the head."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to the request."""

    request: Request
    answer: Answer
    message: Message


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The meter did what it was told to."""

    request: Request


@dataclass(frozen=True, slots=True)
class Damaged:
    """A frame from the meter that cannot be read, and why."""

    raw: bytes
    error: DecodeError


@dataclass(frozen=True, slots=True)
class Unexpected:
    """A good frame that nobody asked for: another device's, or an answer that came too late."""

    message: Message


Event = Noise | Echo | Answered | Acknowledged | Damaged | Unexpected


class Exchange:
    """One line's requests and answers, one at a time: a meter answers the last thing it was asked."""

    def __init__(self) -> None:
        self._heard = bytearray()  # a frame that has begun
        self._sent = b""
        self._request: Request | None = None

    @property
    def waiting(self) -> Request | None:
        """The request whose answer has not come yet."""
        return self._request

    def ask(self, request: Request) -> bytes:
        """The bytes to send; what was half heard before is forgotten. ValueError: see ``Request.frame``."""
        self._sent = request.frame()
        self._heard.clear()
        self._request = request
        return self._sent

    def give_up(self) -> tuple[Event, ...]:
        """The meter had time enough: wait no longer. An answer that had begun is told as damaged."""
        self._request = None
        raw = bytes(self._heard)
        self._heard.clear()
        if not raw:
            return ()
        if raw[0] != FROM_METER:
            return (Noise(raw),)
        return (Damaged(raw, FrameError("the frame breaks off: its stop byte never came")),)

    def hear(self, data: bytes) -> tuple[Event, ...]:
        """What the bytes from the line mean. Never raises."""
        return tuple(self._events(data))

    def _events(self, data: bytes) -> Iterator[Event]:
        noise = bytearray()
        for byte in data:
            if byte in (TO_METER, FROM_METER):  # stuffed inside a frame, so always a beginning
                noise += self._heard
                self._heard[:] = bytes((byte,))
            elif byte == ACKNOWLEDGE and self._request is not None and self._request.acknowledged:
                noise += self._heard
                self._heard.clear()
                yield from _noise(noise)
                yield Acknowledged(self._request)
                self._request = None
            elif not self._heard:
                noise.append(byte)
            else:
                self._heard.append(byte)
                if byte == STOP:
                    yield from _noise(noise)
                    yield self._frame()
                elif len(self._heard) > LONGEST:
                    noise += self._heard
                    self._heard.clear()
        yield from _noise(noise)

    def _frame(self) -> Event:
        raw = bytes(self._heard)
        self._heard.clear()
        if raw == self._sent:
            return Echo(raw)
        try:
            message = decode(raw)
        except DecodeError as error:  # a broken echo says nothing about the answer
            return Damaged(raw, error) if raw[0] == FROM_METER else Noise(raw)
        request, content = self._request, message.content
        if (
            request is None
            or content is None
            or isinstance(content, Request)
            or not self._fits(message, content)
        ):
            return Unexpected(message)
        self._request = None
        return Answered(request, content, message)

    def _fits(self, message: Message, content: Answer) -> bool:
        """Whether the answer is one to what was asked, and not one to an earlier request that came too late."""
        asked, frame = parse(self._sent), message.frame
        if frame is None or frame.address != asked.address:
            return False
        if asked.command == table.CLEAR_EVENTS:  # tells the status, as GetEventStatus does
            return frame.command in (table.CLEAR_EVENTS, table.GET_EVENTS)
        if frame.command != asked.command:
            return False
        if frame.command == table.LOGGER:
            return frame.data[:2] == asked.data[:2]  # the question and the logger
        return _has_only(self._request, content)


def _has_only(request: Request | None, content: Answer) -> bool:
    """Whether an answer of registers holds none but those that were asked for."""
    if isinstance(request, GetRegister) and isinstance(content, RegisterAnswer):
        return {field.register for field in content.fields} <= set(request.registers)
    if isinstance(request, OldLog) and isinstance(content, LogAnswer):
        return content.log in (None, request.log)
    return True


def _noise(heard: bytearray) -> Iterator[Noise]:
    if heard:
        yield Noise(bytes(heard))
        heard.clear()
