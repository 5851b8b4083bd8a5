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
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection

from avlas.decode.batch import NONE, address_of
from avlas.decode.families import find, medium
from avlas.meters import column_store
from avlas.meters.models import MeterState, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from avlas.decode.types import Address
    from avlas.meters.directory import Directory
    from avlas.meters.hearing import Hearing

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
_LOCKED_INTEGERS = ("id", "secured", "counter", "counter_at", "meter_id", "last_collector_id")
_LOCKED = (
    "address", "id", "secured", f"COALESCE(counter, {NONE})", f"COALESCE(counter_at, {NONE})",
    "COALESCE(meter_id, 0)", "COALESCE(last_collector_id, 0)",
)  # fmt: skip
# How a row is changed; new_x is what the batch says (see Sightings.write).
_GIVEN = {"meter_id": "new_meter_id"}  # rarely needed, and dear: an index and a foreign key
# Of the newest slot the strongest signal counts, with the collector that heard it; of equal ones the first collector.
_UNKNOWN_DBM = -999.0
_IS_STRONGER = (
    "new_slot > last_heard_at OR (new_next_slot > last_heard_at AND"
    f" (COALESCE(new_rssi, {_UNKNOWN_DBM}) > COALESCE(rssi_dbm, {_UNKNOWN_DBM}) OR"
    f" (COALESCE(new_rssi, {_UNKNOWN_DBM}) = COALESCE(rssi_dbm, {_UNKNOWN_DBM})"
    " AND new_collector < COALESCE(last_collector_id, new_collector + 1))))"
)
_BY_ANOTHER = {  # looks whether there is such a collector: only where another stands in the row
    "last_collector_id": f"CASE WHEN {_IS_STRONGER} THEN new_collector ELSE last_collector_id END"
}
_HEARD = {
    "noted_at": "new_now",
    "heard": "heard + new_heard",
    "surplus": "surplus + new_surplus",
    "first_heard_at": "CASE WHEN new_first < first_heard_at THEN new_first ELSE first_heard_at END",
    "rssi_dbm": f"CASE WHEN {_IS_STRONGER} THEN new_rssi ELSE rssi_dbm END",
    "last_heard_at": "CASE WHEN new_last >= last_heard_at THEN new_last ELSE last_heard_at END",
    "recent": "'[]'",
}
_IS_LATEST = "new_read_at >= COALESCE(state_at, -1)"
_READ = {
    "read": "read + new_read",
    "state": f"CASE WHEN {_IS_LATEST} THEN {int(State.READ)} ELSE state END",
    "problem": f"CASE WHEN {_IS_LATEST} THEN '' ELSE problem END",
    "security": f"CASE WHEN {_IS_LATEST} THEN new_security ELSE security END",
    "state_at": f"CASE WHEN {_IS_LATEST} THEN new_read_at ELSE state_at END",
    "info_code": "CASE WHEN new_info IS NOT NULL AND new_info_at >= COALESCE(last_read_at, -1) THEN new_info"
    " ELSE info_code END",
    "clock_error_seconds": "CASE WHEN new_clock IS NOT NULL AND new_read_at >= COALESCE(last_read_at, -1)"
    " THEN new_clock ELSE clock_error_seconds END",
    "last_read_at": "CASE WHEN new_read_at > COALESCE(last_read_at, -1) THEN new_read_at ELSE last_read_at END",
    "model": "CASE WHEN new_model <> '' THEN new_model ELSE model END",
    "medium": "CASE WHEN new_medium <> '' THEN new_medium ELSE medium END",
    "secured": "new_secured",
    "counter": "new_counter",
    "counter_at": "new_counter_at",
}
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


