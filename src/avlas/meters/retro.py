"""Raw telegrams that waited become readings when their key or layout has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from avlas.meters.models import MeterState, State, Telegram

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from avlas.meters.ingest import IngestResult

WAITING = (State.NO_KEY, State.WRONG_KEY, State.DAMAGED, State.UNKNOWN_LAYOUT, State.UNSUPPORTED)
_CHUNK = 2000
_WIRED_BIT = 1 << 24


def decode_waiting(
    utility_id: int, states: Iterable[State] = WAITING, meter_ids: Iterable[int] | None = None
) -> IngestResult:
    """Decode stored telegrams of ``utility_id`` that could not be read so far; give what became of them.

    ``meter_ids`` narrows it down. Each chunk is a transaction of its own; running it twice changes nothing.
    """
    from avlas.meters.ingest import IngestResult, TelegramBatch, ingest

    waiting = Telegram.objects.filter(
        meter__utility_id=utility_id, state__in=[int(state) for state in states]
    )
    if meter_ids is not None:
        waiting = waiting.filter(meter_id__in=list(meter_ids))
    rows = waiting.order_by("heard_at").values_list(
        "collector_id", "class_code", "heard_at", "rssi_dbm", "frame"
    )
    result = IngestResult()
    groups: dict[tuple[int, bool], list[tuple]] = {}
    for row in list(rows):
        groups.setdefault((row[0], bool(row[1] & _WIRED_BIT)), []).append(row)
    for (collector_id, wired), found in groups.items():
        for part in _chunks(found):
            result.add(
                ingest(
                    TelegramBatch(
                        collector_id,
                        [bytes(row[4]) for row in part],
                        np.array([row[2].timestamp() for row in part], np.float64),
                        np.array([np.nan if row[3] is None else row[3] for row in part], np.float32),
                        wired=wired,
                        again=True,
                    )
                )
            )
    return result


def take_in_recent(states: Iterable[MeterState]) -> None:
    """Take in the last telegrams of addresses that have just been adopted."""
    from avlas.meters.ingest import TelegramBatch, ingest

    for state in states:
        if state.recent and state.last_collector_id:
            ingest(
                TelegramBatch(
                    state.last_collector_id,
                    [bytes.fromhex(text) for _, _, text in state.recent],
                    np.array([at for at, _, _ in state.recent], np.float64),
                    np.array([np.nan if dbm is None else dbm for _, dbm, _ in state.recent], np.float32),
                    wired=state.recent[0][2].startswith("68"),
                    again=True,
                )
            )


def _chunks(rows: list[tuple]) -> Iterator[list[tuple]]:
    for start in range(0, len(rows), _CHUNK):
        yield rows[start : start + _CHUNK]
