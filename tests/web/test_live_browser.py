"""Pages that live by themselves, in a real browser on the real server, on both databases."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from avlas.meters.models import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.one_database

PATIENCE = 60


@pytest.fixture
def server(transactional_db, north) -> Iterator[str]:
    """``avlas web``, the real server, on the test's database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "avlas", "web", "--listen", f"127.0.0.1:{port}"]
    running = subprocess.Popen(command, env=os.environ | {"AVLAS_ALLOWED_HOSTS": "127.0.0.1"})
    address = f"http://127.0.0.1:{port}"
    until = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(f"{address}/health/live", timeout=5).close()
            break
        except OSError:
            assert running.poll() is None, "the server ended"
            assert time.monotonic() < until, "the server never answered"
            time.sleep(0.2)
    yield address
    running.send_signal(signal.SIGTERM)
    running.wait(PATIENCE)


def test_a_page_lives_in_a_browser(server, north, page, sign_in):
    client = sign_in(north.user)
    page.context.add_cookies(
        [{"name": "sessionid", "value": client.session.session_key, "url": server, "httpOnly": True}]
    )
    patience = PATIENCE * 1000
    page.set_default_timeout(patience)
    meter, sender = north.meters[0], north.fleet[0]
    page.goto(f"{server}/meters/{meter.pk}/")
    expect(page.locator("#now .live-tag")).to_be_visible(timeout=patience)
    newest = page.locator("#telegrams tbody tr a.main").first
    before = newest.get_attribute("href")
    with page.expect_response(lambda answer: answer.url.endswith(f"/meters/{meter.pk}/")) as fetched:
        north.hear([sender], datetime.now(UTC) + timedelta(hours=2))
    assert fetched.value.request.headers["x-by-itself"] == "1"
    expect(newest).not_to_have_attribute("href", before, timeout=patience)

    page.goto(f"{server}/receivers/")
    expect(page.locator("#list")).to_contain_text("Nordby torn")
    page.locator("html[data-stream=open]").wait_for(timeout=patience)
    Collector.objects.filter(pk=north.collector.pk).update(telegrams=98_765)
    expect(page.locator("#list")).to_contain_text("98\N{NO-BREAK SPACE}765", timeout=patience)

    client.logout()  # elsewhere: what the screen shows is no longer for whoever sits there
    expect(page.get_by_role("button", name="Logga in", exact=True)).to_be_visible(timeout=patience)
