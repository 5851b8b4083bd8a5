"""A receiver in use: opens its line, runs its driver, reconnects, and gives telegrams in batches.

    receiver = Receiver(parse_spec("im871a:/dev/ttyUSB0"), on_notice=print)
    task = asyncio.create_task(receiver.run())
    while batch := await receiver.next_batch():
        ...

The buffer between line and reader is bounded. When it is full a source that can wait (TCP, standard input, a
file) is not read further; a radio can't wait, so its newest telegrams are counted as lost, and that is said.
Knows nothing of databases.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import socket
import sys
import threading
from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol

import serialx

from avlas.collect.drivers.heard import Heard, Notice
from avlas.collect.drivers.hexlines import HexLines
from avlas.collect.drivers.im871a import BAUD_RATE, LINK_MODES, Im871a
from avlas.collect.drivers.rtl_wmbus import RtlWmbusLines
from avlas.collect.drivers.wmbusmeters import WmbusmetersLines
from avlas.collect.recorded import NotRecorded, Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from avlas.collect.drivers.heard import Driver, Event

Road = Literal["serial", "tcp", "stdin", "file"]

BATCH_TELEGRAMS: Final = 10_000
BATCH_SECONDS: Final = 0.25
MOST_WAITING: Final = 100_000
"""Telegrams kept in memory while the database can't be written: about 30 MB."""
FIRST_RETRY: Final = 0.5
LAST_RETRY: Final = {"serial": 2.0, "tcp": 30.0}
"""Seconds before a lost line is tried again: doubled each time up to the last, anew from the first when a
telegram was heard. To look for a port costs nothing; a computer that is down is left in peace."""
SILENT_AFTER: Final = 600.0
"""Seconds without a telegram after which the line is opened anew."""
SAME_NOTICE_EVERY: Final = 60.0
CLOCK_TOLERANCE: Final = 120.0
"""Seconds a source's own clock may differ from this machine's before its timestamps are replaced."""
TICK: Final = 0.25
READ_SIZE: Final = 65_536


class SpecError(ValueError):
    """A receiver's description that can't be understood; ``notice`` says how to write one."""

    def __init__(self, text_id: str, **detail: str) -> None:
        super().__init__(text_id, detail)
        self.notice = Notice("error", text_id, detail)


@dataclass(frozen=True, slots=True)
class Spec:
    """Where a receiver is and what it speaks: ``im871a:/dev/ttyUSB0``, ``rtl_wmbus:tcp://host:port``, ..."""

    driver: str
    road: Road
    where: str  # path of a port or file, "host:port", or ""
    baud_rate: int = 0

    def __str__(self) -> str:
        rate = "" if self.baud_rate == default_baud_rate(self.driver) else f":{self.baud_rate}"
        where = {"tcp": f"tcp://{self.where}", "stdin": "stdin", "serial": f"{self.where}{rate}"}
        return f"{self.driver}:{where.get(self.road, self.where)}"


LINE_DRIVERS: Final = {"hex": HexLines, "rtl_wmbus": RtlWmbusLines, "wmbusmeters": WmbusmetersLines}
EXAMPLES: Final = (
    "im871a:/dev/ttyUSB0, rtl_wmbus:stdin, rtl_wmbus:tcp://host:port, hex:tcp://host:port, "
    "hex:/dev/ttyUSB0:115200, file:/path/to/recording"
)


def parse_spec(text: str) -> Spec:
    """The Spec that ``text`` describes; SpecError when it describes none."""
    driver, colon, where = text.strip().partition(":")
    driver = driver.lower()
    if not colon or not where:
        raise SpecError("spec_none", spec=text, examples=EXAMPLES)
    if driver == "file":
        return Spec("file", "file", where.removeprefix("//"))
    if driver != "im871a" and driver not in LINE_DRIVERS:
        known = ", ".join(("im871a", *LINE_DRIVERS, "file"))
        raise SpecError("spec_driver", driver=driver, known=known, examples=EXAMPLES)
    if where in ("stdin", "-"):
        if driver == "im871a":
            raise SpecError("spec_stdin", examples=EXAMPLES)
        return Spec(driver, "stdin", "")
    if where.startswith("tcp://"):
        host, _, port = where.removeprefix("tcp://").rstrip("/").rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise SpecError("spec_tcp", spec=text, driver=driver)
        return Spec(driver, "tcp", f"{host}:{port}")
    port_name, _, rate = where.rpartition(":")
    if port_name and rate.isdecimal():
        return Spec(driver, "serial", port_name, int(rate))
    return Spec(driver, "serial", where, default_baud_rate(driver))


