"""What each receiver heard hour by hour: counted while it listens, added to its rows, read for pages."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from django.db import transaction

from avlas.meters.models import ReceiverHour

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HOUR: Final = 3600


@dataclass(slots=True)
class Tally:
    """What was heard in one hour since it was last written; ``addresses`` of the whole hour."""

    seconds: float = 0.0
    telegrams: int = 0
    damaged: int = 0
    addresses: set[bytes] = field(default_factory=set)
    signals: Counter[str] = field(default_factory=Counter)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return self.seconds < 1 and not self.telegrams and not self.damaged

    def hear(self, address: bytes, rssi_dbm: float | None) -> None:
        """Count a telegram of an address, heard so strongly."""
        self.telegrams += 1
        self.addresses.add(address)
        if rssi_dbm is not None:
            self.signals[str(round(rssi_dbm))] += 1


def add(collector_id: int, hour_at: int, tally: Tally) -> None:
    """Add a tally to a receiver's row of the hour that began at ``hour_at`` (seconds UTC), in one transaction."""
    with transaction.atomic():
        row, _ = ReceiverHour.objects.select_for_update().get_or_create(
            collector_id=collector_id, hour_at=hour_at
        )
        row.seconds = min(HOUR, row.seconds + round(tally.seconds))
        row.telegrams += tally.telegrams
        row.damaged += tally.damaged
        row.meters = max(row.meters, len(tally.addresses))
        row.signals = dict(Counter(row.signals) + tally.signals)
        row.save()


def median(signals: Mapping[str, int]) -> int | None:
    """The middle signal strength in dBm of counted ones; None without any."""
    half = sum(signals.values()) / 2
    passed = 0
    for dbm in sorted(map(int, signals)):
        passed += signals[str(dbm)]
        if passed >= half:
            return dbm
    return None


def merged(rows: Iterable[ReceiverHour]) -> Tally:
    """Hours taken together, but for the meters: who was heard is not known any more."""
    total = Tally()
    for row in rows:
        total.seconds += row.seconds
        total.telegrams += row.telegrams
        total.damaged += row.damaged
        total.signals.update(row.signals)
    return total
