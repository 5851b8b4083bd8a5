"""What is tidied away, and what is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from avlas.meters import housekeeping
from avlas.meters.housekeeping import tidy
from avlas.meters.models import MeterState, Reading, Telegram
from avlas.system.models import Utility

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_strangers_are_forgotten_after_a_day_of_silence_own_meters_never(desk, hear):
    own, strangers = hear(), hear(count=3, seed=8)
    desk.own(own)
    desk.take_in([*own, *strangers])
    MeterState.objects.filter(meter=None).update(noted_at=NOW - timedelta(hours=25))
    one = MeterState.objects.filter(meter=None).first()
    MeterState.objects.filter(pk=one.pk).update(noted_at=NOW - timedelta(hours=23))
    MeterState.objects.exclude(meter=None).update(noted_at=NOW - timedelta(days=400))
    assert tidy(NOW)["strangers"] == 2
    assert set(MeterState.objects.values_list("meter__serial", flat=True)) == {
        None,
        own[0].meter.identification,
    }


def test_strangers_of_an_old_recording_stay_a_day_from_its_import(desk, hear):
    desk.take_in(hear(count=2))  # heard days ago, imported now
    assert tidy(datetime.now(UTC) + timedelta(hours=23))["strangers"] == 0
    assert tidy(datetime.now(UTC) + timedelta(hours=25))["strangers"] == 2


def test_raw_telegrams_are_kept_by_the_utilitys_rule_readings_stay(desk, hear, monkeypatch):
    monkeypatch.setattr(housekeeping, "_CHUNK", 2)
    heard = hear(each=8)
    desk.own(heard)
    desk.take_in(heard)
    readings, raw = Reading.objects.count(), Telegram.objects.count()
    later = heard[3].at.replace(year=2027, month=12)
    assert tidy(later)["raw telegrams"] == 3
    assert (Reading.objects.count(), Telegram.objects.count()) == (readings, raw - 3)
    assert tidy(later)["raw telegrams"] == 0
    Utility.objects.update(keep_telegrams_months=14)
    assert tidy(heard[5].at.replace(year=2027, month=12))["raw telegrams"] == 0
    assert tidy(heard[5].at.replace(year=2028, month=1))["raw telegrams"] == 2


def test_partitions_for_the_coming_months(desk):
    made = tidy(NOW + timedelta(days=365))["partitions"]
    assert made == (0 if connection.vendor == "sqlite" else 24)
