"""Telegrams judged in columns fare as if they were judged one by one, and nobody's faster hand is overlooked."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from django.db import connection, connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.meters import test_order
from tests.meters.conftest import START, Desk, forget
from tests.meters.test_order import ready  # noqa: F401 - a fixture

from avlas.decode.batch import NONE
from avlas.meters import column_store, ordinary
from avlas.meters import ingest as taking_in
from avlas.meters.ingest import IngestResult
from avlas.meters.keys import Who
from avlas.meters.keys import add as add_key
from avlas.meters.models import Collector, MeterState, Reading, State, Telegram
from avlas.meters.pace import Pace
from avlas.meters.states import Freshness, Freshnesses
from avlas.system.models import Utility

heard_telegram = st.tuples(
    st.integers(0, 2),  # address
    st.integers(0, 3),  # security
    st.sampled_from([NONE, NONE, 1, 2, 3, 4, 5]),  # counter
    st.integers(0, 4000),  # heard_at
)


@given(
    telegrams=st.lists(heard_telegram, max_size=8, unique_by=lambda one: (one[0], one[3])),
    before=st.lists(st.tuples(st.integers(0, 2), st.sampled_from([None, 0, 2, 4])), min_size=3, max_size=3),
)
def test_freshness_in_columns_equals_one_by_one(telegrams, before):
    telegrams.sort(key=lambda one: (one[0], one[3]))
    start = [
        Freshness(secured, counter, None if counter is None else 100 * counter) for secured, counter in before
    ]

    def columns(found):
        return Freshnesses(
            np.arange(3, dtype=np.int32),
            np.array([one.secured for one in found]),
            np.array([NONE if one.counter is None else one.counter for one in found]),
            np.array([NONE if one.counter_at is None else one.counter_at for one in found]),
        )

    rows = np.array(telegrams, np.int64).reshape(-1, 4).T
    suspect, fresh = columns(start).judge(rows[0].astype(np.int32), *rows[1:])
    suspected = {int(one) for one in rows[0][suspect]}
    for address in {0, 1, 2} - suspected:  # the others are looked at one by one
        one = start[address]
        for _, security, counter, at in [each for each in telegrams if each[0] == address]:
            why, one = one.judge(security, None if counter == NONE else counter, at)
            assert why == ""
        assert (
            columns([one] * 3)
            .of(np.array([0]))
            .equal(
                Freshnesses(
                    np.array([0]),
                    *(getattr(fresh, name)[[address]] for name in ("secured", "counter", "counter_at")),
                )
            )
        )


def states() -> list[tuple]:
    names = [field.attname for field in MeterState._meta.fields if field.attname not in ("id", "noted_at")]
    return list(MeterState.objects.order_by("address").values_list(*names))


@pytest.mark.django_db
@settings(
    max_examples=test_order.EXAMPLES // 2,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    script=st.lists(test_order.sent, min_size=2, max_size=16),
    delays=st.tuples(st.sampled_from([0, 3]), st.sampled_from([0, 40])),
    size=st.integers(1, 16),
)
def test_columns_and_one_by_one_store_the_same(ready: Desk, rows, script, delays, size):  # noqa: F811
    heard = test_order.heard_by(script, delays)
    pieces = [heard[start : start + size] for start in range(0, len(heard), size)]
    before = list(MeterState.objects.values())

    def outcome():
        test_order.wipe()
        for row in before:
            MeterState.objects.filter(pk=row["id"]).update(
                **{
                    name: value
                    for name, value in row.items()
                    if name not in ("id", "secured", "counter", "counter_at")
                }
            )
        test_order.take_in_pieces(ready, pieces)
        return rows(), states()

    in_columns = outcome()
    with pytest.MonkeyPatch.context() as patch:

        def none_is_ordinary(self, mine):
            self.careful[mine] = True

        patch.setattr(ordinary.Ordinary, "_judge", none_is_ordinary)
        assert outcome() == in_columns


@pytest.mark.django_db
def test_one_batch_of_everything(desk, hear, rows):
    """Strangers, own meters with and without key, damaged and repeated telegrams, in one batch and one by one."""
    own = hear(count=5, each=3, step=1200)
    keyless = hear("flowiq2200", count=2, each=2)
    strangers = hear("diehl_sharky", count=2)
    desk.own(own)
    desk.own(keyless, keys=False)
    broken = replace(own[4], frame=own[4].frame[:-4] + bytes([own[4].frame[-4] ^ 1]) + own[4].frame[-3:])
    batch = sorted([*own, *keyless, *strangers, broken, *own[:6]], key=lambda one: one.at)
    before = list(MeterState.objects.values())
    result = desk.take_in(batch)
    assert result.telegrams == len(batch)
    assert sum(result.states.values()) + result.surplus == len(batch)
    assert result.states[State.UNKNOWN_METER] == 2
    assert result.states[State.NO_KEY] == 4
    assert result.held_seconds > 0
    stored = rows(), [(one.address, one.heard, one.read + one.surplus, one.last_heard_at, one.state) for one in
                      MeterState.objects.order_by("address")]  # fmt: skip
    wipe_all(before)
    for one in batch:
        desk.take_in([one])
    assert rows() == stored[0]
    assert [
        (one.address, one.heard, one.last_heard_at) for one in MeterState.objects.order_by("address")
    ] == [(address, heard, last) for address, heard, _, last, _ in stored[1]]


def wipe_all(before):
    with connection.cursor() as cursor:
        for table in ("reading", "telegram", "meters_infoevent", "meters_meterstate"):
            cursor.execute(f"DELETE FROM {table}")
    MeterState.objects.bulk_create([MeterState(**row) for row in before])
    forget()


def in_another_thread(work):
    """Run ``work`` on a database connection of its own, to its end."""
    failed = []

    def run():
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


@pytest.fixture
def meanwhile(monkeypatch):
    """Let something happen between judging and storing, the first time."""

    def prepare(work):
        judge, done = taking_in._Judgement.of, []

        def of(*arguments):
            found = judge(*arguments)
            if not done:
                done.append(True)
                in_another_thread(work)
            return found

        monkeypatch.setattr(taking_in._Judgement, "of", of)
        return done

    return prepare


@pytest.mark.django_db(transaction=True)
class TestOvertaken:
    def test_by_the_same_telegrams(self, desk: Desk, hear, rows, meanwhile):
        heard = hear(count=4, each=2, step=20)
        desk.own(heard)
        meanwhile(lambda: desk.take_in(heard, collector=1))
        result = desk.take_in(heard)
        assert (result.surplus, result.states[State.READ]) == (8, 0)
        assert Telegram.objects.count() == 8
        assert set(MeterState.objects.values_list("heard", "read", "surplus")) == {(4, 2, 2)}

    def test_by_earlier_telegrams(self, desk: Desk, hear, rows, meanwhile):
        heard = hear(each=6, step=300)
        desk.own(heard)
        meanwhile(lambda: desk.take_in(heard[:2]))
        desk.take_in(heard[2:])
        stored = rows()
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM reading")
            cursor.execute("DELETE FROM telegram")
        MeterState.objects.update(counter=None, counter_at=None, secured=0)
        desk.take_in(heard)
        assert rows() == stored

    def test_by_a_key(self, desk: Desk, hear, meanwhile):
        heard = hear(count=2)
        desk.own(heard, keys=False)

        def keys():
            for one in heard:
                add_key(desk.utility, one.meter.identification, one.meter.key.hex(), Who(), "KAM")

        meanwhile(keys)
        assert desk.take_in(heard).states[State.READ] == 2

    def test_by_a_newer_counter(self, desk: Desk, hear, meanwhile):
        """What was in order a moment ago is a replay now."""
        heard = hear(each=5, step=3600)
        desk.own(heard)
        meanwhile(lambda: desk.take_in(heard[4:]))
        late = replace(heard[0], at=START + timedelta(hours=6))
        assert desk.take_in([late]).states[State.DOWNGRADED] == 1

    def test_by_the_forgetting_of_a_stranger(self, desk: Desk, hear, meanwhile):
        heard = hear(each=2)
        desk.take_in(heard[:1])
        meanwhile(lambda: MeterState.objects.all().delete())
        desk.take_in(heard[1:])
        assert MeterState.objects.get().heard == 1

    def test_by_somebody_who_is_always_faster(self, desk: Desk, hear, monkeypatch):
        heard = hear(count=3, each=4, step=20)
        desk.own(heard)
        judge, left = taking_in._Judgement.of, list(range(len(heard)))

        def of(*arguments):
            found = judge(*arguments)
            if (
                left
                and threading.current_thread() is threading.main_thread()
                and not connection.in_atomic_block
            ):
                in_another_thread(lambda: desk.take_in([heard[left.pop()]], collector=1))
            return found

        monkeypatch.setattr(taking_in._Judgement, "of", of)
        desk.take_in(heard)
        assert Telegram.objects.count() == 6
        assert Reading.objects.filter(kind=0).count() == 3


@pytest.mark.django_db
def test_state_rows_are_found_again_after_a_rollback(desk, hear, monkeypatch):
    """Numbers of rows that a transaction rolled back had made are somebody else's afterwards."""
    from django.db import OperationalError, transaction

    first, second = hear(count=2)

    def fails(*_):
        raise OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(taking_in.layouts, "keep", fails)
        with pytest.raises(OperationalError), transaction.atomic():
            desk.take_in([first])
    desk.take_in([second])
    desk.take_in([first])
    assert sorted(MeterState.objects.values_list("heard", flat=True)) == [1, 1]


