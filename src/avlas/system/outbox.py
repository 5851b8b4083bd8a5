"""The outbox: messages are rows, written with what they tell about and sent by the worker afterwards.

A row is made in the caller's transaction (``mail``, ``publish``): message and deed are kept together or not at
all, and the same ``key`` twice makes one row. Sending is claimed by one worker for a while, like a job's run.

**Nothing twice.** An e-mail protocol has one moment of doubt: between the last byte of the message and the
server's answer. Just before that byte the row says ``handed_over_at``. A worker that dies earlier has sent
nothing, and the mail is tried again. One that dies later leaves a mail that may have arrived: it becomes
*unsure* and is not sent again by itself; the pages show it, and a person may send it again, with the same
Message-ID and a sentence that says so. (The other choice, sending again and perhaps twice, is the webhooks':
a program drops an event id it has seen, a person who is called out twice does not.)

**In order.** A webhook gets its events one after the other; a later one waits until the earlier one has been
taken or given up. Mails have no order.

**Not for ever.** A temporary failure is tried again after a growing pause, for three days; then it is given up
with the last reason. What a mail server refuses for good (5xx) is given up at once.
"""

from __future__ import annotations

import json
import os
import secrets as random_secrets
import socket
import uuid
import zoneinfo
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from avlas.system import secrets
from avlas.system.models import (
    Attachment,
    Delivery,
    DeliveryStatus,
    Job,
    JobRun,
    MailServer,
    Road,
    User,
    Webhook,
)
from avlas.system.told import in_words, told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.functional import Promise

    from avlas.system.models import Utility

GIVE_UP_AFTER: Final = timedelta(days=3)
KEPT: Final = timedelta(days=92)
LEASE: Final = timedelta(minutes=3)
PASSWORD_LINK: Final = "access.password_link"  # noqa: S105 - an event whose text is for the addressee alone
PAUSES: Final = tuple(timedelta(seconds=seconds) for seconds in (15, 60, 300, 900, 3600, 4 * 3600))
UNFINISHED: Final = (DeliveryStatus.WAITING, DeliveryStatus.SENDING)
_MAIL_CONTEXT: Final = b"avlas mail server"
_UNSURE: Final = gettext_noop(
    "The program ended after the message was handed over and before the server's answer was noted, "
    "so it may have arrived. It is not sent again by itself."
)
_GIVEN_UP: Final = gettext_noop("Given up after %(days)s days. Last: %(reason)s")
_WEBHOOK_REMOVED: Final = gettext_noop("The webhook was removed.")


@dataclass(frozen=True, slots=True)
class File:
    """A file to be attached to a mail."""

    name: str
    content: bytes


def mail(
    to: str,
    subject: str,
    body: str,
    *,
    utility: Utility | None,
    event: str,
    key: str,
    attachment: File | None = None,
) -> None:
    """Put a mail to one address into the outbox; to be called in the transaction of what it tells about."""
    made = _put(
        Delivery(
            utility=utility, key=key, event=event, destination=to, subject=_one_line(subject)[:250], body=body
        )
    )
    if attachment is not None:
        Attachment.objects.get_or_create(
            delivery=made, defaults={"name": attachment.name, "content": attachment.content}
        )


def publish(utility: Utility, event: str, data: Mapping[str, Any], *, key: str) -> None:
    """Put an event for each active webhook of ``utility`` into the outbox, in the caller's transaction."""
    for hook in Webhook.objects.filter(utility=utility, active=True).order_by("pk"):
        post(hook, event, data, key=f"{key}/webhook/{hook.pk}")


def new_key(event: str) -> str:
    """A key for a message that a person asked for, each time anew."""
    return f"{event}/{uuid.uuid4()}"


def post(hook: Webhook, event: str, data: Mapping[str, Any], *, key: str) -> Delivery:
    """Put an event for one webhook into the outbox, in the caller's transaction; gives its row."""
    event_id, now = uuid.uuid4(), datetime.now(UTC)
    event_told = {"id": str(event_id), "type": event, "timestamp": now.isoformat(), "data": dict(data)}
    return _put(
        Delivery(
            utility_id=hook.utility_id,
            key=key,
            event=event,
            event_id=event_id,
            road=Road.WEBHOOK,
            webhook=hook,
            destination=hook.url,
            body=json.dumps(event_told, ensure_ascii=False),
        )
    )


def _put(made: Delivery) -> Delivery:
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError(f"The message {made.key} must be written inside the transaction of its deed.")
    made.created_at = made.next_try_at = datetime.now(UTC)
    made.give_up_at = made.created_at + GIVE_UP_AFTER
    Delivery.objects.bulk_create([made], ignore_conflicts=True)
    return Delivery.objects.get(key=made.key)


def _one_line(text: str) -> str:
    return " ".join(text.split())


# --- sending ------------------------------------------------------------------------------------------


