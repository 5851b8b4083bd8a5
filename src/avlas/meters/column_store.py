"""Columns in, columns out of the hand-written tables, on SQLite and PostgreSQL alike.

Everything here runs inside the caller's transaction. A key is one row of equally long integer columns.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

Columns = dict[str, list[Any]]


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


def nullable(column: np.ndarray) -> list[float | None]:
    """Give a float column as a list in which NaN has become None."""
    values: list[float | None] = column.tolist()
    if np.isnan(column).any():
        return [None if value != value else value for value in values]  # noqa: PLR0124 - NaN alone differs from itself
    return values
