"""Collectors at work: what receivers hear goes to ingest, batch by batch, and nothing is dropped on the way.

A batch is let go only after ingest has committed it. While the database is locked, full or away the batch is
kept and tried again; the receiver's bounded buffer takes what comes meanwhile. At a stop what was received is
committed first; if the database will not have it, it is put aside in a file and stored at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import numpy as np
from django.conf import settings
from django.db import DataError, IntegrityError, NotSupportedError, connection
from django.db.models import F
from django.db.utils import Error
from django.utils.translation import get_language, override

from avlas.collect import put_aside, texts
from avlas.collect.drivers.heard import Notice
from avlas.collect.receiver import Receiver
from avlas.collect.spec import SpecError, parse_spec
from avlas.meters import receiver_hours, surplus
from avlas.meters.ingest import IngestResult, TelegramBatch, ingest
from avlas.meters.models import Collector, Source
from avlas.meters.pace import Pace
from avlas.meters.receiver_hours import HOUR, Tally
from avlas.meters.receiver_silence import silent_receivers
from avlas.system.secrets import (
    MasterKeyMissing,
    MasterKeyUnusable,
    MasterKeyWrong,
    SecretError,
    check_master_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from avlas.collect.receiver import Received

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger("avlas.collect")

LOOK_FOR_CHANGES: Final = 3.0
"""Seconds between looks at the table of collectors: so soon a change on a page takes effect."""
WRITE_STATUS: Final = 5.0
WRITE_HOURS: Final = 30.0
"""Seconds between additions to the hour's row, and looks at whether the receiver is unusually silent."""
FIRST_RETRY, LAST_RETRY = 0.5, 10.0
STOP_WITHIN: Final = 5.0
"""Seconds that a stop waits for the database before what is left is put aside."""
ANOTHERS_WORD_COUNTS: Final = timedelta(minutes=10)
"""So long after its last telegram the program that holds a receiver is believed to be at work."""
NOT_RECEIVERS: Final = ("import", "api")

STATUS_OF: Final = {
    "connected": "running",
    "connected_again": "running",
    "receiver_ready": "running",
    "receiver_answers_again": "running",
    "receiver_no_answer": "waiting",
    "receiver_wrong_answer": "waiting",
    "overflow": "running",
    "telegram_refused": "running",
    "heard_again": "running",
    "database_again": "running",
    "finished": "stopped",
    "stopped": "stopped",
    "removed": "stopped",
}
"""The status that a notice means; otherwise those of level error mean waiting, and others change nothing."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A collector's row as far as it decides how to collect."""

    id: int
    name: str
    spec: str
    link_mode: str


class Database:
    """The one thread in which collectors use the database, so that they don't lock one another out."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "database")

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do ``work`` in the thread; after an error the connection is closed: the next try is a fresh one."""
        language = get_language()

        def do() -> T:
            try:
                with override(language):
                    return work(*args, **kwargs)
            except Error:
                connection.close()
                raise

        return await asyncio.get_running_loop().run_in_executor(self._thread, do)

    async def close(self) -> None:
        """Close the connection and end the thread, unless it is held up by a database that doesn't answer."""

        def close() -> None:
            connection.close()  # the thread's own: looked up there, not here

        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.run(close), 1)
        self._thread.shutdown(wait=False)


