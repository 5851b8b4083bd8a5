"""The manual's examples run as they are printed, against the running program, in both languages."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from avlas.meters.models import Exchange, ValveRequest

pytestmark = pytest.mark.one_database

DOCS = Path(__file__).resolve().parents[3] / "docs"


def blocks(language: str) -> list[str]:
    text = (DOCS / language / "api.md").read_text(encoding="utf-8")
    return [
        textwrap.dedent(found)
        for found in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


@pytest.fixture
def served(transactional_db, live_server, monkeypatch):
    """The world, served, and a token for everything."""
    from tests.web.api.conftest import program
    from tests.web.conftest import make_world

    world = make_world("Nordby", 11)
    Exchange.objects.all().delete()
    monkeypatch.setenv("SERVER", live_server.url)
    monkeypatch.setenv("TOKEN", program(world).token)
    return world


@pytest.mark.parametrize("language", ["en", "sv"])
def test_every_example_runs(served, language, capsys):
    names: dict[str, object] = {}
    found = blocks(language)
    assert len(found) >= 6
    for number, block in enumerate(found, 1):
        exec(compile(block, f"{language}/api.md, example {number}", "exec"), names)
    told = capsys.readouterr().out
    assert served.meters[0].serial in told
    assert "done" in told
    assert "'accepted': 1" in told
    assert ValveRequest.objects.filter(wish="connect", state="queued").exists()


def test_both_languages_show_the_same_code():
    def bare(block: str) -> str:
        return re.sub(r'\s*#.*$|""".*?"""', "", block, flags=re.MULTILINE)

    assert [bare(block) for block in blocks("en")] == [bare(block) for block in blocks("sv")]
