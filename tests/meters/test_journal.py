"""The journal says everything that was written, and nobody who reads on from a place misses anything."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st
from tests.meters.conftest import START

from avlas.meters import entered, journal
from avlas.meters.entered import Figure
from avlas.meters.housekeeping import tidy
from avlas.meters.journal import CursorTooOld, InfoChange, Journal, Written
from avlas.meters.keys import Who
from avlas.meters.models import InfoEvent, Kind, Meter, Reading, Source
from avlas.system.models import Utility

pytestmark = pytest.mark.django_db


def said(entries):
    return [key for entry in entries for key in entry.readings]


def stored():
    rows = Reading.objects.values_list("meter_id", "slot_at", "kind")
    return {(meter, int(at.timestamp()), kind) for meter, at, kind in rows}


def written(utility, *meters):
    with transaction.atomic():
        found = Written(utility.pk)
        for meter in meters:
            found.reading(meter, 3600, Kind.LIVE)
        found.append()


def test_every_reading_that_ingest_writes_is_in_the_journal_once(desk, hear):
    heard = [*hear("multical602", count=3, each=5), *hear("multical403", count=2, each=5)]
    desk.own(heard)
    before = journal.newest()
    there = stored()
    desk.take_in(heard)
    entries = journal.after(before)
    new = stored() - there
    assert {kind for _, _, kind in new} == {Kind.LIVE, Kind.LOGGED}
    assert len(said(entries)) == len(set(said(entries)))
    assert new <= set(said(entries)) <= stored()
    assert entries[0].meter_ids == {meter for meter, _, _ in new}
    assert entries[-1].id == journal.newest()
    desk.take_in(heard)
    assert journal.after(entries[-1].id) == [], "what is surplus is nothing new"


def test_info_events_that_come_and_go(desk, hear):
    heard = hear(each=6)
    desk.own(heard)
    desk.take_in(heard)
    meter = Meter.objects.get()
    slots = sorted(Reading.objects.filter(kind=Kind.LIVE).values_list("slot_at", flat=True))
    from avlas.meters import steps

    def change(code, at):
        Reading.objects.filter(slot_at=at, kind=Kind.LIVE).update(info_code=code)
        cursor = journal.newest()
        with transaction.atomic():
            found = Written(desk.utility.pk)
            steps.settle([(meter.pk, int(at.timestamp()))], found)
            found.append()
        return [event for entry in journal.after(cursor) for event in entry.info_events]

    at, later = (int(slots[place].timestamp()) for place in (2, 3))
    assert set(change(5, slots[2])) == {InfoChange(meter.pk, at, True), InfoChange(meter.pk, later, True)}
    assert InfoEvent.objects.count() == 2
    assert change(5, slots[2]) == [], "what is known already is no news"
    assert set(change(0, slots[2])) == {InfoChange(meter.pk, at, False), InfoChange(meter.pk, later, False)}


def test_what_people_type_and_void_is_in_the_journal(desk):
    meter = Meter.objects.create(utility=desk.utility, manufacturer="KAM", serial="1")
    at = START + timedelta(minutes=7)
    key = (meter.pk, int(at.timestamp()), int(Kind.ENTERED))
    entered.enter(meter, at, [Figure("energy_heat_kwh", Decimal(12), "kWh")], Source.TYPED, Who())
    cursor = journal.newest()
    assert said(journal.after(0)) == [key]
    entered.void(meter, at, Kind.ENTERED, "misread", Who())
    assert said(journal.after(cursor)) == [key]


def test_nothing_is_said_of_what_is_rolled_back(desk):
    cursor = journal.newest()
    with transaction.atomic():
        written(desk.utility, 1)
        transaction.set_rollback(True)
    assert journal.after(cursor) == []


def test_each_utility_is_told_of_its_own(desk):
    other = Utility.objects.create(name="Annan", slug="annan")
    cursor = journal.newest()
    written(desk.utility, 1)
    written(other, 2)
    written(desk.utility, 3)
    assert said(journal.after(cursor, other.pk)) == [(2, 3600, 0)]
    assert said(journal.after(cursor, desk.utility.pk)) == [(1, 3600, 0), (3, 3600, 0)]
    assert said(journal.after(cursor, limit=2)) == [(1, 3600, 0), (2, 3600, 0)]


keys = st.lists(st.tuples(st.integers(1, 2**40), st.integers(0, 2**34)), max_size=30)


@given(live=keys, logged=keys, opened=keys)
def test_what_is_packed_comes_out_again(live, logged, opened):
    found = Written(1)
    for kind, part in ((Kind.LIVE, live), (Kind.LOGGED, logged)):
        found.readings(np.array([m for m, _ in part]), np.array([at for _, at in part]), kind)
    found.info_events(opened, opened=True)
    body = journal._pack(journal._distinct(found._readings), journal._distinct(found._events))
    entry = journal.Entry(1, 1, START, body)
    assert len(entry.readings) == len({*entry.readings})
    assert {*entry.readings} == {(m, at, k) for k, part in ((0, live), (1, logged)) for m, at in part}
    assert {*entry.info_events} == {(m, at, True) for m, at in opened}


def test_old_entries_are_tidied_away_and_who_would_miss_some_is_told(desk):
    for number in range(1, 7):
        written(desk.utility, number)
    ids = list(Journal.objects.order_by("id").values_list("id", flat=True))
    now = datetime.now(UTC)
    Journal.objects.filter(id__in=ids[:4]).update(written_at=now - timedelta(days=15))
    assert tidy(now)["journal entries"] == 3
    assert said(journal.after(ids[3])) == [(5, 3600, 0), (6, 3600, 0)]
    with pytest.raises(CursorTooOld):
        journal.after(ids[2])
    assert said(journal.after(0)) == [(5, 3600, 0), (6, 3600, 0)], "0 asks for all that is kept"
    assert tidy(now + timedelta(days=30))["journal entries"] == 2
    assert (journal.newest(), journal.after(0), journal.after(ids[5])) == (ids[5], [], [])
    assert tidy(now + timedelta(days=30))["journal entries"] == 0


def in_thread(function):
    """Run a function with a database connection of its own."""

    def run():
        try:
            function()
        finally:
            connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
def test_a_lower_number_committed_after_a_higher_one_is_not_passed_over():
    if connection.vendor == "sqlite":
        pytest.skip("one writer at a time")
    utility = Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")
    cursor = journal.newest()
    appended, may_commit = threading.Event(), threading.Event()

    def slow():
        with transaction.atomic():
            found = Written(utility.pk)
            found.reading(1, 3600, Kind.LIVE)
            found.append()
            appended.set()
            assert may_commit.wait(60)

    thread = in_thread(slow)
    assert appended.wait(60)
    written(utility, 2)  # a higher number, committed at once
    assert list(Journal.objects.values_list("id", flat=True)) == [cursor + 2]
    assert journal.after(cursor) == []
    assert journal.newest() == cursor
    may_commit.set()
    thread.join()
    assert said(journal.after(cursor)) == [(1, 3600, 0), (2, 3600, 0)]
    assert journal.newest() == cursor + 2


@pytest.mark.django_db(transaction=True)
def test_many_writers_at_once_and_a_reader_who_gets_each_entry_once():
    utility = Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")
    cursor = journal.newest()

    def write(first):
        for number in range(first, first + 40):
            with transaction.atomic():
                found = Written(utility.pk)
                found.reading(number, 3600, Kind.LIVE)
                found.append()
                with connection.cursor() as command:  # some take longer than others
                    command.execute(
                        "SELECT pg_sleep(%s)" if connection.vendor == "postgresql" else "SELECT %s",
                        [number % 3 / 500],
                    )

    threads = [in_thread(lambda first=first: write(first)) for first in (1000, 2000, 3000)]
    found = []
    while len(found) < 120:
        running = any(thread.is_alive() for thread in threads)
        entries = journal.after(cursor, limit=7)
        if entries:
            cursor = entries[-1].id
            found += said(entries)
        elif not running:
            break
        else:
            journal.wait(cursor, 0.2)
    assert len(found) == 120
    assert {meter for meter, _, _ in found} == {n + 1000 * k for k in (1, 2, 3) for n in range(40)}


@pytest.mark.django_db(transaction=True)
def test_who_waits_is_woken():
    utility = Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")
    cursor = journal.newest()
    assert journal.wait(cursor, 0.0) == cursor
    woken = []
    thread = in_thread(lambda: woken.append(journal.wait(cursor, 120)))
    written(utility, 1)
    thread.join(60)
    assert woken == [journal.newest()]
    assert woken[0] > cursor
