"""Files become tables: encodings, delimiters, headings, Excel, and whatever is broken."""

from __future__ import annotations

import contextlib
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from avlas.transfer.imports import cells, fields, sheet
from avlas.transfer.imports.errors import CellError, Misfit, SheetError

TABLE = "Kundnr;Namn;Ort\r\nK1;Åsa Öberg;Älvsjö\r\nK2;Örjan Ström;Växjö\r\n"
WORDS = fields.words()


def excel(*rows, title: str = "Blad1") -> bytes:
    book = Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    into = io.BytesIO()
    book.save(into)
    return into.getvalue()


@pytest.mark.parametrize(
    ("codec", "expected"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16"), ("utf-16-be", "utf-16"),
     ("cp1252", "cp1252"), ("iso8859-1", "cp1252"), ("mac_roman", "mac_roman"), ("cp850", "cp850")],
)  # fmt: skip
def test_swedish_letters_come_through_in_every_encoding(codec, expected):
    table = sheet.read(TABLE.encode(codec), words=WORDS)
    assert table.how == sheet.How(expected, ";", 1)
    assert table.headings == ["Kundnr", "Namn", "Ort"]
    assert [line.cells for line in table.lines()] == [
        ["K1", "Åsa Öberg", "Älvsjö"],
        ["K2", "Örjan Ström", "Växjö"],
    ]


def test_a_guess_can_be_overruled():
    table = sheet.read(TABLE.encode("cp1252"), sheet.How(encoding="mac_roman", delimiter=",", heading_line=0))
    assert table.headings == ["A"]
    assert "Åsa" not in next(iter(table.lines())).cells[0]


@pytest.mark.parametrize("delimiter", sheet.DELIMITERS)
def test_the_delimiter_is_found(delimiter):
    text = TABLE.replace(";", delimiter).replace("Åsa Öberg", '"Öberg; Åsa, f. Ek|Alm"')
    table = sheet.read(text.encode(), words=WORDS)
    assert table.how.delimiter == delimiter
    assert table.sample()[0].cells[1] == "Öberg; Åsa, f. Ek|Alm"


def test_headings_below_a_title_and_empty_lines_are_found():
    text = "Utdrag ur kundregistret 2026-05-01\n\nKundnr;Namn\n\nK1;Åsa\n;\nK2;Bo\n"
    table = sheet.read(text.encode(), words=WORDS)
    assert table.how.heading_line == 3
    assert [(line.number, line.cells) for line in table.lines()] == [(5, ["K1", "Åsa"]), (7, ["K2", "Bo"])]


def test_a_file_without_headings_has_columns_called_by_letters():
    table = sheet.read(b"1;Anna\n2;Bo\n", words=WORDS)
    assert (table.how.heading_line, table.headings) == (0, ["A", "B"])
    assert len(list(table.lines())) == 2


def test_excels_own_remark_about_the_delimiter():
    table = sheet.read(b"sep=|\r\nKundnr|Namn\r\nK1|A;B\r\n", words=WORDS)
    assert table.headings == ["Kundnr", "Namn"]
    assert table.sample()[0].cells == ["K1", "A;B"]


def test_excel_gives_numbers_and_days_as_they_are():
    data = excel(["Mätarnr", "Installerad", "qp", "Kl"], [12345678, date(2026, 5, 31), 1.5, datetime(2026, 5, 31, 7, 5)],
                 ["00123", "31-05-2026", "1,5", None], [None] * 4, [1e15, 0.1, True, "åäö"])  # fmt: skip
    table = sheet.read(data, words=WORDS)
    assert (table.how.encoding, table.typed, table.worksheets) == (sheet.EXCEL, True, ["Blad1"])
    assert [line.cells for line in table.lines()] == [
        ["12345678", "2026-05-31", "1.5", "2026-05-31 07:05:00"], ["00123", "31-05-2026", "1,5", ""],
        ["1000000000000000", "0.1", "1", "åäö"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "empty"), (b"\xef\xbb\xbf \r\n", "empty"), (b"%PDF-1.7 x", "not a table"),
     (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1xxxx", "old Excel"), (excel(["Kundnr"], ["K1"])[:2000], "only half of it"),
     (b"PK\3\4" + b"x" * 50, "only half of it")],
)  # fmt: skip
def test_what_is_no_table_is_said(data, said):
    with pytest.raises(SheetError, match=said):
        sheet.read(data)


