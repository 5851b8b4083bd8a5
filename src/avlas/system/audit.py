"""The audit log: one function writes it, in the transaction of what it tells about."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import socket
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction

from avlas.system import syslog
from avlas.system.models import AuditEvent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from avlas.system.models import User, Utility

_acting: ContextVar[str] = ContextVar("acting", default="")
_EVENT = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_]*")


@contextlib.contextmanager
def acting_as(program: str) -> Iterator[None]:
    """Within this, what no user did was done by ``program``: another system that calls with a token."""
    before = _acting.set(program)
    try:
        yield
    finally:
        _acting.reset(before)


def record(
    event: str,
    *,
    utility: Utility | None,
    user: User | None = None,
    computer: str = "",
    target: str = "",
    detail: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Writes one event and returns it.

    ``event``     what happened, as ``area.what`` in lower case (``keys.imported``): a stable name that
                  pages translate
    ``utility``   whose log it belongs to; None for what concerns the whole installation
    ``user``      who did it; None when the program or its command line did: the operating system's
                  account name then stands in its place, or the other system's (see ``acting_as``)
    ``computer``  name or address of the computer it was done from; this machine when empty
    ``target``    what it was done to, in words a person recognises (cut at 255 characters)
    ``detail``    the technical details, as JSON. Never a key, a password or a token.

    Where AVLAS_SYSLOG is set, a copy goes there after the commit.

    Raises RuntimeError outside a transaction: the event and the deed are kept together or not at all.
    """
    if not _EVENT.fullmatch(event):
        raise ValueError(f"{event!r} is not an event name; write it like keys.imported.")
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError(f"The audit event {event} must be written inside the transaction of its deed.")
    written = AuditEvent.objects.create(
        at=datetime.now(UTC),
        utility=utility,
        user=user,
        user_name=(str(user) if user else _acting.get() or _account_name())[:320],
        computer=(computer or socket.gethostname())[:255],
        event=event,
        target=target[:255],
        detail=dict(detail or {}),
    )
    if copy_to := settings.SYSLOG:  # no partial: when one goes wrong Django asks for its name, and falls over
        transaction.on_commit(lambda: syslog.send(written, copy_to), robust=True)
    return written


def _account_name() -> str:
    """Who runs this program on this machine, marked so that it is not taken for a signed-in user."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # an account number without a name, as in a container
        name = str(os.getuid())
    return f"avlas ({name})"
