"""Info codes of a meter in words, from the number that readings and events keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from avlas.decode import families
from avlas.web import formats

if TYPE_CHECKING:
    from collections.abc import Iterable

    from avlas.decode.family_files import InfoRule

_TONES = {1: "accent", 2: "warn", 3: "bad"}


@dataclass(frozen=True, slots=True)
class Said:
    """One info code as people read it."""

    text: str
    tone: str
    severity: int
    now: bool  # False: the meter remembers it from earlier days


def in_words(family: str, number: int | None) -> list[Said]:
    """What the info code ``number`` of a meter of ``family`` (file stem) says, gravest first; [] for none."""
    if not number:
        return []
    known = families.named(family) if family else None
    rule = _rule(known.info, number) if known else None
    if rule is None:
        return [
            Said(
                _("Error flags %(flags)s: unknown for this meter type") % {"flags": f"0x{number:X}"},
                "warn",
                2,
                True,
            )
        ]
    said, explained = [], 0
    for bit in rule.bits:
        explained |= bit.mask
        if number & bit.mask == bit.value:
            text = bit.sv if formats.language() == "sv" else bit.en
            said.append(Said(text, _TONES[bit.severity], bit.severity, bit.source != "history"))
    said += [
        Said(_("Unknown info code, bit %(bit)d") % {"bit": bit}, "accent", 1, True)
        for bit in range(number.bit_length())
        if number >> bit & 1 and not explained >> bit & 1
    ]
    return sorted(said, key=lambda one: -one.severity)


def joined(family: str, number: int | None) -> str:
    """All active codes in one line: "Burst; Leak"."""
    return "; ".join(said.text for said in in_words(family, number) if said.now)


def _rule(rules: Iterable[InfoRule], number: int) -> InfoRule | None:
    """The rule that explains most of the bits: long and short forms of a code agree where both speak."""

    def unexplained(rule: InfoRule) -> int:
        known = 0
        for bit in rule.bits:
            known |= bit.mask
        return (number & ~known).bit_count()

    return min(rules, key=unexplained, default=None)
