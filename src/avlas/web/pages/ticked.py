"""The rows somebody ticked in a list: on the page shown, and on other pages before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.http import QueryDict


def ticked(sent: QueryDict, name: str) -> list[int]:
    """The numbers of the rows ticked under ``name`` and of those in ``chosen``, each once.

    Whose rows they are must be tested.
    """
    texts = [*sent.getlist(name), *sent.get("chosen", "").split(",")]
    return list(
        dict.fromkeys(int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 19)
    )
