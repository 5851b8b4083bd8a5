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

from avlas.meters import column_store, groups, reading_order
from avlas.meters.models import STATE_TEXTS, State
from avlas.web.listing import ROWS_PER_PAGE, Asked, asked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from django.http import QueryDict
    from django.utils.functional import Promise

_INSTALLED = "LEFT JOIN meters_installation i ON i.meter_id = m.id AND i.to_at IS NULL"
_PLACED = f"{_INSTALLED} LEFT JOIN meters_meteringpoint p ON p.id = i.point_id"
_OCCUPIED = (
    f"{_INSTALLED} LEFT JOIN meters_occupancy o ON o.point_id = i.point_id AND o.to_at IS NULL"
    " LEFT JOIN meters_customer k ON k.id = o.customer_id"
)
_FIRST = "(SELECT 1 FROM {} x WHERE x.meter_id = m.id{} LIMIT 1)"
_EXPECTED = (
    f"({_FIRST.format('meters_installation', ' AND x.to_at IS NULL')} IS NOT NULL"
    f" OR ({_FIRST.format('meters_installation', '')} IS NULL"
    f" AND {_FIRST.format('meters_meterstate', '')} IS NOT NULL))"
    " AND m.id NOT IN (SELECT x.meter_id FROM meters_pulseinput x WHERE x.meter_id IS NOT NULL AND x.to_at IS NULL)"
)
"""A meter that ought to be heard: installed now, or heard although nobody has said where it is installed.

One that another meter's pulse input counts for says nothing itself. Few meters are asked this: for EXISTS PostgreSQL
would read the whole tables beforehand."""
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
_AROUND = (
    f"meters_meter m {_PLACED} LEFT JOIN meters_occupancy o ON o.point_id = i.point_id AND o.to_at IS NULL"
    " LEFT JOIN meters_customer k ON k.id = o.customer_id"
)
"""A meter with the same three places."""


@dataclass(frozen=True, slots=True)
class Order:
    """How the list is ordered by a variable.

    ``walk`` is one of _WALKS when the list of all meters can be had by walking along an index of ``columns``.
    """

    joins: str
    columns: tuple[str, ...]  # SQL
    walk: str = ""
    in_order: Callable[[str], str] = str  # SQL to order by, of a column

    @property
    def keys(self) -> list[str]:
        """SQL to order by."""
        return [self.in_order(column) for column in self.columns]


SORTS: Final[dict[str, Order]] = {
    "customer": Order(_OCCUPIED, ("k.name_order",), "customers", reading_order.kept),
    "customer_number": Order(_OCCUPIED, ("k.number",), "customers"),
    "facility_id": Order(_PLACED, ("p.facility_id",), "points"),
    "address": Order(_PLACED, ("p.address_order",), "points", reading_order.kept),
    "postal_code": Order(_PLACED, ("p.postal_code",), "points"),
    "city": Order(_PLACED, ("p.city_order", "p.address_order"), "points", reading_order.kept),
    "district": Order(_PLACED, ("p.district_order", "p.address_order"), "points", reading_order.kept),
    "installed": Order(_INSTALLED, ("i.from_at",)),
    "type": Order("", ("m.model",), "meters"),
    "manufacturer": Order("", ("m.manufacturer",)),
    "serial": Order("", ("m.serial",), "meters"),
    "medium": Order("", ("m.medium",)),
    "interval": Order("", ("m.slot_seconds",)),
    "created": Order("", ("m.created_at",)),
    "latest": Order("", (_OF_STATES.format("last_read_at"),), "last_read_at"),
    "last_heard": Order("", (_OF_STATES.format("last_heard_at"),), "last_heard_at"),
}


@dataclass(frozen=True, slots=True)
class Walk:
    """Meters met along an index, and the test that finds those which are not met so and come last."""

    table: str  # what the index belongs to, and the name it goes by
    joins: str  # from there to the meters
    meter: str  # the meter's number
    ties: tuple[str, ...]  # what decides among equal keys, the table's own number first
    others: str

    @property
    def rows(self) -> str:
        """SQL after FROM up to its tests; one %s: the utility."""
        alias = self.table.split()[1]
        joins = self.joins.format(along=_ALONG[connection.vendor])
        return f"{self.table} {joins} WHERE {alias}.utility_id = %s"


