"""Consumption reports: what each consumer of a group used in a period, who used unusually much or nothing, and all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters import groups
from avlas.reports.calc.shown_in import ShownIn, shown_in
from avlas.reports.totals import MORE, REGISTERS, TESTS, UNKNOWN, ZERO, consumption_report, fitting, total
from avlas.reports.virtual_use import virtual_use
from avlas.web import formats, words
from avlas.web.listing import ROWS_PER_PAGE, Asked, Pages, asked
from avlas.web.pages import meter_map
from avlas.web.pages.access import PageRequest, page
from avlas.web.report_files import ReportTable, report_file
from avlas.web.report_period import ReportPeriod, asked_period
from avlas.web.report_rows import (
    MAY_GROUP,
    GroupChoice,
    add_to_group,
    asked_group,
    consumption_type,
    context,
    in_order,
    legend,
    limit,
    place,
    posted_meters,
    rounded,
    searched,
    type_name,
    use_marks,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.utils.functional import Promise

    from avlas.meters.models import MeteringPoint
    from avlas.reports.period_use import PeriodUse, Who


@dataclass(frozen=True, slots=True)
class Column:
    """A register of the report."""

    code: str
    symbol: str
    canonical_unit: str

    def shown_in(self, energy: str) -> ShownIn | None:
        """The unit its figures are shown in when it is another one; ``energy`` as in calc.shown_in."""
        shown = shown_in(self.canonical_unit, 0, (), energy)
        return shown if shown.divisor != 1 else None

    def unit(self, energy: str) -> str:
        """The unit its figures are shown in."""
        shown = self.shown_in(energy)
        return shown.unit if shown else self.canonical_unit

    def amount(self, amount: float, decimals: int, energy: str) -> tuple[str, float, str, int]:
        """An amount in the canonical unit as a line has it: symbol, figure, unit and decimals."""
        shown = self.shown_in(energy)
        if shown:
            amount, decimals = amount * shown.factor / shown.divisor, shown.decimals
        return self.symbol, amount, self.unit(energy), decimals


COLUMNS: Final[dict[str, Column]] = {
    "V1": Column("volume_m3", "V1", "m³"),
    "E1": Column("energy_heat_kwh", "E1", "kWh"),
    "E3": Column("energy_cooling_kwh", "E3", "kWh"),
    "A": Column("electricity_import_kwh", "A+", "kWh"),
}
_ALWAYS: Final = ("V1", "E1")
_IN_TOTAL: Final = ("V1", "E1", "E3")
TEST_WORDS: Final[dict[str, Promise]] = dict(
    zip(
        TESTS,
        (
            gettext_lazy("higher than"),
            gettext_lazy("lower than"),
            gettext_lazy("nothing at all"),
            gettext_lazy("not known"),
        ),
        strict=True,
    )
)
_SORTS: Final = ("address", "customer", "type", "serial", "kind", *COLUMNS)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table; ``amounts`` beside the columns shown: symbol, figure, unit and decimals."""

    who: Who
    type_name: str
    kind: str
    amounts: list[tuple[str, float, str, int]]
    marks: list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Total:
    """A register's total in words."""

    symbol: str
    text: str


@dataclass(frozen=True, slots=True)
class _Choice:
    """All that the address asks for."""

    group: GroupChoice
    period: ReportPeriod
    wanted: Asked
    medium: str
    of: str
    test: str  # "" for no filter
    limit: float | None
    limit_text: str
    energy: str  # the utility's unit of energy

    @property
    def filters(self) -> bool:
        """Whether rows are left out by their consumption."""
        return self.test in (ZERO, UNKNOWN) or (bool(self.test) and self.limit is not None)


def _choice(request: PageRequest) -> _Choice:
    of, test = request.GET.get("of", "V1"), request.GET.get("test", MORE)
    value, text = limit(request.GET, "limit")
    return _Choice(
        asked_group(request),
        asked_period(request.GET, request.utility.day_borders),
        asked(request.GET, columns=(), sorts=_SORTS, default="address"),
        request.GET.get("medium", "")[:30],
        of if of in COLUMNS else "V1",
        test if test in TESTS else MORE,
        value,
        text,
        request.utility.energy_unit,
    )


def _report(choice: _Choice) -> PeriodUse | None:
    if choice.group.members is None or choice.period.wrong_way:
        return None
    period = choice.period
    return consumption_report(choice.group.members, period.start, period.end, zone=period.zone)


