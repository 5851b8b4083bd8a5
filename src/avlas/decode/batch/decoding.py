"""Decoding a batch: every telegram by the plan that fits it, else by the single decoder, which teaches new plans.

The rows are sorted by shape (what header and length say of the layout) and meter, each shape's frames are gathered into
a matrix, decrypted in place, compared with the shape's plans and read column by column. What fits no plan goes through
the single decoder; the plan made of its answer is tried on the rest at once.

Layouts nothing vouches for (mode 5 and content in clear have no CRC or MAC of their own) are on probation when their
shape is known by other layouts already: values are withheld as UnknownLayout until the layout has come twice, so a
damaged telegram never becomes a reading by being taken for a new layout (fact sheet: fast decoding, section 6.6).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from avlas.decode.batch import opening
from avlas.decode.batch.columns import (
    FLOAT_CODES,
    NONE,
    SECURITY_RANK,
    Collector,
    Columns,
    Kind,
    Values,
    format_text,
    has_sensor_error,
    kind_of,
    seconds,
)
from avlas.decode.batch.headers import CLEAR, ELL_CTR, MODE_5, MODE_7, SINGLE, gather
from avlas.decode.batch.numbers import load
from avlas.decode.batch.plan import NotPlannable, Plan, crcs, plan_for, width_of
from avlas.decode.compact import COMPACT_CIS
from avlas.decode.errors import DecodeError, NoKey, UnknownLayout
from avlas.decode.link import manufacturer_code
from avlas.decode.payloads import diehl
from avlas.decode.security import CHECK, MODE_NAMES
from avlas.decode.single import telegram

if TYPE_CHECKING:
    from decimal import Decimal

    from avlas.decode.batch.headers import Headers
    from avlas.decode.batch.keyring import Keyring
    from avlas.decode.batch.plan import Group
    from avlas.decode.compact import Layouts
    from avlas.decode.types import Telegram

_SHAPES = 4096  # kept; no fleet has a tenth of it
_PLANS = 32  # a shape; further layouts stay with the single decoder
_ON_PROBATION = 4  # of them that were seen once only
_HOPELESS = 8  # telegrams in vain until a shape goes through the single decoder at once
_CONFIRMED = 2
_RANK = np.zeros(5, np.int8)
_RANK[[ELL_CTR, MODE_5, MODE_7]] = [SECURITY_RANK[n] for n in ("ell-ctr", MODE_NAMES[5], MODE_NAMES[7])]
_WITH_DEFAULT_KEYS = [manufacturer_code(letters) for letters in sorted(diehl.MAKERS)]
_NO_KEY = {
    ELL_CTR: NoKey("the content is encrypted (ELL AES-CTR): the meter's key is needed"),
    MODE_5: NoKey("the content is encrypted (mode 5): the meter's key is needed"),
    MODE_7: NoKey("the content is encrypted (mode 7): the meter's key is needed"),
}


class Shape:
    """What is known of telegrams alike in header and length: their plans."""

    __slots__ = ("plans", "unplannable")

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.unplannable = 0  # telegrams met that no plan can be made for

    @property
    def is_known(self) -> bool:
        """Whether a layout of this shape has been confirmed."""
        return any(plan.seen >= _CONFIRMED for plan in self.plans)

    def add(self, plan: Plan) -> None:
        """Keep a new plan; the oldest on probation makes way when there are many."""
        waiting = [one for one in self.plans if one.seen < _CONFIRMED]
        if plan.seen < _CONFIRMED and len(waiting) >= _ON_PROBATION:
            self.plans.remove(waiting[0])
        self.plans.append(plan)


class Plans:
    """The shapes met so far. One store for as long as the layouts are the same."""

    def __init__(self) -> None:
        self.shapes: list[Shape] = []
        self._known = np.empty(0, np.int64)  # the shapes' numbers, sorted
        self._place = np.empty(0, np.int64)  # where each stands in ``shapes``

    def places(self, numbers: np.ndarray) -> np.ndarray:
        """For each shape's number (int64, not 0) its place in ``shapes``; new ones are added."""
        known = self._known
        at = np.minimum(np.searchsorted(known, numbers), max(len(known) - 1, 0))
        if not len(known) or (known[at] != numbers).any():
            if len(known) >= _SHAPES:
                self._drop_noise()
            self._add(np.setdiff1d(numbers, self._known))
            at = np.searchsorted(self._known, numbers)
        places: np.ndarray = self._place[at]
        return places

    def _add(self, new: np.ndarray) -> None:
        first = len(self.shapes)
        self.shapes += [Shape() for _ in new]
        both = np.concatenate([self._known, new])
        places = np.concatenate([self._place, np.arange(first, first + len(new))])
        order = np.argsort(both)
        self._known, self._place = both[order], places[order]

    def _drop_noise(self) -> None:
        """Keep the shapes of which a layout was confirmed: damage and forgery make any number of others."""
        worth = np.array([self.shapes[place].is_known for place in self._place.tolist()], bool)
        self.shapes = [self.shapes[place] for place in self._place[worth].tolist()]
        self._known, self._place = self._known[worth], np.arange(len(self.shapes))


