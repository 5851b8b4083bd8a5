"""Telegrams over the API: taken in once, acknowledged after the commit, each utility for itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError
from django.test import Client

from avlas.meters.adopt import adopt
from avlas.meters.directory import Directory
from avlas.meters.keys import Who
from avlas.meters.keys import add as add_key
from avlas.meters.models import Collector, Kind, MeterState, Reading, Telegram
from avlas.simulate import samples
from avlas.system import tokens
from avlas.system.models import Utility
from avlas.web.api import routes

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 20, 6, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nothing_remembered():
    Directory.forget()
    yield
    Directory.forget()


@pytest.fixture
def utility():
    return Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")


def token_of(utility):
    return tokens.create(utility, "SCADA", ["telegrams:write"], created_by=None)[1]


def post(token, telegrams, **body):
    return Client().post(
        "/api/v1/telegrams",
        json.dumps({"telegrams": telegrams} | body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )


def heard(meter, hours=3):
    return [
        {
            "frame": samples.next_telegram(meter, START + timedelta(hours=hour), 7).hex(),
            "heard_at": (START + timedelta(hours=hour)).isoformat(),
            "rssi_dbm": -70.5,
        }
        for hour in range(hours)
    ]


def test_taken_in_and_repeats_change_nothing(utility):
    (meter,) = samples.meters("multical403", 1, 7)
    telegrams, token = heard(meter), token_of(utility)
    answer = post(token, telegrams)
    assert (answer.status_code, answer.json()["states"]) == (200, {"unknown_meter": 3})
    adopt(utility, MeterState.objects.all(), None)
    add_key(utility, meter.identification, meter.key.hex(), Who(), "KAM")
    assert post(token, telegrams, collector="Roof").json()["accepted"] == 3
    assert Reading.objects.filter(kind=Kind.LIVE).count() == 3
    again = post(token, telegrams).json()
    assert (again["surplus"], Reading.objects.filter(kind=Kind.LIVE).count(), Telegram.objects.count()) == (
        3,
        3,
        3,
    )
    assert set(Collector.objects.values_list("name", "active")) == {("API", False), ("Roof", False)}
    assert Collector.objects.get(name="Roof").last_heard_at == START + timedelta(hours=2)


def test_a_bad_row_is_named_and_the_others_go_in(utility):
    (meter,) = samples.meters("multical403", 1, 7)
    good = heard(meter, 1)
    answer = post(
        token_of(utility), [{"frame": "xyz"}, *good, {"frame": ""}, {"frame": "2E44AA", "format": "a-crc"}]
    )
    assert answer.status_code == 200
    assert [row["index"] for row in answer.json()["refused"]] == [0, 2, 3]
    assert answer.json()["accepted"] == 1


def test_without_a_good_token_nothing_is_taken(utility):
    token = token_of(utility)
    row = tokens.verify(token, "telegrams:write")
    for wrong in ("", "nonsense", token[:-1] + ("0" if token[-1] != "0" else "1")):
        assert post(wrong, []).status_code == 401
    tokens.revoke(row, user=None)
    assert post(token, []).status_code == 401
    assert not Collector.objects.exists()


def test_too_many_at_once_are_refused(utility):
    assert post(token_of(utility), [{"frame": "00"}] * (routes.MOST_TELEGRAMS + 1)).status_code == 422
    assert post(token_of(utility), [{"frame": "00", "heard_at": "2026-11-20T06:00:00"}]).status_code == 422


def test_two_utilities_stay_apart(utility):
    other = Utility.objects.create(name="Söderby Fjärrvärme", slug="soderby")
    (meter,) = samples.meters("multical403", 1, 7)
    post(token_of(utility), heard(meter, 1))
    post(token_of(other), heard(meter, 2))
    assert dict(MeterState.objects.values_list("utility__slug", "heard")) == {"norrtuna": 1, "soderby": 2}


def test_a_database_that_is_away_is_said_so(utility, monkeypatch):
    def away(_batch):
        raise OperationalError("database is locked")

    token = token_of(utility)
    monkeypatch.setattr(routes, "ingest", away)
    (meter,) = samples.meters("multical403", 1, 7)
    answer = post(token, heard(meter, 1))
    assert answer.status_code == 503
    assert "again" in answer.json()["detail"]
