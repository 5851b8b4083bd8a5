"""What has to be tidied regularly: strangers' traces, old raw telegrams, partitions for the months to come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import connection, transaction

from avlas.meters import journal
from avlas.meters.ddl import ensure_partitions

STRANGERS_HOURS = 24
RAW_MONTHS = 13
_CHUNK = 5000


def tidy(now: datetime | None = None) -> dict[str, int]:
    """Forget strangers of whom nothing came in for 24 hours, raw telegrams after 13 months; make coming partitions.

    Gives how many rows each part concerned. Works in short transactions; running it twice changes nothing.
    """
    now = now or datetime.now(UTC)
    silent_since = int((now - timedelta(hours=STRANGERS_HOURS)).timestamp())
    strangers = _delete(
        "DELETE FROM meters_meterstate WHERE id IN (SELECT id FROM meters_meterstate"
        " WHERE meter_id IS NULL AND noted_at < %s LIMIT %s)",
        silent_since,
    )
    old = int((now - timedelta(days=RAW_MONTHS * 30.5)).timestamp())
    rows = "(meter_id, slot_at, class_code)"
    raw = _delete(
        f"DELETE FROM telegram WHERE {rows} IN (SELECT meter_id, slot_at, class_code FROM telegram"
        " WHERE slot_at < %s LIMIT %s)",
        old,
    )
    hours = _delete(
        "DELETE FROM meters_receiverhour WHERE id IN (SELECT id FROM meters_receiverhour"
        " WHERE hour_at < %s LIMIT %s)",
        old,
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


def _delete(statement: str, before: int) -> int:
    total = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [before, _CHUNK])
            deleted: int = cursor.rowcount
        total += deleted
        if deleted < _CHUNK:
            return total
