"""The demo as a person starts it, and that its history is what ingest would have stored."""

from __future__ import annotations

import http.cookiejar
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest

from avlas.demo.history import Progress
from avlas.demo.load import load
from avlas.meters.directory import Directory
from avlas.meters.journal import Written
from avlas.meters.models import Group, InfoEvent, Kind, Meter, Quality, Reading, ValveRequest
from avlas.meters.steps import settle
from avlas.notify.models import Alert
from avlas.reports.consumption import consumption, spans_of_point
from avlas.reports.latest import latest
from avlas.simulate.town import Town
from avlas.transfer.exports.template import ExportTemplate


@pytest.fixture(scope="module")
def town() -> Town:
    return Town.build(40, 1, now=datetime.now(UTC))


@pytest.mark.django_db
def test_history_is_what_ingest_would_have_stored(town, tmp_path, settings):
    settings.DATA = tmp_path
    Directory.forget()
    load(town, tmp_path, Progress())
    readable = town.readable()
    assert Meter.objects.count() == sum(one.registered for one in town.meters)
    assert Reading.objects.filter(kind=Kind.LIVE).values("meter").distinct().count() == len(readable)

    # the marks and events are those that judging every step anew gives
    rows = Reading.objects.filter(kind=Kind.LIVE).order_by("meter_id", "slot_at")
    before = {(row.meter_id, row.slot_at): row.quality for row in rows.only("quality")}
    events = set(InfoEvent.objects.values_list("meter_id", "at", "code_before", "code"))
    marked = [key for key, quality in before.items() if quality & (Quality.ROLLED_OVER | Quality.BACKWARDS)]
    some = list(before)[:: max(1, len(before) // 4000)] + marked
    settle([(meter, int(at.timestamp())) for meter, at in dict.fromkeys(some)], Written(0))
    after = {(row.meter_id, row.slot_at): row.quality for row in rows.only("quality")}
    assert {key for key in before if before[key] != after[key]} == set()
    assert set(InfoEvent.objects.values_list("meter_id", "at", "code_before", "code")) == events

    # the office has set up what its pages show
    assert ExportTemplate.objects.count() == 2
    assert Group.objects.exists()
    assert {one.register for one in Alert.objects.all()} == {"volume_m3"}
    assert ValveRequest.objects.get().state == ValveRequest.ASKED

    # a year of every heat meter can be shown, and its last figure is what the meter's display says
    heat = next(one for one in town.points if one.medium == "heat")
    meter = next(one for one in town.meters if one.point == heat.index and one.dismounted_at is None)
    row = Meter.objects.get(serial=meter.identification)
    point = row.installations.get(to_at=None).point_id
    months = consumption(spans_of_point(point), "energy_heat_kwh", "month", town.begin, town.now)
    assert sum(one.amount is not None for one in months.rows) >= 12
    energy = next(one for one in latest(row.pk) if one.register.code == "energy_heat_kwh")
    assert (energy.unit, energy.decimals) == meter.sent["energy_heat_kwh"]


def test_started_stopped_and_started_again(tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    other = tmp_path / "other" / "demo"
    other.mkdir(parents=True)
    (other / "letter.txt").write_text("precious")
    refused = run(["--meters", "12"], other.parent, port)
    assert refused.wait(60) == 1
    assert (other / "letter.txt").exists()

    for _start in ("new", "again"):
        demo = run(["--meters", "12"], tmp_path / "data", port)
        try:
            link = printed_link(demo)
            look(link)
        finally:
            demo.send_signal(signal.SIGINT)
            status = demo.wait(30)
        assert status == 0


def look(link: str) -> None:
    """Sign in by the link, and see meters heard."""
    cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    browser = urllib.request.build_opener(cookies)
    assert "Norrtuna Energi" in browser.open(link, timeout=30).read().decode()
    heard = link.partition("/signin")[0] + "/heard/"
    assert until(lambda: b"MULTICAL" in browser.open(heard).read())


def run(arguments: list[str], data: Path, port: int) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AVLAS_")}
    return subprocess.Popen(
        [sys.executable, "-m", "avlas", "demo", "--listen", f"127.0.0.1:{port}", *arguments],
        env=environment | {"AVLAS_DATA": str(data), "AVLAS_LANGUAGE": "en", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def printed_link(demo: subprocess.Popen[str]) -> str:
    for line in demo.stdout:
        found = re.search(r"http://\S+/signin/\S+", line)
        if found:
            return found[0]
    raise AssertionError(f"the demo ended with {demo.wait()} and printed no link")


def until(true, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.3)
    return False
