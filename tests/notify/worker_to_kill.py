"""What a worker does, in a process of its own that may be killed at any moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Min

from avlas.meters import journal
from avlas.meters.models import Format, InfoEvent, Meter, Reading
from avlas.notify import notices, telling, watching
from avlas.notify.models import Alert, Firing, Notice, Notification, Watch
from avlas.notify.sending import send_one
from avlas.system import jobs, outbox
from avlas.system.job_kind import Context, Kind
from avlas.system.models import Delivery, Job, JobRun, MailServer, Utility, Webhook
from avlas.system.schedule import Schedule

START = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
LEASE = timedelta(seconds=0.4)
STEPS = 3
Tell = Callable[[Any], None]


def _write(context: Context) -> None:
    """Three messages, each in a transaction of its own: what is done twice must not be there twice."""
    for step in range(STEPS):
        with transaction.atomic():
            key = f"{context.job_id}/{context.due_at.isoformat()}/{step}"
            outbox.mail("x@y.example", key, "", utility=context.utility, event="test", key=key)
        context.log("step %(n)s", n=step)
        context.progress(step + 1, STEPS)


KINDS = {"write": Kind("write", "Write", "Writes.", _write)}


def make_jobs(_tell: Tell, count: int) -> None:
    utility = Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")
    for number in range(count):
        job = Job(utility=utility, kind="write", name=f"Job {number}")
        jobs.set_schedule(job, Schedule(every_minutes=1), START)
        job.save()


def do_jobs(tell: Tell, minutes: int) -> str:
    """Do everything that is due in so many minutes from START on; a minute passes when all of it is done."""
    tell("begun")
    end = START + timedelta(minutes=minutes)
    while True:
        now = min(Job.objects.aggregate(at=Min("next_due_at"))["at"], end)
        if not jobs.work_once(KINDS, threading.Event(), now, LEASE):
            if now == end and not JobRun.objects.filter(status__in=jobs.UNFINISHED).exists():
                return "done"
            time.sleep(0.02)


def look_at_jobs(_tell: Tell) -> tuple[list[tuple], list[str]]:
    runs = JobRun.objects.values_list("job_id", "due_at", "status", "attempts", "told")
    return list(runs), list(Delivery.objects.filter(event="test").values_list("key", flat=True))


def make_messages(_tell: Tell, data: str, count: int, smtp_port: int, url: str) -> None:
    settings.DATA = data
    utility = Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")
    MailServer.objects.create(host="127.0.0.1", port=smtp_port, security="none", sender="a@norrtuna.example")
    with transaction.atomic():
        secret = outbox.seal_webhook_secret(outbox.new_webhook_secret(), utility)
        Webhook.objects.create(utility=utility, name="W", url=url, secret=secret, own_machine=True)
        for number in range(count):
            outbox.mail(
                "x@y.example", f"{number}", "x\n", utility=utility, event="test", key=f"mail/{number}"
            )
            outbox.publish(utility, "test", {"number": number}, key=f"event/{number}")


def send_messages(tell: Tell, data: str) -> str:
    settings.DATA = data
    tell("begun")
    while True:
        if not send_one(datetime.now(UTC), LEASE):
            if not Delivery.objects.filter(status__in=outbox.UNFINISHED).exists():
                return "done"
            time.sleep(0.02)


def look_at_messages(_tell: Tell) -> list[tuple]:
    return list(Delivery.objects.order_by("pk").values_list("road", "event_id", "status", "attempts", "told"))


def make_alarms(_tell: Tell, count: int) -> None:
    """Meters of which each in turn reports a code and uses too much, an entry of the journal for each."""
    utility = Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")
    Notification.objects.create(
        utility=utility, who="address", road="mail", address="x@y.example", alerts=True, language="en"
    )
    watching.look_once(START)  # from here on
    form = Format.objects.create(spec='{"energy_heat_kwh": ["kWh", 0]}')
    for number in range(count):
        at = START + timedelta(hours=number)
        meter = Meter.objects.create(
            utility=utility, manufacturer="KAM", serial=f"7000{number:04}", family="multical_403"
        )
        Alert.objects.create(
            utility=utility, meter=meter, register="energy_heat_kwh", period="total", ceiling=5, from_at=START
        )
        with transaction.atomic():
            written = journal.Written(utility.pk)
            for hour in range(2):
                slot = at + timedelta(hours=hour)
                Reading.objects.create(
                    meter=meter, slot_at=slot, kind=0, heard_at=slot, source=1, format=form,
                    energy_heat_kwh=10 * hour,
                )  # fmt: skip
                written.reading(meter.pk, int(slot.timestamp()), 0)
            InfoEvent.objects.create(meter=meter, at=at, code_before=0, code=8)
            written.info_events([(meter.pk, int(at.timestamp()))], opened=True)
            written.append()


def tell_alarms(tell: Tell) -> str:
    """Follow the journal and write messages until all is told; each entry and each notice by itself."""
    watching._ENTRIES, telling.PAUSES, telling.TOGETHER = 1, (timedelta(0),), timedelta(0)
    tell("begun")
    now = START + timedelta(days=2)
    while True:
        worked = watching.look_once(now)
        if not (telling.tell_once(now) or worked):
            behind = Watch.objects.filter(cursor__lt=journal.newest()).exists()
            if not behind and not Notice.objects.filter(notices.waiting()).exists():
                return "done"
            time.sleep(0.02)


def look_at_alarms(_tell: Tell) -> tuple[list[tuple], list[str], int]:
    noted = Notice.objects.values_list("meter__serial", "what", "times")
    return list(noted), list(Delivery.objects.values_list("body", flat=True)), Firing.objects.count()
