"""Decoding a batch: every telegram by the fast way that fits it, else by the single decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from avlas.decode.batch.columns import (
    FLOAT_CODES,
    NONE,
    SECURITY_RANK,
    Collector,
    Columns,
    Kind,
    Values,
    has_sensor_error,
    kind_of,
    seconds,
)
from avlas.decode.errors import DecodeError
from avlas.decode.single import telegram

if TYPE_CHECKING:
    from decimal import Decimal

    from avlas.decode.batch.headers import Headers
    from avlas.decode.batch.keyring import Keyring
    from avlas.decode.compact import Layouts


def batch(heads: Headers, rows: np.ndarray | None, ring: Keyring, layouts: Layouts) -> Columns:
    """Decode the telegrams ``rows`` (None: all) of ``heads``, each with the key ``ring`` holds for its address.

    ``layouts`` is read and taught. Never raises for what stands in a telegram: see ``Columns.errors``.
    Content in clear under a header that announces encryption is never accepted here.
    """
    chosen = np.arange(len(heads)) if rows is None else np.asarray(rows, np.int64)
    count = len(chosen)
    handles = ring.find(heads.address[chosen])
    errors: dict[int, DecodeError] = {}
    security, sensor = np.zeros(count, np.int8), np.zeros(count, bool)
    counter = heads.counter[chosen]
    info, clock = (np.full(count, NONE, np.int64) for _ in range(2))
    kind = np.full(count, -1, np.int32)
    formats: dict[str, int] = {}
    kinds: dict[Kind, int] = {}
    collector = Collector(formats, kinds)
    for row, (at, handle) in enumerate(zip(chosen.tolist(), handles.tolist(), strict=True)):
        try:
            one = telegram(
                heads.frames[at], ring.key(handle), format="wired" if heads.wired else "a", layouts=layouts
            )
        except DecodeError as problem:
            errors[row] = problem
            continue
        layouts.learn(one)
        collector.add(row, one)
        security[row] = SECURITY_RANK.get(one.header.security, 0)
        if one.header.counter is not None:
            counter[row] = one.header.counter
        if one.info_code is not None:
            info[row] = one.info_code
        if one.meter_time is not None:
            clock[row] = seconds(one.meter_time)
        kind[row] = kinds.setdefault(kind_of(one), len(kinds))
        sensor[row] = has_sensor_error(one)
    read = np.array(sorted(collector.telegrams), np.int64)
    return Columns(
        errors, security, counter,
        Values(
            read,
            _columns([collector.telegrams[row].registers for row in read.tolist()]),
            np.array([collector.format[row] for row in read.tolist()], np.int32),
        ),
        info, clock,
        Values(
            np.array(collector.dated_row, np.int64),
            _columns(collector.dated_values),
            np.array(collector.dated_format, np.int32),
        ),
        np.array(collector.dated_at, np.int64), tuple(formats), kind, tuple(kinds), sensor,
        ((0, count, collector.other),),
    )  # fmt: skip


def _columns(found: list[dict[str, Decimal | float]]) -> dict[str, np.ndarray]:
    columns = {}
    for code in FLOAT_CODES:
        column = np.array([float(values.get(code, np.nan)) for values in found], np.float64)
        if not np.isnan(column).all():
            columns[code] = column
    return columns
