"""The cells of a line in the list of meters, as HTML. Made here and not by a template: a page has hundreds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils.html import escape, format_html
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from avlas.meters.models import STATE_TEXTS, State
from avlas.web import formats, info_codes, words
from avlas.web.variable_words import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from django.utils.safestring import SafeString

    from avlas.reports.variables import Facts, Variable

    Icon = Callable[..., SafeString]

_CLASSES = {"address": "full", "serial": "mono", "postal_code": "nowrap", "customer_number": "nowrap"}
_HIDDEN_WHEN_NARROW = frozenset({"postal_code", "customer_number"})  # among the standard columns


def cells(
    facts: Facts,
    columns: Sequence[Variable],
    icon: Icon,
    missing_before: datetime,
    *,
    standard: bool,
    alerted: bool,
) -> SafeString:
    """All cells of a meter's line; the first one leads to the meter. ``standard``: the columns nobody chose.

    ``alerted``: a consumption alert of the meter stands; its symbol stands in the link.
    """
    made = []
    for number, column in enumerate(columns):
        text = as_text(column, facts)
        css = _CLASSES.get(column.code) or {"number": "figure", "moment": "nowrap"}.get(column.kind, "")
        if standard and column.code in _HIDDEN_WHEN_NARROW:
            css += " narrow-hidden"
        attributes = f' class="{css}"' if css else ""
        if not standard and number:
            attributes += f' data-label="{escape(column.heading)}"'
        inside = _inside(column, facts, text, icon, missing_before)
        if number == 0:
            inside = format_html(
                '<a class="main{}" href="{}">{}{}</a>',
                "" if text else " muted", reverse("meter", args=[facts.meter.pk]),
                format_html('<span class="tone-bad">{}</span>\u00a0', icon("chart", _("High consumption")))
                if alerted else "",
                text or _nothing(column, facts),
            )  # fmt: skip
        made.append(f"<td{attributes}>{inside}</td>")
    return mark_safe("".join(made))  # noqa: S308 - every part is escaped above


def _nothing(column: Variable, facts: Facts) -> str:
    if column.part == "customer" and facts.point:
        return _("no customer")
    if column.part in ("customer", "point") and not facts.point:
        return _("not installed")
    return formats.MISSING


def _inside(column: Variable, facts: Facts, text: str, icon: Icon, missing_before: datetime) -> str:
    if column.code == "type":
        return format_html(
            '<span class="medium" title="{}">{}{}</span>',
            words.medium(facts.meter.medium), icon(words.MEDIUM_ICONS.get(facts.meter.medium, "meter")), text,
        )  # fmt: skip
    if column.code == "postal_code" and facts.point:
        return escape(f"{text} {facts.point.city}".strip())
    if column.code == "latest":
        return _latest(facts, icon, missing_before)
    if column.code == "state" and text:
        return _state(facts)
    return escape(text)


def _state(facts: Facts) -> str:
    state = State(facts.newest_state.state) if facts.newest_state else State.READ
    return format_html('<span class="tag {}">{}</span>', words.STATE_TONES[state], STATE_TEXTS[state])


def _latest(facts: Facts, icon: Icon, missing_before: datetime) -> str:
    """When it was last read; before it what a person must know: an info code, why it is not read."""
    said = ""
    if info := info_codes.joined(facts.meter.family, facts.info_code):
        said += format_html('<span class="tone-warn">{}</span> ', icon("warning", info))
    if facts.newest_state and facts.newest_state.state != State.READ:
        said += _state(facts) + " "
    read = facts.last_read_at
    if read is None:
        return said + format_html('<span class="muted">{}</span>', _("never"))
    return said + format_html(
        '<time{} datetime="{}" title="{}">{}</time>',
        mark_safe(' class="tone-bad"') if read < missing_before else "",
        read.isoformat(), formats.date_time(read, seconds=True), formats.ago(read),
    )  # fmt: skip
