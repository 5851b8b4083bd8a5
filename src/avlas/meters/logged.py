"""Values that the meter stored itself, with its own stamp: target dates and load profiles (readings of kind 1).

The same stamp comes again in every telegram. Equal is ignored, empty is filled, and a different value is kept in
ReadingConflict: the value heard first stays in the reading, which is marked. The row says in ``other`` which registers
were first heard later than the row itself, so that this comes out the same whatever the order of arrival.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection

from avlas.decode.batch import FLOAT_CODES
from avlas.meters import column_store, formats
from avlas.meters.models import Kind, Quality, ReadingConflict
from avlas.meters.slots import READING_COLUMNS, READING_KEY, Slot, begins, key_arrays

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from avlas.decode.batch import Columns
    from avlas.meters.fences import Fences
    from avlas.meters.journal import Written

_TELEGRAMS_MARK = int(Quality.CLOCK_WRONG)  # all other marks of a row are not the telegram's
_NEVER = 1 << 60
_LATER = "first_heard"  # in ``other``: {register: seconds UTC} where it is not the row's heard_at


@dataclass(frozen=True, slots=True)
class Logged:
    """Register values of one meter at one stamp (seconds UTC), as one telegram gives them."""

    meter_id: int
    slot_at: int
    heard_at: int
    source: int
    quality: int
    spec: str  # format
    values: dict[str, float]

    @property
    def key(self) -> Slot:
        """Which stamp of which meter."""
        return self.meter_id, self.slot_at


@dataclass(slots=True)
class _Row:
    """What all telegrams together say about one stamp."""

    heard_at: int | None = None  # None: nothing yet
    source: int = 0
    quality: int = 0
    values: dict[str, tuple[int, float]] = field(default_factory=dict)  # register -> (first heard, value)
    sent: dict[str, tuple[str, int]] = field(
        default_factory=dict
    )  # register -> (unit, decimals) of that value
    conflicts: dict[tuple[str, float], int] = field(default_factory=dict)  # (register, value) -> first heard

    def add(self, new: Logged) -> None:
        """Take in what one telegram says."""
        sent = formats.parse(new.spec)
        for code, value in new.values.items():
            mine, theirs = self.values.get(code), (new.heard_at, value)
            if mine is None:
                self._put(code, theirs, sent)
            elif theirs < mine:
                old = self.sent.get(code)
                self._put(code, theirs, sent)
                self._differs(code, mine, old)
            else:
                self._differs(code, theirs, sent.get(code))
        mark, kept = self.quality & _TELEGRAMS_MARK, self.quality & ~_TELEGRAMS_MARK
        first = (new.heard_at, new.source, new.quality)
        if self.heard_at is None or first < (self.heard_at, self.source, mark):
            self.heard_at, self.source, self.quality = new.heard_at, new.source, new.quality | kept

    def _put(self, code: str, value: tuple[int, float], sent: dict[str, tuple[str, int]]) -> None:
        self.values[code] = value
        self.sent.pop(code, None)
        if code in sent:
            self.sent[code] = sent[code]
        self.conflicts = {
            key: heard
            for key, heard in self.conflicts.items()
            if key[0] != code or not self._same(code, key[1], value[1], None)
        }

    def _differs(self, code: str, value: tuple[int, float], sent: tuple[str, int] | None) -> None:
        if not self._same(code, value[1], self.values[code][1], sent):
            key = (code, value[1])
            self.conflicts[key] = min(self.conflicts.get(key, value[0]), value[0])

    def _same(self, code: str, one: float, other: float, sent: tuple[str, int] | None) -> bool:
        """Tell whether two figures differ by less than the coarser one's step."""
        step = max(formats.step(self.sent.get(code)), formats.step(sent))
        return one == other or abs(one - other) < max(step, 1e-9 * abs(other)) * 0.999

    def columns(self) -> tuple[Any, ...]:
        """Give what the table holds of it: heard_at, source, quality, spec, values, other."""
        later = {code: heard for code, (heard, _) in sorted(self.values.items()) if heard != self.heard_at}
        return (
            self.heard_at,
            self.source,
            self.quality | (int(Quality.CONFLICT) if self.conflicts else 0),
            formats.text(self.sent),
            {code: value for code, (_, value) in self.values.items()},
            {_LATER: later} if later else None,
        )


