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


def count(utility_id: int) -> int:
    """How many of a utility's readings wait for somebody."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) {_of_utility()}", [utility_id])
        found: int = cursor.fetchone()[0]
    return found


def newest(utility_id: int, first: int, most: int) -> list[Reading]:
    """Those readings, the newest first: at most so many from number ``first`` (0) on."""
    order = "ORDER BY r.slot_at DESC, r.meter_id, r.kind LIMIT %s OFFSET %s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT r.meter_id, r.slot_at, r.kind {_of_utility()} {order}", [utility_id, most, first]
        )
        keys = [(meter, datetime.fromtimestamp(slot, UTC), kind) for meter, slot, kind in cursor.fetchall()]
    found = {row.pk: row for row in Reading.objects.filter(pk__in=keys)}
    return [found[key] for key in keys]


def _of_utility() -> str:
    return f"FROM {_FROM[connection.vendor]} WHERE {_WHERE} AND m.id = r.meter_id AND m.utility_id = %s"


def accept(meter: Meter, at: datetime, kind: Kind, who: Who) -> None:
    """Keep that somebody has looked at a reading and finds it right; it keeps its marks.

    Raises Reading.DoesNotExist. Of a reading that is not in doubt, or out of use, nothing changes.
    """
    slot = int(at.timestamp())
    with transaction.atomic():
        row = Reading.objects.select_for_update().get(meter_id=meter.pk, slot_at=slot, kind=kind)
        if not row.quality & IN_DOUBT or row.quality & _LOOKED_AT:
            return
        Reading.objects.filter(meter_id=meter.pk, slot_at=slot, kind=kind).update(
            quality=row.quality | int(Quality.ACCEPTED)
        )
        written = Written(meter.utility_id)
        written.reading(meter.pk, slot, kind)
        written.append()
        audit.record(
            "readings.accepted", utility=meter.utility, user=who.user, computer=who.computer, target=str(meter),
            detail={"at": row.slot_at.isoformat(), "kind": Kind(kind).name.lower(),
                    "marks": [one.name.lower() for one in IN_DOUBT if row.quality & one and one.name]},
        )  # fmt: skip


def left(quality: np.ndarray) -> np.ndarray:
    """Marks of readings (int64 of n) without the doubts of those that somebody found right."""
    found: np.ndarray = np.where(quality & int(Quality.ACCEPTED), quality & ~int(IN_DOUBT), quality)
    return found
