"""Notices become messages: those of a short while together, the day's in a summary, and never twice.

A message is written into the outbox in the transaction that also marks its notices as told, while the notification's
row is held; its key names the first and last of them. So a worker may die at any moment, and two workers at once
write one message.

**A storm stays small.** The first message goes out a minute after the first notice, so that what belongs together comes
together; then the pauses grow with what was told in the last hour: five minutes, fifteen, thirty.
"""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.db.models import Min, Q
from django.utils import translation
from django.utils.translation import gettext as _

from avlas.meters.models import Customer, Installation
from avlas.notify import sms_text, told_words
from avlas.notify.consumer_link import link_for
from avlas.notify.models import ConsumerChoice, Notice, Notification, Reader, Told
from avlas.notify.notices import QUIET, address_of, wants
from avlas.system import outbox
from avlas.system.models import Road, SmsGateway
from avlas.system.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.notify.told_words import Line
    from avlas.system.models import Delivery

EVENT: Final = "notification"
TOGETHER: Final = timedelta(seconds=60)
PAUSES: Final = tuple(timedelta(minutes=minutes) for minutes in (0, 5, 15, 30))
"""How long after a message the next one to the same reader may come, by how many there were in the last hour."""


def tell_once(now: datetime) -> bool:
    """Write one message that is due; False when there is none."""
    return _tell_waiting(now) or _tell_summary(now)


def _tell_waiting(now: datetime) -> bool:
    ready = Notice.objects.filter(_ready(now))
    first = ready.values("notification", "customer").annotate(first=Min("created_at"))
    for row in first.order_by("first"):
        if row["first"] > now - TOGETHER:
            return False
        if now < _next_at(row["notification"], row["customer"], now):
            continue
        with transaction.atomic():
            if _tell(row["notification"], row["customer"], now):
                return True
    return False


def _ready(now: datetime) -> Q:
    return Q(at_once=True) | Q(over=True, ended_at__lte=now - QUIET, notification__immediately=True)


def _of(notification_id: int, customer_id: int | None) -> Q:
    """The rows of one reader: the meters' customers are readers of their own."""
    return Q(notification_id=notification_id, customer_id=customer_id)


def _next_at(notification_id: int, customer_id: int | None, now: datetime) -> datetime:
    lately = Told.objects.filter(
        _of(notification_id, customer_id),
        daily=False,
        test=False,
        at__gt=now - timedelta(hours=1),
    )
    moments = sorted(lately.values_list("at", flat=True))
    return moments[-1] + PAUSES[min(len(moments), len(PAUSES) - 1)] if moments else now


def _held(notification_id: int) -> Notification | None:
    """The notification, held until the transaction ends."""
    return (
        Notification.objects.select_for_update(of=("self",))
        .select_related("utility", "user", "webhook")
        .filter(pk=notification_id)
        .first()
    )


def _tell(notification_id: int, customer_id: int | None, now: datetime) -> bool:
    """Write the message of what waits for one reader; gives whether there was anything to do."""
    notification = _held(notification_id)
    mine = Notice.objects.filter(_ready(now), _of(notification_id, customer_id))
    found = list(mine.select_related("meter", "customer").order_by("pk"))
    if notification is None or not found:
        return False
    begun, over = (
        [one for one in found if one.at_once],
        [one for one in found if one.over and not one.at_once],
    )
    Notice.objects.filter(pk__in=[one.pk for one in begun]).update(at_once=False)
    Notice.objects.filter(pk__in=[one.pk for one in over]).update(over=False)
    if begun:
        write(notification, customer_id, begun, now, kind="at_once")
    if over:
        write(notification, customer_id, over, now, kind="over")
    return True


def _tell_summary(now: datetime) -> bool:
    due = Notification.objects.filter(daily_due_at__lte=now).order_by("daily_due_at").first()
    if due is None:
        return False
    with transaction.atomic():
        notification = _held(due.pk)
        if notification is None or notification.daily_due_at is None or notification.daily_due_at > now:
            return True  # another worker was quicker
        notification.daily_due_at = next_daily(notification, now)
        notification.save(update_fields=["daily_due_at"])
        waiting = Q(daily=True) if notification.immediately else Q(daily=True) | Q(over=True)
        found = list(
            Notice.objects.filter(waiting, notification=notification)
            .select_related("meter", "customer")
            .order_by("pk")
        )
        changes = {"daily": False} if notification.immediately else {"daily": False, "over": False}
        Notice.objects.filter(pk__in=[one.pk for one in found]).update(**changes)
        readers: dict[int | None, list[Notice]] = {}
        for one in found:
            readers.setdefault(one.customer_id, []).append(one)
        for customer_id, some in readers.items():
            write(notification, customer_id, some, now, kind="daily")
    return True


def next_daily(notification: Notification, now: datetime) -> datetime | None:
    """When the next summary is due; None when there is none."""
    if notification.daily_at is None or not notification.active:
        return None
    at = notification.daily_at
    return Schedule(cron=f"{at.minute} {at.hour} * * *", time_zone=notification.time_zone).next_after(now)


