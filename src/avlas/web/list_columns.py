"""What a column of a list shows of each row, on the page and in a file, and where its words are looked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from django.utils.html import conditional_escape, escape, format_html
from django.utils.safestring import mark_safe

from avlas.web import formats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.utils.functional import Promise
    from django.utils.safestring import SafeString

    from avlas.web.table_files import Cell

    Icon = Callable[..., SafeString]


class Fact(Protocol):
    """What is known of one row."""

    @property
    def pk(self) -> int:
        """Its number."""

    @property
    def title(self) -> str:
        """What it is called when it is ticked."""

    @property
    def address(self) -> str:
        """Where its own page is."""


F = TypeVar("F", bound=Fact)


@dataclass(frozen=True, slots=True)
class Column(Generic[F]):
    """One thing that is known of each row of a list."""

    code: str  # stands in addresses and cookies
    title: Promise | str
    value: Callable[[F], Cell]
    shown: Callable[[F, Icon], SafeString | str] | None = None  # on a page, in place of the value
    css: str = ""
    narrow: bool = True  # stands among the standard columns on a phone too
    unit: str = ""

    @property
    def heading(self) -> str:
        """The title with the unit, if it has one."""
        return f"{self.title} ({self.unit})" if self.unit else str(self.title)

    @property
    def kind(self) -> str:
        """What the heading is aligned by: "number" or "text"."""
        return "number" if self.css == "figure" else "text"

    def inside(self, fact: F, icon: Icon) -> SafeString | str:
        """What a cell shows, as HTML; "" for nothing."""
        return conditional_escape(as_text(self.value(fact)) if self.shown is None else self.shown(fact, icon))


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where words that belong to a row stand in another table."""

    found: str  # SQL giving the numbers of the rows; one %s: the utility; {test} is the comparison
    columns: tuple[str, ...]


def as_text(value: Cell) -> str:
    """A value as a page shows it; "" for None."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return formats.date_time(value)
    if isinstance(value, date):
        return formats.day(value)
    return value if isinstance(value, str) else formats.number(value)


def cells(fact: F, columns: Sequence[Column[F]], icon: Icon, *, standard: bool) -> SafeString:
    """All cells of a row; the first one leads to the row's own page. ``standard``: the columns nobody chose."""
    made = []
    for number, column in enumerate(columns):
        css = column.css
        if standard and not column.narrow:
            css += " narrow-hidden"
        attributes = f' class="{css.strip()}"' if css else ""
        if not standard and number:
            attributes += f' data-label="{escape(column.heading)}"'
        inside = column.inside(fact, icon)
        if number == 0:
            inside = format_html('<a class="main" href="{}">{}</a>', fact.address, inside or formats.MISSING)
        made.append(f"<td{attributes}>{inside}</td>")
    return mark_safe("".join(made))  # noqa: S308 - every part is escaped above
