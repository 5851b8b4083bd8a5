"""Rows that hold every word somebody searches for, whatever its case, Swedish letters included, in reading order."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.db.models import F, Model

from avlas.meters.reading_order import Kept
from avlas.web.meter_search import contains

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet

    from avlas.web.list_columns import Elsewhere
    from avlas.web.listing import Asked

M = TypeVar("M", bound=Model)


def holding(
    found: QuerySet[M],
    columns: Iterable[str],
    words: Iterable[str],
    elsewhere: Iterable[Elsewhere] = (),
    utility_id: int = 0,
) -> QuerySet[M]:
    """Those of ``found`` in whose ``columns`` (of their own table), or ``elsewhere``, each of ``words`` stands."""
    table = found.model._meta.db_table  # noqa: SLF001  # Django's documented name
    named = [f"{table}.{column}" for column in columns]
    for word in words:
        test, patterns = contains(named, word)
        tests = [test] if test else []
        values: list[int | str] = [*patterns]
        for place in elsewhere:
            there, patterns = contains(place.columns, word)
            tests.append(f"{table}.id IN ({place.found.format(test=there)})")
            values += [utility_id, *patterns]
        found = found.extra(where=[f"({' OR '.join(tests)})"], params=values)  # noqa: S610  # fixed texts alone
    return found


def in_order(found: QuerySet[M], order: Sequence[str], wanted: Asked) -> QuerySet[M]:
    """All of it in the order of some columns, as an index has it; rows that have nothing there come last."""
    keys = [Kept(name) if name.endswith("_order") else F(name) for name in order]
    empty = [found.model._meta.get_field(name).null or None for name in order]  # noqa: SLF001  # Django's documented name
    return found.order_by(
        *(
            key.desc(nulls_last=last) if wanted.descending else key.asc(nulls_last=last)
            for key, last in zip((*keys, F("pk")), (*empty, None), strict=True)
        )
    )