def claim(now: datetime, lease: timedelta = LEASE) -> Delivery | None:
    """Take one message that is to be sent now; None when there is none."""
    _see_to_abandoned(now)
    earlier = Delivery.objects.filter(
        webhook=OuterRef("webhook"), pk__lt=OuterRef("pk"), status__in=UNFINISHED
    )
    free = Delivery.objects.filter(
        Q(road=Road.MAIL) | ~Exists(earlier), status=DeliveryStatus.WAITING, next_try_at__lte=now
    )
    for found in free.order_by("pk")[:20]:
        token = f"{socket.gethostname()[:50]}:{os.getpid()}:{random_secrets.token_hex(4)}"
        taken = free.filter(pk=found.pk).update(
            status=DeliveryStatus.SENDING,
            worker=token,
            attempts=F("attempts") + 1,
            lease_until=Now() + lease,
            handed_over_at=None,
        )
        if taken:
            return Delivery.objects.select_related("webhook").get(pk=found.pk)
    return None


def _see_to_abandoned(now: datetime) -> None:
    """What workers that died left: to be tried again if nothing was handed over; else unsure, if it is a mail."""
    left = Delivery.objects.filter(status=DeliveryStatus.SENDING, lease_until__lt=Now())
    if not left.exists():
        return
    in_doubt = Q(road=Road.MAIL, handed_over_at__isnull=False)
    left.filter(in_doubt).update(status=DeliveryStatus.UNSURE, told=told(_UNSURE, {}))
    left.exclude(in_doubt).update(status=DeliveryStatus.WAITING, next_try_at=now)


def _mine(delivery: Delivery) -> Any:
    return Delivery.objects.filter(pk=delivery.pk, worker=delivery.worker, status=DeliveryStatus.SENDING)


def hand_over(delivery: Delivery, lease: timedelta = LEASE) -> bool:
    """Note that the last byte is about to be sent; False when the message is not this worker's any more."""
    return bool(_mine(delivery).update(handed_over_at=datetime.now(UTC), lease_until=Now() + lease))


def sent(delivery: Delivery) -> None:
    """Note that the other side has taken it."""
    _mine(delivery).update(status=DeliveryStatus.SENT, sent_at=datetime.now(UTC), told={})


def not_sent(delivery: Delivery, text: str, values: Mapping[str, Any], *, for_good: bool = False) -> None:
    """Note why it was not taken: tried again later, or given up when that is for good or takes too long."""
    now = datetime.now(UTC)
    why = told(text, values)
    if for_good or now >= delivery.give_up_at:
        if not for_good:
            why = told(_GIVEN_UP, {"days": GIVE_UP_AFTER.days, "reason": why})
        _mine(delivery).update(status=DeliveryStatus.FAILED, told=why)
        return
    pause = PAUSES[min(delivery.attempts, len(PAUSES)) - 1]
    _mine(delivery).update(
        status=DeliveryStatus.WAITING, next_try_at=now + pause, told=why, handed_over_at=None
    )


def unsure(delivery: Delivery, text: str, values: Mapping[str, Any]) -> None:
    """Note that it was handed over and no answer came."""
    _mine(delivery).update(status=DeliveryStatus.UNSURE, told=told(text, values))


# --- what people do about it --------------------------------------------------------------------------


def send_again(delivery: Delivery) -> bool:
    """Send a finished message again; False when it is under way. In the transaction of its audit."""
    now = datetime.now(UTC)
    finished = Delivery.objects.filter(pk=delivery.pk).exclude(status__in=UNFINISHED)
    return bool(
        finished.update(
            status=DeliveryStatus.WAITING,
            sent_again=delivery.sent_again or delivery.status == DeliveryStatus.UNSURE,
            attempts=0,
            next_try_at=now,
            give_up_at=now + GIVE_UP_AFTER,
            handed_over_at=None,
            sent_at=None,
            told={},
        )
    )


def try_now() -> None:
    """Try waiting mails at once: the mail server's settings have changed."""
    waiting = Delivery.objects.filter(road=Road.MAIL, status=DeliveryStatus.WAITING)
    waiting.update(next_try_at=datetime.now(UTC))


def remove_webhook(hook: Webhook) -> None:
    """Remove a webhook and give up what waits for it, in the transaction of its audit."""
    waiting = Delivery.objects.filter(webhook=hook, status__in=UNFINISHED)
    waiting.update(status=DeliveryStatus.FAILED, told=told(_WEBHOOK_REMOVED, {}))
    hook.delete()


def forget_old(now: datetime) -> int:
    """Remove finished messages after three months; gives how many."""
    old = Delivery.objects.filter(created_at__lt=now - KEPT).exclude(status__in=UNFINISHED)
    return old.delete()[0]


# --- secrets ------------------------------------------------------------------------------------------


