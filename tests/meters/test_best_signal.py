"""What several receivers hear of a meter within a slot is shown with the strongest signal and who heard it so."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest
from tests.meters.conftest import START, Desk, Heard

from avlas.meters.models import MeterState, Telegram
from avlas.simulate import samples

ROOF, CHIMNEY = 0, 1
# minutes after the slot began, signal, by whom; the last slot's strongest is heard neither first nor last
HEARD = (
    (-30, -40.0, ROOF),  # stronger, but of the slot before
    (1, -90.0, ROOF),
    (11, -62.0, CHIMNEY),
    (21, -75.0, ROOF),
    (31, float("nan"), CHIMNEY),
)


@pytest.fixture(params=["own meter", "own meter without its key", "stranger"])
def hears(request, desk: Desk):
    """Takes in what HEARD says of one meter, in the order given; gives the meter's state."""
    meter = samples.meters("multical403", 1, 3)[0]
    first = START - timedelta(days=1)
    if request.param != "stranger":
        desk.own(
            [Heard(first, samples.next_telegram(meter, first, 7), meter)],
            keys=request.param == "own meter",
        )
    telegrams = [
        (Heard(at := START + timedelta(minutes=minute), samples.next_telegram(meter, at, 7), meter, dbm), by)
        for minute, dbm, by in HEARD
    ]

    def hear(order) -> MeterState:
        for number in order:
            one, by = telegrams[number]
            desk.take_in([one], by)
        return MeterState.objects.get()

    return hear


@pytest.mark.django_db
def test_the_strongest_of_the_newest_slot_counts(hears, desk):
    state = hears(range(len(HEARD)))
    assert (state.rssi_dbm, state.last_collector_id) == (-62.0, desk.collectors[CHIMNEY].pk)
    assert state.last_heard_at == START + timedelta(minutes=31)


@pytest.mark.django_db
@pytest.mark.parametrize("order", [order for order in permutations(range(5)) if order[0] in (2, 4)][5::20])
def test_in_whatever_order_it_comes(hears, desk, order):
    state = hears(order)
    assert (state.rssi_dbm, state.last_collector_id) == (-62.0, desk.collectors[CHIMNEY].pk)
    assert state.last_heard_at == START + timedelta(minutes=31)


@pytest.mark.django_db
def test_of_a_batch_the_strongest_too_and_a_new_slot_begins_anew(desk, hear):
    heard = [
        Heard(one.at, one.frame, one.meter, dbm)
        for one, dbm in zip(hear(each=6, step=600), (-80, -50, -70, -85, -90, -95), strict=True)
    ]
    desk.own(heard)
    desk.take_in(heard)
    desk.take_in(heard, CHIMNEY)  # just as strong: it stays with the first
    state = MeterState.objects.get()
    assert (state.rssi_dbm, state.last_collector_id) == (-50.0, desk.collectors[ROOF].pk)
    later = START + timedelta(hours=1)
    desk.take_in(
        [Heard(later, samples.next_telegram(heard[0].meter, later, 7), heard[0].meter, -99.0)], CHIMNEY
    )
    state.refresh_from_db()
    assert (state.rssi_dbm, state.last_collector_id) == (-99.0, desk.collectors[CHIMNEY].pk)
    # the raw telegram behind the reading is the earliest one, as its own receiver heard it
    assert Telegram.objects.order_by("heard_at").first().rssi_dbm == -80.0
