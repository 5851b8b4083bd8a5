"""The lines receivers are on: serial ports, TCP and UDP, standard input, programs."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING, Final, Protocol, cast

import serialx

from avlas.collect.drivers.heard import Notice
from avlas.collect.program import ProgramLine, ProgramMissing, command_line

if TYPE_CHECKING:
    from avlas.collect.spec import Spec

READ_SIZE: Final = 65_536
MOST_DATAGRAMS: Final = 10_000
"""Datagrams kept until they are read; more are lost, as UDP may lose them anywhere."""


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


class DatagramLine(asyncio.DatagramProtocol):
    """A UDP socket: connected to a host, or taking what anybody sends; then the last one gets the answers."""

    def __init__(self, *, listening: bool) -> None:
        self._listening = listening
        self._came: asyncio.Queue[bytes | Exception] = asyncio.Queue(MOST_DATAGRAMS)
        self._transport: asyncio.DatagramTransport | None = None
        self._last: tuple[str, int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Keep it for the reader."""
        self._last = addr
        if data:
            with contextlib.suppress(asyncio.QueueFull):
                self._came.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        """The other end answered that nobody listens there."""
        with contextlib.suppress(asyncio.QueueFull):
            self._came.put_nowait(exc)

    async def read(self) -> bytes:
        """The next datagram; OSError when the other end is not there."""
        came = await self._came.get()
        if isinstance(came, Exception):
            raise came
        return came

    def write(self, data: bytes) -> None:
        """Send; an empty datagram tells a ser2net at the other end where to send what it hears."""
        if self._transport is None or (self._listening and self._last is None):
            return
        self._transport.sendto(data, self._last if self._listening else None)

    async def close(self) -> None:
        """Close."""
        if self._transport is not None:
            self._transport.close()


async def open_line(spec: Spec, link_mode: str = "") -> Line:
    """Open what ``spec`` names. Raises OSError (see ``why``)."""
    if spec.road == "program":
        program = ProgramLine(spec.driver)
        await program.start(command_line(spec, link_mode))
        return program
    if spec.road == "udp":
        return await _open_datagrams(spec)
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


async def _open_datagrams(spec: Spec) -> Line:
    host, _, port = spec.where.rpartition(":")
    address = (host.strip("[]"), int(port))
    loop = asyncio.get_running_loop()
    where = {"remote_addr": address} if host else {"local_addr": ("0.0.0.0", int(port))}  # noqa: S104
    _, line = await loop.create_datagram_endpoint(lambda: DatagramLine(listening=not host), **where)  # type: ignore[arg-type]
    return line


def why(error: OSError, spec: Spec) -> Notice:
    """Why a line can't be opened, in words a person can act on."""
    where = spec.called
    reason = error.strerror or str(error) or type(error).__name__
    if isinstance(error, ProgramMissing):
        return Notice("error", "program_missing", {"program": error.program})
    if spec.road in ("tcp", "udp"):
        if isinstance(error, socket.gaierror):
            return Notice("error", "host_unknown", {"where": where.rpartition(":")[0]})
        if isinstance(error, ConnectionRefusedError):
            return Notice("error", "host_refused", {"where": where})
        if error.errno == errno.EADDRINUSE:
            return Notice("error", "port_busy", {"where": where})
        return Notice("error", "host_unreachable", {"where": where, "reason": reason})
    if isinstance(error, FileNotFoundError) or error.errno in (errno.ENODEV, errno.ENXIO):
        return Notice("error", "port_missing", {"where": where})
    if isinstance(error, PermissionError):
        return Notice("error", "port_forbidden", {"where": where})
    if error.errno == errno.EBUSY:
        return Notice("error", "port_busy", {"where": where})
    return Notice("error", "port_failed", {"where": where, "reason": reason})
