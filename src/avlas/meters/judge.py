"""What telegrams are worth that are not quite ordinary, judged by what is stored: reads the database, writes nothing.

Surplus is told from what has to be decoded, forged from honest, and of each class in a slot the telegram to keep is
chosen. The stored rows must not depend on the order of arrival: of each class the earliest telegram heard in a slot is
kept (see slots.py), and readings are what the kept telegrams say together. So when an earlier telegram takes the place
of a kept one, its slot is filled anew, and a logged value that only the replaced one had told is taken back.

The telegrams of which this is needless are judged in columns (ordinary.py); of a meter that comes here all do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from avlas.decode.batch import NONE, Columns, batch, headers, join
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
from avlas.meters import layouts, slots, states
from avlas.meters.logged import Logged
from avlas.meters.models import Quality, State
from avlas.meters.slots import Entry, Slot, StoredTelegram

if TYPE_CHECKING:
    from collections.abc import Iterable

    from avlas.decode.compact import Layouts
    from avlas.meters.ordinary import Ordinary
    from avlas.meters.owned import Owned

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
WAITING = (State.NO_KEY, State.WRONG_KEY, State.DAMAGED, State.UNKNOWN_LAYOUT, State.UNSUPPORTED)
CLOCK_WRONG_SECONDS = 600
DAY = 86400

Key = tuple[int, int, int]  # meter_id, slot_at, class_code


class Judged:
    """The rows of a batch that are not quite ordinary, and what is to become of them.

    ``rows`` are their places in the batch, ``entries`` what became of those that were looked into, ``kept`` and
    ``others`` the new and the stored telegrams whose slots are written (those of ``anew`` from them alone),
    ``logged`` the values with the meters' own stamps (those of ``lost`` from them alone). ``columns`` holds what
    was decoded, the ordinary ones' part first.
    """

    def __init__(self, owned: Owned, ordinary: Ordinary, store: Layouts) -> None:
        """Judge. Raises OperationalError when the database can't be read, SecretError."""
        self.telegrams, self.heads, self.directory = owned.telegrams, owned.heads, owned.directory
        self.layouts = store
        self.rows: list[int] = np.flatnonzero(ordinary.careful).tolist()
        self._owned = owned
        self._heard_at = dict(zip(self.rows, owned.heard_at[self.rows].tolist(), strict=True))
        handles = owned.handle[self.rows]
        self.address = dict(
            zip(self.rows, (self.directory.text[one] for one in handles.tolist()), strict=True)
        )
        meters, offsets = owned.meter_id[self.rows].tolist(), self.directory.clock_offset[handles].tolist()
        self._clock_offset: dict[int, int] = dict(zip(meters, offsets, strict=True))
        self.freshness = states.load_freshness(self.directory.utility_id, set(self.address.values()))
        self.fresh = dict(self.freshness)
        self._parts: list[Columns] = [] if ordinary.columns is None else [ordinary.columns]
        self._placed = len(ordinary.decoded)
        # row -> its place among what was decoded already
        self._decoded = {row: place for place, row in enumerate(ordinary.decoded.tolist())}
        self.entries: dict[int, Entry] = {}
        groups = self._groups()
        self._decode_in_turn(groups)
        self._decode_what_waited(groups)
        self._choose(groups)
        self._look_back()
        self.columns = join(self._parts) if self._parts else None
        self.logged = [said for _, said in self._logged(self.read)]
        self._take_back()

    @property
    def read(self) -> list[Entry]:
        """The telegrams to keep that could be read."""
        return [entry for entry in self.kept if entry.state == State.READ]

    @property
    def meter_ids(self) -> list[int]:
        """The meters whose rows may change."""
        return sorted({entry.meter_id for entry in self.kept})

    def has_changed(self) -> bool:
        """Whether the database no longer says what was judged by (rows locked)."""
        if not self.kept:  # what is surplus once stays so
            return False
        if states.load_freshness(self.directory.utility_id, self.freshness) != self.freshness:
            return True
        if slots.load_stored(self.stored) != self.stored:
            return True
        same_second = [entry.key for entry in self.kept if entry.key in self._stored_frame]
        if any(entry.frame != self._stored_frame[entry.key] for entry in slots.load_entries(same_second, 0)):
            return True
        return any(
            slots.load_read_since(meter_id, since) != there for (meter_id, since), there in self._told.items()
        )

    def clock_error(self, entry: Entry) -> int | None:
        """Seconds the meter's clock is ahead of ours; None when it doesn't send time of day."""
        assert self.columns is not None
        clock = int(self.columns.meter_time[entry.place])
        if clock == NONE or clock % DAY == 0:
            return None
        return clock - self._clock_offset[entry.meter_id] - entry.heard_at

    # -- is it surplus ------------------------------------------------------------------------------------------

    def _groups(self) -> dict[Key, list[Entry]]:
        """The telegrams that are not surplus, by meter, slot and class, each group in the order heard."""
        owned, rows = self._owned, self.rows
        keys: dict[int, Key] = dict(
            zip(
                rows,
                zip(
                    owned.meter_id[rows].tolist(), owned.slot_at[rows].tolist(),
                    self.heads.class_code[rows].tolist(), strict=True,
                ),
                strict=True,
            )
        )  # fmt: skip
        addresses = dict(zip(rows, self.heads.address[rows].tolist(), strict=True))
        protections = dict(zip(rows, self.heads.security[rows].tolist(), strict=True))
        rssi = dict(zip(rows, self.telegrams.rssi_dbm[rows].tolist(), strict=True))
        self.stored = slots.load_stored(key[:2] for key in keys.values())
        there = {row: self.stored[key[:2]].get(key[2]) for row, key in keys.items()}
        same_second = {
            one.key for row, one in there.items() if one is not None and one.heard_at == self._heard_at[row]
        }
        self._stored_frame = {entry.key: entry.frame for entry in slots.load_entries(sorted(same_second), 0)}
        groups: dict[Key, list[Entry]] = {}
        for row, key in keys.items():
            one, turn = there[row], (self._heard_at[row], self.telegrams.frames[row])
            if one is not None and one.state == State.READ and turn >= self._turn(one):
                continue
            entry = self.entries[row] = Entry(
                *key, *turn, self.telegrams.collector_id, None if rssi[row] != rssi[row] else rssi[row],
                int(self.telegrams.source), row=row, address=addresses[row], security=protections[row],
            )  # fmt: skip
            groups.setdefault(key, []).append(entry)
        for group in groups.values():
            group.sort(key=_turn)
        return groups

    def _turn(self, stored: StoredTelegram) -> tuple[int, bytes]:
        """A stored telegram's turn; its bytes are only known, and only needed, where the second is the same."""
        return stored.heard_at, self._stored_frame.get(stored.key, b"")

    # -- decoding -----------------------------------------------------------------------------------------------

    def _decode(self, entries: Iterable[Entry]) -> None:
        """Decode telegrams; each learns its place in the columns, its state (no judgement) and its problem."""
        new = []
        for entry in entries:
            place = self._decoded.pop(entry.row, None)
            if place is None:
                new.append(entry)
            else:
                self._note(entry, place, self._parts[0], 0)
        for wired in (False, True):
            part = [entry for entry in new if entry.wired == wired]
            if not part:
                continue
            heads = headers([entry.frame for entry in part], wired=wired)
            for entry, number in zip(part, heads.address.tolist(), strict=True):
                entry.address = number
            with layouts.decoding:
                self.directory.provide_keys(self.directory.handles(heads.address))
                columns = batch(heads, None, self.directory.ring, self.layouts)
            for number, entry in enumerate(part):
                self._note(entry, number, columns, self._placed)
            self._parts.append(columns)
            self._placed += len(part)

    @staticmethod
    def _note(entry: Entry, number: int, columns: Columns, start: int) -> None:
        entry.place = start + number
        problem = columns.errors.get(number)
        entry.state, entry.problem = State.READ, ""
        if problem is not None:
            entry.state = _STATE_OF.get(type(problem), State.DAMAGED)
            entry.problem = problem.message

    def _read(self, entries: list[Entry]) -> None:
        """Decode telegrams and judge those that could be read, in the order heard."""
        self._decode(entries)
        security = np.concatenate([part.security for part in self._parts])
        counter = np.concatenate([part.counter for part in self._parts])
        for entry in sorted(entries, key=_turn):
            if entry.state != State.READ or self._let_in(entry):
                continue
            address = address_text(entry.address)
            if address not in self.fresh:  # waited at another address of the meter: its time comes there
                entry.state = entry.stored
                continue
            number = int(counter[entry.place])
            why, self.fresh[address] = self.fresh[address].judge(
                int(security[entry.place]), None if number == NONE else number, entry.heard_at
            )
            if why:
                entry.state, entry.problem = State.DOWNGRADED, why

    def _let_in(self, entry: Entry) -> bool:
        """Whether a person has looked at a forgery and let it in."""
        there = self.stored[entry.slot].get(entry.class_code)
        return self.telegrams.again and there is not None and there.state == State.DOWNGRADED

    def _decode_in_turn(self, groups: dict[Key, list[Entry]]) -> None:
        """Decode the earliest of each group; where it can't be read, the next may do better."""
        waiting = list(groups.values())
        while waiting:
            self._read([group[0] for group in waiting])
            left = []
            for group in waiting:
                first, rest = group[0], group[1:]
                if first.state == State.NO_KEY:  # others protected like it would fare no better
                    rest = [entry for entry in rest if entry.security != first.security]
                if rest and first.state != State.READ:
                    left.append(rest)
            waiting = left

    def _decode_what_waited(self, groups: dict[Key, list[Entry]]) -> None:
        """Where a telegram was read at last, try those before it again that could not be read until now."""
        wanted: list[Entry] = []
        stored: list[Key] = []
        for key, group in groups.items():
            read = next((entry for entry in group if entry.state == State.READ), None)
            if read is None:
                continue
            wanted += [e for e in group if e.state == State.UNKNOWN_LAYOUT and e.turn < read.turn]
            there = self.stored[key[:2]].get(key[2])
            if there is not None and there.state in WAITING and self._turn(there) < read.turn:
                stored.append(key)
        waited = slots.load_entries(stored, int(self.telegrams.source))
        if wanted or waited:
            self._read([*wanted, *waited])
        for entry in waited:
            if entry.state == State.READ:
                groups[entry.key].append(entry)

    # -- choosing -----------------------------------------------------------------------------------------------

    def _choose(self, groups: dict[Key, list[Entry]]) -> None:
        """Of each group keep the earliest telegram that was read, else the earliest."""
        self.kept: list[Entry] = []
        self._replaced: dict[Key, Entry] = {}  # key of a stored telegram that was read -> what replaces it
        for key, group in groups.items():
            there = self.stored[key[:2]].get(key[2])
            read = [entry for entry in group if entry.state == State.READ]
            if read:
                first = min(read, key=_turn)
                self.kept.append(first)
                if there is not None and there.state == State.READ:
                    self._replaced[key] = first
            elif there is None or (there.state != State.READ and group[0].turn <= self._turn(there)):
                self.kept.append(group[0])

    def _look_back(self) -> None:
        """Decode stored telegrams again whose slots must be filled anew, and those about to be replaced."""
        new: dict[Slot, list[Entry]] = {}
        for entry in self.read:
            new.setdefault(entry.slot, []).append(entry)
        wanted: list[Key] = []
        self.anew: set[Slot] = set()
        for slot, entries in new.items():
            there = [one for one in self.stored[slot].values() if one.state == State.READ]
            if there and min(entry.heard_at for entry in entries) <= max(one.heard_at for one in there):
                self.anew.add(slot)
                codes = {entry.class_code for entry in entries}
                wanted += [one.key for one in there if one.class_code not in codes]
        found = slots.load_entries([*wanted, *self._replaced], int(self.telegrams.source))
        if found:
            self._decode(found)
        self._old = [entry for entry in found if entry.key in self._replaced and entry.state == State.READ]
        self.others = [entry for entry in found if entry.key not in self._replaced]
        for entry in self.others:
            if entry.state != State.READ:  # its key has gone: then at least nothing is lost of the row
                self.anew.discard(entry.slot)
        self.others = [entry for entry in self.others if entry.slot in self.anew]

    # -- values with the meter's own stamp ----------------------------------------------------------------------

    def _logged(self, entries: Iterable[Entry]) -> list[tuple[Entry, Logged]]:
        """The dated values of telegrams that were read, with the meter's stamps turned into UTC."""
        by_place = {entry.place: entry for entry in entries}
        if self.columns is None or not by_place:
            return []
        found = []
        dated = self.columns.dated
        columns = {code: column.tolist() for code, column in dated.registers.items()}
        rows = zip(dated.row.tolist(), self.columns.dated_at.tolist(), dated.format.tolist(), strict=True)
        for number, (place, at, spec) in enumerate(rows):
            entry = by_place.get(place)
            if entry is None:
                continue
            values = {c: column[number] for c, column in columns.items() if column[number] == column[number]}
            if not values:
                continue
            stamp = at - self._clock_offset[entry.meter_id]
            if self.directory.fences.holds(entry.meter_id, stamp):
                continue
            error = self.clock_error(entry)
            wrong = error is not None and abs(error) > CLOCK_WRONG_SECONDS
            found.append(
                (
                    entry,
                    Logged(
                        entry.meter_id, stamp, entry.heard_at, entry.source,
                        int(Quality.CLOCK_WRONG) if wrong else 0, self.columns.formats[spec], values,
                    ),
                )
            )  # fmt: skip
        return found

    def _take_back(self) -> None:
        """Where a replaced telegram told what the one in its place doesn't, ask all kept ones what they say."""
        self.lost: set[Slot] = set()
        self._told: dict[tuple[int, int], list[StoredTelegram]] = {}
        if not self._old:
            return
        says: dict[Key, dict[tuple[Slot, str], float]] = {}
        for entry, said in self._logged(self._replaced.values()):
            says.setdefault(entry.key, {}).update({(said.key, code): v for code, v in said.values.items()})
        for entry, said in self._logged(self._old):
            there = says.get(entry.key, {})
            if any(there.get((said.key, code)) != value for code, value in said.values.items()):
                self.lost.add(said.key)
        new = {entry.key for entry in self.kept}
        told: list[Entry] = []
        for meter_id in {key[0] for key in self.lost}:
            since = min(at for meter, at in self.lost if meter == meter_id) - DAY
            stored = self._told[meter_id, since] = slots.load_read_since(meter_id, since)
            told += slots.load_entries(
                [one.key for one in stored if one.key not in new], int(self.telegrams.source)
            )
        if told:
            self._decode(told)
            self.columns = join(self._parts)
            read = [entry for entry in told if entry.state == State.READ]
            self.logged += [said for _, said in self._logged(read) if said.key in self.lost]


def _turn(entry: Entry) -> tuple[int, bytes]:
    return entry.turn


def address_text(number: int) -> str:
    """Give an address (as in decode.batch.Headers) as MeterState.address has it; "" for 0."""
    return number.to_bytes(8, "little").hex().upper() if number else ""
