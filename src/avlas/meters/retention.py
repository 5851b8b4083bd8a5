"""How long readings stay: all of them for 13 months, then one a day, after five years none.

Only what the network collected is thinned; typed, imported, optically read and exchange readings stay until they are
five years old, and so do the values a meter stored at the turn of a month. Of each day the reading nearest the day's
border (as the utility has set it) stays, one that nothing speaks against if there is any. Whole months are thinned, in
transactions of some ten thousand rows with a rest after each, so that ingest is never kept waiting.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.utils import timezone

from avlas.meters.erasure import hold
from avlas.meters.models import Exchange, Kind, Meter, Quality, Source, ThinnedMonth
from avlas.reports.calc.borders import STANDARD_TIME, months_later, zone_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from avlas.system.models import Utility

FROM_NETWORK: Final = (Source.RADIO, Source.WIRED, Source.NETWORK, Source.SIMULATED)
_ROWS_AT_ONCE: Final = 20_000
_AGAIN_AFTER = timedelta(days=30)
_HOUR, _DAY, _HALF_DAY = 3600, 86400, 43200
_MONTH_SECONDS = 31 * _DAY
_KEY: Final = "((meter_id * 4 + kind) * 8589934592 + slot_at)"
"""A reading's key as one number: NOT IN looks such a one up, and walks through a list of keys of three columns."""
_CIVIL_TIMES = (STANDARD_TIME, ZoneInfo("Europe/Stockholm"))
_SUSPECT = int(
    Quality.BACKWARDS | Quality.IMPLAUSIBLE | Quality.SENSOR_ERROR | Quality.CLOCK_WRONG | Quality.VOIDED
)


@dataclass(frozen=True, slots=True)
class Rule:
    """How many months every reading stays, and how many years one a day does."""

    all_months: int = 13
    years: int = 5

    @classmethod
    def of(cls, utility: Utility) -> Rule:
        """What the utility has chosen."""
        return cls(utility.keep_all_months, utility.keep_daily_years)


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in standard time; ``begin`` and ``end``: seconds UTC of its first moment and the next one's."""

    begin: int
    end: int

    @property
    def first(self) -> datetime:
        """Its first moment, in standard time."""
        return datetime.fromtimestamp(self.begin, STANDARD_TIME)

    @property
    def span(self) -> tuple[int, int]:
        """From and until when readings are nearest to a border of one of its days (seconds UTC)."""
        return self.begin - _HALF_DAY, self.end - _HALF_DAY

    @property
    def own_values(self) -> list[int]:
        """When meters store their value of the turn of the month, in standard or civil time."""
        wall = self.first.replace(tzinfo=None)
        return sorted({int(wall.replace(tzinfo=zone).timestamp()) for zone in _CIVIL_TIMES})


def month_of(moment: datetime) -> Month:
    """The month that holds a moment (aware)."""
    first = moment.astimezone(STANDARD_TIME).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=31)).replace(day=1)
    return Month(int(first.timestamp()), int(following.timestamp()))


def months_before(now: datetime, months: int) -> datetime:
    """The same moment so many calendar months earlier (UTC); of a day that month hasn't, its last."""
    there = month_of(now).first
    first, following = (
        datetime(day.year, day.month, 1, tzinfo=STANDARD_TIME)
        for day in (months_later(there, -months), months_later(there, 1 - months))
    )
    return min(first + (now - there), following).astimezone(UTC)


def limits(rule: Rule, now: datetime) -> tuple[datetime, datetime]:
    """Before which moment readings are thinned, and before which they go altogether."""
    return months_before(now, rule.all_months), months_before(now, 12 * rule.years)


def old_months(utility: Utility, rule: Rule, now: datetime) -> list[Month]:
    """The months with readings that are old enough to be thinned, oldest first; thinned before or not."""
    oldest = _oldest(utility.pk)
    if oldest is None:
        return []
    thinned_before, gone_before = limits(rule, now)
    month = month_of(max(_moment(oldest), gone_before))
    found = []
    while month.end <= thinned_before.timestamp():
        found.append(month)
        month = month_of(_moment(month.end))
    return found


