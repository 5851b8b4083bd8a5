"""Jobs: planned once, done once, at most three times tried, told about once per streak."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import transaction
from django.db.models.functions import Now

from avlas.system import jobs
from avlas.system.job_kind import Interrupted, JobFailed, Kind, LeaseLost, Parameter
from avlas.system.models import Delivery, Job, JobLine, JobRun, Role, RunStatus, User, Webhook
from avlas.system.schedule import Schedule
from avlas.system.told import in_words

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
NEVER = threading.Event()


class Work:
    """A kind whose function does what the test says; ``seen`` are the contexts it was given."""

    def __init__(self):
        self.seen = []
        self.does = lambda context: context.log("done")
        self.kind = Kind("test", "Testing", "Tests.", self._run, (Parameter("depth", "Depth", "number", 3),))
        self.kinds = {"test": self.kind}

    def _run(self, context):
        self.seen.append(context)
        self.does(context)

    def once(self, now=NOW, stopping=NEVER):
        return jobs.work_once(self.kinds, stopping, now)


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def job(utility):
    made = Job(utility=utility, kind="test", name="Nightly")
    jobs.set_schedule(made, Schedule(every_minutes=10), NOW - timedelta(minutes=10))
    made.save()
    return made


def fail(context):
    raise JobFailed("The folder %(name)s is missing.", name="/out")


def three_failures(work, now=NOW):
    """Let the job fail until it is given up; gives the run."""
    for _ in range(3):
        assert work.once(now)
        JobRun.objects.filter(status=RunStatus.WAITING).update(not_before=now)
    return JobRun.objects.latest("pk")


def test_a_due_job_runs_once_and_says_so(work, job):
    assert work.once()
    assert not work.once()
    run = JobRun.objects.get()
    assert (run.status, run.due_at, run.attempts) == (RunStatus.DONE, NOW, 1)
    assert run.told == {"text": "done", "values": {}}
    job.refresh_from_db()
    assert job.next_due_at == NOW + timedelta(minutes=10)
    context = work.seen[0]
    assert (context.due_at, context.utility, context.parameters) == (NOW, job.utility, {"depth": 3})


def test_what_was_missed_becomes_one_run_of_the_latest_time(work, job):
    assert jobs.plan(work.kinds, NOW + timedelta(minutes=35)) == 1
    assert work.once(NOW + timedelta(minutes=35))
    assert not work.once(NOW + timedelta(minutes=35))
    run = JobRun.objects.get()
    assert run.due_at == NOW + timedelta(minutes=30)
    assert [in_words({"text": line.text, "values": line.values}) for line in run.lines.all()] == [
        "3 earlier times were missed; this run stands for them as well.",
        "done",
    ]


def test_runs_of_a_job_never_overlap_and_the_next_one_waits(work, job):
    def meanwhile(context):
        assert jobs.plan(work.kinds, NOW + timedelta(minutes=25)) == 0
        assert jobs.claim(work.kinds, NOW + timedelta(minutes=25)) is None
        with transaction.atomic():
            assert jobs.run_now(job, None) is None

    work.does = meanwhile
    assert work.once()
    assert work.seen
    assert JobRun.objects.get().status == RunStatus.DONE
    work.does = lambda context: None
    assert work.once(NOW + timedelta(minutes=25))
    assert JobRun.objects.latest("pk").due_at == NOW + timedelta(minutes=20)


def test_a_paused_job_is_not_due_but_can_be_run_now(work, job, administrator):
    Job.objects.update(active=False)
    assert not work.once()
    with transaction.atomic():
        run = jobs.run_now(job, administrator)
    assert work.once(datetime.now(UTC))
    run.refresh_from_db()
    assert (run.status, run.asked_by) == (RunStatus.DONE, administrator)


def test_only_one_worker_gets_a_run(work, job):
    jobs.plan(work.kinds, NOW)
    first, second = jobs.claim(work.kinds, NOW), jobs.claim(work.kinds, NOW)
    assert first is not None
    assert second is None
    assert jobs.claim({}, NOW) is None


def test_a_failure_is_tried_three_times_with_pauses(work, job):
    work.does = fail
    began = datetime.now(UTC)
    assert work.once()
    run = JobRun.objects.get()
    assert (run.status, run.attempts, in_words(run.told)) == (
        RunStatus.WAITING, 1, "The folder /out is missing.",
    )  # fmt: skip
    assert run.not_before >= began + jobs.RETRY_AFTER[0]
    assert not work.once()  # not before its time
    for _ in range(2):
        JobRun.objects.update(not_before=NOW)
        assert work.once()
    run.refresh_from_db()
    assert (run.status, run.attempts) == (RunStatus.FAILED, 3)
    assert run.lines.count() == 3
    assert not work.once()


def test_an_error_in_the_program_is_a_failure_too(work, job, caplog):
    work.does = lambda context: 1 / 0
    work.once()
    run = JobRun.objects.get()
    assert in_words(run.told) == "An error in the program: ZeroDivisionError: division by zero"
    assert run.status == RunStatus.WAITING


def test_a_dead_workers_run_is_begun_again_and_given_up_after_the_third(work, job, administrator):
    jobs.plan(work.kinds, NOW)
    for attempt in (1, 2, 3):
        assert jobs.claim(work.kinds, NOW).attempts == attempt
        assert jobs.claim(work.kinds, NOW) is None  # its lease holds
        JobRun.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert jobs.claim(work.kinds, NOW) is None
    run = JobRun.objects.get()
    assert run.status == RunStatus.FAILED
    assert in_words(run.told) == "The program ended during the work, 3 times. It is not tried again."
    assert Delivery.objects.filter(event="job.failed").count() == 1


def test_a_worker_that_lost_its_run_changes_nothing_more(work, job):
    def taken_over(context):
        JobRun.objects.update(lease_until=Now() - timedelta(seconds=1))
        assert jobs.claim(work.kinds, NOW) is not None

    work.does = taken_over
    assert work.once()
    run = JobRun.objects.get()
    assert (run.status, run.attempts) == (RunStatus.RUNNING, 2)  # the other one's


def test_the_lease_is_renewed_and_its_loss_is_an_exception(work, job):
    jobs.plan(work.kinds, NOW)
    run = jobs.claim(work.kinds, NOW, timedelta(seconds=0.4))
    met = []

    def wait(context):
        before = JobRun.objects.get().lease_until
        for _ in range(200):
            if JobRun.objects.get().lease_until > before:
                break
            NEVER.wait(0.02)
        else:
            pytest.fail("the lease was not renewed")
        JobRun.objects.update(worker="another")
        for _ in range(200):
            try:
                context.check()
            except LeaseLost:
                met.append("lost")
                raise
            NEVER.wait(0.02)

    work.does = wait
    jobs.execute(run, work.kind, NEVER, timedelta(seconds=0.4))
    assert met == ["lost"]
    assert JobRun.objects.get().worker == "another"


def test_a_worker_that_is_stopped_gives_its_run_back(work, job):
    stopping = threading.Event()

    def stopped(context):
        stopping.set()
        with pytest.raises(Interrupted):
            context.progress(1, 2)
        context.log("never said")

    work.does = stopped
    assert work.once(stopping=stopping)
    run = JobRun.objects.get()
    assert (run.status, run.attempts, run.worker) == (RunStatus.WAITING, 0, "")
    assert not JobLine.objects.exists()
    work.does = lambda context: None
    assert work.once()


def test_progress_is_seen_while_it_runs(work, job):
    seen = []

    def step(context):
        context.progress(1, 4)
        seen.append(JobRun.objects.values_list("progress_done", "progress_total").get())
        context.progress(2, 4)  # within the second: not written
        seen.append(JobRun.objects.values_list("progress_done", "progress_total").get())
        context.progress(4, 4)

    work.does = step
    work.once()
    assert seen == [(1, 4), (1, 4)]
    assert JobRun.objects.get().progress_done == 4


def test_it_is_told_once_that_a_job_fails_and_once_that_it_works_again(work, job, administrator):
    User.objects.create_user("bo@example.se", utility=job.utility, role=Role.USER)
    work.does = fail
    three_failures(work)
    three_failures(work, NOW + timedelta(minutes=10))
    told = Delivery.objects.get()
    assert (told.destination, told.event, told.utility) == (administrator.email, "job.failed", job.utility)
    assert told.subject == "Nightly misslyckades"
    assert "Orsak: The folder /out is missing." in told.body
    assert "2026-11-25 13:00 (Europe/Stockholm)" in told.body
    work.does = lambda context: None
    for minutes in (20, 30):
        work.once(NOW + timedelta(minutes=minutes))
    assert list(Delivery.objects.order_by("pk").values_list("event", flat=True)) == [
        "job.failed", "job.recovered",
    ]  # fmt: skip
    work.does = fail
    three_failures(work, NOW + timedelta(minutes=40))
    assert Delivery.objects.filter(event="job.failed").count() == 2


def test_a_jobs_own_addresses_are_told_each_in_its_language_and_webhooks_as_well(work, job, administrator):
    administrator.language = "en"
    administrator.save()
    job.tell = ["drift@example.se", administrator.email]
    job.save()
    with transaction.atomic():
        Webhook.objects.create(
            utility=job.utility, name="Driftcentral", url="https://x.example/", secret=b"x"
        )
        other = type(job.utility).objects.create(name="Annan", slug="annan")
        Webhook.objects.create(utility=other, name="Annan", url="https://y.example/", secret=b"x")
    work.does = fail
    three_failures(work)
    assert {row.destination: row.subject for row in Delivery.objects.all()} == {
        "drift@example.se": "Nightly misslyckades",
        administrator.email: "Nightly failed",
        "https://x.example/": "",
    }


def test_the_installations_jobs_tell_who_runs_the_installation(work, job, administrator):
    other = User.objects.create_user("it@example.se", utility=job.utility, runs_installation=True)
    Job.objects.update(utility=None)
    work.does = fail
    three_failures(work)
    assert Delivery.objects.get().destination == other.email


def test_a_job_of_a_later_version_or_without_sense_stops_no_other(work, job):
    Job.objects.create(utility=job.utility, kind="later", cron="0 3 * * *", next_due_at=NOW)
    broken = Job.objects.create(utility=job.utility, kind="test", cron="no sense", next_due_at=NOW)
    assert work.once()
    assert not work.once()
    assert JobRun.objects.get().job == job
    broken.refresh_from_db()
    assert broken.active is False


def test_whatever_a_job_says_can_be_stored(work, job):
    def says(context):
        context.log("%(at)s %(path)s", at=NOW, path=Path("/x"))
        raise JobFailed("%(odd)s", odd="a\0b")

    work.does = says
    work.once()
    assert JobRun.objects.get().told["values"] == {"odd": "a\ufffdb"}
    assert in_words(vars(JobLine.objects.first())) == "2026-11-25 12:00:00+00:00 /x"


def test_standing_jobs_are_made_once(utility):
    kind = Kind("standing", "Standing", "Stands.", lambda context: None, standing=Schedule(cron="0 2 * * *"))
    for _ in range(2):
        jobs.ensure_standing({"standing": kind})
    job = Job.objects.get()
    assert (job.cron, job.utility, job.active) == ("0 2 * * *", None, True)
    assert job.next_due_at > datetime.now(UTC)


def test_old_runs_are_forgotten_but_not_the_newest(job, monkeypatch):
    monkeypatch.setattr(jobs, "_NEWEST", 3)
    monkeypatch.setattr(jobs, "_CHUNK", 2)
    for number in range(9):
        at = NOW - timedelta(days=100 - number)
        JobRun.objects.create(job=job, due_at=at, not_before=at, status=RunStatus.DONE, finished_at=at)
    assert jobs.forget_old_runs(NOW) == 6
    assert JobRun.objects.count() == 3
    assert jobs.forget_old_runs(NOW) == 0
