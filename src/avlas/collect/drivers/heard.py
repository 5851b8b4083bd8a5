"""What every driver gives back, and what every driver is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Heard:
    """A telegram as a driver gives it: the L-field first, link CRCs checked and removed.

    ``heard_at`` is aware UTC when the source says when it heard it, else None (now). ``rssi_dbm`` is None
    when the source gives no signal strength in dBm. A ``wired`` frame (EN 13757-2) is kept whole, from 68 to
    16.
    """

    frame: bytes
    heard_at: datetime | None = None
    rssi_dbm: float | None = None
    wired: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person may need to know: ``text_id`` names the sentence in ``texts.TEXTS``.

    ``detail`` fills the sentence's blanks and holds only numbers and strings, so it can be stored as JSON.
    """

    level: Level
    text_id: str
    detail: Mapping[str, str | int | float] = field(default_factory=dict)


Event = Heard | Notice


class Driver(Protocol):
    """A receiver's protocol as a pure machine.

    The caller opens the line, writes ``begin()``, then repeats: ``feed`` what was read, write ``to_send()``,
    and call ``tick`` with a monotonic clock (seconds) some times a second. ``end`` when it is over.
    """

    damaged: int
    """Telegrams lost because they were damaged: marked so by the receiver, or not to be framed."""

    def begin(self) -> bytes:
        """Start anew on a freshly opened line; what to send first."""
        ...

    def feed(self, data: bytes) -> list[Event]:
        """What the bytes meant; they may be cut anywhere."""
        ...

    def to_send(self) -> bytes:
        """What to write now; empty when nothing."""
        ...

    def tick(self, now: float) -> list[Event]:
        """Time passed: give up what did not come in time."""
        ...

    def end(self) -> list[Event]:
        """The stream is over: what was still held back."""
        ...