@dataclass(frozen=True, slots=True)
class Freshnesses:
    """The freshness of many addresses, in columns."""

    handle: np.ndarray  # of the address in the directory, rising
    secured: np.ndarray  # int64
    counter: np.ndarray  # int64, NONE: none yet
    counter_at: np.ndarray

    @classmethod
    def none(cls) -> Freshnesses:
        """Of no address."""
        return cls(np.zeros(0, np.int32), *(np.zeros(0, np.int64) for _ in range(3)))

    def of(self, handles: np.ndarray) -> Freshnesses:
        """Those of some of the addresses (all must be here)."""
        at = np.searchsorted(self.handle, handles)
        return Freshnesses(handles, self.secured[at], self.counter[at], self.counter_at[at])

    def equal(self, other: Freshnesses) -> bool:
        """Whether both say the same of the same addresses."""
        return all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("handle", "secured", "counter", "counter_at")
        )

    def judge(
        self, handle: np.ndarray, security: np.ndarray, counter: np.ndarray, heard_at: np.ndarray
    ) -> tuple[np.ndarray, Freshnesses]:
        """Judge telegrams that could be read, in the order of handle and heard_at.

        Gives a mask of those that Freshness.judge has to look at one by one (with all others of the address), and
        what to judge the next by. No telegram of an address is in the mask: all of it are fresh.
        """
        at = np.searchsorted(self.handle, handle)
        same = np.zeros(len(handle), bool)  # the one before is of the same address
        same[1:] = handle[1:] == handle[:-1]
        before = np.where(same, np.roll(security, 1), self.secured[at])
        suspect = (security < before) | (same & (np.roll(heard_at, 1) == heard_at))
        secured = self.secured.copy()
        np.maximum.at(secured, at, security)
        counting = np.flatnonzero(counter != NONE)
        known, known_at = self.counter.copy(), self.counter_at.copy()
        if counting.size:
            mine, number, heard = at[counting], counter[counting], heard_at[counting]
            again = np.zeros(len(counting), bool)
            again[1:] = mine[1:] == mine[:-1]
            rises = number > np.where(again, np.roll(number, 1), self.counter[mine])
            # brought late, as by an import of a recording: the highest counter stays
            late = (number < self.counter[mine]) & (heard - self.counter_at[mine] <= _ROADS_APART_SECONDS)
            all_rise, all_late = np.ones(len(known), bool), np.ones(len(known), bool)
            np.logical_and.at(all_rise, mine, rises)
            np.logical_and.at(all_late, mine, late)
            suspect[counting] |= ~(all_rise | all_late)[mine]
            rising = counting[all_rise[mine]]
            known[at[rising]], known_at[at[rising]] = counter[rising], heard_at[rising]  # the last one stays
        return suspect, Freshnesses(self.handle, secured, known, known_at)


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
    slot: int = -1  # when the slot of the last one began, and the next does
    next_slot: int = -1
    rssi_dbm: float | None = None  # the strongest of that slot
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

    def hear(self, heard_at: int, slot: int, next_slot: int, rssi_dbm: float | None) -> None:
        """Count a telegram, not heard before those counted already."""
        self.heard += 1
        stronger = rssi_dbm is not None and (self.rssi_dbm is None or rssi_dbm > self.rssi_dbm)
        if slot > self.slot or stronger:
            self.rssi_dbm = rssi_dbm
        self.last_heard_at, self.slot, self.next_slot = heard_at, slot, next_slot

    def is_stronger(self, row: Mapping[str, Any], collector_id: int) -> bool:
        """Like ``_IS_STRONGER``, of the row as it was."""
        if self.slot > row["last_heard_at"]:
            return True
        mine, theirs = (_UNKNOWN_DBM if dbm is None else dbm for dbm in (self.rssi_dbm, row["rssi_dbm"]))
        first = row["last_collector_id"] is None or collector_id < row["last_collector_id"]
        return self.next_slot > row["last_heard_at"] and (mine > theirs or (mine == theirs and first))

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


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of some addresses, in columns."""

    id: np.ndarray  # int64 by handle, 0: there is none
    freshnesses: Freshnesses
    meter_id: np.ndarray  # 0: none
    collector_id: np.ndarray  # the last one, 0: none

    @classmethod
    def load(cls, directory: Directory, handles: np.ndarray) -> Rows:
        """Give the rows of the addresses with these handles (distinct, rising), found by id where it is known."""
        ids = directory.state_id[handles]
        texts, columns = _select_ids(directory.utility_id, np.sort(ids[ids > 0]), "")
        at = _places(ids, columns[0])
        # an id may be remembered from a transaction that was rolled back
        expected = [directory.text[handle] for handle in handles[at].tolist()]
        right = np.array([one == text for one, text in zip(texts, expected, strict=True)], bool)
        found = cls.of(handles, at[right], columns[:, right])
        missing = np.flatnonzero(found.id == 0)
        if not missing.size:
            return found
        place_of = {directory.text[handles[place]]: place for place in missing.tolist()}
        texts, more = _columns_of(_select(directory.utility_id, sorted(place_of), _LOCKED))
        new = np.array([place_of[text] for text in texts], np.int64)
        found = cls.of(handles, np.append(at[right], new), np.hstack([columns[:, right], more]))
        directory.state_id[handles] = found.id
        return found

    @classmethod
    def of(cls, handles: np.ndarray, at: np.ndarray, columns: np.ndarray) -> Rows:
        """Give rows found (columns as of ``_LOCKED``, without the address), each at its place among ``handles``."""
        all_ = np.zeros((len(_LOCKED_INTEGERS), len(handles)), np.int64)
        all_[_LOCKED_INTEGERS.index("counter")] = all_[_LOCKED_INTEGERS.index("counter_at")] = NONE
        all_[:, at] = columns
        return cls(all_[0], Freshnesses(handles, *all_[1:4]), all_[4], all_[5])

    def of_handles(self, handles: np.ndarray) -> Rows:
        """Those of some of the addresses (all must be here; rising)."""
        at = np.searchsorted(self.freshnesses.handle, handles)
        return Rows(self.id[at], self.freshnesses.of(handles), self.meter_id[at], self.collector_id[at])


def add_surplus(directory: Directory, rows: Rows, heard: Hearing, collector_id: int) -> None:
    """Add surplus of some addresses to their rows (locked). ``heard.key``: their handles, as in ``rows``."""
    count = len(heard.key)
    meter_id = directory.meter_id[heard.key]
    nothing, zero, texts = np.full(count, NONE, np.int64), np.zeros(count, np.int64), [""] * count
    Sightings(
        rows.id, meter_id, (meter_id > 0) & (rows.meter_id != meter_id), rows.collector_id != collector_id,
        heard.heard, heard.heard, heard.first_heard_at, heard.last_heard_at, heard.slot, heard.next_slot,
        heard.rssi_dbm, zero, nothing, texts, texts, texts, nothing, nothing, nothing, nothing, nothing, nothing,
    ).write(collector_id)  # fmt: skip


def lock(
    directory: Directory, handles: np.ndarray, first_heard_at: np.ndarray, known: Rows | None = None
) -> Rows:
    """Hold the rows of these addresses (distinct, rising) until the transaction ends; make the missing ones.

    Everybody locks by rising id, so that nobody waits for one who waits for him. ``first_heard_at``: of each
    address in this batch; ``known``: the rows as they were a moment ago, if they were looked at.
    """
    while True:
        rows = known or Rows.load(directory, handles)
        known = None
        missing = np.flatnonzero(rows.id == 0)
        if missing.size:
            _make(directory, handles[missing].tolist(), first_heard_at[missing].tolist())
            continue
        if connection.vendor != "postgresql":  # SQLite has one writer at a time anyway
            return rows
        _, held = _select_ids(directory.utility_id, np.sort(rows.id), " ORDER BY id FOR NO KEY UPDATE")
        if held.shape[1] == len(handles):  # else one was forgotten a moment ago
            return Rows.of(handles, _places(rows.id, held[0]), held)


def _make(directory: Directory, handles: list[int], first_heard_at: list[int]) -> None:
    """Make state rows for addresses heard for the first time, so that they can be locked and counted on."""
    # by address, in all processes: nobody waits in a circle
    order = sorted(zip(handles, first_heard_at, strict=True), key=lambda one: directory.text[one[0]])
    addresses = [address_of(directory.address[handle]) for handle, _ in order]
    families = [find(address) for address in addresses]
    meter = directory.meter_id[[handle for handle, _ in order]]
    heard = np.array([at for _, at in order], np.int64)
    columns: dict[str, np.ndarray | list[str]] = {
        "address": [directory.text[handle] for handle, _ in order],
        "meter_id": np.where(meter > 0, meter, NONE),
        "manufacturer": [address.manufacturer for address in addresses],
        "identification": [address.identification for address in addresses],
        "version": np.array([address.version for address in addresses], np.int64),
        "device_type": np.array([address.device_type for address in addresses], np.int64),
        "model": [found[1].model if found else "" for found in families],
        "medium": [medium(address.device_type) for address in addresses],
        "first_heard_at": heard,
        "last_heard_at": heard,
    }
    same = _defaults() | {"utility_id": directory.utility_id, "noted_at": int(time.time())}
    same = {name: value for name, value in same.items() if name not in columns}
    column_store.add_missing(connection, _TABLE, columns, same)


@cache
def _defaults() -> dict[str, int | str | None]:
    """What a new row holds where nothing else is said."""
    found: dict[str, int | str | None] = {}
    for one in MeterState._meta.concrete_fields:  # noqa: SLF001 - Django's documented way to a model's fields
        value = one.get_default()
        if isinstance(value, list):
            found[one.attname] = "[]"
        elif not one.primary_key:
            found[one.attname] = int(value) if isinstance(value, int) else value
    return found


@dataclass(slots=True)
class Sightings:
    """What one batch has to say about own meters' addresses of which nothing was remarkable, in columns.

    Of telegrams that were read the columns from ``security`` on tell; where there was none ``read`` is 0.
    """

    id: np.ndarray
    meter_id: np.ndarray
    given: np.ndarray  # bool: the row tells another meter
    by_another: np.ndarray  # bool: the row tells another collector
    heard: np.ndarray
    surplus: np.ndarray
    first_heard_at: np.ndarray
    last_heard_at: np.ndarray
    slot: np.ndarray  # when the slot of the last one began
    next_slot: np.ndarray
    rssi_dbm: np.ndarray  # float64: the strongest of that slot, NaN: unknown
    read: np.ndarray
    last_read_at: np.ndarray
    security: list[str]
    model: list[str]
    medium: list[str]
    info_code: np.ndarray  # NONE: none said
    info_at: np.ndarray
    clock_error: np.ndarray  # seconds, NONE: not said
    secured: np.ndarray
    counter: np.ndarray
    counter_at: np.ndarray

    def write(self, collector_id: int) -> None:
        """Add it all to the rows."""
        given = {"id": self.id[self.given], "meter_id": self.meter_id[self.given]}
        column_store.change(connection, _TABLE, _GIVEN, given)
        by_another = self._signal(np.flatnonzero(self.by_another), collector_id)
        column_store.change(connection, _TABLE, _BY_ANOTHER, by_another)
        for read, assignments in ((False, _HEARD), (True, _HEARD | _READ)):
            rows = np.flatnonzero((self.read > 0) == read)
            columns: dict[str, np.ndarray | list[str]] = {
                **self._signal(rows, collector_id),
                "heard": self.heard[rows],
                "surplus": self.surplus[rows],
                "first": self.first_heard_at[rows],
                "last": self.last_heard_at[rows],
                "now": np.full(len(rows), int(time.time()), np.int64),
            }
            if read:
                columns |= {
                    "read": self.read[rows],
                    "read_at": self.last_read_at[rows],
                    "security": [self.security[row] for row in rows.tolist()],
                    "model": [self.model[row] for row in rows.tolist()],
                    "medium": [self.medium[row] for row in rows.tolist()],
                    "info": self.info_code[rows],
                    "info_at": self.info_at[rows],
                    "clock": self.clock_error[rows],
                    "secured": self.secured[rows],
                    "counter": self.counter[rows],
                    "counter_at": self.counter_at[rows],
                }
            column_store.change(connection, _TABLE, assignments, columns)

    def _signal(self, rows: np.ndarray, collector_id: int) -> dict[str, np.ndarray]:
        """What ``_IS_STRONGER`` asks about."""
        return {
            "id": self.id[rows],
            "slot": self.slot[rows],
            "next_slot": self.next_slot[rows],
            "rssi": self.rssi_dbm[rows],
            "collector": np.full(len(rows), collector_id, np.int64),
        }


def write_states(
    utility_id: int,
    collector_id: int,
    sightings: Mapping[str, Sighting],
    freshness: Mapping[str, Freshness],
    *,
    again: bool,
) -> None:
    """Add a batch's sightings to the state rows (all there already). ``again``: heard counts stay as they are."""
    if not sightings:
        return
    names = ("id", "address", *_WRITTEN)
    columns: dict[str, list[Any]] = {name: [] for name in ("id", *_WRITTEN)}
    for found in _select(utility_id, sorted(sightings), names):
        row = dict(zip(names, found, strict=True))
        address = row["address"]
        _add(row, sightings[address], freshness.get(address), collector_id, again=again)
        for name, column in columns.items():
            column.append(row[name])
    column_store.update(connection, _TABLE, columns, "id")


