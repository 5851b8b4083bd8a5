"""Reading performance: of each meter what was received of what was expected, and who is read badly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters import groups, reading_order
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.reports.models import PerformanceLevel
from avlas.reports.performance import Performance, Report, find_last_missing, reading_performance
from avlas.system.models import Permission
from avlas.web import formats
from avlas.web.listing import ROWS_PER_PAGE, Asked, Pages, asked
from avlas.web.pages.access import PageRequest, page, record
from avlas.web.report_files import REPORT_KINDS, ReportTable, report_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpResponse, QueryDict

    from avlas.web.table_files import Cell

_SORTS: Final = ("performance", "address", "postal_code", "city", "serial")
_EARLIEST, _LATEST = date(1990, 1, 1), date(2200, 1, 1)
_LONGEST: Final = timedelta(days=3 * 366)
_USUAL: Final = timedelta(days=30)
HEADINGS: Final = (
    gettext_lazy("Address"),
    gettext_lazy("Postal code"),
    gettext_lazy("City"),
    gettext_lazy("Serial number"),
    gettext_lazy("Last missing reading in period"),
    gettext_lazy("Average performance (%)"),
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What somebody asked of the report, and the meters that fit, in order."""

    wanted: Asked
    first: date
    last: date
    wrong: str  # what is wrong with the period
    group: str
    only_bad: bool
    level: PerformanceLevel
    report: Report
    rows: list[Performance]
    bad: int  # how many of the report's meters are read badly

    def is_bad(self, one: Performance) -> bool:
        """Whether the meter is read badly."""
        return (one.percent or 0.0) < self.level.bad_below_percent


def _day(text: str, otherwise: date) -> date:
    try:
        return min(max(date.fromisoformat(text), _EARLIEST), _LATEST)
    except ValueError:
        return otherwise


def _moment(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=STANDARD_TIME).timestamp())


def _choose(request: PageRequest) -> Chosen:
    query: QueryDict = request.GET
    now = datetime.now(UTC)
    last = _day(query.get("to", ""), now.astimezone(STANDARD_TIME).date())
    first = _day(query.get("from", ""), max(_EARLIEST, last - _USUAL))
    wrong = ""
    if last < first:
        wrong = _("The period ends before it begins.")
    elif last - first > _LONGEST:
        wrong = _("Choose a period of at most three years.")
    wanted = asked(query, columns=(), sorts=_SORTS, default="performance")
    group, only_bad = query.get("group", groups.ALL), query.get("show", "") == "bad"
    level = PerformanceLevel.of(request.utility)
    begin, end = (0, 0) if wrong else (_moment(first), _moment(last + timedelta(days=1)))
    report = reading_performance(request.utility.pk, group, begin, end, int(now.timestamp()))
    fitting = [one for one in report.meters if _is_found(one, wanted.words)]
    bad = [one for one in report.meters if (one.percent or 0.0) < level.bad_below_percent]
    if only_bad:
        low = {one.meter_id for one in bad}
        fitting = [one for one in fitting if one.meter_id in low]
    fitting.sort(key=_order(wanted.sort), reverse=wanted.descending)
    return Chosen(wanted, first, last, wrong, group, only_bad, level, report, fitting, len(bad))


def _is_found(one: Performance, searched: tuple[str, ...]) -> bool:
    if not searched:
        return True
    text = f"{one.serial} {one.model} {one.address} {one.postal_code} {one.city}".casefold()
    return all(word.casefold() in text for word in searched)


def _order(sort: str) -> Callable[[Performance], tuple[Any, ...]]:
    if sort == "performance":
        return lambda one: (one.percent or 0.0, reading_order.address_key(one.address), one.meter_id)
    if sort == "address":
        return lambda one: (reading_order.address_key(one.address), one.meter_id)
    return lambda one: (reading_order.key(getattr(one, sort)), one.meter_id)


