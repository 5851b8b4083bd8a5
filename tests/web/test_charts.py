from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlas.web.charts import Bar, bar_chart, line_chart, nice_step


def bars(*values):
    return [Bar(str(n), str(n), str(v), v) for n, v in enumerate(values, 1)]


@pytest.mark.parametrize(
    ("span", "wanted", "step"),
    [(100, 5, 20), (7, 5, 2), (0.9, 5, 0.2), (1, 10, 0.1), (4100, 4, 2000), (24, 5, 5)],
)
def test_steps_are_round_figures(span, wanted, step):
    assert nice_step(span, wanted) == pytest.approx(step)


def test_heights_are_in_proportion_and_stand_on_zero():
    chart = bar_chart(bars(10, 20, 40), 400, 200)
    heights = [drawn.height for drawn in chart.bars]
    assert heights[1] == pytest.approx(2 * heights[0], rel=0.02)
    assert heights[2] == pytest.approx(4 * heights[0], rel=0.02)
    assert all(drawn.y + drawn.height == pytest.approx(chart.base, abs=0.05) for drawn in chart.bars)
    assert chart.ticks[0].value == 0
    assert chart.ticks[-1].value >= 40


def test_negative_amounts_hang_below_zero():
    chart = bar_chart(bars(-5, 10), 400, 200)
    assert chart.bars[0].y == pytest.approx(chart.base, abs=0.05)
    assert chart.bars[1].y < chart.base
    assert chart.ticks[0].value <= -5


def test_missing_amounts_have_no_height_and_tiny_ones_can_be_seen():
    chart = bar_chart(bars(None, 0, 0.001, 1000), 400, 200)
    assert chart.bars[0].height == chart.bars[1].height == 0
    assert chart.bars[2].height >= 1.5


def test_labels_thin_out_when_there_is_no_room():
    chart = bar_chart(bars(*range(1, 32)), 300, 200)
    shown = [drawn for drawn in chart.bars if drawn.show_label]
    assert 3 < len(shown) < 31
    assert all(b.middle - a.middle > 14 for a, b in pairwise(shown))


@given(st.lists(st.none() | st.floats(-1e12, 1e12) | st.just(math.nan), max_size=40), st.integers(200, 1200))
def test_everything_stays_on_the_paper(values, width):
    chart = bar_chart(bars(*values), width, 240)
    assert 2 <= len(chart.ticks) <= 14
    for drawn in chart.bars:
        assert chart.left - 0.1 <= drawn.x
        assert drawn.x_end <= chart.right + 1.1
        assert chart.top - 2 <= drawn.y
        assert drawn.y + drawn.height <= chart.bottom + 2


def test_a_line_shows_the_course_of_the_figures_and_breaks_where_one_is_missing():
    chart = line_chart(bars(70.0, 72.0, None, 68.0, 71.0, None, 69.0), 400, 200)
    assert chart.is_line
    assert [len(line.split()) for line in chart.lines] == [2, 2]  # a lone point is a point, no line
    assert chart.lines[0].split()[0] == f"{chart.bars[0].middle},{chart.bars[0].y}"
    ys = [chart.bars[n].y for n in (3, 6, 0, 4, 1)]
    assert ys == sorted(ys, reverse=True)
    assert chart.ticks[0].value >= 60  # not flattened by a zero far away
    assert not bar_chart(bars(1, 2), 400, 200).is_line


def test_a_line_near_zero_shows_zero_and_a_steady_one_stays_flat():
    assert line_chart(bars(0.5, 3.0, 2.0), 400, 200).ticks[0].value == 0
    steady = line_chart(bars(70.0, 70.1, 70.0), 400, 200)
    ys = [drawn.y for drawn in steady.bars]
    assert max(ys) - min(ys) < 30


@given(st.lists(st.none() | st.floats(-1e12, 1e12) | st.just(math.nan), max_size=40), st.integers(200, 1200))
def test_every_line_stays_on_the_paper(values, width):
    chart = line_chart(bars(*values), width, 240)
    assert 2 <= len(chart.ticks) <= 14
    for drawn in chart.bars:
        assert chart.top - 0.1 <= drawn.y <= chart.bottom + 0.1
        assert chart.left <= drawn.middle <= chart.right


def test_two_periods_stand_side_by_side_on_one_axis():
    chart = bar_chart([Bar("1", "1", "10", 10, beside=40), Bar("2", "2", "20", 20)], 400, 200)
    first, second = chart.bars
    assert first.beside_height == pytest.approx(4 * first.height, rel=0.02)
    assert first.beside_x + first.beside_width == pytest.approx(first.x, abs=0.05)
    assert chart.ticks[-1].value >= 40
    assert second.beside_height == 0
    line = line_chart([Bar("1", "1", "10", 10, beside=40), Bar("2", "2", "20", 20, beside=30)], 400, 200)
    assert len(line.lines) == len(line.beside_lines) == 1
