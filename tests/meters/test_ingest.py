"""From telegrams to readings, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from tests.meters.conftest import START, Desk, Heard

from avlas.decode.families import as_sent
from avlas.meters import formats
from avlas.meters.adopt import adopt
from avlas.meters.keys import Who
from avlas.meters.keys import add as add_key
from avlas.meters.models import (
    Format,
    InfoEvent,
    Kind,
    Meter,
    MeterAddress,
    MeterState,
    Quality,
    Reading,
    State,
    Telegram,
)
from avlas.meters.retro import decode_waiting
from avlas.simulate import samples
from avlas.system.models import AuditEvent, Utility

pytestmark = pytest.mark.django_db


def test_a_stranger_is_heard_but_not_read(desk, hear):
    result = desk.take_in(hear(each=5, step=16))
    state = MeterState.objects.get()
    assert (result.telegrams, result.states[State.UNKNOWN_METER]) == (5, 5)
    assert (state.heard, state.meter_id, state.manufacturer, state.model) == (5, None, "KAM", "MULTICAL 403")
    assert len(state.recent) == 3  # the last three, no more
    assert not Telegram.objects.exists()
    assert not Reading.objects.exists()


def test_adopting_with_the_key_there_reads_at_once_what_was_heard(desk, hear):
    heard = hear()
    meter = heard[0].meter
    add_key(desk.utility, meter.identification, meter.key.hex(), Who(), "KAM")
    desk.take_in(heard)
    adopt(desk.utility, MeterState.objects.all(), None)
    reading = Reading.objects.get(kind=Kind.LIVE)
    expected = samples.values(meter, START, 7)
    assert reading.energy_heat_kwh == int(expected["energy_heat_kwh"])
    assert reading.slot_at == START
    assert AuditEvent.objects.filter(event="meter.adopt").count() == 1


def test_of_each_class_only_the_earliest_in_a_slot_is_decoded(desk, hear):
    heard = hear(each=100, step=16)  # full and compact ones, 26 minutes
    desk.own(heard)
    result = desk.take_in(heard)
    assert result.states[State.READ] == 2  # one full, one compact
    assert result.surplus == 98
    assert Reading.objects.filter(kind=Kind.LIVE).count() == 1
    assert Telegram.objects.count() == 2
    state = MeterState.objects.get()
    assert (state.heard, state.read, state.surplus) == (100, 2, 98)
    assert desk.take_in(heard).surplus == 100


def test_the_earliest_telegram_counts_whatever_the_order_of_arrival(desk, hear, rows):
    heard = hear(each=10, step=600)
    desk.own(heard)
    desk.take_in(heard)
    straight = rows()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM reading")
        cursor.execute("DELETE FROM telegram")
    MeterState.objects.update(counter=None, counter_at=None, secured=0)
    for one in reversed(heard):
        desk.take_in([one])
    assert rows() == straight


def test_without_key_one_telegram_a_class_and_slot_waits_and_is_read_when_the_key_comes(desk, hear, rows):
    heard = hear(each=6, step=1800)
    desk.own(heard, keys=False)
    result = desk.take_in(heard)
    assert result.states[State.READ] == 0
    assert MeterState.objects.get().state == State.NO_KEY
    waiting = Telegram.objects.count()
    assert waiting == Telegram.objects.filter(state=State.NO_KEY).count() > 0
    meter = heard[0].meter
    add_key(desk.utility, meter.identification, meter.key.hex(), Who(), "KAM")
    assert Telegram.objects.filter(state=State.READ).count() == waiting
    assert Reading.objects.filter(kind=Kind.LIVE).count() == 3
    state = MeterState.objects.get()
    assert (state.state, state.heard) == (State.READ, 6)
    before = rows()
    decode_waiting(desk.utility.pk)
    assert rows() == before


def test_a_wrong_key_says_so_and_the_right_one_heals_it(desk, hear):
    heard = hear(each=2)
    desk.own(heard, keys=False)
    meter = heard[0].meter
    add_key(desk.utility, meter.identification, "00112233445566778899AABBCCDDEEFF", Who(), "KAM")
    desk.take_in(heard)
    assert MeterState.objects.get().state == State.WRONG_KEY
    add_key(desk.utility, meter.identification, meter.key.hex(), Who(), "KAM")
    assert Reading.objects.filter(kind=Kind.LIVE).count() == 2
    assert MeterState.objects.get().state == State.READ


def test_a_key_changed_is_used_by_the_very_next_batch(desk, hear):
    first, second = hear(each=2)
    desk.own([first], keys=False)
    assert desk.take_in([first]).states[State.NO_KEY] == 1
    add_key(desk.utility, first.meter.identification, first.meter.key.hex(), Who(), "KAM")
    assert desk.take_in([second]).states[State.READ] == 1


def test_a_damaged_telegram_is_not_the_end_of_its_slot(desk, hear):
    whole, other = hear(each=2, step=16)
    whole.meter.sent = 0
    third = Heard(START + timedelta(seconds=40), samples.next_telegram(whole.meter, START, 7), whole.meter)
    desk.own([whole])
    broken = replace(whole, frame=whole.frame[:-3] + bytes([whole.frame[-3] ^ 1]) + whole.frame[-2:])
    result = desk.take_in([broken, other, third])
    assert result.states[State.WRONG_KEY] + result.states[State.DAMAGED] == 1
    assert result.states[State.READ] == 2
    assert Reading.objects.filter(kind=Kind.LIVE).count() == 1


def test_bytes_that_are_no_telegram_stop_nobody(desk, hear):
    heard = hear()
    desk.own(heard)
    junk = [Heard(START, bytes([1])), Heard(START, bytes(300)), Heard(START, b"\xff" * 40), Heard(START, b"")]
    result = desk.take_in([*junk, *heard])
    assert result.states[State.READ] == 1
    assert result.telegrams == 5


@pytest.mark.parametrize("type_name", ["multical403", "multical403_gj", "multical403_mwh", "omnipower"])
def test_the_figure_on_the_display_comes_back_exactly(desk, hear, type_name):
    heard = hear(type_name)
    desk.own(heard)
    desk.take_in(heard)
    reading = Reading.objects.filter(kind=Kind.LIVE).get()
    sent = formats.parse(Format.objects.get(pk=reading.format_id).spec)
    kind = heard[0].meter.type
    code = "electricity_import_kwh" if type_name == "omnipower" else "energy_heat_kwh"
    field = next(field for field in kind.fields if field.source == code)
    expected = samples.values(heard[0].meter, START, 7)[code]
    unit, decimals = sent[code]
    counts = int(Decimal(str(expected)) / (Decimal(field.step.numerator) / Decimal(field.step.denominator)))
    figure = as_sent(getattr(reading, code), unit, decimals)
    assert figure.as_tuple().exponent == -decimals
    assert abs(int(figure.scaleb(decimals)) - counts) <= 1
    assert unit == {"multical403_gj": "GJ", "multical403_mwh": "MWh"}.get(type_name, "kWh")


def test_target_date_values_stand_at_the_meters_own_midnight(desk, hear):
    heard = hear()
    desk.own(heard)
    desk.take_in(heard)
    logged = Reading.objects.get(kind=Kind.LOGGED)
    assert logged.slot_at.isoformat() == "2026-10-31T23:00:00+00:00"  # 1 November 00:00 in standard time
    assert logged.energy_heat_kwh is not None


def test_a_different_value_for_the_same_stamp_is_kept_as_a_conflict(desk, hear, rows):
    (first,) = hear()
    meter = first.meter
    desk.own([first])
    day, moment = samples.month_start(meter, START)
    values = samples.values(meter, START, 7)
    stored = samples.values(meter, moment, 7)
    lower = stored | {"energy_heat_kwh": stored["energy_heat_kwh"] - 5}
    meter.sent = 0
    second = Heard(
        START + timedelta(hours=1),
        meter.telegram(values, START + timedelta(hours=1), target_at=day, target=lower),
        meter,
    )
    desk.take_in([first, second])
    logged = Reading.objects.get(kind=Kind.LOGGED)
    assert logged.quality & Quality.CONFLICT
    assert len(rows()["conflicts"]) == 1
    kept = logged.energy_heat_kwh
    desk.take_in([second, first])
    assert Reading.objects.get(kind=Kind.LOGGED).energy_heat_kwh == kept
    assert len(rows()["conflicts"]) == 1


def _with(meter, at, info_code=0, **changed):
    values = samples.values(meter, at, 7) | changed
    meter.sent = 0  # full telegrams
    return Heard(at, meter.telegram(values, at, info_code=info_code), meter)


def test_info_code_changes_are_events_once(desk, rows):
    (meter,) = samples.meters("multical403", 1, 7)
    codes = [0, 0, 16, 16, 0, 2]
    heard = [_with(meter, START + timedelta(hours=hour), code) for hour, code in enumerate(codes)]
    desk.own(heard)
    desk.take_in(heard)
    events = list(InfoEvent.objects.order_by("at").values_list("code_before", "code"))
    assert events == [(0, 16), (16, 0), (0, 2)]
    assert MeterState.objects.get().info_code == 2


def test_info_events_do_not_depend_on_the_order(desk, rows):
    (meter,) = samples.meters("multical403", 1, 7)
    codes = [0, 4, 4, 0, 8, 8]
    heard = [_with(meter, START + timedelta(hours=hour), code) for hour, code in enumerate(codes)]
    desk.own(heard)
    for place in (3, 0, 5, 1, 4, 2):
        desk.take_in([heard[place]])
    assert list(InfoEvent.objects.order_by("at").values_list("code_before", "code")) == [
        (0, 4),
        (4, 0),
        (0, 8),
    ]


def test_roll_over_and_backwards_are_told_apart(desk):
    (meter,) = samples.meters("multical403", 1, 7)
    figures = [9_999_950.0, 9_999_990.0, 30.0, 70.0, 20.0]
    heard = [
        _with(meter, START + timedelta(hours=hour), energy_heat_kwh=figure)
        for hour, figure in enumerate(figures)
    ]
    desk.own(heard)
    for place in (4, 2, 0, 1, 3):
        desk.take_in([heard[place]])
    marks = [
        Quality(quality) & (Quality.ROLLED_OVER | Quality.BACKWARDS)
        for quality in Reading.objects.filter(kind=0).order_by("slot_at").values_list("quality", flat=True)
    ]
    assert marks == [0, 0, Quality.ROLLED_OVER, 0, Quality.BACKWARDS]


def test_sensor_marks_are_not_measurements(desk):
    (meter,) = samples.meters("multical403", 1, 7)
    heard = [_with(meter, START, flow_temperature_c=185.0)]
    desk.own(heard)
    desk.take_in(heard)
    assert Reading.objects.get(kind=0).quality & Quality.SENSOR_ERROR


class TestForgery:
    def test_clear_telegrams_of_a_meter_read_with_a_key_are_not_readings(self, desk, hear):
        heard = hear("multical403", each=2)
        desk.own(heard)
        desk.take_in(heard)
        meter = heard[0].meter
        forged = replace_security(meter)
        at = START + timedelta(hours=5)
        result = desk.take_in([Heard(at, forged.telegram(samples.values(meter, at, 7), at), meter)])
        assert result.states[State.DOWNGRADED] == 1
        assert not Reading.objects.filter(slot_at=at).exists()
        state = MeterState.objects.get()
        assert (state.downgraded, state.state) == (1, State.DOWNGRADED)
        assert Telegram.objects.get(slot_at=at).state == State.DOWNGRADED

    def test_a_replayed_telegram_is_not_a_reading(self, desk, hear):
        heard = hear("multical403", each=3)
        desk.own(heard)
        desk.take_in(heard)
        late = Heard(START + timedelta(hours=9), heard[0].frame, heard[0].meter)
        result = desk.take_in([late])
        assert result.states[State.DOWNGRADED] == 1
        assert Reading.objects.filter(kind=0).count() == 3
        newest_again = Heard(START + timedelta(hours=10), heard[2].frame, heard[2].meter)
        assert desk.take_in([newest_again]).states[State.DOWNGRADED] == 1

    def test_the_same_telegram_by_a_slower_road_is_no_forgery(self, desk, hear):
        heard = hear("multical403", each=3)
        desk.own(heard)
        desk.take_in(heard)
        late = [replace(one, at=one.at + timedelta(seconds=20)) for one in heard]
        result = desk.take_in(late, collector=1)
        assert result.states[State.DOWNGRADED] == 0


def replace_security(meter):
    """The same meter pretending to send in clear."""
    return replace(meter, key=None, sent=0)


def test_an_address_claimed_by_two_utilities_is_nobodys_until_settled(desk: Desk, hear):
    heard = hear(each=3)
    desk.own(heard)
    desk.take_in(heard[:1])
    other = Utility.objects.create(name="Söderby Fjärrvärme", slug="soderby")
    theirs = Desk(other, [other.collector_set.create(name="Mast", spec="import")])
    theirs.take_in(heard[1:2])
    adopt(other, MeterState.objects.filter(utility=other), None)
    assert MeterAddress.objects.filter(contested=True).count() == 2
    assert AuditEvent.objects.filter(event="meter.address_contested").count() == 2
    assert desk.take_in(heard[1:2]).states[State.CONTESTED] == 1
    assert Reading.objects.filter(kind=0).count() == 1


def test_two_utilities_with_the_same_serial_number_never_see_each_others_rows(desk: Desk, hear):
    mine = hear("multical403", seed=7)
    other = Utility.objects.create(name="Söderby Fjärrvärme", slug="soderby")
    theirs = Desk(other, [other.collector_set.create(name="Mast", spec="import")])
    twin = samples.SimulatedMeter.of("diehl_sharky", mine[0].meter.identification, b"\x07" * 16)
    foreign = [Heard(START, samples.next_telegram(twin, START, 3), twin)]
    desk.own(mine)
    theirs.own(foreign)
    for who in (desk, theirs):
        who.take_in([*mine, *foreign])
    assert {(m.utility_id, m.manufacturer) for m in Meter.objects.all()} == {
        (desk.utility.pk, "KAM"),
        (other.pk, twin.type.manufacturer),
    }
    for meter in Meter.objects.all():
        assert Reading.objects.filter(meter=meter, kind=0).count() == 1
    assert Reading.objects.filter(meter__utility=desk.utility).exclude(meter__manufacturer="KAM").count() == 0


def test_a_wired_telegram_becomes_a_reading_too(desk, hear):
    heard = hear("multical603_wired")
    desk.take_in(heard, wired=True)
    adopt(desk.utility, MeterState.objects.all(), None)
    assert Reading.objects.filter(kind=0).count() == 1
