"""Why a message could not be sent."""

from __future__ import annotations

from typing import Any


class NotSent(Exception):  # noqa: N818 - a state, named as people say it
    """The message did not arrive. ``text`` is an English message of the program, ``values`` fill its blanks.

    ``for_good``: trying again would not help. ``unsure``: it was handed over, and no answer came.
    """

    def __init__(self, text: str, *, for_good: bool = False, unsure: bool = False, **values: Any) -> None:
        super().__init__(text % values if values else text)
        self.text, self.values = text, values
        self.for_good, self.unsure = for_good, unsure


class ClaimLost(Exception):  # noqa: N818
    """Another worker has taken the message over; nothing of it was handed over here."""
