"""A telegram explained for a page: its bytes, and for each what it says, with the utility's own key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from avlas.decode import kmp, link
from avlas.decode import telegram as decode
from avlas.decode.errors import DecodeError
from avlas.decode.explain import explain, explain_error
from avlas.decode.kmp import explain as kmp_explain
from avlas.meters import keys, layouts
from avlas.web import formats

if TYPE_CHECKING:
    from avlas.decode.explain import Explanation


@dataclass(frozen=True, slots=True)
class Shown:
    """An explanation and the bytes it speaks about (decrypted where a key fitted)."""

    explanation: Explanation
    lines: list[tuple[int, list[tuple[int, str]]]]  # offset of each line, then offset and hex of each byte
    decoded: bool
    decrypted: bool
    security: str


def explained(
    utility_id: int,
    frame: bytes,
    *,
    wired: bool = False,
    key: bytes | None = None,
    form: str = "",
    by_hand: bool = False,
) -> Shown:
    """Explain ``frame`` with ``key``, or with the key the utility holds for its meter.

    ``form`` is the decoder's format or "kmp", an optical head's frame; given none it is "wired" or "a" (without
    link CRCs, as rows keep frames). ``by_hand``: a person pasted it; content in clear is then read even where the
    header announces encryption.
    """
    if form == "kmp":
        return _optical(frame)
    form = form or ("wired" if wired else "a")
    if key is None:
        key = _key_for(utility_id, frame, form)
    try:
        found = decode(frame, key, format=form, layouts=layouts.current(), accept_clear=by_hand)
    except DecodeError as problem:
        security = problem.header.security if problem.header else ""
        return Shown(explain_error(problem, frame, formats.language()), _lines(frame), False, False, security)
    encrypted = found.header.security != "none"
    return Shown(
        explain(found, formats.language()),
        _lines(found.plain),
        True,
        encrypted and key is not None,
        found.header.security,
    )


def _optical(frame: bytes) -> Shown:
    """A frame of an optical head, which needs no key."""
    try:
        found = kmp.decode(frame)
    except DecodeError as problem:
        told = kmp_explain.explain_error(problem, frame, formats.language())
        return Shown(told, _lines(frame), False, False, "")
    return Shown(kmp_explain.explain(found, formats.language()), _lines(found.plain), True, False, "none")


def _key_for(utility_id: int, frame: bytes, form: str) -> bytes | None:
    try:
        header = link.header(frame, form)
    except DecodeError:
        return None
    names = {(a.manufacturer, a.identification) for a in (header.address, header.link_address) if a}
    found = keys.keys_for(utility_id, names)
    return next((key for key in found.values() if key is not None), None)


def _lines(data: bytes, per_line: int = 16) -> list[tuple[int, list[tuple[int, str]]]]:
    return [
        (start, [(start + n, f"{byte:02X}") for n, byte in enumerate(data[start : start + per_line])])
        for start in range(0, len(data), per_line)
    ]