def _fitting(found: PeriodUse, choice: _Choice) -> np.ndarray:
    """The rows that fit search and filters, in order."""
    fits = searched(found.who, choice.wanted.words)
    if choice.medium:
        fits &= np.array([one.medium == choice.medium for one in found.who], bool)
    if choice.filters:
        column, asked_limit = COLUMNS[choice.of], choice.limit or 0.0
        shown = column.shown_in(choice.energy)
        limit_in_kwh = asked_limit * shown.divisor / shown.factor if shown else asked_limit
        amounts, decimals = found.used.amount[column.code], found.used.decimals[column.code]
        fits &= fitting(amounts, decimals, choice.test, limit_in_kwh)
    people = found.who
    keys: dict[str, np.ndarray | Callable[[int], str]] = {
        "address": lambda row: people[row].address,
        "customer": lambda row: people[row].customer,
        "type": lambda row: people[row].model,
        "serial": lambda row: people[row].serial,
        "kind": lambda row: consumption_type(people[row]),
        **{name: found.used.amount[column.code] for name, column in COLUMNS.items()},
    }
    wanted = choice.wanted
    return in_order(np.flatnonzero(fits), keys[wanted.sort], descending=wanted.descending)


def _shown_columns(found: PeriodUse) -> dict[str, Column]:
    """V1 and E1 always, the others where somebody has them."""
    return {
        name: column
        for name, column in COLUMNS.items()
        if name in _ALWAYS or not np.isnan(found.used.amount[column.code]).all()
    }


def _line(found: PeriodUse, row: int, columns: dict[str, Column], energy: str) -> Line:
    one, used = found.who[row], found.used
    return Line(
        one,
        type_name(one),
        consumption_type(one),
        [
            column.amount(float(used.amount[column.code][row]), int(used.decimals[column.code][row]), energy)
            for column in columns.values()
        ],
        use_marks(int(used.marks[row])),
    )


def _totals(found: PeriodUse, rows: np.ndarray, columns: dict[str, Column], energy: str) -> list[Total]:
    """V1, E1 and E3 always; energy in the utility's unit, MWh when it is much."""
    totals = []
    for name, column in COLUMNS.items():
        if name not in _IN_TOTAL and name not in columns:
            continue
        one = total(found.used.amount[column.code][rows], found.used.decimals[column.code][rows])
        shown = shown_in(column.canonical_unit, one.decimals, [one.amount], energy)
        totals.append(
            Total(
                column.symbol,
                formats.quantity(shown.figure(rounded(one.amount, one.decimals)), shown.unit, shown.decimals),
            )
        )
    return totals


