"""Workers killed again and again, two at a time: no work is lost or doubled, no mail is sent twice."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import timedelta

import pytest
from tests.meters import other_process
from tests.meters.other_process import Other, do

from . import worker_to_kill as worker

pytestmark = pytest.mark.django_db

JOBS, MINUTES = 3, 7
MESSAGES = 16
ALARMS = 10
KILLS = 8
LONGEST_LIFE_SECONDS = 0.25


def kill_workers(address, function, *arguments):
    """Start pairs of workers and kill each at a random moment; then let one finish. Gives how many died at work.

    The first pair dies as it begins, the later ones live longer and longer: a quick machine would else be done before.
    """
    chance = random.Random(20261125)
    died, pairs = 0, KILLS // 2
    for turn in range(pairs):
        pair = [Other(address, function, *arguments) for _ in range(2)]
        for other in pair:
            assert other.ear.recv() == "begun"
        for other in pair:
            time.sleep(chance.random() * LONGEST_LIFE_SECONDS * turn / (pairs - 1))
            other.process.kill()
        died += sum("done" not in other.said() for other in pair)
    assert do(address, function, *arguments) == "done"
    return died


def test_each_due_time_is_done_once_and_nothing_in_it_twice(tmp_path):
    with other_process.database("jobs", tmp_path) as address:
        do(address, worker.make_jobs, JOBS)
        died = kill_workers(address, worker.do_jobs, MINUTES)
        runs, keys = do(address, worker.look_at_jobs)
    assert died >= 2  # they were at work
    due = [worker.START + timedelta(minutes=minute) for minute in range(1, MINUTES + 1)]
    by_job = Counter(job for job, *_ in runs)
    assert sorted(at for _, at, *_ in runs) == sorted(due * JOBS)
    assert set(by_job.values()) == {MINUTES}
    assert len(keys) == len(set(keys))
    done = Counter(key.rpartition("/")[0] for key in keys)
    for job, at, status, attempts, told in runs:
        if status == "failed":  # a run whose worker was killed three times
            assert attempts == 3
            assert "program ended" in told["text"]
        else:
            assert (status, done[f"{job}/{at.isoformat()}"]) == ("done", worker.STEPS)


def test_no_mail_goes_twice_and_no_event_is_lost_or_out_of_order(tmp_path, smtp, http):
    mailbox, requests = smtp(), http()
    mailbox.pause_seconds = 0.01  # the server thinks it over: time to be killed in
    data = str(tmp_path / "data")
    with other_process.database("messages", tmp_path) as address:
        do(address, worker.make_messages, data, MESSAGES, mailbox.port, requests.url)
        died = kill_workers(address, worker.send_messages, data)
        rows = do(address, worker.look_at_messages)
    assert died >= 2
    received = Counter(mailbox.ids)
    mails = {str(event): status for road, event, status, *_ in rows if road == "mail"}
    events = [str(event) for road, event, *_ in rows if road == "webhook"]
    assert len(mails) == len(events) == MESSAGES
    assert max(received.values()) == 1
    for event, status in mails.items():
        assert status in ("sent", "unsure")
        assert received[event] == 1 or status == "unsure"
    assert {status for road, _, status, *_ in rows if road == "webhook"} == {"sent"}
    got = [headers["webhook-id"] for _, headers, _ in requests.got]
    assert list(dict.fromkeys(got)) == events
    assert all(got[n] in (got[n - 1], *events[len(set(got[:n])) :][:1]) for n in range(1, len(got)))


def test_no_alarm_is_lost_or_told_twice(tmp_path):
    with other_process.database("alarms", tmp_path) as address:
        do(address, worker.make_alarms, ALARMS)
        died = kill_workers(address, worker.tell_alarms)
        noted, bodies, fired = do(address, worker.look_at_alarms)
    assert died >= 2
    assert fired == ALARMS
    codes = Counter(serial for serial, what, _times in noted if not what.startswith("alert/"))
    alerts = Counter(serial for serial, what, _times in noted if what.startswith("alert/"))
    assert len(codes) == len(alerts) == ALARMS
    assert set(codes.values()) == set(alerts.values()) == {1}
    lines = [line for body in bodies for line in body.splitlines() if "KAM 7000" in line]
    assert len(lines) == len(set(lines)) == 2 * ALARMS
