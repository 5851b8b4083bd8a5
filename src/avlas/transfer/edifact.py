"""The syntax of UN/EDIFACT interchanges (ISO 9735, versions 1 to 4): bytes become messages of segments. Pure.

An interchange is [UNA] UNB (UNH segments UNT)... UNZ; groups (UNG ... UNE) may lie around messages. A segment is a tag
and elements, an element has components. What stands in UNA says which signs part them; without it they are + : ' with
? before a sign that is text. Everything that the trailers count is counted: a file that is not whole is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from avlas.meters.key_text import N_
from avlas.transfer.imports.errors import SheetError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LATIN: Final = "iso8859-1"
CHARACTER_SETS: Final[dict[str, str]] = {
    "UNOA": _LATIN, "UNOB": _LATIN, "UNOC": _LATIN, "UNOD": "iso8859-2", "UNOE": "iso8859-5", "UNOF": "iso8859-7",
    "UNOG": "iso8859-3", "UNOH": "iso8859-4", "UNOI": "iso8859-6", "UNOJ": "iso8859-8", "UNOK": "iso8859-9",
    "UNOW": "utf-8", "UNOY": "utf-8",
}  # fmt: skip
"""Syntax identifier (0001) -> encoding. UNOA and UNOB are parts of ASCII; other letters are read as Latin-1."""
_SIGNS: Final = ":+.? '"
_HIDING_PLACES: Final = "\ufdd0\ufdd1\ufdd2\ufdd3"
"""Noncharacters (Unicode 23.7): no text that is exchanged holds them."""
_BEGINS: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:UNA.{6}\s*UNB|UNB\+UNO[A-Z])", re.DOTALL)


class EdifactError(SheetError):
    """The file is no sound interchange. ``values["segment"]`` is the segment's number in the file, from 1."""


@dataclass(frozen=True, slots=True)
class Signs:
    """The service characters (UNA): ``release`` makes the next one text; "" when there is none."""

    component: str = ":"
    element: str = "+"
    decimal: str = "."
    release: str = "?"
    end: str = "'"


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: ``number`` within the file (from 1, UNA not counted), its tag, its elements as components."""

    number: int
    tag: str
    elements: tuple[tuple[str, ...], ...]

    def get(self, element: int, component: int = 0) -> str:
        """A component by its places (from 0); "" for one that isn't there."""
        try:
            return self.elements[element][component]
        except IndexError:
            return ""


@dataclass(frozen=True, slots=True)
class Message:
    """What stands between UNH and UNT; its kind, version, release and association are "MSCONS", "D", "96A", "E2SE3"."""

    reference: str
    kind: str
    version: str
    release: str
    association: str
    segments: tuple[Segment, ...]
    head: Segment


@dataclass(frozen=True, slots=True)
class Interchange:
    """One interchange: who sent it to whom, its reference, whether it is only a test (0035), and its messages."""

    sender: str
    recipient: str
    reference: str
    test: bool
    decimal: str
    messages: tuple[Message, ...]


def looks_like(data: bytes) -> bool:
    """Whether a file begins as an interchange does."""
    return _BEGINS.match(data[:200]) is not None


def read(data: bytes) -> list[Interchange]:
    """Understand a file of one or more interchanges. Raises EdifactError."""
    if not looks_like(data):
        raise EdifactError(N_("This is no EDIFACT file: it doesn't begin with UNA or UNB."))
    text = _decoded(data)
    found, number = [], 0
    while text:
        signs, text = _signs(text)
        segments, text = _one_interchange(text, signs, number)
        number += len(segments)
        found.append(_interchange(segments, signs))
    return found


def _decoded(data: bytes) -> str:
    declared = re.search(rb"UNB.(UNO[A-Z])", data[:300], re.DOTALL)
    name = declared[1].decode("ascii") if declared else ""
    encoding = CHARACTER_SETS.get(name)
    if encoding is None:
        raise EdifactError(N_("The character set “%(name)s” is not known here."), name=name or "?")
    plain = data.removeprefix(b"\xef\xbb\xbf")
    if (
        encoding == _LATIN
    ):  # text in Latin-1 is hardly ever sound UTF-8, and some senders write UTF-8 whatever they say
        try:
            return plain.decode("utf-8").lstrip()
        except UnicodeDecodeError:
            return plain.decode(_LATIN).lstrip()
    try:
        return plain.decode(encoding).lstrip()
    except UnicodeDecodeError as problem:
        raise EdifactError(
            N_("At byte %(place)s there is something that the character set %(name)s doesn't have."),
            place=problem.start + 1,
            name=name,
        ) from None


def _signs(text: str) -> tuple[Signs, str]:
    """The service characters, and the text behind UNA."""
    if not text.startswith("UNA"):
        return Signs(), text
    chosen = text[3:9]
    signs = Signs(chosen[0], chosen[1], chosen[2], chosen[3].strip(), chosen[5])
    parting = [one for one in (signs.component, signs.element, signs.release, signs.end) if one]
    if len(chosen) < len(_SIGNS) or len(set(parting)) < len(parting) or any(one.isalnum() for one in parting):
        raise EdifactError(N_("“UNA%(signs)s” doesn't say which signs part the segments."), signs=chosen)
    return signs, text[9:].lstrip()


