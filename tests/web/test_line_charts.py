"""Charts with one axis or two: everything lies on the paper, axes are round, lines break where nothing is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from avlas.web.line_charts import Course, draw

START = datetime(2026, 10, 1, 23, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hourly(values, *, on_right=False):
    return Course([(START + number * HOUR, value) for number, value in enumerate(values)], on_right)


def test_two_axes_share_their_lines_and_each_value_stands_in_the_middle_of_its_interval():
    paper = draw(
        [hourly([60.0, 70.0]), hourly([3.0, 5.0], on_right=True)],
        START,
        START + 2 * HOUR,
        400,
        200,
        step=HOUR,
    )
    assert all(tick.left and tick.right for tick in paper.ticks)
    (first,), _dots = paper.lines[0]
    xs = [float(point.partition(",")[0]) for point in first.split()]
    middle = (paper.left + paper.right) / 2
    assert xs[0] < middle < xs[1]
    assert abs((xs[0] + xs[1]) / 2 - middle) < 0.02


def test_a_line_breaks_at_a_gap_and_a_value_alone_is_a_dot():
    paper = draw([hourly([1.0, 2.0, None, 4.0, None])], START, START + 5 * HOUR, 400, 200, step=HOUR)
    pieces, dots = paper.lines[0]
    assert len(pieces) == 1
    assert len(dots) == 1
    assert len(paper.bands) == 5


@given(
    st.lists(st.one_of(st.none(), st.floats(-1e7, 1e7)), min_size=1, max_size=40),
    st.lists(st.floats(-1e3, 1e9), max_size=5),
    st.integers(1, 9000),
)
def test_everything_lies_on_the_paper(left, right, hours):
    end = START + max(hours, len(left), len(right)) * HOUR
    paper = draw([hourly(left), hourly(right, on_right=True)], START, end, 700, 300, step=HOUR)
    for pieces, dots in paper.lines:
        for x, y in [point.split(",") for piece in pieces for point in piece.split()] + list(dots):
            assert paper.left - 0.01 <= float(x) <= paper.right + 0.01
            assert paper.top - 0.01 <= float(y) <= paper.bottom + 0.01
    assert 0 < len(paper.labels) <= 20
    assert all(paper.left - 0.01 <= label.x <= paper.right + 0.01 for label in paper.labels)
