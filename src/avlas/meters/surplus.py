"""Surplus telegrams of many meters at once: kept as one row a batch, and added to the meters' states a little later.

A meter whose slot is full says nothing new, only that it was heard. To change its wide state row for each batch costs
several times what all the rest does. So where a batch has surplus of many addresses, how often, when and how strongly
each was heard is put into one packed row, in the batch's transaction, and what several batches say is added to
the states together: by the next batch after a few seconds, whoever brings it, and in between by the process of the
collectors. Until then the states tell of some seconds before. No telegram is lost or counted twice, whoever is killed.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from django.db import transaction

from avlas.meters import states
from avlas.meters.directory import Directory
from avlas.meters.hearing import Hearing
from avlas.meters.models import WaitingSurplus

if TYPE_CHECKING:
    from avlas.meters.owned import Owned

MANY: Final = 500
"""Addresses: where fewer have nothing but surplus, their states are changed at once."""
LATER_SECONDS: Final = 5.0
_MOST: Final = 15  # batches that wait

_lock = threading.Lock()
_added: dict[int, tuple[float, int]] = {}  # utility -> when this process added last, batches kept since


def can_wait(utility_id: int, handle: np.ndarray, surplus: np.ndarray) -> np.ndarray:
    """Which rows of a batch (mask) need not change states now: surplus of addresses that have nothing else in it.

    None where these are few, or where nothing was added for some seconds. ``handle``: -1 where there is no address.
    """
    none = np.zeros(len(handle), bool)
    if np.count_nonzero(surplus) < MANY or is_due(utility_id):
        return none
    busy = np.zeros(int(handle.max()) + 2, bool)
    busy[handle[~surplus]] = True
    found: np.ndarray = surplus & ~busy[handle]
    return found if len(np.unique(handle[found])) >= MANY else none


def keep(owned: Owned, rows: np.ndarray) -> None:
    """Write down what these rows of a batch say, within its transaction."""
    if not rows.size:
        return
    hearing = Hearing.of(owned, rows, owned.heads.address[rows])
    utility_id = owned.directory.utility_id
    WaitingSurplus.objects.create(
        utility_id=utility_id, collector_id=owned.telegrams.collector_id, body=hearing.packed()
    )
    with _lock:
        at, kept = _added.get(utility_id, (0.0, 0))
        _added[utility_id] = at, kept + 1


def is_due(utility_id: int) -> bool:
    """Whether it is time for this process to add what waits of the utility."""
    with _lock:
        at, kept = _added.get(utility_id, (time.monotonic() - LATER_SECONDS, 0))
    return kept >= _MOST or time.monotonic() - at >= LATER_SECONDS


def add_all() -> int:
    """Add what waits of any utility; gives how many batches that were. Raises OperationalError: then it waits on."""
    waiting = WaitingSurplus.objects.order_by("utility_id").values_list("utility_id", flat=True).distinct()
    return sum(add(utility_id) for utility_id in list(waiting))


def add(utility_id: int) -> int:
    """Add what waits to the states of a utility's addresses; gives how many batches that were.

    Raises OperationalError: then it waits on.
    """
    with _lock:
        _added[utility_id] = time.monotonic(), 0
    if not WaitingSurplus.objects.filter(utility_id=utility_id).exists():
        return 0
    with transaction.atomic():
        rows = list(
            WaitingSurplus.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(utility_id=utility_id)
            .order_by("id")
        )
        if not rows:
            return 0
        directory = Directory.of(utility_id)
        heard_by: dict[int, Hearing] = {}
        for collector_id in sorted({row.collector_id for row in rows}):
            found = Hearing.unpacked([bytes(row.body) for row in rows if row.collector_id == collector_id])
            heard_by[collector_id] = replace(found, key=directory.handles(found.key)).summed()
        handles = np.unique(np.concatenate([one.key for one in heard_by.values()]))
        first = np.full(len(handles), np.iinfo(np.int64).max)
        for one in heard_by.values():
            at = np.searchsorted(handles, one.key)
            first[at] = np.minimum(first[at], one.first_heard_at)
        held = states.lock(directory, handles, first)
        for collector_id, one in heard_by.items():
            states.add_surplus(directory, held.of_handles(one.key), one, collector_id)
            held = states.Rows.load(directory, handles) if len(heard_by) > 1 else held
        WaitingSurplus.objects.filter(id__in=[row.id for row in rows]).delete()
    return len(rows)
