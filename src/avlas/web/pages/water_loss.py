"""Water loss analysis: the balance of a zone, and flow at night."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.decode.registers import BY_CODE
from avlas.reports.calc.leakage import loss_share
from avlas.reports.calc.shown_in import shown_in
from avlas.reports.water_loss import KINDS, Balance, NightReport, night_report, zone_balance
from avlas.web import formats
from avlas.web.charts import Bar, bar_chart
from avlas.web.listing import ROWS_PER_PAGE, Asked, Pages, asked
from avlas.web.pages.access import PageRequest, page
from avlas.web.report_files import ReportTable, report_file
from avlas.web.report_period import ReportPeriod, asked_period
from avlas.web.report_rows import (
    MAY_GROUP,
    GroupChoice,
    add_to_group,
    asked_group,
    context,
    in_order,
    place,
    posted_meters,
    rounded,
    searched,
    type_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.utils.functional import Promise

    from avlas.reports.period_use import Who

NIGHT, BALANCE = "night", "balance"
VIEWS: Final[dict[str, Promise]] = {NIGHT: gettext_lazy("Night flow"), BALANCE: gettext_lazy("Zone balance")}
KIND_WORDS: Final[dict[str, Promise]] = {
    "water": gettext_lazy("Water (V1)"),
    "heat": gettext_lazy("Heat (E1)"),
    "electricity": gettext_lazy("Electricity (A+)"),
}
NIGHT_REGISTERS: Final[dict[str, Promise]] = {
    "volume_m3": gettext_lazy("Water meters (V1)"),
    "input_a": gettext_lazy("Pulse input A"),
    "input_b": gettext_lazy("Pulse input B"),
}
_LITRES: Final = 1000
_SORTS: Final = ("address", "serial", "least", "mean", "running", "share", "use")


@dataclass(frozen=True, slots=True)
class _Choice:
    """All that the address asks for."""

    view: str
    group: GroupChoice
    supply: GroupChoice
    period: ReportPeriod
    wanted: Asked
    kind: str
    register: str
    only_running: bool
    energy: str  # the utility's unit of energy


def _choice(request: PageRequest) -> _Choice:
    view, kind = request.GET.get("view", NIGHT), request.GET.get("kind_of", "water")
    register = request.GET.get("register", "volume_m3")
    return _Choice(
        view if view in VIEWS else NIGHT,
        asked_group(request),
        asked_group(request, "supply"),
        asked_period(request.GET, request.utility.day_borders),
        asked(request.GET, columns=(), sorts=_SORTS, default="-share"),
        kind if kind in KINDS else "water",
        register if register in NIGHT_REGISTERS else "volume_m3",
        request.GET.get("only") == "running",
        request.utility.energy_unit,
    )


@page(change=MAY_GROUP)
def water_loss(request: PageRequest) -> HttpResponse:
    """The analysis as a page; the form of the night flow puts meters into a group."""
    choice = _choice(request)
    night = _night(choice)
    if request.method == "POST":
        chosen = posted_meters(request)
        if "all" in request.POST and night is not None:
            chosen = [night.people[row].meter_id for row in _fitting(night, choice).tolist()]
        add_to_group(request, chosen)
        return redirect(request.get_full_path())
    data: dict[str, Any] = {
        "choice": choice,
        "asked": choice.wanted,
        "views": VIEWS,
        "kinds_of": KIND_WORDS,
        "registers": NIGHT_REGISTERS,
        "supply": choice.supply,
        **context(request, choice.group, choice.period),
    }
    if night is not None:
        rows = _fitting(night, choice)
        start = choice.wanted.offset if choice.wanted.offset < len(rows) else 0
        data |= {
            "night": night,
            "lines": [_line(night, row) for row in rows[start : start + ROWS_PER_PAGE].tolist()],
            "pages": Pages(len(rows), start // ROWS_PER_PAGE + 1),
            "running": int((night.flow.least > 0).sum()),
            "least_total": _litres(float(np.nansum(night.flow.least))),
            "narrowed": bool(choice.wanted.words or choice.only_running),
        }
    balance = _balance(choice)
    if balance is not None:
        data |= _balance_shown(balance, choice)
    return render(request, "pages/water_loss.html", data)


@page()
def water_loss_file(request: PageRequest) -> HttpResponse:
    """What the page shows, whole, as a file of the kind in the address (CSV when it says none)."""
    choice = _choice(request)
    night, balance = _night(choice), _balance(choice)
    if night is not None:
        table = _night_table(night, choice)
    elif balance is not None:
        table = _balance_table(balance, choice)
    else:
        raise Http404
    return report_file(request, request.GET.get("file", "csv"), table)


# flow at night


@dataclass(frozen=True, slots=True)
class Line:
    """A meter and its flow at night in litres an hour; ``used``: m³ in the period, ``share``: per cent."""

    who: Who
    type_name: str
    nights: int
    running: int
    least: float
    mean: float
    share: float
    used: float


def _night(choice: _Choice) -> NightReport | None:
    if choice.view != NIGHT or choice.group.members is None or choice.period.wrong_way:
        return None
    return night_report(choice.group.members, choice.register, choice.period.start, choice.period.end)


def _fitting(night: NightReport, choice: _Choice) -> np.ndarray:
    fits = searched(night.people, choice.wanted.words)
    if choice.only_running:
        fits &= night.flow.least > 0
    people = night.people
    keys: dict[str, np.ndarray | Callable[[int], str]] = {
        "address": lambda row: people[row].address,
        "serial": lambda row: people[row].serial,
        "least": night.flow.least,
        "mean": night.flow.mean,
        "running": night.flow.running.astype(np.float64),
        "share": night.share,
        "use": night.use,
    }
    return in_order(np.flatnonzero(fits), keys[choice.wanted.sort], descending=choice.wanted.descending)


def _litres(cubic_metres: float) -> float:
    return cubic_metres * _LITRES


def _line(night: NightReport, row: int) -> Line:
    one, flow = night.people[row], night.flow
    return Line(
        one,
        type_name(one),
        int(flow.nights[row]),
        int(flow.running[row]),
        _litres(float(flow.least[row])),
        _litres(float(flow.mean[row])),
        100 * float(night.share[row]),
        float(night.use[row]),
    )


def _night_table(night: NightReport, choice: _Choice) -> ReportTable:
    name = _("night-flow")
    lines = [_line(night, row) for row in _fitting(night, choice).tolist()]
    return ReportTable(
        f"{name}-{choice.period.in_name}",
        str(VIEWS[NIGHT]),
        [
            (_("Group"), choice.group.title),
            (_("Period"), choice.period.title),
            (_("Register"), str(NIGHT_REGISTERS[choice.register])),
        ],
        [
            _("Address"),
            _("Meter type"),
            _("Serial number"),
            _("Nights with values"),
            _("Nights it never stood still"),
            _("Least flow (l/h)"),
            _("Mean night flow (l/h)"),
            _("Share of consumption (per cent)"),
            _("Consumption (m³)"),
        ],
        [
            [
                place(line.who), line.type_name, line.who.serial, line.nights, line.running,
                rounded(line.least, 1), rounded(line.mean, 1), rounded(line.share, 1), rounded(line.used, 3),
            ]
            for line in lines
        ],
        [3, 4, 5, 6, 7, 8],
        [3, 1.8, 1.6, 1.2, 1.4, 1.2, 1.3, 1.6, 1.6],
        notes=[_("Least hourly flow between 02 and 05 in standard time; only values measured on the hour.")],
    )  # fmt: skip


# balance of a zone


def _balance(choice: _Choice) -> Balance | None:
    supply, consumers = choice.supply.members, choice.group.members
    if choice.view != BALANCE or supply is None or consumers is None or choice.period.wrong_way:
        return None
    if choice.supply.value == choice.group.value:
        return None
    period = choice.period
    return zone_balance(KINDS[choice.kind], supply, consumers, period.start, period.end, zone=period.zone)


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """An interval of the balance in words, and what is lost."""

    title: str
    supplied: str
    consumed: str
    lost: str
    share: str
    unknown: int


def _unit(choice: _Choice) -> str:
    return BY_CODE[KINDS[choice.kind].register].unit


def _title(balance: Balance, row: int, choice: _Choice) -> str:
    if not balance.by_day:
        return choice.period.title
    return formats.day(datetime.fromtimestamp(int(balance.starts[row]), choice.period.zone).date())


def _balance_shown(balance: Balance, choice: _Choice) -> dict[str, Any]:
    unit, lost = _unit(choice), balance.lost
    share = 100 * loss_share(balance.supplied, lost)
    shown = shown_in(unit, balance.decimals, [float(one) for one in balance.supplied], choice.energy)

    def figure(value: float) -> str:
        return formats.number(shown.figure(float(value)), shown.decimals)

    unknown = balance.supply_unknown + balance.consumers_unknown
    rows = [
        BalanceRow(
            _title(balance, row, choice),
            figure(balance.supplied[row]),
            figure(balance.consumed[row]),
            figure(lost[row]),
            formats.quantity(float(share[row]), "%", 1),
            int(unknown[row]),
        )
        for row in range(len(lost))
    ]
    bars = [
        Bar(
            str(row + 1) if balance.by_day else "",
            rows[row].title,
            formats.quantity(shown.figure(float(lost[row])), shown.unit, shown.decimals),
            None if np.isnan(lost[row]) else shown.figure(float(lost[row])),
        )
        for row in range(len(lost))
    ]
    supplied, known_lost = float(balance.supplied.sum()), float(np.nansum(lost))
    whole = shown_in(unit, balance.decimals, [supplied], choice.energy)

    def amount(value: float) -> str:
        return formats.quantity(whole.figure(value), whole.unit, whole.decimals)

    return {
        "balance": balance,
        "balance_rows": rows,
        "balance_unit": shown.unit,
        "supplied": amount(supplied),
        "consumed": amount(float(balance.consumed.sum())),
        "lost": formats.MISSING if np.isnan(lost).all() else amount(known_lost),
        "lost_share": formats.quantity(100 * known_lost / supplied, "%", 1) if supplied else formats.MISSING,
        "most_unknown": int(unknown.max(initial=0)),
        "balance_chart": bar_chart(bars, 1180, 240) if balance.by_day else None,
        "narrow_balance_chart": bar_chart(bars, 380, 220, left=50) if balance.by_day else None,
    }


def _balance_table(balance: Balance, choice: _Choice) -> ReportTable:
    name, lost = _("zone-balance"), balance.lost
    share = 100 * loss_share(balance.supplied, lost)
    shown = shown_in(_unit(choice), balance.decimals, (), choice.energy)
    unit = shown.unit

    def figure(amount: float) -> Any:
        return rounded(float(amount) * shown.factor / shown.divisor, shown.decimals)

    rows = [
        [
            _title(balance, row, choice),
            figure(balance.supplied[row]),
            figure(balance.consumed[row]),
            figure(lost[row]),
            rounded(float(share[row]), 1),
            int(balance.supply_unknown[row] + balance.consumers_unknown[row]),
        ]
        for row in range(len(lost))
    ]
    return ReportTable(
        f"{name}-{choice.period.in_name}",
        str(VIEWS[BALANCE]),
        [
            (_("Supplied by"), choice.supply.title),
            (_("Consumers"), choice.group.title),
            (_("Period"), choice.period.title),
            (_("Balanced"), str(KIND_WORDS[choice.kind])),
        ],
        [
            _("Time"),
            _("Supplied (%(unit)s)") % {"unit": unit},
            _("Consumed (%(unit)s)") % {"unit": unit},
            _("Lost (%(unit)s)") % {"unit": unit},
            _("Lost (per cent)"),
            _("Meters without a value"),
        ],
        rows,
        [1, 2, 3, 4, 5],
        [1.4, 1, 1, 1, 1, 1],
        notes=[choice.period.days_begin],
    )