@page()
def performance(request: PageRequest) -> HttpResponse:
    """The report, or its rows alone."""
    chosen = _choose(request)
    pages = Pages(len(chosen.rows), chosen.wanted.page)
    if pages.number > pages.count:
        pages = Pages(pages.total, 1)
    start = (pages.number - 1) * ROWS_PER_PAGE
    shown = chosen.rows[start : start + ROWS_PER_PAGE]
    find_last_missing(chosen.report, shown)
    context = {
        "rows": [(one, chosen.is_bad(one)) for one in shown],
        "chosen": chosen,
        "asked": chosen.wanted,
        "pages": pages,
        "groups": groups.choices(request.utility.pk),
        "group_is_gone": not groups.exists(request.utility.pk, chosen.group),
        "deaf": [(_time(begin), _time(end)) for begin, end in chosen.report.deaf],
        "deaf_hours": formats.number(chosen.report.deaf_hours, 0),
        "kinds": REPORT_KINDS,
        "may_set": Permission.SYSTEM_CONFIGURATION in request.allowed,
    }
    fragment = bool(request.htmx) and not request.htmx.boosted
    return render(request, "pages/performance_rows.html" if fragment else "pages/performance.html", context)


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@page()
def export(request: PageRequest) -> HttpResponse:
    """The report as a file of the kind in the address (CSV when it says none)."""
    chosen = _choose(request)
    find_last_missing(chosen.report, chosen.rows)
    said = [
        (_("Group"), groups.title(request.utility.pk, chosen.group)),
        (_("Period"), f"{formats.day(chosen.first)} {formats.UNTIL} {formats.day(chosen.last)}"),
    ]
    if chosen.wanted.text:
        said.append((_("Search"), chosen.wanted.text))
    if chosen.only_bad:
        said.append((_("Only badly read"), f"< {formats.number(chosen.level.bad_below_percent)} %"))
    name = _("reading-performance")
    table = ReportTable(
        name=f"{name}-{chosen.first}-{chosen.last}",
        title=_("Reading performance"),
        said=said,
        headings=[str(title) for title in HEADINGS],
        rows=[_cells(one) for one in chosen.rows],
        figures=(5,),
        widths=(3, 1.2, 1.8, 1.5, 2, 1.5),
        totals=[
            (_("All of the group"), f"{formats.number(chosen.report.percent, 2)} %"),
            (_("Badly read"), formats.number(chosen.bad)),
        ],
    )
    return report_file(request, request.GET.get("file", "csv"), table)


def _cells(one: Performance) -> list[Cell]:
    share = None if one.percent is None else Decimal(one.percent).quantize(Decimal("0.01"))
    return [one.address, one.postal_code, one.city, one.serial, one.last_missing_at, share]


class LevelForm(forms.ModelForm):  # type: ignore[type-arg]
    """The one setting."""

    class Meta:
        model = PerformanceLevel
        fields = ("bad_below_percent",)
        labels = {"bad_below_percent": gettext_lazy("Bad below (%)")}  # noqa: RUF012
        help_texts = {  # noqa: RUF012 - as Django wants it
            "bad_below_percent": gettext_lazy(
                "A meter of which a smaller share of the expected readings came in is read badly."
            )
        }


@page(view=Permission.SYSTEM_CONFIGURATION, change=Permission.SYSTEM_CONFIGURATION)
def level(request: PageRequest) -> HttpResponse:
    """Say from when on a meter is read badly."""
    own = PerformanceLevel.of(request.utility)
    before = own.bad_below_percent
    form = LevelForm(request.POST or None, instance=own)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            saved = form.save(commit=False)
            PerformanceLevel.objects.update_or_create(
                utility=request.utility, defaults={"bad_below_percent": saved.bad_below_percent}
            )
            record(
                request,
                "reports.performance_level_changed",
                detail={"bad_below_percent": [before, saved.bad_below_percent]},
            )
        messages.success(request, _("Saved."))
        return redirect("performance")
    return render(request, "pages/performance_level.html", {"form": form}, status=422 if form.errors else 200)
