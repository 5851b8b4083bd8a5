"""The list of meters: search, filter, order and paging that stay quick with 100,000 meters.

The page's meters are found by hand-written SQL that joins only what the order needs and returns ids; the 50
meters shown are then fetched in a handful of indexed queries. Works on both databases.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import connection
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters.models import (
    STATE_TEXTS,
    Customer,
    Installation,
    Meter,
    MeteringPoint,
    MeterState,
    Occupancy,
    State,
)
from avlas.web import formats, info_codes, words
from avlas.web.listing import ROWS_PER_PAGE, Asked, Pages, asked
from avlas.web.pages.access import PageRequest, page, rows

if TYPE_CHECKING:
    from collections.abc import Iterable

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
)
"""A meter that ought to be heard: installed now, or heard although nobody has said where it is installed."""
_LAST_READ = "(SELECT max(s.last_read_at) FROM meters_meterstate s WHERE s.meter_id = m.id)"

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
class Column:
    """A column: how it is called, ordered and searched."""

    title: Promise
    joins: str
    key: str  # SQL of what it is ordered by
    is_text: bool = True
    found_in: str = ""  # SQL giving the meters whose column fits; {test} is the comparison
    compared: tuple[str, ...] = ()


COLUMNS: Final[dict[str, Column]] = {
    "customer": Column(
        gettext_lazy("Customer"), _OCCUPIED, "k.name", found_in=_AT_CUSTOMER, compared=("k.name",)
    ),
    "address": Column(
        gettext_lazy("Address"), _PLACED, "p.address", found_in=_AT_POINT, compared=("p.address", "p.city")
    ),
    "postal_code": Column(
        gettext_lazy("Postal code"), _PLACED, "p.postal_code", found_in=_AT_POINT, compared=("p.postal_code",)
    ),
    "customer_number": Column(
        gettext_lazy("Customer number"), _OCCUPIED, "k.number", found_in=_AT_CUSTOMER, compared=("k.number",)
    ),
    "type": Column(
        gettext_lazy("Meter type"), "", "m.model", found_in=_ITSELF, compared=("m.model", "m.manufacturer")
    ),
    "serial": Column(gettext_lazy("Serial number"), "", "m.serial", found_in=_ITSELF, compared=("m.serial",)),
    "latest": Column(gettext_lazy("Latest"), "", _LAST_READ, is_text=False),
}
SEARCHED: Final = tuple(name for name, column in COLUMNS.items() if column.found_in)

MISSING_AFTER: Final = timedelta(hours=24)
"""A meter that has not been read for this long is missing."""

STATUSES: Final[dict[str, Promise]] = {
    "read": gettext_lazy("Read in the last 24 hours"),
    "missing": gettext_lazy("Not read for 24 hours"),
    "info": gettext_lazy("Active info code"),
    "stock": gettext_lazy("In stock (not installed)"),
}
_BY_STATE: Final[dict[str, State]] = {
    state.name.lower(): state for state in State if state != State.UNKNOWN_METER
}


@dataclass(slots=True)
class Row:
    """One line of the list."""

    meter: Meter
    point: MeteringPoint | None = None
    customer: Customer | None = None
    states: list[MeterState] = field(default_factory=list)

    @property
    def last_read_at(self) -> datetime | None:
        """When the meter was last read, by whatever road."""
        return max((s.last_read_at for s in self.states if s.last_read_at), default=None)

    @property
    def info(self) -> str:
        """The active info codes in words, empty when there are none."""
        number = next((state.info_code for state in self.states if state.info_code), None)
        return info_codes.joined(self.meter.family, number)

    @property
    def state(self) -> int | None:
        """What became of the newest telegram; None when nothing was ever heard."""
        newest = max(self.states, key=lambda s: s.last_heard_at, default=None)
        return None if newest is None else newest.state


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


def find_meters(
    utility_id: int, wanted: Asked, medium: str, status: str, now: datetime
) -> tuple[list[int], int]:
    """The ids of one page's meters in order, and how many fit in all."""
    tests, parameters = ["m.utility_id = %s"], [utility_id]  # type: tuple[list[str], list[Any]]
    for word in wanted.words:
        found, values = [], []  # type: tuple[list[str], list[Any]]
        for template in (_AT_CUSTOMER, _AT_POINT, _ITSELF):
            compared = [
                name
                for column_name, column in COLUMNS.items()
                if column.found_in == template and wanted.column in ("", column_name)
                for name in column.compared
            ]
            if compared:
                test, patterns = contains(compared, word)
                found.append(template.format(test=test))
                values += [utility_id, *patterns]
        tests.append(f"m.id IN ({' UNION ALL '.join(found)})")
        parameters += values
    if medium:
        tests.append("m.medium = %s")
        parameters.append(medium)
    if status:
        test, values = _status_test(utility_id, status, now)
        tests.append(test)
        parameters += values
    column = COLUMNS[wanted.sort]
    joins = (
        _INSTALLED if status == "stock" and "meters_installation" not in column.joins else ""
    ) + column.joins
    key = _in_reading_order(column.key) if column.is_text else column.key
    direction = "DESC" if wanted.descending else "ASC"
    where = " AND ".join(tests)
    narrowed = len(tests) > 1
    total = "count(*) OVER ()" if narrowed else "0"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT m.id, {total} FROM meters_meter m {joins} WHERE {where}"  # fixed texts only
            f" ORDER BY {key} {direction} NULLS LAST, m.id {direction} LIMIT %s OFFSET %s",
            [*parameters, ROWS_PER_PAGE, wanted.offset],
        )
        page_rows = cursor.fetchall()
        if narrowed and page_rows:
            return [row[0] for row in page_rows], page_rows[0][1]
        installed = _INSTALLED if status == "stock" else ""
        cursor.execute(f"SELECT count(*) FROM meters_meter m {installed} WHERE {where}", parameters)
        return [row[0] for row in page_rows], cursor.fetchone()[0]


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
    if status == "stock":
        return "i.id IS NULL", []
    return of_states.format("IN", "state = %s"), [utility_id, int(_BY_STATE[status])]


