"""Receivers on real lines: ports (pty), TCP connections, standard input, files."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import tty
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from avlas.collect import receiver as module
from avlas.collect.receiver import Receiver
from avlas.collect.spec import Spec, SpecError, make_driver, parse_spec
from avlas.collect.texts import words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from avlas.collect.drivers.heard import Notice

FRAME = bytes.fromhex("14442D2C785634121B048D201122334455667788 99".replace(" ", ""))
LINE = FRAME.hex().encode() + b"\n"


def frame(number: int) -> bytes:
    return FRAME[:4] + number.to_bytes(4, "little") + FRAME[8:]


class Watched:
    """A receiver with what it said and heard."""

    def __init__(self, spec: str, **options: object) -> None:
        self.said: list[Notice] = []
        self.receiver = Receiver(parse_spec(spec), on_notice=self.said.append, **options)
        self.frames: list[bytes] = []

    @property
    def texts(self) -> list[str]:
        return [notice.text_id for notice in self.said]

    async def drain(self) -> None:
        while batch := await self.receiver.next_batch(seconds=0.01):
            self.frames += [received.heard.frame for received in batch]

    @asynccontextmanager
    async def running(self, *, drained: bool = True) -> AsyncIterator[Watched]:
        tasks = [asyncio.create_task(self.receiver.run())]
        if drained:
            tasks.append(asyncio.create_task(self.drain()))
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task


async def until(condition: Callable[[], object], seconds: float = 8) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.01)


class Port:
    """A serial port that can be unplugged: a pty behind a name."""

    def __init__(self, name: Path) -> None:
        self.name = name
        self.plug_in()

    def plug_in(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.name.symlink_to(os.ttyname(slave))
        self._slave = slave

    def write(self, data: bytes) -> None:
        os.write(self.master, data)

    def unplug(self) -> None:
        self.name.unlink()
        os.close(self._slave)
        os.close(self.master)


@pytest.fixture
def port(tmp_path: Path):
    made = Port(tmp_path / "ttyUSB0")
    yield made
    with suppress(OSError):
        made.unplug()


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("im871a:/dev/ttyUSB0", Spec("im871a", "serial", "/dev/ttyUSB0", 57600)),
        ("IM871A:/dev/serial/by-id/usb-IMST", Spec("im871a", "serial", "/dev/serial/by-id/usb-IMST", 57600)),
        ("im871a:COM3", Spec("im871a", "serial", "COM3", 57600)),
        ("im871a:tcp://10.0.0.7:4001", Spec("im871a", "tcp", "10.0.0.7:4001")),
        ("hex:/dev/ttyS1:38400", Spec("hex", "serial", "/dev/ttyS1", 38400)),
        ("rtl_wmbus:stdin", Spec("rtl_wmbus", "stdin", "")),
        ("rtl_wmbus:tcp://[::1]:5000/", Spec("rtl_wmbus", "tcp", "[::1]:5000")),
        ("file:/tmp/a:b.txt", Spec("file", "file", "/tmp/a:b.txt")),
    ],
)
def test_spec(text: str, spec: Spec) -> None:
    assert parse_spec(text) == spec
    assert parse_spec(str(spec)) == spec


@pytest.mark.parametrize(
    "text",
    [
        "",
        "im871a",
        "im871a:",
        "cul2:/dev/ttyUSB0",
        "im871a:stdin",
        "hex:tcp://host",
        "hex:tcp://host:0",
        "hex:tcp://:1",
    ],
)
def test_bad_spec_says_how_to_write_one(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(text)
    for language in ("sv", "en"):
        assert text in words(caught.value.notice, language) or "/dev/ttyUSB0" in words(
            caught.value.notice, language
        )


def test_bad_link_mode() -> None:
    with pytest.raises(SpecError, match="c1t1"):
        make_driver(parse_spec("im871a:/dev/ttyUSB0"), "x9")


def test_port_unplugged_and_plugged_in_again(port: Port) -> None:
    async def story() -> None:
        async with Watched(f"hex:{port.name}").running() as watched:
            await until(lambda: watched.receiver.connected)
            port.write(LINE[:11])
            await asyncio.sleep(0.05)
            port.write(LINE[11:] + b"noise\n" + LINE[:20])
            await until(lambda: len(watched.frames) == 1)
            port.unplug()
            await until(lambda: "port_missing" in watched.texts)
            assert not watched.receiver.connected
            await asyncio.sleep(1.2)  # looked for again meanwhile, but said once
            port.plug_in()
            await until(lambda: watched.receiver.connected)
            port.write(LINE)
            await until(lambda: len(watched.frames) == 2)
            assert watched.texts == ["connected", "line_not_hex", "lost", "port_missing", "connected_again"]
            assert watched.frames == [FRAME, FRAME]

    asyncio.run(story())


def test_port_missing_from_the_start(tmp_path: Path) -> None:
    async def story() -> None:
        async with Watched(f"im871a:{tmp_path}/ttyUSB9").running() as watched:
            await until(lambda: watched.texts == ["port_missing"])
            await asyncio.sleep(0.8)
            port = Port(tmp_path / "ttyUSB9")
            await until(lambda: watched.receiver.connected)
            port.unplug()

    asyncio.run(story())


def test_port_in_use(port: Port) -> None:
    async def story() -> None:
        async with Watched(f"hex:{port.name}").running() as first:
            await until(lambda: first.receiver.connected)
            async with Watched(f"hex:{port.name}").running() as second:
                await until(lambda: second.texts == ["port_busy"])

    asyncio.run(story())


def test_something_that_is_no_port() -> None:
    async def story() -> None:
        async with Watched("hex:/dev/null").running() as watched:
            await until(lambda: watched.texts == ["port_failed"])
            assert watched.said[0].detail["reason"]

    asyncio.run(story())


@asynccontextmanager
async def server(handle: Callable, port: int = 0) -> AsyncIterator[int]:
    listening = await asyncio.start_server(handle, "127.0.0.1", port)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


def test_tcp_connection_lost_and_made_again() -> None:
    async def story() -> None:
        connections = []

        async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(writer)
            writer.write(LINE * 3)
            await writer.drain()
            if len(connections) == 1:
                writer.close()

        async with server(handle) as number, Watched(f"hex:tcp://127.0.0.1:{number}").running() as watched:
            await until(lambda: len(watched.frames) == 6)
            assert watched.texts == ["connected", "lost", "connected_again"]
            connections[1].close()

    asyncio.run(story())


def test_tcp_refused_is_said_once_and_tried_again() -> None:
    async def story() -> None:
        async with server(lambda *_: None) as number:
            pass
        async with Watched(f"hex:tcp://127.0.0.1:{number}").running() as watched:
            await until(lambda: watched.texts == ["host_refused"])
            await asyncio.sleep(0.7)

            async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.write(LINE)
                writer.close()

            async with server(handle, number):
                await until(lambda: watched.frames == [FRAME])
            assert watched.texts[:2] == ["host_refused", "connected"]

    asyncio.run(story())


def test_unknown_host() -> None:
    async def story() -> None:
        async with Watched("hex:tcp://nothing.invalid:1").running() as watched:
            await until(lambda: watched.texts == ["host_unknown"])

    asyncio.run(story())


def test_source_that_can_wait_loses_nothing() -> None:
    async def story() -> None:
        count = 20_000

        async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for number in range(count):
                writer.write(frame(number).hex().encode() + b"\n")
                await writer.drain()
            await asyncio.sleep(60)

        async with server(handle) as number:
            watched = Watched(f"hex:tcp://127.0.0.1:{number}", most_waiting=100)
            async with watched.running(drained=False):
                await until(lambda: watched.receiver.waiting == 100)
                await asyncio.sleep(0.3)
                assert watched.receiver.waiting == 100
                draining = asyncio.create_task(watched.drain())
                await until(lambda: len(watched.frames) == count, 30)
                draining.cancel()
            assert watched.frames == [frame(number) for number in range(count)]
            assert watched.receiver.lost == 0

    asyncio.run(story())


def test_radio_that_can_not_wait_counts_what_is_lost(port: Port) -> None:
    async def story() -> None:
        watched = Watched(f"hex:{port.name}", most_waiting=5)
        async with watched.running(drained=False):
            await until(lambda: watched.receiver.connected)
            port.write(LINE * 8)
            await until(lambda: watched.receiver.lost == 3)
            assert watched.texts.count("overflow") == 1
            assert watched.receiver.waiting == 5
            assert len(await watched.receiver.next_batch()) == 5

    asyncio.run(story())


def test_batches() -> None:
    async def story() -> None:
        async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(LINE * 25)
            await asyncio.sleep(60)

        async with server(handle) as number:
            watched = Watched(f"hex:tcp://127.0.0.1:{number}")
            async with watched.running(drained=False):
                sizes = [len(await watched.receiver.next_batch(most=10)) for _ in range(3)]
                assert sizes == [10, 10, 5]
                began = time.monotonic()
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(watched.receiver.next_batch(), 0.3)
                assert time.monotonic() - began < 1

    asyncio.run(story())


def test_what_waits_is_there_after_a_stop() -> None:
    async def story() -> None:
        async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(LINE * 7)
            await asyncio.sleep(60)

        async with server(handle) as number:
            watched = Watched(f"hex:tcp://127.0.0.1:{number}")
            async with watched.running(drained=False):
                await until(lambda: watched.receiver.waiting == 7)
            assert [received.heard.frame for received in watched.receiver.rest()] == [FRAME] * 7
            assert await watched.receiver.next_batch() == []

    asyncio.run(story())


def test_silence_is_said_once_and_the_line_is_opened_anew() -> None:
    async def story() -> None:
        connections = []

        async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(writer)
            if len(connections) == 3:
                writer.write(LINE)
            await asyncio.sleep(60)

        async with server(handle) as number:
            watched = Watched(f"hex:tcp://127.0.0.1:{number}", silent_after=0.4)
            async with watched.running():
                await until(lambda: len(connections) >= 3)
                await until(lambda: "heard_again" in watched.texts)
                assert watched.texts == ["connected", "silent", "heard_again"]

    asyncio.run(story())


def rtl(at: datetime) -> bytes:
    return f"C1;1;1;{at:%Y-%m-%d %H:%M:%S}.500;97;148;12345678;0x{FRAME.hex()}\n".encode()


@pytest.mark.parametrize(
    ("offsets", "own", "said"),
    [
        ([0, 30, 60], [True, True, True], 0),
        ([7200, 7200], [False, False], 1),  # local time written as if it were UTC
        ([-86400, -86400], [False, False], 1),  # a small computer without a clock
        ([-86400, 0, 0], [False, True, True], 1),  # its clock was set
        ([0, -3600, -1800], [True, True, True], 0),  # right, then late: it had to wait for us
        ([0, 3600, 0], [True, False, True], 1),
    ],
)
def test_times_of_the_source(offsets: list[int], own: list[bool], said: int) -> None:
    async def story() -> None:
        watched = Watched("rtl_wmbus:tcp://127.0.0.1:1")
        receiver = watched.receiver
        driver = make_driver(receiver.spec, "")
        now = datetime.now(UTC)
        for offset in offsets:
            await receiver._take_in(driver.feed(rtl(now + timedelta(seconds=offset))))
        kept = [received.heard.heard_at is not None for received in receiver.rest()]
        assert kept == own
        assert watched.texts == ["clock_differs"] * said

    asyncio.run(story())


def test_recorded_file_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "recorded.hex"
    path.write_bytes(LINE * 3000 + b"nonsense\n" + LINE)

    async def story() -> None:
        watched = Watched(f"file:{path}", most_waiting=100)
        running = asyncio.create_task(watched.receiver.run())
        await asyncio.wait_for(watched.drain(), 10)
        await running
        assert len(watched.frames) == 3001
        assert watched.texts == ["line_not_hex", "finished"]

    asyncio.run(story())


@pytest.mark.parametrize(("content", "text_id"), [(None, "file_missing"), (b"not telegrams", "port_failed")])
def test_file_that_can_not_be_read(tmp_path: Path, content: bytes | None, text_id: str) -> None:
    path = tmp_path / "recorded.hex"
    if content:
        path.write_bytes(content)

    async def story() -> None:
        watched = Watched(f"file:{path}")
        await watched.receiver.run()
        assert watched.texts == [text_id]

    asyncio.run(story())


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()

    class Stdin:
        def fileno(self) -> int:
            return reading

    monkeypatch.setattr(sys, "stdin", Stdin())

    async def story() -> None:
        watched = Watched("hex:stdin")
        running = asyncio.create_task(watched.receiver.run())
        draining = asyncio.create_task(watched.drain())
        os.write(writing, LINE[:7])
        await asyncio.sleep(0.05)
        os.write(writing, LINE[7:] + LINE.rstrip())
        await until(lambda: len(watched.frames) == 1)
        os.close(writing)
        await asyncio.wait_for(running, 5)
        await asyncio.wait_for(draining, 5)
        assert watched.frames == [FRAME, FRAME]
        assert watched.texts == ["connected", "finished"]

    asyncio.run(story())


def test_same_damage_is_said_once_a_minute(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        watched = Watched(f"hex:{port.name}")
        async with watched.running():
            await until(lambda: watched.receiver.connected)
            port.write(b"nonsense\n" * 50 + LINE)
            await until(lambda: len(watched.frames) == 1)
            assert watched.texts == ["connected", "line_not_hex"]
            assert watched.receiver.damaged == 50
            monkeypatch.setattr(module, "SAME_NOTICE_EVERY", 0.0)
            port.write(b"nonsense\n")
            await until(lambda: watched.texts.count("line_not_hex") == 2)

    asyncio.run(story())
