"""Tags and filters of the templates: numbers, times, icons, words and links."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.translation import gettext as _

from avlas.collect import texts as collect_texts
from avlas.decode.registers import BY_CODE
from avlas.meters.models import STATE_TEXTS, State
from avlas.notify.models import Period
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.system.told import in_words
from avlas.web import formats, list_columns, meter_cells, variable_words, words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from django.forms import BoundField
    from django.template.context import RequestContext
    from django.utils.safestring import SafeString

    from avlas.collect.drivers.heard import Notice
    from avlas.decode.explain import Row
    from avlas.notify.models import Alert, Firing
    from avlas.reports.variables import Facts, Variable
    from avlas.system.models import JobLine, JobRun
    from avlas.web.list_columns import Fact
    from avlas.web.pages.meter_readings import Line

register = template.Library()


@register.filter
def number(value: Decimal | float | None, decimals: int | None = None) -> str:
    """``{{ value|number:2 }}``"""
    return formats.number(value, decimals)


@register.filter
def number_or_na(value: Decimal | float | None, decimals: int | None = None) -> str:
    """``{{ value|number_or_na:2 }}``: a figure that a report can't tell is N/A."""
    shown = formats.number(value, decimals)
    return _("N/A") if shown == formats.MISSING else shown


@register.simple_tag
def quantity(value: Decimal | float | None, unit: str, decimals: int | None = None) -> str:
    """``{% quantity value "kWh" 1 %}``"""
    return formats.quantity(value, unit, decimals)


@register.filter
def date_time(moment: datetime | None) -> str:
    """Date and clock in the reader's time zone."""
    return formats.date_time(moment)


@register.filter
def date_time_seconds(moment: datetime | None) -> str:
    """Date and clock with seconds."""
    return formats.date_time(moment, seconds=True)


@register.filter
def date_time_offset(moment: datetime | None) -> str:
    """Date and clock with the distance from universal time."""
    return formats.date_time_offset(moment)


@register.filter
def day(value: date | None) -> str:
    """A date."""
    return formats.day(value)


@register.filter
def local_day(moment: datetime | None) -> str:
    """The date of a moment where the reader is."""
    return formats.MISSING if moment is None else formats.day(formats.local(moment).date())


@register.filter
def standard_day(moment: datetime) -> str:
    """The date of a moment in standard time."""
    return formats.day(moment.astimezone(STANDARD_TIME).date())


@register.filter
def standard_last_day(end: datetime) -> str:
    """The last date before a moment, in standard time."""
    return formats.day((end.astimezone(STANDARD_TIME) - timedelta(seconds=1)).date())


@register.simple_tag
def amount(value: float, alert: Alert) -> str:
    """An amount of an alert's register, as exactly as the ceiling was written."""
    unit = BY_CODE[alert.register]
    decimals = max(unit.decimals, -int(Decimal(repr(alert.ceiling)).as_tuple().exponent))
    shown = round(Decimal(repr(value)), decimals).normalize()
    return formats.quantity(shown, unit.unit)


@register.simple_tag
def ceiling(alert: Alert) -> str:
    """What may be used in which time: "12.5 kWh in a day"."""
    said = {"amount": amount(alert.ceiling, alert), "period": alert.get_period_display()}
    if alert.period == Period.TOTAL:
        return f"{said['amount']} {said['period']}"
    return _("%(amount)s in %(period)s") % said


@register.simple_tag
def used(firing: Firing, alert: Alert) -> str:
    """The most that was used, and in which period."""
    start = firing.used_at.astimezone(STANDARD_TIME)
    shown = amount(firing.used, alert)
    if alert.period == Period.TOTAL:
        return shown
    when = {
        Period.HOUR: f"{formats.day(start.date())} {start:%H}{formats.UNTIL}{start + timedelta(hours=1):%H}",
        Period.DAY: formats.day(start.date()),
        Period.MONTH: formats.month(start.date()),
    }[Period(alert.period)]
    return f"{shown} ({when})"


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """How long ago, with the exact moment on hover and for machines."""
    if moment is None:
        return formats.ago(None)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(), formats.date_time(moment, seconds=True), formats.ago(moment),
    )  # fmt: skip


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """A symbol of the sprite; with ``label`` it is read aloud, without it is decoration."""
    address = f"{static('avlas/icons.svg')}#{name}"
    if label:
        return format_html(
            '<svg class="icon" role="img" aria-label="{}"><title>{}</title><use href="{}"/></svg>',
            label, label, address,
        )  # fmt: skip
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}"/></svg>', address)


@register.simple_tag
def street_view(latitude: float, longitude: float) -> str:
    """The address of a picture taken from the street at a place (degrees, WGS84)."""
    return f"https://www.google.com/maps/@?api=1&map_action=pano&viewpoint={latitude:.6f},{longitude:.6f}"


@register.filter
def medium(value: str) -> str:
    """A medium in the reader's language."""
    return words.medium(value)


@register.filter
def medium_icon(value: str) -> str:
    """The symbol that stands for a medium."""
    return words.MEDIUM_ICONS.get(value, "meter")


