"""Rows that hold every word somebody searches for, whatever its case, Swedish letters included."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.db.models import Model

from avlas.web.meter_search import contains

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

M = TypeVar("M", bound=Model)


def holding(found: QuerySet[M], columns: Iterable[str], words: Iterable[str]) -> QuerySet[M]:
    """Those of ``found`` in whose ``columns`` (of their own table) each of ``words`` stands."""
    table = found.model._meta.db_table  # noqa: SLF001  # Django's documented name
    named = [f"{table}.{column}" for column in columns]
    for word in words:
        test, patterns = contains(named, word)
        found = found.extra(where=[f"({test})"], params=patterns)  # noqa: S610  # fixed texts; words are parameters
    return found
