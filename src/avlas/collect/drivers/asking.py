"""The common half of drivers that set their receiver up: requests, answers, patience, and skipping damage.

A subclass says what its requests are (``steps``), how a message is cut out of the bytes (``next_message``) and
what it means (``act``). Nothing that is set up outlives the receiver's power: what a user has stored in a
receiver stays as it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar

from avlas.collect.drivers.heard import Notice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.collect.drivers.heard import Event

ANSWER_WITHIN: Final = 1.0
"""Seconds a request may take before it is sent again."""
TRIES: Final = 3
START_OVER_AFTER: Final = 5.0
"""Seconds of rest after TRIES unanswered requests, before the set-up begins anew."""
CUT_SHORT_AFTER: Final = 0.5
"""Seconds of silence in the middle of a message (262 bytes take 0.3 s at 9600 baud) after which its rest will
not come."""
ASK_AFTER: Final = 60.0
"""Seconds without a byte after which the receiver is asked whether it is still there."""

# C-fields that a meter or its reader sends on the air (EN 13757-4, 12.5.2 and EN 13757-2): SND_NR, SND_IR,
# ACC_NR, ACC_DMD, SND_NKE, SND_UD, REQ_UD1/2, SND_UD2/3, CNF_IR, ACK and RSP_UD with any ACD/DFC.
C_FIELDS: Final = frozenset(
    [0x40, 0x44, 0x45, 0x46, 0x47, 0x48, 0x43, 0x4A, 0x5A, 0x5B, 0x7A, 0x7B, 0x53, 0x73, 0x06]
    + [high | low for high in (0x00, 0x10, 0x20, 0x30, 0x80, 0x90, 0xA0, 0xB0) for low in (0x00, 0x08)]
)

M = TypeVar("M")


class AskingDriver(ABC, Generic[M]):
    """A receiver that is asked and answers; ``M`` is one whole message of its own.

    ``set_up`` is True once the receiver has confirmed its set-up; telegrams are handed on before that too,
    should they come. ``met`` is True once it has
    said which it is; ``model`` is the receiver as people call it.
    """

    steps: ClassVar[Sequence[str]]
    """The requests of the set-up in their order; the first is also the question whether it is still there."""
    optional: ClassVar[Sequence[str]] = ()
    """Steps without which the receiver hears telegrams all the same."""
    known_by: ClassVar[str]
    """The step that tells which receiver it is; nothing is set before."""
    farewell: ClassVar[bytes] = b""
    """What to send to one that was only asked who it is."""
    model: str

    def __init__(self, link_mode: str) -> None:
        self.link_mode = link_mode
        self.damaged = 0
        self.begin()

    @abstractmethod
    def request(self, step: str) -> bytes:
        """What to send for a step."""

    @abstractmethod
    def next_message(self) -> M | None:
        """The next whole message of ``self._buffer``, skipping what is none; None when more bytes are needed."""

    @abstractmethod
    def act(self, message: M) -> list[Event]:
        """What a message means; an answer to the pending step ends in ``_done`` or ``_refused``."""

    # ---- what every driver is

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
        self.met = False
        self._mode = self.link_mode
        self._pending: str | None = None
        self._tries = 0
        self._deadline: float | None = None
        self._ask(self.steps[0])
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
                self._ask(self.steps[0])
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

    @property
    def at_first(self) -> bool:
        """Whether the first request is not answered yet."""
        return self._pending == self.steps[0]

    @property
    def identity(self) -> dict[str, str | int | float]:
        """What the receiver has said of itself: serial, firmware, ..."""
        return dict(self._identity)

    # ---- from bytes to messages

    def _read(self) -> list[Event]:
        events: list[Event] = []
        while True:
            message = self.next_message()
            if message is None:
                return events
            if self._skipped:
                events.append(Notice("warning", "line_noise", {"bytes": self._skipped}))
                self.damaged += 1
                self._skipped = 0
            events += self.act(message)

    def _skip(self, count: int) -> None:
        del self._buffer[:count]
        self._skipped += count

    # ---- the set-up, step by step

    def _done(self) -> list[Event]:
        """The pending step is answered: go on to the next, or say that all is set."""
        step = self._pending
        assert step is not None
        self._pending = None
        self.met = self.met or step == self.known_by
        if not self.set_up:
            return self._next_step(step)
        if not self._warned:
            return []
        self._warned = False
        return [Notice("info", "receiver_answers_again")]

    def _next_step(self, step: str) -> list[Event]:
        position = self.steps.index(step) + 1
        if position < len(self.steps):
            self._ask(self.steps[position])
            return []
        self.set_up = True
        self._warned = False
        detail = {"mode": self._mode.upper(), "model": self.model, **self._identity}
        return [Notice("info", "receiver_ready", detail)]

    def _refused(self, got: str) -> list[Event]:
        """The answer is none that fits: rest, then begin anew."""
        self._rest()
        return [Notice("warning", "receiver_wrong_answer", {"got": got})]

    def _another(self, found: str) -> list[Event]:
        """It is another receiver than it was said to be."""
        self._rest()
        return [Notice("error", "receiver_another", {"found": found, "wanted": self.model})]

    def _ask(self, step: str) -> None:
        self._pending = step
        self._tries = 1
        self._send(step)

    def _send(self, step: str) -> None:
        self._out += self.request(step)
        self._deadline = None if self._now is None else self._now + ANSWER_WITHIN

    def _unanswered(self) -> list[Event]:
        step = self._pending
        assert step is not None
        if self._tries >= TRIES + 1:  # rested
            self.set_up = False
            self._ask(self.steps[0])
            return []
        if self._tries < TRIES:
            self._tries += 1
            self._send(step)
            return []
        if step in self.optional:
            self._pending = None
            return self._next_step(step)
        self._rest()
        if self._warned:
            return []
        self._warned = True
        return [Notice("warning", "receiver_no_answer", {"request": step, "model": self.model})]

    def _rest(self) -> None:
        """Wait a while, then begin the set-up anew; an answer that comes meanwhile is still taken."""
        if self._pending is None:
            self._pending = self.steps[0]
        self._tries = TRIES + 1
        self._deadline = (self._now or 0.0) + START_OVER_AFTER