def test_a_quote_that_is_never_closed_is_found_where_it_begins():
    text = 'Kundnr;Namn\nK1;A\nK2;"B\n' + "".join(f"K{n};C\n" for n in range(200))
    with pytest.raises(SheetError, match="From line 3 on"):
        list(sheet.read(text.encode(), sheet.How(delimiter=";", heading_line=1)).lines())


def test_the_last_line_of_half_a_file_is_marked():
    lines = list(sheet.read(b"Kundnr;Namn\nK1;A\nK2", words=WORDS).lines())
    assert [line.whole for line in lines] == [True, False]


@given(st.binary(max_size=300), st.sampled_from(["", *sheet.ENCODINGS]))
def test_any_bytes_are_a_table_or_a_reason(data, encoding):
    with contextlib.suppress(SheetError):
        table = sheet.read(data, sheet.How(encoding=encoding))
        for line in table.lines():
            assert any(line.cells)


@given(
    st.lists(
        st.lists(st.text("abcåäöÅÄÖ12;,\t|\"' \n", max_size=8).map(str.strip), min_size=3, max_size=3),
        min_size=1, max_size=8,
    ),
    st.sampled_from(sheet.DELIMITERS),
    st.sampled_from(["utf-8", "utf-16", "cp1252"]),
)  # fmt: skip
def test_what_was_written_comes_back(rows, delimiter, codec):
    import csv

    into = io.StringIO(newline="")
    csv.writer(into, delimiter=delimiter).writerows([["Kundnr", "Namn", "Ort"], *rows])
    data = into.getvalue().encode(codec)
    table = sheet.read(data, sheet.How(encoding=codec, delimiter=delimiter, heading_line=1))
    assert [line.cells for line in table.lines()] == [row for row in rows if any(row)]


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [("12", "", "12"), ("12,5", "", "12.5"), ("12.5", "", "12.5"), ("1 234,5", "", "1234.5"), ("1.234,5", "", "1234.5"),
     ("1,234.5", "", "1234.5"), ("1\u00a0234", "", "1234"), ("1.234.567", "", "1234567"), ("1.234", ",", "1234"),
     ("1,234", ".", "1234"), ("-0,5", "", "-0.5"), ("\u22121", "", "-1"), (",5", "", "0.5"), ("1e3", "", "1000")],
)  # fmt: skip
def test_numbers_as_people_and_spreadsheets_write_them(text, decimal, value):
    assert cells.number(text, decimal) == Decimal(value)


@pytest.mark.parametrize(
    "text", ["", "x", "1,2,3.4", "12.34.5", "1,23,456.7", "--1", "1 kWh", "nan", "inf", "٣"]
)
def test_what_is_no_number(text):
    with pytest.raises(CellError):
        cells.number(text)


@given(st.decimals(-(10**9), 10**9, places=3), st.sampled_from(",."), st.booleans())
def test_a_number_is_read_as_it_was_written(value, decimal, thousands):
    written = f"{value:,.3f}" if thousands else f"{value:.3f}"
    swapped = written.replace(",", " ").replace(".", decimal)
    assert cells.number(swapped, decimal) == cells.number(swapped) == value


@given(st.text(max_size=30))
def test_any_text_is_a_value_or_a_reason(text):
    for read in (cells.plain, cells.number, cells.day, cells.moment):
        with contextlib.suppress(CellError):
            assert read(text) is not None


