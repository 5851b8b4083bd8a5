"""Two processes take in telegrams of the same meters at the same time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.meters import other_process
from tests.meters.conftest import START
from tests.meters.other_process import Other, do

from avlas.simulate import samples

pytestmark = pytest.mark.django_db


def stream(meters, hours, each=3):
    """Batches hour by hour: of every meter some telegrams a few seconds apart."""
    batches = []
    for hour in range(hours):
        batch = []
        for number, meter in enumerate(meters):
            for turn in range(each):
                at = START + timedelta(hours=hour, seconds=number + 20 * turn)
                batch.append((at.timestamp(), samples.next_telegram(meter, at, 7)))
        batches.append(batch)
    return batches


def fleet():
    return [
        meter
        for name, count in (("multical403", 3), ("flowiq2200", 2), ("diehl_sharky", 1), ("multical602", 2))
        for meter in samples.meters(name, count, 11)
    ]


def keys_of(meters):
    return [(m.type.manufacturer, m.identification, m.key.hex()) for m in meters if m.key]


def kept(dump):
    """Without what tells who came first: collector and signal of a telegram, what was surplus."""
    telegram = [(*row[:4], *row[6:]) for row in dump["telegram"]]
    heard = [(address, heard, last) for address, heard, _, _, last in dump["meters_meterstate"]]
    return dump["reading"], telegram, dump["meters_infoevent"], heard


@pytest.mark.parametrize("shared", [True, False], ids=["the same telegrams", "every other telegram"])
def test_two_processes_at_once_lose_nothing_and_store_nothing_twice(tmp_path, shared):
    meters = fleet()
    batches = stream(meters, 14)
    first = [(at, frame) for at, frame in batches[0][::3]]
    halves = (
        (batches, [batch[::-1] for batch in batches])
        if shared
        else ([batch[::2] for batch in batches], [batch[1::2] for batch in reversed(batches)])
    )
    with (
        other_process.database("alone", tmp_path) as alone,
        other_process.database("both", tmp_path) as both,
    ):
        collectors = do(alone, other_process.prepare, first, keys_of(meters))
        do(alone, other_process.take_in, collectors[0], halves[0], 0)
        do(alone, other_process.take_in, collectors[1], halves[1], 0)
        expected = do(alone, other_process.dump)

        do(both, other_process.prepare, first, keys_of(meters))
        running = [
            Other(both, other_process.take_in, collectors[0], halves[0], 0),
            Other(both, other_process.take_in, collectors[1], halves[1], 0),
        ]
        for other in running:
            assert other.said()[-1] == "done"
            assert other.process.exitcode == 0
        found = do(both, other_process.dump)

    assert kept(found) == kept(expected)
    sent = sum(len(batch) for half in halves for batch in half)
    assert sum(row[1] for row in found["meters_meterstate"]) == sent
    assert all(heard == read + surplus for _, heard, read, surplus, _ in found["meters_meterstate"])


def test_import_deletes_a_long_read_and_live_telegrams_at_once(tmp_path):
    """Nobody is turned away ("database is locked"), and what is stored is the same as one after the other."""
    meters = fleet()
    batches = stream(meters, 24)
    imported, live = batches[:12], [batch[start::4] for batch in batches[12:] for start in range(4)]
    first = [(at, frame) for at, frame in batches[0][::3]]
    with (
        other_process.database("calm", tmp_path) as calm,
        other_process.database("busy", tmp_path) as busy,
    ):
        collectors = do(calm, other_process.prepare, first, keys_of(meters))
        do(calm, other_process.take_in, collectors[0], live, 0)
        do(calm, other_process.take_in, collectors[1], imported, 0)
        expected = do(calm, other_process.dump)

        do(busy, other_process.prepare, first, keys_of(meters))
        running = [
            Other(busy, other_process.take_in, collectors[0], live, 0),
            Other(busy, other_process.take_in, collectors[1], imported, 0),
            Other(busy, other_process.delete_old, 100, 8),
            Other(busy, other_process.read_all, 20),
        ]
        said = [other.said() for other in running]
        assert [one[-1:] for one in said] == [["done"]] * 4
        assert said[2][:-1] == [100] * 8
        assert kept(do(busy, other_process.dump)) == kept(expected)


def test_a_key_changed_by_one_process_is_used_by_the_very_next_batch_of_another(tmp_path):
    """The processes have nothing in common but the database: contexts of the old key must not be used again."""
    meter = samples.meters("multical403", 1, 5)[0]
    batches = [
        [(at.timestamp(), samples.next_telegram(meter, at, 7))]
        for at in (START + timedelta(hours=hour) for hour in range(3))
    ]
    maker, number, key = meter.type.manufacturer, meter.identification, meter.key.hex()
    signal = tmp_path / "changed"
    with other_process.database("keys", tmp_path) as address:
        collector, _ = do(address, other_process.prepare, batches[0], [(maker, number, "00" * 16)])
        other = Other(address, other_process.take_in_around, collector, batches[1:], str(signal))
        assert other.ear.recv() == {"WRONG_KEY": 1}
        do(address, other_process.replace_key, maker, number, key)
        signal.touch()
        assert other.said()[-1] == {"READ": 1}
        there = do(address, other_process.dump)
    assert [row[1] for row in there["telegram"]], "the raw telegrams are kept"
    assert len(there["reading"]) >= 3, "what waited for the right key was read as well"
