"""The rows of an export, meters by hundreds: memory stays the same however many there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters import groups
from avlas.meters.models import MeterState, Quality
from avlas.reports.calc.borders import borders, own_stamp
from avlas.reports.calc.judgement import BACKWARDS, ROLLED_OVER
from avlas.reports.calc.value_at import ENTERED, INTERPOLATED, LIVE, LOGGED, NONE
from avlas.reports.info_codes import all_changes
from avlas.reports.variables import BY_VARIABLE, chosen
from avlas.transfer.exports import catalogue, values
from avlas.transfer.exports.block import At, Block, Number, Strip
from avlas.transfer.exports.formatting import zone_of
from avlas.transfer.exports.layout import CONSTANT, PERIOD
from avlas.transfer.exports.means import Intervals, Means, means
from avlas.transfer.exports.spans import EDGES, Span, spans_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from fractions import Fraction

    from django.utils.functional import Promise

    from avlas.reports.variables import Facts, Variable
    from avlas.system.models import Utility
    from avlas.transfer.exports.block import Cell
    from avlas.transfer.exports.layout import Column, Layout

    CellOf = Callable[[Variable, Facts], Any]

HOW: Final[dict[int, Promise]] = {
    LOGGED: gettext_lazy("stored by the meter"),
    ENTERED: gettext_lazy("entered"),
    LIVE: gettext_lazy("read"),
    INTERPOLATED: gettext_lazy("interpolated"),
    values.ESTIMATED: gettext_lazy("estimated"),
}
"""How a value is known, in words."""
_QUALITY: Final[dict[int, Promise]] = {
    Quality.CONFLICT: gettext_lazy("conflict"),
    Quality.IMPLAUSIBLE: gettext_lazy("implausible"),
    Quality.SENSOR_ERROR: gettext_lazy("sensor error"),
    Quality.CLOCK_WRONG: gettext_lazy("clock wrong"),
}
_AT_ONCE: Final = {PERIOD: 2000, "month": 500, "day": 200, "hour": 100}  # meters
_ROWS: Final = 5000  # from so many on a block ends with its meter


@dataclass(slots=True)
class Tally:
    """What was met on the way, for the receipt."""

    rows: int = 0
    meters: int = 0
    without: int = 0  # rows without any value in a column that holds one
    interpolated: int = 0
    estimated: int = 0
    backwards: int = 0


def chosen_meters(utility: Utility, layout: Layout) -> list[int]:
    """The meters that a layout is about: its group, and of its medium."""
    test, parameters = groups.members_test(utility.pk, layout.group)
    medium = " AND m.medium = %s" if layout.medium else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT m.id FROM meters_meter m WHERE m.utility_id = %s AND {test}{medium} ORDER BY m.id",
            [utility.pk, *parameters, *([layout.medium] if layout.medium else [])],
        )
        return [row[0] for row in cursor.fetchall()]


def blocks(
    utility: Utility,
    layout: Layout,
    meter_ids: Sequence[int],
    start: datetime,
    end: datetime,
    cell_of: CellOf,
    tally: Tally,
    said: Callable[[int], None] = lambda _done: None,
) -> Iterator[Block]:
    """The rows of an export from ``start`` to ``end`` (aware), in the meters' order; what was met goes into ``tally``.

    ``meter_ids`` are the utility's. ``cell_of`` gives a variable's value in words; ``said`` is told how many meters
    are done, and may raise to stop.
    """
    edges = _edges(layout, start, end)
    maker = _Maker(utility, layout, cell_of, tally, _stamps(layout, start, end, edges))
    size = _AT_ONCE[layout.interval]
    for begin in range(0, len(meter_ids), size):
        said(begin)
        some = meter_ids[begin : begin + size]
        yield from maker.blocks_of(some, start, end, edges)
    said(len(meter_ids))


def _edges(layout: Layout, start: datetime, end: datetime) -> np.ndarray:
    """Where the intervals of a period begin and end, those at its ends left out. Seconds UTC."""
    if layout.interval == PERIOD:
        return np.zeros(0, np.int64)
    cuts = borders(layout.interval, start, end, zone_of(layout.borders))  # type: ignore[arg-type]
    return np.array([int(one.timestamp()) for one in cuts if start < one < end], np.int64)


def _stamps(layout: Layout, start: datetime, end: datetime, edges: np.ndarray) -> dict[int, int]:
    """When the meters' own values of months that begin at other moments stand; days and hours are what was heard."""
    if layout.interval not in (PERIOD, "month"):
        return {}
    zone, moments = zone_of(layout.borders), [int(start.timestamp()), int(end.timestamp()), *edges.tolist()]
    stamps = {at: int(own_stamp(datetime.fromtimestamp(at, UTC), zone).timestamp()) for at in moments}
    return {at: own for at, own in stamps.items() if own != at}


