"""A reading as other programs are told it, over the API, webhooks and MQTT: one form everywhere.

A value is told twice: ``value`` in the register's canonical ``unit``, and ``figure`` exactly as the meter's display
shows it, in ``figure_unit`` (None where that is not known). Moments are ISO 8601, UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from avlas.decode.registers import CODES
from avlas.meters import formats
from avlas.meters.models import Kind, Quality, Reading, Source
from avlas.reports.latest import as_read

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from avlas.reports.latest import Latest

REGISTERS: Final = tuple(code for code in CODES if code != "info_code")
KINDS: Final = {Kind.LIVE: "live", Kind.LOGGED: "logged", Kind.ENTERED: "entered"}


def moment(at: datetime) -> str:
    """A moment as programs read it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def marks(quality: int) -> list[str]:
    """The names of a reading's marks."""
    return [flag.name.lower() for flag in Quality if quality & flag and flag.name]


def value_told(one: Latest) -> dict[str, Any]:
    """A value in canonical unit and as the meter shows it."""
    return {
        "value": one.value,
        "unit": one.register.unit or one.unit,
        "figure": f"{one.figure:f}" if isinstance(one.figure, Decimal) else None,
        "figure_unit": one.unit,
    }


def reading_told(row: Reading, sent: dict[str, tuple[str, int]], codes: Sequence[str]) -> dict[str, Any]:
    """A reading with those of its registers that are asked for; ``sent``: its format (meters.formats.parse)."""
    at = row.heard_at if row.kind == Kind.LIVE else row.slot_at
    values = {}
    for code in codes:
        if (value := getattr(row, code)) is not None:
            values[code] = value_told(as_read(code, value, sent, at, row.kind, row.quality))
    return {
        "slot_at": moment(row.slot_at),
        "at": moment(at),
        "kind": KINDS[Kind(row.kind)],
        "source": Source(row.source).name.lower(),
        "quality": marks(row.quality),
        "info_code": row.info_code,  # type: ignore[attr-defined]  # columns are added in a loop
        "values": values,
    }


def readings_told(rows: Iterable[Reading], codes: Sequence[str] = REGISTERS) -> list[dict[str, Any]]:
    """Many readings; their formats are looked up once."""
    found = list(rows)
    texts = formats.specs({row.format_id for row in found})
    return [reading_told(row, formats.parse(texts.get(row.format_id, "{}")), codes) for row in found]
