"""A month of another system beside ours: what each of its lines is compared with, and why the two may differ.

Ours are the amounts of billing (``billing.basis``), or the counters at the month's end, by the order of DESIGN
section 5. Nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from avlas.decode.families import UNITS
from avlas.decode.registers import BY_CODE
from avlas.meters.models import Installation, Meter, MeteringPoint
from avlas.reports import billing
from avlas.reports.billing import REGISTERS
from avlas.reports.calc.differences import (
    DIFFERENT,
    ONLY_OURS,
    ONLY_THEIRS,
    fitting_unit,
    half_a_digit,
    verdict,
)
from avlas.reports.calc.value_at import INTERPOLATED
from avlas.reports.counters import EXACTLY, TOLERANCE_SECONDS, Moments, counters_at
from avlas.reports.period_use import UseMark, Who

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from decimal import Decimal

    from avlas.reports.billing import Basis
    from avlas.reports.calc.differences import Theirs, Tolerance
    from avlas.reports.period_use import Members

USE, READING = "use", "reading"
"""What is compared: the month's use, or the counter at its end."""

UNKNOWN_METER, UNKNOWN_FACILITY, SEVERAL_MAKERS, NOT_INSTALLED = (
    "meter",
    "facility",
    "makers",
    "not_installed",
)
OTHER_UNIT, LIKE_UNIT, OTHER_TIME, OTHER_METER = "other_unit", "like_unit", "other_time", "other_meter"
SEVERAL_LINES, NOT_IN_FILE, NO_FIGURE = "several_lines", "not_in_file", "no_figure"
_LIKELY_UNITS: Final = ("Wh", "kWh", "MWh", "MJ", "GJ", "Gcal", "l", "m³")


@dataclass(slots=True)
class Line:
    """One meter and register, both sides in ``unit`` (None: not known).

    ``who`` is without meter (id 0) where ours has none; its serial is then what the file calls it. ``row`` is that of
    the month's basis, -1: none. ``why``: reasons (those above) with what belongs to them.
    """

    who: Who
    register: str = ""
    unit: str = ""
    decimals: int = 0
    theirs: float | None = None
    ours: float | None = None
    verdict: int = DIFFERENT
    row: int = -1
    marks: int = 0
    lines: list[int] = field(default_factory=list)
    why: list[tuple[str, object]] = field(default_factory=list)

    @property
    def difference(self) -> float | None:
        """Theirs less ours; None where one is not known, or they are not counted in the same."""
        return None if self.theirs is None or self.ours is None else self.theirs - self.ours


@dataclass(frozen=True, slots=True)
class Differences:
    """A month's lines, those of the file first, and the basis of ours."""

    month: Basis
    lines: list[Line]


def differences(
    members: Members, rows: Iterable[Theirs], figure: str, start: datetime, end: datetime, allowed: Tolerance,
    unit: str = "", *, whole: bool = True,
) -> Differences:  # fmt: skip
    """Compare the file's ``rows`` of a month (aware moments; end not counted) with ours.

    ``figure``: USE or READING. ``unit``: of figures whose unit the file does not say; "": the register's own.
    ``whole``: the members are all meters of the utility; else lines of other known meters are left out.
    """
    month = billing.basis(members, start, end)
    ours = _Ours(month, figure)
    match = _Match(members.utility_id, month, start, end)
    lines: list[Line] = []
    together: dict[tuple[int, int], list[tuple[Theirs, int]]] = {}
    for one in _distinct(rows):
        row, meter, why = match.row(one, unit)
        if row >= 0:
            together.setdefault((row, ours.register(row, one, unit)), []).append((one, meter))
        elif (whole or why != NOT_INSTALLED) and one.figure is not None:
            lines.append(_without_ours(one, unit, why))
    for (row, number), of_row in together.items():
        line = ours.line(row, number)
        if _judge(line, _said_of(line, of_row, int(ours.last[row]), figure, unit, end), allowed):
            lines.append(line)
    in_file = {row for row, _number in together}
    for row, who in enumerate(month.found.who):
        line = ours.line(row, int(month.main[row]))
        if row not in in_file and (who.point_id or line.ours is not None):
            line.verdict = ONLY_OURS
            line.why.append((NOT_IN_FILE, None))
            lines.append(line)
    return Differences(month, lines)


