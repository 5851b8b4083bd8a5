"""The newest value of each register of a meter, as its display shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from avlas.decode.families import as_sent
from avlas.decode.registers import BY_CODE, REGISTERS, Register
from avlas.meters import formats
from avlas.meters.models import Kind, Quality, Reading

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

_LOOK_BACK = 60  # readings


@dataclass(frozen=True, slots=True)
class Latest:
    """A register's newest value: ``value`` canonical, ``figure`` and ``unit`` as the meter sends them."""

    register: Register
    value: float
    figure: Decimal | float
    unit: str
    decimals: int
    at: datetime
    kind: Kind
    quality: Quality


def latest(meter_id: int) -> list[Latest]:
    """Give the newest value of each register among the last readings, in the register table's order."""
    rows = list(
        Reading.objects.filter(meter_id=meter_id, kind__in=(Kind.LIVE, Kind.ENTERED))
        .exclude(quality__gte=int(Quality.VOIDED))
        .order_by("-slot_at")[:_LOOK_BACK]
    )
    texts = formats.specs({row.format_id for row in rows})
    found: dict[str, Latest] = {}
    for row in rows:
        sent = formats.parse(texts.get(row.format_id, "{}"))
        for code, register in BY_CODE.items():
            value = getattr(row, code)
            if value is None or code in found:
                continue
            unit, decimals = sent.get(code, (register.unit, register.decimals))
            figure = as_sent(value, unit, decimals) if code in sent else value
            at = row.heard_at if row.kind == Kind.LIVE else row.slot_at
            found[code] = Latest(
                register, value, figure, unit, decimals, at, Kind(row.kind), Quality(row.quality)
            )
    return [found[register.code] for register in REGISTERS if register.code in found]
