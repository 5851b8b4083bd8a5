"""PRIOS, obfuscated real data and default keys: encoded here with invented addresses, keys and values."""

from __future__ import annotations

import contextlib
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.decode.payloads.frames import cbc, frame, hide

from avlas.decode.errors import DecodeError, FrameError, NoKey, WrongKey
from avlas.decode.payloads import diehl
from avlas.decode.single import telegram

DEFAULT_1, DEFAULT_2 = bytes.fromhex("39BC8A10E66D83F8"), bytes.fromhex("51728910E66D83F8")
OWN = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
HEAD = bytes.fromhex("02940013")  # 16 s, 10 years of battery, leak
SWAPPED = bytes([0x78, 0x07]) + bytes.fromhex("11223344")[::-1]


def prios(total, target, day="FE29", *, key=DEFAULT_1, maker="DME", address=SWAPPED, ci=0xA2):
    block = b"\x4b" + total.to_bytes(4, "little") + target.to_bytes(4, "little") + bytes.fromhex(day)
    return hide(frame(maker, address, bytes([ci]) + HEAD + block), key)


@pytest.mark.parametrize("key", [DEFAULT_1, DEFAULT_2])
@pytest.mark.parametrize("ci", [0xA0, 0xA1, 0xA2, 0xA3, 0xA7])
def test_prios_with_a_default_key(key, ci):
    decoded = telegram(prios(1_234_567, 1_200_000, "7F2C", key=key, ci=ci), format="a")
    assert decoded.header.security == "LFSR (not secure)"
    assert decoded.header.address.identification == "11223344"
    assert (decoded.model, decoded.medium) == ("IZAR", "water")
    assert decoded.registers == {"volume_m3": Decimal("1234.567")}
    assert [(d.at, d.registers) for d in decoded.dated] == [
        (datetime(2020, 1, 1), {"volume_m3": Decimal(1200)})
    ]
    values = {record.quantity: (record.value, record.unit) for record in decoded.records}
    assert values["battery_left"] == (10, "year")
    assert values["transmission_period"] == (16, "s")
    assert [code.code for code in decoded.info_codes] == ["leakage"]


def test_prios_of_sappel_has_a_serial_number_for_an_address():
    decoded = telegram(prios(99, 9, maker="SAP", address=bytes.fromhex("0102032110CC")), format="a")
    assert (decoded.model, decoded.medium) == ("IZAR", "water")
    assert decoded.registers == {"volume_m3": Decimal("0.099")}


def test_a_key_of_its_own_is_missing_wrong_or_right():
    hidden = prios(1_000, 900, key=OWN)
    with pytest.raises(NoKey):
        telegram(hidden, format="a")
    with pytest.raises(WrongKey):
        telegram(hidden, bytes(range(1, 17)), format="a")
    decoded = telegram(hidden, OWN, format="a")
    assert decoded.registers == {"volume_m3": Decimal(1)}


def test_impossible_values_are_damage():
    with pytest.raises(FrameError):
        telegram(prios(100, 200), format="a")
    with pytest.raises(FrameError):
        telegram(prios(2_000_000_000, 200), format="a")


def real_data(records, key):
    total = sum(records) & 0xEF
    content = bytes([0x7A, 0x55, 0x00, 0x00, total | 0x10]) + records
    return hide(frame("HYD", bytes([0x20, 0x04]) + bytes.fromhex("55667788")[::-1], content), key)


def test_real_data_are_ordinary_records_behind_the_register():
    records = bytes.fromhex("0C06785634120C1444332211")
    decoded = telegram(real_data(records, DEFAULT_2), format="a")
    assert decoded.header.security == diehl.SECURITY
    assert decoded.registers == {"energy_heat_kwh": 12_345_678, "volume_m3": Decimal("112233.44")}
    with pytest.raises(NoKey):
        telegram(real_data(records, OWN), format="a")
    assert telegram(real_data(records, OWN), OWN, format="a").registers == decoded.registers


def test_a_meter_with_the_public_aes_key_needs_none():
    address = bytes.fromhex("40302010") + bytes([0x64, 0x07])
    plain = bytes.fromhex("2F2F0C13785634122F2F2F2F2F2F2F2F")
    maker = frame("HYD", address, b"")[2:4]
    content = bytes.fromhex("7A110010" + "05") + cbc(DEFAULT_2 * 2, maker + address + b"\x11" * 8, plain)
    decoded = telegram(frame("HYD", address, content), format="a")
    assert decoded.header.security == "mode 5 (public key)"
    assert decoded.registers == {"volume_m3": Decimal("12345.678")}
    with pytest.raises(NoKey):
        telegram(frame("KAM", address, content), format="a")


@given(st.binary(min_size=1, max_size=60), st.sampled_from(sorted(diehl.MAKERS)), st.none() | st.just(OWN))
def test_any_bytes_give_a_result_or_a_decode_error(data, maker, key):
    with contextlib.suppress(DecodeError):
        telegram(frame(maker, SWAPPED, data), key, format="a")


@given(st.binary(min_size=16, max_size=40))
def test_noise_behind_a_prios_ci_is_rarely_taken_for_a_block(noise):
    """Whatever is accepted has passed all of the block's checks."""
    try:
        decoded = telegram(frame("DME", SWAPPED, b"\xa2" + noise), format="a")
    except DecodeError:
        return
    assert decoded.plain[15] == 0x4B
    assert diehl.prios_is_plausible(decoded.plain[15:])
