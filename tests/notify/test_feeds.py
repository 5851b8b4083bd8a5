"""New readings are handed to webhooks in order, again until they are taken, and nothing is missed or told twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from avlas.meters import journal
from avlas.meters.journal import Written
from avlas.meters.models import Format, Kind, Meter, Reading, Source
from avlas.notify import feeds
from avlas.system import outbox
from avlas.system.models import Utility, Webhook, WebhookFeed

pytestmark = pytest.mark.django_db
START = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture
def meter(utility):
    return Meter.objects.create(utility=utility, manufacturer="KAM", serial="1", medium="heat")


@pytest.fixture
def hook(utility, http):
    box = http()
    secret = outbox.seal_webhook_secret(outbox.new_webhook_secret(), utility)
    row = Webhook.objects.create(
        utility=utility, name="Central", url=box.url, secret=secret, own_machine=True
    )
    feeds.begin(row, ["reading"])
    return row, box


def read(meter, *hours):
    """A reading for each hour, one batch."""
    sent, _ = Format.objects.get_or_create(spec='{"energy_heat_kwh":["MWh",3]}')
    with transaction.atomic():
        written = Written(meter.utility_id)
        for hour in hours:
            at = START + timedelta(hours=hour)
            Reading.objects.create(
                meter_id=meter.pk, slot_at=at, kind=Kind.LIVE, heard_at=at, source=Source.RADIO, format=sent,
                energy_heat_kwh=1000.0 + hour,
            )  # fmt: skip
            written.reading(meter.pk, int(at.timestamp()), Kind.LIVE)
        written.append()


def all_of_it(minutes=0):
    count = 0
    while feeds.hand_on_one(datetime.now(UTC) + timedelta(minutes=minutes)):
        count += 1
        assert count < 50
    return count


def told(box):
    return [
        (event["reading"]["slot_at"][11:13], event["reading"]["values"]["energy_heat_kwh"]["figure"])
        for _path, _headers, body in box.got
        for event in json.loads(body)["data"]["events"]
    ]


def test_told_in_order_and_once(meter, hook, monkeypatch):
    _row, box = hook
    assert all_of_it() == 0
    monkeypatch.setattr(feeds, "MOST", 2)
    read(meter, 0, 1, 2)
    read(meter, 3)
    all_of_it()
    assert told(box) == [("00", "1.000"), ("01", "1.001"), ("02", "1.002"), ("03", "1.003")]
    heads = [headers["webhook-id"] for _path, headers, _body in box.got]
    assert len(set(heads)) == len(heads) == 2
    body = json.loads(box.got[0][2])
    assert (body["type"], body["id"]) == ("news", heads[0])
    assert body["data"]["events"][0]["meter"]["serial"] == "1"
    assert all_of_it() == 0


def test_again_until_taken(meter, hook):
    row, box = hook
    box.answers = [(500, {}), (503, {})]
    read(meter, 0)
    assert all_of_it() == 1
    feed = WebhookFeed.objects.get(webhook=row)
    assert (feed.attempts, "500" in str(feed.told)) == (1, True)
    read(meter, 1)
    assert all_of_it() == 0, "not before its time"
    all_of_it(minutes=5)
    all_of_it(minutes=10)
    feed.refresh_from_db()
    assert (feed.attempts, feed.told, feed.taken_at is not None) == (0, {}, True)
    assert told(box)[-2:] == [("00", "1.000"), ("01", "1.001")]


def test_paused_other_utility_and_ended(meter, hook):
    row, box = hook
    Webhook.objects.update(active=False)
    read(meter, 0)
    assert all_of_it() == 0
    Webhook.objects.update(active=True)
    other = Utility.objects.create(name="B", slug="b")
    read(Meter.objects.create(utility=other, manufacturer="KAM", serial="2"), 1)
    all_of_it()
    assert told(box) == [("00", "1.000")]
    feeds.begin(row, [])
    read(meter, 2)
    assert all_of_it() == 0


def test_who_was_away_too_long_is_told_so(meter, hook):
    _row, box = hook
    read(meter, 0)
    read(meter, 1)
    WebhookFeed.objects.update(place="1")
    read(meter, 2)
    journal.prune(datetime.now(UTC) + timedelta(days=1), 0)
    WebhookFeed.objects.update(place=str(max(1, journal.newest() - 2)))
    all_of_it()
    assert json.loads(box.got[-1][2])["data"]["lost"]["until"] == str(journal.newest())
