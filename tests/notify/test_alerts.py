"""Ceilings on what meters use: judged on real readings, fired once, counted, reset, and fired again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from avlas.meters.journal import ReadingKey, Written
from avlas.meters.keys import Who
from avlas.meters.models import Format, Kind, Meter, Quality, Reading
from avlas.notify import alerts, telling, watching
from avlas.notify.models import Alert, AlertLimit, Firing, Notice, Notification, Watch
from avlas.system.models import Delivery

pytestmark = pytest.mark.django_db
DAY = datetime(2026, 11, 24, 23, 0, tzinfo=UTC)  # midnight in standard time
HOUR = timedelta(hours=1)


@pytest.fixture
def meter(utility):
    return Meter.objects.create(utility=utility, manufacturer="KAM", serial="70000001", family="multical_403")


def read(meter, at, energy, *, kind=Kind.LIVE):
    """A reading as ingest keeps it; gives its key, as the journal tells it."""
    form, _made = Format.objects.get_or_create(spec='{"energy_heat_kwh": ["kWh", 0]}')
    slot = at.replace(minute=0) if kind == Kind.LIVE else at
    Reading.objects.update_or_create(
        meter=meter, slot_at=slot, kind=kind,
        defaults={"heard_at": at, "source": 1, "format": form, "energy_heat_kwh": energy},
    )  # fmt: skip
    return ReadingKey(meter.pk, int(slot.timestamp()), kind)


def watch(meter, period, ceiling, **more):
    known = {"utility": meter.utility, "register": "energy_heat_kwh", "from_at": DAY - timedelta(days=60)}
    return Alert.objects.create(meter=meter, period=period, ceiling=ceiling, **(known | more))


def judge(*keys, now=DAY + timedelta(days=2)):
    with transaction.atomic():
        alerts.fire(alerts.judge(keys, now), now)


def test_an_hour_a_day_a_month_and_all(meter):
    hour, day = watch(meter, "hour", 5), watch(meter, "day", 30)
    month, total = watch(meter, "month", 200), watch(meter, "total", 1000, from_at=DAY)
    keys = [read(meter, DAY + n * HOUR, 100 + n) for n in range(13)]
    judge(*keys)
    assert not Firing.objects.exists()
    judge(read(meter, DAY + 13 * HOUR, 112 + 6))  # six in an hour; eighteen on the day so far
    assert Firing.objects.get().alert == hour
    judge(read(meter, DAY + 14 * HOUR, 131))
    assert set(Firing.objects.values_list("alert", flat=True)) == {hour.pk, day.pk}
    assert Firing.objects.get(alert=day).used == 31
    judge(read(meter, DAY + 30 * HOUR, 100 + 201))
    assert Firing.objects.get(alert=month).start_at == datetime(2026, 10, 31, 23, tzinfo=UTC)
    judge(read(meter, DAY + 40 * HOUR, 100 + 1001))
    assert Firing.objects.get(alert=total).used == 1001


def test_what_is_used_exactly_is_allowed(meter):
    watch(meter, "hour", 0.3)
    judge(read(meter, DAY, 0.1), read(meter, DAY + HOUR, 0.4))
    assert not Firing.objects.exists()


def test_a_reading_between_the_hours_counts_for_both(meter):
    watch(meter, "hour", 5)
    half = timedelta(minutes=30)
    judge(read(meter, DAY + half, 100), read(meter, DAY + HOUR + half, 108))
    firing = Firing.objects.first()
    assert firing is None  # at least four in each: not more than the ceiling for sure
    judge(read(meter, DAY + 2 * HOUR + half, 116))
    assert Firing.objects.get().used == pytest.approx(8)  # 01:00 to 02:00, between the neighbours


def test_it_stands_until_it_is_reset_and_fires_again_in_a_later_period(meter, utility):
    alert = watch(meter, "hour", 5)
    judge(*[read(meter, DAY + n * HOUR, 100 + 10 * n) for n in range(4)])
    firing = Firing.objects.get()
    assert (firing.times, firing.used, firing.reset_at) == (3, 10, None)
    alert.refresh_from_db()
    assert alert.fired_at is not None
    assert alerts.fired_of([meter.pk]) == {meter.pk}
    judge(read(meter, DAY + 3 * HOUR, 130))  # the same again
    firing.refresh_from_db()
    assert firing.times == 3
    assert alerts.reset([alert], Who()) == 1
    assert alerts.reset([alert], Who()) == 0
    assert alerts.fired_of([meter.pk]) == set()
    Alert.objects.update(reset_at=DAY + 3 * HOUR + timedelta(minutes=5))
    judge(read(meter, DAY + 3 * HOUR, 130))
    judge(read(meter, DAY + 4 * HOUR, 140))  # the hour in which it was reset
    assert Firing.objects.filter(reset_at=None).count() == 0
    judge(read(meter, DAY + 5 * HOUR, 150))
    assert Firing.objects.get(reset_at=None).start_at == DAY + 4 * HOUR
    assert Firing.objects.count() == 2


def test_the_total_is_counted_from_the_reset_on(meter):
    alert = watch(meter, "total", 50, from_at=DAY)
    judge(read(meter, DAY, 100), read(meter, DAY + HOUR, 151))
    assert Firing.objects.get().used == 51
    alerts.reset([alert], Who())
    Alert.objects.update(reset_at=DAY + HOUR)
    judge(read(meter, DAY + 2 * HOUR, 200))
    assert Firing.objects.count() == 1
    judge(read(meter, DAY + 3 * HOUR, 202))
    assert Firing.objects.get(reset_at=None).used == 51


def test_only_in_its_time(meter):
    alert = watch(meter, "hour", 5, from_at=DAY + 2 * HOUR, to_at=DAY + 4 * HOUR)
    keys = [read(meter, DAY + n * HOUR, 100 + 10 * n) for n in range(8)]
    judge(*keys)
    assert Firing.objects.get().times == 2
    alerts.reset([alert], Who())
    Alert.objects.update(reset_at=None)
    judge(*keys, now=DAY + timedelta(days=60))
    assert Firing.objects.count() == 1


def test_a_reading_that_comes_late_is_judged_too(meter):
    watch(meter, "hour", 15)
    judge(read(meter, DAY, 100), read(meter, DAY + 2 * HOUR, 120))
    assert not Firing.objects.exists()  # ten an hour, as far as is known
    judge(read(meter, DAY + HOUR, 118))
    assert Firing.objects.get().used == 18


def test_a_step_backwards_or_a_voided_reading_never_fires(meter):
    watch(meter, "hour", 5)
    judge(read(meter, DAY, 100), read(meter, DAY + HOUR, 20))
    wrong = read(meter, DAY + 2 * HOUR, 900)
    Reading.objects.filter(slot_at=DAY + 2 * HOUR).update(quality=int(Quality.VOIDED))
    judge(wrong)
    assert not Firing.objects.exists()


def test_a_ceiling_is_set_judged_at_once_replaced_and_removed(meter, utility):
    other = Meter.objects.create(utility=utility, manufacturer="KAM", serial="70000002")
    now = datetime.now(UTC)
    start = now - timedelta(hours=30)
    read(meter, start, 100)
    read(meter, now - timedelta(minutes=1), 900, kind=Kind.LOGGED)
    said = {"register": "energy_heat_kwh", "period": "total", "from_at": start, "to_at": None, "who": Who()}
    assert alerts.set_ceiling(utility, [meter.pk, other.pk, 10**6], ceiling=500, **said) == 2
    assert Firing.objects.get().alert.meter == meter
    assert alerts.set_ceiling(utility, [meter.pk], ceiling=500, **said) == 1
    assert Firing.objects.get().reset_at is None  # nothing has changed
    alerts.set_ceiling(utility, [meter.pk], ceiling=700, **said)
    assert Firing.objects.get(reset_at=None).ceiling == 700
    alerts.set_ceiling(utility, [meter.pk], ceiling=1000, **said)
    assert not Firing.objects.filter(reset_at=None).exists()
    assert Alert.objects.count() == 2
    assert alerts.remove(list(Alert.objects.all()), Who()) == 2
    assert not Alert.objects.exists()


def test_the_limit_of_meters(meter, utility):
    others = [Meter.objects.create(utility=utility, manufacturer="KAM", serial=f"8{n}") for n in range(3)]
    AlertLimit.objects.create(utility=utility, meters=2)
    said = {"period": "day", "from_at": DAY, "to_at": None, "who": Who(), "ceiling": 1}
    alerts.set_ceiling(utility, [meter.pk, others[0].pk], register="volume_m3", **said)
    alerts.set_ceiling(
        utility, [meter.pk], register="energy_heat_kwh", **said
    )  # the same meter: no more than before
    with pytest.raises(alerts.TooManyAlerts) as met:
        alerts.set_ceiling(utility, [one.pk for one in others], register="volume_m3", **said)
    assert (met.value.limit, met.value.watched, met.value.more) == (2, 2, 2)
    assert alerts.limit_of(utility) == 2


def test_from_the_journal_to_the_message(meter, utility):
    watch(meter, "hour", 5)
    Notification.objects.create(
        utility=utility, who="address", road="mail", address="drift@x.example", language="en", info_codes=False,
        alerts=True,
    )  # fmt: skip
    now = DAY + 3 * HOUR
    watching.look_once(now)
    with transaction.atomic():
        written = Written(utility.pk)
        for key in [read(meter, DAY + n * HOUR, 100 + 10.5 * n) for n in range(3)]:
            written.reading(*key)
        written.append()
    place = Watch.objects.get(name="alerts").cursor
    assert watching.look_once(now)
    Watch.objects.filter(name="alerts").update(cursor=place)  # as if it had died before: nothing twice
    assert watching.look_once(now)
    assert not watching.look_once(now)
    assert Firing.objects.get().times == 2
    assert Notice.objects.count() == 1
    while telling.tell_once(now + timedelta(minutes=2)):
        pass
    message = Delivery.objects.get()
    assert message.subject == "High consumption: 70000001"
    assert "High consumption: 10.5 kWh in an hour (heat energy), the ceiling is 5 kWh" in message.body


def test_many_readings_are_judged_in_few_statements(utility, django_assert_max_num_queries):
    meters = [
        Meter.objects.create(utility=utility, manufacturer="KAM", serial=f"9{n:05}", family="multical_403")
        for n in range(60)
    ]
    for one in meters:
        watch(one, "hour", 5)
        watch(one, "day", 500)
    keys = [read(one, DAY + n * HOUR, 100 + 10 * n) for one in meters for n in range(2)]
    with django_assert_max_num_queries(6):
        exceeded = alerts.judge(keys, DAY + 2 * HOUR)
    assert len(exceeded) == 60
