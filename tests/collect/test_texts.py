"""Everything the collectors say exists in both languages, with the same blanks."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import avlas.collect
from avlas.collect import texts


def blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("text_id", texts.TEXTS)
def test_both_languages(text_id: str) -> None:
    text = texts.TEXTS[text_id]
    assert text.en != text.sv
    assert blanks(text.en) == blanks(text.sv)


def test_every_notice_has_its_text() -> None:
    folder = Path(avlas.collect.__file__).parent
    source = "".join(path.read_text() for path in folder.rglob("*.py"))
    used = set(re.findall(r'(?:Notice\(\s*"\w+",\s*|(?:BadFrame|SpecError|say)\(\s*)"(\w+)"', source))
    assert len(used) > 20
    assert used <= set(texts.TEXTS)