@dataclass(frozen=True, slots=True)
class LoggedColumns:
    """Values with the meter's own stamp, as many telegrams give them, in columns."""

    meter: np.ndarray
    slot: np.ndarray
    heard_at: np.ndarray
    source: int
    quality: np.ndarray
    spec: np.ndarray  # which of ``specs``
    specs: tuple[str, ...]
    values: dict[str, np.ndarray]

    @classmethod
    def of(
        cls, columns: Columns, place: np.ndarray, meter: np.ndarray, offset: np.ndarray, heard_at: np.ndarray,
        source: int, quality: np.ndarray,
    ) -> LoggedColumns:  # fmt: skip
        """What the telegrams at ``place`` in ``columns`` say; the other columns tell of each of those.

        ``offset``: seconds the meter's clock is ahead of UTC; ``quality``: marks of what it stamped.
        """
        dated = columns.dated
        of_place = np.full(len(columns.security), -1, np.int64)
        of_place[place] = np.arange(len(place))
        whose = of_place[dated.row]
        any_value = np.zeros(len(dated), bool)
        for column in dated.registers.values():
            any_value |= ~np.isnan(column)
        rows = np.flatnonzero((whose >= 0) & any_value)
        whose = whose[rows]
        slot = columns.dated_at[rows] - offset[whose]
        order = np.lexsort((heard_at[whose], slot, meter[whose]))
        rows, whose, slot = rows[order], whose[order], slot[order]
        return cls(
            meter[whose], slot, heard_at[whose], source, quality[whose], dated.format[rows].astype(np.int64),
            columns.formats, {code: column[rows] for code, column in dated.registers.items()},
        )  # fmt: skip

    def outside(self, fences: Fences) -> LoggedColumns:
        """Those that no fence holds back."""
        if not len(fences):
            return self
        free = ~fences.hold(self.meter, self.slot)
        return replace(
            self, meter=self.meter[free], slot=self.slot[free], heard_at=self.heard_at[free],
            quality=self.quality[free], spec=self.spec[free],
            values={code: column[free] for code, column in self.values.items()},
        )  # fmt: skip

    def objects(self, rows: np.ndarray) -> list[Logged]:
        """Some of them one by one."""
        values = {code: column[rows].tolist() for code, column in self.values.items()}
        return [
            Logged(
                meter, slot, heard, self.source, quality, self.specs[spec],
                {code: column[number] for code, column in values.items() if column[number] == column[number]},
            )
            for number, (meter, slot, heard, quality, spec) in enumerate(
                zip(
                    self.meter[rows].tolist(), self.slot[rows].tolist(), self.heard_at[rows].tolist(),
                    self.quality[rows].tolist(), self.spec[rows].tolist(), strict=True,
                )
            )
        ]  # fmt: skip


def write_ordinary(said: LoggedColumns, written: Written) -> list[Logged]:
    """Write the values for stamps that nothing is known of; give those that need a closer look (write_logged).

    Passed over is what says the same as the row that is there, or as an earlier one of the batch, but later.
    """
    if not len(said.meter):
        return []
    new_key = begins(said.meter, said.slot)
    key = np.cumsum(new_key) - 1
    first = np.flatnonzero(new_key)
    rows = column_store.fetch_numbered(
        connection, "reading",
        {"meter_id": said.meter[first], "slot_at": said.slot[first],
         "kind": np.full(len(first), int(Kind.LOGGED), np.int64)},
        ("heard_at", "other", *said.values),
    )  # fmt: skip
    there = np.zeros(len(first), bool)
    heard_at = said.heard_at[first]  # when the values compared with were heard
    values = {code: column[first] for code, column in said.values.items()}
    if rows:
        number, heard, other, *stored = zip(*rows, strict=True)
        at = np.array(number, np.int64)
        there[at] = True
        # where registers were heard at different times nothing is passed over
        heard_at[at] = [_NEVER if one else when for one, when in zip(other, heard, strict=True)]
        for code, found in zip(said.values, stored, strict=True):
            values[code][at] = np.array(found, np.float64)  # None becomes NaN
    same = said.heard_at > heard_at[key]
    for code, column in said.values.items():
        same &= np.isnan(column) | (column == values[code][key])
    leads = ~there[key] & new_key  # makes the row
    leads &= _says_all(said)
    closer = np.zeros(len(first), bool)
    closer[key[~same & ~leads]] = True
    new = np.flatnonzero(leads & ~closer[key])
    _insert(said, new)
    written.readings(said.meter[new], said.slot[new], Kind.LOGGED)
    return said.objects(np.flatnonzero(closer[key]))


def _says_all(said: LoggedColumns) -> np.ndarray:
    """Whether a row has a value for every register its format tells of, and for no other."""
    fits = np.ones(len(said.meter), bool)
    told = [formats.parse(spec) for spec in said.specs]
    for code, column in said.values.items():
        expected = np.array([code in one for one in told], bool)
        fits &= ~np.isnan(column) == expected[said.spec]
    missing = np.array([not one.keys() <= said.values.keys() for one in told], bool)
    fits &= ~missing[said.spec]
    return fits


def _insert(said: LoggedColumns, rows: np.ndarray) -> None:
    used = np.unique(said.spec[rows]).tolist()
    ids = formats.ids({said.specs[spec] for spec in used})
    for spec in used:
        part = rows[said.spec[rows] == spec]
        column_store.insert(
            connection,
            "reading",
            {
                "meter_id": said.meter[part],
                "slot_at": said.slot[part],
                "kind": np.full(len(part), int(Kind.LOGGED), np.int64),
                "heard_at": said.heard_at[part],
                "source": np.full(len(part), said.source, np.int64),
                "quality": said.quality[part],
                "format_id": np.full(len(part), ids[said.specs[spec]], np.int64),
                **{code: said.values[code][part] for code in formats.parse(said.specs[spec])},
            },
        )


