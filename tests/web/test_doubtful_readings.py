"""Readings in doubt: told on the start page, listed, and judged by a person one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from tests.reports.test_period_use import store

from avlas.meters import doubts
from avlas.meters.journal import Written
from avlas.meters.keys import Who
from avlas.meters.models import Installation, Journal, Kind, Meter, MeteringPoint, Quality, Reading
from avlas.meters.steps import settle
from avlas.reports.billing import COMPLETE, DOUBTFUL, basis
from avlas.reports.period_use import Members
from avlas.system.models import AuditEvent

pytestmark = pytest.mark.django_db
START = datetime(2026, 8, 31, 23, tzinfo=UTC)
END = datetime(2026, 9, 30, 23, tzinfo=UTC)
BACK_AT = START + timedelta(days=3)


@pytest.fixture
def odd(north):
    """A meter whose counter went down, and which gave differing values of the month's end."""
    meter = Meter.objects.create(utility=north.utility, manufacturer="KAM", serial="70000009", medium="heat")
    point = MeteringPoint.objects.create(utility=north.utility, facility_id="ODD", address="Tvivelgatan 1")
    Installation.objects.create(point=point, meter=meter, from_at=START - timedelta(days=90))
    moments = [START, START + timedelta(days=2), BACK_AT, BACK_AT + timedelta(days=1)]
    store(meter, moments, [12000.0, 12345.0, 12100.0, 12150.0])
    written = Written(north.utility.pk)
    settle([(meter.pk, int(at.timestamp())) for at in moments], written)
    store(meter, [END], [13000.0], kind=Kind.LOGGED, quality=int(Quality.CONFLICT))
    return meter


def quality(meter, at, kind=Kind.LIVE):
    return Quality(Reading.objects.get(meter_id=meter.pk, slot_at=int(at.timestamp()), kind=kind).quality)


def test_what_is_in_doubt_is_told_listed_and_judged(north, odd, sign_in):
    assert quality(odd, BACK_AT) == Quality.BACKWARDS
    client, address = sign_in(north.superuser), reverse("readings_in_doubt")
    told = client.get(reverse("home")).content.decode()
    assert "1 mätare har tveksamma avläsningar" in told
    assert f'href="{address}"' in told
    text = client.get(address).content.decode().replace("\xa0", " ")
    assert text.count("Tvivelgatan 1") == 1
    assert "nyaste av 2" in text
    assert "E1 13 000 kWh" in text
    address += f"?meter={odd.pk}"
    assert f'href="?meter={odd.pk}"' in text
    text = client.get(address).content.decode().replace("\xa0", " ")
    assert "E1 12 345 kWh → E1 12 100 kWh" in text
    assert "E1 13 000 kWh" in text
    journal = Journal.objects.count()
    key = f"{odd.pk}-{int(END.timestamp())}-{Kind.LOGGED:d}"
    assert client.post(address, {"right": key}).url == address
    assert quality(odd, END, Kind.LOGGED) == Quality.CONFLICT | Quality.ACCEPTED
    event = AuditEvent.objects.get(event="readings.accepted")
    assert (event.user, event.target, event.detail["marks"]) == (north.superuser, str(odd), ["conflict"])
    assert Journal.objects.count() == journal + 1
    client.post(address, {"right": key})
    assert AuditEvent.objects.filter(event="readings.accepted").count() == 1
    void = reverse("meter_reading_void", args=[odd.pk, int(BACK_AT.timestamp()), Kind.LIVE])
    assert f'href="{void}?doubts=1"' in client.get(address).content.decode()
    assert client.post(f"{void}?doubts=1", {"reason": "Fel mätare"}).url == reverse("readings_in_doubt")
    assert "Ingen avläsning är tveksam" in client.get(address).content.decode()
    assert "tveksam" not in client.get(reverse("home")).content.decode()


def test_what_was_found_right_is_billed_without_doubt(north, odd):
    members = Members(north.utility.pk, "m.id = %s", [odd.pk])
    assert basis(members, START, END).state.tolist() == [DOUBTFUL]
    assert doubts.accept(odd, Who(north.superuser), END, Kind.LOGGED) == 1
    assert doubts.accept(odd, Who(north.superuser), END, Kind.LOGGED) == 0
    assert basis(members, START, END).state.tolist() == [COMPLETE]
    assert basis(members, START, END).amounts.tolist() == [1000.0]


def test_only_ones_own_and_only_who_may(north, south, odd, sign_in):
    address = reverse("readings_in_doubt")
    theirs = sign_in(south.superuser)
    assert "Tvivelgatan" not in theirs.get(address).content.decode()
    assert doubts.count_meters(south.utility.pk) == 0
    assert theirs.get(f"{address}?meter={odd.pk}").status_code == 404
    key = f"{odd.pk}-{int(BACK_AT.timestamp())}-0"
    theirs.post(address, {"right": key})
    assert quality(odd, BACK_AT) == Quality.BACKWARDS
    mine = sign_in(north.user)
    assert "Det är rätt" not in mine.get(address).content.decode()
    assert mine.post(address, {"right": key}).status_code == 403
    for odd_key in ("", "x", "1-2", f"{odd.pk}-{10**30}-0", f"{odd.pk}-1-0", f"{odd.pk}-1-9"):
        told = sign_in(north.superuser).post(address, {"right": odd_key}, follow=True).content.decode()
        assert "Avläsningen finns inte längre" in told
    assert quality(odd, BACK_AT) == Quality.BACKWARDS


def test_they_are_found_by_an_index(north, odd):
    """Among millions of readings only those in doubt are looked at: SQLite is told to, PostgreSQL finds it."""
    with CaptureQueriesContext(connection) as asked:
        assert doubts.count_meters(north.utility.pk) == 1
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {asked[0]['sql']}")
            assert "_slot_at_idx" in str(cursor.fetchall())
        else:
            assert "INDEXED BY reading_in_doubt" in asked[0]["sql"]
    assert [(row.quality, count) for row, count in doubts.by_meter(north.utility.pk, 0, 9)] == [
        (Quality.CONFLICT, 2)
    ]
    found, count = doubts.of_meter(odd, 1, 9)
    assert ([row.quality for row in found], count) == ([Quality.BACKWARDS], 2)


def test_all_of_a_meter_at_once(north, odd, sign_in):
    """One that is mounted the wrong way counts backwards every hour."""
    client, address = sign_in(north.superuser), reverse("readings_in_doubt")
    assert "Alla är rätt" in client.get(address).content.decode()
    client.post(address, {"right": str(odd.pk)})
    assert quality(odd, BACK_AT) == Quality.BACKWARDS | Quality.ACCEPTED
    assert quality(odd, END, Kind.LOGGED) == Quality.CONFLICT | Quality.ACCEPTED
    event = AuditEvent.objects.get(event="readings.accepted")
    assert (event.detail["readings"], event.detail["marks"]) == (2, ["backwards", "conflict"])
    assert "Ingen avläsning är tveksam" in client.get(address).content.decode()
