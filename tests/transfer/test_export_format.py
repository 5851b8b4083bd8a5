"""What an export looks like: property tests of the pure part."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlas.decode.families import UNITS, as_sent
from avlas.transfer.exports import catalogue, values
from avlas.transfer.exports.block import At, Block, Number, Strip
from avlas.transfer.exports.date_pattern import BadPattern, written
from avlas.transfer.exports.formatting import Formatter, TooWide
from avlas.transfer.exports.layout import FIXED, SEPARATED, BadLayout, Column, Layout, from_data, to_data
from avlas.transfer.exports.periods import RULES, period
from avlas.transfer.exports.ready_made import READY_MADE

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30)
NUMBERS = st.decimals(-(10**9), 10**9, places=3, allow_nan=False).map(lambda one: Number(f"{one:f}"))


def layout(**fields):
    return Layout(columns=(Column("serial"),), **fields)


# --- separated ------------------------------------------------------------------------------------------


@given(
    st.lists(st.lists(TEXT | NUMBERS, min_size=2, max_size=5), min_size=1, max_size=5),
    st.sampled_from([";", ",", "\t", "|"]), st.sampled_from([",", "."]), st.sampled_from(["needed", "always"]),
)  # fmt: skip
def test_what_is_written_is_read_back(rows, separator, decimal, quoting):
    formatter = Formatter(layout(separator=separator, decimal=decimal, quoting=quoting, guard=False))
    content = b"".join(formatter.line(row) for row in rows).decode()
    found = list(csv.reader(io.StringIO(content, newline=""), delimiter=separator))
    assert found == [[formatter.text(cell) for cell in row] for row in rows]
    assert formatter.replaced == 0


@given(NUMBERS, st.sampled_from(["", " ", "'", "."]))
def test_a_number_comes_back_exactly(number, thousands):
    formatter = Formatter(layout(decimal=",", thousands=thousands))
    text = formatter.text(number)
    plain = (text.replace(thousands, "") if thousands else text).replace(",", ".")
    assert Decimal(plain) == Decimal(number)


@given(TEXT)
def test_no_text_is_a_formula_or_a_new_line_while_guarded(text):
    line = Formatter(layout()).line([text, Number("-5.5")]).decode()
    assert line.endswith(";-5,5\r\n")  # numbers stay numbers
    assert "\n" not in line[:-2]
    assert line.lstrip('"')[:1] not in ("=", "+", "-", "@")


@given(TEXT, st.sampled_from(["iso8859-1", "iso8859-15", "cp1252", "utf-8", "utf-8-sig"]))
def test_every_text_can_be_written_in_every_encoding(text, encoding):
    formatter = Formatter(layout(encoding=encoding))
    first, second = formatter.line([text]), formatter.line(["åäö"])
    assert second.decode(encoding) == "åäö\r\n"
    assert first.startswith(b"\xef\xbb\xbf") == (
        encoding == "utf-8-sig" or (encoding == "utf-8" and text[:1] == "\ufeff")
    )
    if encoding.startswith("utf"):
        assert formatter.replaced == 0


def test_signs_that_an_encoding_lacks_become_the_nearest():
    formatter = Formatter(layout(encoding="iso8859-1"))
    assert formatter.line(["Łódź – 5 €"]).decode("iso8859-1") == "?ódz - 5 ?\r\n"
    assert formatter.replaced == 4


def test_never_quoted():
    formatter = Formatter(layout(quoting="never"))
    assert formatter.line(['a;b "c"', None]) == b'a b "c";\r\n'


# --- fixed widths ---------------------------------------------------------------------------------------


@given(
    TEXT, NUMBERS, st.integers(1, 20), st.sampled_from(["left", "right"]), st.sampled_from(["cut", "mark"])
)
def test_every_row_is_as_wide_as_its_columns(text, number, width, side, overflow):
    columns = tuple(Column("serial", width=width, side=side, overflow=overflow) for _ in range(2))
    formatter = Formatter(Layout(columns=columns, kind=FIXED, newline="lf"))
    if overflow == "cut" and len(formatter.text(number)) > width:  # a figure is never cut
        with pytest.raises(TooWide):
            formatter.line([text, number])
    else:
        assert len(formatter.line([text, number]).decode()) == 2 * width + 1


def test_fixed_widths():
    columns = (
        Column("serial", width=8, fill="."),
        Column("x", width=8, side="right", fill="0"),
        Column("y", width=3, overflow="cut"),
        Column("z", width=3, overflow="mark"),
    )
    formatter = Formatter(Layout(columns=columns, kind=FIXED))
    assert formatter.line(["12", Number("-5.50"), "abcdef", Number("1234")]) == b"12......-0005,50abc###\r\n"
    with pytest.raises(TooWide, match="“123456789”"):
        formatter.line(["123456789", None, None, None])


TEXTS = st.none() | st.text(st.sampled_from("aÅ€;,.\"'=-\n "), max_size=5)
FIGURES = st.none() | st.decimals(-(10**6), 10**6, places=3, allow_nan=False).map(lambda one: f"{one:f}")


@given(
    st.data(), st.integers(1, 5), st.sampled_from([";", ",", "-", "."]), st.sampled_from(['"', "'"]),
    st.sampled_from(["needed", "always", "never"]), st.sampled_from([",", "."]), st.sampled_from(["", " "]),
    st.sampled_from(["utf-8-sig", "iso8859-1"]), st.sampled_from([SEPARATED, FIXED]),
)  # fmt: skip
def test_rows_are_the_same_written_by_columns_or_one_by_one(
    data, count, separator, quote, quoting, decimal, thousands, encoding, kind
):
    def column(values):
        return data.draw(st.lists(values, min_size=count, max_size=count))

    repeats = data.draw(st.integers(0, count).map(lambda first: [first, count - first]))
    block = Block([
        Strip(column(TEXTS), str), Strip(column(FIGURES), Number), Strip(column(FIGURES), Number),
        Strip(column(st.none() | st.integers(0, 2**31)), At), Strip(column(TEXTS)),
        Strip(["=1", Number("-1.50")], None, repeats),
    ])  # fmt: skip
    wanted = Layout(
        separator=separator, quote=quote, quoting=quoting, decimal=decimal, thousands=thousands, encoding=encoding,
        kind=kind, columns=tuple(Column("x", width=25, side=side) for side in ("left", "right") * 3),
    )  # fmt: skip
    at_once, one_by_one = Formatter(wanted), Formatter(wanted)
    assert at_once.block(block) == b"".join([one_by_one.line(row) for row in block.rows()])
    assert at_once.replaced == one_by_one.replaced


# --- dates ----------------------------------------------------------------------------------------------


def test_dates():
    moment = datetime(2026, 7, 1, 22, 5, 9, tzinfo=UTC)
    stockholm = moment.astimezone(ZoneInfo("Europe/Stockholm"))
    assert written("dd-MM-yyyy HH:mm", stockholm) == "02-07-2026 00:05"
    assert written("yyyy-MM-dd'T'HH:mm:ssXXX", stockholm) == "2026-07-02T00:05:09+02:00"
    assert written("yyMMddHHmm", stockholm) == "2607020005"
    assert written("dd '100%'", stockholm) == "02 100%"
    for wrong in ("DD", "dd-mmm", "hej", "", "yyyy-'"):
        with pytest.raises(BadPattern):
            written(wrong, stockholm)
    at = At(int(moment.timestamp()))
    assert Formatter(layout()).text(at) == "01-07-2026 23:05"  # standard time all year
    assert Formatter(layout(zone="Europe/Stockholm")).text(at) == "02-07-2026 00:05"


# --- figures --------------------------------------------------------------------------------------------


@given(
    st.sampled_from([("kWh", 0), ("kWh", 1), ("MWh", 2), ("MWh", 3), ("GJ", 2), ("GJ", 3), ("m³", 2), ("l", 0)]),
    st.integers(0, 10**9),
)  # fmt: skip
def test_the_figure_on_the_display_comes_back_exactly(sent, count):
    unit, decimals = sent
    shown = Decimal(count).scaleb(-decimals)
    factor = UNITS[unit][1]
    stored = float(shown * factor.numerator / factor.denominator)  # as a float column holds it
    register = "volume_m3" if unit in ("m³", "l") else "energy_heat_kwh"
    divisor, name, places = values.shown_as(register, values.Sent(unit, decimals), "own", None)
    assert values.figures(np.array([stored]), divisor, places) == [f"{shown:f}"]
    assert f"{shown:f}" == f"{as_sent(stored, unit, decimals):f}"
    assert name == unit


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=5), st.integers(0, 9))
def test_figures_have_the_decimals_asked_for_and_no_minus_zero(numbers, decimals):
    shown = values.figures(np.array(numbers), Fraction(1), decimals)
    assert [float(text) for text in shown] == [float(f"{number:.{decimals}f}") for number in numbers]
    assert all(len(text.partition(".")[2]) == decimals for text in shown)
    assert not any(text.startswith("-") and not float(text) for text in shown)


@pytest.mark.parametrize(
    ("sent", "unit", "decimals", "value", "figure"),
    [
        (("kWh", 0), "MWh", None, 12345.0, "12.345"),
        (("MWh", 2), "standard", None, 12340.0, "12340"),
        (("GJ", 2), "MWh", None, 2777.7777777777777, "2.778"),
        (("GJ", 2), "own", None, 2777.7777777777777, "10.00"),
        (("kWh", 0), "kWh", 2, 5.0, "5.00"),
        (("m³", 2), "MWh", None, 5.25, "5.25"),  # a volume stays a volume
        (("kWh", 0), "own", None, -0.0001, "0"),
    ],
)
def test_units(sent, unit, decimals, value, figure):
    register = "volume_m3" if sent[0] == "m³" else "energy_heat_kwh"
    factor, _name, places = values.shown_as(register, values.Sent(*sent), unit, decimals)
    assert values.figures(np.array([1.5, value]), factor, places)[1] == figure


# --- layouts as JSON ------------------------------------------------------------------------------------


def test_every_ready_made_format_makes_sense_and_survives_json():
    for one in READY_MADE.values():
        assert from_data(json.loads(json.dumps(to_data(one.layout))), catalogue.known()) == one.layout


def test_every_column_offered_is_known_and_has_words():
    offered = {one.code for one in catalogue.choices()}
    assert offered == catalogue.known() | {"constant"}
    for one in catalogue.choices():
        assert catalogue.heading(Column(one.code)) or one.code == "constant"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"separator": ";;"}, "separator"), ({"separator": "a"}, "separator"), ({"thousands": ","}, "thousands"),
        ({"date": "dd.MM.åååå"}, "date"), ({"zone": "Mars/Base"}, "zone"), ({"zone": "../../etc/passwd"}, "zone"),
        ({"encoding": "utf-7"}, "encoding"), ({"columns": []}, "columns"), ({"columns": [{"code": "nix"}]}, "columns"),
        ({"columns": [{}]}, "code"), ({"header": "yes"}, "header"), ({"file_name": "../x"}, "file_name"),
        ({"columns": [{"code": "serial", "decimals": 77}]}, "columns"), ({"format": "other"}, ""),
        ({"columns": [{"code": "serial"}] * 151}, "columns"), ({"group": 7}, "group"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_words(change, field):
    with pytest.raises(BadLayout) as problem:
        from_data(to_data(READY_MADE["billing"].layout) | change, catalogue.known())
    assert problem.value.problems[field]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))  # fmt: skip
def test_any_json_is_a_layout_or_refused(data):
    if isinstance(data, dict):
        data["format"] = "avlas export 1"
    with pytest.raises(BadLayout):
        from_data(data, catalogue.known())


# --- periods --------------------------------------------------------------------------------------------


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), st.sampled_from(sorted(RULES)))
def test_a_period_is_over_and_not_empty_or_backwards(moment, rule):
    now = moment.replace(tzinfo=UTC)
    for zone in (ZoneInfo("Europe/Stockholm"), UTC):
        start, end = period(rule, now, zone, None)
        assert start <= end <= now


def test_last_month_in_standard_and_civil_time():
    now = datetime(2026, 8, 3, 4, tzinfo=UTC)
    from avlas.reports.calc.borders import STANDARD_TIME

    assert period("last_month", now, STANDARD_TIME, None) == (
        datetime(2026, 6, 30, 23, tzinfo=UTC), datetime(2026, 7, 31, 23, tzinfo=UTC)
    )  # fmt: skip
    assert period("last_month", now, ZoneInfo("Europe/Stockholm"), None)[0] == datetime(
        2026, 6, 30, 22, tzinfo=UTC
    )
    last = datetime(2026, 7, 15, 22, tzinfo=UTC)
    assert period("since_last", now, ZoneInfo("Europe/Stockholm"), last) == (
        last,
        datetime(2026, 8, 2, 22, tzinfo=UTC),
    )
