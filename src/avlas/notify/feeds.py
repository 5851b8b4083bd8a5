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
import os
import secrets
import socket
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext_noop

from avlas.meters import journal
from avlas.notify import webhook
from avlas.notify.errors import NotSent
from avlas.reports import news
from avlas.system import outbox
from avlas.system.models import WebhookFeed
from avlas.system.secrets import SecretError
from avlas.system.told import told

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
    feed = _claim(now)
    if feed is None:
        return False
    try:
        _hand_on(feed)
    except NotSent as problem:
        _later(feed, problem.text, problem.values)
    except SecretError as problem:
        _later(feed, str(problem), {})
    except Exception as problem:
        logger.exception("The webhook %s could not be told", feed.webhook_id)
        _later(feed, gettext_noop("An error in the program: %(error)s"), {"error": type(problem).__name__})
        raise
    return True


def _claim(now: datetime) -> WebhookFeed | None:
    """Take a webhook that is behind the journal."""
    due = WebhookFeed.objects.filter(
        Q(lease_until=None) | Q(lease_until__lt=Now()), next_try_at__lte=now, webhook__active=True
    )
    newest = journal.newest() if due.exists() else 0
    for feed in due.order_by("next_try_at", "pk")[:50]:
        if news.Place.read(feed.place).entry >= newest:
            continue
        worker = f"{socket.gethostname()[:50]}:{os.getpid()}:{secrets.token_hex(4)}"
        if due.filter(pk=feed.pk).update(worker=worker, lease_until=Now() + _LEASE):
            return WebhookFeed.objects.select_related("webhook").get(pk=feed.pk)
    return None


def _hand_on(feed: WebhookFeed) -> None:
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
    if body["events"] or "lost" in body:
        event_id = uuid.uuid5(_IDS, f"{hook.pk}/{place}/{after}")
        said = {"id": str(event_id), "type": EVENT, "timestamp": datetime.now(UTC).isoformat(), "data": body}
        text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
        secret = outbox.webhook_secret(hook)
        webhook.send(hook.url, secret, event_id, text, own_machine=hook.own_machine)
    now = datetime.now(UTC)
    taken = {"taken_at": now} if body["events"] or "lost" in body else {}
    _mine(feed).update(place=str(after), attempts=0, next_try_at=now, lease_until=None, told={}, **taken)


def _later(feed: WebhookFeed, text: str, values: dict[str, Any]) -> None:
    pause = outbox.PAUSES[min(feed.attempts, len(outbox.PAUSES) - 1)]
    _mine(feed).update(
        attempts=feed.attempts + 1,
        next_try_at=datetime.now(UTC) + pause,
        lease_until=None,
        told=told(text, values),
    )


def _mine(feed: WebhookFeed) -> Any:
    return WebhookFeed.objects.filter(pk=feed.pk, worker=feed.worker)
