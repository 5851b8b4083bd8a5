"""What an exported file looks like, as plain data: to be saved, copied, sent to another utility as JSON."""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext as _

from avlas.transfer.exports.date_pattern import BadPattern, compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SEPARATED, FIXED, EXCEL = "separated", "fixed", "excel"
STANDARD = "standard"
"""As a zone: Sweden's standard time, UTC+1 all year. As a unit: the register's canonical one."""
OWN = "own"
"""As a unit: what the meter itself shows."""
PERIOD: Final = "period"
INTERVALS: Final = (PERIOD, "month", "day", "hour")
ENCODINGS: Final = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 (BOM)",
    "iso8859-1": "ISO 8859-1",
    "iso8859-15": "ISO 8859-15",
    "cp1252": "Windows-1252",
}
NEWLINES: Final = {"crlf": "\r\n", "lf": "\n"}
QUOTING: Final = ("needed", "always", "never")
OVERFLOWS: Final = ("refuse", "cut", "mark")
CONSTANT: Final = "constant"
"""The code of a column that holds the same text in every row (its ``text``), or nothing."""
MOST_COLUMNS: Final = 150
MOST_WIDTH: Final = 500
_VERSION: Final = "avlas export 1"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``unit``, ``decimals`` are of figures; ``width`` and what follows of fixed widths.

    ``unit``: OWN, STANDARD or the name of one; ``decimals`` None: as many as the figure deserves. ``side`` is where the
    text stands: left or right; ``overflow`` what happens to one that is too long: refuse the export, cut it (never a
    figure), or mark it with #.
    """

    code: str
    heading: str = ""
    text: str = ""
    unit: str = OWN
    decimals: int | None = None
    width: int = 12
    side: str = "left"
    fill: str = " "
    overflow: str = "refuse"


@dataclass(frozen=True, slots=True)
class Layout:
    """A whole format: which meters, which rows, which columns, and how they are written."""

    columns: tuple[Column, ...] = ()
    kind: str = SEPARATED
    group: str = "all"
    medium: str = ""
    role: str = ""
    only_installed: bool = True
    interval: str = PERIOD
    borders: str = STANDARD
    interpolate: bool = True
    only_network: bool = True
    separator: str = ";"
    quote: str = '"'
    quoting: str = "needed"
    decimal: str = ","
    thousands: str = ""
    date: str = "dd-MM-yyyy HH:mm"
    zone: str = STANDARD
    encoding: str = "utf-8"
    newline: str = "crlf"
    header: bool = True
    guard: bool = True
    language: str = "sv"
    file_name: str = "{name}_{from}_{to}.csv"


class BadLayout(ValueError):  # noqa: N818
    """The layout makes no sense; ``problems`` say why, for people, by field ("" for the whole)."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


def to_data(layout: Layout) -> dict[str, Any]:
    """The layout as JSON can hold it; what is as usual is left out of the columns."""
    usual = {one.name: one.default for one in fields(Column)}
    data = asdict(layout)
    data["columns"] = [
        {name: value for name, value in column.items() if name == "code" or value != usual[name]}
        for column in data["columns"]
    ]
    return {"format": _VERSION, **data}


def from_data(data: Any, known: Iterable[str]) -> Layout:
    """The layout that ``to_data`` gave, or somebody wrote. ``known``: the codes there are. Raises BadLayout."""
    if not isinstance(data, dict) or data.get("format") != _VERSION:
        raise BadLayout(
            {"": _("This is no export format of Avläs (“format”: “%(version)s”).") % {"version": _VERSION}}
        )
    listed = data.get("columns")
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise BadLayout({"columns": _("The columns are missing.")})
    columns = tuple(_typed(Column, one) for one in listed[: MOST_COLUMNS + 1])
    made: Layout = replace(_typed(Layout, {**data, "columns": ()}), columns=columns)
    check(made, known)
    return made


