"""Apator, BFW, B Meters, Zenner, Engelmann, KPL: invented telegrams in the forms that public ones show."""

from __future__ import annotations

import contextlib
from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.decode.payloads.frames import cbc, frame, standard_address

from avlas.decode import compact
from avlas.decode.errors import DecodeError, FrameError, NoKey, WrongKey
from avlas.decode.single import telegram

KEY = bytes.fromhex("0F1E2D3C4B5A69788796A5B4C3D2E1F0")
SHORT = bytes.fromhex("7A01000000")


def decode(maker, version, device_type, content, key=None):
    address = standard_address("10203040", version, device_type)
    return telegram(frame(maker, address, content), key, format="a")


def tail(text):
    return SHORT + bytes.fromhex("0F" + text.replace(" ", ""))


def values(decoded, quantity):
    return [record.value for record in decoded.records if record.quantity == quantity]


def test_apator_16_total_among_registers_of_all_lengths():
    text = "01020304 180200  43 2C01  80 00112233445566778899  41 5559  10 40E20100  73 01 00E20100 00E10100"
    text += "00E00100 00DF0100  A0 11223344  FF FFFF 1234"
    decoded = decode("APA", 0x05, 0x07, tail(text))
    assert decoded.registers == {"volume_m3": Decimal("123.456")}
    assert values(decoded, "volume")[1:] == [Decimal(n) / 1000 for n in (123392, 123136, 122880, 122624)]
    assert values(decoded, "on_time") == [300]
    assert values(decoded, "error_flags") == [0x218]


def test_apator_16_stops_at_a_register_it_does_not_know():
    decoded = decode("APA", 0x05, 0x07, tail("01020304 000000 99 10 40E20100 FF"))
    assert decoded.registers == {}


def na_1(plain, key=bytes(16), access=0x21):
    address = standard_address("10203040", 0x14, 0x07)
    initial = frame("APA", address, b"")[2:4] + address + bytes([access]) * 8
    return bytes([0xA0, access, 0x01]) + cbc(key, initial, plain)


def na_1_block(total, scale, clock, hours, used):
    word = total & 0x0F | scale << 4 | total >> 4 << 8
    seconds = int((clock - datetime(2000, 1, 1)).total_seconds())
    history = bytes([hours & 0xFF, hours >> 8 << 2 | used & 3]) + (used >> 2).to_bytes(2, "little")
    return b"\x2f" + word.to_bytes(4, "little") + seconds.to_bytes(4, "little") + history + bytes(3)


@given(
    total=st.integers(300_000, 2**27),
    scale=st.integers(0, 3),
    hours=st.integers(1, 1000),
    used=st.integers(0, 2**18 - 1),
)
def test_apator_na_1(total, scale, hours, used):
    content = na_1(na_1_block(total, scale, datetime(2026, 5, 17, 8, 31, 9), hours, used))
    decoded = decode("APA", 0x14, 0x07, content)
    assert decoded.registers == {"volume_m3": Decimal(total).scaleb(scale - 3)}
    assert decoded.meter_time == datetime(2026, 5, 17, 8, 31)
    assert [d.registers for d in decoded.dated] == [{"volume_m3": Decimal(total - used).scaleb(scale - 3)}]
    assert values(decoded, "age") == [hours]


def test_apator_na_1_with_a_key_of_its_own():
    block = na_1_block(5000, 0, datetime(2026, 5, 17), 400, 10)
    content = na_1(block, KEY)
    assert decode("APA", 0x14, 0x07, content, KEY).registers == {"volume_m3": Decimal(5)}
    with pytest.raises(NoKey):
        decode("APA", 0x14, 0x07, content)
    with pytest.raises(WrongKey):
        decode("APA", 0x14, 0x07, content, bytes(15) + b"\1")
    with pytest.raises(FrameError):
        decode("APA", 0x14, 0x07, content[:10], KEY)