@pytest.mark.django_db
def test_a_utility_that_hears_noise_without_end_forgets_it(desk, hear, monkeypatch):
    from avlas.meters import directory

    monkeypatch.setattr(directory, "_MOST_STRANGERS", 10)
    heard = hear()
    desk.own(heard)
    noise = hear("diehl_sharky", count=30)
    desk.take_in(noise)
    assert desk.take_in(heard).states[State.READ] == 1
    assert directory.Directory.of(desk.utility.pk).strangers == 0


@pytest.mark.django_db
def test_own_meters_get_their_model_from_what_they_say(desk, hear):
    from avlas.meters.models import Meter

    heard = hear(each=2)
    desk.own(heard)
    Meter.objects.update(model="", medium="", family="")
    forget()
    for one in heard:
        desk.take_in([one])
    meter = Meter.objects.get()
    assert (meter.model, meter.medium, bool(meter.family)) == ("MULTICAL 403", "heat", True)


class TestPace:
    def test_it_grows_while_there_is_time_and_shrinks_at_once(self):
        pace = Pace()
        first = pace.size
        pace.note(first, IngestResult(held_seconds=0.01))
        assert pace.size == 2 * first
        for _ in range(10):
            pace.note(pace.size, IngestResult(held_seconds=0.01))
        largest = pace.size
        assert largest == 5000
        pace.note(largest, IngestResult(held_seconds=1.0))
        assert pace.size == largest // 4
        pace.note(1, IngestResult(held_seconds=0.001))  # one telegram says little
        assert pace.size == largest // 4
        pace.note(pace.size, IngestResult(held_seconds=100.0))
        assert pace.size == 20


@pytest.mark.django_db
def test_another_utilitys_state_of_the_same_address_is_its_own(desk, hear):
    heard = hear(each=2)
    desk.own(heard)
    other = Utility.objects.create(name="Söderby", slug="soderby")
    theirs = Desk(other, [Collector.objects.create(utility=other, name="Mast", spec="import")])
    for who in (desk, theirs, desk, theirs):
        who.take_in(heard)
    assert sorted(MeterState.objects.values_list("utility_id", "heard")) == sorted(
        [(desk.utility.pk, 4), (other.pk, 4)]
    )


def test_different_columns_of_a_table_may_be_updated_one_after_the_other(desk, hear):
    """PostgreSQL keeps the table that is copied into for as long as the session lasts."""
    desk.take_in(hear())
    row = MeterState.objects.get()
    column_store.update(connection, "meters_meterstate", {"id": [row.pk], "problem": ["first"]}, "id")
    column_store.update(
        connection, "meters_meterstate", {"id": [row.pk], "model": ["M"], "medium": ["heat"]}, "id"
    )
    row.refresh_from_db()
    assert (row.problem, row.model, row.medium) == ("first", "M", "heat")