def _one_interchange(text: str, signs: Signs, before: int) -> tuple[list[Segment], str]:
    """The segments up to UNZ, and the text behind it; ``before``: how many segments the file had until here."""
    found: list[Segment] = []
    place = 0
    for raw, place in _raw_segments(text, signs, before):  # noqa: B007 - where it ended is needed below
        found.append(_segment(raw, signs, before + len(found) + 1))
        if found[-1].tag == "UNZ":
            break
    else:
        raise EdifactError(
            N_(
                "The file ends at segment %(segment)s without its end (UNZ). It is not whole: fetch it again."
            ),
            segment=before + len(found),
        )
    return found, text[place:].lstrip()


def _raw_segments(text: str, signs: Signs, before: int) -> Iterator[tuple[str, int]]:
    """Each segment's text without its end sign, and where the next begins."""
    end, release = re.escape(signs.end), re.escape(signs.release)
    body = rf"[^{release}{end}]*(?:{release}.[^{release}{end}]*)*" if release else rf"[^{end}]*"
    shape = re.compile(rf"({body}){end}", re.DOTALL)
    blank = re.compile(r"\s*")
    place, count = 0, before
    while (rest := blank.match(text, place)) and rest.end() < len(text):
        count += 1
        matched = shape.match(text, place)
        if matched is None:
            raise EdifactError(
                N_("The file ends in the middle of segment %(segment)s. It is not whole: fetch it again."),
                segment=count,
            )
        place = matched.end()
        yield matched[1], place


def _segment(raw: str, signs: Signs, number: int) -> Segment:
    """A segment's text in parts. Line ends are no part of it: some systems break lines anywhere."""
    text = raw.lstrip() if signs.end in "\r\n" else re.sub(r"[\r\n]+", "", raw).lstrip()
    if not signs.release or signs.release not in text:
        elements = [tuple(element.split(signs.component)) for element in text.split(signs.element)]
    else:
        elements = _released(text, signs)
    tag = elements[0][0]
    if re.fullmatch(r"[A-Z][A-Z0-9]{2}", tag, re.ASCII) is None:
        raise EdifactError(
            N_("Segment %(segment)s begins with “%(tag)s”, which is no name of a segment."),
            segment=number,
            tag=tag[:10],
        )
    return Segment(number, tag, tuple(elements[1:]))


def _released(text: str, signs: Signs) -> list[tuple[str, ...]]:
    """The elements of a segment with release characters: what they make text is hidden while the rest is parted."""
    meant = (
        signs.release,
        signs.component,
        signs.element,
        signs.end,
    )  # the release character first: ??+ is ? and +
    hidden = text
    for sign, place in zip(meant, _HIDING_PLACES, strict=True):
        hidden = hidden.replace(signs.release + sign, place)
    hidden = hidden.replace(signs.release, "")
    shown = str.maketrans(dict(zip(_HIDING_PLACES, meant, strict=True)))
    return [
        tuple(part.translate(shown) for part in element.split(signs.component))
        for element in hidden.split(signs.element)
    ]


def _interchange(segments: list[Segment], signs: Signs) -> Interchange:
    """What UNB to UNZ hold, everything counted."""
    head, end = segments[0], segments[-1]
    if head.tag != "UNB":
        _wrong(head, N_("Segment %(segment)s is %(tag)s where UNB must stand."))
    messages: list[Message] = []
    groups, place = 0, 1
    while place < len(segments) - 1:
        one = segments[place]
        if one.tag == "UNH":
            message = _message(segments, place)
            messages.append(message)
            place += len(message.segments) + 2
            continue
        if one.tag == "UNG":
            groups += 1
        elif one.tag != "UNE":
            _wrong(one, N_("Segment %(segment)s is %(tag)s where a message (UNH) must begin."))
        place += 1
    _same_number(end, end.get(0), groups or len(messages), N_(
        "The end of the file (segment %(segment)s, UNZ) counts %(said)s messages, %(there)s are there."))  # fmt: skip
    _same_text(end, end.get(1), head.get(4))
    return Interchange(
        sender=head.get(1), recipient=head.get(2), reference=head.get(4), test=head.get(10) == "1",
        decimal=signs.decimal, messages=tuple(messages),
    )  # fmt: skip


def _message(segments: list[Segment], first: int) -> Message:
    """The message that begins at ``first``."""
    head = segments[first]
    for place in range(first + 1, len(segments)):
        tag = segments[place].tag
        if tag == "UNT":
            break
        if tag in ("UNH", "UNE", "UNG", "UNZ"):
            _wrong(
                segments[place],
                N_("Segment %(segment)s is %(tag)s, but the message before has no end (UNT)."),
            )
    end = segments[place]
    _same_number(end, end.get(0), place - first + 1, N_(
        "The message's end (segment %(segment)s, UNT) counts %(said)s segments, %(there)s are there."))  # fmt: skip
    _same_text(end, end.get(1), head.get(0))
    return Message(
        reference=head.get(0), kind=head.get(1, 0), version=head.get(1, 1), release=head.get(1, 2),
        association=head.get(1, 4), segments=tuple(segments[first + 1 : place]), head=head,
    )  # fmt: skip


def _same_number(end: Segment, said: str, there: int, text: str) -> None:
    if not said.isdecimal() or int(said) != there:
        raise EdifactError(text, segment=end.number, said=said[:10] or "–", there=there)


def _same_text(end: Segment, said: str, wanted: str) -> None:
    if said != wanted:
        raise EdifactError(
            N_("Segment %(segment)s (%(tag)s) ends “%(said)s”, but “%(wanted)s” was begun."),
            segment=end.number, tag=end.tag, said=said[:40], wanted=wanted[:40],
        )  # fmt: skip


def _wrong(segment: Segment, text: str, **values: Any) -> None:
    raise EdifactError(text, segment=segment.number, tag=segment.tag, **values)
