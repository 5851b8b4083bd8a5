"""``avlas serve``: the whole program with one command: web, collectors and worker, kept running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from avlas.system.terminal import terminal_language, text
from avlas.web.command import add_arguments as add_web_arguments
from avlas.web.command import check_address, split_address

if TYPE_CHECKING:
    import argparse

_CALM_SECONDS = 30.0  # a part that ran this long is restarted at once, others after a growing pause
_LONGEST_PAUSE = 30.0
_STOP_SECONDS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_web_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Bring the database up to date, start everything and wait; gives the exit status."""
    check_address(args.listen)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avlas.settings")
    import django

    django.setup()
    from django.db import connection

    from avlas.migrate import upgrade
    from avlas.system.models import User
    from avlas.system.secrets import check_master_key

    upgrade()
    with terminal_language():
        check_master_key()
    first = not User.objects.exists()
    connection.close()
    supervisor = Supervisor(args.listen)
    supervisor.start()
    if supervisor.wait_until_up():
        print(text("Avläs is running: ", "Avläs är igång: ") + supervisor.address)
        if first:
            print(
                text(
                    "Make the first administrator in another window:  ./run createadmin",
                    "Skapa den första administratören i ett annat fönster:  ./run createadmin",
                )
            )
        print(text("Stop with Ctrl-C.", "Avsluta med Ctrl-C."), flush=True)
    return supervisor.run_until_stopped()


@dataclass(slots=True)
class _Part:
    name: str
    arguments: list[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = 1.0
    again_at: float = field(default=0.0)


class Supervisor:
    """Runs the program's parts as processes and starts again those that end by themselves."""

    def __init__(self, listen: str) -> None:
        host, port = split_address(listen)
        shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::", "::1") else host  # noqa: S104 - only shown
        self.address = f"http://{shown}:{port}/"
        self._parts = [
            _Part("web", ["web", "--listen", listen]),
            _Part("collect", ["collect"]),
            _Part("work", ["work"]),
        ]
        self._stop = threading.Event()

    def start(self) -> None:
        """Start every part."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: self._stop.set())
        for part in self._parts:
            self._start(part)

    def wait_until_up(self, seconds: float = 60.0) -> bool:
        """Wait until the pages answer; False when stopped or too slow (the parts' messages tell why)."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stop.is_set():
            try:
                with urllib.request.urlopen(self.address, timeout=5):  # noqa: S310
                    return True
            except urllib.error.HTTPError:
                return True
            except OSError:
                self._stop.wait(0.2)
                self._look_after()
        return False

    def run_until_stopped(self) -> int:
        """Look after the parts until a signal comes, then stop them; gives the exit status."""
        while not self._stop.wait(0.5):
            self._look_after()
        for part in self._parts:
            if part.process is not None and part.process.poll() is None:
                part.process.terminate()
        until = time.monotonic() + _STOP_SECONDS
        for part in self._parts:
            if part.process is None:
                continue
            try:
                part.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                part.process.kill()
                part.process.wait()
        return 0

    def stop(self) -> None:
        """Ask `run_until_stopped` to end."""
        self._stop.set()

    def _start(self, part: _Part) -> None:
        part.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "avlas", *part.arguments], start_new_session=True
        )
        part.started = time.monotonic()

    def _look_after(self) -> None:
        now = time.monotonic()
        for part in self._parts:
            if part.process is not None and part.process.poll() is None:
                continue
            if part.process is not None:
                status = part.process.returncode
                calm = now - part.started > _CALM_SECONDS
                part.pause = 1.0 if calm else min(part.pause * 2, _LONGEST_PAUSE)
                part.again_at = now + part.pause
                part.process = None
                print(
                    text(
                        f"{part.name} ended (status {status}) and is started again in {part.pause:.0f} s.",
                        f"{part.name} avslutades (status {status}) och startas igen om {part.pause:.0f} s.",
                    ),
                    file=sys.stderr,
                    flush=True,
                )
            elif now >= part.again_at:
                self._start(part)
