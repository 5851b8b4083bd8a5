"""How a person said a file is to be understood, as imports and saved mappings keep it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, Self

from avlas.reports.calc.borders import STANDARD_TIME
from avlas.transfer.imports.fields import placed
from avlas.transfer.imports.register_row import Rules
from avlas.transfer.imports.sheet import How

if TYPE_CHECKING:
    from collections.abc import Mapping

    from avlas.transfer.imports.sheet import Sheet

CHANGE, LEAVE = "change", "leave"


@dataclass(frozen=True, slots=True)
class Settings:
    """``columns``: pairs of heading and field code. ``existing``: CHANGE or LEAVE what is there already.

    ``units``: field code -> the unit of its figures, where the file doesn't say it. ``format``: a name in
    ``formats.FORMATS`` when the file is no table at all.
    """

    encoding: str = ""
    delimiter: str = ""
    heading_line: int = -1
    worksheet: str = ""
    columns: list[list[str]] = field(default_factory=list)
    decimal: str = ""
    clock: str = "civil"
    system: str = ""
    manufacturer: str = ""
    medium: str = ""
    since: str = ""  # ISO 8601 date; "": the day of the import
    existing: str = CHANGE
    units: dict[str, str] = field(default_factory=dict)
    format: str = ""

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """Those kept in JSON; what this version doesn't know is passed over."""
        return cls(**{name: value for name, value in kept.items() if name in _NAMES})

    def packed(self) -> dict[str, Any]:
        """As JSON keeps them."""
        return asdict(self)

    @property
    def how(self) -> How:
        """How the file is read."""
        return How(self.encoding, self.delimiter, self.heading_line, self.worksheet)

    def rules(self, sheet: Sheet, now: datetime) -> Rules:
        """How its cells are meant. Raises Misfit when a column of the mapping is missing."""
        day = date.fromisoformat(self.since) if self.since else now.astimezone(STANDARD_TIME).date()
        since = min(datetime(day.year, day.month, day.day, tzinfo=STANDARD_TIME), now)
        return Rules(
            columns=placed(sheet.headings, self.columns), headings=sheet.headings,
            decimal="" if sheet.typed else self.decimal, clock=self.clock, system=self.system,
            manufacturer=self.manufacturer, medium=self.medium, since=since, now=now,
            units=self.units,
        )  # fmt: skip


_NAMES: Final = frozenset(Settings.__dataclass_fields__)
