"""Waking those who wait for new data: one watcher per process looks, however many streams are open.

Whoever streams listens for the news of one utility, in an asyncio task::

    with live.listening(utility_id, {"readings", "meter:7"}) as listener:
        while not listener.ended:
            news = await listener.news(timeout=15)  # {"meter:7"}; empty when the time is over

``readings``    readings or info events of the utility were written; ``meter:7``: of that meter
``jobs``        a run began, went on, said something or ended, or a job was changed
``receivers``   a receiver heard something, or its state changed
``entries``     as ``readings``, and the journal's entries themselves are handed over: ``listener.take_entries()``

To read on from a place in the journal without a gap: begin to listen, read ``journal.after(place)`` in a thread, then
take entries and pass over those whose id was read already. ``listener.missed`` says that more came than are kept for
a slow reader, who must then read the journal again.

The watcher is one thread with one connection that runs while somebody listens. It waits for the journal (woken at once
on PostgreSQL, within a second on SQLite) and asks once a second for jobs and receivers, if anybody wants to know. What
a stream may show ends with the session that opened it: every few seconds one look tells which are over
(``listener.ended`` says why), see ``sessions.over_by_now``.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.db import DatabaseError, connections
from django.db.models import Max, OuterRef, Subquery

from avlas.meters import journal
from avlas.meters.models import Collector
from avlas.system.jobs import UNFINISHED
from avlas.system.models import Job, JobRun
from avlas.web import sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from avlas.meters.journal import Entry
    from avlas.web.sessions import Stamp

STOPPING: Final = "stopping"
"""Why a listener must stop when nothing is wrong with it: the program ends. It may come again."""
_LOOK_EVERY_SECONDS: Final = 1.0
_REST_SECONDS: Final = 0.1  # between two batches, however fast they come
_SESSIONS_EVERY_SECONDS: Final = 4.0
_STAYS_SECONDS: Final = 30.0  # after the last listener has gone
_AFTER_TROUBLE_SECONDS: Final = 3.0
_ENTRIES_KEPT: Final = 1000  # for a reader that doesn't take them
_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Listener:
    """Somebody who waits for news of one utility, in the event loop that was running when it was made.

    ``meters``: of which meters ``meter:`` or ``priority`` news are wanted, and under what name. ``stamp``: the session
    that opened it, if one did. ``ended``: why it must stop, "" as long as it may go on.
    """

    utility_id: int
    subjects: frozenset[str]
    meters: dict[int, str] = field(default_factory=dict)
    stamp: Stamp | None = None
    of_installation: bool = False  # also wants the jobs that belong to no utility
    ended: str = ""
    missed: bool = False
    _news: set[str] = field(default_factory=set)
    _entries: deque[Entry] = field(default_factory=deque)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def news(self, timeout: float) -> set[str]:  # noqa: ASYNC109 - waiting for nothing is no error
        """Wait for news, ``timeout`` seconds at most; give what there is news of and forget it."""
        try:
            async with asyncio.timeout(timeout):
                await self._woken.wait()
        except TimeoutError:
            pass
        with self._lock:
            self._woken.clear()
            news, self._news = self._news, set()
        return news

    async def ends_within(self, seconds: float) -> bool:
        """Wait so long, or until it must stop: whether it must."""
        try:
            async with asyncio.timeout(seconds):
                await self._over.wait()
        except TimeoutError:
            pass
        return bool(self.ended)

    def take_entries(self) -> list[Entry]:
        """The journal's entries that came since the last time, in order."""
        with self._lock:
            taken = list(self._entries)
            self._entries.clear()
        return taken

    def tell(self, news: Iterable[str], entries: Iterable[Entry] = (), ended: str = "") -> None:
        """From any thread: there is news."""
        with self._lock:
            self._news.update(news)
            self.ended = ended or self.ended
            for entry in entries:
                if len(self._entries) < _ENTRIES_KEPT:
                    self._entries.append(entry)
                else:
                    self.missed = True
        try:
            self._loop.call_soon_threadsafe(self._woken.set)
            if self.ended:
                self._loop.call_soon_threadsafe(self._over.set)
        except RuntimeError:  # its loop has been closed, and it with it
            self.ended = "closed"


