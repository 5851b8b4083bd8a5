"""The newest value of each register of a meter, as its display shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db import connection

from avlas.decode.families import as_sent
from avlas.decode.registers import BY_CODE, REGISTERS, Register
from avlas.meters import formats
from avlas.meters.models import Kind, Quality, Reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

_LOOK_BACK = 60  # readings
_METERS_AT_ONCE = 500
_IN_USE = f"kind IN ({Kind.LIVE:d}, {Kind.ENTERED:d}) AND (quality & {Quality.VOIDED:d}) = 0"


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
        .in_use()
        .order_by("-slot_at")[:_LOOK_BACK]
    )
    texts = formats.specs({row.format_id for row in rows})
    found: dict[str, Latest] = {}
    for row in rows:
        sent = formats.parse(texts.get(row.format_id, "{}"))
        at = row.heard_at if row.kind == Kind.LIVE else row.slot_at
        for code in BY_CODE:
            value = getattr(row, code)
            if value is not None and code not in found:
                found[code] = as_read(code, value, sent, at, row.kind, row.quality)
    return [found[register.code] for register in REGISTERS if register.code in found]


def latest_of(meter_ids: Sequence[int], codes: Sequence[str]) -> dict[int, dict[str, Latest]]:
    """Give the newest values of the registers ``codes`` of many meters: meter id -> code -> value, as ``latest`` does.

    Most have them all in their newest reading: one look for each meter, and one more for each that lacks some.
    """
    found: dict[int, dict[str, Latest]] = {}
    for start in range(0, len(meter_ids) if codes else 0, _METERS_AT_ONCE):
        some = list(meter_ids[start : start + _METERS_AT_ONCE])
        _look(found, some, codes, f"SELECT slot_at FROM reading WHERE meter_id = m.id AND {_IN_USE}")
        for code in codes:
            missing = [one for one in some if one in found and code not in found[one]]
            if missing:
                _look(found, missing, [code], f"SELECT slot_at FROM (SELECT slot_at, {code} FROM reading"
                      f" WHERE meter_id = m.id AND {_IN_USE} ORDER BY slot_at DESC LIMIT {_LOOK_BACK}) x"
                      f" WHERE x.{code} IS NOT NULL")  # fmt: skip
    return found


def _look(
    found: dict[int, dict[str, Latest]], meter_ids: Sequence[int], codes: Sequence[str], moments: str
) -> None:
    """Add to ``found`` what stands in the newest reading at one of ``moments`` (SQL); a meter without is left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT r.meter_id, r.slot_at, r.kind, r.heard_at, r.quality, r.format_id,"
            f" {', '.join(f'r.{BY_CODE[code].code}' for code in codes)} FROM meters_meter m JOIN reading r"
            f" ON r.meter_id = m.id AND r.slot_at = ({moments} ORDER BY slot_at DESC LIMIT 1) AND {_IN_USE}"
            f" WHERE m.id IN ({', '.join(['%s'] * len(meter_ids))}) ORDER BY r.meter_id, r.kind",
            list(meter_ids),
        )
        rows = cursor.fetchall()
    texts = formats.specs({row[5] for row in rows})
    for meter_id, slot_at, kind, heard_at, quality, format_id, *values in rows:
        mine = found.setdefault(meter_id, {})
        sent = formats.parse(texts.get(format_id, "{}"))
        at = datetime.fromtimestamp(heard_at if kind == Kind.LIVE else slot_at, UTC)
        for code, value in zip(codes, values, strict=True):
            if value is not None and code not in mine:
                mine[code] = as_read(code, value, sent, at, kind, quality)


def as_read(
    code: str, value: Any, sent: dict[str, tuple[str, int]], at: datetime, kind: int, quality: int
) -> Latest:
    """Give a register's value of one reading, with what its format says of it (meters.formats.parse)."""
    register = BY_CODE[code]
    unit, decimals = sent.get(code, (register.unit, register.decimals))
    figure = as_sent(value, unit, decimals) if code in sent else value
    return Latest(register, value, figure, unit, decimals, at, Kind(kind), Quality(quality))