def due_months(utility: Utility, rule: Rule, now: datetime) -> list[Month]:
    """Those that were never thinned, and those in which something may have come in late since, oldest first."""
    done = {
        int(one.month_at.timestamp()): one.thinned_at for one in ThinnedMonth.objects.filter(utility=utility)
    }
    never = datetime.min.replace(tzinfo=UTC)
    return [
        month for month in old_months(utility, rule, now) if done.get(month.begin, never) < now - _AGAIN_AFTER
    ]


def was_thinned(utility: Utility, month: Month) -> bool:
    """Whether it has been thinned before: what is left of it doesn't tell how well meters were read."""
    return ThinnedMonth.objects.filter(utility=utility, month_at=month.begin).exists()


def surplus_of(utility: Utility, month: Month, at_most_seconds: float = 5) -> tuple[int, bool]:
    """How many readings ``thin`` would remove, and whether all meters were counted in the given time."""
    begun, found, zone = time.monotonic(), 0, zone_of(utility.day_borders)
    for ids in _chunks(utility.pk):
        if time.monotonic() - begun > at_most_seconds:
            return found, False
        with connection.cursor() as cursor:
            surplus, values = _surplus(ids, month, zone)
            cursor.execute(f"SELECT count(*) {surplus}", values)
            found += cursor.fetchone()[0]
    return found, True


def thin(
    utility: Utility, month: Month, note: Callable[[float], None] | None = None, *, rest: bool = True
) -> int:
    """Leave one reading a day of what the network collected in a month; gives how many were removed.

    ``note`` is told after each transaction which share (0 to 1) of the meters is done. Doing it again removes only what
    has come in since. Without ``rest`` the database is taken without a break.
    """
    removed = done = 0
    zone = zone_of(utility.day_borders)
    number = Meter.objects.filter(utility=utility).count()
    for ids in _chunks(utility.pk):
        begun = time.monotonic()
        with transaction.atomic(), connection.cursor() as cursor:
            hold(ids)
            surplus, values = _surplus(ids, month, zone)
            cursor.execute(f"DELETE {surplus}", values)
            removed += cursor.rowcount
        done += len(ids)
        if note:
            note(done / number)
        if rest:
            time.sleep((time.monotonic() - begun) / 2)  # another writer gets its turn
    ThinnedMonth.objects.update_or_create(
        utility=utility, month_at=month.begin, defaults={"thinned_at": timezone.now()}
    )
    return removed


def end(utility: Utility, rule: Rule, now: datetime) -> int:
    """Remove what is older than the rule's years, whatever brought it; gives how many readings that were.

    Conflicts, voided readings, exchanges' figures and info events go with them; of the latter each meter's newest
    stays, for it says which codes were active when the kept time begins.
    """
    limit = limits(rule, now)[1]
    before = int(limit.timestamp())
    removed = 0
    for ids in _chunks(utility.pk, rows_a_meter=_ROWS_AT_ONCE // 500):
        mine = f"meter_id IN ({_marks(ids)})"
        removed += _delete("reading", "meter_id, slot_at, kind", f"{mine} AND slot_at < %s", [*ids, before])
        for table in ("meters_readingconflict", "meters_voidedreading"):
            _delete(table, "id", f"{mine} AND slot_at < %s", [*ids, before])
        _delete(
            "meters_infoevent", "id",
            f"{mine} AND at < %s AND EXISTS (SELECT 1 FROM meters_infoevent n WHERE n.meter_id = t.meter_id"
            " AND n.at > t.at AND n.at < %s)",
            [*ids, before, before],
        )  # fmt: skip
    old = Exchange.objects.filter(utility=utility, at__lt=limit)
    old.exclude(old_figures=[], new_figures=[]).update(old_figures=[], new_figures=[])
    return removed


def _delete(table: str, key: str, test: str, values: list[int]) -> int:
    """Delete the rows of a table ``t`` that fit the test, some thousands at a time."""
    total = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {table} WHERE ({key}) IN"
                f" (SELECT {', '.join(f't.{name}' for name in key.split(', '))} FROM {table} t WHERE {test}"
                f" LIMIT {_ROWS_AT_ONCE})",
                values,
            )
            removed: int = cursor.rowcount
        total += removed
        if removed < _ROWS_AT_ONCE:
            return total


