"""One meter: who, where, what it shows now, what was used, how it is heard, its telegrams explained."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from avlas.meters import cases, keys, revision
from avlas.meters.let_in import distrusted
from avlas.meters.models import Collector, Installation, Meter, Occupancy, State, Telegram
from avlas.meters.states import COUNTED
from avlas.notify.models import Firing
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.reports.consumption import spans_of_meter, spans_of_point
from avlas.reports.latest import latest
from avlas.web import formats, info_codes
from avlas.web.consumption_shown import consumption_of
from avlas.web.explained import explained
from avlas.web.listing import ROWS_PER_PAGE, Pages, asked
from avlas.web.pages.access import PageRequest, find, page
from avlas.web.pages.photos import newest as newest_photos

if TYPE_CHECKING:
    from typing import Any

    from avlas.reports.latest import Latest

_EVENTS_SHOWN: Final = 12
_TELEGRAMS_SHOWN: Final = 6
"""How many of the newest are shown on the meter's own page."""


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
    return {
        **shown,
        "choice_of_point": choice,
        "whole_point": whole_point,
        "report": reverse("meter_report", args=[meter.pk]),
        "report_send": reverse("meter_report_send", args=[meter.pk]),
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
        "photos": newest_photos(request, meter=found),
        "inputs": list(found.pulse_inputs.select_related("meter").filter(to_at=None).order_by("channel")),
        "fed_by": found.fed_by.select_related("parent").filter(to_at=None).first(),
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
