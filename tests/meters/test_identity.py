"""Whose telegram is it: a meter is not its address."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.meters.conftest import START, Desk, Heard

from avlas.decode.types import Address
from avlas.meters.adopt import add_meter, adopt, claim, release
from avlas.meters.keys import Who
from avlas.meters.keys import add as add_key
from avlas.meters.models import Meter, MeterAddress, MeterState, Reading, State
from avlas.simulate import frames, samples
from avlas.simulate.layouts import meter_type
from avlas.system.models import AuditEvent, Utility

pytestmark = pytest.mark.django_db


def address_of(meter, **changed):
    raw = meter.address
    return replace(
        Address(
            meter.type.manufacturer, meter.identification, meter.type.version, meter.type.device_type, raw
        ),
        **changed,
    )


@pytest.fixture
def theirs(db):
    other = Utility.objects.create(name="Söderby Fjärrvärme", slug="soderby")
    return Desk(other, [other.collector_set.create(name="Mast", spec="import")])


@pytest.fixture
def heat(hear):
    (one,) = hear()
    return one


def open_by(desk, meter):
    add_key(desk.utility, meter.identification, meter.key.hex(), Who(), meter.type.manufacturer)


def test_an_address_without_version_and_type_fits_whatever_they_are(desk, heat):
    meter = Meter.objects.create(utility=desk.utility, manufacturer="KAM", serial="anything")
    claim(meter, "radio", f"KAM{heat.meter.identification}", None, None)
    open_by(desk, heat.meter)
    assert desk.take_in([heat]).states[State.READ] == 1
    assert Reading.objects.filter(meter=meter, kind=0).exists()


def test_a_named_version_and_type_go_before_none(desk, heat):
    anyone = Meter.objects.create(utility=desk.utility, manufacturer="KAM", serial="old list")
    claim(anyone, "radio", f"KAM{heat.meter.identification}", None, None)
    exact = Meter.objects.create(utility=desk.utility, manufacturer="KAM", serial="exact")
    claim(
        exact,
        "radio",
        f"KAM{heat.meter.identification}",
        heat.meter.type.version,
        heat.meter.type.device_type,
    )
    open_by(desk, heat.meter)
    desk.take_in([heat])
    assert set(Reading.objects.values_list("meter_id", flat=True)) == {exact.pk}


def test_another_version_or_type_is_not_this_meter(desk, heat):
    meter = Meter.objects.create(utility=desk.utility, manufacturer="KAM", serial="1")
    claim(meter, "radio", f"KAM{heat.meter.identification}", 0x77, heat.meter.type.device_type)
    claim(meter, "radio", f"KAM{heat.meter.identification}", heat.meter.type.version, 0x07)
    assert desk.take_in([heat]).states[State.UNKNOWN_METER] == 1


def test_a_meter_has_many_addresses_and_a_claim_made_twice_is_one(desk, heat):
    meter = add_meter(desk.utility, address_of(heat.meter))
    again = add_meter(desk.utility, address_of(heat.meter))
    by_wire = add_meter(desk.utility, address_of(heat.meter, version=0x2B), road="wired")
    assert meter == again == by_wire
    assert list(MeterAddress.objects.order_by("road").values_list("road", "version")) == [
        ("radio", heat.meter.type.version),
        ("wired", 0x2B),
    ]


def test_radio_and_wire_under_different_numbers_fill_one_meters_readings(desk):
    """Kamstrup: the radio id is the serial number, the wired one the customer number."""
    radio = samples.meters("multical603", 1, 5)[0]
    wired = samples.meters("multical603_wired", 1, 6)[0]
    meter = add_meter(desk.utility, address_of(radio))
    claim(meter, "wired", f"KAM{wired.identification}", wired.type.version, wired.type.device_type)
    open_by(desk, radio)
    desk.take_in([Heard(START, samples.next_telegram(radio, START, 7), radio)])
    desk.take_in([Heard(START, samples.next_telegram(wired, START, 7), wired)], wired=True)
    assert list(Reading.objects.filter(kind=0).values_list("meter_id", flat=True)) == [meter.pk]
    assert MeterState.objects.filter(meter=meter, state=State.READ).count() == 2


def test_a_wired_telegram_before_a_stored_radio_one_fills_the_slot_anew(desk):
    """Both are decoded again, each in its own form."""
    radio = samples.meters("multical603", 1, 5)[0]
    wired = samples.meters("multical603_wired", 1, 6)[0]
    meter = add_meter(desk.utility, address_of(radio))
    claim(meter, "wired", f"KAM{wired.identification}", wired.type.version, wired.type.device_type)
    open_by(desk, radio)
    later = START + timedelta(minutes=5)
    desk.take_in([Heard(later, samples.next_telegram(radio, later, 7), radio)])
    desk.take_in([Heard(START, samples.next_telegram(wired, START, 7), wired)], wired=True)
    reading = Reading.objects.get(kind=0)
    assert (reading.heard_at, reading.source) == (START, 1)
    assert reading.energy_heat_kwh == int(samples.values(wired, START, 7)["energy_heat_kwh"])
    assert reading.energy_flow_m3c is not None


def test_the_meters_own_address_goes_before_its_radio_adapters(desk):
    kind = replace(meter_type("diehl_sharky"), security="none", header="long")
    meter = replace(samples.meters("diehl_sharky", 1, 3)[0], type=kind, key=None)
    frame = bytearray(samples.next_telegram(meter, START, 7))
    frame[2:10] = frames.address("RAD", "99887766", 1, 0x37)
    desk.take_in([Heard(START, bytes(frame))])
    state = MeterState.objects.get()
    assert (state.manufacturer, state.identification) == ("DME", meter.identification)
    adopt(desk.utility, [state], None)
    assert Reading.objects.filter(kind=0, meter__serial=meter.identification).count() == 1


def test_one_number_on_a_heat_and_a_water_meter_is_two_meters(desk, heat):
    number = heat.meter.identification
    water = samples.SimulatedMeter.of("multical21", number, b"\x05" * 16)
    heard = [heat, Heard(START, samples.next_telegram(water, START, 7), water)]
    desk.own(heard)
    desk.take_in(heard)
    serials = set(Meter.objects.values_list("serial", flat=True))
    assert number in serials
    assert serials < {number, f"{number}/04", f"{number}/16"}
    # the last key given for the number serves both, and fits one of them
    assert sorted(MeterState.objects.values_list("state", flat=True)) == [State.READ, State.WRONG_KEY]
    assert Reading.objects.filter(kind=0).count() == 1


class TestAdoption:
    def test_strangers_become_meters_once(self, desk, heat):
        desk.take_in([heat])
        states = list(MeterState.objects.all())
        (meter,) = adopt(desk.utility, states, None)
        assert (meter.model, meter.medium, meter.family) == ("MULTICAL 403", "heat", meter.family)
        assert adopt(desk.utility, states, None) == []  # the state has a meter now
        assert Meter.objects.count() == MeterAddress.objects.count() == 1

    def test_many_are_adopted_with_few_questions(
        self, desk, hear, monkeypatch, django_assert_max_num_queries
    ):
        from avlas.meters import adopt as adopting

        monkeypatch.setattr(adopting, "_CHUNK", 25)
        heard = [*hear(count=30), *hear("flowiq2200", count=10), *hear("diehl_sharky", count=10)]
        desk.take_in(heard)
        MeterState.objects.update(recent=[])
        states = list(MeterState.objects.order_by("pk"))
        with django_assert_max_num_queries(50 + 2 * 20):  # an audit event for each, the rest for each part
            meters = adopt(desk.utility, states, None)
        assert [meter.serial for meter in meters] == [state.identification for state in states]
        assert {state.meter_id for state in MeterState.objects.all()} == {meter.pk for meter in meters}
        assert MeterAddress.objects.filter(contested=False).count() == AuditEvent.objects.count() == 50
        assert adopt(desk.utility, states, None) == []

    def test_a_heat_and_a_water_meter_of_one_number_adopted_together_are_two(self, desk, heat):
        water = samples.SimulatedMeter.of("multical21", heat.meter.identification, b"\x05" * 16)
        desk.take_in([heat, Heard(START, samples.next_telegram(water, START, 7), water)])
        first, second = adopt(desk.utility, MeterState.objects.order_by("address"), None)
        assert {first.serial, second.serial} > {heat.meter.identification}
        assert first != second
        by_wire = add_meter(desk.utility, address_of(heat.meter, version=0x2B), road="wired")
        assert by_wire in (first, second)
        assert MeterAddress.objects.count() == 3

    def test_rows_of_another_utility_are_passed_over(self, desk, theirs, heat):
        desk.take_in([heat])
        assert adopt(theirs.utility, MeterState.objects.all(), None) == []
        assert not Meter.objects.exists()

    def test_what_was_heard_before_waits_without_key(self, desk, heat):
        desk.take_in([heat])
        adopt(desk.utility, MeterState.objects.all(), None)
        state = MeterState.objects.get()
        assert (state.state, state.recent) == (State.NO_KEY, [])
        open_by(desk, heat.meter)
        assert Reading.objects.filter(kind=0).count() == 1

    def test_a_radio_telegram_of_104_bytes_is_not_taken_for_a_wired_one(self, desk):
        kind = replace(meter_type("diehl_sharky"), security="none")
        meter = replace(samples.meters("diehl_sharky", 1, 3)[0], type=kind, key=None)
        frame = samples.next_telegram(meter, START, 7)
        frame = bytes([0x68]) + frame[1:] + bytes([0x2F]) * (0x68 + 1 - len(frame))
        desk.take_in([Heard(START, frame)])
        adopt(desk.utility, MeterState.objects.all(), None)
        assert Reading.objects.filter(kind=0).count() == 1


class TestContested:
    @pytest.fixture
    def both(self, desk, theirs, heat):
        for who in (desk, theirs):
            who.take_in([heat])
            adopt(who.utility, MeterState.objects.filter(utility=who.utility), None)
            open_by(who, heat.meter)
        return desk, theirs

    def test_neither_gets_it_and_both_are_told(self, both, heat):
        before = Reading.objects.count()
        for who in both:
            assert who.take_in([heat]).states[State.CONTESTED] == 1
        assert Reading.objects.count() == before
        assert AuditEvent.objects.filter(event="meter.address_contested").count() == 2

    def test_when_one_gives_it_up_the_other_reads_on(self, both, heat):
        desk, theirs = both
        release(MeterAddress.objects.get(utility=theirs.utility), None)
        release(MeterAddress.objects.get(utility=theirs.utility), None)
        assert AuditEvent.objects.filter(event="meter.address_released").count() == 1
        assert AuditEvent.objects.filter(event="meter.address_settled", utility=desk.utility).count() == 1
        assert not MeterAddress.objects.filter(contested=True).exists()
        result = desk.take_in([heat])
        assert result.states[State.READ] == 1 or result.surplus == 1
        assert Reading.objects.filter(meter__utility=desk.utility, kind=0).count() == 1
        assert theirs.take_in([heat]).states[State.UNKNOWN_METER] == 1

    def test_the_same_number_with_another_type_is_no_quarrel(self, desk, theirs, heat):
        add_meter(desk.utility, address_of(heat.meter))
        add_meter(theirs.utility, address_of(heat.meter, device_type=0x07))
        assert not MeterAddress.objects.filter(contested=True).exists()
        anyone = Meter.objects.create(utility=theirs.utility, manufacturer="KAM", serial="list")
        claim(anyone, "radio", f"KAM{heat.meter.identification}", None, None)
        assert set(MeterAddress.objects.filter(contested=True).values_list("utility", "device_type")) == {
            (desk.utility.pk, heat.meter.type.device_type),
            (theirs.utility.pk, None),
        }
