"""What somebody asked of a list: search words, a column, the order, a page; all of it in the address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.http import QueryDict

ROWS_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """A list's search, order and page, checked against what the list knows."""

    words: tuple[str, ...]
    text: str
    column: str  # the only column to search; "" for all
    sort: str
    descending: bool
    page: int  # from 1

    @property
    def offset(self) -> int:
        """How many rows stand before this page."""
        return (self.page - 1) * ROWS_PER_PAGE

    @property
    def order(self) -> str:
        """The order as it stands in the address: "-latest"."""
        return f"-{self.sort}" if self.descending else self.sort


def asked(query: QueryDict, *, columns: Collection[str], sorts: Collection[str], default: str) -> Asked:
    """Read a list's query string; whatever makes no sense is taken as not asked."""
    text = query.get("q", "").strip()[:100]
    column = query.get("in", "")
    order = query.get("sort", "")
    if order.removeprefix("-") not in sorts:
        order = default
    page = query.get("page", "")
    return Asked(
        words=tuple(text.replace("\0", "").split()[:5]),
        text=text,
        column=column if column in columns else "",
        sort=order.removeprefix("-"),
        descending=order.startswith("-"),
        page=min(int(page), 10**7) if page.isascii() and page.isdigit() and page != "0" * len(page) else 1,
    )


@dataclass(frozen=True, slots=True)
class Pages:
    """Where in a list one is."""

    total: int
    number: int

    @property
    def count(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // ROWS_PER_PAGE))

    @property
    def first_row(self) -> int:
        """The number of the page's first row, 0 in an empty list."""
        return min(self.total, (self.number - 1) * ROWS_PER_PAGE + 1)

    @property
    def last_row(self) -> int:
        """The number of the page's last row."""
        return min(self.total, self.number * ROWS_PER_PAGE)

    @property
    def around(self) -> list[int | None]:
        """The page numbers to offer; None stands for a gap."""
        near = {1, self.count, *range(max(1, self.number - 1), min(self.count, self.number + 1) + 1)}
        offered: list[int | None] = []
        for number in sorted(near):
            if offered and offered[-1] is not None and number - offered[-1] > 1:
                offered.append(None)
            offered.append(number)
        return offered
