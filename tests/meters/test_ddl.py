"""After all migrations the hand-written tables are what the design says, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, connection

from avlas.decode.registers import CODES
from avlas.meters.ddl import TABLES, ensure_partitions
from avlas.system import audit

pytestmark = pytest.mark.django_db

KEYS = {"reading": ["meter_id", "slot_at", "kind"], "telegram": ["meter_id", "slot_at", "class_code"]}


def ask(statement, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def on(vendor):
    if connection.vendor != vendor:
        pytest.skip(f"a matter of {vendor}")


def columns(table):
    """{name: (type, not null)} as the database tells it."""
    if connection.vendor == "sqlite":
        return {row[1]: (row[2], bool(row[3])) for row in ask(f"PRAGMA table_info({table})")}
    return {
        name: (kind, nullable == "NO")
        for name, kind, nullable in ask(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = %s",
            table,
        )
    }


@pytest.mark.parametrize("table", TABLES)
def test_the_primary_key_is_meter_and_moment(table):
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, table)
    assert [one["columns"] for one in constraints.values() if one["primary_key"]] == [KEYS[table]]


@pytest.mark.parametrize("table", TABLES)
def test_on_sqlite_rows_lie_in_the_order_of_the_key(table):
    on("sqlite")
    ((sql,),) = ask("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = %s", table)
    assert sql.upper().endswith("WITHOUT ROWID")


@pytest.mark.parametrize("table", TABLES)
def test_on_postgresql_tables_are_cut_by_month_with_a_default_part(table):
    on("postgresql")
    ((kind, by),) = ask(
        "SELECT relkind::text, pg_get_partkeydef(oid) FROM pg_class WHERE relname = %s", table
    )
    assert (kind, by) == ("p", "RANGE (slot_at)")
    parts = {
        row[0]
        for row in ask(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", table
        )
    }
    assert f"{table}_default" in parts
    assert f"{table}_{datetime.now(UTC):%Y_%m}" in parts
    assert len(parts) >= 1 + 14 + 1 + 3


def test_column_types():
    whole, real, text = (
        ("INTEGER", "REAL", "TEXT")
        if connection.vendor == "sqlite"
        else ("bigint", "double precision", "jsonb")
    )
    small = "INTEGER" if connection.vendor == "sqlite" else "smallint"
    reading = columns("reading")
    assert {
        name: reading[name] for name in ("meter_id", "slot_at", "heard_at", "format_id")
    } == dict.fromkeys(("meter_id", "slot_at", "heard_at", "format_id"), (whole, True))
    assert {reading[name] for name in ("kind", "source", "quality")} == {(small, True)}
    for code in CODES:
        assert reading[code] == (whole if code == "info_code" else real, False)
    assert reading["other"] == (text, False)
    telegram = columns("telegram")
    assert telegram["frame"] == ("BLOB" if connection.vendor == "sqlite" else "bytea", True)
    assert telegram["collector_id"] == (whole, True)
    assert telegram["class_code"][1]
    assert not telegram["rssi_dbm"][1]


def test_nothing_has_a_foreign_key_to_or_from_them():
    tables = connection.introspection.table_names()
    assert set(TABLES) <= set(tables)
    with connection.cursor() as cursor:
        for table in tables:
            for one in connection.introspection.get_constraints(cursor, table).values():
                if one["foreign_key"]:
                    assert one["foreign_key"][0] not in TABLES
                    assert table not in TABLES


def test_the_audit_log_is_guarded():
    audit.record("meter.adopt", utility=None)
    with connection.cursor() as cursor, pytest.raises(DatabaseError, match="audit"):
        cursor.execute("DELETE FROM system_auditevent")


def test_waiting_telegrams_are_found_by_an_index(desk, hear):
    heard = hear(each=3)
    desk.own(heard, keys=False)
    desk.take_in(heard)
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    if connection.vendor == "postgresql":
        ask("SELECT set_config('enable_seqscan', 'off', true)")
    plan = ask(f"{explain} SELECT DISTINCT meter_id FROM telegram WHERE state > 0 AND state IN (4)")
    if connection.vendor == "sqlite":
        assert "telegram_waiting" in str(plan)
    else:
        assert "state_meter_id_idx" in str(plan)


class TestPartitions:
    def test_the_coming_months_are_made_once(self):
        on("postgresql")
        later = datetime(2031, 11, 15, tzinfo=UTC)
        made = ensure_partitions(connection, later)
        assert made == 2 * (14 + 1 + 3)
        assert ensure_partitions(connection, later) == 0
        ask("SELECT 'reading_2032_02'::regclass, 'telegram_2032_02'::regclass")

    def test_a_month_whose_rows_lie_in_the_default_part_stays_there(self):
        on("postgresql")
        moment = int(datetime(2031, 11, 20, tzinfo=UTC).timestamp())
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO reading (meter_id, slot_at, kind, heard_at, source, format_id) VALUES (1, %s, 0, %s, 1, 1)",
                [moment, moment],
            )
        assert ensure_partitions(connection, datetime(2031, 11, 15, tzinfo=UTC)) == 2 * 18 - 1
        assert ask("SELECT count(*) FROM reading_default") == [(1,)]
        assert ask("SELECT count(*) FROM reading") == [(1,)]

    def test_sqlite_needs_none(self):
        on("sqlite")
        assert ensure_partitions(connection, datetime(2031, 11, 15, tzinfo=UTC)) == 0
