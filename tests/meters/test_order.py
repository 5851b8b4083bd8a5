"""The stored rows are the same whatever the order, the batches and the road in which honest telegrams arrive."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.meters.conftest import Desk, Heard, forget

from avlas.meters.models import Meter, MeterState
from avlas.simulate import samples
from avlas.simulate.meter import SimulatedMeter

pytestmark = pytest.mark.django_db

BEGIN = datetime(2026, 10, 31, 21, 40, tzinfo=UTC)  # 80 minutes before the month ends in standard time
EXAMPLES = int(os.environ.get("AVLAS_ORDER_EXAMPLES", "30"))  # a few thousand by hand


def pool() -> list[SimulatedMeter]:
    """One meter of each kind that ingest treats differently."""
    names = ["multical403", "multical403", "multical403_gj", "flowiq2200", "diehl_sharky", "diehl_hydrus",
             "omnipower", "multical602"]  # fmt: skip
    meters = [samples.meters(name, 1, 40 + number)[0] for number, name in enumerate(names)]
    meters[1] = replace(
        meters[1], clock_error=timedelta(minutes=-7)
    )  # its month ends in the middle of a slot
    # sends compact frames in a layout that nobody has shipped: it must be learnt from a full frame
    odd = replace(meters[0].type, fields=tuple(reversed(meters[0].type.fields)), name="odd")
    meters.append(replace(meters[0], type=odd, identification="40000008"))
    return meters


@dataclass(frozen=True)
class Sent:
    meter: int
    gap: int  # seconds after the one before
    info_code: int
    compact: bool
    by: int  # heard by the first collector, the second, both, or none
    moved_target: bool  # the meter tells another value for the same target date
    full_second: bool


sent = st.builds(
    Sent,
    meter=st.integers(0, 8),
    gap=st.sampled_from([1, 16, 16, 60, 500, 1300, 3600]),
    info_code=st.sampled_from([0, 0, 0, 2, 16]),
    compact=st.booleans(),
    by=st.sampled_from([1, 2, 3, 3, 0]),
    moved_target=st.sampled_from([False, False, False, False, False, True]),
    full_second=st.booleans(),
)


def heard_by(script: list[Sent], delays: tuple[int, int]) -> list[tuple[int, Heard]]:
    """What the two collectors hear: (collector, telegram), in the order heard."""
    meters = [replace(meter) for meter in pool()]
    at = [BEGIN] * len(meters)
    found = []
    for one in script:
        meter = meters[one.meter]
        at[one.meter] += timedelta(seconds=one.gap)
        now = at[one.meter]
        day, moment = samples.month_start(meter, now)
        target = samples.values(meter, moment, 7)
        if one.moved_target:
            target = {
                code: value + 3 if code in ("energy_heat_kwh", "volume_m3") else value
                for code, value in target.items()
            }
        frame = meter.telegram(
            samples.values(meter, now, 7), now, info_code=one.info_code, target_at=day, target=target,
            compact=one.compact and meter.type.compact,
        )  # fmt: skip
        for collector in (0, 1):
            if one.by & (1 << collector):
                late = now + timedelta(seconds=delays[collector] + (0 if one.full_second else 0.4))
                found.append((collector, Heard(late, frame, meter)))
    return sorted(found, key=lambda each: each[1].at)


def wipe() -> None:
    tables = "reading telegram meters_infoevent meters_readingconflict meters_learntlayout"
    with connection.cursor() as cursor:
        for table in tables.split():
            cursor.execute(f"DELETE FROM {table}")
    MeterState.objects.update(counter=None, counter_at=None, secured=0, heard=0, surplus=0, read=0)
    forget()


@pytest.fixture
def ready(desk: Desk) -> Desk:
    """The pool's meters adopted, with keys; one of them has slots of five minutes."""
    desk.own(
        [
            Heard(
                BEGIN - timedelta(days=1),
                samples.next_telegram(replace(meter), BEGIN - timedelta(days=1), 7),
                meter,
            )
            for meter in pool()
        ]
    )
    Meter.objects.filter(serial=pool()[0].identification).update(slot_seconds=300)
    return desk


def take_in_pieces(desk: Desk, pieces: list[list[tuple[int, Heard]]]) -> None:
    for piece in pieces:
        for collector in (0, 1):
            part = [heard for by, heard in piece if by == collector]
            if part:
                desk.take_in(part, collector)


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
)
@given(
    script=st.lists(sent, min_size=2, max_size=24),
    delays=st.tuples(st.sampled_from([0, 0, 3]), st.sampled_from([0, 16, 40, 500])),
    data=st.data(),
)
def test_any_order_any_batches_two_roads_and_repeats_give_the_same_rows(
    ready: Desk, rows: Callable[[], dict[str, list[tuple]]], script, delays, data
):
    heard = heard_by(script, delays)
    wipe()
    ready.take_in([one for _, one in heard])
    straight = rows()

    order = data.draw(st.permutations(range(len(heard))), label="order")
    repeats = data.draw(
        st.lists(st.sampled_from(order), max_size=4) if order else st.just([]), label="repeats"
    )
    arriving = [heard[place] for place in [*order, *repeats]]
    pieces = []
    while arriving:
        size = data.draw(st.integers(1, len(arriving)), label="batch")
        pieces.append(arriving[:size])
        arriving = arriving[size:]
    wipe()
    take_in_pieces(ready, pieces)
    assert rows() == straight
