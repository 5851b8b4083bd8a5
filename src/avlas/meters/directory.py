"""Whose telegram is it: addresses, meters and keys of one utility, kept in memory until something changes.

Every change of a meter, address or key bumps the utility's generation number (models.Generation); ingest reads the
number in each batch's transaction and asks for a new directory when it moved.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from avlas.decode.batch import Keyring, address_of
from avlas.meters.keys import keys_for
from avlas.meters.models import Generation, MeterAddress

if TYPE_CHECKING:
    from collections.abc import Iterable

    from avlas.decode.types import Address


@dataclass(frozen=True, slots=True)
class Known:
    """A meter that an address leads to."""

    meter_id: int
    slot_seconds: int
    clock_offset_minutes: int
    contested: bool


class Directory:
    """The addresses and keys of one utility at one generation."""

    _cache: ClassVar[dict[int, Directory]] = {}
    _lock = threading.Lock()

    def __init__(self, utility_id: int, generation: int) -> None:
        self.utility_id = utility_id
        self.generation = generation
        self._by_identifier: dict[str, list[tuple[int | None, int | None, Known]]] = {}
        self.ring = Keyring()
        self._provided: set[int] = set()
        rows = MeterAddress.objects.filter(
            utility_id=utility_id, road__in=("radio", "wired"), to_at__isnull=True
        ).values_list(
            "identifier", "version", "device_type", "contested",
            "meter_id", "meter__slot_seconds", "meter__clock_offset_minutes",
        )  # fmt: skip
        for identifier, version, device_type, contested, meter_id, slot, offset in rows.iterator(5000):
            self._by_identifier.setdefault(identifier, []).append(
                (version, device_type, Known(meter_id, slot, offset, contested))
            )

    @classmethod
    def of(cls, utility_id: int) -> Directory:
        """Give the newest directory of a utility (one database look when nothing changed)."""
        number = current_generation(utility_id)
        with cls._lock:
            found = cls._cache.get(utility_id)
            if found is None or found.generation != number:
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

    def provide_keys(self, addresses: Iterable[int]) -> None:
        """See to it that ``ring`` knows the key of each address (uint64 as int), or that there is none."""
        new = [number for number in addresses if number and number not in self._provided]
        who = {number: address_of(number) for number in new}
        keys = keys_for(
            self.utility_id, list({(one.manufacturer, one.identification) for one in who.values()})
        )
        for number, one in who.items():
            self.ring.set(number, keys[one.manufacturer, one.identification])
        self._provided.update(new)


def current_generation(utility_id: int) -> int:
    """Give the utility's generation number as this transaction sees it (0: nothing ever changed)."""
    number = Generation.objects.filter(utility_id=utility_id).values_list("number", flat=True).first()
    return number or 0
