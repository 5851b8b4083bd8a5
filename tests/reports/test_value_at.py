"""A counter's value at a moment: in the order of trust, never beyond what is known."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from avlas.reports.calc.value_at import ENTERED, INTERPOLATED, LIVE, LOGGED, NONE, Series, values_at

HOUR = 3600.0


def series(*rows: tuple[float, int, float]) -> Series:
    """Rows of (hour, kind, value)."""
    rows = sorted(rows)
    return Series(
        np.array([row[0] * HOUR for row in rows]),
        np.array([row[1] for row in rows], np.int8),
        np.array([row[2] for row in rows]),
        np.arange(len(rows)),
    )


def at(found: Series, hour: float, tolerance: float = 600.0) -> tuple[float, int]:
    result = values_at(found, np.array([hour * HOUR]), tolerance)
    return float(result.value[0]), int(result.how[0])


def test_the_meters_own_value_goes_before_all_others():
    found = series((10, 1, 100.0), (10, 2, 101.0), (10, 0, 102.0))
    assert at(found, 10) == (100.0, LOGGED)


def test_then_one_entered_for_the_moment_then_a_live_one_nearby():
    assert at(series((10, 2, 101.0), (10, 0, 102.0)), 10) == (101.0, ENTERED)
    assert at(series((9.9, 0, 99.0), (10.05, 0, 102.0)), 10) == (102.0, LIVE)  # the nearest
    assert at(series((10 + 600 / HOUR, 0, 7.0), (8, 0, 1.0)), 10)[1] == LIVE


def test_else_between_measured_ones_and_marked():
    assert at(series((8, 0, 100.0), (12, 0, 140.0)), 10) == (120.0, INTERPOLATED)
    assert at(series((8, 1, 100.0), (12, 2, 140.0)), 9) == (110.0, INTERPOLATED)


def test_never_across_a_step_backwards_nor_beyond_the_ends():
    assert at(series((8, 0, 100.0), (12, 0, 20.0)), 10)[1] == NONE
    assert at(series((8, 0, 100.0), (12, 0, 140.0)), 13)[1] == NONE
    assert at(series((8, 0, 100.0), (12, 0, 140.0)), 7)[1] == NONE
    assert at(series(), 7)[1] == NONE


ROWS = st.lists(
    st.tuples(st.integers(0, 200), st.sampled_from([0, 1, 2]), st.integers(0, 10_000).map(float)),
    min_size=1, max_size=30, unique_by=lambda row: (row[0], row[1]),
)  # fmt: skip


@given(ROWS, st.lists(st.integers(-10, 210), min_size=1, max_size=10))
def test_whatever_is_given_lies_between_its_neighbours(rows, hours):
    found = series(*rows)
    result = values_at(found, np.array(hours, float) * HOUR)
    for place, hour in enumerate(hours):
        value, how = float(result.value[place]), int(result.how[place])
        if how == NONE:
            assert np.isnan(value)
        elif how == INTERPOLATED:
            assert result.row[place] == -1
            below = max(row[0] for row in rows if row[0] <= hour)
            above = min(row[0] for row in rows if row[0] >= hour)
            low = [row[2] for row in rows if row[0] == below]
            high = [row[2] for row in rows if row[0] == above]
            assert min(low) - 1e-6 <= value <= max(high) + 1e-6
        else:
            assert value == found.value[result.row[place]]
            assert abs(found.at[result.row[place]] - hour * HOUR) <= 600
