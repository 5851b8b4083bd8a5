"""Jobs: what is done regularly, how it went, changing it, and doing it now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from avlas.job_kinds import KINDS
from avlas.system import jobs as system_jobs
from avlas.system.models import Job, JobRun, Permission, RunStatus
from avlas.system.schedule import ScheduleError
from avlas.web.listing import ROWS_PER_PAGE, Pages, asked
from avlas.web.pages.access import PageRequest, page, record, rows_and_installation
from avlas.web.pages.job_form import JobForm

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.utils.functional import Promise

    from avlas.system.job_kind import Kind
    from avlas.system.models import Utility

RUN_TEXTS: Final[dict[str, Promise]] = {
    RunStatus.WAITING: pgettext_lazy("job", "waiting"),
    RunStatus.RUNNING: pgettext_lazy("job", "running"),
    RunStatus.DONE: pgettext_lazy("job", "went well"),
    RunStatus.FAILED: pgettext_lazy("job", "failed"),
}
RUN_TONES: Final[dict[str, str]] = {
    RunStatus.WAITING: "",
    RunStatus.RUNNING: "accent",
    RunStatus.DONE: "good",
    RunStatus.FAILED: "bad",
}
_STOP_ASKING: Final = 286  # htmx: show this and ask no more
_CHANGE: Final = Permission.SYSTEM_CONFIGURATION


def job_title(job: Job) -> str:
    """Its own name, else its kind's."""
    kind = KINDS.get(job.kind)
    return job.name or (str(kind.name) if kind else job.kind)


@dataclass(frozen=True, slots=True)
class Shown:
    """A job with its kind and its newest run."""

    row: Job
    run: JobRun | None

    @property
    def kind(self) -> Kind | None:
        """What it does; None when this version of the program doesn't know it."""
        return KINDS.get(self.row.kind)

    @property
    def title(self) -> str:
        """Its own name, else its kind's."""
        return job_title(self.row)

    @property
    def when(self) -> str:
        """Its schedule in words, or what is wrong with it."""
        try:
            return system_jobs.schedule_of(self.row).words()
        except ScheduleError as problem:
            return str(problem)

    @property
    def under_way(self) -> bool:
        """Whether a run waits or works, so that another can't be asked for."""
        return self.run is not None and self.run.status in system_jobs.UNFINISHED

    @property
    def retrying(self) -> bool:
        """Whether it waits to be tried again after a failure."""
        return self.run is not None and self.run.status == RunStatus.WAITING and self.run.attempts > 0


def _find(request: PageRequest, pk: int) -> Job:
    return get_object_or_404(rows_and_installation(request, Job), pk=pk)


def _shown(request: PageRequest) -> list[Shown]:
    every = list(rows_and_installation(request, Job))
    newest = {
        job.pk: JobRun.objects.filter(job=job).order_by("-pk").first() for job in every
    }  # a handful of jobs
    return sorted((Shown(job, newest[job.pk]) for job in every), key=lambda one: one.title.lower())


def _context(request: PageRequest) -> dict[str, Any]:
    return {
        "run_texts": RUN_TEXTS,
        "run_tones": RUN_TONES,
        "may_change": _CHANGE in request.allowed,
        "worker_away": system_jobs.worker_away(KINDS, datetime.now(UTC)),
    }


def _is_fragment(request: PageRequest) -> bool:
    return bool(request.htmx and not request.htmx.boosted)


@page()
def jobs(request: PageRequest) -> HttpResponse:
    """All jobs with how they are."""
    context = _context(request) | {"jobs": _shown(request), "addable": _addable(request)}
    return render(request, "pages/job_rows.html" if _is_fragment(request) else "pages/jobs.html", context)


@page()
def job(request: PageRequest, pk: int) -> HttpResponse:
    """One job: what it does, when, and every run that is kept."""
    own = _find(request, pk)
    wanted = asked(request.GET, columns=(), sorts=("due",), default="-due")
    every = JobRun.objects.filter(job=own).select_related("asked_by").order_by("-pk")
    shown = Shown(own, every.first())
    values = (shown.kind.defaults() if shown.kind else {}) | own.parameters
    context = _context(request) | {
        "job": shown,
        "runs": list(every[wanted.offset : wanted.offset + ROWS_PER_PAGE]),
        "pages": Pages(every.count(), wanted.page),
        "parameters": [(p.label, _in_words(p, values[p.name], own.utility)) for p in shown.kind.parameters]
        if shown.kind
        else [],
    }
    return render(request, "pages/job_live.html" if _is_fragment(request) else "pages/job.html", context)


def _in_words(parameter: Any, value: Any, utility: Utility | None) -> str:
    if parameter.type == "yes_no":
        return _("yes") if value else _("no")
    return str(dict(parameter.options(utility)).get(value, value))


@page()
def run(request: PageRequest, pk: int, run: int) -> HttpResponse:
    """One run with its log, live while it works."""
    own = _find(request, pk)
    found = get_object_or_404(JobRun.objects.select_related("asked_by"), pk=run, job=own)
    context = _context(request) | {"job": Shown(own, found), "run": found, "lines": found.lines.all()}
    if not _is_fragment(request):
        return render(request, "pages/job_run.html", context)
    over = found.status not in system_jobs.UNFINISHED
    return render(request, "pages/job_run_live.html", context, status=_STOP_ASKING if over else 200)


