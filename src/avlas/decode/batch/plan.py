"""Plans: how telegrams of one layout are read column by column.

Meters of one type send the same DIF/VIF bytes again and again. A plan is made from one telegram that the single
decoder read: the bytes that say what follows (DIF, VIF, check bytes, fillers, format signature) become a template,
the data fields become figures (numbers.py). A telegram that fits the template is read by the plan, and whatever
would make the single decoder decide otherwise sends it there: that is what keeps both equal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from fastcrc.crc16 import en_13757 as crc16

from avlas.decode import families, payloads, records, vif
from avlas.decode.batch.columns import (
    NONE,
    Kind,
    format_text,
    kind_of,
    other_json,
    other_name,
    other_text,
    seconds,
)
from avlas.decode.batch.headers import CLEAR, ELL_CTR
from avlas.decode.batch.numbers import (
    BCD,
    BINARY_SIZES,
    REAL,
    SIGNED,
    UNSIGNED,
    Figure,
    NotLinear,
    Scale,
    Table,
    load,
)
from avlas.decode.compact import COMPACT_CIS
from avlas.decode.values import time_point

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from avlas.decode.family_files import Family
    from avlas.decode.types import Record, Telegram

_LVAR, _REAL = 0xD, 0x5
_FIRST_BCD = 0x9
_FULL_CIS = frozenset({0x72, 0x78, 0x7A})
_CACHED = 4096
_DATE_CODINGS = (2, 4, 6)  # binary, of as many bytes: types G, F and I


class NotPlannable(Exception):  # noqa: N818
    """A telegram whose like must go through the single decoder one by one; the text says why."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or time field: its place, and what its bytes mean in seconds (NONE for nothing)."""

    start: int
    size: int
    meaning: Callable[[int, int], int]  # (number, size) -> seconds

    def read(self, rows: np.ndarray) -> np.ndarray:
        """The moments (int64) of frames (rows, width) uint8; few different ones are usual."""
        raw = load(rows, self.start, self.size)
        if len(raw) and (raw == raw[0]).all():
            return np.full(len(raw), self.meaning(int(raw[0]), self.size), np.int64)
        different, which = np.unique(raw, return_inverse=True)
        means = np.array([self.meaning(number, self.size) for number in different.tolist()], np.int64)
        return means[which]


@dataclass(slots=True)
class Text:
    """A data field that has no register, as ``columns.other`` gives it."""

    name: str
    unit: str
    start: int
    size: int
    value: Callable[[bytes], str | None]
    _known: dict[bytes, str | None] = field(default_factory=dict)

    def of(self, frame: bytes) -> str | list[str] | None:
        """The text of a frame's field, with its unit; None where it says nothing."""
        raw = frame[self.start : self.start + self.size]
        if raw not in self._known:
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[raw] = self.value(raw)
        text = self._known[raw]
        return [text, self.unit] if text is not None and self.unit else text


@dataclass(frozen=True, slots=True)
class Register:
    """A register's field; ``sole`` is False where another field stands in when it holds no value."""

    code: str
    figure: Figure
    sole: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Registers that belong together: those of now, or those with one stamp of the meter's own.

    ``moments``: the first that says something is the stamp; none for now.
    """

    registers: tuple[Register, ...]
    sent: dict[str, tuple[str, int]]
    format: str  # when all have a value
    moments: tuple[Moment, ...] = ()

    @property
    def codes(self) -> tuple[str, ...]:
        """The registers' codes."""
        return tuple(one.code for one in self.registers)


