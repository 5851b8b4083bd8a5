"""Telegrams that could not be read wait, raw, and are read when a key or a layout has come."""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.meters.conftest import START, Desk, Heard, forget

from avlas.meters import command_reread, pace, retro
from avlas.meters.keys import Who
from avlas.meters.keys import add as add_key
from avlas.meters.models import LearntLayout, MeterState, Reading, State, Telegram
from avlas.meters.retro import decode_waiting
from avlas.simulate import samples
from avlas.system import secrets
from avlas.system.models import AuditEvent, Utility

pytestmark = pytest.mark.django_db


def unshipped(number=1, seed=7):
    """Meters whose compact frames come in a layout that nobody has shipped."""
    found = samples.meters("multical403", number, seed)
    odd = replace(found[0].type, fields=tuple(reversed(found[0].type.fields)))
    return [replace(meter, type=odd) for meter in found]


def say(meter, minutes, *, compact):
    at = START + timedelta(minutes=minutes)
    return Heard(at, meter.telegram(samples.values(meter, at, 7), at, compact=compact), meter)


def spoil(heard, place=-3):
    frame = bytearray(heard.frame)
    frame[place] ^= 0x11
    return replace(heard, frame=bytes(frame))


def test_compact_telegrams_wait_for_their_layout_and_are_read_when_a_full_one_comes(desk):
    (meter,) = unshipped()
    early = [say(meter, 60 * hour, compact=True) for hour in range(3)]
    desk.own(early)
    assert desk.take_in(early).states[State.UNKNOWN_LAYOUT] == 3
    waiting = Telegram.objects.filter(state=State.UNKNOWN_LAYOUT)
    assert {bytes(one.frame) for one in waiting} == {one.frame for one in early}
    assert not Reading.objects.exists()
    assert MeterState.objects.get().state == State.UNKNOWN_LAYOUT

    result = desk.take_in([say(meter, 240, compact=False)])
    assert result.states[State.READ] == 1
    assert not waiting.all().exists()
    readings = Reading.objects.filter(kind=0).order_by("slot_at")
    assert [one.slot_at for one in readings] == [START + timedelta(hours=hour) for hour in (0, 1, 2, 4)]
    assert readings[0].energy_heat_kwh == int(samples.values(meter, START, 7)["energy_heat_kwh"])
    assert MeterState.objects.get().unknown_layout == 3  # it was so, and the count says it


def test_a_layout_learnt_serves_other_meters_utilities_and_processes(desk):
    one, other = unshipped(2)
    theirs = Desk(Utility.objects.create(name="Söderby", slug="soderby"), [])
    theirs.collectors.append(theirs.utility.collector_set.create(name="Mast", spec="import"))
    waiting = say(other, 0, compact=True)
    theirs.own([waiting])
    assert theirs.take_in([waiting]).states[State.UNKNOWN_LAYOUT] == 1
    full = say(one, 60, compact=False)
    desk.own([full])
    desk.take_in([full])
    assert Telegram.objects.get(meter__utility=theirs.utility).state == State.READ
    forget()  # as another process, or after a restart
    assert theirs.take_in([say(other, 120, compact=True)]).states[State.READ] == 1


def test_the_earliest_waiting_telegram_is_kept_not_the_first_that_could_be_read(desk):
    (meter,) = unshipped()
    first, full, second = (
        say(meter, 0, compact=True),
        say(meter, 1, compact=False),
        say(meter, 2, compact=True),
    )
    desk.own([first])
    desk.take_in([first, full, second])
    assert {bytes(one.frame) for one in Telegram.objects.all()} == {first.frame, full.frame}
    assert set(Telegram.objects.values_list("state", flat=True)) == {State.READ}


@pytest.mark.parametrize("place", [-1, -3, -20, 20])
def test_a_damaged_telegram_never_teaches(desk, place):
    (meter,) = unshipped()
    compact, full = say(meter, 0, compact=True), spoil(say(meter, 60, compact=False), place)
    desk.own([compact])
    desk.take_in([compact, full, replace(full, at=full.at + timedelta(hours=1))])
    assert not LearntLayout.objects.exists()
    assert Telegram.objects.get(slot_at=START).state == State.UNKNOWN_LAYOUT


def test_a_damaged_telegram_waits_too_and_stays_damaged(desk, hear):
    (whole,) = hear()
    desk.own([whole])
    desk.take_in([spoil(whole)])
    kept = Telegram.objects.get()
    assert kept.state in (State.DAMAGED, State.WRONG_KEY)
    assert decode_waiting(desk.utility.pk).states[State.READ] == 0
    assert Telegram.objects.get().state == kept.state
    desk.take_in([whole])
    assert Telegram.objects.get().state == State.READ


