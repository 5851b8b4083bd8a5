"""Heat reports: cooling performance, inlet and outlet temperature of a group's substations in a period."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from avlas.reports.calc import cooling
from avlas.reports.calc.cooling import Mark, Mode
from avlas.reports.heat import HeatReport, heat_report
from avlas.reports.models import CoolingLevels
from avlas.system.models import Permission
from avlas.web import formats
from avlas.web.charts import Bar, bar_chart
from avlas.web.listing import ROWS_PER_PAGE, Asked, Pages, asked
from avlas.web.pages.access import PageRequest, page, record
from avlas.web.report_files import ReportTable, report_file
from avlas.web.report_period import ReportPeriod, asked_period
from avlas.web.report_rows import (
    MAY_GROUP,
    GroupChoice,
    add_to_group,
    asked_group,
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
from avlas.web.report_rows import (
    context as context_of_report,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.utils.functional import Promise
    from django.utils.functional import _StrPromise as StrPromise

    from avlas.reports.period_use import Who
    from avlas.web.table_files import Cell

COOLING, INLET, OUTLET = "cooling", "inlet", "outlet"
REPORTS: Final[dict[str, Promise]] = {
    COOLING: gettext_lazy("Cooling performance"),
    INLET: gettext_lazy("Inlet temperature"),
    OUTLET: gettext_lazy("Outlet temperature"),
}
LEVELS: Final[dict[str, tuple[int, Promise, str]]] = {  # name in the address -> level, words, tone
    "good": (cooling.GOOD, gettext_lazy("good"), "good"),
    "middling": (cooling.MIDDLING, gettext_lazy("middling"), "warn"),
    "poor": (cooling.POOR, gettext_lazy("poor"), "bad"),
}
DOUBTFUL: Final = "doubtful"
_SUSPECT: Final = int(Mark.CONTRADICTS | Mark.IMPOSSIBLE | Mark.HARDLY)
MARKS: Final[dict[Mark, tuple[str, Promise, str]]] = {
    Mark.IMPOSSIBLE: ("✗", gettext_lazy("physically impossible"), "bad"),
    Mark.CONTRADICTS: ("?", gettext_lazy("energy contradicts volume and temperatures"), "bad"),
    Mark.HARDLY: ("!", gettext_lazy("water ran and was hardly cooled"), "bad"),
    Mark.MIXED: ("⇅", gettext_lazy("heating and cooling on the same days"), "warn"),
    Mark.COARSE: ("≈", gettext_lazy("coarse: less than 10 m³"), ""),
    Mark.FROM_ENERGY: ("E", gettext_lazy("from energy and volume, the meter has no E8 and E9"), ""),
}
_WORST_SHOWN: Final = 20
_SORTS: Final = ("address", "type", "serial", "volume", "energy", "inlet", "outlet", "difference", "excess")
_CLASSES: Final = 16  # bars of the distribution, at most
_FEWEST_DRAWN: Final = 5  # meters of which a distribution is worth drawing


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table."""

    who: Who
    type_name: str
    cools: bool
    volume: float
    volume_decimals: int
    energy: float
    energy_decimals: int
    inlet: float
    outlet: float
    difference: float
    excess: float
    level: tuple[Promise, str] | None
    marks: list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class _Choice:
    """All that the address asks for."""

    report: str
    group: GroupChoice
    period: ReportPeriod
    wanted: Asked
    level: str
    test: str  # "above" or "below" the difference
    difference: float | None
    difference_text: str

    @property
    def can_run(self) -> bool:
        return self.group.members is not None and not self.period.wrong_way


def _choice(request: PageRequest) -> _Choice:
    report = request.GET.get("report", COOLING)
    report = report if report in REPORTS else COOLING
    level = request.GET.get("level", "")
    default = {COOLING: "-excess", INLET: "inlet", OUTLET: "-outlet"}[report]
    difference, text = limit(request.GET, "difference")
    return _Choice(
        report,
        asked_group(request),
        asked_period(request.GET, request.utility.day_borders),
        asked(request.GET, columns=(), sorts=_SORTS, default=default),
        level if level in LEVELS or level == DOUBTFUL else "",
        "above" if request.GET.get("test") == "above" else "below",
        difference,
        text,
    )


