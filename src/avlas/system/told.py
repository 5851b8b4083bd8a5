"""Texts that are stored and shown later, each time in its reader's language: {"text", "values"}.

``text`` is an English message of the program, marked with gettext_noop where it stands; ``values`` fill its
blanks and may themselves be such texts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LONGEST: Final = 5000


def told(text: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A text with its values as it is stored: what JSON or PostgreSQL can't hold becomes text that they can."""
    return {"text": _storable(text), "values": {name: _storable(value) for name, value in values.items()}}


def _storable(value: Any) -> Any:
    if isinstance(value, bool | int | dict | None) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value).replace("\0", "\ufffd")[:_LONGEST]


def in_words(of: Mapping[str, Any], shown: Callable[[Any], Any] = lambda value: value) -> str:
    """The text in the active language, its values as ``shown`` gives them; "" when nothing is told.

    A text whose blanks are not those of its values is shown with its blanks rather than not at all.
    """
    english, values = of.get("text"), of.get("values")
    text = gettext(english) if english else ""
    if not values:
        return text
    filled = {
        name: in_words(value, shown) if isinstance(value, dict) else shown(value)
        for name, value in values.items()
    }
    try:
        return text % filled
    except (KeyError, TypeError, ValueError):
        return text
