"""The words of a PDF: its pages' text runs, their glyphs turned into letters by the fonts' ToUnicode tables (PDF 9.10).

For PDFs as typst makes them: an object is not inside another, streams are deflated, fonts are Identity-H (two bytes a
glyph). Anything else raises ``ValueError``, so that a test never searches in nothing.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_OBJECT: Final = re.compile(rb"(?:^|[\r\n])(\d+) 0 obj\s*(.*?)(?:\bstream\r?\n|\bendobj\b)", re.DOTALL)
_LENGTH: Final = re.compile(rb"/Length (\d+)")
_FONT: Final = re.compile(rb"/(\w+) (\d+) 0 R")
_MAPPED: Final = re.compile(r"<([0-9A-Fa-f]{4})>\s*<([0-9A-Fa-f]+)>")
_TOKEN: Final = re.compile(
    rb"/\w+\s*<<.*?>>\s*BDC"  # the properties of a marked part, which are no text
    rb"|/(?P<font>\w+)\s+[\d.+-]+\s+Tf\b"
    rb"|\((?P<text>(?:\\.|[^\\()])*)\)|<(?P<hex>[0-9A-Fa-f\s]+)>(?!>)|(?P<end>\bET\b)",
    re.DOTALL,
)
_ESCAPED: Final = re.compile(rb"\\([0-7]{1,3}|\r\n|.)", re.DOTALL)
_ESCAPES: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"\n": b"", b"\r\n": b""}

Letters = dict[int, str]


def words_of(pdf: bytes) -> str:
    """Every text run of every page on a line of its own. Raises ValueError for what is no such PDF."""
    if not pdf.startswith(b"%PDF-"):
        raise ValueError("this is no PDF")
    objects = dict(_objects(pdf))
    pages = [head for head, _body in objects.values() if re.search(rb"/Type\s*/Page\b", head)]
    if not pages:
        raise ValueError("the PDF has no pages")
    return "\n".join(run for page in pages for run in _runs(page, objects))


def _objects(pdf: bytes) -> Iterator[tuple[int, tuple[bytes, bytes]]]:
    """Each object's number, its dictionary and its stream."""
    at = 0
    while found := _OBJECT.search(pdf, at):
        number, head, at = int(found[1]), found[2], found.end()
        body = b""
        if found[0].rstrip().endswith(b"stream"):
            length = _LENGTH.search(head)
            if length is None:
                raise ValueError(f"object {number} has a stream of unknown length")
            body = pdf[at : at + int(length[1])]
            at += int(length[1])
            if b"/FlateDecode" in head:
                body = zlib.decompress(body)
        yield number, (head, body)


def _refers(head: bytes, name: bytes) -> int:
    found = re.search(rb"/" + name + rb"\s+(\d+) 0 R", head)
    if found is None:
        raise ValueError(f"a page without {name.decode()}")
    return int(found[1])


def _runs(page: bytes, objects: dict[int, tuple[bytes, bytes]]) -> Iterator[str]:
    resources = objects[_refers(page, b"Resources")][0]
    fonts = re.search(rb"/Font\s*<<(.*?)>>", resources, re.DOTALL)
    letters = {
        name: _letters(objects[_refers(objects[int(number)][0], b"ToUnicode")][1].decode())
        for name, number in (_FONT.findall(fonts[1]) if fonts else ())
    }
    font: Letters = {}
    run: list[str] = []
    for token in _TOKEN.finditer(objects[_refers(page, b"Contents")][1]):
        if token["font"]:
            font = letters[token["font"]]
        elif token["end"]:
            yield "".join(run)
            run = []
        elif token["text"] or token["hex"]:
            glyphs = bytes.fromhex(token["hex"].decode()) if token["hex"] else _unescaped(token["text"])
            run += (font[int.from_bytes(glyphs[at : at + 2], "big")] for at in range(0, len(glyphs), 2))


def _letters(table: str) -> Letters:
    """Which letters each glyph stands for; a ligature for several."""
    if "beginbfrange" in table:
        raise ValueError("a font's table has ranges")
    return {int(glyph, 16): bytes.fromhex(text).decode("utf-16-be") for glyph, text in _MAPPED.findall(table)}


def _unescaped(text: bytes) -> bytes:
    def plain(found: re.Match[bytes]) -> bytes:
        if found[1][:1] in b"01234567":
            return bytes([int(found[1], 8) & 255])
        return _ESCAPES.get(found[1], found[1])

    return _ESCAPED.sub(plain, text)