def default_baud_rate(driver: str) -> int:
    """The speed of a serial port when none is given."""
    return BAUD_RATE if driver == "im871a" else 115_200


def make_driver(spec: Spec, link_mode: str) -> Driver:
    """The protocol machine a Spec names; SpecError when it has no such link mode."""
    if spec.driver != "im871a":
        return LINE_DRIVERS[spec.driver]()
    if link_mode not in LINK_MODES:
        raise SpecError("spec_link_mode", mode=link_mode, known=", ".join(LINK_MODES))
    return Im871a(link_mode)


class Line(Protocol):
    """An open line."""

    async def read(self) -> bytes:
        """Some bytes; empty at the end."""
        ...

    def write(self, data: bytes) -> None:
        """Queue bytes to be sent."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...


class StreamLine:
    """A TCP connection or serial port: an asyncio reader and writer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """Some bytes; empty when the other end is gone."""
        return await self._reader.read(READ_SIZE)

    def write(self, data: bytes) -> None:
        """Queue bytes to be sent."""
        self._writer.write(data)

    async def close(self) -> None:
        """Close, without waiting long for an end that is gone."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(self._writer.wait_closed(), 2)


class StdinLine:
    """Standard input, read in a thread so that files and terminals work as well as pipes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def read(self) -> bytes:
        """Some bytes; empty at the end. A read under way when the program stops is abandoned."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bytes] = loop.create_future()

        def settle(data: bytes) -> None:
            if not done.done():
                done.set_result(data)

        def work() -> None:
            try:
                data = os.read(self._descriptor, READ_SIZE)
            except OSError:
                data = b""
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, data)

        threading.Thread(target=work, name="standard input", daemon=True).start()
        return await done

    def write(self, data: bytes) -> None:
        """Nothing can be sent to standard input."""

    async def close(self) -> None:
        """Standard input stays open: it is the program's, not ours."""


async def open_line(spec: Spec) -> Line:
    """Open what ``spec`` names. Raises OSError (see ``why``)."""
    if spec.road == "stdin":
        return StdinLine(sys.stdin.fileno())
    if spec.road == "tcp":
        host, _, port = spec.where.rpartition(":")
        async with asyncio.timeout(15):
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        sock = writer.get_extra_info("socket")
        if sock is not None:  # a cable pulled out is noticed, though nothing is ever sent
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return StreamLine(reader, writer)
    try:
        reader, writer = await serialx.open_serial_connection(
            spec.where, baudrate=spec.baud_rate, exclusive=False
        )
    except OSError:
        raise
    except Exception as error:  # termios.error and serialx's own are no OSError, but all mean: no usable port
        raise OSError(*error.args) from error
    line = StreamLine(reader, writer)
    try:  # locked here and not while opening: an opening that fails half-way would keep the lock for itself
        fcntl.flock(writer.get_extra_info("serial").fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        await line.close()
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY)) from None
    return line


def why(error: OSError, spec: Spec) -> Notice:
    """Why a line can't be opened, in words a person can act on."""
    where = spec.where
    reason = error.strerror or str(error) or type(error).__name__
    if spec.road == "tcp":
        if isinstance(error, socket.gaierror):
            return Notice("error", "host_unknown", {"where": where.rpartition(":")[0]})
        if isinstance(error, ConnectionRefusedError):
            return Notice("error", "host_refused", {"where": where})
        return Notice("error", "host_unreachable", {"where": where, "reason": reason})
    if isinstance(error, FileNotFoundError) or error.errno in (errno.ENODEV, errno.ENXIO):
        return Notice("error", "port_missing", {"where": where})
    if isinstance(error, PermissionError):
        return Notice("error", "port_forbidden", {"where": where})
    if error.errno == errno.EBUSY:
        return Notice("error", "port_busy", {"where": where})
    return Notice("error", "port_failed", {"where": where, "reason": reason})


