"""What the batch decoder gives back: columns (numpy arrays), one row a telegram, instead of objects."""

from __future__ import annotations

import calendar
import json
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from avlas.decode.families import assign, sensor_errors
from avlas.decode.registers import CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from decimal import Decimal

    from avlas.decode.errors import DecodeError
    from avlas.decode.types import Telegram

NONE = np.iinfo(np.int64).min  # "no value" in every integer column
SECURITY_RANK = {
    "none": 0,
    "mode 5": 1,
    "ell-ctr": 2,
    "mode 7": 3,
}  # by what each proves: secrecy, freshness, origin
FLOAT_CODES = tuple(code for code in CODES if code != "info_code")
Kind = tuple[str, str, str]  # model, medium, family


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

    errors: Mapping[int, DecodeError]  # row -> why it gave no values; all other rows were read
    security: np.ndarray  # int8, n rows: SECURITY_RANK of what the telegram was read with
    counter: np.ndarray  # int64, n rows: ELL session number or AFL message counter
    now: Values  # one row for each telegram that was read, in their order
    info_code: np.ndarray  # int64, n rows
    meter_time: np.ndarray  # int64, n rows: the meter's own clock as seconds, time zone the meter's
    dated: Values  # values with the meter's own stamp
    dated_at: np.ndarray  # int64: the stamp, like meter_time
    formats: tuple[str, ...]  # sorted JSON {register: [unit, decimals]}
    kind: np.ndarray  # int32, n rows: index into kinds, -1 where nothing was read
    kinds: tuple[Kind, ...]
    sensor_error: np.ndarray  # bool, n rows: a value is the family's mark of a broken sensor
    others: tuple[tuple[int, int, Callable[[np.ndarray], np.ndarray]], ...] = field(default=(), repr=False)

    def other(self, rows: np.ndarray) -> np.ndarray:
        """What these telegrams said that has no register of its own: JSON (``other_json``), made when asked for."""
        texts = np.full(len(rows), "", object)
        for first, end, made in self.others:
            mine = np.flatnonzero((rows >= first) & (rows < end))
            if mine.size:
                texts[mine] = made(rows[mine] - first)
        return texts


def join(parts: Sequence[Columns]) -> Columns:
    """Put decoded batches one after the other; rows are numbered on."""
    if len(parts) == 1:
        return parts[0]
    formats: dict[str, int] = {}
    kinds: dict[Kind, int] = {}
    shift = [int(start) for start in np.cumsum([0, *(len(part.security) for part in parts)])[:-1]]
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

    renumbered = []
    for part in parts:
        numbers = np.array([kinds.setdefault(kind, len(kinds)) for kind in part.kinds] + [-1], np.int32)
        renumbered.append(numbers[part.kind])  # -1 finds the -1 at the end
    return Columns(
        {row + start: e for part, start in zip(parts, shift, strict=True) for row, e in part.errors.items()},
        column("security"), column("counter"), values("now"), column("info_code"), column("meter_time"),
        values("dated"), column("dated_at"), tuple(formats), np.concatenate(renumbered), tuple(kinds),
        column("sensor_error"),
        tuple(
            (first + start, end + start, one)
            for part, start in zip(parts, shift, strict=True)
            for first, end, one in part.others
        ),
    )  # fmt: skip


class Collector:
    """Collects telegrams of the single decoder, row by row, to be put among the columns."""

    def __init__(self, formats: dict[str, int], kinds: dict[Kind, int]) -> None:
        self.formats, self.kinds = formats, kinds
        self.telegrams: dict[int, Telegram] = {}
        self.format: dict[int, int] = {}
        self.dated_row: list[int] = []
        self.dated_at: list[int] = []
        self.dated_format: list[int] = []
        self.dated_values: list[dict[str, Decimal | float]] = []

    def add(self, row: int, one: Telegram) -> None:
        """Take in the telegram of ``row``."""
        self.telegrams[row] = one
        self.format[row] = self._format(one.registers, one.sent)
        for value in one.dated:
            self.dated_row.append(row)
            self.dated_at.append(seconds(value.at))
            self.dated_format.append(self._format(value.registers, value.sent))
            self.dated_values.append(value.registers)

    def _format(self, registers: Mapping[str, Any], sent: Mapping[str, tuple[str, int]]) -> int:
        return self.formats.setdefault(format_text(registers, sent), len(self.formats))

    def other(self, row: int) -> str:
        """What the telegram of ``row`` said beside registers, as JSON."""
        one = self.telegrams.get(row)
        return other_json(other(one)) if one else ""


def format_text(codes: Mapping[str, Any], sent: Mapping[str, tuple[str, int]]) -> str:
    """The format of these registers, as ``Columns.formats`` holds it."""
    return json.dumps({code: sent[code] for code in sorted(codes) if code in sent}, separators=(",", ":"))


def kind_of(one: Telegram) -> Kind:
    """What meter a telegram is of: model, medium, family."""
    return one.model, one.medium, one.family


def has_sensor_error(one: Telegram) -> bool:
    """Whether a register of a telegram holds its family's mark of a broken sensor."""
    return bool(one.family and sensor_errors(one.family, one.registers))


def seconds(moment: datetime) -> int:
    """Naive clock time as if it were UTC, in seconds since 1970."""
    return calendar.timegm(moment.timetuple())


def other(one: Telegram) -> dict[str, Any]:
    """Everything a person may want later that is neither a register nor a dated value of one."""
    rest: dict[str, Any] = {}
    for record, code in zip(one.records, assign(one.header, one.records), strict=True):
        if code or record.value is None or isinstance(record.value, bytes) or not record.quantity:
            continue
        if record.at is not None or record.quantity == "manufacturer_specific":
            continue
        name = other_name(record.quantity, record.function, record.storage, record.tariff, record.subunit)
        text = other_text(record.value)
        rest.setdefault(name, [text, record.unit] if record.unit else text)
    if one.info_codes:
        rest["status"] = [code.code for code in one.info_codes if code.source == "status"]
    return {name: value for name, value in rest.items() if value not in ("", [])}


def other_json(said: dict[str, Any]) -> str:
    """What ``other`` gives as text, "" for nothing; the same for the same whatever the order."""
    return json.dumps(said, ensure_ascii=False, sort_keys=True) if said else ""


def other_name(quantity: str, function: str, storage: int, tariff: int, subunit: int) -> str:
    """The name of such a value: its quantity, and its place where that is not the plain one."""
    where = (function, storage, tariff, subunit)
    if where == ("instantaneous", 0, 0, 0):
        return quantity
    return "/".join(map(str, (quantity, *where)))


def other_text(value: object) -> str:
    """Such a value as text."""
    return value.isoformat() if isinstance(value, date) else str(value)
