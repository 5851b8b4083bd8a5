"""Jobs: planned when they are due, claimed by one worker, run at most three times, and told about.

Any number of workers share the work through the rows alone:

- ``plan`` makes the run of a due job and moves the job's next due time, in one transaction. A job whose last
  run is unfinished waits for it, so that runs of one job never overlap; what was missed meanwhile (or while
  nothing ran at all) becomes one run, of the latest due time.
- ``claim`` takes a run by one conditional UPDATE that only one worker can win. It holds a lease, renewed while
  it works. A worker that dies leaves the lease to run out; the next one begins the run anew.
- Every later write asks that the claim still holds. A worker that was cut off is told by LeaseLost and
  changes nothing more.

Leases are judged by the database's clock alone, due times by the worker's.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext_noop

from avlas.system import outbox
from avlas.system.job_kind import Interrupted, JobFailed, Kind, LeaseLost, WorkerStopping
from avlas.system.models import Job, JobLine, JobRun, RunStatus
from avlas.system.schedule import Schedule, ScheduleError
from avlas.system.told import told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from avlas.system.models import User, Utility

MOST_ATTEMPTS: Final = 3
RETRY_AFTER: Final = (timedelta(minutes=1), timedelta(minutes=5))
LEASE: Final = timedelta(seconds=60)
UNFINISHED: Final = (RunStatus.WAITING, RunStatus.RUNNING)
KEPT: Final = timedelta(days=92)
WORKER_AWAY_AFTER: Final = timedelta(minutes=2)
MOST_LINES: Final = 2000  # of one run; a job that says more is cut short, its work goes on
_PROGRESS_SECONDS: Final = 1.0
_NEWEST: Final = 20
_CHUNK: Final = 200
_MISSED: Final = gettext_noop("%(n)s earlier times were missed; this run stands for them as well.")
_DIED: Final = gettext_noop("The program ended during the work, %(n)s times. It is not tried again.")
_BEGUN_AGAIN: Final = gettext_noop("The program ended during the work; it is begun again.")
_PROGRAM_ERROR: Final = gettext_noop("An error in the program: %(error)s")
_DATABASE_ERROR: Final = gettext_noop("The database could not be used: %(error)s")
logger = logging.getLogger(__name__)


def schedule_of(job: Job) -> Schedule:
    """The job's schedule. Raises ScheduleError when its row was changed by hand to what makes no sense."""
    return Schedule(job.every_minutes, job.cron, job.time_zone)


def set_schedule(job: Job, schedule: Schedule, now: datetime | None = None) -> None:
    """Give an unsaved or changed job its schedule and the next time it is due."""
    job.every_minutes, job.cron, job.time_zone = schedule.every_minutes, schedule.cron, schedule.time_zone
    job.next_due_at = schedule.next_after(now or datetime.now(UTC))


def ensure_standing(kinds: Mapping[str, Kind]) -> None:
    """Make the jobs that every installation has and that aren't there yet."""
    for kind in kinds.values():
        if kind.standing is None or Job.objects.filter(kind=kind.code, standing=True).exists():
            continue
        job = Job(kind=kind.code, standing=True)
        set_schedule(job, kind.standing)
        try:
            with transaction.atomic():
                job.save()
        except IntegrityError:  # another worker was quicker
            continue


def plan(kinds: Mapping[str, Kind], now: datetime) -> int:
    """Make a run of every job of these kinds that is due at ``now``; gives how many."""
    made = 0
    due = Job.objects.filter(active=True, next_due_at__lte=now, kind__in=list(kinds))
    for job in due.exclude(runs__status__in=UNFINISHED):
        assert job.next_due_at is not None
        try:
            schedule = schedule_of(job)
        except ScheduleError as problem:  # nobody can set one like that; the other jobs go on
            logger.warning("Job %s is paused: %s", job.pk, problem)
            Job.objects.filter(pk=job.pk).update(active=False)
            continue
        due_at, missed = schedule.latest(job.next_due_at, now)
        mine = Job.objects.filter(pk=job.pk, active=True, next_due_at=job.next_due_at)
        try:
            with transaction.atomic():
                if not mine.update(next_due_at=schedule.next_after(now)):
                    continue  # another worker was quicker, or somebody changed the job
                run, new = JobRun.objects.get_or_create(job=job, due_at=due_at, defaults={"not_before": now})
                if new and missed:
                    JobLine.objects.create(run=run, at=now, attempt=0, text=_MISSED, values={"n": missed})
        except IntegrityError:  # somebody asked for a run in this moment: the due one waits for its end
            continue
        made += new
    return made


