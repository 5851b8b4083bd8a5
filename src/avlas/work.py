"""``avlas work``: the worker. It does what is due, looks through what came in, and sends the outbox's messages.

Any number of workers, on any number of machines, share the work; what each holds and what became of it stands
in the database (``system.jobs``, ``system.outbox``), so one may be killed at any moment.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from avlas.system.terminal import text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

_JOBS_AT_ONCE: Final = 2  # a long one doesn't keep the short ones waiting
_MESSAGES_AT_ONCE: Final = 2  # nor a webhook that doesn't answer the others
_FEEDS_AT_ONCE: Final = 2  # nor one that lags behind with new readings
_LOOK_SECONDS: Final = 1.0
_TROUBLE_SECONDS: Final = 10.0
logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "--once",
        action="store_true",
        help=text("do what is due now and stop", "gör det som ska göras nu och sluta"),
    )


def run(args: argparse.Namespace) -> int:
    """Work until stopped, or once; gives the exit status. Told to stop while still starting, it ends in order too."""
    stop = threading.Event()
    if threading.current_thread() is threading.main_thread():
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avlas.settings")
    import django

    django.setup()
    from avlas.job_kinds import KINDS
    from avlas.notify import feeds, mqtt
    from avlas.notify.sending import send_one
    from avlas.notify.sms_account import ask_what_became
    from avlas.notify.telling import tell_once
    from avlas.notify.watching import look_once
    from avlas.system import jobs

    def do_a_job() -> bool:
        return jobs.work_once(KINDS, stop)

    def send_a_message() -> bool:
        return send_one(datetime.now(UTC))

    def look_at_what_came() -> bool:
        return look_once(datetime.now(UTC))

    def tell_of_it() -> bool:
        now = datetime.now(UTC)
        return tell_once(now) or ask_what_became(now)

    def hand_on_news() -> bool:
        now = datetime.now(UTC)
        return feeds.hand_on_one(now) or mqtt.hand_on_one(now)

    jobs.ensure_standing(KINDS)
    steps = (look_at_what_came, tell_of_it, do_a_job, send_a_message, hand_on_news)
    if args.once:
        while not stop.is_set() and any(step() for step in steps):
            pass
        return 0
    threads = [
        threading.Thread(target=_repeat, args=(step, stop), name=step.__name__)
        for step in (
            look_at_what_came,
            tell_of_it,
            *[do_a_job] * _JOBS_AT_ONCE,
            *[send_a_message] * _MESSAGES_AT_ONCE,
            *[hand_on_news] * _FEEDS_AT_ONCE,
        )
    ]
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join()
    return 0


def _repeat(step: Callable[[], bool], stop: threading.Event) -> None:
    """Take one step after the other, with a pause when there was nothing to do, until stopped."""
    from django.db import close_old_connections, connection

    while not stop.is_set():
        try:
            close_old_connections()
            if not step():
                stop.wait(_LOOK_SECONDS)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the other jobs and messages go on
            logger.warning("%s: %s; tried again in %.0f s", step.__name__, problem, _TROUBLE_SECONDS)
            connection.close()
            stop.wait(_TROUBLE_SECONDS)
    connection.close()
