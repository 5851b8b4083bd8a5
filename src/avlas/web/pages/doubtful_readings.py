"""Readings that somebody must look at: what speaks against each, and the two things that can be said of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from avlas.decode.registers import BY_CODE, Aggregate
from avlas.meters import doubts
from avlas.meters import formats as kept_formats
from avlas.meters.models import Installation, Kind, Meter, Quality, Reading
from avlas.meters.steps import JUDGED
from avlas.reports.latest import as_read
from avlas.system.models import Permission
from avlas.web import formats, words
from avlas.web.listing import ROWS_PER_PAGE, Pages, asked
from avlas.web.pages.access import PageRequest, page, rows
from avlas.web.pages.meter_edit import who

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpResponse

MANAGE: Final = Permission.READING_MANAGEMENT
_FIGURES_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Line:
    """A reading in doubt. ``key``: as the form sends it; ``details``: the figures that are in question."""

    meter: Meter
    address: str
    at: datetime
    slot: int
    kind: int
    key: str
    marks: list[tuple[str, str, str]]  # sign, words, tone
    details: list[str]


@page(change=MANAGE)
def doubtful_readings(request: PageRequest) -> HttpResponse:
    """The list, newest first; its form says that a reading is right."""
    if request.method == "POST":
        _accept(request)
        return redirect(request.get_full_path())
    wanted = asked(request.GET, columns=(), sorts=("at",), default="-at")
    total = doubts.count(request.utility.pk)
    pages = Pages(total, min(wanted.page, Pages(total, 1).count))
    found = doubts.newest(request.utility.pk, (pages.number - 1) * ROWS_PER_PAGE, ROWS_PER_PAGE)
    return render(
        request,
        "pages/doubtful_readings.html",
        {"lines": _lines(request, found), "pages": pages, "may_judge": MANAGE in request.allowed},
    )


def _accept(request: PageRequest) -> None:
    try:
        meter, slot, kind = (int(part) for part in request.POST.get("right", "").split("-"))
        own = rows(request, Meter).get(pk=meter)
        doubts.accept(own, datetime.fromtimestamp(slot, UTC), Kind(kind), who(request))
    except (ValueError, OverflowError, OSError, Meter.DoesNotExist, Reading.DoesNotExist):
        messages.error(request, _("The reading is not there any more."))
        return
    messages.success(request, _("The reading is found right. It stays as it is, and is asked about no more."))


def _lines(request: PageRequest, found: Sequence[Reading]) -> list[Line]:
    meters = rows(request, Meter).in_bulk({row.meter_id for row in found})
    placed = Installation.objects.filter(meter__in=meters, to_at=None).select_related("point")
    address = {one.meter_id: one.point.address for one in placed}
    before = {row.pk: _before(row) for row in found if row.quality & Quality.BACKWARDS}
    sent = kept_formats.specs({row.format_id for row in [*found, *filter(None, before.values())]})
    lines = []
    for row in found:
        at, slot = row.heard_at if row.kind == Kind.LIVE else row.slot_at, int(row.slot_at.timestamp())
        lines.append(
            Line(
                meters[row.meter_id], address.get(row.meter_id, ""), at, slot, row.kind,
                f"{row.meter_id}-{slot}-{row.kind}",
                [
                    (words.MARK_SIGNS[name], str(words.MARKS[name]), words.MARK_TONES.get(name, ""))
                    for one in doubts.IN_DOUBT
                    if row.quality & one and (name := (one.name or "").lower()) in words.MARKS
                ],
                _details(row, before.get(row.pk), sent),
            )
        )  # fmt: skip
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
