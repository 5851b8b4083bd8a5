"""Rows that hold every word somebody searches for, whatever its case, Swedish letters included, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.db.models import F, Model

from avlas.meters.reading_order import Kept
from avlas.web.listing import ROWS_PER_PAGE
from avlas.web.meter_search import contains

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet

    from avlas.web.listing import Asked

M = TypeVar("M", bound=Model)


def holding(found: QuerySet[M], columns: Iterable[str], words: Iterable[str]) -> QuerySet[M]:
    """Those of ``found`` in whose ``columns`` (of their own table) each of ``words`` stands."""
    table = found.model._meta.db_table  # noqa: SLF001  # Django's documented name
    named = [f"{table}.{column}" for column in columns]
    for word in words:
        test, patterns = contains(named, word)
        found = found.extra(where=[f"({test})"], params=patterns)  # noqa: S610  # fixed texts; words are parameters
    return found


def in_order(found: QuerySet[M], order: Sequence[str], wanted: Asked) -> QuerySet[M]:
    """All of it in the order of some columns, as an index has it."""
    keys = [Kept(name) if name.endswith("_order") else F(name) for name in order]
    return found.order_by(*(key.desc() if wanted.descending else key.asc() for key in (*keys, F("pk"))))


def page_of(found: QuerySet[M], order: Sequence[str], wanted: Asked) -> list[M]:
    """One page in the order of some columns, read along an index; only its own rows are read whole."""
    ids = list(
        in_order(found, order, wanted).values_list("pk", flat=True)[
            wanted.offset : wanted.offset + ROWS_PER_PAGE
        ]
    )
    by_id = found.model._default_manager.in_bulk(ids)  # noqa: SLF001  # Django's documented name
    return [by_id[one] for one in ids if one in by_id]