@dataclass(slots=True, eq=False)
class Plan:
    """How telegrams of one layout are read; all places are offsets into the frame."""

    template: np.ndarray  # uint64 words of the frame, 0 where data stands
    mask: np.ndarray
    now: Group
    stamped: tuple[Group, ...]
    info: Figure | None
    clock: Moment | None
    kind: Kind
    sensor_marks: tuple[tuple[str, tuple[float, ...]], ...]
    texts: tuple[Text, ...]
    status_at: int  # of the transport header's status byte, 0 for none
    family: Family | None
    crc: FullFrameCrc | None
    signature: int | None
    seen: int = 1
    taught: Telegram | None = None  # until the layout has been seen twice
    believed: bool = False  # although it has not: nothing else of its shape was known
    table: Table = field(init=False, repr=False)  # the figures of now, then of each stamp
    doubtful: np.ndarray | None = field(init=False, repr=False)  # figures that others may stand in for
    _telling: np.ndarray = field(init=False, repr=False)  # places of the bytes that ``other`` looks at
    _said: dict[bytes, str] = field(init=False, repr=False, default_factory=dict)  # they -> other_json

    def __post_init__(self) -> None:
        registers = [one for group in (self.now, *self.stamped) for one in group.registers]
        self.table = Table([one.figure for one in registers])
        doubtful = np.array([not one.sole for one in registers], bool)
        self.doubtful = doubtful if doubtful.any() else None
        places = [at for text in self.texts for at in range(text.start, text.start + text.size)]
        self._telling = np.array([*places, self.status_at] if self.status_at else places, np.int64)

    def fits(self, words: np.ndarray) -> np.ndarray:
        """Which frames (rows, words) have this layout (bool)."""
        same: np.ndarray = ((words & self.mask) == self.template).all(axis=1)
        return same

    def other(self, frame: bytes) -> dict[str, Any]:
        """What a frame (decrypted) says beside registers: see ``columns.other``."""
        rest: dict[str, Any] = {}
        for text in self.texts:
            if text.name not in rest and (value := text.of(frame)) is not None:
                rest[text.name] = value
        if self.status_at and frame[self.status_at]:
            meanings = families.status_meanings(frame[self.status_at], self.family)
            rest["status"] = [code.code for code in meanings]
        return {name: value for name, value in rest.items() if value not in ("", [])}

    def others(self, frames: np.ndarray) -> list[str]:
        """The same of many frames (rows, width) uint8, as JSON; meters of a type say much the same."""
        if not self._telling.size:
            return [""] * len(frames)
        told = np.ascontiguousarray(frames[:, self._telling]).view(f"V{len(self._telling)}")[:, 0].tolist()
        known = self._said
        if len(known) >= _CACHED:
            known.clear()
        for place, one in enumerate(told):
            if one not in known:
                known[one] = other_json(self.other(frames[place].tobytes()))
        return [known[one] for one in told]


@dataclass(frozen=True, slots=True)
class FullFrameCrc:
    """The check of compact frames: the CRC of the full frame that they stand for."""

    at: int  # of the CRC in the frame, low byte first
    constant: np.ndarray  # uint8: the full frame's bytes, 0 where values come
    to: np.ndarray  # places of the values' bytes in the full frame
    source: np.ndarray  # and in the frame

    def fits(self, rows: np.ndarray) -> np.ndarray:
        """Which frames (rows, width) uint8 are whole (bool)."""
        full = np.empty((len(rows), len(self.constant)), np.uint8)
        full[:] = self.constant
        full[:, self.to] = rows[:, self.source]
        sent = load(rows, self.at, 2)
        same: np.ndarray = sent == crcs(full)
        return same


def crcs(rows: np.ndarray) -> np.ndarray:
    """The EN 13757 CRC (int64) of each row (rows, width) uint8."""
    whole = np.ascontiguousarray(rows)
    parts = whole.view(f"V{whole.shape[1]}")[:, 0].tolist()
    return np.fromiter(map(crc16, parts), np.int64, len(parts))


def plan_for(one: Telegram, way: int, tpl_at: int, body: int) -> Plan:
    """The plan of a telegram's layout.

    ``way`` and offsets as in ``Headers``; the telegram came that way. Raises NotPlannable.
    """
    return _Maker(one, way, tpl_at, body).plan()


