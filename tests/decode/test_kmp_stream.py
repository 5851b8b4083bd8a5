"""The asking end of an optical line: echo, noise, pieces, damage, answers that belong to somebody else."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlas.decode import kmp
from avlas.decode.kmp import stream
from avlas.simulate import optical

SERIAL = optical.frame(0x3F, 0x02, bytes.fromhex("047868c0"))
ENERGY = optical.frame(0x3F, 0x10, bytes.fromhex("003c 02 04 00 0000a2b3"))


def asking(request):
    exchange = kmp.Exchange()
    return exchange, exchange.ask(request)


def kinds(events):
    return [type(event).__name__ for event in events]


def test_a_request_and_its_answer():
    exchange, sent = asking(kmp.GetSerialNo())
    assert sent == optical.frame(0x3F, 0x02, start=0x80)
    assert exchange.waiting == kmp.GetSerialNo()
    (event,) = exchange.hear(SERIAL)
    assert isinstance(event, kmp.Answered)
    assert (event.request, event.answer) == (kmp.GetSerialNo(), kmp.SerialAnswer(75000000))
    assert event.message.plain == SERIAL[:1] + event.message.frame.body + SERIAL[-3:-1] + b"\x0d"
    assert exchange.waiting is None
    assert exchange.give_up() == ()


def test_the_echo_of_the_head_is_known():
    exchange, sent = asking(kmp.GetSerialNo())
    echo, answered = exchange.hear(sent + SERIAL)
    assert echo == kmp.Echo(sent)
    assert isinstance(answered, kmp.Answered)


def test_noise_before_between_and_after():
    exchange, sent = asking(kmp.GetSerialNo())
    events = exchange.hear(b"\x00\xff" + sent + b"\x00\x06\x0d\x00" + SERIAL + b"\x00")
    assert kinds(events) == ["Noise", "Echo", "Noise", "Answered", "Noise"]
    assert [event.raw for event in events if isinstance(event, kmp.Noise)] == [
        b"\x00\xff",
        b"\x00\x06\x0d\x00",
        b"\x00",
    ]


def test_a_start_byte_in_the_noise_costs_nothing():
    exchange, _sent = asking(kmp.GetSerialNo())
    assert kinds(exchange.hear(b"\x40\x12\x80\x3f" + SERIAL)) == ["Noise", "Answered"]


def test_a_damaged_echo_does_not_hide_the_answer():
    exchange, sent = asking(kmp.GetSerialNo())
    broken = sent[:2] + b"\x55" + sent[3:]
    assert kinds(exchange.hear(broken + SERIAL)) == ["Noise", "Answered"]


def test_an_order_is_acknowledged_and_only_then():
    exchange, sent = asking(kmp.SetClock(datetime(2026, 7, 2, 12)))
    assert exchange.hear(sent) == (kmp.Echo(sent),)
    assert exchange.hear(b"\x00\x06") == (
        kmp.Noise(b"\x00"),
        kmp.Acknowledged(kmp.SetClock(datetime(2026, 7, 2, 12))),
    )
    assert exchange.hear(b"\x06") == (kmp.Noise(b"\x06"),)


def test_an_acknowledgement_after_half_a_frame():
    exchange, sent = asking(kmp.SetCutOffState(2))
    assert kinds(exchange.hear(sent[:-1] + b"\x06")) == ["Noise", "Acknowledged"]


def test_a_damaged_answer_says_so_and_leaves_the_request_open():
    exchange, _sent = asking(kmp.GetSerialNo())
    (event,) = exchange.hear(SERIAL[:4] + b"\x55" + SERIAL[5:])
    assert isinstance(event, kmp.Damaged)
    assert event.error.kind == "frame_error"
    assert exchange.waiting == kmp.GetSerialNo()


def test_an_answer_that_breaks_off():
    exchange, _sent = asking(kmp.GetSerialNo())
    assert exchange.hear(SERIAL[:-1]) == ()
    (event,) = exchange.give_up()
    assert (event.raw, event.error.message) == (SERIAL[:-1], "the frame breaks off: its stop byte never came")
    assert kinds(exchange.hear(SERIAL)) == ["Unexpected"]


def test_half_an_echo_is_no_answer_that_broke_off():
    exchange, sent = asking(kmp.GetSerialNo())
    exchange.hear(sent[:-1])
    assert exchange.give_up() == (kmp.Noise(sent[:-1]),)


def test_a_new_request_forgets_half_an_answer():
    exchange, _sent = asking(kmp.GetRegister((60,)))
    exchange.hear(ENERGY[:6])
    exchange.ask(kmp.GetSerialNo())
    assert kinds(exchange.hear(SERIAL)) == ["Answered"]


LOG = bytes.fromhex("05 0001 01 00001234 00001234 0000 003c 02 04 00 0000a2b3")


@pytest.mark.parametrize(
    ("request_", "other"),
    [
        (kmp.GetSerialNo(), ENERGY),  # another command
        (kmp.GetSerialNo(), optical.frame(0x7F, 0x02, bytes(4))),  # another device
        (kmp.GetRegister((68, 74)), ENERGY),  # a register nobody asked for: too late an answer
        (
            kmp.GetLogIDPastAbs(4, 0x1234, 1, (60,)),
            optical.frame(0x3F, 0xB8, b"\x06" + LOG),
        ),  # another logger
        (
            kmp.GetLogLastEntryPastAbs(5, 0, 1, (60,)),
            optical.frame(0x3F, 0xB8, b"\x06" + LOG),
        ),  # another question
        (
            kmp.GetLogLastPresent(1, (60,)),
            optical.frame(0x7F, 0xA1, bytes.fromhex("02 00 0000 0000 00")),
        ),  # another log
    ],
)
def test_what_belongs_to_another_request_is_no_answer(request_, other):
    exchange, _sent = asking(request_)
    assert kinds(exchange.hear(other)) == ["Unexpected"]
    assert exchange.waiting == request_


def test_somebody_elses_request_is_unexpected():
    exchange, _sent = asking(kmp.GetSerialNo())
    assert kinds(exchange.hear(kmp.GetType().frame())) == ["Unexpected"]


def test_clearing_events_is_answered_by_their_status():
    for command in (0x9B, 0x9C):
        exchange, _sent = asking(kmp.ClearEventStatus(bytes(8), address=0x7F))
        assert kinds(exchange.hear(optical.frame(0x7F, command, bytes(4)))) == ["Answered"]


def test_a_frame_without_end_is_noise():
    exchange, _sent = asking(kmp.GetSerialNo())
    heard = exchange.hear(b"\x40" + b"\x55" * (stream.LONGEST + 10))
    assert kinds(heard) == ["Noise"]
    assert kinds(exchange.hear(SERIAL)) == ["Answered"]


PIECES = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from([SERIAL, ENERGY, kmp.GetSerialNo().frame(), b"\x06", SERIAL[:5], b"\x40\x1b", LOG]),
    ),
    max_size=8,
)


def joined(events):
    """The events with neighbouring noise made one: how noise is cut depends on how it came."""
    out = []
    for event in events:
        if out and isinstance(event, kmp.Noise) and isinstance(out[-1], kmp.Noise):
            out[-1] = kmp.Noise(out[-1].raw + event.raw)
        else:
            out.append(event)
    return [repr(event) for event in out]


def all_bytes(events, exchange):
    """Everything that was told, in order, and what is still half heard."""
    told = b""
    for event in events:
        if isinstance(event, kmp.Acknowledged):
            told += b"\x06"
        elif isinstance(event, kmp.Answered | kmp.Unexpected):
            frame = event.message.frame
            told += optical.frame(frame.address, frame.command, frame.data, start=event.message.plain[0])
        else:
            told += event.raw
    return told + bytes(exchange._heard)


REQUESTS = st.sampled_from([kmp.GetSerialNo(), kmp.GetRegister((60,)), kmp.SetCutOffState(1)])


@given(REQUESTS, PIECES, st.integers(1, 9))
def test_however_bytes_are_cut_the_events_are_the_same(request_, pieces, size):
    data = b"".join(pieces)
    whole, _ = asking(request_)
    cut, _ = asking(request_)
    at_once = whole.hear(data)
    bit_by_bit = [event for at in range(0, len(data), size) for event in cut.hear(data[at : at + size])]
    assert joined(at_once) == joined(bit_by_bit)
    assert all_bytes(at_once, whole) == data  # not a byte lost or told twice
    cut.give_up()
    assert kinds(cut.hear(SERIAL)) == ["Unexpected"]
