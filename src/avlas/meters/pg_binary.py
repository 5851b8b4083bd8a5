"""Columns on their way to PostgreSQL as they are: writing and reading them as text takes ten times as long.

int64 columns hold NONE for null, float64 columns NaN; lists hold bytes (bytea), texts (jsonb) or None.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from avlas.decode.batch import NONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    Column = np.ndarray | list[Any]

_BIGINT, _BIGINTS, _DOUBLE, _DOUBLES = 20, 1016, 701, 1022  # PostgreSQL's types and their arrays
_COPY_HEAD, _COPY_END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_NARROW = {
    "kind": ">i2", "source": ">i2", "quality": ">i2", "state": ">i2", "class_code": ">i4", "rssi_dbm": ">f4",
}  # fmt: skip
"""The columns of `reading` and `telegram` that are no bigint or double precision (see ddl.py)."""


@cache
def array_dumper() -> Any:
    """What psycopg turns a numpy array into a parameter by: int64 becomes bigint[], float64 double precision[]."""
    from psycopg.adapt import Dumper
    from psycopg.pq import Format

    class ArrayDumper(Dumper):
        format = Format.BINARY

        def __init__(self, cls: type, context: Any = None) -> None:
            super().__init__(cls, context)
            self.oid = _BIGINTS

        def get_key(self, obj: np.ndarray, format: Any) -> Any:  # noqa: A002, ARG002 - as psycopg calls it
            return (self.cls, obj.dtype.kind)

        def upgrade(self, obj: np.ndarray, format: Any) -> Any:  # noqa: A002, ARG002
            found = ArrayDumper(self.cls)
            found.oid = _DOUBLES if obj.dtype.kind == "f" else _BIGINTS
            return found

        def dump(self, obj: np.ndarray) -> bytes:
            element = _DOUBLE if obj.dtype.kind == "f" else _BIGINT
            cells, has_null = _cells({"": obj})
            return struct.pack(">iiIii", 1, int(has_null), element, len(obj), 1) + cells

    return ArrayDumper


def copied(columns: Mapping[str, Column]) -> bytes:
    """Rows of `reading` or `telegram` as COPY ... (FORMAT BINARY) wants them."""
    return _COPY_HEAD + _cells(columns, before=len(columns))[0] + _COPY_END


def _cells(columns: Mapping[str, Column], before: int | None = None) -> tuple[bytes, bool]:
    """Row by row each value behind its length, and whether there is any null, which is a length of -1 alone.

    ``before``: a small number to stand before each row.
    """
    plain = [_plain(name, column) for name, column in columns.items()]
    layout: list[tuple[str, str]] = [] if before is None else [("before", ">i2")]
    for number, (values, _) in enumerate(plain):
        layout += [(f"length {number}", ">i4"), (f"value {number}", values.dtype.str)]
    kind = np.dtype(layout)
    rows = np.empty(len(plain[0][0]), kind)
    if before is not None:
        rows["before"] = before
    sent, has_null = None, False
    for number, (values, length) in enumerate(plain):
        rows[f"length {number}"], rows[f"value {number}"] = length, values
        size = values.dtype.itemsize
        if (length == size).all():
            continue
        if sent is None:
            sent = np.ones((len(rows), rows.itemsize), bool)
        assert kind.fields is not None
        at = kind.fields[f"value {number}"][1]
        sent[:, at : at + size] = np.arange(size) < length[:, None]
        has_null |= bool((length < 0).any())
    if sent is None:
        return rows.tobytes(), has_null
    return rows.view(np.uint8).reshape(sent.shape)[sent].tobytes(), has_null


def _plain(name: str, column: Column) -> tuple[np.ndarray, np.ndarray]:
    """A column's values as they are sent, and the length of each; before a jsonb text stands its format's version."""
    if isinstance(column, list):
        raw = [b"\x01" + one.encode() if isinstance(one, str) else one or b"" for one in column]
        lengths = (-1 if one is None else len(text) for one, text in zip(column, raw, strict=True))
        length = np.fromiter(lengths, np.int64, len(column))
        return np.array(raw, f"S{max(1, int(length.max()))}"), length
    if column.dtype.kind == "f":
        kind, null = ">f8", np.isnan(column)
    else:
        kind, null = ">i8", column == NONE
    values = np.where(null, 0, column).astype(_NARROW.get(name, kind))
    return values, np.where(null, -1, values.itemsize)
