"""A heat meter's pulse input as a meter of its own: derived as telegrams come in, filled in, fenced, erased, ended."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from tests.meters.conftest import START

from avlas.meters import erasure, exchange, installing, pulse_inputs
from avlas.meters.entered import Figure
from avlas.meters.keys import Who
from avlas.meters.models import (
    Exchange,
    Fence,
    Installation,
    Meter,
    MeteringPoint,
    PulseInput,
    Quality,
    Reading,
    Telegram,
)
from avlas.meters.pulse_inputs import Assignment, Impossible
from avlas.system.models import AuditEvent


@pytest.fixture
def heat(desk, hear):
    """A heat meter whose In-A counts, and its telegrams of ten hours."""
    heard = hear("multical602", each=10)
    desk.own(heard)
    return Meter.objects.get(), heard


@pytest.fixture
def water(desk):
    return Meter.objects.create(utility=desk.utility, manufacturer="SEN", serial="5551", medium="cold water")


def values(meter, register, kind=0):
    rows = Reading.objects.filter(meter=meter, kind=kind).exclude(**{register: None}).order_by("slot_at")
    return [getattr(one, register) for one in rows]


def test_derived_as_telegrams_come_in_and_filled_in_before(desk, heat, water):
    meter, heard = heat
    desk.take_in(heard[:4])
    counted = pulse_inputs.assign(meter, water, Assignment("a", START), Who())
    assert counted == Reading.objects.filter(meter=water).count() > 0
    assert values(water, "volume_m3") == values(meter, "input_a")[-len(values(water, "volume_m3")) :]
    desk.take_in(heard[4:])
    assert values(water, "volume_m3") == values(meter, "input_a")
    assert len(values(water, "volume_m3")) == 10
    assert not values(meter, "input_b") or Reading.objects.filter(meter=water, input_b=None).count() == 10
    one, of = Reading.objects.filter(meter=water, kind=0)[0], Reading.objects.filter(meter=meter, kind=0)[0]
    assert (one.heard_at, one.source) == (of.heard_at, of.source)
    before = list(Reading.objects.filter(meter=water).values_list("slot_at", "volume_m3", "quality"))
    desk.take_in(heard)
    assert list(Reading.objects.filter(meter=water).values_list("slot_at", "volume_m3", "quality")) == before
    event = AuditEvent.objects.get(event="meter.input_assigned")
    assert (event.target, event.detail["input"]) == ("SEN5551", "A")


def test_litres_for_each_pulse_from_a_start_value(desk, heat, water):
    meter, heard = heat
    desk.take_in(heard[:3])
    first = values(meter, "input_a")[0]
    pulse_inputs.assign(meter, water, Assignment("a", START, per_pulse=10, start_value=123.45), Who())
    desk.take_in(heard[3:])
    wanted = [123.45 + (count - first) * 0.01 for count in values(meter, "input_a")]
    assert values(water, "volume_m3") == pytest.approx(wanted, abs=1e-9)
    assert PulseInput.objects.get().start_count == first


def test_energy_when_the_fed_meter_counts_electricity(desk, heat):
    meter, heard = heat
    power = Meter.objects.create(utility=desk.utility, manufacturer="ABB", serial="9", medium="electricity")
    pulse_inputs.assign(meter, power, Assignment("a", START, per_pulse=100), Who())
    desk.take_in(heard)
    wanted = [count * 0.1 for count in values(meter, "input_a")]
    assert values(power, "electricity_import_kwh") == pytest.approx(wanted)
    assert not values(power, "volume_m3")


def test_the_fed_meters_fences_hold_and_its_erasure_reaches_the_parent(desk, heat, water):
    meter, heard = heat
    pulse_inputs.assign(meter, water, Assignment("a", START), Who())
    desk.take_in(heard[:6])
    telegrams = Telegram.objects.filter(meter=meter).count()
    erasure.erase(water, START + timedelta(hours=1), START + timedelta(hours=4), Who())
    assert len(values(water, "volume_m3")) == len(values(meter, "input_a")) == 4
    assert len(values(meter, "volume_m3")) == 6, "the heat stays"
    assert Telegram.objects.filter(meter=meter).count() == telegrams - 2
    Fence.objects.create(meter=water, from_at=START + timedelta(hours=5), to_at=START + timedelta(hours=8))
    from avlas.meters.models import Generation

    Generation.bump(desk.utility.pk)
    desk.take_in(heard[6:])
    assert len(values(water, "volume_m3")) == 6, "of ten, two erased and two behind the fence"


def test_a_voided_row_stays_voided(desk, heat, water):
    meter, heard = heat
    pulse_inputs.assign(meter, water, Assignment("a", START), Who())
    desk.take_in(heard[:2])
    Reading.objects.filter(meter=water).update(quality=int(Quality.VOIDED))
    pulse_inputs.fill(PulseInput.objects.get())
    assert {one.quality for one in Reading.objects.filter(meter=water)} == {int(Quality.VOIDED)}


def test_what_can_not_be_assigned(desk, heat, water):
    meter, _heard = heat
    pulse_inputs.assign(meter, water, Assignment("a", START), Who())
    other = Meter.objects.create(utility=desk.utility, manufacturer="SEN", serial="5552", medium="cold water")
    for parent, fed, channel, code in (
        (meter, other, "a", "taken"), (meter, water, "b", "fed"), (meter, meter, "b", "itself"),
    ):  # fmt: skip
        with pytest.raises(Impossible) as problem:
            pulse_inputs.assign(parent, fed, Assignment(channel, START), Who())
        assert problem.value.code == code
    with pytest.raises(Impossible) as problem:
        pulse_inputs.assign(meter, other, Assignment("b", START + timedelta(days=9000)), Who())
    assert problem.value.code == "future"


def test_an_exchange_of_the_parent_ends_it_and_undoing_goes_on(desk, heat, water):
    meter, heard = heat
    point = MeteringPoint.objects.create(utility=desk.utility, facility_id="7")
    place = installing.install(meter, point, Installation.MAIN, START - timedelta(days=9), Who())
    pulse_inputs.assign(meter, water, Assignment("a", START), Who())
    desk.take_in(heard[:5])
    new = Meter.objects.create(utility=desk.utility, manufacturer="KAM", serial="31415926", medium="heat")
    at = START + timedelta(hours=4, minutes=30)
    done = exchange.prepare(place, {"reason": "battery"}, Who())
    Exchange.objects.filter(pk=done.pk).update(
        at=at, new_meter=new, old_unreadable=True,
        new_figures=[Figure("energy_heat_kwh", Decimal(0), "kWh").packed()],
    )  # fmt: skip
    exchange.carry_out(done, Who())
    assert PulseInput.objects.get().to_at == at
    done.refresh_from_db()
    exchange.undo(done, "wrong house", Who())
    assert PulseInput.objects.get().to_at is None
