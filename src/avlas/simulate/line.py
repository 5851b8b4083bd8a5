"""A receiver or an optical head behind a real serial line: a pseudo terminal under a path of one's choice.

The path is a symbolic link to the terminal's device, so that a device can be unplugged and come back
under the same name, as udev does for a USB stick. A thread answers what the host writes.
"""

from __future__ import annotations

import os
import select
import termios
import threading
import time
import tty
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from avlas.simulate.receivers import Device, Receiver

_WRITE_WITHIN_S = 2.0
_POLL_MS = 20


class Terminal:
    """``with Terminal(device, path)``: whoever opens the path speaks with the device.

    ``piece`` cuts everything written into pieces of that many bytes with ``pause_s`` between them. Bytes
    nobody reads are lost, as on any serial line: ``lost`` counts them.
    """

    def __init__(self, device: Device, path: Path, *, piece: int = 0, pause_s: float = 0.0) -> None:
        self.device = device
        self.path = path
        self.piece = piece
        self.pause_s = pause_s
        self.lost = 0
        self._master = -1
        self._device = ""
        self._unread = False
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Plug in and begin to answer."""
        self.plug()
        self._stop.clear()
        self._thread = threading.Thread(target=self._serve, name=f"line {self.path.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Unplug for good."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.unplug()

    def plug(self) -> None:
        """A fresh terminal under the same path; the device wakes up with its saved configuration.

        FileExistsError: something that is not a link stands at the path.
        FileNotFoundError: the path's folder is missing.
        """
        with self._lock:
            if self._master >= 0:
                return
            if self.path.exists() and not self.path.is_symlink():
                raise FileExistsError(
                    f"{self.path} exists and is not a link to a terminal: choose another path"
                )
            if not self.path.parent.is_dir():
                raise FileNotFoundError(f"there is no folder {self.path.parent} for {self.path.name}")
            master, slave = os.openpty()
            tty.setraw(slave)
            os.set_blocking(master, False)
            self._device = os.ttyname(slave)
            os.close(slave)
            self.device.power_on()
            beside = self.path.with_name(self.path.name + ".new")
            beside.unlink(missing_ok=True)
            beside.symlink_to(self._device)
            beside.replace(self.path)
            self._master = master

    def unplug(self) -> None:
        """The path is gone and whoever has it open gets an error or an end of file."""
        with self._lock:
            if self._master < 0:
                return
            self.path.unlink(missing_ok=True)
            os.close(self._master)
            self._master = -1

    @property
    def is_open(self) -> bool:
        """Whether a host has the line open."""
        with self._lock:
            return self._master >= 0 and not self._closed_by_host()

    def write(self, data: bytes) -> bool:
        """Bytes to the host, noise included; whether all of them could be written."""
        step = self.piece or len(data) or 1
        with self._lock:
            written = [self._write_piece(data[at : at + step]) for at in range(0, len(data), step)]
        return bool(written) and all(written)

    def _write_piece(self, data: bytes) -> bool:
        if self.pause_s:
            time.sleep(self.pause_s)
        deadline = time.monotonic() + _WRITE_WITHIN_S
        while data:
            if self._master < 0 or self._closed_by_host() or time.monotonic() > deadline:
                self.lost += len(data)
                return False
            try:
                self._unread = True
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                time.sleep(_POLL_MS / 1000)
        return True

    def _events(self) -> int:
        poller = select.poll()
        poller.register(self._master, select.POLLIN)
        found = poller.poll(0)
        return found[0][1] if found else 0

    def _closed_by_host(self) -> bool:
        """No host has the line open; what the last one left unread is thrown away, not kept for the next."""
        if not self._events() & select.POLLHUP:
            return False
        if self._unread:
            host = os.open(self._device, os.O_RDWR | os.O_NOCTTY)
            termios.tcflush(host, termios.TCIFLUSH)
            os.close(host)
            self._unread = False
        return True

    def _serve(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                readable = self._master >= 0 and bool(self._events() & select.POLLIN)
                if readable:
                    self._read()
                elif self._master >= 0:
                    self._closed_by_host()
            if not readable:
                self._stop.wait(_POLL_MS / 1000)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 4096)
        except OSError:  # closed between the look and the read
            return
        answer = self.device.feed(data)
        if answer:
            self.write(answer)


class Line(Terminal):
    """``with Line(receiver, path) as line: line.transmit(frame, -71)``."""

    def __init__(self, receiver: Receiver, path: Path, *, piece: int = 0, pause_s: float = 0.0) -> None:
        super().__init__(receiver, path, piece=piece, pause_s=pause_s)
        self.receiver = receiver

    def transmit(
        self,
        frame: bytes,
        rssi_dbm: float,
        *,
        at: datetime | None = None,
        mode: str = "C1",
        intact: bool = True,
    ) -> bool:
        """A telegram in the air; whether the receiver handed it on."""
        with self._lock:
            return self.write(self.receiver.transmit(frame, rssi_dbm, at=at, mode=mode, intact=intact))
