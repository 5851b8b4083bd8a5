"""The helper that reads PDFs finds what stands in them, and never quietly nothing."""

from __future__ import annotations

import pytest
import typst

from .pdf_text import words_of


def test_every_letter_is_found(tmp_path):
    lines = [
        "Åsa Öberg, Änggatan 3 (gårdshuset)",
        "office waffle affine fjord",
        r"C:\mätare <1 234,5 kWh> 100 %",
        "".join(map(chr, range(0xC0, 0x17F))),
        "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 .,;:!?'-+=()[]{}/&",
    ]
    source = tmp_path / "x.typ"
    quoted = (line.replace("\\", "\\\\") for line in lines)
    source.write_text(
        "#pagebreak()\n".join(f'#text(size: 6pt, hyphenate: false, "{one}")\n' for one in quoted)
    )
    found = words_of(typst.compile(source, format="pdf", ignore_system_fonts=True))
    assert found.splitlines() == lines


def test_what_can_not_be_read_is_refused():
    for odd in (b"", b"PK\x03\x04", b"%PDF-1.7\n1 0 obj\n<</Type/Catalog>>\nendobj\n"):
        with pytest.raises(ValueError, match="PDF"):
            words_of(odd)
