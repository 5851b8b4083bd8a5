"""From a layout and a period to a kept file."""

from __future__ import annotations

import itertools
import re
import tempfile
import uuid
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from django.utils import translation

from avlas.transfer import garbage
from avlas.transfer.exports import catalogue, excel
from avlas.transfer.exports.formatting import Formatter, zone_of
from avlas.transfer.exports.layout import EXCEL
from avlas.transfer.exports.receipt import Keeper, Receipt, ReceiptState
from avlas.transfer.exports.rows import Tally, blocks, chosen_meters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from avlas.system.models import User, Utility
    from avlas.transfer.exports.block import Block, Cell
    from avlas.transfer.exports.layout import Layout
    from avlas.transfer.exports.rows import CellOf
    from avlas.transfer.exports.template import ExportTemplate

_BLOCK: Final = 1 << 16
PREVIEW_ROWS: Final = 12
_PREVIEW_METERS: Final = 12


def new_receipt(
    template: ExportTemplate, start: datetime, end: datetime, *, by: User | None = None, key: str = ""
) -> Receipt:
    """The receipt of an export that is about to be made; the one there is already for ``key``."""
    before = Receipt.objects.filter(template=template, start_at=start, end_at=end)
    again = before.filter(state__in=[ReceiptState.SENT, ReceiptState.UNSURE]) | before.exclude(
        downloaded_at=None
    )
    receipt, _made = Receipt.objects.get_or_create(
        key=key or f"once/{uuid.uuid4()}",
        defaults={
            "utility_id": template.utility_id,
            "template": template,
            "template_name": template.name,
            "start_at": start,
            "end_at": end,
            "made_by": by,
            "again": again.exclude(key=key).exists(),
        },
    )
    return receipt


def make(
    receipt: Receipt,
    layout: Layout,
    cell_of: CellOf,
    said: Callable[[int, int], None] = lambda _done, _all: None,
) -> int:
    """Make the file of ``receipt`` and keep it; gives how many signs the encoding didn't have.

    ``said`` is told how many of how many meters are done, and may raise to stop. Raises Unwritable.
    """
    utility = receipt.utility
    meters = chosen_meters(utility, layout)
    keeper, tally, formatter = Keeper(receipt), Tally(), Formatter(layout)
    with translation.override(layout.language), garbage.program_left_out():
        headings = [catalogue.heading(one) for one in layout.columns]
        made = blocks(
            utility, layout, meters, receipt.start_at, receipt.end_at, cell_of, tally,
            lambda done: said(done, len(meters)),
        )  # fmt: skip
        if layout.kind == EXCEL:
            with tempfile.TemporaryFile() as file:
                excel.write(file, headings, _rows(made), formatter.zone, header=layout.header)
                _copy(file, keeper)
        else:
            keeper.write(formatter.header(headings))
            for block in made:
                keeper.write(formatter.block(block))
    receipt.size, receipt.sha256 = keeper.close()
    receipt.rows, receipt.tally = tally.rows, asdict(tally) | {"replaced": formatter.replaced}
    receipt.file_name = file_name(layout, receipt)
    receipt.state, receipt.borders = ReceiptState.MADE, layout.borders
    receipt.save(update_fields=["size", "sha256", "rows", "tally", "file_name", "state", "borders"])
    return formatter.replaced


def _rows(made: Iterable[Block]) -> Iterator[tuple[Cell, ...]]:
    return itertools.chain.from_iterable(block.rows() for block in made)


def _copy(file: IO[bytes], keeper: Keeper) -> None:
    file.seek(0)
    while block := file.read(_BLOCK):
        keeper.write(block)


def preview(
    utility: Utility, layout: Layout, start: datetime, end: datetime, cell_of: CellOf
) -> tuple[list[str], list[tuple[Cell, ...]]]:
    """The headings and first rows as they would be, of the first meters that have any."""
    found: list[tuple[Cell, ...]] = []
    meters = chosen_meters(utility, layout)
    with translation.override(layout.language):
        headings = [catalogue.heading(one) for one in layout.columns]
        for begin in range(0, len(meters), _PREVIEW_METERS):
            some = meters[begin : begin + _PREVIEW_METERS]
            wanted = PREVIEW_ROWS - len(found)
            found += itertools.islice(
                _rows(blocks(utility, layout, some, start, end, cell_of, Tally())), wanted
            )
            if len(found) >= PREVIEW_ROWS or begin >= 20 * _PREVIEW_METERS:
                break
    return headings, found


def written(layout: Layout, headings: Sequence[str], found: Sequence[Sequence[Cell]]) -> str:
    """A preview as the file's own text. Raises Unwritable."""
    formatter = Formatter(layout)
    encoding = layout.encoding
    return (formatter.header(headings) + b"".join(formatter.line(row) for row in found)).decode(encoding)


def file_name(layout: Layout, receipt: Receipt) -> str:
    """What the file is called, by the layout's pattern."""
    zone = zone_of(layout.borders)
    first = receipt.start_at.astimezone(zone)
    last = (receipt.end_at - timedelta(seconds=1)).astimezone(zone)
    blanks = {
        "name": receipt.template_name,
        "utility": receipt.utility.slug,
        "from": f"{first:%Y-%m-%d}",
        "to": f"{last:%Y-%m-%d}",
        "month": f"{first:%Y-%m}",
        "made": f"{datetime.now(UTC).astimezone(zone):%Y%m%d-%H%M%S}",
        "number": str(receipt.pk),
    }
    name = re.sub(r"\{(\w+)\}", lambda blank: blanks.get(blank[1], blank[0]), layout.file_name)
    name = re.sub(r"[/\\\x00-\x1f\x7f]", "_", name).strip().lstrip(".") or "export"
    path = Path(name)
    return f"{path.stem[:100]}{path.suffix[:20]}"
