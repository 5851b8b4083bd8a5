"""The one way in for telegrams, whatever road brought them (DESIGN section 5).

A batch is looked up, surplus is recognised by class before anything is decrypted, the rest is decoded outside the
transaction (see judge.py); then raw telegrams, readings, info events and states are written in one transaction, and
only after its commit does `ingest` return. Within the transaction the utility's generation, the stored telegrams and
the forgery counters are read again: if another process was faster in anything that matters, the batch is judged anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import DateTimeField, F, Value
from django.db.models.functions import Coalesce, Greatest

from avlas.decode.batch import NONE, SECURITY_NAMES, Headers, address_of, headers
from avlas.meters import layouts, retro, slots, states, steps
from avlas.meters.judge import Judged, Overtaken
from avlas.meters.logged import write_logged
from avlas.meters.models import Collector, Source, State
from avlas.meters.states import Sighting

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

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

    def add(self, other: IngestResult) -> None:
        """Add another batch's counts."""
        self.telegrams += other.telegrams
        self.surplus += other.surplus
        for state, count in other.states.items():
            self.states[state] += count
        self.meters |= other.meters


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
    result, layouts_learnt = _judge_and_store(telegrams, heads, utility_id)
    if layouts_learnt and not telegrams.again:
        retro.decode_new_layouts()
    return result


def _judge_and_store(telegrams: TelegramBatch, heads: Headers, utility_id: int) -> tuple[IngestResult, bool]:
    for _ in range(_OPTIMISTIC_TRIES):
        judged = Judged(telegrams, heads, utility_id)
        try:
            with transaction.atomic():
                sightings = _lock(judged)
                judged.check_not_overtaken()
                return _store(judged, sightings)
        except Overtaken:
            continue
    with transaction.atomic():  # no more racing: decode while holding the locks
        _lock(judged)
        judged = Judged(telegrams, heads, utility_id)
        return _store(judged, _lock(judged))


def _lock(judged: Judged) -> dict[str, Sighting]:
    """Hold the addresses and meters of a batch, so that no other process stores for them meanwhile.

    Everyone locks in this order, each kind by its number: so nobody waits for one who waits for him.
    """
    sightings = _first_sightings(judged)
    states.make_missing(judged.utility_id, sightings)
    states.lock(judged.utility_id, sightings)
    slots.lock_meters(judged.meter_ids)
    return sightings


def _store(judged: Judged, sightings: dict[str, Sighting]) -> tuple[IngestResult, bool]:
    """Write everything; gives the counts and whether a new layout was learnt."""
    telegrams = judged.telegrams
    slots.write_telegrams([entry for entry in judged.kept if entry.stored != entry.state])
    read = judged.read
    if read:
        assert judged.columns is not None
        written = slots.write_readings([*read, *judged.others], judged.columns, judged.quality(), judged.anew)
        write_logged(judged.logged, judged.lost)
        steps.settle(written)
    result = _count(judged, sightings)
    states.write_states(
        judged.utility_id, telegrams.collector_id, sightings, judged.fresh, again=telegrams.again
    )
    learnt = layouts.keep(judged.layouts)
    if not telegrams.again:
        last = Value(datetime.fromtimestamp(float(telegrams.heard_at.max()), UTC), DateTimeField())
        Collector.objects.filter(pk=telegrams.collector_id).update(
            telegrams=F("telegrams") + len(telegrams.frames),
            damaged=F("damaged") + len(judged.heads.problems),
            last_heard_at=Greatest(Coalesce(F("last_heard_at"), last), last),
        )
    return result, learnt


def _first_sightings(judged: Judged) -> dict[str, Sighting]:
    found: dict[str, Sighting] = {}
    for row, (text, number) in enumerate(zip(judged.address, judged.heads.address.tolist(), strict=True)):
        if not number:
            continue
        one = found.get(text)
        if one is None:
            known = judged.known[row]
            one = found[text] = Sighting(
                address_of(number),
                known.meter_id if known else None,
                first_heard_at=judged.heard_at[row],
            )
        one.first_heard_at = min(one.first_heard_at, judged.heard_at[row])
    return found


def _count(judged: Judged, sightings: dict[str, Sighting]) -> IngestResult:
    """Add the batch up, in the order heard, into the result and the sightings."""
    result = IngestResult(telegrams=len(judged.heard_at))
    result.states[State.DAMAGED] += len(judged.heads.problems)
    for row in sorted(range(len(judged.heard_at)), key=judged.heard_at.__getitem__):
        text = judged.address[row]
        if not text:
            continue
        one, at, known = sightings[text], judged.heard_at[row], judged.known[row]
        one.heard += 1
        if at >= one.last_heard_at:
            one.last_heard_at, one.rssi_dbm = at, judged.rssi[row]
        security = SECURITY_NAMES[int(judged.heads.security[row])]
        if known is None or known.contested:
            state = State.UNKNOWN_METER if known is None else State.CONTESTED
            result.states[state] += 1
            one.state, one.state_at, one.security = state, at, security
            one.remember(at, judged.rssi[row], judged.telegrams.frames[row])
            continue
        result.meters.add(known.meter_id)
        entry = judged.entries.get(row)
        if entry is None or entry.state is None:
            one.surplus += 1
            result.surplus += 1
            continue
        result.states[entry.state] += 1
        one.counts[entry.state] = one.counts.get(entry.state, 0) + 1
        one.state, one.state_at, one.problem, one.security = entry.state, at, entry.problem, security
        if entry.state == State.READ:
            _note_values(one, entry, judged)
    return result


def _note_values(one: Sighting, entry: Entry, judged: Judged) -> None:
    assert judged.columns is not None
    model, medium, _family = judged.columns.kinds[int(judged.columns.kind[entry.place])]
    one.model, one.medium = model or one.model, medium or one.medium
    one.last_read_at = entry.heard_at
    code = int(judged.columns.info_code[entry.place])
    if code != NONE:
        one.info_code, one.info_at = code, entry.heard_at
    error = judged.clock_error(entry)
    if error is not None:
        one.clock_error_seconds = error