@dataclass(slots=True)
class _Piece:
    """A span with its moments among the values."""

    span: Span
    moments: list[int]
    first: int  # place of its first moment
    rows: int


def _parts(pieces: Sequence[_Piece]) -> Iterator[list[_Piece]]:
    """The pieces, some at once: about as many rows however long the period is."""
    some: list[_Piece] = []
    count = 0
    for one in pieces:
        some.append(one)
        count += one.rows
        if count >= _ROWS:
            yield some
            some, count = [], 0
    if some:
        yield some


class _Maker:
    """Makes rows, its columns prepared once."""

    def __init__(
        self, utility: Utility, layout: Layout, cell_of: CellOf, tally: Tally, stamps: dict[int, int]
    ) -> None:
        self._layout, self._utility, self._cell_of, self._tally = layout, utility, cell_of, tally
        self._stamps = stamps
        self._registers = catalogue.registers_of(layout.columns)
        self._number = {code: number for number, code in enumerate(self._registers)}
        self._averaged = catalogue.averaged(layout.columns)
        self._variables = chosen(one.code for one in layout.columns)
        self._units = values.Units()
        self._how = {code: str(text) for code, text in HOW.items()}
        self._edges_in_words = {code: str(text) for code, text in EDGES.items()}
        needs_start = {catalogue.START, catalogue.USE, catalogue.HOW_START}
        self._ends_only = layout.interval == PERIOD and not any(
            found and found[1] in needs_start for found in map(catalogue.of_register, self._codes)
        )
        self._with_info = "row.info_codes" in self._codes
        self._with_marks = "row.marks" in self._codes

    @property
    def _codes(self) -> list[str]:
        return [one.code for one in self._layout.columns]

    def blocks_of(
        self, meter_ids: Sequence[int], start: datetime, end: datetime, edges: np.ndarray
    ) -> Iterator[Block]:
        layout = self._layout
        network = self._may_interpolate(meter_ids)
        changes = all_changes(meter_ids) if self._with_info else {}
        pieces: list[_Piece] = []
        count, at_once = 0, values.worth_reading_once(len(edges))
        for span in spans_of(
            meter_ids, start, end, self._variables, only_installed=layout.only_installed, role=layout.role
        ):
            inside = edges[(edges > span.start) & (edges < span.end)].tolist() if len(edges) else []
            moments = [span.end] if self._ends_only else [span.start, *inside, span.end]
            rows = 1 if self._ends_only else len(moments) - 1
            if self._registers and at_once:
                found = values.at_many(
                    span.facts.meter.pk, np.array(moments, np.int64), self._registers, self._stamps
                )
                may = np.full(len(moments), span.facts.meter.pk in network)
                yield self._block([_Piece(span, moments, 0, rows)], self._ready(found, may), changes)
                continue
            pieces.append(_Piece(span, moments, count, rows))
            count += len(moments)
        if not pieces:
            return
        shown = None
        if self._registers:
            ids = np.repeat(
                [one.span.facts.meter.pk for one in pieces], [len(one.moments) for one in pieces]
            ).astype(np.int64)
            asked = np.array([moment for one in pieces for moment in one.moments], np.int64)
            may = np.isin(ids, np.fromiter(network, np.int64, len(network)))
            shown = self._ready(values.at_moments(ids, asked, self._registers, self._stamps), may)
        for some in _parts(pieces):
            yield self._block(some, shown, changes)

    def _may_interpolate(self, meter_ids: Sequence[int]) -> set[int]:
        """The meters between whose readings a value may be put: all, or those that a fixed network hears."""
        if not self._layout.interpolate:
            return set()
        if not self._layout.only_network:
            return set(meter_ids)
        heard = MeterState.objects.filter(meter_id__in=meter_ids, last_collector__isnull=False)
        return set(heard.exclude(last_collector__spec="import").values_list("meter_id", flat=True))

    def _ready(self, found: Any, may: np.ndarray) -> values.Values:
        self._units.learn(found.format_id)
        return values.Values(found, self._registers, interpolate=may)

    def _average(self, work: _Work) -> None:
        """Give rows their means."""
        if self._averaged:
            meters = [one.span.facts.meter for one in work.pieces]
            repeats = [one.rows for one in work.pieces]
            work.means = means(
                Intervals(
                    np.repeat(np.array([one.pk for one in meters], np.int64), repeats),
                    np.array(work.lows, np.int64),
                    np.array(work.highs, np.int64),
                    np.repeat(np.array([one.slot_seconds for one in meters], np.int64), repeats),
                ),
                self._averaged,
            )

    def _block(
        self, pieces: Sequence[_Piece], shown: values.Values | None, changes: dict[int, list[tuple[int, int]]]
    ) -> Block:
        work = _Work(pieces, shown, self._ends_only, self._with_marks)
        self._average(work)
        self._tally.meters += len(pieces)
        self._tally.rows += len(work.lows)
        strips: dict[int, Strip] = {}
        figures, there = False, np.zeros(len(work.lows), bool)
        for place, column in enumerate(self._layout.columns):
            found = catalogue.of_register(column.code)
            if found is not None:
                strips[place], known = self._of_register(work, column, *found)
                figures |= found[1] in (catalogue.END, catalogue.START, catalogue.USE, catalogue.MEAN)
                if found[1] != catalogue.MEAN_OF:
                    there |= known
            elif column.code.startswith("row."):
                strips[place] = self._of_row(work, column.code, changes)
            else:
                strips[place] = Strip([self._fixed(column, one.span) for one in pieces], None, work.repeats)
        if figures:
            self._tally.without += int((~there).sum())
            work.mark(~there, _("no value"))
        if self._with_marks:
            texts = [", ".join(dict.fromkeys(some)) if some else "" for some in work.marks]
            for place, column in enumerate(self._layout.columns):
                if column.code == "row.marks":
                    strips[place] = Strip(texts, str)
        return Block([strips[place] for place in range(len(strips))])

    def _fixed(self, column: Column, span: Span) -> Cell:
        """What stays the same in all rows of a span; None for what does not."""
        code = column.code
        if code in BY_VARIABLE:
            variable = BY_VARIABLE[code]
            return cell(self._cell_of(variable, span.facts), variable.decimals, column.decimals)
        if code == CONSTANT:
            return column.text
        if code == "utility":
            return self._utility.name
        if code.startswith("exchange.") and span.exchange is not None:
            if code == "exchange.at":
                return cell(span.exchange.at, None, None)
            return span.exchange.reason if code == "exchange.reason" else span.other_serial
        return None

    def _of_row(self, work: _Work, code: str, changes: dict[int, list[tuple[int, int]]]) -> Strip:
        words, usual = self._edges_in_words, self._edges_in_words[PERIOD]
        if code == "row.from":
            return Strip(work.lows, At)
        if code == "row.to":
            return Strip(work.highs, At)
        if code == "row.begins":
            firsts = [[words[one.span.begins_with], *[usual] * (one.rows - 1)] for one in work.pieces]
            return Strip(list(chain.from_iterable(firsts)), str)
        if code == "row.ends":
            lasts = [[*[usual] * (one.rows - 1), words[one.span.ends_with]] for one in work.pieces]
            return Strip(list(chain.from_iterable(lasts)), str)
        if code == "row.info_codes":
            meters = chain.from_iterable(repeat(one.span.facts.meter.pk, one.rows) for one in work.pieces)
            return Strip(
                [
                    _active(changes.get(meter, ()), low, high)
                    for meter, low, high in zip(meters, work.lows, work.highs, strict=True)
                ],
                str,
            )
        return Strip([None] * len(work.lows))  # the marks, once they are known

    def _of_register(self, work: _Work, column: Column, register: str, what: str) -> tuple[Strip, np.ndarray]:
        """A register's column, and in which rows it says something."""
        if what in (catalogue.MEAN, catalogue.MEAN_OF):
            return self._mean(work, column, register, what)
        number, shown = self._number[register], work.shown
        assert shown is not None
        place = work.before if what in (catalogue.START, catalogue.HOW_START) else work.after
        how = shown.how[place, number]
        known = how != NONE
        if what in (catalogue.HOW_END, catalogue.HOW_START):
            return Strip([self._how.get(one) for one in how.tolist()], str), known
        if what == catalogue.AT:
            stood = shown.stood_at[place, number].tolist()
            return Strip(
                [at if one else None for at, one in zip(stood, known.tolist(), strict=True)], At
            ), known
        formats = shown.format_id[place, number]
        if what == catalogue.UNIT:
            units = {one: self._shown_as(one, register, column)[1] for one in set(formats.tolist())}
            said = zip(formats.tolist(), known.tolist(), strict=True)
            return Strip([units[one] if is_known else None for one, is_known in said], str), known
        self._note(work, known, how, shown.quality[place])
        figures = shown.value[place, number]
        if what == catalogue.USE:
            known, figures = self._use(work, register, number, known, formats)
        return Strip(self._figures(figures, known, formats, register, column), Number), known

    def _mean(self, work: _Work, column: Column, register: str, what: str) -> tuple[Strip, np.ndarray]:
        """The means of a momentary value over the rows, marked, or of how many readings they are."""
        number = self._averaged.index(register)
        assert work.means is not None
        count, known = work.means.count[:, number], work.means.count[:, number] > 0
        if what == catalogue.MEAN_OF:
            return Strip(list(map(str, count.tolist())), Number), known
        work.mark(known, _("mean"))
        factor, _unit, decimals = values.shown_as(register, None, column.unit, column.decimals)
        found = np.full(len(known), None, object)
        found[known] = values.figures(work.means.value[known, number], factor, decimals)
        return Strip(found.tolist(), Number), known

    def _use(
        self, work: _Work, register: str, number: int, known: np.ndarray, formats: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where the use is known, and how large (canonical)."""
        shown = work.shown
        assert shown is not None
        how = shown.how[work.before, number]
        known &= how != NONE
        self._note(work, known, how, shown.quality[work.before])
        before, after = shown.value[work.before, number], shown.value[work.after, number]
        used = after - before
        for row in np.flatnonzero(known & ~(after >= before)).tolist():
            used[row], verdict = values.use(
                float(before[row]),
                float(after[row]),
                self._units.sent(int(formats[row]), register),
                work.span(row).facts.meter.family,
            )
            if verdict == BACKWARDS:
                self._tally.backwards += 1
                known[row] = False
            if self._with_marks and verdict in (BACKWARDS, ROLLED_OVER):
                work.marks[row].append(_("backwards") if verdict == BACKWARDS else _("rolled over"))
        return known, used

    def _figures(
        self, figures: np.ndarray, known: np.ndarray, formats: np.ndarray, register: str, column: Column
    ) -> Sequence[str | None]:
        """Canonical values in the unit and with the decimals of the column; None where there is none."""
        found: np.ndarray | None = None
        for one in set(formats[known].tolist()):
            factor, _unit, decimals = self._shown_as(one, register, column)
            here = known & (formats == one)
            texts = values.figures(figures[here], factor, decimals)
            if found is None and len(texts) == len(figures):
                return texts
            if found is None:
                found = np.full(len(figures), None, object)
            found[here] = texts
        return [None] * len(figures) if found is None else found.tolist()

    def _shown_as(self, format_id: int, register: str, column: Column) -> tuple[Fraction, str, int]:
        return values.shown_as(register, self._units.sent(format_id, register), column.unit, column.decimals)

    def _note(self, work: _Work, known: np.ndarray, how: np.ndarray, quality: np.ndarray) -> None:
        """Count and mark what is not measured or stands in doubt."""
        interpolated, estimated = known & (how == INTERPOLATED), known & (how == values.ESTIMATED)
        self._tally.interpolated += int(interpolated.sum())
        self._tally.estimated += int(estimated.sum())
        if self._with_marks:
            work.mark(interpolated, self._how[INTERPOLATED])
            work.mark(estimated, self._how[values.ESTIMATED])
            for bit, text in _QUALITY.items():
                work.mark(known & ((quality & bit) != 0), str(text))


class _Work:
    """Rows on their way: their spans and intervals, the places of their values, and their marks."""

    __slots__ = ("after", "before", "highs", "lows", "marks", "means", "pieces", "repeats", "shown")

    def __init__(
        self, pieces: Sequence[_Piece], shown: values.Values | None, ends_only: bool, with_marks: bool
    ) -> None:
        self.pieces, self.shown = pieces, shown
        if ends_only:
            self.lows = [one.span.start for one in pieces]
            self.highs = [one.span.end for one in pieces]
        else:
            self.lows = [at for one in pieces for at in one.moments[:-1]]
            self.highs = [at for one in pieces for at in one.moments[1:]]
        self.repeats = [one.rows for one in pieces] if len(pieces) < len(self.lows) else None
        steps = (np.arange(one.first, one.first + one.rows) for one in pieces)
        self.before = np.concatenate(list(steps))
        self.after = self.before if ends_only else self.before + 1
        self.means: Means | None = None
        self.marks: list[list[str]] = [[] for _low in self.lows] if with_marks else []

    def mark(self, where: np.ndarray, text: str) -> None:
        """Add a mark to some rows, if marks are wanted at all."""
        if self.marks:
            for row in np.flatnonzero(where).tolist():
                self.marks[row].append(text)

    def span(self, row: int) -> Span:
        """The span of a row."""
        ends = np.cumsum([one.rows for one in self.pieces])
        return self.pieces[int(np.searchsorted(ends, row, "right"))].span


def cell(value: Any, usual: int | None, decimals: int | None) -> Cell:
    """A variable's value as a cell; ``usual`` decimals of a float where the column says no others."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return At(int(value.astimezone(UTC).timestamp()))
    if isinstance(value, Decimal):
        return Number(f"{value:.{decimals}f}" if decimals is not None else f"{value:f}")
    if isinstance(value, float):
        exact = Decimal(repr(value))
        places = usual if decimals is None else decimals
        return Number(f"{exact:f}" if places is None else f"{exact:.{places}f}")
    if isinstance(value, int):
        return Number(value)
    return str(value)


def _active(changes: Sequence[tuple[int, int]], low: int, high: int) -> str:
    """The info codes that were there at some time from ``low`` to ``high``, as numbers."""
    found: dict[int, None] = {}
    current = 0
    for at, code in changes:
        if at >= high:
            break
        if at > low and current:
            found[current] = None
        current = code
        if at >= low and code:
            found[code] = None
    if current:
        found[current] = None
    return " ".join(str(code) for code in sorted(found))
