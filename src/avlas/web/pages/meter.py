"""One meter: who, where, what it shows now, what was used, how it is heard, its telegrams explained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.decode.registers import BY_CODE, Aggregate
from avlas.meters import cases, keys, revision
from avlas.meters.let_in import distrusted
from avlas.meters.models import Collector, Installation, Meter, Occupancy, State, Telegram
from avlas.meters.states import COUNTED
from avlas.notify.models import Firing
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.reports.consumption import Consumption, consumption, spans_of_meter, spans_of_point
from avlas.reports.latest import latest
from avlas.web import formats, info_codes, words
from avlas.web.charts import Bar, bar_chart, line_chart
from avlas.web.explained import explained
from avlas.web.happenings import happenings, of_rows, told
from avlas.web.listing import ROWS_PER_PAGE, Pages, asked
from avlas.web.pages.access import PageRequest, find, page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from django.utils.functional import Promise

    from avlas.reports.calc.borders import Unit
    from avlas.reports.consumption import Row, Span
    from avlas.reports.latest import Latest
    from avlas.web.happenings import Happening

UNITS: Final[dict[Unit, Promise]] = {
    "hour": gettext_lazy("Hours"),
    "day": gettext_lazy("Days"),
    "month": gettext_lazy("Months"),
    "year": gettext_lazy("Years"),
}
_FINER: Final[dict[str, str]] = {"year": "month", "month": "day", "day": "hour"}
_YEARS_SHOWN: Final = 10
_EVENTS_SHOWN: Final = 12
_TELEGRAMS_SHOWN: Final = 6
"""How many of the newest are shown on the meter's own page."""
_SIGNS_SHOWN: Final = 2  # above one bar; there is no room for more


@dataclass(frozen=True, slots=True)
class Period:
    """What the chart shows: intervals of ``unit`` from ``first`` on (a date in standard time)."""

    unit: Unit
    first: date

    @property
    def end(self) -> date:
        """The first day after the period."""
        return self.stepped(1)

    def stepped(self, steps: int) -> date:
        """The first day of the period so many periods later."""
        if self.unit == "hour":
            return self.first + timedelta(days=steps)
        if self.unit == "day":
            months = self.first.month - 1 + steps
            return date(self.first.year + months // 12, months % 12 + 1, 1)
        return date(self.first.year + steps * (1 if self.unit == "month" else _YEARS_SHOWN), 1, 1)

    @property
    def title(self) -> str:
        """The period in words."""
        if self.unit == "hour":
            return formats.long_day(self.first)
        if self.unit == "day":
            return formats.month(self.first)
        if self.unit == "month":
            return str(self.first.year)
        return f"{self.first.year}{formats.UNTIL}{self.end.year - 1}"


def period(unit: str, start: str, today: date) -> Period:
    """The period somebody asked for; whatever makes no sense becomes the one that holds today."""
    known: Unit = next((one for one in UNITS if one == unit), "day")
    try:
        day = date.fromisoformat(start)
    except ValueError:
        day = today
    day = min(max(day, date(1990, 1, 1)), date(2200, 1, 1))
    if known == "day":
        day = day.replace(day=1)
    elif known == "month":
        day = day.replace(month=1, day=1)
    elif known == "year":
        day = date(
            today.year - _YEARS_SHOWN + 1 if day >= date(today.year - _YEARS_SHOWN + 1, 1, 1) else day.year,
            1,
            1,
        )
    return Period(known, day)


def _moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=STANDARD_TIME)


def _label(unit: Unit, start: datetime) -> tuple[str, str, str]:
    """What stands under a bar, in the table, and the interval's full name."""
    if unit == "hour":
        hours = f"{start:%H}{formats.UNTIL}{(start + timedelta(hours=1)):%H}"
        return f"{start:%H}", hours, hours
    if unit == "day":
        return str(start.day), formats.short_day(start.date()), formats.long_day(start.date())
    if unit == "month":
        name = formats.month(start.date())
        return formats.short_month(start.date()), name, name
    return str(start.year), str(start.year), str(start.year)


