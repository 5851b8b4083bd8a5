"""The start page: how things stand, what needs a person, and what has just been heard."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.core.cache import cache
from django.db.models import Count
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy

from avlas.collect import texts as collect_texts
from avlas.meters import doubts, revision
from avlas.meters.directory import current_generation
from avlas.meters.models import Case, Collector, Meter, MeterState, ValveRequest
from avlas.meters.receiver_silence import silent_receivers
from avlas.notify.models import Alert
from avlas.operation.check import everything
from avlas.operation.check.finding import Asked, Level
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.reports.calc.performance import percent
from avlas.reports.days import last_days
from avlas.system.models import Delivery, DeliveryStatus, Job, JobRun, Permission, RunStatus
from avlas.web import formats
from avlas.web.charts import Bar, bar_chart
from avlas.web.meter_counts import count_states
from avlas.web.pages.access import PageRequest, page, rows, rows_and_installation
from avlas.web.pages.jobs import RUN_TEXTS, RUN_TONES, job_title
from avlas.web.pages.priority_meters import priority_rows
from avlas.web.pages.receivers import STATUS_TEXTS, STATUS_TONES, is_receiver

if TYPE_CHECKING:
    from django.http import HttpResponse

    from avlas.meters.receiver_silence import SilentReceiver

_NEWEST: Final = 8
_RUNS: Final = 5
_PRIORITY: Final = 6
_LOOKED_AT_EVERY_SECONDS: Final = 600
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
    share: float | None = None  # percent, drawn as a bar


@dataclass(frozen=True, slots=True)
class Todo:
    """Something a person should see to."""

    text: str
    href: str
    action: str
    icon: str = "warning"


_KEPT: Final[dict[int, tuple[int, float, dict[str, int]]]] = {}
_LONG_SECONDS: Final = 0.03
_LONGEST_KEPT_SECONDS: Final = 5.0


def _link(name: str, **query: str) -> str:
    return f"{reverse(name)}?{urlencode(query)}" if query else reverse(name)


def _counts(utility_id: int, now: datetime) -> dict[str, int]:
    """How many of the utility's meters are in which state; what took long to count is kept for a few seconds."""
    generation = current_generation(utility_id)
    kept = _KEPT.get(utility_id)
    begin = time.monotonic()
    if kept is not None and kept[0] == generation and begin < kept[1]:
        return kept[2]
    found = count_states(utility_id, now)
    took = time.monotonic() - begin
    if took > _LONG_SECONDS:
        _KEPT[utility_id] = (generation, begin + min(_LONGEST_KEPT_SECONDS, took * 50), found)
    return found


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
            share=share,
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


