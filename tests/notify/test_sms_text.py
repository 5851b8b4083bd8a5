"""What fits into a text message, and what is a phone number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlas.notify import sms_text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1), ("å" * 160, 1), ("å" * 161, 2), ("x" * 306, 2), ("x" * 307, 3),
        ("€" * 80, 1), ("€" * 81, 2), ("€" * 152, 2), ("€" * 153, 3),  # two each, never in two parts
        ("\u2013" + "x" * 69, 1), ("\u2013" + "x" * 70, 2), ("\u2013" + "x" * 133, 2), ("\u2013" + "x" * 134, 3),
        ("\U0001f525" * 35, 1), ("\U0001f525" * 36, 2), ("\U0001f525" * 67, 3),  # a pair is not cut
    ],
)  # fmt: skip
def test_how_many_parts_a_text_takes(text, parts):
    assert sms_text.size(text).parts == parts


def test_the_signs_that_cost_half_of_the_room_are_named():
    assert sms_text.size("Läcka – Ängsgatan 7 – źródło").odd == ("–", "ź", "ó", "ł")
    assert sms_text.size(sms_text.plain("Läcka – “Ängsgatan 7”\u00a0…")).odd == ()


@given(st.text(max_size=700), st.integers(1, 4))
def test_a_shortened_text_fits_and_begins_as_it_was(text, most):
    short = sms_text.shortened(text, most)
    assert sms_text.size(short).parts <= most
    assert short == text or (short.endswith("...") and text.startswith(short[:-3]))


@given(st.text())
def test_each_part_holds_what_it_may(text):
    size = sms_text.size(text)
    alone, together = (70, 67) if size.odd else (160, 153)
    assert size.parts == 1 if size.units <= alone else size.units <= size.parts * together
    assert size.units > (size.parts - 1) * (together - 1) or size.parts == 1


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+45 51449281", "+4551449281"), ("+46 (0)70-123 45 67", "+46701234567"), ("0046 70 123 45 67", "+46701234567"),
        ("+1 (555) 010-9999", "+15550109999"), (" +46\u00a070\u2011123.45.67 ", "+46701234567"),
    ],
)  # fmt: skip
def test_numbers_in_international_form(written, number):
    assert sms_text.number(written) == number


@pytest.mark.parametrize("written", ["070-123 45 67", "", "+", "+46", "+0701234567", "46701234567", "+46 70 12x",
                                     "+461234567890123456", "+４６７０１２３４５６７"])  # fmt: skip
def test_what_is_none_is_refused(written):
    with pytest.raises(sms_text.BadNumber):
        sms_text.number(written)


def test_a_customers_number_may_be_written_as_at_home():
    assert sms_text.number("070-123 45 67", "46") == "+46701234567"


@given(st.text())
def test_nothing_else_ever_comes_out(written):
    try:
        number = sms_text.number(written, "46")
    except sms_text.BadNumber:
        return
    assert number[0] == "+"
    assert number[1:].isdecimal()
    assert 7 <= len(number[1:]) <= 15
