"""What is kept of each address heard: last heard, signal, counters, and what protects it from forged telegrams.

Forgery (DESIGN section 5): once a meter was read with a key, telegrams that are clear, weaker or replayed are not
readings but DOWNGRADED. A telegram is replayed when its counter (ELL session number, AFL message counter) is not
higher than one heard long before it; two roads may bring telegrams minutes apart, and so out of turn. Mode 5 has no
counter and can't prove freshness.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from django.db import connection

from avlas.decode.families import find, medium
from avlas.meters import column_store
from avlas.meters.models import MeterState, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from avlas.decode.types import Address

_ROADS_APART_SECONDS = 900  # so late another road may bring a telegram without being suspected
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

_TABLE = "meters_meterstate"
_WRITTEN = (
    "meter_id", "model", "medium", "security", "first_heard_at", "last_heard_at", "noted_at", "last_read_at",
    "last_collector_id", "rssi_dbm", "state", "state_at", "problem", "heard", "surplus", *COUNTED.values(),
    "counter", "counter_at", "secured", "clock_error_seconds", "info_code", "recent",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Freshness:
    """What a telegram is judged by: strongest security read so far, highest counter and when it was first heard."""

    secured: int = 0
    counter: int | None = None
    counter_at: int | None = None

    def judge(self, security: int, counter: int | None, heard_at: int) -> tuple[str, Freshness]:
        """Judge a telegram that could be read; give ("", what to judge the next by) or (why not, self).

        ``heard_at``: seconds UTC. A telegram heard before the highest counter's is never taken for a replay.
        """
        if security < self.secured:
            return "weaker security than this meter has been read with before", self
        fresh = replace(self, secured=max(self.secured, security))
        if counter is None:
            return "", fresh
        if self.counter is None or self.counter_at is None or counter > self.counter:
            return "", replace(fresh, counter=counter, counter_at=heard_at)
        late = heard_at - self.counter_at
        if late > _ROADS_APART_SECONDS:
            return (
                f"its counter {counter} is not above {self.counter}, heard {late} seconds before: replayed",
                self,
            )
        if counter == self.counter and late < 0:
            return "", replace(fresh, counter_at=heard_at)
        return "", fresh


@dataclass(slots=True)
class Sighting:
    """What one batch has to say about one address."""

    address: Address
    meter_id: int | None
    heard: int = 0
    surplus: int = 0
    counts: dict[State, int] = field(default_factory=dict)
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
    recent: list[tuple[int, float | None, str]] = field(
        default_factory=list
    )  # heard_at, dBm, hex: strangers'

    def remember(self, heard_at: int, rssi_dbm: float | None, frame: bytes) -> None:
        """Keep a telegram of a meter that is not ours, the last three of them."""
        self.recent = [*self.recent[1 - _RECENT :], (heard_at, rssi_dbm, frame.hex())]


def load_freshness(utility_id: int, addresses: Iterable[str]) -> dict[str, Freshness]:
    """Give the freshness of each address (hex)."""
    wanted = sorted(set(addresses))
    found = dict.fromkeys(wanted, Freshness())
    for address, *rest in _select(utility_id, wanted, ("address", "secured", "counter", "counter_at")):
        found[address] = Freshness(*rest)
    return found


def make_missing(utility_id: int, sightings: Mapping[str, Sighting]) -> None:
    """Make state rows for addresses heard for the first time, so that they can be locked and counted on."""
    wanted = sorted(sightings)
    there = {address for (address,) in _select(utility_id, wanted, ("address",))}
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
                noted_at=int(time.time()),
            )
        )
    MeterState.objects.bulk_create(new, ignore_conflicts=True, batch_size=500)


def lock(utility_id: int, addresses: Iterable[str]) -> None:
    """Hold the rows of these addresses until the transaction ends."""
    if connection.vendor == "postgresql":  # SQLite has one writer at a time anyway
        _select(utility_id, sorted(addresses), ("id",), " ORDER BY address FOR NO KEY UPDATE")


def write_states(
    utility_id: int,
    collector_id: int,
    sightings: Mapping[str, Sighting],
    freshness: Mapping[str, Freshness],
    *,
    again: bool,
) -> None:
    """Add a batch's sightings to the state rows (all there already). ``again``: heard counts stay as they are."""
    names = ("id", "address", *_WRITTEN)
    columns: column_store.Columns = {name: [] for name in ("id", *_WRITTEN)}
    for found in _select(utility_id, sorted(sightings), names):
        row = dict(zip(names, found, strict=True))
        address = row["address"]
        _add(row, sightings[address], freshness.get(address), collector_id, again=again)
        for name, column in columns.items():
            column.append(row[name])
    column_store.update(connection, _TABLE, columns, "id")
    _name_meters(sightings)


