"""The consumer's report: what somebody used, as a PDF to send them (rows S102 to S104).

It tells a customer about the customer's own time at a metering point and about no one else's: readings from before
they moved in or after they moved out are left out, also from the comparison with the year before. Of a virtual point it
tells the sum and nothing of the parts: they may be other people's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typst
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from avlas.decode.registers import BY_CODE
from avlas.meters.models import InfoEvent, Installation, Meter, Occupancy, PulseInput
from avlas.reports.calc import value_at
from avlas.reports.consumption import Span, spans_of_meter, spans_of_point, standing
from avlas.reports.latest import latest
from avlas.reports.virtual_use import newest_of, parts_of
from avlas.web import formats, info_codes, words
from avlas.web.charts import bar_chart, line_chart
from avlas.web.consumption_shown import (
    Use,
    bars_of,
    counted,
    difference,
    labels,
    total,
    use,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from avlas.decode.registers import Register
    from avlas.meters.models import Customer, MeteringPoint
    from avlas.reports.consumption import Row
    from avlas.reports.latest import Latest
    from avlas.reports.virtual_use import Part
    from avlas.system.models import Utility
    from avlas.web.chart_period import Period

_TEMPLATE: Final = Path(__file__).parent / "consumer_report.typ"
_MOST_CODES: Final = 12


@dataclass(frozen=True, slots=True)
class Subject:
    """What a section of the report is about: a place, its customer then, and the meters that count, clipped to both."""

    point: MeteringPoint | None
    customer: Customer | None
    spans: list[Span]  # of the customer's time there
    newest: list[Latest]
    clipped: bool  # whether there are readings of the place that are not the customer's
    parts: Sequence[Part] = ()  # of a virtual point, instead of spans

    @property
    def meter_ids(self) -> set[int]:
        """The meters whose readings stand behind the section."""
        return {span.meter_id for spans in (self.spans, *(one.spans for one in self.parts)) for span in spans}


def of_point(point: MeteringPoint, period: Period, *, occupancy: Occupancy | None = None) -> Subject:
    """A point's main meters for its (last) customer of the period, or for a certain ``occupancy``; or its parts."""
    if parts := parts_of(point):
        return _virtual(point, parts, occupancy or _occupancy(point, period))
    return _subject(point, spans_of_point(point.pk), period, occupancy)


def of_meter(meter: Meter, period: Period, *, whole_point: bool) -> Subject:
    """A meter where it sat last in the period, or (``whole_point``) the main meters there one after the other."""
    place = (
        Installation.objects.filter(meter=meter, from_at__lt=period.end_at)
        .exclude(to_at__lte=period.start_at)
        .select_related("point")
        .order_by("-from_at")
        .first()
    )
    if place is None:
        where = meter.installations.exists()  # elsewhere at other times: somebody else's
        return Subject(
            None, None, [] if where else spans_of_meter(meter.pk), _own_registers(meter.pk), clipped=False
        )
    if whole_point and place.role == Installation.MAIN:
        return of_point(place.point, period)
    return _subject(place.point, [Span(meter.pk, place.from_at, place.to_at)], period, None)


def of_customer(customer: Customer, period: Period) -> list[Subject]:
    """All places that the customer has or had in the period."""
    lived = (
        customer.occupancies.filter(from_at__lt=period.end_at)
        .exclude(to_at__lte=period.start_at)
        .select_related("point", "customer")
        .order_by("point__address", "point__facility_id", "from_at")
    )
    return [of_point(one.point, period, occupancy=one) for one in lived]


def _occupancy(point: MeteringPoint, period: Period) -> Occupancy | None:
    """The last one of the period."""
    return (
        point.occupancies.filter(from_at__lt=period.end_at)
        .exclude(to_at__lte=period.start_at)
        .select_related("customer")
        .order_by("-from_at")
        .first()
    )


def _virtual(point: MeteringPoint, parts: Sequence[Part], occupancy: Occupancy | None) -> Subject:
    """The parts that a virtual point comes down to, in the customer's time."""
    meters = [part.spans[-1].meter_id for part in parts if part.spans]
    others = {one.register for one in PulseInput.objects.filter(parent_id__in=meters)}
    newest = [one for one in newest_of(parts) if one.register.code not in others]
    if occupancy is None:
        return Subject(point, None, [], newest, clipped=False, parts=parts)
    own = [replace(part, spans=_clipped(part.spans, occupancy)) for part in parts]
    return Subject(point, occupancy.customer, [], newest, clipped=own != list(parts), parts=own)


