"""Roll-over, backwards, and heat that its volume can't have carried."""

from __future__ import annotations

import numpy as np
import pytest

from avlas.reports.calc.judgement import (
    BACKWARDS,
    FORWARD,
    ROLLED_OVER,
    counter_step,
    energy_contradicts_volume,
)


@pytest.mark.parametrize(
    ("before", "after", "modulus", "most", "verdict"),
    [
        (100, 120, 1000, np.nan, FORWARD),
        (100, 100, 1000, np.nan, FORWARD),
        (np.nan, 5, 1000, np.nan, FORWARD),
        (995, 5, 1000, np.nan, ROLLED_OVER),
        (995, 5, np.nan, np.nan, BACKWARDS),  # digits not known
        (995, 500, 1000, np.nan, BACKWARDS),  # not below 10 %
        (500, 5, 1000, np.nan, BACKWARDS),  # not above 90 %
        (995, 5, 1000, 5, BACKWARDS),  # more use than the meter can pass
        (995, 5, 1000, 10, ROLLED_OVER),
    ],
)
def test_counter_step(before, after, modulus, most, verdict):
    values = [np.array([float(value)]) for value in (before, after, modulus, most)]
    assert counter_step(*values).tolist() == [verdict]


@pytest.mark.parametrize(
    ("energy", "volume", "difference", "wrong"),
    [
        (1150.0, 25.0, 40.0, False),
        (5138.89, 4307.1, 40.0, True),  # 1.0 K would fit this energy
        (413606.1, 1769.2, 40.0, True),  # 201 K would
        (100.0, 25.0, -3.0, True),  # heat from water that came out warmer
        (12.0, 25.0, 40.0, False),  # fewer than 20 steps of energy: nothing can be said
        (1150.0, 0.1, 40.0, False),  # fewer than 20 steps of volume
        (1150.0, 25.0, np.nan, False),
    ],
)
def test_energy_against_volume(energy, volume, difference, wrong):
    found = energy_contradicts_volume(
        np.array([energy]), np.array([volume]), np.array([difference]), np.array([1.0]), np.array([0.01])
    )
    assert found.tolist() == [wrong]
