"""Billing: a month's worklist, its trial run, closing it, and what changed after it was closed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from avlas.decode.registers import BY_CODE
from avlas.meters import entered
from avlas.meters.models import STATE_TEXTS, State
from avlas.reports import billing, billing_trial
from avlas.reports.billing import COMPLETE, DOUBTFUL, ESTIMATED, MISSING, REGISTERS
from avlas.reports.calc.borders import zone_of
from avlas.reports.calc.shown_in import ShownIn, shown_in
from avlas.system.models import Permission
from avlas.web import formats
from avlas.web.listing import ROWS_PER_PAGE, Asked, Pages, asked
from avlas.web.pages.access import PageRequest, page
from avlas.web.pages.meter_edit import who
from avlas.web.report_files import ReportTable, report_file
from avlas.web.report_period import ReportPeriod, asked_period
from avlas.web.report_rows import (
    MAY_GROUP,
    GroupChoice,
    add_to_group,
    asked_group,
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
    from collections.abc import Callable, Sequence

    from django.utils.functional import Promise

    from avlas.meters.models import BillingMonth
    from avlas.reports.billing import Basis, Correction, Estimate, Gap
    from avlas.reports.billing_trial import Trial
    from avlas.reports.period_use import Members, Who

MANAGE: Final = Permission.READING_MANAGEMENT
STATE_NAMES: Final[dict[int, tuple[str, Promise, str]]] = {
    COMPLETE: ("complete", gettext_lazy("Complete"), "good"),
    ESTIMATED: ("estimated", gettext_lazy("Estimated"), "accent"),
    DOUBTFUL: ("doubtful", gettext_lazy("Doubtful"), "warn"),
    MISSING: ("missing", gettext_lazy("Missing"), "bad"),
}
METHODS: Final[dict[str, Promise]] = {
    billing.LAST_YEAR: gettext_lazy("the last counter, and what was used in the same days a year before"),
    billing.MEAN: gettext_lazy("the last counter, and the mean use of the 30 days before it"),
}
REASONS: Final[dict[str, Promise]] = {
    billing_trial.MOVED: gettext_lazy("somebody moved in or out"),
    billing_trial.INFO_CODE: gettext_lazy("the meter reported an info code"),
    billing_trial.NOTHING: gettext_lazy("nothing used"),
    billing_trial.ALWAYS_ZERO: gettext_lazy("nothing used, as the month before"),
}
_SORTS: Final = ("state", "address", "customer", "serial", "amount")
_TRIAL_SORTS: Final = ("difference", "address", "customer", "amount")
_DEFAULT_SHARE: Final = 30


@dataclass(frozen=True, slots=True)
class _Choice:
    """What the address asks for."""

    group: GroupChoice
    period: ReportPeriod
    wanted: Asked
    state: int | None
    energy: str  # the utility's unit of energy

    def shown(self, code: str, decimals: int) -> ShownIn:
        """In which unit lines show amounts of a register that deserve ``decimals`` in its canonical one."""
        return shown_in(BY_CODE[code].unit, decimals, (), self.energy)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the worklist. ``amount`` and ``decimals`` in ``unit``; ``why`` in words."""

    who: Who
    type_name: str
    amount: float
    decimals: int
    unit: str
    state: tuple[str, str, str]
    marks: list[tuple[str, str, str]]
    why: list[str]
    estimate: Estimate | None
    method: str


def _choice(request: PageRequest, sorts: Sequence[str]) -> _Choice:
    period = asked_period(request.GET, request.utility.day_borders)
    made = billing.closed(request.utility, period.start)
    if made is not None:  # it keeps the borders it was billed with
        period = replace(period, zone=zone_of(made.borders))
    names = {name: state for state, (name, _title, _tone) in STATE_NAMES.items()}
    return _Choice(
        asked_group(request),
        period,
        asked(request.GET, columns=(), sorts=sorts, default=sorts[0]),
        names.get(request.GET.get("state", "")),
        request.utility.energy_unit,
    )


