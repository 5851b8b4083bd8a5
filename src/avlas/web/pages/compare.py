"""Data comparison: any registers of one meter or of many in one chart with two axes, as a table and as a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.decode.registers import BY_CODE, Aggregate
from avlas.meters.models import Installation, Meter
from avlas.reports import comparison
from avlas.web import formats, words
from avlas.web.line_charts import Course, draw
from avlas.web.pages.access import PageRequest, page, rows
from avlas.web.report_files import REPORT_KINDS, ReportTable, report_file
from avlas.web.report_period import KINDS, ReportPeriod, asked_period
from avlas.web.report_rows import rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.utils.functional import Promise

    from avlas.reports.comparison import Step

STEPS: Final[dict[Step, Promise]] = {
    "reading": gettext_lazy("Every reading"),
    "hour": gettext_lazy("Hours"),
    "day": gettext_lazy("Days"),
    "month": gettext_lazy("Months"),
}
_LENGTHS: Final[dict[Step, timedelta | None]] = {
    "reading": None,
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "month": timedelta(days=30),
}
_LONGEST_DAYS: Final[dict[Step, int]] = {"reading": 92, "hour": 92, "day": 1100, "month": 99999}
MOST_LINES: Final = 8
_CANDIDATES: Final = 12
_LINE: Final = re.compile(r"(\d{1,15})\.([a-z0-9_]{1,40})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shown:
    """A line with its names. ``side``: "left", "right", or "" where it fits neither axis."""

    line: comparison.Line
    key: str  # as it stands in the address
    meter: str
    place: str
    register: str
    symbol: str
    side: str
    mean: str
    total: str

    @property
    def title(self) -> str:
        """Register and meter."""
        return f"{self.symbol or self.register} {self.place or self.meter}"


@dataclass(frozen=True, slots=True)
class _Choice:
    """All that the address asks for."""

    period: ReportPeriod
    step: Step
    coarser: bool  # the step asked for was too fine for the period
    keys: list[str]


def _choice(request: PageRequest) -> _Choice:
    period = asked_period(request.GET, request.utility.day_borders)
    days = (period.last - period.first).days + 1
    wanted = request.GET.get("step", "")
    step: Step = next(
        (one for one in STEPS if one == wanted), "hour" if days <= 3 else "day" if days <= 92 else "month"
    )
    fitting = [one for one in STEPS if days <= _LONGEST_DAYS[one]]
    fine = step if step in fitting else fitting[0]
    keys = list(dict.fromkeys(key for key in request.GET.getlist("line") if _LINE.fullmatch(key)))
    added = request.GET.get("add", "")
    if _LINE.fullmatch(added) and added not in keys:
        keys.append(added)
    return _Choice(period, fine, fine != step, keys[:MOST_LINES])


def _lines(request: PageRequest, choice: _Choice) -> list[Shown]:
    """The lines asked for; meters that are not the utility's, or not there any more, are left out."""
    if choice.period.wrong_way:
        return []
    pairs = [(int(found[1]), found[2]) for key in choice.keys if (found := _LINE.fullmatch(key))]
    meters = {one.pk: one for one in rows(request, Meter).filter(pk__in={pk for pk, _code in pairs})}
    places = _places(meters)
    known = set(comparison.comparable())
    shown: list[Shown] = []
    units: list[str] = []
    for pk, code in pairs:
        if pk not in meters or code not in known:
            continue
        line = comparison.line(
            pk, code, choice.step, choice.period.start, choice.period.end, choice.period.zone
        )
        if line.values and line.unit not in units:
            units.append(line.unit)
        place = units.index(line.unit) if line.unit in units else 0
        figures = [float(value) for value in line.values.values()]
        counts = BY_CODE[code].aggregate is Aggregate.DIFFERENCE and choice.step != "reading"
        shown.append(
            Shown(
                line,
                f"{pk}.{code}",
                meters[pk].serial,
                places.get(pk, ""),
                words.register_name(code),
                BY_CODE[code].symbol,
                ("left", "right")[place] if place < 2 else "",
                formats.quantity(
                    sum(figures) / len(figures), line.unit, line.decimals + (0 if not counts else 1)
                )
                if figures
                else formats.MISSING,
                formats.quantity(sum(figures), line.unit, line.decimals) if figures and counts else "",
            )
        )
    return shown


