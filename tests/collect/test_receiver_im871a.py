"""The iM871A driver against a simulated stick on a real serial line (pty)."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from tests.collect.test_receiver import Watched, until

from avlas.simulate import frames
from avlas.simulate.line import Line
from avlas.simulate.receivers import Im871a, RtlWmbus

if TYPE_CHECKING:
    from pathlib import Path


def telegram(number: int, length: int = 30) -> bytes:
    address = frames.address("KAM", f"{70000000 + number:08d}", 0x1B, 0x04)
    return frames.link(address, bytes([0x78]) + random.Random(number).randbytes(length))


@pytest.mark.parametrize("attach_crc", [False, True])
@pytest.mark.parametrize("piece", [0, 1, 7])
def test_set_up_and_read(tmp_path: Path, attach_crc: bool, piece: int) -> None:
    stick = Im871a(attach_crc=attach_crc)
    sent = [telegram(number, 5 + 30 * number) for number in range(8)]

    async def story() -> None:
        with Line(stick, tmp_path / "ttyUSB0", piece=piece) as line:
            watched = Watched(f"im871a:{line.path}")
            async with watched.running(drained=False):
                await until(lambda: "receiver_ready" in watched.texts)
                assert stick.configuration["link_mode"] == 10
                assert stick.configuration["rssi"] == 1
                for number, frame in enumerate(sent):
                    await asyncio.to_thread(line.transmit, frame, -50 - number)
                await until(lambda: watched.receiver.waiting == len(sent))
                batch = await watched.receiver.next_batch()
            assert [received.heard.frame for received in batch] == sent
            assert [received.heard.rssi_dbm for received in batch] == [-50.0 - number for number in range(8)]
            ready = watched.said[-1]
            assert ready.detail["mode"] == "C1T1"
            assert ready.detail["serial"] == "00210D7A"

    asyncio.run(story())


def test_old_stick_listens_for_c1(tmp_path: Path) -> None:
    stick = Im871a(firmware=0x13)

    async def story() -> None:
        with Line(stick, tmp_path / "ttyUSB0") as line:
            watched = Watched(f"im871a:{line.path}")
            async with watched.running():
                await until(lambda: "receiver_ready" in watched.texts)
                assert stick.configuration["link_mode"] == 6
                assert "receiver_one_mode" in watched.texts

    asyncio.run(story())


def test_unplugged_and_plugged_in_again(tmp_path: Path) -> None:
    stick = Im871a()

    async def story() -> None:
        with Line(stick, tmp_path / "ttyUSB0") as line:
            watched = Watched(f"im871a:{line.path}", link_mode="c1")
            async with watched.running():
                for times in (1, 2, 3):
                    await until(lambda times=times: watched.texts.count("receiver_ready") == times)
                    assert await asyncio.to_thread(line.transmit, telegram(times), -70)
                    await until(lambda times=times: len(watched.frames) == times)
                    line.unplug()
                    await until(lambda times=times: watched.texts.count("port_missing") == times)
                    assert not await asyncio.to_thread(line.transmit, telegram(99), -70)
                    line.plug()
            assert watched.frames == [telegram(number) for number in (1, 2, 3)]
            assert [text for text in watched.texts if text == "lost"] == ["lost"] * 3

    asyncio.run(story())


def test_stick_that_restarts_by_itself_is_set_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # After a brown-out it is there but deaf: only the silence tells.
    stick = Im871a()

    async def story() -> None:
        with Line(stick, tmp_path / "ttyUSB0") as line:
            watched = Watched(f"im871a:{line.path}", silent_after=0.6)
            async with watched.running():
                await until(lambda: "receiver_ready" in watched.texts)
                stick.power_on()
                assert not line.transmit(telegram(1), -70)
                await until(lambda: stick.configured)
                await until(lambda: line.transmit(telegram(2), -70))
                await until(lambda: watched.frames == [telegram(2)])
                assert "silent" in watched.texts

    asyncio.run(story())


def test_noise_between_telegrams(tmp_path: Path) -> None:
    stick = Im871a(attach_crc=True)
    dice = random.Random(7)
    sent = [telegram(number, dice.randrange(1, 200)) for number in range(40)]

    async def story() -> None:
        with Line(stick, tmp_path / "ttyUSB0") as line:
            watched = Watched(f"im871a:{line.path}")
            async with watched.running():
                await until(lambda: "receiver_ready" in watched.texts)
                for frame in sent:
                    await asyncio.to_thread(line.write, dice.randbytes(dice.randrange(30)))
                    await asyncio.to_thread(line.transmit, frame, -70)
                await until(lambda: len(watched.frames) == len(sent))
                assert watched.frames == sent

    asyncio.run(story())


def test_a_silent_port_says_what_to_look_at(tmp_path: Path) -> None:
    async def story() -> None:
        with Line(RtlWmbus(), tmp_path / "ttyUSB0") as line:  # somebody else's device: it does not answer
            watched = Watched(f"im871a:{line.path}")
            async with watched.running():
                await until(lambda: "receiver_no_answer" in watched.texts)
                assert watched.texts == ["connected", "receiver_no_answer"]

    asyncio.run(story())