_WALKS: Final = {
    "points": Walk(
        "meters_meteringpoint p",
        "{along} JOIN meters_installation i ON i.point_id = p.id AND i.to_at IS NULL",
        "i.meter_id",
        ("p.id", "i.meter_id"),
        "NOT EXISTS (SELECT 1 FROM meters_installation i WHERE i.meter_id = m.id AND i.to_at IS NULL)",
    ),
    "customers": Walk(
        "meters_customer k",
        "{along} JOIN meters_occupancy o ON o.customer_id = k.id AND o.to_at IS NULL"
        " {along} JOIN meters_installation i ON i.point_id = o.point_id AND i.to_at IS NULL",
        "i.meter_id",
        ("k.id", "o.point_id", "o.id", "i.meter_id"),  # o.id: SQLite sees then that nothing is left to sort
        "NOT EXISTS (SELECT 1 FROM meters_installation i"
        " JOIN meters_occupancy o ON o.point_id = i.point_id AND o.to_at IS NULL"
        " WHERE i.meter_id = m.id AND i.to_at IS NULL)",
    ),
    "meters": Walk("meters_meter m", "", "m.id", ("m.id",), "1 = 0"),
}
_SORTED_AT_MOST: Final = 10_000  # meters that fit a search: more are picked out on the walk
_WALKED_AT_ONCE: Final = 1000
_COUNTED_FROM: Final = 2000
"""Rows before a page from which on they are counted as a whole, not met one by one: PostgreSQL is quicker at that."""
_ALONG: Final = {
    "sqlite": "CROSS",
    "postgresql": "",
}  # SQLite then keeps the order in which the tables are named
_IN_ALL: Final = {
    _AT_CUSTOMER: ("k.search_text",),
    _AT_POINT: ("p.search_text",),
    _ITSELF: ("m.search_text",),
}
"""Where all that is compared stands in one column."""
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
    search = what.search
    walks = bool(SORTS[search.sort].walk)
    if not what.narrowed:
        total = _value("SELECT count(*) FROM meters_meter WHERE utility_id = %s", utility_id)
        if walks:
            return _walked(utility_id, search, total), total
        return _sorted(utility_id, search), total
    where, parameters = _where(utility_id, what, now)
    fitting = _column(f"SELECT m.id FROM meters_meter m WHERE {where}", *parameters)
    if walks and len(fitting) > _SORTED_AT_MOST:
        return _picked(utility_id, search, set(fitting)), len(fitting)
    return _sorted(utility_id, search, fitting), len(fitting)


def _sorted(utility_id: int, search: Asked, among: list[int] | None = None) -> list[int]:
    """One page of all meters, or of those ``among`` them, found by sorting."""
    test, values = "", []  # type: str, list[Any]
    if among is not None:
        listed, value = column_store.among(connection, "m.id", among)
        test, values = f" AND {listed}", [value]
    return _column(
        f"SELECT m.id FROM {_from(search)} WHERE m.utility_id = %s{test}"  # fixed texts only
        f" ORDER BY {_order(search)} LIMIT %s OFFSET %s",
        utility_id,
        *values,
        ROWS_PER_PAGE,
        search.offset,
    )


def _picked(utility_id: int, search: Asked, among: set[int]) -> list[int]:
    """One page of many meters, ``among`` all: the others are passed over on the walk."""
    direction = "DESC" if search.descending else "ASC"
    met, keys, _others = _on_the_walk(search, direction, "LAST")
    end = search.offset + ROWS_PER_PAGE
    found: list[int] = []
    begin, asked_for = 0, _WALKED_AT_ONCE
    while len(found) < end:  # in growing steps: for a few rows PostgreSQL walks, for all it would sort
        rows = _column(f"{met} ORDER BY {keys} LIMIT %s OFFSET %s", utility_id, asked_for, begin)
        found += [one for one in rows if one in among]
        if len(rows) < asked_for:
            break
        begin, asked_for = begin + asked_for, asked_for * 8
    if len(found) < end:
        found += sorted(among.difference(found), reverse=search.descending)
    return found[search.offset : end]


