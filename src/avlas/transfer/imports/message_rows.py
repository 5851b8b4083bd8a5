"""The quantities of an MSCONS file become readings, or a list of what is wrong with them. Pure."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from avlas.decode.families import UNITS
from avlas.decode.registers import BY_CODE
from avlas.meters.key_text import N_
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.transfer import edifact, mscons
from avlas.transfer.imports.errors import SheetError
from avlas.transfer.imports.reading_row import ReadingRecord
from avlas.transfer.imports.register_row import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from avlas.transfer.mscons import Quantity

HEADINGS: Final = {
    "reading.facility_id": "LOC", "reading.serial": "RFF", "reading.at": "DTM", "reading.register": "PIA",
}  # fmt: skip
"""Field code -> the segment that says it, for what is found wrong later."""
_OBIS: Final = re.compile(r"(?:(?P<medium>\d+)-\d+:)?(?P<quantity>\d+)\.(?P<kind>\d+)", re.ASCII)
_REGISTERS: Final[dict[tuple[str, str], str]] = {
    # OBIS value groups A (medium) and C (quantity), EN 62056-6-1 and EN 13757-1
    ("1", "1"): "electricity_import_kwh", ("1", "2"): "electricity_export_kwh",
    ("5", "1"): "energy_cooling_kwh", ("5", "2"): "volume_m3",
    ("6", "1"): "energy_heat_kwh", ("6", "2"): "volume_m3",
    ("8", "1"): "volume_m3", ("9", "1"): "volume_m3",
}  # fmt: skip
_LARGEST: Final = Decimal(10) ** 12


def rows(data: bytes, now: datetime) -> Iterator[tuple[int, ReadingRecord, list[Fault]]]:
    """Give each quantity's segment number, what it says and what is wrong with it.

    Quantities of one metering point and one time belong to one reading, that of the first. Raises SheetError for a file
    that is not whole, or marked as a test.
    """
    interchanges = edifact.read(data)
    if any(one.test for one in interchanges):
        raise SheetError(N_("The sender has marked the file as a test (UNB); nothing of it is taken in."))
    good: dict[tuple[str, ...], tuple[int, ReadingRecord]] = {}
    bad: list[tuple[int, ReadingRecord, list[Fault]]] = []
    for interchange in interchanges:
        for quantity, troubles in mscons.quantities(interchange):
            faults = [Fault(f"{one.tag} {one.segment}", one.value, one.text, one.values) for one in troubles]
            faults = faults or _faults(quantity, now)
            record = ReadingRecord() if faults else _record(quantity)
            where = (record.facility, record.serial, record.at, record.since)
            if faults:
                bad.append((quantity.segment, record, faults))
            elif where not in good:
                good[where] = (quantity.segment, record)
            elif clash := _joined(good[where], record, quantity):
                bad.append((quantity.segment, record, [clash]))
    yield from sorted([*((*one, []) for one in good.values()), *bad], key=lambda row: row[0])


def _joined(there: tuple[int, ReadingRecord], record: ReadingRecord, quantity: Quantity) -> Fault | None:
    """Put another register of the same time into a reading; give why not, when it says something else of one."""
    figures = {(one[0], UNITS[one[2]][0] if one[2] in UNITS else ""): one for one in there[1].figures}
    for figure in record.figures:
        known = figures.get((figure[0], UNITS[figure[2]][0] if figure[2] in UNITS else ""))
        if known is None:
            there[1].figures.append(figure)
        elif known[1:3] != figure[1:3]:
            text = N_("Segment %(segment)s holds another value of the same metering point and time.")
            return Fault(f"QTY {quantity.segment}", figure[1], text, {"segment": there[0]})
    return None


def _faults(quantity: Quantity, now: datetime) -> list[Fault]:
    """What speaks against a quantity that was understood."""
    where = f"QTY {quantity.segment}"
    said = "" if quantity.figure is None else str(quantity.figure)
    if quantity.quality == mscons.MISSING:
        return [Fault(where, said, N_("The sender says that there is no usable value (%(marks)s)."),
                      {"marks": quantity.marks[:60]})]  # fmt: skip
    if quantity.quality == mscons.OTHER or quantity.figure is None:
        return [Fault(where, said, N_("This quantity (%(marks)s) is none that a meter has counted."),
                      {"marks": quantity.marks[:60]})]  # fmt: skip
    found = []
    if not 0 <= quantity.figure < _LARGEST:
        found.append(Fault(where, said, N_("“%(text)s” is no figure of a meter."), {"text": said[:40]}))
    if not (quantity.point or quantity.meter):
        found.append(Fault(where, "", N_("The metering point is not said.")))
    if quantity.unit and quantity.unit not in mscons.UNITS.values():
        found.append(Fault(where, quantity.unit, N_("“%(unit)s” is no unit of energy or volume."),
                           {"unit": quantity.unit[:20]}))  # fmt: skip
    elif quantity.obis and not _register(quantity.obis):
        text = N_("The OBIS code %(code)s is none of a counter that is kept here.")
        found.append(Fault(where, quantity.obis, text, {"code": quantity.obis[:30]}))
    elif quantity.obis and quantity.unit:
        register = _register(quantity.obis)
        if UNITS[quantity.unit][0] != BY_CODE[register].unit:
            found.append(Fault(where, quantity.unit, N_("%(register)s is not counted in “%(unit)s”."),
                               {"register": BY_CODE[register].en, "unit": quantity.unit}))  # fmt: skip
    elif not quantity.unit and not quantity.obis:
        found.append(Fault(where, said, N_("Neither a unit nor an OBIS code says what was counted.")))
    if quantity.end is not None and quantity.end > now:
        late = quantity.end.astimezone(STANDARD_TIME).isoformat(" ", "minutes")
        found.append(Fault(where, late, N_("%(text)s is in the future."), {"text": late}))
    return found


def _record(quantity: Quantity) -> ReadingRecord:
    assert quantity.end is not None
    register = _register(quantity.obis)
    return ReadingRecord(
        serial="" if quantity.point else quantity.meter,
        facility=quantity.point,
        at=_minute(quantity.end),
        figures=[[register, str(quantity.figure), quantity.unit or BY_CODE[register].unit, 0]],
        note=f"MSCONS {quantity.marks}",
        since="" if quantity.begin is None else _minute(quantity.begin),
        estimated=quantity.quality == mscons.ESTIMATED,
    )


def _minute(moment: datetime) -> str:
    return moment.replace(second=0, microsecond=0).isoformat()


def _register(obis: str) -> str:
    """The register of an OBIS code; "" for none that is kept."""
    found = _OBIS.match(obis)
    return _REGISTERS.get((found["medium"] or "1", found["quantity"]), "") if found else ""
