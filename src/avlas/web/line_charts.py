"""Several courses over one time, on a chart with one axis of figures or two: figures in, geometry out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from avlas.reports.calc.borders import STANDARD_TIME, months_later
from avlas.web import formats
from avlas.web.charts import nice_step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HOURS: Final = (1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 730, 1460, 2190, 4380, 8760)
_MOST_BANDS: Final = 800
_MONTH_HOURS: Final = 730


@dataclass(frozen=True, slots=True)
class Course:
    """What one line shows. ``on_right``: it belongs to the second axis. Points ascending; None breaks the line."""

    points: Sequence[tuple[datetime, float | None]]
    on_right: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across the paper; the figures at its left and right ends ("" for none)."""

    y: float
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Label:
    """A time under the paper."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Band:
    """A strip of the paper that tells its moment's figures."""

    x: float
    width: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Paper:
    """A chart ready to be drawn; ``lines``: beside the courses, each a list of polylines ("x,y x,y") and lone dots."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    ticks: tuple[Tick, ...]
    labels: tuple[Label, ...]
    lines: tuple[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], ...]
    bands: tuple[Band, ...]

    @property
    def plot_height(self) -> float:
        """From the top line to the bottom one."""
        return self.bottom - self.top

    @property
    def label_y(self) -> float:
        """Where the labels under the axis stand."""
        return self.bottom + 17

    @property
    def left_figure_x(self) -> float:
        """Where the left figures end."""
        return self.left - 8

    @property
    def right_figure_x(self) -> float:
        """Where the right figures begin."""
        return self.right + 8


@dataclass(frozen=True, slots=True)
class _Scale:
    """An axis from ``low`` in ``parts`` steps."""

    low: float
    step: float
    parts: int

    def share(self, value: float) -> float:
        return (value - self.low) / (self.step * self.parts)

    def figure(self, part: int) -> str:
        return formats.number(
            round(self.low + part * self.step, 9), max(0, -math.floor(math.log10(self.step) + 1e-9))
        )


def _scale(values: Sequence[float], parts: int) -> _Scale:
    """An axis of round figures in exactly ``parts`` parts that holds all values."""
    low, high = min(values), max(values)
    flat = max(abs(high), 1.0) * 0.02
    if high - low < flat:
        low, high = low - flat / 2, high + flat / 2
    if 0 <= low < (high - low) / 2:
        low = 0.0
    step = nice_step(high - low, parts)
    begin = math.floor(low / step + 1e-9) * step
    while begin + step * parts < high - 1e-9 * step:
        step = nice_step(step * 1.01, 1)
        begin = math.floor(low / step + 1e-9) * step
    return _Scale(begin, step, parts)


def draw(
    courses: Sequence[Course],
    start: datetime,
    end: datetime,
    width: int,
    height: int,
    *,
    step: timedelta | None,
    zone: tzinfo = STANDARD_TIME,
) -> Paper:
    """Lay out the courses from ``start`` to ``end``; days begin in ``zone``.

    ``step``: how long each value holds (None: single readings).
    """
    known = [
        [float(v) for course in courses if course.on_right is side for _, v in course.points if v is not None]
        for side in (False, True)
    ]
    has_right = bool(known[1])
    left, right, top, bottom = 58.0, width - (58.0 if has_right else 12.0), 18.0, height - 26.0
    parts = max(3, round((bottom - top) / 60))
    scales = [_scale(values or [0.0, 1.0], parts) for values in known]
    span = (end - start).total_seconds()
    half = step / 2 if step else timedelta(0)  # an interval's value stands in its middle

    def x_of(at: datetime) -> float:
        return round(left + ((at - start).total_seconds() / span) * (right - left), 2)

    lines = []
    for course in courses:
        scale = scales[course.on_right]
        pieces: list[list[str]] = [[]]
        for at, value in course.points:
            if value is None:
                pieces.append([])
                continue
            pieces[-1].append(
                f"{x_of(at + half)},{round(bottom - scale.share(float(value)) * (bottom - top), 2)}"
            )
        alone = [
            (piece[0].partition(",")[0], piece[0].partition(",")[2]) for piece in pieces if len(piece) == 1
        ]
        lines.append((tuple(" ".join(piece) for piece in pieces if len(piece) > 1), tuple(alone)))
    ticks = tuple(
        Tick(
            round(bottom - part / parts * (bottom - top), 2),
            scales[0].figure(part) if known[0] else "",
            scales[1].figure(part) if has_right else "",
        )
        for part in range(parts + 1)
    )
    labels = _labels(start.astimezone(zone), end, max(3, int((right - left) / 66)))
    placed = tuple(Label(x_of(at), text) for at, text in labels if start <= at <= end)
    return Paper(
        width,
        height,
        left,
        right,
        top,
        bottom,
        ticks,
        placed,
        tuple(lines),
        _bands(courses, x_of, half, right),
    )


def _bands(
    courses: Sequence[Course], x_of: Callable[[datetime], float], half: timedelta, right: float
) -> tuple[Band, ...]:
    moments = sorted({at for course in courses for at, _ in course.points})
    if len(moments) > _MOST_BANDS:
        return ()
    middles = [x_of(at + half) for at in moments]
    edges = [(one + other) / 2 for one, other in pairwise(middles)]
    first = [2 * middles[0] - edges[0] if edges else middles[0] - 8] if middles else []
    last = [min(right, 2 * middles[-1] - edges[-1] if edges else middles[-1] + 8)] if middles else []
    sides = [*first, *edges, *last]
    return tuple(
        Band(round(begin, 2), round(max(1.0, stop - begin), 2), at)
        for at, (begin, stop) in zip(moments, pairwise(sides), strict=True)
    )


def _labels(local: datetime, end: datetime, most: int) -> list[tuple[datetime, str]]:
    """Times at round hours, days or months, at most about so many."""
    hours = (end - local).total_seconds() / 3600
    step = next((one for one in _HOURS if hours / one <= most), _HOURS[-1])
    found = []
    if step >= _MONTH_HOURS:
        months = round(step / _MONTH_HOURS)
        at = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        while at <= end:
            found.append((at, f"{formats.short_month(at.date())} {at:%y}"))
            later = months_later(at, months)
            at = at.replace(year=later.year, month=later.month)
        return found
    at = local.replace(hour=0, minute=0, second=0, microsecond=0)
    while at <= end:
        day = f"{at.day} {formats.short_month(at.date())}"
        found.append((at, f"{at:%H:%M}" if step < 24 and at.hour else day))
        at += timedelta(hours=step)
    return found