@dataclass(frozen=True, slots=True)
class Received:
    """A telegram with its time settled."""

    heard: Heard
    at: float  # UTC, seconds since 1970


class Receiver:
    """One receiver from opening to batches.

    ``on_notice`` is called with everything a person may want to know: each state once, damage at most once a
    minute. ``connected`` tells whether the line is open now; ``lost`` counts telegrams dropped because the
    buffer was full. ``run`` ends only when a file or standard input ends (``finished``), or when it is
    cancelled.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        link_mode: str = "c1t1",
        on_notice: Callable[[Notice], None],
        most_waiting: int = MOST_WAITING,
        silent_after: float = SILENT_AFTER,
    ) -> None:
        self.spec = spec
        self.connected = False
        self.finished = False
        self.lost = 0
        self._driver = None if spec.road == "file" else make_driver(spec, link_mode)
        self._on_notice = on_notice
        self._most_waiting = most_waiting
        self._silent_after = silent_after
        self._queue: deque[Received] = deque()
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._said_at: dict[str, float] = {}
        self._silent = False
        self._heard_at = 0.0  # loop time of the last telegram
        self._clock_right: bool | None = None
        self._lost_said = 0

    @property
    def damaged(self) -> int:
        """Telegrams lost to damage since the start."""
        return self._driver.damaged if self._driver else 0

    @property
    def waiting(self) -> int:
        """Telegrams in the buffer."""
        return len(self._queue)

    # ---- the reader's side

    async def next_batch(self, most: int = BATCH_TELEGRAMS, seconds: float = BATCH_SECONDS) -> list[Received]:
        """What is waiting: at least one telegram, at most ``most``, gathered for ``seconds`` after the first.

        Empty only when the source is finished and everything has been given out.
        """
        while not self._queue:
            if self.finished:
                return []
            self._filled.clear()
            await self._filled.wait()
        if len(self._queue) < most and not self.finished:
            await asyncio.sleep(seconds)
        batch = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
        self._drained.set()
        return batch

    def rest(self) -> list[Received]:
        """Everything still waiting, at once: for a graceful stop after ``run`` was cancelled."""
        batch = list(self._queue)
        self._queue.clear()
        return batch

    # ---- the line's side

    async def run(self) -> None:
        """Read until the source ends or this task is cancelled; a lost line is opened again."""
        try:
            if self._driver is None:
                await self._read_file()
            else:
                await self._keep_reading(self._driver)
        finally:
            self.connected = False
            self.finished = True
            self._filled.set()

    async def _read_file(self) -> None:
        path = Path(self.spec.where)
        try:
            recording = await asyncio.to_thread(Recording, path)
        except (OSError, NotRecorded) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            missing = isinstance(error, FileNotFoundError)
            self._say(
                Notice(
                    "error",
                    "file_missing" if missing else "port_failed",
                    {"where": str(path), "reason": reason or ""},
                )
            )
            return
        self.connected = True
        lines = iter(recording)
        while chunk := await asyncio.to_thread(_some, lines):
            await self._take_in([event for _, event in chunk])
        self._say(Notice("info", "finished", {"where": str(path)}))

    async def _keep_reading(self, driver: Driver) -> None:
        wait, longest = FIRST_RETRY, LAST_RETRY.get(self.spec.road, 0.0)
        before = False
        problem = ""
        while True:
            try:
                line = await open_line(self.spec)
            except OSError as error:
                notice = why(error, self.spec)
                if notice.text_id != problem:
                    problem = notice.text_id
                    self._on_notice(notice)
                await asyncio.sleep(wait)
                wait = min(wait * 2, longest)
                continue
            where = self.spec.where or "stdin"
            if not self._silent:
                self._on_notice(
                    Notice("info", "connected_again" if before else "connected", {"where": where})
                )
            before, problem = True, ""
            self._said_at.clear()
            self.connected = True
            began = asyncio.get_running_loop().time()
            try:
                ended = await self._session(driver, line)
            except (OSError, serialx.SerialException):
                ended = "lost"
            finally:
                self.connected = False
                await line.close()
            if self.spec.road == "stdin":
                self._on_notice(Notice("info", "finished", {"where": "stdin"}))
                return
            if ended == "lost":
                self._on_notice(Notice("error", "lost", {"where": where}))
            if self._heard_at > began:
                wait = FIRST_RETRY
            await asyncio.sleep(wait)
            wait = min(wait * 2, longest)

    async def _session(self, driver: Driver, line: Line) -> Literal["lost", "silent"]:
        """Run the driver on an open line until it is lost or has been silent for too long."""
        loop = asyncio.get_running_loop()
        opened_at = loop.time()
        line.write(driver.begin())
        reading = asyncio.ensure_future(line.read())
        try:
            while True:
                await asyncio.wait([reading], timeout=TICK)
                if reading.done():
                    data = reading.result()
                    if not data:
                        await self._take_in(driver.end())
                        return "lost"
                    await self._take_in(driver.feed(data))
                    reading = asyncio.ensure_future(line.read())
                await self._take_in(driver.tick(loop.time()))
                if out := driver.to_send():
                    line.write(out)
                if loop.time() - max(self._heard_at, opened_at) > self._silent_after:
                    if not self._silent:
                        minutes = max(1, round(self._silent_after / 60))
                        self._on_notice(Notice("error", "silent", {"minutes": minutes}))
                    self._silent = True
                    opened_at = loop.time()
                    if self.spec.road != "stdin":
                        return "silent"
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await reading

    async def _take_in(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, Notice):
                self._say(event)
                continue
            if self._silent:
                self._silent = False
                self._on_notice(Notice("info", "heard_again"))
            self._heard_at = asyncio.get_running_loop().time()
            if len(self._queue) >= self._most_waiting and not await self._room():
                continue
            self._queue.append(self._timed(event))
            self._filled.set()

    async def _room(self) -> bool:
        """Wait for room in the buffer; False when the source can't wait and the telegram is lost."""
        if self.spec.road == "serial":
            self.lost += 1
            if self._say(Notice("error", "overflow", {"lost": self.lost - self._lost_said})):
                self._lost_said = self.lost
            return False
        while len(self._queue) >= self._most_waiting:
            self._drained.clear()
            await self._drained.wait()
        return True

    def _timed(self, heard: Heard) -> Received:
        """Settle when it was heard: by the source's own time as long as its clock has shown itself right."""
        now = datetime.now(UTC)
        if heard.heard_at is None:
            return Received(heard, now.timestamp())
        if self.spec.road == "file":
            return Received(heard, heard.heard_at.timestamp())
        ahead = (heard.heard_at - now).total_seconds()
        if abs(ahead) <= CLOCK_TOLERANCE:
            self._clock_right = True
        elif (
            ahead > 0 or not self._clock_right
        ):  # late is no fault of a clock that was right: it waited for us
            self._clock_right = False
        if self._clock_right:
            return Received(heard, heard.heard_at.timestamp())
        where = self.spec.where or "stdin"
        self._say(Notice("warning", "clock_differs", {"where": where, "seconds": round(ahead)}))
        return Received(replace(heard, heard_at=None), now.timestamp())

    def _say(self, notice: Notice) -> bool:
        """Pass a notice on, unless its kind was said within the minute on this connection; whether it was."""
        now = asyncio.get_running_loop().time()
        if now - self._said_at.get(notice.text_id, -SAME_NOTICE_EVERY) < SAME_NOTICE_EVERY:
            return False
        self._said_at[notice.text_id] = now
        self._on_notice(notice)
        return True


def _some(lines: Iterator[tuple[int, Event]]) -> list[tuple[int, Event]]:
    return list(islice(lines, 1000))
