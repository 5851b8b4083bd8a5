"""The journal of new data: what was written, in an order in which nobody who reads on from a place misses anything.

Whoever writes readings or info events collects them in a ``Written`` and appends it within the same transaction: one
row a utility and batch, which says which readings were written or changed and which info events came and went, not
what they say. Readers look the rows up, and find what is there now; what was erased meanwhile they don't find.

How to follow it::

    cursor = journal.newest()  # or where one stopped the last time, kept by oneself
    while True:
        journal.wait(cursor, 30.0)  # wakes as soon as something was written
        for entry in journal.after(cursor, utility_id):
            ...  # entry.readings, entry.info_events; do the work, then remember the place
            cursor = entry.id

Entries come at least once (keep the cursor in the transaction that does the work, and they come exactly once). After
``CursorTooOld`` read everything anew: entries are kept for ``KEPT_DAYS``.

On SQLite writers take turns, so numbers rise in the order of commits. On PostgreSQL a lower number may be committed
after a higher one. Therefore who appends first takes a lock whose key tells a number below its own, and readers go no
farther than the lowest such key: they look at the numbers drawn, then at the locks, then at the rows, in three
statements, so this only works outside of REPEATABLE READ. No other long transaction holds readers back.
"""

from __future__ import annotations

import struct
import time
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import numpy as np
from django.db import connection, models, transaction

from avlas.meters.utc_seconds import UtcSecondsField
from avlas.system.models import Utility

if TYPE_CHECKING:
    from collections.abc import Iterable

KEPT_DAYS: Final = 14
CHANNEL: Final = "avlas_journal"
"""PostgreSQL notifies it with every commit that appended something; the payload is the utility's id."""

_LOOK_EVERY_SECONDS: Final = 1.0
_CHUNK: Final = 5000
_SEQUENCE: Final = "meters_journal_id_seq"
_LAST_DRAWN: Final = f"(SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM {_SEQUENCE})"
_MARK: Final = 0x41564C << 40  # "AVL": no other advisory lock has a key like it
_NUMBER: Final = (1 << 40) - 1
_KEYS: Final = (  # of the locks of those who append just now
    "SELECT (classid::bigint << 32) | objid::bigint AS key, pid FROM pg_locks WHERE locktype = 'advisory'"
    " AND objsubid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    f" AND ((classid::bigint << 32) | objid::bigint) BETWEEN {_MARK} AND {_MARK + _NUMBER}"
)


class Journal(models.Model):
    """One batch of a utility: packed, which readings were written and which info events came and went."""

    utility = models.ForeignKey(Utility, models.CASCADE, db_index=False)
    written_at = UtcSecondsField()
    body = models.BinaryField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["utility", "id"], name="journal_by_utility")]


class CursorTooOld(Exception):  # noqa: N818
    """Entries after this cursor have been tidied away: whoever reads on from it would miss some."""


class ReadingKey(NamedTuple):
    """Which reading; it may have been written for the first time, filled, marked or voided. Or deleted since."""

    meter_id: int
    slot_at: int  # seconds UTC
    kind: int  # models.Kind


class InfoChange(NamedTuple):
    """An info event that came into being (or changed), or one that is no more: by a reading that came late."""

    meter_id: int
    at: int  # seconds UTC
    opened: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """What one batch wrote."""

    id: int
    utility_id: int
    written_at: datetime
    body: bytes

    @property
    def readings(self) -> list[ReadingKey]:
        """Each reading once."""
        return [ReadingKey(*row) for row in zip(*_unpack(self.body)[0].tolist(), strict=True)]

    @property
    def info_events(self) -> list[InfoChange]:
        """Each info event once."""
        rows = zip(*_unpack(self.body)[1].tolist(), strict=True)
        return [InfoChange(meter, at, bool(opened)) for meter, at, opened in rows]

    @property
    def meter_ids(self) -> set[int]:
        """The meters of which anything was written."""
        readings, events = _unpack(self.body)
        return {*readings[0].tolist(), *events[0].tolist()}


class Written:
    """Collects what a transaction writes of one utility's meters."""

    def __init__(self, utility_id: int) -> None:
        self.utility_id = utility_id
        self._readings: list[np.ndarray] = []  # each of 3 rows: meter, moment, kind
        self._events: list[np.ndarray] = []  # meter, moment, opened

    def reading(self, meter_id: int, slot_at: int, kind: int) -> None:
        """One reading was written, changed or deleted."""
        self.readings(np.array([meter_id]), np.array([slot_at]), kind)

    def readings(self, meter_id: np.ndarray, slot_at: np.ndarray, kind: int) -> None:
        """Many readings of a kind were written, changed or deleted."""
        if len(meter_id):
            self._readings.append(np.array([meter_id, slot_at, np.full(len(meter_id), int(kind))], np.int64))

    def info_events(self, keys: Iterable[tuple[int, int]], *, opened: bool) -> None:
        """Info events (meter, seconds UTC) came into being or changed (``opened``), or went."""
        rows = np.array([(meter, at, opened) for meter, at in keys], np.int64).reshape(-1, 3)
        if len(rows):
            self._events.append(rows.T)

    def append(self) -> None:
        """Write it into the journal, within the transaction that wrote the rows; nothing, if nothing was written."""
        if not self._readings and not self._events:
            return
        body = _pack(_distinct(self._readings), _distinct(self._events))
        if connection.vendor != "postgresql":
            Journal.objects.create(utility_id=self.utility_id, written_at=int(time.time()), body=body)
            return
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT pg_advisory_xact_lock_shared({_MARK} | {_LAST_DRAWN})"
                f" WHERE NOT EXISTS ({_KEYS} AND pid = pg_backend_pid())"
            )
            cursor.execute(
                f"INSERT INTO {Journal._meta.db_table} (utility_id, written_at, body) VALUES (%s, %s, %s)",  # noqa: SLF001
                [self.utility_id, int(time.time()), body],
            )
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(self.utility_id)])


