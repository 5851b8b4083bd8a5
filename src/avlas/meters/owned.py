"""A batch of telegrams and whose they are, in columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from avlas.decode.batch import Headers
    from avlas.meters.directory import Directory
    from avlas.meters.ingest import TelegramBatch


@dataclass(frozen=True, slots=True)
class Owned:
    """A batch's columns of n rows, as one directory sees them."""

    telegrams: TelegramBatch
    heads: Headers
    directory: Directory
    heard_at: np.ndarray  # int64: whole seconds UTC
    handle: np.ndarray  # int32: the address in the directory, -1 where there is none or a fence
    meter_id: np.ndarray  # int64: 0 where the address is nobody's
    slot_at: np.ndarray  # int64
    mine: np.ndarray  # bool: of an own meter that nobody else claims

    @classmethod
    def of(cls, telegrams: TelegramBatch, heads: Headers, directory: Directory) -> Owned:
        """Look up whose telegrams these are."""
        heard_at = np.floor(telegrams.heard_at).astype(np.int64)
        handle = directory.handles(heads.address)
        meter_id = np.where(handle < 0, 0, directory.meter_id[handle])
        slot_at = heard_at - heard_at % directory.slot_seconds[handle]
        if len(directory.fences):  # what is fenced off is as if it had never been heard
            fenced = directory.fences.hold(meter_id, slot_at)
            handle, meter_id = np.where(fenced, np.int32(-1), handle), np.where(fenced, 0, meter_id)
        return cls(
            telegrams, heads, directory, heard_at, handle, meter_id, slot_at,
            (meter_id > 0) & ~directory.contested[handle],
        )  # fmt: skip
