"""Readings that somebody must look at, and what a person who has looked says of one: that it is right.

In doubt is what the meter contradicts itself in: a counter that went down, differing values of one moment, figures that
can't be. The other way out is to take the reading out of use (``entered.void``). Marks of which a person can say
nothing (a broken sensor, a clock that is off) come back with every reading and are no question about one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np
from django.db import connection, transaction

from avlas.meters.journal import Written
from avlas.meters.models import Kind, Quality, Reading
from avlas.system import audit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.meters.keys import Who
    from avlas.meters.models import Meter

IN_DOUBT: Final = Quality.CONFLICT | Quality.BACKWARDS | Quality.IMPLAUSIBLE
_LOOKED_AT: Final = Quality.VOIDED | Quality.ACCEPTED
_WHERE: Final = f"(r.quality & {IN_DOUBT:d}) <> 0 AND (r.quality & {_LOOKED_AT:d}) = 0"
"""As in the index ``reading_in_doubt``, else it isn't used."""
_FROM: Final = {
    "sqlite": "reading r INDEXED BY reading_in_doubt CROSS JOIN meters_meter m",
    "postgresql": "reading r CROSS JOIN meters_meter m",
}


def count_meters(utility_id: int) -> int:
    """Of how many of a utility's meters readings wait for somebody."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(DISTINCT r.meter_id) {_of_utility()}", [utility_id])
        found: int = cursor.fetchone()[0]
    return found


def by_meter(utility_id: int, first: int, most: int) -> list[tuple[Reading, int]]:
    """Each meter's newest reading in doubt, and how many it has; the newest first, from number ``first`` on."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT r.meter_id, max(r.slot_at * 4 + r.kind), count(*) {_of_utility()} GROUP BY r.meter_id"
            " ORDER BY 2 DESC, 1 LIMIT %s OFFSET %s",
            [utility_id, most, first],
        )
        found = cursor.fetchall()
    rows = _readings([(meter, newest // 4, newest % 4) for meter, newest, _count in found])
    return [(row, count) for row, (_meter, _newest, count) in zip(rows, found, strict=True)]


def of_meter(meter: Meter, first: int, most: int) -> tuple[list[Reading], int]:
    """A meter's readings in doubt, the newest first: at most so many from number ``first`` on; how many it has."""
    mine = f"{_of_utility()} AND r.meter_id = %s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT r.meter_id, r.slot_at, r.kind {mine} ORDER BY r.slot_at DESC, r.kind LIMIT %s OFFSET %s",
            [meter.utility_id, meter.pk, most, first],
        )
        keys = cursor.fetchall()
        cursor.execute(f"SELECT count(*) {mine}", [meter.utility_id, meter.pk])
        return _readings(keys), cursor.fetchone()[0]


def _of_utility() -> str:
    return f"FROM {_FROM[connection.vendor]} WHERE {_WHERE} AND m.id = r.meter_id AND m.utility_id = %s"


def _readings(keys: Sequence[tuple[int, int, int]]) -> list[Reading]:
    wanted = [(meter, datetime.fromtimestamp(slot, UTC), kind) for meter, slot, kind in keys]
    found = {row.pk: row for row in Reading.objects.filter(pk__in=wanted)}
    return [found[key] for key in wanted]


def accept(meter: Meter, who: Who, at: datetime | None = None, kind: Kind = Kind.LIVE) -> int:
    """Keep that somebody has looked at a reading and finds it right; it keeps its marks. Gives 1, or 0: not in doubt.

    Without ``at`` that is said of all of the meter's readings in doubt; gives how many those are.
    """
    one, values = (
        ("", []) if at is None else (" AND r.slot_at = %s AND r.kind = %s", [int(at.timestamp()), kind])
    )
    with transaction.atomic():
        type(meter).objects.select_for_update().get(pk=meter.pk)
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT r.slot_at, r.kind, r.quality FROM reading r WHERE {_WHERE} AND r.meter_id = %s{one}"
                " ORDER BY r.slot_at, r.kind",
                [meter.pk, *values],
            )
            found = cursor.fetchall()
            cursor.executemany(
                f"UPDATE reading SET quality = quality | {Quality.ACCEPTED:d}"
                " WHERE meter_id = %s AND slot_at = %s AND kind = %s",
                [(meter.pk, slot, kind) for slot, kind, _quality in found],
            )
        if found:
            written = Written(meter.utility_id)
            for slot, kind_of, _quality in found:
                written.reading(meter.pk, slot, Kind(kind_of))
            written.append()
            first, last = (datetime.fromtimestamp(found[end][0], UTC).isoformat() for end in (0, -1))
            marks = {one.name.lower() for one in IN_DOUBT for row in found if row[2] & one and one.name}
            audit.record(
                "readings.accepted", utility=meter.utility, user=who.user, computer=who.computer,
                target=str(meter),
                detail={"readings": len(found), "from": first, "to": last, "marks": sorted(marks)},
            )  # fmt: skip
    return len(found)


def left(quality: np.ndarray) -> np.ndarray:
    """Marks of readings (int64 of n) without the doubts of those that somebody found right."""
    found: np.ndarray = np.where(quality & int(Quality.ACCEPTED), quality & ~int(IN_DOUBT), quality)
    return found
