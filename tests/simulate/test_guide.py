"""The manual's pages about the demo town say what the town is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from avlas.simulate import faults, guide
from avlas.simulate.town import Town

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("day", [datetime(2026, 11, 23, 9, tzinfo=UTC), datetime(2027, 7, 1, 22, tzinfo=UTC)])
def test_the_pages_tell_of_the_default_town_whatever_the_day(day: datetime) -> None:
    town = Town.build(now=day)
    for language in guide.LANGUAGES:
        written = (DOCS / language / "demo.md").read_text(encoding="utf-8")
        assert written == guide.page(town, language), "run: python -m avlas.simulate.guide docs"


def test_every_fault_is_told_in_both_languages() -> None:
    town = Town.build(now=datetime(2026, 11, 23, 9, tzinfo=UTC))
    assert {fault.code for fault in town.faults} == set(faults.TEXTS)
    for fault in town.faults:
        for language in guide.LANGUAGES:
            assert fault.name[language]
            assert "{" not in fault.sees[language]
            assert len(fault.sees[language]) > 40