def _surplus(ids: list[int], month: Month, zone: tzinfo) -> tuple[str, list[int]]:
    """The end of a statement, from FROM on, about those of a month's readings that are not their day's; its values.

    Which ones stay is asked, not which ones go: those are few. ``zone``: in which days begin.
    """
    begin, until = month.span
    sources = ", ".join(str(int(source)) for source in FROM_NETWORK)
    own = ", ".join(map(str, month.own_values))
    collected = (
        f"meter_id IN ({_marks(ids)}) AND slot_at >= {begin} AND slot_at < {until}"
        f" AND kind IN ({int(Kind.LIVE)}, {int(Kind.LOGGED)}) AND source IN ({sources})"
        f" AND NOT (kind = {int(Kind.LOGGED)} AND slot_at IN ({own}))"
    )
    at = _as_standard_time(month, zone)  # midnight in the zone looks like that of standard time
    day = f"({at} - {begin}) / {_DAY}"
    ranked = (
        f"SELECT {_KEY} AS key, row_number() OVER (PARTITION BY meter_id, kind, {day} ORDER BY"
        f" CASE WHEN quality & {_SUSPECT} = 0 THEN 0 ELSE 1 END,"
        f" abs({at} - {month.begin} - {_DAY} * ({day})), slot_at) AS place FROM reading WHERE {collected}"
    )
    return (
        f"FROM reading WHERE {collected} AND {_KEY} NOT IN (SELECT key FROM ({ranked}) AS ranked WHERE place = 1)"
    ), [*ids, *ids]


def _as_standard_time(month: Month, zone: tzinfo) -> str:
    """A reading's moment (SQL), as much later as clocks in ``zone`` are ahead; they change once a month at most."""

    def ahead(at: int) -> int:
        local = datetime.fromtimestamp(at, zone)
        return int(((local.utcoffset() or timedelta(0)) - STANDARD_TIME.utcoffset(local)).total_seconds())

    begin, until = month.span
    first, last = ahead(begin), ahead(until)
    if first == last:
        return f"(slot_at + {first})" if first else "slot_at"
    changed = next(at for at in range(begin, until + _HOUR, _HOUR) if ahead(at) == last)
    return f"(slot_at + CASE WHEN slot_at < {changed} THEN {first} ELSE {last} END)"


def _chunks(utility_id: int, rows_a_meter: int | None = None) -> Iterator[list[int]]:
    """The utility's meters, so many at a time that a month of their readings is about _ROWS_AT_ONCE rows."""
    chunk: list[int] = []
    rows = 0
    meters = Meter.objects.filter(utility_id=utility_id).order_by("pk")
    for pk, slot_seconds in meters.values_list("pk", "slot_seconds"):
        chunk.append(pk)
        rows += rows_a_meter or _MONTH_SECONDS // slot_seconds
        if rows >= _ROWS_AT_ONCE:
            yield chunk
            chunk, rows = [], 0
    if chunk:
        yield chunk


def _oldest(utility_id: int) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min((SELECT r.slot_at FROM reading r WHERE r.meter_id = m.id ORDER BY r.slot_at LIMIT 1))"
            " FROM meters_meter m WHERE m.utility_id = %s",
            [utility_id],
        )
        found: int | None = cursor.fetchone()[0]
        return found


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _marks(ids: list[int]) -> str:
    return ", ".join(["%s"] * len(ids))
