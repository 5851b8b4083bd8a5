"""What rows of a table of readings would do to the readings as they stand, taking them in, and taking them back.

They become entered readings with the source "imported". One that is there already is left alone; another figure for
the same minute is refused: what is there has to be voided first. What was used in a period is added to the reading at
its beginning, which has to be known. Fences are obeyed. Taken back, they are voided.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django.db import connection

from avlas.decode.families import UNITS, canonical
from avlas.decode.registers import BY_CODE
from avlas.meters import column_store, formats
from avlas.meters.entered import Figure, registers_of
from avlas.meters.fences import Fences
from avlas.meters.key_text import N_
from avlas.meters.models import (
    Installation,
    Kind,
    Meter,
    MeterAddress,
    Quality,
    Reading,
    Source,
    VoidedReading,
)
from avlas.meters.slots import READING_COLUMNS, READING_KEY
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.system import audit
from avlas.system.told import told
from avlas.transfer.imports import deeds, staging
from avlas.transfer.imports.reading_row import ReadingRecord
from avlas.transfer.imports.register_plan import NEW, SAME, Judged
from avlas.transfer.imports.register_row import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from avlas.system.models import Utility
    from avlas.transfer.imports.models import Import, ImportDeed
    from avlas.transfer.imports.register_plan import Seen
    from avlas.transfer.imports.staging import Staged

_CLOSE: Final = 1e-9


class ReadingChunk:
    """Some rows of readings against what is kept. ``headings``: field code -> heading, for faults."""

    def __init__(
        self,
        utility: Utility,
        records: Iterable[ReadingRecord],
        seen: Seen,
        headings: Mapping[str, str],
        _existing: str = "",
    ) -> None:
        self.headings, self.seen = headings, seen
        every = list(records)
        self._by_serial: dict[str, list[Meter]] = {}
        for meter in Meter.objects.filter(
            utility=utility, serial__in={one.serial for one in every if one.serial}
        ):
            self._by_serial.setdefault(meter.serial, []).append(meter)
        self._on_bus: dict[str, list[MeterAddress]] = {}
        for address in MeterAddress.objects.filter(
            utility=utility, road="wired",
            identifier__in={one.manufacturer + one.serial for one in every if one.by_bus},
        ).select_related("meter"):  # fmt: skip
            self._on_bus.setdefault(address.identifier, []).append(address)
        self._at_facility: dict[str, list[Installation]] = {}
        for place in Installation.objects.filter(
            point__utility=utility, point__facility_id__in={one.facility for one in every if not one.serial},
            role=Installation.MAIN,
        ).select_related("meter", "point"):  # fmt: skip
            self._at_facility.setdefault(place.point.facility_id, []).append(place)
        self._fences = Fences.of(utility.pk)
        of_meters = [(found.pk, one) for one in every if isinstance(found := self._meter(one), Meter)]
        begins = {(pk, _seconds(one.since)) for pk, one in of_meters if one.since}
        self.there = _kept({(pk, _seconds(one.at)) for pk, one in of_meters} | begins, Kind.ENTERED)
        self._logged = _kept(begins, Kind.LOGGED)

    def _meter(self, record: ReadingRecord) -> Meter | Fault:
        """The meter that a row is about, or why there is none."""
        if record.by_bus and (on_bus := self._on_bus.get(record.manufacturer + record.serial)):
            at = datetime.fromisoformat(record.at)
            for address in on_bus:
                if (address.from_at is None or address.from_at <= at) and (
                    address.to_at is None or at < address.to_at
                ):
                    return address.meter
        if record.serial:
            found = [
                one for one in self._by_serial.get(record.serial, ())
                if not record.manufacturer or one.manufacturer == record.manufacturer
            ]  # fmt: skip
            if len(found) == 1:
                return found[0]
            text = (
                N_("Several makers' meters have this number; the file must name the maker.")
                if found
                else N_("There is no meter with this number.")
            )
            return Fault(self.headings.get("reading.serial", ""), record.serial, text)
        at = datetime.fromisoformat(record.at)
        for place in self._at_facility.get(record.facility, ()):
            if place.from_at <= at and (place.to_at is None or at <= place.to_at):
                return place.meter
        return Fault(self.headings.get("reading.facility_id", ""), record.facility,
                     N_("No main meter was installed at this metering point at that time."))  # fmt: skip

    def judge(self, line: int, record: ReadingRecord) -> Judged:
        """Say what a row does."""
        judged = Judged(line, record, [], {"reading": NEW})  # type: ignore[arg-type]
        meter = self._meter(record)
        figures = self._figures(meter, record) if isinstance(meter, Meter) else meter
        if isinstance(figures, Fault):
            judged.faults.append(figures)
            return judged
        assert isinstance(meter, Meter)
        slot = _seconds(record.at)
        if self._fences.holds(meter.pk, slot):
            judged.faults.append(self._fault("reading.at", record.at, N_(
                "The readings of this time were erased for good; none is stored again.")))  # fmt: skip
            return judged
        values = {one.register: one.value for one in figures}
        there = self.there.get((meter.pk, slot))
        earlier = self.seen.readings.get((meter.pk, slot))
        if not values:
            judged.effects["reading"] = SAME  # an export's row of a meter without a value
            return judged
        if there is not None:
            if all(_same(there.get(register), value) for register, value in values.items()):
                judged.effects["reading"] = SAME
            else:
                judged.faults.append(self._fault("reading.at", record.at, N_(
                    "Another reading is entered for this minute already; void that one first.")))  # fmt: skip
        elif earlier is not None:
            if earlier[1] == values:
                judged.effects["reading"] = SAME
            else:
                judged.faults.append(self._fault("reading.at", record.at, N_(
                    "Line %(line)s holds another reading of the same meter and minute."), line=earlier[0]))  # fmt: skip
        if not judged.faults:
            self.seen.readings.setdefault((meter.pk, slot), (line, values))
        return judged

    def reading_of(self, record: ReadingRecord) -> tuple[Meter, list[Figure]]:
        """The meter of a row that was not refused, and what it shows."""
        meter = self._meter(record)
        assert isinstance(meter, Meter)
        figures = self._figures(meter, record)
        assert not isinstance(figures, Fault)
        return meter, figures

    def _figures(self, meter: Meter, record: ReadingRecord) -> list[Figure] | Fault:
        """What the meter shows by a row, or why that can't be said."""
        found = []
        for one in map(Figure.unpacked, record.figures):
            register = one.register or _register_of(meter, one.unit)
            if not register:
                return self._fault("reading.register", one.unit, N_(
                    "It is not said which register is meant, and the meter's medium doesn't tell."))  # fmt: skip
            figure = replace(one, register=register)
            if record.since:
                before = self._counted(meter, _seconds(record.since), register)
                if before is None:
                    return self._fault("reading.at", record.since, N_(
                        "This was used from %(begin)s on, but no reading of that minute is known that it could be "
                        "added to. Take that one in first."), begin=_in_words(record.since))  # fmt: skip
                figure = _added(before, figure)
            found.append(figure)
        return found

    def _counted(self, meter: Meter, slot: int, register: str) -> float | None:
        """What a register is known to have shown at a minute: entered, logged by the meter, or in an earlier row."""
        key = (meter.pk, slot)
        for values in (self.there.get(key), self._logged.get(key), self.seen.readings.get(key, (0, None))[1]):
            if values is not None and values.get(register) is not None:
                return values[register]
        return None

    def _fault(self, code: str, value: str, text: str, /, **values: Any) -> Fault:
        return Fault(self.headings.get(code, ""), value, text, values)