def seal_mail_password(password: str) -> bytes:
    """The mail server's password for its row, in the transaction that stores it."""
    return secrets.encrypt(password.encode(), _MAIL_CONTEXT)


def mail_password(server: MailServer) -> str:
    """The mail server's password, "" when there is none. Raises SecretError."""
    return secrets.decrypt(server.password, _MAIL_CONTEXT).decode() if server.password else ""


def new_webhook_secret() -> str:
    """A fresh signing secret, to be shown once."""
    return "whsec_" + b64encode(random_secrets.token_bytes(32)).decode()


def seal_webhook_secret(secret: str, utility: Utility) -> bytes:
    """A webhook's secret for its row, in the transaction that stores it."""
    return secrets.encrypt(secret.encode(), _webhook_context(utility.pk))


def webhook_secret(hook: Webhook) -> str:
    """A webhook's signing secret. Raises SecretError."""
    return secrets.decrypt(hook.secret, _webhook_context(hook.utility_id)).decode()


def _webhook_context(utility_id: int) -> bytes:
    return b"avlas webhook %d" % utility_id


def seal_all_again(old: secrets.MasterKey, new: secrets.MasterKey) -> int:
    """For ``secrets.rotate``: every sealed value here from the old master key to the new one; gives how many."""
    count = 0
    for server in MailServer.objects.exclude(password=None):
        assert server.password is not None
        server.password = new.encrypt(old.decrypt(server.password, _MAIL_CONTEXT), _MAIL_CONTEXT)
        server.save(update_fields=["password"])
        count += 1
    for hook in Webhook.objects.all():
        context = _webhook_context(hook.utility_id)
        hook.secret = new.encrypt(old.decrypt(hook.secret, context), context)
        hook.save(update_fields=["secret"])
        count += 1
    return count


# --- who is told, and where they can look -------------------------------------------------------------


def administrators(utility: Utility | None) -> list[User]:
    """Who is told of what concerns a utility, or (None) the whole installation: who looks after it."""
    people = User.objects.filter(is_active=True)
    if utility is None:
        people = people.filter(runs_installation=True)
    else:
        people = people.filter(utility=utility, role="administrator")
    return list(people.order_by("pk"))


def link(path: str) -> str:
    """A page's address as the last paragraph of a message; "" as long as the site's address is not known."""
    server = MailServer.objects.filter(pk=1).first()
    return f"\n\n{server.site_address.rstrip('/')}{path}" if server and server.site_address else ""


# --- what jobs tell -----------------------------------------------------------------------------------


def tell_about_job(job: Job, title: Promise | str, run: JobRun, why: dict[str, Any] | None) -> None:
    """Messages that a job has begun to fail (``why``) or works again (None).

    They go to the job's own addresses, else to the utility's administrators (the installation's own jobs: to
    who runs the installation), each in the reader's language, and to the utility's webhooks.
    """
    event = "job.recovered" if why is None else "job.failed"
    key = f"{event}/{run.pk}"
    link_to_it = link(f"/jobs/{job.pk}/")
    for address, user in _readers(job):
        language = user.language if user else settings.LANGUAGE_CODE
        with translation.override(language):
            zone = zoneinfo.ZoneInfo(user.time_zone if user else job.time_zone)
            values = {
                "job": str(title),
                "place": job.utility.name if job.utility else _("the whole installation"),
                "due": f"{run.due_at.astimezone(zone):%Y-%m-%d %H:%M}",
                "zone": zone.key,
                "attempts": run.attempts,
                "reason": "" if why is None else in_words(why),
            }
            if why is None:
                subject = _("%(job)s works again") % values
                body = (
                    _("The job “%(job)s” of %(place)s works again. It was due %(due)s (%(zone)s).") % values
                )
            else:
                subject = _("%(job)s failed") % values
                body = (
                    _(
                        "The job “%(job)s” of %(place)s failed. It was due %(due)s (%(zone)s) and was tried "
                        "%(attempts)s times.\n\nReason: %(reason)s\n\nYou are told again when it works, and not "
                        "about further failures until then."
                    )
                    % values
                )
        mail(
            address,
            subject,
            body + link_to_it + "\n",
            utility=job.utility,
            event=event,
            key=f"{key}/{address}",
        )
    if job.utility is not None:
        data = {"job": job.pk, "name": str(title), "kind": job.kind, "due_at": run.due_at.isoformat()}
        with translation.override("en"):
            data["name"] = str(title)
            if why is not None:
                data["reason"] = in_words(why)
        publish(job.utility, event, data, key=key)


def _readers(job: Job) -> list[tuple[str, User | None]]:
    if job.tell:
        known = {user.email: user for user in User.objects.filter(is_active=True, email__in=job.tell)}
        if job.utility_id is not None:
            known = {email: user for email, user in known.items() if user.utility_id == job.utility_id}
        return [(address, known.get(address)) for address in job.tell]
    return [(user.email, user) for user in administrators(job.utility)]
