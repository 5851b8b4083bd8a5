"""Messages too long for one frame (authentication layer, CI 90): their fragments are put together where they come in.

The fragments themselves go on as they are: each is kept as a raw telegram that says nothing alone. With the last one
the whole message joins the batch and is judged and stored like any other telegram. What has come of a message is
remembered for each collector in memory; after a restart the meter's next message is whole again.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from avlas.decode import Assembler

if TYPE_CHECKING:
    from avlas.decode.batch import Headers
    from avlas.meters.ingest import TelegramBatch

_FIRST_CI = (0x90, 0x8C, 0x8E)  # of frames that can hold an authentication layer in clear
_lock = threading.Lock()
_begun: dict[int, Assembler] = {}


def with_messages(telegrams: TelegramBatch, heads: Headers) -> TelegramBatch:
    """Give the batch with every message that its fragments complete; the batch itself when there is none."""
    if telegrams.wired or telegrams.again:
        return telegrams
    ci = heads.class_code >> 8 & 0xFF
    rows = np.flatnonzero(np.isin(ci, _FIRST_CI))
    rows = rows[np.argsort(telegrams.heard_at[rows], kind="stable")]
    whole: list[tuple[int, bytes]] = []
    with _lock:
        for row in rows.tolist():
            frame = telegrams.frames[row]
            message = _begun.setdefault(telegrams.collector_id, Assembler()).add(frame)
            if message is not None and message is not frame:
                whole.append((row, message))
    if not whole:
        return telegrams
    last = np.array([row for row, _ in whole])
    return replace(
        telegrams,
        frames=[*telegrams.frames, *(message for _, message in whole)],
        heard_at=np.concatenate([telegrams.heard_at, telegrams.heard_at[last]]),
        rssi_dbm=np.concatenate([telegrams.rssi_dbm, telegrams.rssi_dbm[last]]),
    )


def forget() -> None:
    """Drop what has come of messages (another database)."""
    with _lock:
        _begun.clear()
