"""A variable's value for people: as text on a page, as a cell of a file."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from avlas.meters.models import STATE_TEXTS, Installation, State
from avlas.web import formats, info_codes, words

if TYPE_CHECKING:
    from avlas.reports.variables import Facts, Variable
    from avlas.web.table_files import Cell


def as_cell(variable: Variable, facts: Facts) -> Cell:
    """The value for a file: numbers and moments stay what they are, codes become words; None when not known."""
    value = variable.value(facts)
    if value is None or value == "":
        return None
    if variable.kind == "medium":
        return words.medium(str(value))
    if variable.kind == "security":
        return words.security(str(value))
    if variable.kind == "state":
        return str(STATE_TEXTS[State(int(str(value)))])
    if variable.kind == "role":
        return str(dict(Installation.ROLES).get(str(value), value))
    if variable.kind == "info":
        return info_codes.joined(facts.meter.family, int(str(value))) or None
    return value


def as_text(variable: Variable, facts: Facts) -> str:
    """The value as a page shows it; "" when it is not known."""
    return shown(variable, as_cell(variable, facts))


def shown(variable: Variable, value: Cell) -> str:
    """A cell's value as a page shows it; "" for None."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return formats.date_time(value)
    if isinstance(value, Decimal):  # has the decimals it deserves
        return formats.number(value)
    if isinstance(value, int | float):
        return formats.number(value, 5 if variable.kind == "coordinate" else variable.decimals)
    return str(value)
