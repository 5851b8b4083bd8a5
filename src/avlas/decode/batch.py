"""Many telegrams at once: a batch becomes columns (numpy arrays), one row a telegram.

The columns are what the rest of the program works on; how they are made is this module's own business. Everything
equals what the single decoder gives (see single.py).
"""

from __future__ import annotations

import calendar
import json
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from avlas.decode.errors import DecodeError
from avlas.decode.families import assign
from avlas.decode.layers import header
from avlas.decode.registers import CODES
from avlas.decode.single import telegram

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from avlas.decode.compact import Layouts
    from avlas.decode.types import Address, Header, Telegram

NONE = np.iinfo(np.int64).min  # "no value" in every integer column
SECURITY_RANK = {
    "none": 0,
    "mode 5": 1,
    "ell-ctr": 2,
    "mode 7": 3,
}  # by what each proves: secrecy, freshness, origin
_FLOAT_CODES = tuple(code for code in CODES if code != "info_code")


@dataclass(frozen=True, slots=True)
class Headers:
    """What stands in clear, as columns of n rows."""

    address: (
        np.ndarray
    )  # uint64: the meter's own address, its eight bytes little-endian; 0 when there is none
    class_code: np.ndarray  # int64: wired << 24 | C << 16 | CI << 8 | L
    headers: tuple[Header | None, ...]
    addresses: tuple[Address | None, ...]  # of the meter, None where there is none
    problems: dict[int, DecodeError]  # row -> why it has no address


@dataclass(frozen=True, slots=True)
class Values:
    """m rows of register values: for each code with any value a float64 column (NaN: none)."""

    row: np.ndarray  # int64: which telegram of the batch
    registers: dict[str, np.ndarray]
    format: np.ndarray  # int32: index into Columns.formats

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True)
class Columns:
    """A decoded batch of n telegrams."""

    errors: dict[int, DecodeError]  # row -> why it gave no values; all other rows were read
    security: np.ndarray  # int8: SECURITY_RANK of what the telegram was read with
    counter: np.ndarray  # int64: ELL session number or AFL message counter
    now: Values  # one row for each telegram that was read
    info_code: np.ndarray  # int64, n rows
    meter_time: np.ndarray  # int64, n rows: the meter's own clock as seconds, time zone the meter's
    dated: Values  # values with the meter's own stamp
    dated_at: np.ndarray  # int64: the stamp, like meter_time
    formats: tuple[str, ...]  # sorted JSON {register: [unit, decimals]}
    other: dict[int, dict[str, Any]]  # row -> what has no register of its own, ready for JSON
    telegrams: dict[int, Telegram] = field(repr=False)  # row -> the telegram as the single decoder gave it


def join(parts: Sequence[Columns]) -> Columns:
    """Put decoded batches one after the other; rows are numbered on."""
    if len(parts) == 1:
        return parts[0]
    formats: dict[str, int] = {}
    starts = np.cumsum([0, *(len(part.security) for part in parts)])[:-1]
    shift = [int(start) for start in starts]
    maps = [np.array([formats.setdefault(s, len(formats)) for s in part.formats], np.int32) for part in parts]

    def values(name: str) -> Values:
        found = [getattr(part, name) for part in parts]
        codes = {code: None for one in found for code in one.registers}
        return Values(
            np.concatenate([one.row + start for one, start in zip(found, shift, strict=True)]),
            {
                code: np.concatenate([one.registers.get(code, np.full(len(one), np.nan)) for one in found])
                for code in codes
            },
            np.concatenate(
                [m[one.format] if len(one) else one.format for one, m in zip(found, maps, strict=True)]
            ),
        )

    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    def by_row(name: str) -> dict[int, Any]:
        return {
            row + start: one
            for part, start in zip(parts, shift, strict=True)
            for row, one in getattr(part, name).items()
        }

    return Columns(
        by_row("errors"), column("security"), column("counter"), values("now"), column("info_code"),
        column("meter_time"), values("dated"), column("dated_at"), tuple(formats), by_row("other"),
        by_row("telegrams"),
    )  # fmt: skip