def count_meters(utility_id: int, status: str, now: datetime) -> int:
    """How many meters the list shows under ``status``."""
    test, values = _status_test(utility_id, status, now)
    installed = _INSTALLED if status == "stock" else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM meters_meter m {installed} WHERE m.utility_id = %s AND {test}",
            [utility_id, *values],
        )
        return int(cursor.fetchone()[0])


def fetch_rows(ids: list[int]) -> list[Row]:
    """The lines for these meters, in this order, in four queries however many they are."""
    found = {meter.pk: Row(meter) for meter in Meter.objects.filter(pk__in=ids)}
    points: dict[int, list[Row]] = {}
    for installation in Installation.objects.filter(meter_id__in=ids, to_at=None).select_related("point"):
        row = found[installation.meter_id]
        row.point = installation.point
        points.setdefault(installation.point_id, []).append(row)
    for occupancy in Occupancy.objects.filter(point_id__in=points, to_at=None).select_related("customer"):
        for row in points[occupancy.point_id]:
            row.customer = occupancy.customer
    for state in MeterState.objects.filter(meter_id__in=ids).defer("recent"):
        if state.meter_id is not None:
            found[state.meter_id].states.append(state)
    return [found[pk] for pk in ids if pk in found]


@page()
def meters(request: PageRequest) -> HttpResponse:
    """The list of meters, as a page or as a file."""
    wanted = asked(request.GET, columns=SEARCHED, sorts=COLUMNS, default="address")
    medium = request.GET.get("medium", "")[:30]
    status = request.GET.get("status", "")
    status = status if status in STATUSES or status in _BY_STATE else ""
    now = datetime.now(UTC)
    ids, total = find_meters(request.utility.pk, wanted, medium, status, now)
    if not ids and total and wanted.page > 1:
        wanted = Asked(wanted.words, wanted.text, wanted.column, wanted.sort, wanted.descending, 1)
        ids, total = find_meters(request.utility.pk, wanted, medium, status, now)
    fragment = bool(request.htmx) and not request.htmx.boosted
    context = {
        "rows": fetch_rows(ids),
        "asked": wanted,
        "pages": Pages(total, wanted.page),
        "columns": COLUMNS,
        "searched": {name: COLUMNS[name].title for name in SEARCHED},
        "media": {} if fragment else _media(request),
        "medium": medium,
        "statuses": STATUSES
        | {name: STATE_TEXTS[state] for name, state in _BY_STATE.items() if state != State.READ},
        "status": status,
        "narrowed": bool(wanted.words or medium or status),
        "missing_before": now - MISSING_AFTER,
    }
    return render(request, "pages/meter_rows.html" if fragment else "pages/meters.html", context)


def _media(request: PageRequest) -> dict[str, str]:
    """The media of the utility's meters, in words."""
    found = rows(request, Meter).exclude(medium="").values_list("medium", flat=True).distinct()
    return {name: words.medium(name) for name in sorted(found)}


@page()
def export(request: PageRequest) -> HttpResponse:
    """All meters that fit the list's search and filter, as a CSV file that spreadsheets open."""
    wanted = asked(request.GET, columns=SEARCHED, sorts=COLUMNS, default="address")
    status = request.GET.get("status", "")
    status = status if status in STATUSES or status in _BY_STATE else ""
    medium = request.GET.get("medium", "")
    now = datetime.now(UTC)
    response = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{_("meters")}.csv"'
    semicolon = formats.language() == "sv"
    writer = csv.writer(response, delimiter=";" if semicolon else ",", lineterminator="\r\n")
    writer.writerow([str(column.title) for column in COLUMNS.values()])
    number, total = 1, 1
    while (number - 1) * ROWS_PER_PAGE < total:
        step = Asked(wanted.words, wanted.text, wanted.column, wanted.sort, wanted.descending, number)
        ids, total = find_meters(request.utility.pk, step, medium, status, now)
        for row in fetch_rows(ids):
            writer.writerow(
                [
                    as_text(row.customer.name if row.customer else ""),
                    as_text(row.point.address if row.point else ""),
                    as_text(row.point.postal_code if row.point else ""),
                    as_text(row.customer.number if row.customer else ""),
                    as_text(row.meter.model),
                    row.meter.serial,
                    formats.date_time(row.last_read_at).replace(formats.HARD_SPACE, " ")
                    if row.last_read_at
                    else "",
                ]
            )
        number += 1
    return response


def as_text(value: str) -> str:
    """``value`` so that no spreadsheet takes it for a formula."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
