"""How often, when and how strongly addresses were heard in a batch, or in several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.meters.owned import Owned

_PACKED = np.dtype(
    [("key", "<u8"), ("last_heard_at", "<i8"), ("since_first", "<u4"), ("since_slot", "<u4"),
     ("slot_seconds", "<u4"), ("heard", "<u4"), ("rssi_dbm", "<f4")]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hearing:
    """Of each address once, in columns; moments in seconds UTC."""

    key: np.ndarray  # what tells the addresses apart (handles, or the addresses themselves), rising
    heard: np.ndarray
    first_heard_at: np.ndarray
    last_heard_at: np.ndarray
    slot: np.ndarray  # when the slot of the last telegram began
    next_slot: np.ndarray
    rssi_dbm: np.ndarray  # float64: the strongest of that slot, NaN: unknown

    @classmethod
    def of(cls, owned: Owned, rows: np.ndarray, key: np.ndarray) -> Hearing:
        """What these rows of a batch say (all with an address; ``key`` is theirs)."""
        heard_at, slot = owned.heard_at[rows], owned.slot_at[rows]
        next_slot = slot + owned.directory.slot_seconds[owned.handle[rows]]
        rssi_dbm = owned.telegrams.rssi_dbm[rows].astype(np.float64)
        return cls(key, np.ones(len(rows), np.int64), heard_at, heard_at, slot, next_slot, rssi_dbm).summed()

    def summed(self) -> Hearing:
        """Each address once, where it may stand several times: what these say together."""
        keys, which = np.unique(self.key, return_inverse=True)
        order = np.lexsort((self.last_heard_at, which))
        newest = order[np.append(which[order][1:] != which[order][:-1], True)]
        first = np.full(len(keys), np.iinfo(np.int64).max)
        np.minimum.at(first, which, self.first_heard_at)
        heard = np.zeros(len(keys), np.int64)
        np.add.at(heard, which, self.heard)
        strongest = np.full(len(keys), np.nan)
        there = self.slot == self.slot[newest][which]
        np.fmax.at(strongest, which[there], self.rssi_dbm[there])
        return Hearing(
            keys,
            heard,
            first,
            self.last_heard_at[newest],
            self.slot[newest],
            self.next_slot[newest],
            strongest,
        )

    def packed(self) -> bytes:
        """36 bytes an address; ``key`` must be a number without sign."""
        rows = np.empty(len(self.key), _PACKED)
        rows["key"], rows["last_heard_at"] = self.key, self.last_heard_at
        rows["since_first"] = self.last_heard_at - self.first_heard_at
        rows["since_slot"] = self.last_heard_at - self.slot
        rows["slot_seconds"] = self.next_slot - self.slot
        rows["heard"], rows["rssi_dbm"] = self.heard, self.rssi_dbm
        return rows.tobytes()

    @classmethod
    def unpacked(cls, bodies: Sequence[bytes]) -> Hearing:
        """What was packed, one after the other: an address may stand in it several times."""
        rows = np.frombuffer(b"".join(bodies), _PACKED)
        last = rows["last_heard_at"].astype(np.int64)
        slot = last - rows["since_slot"]
        return cls(
            rows["key"].astype(np.uint64), rows["heard"].astype(np.int64), last - rows["since_first"], last, slot,
            slot + rows["slot_seconds"], rows["rssi_dbm"].astype(np.float64),
        )  # fmt: skip