_REGISTERS: Final = tuple(name for name in READING_COLUMNS[7:-1] if name != "info_code")


def _seconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp())


def _in_words(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(STANDARD_TIME).isoformat(" ", "minutes")


def _kept(wanted: set[tuple[int, int]], kind: Kind) -> dict[tuple[int, int], dict[str, float | None]]:
    """The readings of a kind that count, by meter and slot."""
    meters, slots = (
        np.array(column, np.int64) for column in (zip(*sorted(wanted), strict=True) if wanted else ((), ()))
    )
    keys = {"meter_id": meters, "slot_at": slots, "kind": np.full(len(meters), int(kind))}
    rows = column_store.fetch(connection, "reading", keys, ("meter_id", "slot_at", "quality", *_REGISTERS))
    return {
        row[:2]: dict(zip(_REGISTERS, row[3:], strict=True)) for row in rows if not row[2] & Quality.VOIDED
    }


def _register_of(meter: Meter, unit: str) -> str:
    """The register of a meter's medium that is counted in a unit; "" when there is none, or more than one."""
    canonical_unit = UNITS[unit][0] if unit in UNITS else ""
    found = [code for code in registers_of(meter.medium) if BY_CODE[code].unit == canonical_unit]
    return found[0] if len(found) == 1 else ""


def _added(before: float, used: Figure) -> Figure:
    """A counter that showed ``before`` (canonical unit) after ``used`` more, as exactly as both are known."""
    more, unit = canonical(used.figure, used.unit) or (used.figure, used.unit)
    total = Decimal(repr(before)) + Decimal(more)
    return replace(used, figure=round(total, min(6, _decimals(total))), unit=unit)


def _decimals(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _same(there: float | None, value: float) -> bool:
    return there is not None and math.isclose(there, value, rel_tol=_CLOSE, abs_tol=_CLOSE)


def take_in(
    of: Import, rows: Sequence[Staged], seen: Seen, headings: Mapping[str, str], _existing: str = "",
    *, on_fault: Callable[[Judged], None],
) -> dict[str, int]:  # fmt: skip
    """Write a chunk of staged readings (inside the caller's transaction); see ``taking_in.take_in``."""
    records = [ReadingRecord(**row.record) for row in rows]
    chunk = ReadingChunk(of.utility, records, seen, headings)
    columns: dict[str, list[Any]] = {name: [] for name in READING_COLUMNS}
    accepted: list[int] = []
    done: dict[int, list[list[Any]]] = {}
    refused = []
    now = int(datetime.now(UTC).timestamp())
    specs = []
    for row, record in zip(rows, records, strict=True):
        judged = chunk.judge(row.line, record)
        if judged.faults:
            on_fault(judged)
            refused.append(judged)
            continue
        accepted.append(row.line)
        if judged.effects["reading"] == SAME:
            continue
        meter, figures = chunk.reading_of(record)
        specs.append(formats.text({one.register: one.sent for one in figures}))
        values = {one.register: one.value for one in figures} | {
            "meter_id": meter.pk, "slot_at": _seconds(record.at), "kind": int(Kind.ENTERED), "heard_at": now,
            "source": int(Source.IMPORTED), "quality": int(Quality.ESTIMATED) if record.estimated else 0,
            "other": json.dumps({"entered": {"by": str(of.by or ""), "note": record.note or of.name},
                                 "import": {"id": of.pk, "line": row.line}}),
        }  # fmt: skip
        for name, column in columns.items():
            column.append(values.get(name))
        done[row.line] = [["reading", meter.pk, _seconds(record.at)]]
    known = formats.ids(set(specs))
    columns["format_id"] = [known[spec] for spec in specs]
    column_store.upsert(connection, "reading", columns, READING_KEY)
    deeds.keep(of, accepted, done)
    staging.leave(of, rows, refused)
    if done:
        audit.record(
            "readings.imported", utility=of.utility, user=of.by, target=of.name,
            detail={"import": of.pk, "lines": [min(done), max(done)], "readings": len(done)},
        )  # fmt: skip
    return {"reading_added": len(done)}


def undo(of: Import, row: ImportDeed) -> dict[str, int]:
    """Void the readings that some rows brought (inside the caller's transaction); give counts."""
    wanted = {(meter, slot): line for line, some in row.done for _what, meter, slot in some}
    kept: dict[int, list[dict[str, Any]]] = {}
    voided = []
    for (meter, slot), line in wanted.items():
        there = Reading.objects.filter(meter_id=meter, slot_at=slot, kind=Kind.ENTERED).first()
        if there is None or there.quality & Quality.VOIDED:
            continue
        if ((there.other or {}).get("import") or {}).get("id") != of.pk:
            kept.setdefault(line, []).append(told(N_("The reading has been replaced since; it stays."), {}))
            continue
        values = {name: getattr(there, name) for name in _REGISTERS if getattr(there, name) is not None}
        voided.append(VoidedReading(
            meter_id=meter, slot_at=there.slot_at, kind=there.kind, reason=f"import {of.pk}: {of.name}"[:300],
            voided_by=of.by, row={"heard_at": int(there.heard_at.timestamp()), "source": there.source,
                                  "quality": there.quality, "format_id": there.format_id, "other": there.other,
                                  **values},
        ))  # fmt: skip
        Reading.objects.filter(meter_id=meter, slot_at=slot, kind=Kind.ENTERED).update(
            quality=there.quality | int(Quality.VOIDED)
        )
    VoidedReading.objects.bulk_create(voided, batch_size=200)
    row.done, row.kept = [], sorted(kept.items())
    row.save(update_fields=["done", "kept"])
    if voided:
        audit.record("imports.undone", utility=of.utility, user=of.by, target=of.name,
                     detail={"import": of.pk, "readings": len(voided)})  # fmt: skip
    return {"reading_added": len(voided), "kept": len(kept)}
