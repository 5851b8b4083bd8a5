"""The whole road: bytes in, report out. A recorded file and a receiver on a serial line, keys from a KEM file,
meters adopted on a page, readings stored, consumption shown. Read this one first.
"""

from __future__ import annotations

import argparse
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.test import Client
from django.urls import reverse

from avlas.collect.collector import collect
from avlas.collect.commands import run_import
from avlas.meters import formats, layouts
from avlas.meters.directory import Directory
from avlas.meters.models import Collector, Key, Kind, Meter, MeterState, Reading, State
from avlas.simulate import samples
from avlas.simulate.kem import KemMeter, kem_file
from avlas.simulate.line import Line
from avlas.simulate.receivers import Im871a, RtlWmbus
from avlas.system.command_createadmin import create_admin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from avlas.simulate.meter import SimulatedMeter
    from avlas.system.models import User

PASSWORD = "fjärrvärme i Norrtuna"
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
SEED = 11


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    for known in (Directory, formats, layouts):
        known.forget()
    yield
    for known in (Directory, formats, layouts):
        known.forget()


@pytest.fixture
def administrator(transactional_db: None) -> User:
    return create_admin("anna@norrtuna.example", PASSWORD, utility_name="Norrtuna Energi", language="en")[0]


@pytest.fixture
def office(administrator: User) -> Client:
    """A browser in the office, signed in by the form."""
    client = Client()
    answer = client.post(reverse("account_login"), {"login": administrator.email, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def recorded(meters: list[SimulatedMeter], hours: int, path: Path) -> Path:
    """A file as rtl_wmbus would have recorded it over the last hours, and one line of nonsense in it."""
    sent = samples.recording(meters, hours, seed=SEED, start=NOW - timedelta(hours=hours), interval_s=3600)
    lines = samples.recorded_file(sent, RtlWmbus()).splitlines(keepends=True)
    lines.insert(3, b"T1;1;1;2026-11-22 23:59;this is no telegram\n")
    path.write_bytes(b"".join(lines))
    return path


def test_from_recorded_file_and_receiver_to_the_page(
    office: Client, administrator: User, tmp_path: Path, capsys
):
    meters = samples.meters("multical403", 3, SEED)

    # 1. a recorded file is taken in: the meters are heard, but they are nobody's yet
    file = recorded(meters, 30, tmp_path / "tour.csv")
    assert run_import(argparse.Namespace(files=[file], utility=None, heard_at=None)) == 0
    said = capsys.readouterr()
    assert "tour.csv:4" in said.out + said.err  # the bad line is named, the rest went in
    assert MeterState.objects.filter(state=State.UNKNOWN_METER).count() == 3

    # 2. the office adopts them on the page of what is heard
    states = MeterState.objects.values_list("pk", flat=True)
    assert office.get(reverse("heard")).content.decode().count(meters[0].identification) >= 1
    office.post(reverse("heard_adopt"), {"state": list(states)})
    assert Meter.objects.filter(utility=administrator.utility).count() == 3
    run_import(argparse.Namespace(files=[file], utility=None, heard_at=None))
    assert set(MeterState.objects.values_list("state", flat=True)) == {State.NO_KEY}

    # 3. the key file: a wrong password says so and changes nothing, the right one opens what has waited
    kem = kem_file([KemMeter.of(meter) for meter in meters], "hemligt", version=2)
    answer = office.post(
        reverse("key_import"),
        {"file": SimpleUploadedFile("meters.kem2", kem), "password": "fel"},
        follow=True,
    )
    assert "password" in answer.content.decode().lower()
    assert not Key.objects.exists()
    office.post(
        reverse("key_import"),
        {"file": SimpleUploadedFile("meters.kem2", kem), "password": "hemligt"},
        follow=True,
    )
    assert Key.objects.count() == 3
    assert Reading.objects.filter(kind=Kind.LIVE).count() == 3 * 30
    assert set(MeterState.objects.values_list("state", flat=True)) == {State.READ}

    # 4. a receiver on a serial line brings the next telegram of each meter
    port = tmp_path / "ttyUSB0"
    Collector.objects.create(
        utility=administrator.utility, name="Roof", spec=f"im871a:{port}", link_mode="c1"
    )
    before = Reading.objects.filter(kind=Kind.LIVE).count()
    with Line(Im871a(), port, piece=7) as line:
        listening = threading.Thread(target=lambda: _collect_until(before + 3), daemon=True)
        listening.start()
        _wait(lambda: Collector.objects.get(name="Roof").status == "running")
        for meter in meters:
            at = datetime.now(UTC)
            line.transmit(samples.next_telegram(meter, at, SEED), -71.5, at=at, mode="C1")
        listening.join(30)
    assert Reading.objects.filter(kind=Kind.LIVE).count() == before + 3
    assert MeterState.objects.filter(rssi_dbm=-71.5).count() == 3

    # 5. the meter's page shows who, how much, and the consumption of each hour
    meter = Meter.objects.get(serial=meters[0].identification)
    page = office.get(reverse("meter", args=[meter.pk]), {"unit": "hour"}).content.decode()
    newest = Reading.objects.filter(meter=meter, kind=Kind.LIVE).order_by("-slot_at").first()
    assert "MULTICAL 403" in page
    assert f"{newest.energy_heat_kwh:,.0f}" in page
    assert "<svg" in page


def _collect_until(readings: int) -> None:
    """Run the utility's collectors until so many readings are stored."""
    import asyncio

    async def work() -> None:
        task = asyncio.create_task(collect())
        until = time.monotonic() + 25
        while time.monotonic() < until and await asyncio.to_thread(_count) < readings:
            await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    try:
        asyncio.run(work())
    finally:
        connections.close_all()


def _count() -> int:
    try:
        return Reading.objects.filter(kind=Kind.LIVE).count()
    finally:
        connections.close_all()


def _wait(true, seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)