@pytest.mark.parametrize(
    "text",
    ["2026-05-31", "31-05-2026", "31/5/2026", "31.05.2026", "20260531", "46173", "46173.0", "2026/05/31"],
)
def test_days(text):
    assert cells.day(text) == date(2026, 5, 31)


@pytest.mark.parametrize("text", ["2026-02-30", "5/31/2026", "26-05-31", "31 maj", "12345678", "99999999"])
def test_what_is_no_day(text):
    with pytest.raises(CellError):
        cells.day(text)


@pytest.mark.parametrize(
    ("text", "clock", "hour"),
    [("2026-07-01 12:00", "civil", 10), ("01-07-2026 12:00", "standard", 11), ("2026-07-01T12:00:00Z", "civil", 12),
     ("2026-07-01 12:00", "utc", 12), ("2026-07-01 12:00+03:00", "civil", 9), ("46204,5", "standard", 11)],
)  # fmt: skip
def test_moments(text, clock, hour):
    assert cells.moment(text, clock) == datetime(2026, 7, 1, hour, tzinfo=UTC)


def test_moments_at_the_edge_of_the_day_and_the_summer():
    assert cells.moment("2026-01-31 24:00") == cells.moment("2026-02-01 00:00")
    assert cells.moment("2026-07-01") == datetime(2026, 6, 30, 23, tzinfo=UTC)  # a bill's day, standard time
    assert cells.moment("2026-10-25 02:30") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # the first of two
    with pytest.raises(CellError, match="clocks go forward"):
        cells.moment("2026-03-29 02:30")


def test_formulas_and_errors_of_spreadsheets():
    assert cells.plain('="00123"') == "00123"
    assert cells.plain("'+46 70") == "+46 70"
    for text in ("=A1+B1", "=cmd|' /C calc'!A0", "#REF!", "#SAKNAS!", "K\ufffdnd"):
        with pytest.raises(CellError):
            cells.plain(text)


def test_places():
    stockholm = pytest.approx((59.330231, 18.059196), abs=2e-5)
    assert cells.place(Decimal(6580822), Decimal(674032), "") == stockholm
    assert cells.place(Decimal(6580822), Decimal(674032), "SWEREF 99 TM") == stockholm
    assert cells.place(Decimal("59.330231"), Decimal("18.059196"), "") == stockholm
    for north, east in ((18, 59), (674032, 6580822), (0, 0), (10**15, 10**15)):
        with pytest.raises(CellError):
            cells.place(Decimal(north), Decimal(east), "")


def test_headings_are_guessed_in_both_languages():
    swedish = ["Kund-nr", "Namn", "E-post", "Anläggnings-ID", "Gatuadress", "Postnr", "Ort", "Mätarnummer", "Fabrikat",
               "Installationsdatum", "Grupp", "Sweref99 N", "Sweref99 E", "Något annat"]  # fmt: skip
    assert fields.guess(swedish) == [
        "customer.number", "customer.name", "customer.email", "point.facility_id", "point.address", "point.postal_code",
        "point.city", "meter.serial", "meter.manufacturer", "placed.installed_at", "placed.groups", "point.north",
        "point.east", "",
    ]  # fmt: skip
    assert fields.guess(["Serial No", "Manufacturer", "Street address", "ZIP", "Customer ID", "Phone", "Name"]) == [
        "meter.serial", "meter.manufacturer", "point.address", "point.postal_code", "customer.number", "customer.phone",
        "customer.name",
    ]  # fmt: skip
    for one in fields.FIELDS:
        assert fields.guess([one.label]) == [one.code]


def test_a_saved_mapping_finds_its_columns_wherever_they_stand():
    mapping = [["Kundnr", "customer.number"], ["Namn", "customer.name"]]
    assert fields.placed(["Annat", "NAMN ", "Kund nr"], mapping) == {"customer.name": 1, "customer.number": 2}
    with pytest.raises(Misfit, match=r"“Kundnr”.*Ort, Namn"):
        fields.placed(["Ort", "Namn"], mapping)
