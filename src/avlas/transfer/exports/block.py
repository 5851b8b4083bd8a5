"""Rows on their way to a file, column by column: many cells are made and written at once. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Number(str):
    """A number as plain text: digits, perhaps a minus sign and a point. Exact, however many there are."""

    __slots__ = ()


class At(int):
    """A moment in whole seconds UTC."""

    __slots__ = ()


Cell = str | Number | At | date | None


@dataclass(frozen=True, slots=True)
class Strip:
    """One column of some rows: a value for each of them, None: an empty cell.

    ``kind``: what every value is: Number (its text), At (seconds) or str; None: the values are cells of any kind.
    ``repeats``: how many rows each value fills; None: one.
    """

    values: Sequence[Any]
    kind: type[Number | At | str] | None = None
    repeats: Sequence[int] | None = None

    def cells(self) -> Sequence[Cell]:
        """The column's cells, one for each row."""
        kind = self.kind
        if kind is None or kind is str:
            return self.spread(self.values)
        return self.spread([None if value is None else kind(value) for value in self.values])

    def spread(self, made: Sequence[Any]) -> Sequence[Any]:
        """What was made of the values, one for each row."""
        if self.repeats is None:
            return made
        return list(chain.from_iterable(map(repeat, made, self.repeats)))


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows, as strips of equally many."""

    strips: list[Strip]

    def rows(self) -> Iterator[tuple[Cell, ...]]:
        """Row by row."""
        return zip(*(strip.cells() for strip in self.strips), strict=True)
