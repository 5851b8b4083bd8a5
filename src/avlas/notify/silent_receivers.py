"""Telling once when a receiver falls silent in hours in which it normally hears, and once when it hears again.

What has been told stands in the outbox alone: a message's key names the receiver and since when it is silent. So a
run that is begun anew after a crash tells nothing twice, and who has not been told of a silence is not told of its
end.
"""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from avlas.meters.models import Collector
from avlas.meters.receiver_silence import REASONS, SilentReceiver, is_back, silent_receivers
from avlas.system import outbox
from avlas.system.models import Delivery

if TYPE_CHECKING:
    from avlas.system.job_kind import Context
    from avlas.system.models import User

SILENT: Final = "receiver.silent"
HEARD_AGAIN: Final = "receiver.heard_again"


def run(context: Context) -> None:
    """The job: look at every utility's receivers, and tell its administrators and webhooks what has changed."""
    now = datetime.now(UTC)
    silent = {one.collector.pk: one for one in silent_receivers(now=now)}
    told = silences_told()
    for missed in silent.values():
        if missed.collector.pk not in told:
            _tell(context, missed.collector, missed.since, missed)
    ended = Collector.objects.filter(active=True, pk__in=told.keys() - silent.keys())
    for collector in ended.select_related("utility").order_by("pk"):
        if is_back(collector, told[collector.pk], now):
            _tell(context, collector, told[collector.pk], None)


def silences_told() -> dict[int, datetime]:
    """The silences that somebody has been told of, and not of their end: since when, by the receiver's id."""
    open_: dict[int, datetime] = {}
    messages = Delivery.objects.filter(event__in=(SILENT, HEARD_AGAIN)).order_by("pk")
    for event, key in messages.values_list("event", "key"):
        _event, collector_id, since, *_to = key.split("/")
        if event == SILENT:
            open_[int(collector_id)] = datetime.fromtimestamp(int(since), UTC)
        else:
            open_.pop(int(collector_id), None)
    return open_


def _tell(context: Context, collector: Collector, since: datetime, missed: SilentReceiver | None) -> None:
    """Write the messages to all, or none of them when the program ends meanwhile."""
    context.check()
    event = HEARD_AGAIN if missed is None else SILENT
    key = f"{event}/{collector.pk}/{int(since.timestamp())}"
    with transaction.atomic():
        for user in outbox.administrators(collector.utility):
            with translation.override(user.language):
                subject, body = _words(collector, since, missed, user)
            body += outbox.link(f"/receivers/{collector.pk}/") + "\n"
            outbox.mail(
                user.email, subject, body, utility=collector.utility, event=event, key=f"{key}/user/{user.pk}"
            )
        data = {"receiver": collector.pk, "name": collector.name, "since": since.isoformat()}
        if missed is not None:
            data |= {"reason": missed.reason, "usual": round(missed.expected)}
        outbox.publish(collector.utility, event, data, key=key)
    context.log(  # without its name: who reads this log may see no other utility's receivers
        gettext_noop("%(place)s: a receiver hears again.")
        if missed is None
        else gettext_noop("%(place)s: a receiver has fallen silent."),
        place=collector.utility.name,
    )


def _words(
    collector: Collector, since: datetime, missed: SilentReceiver | None, reader: User
) -> tuple[str, str]:
    """Subject and text in the active language, times in the reader's zone."""
    zone = zoneinfo.ZoneInfo(reader.time_zone)
    values = {
        "name": collector.name,
        "place": collector.utility.name,
        "since": f"{since.astimezone(zone):%Y-%m-%d %H:%M}",
        "zone": zone.key,
    }
    if missed is None:
        body = _(
            "The receiver “%(name)s” of %(place)s hears again. It was silent since %(since)s (%(zone)s)."
        )
        return _("%(name)s hears again") % values, body % values
    values |= {"usual": str(round(missed.expected)), "reason": str(REASONS[missed.reason])}
    body = _(
        "The receiver “%(name)s” of %(place)s has heard nothing since %(since)s (%(zone)s). About %(usual)s telegrams "
        "would have been usual since then.\n\n%(reason)s\n\nYou are told again when it hears, and not about this "
        "silence until then."
    )
    return _("%(name)s hears nothing") % values, body % values