@page(change=MAY_GROUP)
def consumption(request: PageRequest) -> HttpResponse:
    """The report as a page; its form puts meters into a group."""
    choice = _choice(request)
    found = _report(choice)
    if request.method == "POST":
        chosen = posted_meters(request)
        if "all" in request.POST and found is not None:
            chosen = [found.who[row].meter_id for row in _fitting(found, choice).tolist()]
        add_to_group(request, chosen)
        return redirect(request.get_full_path())
    data = {
        "choice": choice,
        "asked": choice.wanted,
        "columns_offered": COLUMNS,
        "tests": TEST_WORDS,
        "unit": COLUMNS[choice.of].unit(choice.energy),
        **context(request, choice.group, choice.period),
    }
    if found is not None:
        rows = _fitting(found, choice)
        columns = _shown_columns(found)
        start = choice.wanted.offset if choice.wanted.offset < len(rows) else 0
        lines = [
            _line(found, row, columns, choice.energy) for row in rows[start : start + ROWS_PER_PAGE].tolist()
        ]
        media = sorted({one.medium for one in found.who if one.medium})
        data |= {
            "found": found,
            "columns": columns,
            "lines": lines,
            "legend": legend(line.marks for line in lines),
            "pages": Pages(len(rows), start // ROWS_PER_PAGE + 1),
            "totals": _totals(found, rows, columns, choice.energy),
            "media": {name: words.medium(name) for name in media},
            "virtual": _virtual(request, choice, found, columns),
            "narrowed": bool(choice.wanted.words or choice.medium or choice.filters),
        }
    return render(request, "pages/consumption_report.html", data)


@page()
def consumption_map(request: PageRequest) -> HttpResponse:
    """The report's rows as they fit, on the map: who uses most, nothing, or what nobody knows."""
    choice = _choice(request)
    address = f"{reverse('consumption_report_map_meters')}?{request.GET.urlencode()}"
    own = groups.own(request.utility.pk)
    data = {
        "choice": choice,
        "column": COLUMNS[choice.of],
        "own_groups": [(groups.choice_of(one), one.name) for one in own],
        "told": meter_map.told(request, address),
        **context(request, choice.group, choice.period),
    }
    response = render(request, "pages/consumption_map.html", data)
    meter_map.let_tiles_through(response, request.utility.map_tiles)
    return response


@page()
def consumption_map_meters(request: PageRequest) -> HttpResponse:
    """The positions of the report's meters, packed; looks by what they used (see ``looks``)."""
    choice = _choice(request)
    found = _report(choice)
    every = meter_map.positions(request.utility.pk, choice.group.value, datetime.now(UTC))
    rows = np.zeros(0, np.int64) if found is None else _fitting(found, choice)
    ids = np.array([found.who[row].meter_id for row in rows.tolist()] if found else [], np.int64)
    amount = found.used.amount[COLUMNS[choice.of].code][rows] if found else np.zeros(0)
    look_of = dict(zip(ids.tolist(), looks(amount).tolist(), strict=True))
    shown = np.isin(every.ids, ids)
    drawn = np.array([look_of[one] for one in every.ids[shown].tolist()], np.uint8)
    order = np.argsort(drawn, kind="stable")  # the largest on top
    places = meter_map.Positions(every.ids[shown][order], every.places[shown][order], drawn[order])
    response = HttpResponse(places.packed(), content_type="application/octet-stream")
    response["Cache-Control"] = "private, no-store"
    return response


def looks(amount: np.ndarray) -> np.ndarray:
    """How meters are drawn by what they used: the highest tenth ALARM, nothing or unknown MISSING, others READ."""
    found = np.full(len(amount), meter_map.READ, np.uint8)
    known = amount[~np.isnan(amount) & (amount > 0)]
    if len(known):
        found[amount >= np.quantile(known, 0.9)] = meter_map.ALARM
    found[np.isnan(amount) | (amount <= 0)] = meter_map.MISSING
    return found


@page()
def consumption_file(request: PageRequest) -> HttpResponse:
    """The whole report, as filtered and sorted, as a file of the kind in the address (CSV when it says none)."""
    kind = request.GET.get("file", "csv")
    choice = _choice(request)
    found = _report(choice)
    if found is None:
        raise Http404
    return report_file(request, kind, _table(request, found, choice))


@dataclass(frozen=True, slots=True)
class VirtualLine:
    """A virtual point's line, below the table; it is no part of the totals, which would count its parts twice."""

    point: MeteringPoint
    amounts: list[tuple[str, float, str, int]]
    marks: list[tuple[str, str, str]]


def _virtual(
    request: PageRequest, choice: _Choice, found: PeriodUse, columns: dict[str, Column]
) -> list[VirtualLine]:
    """The virtual points that have something to do with the group, when nothing narrows the report down."""
    if choice.filters or choice.medium or choice.wanted.words:
        return []
    here = {one.point_id for one in found.who}
    period = choice.period
    every = virtual_use(request.utility.pk, REGISTERS, period.start, period.end, zone=period.zone)
    return [
        VirtualLine(
            one.point,
            [
                column.amount(one.amount[column.code], one.decimals[column.code], choice.energy)
                for column in columns.values()
            ],
            use_marks(one.marks),
        )
        for one in every
        if one.leaves & here
    ]


def _table(request: PageRequest, found: PeriodUse, choice: _Choice) -> ReportTable:
    rows = _fitting(found, choice)
    columns = _shown_columns(found)
    headings = [
        _("Address"),
        _("Customer"),
        _("Meter type"),
        _("Serial number"),
        _("Consumption type"),
        *(
            _("Consumption (%(register)s, %(unit)s)")
            % {"register": column.symbol, "unit": column.unit(choice.energy)}
            for column in columns.values()
        ),
        _("Remarks"),
    ]
    table = []
    for row in rows.tolist():
        line = _line(found, row, columns, choice.energy)
        table.append(
            [
                place(line.who),
                line.who.customer or line.who.customer_number,
                line.type_name,
                line.who.serial,
                line.kind,
                *(rounded(amount, decimals) for _symbol, amount, _unit, decimals in line.amounts),
                "; ".join(text for _sign, text, _tone in line.marks),
            ]
        )
    table += [
        [
            str(one.point), "", _("virtual metering point"), one.point.facility_id, "",
            *(rounded(amount, decimals) for _symbol, amount, _unit, decimals in one.amounts),
            "; ".join([*(text for _sign, text, _tone in one.marks), _("not in the total")]),
        ]
        for one in _virtual(request, choice, found, columns)
    ]  # fmt: skip
    said = [(_("Group"), choice.group.title), (_("Period"), choice.period.title)]
    if choice.wanted.text:
        said.append((_("Search"), choice.wanted.text))
    if choice.medium:
        said.append((_("Consumption type"), words.medium(choice.medium)))
    if choice.filters:
        figure = (
            ""
            if choice.test in (ZERO, UNKNOWN)
            else f" {choice.limit_text}{formats.HARD_SPACE}{COLUMNS[choice.of].unit(choice.energy)}"
        )
        said.append((_("Consumption"), f"{COLUMNS[choice.of].symbol} {TEST_WORDS[choice.test]}{figure}"))
    name = _("consumption-report")
    return ReportTable(
        f"{name}-{choice.period.in_name}",
        _("Consumption report"),
        said,
        headings,
        table,
        range(5, 5 + len(columns)),
        [3, 2.4, 2, 1.7, 1.6, *([1.7] * len(columns)), 2.4],
        [
            *((one.symbol, one.text) for one in _totals(found, rows, columns, choice.energy)),
            (_("Meters"), formats.number(len(rows))),
        ],
        [choice.period.days_begin],
    )
