"""A row of another system's month becomes what is compared, or a list of what is wrong with it. Pure."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from avlas.decode.families import UNITS
from avlas.decode.registers import BY_CODE
from avlas.meters.key_text import N_
from avlas.reports.billing import REGISTERS
from avlas.reports.calc.borders import STANDARD_TIME, months_later
from avlas.reports.calc.differences import Theirs
from avlas.transfer.imports import cells
from avlas.transfer.imports.errors import CellError
from avlas.transfer.imports.reading_row import (
    Reader,
    heading_unit,
    one_figure,
    register_named,
    short_line,
    unit_named,
)
from avlas.transfer.imports.register_row import maker, serial, whole_number_text

if TYPE_CHECKING:
    from avlas.transfer.imports.register_row import Fault, Rules
    from avlas.transfer.imports.sheet import Line

_MONTH: Final = re.compile(r"(?P<year>(?:19|20)\d\d)[-/. ]?(?P<month>0[1-9]|1[0-2])", re.ASCII)
_COUNTED_IN: Final = frozenset(BY_CODE[code].unit for code in REGISTERS)


def understand(line: Line, rules: Rules, column: str) -> tuple[Theirs, list[Fault]]:
    """Give what a row says, and what is wrong with it. ``column``: month.use or month.reading, what is compared."""
    if cut := short_line(line, rules):
        return Theirs(line.number), [cut]
    reader = Reader(line, rules)
    whose = reader.read("month.serial", lambda text: serial(text, rules)) or ""
    facility = reader.read("month.facility_id", whole_number_text) or ""
    if not (whose or facility) and not reader.faults:
        reader.fault("month.serial", N_("The meter's serial number is missing."))
    if column == "month.use":
        figure = reader.read(column, lambda text: cells.number(text, rules.decimal))
    else:
        figure = reader.read(column, lambda text: one_figure(text, rules))
    unit = unit_named(reader.raw("month.unit") or heading_unit(reader.heading(column)))
    if unit and (unit not in UNITS or UNITS[unit][0] not in _COUNTED_IN):
        where = "month.unit" if reader.raw("month.unit") else column
        reader.fault(where, N_("“%(unit)s” is no unit of energy or volume."), unit=unit[:20])
    return Theirs(
        line.number,
        whose,
        reader.read("month.manufacturer", lambda text: maker(text, rules)) or rules.manufacturer,
        facility,
        reader.read("month.at", lambda text: _moment(text, rules)),
        reader.read("month.register", _register) or "",
        unit,
        figure,
    ), reader.faults


def _moment(text: str, rules: Rules) -> datetime:
    """When a figure was read; a month alone stands for its end."""
    if found := _MONTH.fullmatch(text):
        following = months_later(date(int(found["year"]), int(found["month"]), 1), 1)
        return datetime(following.year, following.month, 1, tzinfo=STANDARD_TIME)
    return cells.moment(text, rules.clock)


def _register(text: str) -> str:
    found = register_named(text)
    if found not in REGISTERS:
        raise CellError(N_("“%(text)s” is no register that is billed."), text=text[:40])
    return found
