"""A model field for moments kept as whole seconds since 1970 (UTC): small, sortable, the same on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import models


class UtcSecondsField(models.BigIntegerField):  # type: ignore[type-arg]
    """An aware datetime in Python, a whole number of seconds UTC in the database.

    Takes aware datetimes and plain numbers of seconds; a naive datetime is refused with ValueError, since
    nobody could say which moment it means.
    """

    def from_db_value(self, value: int | None, *_: Any) -> datetime | None:
        """Give the database's seconds as an aware UTC datetime."""
        return None if value is None else datetime.fromtimestamp(value, UTC)

    def to_python(self, value: Any) -> datetime | None:
        """Accept what forms and fixtures hand in."""
        if value is None or isinstance(value, datetime):
            return value
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        return datetime.fromtimestamp(value, UTC)

    def get_prep_value(self, value: Any) -> int | None:
        """Turn an aware datetime into seconds UTC, rounded down."""
        if value is None:
            return None
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise ValueError(f"{self.name}: {value} has no time zone, so it is no moment")
            return int(value.timestamp() // 1)
        return int(value)
