"""Following the journal of readings and info codes, so that somebody is told within seconds of what comes in.

Each follower keeps its place in a row of its own and moves it on in the transaction that does the work: after a crash
nothing is lost and nothing done twice.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from django.db import transaction

from avlas.meters import journal
from avlas.notify import alerts, notices
from avlas.notify.models import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from avlas.meters.journal import Entry

    _Look = Callable[[Sequence[Entry], datetime], Callable[[], None]]

_ENTRIES: Final = 20  # in one transaction
logger = logging.getLogger(__name__)


def look_once(now: datetime) -> bool:
    """Work through some of what was written since the last look; False when there was nothing."""
    last = journal.newest()
    worked = [_follow(name, look, last, now) for name, look in _FOLLOWERS.items()]
    return any(worked)


def _follow(name: str, look: _Look, last: int, now: datetime) -> bool:
    """Work through some entries: ``look`` reads, what it gives writes in the transaction that moves the place on."""
    known = Watch.objects.filter(name=name).first()
    if known is None:  # what came before anybody looked is not news
        Watch.objects.get_or_create(name=name, defaults={"cursor": last, "looked_at": now})
        return False
    if known.cursor >= last:
        return False
    mine = Watch.objects.filter(name=name, cursor=known.cursor)
    try:
        entries = journal.after(known.cursor, limit=_ENTRIES)
    except journal.CursorTooOld as problem:  # nobody worked for weeks
        logger.warning("%s: %s", name, problem)
        mine.update(cursor=last)
        return True
    if not entries:
        mine.update(cursor=last)
        return False
    write = look(entries, now)
    with transaction.atomic():
        if mine.update(cursor=entries[-1].id, looked_at=now):  # else another worker was quicker
            write()
    return True


def _info_codes(entries: Sequence[Entry], now: datetime) -> Callable[[], None]:
    changes = [change for entry in entries for change in entry.info_events]
    newest = {(one.meter_id, one.at): one.opened for one in changes}
    came = [key for key, opened in newest.items() if opened]
    gone = [key for key, opened in newest.items() if not opened]
    return lambda: notices.note_info_codes(came, gone, now)


def _alerts(entries: Sequence[Entry], now: datetime) -> Callable[[], None]:
    exceeded = alerts.judge({key for entry in entries for key in entry.readings}, now)
    return lambda: alerts.fire(exceeded, now)


_FOLLOWERS: Final = {"info codes": _info_codes, "alerts": _alerts}
