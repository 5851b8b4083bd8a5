"""What was erased stays erased, whatever brings it again: by radio, late, from a log, after its key, twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.meters.conftest import START, Heard

from avlas.meters import cases, entered, erasure
from avlas.meters.directory import Directory
from avlas.meters.fences import Fences
from avlas.meters.keys import Who
from avlas.meters.keys import add as add_key
from avlas.meters.models import (
    CaseEntry,
    Fence,
    InfoEvent,
    Meter,
    Reading,
    ReadingConflict,
    Source,
    State,
    Telegram,
    VoidedReading,
)
from avlas.meters.retro import decode_waiting
from avlas.simulate import samples
from avlas.system.models import AuditEvent

FROM, TO = START + timedelta(hours=10), START + timedelta(hours=20)
HOURS = [START + timedelta(hours=hour) for hour in range(30)]
MONTH = datetime(2026, 10, 31, 23, tzinfo=UTC)  # the stamp of the target-date values that samples send


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 30), st.integers(1, 30)), max_size=8),
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 60)), max_size=30),
)
def test_fences_hold_what_lies_strictly_between(spans, asked):
    fences = Fences.made_of((meter, begin, begin + length) for meter, begin, length in spans)
    meter, at = (np.array([one[n] for one in asked], np.int64) for n in (0, 1))
    expected = [
        any(m == meter_id and begin < moment < begin + length for m, begin, length in spans)
        for meter_id, moment in asked
    ]
    assert fences.hold(meter, at).tolist() == expected
    assert [fences.holds(*one) for one in asked] == expected


@pytest.fixture
def told(desk, hear):
    """Two meters heard for thirty hours."""
    heard = hear(count=2, each=30)
    desk.own(heard)
    desk.take_in(heard)
    return heard


def live(meter_id):
    return [one.slot_at for one in Reading.objects.filter(meter_id=meter_id, kind=0).order_by("slot_at")]


def test_erased_for_good_by_every_road(desk, told, rows):
    first, second = Meter.objects.order_by("pk")
    counts = erasure.erase(first, FROM, TO, Who())
    assert (counts["readings"], counts["telegrams"]) == (9, 9)
    left = [hour for hour in HOURS if not FROM < hour < TO]
    assert live(first.pk) == left  # the two moments themselves stay
    assert live(second.pk) == HOURS
    assert not Telegram.objects.filter(meter_id=first.pk, slot_at__gt=FROM, slot_at__lt=TO).exists()
    before = rows()
    desk.take_in(told)  # the same again
    desk.take_in(list(reversed(told)), 1)  # by another road, out of order
    desk.take_in([one for one in told if FROM < one.at < TO])  # nothing but what is fenced
    Directory.forget()  # as another process
    desk.take_in(told[10:15])
    assert rows() == before
    late = next(one.meter for one in told if one.meter.identification == first.serial)
    moment = FROM + timedelta(minutes=90)  # a telegram never heard before
    desk.take_in([Heard(moment, samples.next_telegram(late, moment, 8), late)])
    assert rows() == before
    after = START + timedelta(hours=40)
    desk.take_in([Heard(after, samples.next_telegram(late, after, 7), late)])
    assert live(first.pk)[-1] == after
    assert erasure.erase(first, FROM, TO, Who())["readings"] == 0
    assert Fence.objects.count() == 1


@pytest.mark.parametrize("disturbed", [False, True])
def test_values_the_meter_stored_itself(desk, told, disturbed):
    meter = Meter.objects.order_by("pk").first()
    stored = Reading.objects.filter(meter=meter, kind=1)
    assert [one.slot_at for one in stored] == [MONTH]
    erasure.erase(meter, MONTH - timedelta(days=1), MONTH + timedelta(days=1), Who())
    assert not stored.all().exists()
    sender = next(one.meter for one in told if one.meter.identification == meter.serial)
    for hours in (50, 51):
        at = START + timedelta(hours=hours)
        heard = [Heard(at, samples.next_telegram(sender, at, 7), sender)]
        if disturbed:  # one bad telegram, and all of the meter's are looked at one by one
            frame = bytearray(heard[0].frame)
            frame[-3] ^= 0x11
            heard.append(Heard(at + timedelta(minutes=5), bytes(frame), sender))
        assert desk.take_in(heard).states[State.READ] == 1
    assert not stored.all().exists()
    assert live(meter.pk)[-1] == START + timedelta(hours=51)


def test_telegrams_that_waited_for_their_key(desk, hear):
    heard = hear(each=30)
    desk.own(heard, keys=False)
    desk.take_in(heard)
    meter = Meter.objects.get()
    assert Telegram.objects.filter(state=State.NO_KEY).count() == 30
    erasure.erase(meter, FROM, TO, Who())
    sender = heard[0].meter
    add_key(desk.utility, sender.identification, sender.key.hex(), Who(), sender.type.manufacturer)
    decode_waiting(desk.utility.pk, [State.NO_KEY])
    assert live(meter.pk) == [hour for hour in HOURS if not FROM < hour < TO]


def test_everything_that_tells_of_the_time_goes(desk, told):
    meter, other = Meter.objects.order_by("pk")
    inside = FROM + timedelta(hours=1)
    for one, at in ((meter, inside), (meter, TO), (other, inside)):
        InfoEvent.objects.create(meter=one, at=at, code=8)
        ReadingConflict.objects.create(meter=one, slot_at=at, kind=0, heard_at=at, register="x", value=1)
        VoidedReading.objects.create(meter=one, slot_at=at, kind=2, row={}, reason="felskriven")
    cases.note(meter, Who(), "Bjuder alltid på kaffe")
    CaseEntry.objects.update(at=inside, info_code=8)
    counts = erasure.erase(meter, FROM, TO, Who(computer="192.0.2.1"))
    assert counts == {"readings": 9, "telegrams": 9, "info_events": 1, "conflicts": 1, "voided": 1}
    for model in (InfoEvent, ReadingConflict, VoidedReading):
        assert model.objects.count() == 2
    assert (CaseEntry.objects.get().note, CaseEntry.objects.get().info_code) == ("", None)
    event = AuditEvent.objects.get(event="privacy.erased")
    assert event.detail == {"from": FROM.isoformat(), "to": TO.isoformat(), **counts}
    with pytest.raises(ValueError, match="before it begins"):
        erasure.erase(meter, TO, TO, Who())


def test_nobody_types_it_in_again(desk, told):
    meter = Meter.objects.order_by("pk").first()
    erasure.erase(meter, FROM, TO, Who())
    figures = [entered.Figure("energy_heat_kwh", Decimal(1234), "kWh")]
    with pytest.raises(entered.Erased):
        entered.enter(meter, FROM + timedelta(minutes=1), figures, Source.TYPED, Who())
    entered.enter(meter, TO, figures, Source.TYPED, Who())
    assert [one.slot_at for one in Reading.objects.filter(kind=2)] == [TO]


def test_fences_are_known_again_in_another_database(desk, told):
    meter = Meter.objects.order_by("pk").first()
    erasure.erase(meter, FROM, TO, Who())
    known = erasure.known_fences()
    Fence.objects.all().delete()
    Directory.forget()
    desk.take_in(told)  # as a backup made before the erasure would bring it
    assert len(live(meter.pk)) == 30
    assert erasure.put_up_again(known, Who()) == 1
    assert len(live(meter.pk)) == 21
    assert erasure.put_up_again(known, Who()) == 0
