"""What stays of old readings and what goes, against a plain counting of the same rows on both databases."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from avlas.meters import retention
from avlas.meters.models import (
    Format,
    InfoEvent,
    Kind,
    Meter,
    Quality,
    Reading,
    ReadingConflict,
    Source,
    ThinnedMonth,
)
from avlas.meters.retention import Month, Rule, month_of
from avlas.system.models import Utility

pytestmark = pytest.mark.django_db

HOUR, DAY = 3600, 86400
NOW = datetime(2026, 11, 26, 2, tzinfo=UTC)
MONTH = month_of(datetime(2025, 3, 15, tzinfo=UTC))  # summer time begins on the 30th


@pytest.fixture
def utility(db):
    return Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")


@pytest.fixture
def meter(utility):
    return Meter.objects.create(utility=utility, manufacturer="KAM", serial="1")


def write(meter, rows):
    """Rows of (slot_at, kind, source, quality) as readings."""
    form, _ = Format.objects.get_or_create(spec="{}")
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO reading (meter_id, slot_at, kind, heard_at, source, quality, format_id, energy_heat_kwh)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (meter.pk, at, kind, at, source, quality, form.pk, at / HOUR)
                for at, kind, source, quality in rows
            ],
        )


def left(meter):
    found = (
        Reading.objects.filter(meter=meter)
        .order_by("slot_at", "kind")
        .values_list("slot_at", "kind", "source")
    )
    return [(int(at.timestamp()), kind, source) for at, kind, source in found]


def live(*moments, quality=0):
    return [(at, Kind.LIVE, Source.RADIO, quality) for at in moments]


def test_a_month_is_a_calendar_month_of_standard_time():
    assert MONTH.first.isoformat() == "2025-03-01T00:00:00+01:00"
    assert (MONTH.end - MONTH.begin) // DAY == 31
    assert month_of(datetime(2025, 12, 31, 23, tzinfo=UTC)).first.month == 1


def test_one_a_day_stays_the_one_nearest_the_border(utility, meter):
    hours = [MONTH.begin - 12 * HOUR + HOUR * n for n in range(24 * 31)]
    write(meter, live(*hours))
    before = live(MONTH.span[0] - 1)
    after = live(MONTH.span[1])
    write(meter, [*before, *after])  # the neighbours' months
    assert retention.surplus_of(utility, MONTH) == (23 * 31, True)
    assert retention.thin(utility, MONTH) == 23 * 31
    days = list(range(MONTH.begin, MONTH.end, DAY))
    assert [at for at, _kind, _source in left(meter)] == [before[0][0], *days, after[0][0]]
    assert retention.thin(utility, MONTH) == 0
    assert ThinnedMonth.objects.get().month_at == MONTH.first


def test_what_speaks_against_a_reading_counts_before_its_distance(utility, meter):
    border = MONTH.begin + 3 * DAY
    write(meter, live(border, quality=Quality.IMPLAUSIBLE) + live(border - 3 * HOUR, border + 2 * HOUR))
    write(meter, live(border + DAY, border + DAY + HOUR, quality=Quality.SENSOR_ERROR))
    retention.thin(utility, MONTH)
    assert [at for at, *_rest in left(meter)] == [border + 2 * HOUR, border + DAY]


def test_only_what_the_network_collected_is_thinned(utility, meter):
    noon = MONTH.begin + 9 * DAY + 5 * HOUR
    kept = [
        (noon, Kind.ENTERED, Source.TYPED, 0),
        (noon + HOUR, Kind.ENTERED, Source.EXCHANGE, 0),
        (noon + 2 * HOUR, Kind.ENTERED, Source.IMPORTED, 0),
        (noon, Kind.LOGGED, Source.OPTICAL, 0),
        (noon + HOUR, Kind.LOGGED, Source.OPTICAL, 0),
        (MONTH.begin, Kind.LOGGED, Source.RADIO, 0),
        (noon, Kind.LIVE, Source.WIRED, 0),
    ]
    write(meter, kept)
    write(meter, [(noon + 300, Kind.LIVE, Source.NETWORK, 0), (noon + 600, Kind.LIVE, Source.SIMULATED, 0)])
    assert retention.thin(utility, MONTH) == 2
    assert sorted(left(meter)) == sorted((at, kind, source) for at, kind, source, _quality in kept)


def test_the_meters_own_values_of_the_turn_of_a_month_stay(utility, meter):
    april = month_of(datetime(2025, 4, 15, tzinfo=UTC))
    civil = april.begin - HOUR  # 00:00 summer time
    write(meter, [(april.begin + HOUR * n, Kind.LOGGED, Source.RADIO, 0) for n in range(-6, 7)])
    retention.thin(utility, april)
    assert [at for at, *_rest in left(meter)] == [civil, april.begin, april.begin + HOUR]


def test_against_plain_counting(utility):
    draw = random.Random(5)
    meters = [Meter.objects.create(utility=utility, manufacturer="KAM", serial=str(n), slot_seconds=300 * (n + 1))
              for n in range(4)]  # fmt: skip
    for meter in meters:
        moments = draw.sample(range(MONTH.begin - 2 * DAY, MONTH.end + 2 * DAY, 300), 400)
        write(
            meter,
            [(at, draw.choice((0, 1)), draw.choice((1, 2, 3, 4)), draw.choice((0, 0, 8))) for at in moments],
        )
    expected = {}
    for meter in meters:
        rows = list(Reading.objects.filter(meter=meter))
        best: dict[tuple[int, int], tuple] = {}
        keep = []
        for row in rows:
            at = int(row.slot_at.timestamp())
            day = (at - MONTH.begin + 12 * HOUR) // DAY
            if (
                not 0 <= day < 31
                or row.source == Source.OPTICAL
                or (row.kind == 1 and at in MONTH.own_values)
            ):
                keep.append((at, row.kind, row.source))
                continue
            rank = (bool(row.quality), abs(at - MONTH.begin - day * DAY), at, row.source)
            best[row.kind, day] = min(best.get((row.kind, day), rank), rank)
        keep += [(rank[2], kind, rank[3]) for (kind, _day), rank in best.items()]
        expected[meter.pk] = sorted(keep)
    retention.thin(utility, MONTH)
    assert {meter.pk: sorted(left(meter)) for meter in meters} == expected


def test_nobody_elses_readings(utility, meter):
    other = Meter.objects.create(
        utility=Utility.objects.create(name="Annan", slug="annan"), manufacturer="KAM", serial="1"
    )
    for one in (meter, other):
        write(one, live(*range(MONTH.begin, MONTH.begin + DAY, HOUR)))
    retention.thin(utility, MONTH)
    assert (len(left(meter)), len(left(other))) == (2, 24)


def test_the_months_that_are_due(utility, meter):
    assert retention.due_months(utility, Rule(), NOW) == []  # nothing read yet
    write(meter, live(MONTH.begin + 9 * DAY))
    due = [month.first.strftime("%Y-%m") for month in retention.due_months(utility, Rule(), NOW)]
    assert due == [
        "2025-03",
        "2025-04",
        "2025-05",
        "2025-06",
        "2025-07",
        "2025-08",
        "2025-09",
    ]  # 13 months: 26 Oct
    retention.thin(utility, MONTH)
    assert [month.first.month for month in retention.due_months(utility, Rule(), NOW)] == [4, 5, 6, 7, 8, 9]
    ThinnedMonth.objects.update(thinned_at=NOW - timedelta(days=31))  # something may have come in late
    assert retention.due_months(utility, Rule(), NOW)[0] == MONTH
    assert retention.due_months(utility, Rule(all_months=24), NOW) == []


def test_after_five_years_nothing_is_left(utility, meter):
    limit = retention.limits(Rule(), NOW)[1]
    assert limit == NOW.replace(year=2021)
    old, young = int(limit.timestamp()) - 1, int(limit.timestamp())
    every = [(kind, source) for kind in Kind for source in Source]
    write(meter, [(old - 10 * n, kind, source, 0) for n, (kind, source) in enumerate(every)])
    write(meter, live(young))
    ReadingConflict.objects.create(
        meter=meter, slot_at=old, kind=0, heard_at=old, register="volume_m3", value=1
    )
    for at in (old - DAY, old, young):
        InfoEvent.objects.create(meter=meter, at=at, code=1)
    assert retention.end(utility, Rule(), NOW) == len(every)
    assert [at for at, *_rest in left(meter)] == [young]
    assert not ReadingConflict.objects.exists()
    assert sorted(int(one.at.timestamp()) for one in InfoEvent.objects.all()) == [
        old,
        young,
    ]  # active at the limit
    assert retention.end(utility, Rule(), NOW) == 0


@pytest.mark.parametrize(
    ("now", "months", "then"),
    [
        (datetime(2026, 3, 31, 12, tzinfo=UTC), 13, datetime(2025, 2, 28, 23, tzinfo=UTC)),  # no 31st there
        (datetime(2024, 2, 29, 12, tzinfo=UTC), 60, datetime(2019, 2, 28, 23, tzinfo=UTC)),
        (datetime(2026, 1, 5, 12, tzinfo=UTC), 13, datetime(2024, 12, 5, 12, tzinfo=UTC)),
    ],
)
def test_calendar_months_earlier(now, months, then):
    assert retention.limits(Rule(months, 5), now)[0] == then


def test_progress_and_chunks(utility, monkeypatch):
    monkeypatch.setattr(retention, "_ROWS_AT_ONCE", 1500)
    for n in range(5):
        write(
            Meter.objects.create(utility=utility, manufacturer="KAM", serial=str(n)),
            live(MONTH.begin, MONTH.begin + 1),
        )
    shares: list[float] = []
    assert retention.thin(utility, MONTH, shares.append) == 5
    assert shares == [0.6, 1.0]
    assert retention.surplus_of(utility, Month(MONTH.begin, MONTH.end), at_most_seconds=-1) == (0, False)
