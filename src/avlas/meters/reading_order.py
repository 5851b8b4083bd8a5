"""The order in which people look things up: Å before Ä before Ö after Z, whatever the case, house number 2 before 10.

Written as SQL that a generated column can hold, the same on both databases whatever their locale. The column's plain
order (``kept``) is the order in which people read, so a list of 100,000 meters is walked along an index instead of
being sorted. ``key`` and ``address_key`` do the same in Python.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from django.db import connection
from django.db.models import CharField, Func

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

_DIGITS: Final = 6  # a number's figures that count
_PLAIN: Final = {"Å": "å", "Ä": "ä", "Ö": "ö", "É": "e", "é": "e", "È": "e", "è": "e", "Ü": "y", "ü": "y"}
_BETWEEN: Final = ("ä", "å\uffff")  # Ä comes between Å and Ö, before which its number would put it


def _on_sqlite() -> str:
    term = "{0}"
    for letter, plain in (*_PLAIN.items(), _BETWEEN):
        term = f"replace({term},'{letter}','{plain}')"
    return f"lower({term})"  # of a to z only


_TEXTS: Final = {
    "sqlite": _on_sqlite(),
    "postgresql": f"replace(translate(lower({{0}} COLLATE \"C\"), '{''.join(_PLAIN)}', '{''.join(_PLAIN.values())}'),"
    f" '{_BETWEEN[0]}', '{_BETWEEN[1]}')",
}
_NO_NUMBER: Final = "rtrim({0},'0123456789')"  # no blanks after commas: Django reads such SQL back, badly
_FILLED: Final = (
    f"{_NO_NUMBER} || substr('{'0' * _DIGITS}' || substr({{0}},length({_NO_NUMBER}) + 1),-{_DIGITS})"
)
_ADDRESSES: Final = {  # the number at the end, and a letter after it, as in "Kyrkogatan 10 B"
    "sqlite": "CASE WHEN {0} GLOB '*[0-9]' THEN "
    + _FILLED
    + " WHEN {0} GLOB '*[0-9][A-Za-z]' THEN "
    + _FILLED.replace("{0}", "substr({0},1,length({0}) - 1)")
    + " || substr({0},-1) WHEN {0} GLOB '*[0-9] [A-Za-z]' THEN "
    + _FILLED.replace("{0}", "substr({0},1,length({0}) - 2)")
    + " || substr({0},-1) ELSE {0} END",
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


def kept(column: str, vendor: str = "") -> str:
    """SQL to order by for a column that holds what ``text`` or ``address`` made."""
    return f'{column} COLLATE "C"' if (vendor or connection.vendor) == "postgresql" else column


_TRANSLATED: Final = str.maketrans(_PLAIN | {"Ä": _BETWEEN[1], "ä": _BETWEEN[1]})
_A_TO_Z: Final = str.maketrans({letter: letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"})
_HOUSE: Final = re.compile(r"([0-9]+) ?([A-Za-z]?)\Z")


def key(text: str) -> str:
    """What to order a text by."""
    return text.translate(_TRANSLATED).translate(_A_TO_Z)


def address_key(address: str) -> str:
    """What to order a street address by."""
    return key(_HOUSE.sub(lambda found: found[1].rjust(_DIGITS, "0")[-_DIGITS:] + found[2], address))


class InOrder(Func):
    """What ``text`` or ``address`` orders by, for a model's generated column."""

    output_field = CharField()
    arity = 1
    order = staticmethod(text)

    def as_sql(
        self,
        compiler: SQLCompiler,
        connection: BaseDatabaseWrapper,
        function: str | None = None,  # noqa: ARG002 - Django's signature
        template: str | None = None,  # noqa: ARG002
        arg_joiner: str | None = None,  # noqa: ARG002
        **_extra_context: Any,
    ) -> tuple[str, tuple[str | int, ...]]:
        """The SQL for Django."""
        column, parameters = compiler.compile(self.get_source_expressions()[0])
        assert not parameters, "made of a column"
        return self.order(column, connection.vendor), ()


class AddressInOrder(InOrder):
    """As ``InOrder``, for a street address."""

    order = staticmethod(address)


class Kept(InOrder):
    """A column with ``InOrder`` or ``AddressInOrder`` in it, as an index holds it and a query orders by it."""

    order = staticmethod(kept)