def _places(ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where each of ``wanted`` stands among ``ids``."""
    order = np.argsort(ids)
    found: np.ndarray = order[np.searchsorted(ids, wanted, sorter=order)]
    return found


def _select_ids(utility_id: int, ids: np.ndarray, end: str) -> tuple[Sequence[str], np.ndarray]:
    """Addresses, and the integer columns of ``_LOCKED``."""
    return _columns_of(
        column_store.fetch_ids(connection, _TABLE, ids, _LOCKED, f" AND utility_id = {int(utility_id)}{end}")
    )


def _columns_of(rows: list[tuple[Any, ...]]) -> tuple[Sequence[str], np.ndarray]:
    if not rows:
        return (), np.zeros((len(_LOCKED_INTEGERS), 0), np.int64)
    texts, *columns = zip(*rows, strict=True)
    return texts, np.array(columns, np.int64)


def _select(utility_id: int, addresses: list[str], columns: Iterable[str]) -> list[tuple[Any, ...]]:
    among, parameter = column_store.among(connection, "address", addresses)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(columns)} FROM {_TABLE} WHERE utility_id = %s AND {among}",
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
    if one.is_stronger(row, collector_id):
        row["rssi_dbm"], row["last_collector_id"] = one.rssi_dbm, collector_id
    row["last_heard_at"] = max(row["last_heard_at"], one.last_heard_at)
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


def name_meters(named: Mapping[int, tuple[str, str, Address]]) -> set[int]:
    """Fill in model and medium of meters that were adopted before anyone knew them; give those meters.

    ``named``: by meter its model and medium, and the address they were heard from.
    """
    if not named:
        return set()
    among, parameter = column_store.among(connection, "id", sorted(named))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, medium FROM meters_meter WHERE {among} AND model = ''", [parameter])
        nameless = cursor.fetchall()
    columns: dict[str, list[Any]] = {"id": [], "model": [], "medium": [], "family": []}
    for meter_id, known_medium in sorted(nameless):
        model, heard_medium, address = named[meter_id]
        found = find(address)
        columns["id"].append(meter_id)
        columns["model"].append(model)
        columns["medium"].append(known_medium or heard_medium)
        columns["family"].append(found[0].name if found else "")
    column_store.update(connection, "meters_meter", columns, "id")
    return set(columns["id"])