@page(view=_CHANGE, change=_CHANGE)
def run_now(request: PageRequest, pk: int) -> HttpResponse:
    """Ask for a run at once."""
    own = _find(request, pk)
    if request.method != "POST":
        return redirect("job", own.pk)
    title = job_title(own)
    with transaction.atomic():
        made = system_jobs.run_now(own, request.user)
        if made is not None:
            record(request, "jobs.run_asked_for", target=title)
    if made is None:
        messages.warning(request, _("%(name)s is under way already.") % {"name": title})
        return redirect("job", own.pk)
    messages.success(request, _("%(name)s is begun within seconds.") % {"name": title})
    return redirect("job_run", own.pk, made.pk)


@page(view=_CHANGE, change=_CHANGE)
def switch(request: PageRequest, pk: int) -> HttpResponse:
    """Pause a job or let it go on."""
    own = _find(request, pk)
    if request.method == "POST":
        with transaction.atomic():
            own.active = request.POST.get("active") == "1"
            if own.active:  # what was due meanwhile is not made up for
                system_jobs.set_schedule(own, system_jobs.schedule_of(own))
            own.save(update_fields=["active", "every_minutes", "cron", "time_zone", "next_due_at"])
            title = job_title(own)
            record(request, "jobs.resumed" if own.active else "jobs.paused", target=title)
        text = _("%(name)s runs again.") if own.active else _("%(name)s is paused.")
        messages.success(request, text % {"name": title})
    return redirect("job", own.pk)


def _addable(request: PageRequest) -> list[Kind]:
    """The kinds of which this person may add a job."""
    return [
        kind
        for kind in KINDS.values()
        if kind.standing is None and (request.user.runs_installation or not kind.of_installation)
    ]


@page(view=_CHANGE, change=_CHANGE)
def add(request: PageRequest) -> HttpResponse:
    """Choose a kind, then set up a job of it."""
    kinds = _addable(request)
    code = request.POST.get("kind") or request.GET.get("kind")
    kind = next(
        (one for one in kinds if one.code == code), kinds[0] if len(kinds) == 1 and not code else None
    )
    if kind is None:
        if code:
            raise Http404
        return render(request, "pages/job_kinds.html", {"kinds": kinds})
    form = JobForm(request.POST or None, kind=kind, zone=request.user.time_zone, utility=request.utility)
    if request.method == "POST" and form.is_valid():
        made = Job(utility=None if kind.of_installation else request.utility, kind=kind.code)
        with transaction.atomic():
            _fill(made, form)
            made.save()
            record(request, "jobs.added", target=job_title(made), detail=_detail(made))
        messages.success(request, _("%(name)s is added.") % {"name": job_title(made)})
        return redirect("job", made.pk)
    status = 422 if request.method == "POST" else 200
    return render(request, "pages/job_form.html", {"form": form, "kind": kind, "job": None}, status=status)


@page(view=_CHANGE, change=_CHANGE)
def edit(request: PageRequest, pk: int) -> HttpResponse:
    """Change a job."""
    own = _find(request, pk)
    kind = KINDS.get(own.kind)
    if kind is None:
        raise Http404
    form = JobForm(request.POST or None, kind=kind, own=own, zone=own.time_zone, utility=own.utility)
    if request.method == "POST" and form.is_valid():
        before = _detail(own)
        with transaction.atomic():
            _fill(own, form)
            own.save(
                update_fields=[
                    "name",
                    "parameters",
                    "tell",
                    "every_minutes",
                    "cron",
                    "time_zone",
                    "next_due_at",
                ]
            )
            after = _detail(own)
            changed = {name: [before[name], value] for name, value in after.items() if before[name] != value}
            record(request, "jobs.changed", target=job_title(own), detail=changed)
        messages.success(request, _("%(name)s is saved.") % {"name": job_title(own)})
        return redirect("job", own.pk)
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "kind": kind, "job": Shown(own, None)}
    return render(request, "pages/job_form.html", context, status=status)


@page(view=_CHANGE, change=_CHANGE)
def delete(request: PageRequest, pk: int) -> HttpResponse:
    """Remove a job with its history; those that belong to the program can only be paused."""
    own = _find(request, pk)
    if own.standing:
        raise PermissionDenied
    if request.method == "POST":
        title = job_title(own)
        with transaction.atomic():
            record(request, "jobs.removed", target=title, detail=_detail(own))
            own.delete()
        messages.success(request, _("%(name)s is removed.") % {"name": title})
        return redirect("jobs")
    return render(request, "pages/job_delete.html", {"job": Shown(own, None)})


def _fill(own: Job, form: JobForm) -> None:
    assert form.schedule is not None
    own.name = form.cleaned_data["name"].strip()
    own.parameters, own.tell = form.parameters, form.cleaned_data["tell"]
    system_jobs.set_schedule(own, form.schedule)


def _detail(own: Job) -> dict[str, Any]:
    return {
        "kind": own.kind,
        "name": own.name,
        "parameters": own.parameters,
        "schedule": own.cron or f"{own.every_minutes} min",
        "time_zone": own.time_zone,
        "tell": own.tell,
    }