def test_what_an_older_program_took_for_damaged_is_read_by_command_from_a_day_on_and_once(desk, hear, capsys):
    heard = [replace(one, at=one.at + timedelta(days=day)) for day, one in enumerate(hear(each=3))]
    desk.own(heard)
    desk.take_in(heard)
    taken_in = list(Reading.objects.order_by("meter_id", "kind", "slot_at").values())
    Reading.objects.all().delete()
    Telegram.objects.update(state=State.DAMAGED)

    assert reread("--since", f"{heard[-1].at:%Y-%m-%d}", "--utility", desk.utility.slug) == 0
    read = Telegram.objects.filter(state=State.READ)
    assert [bytes(one.frame) for one in read] == [heard[-1].frame]
    Telegram.objects.update(state=State.DAMAGED)
    assert reread() == reread() == 0
    assert read.all().count() == 3
    assert list(Reading.objects.order_by("meter_id", "kind", "slot_at").values()) == taken_in
    told = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1].split()[0] for line in told] == ["1", "3", "0"]
    assert AuditEvent.objects.filter(event="telegrams.reread").count() == 2
    assert reread("--utility", "nobody") == 1


def reread(*arguments):
    parser = argparse.ArgumentParser()
    command_reread.add_arguments(parser)
    return command_reread.run(parser.parse_args(arguments))


def test_telegrams_of_both_roads_are_read_in_their_own_form(desk):
    wired = samples.meters("multical603_wired", 1, 6)[0]
    desk.take_in([Heard(START, samples.next_telegram(wired, START, 7), wired)], wired=True)
    from avlas.meters.adopt import adopt

    adopt(desk.utility, MeterState.objects.all(), None)
    Telegram.objects.update(state=State.UNSUPPORTED)  # as if an older program had not understood it
    Reading.objects.filter(kind=0).delete()
    assert decode_waiting(desk.utility.pk).states[State.READ] == 1
    assert Reading.objects.get(kind=0).source == 2


def test_only_the_utilitys_own_telegrams_are_decoded(desk, hear):
    heard = hear(count=2)
    desk.own(heard, keys=False)
    desk.take_in(heard)
    other = Utility.objects.create(name="Söderby", slug="soderby")
    assert decode_waiting(other.pk).telegrams == 0
    meter_id = Telegram.objects.order_by("meter_id").first().meter_id
    assert decode_waiting(desk.utility.pk, meter_ids=[meter_id]).telegrams == 1


def test_without_the_master_key_nothing_is_stored_and_the_batch_can_come_again(
    desk, hear, settings, tmp_path
):
    heard = hear(each=2)
    desk.own(heard)
    there = secrets.settings.DATA
    settings.DATA = tmp_path
    secrets.forget()
    forget()
    with pytest.raises(secrets.SecretError):
        desk.take_in(heard)
    assert not Telegram.objects.exists()
    assert not Reading.objects.exists()
    assert MeterState.objects.get().heard == 0
    settings.DATA = there
    secrets.forget()
    assert desk.take_in(heard).states[State.READ] > 0


def test_when_decoding_what_waited_fails_the_batch_itself_is_stored(desk, monkeypatch):
    from django.db import OperationalError

    (meter,) = unshipped()
    early = say(meter, 0, compact=True)
    desk.own([early])
    desk.take_in([early])

    def locked(*_):
        raise OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(retro, "decode_waiting", locked)
        assert desk.take_in([say(meter, 60, compact=False)]).states[State.READ] == 1
    assert Telegram.objects.get(slot_at=START).state == State.UNKNOWN_LAYOUT
    assert decode_waiting(desk.utility.pk).states[State.READ] == 1


def test_keys_for_many_meters_are_used_in_pieces(desk, hear, monkeypatch):
    monkeypatch.setattr(retro, "_METERS", 2)
    monkeypatch.setattr(pace, "_FIRST", 3)
    monkeypatch.setattr(pace, "_LARGEST", 3)
    heard = hear(count=5, each=4)
    desk.own(heard, keys=False)
    desk.take_in(heard)
    waiting = Telegram.objects.count()
    for meter in {one.meter.identification: one.meter for one in heard}.values():
        add_key(desk.utility, meter.identification, meter.key.hex(), Who(), "KAM")
    assert Telegram.objects.filter(state=State.READ).count() == waiting == 20
