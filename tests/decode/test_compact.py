"""Compact frames and their layouts (EN 13757-3 annex G): signatures, learning, probation, damage."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.decode.by_hand import KEY, OTHER_KEY, crc, ell_ctr, mode_5, mode_7, wireless

from avlas.decode import (
    FrameError,
    HeaderError,
    Layouts,
    RecordError,
    UnknownLayout,
    WrongKey,
    compact,
    link,
    telegram,
)

HEADERS = ("0406", "0413", "0259", "426C")
DATA = ("D2040000", "39300000", "C409", "D72B")
VALUES = ["1234", "12.345", "25.00", "2022-11-23"]
KAMSTRUP = bytes.fromhex("2D2C 78563412 35 04")


def full_records(headers=HEADERS, data=DATA):
    return "".join(h + d for h, d in zip(headers, data, strict=True))


def compact_content(headers=HEADERS, data=DATA):
    """CI 79, signature, CRC of the full frame, the values."""
    signature = crc(bytes.fromhex("".join(headers)))
    whole = crc(bytes.fromhex(full_records(headers, data)))
    return (
        b"\x79" + signature.to_bytes(2, "little") + whole.to_bytes(2, "little") + bytes.fromhex("".join(data))
    )


def values(result):
    return [str(r.value) for r in result.records]


def test_signatures_of_the_shipped_layouts_are_those_the_meters_send():
    """MULTICAL 302, 303, 403, 602, 803 and OMNIPOWER, as facts name them."""
    known = {layout.signature: b"".join(layout.headers) for layout in Layouts.shipped()}
    for signature in (0xF1E7, 0xAE5A, 0xB34D, 0x8400, 0xE7A2, 0x8C13):
        assert crc(known[signature]) == signature
    for layout in Layouts.shipped():
        assert crc(b"".join(layout.headers)) == layout.signature


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        (0x7869, "0406 04FF07 04FF08 0414 043B 0259 025D 04FF22"),
        (0xE7A2, ("040F 04FF07 04FF08 0414 844014 84804014 043B 0259 025D 142D 84100F 84200F 04FF22 026C"
                 " 440F 4414 C44014 C4804014 426C")),
        (0xB34D, "0406 04FF07 04FF08 0414 043B 0259 025D 04FF22 026C 4406 4414 426C"),
    ],
)  # fmt: skip
def test_of_several_with_one_signature_the_one_that_meters_send_is_shipped(signature, text):
    """MULTICAL 603, 803 and 403: other resolutions happen to have the same signature."""
    found = Layouts.shipped().find("KAM", 53, 4, signature)
    assert found.headers == compact.split_headers(text)
    assert Layouts.is_confirmed(found)


@pytest.mark.parametrize("resolution", ["04", "05", "06", "07", "0E", "0F", "FB00"])
def test_kamstrups_compact_frames_are_read_from_the_first_one_on(resolution):
    """The register order of MULTICAL 403 in any resolution of energy."""
    text = f"04{resolution} 04FF07 04FF08 0414 043B 0259 025D 04FF22 026C 44{resolution} 4414 426C"
    data = ["D2040000", "11000000", "12000000", "39300000", "64000000", "C409", "D007", "00000000"]
    data += ["D72B", "D0040000", "00300000", "C12B"]
    result = telegram(wireless(compact_content(text.split(), data), sender=KAMSTRUP))
    assert len(result.records) == 12
    assert str(result.records[3].value) == "123.45"
    assert result.signature == crc(bytes.fromhex(text))


def test_an_unknown_layout_says_so_and_is_learnt_from_a_full_frame():
    layouts = Layouts()
    frame = ell_ctr(compact_content())
    with pytest.raises(UnknownLayout, match=f"{crc(bytes.fromhex(''.join(HEADERS))):04X}") as caught:
        telegram(frame, KEY, layouts=layouts)
    assert caught.value.header.address.identification == "12345678"
    taught = layouts.learn(telegram(ell_ctr(b"\x78" + bytes.fromhex(full_records())), KEY))
    assert Layouts.is_confirmed(taught)  # its payload CRC was right
    assert values(telegram(frame, KEY, layouts=layouts)) == VALUES
    with pytest.raises(WrongKey):
        telegram(frame, OTHER_KEY, layouts=layouts)


@pytest.mark.parametrize("ci", ["7B 2A 00 0000", "73 78563412 3A63 01 04 2A 00 0000"])
def test_compact_frames_with_transport_headers(ci):
    layouts = Layouts()
    layouts.learn(telegram(ell_ctr(b"\x78" + bytes.fromhex(full_records())), KEY))
    frame = wireless(bytes.fromhex(ci) + compact_content()[1:])
    assert values(telegram(frame, layouts=layouts)) == VALUES


def test_encrypted_compact_frames_may_end_in_filler():
    layouts = Layouts()
    layouts.learn(telegram(mode_7(full_records()), KEY))
    frame = mode_5(compact_content()[1:].hex(), ci=0x7B)
    assert values(telegram(frame, KEY, layouts=layouts)) == VALUES


def test_layouts_of_unchecked_frames_are_on_probation():
    layouts = Layouts()
    first = telegram(wireless(b"\x78" + bytes.fromhex(full_records())))
    taught = layouts.learn(first)
    assert not Layouts.is_confirmed(taught)
    # the compact frame's own CRC vouches for the values
    assert values(telegram(wireless(compact_content()), layouts=layouts)) == VALUES
    again = layouts.learn(first)
    assert Layouts.is_confirmed(again)
    assert layouts.learn(first) is None  # nothing new
    assert len(layouts) == 1
    assert next(iter(layouts)).seen == 2


def test_a_checked_frame_confirms_a_layout_on_probation_at_once():
    layouts = Layouts()
    layouts.learn(telegram(wireless(b"\x78" + bytes.fromhex(full_records()))))
    assert Layouts.is_confirmed(layouts.learn(telegram(mode_7(full_records()), KEY)))


def test_damage_shows_in_the_full_frame_crc():
    layouts = Layouts()
    layouts.learn(telegram(ell_ctr(b"\x78" + bytes.fromhex(full_records())), KEY))
    good = compact_content()
    for at in range(3, len(good)):
        broken = bytearray(good)
        broken[at] ^= 0x40
        with pytest.raises(FrameError):
            telegram(wireless(bytes(broken)), layouts=layouts)
    for wrong in (good[:-1], good + b"\x00"):
        with pytest.raises(FrameError):
            telegram(wireless(wrong), layouts=layouts)
    with pytest.raises(HeaderError):
        telegram(wireless(good[:4]), layouts=layouts)


def test_a_damaged_encrypted_compact_frame_is_damage_not_a_wrong_key():
    layouts = Layouts()
    layouts.learn(telegram(ell_ctr(b"\x78" + bytes.fromhex(full_records())), KEY))
    frame = bytearray(ell_ctr(compact_content()))
    frame[-1] ^= 1
    with pytest.raises(FrameError, match="payload CRC"):
        telegram(bytes(frame), KEY, layouts=layouts)


def test_layouts_of_other_makers_do_not_fit_and_of_other_types_only_with_a_right_crc():
    layouts = Layouts()
    layouts.learn(telegram(ell_ctr(b"\x78" + bytes.fromhex(full_records())), KEY))
    with pytest.raises(UnknownLayout):
        telegram(wireless(compact_content(), sender=KAMSTRUP), layouts=layouts)
    relative = bytes.fromhex("3A63 11111111 02 0C")
    assert values(telegram(wireless(compact_content(), sender=relative), layouts=layouts)) == VALUES
    broken = compact_content()[:-1] + b"\x00"
    with pytest.raises(UnknownLayout, match="does not fit"):
        telegram(wireless(broken, sender=relative), layouts=layouts)


def test_compact_frames_and_wired_frames_teach_nothing():
    layouts = Layouts()
    taught = layouts.learn(telegram(ell_ctr(b"\x78" + bytes.fromhex(full_records())), KEY))
    assert layouts.learn(telegram(wireless(compact_content()), layouts=layouts)) is None
    assert layouts.learn(taught) is None


def test_stored_layouts_come_back():
    layouts = Layouts()
    taught = layouts.learn(telegram(ell_ctr(b"\x78" + bytes.fromhex(full_records())), KEY))
    restored = Layouts()
    assert restored.learn(taught) == taught
    assert restored.find("XYZ", 1, 4, taught.signature) == taught
    assert restored.find("XYZ", 1, 4, taught.signature ^ 1) is None


def made_up(n, seen=1):
    headers = tuple(bytes.fromhex(part) for part in (f"04{n % 112:02X}", f"84{n // 112:02X}13"))
    return compact.Layout("XYZ", 1, 4, link.crc16(b"".join(headers)), headers, "full frame", seen)


def test_layouts_learnt_are_bounded_and_noise_makes_way():
    layouts = Layouts()
    trusted = layouts.learn(made_up(0, seen=2))
    for n in range(1, 200):
        layouts.learn(made_up(n))
    assert len(layouts) == 64
    assert layouts.find("XYZ", 1, 4, trusted.signature) == trusted
    assert layouts.find("XYZ", 1, 4, made_up(199).signature) == made_up(199)
    for n in range(200, 300):
        layouts.learn(made_up(n, seen=2))
    assert len(layouts) == 64
    assert layouts.learn(made_up(300)) is None  # only trusted ones are left


def test_types_that_forgery_invents_push_out_nothing_that_was_confirmed(monkeypatch):
    monkeypatch.setattr(compact, "_LEARNT", 20)
    layouts = Layouts.shipped()
    shipped = len(layouts)
    real = compact.Layout("KAM", 1, 4, 7, (b"\x04\x06",), "format frame", 2)
    layouts.learn(real)
    for version in range(100):
        layouts.learn(compact.Layout("KAM", version, 7, 1000 + version, (b"\x04\x13",), "full frame", 1))
    assert len(layouts) == shipped + 20
    assert layouts.find("KAM", 1, 4, 7) == real
    assert len(layouts._of_maker) == 20
    assert layouts.find("KAM", 99, 7, 1099) is not None, "the newest is kept"


def test_a_layout_on_probation_gives_way_to_a_vouched_one_of_the_same_signature():
    right = made_up(1, seen=2)
    layouts = Layouts()
    layouts.learn(replace(right, headers=right.headers[::-1], seen=1))
    assert layouts.learn(right) == right
    assert layouts.find("XYZ", 1, 4, right.signature) == right


def test_shipped_layouts_need_no_teaching_and_other_resolutions_are_on_probation():
    layouts = Layouts.shipped()
    many = len(layouts)
    text = [
        "0406",
        "04FF07",
        "04FF08",
        "0414",
        "043B",
        "0259",
        "025D",
        "04FF22",
        "026C",
        "4406",
        "4414",
        "426C",
    ]
    data = ["D2040000"] * 5 + ["C409", "D007", "00000000", "D72B", "D0040000", "00300000", "C12B"]
    full = wireless(b"\x78" + bytes.fromhex(full_records(text, data)), sender=KAMSTRUP)
    assert layouts.learn(telegram(full)) is None
    assert len(layouts) == many
    rare = [header.replace("06", "04") for header in text]
    unusual = layouts.find("KAM", 0x35, 4, crc(bytes.fromhex("".join(rare))))
    assert unusual is not None
    assert not Layouts.is_confirmed(unusual)
    broken = compact_content(rare, data)[:-1] + b"\x00"
    with pytest.raises(UnknownLayout, match="does not fit"):
        telegram(wireless(broken, sender=KAMSTRUP), layouts=layouts)
    with pytest.raises(FrameError):
        telegram(wireless(compact_content(text, data)[:-1] + b"\x00", sender=KAMSTRUP), layouts=layouts)


@pytest.mark.parametrize("ci", ["69", "6A 2A 00 0000", "6B 78563412 3A63 01 04 2A 00 0000"])
@pytest.mark.parametrize("with_length", [True, False])
def test_format_frames_teach_a_layout(ci, with_length):
    headers = bytes.fromhex("".join(HEADERS))
    body = crc(headers).to_bytes(2, "little") + headers
    if with_length:
        body = bytes([len(body)]) + body
    result = telegram(wireless(bytes.fromhex(ci) + body))
    assert [(r.quantity, r.value) for r in result.records][:2] == [("energy", None), ("volume", None)]
    layouts = Layouts()
    assert Layouts.is_confirmed(layouts.learn(result))
    assert values(telegram(wireless(compact_content()), layouts=layouts)) == VALUES
    with pytest.raises(RecordError, match="signature"):
        telegram(wireless(bytes.fromhex(ci) + body[:-1] + b"\x13"))


def test_a_layout_that_claims_a_wrong_order_is_not_confirmed_by_chance():
    layouts = Layouts()
    taught = layouts.learn(telegram(wireless(b"\x78" + bytes.fromhex(full_records()))))
    forged = Layouts()
    forged.learn(replace(taught, headers=tuple(reversed(taught.headers))))
    with pytest.raises(UnknownLayout, match="does not fit"):
        telegram(wireless(compact_content()), layouts=forged)


@given(st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=12))
def test_full_and_compact_frames_give_the_same_records(numbers):
    headers = ["0413"] * len(numbers)
    data = [n.to_bytes(4, "little").hex() for n in numbers]
    layouts = Layouts()
    whole = telegram(ell_ctr(b"\x78" + bytes.fromhex(full_records(headers, data))), KEY)
    layouts.learn(whole)
    short = telegram(ell_ctr(compact_content(headers, data)), KEY, layouts=layouts)
    assert [(r.value, r.dib, r.vib, r.data) for r in short.records] == [
        (r.value, r.dib, r.vib, r.data) for r in whole.records
    ]
    assert short.signature == whole.signature
    signed = [n - (n >> 31 << 32) for n in numbers]
    expected = [None if n == -(1 << 31) else Decimal(n).scaleb(-3) for n in signed]
    assert [r.value for r in short.records] == expected
