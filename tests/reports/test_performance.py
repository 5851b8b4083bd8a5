"""Reading performance: the pure formula against plain counting, and the report against rows on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from avlas.meters.models import (
    Collector,
    Format,
    Group,
    GroupMember,
    Installation,
    Meter,
    MeteringPoint,
    MeterState,
    ReceiverHour,
)
from avlas.meters.retention import month_of
from avlas.reports.calc.performance import (
    counted_spans,
    deaf_spans,
    last_missing,
    percent,
    slots_in,
    whole_slots,
)
from avlas.reports.old_readings import thin
from avlas.reports.performance import find_last_missing, reading_performance
from avlas.system.models import Utility

HOUR, DAY = 3600, 86400
BEGIN = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp())
END = BEGIN + 10 * DAY


def test_slots_of_each_schedule():
    for slot, number in ((DAY, 10), (HOUR, 240), (300, 2880)):
        assert slots_in(counted_spans((BEGIN, END), [], slot), slot) == number
        assert (
            slots_in(counted_spans((BEGIN, END), [], slot), slot, BEGIN + 1) == number - 1
        )  # known in the middle of one
    assert whole_slots((BEGIN + 1, BEGIN + 2), HOUR) == (BEGIN + HOUR, BEGIN + HOUR)


def test_what_nobody_could_hear_is_not_expected():
    hours = [(BEGIN + HOUR * n, 0 if 5 <= n < 8 else 3600) for n in range(240) if n not in (20, 21)]
    deaf = deaf_spans(hours, BEGIN, END)
    assert deaf == [(BEGIN + 5 * HOUR, BEGIN + 8 * HOUR), (BEGIN + 20 * HOUR, BEGIN + 22 * HOUR)]
    assert slots_in(counted_spans((BEGIN, END), deaf, HOUR), HOUR) == 235
    assert slots_in(counted_spans((BEGIN, END), deaf, 300), 300) == 235 * 12
    assert slots_in(counted_spans((BEGIN, END), deaf, DAY), DAY) == 10  # the rest of those days was heard
    assert deaf_spans([], BEGIN, END) == []  # nothing is known
    assert deaf_spans([(BEGIN + DAY, 9)], BEGIN, BEGIN + DAY + 2 * HOUR) == [
        (BEGIN + DAY + HOUR, BEGIN + DAY + 2 * HOUR)
    ]


def test_percent():
    assert percent(0, 24) == 0.0
    assert percent(23, 24) == pytest.approx(95.8333, abs=1e-4)
    assert percent(25, 24) == 100.0  # the schedule was changed meanwhile
    assert percent(3, 0) is None


@given(
    st.sampled_from([300, HOUR, DAY]),
    st.integers(0, 3 * DAY),
    st.integers(0, 3 * DAY),
    st.lists(st.tuples(st.integers(0, 90), st.sampled_from([0, 1, 3600])), max_size=90),
    st.integers(0, 4 * DAY),
    st.data(),
)
def test_spans_are_what_counting_slot_by_slot_gives(slot, begin, length, hours, since, data):
    end = begin + length
    deaf = deaf_spans([(hour * HOUR, seconds) for hour, seconds in hours], begin, end)
    wanted = [
        start
        for start in range(0, end, slot)
        if start >= max(begin, since)
        and start + slot <= end
        and not any(gap[0] <= start and start + slot <= gap[1] for gap in deaf)
    ]
    spans = counted_spans((begin, end), deaf, slot)
    assert slots_in(spans, slot, since) == len(wanted)
    there = set(data.draw(st.lists(st.sampled_from(wanted), max_size=30))) if wanted else set()
    there |= set(wanted[-5:]) if len(wanted) % 2 else set()
    missing = [start for start in wanted if start not in there]
    assert last_missing(there, spans, slot, since) == (missing[-1] if missing else None)


@pytest.fixture
def utility(db):
    return Utility.objects.create(name="Ort Energi", slug="ort")


def add_meter(utility, serial, slots, *, slot=HOUR, since=BEGIN - 90 * DAY, until=None, placed=True, kind=0):
    meter = Meter.objects.create(utility=utility, manufacturer="KAM", serial=serial, slot_seconds=slot)
    if placed:
        point = MeteringPoint.objects.create(
            utility=utility, facility_id=serial, address=f"Gatan {serial}", city="Ort"
        )
        Installation.objects.create(point=point, meter=meter, from_at=datetime.fromtimestamp(since, UTC),
                                    to_at=until and datetime.fromtimestamp(until, UTC))  # fmt: skip
    form, _ = Format.objects.get_or_create(spec="{}")
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO reading (meter_id, slot_at, kind, heard_at, source, format_id) VALUES (%s, %s, %s, %s, 1, %s)",
            [(meter.pk, at, kind, at, form.pk) for at in slots],
        )
    return meter


def counted(utility, choice="all", end=END, now=END):
    report = reading_performance(utility.pk, choice, BEGIN, end, now)
    find_last_missing(report, report.meters)
    return {
        one.serial: (
            round(one.percent, 2),
            one.last_missing_at and (int(one.last_missing_at.timestamp()) - BEGIN) // one.slot_seconds,
        )
        for one in report.meters
    }


def test_each_meter_by_its_own_schedule(utility):
    hours = list(range(BEGIN, END, HOUR))
    add_meter(utility, "whole", hours)
    add_meter(utility, "half", hours[:120])
    add_meter(utility, "hole", hours[:200] + hours[201:])
    add_meter(utility, "none", [])
    add_meter(utility, "daily", range(BEGIN, END - DAY, DAY), slot=DAY)
    add_meter(utility, "logs only", hours, kind=1)
    add_meter(utility, "new", hours[120:], since=BEGIN + 5 * DAY)
    add_meter(utility, "earlier than said", hours[100:], since=BEGIN + 5 * DAY)
    add_meter(utility, "taken down", hours[:120], until=BEGIN + 5 * DAY)
    add_meter(utility, "stock", [], placed=False)
    heard = add_meter(utility, "nowhere", hours[:60], placed=False)
    MeterState.objects.create(utility=utility, address="1" * 16, meter=heard, manufacturer="KAM", version=1,
                              identification="1", device_type=4, first_heard_at=BEGIN, last_heard_at=BEGIN)  # fmt: skip
    other = Utility.objects.create(name="B", slug="b")
    add_meter(other, "other's", hours)
    assert counted(utility) == {
        "whole": (100.0, None),
        "half": (50.0, 239),
        "hole": (99.58, 200),
        "none": (0.0, 239),
        "daily": (90.0, 9),
        "logs only": (0.0, 239),
        "new": (100.0, None),
        "earlier than said": (100.0, None),
        "nowhere": (25.0, 239),
    }
    assert counted(utility, now=BEGIN + 5 * DAY + 7)["half"] == (
        100.0,
        None,
    )  # what lies ahead is not expected
    group = Group.objects.create(utility=utility, name="G")
    GroupMember.objects.create(group=group, meter=Meter.objects.get(serial="hole"))
    assert counted(utility, f"g{group.pk}") == {"hole": (99.58, 200)}
    assert counted(utility, "g0") == {}
    assert counted(utility, end=BEGIN) == {}


def test_a_receiver_that_was_away_is_not_the_meters_fault(utility):
    hours = list(range(BEGIN, END, HOUR))
    collectors = [Collector.objects.create(utility=utility, name=str(n), spec=f"hex:{n}") for n in range(2)]
    for number, hour in enumerate(hours):
        for which, collector in enumerate(collectors):
            away = 100 <= number < 110 or (which and 50 <= number < 60)  # both, and one alone
            if not away or which:
                ReceiverHour.objects.create(collector=collector, hour_at=hour, seconds=0 if away else 3600)
    add_meter(utility, "a", hours[:100] + hours[110:])
    add_meter(utility, "b", hours[:50] + hours[60:])
    assert counted(utility) == {"a": (100.0, None), "b": (95.65, 59)}
    report = reading_performance(utility.pk, "all", BEGIN, END, END)
    assert (report.deaf, report.deaf_hours) == ([(hours[100], hours[110])], 10)
    assert report.percent == pytest.approx(100 * 450 / 460)


def test_a_thinned_month_keeps_how_well_its_meters_were_read(utility):
    """The report of an old month says the same before and after one reading a day is left."""
    month = month_of(datetime(2025, 3, 15, tzinfo=UTC))
    begin = month.begin
    for n, slot in enumerate((HOUR, HOUR, 1800)):
        slots = range(begin, month.end + 40 * DAY, slot)
        add_meter(utility, str(n), [at for index, at in enumerate(slots) if index % 7 != n], slot=slot,
                  since=begin - DAY)  # fmt: skip
    add_meter(utility, "silent", [], since=begin + 3 * DAY)
    add_meter(utility, "daily", range(begin + HOUR, month.end, DAY), slot=DAY)
    collector = Collector.objects.create(utility=utility, name="Roof", spec="import")
    ReceiverHour.objects.bulk_create(
        ReceiverHour(collector=collector, hour_at=at, seconds=0 if DAY <= at - begin < 2 * DAY else 3600)
        for at in range(begin, month.end + 40 * DAY, HOUR)
    )
    spans = [(begin, month.end), (begin + 5 * DAY, begin + 9 * DAY), (begin + DAY, month.end + 40 * DAY)]

    def said():
        reports = [reading_performance(utility.pk, "all", *span, span[1]) for span in spans]
        return [{one.serial: (one.expected, one.received) for one in report.meters} for report in reports]

    before = said()
    assert thin(utility, month) > 2000
    after = said()
    for told in (*before, *after):
        expected, received = told.pop("daily")
        assert expected - received in (0, 1, 39, 40)  # a day's slot counts where it begins
    assert after == before
    assert before[0]["0"][1] > 600
    report = reading_performance(utility.pk, "all", *spans[0], spans[0][1])
    find_last_missing(report, report.meters)
    missing = {one.serial: one.last_missing_at for one in report.meters}
    assert missing.pop("daily") is None
    assert all(begin <= at.timestamp() < month.end for at in missing.values())
    assert thin(utility, month) == 0  # again
    for told in (again := said()):
        told.pop("daily")
    assert again == before
