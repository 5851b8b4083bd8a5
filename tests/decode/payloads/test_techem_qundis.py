"""Manufacturers' own data inside telegrams: invented bytes in the forms that public telegrams show."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlas.decode.payloads import FORMATS, qundis, techem, unfold
from avlas.decode.single import telegram
from avlas.decode.types import Address, Header, Record

CRC_FREE = "a"
NOBODY = Address("QDS", "1", 0x16, 0x06, b"")
HEAD = Header(NOBODY, NOBODY, 0x78, (0x78,), None, None, "none", None)


def frame(manufacturer, identification, version, device_type, content):
    """A wireless frame without link CRCs."""
    letters = 0
    for letter in manufacturer:
        letters = letters << 5 | (ord(letter) - 64)
    body = b"\x44" + letters.to_bytes(2, "little") + bytes.fromhex(identification)[::-1]
    body += bytes([version, device_type]) + content
    return bytes([len(body)]) + body


def techem_frame(version, device_type, content, ci=0xA2):
    return frame("TCH", "55001234", version, device_type, bytes([ci]) + bytes.fromhex(content))


SET_DATE_2025 = "9F33"  # day 31, month 12, year 25: 0x339F


def test_techem_heat_in_kwh():
    content = "00" + SET_DATE_2025 + "102700" + "60" + "F40100" + "00" * 8
    decoded = telegram(techem_frame(0x45, 0x43, content), format=CRC_FREE)
    assert decoded.medium == "heat"
    assert decoded.registers == {"energy_heat_kwh": 10500}
    assert [(d.at, d.registers) for d in decoded.dated] == [
        (datetime(2026, 1, 1), {"energy_heat_kwh": 10000})
    ]
    since = [r.value for r in decoded.records if r.modifiers == ("since the set date",)]
    assert since == [500]


def test_techem_heat_in_mj():
    content = "12" + SET_DATE_2025 + "102700" + "A8" + "201C00" + "00" * 8
    decoded = telegram(techem_frame(0x27, 0xC3, content), format=CRC_FREE)
    assert decoded.registers == {"energy_heat_kwh": pytest.approx(Decimal("4777.777777778"))}
    assert decoded.sent == {"energy_heat_kwh": ("GJ", 3)}


def test_techem_water_has_two_byte_values_and_a_date_between_them():
    content = "06" + SET_DATE_2025 + "5900" + "B029" + "3100" + "00" * 20
    decoded = telegram(techem_frame(0x74, 0x62, content), format=CRC_FREE)
    assert decoded.medium == "warm water"
    assert decoded.registers == {"volume_m3": Decimal("13.8")}
    today = [r.value for r in decoded.records if r.vif_key == "6C" and r.storage == 0]
    assert today == [date(2026, 4, 27)]


def test_techem_allocator_with_temperatures():
    content = "0F" + SET_DATE_2025 + "2D00" + "5024" + "0400" + "11" + "BD08" + "3809" + "00" * 20
    decoded = telegram(techem_frame(0x94, 0x80, content), format=CRC_FREE)
    assert decoded.medium == "heat cost allocator"
    assert decoded.registers == {"heat_cost_units": 4, "ambient_temperature_c": Decimal("22.37")}
    assert [d.registers for d in decoded.dated] == [{"heat_cost_units": 45}]
    assert [r.value for r in decoded.records if r.quantity == "radiator_temperature"] == [Decimal("23.60")]
    assert [r.value for r in decoded.records if r.vif_key == "6C" and r.storage == 0] == [date(2026, 2, 5)]


def test_techem_meter_of_an_unknown_version_gives_its_bytes_alone():
    decoded = telegram(techem_frame(0x01, 0x43, "00" * 20), format=CRC_FREE)
    assert decoded.registers == {}
    assert [r.quantity for r in decoded.records] == ["manufacturer_specific"]


def test_techem_allocator_of_an_older_version_has_no_temperatures():
    content = "0F" + SET_DATE_2025 + "2D00" + "5024" + "0400" + "11" + "BD08" + "3809" + "00" * 20
    decoded = telegram(techem_frame(0x61, 0x80, content), format=CRC_FREE)
    assert decoded.registers == {"heat_cost_units": 4}


def test_techem_smoke_detector():
    quiet = telegram(techem_frame(0x76, 0xF0, "00" + SET_DATE_2025 + "00" * 12, 0xA0), format=CRC_FREE)
    assert (quiet.medium, quiet.info_code, quiet.info_codes) == ("smoke detector", 0, ())
    short = telegram(techem_frame(0x76, 0xF0, "01", 0xA0), format=CRC_FREE)
    assert short.info_code is None


QUNDIS = (
    "0D FF5F 35"
    "0082 1800 0060 0007 C1 13 FFFF"
    "45230100 DF2C 11000100 1E31 78200100"
    "0A00 1400 0080 0300 0400 0500 0600 0700 0800 0900 0A00 0B00 2F"
)


def test_qundis_walk_by_record():
    content = b"\x78" + bytes.fromhex(QUNDIS.replace(" ", "")) + bytes.fromhex("046D0211F225")
    decoded = telegram(frame("QDS", "61123456", 0x16, 0x06, content), format=CRC_FREE)
    assert decoded.registers == {"volume_m3": Decimal("12.345")}
    assert [(d.storage, d.at, d.registers) for d in decoded.dated] == [
        (1, datetime(2023, 1, 1), {"volume_m3": Decimal("10.011")}),
        (17, datetime(2024, 1, 30), {"volume_m3": Decimal("12.078")}),
    ]
    months = [r for r in decoded.records if r.modifiers == ("consumption of a month",)]
    assert [(r.storage, r.value) for r in months[:4]] == [
        (2, Decimal("0.010")),
        (3, Decimal("0.020")),
        (4, None),
        (5, Decimal("0.003")),
    ]
    assert len(months) == 12
    for made in months:
        assert decoded.plain[slice(*made.range)] == made.data


def test_qundis_behind_a_radio_converter_is_the_meter_it_names():
    own = bytes.fromhex("0779") + bytes.fromhex("7856341293442304")
    content = b"\x78" + own + bytes.fromhex("0C0668223500")
    decoded = telegram(frame("QDS", "78000001", 0x23, 0x37, content), format=CRC_FREE)
    assert decoded.medium == "heat"
    assert decoded.registers == {"energy_heat_kwh": 352268}


def test_qundis_record_in_another_form_is_left_alone():
    assert (
        qundis.walk_by(
            HEAD, Record("manufacturer_specific", "", "", data=bytes(40), range=(0, 44), vib=b"\xff\x5f"), ()
        )
        == []
    )


@given(st.binary(max_size=80), st.integers(0, 255), st.sampled_from([0x04, 0x43, 0x62, 0x80]))
def test_any_bytes_give_records_or_nothing(data, version, device_type):
    block = Record("manufacturer_specific", "", data, data=data, range=(11, 11 + len(data)))
    who = Address("TCH", "1", version, device_type, b"")
    techem.read(Header(who, who, 0xA2, (0xA2,), None, None, "none", None), block, ())
    qundis.walk_by(HEAD, block, ())


@given(
    st.binary(max_size=60),
    st.sampled_from(sorted({maker for kind in FORMATS for maker in kind.makers})),
    st.integers(0, 255),
    st.sampled_from(sorted({version for kind in FORMATS for version in kind.versions} | {0x45})),
    st.sampled_from([0x03, 0x06, 0x07, 0x08, 0x0F, 0x11, 0x16, 0x43]),
)
def test_unfold_never_fails(data, manufacturer, ci, version, device_type):
    who = Address(manufacturer, "1", version, device_type, b"")
    head = Header(who, who, ci, (ci,), None, None, "none", None)
    for vib, dib in ((b"", b""), (b"", b"\x0f"), (b"\xff\x5f", b"\x0d")):
        unfold(head, [Record("x", "", data, data=data, vib=vib, dib=dib, range=(0, len(data)))])
