"""The order in which people look things up: Å before Ä before Ö after Z, whatever the case, house number 2 before 10.

Written as SQL that an index can hold, the same order on both databases whatever their locale: a list of 100,000 meters
is then walked along the index instead of being sorted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db import connection
from django.db.models import CharField, Func

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

_DIGITS: Final = 6  # a number's figures that count
_TEXTS: Final = {
    # Only a to z are folded by NOCASE; Å, Ä and Ö are by hand, and Ä moves between Å and Ö.
    "sqlite": "replace(replace(replace(replace({0}, 'Å', 'å'), 'Ö', 'ö'), 'Ä', 'å\uffff'), 'ä', 'å\uffff')"
    " COLLATE NOCASE",
    "postgresql": "replace(translate(lower({0}), 'ÅÄÖ', 'åäö'), 'ä', 'å\uffff') COLLATE \"C\"",
}
_NO_NUMBER: Final = "rtrim({0}, '0123456789')"
_FILLED: Final = (
    f"{_NO_NUMBER} || substr('{'0' * _DIGITS}' || substr({{0}}, length({_NO_NUMBER}) + 1), -{_DIGITS})"
)
_ADDRESSES: Final = {  # the number at the end, and a letter after it, as in "Kyrkogatan 10 B"
    "sqlite": "CASE WHEN {0} GLOB '*[0-9]' THEN "
    + _FILLED
    + " WHEN {0} GLOB '*[0-9][A-Za-z]' THEN "
    + _FILLED.replace("{0}", "substr({0}, 1, length({0}) - 1)")
    + " || substr({0}, -1) WHEN {0} GLOB '*[0-9] [A-Za-z]' THEN "
    + _FILLED.replace("{0}", "substr({0}, 1, length({0}) - 2)")
    + " || substr({0}, -1) ELSE {0} END",
    "postgresql": "regexp_replace(regexp_replace({0}, '([0-9]+) ?([A-Za-z]?)$', '"
    + "0" * _DIGITS
    + f"\\1\\2'), '0[0-9]*([0-9]{{{{{_DIGITS}}}}})([A-Za-z]?)$', '\\1\\2')",
}


def text(column: str, vendor: str = "") -> str:
    """SQL to order by for a text in ``column`` (an SQL name), on ``vendor`` or the database in use."""
    return _TEXTS[vendor or connection.vendor].format(column)


def address(column: str, vendor: str = "") -> str:
    """As ``text``, for a street address in ``column``: its house number counts as a number."""
    vendor = vendor or connection.vendor
    return _TEXTS[vendor].format(f"({_ADDRESSES[vendor].format(column)})")


class InOrder(Func):
    """What ``text`` or ``address`` orders by, for a model's index."""

    output_field = CharField()
    arity = 1
    order = staticmethod(text)

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, *_args: Any, **_more: Any
    ) -> tuple[str, list[Any]]:
        column, parameters = compiler.compile(self.get_source_expressions()[0])
        assert not parameters, "an index is made of a column"
        return self.order(column, connection.vendor), []


class AddressInOrder(InOrder):
    """As ``InOrder``, for a street address."""

    order = staticmethod(address)
