"""``avlas work``, the real command: it does what is due, shares with others, and stops when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.meters import other_process

from avlas.system import jobs
from avlas.system.models import Job, JobRun
from avlas.system.schedule import Schedule

pytestmark = pytest.mark.django_db


def make_due(_tell):
    for _ in range(3):
        job = Job(kind="housekeeping", name="Tidy")
        jobs.set_schedule(job, Schedule(every_minutes=1440), datetime.now(UTC) - timedelta(days=2))
        job.save()


def runs(_tell):
    return [(run.status, run.attempts, run.lines.count()) for run in JobRun.objects.order_by("pk")]


def standing(_tell):
    return list(Job.objects.filter(standing=True).values_list("kind", flat=True))


def wait_until_it_listens(worker):
    """Until the process has its own answer to SIGTERM: one that another worker left no job may still be starting."""
    for _ in range(600):
        with Path(f"/proc/{worker.pid}/status").open(encoding="utf-8") as file:
            caught = next(int(line.split()[1], 16) for line in file if line.startswith("SigCgt"))
        if caught >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.1)
    pytest.fail("the worker never listened for SIGTERM")


def start(address, tmp_path, *arguments):
    environment = os.environ | {"AVLAS_DATABASE": address, "AVLAS_DATA": str(tmp_path / "data")}
    return subprocess.Popen([sys.executable, "-m", "avlas", "work", *arguments], env=environment)


def test_once_does_what_is_due_and_ends(tmp_path):
    with other_process.database("once", tmp_path) as address:
        other_process.do(address, make_due)
        assert start(address, tmp_path, "--once").wait(60) == 0
        assert "housekeeping" in other_process.do(address, standing)
        found = other_process.do(address, runs)
    assert [(status, attempts) for status, attempts, _ in found] == [("done", 1)] * 3
    assert all(lines >= 1 for *_, lines in found)


def test_several_workers_share_and_stop_when_told(tmp_path):
    with other_process.database("several", tmp_path) as address:
        other_process.do(address, make_due)
        workers = [start(address, tmp_path) for _ in range(2)]
        for _ in range(150):
            found = other_process.do(address, runs)
            if len(found) == 3 and {status for status, *_ in found} == {"done"}:
                break
            time.sleep(0.2)
        for worker in workers:
            wait_until_it_listens(worker)
            worker.send_signal(signal.SIGTERM)
        assert [worker.wait(30) for worker in workers] == [0, 0]
    assert [(status, attempts) for status, attempts, _ in found] == [("done", 1)] * 3
