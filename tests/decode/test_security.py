"""Decryption: the right key opens; a missing key, a wrong key and damage are three different answers."""

from __future__ import annotations

import pytest
from tests.decode.by_hand import (
    DES_KEY,
    KEY,
    MAKER,
    OTHER_KEY,
    SENDER,
    crc,
    des,
    ell_ctr,
    fragments,
    full,
    mode_5,
    mode_7,
    mode_7_parts,
    padded,
    wired,
    wireless,
)

from avlas.decode import (
    Assembler,
    FrameError,
    HeaderError,
    Layouts,
    NoKey,
    Unsupported,
    WrongKey,
    header,
    security,
    telegram,
)
from avlas.decode.batch import Keyring, batch, headers
from avlas.decode.des import decrypted as decrypted_des

RECORDS = "0406 D2040000 0413 39300000 0259 C409"
VALUES = ["1234", "12.345", "25.00"]


def values(frame, key=KEY, **how):
    return [str(r.value) for r in telegram(frame, key, **how).records]


CIPHERED = [
    pytest.param(mode_5(RECORDS), "mode 5", id="mode 5"),
    pytest.param(mode_7(RECORDS), "mode 7", id="mode 7"),
    pytest.param(ell_ctr(b"\x78" + bytes.fromhex(RECORDS)), "ell-ctr", id="ELL"),
]


@pytest.mark.parametrize(("frame", "name"), CIPHERED)
def test_the_right_key_opens(frame, name):
    result = telegram(frame, KEY)
    assert [str(r.value) for r in result.records] == VALUES
    assert result.header.security == name
    assert header(frame).security == name


@pytest.mark.parametrize(("frame", "name"), CIPHERED)
def test_a_missing_key_a_wrong_key_and_a_short_key(frame, name):
    with pytest.raises(NoKey) as caught:
        telegram(frame, accept_clear=True)
    assert caught.value.header.address.identification == "12345678"
    assert caught.value.header.security == name
    for wrong in (OTHER_KEY, KEY[:8], b""):
        with pytest.raises(WrongKey):
            telegram(frame, wrong)


def test_a_wrong_bit_in_a_value_is_damage():
    frame = bytearray(ell_ctr(b"\x78" + bytes.fromhex(RECORDS)))
    frame[-1] ^= 0x01
    with pytest.raises(FrameError, match="payload CRC"):
        telegram(bytes(frame), KEY)
    frame = bytearray(mode_7(RECORDS + "0416 01000000" * 4))
    frame[-1] ^= 0x01
    with pytest.raises(FrameError, match="MAC"):
        telegram(bytes(frame), KEY)


def test_missing_blocks_are_damage():
    with pytest.raises(FrameError, match="2 encrypted blocks are announced"):
        telegram(mode_5(RECORDS)[:-1], KEY)


def test_cipher_text_is_never_judged_before_decryption():
    """One access number in 65,536 gives cipher text that begins with 2F 2F: it must open all the same."""
    for number in range(1 << 17):
        frame = mode_5(f"0406 {number.to_bytes(4, 'little').hex()}")
        if frame[15:17] == b"\x2f\x2f":
            break
    assert frame[15:17] == b"\x2f\x2f"
    assert values(frame) == [str(number)]
    with pytest.raises(WrongKey):
        telegram(frame, OTHER_KEY)


def test_repeaters_bits_do_not_change_the_cipher():
    content = b"\x78" + bytes.fromhex(RECORDS)
    frame = bytearray(ell_ctr(content, control=0x20))
    frame[11] |= 0x10  # hop: a repeater passed it on
    assert values(bytes(frame)) == VALUES
    frame[11] |= 0x02
    assert values(bytes(frame)) == VALUES


def test_long_header_mode_5_takes_the_meters_own_address():
    meter = MAKER + bytes.fromhex("44332211 02 07")
    inner = mode_5(RECORDS, sender=meter)[15:]
    head = b"\x72" + meter[2:6] + meter[:2] + meter[6:] + bytes.fromhex("2A 00 2005")
    result = telegram(wireless(head + inner), KEY)
    assert [str(r.value) for r in result.records] == VALUES
    assert result.header.address.identification == "11223344"
    assert result.header.link_address.identification == "12345678"
    assert [str(r.value) for r in telegram(wired(head + inner), KEY).records] == VALUES


