"""The texts of a row in one, for a search in all of them: one comparison a row instead of one for each column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import CharField, Func

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler


class SearchText(Func):
    """Some columns with blanks between, which no searched word holds; on PostgreSQL in small letters.

    SQLite knows no letters beyond a to z: there the comparison minds the case.
    """

    output_field = CharField()

    def as_sql(
        self,
        compiler: SQLCompiler,
        connection: BaseDatabaseWrapper,
        function: str | None = None,  # noqa: ARG002 - Django's signature
        template: str | None = None,  # noqa: ARG002
        arg_joiner: str | None = None,  # noqa: ARG002
        **_extra_context: Any,
    ) -> tuple[str, tuple[str | int, ...]]:
        """The SQL for Django's generated column."""
        columns = [compiler.compile(column)[0] for column in self.get_source_expressions()]
        joined = " || ' ' || ".join(columns)
        return (f"lower({joined})" if connection.vendor == "postgresql" else f"({joined})"), ()
