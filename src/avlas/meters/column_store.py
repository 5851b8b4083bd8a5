"""Columns in, columns out of the hand-written tables, on SQLite and PostgreSQL alike.

Everything here runs inside the caller's transaction. A key is one row of equally long integer columns.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from avlas.decode.batch import NONE
from avlas.meters import pg_binary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

Column = np.ndarray | list[Any]
Columns = dict[str, Column]
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


def _ask(connection: BaseDatabaseWrapper, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Let PostgreSQL run a statement whose parameters may be arrays; Django's own cursor would write them as text."""
    import psycopg

    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.adapters.register_dumper(np.ndarray, pg_binary.array_dumper())
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def _run_many(connection: BaseDatabaseWrapper, statement: str, columns: Mapping[str, Column]) -> None:
    """Let SQLite run a statement for each row of ``columns``; Django's own cursor would keep all rows meanwhile."""
    rows = zip(*map(nullable, columns.values()), strict=True)
    connection.ensure_connection()
    with connection.wrap_database_errors:
        connection.connection.executemany(statement, rows)


def _keys_source(connection: BaseDatabaseWrapper, keys: Mapping[str, np.ndarray]) -> tuple[str, list[Any]]:
    """Give SQL for a row source ``k`` with the key columns, and its parameters."""
    names = list(keys)
    if connection.vendor == "postgresql":
        arrays = ", ".join("%s::bigint[]" for _ in names)
        return f"unnest({arrays}) AS k({', '.join(names)})", list(keys.values())
    picked, rows = _picked(keys)
    return f"(SELECT {picked} FROM json_each(%s)) AS k", [rows]


def _picked(keys: Mapping[str, np.ndarray]) -> tuple[str, str]:
    """Give the columns of SQLite's json_each that are the key columns, and the JSON; what never changes stays out."""
    varying = [name for name, column in keys.items() if (column != column[0]).any()] or list(keys)[:1]
    fixed = [f"{int(column[0])} AS {name}" for name, column in keys.items() if name not in varying]
    if len(varying) == 1:
        return ", ".join([f"value AS {varying[0]}", *fixed]), json.dumps(keys[varying[0]].tolist())
    picked = [f"value->>{place} AS {name}" for place, name in enumerate(varying)]
    rows = zip(*(keys[name].tolist() for name in varying), strict=True)
    return ", ".join([*picked, *fixed]), json.dumps(list(rows))


def _select(
    connection: BaseDatabaseWrapper, statement: str, parameters: Sequence[Any]
) -> list[tuple[Any, ...]]:
    if connection.vendor == "postgresql":
        return _ask(connection, statement, parameters)
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


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
    listed = ", ".join(f"t.{column}" for column in columns)
    return _select(connection, f"SELECT {listed} FROM {source} {join} {table} t ON {on}", parameters)


