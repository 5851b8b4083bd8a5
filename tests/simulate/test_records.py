"""Data records by hand (EN 13757-3, clause 6 and annex A)."""

from datetime import date, datetime, time

import pytest

from avlas.simulate import records


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ({"data_field": 4}, "04"),
        ({"data_field": 4, "storage": 1}, "44"),
        ({"data_field": 4, "storage": 2}, "8401"),
        ({"data_field": 4, "storage": 3}, "c401"),
        ({"data_field": 2, "storage": 8}, "8204"),
        ({"data_field": 4, "tariff": 1}, "8410"),
        ({"data_field": 4, "tariff": 2}, "8420"),
        ({"data_field": 4, "tariff": 4}, "848010"),
        ({"data_field": 4, "subunit": 1}, "8440"),
        ({"data_field": 4, "subunit": 2}, "848040"),
        ({"data_field": 4, "subunit": 2, "storage": 1}, "c48040"),
        ({"data_field": 2, "function": records.MAXIMUM}, "12"),
        ({"data_field": 1, "function": records.MINIMUM, "storage": 1}, "61"),
        ({"data_field": 1, "function": records.MINIMUM, "storage": 2}, "a101"),
        ({"data_field": 4, "function": records.ERROR}, "34"),
        ({"data_field": 4, "storage": 32}, "848001"),
    ],
)
def test_dib(arguments, sent):
    assert records.dib(**arguments).hex() == sent


def test_dib_refuses_what_ten_difes_cannot_tell():
    records.dib(4, subunit=(1 << 10) - 1)
    with pytest.raises(ValueError, match="ten DIFE"):
        records.dib(4, subunit=1 << 10)
    with pytest.raises(ValueError, match="negative"):
        records.dib(4, storage=-1)


@pytest.mark.parametrize(
    ("value", "size", "sent"),
    [(1, 1, "01"), (-1, 1, "ff"), (1234, 2, "d204"), (-5, 3, "fbffff"), (0x12345678, 4, "78563412"),
     (-1, 6, "ffffffffffff"), (2**63 - 1, 8, "ffffffffffffff7f")],
)  # fmt: skip
def test_integer(value, size, sent):
    assert records.integer(value, size).hex() == sent
    assert records.integer_dif(size) == {1: 1, 2: 2, 3: 3, 4: 4, 6: 6, 8: 7}[size]


@pytest.mark.parametrize(
    ("value", "digits", "sent"),
    [(0, 2, "00"), (7, 2, "07"), (12, 2, "12"), (1234, 4, "3412"), (123456, 6, "563412"),
     (12345678, 8, "78563412"), (-1, 4, "01f0"), (-123, 4, "23f1"), (123456789012, 12, "129078563412")],
)  # fmt: skip
def test_bcd(value, digits, sent):
    assert records.bcd(value, digits).hex() == sent


def test_numbers_that_do_not_fit_are_refused():
    for call in (
        lambda: records.integer(128, 1),
        lambda: records.integer(-129, 1),
        lambda: records.unsigned(-1, 2),
        lambda: records.unsigned(65536, 2),
        lambda: records.bcd(100, 2),
        lambda: records.bcd(-1000, 4),
    ):
        with pytest.raises(ValueError, match="does not fit"):
            call()


def test_real32():
    assert records.real32(1.0).hex() == "0000803f"
    assert records.real32(-0.5).hex() == "000000bf"


def test_date_g():
    # 31 December 2007, worked out by hand: day 31 and year's low bits 111, month 12 and high bits 0.
    assert records.date_g(date(2007, 12, 31)).hex() == "ff0c"
    assert records.date_g(date(2024, 3, 31)).hex() == "1f33"
    assert records.date_g(None).hex() == "ffff"
    with pytest.raises(ValueError, match="1981"):
        records.date_g(date(1980, 12, 31))


def test_date_time_f():
    # 14 June 2023, 16:30: hour byte 10 hex with hundred-year 1, i.e. 2000 + 23.
    assert records.date_time_f(datetime(2023, 6, 14, 16, 30)).hex() == "1e30ee26"
    assert records.date_time_f(datetime(2023, 6, 14, 16, 30), summer_time=True).hex() == "1eb0ee26"
    assert records.date_time_f(None)[0] & 0x80


def test_date_time_i():
    # Wednesday (3), 14 June 2023, 16:30:05.
    assert records.date_time_i(datetime(2023, 6, 14, 16, 30, 5)).hex() == "051e70ee2600"
    assert records.date_time_i(datetime(2023, 6, 14, 16, 30, 5), summer_time=True)[0] == 0x45


def test_time_j():
    assert records.time_j(time(23, 59, 58)).hex() == "3a3b17"


def test_lvar():
    assert records.lvar_text("abc").hex() == "03636261"
    assert records.lvar_text("°C").hex() == "0243b0"
    assert records.lvar_bcd(12).hex() == "c112"
    assert records.lvar_bcd(123).hex() == "c22301"
    assert records.lvar_bcd(-4321).hex() == "d22143"
    assert records.lvar_binary(-1).hex() == "e1ff"
    assert records.lvar_binary(128).hex() == "e28000"
    with pytest.raises(ValueError, match="191"):
        records.lvar_text("x" * 192)


def test_plain_text_vif():
    assert records.record(b"\x02", records.plain_text_vib("ppm"), records.integer(400, 2)).hex() == (
        "027c036d70709001"
    )
    assert records.plain_text_vib("ppm", b"\x3c").hex() == "fc3c036d7070"
