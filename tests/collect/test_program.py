"""Programs started as sources: real child processes that print, die, hang, and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import pytest
from tests.collect.test_receiver import Watched, frame, until

from avlas.collect.program import command_line, stages
from avlas.collect.spec import parse_spec

if TYPE_CHECKING:
    from pathlib import Path

LINE = "T1;1;1;2019-04-03 19:00:42.000;97;148;88888888;0x{}"


def script(folder: Path, body: str) -> str:
    path = folder / "radio.py"
    path.write_text(
        f"import os, sys, time\nopen({str(folder / 'pids')!r}, 'a').write(f'{{os.getpid()}} ')\n{body}"
    )
    return f"{sys.executable} {path}"


def alive(folder: Path) -> list[int]:
    pids = [int(pid) for pid in (folder / "pids").read_text().split()]
    return [pid for pid in pids if os.path.exists(f"/proc/{pid}")]  # noqa: PTH110


def prints(*numbers: int) -> str:
    lines = [LINE.format(frame(number).hex()) for number in numbers]
    return "".join(f"print({line!r}, flush=True)\n" for line in lines)


def test_a_pipe_is_read_and_ended_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = script(tmp_path, prints(1, 2) + "time.sleep(600)\n")
    monkeypatch.setenv("AVLAS_RTL_WMBUS", f"{first} -d {{stick}} | cat")

    async def story() -> None:
        watched = Watched("rtl_wmbus:run/0007")
        async with watched.running():
            await until(lambda: len(watched.frames) == 2)
            assert alive(tmp_path)
        assert watched.frames == [frame(1), frame(2)]
        assert not alive(tmp_path)

    asyncio.run(story())


def test_one_that_dies_is_started_again_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVLAS_RTL_WMBUS", script(tmp_path, prints(1) + "sys.exit('out of luck')\n"))

    async def story() -> None:
        watched = Watched("rtl_wmbus:run")
        async with watched.running():
            await until(lambda: len(watched.frames) == 2)
        ended = next(notice for notice in watched.said if notice.text_id == "program_ended")
        assert ended.detail == {"program": "rtl_wmbus", "said": "out of luck"}

    asyncio.run(story())


def test_one_that_hangs_is_killed_and_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    monkeypatch.setenv("AVLAS_RTL_WMBUS", script(tmp_path, deaf + prints(1) + "time.sleep(600)\n"))

    async def story() -> None:
        watched = Watched("rtl_wmbus:run", silent_after=0.5)
        async with watched.running():
            await until(lambda: len(watched.frames) == 2)
            assert "silent" in watched.texts
        assert not alive(tmp_path)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("said", "text_id"),
    [
        ("usb_claim_interface error -6", "stick_busy"),
        ("usb_open error -3", "stick_forbidden"),
        ("No supported devices found.", "stick_missing"),
    ],
)
def test_what_the_stick_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, text_id: str
) -> None:
    monkeypatch.setenv("AVLAS_RTL_433", script(tmp_path, f"sys.exit({said!r})\n"))

    async def story() -> None:
        watched = Watched("rtl_433:run")
        async with watched.running():
            await until(lambda: text_id in watched.texts)

    asyncio.run(story())


def test_a_missing_program_is_named_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = script(tmp_path, "time.sleep(600)\n")
    monkeypatch.setenv("AVLAS_RTL_WMBUS", f"{first} | no_such_rtl_wmbus -f")

    async def story() -> None:
        watched = Watched("rtl_wmbus:run")
        async with watched.running():
            await until(lambda: "program_missing" in watched.texts)
        assert watched.said[0].detail == {"program": "no_such_rtl_wmbus"}
        assert not (tmp_path / "pids").exists() or not alive(tmp_path)

    asyncio.run(story())


def test_command_lines() -> None:
    assert command_line(parse_spec("rtl_433:run/2"), "").startswith("rtl_433 -d 2 ")
    assert command_line(parse_spec("rtl_433:run/00000123"), "").startswith("rtl_433 -d :00000123 ")
    parts = stages(command_line(parse_spec("rtl_wmbus:run:c,t,s"), "c1t1"))
    assert parts[0][:5] == ["rtl_sdr", "-d", "0", "-f", "868.625M"]
    assert parts[1] == ["rtl_wmbus", "-s", "-f"]
