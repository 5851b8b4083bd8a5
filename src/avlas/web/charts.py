"""Charts as plain geometry: figures in, rectangles or lines and ticks out. Drawn as SVG by a template.

Amounts are bars that stand on zero; means (temperatures, power) are a line, on an axis that shows their course.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal


_NOTHING: Final = 1e-9  # no register is finer; below it the axis would only show rounding


@dataclass(frozen=True, slots=True)
class Bar:
    """One interval to draw. ``label`` stands under the axis, ``title``, ``text`` and ``notes`` explain it."""

    label: str
    title: str
    text: str
    value: Decimal | float | None
    notes: tuple[str, ...] = ()
    sign: str = ""  # drawn above the bar
    tone: str = ""
    faint: bool = False  # not over yet, or estimated
    href: str = ""
    beside: Decimal | float | None = (
        None  # the same interval of another period, drawn in front of it and paler
    )


@dataclass(frozen=True, slots=True)
class Drawn:
    """A bar, or a point of a line (no height), with its place on the paper."""

    bar: Bar
    x: float
    y: float
    width: float
    height: float
    hit_x: float
    hit_width: float
    middle: float
    show_label: bool
    sign_y: float
    beside_x: float = 0.0
    beside_y: float = 0.0
    beside_width: float = 0.0
    beside_height: float = 0.0

    @property
    def x_end(self) -> float:
        """The right edge."""
        return round(self.x + self.width, 2)


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across the paper and the figure beside it."""

    y: float
    value: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart ready to be drawn; ``lines`` (points "x,y x,y") where it is no bar chart."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    base: float
    bars: tuple[Drawn, ...]
    ticks: tuple[Tick, ...]
    decimals: int  # of the ticks
    is_line: bool = False
    lines: tuple[str, ...] = ()
    beside_lines: tuple[str, ...] = ()

    @property
    def plot_height(self) -> float:
        """From the top line to the bottom one."""
        return self.bottom - self.top

    @property
    def figure_x(self) -> float:
        """Where the figures of the ticks end."""
        return self.left - 8

    @property
    def label_y(self) -> float:
        """Where the labels under the axis stand."""
        return self.bottom + 17


def nice_step(span: float, wanted: int) -> float:
    """A step of 1, 2 or 5 times a power of ten that divides ``span`` in about ``wanted`` parts."""
    rough = span / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


@dataclass(frozen=True, slots=True)
class _Axis:
    """The paper's edges and the axis of the figures."""

    left: float
    right: float
    top: float
    bottom: float
    low: float
    high: float
    step: float

    def place(self, value: float) -> float:
        """How far down the paper a figure stands."""
        return round(self.bottom - (value - self.low) * (self.bottom - self.top) / (self.high - self.low), 2)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """A tick at each whole step."""
        count = round((self.high - self.low) / self.step)
        return tuple(
            Tick(self.place(self.low + self.step * n), self.low + self.step * n) for n in range(count + 1)
        )

    @property
    def decimals(self) -> int:
        """How many the ticks need."""
        return max(0, -math.floor(math.log10(self.step) + 1e-9))


def _axis(low: float, high: float, width: int, height: int, left: float) -> _Axis:
    """An axis of round figures from ``low`` or below to ``high`` or above."""
    right, top, bottom = width - 6.0, 18.0, height - 26.0
    step = nice_step(high - low, max(2, round((bottom - top) / 48)))
    axis_low, axis_high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return _Axis(left, right, top, bottom, axis_low, axis_high, step)


def _figures(bars: Sequence[Bar]) -> list[float]:
    values = [value for bar in bars for value in (bar.value, bar.beside)]
    return [float(value) for value in values if value is not None and math.isfinite(value)]


def _labels_every(bars: Sequence[Bar], pitch: float) -> int:
    """Of how many labels one has room."""
    room = max((len(bar.label) for bar in bars), default=1) * 7.2 + 8
    return max(1, math.ceil(room / pitch))


