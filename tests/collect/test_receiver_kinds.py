"""Every kind of receiver against its simulation on a real line: pty, TCP, UDP."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.collect.test_receiver import Watched, until

from avlas.simulate import frames
from avlas.simulate.line import Line
from avlas.simulate.network_line import NetworkLine
from avlas.simulate.receivers import Im871a
from avlas.simulate.usb_receivers import Amber, Cul, Iu891a, RawModem, Rc1180, Rtl433

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def telegram(number: int, length: int = 30) -> bytes:
    address = frames.address("KAM", f"{70000000 + number:08d}", 0x1B, 0x04)
    return frames.link(address, bytes([0x78]) + random.Random(number).randbytes(length))


SENT = [telegram(number, 12 + 23 * number) for number in range(7)]
STICKS: list[tuple[str, Callable[[], Any], str, float | None]] = [
    # kind, simulation, mode the telegrams are sent in, signal of a telegram sent at -70.5 dBm
    ("im170a", partial(Im871a, module_type=0x36), "N1", -70.5),
    ("iu891a", Iu891a, "T1", -70.0),
    ("iu893a", partial(Iu891a, module_type=0x71), "C1", -70.0),
    ("amb8465", Amber, "C1", -70.5),
    ("amb8465", partial(Amber, wrapped=False), "T1", -70.5),
    ("amb8465", partial(Amber, signal=False), "T1", None),
    ("amb3665", partial(Amber, 169), "N1", -70.5),
    ("rc1180", Rc1180, "T1", -70.5),
    ("rc1180", partial(Rc1180, signal=False), "T1", None),
    ("cul", Cul, "T1", -70.5),
    ("cul", partial(Cul, format_b=True), "C1", -70.5),
]
BARE: list[tuple[str, Callable[[], Any]]] = [
    ("rawtty", RawModem),
    ("rawtty_crc", partial(RawModem, crcs="a")),
    ("rawtty_crc", partial(RawModem, crcs="b")),
    ("hextty", partial(RawModem, text=True)),
    ("rtl_433", Rtl433),
    ("rtl_433", partial(Rtl433, json=True)),
]
MODES = {"im170a": "n2a"}


@pytest.mark.parametrize(("kind", "make", "mode", "signal"), STICKS)
@pytest.mark.parametrize("piece", [0, 7])
def test_set_up_read_unplug_and_read_again(
    tmp_path: Path, kind: str, make: Callable[[], Any], mode: str, signal: float | None, piece: int
) -> None:
    async def story() -> None:
        with Line(make(), tmp_path / "ttyUSB0", piece=piece) as line:
            watched = Watched(f"{kind}:{line.path}", link_mode=MODES.get(kind, ""))
            async with watched.running(drained=False):
                await until(lambda: "receiver_ready" in watched.texts)
                await asyncio.sleep(0.05)  # an RC1180 is told to listen after that
                for frame in SENT:
                    await asyncio.to_thread(line.transmit, frame, -70.5, mode=mode)
                await until(lambda: watched.receiver.waiting == len(SENT))
                batch = await watched.receiver.next_batch()
                line.unplug()
                await until(lambda: "port_missing" in watched.texts)
                line.plug()
                await until(lambda: watched.texts.count("receiver_ready") == 2)
                await asyncio.sleep(0.05)
                await asyncio.to_thread(line.transmit, SENT[0], -70.5, mode=mode)
                await until(lambda: watched.receiver.waiting)
            assert [received.heard.frame for received in batch] == SENT
            assert {received.heard.rssi_dbm for received in batch} == {signal}
            assert ("receiver_no_signal" in watched.texts) == (signal is None)
            assert watched.receiver.damaged == 0

    asyncio.run(story())


@pytest.mark.parametrize(("kind", "make"), BARE)
def test_what_only_speaks(tmp_path: Path, kind: str, make: Callable[[], Any]) -> None:
    async def story() -> None:
        with Line(make(), tmp_path / "ttyUSB0", piece=11) as line:
            watched = Watched(f"{kind}:{line.path}")
            async with watched.running():
                await until(lambda: watched.receiver.connected)
                for frame in SENT:
                    await asyncio.to_thread(line.transmit, frame, -70)
                await until(lambda: len(watched.frames) == len(SENT))
            assert watched.frames == SENT

    asyncio.run(story())


@pytest.mark.parametrize("road", ["tcp", "udp"])
@pytest.mark.parametrize("place", [0, 2, 3, 7, 9])
def test_over_the_network(road: str, place: int) -> None:
    kind, make, mode, signal = STICKS[place]

    async def story() -> None:
        with NetworkLine(make(), road) as line:
            watched = Watched(f"{kind}:{road}://{line.where}", link_mode=MODES.get(kind, ""))
            async with watched.running(drained=False):
                await until(lambda: "receiver_ready" in watched.texts)
                await asyncio.sleep(0.1)
                for frame in SENT:
                    await asyncio.to_thread(line.transmit, frame, -70.5, mode=mode)
                await until(lambda: watched.receiver.waiting == len(SENT))
                batch = await watched.receiver.next_batch()
                line.unplug()
                if road == "tcp":
                    await until(lambda: "lost" in watched.texts)
                    line.plug()
                    await until(lambda: watched.texts.count("receiver_ready") == 2)
            assert [received.heard.frame for received in batch] == SENT
            assert {received.heard.rssi_dbm for received in batch} == {signal}

    asyncio.run(story())


@pytest.mark.parametrize(
    ("kind", "make", "found"),
    [
        ("im871a", partial(Im871a, module_type=0x36), "iM170A"),
        ("im170a", Im871a, "iM871A"),
        ("amb8465", partial(Amber, 169), "AMB3665"),
        ("amb3665", Amber, "AMB8465"),
        ("iu891a", partial(Iu891a, module_type=0x55), "IMST 55"),
    ],
)
def test_another_receiver_than_it_was_said_to_be(
    tmp_path: Path, kind: str, make: Callable[[], Any], found: str
) -> None:
    async def story() -> None:
        with Line(make(), tmp_path / "ttyUSB0") as line:
            watched = Watched(f"{kind}:{line.path}", link_mode=MODES.get(kind, ""))
            async with watched.running():
                await until(lambda: "receiver_another" in watched.texts)
            assert watched.said[-1].detail["found"] == found
            assert "receiver_ready" not in watched.texts

    asyncio.run(story())


@pytest.mark.parametrize(
    ("kind", "make", "mode"), [("iu891a", Iu891a, "T1"), ("amb8465", Amber, "C1"), ("cul", Cul, "T1")]
)
def test_garbage_between_telegrams(tmp_path: Path, kind: str, make: Callable[[], Any], mode: str) -> None:
    dice = random.Random(3)

    async def story() -> None:
        with Line(make(), tmp_path / "ttyUSB0") as line:
            watched = Watched(f"{kind}:{line.path}")
            async with watched.running():
                await until(lambda: "receiver_ready" in watched.texts)
                await asyncio.sleep(0.05)
                for frame in SENT:
                    # Below FF and below any L-field: noise that can't begin anything but a line of a CUL.
                    noise = bytes(dice.randrange(9) for _ in range(dice.randrange(1, 30)))
                    await asyncio.to_thread(line.write, noise + b"\r\n")
                    await asyncio.to_thread(line.transmit, frame, -70, mode=mode)
                await until(lambda: len(watched.frames) == len(SENT))
            assert watched.frames == SENT
            assert watched.receiver.damaged == len(SENT)

    asyncio.run(story())


def test_a_cul_that_cuts_long_telegrams_is_told_on(tmp_path: Path) -> None:
    async def story() -> None:
        with Line(Cul(cuts=True), tmp_path / "ttyUSB0") as line:
            watched = Watched(f"cul:{line.path}")
            async with watched.running():
                await until(lambda: "receiver_ready" in watched.texts)
                await asyncio.sleep(0.05)
                await asyncio.to_thread(line.transmit, telegram(1, 90), -70, mode="T1")
                await until(lambda: "receiver_cuts" in watched.texts)
                await asyncio.to_thread(line.transmit, telegram(2, 12), -70, mode="T1", intact=False)
                await until(lambda: "line_crc" in watched.texts)
            assert watched.frames == []
            assert watched.receiver.damaged == 2

    asyncio.run(story())
