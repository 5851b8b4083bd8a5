"""What is kept of each address heard: last heard, signal, counters, and what protects it from forged telegrams.

Forgery (DESIGN section 5): once a meter was read with a key, telegrams that are clear, weaker or replayed are not
readings but DOWNGRADED. A telegram is replayed when its counter (ELL session number, AFL message counter) is lower
than one heard before it, or the same long after. Mode 5 has no counter and can't prove freshness.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.db import connection

from avlas.decode.families import find, medium
from avlas.meters.models import Meter, MeterState, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from avlas.decode.types import Address

_SAME_COUNTER_SECONDS = 900  # two roads may bring one telegram minutes apart, not hours
_RECENT = 3
COUNTED = {
    State.READ: "read",
    State.NO_KEY: "no_key",
    State.WRONG_KEY: "wrong_key",
    State.DAMAGED: "damaged",
    State.UNKNOWN_LAYOUT: "unknown_layout",
    State.UNSUPPORTED: "unsupported",
    State.DOWNGRADED: "downgraded",
}

_WRITTEN = (
    "meter", "model", "medium", "security", "first_heard_at", "last_heard_at", "last_read_at", "last_collector",
    "rssi_dbm", "state", "state_at", "problem", "heard", "surplus", *COUNTED.values(), "counter", "counter_at", "secured",
    "clock_error_seconds", "info_code", "recent",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Freshness:
    """What a telegram is judged by: strongest security read so far, highest counter and when it was heard."""

    secured: int = 0
    counter: int | None = None
    counter_at: int | None = None

    def judge(self, security: int, counter: int | None, heard_at: int) -> tuple[str, Freshness]:
        """Judge a telegram that could be read; give ("", what to judge the next by) or (why not, self).

        ``heard_at``: seconds UTC. A telegram heard before the highest counter's is never taken for a replay.
        """
        if security < self.secured:
            return "weaker security than this meter has been read with before", self
        if counter is None or self.counter is None or self.counter_at is None:
            newer = counter is not None
        else:
            late = heard_at - self.counter_at
            if late >= 0 and counter < self.counter:
                return f"its counter {counter} is lower than {self.counter} heard before: replayed", self
            if late > _SAME_COUNTER_SECONDS and counter == self.counter:
                return f"its counter {counter} was heard {late} seconds ago: replayed", self
            newer = counter > self.counter
        fresh = replace(self, secured=max(self.secured, security))
        return "", replace(fresh, counter=counter, counter_at=heard_at) if newer else fresh


@dataclass(slots=True)
class Sighting:
    """What one batch has to say about one address."""

    address: Address
    meter_id: int | None
    heard: int = 0
    surplus: int = 0
    counts: dict[State, int] | None = None
    first_heard_at: int = 0
    last_heard_at: int = -1
    rssi_dbm: float | None = None
    security: str = ""
    state: State = State.UNKNOWN_METER
    state_at: int = -1
    problem: str = ""
    model: str = ""
    medium: str = ""
    last_read_at: int | None = None
    info_code: int | None = None
    info_at: int = -1
    clock_error_seconds: int | None = None
    recent: list[tuple[int, float | None, str]] | None = None  # heard_at, dBm, hex: meters that are not ours


def load_freshness(utility_id: int, addresses: Iterable[str], *, lock: bool = False) -> dict[str, Freshness]:
    """Give the freshness of each address (hex); ``lock`` holds the rows until the transaction ends."""
    wanted = sorted(set(addresses))
    found = dict.fromkeys(wanted, Freshness())
    for start in range(0, len(wanted), 500):
        rows = MeterState.objects.filter(utility_id=utility_id, address__in=wanted[start : start + 500])
        if lock and connection.vendor == "postgresql":
            rows = rows.order_by("address").select_for_update()
        for address, secured, counter, at in rows.values_list("address", "secured", "counter", "counter_at"):
            found[address] = Freshness(secured, counter, int(at.timestamp()) if at else None)
    return found


def make_missing(utility_id: int, sightings: dict[str, Sighting]) -> None:
    """Make state rows for addresses heard for the first time, so that they can be locked and counted on."""
    there: set[str] = set()
    wanted = sorted(sightings)
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        there |= set(
            MeterState.objects.filter(utility_id=utility_id, address__in=part).values_list(
                "address", flat=True
            )
        )
    new = []
    for text in wanted:
        if text in there:
            continue
        one = sightings[text]
        known = find(one.address)
        new.append(
            MeterState(
                utility_id=utility_id,
                address=text,
                meter_id=one.meter_id,
                manufacturer=one.address.manufacturer,
                identification=one.address.identification,
                version=one.address.version,
                device_type=one.address.device_type,
                model=known[1].model if known else "",
                medium=medium(one.address.device_type),
                first_heard_at=one.first_heard_at,
                last_heard_at=one.first_heard_at,
            )
        )
    MeterState.objects.bulk_create(new, ignore_conflicts=True, batch_size=500)


def write_states(
    utility_id: int,
    collector_id: int,
    sightings: dict[str, Sighting],
    freshness: dict[str, Freshness],
    *,
    again: bool,
) -> None:
    """Add a batch's sightings to the state rows (all there already). ``again``: heard counts stay as they are."""
    wanted = sorted(sightings)
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        rows = list(MeterState.objects.filter(utility_id=utility_id, address__in=part))
        for row in rows:
            _add(row, sightings[row.address], freshness.get(row.address), collector_id, again=again)
        fields = [MeterState._meta.get_field(name) for name in _WRITTEN]
        listed = ", ".join(f"{field.column} = %s" for field in fields)
        values = [
            [*(field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields), row.id]
            for row in rows
        ]
        with connection.cursor() as cursor:
            cursor.executemany(f"UPDATE meters_meterstate SET {listed} WHERE id = %s", values)
    _name_meters(sightings)


