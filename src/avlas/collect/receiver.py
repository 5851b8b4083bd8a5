"""A receiver in use: opens its line, runs its driver, reconnects, and gives telegrams in batches.

    receiver = Receiver(parse_spec("im871a:/dev/ttyUSB0"), on_notice=print)
    task = asyncio.create_task(receiver.run())
    while batch := await receiver.next_batch():
        ...

The buffer between line and reader is bounded. When it is full a source that can wait (TCP, standard input, a
file) is not read further; a radio can't wait, so its newest telegrams are counted as lost, and that is said.
Knows nothing of databases.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import serialx

from avlas.collect.drivers.heard import Heard, Notice
from avlas.collect.line import open_line, why
from avlas.collect.program import ProgramLine
from avlas.collect.recorded import NotRecorded, Recording
from avlas.collect.spec import make_driver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from avlas.collect.drivers.heard import Driver, Event
    from avlas.collect.line import Line
    from avlas.collect.spec import Spec

BATCH_TELEGRAMS: Final = 10_000
BATCH_SECONDS: Final = 0.25
MOST_WAITING: Final = 100_000
"""Telegrams kept in memory while the database can't be written: about 30 MB."""
FIRST_RETRY: Final = 0.5
LAST_RETRY: Final = {"serial": 2.0, "tcp": 30.0, "udp": 30.0, "program": 30.0}
"""Seconds before a lost line is tried again: doubled each time up to the last, anew from the first when a
telegram was heard. To look for a port costs nothing; a computer that is down is left in peace."""
SILENT_AFTER: Final = 600.0
"""Seconds without a telegram after which the line is opened anew."""
SAME_NOTICE_EVERY: Final = 60.0
CLOCK_TOLERANCE: Final = 120.0
"""Seconds a source's own clock may differ from this machine's before its timestamps are replaced."""
TICK: Final = 0.25
CAN_WAIT: Final = ("tcp", "stdin", "file")
"""Roads on which a sender waits when it is not read; on the others what is not read is lost."""


@dataclass(frozen=True, slots=True)
class Received:
    """A telegram with its time settled."""

    heard: Heard
    at: float  # UTC, seconds since 1970


