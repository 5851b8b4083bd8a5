"""Values that the meter stored itself, with its own stamp: target dates and load profiles (readings of kind 1).

The same stamp comes again in every telegram. Equal is ignored, empty is filled, and a different value is kept in
ReadingConflict: the value heard first stays in the reading, which is marked. The row says in ``other`` which registers
were first heard later than the row itself, so that this comes out the same whatever the order of arrival.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection

from avlas.meters import column_store, formats
from avlas.meters.models import Kind, Quality, ReadingConflict
from avlas.meters.slots import FLOAT_CODES, READING_COLUMNS, READING_KEY, Slot, key_arrays

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_TELEGRAMS_MARK = int(Quality.CLOCK_WRONG)  # all other marks of a row are not the telegram's
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


def write_logged(rows: Iterable[Logged], anew: Collection[Slot] = ()) -> None:
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
    _delete([key for key in anew if not new[key] and key in there])


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
