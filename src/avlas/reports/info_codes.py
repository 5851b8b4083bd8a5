"""The meters that report an info code now or did so within the last 30 days, with where they sit.

Hand-written SQL: the meters with codes are few among many, and are found without looking at the others' rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.db import connection

from avlas.reports.calc.recorded_time import LOOK_BACK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WITH_CODES: Final = (
    "SELECT s.meter_id FROM meters_meterstate s"
    " WHERE s.utility_id = %s AND s.info_code <> 0 AND s.meter_id IS NOT NULL"
    " UNION SELECT e.meter_id FROM meters_infoevent e"
    " WHERE e.at >= %s AND (e.code <> 0 OR e.code_before <> 0)"
)
_PLACED: Final = (
    "LEFT JOIN meters_installation i ON i.meter_id = m.id AND i.to_at IS NULL"
    " LEFT JOIN meters_meteringpoint p ON p.id = i.point_id"
)


@dataclass(slots=True)
class Reported:
    """A meter that reports something, or did."""

    meter_id: int
    manufacturer: str
    serial: str
    model: str
    medium: str
    family: str
    point_id: int | None
    address: str
    postal_code: str
    city: str
    info_code: int = 0  # newest
    read_at: int | None = None  # seconds UTC of the newest reading
    changes: list[tuple[int, int]] = field(default_factory=list)
    """Moments (seconds UTC, rising) and the info code from then on: the last before the look-back and all since."""


def reported(utility_id: int, now: int, test: str = "1 = 1", values: Sequence[Any] = ()) -> list[Reported]:
    """The utility's meters that have or had a code in the 30 days before ``now`` (seconds UTC), in no order.

    ``test``: SQL (with its ``values``) on meters_meter m and meters_meteringpoint p that narrows them.
    """
    begin = now - LOOK_BACK_SECONDS
    found: dict[int, Reported] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT m.id, m.manufacturer, m.serial, m.model, m.medium, m.family, p.id, COALESCE(p.address, ''),"
            " COALESCE(p.postal_code, ''), COALESCE(p.city, ''), s.info_code, s.last_read_at"
            f" FROM ({_WITH_CODES}) f JOIN meters_meter m ON m.id = f.meter_id {_PLACED}"
            " LEFT JOIN meters_meterstate s ON s.meter_id = m.id"
            f" WHERE m.utility_id = %s AND ({test})",
            [utility_id, begin, utility_id, *values],
        )
        for *about, info_code, read_at in cursor.fetchall():
            one = found.setdefault(about[0], Reported(*about))
            if read_at is not None and (one.read_at is None or read_at >= one.read_at):
                one.read_at = read_at
                one.info_code = info_code or 0
        cursor.execute(
            "SELECT e.meter_id, e.at, e.code"
            f" FROM ({_WITH_CODES}) f JOIN meters_infoevent e ON e.meter_id = f.meter_id"
            " WHERE e.at >= COALESCE((SELECT max(b.at) FROM meters_infoevent b"
            " WHERE b.meter_id = f.meter_id AND b.at < %s), 0) ORDER BY e.at",
            [utility_id, begin, begin],
        )
        for meter_id, at, code in cursor.fetchall():
            if meter_id in found:
                found[meter_id].changes.append((at, code))
    return list(found.values())


def all_changes(meter_ids: Iterable[int]) -> dict[int, list[tuple[int, int]]]:
    """Of each meter all moments (seconds UTC, rising) at which its info code changed, and the code from then on."""
    wanted = sorted(set(meter_ids))
    found: dict[int, list[tuple[int, int]]] = {one: [] for one in wanted}
    if wanted:
        marks = ", ".join(["%s"] * len(wanted))
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT meter_id, at, code FROM meters_infoevent WHERE meter_id IN ({marks}) ORDER BY at",
                wanted,
            )
            for meter_id, at, code in cursor.fetchall():
                found[meter_id].append((at, code))
    return found
