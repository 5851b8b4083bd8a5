"""Waking those who wait for new data: one watcher per process looks, however many streams are open.

Whoever streams makes a ``Listener`` of one utility, says what it listens for, and waits::

    with live.listening(utility_id, {"telegrams"}) as listener:
        news = await listener.news(timeout=15)      # {"telegrams"}, or nothing when the time is over

The watcher is one thread that runs while somebody listens. Once a second it asks (on PostgreSQL new entries of the
journal wake it at once), in one query each, however many listen:

    the journal     ``telegrams``: something of the utility came in; ``meter:7``: something of that meter
    jobs            ``jobs``: a run began, went on, said something, ended, or a job was changed
    collectors      ``receivers``: a receiver's state or figures moved
    who listens     every few seconds, whether the sessions that opened the streams still stand (see ``Guarded``)

What a listener is told is only that there is news; what it is, it reads by the ways that test whose it is.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from django.db import DatabaseError, close_old_connections, connection

from avlas.meters import journal
from avlas.meters.models import Collector
from avlas.system.models import Job, JobLine, JobRun
from avlas.system.jobs import UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