def _sort_keys(found: HeatReport) -> dict[str, np.ndarray | Callable[[int], str]]:
    people, who = found.people, found.who.tolist()
    return {
        "address": lambda line: people[who[line]].address,
        "type": lambda line: people[who[line]].model,
        "serial": lambda line: people[who[line]].serial,
        "volume": found.volume,
        "energy": found.energy,
        "inlet": found.found.inlet_c,
        "outlet": found.found.outlet_c,
        "difference": found.found.difference_k,
        "excess": found.excess.volume_m3,
    }


def _fitting(found: HeatReport, choice: _Choice, *, of_any_level: bool = False) -> np.ndarray:
    """The lines that fit search and filters, in order; ``of_any_level`` leaves out the filter by performance."""
    fits = searched(found.people, choice.wanted.words)[found.who]
    level = "" if of_any_level else choice.level
    if level in LEVELS:
        fits &= found.level == LEVELS[level][0]
    elif level == DOUBTFUL:
        fits &= (found.found.marks & _SUSPECT) > 0
    if choice.difference is not None:
        shown = np.round(found.found.difference_k, 2)
        with np.errstate(invalid="ignore"):
            fits &= shown > choice.difference if choice.test == "above" else shown < choice.difference
    lines = np.flatnonzero(fits)
    wanted = choice.wanted
    return in_order(lines, _sort_keys(found)[wanted.sort], descending=wanted.descending)


def _line(found: HeatReport, number: int) -> Line:
    one = found.people[found.who[number]]
    marks = int(found.found.marks[number])
    level = next((shown[1:] for shown in LEVELS.values() if shown[0] == found.level[number]), None)
    return Line(
        one,
        type_name(one),
        bool(found.found.mode[number] == Mode.COOLING),
        float(found.volume[number]),
        int(found.volume_decimals[number]),
        float(found.energy[number]),
        int(found.energy_decimals[number]),
        float(found.found.inlet_c[number]),
        float(found.found.outlet_c[number]),
        float(found.found.difference_k[number]),
        float(found.excess.volume_m3[number]),
        level,
        [(sign, str(text), tone) for mark, (sign, text, tone) in MARKS.items() if marks & mark]
        + use_marks(int(found.use_marks[number])),
    )


def _report(request: PageRequest, choice: _Choice) -> HeatReport | None:
    if choice.group.members is None or choice.period.wrong_way:
        return None
    limits = CoolingLevels.of(request.utility)
    period = choice.period
    return heat_report(choice.group.members, period.start, period.end, limits, zone=period.zone)


