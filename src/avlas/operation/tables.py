"""Tables as rows of plain JSON, the same on SQLite and PostgreSQL: what backup, restore and move share.

A row is a list of values in column order: numbers, texts, true and false, null; times as ISO 8601 in UTC, bytes
as base64, UUIDs as text, JSON as it is with its keys sorted. The same row gives the same line on both engines,
so checksums can be compared across them.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import struct
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Final

from django.db import connection
from django.db.migrations.loader import MigrationLoader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

LEFT_OUT: Final = {
    "avlas_move",
    "django_migrations",  # stands in the manifest; made by migrating
    "django_session",  # a copy of the data must not be a way in: people sign in anew
    "usersessions_usersession",  # the list of those
    "avlas_cache",
}
_KINDS: Final = {
    "CharField": "text",
    "TextField": "text",
    "SlugField": "text",
    "EmailField": "text",
    "DateTimeField": "time",
    "DateField": "date",
    "TimeField": "clock",
    "FloatField": "float",
    "BooleanField": "bool",
    "JSONField": "json",
    "BinaryField": "bytes",
    "UUIDField": "uuid",
    "BigIntegerField": "int",
    "SmallIntegerField": "int",
    "IntegerField": "int",
    "AutoField": "int",
    "BigAutoField": "int",
    "PositiveSmallIntegerField": "int",
    "PositiveBigIntegerField": "int",
    "PositiveIntegerField": "int",
    "UtcSecondsField": "int",
}
_SINGLE: Final = {("telegram", "rssi_dbm")}  # PostgreSQL keeps these in 4 bytes
_CHUNK: Final = 5000


class UnknownColumn(Exception):  # noqa: N818
    """A table or column that these modules don't know how to carry; nothing is left out silently."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns in order with the kind of each, and its primary key's columns."""

    name: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    key: tuple[str, ...]

    def quoted(self) -> str:
        """The columns for SQL."""
        return ", ".join(f'"{column}"' for column in self.columns)


def _options(model: Any) -> Any:
    return model._meta  # noqa: SLF001 - Django's documented name


class Sum:
    """Counts rows and works out the checksum (SHA-256) of their lines in the order given."""

    def __init__(self) -> None:
        self.rows = 0
        self._hash = hashlib.sha256()

    def add(self, line: str) -> None:
        """Take one more line."""
        self.rows += 1
        self._hash.update(line.encode())
        self._hash.update(b"\n")

    def hex(self) -> str:
        """The checksum so far."""
        return self._hash.hexdigest()


def applied_migrations(database: BaseDatabaseWrapper = connection) -> list[tuple[str, str]]:
    """The migrations that the database has seen and the program knows, sorted."""
    loader = MigrationLoader(database)
    return sorted(node for node in loader.applied_migrations if node in loader.graph.nodes)


def describe(database: BaseDatabaseWrapper = connection) -> list[Table]:
    """Every table as the applied migrations left it, by name, without columns that the database works out itself.

    Raises UnknownColumn for what can't be carried.
    """
    loader = MigrationLoader(database)
    nodes = [node for node in loader.applied_migrations if node in loader.graph.nodes]
    models = loader.project_state(nodes).apps.get_models(include_auto_created=True) if nodes else []
    found = []
    with database.cursor() as cursor:
        there = {info.name for info in database.introspection.get_table_list(cursor) if info.type == "t"}
        for options in map(_options, models):
            name = options.db_table
            if name in LEFT_OUT or name not in there:
                continue
            generated = {field.column for field in options.local_concrete_fields if field.generated}
            kinds = {
                field.column: _kind(name, field)
                for field in options.local_concrete_fields
                if field.column and field.column not in generated
            }
            for info in database.introspection.get_table_description(cursor, name):
                if (
                    info.name not in kinds and info.name not in generated
                ):  # Django forgets references of tables that it doesn't manage
                    kinds[info.name] = _known(
                        name, info.name, str(database.introspection.get_field_type(info.type_code, info))
                    )
            columns = tuple(sorted(kinds))
            key = database.introspection.get_primary_key_columns(cursor, name) or []
            found.append(Table(name, columns, tuple(kinds[column] for column in columns), tuple(key)))
    return sorted(found, key=lambda table: table.name)


def _kind(name: str, field: Any) -> str:
    if (name, field.column) in _SINGLE:
        return "single"
    column = field.column
    while field.remote_field:
        field = field.target_field
    return _known(name, column, field.get_internal_type())


def _known(name: str, column: str, field_type: str) -> str:
    if field_type not in _KINDS:
        raise UnknownColumn(f"{name}.{column}: {field_type}")
    return _KINDS[field_type]


# --- reading --------------------------------------------------------------------------------------


@contextmanager
def snapshot(database: BaseDatabaseWrapper = connection) -> Iterator[Any]:
    """A connection of its own that sees the database as it is at this moment, whatever is written meanwhile.

    SQLite: a read transaction of the write-ahead log. PostgreSQL: one REPEATABLE READ transaction.
    """
    own = database.get_new_connection(database.get_connection_params())
    try:
        if database.vendor == "sqlite":
            own.execute("BEGIN")
            own.execute("SELECT count(*) FROM sqlite_master").fetchone()  # only now the moment is fixed
        else:
            own.autocommit = False
            own.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            own.execute("SELECT 1 FROM django_migrations LIMIT 1")
        yield own
    finally:
        own.close()


def lines(
    own: Any, table: Table, where: str = "", values: Sequence[Any] = (), limit: int | None = None
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The lines of a table in the order of its primary key, each with the row as the database gave it.

    ``own`` is a connection from `snapshot` (or any raw one); ``where`` is SQL with ? for ``values``.
    """
    kinds = dict(zip(table.columns, table.kinds, strict=True))
    postgresql = hasattr(own, "pgconn")
    order = ", ".join(
        f'"{column}"' + (' COLLATE "C"' if postgresql and kinds[column] == "text" else "")
        for column in table.key
    )
    question = f'SELECT {table.quoted()} FROM "{table.name}" {where} ORDER BY {order}'
    if limit is not None:
        question += f" LIMIT {limit}"
    if postgresql:
        cursor = own.cursor(name="avlas_rows")
        cursor.itersize = _CHUNK
        cursor.execute(question.replace("?", "%s"), tuple(values))
    else:
        cursor = own.cursor()
        cursor.arraysize = _CHUNK
        cursor.execute(question, tuple(values))
    changed = [(i, _OUT[kind]) for i, kind in enumerate(table.kinds) if kind in _OUT]
    dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
    try:
        while rows := cursor.fetchmany(_CHUNK):
            for row in rows:
                plain = list(row)
                for i, out in changed:
                    if plain[i] is not None:
                        plain[i] = out(plain[i])
                yield dumps(plain), row
    finally:
        cursor.close()