class _Maker:
    def __init__(self, one: Telegram, way: int, tpl_at: int, body: int) -> None:
        self.one, self.header, self.way = one, one.header, way
        self.tpl_at = tpl_at
        # where the application data begins: behind 2F 2F of modes 5 and 7; behind CRC and CI of the ELL
        self.start = {CLEAR: body, ELL_CTR: body + 2}.get(way, body)
        ci = self.header.ci
        self.compact = ci in COMPACT_CIS
        if not self.compact and (ci not in _FULL_CIS or one.signature is None):
            raise NotPlannable(f"CI {ci:02X}")
        if way == ELL_CTR and ci not in (0x78, 0x79):
            raise NotPlannable("a transport header behind encryption")
        address = families.meter_address(self.header, one.records)
        if address is None or address != (self.header.address or self.header.link_address):
            raise NotPlannable("the address is not the header's")
        known = families.find(address)
        self.family = known[0] if known else None
        rules = self.family.info if self.family else ()
        if any(bit.source == "status" for rule in rules for bit in rule.bits):
            raise NotPlannable("an info code that stands among the status")
        for record in one.records:
            if record.at is not None or not record.dib or record.dib[0] & 0x8F == 0x0F:
                raise NotPlannable("manufacturer's data or a profile")
            if record.vif_key == "7C" and record.vife:
                raise NotPlannable("plain-text VIF with VIFEs")
            if any(code in vif.PROFILES for code in record.vife):
                raise NotPlannable("a profile")
        who = self.header.link_address or address
        if any(kind.fits(who, ci, record) for kind in payloads.FORMATS for record in one.records):
            raise NotPlannable("the manufacturer's own payloads")
        self.device_type = families.device_type_of(address, one.records)
        self.sound = [self._sound(record) for record in one.records]
        self.codes = families.registers_of(self.family, self.device_type, self.sound)
        single = [families.register_of(self.family, self.device_type, record)[0] for record in self.sound]
        keys = [(code, record.storage) for code, record in zip(single, self.sound, strict=True)]
        self.sole = [keys.count(key) == 1 for key in keys]

    def _sound(self, record: Record) -> Record:
        """The record as if its number were valid, so that nothing depends on this telegram's values."""
        meaning = self._meaning(record)
        number = meaning.kind == vif.NUMBER and not meaning.error and record.data
        if not number or record.dib[0] & 0x0F == _LVAR:
            return record
        return self._read(record, (1).to_bytes(len(record.data), "little"))

    def _meaning(self, record: Record) -> vif.Meaning:
        return vif.describe(self._vib(record).codes, self._vib(record).text)

    @staticmethod
    def _vib(record: Record) -> records.Vib:
        return records.vib_options(record.vib, 0, len(record.vib))[0]

    def _read(self, record: Record, data: bytes) -> Record:
        """The record with other data, named as the family names it."""
        fresh = records.read(record.dib, self._vib(record), record.vib, data, record.range)
        return families.as_named(self.family, fresh) if self.family and self.family.names else fresh

    @staticmethod
    def _place(record: Record) -> int:
        return record.range[1] - len(record.data)

    def plan(self) -> Plan:
        template, mask = self._template()
        marks = self.family.sensor_errors if self.family else {}
        status = {0x72: 10, 0x7A: 2, 0x7B: 2}.get(self.header.ci, 0) if self.way != ELL_CTR else 0
        return Plan(
            template, mask, self._group(self._registers(0)), self._stamped(), self._info(), self._clock(),
            kind_of(self.one),
            tuple((code, tuple(float(mark) for mark in values)) for code, values in marks.items()),
            self._texts(), self.tpl_at + status if status else 0, self.family,
            self._crc() if self.compact else None, self.one.signature,
        )  # fmt: skip

    def _template(self) -> tuple[np.ndarray, np.ndarray]:
        plain = self.one.plain
        width = width_of(len(plain))
        template, mask = np.zeros(width, np.uint8), np.zeros(width, np.uint8)
        template[: len(plain)] = np.frombuffer(plain, np.uint8)
        mask[self.start : len(plain)] = 0xFF
        if self.compact:
            at = self._after_check() + 2
            mask[at : at + 2] = 0  # the full frame's CRC
        for record in self.one.records:
            start = self._place(record)
            if record.dib[0] & 0x0F == _LVAR and record.data:
                start += 1
            mask[start : record.range[1]] = 0
        return (template & mask).view(np.uint64), mask.view(np.uint64)

    def _after_check(self) -> int:
        """Where the format signature or the first DIF stands."""
        if self.way == ELL_CTR:
            return self.start + 1
        return self.start if self.way == CLEAR else self.start + 2

    def _crc(self) -> FullFrameCrc:
        parts: list[bytes] = []
        to: list[int] = []
        source: list[int] = []
        at = 0
        for record in self.one.records:
            head = record.dib + record.vib
            parts.append(head + bytes(len(record.data)))
            at += len(head)
            to += range(at, at + len(record.data))
            source += range(self._place(record), record.range[1])
            at += len(record.data)
        constant = np.frombuffer(b"".join(parts), np.uint8)
        return FullFrameCrc(self._after_check() + 2, constant, np.array(to), np.array(source))

    def _registers(self, storage: int) -> tuple[Register, ...]:
        found = []
        for record, sound, (code, unit), sole in zip(
            self.one.records, self.sound, self.codes, self.sole, strict=True
        ):
            if code == "info_code":
                raise NotPlannable("an info code among the registers")
            if code and record.storage == storage:
                found.append(Register(code, self._figure(record, sound, code, unit), sole))
        if len({one.code for one in found}) < len(found):
            raise NotPlannable("two fields of one register")
        return tuple(found)

    def _group(self, registers: tuple[Register, ...], moments: tuple[Moment, ...] = ()) -> Group:
        sent = self._sent(registers)
        return Group(registers, sent, format_text({one.code: None for one in registers}, sent), moments)

    def _sent(self, registers: Sequence[Register]) -> dict[str, tuple[str, int]]:
        sent: dict[str, tuple[str, int]] = {}
        wanted = {one.figure.start: one.code for one in registers}
        for record, sound, (code, unit) in zip(self.one.records, self.sound, self.codes, strict=True):
            if code and wanted.get(self._place(record)) == code:
                families.take(sound, code, unit, {}, sent)
        return sent

    def _figure(self, record: Record, sound: Record, code: str, unit: str) -> Figure:
        coding, start, size = record.dib[0] & 0x0F, self._place(record), len(record.data)

        def exact(data: bytes) -> float:
            value = self._read(record, data).value
            number = families.canonical(value, unit) if isinstance(value, int | float | Decimal) else None
            return float(number[0]) if number else float("nan")

        if families.UNITS.get(unit) is None or not isinstance(sound.value, int | float | Decimal):
            raise NotPlannable(f"{code} is no number")
        factor = families.UNITS[unit][1]
        meaning = self._meaning(record)
        if meaning.kind != vif.NUMBER:
            raise NotPlannable(f"{code} is no plain number")
        if coding == _REAL:
            if meaning.offset is not None:
                raise NotPlannable(f"{code} is a real number with a constant added")
            factors = [float(factor)]
            if sound.value is not None and meaning.quantity != sound.quantity:
                factors = self._name_scale(record, meaning) + factors
            return Figure(start, size, REAL, None, meaning.exponent, tuple(factors), exact)
        kind = BCD if coding >= _FIRST_BCD else UNSIGNED if meaning.unsigned else SIGNED
        if size not in BINARY_SIZES or coding == _LVAR or (kind == UNSIGNED and size == 8):
            raise NotPlannable(f"{code} has a coding of its own")
        zero = self._read(record, bytes(size)).value
        assert isinstance(zero, int | Decimal)
        constant = Fraction(zero)
        step = Fraction(sound.value) - constant
        try:
            scale = Scale.of(step * factor, constant * factor)
        except NotLinear as error:
            raise NotPlannable(f"{code} has too many decimals") from error
        return Figure(start, size, kind, scale, 0, (), exact)

    def _name_scale(self, record: Record, meaning: vif.Meaning) -> list[float]:
        """The factor by which the family's name rule multiplies a real number."""
        plain = records.read(record.dib, self._vib(record), record.vib, b"\0\0\x80\x3f", record.range).value
        named = self._read(record, b"\0\0\x80\x3f").value
        if not isinstance(plain, float) or not isinstance(named, float) or not plain:
            raise NotPlannable(f"{meaning.quantity} is no number")
        return [] if named == plain else [named / plain]

    def _stamped(self) -> tuple[Group, ...]:
        stamp = self.family.target_date_stamp if self.family else ""
        found = []
        for storage in sorted({record.storage for record in self.one.records if record.storage}):
            moments = tuple(
                Moment(self._place(record), len(record.data), _stamp_of(stamp))
                for record in self._dates(("6C", "6D"))
                if record.storage == storage
            )
            registers = self._registers(storage)
            if not moments and not all(one.sole for one in registers):
                raise NotPlannable("fields that stand in for each other, of a storage without a date")
            if moments and registers:
                found.append(self._group(registers, moments))
        return tuple(found)

    def _dates(self, keys: tuple[str, ...]) -> list[Record]:
        """The binary date fields of plain records, whatever they say in this telegram."""
        return [
            record
            for record in self.one.records
            if record.vif_key in keys
            and record.function == "instantaneous"
            and not (record.tariff or record.subunit)
            and families.direction_of(record.vife) == ""
            and record.dib[0] & 0x0F in _DATE_CODINGS
            and record.data
            and not self._meaning(record).error
        ]

    def _clock(self) -> Moment | None:
        found = [
            record for record in self._dates(("6D",)) if record.storage == 0 and len(record.data) in (4, 6)
        ]
        if len(found) > 1:
            raise NotPlannable("two clocks")
        return Moment(self._place(found[0]), len(found[0].data), _clock_at) if found else None

    def _info(self) -> Figure | None:
        rules = {rule.vib: rule for rule in self.family.info} if self.family else {}
        for record in self.one.records:
            mine = record.vib.hex().upper() in rules
            if not (mine or (not rules and record.vif_key == families.ERROR_FLAGS)):
                continue
            if record.storage or record.function != "instantaneous":
                continue
            coding, size = record.dib[0] & 0x0F, len(record.data)
            meaning = self._meaning(record)
            if coding not in (1, 2, 3, 4, 6) or not meaning.unsigned or meaning.error:
                raise NotPlannable("an info code of another coding")
            return Figure(self._place(record), size, UNSIGNED, None, 0, (), lambda _: 0.0)
        return None

    def _texts(self) -> tuple[Text, ...]:
        found = []
        for record, (code, _) in zip(self.one.records, self.codes, strict=True):
            if code or not record.data:
                continue
            sample = self._read(record, record.data)
            if not sample.quantity or sample.quantity == "manufacturer_specific":
                continue
            name = other_name(sample.quantity, record.function, record.storage, record.tariff, record.subunit)
            found.append(
                Text(name, sample.unit, self._place(record), len(record.data), self._text_of(record))
            )
        return tuple(found)

    def _text_of(self, record: Record) -> Callable[[bytes], str | None]:
        def text(data: bytes) -> str | None:
            value = self._read(record, data).value
            return None if value is None or isinstance(value, bytes) else other_text(value)

        return text


def width_of(length: int) -> int:
    """The bytes a frame takes in a matrix: whole words, 8 bytes to spare for reading words across its end."""
    return (length + 15) // 8 * 8


@lru_cache(maxsize=16)
def _stamp_of(stamp: str) -> Callable[[int, int], int]:
    """What a target date means, as the family stamps it."""

    @lru_cache(maxsize=_CACHED)
    def meaning(number: int, size: int) -> int:
        value, why, _ = time_point(number.to_bytes(size, "little"))
        moment = None if why else families.moment_of(value, stamp)
        return NONE if moment is None else seconds(moment)

    return meaning


@lru_cache(maxsize=_CACHED)
def _clock_at(number: int, size: int) -> int:
    value, why, _ = time_point(number.to_bytes(size, "little"))
    return seconds(value) if isinstance(value, datetime) and not why else NONE
