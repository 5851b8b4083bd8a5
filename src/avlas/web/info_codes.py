"""Info codes of a meter in words, from the number that readings and events keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.decode import families
from avlas.reports.calc import recorded_time
from avlas.web import formats

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.utils.functional import Promise

    from avlas.decode.family_files import InfoRule

_TONES = {1: "accent", 2: "warn", 3: "bad"}
_WEIGHTS: Final = (  # among codes that a family calls equally severe: what a code's name holds, gravest first
    (90, ("burst",)),
    (80, ("leak", "smoke")),
    (
        70,
        (
            "sensor", "t1_", "t2_", "t3_", "temperature", "communication", "permanent_error", "pulse_figure",
            "air", "dry", "direction", "reverse",
        ),
    ),
    (50, ("battery", "supply")),
)  # fmt: skip
_OTHERS: Final = 40
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
class Said:
    """One info code as people read it."""

    text: str
    tone: str
    severity: int
    now: bool  # False: the meter remembers it from earlier days
    code: str = ""  # its name, the same in all languages

    @property
    def gravity(self) -> int:
        """The higher, the sooner somebody should see to it: the family's word first, then what kind of code it is."""
        weight = next((w for w, parts in _WEIGHTS if any(part in self.code for part in parts)), _OTHERS)
        return self.severity * 100 + weight


def in_words(family: str, number: int | None) -> list[Said]:
    """What the info code ``number`` of a meter of ``family`` (file stem) says, gravest first; [] for none."""
    if not number:
        return []
    known = families.named(family) if family else None
    rule = _rule(known.info, number) if known else None
    if rule is None:
        text = _("Error flags %(flags)s: unknown for this meter type") % {"flags": f"0x{number:X}"}
        return [Said(text, "warn", 2, True, f"flags_{number:x}")]
    said, explained = [], 0
    for bit in rule.bits:
        explained |= bit.mask
        if number & bit.mask == bit.value:
            text = bit.sv if formats.language() == "sv" else bit.en
            said.append(Said(text, _TONES[bit.severity], bit.severity, bit.source != "history", bit.code))
    said += [
        Said(_("Unknown info code, bit %(bit)d") % {"bit": bit}, "accent", 1, True, f"unknown_bit_{bit}")
        for bit in range(number.bit_length())
        if number >> bit & 1 and not explained >> bit & 1
    ]
    return sorted(said, key=lambda one: -one.gravity)


def joined(family: str, number: int | None) -> str:
    """All active codes in one line: "Burst; Leak"."""
    return "; ".join(said.text for said in in_words(family, number) if said.now)


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


def _rule(rules: Iterable[InfoRule], number: int) -> InfoRule | None:
    """The rule that explains most of the bits: long and short forms of a code agree where both speak."""

    def unexplained(rule: InfoRule) -> int:
        known = 0
        for bit in rule.bits:
            known |= bit.mask
        return (number & ~known).bit_count()

    return min(rules, key=unexplained, default=None)
