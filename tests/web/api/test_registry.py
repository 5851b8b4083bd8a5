"""Meters, points, customers, groups and keys through the API: the pages' own rules, audited, done once."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from avlas.meters import keys as meter_keys
from avlas.meters.models import Customer, Installation, Key, Meter, MeteringPoint
from avlas.system import api_answers
from avlas.system.api_answers import ApiAnswer
from avlas.system.models import AuditEvent

pytestmark = pytest.mark.django_db
NEW = {"manufacturer": "KAM", "serial": "87654321", "medium": "heat", "qp_m3h": 1.5}


def audited(event: str) -> AuditEvent:
    found = AuditEvent.objects.filter(event=event).order_by("pk").last()
    assert found is not None, event
    assert found.user_name.startswith("API: Billing (")
    return found


class TestMeters:
    def test_added_changed_installed_taken_down_retired_removed(self, north, billing):
        made = billing.post("/meters", NEW, 201)
        assert made["addresses"] == [{"road": "radio", "identifier": "KAM87654321", "contested": False}]
        assert made["installed"] is None
        audited("meter.created")
        pk = made["id"]
        changed = billing("PATCH", f"/meters/{pk}", {"model": "MC 403", "qp_m3h": None}).json()
        assert (changed["model"], changed["qp_m3h"], changed["serial"]) == ("MC 403", None, "87654321")
        assert audited("meter.changed").detail["qp_m3h"] == [1.5, None]
        point = billing.post("/points", {"facility_id": "735999000000000018"}, 201)
        since = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
        there = billing.post(f"/meters/{pk}/install", {"point_id": point["id"], "at": since})
        assert there["installed"]["facility_id"] == "735999000000000018"
        assert billing.refused("POST", f"/meters/{pk}/retire") == (409, "installed")
        assert billing.get(f"/points/{point['id']}")["meters"][0]["serial"] == "87654321"
        assert billing.post(f"/meters/{pk}/take-down", {"reason": "torn down"})["installed"] is None
        assert billing.refused("POST", f"/meters/{pk}/take-down", {"reason": "again"}) == (409, "gone")
        assert billing.post(f"/meters/{pk}/retire")["retired_at"]
        assert billing.post(f"/meters/{pk}/restock")["retired_at"] is None
        assert billing.refused("DELETE", f"/meters/{pk}") == (409, "needed")
        other = billing.post("/meters", {"manufacturer": "DME", "serial": "A/1"}, 201)
        assert billing("DELETE", f"/meters/{other['id']}").status_code == 204
        assert billing.refused("GET", f"/meters/{other['id']}")[0] == 404

    def test_a_serial_number_is_there_once(self, north, billing):
        billing.post("/meters", NEW, 201)
        assert billing.refused("POST", "/meters", NEW) == (409, "taken")
        taken = {"manufacturer": "KAM", "serial": "87654321"}
        assert billing.refused("PATCH", f"/meters/{north.meters[0].pk}", taken) == (409, "taken")
        assert billing.refused("POST", "/meters", NEW | {"serail": "1"})[0] == 422
        future = {"point_id": north.point.pk, "at": "2099-01-01T00:00:00Z"}
        assert billing.refused("POST", f"/meters/{north.meters[1].pk}/install", future)[0] == 422

    def test_found_page_by_page(self, north, billing):
        seen, cursor = [], ""
        while cursor is not None:
            told = billing.get(f"/meters?limit=2&cursor={cursor}")
            seen += [one["id"] for one in told["items"]]
            cursor = told["next"]
        assert seen == sorted(meter.pk for meter in north.meters)
        first = north.meters[0]
        for query in (f"serial={first.serial}", f"facility_id={north.point.facility_id}", "q=nordbygatan"):
            assert [one["id"] for one in billing.get(f"/meters?{query}")["items"]] == [first.pk]
        one = billing.get(f"/meters/{first.pk}")
        assert one["installed"]["address"] == "Nordbygatan 7"
        assert one["last_read_at"]
        assert billing.refused("GET", "/meters?cursor=nonsense")[0] == 422
        assert billing.refused("GET", "/meters?group=g999")[0] == 422
        assert billing.get("/meters?group=stock")["items"]

    def test_an_edit_of_an_old_version_is_refused(self, north, billing):
        path = f"/meters/{north.meters[0].pk}"
        version = billing("GET", path)["ETag"]
        answer = billing("PATCH", path, {"note": "first"}, If_Match=version)
        assert answer.status_code == 200
        assert answer["ETag"] != version
        assert billing.refused("PATCH", path, {"note": "late"}, If_Match=version) == (
            412,
            "changed_meanwhile",
        )
        assert billing("PATCH", path, {"note": "second"}, If_Match=answer["ETag"]).status_code == 200


class TestOnce:
    def test_the_same_call_again_is_not_done_again(self, north, billing):
        key = str(uuid.uuid4())
        first = billing("POST", "/meters", NEW, Idempotency_Key=key)
        again = billing("POST", "/meters", NEW, Idempotency_Key=key)
        assert (first.status_code, first.content, first["ETag"]) == (
            again.status_code,
            again.content,
            again["ETag"],
        )
        assert again["Idempotent-Replayed"] == "true"
        assert Meter.objects.filter(serial="87654321").count() == 1
        assert billing.refused("POST", "/meters", NEW | {"serial": "2"}, Idempotency_Key=key) == (
            422,
            "key_reused",
        )
        assert billing.refused("POST", "/groups", NEW, Idempotency_Key=key) == (422, "key_reused")

    def test_what_was_refused_may_be_tried_again(self, north, billing):
        billing.post("/meters", NEW, 201)
        assert billing.refused("POST", "/meters", NEW, Idempotency_Key="k") == (409, "taken")
        assert not ApiAnswer.objects.exists()
        assert billing("POST", "/meters", NEW | {"serial": "2"}, Idempotency_Key="k").status_code == 201

    def test_keys_are_each_tokens_own(self, north, billing, theirs):
        billing.post("/groups", {"name": "A"}, 201, Idempotency_Key="k")
        told = theirs.post("/groups", {"name": "A"}, 201, Idempotency_Key="k")
        assert told["meters"] == 0
        assert billing.refused("POST", "/groups", {"name": "B"}, Idempotency_Key="x" * 201)[0] == 422

    def test_answers_are_forgotten_after_a_day(self, north, billing):
        billing.post("/groups", {"name": "A"}, 201, Idempotency_Key="k")
        now = datetime.now(UTC)
        assert api_answers.forget_old(now) == 0
        assert api_answers.forget_old(now + timedelta(hours=25)) == 1


def test_points_and_customers(north, billing):
    told = {
        "facility_id": "735999000000000025",
        "address": "Ängsvägen 3",
        "latitude": 57.7,
        "longitude": 11.97,
    }
    point = billing.post("/points", told, 201)
    assert billing.refused("POST", "/points", told) == (409, "taken")
    assert billing.refused("POST", "/points", {"facility_id": "x", "latitude": 57.7})[0] == 422
    assert billing.refused("PATCH", f"/points/{point['id']}", {"facility_id": north.point.facility_id}) == (
        409,
        "taken",
    )
    changed = billing("PATCH", f"/points/{point['id']}", {"city": "Möln dal"}).json()
    assert (changed["city"], changed["address"]) == ("Möln dal", "Ängsvägen 3")
    assert audited("points.changed").detail == {"changed": ["city"]}
    person = billing.post(
        "/customers", {"number": "K-7", "name": "Anna Ek", "email": "anna@example.org"}, 201
    )
    assert billing.refused("POST", "/customers", {"number": "K-7"}) == (409, "taken")
    assert billing.refused("POST", "/customers", {"number": "K-8", "email": "no address"})[0] == 422
    assert billing("PATCH", f"/customers/{person['id']}", {"email": None}).json()["email"] == ""
    at = "2026-01-01T00:00:00+01:00"
    moved = billing.post(f"/points/{point['id']}/move", {"customer_id": person["id"], "at": at})
    assert [(one["customer_number"], one["since"]) for one in moved["items"]] == [
        ("K-7", "2025-12-31T23:00:00Z")
    ]
    assert billing.get(f"/customers/{person['id']}/points")["items"][0]["facility_id"] == told["facility_id"]
    assert billing.refused("POST", f"/points/{point['id']}/move", {"customer_id": None, "at": at}) == (
        409,
        "changed_hands",
    )
    billing.post(f"/points/{point['id']}/move", {"customer_id": None})
    assert billing.get(f"/points/{point['id']}/customers")["items"][0]["until"]
    assert billing.get("/customers?q=anna")["items"][0]["id"] == person["id"]
    assert "door_code" not in str(billing.get("/points"))
    assert Customer.objects.get(pk=person["id"]).utility == MeteringPoint.objects.get(pk=point["id"]).utility


def test_groups(north, south, billing):
    made = billing.post("/groups", {"name": "Ute", "note": "x"}, 201)
    ids = [meter.pk for meter in (*north.meters, *south.meters)]
    path = f"/groups/{made['id']}"
    assert billing.post(f"{path}/meters", {"add": ids}) == {"added": len(north.meters), "removed": 0}
    assert billing.post(f"{path}/meters", {"remove": ids[:1]}) == {"added": 0, "removed": 1}
    assert billing.get(path)["meters"] == len(north.meters) - 1
    assert len(billing.get(f"/meters?group={made['choice']}")["items"]) == len(north.meters) - 1
    assert billing.refused("POST", "/groups", {"name": "ute"}) == (409, "bad_name")
    assert billing("PATCH", path, {"name": "Inne"}).json()["note"] == "x"
    assert billing.get("/groups")["items"][0]["choice"] == "all"
    assert billing("DELETE", path).status_code == 204


def test_keys_go_in_and_never_out(north, billing):
    stranger = north.fleet[2]  # heard, adopted, and without a key until now
    sent = {
        "keys": [
            {"number": f"KAM{stranger.identification}", "key": stranger.key.hex()},
            {"number": "12", "key": "zz"},
            {"number": "no number", "key": "00" * 16},
        ],
        "source": "ERP",
    }
    told = billing.post("/keys", sent)
    assert (told["added"], [one["index"] for one in told["refused"]]) == (1, [1, 2])
    kept = Key.objects.get(identification=stranger.identification)
    assert meter_keys.open_key(kept) == stranger.key
    assert stranger.key.hex() not in str(AuditEvent.objects.values_list("detail", "target"))
    assert billing.post("/keys", sent)["unchanged"] == 1
    assert billing.refused("GET", "/keys")[0] == 405
    meter = Meter.objects.get(utility=north.utility, serial=stranger.identification)
    assert billing.get(f"/meters/{meter.pk}/readings")["items"], "what waited for the key is read"
    assert Installation.objects.count()
