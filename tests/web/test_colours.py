"""Words can be read on what they stand on: WCAG AA, 4.5 to 1, in light and in dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import avlas

CSS = (Path(avlas.__file__).parent / "web" / "static" / "avlas" / "base.css").read_text("utf-8")
LIGHT, DARK = ":root {", ':root[data-theme="dark"] {'
PAIRS = [
    *(("ink", ground) for ground in ("ground", "surface", "sunken", "good-soft", "warn-soft", "bad-soft", "accent-soft")),
    *(("muted", ground) for ground in ("ground", "surface", "sunken")),
    *((tone, ground) for tone in ("good", "warn", "bad") for ground in ("surface", f"{tone}-soft")),
    ("accent", "surface"), ("accent", "ground"), ("accent-strong", "accent-soft"), ("on-accent", "accent"),
    ("on-accent", "accent-strong"), ("surface", "ink"), ("surface", "bad"),
]  # fmt: skip


def colours(start: str) -> dict[str, str]:
    block = CSS[CSS.index(start) :]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block[: block.index("}")]))


def brightness(colour: str) -> float:
    parts = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((brightness(one), brightness(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize(("word", "ground"), PAIRS)
def test_contrast(theme, word, ground):
    known = colours(theme)
    assert contrast(known[word], known[ground]) >= 4.5


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_edges_of_fields_can_be_seen(theme):
    known = colours(theme)
    assert contrast(known["line-strong"], known["surface"]) >= 3


def test_dark_by_the_systems_wish_is_the_same_dark():
    wish = CSS[CSS.index("@media (prefers-color-scheme: dark)") :]
    block = wish[wish.index('data-theme="auto"') :]
    assert dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block[: block.index("}")])) == colours(DARK)
