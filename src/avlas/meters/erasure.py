"""Erasing what meters said in a span of time, for good: the right to be forgotten (GDPR article 17).

Readings, raw telegrams, info events, conflicts and voided readings strictly between two moments are deleted, and a
fence is left that telegrams, stored values and restored backups obey. The audit log says that it was done, not what.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.db import connection, transaction
from django.db.models import Q

from avlas.meters import sent_reports, slots
from avlas.meters.models import CaseEntry, Exchange, Fence, Generation, Meter, MeterState, Photo, PulseInput
from avlas.system import audit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from avlas.meters.keys import Who

_TABLES: Final = {  # what is counted as -> table and the column of its moment
    "readings": ("reading", "slot_at"),
    "telegrams": ("telegram", "slot_at"),
    "info_events": ("meters_infoevent", "at"),
    "conflicts": ("meters_readingconflict", "slot_at"),
    "voided": ("meters_voidedreading", "slot_at"),
}


@dataclass(frozen=True, slots=True)
class KnownFence:
    """A fence as it can be found again in another database: by the utility's short name, maker and serial number."""

    slug: str
    manufacturer: str
    serial: str
    from_at: datetime
    to_at: datetime


def erase(meter: Meter, from_at: datetime, to_at: datetime, who: Who) -> dict[str, int]:
    """Erase what the meter said between two moments (aware) and fence it off; gives how many rows of each kind.

    In one transaction. Doing it again erases what came in meanwhile by a way that knows no fences: nothing, normally.
    Raises ValueError when the span is empty.
    """
    if to_at <= from_at:
        raise ValueError(f"the span ends ({to_at}) before it begins ({from_at})")
    with transaction.atomic():
        fed_by = list(PulseInput.objects.filter(meter=meter).select_related("parent"))
        hold([meter.pk, *(one.parent_id for one in fed_by)])
        Fence.objects.get_or_create(meter=meter, from_at=from_at, to_at=to_at, defaults={"by": who.user})
        Generation.bump(meter.utility_id)
        counts = _delete(meter, int(from_at.timestamp()), int(to_at.timestamp()))
        for one in fed_by:
            _forget_input(one, int(from_at.timestamp()), int(to_at.timestamp()))
        CaseEntry.objects.filter(meter=meter, at__gt=from_at, at__lt=to_at).update(note="", info_code=None)
        within = Exchange.objects.filter(at__gt=from_at, at__lt=to_at)
        within.filter(old__meter=meter).update(old_figures=[])
        within.filter(new_meter=meter).update(new_figures=[])
        sat_at = meter.installations.filter(from_at__lt=to_at).exclude(to_at__lt=from_at).values("point")
        pictures = Photo.objects.filter(Q(meter=meter) | Q(point__in=sat_at), at__gt=from_at, at__lt=to_at)
        pictures.delete()
        sent_reports.withdraw_readings(meter, from_at, to_at)
        MeterState.objects.filter(meter=meter, last_read_at__gt=from_at, last_read_at__lt=to_at).update(
            info_code=None
        )
        audit.record(
            "privacy.erased", utility=meter.utility, user=who.user, computer=who.computer, target=str(meter),
            detail={"from": from_at.isoformat(), "to": to_at.isoformat(), **counts},
        )  # fmt: skip
    return counts


def hold(meter_ids: Iterable[int]) -> None:
    """Hold what ingest holds of these meters, in its order, until the transaction ends: addresses, then meters."""
    ids = sorted(set(meter_ids))
    list(
        MeterState.objects.select_for_update(no_key=True)
        .filter(meter_id__in=ids)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    slots.lock_meters(ids)


def _delete(meter: Meter, begin: int, end: int) -> dict[str, int]:
    counts = {}
    with connection.cursor() as cursor:
        for name, (table, moment) in _TABLES.items():
            cursor.execute(
                f"DELETE FROM {table} WHERE meter_id = %s AND {moment} > %s AND {moment} < %s",
                [meter.pk, begin, end],
            )
            counts[name] = cursor.rowcount
    return counts


def _forget_input(fed_by: PulseInput, begin: int, end: int) -> None:
    """What a meter's parent says of it goes too: the input's figures, and the telegrams that hold them."""
    begin = max(begin, int(fed_by.from_at.timestamp()))
    end = min(end, int(fed_by.to_at.timestamp())) if fed_by.to_at else end
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE reading SET {fed_by.register} = NULL WHERE meter_id = %s AND slot_at > %s AND slot_at < %s",
            [fed_by.parent_id, begin, end],
        )
        cursor.execute(
            "DELETE FROM telegram WHERE meter_id = %s AND slot_at > %s AND slot_at < %s",
            [fed_by.parent_id, begin, end],
        )


def known_fences() -> list[KnownFence]:
    """All fences of this database; none where its tables are older than fences."""
    with connection.cursor() as cursor:
        if Fence._meta.db_table not in connection.introspection.table_names(cursor):  # noqa: SLF001 - Django's own name
            return []
    rows = Fence.objects.order_by("pk").values_list(
        "meter__utility__slug", "meter__manufacturer", "meter__serial", "from_at", "to_at"
    )
    return [KnownFence(*row) for row in rows]


def put_up_again(fences: Iterable[KnownFence], who: Who) -> int:
    """Erase anew what a restored backup brought back within fences it does not know; gives how many were missing."""
    there = set(known_fences())
    missing = [one for one in fences if one not in there]
    for one in missing:
        meter = Meter.objects.filter(
            utility__slug=one.slug, manufacturer=one.manufacturer, serial=one.serial
        ).first()
        if meter is not None:
            erase(meter, one.from_at, one.to_at, who)
    return len(missing)