def run_now(job: Job, user: User | None) -> JobRun | None:
    """A run of ``job`` at once: the one that waits, or a new one; None when one is being done.

    To be called in the transaction of its audit.
    """
    now = datetime.now(UTC)
    waiting = JobRun.objects.filter(job=job, status=RunStatus.WAITING)
    if waiting.update(not_before=now):
        return waiting.first()
    try:
        with transaction.atomic():
            return JobRun.objects.create(job=job, due_at=now, not_before=now, asked_by=user)
    except IntegrityError:
        return None


def claim(kinds: Mapping[str, Kind], now: datetime, lease: timedelta = LEASE) -> JobRun | None:
    """Take one run that waits, or whose worker died, for this worker; None when there is nothing to do."""
    waiting = Q(status=RunStatus.WAITING, not_before__lte=now)
    abandoned = Q(status=RunStatus.RUNNING, lease_until__lt=Now())
    free = JobRun.objects.filter(waiting | abandoned)
    for found in free.filter(job__kind__in=list(kinds)).select_related("job").order_by("not_before")[:20]:
        same = free.filter(pk=found.pk, attempts=found.attempts, worker=found.worker)
        if found.attempts >= MOST_ATTEMPTS:
            _give_up_dead(found, kinds[found.job.kind])
            continue
        token = f"{socket.gethostname()[:50]}:{os.getpid()}:{secrets.token_hex(4)}"
        taken = same.update(
            status=RunStatus.RUNNING,
            worker=token,
            attempts=F("attempts") + 1,
            lease_until=Now() + lease,
            started_at=now,
            progress_done=None,
            progress_total=None,
        )
        if taken:
            run = JobRun.objects.select_related("job__utility").get(pk=found.pk)
            if found.status == RunStatus.RUNNING:
                JobLine.objects.create(run=run, at=now, attempt=run.attempts, text=_BEGUN_AGAIN)
            return run
    return None


def work_once(
    kinds: Mapping[str, Kind],
    stopping: threading.Event,
    now: datetime | None = None,
    lease: timedelta = LEASE,
) -> bool:
    """Plan what is due, then claim one run and do it; False when there was nothing to do."""
    now = now or datetime.now(UTC)
    plan(kinds, now)
    run = claim(kinds, now, lease)
    if run is None:
        return False
    execute(run, kinds[run.job.kind], stopping, lease)
    return True


def execute(run: JobRun, kind: Kind, stopping: threading.Event, lease: timedelta = LEASE) -> None:
    """Do a claimed run and write down how it went."""
    try:
        with RunContext(run, kind, stopping, lease) as context, translation.override("en"):
            why: dict[str, Any] | None = None
            try:
                kind.run(context)
            except JobFailed as problem:
                why = told(problem.text, problem.values)
            except Interrupted:
                raise
            except DatabaseError as problem:
                logger.warning("Job %s: %s", run.job_id, problem)
                why = told(_DATABASE_ERROR, {"error": str(problem).strip()[:500]})
            except Exception as problem:
                logger.exception("Job %s (%s) failed", run.job_id, kind.code)
                said = f"{type(problem).__name__}: {problem}"
                why = told(_PROGRAM_ERROR, {"error": said[:500]})
        if why is None:
            _finish(run, kind, RunStatus.DONE, context.last_line)
        elif run.attempts < MOST_ATTEMPTS:
            _try_again(run, why)
        else:
            _finish(run, kind, RunStatus.FAILED, why)
    except WorkerStopping:
        _mine(run).update(status=RunStatus.WAITING, worker="", lease_until=None, attempts=F("attempts") - 1)
    except LeaseLost:
        logger.warning("Run %s of job %s was taken over by another worker", run.pk, run.job_id)


class RunContext:
    """What a kind's function is given (see ``job_kind.Context``); keeps the lease while it is entered."""

    def __init__(self, run: JobRun, kind: Kind, stopping: threading.Event, lease: timedelta) -> None:
        self.due_at: datetime = run.due_at
        self.utility: Utility | None = run.job.utility
        self.parameters: Mapping[str, Any] = kind.defaults() | run.job.parameters
        self.job_id, self.run_id, self.attempt = run.job_id, run.pk, run.attempts
        self.last_line: dict[str, Any] = {}
        self._run, self._stopping = run, stopping
        self._lease_seconds = lease.total_seconds()
        self._lost, self._ended = threading.Event(), threading.Event()
        self._lines, self._written_at = 0, 0.0
        self._keeper = threading.Thread(target=self._keep_lease, name=f"lease of run {run.pk}", daemon=True)

    def __enter__(self) -> Self:
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._keeper.join()

    def log(self, text: str, /, **values: Any) -> None:
        """Add a line to the run's log; raises Interrupted when the run must end here."""
        self.check()
        self._lines += 1
        self.last_line = told(text, values)
        if self._lines <= MOST_LINES:
            _add_line(self._run, self.last_line)

    def progress(self, done: int, total: int | None = None) -> None:
        """Say how far it has come; raises Interrupted when the run must end here."""
        self.check()
        now = time.monotonic()
        if now - self._written_at >= _PROGRESS_SECONDS or done == total:
            self._written_at = now
            _mine(self._run).update(progress_done=done, progress_total=total)

    def check(self) -> None:
        """Raise LeaseLost or WorkerStopping when the run must end here."""
        if self._lost.is_set():
            raise LeaseLost
        if self._stopping.is_set():
            raise WorkerStopping

    def _keep_lease(self) -> None:
        """Renew the lease; when that fails until it has run out, or somebody else has it, say that it is lost."""
        held_until = time.monotonic() + self._lease_seconds
        try:
            while not self._ended.wait(self._lease_seconds / 4):
                asked = time.monotonic()
                try:
                    kept = _mine(self._run).update(lease_until=Now() + timedelta(seconds=self._lease_seconds))
                except DatabaseError as problem:
                    logger.warning("The lease of run %s could not be renewed: %s", self.run_id, problem)
                    connection.close()
                    if time.monotonic() < held_until:
                        continue
                    kept = 0
                if not kept:
                    self._lost.set()
                    return
                held_until = asked + self._lease_seconds
        finally:
            connection.close()


