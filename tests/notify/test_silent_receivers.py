"""A receiver that falls silent is told about once, and once when it hears again, whatever ends the worker meanwhile."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import transaction

from avlas.job_kinds import KINDS
from avlas.meters.models import Collector, ReceiverHour
from avlas.notify import silent_receivers
from avlas.system import jobs, outbox
from avlas.system.job_kind import WorkerStopping
from avlas.system.models import Delivery, JobLine, JobRun, MailServer, User, Webhook

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass
class Said:
    """What the job writes into its log; stands for the run that it is given."""

    lines: list[str] = field(default_factory=list)

    def log(self, text: str, /, **values: object) -> None:
        self.lines.append(text % values)

    def check(self) -> None:
        pass


def hear(tower: Collector, at: datetime, telegrams: int) -> None:
    """The receiver hears so much in the hour that begins at ``at``, the last at its half."""
    ReceiverHour.objects.update_or_create(
        collector=tower, hour_at=int(at.timestamp()), defaults={"telegrams": telegrams, "seconds": 3600}
    )
    Collector.objects.filter(pk=tower.pk).update(last_heard_at=at + HOUR / 2)


@pytest.fixture
def tower(utility) -> Collector:
    """A receiver that hears 60 telegrams an hour, last of all at 11:30."""
    made = Collector.objects.create(utility=utility, name="Tornet", spec="cul:/dev/ttyUSB0", status="running")
    for hour in range(7 * 24, 2, -1):
        hear(made, NOW - hour * HOUR, 60)
    return made


@pytest.fixture
def anna(utility) -> User:
    return User.objects.create_user("anna@vattern.example", utility=utility, role="administrator")


def look(at: datetime, said: Said | None = None) -> list[str]:
    """Do the job at a moment; gives what it put into its log."""
    said = said or Said()
    with time_machine.travel(at, tick=False):
        silent_receivers.run(said)
    return said.lines


def events() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("event", flat=True))


def test_once_when_it_falls_silent_and_once_when_it_hears_again(tower, anna):
    User.objects.create_user("bo@vattern.example", utility=tower.utility, role="user")
    MailServer.objects.create(
        host="smtp.example", port=587, sender="a@b.example", site_address="https://avlas.example/"
    )
    assert look(NOW - 2.4 * HOUR) == []
    assert look(NOW) == ["Vätterns Energi: a receiver has fallen silent."]
    for minutes in (10, 300, 3000):
        assert look(NOW + timedelta(minutes=minutes)) == []
    told = Delivery.objects.get()
    assert (told.destination, told.utility, told.event) == (anna.email, tower.utility, "receiver.silent")
    assert told.subject == "Tornet hör ingenting"
    assert "sedan 2026-11-25 12:30 (Europe/Stockholm)" in told.body
    assert "150 telegram" in told.body
    assert "Ingen lyssnar på den" in told.body
    assert told.body.endswith(f"\n\nhttps://avlas.example/receivers/{tower.pk}/\n")
    later = NOW + 60 * HOUR
    hear(tower, later, 40)
    assert look(later + HOUR / 2) == ["Vätterns Energi: a receiver hears again."]
    assert look(later + HOUR / 2) == []
    again = Delivery.objects.latest("pk")
    assert again.subject == "Tornet hör igen"
    assert "tyst sedan 2026-11-25 12:30" in again.body
    for hour in range(3):
        hear(tower, later + hour * HOUR, 60)
    assert look(later + 10 * HOUR) == ["Vätterns Energi: a receiver has fallen silent."], (
        "the next silence is told"
    )


def test_a_telegram_now_and_then_does_not_end_a_silence(tower, anna):
    look(NOW)
    for hour in range(5):
        hear(tower, NOW + hour * HOUR, 3)
        assert look(NOW + hour * HOUR + 0.6 * HOUR) == []
        assert look(NOW + hour * HOUR + 0.95 * HOUR) == []
    assert events() == ["receiver.silent"]


def test_a_paused_one_is_left_alone(tower, anna):
    look(NOW)
    hear(tower, NOW, 60)
    Collector.objects.update(active=False)
    assert look(NOW + 0.6 * HOUR) == []
    Collector.objects.update(active=True)
    assert look(NOW + 0.6 * HOUR) == ["Vätterns Energi: a receiver hears again."]


def test_only_its_own_utility_is_told_each_in_its_language_and_its_webhooks(tower, anna):
    other = type(tower.utility).objects.create(name="Annan", slug="annan")
    User.objects.create_user("cia@annan.example", utility=other, role="administrator")
    eve = User.objects.create_user(
        "eve@vattern.example",
        utility=tower.utility,
        role="administrator",
        language="en",
        time_zone="UTC",
    )
    for owner in (tower.utility, other):
        Webhook.objects.create(utility=owner, name="x", url=f"https://{owner.slug}.example/", secret=b"x")
    look(NOW)
    rows = {row.destination: row for row in Delivery.objects.all()}
    assert set(rows) == {anna.email, eve.email, "https://vattern.example/"}
    assert rows[eve.email].subject == "Tornet hears nothing"
    assert "since 2026-11-25 11:30 (UTC)" in rows[eve.email].body
    event = json.loads(rows["https://vattern.example/"].body)
    assert event["type"] == "receiver.silent"
    assert event["data"] == {
        "receiver": tower.pk, "name": "Tornet", "since": "2026-11-25T11:30:00+00:00", "reason": "not_started",
        "usual": 150,
    }  # fmt: skip


def test_ended_in_the_middle_it_tells_all_or_nothing_and_then_nothing_twice(tower, anna, monkeypatch):
    """The worker dies before the last message is written, after it, and while another does the same."""

    def dies(*_args, **_more):
        raise WorkerStopping

    with monkeypatch.context() as broken:
        broken.setattr(outbox, "publish", dies)
        with pytest.raises(WorkerStopping):
            look(NOW)
    assert events() == []
    said = Said()
    said.log = dies
    with pytest.raises(WorkerStopping):
        look(NOW, said)
    assert events() == ["receiver.silent"]
    look(NOW + timedelta(minutes=10))
    with monkeypatch.context() as stale:
        stale.setattr(silent_receivers, "silences_told", dict)  # as seen before the other one's commit
        look(NOW + timedelta(minutes=10))
    assert events() == ["receiver.silent"]


@pytest.mark.django_db(transaction=True)
def test_it_is_a_standing_job(tower, anna):
    with time_machine.travel(NOW, tick=False):
        jobs.ensure_standing({"silent_receivers": KINDS["silent_receivers"]})
    with time_machine.travel(NOW + timedelta(minutes=11), tick=False), transaction.atomic():
        assert jobs.plan(KINDS, datetime.now(UTC)) == 1
    with time_machine.travel(NOW + timedelta(minutes=11)):
        assert jobs.work_once(KINDS, threading.Event())
    assert JobRun.objects.get().status == "done"
    assert JobLine.objects.get().text == "%(place)s: a receiver has fallen silent."
    assert events() == ["receiver.silent"]