def _clipped(spans: Sequence[Span], occupancy: Occupancy) -> list[Span]:
    """What of the spans lies in an occupancy."""
    own = (_within(one, occupancy.from_at, occupancy.to_at) for one in spans)
    return [one for one in own if one is not None]


def _subject(
    point: MeteringPoint, spans: Sequence[Span], period: Period, occupancy: Occupancy | None
) -> Subject:
    occupancy = occupancy or _occupancy(point, period)
    newest = _own_registers(spans[-1].meter_id) if spans else []
    if occupancy is None:
        return Subject(point, None, list(spans), newest, clipped=False)
    own = _clipped(spans, occupancy)
    return Subject(point, occupancy.customer, own, newest, clipped=own != list(spans))


def _own_registers(meter_id: int) -> list[Latest]:
    """A meter's newest values without inputs that count for a meter of their own: that may be somebody else's."""
    others = {one.register for one in PulseInput.objects.filter(parent_id=meter_id)}
    return [one for one in latest(meter_id) if one.register.code not in others]


def _within(span: Span, from_at: datetime, to_at: datetime | None) -> Span | None:
    """The part of a span that lies in an occupancy."""
    begin = from_at if span.from_at is None else max(span.from_at, from_at)
    ends = [end for end in (span.to_at, to_at) if end is not None]
    end = min(ends) if ends else None
    return None if end is not None and end <= begin else replace(span, from_at=begin, to_at=end)


def pdf(
    utility: Utility,
    subjects: Sequence[Subject],
    asked: Mapping[str, str],
    period: Period,
    kind: str,
    language: str,
) -> bytes:
    """The report as a PDF in ``language`` ("sv", "en"). ``asked``: may hold the ``register``; ``kind``: of BESIDE."""
    with translation.override(language):
        data = contents(utility, subjects, asked, period, kind)
    made = typst.compile(
        _TEMPLATE,
        format="pdf",
        sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
        ignore_system_fonts=True,
        timestamp=int(datetime.now(UTC).timestamp()),
    )
    assert isinstance(made, bytes)
    return made


def contents(
    utility: Utility, subjects: Sequence[Subject], asked: Mapping[str, str], period: Period, kind: str
) -> dict[str, Any]:
    """All that stands in the report, in the active language, as the template takes it."""
    return {
        "language": formats.language(),
        "utility": utility.name,
        "title": title(period),
        "sections": [_section(one, asked, period, kind, utility.energy_unit) for one in subjects],
        "stands": _("Meter readings"),
        "codes": _("What the meter reported"),
        "made": _("Made %(when)s") % {"when": formats.date_time(datetime.now(UTC))},
        "page": _("Page"),
        "of": _("of"),
    }


def title(period: Period) -> str:
    """What the report is called, in the active language."""
    return _("Your consumption, %(period)s") % {"period": period.title}


def file_name(period: Period) -> str:
    """The file's name, which names nobody."""
    return _("consumption-%(period)s") % {"period": period.in_name} + ".pdf"


def _register(subject: Subject, asked: Mapping[str, str]) -> Register:
    offered = counted(subject.newest)
    wanted = asked.get("register", "")
    return next(
        (one for one in offered if one.code == wanted), offered[0] if offered else BY_CODE["energy_heat_kwh"]
    )


def _section(
    subject: Subject, asked: Mapping[str, str], period: Period, kind: str, energy: str
) -> dict[str, Any]:
    register = _register(subject, asked)
    shown = use(subject.spans, register.code, period, kind, energy, subject.parts)
    meters = Meter.objects.in_bulk({span.meter_id for span in subject.spans})
    bars = bars_of(shown)
    paired = shown.has_beside
    return {
        "heading": words.register_name(register.code),
        "period": _begun(period.title),
        "facts": _facts(subject, meters),
        "figures": _figures(shown),
        "known": shown.has_values,
        "empty": _("There are no values for %(period)s.") % {"period": period.title},
        **_chart(shown, bars),
        "beside": _begun(shown.beside.title) if paired and shown.beside is not None else "",
        "headings": [
            {"hour": _("Hour"), "day": _("Day"), "month": _("Month"), "year": _("Year")}[period.unit],
            f"{_('Mean') if shown.is_mean else _('Consumption')} ({shown.shown_in.unit})",
            *([_begun(shown.beside.title)] if paired and shown.beside is not None else []),
            *([_("Difference")] if paired and not shown.is_mean else []),
            _("Remarks"),
        ],
        "rows": _rows(shown, paired=paired),
        "total": _total_row(shown, paired=paired),
        "stands": _stands(subject, meters, register, period),
        "codes": _codes(subject, period),
        "notes": _notes(subject, shown),
    }


