"""Reading performance: of each meter of a group what was received in a period of what its schedule says.

Only live readings count: one a slot at most, however many telegrams of it were heard. Counting goes along the primary
key, a range a meter, so that a month of 10,000 hourly meters takes about a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.db import connection

from avlas.meters.groups import members_test
from avlas.meters.models import Kind, Meter
from avlas.reports.calc.performance import (
    Span,
    counted_spans,
    deaf_spans,
    last_missing,
    percent,
    slots_in,
)
from avlas.reports.kept_performance import kept_days, kept_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from avlas.reports.kept_performance import Days

_MOST_SPANS: Final = (
    60  # more interruptions than that in one period: the shortest ones count against the meters
)
_AT_ONCE: Final = 200


@dataclass(slots=True)
class Performance:
    """How well one meter was read. ``expected`` and ``received``: slots; ``since``: seconds UTC it is expected from."""

    meter_id: int
    serial: str
    model: str
    slot_seconds: int
    since: int
    expected: int
    received: int
    address: str = ""
    postal_code: str = ""
    city: str = ""
    kept_missing_at: int | None = None  # seconds UTC: the last day with a gap, of those kept by the day
    last_missing_at: datetime | None = None  # filled in by find_last_missing

    @property
    def percent(self) -> float | None:
        """Average performance; None when nothing was to be expected."""
        return percent(self.received, self.expected)


@dataclass(frozen=True, slots=True)
class Report:
    """The meters of a group that ought to be read, in no order, and when no receiver listened.

    Up to ``counted_from`` (seconds UTC) readings have been thinned: there the days kept before stand for them.
    """

    span: Span
    deaf: list[Span]
    meters: list[Performance]
    counted_from: int

    @property
    def deaf_hours(self) -> float:
        """How long no receiver listened."""
        return sum(end - begin for begin, end in self.deaf) / 3600

    @property
    def percent(self) -> float | None:
        """Performance of the whole network."""
        return percent(sum(one.received for one in self.meters), sum(one.expected for one in self.meters))


def reading_performance(utility_id: int, choice: str, begin: int, end: int, now: int) -> Report:
    """Count for the meters that ``choice`` (see meters.groups) chooses, from ``begin`` until ``end`` (seconds UTC).

    What lies after ``now`` is not expected yet. A meter is expected from when it was installed or made known, or from
    its first reading if that is earlier; in stock it is not expected. Of months whose readings have been thinned
    counts what was kept of each day before.
    """
    end = max(begin, min(end, now))
    until = kept_until(utility_id)
    counted_from = min(end, max(begin, until)) if until else begin
    report = count_performance(utility_id, choice, counted_from, end, now)
    if counted_from == begin:
        return report
    meters = {one.meter_id: one for one in report.meters}
    for one, days in _kept(utility_id, choice, begin, counted_from):
        there = meters.setdefault(one.meter_id, one)
        there.expected += int(days.expected.sum())
        there.received += int(days.received.sum())
        there.since = min(there.since, one.since)
        gaps = days.at[days.received < days.expected]
        if len(gaps):
            there.kept_missing_at = int(gaps[-1])
    return Report((begin, end), report.deaf, list(meters.values()), counted_from)


def count_performance(
    utility_id: int,
    choice: str,
    begin: int,
    end: int,
    now: int,
    *,
    beginning: bool = False,
    expected_from: Mapping[int, int] | None = None,
) -> Report:
    """The same from readings alone, whether they have been thinned or not.

    ``beginning``: all slots that begin in the period count, also one that ends after it. ``expected_from``: since when
    (seconds UTC) meters are expected, where that is known already.
    """
    end = max(begin, min(end, now))
    deaf = _deaf(utility_id, begin, end)
    test, values = members_test(utility_id, choice)
    placed = _placed(utility_id, test, values)
    found = []
    slots = Meter.objects.filter(utility_id=utility_id).values_list("slot_seconds", flat=True).distinct()
    for slot_seconds in sorted(slots):
        span = begin, end + slot_seconds - 1 if beginning else end
        spans = counted_spans(span, deaf, slot_seconds)
        for meter_id, serial, model, made_at, heard, first, received in _counted(
            utility_id, slot_seconds, spans, test, values
        ):
            place = placed.get(meter_id)
            if (place is None and not heard) or (place is not None and not place.is_there):
                continue
            known = place.from_at if place else made_at
            since = max(begin, min(known, first if first is not None else known))
            if expected_from:
                since = max(begin, expected_from.get(meter_id, since))
            expected = slots_in(spans, slot_seconds, since)
            if expected:
                found.append(
                    Performance(
                        meter_id, serial, model, slot_seconds, since, expected, received, *_where(place)
                    )
                )
    return Report((begin, end), deaf, found, begin)


def _kept(utility_id: int, choice: str, begin: int, end: int) -> Iterator[tuple[Performance, Days]]:
    """Of the chosen meters that were expected in thinned months: a row without counts, and the days kept."""
    test, values = members_test(utility_id, choice)
    placed = _placed(utility_id, test, values)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT m.id, m.serial, m.model, m.slot_seconds FROM meters_meter m WHERE m.utility_id = %s AND {test}",
            [utility_id, *values],
        )
        meters = {row[0]: row[1:] for row in cursor.fetchall()}
    for meter_id, days in kept_days(meters, begin, end):
        expected = days.at[days.expected > 0]
        if len(expected):
            serial, model, slot_seconds = meters[meter_id]
            where = _where(placed.get(meter_id))
            yield Performance(meter_id, serial, model, slot_seconds, int(expected[0]), 0, 0, *where), days


def _where(place: _Place | None) -> tuple[str, str, str]:
    return (place.address, place.postal_code, place.city) if place else ("", "", "")


def find_last_missing(report: Report, some: Iterable[Performance]) -> None:
    """Find the last slot without a reading of some of the report's meters."""
    wanted = [one for one in some if one.received < one.expected]
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        slots: dict[int, list[int]] = {one.meter_id: [] for one in part if one.received}
        if slots:
            marks = ", ".join(["%s"] * len(slots))
            with connection.cursor() as cursor:
                cursor.execute(
                    f"SELECT meter_id, slot_at FROM reading WHERE meter_id IN ({marks})"
                    f" AND slot_at >= %s AND slot_at < %s AND kind = {int(Kind.LIVE)}",
                    [*slots, report.counted_from, report.span[1]],
                )
                for meter_id, slot_at in cursor.fetchall():
                    slots[meter_id].append(slot_at)
        for one in part:
            counted = report.counted_from, report.span[1]
            spans = counted_spans(counted, report.deaf, one.slot_seconds)
            at = last_missing(slots.get(one.meter_id, ()), spans, one.slot_seconds, one.since)
            if at is None:
                at = one.kept_missing_at
            one.last_missing_at = None if at is None else datetime.fromtimestamp(at, UTC)