def _basis(choice: _Choice) -> Basis | None:
    if choice.group.members is None or choice.period.wrong_way:
        return None
    return _month(choice.group.members, choice)


def _month(members: Members, choice: _Choice) -> Basis:
    return billing.basis(members, choice.period.start, choice.period.end, zone=choice.period.zone)


def _fitting(month: Basis, choice: _Choice) -> np.ndarray:
    fits = searched(month.found.who, choice.wanted.words)
    if choice.state is not None:
        fits &= month.state == choice.state
    people = month.found.who
    keys: dict[str, np.ndarray | Callable[[int], str]] = {
        "state": -month.state.astype(np.float64),
        "address": lambda row: people[row].address,
        "customer": lambda row: people[row].customer,
        "serial": lambda row: people[row].serial,
        "amount": month.amounts,
    }
    return in_order(np.flatnonzero(fits), keys[choice.wanted.sort], descending=choice.wanted.descending)


def _lines(month: Basis, rows: list[int], choice: _Choice) -> list[Line]:
    missing = [row for row in rows if month.state[row] == MISSING]
    why, guesses = billing.gaps(month, missing), billing.estimates(month, missing)
    used = month.found.used
    told = []
    for row in rows:
        code = REGISTERS[month.main[row]]
        name, title, tone = STATE_NAMES[int(month.state[row])]
        guess = guesses.get(row)
        shown = choice.shown(code, int(used.decimals[code][row]))
        told.append(
            Line(
                month.found.who[row],
                type_name(month.found.who[row]),
                shown.figure(month.amount(row)),
                shown.decimals,
                shown.unit,
                (name, str(title), tone),
                use_marks(int(used.marks[row])),
                gap_words(why[row]) if row in why else [],
                guess,
                str(METHODS[guess.method]) if guess else "",
            )
        )
    return told


def gap_words(gap: Gap) -> list[str]:
    """Why an amount is missing, in words."""
    said = []
    if gap.backwards:
        said.append(_("the register counted backwards"))
    elif not gap.at_start and not gap.at_end:
        said.append(_("no counter at either end"))
    elif not gap.at_start:
        said.append(_("no counter at the beginning"))
    elif not gap.at_end:
        said.append(_("no counter at the end"))
    if gap.state is None:
        said.append(_("never heard"))
    elif gap.state != State.READ:
        said.append(str(STATE_TEXTS[State(gap.state)]))
    if gap.last_at:
        said.append(_("last reading %(day)s") % {"day": formats.day(formats.local(gap.last_at).date())})
    return said


