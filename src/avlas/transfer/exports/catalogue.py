"""Every column there is to choose from: the variables, the row itself, and what counters say about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.decode.families import UNITS
from avlas.decode.registers import BY_CODE, REGISTERS, Aggregate
from avlas.reports.variables import BY_VARIABLE, PARTS, VARIABLES
from avlas.transfer.exports.layout import CONSTANT, OWN, STANDARD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.utils.functional import Promise

    from avlas.transfer.exports.layout import Column

END, START, USE, HOW_END, HOW_START, UNIT, AT = "end", "start", "use", "how", "how_start", "unit", "at"
MEAN, MEAN_OF = "mean", "mean_of"
ROW_FIELDS: Final[dict[str, Promise]] = {
    "row.from": gettext_lazy("From"),
    "row.to": gettext_lazy("To"),
    "row.begins": gettext_lazy("Begins with"),
    "row.ends": gettext_lazy("Ends with"),
    "row.marks": gettext_lazy("Marks"),
    "row.info_codes": gettext_lazy("Info codes in the period"),
    "exchange.at": gettext_lazy("Exchanged at"),
    "exchange.reason": gettext_lazy("Reason of the exchange"),
    "exchange.other": gettext_lazy("Serial number of the other meter"),
    "utility": gettext_lazy("Utility"),
}
_OF_REGISTER: Final[dict[str, Promise]] = {
    END: gettext_lazy("%(register)s at the end"),
    START: gettext_lazy("%(register)s at the beginning"),
    USE: gettext_lazy("Use of %(register)s"),
    HOW_END: gettext_lazy("How known: %(register)s at the end"),
    HOW_START: gettext_lazy("How known: %(register)s at the beginning"),
    UNIT: gettext_lazy("Unit of %(register)s"),
    AT: gettext_lazy("Stood at: %(register)s at the end"),
    MEAN: gettext_lazy("Mean of %(register)s"),
    MEAN_OF: gettext_lazy("Number of readings: mean of %(register)s"),
}
_ONLY_OF: Final = {
    **dict.fromkeys((START, USE, HOW_START), Aggregate.DIFFERENCE),
    **dict.fromkeys((MEAN, MEAN_OF), Aggregate.MEAN),
}
"""What only counters, or only momentary values have."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One column to choose: its code, its words, and under which heading it is offered."""

    code: str
    title: str
    part: str
    is_figure: bool


def of_register(code: str) -> tuple[str, str] | None:
    """The register and what of it ("energy_heat_kwh", "end"); None for another column."""
    register, _dot, what = code.rpartition(".")
    return (register, what) if register in BY_VARIABLE and what in _OF_REGISTER else None


def choices() -> list[Choice]:
    """All columns in the reader's language, in the order in which they are offered."""
    found = [Choice(code, str(name), _("Row"), is_figure=False) for code, name in ROW_FIELDS.items()]
    found += [
        Choice(one.code, one.title, str(PARTS[one.part]), one.kind == "number")
        for one in VARIABLES
        if one.part != "register"
    ]
    for register in REGISTERS:
        if register.code not in BY_VARIABLE:
            continue
        title = BY_VARIABLE[register.code].title
        for what, text in _OF_REGISTER.items():
            if _ONLY_OF.get(what, register.aggregate) is not register.aggregate:
                continue
            words = str(text) % {"register": title}
            found.append(Choice(f"{register.code}.{what}", words, title, what in (END, START, USE, MEAN)))
        found.append(
            Choice(register.code, _("%(register)s, latest") % {"register": title}, title, is_figure=True)
        )
    found.append(Choice(CONSTANT, _("Fixed text, or nothing"), _("Row"), is_figure=False))
    return found


def known() -> set[str]:
    """The codes of all columns."""
    of_registers = {
        f"{register.code}.{what}"
        for register in REGISTERS
        for what in _OF_REGISTER
        if register.code in BY_VARIABLE
        if _ONLY_OF.get(what, register.aggregate) is register.aggregate
    }
    return {*ROW_FIELDS, *BY_VARIABLE, *of_registers}


def heading(column: Column) -> str:
    """The column's own heading, else its words in the active language."""
    if column.heading:
        return column.heading
    if column.code == CONSTANT:
        return ""
    if column.code in ROW_FIELDS:
        return str(ROW_FIELDS[column.code])
    found = of_register(column.code)
    if found is None:
        return BY_VARIABLE[column.code].title
    register, what = found
    words = str(_OF_REGISTER[what]) % {"register": BY_VARIABLE[register].title}
    if (what in (END, START, USE) and column.unit != OWN) or what == MEAN:
        unit = BY_CODE[register].unit if column.unit in (STANDARD, OWN) else column.unit
        return f"{words} ({unit})"
    return words


def registers_of(columns: Iterable[Column]) -> list[str]:
    """The registers whose values at moments the columns need, each once."""
    found = [of_register(column.code) for column in columns]
    return list(dict.fromkeys(one[0] for one in found if one and one[1] not in (MEAN, MEAN_OF)))


def averaged(columns: Iterable[Column]) -> list[str]:
    """The registers whose means the columns need, each once."""
    found = [of_register(column.code) for column in columns]
    return list(dict.fromkeys(one[0] for one in found if one and one[1] in (MEAN, MEAN_OF)))


def units() -> list[tuple[str, str]]:
    """What figures may be shown in: the meter's own unit, the register's standard one, or an energy unit."""
    return [
        (OWN, _("the meter's own")),
        (STANDARD, _("standard (kWh, m³)")),
        *((name, name) for name in ("kWh", "MWh", "GJ", "m³", "l") if name in UNITS),
    ]