@register.filter
def state_text(state: int) -> str:
    """What became of a telegram, in words."""
    return str(STATE_TEXTS[State(state)])


@register.filter
def state_tone(state: int) -> str:
    """good, warn or bad."""
    return words.STATE_TONES[State(state)]


@register.filter
def state_help(state: int) -> str:
    """Why a telegram with this outcome can't be read and what to do about it."""
    return words.state_help(State(state))


@register.filter
def problem(said: str) -> str:
    """What was wrong with a telegram, in the reader's language."""
    return words.problem(said)


@register.filter
def register_name(code: str) -> str:
    """A register in the reader's language."""
    return words.register_name(code)


@register.filter
def register_symbol(code: str) -> str:
    """The trade's short name of a register: E1, V1, t1."""
    return BY_CODE[code].symbol if code in BY_CODE else ""


@register.filter
def signal_level(rssi_dbm: float | None) -> int:
    """0 to 4 bars."""
    return words.signal_level(rssi_dbm)


@register.simple_tag(takes_context=True)
def line_of_meter(context: RequestContext, facts: Facts) -> SafeString:
    """The cells of a line in the list of meters."""
    return meter_cells.cells(
        facts,
        context["columns"],
        icon,
        context["missing_before"],
        standard=context["standard_columns"],
        alerted=facts.meter.pk in context["alerted"],
    )


@register.simple_tag(takes_context=True)
def line_of(context: RequestContext, fact: Fact) -> SafeString:
    """The cells of a line in a list of other rows."""
    return list_columns.cells(fact, context["columns"], icon, standard=context["standard_columns"])


@register.filter
def with_columns(line: Line, columns: Sequence[Variable]) -> list[tuple[str, Variable]]:
    """The values of a reading as they are shown, each with its column."""
    return [
        (variable_words.shown(column, value), column)
        for column, value in zip(columns, line.values, strict=True)
    ]


@register.filter
def item(mapping: dict[Any, Any], key: Any) -> Any:
    """``{{ mapping|item:key }}``"""
    return mapping.get(key)


@register.filter
def split(text: str) -> list[str]:
    """``{% for name in "q show sort"|split %}``"""
    return text.split()


@register.simple_tag(takes_context=True)
def query(context: RequestContext, **changes: Any) -> str:
    """The page's own query string with some values changed; empty ones are left out.

    A change of anything but the page leads back to the first page.
    """
    values = context["request"].GET.copy()
    if "page" not in changes:
        values.pop("page", None)
    for name, value in changes.items():
        if value in ("", None, False):
            values.pop(name, None)
        else:
            values[name] = str(value)
    for name in [name for name, value in values.items() if value == ""]:
        del values[name]
    return "?" + values.urlencode() if values else "?"


@register.inclusion_tag("parts/field.html")
def field(bound: BoundField, hint: str = "") -> dict[str, Any]:
    """A form field with label, help and errors tied together for screen readers."""
    described = [f"{bound.id_for_label}-help"] if bound.help_text or hint else []
    if bound.errors:
        described.append(f"{bound.id_for_label}-error")
    attributes: dict[str, str | bool] = {"aria-describedby": " ".join(described)} if described else {}
    if bound.errors:
        attributes["aria-invalid"] = "true"
    return {
        "field": bound,
        "widget": bound.as_widget(attrs=attributes),
        "hint": hint or bound.help_text,
        "kind": bound.field.widget.__class__.__name__,
    }


@register.filter
def road(value: str) -> str:
    """On which road an address is found."""
    return str(words.ROADS.get(value, value))


@register.filter
def security(value: str) -> str:
    """How telegrams are protected."""
    return words.security(value)


@register.filter
def clock_error(seconds: int) -> str:
    """How far a meter's clock is off."""
    return words.clock_error(seconds)


@register.filter
def collector_text(status_text: str) -> str:
    """What a collector says about itself, in the reader's language."""
    return collect_texts.unpack(status_text, formats.language())


@register.filter
def notice_text(notice: Notice) -> str:
    """What a receiver's notice says, in the reader's language."""
    return collect_texts.words(notice, formats.language())


@register.filter
def collector_name(name: str) -> str:
    """The name of a road that nobody named."""
    return str(words.ROAD_NAMES.get(name, name))


@register.filter
def told(of: dict[str, Any] | JobLine) -> str:
    """A stored text with its values, in the reader's language."""
    stored = of if isinstance(of, dict) else {"text": of.text, "values": of.values}
    return in_words(stored, lambda value: formats.number(value) if type(value) in (int, float) else value)


@register.filter
def took(run: JobRun) -> str:
    """How long a run has worked: 12 s, 3 min 20 s, 1 h 5 min."""
    if run.started_at is None or run.finished_at is None:
        return formats.MISSING
    return formats.span((run.finished_at - run.started_at).total_seconds())


@register.filter
def byte_range(row: Row) -> str:
    """Which bytes an explained row speaks about, counted from 0: "7" or "7-10"."""
    if row.start is None or row.end is None:
        return ""
    last = row.end - 1
    return str(row.start) if last <= row.start else f"{row.start}{formats.UNTIL}{last}"