class _Ours:
    """Our side of each row: amounts, or counters at the month's end."""

    def __init__(self, month: Basis, figure: str) -> None:
        self._month, used = month, month.found.used
        spans = month.found.spans
        self.last = np.array([one.meter_id for one in month.found.who], np.int64)
        self.last[spans.row] = spans.meter_id  # ascending in time: the last one stays
        if figure == USE:
            self._value, self._marks = used.amount, used.marks
            return
        count = len(self.last)
        moments = Moments(
            self.last, np.full(count, int(month.end.timestamp())), np.full(count, EXACTLY, np.int8)
        )
        found = counters_at(moments, REGISTERS)
        self._value = {code: found.value[:, number] for number, code in enumerate(REGISTERS)}
        between = (found.how == INTERPOLATED).any(axis=1)
        self._marks = np.where(between, int(UseMark.INTERPOLATED), 0) | (used.marks & int(UseMark.EXCHANGE))

    def line(self, row: int, number: int) -> Line:
        """A line with our side of a row and a register (place in REGISTERS)."""
        code, value = REGISTERS[number], float(self._value[REGISTERS[number]][row])
        return Line(
            self._month.found.who[row], code, BY_CODE[code].unit, int(self._month.found.used.decimals[code][row]),
            ours=None if np.isnan(value) else value, row=row, marks=int(self._marks[row]),
        )  # fmt: skip

    def register(self, row: int, one: Theirs, unit: str) -> int:
        """Which of the row's registers a line of the file is about: as it says, else the one its unit fits."""
        if one.register:
            return REGISTERS.index(one.register)
        main = int(self._month.main[row])
        counted_in = _counted_in(one, unit) or BY_CODE[REGISTERS[main]].unit
        known = [number for number, code in enumerate(REGISTERS) if not np.isnan(self._value[code][row])]
        return next(
            (number for number in (main, *known) if BY_CODE[REGISTERS[number]].unit == counted_in), main
        )


class _Match:
    """Finds the row that a line of the file is about."""

    def __init__(self, utility_id: int, month: Basis, start: datetime, end: datetime) -> None:
        self._month = month
        self._row_of = {one.meter_id: row for row, one in enumerate(month.found.who)}
        spans = month.found.spans
        self._row_of |= dict(zip(spans.meter_id.tolist(), spans.row.tolist(), strict=True))
        self._meters: dict[str, list[tuple[int, str]]] = {}
        every = Meter.objects.filter(utility_id=utility_id).order_by("pk")
        for pk, maker, serial in every.values_list("pk", "manufacturer", "serial"):
            self._meters.setdefault(serial, []).append((pk, maker))
        self._points = dict(
            MeteringPoint.objects.filter(utility_id=utility_id).values_list("facility_id", "pk")
        )
        self._mains: dict[int, list[int]] = {}
        there = Installation.objects.filter(
            point__utility_id=utility_id, role=Installation.MAIN, from_at__lt=end
        ).exclude(to_at__lte=start)
        for point, meter in there.order_by("from_at", "pk").values_list("point_id", "meter_id"):
            self._mains.setdefault(point, []).append(meter)

    def row(self, one: Theirs, unit: str) -> tuple[int, int, str]:
        """The row (-1: none), the meter that the line names (0: none, or one unknown here), and why there is no row."""
        of_serial = [
            pk
            for pk, maker in self._meters.get(one.serial, ())
            if not one.manufacturer or maker == one.manufacturer
        ]
        if one.serial and len(of_serial) > 1:
            return -1, 0, SEVERAL_MAKERS
        if of_serial:
            row = self._row_of.get(of_serial[0], -1)
            return row, of_serial[0], "" if row >= 0 else NOT_INSTALLED
        if one.facility not in self._points:
            return -1, 0, UNKNOWN_METER if one.serial else UNKNOWN_FACILITY
        mains = self._mains.get(self._points[one.facility], ())
        rows = list(dict.fromkeys(self._row_of[meter] for meter in mains if meter in self._row_of))
        wanted = _counted_in(one, unit)
        fitting = [
            row for row in rows if BY_CODE[REGISTERS[int(self._month.main[row])]].unit == wanted
        ] or rows
        return (fitting[0], 0, "") if fitting else (-1, 0, NOT_INSTALLED)


