"""The ordinary telegrams of a batch, judged in columns: surplus, and the first of their class in a slot.

Nearly every telegram is one of the two. Surplus: of its class the slot holds a telegram that was read and was heard
earlier. First: the slot holds nothing of its class, and whatever fills its reading was heard earlier; it can be
read, and its counter goes on. A meter with a telegram that is anything else (out of order, not to be read, forged,
...) is left to the careful road (judge.py) with all its telegrams of the batch. What is decoded here is not decoded
again there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from avlas.decode.batch import Columns, batch
from avlas.meters import layouts, slots
from avlas.meters.models import State
from avlas.meters.states import Freshnesses, Rows

if TYPE_CHECKING:
    from avlas.decode.compact import Layouts
    from avlas.meters.owned import Owned

_NOTHING = -1  # no telegram stored


class Ordinary:
    """What becomes of the ordinary telegrams.

    ``rows`` are the first ones of their class, by meter, slot and class (places in the batch), all read; ``place``
    says where each stands in ``columns``. ``surplus`` are the rows that change nothing but the counts. ``careful``
    says for each row of the batch whether the careful road has to look at it. ``looked_at`` is what the slots held.
    """

    def __init__(self, owned: Owned, store: Layouts) -> None:
        """Judge; reads the database. Raises OperationalError, SecretError."""
        self.owned = owned
        self._store = store
        self.columns: Columns | None = None
        self.decoded = np.zeros(0, np.int64)  # rows of the batch in the order of ``columns``
        self.fresh = Freshnesses.none()
        self.freshness = Freshnesses.none()
        self.state_rows: Rows | None = None  # of all addresses heard, once they were needed
        mine = np.flatnonzero(owned.mine)
        count = len(owned.handle)
        self.surplus = np.zeros(count, bool)
        self.careful = np.zeros(count, bool)
        self.rows = self.place = np.zeros(0, np.int64)
        self.looked_at = slots.StoredColumns.none()
        if owned.telegrams.again:
            self.careful[mine] = True
        elif mine.size:
            self._judge(mine)

    @property
    def meter_ids(self) -> np.ndarray:
        """The meters whose rows change (sorted)."""
        found: np.ndarray = np.unique(self.owned.meter_id[self.rows])
        return found

    def has_changed(self, fresh: Freshnesses) -> bool:
        """Whether the database no longer says what was judged by. ``fresh``: as the locked rows have it."""
        return not self.freshness.equal(fresh.of(self.freshness.handle))

    def slots_have_changed(self) -> bool:
        """Whether the slots of the meters to be written hold other telegrams by now."""
        wanted = np.isin(self.looked_at.key_meter, self.meter_ids)
        return not self.looked_at.only(wanted).is_current()

    def _judge(self, rows: np.ndarray) -> None:
        owned = self.owned
        meter, slot = owned.meter_id[rows], owned.slot_at[rows]
        code, heard = owned.heads.class_code[rows], owned.heard_at[rows]
        order = np.lexsort((heard, code, slot, meter))
        rows, meter, slot, code, heard = (one[order] for one in (rows, meter, slot, code, heard))
        new_slot = slots.begins(meter, slot)
        new_group = new_slot | slots.begins(code)
        slot_of, group_of = np.cumsum(new_slot) - 1, np.cumsum(new_group) - 1
        stored = self.looked_at = slots.StoredColumns.load(meter[new_slot], slot[new_slot])
        there_state, there_heard = stored.of_classes(slot_of[new_group], code[new_group])
        last_read = stored.last_read()
        read = there_state[group_of] == State.READ
        surplus = read & (heard > there_heard[group_of])
        same = np.flatnonzero(read & (heard == there_heard[group_of]))
        if same.size:
            surplus[same] = self._not_before(rows[same], meter[same], slot[same], code[same])
        left = np.flatnonzero(~surplus)
        group = group_of[left]
        begins = slots.begins(group)
        first = left[begins]
        unclear = (there_state[group_of[first]] != _NOTHING) | (last_read[slot_of[first]] >= heard[first])
        following = np.flatnonzero(begins) + 1  # another of the class in the same second: their bytes decide
        inside = following < len(left)
        beside = left[np.minimum(following, len(left) - 1)]
        unclear |= inside & (group_of[beside] == group_of[first]) & (heard[beside] == heard[first])
        careful = np.unique(meter[first[unclear]])
        first = first[~np.isin(meter[first], careful)]
        self._read(rows[first])
        careful = np.union1d(careful, self._not_ordinary(rows[first]))
        self.careful[rows] = np.isin(meter, careful)
        ordinary = ~self.careful[rows]
        kept = first[ordinary[first]]
        self.rows = rows[kept]
        self.place = self._places(self.rows)
        self.surplus[rows[ordinary]] = True
        self.surplus[self.rows] = False
        written = np.unique(owned.handle[self.rows])
        self.freshness, self.fresh = self.freshness.of(written), self.fresh.of(written)

    def _not_before(
        self, rows: np.ndarray, meter: np.ndarray, slot: np.ndarray, code: np.ndarray
    ) -> np.ndarray:
        """Of telegrams heard in the same second as the stored one of their class: which are not before it."""
        keys = list(zip(meter.tolist(), slot.tolist(), code.tolist(), strict=True))
        there = slots.load_frames(sorted(set(keys)))
        frames = self.owned.telegrams.frames
        return np.array(
            [
                frames[row] >= there.get(key, b"\xff" * 512)
                for row, key in zip(rows.tolist(), keys, strict=True)
            ]
        )

    def _read(self, rows: np.ndarray) -> None:
        """Decode these rows."""
        if not rows.size:
            return
        owned = self.owned
        with layouts.decoding:
            owned.directory.provide_keys(owned.handle[rows])
            self.columns = batch(owned.heads, rows, owned.directory.ring, self._store)
        self.decoded = rows

    def _not_ordinary(self, rows: np.ndarray) -> np.ndarray:
        """The meters of which a telegram could not be read, or is not above suspicion."""
        if self.columns is None:
            return np.zeros(0, np.int64)
        owned = self.owned
        failed = np.zeros(len(rows), bool)
        failed[list(self.columns.errors)] = True
        bad = np.unique(owned.meter_id[rows[failed]])
        good = np.flatnonzero(~np.isin(owned.meter_id[rows], bad))
        good = good[np.lexsort((owned.heard_at[rows[good]], owned.handle[rows[good]]))]
        handle, heard_at = owned.handle[rows[good]], owned.heard_at[rows[good]]
        heard = np.unique(owned.handle[owned.handle >= 0])
        self.state_rows = Rows.load(owned.directory, heard)
        self.freshness = self.state_rows.freshnesses.of(np.unique(handle))
        suspect, self.fresh = self.freshness.judge(
            handle, self.columns.security[good].astype(np.int64), self.columns.counter[good], heard_at
        )
        return np.union1d(bad, owned.meter_id[rows[good[suspect]]])

    def _places(self, rows: np.ndarray) -> np.ndarray:
        """Where these rows stand in the columns."""
        at = np.argsort(self.decoded)
        found: np.ndarray = at[np.searchsorted(self.decoded, rows, sorter=at)] if len(at) else at
        return found