def batch(heads: Headers, rows: np.ndarray | None, ring: Keyring, layouts: Layouts) -> Columns:
    """Decode the telegrams ``rows`` (None: all) of ``heads``, each with the key ``ring`` holds for its address.

    ``layouts`` is read and taught. Never raises for what stands in a telegram: see ``Columns.errors``.
    Content in clear under a header that announces encryption is never accepted here.
    """
    chosen = np.arange(len(heads)) if rows is None else np.asarray(rows, np.int64)
    return _Run(heads, chosen, ring, layouts).columns()


class _Run:
    """One batch on its way. Rows are numbered as chosen; ``self.at`` leads to the frames."""

    def __init__(self, heads: Headers, chosen: np.ndarray, ring: Keyring, layouts: Layouts) -> None:
        self.heads, self.at, self.ring, self.layouts = heads, chosen, ring, layouts
        self.plans = _plans_of(layouts)
        count = self.count = len(chosen)
        self.handles = ring.find(heads.address[chosen])
        self.errors: dict[int, DecodeError] = {}
        self.security = np.zeros(count, np.int8)
        self.counter = heads.counter[chosen]
        self.info, self.clock = np.full(count, NONE, np.int64), np.full(count, NONE, np.int64)
        self.kind, self.sensor = np.full(count, -1, np.int32), np.zeros(count, bool)
        self.formats: dict[str, int] = {}
        self.kinds: dict[Kind, int] = {}
        self.format = np.full(count, -1, np.int32)
        self.matrix = np.empty((len(FLOAT_CODES), count))  # a register a row
        self.place_of: dict[str, int] = {}  # register -> its row there
        self.dated: list[_Dated] = []
        self.single = Collector(self.formats, self.kinds)
        self.planned: list[tuple[Plan, np.ndarray, np.ndarray]] = []  # plan, rows, their frames decrypted
        way = heads.way[chosen]
        usable = ring.has_key(self.handles)
        locked = (way >= ELL_CTR) & ~usable
        if locked.any():
            way = way.copy()
            maker = (heads.address[chosen] & np.uint64(0xFFFF)).astype(np.int64)
            perhaps = locked & (way == MODE_5) & np.isin(maker, _WITH_DEFAULT_KEYS)
            way[perhaps] = SINGLE
            for row in np.flatnonzero(locked & ~perhaps).tolist():
                if ring.key(int(self.handles[row])) is None:
                    self.errors[row] = _NO_KEY[int(way[row])]
                    way[row] = -1
                else:
                    way[row] = SINGLE
        for row in np.flatnonzero(way == SINGLE).tolist():
            self._decode_one(row)
        self._by_shape(np.flatnonzero(way > SINGLE))

    def _by_shape(self, rows: np.ndarray) -> None:
        if not rows.size:
            return
        numbers = self.plans.places(self.heads.shape[self.at[rows]])
        order = np.argsort(numbers << 32 | self.handles[rows], kind="stable")
        rows, numbers = rows[order], numbers[order]
        starts = np.flatnonzero(np.concatenate([[True], numbers[1:] != numbers[:-1]])).tolist()
        for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
            shape = self.plans.shapes[int(numbers[start])]
            for first in range(start, end, opening.ROWS):
                self._read(shape, rows[first : min(first + opening.ROWS, end)])

    def _read(self, shape: Shape, rows: np.ndarray) -> None:
        """Decode telegrams of one shape."""
        if shape.unplannable >= _HOPELESS and not shape.plans:
            for row in rows[1:].tolist():
                self._decode_one(row)
            rows = rows[:1]  # one is tried again each time: the first ones may have been damaged
        frames, right = self._open(rows)
        if not right.all():
            for row in rows[~right].tolist():
                self._decode_one(row)
            rows, frames = rows[right], frames[right]
        words = frames.view(np.uint64)
        left = np.arange(len(rows))
        for plan in shape.plans:
            left = self._by_plan(plan, rows, frames, words, left)
            if not left.size:
                return
        while left.size:
            plan_made = self._learn(shape, int(rows[left[0]]))
            left = left[1:]
            if plan_made is not None and left.size:
                left = self._by_plan(plan_made, rows, frames, words, left)

    def _open(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The frames (rows, width) uint8, decrypted, and which of them opened well (bool)."""
        heads, at, handles = self.heads, self.at[rows], self.handles[rows]
        first = int(at[0])
        way, tpl_at, body = int(heads.way[first]), int(heads.tpl_at[first]), int(heads.body[first])
        length = int(heads.length[first])
        blocks = int(heads.shape[first]) & 0x0F
        frames = gather(heads.buffer, heads.offset[at], width_of(length))
        if way == CLEAR:
            return frames, np.ones(len(rows), bool)
        if way == ELL_CTR:
            opening.ell_ctr(frames, length, self.ring, handles)
            return frames, load(frames, 17, 2) == crcs(frames[:, 19:length])
        if way == MODE_7:
            right = opening.mode_7(
                frames, tpl_at, body, blocks, length, heads.address[at], self.ring, handles
            )
        else:
            vectors = np.empty((len(rows), 16), np.uint8)
            vectors[:, :8] = heads.address[at].view(np.uint8).reshape(-1, 8)
            access = tpl_at + (9 if heads.frames[first][tpl_at] == 0x72 else 1)
            vectors[:, 8:] = frames[:, access : access + 1]
            opening.mode_5(frames, body, blocks, vectors, self.ring, handles)
            right = np.ones(len(rows), bool)
        return frames, right & (frames[:, body] == CHECK[0]) & (frames[:, body + 1] == CHECK[1])

    # -- plans --------------------------------------------------------------------------------------------------

    def _by_plan(
        self, plan: Plan, rows: np.ndarray, frames: np.ndarray, words: np.ndarray, left: np.ndarray
    ) -> np.ndarray:
        """Read what fits a plan; gives what is left of ``left`` (places in ``rows``)."""
        whole = len(left) == len(rows)
        fits = plan.fits(words if whole else words[left])
        if plan.crc is not None and fits.any():
            fits[fits] = plan.crc.fits(frames[left[fits]])
        if not fits.any():
            return left
        mine = left if fits.all() else left[fits]
        if plan.seen < _CONFIRMED and not self._comes_again(plan, frames[mine]):
            for row in rows[mine].tolist():
                self.errors[row] = _held_back(plan.taught)
            return left[~fits]  # type: ignore[no-any-return]
        if len(mine) == len(rows):
            self._take(plan, rows, frames)
        else:
            self._take(plan, rows[mine], frames[mine])
        return left[~fits]  # type: ignore[no-any-return]

    def _comes_again(self, plan: Plan, frames: np.ndarray) -> bool:
        """Count other telegrams of a layout on probation; whether its values are to be believed."""
        assert plan.taught is not None
        first = np.frombuffer(plan.taught.plain, np.uint8)
        plan.seen += int((frames[:, : len(first)] != first).any(axis=1).sum())
        if plan.seen >= _CONFIRMED:
            self.layouts.learn(plan.taught)
            plan.taught = None
        return plan.believed or plan.seen >= _CONFIRMED

    def _take(self, plan: Plan, rows: np.ndarray, frames: np.ndarray) -> None:
        """Read telegrams that fit ``plan`` into the columns."""
        values, gaps = plan.table.read(frames)
        if gaps is not None and plan.doubtful is not None:
            unclear = (gaps & plan.doubtful).any(axis=1)
            if unclear.any():
                for row in rows[unclear].tolist():
                    self._decode_one(row)
                if unclear.all():
                    return
                rows, frames, values, gaps = (
                    rows[~unclear],
                    frames[~unclear],
                    values[~unclear],
                    gaps[~unclear],
                )
        end = len(plan.now.registers)
        self.matrix[self._places(plan.now.codes), rows] = values[:, :end].T
        self.format[rows] = self._format_of(plan.now, None if gaps is None else gaps[:, :end])
        for group in plan.stamped:
            first, end = end, end + len(group.registers)
            self._take_stamped(
                group, rows, frames, values[:, first:end], None if gaps is None else gaps[:, first:end]
            )
        if plan.info is not None:
            self.info[rows] = load(frames, plan.info.start, plan.info.size)
        if plan.clock is not None:
            self.clock[rows] = plan.clock.read(frames)
        for code, marks in plan.sensor_marks:
            for at, one in enumerate(plan.now.registers):
                if one.code == code:
                    for mark in marks:
                        self.sensor[rows] |= values[:, at] == mark
        self.kind[rows] = self.kinds.setdefault(plan.kind, len(self.kinds))
        self.security[rows] = _RANK[self.heads.way[self.at[rows[0]]]]
        self.planned.append((plan, rows, frames))

    def _take_stamped(
        self, group: Group, rows: np.ndarray, frames: np.ndarray, values: np.ndarray, gaps: np.ndarray | None
    ) -> None:
        at = group.moments[0].read(frames)
        for other in group.moments[1:]:
            at = np.where(at == NONE, other.read(frames), at)
        there = at != NONE
        if gaps is not None:
            there &= ~gaps.all(axis=1)
        if not there.all():
            if not there.any():
                return
            rows, at, values = rows[there], at[there], values[there]
            gaps = None if gaps is None else gaps[there]
        columns = dict(zip(group.codes, values.T, strict=True))
        self.dated.append(_Dated(rows, at, columns, self._format_of(group, gaps)))

    def _format_of(self, group: Group, gaps: np.ndarray | None) -> np.ndarray | int:
        """The format of each row: registers without a value don't count."""
        usual = self.formats.setdefault(group.format, len(self.formats))
        if gaps is None or not gaps.any():
            return usual
        formats = np.full(len(gaps), usual, np.int32)
        for row in np.flatnonzero(gaps.any(axis=1)).tolist():
            there = {code: None for code, gap in zip(group.codes, gaps[row].tolist(), strict=True) if not gap}
            text = format_text(there, group.sent)
            formats[row] = self.formats.setdefault(text, len(self.formats))
        return formats

    def _places(self, codes: tuple[str, ...]) -> np.ndarray:
        """Where registers stand in the matrix, as a column."""
        for code in codes:
            if code not in self.place_of:
                self.matrix[len(self.place_of)] = np.nan
                self.place_of[code] = len(self.place_of)
        return np.array([self.place_of[code] for code in codes], np.int64)[:, None]

    # -- one by one ---------------------------------------------------------------------------------------------

    def _telegram(self, row: int) -> Telegram | None:
        at = int(self.at[row])
        try:
            return telegram(
                self.heads.frames[at],
                self.ring.key(int(self.handles[row])),
                format="wired" if self.heads.wired else "a",
                layouts=self.layouts,
            )
        except DecodeError as problem:
            self.errors[row] = problem
            return None

    def _decode_one(self, row: int) -> None:
        one = self._telegram(row)
        if one is not None:
            self.layouts.learn(one)
            self._keep(row, one)

    def _keep(self, row: int, one: Telegram) -> None:
        self.single.add(row, one)
        self.security[row] = SECURITY_RANK.get(one.header.security, 0)
        if one.header.counter is not None:
            self.counter[row] = one.header.counter
        if one.info_code is not None:
            self.info[row] = one.info_code & np.iinfo(np.int64).max
        if one.meter_time is not None:
            self.clock[row] = seconds(one.meter_time)
        self.kind[row] = self.kinds.setdefault(kind_of(one), len(self.kinds))
        self.sensor[row] = has_sensor_error(one)

    def _learn(self, shape: Shape, row: int) -> Plan | None:
        """Decode one telegram that fits no plan and make a plan of it (None: none can be made)."""
        one = self._telegram(row)
        if one is None:
            return None
        self.layouts.learn(one)
        at, heads = int(self.at[row]), self.heads
        plan = None
        if len(shape.plans) < _PLANS:
            with suppress(NotPlannable):
                plan = plan_for(one, int(heads.way[at]), int(heads.tpl_at[at]), int(heads.body[at]))
        way = int(heads.way[at])
        sure = way in (ELL_CTR, MODE_7) or one.header.ci in COMPACT_CIS or self._is_confirmed(one)
        if sure or not shape.is_known:
            self._keep(row, one)
        else:
            self.errors[row] = _held_back(one)
        if plan is None:
            shape.unplannable += 1
            return None
        if sure:
            plan.seen = _CONFIRMED
        else:
            plan.taught, plan.believed = one, not shape.is_known
        shape.add(plan)
        return plan

    def _is_confirmed(self, one: Telegram) -> bool:
        who = one.header.link_address or one.header.address
        if who is None or one.signature is None:
            return False
        layout = self.layouts.find(who.manufacturer, who.version, who.device_type, one.signature)
        return layout is not None and self.layouts.is_confirmed(layout)

    # -- the result ---------------------------------------------------------------------------------------------

    def columns(self) -> Columns:
        single = self.single
        for row, one in single.telegrams.items():
            self.format[row] = single.format[row]
            for code, value in one.registers.items():
                if code != "info_code":
                    self.matrix[self._places((code,))[0, 0], row] = float(value)
        read = np.flatnonzero(self.kind >= 0)
        all_read = len(read) == self.count
        values = {
            code: self.matrix[self.place_of[code]] if all_read else self.matrix[self.place_of[code]][read]
            for code in FLOAT_CODES
            if code in self.place_of
        }
        if single.dated_row:
            self.dated.append(
                _Dated(
                    np.array(single.dated_row, np.int64), np.array(single.dated_at, np.int64),
                    _by_code(single.dated_values), np.array(single.dated_format, np.int32),
                )
            )  # fmt: skip
        dated, dated_at = _joined(self.dated)
        return Columns(
            self.errors, self.security, self.counter,
            Values(read, values, self.format if all_read else self.format[read]),
            self.info, self.clock, dated, dated_at, tuple(self.formats), self.kind, tuple(self.kinds),
            self.sensor, ((0, self.count, _Others(self.planned, single, self.count)),),
        )  # fmt: skip


def _held_back(one: Telegram | None) -> UnknownLayout:
    return UnknownLayout(
        "a layout this type was never seen with, and no check vouches for it: it counts when it comes again",
        one.header if one is not None else None,
    )


class _Dated:
    """Some rows of values with the meter's own stamp."""

    __slots__ = ("at", "format", "rows", "values")

    def __init__(
        self,
        rows: np.ndarray,
        at: np.ndarray,
        values: dict[str, np.ndarray],
        format: np.ndarray | int,  # noqa: A002
    ) -> None:
        self.rows, self.at, self.values = rows, at, values
        self.format = np.full(len(rows), format, np.int32) if isinstance(format, int) else format


def _joined(parts: list[_Dated]) -> tuple[Values, np.ndarray]:
    if not parts:
        empty = np.empty(0, np.int64)
        return Values(empty, {}, np.empty(0, np.int32)), empty
    codes = {code for part in parts for code in part.values}
    columns = {
        code: np.concatenate([part.values.get(code, np.full(len(part.rows), np.nan)) for part in parts])
        for code in FLOAT_CODES
        if code in codes
    }
    rows = np.concatenate([part.rows for part in parts])
    return (
        Values(rows, columns, np.concatenate([part.format for part in parts])),
        np.concatenate([part.at for part in parts]),
    )


def _by_code(found: list[dict[str, Decimal | float]]) -> dict[str, np.ndarray]:
    codes = {code for values in found for code in values if code != "info_code"}
    return {
        code: np.array([float(values.get(code, np.nan)) for values in found], np.float64) for code in codes
    }


class _Others:
    """``Columns.other`` of one batch's rows: made when asked for, from the decrypted frames."""

    def __init__(
        self, planned: list[tuple[Plan, np.ndarray, np.ndarray]], single: Collector, count: int
    ) -> None:
        self.planned, self.single, self.count = planned, single, count
        self._group: np.ndarray | None = None
        self._place = np.empty(0, np.int64)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        group, place = self._places()
        texts = np.full(len(rows), "", object)
        of_row = group[rows]
        for number in np.unique(of_row).tolist():
            mine = np.flatnonzero(of_row == number)
            if number < 0:
                texts[mine] = [self.single.other(row) for row in rows[mine].tolist()]
                continue
            plan, _, frames = self.planned[number]
            texts[mine] = plan.others(frames[place[rows[mine]]])
        return texts

    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """For each row by which plan it was read (-1: by none) and where it stands there."""
        if self._group is None:
            self._group, self._place = np.full(self.count, -1, np.int64), np.zeros(self.count, np.int64)
            for number, (_, rows, _frames) in enumerate(self.planned):
                self._group[rows], self._place[rows] = number, np.arange(len(rows))
        return self._group, self._place


def _plans_of(layouts: Layouts) -> Plans:
    """The plans that go with a store of layouts."""
    if layouts.plans is None:
        layouts.plans = Plans()
    assert isinstance(layouts.plans, Plans)
    return layouts.plans
