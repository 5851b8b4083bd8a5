"""Whatever was acknowledged is there after a crash, once, and the rest can simply be handed in again."""

from __future__ import annotations

import random
import shutil
import sqlite3
import struct
import time
from datetime import timedelta

import pytest
from django.db import connection
from tests.meters import other_process
from tests.meters.conftest import START
from tests.meters.other_process import Other, do

from avlas.simulate import samples

pytestmark = pytest.mark.django_db

KILLS = {"sqlite": 100, "postgresql": 100}
BATCHES = 120


def stream():
    """Batches of one telegram a meter, hour by hour: each is behind a reading of its own."""
    meters = [
        meter
        for name in ("multical403", "flowiq2200", "diehl_sharky", "multical602", "omnipower")
        for meter in samples.meters(name, 1, 11)
    ]
    batches = [
        [
            ((START + timedelta(hours=hour, seconds=number)).timestamp(), samples.next_telegram(
                meter, START + timedelta(hours=hour, seconds=number), 7
            ))
            for number, meter in enumerate(meters)
        ]
        for hour in range(BATCHES)
    ]  # fmt: skip
    return batches, [(m.type.manufacturer, m.identification, m.key.hex()) for m in meters if m.key]


@pytest.fixture(scope="module")
def sent():
    return stream()


def first_batch_seconds(address, collector, batches):
    """How long a fresh process needs for its first batch."""
    other = Other(address, other_process.take_in, collector, batches[:1], 0)
    assert other.ear.recv() == "begun"
    begun = time.monotonic()
    assert other.ear.recv() == 0
    other.said()
    return time.monotonic() - begun


def rows_of(address):
    """What must be equal after any history: not the counters of how often something was heard."""
    found = do(address, other_process.dump)
    return found["reading"], found["telegram"], found["meters_infoevent"]


def test_killed_again_and_again_nothing_acknowledged_is_missing_or_twice(tmp_path, sent):
    batches, keys = sent
    kills = KILLS[connection.vendor]
    chance = random.Random(20261123)
    with (
        other_process.database("undisturbed", tmp_path) as calm,
        other_process.database("crashing", tmp_path) as stormy,
    ):
        collector, _ = do(calm, other_process.prepare, batches[0], keys)
        do(calm, other_process.take_in, collector, batches, 0)
        span = 5 * first_batch_seconds(calm, collector, batches)
        expected = rows_of(calm)

        do(stormy, other_process.prepare, batches[0], keys)
        acknowledged = -1
        ended = 0
        for _ in range(kills):
            other = Other(stormy, other_process.take_in, collector, batches, acknowledged + 1, 100)
            assert other.ear.recv() == "begun"
            time.sleep(chance.random() * span)
            other.process.kill()
            said = [number for number in other.said() if number != "done"]
            acknowledged = max([acknowledged, *said])
            ended += other.process.exitcode == -9
        assert ended == kills
        assert acknowledged > kills // 10  # work was going on
        there = {row[-1] for row in do(stormy, other_process.dump)["telegram"]}
        told = batches[: acknowledged + 1]
        assert {frame for batch in told for _, frame in batch} <= there

        do(stormy, other_process.take_in, collector, batches, 0)
        assert rows_of(stormy) == expected


def test_killed_in_batches_of_surplus_and_new_telegrams_nothing_is_missing_or_twice(tmp_path):
    """Hundreds of telegrams a batch: what is judged and written in columns."""
    meters = [
        meter
        for name in ("multical403", "multical21", "diehl_sharky", "omnipower")
        for meter in samples.meters(name, 12, 13)
    ]
    batches = []
    for hour in range(12):
        at = [START + timedelta(hours=hour, minutes=minute) for minute in (0, 1)]
        new = [[(when.timestamp(), samples.next_telegram(one, when, 7)) for one in meters] for when in at]
        late = [(heard + 600, frame) for heard, frame in new[0]]  # surplus
        batches.append([*new[0], *new[1], *late])
    keys = [(m.type.manufacturer, m.identification, m.key.hex()) for m in meters if m.key]
    chance = random.Random(7)
    with (
        other_process.database("calm", tmp_path) as calm,
        other_process.database("rough", tmp_path) as rough,
    ):
        collector, _ = do(calm, other_process.prepare, batches[0][: len(meters)], keys)
        do(calm, other_process.take_in, collector, batches, 0)
        span = 3 * first_batch_seconds(calm, collector, batches)
        expected = rows_of(calm)

        do(rough, other_process.prepare, batches[0][: len(meters)], keys)
        acknowledged = -1
        for _ in range(25):
            other = Other(rough, other_process.take_in, collector, batches, acknowledged + 1, 100)
            assert other.ear.recv() == "begun"
            time.sleep(chance.random() * span)
            other.process.kill()
            acknowledged = max([acknowledged, *(number for number in other.said() if number != "done")])
        assert acknowledged > 5
        moments = {row[1] for row in do(rough, other_process.dump)["reading"] if row[2] == 0}
        assert len(moments) >= min(acknowledged + 1, len(batches))
        do(rough, other_process.take_in, collector, batches, 0)
        assert rows_of(rough) == expected


class TestWriteAheadLog:
    """SQLite: the computer loses power, and the log on the disk ends anywhere."""

    def test_a_log_cut_anywhere_gives_whole_batches(self, tmp_path, sent):
        if connection.vendor != "sqlite":
            pytest.skip("PostgreSQL keeps its log itself")
        batches, keys = sent
        with other_process.database("whole", tmp_path) as address:
            collector, _ = do(address, other_process.prepare, batches[0], keys)
            path = tmp_path / "whole.db"
            self.empty_log(path)
            other = Other(address, other_process.take_in, collector, batches[:40], 0, 1000)
            while other.ear.poll(30) and other.ear.recv() != 39:
                pass
            other.process.kill()  # leaves the log as it is
            other.said()
        log = path.with_name("whole.db-wal").read_bytes()
        assert len(log) > 100_000
        whole = self.frames_of_batches(batches)
        seen = set()
        chance = random.Random(7)
        cuts = [0, 31, 32, len(log), *(chance.randrange(len(log)) for _ in range(60))]
        for number, cut in enumerate(sorted(cuts)):
            copy = tmp_path / f"cut{number}.db"
            shutil.copy(path, copy)
            copy.with_name(f"{copy.name}-wal").write_bytes(log[:cut])
            with sqlite3.connect(copy) as database:
                assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                frames = {row[0] for row in database.execute("SELECT frame FROM telegram")}
                moments = {row[0] for row in database.execute("SELECT slot_at FROM reading WHERE kind = 0")}
            database.close()
            count = len(moments)
            assert frames == set().union(*whole[:count]), f"cut at byte {cut}"
            seen.add(count)
        assert len(seen) > 20  # the cuts fell into many batches, and each cut gave a whole number of them

    @staticmethod
    def frames_of_batches(batches):
        return [{frame for _, frame in batch} for batch in batches]

    @staticmethod
    def empty_log(path):
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        page_size = struct.unpack(">H", path.read_bytes()[16:18])[0]
        assert page_size == 4096