def test_the_derived_keys_are_those_of_the_standards_example():
    """CEN/TR 17167:2018 F.3: counter 0AB3, identification 12345678."""
    master, number = bytes(range(16)), bytes.fromhex("78563412")
    assert security.encryption_key(master, 0x0AB3, number).hex() == "eccf39d475d730b8284fdfdc1995d52f"
    assert security.authentication_key(master, 0x0AB3, number).hex() == "c9cd19ff5a9aad5a6bbda13bd2c4c7ad"


@pytest.mark.parametrize("in_vector", [SENDER, MAKER + bytes.fromhex("99887766 01 31")])
def test_extended_link_layers_with_two_addresses(in_vector):
    """CI 8F: whichever of the two addresses the meter put into the initial vector, the payload CRC tells."""
    frame = ell_ctr(b"\x78" + bytes.fromhex(RECORDS), in_vector=in_vector)
    other = MAKER + bytes.fromhex("99887766 01 31")
    both = wireless(b"\x8f" + frame[11:13] + other + frame[13:])
    assert values(both) == VALUES
    with pytest.raises(WrongKey):
        telegram(both, OTHER_KEY)


# DES: read, but worth no more than content in clear


DAY = "913B"  # type G: 0001 0001 1011 ... 17 November 2028, low byte first
IN_VECTOR = SENDER[2:6] + SENDER[:2] + bytes.fromhex(DAY)
DATED = f"026C {DAY}" + RECORDS


def test_des_is_the_textbooks():
    """With 0123456789ABCDEF the block "Now is t" becomes 3FA40E8A984D4815 (FIPS 81); CBC then adds the block before."""
    key, first, second = map(bytes.fromhex, ("0123456789ABCDEF", "0C8A6BFB3E3489C0", "3FA40E8A984D4815"))
    found = decrypted_des(2, key, SENDER, first + second, b"")
    assert found == b"//FILLED" + bytes(a ^ b for a, b in zip(b"Now is t", first, strict=True))


@pytest.mark.parametrize("key", [DES_KEY, DES_KEY + KEY[:8]])
def test_mode_2_has_no_initial_vector(key):
    result = telegram(wireless(des(RECORDS)), key)
    assert [str(r.value) for r in result.records] == VALUES
    assert result.header.security == "mode 2 (not secure)"
    assert any("DES, 24 bytes" in span.meaning for span in result.spans)
    assert values(wireless(des(RECORDS, clear="0416 07000000")), key) == [*VALUES, "7"]


@pytest.mark.parametrize(
    "frame",
    [
        des(DATED, IN_VECTOR, mode=3),
        des(f"{RECORDS} 046D 1E2C {DAY}", IN_VECTOR, mode=3),
        des(RECORDS, IN_VECTOR, mode=3, clear=f"066D 001E2C {DAY} 00"),
    ],
)
def test_mode_3_takes_the_day_from_the_telegram(frame):
    result = telegram(wireless(frame), DES_KEY)
    assert set(VALUES) <= {str(r.value) for r in result.records}
    assert len(result.records) == 4
    assert result.header.security == "mode 3 (not secure)"


@pytest.mark.parametrize(
    "frame", [des(RECORDS, IN_VECTOR, mode=3), des(f"046D 1E2C {DAY} {RECORDS}", IN_VECTOR, mode=3)]
)
def test_mode_3_without_the_day_is_not_guessed(frame):
    with pytest.raises(Unsupported, match="day"):
        telegram(wireless(frame), DES_KEY)


def test_a_day_after_which_the_records_make_no_sense_is_not_taken():
    other = IN_VECTOR[:6] + bytes.fromhex(
        "AA3B"
    )  # of the record that follows the day the DIF becomes 3F, reserved
    with pytest.raises(Unsupported, match="day"):
        telegram(wireless(des(DATED, other, mode=3)), DES_KEY)