def _select(
    utility_id: int, addresses: list[str], columns: Iterable[str], end: str = ""
) -> list[tuple[Any, ...]]:
    among, parameter = column_store.among(connection, "address", addresses)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(columns)} FROM {_TABLE} WHERE utility_id = %s AND {among}{end}",
            [utility_id, parameter],
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _add(
    row: dict[str, Any], one: Sighting, fresh: Freshness | None, collector_id: int, *, again: bool
) -> None:
    row["meter_id"] = one.meter_id
    row["noted_at"] = int(time.time())
    row["first_heard_at"] = min(row["first_heard_at"], one.first_heard_at)
    if one.state_at >= (-1 if row["state_at"] is None else row["state_at"]) and one.state_at >= 0:
        row["state"], row["state_at"], row["problem"] = int(one.state), one.state_at, one.problem[:300]
        row["security"] = one.security or row["security"]
    if one.last_heard_at >= row["last_heard_at"]:
        row["last_heard_at"], row["rssi_dbm"] = one.last_heard_at, one.rssi_dbm
        row["last_collector_id"] = collector_id
    last_read_at = -1 if row["last_read_at"] is None else row["last_read_at"]
    if one.info_code is not None and one.info_at >= last_read_at:
        row["info_code"] = one.info_code
    if one.last_read_at is not None:
        row["last_read_at"] = max(last_read_at, one.last_read_at)
        if one.clock_error_seconds is not None and one.last_read_at >= last_read_at:
            row["clock_error_seconds"] = one.clock_error_seconds
    row["model"], row["medium"] = one.model or row["model"], one.medium or row["medium"]
    if not again:
        row["heard"] += one.heard
        row["surplus"] += one.surplus
    for state, count in one.counts.items():
        if not again or state == State.READ:
            row[COUNTED[state]] += count
    if fresh is not None:
        row["secured"], row["counter"], row["counter_at"] = fresh.secured, fresh.counter, fresh.counter_at
    if one.meter_id is not None:
        row["recent"] = "[]"
    elif one.recent:
        merged = {(at, text): dbm for at, dbm, text in json.loads(row["recent"])}
        merged |= {(at, text): dbm for at, dbm, text in one.recent}
        row["recent"] = json.dumps([[at, dbm, text] for (at, text), dbm in sorted(merged.items())][-_RECENT:])


def _name_meters(sightings: Mapping[str, Sighting]) -> None:
    """Fill in model and medium of meters that were adopted before anyone knew them."""
    named = {one.meter_id: one for one in sightings.values() if one.meter_id and one.model}
    if not named:
        return
    among, parameter = column_store.among(connection, "id", sorted(named))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, medium FROM meters_meter WHERE {among} AND model = ''", [parameter])
        nameless = cursor.fetchall()
    columns: column_store.Columns = {"id": [], "model": [], "medium": [], "family": []}
    for meter_id, known_medium in sorted(nameless):
        one = named[meter_id]
        found = find(one.address)
        columns["id"].append(meter_id)
        columns["model"].append(one.model)
        columns["medium"].append(known_medium or one.medium)
        columns["family"].append(found[0].name if found else "")
    column_store.update(connection, "meters_meter", columns, "id")
