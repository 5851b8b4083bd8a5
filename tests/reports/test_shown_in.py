"""Units and decimals for people: the figures that a utility knows from its present program."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlas.decode.families import canonical
from avlas.reports.calc.shown_in import SWITCH_KWH, ShownIn, converted_decimals, shown_in


@pytest.mark.parametrize(
    ("sent", "unit", "shown"),
    [
        ("18.5", "GJ", "5138.89"),
        ("2.8", "GJ", "777.78"),
        ("1488.982", "GJ", "413606.111"),
        ("18500", "MJ", "5138.89"),
        ("12.345", "MWh", "12345"),
        ("12.3", "MWh", "12300"),
        ("12345", "Wh", "12.345"),
        ("123.4", "kWh", "123.4"),
    ],
)
def test_a_converted_figure_gets_the_decimals_it_deserves(sent, unit, shown):
    figure = Decimal(sent)
    factor, _ = canonical(Decimal(1), unit)
    decimals = converted_decimals(-figure.as_tuple().exponent, factor)
    assert f"{canonical(figure, unit)[0]:.{decimals}f}" == shown


@pytest.mark.parametrize(
    ("unit", "decimals", "amounts", "expected"),
    [
        ("kWh", 0, [9_999], ShownIn("kWh", 0)),
        ("kWh", 0, [9_999.5], ShownIn("MWh", 3, 1000)),  # it would be written 10000
        ("kWh", 2, [Decimal("9999.99")], ShownIn("kWh", 2)),
        ("kWh", 2, [1.0, None, 10_000.0], ShownIn("MWh", 3, 1000)),
        ("kWh", 3, [Decimal(-10_000)], ShownIn("MWh", 3, 1000)),
        ("kWh", 1, [None], ShownIn("kWh", 1)),
        ("kWh", 1, [], ShownIn("kWh", 1)),
        ("m³", 2, [50_000.0], ShownIn("m³", 2)),
    ],
)
def test_energy_switches_to_megawatt_hours_together(unit, decimals, amounts, expected):
    assert shown_in(unit, decimals, amounts) == expected


@given(st.lists(st.decimals(-(10**8), 10**8, places=3), min_size=1))
def test_no_kilowatt_hours_of_five_digits_and_no_kilowatt_hour_lost(amounts):
    chosen = shown_in("kWh", 3, amounts)
    for amount in amounts:
        figure = chosen.figure(amount)
        assert figure * chosen.divisor == amount
        assert chosen.unit == "MWh" or abs(round(figure, chosen.decimals)) < SWITCH_KWH
    assert chosen.figure(None) is None