def newest() -> int:
    """The number up to which everything can be read now; a reader who wants only what is to come begins here."""
    if connection.vendor != "postgresql":
        return Journal.objects.aggregate(last=models.Max("id"))["last"] or 0
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_LAST_DRAWN}")
        (drawn,) = cursor.fetchone()
        cursor.execute(f"SELECT MIN(key) FROM ({_KEYS} AND pid <> pg_backend_pid()) AS held")
        (held,) = cursor.fetchone()
    return int(drawn if held is None else min(drawn, held - _MARK))


def after(cursor: int, utility_id: int | None = None, limit: int = 100) -> list[Entry]:
    """Give up to ``limit`` entries after ``cursor`` (an entry's id, what ``newest`` gave; 0: all that is kept).

    Raises CursorTooOld when entries after it have been tidied away.
    """
    last = newest()
    first = Journal.objects.order_by("id").first()
    gone = first.id if first is not None and not first.body else 0
    if 0 < cursor < gone:
        raise CursorTooOld(f"what came after {cursor} has been tidied away, as far as {gone}")
    rows = Journal.objects.filter(id__gt=max(cursor, gone), id__lte=last)
    if utility_id is not None:
        rows = rows.filter(utility_id=utility_id)
    return [
        Entry(row.id, row.utility_id, row.written_at, bytes(row.body)) for row in rows.order_by("id")[:limit]
    ]


def wait(cursor: int, seconds: float) -> int:
    """Wait until there is something after ``cursor``, ``seconds`` at most; gives ``newest``.

    Must be called outside of a transaction. It keeps the thread and its connection: one thread may wake many readers.
    """
    until = time.monotonic() + seconds
    if connection.vendor == "postgresql":
        with connection.cursor() as command:
            command.execute(f"LISTEN {CHANNEL}")  # before looking: nothing slips through between
    while True:
        last, left = newest(), until - time.monotonic()
        if last > cursor or left <= 0:
            return last
        pause = min(left, _LOOK_EVERY_SECONDS)  # also on PostgreSQL: who gives up a transaction tells nobody
        if connection.vendor == "postgresql":
            with connection.wrap_database_errors:
                list(connection.connection.notifies(timeout=pause, stop_after=1))
        else:
            time.sleep(pause)


def prune(now: datetime, days: float = KEPT_DAYS) -> int:
    """Delete the entries older than so many days; gives how many. Works in short transactions.

    The newest of them stays, without a body: it says how far the journal has been tidied away.
    """
    before = now - timedelta(days=days)
    total = 0
    while True:
        with transaction.atomic():
            oldest = Journal.objects.order_by("id").only("id", "written_at")[:_CHUNK]
            old = [row.id for row in oldest if row.written_at < before]
            total += Journal.objects.filter(id__in=old[:-1]).delete()[0]
            Journal.objects.filter(id__in=old[-1:]).update(body=b"")
        if len(old) < _CHUNK:
            return total


def _distinct(parts: list[np.ndarray]) -> np.ndarray:
    """All columns once each (3 rows), by the last row, then the middle, then the first."""
    if not parts:
        return np.zeros((3, 0), np.int64)
    rows = np.hstack(parts)
    rows = rows[:, np.lexsort(rows)]
    keep = np.ones(rows.shape[1], bool)
    keep[1:] = (rows[:, 1:] != rows[:, :-1]).any(axis=0)
    return rows[:, keep]


def _pack(readings: np.ndarray, events: np.ndarray) -> bytes:
    """The counts, then the steps from column to column, compressed: one or two bytes a reading."""
    steps = [np.diff(rows, axis=1, prepend=0).astype("<i8").tobytes() for rows in (readings, events)]
    return zlib.compress(struct.pack("<II", readings.shape[1], events.shape[1]) + b"".join(steps), 1)


def _unpack(body: bytes) -> tuple[np.ndarray, np.ndarray]:
    raw = zlib.decompress(body)
    first, second = struct.unpack_from("<II", raw)
    steps = np.frombuffer(raw, "<i8", offset=8)
    parts = steps[: 3 * first].reshape(3, first), steps[3 * first :].reshape(3, second)
    return np.cumsum(parts[0], axis=1), np.cumsum(parts[1], axis=1)
