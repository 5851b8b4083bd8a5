"""The hand-written tables `reading` and `telegram` (DESIGN section 5, engines).

SQLite keeps them without rowid, clustered by meter and time; PostgreSQL in monthly partitions by slot_at, with
a default partition for anything outside. Django's own table rebuilds would lose both, so it never touches them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from avlas.decode.registers import CODES

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

TABLES = ("reading", "telegram")
_MONTHS_BACK, _MONTHS_AHEAD = 14, 3


def create_statements(vendor: str) -> list[str]:
    """Give the statements that make both tables on ``vendor`` ("sqlite" or "postgresql")."""
    pg = vendor == "postgresql"
    integer, real, blob, json = (
        ("bigint", "double precision", "bytea", "jsonb") if pg else ("INTEGER", "REAL", "BLOB", "TEXT")
    )
    small = "smallint" if pg else "INTEGER"
    end = "PARTITION BY RANGE (slot_at)" if pg else "WITHOUT ROWID"
    registers = ", ".join(f"{code} {integer if code == 'info_code' else real}" for code in CODES)
    statements = [
        (
            f"CREATE TABLE reading (meter_id {integer} NOT NULL, slot_at {integer} NOT NULL, kind {small} NOT NULL,"
            f" heard_at {integer} NOT NULL, source {small} NOT NULL, quality {small} NOT NULL DEFAULT 0,"
            f" format_id {integer} NOT NULL, {registers}, other {json},"
            f" PRIMARY KEY (meter_id, slot_at, kind)) {end}"
        ),
        (
            f"CREATE TABLE telegram (meter_id {integer} NOT NULL, slot_at {integer} NOT NULL,"
            f" class_code {'integer' if pg else 'INTEGER'} NOT NULL, heard_at {integer} NOT NULL,"
            f" collector_id {integer} NOT NULL, rssi_dbm {'real' if pg else 'REAL'}, state {small} NOT NULL,"
            f" frame {blob} NOT NULL, PRIMARY KEY (meter_id, slot_at, class_code)) {end}"
        ),
        "CREATE INDEX telegram_waiting ON telegram (state, meter_id) WHERE state > 0",
    ]
    if pg:
        statements += [f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT" for table in TABLES]
    return statements


def _month(year: int, month: int) -> int:
    """Give the first second (UTC) of a month; months beyond 1-12 roll into other years."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp())


def ensure_partitions(connection: BaseDatabaseWrapper, now: datetime) -> int:
    """Make the monthly partitions from 14 months back to three ahead of ``now``; give how many were new.

    A month whose rows already lie in the default partition stays there: nothing is moved, nothing is lost.
    """
    if connection.vendor != "postgresql":
        return 0
    made = 0
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(
                "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
                " WHERE i.inhparent = %s::regclass",
                [table],
            )
            there = {row[0] for row in cursor.fetchall()}
            for step in range(-_MONTHS_BACK, _MONTHS_AHEAD + 1):
                start, end = _month(now.year, now.month + step), _month(now.year, now.month + step + 1)
                name = f"{table}_{datetime.fromtimestamp(start, UTC):%Y_%m}"
                if name in there:
                    continue
                cursor.execute(
                    f"SELECT 1 FROM {table}_default WHERE slot_at >= %s AND slot_at < %s LIMIT 1",
                    [start, end],
                )
                if cursor.fetchone():
                    continue
                cursor.execute(
                    f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ({start}) TO ({end})"
                )
                made += 1
    return made
