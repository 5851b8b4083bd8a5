"""What commands share: the language of the person at the terminal, and which utility is meant."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from avlas.system.models import Utility


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


def chosen_utility(name: str | None) -> Utility | None:
    """The utility of this name or short name, or the only one; None after saying what is wrong (Django is set up)."""
    from django.db.models import Q

    from avlas.system.models import Utility

    named = Utility.objects.filter(Q(slug__iexact=name) | Q(name__iexact=name)) if name else Utility.objects
    found = list(named.order_by("pk")[:2])
    if len(found) == 1:
        return found[0]
    names = ", ".join(Utility.objects.order_by("slug").values_list("slug", flat=True))
    wrong = (
        text(f"Choose the utility with --utility: {names}", f"Välj energibolag med --utility: {names}")
        if names
        else text(
            "There is no utility yet; make one with: avlas createadmin",
            "Det finns inget energibolag ännu; skapa ett med: avlas createadmin",
        )
    )
    print(wrong, file=sys.stderr)  # noqa: T201 - it speaks for a command
    return None
