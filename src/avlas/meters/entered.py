"""Readings that a person enters, and readings that a person takes out of use.

An entered reading is never written over: it is voided with a reason, and a corrected one takes its place; what was
voided stays whole in VoidedReading.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django.db import connection, transaction

from avlas.decode.families import canonical, named
from avlas.decode.registers import BY_CODE, CODES
from avlas.meters import column_store, formats
from avlas.meters.journal import Written
from avlas.meters.models import Fence, Kind, Meter, Quality, Reading, Source, VoidedReading
from avlas.meters.slots import READING_COLUMNS, READING_KEY
from avlas.reports.calc.judgement import BACKWARDS, ROLLED_OVER, counter_step, modulus, most_use
from avlas.system import audit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.meters.keys import Who

ENTERABLE: Final = ("energy_heat_kwh", "energy_cooling_kwh", "volume_m3", "energy_flow_m3c", "energy_return_m3c",
                    "input_a", "input_b", "electricity_import_kwh", "electricity_export_kwh")  # fmt: skip
"""The counters that people read off a display."""

_OF_MEDIUM: Final = {
    "heat": ("energy_heat_kwh", "volume_m3"),
    "cooling": ("energy_cooling_kwh", "volume_m3"),
    "heat/cooling": ("energy_heat_kwh", "energy_cooling_kwh", "volume_m3"),
    "electricity": ("electricity_import_kwh", "electricity_export_kwh"),
}
LOWER, HIGHER, ROLLED, TOO_MUCH, TOO_LITTLE = "lower", "higher", "rolled_over", "too_much", "too_little"
"""What speaks against a figure: below the reading before, above the one after, only possible if the register began
again at 0, more since the one before than a meter of this size can count, more until the one after."""


class AlreadyThere(Exception):  # noqa: N818
    """There is an entered reading at this moment; it has to be voided before another takes its place."""


class Erased(Exception):  # noqa: N818
    """What the meter said at this moment was erased for somebody's sake; nothing of it is stored again."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of one register as a display shows it; ``decimals`` are at least what the meter is known to show."""

    register: str
    figure: Decimal
    unit: str
    decimals: int = 0

    @property
    def value(self) -> float:
        """The value in the register's canonical unit."""
        converted = canonical(self.figure, self.unit)
        return float(converted[0] if converted else self.figure)

    @property
    def sent(self) -> tuple[str, int]:
        """Unit and decimals, as a reading's format keeps them."""
        exponent = self.figure.as_tuple().exponent
        typed = -exponent if isinstance(exponent, int) else 0
        return self.unit, min(9, max(self.decimals, typed, 0))

    def packed(self) -> list[Any]:
        """As JSON keeps it."""
        return [self.register, str(self.figure), self.unit, self.decimals]

    @classmethod
    def unpacked(cls, kept: Sequence[Any]) -> Figure:
        """The opposite of ``packed``."""
        register, figure, unit, decimals = kept
        return cls(register, Decimal(figure), unit, decimals)


@dataclass(frozen=True, slots=True)
class Doubt:
    """What speaks against a figure; ``value`` (canonical unit) and ``at``: the reading it is compared with."""

    code: str
    register: str
    value: float
    at: datetime


def registers_of(medium: str) -> tuple[str, ...]:
    """Give the counters a meter of this medium has when nothing better is known."""
    return _OF_MEDIUM.get(medium, ("volume_m3",))


def doubts(meter: Meter, at: datetime, figures: Sequence[Figure]) -> list[Doubt]:
    """Give what speaks against a meter having shown ``figures`` at ``at`` (aware); empty: nothing does."""
    found = []
    for one in figures:
        before, after = _neighbours(meter.pk, one.register, at.timestamp())
        if before is not None:
            code = _forward(meter, one, before, at.timestamp())
            if code:
                found.append(Doubt(code, one.register, before[1], datetime.fromtimestamp(before[0], UTC)))
        if after is not None:
            most = most_use(one.register, meter.qp_m3h, (after[0] - at.timestamp()) / 3600)
            there = datetime.fromtimestamp(after[0], UTC)
            if one.value > after[1]:
                found.append(Doubt(HIGHER, one.register, after[1], there))
            elif most is not None and after[1] - one.value > most:
                found.append(Doubt(TOO_LITTLE, one.register, after[1], there))
    return found


def _forward(meter: Meter, one: Figure, before: tuple[float, float], at: float) -> str:
    """What speaks against the step from the reading before; "" for nothing."""
    most = most_use(one.register, meter.qp_m3h, (at - before[0]) / 3600)
    family = named(meter.family) if meter.family else None
    was, now = np.array([before[1]]), np.array([one.value])
    top = modulus(was, formats.step(one.sent), family.digits if family else ())
    verdict = int(counter_step(was, now, top, np.array([np.nan if most is None else most]))[0])
    if verdict == ROLLED_OVER:
        return ROLLED
    if verdict == BACKWARDS:
        return LOWER
    return TOO_MUCH if most is not None and one.value - before[1] > most else ""