def fetch_numbered(
    connection: BaseDatabaseWrapper, table: str, keys: Mapping[str, np.ndarray], columns: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Like ``fetch``, with the place of its key among ``keys`` (from 0) before each row's columns.

    ``keys`` holds slot_at: PostgreSQL then looks into the partitions concerned only. It is made to look up key by key
    (OFFSET 0): of the newest slot its statistics know nothing, so it would take the slot's rows to be few and go
    through all keys for each of them.
    """
    count = len(next(iter(keys.values())))
    if not count:
        return []
    names = list(keys)
    on = " AND ".join(f"t.{name} = k.{name}" for name in names)
    listed = ", ".join(f"t.{column}" for column in columns)
    if connection.vendor == "postgresql":
        arrays = ", ".join("%s::bigint[]" for _ in names)
        first, last = int(keys["slot_at"].min()), int(keys["slot_at"].max())
        return _ask(
            connection,
            f"SELECT k.number - 1, {listed} FROM unnest({arrays}) WITH ORDINALITY AS k({', '.join(names)}, number),"
            f" LATERAL (SELECT * FROM {table} t WHERE {on} AND t.slot_at BETWEEN {first} AND {last} OFFSET 0) AS t",
            list(keys.values()),
        )
    picked, rows = _picked(keys)
    return _select(
        connection,
        f"SELECT k.number, {listed} FROM (SELECT key AS number, {picked} FROM json_each(%s)) AS k"
        f" CROSS JOIN {table} t ON {on}",
        [rows],
    )


def newest(
    connection: BaseDatabaseWrapper, meter_ids: np.ndarray, columns: Sequence[str], since: int, until: int
) -> list[tuple[Any, ...]]:
    """For each meter with a live reading since then: its place among ``meter_ids`` and the newest one's columns.

    Hardly ever is there one after ``until``. PostgreSQL is asked that of all meters at once, and need not look into
    the coming months' partitions for each of them.
    """
    if not len(meter_ids):
        return []
    listed = ", ".join(f"r.{column}" for column in columns)
    if connection.vendor == "postgresql":
        later = _ask(
            connection,
            "SELECT EXISTS (SELECT 1 FROM unnest(%s) AS k(meter_id) JOIN reading r ON r.meter_id = k.meter_id"
            f" AND r.kind = 0 AND r.slot_at > {int(until)})",
            [meter_ids],
        )
        end = "" if later[0][0] else f" AND slot_at <= {int(until)}"
        return _ask(
            connection,
            f"SELECT k.number - 1, {listed} FROM unnest(%s) WITH ORDINALITY AS k(meter_id, number),"
            f" LATERAL (SELECT * FROM reading WHERE meter_id = k.meter_id AND kind = 0 AND slot_at >= {int(since)}{end}"
            " ORDER BY slot_at DESC LIMIT 1) AS r",
            [meter_ids],
        )
    return _select(
        connection,
        f"SELECT k.key, {listed} FROM json_each(%s) AS k CROSS JOIN reading r ON r.meter_id = k.value"
        " AND r.kind = 0 AND r.slot_at = (SELECT slot_at FROM reading WHERE meter_id = k.value AND kind = 0"
        f" AND slot_at >= {int(since)} ORDER BY slot_at DESC LIMIT 1)",
        [json.dumps(meter_ids.tolist())],
    )


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
    return _select(
        connection,
        f"SELECT k.meter_id, k.slot_at,"
        f" (SELECT slot_at FROM reading r WHERE {same} AND r.slot_at < k.slot_at ORDER BY slot_at DESC LIMIT 1),"
        f" (SELECT slot_at FROM reading r WHERE {same} AND r.slot_at > k.slot_at ORDER BY slot_at LIMIT 1)"
        f" FROM {source}",
        parameters,
    )


def fetch_ids(
    connection: BaseDatabaseWrapper, table: str, ids: np.ndarray, columns: Sequence[str], end: str = ""
) -> list[tuple[Any, ...]]:
    """Give ``columns`` of the rows of ``table`` with these ids; ``end`` of the statement: order, lock."""
    if not len(ids):
        return []
    pg = connection.vendor == "postgresql"
    condition = "id = ANY(%s)" if pg else "id IN (SELECT value FROM json_each(%s))"
    return _select(
        connection,
        f"SELECT {', '.join(columns)} FROM {table} WHERE {condition}{end}",
        [ids if pg else json.dumps(ids.tolist())],
    )


def insert(connection: BaseDatabaseWrapper, table: str, columns: Mapping[str, Column]) -> None:
    """Insert rows into `reading` or `telegram` whose keys are not there yet; columns as for ``change``."""
    if not len(next(iter(columns.values()))):
        return
    listed = ", ".join(columns)
    if connection.vendor == "postgresql":
        with (
            connection.cursor() as cursor,
            cursor.copy(f"COPY {table} ({listed}) FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.write(pg_binary.copied(columns))
        return
    marks = ", ".join("?" * len(columns))
    _run_many(connection, f"INSERT INTO {table} ({listed}) VALUES ({marks})", columns)


def upsert(
    connection: BaseDatabaseWrapper, table: str, columns: Mapping[str, Column], key: Sequence[str]
) -> None:
    """Insert rows into `reading` or `telegram`; where the key exists, overwrite all other columns."""
    names = list(columns)
    if not len(columns[names[0]]):
        return
    listed = ", ".join(names)
    update = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
    conflict = f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {update}"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            loading = f"loading_{table}"
            cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {loading} (LIKE {table}) ON COMMIT DELETE ROWS")
            cursor.execute(f"TRUNCATE {loading}")
            with cursor.copy(f"COPY {loading} ({listed}) FROM STDIN") as copy:
                for row in zip(*map(nullable, columns.values()), strict=True):
                    copy.write_row(row)
            cursor.execute(f"INSERT INTO {table} ({listed}) SELECT {listed} FROM {loading} {conflict}")
        else:
            marks = ", ".join("?" * len(names))
            _run_many(connection, f"INSERT INTO {table} ({listed}) VALUES ({marks}) {conflict}", columns)


def among(
    connection: BaseDatabaseWrapper, column: str, values: Sequence[int] | Sequence[str]
) -> tuple[str, Any]:
    """Give the condition that ``column`` is one of ``values`` (however many), and its one parameter."""
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s)", list(values)
    return f"{column} IN (SELECT value FROM json_each(%s))", json.dumps(list(values))


def update(connection: BaseDatabaseWrapper, table: str, columns: Mapping[str, Column], key: str) -> None:
    """Update rows of ``table``: ``columns`` holds its unique column ``key`` and what to set in each row."""
    names = [name for name in columns if name != key]
    if not columns[key]:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            loading = f"updating_{table}"
            cursor.execute(
                f"CREATE TEMP TABLE IF NOT EXISTS {loading} ON COMMIT DELETE ROWS"
                f" AS SELECT * FROM {table} WITH NO DATA"
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
    columns: Mapping[str, np.ndarray | list[str]],
) -> None:
    """Update the rows with the ``id``s among ``columns`` by one statement for all.

    ``assignments``: column -> SQL in which ``new_x`` stands for column x of ``columns``, any other name for what the
    row holds. ``columns``: int64 (NONE: null), float64 (NaN: null) or texts (few different ones).
    """
    if not len(columns["id"]):
        return
    names = list(columns)
    if connection.vendor == "postgresql":
        listed = ", ".join(f"{name} = {term}" for name, term in assignments.items())
        arrays = ", ".join(f"unnest(%s) AS new_{name}" for name in names)  # in FROM it takes twice the time
        chosen, texts, sent = [], [], []
        for name, column in columns.items():
            if isinstance(column, list):  # sent as numbers: a long list of texts takes ten times as long
                numbered_texts: dict[str, int] = {}
                numbers = [numbered_texts.setdefault(text, len(numbered_texts) + 1) for text in column]
                chosen.append(f"(%s::text[])[new_{name}] AS new_{name}")
                texts.append(list(numbered_texts))
                sent.append(np.array(numbers, np.int64))
            else:
                chosen.append(f"new_{name}")
                sent.append(column)
        _ask(
            connection,
            f"UPDATE {table} SET {listed} FROM (SELECT {', '.join(chosen)} FROM (SELECT {arrays} OFFSET 0) AS l) AS l"
            " WHERE id = new_id",
            [*texts, *sent],
        )
        return
    place_of = {name: place for place, name in enumerate(names, start=1)}

    def numbered(term: str) -> str:
        return _PLACEHOLDER.sub(lambda found: f"?{place_of[found[1]]}", term)

    listed = ", ".join(f"{name} = {numbered(term)}" for name, term in assignments.items())
    _run_many(connection, f"UPDATE {table} SET {listed} WHERE id = ?{place_of['id']}", columns)


def add_missing(
    connection: BaseDatabaseWrapper,
    table: str,
    columns: Mapping[str, np.ndarray | list[str]],
    same: Mapping[str, int | str | None],
) -> None:
    """Insert rows, except where a unique column has the value already.

    ``columns``: as for ``change``, in the order in which to insert; ``same``: what all rows have in common.
    """
    names = [*columns, *same]
    listed = ", ".join(names)
    if connection.vendor == "postgresql":
        arrays = ", ".join("%s::text[]" if isinstance(one, list) else "%s" for one in columns.values())
        picked = ", ".join([*(f"l.{name}" for name in columns), *("%s" for _ in same)])
        _ask(
            connection,
            f"INSERT INTO {table} ({listed}) SELECT {picked} FROM unnest({arrays}) AS l({', '.join(columns)})"
            " ON CONFLICT DO NOTHING",
            [*same.values(), *columns.values()],
        )
        return
    marks = ", ".join(["%s"] * len(names))
    alike = tuple(same.values())
    rows = [(*row, *alike) for row in zip(*(nullable(column) for column in columns.values()), strict=True)]
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table} ({listed}) VALUES ({marks}) ON CONFLICT DO NOTHING", rows)


def nullable(column: np.ndarray | list[Any]) -> list[Any]:
    """Give a column as a list in which NaN, or NONE among int64, has become None."""
    if isinstance(column, list):
        return column
    values: list[Any] = column.tolist()
    empty = np.isnan(column) if column.dtype.kind == "f" else column == NONE
    for place in np.flatnonzero(empty).tolist():
        values[place] = None
    return values
