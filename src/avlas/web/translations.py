"""The Swedish texts: finding every message in the program, and compiling them without GNU gettext.

    python -m avlas.web.translations          bring the Swedish file up to date and compile it
    python -m avlas.web.translations --check  only say what is missing; exit status 1 if anything is

English is written in the program itself. New messages stand in the .po file with an empty translation until
somebody writes one.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation import template as django_template

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE: Final = Path(__file__).resolve().parent.parent
PO: Final = PACKAGE / "web" / "locale" / "sv" / "LC_MESSAGES" / "django.po"
MO: Final = PO.with_suffix(".mo")
_KEYWORDS: Final = {
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "_": None,
    "N_": None,
}
_HEADER: Final = "# The Swedish texts of Avläs. English stands in the program; see avlas.web.translations.\n#"


def messages() -> Iterator[tuple[str, int, str | tuple[str, ...], str | None]]:
    """Every message of the program: file below the package, line, text (or singular and plural), context."""
    for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.html"), *PACKAGE.rglob("*.txt")]):
        text = path.read_text("utf-8")
        if path.suffix != ".py":
            text = _as_python(text, path)
        place = path.relative_to(PACKAGE).as_posix()
        found = extract("python", io.BytesIO(text.encode()), _KEYWORDS, options={"encoding": "utf-8"})
        for line, message, _comments, context in found:
            yield place, line, message, context


_CALL: Final = re.compile(
    r"""\b(?:gettext|ngettext|pgettext|npgettext|_)\((?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^()'"])*\)"""
)


def _as_python(text: str, path: Path) -> str:
    """A template's messages as calls of gettext, one a line."""
    return "\n".join(_CALL.findall(django_template.templatize(text, origin=str(path))))


def catalog() -> Catalog:
    """All messages, with the Swedish texts there are."""
    made = Catalog(locale="sv", domain="django", fuzzy=False)
    for place, _line, text, context in messages():
        if text not in {"", ("", "")}:
            made.add(text, locations=[(place, 0)], context=context, flags=_flags(text))
    kept = stored()
    for message in made:
        if message.id and (old := kept.get(message.id, message.context)) is not None:
            message.string = old.string
    return made


def _flags(text: str | tuple[str, ...]) -> list[str]:
    parts = text if isinstance(text, tuple) else (text,)
    return ["python-format"] if any(re.search(r"%\(\w+\)[sd]", part) for part in parts) else []


def stored() -> Catalog:
    """The Swedish file as it is."""
    if not PO.exists():
        return Catalog(locale="sv")
    with PO.open("rb") as file:
        return read_po(file, locale="sv", domain="django")


def missing(of: Catalog) -> list[str]:
    """The messages without a Swedish text, or with one whose blanks differ from the English."""
    found = []
    for message in of:
        if not message.id:
            continue
        english, swedish = _texts(message.id), _texts(message.string)
        whole = not message.fuzzy and all(swedish) and len(swedish) == len(english)
        if not whole or any(_blanks(text) != _blanks(english[-1]) for text in swedish):
            found.append(english[0])
    return found


def _texts(of: object) -> list[str]:
    """A message's text, or its singular and plural."""
    return [str(part or "") for part in of] if isinstance(of, (tuple, list)) else [str(of or "")]


def _blanks(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)[sd]|%[sd]", text))


def po_bytes(of: Catalog) -> bytes:
    """The .po file of a catalogue; the same for the same messages."""
    out = io.BytesIO()
    write_po(out, of, width=100, sort_by_file=False, omit_header=True, include_lineno=False, sort_output=True)
    return (
        _HEADER + '\nmsgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n"Language: sv\\n"\n'
        '"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
    ).encode() + out.getvalue()


def mo_bytes(of: Catalog) -> bytes:
    """The compiled .mo file of a catalogue; the same for the same texts."""
    out = io.BytesIO()
    timeless = _Timeless(locale="sv")
    for message in of:
        if message.id:
            timeless.add(message.id, message.string, context=message.context)
    write_mo(out, timeless)
    return out.getvalue()


class _Timeless(Catalog):
    """A catalogue whose head tells no dates and no program's version."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        return [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Language", "sv"),
            ("Plural-Forms", self.plural_forms),
        ]


def main(arguments: list[str]) -> int:
    """Bring the files up to date, or only check them."""
    now = catalog()
    lacking = missing(now)
    if "--check" not in arguments:
        PO.parent.mkdir(parents=True, exist_ok=True)
        PO.write_bytes(po_bytes(now))
        MO.write_bytes(mo_bytes(stored()))
    for text in lacking:
        print(f"no Swedish text: {text!r}")  # noqa: T201
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
