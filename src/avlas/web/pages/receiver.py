"""One receiver: how it is, what it says of itself, and what it heard hour by hour or day by day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters.models import Collector, ReceiverHour
from avlas.meters.receiver_hours import HOUR, median, merged
from avlas.meters.receiver_silence import REASONS, silent_receivers
from avlas.system.models import Permission
from avlas.web import formats
from avlas.web.charts import Bar, bar_chart
from avlas.web.pages.access import PageRequest, find, page
from avlas.web.pages.receivers import DRIVERS, LINK_MODES, STATUS_TEXTS, STATUS_TONES, Shown, is_receiver

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpResponse
    from django.utils.functional import Promise

SPANS: Final[dict[str, tuple[Promise, timedelta]]] = {
    "hours": (gettext_lazy("Two days"), timedelta(hours=48)),
    "days": (gettext_lazy("A month"), timedelta(days=30)),
}
DEVICE: Final[dict[str, Promise]] = {
    "model": gettext_lazy("Model"),
    "serial": gettext_lazy("Serial number"),
    "firmware": gettext_lazy("Firmware"),
    "mode": gettext_lazy("Listens for, it says"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: an hour or a day."""

    title: str
    telegrams: int | None  # None: it was not listened to
    meters: int | None
    signal: int | None  # dBm
    damaged: int | None


@page()
def receiver(request: PageRequest, pk: int) -> HttpResponse:
    """Show one receiver."""
    own = find(request, Collector, pk)
    if not is_receiver(own):
        return redirect("receivers")
    now = datetime.now(UTC)
    span = request.GET.get("span", "hours")
    span = span if span in SPANS else "hours"
    rows = list(
        ReceiverHour.objects.filter(collector=own, hour_at__gte=now - SPANS[span][1]).order_by("hour_at")
    )
    silent = silent_receivers(request.utility.pk, now, collector_id=own.pk)
    context = {
        "shown": Shown(own),
        "receiver": own,
        "drivers": DRIVERS,
        "link_modes": LINK_MODES,
        "status_texts": STATUS_TEXTS,
        "status_tones": STATUS_TONES,
        "device": [(text, own.device[name]) for name, text in DEVICE.items() if own.device.get(name)],
        "silent": silent[0] if silent else None,
        "reason": REASONS[silent[0].reason] if silent else "",
        "may_change": Permission.SYSTEM_CONFIGURATION in request.allowed,
        "spans": {name: text for name, (text, _length) in SPANS.items()},
        "span": span,
        **_history(rows, span, now),
    }
    return render(request, "pages/receiver.html", context)


def _history(rows: Sequence[ReceiverHour], span: str, now: datetime) -> dict[str, Any]:
    """Chart and table of what was heard, the newest last in the chart and first in the table."""
    parts = _by_day(rows, now) if span == "days" else _by_hour(rows, now)
    lines, bars = [], []
    for label, title, heard in parts:
        total = merged(heard)
        line = (
            Line(
                title,
                total.telegrams,
                max(row.meters for row in heard),
                median(total.signals),
                total.damaged,
            )
            if heard
            else Line(title, None, None, None, None)
        )
        lines.append(line)
        text = _("not listened to") if line.telegrams is None else formats.number(line.telegrams)
        notes = () if line.signal is None else (formats.quantity(line.signal, "dBm"),)
        bars.append(Bar(label, title, text, line.telegrams, notes))
    title = _("Telegrams per day") if span == "days" else _("Telegrams per hour")
    return {
        "lines": lines[::-1],
        "has_history": any(line.telegrams is not None for line in lines),
        "chart_title": title,
        "chart_text": _("Bar chart of %(what)s; the same figures stand in the table beside it.")
        % {"what": title},
        "wide_chart": bar_chart(bars, 760, 300),
        "narrow_chart": bar_chart(bars, 380, 240, left=50),
    }


def _by_hour(rows: Sequence[ReceiverHour], now: datetime) -> list[tuple[str, str, list[ReceiverHour]]]:
    by_hour = {int(row.hour_at.timestamp()): row for row in rows}
    last = int(now.timestamp() // HOUR * HOUR)
    parts = []
    for hour_at in range(last - 47 * HOUR, last + 1, HOUR):
        start = formats.local(datetime.fromtimestamp(hour_at, UTC))
        title = f"{formats.short_day(start.date())} {start:%H}{formats.UNTIL}{start + timedelta(hours=1):%H}"
        parts.append((f"{start:%H}", title, [by_hour[hour_at]] if hour_at in by_hour else []))
    return parts


def _by_day(rows: Sequence[ReceiverHour], now: datetime) -> list[tuple[str, str, list[ReceiverHour]]]:
    today = formats.local(now).date()
    days = [today - timedelta(days=back) for back in range(29, -1, -1)]
    return [
        (
            str(day.day),
            formats.short_day(day),
            [row for row in rows if formats.local(row.hour_at).date() == day],
        )
        for day in days
    ]