def _silent(receivers: list[Collector], silent: list[SilentReceiver]) -> list[Todo]:
    found = []
    for one in receivers:
        if one.active and one.status == "failed":
            text = _("%(name)s does not work: %(why)s")
            why = collect_texts.unpack(one.status_text, formats.language())
            found.append(
                Todo(text % {"name": one.name, "why": why}, reverse("receiver", args=[one.pk]), _("Look"))
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
    return found


def _of_meters(counts: dict[str, int], allowed: frozenset[str]) -> list[Todo]:
    found = []
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
    if counts["doubts"]:
        text = ngettext(
            "%(n)s meter has readings that are in doubt",
            "%(n)s meters have readings that are in doubt",
            counts["doubts"],
        )
        shown = reverse("readings_in_doubt")
        found.append(Todo(text % {"n": formats.number(counts["doubts"])}, shown, _("Judge them")))
    if counts["info"]:
        text = ngettext(
            "%(n)s meter has an active info code", "%(n)s meters have active info codes", counts["info"]
        )
        shown = _link("info_codes", show="active")
        found.append(Todo(text % {"n": formats.number(counts["info"])}, shown, _("Show them")))
    if counts["new"] and Permission.DEVICE_AND_CUSTOMER_MANAGEMENT in allowed:
        text = ngettext(
            "%(n)s meter is heard that nobody has adopted",
            "%(n)s meters are heard that nobody has adopted",
            counts["new"],
        )
        shown = _link("heard", show="new")
        found.append(Todo(text % {"n": formats.number(counts["new"])}, shown, _("Show them"), "antenna"))
    return found


def _assigned_to_me(request: PageRequest) -> list[Todo]:
    count = rows(request, Case).filter(assigned_to=request.user).count()
    if not count:
        return []
    text = ngettext("%(n)s case is assigned to you", "%(n)s cases are assigned to you", count)
    shown = _link("info_codes", show="mine")
    return [Todo(text % {"n": formats.number(count)}, shown, _("Show them"), "user")]


def _valves_to_approve(request: PageRequest) -> list[Todo]:
    """What others have asked for and somebody else, such as this person, must approve."""
    if Permission.DEVICE_AND_CUSTOMER_MANAGEMENT not in request.allowed:
        return []
    asked = rows(request, ValveRequest).filter(state=ValveRequest.ASKED)
    count = asked.exclude(asked_by=request.user).count()
    if not count:
        return []
    text = ngettext("%(n)s valve waits for your approval", "%(n)s valves wait for your approval", count)
    return [Todo(text % {"n": formats.number(count)}, reverse("valve_list"), _("Look"))]


def _slowly_changing(request: PageRequest) -> list[Todo]:
    """What takes time to find out and changes from day to day: looked at every few minutes, not with every page."""
    found = []
    due = cache.get_or_set(
        f"home/revision/{request.utility.pk}",
        lambda: revision.due_by(request.utility.pk, datetime.now(STANDARD_TIME).date()).count(),
        _LOOKED_AT_EVERY_SECONDS,
    )
    if due:
        text = ngettext("%(n)s meter is due for revision", "%(n)s meters are due for revision", due)
        found.append(
            Todo(text % {"n": formats.number(due)}, reverse("meter_revisions"), _("Show them"), "clock")
        )
    if request.user.runs_installation and Permission.SYSTEM_CONFIGURATION in request.allowed:
        wrong = cache.get_or_set(
            f"home/check-up/{request.utility.pk}",
            lambda: sum(
                one.level == Level.BAD
                for one in everything.look_over(Asked(datetime.now(UTC), request.utility.pk))
            ),
            _LOOKED_AT_EVERY_SECONDS,
        )
        if wrong:
            text = ngettext("The check-up finds %(n)s fault", "The check-up finds %(n)s faults", wrong)
            found.append(Todo(text % {"n": formats.number(wrong)}, reverse("check_up"), _("Look")))
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


def _performance(request: PageRequest, now: datetime) -> dict[str, Any]:
    """The chart of the last two weeks, once days have been counted."""
    days = last_days(request.utility.pk, now)
    today = max(days)
    bars = []
    for day, kept in days.items():
        share = kept.percent if kept else None
        notes: tuple[str, ...] = ()
        if kept and share is not None:
            notes = (
                _("%(received)s of %(expected)s readings")
                % {"received": formats.number(kept.received), "expected": formats.number(kept.expected)},
            )
        shown = _link("performance", **{"from": day.isoformat(), "to": day.isoformat()})
        title = formats.short_day(day)
        bars.append(
            Bar(
                str(day.day),
                title,
                formats.quantity(share, "%", 1),
                share,
                notes,
                faint=day == today,
                href=shown,
            )
        )
    known = [kept for kept in days.values() if kept]
    whole = percent(sum(one.received for one in known), sum(one.expected for one in known))
    title = _("Reading performance, last 14 days")
    return {
        "has_performance": whole is not None,
        "performance_title": title,
        "performance": formats.quantity(whole, "%", 1),
        "performance_text": _("Bar chart of %(what)s; each bar leads to that day's report.")
        % {"what": title},
        "wide_chart": bar_chart(bars, 430, 170, left=36),
        "narrow_chart": bar_chart(bars, 380, 190, left=40),
    }


def _latest_runs(request: PageRequest) -> list[JobRun]:
    jobs = rows_and_installation(request, Job)
    runs = JobRun.objects.filter(job__in=jobs).exclude(status=RunStatus.WAITING).select_related("job")
    return list(runs.order_by("-pk")[:_RUNS])


def _live(request: PageRequest) -> dict[str, Any]:
    now = datetime.now(UTC)
    fired = rows(request, Alert).filter(fired_at__isnull=False)
    counts = {
        **_counts(request.utility.pk, now),
        "alerts": fired.aggregate(n=Count("meter", distinct=True))["n"],
        "doubts": doubts.count_meters(request.utility.pk),
    }
    every = list(rows(request, Collector).order_by("name"))
    receivers = [one for one in every if is_receiver(one)]
    # chosen by number first: whole rows of 100,000 addresses take twice as long to sort
    newest = list(rows(request, MeterState).order_by("-last_heard_at").values_list("pk", flat=True)[:_NEWEST])
    silent = silent_receivers(request.utility.pk, now)
    return {
        "tiles": _tiles(counts),
        "todos": _failing_jobs(request)
        + _undelivered(request, now)
        + _silent(receivers, silent)
        + _assigned_to_me(request)
        + _valves_to_approve(request)
        + _of_meters(counts, request.allowed)
        + _slowly_changing(request),
        "receivers": receivers,
        "silent": {one.collector.pk for one in silent},
        "runs": [(job_title(one.job), one) for one in _latest_runs(request)],
        "newest": rows(request, MeterState)
        .filter(pk__in=newest)
        .select_related("meter", "last_collector")
        .defer("recent")
        .order_by("-last_heard_at"),
        "priority": priority_rows(request.utility.pk, _PRIORITY),
        "status_texts": STATUS_TEXTS,
        "status_tones": STATUS_TONES,
        "run_texts": RUN_TEXTS,
        "run_tones": RUN_TONES,
        "nothing_yet": not rows(request, Meter).exists() and not counts["new"] and not receivers,
        **_performance(request, now),
    }


@page()
def home(request: PageRequest) -> HttpResponse:
    """The start page; its live part is fetched again whenever something is new."""
    fragment = request.htmx and not request.htmx.boosted
    return render(request, "pages/home_live.html" if fragment else "pages/home.html", _live(request))