class Watcher:
    """Looks for all listeners of this process."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._looked: dict[str, dict[int | None, Any]] = {}
        self._over = False

    def add(self, listener: Listener) -> None:
        """Begin to look for this one too."""
        with self._lock:
            if self._over:
                listener.ended = STOPPING
                return
            self._listeners.add(listener)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="live", daemon=True)
                self._thread.start()

    def remove(self, listener: Listener) -> None:
        """Look for it no more."""
        with self._lock:
            self._listeners.discard(listener)

    def end_all(self) -> None:
        """The program ends: every listener must stop, and whoever comes now."""
        with self._lock:
            self._over = True
        for one in self.listeners:
            one.tell((), ended=STOPPING)

    @property
    def listeners(self) -> list[Listener]:
        """Who listens now."""
        with self._lock:
            return list(self._listeners)

    def _run(self) -> None:
        cursor: int | None = None
        next_look = next_sessions = 0.0
        alone_since: float | None = None
        while True:
            try:
                if cursor is None:
                    cursor = journal.newest()
                cursor = self._follow(cursor)
                now = time.monotonic()
                if now >= next_look:
                    self._look()
                    next_look = now + _LOOK_EVERY_SECONDS
                if now >= next_sessions:
                    self._end_sessions()
                    next_sessions = now + _SESSIONS_EVERY_SECONDS
            except DatabaseError as problem:
                _log.warning("live pages: the database can't be asked: %s", problem)
                connections.close_all()
                time.sleep(_AFTER_TROUBLE_SECONDS)
                continue
            alone_since = None if self.listeners else alone_since or now
            if alone_since is not None and now - alone_since > _STAYS_SECONDS and self._ends():
                return

    def _ends(self) -> bool:
        """Whether the thread may end: still nobody listens."""
        connections.close_all()
        with self._lock:
            if self._listeners:
                return False
            self._thread = None
            return True

    def _follow(self, cursor: int) -> int:
        """Wait for the journal for a moment and tell what is new; gives how far it has been read."""
        if journal.wait(cursor, _LOOK_EVERY_SECONDS) <= cursor:
            return cursor
        try:
            entries = journal.after(cursor)
        except journal.CursorTooOld:
            entries = []
        if not entries:
            return journal.newest()
        self._tell_entries(entries)
        time.sleep(_REST_SECONDS)
        return entries[-1].id

    def _tell_entries(self, entries: list[Entry]) -> None:
        listeners = self.listeners
        of_meters = {one.utility_id for one in listeners if one.meters}
        meters: dict[int, set[int]] = {}
        for entry in entries:
            if entry.utility_id in of_meters:
                meters.setdefault(entry.utility_id, set()).update(entry.meter_ids)
        for one in listeners:
            own = [entry for entry in entries if entry.utility_id == one.utility_id]
            if not own:
                continue
            news = one.subjects & {"readings", "entries"}
            written = meters.get(one.utility_id, set())
            news |= {name for meter, name in one.meters.items() if meter in written}
            if news:
                one.tell(news, own if "entries" in one.subjects else ())

    def _look(self) -> None:
        """Whether jobs or receivers moved, if somebody wants to know."""
        listeners = self.listeners
        for subject, look in _LOOKS.items():
            wanting = [one for one in listeners if subject in one.subjects]
            if not wanting:
                self._looked.pop(subject, None)
                continue
            found = look()
            before = self._looked.get(
                subject, {}
            )  # the first look: all may have moved since the page was made
            self._looked[subject] = found
            moved = {key for key in {*found, *before} if found.get(key) != before.get(key)}
            for one in wanting:
                if one.utility_id in moved or (one.of_installation and None in moved):
                    one.tell({subject})

    def _end_sessions(self) -> None:
        stamped = [one for one in self.listeners if one.stamp is not None]
        over = sessions.over_by_now({one.stamp for one in stamped if one.stamp is not None})
        for one in stamped:
            if one.stamp in over:
                one.tell((), ended=over[one.stamp])


def _jobs() -> dict[int | None, Any]:
    """How each utility's jobs stand (None: the installation's)."""
    found: dict[int | None, list[Any]] = {}
    newest = JobRun.objects.filter(job=OuterRef("pk")).order_by("-pk").values("pk")[:1]
    jobs = Job.objects.order_by("pk").annotate(newest=Subquery(newest))
    columns = ("pk", "active", "next_due_at", "failing_since", "name", "newest")
    for utility_id, *job in jobs.values_list("utility_id", *columns):
        found.setdefault(utility_id, []).append(tuple(job))
    runs = JobRun.objects.filter(status__in=UNFINISHED).order_by("pk").annotate(said=Max("lines__pk"))
    facts = ("pk", "status", "attempts", "progress_done", "progress_total", "said")
    for utility_id, *run in runs.values_list("job__utility_id", *facts):
        found.setdefault(utility_id, []).append(tuple(run))
    return {key: tuple(rows) for key, rows in found.items()}


def _receivers() -> dict[int | None, Any]:
    """How each utility's receivers stand."""
    found: dict[int | None, list[Any]] = {}
    columns = ("pk", "active", "status", "status_text", "telegrams", "damaged", "name")
    for utility_id, *one in Collector.objects.order_by("pk").values_list("utility_id", *columns):
        found.setdefault(utility_id, []).append(tuple(one))
    return {key: tuple(rows) for key, rows in found.items()}


_LOOKS: Final[dict[str, Callable[[], dict[int | None, Any]]]] = {"jobs": _jobs, "receivers": _receivers}
WATCHER: Final = Watcher()


@contextmanager
def listening(
    utility_id: int,
    subjects: Iterable[str],
    *,
    meters: dict[int, str] | None = None,
    stamp: Stamp | None = None,
    of_installation: bool = False,
) -> Iterator[Listener]:
    """Listen for the news of a utility as long as the block lasts; within a running event loop.

    Whose the meters are must have been tested. ``meter:7`` among the subjects needs no entry in ``meters``.
    """
    wanted = frozenset(subjects)
    named = {int(one.removeprefix("meter:")): one for one in wanted if one.removeprefix("meter:").isdecimal()}
    listener = Listener(utility_id, wanted, named | (meters or {}), stamp, of_installation)
    WATCHER.add(listener)
    try:
        yield listener
    finally:
        WATCHER.remove(listener)
