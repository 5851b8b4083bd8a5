"""Data records (EN 13757-3 clause 6): DIFs, data types, text, special functions, and bad ones among good ones."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.decode.by_hand import full, wired

from avlas.decode import RecordError, telegram
from avlas.decode.records import describe_dib


def records(text: str):
    return telegram(full(text)).records


def only(text: str):
    found = records(text)
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    ("dib", "function", "storage", "tariff", "subunit"),
    [
        ("04", "instantaneous", 0, 0, 0),
        ("54", "maximum", 1, 0, 0),
        ("24", "minimum", 0, 0, 0),
        ("34", "error", 0, 0, 0),
        ("C40F", "instantaneous", 31, 0, 0),
        ("8410", "instantaneous", 0, 1, 0),
        ("8440", "instantaneous", 0, 0, 1),
        ("848040", "instantaneous", 0, 0, 2),
        ("84B010", "instantaneous", 0, 7, 0),
        ("C4FFFFFFFFFFFFFFFFFF7F", "instantaneous", (1 << 41) - 1, (1 << 20) - 1, (1 << 10) - 1),
    ],
)
def test_data_information_blocks(dib, function, storage, tariff, subunit):
    found = describe_dib(bytes.fromhex(dib))
    assert (found.function, found.storage, found.tariff, found.subunit) == (
        function,
        storage,
        tariff,
        subunit,
    )
    record = only(f"{dib} 13 01000000")
    assert (record.function, record.storage, record.tariff, record.subunit) == (
        function,
        storage,
        tariff,
        subunit,
    )


@pytest.mark.parametrize(
    ("record", "value"),
    [
        ("01 16 FE", -2),
        ("02 16 FEFF", -2),
        ("03 16 FEFFFF", -2),
        ("04 16 FEFFFFFF", -2),
        ("06 16 FEFFFFFFFFFF", -2),
        ("07 16 FEFFFFFFFFFFFFFF", -2),
        ("07 16 FFFFFFFFFFFFFF7F", (1 << 63) - 1),
        ("05 16 00002041", 10.0),
        ("09 16 42", 42),
        ("0A 16 4201", 142),
        ("0B 16 563412", 123456),
        ("0C 16 78563412", 12345678),
        ("0E 16 907856341200", 1234567890),
        ("0B 16 5634F2", -23456),
        ("0C 13 785634F2", Decimal("-2345.678")),
        ("0D 16 C2 3412", 1234),
        ("0D 16 D2 3412", -1234),
        ("0D 16 E2 FEFF", -2),
        ("0D 16 00", ""),
        ("00 16", None),
        ("08 16", None),
    ],
)
def test_codings(record, value):
    found = only(record)
    assert (found.value, found.error) == (value, "")


def test_decimals_are_kept_as_sent():
    assert str(only("04 13 E8030000").value) == "1.000"
    assert only("04 07 05000000").value.as_tuple().exponent == 1  # steps of 10 kWh
    big = only("07 10 FFFFFFFFFFFFFF7F").value
    assert str(big) == "9223372036854.775807"


@pytest.mark.parametrize(
    ("record", "error"),
    [
        ("01 16 80", "invalid"),
        ("02 16 0080", "invalid"),
        ("03 16 000080", "invalid"),
        ("04 16 00000080", "invalid"),
        ("05 16 0000C07F", "no value (not a number)"),
        ("05 16 0000807F", "no value (not a number)"),
        ("0B 16 FFFFFF", "no value"),
        ("0B 16 5634A2", "not decimal digits: A23456"),
        ("0B 16 56B412", "not decimal digits: 12B456"),
        ("0B 16 56F412", "not decimal digits: 12F456"),
        ("0D 16 C2 3AB2", "not decimal digits: B23A"),
        ("0C 6C 01020304", "a date in decimal digits is not defined"),
        ("01 6C 01", "1 bytes are no date type"),
    ],
)
def test_values_that_are_none_say_why_and_keep_their_bytes(record, error):
    found = only(record)
    assert (found.value, found.error) == (None, error)
    assert found.data


# annex A: type G is date of two bytes, F four bytes, I six bytes, J time of three bytes


@pytest.mark.parametrize(
    ("record", "value"),
    [
        ("02 6C D72B", date(2022, 11, 23)),
        ("02 6C 01A1", date(2080, 1, 1)),
        ("02 6C 21A1", date(1981, 1, 1)),
        ("02 6C E1F1", "--01-01"),
        ("04 6D 1E0AD72B", datetime(2022, 11, 23, 10, 30)),
        ("04 6D 1E2AD72B", datetime(2022, 11, 23, 10, 30)),
        ("04 6D 0018D72B", datetime(2022, 11, 24, 0, 0)),
        ("06 6D 0F1E0AD72B00", datetime(2022, 11, 23, 10, 30, 15)),
        ("03 6D 0F1E0A", "10:30:15"),
        ("0D 6D E4 1E0AD72B", datetime(2022, 11, 23, 10, 30)),
    ],
)
def test_dates_and_times(record, value):
    found = only(record)
    assert found.value == value
    assert not found.summer_time


@pytest.mark.parametrize(
    ("record", "error"),
    [
        ("02 6C FFFF", "no value"),
        ("02 6C 0000", "no value"),
        ("02 6C E02B", "no value"),  # day 0
        ("02 6C D720", "no value"),  # month 0
        ("02 6C FE22", "no such date: day 30, month 2"),
        ("04 6D 1E0AFFFF", "no value"),
        ("04 6D 3F0AD72B", "no such time: 3F0AD72B"),
        ("04 6D 1E1FD72B", "no such time: 1E1FD72B"),
        ("06 6D 0F1E0A000000", "no value"),
        ("03 6D 3F1E0A", "no value"),
    ],
)
def test_invalid_times_are_no_value(record, error):
    found = only(record)
    assert (found.value, found.error) == (None, error)


@pytest.mark.parametrize(("record", "seconds"), [("04 6D 9E0AD72B", 0), ("06 6D 0F9E0AD72B00", 15)])
def test_a_time_marked_invalid_is_shown_but_not_relied_on(record, seconds):
    found = only(record)
    assert found.value == datetime(2022, 11, 23, 10, 30, seconds)
    assert found.error == "the meter marks its time as invalid"


def test_summer_time_is_told():
    assert only("04 6D 1E8AD72B").summer_time
    assert only("06 6D 4F1E0AD72B00").summer_time


# text


def test_text_is_sent_last_character_first_in_latin_1_or_utf_8():
    assert only("0D FD10 04 6C616769").value == "igal"
    assert only("0D FD10 04 682FB36D").value == "m³/h"
    assert only("0D FD10 05 682FB3C26D").value == "m³/h"
    assert only("0D FD10 03 410A42").value == "B A"


def test_makers_own_variable_fields_stay_bytes_unless_they_are_text():
    assert only("0D FF5F 04 00820100").value == bytes.fromhex("00820100")
    assert only("0D FF2A 03 333231").value == "123"


def test_long_binary_fields_are_shown_high_byte_first():
    assert only("0D 16 F0 " + bytes(range(16)).hex()).value == bytes(range(16))[::-1]


@pytest.mark.parametrize(
    "vib",
    [
        "7C 03 485225",  # plain: length and text follow
        "FC 03 485225 74",  # text straight after the VIF, then VIFE 10^-2
        "FC 74 03 485225",  # as the standard has it: VIFEs, then the text
    ],
)
def test_plain_text_vifs_in_both_orders(vib):
    found = records(f"02 {vib} D411 0413 01000000")
    assert [(r.quantity, r.unit) for r in found] == [("plain_text", "%RH"), ("volume", "m³")]
    assert found[0].value == (4564 if vib.startswith("7C") else Decimal("45.64"))
    assert found[0].vif_key == "7C"


def test_identifications_keep_leading_zeros_and_full_addresses():
    assert only("0C 78 78563400").value == "00345678"
    assert only("04 78 78563412").value == 0x12345678
    assert only("07 79 78563412 3A63 01 04").value == "XYZ 12345678 01 04"
    assert only("02 FD0A 3A63").value == "XYZ"
    assert only("0B FD0F 020001").value == "010002"


# special functions


def test_makers_data_filler_and_readout_request():
    found = telegram(full("2F2F 0413 01000000 2F 0416 02000000 0F AABB"))
    assert [r.value for r in found.records] == [Decimal("0.001"), 2, b"\xaa\xbb"]
    assert not found.more_follows
    assert telegram(full("0413 01000000 1F")).more_follows
    assert [r.value for r in records("7F 0416 02000000")] == [2]


def test_a_bad_value_costs_only_itself():
    found = records("0413 01000000 0B16 5634A2 0416 02000000")
    assert [r.value for r in found] == [Decimal("0.001"), None, 2]


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        ("0413 0100", "needs 4 bytes, 2 are left"),
        ("04", "ends before the VIF"),
        ("84", "inside the DIF"),
        ("0493", "inside the VIF"),
        ("0D13", "before the LVAR"),
        ("0D13 05 4142", "needs 6 bytes"),
        ("0D13 FB", "LVAR FB is reserved"),
        ("3F", "DIF 3F"),
        ("8F00", "DIF 8F"),
        ("84" + "80" * 10 + "00 13 01000000", "more than 10 extensions of the DIF"),
        ("04 93" + "80" * 10 + "00 01000000", "more than 10 extensions of the VIF"),
        ("02 FC 48", "inside the"),
    ],
)
def test_where_the_walk_breaks_off_the_rest_is_marked_by_radio_and_refused_on_the_wire(tail, words):
    found = records("0416 02000000" + tail)
    assert [r.value for r in found] == [2, None]
    assert words in found[1].error
    with pytest.raises(RecordError):
        telegram(wired(bytes.fromhex("78 0416 02000000" + tail)))
    with pytest.raises(RecordError, match=words):
        telegram(full(tail))


@given(st.binary(min_size=1, max_size=40))
def test_ranges_of_records_and_spans_cover_every_byte_once(content):
    try:
        found = telegram(full(content.hex()))
    except RecordError:
        return
    at = 0
    for span in found.spans:
        assert span.start == at
        at = span.end
    assert at == len(found.plain)
    ends = [0] + [r.range[1] for r in found.records if r.at is None]
    assert ends == sorted(ends)
