"""Sending what waits in the outbox: one message at a time, whatever becomes of it noted on its row."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import DatabaseError
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from avlas.notify import mail, webhook
from avlas.notify.errors import ClaimLost, NotSent
from avlas.system import outbox
from avlas.system.models import Attachment, MailServer, Road, User
from avlas.system.secrets import SecretError

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from avlas.system.models import Delivery

logger = logging.getLogger(__name__)


def send_one(now: datetime, lease: timedelta = outbox.LEASE) -> bool:
    """Send one message that is due; False when there is none."""
    delivery = outbox.claim(now, lease)
    if delivery is None:
        return False
    try:
        if delivery.road == Road.WEBHOOK:
            _send_event(delivery)
        else:
            _send_mail(delivery, lease)
    except ClaimLost:
        logger.warning("Message %s was taken over by another worker", delivery.pk)
    except NotSent as problem:
        if problem.unsure:
            outbox.unsure(delivery, problem.text, problem.values)
        else:
            outbox.not_sent(delivery, problem.text, problem.values, for_good=problem.for_good)
    except SecretError as problem:
        outbox.not_sent(delivery, str(problem), {})
    except DatabaseError:
        raise  # nothing can be noted now; the row's lease runs out, and then the row itself says what to do
    except Exception as problem:
        logger.exception("Message %s could not be sent", delivery.pk)
        said = f"{type(problem).__name__}: {problem}"[:500]
        outbox.not_sent(delivery, gettext_noop("An error in the program: %(error)s"), {"error": said})
    else:
        outbox.sent(delivery)
    return True


def server_of(row: MailServer) -> mail.Server:
    """The mail server as it is set up. Raises SecretError when its password can't be opened."""
    return mail.Server(
        row.host, row.port, row.security, row.sender, row.user, outbox.mail_password(row) if row.user else ""
    )


def _send_mail(delivery: Delivery, lease: timedelta) -> None:
    row = MailServer.objects.filter(pk=1).first()
    if row is None:
        raise NotSent(gettext_noop("No mail server is set up (Configuration, Mail server)."))
    body = delivery.body
    if delivery.sent_again:
        reader = User.objects.filter(email=delivery.destination).first()
        with translation.override(reader.language if reader else settings.LANGUAGE_CODE):
            body = (
                _("(This message may have reached you before. It is sent again to be sure.)") + "\n\n" + body
            )
    file = Attachment.objects.filter(delivery=delivery).first()
    written = mail.Mail(
        delivery.destination,
        delivery.subject,
        body,
        delivery.event_id,
        delivery.created_at,
        (file.name, bytes(file.content)) if file else None,
    )
    mail.send(server_of(row), written, lambda: outbox.hand_over(delivery, lease))


def _send_event(delivery: Delivery) -> None:
    hook = delivery.webhook
    if hook is None:
        raise NotSent(gettext_noop("The webhook was removed."), for_good=True)
    if not hook.active:
        raise NotSent(gettext_noop("The webhook is paused."))
    secret = outbox.webhook_secret(hook)
    webhook.send(hook.url, secret, delivery.event_id, delivery.body, own_machine=hook.own_machine)
