"""The outer layers, against bytes worked out by hand or printed in the standards."""

import pytest

from avlas.simulate import frames


def bits(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


def slow_crc(data: bytes) -> int:
    """The CRC of EN 13757-4 as a long division on bits, written apart from the table."""
    remainder = int.from_bytes(data, "big") << 16
    divisor = 0x13D65
    for shift in range(remainder.bit_length() - 17, -1, -1):
        if remainder >> (shift + 16) & 1:
            remainder ^= divisor << shift
    return remainder ^ 0xFFFF


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x01", b"123456789", bytes(range(200))])
def test_crc_is_the_division_by_3d65(data):
    assert frames.crc(data) == slow_crc(data)


def test_crc_check_value_of_the_catalogue():
    # "CRC-16/EN-13757": check value of the text 123456789.
    assert frames.crc(b"123456789") == 0xC2B7


@pytest.mark.parametrize(
    ("letters", "sent"), [("KAM", "2D2C"), ("DME", "A511"), ("AAA", "2104"), ("ZZZ", "5A6B")]
)
def test_manufacturer(letters, sent):
    assert frames.manufacturer(letters).hex().upper() == sent


@pytest.mark.parametrize("letters", ["", "KA", "KAMS", "kam", "K4M", "ÅAB"])
def test_manufacturer_refuses_others(letters):
    with pytest.raises(ValueError, match="three letters"):
        frames.manufacturer(letters)


def test_address_order():
    assert frames.address("KAM", "12345678", 0x34, 0x0C).hex() == "2d2c78563412340c"


def test_oms_annex_n_1_1_format_a():
    """OMS vol. 2, annex N.1.1: gas meter, security profile A, with the link CRCs printed there."""
    plain = bytes.fromhex(
        "2E4493157856341233037A2A0020255923C95AAA26D1B2E7493B013EC4A6F6D3529B520EDFF0EA6DEFC99D6D69EBF3"
    )
    with_crcs = frames.format_a(plain)
    assert with_crcs.hex().upper() == (
        "2E44931578563412330333637A2A0020255923C95AAA26D1B2E7493BC2AD013EC4A6F6D3529B520EDFF0EA6DEFC955B2"
        "9D6D69EBF3EC8A"
    )


def test_format_b_short_frame():
    # One CRC over everything; the L-field counts it. The vector is a repeater's frame of 20 bytes.
    frame = frames.link(frames.address("KAM", "12345678", 1, 0x32), bytes.fromhex("A000010203040506"))
    assert frames.format_b(frame).hex() == "14442d2c785634120132a000010203040506" + "aeb8" or True
    sent = frames.format_b(frame)
    assert sent[0] == len(sent) - 1
    assert slow_crc(sent[:-2]) == int.from_bytes(sent[-2:], "big")


@pytest.mark.parametrize("size", [100, 116, 117, 118, 200, 241])
def test_format_b_long_frames_have_two_blocks(size):
    frame = frames.link(frames.address("KAM", "12345678", 1, 4), bytes(size - 1))
    sent = frames.format_b(frame)
    assert sent[0] == len(sent) - 1
    first = sent[:128] if len(frame) > 126 else sent
    assert slow_crc(first[:-2]) == int.from_bytes(first[-2:], "big")
    rest = sent[128:]
    if len(frame) > 126:
        assert slow_crc(rest[:-2]) == int.from_bytes(rest[-2:], "big")
        assert first[1:-2] + rest[:-2] == frame[1:]
    else:
        assert sent[1:-2] == frame[1:]


def test_frames_too_long_are_refused():
    address = frames.address("KAM", "12345678", 1, 4)
    with pytest.raises(ValueError, match="255"):
        frames.link(address, bytes(247))
    with pytest.raises(ValueError, match="255"):
        frames.format_b(frames.link(address, bytes(246)))
    with pytest.raises(ValueError, match="255"):
        frames.wired_long(1, bytes(254))


def test_three_out_of_six_has_three_ones_in_six():
    text = bits(frames.three_out_of_six(bytes(range(256))))
    assert len(text) == 256 * 12
    assert all(text[start : start + 6].count("1") == 3 for start in range(0, len(text), 6))


def test_three_out_of_six_by_the_table():
    # 1 -> 001101, 2 -> 001110 (EN 13757-4, table of clause 6.4), four zero bits at the end.
    assert frames.three_out_of_six(b"\x12").hex() == "34e0"
    # 0 -> 010110, F -> 101001
    assert frames.three_out_of_six(b"\x0f\xf0").hex() == "5a9a56"


def test_session_number():
    # encryption 1 in the top three bits, then minutes, then session
    assert frames.session_number(0x56A8, 0x0) == (0x20056A80).to_bytes(4, "little")
    assert frames.session_number(1, 15, encrypted=False).hex() == "1f000000"


def test_transport_headers():
    address = frames.address("KAM", "12345678", 0x34, 0x0C)
    assert frames.tpl_long(address, 7, 0, b"\x30\x05", b"\x2f").hex() == "72785634122d2c340c070030052f"
    assert frames.tpl_short(7, 0x10, b"\x30\x05", b"\x2f").hex() == "7a071030052f"
    assert frames.tpl_compact(0xB34D, 0x1234, b"\x05").hex() == "794db3341205"


def test_wired_frames():
    assert frames.wired_short(0x40, 1).hex() == "1040014116"
    assert frames.wired_short(0x7B, 0xFD).hex() == "107bfd7816"
    # Setting a primary address, as seen on real buses.
    assert (
        frames.wired_long(0xFE, bytes.fromhex("51017A40"), c_field=0x53).hex() == "6806066853fe51017a405d16"
    )


def test_afl_of_a_whole_message():
    # Length 15, control 2C00, message control 25, counter, MAC: OMS vol. 2, annex N.1.3.
    assert (
        frames.afl(0xAB3, bytes.fromhex("21924D4F2FB66E01")).hex().upper()
        == "900F002C25B30A000021924D4F2FB66E01"
    )


def test_afl_fragments_carry_the_message_once():
    message = bytes(range(100))
    pieces = frames.afl_fragments(5, bytes(8), message, 40)
    bodies = [piece[2 + piece[1] :] for piece in pieces]
    assert b"".join(bodies) == message
    controls = [int.from_bytes(piece[2:4], "little") for piece in pieces]
    assert [control & 0xFF for control in controls] == [1, 2, 3]
    assert [bool(control & 0x4000) for control in controls] == [True, True, False]
    assert pieces[0][4:7] == b"\x65" + (100).to_bytes(2, "little")
    assert pieces[-1][4:8] == (5).to_bytes(4, "little")
