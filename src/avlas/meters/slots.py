"""Live readings: the raw telegrams of a slot and the one wide row they fill.

Of each class (wired, C, CI, length) a slot keeps the earliest telegram that could be read, or the earliest of those
that could not. The slot's reading is filled by its classes in the order heard: the earliest fills first, the others
fill only what is still empty.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection

from avlas.decode.batch import NONE
from avlas.decode.registers import CODES
from avlas.meters import column_store, formats
from avlas.meters.models import Kind, Quality, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from avlas.decode.batch import Columns

FLOAT_CODES = tuple(code for code in CODES if code != "info_code")
READING_KEY = ("meter_id", "slot_at", "kind")
READING_COLUMNS = (*READING_KEY, "heard_at", "source", "quality", "format_id", *CODES, "other")
KEPT_BITS = int(
    Quality.CONFLICT | Quality.VOIDED
)  # what a person or the meter said stays when a row is filled anew
_TELEGRAM_KEY = ("meter_id", "slot_at", "class_code")


@dataclass(frozen=True, slots=True)
class StoredTelegram:
    """What is known of a stored raw telegram without its bytes."""

    meter_id: int
    slot_at: int
    class_code: int
    heard_at: int
    state: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A telegram to be written: raw bytes and, when it was read, its row in the decoded columns."""

    meter_id: int
    slot_at: int
    class_code: int
    heard_at: int
    state: State
    row: int  # in Columns
    frame: bytes
    collector_id: int
    rssi_dbm: float | None
    source: int
    stored: bool = False  # came from the database: fills its slot anew, is not written again


Stored = dict[tuple[int, int], dict[int, StoredTelegram]]


def load_stored(slots: Iterable[tuple[int, int]]) -> Stored:
    """Give the stored telegrams of each (meter_id, slot_at) by class."""
    keys = sorted(set(slots))
    found: Stored = {key: {} for key in keys}
    rows = column_store.fetch(
        connection, "telegram", _key_arrays(keys, ("meter_id", "slot_at")),
        ("meter_id", "slot_at", "class_code", "heard_at", "state"),
    )  # fmt: skip
    for row in rows:
        found[row[0], row[1]][row[2]] = StoredTelegram(*row)
    return found


def load_frames(telegrams: Sequence[StoredTelegram]) -> list[bytes]:
    """Give the raw bytes of stored telegrams, in order."""
    keys = [(one.meter_id, one.slot_at, one.class_code) for one in telegrams]
    rows = column_store.fetch(
        connection, "telegram", _key_arrays(keys, _TELEGRAM_KEY), (*_TELEGRAM_KEY, "frame")
    )
    frames = {(row[0], row[1], row[2]): bytes(row[3]) for row in rows}
    return [frames[key] for key in keys]


def write_telegrams(entries: Sequence[Entry]) -> None:
    """Write raw telegrams; one that is there for the same meter, slot and class is replaced."""
    column_store.upsert(
        connection,
        "telegram",
        {
            "meter_id": [e.meter_id for e in entries],
            "slot_at": [e.slot_at for e in entries],
            "class_code": [e.class_code for e in entries],
            "heard_at": [e.heard_at for e in entries],
            "collector_id": [e.collector_id for e in entries],
            "rssi_dbm": [e.rssi_dbm for e in entries],
            "state": [int(e.state) for e in entries],
            "frame": [e.frame for e in entries],
        },
        _TELEGRAM_KEY,
    )