@page(change=MANAGE)
def worklist(request: PageRequest) -> HttpResponse:
    """The worklist of a month; its form approves estimates, adds to a group, or closes the month."""
    choice = _choice(request, _SORTS)
    month = _basis(choice)
    if request.method == "POST":
        if month is not None:
            _act(request, choice, month)
        return redirect(request.get_full_path())
    data = _shared(request, choice, "billing")
    if month is not None:
        rows = _fitting(month, choice)
        start = choice.wanted.offset if choice.wanted.offset < len(rows) else 0
        lines = _lines(month, rows[start : start + ROWS_PER_PAGE].tolist(), choice)
        counts = np.bincount(month.state, minlength=len(STATE_NAMES)).tolist()
        made = billing.closed(request.utility, choice.period.start)
        data |= {
            "month": month,
            "lines": lines,
            "legend": legend(line.marks for line in lines),
            "pages": Pages(len(rows), start // ROWS_PER_PAGE + 1),
            "counts": [
                (name, title, tone, counts[state]) for state, (name, title, tone) in STATE_NAMES.items()
            ],
            "closed": made,
            "may_close": made is None and not choice.period.is_running and choice.group.value == "all",
            "ready": counts[COMPLETE] + counts[ESTIMATED],
            "doubtful": counts[DOUBTFUL],
            "any_estimate": any(line.estimate for line in lines),
            "narrowed": bool(choice.wanted.words or choice.state is not None),
        }
    return render(request, "pages/billing.html", data)


def _act(request: PageRequest, choice: _Choice, month: Basis) -> None:
    """Do what the worklist's form asks for."""
    if "close" in request.POST:
        if choice.group.value != "all":
            messages.error(request, _("A month is closed for all meters at once."))
            return
        try:
            billing.close(request.utility, month, who(request), doubtful="doubtful" in request.POST)
        except ValueError:
            messages.error(request, _("The month is not over, or it is closed already."))
        else:
            messages.success(
                request, _("The month is closed. What changes from now on is listed under Corrections.")
            )
        return
    chosen = posted_meters(request)
    if "approve" in request.POST:
        _approve(request, month, set(chosen))
    elif MAY_GROUP in request.allowed:
        if "all" in request.POST:
            chosen = [month.found.who[row].meter_id for row in _fitting(month, choice).tolist()]
        add_to_group(request, chosen)
    else:
        raise PermissionDenied


def _approve(request: PageRequest, month: Basis, meters: set[int]) -> None:
    rows = [
        row
        for row in np.flatnonzero(month.state == MISSING).tolist()
        if month.found.who[row].meter_id in meters
    ]
    done = 0
    for one in billing.estimates(month, rows).values():
        try:
            billing.approve(request.utility, one, str(METHODS[one.method]), who(request))
        except (entered.AlreadyThere, entered.Erased):
            continue
        done += 1
    if not done:
        messages.error(request, _("Choose at least one meter with an estimate."))
        return
    text = ngettext("%(count)s estimate was approved.", "%(count)s estimates were approved.", done)
    messages.success(request, text % {"count": formats.number(done)})


@page()
def worklist_file(request: PageRequest) -> HttpResponse:
    """The worklist as a file."""
    choice = _choice(request, _SORTS)
    month = _basis(choice)
    if month is None:
        raise Http404
    table = [
        [
            place(line.who), line.who.customer, line.who.customer_number, line.type_name, line.who.serial,
            rounded(line.amount, line.decimals), line.unit, line.state[1],
            "; ".join([*line.why, *(text for _sign, text, _tone in line.marks)]),
        ]
        for line in _lines(month, _fitting(month, choice).tolist(), choice)
    ]  # fmt: skip
    headings = [_("Address"), _("Customer"), _("Customer number"), _("Meter type"), _("Serial number"), _("Amount"),
                _("Unit"), _("State"), _("Remarks")]  # fmt: skip
    return report_file(
        request,
        request.GET.get("file", "csv"),
        ReportTable(
            _("billing-%(month)s") % {"month": choice.period.in_name}, _("Billing"), _said(choice), headings,
            table, [5],
            [3, 2.2, 1.6, 1.8, 1.7, 1.4, 0.8, 1.3, 3], notes=[choice.period.months_begin],
        ),
    )  # fmt: skip


# the trial run


@dataclass(frozen=True, slots=True)
class Tried:
    """One line of the trial run; amounts in ``unit``, ``share`` in per cent of what is expected.

    ``decimals``: of what was used; ``about``: of what is expected and of the difference, which are no counted figures.
    """

    who: Who
    amount: float
    before: float
    expected: float
    difference: float
    share: float | None
    decimals: int
    about: int
    unit: str
    from_last_year: bool
    marks: list[tuple[str, str, str]]
    why: list[str]


@page()
def trial(request: PageRequest) -> HttpResponse:
    """Amounts that are not as expected, with what may explain them."""
    choice = _choice(request, _TRIAL_SORTS)
    month = _basis(choice)
    share, share_text = _share(request)
    data = {**_shared(request, choice, "billing_trial"), "share": share_text}
    if month is not None:
        tried = billing_trial.trial(choice.group.members, month)  # type: ignore[arg-type]  # a basis has members
        rows = _unusual(tried, choice, share)
        start = choice.wanted.offset if choice.wanted.offset < len(rows) else 0
        lines = _tried(tried, rows[start : start + ROWS_PER_PAGE].tolist(), choice)
        data |= {
            "month": month,
            "lines": lines,
            "pages": Pages(len(rows), start // ROWS_PER_PAGE + 1),
            "compared": int((~np.isnan(tried.expected) & ~np.isnan(tried.amount)).sum()),
            "totals": _totals(tried, choice.energy),
        }
    return render(request, "pages/billing_trial.html", data)


def _share(request: PageRequest) -> tuple[float, str]:
    value, text = limit(request.GET, "share")
    if value is None or not 1 <= value <= 1000:
        return _DEFAULT_SHARE / 100, str(_DEFAULT_SHARE)
    return value / 100, text


def _unusual(tried: Trial, choice: _Choice, share: float) -> np.ndarray:
    fits = searched(tried.month.found.who, choice.wanted.words) & tried.unusual(share)
    people = tried.month.found.who
    keys: dict[str, np.ndarray | Callable[[int], str]] = {
        "difference": -np.abs(tried.difference),
        "address": lambda row: people[row].address,
        "customer": lambda row: people[row].customer,
        "amount": tried.amount,
    }
    return in_order(np.flatnonzero(fits), keys[choice.wanted.sort], descending=choice.wanted.descending)


def _tried(tried: Trial, rows: list[int], choice: _Choice) -> list[Tried]:
    why = billing_trial.reasons(tried, rows)
    used = tried.month.found.used
    told = []
    for row in rows:
        code = REGISTERS[tried.month.main[row]]
        shown = choice.shown(code, int(used.decimals[code][row]))
        expected = float(tried.expected[row])
        parts = (tried.amount[row], tried.before[row], expected, tried.difference[row])
        amount, before, usual, difference = (shown.figure(float(one)) for one in parts)
        told.append(
            Tried(
                tried.month.found.who[row], amount, before, usual, difference,
                100 * float(tried.difference[row]) / expected if expected else None,
                shown.decimals, choice.shown(code, 0).decimals, shown.unit, bool(tried.from_last_year[row]),
                use_marks(int(used.marks[row])), [str(REASONS[one]) for one in sorted(why[row])],
            )
        )  # fmt: skip
    return told


def _totals(tried: Trial, energy: str) -> list[tuple[str, str, str, str]]:
    """Of each register: its sign, the month's total, the month before's, and what was expected of the same rows.

    Energy in the utility's unit, MWh when it is much.
    """
    told = []
    for number, code in enumerate(REGISTERS):
        mine = tried.month.main == number
        all_three = mine & ~np.isnan(tried.amount) & ~np.isnan(tried.before) & ~np.isnan(tried.expected)
        if not all_three.any():
            continue
        register = BY_CODE[code]
        sums = [float(part[all_three].sum()) for part in (tried.amount, tried.before, tried.expected)]
        shown = shown_in(register.unit, 0, sums, energy)
        first, second, third = (
            formats.quantity(shown.figure(one), shown.unit, shown.decimals) for one in sums
        )
        told.append((register.symbol, first, second, third))
    return told


@page()
def trial_file(request: PageRequest) -> HttpResponse:
    """The trial run as a file."""
    choice = _choice(request, _TRIAL_SORTS)
    month = _basis(choice)
    if month is None:
        raise Http404
    share, _text = _share(request)
    tried = billing_trial.trial(choice.group.members, month)  # type: ignore[arg-type]  # a basis has members
    table = [
        [
            place(line.who), line.who.customer, line.who.customer_number, line.who.serial,
            *(rounded(one, line.decimals) for one in (line.amount, line.before, line.expected, line.difference)),
            line.unit, "; ".join([*line.why, *(text for _sign, text, _tone in line.marks)]),
        ]
        for line in _tried(tried, _unusual(tried, choice, share).tolist(), choice)
    ]  # fmt: skip
    headings = [_("Address"), _("Customer"), _("Customer number"), _("Serial number"), _("Amount"),
                _("Month before"), _("Expected"), _("Difference"), _("Unit"), _("Remarks")]  # fmt: skip
    return report_file(
        request,
        request.GET.get("file", "csv"),
        ReportTable(
            _("trial-run-%(month)s") % {"month": choice.period.in_name}, _("Trial run of billing"), _said(choice),
            headings, table, [4, 5, 6, 7], [3, 2.2, 1.6, 1.7, 1.3, 1.3, 1.3, 1.3, 0.8, 3],
            notes=[choice.period.months_begin],
        ),
    )  # fmt: skip


# corrections


@dataclass(frozen=True, slots=True)
class Corrected:
    """One amount that is no longer as billed, in ``unit``; None: not known, or not billed."""

    who: Who
    billed: float | None
    now: float | None
    difference: float
    decimals: int
    unit: str
    marks: list[tuple[str, str, str]]


def _corrected(one: Correction, choice: _Choice) -> Corrected:
    shown = choice.shown(one.register, one.decimals)
    billed, now = (None if value is None else shown.figure(value) for value in (one.billed, one.now))
    return Corrected(
        one.who, billed, now, shown.figure(one.difference), shown.decimals, shown.unit, use_marks(one.marks)
    )


@page(change=MANAGE)
def corrections(request: PageRequest) -> HttpResponse:
    """What changed in a closed month; the form notes that all of it has been taken into account."""
    choice = _choice(request, _SORTS)
    made, found = _corrections(request, choice)
    if request.method == "POST":
        if made is not None and choice.group.members is not None:
            month = _month(choice.group.members, choice)
            done = billing.settle(made, month, who(request))
            text = ngettext("%(count)s correction is noted.", "%(count)s corrections are noted.", done)
            messages.success(request, text % {"count": formats.number(done)})
        return redirect(request.get_full_path())
    start = choice.wanted.offset if choice.wanted.offset < len(found) else 0
    lines = [_corrected(one, choice) for one in found[start : start + ROWS_PER_PAGE]]
    data = {
        **_shared(request, choice, "billing_corrections"),
        "closed": made,
        "lines": lines,
        "legend": legend(line.marks for line in lines),
        "pages": Pages(len(found), start // ROWS_PER_PAGE + 1),
    }
    return render(request, "pages/billing_corrections.html", data)


def _corrections(request: PageRequest, choice: _Choice) -> tuple[BillingMonth | None, list[Correction]]:
    made = billing.closed(request.utility, choice.period.start)
    if made is None or choice.group.members is None:
        return made, []
    month = _month(choice.group.members, choice)
    return made, billing.corrections(made, month)


@page()
def corrections_file(request: PageRequest) -> HttpResponse:
    """The corrections of a month as a file."""
    choice = _choice(request, _SORTS)
    made, found = _corrections(request, choice)
    if made is None:
        raise Http404
    table = [
        [
            place(one.who), one.who.customer, one.who.customer_number, one.who.serial,
            *(
                None if value is None else rounded(value, one.decimals)
                for value in (one.billed, one.now, one.difference)
            ),
            one.unit, "; ".join(text for _sign, text, _tone in one.marks),
        ]
        for one in (_corrected(correction, choice) for correction in found)
    ]  # fmt: skip
    headings = [_("Address"), _("Customer"), _("Customer number"), _("Serial number"), _("Billed"), _("Now"),
                _("Difference"), _("Unit"), _("Remarks")]  # fmt: skip
    return report_file(
        request,
        request.GET.get("file", "csv"),
        ReportTable(
            _("corrections-%(month)s") % {"month": choice.period.in_name}, _("Corrections"), _said(choice), headings,
            table, [4, 5, 6], [3, 2.2, 1.6, 1.7, 1.3, 1.3, 1.3, 0.8, 3], notes=[choice.period.months_begin],
        ),
    )  # fmt: skip


def _said(choice: _Choice) -> list[tuple[str, str]]:
    return [(_("Group"), choice.group.title), (_("Month"), choice.period.title)]


def _shared(request: PageRequest, choice: _Choice, here: str) -> dict[str, Any]:
    return {
        "choice": choice,
        "asked": choice.wanted,
        "here": here,
        "steps": [
            ("billing", _("Worklist")),
            ("billing_trial", _("Trial run")),
            ("billing_corrections", _("Corrections")),
        ],
        "states": [(name, title) for name, title, _tone in STATE_NAMES.values()],
        **context(request, choice.group, choice.period),
    }
