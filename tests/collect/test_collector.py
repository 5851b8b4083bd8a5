"""Collectors at work on both databases: receivers in, readings out, and nothing lost on the way."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from tests.collect.test_receiver import until

from avlas import cli
from avlas.collect import collector as module
from avlas.collect import texts
from avlas.collect.collector import Collecting, Database, Entry, collect
from avlas.meters.models import Collector, Kind, MeterState, Reading
from avlas.simulate import samples
from avlas.simulate.line import Line
from avlas.simulate.receivers import HexLines, Im871a, RtlWmbus
from avlas.system import secrets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.collect.conftest import Town


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_FOR_CHANGES", 0.1)
    monkeypatch.setattr(module, "WRITE_STATUS", 0.1)


def add(town: Town, spec: str, **fields: object) -> Collector:
    return Collector.objects.create(utility=town.utility, name=spec[:80], spec=spec, **fields)


async def ask(question: Callable):
    """Ask the database from within the event loop."""

    def do():
        try:
            return question()
        finally:
            connection.close()

    return await asyncio.to_thread(do)


async def until_stored(question: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not await ask(question):
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.05)


def heard() -> int:
    return sum(MeterState.objects.values_list("heard", flat=True))


def status(row: Collector) -> tuple[str, str]:
    row.refresh_from_db()
    return row.status, texts.unpack(row.status_text, "en")


@asynccontextmanager
async def collecting(row: Collector) -> AsyncIterator[Collecting]:
    database = Database()
    work = Collecting(Entry(row.pk, row.name, row.spec, row.link_mode), database)
    task = asyncio.create_task(work.run())
    try:
        yield work
    finally:
        work.stop()
        await asyncio.wait_for(task, 20)
        await database.close()


def test_from_the_stick_to_the_reading(town, lately, tmp_path):
    now = datetime.now(UTC)
    sent = town.telegrams(now, 1, strangers=True)
    with Line(Im871a(), tmp_path / "ttyUSB0", piece=11) as line:
        row = add(town, f"im871a:{line.path}", link_mode="c1")

        async def story() -> None:
            async with collecting(row):
                await until_stored(lambda: status(row) == ("running", "set up, listening for C1"))
                for one in town.telegrams(now, 1, strangers=True):
                    await asyncio.to_thread(line.transmit, one.frame, one.rssi_dbm)
                await until_stored(lambda: heard() == 5)
                await until_stored(lambda: status(row)[0] == "running" and row.last_heard_at is not None)

        asyncio.run(story())
    assert status(row) == ("stopped", "stopped")
    assert Reading.objects.filter(kind=Kind.LIVE).count() == 4
    assert row.telegrams == 5
    assert abs(row.last_heard_at - now) < timedelta(minutes=1)
    signals = MeterState.objects.values_list("rssi_dbm", flat=True)
    assert sorted(signals) == sorted(one.rssi_dbm for one in sent)


def test_unplugged_is_seen_on_the_row(town, tmp_path):
    with Line(Im871a(), tmp_path / "ttyUSB0") as line:
        row = add(town, f"im871a:{line.path}")

        async def story() -> None:
            async with collecting(row):
                await until_stored(lambda: status(row)[0] == "running")
                line.unplug()
                await until_stored(lambda: status(row)[0] == "waiting" and "plugged in" in status(row)[1])
                line.plug()
                await until_stored(lambda: status(row)[0] == "running")

        asyncio.run(story())


def test_a_second_program_leaves_the_status_to_the_one_that_holds_the_receiver(town, tmp_path):
    """Somebody types avlas collect beside the running service: the row goes on telling how the service fares."""
    (sent, *_) = town.telegrams(datetime.now(UTC), 1)
    with Line(Im871a(), tmp_path / "ttyUSB0") as line:
        row = add(town, f"im871a:{line.path}")

        def still_running() -> bool:
            return status(row)[0] == "running"

        async def second_program(then: Callable) -> None:
            async with collecting(row) as second:
                await until(lambda: "another program" in texts.unpack(second._status[1], "en"))
                await then(second)

        async def write(second: Collecting) -> None:
            await second._write_status()
            assert await ask(still_running)

        async def write_when_the_first_hears_no_more(second: Collecting) -> None:
            await write(second)
            silent = datetime.now(UTC) - module.ANOTHERS_WORD_COUNTS - timedelta(seconds=1)
            await ask(lambda: Collector.objects.filter(pk=row.pk).update(last_heard_at=silent))
            await until_stored(lambda: status(row)[0] == "waiting" and "another program" in status(row)[1])

        async def story() -> None:
            async with collecting(row):
                await until_stored(still_running)
                await asyncio.to_thread(line.transmit, sent.frame, sent.rssi_dbm)
                await until_stored(lambda: still_running() and row.last_heard_at is not None)
                await second_program(write)
                assert await ask(still_running), "nor does it say that it was stopped"
                await second_program(write_when_the_first_hears_no_more)

        asyncio.run(story())


def test_file_is_read_once_and_wrong_specs_fail(town, lately, tmp_path):
    path = tmp_path / "rtl.txt"
    path.write_bytes(samples.recorded_file(town.telegrams(lately, 30), RtlWmbus()) + b"C1;1;1;cut\n")
    good, missing, wrong = add(town, f"file:{path}"), add(town, "file:/none"), add(town, "cul9:/dev/ttyUSB0")
    asyncio.run(asyncio.wait_for(collect([good.pk, missing.pk, wrong.pk]), 30))
    assert status(good) == ("stopped", f"{path} is read to its end")
    assert status(missing) == ("failed", "there is no file /none")
    assert status(wrong)[0] == "failed"
    assert "cul9" in status(wrong)[1]
    assert Reading.objects.filter(kind=Kind.LIVE).count() == 4 * 30
    assert good.telegrams == 120


@contextmanager
def quick_sqlite(timeout: float = 0.1) -> Iterator[None]:
    """Give up on a lock at once instead of after twenty seconds."""
    options = connection.settings_dict["OPTIONS"]
    before = options["timeout"]
    options["timeout"] = timeout
    connection.close()
    try:
        yield
    finally:
        options["timeout"] = before
        connection.close()


@pytest.fixture
def only_sqlite(town):
    if connection.vendor != "sqlite":
        pytest.skip("about SQLite's locks and files")


def test_locked_database_keeps_everything_waiting(only_sqlite, town, lately, tmp_path):
    sent = town.telegrams(lately, 3)
    with quick_sqlite(), Line(RtlWmbus(), tmp_path / "ttyUSB0") as line:
        row = add(town, f"rtl_wmbus:{line.path}")

        async def story() -> None:
            async with collecting(row) as work:
                await until_stored(lambda: status(row)[0] == "running")
                lock = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
                lock.execute("BEGIN IMMEDIATE")
                for one in sent:
                    await asyncio.to_thread(line.transmit, one.frame, -70, at=datetime.now(UTC))
                await until(lambda: work._status[0] == "waiting")
                assert "locked" in texts.unpack(work._status[1], "en")
                assert "låst" in texts.unpack(work._status[1], "sv")
                await asyncio.sleep(0.5)
                lock.execute("ROLLBACK")
                lock.close()
                await until_stored(lambda: heard() == len(sent))
                await until_stored(lambda: status(row) == ("running", "the database takes telegrams again"))

        asyncio.run(story())


def test_full_disk_keeps_everything_waiting(only_sqlite, town, lately, tmp_path):
    path = tmp_path / "rtl.txt"
    path.write_bytes(samples.recorded_file(town.telegrams(lately, 40), RtlWmbus()))
    row = add(town, f"file:{path}")
    options = connection.settings_dict["OPTIONS"]
    before = options["init_command"]
    with connection.cursor() as cursor:
        pages = cursor.execute("PRAGMA page_count").fetchone()[0]

    async def story() -> None:
        async with collecting(row) as work:
            await until(lambda: "full" in texts.unpack(work._status[1], "en"))
            assert await ask(heard) == 0
            options["init_command"] = before
            await until_stored(lambda: heard() == 160)

    options["init_command"] = f"{before} PRAGMA max_page_count={pages + 2};"
    connection.close()
    try:
        asyncio.run(story())
    finally:
        options["init_command"] = before
        connection.close()
    assert Reading.objects.filter(kind=Kind.LIVE).count() == 160


@pytest.mark.parametrize("timeout", [0.1, 8.0])  # the database says no at once; it keeps us waiting
def test_stopped_while_locked_the_rest_is_put_aside_and_stored_at_the_next_start(
    only_sqlite, town, lately, tmp_path, monkeypatch, timeout
):
    monkeypatch.setattr(module, "STOP_WITHIN", 0.3)
    sent = town.telegrams(lately, 30)
    path = tmp_path / "rtl.txt"
    path.write_bytes(samples.recorded_file(sent, RtlWmbus()))
    row = add(town, f"file:{path}")
    aside = settings.DATA / "put-aside" / f"collector-{row.pk}.txt"

    async def first() -> None:
        lock = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        async with collecting(row) as work:
            await until(lambda: work._receiver is not None and work._receiver.finished)
            await asyncio.sleep(0.5)
        lock.execute("ROLLBACK")
        lock.close()

    async def second() -> None:
        path.unlink()
        async with collecting(row):
            await until(lambda: not aside.exists())

    with quick_sqlite(timeout):
        began = time.monotonic()
        asyncio.run(first())
        assert time.monotonic() - began < 6
        while any(thread.name.startswith("database") for thread in threading.enumerate()):
            time.sleep(0.05)  # what was held up may still be stored: then it is stored twice, as once
        assert len(aside.read_text().splitlines()) == len(sent)
        with aside.open("a") as file:
            file.write("1795000000.5 -70 ra")  # a crash in the middle of a line
        asyncio.run(second())
    assert Reading.objects.filter(kind=Kind.LIVE).count() == len(sent)


def test_database_server_restarted(town, lately, tmp_path):
    if connection.vendor != "postgresql":
        pytest.skip("about a server")
    with Line(RtlWmbus(), tmp_path / "ttyUSB0") as line:
        row = add(town, f"rtl_wmbus:{line.path}")

        async def story() -> None:
            async with collecting(row):
                await until_stored(lambda: status(row)[0] == "running")
                for turn, one in enumerate(town.telegrams(lately, 2)):
                    await asyncio.to_thread(line.transmit, one.frame, -70, at=datetime.now(UTC))
                    await until_stored(lambda turn=turn: heard() == turn + 1)
                    await asyncio.to_thread(kill_connections)

        asyncio.run(story())


def kill_connections() -> None:
    with psycopg.connect(os.environ["AVLAS_DATABASE"], autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_lost_master_key_keeps_everything_waiting_until_it_is_back(town, lately, tmp_path):
    path = tmp_path / "rtl.txt"
    path.write_bytes(samples.recorded_file(town.telegrams(lately, 5), RtlWmbus()))
    row = add(town, f"file:{path}")
    key = settings.DATA / "master.key"
    key.rename(tmp_path / "master.key")
    secrets.forget()

    async def story() -> None:
        async with collecting(row) as work:
            await until(lambda: "master key is missing" in texts.unpack(work._status[1], "en"))
            await until_stored(lambda: status(row)[0] == "waiting")
            (tmp_path / "master.key").rename(key)
            await until_stored(lambda: heard() == 20)

    asyncio.run(story())
    assert Reading.objects.filter(kind=Kind.LIVE).count() == 20


def test_without_its_master_key_the_program_refuses_to_start(town, lately, tmp_path, capsys):
    (settings.DATA / "master.key").rename(tmp_path / "master.key")
    process = start("collect")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "master key is missing" in said
    assert "Traceback" not in said
    path = tmp_path / "lines.hex"
    path.write_bytes(samples.recorded_file(town.telegrams(lately, 1), HexLines()))
    secrets.forget()
    assert cli.main(["import", str(path)]) == 1
    assert "master key is missing" in capsys.readouterr().err
    assert heard() == 0


def test_one_telegram_that_nothing_can_store_does_not_hold_up_the_others(town, lately, tmp_path, monkeypatch):
    # An error of our own that nobody knows of yet can only be put there by hand.
    sent = town.telegrams(lately, 8)
    poison = sent[13].frame
    real = module.ingest

    def ingest(batch):
        if poison in batch.frames:
            raise ZeroDivisionError("nobody thought of this")
        return real(batch)

    monkeypatch.setattr(module, "ingest", ingest)
    path = tmp_path / "rtl.txt"
    path.write_bytes(samples.recorded_file(sent, RtlWmbus()))
    row = add(town, f"file:{path}")
    asyncio.run(asyncio.wait_for(collect([row.pk]), 30))
    assert heard() == len(sent) - 1
    assert poison.hex() in (settings.DATA / "put-aside" / f"refused-{row.pk}.txt").read_text()


def test_rows_added_changed_switched_off_and_removed_take_effect(town, lately, tmp_path):
    one, other = (Line(HexLines(), tmp_path / name) for name in ("ttyUSB0", "ttyUSB1"))
    frame = town.telegrams(lately, 1)[0].frame

    async def story() -> None:
        idle: list[bool] = []
        running = asyncio.create_task(collect(on_idle=lambda: idle.append(True)))
        await until(lambda: idle)
        row = await ask(lambda: add(town, f"hex:{one.path}"))
        await ask(lambda: add(town, "import"))
        await ask(lambda: add(town, "api"))
        await until_stored(lambda: status(row) == ("running", f"connected to {one.path}"))
        await asyncio.to_thread(one.transmit, frame, -70)
        await until_stored(lambda: heard() == 1)

        await ask(lambda: Collector.objects.filter(pk=row.pk).update(spec=f"hex:{other.path}"))
        await until_stored(lambda: status(row) == ("running", f"connected to {other.path}"))
        assert not one.is_open
        await asyncio.to_thread(other.transmit, frame, -70)
        await until_stored(lambda: heard() == 2)

        await ask(lambda: Collector.objects.filter(pk=row.pk).update(active=False))
        await until(lambda: not other.is_open)
        await until_stored(lambda: status(row)[0] == "stopped")
        await ask(lambda: Collector.objects.filter(pk=row.pk).update(active=True))
        await until(lambda: other.is_open)

        await ask(lambda: MeterState.objects.update(last_collector=None))
        await ask(lambda: Collector.objects.all().delete())
        await asyncio.to_thread(other.transmit, frame, -70)
        await until(lambda: not other.is_open)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(running, 10)

    with one, other:
        asyncio.run(story())


def start(*arguments: str, **options: object) -> subprocess.Popen:
    environment = {**os.environ, "AVLAS_LANGUAGE": "en", "AVLAS_DATA": str(settings.DATA)}
    return subprocess.Popen(
        [sys.executable, "-m", "avlas", *arguments],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_command_reads_standard_input_to_its_end(town, lately):
    sent = town.telegrams(datetime.now(UTC), 1)
    lines = samples.recorded_file(sent, HexLines()).decode()
    process = start("collect", "--receiver", "hex:stdin", "--utility", "norrtuna", stdin=subprocess.PIPE)
    _, said = process.communicate(lines, timeout=60)
    assert process.returncode == 0, said
    assert "hex:stdin: stdin is read to its end" in said
    assert heard() == 4, said
    row = Collector.objects.get()
    assert (row.spec, row.active, row.status) == ("hex:stdin", False, "stopped")


def test_command_stores_what_it_received_when_it_is_stopped(town, lately, tmp_path):
    stick = Im871a()
    with Line(stick, tmp_path / "ttyUSB0") as line:
        process = start("collect", "--receiver", f"im871a:{line.path}", "--link-mode", "t1")
        try:
            end = time.monotonic() + 60
            while not stick.configured:
                assert time.monotonic() < end
                time.sleep(0.05)
            assert stick.configuration["link_mode"] == 3
            for number in range(3):
                for one in town.telegrams(lately, 1):
                    assert line.transmit(one.frame, -70, mode="T1"), number
            time.sleep(0.1)  # less than a batch is gathered for: they are still on their way
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert "set up, listening for T1" in said
    assert heard() == 12, said
    row = Collector.objects.get()
    assert (row.status, row.active, row.link_mode) == ("stopped", True, "t1")


def test_command_refuses_a_wrong_receiver(town):
    process = start("collect", "--receiver", "xyz:/dev/ttyUSB0")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "xyz is no kind of receiver" in said
    assert not Collector.objects.exists()


def test_status_texts_are_packed_and_unpacked():
    packed = texts.pack("host_unreachable", {"where": "å" * 400, "reason": "no " * 200})
    assert len(packed) <= texts.STATUS_LENGTH
    assert texts.unpack(packed, "sv").endswith("...")
    assert texts.unpack("written by hand", "sv") == "written by hand"
    assert texts.unpack("", "sv") == ""
    assert texts.unpack('["no_such_text", {}]', "en") == '["no_such_text", {}]'
    with suppress(KeyError):
        texts.say("no_such_text", "en")


def test_hours_and_what_a_receiver_says_of_itself_are_kept(town, tmp_path):
    from avlas.meters.models import ReceiverHour
    from avlas.simulate.usb_receivers import Amber

    now = datetime.now(UTC)
    row = add(town, f"amb8465:{tmp_path}/ttyUSB0")

    async def story() -> None:
        with Line(Amber(), tmp_path / "ttyUSB0") as line:
            task = asyncio.create_task(collect([row.pk]))
            await until(lambda: line.receiver.mode == 0x09)
            await asyncio.sleep(0.3)
            for sent in town.telegrams(now - timedelta(hours=1), 1):
                await asyncio.to_thread(line.transmit, sent.frame, -80.0, mode="C1")
            await asyncio.sleep(0.6)
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(task, 20)

    asyncio.run(story())
    (hour,) = ReceiverHour.objects.all()
    assert (hour.telegrams, hour.meters, hour.damaged, hour.signals) == (4, 4, 0, {"-80": 4})
    made = hour.collector
    assert (made.device["model"], made.device["firmware"]) == ("AMB8465", "1.6.2")
