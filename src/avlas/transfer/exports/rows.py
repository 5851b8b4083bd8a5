"""The rows of an export, meters by hundreds: memory stays the same however many there are."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters import groups
from avlas.meters.models import MeterState, Quality
from avlas.reports.calc.borders import borders, own_stamp
from avlas.reports.calc.judgement import BACKWARDS, ROLLED_OVER
from avlas.reports.calc.value_at import ENTERED, INTERPOLATED, LIVE, LOGGED
from avlas.reports.info_codes import all_changes
from avlas.reports.variables import BY_VARIABLE, chosen
from avlas.transfer.exports import catalogue, values
from avlas.transfer.exports.formatting import At, Number, zone_of
from avlas.transfer.exports.layout import CONSTANT, PERIOD
from avlas.transfer.exports.means import Intervals, Means, means
from avlas.transfer.exports.spans import EDGES, Span, spans_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from django.utils.functional import Promise

    from avlas.reports.variables import Facts, Variable
    from avlas.system.models import Utility
    from avlas.transfer.exports.formatting import Cell
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


def rows(
    utility: Utility,
    layout: Layout,
    meter_ids: Sequence[int],
    start: datetime,
    end: datetime,
    cell_of: CellOf,
    tally: Tally,
    said: Callable[[int], None] = lambda _done: None,
) -> Iterator[list[Cell]]:
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
        yield from maker.rows_of(some, start, end, edges)
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
    means: Means | None = None  # of its rows

    @property
    def edges(self) -> list[int]:
        """Where its rows begin and end."""
        return [self.span.start, *self.moments] if len(self.moments) == 1 else self.moments


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

    def rows_of(
        self, meter_ids: Sequence[int], start: datetime, end: datetime, edges: np.ndarray
    ) -> Iterator[list[Cell]]:
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
            if self._registers and at_once:
                found = values.at_many(
                    span.facts.meter.pk, np.array(moments, np.int64), self._registers, self._stamps
                )
                may = np.full(len(moments), span.facts.meter.pk in network)
                alone = [_Piece(span, moments, 0)]
                self._average(alone)
                yield from self._of_pieces(alone, self._ready(found, may), changes)
                continue
            pieces.append(_Piece(span, moments, count))
            count += len(moments)
        if not pieces:
            return
        self._average(pieces)
        shown = None
        if self._registers:
            ids = np.repeat(
                [one.span.facts.meter.pk for one in pieces], [len(one.moments) for one in pieces]
            ).astype(np.int64)
            asked = np.array([moment for one in pieces for moment in one.moments], np.int64)
            may = np.isin(ids, np.fromiter(network, np.int64, len(network)))
            shown = self._ready(values.at_moments(ids, asked, self._registers, self._stamps), may)
        yield from self._of_pieces(pieces, shown, changes)

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

    def _average(self, pieces: Sequence[_Piece]) -> None:
        """Give pieces the means of their rows."""
        if not self._averaged:
            return
        rows = [
            (one.span.facts.meter.pk, low, high, one.span.facts.meter.slot_seconds)
            for one in pieces
            for low, high in itertools.pairwise(one.edges)
        ]
        found = means(Intervals(*np.array(rows, np.int64).T), self._averaged)
        first = 0
        for one in pieces:
            last = first + len(one.edges) - 1
            one.means = Means(found.value[first:last], found.count[first:last])
            first = last

    def _of_pieces(
        self, pieces: Sequence[_Piece], shown: values.Values | None, changes: dict[int, list[tuple[int, int]]]
    ) -> Iterator[list[Cell]]:
        tally = self._tally
        for piece in pieces:
            tally.meters += 1
            moments = piece.moments
            steps = range(1) if self._ends_only else range(len(moments) - 1)
            fixed = [self._fixed(column, piece.span) for column in self._layout.columns]
            for step in steps:
                low, high = (
                    (piece.span.start, moments[0]) if self._ends_only else (moments[step], moments[step + 1])
                )
                row = _Row(piece, low, high, step, shown)
                row.after = row.before if self._ends_only else row.before + 1
                tally.rows += 1
                yield self._cells(row, fixed, changes)

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

    def _cells(
        self, row: _Row, fixed: Sequence[Cell], changes: dict[int, list[tuple[int, int]]]
    ) -> list[Cell]:
        cells = list(fixed)
        figures = there = False
        for place, column in enumerate(self._layout.columns):
            found = catalogue.of_register(column.code)
            if found is not None:
                cells[place] = self._of_register(row, column, *found)
                figures |= found[1] in (catalogue.END, catalogue.START, catalogue.USE, catalogue.MEAN)
                there |= cells[place] is not None and found[1] != catalogue.MEAN_OF
            elif column.code.startswith("row."):
                cells[place] = self._of_row(row, column.code, changes)
        if figures and not there:
            self._tally.without += 1
            row.marks.append(_("no value"))
        if self._with_marks:
            text = ", ".join(dict.fromkeys(row.marks))
            for place, column in enumerate(self._layout.columns):
                if column.code == "row.marks":
                    cells[place] = text
        return cells

    def _of_row(self, row: _Row, code: str, changes: dict[int, list[tuple[int, int]]]) -> Cell:
        span = row.span
        if code == "row.from":
            return At(row.low)
        if code == "row.to":
            return At(row.high)
        if code == "row.begins":
            return self._edges_in_words[span.begins_with if row.low == span.start else PERIOD]
        if code == "row.ends":
            return self._edges_in_words[span.ends_with if row.high == span.end else PERIOD]
        if code == "row.info_codes":
            return _active(changes.get(span.facts.meter.pk, []), row.low, row.high)
        return None

    def _of_register(self, row: _Row, column: Column, register: str, what: str) -> Cell:
        if what in (catalogue.MEAN, catalogue.MEAN_OF):
            return self._mean(row, column, register, what)
        number, shown = self._number[register], row.shown
        assert shown is not None
        place = row.before if what in (catalogue.START, catalogue.HOW_START) else row.after
        if not shown.known(place, number):
            return None
        how = int(shown.how[place, number])
        if what in (catalogue.HOW_END, catalogue.HOW_START):
            return self._how[how]
        sent = self._units.sent(int(shown.format_id[place, number]), register)
        factor, unit, decimals = values.shown_as(register, sent, column.unit, column.decimals)
        if what == catalogue.UNIT:
            return unit
        if what == catalogue.AT:
            return At(int(shown.stood_at[place, number]))
        self._note(row, how, int(shown.quality[place]))
        if what != catalogue.USE:
            return values.figure(float(shown.value[place, number]), factor, decimals)
        if not shown.known(row.before, number):
            return None
        self._note(row, int(shown.how[row.before, number]), int(shown.quality[row.before]))
        used, verdict = values.use(
            float(shown.value[row.before, number]),
            float(shown.value[row.after, number]),
            sent,
            row.span.facts.meter.family,
        )
        if verdict == BACKWARDS:
            self._tally.backwards += 1
            row.marks.append(_("backwards"))
            return None
        if verdict == ROLLED_OVER:
            row.marks.append(_("rolled over"))
        return values.figure(used, factor, decimals)

    def _mean(self, row: _Row, column: Column, register: str, what: str) -> Cell:
        """The mean of a momentary value over the row, marked, or of how many readings it is."""
        number = self._averaged.index(register)
        assert row.piece.means is not None
        count = int(row.piece.means.count[row.step, number])
        if what == catalogue.MEAN_OF:
            return Number(count)
        if not count:
            return None
        row.marks.append(_("mean"))
        factor, _unit, decimals = values.shown_as(register, None, column.unit, column.decimals)
        return values.figure(float(row.piece.means.value[row.step, number]), factor, decimals)

    def _note(self, row: _Row, how: int, quality: int) -> None:
        """Count and mark what is not measured or stands in doubt."""
        if how == INTERPOLATED:
            self._tally.interpolated += 1
        elif how == values.ESTIMATED:
            self._tally.estimated += 1
        if self._with_marks:
            if how in (INTERPOLATED, values.ESTIMATED):
                row.marks.append(self._how[how])
            if quality:
                row.marks += [str(text) for bit, text in _QUALITY.items() if quality & bit]


class _Row:
    """One row on its way: its span and interval, the places of its values, and its marks."""

    __slots__ = ("after", "before", "high", "low", "marks", "piece", "shown", "span", "step")

    def __init__(self, piece: _Piece, low: int, high: int, step: int, shown: values.Values | None) -> None:
        self.piece, self.span, self.low, self.high, self.step, self.shown = (
            piece,
            piece.span,
            low,
            high,
            step,
            shown,
        )
        self.before = self.after = piece.first + step
        self.marks: list[str] = []


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
