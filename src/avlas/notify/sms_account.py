"""A utility's text messages: what each cost, the limit of a day, and what became of them.

The parts of a message are entered in ``SentSms`` in the same transaction that notes its handing over, while the
gateway's row is held: so a day's parts never pass the limit, however many workers send and whenever one dies.
"""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.db.models import Sum
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from avlas.notify import sms, sms_text
from avlas.notify.errors import NotSent
from avlas.notify.models import SentSms
from avlas.system import outbox, sms_gateway
from avlas.system.models import SmsGateway
from avlas.system.sms_gateway import SmsDriver

if TYPE_CHECKING:
    from avlas.system.models import Delivery, Utility

ZONE: Final = zoneinfo.ZoneInfo("Europe/Stockholm")
"""Whose days the limit counts."""
LIMIT_REACHED: Final = gettext_noop(
    "The day's limit of %(limit)s SMS parts is reached; the message would have taken %(parts)s. It was not sent."
)
_LOOK_AFTER: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 240, 1440))
"""How long after a message was taken the service is asked what became of it, until it knows."""
_REPORTING: Final = (SmsDriver.ELKS, SmsDriver.TWILIO)


def gateway_of(row: SmsGateway) -> sms.Gateway:
    """The service as it is set up. Raises SecretError when its password can't be opened."""
    return sms.Gateway(
        row.driver,
        row.sender,
        row.user,
        sms_gateway.password_of(row),
        row.url,
        row.headers,
        row.body,
        row.taken_when,
        row.own_machine,
    )


def today(now: datetime | None = None) -> date:
    """The day that the limit counts now."""
    return (now or datetime.now(UTC)).astimezone(ZONE).date()


def parts_used(utility: Utility, day: date) -> int:
    """How many parts the utility has sent, or tried to, on a day."""
    found = SentSms.objects.filter(utility=utility, day=day).aggregate(sum=Sum("parts"))
    return int(found["sum"] or 0)


def send(delivery: Delivery, lease: timedelta) -> None:
    """Send a claimed message. Raises NotSent, ClaimLost, SecretError."""
    row = SmsGateway.objects.filter(utility=delivery.utility_id).select_related("utility").first()
    if row is None:
        raise NotSent(gettext_noop("No SMS service is set up (Configuration, SMS)."))
    entered: list[SentSms] = []

    def hand_over() -> bool:
        with transaction.atomic():
            mine = outbox.hand_over(delivery, lease)
            if mine:
                entered.append(_enter(delivery, row))
        return mine

    try:
        taken = sms.send(gateway_of(row), delivery.destination, delivery.body, delivery.event_id, hand_over)
    except NotSent as problem:
        if problem.text == LIMIT_REACHED:
            tell_of_limit(row.utility, row.most_parts_a_day)
        if not problem.unsure:
            SentSms.objects.filter(pk__in=[one.pk for one in entered]).delete()
        raise
    for one in entered:
        one.reference, one.said = taken.reference, taken.said
        if taken.reference and row.driver in _REPORTING:
            one.look_at = datetime.now(UTC) + _LOOK_AFTER[0]
        one.save(update_fields=["reference", "said", "look_at"])


def _enter(delivery: Delivery, gateway: SmsGateway) -> SentSms:
    """Enter the message's parts. Raises NotSent when they are too many for the day."""
    limit = SmsGateway.objects.select_for_update().get(pk=gateway.pk).most_parts_a_day
    day, parts = today(), sms_text.size(delivery.body).parts
    if parts_used(gateway.utility, day) + parts > limit:
        raise NotSent(LIMIT_REACHED, limit=limit, parts=parts, for_good=True)
    return SentSms.objects.create(
        delivery=delivery, utility=gateway.utility, day=day, at=datetime.now(UTC), parts=parts
    )


def tell_of_limit(utility: Utility, limit: int) -> None:
    """Tell the administrators by mail, once a day, that text messages are held back."""
    day = today()
    with transaction.atomic():
        for user in outbox.administrators(utility):
            with translation.override(user.language):
                subject = _("Today's limit for SMS is reached")
                body = _(
                    "%(utility)s has sent %(limit)s SMS parts today: as many as the limit allows. Further messages are "
                    "not sent until midnight; they are listed under Operation, Messages. The limit is set under "
                    "Configuration, SMS."
                ) % {"utility": utility.name, "limit": limit}
            outbox.mail(
                user.email,
                subject,
                body + outbox.link("/messages/?status=failed") + "\n",
                utility=utility,
                event="sms.limit",
                key=f"sms.limit/{utility.pk}/{day.isoformat()}/user/{user.pk}",
            )


def ask_what_became(now: datetime) -> bool:
    """Ask a service what became of one message that it took; False when there is none to ask about.

    What it says is noted. It is asked five times in a day at most; a message of which it knows nothing stays as taken.
    """
    found = SentSms.objects.filter(look_at__lte=now).select_related("utility").order_by("look_at").first()
    if found is None:
        return False
    # the next look is noted first: a service that hangs, or a worker that dies, is not asked about for ever
    looks = found.looks + 1
    later = found.at + _LOOK_AFTER[looks] if looks < len(_LOOK_AFTER) else None
    if later is not None and later <= now:
        later = now + _LOOK_AFTER[0]
    if not SentSms.objects.filter(pk=found.pk, looks=found.looks).update(looks=looks, look_at=later):
        return True  # another worker asks
    row = SmsGateway.objects.filter(utility=found.utility_id).first()
    if row is None or row.driver not in _REPORTING:
        return True
    try:
        arrived = sms.check(gateway_of(row), found.reference)
    except NotSent:
        return True
    if arrived is not None:
        SentSms.objects.filter(pk=found.pk).update(arrived=arrived, look_at=None)
    return True
