"""Two utilities with the same kinds of things: real telegrams through ingest, keys, receivers, people."""

from __future__ import annotations

import asyncio
import time
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

    from avlas.meters.models import Collector, Customer, Meter, MeteringPoint
    from avlas.simulate.meter import SimulatedMeter
    from avlas.system.models import Job, JobRun, User, Utility

PASSWORD = "en ganska lång fras"


@dataclass
class World:
    """One utility and everything in it. ``mark`` is a word that stands in all its names.

    A twin has the other's names, serials and customers (``named``); its mark stands in what only its people know.
    """

    mark: str
    named: str
    utility: Utility
    administrator: User
    superuser: User
    user: User
    collector: Collector
    fleet: list[SimulatedMeter] = field(default_factory=list)
    meters: list[Meter] = field(default_factory=list)
    point: MeteringPoint = None
    customer: Customer = None
    job: Job = None
    run: JobRun = None

    def hear(self, senders: list[SimulatedMeter], *moments: datetime, info_code: int = 0) -> None:
        """Take in a telegram of each sender at each moment, as a receiver would hand it over."""
        from avlas.meters.ingest import TelegramBatch, ingest
        from avlas.simulate import samples

        frames, at = [], []
        for moment in moments:
            for sender in senders:
                day, first = samples.month_start(sender, moment)
                frames.append(
                    sender.telegram(
                        samples.values(sender, moment, 1), moment, info_code=info_code,
                        target_at=day, target=samples.values(sender, first, 1), compact=False,
                    )
                )  # fmt: skip
                at.append(moment.timestamp())
        ingest(TelegramBatch(self.collector.pk, frames, np.array(at), np.full(len(at), -71, np.float32)))

    def jobs_and_messages(self) -> None:
        """A job that has failed, what was told about it, and a webhook."""
        from avlas.system import jobs, outbox
        from avlas.system.models import Job, JobLine, JobRun, RunStatus, Webhook
        from avlas.system.schedule import Schedule

        now = datetime.now(UTC)
        told = {"text": "The database could not be used: %(error)s", "values": {"error": f"{self.mark} full"}}
        with transaction.atomic():
            secret = outbox.seal_webhook_secret(outbox.new_webhook_secret(), self.utility)
            Webhook.objects.create(
                utility=self.utility,
                name=f"{self.named} central",
                url=f"https://hook.example/{self.mark}",
                secret=secret,
            )
            self.job = Job(utility=self.utility, kind="housekeeping", name=f"{self.named} nattjobb")
            jobs.set_schedule(self.job, Schedule(cron="30 6 * * 1-5"))
            self.job.failing_since = now
            self.job.save()
            self.run = JobRun.objects.create(
                job=self.job, due_at=now - timedelta(minutes=2), not_before=now, status=RunStatus.FAILED,
                attempts=3, told=told, started_at=now - timedelta(seconds=90), finished_at=now,
            )  # fmt: skip
            JobLine.objects.create(run=self.run, at=now, attempt=3, **told)
            outbox.tell_about_job(self.job, self.job.name, self.run, told)

    def import_a_table(self) -> None:
        """A file of customers, checked, of which nothing is taken in; and a saved mapping."""
        from avlas.system.models import KeptSecret
        from avlas.transfer.imports.models import (
            Import,
            ImportFile,
            ImportMapping,
            ImportRow,
            ImportStatus,
            KeyFilePassword,
            Verdict,
        )

        with transaction.atomic():
            kept = KeptSecret.keep(self.utility, "hemligt")
        KeyFilePassword.objects.create(utility=self.utility, name=f"{self.mark} leverans", secret=kept)
        ImportMapping.objects.create(
            utility=self.utility, kind="register", name=f"{self.mark} kunder",
            settings={"columns": [["Kundnr", "customer.number"]]},
        )  # fmt: skip
        checked = Import.objects.create(
            utility=self.utility, kind="register", name=f"{self.mark}.csv", size=9, sha256="0" * 64,
            status=ImportStatus.CHECKED, counts={"rows": 1, "refused": 1},
        )  # fmt: skip
        fault = {
            "column": "Namn",
            "value": self.mark,
            "text": "The customer number is missing.",
            "values": {},
        }
        ImportFile.objects.create(of=checked, packed=zlib.compress(b"Kundnr;Namn\n;x\n"))
        ImportRow.objects.create(of=checked, line=2, verdict=Verdict.REFUSED, faults=[fault])

    def store_keys(self, senders: list[SimulatedMeter]) -> None:
        from avlas.meters import keys
        from avlas.meters.key_text import KeyEntry

        entries = [KeyEntry(s.type.manufacturer, s.identification, s.key) for s in senders]
        keys.store(self.utility, entries, source=f"{self.mark}.kem", who=keys.Who(self.administrator))


