"""Handing the journal on, one reader and one part at a time: claimed, sent, the place moved on, or again later."""

from __future__ import annotations

import os
import secrets
import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_noop

from avlas.meters import journal
from avlas.notify.errors import NotSent
from avlas.reports import news
from avlas.system import outbox
from avlas.system.journal_reader import JournalReader
from avlas.system.secrets import SecretError
from avlas.system.told import told

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from django.db.models import QuerySet

_LEASE: Final = timedelta(minutes=3)
_LOOKED_AT: Final = 50
R = TypeVar("R", bound=JournalReader)


def hand_on_one(rows: QuerySet[R], hand_on: Callable[[R], tuple[news.Place, bool]], now: datetime) -> bool:
    """Hand one part to one of ``rows`` that is behind the journal; False when there is none.

    ``hand_on`` sends what comes after the row's place; gives the place after it and whether there was anything to send.
    """
    row = _claim(rows, now)
    if row is None:
        return False
    mine = type(row)._default_manager.filter(pk=row.pk, worker=row.worker)  # noqa: SLF001  # Django's own name
    try:
        place, sent = hand_on(row)
    except NotSent as problem:
        _later(mine, row, problem.text, problem.values)
    except SecretError as problem:
        _later(mine, row, str(problem), {})
    except Exception as problem:
        _later(
            mine, row, gettext_noop("An error in the program: %(error)s"), {"error": type(problem).__name__}
        )
        raise
    else:
        done = datetime.now(UTC)
        more = {"taken_at": done} if sent else {}
        mine.update(place=str(place), attempts=0, next_try_at=done, lease_until=None, told={}, **more)
    return True


def _claim(rows: QuerySet[R], now: datetime) -> R | None:
    due = rows.filter(Q(lease_until=None) | Q(lease_until__lt=Now()), next_try_at__lte=now)
    newest = journal.newest() if due.exists() else 0
    for row in due.order_by("next_try_at", "pk")[:_LOOKED_AT]:
        if news.Place.read(row.place).entry >= newest:
            continue
        worker = f"{socket.gethostname()[:50]}:{os.getpid()}:{secrets.token_hex(4)}"
        if due.filter(pk=row.pk).update(worker=worker, lease_until=Now() + _LEASE):
            return rows.get(pk=row.pk)
    return None


def _later(mine: QuerySet[R], row: R, text: str, values: dict[str, Any]) -> None:
    pause = outbox.PAUSES[min(row.attempts, len(outbox.PAUSES) - 1)]
    mine.update(
        attempts=F("attempts") + 1,
        next_try_at=datetime.now(UTC) + pause,
        lease_until=None,
        told=told(text, values),
    )