@pytest.mark.parametrize("wrapper", [bytes([0xA0]), bytes.fromhex("B6 03 112233 A0")])
def test_apator_allocator(wrapper):
    block = bytes.fromhex("A1 0000 5900 9C27 0701 322D 8014 4015".replace(" ", ""))
    decoded = decode("APT", 0x04, 0x08, wrapper + block)
    assert decoded.registers == {"heat_cost_units": 263}
    assert values(decoded, "heat_cost_units") == [263, 89]
    assert values(decoded, "external_temperature") == [Decimal("21.25"), Decimal("20.5")]
    assert values(decoded, "date") == [date(2022, 9, 18)]
    assert values(decoded, "seal_broken_date") == [date(2019, 12, 28)]


@pytest.mark.parametrize(
    ("version", "device_type", "volume"),
    [(0x03, 0x03, "33.333333"), (0x0F, 0x0F, "33.333333"), (0x04, 0x11, "33333.333")],
)
def test_old_apator_modules_count_thirds(version, device_type, volume):
    content = b"\xa0" + (100_000).to_bytes(4, "little") + bytes(12)
    assert decode("APT", version, device_type, content).registers == {"volume_m3": Decimal(volume)}


def bfw(months, *, now=70, previous=50, day="170526"):
    # the newest stands last; of two months that share three bytes each has its low byte whole
    out = bytearray(27)
    for n, value in enumerate([*months, *[0] * (18 - len(months))]):
        offset, odd = divmod(12 * n, 8)
        if odd:
            out[26 - offset - 1] = value & 0xFF
            out[26 - offset] |= (value >> 8) << 4
        else:
            out[26 - offset] = value & 0xFF
            out[26 - offset - 1] = value >> 8
    head = b"\x2f\x2f\x6f\x1f" + previous.to_bytes(2, "big") + now.to_bytes(2, "big") + b"\x14\x70"
    return SHORT + head + bytes(out) + bytes.fromhex(day)


def test_bfw_allocator():
    decoded = decode("BFW", 0x02, 0x08, bfw([60, 300, 1000]))
    assert decoded.registers == {"heat_cost_units": 70}
    assert [(d.at, d.registers["heat_cost_units"]) for d in decoded.dated][-3:] == [
        (datetime(2026, 3, 1), 1000),
        (datetime(2026, 4, 1), 300),
        (datetime(2026, 5, 1), 60),
    ]


def test_bfw_without_a_date_gives_its_bytes_alone():
    assert decode("BFW", 0x02, 0x08, bfw([], day="FF0526")).registers == {}


def hydrodigit(what, rest):
    clock = "046D 1E0C 3135"  # 2025-05-17 12:30
    return SHORT + bytes.fromhex(("0C13 45230100" + clock + "0F" + what + rest).replace(" ", ""))


def test_hydrodigit_month_ends_belong_to_the_year_before_the_clock():
    months = "".join((100 * n).to_bytes(3, "little").hex() for n in range(1, 12)) + "FFFFFF"
    decoded = decode("BMT", 0x13, 0x07, hydrodigit("95 0A", "240425 07000000" + months))
    assert values(decoded, "voltage") == [Decimal("3.05")]
    assert values(decoded, "leak_date") == [date(2024, 4, 25)]
    assert Decimal("0.007") in values(decoded, "volume")
    assert decoded.registers == {"volume_m3": Decimal("12.345")}
    dated = {d.at: d.registers["volume_m3"] for d in decoded.dated}
    assert dated[datetime(2025, 5, 1)] == 4  # April has just ended
    assert dated[datetime(2024, 6, 1)] == 5  # May has not
    assert len(dated) == 11  # December: no module then


def test_hydrodigit_with_tampering_gives_what_is_known():
    decoded = decode("BMT", 0x17, 0x07, hydrodigit("8F 00", "000000" + "00" * 20))
    assert values(decoded, "voltage") == [Decimal("3.7")]
    assert values(decoded, "volume") == [Decimal("12.345")]


