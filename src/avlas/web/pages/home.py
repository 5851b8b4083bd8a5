"""The start page: how things stand, what needs a person, and what has just been heard."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.db.models import Count, Q
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy

from avlas.collect import texts as collect_texts
from avlas.meters.models import Collector, Meter, MeterState, State
from avlas.meters.receiver_silence import silent_receivers
from avlas.notify.models import Alert
from avlas.system.models import Delivery, DeliveryStatus, Job, Permission
from avlas.web import formats
from avlas.web.meter_search import MISSING_AFTER, count_meters
from avlas.web.pages.access import PageRequest, page, rows, rows_and_installation
from avlas.web.pages.jobs import job_title
from avlas.web.pages.receivers import STATUS_TEXTS, STATUS_TONES, is_receiver

if TYPE_CHECKING:
    from django.http import HttpResponse

    from avlas.meters.receiver_silence import SilentReceiver

_NEWEST: Final = 10
_UNDELIVERED_FOR: Final = timedelta(days=7)
_STATES_TO_SEE_TO: Final = {
    "no_key": "key",
    "wrong_key": "key",
    "downgraded": "warning",
    "contested": "warning",
    "unsupported": "bytes",
    "unknown_layout": "bytes",
}
"""States of own meters that need somebody, and the symbol beside them."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A number one can follow."""

    name: str
    icon: str
    value: str
    more: str
    href: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Todo:
    """Something a person should see to."""

    text: str
    href: str
    action: str
    icon: str = "warning"


def _link(name: str, **query: str) -> str:
    return f"{reverse(name)}?{urlencode(query)}" if query else reverse(name)


def _counts(request: PageRequest, now: datetime) -> dict[str, int]:
    since = now - MISSING_AFTER
    counts: dict[str, int] = rows(request, MeterState).aggregate(
        read=Count("meter", distinct=True, filter=Q(last_read_at__gte=since)),
        info=Count("meter", distinct=True, filter=Q(info_code__gt=0) | Q(info_code__lt=0)),
        new=Count("pk", filter=Q(meter=None)),
        **{
            state.name.lower(): Count("pk", filter=Q(state=state, meter__isnull=False))
            for state in State
            if state != State.READ
        },
    )
    return counts | {
        "missing": count_meters(request.utility.pk, "missing", now),
        "alerts": rows(request, Alert)
        .filter(fired_at__isnull=False)
        .aggregate(n=Count("meter", distinct=True))["n"],
    }


def _tiles(counts: dict[str, int]) -> list[Tile]:
    missing = counts["missing"]
    expected = counts["read"] + missing
    share = counts["read"] / expected * 100 if expected else None
    return [
        Tile(
            _("Read in the last 24 hours"),
            "check",
            formats.number(counts["read"]),
            _("%(share)s of %(all)s meters")
            % {"share": formats.quantity(share, "%", 1), "all": formats.number(expected)},
            _link("meters", status="read"),
        ),
        Tile(
            _("Missing"),
            "clock",
            formats.number(missing),
            _("not read for 24 hours"),
            _link("meters", status="missing"),
            "bad" if missing else "",
        ),
        Tile(
            _("Active info codes"),
            "warning",
            formats.number(counts["info"]),
            _("meters that report something"),
            _link("info_codes", show="active"),
            "warn" if counts["info"] else "",
        ),
        Tile(
            _("Waiting for keys"),
            "key",
            formats.number(counts["no_key"] + counts["wrong_key"]),
            _("%(missing)s without, %(wrong)s with a wrong key")
            % {"missing": formats.number(counts["no_key"]), "wrong": formats.number(counts["wrong_key"])},
            _link("meters", status="wrong_key" if counts["wrong_key"] and not counts["no_key"] else "no_key"),
            "warn" if counts["no_key"] + counts["wrong_key"] else "",
        ),
        Tile(
            _("Heard, not adopted"),
            "antenna",
            formats.number(counts["new"]),
            _("addresses in the air"),
            _link("heard", show="new"),
        ),
    ]


def _failing_jobs(request: PageRequest) -> list[Todo]:
    failing = (
        rows_and_installation(request, Job).filter(failing_since__isnull=False).order_by("failing_since")
    )
    text = _("The job %(name)s has failed since %(when)s")
    return [
        Todo(
            text % {"name": job_title(job), "when": formats.date_time(job.failing_since)},
            reverse("job", args=[job.pk]),
            _("Look"),
            "clock",
        )
        for job in failing
    ]


