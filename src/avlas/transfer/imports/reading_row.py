"""A row of a table of readings becomes a meter, a moment and figures, or a list of what is wrong with it. Pure.

A table has a column for each register, its unit in the heading ("Energi [MWh]") or in a column beside it, or one
register a row (register, value, unit), or an M-Bus telegram a row. Figures stay as they were written, to be kept
exactly.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from avlas.decode.families import UNITS
from avlas.decode.registers import BY_CODE as REGISTERS
from avlas.meters.entered import ENTERABLE
from avlas.meters.key_text import N_
from avlas.transfer.imports import cells, telegram_cell
from avlas.transfer.imports.errors import CellError
from avlas.transfer.imports.register_row import Fault, maker, serial, whole_number_text
from avlas.transfer.imports.sheet import normal

if TYPE_CHECKING:
    from avlas.transfer.imports.register_row import Rules
    from avlas.transfer.imports.sheet import Line

_UNIT_WORDS: Final = {name.lower().replace("³", "3"): name for name in UNITS} | {
    "kbm": "m³",
    "liter": "l",
    "": "",
}
_REGISTER_WORDS: Final[dict[str, str]] = {
    **{normal(code): code for code in ENTERABLE},
    **{normal(REGISTERS[code].symbol): code for code in ENTERABLE if REGISTERS[code].symbol[:2] not in ("A+", "A-")},
    **{normal(text): code for code in ENTERABLE for text in (REGISTERS[code].sv, REGISTERS[code].en)},
    "energi": "energy_heat_kwh", "energy": "energy_heat_kwh", "värme": "energy_heat_kwh", "heat": "energy_heat_kwh",
    "kyla": "energy_cooling_kwh", "cooling": "energy_cooling_kwh", "flow": "volume_m3", "vatten": "volume_m3",
    "el": "electricity_import_kwh", "uttag": "electricity_import_kwh", "inmatning": "electricity_export_kwh",
}  # fmt: skip
_LARGEST: Final = Decimal(10) ** 12
NOT_MEASURED: Final = frozenset(("estimated", "uppskattad", "interpolated", "interpolerad"))
"""Marks that exports write, in both languages (a test compares them)."""


@dataclass(frozen=True, slots=True)
class ReadingRecord:
    """What a row says.

    The meter by maker ("": not said) and serial number (``by_bus``: its identification on the M-Bus) or by facility,
    when (ISO 8601, UTC), and figures as ``entered.Figure.packed`` has them; a register "" is the one of the meter's
    medium that is counted in the unit. ``since`` (ISO 8601, UTC; "": no): the figures were used from then until
    ``at``, no counter shows them. ``estimated``: the sender, or Avläs when it exported them, didn't measure them.
    """

    serial: str = ""
    manufacturer: str = ""
    facility: str = ""
    at: str = ""
    figures: list[list[Any]] = field(default_factory=list)
    note: str = ""
    by_bus: bool = False
    since: str = ""
    estimated: bool = False

    def packed(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return asdict(self)


def understand(line: Line, rules: Rules) -> tuple[ReadingRecord, list[Fault]]:
    """Give what a row says, and what is wrong with it."""
    if cut := short_line(line, rules):
        return ReadingRecord(), [cut]
    reader = Reader(line, rules)
    heard = reader.read("reading.telegram", telegram_cell.understand)
    if heard is not None:
        meter = {"serial": heard.identification, "manufacturer": heard.manufacturer, "facility": ""}
    else:
        meter = {
            "serial": reader.read("reading.serial", lambda text: serial(text, rules)) or "",
            "manufacturer": reader.read("reading.manufacturer", lambda text: maker(text, rules))
            or rules.manufacturer,
            "facility": reader.read("reading.facility_id", whole_number_text) or "",
        }
    if not (meter["serial"] or meter["facility"]) and not reader.faults:
        reader.fault("reading.serial", N_("The meter's serial number is missing."))
    at = reader.read("reading.at", lambda text: _moment(text, reader.raw("reading.time"), rules))
    if at is None and not reader.failed("reading.at"):
        reader.fault("reading.at", N_("The time of the reading is missing."))
    figures = heard.figures if heard is not None else _figures(reader, rules)
    marks = reader.read("reading.marks", lambda text: text[:300]) or ""
    told = {one.strip().lower() for one in marks.split(",")}
    if not (figures or reader.faults or "reading.marks" in rules.columns):  # exports have rows without values
        reader.fault("", N_("There is no figure in this line."))
    note = reader.read("reading.note", lambda text: text[:300]) or marks
    return ReadingRecord(
        **meter, at=at or "", figures=figures, note=note, by_bus=heard is not None,
        estimated=bool(told & NOT_MEASURED),
    ), reader.faults  # fmt: skip


def short_line(line: Line, rules: Rules) -> Fault | None:
    """What is wrong with a line that has too few columns."""
    if max(rules.columns.values(), default=-1) < len(line.cells):
        return None
    if not line.whole:
        return Fault("", "", N_("The file ends in the middle of this line. It is not whole: fetch it again."))
    counts = {"count": len(line.cells), "expected": len(rules.headings)}
    return Fault("", "", N_("The line has %(count)s columns, the headings are %(expected)s."), counts)


class Reader:
    """The cells of one line by field, and what was wrong with them."""

    def __init__(self, line: Line, rules: Rules) -> None:
        self.line, self.rules = line, rules
        self.faults: list[Fault] = []
        self._failed: set[str] = set()

    def raw(self, code: str) -> str:
        """A cell as it stands, "" when there is no such column."""
        place = self.rules.columns.get(code)
        return "" if place is None else self.line.cells[place]

    def read(self, code: str, how: Any) -> Any:
        """A cell understood by ``how``; None when it is empty or wrong."""
        try:
            text = self.raw(code) and cells.plain(self.raw(code))
            return how(text) if text else None
        except CellError as problem:
            self._failed.add(code)
            self.fault(code, problem.text, **problem.values)
            return None

    def failed(self, code: str) -> bool:
        """Whether a cell was wrong."""
        return code in self._failed

    def heading(self, code: str) -> str:
        """What a field's column is called."""
        place = self.rules.columns.get(code)
        return "" if place is None else self.rules.headings[place]

    def fault(self, code: str, text: str, /, **values: Any) -> None:
        """Something is wrong with a cell, or with the line (code "")."""
        self.faults.append(Fault(self.heading(code), self.raw(code), text, values))