def _time_out(value: datetime | str) -> str:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value.isoformat(timespec="microseconds")


def _single(value: float) -> float:
    """The shortest figure that stands for the same 4-byte number."""
    (exact,) = struct.unpack("<f", struct.pack("<f", value))
    for digits in range(6, 9):
        short = float(f"{value:.{digits}g}")
        if struct.unpack("<f", struct.pack("<f", short))[0] == exact:
            return short
    return float(f"{exact:.9g}")


def _plain_json(value: Any) -> Any:
    if isinstance(value, float) and abs(value) >= 1e16 and value.is_integer():
        return int(value)  # as PostgreSQL gives it back
    if isinstance(value, list):
        return [_plain_json(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain_json(one) for name, one in value.items()}
    return value


_OUT: Final[dict[str, Callable[[Any], Any]]] = {
    "time": _time_out,
    "date": lambda value: value.isoformat() if isinstance(value, date) else value,
    "clock": lambda value: value.isoformat() if isinstance(value, time) else value,
    "float": float,
    "single": _single,
    "bool": bool,
    "json": lambda value: _plain_json(json.loads(value) if isinstance(value, str) else value),
    "bytes": lambda value: base64.b64encode(value).decode(),
    "uuid": lambda value: str(uuid.UUID(str(value))),
}

# --- writing --------------------------------------------------------------------------------------


def _json_in(value: Any) -> str:
    return json.dumps(value)


_IN: Final[dict[str, dict[str, Callable[[Any], Any]]]] = {
    "sqlite": {
        "time": lambda text: str(datetime.fromisoformat(text).replace(tzinfo=None)),
        "json": _json_in,
        "bytes": base64.b64decode,
        "uuid": lambda text: uuid.UUID(text).hex,
    },
    "postgresql": {
        "time": datetime.fromisoformat,
        "date": date.fromisoformat,
        "clock": time.fromisoformat,
        "json": _json_in,
        "bytes": base64.b64decode,
        "uuid": uuid.UUID,
    },
}


def total(own: Any, table: Table) -> Sum:
    """Number and checksum of all rows of a table."""
    found = Sum()
    for line, _ in lines(own, table):
        found.add(line)
    return found


def load(
    table: Table,
    given: Iterable[str],
    database: BaseDatabaseWrapper = connection,
) -> None:
    """Insert lines into a table of ``database``, which must have the same columns."""
    changed = [(i, _IN[database.vendor][k]) for i, k in enumerate(table.kinds) if k in _IN[database.vendor]]

    def rows() -> Iterator[list[Any]]:
        for line in given:
            row = json.loads(line)
            for i, into in changed:
                if row[i] is not None:
                    row[i] = into(row[i])
            yield row

    with database.cursor() as cursor:
        if database.vendor == "postgresql":
            with cursor.copy(f'COPY "{table.name}" ({table.quoted()}) FROM STDIN') as copy:
                for row in rows():
                    copy.write_row(row)
            return
        marks = ", ".join("?" * len(table.columns))
        insert = f'INSERT INTO "{table.name}" ({table.quoted()}) VALUES ({marks})'
        many = rows()
        while part := list(itertools.islice(many, _CHUNK)):
            cursor.connection.executemany(insert, part)


def set_sequences(tables: Iterable[Table], database: BaseDatabaseWrapper = connection) -> None:
    """Let numbers given from now on follow the highest there is (PostgreSQL; SQLite does so by itself)."""
    if database.vendor != "postgresql":
        return
    with database.cursor() as cursor:
        for table in tables:
            for column in table.key if len(table.key) == 1 else ():
                cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [f'"{table.name}"', column])
                (sequence,) = cursor.fetchone()
                if sequence is not None:
                    cursor.execute(
                        f'SELECT setval(%s, coalesce((SELECT max("{column}") FROM "{table.name}"), 0) + 1, false)',
                        [sequence],
                    )