def _distinct(rows: Iterable[Theirs]) -> list[Theirs]:
    """Lines that stand there twice count once."""
    seen: dict[Theirs, Theirs] = {}
    for one in rows:
        seen.setdefault(replace(one, line=0), one)
    return list(seen.values())


def _counted_in(one: Theirs, unit: str) -> str:
    """The unit that the line's register is counted in; "": nothing says it."""
    if one.register:
        return BY_CODE[one.register].unit
    return UNITS[one.unit or unit][0] if one.unit or unit else ""


def _factor(one: Theirs, unit: str, counted_in: str) -> float | None:
    """From the line's unit to the one of its register; None: they don't fit.

    The ``unit`` of figures without one is passed over where it can't be.
    """
    named = one.unit or (unit if unit and UNITS[unit][0] == counted_in else "")
    if not named:
        return 1.0
    return float(UNITS[named][1]) if UNITS[named][0] == counted_in else None


@dataclass(frozen=True, slots=True)
class _Said:
    """A figure of the file, and from its unit to the one of its register; None: they don't fit."""

    figure: Decimal
    factor: float | None
    unit: str


def _said_of(
    line: Line, of_row: Sequence[tuple[Theirs, int]], last: int, figure: str, unit: str, end: datetime
) -> list[_Said]:
    """Their figures of a row: all that was used, or the counter of the meter that sat there ``last``."""
    told = [(one, meter) for one, meter in of_row if one.figure is not None]
    others = [one.serial for one, meter in told if one.serial and not meter]
    if figure == READING and told:
        one, meter = max(
            [pair for pair in told if pair[1] in (0, last)] or told, key=lambda pair: pair[0].at or end
        )
        others = [one.serial] if one.serial and meter != last else []
        if one.at is not None and abs((one.at - end).total_seconds()) > TOLERANCE_SECONDS:
            line.why.append((OTHER_TIME, one.at))
        told = [(one, meter)]
    if others:
        line.why.append((OTHER_METER, ", ".join(others)))
    if len(told) > 1:
        line.why.append((SEVERAL_LINES, len(told)))
    line.lines = [one.line for one, _meter in told]
    return [
        _Said(one.figure, _factor(one, unit, line.unit), one.unit or unit or line.unit)
        for one, _meter in told
        if one.figure is not None
    ]


def _judge(line: Line, said: Sequence[_Said], allowed: Tolerance) -> bool:
    """Add their figures and say whether both sides agree; False: neither side knows anything."""
    line.why += [(OTHER_UNIT, (one.figure, one.unit)) for one in said if one.factor is None]
    fitting = [(one.figure, one.factor) for one in said if one.factor is not None]
    if fitting:
        line.theirs = sum(float(figure) * factor for figure, factor in fitting)
    if len(fitting) < len(said):
        line.verdict = DIFFERENT
        return True
    if not said:
        line.why.append((NO_FIGURE, None))
    rounding = sum(half_a_digit(figure, factor) for figure, factor in fitting)
    found = verdict(line.theirs, line.ours, allowed, rounding)
    if found is None:
        return False
    line.verdict = found
    if found == DIFFERENT and len(said) == 1 and line.ours is not None:
        others = [
            (name, float(UNITS[name][1]))
            for name in _LIKELY_UNITS
            if name != said[0].unit and UNITS[name][0] == line.unit
        ]
        if likely := fitting_unit(said[0].figure, line.ours, others):
            line.why.append((LIKE_UNIT, likely))
    return True


def _without_ours(one: Theirs, unit: str, why: str) -> Line:
    """A line of the file that nothing here answers."""
    named = one.unit or unit
    counted_in = _counted_in(one, unit)
    register = one.register or next((code for code in REGISTERS if BY_CODE[code].unit == counted_in), "")
    said, factor = one.figure, _factor(one, unit, counted_in)
    assert said is not None
    exponent = said.as_tuple().exponent
    assert isinstance(exponent, int)
    who = Who(0, "", one.manufacturer, one.serial or one.facility, "", "")
    line = Line(
        who, register, counted_in, BY_CODE[register].decimals if named and register else max(0, -exponent),
        theirs=None if factor is None else float(said) * factor, verdict=ONLY_THEIRS, lines=[one.line],
        why=[(why, None)],
    )  # fmt: skip
    if factor is None:
        line.why.append((OTHER_UNIT, (said, one.unit)))
    return line
