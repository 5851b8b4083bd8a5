"""The one way in for telegrams, whatever road brought them (DESIGN section 5).

A batch is looked up, surplus is recognised by class before anything is decrypted, the rest is decoded outside the
transaction: nearly all in columns (ordinary.py), what is out of the ordinary one by one (judge.py). Then raw
telegrams, readings, info events and states are written in one transaction, and only after its commit does `ingest`
return. Within the transaction the utility's generation, the stored telegrams and the forgery counters are read again:
if another process was faster in anything that matters, the batch is judged anew.
"""

from __future__ import annotations

import gc
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from django.db import DatabaseError, IntegrityError, connection, transaction

from avlas.decode.batch import NONE, SECURITY_NAMES, Headers, address_of, headers
from avlas.meters import (
    column_store,
    fragments,
    layouts,
    logged,
    pulse_inputs,
    retro,
    slots,
    states,
    steps,
    surplus,
)
from avlas.meters.directory import Directory, current_generation
from avlas.meters.hearing import Hearing
from avlas.meters.journal import Written
from avlas.meters.judge import CLOCK_WRONG_SECONDS, DAY, Judged
from avlas.meters.logged import LoggedColumns
from avlas.meters.models import Collector, Kind, Quality, Source, State
from avlas.meters.ordinary import Ordinary
from avlas.meters.owned import Owned
from avlas.meters.slots import Kept, Readings
from avlas.meters.states import Sighting, Sightings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.decode.compact import Layouts
    from avlas.meters.slots import Entry

_OPTIMISTIC_TRIES = 3


@dataclass(frozen=True, slots=True)
class TelegramBatch:
    """Telegrams as a collector hands them over.

    ``frames`` without link CRCs; ``heard_at`` float64 seconds since 1970 UTC; ``rssi_dbm`` float32, NaN where
    unknown. ``again``: these telegrams were counted before (waiting ones decoded anew).
    """

    collector_id: int
    frames: Sequence[bytes]
    heard_at: np.ndarray
    rssi_dbm: np.ndarray
    wired: bool = False
    source: Source = Source.RADIO
    again: bool = False


@dataclass(slots=True)
class IngestResult:
    """What became of a batch, counted after its commit."""

    telegrams: int = 0
    surplus: int = 0
    states: dict[State, int] = field(default_factory=lambda: dict.fromkeys(State, 0))
    meters: set[int] = field(default_factory=set)  # ids of own meters heard
    held_seconds: float = 0.0  # how long the transaction kept others from writing; of several the longest

    def add(self, other: IngestResult) -> None:
        """Add another batch's counts."""
        self.telegrams += other.telegrams
        self.surplus += other.surplus
        for state, count in other.states.items():
            self.states[state] += count
        self.meters |= other.meters
        self.held_seconds = max(self.held_seconds, other.held_seconds)


def ingest(telegrams: TelegramBatch) -> IngestResult:
    """Take in a batch and give what became of it, after the commit.

    Raises django.db.OperationalError when the database is locked, full or gone, and secrets.SecretError when
    the master key is missing or wrong: then nothing of the batch was stored, and handing it in again later is
    right. Telegrams that can't be decoded are never an error.
    """
    if not len(telegrams.frames):
        return IngestResult()
    utility_id = Collector.objects.values_list("utility_id", flat=True).get(pk=telegrams.collector_id)
    heads = headers(telegrams.frames, wired=telegrams.wired)
    more = fragments.with_messages(telegrams, heads)
    if more is not telegrams:
        telegrams, heads = more, headers(more.frames)
    result, layouts_learnt = _judge_and_store(telegrams, heads, utility_id)
    if layouts_learnt and not telegrams.again:
        retro.decode_new_layouts()
    if surplus.is_due(utility_id):
        with suppress(DatabaseError):  # the batch is stored; what waits, waits on
            surplus.add(utility_id)
    _leave_alone_what_is_loaded()
    return result


