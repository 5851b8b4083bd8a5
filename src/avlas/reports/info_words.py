"""Info codes in words, from the number that readings and events keep: gravest first, in the active language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from avlas.decode import families

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    said, explained, swedish = [], 0, _in_swedish()
    for bit in rule.bits:
        explained |= bit.mask
        if number & bit.mask == bit.value:
            text = bit.sv if swedish else bit.en
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


def every_code(names: Iterable[str]) -> dict[str, str]:
    """The codes that meters of the families ``names`` can report as active, and what they are called, by text."""
    swedish = _in_swedish()
    found = {
        bit.code: bit.sv if swedish else bit.en
        for name in sorted(set(names))
        if (known := families.named(name)) is not None
        for rule in known.info
        for bit in rule.bits
        if bit.source != "history"
    }
    return dict(sorted(found.items(), key=lambda item: item[1].casefold()))


def _in_swedish() -> bool:
    return (get_language() or "sv").startswith("sv")


def _rule(rules: Iterable[InfoRule], number: int) -> InfoRule | None:
    """The rule that explains most of the bits: long and short forms of a code agree where both speak."""

    def unexplained(rule: InfoRule) -> int:
        known = 0
        for bit in rule.bits:
            known |= bit.mask
        return (number & ~known).bit_count()

    return min(rules, key=unexplained, default=None)
