"""The page Check-up: what is wrong with the installation, for who runs it; nobody else's things on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from avlas.meters.models import Collector, ReceiverHour
from avlas.operation.check import everything, work

pytestmark = pytest.mark.one_database


@pytest.fixture
def who_runs_it(north, sign_in):
    return sign_in(north.administrator)


def shown(clerk) -> str:
    return clerk.get(reverse("check_up")).content.decode()


def test_it_says_what_is_wrong_and_how_to_mend_it(north, who_runs_it):
    Collector.objects.filter(pk=north.collector.pk).update(status="stopped")
    text = shown(who_runs_it)
    assert "Nordby torn ska lyssna, men inget lyssnar på den" in text
    assert "Starta Avläs med ./run" in text
    assert "Databasen svarar" in text
    assert text.index("Nordby torn") < text.index("Databasen svarar"), "the worst first"
    assert "Jobbet Nordby nattjobb har misslyckats sedan" in text


def test_a_receiver_is_missed_by_its_habits(north, who_runs_it):
    """One that hears 60 telegrams an hour is missed within the hour; one that never hears at this hour is not."""
    missed = "Nordby torn har inte hört något sedan"
    now = datetime.now(UTC)
    last_heard = now - timedelta(minutes=50)
    Collector.objects.filter(pk=north.collector.pk).update(status="running", last_heard_at=last_heard)
    assert missed not in shown(who_runs_it)
    hour = now.replace(minute=0, second=0, microsecond=0)
    for hours in range(2, 24 * 4):
        ReceiverHour.objects.create(
            collector=north.collector,
            hour_at=int((hour - timedelta(hours=hours)).timestamp()),
            telegrams=60,
            seconds=3600,
        )
    assert missed in shown(who_runs_it)
    ReceiverHour.objects.update(telegrams=0)
    assert missed not in shown(who_runs_it)


def test_only_who_runs_the_installation_sees_it(north, south, sign_in):
    for user, status in ((north.administrator, 200), (north.superuser, 403), (south.administrator, 403)):
        clerk = sign_in(user)
        assert clerk.get(reverse("check_up")).status_code == status
        assert (f'href="{reverse("check_up")}"' in clerk.get(reverse("keys")).content.decode()) is (
            status == 200
        )


def test_nothing_of_another_utility_is_on_it(north, south, who_runs_it):
    old = datetime.now(UTC) - timedelta(days=2)
    Collector.objects.filter(pk=south.collector.pk).update(status="failed", last_heard_at=old)
    assert south.mark not in shown(who_runs_it)


def test_a_check_that_falls_over_is_a_finding_and_the_others_go_on(north, who_runs_it, monkeypatch):
    def receivers(_asked):
        raise RuntimeError("the roof fell in")
        yield

    monkeypatch.setattr(everything, "OF_WORK", (receivers, work.jobs))
    text = shown(who_runs_it)
    assert "RuntimeError: the roof fell in" in text
    assert "Jobbet Nordby nattjobb har misslyckats sedan" in text
