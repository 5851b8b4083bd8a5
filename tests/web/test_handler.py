"""Requests are answered in threads that are kept with their connections; streams have none, and end with the server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pytest
from django.db import connection, connections
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

from avlas.web.handler import Handler, Threads

PATIENCE = 60


def told(_request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse(f"{threading.get_ident()} {id(connection.connection)}")


async def _endless():
    while True:
        yield f"{sum(one.name.startswith('request') for one in threading.enumerate())}\n"
        await asyncio.sleep(0.01)


def streamed(_request):
    return StreamingHttpResponse(_endless())


def broken(_request):
    raise RuntimeError("on purpose")


urlpatterns = [path("told/", told), path("streamed/", streamed), path("broken/", broken)]


class Asked:
    """A request as a web server makes it; ``leave`` is the browser that goes away."""

    def __init__(self, handler, where, body=()):
        self.said, self._gone = [], asyncio.Event()
        self._parts = [*body, b""]
        scope = {
            "type": "http", "method": "POST" if body else "GET", "path": where, "query_string": b"", "scheme": "http",
            "headers": [(b"host", b"testserver")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        }  # fmt: skip
        self.task = asyncio.ensure_future(handler(scope, self._receive, self._send))

    async def _receive(self):
        if self._parts:
            part = self._parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(self._parts)}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        self.said.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self._gone.set()

    async def leave(self):
        self._gone.set()
        await self.task

    @property
    def body(self):
        return b"".join(one.get("body", b"") for one in self.said).decode()


@pytest.fixture
def handler(transactional_db, settings):
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []
    made = Handler()
    made._minds_signals = True  # the tests' own are none of its business
    yield made
    for thread in (*made._threads._idle, made._threads.closing):
        thread.submit(connections.close_all)
        thread.shutdown()


def test_one_thread_and_connection_after_the_other_request(handler, monkeypatch):
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 300)

    async def ask():
        answers = set()
        for _ in range(3):
            asked = Asked(handler, "/told/", [b"a", b"b"])
            await asked.task
            answers.add(asked.body)
        broke = Asked(handler, "/broken/")
        await broke.task
        assert broke.said[0]["status"] == 500
        return answers

    assert len(asyncio.run(ask())) == 1
    assert len(handler._threads._idle) == 1


def test_many_streams_hold_no_thread(handler):
    async def ask():
        open_ones = [Asked(handler, "/streamed/") for _ in range(100)]
        async with asyncio.timeout(PATIENCE):
            while not all(one.body for one in open_ones):
                await asyncio.sleep(0.01)
            answered = Asked(handler, "/told/")
            await answered.task
        assert answered.said[0]["status"] == 200
        assert len(handler._threads._idle) <= 8
        assert not any(one.task.done() for one in open_ones)
        for one in open_ones:
            await one.leave()

    asyncio.run(ask())


def test_more_requests_than_threads_wait_and_a_rush_leaves_few():
    async def lend():
        threads = Threads(most=3, kept=1)
        lent = [await threads.take() for _ in range(3)]
        waits = asyncio.ensure_future(threads.take())
        await asyncio.sleep(0)
        assert not waits.done()
        for one in lent:
            threads.give_back(one)
        assert await waits is lent[0]
        threads.give_back(lent[0])
        assert threads._idle == [lent[0]] or threads._idle == []
        with pytest.raises(RuntimeError):
            lent[2].submit(print)
        lent[0].shutdown()
        threads.closing.shutdown()

    asyncio.run(lend())


@pytest.mark.one_database
def test_the_server_stops_while_streams_are_open(transactional_db, north, sign_in):
    session = sign_in(north.user).session.session_key
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "avlas", "web", "--listen", f"127.0.0.1:{port}"],
        env=os.environ | {"AVLAS_ALLOWED_HOSTS": "127.0.0.1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/live/?on=jobs",
            headers={"Accept": "text/event-stream", "Cookie": f"sessionid={session}"},
        )
        until, opened = time.monotonic() + PATIENCE, None
        while opened is None:
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < until, "the server never answered"
            with contextlib.suppress(OSError):
                opened = urllib.request.urlopen(asked, timeout=PATIENCE)
        with opened:
            assert opened.readline().startswith(b"retry:")
            server.send_signal(signal.SIGTERM)
            said = opened.read()
        _, complaints = server.communicate(timeout=PATIENCE)
    finally:
        server.kill()
    assert b"event: end" not in said  # the browser comes again
    assert "Killing" not in complaints
    assert server.returncode == 0