def _seconds(column: str) -> str:
    """SQL that gives a moment as seconds UTC."""
    if connection.vendor == "sqlite":
        return f"CAST(strftime('%%s', {column}) AS INTEGER)"
    return f"CAST(floor(extract(epoch FROM {column})) AS bigint)"


@dataclass(frozen=True, slots=True)
class _Place:
    from_at: int  # seconds UTC, of the first installation
    is_there: bool
    address: str
    postal_code: str
    city: str


def _placed(utility_id: int, test: str, values: list[Any]) -> dict[int, _Place]:
    """Where each chosen meter sits or sat last, and since when it has been installed anywhere."""
    found: dict[int, _Place] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT i.meter_id, {_seconds('i.from_at')}, i.to_at IS NULL, p.address, p.postal_code, p.city"
            " FROM meters_meter m JOIN meters_installation i ON i.meter_id = m.id"
            " JOIN meters_meteringpoint p ON p.id = i.point_id"
            f" WHERE m.utility_id = %s AND {test} ORDER BY i.from_at",
            [utility_id, *values],
        )
        for meter_id, from_at, is_there, *where in cursor.fetchall():
            before = found.get(meter_id)
            found[meter_id] = _Place(before.from_at if before else from_at, bool(is_there), *where)
    return found


def _deaf(utility_id: int, begin: int, end: int) -> list[Span]:
    """When none of the utility's receivers listened; nothing is known of the time before the first hour counted."""
    with connection.cursor() as cursor:
        mine = "FROM meters_receiverhour h JOIN meters_collector c ON c.id = h.collector_id WHERE c.utility_id = %s"
        cursor.execute(f"SELECT min(h.hour_at) {mine}", [utility_id])
        first: int | None = cursor.fetchone()[0]
        if first is None:
            return []
        cursor.execute(
            f"SELECT h.hour_at, max(h.seconds) {mine} AND h.hour_at >= %s AND h.hour_at < %s GROUP BY h.hour_at",
            [utility_id, begin - begin % 3600, end],
        )
        deaf = deaf_spans([(first, 1), *cursor.fetchall()], begin, end)
    longest = sorted(deaf, key=lambda one: one[0] - one[1])[:_MOST_SPANS]
    return sorted(longest)


def _counted(
    utility_id: int, slot_seconds: int, spans: list[Span], test: str, values: list[Any]
) -> list[tuple[int, str, str, int, bool, int | None, int]]:
    """Of each chosen meter with this schedule what is known of it, and how many slots have a reading.

    In order: id, serial, model, when it was made known (seconds UTC), whether it was heard, the first slot with a
    reading, the number of such slots.
    """
    if not spans:
        return []
    live = f"r.meter_id = m.id AND r.kind = {int(Kind.LIVE)}"
    counts = " + ".join(
        f"(SELECT count(*) FROM reading r WHERE {live} AND r.slot_at >= {begin} AND r.slot_at < {end})"
        for begin, end in spans
    )
    begin, end = spans[0][0], spans[-1][1]
    first = (
        f"(SELECT r.slot_at FROM reading r WHERE {live} AND r.slot_at >= {begin} AND r.slot_at < {end}"
        " ORDER BY r.slot_at LIMIT 1)"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT m.id, m.serial, m.model, {_seconds('m.created_at')},"
            " EXISTS (SELECT 1 FROM meters_meterstate s WHERE s.meter_id = m.id),"
            f" {first}, {counts} FROM meters_meter m"
            f" WHERE m.utility_id = %s AND m.slot_seconds = %s AND {test}",
            [utility_id, slot_seconds, *values],
        )
        rows: list[tuple[int, str, str, int, bool, int | None, int]] = cursor.fetchall()
        return rows