def _walked(utility_id: int, search: Asked, total: int) -> list[int]:
    """One page of all meters, found along an index from the nearer end: what stands before it is counted, not sorted.

    Meters that are not met there stand last, whatever the direction.
    """
    begin, end = search.offset, min(search.offset + ROWS_PER_PAGE, total)
    if begin >= end:
        return []
    backwards = begin > total // 2
    if backwards:
        begin, end = total - end, total - begin
    direction = "DESC" if search.descending != backwards else "ASC"
    met, keys, others = _on_the_walk(search, direction, "FIRST" if backwards else "LAST")
    others_in_order = (
        f"SELECT m.id FROM meters_meter m WHERE m.utility_id = %s AND {others}"
        f" ORDER BY m.id {direction} LIMIT %s OFFSET %s"
    )
    if backwards:
        last = _column(others_in_order, utility_id, end, 0)
        ids = last[begin:]
        if len(last) < end:
            ids += _met(
                utility_id, search, direction, met, keys, max(0, begin - len(last)), end - begin - len(ids)
            )
        ids.reverse()
    else:
        ids = _met(utility_id, search, direction, met, keys, begin, end - begin)
        if len(ids) < end - begin:
            before = 0 if ids else begin - _value(f"SELECT count(*) FROM ({met}) c", utility_id)
            ids += _column(others_in_order, utility_id, end - begin - len(ids), before)
    own = set(groups.of_utility(utility_id, ids))
    return [one for one in ids if one in own]


def _met(
    utility_id: int, search: Asked, direction: str, met: str, keys: str, begin: int, count: int
) -> list[int]:
    """Some of the meters ``met`` on the walk in the order of ``keys``, after ``begin`` others."""
    order = SORTS[search.sort]
    if begin < _COUNTED_FROM or order.walk not in ("points", "customers"):
        return _column(f"{met} ORDER BY {keys} LIMIT %s OFFSET %s", utility_id, count, begin)
    # Most have one meter each: the row that stands at this place is near. How many are met before it?
    walk = _WALKS[order.walk]
    alias, number = walk.table.split()[1], walk.ties[0]
    place = [*order.keys, number]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(order.columns)}, {number} FROM {walk.table} WHERE {alias}.utility_id = %s"
            f" ORDER BY {', '.join(f'{one} {direction}' for one in place)} LIMIT 1 OFFSET %s",
            [utility_id, begin],
        )
        near = cursor.fetchone()
    if near is None:
        return _column(f"{met} ORDER BY {keys} LIMIT %s OFFSET %s", utility_id, count, begin)
    marks = ", ".join(["%s"] * len(place))
    before, after = (
        f"({', '.join(place)}) {than} ({marks})"
        for than in (("<", ">=") if direction == "ASC" else (">", "<="))
    )
    there = _value(f"SELECT count(*) FROM {walk.rows} AND {before}", utility_id, *near)
    ids: list[int] = []
    if begin < there:
        back = "DESC" if direction == "ASC" else "ASC"
        keys_back = _on_the_walk(search, back, "")[1]
        end = min(begin + count, there)
        ids = _column(
            f"{met} AND {before} ORDER BY {keys_back} LIMIT %s OFFSET %s",
            utility_id, *near, end - begin, there - end,
        )[::-1]  # fmt: skip
    if len(ids) < count:
        ids += _column(
            f"{met} AND {after} ORDER BY {keys} LIMIT %s OFFSET %s",
            utility_id, *near, count - len(ids), max(0, begin - there),
        )  # fmt: skip
    return ids


def _on_the_walk(search: Asked, direction: str, nulls: str) -> tuple[str, str, str]:
    """SQL that meets meters (one %s: the utility), what it is ordered by, and the test of those that it never meets."""
    order = SORTS[search.sort]
    if order.walk in _WALKS:
        walk = _WALKS[order.walk]
        met = f"SELECT {walk.meter} FROM {walk.rows}"
        keys = ", ".join(f"{key} {direction}" for key in (*order.keys, *walk.ties))
        return met, keys, walk.others
    # what changes with every telegram has no index: one look at each state, each meter once
    met = "SELECT s.meter_id FROM meters_meterstate s WHERE s.utility_id = %s AND s.meter_id IS NOT NULL"
    newest = f"s.{order.walk}"
    if not _each_heard_at_one_address():
        met, newest = f"{met} GROUP BY s.meter_id", f"max({newest})"
    return (
        met,
        f"{newest} {direction} NULLS {nulls}, s.meter_id {direction}",
        "NOT EXISTS (SELECT 1 FROM meters_meterstate s WHERE s.meter_id = m.id)",
    )


