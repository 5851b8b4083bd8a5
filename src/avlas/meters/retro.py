"""Raw telegrams that waited become readings when their key or layout has come."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
from django.db import DatabaseError, connection

from avlas.meters import column_store
from avlas.meters.judge import WAITING
from avlas.meters.models import Source, State
from avlas.meters.pace import Pace
from avlas.meters.slots import WIRED_BIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from avlas.meters.ingest import IngestResult
    from avlas.meters.models import MeterState

logger = logging.getLogger(__name__)

_METERS = 100  # whose waiting telegrams are looked up at a time

Waiting = tuple[int, float, float | None, bytes, bool]  # collector, heard_at, dBm, frame, wired


def decode_waiting(
    utility_id: int,
    states: Iterable[State] = WAITING,
    meter_ids: Iterable[int] | None = None,
    *,
    heard_after: datetime | None = None,
) -> IngestResult:
    """Decode stored telegrams of ``utility_id`` that could not be read so far; give what became of them.

    ``meter_ids`` and ``heard_after`` (aware) narrow it down. Each chunk is a transaction of its own; running it twice
    changes nothing. Raises what ingest raises.
    """
    from avlas.meters.ingest import IngestResult

    wanted = ", ".join(str(int(state)) for state in states)
    result = IngestResult()
    after = -1 if heard_after is None else int(heard_after.timestamp())
    ids = _waiting_meters(utility_id, wanted) if meter_ids is None else sorted(meter_ids)
    for start in range(0, len(ids), _METERS):
        among, parameter = column_store.among(connection, "meter_id", ids[start : start + _METERS])
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT collector_id, heard_at, rssi_dbm, frame, class_code FROM telegram"
                f" WHERE {among} AND state > 0 AND state IN ({wanted}) AND heard_at > %s ORDER BY heard_at",
                [parameter, after],
            )
            rows = [(*row[:3], bytes(row[3]), bool(row[4] & WIRED_BIT)) for row in cursor.fetchall()]
        result.add(_take_in(rows))
    return result


def decode_new_layouts() -> None:
    """Decode what waited for a layout, of all utilities: layouts are known to all.

    A failure is logged only: the telegrams wait on, and their meters' next ones take them along.
    """
    try:
        for (utility_id,) in _waiting_utilities():
            decode_waiting(utility_id, [State.UNKNOWN_LAYOUT])
    except DatabaseError:
        logger.exception("telegrams that waited for a layout could not be decoded now")


def take_in_recent(states: Iterable[MeterState]) -> None:
    """Take in the last telegrams of addresses that have just been adopted. Raises what ingest raises."""
    rows: list[Waiting] = []
    for state in states:
        if state.last_collector_id is None:
            continue
        for heard_at, dbm, text in state.recent:
            frame = bytes.fromhex(text)
            rows.append((state.last_collector_id, heard_at, dbm, frame, _is_wired(frame)))
    _take_in(rows)


def _take_in(rows: Iterable[Waiting]) -> IngestResult:
    from avlas.meters.ingest import IngestResult, TelegramBatch, ingest

    groups: dict[tuple[int, bool], list[Waiting]] = {}
    for row in rows:
        groups.setdefault((row[0], row[4]), []).append(row)
    result, pace = IngestResult(), Pace()
    for (collector_id, wired), found in groups.items():
        left: Sequence[Waiting] = found
        while left:
            part, left = left[: pace.size], left[pace.size :]
            taken = ingest(
                TelegramBatch(
                    collector_id,
                    [row[3] for row in part],
                    np.array([row[1] for row in part], np.float64),
                    np.array([np.nan if row[2] is None else row[2] for row in part], np.float32),
                    wired=wired,
                    source=Source.WIRED if wired else Source.RADIO,
                    again=True,
                )
            )
            pace.note(len(part), taken)
            result.add(taken)
    return result


def _waiting_meters(utility_id: int, states: str) -> list[int]:
    """The utility's meters with telegrams in one of ``states``; the index `telegram_waiting` knows them."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT t.meter_id FROM telegram t JOIN meters_meter m ON m.id = t.meter_id"
            f" WHERE t.state > 0 AND t.state IN ({states}) AND m.utility_id = %s ORDER BY t.meter_id",
            [utility_id],
        )
        return [row[0] for row in cursor.fetchall()]


def _waiting_utilities() -> list[tuple[int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT m.utility_id FROM telegram t JOIN meters_meter m ON m.id = t.meter_id"
            f" WHERE t.state > 0 AND t.state IN ({int(State.UNKNOWN_LAYOUT)}) ORDER BY m.utility_id"
        )
        rows: list[tuple[int]] = cursor.fetchall()
    return rows


def _is_wired(frame: bytes) -> bool:
    """A long frame of the wired bus (68 L L 68 ... 16), which no radio frame of that length can be."""
    return len(frame) > 5 and frame[0] == frame[3] == 0x68 and len(frame) == frame[1] + 6 == frame[2] + 6
