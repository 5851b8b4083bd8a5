"""A row of a utility's register (meter, point, customer) is changed: locked, compared, saved and audited."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from avlas.system import audit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from avlas.meters.keys import Who
    from avlas.meters.models import Customer, Meter, MeteringPoint


def change(
    row: Meter | MeteringPoint | Customer, values: Mapping[str, Any], who: Who, event: str
) -> list[str]:
    """Give ``row`` these values (its fields' names and what they become); give the names of those that changed.

    Nothing is written when nothing changes. The audit log tells old and new values of a meter; of points and
    customers, whose data may have to be erased one day, only which fields were changed.
    """
    with transaction.atomic():
        type(row)._default_manager.select_for_update().get(pk=row.pk)  # noqa: SLF001  # Django's own name
        row.refresh_from_db()
        before = {name: getattr(row, name) for name in values}
        changed = sorted(name for name, value in values.items() if before[name] != value)
        if not changed:
            return []
        for name in changed:
            setattr(row, name, values[name])
        row.save(update_fields=changed)
        private = event.partition(".")[0] != "meter"
        detail: dict[str, Any] = (
            {"changed": changed}
            if private
            else {name: [_plain(before[name]), _plain(values[name])] for name in changed}
        )
        audit.record(
            event,
            utility=row.utility,
            user=who.user,
            computer=who.computer,
            target=name_of(row),
            detail=detail,
        )
    return changed


def name_of(row: Meter | MeteringPoint | Customer) -> str:
    """What the audit log calls a row: the number it has in the utility's register, never a person's name."""
    return str(getattr(row, "facility_id", "") or getattr(row, "number", "") or row)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (date, datetime)) else value