class Receiver:
    """One receiver from opening to batches.

    ``on_notice`` is called with everything a person may want to know: each state once, damage at most once a
    minute. ``connected`` tells whether the line is open now; ``lost`` counts telegrams dropped because the
    buffer was full. ``run`` ends only when a file or standard input ends (``finished``), or when it is
    cancelled.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        link_mode: str = "",
        on_notice: Callable[[Notice], None],
        most_waiting: int = MOST_WAITING,
        silent_after: float = SILENT_AFTER,
    ) -> None:
        self.spec = spec
        self.connected = False
        self.finished = False
        self.lost = 0
        self._link_mode = link_mode
        self._driver = None if spec.road == "file" else make_driver(spec, link_mode)
        self._on_notice = on_notice
        self._most_waiting = most_waiting
        self._silent_after = silent_after
        self._queue: deque[Received] = deque()
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._said_at: dict[str, float] = {}
        self._silent = False
        self._heard_at = 0.0  # loop time of the last telegram
        self._clock_right: bool | None = None
        self._lost_said = 0

    @property
    def damaged(self) -> int:
        """Telegrams lost to damage since the start."""
        return self._driver.damaged if self._driver else 0

    @property
    def waiting(self) -> int:
        """Telegrams in the buffer."""
        return len(self._queue)

    # ---- the reader's side

    async def next_batch(self, most: int = BATCH_TELEGRAMS, seconds: float = BATCH_SECONDS) -> list[Received]:
        """What is waiting: at least one telegram, at most ``most``, gathered for ``seconds`` after the first.

        Empty only when the source is finished and everything has been given out.
        """
        while not self._queue:
            if self.finished:
                return []
            self._filled.clear()
            await self._filled.wait()
        if len(self._queue) < most and not self.finished:
            await asyncio.sleep(seconds)
        batch = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
        self._drained.set()
        return batch

    def rest(self) -> list[Received]:
        """Everything still waiting, at once: for a graceful stop after ``run`` was cancelled."""
        batch = list(self._queue)
        self._queue.clear()
        return batch

    # ---- the line's side

    async def run(self) -> None:
        """Read until the source ends or this task is cancelled; a lost line is opened again."""
        try:
            if self._driver is None:
                await self._read_file()
            else:
                await self._keep_reading(self._driver)
        finally:
            self.connected = False
            self.finished = True
            self._filled.set()

    async def _read_file(self) -> None:
        path = Path(self.spec.where)
        try:
            recording = await asyncio.to_thread(Recording, path)
        except (OSError, NotRecorded) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            missing = isinstance(error, FileNotFoundError)
            self._say(
                Notice(
                    "error",
                    "file_missing" if missing else "port_failed",
                    {"where": str(path), "reason": reason or ""},
                )
            )
            return
        self.connected = True
        lines = iter(recording)
        while chunk := await asyncio.to_thread(_some, lines):
            await self._take_in([event for _, event in chunk])
        self._say(Notice("info", "finished", {"where": str(path)}))

    async def _keep_reading(self, driver: Driver) -> None:
        wait, longest = FIRST_RETRY, LAST_RETRY.get(self.spec.road, 0.0)
        before = False
        problem = ""
        while True:
            try:
                line = await open_line(self.spec, self._link_mode)
            except OSError as error:
                notice = why(error, self.spec)
                if notice.text_id != problem:
                    problem = notice.text_id
                    self._on_notice(notice)
                await asyncio.sleep(wait)
                wait = min(wait * 2, longest)
                continue
            where = self.spec.called
            if not self._silent:
                self._on_notice(
                    Notice("info", "connected_again" if before else "connected", {"where": where})
                )
            before, problem = True, ""
            self._said_at.clear()
            self.connected = True
            began = asyncio.get_running_loop().time()
            try:
                ended = await self._session(driver, line)
            except (OSError, serialx.SerialException):
                ended = "lost"
            finally:
                self.connected = False
                await line.close()
            if self.spec.road == "stdin":
                self._on_notice(Notice("info", "finished", {"where": "stdin"}))
                return
            if ended == "lost":
                lost = Notice("error", "lost", {"where": where})
                self._on_notice(line.ended() if isinstance(line, ProgramLine) else lost)
            if self._heard_at > began:
                wait = FIRST_RETRY
            await asyncio.sleep(wait)
            wait = min(wait * 2, longest)

    async def _session(self, driver: Driver, line: Line) -> Literal["lost", "silent"]:
        """Run the driver on an open line until it is lost or has been silent for too long."""
        loop = asyncio.get_running_loop()
        opened_at = loop.time()
        first = driver.begin()
        if first or self.spec.road == "udp":
            line.write(first)
        reading = asyncio.ensure_future(line.read())
        try:
            while True:
                await asyncio.wait([reading], timeout=TICK)
                if reading.done():
                    data = reading.result()
                    if not data:
                        await self._take_in(driver.end())
                        return "lost"
                    await self._take_in(driver.feed(data))
                    reading = asyncio.ensure_future(line.read())
                await self._take_in(driver.tick(loop.time()))
                if out := driver.to_send():
                    line.write(out)
                if loop.time() - max(self._heard_at, opened_at) > self._silent_after:
                    if not self._silent:
                        minutes = max(1, round(self._silent_after / 60))
                        self._on_notice(Notice("error", "silent", {"minutes": minutes}))
                    self._silent = True
                    opened_at = loop.time()
                    if self.spec.road != "stdin":
                        return "silent"
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await reading

    async def _take_in(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, Notice):
                self._say(event)
                continue
            if self._silent:
                self._silent = False
                self._on_notice(Notice("info", "heard_again"))
            self._heard_at = asyncio.get_running_loop().time()
            if len(self._queue) >= self._most_waiting and not await self._room():
                continue
            self._queue.append(self._timed(event))
            self._filled.set()

    async def _room(self) -> bool:
        """Wait for room in the buffer; False when the source can't wait and the telegram is lost."""
        if self.spec.road not in CAN_WAIT:
            self.lost += 1
            if self._say(Notice("error", "overflow", {"lost": self.lost - self._lost_said})):
                self._lost_said = self.lost
            return False
        while len(self._queue) >= self._most_waiting:
            self._drained.clear()
            await self._drained.wait()
        return True

    def _timed(self, heard: Heard) -> Received:
        """Settle when it was heard: by the source's own time as long as its clock has shown itself right."""
        now = datetime.now(UTC)
        if heard.heard_at is None:
            return Received(heard, now.timestamp())
        if self.spec.road == "file":
            return Received(heard, heard.heard_at.timestamp())
        ahead = (heard.heard_at - now).total_seconds()
        if abs(ahead) <= CLOCK_TOLERANCE:
            self._clock_right = True
        elif (
            ahead > 0 or not self._clock_right
        ):  # late is no fault of a clock that was right: it waited for us
            self._clock_right = False
        if self._clock_right:
            return Received(heard, heard.heard_at.timestamp())
        where = self.spec.called
        self._say(Notice("warning", "clock_differs", {"where": where, "seconds": round(ahead)}))
        return Received(replace(heard, heard_at=None), now.timestamp())

    def _say(self, notice: Notice) -> bool:
        """Pass a notice on, unless its kind was said within the minute on this connection; whether it was."""
        now = asyncio.get_running_loop().time()
        if now - self._said_at.get(notice.text_id, -SAME_NOTICE_EVERY) < SAME_NOTICE_EVERY:
            return False
        self._said_at[notice.text_id] = now
        self._on_notice(notice)
        return True


def _some(lines: Iterator[tuple[int, Event]]) -> list[tuple[int, Event]]:
    return list(islice(lines, 1000))
