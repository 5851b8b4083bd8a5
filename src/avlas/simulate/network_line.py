"""A receiver behind ser2net: its bytes on a real TCP or UDP socket of this machine.

TCP has one host at a time, the last one to come; UDP answers whoever sent last.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from datetime import datetime

    from avlas.simulate.receivers import Receiver

_POLL_S = 0.02


class NetworkLine:
    """``with NetworkLine(receiver, "tcp") as line: line.transmit(frame, -71)``; ``where`` is host:port."""

    def __init__(self, receiver: Receiver, road: str = "tcp") -> None:
        self.receiver = receiver
        self.road = road
        self.port = 0
        self._socket: socket.socket | None = None
        self._host: socket.socket | None = None
        self._peer: tuple[str, int] | None = None
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"{road} line", daemon=True)

    def __enter__(self) -> Self:
        self.plug()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.unplug()

    @property
    def where(self) -> str:
        """Where a host finds it."""
        return f"127.0.0.1:{self.port}"

    def plug(self) -> None:
        """Listen, on the same port as before; the receiver wakes up."""
        with self._lock:
            kind = socket.SOCK_STREAM if self.road == "tcp" else socket.SOCK_DGRAM
            made = socket.socket(socket.AF_INET, kind)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(("127.0.0.1", self.port))
            if self.road == "tcp":
                made.listen()
            self.port = made.getsockname()[1]
            self.receiver.power_on()
            self._socket = made

    def unplug(self) -> None:
        """Nobody answers any more."""
        with self._lock:
            for each in (self._host, self._socket):
                if each is not None:
                    each.close()
            self._host = self._socket = self._peer = None

    def transmit(
        self,
        frame: bytes,
        rssi_dbm: float,
        *,
        at: datetime | None = None,
        mode: str = "C1",
        intact: bool = True,
    ) -> bool:
        """A telegram in the air; whether the receiver handed it on to somebody."""
        with self._lock:
            return self.write(self.receiver.transmit(frame, rssi_dbm, at=at, mode=mode, intact=intact))

    def write(self, data: bytes) -> bool:
        """Bytes to the host; whether there is one."""
        with self._lock, contextlib.suppress(OSError):
            if not data:
                return False
            if self._host is not None:
                self._host.sendall(data)
                return True
            if self._socket is not None and self._peer is not None:
                self._socket.sendto(data, self._peer)
                return True
        return False

    def _serve(self) -> None:
        while not self._stop.wait(_POLL_S):
            with self._lock:
                sockets = [each for each in (self._socket, self._host) if each is not None]
                for ready in select.select(sockets, [], [], 0)[0] if sockets else []:
                    with contextlib.suppress(OSError):
                        self._ready(ready)

    def _ready(self, ready: socket.socket) -> None:
        if ready is self._socket and self.road == "tcp":
            if self._host is not None:
                self._host.close()
            self._host, _ = ready.accept()
            return
        data, peer = ready.recvfrom(4096)
        if self.road == "udp":
            self._peer = peer
        elif not data:
            ready.close()
            self._host = None
            return
        if answer := self.receiver.feed(data):
            self.write(answer)
