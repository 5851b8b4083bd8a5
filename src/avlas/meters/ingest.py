"""The one way in for telegrams, whatever road brought them (DESIGN section 5).

A batch is looked up, surplus is recognised by class before anything is decrypted, the rest is decoded outside the
transaction; then raw telegrams, readings, info events and states are written in one transaction, and only after its
commit does `ingest` return. Within the transaction the utility's generation, the stored telegrams and the forgery
counters are read again: if another process was faster in anything that matters, the batch is judged anew.

The stored rows do not depend on the order of arrival: of each class the earliest telegram heard in a slot counts, and
a slot's reading is filled by its classes in the order they were heard.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from django.db import transaction
from django.db.models import F

from avlas.decode.batch import NONE, Columns, Headers, batch, headers, join
from avlas.decode.errors import (
    ApplicationError,
    DecodeError,
    FrameError,
    HeaderError,
    NoKey,
    RecordError,
    UnknownLayout,
    Unsupported,
    WrongKey,
)
from avlas.decode.families import sensor_errors
from avlas.meters import layouts, slots, states, steps
from avlas.meters.directory import Directory, Known, current_generation
from avlas.meters.logged import Logged, write_logged
from avlas.meters.models import Collector, Quality, Source, State
from avlas.meters.slots import Entry
from avlas.meters.states import Freshness, Sighting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.decode.types import Header, Telegram

_STATE_OF: dict[type[DecodeError], State] = {
    FrameError: State.DAMAGED,
    HeaderError: State.DAMAGED,
    RecordError: State.DAMAGED,
    NoKey: State.NO_KEY,
    WrongKey: State.WRONG_KEY,
    UnknownLayout: State.UNKNOWN_LAYOUT,
    Unsupported: State.UNSUPPORTED,
    ApplicationError: State.UNSUPPORTED,
}
_ALL_ALIKE = {State.NO_KEY, State.UNSUPPORTED}  # the next telegram of the class will fare no better
_OPTIMISTIC_TRIES = 3
_CLOCK_WRONG_SECONDS = 600


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


class _Overtaken(Exception):  # noqa: N818
    """Another process changed what this batch was judged by."""


def ingest(telegrams: TelegramBatch) -> IngestResult:
    """Take in a batch and give what became of it, after the commit.

    Raises django.db.OperationalError when the database is locked, full or gone: then nothing of the batch was
    stored, and handing it in again later is right. Telegrams that can't be decoded are never an error.
    """
    if not len(telegrams.frames):
        return IngestResult()
    utility_id = Collector.objects.values_list("utility_id", flat=True).get(pk=telegrams.collector_id)
    work = _Work(telegrams, headers(telegrams.frames, wired=telegrams.wired), utility_id)
    for attempt in range(_OPTIMISTIC_TRIES + 1):
        if attempt == _OPTIMISTIC_TRIES:  # no more racing: decode while holding the locks
            with transaction.atomic():
                work.lock()
                work.judge()
                result = work.store()
            break
        work.judge()
        try:
            with transaction.atomic():
                work.lock()
                work.check_not_overtaken()
                result = work.store()
        except _Overtaken:
            continue
        break
    if work.layouts_learnt and not telegrams.again:
        from avlas.meters.retro import decode_waiting

        decode_waiting(utility_id, [State.UNKNOWN_LAYOUT])
    return result


class _Work:
    """One batch on its way: judged outside the transaction, stored within."""

    def __init__(self, telegrams: TelegramBatch, heads: Headers, utility_id: int) -> None:
        self.telegrams = telegrams
        self.heads = heads
        self.utility_id = utility_id
        self.count = len(telegrams.frames)
        self.heard_at = [int(moment // 1) for moment in telegrams.heard_at.tolist()]
        self.rssi = [None if level != level else level for level in telegrams.rssi_dbm.tolist()]  # noqa: PLR0124
        self.address: list[str] = [
            h.address.raw.hex().upper() if h is not None and h.address is not None else ""
            for h in heads.headers
        ]
        self.layouts_learnt = False

    # -- judging: reads the database, writes nothing ------------------------------------------------------------

    def judge(self) -> None:
        """Tell meters, surplus and forgeries apart and decode what has to be decoded."""
        self.directory = Directory.of(self.utility_id)
        self.known = self._known_meters()
        self.mine = [row for row, known in enumerate(self.known) if known is not None and not known.contested]
        self.slot_of = {row: self._slot(row) for row in self.mine}
        self.freshness = states.load_freshness(self.utility_id, {self.address[row] for row in self.mine})
        self.fresh = dict(self.freshness)
        self.stored = slots.load_stored(self.slot_of.values())
        self.state: dict[int, State] = {}  # own rows that were decoded
        self.problem: dict[int, str] = {}
        self.place: dict[int, int] = {}  # row -> row in columns
        self._parts: list[Columns] = []
        self._placed = 0
        self._shared = layouts.current()
        self._keys = self.directory.keys({self._identity(self.heads.headers[row]) for row in self.mine})
        self._decode_rounds()
        self.again = self._decode_again()
        self.columns = join(self._parts) if self._parts else None

    def _known_meters(self) -> list[Known | None]:
        found: dict[str, Known | None] = {"": None}
        for row, text in enumerate(self.address):
            if text not in found:
                found[text] = self.directory.find(self.heads.headers[row].address)
        return [found[text] for text in self.address]

    def _slot(self, row: int) -> tuple[int, int]:
        known = self.known[row]
        return known.meter_id, self.heard_at[row] - self.heard_at[row] % known.slot_seconds

    @staticmethod
    def _identity(header: Header) -> tuple[str, str]:
        return header.address.manufacturer, header.address.identification

    def _decode(self, frames: list[bytes], heads: list[Header]) -> tuple[Columns, list[int]]:
        keys = [self._keys[self._identity(header)] for header in heads]
        columns = batch(frames, keys, self._shared, wired=self.telegrams.wired)
        self._parts.append(columns)
        places = list(range(self._placed, self._placed + len(frames)))
        self._placed += len(frames)
        return columns, places

    def _decode_rounds(self) -> None:
        """Decode of each class in a slot the earliest telegram; where it fails, the next may do better."""
        groups: dict[tuple[int, int, int], list[int]] = {}
        for row in sorted(self.mine, key=lambda row: (self.heard_at[row], self.telegrams.frames[row])):
            groups.setdefault((*self.slot_of[row], int(self.heads.class_code[row])), []).append(row)
        waiting = []
        for (meter_id, slot_at, code), rows in groups.items():
            there = self.stored[meter_id, slot_at].get(code)
            if there is not None and there.state == State.READ:
                rows = [row for row in rows if self.heard_at[row] < there.heard_at]  # noqa: PLW2901
            if rows:
                waiting.append(rows)
        while waiting:
            now = sorted((rows[0] for rows in waiting), key=self.heard_at.__getitem__)
            columns, places = self._decode(
                [self.telegrams.frames[row] for row in now], [self.heads.headers[row] for row in now]
            )
            for local, (row, place) in enumerate(zip(now, places, strict=True)):
                self.place[row] = place
                self.state[row], self.problem[row] = self._outcome(columns, local, row)
            waiting = [
                rows[1:]
                for rows in waiting
                if len(rows) > 1
                and self.state[rows[0]] != State.READ
                and self.state[rows[0]] not in _ALL_ALIKE
            ]

    def _outcome(self, columns: Columns, local: int, row: int) -> tuple[State, str]:
        """What a decoded telegram is worth: read, or why not."""
        problem = columns.errors.get(local)
        if problem is not None:
            return _STATE_OF.get(type(problem), State.DAMAGED), problem.message
        if self.telegrams.again and self._waits_as(row) == State.DOWNGRADED:
            return State.READ, ""  # a person has looked at it and let it in
        counter = int(columns.counter[local])
        why, self.fresh[self.address[row]] = self.fresh[self.address[row]].judge(
            int(columns.security[local]), None if counter == NONE else counter, self.heard_at[row]
        )
        return (State.DOWNGRADED, why) if why else (State.READ, "")

    def _waits_as(self, row: int) -> State | None:
        there = self.stored[self.slot_of[row]].get(int(self.heads.class_code[row]))
        return None if there is None else State(there.state)

    def _decode_again(self) -> list[Entry]:
        """Decode stored telegrams of slots that must be filled anew: something was heard before them."""
        new: dict[tuple[int, int], list[int]] = {}
        for row, state in self.state.items():
            if state == State.READ:
                new.setdefault(self.slot_of[row], []).append(row)
        wanted = []
        for key, rows in new.items():
            replaced = {int(self.heads.class_code[row]) for row in rows}
            there = [one for one in self.stored[key].values() if one.state == State.READ]
            if there and min(self.heard_at[row] for row in rows) <= max(one.heard_at for one in there):
                wanted += [one for one in there if one.class_code not in replaced]
        if not wanted:
            return []
        frames = slots.load_frames(wanted)
        heads = headers(frames, wired=self.telegrams.wired).headers
        self._keys |= self.directory.keys({self._identity(header) for header in heads})
        columns, places = self._decode(frames, list(heads))
        return [
            Entry(one.meter_id, one.slot_at, one.class_code, one.heard_at, State.READ, place, frame,
                  self.telegrams.collector_id, None, int(self.telegrams.source), stored=True)
            for local, (one, place, frame) in enumerate(zip(wanted, places, frames, strict=True))
            if local not in columns.errors
        ]  # fmt: skip

    # -- storing: inside the transaction ------------------------------------------------------------------------

    def lock(self) -> None:
        """Make and lock the states of all addresses, so that no other process stores for them meanwhile."""
        self.sightings = self._first_sightings()
        states.make_missing(self.utility_id, self.sightings)
        states.load_freshness(self.utility_id, self.sightings, lock=True)

    def check_not_overtaken(self) -> None:
        """Raises _Overtaken when the database no longer says what the batch was judged by."""
        if (
            current_generation(self.utility_id) != self.directory.generation
            or states.load_freshness(self.utility_id, self.freshness) != self.freshness
            or slots.load_stored(self.slot_of.values()) != self.stored
        ):
            raise _Overtaken

    def store(self) -> IngestResult:
        """Write everything; gives the counts."""
        entries = self._entries()
        slots.write_telegrams([entry for entry in entries if not entry.stored])
        read = [entry for entry in entries if entry.state == State.READ]
        if read:
            quality = self._quality()
            written = slots.write_readings(read, self.columns, quality)
            write_logged(self._logged([entry for entry in read if not entry.stored]))
            steps.settle(written)
        result = self._count()
        states.write_states(
            self.utility_id,
            self.telegrams.collector_id,
            self.sightings,
            self.fresh,
            again=self.telegrams.again,
        )
        self.layouts_learnt = layouts.keep(self._shared)
        if not self.telegrams.again:
            Collector.objects.filter(pk=self.telegrams.collector_id).update(
                telegrams=F("telegrams") + self.count, damaged=F("damaged") + len(self.heads.problems)
            )
        return result

    def _entries(self) -> list[Entry]:
        """The telegrams to keep: per class and slot the one that was read, else the earliest that was not."""
        best: dict[tuple[int, int, int], int] = {}
        for row in sorted(self.state, key=lambda row: (self.heard_at[row], self.telegrams.frames[row])):
            key = (*self.slot_of[row], int(self.heads.class_code[row]))
            if key not in best or (self.state[row] == State.READ != self.state[best[key]]):
                best[key] = row
        entries = list(self.again)
        for (meter_id, slot_at, code), row in best.items():
            there = self.stored[meter_id, slot_at].get(code)
            if there is not None and self.state[row] != State.READ and there.heard_at < self.heard_at[row]:
                continue
            entries.append(
                Entry(meter_id, slot_at, code, self.heard_at[row], self.state[row], self.place[row],
                      self.telegrams.frames[row], self.telegrams.collector_id, self.rssi[row],
                      int(self.telegrams.source))
            )  # fmt: skip
        return entries

    def _quality(self) -> np.ndarray:
        """Marks that a telegram carries itself: a broken sensor's mark among its values."""
        quality = np.zeros(self._placed, np.int64)
        for place, one in self.columns.telegrams.items():
            if one.family and sensor_errors(one.family, one.registers):
                quality[place] |= int(Quality.SENSOR_ERROR)
        return quality

    def _logged(self, entries: list[Entry]) -> list[Logged]:
        """The dated values of the telegrams to keep, with the meter's stamps turned into UTC."""
        by_place = {entry.row: entry for entry in entries}
        offset = {entry.row: 0 for entry in entries}
        for row, place in self.place.items():
            if place in offset:
                offset[place] = self.known[row].clock_offset_minutes * 60
        found = []
        dated = self.columns.dated
        for number, place in enumerate(dated.row.tolist()):
            entry = by_place.get(place)
            if entry is None:
                continue
            values = {code: float(c[number]) for code, c in dated.registers.items() if c[number] == c[number]}  # noqa: PLR0124
            if not values:
                continue
            error = self._clock_error(place, entry.heard_at, offset[place])
            wrong = error is not None and abs(error) > _CLOCK_WRONG_SECONDS
            found.append(
                Logged(
                    entry.meter_id, int(self.columns.dated_at[number]) - offset[place], entry.heard_at, entry.source,
                    int(Quality.CLOCK_WRONG) if wrong else 0, self.columns.formats[dated.format[number]], values,
                )
            )  # fmt: skip
        return found

    def _clock_error(self, place: int, heard_at: int, offset: int) -> int | None:
        """Seconds the meter's clock is ahead of ours; None when it doesn't send time of day."""
        clock = int(self.columns.meter_time[place])
        if clock == NONE or clock % 86400 == 0:
            return None
        return clock - offset - heard_at

    # -- counting -----------------------------------------------------------------------------------------------

    def _first_sightings(self) -> dict[str, Sighting]:
        found: dict[str, Sighting] = {}
        for row, text in enumerate(self.address):
            if not text:
                continue
            known = self.known[row]
            one = found.get(text)
            if one is None:
                one = found[text] = Sighting(
                    self.heads.headers[row].address,
                    known.meter_id if known else None,
                    first_heard_at=self.heard_at[row],
                )
            one.first_heard_at = min(one.first_heard_at, self.heard_at[row])
        return found

    def _count(self) -> IngestResult:
        result = IngestResult(telegrams=self.count)
        result.states[State.DAMAGED] += len(self.heads.problems)
        for row in sorted(range(self.count), key=self.heard_at.__getitem__):
            text = self.address[row]
            if not text:
                continue
            one, at, known = self.sightings[text], self.heard_at[row], self.known[row]
            one.heard += 1
            if at >= one.last_heard_at:
                one.last_heard_at, one.rssi_dbm = at, self.rssi[row]
            security = self.heads.headers[row].security
            if known is None or known.contested:
                state = State.UNKNOWN_METER if known is None else State.CONTESTED
                result.states[state] += 1
                one.state, one.state_at, one.security = state, at, security
                one.recent = [*(one.recent or []), (at, self.rssi[row], self.telegrams.frames[row].hex())][
                    -3:
                ]
                continue
            result.meters.add(known.meter_id)
            if row not in self.state:
                one.surplus += 1
                result.surplus += 1
                continue
            state = self.state[row]
            result.states[state] += 1
            one.counts = one.counts or {}
            one.counts[state] = one.counts.get(state, 0) + 1
            one.state, one.state_at, one.problem, one.security = state, at, self.problem[row], security
            if state == State.READ:
                self._note_values(one, self.place[row], at, known)
        return result

    def _note_values(self, one: Sighting, place: int, at: int, known: Known) -> None:
        telegram: Telegram = self.columns.telegrams[place]
        one.model, one.medium = telegram.model or one.model, telegram.medium or one.medium
        one.last_read_at = at
        code = int(self.columns.info_code[place])
        if code != NONE:
            one.info_code, one.info_at = code, at
        error = self._clock_error(place, at, known.clock_offset_minutes * 60)
        if error is not None:
            one.clock_error_seconds = error
