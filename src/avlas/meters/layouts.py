"""Compact-frame layouts shared by all processes: kept in the database, in memory as decode.compact.Layouts."""

from __future__ import annotations

import threading

from django.db import connection

from avlas.decode.compact import Layouts
from avlas.decode.types import Layout
from avlas.meters.models import LearntLayout

_lock = threading.Lock()
decoding = threading.RLock()  # held while a store is read and taught: threads share it
_store: Layouts | None = None
_kept: dict[tuple[str, int, int, int], Layout] = {}
_mark: tuple[int, int] = (-1, -1)


def current() -> Layouts:
    """Give the layouts known to any process (one small look at the database). The caller may teach the store."""
    global _store, _mark
    with _lock:
        mark = _database_mark()
        if _store is None or mark != _mark:
            fresh = Layouts.shipped()
            _kept.clear()
            for row in LearntLayout.objects.order_by("id"):
                layout = Layout(
                    row.manufacturer,
                    row.version,
                    row.device_type,
                    row.signature,
                    tuple(bytes.fromhex(part) for part in row.headers.split()),
                    row.source,
                    row.seen,
                )
                fresh.learn(layout)
                _kept[_key(layout)] = layout
            _store, _mark = fresh, mark
        return _store


def keep(store: Layouts) -> bool:
    """Write what ``store`` has learnt since it was loaded (caller's transaction); tell whether there was anything.

    A layout on probation counts too: a compact frame's own CRC tells whether it fits.
    """
    changed = [layout for layout in store if layout.source != "shipped" and _kept.get(_key(layout)) != layout]
    for layout in sorted(changed, key=_key):  # one order for all processes: nobody waits in a circle
        LearntLayout.objects.update_or_create(
            manufacturer=layout.manufacturer,
            version=layout.version,
            device_type=layout.device_type,
            signature=layout.signature,
            defaults={
                "headers": " ".join(part.hex() for part in layout.headers),
                "source": layout.source,
                "seen": layout.seen,
            },
        )
    return bool(changed)


def forget() -> None:
    """Drop what is in memory (another database, a rolled back transaction)."""
    global _store, _mark
    with _lock:
        _store, _mark = None, (-1, -1)
        _kept.clear()


def _database_mark() -> tuple[int, int]:
    with connection.cursor() as cursor:  # asked with every batch: the ORM would take longer than the database
        cursor.execute("SELECT COUNT(*), COALESCE(SUM(seen), 0) FROM meters_learntlayout")
        count, seen = cursor.fetchone()
    return count, seen


def _key(layout: Layout) -> tuple[str, int, int, int]:
    return layout.manufacturer, layout.version, layout.device_type, layout.signature
