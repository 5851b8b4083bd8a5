"""Another system's month: the file of an import as lines to be compared. Nothing of it is taken in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from avlas.meters.key_text import N_
from avlas.transfer.imports import fields, month_row, sheet
from avlas.transfer.imports.errors import SheetError
from avlas.transfer.imports.models import ImportKind
from avlas.transfer.imports.settings import Settings
from avlas.transfer.imports.work import content

if TYPE_CHECKING:
    from avlas.reports.calc.differences import Theirs
    from avlas.transfer.imports.models import Import
    from avlas.transfer.imports.register_row import Fault

MOST_LINES: Final = 200_000
"""It is read each time the page is asked for."""
USE, READING = "month.use", "month.reading"


def figures(one: Import) -> list[str]:
    """Which of USE and READING the file has columns for."""
    codes = {code for _heading, code in Settings.of(one.settings).columns}
    return [column for column in (USE, READING) if column in codes]


def lines(one: Import, column: str) -> tuple[list[Theirs], list[tuple[int, Fault]]]:
    """Give the file's lines with the figures of ``column``, and what is wrong with the others, by line number.

    Raises ImportProblem for a file that can't be read, ImportFile.DoesNotExist for one that is no longer kept.
    """
    settings = Settings.of(one.settings)
    table = sheet.read(content(one), settings.how, fields.words(fields.OF_KIND[ImportKind.MONTH]))
    rules = settings.rules(table, datetime.now(UTC))
    good, bad = [], []
    for count, line in enumerate(table.lines()):
        if count == MOST_LINES:
            raise SheetError(
                N_("The file has more than %(count)s lines. Export one month only."), count=MOST_LINES
            )
        row, faults = month_row.understand(line, rules, column)
        bad += [(line.number, fault) for fault in faults]
        if not faults:
            good.append(row)
    return good, bad
