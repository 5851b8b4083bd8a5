"""Telegrams over the API: acknowledged after the commit, repeatable, one utility apart from the other."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError
from django.test import Client

from avlas.meters.adopt import adopt
from avlas.meters.keys import Who
from avlas.meters.keys import add as add_key
from avlas.meters.models import Collector, Meter, MeterState, Reading, Telegram
from avlas.simulate import frames, samples
from avlas.system import secrets, tokens
from avlas.system.models import ApiToken, AuditEvent, Utility
from avlas.web.api import telegrams

pytestmark = pytest.mark.django_db

START = datetime(2026, 11, 20, 6, tzinfo=UTC)


@pytest.fixture
def utility():
    return Utility.objects.create(name="Norrtuna Energi", slug="norrtuna")


@pytest.fixture
def token(utility):
    return tokens.create(utility, "concentrator", ["telegrams:write"], created_by=None)[1]


@pytest.fixture(autouse=True)
def nothing_remembered():
    from avlas.meters import formats, layouts
    from avlas.meters.directory import Directory

    for forget in (Directory.forget, formats.forget, layouts.forget):
        forget()


def post(token, body, content_type="application/json"):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    return Client().post("/api/v1/telegrams", data, content_type=content_type, headers=headers)


def telegram(meter, minutes=0, **more):
    at = START + timedelta(minutes=minutes)
    return {"frame": samples.next_telegram(meter, at, 7).hex(), "heard_at": at.isoformat(), **more}


@pytest.fixture
def meter(utility, token):
    """A heat meter of the utility, adopted, with its key."""
    (one,) = samples.meters("multical403", 1, 5)
    assert post(token, {"telegrams": [telegram(one, -600)]}).status_code == 200
    MeterState.objects.update(recent=[])
    add_key(utility, one.identification, one.key.hex(), Who(), "KAM")
    adopt(utility, MeterState.objects.all(), None)
    return one


def problem(response, status):
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    told = response.json()
    assert told["status"] == status
    assert told["title"]
    return told["detail"]


def test_telegrams_are_stored_when_the_answer_comes(token, meter):
    sent = [telegram(meter, 60 * hour, rssi_dbm=-71.5) for hour in range(3)]
    response = post(token, {"collector": "Roof", "telegrams": sent})
    assert response.status_code == 200
    assert response.json() == {"accepted": 3, "surplus": 0, "states": {"read": 3}, "refused": []}
    assert Reading.objects.filter(kind=0).count() == 3
    assert set(Telegram.objects.values_list("rssi_dbm", flat=True)) == {-71.5}
    assert Collector.objects.get(name="Roof").telegrams == 3


def test_sending_it_again_changes_nothing(token, meter):
    body = {"telegrams": [telegram(meter, 60 * hour) for hour in range(3)]}
    post(token, body)
    before = list(Reading.objects.values()), list(Telegram.objects.values_list("pk", "state"))
    assert post(token, body).json()["surplus"] == 3
    assert (list(Reading.objects.values()), list(Telegram.objects.values_list("pk", "state"))) == before


def test_a_bad_telegram_is_named_and_the_rest_goes_in(token, meter):
    bad = [
        {"frame": "not hex"},
        {"frame": ""},
        {"frame": "00" * 700},
        {"frame": "44", "heard_at": "2026-11-20T06:00:00"},  # which time zone?
        {"frame": "1E44", "format": "a-crc"},
        {"rssi_dbm": -70},
        "a string",
        {"frame": "44", "rssi_dbm": 9000},
    ]
    told = post(token, {"telegrams": [*bad[:4], telegram(meter), *bad[4:]]}).json()
    assert [one["index"] for one in told["refused"]] == [0, 1, 2, 3, 5, 6, 7, 8]
    assert all(one["message"] for one in told["refused"])
    assert told["accepted"] == 1
    assert Reading.objects.filter(kind=0).count() == 1


def test_damaged_telegrams_are_no_error(token):
    told = post(token, {"telegrams": [{"frame": "01"}, {"frame": "ff" * 300}, {"frame": "00" * 40}]}).json()
    assert told["accepted"] == 3
    assert told["refused"] == []


def test_frames_with_link_crcs_and_wired_ones(token, utility):
    radio, wired = samples.meters("diehl_sharky", 1, 3)[0], samples.meters("multical603_wired", 1, 3)[0]
    with_crcs = frames.format_a(samples.next_telegram(radio, START, 7))
    sent = [
        {"frame": with_crcs.hex(), "format": "a-crc"},
        {"frame": with_crcs[:-1].hex() + "00", "format": "a-crc"},
        {"frame": samples.next_telegram(wired, START, 7).hex(), "format": "wired"},
    ]
    told = post(token, {"telegrams": sent}).json()
    assert told["states"] == {"unknown_meter": 2}
    assert [one["index"] for one in told["refused"]] == [1]
    assert "CRC" in told["refused"][0]["message"]
    assert set(MeterState.objects.values_list("identification", flat=True)) == {
        radio.identification,
        wired.identification,
    }


def test_a_telegram_is_never_heard_in_the_future(token, meter):
    far = telegram(meter) | {"heard_at": "2199-01-01T00:00:00Z"}
    post(token, {"telegrams": [far, telegram(meter) | {"heard_at": None}]})
    assert not Telegram.objects.filter(heard_at__gt=datetime.now(UTC) + timedelta(seconds=1)).exists()
    assert Telegram.objects.exists()


def test_ten_thousand_at_once_and_not_one_more(token):
    stranger = samples.meters("diehl_sharky", 1, 4)[0]
    one = telegram(stranger, rssi_dbm=-70.5, format="a")
    frame = bytes.fromhex(one["frame"])
    one["frame"] = (bytes([254]) + frame[1:] + bytes(255 - len(frame))).hex()  # as long as a telegram can be
    full = post(token, {"telegrams": [one] * 10_000})
    assert full.status_code == 200
    assert MeterState.objects.get().heard == 10_000
    detail = problem(post(token, {"telegrams": [one] * 10_001}), 422)
    assert "Nothing was stored" in detail
    assert MeterState.objects.get().heard == 10_000


class TestToken:
    def test_wrong_missing_and_revoked_tokens(self, token, utility):
        for wrong in (None, "", "avlas_nonsense", token[:-1] + ("0" if token[-1] != "0" else "1")):
            response = post(wrong, {"telegrams": []})
            problem(response, 401)
            assert response["WWW-Authenticate"] == "Bearer"
        tokens.revoke(ApiToken.objects.get(), user=None)
        problem(post(token, {"telegrams": []}), 401)

    def test_another_scope(self, utility):
        other = tokens.create(utility, "report", ["readings:read"], created_by=None)[1]
        assert "telegrams:write" in problem(post(other, {"telegrams": []}), 403)

    def test_each_utility_gets_its_own(self, token, meter, utility):
        theirs = Utility.objects.create(name="Söderby", slug="soderby")
        other = tokens.create(theirs, "concentrator", ["telegrams:write"], created_by=None)[1]
        sent = {"collector": "Roof", "telegrams": [telegram(meter)]}
        assert post(token, sent).json()["states"] == {"read": 1}
        assert post(other, sent).json()["states"] == {"unknown_meter": 1}
        assert set(Meter.objects.values_list("utility", flat=True)) == {utility.pk}
        assert Collector.objects.filter(name="Roof").count() == 2


class TestTrouble:
    def test_a_locked_database_says_come_again(self, token, meter, monkeypatch):
        def locked(_):
            raise OperationalError("database is locked")

        monkeypatch.setattr(telegrams, "ingest", locked)
        response = post(token, {"telegrams": [telegram(meter)]})
        assert "again" in problem(response, 503)
        assert response["Retry-After"]

    def test_a_lost_master_key_says_come_again(self, token, meter, settings, tmp_path):
        from avlas.meters.directory import Directory

        there = settings.DATA
        sent = {"telegrams": [telegram(meter)]}
        settings.DATA = tmp_path
        secrets.forget()
        Directory.forget()
        assert "master key" in problem(post(token, sent), 503)
        assert not Telegram.objects.exists()
        settings.DATA = there
        secrets.forget()
        assert post(token, sent).json()["states"] == {"read": 1}

    @pytest.mark.parametrize("body", ["{", "", "[]", '{"telegrams": 5}', '{"collector": ""}', "null"])
    def test_what_is_no_request(self, token, body):
        response = post(token, body)
        assert response.status_code in (400, 422)
        problem(response, response.status_code)

    def test_too_large(self, token, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
        problem(post(token, {"telegrams": [{"frame": "00" * 600}]}), 413)


def test_the_command_makes_a_token_that_works_and_tells_the_audit_log(utility, capsys):
    from avlas import cli

    assert cli.main(["token", "create", "concentrator Roof"]) == 0
    made = capsys.readouterr().out.strip()
    assert post(made, {"telegrams": []}).status_code == 200
    assert AuditEvent.objects.filter(
        event="access.token_created", target__contains="concentrator Roof"
    ).exists()
    assert cli.main(["token", "list"]) == 0
    listed = capsys.readouterr().out
    assert "concentrator Roof" in listed
    assert made not in listed
    assert cli.main(["token", "revoke", made.rpartition("_")[0]]) == 0
    problem(post(made, {"telegrams": []}), 401)
    assert cli.main(["token", "create", " "]) == 1