def bar_chart(bars: Sequence[Bar], width: int, height: int, *, left: float = 58) -> Chart:
    """Lay out ``bars`` on a paper of ``width`` x ``height`` units; the axis always includes zero."""
    values = _figures(bars)
    high, low = max([*values, 0.0]), min([*values, 0.0])
    if high - low < _NOTHING:
        high, low = 1.0, 0.0
    axis = _axis(low, high, width, height, left)
    base = axis.place(0.0)
    pitch = (axis.right - left) / max(1, len(bars))
    thick = max(1.0, min(pitch * 0.72, 64.0))
    every = _labels_every(bars, pitch)
    paired = any(bar.beside is not None for bar in bars)
    slim = thick * 0.42 if paired else 0.0  # of the bar beside, which stands to the left
    drawn = []
    for number, bar in enumerate(bars):
        middle = left + pitch * (number + 0.5)
        y, tall = _height(axis, bar.value)
        beside_y, beside_tall = _height(axis, bar.beside)
        drawn.append(
            Drawn(
                bar,
                x=round(middle - thick / 2 + slim, 2),
                y=round(y, 2),
                width=round(thick - slim, 2),
                height=round(tall, 2),
                beside_x=round(middle - thick / 2, 2),
                beside_y=round(beside_y, 2),
                beside_width=round(slim, 2),
                beside_height=round(beside_tall, 2),
                hit_x=round(left + pitch * number, 2),
                hit_width=round(pitch, 2),
                middle=round(middle, 2),
                show_label=number % every == 0,
                sign_y=round(y - 5, 2),
            )
        )
    return Chart(
        width, height, left, axis.right, axis.top, axis.bottom, base, tuple(drawn), axis.ticks, axis.decimals
    )


def _height(axis: _Axis, value: Decimal | float | None) -> tuple[float, float]:
    """Top and height of a bar."""
    base = axis.place(0.0)
    known = 0.0 if value is None or not math.isfinite(value) else float(value)
    known = 0.0 if abs(known) < _NOTHING else known
    tall = abs(axis.place(known) - base)
    if known and tall < 1.5:  # too small to see is still something
        return (base - 1.5 if known > 0 else base), 1.5
    return min(axis.place(known), base), tall


def line_chart(points: Sequence[Bar], width: int, height: int, *, left: float = 58) -> Chart:
    """Lay out ``points`` as a line; it breaks where a figure is missing. The axis spans what the figures span."""
    values = _figures(points)
    low, high = min(values, default=0.0), max(values, default=1.0)
    flat = max(abs(high), 1.0) * 0.02  # a line that hardly moves is not blown up into mountains
    if high - low < flat:
        low, high = low - flat / 2, high + flat / 2
    if 0 <= low < (high - low) / 2:  # zero is near enough to be shown
        low = 0.0
    axis = _axis(low, high, width, height, left)
    pitch = (axis.right - left) / max(1, len(points))
    wide = min(pitch * 0.72, 64.0)
    every = _labels_every(points, pitch)
    drawn: list[Drawn] = []
    middles = [round(left + pitch * (number + 0.5), 2) for number in range(len(points))]
    for number, (point, middle) in enumerate(zip(points, middles, strict=True)):
        known = point.value is not None and math.isfinite(point.value)
        y = axis.place(float(point.value)) if known and point.value is not None else axis.bottom
        then = point.beside is not None and math.isfinite(point.beside)
        drawn.append(
            Drawn(
                point,
                x=round(middle - wide / 2, 2),
                y=y,
                width=round(wide, 2),
                height=0.0,
                hit_x=round(left + pitch * number, 2),
                hit_width=round(pitch, 2),
                middle=middle,
                show_label=number % every == 0,
                sign_y=round(y - 9, 2),
                beside_y=axis.place(float(point.beside))
                if then and point.beside is not None
                else axis.bottom,
            )
        )
    return Chart(
        width, height, left, axis.right, axis.top, axis.bottom, axis.bottom, tuple(drawn), axis.ticks,
        axis.decimals, is_line=True, lines=_courses(axis, middles, [point.value for point in points]),
        beside_lines=_courses(axis, middles, [point.beside for point in points]),
    )  # fmt: skip


def _courses(
    axis: _Axis, middles: Sequence[float], values: Sequence[Decimal | float | None]
) -> tuple[str, ...]:
    """The lines through the figures, one for each stretch without a gap."""
    lines: list[list[str]] = [[]]
    for middle, value in zip(middles, values, strict=True):
        if value is None or not math.isfinite(value):
            lines.append([])
        else:
            lines[-1].append(f"{middle},{axis.place(float(value))}")
    return tuple(" ".join(line) for line in lines if len(line) > 1)
