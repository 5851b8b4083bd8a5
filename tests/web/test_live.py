"""Streams of news: woken by new data on both databases, bound to the utility, over when the session is."""

from __future__ import annotations

import asyncio
import time

import pytest
from django.db import connections, transaction
from django.test import AsyncClient
from django.utils import timezone

from avlas.meters.journal import Written
from avlas.meters.models import Collector
from avlas.system import permissions
from avlas.system.models import JobLine, Permission, Role
from avlas.web import live, sessions
from avlas.web.pages import stream

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
PATIENCE = 60


def wrote(utility, *meters):
    with transaction.atomic():
        written = Written(utility.pk)
        for meter in meters:
            written.reading(meter.pk, 1_795_000_000, 0)
        written.append()


async def in_thread(function, *arguments):
    """Do something with the database, in a thread that then has no connection."""

    def do():
        try:
            return function(*arguments)
        finally:
            connections.close_all()

    return await asyncio.to_thread(do)


async def hears(listener, deed, *arguments):
    """What a listener hears of a deed; the deed is repeated until something is heard, as it may precede the look."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        await in_thread(deed, *arguments)
        if news := await listener.news(1.0):
            return news
    pytest.fail("nothing was heard")


@pytest.mark.usefixtures("watcher_ends")
def test_readings_wake_those_of_the_utility(north, south):
    mine, other = north.meters[:2]
    wanted = {"readings", f"meter:{mine.pk}"}

    async def listen():
        with (
            live.listening(north.utility.pk, wanted) as listener,
            live.listening(north.utility.pk, {f"meter:{other.pk}"}) as of_another_meter,
            live.listening(south.utility.pk, {"readings", "entries"}) as elsewhere,
            live.listening(north.utility.pk, {"entries"}) as reader,
        ):
            assert await hears(listener, wrote, north.utility, mine) == wanted
            entries = []
            while not entries:
                await reader.news(1.0)
                entries = reader.take_entries()
            assert {meter for entry in entries for meter in entry.meter_ids} == {mine.pk}
            assert await of_another_meter.news(0) == set()
            assert await elsewhere.news(0) == set()
            assert elsewhere.take_entries() == []
            assert await hears(of_another_meter, wrote, north.utility, other) == {f"meter:{other.pk}"}
        assert live.WATCHER.listeners == []

    asyncio.run(listen())


@pytest.mark.usefixtures("watcher_ends")
def test_a_slow_reader_is_told_that_it_missed_some(north, monkeypatch):
    monkeypatch.setattr(live, "_ENTRIES_KEPT", 1)

    async def listen():
        with live.listening(north.utility.pk, {"entries"}) as reader:
            while not reader.missed:
                await hears(reader, wrote, north.utility, north.meters[0])
            assert len(reader.take_entries()) == 1

    asyncio.run(listen())


@pytest.mark.usefixtures("watcher_ends")
def test_jobs_and_receivers_wake_those_of_the_utility(north, south):
    def job_says():
        JobLine.objects.create(run=north.run, at=timezone.now(), attempt=3, text="hello")
        north.run.status = "running"
        north.run.progress_done = (north.run.progress_done or 0) + 1
        north.run.save()

    def receiver_hears():
        one = Collector.objects.get(pk=north.collector.pk)
        one.telegrams += 1
        one.save()

    async def listen():
        subjects = {"jobs", "receivers"}
        with (
            live.listening(north.utility.pk, subjects) as listener,
            live.listening(south.utility.pk, subjects) as elsewhere,
        ):
            for one in (listener, elsewhere):  # the first look: all may be new
                first = set()
                while first != subjects:
                    first |= await one.news(1.0)
            assert await hears(listener, job_says) == {"jobs"}
            assert await hears(listener, receiver_hears) == {"receivers"}
            assert await elsewhere.news(0) == set()

    asyncio.run(listen())


def test_a_session_that_no_longer_stands_is_found(north, sign_in, rf, settings):
    client = sign_in(north.user)
    client.get("/")
    request = rf.get("/")
    request.user, request.session = north.user, client.session

    def stamp():
        return sessions.Stamp.of(request, permissions.of(north.user))

    opened = stamp()
    assert sessions.over_by_now({opened}) == {}

    permissions.change(
        north.utility, Role.USER, {Permission.DATA_ACCESS, Permission.READING_MANAGEMENT}, user=None
    )
    assert sessions.over_by_now({opened}) == {opened: "access"}
    opened = stamp()
    north.user.role = Role.SUPERUSER
    north.user.save()
    assert sessions.over_by_now({opened}) == {opened: "access"}
    opened = stamp()
    assert sessions.over_by_now({opened}) == {}

    settings.SESSION_IDLE_HOURS = -1
    session = client.session
    session[sessions.SEEN] = int(time.time()) - 10
    session.set_expiry(0)
    session.save()
    assert sessions.over_by_now({opened}) == {opened: "idle"}
    settings.SESSION_IDLE_HOURS = 12
    north.user.set_password("något helt annat")
    north.user.save()
    assert sessions.over_by_now({opened}) == {opened: "signed-out"}
    client.logout()
    assert sessions.over_by_now({opened}) == {opened: "signed-out"}


def test_who_may_open_a_stream(north, south, client, sign_in):
    assert client.get("/live/?on=readings").status_code == 302
    signed_in = sign_in(north.user)
    assert (
        signed_in.get("/live/?on=readings").status_code == 204
    )  # no stream over WSGI: the page asks by itself
    assert signed_in.get(f"/live/?on=meter:{north.meters[0].pk}").status_code == 204
    for nothing in ("", "?on=", "?on=everything", "?on=meter:x", f"?on=meter:{south.meters[0].pk}"):
        assert signed_in.get(f"/live/{nothing}").status_code == 404, nothing
    assert signed_in.post("/live/?on=readings").status_code == 405


@pytest.mark.usefixtures("watcher_ends")
def test_the_stream_says_what_is_new_until_the_session_ends(north, monkeypatch):
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.3)
    meter = north.meters[0]

    async def follow():
        client = AsyncClient()
        await client.aforce_login(north.user, backend=BACKEND)
        response = await client.get(
            f"/live/?on=meter:{meter.pk},jobs", headers={"Accept": "text/event-stream"}
        )
        assert response["Content-Type"].startswith("text/event-stream")
        assert response["X-Accel-Buffering"] == "no"
        events = aiter(response)
        assert (await anext(events)).decode().startswith("retry:")

        async def told(what, deed, *arguments):
            async with asyncio.timeout(PATIENCE):
                while True:
                    await in_thread(deed, *arguments)
                    said = (await anext(events)).decode()
                    if what in said:
                        return
                    assert said.startswith(":") or "data: jobs\n" in said, said  # still here; the first look

        await told(f"data: meter:{meter.pk}\n", wrote, north.utility, meter)
        await client.alogout()
        await told("event: end\ndata: signed-out\n", lambda: None)
        with pytest.raises(StopAsyncIteration):
            await anext(events)

        await client.aforce_login(north.user, backend=BACKEND)
        again = await client.get("/live/?on=readings", headers={"Last-Event-ID": "5"})
        events = aiter(again)
        await anext(events)
        assert b"data: readings\n" in await anext(events)  # after a gap everything may be new
        await events.aclose()

    asyncio.run(follow())
    connections.close_all()


def test_turns_are_given_at_a_steady_pace():
    turns = stream.Turns(50)
    waits = [turns.take() for _ in range(11)]
    assert waits == sorted(waits)
    assert 0.1 < waits[-1] <= 0.2


@pytest.mark.usefixtures("watcher_ends")
def test_streams_end_with_the_program(north, monkeypatch):
    watcher = live.Watcher()
    monkeypatch.setattr(live, "WATCHER", watcher)
    monkeypatch.setattr(
        stream, "TURNS", stream.Turns(1 / 3600)
    )  # the first has its turn, the next in an hour

    async def rest(events):
        return [one async for one in events]

    async def follow():
        client = AsyncClient()
        await client.aforce_login(north.user, backend=BACKEND)
        events = aiter(await client.get("/live/?on=jobs,receivers", headers={"Last-Event-ID": "1"}))
        await anext(events)
        assert b"event: news" in await anext(events)
        waits_for_its_turn = asyncio.ensure_future(rest(events))
        done, _ = await asyncio.wait([waits_for_its_turn], timeout=0.1)
        assert not done
        await in_thread(watcher.end_all)
        async with asyncio.timeout(PATIENCE):
            assert await waits_for_its_turn == []  # without "end": the browser comes again
        with live.listening(north.utility.pk, {"readings"}) as late:
            assert late.ended == live.STOPPING

    asyncio.run(follow())
    connections.close_all()
    until = time.monotonic() + PATIENCE
    while watcher._thread is not None:
        assert time.monotonic() < until
        time.sleep(0.02)
