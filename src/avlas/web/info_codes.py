"""What the info codes of many meters say, now and in the last 30 days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.reports.calc import recorded_time
from avlas.reports.info_words import Said, in_words, joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.utils.functional import Promise

__all__ = ["Meaning", "Meanings", "Said", "in_words", "joined"]
_LASTED: Final[dict[int, Promise]] = {  # as the water meters' families say it
    1: gettext_lazy("1-8 hours"),
    2: gettext_lazy("9-24 hours"),
    3: gettext_lazy("2-3 days"),
    4: gettext_lazy("4-7 days"),
    5: gettext_lazy("8-14 days"),
    6: gettext_lazy("15-21 days"),
    7: gettext_lazy("more than 21 days"),
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one info code number says."""

    said: tuple[Said, ...]  # gravest first
    active: tuple[Said, ...]  # those that are so now
    shown: frozenset[str]  # their names
    gravity: int  # of the gravest that is so now; 0: none


class Meanings:
    """What the info codes of many meters say, each number looked into once, in the language active then."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int | None], Meaning] = {}

    def of(self, family: str, number: int | None) -> Meaning:
        """What ``number`` of a meter of ``family`` says."""
        found = self._found.get((family, number))
        if found is None:
            said = tuple(in_words(family, number))
            active = tuple(one for one in said if one.now)
            gravity = max((one.gravity for one in active), default=0)
            found = Meaning(said, active, frozenset(one.code for one in active), gravity)
            self._found[family, number] = found
        return found

    def met(self) -> dict[str, str]:
        """The names of all codes met so far as active ones, with their texts."""
        return {one.code: one.text for meaning in self._found.values() for one in meaning.active}

    def recorded(
        self, family: str, number: int | None, changes: Sequence[tuple[int, int]], begin: int, end: int
    ) -> list[Said]:
        """What was so at some time between ``begin`` and ``end`` (the last 30 days) and for how long, gravest first.

        A meter that remembers it by itself is believed; of others ``changes`` tell (seconds UTC and the info code from
        then on).
        """
        own = [one for one in self.of(family, number).said if not one.now]
        if own:
            return own
        numbers = {code for _at, code in changes}
        texts = {one.code: one for code in numbers for one in self.of(family, code).active}
        seconds = recorded_time.seconds_shown(
            [(at, self.of(family, code).shown) for at, code in changes], begin, end
        )
        template = _("%(what)s has been recorded for %(how_long)s within the last 30 days")
        found = []
        for one in sorted((texts[code] for code in seconds), key=lambda one: -one.gravity):
            how_long = _LASTED[recorded_time.step(seconds[one.code])]
            text = template % {"what": one.text, "how_long": how_long}
            found.append(Said(text, "accent", 1, False, one.code))
        return found
