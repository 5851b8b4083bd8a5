"""New readings and info codes are handed to webhooks as they come in: signed, in order, again until they are taken.

Unlike other messages they are not kept in the outbox, which would hold every reading a second time: a webhook has a
place in the journal, and what comes after it is sent in parts of up to MOST events, one part after the other. The next
part goes out when the one before was taken; until then it is sent again after a growing pause, its events with the
same ids (and more of them, when more has come in). The journal keeps what came in for 14 days: who is away longer is
told so (``lost``) and goes on with what is there.
"""

from __future__ import annotations

import json
import logging
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.utils import translation

from avlas.meters import journal
from avlas.notify import following, webhook
from avlas.reports import news
from avlas.system import outbox
from avlas.system.models import WebhookFeed

if TYPE_CHECKING:
    from avlas.system.models import Webhook

MOST: Final = 100
EVENT: Final = "news"
_LEASE: Final = timedelta(minutes=3)
_IDS: Final = uuid.UUID("5d0c3c0e-6f0b-4e0e-9a55-3b8a0f5b1f60")
logger = logging.getLogger(__name__)


def begin(hook: Webhook, types: list[str]) -> None:
    """Hand these types of events to a webhook from now on (in the transaction of its audit); [] ends it."""
    if not types:
        WebhookFeed.objects.filter(webhook=hook).delete()
        return
    feed = WebhookFeed.objects.filter(webhook=hook).first()
    if feed is None:
        feed = WebhookFeed(webhook=hook, place=str(news.now()))
    feed.types, feed.next_try_at, feed.attempts = types, datetime.now(UTC), 0
    feed.save()


def hand_on_one(now: datetime) -> bool:
    """Hand one part to one webhook that has something to get; False when there is none."""
    rows = WebhookFeed.objects.select_related("webhook").filter(webhook__active=True)
    return following.hand_on_one(rows, _hand_on, now)


def _hand_on(feed: WebhookFeed) -> tuple[news.Place, bool]:
    hook = feed.webhook
    place = news.Place.read(feed.place)
    body: dict[str, Any]
    try:
        with translation.override("en"):
            found = news.since(hook.utility_id, place, MOST, feed.types)
        body, after = {"events": found.events}, found.place
    except journal.CursorTooOld:
        after = news.now()
        body = {"events": [], "lost": {"after": str(place), "until": str(after)}}
    anything = bool(body["events"]) or "lost" in body
    if anything:
        event_id = uuid.uuid5(_IDS, f"{hook.pk}/{place}/{after}")
        said = {"id": str(event_id), "type": EVENT, "timestamp": datetime.now(UTC).isoformat(), "data": body}
        text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
        secret = outbox.webhook_secret(hook)
        webhook.send(hook.url, secret, event_id, text, own_machine=hook.own_machine)
    return after, anything