def _begun(text: str) -> str:
    """A text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def _facts(subject: Subject, meters: Mapping[int, Meter]) -> list[tuple[str, str]]:
    facts = []
    if subject.customer is not None:
        facts.append((_("Customer"), subject.customer.name or subject.customer.number))
        if subject.customer.name:
            facts.append((_("Customer number"), subject.customer.number))
    if subject.point is not None:
        town = f"{subject.point.postal_code} {subject.point.city}".strip()
        facts += [
            (
                _("Address"),
                ", ".join(part for part in (subject.point.address, town) if part) or formats.MISSING,
            ),
            (_("Facility id"), subject.point.facility_id),
        ]
    if subject.parts:
        count = len(subject.parts)
        text = ngettext("worked out from %(n)d other", "worked out from %(n)d others", count)
        facts.append((_("Metering point"), text % {"n": count}))
    serials = [meters[pk].serial for pk in dict.fromkeys(span.meter_id for span in subject.spans)]
    if serials:
        facts.append((_("Meter") if len(serials) == 1 else _("Meters"), ", ".join(serials[-3:])))
    return facts


def _figures(shown: Use) -> list[tuple[str, str, str]]:
    """The key figures: what, how much, and beneath what it says more."""
    if shown.is_mean or shown.used.total is None:
        return []
    figures = [(_("Total"), total(shown.used, shown.used.total), "")]
    both = shown.compared
    if both is not None and shown.beside is not None:
        whole = both[2] == len(shown.used.rows)
        said = "" if whole else _counted(both[2], shown.period.unit)
        figures.append((_begun(shown.beside.title), total(shown.used, both[1]), said))
        change = difference(both)
        if change:
            figures.append((_("Difference"), change, said))
    return figures


def _counted(count: int, unit: str) -> str:
    """That a comparison is over fewer intervals than the period has."""
    return {
        "hour": ngettext("over %(n)d hour known in both", "over %(n)d hours known in both", count),
        "day": ngettext("over %(n)d day known in both", "over %(n)d days known in both", count),
        "month": ngettext("over %(n)d month known in both", "over %(n)d months known in both", count),
        "year": ngettext("over %(n)d year known in both", "over %(n)d years known in both", count),
    }[unit] % {"n": count}


def _chart(shown: Use, bars: Sequence[Any]) -> dict[str, Any]:
    """The chart's geometry as parts of its height, from the bottom (0) to the top (1)."""
    drawn = (line_chart if shown.is_mean else bar_chart)(bars, 500, 200)

    def part(y: float) -> float:
        return round((drawn.bottom - y) / drawn.plot_height, 4)

    def end(value: Any, y: float, height: float) -> float | None:
        if value is None:
            return None
        return part(y + height if float(value) < 0 and not drawn.is_line else y)

    return {
        "unit": shown.shown_in.unit,
        "line": drawn.is_line,
        "paired": shown.has_beside,
        "zero": part(drawn.base),
        "ticks": [
            {"at": part(tick.y), "text": formats.number(tick.value, drawn.decimals)} for tick in drawn.ticks
        ],
        "bars": [
            {
                "value": end(one.bar.value, one.y, one.height),
                "beside": end(one.bar.beside, one.beside_y, one.beside_height),
                "label": one.bar.label if one.show_label else "",
                "sign": one.bar.sign,
                "faint": one.bar.faint,
            }
            for one in drawn.bars
        ],
    }


def _rows(shown: Use, *, paired: bool) -> list[list[str]]:
    unit_of, lines = shown.shown_in, []
    for row, other in zip(shown.used.rows, shown.partners, strict=True):
        figure = unit_of.figure(row.amount)
        line = [
            labels(shown.period, row.start.astimezone(shown.period.zone))[1],
            formats.number(figure, unit_of.decimals),
        ]
        if paired:
            then = unit_of.figure(other.amount) if other is not None else None
            line.append(formats.number(then, unit_of.decimals))
            if not shown.is_mean:
                line.append(_change(row, other))
        line.append("; ".join(str(words.MARKS[name]) for name in words.MARKS if name in row.marks))
        lines.append(line)
    return lines


