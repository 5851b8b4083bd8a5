"""Consumption as pages show it and reports tell it: the period, its intervals with what happened, chart and table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _

from avlas.decode.registers import BY_CODE, Aggregate
from avlas.reports.calc.borders import zone_of
from avlas.reports.calc.shown_in import ShownIn, shown_in
from avlas.reports.consumption import Consumption, added, consumption
from avlas.reports.virtual_use import combined
from avlas.web import formats, words
from avlas.web.chart_period import (
    BEFORE,
    BESIDE,
    LAST_YEAR,
    NOTHING,
    UNITS,
    Period,
    asked_period,
    is_wrong_way,
    partners,
)
from avlas.web.charts import Bar, bar_chart, line_chart
from avlas.web.happenings import happenings, of_rows, told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal
    from typing import Any

    from avlas.decode.registers import Register
    from avlas.reports.calc.borders import Unit
    from avlas.reports.consumption import Row, Span
    from avlas.reports.latest import Latest
    from avlas.reports.virtual_use import Part
    from avlas.web.happenings import Happening
    from avlas.web.pages.access import PageRequest

_FINER: Final[dict[str, str]] = {"year": "month", "month": "day", "day": "hour"}
_SIGNS_SHOWN: Final = 2  # above one bar; there is no room for more
_SAID_BY_COLUMN: Final = ("incomplete", "interpolated")


@dataclass(frozen=True, slots=True)
class Use:
    """A register over a period: its intervals, marked with what happened in them, and those beside them."""

    register: Register
    period: Period
    used: Consumption
    events: list[list[Happening]]  # of each interval
    beside: Period | None
    partners: list[Row | None]  # of each interval

    @property
    def is_mean(self) -> bool:
        """Whether it is a momentary value, whose mean is shown."""
        return self.register.aggregate is Aggregate.MEAN

    @property
    def has_values(self) -> bool:
        """Whether anything is known."""
        return any(row.amount is not None for row in self.used.rows)

    @property
    def has_beside(self) -> bool:
        """Whether anything is known of the intervals beside."""
        return any(row is not None and row.amount is not None for row in self.partners)

    @property
    def shown_in(self) -> ShownIn:
        """The one unit for all intervals and those beside."""
        amounts = [row.amount for row in (*self.used.rows, *self.partners) if row is not None]
        return shown_in(self.used.unit_text, self.used.decimals, amounts, self.used.energy)

    @property
    def compared(self) -> tuple[Decimal | float, Decimal | float, int] | None:
        """The sums of the intervals that are over and known on both sides, and how many; None for means or none."""
        both = [
            (row.amount, other.amount)
            for row, other in zip(self.used.rows, self.partners, strict=True)
            if other is not None and row.amount is not None and other.amount is not None
            and "incomplete" not in row.marks | other.marks
        ]  # fmt: skip
        if self.is_mean or not both:
            return None
        return added([one for one, _other in both]), added([other for _one, other in both]), len(both)


def use(
    spans: Sequence[Span], code: str, period: Period, kind: str, energy: str, parts: Sequence[Part] = ()
) -> Use:
    """What was used per interval of ``period``, and in the period beside it that ``kind`` (of BESIDE) says.

    ``energy``: the unit people want energy in (calc.shown_in); ``parts``: of a virtual point, instead of ``spans``.
    """

    def measured(one: Period) -> Consumption:
        if parts:
            return combined(parts, code, one.unit, one.start_at, one.end_at, one.zone)
        return consumption(spans, code, one.unit, one.start_at, one.end_at, one.zone)

    used = measured(period)
    events: list[list[Happening]] = [[] for _row in used.rows]
    if used.rows:
        chains: list[Sequence[Span]] = [part.spans for part in parts] or [spans]
        begin, end = used.rows[0].start, used.rows[-1].end
        found = [one for chain in chains for one in happenings(chain, begin, end)]
        events = of_rows(used.rows, sorted(found, key=lambda one: one.at))
    marked = [
        replace(row, marks=row.marks | {one.mark for one in here})
        for row, here in zip(used.rows, events, strict=True)
    ]
    beside = period.beside(kind)
    others: list[Row | None] = [None] * len(marked)
    if beside is not None and marked:
        others = partners(marked, measured(beside).rows, period.unit, kind, period.zone)
    return Use(BY_CODE[code], period, replace(used, rows=marked, energy=energy), events, beside, others)


def counted(newest: Sequence[Latest]) -> list[Register]:
    """The registers that a chart can show."""
    return [one.register for one in newest if one.register.aggregate is not Aggregate.LAST]


def asked_register(query: Mapping[str, str], newest: Sequence[Latest]) -> str:
    """The register an address asks for, else the first."""
    offered = [one.code for one in counted(newest)] or ["energy_heat_kwh"]
    wanted = query.get("register", "")
    return wanted if wanted in offered else offered[0]


def asked_beside(query: Mapping[str, str], unit: Unit) -> str:
    """What an address asks to be shown beside the period; what people compare with when it says nothing."""
    if unit == "year":
        return NOTHING
    wanted = query.get("beside", "")
    usual = BEFORE if unit == "hour" else LAST_YEAR
    return wanted if wanted in BESIDE else usual


def label(unit: Unit, start: datetime) -> tuple[str, str, str]:
    """What stands under a bar, in the table, and the interval's full name."""
    if unit == "hour":
        hours = f"{start:%H}{formats.UNTIL}{(start.hour + 1):02}"
        if start.replace(fold=0).utcoffset() != start.replace(fold=1).utcoffset():  # the clock shows it twice
            hours += f" ({formats.offset(start)})"
        return f"{start:%H}", hours, hours
    if unit == "day":
        return str(start.day), formats.short_day(start.date()), formats.long_day(start.date())
    if unit == "month":
        name = formats.month(start.date())
        return formats.short_month(start.date()), name, name
    return str(start.year), str(start.year), str(start.year)