@cache
def _leave_alone_what_is_loaded() -> None:
    """After the first batch all that lasts is in memory: the garbage collector need not go through it ever again."""
    gc.freeze()


class _Overtaken(Exception):  # noqa: N818
    """Another process changed what a batch was judged by."""


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What is to become of a batch."""

    owned: Owned
    ordinary: Ordinary
    careful: Judged | None  # None: nothing is out of the ordinary
    can_wait: np.ndarray  # bool: rows that change no state now, see surplus.py
    store: Layouts
    moment: object  # of the database, when judging began

    @classmethod
    def of(cls, telegrams: TelegramBatch, heads: Headers, utility_id: int) -> _Judgement:
        moment = column_store.moment(connection)
        owned = Owned.of(telegrams, heads, Directory.of(utility_id))
        store = layouts.current()
        ordinary = Ordinary(owned, store)
        careful = Judged(owned, ordinary, store) if ordinary.careful.any() else None
        can_wait = surplus.can_wait(utility_id, owned.handle, ordinary.surplus)
        return cls(owned, ordinary, careful, can_wait, store, moment)

    def is_current(self) -> bool:
        """Whether nobody else has committed anything since judging began. False: somebody may have."""
        return column_store.moment(connection) == self.moment

    def check_not_overtaken(self, rows: states.Rows) -> None:
        """Raises _Overtaken when the database no longer says what the batch was judged by (``rows`` are locked)."""
        if self.is_current():
            return
        directory, ordinary = self.owned.directory, self.ordinary
        if current_generation(directory.utility_id) != directory.generation:
            raise _Overtaken
        if len(ordinary.rows) and (ordinary.has_changed(rows.freshnesses) or ordinary.slots_have_changed()):
            raise _Overtaken
        if self.careful is not None and self.careful.has_changed():
            raise _Overtaken


def _judge_and_store(telegrams: TelegramBatch, heads: Headers, utility_id: int) -> tuple[IngestResult, bool]:
    for _ in range(_OPTIMISTIC_TRIES):
        judgement = _Judgement.of(telegrams, heads, utility_id)
        try:
            with transaction.atomic():
                begun = time.monotonic()
                locked = _Locked(judgement)
                judgement.check_not_overtaken(locked.rows)
                result, learnt = _store(judgement, locked)
            result.held_seconds = time.monotonic() - begun
        except (_Overtaken, IntegrityError):  # the latter: a row came from where nobody locks
            continue
        return result, learnt
    with transaction.atomic():  # no more racing: decode while holding the locks
        begun = time.monotonic()
        _Locked(judgement)
        judgement = _Judgement.of(telegrams, heads, utility_id)
        result, learnt = _store(judgement, _Locked(judgement))
    result.held_seconds = time.monotonic() - begun
    return result, learnt


class _Locked:
    """The addresses and meters a batch changes are held, so that no other process stores for them meanwhile.

    Everyone locks in this order, each kind by its number: so nobody waits for one who waits for him. ``handles``
    are the addresses heard (rising), ``of_row`` says for each row with an address (``heard``) which of them it is.
    """

    def __init__(self, judgement: _Judgement) -> None:
        owned, careful = judgement.owned, judgement.careful
        self.heard = np.flatnonzero((owned.handle >= 0) & ~judgement.can_wait)
        self.handles, self.of_row = np.unique(owned.handle[self.heard], return_inverse=True)
        self.first_heard_at = np.full(len(self.handles), np.iinfo(np.int64).max)
        np.minimum.at(self.first_heard_at, self.of_row, owned.heard_at[self.heard])
        known = judgement.ordinary.state_rows
        if known is not None and connection.vendor == "sqlite" and not judgement.is_current():
            known = None
        if known is not None:
            known = known.of_handles(self.handles)
        self.rows = states.lock(owned.directory, self.handles, self.first_heard_at, known)
        slots.lock_meters({*judgement.ordinary.meter_ids.tolist(), *(careful.meter_ids if careful else ())})


def _store(judgement: _Judgement, locked: _Locked) -> tuple[IngestResult, bool]:
    """Write everything; gives the counts and whether a new layout was learnt."""
    owned, careful = judgement.owned, judgement.careful
    telegrams = owned.telegrams
    kept = _ordinary_telegrams(judgement)
    slots.write_telegrams(kept, telegrams.collector_id, new=True)
    if careful is not None:
        other = Kept.of([entry for entry in careful.kept if entry.stored != entry.state])
        slots.write_telegrams(other, telegrams.collector_id, new=False)
    written = Written(owned.directory.utility_id)
    _write_readings(judgement, kept, written)
    result = IngestResult(telegrams=len(owned.handle))
    result.states[State.DAMAGED] += len(owned.heads.problems)
    _count_ordinary(judgement, locked, kept, result)
    surplus.keep(owned, np.flatnonzero(judgement.can_wait))
    sightings = _sightings(judgement, result)
    states.write_states(
        owned.directory.utility_id, telegrams.collector_id, sightings, careful.fresh if careful else {},
        again=telegrams.again,
    )  # fmt: skip
    _name_meters(judgement, kept, sightings)
    written.append()
    learnt = layouts.keep(judgement.store)
    if not telegrams.again:
        _count_for_collector(telegrams, len(owned.heads.problems))
    return result, learnt


def _count_for_collector(telegrams: TelegramBatch, damaged: int) -> None:
    """Note what a collector heard (plain SQL: the ORM would take longer than the database)."""
    last = datetime.fromtimestamp(float(telegrams.heard_at.max()), UTC)
    moment = connection.ops.adapt_datetimefield_value(last)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE meters_collector SET telegrams = telegrams + %s, damaged = damaged + %s,"
            " last_heard_at = CASE WHEN last_heard_at > %s THEN last_heard_at ELSE %s END WHERE id = %s",
            [len(telegrams.frames), damaged, moment, moment, telegrams.collector_id],
        )


def _ordinary_telegrams(judgement: _Judgement) -> Kept:
    """The ordinary telegrams that are behind a reading."""
    owned, rows = judgement.owned, judgement.ordinary.rows
    frames = owned.telegrams.frames
    return Kept(
        owned.meter_id[rows], owned.slot_at[rows], owned.heads.class_code[rows], owned.heard_at[rows],
        np.full(len(rows), int(owned.telegrams.source), np.int64), np.full(len(rows), int(State.READ), np.int64),
        judgement.ordinary.place, owned.telegrams.rssi_dbm[rows].astype(np.float64),
        [frames[row] for row in rows.tolist()],
    )  # fmt: skip


def _write_readings(judgement: _Judgement, kept: Kept, written: Written) -> None:
    owned, ordinary, careful = judgement.owned, judgement.ordinary, judgement.careful
    filling, columns = kept, ordinary.columns
    if careful is not None and careful.columns is not None:
        filling, columns = filling.and_also(Kept.of([*careful.read, *careful.others])), careful.columns
    if columns is None or not len(filling):
        return
    order = np.lexsort((filling.slot, filling.meter))
    begins = slots.begins(filling.meter[order], filling.slot[order])
    readings = Readings(filling.meter[order][begins], filling.slot[order][begins])
    changed = readings.fill(filling, columns, careful.anew if careful else ())
    readings.write(changed)
    touched = changed | ~readings.exists
    written.readings(readings.meter[touched], readings.slot[touched], Kind.LIVE)
    offset = owned.directory.clock_offset[owned.handle[ordinary.rows]]
    error = clock_errors(columns.meter_time[kept.place], offset, kept.heard_at)
    wrong = (error != NONE) & (np.abs(error) > CLOCK_WRONG_SECONDS)
    said = LoggedColumns.of(
        columns, kept.place, kept.meter, offset, kept.heard_at, int(owned.telegrams.source),
        np.where(wrong, int(Quality.CLOCK_WRONG), 0),
    ).outside(owned.directory.fences)  # fmt: skip
    closer = logged.write_ordinary(said, written)
    logged.write_logged(
        [*closer, *(careful.logged if careful else ())], careful.lost if careful else (), written
    )
    steps.settle(steps.to_settle(readings, changed), written)
    pulse_inputs.follow(
        owned.directory, (readings.meter[changed], readings.slot[changed]), (said.meter, said.slot),
        [*closer, *(careful.logged if careful else ())], written,
    )  # fmt: skip


def clock_errors(clock: np.ndarray, offset: np.ndarray, heard_at: np.ndarray) -> np.ndarray:
    """Seconds meters' clocks are ahead of ours; NONE where they don't send time of day."""
    known = (clock != NONE) & (clock % DAY != 0)
    found: np.ndarray = np.where(known, clock - offset - heard_at, NONE)
    return found


def _count_ordinary(judgement: _Judgement, locked: _Locked, kept: Kept, result: IngestResult) -> None:
    """Add up the rows of meters of which nothing was out of the ordinary, and write their states."""
    owned, ordinary = judgement.owned, judgement.ordinary
    columns = ordinary.columns
    mine = ordinary.surplus.copy()
    mine[ordinary.rows] = True
    result.surplus += int(ordinary.surplus.sum())
    result.states[State.READ] += len(kept)
    result.meters |= set(np.unique(owned.meter_id[mine]).tolist())
    rows = np.flatnonzero(mine & ~judgement.can_wait)
    if not rows.size:
        return
    which = np.full(len(owned.handle), -1, np.int64)
    which[locked.heard] = locked.of_row
    heard = Hearing.of(owned, rows, which[rows])
    address = heard.key  # one a handle, rising
    count = len(locked.handles)
    read_address = which[ordinary.rows]
    read = np.bincount(read_address, minlength=count)[address]
    empty = np.full(count, NONE, np.int64)
    latest = np.full(count, -1, np.int64)  # place in kept of each address' latest telegram that was read
    info, info_at, clock_error = empty.copy(), empty.copy(), empty.copy()
    names = np.full((3, count), "", object)
    if columns is not None and len(kept):
        turn = np.lexsort((kept.heard_at, read_address))
        latest[read_address[turn]] = turn  # of several the last one stays
        offset = owned.directory.clock_offset[owned.handle[ordinary.rows]]
        error = clock_errors(columns.meter_time[kept.place], offset, kept.heard_at)
        code = columns.info_code[kept.place]
        known = turn[code[turn] != NONE]
        info[read_address[known]], info_at[read_address[known]] = code[known], kept.heard_at[known]
        known = turn[error[turn] != NONE]
        clock_error[read_address[known]] = error[known]
        has = np.flatnonzero(latest >= 0)
        kinds = [columns.kinds[kind] for kind in columns.kind[kept.place[latest[has]]].tolist()]
        announced = owned.heads.security[ordinary.rows[latest[has]]].tolist()
        names[0, has] = [SECURITY_NAMES[number] for number in announced]
        names[1, has], names[2, has] = [kind[0] for kind in kinds], [kind[1] for kind in kinds]
    fresh = [empty.copy() for _ in range(3)]
    at = np.searchsorted(locked.handles, ordinary.fresh.handle)
    fresh[0][at], fresh[1][at], fresh[2][at] = (
        ordinary.fresh.secured, ordinary.fresh.counter, ordinary.fresh.counter_at,
    )  # fmt: skip
    meter_id = owned.directory.meter_id[locked.handles[address]]
    given = locked.rows.meter_id[address] != meter_id
    by_another = locked.rows.collector_id[address] != owned.telegrams.collector_id
    read_at = np.where(latest >= 0, kept.heard_at[latest] if len(kept) else NONE, NONE)
    Sightings(
        locked.rows.id[address], meter_id, given, by_another, heard.heard, heard.heard - read,
        heard.first_heard_at, heard.last_heard_at, heard.slot, heard.next_slot, heard.rssi_dbm, read,
        read_at[address],
        names[0, address].tolist(), names[1, address].tolist(), names[2, address].tolist(), info[address],
        info_at[address], clock_error[address], *(one[address] for one in fresh),
    ).write(owned.telegrams.collector_id)  # fmt: skip


def _sightings(judgement: _Judgement, result: IngestResult) -> dict[str, Sighting]:
    """Add up the rows of strangers, contested addresses and of meters out of the ordinary, in the order heard."""
    owned, careful = judgement.owned, judgement.careful
    directory, frames = owned.directory, owned.telegrams.frames
    rows = np.flatnonzero((owned.handle >= 0) & (~owned.mine | judgement.ordinary.careful))
    rows = rows[np.argsort(owned.heard_at[rows], kind="stable")]
    found: dict[str, Sighting] = {}
    for row, handle, at, dbm, meter_id, mine, announced, slot, seconds in zip(
        rows.tolist(), owned.handle[rows].tolist(), owned.heard_at[rows].tolist(),
        owned.telegrams.rssi_dbm[rows].tolist(), owned.meter_id[rows].tolist(), owned.mine[rows].tolist(),
        owned.heads.security[rows].tolist(), owned.slot_at[rows].tolist(),
        directory.slot_seconds[owned.handle[rows]].tolist(), strict=True,
    ):  # fmt: skip
        one = found.get(directory.text[handle])
        if one is None:
            one = found[directory.text[handle]] = Sighting(
                address_of(directory.address[handle]), meter_id or None, first_heard_at=at
            )
        rssi = None if dbm != dbm else dbm  # noqa: PLR0124 - NaN alone differs from itself
        one.hear(at, slot, slot + seconds, rssi)
        security = SECURITY_NAMES[announced]
        if not mine:
            state = State.CONTESTED if meter_id else State.UNKNOWN_METER
            result.states[state] += 1
            one.state, one.state_at, one.security = state, at, security
            one.remember(at, rssi, frames[row])
            continue
        result.meters.add(meter_id)
        entry = careful.entries.get(row) if careful else None
        if entry is None or entry.state is None:
            one.surplus += 1
            result.surplus += 1
            continue
        result.states[entry.state] += 1
        one.counts[entry.state] = one.counts.get(entry.state, 0) + 1
        one.state, one.state_at, one.problem, one.security = entry.state, at, entry.problem, security
        if careful and entry.state == State.READ:
            _note_values(one, entry, careful)
    return found


def _note_values(one: Sighting, entry: Entry, careful: Judged) -> None:
    assert careful.columns is not None
    model, medium, _family = careful.columns.kinds[int(careful.columns.kind[entry.place])]
    one.model, one.medium = model or one.model, medium or one.medium
    one.last_read_at = entry.heard_at
    code = int(careful.columns.info_code[entry.place])
    if code != NONE:
        one.info_code, one.info_at = code, entry.heard_at
    error = careful.clock_error(entry)
    if error is not None:
        one.clock_error_seconds = error


def _name_meters(judgement: _Judgement, kept: Kept, sightings: dict[str, Sighting]) -> None:
    """Write down what meters are that were adopted before anyone knew."""
    owned, rows, columns = judgement.owned, judgement.ordinary.rows, judgement.ordinary.columns
    named = {
        one.meter_id: (one.model, one.medium, one.address)
        for one in sightings.values()
        if one.meter_id and one.model
    }
    nameless = owned.directory.nameless
    unnamed = np.flatnonzero(nameless[owned.handle[rows]])
    for number in unnamed.tolist():
        assert columns is not None
        model, medium, _family = columns.kinds[int(columns.kind[kept.place[number]])]
        if model:
            address = address_of(owned.directory.address[int(owned.handle[rows[number]])])
            named[int(kept.meter[number])] = model, medium, address
    new = states.name_meters(named)
    for number in unnamed.tolist():
        if int(kept.meter[number]) not in new:  # it has a name since the directory was made
            nameless[owned.handle[rows[number]]] = False
