"""Columns in, columns out of the hand-written tables, on SQLite and PostgreSQL alike.

Everything here runs inside the caller's transaction. A key is one row of equally long integer columns.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

Columns = dict[str, list[Any]]
_PLACEHOLDER = re.compile(r"\bnew_(\w+)")


def moment(connection: BaseDatabaseWrapper) -> object:
    """Give a mark that stays equal as long as no other connection has committed a change.

    PostgreSQL's also moves when anything else in the cluster is committed: then nothing is known.
    """
    pg = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text" if pg else "PRAGMA data_version")
        mark: object = cursor.fetchone()
    return mark


def _keys_source(connection: BaseDatabaseWrapper, keys: Mapping[str, np.ndarray]) -> tuple[str, list[Any]]:
    """Give SQL for a row source ``k`` with the key columns, and its parameters."""
    names = list(keys)
    if connection.vendor == "postgresql":
        arrays = ", ".join("%s::bigint[]" for _ in names)
        return f"unnest({arrays}) AS k({', '.join(names)})", [keys[name].tolist() for name in names]
    rows = json.dumps(list(zip(*(keys[name].tolist() for name in names), strict=True)))
    picked = ", ".join(f"value->>{place} AS {name}" for place, name in enumerate(names))
    return f"(SELECT {picked} FROM json_each(%s)) AS k", [rows]


def fetch(
    connection: BaseDatabaseWrapper, table: str, keys: Mapping[str, np.ndarray], columns: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Give ``columns`` of every row of ``table`` whose key columns equal one of ``keys`` (in no order).

    The keys must be distinct. SQLite walks the keys and looks each up in the table's primary key.
    """
    if not len(next(iter(keys.values()))):
        return []
    source, parameters = _keys_source(connection, keys)
    on = " AND ".join(f"t.{name} = k.{name}" for name in keys)
    join = "JOIN" if connection.vendor == "postgresql" else "CROSS JOIN"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join('t.' + column for column in columns)} FROM {source} {join} {table} t ON {on}",
            parameters,
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def fetch_numbered(
    connection: BaseDatabaseWrapper, table: str, keys: Mapping[str, np.ndarray], columns: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Like ``fetch``, with the place of its key among ``keys`` (from 0) before each row's columns.

    ``keys`` holds slot_at: PostgreSQL then looks into the partitions concerned only.
    """
    count = len(next(iter(keys.values())))
    if not count:
        return []
    names = list(keys)
    on = " AND ".join(f"t.{name} = k.{name}" for name in names)
    listed = ", ".join(f"t.{column}" for column in columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            arrays = ", ".join("%s::bigint[]" for _ in names)
            first, last = int(keys["slot_at"].min()), int(keys["slot_at"].max())
            cursor.execute(
                f"SELECT k.number - 1, {listed} FROM unnest({arrays}) WITH ORDINALITY"
                f" AS k({', '.join(names)}, number) JOIN {table} t ON {on}"
                f" WHERE t.slot_at BETWEEN {first} AND {last}",
                [keys[name].tolist() for name in names],
            )
        else:
            picked = ", ".join(f"value->>{place} AS {name}" for place, name in enumerate(names))
            rows = json.dumps(list(zip(*(keys[name].tolist() for name in names), strict=True)))
            cursor.execute(
                f"SELECT k.number, {listed} FROM (SELECT key AS number, {picked} FROM json_each(%s)) AS k"
                f" CROSS JOIN {table} t ON {on}",
                [rows],
            )
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def newest(
    connection: BaseDatabaseWrapper, meter_ids: np.ndarray, columns: Sequence[str], since: int
) -> list[tuple[Any, ...]]:
    """For each meter with a live reading since then: its place among ``meter_ids`` and the newest one's columns."""
    if not len(meter_ids):
        return []
    listed = ", ".join(f"r.{column}" for column in columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"SELECT k.number - 1, {listed} FROM unnest(%s::bigint[]) WITH ORDINALITY AS k(meter_id, number),"
                f" LATERAL (SELECT * FROM reading WHERE meter_id = k.meter_id AND kind = 0 AND slot_at >= {int(since)}"
                " ORDER BY slot_at DESC LIMIT 1) AS r",
                [meter_ids.tolist()],
            )
        else:
            cursor.execute(
                f"SELECT k.key, {listed} FROM json_each(%s) AS k CROSS JOIN reading r ON r.meter_id = k.value"
                " AND r.kind = 0 AND r.slot_at = (SELECT slot_at FROM reading WHERE meter_id = k.value AND kind = 0"
                f" AND slot_at >= {int(since)} ORDER BY slot_at DESC LIMIT 1)",
                [json.dumps(meter_ids.tolist())],
            )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def neighbours(
    connection: BaseDatabaseWrapper, keys: Mapping[str, np.ndarray], kind: int, having: str | None = None
) -> list[tuple[Any, ...]]:
    """For each (meter_id, slot_at) give (meter_id, slot_at, slot before, slot after); None where there is none.

    With ``having`` only readings count in which that register has a value.
    """
    if not len(next(iter(keys.values()))):
        return []
    source, parameters = _keys_source(connection, keys)
    same = f"r.meter_id = k.meter_id AND r.kind = {int(kind)}"
    if having:
        same += f" AND r.{having} IS NOT NULL"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT k.meter_id, k.slot_at,"
            f" (SELECT slot_at FROM reading r WHERE {same} AND r.slot_at < k.slot_at ORDER BY slot_at DESC LIMIT 1),"
            f" (SELECT slot_at FROM reading r WHERE {same} AND r.slot_at > k.slot_at ORDER BY slot_at LIMIT 1)"
            f" FROM {source}",
            parameters,
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def insert(connection: BaseDatabaseWrapper, table: str, columns: Columns) -> None:
    """Insert rows whose keys are not there yet."""
    names = list(columns)
    if not columns[names[0]]:
        return
    rows = zip(*columns.values(), strict=True)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(names))
            cursor.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", list(rows))