class Collecting:
    """One collector at work: ``run`` ends when its source does, or after ``stop``, with everything stored."""

    def __init__(self, entry: Entry, database: Database) -> None:
        self.entry = entry
        self.total = IngestResult()
        self._pace = Pace()
        self._database = database
        self._stopping = asyncio.Event()
        self._stop_at = 0.0
        self._receiver: Receiver | None = None
        self._reading: asyncio.Task[None] | None = None
        self._status = ("starting", texts.pack("starting", {}))
        self._trouble = ""
        self._given_up = False
        self._damaged_told = 0
        self._last_heard = 0.0
        self._last_heard_told = 0.0
        self._changed = True
        self._device: dict[str, str | int | float] | None = None
        self._another_has_it = False  # the receiver's port
        self._hours: dict[int, Tally] = {}
        self._hours_at = time.time()
        self._hours_written = time.monotonic()
        self._damaged_counted = 0
        self._unusually_silent = False

    def stop(self) -> None:
        """Stop listening; ``run`` then stores what was received and returns."""
        self._stopping.set()
        self._stop_at = time.monotonic()
        if self._reading is not None:
            self._reading.cancel()

    @property
    def stopped(self) -> bool:
        """Whether it was asked to stop, unlike a source that came to its end by itself."""
        return self._stopping.is_set()

    async def run(self) -> None:
        """Collect. Raises nothing for what a receiver or the database does."""
        status = asyncio.create_task(self._keep_status())
        try:
            await self._collect()
        except Collector.DoesNotExist:
            self._say(Notice("info", "removed"))
        finally:
            await _end(status)
            if self._reading is not None:
                await _end(self._reading)
            await self._write_status()
            with contextlib.suppress(TimeoutError):  # a database that is held up does not hold up the stop
                await asyncio.wait_for(self._write_hours(), STOP_WITHIN)

    async def _collect(self) -> None:
        try:
            receiver = Receiver(
                parse_spec(self.entry.spec), link_mode=self.entry.link_mode, on_notice=self._say
            )
        except SpecError as error:
            self._say(error.notice)
            self._status = ("failed", self._status[1])
            return
        self._receiver = receiver
        self._reading = asyncio.create_task(receiver.run())
        await asyncio.sleep(
            0
        )  # let it begin: a task cancelled before that would never say that it is finished
        if self._stopping.is_set():
            self._reading.cancel()
        await self._take_up()
        while batch := await receiver.next_batch():
            self._last_heard = max(self._last_heard, *(received.at for received in batch))
            self._count(batch)
            await self._store(batch)
        if self._stopping.is_set():
            self._say(Notice("info", "stopped"))
        elif self._status[0] == "waiting":  # it ended for good with an error: a file that isn't there
            self._status = ("failed", self._status[1])

    # ---- storing

    async def _store(self, batch: list[Received]) -> bool:
        """Hand a batch to ingest and try until it is committed; False when it was put aside instead."""
        kept = True
        for wired in (False, True):
            left = [received for received in batch if received.heard.wired == wired]
            while left:
                part, left = left[: self._pace.size], left[self._pace.size :]
                kept &= await self._ingest(part)
        return kept

    async def _ingest(self, part: list[Received]) -> bool:
        wait = FIRST_RETRY
        while True:
            if self._given_up:
                self._put_aside(part)
                return False
            try:
                result = await self._unless_stopped(
                    self._database.run(ingest, telegram_batch(self.entry.id, part))
                )
            except Collector.DoesNotExist:
                raise
            except (DataError, IntegrityError, NotSupportedError) as error:
                return await self._divide(part, error)
            except (Error, MasterKeyMissing, MasterKeyWrong, MasterKeyUnusable) as error:
                self._tell_trouble(error, len(part))
                self._given_up = self._stop_is_over()
                await self._pause(wait)
                wait = min(wait * 2, LAST_RETRY)
            except Exception as error:  # an error in our own code must not stop the other telegrams
                log.exception("%s: a batch of %d telegrams could not be stored", self.entry.name, len(part))
                return await self._divide(part, error)
            else:
                if result is None:
                    self._given_up = True  # the database may still take it: then it is stored twice, as once
                    continue
                self._pace.note(len(part), result)
                self.total.add(result)
                if self._trouble:
                    self._trouble = ""
                    self._say(Notice("info", "database_again"))
                return True

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of ``work``; None when a stop can't wait for it any longer."""
        task = asyncio.ensure_future(work)
        while not task.done():
            await asyncio.wait([task], timeout=FIRST_RETRY)
            if not task.done() and self._stop_is_over():
                task.cancel()
                return None
        return task.result()

    def _stop_is_over(self) -> bool:
        return self._stopping.is_set() and time.monotonic() - self._stop_at > STOP_WITHIN

    async def _pause(self, seconds: float) -> None:
        """Wait before the next try; a stop cuts it short."""
        if self._stopping.is_set():
            await asyncio.sleep(FIRST_RETRY)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _divide(self, part: list[Received], error: Exception) -> bool:
        """Store the halves apart, so that one telegram that nothing can store does not hold up the others."""
        if len(part) > 1:
            middle = len(part) // 2
            first = await self._ingest(part[:middle])
            return await self._ingest(part[middle:]) and first
        path = aside_folder() / f"refused-{self.entry.id}.txt"
        try:
            put_aside.put(path, part)
        except OSError:
            log.exception("%s: refused telegram %s", self.entry.name, part[0].heard.frame.hex())
        self._say(Notice("error", "telegram_refused", {"reason": str(error)[:100], "path": str(path)}))
        return True

    def _tell_trouble(self, error: Exception, waiting: int) -> None:
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        text_id = "database_away"
        if isinstance(error, SecretError):
            text_id = "no_master_key"
        elif "locked" in said:
            text_id = "database_locked"
        elif "full" in said or "No space" in said:
            text_id = "database_full"
        if text_id != self._trouble:
            self._trouble = text_id
            waiting += self._receiver.waiting if self._receiver else 0
            self._say(Notice("error", text_id, {"waiting": waiting, "reason": said}))

    # ---- what is left at a stop

    @property
    def _aside(self) -> Path:
        return aside_folder() / f"collector-{self.entry.id}.txt"

    def _put_aside(self, part: list[Received]) -> None:
        detail: dict[str, str | int | float] = {"telegrams": len(part), "path": str(self._aside)}
        try:
            put_aside.put(self._aside, part)
        except OSError as error:
            reason = error.strerror or str(error)
            self._say(Notice("error", "put_aside_lost", {**detail, "reason": reason}))
        else:
            self._say(Notice("warning", "put_aside", detail))

    async def _take_up(self) -> None:
        """Store what was put aside at the last stop; storing a telegram twice changes nothing."""
        path = self._aside
        received = await asyncio.to_thread(put_aside.take, path)
        if received and await self._store(received):
            path.unlink(missing_ok=True)
            self._say(Notice("info", "taken_up", {"telegrams": len(received)}))

    # ---- saying how it goes

    def _say(self, notice: Notice) -> None:
        level = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}[notice.level]
        log.log(level, "%s: %s", self.entry.name, texts.words(notice, get_language() or "en"))
        status = STATUS_OF.get(notice.text_id, "waiting" if notice.level == "error" else None)
        if status is not None:
            self._another_has_it = notice.text_id == "port_busy" or (
                self._another_has_it and status == "stopped"  # what never had it doesn't end it either
            )
            self._status = (status, texts.pack(notice.text_id, notice.detail))
            self._changed = True
        if notice.text_id == "receiver_ready":
            self._device = dict(notice.detail)

    async def _keep_status(self) -> None:
        while True:
            await self._write_status()
            if time.monotonic() - self._hours_written >= WRITE_HOURS:
                self._hours_written = time.monotonic()
                await self._write_hours()
                await self._look_for_silence()
            await asyncio.sleep(WRITE_STATUS)

    async def _write_status(self) -> None:
        """Write status, last telegram and damage into the collector's row, if the database is there."""
        if self._given_up:
            return
        receiver = self._receiver
        damaged = receiver.damaged + receiver.lost if receiver else 0
        fields: dict[str, Any] = {}
        if self._changed:
            fields["status"], fields["status_text"] = self._status
            fields["status_at"] = datetime.now(UTC)
        last_heard = self._last_heard
        if last_heard > self._last_heard_told:
            fields["last_heard_at"] = datetime.fromtimestamp(last_heard, UTC)
        if damaged > self._damaged_told:
            fields["damaged"] = F("damaged") + (damaged - self._damaged_told)
        device = self._device
        if device is not None:
            fields["device"] = device
        if not fields:
            return
        status = self._status
        row = Collector.objects.filter(pk=self.entry.id)
        if self._another_has_it or status[0] == "starting":  # perhaps another holds it, and goes on telling
            lately = datetime.now(UTC) - ANOTHERS_WORD_COUNTS
            row = row.exclude(status="running", last_heard_at__gte=lately)
        try:
            written = await self._database.run(row.update, **fields)
        except Error:
            return
        if not written:
            return
        if self._device is device:
            self._device = None
        self._damaged_told = damaged
        self._last_heard_told = last_heard
        self._changed = self._status != status

    # ---- the receiver's hours

    def _count(self, batch: Sequence[Received]) -> None:
        """Count telegrams in the hours in which they were heard; those of a file are no receiver's."""
        if self._receiver is None or self._receiver.spec.road == "file":
            return
        for received in batch:
            tally = self._hours.setdefault(int(received.at // HOUR * HOUR), Tally())
            tally.hear(received.heard.frame[2:10], received.heard.rssi_dbm)

    async def _write_hours(self) -> None:
        """Add what was counted to the receiver's rows, if the database is there; else it stays for the next time."""
        receiver = self._receiver
        if self._given_up or receiver is None or receiver.spec.road == "file":
            return
        now, began, self._hours_at = time.time(), self._hours_at, time.time()
        this = self._hours.setdefault(int(now // HOUR * HOUR), Tally())
        if receiver.connected:
            this.seconds += min(max(0.0, now - began), now % HOUR)
        this.damaged += receiver.damaged - self._damaged_counted
        self._damaged_counted = receiver.damaged
        for hour_at, tally in list(self._hours.items()):
            if not tally.empty:
                written = replace(tally, addresses=set(tally.addresses), signals=tally.signals.copy())
                try:
                    await self._database.run(receiver_hours.add, self.entry.id, hour_at, written)
                except Error:
                    return
                tally.seconds -= written.seconds
                tally.telegrams -= written.telegrams
                tally.damaged -= written.damaged
                tally.signals = tally.signals - written.signals
            if hour_at < now - 2 * HOUR and tally.empty:
                del self._hours[hour_at]

    async def _look_for_silence(self) -> None:
        """Say once when the receiver falls silent in hours in which it normally hears, and when it is over."""
        try:
            found = await self._database.run(silent_receivers, collector_id=self.entry.id)
        except Error:
            return
        if found and not self._unusually_silent:
            since = f"{found[0].since:%Y-%m-%d %H:%M}"
            detail: dict[str, str | int | float] = {"since": since, "expected": round(found[0].expected)}
            self._say(Notice("warning", "unusually_silent", detail))
        elif self._unusually_silent and not found:
            self._say(Notice("info", "heard_again"))
        self._unusually_silent = bool(found)


def telegram_batch(collector_id: int, received: Sequence[Received]) -> TelegramBatch:
    """Telegrams of one road (all radio or all wired) as ingest takes them."""
    nan = float("nan")
    wired = received[0].heard.wired
    return TelegramBatch(
        collector_id=collector_id,
        frames=[one.heard.frame for one in received],
        heard_at=np.array([one.at for one in received], np.float64),
        rssi_dbm=np.array(
            [nan if one.heard.rssi_dbm is None else one.heard.rssi_dbm for one in received], np.float32
        ),
        wired=wired,
        source=Source.WIRED if wired else Source.RADIO,
    )


def aside_folder() -> Path:
    """Where telegrams are put aside."""
    folder: Path = settings.DATA / "put-aside"
    return folder


def load_entries(only: Sequence[int] | None) -> list[Entry]:
    """The collectors to run: those with the ids ``only``, or all active ones that are receivers."""
    rows = Collector.objects.exclude(spec__in=NOT_RECEIVERS)
    rows = rows.filter(active=True) if only is None else rows.filter(pk__in=only)
    return [
        Entry(*row) for row in rows.order_by("pk").values_list("pk", "name", "spec", "link_mode").iterator()
    ]


async def collect(only: Sequence[int] | None = None, *, on_idle: Callable[[], None] | None = None) -> None:
    """Run collectors until SIGTERM or SIGINT, then store what was received and return.

    ``only``: these collectors, and return too when all their sources have ended. Otherwise every active one
    of the database; rows added, changed, switched off or removed meanwhile take effect within seconds.
    ``on_idle`` is called once when there is none to begin with. Raises django.db.Error when the database
    can't be read at the start, and secrets.SecretError when its master key is not at hand.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError, RuntimeError):  # Windows; not the main thread
            loop.add_signal_handler(signal_number, stopping.set)
    database = Database()
    running: dict[Entry, tuple[Collecting, asyncio.Task[None]]] = {}
    try:
        await database.run(check_master_key)
        wanted = await database.run(load_entries, only)
        if not wanted and on_idle is not None:
            on_idle()
        while not stopping.is_set():
            _adjust(running, wanted, database)
            if only is not None and all(task.done() for _, task in running.values()):
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), LOOK_FOR_CHANGES)
            with contextlib.suppress(Error):  # the collectors tell that the database is away
                wanted = await database.run(load_entries, only)
                await database.run(surplus.add_all)
    finally:
        _adjust(running, [], database)
        await asyncio.gather(*(task for _, task in running.values()), return_exceptions=True)
        with contextlib.suppress(Error, TimeoutError):
            await asyncio.wait_for(database.run(surplus.add_all), STOP_WITHIN)
        await database.close()


def _adjust(
    running: dict[Entry, tuple[Collecting, asyncio.Task[None]]], wanted: Sequence[Entry], database: Database
) -> None:
    """Stop what is no longer wanted; start what is new, once an older form of it has let go of its line."""
    for entry, (collecting, task) in list(running.items()):
        if task.done():
            error = None if task.cancelled() else task.exception()
            if error is not None:
                log.error("%s: stopped by an error in the program; starting anew", entry.name, exc_info=error)
            if error is not None or collecting.stopped or entry not in wanted:
                del running[entry]
        elif entry not in wanted:
            collecting.stop()
    busy = {entry.id for entry in running}
    for entry in wanted:
        if entry not in running and entry.id not in busy:
            collecting = Collecting(entry, database)
            running[entry] = (collecting, asyncio.create_task(collecting.run()))


def run_collectors(only: Sequence[int] | None = None, *, on_idle: Callable[[], None] | None = None) -> None:
    """``collect`` in an event loop of its own: what `avlas collect` and the supervisor call."""
    asyncio.run(collect(only, on_idle=on_idle))


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