def _change(row: Row, other: Row | None) -> str:
    """How much more or less an interval is than the one beside it; "" unless both are over and known."""
    if other is None or row.amount is None or other.amount is None or "incomplete" in row.marks | other.marks:
        return ""
    return difference((row.amount, other.amount, 1))


def _total_row(shown: Use, *, paired: bool) -> list[str]:
    if shown.is_mean or shown.used.total is None:
        return []
    both = shown.compared
    line = [_("Total"), total(shown.used, shown.used.total)]
    if paired:
        line += [total(shown.used, both[1]) if both else "", difference(both)]
    return [
        *line,
        "" if both is None or both[2] == len(shown.used.rows) else _counted(both[2], shown.period.unit),
    ]


def _stands(
    subject: Subject, meters: Mapping[int, Meter], register: Register, period: Period
) -> list[list[str]]:
    """What each meter stood at when it began to count in the period and when it ended."""
    if register.aggregate.name != "DIFFERENCE":
        return []
    rows = []
    for span in subject.spans:
        begin = max(filter(None, (span.from_at, period.start_at)))
        end = min(filter(None, (span.to_at, period.end_at, datetime.now(UTC))))
        if begin >= end:
            continue
        first = standing(span.meter_id, register.code, begin)
        last = standing(span.meter_id, register.code, end)
        last_at = end
        if last.how == value_at.NONE and span == subject.spans[-1]:
            newest = next((one for one in subject.newest if one.register.code == register.code), None)
            if newest is not None and begin < newest.at <= end:
                last = replace(last, figure=newest.figure, unit=newest.unit, decimals=newest.decimals)  # type: ignore[arg-type]
                last_at = newest.at
        rows.append(
            [
                f"{_('Meter')} {meters[span.meter_id].serial}",
                formats.date_time(begin, period.zone),
                formats.quantity(first.figure, first.unit, first.decimals),
                formats.date_time(last_at, period.zone),
                formats.quantity(last.figure, last.unit, last.decimals),
            ]
        )
    return rows


def _codes(subject: Subject, period: Period) -> list[list[str]]:
    """The info codes that the meters showed in the period, in words: how often each, and when first and last."""
    shown: dict[str, list[datetime]] = {}
    events = InfoEvent.objects.filter(
        meter_id__in={span.meter_id for span in subject.spans}, at__gte=period.start_at, at__lt=period.end_at
    ).exclude(code=0)
    for event in events.select_related("meter").order_by("at"):
        if any(
            span.meter_id == event.meter_id
            and (span.from_at is None or span.from_at <= event.at)
            and (span.to_at is None or event.at < span.to_at)
            for span in subject.spans
        ):
            for one in info_codes.in_words(event.meter.family, event.code):
                shown.setdefault(one.text, []).append(event.at)
    return [[text, _times(moments, period.zone)] for text, moments in list(shown.items())[:_MOST_CODES]]


def _times(moments: Sequence[datetime], zone: tzinfo) -> str:
    first, last = (formats.date_time(one, zone) for one in (moments[0], moments[-1]))
    if len(moments) == 1:
        return first
    return _("%(n)d times, first %(first)s, last %(last)s") % {
        "n": len(moments),
        "first": first,
        "last": last,
    }


def _notes(subject: Subject, shown: Use) -> list[str]:
    marks = {name for row in shown.used.rows for name in row.marks}
    notes = [shown.used.note]
    if "estimated" in marks:
        notes.append(
            _("Values marked as estimated were not read from the meter; somebody has approved them.")
        )
    if "interpolated" in marks:
        notes.append(
            _(
                "Values marked as interpolated were worked out between two readings of the meter; "
                "their total was measured."
            )
        )
    if "exchange" in marks:
        notes.append(_("The meter was exchanged within the period; what both meters counted is added up."))
    if subject.parts:
        notes.append(
            _(
                "This metering point has no meter of its own. Its consumption is worked out from that of others, "
                "which are added or subtracted."
            )
        )
    if "part_missing" in marks:
        notes.append(
            _("Where a part is marked as missing, not all of the others are known, and the figure lacks it.")
        )
    if "incomplete" in marks:
        notes.append(_("An interval that is not over yet is shown as far as it has come."))
    if subject.clipped:
        notes.append(_("Only the time in which this customer has had the metering point is shown."))
    return notes
