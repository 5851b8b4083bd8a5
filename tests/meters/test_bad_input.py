"""Nothing that comes in, and nothing that happens to the database, leaves it half written."""

from __future__ import annotations

import os
import random
import sqlite3
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connection, transaction
from tests.meters import other_process
from tests.meters.conftest import START, Heard
from tests.meters.other_process import do

from avlas.meters.models import Collector, MeterState, Reading, State, Telegram
from avlas.simulate import samples

RANDOM = int(os.environ.get("AVLAS_RANDOM_TELEGRAMS", "1500"))  # 100,000 by hand

KINDS = (
    "multical403",
    "multical21",
    "flowiq2200",
    "omnipower",
    "diehl_sharky",
    "diehl_hydrus",
    "multical602",
)


@pytest.mark.django_db
def test_random_and_mutated_telegrams_leave_the_database_healthy(desk, rows):
    chance = random.Random(20261123)
    meters = [samples.meters(name, 1, 3)[0] for name in KINDS]
    good = [Heard(START, samples.next_telegram(meter, START, 7), meter) for meter in meters]
    desk.own(good)
    taken = 0
    while taken < RANDOM:
        heard = []
        for _ in range(500):
            at = START + timedelta(seconds=chance.randrange(86400))
            frame = bytearray(samples.next_telegram(chance.choice(meters), at, 7))
            kind = chance.randrange(5)
            if kind == 0:
                frame = bytearray(chance.randbytes(chance.randrange(300)))
            elif kind == 1:
                frame = frame[: chance.randrange(len(frame))]
                frame[:1] = bytes([max(len(frame) - 1, 0)])
            elif kind == 2:
                frame[10] = chance.randrange(256)  # any CI
            else:
                for _ in range(chance.choice([1, 1, 2, 8])):
                    frame[chance.randrange(len(frame))] ^= 1 << chance.randrange(8)
            heard.append(Heard(at, bytes(frame)))
        result = desk.take_in(heard)
        assert result.telegrams == 500
        taken += 500
    # whatever was read is a meter's own word: nobody's counter moved by a broken telegram
    for meter in meters:
        state = MeterState.objects.get(address=meter.address.hex().upper())
        told = samples.values(meter, START + timedelta(days=1), 7)
        for reading in Reading.objects.filter(meter=state.meter, kind=0).exclude(volume_m3=None):
            if state.secured >= 2:  # a CRC or MAC over the content
                assert reading.volume_m3 <= told["volume_m3"] + 1
    # and the good ones still come in
    late = START + timedelta(days=2)
    fresh = [Heard(late, samples.next_telegram(meter, late, 7), meter) for meter in meters]
    assert desk.take_in(fresh).states[State.READ] == len(meters)
    before = rows()
    desk.take_in(fresh)
    assert rows() == before


@pytest.mark.django_db
@pytest.mark.parametrize("frame", [b"\x01", bytes(300), b"\xff" * 300, bytes([0x0A]) + bytes(10)])
def test_short_long_and_senseless_telegrams(desk, hear, frame):
    heard = hear()
    desk.own(heard)
    result = desk.take_in(
        [Heard(START, frame), *heard, replace(heard[0], frame=heard[0].frame[:10] + b"\xee")]
    )
    assert result.states[State.READ] == 1
    assert result.telegrams == 3


@pytest.fixture
def own_file(tmp_path, request):
    """An SQLite database of its own with one meter adopted, its path, and batches to take in."""
    if connection.vendor != "sqlite":
        pytest.skip("a matter of SQLite's file")
    meter = samples.meters("multical403", 1, 5)[0]
    batches = [
        [
            (
                (START + timedelta(hours=hour)).timestamp(),
                samples.next_telegram(meter, START + timedelta(hours=hour), 7),
            )
        ]
        for hour in range(300)
    ]
    with other_process.database("trouble", tmp_path) as address:
        collector, _ = do(
            address, other_process.prepare, batches[0], [("KAM", meter.identification, meter.key.hex())]
        )
        yield address, tmp_path / "trouble.db", collector, batches


