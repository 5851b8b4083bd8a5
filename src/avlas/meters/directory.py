"""Whose telegram is it: addresses, meters and keys of one utility, kept in memory until something changes.

Every change of a meter, address or key bumps the utility's generation number (models.Generation); ingest reads the
number in each batch's transaction and asks for a new directory when it moved.

An address is met once, whoever's it is, and from then on found among all others of a batch at once: its handle in the
key ring is its place in the directory's columns.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from django.db import connection

from avlas.decode.batch import Keyring, address_of
from avlas.meters.fences import Fences
from avlas.meters.keys import keys_for
from avlas.meters.models import MeterAddress

if TYPE_CHECKING:
    from avlas.decode.types import Address

_STRANGERS_SLOT = 3600  # seconds
_MOST_STRANGERS = 100_000  # met, before all are forgotten: noise invents addresses without end


@dataclass(frozen=True, slots=True)
class Known:
    """A meter that an address leads to."""

    meter_id: int
    slot_seconds: int
    clock_offset_minutes: int
    contested: bool
    nameless: bool = False  # no model is written down yet


class Directory:
    """The addresses and keys of one utility at one generation.

    Columns by handle: ``meter_id`` (0: a stranger's address), ``slot_seconds``, ``clock_offset`` (seconds),
    ``contested``, ``nameless`` (its meter has no model yet), ``state_id`` (its row of meter_state as far as known,
    to be checked; 0: not known). Lists by handle: ``address`` (a number as in decode.batch.Headers) and ``text``
    (as in MeterState). ``fences``: what was erased of its meters and must not come back.
    """

    _cache: ClassVar[dict[int, Directory]] = {}
    _lock = threading.Lock()

    def __init__(self, utility_id: int, generation: int) -> None:
        self.utility_id = utility_id
        self.generation = generation
        self.lock = threading.RLock()  # one thread at a time meets addresses, provides keys and decodes
        self.ring = Keyring()
        self.strangers = 0
        self.fences = Fences.of(utility_id)
        self._by_identifier: dict[str, list[tuple[int | None, int | None, Known]]] = {}
        rows = MeterAddress.objects.filter(
            utility_id=utility_id, road__in=("radio", "wired"), to_at__isnull=True
        ).values_list(
            "identifier", "version", "device_type", "contested",
            "meter_id", "meter__slot_seconds", "meter__clock_offset_minutes", "meter__model",
        )  # fmt: skip
        for identifier, version, device_type, contested, meter_id, slot, offset, model in rows.iterator(5000):
            self._by_identifier.setdefault(identifier, []).append(
                (version, device_type, Known(meter_id, slot, offset, contested, not model))
            )
        self.address: list[int] = []
        self.text: list[str] = []
        self.meter_id, self.clock_offset, self.state_id = (np.zeros(64, np.int64) for _ in range(3))
        self.slot_seconds = np.full(64, _STRANGERS_SLOT, np.int64)
        self.contested, self.nameless, self._has_key = (np.zeros(64, bool) for _ in range(3))

    @classmethod
    def of(cls, utility_id: int) -> Directory:
        """Give the newest directory of a utility (one database look when nothing changed)."""
        number = current_generation(utility_id)
        with cls._lock:
            found = cls._cache.get(utility_id)
            if found is None or found.generation != number or found.strangers > _MOST_STRANGERS:
                found = cls._cache[utility_id] = cls(utility_id, number)
            return found

    @classmethod
    def forget(cls) -> None:
        """Drop everything in memory (another database, a rotated master key)."""
        with cls._lock:
            cls._cache.clear()

    def find(self, address: Address) -> Known | None:
        """Give the meter at ``address``; one that names version and device type goes before one that doesn't."""
        best: Known | None = None
        for version, device_type, known in self._by_identifier.get(
            address.manufacturer + address.identification, ()
        ):
            if version in (None, address.version) and device_type in (None, address.device_type):
                if version is not None:
                    return known
                best = best or known
        return best

    def handles(self, addresses: np.ndarray) -> np.ndarray:
        """Give the handle (int32) of each address (uint64 as in decode.batch.Headers), -1 for 0."""
        with self.lock:
            found = self.ring.find(addresses)
            new = np.unique(addresses[(found < 0) & (addresses != 0)])
            if new.size:
                for number in new.tolist():
                    self._meet(number)
                found = self.ring.find(addresses)
            return found

    def provide_keys(self, handles: np.ndarray) -> None:
        """See to it that ``ring`` holds the keys of these addresses, where there are any. Raises SecretError."""
        with self.lock:
            missing = np.unique(handles[(handles >= 0) & ~self._has_key[handles]])
            if not missing.size:
                return
            numbers = [self.address[handle] for handle in missing.tolist()]
            who = {number: address_of(number) for number in numbers}
            keys = keys_for(
                self.utility_id, list({(one.manufacturer, one.identification) for one in who.values()})
            )
            for number, one in who.items():
                self.ring.set(number, keys[one.manufacturer, one.identification])
            self._has_key[missing] = True

    def _meet(self, number: int) -> None:
        handle = self.ring.set(number, None)
        if handle >= len(self.meter_id):
            for name in ("meter_id", "clock_offset", "state_id", "slot_seconds", "contested", "nameless",
                         "_has_key"):  # fmt: skip
                column = getattr(self, name)
                more = np.full(len(column), _STRANGERS_SLOT if name == "slot_seconds" else 0, column.dtype)
                setattr(self, name, np.concatenate([column, more]))
        self.address.append(number)
        self.text.append(number.to_bytes(8, "little").hex().upper())
        known = self.find(address_of(number))
        if known is None:
            self.strangers += 1
            return
        self.meter_id[handle] = known.meter_id
        self.slot_seconds[handle] = known.slot_seconds
        self.clock_offset[handle] = known.clock_offset_minutes * 60
        self.contested[handle] = known.contested
        self.nameless[handle] = known.nameless


def current_generation(utility_id: int) -> int:
    """Give the utility's generation number as this transaction sees it (0: nothing ever changed)."""
    with connection.cursor() as cursor:  # asked with every batch: the ORM would take longer than the database
        cursor.execute("SELECT number FROM meters_generation WHERE utility_id = %s", [utility_id])
        row = cursor.fetchone()
    return row[0] if row else 0
