"""Rows in staging: the check lays them there, taking in takes them from there, in the file's order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from avlas.meters import model_rows
from avlas.transfer.imports.models import ImportRow, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.transfer.imports.models import Import
    from avlas.transfer.imports.register_plan import Judged


class Staged(NamedTuple):
    """A row that waits to be taken in."""

    id: int
    line: int
    record: dict[str, Any]


def lay(of: Import, rows: Sequence[Judged]) -> None:
    """Put rows into staging, each with what would become of it (caller's transaction)."""
    model_rows.insert(
        ImportRow,
        {
            "line": [row.line for row in rows],
            "verdict": [int(row.verdict) for row in rows],
            "record": [row.record.packed() for row in rows],
            "faults": [[fault.packed() for fault in row.faults] for row in rows],
            "effects": [row.effects for row in rows],
        },
        {"of_id": of.pk},
    )


def waiting(of: Import, after: int, count: int) -> list[Staged]:
    """The next rows that can be taken in, of lines after ``after``."""
    good = ImportRow.objects.filter(of=of, line__gt=after).exclude(verdict=Verdict.REFUSED)
    return [Staged(*row) for row in good.order_by("line").values_list("pk", "line", "record")[:count]]


def leave(of: Import, rows: Sequence[Staged], refused: Sequence[Judged]) -> None:
    """Remove rows that are taken in; those that can't be any more stay, refused (caller's transaction)."""
    ids = {row.line: row.id for row in rows}
    model_rows.change(
        ImportRow,
        [ids[one.line] for one in refused],
        {
            "verdict": [int(Verdict.REFUSED)] * len(refused),
            "faults": [[fault.packed() for fault in one.faults] for one in refused],
        },
    )
    lines = ImportRow.objects.filter(of=of, line__gte=rows[0].line, line__lte=rows[-1].line)
    lines.exclude(verdict=Verdict.REFUSED).delete()


def clear(of: Import) -> None:
    """Remove all rows, in short transactions."""
    while some := list(ImportRow.objects.filter(of=of).order_by("line").values_list("pk", flat=True)[:2000]):
        ImportRow.objects.filter(pk__in=some).delete()
