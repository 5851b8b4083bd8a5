"""Two systems' figures side by side: what counts as equal, to which month a figure belongs, and that sums add up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlas.reports.calc.borders import STANDARD_TIME, borders
from avlas.reports.calc.differences import (
    DIFFERENT,
    EQUAL,
    ONLY_OURS,
    ONLY_THEIRS,
    READ_UNTIL,
    Tolerance,
    fitting_unit,
    half_a_digit,
    month_of,
    sums,
    verdict,
)

FIGURES = st.floats(0, 1e9)
MAYBE = st.none() | FIGURES
TOLERANCES = st.builds(Tolerance, st.floats(0, 1e4), st.floats(0, 1))


@given(MAYBE, MAYBE, TOLERANCES)
def test_a_pair_has_one_verdict_and_only_two_figures_can_differ(theirs, ours, allowed):
    found = verdict(theirs, ours, allowed)
    if theirs is None or ours is None:
        assert found == {(False, False): None, (True, False): ONLY_OURS, (False, True): ONLY_THEIRS}.get(
            (theirs is None, ours is None)
        )
        return
    apart = abs(theirs - ours)
    slack = 1e-11 * max(1.0, theirs, ours)
    if apart <= max(allowed.absolute, allowed.share * ours):
        assert found == EQUAL
    elif apart > max(allowed.absolute, allowed.share * ours) + slack:
        assert found == DIFFERENT


@given(FIGURES, FIGURES, TOLERANCES, st.floats(1, 10))
def test_more_tolerance_never_makes_a_difference(theirs, ours, allowed, more):
    if verdict(theirs, ours, allowed) == EQUAL:
        assert verdict(theirs, ours, Tolerance(allowed.absolute * more, allowed.share * more)) == EQUAL
        assert verdict(theirs, ours, allowed, rounding=more) == EQUAL


@given(st.decimals(0, 10**7, places=3), st.integers(0, 3), st.sampled_from([1.0, 1000.0, 2500 / 9]))
def test_rounding_alone_is_never_a_difference(figure, decimals, factor):
    """Ours to the last digit, theirs as their system rounds it, in any unit."""
    rounded = figure.quantize(Decimal(1).scaleb(-decimals))
    allowed = Tolerance(0, 0)
    off = half_a_digit(rounded, factor)
    assert verdict(float(rounded) * factor, float(figure) * factor, allowed, off) == EQUAL
    assert verdict(float(rounded) * factor + 2.1 * off, float(figure) * factor, allowed, off) == DIFFERENT


@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_each_moment_belongs_to_the_month_that_it_ends(at):
    first = month_of(at)
    start = datetime(first.year, first.month, 1, tzinfo=STANDARD_TIME)
    end = borders("month", start, start + timedelta(days=40))[1]
    assert start + READ_UNTIL < at <= end + READ_UNTIL


@pytest.mark.parametrize(
    ("figure", "ours", "unit"),
    [("1.234", 1234.0, "MWh"), ("4.44", 1233.3, "GJ"), ("1234", 1234.0, "kWh"), ("7", 1234.0, ""), ("0", 0.0, "")],
)  # fmt: skip
def test_a_figure_in_another_unit_is_recognised(figure, ours, unit):
    factors = [("kWh", 1.0), ("MWh", 1000.0), ("GJ", 2500 / 9)]
    assert fitting_unit(Decimal(figure), ours, factors) == unit


@given(st.lists(st.tuples(st.sampled_from(["heat", "water"]), MAYBE, MAYBE)))
def test_the_sums_hold_every_figure_once(pairs):
    found = sums(pairs)
    for register, of_register in found.items():
        mine = [pair for pair in pairs if pair[0] == register]
        theirs = sum(their for _r, their, _o in mine if their is not None)
        ours = sum(our for _r, _t, our in mine if our is not None)
        assert of_register.theirs + of_register.only_theirs == pytest.approx(theirs)
        assert of_register.ours + of_register.only_ours == pytest.approx(ours)
    assert set(found) == {register for register, theirs, ours in pairs if (theirs, ours) != (None, None)}
