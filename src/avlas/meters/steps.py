"""After readings were written: judge each step from the reading before, and note where the info code changed.

Both follow from the stored neighbours alone, so they come out the same whatever the order of arrival.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection

from avlas.decode.batch import NONE
from avlas.decode.families import named
from avlas.meters import column_store, formats
from avlas.meters.models import InfoEvent, Kind, Quality
from avlas.meters.slots import Newest, begins
from avlas.reports.calc.judgement import BACKWARDS, ROLLED_OVER, counter_step, modulus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.meters.journal import Written
    from avlas.meters.slots import Readings

JUDGED = Newest.CODES
_BIT_OF = {ROLLED_OVER: int(Quality.ROLLED_OVER), BACKWARDS: int(Quality.BACKWARDS)}
_STEP_BITS = int(Quality.ROLLED_OVER | Quality.BACKWARDS)
_COLUMNS = ("meter_id", "slot_at", "quality", "format_id", "info_code", *JUDGED)


def to_settle(readings: Readings, changed: np.ndarray) -> list[tuple[int, int]]:
    """Give those of the readings written for which ``settle`` has anything to do.

    Not so where a new reading is its meter's newest, no counter has fallen since the one before it and the info code
    has stayed: then no mark, event or later reading can be concerned.
    """
    newest, of_meter = readings.newest, readings.of_meter
    same_meter = ~begins(readings.meter)
    slot_before = newest.slot[of_meter]
    in_batch = same_meter & (np.roll(readings.slot, 1) >= slot_before)
    info_before = np.where(in_batch, np.roll(readings.info_code, 1), newest.info_code[of_meter])
    fell = np.zeros(len(readings.meter), bool)
    for code in JUDGED:
        now = readings.values[code]
        fell |= now < np.where(in_batch, np.roll(now, 1), newest.values[code][of_meter])
    is_newest = ~readings.exists & (readings.slot > slot_before)
    known = in_batch | (slot_before != NONE)
    info = readings.info_code
    info_stays = (info == NONE) | (known & (info == info_before)) | (~known & newest.is_all & (info == 0))
    plain = is_newest & ~fell & info_stays & (known | newest.is_all)
    wanted = np.flatnonzero((changed | ~readings.exists) & ~plain)
    return list(zip(readings.meter[wanted].tolist(), readings.slot[wanted].tolist(), strict=True))


def settle(keys: Sequence[tuple[int, int]], written: Written) -> None:
    """Judge the live readings at ``keys`` (meter_id, slot_at) and the ones after them; write marks and info events."""
    if not keys:
        return
    before = _predecessors(keys, None)
    rows = _load(before)
    _mark_steps(before, rows, written)
    if any(row[4] is None for row in rows.values()):
        before = _predecessors([key for key in keys if key in rows and rows[key][4] is not None], "info_code")
        rows = _load(before)
    _note_info_codes(before, rows, written)


def _predecessors(keys: Sequence[tuple[int, int]], having: str | None) -> dict[tuple[int, int], int | None]:
    """For each key, and the reading after it, give the slot of the reading before (None: there is none)."""
    near = (
        column_store.neighbours(
            connection, {"meter_id": _column(keys, 0), "slot_at": _column(keys, 1)}, int(Kind.LIVE), having
        )
        if keys
        else []
    )
    before = {(meter, slot): earlier for meter, slot, earlier, _ in near}
    for meter, slot, _, later in near:  # the reading after a new one has a new predecessor
        if later is not None:
            before.setdefault((meter, later), slot)
    return before


def _load(before: dict[tuple[int, int], int | None]) -> dict[tuple[int, int], tuple[Any, ...]]:
    wanted = sorted(set(before) | {(meter, at) for (meter, _), at in before.items() if at is not None})
    arrays = {"meter_id": _column(wanted, 0), "slot_at": _column(wanted, 1)}
    arrays["kind"] = np.full(len(wanted), int(Kind.LIVE), np.int64)
    return {(row[0], row[1]): row for row in column_store.fetch(connection, "reading", arrays, _COLUMNS)}


def _mark_steps(
    before: dict[tuple[int, int], int | None], rows: dict[tuple[int, int], tuple[Any, ...]], written: Written
) -> None:
    pairs = [(key, (key[0], at)) for key, at in before.items() if at is not None and key in rows]
    bits = dict.fromkeys(before, 0)
    texts = formats.specs({rows[key][3] for key, _ in pairs})
    for place, code in enumerate(JUDGED, start=5):
        was = np.array([rows[old][place] for _, old in pairs], np.float64)  # None becomes NaN
        now = np.array([rows[key][place] for key, _ in pairs], np.float64)
        lower = np.flatnonzero(now < was)
        if not lower.size:
            continue
        fell = [pairs[at][0] for at in lower]
        digits = _digits({key[0] for key in fell})
        tops = np.array(
            [
                modulus(old, formats.resolution(texts[rows[key][3]], code), digits.get(key[0], ()))
                for key, old in zip(fell, was[lower], strict=True)
            ]
        )
        verdict = counter_step(was[lower], now[lower], tops, np.full(lower.size, np.nan))
        for key, one in zip(fell, verdict.tolist(), strict=True):
            bits[key] |= _BIT_OF.get(one, 0)
    changed = [
        ((rows[key][2] & ~_STEP_BITS) | mark, *key)
        for key, mark in bits.items()
        if key in rows and (rows[key][2] & _STEP_BITS) != mark
    ]
    if changed:
        with connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE reading SET quality = %s WHERE meter_id = %s AND slot_at = %s AND kind = 0", changed
            )
    for _, meter_id, slot_at in changed:
        written.reading(meter_id, slot_at, Kind.LIVE)


def _digits(meter_ids: set[int]) -> dict[int, tuple[int, ...]]:
    """The numbers of digits that each meter's registers may have, for meters whose family is known."""
    among, parameter = column_store.among(connection, "id", sorted(meter_ids))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, family FROM meters_meter WHERE {among}", [parameter])
        rows = cursor.fetchall()
    return {
        meter_id: family.digits for meter_id, name in rows if name and (family := named(name)) is not None
    }


def _note_info_codes(
    before: dict[tuple[int, int], int | None], rows: dict[tuple[int, int], tuple[Any, ...]], written: Written
) -> None:
    """Keep an InfoEvent wherever a reading's info code differs from the one last known before it."""
    keys = [key for key in before if key in rows]
    there = {
        (meter_id, at): (number, *codes)
        for number, meter_id, at, *codes in column_store.fetch(
            connection, "meters_infoevent", {"meter_id": _column(keys, 0), "at": _column(keys, 1)},
            ("id", "meter_id", "at", "code_before", "code"),
        )
    }  # fmt: skip
    events: dict[tuple[int, int], InfoEvent] = {}
    gone: list[tuple[int, int]] = []
    for key in keys:
        code, at = rows[key][4], before[key]
        old = rows[key[0], at][4] if at is not None else None
        if code is None or code == (old or 0):
            if key in there:
                gone.append(key)
        elif key not in there or there[key][1:] != (old, code):
            events[key] = InfoEvent(meter_id=key[0], at=key[1], code_before=old, code=code)
    InfoEvent.objects.filter(id__in=[there[key][0] for key in gone]).delete()
    InfoEvent.objects.bulk_create(
        events.values(), update_conflicts=True, unique_fields=["meter", "at"],
        update_fields=["code_before", "code"],
    )  # fmt: skip
    written.info_events(gone, opened=False)
    written.info_events(events, opened=True)


def _column(keys: Sequence[tuple[int, int]], place: int) -> np.ndarray:
    return np.array([key[place] for key in keys], np.int64)
