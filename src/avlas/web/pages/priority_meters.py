"""Priority meters, live: what each of the few that are read every five minutes says now, and its last hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.shortcuts import render

from avlas.meters import groups
from avlas.meters.models import Kind, Reading
from avlas.reports.variables import chosen, fetch
from avlas.web.meter_search import MISSING_AFTER
from avlas.web.pages.access import PageRequest, page
from avlas.web.variable_words import as_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpResponse

    from avlas.reports.variables import Facts

_HOURS: Final = timedelta(hours=6)
_SHOWN: Final = ("flow_temperature_c", "return_temperature_c", "volume_flow_m3h", "power_kw")
_DRAWN: Final = (("flow_temperature_c", "return_temperature_c"), ("power_kw",), ("volume_flow_m3h",))
"""What is drawn of a meter: the first of these that it sends."""
_WIDTH, _HEIGHT, _PAD = 150.0, 34.0, 3.0


@dataclass(frozen=True, slots=True)
class Row:
    """One meter: what is known of it, its newest figures as texts, and the courses of its last hours."""

    facts: Facts
    figures: tuple[str, ...]
    courses: tuple[tuple[str, str], ...]  # register, points of an SVG polyline
    late: bool

    @property
    def title(self) -> str:
        """Where it is, else what it is."""
        return (self.facts.point and self.facts.point.address) or f"{self.facts.meter}"


def priority_rows(utility_id: int, most: int | None = None, now: datetime | None = None) -> list[Row]:
    """The utility's priority meters with what they say, the first ``most`` of them."""
    now = now or datetime.now(UTC)
    ids = groups.meter_ids(utility_id, "priority")[: most or settings.PRIORITY_METERS]
    if not ids:
        return []
    variables = chosen(("address", "latest", *_SHOWN))
    courses = _courses(ids, now - _HOURS, now)
    return [
        Row(
            facts,
            tuple(as_text(one, facts) for one in variables if one.code in _SHOWN),
            courses.get(facts.meter.pk, ()),
            facts.last_read_at is None or facts.last_read_at < now - MISSING_AFTER,
        )
        for facts in fetch(ids, variables)
    ]


def _courses(ids: Sequence[int], begin: datetime, end: datetime) -> dict[int, tuple[tuple[str, str], ...]]:
    readings = Reading.objects.filter(
        meter_id__in=ids, kind=Kind.LIVE, slot_at__gte=int(begin.timestamp())
    ).in_use()
    by_meter: dict[int, list[tuple[datetime, dict[str, float | None]]]] = {}
    for meter_id, at, *values in readings.order_by("meter_id", "slot_at").values_list(
        "meter_id", "heard_at", *_SHOWN
    ):
        by_meter.setdefault(meter_id, []).append((at, dict(zip(_SHOWN, values, strict=True))))
    return {meter: drawn(rows, begin, end) for meter, rows in by_meter.items()}


def drawn(
    rows: Sequence[tuple[datetime, dict[str, float | None]]], begin: datetime, end: datetime
) -> tuple[tuple[str, str], ...]:
    """The courses between two moments on a small paper, all on one axis; none of fewer than two points."""
    for registers in _DRAWN:
        lines = {
            code: [(at, value) for at, values in rows if (value := values[code]) is not None]
            for code in registers
        }
        figures = [value for points in lines.values() if len(points) > 1 for _at, value in points]
        if not figures:
            continue
        low, tall = min(figures), max(max(figures) - min(figures), 1e-9)
        return tuple(
            (code, " ".join(f"{_WIDTH * (at - begin) / (end - begin):.1f},{_y((value - low) / tall):.1f}"
                            for at, value in points))
            for code, points in lines.items()
            if len(points) > 1
        )  # fmt: skip
    return ()


def _y(share: float) -> float:
    return _HEIGHT - _PAD - share * (_HEIGHT - 2 * _PAD)


@page()
def priority_meters(request: PageRequest) -> HttpResponse:
    """All priority meters; fetched again when one of them is read."""
    context = {"priority": priority_rows(request.utility.pk), "most": settings.PRIORITY_METERS}
    fragment = bool(request.htmx) and not request.htmx.boosted
    return render(request, "pages/priority_rows.html" if fragment else "pages/priority_meters.html", context)
