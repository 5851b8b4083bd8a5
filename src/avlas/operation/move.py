"""Moving an installation from SQLite to PostgreSQL.

Readings and telegrams, nearly all of the data, are copied in pieces of the primary key while Avläs is running.
Each piece and its checksum are committed together, so an interrupted move goes on where it was: a piece whose
rows still have the checksum is left alone, one that has changed is copied again. The last part needs Avläs to
be stopped: every piece is compared once more, all other tables are copied in one transaction, and every table
is compared by count and checksum.
"""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any, Final

from django.db import IntegrityError, connection, transaction

from avlas.operation import tables
from avlas.operation.tables import Sum, Table
from avlas.system import audit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PIECES_OF: Final = ("reading", "telegram")  # no foreign key leads from or to them
PIECE: Final = 20_000


class NotMovable(Exception):  # noqa: N818
    """The two databases can't be joined by a move. The message is for people."""


def open_source(path: Path) -> sqlite3.Connection:
    """The SQLite database, for reading beside a running Avläs."""
    own = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=20, isolation_level=None)
    own.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return own


def begin() -> bool:
    """Make the list of copied pieces in the target; False when a move had been begun before."""
    with connection.cursor() as cursor:
        if "avlas_move" in connection.introspection.table_names(cursor):
            return False
        cursor.execute(
            "CREATE TABLE avlas_move (name text NOT NULL, number integer NOT NULL, last jsonb NOT NULL,"
            " sha256 text NOT NULL, PRIMARY KEY (name, number))"
        )
    return True


def copy_pieces(source: sqlite3.Connection, said: Callable[[str, int, int], None]) -> int:
    """Copy what is missing or has changed of the large tables; give how many pieces had to be copied.

    ``said`` is called with table, rows passed so far and rows copied so far.
    """
    copied = 0
    for table in tables.describe():
        if table.name in PIECES_OF:
            copied += _copy_pieces_of(source, table, said)
    return copied


def _copy_pieces_of(source: sqlite3.Connection, table: Table, said: Callable[[str, int, int], None]) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT last, sha256 FROM avlas_move WHERE name = %s ORDER BY number", [table.name])
        known = [(tuple(json.loads(last)), sha) for last, sha in cursor.fetchall()]
    after: tuple[int, ...] | None = None
    passed = rows_copied = copied = number = 0
    places = [table.columns.index(column) for column in table.key]
    key, marks = ", ".join(table.key), ", ".join("?" * len(table.key))
    while True:
        last, sha = known[number] if number < len(known) else (None, "")
        limits = ([(">", after)] if after is not None else []) + ([("<=", last)] if last is not None else [])
        where = " AND ".join(f"({key}) {sign} ({marks})" for sign, _ in limits)
        values = [value for _, limit in limits for value in limit]
        part, sums = [], Sum()
        newest: tuple[Any, ...] | None = None
        for line, row in tables.lines(
            source, table, f"WHERE {where}" if where else "", values, None if last else PIECE
        ):
            sums.add(line)
            part.append(line)
            newest = row
        if last is None:
            if newest is None:
                return copied
            last = tuple(newest[place] for place in places)
        if sums.hex() != sha:
            _put_piece(table, number, after, last, part, sums)
            rows_copied += len(part)
            copied += 1
        passed += sums.rows
        said(table.name, passed, rows_copied)
        after, number = last, number + 1


def _put_piece(
    table: Table,
    number: int,
    after: tuple[int, ...] | None,
    last: tuple[int, ...],
    part: list[str],
    sums: Sum,
) -> None:
    """Put the rows after ``after`` up to ``last`` in place of what the target has there."""
    key, marks = ", ".join(table.key), ", ".join(["%s"] * len(table.key))
    where, values = f"({key}) <= ({marks})", list(last)
    if after is not None:
        where, values = f"{where} AND ({key}) > ({marks})", [*values, *after]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f'DELETE FROM "{table.name}" WHERE {where}', values)
        tables.load(table, part)
        cursor.execute(
            "INSERT INTO avlas_move (name, number, last, sha256) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (name, number) DO UPDATE SET sha256 = excluded.sha256",
            [table.name, number, json.dumps(list(last)), sums.hex()],
        )


def finish(source: sqlite3.Connection, said: Callable[[str], None]) -> dict[str, int]:
    """Copy all other tables, compare every table, and end the move, in one transaction; give rows by table.

    Nothing may write to the source meanwhile. Raises IntegrityError naming a table that differs.
    """
    counts = {}
    with transaction.atomic():
        described = tables.describe()
        others = [table for table in described if table.name not in PIECES_OF]
        with connection.cursor() as cursor:
            for table in others:
                cursor.execute(f'DELETE FROM "{table.name}"')  # what migrations put there themselves
        for table in others:
            said(table.name)
            tables.load(table, (line for line, _ in tables.lines(source, table)))
        connection.check_constraints()
        tables.set_sequences(described)
        for table in described:
            said(table.name)
            here, there = tables.total(connection.connection, table), tables.total(source, table)
            if (here.rows, here.hex()) != (there.rows, there.hex()):
                raise IntegrityError(
                    f"{table.name} differs after the move ({here.rows} and {there.rows} rows)"
                )
            counts[table.name] = here.rows
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE avlas_move")
        audit.record("backup.moved", utility=None, target="PostgreSQL", detail={"rows": sum(counts.values())})
    return counts
