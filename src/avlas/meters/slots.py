"""Live readings: the raw telegrams of a slot and the one wide row they fill.

Of each class (wired, C, CI, length) a slot keeps the earliest telegram that could be read, or the earliest of those
that could not. The slot's reading is filled by its classes in the order heard: the earliest fills first, the others
fill only what is still empty. Telegrams heard in the same second take turns by their bytes, so that the order of
arrival never matters.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection

from avlas.decode.batch import FLOAT_CODES, NONE, other_json
from avlas.decode.registers import CODES
from avlas.meters import column_store, formats
from avlas.meters.models import Kind, Quality, State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from avlas.decode.batch import Columns

READING_KEY = ("meter_id", "slot_at", "kind")
READING_COLUMNS = (*READING_KEY, "heard_at", "source", "quality", "format_id", *CODES, "other")
KEPT_BITS = int(
    Quality.CONFLICT | Quality.VOIDED
)  # what a person or the meter said stays when a row is filled anew
TELEGRAM_KEY = ("meter_id", "slot_at", "class_code")
WIRED_BIT = 1 << 24  # of a class code
_CLASS_BITS = 25
_NEAR = 7 * 86400  # so far back PostgreSQL looks for a meter's newest reading before it asks all partitions
_EVER = 1 << 60
_FEW = 32  # rows with the same empty columns that are not worth a statement of their own

Slot = tuple[int, int]  # meter_id, slot_at


@dataclass(frozen=True, slots=True)
class StoredTelegram:
    """What is known of a stored raw telegram without its bytes."""

    meter_id: int
    slot_at: int
    class_code: int
    heard_at: int
    state: int

    @property
    def key(self) -> tuple[int, int, int]:
        """Its place in the table."""
        return self.meter_id, self.slot_at, self.class_code


@dataclass(slots=True)
class Entry:
    """A telegram for a slot: from a batch, or out of the database (then ``stored`` is its state there)."""

    meter_id: int
    slot_at: int
    class_code: int
    heard_at: int
    frame: bytes
    collector_id: int
    rssi_dbm: float | None
    source: int
    state: State | None = None  # None: not looked into
    problem: str = ""
    place: int = -1  # row in the decoded columns
    stored: State | None = None
    row: int = -1  # in its batch
    address: int = 0  # the meter's own, see decode.batch.Headers
    security: int = -1  # what the header announces, index into decode.batch.SECURITY_NAMES

    @property
    def key(self) -> tuple[int, int, int]:
        """Its place in the table."""
        return self.meter_id, self.slot_at, self.class_code

    @property
    def slot(self) -> Slot:
        """Whose reading it fills."""
        return self.meter_id, self.slot_at

    @property
    def turn(self) -> tuple[int, bytes]:
        """The order among telegrams of one class in a slot."""
        return self.heard_at, self.frame

    @property
    def wired(self) -> bool:
        """Whether it came by wire."""
        return bool(self.class_code & WIRED_BIT)


Stored = dict[Slot, dict[int, StoredTelegram]]


def load_stored(slots: Iterable[Slot]) -> Stored:
    """Give the stored telegrams of each (meter_id, slot_at) by class."""
    keys = sorted(set(slots))
    found: Stored = {key: {} for key in keys}
    rows = column_store.fetch(
        connection, "telegram", key_arrays(keys, ("meter_id", "slot_at")),
        ("meter_id", "slot_at", "class_code", "heard_at", "state"),
    )  # fmt: skip
    for row in rows:
        found[row[0], row[1]][row[2]] = StoredTelegram(*row)
    return found


def load_read_since(meter_id: int, moment: int) -> list[StoredTelegram]:
    """Give a meter's stored telegrams that were read, from the slot at ``moment`` on."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT meter_id, slot_at, class_code, heard_at, state FROM telegram"
            " WHERE meter_id = %s AND slot_at >= %s AND state = %s ORDER BY slot_at, class_code",
            [meter_id, moment, int(State.READ)],
        )
        return [StoredTelegram(*row) for row in cursor.fetchall()]