def labels(period: Period, start: datetime) -> tuple[str, str, str]:
    """As ``label``, with the day or month where the period is longer than one."""
    short, line, full = label(period.unit, start)
    if period.last is None:
        return short, line, full
    if period.unit == "hour" and period.final != period.first:
        day = formats.day(start.date())
        return (
            (str(start.day) if start.hour == 0 else ""),
            f"{day} {line}",
            f"{formats.long_day(start.date())} {full}",
        )
    if period.unit == "day" and (period.end - period.first).days > 31:
        return f"{start.day}/{start.month}", formats.day(start.date()), full
    return short, line, full


def bars_of(shown: Use, address: str = "") -> list[Bar]:
    """The chart's bars. ``address``: of the page, for links to finer intervals; "" for none."""
    unit_of, bars = shown.shown_in, []
    for row, other, here in zip(shown.used.rows, shown.partners, shown.events, strict=True):
        start = row.start.astimezone(shown.period.zone)
        short, _line, title = labels(shown.period, start)
        marks = [name for name in words.MARKS if name in row.marks]
        signed = [name for name in marks if name not in _SAID_BY_COLUMN]
        tones = {words.MARK_TONES.get(name, "") for name in signed}
        finer = _FINER.get(shown.period.unit) if address else None
        figure = unit_of.figure(row.amount)
        beside = unit_of.figure(other.amount) if other is not None else None
        notes = [note for name in marks for note in told(here, name) or [str(words.MARKS[name])]]
        if other is not None and beside is not None:
            then = label(shown.period.unit, other.start.astimezone(shown.period.zone))[2]
            if shown.period.unit == "hour":
                then = f"{formats.day(other.start.astimezone(shown.period.zone).date())} {then}"
            notes.insert(0, f"{then}: {formats.quantity(beside, unit_of.unit, unit_of.decimals)}")
        bars.append(
            Bar(
                short,
                title,
                formats.quantity(figure, unit_of.unit, unit_of.decimals)
                if figure is not None
                else _("no value"),
                figure,
                tuple(notes),
                "".join(words.MARK_SIGNS[name] for name in signed[-_SIGNS_SHOWN:]),
                next((tone for tone in ("bad", "warn") if tone in tones), ""),
                bool({"incomplete", "estimated", "part_missing"} & set(marks)),
                f"{address}&unit={finer}&from={start.date().isoformat()}" if finer else "",
                beside,
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
    beside: str


def marks_in_words(row: Row) -> list[tuple[str, str, str]]:
    """An interval's marks: sign, words, tone."""
    return [
        (words.MARK_SIGNS[n], str(t), words.MARK_TONES.get(n, ""))
        for n, t in words.MARKS.items()
        if n in row.marks
    ]


def _lines(shown: Use, bars: Sequence[Bar]) -> list[Shown]:
    """The table's lines, with the figures of ``bars``."""
    decimals = shown.shown_in.decimals
    return [
        Shown(
            labels(shown.period, row.start.astimezone(shown.period.zone))[1],
            formats.number(bar.value, decimals),
            marks_in_words(row),
            bar.href,
            formats.number(bar.beside, decimals),
        )
        for row, bar in zip(shown.used.rows, bars, strict=True)
    ]


def total(used: Consumption, amount: Decimal | float | None) -> str:
    """A sum in words; large amounts of energy in MWh."""
    if amount is None:
        return ""
    unit_of = shown_in(used.unit_text, used.decimals, [amount])
    return formats.quantity(unit_of.figure(amount), unit_of.unit, unit_of.decimals)


def difference(compared: tuple[Decimal | float, Decimal | float, int] | None) -> str:
    """How much more or less the first sum is than the second, in per cent; "" where that says nothing."""
    if compared is None or float(compared[1]) <= 0:
        return ""
    share = (float(compared[0]) / float(compared[1]) - 1) * 100
    shown = formats.number(share, 0 if abs(share) >= 10 else 1)
    return f"{'+' if share > 0 and shown.strip('0.,') else ''}{shown}{formats.HARD_SPACE}%"


def consumption_of(
    request: PageRequest,
    spans: Sequence[Span],
    newest: list[Latest],
    page_address: str,
    more: str = "",
    parts: Sequence[Part] = (),
) -> dict[str, Any]:
    """What parts of the page "meter_consumption" need: the period asked for, its intervals, chart and table.

    ``page_address`` is the page it stands on, ``more`` what its links say besides, ``parts`` those of a virtual point.
    """
    code = asked_register(request.GET, newest)
    zone = zone_of(request.utility.day_borders)
    today = datetime.now(zone).date()
    period = asked_period(request.GET, today, zone)
    kind = asked_beside(request.GET, period.unit)
    shown = use(spans, code, period, kind, request.utility.energy_unit, parts)
    bars = bars_of(shown, f"{page_address}?register={code}{more}")
    title = f"{words.register_name(code)}, {period.title}"
    drawn = line_chart if shown.is_mean else bar_chart
    chart_text = (
        _("Line chart of the means of %(what)s; the same figures stand in the table beside it.")
        if shown.is_mean
        else _("Bar chart of %(what)s; the same figures stand in the table beside it.")
    )
    found = {name for row in shown.used.rows for name in row.marks}
    after = period.stepped(1)
    return {
        "consumption_address": page_address,
        "registers": counted(newest) or [BY_CODE[code]],
        "register": BY_CODE[code],
        "units": UNITS,
        "period": period,
        "is_wrong_way": is_wrong_way(request.GET),
        "before": period.stepped(-1),
        "after": after if after.first <= today else None,
        "used": shown.used,
        "unit_text": shown.shown_in.unit,
        "has_values": shown.has_values or shown.has_beside,
        "lines": _lines(shown, bars),
        "total": total(shown.used, shown.used.total),
        "beside_kind": kind,
        "beside_kinds": {} if period.unit == "year" else BESIDE,
        "beside": shown.beside if shown.has_beside else None,
        "compared": shown.compared,
        "compared_total": total(shown.used, shown.compared[1]) if shown.compared else "",
        "difference": difference(shown.compared),
        "chart_title": title,
        "is_mean": shown.is_mean,
        "chart_text": chart_text % {"what": title},
        "wide_chart": drawn(bars, 760, 300),
        "narrow_chart": drawn(bars, 380, 240, left=50),
        "report_query": f"register={code}&{period.query}&beside={kind}{more}",
        "legend": [
            (words.MARK_SIGNS[n], t, words.MARK_TONES.get(n, ""))
            for n, t in words.MARKS.items()
            if n in found
        ],
    }