def counted(path):
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = [
            database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("telegram", "reading WHERE kind = 0")
        ]
        heard = database.execute("SELECT heard FROM meters_meterstate").fetchone()[0]
    database.close()
    return [*found, heard]


def take_in_until_it_fails(tell, collector, batches, prepare):
    """In another process: what ingest raised, and how many batches it had acknowledged."""
    with connection.cursor() as cursor:
        cursor.execute(prepare)
    done = 0
    try:
        for number in range(len(batches)):
            other_process.take_in(lambda _: None, collector, batches[: number + 1], number)
            done = number + 1
    except OperationalError as problem:
        return done, str(problem)
    return done, ""


@pytest.mark.django_db
def test_on_a_full_disk_whole_batches_are_stored_and_the_next_says_so(own_file):
    address, path, collector, batches = own_file
    pages = path.stat().st_size // 4096 + 12
    done, said = do(address, take_in_until_it_fails, collector, batches, f"PRAGMA max_page_count = {pages}")
    assert "full" in said
    assert 0 < done < len(batches)
    assert counted(path) == [done, done, done]
    do(address, other_process.take_in, collector, batches, done)  # there is room again
    assert counted(path) == [len(batches)] * 3


@pytest.mark.django_db
def test_a_locked_database_says_so_and_stores_nothing(own_file):
    address, path, collector, batches = own_file
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    done, said = do(address, take_in_until_it_fails, collector, batches, "PRAGMA busy_timeout = 100")
    holder.execute("ROLLBACK")
    holder.close()
    assert (done, "locked" in said) == (0, True)
    assert counted(path) == [0, 0, 0]
    do(address, other_process.take_in, collector, batches[:5], 0)
    assert counted(path) == [5, 5, 5]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_has_gone_is_an_operational_error(desk, hear, tmp_path):
    if connection.vendor != "sqlite":
        pytest.skip("a matter of SQLite's file")
    heard = hear()
    desk.own(heard)
    name = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = tmp_path / "no such folder" / "avlas.db"
    try:
        with pytest.raises(OperationalError):
            desk.take_in(heard)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name
    assert desk.take_in(heard).states[State.READ] == 1


@pytest.mark.django_db
def test_an_error_in_the_middle_of_storing_undoes_the_whole_batch(desk, hear, monkeypatch):
    from avlas.meters import states

    heard = hear(each=3)
    desk.own(heard)

    def fails(*_, **__):
        raise OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(states, "write_states", fails)
        with pytest.raises(OperationalError), transaction.atomic():
            desk.take_in(heard)
    assert not Telegram.objects.exists()
    assert not Reading.objects.exists()
    assert (
        Collector.objects.get(pk=desk.collectors[0].pk).telegrams == 1
    )  # the one heard before it was adopted
    assert desk.take_in(heard).states[State.READ] > 0


@pytest.mark.django_db(transaction=True)
def test_a_server_that_cuts_the_line_in_the_middle_of_storing_leaves_whole_batches(desk, hear, monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server")
    from avlas.meters import states

    heard = hear(each=3)
    desk.own(heard)
    write_states = states.write_states

    def cut(*given, **named):
        write_states(*given, **named)
        with (
            psycopg.connect(os.environ["AVLAS_DATABASE"], autocommit=True) as other,
            connection.cursor() as own,
        ):
            own.execute("SELECT pg_backend_pid()")
            other.execute("SELECT pg_terminate_backend(%s)", own.fetchone())

    with monkeypatch.context() as patch:
        patch.setattr(states, "write_states", cut)
        with pytest.raises((OperationalError, InterfaceError)):
            desk.take_in(heard)
    connection.close()
    assert not Telegram.objects.exists()
    assert not Reading.objects.exists()
    assert desk.take_in(heard).states[State.READ] > 0
    assert Reading.objects.exists()