def _bars(used: Consumption, events: Sequence[list[Happening]], unit: Unit, address: str) -> list[Bar]:
    shown_in = used.rows_shown_in
    bars = []
    for row, here in zip(used.rows, events, strict=True):
        start = row.start.astimezone(STANDARD_TIME)
        label, _short, title = _label(unit, start)
        marks = [name for name in words.MARKS if name in row.marks]
        signed = [name for name in marks if name not in ("incomplete", "interpolated")]
        tones = {words.MARK_TONES.get(name, "") for name in signed}
        finer = _FINER.get(unit)
        figure = shown_in.figure(row.amount)
        bars.append(
            Bar(
                label,
                title,
                formats.quantity(figure, shown_in.unit, shown_in.decimals)
                if figure is not None
                else _("no value"),
                figure,
                tuple(note for name in marks for note in told(here, name) or [str(words.MARKS[name])]),
                "".join(words.MARK_SIGNS[name] for name in signed[-_SIGNS_SHOWN:]),
                next((tone for tone in ("bad", "warn") if tone in tones), ""),
                bool({"incomplete", "estimated"} & set(marks)),
                f"{address}&unit={finer}&from={start.date().isoformat()}" if finer else "",
            )
        )
    return bars


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of the table beside the chart."""

    title: str
    text: str
    marks: list[tuple[str, str, str]]  # sign, words, tone
    href: str


def _lines(rows: Sequence[Row], bars: Sequence[Bar], unit: Unit, decimals: int) -> list[Shown]:
    """The table's lines, with the figures of ``bars``."""
    return [
        Shown(
            _label(unit, row.start.astimezone(STANDARD_TIME))[1],
            formats.number(bar.value, decimals),
            [
                (words.MARK_SIGNS[n], str(t), words.MARK_TONES.get(n, ""))
                for n, t in words.MARKS.items()
                if n in row.marks
            ],
            bar.href,
        )
        for row, bar in zip(rows, bars, strict=True)
    ]


def _total(used: Consumption) -> str:
    """The sum of the period; large amounts of energy in MWh."""
    if used.total is None:
        return ""
    shown = used.total_shown_in
    return formats.quantity(shown.figure(used.total), shown.unit, shown.decimals)


def _consumption(
    request: PageRequest, meter: Meter, place: Installation | None, newest: list[Latest]
) -> dict[str, Any]:
    """The meter's consumption, or its point's across meter exchanges, whichever was asked for."""
    at_point = place is not None and place.role == Installation.MAIN
    exchanged = spans_of_point(place.point_id) if at_point and place is not None else []
    choice = len(exchanged) > 1
    whole_point = choice and request.GET.get("of") != "meter"
    spans = exchanged if whole_point else spans_of_meter(meter.pk)
    address = reverse("meter", args=[meter.pk])
    of = "" if whole_point or not choice else "&of=meter"
    shown = consumption_of(request, spans, newest, address, of)
    return {**shown, "choice_of_point": choice, "whole_point": whole_point}


def consumption_of(
    request: PageRequest, spans: Sequence[Span], newest: list[Latest], page_address: str, more: str = ""
) -> dict[str, Any]:
    """What parts of the page "meter_consumption" need: the period asked for, its intervals, chart and table.

    ``page_address`` is the page it stands on, ``more`` what its links say besides.
    """
    registers = [one.register for one in newest if one.register.aggregate is not Aggregate.LAST]
    asked_register = request.GET.get("register", "")
    offered = [one.code for one in registers] or ["energy_heat_kwh"]
    code = asked_register if asked_register in offered else offered[0]
    today = datetime.now(STANDARD_TIME).date()
    shown = period(request.GET.get("unit", ""), request.GET.get("from", ""), today)
    used = consumption(spans, code, shown.unit, _moment(shown.first), _moment(shown.end))
    events: list[list[Happening]] = [[] for _row in used.rows]
    if used.rows:
        events = of_rows(used.rows, happenings(spans, used.rows[0].start, used.rows[-1].end))
    marked = [
        replace(row, marks=row.marks | {one.mark for one in here})
        for row, here in zip(used.rows, events, strict=True)
    ]
    used = replace(used, rows=marked)
    bars = _bars(used, events, shown.unit, f"{page_address}?register={code}{more}")
    title = f"{words.register_name(code)}, {shown.title}"
    is_mean = BY_CODE[code].aggregate is Aggregate.MEAN
    drawn = line_chart if is_mean else bar_chart
    chart_text = (
        _("Line chart of the means of %(what)s; the same figures stand in the table beside it.")
        if is_mean
        else _("Bar chart of %(what)s; the same figures stand in the table beside it.")
    )
    found = {name for row in used.rows for name in row.marks}
    return {
        "consumption_address": page_address,
        "registers": registers or [BY_CODE[code]],
        "register": BY_CODE[code],
        "units": UNITS,
        "period": shown,
        "before": shown.stepped(-1),
        "after": shown.end if shown.end <= today else None,
        "used": used,
        "unit_text": used.rows_shown_in.unit,
        "has_values": any(row.amount is not None for row in used.rows),
        "lines": _lines(used.rows, bars, shown.unit, used.rows_shown_in.decimals),
        "total": _total(used),
        "chart_title": title,
        "is_mean": is_mean,
        "chart_text": chart_text % {"what": title},
        "wide_chart": drawn(bars, 760, 300),
        "narrow_chart": drawn(bars, 380, 240, left=50),
        "legend": [
            (words.MARK_SIGNS[n], t, words.MARK_TONES.get(n, ""))
            for n, t in words.MARKS.items()
            if n in found
        ],
    }


