"""Bar charts as plain geometry: amounts in, rectangles and ticks out. Drawn as SVG by a template."""

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


@dataclass(frozen=True, slots=True)
class Drawn:
    """A bar with its place on the paper."""

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
    """A bar chart ready to be drawn."""

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


def bar_chart(bars: Sequence[Bar], width: int, height: int, *, left: float = 58) -> Chart:
    """Lay out ``bars`` on a paper of ``width`` x ``height`` units; the axis always includes zero."""
    right, top, bottom = width - 6.0, 18.0, height - 26.0
    values = [float(bar.value) for bar in bars if bar.value is not None and math.isfinite(bar.value)]
    high, low = max([*values, 0.0]), min([*values, 0.0])
    if high - low < _NOTHING:
        high, low = 1.0, 0.0
    step = nice_step(high - low, max(2, round((bottom - top) / 48)))
    axis_high = math.ceil(high / step - 1e-9) * step
    axis_low = math.floor(low / step + 1e-9) * step
    scale = (bottom - top) / (axis_high - axis_low)

    def place(value: float) -> float:
        return round(bottom - (value - axis_low) * scale, 2)

    base = place(0.0)
    pitch = (right - left) / max(1, len(bars))
    thick = max(1.0, min(pitch * 0.72, 64.0))
    room = max((len(bar.label) for bar in bars), default=1) * 7.2 + 8
    every = max(1, math.ceil(room / pitch))
    drawn = []
    for number, bar in enumerate(bars):
        middle = left + pitch * (number + 0.5)
        value = 0.0 if bar.value is None or not math.isfinite(bar.value) else float(bar.value)
        value = 0.0 if abs(value) < _NOTHING else value
        y = min(place(value), base)
        tall = abs(place(value) - base)
        if value and tall < 1.5:  # too small to see is still something
            tall, y = 1.5, base - 1.5 if value > 0 else base
        drawn.append(
            Drawn(
                bar,
                x=round(middle - thick / 2, 2),
                y=round(y, 2),
                width=round(thick, 2),
                height=round(tall, 2),
                hit_x=round(left + pitch * number, 2),
                hit_width=round(pitch, 2),
                middle=round(middle, 2),
                show_label=number % every == 0,
                sign_y=round(y - 5, 2),
            )
        )
    count = round((axis_high - axis_low) / step)
    ticks = tuple(Tick(place(axis_low + step * n), axis_low + step * n) for n in range(count + 1))
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return Chart(width, height, left, right, top, bottom, base, tuple(drawn), ticks, decimals)
