"""The wireless and wired link layers (EN 13757-4, EN 13757-2): CRCs, lengths, addresses, coding."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.decode.by_hand import MAKER, SENDER, crc, wired, wireless, with_crcs_a, with_crcs_b

from avlas.decode import FrameError, HeaderError, Unsupported, header, link, telegram
from avlas.decode import wired as wired_link
from avlas.decode.batch import without_crcs

LENGTHS = [1, 5, 6, 7, 16, 22, 23, 100, 116, 117, 118, 130, 200]


@given(st.binary(max_size=60))
def test_the_crc_is_the_standards_bit_by_bit(data):
    assert link.crc16(data) == crc(data)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(("form", "add"), [("a-crc", with_crcs_a), ("b-crc", with_crcs_b)])
def test_crcs_are_checked_and_removed(length, form, add):
    frame = wireless(bytes([0xA5]) + bytes(range(length - 1)))
    assert link.strip_crcs(add(frame), form) == frame
    assert link.strip_crcs(add(frame) + b"\x5b", form) == frame  # a receiver's signal byte after the end


@pytest.mark.parametrize(("form", "add"), [("a-crc", with_crcs_a), ("b-crc", with_crcs_b)])
def test_every_single_wrong_bit_is_found(form, add):
    whole = add(wireless(bytes([0xA5]) + bytes(range(130))))
    for at in range(1, len(whole)):
        broken = bytearray(whole)
        broken[at] ^= 0x10
        with pytest.raises(FrameError):
            link.strip_crcs(bytes(broken), form)


@pytest.mark.parametrize("form", ["a-crc", "b-crc"])
@given(st.binary(max_size=40))
def test_stripping_any_bytes_raises_nothing_else(form, data):
    with contextlib.suppress(FrameError):
        link.strip_crcs(data, form)


@st.composite
def sent_frames(draw):
    """A frame with CRCs of either format, as a receiver hands it over: whole, damaged, cut or with bytes behind."""
    add = draw(st.sampled_from([with_crcs_a, with_crcs_b]))
    plain = wireless(draw(st.binary(min_size=draw(st.sampled_from([0, 0, 100])), max_size=240)))
    frame = bytearray(add(plain[: 248 if add is with_crcs_b else 256]))
    for _ in range(draw(st.integers(0, 2))):
        frame[draw(st.integers(0, len(frame) - 1))] ^= draw(st.integers(0, 255))
    cut = draw(st.sampled_from([0, 0, 0, -1, -3, 1]))
    return bytes(frame[:cut] if cut < 0 else frame + bytes(cut))


@pytest.mark.parametrize("form", ["a-crc", "b-crc"])
@given(st.lists(st.one_of(sent_frames(), st.binary(max_size=30)), max_size=24))
def test_whole_batches_are_stripped_like_one(form, frames):
    plain, errors = without_crcs(frames, form)
    for row, frame in enumerate(frames):
        expected, why = b"", None
        try:
            expected = link.strip_crcs(frame, form)
        except FrameError as error:
            why = str(error)
        assert plain[row] == expected
        assert (str(errors[row]) if row in errors else None) == why


def test_long_batches_are_stripped_in_parts():
    good, bad = with_crcs_a(wireless(bytes(range(90)))), with_crcs_a(wireless(bytes(90)))[:-1] + b"\0"
    plain, errors = without_crcs([good] * 1500 + [bad] + [good] * 700, "a-crc")
    assert list(errors) == [1500]
    assert [frame for row, frame in enumerate(plain) if row != 1500] == [wireless(bytes(range(90)))] * 2200


def test_auto_judges_by_length_never_by_a_crc_that_fits():
    content = bytes.fromhex("78 0406 64000000")
    frame = wireless(content)
    assert telegram(frame).records[0].value == 100
    assert telegram(with_crcs_a(frame)).records[0].value == 100
    # a normalised frame whose last two bytes happen to be the CRC of the rest stays as it is
    body = wireless(content + bytes(2))[:-2]
    chance = body + crc(body).to_bytes(2, "big")
    assert telegram(chance).plain == chance


def test_auto_decodes_what_is_there_when_the_l_field_lies_but_a_does_not():
    frame = wireless(bytes.fromhex("78 0406 64000000 0413 01000000"))
    short = frame[:-3]
    assert [r.value for r in telegram(short).records] == [100, None]
    assert telegram(frame + b"\x5b").records[0].value == 100
    for lying in (short, frame + b"\x5b"):
        with pytest.raises(FrameError, match="L-field"):
            telegram(lying, format="a")


def test_three_out_of_six():
    # EN 13757-4 table 10: 0 = 010110, 1 = 001101, 2 = 001110, F = 101001
    bits = "001101001110101001010110"  # 1 2 F 0
    assert link.decode_3_of_6(int(bits, 2).to_bytes(3, "big")) == b"\x12\xf0"
    with pytest.raises(FrameError, match="byte 1"):
        link.decode_3_of_6(int(bits[:12] + "000000" + bits[18:], 2).to_bytes(3, "big"))


def test_manufacturer_codes():
    assert link.manufacturer_letters(0x633A) == "XYZ"
    assert link.manufacturer_code("XYZ") == 0x633A
    for wrong in ("xyz", "XY", "X1Z"):
        with pytest.raises(ValueError, match="three letters"):
            link.manufacturer_code(wrong)


def test_the_address_is_read_in_clear():
    known = header(wireless(bytes.fromhex("7A 2A 04 3005") + bytes(48)))
    assert (known.address.manufacturer, known.address.identification) == ("XYZ", "12345678")
    assert (known.address.version, known.address.device_type) == (1, 4)
    assert (known.access_number, known.status, known.security) == (0x2A, 4, "mode 5")
    assert link.header(wireless(b"\xa5\x01")).ci == 0xA5


@pytest.mark.parametrize("ci", ["A0", "A2", "B0", "71", "7A 00 00 0010"])
def test_diehls_own_payloads_send_version_and_type_first(ci):
    maker = link.manufacturer_code("DME").to_bytes(2, "little")
    frame = wireless(bytes.fromhex(ci) + bytes(4), sender=maker + bytes.fromhex("7B07 78563412"))
    address = header(frame).address
    assert (address.identification, address.version, address.device_type) == ("12345678", 0x7B, 0x07)
    assert address.raw == maker + bytes.fromhex("78563412 7B07")


@pytest.mark.parametrize(("maker", "ci"), [("DME", "7A 00 00 0005"), ("SAP", "A0"), ("XYZ", "A0")])
def test_all_others_send_the_number_first(maker, ci):
    sender = link.manufacturer_code(maker).to_bytes(2, "little") + bytes.fromhex("78563412 7B07")
    assert header(wireless(bytes.fromhex(ci) + bytes(4), sender=sender)).address.identification == "12345678"


@pytest.mark.parametrize(
    ("frame", "error"),
    [(b"", FrameError), (b"\x44", FrameError), (bytes.fromhex("0944") + SENDER, HeaderError)],
)
def test_too_short_frames(frame, error):
    with pytest.raises(error):
        telegram(frame)


# wired


def test_wired_frames():
    assert wired_link.parse(b"\xe5").kind == "ack"
    assert wired_link.parse(bytes.fromhex("10 5B 05 60 16")).kind == "short"
    assert wired_link.parse(wired(b"\x72")).kind == "control"
    long = wired_link.parse(wired(b"\x78\x01\x7a\x05"))
    assert (long.kind, long.address, long.ci, long.body) == ("long", 5, 0x78, b"\x01\x7a\x05")


@pytest.mark.parametrize("at", range(12))
def test_any_wrong_byte_of_a_wired_frame_is_found(at):
    frame = bytearray(wired(b"\x78\x01\x7a\x05"))
    frame[at] ^= 0x01
    with pytest.raises(FrameError):
        wired_link.parse(bytes(frame))


def test_what_carries_no_values_says_so():
    for frame in (b"\xe5", bytes.fromhex("10 08 05 0D 16"), wired(b"\x51\x01\x7a\x07", control=0x53)):
        with pytest.raises(Unsupported):
            telegram(frame, format="wired")


def test_a_wired_telegram_and_its_errors():
    content = bytes.fromhex("72 78563412") + MAKER + bytes.fromhex("01 04 2A 00 0000 0406 64000000")
    result = telegram(wired(content))
    assert result.header.wired
    assert result.header.link_address is None
    assert (result.header.address.identification, result.records[0].value) == ("12345678", 100)
    # a master can ask again: what breaks off is refused
    with pytest.raises(Exception, match="4 bytes, 3 are left") as caught:
        telegram(wired(content[:-1]))
    assert caught.value.kind == "record_error"
    assert caught.value.header.address.identification == "12345678"


def test_signature_bytes_of_old_wired_meters_announce_no_encryption():
    content = bytes.fromhex("72 78563412") + MAKER + bytes.fromhex("01 04 2A 00 27B6 0406 64000000")
    assert telegram(wired(content)).header.security == "none"


def test_high_byte_first():
    content = bytes.fromhex("76 12345678") + MAKER[::-1] + bytes.fromhex("01 04 2A 00 0000 0406 00000064")
    result = telegram(wired(content))
    assert (result.header.address.manufacturer, result.header.address.identification) == ("XYZ", "12345678")
    assert result.records[0].value == 100


def test_the_fixed_data_structure():
    """EN 1434-3:1997: 05 is kWh, 29 is litres, 3E the same as counter 1 but historic."""
    binary = telegram(wired(bytes.fromhex("73 78563412 07 01 05 29 64000000 0C000000")))
    assert [(r.quantity, str(r.value), r.unit) for r in binary.records] == [
        ("energy", "100", "kWh"),
        ("volume", "0.012", "m³"),
    ]
    assert (binary.header.address.identification, binary.header.access_number) == ("12345678", 7)
    decimal = telegram(wired(bytes.fromhex("73 78563412 07 00 05 3E 23010000 99000000")))
    assert [(r.value, r.unit, r.storage) for r in decimal.records] == [(123, "kWh", 0), (99, "kWh", 1)]
    with pytest.raises(HeaderError):
        telegram(wired(bytes.fromhex("73 78563412 07 01 05 29")))


@pytest.mark.parametrize(("code", "words"), [(0, "unspecified"), (8, "busy"), (6, "VIFE"), (77, "error 77")])
def test_an_application_error_is_the_meters_own_answer(code, words):
    with pytest.raises(Exception, match=words) as caught:
        telegram(wired(bytes([0x70, code])))
    assert caught.value.kind == "application_error"
