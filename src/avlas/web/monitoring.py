"""``/health`` and ``/metrics``: for programs that watch this one. Answered before sessions, languages and pages.

/health/live    200 as long as the program answers at all
/health         200 when it can do its work, else 503: database, tables, disk. Says nothing secret.
/metrics        Prometheus' text format; only from this machine, or with AVLAS_METRICS_TOKEN as a bearer token
"""

from __future__ import annotations

import hmac
import ipaddress
import shutil
import time
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Sum
from django.http import HttpResponse, JsonResponse

from avlas import __version__
from avlas.meters.models import STATE_TEXTS, Collector, Meter, MeterState, State
from avlas.operation.size import database_bytes
from avlas.system.models import Delivery, JobRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.http import HttpRequest

LEAST_FREE_BYTES: Final = 100_000_000
_COUNTED: Final = (
    "read",
    "surplus",
    "no_key",
    "wrong_key",
    "damaged",
    "unknown_layout",
    "unsupported",
    "downgraded",
)


def monitoring(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware that answers the addresses above and lets all others through."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path == "/health/live":
            return JsonResponse({"status": "ok"})
        if request.path == "/health":
            found = health()
            whole = all(said == "ok" for said in found.values())
            answer = {"status": "ok" if whole else "failing", **found}
            return JsonResponse(answer, status=200 if whole else 503, headers={"Cache-Control": "no-store"})
        if request.path == "/metrics":
            if not may_see_metrics(request):
                return HttpResponse("metrics: from this machine, or with a token\n", "text/plain", 403)
            return HttpResponse(metrics(), "text/plain; version=0.0.4; charset=utf-8")
        return get_response(request)

    return middleware


def health() -> dict[str, str]:
    """What the program needs for its work, each "ok" or what is wrong in a word."""
    found = {"database": "ok", "tables": "ok", "disk": "ok"}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            found["tables"] = "not migrated"
    except DatabaseError:
        found |= {"database": "unreachable", "tables": "unknown"}
    try:
        if shutil.disk_usage(settings.DATA).free < LEAST_FREE_BYTES:
            found["disk"] = "full"
    except OSError:
        found["disk"] = "unreachable"
    return found


def may_see_metrics(request: HttpRequest) -> bool:
    """Whether the request is from this machine, or carries the token."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if settings.METRICS_TOKEN and hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode()):
        return True
    try:
        return ipaddress.ip_address(str(request.META.get("REMOTE_ADDR", ""))).is_loopback
    except ValueError:
        return False


def metrics() -> str:
    """All figures, of all utilities together, in Prometheus' text format (0.0.4)."""
    lines: list[str] = []

    def add(name: str, kind: str, words: str, rows: Iterable[tuple[dict[str, str], float]]) -> None:
        lines.extend((f"# HELP avlas_{name} {words}", f"# TYPE avlas_{name} {kind}"))
        for labels, value in rows:
            shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
            lines.append(f"avlas_{name}{{{shown}}} {value:.17g}" if shown else f"avlas_{name} {value:.17g}")

    sums = MeterState.objects.aggregate(**{f"sum_{name}": Sum(name) for name in _COUNTED})
    add("info", "gauge", "Version of the program.", [({"version": __version__}, 1)])
    add(
        "telegrams", "gauge", "Telegrams of all addresses known now, by what became of them.",
        [({"outcome": name}, sums[f"sum_{name}"] or 0) for name in _COUNTED],
    )  # fmt: skip
    add("meters", "gauge", "Meters of all utilities.", [({}, Meter.objects.count())])
    states = MeterState.objects.filter(meter__isnull=False).values_list("state").annotate(Count("pk"))
    by_state = dict(states.order_by())
    add(
        "addresses", "gauge", "Own meters' addresses by the state of the newest telegram looked into.",
        [({"state": State(state).name.lower()}, by_state.get(state, 0)) for state in STATE_TEXTS],
    )  # fmt: skip
    collectors = list(Collector.objects.select_related("utility").order_by("pk"))
    named = [({"utility": c.utility.slug, "collector": c.name}, c) for c in collectors]
    add("collector_telegrams_total", "counter", "Telegrams heard.", [(n, c.telegrams) for n, c in named])
    add("collector_damaged_total", "counter", "Damaged telegrams.", [(n, c.damaged) for n, c in named])
    add(
        "collector_last_heard_seconds", "gauge", "Seconds since 1970 when it last heard a telegram.",
        [(n, c.last_heard_at.timestamp()) for n, c in named if c.last_heard_at],
    )  # fmt: skip
    runs = JobRun.objects.values_list("status").annotate(Count("pk")).order_by("status")
    add("job_runs", "gauge", "Runs of jobs kept, by status.", [({"status": s}, n) for s, n in runs])
    mails = Delivery.objects.values_list("status").annotate(Count("pk")).order_by("status")
    add("messages", "gauge", "Messages kept, by status.", [({"status": s}, n) for s, n in mails])
    add("database_bytes", "gauge", "Size of the database.", [({}, database_bytes())])
    disk = shutil.disk_usage(settings.DATA)
    add("disk_free_bytes", "gauge", "Free space where the data folder lies.", [({}, disk.free)])
    add("time_seconds", "gauge", "The machine's clock.", [({}, time.time())])
    return "\n".join(lines) + "\n"


def _escaped(text: object) -> str:
    return str(text).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