def load_entries(keys: Sequence[tuple[int, int, int]], source: int) -> list[Entry]:
    """Give stored telegrams whole, in the order of ``keys``; one that has vanished meanwhile is left out."""
    rows = column_store.fetch(
        connection, "telegram", key_arrays(keys, TELEGRAM_KEY),
        (*TELEGRAM_KEY, "heard_at", "frame", "collector_id", "rssi_dbm", "state"),
    )  # fmt: skip
    found = {
        row[:3]: Entry(
            row[0], row[1], row[2], row[3], bytes(row[4]), row[5], row[6], source, stored=State(row[7])
        )
        for row in rows
    }
    return [found[key] for key in keys if key in found]


def load_frames(keys: Sequence[tuple[int, int, int]]) -> dict[tuple[int, int, int], bytes]:
    """Give the stored bytes of (meter_id, slot_at, class_code)."""
    rows = column_store.fetch(
        connection, "telegram", key_arrays(keys, TELEGRAM_KEY), (*TELEGRAM_KEY, "frame")
    )
    return {row[:3]: bytes(row[3]) for row in rows}


@dataclass(frozen=True, slots=True)
class StoredColumns:
    """What is stored of raw telegrams in a number of slots, in columns."""

    key_meter: np.ndarray  # the slots asked for
    key_slot: np.ndarray
    number: np.ndarray  # of each stored telegram: which of the slots, in rising order
    code: np.ndarray
    heard_at: np.ndarray
    state: np.ndarray

    @classmethod
    def none(cls) -> StoredColumns:
        """No slots."""
        return cls(*(np.zeros(0, np.int64) for _ in range(6)))

    @classmethod
    def load(cls, meter: np.ndarray, slot: np.ndarray) -> StoredColumns:
        """Look into these slots (distinct)."""
        rows = column_store.fetch_numbered(
            connection, "telegram", {"meter_id": meter, "slot_at": slot}, ("class_code", "heard_at", "state")
        )
        rows.sort()
        columns = np.array(rows, np.int64).reshape(-1, 4).T
        return cls(meter, slot, *columns)

    def of_classes(self, number: np.ndarray, code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """State (-1: nothing stored) and heard_at of one class (``code``) in each of some slots (``number``)."""
        state, heard = np.full(len(number), -1, np.int64), np.zeros(len(number), np.int64)
        if len(self.number):
            mine, wanted = self.number << _CLASS_BITS | self.code, number << _CLASS_BITS | code
            at = np.minimum(np.searchsorted(mine, wanted), len(mine) - 1)
            found = mine[at] == wanted
            state[found], heard[found] = self.state[at[found]], self.heard_at[at[found]]
        return state, heard

    def last_read(self) -> np.ndarray:
        """For each slot when the last telegram that was read was heard, NONE where there is none."""
        last = np.full(len(self.key_meter), NONE, np.int64)
        read = self.state == State.READ
        np.maximum.at(last, self.number[read], self.heard_at[read])
        return last

    def only(self, wanted: np.ndarray) -> StoredColumns:
        """The same for some of the slots (a mask)."""
        new = np.cumsum(wanted) - 1
        kept = wanted[self.number]
        return StoredColumns(
            self.key_meter[wanted], self.key_slot[wanted], new[self.number[kept]], self.code[kept],
            self.heard_at[kept], self.state[kept],
        )  # fmt: skip

    def is_current(self) -> bool:
        """Whether the database still says the same."""
        now = StoredColumns.load(self.key_meter, self.key_slot)
        return all(
            np.array_equal(getattr(now, name), getattr(self, name))
            for name in ("number", "code", "heard_at", "state")
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """Raw telegrams to be kept, in columns."""

    meter: np.ndarray  # int64, like all but the last two
    slot: np.ndarray
    code: np.ndarray
    heard_at: np.ndarray
    source: np.ndarray
    state: np.ndarray
    place: np.ndarray  # row in the decoded columns
    rssi_dbm: np.ndarray  # float64, NaN: unknown
    frames: list[bytes]

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> Kept:
        """The same as columns."""

        def column(values: Iterable[int]) -> np.ndarray:
            return np.fromiter(values, np.int64, len(entries))

        return cls(
            column(e.meter_id for e in entries), column(e.slot_at for e in entries),
            column(e.class_code for e in entries), column(e.heard_at for e in entries),
            column(e.source for e in entries), column(int(e.state or State.READ) for e in entries),
            column(e.place for e in entries),
            np.array([np.nan if e.rssi_dbm is None else e.rssi_dbm for e in entries], np.float64),
            [e.frame for e in entries],
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.meter)

    def and_also(self, other: Kept) -> Kept:
        """Both, one after the other."""
        names = ("meter", "slot", "code", "heard_at", "source", "state", "place", "rssi_dbm")
        columns: dict[str, np.ndarray] = {
            name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in names
        }
        return Kept(**columns, frames=[*self.frames, *other.frames])


def lock_meters(meter_ids: Collection[int]) -> None:
    """Hold meters until the transaction ends: two of a meter's addresses may be heard by two processes at once."""
    if connection.vendor == "postgresql":  # SQLite has one writer at a time anyway
        ids = np.array(sorted(meter_ids), np.int64)
        column_store.fetch_ids(connection, "meters_meter", ids, ("id",), " ORDER BY id FOR NO KEY UPDATE")


def write_telegrams(kept: Kept, collector_id: int, *, new: bool) -> None:
    """Write raw telegrams. Not ``new``: one that is there for the same meter, slot and class is replaced."""
    columns: column_store.Columns = {
        "meter_id": kept.meter,
        "slot_at": kept.slot,
        "class_code": kept.code,
        "heard_at": kept.heard_at,
        "collector_id": np.full(len(kept), collector_id, np.int64),
        "rssi_dbm": kept.rssi_dbm,
        "state": kept.state,
        "frame": kept.frames,
    }
    if new:
        column_store.insert(connection, "telegram", columns)
    else:
        column_store.upsert(connection, "telegram", columns, TELEGRAM_KEY)


class Readings:
    """The live readings of some slots, being filled. Columns by slot, in the order of meter and slot."""

    _COMPARED = ("heard_at", "source", "quality", "info_code", "spec", "other")

    def __init__(self, meter: np.ndarray, slot: np.ndarray) -> None:
        """Load what there is of these slots (distinct and sorted)."""
        count = len(meter)
        self.meter, self.slot = meter, slot
        self.heard_at = np.full(count, np.iinfo(np.int64).max, np.int64)
        self.source, self.quality = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self.values = {code: np.full(count, np.nan) for code in FLOAT_CODES}
        self.info_code = np.full(count, NONE, np.int64)
        self.spec = np.full(count, -1, np.int64)  # which of ``specs``
        self.specs: list[str] = []
        self.other = np.full(count, "", object)  # JSON
        self.exists = np.zeros(count, bool)
        self._numbers: dict[str, int] = {}
        self._load()

    def _load(self) -> None:
        """Ask for the rows that may be there: those not after their meter's newest reading."""
        meters, of_meter = np.unique(self.meter, return_inverse=True)
        self.newest = Newest(meters, self.slot)
        self.of_meter = of_meter
        there = np.flatnonzero(self.newest.slot[of_meter] >= self.slot)
        rows = column_store.fetch_numbered(
            connection, "reading",
            {"meter_id": self.meter[there], "slot_at": self.slot[there],
             "kind": np.full(len(there), int(Kind.LIVE), np.int64)},
            READING_COLUMNS[3:],
        )  # fmt: skip
        texts = formats.specs({row[4] for row in rows})
        for number, heard, source, quality, format_id, *values, other in rows:
            place = int(there[number])
            self.exists[place] = True
            self.heard_at[place], self.source[place], self.quality[place] = heard, source, quality
            self.spec[place] = self._number(texts[format_id])
            for code, value in zip(CODES, values, strict=True):
                if value is None:
                    continue
                if code == "info_code":
                    self.info_code[place] = value
                else:
                    self.values[code][place] = value
            if other:
                self.other[place] = other_json(json.loads(other))  # PostgreSQL orders it its own way

    def fill(self, kept: Kept, columns: Columns, anew: Collection[Slot]) -> np.ndarray:
        """Fill the slots from telegrams that were read, in the order heard; tell which rows changed (mask).

        The rows of the slots ``anew`` are made from ``kept`` alone; elsewhere it was heard later than all that
        filled the row already, and fills what it lacks.
        """
        before = self._copy() if self.exists.any() else None
        emptied = self._places(anew)
        for row in emptied:
            self._empty(row)
        order = np.lexsort((kept.code, kept.heard_at, kept.slot, kept.meter))
        key = np.cumsum(begins(kept.meter[order], kept.slot[order])) - 1
        first = np.flatnonzero(begins(key))
        turn = np.arange(len(order)) - first[key]
        new = order[first]
        earlier = kept.heard_at[new] < self.heard_at  # who came first says by which road
        self.source = np.where(earlier, kept.source[new], self.source)
        self.heard_at = np.minimum(self.heard_at, kept.heard_at[new])
        self.heard_at[emptied] = kept.heard_at[new][emptied]
        numbers = np.array([self._number(spec) for spec in columns.formats], np.int64)
        for step in range(int(turn.max()) + 1):
            chosen = np.flatnonzero(turn == step)
            at, place = key[chosen], kept.place[order[chosen]]
            spot = np.searchsorted(columns.now.row, place)
            for code, column in columns.now.registers.items():
                there = self.values[code][at]
                self.values[code][at] = np.where(np.isnan(there), column[spot], there)
            info = self.info_code[at]
            self.info_code[at] = np.where(info == NONE, columns.info_code[place], info)
            self.quality[at] |= np.where(columns.sensor_error[place], int(Quality.SENSOR_ERROR), 0)
            self._merge_specs(at, numbers[columns.now.format[spot]])
            self._merge_others(at, columns.other(place))
        return ~self.exists if before is None else self._changed(before)

    def write(self, changed: np.ndarray) -> None:
        """Write the rows that are new, and those of the others that changed."""
        ids = formats.ids({self.specs[number] for number in np.unique(self.spec).tolist()})
        of_spec = np.array([ids.get(spec, 0) for spec in self.specs], np.int64)
        new = np.flatnonzero(~self.exists)
        for rows, codes in self._alike(new):
            column_store.insert(connection, "reading", self._columns(rows, codes, of_spec))
        rows = np.flatnonzero(self.exists & changed)
        if rows.size:
            column_store.upsert(connection, "reading", self._columns(rows, FLOAT_CODES, of_spec), READING_KEY)

    def _columns(self, rows: np.ndarray, codes: Sequence[str], of_spec: np.ndarray) -> column_store.Columns:
        columns: column_store.Columns = {
            "meter_id": self.meter[rows],
            "slot_at": self.slot[rows],
            "kind": np.full(len(rows), int(Kind.LIVE), np.int64),
            "heard_at": self.heard_at[rows],
            "source": self.source[rows],
            "quality": self.quality[rows],
            "format_id": of_spec[self.spec[rows]],
            **{code: self.values[code][rows] for code in codes},
        }
        info = self.info_code[rows]
        if codes is FLOAT_CODES or (info != NONE).any():
            columns["info_code"] = info
        other = [one or None for one in self.other[rows].tolist()]
        if codes is FLOAT_CODES or any(other):
            columns["other"] = other
        return columns

    def _alike(self, rows: np.ndarray) -> list[tuple[np.ndarray, Sequence[str]]]:
        """Rows by which registers have values: empty columns need not be sent, which is half of an insert's time."""
        if not rows.size:
            return []
        used = [code for code in FLOAT_CODES if not np.isnan(self.values[code][rows]).all()]
        mask = np.zeros(len(rows), np.int64)
        for bit, code in enumerate(used):
            mask |= (~np.isnan(self.values[code][rows])).astype(np.int64) << bit
        masks, group = np.unique(mask, return_inverse=True)
        sizes = np.bincount(group)
        found: list[tuple[np.ndarray, Sequence[str]]] = [
            (rows[group == number], [code for bit, code in enumerate(used) if int(masks[number]) >> bit & 1])
            for number in np.flatnonzero(sizes >= _FEW).tolist()
        ]
        rest = rows[(sizes < _FEW)[group]]
        return [*found, (rest, used)] if rest.size else found

    def _number(self, spec: str) -> int:
        number = self._numbers.setdefault(spec, len(self._numbers))
        if number == len(self.specs):
            self.specs.append(spec)
        return number

    def _merge_specs(self, at: np.ndarray, new: np.ndarray) -> None:
        old = self.spec[at]
        differ = (old >= 0) & (old != new)
        self.spec[at] = np.where(old < 0, new, old)
        for mine, theirs in {*zip(old[differ].tolist(), new[differ].tolist(), strict=True)}:
            number = self._number(formats.merged(self.specs[mine], self.specs[theirs]))
            self.spec[at[(old == mine) & (new == theirs)]] = number

    def _merge_others(self, at: np.ndarray, new: np.ndarray) -> None:
        old = self.other[at]
        self.other[at] = np.where(old == "", new, old)
        for place in np.flatnonzero((old != "") & (new != "") & (old != new)).tolist():
            self.other[at[place]] = other_json({**json.loads(new[place]), **json.loads(old[place])})

    def _places(self, keys: Collection[Slot]) -> list[int]:
        if not keys:
            return []
        place = {key: at for at, key in enumerate(zip(self.meter.tolist(), self.slot.tolist(), strict=True))}
        return [place[key] for key in keys if key in place and self.exists[place[key]]]

    def _empty(self, place: int) -> None:
        """Take out what filled a row. By which road the first telegram came stays, unless an earlier one comes."""
        self.quality[place] &= KEPT_BITS
        self.info_code[place], self.spec[place] = NONE, -1
        self.other[place] = ""
        for column in self.values.values():
            column[place] = np.nan

    def _copy(self) -> dict[str, Any]:
        return {
            "values": {code: column.copy() for code, column in self.values.items()},
            **{name: getattr(self, name).copy() for name in self._COMPARED},
        }

    def _changed(self, before: dict[str, Any]) -> np.ndarray:
        changed = np.zeros(len(self.meter), bool)
        for name in self._COMPARED:
            changed |= getattr(self, name) != before[name]
        for code, column in self.values.items():
            old = before["values"][code]
            changed |= (column != old) & ~(np.isnan(column) & np.isnan(old))
        return changed


class Newest:
    """The newest live reading of each meter, as far as it stands near the slots to be written or after them."""

    CODES = ("energy_heat_kwh", "energy_cooling_kwh", "volume_m3", "volume_2_m3", "electricity_import_kwh",
             "electricity_export_kwh")  # fmt: skip

    def __init__(self, meters: np.ndarray, slots: np.ndarray) -> None:
        """``meters`` are distinct; ``slots``: those to be written."""
        count = len(meters)
        self.is_all = connection.vendor != "postgresql"  # where nothing is found there is nothing
        since = -_EVER if self.is_all else int(slots.min(initial=_EVER)) - _NEAR
        self.slot, self.info_code = np.full(count, NONE, np.int64), np.full(count, NONE, np.int64)
        self.values = {code: np.full(count, np.nan) for code in self.CODES}
        rows = column_store.newest(
            connection, meters, ("slot_at", "info_code", *self.CODES), since, int(slots.max(initial=0))
        )
        if not rows:
            return
        number, slot, info, *values = zip(*rows, strict=True)
        at = np.array(number, np.int64)
        self.slot[at] = slot
        self.info_code[at] = [NONE if one is None else one for one in info]
        for code, column in zip(self.CODES, values, strict=True):
            self.values[code][at] = np.array(column, np.float64)  # None becomes NaN


def key_arrays(keys: Sequence[tuple[int, ...]], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Give keys (tuples, as many parts as ``names``) as integer columns."""
    return {name: np.array([key[place] for key in keys], np.int64) for place, name in enumerate(names)}


def begins(*columns: np.ndarray) -> np.ndarray:
    """Where a row differs from the one before it."""
    found = np.zeros(len(columns[0]), bool)
    if len(found):
        found[0] = True
        for one in columns:
            found[1:] |= one[1:] != one[:-1]
    return found
