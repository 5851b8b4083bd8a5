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

from avlas.decode.batch import NONE
from avlas.decode.registers import CODES
from avlas.meters import column_store, formats
from avlas.meters.models import Kind, Quality, State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from avlas.decode.batch import Columns

FLOAT_CODES = tuple(code for code in CODES if code != "info_code")
READING_KEY = ("meter_id", "slot_at", "kind")
READING_COLUMNS = (*READING_KEY, "heard_at", "source", "quality", "format_id", *CODES, "other")
KEPT_BITS = int(
    Quality.CONFLICT | Quality.VOIDED
)  # what a person or the meter said stays when a row is filled anew
TELEGRAM_KEY = ("meter_id", "slot_at", "class_code")
WIRED_BIT = 1 << 24  # of a class code

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


def lock_meters(meter_ids: Sequence[int]) -> None:
    """Hold meters until the transaction ends: two of a meter's addresses may be heard by two processes at once."""
    if connection.vendor == "postgresql" and meter_ids:  # SQLite has one writer at a time anyway
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM meters_meter WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
                [sorted(meter_ids)],
            )


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
            "state": [int(e.state or State.READ) for e in entries],
            "frame": [e.frame for e in entries],
        },
        TELEGRAM_KEY,
    )


def write_readings(
    entries: Iterable[Entry], columns: Columns, quality: np.ndarray, anew: Collection[Slot]
) -> list[Slot]:
    """Fill the slots' readings from telegrams that were read; give the slots written.

    ``quality``: for each decoded row the marks that the telegram itself carries. The rows of the slots ``anew``
    are made from ``entries`` alone; elsewhere the entries were heard later than all that filled the row already,
    and fill what it lacks.
    """
    ordered = sorted(entries, key=lambda e: (e.meter_id, e.slot_at, e.heard_at, e.class_code))
    if not ordered:
        return []
    place_of_row = {int(row): place for place, row in enumerate(columns.now.row)}
    spec_of = columns.formats
    keys: list[Slot] = []
    turns: list[list[Entry]] = []  # per key the entries in the order heard
    for entry in ordered:
        if not keys or keys[-1] != entry.slot:
            keys.append(entry.slot)
            turns.append([])
        turns[-1].append(entry)
    count = len(keys)
    values = {code: np.full(count, np.nan) for code in FLOAT_CODES}
    heard = [turn[0].heard_at for turn in turns]
    source = [turn[0].source for turn in turns]
    marks = [0] * count
    info: list[int | None] = [None] * count
    other: list[dict[str, Any]] = [{} for _ in keys]
    specs: list[str] = [""] * count

    existing = _load_readings(keys)
    for place, key in enumerate(keys):
        row = existing.get(key)
        if row is None:
            continue
        if row["heard_at"] <= heard[place]:  # the telegram that came first said by which road
            source[place] = row["source"]
        if key in anew:
            marks[place] = row["quality"] & KEPT_BITS
            continue
        marks[place] = row["quality"]
        heard[place] = min(row["heard_at"], heard[place])
        info[place], specs[place] = row["info_code"], row["spec"]
        other[place] = json.loads(row["other"]) if row["other"] else {}
        for code in FLOAT_CODES:
            if row[code] is not None:
                values[code][place] = row[code]
    for step in range(max(len(turn) for turn in turns)):
        filled = [place for place, turn in enumerate(turns) if len(turn) > step]
        rows = [turns[place][step].place for place in filled]
        spots = [place_of_row[row] for row in rows]
        places, at = np.array(filled, np.int64), np.array(spots, np.int64)
        for code, column in columns.now.registers.items():
            there = values[code][places]
            values[code][places] = np.where(np.isnan(there), column[at], there)
        formats_at = columns.now.format[at].tolist()
        marks_at, info_at = quality[rows].tolist(), columns.info_code[rows].tolist()
        for number, place in enumerate(filled):
            marks[place] |= marks_at[number]
            spec = spec_of[formats_at[number]]
            specs[place] = formats.merged(specs[place], spec) if specs[place] else spec
            if info[place] is None and info_at[number] != NONE:
                info[place] = info_at[number]
            other[place] = {**columns.other(rows[number]), **other[place]}
    ids = formats.ids(set(specs))
    column_store.upsert(
        connection,
        "reading",
        {
            "meter_id": [key[0] for key in keys],
            "slot_at": [key[1] for key in keys],
            "kind": [int(Kind.LIVE)] * count,
            "heard_at": heard,
            "source": source,
            "quality": marks,
            "format_id": [ids[spec] for spec in specs],
            **{code: column_store.nullable(column) for code, column in values.items()},
            "info_code": info,
            "other": [json.dumps(one, ensure_ascii=False, sort_keys=True) if one else None for one in other],
        },
        READING_KEY,
    )
    return keys


def _load_readings(keys: list[Slot]) -> dict[Slot, dict[str, Any]]:
    arrays = key_arrays(keys, ("meter_id", "slot_at"))
    arrays["kind"] = np.full(len(keys), int(Kind.LIVE), np.int64)
    rows = [
        dict(zip(READING_COLUMNS, row, strict=True))
        for row in column_store.fetch(connection, "reading", arrays, READING_COLUMNS)
    ]
    texts = formats.specs({row["format_id"] for row in rows})
    for row in rows:
        row["spec"] = texts[row["format_id"]]
    return {(row["meter_id"], row["slot_at"]): row for row in rows}


def key_arrays(keys: Sequence[tuple[int, ...]], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Give keys (tuples, as many parts as ``names``) as integer columns."""
    return {name: np.array([key[place] for key in keys], np.int64) for place, name in enumerate(names)}
