"""What commands share: the language of the person at the terminal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


def language() -> str:
    """The language the environment asks for: "sv", else "en"."""
    wanted = ("AVLAS_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
    chosen = next((os.environ[name] for name in wanted if os.environ.get(name)), "en")
    return "sv" if chosen.lower().startswith("sv") else "en"


def text(english: str, swedish: str) -> str:
    """The sentence in the language that the environment asks for."""
    return swedish if language() == "sv" else english


def terminal_language() -> AbstractContextManager[None]:
    """A context in which Django's texts are in the language the environment asks for."""
    from django.utils import translation  # here, so that commands without Django stay quick

    return translation.override(language())
