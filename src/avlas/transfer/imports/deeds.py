"""What rows did, kept in parts that are each undone in one short transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from avlas.transfer.imports.models import ImportDeed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from avlas.transfer.imports.models import Import

_ROWS: Final = 250  # undoing takes a little longer than taking in


def keep(of: Import, lines: Sequence[int], done: Mapping[int, list[list[Any]]]) -> None:
    """Keep what the rows on ``lines`` did (caller's transaction); a row that did nothing is not in ``done``."""
    for begin in range(0, len(lines), _ROWS):
        some = lines[begin : begin + _ROWS]
        ImportDeed.objects.create(
            of=of, rows=len(some), done=[(line, done[line]) for line in some if line in done]
        )
