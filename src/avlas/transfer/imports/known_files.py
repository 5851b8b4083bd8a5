"""Files that need no mapping, because they say themselves what they hold: known by first bytes or headings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from avlas.meters.key_text import N_
from avlas.transfer import edifact
from avlas.transfer.imports import cells, fields, message_rows, own_exports, sheet, telegram_cell
from avlas.transfer.imports.errors import SheetError
from avlas.transfer.imports.models import ImportKind
from avlas.transfer.imports.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from avlas.system.models import Utility
    from avlas.transfer.imports.register_row import Fault

MSCONS: Final = "mscons"


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file that is no table. ``rows``: see ``message_rows.rows``; ``headings``: where a field is said."""

    rows: Callable[[bytes, datetime], Iterator[tuple[int, Any, list[Fault]]]]
    headings: Mapping[str, str]


FORMATS: Final[dict[str, Format]] = {MSCONS: Format(message_rows.rows, message_rows.HEADINGS)}
"""By ``Settings.format``; all of them hold readings."""


@dataclass(frozen=True, slots=True)
class Known:
    """A file that was recognised: as what, and how it is read. ``ready``: nothing is left for a person to choose."""

    name: str
    settings: Settings
    ready: bool = True


def recognised(data: bytes, kind: str, utility: Utility) -> Known | None:
    """Say how a file is read that somebody takes for one of ``kind``; None when it doesn't say so itself."""
    if edifact.looks_like(data):
        return Known(N_("MSCONS (EDIFACT)"), Settings(format=MSCONS))
    if telegram_cell.is_report(data):
        columns = [["C", "reading.at"], ["E", "reading.telegram"]]
        how = Settings(delimiter=";", heading_line=0, columns=columns, clock=cells.STANDARD)
        return Known(N_("Elvaco, report of M-Bus telegrams"), how, ready=False)
    if kind != ImportKind.READINGS:
        return None
    try:
        table = sheet.read(data, words=fields.words(fields.OF_KIND[kind]) | own_exports.words(utility))
    except SheetError:
        return None
    found = own_exports.recognised(table, utility, datetime.now(UTC))
    return None if found is None else Known(N_("an export of Avläs"), found)