def worker_away(kinds: Mapping[str, Kind], now: datetime) -> bool:
    """Whether work of these kinds has been due for minutes and nobody has begun it."""
    late = now - WORKER_AWAY_AFTER
    unfinished = JobRun.objects.filter(job=OuterRef("pk"), status__in=UNFINISHED)
    due = Job.objects.filter(active=True, next_due_at__lt=late, kind__in=list(kinds)).exclude(
        Exists(unfinished)
    )
    waiting = JobRun.objects.filter(status=RunStatus.WAITING, not_before__lt=late, job__kind__in=list(kinds))
    working = JobRun.objects.filter(status=RunStatus.RUNNING, lease_until__gt=now)
    return (due.exists() or waiting.exists()) and not working.exists()


def forget_old_runs(now: datetime) -> int:
    """Remove finished runs after three months, but not the last twenty of each job; gives how many."""
    removed = 0
    for job in Job.objects.all():
        old = job.runs.exclude(status__in=UNFINISHED).filter(finished_at__lt=now - KEPT)
        newest = job.runs.order_by("-pk").values_list("pk", flat=True)[:_NEWEST]
        while chunk := list(old.exclude(pk__in=list(newest)).values_list("pk", flat=True)[:_CHUNK]):
            JobRun.objects.filter(pk__in=chunk).delete()
            removed += len(chunk)
    return removed


def _mine(run: JobRun) -> Any:
    """The run's row, as long as this worker's claim holds."""
    return JobRun.objects.filter(pk=run.pk, worker=run.worker, status=RunStatus.RUNNING)


def _add_line(run: JobRun, said: dict[str, Any]) -> None:
    JobLine.objects.create(run=run, at=datetime.now(UTC), attempt=run.attempts, **said)


def _try_again(run: JobRun, why: dict[str, Any]) -> None:
    with transaction.atomic():
        kept = _mine(run).update(
            status=RunStatus.WAITING,
            worker="",
            lease_until=None,
            told=why,
            not_before=datetime.now(UTC) + RETRY_AFTER[run.attempts - 1],
        )
        if not kept:
            raise LeaseLost
        _add_line(run, why)


def _finish(run: JobRun, kind: Kind, status: RunStatus, said: dict[str, Any]) -> None:
    """The run's end, and the messages about it, in one transaction. Raises LeaseLost when it isn't ours any more."""
    with transaction.atomic():
        ended = _mine(run).update(status=status, finished_at=datetime.now(UTC), lease_until=None, told=said)
        if not ended:
            raise LeaseLost
        if status == RunStatus.FAILED:
            _add_line(run, said)
        _tell(run, kind, status, said)


def _give_up_dead(run: JobRun, kind: Kind) -> None:
    """End a run whose worker died in its last attempt."""
    why = told(_DIED, {"n": run.attempts})
    with transaction.atomic():
        dead = JobRun.objects.filter(
            pk=run.pk, worker=run.worker, status=RunStatus.RUNNING, lease_until__lt=Now()
        )
        if dead.update(status=RunStatus.FAILED, finished_at=datetime.now(UTC), lease_until=None, told=why):
            _add_line(run, why)
            _tell(run, kind, RunStatus.FAILED, why)


def _tell(run: JobRun, kind: Kind, status: RunStatus, said: dict[str, Any]) -> None:
    """Messages once when a job begins to fail and once when it works again."""
    job = Job.objects.select_for_update(of=("self",)).select_related("utility").get(pk=run.job_id)
    failed = status == RunStatus.FAILED
    if failed == (job.failing_since is not None):
        return
    job.failing_since = datetime.now(UTC) if failed else None
    job.save(update_fields=["failing_since"])
    outbox.tell_about_job(job, job.name or kind.name, run, said if failed else None)
