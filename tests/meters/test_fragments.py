"""A message in several fragments becomes one reading, whatever batches and roads its parts come by."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.meters.conftest import START, Heard

from avlas.meters.models import Meter, Reading, State, Telegram
from avlas.simulate import frames, samples, security

pytestmark = pytest.mark.django_db


def message_of(meter, counter, litres, more=5, clear=0):
    """The fragments of a mode 7 message with a volume and as many other records, some in clear behind it."""
    plain = security.fill(
        bytes.fromhex("0C13") + bytes.fromhex(f"{litres:08d}")[::-1] + bytes.fromhex("02FD170000") * more
    )
    number = counter.to_bytes(4, "little")
    content = security.mode_7(meter.key, counter, meter.address[2:6], plain)
    content += bytes.fromhex("02FD170000") * clear
    message = frames.tpl_short(5, 0, security.mode_7_configuration(plain), content)
    length = len(message).to_bytes(2, "little")
    _, mac_key = security.mode_7_keys(meter.key, counter, meter.address[2:6])
    mac = security.cmac(mac_key, b"\x65" + number + length + message)[:8]
    third = len(message) // 3
    pieces = [message[:third], message[third : 2 * third], message[2 * third :]]
    heads = [b"\x01\x78\x65" + number + length, b"\x02\x40", b"\x03\x04" + mac]
    return [
        frames.link(meter.address, frames.ell_short(5) + bytes((0x90, len(head))) + head + piece)
        for head, piece in zip(heads, pieces, strict=True)
    ]


@pytest.fixture
def meter(desk):
    one = samples.meters("diehl_hydrus", 1, 4)[0]
    desk.own([Heard(START, samples.next_telegram(one, START, 7), one)])
    return one


def heard(parts, at=START + timedelta(hours=2)):
    return [Heard(at + timedelta(seconds=n), part) for n, part in enumerate(parts)]


@pytest.mark.parametrize("clear", [0, 44], ids=["shorter than a frame", "longer than a frame"])
def test_the_whole_message_becomes_a_reading(desk, meter, clear):
    result = desk.take_in(heard(message_of(meter, 900, 12345678, 9, clear)))
    assert result.states[State.READ] == 1
    reading = Reading.objects.filter(kind=0).order_by("slot_at").last()
    assert reading.volume_m3 == 12345.678
    kept = Telegram.objects.filter(state=State.READ).order_by("slot_at").last()
    assert (len(bytes(kept.frame)) > 256) == bool(clear)
    assert Telegram.objects.filter(state=State.UNSUPPORTED).exists(), "a fragment alone is kept too"
    assert Meter.objects.get().states.get().state == State.READ


def test_the_parts_may_come_in_batches_of_their_own_and_again(desk, meter):
    parts = heard(message_of(meter, 900, 12345678))
    states = [desk.take_in([part]).states[State.READ] for part in parts]
    assert states == [0, 0, 1]
    before = list(Reading.objects.values_list())
    assert desk.take_in(parts).states[State.READ] == 0, "by another road: surplus"
    assert list(Reading.objects.values_list()) == before


def test_a_message_that_lacks_a_part_or_is_changed_is_no_reading(desk, meter):
    first, second, third = message_of(meter, 900, 12345678)
    assert desk.take_in(heard([first, third])).states[State.READ] == 0
    changed = third[:-1] + bytes([third[-1] ^ 1])
    assert desk.take_in(heard([first, second, changed])).states[State.READ] == 0
    assert desk.take_in(heard([first, second, third], START + timedelta(hours=3))).states[State.READ] == 1