def _places(meters: dict[int, Meter]) -> dict[int, str]:
    found = Installation.objects.filter(meter_id__in=meters, to_at=None).select_related("point")
    return {one.meter_id: str(one.point) for one in found}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A meter that fits what was searched for, and the registers that can be added."""

    meter: Meter
    place: str


def _candidates(request: PageRequest, text: str) -> list[Candidate]:
    """Meters by serial number, type or address."""
    if not text:
        return []
    at_place = Q(installations__to_at=None, installations__point__address__icontains=text)
    found = rows(request, Meter).filter(Q(serial__icontains=text) | Q(model__icontains=text) | at_place)
    meters = {one.pk: one for one in found.order_by("serial").distinct()[:_CANDIDATES]}
    places = _places(meters)
    return [Candidate(one, places.get(pk, "")) for pk, one in meters.items()]


def _table_rows(shown: Sequence[Shown]) -> list[tuple[datetime, list[Any]]]:
    return [
        (at, [one.line.values.get(at) for one in shown])
        for at in comparison.moments([one.line for one in shown])
    ]


def _time(at: datetime, choice: _Choice) -> str:
    """A moment, or the interval that begins at it, in words."""
    if choice.step == "reading":
        return formats.date_time(at)
    local, step = at.astimezone(choice.period.zone), choice.step
    if step == "month":
        return formats.month(local.date())
    if step == "day":
        return formats.day(local.date())
    hours = f"{local:%H}{formats.UNTIL}{(at + timedelta(hours=1)).astimezone(choice.period.zone):%H}"
    return f"{formats.day(local.date())}{formats.HARD_SPACE}{hours}"


@page()
def compare(request: PageRequest) -> HttpResponse:
    """The comparison as a page."""
    choice = _choice(request)
    shown = _lines(request, choice)
    text = request.GET.get("q", "").strip().replace("\0", "")[:60]
    table = _table_rows(shown)
    data: dict[str, Any] = {
        "choice": choice,
        "period": choice.period,
        "period_kinds": KINDS,
        "steps": STEPS,
        "shown": shown,
        "text": text,
        "candidates": _candidates(request, text),
        "registers": [
            (code, BY_CODE[code].symbol, words.register_name(code)) for code in comparison.comparable()
        ],
        "register": request.GET.get("register", "") or "flow_temperature_c",
        "rows": [(_time(at, choice), list(zip(values, shown, strict=True))) for at, values in table],
        "full": len(shown) >= MOST_LINES,
        "kinds": REPORT_KINDS,
        "address": reverse("compare"),
    }
    if table:
        data |= _charts(choice, shown, [at for at, _values in table])
    return render(request, "pages/compare.html", data)


def _charts(choice: _Choice, shown: Sequence[Shown], moments: Sequence[datetime]) -> dict[str, Any]:
    drawn = [one for one in shown if one.side]
    courses = []
    for one in drawn:
        known = one.line.values
        # single readings come at their own times: only an interval without a value breaks a line
        points = [(at, known.get(at)) for at in moments if choice.step != "reading" or at in known]
        courses.append(
            Course([(at, None if v is None else float(v)) for at, v in points], one.side == "right")
        )
    length = _LENGTHS[choice.step]
    end = min(
        choice.period.end,
        max(moments[-1] + (length or timedelta(minutes=5)), choice.period.start + timedelta(hours=1)),
    )
    texts = {
        at: " · ".join(
            f"{one.symbol or one.register} {one.place or one.meter}: "
            f"{formats.quantity(one.line.values[at], one.line.unit, one.line.decimals)}"
            for one in drawn
            if at in one.line.values
        )
        for at in moments
    }
    papers = {}
    for name, (width, height) in {"wide_chart": (1180, 360), "narrow_chart": (380, 280)}.items():
        paper = draw(courses, choice.period.start, end, width, height, step=length, zone=choice.period.zone)
        papers[name] = {
            "paper": paper,
            "lines": list(zip(range(len(drawn)), paper.lines, strict=True)),
            "bands": [(band, _time(band.at, choice), texts[band.at]) for band in paper.bands],
        }
    return {
        **papers,
        "left_unit": next((one.line.unit for one in drawn if one.side == "left"), ""),
        "right_unit": next((one.line.unit for one in drawn if one.side == "right"), ""),
        "legend": list(enumerate(drawn)),
    }


@page()
def compare_file(request: PageRequest) -> HttpResponse:
    """The comparison as a table in a file of the kind in the address (CSV when it says none)."""
    choice = _choice(request)
    shown = _lines(request, choice)
    if choice.period.wrong_way:
        raise Http404
    headings = [_("Time")] + [
        f"{one.symbol or one.register} {one.meter}{f', {one.place}' if one.place else ''} ({one.line.unit})"
        for one in shown
    ]
    table = [
        [
            _cell(at, choice),
            *(
                None if value is None else rounded(float(value), one.line.decimals)
                for value, one in zip(values, shown, strict=True)
            ),
        ]
        for at, values in _table_rows(shown)
    ]
    name = _("comparison")
    report = ReportTable(
        f"{name}-{choice.period.in_name}",
        _("Data comparison"),
        [(_("Period"), choice.period.title), (_("Shown"), str(STEPS[choice.step]))],
        headings,
        table,
        range(1, len(headings)),
        [1.4, *([1.0] * len(shown))],
        notes=[choice.period.days_begin],
    )
    return report_file(request, request.GET.get("file", "csv"), report)


def _cell(at: datetime, choice: _Choice) -> str | date | datetime:
    """A moment for a file: a date for days, a month in words, else the moment in the reader's zone."""
    local, step = at.astimezone(choice.period.zone), choice.step
    if step == "day":
        return local.date()
    return formats.month(local.date()) if step == "month" else at