def _each_heard_at_one_address() -> bool:
    """Whether no meter of the installation has more than one state: asked of all, an index answers."""
    return bool(_row("SELECT count(meter_id) = count(DISTINCT meter_id) FROM meters_meterstate")[0])


def _column(statement: str, *parameters: Any) -> list[int]:
    """The numbers in a statement's first column."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [row[0] for row in cursor.fetchall()]


def _value(statement: str, *parameters: Any) -> int:
    """The one number that a statement gives."""
    return int(_row(statement, *parameters)[0])


def _row(statement: str, *parameters: Any) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found: tuple[Any, ...] = cursor.fetchone()
    return found


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
    return _value(
        f"SELECT count(*) FROM meters_meter m WHERE m.utility_id = %s AND {test}", utility_id, *values
    )


def _from(search: Asked) -> str:
    return f"meters_meter m {SORTS[search.sort].joins}"


def _order(search: Asked) -> str:
    order = SORTS[search.sort]
    direction = "DESC" if search.descending else "ASC"
    return ", ".join([*(f"{key} {direction} NULLS LAST" for key in order.keys), f"m.id {direction}"])


def _where(utility_id: int, what: Wanted, now: datetime) -> tuple[str, list[Any]]:
    tests, parameters = ["m.utility_id = %s"], [utility_id]  # type: tuple[list[str], list[Any]]
    longest, *more = sorted(what.search.words, key=len, reverse=True) or [""]
    if longest:
        test, values = _word_test(utility_id, longest, what.search.column)
        if more:
            also, patterns = _also_test(more, what.search.column)
            test = f"m.id IN (SELECT m.id FROM {_AROUND} WHERE {test} AND {also})"
            values += patterns
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
        compared = _compared(template, column)
        if compared:
            test, patterns = contains(compared, word)
            found.append(template.format(test=test))
            values += [utility_id, *patterns]
    return f"m.id IN ({' UNION ALL '.join(found)})", values


def _also_test(words: list[str], column: str) -> tuple[str, list[Any]]:
    """As ``_word_test``, for those of _AROUND that fit the first word: their own rows alone are looked at."""
    compared = [
        name for template in (_ITSELF, _AT_POINT, _AT_CUSTOMER) for name in _compared(template, column)
    ]
    found, values = [], []  # type: list[str], list[Any]
    for word in words:
        test, patterns = contains(compared, word)
        found.append(f"({test})")
        values += patterns
    return " AND ".join(found), values


def _compared(template: str, column: str) -> list[str]:
    """What is compared in one of the three places where words are looked for."""
    if not column:
        return list(_IN_ALL[template])
    return [
        name
        for code, (where, names) in SEARCHED.items()
        if where == template and column in ("", code)
        for name in names
    ]


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
    tests, values = [], []  # type: list[str], list[str]
    for column in columns:
        test, patterns = _holds(column, word)
        tests.append(test)
        values += patterns
    return " OR ".join(tests), values


def _holds(column: str, word: str) -> tuple[str, list[str]]:
    escaped = word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    if connection.vendor != "sqlite":
        if column.endswith("search_text"):  # small letters, see SearchText
            return f"{column} LIKE %s", [f"%{escaped.lower()}%"]
        has_case = word.upper() != word.lower()
        return f"{column} {'ILIKE' if has_case else 'LIKE'} %s", [f"%{escaped}%"]
    if word.isascii():
        return f"{column} LIKE %s ESCAPE '\\'", [f"%{escaped}%"]
    # SQLite's LIKE knows no case beyond a-z: it finds candidates quickly, GLOB decides
    candidates = "".join(letter if letter.isascii() else "_" for letter in escaped)
    letters = "".join(_either_case(letter) for letter in word)
    return f"({column} LIKE %s ESCAPE '\\' AND {column} GLOB %s)", [f"%{candidates}%", f"*{letters}*"]


def _either_case(letter: str) -> str:
    """A GLOB that fits a letter in both cases."""
    if letter == "]":  # outside brackets it stands for itself, inside it would close them
        return letter
    both = {letter, *(other for other in (letter.lower(), letter.upper()) if len(other) == 1)}
    return f"[{''.join(sorted(both))}]"