@page(change=MAY_GROUP)
def heat(request: PageRequest) -> HttpResponse:
    """The report as a page; its form puts meters into a group."""
    choice = _choice(request)
    found = _report(request, choice)
    if request.method == "POST":
        chosen = posted_meters(request)
        if "all" in request.POST and found is not None:
            chosen = [found.people[found.who[line]].meter_id for line in _fitting(found, choice).tolist()]
        add_to_group(request, chosen)
        return redirect(request.get_full_path())
    context: dict[str, Any] = {
        "choice": choice,
        "asked": choice.wanted,
        "reports": REPORTS,
        "level_choices": LEVELS,
        "doubtful": DOUBTFUL,
        "limits": CoolingLevels.of(request.utility),
        **context_of_report(request, choice.group, choice.period),
    }
    if found is not None:
        lines = _fitting(found, choice)
        start = choice.wanted.offset if choice.wanted.offset < len(lines) else 0
        shown = [_line(found, line) for line in lines[start : start + ROWS_PER_PAGE].tolist()]
        context |= {
            "found": found,
            "lines": shown,
            "legend": legend(line.marks for line in shown),
            "pages": Pages(len(lines), start // ROWS_PER_PAGE + 1),
            "summary": _summary(found, lines, _fitting(found, choice, of_any_level=True)),
            "narrowed": bool(choice.wanted.words or choice.level or choice.difference is not None),
            **_distribution(found, lines, choice.report),
        }
    return render(request, "pages/heat_report.html", context)


@dataclass(frozen=True, slots=True)
class Summary:
    """What the shown lines amount to. Means are weighted by volume; heating meters only."""

    counts: list[tuple[str, Promise, str, int]]  # level, words, tone, how many
    doubtful: int
    inlet: float
    outlet: float
    difference: float
    excess: float
    worst: int
    worst_network_k: float
    outlet_reference: float


def _summary(found: HeatReport, lines: np.ndarray, of_any_level: np.ndarray) -> Summary:
    """Sum up ``lines``; the counts by performance are those of the lines ``of_any_level``."""
    marks, heats = found.found.marks[lines], found.found.mode[lines] == Mode.HEATING
    sound = heats & ((marks & int(Mark.CONTRADICTS | Mark.IMPOSSIBLE)) == 0)
    level, volume = found.level[of_any_level], found.volume[lines]
    excess, network = found.excess.volume_m3[lines], found.excess.network_k[lines]
    wasting = np.flatnonzero(network > 0)
    worst = wasting[np.argsort(-network[wasting])][:_WORST_SHOWN]
    return Summary(
        [(name, words, tone, int((level == number).sum())) for name, (number, words, tone) in LEVELS.items()],
        int(((found.found.marks[of_any_level] & _SUSPECT) > 0).sum()),
        _weighted(found.found.inlet_c[lines], volume, sound),
        _weighted(found.found.outlet_c[lines], volume, sound),
        _weighted(found.found.difference_k[lines], volume, sound),
        float(excess[excess > 0].sum()),
        len(worst),
        float(network[worst].sum()),
        found.excess.outlet_reference_c,
    )


def _weighted(value: np.ndarray, volume: np.ndarray, which: np.ndarray) -> float:
    use = which & ~np.isnan(value) & (volume > 0)
    return float((value[use] * volume[use]).sum() / volume[use].sum()) if use.any() else float("nan")


def _of_report(found: HeatReport, report: str) -> np.ndarray:
    shown = {COOLING: found.found.difference_k, INLET: found.found.inlet_c, OUTLET: found.found.outlet_c}
    return shown[report]


def _distribution(found: HeatReport, lines: np.ndarray, report: str) -> dict[str, Any]:
    """How many heating meters lie in each class of temperature."""
    figures = _of_report(found, report)[lines][found.found.mode[lines] == Mode.HEATING]
    figures = figures[np.isfinite(figures)]
    if figures.size < _FEWEST_DRAWN:
        return {}
    low, high = (float(edge) for edge in np.quantile(figures, (0.01, 0.99)))
    step = next((size for size in (1, 2, 5, 10, 20, 50) if (high - low) / size < _CLASSES - 1), 100)
    first = int(np.floor(low / step)) * step
    classes = int(np.floor((high - first) / step)) + 1
    # what lies far out is counted in the outermost classes
    place = np.clip(np.floor((figures - first) / step).astype(np.int64), 0, classes - 1)
    unit = "K" if report == COOLING else "°C"
    bars = []
    for number, count in enumerate(np.bincount(place, minlength=classes).tolist()):
        begin, end = (formats.number(first + (number + more) * step) for more in (0, 1))
        label, between = begin, f"{begin}{formats.UNTIL}{end}"
        if number == 0 and figures.min() < first:
            label, between = f"<{end}", _("below %(limit)s") % {"limit": end}
        elif number == classes - 1 and figures.max() >= first + classes * step:
            label, between = f"≥{begin}", _("%(limit)s and more") % {"limit": begin}
        bars.append(
            Bar(
                label,
                f"{between}{formats.HARD_SPACE}{unit}",
                ngettext("%(count)s meter", "%(count)s meters", count) % {"count": formats.number(count)},
                count,
            )
        )
    return {
        "distribution": bar_chart(bars, 1240, 190, left=46),
        "narrow_distribution": bar_chart(bars, 380, 190, left=40),
        "distribution_unit": unit,
    }


# files


@page()
def heat_file(request: PageRequest) -> HttpResponse:
    """The whole report, as filtered and sorted, as a file of the kind in the address (CSV when it says none)."""
    kind = request.GET.get("file", "csv")
    choice = _choice(request)
    found = _report(request, choice)
    if found is None:
        raise Http404
    return report_file(request, kind, _table(found, choice))


def _table(found: HeatReport, choice: _Choice) -> ReportTable:
    lines = _fitting(found, choice)
    title = str(REPORTS[choice.report])
    temperatures = {
        COOLING: [_("Cooling (K)"), _("Level"), _("Excess flow (m³)")],
        INLET: [_("Inlet temperature (°C)")],
        OUTLET: [_("Outlet temperature (°C)")],
    }[choice.report]
    headings = [
        _("Address"),
        _("Meter type"),
        _("Serial number"),
        _("Volume change (m³)"),
        _("Energy change (kWh)"),
        *temperatures,
        _("Remarks"),
    ]
    rows = []
    for number in lines.tolist():
        line = _line(found, number)
        shown: list[Cell] = [
            rounded({INLET: line.inlet, OUTLET: line.outlet}.get(choice.report, line.difference), 2)
        ]
        if choice.report == COOLING:
            shown += [str(line.level[0]) if line.level else None, rounded(line.excess, 1)]
        rows.append(
            [
                place(line.who),
                line.type_name,
                line.who.serial,
                rounded(line.volume, line.volume_decimals),
                rounded(line.energy, line.energy_decimals),
                *shown,
                "; ".join(
                    [*([_("cooling")] if line.cools else []), *(text for _sign, text, _tone in line.marks)]
                ),
            ]
        )
    summary = _summary(found, lines, lines)
    mean = {COOLING: (summary.difference, "K"), INLET: (summary.inlet, "°C"), OUTLET: (summary.outlet, "°C")}
    figure, unit = mean[choice.report]
    totals = [(_("Mean, weighted by volume"), formats.quantity(rounded(figure, 2), unit))]
    if choice.report == COOLING:
        totals.append((_("Excess flow"), formats.quantity(rounded(summary.excess, 1), "m³")))
    name = _("heat-report")
    return ReportTable(
        f"{name}-{choice.report}-{choice.period.in_name}",
        title,
        _said(choice),
        headings,
        rows,
        [3, 4, 5, *([7] if choice.report == COOLING else [])],
        [3, 2, 1.7, 1.6, 1.7, *([1.3, 1.2, 1.3] if choice.report == COOLING else [1.6]), 3],
        totals,
        [
            choice.period.days_begin,
            _("Temperatures are weighted by volume; empty: no water ran."),
        ],
    )


def _said(choice: _Choice) -> list[tuple[str, str]]:
    """Group, period and filters in words."""
    said = [(_("Group"), choice.group.title), (_("Period"), choice.period.title)]
    if choice.wanted.text:
        said.append((_("Search"), choice.wanted.text))
    if choice.level:
        words = _("doubtful") if choice.level == DOUBTFUL else str(LEVELS[choice.level][1])
        said.append((_("Performance"), words))
    if choice.difference is not None:
        sign = ">" if choice.test == "above" else "<"
        said.append(
            (
                _("Temperature difference"),
                f"{sign} {formats.quantity(Decimal(repr(choice.difference)).normalize(), 'K')}",
            )
        )
    return said


# what is good and poor


def _kelvin(label: StrPromise) -> forms.FloatField:
    return forms.FloatField(
        label=label,
        min_value=0,
        max_value=120,
        localize=True,
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )


class LevelsForm(forms.Form):
    """From where on a temperature difference is good, and below which it is poor."""

    good_from_k = _kelvin(gettext_lazy("Heating: good from (K)"))
    poor_below_k = _kelvin(gettext_lazy("Heating: poor below (K)"))
    cooling_good_from_k = _kelvin(gettext_lazy("Cooling: good from (K)"))
    cooling_poor_below_k = _kelvin(gettext_lazy("Cooling: poor below (K)"))

    def clean(self) -> dict[str, Any]:
        """Good must not begin below where poor ends."""
        values = super().clean() or {}
        for good, poor in (("good_from_k", "poor_below_k"), ("cooling_good_from_k", "cooling_poor_below_k")):
            if good in values and poor in values and values[good] < values[poor]:
                self.add_error(good, _("Good can't begin below where poor ends."))
        return values


@page(change=Permission.SYSTEM_CONFIGURATION)
def heat_levels(request: PageRequest) -> HttpResponse:
    """What the utility calls good and poor cooling."""
    kept = CoolingLevels.of(request.utility)
    form = LevelsForm(
        request.POST or None, initial={name: getattr(kept, name) for name in LevelsForm.base_fields}
    )
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            CoolingLevels.objects.update_or_create(utility=request.utility, defaults=form.cleaned_data)
            record(request, "reports.levels_changed", detail=form.cleaned_data)
        messages.success(request, _("The levels were saved."))
        return redirect("heat_report")
    context = {"form": form, "may_change": Permission.SYSTEM_CONFIGURATION in request.allowed}
    return render(request, "pages/heat_levels.html", context, status=422 if request.method == "POST" else 200)
