"""A utility, and a file handed in for it."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from avlas.system.models import User, Utility
    from avlas.transfer.imports.models import Import


@dataclass
class Clerk:
    """Somebody who hands in files and says which column is what."""

    utility: Utility
    user: User

    def hands_in(self, data: bytes, kind: str = "register", **settings: Any) -> Import:
        """A file with its columns guessed from the headings, waiting to be checked."""
        from avlas.transfer.imports import fields, sheet
        from avlas.transfer.imports.models import Import, ImportFile
        from avlas.transfer.imports.settings import Settings

        of_kind = fields.OF_KIND[kind]
        table = sheet.read(data, words=fields.words(of_kind))
        guessed = fields.guess(table.headings, of_kind)
        columns = [[heading, code] for heading, code in zip(table.headings, guessed, strict=True) if code]
        made = Import.objects.create(
            utility=self.utility, by=self.user, kind=kind, name="kunder.csv", size=len(data),
            sha256=hashlib.sha256(data).hexdigest(), status="check",
            settings=Settings(**{"columns": columns, "since": "2026-01-01"} | settings).packed(),
        )  # fmt: skip
        ImportFile.objects.create(of=made, packed=zlib.compress(data))
        return made

    def checks(self, text: str, **settings: Any) -> Import:
        """A table written as here, checked."""
        return self.works(self.hands_in(text.encode(), **settings))

    def works(self, one: Import, status: str = "", **values: Any) -> Import:
        """The worker does what the import waits for (``status``: what it is told to do)."""
        from avlas.transfer.imports import work

        if status:
            one.status = status
            for name, value in values.items():
                setattr(one, name, value)
            one.save()
        work.do(one)
        one.refresh_from_db()
        return one

    def takes_in(self, text: str, **settings: Any) -> Import:
        """A table, checked and taken in whole."""
        one = self.checks(text, **settings)
        assert not one.counts.get("refused"), reasons(one)
        return self.works(one, "take_in")


def reasons(one: Import) -> list[tuple[int, str, str, str]]:
    """Line, column, value and reason of everything refused."""
    from avlas.system.told import in_words

    return [
        (row.line, fault["column"], fault["value"], in_words(fault))
        for row in one.rows.filter(verdict=4).order_by("line")
        for fault in row.faults
    ]


@pytest.fixture
def clerk(db: None) -> Clerk:
    from avlas.system.models import User, Utility

    utility = Utility.objects.create(name="Nordby Energi", slug="nordby")
    return Clerk(
        utility, User.objects.create_user("a@nordby.example", "x" * 20, utility=utility, role="superuser")
    )


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    """What ingest keeps in memory belongs to the database of one test."""
    from avlas.meters import formats, layouts
    from avlas.meters.directory import Directory

    for forget in (Directory.forget, formats.forget, layouts.forget):
        forget()