def drop_waiting(notification: Notification) -> None:
    """Forget what waits to be told: the notification was paused, or told of otherwise from now on."""
    Notice.objects.filter(notification=notification).update(at_once=False, daily=False, over=False)


def write(
    notification: Notification, customer_id: int | None, found: Sequence[Notice], now: datetime, *, kind: str
) -> Told | None:
    """Put one message of these notices into the outbox, in the caller's transaction; None if nobody is to get it."""
    key = f"{EVENT}/{notification.pk}/{customer_id or 0}/{kind}/{found[0].pk}-{found[-1].pk}"
    customer = found[0].customer
    if not notification.active or (notification.user is not None and not notification.user.is_active):
        return None
    delivery = _message(notification, customer, found, key, kind)
    if delivery is None:
        return None
    return Told.objects.create(
        notification=notification,
        customer=customer,
        delivery=delivery,
        at=now,
        daily=kind == "daily",
        notices=len(found),
    )


def _message(
    notification: Notification, customer: Customer | None, found: Sequence[Notice], key: str, kind: str
) -> Delivery | None:
    utility = notification.utility
    choice = ConsumerChoice.objects.filter(customer=customer).first() if customer else None
    if choice is not None:  # chosen since it was noted
        found = [one for one in found if wants(choice, notification.road, one.what)]
    to = destination(notification, customer)
    if not found or not to:
        return None
    if notification.road == Road.WEBHOOK:
        assert notification.webhook is not None
        with translation.override("en"):
            lines = _lines(found, zoneinfo.ZoneInfo("UTC"))
            data = {"notification": notification.pk, "kind": kind, "events": [line.data() for line in lines]}
        return outbox.post(notification.webhook, EVENT, data, key=key)
    language = choice.language if choice and choice.chosen_at else notification.language
    zone = zoneinfo.ZoneInfo(notification.time_zone)
    if notification.user is not None:
        language, zone = notification.user.language, zoneinfo.ZoneInfo(notification.user.time_zone)
    with translation.override(language):
        lines = _lines(found, zone)
        address = link_for(customer) if customer else outbox.link("/info-codes/").strip()
        if notification.road == Road.SMS:
            text = told_words.text_message(utility.name, lines, kind, address if customer else "")
            return outbox.text_message(to, text, utility=utility, event=EVENT, key=key)
        subject, body = told_words.mail(utility.name, lines, kind, customer is not None, address)
    return outbox.mail(to, notification.subject or subject, body, utility=utility, event=EVENT, key=key)


def destination(notification: Notification, customer: Customer | None = None) -> str:
    """The address or number that a message goes to; "" when there is none."""
    if notification.road == Road.WEBHOOK:
        return notification.webhook.url if notification.webhook else ""
    if notification.who == Reader.USER and notification.road == Road.MAIL:
        return notification.user.email if notification.user else ""
    if notification.who != Reader.CONSUMER:
        return notification.address
    written = address_of(customer, notification.road) if customer else ""
    if notification.road != Road.SMS or not written:
        return written
    gateway = SmsGateway.objects.filter(utility=notification.utility).first()
    try:
        return sms_text.number(written, gateway.country_code if gateway else "46")
    except sms_text.BadNumber:
        return ""


def _lines(found: Sequence[Notice], zone: zoneinfo.ZoneInfo) -> list[Line]:
    places = {
        one.meter_id: one.point
        for one in Installation.objects.filter(
            meter_id__in={one.meter_id for one in found}, to_at=None
        ).select_related("point")
    }
    return [told_words.line(one, places.get(one.meter_id), zone) for one in found]


def send_test(notification: Notification, by: str, now: datetime | None = None) -> Told | None:
    """Send a message that only says it is a test, to the notification's reader; None for the meters' customers."""
    to = destination(notification)
    if not to:
        return None
    key = outbox.new_key(f"{EVENT}/{notification.pk}/test")
    utility = notification.utility
    if notification.webhook is not None:
        delivery = outbox.post(notification.webhook, "test", {"by": by}, key=key)
    else:
        language = notification.user.language if notification.user else notification.language
        with translation.override(language):
            text = _("This is a test from Avläs: %(utility)s sends its notifications here.") % {
                "utility": utility.name
            }
            subject = notification.subject or _("Test from Avläs")
        if notification.road == Road.SMS:
            delivery = outbox.text_message(to, sms_text.plain(text), utility=utility, event=EVENT, key=key)
        else:
            delivery = outbox.mail(to, subject, text + "\n", utility=utility, event=EVENT, key=key)
    return Told.objects.create(
        notification=notification, delivery=delivery, at=now or datetime.now(UTC), test=True, notices=0
    )


def newest_told(notification: Notification) -> dict[str, Any]:
    """The newest message of a notification, and the newest of all that arrived."""
    newest = notification.told.select_related("delivery").order_by("-at", "-pk")
    return {"newest": newest.first(), "sent": newest.filter(delivery__sent_at__isnull=False).first()}
