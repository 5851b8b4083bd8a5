"""Everything since: nothing missed, nothing twice, one utility's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from avlas.meters import journal
from avlas.reports import news

pytestmark = pytest.mark.django_db


def follow(billing, cursor, limit=3):
    seen = []
    while True:
        told = billing.get(f"/changes?cursor={cursor}&limit={limit}")
        seen += told["items"]
        cursor = told["next"]
        if not told["more"]:
            return seen, cursor


def test_from_now_on_everything_comes_once(north, south, billing):
    start = billing.get("/changes")
    assert (start["items"], start["more"]) == ([], False)
    now = datetime.now(UTC)
    north.hear(north.fleet[:2], now - timedelta(hours=33), now - timedelta(hours=34))
    south.hear(south.fleet[:2], now - timedelta(hours=33))
    north.hear(north.fleet[1:2], now - timedelta(hours=32), info_code=1)
    seen, cursor = follow(billing, start["next"])
    assert {one["meter"]["serial"] for one in seen} <= {meter.serial for meter in north.meters}
    assert {one["type"] for one in seen} >= {"reading", "info_code"}
    assert len({one["id"] for one in seen}) == len(seen)
    live = [one for one in seen if one["type"] == "reading" and one["reading"]["kind"] == "live"]
    assert live[0]["reading"]["values"]["energy_heat_kwh"]["figure"]
    codes = {
        one["info_code"]["info_code"]: one["info_code"]["codes"] for one in seen if one["type"] == "info_code"
    }
    assert codes[1]
    assert codes[0] == []
    assert {one["meter"]["facility_id"] for one in live} == {north.point.facility_id, None}
    assert follow(billing, cursor)[0] == []
    whole, _ = follow(billing, start["next"], limit=1000)
    assert whole == seen
    assert follow(billing, seen[4]["id"])[0] == seen[5:], "every event's id is a cursor"
    only = billing.get(f"/changes?cursor={start['next']}&types=info_code&limit=1000")["items"]
    assert only == [one for one in seen if one["type"] == "info_code"]


def test_of_the_other_utility_nothing_is_told_but_the_place_goes_on(north, south, billing):
    start = billing.get("/changes")["next"]
    south.hear(south.fleet[:2], datetime.now(UTC) - timedelta(hours=40))
    told = billing.get(f"/changes?cursor={start}")
    assert told["items"] == []
    assert int(told["next"]) == journal.newest()


def test_a_cursor_too_old_and_one_that_is_none(north, billing):
    journal.prune(datetime.now(UTC) + timedelta(days=1), 0)
    assert billing.refused("GET", "/changes?cursor=1") == (410, "cursor_too_old")
    for wrong in ("x", "1.2.3", "-1", "1" * 30):
        assert billing.refused("GET", f"/changes?cursor={wrong}")[0] == 422


def test_places_are_written_and_read():
    for place in (news.Place(), news.Place(7), news.Place(7, 12)):
        assert news.Place.read(str(place)) == place
