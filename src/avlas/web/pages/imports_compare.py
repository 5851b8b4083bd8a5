"""A month of another system beside ours: the differences, with what is known to be behind them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.decode.registers import BY_CODE
from avlas.reports import billing, differences
from avlas.reports.calc.differences import (
    DIFFERENT,
    EQUAL,
    ONLY_OURS,
    ONLY_THEIRS,
    Tolerance,
    month_of,
    sums,
)
from avlas.reports.differences import USE, Line
from avlas.system.told import in_words
from avlas.transfer.imports import month_file
from avlas.transfer.imports.errors import ImportProblem
from avlas.transfer.imports.models import Import, ImportFile, ImportStatus
from avlas.web import formats, words
from avlas.web.listing import ROWS_PER_PAGE, Asked, Pages, asked
from avlas.web.pages.access import PageRequest, find, page
from avlas.web.pages.billing import gap_words
from avlas.web.pages.meter_edit import MANAGE
from avlas.web.report_files import ReportTable, report_file
from avlas.web.report_period import ReportPeriod, asked_period
from avlas.web.report_rows import (
    GroupChoice,
    asked_group,
    context,
    in_order,
    limit,
    place,
    rounded,
    searched,
    use_marks,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpResponse
    from django.utils.functional import Promise

    from avlas.reports.calc.differences import Sums, Theirs
    from avlas.reports.differences import Differences
    from avlas.transfer.imports.register_row import Fault

VERDICTS: Final[dict[int, tuple[str, Promise, str]]] = {
    DIFFERENT: ("different", gettext_lazy("Different"), "bad"),
    ONLY_THEIRS: ("only_theirs", gettext_lazy("Only theirs"), "warn"),
    ONLY_OURS: ("only_ours", gettext_lazy("Only ours"), "warn"),
    EQUAL: ("equal", gettext_lazy("Equal"), "good"),
}
FIGURES: Final[dict[str, tuple[str, Promise]]] = {
    month_file.USE: (differences.USE, gettext_lazy("Consumption of the month")),
    month_file.READING: (differences.READING, gettext_lazy("Reading at the end of the month")),
}
UNITS: Final = ("kWh", "MWh", "MJ", "GJ", "m³", "l")
REASONS: Final[dict[str, Promise]] = {
    differences.UNKNOWN_METER: gettext_lazy("the meter is unknown here"),
    differences.UNKNOWN_FACILITY: gettext_lazy("the facility is unknown here"),
    differences.SEVERAL_MAKERS: gettext_lazy("several makers' meters have this number"),
    differences.NOT_INSTALLED: gettext_lazy("not installed in this month"),
    differences.NOT_IN_FILE: gettext_lazy("not in the file"),
    differences.NO_FIGURE: gettext_lazy("no figure in the file"),
}
_SORTS: Final = ("verdict", "address", "serial", "theirs", "ours", "difference")
_ABSOLUTE, _SHARE = 0.1, 0.5
_FAULTS_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class _Choice:
    """What the address asks for."""

    group: GroupChoice
    period: ReportPeriod
    wanted: Asked
    verdict: int | None
    column: str  # month_file.USE or READING
    unit: str
    absolute: str
    share: str
    allowed: Tolerance


@dataclass(frozen=True, slots=True)
class _File:
    """What the import's file says."""

    columns: list[str]
    column: str
    rows: list[Theirs]
    faults: list[tuple[int, Fault]]
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A line as the page shows it; ``percent`` of ours."""

    line: Line
    symbol: str
    verdict: tuple[str, str, str]
    percent: float | None
    why: list[str]
    marks: list[tuple[str, str, str]]


def _file(request: PageRequest, own: Import) -> _File:
    columns = month_file.figures(own)
    wanted = next(
        (column for column in columns if FIGURES[column][0] == request.GET.get("figure")), columns[0]
    )
    try:
        return _File(columns, wanted, *month_file.lines(own, wanted))
    except ImportProblem as problem:
        trouble = in_words({"text": problem.text, "values": problem.values})
    except ImportFile.DoesNotExist:
        trouble = _("The file is no longer kept. Hand it in again to compare it.")
    return _File(columns, wanted, [], [], trouble)


def _choice(request: PageRequest, file: _File) -> _Choice:
    period = asked_period(request.GET)
    months = Counter(month_of(row.at) for row in file.rows if row.at is not None)
    if "month" not in request.GET and months:
        first = months.most_common(1)[0][0]
        query = request.GET.copy()
        query["month"] = f"{first:%Y-%m}"
        period = asked_period(query)
    verdicts = {name: verdict for verdict, (name, _title, _tone) in VERDICTS.items()}
    absolute, absolute_text = _at_least_nothing(request, "absolute", _ABSOLUTE)
    share, share_text = _at_least_nothing(request, "share", _SHARE)
    unit = request.GET.get("unit", "")
    return _Choice(
        asked_group(request), period, asked(request.GET, columns=(), sorts=_SORTS, default="verdict"),
        verdicts.get(request.GET.get("state", "")), file.column, unit if unit in UNITS else "",
        absolute_text, share_text, Tolerance(absolute, share / 100),
    )  # fmt: skip


def _at_least_nothing(request: PageRequest, name: str, default: float) -> tuple[float, str]:
    value, text = limit(request.GET, name)
    return (default, formats.number(default)) if value is None or value < 0 else (value, text)


def _of_month(file: _File, period: ReportPeriod) -> list[Theirs]:
    return [row for row in file.rows if row.at is None or month_of(row.at) == period.first]


def _found(choice: _Choice, file: _File) -> Differences | None:
    members = choice.group.members
    if members is None or file.trouble:
        return None
    return differences.differences(
        members, _of_month(file, choice.period), FIGURES[choice.column][0], choice.period.start, choice.period.end,
        choice.allowed, choice.unit, whole=choice.group.value == "all",
    )  # fmt: skip


def _fitting(found: Differences, choice: _Choice) -> np.ndarray:
    lines = found.lines
    who = [line.who for line in lines]
    verdicts = np.array([line.verdict for line in lines], np.int64)
    fits = searched(who, choice.wanted.words)
    if choice.verdict is not None:
        fits &= verdicts == choice.verdict
    apart = _array(line.difference for line in lines)
    rank = np.empty(len(lines))
    rank[np.lexsort((-np.nan_to_num(np.abs(apart)), verdicts))] = np.arange(len(lines))
    keys: dict[str, np.ndarray | Callable[[int], str]] = {
        "verdict": rank,
        "address": lambda row: who[row].address,
        "serial": lambda row: who[row].serial,
        "theirs": _array(line.theirs for line in lines),
        "ours": _array(line.ours for line in lines),
        "difference": -np.abs(apart),
    }
    return in_order(np.flatnonzero(fits), keys[choice.wanted.sort], descending=choice.wanted.descending)


def _array(values: Any) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _shown(found: Differences, lines: list[Line], figure: str) -> list[Shown]:
    lacking = list(dict.fromkeys(line.row for line in lines if line.ours is None and line.row >= 0))
    gaps = billing.gaps(found.month, lacking)
    told = []
    for line in lines:
        why = [_reason(what, more) for what, more in line.why]
        if line.ours is None and line.row >= 0:
            gap = gaps[line.row]
            why += gap_words(gap if figure == USE else replace(gap, at_start=True, backwards=False))
        name, title, tone = VERDICTS[line.verdict]
        apart = line.difference
        told.append(
            Shown(
                line,
                BY_CODE[line.register].symbol if line.register else "",
                (name, str(title), tone),
                100 * apart / line.ours if apart is not None and line.ours else None,
                why,
                use_marks(line.marks),
            )
        )
    return told


def _reason(what: str, more: Any) -> str:
    """Why two figures may differ, in words."""
    if what == differences.OTHER_UNIT:
        figure, unit = more
        said = formats.quantity(figure, unit)
        return _("theirs is counted in another unit: %(figure)s") % {"figure": said}
    if what == differences.LIKE_UNIT:
        return _("it fits if theirs is in %(unit)s") % {"unit": more}
    if what == differences.OTHER_TIME:
        return _("theirs was read %(at)s") % {"at": formats.date_time(more)}
    if what == differences.OTHER_METER:
        return _("theirs is of another meter: %(serial)s") % {"serial": more}
    if what == differences.SEVERAL_LINES:
        return _("sum of %(count)s lines of the file") % {"count": formats.number(more)}
    return str(REASONS[what])


def _totals(found: Differences) -> list[tuple[str, str, Sums, float | None]]:
    """Of each register: its name, unit, sums, and how far theirs is from ours in per cent."""
    told = []
    order = {code: number for number, code in enumerate(billing.REGISTERS)}
    every = sums((line.register, line.theirs, line.ours) for line in found.lines)
    for code, of_code in sorted(every.items(), key=lambda each: order.get(each[0], len(order))):
        name = words.register_name(code) if code else _("Unit not known")
        percent = 100 * of_code.difference / of_code.ours if of_code.ours else None
        told.append((name, BY_CODE[code].unit if code else "", of_code, percent))
    return told


@page(view=MANAGE)
def compare(request: PageRequest, pk: int) -> HttpResponse:
    """The differences of a month."""
    own = find(request, Import, pk)
    if own.status != ImportStatus.COMPARED:
        return redirect("import_one", own.pk)
    file = _file(request, own)
    choice = _choice(request, file)
    found = _found(choice, file)
    data = {
        "import": own, "file": file, "choice": choice, "asked": choice.wanted, "found": found,
        "figures": [FIGURES[column] for column in file.columns], "figure": FIGURES[file.column][0],
        "units": UNITS if any(not row.unit for row in file.rows) else (),
        "left_out": len(file.rows) - len(_of_month(file, choice.period)), "faults": file.faults[:_FAULTS_SHOWN],
        "states": [(name, title) for name, title, _tone in VERDICTS.values()],
        **context(request, choice.group, choice.period),
    }  # fmt: skip
    if found is not None:
        rows = _fitting(found, choice)
        start = choice.wanted.offset if choice.wanted.offset < len(rows) else 0
        shown = [found.lines[row] for row in rows[start : start + ROWS_PER_PAGE].tolist()]
        counts = Counter(line.verdict for line in found.lines)
        data |= {
            "lines": _shown(found, shown, FIGURES[file.column][0]),
            "pages": Pages(len(rows), start // ROWS_PER_PAGE + 1),
            "counts": [(name, title, tone, counts[verdict]) for verdict, (name, title, tone) in VERDICTS.items()],
            "totals": _totals(found) if FIGURES[file.column][0] == USE else [],
        }  # fmt: skip
    return render(request, "imports/compare.html", data)


@page(view=MANAGE)
def compare_file(request: PageRequest, pk: int) -> HttpResponse:
    """The differences as a file."""
    own = find(request, Import, pk)
    if own.status != ImportStatus.COMPARED:
        return redirect("import_one", own.pk)
    file = _file(request, own)
    choice = _choice(request, file)
    found = _found(choice, file)
    if found is None:
        return redirect("import_compare", own.pk)
    figure = FIGURES[file.column]
    table = [
        [
            place(line.who), line.who.customer, line.who.serial, shown.symbol,
            *(None if value is None else rounded(value, line.decimals)
              for value in (line.theirs, line.ours, line.difference)),
            None if shown.percent is None else rounded(shown.percent, 1), line.unit, shown.verdict[1],
            "; ".join([*shown.why, *(text for _sign, text, _tone in shown.marks)]),
            ", ".join(str(number) for number in line.lines),
        ]
        for shown in _shown(found, [found.lines[row] for row in _fitting(found, choice).tolist()], figure[0])
        for line in (shown.line,)
    ]  # fmt: skip
    headings = [_("Address"), _("Customer"), _("Serial number"), _("Register"), _("Theirs"), _("Ours"),
                _("Difference"), _("Per cent"), _("Unit"), _("State"), _("Remarks"), _("Line")]  # fmt: skip
    tolerance = _("%(absolute)s kWh or m³, or %(share)s %% of ours") % {
        "absolute": choice.absolute,
        "share": choice.share,
    }
    said = [(_("File"), own.name), (_("Month"), choice.period.title), (_("Group"), choice.group.title),
            (_("Compared"), str(figure[1])), (_("Equal within"), tolerance)]  # fmt: skip
    totals = [
        (name, _("theirs %(theirs)s, ours %(ours)s, difference %(difference)s") % {
            "theirs": formats.quantity(of_register.theirs, unit, 0),
            "ours": formats.quantity(of_register.ours, unit, 0),
            "difference": formats.quantity(of_register.difference, unit, 0),
        })
        for name, unit, of_register, _percent in (_totals(found) if figure[0] == USE else [])
    ]  # fmt: skip
    return report_file(
        request,
        request.GET.get("file", "csv"),
        ReportTable(
            _("differences-%(month)s") % {"month": choice.period.in_name}, _("Differences from another system"), said,
            headings, table, [4, 5, 6, 7], [2.6, 1.8, 1.6, 0.9, 1.3, 1.3, 1.2, 0.9, 0.7, 1.2, 3, 0.8], totals,
        ),
    )  # fmt: skip
