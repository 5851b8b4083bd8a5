"""How long codes were shown within the look-back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlas.reports.calc.recorded_time import LOOK_BACK_SECONDS, began_at, seconds_shown, step

HOUR, DAY = 3600, 86400


def test_each_code_counts_what_lies_within():
    changes = [(100, {"leak"}), (200, {"leak", "burst"}), (260, {"burst"}), (300, set())]
    assert seconds_shown(changes, 150, 1000) == {"leak": 110, "burst": 100}
    assert seconds_shown(changes, 0, 210) == {"leak": 110, "burst": 10}
    assert seconds_shown([], 0, 10) == {}
    assert seconds_shown([(100, {"leak"})], 200, 150) == {}  # last read before the look-back began


def test_since_when_without_a_break():
    changes = [(1, {"leak"}), (2, set()), (3, {"leak"}), (4, {"leak", "dry"}), (5, {"leak"})]
    assert began_at(changes, "leak") == 3
    assert began_at(changes, "dry") is None
    assert began_at([], "leak") is None


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, 0), (1, 1), (8 * HOUR, 1), (8 * HOUR + 1, 2), (DAY, 2), (3 * DAY, 3), (7 * DAY, 4), (14 * DAY, 5),
     (21 * DAY, 6), (21 * DAY + 1, 7), (30 * DAY, 7)],
)  # fmt: skip
def test_steps_as_the_water_meters_have_them(seconds, expected):
    assert step(seconds) == expected


@given(
    st.lists(
        st.tuples(st.integers(0, 2 * LOOK_BACK_SECONDS), st.frozensets(st.sampled_from("abc"))), max_size=12
    ),
    st.integers(0, LOOK_BACK_SECONDS),
    st.integers(0, LOOK_BACK_SECONDS),
)
def test_never_more_than_the_time_there_is_and_no_second_twice(changes, begin, length):
    changes.sort(key=lambda one: one[0])
    found = seconds_shown(changes, begin, begin + length)
    assert all(0 < seconds <= length for seconds in found.values())
    middle = begin + length // 2
    halves = [seconds_shown(changes, begin, middle), seconds_shown(changes, middle, begin + length)]
    assert found == {
        code: sum(half.get(code, 0) for half in halves) for code in set(halves[0]) | set(halves[1])
    }
