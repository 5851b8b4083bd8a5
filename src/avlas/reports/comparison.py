"""Registers of one meter or of many, side by side over a period: per hour, day or month, or every reading there is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from django.db import connection

from avlas.decode.registers import BY_CODE, REGISTERS, Aggregate
from avlas.meters import formats
from avlas.meters.models import Kind, Quality
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.reports.consumption import consumption, spans_of_meter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo
    from decimal import Decimal

    from avlas.reports.calc.borders import Unit

Step = Literal["reading", "hour", "day", "month"]
MOST_READINGS: Final = 5000
"""Of one line; a period with more is shown per hour."""
_SENSOR_ERROR_OR_VOIDED: Final = int(Quality.SENSOR_ERROR | Quality.VOIDED)


@dataclass(frozen=True, slots=True)
class Line:
    """One register of one meter: its values by moment (aware), in ``unit``, with the decimals they deserve.

    Counters give what was used in the interval that begins at the moment, momentary values their mean; for single
    readings it is what the register showed.
    """

    meter_id: int
    register: str
    unit: str
    decimals: int
    values: dict[datetime, Decimal | float]
    cut: bool = False  # there were more readings than MOST_READINGS


def comparable() -> list[str]:
    """The registers that can be compared."""
    return [register.code for register in REGISTERS if register.aggregate is not Aggregate.LAST]


def line(
    meter_id: int, register: str, step: Step, start: datetime, end: datetime, zone: tzinfo = STANDARD_TIME
) -> Line:
    """Give one line; days begin in ``zone``. Raises ValueError for an unknown register or an empty period."""
    if step == "reading":
        return _readings(meter_id, register, start, end)
    unit: Unit = step
    found = consumption(spans_of_meter(meter_id), register, unit, start, end, zone)
    values = {row.start: row.amount for row in found.rows if row.amount is not None}
    return Line(meter_id, register, found.unit_text, found.decimals, values)


def _readings(meter_id: int, register: str, start: datetime, end: datetime) -> Line:
    known = BY_CODE.get(register)
    if known is None:
        raise ValueError(f"there is no register {register!r}")
    moment = f"CASE WHEN kind = {int(Kind.LIVE)} THEN heard_at ELSE slot_at END"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {moment}, {register}, format_id FROM reading"
            f" WHERE meter_id = %s AND slot_at >= %s AND slot_at < %s AND {register} IS NOT NULL"
            f" AND (quality & {_SENSOR_ERROR_OR_VOIDED}) = 0 ORDER BY slot_at, kind LIMIT {MOST_READINGS + 1}",
            [meter_id, int(start.timestamp()), int(end.timestamp())],
        )
        rows = cursor.fetchall()
    sent = [formats.parse(spec).get(register) for spec in formats.specs({row[2] for row in rows}).values()]
    decimals = max((formats.shown_decimals(*one) for one in sent if one), default=known.decimals)
    values: dict[datetime, Decimal | float] = {
        datetime.fromtimestamp(at, UTC): value for at, value, _format in rows[:MOST_READINGS]
    }
    return Line(meter_id, register, known.unit, decimals, values, cut=len(rows) > MOST_READINGS)


def moments(lines: Sequence[Line]) -> list[datetime]:
    """Every moment at which a line has a value, in order."""
    return sorted({at for one in lines for at in one.values})
