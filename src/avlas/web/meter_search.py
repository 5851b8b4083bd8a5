"""Finding meters: search, filter, order and paging that stay quick with 100,000 meters.

A page's meters are found by hand-written SQL that joins only what the order needs and returns ids; what is shown of
them is then fetched by reports.variables. Works on both databases.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import connection
from django.utils.translation import gettext_lazy

from avlas.meters import groups
from avlas.meters.models import STATE_TEXTS, State
from avlas.web.listing import ROWS_PER_PAGE, Asked, asked

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django.http import QueryDict
    from django.utils.functional import Promise

_INSTALLED = "LEFT JOIN meters_installation i ON i.meter_id = m.id AND i.to_at IS NULL"
_PLACED = f"{_INSTALLED} LEFT JOIN meters_meteringpoint p ON p.id = i.point_id"
_OCCUPIED = (
    f"{_INSTALLED} LEFT JOIN meters_occupancy o ON o.point_id = i.point_id AND o.to_at IS NULL"
    " LEFT JOIN meters_customer k ON k.id = o.customer_id"
)
_EXPECTED = (
    "(EXISTS (SELECT 1 FROM meters_installation x WHERE x.meter_id = m.id AND x.to_at IS NULL)"
    " OR (NOT EXISTS (SELECT 1 FROM meters_installation x WHERE x.meter_id = m.id)"
    " AND EXISTS (SELECT 1 FROM meters_meterstate x WHERE x.meter_id = m.id)))"
    " AND NOT EXISTS (SELECT 1 FROM meters_pulseinput x WHERE x.meter_id = m.id AND x.to_at IS NULL)"
)
"""A meter that ought to be heard: installed now, or heard although nobody has said where it is installed.

One that another meter's pulse input counts for says nothing itself."""
_OF_STATES = "(SELECT max(s.{}) FROM meters_meterstate s WHERE s.meter_id = m.id)"

_AT_CUSTOMER = (
    "SELECT i.meter_id FROM meters_customer k"
    " JOIN meters_occupancy o ON o.customer_id = k.id AND o.to_at IS NULL"
    " JOIN meters_installation i ON i.point_id = o.point_id AND i.to_at IS NULL"
    " WHERE k.utility_id = %s AND ({test})"
)
_AT_POINT = (
    "SELECT i.meter_id FROM meters_meteringpoint p"
    " JOIN meters_installation i ON i.point_id = p.id AND i.to_at IS NULL"
    " WHERE p.utility_id = %s AND ({test})"
)
_ITSELF = "SELECT m.id FROM meters_meter m WHERE m.utility_id = %s AND ({test})"


@dataclass(frozen=True, slots=True)
class Order:
    """How the list is ordered by a variable."""

    joins: str
    key: str  # SQL
    is_text: bool = True


SORTS: Final[dict[str, Order]] = {
    "customer": Order(_OCCUPIED, "k.name"),
    "customer_number": Order(_OCCUPIED, "k.number"),
    "facility_id": Order(_PLACED, "p.facility_id"),
    "address": Order(_PLACED, "p.address"),
    "postal_code": Order(_PLACED, "p.postal_code"),
    "city": Order(_PLACED, "p.city"),
    "district": Order(_PLACED, "p.district"),
    "installed": Order(_INSTALLED, "i.from_at", is_text=False),
    "type": Order("", "m.model"),
    "manufacturer": Order("", "m.manufacturer"),
    "serial": Order("", "m.serial"),
    "medium": Order("", "m.medium"),
    "interval": Order("", "m.slot_seconds", is_text=False),
    "created": Order("", "m.created_at", is_text=False),
    "latest": Order("", _OF_STATES.format("last_read_at"), is_text=False),
    "last_heard": Order("", _OF_STATES.format("last_heard_at"), is_text=False),
}
SEARCHED: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "customer": (_AT_CUSTOMER, ("k.name",)),
    "address": (_AT_POINT, ("p.address", "p.city")),
    "postal_code": (_AT_POINT, ("p.postal_code",)),
    "customer_number": (_AT_CUSTOMER, ("k.number",)),
    "facility_id": (_AT_POINT, ("p.facility_id",)),
    "type": (_ITSELF, ("m.model", "m.manufacturer")),
    "serial": (_ITSELF, ("m.serial",)),
}
"""Variables that can be searched: SQL giving the meters that fit ({test} is the comparison), and what is compared."""

MISSING_AFTER: Final = timedelta(hours=24)
"""A meter that has not been read for this long is missing."""

STATUSES: Final[dict[str, Promise]] = {
    "read": gettext_lazy("Read in the last 24 hours"),
    "missing": gettext_lazy("Not read for 24 hours"),
    "info": gettext_lazy("Active info code"),
    **{state.name.lower(): STATE_TEXTS[state] for state in State if state not in (State.READ, State.UNKNOWN_METER)},
}  # fmt: skip
_BY_STATE: Final = {state.name.lower(): state for state in State}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which meters somebody asked for: the search with its order and page, and what narrows it further."""

    search: Asked
    medium: str = ""
    status: str = ""
    group: str = groups.ALL

    @property
    def narrowed(self) -> bool:
        """Whether anything is left out."""
        return bool(self.search.words or self.medium or self.status or self.group != groups.ALL)


def wanted(query: QueryDict) -> Wanted:
    """Read the list's query string; whatever makes no sense is taken as not asked."""
    status = query.get("status", "")
    return Wanted(
        asked(query, columns=SEARCHED, sorts=SORTS, default="address"),
        query.get("medium", "").replace("\0", "")[:30],
        status if status in STATUSES else "",
        query.get("group", "")[:20] or groups.ALL,
    )