def _undelivered(request: PageRequest, now: datetime) -> list[Todo]:
    if Permission.SYSTEM_CONFIGURATION not in request.allowed:
        return []
    recent = rows_and_installation(request, Delivery).filter(created_at__gt=now - _UNDELIVERED_FOR)
    found = []
    for status, text in (
        (
            DeliveryStatus.FAILED,
            ngettext_lazy("%(n)s message was given up", "%(n)s messages were given up", "n"),
        ),
        (
            DeliveryStatus.UNSURE,
            ngettext_lazy("%(n)s message may not have arrived", "%(n)s messages may not have arrived", "n"),
        ),
    ):
        if count := recent.filter(status=status).count():
            found.append(Todo(text % {"n": count}, _link("messages", status=status), _("Show them")))
    return found


def _todos(
    counts: dict[str, int],
    receivers: list[Collector],
    silent: list[SilentReceiver],
    allowed: frozenset[str],
) -> list[Todo]:
    found = []
    for one in receivers:
        href = reverse("receiver", args=[one.pk])
        if one.active and one.status == "failed":
            found.append(
                Todo(
                    _("%(name)s does not work: %(why)s")
                    % {"name": one.name, "why": collect_texts.unpack(one.status_text, formats.language())},
                    href,
                    _("Look"),
                )
            )
    for missed in silent:
        text = _("%(name)s has heard nothing since %(when)s")
        found.append(
            Todo(
                text % {"name": missed.collector.name, "when": formats.date_time(missed.since)},
                reverse("receiver", args=[missed.collector.pk]),
                _("Look"),
                "antenna",
            )
        )
    for state, icon in _STATES_TO_SEE_TO.items():
        if count := counts[state]:
            import_keys = state == "no_key" and Permission.DEVICE_AND_CUSTOMER_MANAGEMENT in allowed
            href = reverse("key_import") if import_keys else _link("meters", status=state)
            action = _("Import keys") if import_keys else _("Show them")
            found.append(Todo(_waiting_text(state, count), href, action, icon))
    if counts["alerts"]:
        text = ngettext(
            "%(n)s meter uses more than its ceiling",
            "%(n)s meters use more than their ceiling",
            counts["alerts"],
        )
        found.append(
            Todo(
                text % {"n": formats.number(counts["alerts"])}, _link("alerts", show="fired"), _("Show them")
            )
        )
    if counts["info"]:
        text = ngettext(
            "%(n)s meter has an active info code", "%(n)s meters have active info codes", counts["info"]
        )
        found.append(
            Todo(
                text % {"n": formats.number(counts["info"])},
                _link("info_codes", show="active"),
                _("Show them"),
            )
        )
    return found


def _waiting_text(state: str, count: int) -> str:
    """How many meters of one's own are in a state that needs somebody."""
    texts = {
        "no_key": ngettext("%(n)s meter waits for its key", "%(n)s meters wait for their keys", count),
        "wrong_key": ngettext("%(n)s meter has a wrong key", "%(n)s meters have wrong keys", count),
        "downgraded": ngettext(
            "%(n)s meter sent a telegram that is not trusted",
            "%(n)s meters sent telegrams that are not trusted",
            count,
        ),
        "contested": ngettext(
            "%(n)s meter is claimed by another utility as well",
            "%(n)s meters are claimed by another utility as well",
            count,
        ),
        "unsupported": ngettext(
            "%(n)s meter sends in a way that is not supported yet",
            "%(n)s meters send in a way that is not supported yet",
            count,
        ),
        "unknown_layout": ngettext(
            "%(n)s meter waits for one whole telegram", "%(n)s meters wait for one whole telegram", count
        ),
    }
    return texts[state] % {"n": formats.number(count)}


def _live(request: PageRequest) -> dict[str, Any]:
    now = datetime.now(UTC)
    counts = _counts(request, now)
    every = list(rows(request, Collector).order_by("name"))
    receivers = [one for one in every if is_receiver(one)]
    # chosen by number first: whole rows of 100,000 addresses take twice as long to sort
    newest = list(rows(request, MeterState).order_by("-last_heard_at").values_list("pk", flat=True)[:_NEWEST])
    return {
        "tiles": _tiles(counts),
        "todos": _failing_jobs(request)
        + _undelivered(request, now)
        + _todos(counts, receivers, silent_receivers(request.utility.pk, now), request.allowed),
        "receivers": receivers,
        "newest": rows(request, MeterState)
        .filter(pk__in=newest)
        .select_related("meter", "last_collector")
        .defer("recent")
        .order_by("-last_heard_at"),
        "status_texts": STATUS_TEXTS,
        "status_tones": STATUS_TONES,
        "nothing_yet": not rows(request, Meter).exists() and not counts["new"] and not receivers,
    }


@page()
def home(request: PageRequest) -> HttpResponse:
    """The start page; its live part is fetched again every few seconds."""
    fragment = request.htmx and not request.htmx.boosted
    return render(request, "pages/home_live.html" if fragment else "pages/home.html", _live(request))
