"""A meter whose counter truly starts again: a person lets its telegrams in, and they become readings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from avlas.meters.keys import Who
from avlas.meters.let_in import NothingToLetIn, distrusted, let_in
from avlas.meters.models import Meter, MeterState, Reading, State, Telegram
from avlas.simulate import samples
from avlas.system.models import AuditEvent, User, Utility

from .conftest import START, Heard

pytestmark = pytest.mark.django_db
YEARS = timedelta(days=5 * 365)


def reborn(meter, hours, *, first=10):
    """What a meter sends once its counter has started again: the clock that feeds it is years behind."""
    new = replace(meter, counter=0)
    told = []
    for hour in range(first, first + hours):
        at = START + timedelta(hours=hour)
        told.append(Heard(at, new.telegram(samples.values(meter, at, 7), at - YEARS, compact=False), meter))
    return told


@pytest.fixture
def exchanged(desk, hear):
    """A meter read three times, and four telegrams of its new module."""
    heard = hear("multical403", each=3)
    desk.own(heard)
    desk.take_in(heard)
    later = reborn(heard[0].meter, 4)
    assert desk.take_in(later).states[State.DOWNGRADED] == 4
    return Meter.objects.get(), heard, later


def test_the_telegrams_kept_become_readings_and_the_next_ones_too(desk, exchanged):
    meter, heard, later = exchanged
    kept = distrusted(meter)
    assert (kept.telegrams, kept.since_read) == (4, 4)
    assert (kept.first_heard_at, kept.last_heard_at) == (later[0].at, later[-1].at)
    user = User.objects.create_user("clerk@norrtuna.example", "pass", utility=desk.utility)
    result = let_in(meter, " New radio module ", Who(user, "10.0.0.7"))
    assert (result.telegrams, result.states[State.READ]) == (4, 4)
    assert Reading.objects.filter(kind=0).count() == 7
    assert not Telegram.objects.exclude(state=State.READ).exists()
    state = MeterState.objects.get()
    assert state.state == State.READ
    assert state.counter_at == later[-1].at
    assert distrusted(meter) is None
    event = AuditEvent.objects.get(event="meter.let_in")
    assert (event.utility_id, event.user_id, event.computer) == (desk.utility.pk, user.pk, "10.0.0.7")
    assert event.target == str(meter)
    assert event.detail["reason"] == "New radio module"
    assert event.detail["read"] == 4
    old, new = event.detail["counters"][state.address]
    assert new < old
    # from now on the meter is judged by its new counter: the next is read, one sent again is not
    assert desk.take_in(reborn(heard[0].meter, 1, first=20)).states[State.READ] == 1
    again = replace(later[0], at=START + timedelta(hours=22))
    assert desk.take_in([again]).states[State.DOWNGRADED] == 1


def test_a_meter_that_sends_in_clear_since_a_service(desk, hear):
    heard = hear("multical403", each=2)
    desk.own(heard)
    desk.take_in(heard)
    clear = replace(heard[0].meter, key=None, sent=0)
    told = []
    for hour in (6, 7):
        at = START + timedelta(hours=hour)
        told.append(Heard(at, clear.telegram(samples.values(clear, at, 7), at), clear))
    desk.take_in(told)
    let_in(Meter.objects.get(), "encryption turned off", Who())
    assert Reading.objects.filter(kind=0).count() == 4
    at = START + timedelta(hours=9)
    assert desk.take_in([Heard(at, clear.telegram(samples.values(clear, at, 7), at))]).states[State.READ] == 1


def test_telegrams_from_before_the_last_reading_stay_out(desk, exchanged):
    meter, heard, later = exchanged
    real = samples.next_telegram(heard[0].meter, START + timedelta(hours=30), 7)
    desk.take_in([Heard(START + timedelta(hours=30), real, heard[0].meter)])
    kept = distrusted(meter)
    assert (kept.telegrams, kept.since_read) == (4, 0)
    with pytest.raises(NothingToLetIn):
        let_in(meter, "a guess", Who())
    desk.take_in(reborn(heard[0].meter, 2, first=40))
    kept = distrusted(meter)
    assert (kept.telegrams, kept.since_read) == (6, 2)
    assert let_in(meter, "exchanged this time", Who()).telegrams == 2
    assert Telegram.objects.filter(state=State.DOWNGRADED).count() == len(later)


def test_nothing_changes_without_a_reason_or_when_something_fails(desk, exchanged, monkeypatch):
    meter, _heard, _later = exchanged
    before = MeterState.objects.values("counter", "counter_at", "secured", "state").get()
    with pytest.raises(ValueError, match="why"):
        let_in(meter, "  ", Who())

    def fails(*_, **__):
        raise RuntimeError

    monkeypatch.setattr("avlas.meters.let_in.audit.record", fails)
    with pytest.raises(RuntimeError):
        let_in(meter, "new module", Who())
    assert MeterState.objects.values("counter", "counter_at", "secured", "state").get() == before
    assert Reading.objects.filter(kind=0).count() == 3
    assert Telegram.objects.filter(state=State.DOWNGRADED).count() == 4


def test_only_the_own_meters_telegrams(desk, exchanged):
    meter, _heard, _later = exchanged
    other = Utility.objects.create(name="Söderby Fjärrvärme", slug="soderby")
    theirs = Meter.objects.create(utility=other, manufacturer=meter.manufacturer, serial=meter.serial)
    assert distrusted(theirs) is None
    with pytest.raises(NothingToLetIn):
        let_in(theirs, "mine", Who())
    assert Telegram.objects.filter(state=State.DOWNGRADED).count() == 4
