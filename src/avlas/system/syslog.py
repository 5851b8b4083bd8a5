"""The audit log's copy for a syslog server: each event one line as RFC 5424 has it, sent after its commit.

The database holds the audit; this is a copy, and must never stop or delay the deed. A thread of its own sends the
lines in order. While the server is away they wait (MOST_WAITING of them, as long as the program runs); over UDP
nobody can tell whether they arrive.
"""

from __future__ import annotations

import atexit
import errno
import json
import logging
import os
import queue
import re
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from avlas.system.models import AuditEvent

PRIORITY: Final = 13 * 8 + 5  # RFC 5424 section 6.2.1: facility "log audit", severity "notice"
PORTS: Final = {"udp": 514, "tcp": 601}  # RFC 5426, RFC 3195
LOCAL: Final = "/dev/log"
LONGEST: Final = 8192
"""Bytes of a line; the details of an event that takes more stay in the database alone."""
MOST_WAITING: Final = 10_000
PATIENCE_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 5.0
AT_END_SECONDS: Final = 3.0
_NOT_PRINTABLE: Final = re.compile(r"[^!-~]")
logger = logging.getLogger(__name__)


class Way(NamedTuple):
    """Where the lines go. ``road`` is ``local`` (``host`` is then a socket's path), ``udp`` or ``tcp``."""

    road: str
    host: str
    port: int = 0

    def __str__(self) -> str:
        return self.host if self.road == "local" else f"{self.road}://{self.host}:{self.port}"


def way(written: str) -> Way:
    """The way that AVLAS_SYSLOG names: ``local``, a socket's path, ``udp://host:port`` or ``tcp://host:port``.

    Raises ValueError with the forms there are.
    """
    if written == "local" or written.startswith("/"):
        return Way("local", LOCAL if written == "local" else written)
    parts = urlsplit(written)
    if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/"):
        raise ValueError(f"{written!r} is not local, a socket's path, udp://host:port or tcp://host:port")
    return Way(parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme])


def line(event: AuditEvent) -> bytes:
    """An event as a line of RFC 5424; its message is one JSON object, in ASCII, so that every server can read it."""
    said = {
        "id": event.pk,
        "utility": event.utility.name if event.utility else None,
        "user": event.user_name,
        "computer": event.computer,
        "target": event.target,
        "detail": event.detail,
    }
    at = event.at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    host = _NOT_PRINTABLE.sub("", socket.gethostname())[:255] or "-"
    head = f"<{PRIORITY}>1 {at} {host} avlas {os.getpid()} {event.event[:32]} - "
    whole = head + json.dumps(said, default=str)
    if len(whole) > LONGEST:
        whole = head + json.dumps({**said, "detail": "too long, see the audit log"}, default=str)
    return whole.encode("ascii")


def send(event: AuditEvent, to: Way) -> None:
    """Hand an event, which has been committed, to the thread that sends. Never waits."""
    sender(to).put(line(event))


def opened(to: Way, seconds: float = PATIENCE_SECONDS) -> socket.socket:
    """A socket on the way there. Raises OSError."""
    if to.road == "tcp":
        return socket.create_connection((to.host, to.port), timeout=seconds)
    address: Any = to.host
    if to.road == "local":
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    else:
        family, kind, protocol, _, address = socket.getaddrinfo(to.host, to.port, type=socket.SOCK_DGRAM)[0]
        made = socket.socket(family, kind, protocol)
    try:
        made.settimeout(seconds)
        made.connect(address)
    except OSError:
        made.close()
        raise
    return made


class Sender:
    """Sends lines in the order given, in a thread of its own, and tries again as long as the program runs."""

    def __init__(self, to: Way) -> None:
        self._to = to
        self._waiting: queue.Queue[bytes] = queue.Queue(MOST_WAITING)
        self._socket: socket.socket | None = None
        self._in_trouble = False
        self._lost = 0
        threading.Thread(target=self._run, name="syslog", daemon=True).start()
        atexit.register(self.flush, AT_END_SECONDS)

    def put(self, given: bytes) -> None:
        """Send a line when its turn comes; when too many wait it is left out, and how many were is logged."""
        try:
            self._waiting.put_nowait(given)
        except queue.Full:
            self._lost += 1

    def flush(self, seconds: float) -> bool:
        """Wait until everything is sent, so long at most; whether it is."""
        with self._waiting.all_tasks_done:
            return self._waiting.all_tasks_done.wait_for(
                lambda: not self._waiting.unfinished_tasks, timeout=seconds
            )

    def _run(self) -> None:
        while True:
            given = self._waiting.get()
            while not self._sent(given):
                time.sleep(RETRY_SECONDS)
            self._waiting.task_done()

    def _sent(self, given: bytes) -> bool:
        try:
            if self._socket is None or self._hung_up():
                self._socket = opened(self._to)
            self._socket.sendall(given + b"\n" if self._to.road == "tcp" else given)
        except (OSError, UnicodeError) as problem:  # UnicodeError: a host name that no network has
            if getattr(problem, "errno", None) == errno.EMSGSIZE:
                logger.warning("The syslog at %s takes no line of %d bytes; left out", self._to, len(given))
                return True
            self._close()
            if not self._in_trouble:
                self._in_trouble = True
                logger.warning("The syslog at %s: %s; tried again and again", self._to, problem)
            return False
        if self._in_trouble:
            self._in_trouble = False
            logger.warning("The syslog at %s takes lines again; %d were left out", self._to, self._lost)
            self._lost = 0
        return True

    def _hung_up(self) -> bool:
        """Whether a TCP server has ended the connection: what were sent then would be lost without an error."""
        if self._to.road != "tcp" or self._socket is None:
            return False
        self._socket.settimeout(0)
        try:
            ended = not self._socket.recv(1024)
        except BlockingIOError:
            ended = False
        self._socket.settimeout(PATIENCE_SECONDS)
        if ended:
            self._close()
        return ended

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


_senders: dict[tuple[int, Way], Sender] = {}
_lock: Final = threading.Lock()


def sender(to: Way) -> Sender:
    """Give the sender of this process on a way."""
    with _lock:
        key = (os.getpid(), to)  # a thread does not survive a fork
        if key not in _senders:
            _senders[key] = Sender(to)
        return _senders[key]
