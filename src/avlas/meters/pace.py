"""How many telegrams are handed to ingest at a time.

Nobody may hold the database for longer than half a second (DESIGN section 5, engines), and nobody can say beforehand
how long a batch will: it depends on the disk, on the database, and on how many telegrams are out of the ordinary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avlas.meters.ingest import IngestResult

_AIM_SECONDS = 0.25
_FIRST, _SMALLEST, _LARGEST = 500, 20, 5_000  # even telegrams one by one take no second at the largest


class Pace:
    """The size of the next batch, by how long the last one's transaction lasted."""

    def __init__(self) -> None:
        self.size = _FIRST

    def note(self, count: int, result: IngestResult) -> None:
        """Take note of what became of ``count`` telegrams."""
        fitting = int(count * _AIM_SECONDS / max(result.held_seconds, 1e-6))
        # a small batch that was quick says little about how large one may be
        if count >= self.size or result.held_seconds > _AIM_SECONDS:
            self.size = max(_SMALLEST, min(fitting, 2 * self.size, _LARGEST))