def find_meters(utility_id: int, what: Wanted, now: datetime) -> tuple[list[int], int]:
    """The ids of one page's meters in order, and how many fit in all."""
    where, parameters = _where(utility_id, what, now)
    total = "count(*) OVER ()" if what.narrowed else "0"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT m.id, {total} FROM {_from(what.search)} WHERE {where}"  # fixed texts only
            f" ORDER BY {_order(what.search)} LIMIT %s OFFSET %s",
            [*parameters, ROWS_PER_PAGE, what.search.offset],
        )
        rows = cursor.fetchall()
        ids = [row[0] for row in rows]
        if what.narrowed and rows:
            return ids, rows[0][1]
        cursor.execute(f"SELECT count(*) FROM meters_meter m WHERE {where}", parameters)
        return ids, cursor.fetchone()[0]


def all_ids(utility_id: int, what: Wanted, now: datetime) -> list[int]:
    """The ids of all meters that fit, in the list's order."""
    where, parameters = _where(utility_id, what, now)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT m.id FROM {_from(what.search)} WHERE {where} ORDER BY {_order(what.search)}", parameters
        )
        return [row[0] for row in cursor.fetchall()]


def count_meters(utility_id: int, status: str, now: datetime) -> int:
    """How many meters the list shows under ``status``."""
    test, values = _status_test(utility_id, status, now)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM meters_meter m WHERE m.utility_id = %s AND {test}", [utility_id, *values]
        )
        return int(cursor.fetchone()[0])


def _from(search: Asked) -> str:
    return f"meters_meter m {SORTS[search.sort].joins}"


def _order(search: Asked) -> str:
    order = SORTS[search.sort]
    key = _in_reading_order(order.key) if order.is_text else order.key
    direction = "DESC" if search.descending else "ASC"
    return f"{key} {direction} NULLS LAST, m.id {direction}"


def _where(utility_id: int, what: Wanted, now: datetime) -> tuple[str, list[Any]]:
    tests, parameters = ["m.utility_id = %s"], [utility_id]  # type: tuple[list[str], list[Any]]
    for word in what.search.words:
        test, values = _word_test(utility_id, word, what.search.column)
        tests.append(test)
        parameters += values
    if what.medium:
        tests.append("m.medium = %s")
        parameters.append(what.medium)
    if what.status:
        test, values = _status_test(utility_id, what.status, now)
        tests.append(test)
        parameters += values
    if what.group != groups.ALL:
        test, values = groups.members_test(utility_id, what.group)
        tests.append(test)
        parameters += values
    return " AND ".join(tests), parameters


def _word_test(utility_id: int, word: str, column: str) -> tuple[str, list[Any]]:
    """SQL that tests whether a meter has ``word`` in ``column`` ("": in any that is searched)."""
    found, values = [], []  # type: tuple[list[str], list[Any]]
    for template in (_AT_CUSTOMER, _AT_POINT, _ITSELF):
        compared = [
            name
            for code, (where, names) in SEARCHED.items()
            if where == template and column in ("", code)
            for name in names
        ]
        if compared:
            test, patterns = contains(compared, word)
            found.append(template.format(test=test))
            values += [utility_id, *patterns]
    return f"m.id IN ({' UNION ALL '.join(found)})", values


def _status_test(utility_id: int, status: str, now: datetime) -> tuple[str, list[Any]]:
    of_states = (
        "m.id {} (SELECT meter_id FROM meters_meterstate"
        " WHERE utility_id = %s AND meter_id IS NOT NULL AND {})"
    )
    since = int((now - MISSING_AFTER).timestamp())
    if status == "read":
        return of_states.format("IN", "last_read_at >= %s"), [utility_id, since]
    if status == "missing":
        return f"{of_states.format('NOT IN', 'last_read_at >= %s')} AND {_EXPECTED}", [utility_id, since]
    if status == "info":
        return of_states.format("IN", "info_code <> 0"), [utility_id]
    return of_states.format("IN", "state = %s"), [utility_id, int(_BY_STATE[status])]


def contains(columns: Iterable[str], word: str) -> tuple[str, list[str]]:
    """SQL (and its parameters) that tests whether one of ``columns`` holds ``word``, whatever its case."""
    escaped = word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    if connection.vendor != "sqlite":
        test, patterns = "{} ILIKE %s", [f"%{escaped}%"]
    elif word.isascii():
        test, patterns = "{} LIKE %s ESCAPE '\\'", [f"%{escaped}%"]
    else:  # SQLite's LIKE knows no case beyond a-z: it finds candidates quickly, GLOB decides
        candidates = "".join(letter if letter.isascii() else "_" for letter in escaped)
        test = "({0} LIKE %s ESCAPE '\\' AND {0} GLOB %s)"
        patterns = [f"%{candidates}%", "*" + "".join(_either_case(letter) for letter in word) + "*"]
    tests = [test.format(column) for column in columns]
    return " OR ".join(tests), patterns * len(tests)


def _either_case(letter: str) -> str:
    """A GLOB that fits a letter in both cases."""
    if letter == "]":  # outside brackets it stands for itself, inside it would close them
        return letter
    both = {letter, *(other for other in (letter.lower(), letter.upper()) if len(other) == 1)}
    return f"[{''.join(sorted(both))}]"


def _in_reading_order(key: str) -> str:
    """SQL that orders a text as Swedish does, Å before Ä before Ö, all after Z.

    PostgreSQL's own collation does. SQLite goes by code points, where Ä stands before Å and ä before å; a collation of
    our own, or putting small and large letters together, would make the list of 100,000 meters several times slower.
    """
    if connection.vendor != "sqlite":
        return key
    return f"replace(replace({key}, 'Ä', 'Å\uffff'), 'ä', 'å\uffff') COLLATE NOCASE"
