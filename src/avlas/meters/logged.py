"""Values that the meter stored itself, with its own stamp: target dates and load profiles (readings of kind 1).

The same stamp comes again in every telegram. Equal is ignored, empty is filled, and a different value is kept in
ReadingConflict: the value heard first stays in the reading, which is marked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from django.db import connection

from avlas.meters import column_store, formats
from avlas.meters.models import Kind, Quality, ReadingConflict
from avlas.meters.slots import FLOAT_CODES, READING_COLUMNS, READING_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(slots=True)
class Logged:
    """Register values of one meter at one stamp (seconds UTC), as one telegram gives them."""

    meter_id: int
    slot_at: int
    heard_at: int
    source: int
    quality: int
    spec: str  # format
    values: dict[str, float]
    info_code: int | None = None
    other: str | None = None
    conflicts: dict[tuple[str, float], int] = field(default_factory=dict)  # (register, value) -> heard_at

    def merge(self, new: Logged) -> bool:
        """Take in another telegram's values for the same stamp; tell whether anything changed."""
        changed = False
        first, second = (new, self) if new.heard_at < self.heard_at else (self, new)
        values = dict(first.values)
        for code, value in second.values.items():
            if code not in values:
                values[code] = value
                continue
            step = max(formats.resolution(first.spec, code), formats.resolution(second.spec, code))
            if abs(values[code] - value) >= max(step, 1e-9 * abs(value)) * 0.999 and values[code] != value:
                known = self.conflicts.get((code, value))
                self.conflicts[code, value] = min(known, second.heard_at) if known else second.heard_at
                changed = True
        if self.conflicts:
            self.quality |= int(Quality.CONFLICT)
        spec = formats.merged(first.spec, second.spec)
        changed |= values != self.values or spec != self.spec or first is new
        self.values, self.spec, self.heard_at, self.source = values, spec, first.heard_at, first.source
        self.quality |= new.quality
        return changed


def write_logged(rows: Iterable[Logged]) -> set[tuple[int, int]]:
    """Write values with the meter's own stamp; give the (meter_id, slot_at) that changed."""
    new: dict[tuple[int, int], list[Logged]] = {}
    for row in rows:
        new.setdefault((row.meter_id, row.slot_at), []).append(row)
    if not new:
        return set()
    kept = _load(sorted(new))
    changed: dict[tuple[int, int], Logged] = {}
    for key, found in new.items():
        for row in sorted(found, key=lambda one: (one.heard_at, sorted(one.values.items()))):
            if key not in kept:
                kept[key] = changed[key] = row
            elif kept[key].merge(row):
                changed[key] = kept[key]
    order = sorted(changed)
    ids = formats.ids({changed[key].spec for key in order})
    columns: dict[str, list[object]] = {
        "meter_id": [key[0] for key in order],
        "slot_at": [key[1] for key in order],
        "kind": [int(Kind.LOGGED)] * len(order),
        "heard_at": [changed[key].heard_at for key in order],
        "source": [changed[key].source for key in order],
        "quality": [changed[key].quality for key in order],
        "format_id": [ids[changed[key].spec] for key in order],
        **{code: [changed[key].values.get(code) for key in order] for code in FLOAT_CODES},
        "info_code": [changed[key].info_code for key in order],
        "other": [changed[key].other for key in order],
    }
    column_store.upsert(connection, "reading", columns, READING_KEY)
    ReadingConflict.objects.bulk_create(
        [
            ReadingConflict(
                meter_id=key[0],
                slot_at=key[1],
                kind=Kind.LOGGED,
                heard_at=heard_at,
                register=code,
                value=value,
            )
            for key in order
            for (code, value), heard_at in changed[key].conflicts.items()
        ],
        ignore_conflicts=True,
    )
    return set(order)


def _load(keys: list[tuple[int, int]]) -> dict[tuple[int, int], Logged]:
    rows = column_store.fetch(
        connection,
        "reading",
        {
            "meter_id": np.array([key[0] for key in keys], np.int64),
            "slot_at": np.array([key[1] for key in keys], np.int64),
            "kind": np.full(len(keys), int(Kind.LOGGED), np.int64),
        },
        READING_COLUMNS,
    )
    dicts = [dict(zip(READING_COLUMNS, row, strict=True)) for row in rows]
    texts = formats.specs({row["format_id"] for row in dicts})
    return {
        (row["meter_id"], row["slot_at"]): Logged(
            row["meter_id"], row["slot_at"], row["heard_at"], row["source"], row["quality"], texts[row["format_id"]],
            {code: row[code] for code in FLOAT_CODES if row[code] is not None}, row["info_code"],
            row["other"] if isinstance(row["other"], str | None) else json.dumps(row["other"]),
        )
        for row in dicts
    }  # fmt: skip
