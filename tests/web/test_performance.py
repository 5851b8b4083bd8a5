"""The page of the reading performance, its file and its one setting."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from avlas.meters.models import Installation, Meter
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.reports.models import PerformanceLevel
from avlas.system.models import AuditEvent

TODAY = datetime.now(UTC).date()
PERIOD = {"from": (TODAY - timedelta(days=10)).isoformat(), "to": (TODAY - timedelta(days=1)).isoformat()}


@pytest.fixture
def period(north):
    """The meters are known since long; most of what they should have sent in the period is not there."""
    Meter.objects.update(created_at=timezone.now() - timedelta(days=100))
    return PERIOD


def test_worst_first_and_only_the_bad(north, sign_in, period):
    client = sign_in(north.user)
    answer = client.get(reverse("performance"), period)
    rows = answer.context["rows"]
    shares = [one.percent for one, _bad in rows]
    assert shares == sorted(shares)
    assert all(bad for _one, bad in rows)  # a handful of some 240 hours
    assert rows[0][0].last_missing_at is not None
    Meter.objects.filter(pk=north.meters[0].pk).update(
        slot_seconds=86400 * 400
    )  # one whole slot is never in it
    assert len(client.get(reverse("performance"), period | {"show": "bad"}).context["rows"]) == len(rows) - 1
    for query, count in (
        ({"q": "NORDBYGATAN"}, 1),
        ({"q": "zz"}, 0),
        ({"sort": "-address"}, 3),
        ({"page": "9"}, 3),
    ):
        answer = client.get(reverse("performance"), period | query)
        assert len(answer.context["rows"]) in (count, count - 1), query


def test_a_meter_without_any_reading(north, sign_in, period):
    silent = Meter.objects.create(utility=north.utility, manufacturer="KAM", serial="99999999")
    Meter.objects.filter(pk=silent.pk).update(created_at=timezone.now() - timedelta(days=100))
    client = sign_in(north.user)
    assert "99999999" not in client.get(reverse("performance"), period).content.decode()  # in stock
    Installation.objects.create(meter=silent, point=north.point, from_at=timezone.now() - timedelta(days=90))
    answer = client.get(reverse("performance"), period)
    (one,) = [one for one, _bad in answer.context["rows"] if one.serial == "99999999"]
    last = datetime.combine(date.fromisoformat(PERIOD["to"]), time(23), STANDARD_TIME)
    assert one.last_missing_at == last  # the last hour of the period's last day
    text = answer.content.decode()
    assert "0,00 %" in text[text.index("99999999") :][:1500]


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-10-02", "to": "2026-10-01"},
        {"from": "1990-01-01", "to": "2020-01-01"},
        {"from": "nonsense", "to": "9999-99-99"},
        {"from": "0001-01-01", "to": "0001-01-01"},
        {"from": "2199-01-01", "to": "2199-02-01"},
        {"group": "g99999"},
    ],
)
def test_periods_that_make_no_sense(north, sign_in, query):
    answer = sign_in(north.user).get(reverse("performance"), query)
    assert answer.status_code == 200
    if query.get("to") in ("2026-10-01", "2020-01-01"):
        assert 'role="alert"' in answer.content.decode()
        assert not answer.context["rows"]


def test_export(north, sign_in, period):
    answer = sign_in(north.user).get(reverse("performance_export"), period | {"as": "csv"})
    lines = list(csv.reader(io.StringIO(answer.content.decode().removeprefix("\ufeff")), delimiter=";"))
    assert len(lines[0]) == 6
    assert {line[3] for line in lines[1:]} == {meter.serial for meter in north.meters}
    assert all(0 <= float(line[5].replace(",", ".")) < 5 for line in lines[1:])
    assert AuditEvent.objects.filter(event="data.exported").count() == 1


def test_one_setting_says_what_is_bad(north, south, sign_in, period):
    client = sign_in(north.superuser)
    for wrong in ("-1", "101", "x", ""):
        assert client.post(reverse("performance_level"), {"bad_below_percent": wrong}).status_code == 422
    assert client.post(reverse("performance_level"), {"bad_below_percent": "0"}).status_code == 302
    assert not client.get(reverse("performance"), period | {"show": "bad"}).context["rows"]
    assert PerformanceLevel.of(south.utility).bad_below_percent == 90
    event = AuditEvent.objects.get(event="reports.performance_level_changed")
    assert event.detail == {"bad_below_percent": [90.0, 0.0]}
    assert sign_in(north.user).get(reverse("performance_level")).status_code == 403