def make_world(mark: str, seed: int, named: str = "", heat: str = "multical403") -> World:
    """A utility with two read meters, one without a key and one that is heard but not adopted."""
    from avlas.meters.adopt import adopt
    from avlas.meters.models import (
        Collector,
        Customer,
        Exchange,
        Group,
        GroupMember,
        Installation,
        MeteringPoint,
        MeterState,
        Occupancy,
        Photo,
        ValveRequest,
    )
    from avlas.notify.models import Alert, Notification
    from avlas.reports.models import SavedReport
    from avlas.simulate import samples
    from avlas.simulate.layouts import meter_type
    from avlas.simulate.meter import SimulatedMeter
    from avlas.system import tokens
    from avlas.system.models import User, Utility
    from avlas.transfer.exports.layout import to_data
    from avlas.transfer.exports.ready_made import READY_MADE
    from avlas.transfer.models import ExportTemplate, Place, Receipt

    named = named or mark
    utility = Utility.objects.create(name=f"{mark} Energi", slug=mark.lower())
    people = {
        role: User.objects.create_user(
            f"{role}@{mark.lower()}.example",
            PASSWORD,
            utility=utility,
            role=role,
            first_name=mark,
            last_name=role,
            runs_installation=role == "administrator" and not User.objects.exists(),  # the first one does
        )
        for role in ("administrator", "superuser", "user")
    }
    collector = Collector.objects.create(
        utility=utility, name=f"{named} torn", spec=f"im871a:/dev/tty{mark}", status="running"
    )
    world = World(mark, named, utility, **people, collector=collector)
    world.fleet = [
        SimulatedMeter(meter_type(heat), one.identification, one.key, one.access_number)
        for one in samples.meters("multical403", 3, seed)
    ] + samples.meters("multical21", 1, seed)
    now = datetime.now(UTC)
    world.store_keys([world.fleet[0], world.fleet[1]])
    world.hear(world.fleet, now - timedelta(days=3))
    states = MeterState.objects.filter(
        utility=utility, identification__in=[sender.identification for sender in world.fleet[:3]]
    )
    world.meters = sorted(
        adopt(utility, states, people["administrator"]),
        key=lambda meter: [sender.identification for sender in world.fleet].index(meter.serial),
    )
    world.hear(world.fleet, *(now - timedelta(days=2, hours=-6 * n) for n in range(7)))
    world.hear([world.fleet[0], *world.fleet[2:]], now - timedelta(minutes=5))
    world.hear(world.fleet[1:2], now - timedelta(minutes=4), info_code=8)
    world.point = MeteringPoint.objects.create(
        utility=utility,
        facility_id=f"{seed}00",
        address=f"{mark}gatan 7",
        postal_code="421 01",
        city=f"{mark}stad",
    )
    world.customer = Customer.objects.create(
        utility=utility, number=f"{named}-1", name=f"{named} Öberg", email=f"oberg@{mark.lower()}.example"
    )
    Occupancy.objects.create(point=world.point, customer=world.customer, from_at=now - timedelta(days=90))
    place = Installation.objects.create(
        point=world.point, meter=world.meters[0], from_at=now - timedelta(days=60)
    )
    Exchange.objects.create(utility=utility, old=place, reason=f"{mark} revision")
    Photo.objects.create(utility=utility, point=world.point, note=f"{mark} källare", content=b"", small=b"")
    group = Group.objects.create(utility=utility, name=f"{named} centrum", note=f"{mark} och runtom")
    ValveRequest.objects.create(
        utility=utility, meter=world.meters[0], point=world.point, wish="refresh", state="queued", asked_at=now,
        asked_by=people["administrator"], explanation=f"{mark} undrar",
    )  # fmt: skip
    GroupMember.objects.create(group=group, meter=world.meters[1])
    SavedReport.objects.create(utility=utility, kind="heat_report", name=f"{named} retur")
    world.import_a_table()
    Place.objects.create(utility=utility, kind="folder", name=f"{mark} debitering", folder="/nowhere")
    layout = to_data(READY_MADE["billing"].layout)
    export = ExportTemplate.objects.create(utility=utility, name=f"{mark} export", layout=layout)
    Receipt.objects.create(
        utility=utility,
        template=export,
        template_name=export.name,
        key=f"once/{mark}",
        start_at=now,
        end_at=now,
    )
    Notification.objects.create(
        utility=utility,
        who="address",
        road="mail",
        address=f"drift@{mark.lower()}.example",
        subject=f"{mark} larm",
    )
    Alert.objects.create(
        utility=utility,
        meter=world.meters[0],
        register="energy_heat_kwh",
        period="day",
        ceiling=1e6,
        from_at=now,
    )
    world.jobs_and_messages()
    tokens.create(utility, f"{named} fakturering", ["telegrams:write"], created_by=people["administrator"])
    return world


@pytest.fixture
def north(db: None) -> World:
    return make_world("Nordby", 11)


@pytest.fixture
def south(db: None) -> World:
    return make_world("Söderby", 12)


def make_twin(of: World) -> World:
    return make_world("Tvillby", 11, of.named, "multical603")


@pytest.fixture
def twin(north: World) -> World:
    """Another utility with the same serials, customers, groups, reports and jobs, in a town called Tvillby.

    The meters are of another type: where the radio address is the same too, both are told that it is contested.
    """
    return make_twin(north)


@pytest.fixture
def sign_in(client: Client):
    """Give a function that signs a user in and returns the client."""

    def as_user(user: User) -> Client:
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return as_user


@pytest.fixture(autouse=True)
def _quick_passwords(settings) -> None:
    """Argon2 is slow on purpose; here only its speed is in the way."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """What ingest keeps in memory belongs to the database of one test."""
    from avlas.meters import formats, layouts
    from avlas.meters.directory import Directory
    from avlas.web.pages import meter_list

    for forget in (Directory.forget, formats.forget, layouts.forget, meter_list.media_of.cache_clear):
        forget()
    yield
    for forget in (Directory.forget, formats.forget, layouts.forget):
        forget()


@pytest.fixture
def watcher_ends(transactional_db, monkeypatch) -> Iterator[None]:
    """What streams leave behind ends before the database is put back: the watcher, the requests' connections."""
    from avlas.web import live

    monkeypatch.setattr(live, "_STAYS_SECONDS", 0.0)
    monkeypatch.setattr(live, "_LOOK_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(live, "_SESSIONS_EVERY_SECONDS", 0.05)
    yield
    asyncio.run(sync_to_async(connections.close_all)())  # in the thread that AsyncClient's requests share
    until = time.monotonic() + 60
    while live.WATCHER._thread is not None:
        assert time.monotonic() < until, "the watcher goes on without listeners"
        time.sleep(0.02)
