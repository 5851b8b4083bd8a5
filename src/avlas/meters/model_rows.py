"""Many rows of a model at once, column by column, without an object for each of them.

Columns go by the model's attribute: "meter_id" for ``meter``. Everything runs inside the caller's transaction.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from django.db import connection, models
from django.utils import timezone

from avlas.meters import column_store

if TYPE_CHECKING:
    from collections.abc import Mapping

_AS_THEY_ARE: Final = (
    models.CharField, models.TextField, models.IntegerField, models.FloatField, models.BooleanField,
    models.ForeignKey,
)  # fmt: skip
"""Both databases take these fields' values without being told how."""


def table(model: type[models.Model]) -> str:
    """The name of a model's table."""
    return model._meta.db_table  # noqa: SLF001 - Django's documented name


def insert(
    model: type[models.Model], columns: Mapping[str, list[Any]], alike: Mapping[str, Any] | None = None
) -> list[int]:
    """Insert rows and give their ids, in order.

    ``columns``: a value for each row; ``alike``: what all rows have in common. Other columns have the model's default.
    Raises IntegrityError.
    """
    count = len(next(iter(columns.values())))
    if not count:
        return []
    ids = _ids(model, count)
    given: dict[str, list[Any]] = {}
    for field in _fields(model).values():
        if field.primary_key:
            given[field.column] = ids
        elif field.attname in columns:
            given[field.column] = _prepared(field, columns[field.attname])
        else:
            value = alike[field.attname] if alike and field.attname in alike else usual(model, field.attname)
            given[field.column] = _prepared(field, [value]) * count
    listed, rows = ", ".join(given), zip(*given.values(), strict=True)
    # PostgreSQL's COPY is none of Django's own calls: its errors become Django's here
    with connection.wrap_database_errors, connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table(model)} ({listed}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(given))
            cursor.executemany(f"INSERT INTO {table(model)} ({listed}) VALUES ({marks})", list(rows))
    return ids


def change(model: type[models.Model], ids: list[int], columns: Mapping[str, list[Any]]) -> None:
    """Set columns of rows that are there. Raises IntegrityError."""
    fields = _fields(model)
    given = {fields[name].column: _prepared(fields[name], values) for name, values in columns.items()}
    with connection.wrap_database_errors:
        column_store.update(connection, table(model), {"id": ids, **given}, "id")


def usual(model: type[models.Model], name: str) -> Any:
    """What a column holds when nobody says otherwise."""
    field = _fields(model)[name]
    if isinstance(field, models.DateTimeField) and (field.auto_now or field.auto_now_add):
        return timezone.now()
    return field.get_default()


def _fields(model: type[models.Model]) -> dict[str, Any]:
    """The fields that are written; what the database works out itself isn't."""
    concrete = model._meta.concrete_fields  # noqa: SLF001 - Django's documented name
    return {one.attname: one for one in concrete if not one.generated}


def _prepared(field: models.Field[Any, Any], values: list[Any]) -> list[Any]:
    """A column's values as the database takes them."""
    if isinstance(field, _AS_THEY_ARE):
        return values
    if isinstance(field, models.JSONField):
        return [None if value is None else json.dumps(value) for value in values]
    prepared = {
        value: field.get_db_prep_save(value, connection) for value in set(values)
    }  # many are the same
    return [prepared[value] for value in values]


def _ids(model: type[models.Model], count: int) -> list[int]:
    """Ids that no row has or will have."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
                [table(model), count],
            )
            return [row[0] for row in cursor.fetchall()]
        # This transaction is the only one that writes, and the rows' own ids move the sequence on.
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table(model)])
        row = cursor.fetchone()
        last: int = row[0] if row else 0
        return list(range(last + 1, last + 1 + count))
