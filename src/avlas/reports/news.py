"""What has come in since a place, as other programs are told it: readings and changes of info codes, each an event.

Events follow the journal: in the order of commits, those of a meter within one batch in order of time. Each has an id,
which is the place after it: who keeps the last id read misses nothing and gets nothing twice. What was erased or
deleted meanwhile is passed over. An event says what is so now, so one reading may be told again after it was filled,
marked or voided.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django.db import connection

from avlas.decode.registers import CODES
from avlas.meters import column_store, journal
from avlas.meters.journal import InfoChange, ReadingKey
from avlas.meters.models import InfoEvent, Installation, Meter, Reading
from avlas.reports.info_words import in_words
from avlas.reports.reading_told import moment, readings_told

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from avlas.meters.journal import Entry

READING, INFO_CODE, WITHDRAWN = "reading", "info_code", "info_code_withdrawn"
TYPES: Final = (READING, INFO_CODE, WITHDRAWN)
_COLUMNS: Final = ("meter_id", "slot_at", "kind", "heard_at", "source", "quality", "format_id", *CODES)
_WRITTEN: Final = re.compile(r"(\d{1,18})(?:\.(\d{1,9}))?")
_ENTRIES: Final = 20


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a reader is: entries up to ``entry`` are read, and ``events`` events of the next one of the utility."""

    entry: int = 0
    events: int = 0

    def __str__(self) -> str:
        return f"{self.entry}.{self.events}" if self.events else str(self.entry)

    @classmethod
    def read(cls, written: str) -> Place:
        """The opposite of ``str``. Raises ValueError."""
        found = _WRITTEN.fullmatch(written.strip())
        if found is None:
            raise ValueError(f"{written!r} is no place in the journal")
        return cls(int(found[1]), int(found[2] or 0))


def now() -> Place:
    """Where a reader begins who wants only what is to come."""
    return Place(journal.newest())


@dataclass(frozen=True, slots=True)
class News:
    """Events, the place after them, and whether more is there already."""

    events: list[dict[str, Any]]
    place: Place
    more: bool


def since(utility_id: int, place: Place, limit: int = 500, types: Iterable[str] = TYPES) -> News:
    """Give up to ``limit`` events of a utility after ``place``. Raises journal.CursorTooOld."""
    last = journal.newest()
    entries = journal.after(place.entry, utility_id, _ENTRIES)
    found: list[tuple[Place, ReadingKey | InfoChange]] = []
    at, done, wanted = place, place.entry, frozenset(types)
    for entry in entries:
        keys = _keys(entry)
        first = at.events if done == place.entry else 0
        for number, key in enumerate(keys[first:], first + 1):
            if len(found) == limit:
                return News(_events(utility_id, found, wanted), at, more=True)
            at = Place(entry.id) if number == len(keys) else Place(done, number)
            found.append((at, key))
        done = entry.id
        at = Place(done)
    more = len(entries) == _ENTRIES
    if not more and last > at.entry:  # what came since is of other utilities
        at = Place(last)
    return News(_events(utility_id, found, wanted), at, more)


def _keys(entry: Entry) -> Sequence[ReadingKey | InfoChange]:
    return [*entry.readings, *entry.info_events]


def _events(
    utility_id: int, found: list[tuple[Place, ReadingKey | InfoChange]], types: frozenset[str]
) -> list[dict[str, Any]]:
    readings = _readings({key for _, key in found if isinstance(key, ReadingKey)}) if READING in types else {}
    changes = _info_events({key for _, key in found if isinstance(key, InfoChange)})
    meters = _meters(utility_id, {key.meter_id for _, key in found})
    events = []
    for place, key in found:
        meter = meters.get(key.meter_id)
        if meter is None:
            continue
        head, family = meter
        if isinstance(key, ReadingKey):
            told: dict[str, Any] | None = readings.get(key)
            kind = READING
        elif not key.opened:
            told, kind = {"at": moment(datetime.fromtimestamp(key.at, UTC))}, WITHDRAWN
        else:
            told, kind = _info_told(changes.get((key.meter_id, key.at)), family), INFO_CODE
        if told is not None and kind in types:
            events.append({"id": str(place), "type": kind, "meter": head, kind.partition("_w")[0]: told})
    return events


def _readings(keys: set[ReadingKey]) -> dict[ReadingKey, dict[str, Any]]:
    if not keys:
        return {}
    table = np.array(sorted(keys), np.int64)
    columns = {"meter_id": table[:, 0], "slot_at": table[:, 1], "kind": table[:, 2]}
    rows = []
    for values in column_store.fetch(connection, "reading", columns, _COLUMNS):
        row = Reading(**dict(zip(_COLUMNS, values, strict=True)))
        row.slot_at, row.heard_at = (datetime.fromtimestamp(at, UTC) for at in (values[1], values[3]))
        rows.append(row)
    told = readings_told(rows)
    return {
        ReadingKey(row.meter_id, int(row.slot_at.timestamp()), row.kind): one
        for row, one in zip(rows, told, strict=True)
    }


def _info_events(keys: set[InfoChange]) -> dict[tuple[int, int], InfoEvent]:
    opened = [key for key in keys if key.opened]
    rows = InfoEvent.objects.filter(
        meter_id__in={key.meter_id for key in opened}, at__in={key.at for key in opened}
    )
    return {(row.meter_id, int(row.at.timestamp())): row for row in rows} if opened else {}


def _info_told(event: InfoEvent | None, family: str) -> dict[str, Any] | None:
    if event is None:
        return None
    return {
        "at": moment(event.at),
        "info_code_before": event.code_before,
        "info_code": event.code,
        "codes": [
            {"code": one.code, "text": one.text, "severity": one.severity}
            for one in in_words(family, event.code)
            if one.now
        ],
    }


def _meters(utility_id: int, ids: set[int]) -> dict[int, tuple[dict[str, Any], str]]:
    """Of each meter of the utility what tells which it is and where it sits now, and its family."""
    points = {
        meter_id: (point_id, facility_id)
        for meter_id, point_id, facility_id in Installation.objects.filter(
            meter_id__in=ids, to_at=None
        ).values_list("meter_id", "point_id", "point__facility_id")
    }
    found = {}
    for meter in Meter.objects.filter(pk__in=ids, utility_id=utility_id):
        point_id, facility_id = points.get(meter.pk, (None, None))
        found[meter.pk] = (
            {
                "id": meter.pk,
                "manufacturer": meter.manufacturer,
                "serial": meter.serial,
                "medium": meter.medium,
                "point_id": point_id,
                "facility_id": facility_id,
            },
            meter.family,
        )
    return found