def _moment(text: str, time: str, rules: Rules) -> str:
    found = cells.moment(f"{text} {time}" if time else text, rules.clock)
    if found > rules.now:
        raise CellError(N_("%(text)s is in the future."), text=text[:40])
    return datetime.fromtimestamp(int(found.timestamp()) // 60 * 60, found.tzinfo).isoformat()


def _figures(reader: Reader, rules: Rules) -> list[list[Any]]:
    found = []
    for code in ENTERABLE:
        column = f"reading.{code}"
        figure = reader.read(column, lambda text: one_figure(text, rules))
        if figure is not None:
            beside = reader.raw(f"unit.{code}") or rules.units.get(column, "")
            found += _in_unit(reader, column, code, figure, beside or heading_unit(reader.heading(column)))
    value = reader.read("reading.value", lambda text: one_figure(text, rules))
    if value is not None:
        register = reader.read("reading.register", register_named)
        if register is None and not reader.failed("reading.register"):
            reader.fault("reading.register", N_("Which register is it?"))
        unit = reader.raw("reading.unit") or heading_unit(reader.heading("reading.value"))
        if register is not None:
            found += _in_unit(reader, "reading.unit", register, value, unit)
    return found


def heading_unit(heading: str) -> str:
    """The unit in a heading's brackets or at its end: "Energi [MWh]", "Energi MWh"."""
    found = re.search(r"[\[(]\s*([^\])]{1,8}?)\s*[\])]", heading)
    if found:
        return found[1]
    words = heading.split()
    counted_in = UNITS.get(unit_named(words[-1]), ("",))[0] if len(words) > 1 else ""
    return words[-1] if counted_in in ("kWh", "m³") else ""


def unit_named(text: str) -> str:
    """A unit as it is spelled here; one that is not known stays as it stands."""
    return _UNIT_WORDS.get(text.strip().lower().replace("³", "3"), text.strip())


def _in_unit(reader: Reader, column: str, register: str, figure: Decimal, unit: str) -> list[list[Any]]:
    """The figure in a unit that its register is counted in; a unit that isn't said is the register's own."""
    own = REGISTERS[register].unit
    named = unit_named(unit) or own
    fits = named == own or (named in UNITS and (UNITS[named][0] == own or not own))
    if not fits:
        reader.fault(
            column,
            N_("%(register)s is not counted in “%(unit)s”."),
            register=REGISTERS[register].en,
            unit=unit[:20],
        )
        return []
    return [[register, str(figure), named, 0]]


def one_figure(text: str, rules: Rules) -> Decimal:
    """What a meter shows. Raises CellError."""
    figure = cells.number(text, rules.decimal)
    if not 0 <= figure < _LARGEST:
        raise CellError(N_("“%(text)s” is no figure of a meter."), text=text[:40])
    return figure


def register_named(text: str) -> str:
    """The register that a cell names. Raises CellError."""
    bare = text.strip()
    found = {"A+": "electricity_import_kwh", "A-": "electricity_export_kwh"}.get(bare) or _REGISTER_WORDS.get(
        normal(bare)
    )
    if found is None:
        raise CellError(N_("“%(text)s” is no register that can be entered."), text=bare[:40])
    return found