def test_of_two_days_that_would_do_none_is_taken():
    """Another date than the clock's stands plainly among the records; both leave records that can be read."""
    frame = des(f"0459 {DAY}0000 026C {DAY} 026C 923B", IN_VECTOR, mode=3)
    with pytest.raises(Unsupported, match="day"):
        telegram(wireless(frame), DES_KEY)


@pytest.mark.parametrize("mode", [2, 3])
def test_des_with_no_key_or_a_wrong_one(mode):
    frame = wireless(des(DATED, IN_VECTOR if mode == 3 else bytes(8), mode=mode))
    with pytest.raises(NoKey) as caught:
        telegram(frame, accept_clear=True)
    assert caught.value.header.security == f"mode {mode} (not secure)"
    for wrong in (DES_KEY[::-1], OTHER_KEY, DES_KEY[:7]):
        with pytest.raises(WrongKey):
            telegram(frame, wrong)


def test_des_counts_bytes_in_whole_blocks():
    whole = des(RECORDS)
    with pytest.raises(FrameError, match="24 encrypted bytes"):
        telegram(wireless(whole[:-1]), DES_KEY)
    with pytest.raises(HeaderError, match="blocks of 8"):
        telegram(wireless(whole[:3] + b"\x17" + whole[4:]), DES_KEY)
    assert values(wireless(bytes.fromhex("7A 2A 00 0002" + RECORDS)), None) == VALUES  # nothing is encrypted


def test_des_on_the_wire_is_believed_when_a_des_key_is_given():
    """Old wired meters leave anything in what was once a signature field."""
    head = bytes.fromhex("72 78563412") + MAKER + bytes.fromhex("01 04")
    assert values(wired(head + des(RECORDS)[1:]), DES_KEY) == VALUES
    assert values(wired(head + bytes.fromhex("2A 00 1802" + RECORDS + "2F" * 8)), None) == VALUES


@pytest.mark.parametrize("mode", [2, 3])
def test_des_ranks_with_content_in_clear(mode):
    """Whoever can forge a clear telegram can forge this: for the judgement a meter read so is not secured."""
    frame = wireless(des(DATED, IN_VECTOR if mode == 3 else bytes(8), mode=mode))
    heads = headers([frame])
    ring = Keyring()
    ring.set(int(heads.address[0]), DES_KEY)
    columns = batch(heads, None, ring, Layouts.shipped())
    assert not columns.errors
    assert columns.security.tolist() == [0]


# content in clear under a header that announces encryption


def clear_frames():
    plain = padded(RECORDS)
    yield wireless(bytes.fromhex("7A 2A 00 2005") + plain)
    covered, mac, _ = mode_7_parts(RECORDS)
    afl = bytes([0x90, 15]) + b"\x00\x2c" + covered + mac
    yield wireless(b"\x8c\x20\x11" + afl + bytes.fromhex("7A 01 00 2007 10") + plain)
    content = b"\x78" + bytes.fromhex(RECORDS)
    sn = (0x01234560 | 1 << 29).to_bytes(4, "little")
    yield wireless(b"\x8d\x20\x77" + sn + crc(content).to_bytes(2, "little") + content)


@pytest.mark.parametrize("frame", list(clear_frames()))
def test_clear_content_is_accepted_only_when_asked_for_and_without_a_key(frame):
    assert values(frame, None, accept_clear=True) == VALUES
    with pytest.raises(NoKey):
        telegram(frame)
    with pytest.raises(WrongKey):
        telegram(frame, KEY, accept_clear=True)


def test_no_encryption_needs_no_key_and_ignores_one():
    assert values(full(RECORDS), None) == VALUES
    assert values(full(RECORDS), KEY) == VALUES
    nothing_encrypted = wireless(bytes.fromhex("7A 2A 00 0005" + RECORDS.replace(" ", "")))
    result = telegram(nothing_encrypted)
    assert ([str(r.value) for r in result.records], result.header.security) == (VALUES, "none")


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ("2008 00", "mode 8"),
        ("2009 00", "mode 9"),
        ("200D 00", "mode 13"),
    ],
)
def test_other_security_modes_are_named(configuration, words):
    with pytest.raises(Unsupported, match=words) as caught:
        telegram(wireless(bytes.fromhex("7A 2A 00" + configuration) + bytes(32)), KEY)
    assert words in caught.value.header.security


