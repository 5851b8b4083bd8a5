"""The meters that report an info code now or did so within the last 30 days, with where they sit.

Hand-written SQL: the meters with codes are few among many, and are found without looking at the others' rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.db import connection

from avlas.meters import column_store
from avlas.reports.calc.recorded_time import LOOK_BACK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.backends.utils import CursorWrapper

_PLACED: Final = (
    "LEFT JOIN meters_installation i ON i.meter_id = m.id AND i.to_at IS NULL"
    " LEFT JOIN meters_meteringpoint p ON p.id = i.point_id"
)


@dataclass(slots=True)
class Reported:
    """A meter that reports something, or did."""

    meter_id: int
    family: str
    info_code: int = 0  # newest
    read_at: int | None = (
        None  # seconds UTC of the newest reading; only known if there is a code, or by ``describe``
    )
    changes: list[tuple[int, int]] = field(default_factory=list)
    """Moments (seconds UTC, rising) and the info code from then on, since the look-back began; before them the last one
    before it, where the meter has a code now or was asked to ``describe``."""
    code_before: int = 0  # what the first of the changes ended
    manufacturer: str = ""
    serial: str = ""
    model: str = ""
    medium: str = ""
    point_id: int | None = None
    address: str = ""
    postal_code: str = ""
    city: str = ""


def reported(utility_id: int, now: int, test: str = "", values: Sequence[Any] = ()) -> list[Reported]:
    """The utility's meters that have or had a code in the 30 days before ``now`` (seconds UTC), in no order.

    ``test``: SQL (with its ``values``) on meters_meter m and meters_meteringpoint p that narrows them. What they are
    and where is told by ``describe``: it is not needed of all.
    """
    begin = now - LOOK_BACK_SECONDS
    narrowed = f"{_PLACED} WHERE m.utility_id = %s AND ({test})" if test else "WHERE m.utility_id = %s"
    first = (
        "CROSS" if connection.vendor == "sqlite" else ""
    )  # SQLite then begins with the few that have a code
    found: dict[int, Reported] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.id, m.family, s.info_code, s.last_read_at"
            f" FROM meters_meterstate a {first} JOIN meters_meter m ON m.id = a.meter_id"
            f" LEFT JOIN meters_meterstate s ON s.meter_id = m.id {narrowed}"
            " AND a.utility_id = %s AND a.info_code <> 0",
            [utility_id, *values, utility_id],
        )
        for meter_id, family, info_code, read_at in cursor.fetchall():
            one = found.get(meter_id)
            if one is None:
                one = found[meter_id] = Reported(meter_id, family)
            if read_at is not None and (one.read_at is None or read_at >= one.read_at):
                one.read_at, one.info_code = read_at, info_code or 0
        _add_last_before(cursor, found, begin)
        cursor.execute(
            "SELECT e.meter_id, m.family, e.at, e.code, COALESCE(e.code_before, 0)"
            f" FROM meters_infoevent e JOIN meters_meter m ON m.id = e.meter_id {narrowed} AND e.at >= %s"
            " ORDER BY e.at",
            [utility_id, *values, begin],
        )
        for meter_id, family, at, code, before in cursor.fetchall():
            one = found.get(meter_id)
            if one is None:
                one = found[meter_id] = Reported(meter_id, family, code_before=before)
            elif not one.changes:
                one.code_before = before
            one.changes.append((at, code))
    return list(found.values())


def describe(some: Sequence[Reported], now: int) -> None:
    """Fill in what the meters are, where they sit, when they were read and their code before the look-back."""
    begin = now - LOOK_BACK_SECONDS
    by_id = {one.meter_id: one for one in some}
    listed, value = column_store.among(connection, "m.id", sorted(by_id))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.id, m.manufacturer, m.serial, m.model, m.medium, p.id, COALESCE(p.address, ''),"
            " COALESCE(p.postal_code, ''), COALESCE(p.city, '')"
            f" FROM meters_meter m {_PLACED} WHERE {listed}",
            [value],
        )
        for meter_id, *about in cursor.fetchall():
            one = by_id[meter_id]
            one.manufacturer, one.serial, one.model, one.medium = about[:4]
            one.point_id, one.address, one.postal_code, one.city = about[4:]
        cursor.execute(
            "SELECT s.meter_id, max(s.last_read_at) FROM meters_meterstate s"
            f" WHERE {listed.replace('m.id', 's.meter_id')} GROUP BY s.meter_id",
            [value],
        )
        for meter_id, read_at in cursor.fetchall():
            by_id[meter_id].read_at = read_at
        _add_last_before(cursor, by_id, begin)


def _add_last_before(cursor: CursorWrapper, of: dict[int, Reported], begin: int) -> None:
    """Put the last change before the look-back's begin before the others, if it isn't there yet."""
    listed, value = column_store.among(connection, "meter_id", list(of))
    cursor.execute(
        "SELECT b.meter_id, b.at, b.code FROM meters_infoevent b JOIN"
        f" (SELECT meter_id, max(at) AS at FROM meters_infoevent WHERE {listed} AND at < %s GROUP BY meter_id) l"
        " ON l.meter_id = b.meter_id AND l.at = b.at",
        [value, begin],
    )
    for meter_id, at, code in cursor.fetchall():
        changes = of[meter_id].changes
        if not changes or changes[0][0] >= begin:
            changes.insert(0, (at, code))


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