def upsert(connection: BaseDatabaseWrapper, table: str, columns: Columns, key: Sequence[str]) -> None:
    """Insert rows into `reading` or `telegram`; where the key exists, overwrite all other columns."""
    names = list(columns)
    if not columns[names[0]]:
        return
    listed = ", ".join(names)
    update = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
    conflict = f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {update}"
    rows = zip(*columns.values(), strict=True)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            loading = f"loading_{table}"
            cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {loading} (LIKE {table}) ON COMMIT DELETE ROWS")
            cursor.execute(f"TRUNCATE {loading}")
            with cursor.copy(f"COPY {loading} ({listed}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(f"INSERT INTO {table} ({listed}) SELECT {listed} FROM {loading} {conflict}")
        else:
            marks = ", ".join(["%s"] * len(names))
            cursor.executemany(f"INSERT INTO {table} ({listed}) VALUES ({marks}) {conflict}", list(rows))


def among(
    connection: BaseDatabaseWrapper, column: str, values: Sequence[int] | Sequence[str]
) -> tuple[str, Any]:
    """Give the condition that ``column`` is one of ``values`` (however many), and its one parameter."""
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s)", list(values)
    return f"{column} IN (SELECT value FROM json_each(%s))", json.dumps(list(values))


def update(connection: BaseDatabaseWrapper, table: str, columns: Columns, key: str) -> None:
    """Update rows of ``table``: ``columns`` holds its unique column ``key`` and what to set in each row."""
    names = [name for name in columns if name != key]
    if not columns[key]:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            loading = f"updating_{table}"
            cursor.execute(
                f"CREATE TEMP TABLE IF NOT EXISTS {loading} ON COMMIT DELETE ROWS"
                f" AS SELECT {', '.join(columns)} FROM {table} WITH NO DATA"
            )
            cursor.execute(f"TRUNCATE {loading}")
            with cursor.copy(f"COPY {loading} ({', '.join(columns)}) FROM STDIN") as copy:
                for row in zip(*columns.values(), strict=True):
                    copy.write_row(row)
            listed = ", ".join(f"{name} = l.{name}" for name in names)
            cursor.execute(f"UPDATE {table} t SET {listed} FROM {loading} l WHERE t.{key} = l.{key}")
        else:
            listed = ", ".join(f"{name} = %s" for name in names)
            rows = list(zip(*(columns[name] for name in [*names, key]), strict=True))
            cursor.executemany(f"UPDATE {table} SET {listed} WHERE {key} = %s", rows)


def change(
    connection: BaseDatabaseWrapper,
    table: str,
    assignments: Mapping[str, str],
    columns: Columns,
    types: Mapping[str, str],
) -> None:
    """Update the rows with the ``id``s among ``columns`` by one statement for all.

    ``assignments``: column -> SQL in which ``new_x`` stands for column x of ``columns``, any other name for what the
    row holds; ``types``: PostgreSQL's types of ``columns``, bigint where none is named.
    """
    if not columns["id"]:
        return
    names = list(columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            listed = ", ".join(f"{name} = {term}" for name, term in assignments.items())
            arrays = ", ".join(f"%s::{types.get(name, 'bigint')}[]" for name in names)
            heads = ", ".join(f"new_{name}" for name in names)
            cursor.execute(
                f"UPDATE {table} SET {listed} FROM unnest({arrays}) AS l({heads}) WHERE id = new_id",
                [columns[name] for name in names],
            )
        else:
            numbers = {name: place for place, name in enumerate(names, start=1)}

            def numbered(term: str) -> str:
                return _PLACEHOLDER.sub(lambda found: f"?{numbers[found[1]]}", term)

            listed = ", ".join(f"{name} = {numbered(term)}" for name, term in assignments.items())
            cursor.executemany(
                f"UPDATE {table} SET {listed} WHERE id = ?{numbers['id']}",
                list(zip(*columns.values(), strict=True)),
            )


def nullable(column: np.ndarray) -> list[float | None]:
    """Give a float column as a list in which NaN has become None."""
    values: list[float | None] = column.tolist()
    if np.isnan(column).any():
        return [None if value != value else value for value in values]  # noqa: PLR0124 - NaN alone differs from itself
    return values
