"""Files that an Avläs has exported, recognised by their headings: the formats it comes with, and the utility's own.

Only a file that leaves nothing open is recognised: which meter, when, each figure's unit, and which figures were
interpolated or estimated.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from django.utils import translation

from avlas.decode.registers import BY_CODE
from avlas.meters.entered import ENTERABLE
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.transfer.exports import catalogue
from avlas.transfer.exports.date_pattern import written
from avlas.transfer.exports.formatting import zone_of
from avlas.transfer.exports.layout import EXCEL, FIXED, OWN, BadLayout
from avlas.transfer.exports.layout import STANDARD as STANDARD_UNIT
from avlas.transfer.exports.ready_made import READY_MADE
from avlas.transfer.exports.template import ExportTemplate
from avlas.transfer.imports import cells
from avlas.transfer.imports.errors import CellError
from avlas.transfer.imports.settings import Settings
from avlas.transfer.imports.sheet import column_name, distinct, normal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from avlas.system.models import Utility
    from avlas.transfer.exports.layout import Column, Layout
    from avlas.transfer.imports.sheet import Sheet

_FIELDS: Final = {
    "serial": "reading.serial", "manufacturer": "reading.manufacturer", "facility_id": "reading.facility_id",
    "row.to": "reading.at", "row.marks": "reading.marks",
}  # fmt: skip
_CLOCKS: Final = {"standard": cells.STANDARD, "Europe/Stockholm": cells.CIVIL, "UTC": cells.UNIVERSAL}


def recognised(table: Sheet, utility: Utility, now: datetime) -> Settings | None:
    """How a table is read that was exported by one of the formats there are; None for any other."""
    for layout in _layouts(utility):
        if _headings(layout) == table.headings and (layout.kind == EXCEL) == table.typed:
            return _settings(layout, table, now)
    return None


def words(utility: Utility) -> frozenset[str]:
    """The headings of all formats, as ``sheet.normal`` leaves them: the line that holds them is found by these."""
    return frozenset(normal(heading) for layout in _layouts(utility) for heading in _headings(layout)) - {""}


def _layouts(utility: Utility) -> Iterator[Layout]:
    """The formats of files with headings."""
    yield from _ready_made()
    for template in ExportTemplate.objects.filter(utility=utility).order_by("pk"):
        try:
            layout = template.read()
        except BadLayout:
            continue
        if layout.header and layout.kind != FIXED:
            yield layout


@cache
def _ready_made() -> tuple[Layout, ...]:
    return tuple(
        replace(one.layout, language=language)
        for one in READY_MADE.values()
        if one.layout.header and one.layout.kind != FIXED
        for language in ("sv", "en")
    )


@lru_cache(500)
def _headings(layout: Layout) -> list[str]:
    """The headings as ``sheet`` gives them."""
    with translation.override(layout.language):
        found = [catalogue.heading(one).strip() for one in layout.columns]
    return distinct([heading or column_name(place) for place, heading in enumerate(found)])


def _settings(layout: Layout, table: Sheet, now: datetime) -> Settings | None:
    """How a file of a layout is read; None when something that must be known doesn't stand in it."""
    units = {code: unit for column in layout.columns for code, unit in [_unit(column)] if unit}
    columns: list[list[str]] = []
    pairs = zip(layout.columns, table.headings, strict=True)
    for column, heading in sorted(
        pairs, key=lambda pair: pair[0].code != "row.marks"
    ):  # it says it of all figures
        code = _field(column)
        if code and code not in [taken for _heading, taken in columns]:
            columns.append([heading, code])
    codes = {code for _heading, code in columns}
    counters = {code for code in codes if code.removeprefix("reading.") in ENTERABLE}
    sure = all(code in units or code.replace("reading.", "unit.") in codes for code in counters)
    marks = [column.code for column in layout.columns if _field(column) == "reading.marks"]
    measured = "row.marks" in marks or len(marks) == len(counters) == 1
    clock = _clock(layout, now, typed=table.typed)
    if not (
        counters and sure and measured and clock and "reading.at" in codes
        and codes & {"reading.serial", "reading.facility_id"}
    ):  # fmt: skip
        return None
    how = table.how
    return Settings(
        encoding="" if table.typed else how.encoding, delimiter=how.delimiter, heading_line=how.heading_line,
        worksheet=how.worksheet, columns=columns, decimal=layout.decimal, clock=clock,
        units={code: unit for code, unit in units.items() if code in counters},
    )  # fmt: skip


def _field(column: Column) -> str:
    """What an export's column is for the import; "" for nothing."""
    register, _dot, what = column.code.rpartition(".")
    if register in ENTERABLE:
        return {
            catalogue.END: f"reading.{register}", catalogue.UNIT: f"unit.{register}",
            catalogue.HOW_END: "reading.marks",
        }.get(what, "")  # fmt: skip
    return _FIELDS.get(column.code, "")


def _unit(column: Column) -> tuple[str, str]:
    """The field and unit of a column whose unit the format says; "" when each meter's own stands there."""
    register, _dot, what = column.code.rpartition(".")
    if register not in ENTERABLE or what != catalogue.END or column.unit == OWN:
        return "", ""
    return f"reading.{register}", BY_CODE[register].unit if column.unit == STANDARD_UNIT else column.unit


def _clock(layout: Layout, now: datetime, *, typed: bool) -> str:
    """The clock by which the format's times are understood as they were meant; "" for none."""
    clock = _CLOCKS.get(layout.zone, cells.CIVIL if "XXX" in layout.date else "")
    if typed or not clock:
        return clock
    zone = zone_of(layout.zone)
    for moment in (now - timedelta(days=days, hours=days % 24) for days in (400, 300, 200, 100)):
        minute = moment.astimezone(STANDARD_TIME).replace(second=0, microsecond=0)
        try:
            read = cells.moment(written(layout.date, minute.astimezone(zone)), clock)
        except CellError:
            return ""
        if read != minute:
            return ""
    return clock