def test_hydroclima_frames():
    ten = "10 0000 0000 0000 D007 B80B 0000 0000 3408 980A 1900 C80000"
    decoded = decode("BMP", 0x53, 0x08, SHORT + bytes.fromhex(("036E 640000 0F" + ten).replace(" ", "")))
    assert decoded.registers == {"heat_cost_units": 100}
    assert values(decoded, "external_temperature") == [Decimal(n) / 100 for n in (2000, 3000, 2100)]
    eleven = "11 0000 0000 0000 0000 A00F D007 B80B 0000 980A 3408 0100 0200 0300 0400 D107 D207 D307"
    eleven += "00" * 9 + "E80300"
    decoded = decode("BMP", 0x85, 0x08, SHORT + bytes.fromhex(("036E 640000 0F" + eleven).replace(" ", "")))
    assert values(decoded, "heat_cost_units") == [100, 1, 2, 3, 4, 1000]
    assert values(decoded, "radiator_temperature") == [40, Decimal("27.12")]


def test_zenner_counts_parts_of_a_litre():
    counters = (10_128_000 // 1000 * 256 + 128).to_bytes(4, "little") + (20_000 * 256).to_bytes(4, "little")
    decoded = decode("ZRI", 0x0B, 0x16, tail("00000000" + counters.hex() + "00"))
    assert decoded.registers == {"volume_m3": 20}
    assert values(decoded, "volume") == [20, Decimal("10.1285")]


def test_engelmann_compact_frame_is_known_from_the_start():
    layout = next(each for each in compact.Layouts.shipped() if each.manufacturer == "EFE")
    counters = [(1000 * n).to_bytes(4, "little") for n in range(15)]
    parts = [bytes.fromhex("3F3C"), bytes.fromhex("10270000"), b"\0", *counters]
    parts += [bytes.fromhex("3A2B4435"), bytes.fromhex("409C0000")]
    crc = compact.full_frame_crc(layout.headers, parts)
    content = bytes.fromhex("7B01000000") + layout.signature.to_bytes(2, "little") + crc.to_bytes(2, "little")
    decoded = decode("EFE", 0x02, 0x07, content + b"".join(parts))
    assert decoded.registers == {"volume_m3": 40}
    with pytest.raises(FrameError):
        decode("EFE", 0x02, 0x07, content + b"".join([*parts[:-1], b"\1\0\0\0"]))


def test_kpl_encrypts_with_its_module_makers_letters():
    address = standard_address("10203040", 0x01, 0x02)
    plain = bytes.fromhex("2F2F0C05785634122F2F2F2F2F2F2F2F")
    initial = frame("FRC", address, b"")[2:4] + address + b"\x01" * 8
    content = bytes.fromhex("7A01001005") + cbc(KEY, initial, plain)
    assert telegram(frame("KPL", address, content), KEY, format="a").registers == {
        "electricity_import_kwh": Decimal("1234567.8")
    }
    for maker, key in (("KPL", bytes(16)), ("KAM", KEY)):
        with pytest.raises(WrongKey):
            telegram(frame(maker, address, content), key, format="a")


KINDS = [
    ("APA", 0x05, 0x07, 0x7A),
    ("APA", 0x14, 0x07, 0xA0),
    ("APT", 0x04, 0x08, 0xB6),
    ("BFW", 0x02, 0x08, 0x7A),
    ("BMT", 0x13, 0x07, 0x7A),
    ("BMP", 0x85, 0x08, 0x7A),
    ("ZRI", 0x0B, 0x16, 0x7A),
]


@given(st.sampled_from(KINDS), st.binary(max_size=70), st.booleans())
def test_any_bytes_give_a_result_or_a_decode_error(kind, data, behind_0f):
    maker, version, device_type, ci = kind
    head = SHORT + (b"\x0f" if behind_0f else b"") if ci == 0x7A else bytes([ci])
    with contextlib.suppress(DecodeError):
        decode(maker, version, device_type, head + data)