def _typed(kind: Any, data: Mapping[str, Any]) -> Any:
    """A dataclass from JSON; raises BadLayout for a value of another type than its field's."""
    values = {}
    for one in fields(kind):
        if one.name not in data:
            if one.default is MISSING:
                raise BadLayout({one.name: _("“%(name)s” is missing.") % {"name": one.name}})
            continue
        value = data[one.name]
        usual = "" if one.default is MISSING else one.default
        fits = isinstance(value, int) or value is None if usual is None else isinstance(value, type(usual))
        if not fits or (isinstance(value, bool) and not isinstance(usual, bool)):
            raise BadLayout({one.name: _("“%(name)s” is of the wrong type.") % {"name": one.name}})
        values[one.name] = value
    return kind(**values)


def check(layout: Layout, known: Iterable[str]) -> None:
    """Raise BadLayout with everything that is wrong."""
    problems: dict[str, str] = {}
    codes = {*known, CONSTANT}
    for name, allowed in (
        ("kind", (SEPARATED, FIXED, EXCEL)),
        ("interval", INTERVALS),
        ("quoting", QUOTING),
        ("encoding", ENCODINGS),
        ("newline", NEWLINES),
        ("language", ("sv", "en")),
        ("decimal", (",", ".")),
    ):
        if getattr(layout, name) not in allowed:
            problems[name] = _("“%(value)s” is not one of the choices.") % {"value": getattr(layout, name)}
    for name in ("zone", "borders"):
        if getattr(layout, name) != STANDARD:
            try:
                zoneinfo.ZoneInfo(getattr(layout, name))
            except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
                problems[name] = _("There is no time zone %(value)s.") % {"value": getattr(layout, name)}
    try:
        compiled(layout.date)
    except BadPattern as problem:
        problems["date"] = str(problem)
    _check_signs(layout, problems)
    if not layout.columns:
        problems["columns"] = _("Choose at least one column.")
    if len(layout.columns) > MOST_COLUMNS:
        problems["columns"] = _("At most %(n)d columns.") % {"n": MOST_COLUMNS}
    for number, column in enumerate(layout.columns, 1):
        said = _wrong_column(column, codes, fixed=layout.kind == FIXED)
        if said:
            problems.setdefault("columns", _("Column %(n)d: %(said)s") % {"n": number, "said": said})
    if not layout.file_name.strip() or re.search(r"[/\\\x00-\x1f]", layout.file_name):
        problems["file_name"] = _("Give the file a name without slashes.")
    if problems:
        raise BadLayout(problems)


def _check_signs(layout: Layout, problems: dict[str, str]) -> None:
    if len(layout.separator) != 1 or layout.separator in "\r\n\"'" or layout.separator.isalnum():
        problems["separator"] = _("The separator is one sign, no letter, digit or quotation mark.")
    if (
        len(layout.quote) != 1
        or layout.quote in "\r\n"
        or layout.quote.isalnum()
        or layout.quote == layout.separator
    ):
        problems["quote"] = _("The quotation mark is one sign, another than the separator.")
    if len(layout.thousands) > 1 or layout.thousands == layout.decimal or layout.thousands.isdigit():
        problems["thousands"] = _("The thousands sign is one sign or none, another than the decimal sign.")


def _wrong_column(column: Column, codes: set[str], *, fixed: bool) -> str:
    if column.code not in codes:
        return _("there is nothing called “%(code)s”.") % {"code": column.code}
    if column.decimals is not None and not 0 <= column.decimals <= 9:
        return _("0 to 9 decimals.")
    if fixed:
        if not 1 <= column.width <= MOST_WIDTH:
            return _("the width is 1 to %(n)d signs.") % {"n": MOST_WIDTH}
        if len(column.fill) != 1 or column.fill in "\r\n":
            return _("it is filled with one sign.")
        if column.side not in ("left", "right") or column.overflow not in OVERFLOWS:
            return _("side or overflow is not one of the choices.")
    return ""