def write_readings(entries: Sequence[Entry], columns: Columns, quality: np.ndarray) -> list[tuple[int, int]]:
    """Fill the slots' readings from telegrams that were read; give the (meter_id, slot_at) written.

    ``quality``: for each decoded row the marks that the telegram itself carries. Where a slot's telegrams come
    with ``stored`` ones the row is made anew from all of them, else it fills what the existing row lacks.
    """
    if not entries:
        return []
    entries = sorted(entries, key=lambda e: (e.meter_id, e.slot_at, e.heard_at, e.class_code))
    place_of_row = {int(row): place for place, row in enumerate(columns.now.row)}
    spec_of = columns.formats
    keys: list[tuple[int, int]] = []
    turns: list[list[int]] = []  # per key the entries in the order heard
    anew: set[tuple[int, int]] = set()
    for number, entry in enumerate(entries):
        key = (entry.meter_id, entry.slot_at)
        if not keys or keys[-1] != key:
            keys.append(key)
            turns.append([])
        turns[-1].append(number)
        if entry.stored:
            anew.add(key)
    existing = _load_readings(keys)
    count = len(keys)
    values = {code: np.full(count, np.nan) for code in FLOAT_CODES}
    heard = np.array([entries[turn[0]].heard_at for turn in turns], np.int64)
    source = [entries[turn[0]].source for turn in turns]
    marks = np.zeros(count, np.int64)
    info: list[int | None] = [None] * count
    other: list[dict[str, Any]] = [{} for _ in keys]
    specs: list[str] = ["{}"] * count

    depth = max(len(turn) for turn in turns)
    old = [(place, existing[key]) for place, key in enumerate(keys) if key in existing]
    for place, row in old:
        marks[place] = row["quality"] & (KEPT_BITS if keys[place] in anew else ~0)
        if keys[place] in anew:
            continue
        heard[place] = min(row["heard_at"], heard[place])
        source[place], info[place], specs[place] = row["source"], row["info_code"], row["spec"]
        other[place] = json.loads(row["other"]) if row["other"] else {}
        for code in FLOAT_CODES:
            if row[code] is not None:
                values[code][place] = row[code]
    for step in range(depth):
        places = np.array([p for p, turn in enumerate(turns) if len(turn) > step], np.int64)
        rows = [entries[turns[p][step]].row for p in places]
        at = np.array([place_of_row[row] for row in rows], np.int64)
        for code, column in columns.now.registers.items():
            there = values[code][places]
            values[code][places] = np.where(np.isnan(there), column[at], there)
        for place, row, spot in zip(places.tolist(), rows, at.tolist(), strict=True):
            marks[place] |= quality[row]
            specs[place] = formats.merged(specs[place], spec_of[columns.now.format[spot]])
            if info[place] is None and columns.info_code[row] != NONE:
                info[place] = int(columns.info_code[row])
            if row in columns.other:
                other[place] = {**columns.other[row], **other[place]}
    ids = formats.ids(set(specs))
    column_store.upsert(
        connection,
        "reading",
        {
            "meter_id": [key[0] for key in keys],
            "slot_at": [key[1] for key in keys],
            "kind": [int(Kind.LIVE)] * count,
            "heard_at": heard.tolist(),
            "source": source,
            "quality": marks.tolist(),
            "format_id": [ids[spec] for spec in specs],
            **{code: column_store.nullable(column) for code, column in values.items()},
            "info_code": info,
            "other": [json.dumps(one, ensure_ascii=False) if one else None for one in other],
        },
        READING_KEY,
    )
    return keys


def _load_readings(keys: list[tuple[int, int]]) -> dict[tuple[int, int], dict[str, Any]]:
    arrays = _key_arrays(keys, ("meter_id", "slot_at"))
    arrays["kind"] = np.full(len(keys), int(Kind.LIVE), np.int64)
    rows = [
        dict(zip(READING_COLUMNS, row, strict=True))
        for row in column_store.fetch(connection, "reading", arrays, READING_COLUMNS)
    ]
    texts = formats.specs({row["format_id"] for row in rows})
    for row in rows:
        row["spec"] = texts[row["format_id"]]
    return {(row["meter_id"], row["slot_at"]): row for row in rows}


def _key_arrays(keys: Sequence[tuple[int, ...]], names: Sequence[str]) -> dict[str, np.ndarray]:
    return {name: np.array([key[place] for key in keys], np.int64) for place, name in enumerate(names)}