def _add(row: MeterState, one: Sighting, fresh: Freshness | None, collector_id: int, *, again: bool) -> None:
    last = _seconds(row.last_heard_at)
    row.meter_id = one.meter_id
    row.first_heard_at = min(_seconds(row.first_heard_at), one.first_heard_at)
    if one.state_at >= _seconds(row.state_at):
        row.state, row.state_at, row.problem = one.state, one.state_at, one.problem[:300]
        row.security = one.security or row.security
    if one.last_heard_at >= last:
        row.last_heard_at, row.rssi_dbm, row.last_collector_id = one.last_heard_at, one.rssi_dbm, collector_id
    if one.info_code is not None and one.info_at >= _seconds(row.last_read_at):
        row.info_code = one.info_code
    if one.last_read_at is not None:
        row.last_read_at = max(_seconds(row.last_read_at), one.last_read_at)
    if one.clock_error_seconds is not None:
        row.clock_error_seconds = one.clock_error_seconds
    row.model, row.medium = one.model or row.model, one.medium or row.medium
    if not again:
        row.heard += one.heard
        row.surplus += one.surplus
    for state, count in (one.counts or {}).items():
        if not again or state == State.READ:
            setattr(row, COUNTED[state], getattr(row, COUNTED[state]) + count)
    if fresh is not None:
        row.secured, row.counter, row.counter_at = fresh.secured, fresh.counter, fresh.counter_at
    if one.meter_id is not None:
        row.recent = []
    elif one.recent:
        merged = {(at, text): dbm for at, dbm, text in row.recent} | {
            (at, text): dbm for at, dbm, text in one.recent
        }
        row.recent = [[at, dbm, text] for (at, text), dbm in sorted(merged.items())][-_RECENT:]


def _name_meters(sightings: dict[str, Sighting]) -> None:
    """Fill in model and medium of meters that were adopted before anyone knew them."""
    named = {one.meter_id: one for one in sightings.values() if one.meter_id and one.model}
    for meter in Meter.objects.filter(id__in=list(named), model="")[:1000]:
        found = find(named[meter.id].address)
        meter.model, meter.medium = named[meter.id].model, meter.medium or named[meter.id].medium
        meter.family = found[0].name if found else ""
        meter.save(update_fields=["model", "medium", "family"])


def _seconds(moment: object) -> int:
    """Seconds UTC of what a UtcSecondsField holds (datetime, plain seconds or None)."""
    if moment is None:
        return -1
    return int(moment.timestamp()) if hasattr(moment, "timestamp") else int(moment)
