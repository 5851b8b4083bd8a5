"""What fits into a text message (SMS), and phone numbers: pure, without a network.

A message is sent in parts. One part holds 160 characters of the GSM alphabet (3GPP TS 23.038, 6.2.1; some of them
count as two) or 70 of UTF-16 as soon as one character is not of that alphabet; a part of a longer message holds 153
or 67 (TS 23.040, 9.2.3.24.1: six octets tell which part it is). Å, ä and ö are of the alphabet; a dash is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("\f^{}\\[~]|€")  # an escape and a character: two, never in two parts
_PLAIN: Final = str.maketrans(
    {
        "\u00a0": " ", "\u202f": " ", "\t": " ", "–": "-", "—": "-", "−": "-", "·": "-", "•": "-", "…": "...",
        "“": '"', "”": '"', "„": '"', "’": "'", "‘": "'", "`": "'", "´": "'", "²": "2", "³": "3", "°": " ", "×": "x",
    }
)  # fmt: skip
_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_SEPARATORS: Final = re.compile(r"[\s./()\u00a0\u2010-\u2015-]")


class BadNumber(ValueError):  # noqa: N818 - the domain's word
    """Not a phone number in international form."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much a text takes."""

    parts: int
    units: int  # characters as they are counted
    odd: tuple[str, ...]  # the characters that are not of the GSM alphabet


def size(text: str) -> Size:
    """What a text takes as a message; none has fewer than one part."""
    odd = tuple(dict.fromkeys(sign for sign in text if sign not in _BASIC and sign not in _EXTENDED))
    if odd:
        widths = [2 if ord(sign) > 0xFFFF else 1 for sign in text]
        return Size(_parts(widths, 70, 67), sum(widths), odd)
    widths = [2 if sign in _EXTENDED else 1 for sign in text]
    return Size(_parts(widths, 160, 153), sum(widths), ())


def _parts(widths: list[int], alone: int, together: int) -> int:
    if sum(widths) <= alone:
        return 1
    parts, room = 1, together
    for width in widths:
        if width > room:
            parts, room = parts + 1, together
        room -= width
    return parts


def plain(text: str) -> str:
    """The text with GSM signs for dashes, quotes, hard spaces and the like: a single one costs half of the room."""
    return text.translate(_PLAIN)


def shortened(text: str, most_parts: int) -> str:
    """The text, cut with "..." when it takes more than so many parts."""
    if size(text).parts <= most_parts:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if size(text[:middle].rstrip() + "...").parts <= most_parts:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "..."


def number(written: str, country_code: str = "") -> str:
    """A phone number as services take it, "+46701234567" (ITU-T E.164), from "+46 (0)70-123 45 67" or "0046 70 ...".

    ``country_code``: of numbers written "070-123 45 67"; without it those are refused. Raises BadNumber.
    """
    digits = _SEPARATORS.sub("", written.strip().replace("(0)", ""))
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    elif digits.startswith("0") and country_code:
        digits = f"+{country_code}{digits[1:]}"
    if not _NUMBER.fullmatch(digits):
        raise BadNumber(written)
    return digits
