"""Events as they come in: woken by new data, resumed without a gap, one utility's own, over when the token is."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from django.test import AsyncClient
from tests.web.api.conftest import program

from avlas.meters import journal
from avlas.system import tokens
from avlas.system.models import ApiToken
from avlas.web.api import events

PATIENCE = 60


@pytest.fixture
def _streams_end(watcher_ends, monkeypatch):
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.2)


async def in_thread(function, *arguments):
    def do():
        try:
            return function(*arguments)
        finally:
            connections.close_all()

    return await asyncio.to_thread(do)


async def take(stream, count):
    """The next ``count`` events of a stream; heartbeats are passed over."""
    found = []
    async with asyncio.timeout(PATIENCE):
        async for part in stream:
            fields = dict(
                line.split(": ", 1) for line in part.decode().strip().splitlines() if not line.startswith(":")
            )
            if "data" in fields:
                told = json.loads(fields["data"])
                assert (fields["id"], fields["event"]) == (told["id"], told["type"])
                found.append(told)
                if len(found) == count:
                    break
    return found


async def opened(token, **headers):
    sent = {"Authorization": f"Bearer {token}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    answer = await AsyncClient().get("/api/v1/events", headers=sent)
    assert answer.status_code == 200, answer.content
    return answer


@pytest.mark.usefixtures("_streams_end")
def test_told_as_soon_as_received_and_resumed_without_a_gap(north, south):
    token = program(north, "readings:read").token
    now = datetime.now(UTC)

    async def listen():
        answer = await opened(token)
        assert answer["Content-Type"].startswith("text/event-stream")
        stream = aiter(answer.streaming_content)
        await anext(stream)
        await in_thread(south.hear, south.fleet[:2], now - timedelta(hours=33))
        await in_thread(north.hear, north.fleet[:2], now - timedelta(hours=33))
        first = await take(stream, 2)
        await stream.aclose()
        await in_thread(north.hear, north.fleet[:2], now - timedelta(hours=34))
        again = await opened(token, Last_Event_ID=first[0]["id"])
        resumed = await take(again.streaming_content, 3)
        return first, resumed

    first, resumed = asyncio.run(listen())
    assert resumed[0] == first[1]
    serials = {meter.serial for meter in north.meters}
    assert {one["meter"]["serial"] for one in [*first, *resumed]} <= serials
    assert len({one["id"] for one in [*first, *resumed]}) == 4


@pytest.mark.usefixtures("_streams_end")
def test_a_revoked_token_ends_the_stream(north):
    token = program(north).token

    async def listen():
        stream = aiter((await opened(token)).streaming_content)
        await anext(stream)
        await in_thread(lambda: tokens.revoke(ApiToken.objects.get(name="Billing"), user=None))
        async with asyncio.timeout(PATIENCE):
            return [part async for part in stream]

    assert not [part for part in asyncio.run(listen()) if b"data" in part]


@pytest.mark.django_db
def test_what_is_no_stream(north, may):
    one = may(north)
    assert one.refused("GET", "/events", Last_Event_ID="x")[0] == 422
    assert one.refused("GET", "/events?types=nonsense")[0] == 422
    assert one.refused("GET", "/events")[0] == 503  # not an ASGI server
    assert one.refused("POST", "/events", {})[0] == 405
    assert may(north, "meters:read").refused("GET", "/events") == (403, "missing_scope")
    journal.prune(datetime.now(UTC) + timedelta(days=1), 0)
    assert one.refused("GET", "/events", Last_Event_ID="1") == (410, "cursor_too_old")
