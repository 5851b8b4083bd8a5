"""Keys, meter numbers and CSV lists as people write them. All numbers and keys are invented."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlas.meters.key_text import (
    KeyFileError,
    parse_csv,
    parse_key,
    parse_manufacturer,
    parse_meter_number,
)

KEY = "0F1E2D3C4B5A69788796A5B4C3D2E1F0"
KEY2 = "00112233445566778899AABBCCDDEEFF"


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        KEY.lower(),
        f"  {KEY}\n",
        f"0x{KEY}",
        ":".join(KEY[i : i + 2] for i in range(0, 32, 2)),
        "-".join(KEY[i : i + 2] for i in range(0, 32, 2)),
        " ".join(KEY[i : i + 8] for i in range(0, 32, 8)),
    ],
)
def test_a_key_in_every_usual_writing(text):
    assert parse_key(text) == bytes.fromhex(KEY)


@pytest.mark.parametrize(
    ("text", "says"), [("", "0"), (KEY[:-1], "31"), (KEY + "00", "34"), ("G" * 32, "A-F")]
)
def test_a_bad_key_says_what_is_wrong(text, says):
    with pytest.raises(KeyFileError, match=says):
        parse_key(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("61234567", ("", "61234567")),
        (" 1234567 ", ("", "01234567")),
        ("61234567/W1/23", ("", "61234567")),
        ("KAM61234567", ("KAM", "61234567")),
        ("kam 61234567", ("KAM", "61234567")),
        ("6KAM0061234567", ("KAM", "61234567")),
        ("61 23 45 67", ("", "61234567")),
        ("6123456a", ("", "6123456A")),
    ],
)
def test_meter_numbers_as_labels_write_them(text, expected):
    assert parse_meter_number(text) == expected


@pytest.mark.parametrize("text", ["", "612345678", "meter 7", "6,12E+07", "KAMSTRUP1", "٣٤"])
def test_what_is_no_meter_number_is_refused(text):
    with pytest.raises(KeyFileError):
        parse_meter_number(text)


def test_manufacturers():
    assert parse_manufacturer(" kam ") == "KAM"
    assert parse_manufacturer("") == ""
    with pytest.raises(KeyFileError):
        parse_manufacturer("Kamstrup")


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|", " "])
@pytest.mark.parametrize(
    "header", ["", "serial{0}key\n", "Mätarnummer{0}Krypteringsnyckel\n", "Zähler{0}Schlüssel\n"]
)
def test_a_list_with_any_delimiter_with_and_without_header(delimiter, header):
    text = f"{header.format(delimiter)}61000001{delimiter}{KEY}\n61000002{delimiter}{KEY2}\n"
    for data in (text.encode(), text.encode("utf-8-sig"), text.encode("utf-16"), text.encode("cp1252")):
        result = parse_csv(data)
        assert [(e.identification, e.key.hex().upper()) for e in result.entries] == [
            ("61000001", KEY),
            ("61000002", KEY2),
        ]
        assert not result.problems


def test_columns_are_found_by_the_header_whatever_their_order():
    result = parse_csv(f"Nyckel;Ort;Tillverkare;Serienr\n{KEY};Ystad;KAM;61000001\n".encode())
    (entry,) = result.entries
    assert (entry.manufacturer, entry.identification, entry.key) == ("KAM", "61000001", bytes.fromhex(KEY))


def test_columns_are_found_by_what_stands_in_them():
    result = parse_csv(f"KAM,61000001,{KEY}\nKAM,61000002,{KEY2}\n".encode())
    assert [(e.manufacturer, e.identification) for e in result.entries] == [
        ("KAM", "61000001"),
        ("KAM", "61000002"),
    ]


def test_what_spreadsheets_write():
    result = parse_csv(f'"61000001";"{KEY}"\r\n="61000002";"{KEY2}"\r\n\r\n# slut\r\n'.encode())
    assert [e.identification for e in result.entries] == ["61000001", "61000002"]


def test_bad_lines_are_told_by_number_and_the_good_go_in():
    lines = ["serial;key", f"61000001;{KEY}", "", "61000002", f"x;{KEY}", "61000003;AB", f"61000004;{KEY2}"]
    result = parse_csv("\n".join(lines).encode())
    assert [e.identification for e in result.entries] == ["61000001", "61000004"]
    assert [(p.kind, p.number) for p in result.problems] == [("line", 4), ("line", 5), ("line", 6)]


def test_another_key_for_the_same_meter_is_told_and_the_same_is_not():
    result = parse_csv(f"61000001;{KEY}\n61000001;{KEY}\n61000001;{KEY2}\n".encode())
    assert [e.key.hex().upper() for e in result.entries] == [KEY]
    assert [p.number for p in result.problems] == [3]


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "empty"), ("\n\n", "empty"), ("a;b\nc;d\n", "No column with keys"), (KEY, "meter numbers")],
)
def test_a_file_that_is_no_list_says_why(text, says):
    with pytest.raises(KeyFileError, match=says):
        parse_csv(text.encode())


def test_keys_are_not_in_problems_nor_in_repr():
    result = parse_csv(f"61000001;{KEY}\n61000001;{KEY2}\nnope;{KEY}\n".encode())
    shown = repr(result) + "".join(str(p.error) for p in result.problems)
    assert KEY not in shown.upper()
    assert KEY2 not in shown.upper()


meters = st.dictionaries(
    st.integers(0, 99_999_999).map(lambda n: f"{n:08}"),
    st.binary(min_size=16, max_size=16),
    min_size=1,
    max_size=20,
)


@given(meters, st.sampled_from(";,\t| "), st.booleans(), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_any_list_comes_back_whole(meters, delimiter, header, key_first, end):
    def row(number: str, key: str) -> str:
        return delimiter.join((key, number) if key_first else (number, key))

    rows = ([row("serial", "key")] if header else []) + [
        row(number, key.hex()) for number, key in meters.items()
    ]
    result = parse_csv(end.join(rows).encode())
    assert {e.identification: e.key for e in result.entries} == meters
    assert not result.problems


@given(st.binary(max_size=500) | st.text(max_size=300).map(str.encode))
def test_any_bytes_give_a_list_or_a_key_file_error(data):
    try:
        said = str(parse_csv(data))
    except KeyFileError as error:
        said = str(error)
    assert said
