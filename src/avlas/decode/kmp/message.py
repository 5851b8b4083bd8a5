"""One frame, read and explained: who speaks, what is asked or answered, and what every byte says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from avlas.decode.kmp import answers, requests, table
from avlas.decode.kmp.frame import ACKNOWLEDGE, BASE_MODULE, METER, TOP_MODULE, Frame, parse
from avlas.decode.types import Span

if TYPE_CHECKING:
    from avlas.decode.kmp.answers import Answer
    from avlas.decode.kmp.fields import Field
    from avlas.decode.kmp.requests import Request

_ADDRESSES = {
    METER: "the meter",
    TOP_MODULE: "logger of the top module",
    BASE_MODULE: "logger of the base module",
}


@dataclass(frozen=True, slots=True)
class Message:
    """A frame or an acknowledgement. Offsets count in ``plain``, the frame without its stuffing."""

    frame: Frame | None  # None: the acknowledgement 06, which has no frame
    content: Request | Answer | None
    plain: bytes
    spans: tuple[Span, ...]

    @property
    def from_meter(self) -> bool:
        """Whether the meter sent it."""
        return self.frame is None or self.frame.from_meter

    @property
    def command(self) -> str:
        """The command's name, "" for an acknowledgement."""
        if self.frame is None:
            return ""
        known = table.COMMANDS.get(self.frame.command, "")
        return (
            table.LOGGER_COMMANDS.get(self.frame.data[0], known)
            if known == "Logger" and self.frame.data
            else known
        )

    @property
    def fields(self) -> tuple[Field, ...]:
        """The values of now: those of a register answer."""
        return self.content.fields if isinstance(self.content, answers.RegisterAnswer) else ()


def decode(raw: bytes) -> Message:
    """Read one frame, from its start to its stop byte, or an acknowledgement.

    Raises DecodeError and nothing else: FrameError (start, stop, stuffing, CRC), RecordError (the data do not
    fit their command).
    """
    if raw == bytes((ACKNOWLEDGE,)):
        return Message(None, None, raw, (Span("link", 0, 1, "acknowledgement", "done as asked"),))
    frame = parse(raw)
    content: Request | Answer
    content, spans = answers.read(frame) if frame.from_meter else requests.read(frame)
    return Message(frame, content, frame.plain, (*_head(frame), *spans, *_tail(frame)))


def _head(frame: Frame) -> tuple[Span, ...]:
    direction = "from the meter" if frame.from_meter else "to the meter"
    command = table.COMMANDS.get(frame.command, "unknown")
    return (
        Span("link", 0, 1, "start", direction),
        Span("link", 1, 2, "address", _ADDRESSES.get(frame.address, "another device")),
        Span("apl", 2, 3, "command", command),
    )


def _tail(frame: Frame) -> tuple[Span, ...]:
    end = len(frame.plain)
    stuffing = f"right; {frame.stuffed} bytes 1B of stuffing taken out" if frame.stuffed else "right"
    return (Span("link", end - 3, end - 1, "CRC", stuffing), Span("link", end - 1, end, "stop", ""))