# the extended link layer


def test_extended_link_layers():
    content = bytes.fromhex("78 0406 64000000")
    other = MAKER + bytes.fromhex("99887766 01 31")
    plain_sn = (0x0123456).to_bytes(4, "little")
    summed = crc(content).to_bytes(2, "little") + content
    for ell, counter in [
        (b"\x8c\x20\x07" + content, None),
        (b"\x8d\x20\x07" + plain_sn + summed, 0x0123456),
        (b"\x8e\x20\x07" + other + content, None),
        (b"\x8f\x20\x07" + other + plain_sn + summed, 0x0123456),
    ]:
        result = telegram(wireless(ell))
        assert [r.value for r in result.records] == [100]
        assert (result.header.access_number, result.header.counter) == (7, counter)
        assert result.header.ci_chain == (ell[0], 0x78)
    broken = b"\x8d\x20\x07" + plain_sn + summed[:-1] + b"\x01"
    with pytest.raises(FrameError, match="payload CRC"):
        telegram(wireless(broken))
    with pytest.raises(HeaderError):
        telegram(wireless(b"\x8d\x20\x07\x00"))
    reserved = (2 << 29).to_bytes(4, "little")
    with pytest.raises(Unsupported, match="reserved"):
        telegram(wireless(b"\x8d\x20\x07" + reserved + summed), KEY)


# the authentication layer


def test_counter_and_mac_of_the_authentication_layer():
    assert telegram(mode_7(RECORDS, counter=77), KEY).header.counter == 77
    assert header(mode_7(RECORDS, counter=77)).counter == 77


@pytest.mark.parametrize("afl", ["90", "90 0F 002C", "90 02 002C", "90 03 00 2C 25"])
def test_cut_authentication_layers(afl):
    with pytest.raises(HeaderError):
        telegram(wireless(bytes.fromhex(afl)), KEY)


def test_fragments_are_put_together():
    many = RECORDS + "0416 07000000" * 30
    frames = fragments(many, (60, 90))
    store = Assembler()
    assert store.add(frames[0]) is None
    with pytest.raises(Unsupported, match="fragment 1"):
        telegram(frames[0], KEY)
    assert store.add(full(RECORDS)) == full(RECORDS)  # what is no fragment passes
    assert store.add(frames[1]) is None
    whole = store.add(frames[2])
    result = telegram(whole, KEY, format="assembled")
    assert [str(r.value) for r in result.records] == VALUES + ["7"] * 30
    assert result.header.counter == 0xA1B2
    with pytest.raises(WrongKey):
        telegram(whole, OTHER_KEY, format="assembled")


def test_messages_longer_than_a_frame():
    frames = fragments("0416 07000000" * 37 + "2F2F", (120,))
    assert len(frames) == 2
    store = Assembler()
    assert store.add(frames[0]) is None
    whole = store.add(frames[1])
    assert len(whole) > 256
    assert len(telegram(whole, KEY, format="assembled").records) == 37


def test_fragments_out_of_turn_are_dropped():
    first, second, third = fragments(RECORDS + "0416 07000000" * 30, (60, 90))
    store = Assembler()
    assert [store.add(f) for f in (first, third, second)] == [None, None, None]
    assert store.add(second) is None
    assert [store.add(f) is not None for f in (first, second, third)] == [False, False, True]
    broken = bytearray(third)
    broken[-1] ^= 1
    store.add(first)
    store.add(second)
    with pytest.raises(FrameError, match="MAC"):
        telegram(store.add(bytes(broken)), KEY, format="assembled")


def test_two_senders_do_not_mix():
    ours = fragments(RECORDS, (20,))
    theirs = [f[:4] + b"\x99" + f[5:] for f in ours]
    store = Assembler()
    assert store.add(ours[0]) is None
    assert store.add(theirs[0]) is None
    assert store.add(ours[1])[4:8] == SENDER[2:6]
    assert store.add(theirs[1])[4:5] == b"\x99"