@page()
def meter(request: PageRequest, pk: int) -> HttpResponse:
    """The page of one meter."""
    found = find(request, Meter, pk)
    installations = list(found.installations.select_related("point").order_by("-from_at"))
    place = next((one for one in installations if one.to_at is None), None)
    states = list(found.states.select_related("last_collector").order_by("-last_heard_at"))
    newest = latest(found.pk)
    state = states[0] if states else None
    occupancies = list(
        Occupancy.objects.filter(point_id=place.point_id).select_related("customer").order_by("-from_at")
        if place
        else []
    )
    info_number = next((s.info_code for s in states if s.info_code is not None), None)
    key = _key(request, found)
    events = list(found.info_events.order_by("-at")[:_EVENTS_SHOWN])
    context = {
        "meter": found,
        "place": place,
        "customer": next((one.customer for one in occupancies if one.to_at is None), None),
        "occupancies": occupancies,
        "installations": installations,
        "point_meters": Installation.objects.filter(point_id=place.point_id)
        .select_related("meter")
        .order_by("-from_at")
        if place
        else [],
        "addresses": found.addresses.order_by("road", "identifier"),
        "states": states,
        "state": state,
        "distrusted": distrusted(found),
        "unreadable": state is not None and state.state not in (State.READ, State.UNKNOWN_METER),
        "counted": [(s, getattr(state, name)) for s, name in COUNTED.items() if getattr(state, name)]
        if state
        else [],
        "has_key": key,
        "revision_due": revision.due(found, revision.periods(found.utility_id)),
        "today": datetime.now(STANDARD_TIME).date(),
        "newest": newest,
        "newest_at": max((one.at for one in newest), default=None),
        "info": info_codes.in_words(found.family, info_number),
        "case": cases.case_of(found),
        "alerts": [
            (one.alert, one)
            for one in Firing.objects.filter(alert__meter=found, reset_at=None).select_related("alert")
        ],
        "now": datetime.now(UTC),
        "events": [(event, info_codes.in_words(found.family, event.code)) for event in events],
        "telegrams": _telegrams(found, 0, _TELEGRAMS_SHOWN),
        **_consumption(request, found, place, newest),
    }
    return render(request, "pages/meter.html", context)


def _key(request: PageRequest, found: Meter) -> bool:
    """Whether the utility holds a key for one of the meter's addresses."""
    wanted = {(s.manufacturer, s.identification) for s in found.states.all()} or {
        (found.manufacturer, found.serial)
    }
    return any(key is not None for key in keys.keys_for(request.utility.pk, wanted).values())


@dataclass(frozen=True, slots=True)
class Kept:
    """One telegram in a list."""

    telegram: Telegram
    collector_name: str

    @property
    def slot_seconds(self) -> int:
        """Its slot, as its address has it."""
        return int(self.telegram.slot_at.timestamp())

    @property
    def begins(self) -> str:
        """Its first bytes."""
        return bytes(self.telegram.frame[:14]).hex(" ").upper()


def _telegrams(found: Meter, offset: int, count: int) -> list[Kept]:
    kept = list(
        Telegram.objects.filter(meter_id=found.pk).order_by("-slot_at", "-heard_at")[offset : offset + count]
    )
    names = dict(
        Collector.objects.filter(
            utility_id=found.utility_id, pk__in={one.collector_id for one in kept}
        ).values_list("pk", "name")
    )
    return [Kept(one, names.get(one.collector_id, formats.MISSING)) for one in kept]


@page()
def telegrams(request: PageRequest, pk: int) -> HttpResponse:
    """All telegrams kept of a meter, newest first."""
    found = find(request, Meter, pk)
    wanted = asked(request.GET, columns=(), sorts=(), default="")
    total = Telegram.objects.filter(meter_id=found.pk).count()
    context = {
        "meter": found,
        "telegrams": _telegrams(found, wanted.offset, ROWS_PER_PAGE),
        "pages": Pages(total, wanted.page),
    }
    return render(request, "pages/telegrams.html", context)


@page()
def telegram(request: PageRequest, pk: int, slot: int, code: int) -> HttpResponse:
    """One telegram of a meter, explained byte by byte. The key never leaves the server."""
    found = find(request, Meter, pk)
    try:
        row = Telegram.objects.get(meter_id=found.pk, slot_at=slot, class_code=code)
    except (Telegram.DoesNotExist, OverflowError, ValueError, OSError) as problem:
        raise Http404 from problem
    frame = bytes(row.frame)
    shown = explained(request.utility.pk, frame, wired=bool(row.class_code >> 24))
    collector = Collector.objects.filter(utility_id=found.utility_id, pk=row.collector_id).first()
    context = {"meter": found, "telegram": row, "collector": collector, "shown": shown}
    return render(request, "pages/telegram.html", context)
