"""Spans of meters whose readings were erased: nothing of them is ever stored again, whatever road brings it.

A fence lies strictly between two moments; what stands exactly at either belongs to the neighbours' bills and stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from avlas.meters.models import Fence

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Fences:
    """Fences in columns by meter: ``begin`` and ``end`` in seconds UTC."""

    meter: np.ndarray  # int64, rising
    begin: np.ndarray
    end: np.ndarray

    @classmethod
    def of(cls, utility_id: int) -> Fences:
        """Load those of a utility's meters."""
        rows = Fence.objects.filter(meter__utility_id=utility_id).order_by("meter_id", "pk")
        return cls.made_of(
            (meter_id, int(begin.timestamp()), int(end.timestamp()))
            for meter_id, begin, end in rows.values_list("meter_id", "from_at", "to_at")
        )

    @classmethod
    def made_of(cls, rows: Iterable[tuple[int, int, int]]) -> Fences:
        """Make them of (meter id, begin, end)."""
        table = np.array(sorted(rows), np.int64).reshape(-1, 3)
        return cls(table[:, 0], table[:, 1], table[:, 2])

    def __len__(self) -> int:
        return len(self.meter)

    def hold(self, meter: np.ndarray, at: np.ndarray) -> np.ndarray:
        """A mask of the moments ``at`` (seconds UTC) of meters that lie within a fence."""
        held = np.zeros(len(meter), bool)
        if not len(self.meter):
            return held
        near = np.flatnonzero(np.isin(meter, self.meter))
        for one in np.unique(meter[near]).tolist():
            rows = near[meter[near] == one]
            first, last = np.searchsorted(self.meter, (one, one + 1))
            moments = at[rows, None]
            held[rows] = ((moments > self.begin[first:last]) & (moments < self.end[first:last])).any(axis=1)
        return held

    def holds(self, meter_id: int, at: int) -> bool:
        """Whether one moment lies within a fence of one meter."""
        return bool(len(self.meter)) and bool(self.hold(np.array([meter_id]), np.array([at]))[0])
