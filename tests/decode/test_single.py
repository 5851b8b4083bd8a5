"""The whole decoder: explanations, errors that know their telegram, and the law that nothing else is raised."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.decode.by_hand import (
    KEY,
    MAKER,
    ell_ctr,
    full,
    mode_5,
    mode_7,
    wired,
    wireless,
    with_crcs_a,
    with_crcs_b,
)

from avlas import decode
from avlas.decode import DecodeError, Layouts, NoKey, Unsupported, header, telegram

RECORDS = "0406 D2040000 0413 39300000 0259 C409 0B2B 56341F 0D7C 03 485225 02 3132 426C D72B 01FD17 00"
LONG_HEADER = b"\x72\x78\x56\x34\x12" + MAKER + bytes.fromhex("01 04 2A 00 0000")
SEEDS = [
    full(RECORDS),
    mode_5(RECORDS),
    mode_7(RECORDS),
    ell_ctr(b"\x78" + bytes.fromhex(RECORDS)),
    wireless(LONG_HEADER + bytes.fromhex(RECORDS)),
    wired(LONG_HEADER + bytes.fromhex(RECORDS)),
    wired(bytes.fromhex("73 78563412 07 01 05 29 64000000 0C000000")),
    with_crcs_a(full(RECORDS)),
    with_crcs_b(full(RECORDS)),
    full("84046D 0002E123 8B0415 005000 8D04951F 05 69 01 030211"),
    wireless(bytes.fromhex("79 F1E7 0000 D20400 D20300 393000 D72B 0500 00")),
    wireless(bytes.fromhex("69 0A 0000 0406 0413 0259 426C")),
]
FORMATS = st.sampled_from(["auto", "a", "a-crc", "b-crc", "wired", "assembled"])
KEYS = st.sampled_from([None, KEY, b"", KEY[:8]])


def explained(result):
    at = 0
    for span in result.spans:
        assert span.start == at, (span, at)
        assert span.end > span.start
        assert span.name
        at = span.end
    assert at == len(result.plain)


@pytest.mark.parametrize("frame", SEEDS[:7], ids=lambda frame: frame[:12].hex())
def test_every_byte_is_explained(frame):
    result = telegram(frame, KEY)
    explained(result)
    assert len(result.plain) == len(frame)
    assert {span.layer for span in result.spans} <= {"link", "ell", "afl", "tpl", "apl"}


def test_the_explanation_says_what_the_bytes_mean():
    spans = {(s.layer, s.name): s.meaning for s in telegram(mode_5(RECORDS), KEY).spans}
    assert spans["link", "A-field"] == "identification 12345678, version 01, type 04"
    assert spans["tpl", "access number"] == "42"
    assert "mode 5" in spans["tpl", "configuration"]
    assert spans["apl", "filler"].endswith("idle bytes 2F")


def test_plain_holds_the_decrypted_content_in_place():
    result = telegram(mode_5(RECORDS), KEY)
    assert bytes.fromhex(RECORDS) in result.plain
    for record in result.records:
        start, end = record.range
        assert result.plain[start:end] == record.dib + record.vib + record.data


def test_what_a_telegram_tells():
    result = telegram(wireless(LONG_HEADER + bytes.fromhex(RECORDS)))
    assert (result.manufacturer, result.header.ci, result.header.ci_chain) == ("XYZ", 0x72, (0x72,))
    assert result.registers["volume_m3"] == result.records[1].value
    assert result.medium == "heat"
    assert result.signature is not None


def test_makers_own_content_is_handed_on_with_its_header():
    result = telegram(wireless(bytes.fromhex("A2 0102030405")))
    assert [(r.quantity, r.value) for r in result.records] == [
        ("manufacturer_specific", b"\x01\x02\x03\x04\x05")
    ]
    assert result.header.address.identification == "12345678"
    explained(result)


def test_alarms_and_bare_transport_layers():
    assert telegram(wireless(bytes.fromhex("74 2A 00 0000 05"))).records[0].value == 5
    assert telegram(wireless(bytes.fromhex("8A 2A 00 0000"))).records == ()


@pytest.mark.parametrize("content", ["7D 2A 00 0000 01", "7F 2A 00 0000", "50", "81 01", "C0 00"])
def test_unknown_layers_are_unsupported_but_have_a_header(content):
    with pytest.raises(Unsupported) as caught:
        telegram(wireless(bytes.fromhex(content)))
    assert caught.value.header.address.identification == "12345678"


def test_errors_know_whose_telegram_it_was():
    for content in ("7A 2A", "8D 20", "90 20 00", "78 04", "79 00", "7A 2A 00 2005 00"):
        with pytest.raises(DecodeError) as caught:
            telegram(wireless(bytes.fromhex(content)))
        assert caught.value.header.address.identification == "12345678"
        assert caught.value.message == str(caught.value)
    with pytest.raises(DecodeError) as caught:
        telegram(b"\x05\x44\x3a")
    assert caught.value.header is None


def test_an_unknown_format_is_the_callers_mistake():
    with pytest.raises(ValueError, match="format 'c'"):
        telegram(full(RECORDS), format="c")


def test_layouts_are_not_learnt_behind_the_callers_back():
    layouts = Layouts()
    telegram(full(RECORDS), layouts=layouts)
    assert len(layouts) == 0


def whatever_comes(frame, key, form, accept_clear):
    with contextlib.suppress(DecodeError):
        explained(telegram(frame, key, format=form, accept_clear=accept_clear))
    with contextlib.suppress(DecodeError):
        header(frame, form)


@given(st.binary(max_size=300), KEYS, FORMATS, st.booleans())
def test_any_bytes_give_a_telegram_or_a_decode_error(frame, key, form, accept_clear):
    whatever_comes(frame, key, form, accept_clear)


@given(st.binary(max_size=250), st.integers(0, 255), KEYS)
@example(bytes(20), 0x8D, None)
def test_any_content_behind_a_good_link_layer(content, ci, key):
    whatever_comes(wireless(bytes([ci]) + content[:240]), key, "a", True)
    whatever_comes(wired(bytes([ci]) + content[:240]), key, "wired", True)


@settings(max_examples=300)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
    st.integers(0, 80),
    KEYS,
    FORMATS,
    st.booleans(),
)
def test_damaged_telegrams(frame, changes, cut, key, form, accept_clear):
    broken = bytearray(frame[: len(frame) - cut])
    for at, value in changes:
        if at < len(broken):
            broken[at] = value
    whatever_comes(bytes(broken), key, form, accept_clear)


@given(st.integers(0, 127), st.integers(0, 7))
def test_one_wrong_bit_of_a_checked_telegram_never_gives_values(at, bit):
    """ELL with payload CRC and mode 7 with MAC: behind the header every wrong bit is noticed."""
    for frame in (SEEDS[2], SEEDS[3]):
        broken = bytearray(frame)
        place = 17 + at % (len(frame) - 17)
        broken[place] ^= 1 << bit
        with pytest.raises(DecodeError):
            telegram(bytes(broken), KEY)


def test_the_names_others_use():
    assert set(decode.__all__) <= set(dir(decode))
    with pytest.raises(NoKey):
        decode.telegram(mode_5(RECORDS))