def write_logged(rows: Iterable[Logged], anew: Collection[Slot], written: Written) -> None:
    """Write values with the meter's own stamp; the rows of the stamps ``anew`` are made from ``rows`` alone."""
    new: dict[Slot, list[Logged]] = {key: [] for key in anew}
    for one in rows:
        new.setdefault(one.key, []).append(one)
    if not new:
        return
    there = _load(sorted(new))
    changed: dict[Slot, tuple[Any, ...]] = {}
    conflicts: list[tuple[Slot, dict[tuple[str, float], int], dict[tuple[str, float], int]]] = []
    for key, found in new.items():
        row = there.get(key, _Row())
        before = row.columns() if row.heard_at is not None else None
        before_conflicts = dict(row.conflicts)
        if key in anew:
            row = _Row()
        for one in found:
            row.add(one)
        if row.heard_at is not None and row.columns() != before:
            changed[key] = row.columns()
        if row.conflicts != before_conflicts:
            conflicts.append((key, before_conflicts, row.conflicts))
    _write(changed)
    for key, old, now in conflicts:
        _write_conflicts(key, old, now)
    gone = [key for key in anew if not new[key] and key in there]
    _delete(gone)
    for meter_id, slot_at in (*changed, *gone):
        written.reading(meter_id, slot_at, Kind.LOGGED)


def _write(changed: dict[Slot, tuple[Any, ...]]) -> None:
    order = sorted(changed)
    rows = [changed[key] for key in order]
    ids = formats.ids({row[3] for row in rows})
    columns: dict[str, list[Any]] = {
        "meter_id": [key[0] for key in order],
        "slot_at": [key[1] for key in order],
        "kind": [int(Kind.LOGGED)] * len(order),
        "heard_at": [row[0] for row in rows],
        "source": [row[1] for row in rows],
        "quality": [row[2] for row in rows],
        "format_id": [ids[row[3]] for row in rows],
        **{code: [row[4].get(code) for row in rows] for code in FLOAT_CODES},
        "other": [json.dumps(row[5]) if row[5] else None for row in rows],
    }
    column_store.upsert(connection, "reading", columns, READING_KEY)


def _write_conflicts(key: Slot, old: dict[tuple[str, float], int], now: dict[tuple[str, float], int]) -> None:
    at = {"meter_id": key[0], "slot_at": key[1], "kind": int(Kind.LOGGED)}
    for code, value in old.keys() - now.keys():
        ReadingConflict.objects.filter(**at, register=code, value=value).delete()
    ReadingConflict.objects.bulk_create(
        [
            ReadingConflict(**at, register=code, value=value, heard_at=heard)
            for (code, value), heard in sorted(now.items())
            if old.get((code, value)) != heard
        ],
        update_conflicts=True,
        unique_fields=["meter", "slot_at", "kind", "register", "value"],
        update_fields=["heard_at"],
    )


def _delete(keys: list[Slot]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            f"DELETE FROM reading WHERE meter_id = %s AND slot_at = %s AND kind = {int(Kind.LOGGED)}", keys
        )


def _load(keys: list[Slot]) -> dict[Slot, _Row]:
    arrays = key_arrays(keys, ("meter_id", "slot_at"))
    arrays["kind"] = np.full(len(keys), int(Kind.LOGGED), np.int64)
    dicts = [
        dict(zip(READING_COLUMNS, row, strict=True))
        for row in column_store.fetch(connection, "reading", arrays, READING_COLUMNS)
    ]
    texts = formats.specs({row["format_id"] for row in dicts})
    found = {}
    for row in dicts:
        later = json.loads(row["other"]).get(_LATER, {}) if row["other"] else {}
        found[row["meter_id"], row["slot_at"]] = _Row(
            row["heard_at"],
            row["source"],
            row["quality"] & ~int(Quality.CONFLICT),
            {
                code: (later.get(code, row["heard_at"]), row[code])
                for code in FLOAT_CODES
                if row[code] is not None
            },
            dict(formats.parse(texts[row["format_id"]])),
        )
    marked = [(row["meter_id"], row["slot_at"]) for row in dicts if row["quality"] & int(Quality.CONFLICT)]
    arrays = key_arrays(marked, ("meter_id", "slot_at"))
    arrays["kind"] = np.full(len(marked), int(Kind.LOGGED), np.int64)
    for meter_id, slot_at, code, value, heard in column_store.fetch(
        connection,
        "meters_readingconflict",
        arrays,
        ("meter_id", "slot_at", "register", "value", "heard_at"),
    ):
        found[meter_id, slot_at].conflicts[code, value] = heard
    return found