def headers(frames: Sequence[bytes], *, wired: bool = False) -> Headers:
    """Read addresses and classes of ``frames`` (no link CRCs) without decrypting anything."""
    kind = "wired" if wired else "a"
    found: list[Header | None] = []
    problems: dict[int, DecodeError] = {}
    for row, frame in enumerate(frames):
        try:
            one = header(frame, kind)
        except DecodeError as problem:
            problems[row] = problem
            found.append(None)
            continue
        if one.address is None:
            problems[row] = DecodeError("the telegram says no meter's address", one)
        found.append(one)
    addresses = [h.address.raw if h is not None and h.address is not None else b"" for h in found]
    first_c = 4 if wired else 1
    codes = [
        (int(wired) << 24)
        | (frame[first_c] << 16)
        | ((h.ci_chain[0] if h.ci_chain else 0) << 8)
        | min(len(frame), 255)
        if h is not None and len(frame) > first_c
        else 0
        for h, frame in zip(found, frames, strict=True)
    ]
    return Headers(
        np.array([int.from_bytes(raw, "little") for raw in addresses], np.uint64),
        np.array(codes, np.int64),
        tuple(found),
        tuple(None if h is None else h.address for h in found),
        problems,
    )


def batch(
    frames: Sequence[bytes], keys: Sequence[bytes | None], layouts: Layouts, *, wired: bool = False
) -> Columns:
    """Decode ``frames`` (no link CRCs), each with its key or None; ``layouts`` is read and taught.

    Content in clear under a header that announces encryption is never accepted here.
    """
    count = len(frames)
    errors: dict[int, DecodeError] = {}
    security = np.zeros(count, np.int8)
    counter, info, clock = (np.full(count, NONE, np.int64) for _ in range(3))
    other: dict[int, dict[str, Any]] = {}
    telegrams: dict[int, Telegram] = {}
    formats: dict[str, int] = {}
    now, dated = _Rows(formats), _Rows(formats)
    dated_at: list[int] = []
    for row, (frame, key) in enumerate(zip(frames, keys, strict=True)):
        try:
            one = telegram(frame, key, format="wired" if wired else "a", layouts=layouts)
        except DecodeError as problem:
            errors[row] = problem
            if problem.header is not None and problem.header.counter is not None:
                counter[row] = problem.header.counter
            continue
        layouts.learn(one)
        telegrams[row] = one
        security[row] = SECURITY_RANK.get(one.header.security, 0)
        if one.header.counter is not None:
            counter[row] = one.header.counter
        if one.info_code is not None:
            info[row] = one.info_code
        if one.meter_time is not None:
            clock[row] = _seconds(one.meter_time)
        now.add(row, one.registers, one.sent)
        for value in one.dated:
            dated.add(row, value.registers, value.sent)
            dated_at.append(_seconds(value.at))
        rest = _other(one)
        if rest:
            other[row] = rest
    return Columns(
        errors, security, counter, now.values(), info, clock, dated.values(), np.array(dated_at, np.int64),
        tuple(formats), other, telegrams,
    )  # fmt: skip


class _Rows:
    """Collects rows of register values into columns."""

    def __init__(self, formats: dict[str, int]) -> None:
        self.formats = formats
        self.row: list[int] = []
        self.format: list[int] = []
        self.found: list[dict[str, Decimal | float]] = []

    def add(self, row: int, registers: dict[str, Decimal | float], sent: dict[str, tuple[str, int]]) -> None:
        spec = json.dumps(
            {code: sent[code] for code in sorted(registers) if code in sent}, separators=(",", ":")
        )
        self.row.append(row)
        self.format.append(self.formats.setdefault(spec, len(self.formats)))
        self.found.append(registers)

    def values(self) -> Values:
        columns = {}
        for code in _FLOAT_CODES:
            column = np.array([float(values.get(code, np.nan)) for values in self.found], np.float64)
            if not np.isnan(column).all():
                columns[code] = column
        return Values(np.array(self.row, np.int64), columns, np.array(self.format, np.int32))


def _seconds(moment: datetime) -> int:
    """Naive clock time as if it were UTC, in seconds since 1970."""
    return calendar.timegm(moment.timetuple())


def _other(one: Telegram) -> dict[str, Any]:
    """Everything a person may want later that is neither a register nor a dated value of one."""
    rest: dict[str, Any] = {}
    for record, code in zip(one.records, assign(one.header, one.records), strict=True):
        if code or record.value is None or isinstance(record.value, bytes) or not record.quantity:
            continue
        if record.at is not None or record.quantity == "manufacturer_specific":
            continue
        where = (record.function, record.storage, record.tariff, record.subunit)
        name = (
            record.quantity
            if where == ("instantaneous", 0, 0, 0)
            else "/".join(map(str, (record.quantity, *where)))
        )
        value = record.value
        text = value.isoformat() if isinstance(value, date) else str(value)
        rest.setdefault(name, [text, record.unit] if record.unit else text)
    if one.info_codes:
        rest["status"] = [code.code for code in one.info_codes if code.source == "status"]
    return {name: value for name, value in rest.items() if value not in ("", [])}