def _neighbours(
    meter_id: int, register: str, at: float
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """The (moment, value) just before and just after a moment, whatever their kind."""
    if register not in BY_CODE:
        raise ValueError(f"there is no register {register!r}")
    moment = "CASE WHEN kind = 0 THEN heard_at ELSE slot_at END"
    select = (
        f"SELECT {moment} AS moment, {register} FROM reading WHERE meter_id = %s AND {register} IS NOT NULL"
        f" AND (quality & {int(Quality.VOIDED)}) = 0 AND slot_at"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT * FROM ({select} <= %s ORDER BY slot_at DESC LIMIT 3) AS earlier"
            f" UNION ALL SELECT * FROM ({select} > %s ORDER BY slot_at LIMIT 3) AS later",
            [meter_id, at, meter_id, at],
        )
        rows = sorted(cursor.fetchall())
    before = [row for row in rows if row[0] < at]
    after = [row for row in rows if row[0] > at]
    return (before[-1] if before else None), (after[0] if after else None)


def enter(
    meter: Meter,
    at: datetime,
    figures: Sequence[Figure],
    source: Source,
    who: Who,
    *,
    estimated_by: str = "",
    note: str = "",
) -> None:
    """Keep what a person read off ``meter`` at ``at`` (aware; seconds are dropped).

    ``estimated_by``: how it was estimated, when nobody read it; who enters it approves it. Raises AlreadyThere,
    Erased, and ValueError without figures or for a register that people don't read.
    """
    if not figures or any(one.register not in ENTERABLE for one in figures):
        raise ValueError("an entered reading needs figures of counters")
    slot = int(at.timestamp()) // 60 * 60
    said = {"by": str(who.user or ""), "method": estimated_by, "note": note}
    with transaction.atomic():
        Meter.objects.select_for_update().get(pk=meter.pk)
        moment = datetime.fromtimestamp(slot, UTC)
        if Fence.objects.filter(meter=meter, from_at__lt=moment, to_at__gt=moment).exists():
            raise Erased
        there = Reading.objects.filter(meter_id=meter.pk, slot_at=slot, kind=Kind.ENTERED).first()
        if there is not None and not there.quality & Quality.VOIDED:
            raise AlreadyThere
        spec = formats.text({one.register: one.sent for one in figures})
        columns: column_store.Columns = {name: [None] for name in READING_COLUMNS}
        columns |= {
            "meter_id": [meter.pk],
            "slot_at": [slot],
            "kind": [int(Kind.ENTERED)],
            "heard_at": [int(datetime.now(UTC).timestamp())],
            "source": [int(source)],
            "quality": [int(Quality.ESTIMATED) if estimated_by else 0],
            "format_id": [formats.ids({spec})[spec]],
            "other": [json.dumps({"entered": {name: text for name, text in said.items() if text}})],
            **{one.register: [one.value] for one in figures},
        }
        column_store.upsert(connection, "reading", columns, READING_KEY)
        _tell(meter, slot, Kind.ENTERED)
        audit.record(
            "readings.estimated" if estimated_by else "readings.entered",
            utility=meter.utility, user=who.user, computer=who.computer, target=str(meter),
            detail={
                "at": moment.isoformat(),
                "figures": {one.register: f"{one.figure} {one.unit}".strip() for one in figures},
                "source": source.name.lower(), "method": estimated_by, "note": note,
            },
        )  # fmt: skip


def void(meter: Meter, at: datetime, kind: Kind, reason: str, who: Who) -> None:
    """Take a reading out of use, with the reason; it stays, marked, and counts nowhere.

    Raises Reading.DoesNotExist, ValueError without a reason. Voiding again changes nothing.
    """
    if not reason.strip():
        raise ValueError("why a reading is taken out of use must be said")
    slot = int(at.timestamp())
    with transaction.atomic():
        row = Reading.objects.select_for_update().get(meter_id=meter.pk, slot_at=slot, kind=kind)
        if row.quality & Quality.VOIDED:
            return
        values = {code: getattr(row, code) for code in CODES if getattr(row, code) is not None}
        VoidedReading.objects.create(
            meter=meter, slot_at=row.slot_at, kind=row.kind, reason=reason.strip(), voided_by=who.user,
            row={"heard_at": int(row.heard_at.timestamp()), "source": row.source, "quality": row.quality,
                 "format_id": row.format_id, "other": row.other, **values},
        )  # fmt: skip
        Reading.objects.filter(meter_id=meter.pk, slot_at=slot, kind=kind).update(
            quality=row.quality | int(Quality.VOIDED)
        )
        _tell(meter, slot, kind)
        audit.record(
            "readings.voided", utility=meter.utility, user=who.user, computer=who.computer, target=str(meter),
            detail={"at": row.slot_at.isoformat(), "kind": Kind(kind).name.lower(), "reason": reason.strip()},
        )  # fmt: skip


def _tell(meter: Meter, slot: int, kind: Kind) -> None:
    written = Written(meter.utility_id)
    written.reading(meter.pk, slot, kind)
    written.append()
