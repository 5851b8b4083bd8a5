"""Readings that somebody must look at: what speaks against each, and the two things that can be said of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from avlas.decode.registers import BY_CODE, Aggregate
from avlas.meters import doubts
from avlas.meters import formats as kept_formats
from avlas.meters.models import Installation, Kind, Meter, Quality, Reading
from avlas.meters.steps import JUDGED
from avlas.reports.latest import as_read
from avlas.system.models import Permission
from avlas.web import formats, words
from avlas.web.listing import ROWS_PER_PAGE, Pages, asked
from avlas.web.pages.access import PageRequest, find, page, rows
from avlas.web.pages.meter_edit import who

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpResponse

MANAGE: Final = Permission.READING_MANAGEMENT
_FIGURES_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Line:
    """A reading in doubt, of ``count`` that the meter has. ``key``: as the form sends it; ``details``: its figures."""

    meter: Meter
    address: str
    at: datetime
    slot: int
    kind: int
    key: str
    count: int
    marks: list[tuple[str, str, str]]  # sign, words, tone
    details: list[str]


@page(change=MANAGE)
def doubtful_readings(request: PageRequest) -> HttpResponse:
    """Meters with their newest reading in doubt, or (``meter``) all of one; the form says that readings are right."""
    number = request.GET.get("meter", "")
    own = find(request, Meter, int(number[:18])) if number.isascii() and number.isdecimal() else None
    if request.method == "POST":
        _accept(request)
        return redirect(request.get_full_path())
    wanted = asked(request.GET, columns=(), sorts=("at",), default="-at")
    if own is None:
        total = doubts.count_meters(request.utility.pk)
        found = doubts.by_meter(request.utility.pk, wanted.offset, ROWS_PER_PAGE)
    else:
        one_by_one, total = doubts.of_meter(own, wanted.offset, ROWS_PER_PAGE)
        found = [(row, 1) for row in one_by_one]
    context = {
        "own": own,
        "lines": _lines(request, found),
        "pages": Pages(total, wanted.page),
        "may_judge": MANAGE in request.allowed,
    }
    return render(request, "pages/doubtful_readings.html", context)


def _accept(request: PageRequest) -> None:
    done = 0
    try:
        meter, *reading = (int(part) for part in request.POST.get("right", "").split("-"))
        own = rows(request, Meter).get(pk=meter)
        if reading:
            slot, kind = reading
            done = doubts.accept(own, who(request), datetime.fromtimestamp(slot, UTC), Kind(kind))
        else:
            done = doubts.accept(own, who(request))
    except (ValueError, OverflowError, OSError, Meter.DoesNotExist):
        pass  # nothing there, as when somebody else was faster
    if not done:
        messages.error(request, _("The reading is not there any more, or somebody has judged it."))
        return
    text = ngettext("%(n)s reading is found right.", "%(n)s readings are found right.", done)
    messages.success(request, text % {"n": formats.number(done)})


def _lines(request: PageRequest, found: Sequence[tuple[Reading, int]]) -> list[Line]:
    meters = rows(request, Meter).in_bulk({row.meter_id for row, _count in found})
    placed = Installation.objects.filter(meter__in=meters, to_at=None).select_related("point")
    address = {one.meter_id: one.point.address for one in placed}
    before = {row.pk: _before(row) for row, _count in found if row.quality & Quality.BACKWARDS}
    readings = [row for row, _count in found] + [row for row in before.values() if row]
    sent = kept_formats.specs({row.format_id for row in readings})
    lines = []
    for row, count in found:
        at, slot = row.heard_at if row.kind == Kind.LIVE else row.slot_at, int(row.slot_at.timestamp())
        marks = [
            (words.MARK_SIGNS[name], str(words.MARKS[name]), words.MARK_TONES.get(name, ""))
            for one in doubts.IN_DOUBT
            if row.quality & one and (name := (one.name or "").lower()) in words.MARKS
        ]
        key, details = f"{row.meter_id}-{slot}-{row.kind}", _details(row, before.get(row.pk), sent)
        meter = meters[row.meter_id]
        lines.append(Line(meter, address.get(meter.pk, ""), at, slot, row.kind, key, count, marks, details))
    return lines


def _before(row: Reading) -> Reading | None:
    """The reading that a counter was higher in."""
    earlier = Reading.objects.filter(meter_id=row.meter_id, kind=row.kind).in_use()
    return earlier.filter(slot_at__lt=row.slot_at).order_by("-slot_at").first()


def _details(row: Reading, before: Reading | None, sent: dict[int, str]) -> list[str]:
    """The counters that went down, from what to what; else what the reading's counters are."""
    counted = [code for code in BY_CODE if BY_CODE[code].aggregate == Aggregate.DIFFERENCE]
    there = [code for code in counted if getattr(row, code) is not None]
    if before:
        known = [code for code in there if code in JUDGED and getattr(before, code) is not None]
        fell = [code for code in known if getattr(row, code) < getattr(before, code)]
        if fell:
            return [f"{_figure(before, code, sent)} → {_figure(row, code, sent)}" for code in fell]
    return [_figure(row, code, sent) for code in there[:_FIGURES_SHOWN]]


def _figure(row: Reading, code: str, sent: dict[int, str]) -> str:
    as_sent = kept_formats.parse(sent.get(row.format_id, "{}"))
    one = as_read(code, getattr(row, code), as_sent, row.slot_at, row.kind, row.quality)
    return f"{one.register.symbol} {formats.quantity(one.figure, one.unit, one.decimals)}"
