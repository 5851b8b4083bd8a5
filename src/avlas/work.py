"""``avlas work``: what has to be done regularly. Today that is tidying up, once an hour."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

_HOUR = 3600.0
logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--once", action="store_true", help="tidy up once and stop")


def run(args: argparse.Namespace) -> int:
    """Tidy up now and every hour until stopped; gives the exit status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avlas.settings")
    import django

    django.setup()
    from django.db import DatabaseError, close_old_connections

    from avlas.meters.housekeeping import tidy

    stop = threading.Event()
    if threading.current_thread() is threading.main_thread():
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
    while True:
        try:
            close_old_connections()
            tidy()
        except DatabaseError as problem:
            if args.once:
                raise
            logger.warning("Tidying up failed and will be tried again in an hour: %s", problem)
        if args.once or stop.wait(_HOUR):
            return 0
