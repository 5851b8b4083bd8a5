"""The manual inside the program: every page in both languages, its links, and the help that belongs to each page."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from django.urls import get_resolver, reverse

from avlas.web import manual
from avlas.web.context import SECTIONS

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted((path.parent.name, path.stem) for path in DOCS.glob("*/*.md"))


@pytest.mark.parametrize(("language", "name"), PAGES)
def test_every_page_is_shown_and_its_links_lead_somewhere(language, name):
    page = manual.read(language, name)
    assert page.html.count("<h1") == 1
    for target in re.findall(r'href="([^"]+)"', page.html):
        if target.startswith("http"):
            continue
        path, _, fragment = unquote(target).partition("#")
        other = manual.read(language, path.rstrip("/").rpartition("/")[2]) if path else page
        assert other is not None, target
        assert not fragment or f'id="{fragment}"' in other.html, target


def test_the_contents_name_every_page():
    for language in ("sv", "en"):
        assert {name for name, _title in manual.contents(language)} == {
            name for of, name in PAGES if of == language
        }
    assert manual.contents("sv")[0] == ("index", "Avläs")


@pytest.mark.parametrize("name", ["nothing", "../sv/index", "..", "", "/etc/passwd", "index.md"])
def test_what_is_not_a_page_of_the_manual(name):
    assert manual.read("sv", name) is None


def test_every_help_page_exists_and_every_entry_has_one():
    for name in manual.HELPS:
        assert manual.read("sv", name), name
    named = {key for key in get_resolver("avlas.web.urls").reverse_dict if isinstance(key, str)}
    for name, beginnings in manual.HELPS.items():
        for beginning in beginnings:
            assert any(page.startswith(beginning) for page in named), (name, beginning)
    assert SECTIONS[0].entries[0].name == "home"
    assert manual.help_for("home") == "index"
    assert manual.help_for("") == "index"
    assert [manual.help_for(page) for page in ("meters", "meter", "meter_telegrams", "group_edit", "key_add")] == [
        "meters", "readings", "decode", "meters", "keys",
    ]  # fmt: skip


def test_text_that_looks_like_html_stays_text(tmp_path):
    (tmp_path / "x.md").write_text("# A <b>\n\n<script>alert(1)</script> [x](javascript:alert(1))\n")
    html = manual._rendered(tmp_path / "x.md", 0).html
    assert "<script" not in html
    assert 'href="javascript' not in html


def test_the_help_of_a_page_in_the_readers_language(north, sign_in):
    client = sign_in(north.superuser)
    address = reverse("help_page", args=["meters"])
    assert f'href="{address}"' in client.get(reverse("meters")).content.decode()
    assert 'id="hitta-en-mätare"' in client.get(address).content.decode()
    north.superuser.language = "en"
    north.superuser.save()
    assert 'id="find-a-meter"' in client.get(address).content.decode()
    assert client.get(reverse("help")).status_code == 200
    assert client.get(reverse("help_page", args=["nothing"])).status_code == 404


def test_found_where_pip_puts_it(tmp_path, monkeypatch):
    """Beside a package that does not lie in a checkout, through the list of files that pip keeps."""
    site = tmp_path / "lib" / "site-packages"
    (site / "avlas" / "web").mkdir(parents=True)
    (site / "avlas-0.1.0.dist-info").mkdir()
    (site / "avlas-0.1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: avlas\nVersion: 0.1.0\n"
    )
    (site / "avlas-0.1.0.dist-info" / "RECORD").write_text(
        "avlas/web/manual.py,,\n../../share/avlas/docs/en/index.md,,\n../../share/avlas/docs/sv/index.md,,\n"
    )
    docs = tmp_path / "share" / "avlas" / "docs"
    (docs / "sv").mkdir(parents=True)
    (docs / "sv" / "index.md").write_text("# Här\n")
    monkeypatch.setattr(manual, "__file__", str(site / "avlas" / "web" / "manual.py"))
    monkeypatch.syspath_prepend(str(site))
    manual.folder.cache_clear()
    try:
        assert manual.folder() == docs
        assert manual.read("sv", "index").title == "Här"
    finally:
        manual.folder.cache_clear()
