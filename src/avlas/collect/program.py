"""A program as a source: rtl_wmbus or rtl_433 on a software radio, started, watched and stopped here.

A command line may be a pipe (``rtl_sdr ... | rtl_wmbus ...``); its parts are started without a shell, each in
a process group of its own, so that whatever they start ends with them. What they say on standard error tells
why they ended. The command lines stand in the environment (AVLAS_RTL_WMBUS, AVLAS_RTL_433), not in the
database: who may add a receiver on a page may not thereby run programs on the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import signal
from collections import deque
from typing import TYPE_CHECKING, Final

from avlas.collect.drivers.heard import Notice
from avlas.collect.drivers.kinds import KINDS

if TYPE_CHECKING:
    from avlas.collect.spec import Spec

READ_SIZE: Final = 65_536
END_WITHIN: Final = 2.0
"""Seconds a program is given to end by itself before it is killed."""
REMEMBERED: Final = 20
LONGEST_SAID: Final = 120
SAID: Final = (
    (
        "stick_busy",
        re.compile(r"usb_claim_interface error -6|Resource busy|LIBUSB_ERROR_BUSY", re.IGNORECASE),
    ),
    ("stick_forbidden", re.compile(r"usb_open error -3|LIBUSB_ERROR_ACCESS|Access denied", re.IGNORECASE)),
    (
        "stick_missing",
        re.compile(
            r"No supported (tuner )?devices|No matching devices|no RTL-SDR|LIBUSB_ERROR_NO_DEVICE",
            re.IGNORECASE,
        ),
    ),
)
"""What librtlsdr, rtl_sdr and rtl_433 say on standard error -> what it means."""


class ProgramMissing(FileNotFoundError):  # noqa: N818 - it names what is wrong
    """A program of the command line is not installed; ``program`` is its name."""

    def __init__(self, program: str) -> None:
        super().__init__(2, "not installed", program)
        self.program = program


def command_line(spec: Spec, link_mode: str) -> str:
    """The command line of a Spec: the environment's AVLAS_RTL_WMBUS or AVLAS_RTL_433, else the usual one.

    ``{stick}`` in it stands for the stick's serial number or index, ``{colon_stick}`` for the same as rtl_433
    writes it (a colon before a serial number).
    """
    programs = KINDS[spec.driver].programs
    usual = programs.get(spec.link_mode or link_mode, next(iter(programs.values())))
    stick = spec.where or "0"
    colon_stick = stick if stick.isdecimal() and len(stick) < 3 else f":{stick}"
    text = os.environ.get(f"AVLAS_{spec.driver.upper()}") or usual
    return text.replace("{stick}", stick).replace("{colon_stick}", colon_stick)


def stages(command: str) -> list[list[str]]:
    """The programs of a pipe, each with its arguments."""
    words = shlex.shlex(command, posix=True, punctuation_chars="|")
    words.whitespace_split = True
    parts: list[list[str]] = [[]]
    for word in words:
        if word == "|":
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


class ProgramLine:
    """What a command line prints. ``ended`` tells why it printed no more."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._processes: list[asyncio.subprocess.Process] = []
        self._listening: list[asyncio.Task[None]] = []
        self._said: deque[str] = deque(maxlen=REMEMBERED)

    async def start(self, command: str) -> None:
        """Start it. Raises ProgramMissing or another OSError; then nothing of it is left running."""
        source: int | None = asyncio.subprocess.DEVNULL
        parts = stages(command)
        try:
            for number, arguments in enumerate(parts):
                last = number == len(parts) - 1
                between = None if last else os.pipe()
                try:
                    process = await asyncio.create_subprocess_exec(
                        *arguments,
                        stdin=source,
                        stdout=asyncio.subprocess.PIPE if between is None else between[1],
                        stderr=asyncio.subprocess.PIPE,
                        start_new_session=True,
                    )
                except FileNotFoundError:
                    raise ProgramMissing(arguments[0]) from None
                finally:
                    if source != asyncio.subprocess.DEVNULL and source is not None:
                        os.close(source)
                    if between is not None:
                        os.close(between[1])
                        source = between[0]
                self._processes.append(process)
                self._listening.append(asyncio.create_task(self._listen(process)))
        except OSError:
            if between is not None:
                os.close(between[0])
            await self.close()
            raise

    async def read(self) -> bytes:
        """Some bytes; empty when the last program has ended."""
        output = self._processes[-1].stdout
        assert output is not None
        return await output.read(READ_SIZE)

    def write(self, data: bytes) -> None:
        """Nothing is said to a program."""

    def ended(self) -> Notice:
        """Why it ended, as far as it said; call it after ``close``."""
        for text_id, pattern in SAID:
            if any(pattern.search(line) for line in self._said):
                return Notice("error", text_id, {"program": self.name})
        said = next((line for line in reversed(self._said) if line), "-")[:LONGEST_SAID]
        return Notice("error", "program_ended", {"program": self.name, "said": said})

    async def close(self) -> None:
        """End all of it, with whatever it started: politely, and after END_WITHIN seconds by force."""
        self._signal(signal.SIGTERM)
        waiting = [process.wait() for process in self._processes]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*waiting), END_WITHIN)
        self._signal(signal.SIGKILL)
        for process in self._processes:
            await process.wait()
        if self._listening:
            await asyncio.wait(self._listening, timeout=0.2)
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        output = process.stderr
        assert output is not None
        with contextlib.suppress(ValueError):  # a line without end: nothing worth remembering
            while line := await output.readline():
                self._said.append(line.decode("utf-8", "replace").strip())
        while await output.read(READ_SIZE):  # never let it wait for a reader
            pass
