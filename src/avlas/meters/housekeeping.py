"""What has to be tidied regularly: strangers' traces, old raw telegrams, partitions for the months to come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import connection, transaction

from avlas.meters import journal, surplus
from avlas.meters.ddl import ensure_partitions
from avlas.meters.retention import months_before
from avlas.system.models import Utility

STRANGERS_HOURS = 24
_HOURS_LONGER = 2
"""Months more than readings: how a month's readings were received is counted when it is thinned (see retention)."""
_CHUNK = 5000


def tidy(now: datetime | None = None) -> dict[str, int]:
    """Forget strangers of whom nothing came in for 24 hours and old raw telegrams; make the coming months' partitions.

    How long raw telegrams stay is each utility's setting. Gives how many rows each part concerned. Works in short
    transactions; running it twice changes nothing.
    """
    now = now or datetime.now(UTC)
    surplus.add_all()
    silent_since = int((now - timedelta(hours=STRANGERS_HOURS)).timestamp())
    strangers = _delete(
        "DELETE FROM meters_meterstate WHERE id IN (SELECT id FROM meters_meterstate"
        " WHERE meter_id IS NULL AND noted_at < %s LIMIT %s)",
        silent_since,
    )
    raw = hours = 0
    for utility in Utility.objects.order_by("pk"):
        raw += _delete(
            "DELETE FROM telegram WHERE (meter_id, slot_at, class_code) IN (SELECT t.meter_id, t.slot_at, t.class_code"
            " FROM meters_meter m CROSS JOIN telegram t WHERE m.utility_id = %s AND t.meter_id = m.id"
            " AND t.slot_at < %s LIMIT %s)",
            utility.pk,
            int(months_before(now, utility.keep_telegrams_months).timestamp()),
        )
        hours += _delete(
            "DELETE FROM meters_receiverhour WHERE id IN (SELECT h.id FROM meters_receiverhour h"
            " JOIN meters_collector c ON c.id = h.collector_id WHERE c.utility_id = %s AND h.hour_at < %s LIMIT %s)",
            utility.pk,
            int(months_before(now, utility.keep_all_months + _HOURS_LONGER).timestamp()),
        )
    if connection.vendor == "sqlite":
        # The query planner's statistics; PostgreSQL sees to them itself. In a transaction that waits for its turn to
        # write: outside of one SQLite reads first, and then refuses to write when somebody else just has.
        with connection.cursor() as cursor, transaction.atomic():
            cursor.execute("PRAGMA analysis_limit = 400")
            cursor.execute("PRAGMA optimize")
    return {
        "strangers": strangers,
        "raw telegrams": raw,
        "receiver hours": hours,
        "journal entries": journal.prune(now),
        "partitions": ensure_partitions(connection, now),
    }


def _delete(statement: str, *values: int) -> int:
    total = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [*values, _CHUNK])
            deleted: int = cursor.rowcount
        total += deleted
        if deleted < _CHUNK:
            return total
