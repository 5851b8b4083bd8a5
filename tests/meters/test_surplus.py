"""Surplus of many meters waits in packed rows; once added, the states say the same as if it never had waited."""

from __future__ import annotations

import random
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.meters import other_process
from tests.meters.conftest import Heard
from tests.meters.other_process import Other, do
from tests.meters.test_two_processes import fleet, kept, keys_of, stream

from avlas.meters import surplus
from avlas.meters.hearing import Hearing
from avlas.meters.housekeeping import tidy
from avlas.meters.models import MeterState, WaitingSurplus

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(monkeypatch):
    """Surplus of however few meters waits until it is asked for."""
    monkeypatch.setattr(surplus, "MANY", 1)
    monkeypatch.setattr(surplus, "is_due", lambda _: False)


def said():
    names = [
        field.attname for field in MeterState._meta.concrete_fields if field.attname not in ("id", "noted_at")
    ]
    return list(MeterState.objects.order_by("address").values(*names))


def batches_of(hear, seed):
    """Two slots of five meters, heard again and again, by two collectors, some with the same strength or none."""
    noise = random.Random(seed)
    first = hear(count=5, each=2)
    batches = []
    for _ in range(12):
        some = noise.choices(first, k=8)
        batches.append(
            (
                noise.randrange(2),
                [
                    Heard(one.at + timedelta(seconds=noise.randrange(1, 3000)), one.frame, one.meter,
                          noise.choice([-80.0, -70.0, -60.0, float("nan")]))
                    for one in some
                ],
            )
        )  # fmt: skip
    return first, batches


@pytest.mark.parametrize("seed", range(3))
def test_states_say_the_same_whether_surplus_waited_or_not(desk, hear, monkeypatch, waiting, seed):
    first, batches = batches_of(hear, seed)
    desk.own(first)
    desk.take_in(first)
    before = {row.pop("id"): row for row in MeterState.objects.values()}
    for collector, batch in batches:
        assert desk.take_in(batch, collector).surplus == len(batch)
    assert WaitingSurplus.objects.count() == len(batches)
    assert sum(MeterState.objects.values_list("surplus", flat=True)) == 0
    assert surplus.add_all() == len(batches)
    found = said()
    assert sum(row["surplus"] for row in found) == sum(len(batch) for _, batch in batches)
    assert surplus.add_all() == 0
    assert said() == found, "added once only"

    for pk, row in before.items():
        MeterState.objects.filter(pk=pk).update(**row)
    monkeypatch.setattr(surplus, "MANY", 10**9)
    for collector, batch in batches:
        desk.take_in(batch, collector)
    assert said() == found


def test_a_meter_that_says_something_new_does_not_wait(desk, hear, waiting):
    heard = hear(count=3, each=2)
    desk.own(heard)
    desk.take_in([one for one in heard if one.at == heard[0].at])
    again = [Heard(one.at + timedelta(seconds=30), one.frame, one.meter) for one in heard]
    busy = [again[0], heard[1], *again[2::2]]  # the first meter says something new as well
    result = desk.take_in(busy)
    assert result.surplus == 3
    counts = dict(MeterState.objects.values_list("identification", "heard"))
    assert counts[heard[0].meter.identification] == 3
    assert sorted(counts.values()) == [1, 1, 3]
    assert len(result.meters) == 3
    surplus.add(desk.utility.pk)
    assert sorted(MeterState.objects.values_list("heard", flat=True)) == [2, 2, 3]


def test_strangers_and_small_batches_never_wait(desk, hear, monkeypatch):
    monkeypatch.setattr(surplus, "is_due", lambda _: False)
    heard = hear(count=3)
    desk.own(heard)
    for turn in range(3):
        desk.take_in([Heard(one.at + timedelta(seconds=turn), one.frame, one.meter) for one in heard])
        desk.take_in(hear("diehl_sharky", count=2, seed=9))
    assert not WaitingSurplus.objects.exists()


def test_the_next_batch_adds_what_waits_once_it_is_time(desk, hear, monkeypatch):
    monkeypatch.setattr(surplus, "MANY", 1)
    clock = [1000.0]
    monkeypatch.setattr(surplus.time, "monotonic", lambda: clock[0])
    surplus._added.clear()
    heard = hear(count=2)
    desk.own(heard)
    desk.take_in(heard)

    def again(seconds):
        clock[0] += seconds
        desk.take_in(
            [Heard(one.at + timedelta(seconds=clock[0] - 900), one.frame, one.meter) for one in heard]
        )
        return WaitingSurplus.objects.count(), list(MeterState.objects.values_list("heard", flat=True))

    assert again(1) == (1, [1, 1])
    assert again(1) == (2, [1, 1])
    assert again(surplus.LATER_SECONDS) == (0, [4, 4])
    for number in range(1, surplus._MOST):
        assert again(0.01)[0] == number
    assert again(0.01) == (0, [4 + surplus._MOST] * 2), "nor do many wait"


def test_tidying_up_leaves_nothing_waiting(desk, hear, waiting):
    heard = hear(count=2)
    desk.own(heard)
    desk.take_in(heard)
    desk.take_in([Heard(one.at + timedelta(seconds=9), one.frame, one.meter) for one in heard])
    assert WaitingSurplus.objects.count() == 1
    tidy()
    assert list(MeterState.objects.values_list("heard", flat=True)) == [2, 2]


numbers = st.integers(0, 2**31)


@given(
    rows=st.lists(
        st.tuples(st.integers(1, 2**64 - 1), numbers, numbers, st.sampled_from([300, 3600])), max_size=9
    )
)
def test_what_is_packed_comes_out_again(rows):
    key, last, since, seconds = (np.array(column, np.uint64) for column in zip(*rows, strict=True)) if rows else (
        np.zeros(0, np.uint64),) * 4  # fmt: skip
    last, since, seconds = last.astype(np.int64), since.astype(np.int64), seconds.astype(np.int64)
    slot = last - last % np.maximum(seconds, 1)
    dbm = np.full(len(key), -71.5)
    one = Hearing(key, np.ones(len(key), np.int64), last - since, last, slot, slot + seconds, dbm)
    found = Hearing.unpacked([one.packed()])
    for name in ("key", "heard", "first_heard_at", "last_heard_at", "slot", "next_slot", "rssi_dbm"):
        assert np.array_equal(getattr(found, name), getattr(one, name)), name


def test_two_processes_with_waiting_surplus_lose_and_double_nothing(tmp_path):
    meters = fleet()
    batches = stream(meters, 10, each=4)
    first = [(at, frame) for at, frame in batches[0][::4]]
    halves = batches, [batch[::-1] for batch in batches]
    with (
        other_process.database("alone", tmp_path) as alone,
        other_process.database("both", tmp_path) as both,
    ):
        collectors = do(alone, other_process.prepare, first, keys_of(meters))
        for collector, half in zip(collectors, halves, strict=True):
            do(alone, other_process.take_in, collector, half, 0)
        expected = do(alone, other_process.dump)

        do(both, other_process.prepare, first, keys_of(meters))
        running = [
            Other(both, other_process.take_in_waiting, collector, half)
            for collector, half in zip(collectors, halves, strict=True)
        ]
        assert [other.said()[-1] for other in running] == ["done", "done"]
        do(both, other_process.add_what_waits)
        found = do(both, other_process.dump)
    assert kept(found) == kept(expected)
