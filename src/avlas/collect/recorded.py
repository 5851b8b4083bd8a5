"""Recorded files: what kind a file is, and its telegrams line by line.

Knows raw hex lines, wmbusmeters' files and logs, and rtl_wmbus' output, plain or gzip-compressed, in UTF-8 or
UTF-16 (as Windows writes redirected output). A line that is damaged becomes a Notice; the rest goes on.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Final, cast

from avlas.collect.drivers.heard import Heard, Notice
from avlas.collect.drivers.hexlines import HexLines
from avlas.collect.drivers.lines import LONGEST_LINE
from avlas.collect.drivers.rtl_wmbus import RtlWmbusLines
from avlas.collect.drivers.wmbusmeters import WmbusmetersLines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from avlas.collect.drivers.heard import Event
    from avlas.collect.drivers.lines import LineDriver

LOOK_AT: Final = 65_536
"""Characters from the beginning by which the kind of file is told."""
CLOCK_TOLERANCE: Final = timedelta(minutes=2)
"""How far in the future a time may lie before it is not believed."""
RTL_WMBUS = re.compile(r"^\s*(?:[A-Z]\d[A-Za-z]?;[01];[01];|0x[0-9A-Fa-f]{20,}\s*(?:;|$))", re.MULTILINE)
HEX_LINE = re.compile(r"^(?:[\s;,|_:\-]|0[xX]|[0-9A-Fa-f]{2})+(?:\s*NOKEY)?$", re.MULTILINE)
GZIP = b"\x1f\x8b"


class NotRecorded(Exception):  # noqa: N818 - what the file is
    """The file holds no telegrams of a kind known here."""


class Recording:
    """A recorded file, ready to be read; iterate for (line number, telegram or notice).

    ``kind`` is "hex", "wmbusmeters" or "rtl_wmbus". Telegrams of kinds without times of their own get
    ``fallback_at`` (UTC): ``heard_at`` if given, else when the file was last changed, which is never before
    they were heard and stays the same however often the file is read. ``without_time`` counts these,
    ``bad_crc`` the telegrams that the source itself marked as damaged. ``size`` and ``position`` are bytes of
    the file as stored, for a progress bar.

    Raises OSError when the file can't be read, NotRecorded when it is none.
    """

    def __init__(self, path: Path, heard_at: datetime | None = None) -> None:
        self.path = path
        self.without_time = 0
        self.bad_crc = 0
        with path.open("rb") as file:
            begins = file.read(LOOK_AT)
        info = path.stat()
        self.size = info.st_size
        self.position = 0
        self._gzip = begins.startswith(GZIP)
        changed = datetime.fromtimestamp(info.st_mtime, UTC)
        self._began = datetime.now(UTC)
        self.fallback_at = heard_at or min(changed, self._began)
        if self._gzip:
            begins = _begins_unpacked(begins)
        self._encoding = "utf-16" if begins[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        self.kind = guess(begins.decode(self._encoding, "replace"))
        self._base = heard_at

    def __iter__(self) -> Iterator[tuple[int, Event]]:
        driver = self._driver()
        with self.path.open("rb") as stored:
            unpacked = gzip.GzipFile(fileobj=stored) if self._gzip else stored
            text = io.TextIOWrapper(
                cast("IO[bytes]", unpacked), self._encoding, errors="replace", newline="\n"
            )
            number = 0
            try:
                while line := text.readline(LONGEST_LINE):
                    number += 1
                    self.position = stored.tell()
                    if len(line) == LONGEST_LINE and not line.endswith("\n"):
                        while (more := text.readline(LONGEST_LINE)) and not more.endswith("\n"):
                            self.position = stored.tell()
                        yield (
                            number,
                            Notice("warning", "line_too_long", {"line": number, "most": LONGEST_LINE}),
                        )
                        continue
                    for event in driver.line(line.strip(), number):
                        if isinstance(event, Heard) and self._in_future(event.heard_at):
                            time = f"{event.heard_at:%Y-%m-%d %H:%M:%S}Z"
                            yield number, Notice("warning", "line_future", {"line": number, "time": time})
                        yield number, self._with_time(event)
                    self.bad_crc = driver.bad_crc
            except (EOFError, zlib.error, gzip.BadGzipFile):
                yield number + 1, Notice("warning", "file_cut_short", {"line": number + 1})
            self.position = self.size

    def _driver(self) -> LineDriver:
        if self.kind == "rtl_wmbus":
            return RtlWmbusLines()
        return WmbusmetersLines(self._base) if self.kind == "wmbusmeters" else HexLines()

    def _in_future(self, moment: datetime | None) -> bool:
        return moment is not None and moment > self._began + CLOCK_TOLERANCE

    def _with_time(self, event: Event) -> Event:
        if isinstance(event, Notice):
            return event
        if event.heard_at is not None and not self._in_future(event.heard_at):
            return event
        self.without_time += 1
        return Heard(event.frame, self.fallback_at, event.rssi_dbm, event.wired)


def guess(begins: str) -> str:
    """Tell the kind of file by its beginning: hex, wmbusmeters or rtl_wmbus; NotRecorded when it is none."""
    if "telegram=" in begins:
        return "wmbusmeters"
    lines = [line.strip() for line in begins.splitlines()]
    if len(begins) >= LOOK_AT // 2:
        lines = lines[:-1] or lines  # the last one may be cut
    if any(RTL_WMBUS.match(line) and ";" in line for line in lines):
        return "rtl_wmbus"
    if any(len(line) >= 20 and HEX_LINE.match(line) for line in lines):
        return "hex"
    raise NotRecorded(
        "no telegrams are recognised in it; a recorded file holds hexadecimal lines, or is written by "
        "wmbusmeters or rtl_wmbus"
    )


def _begins_unpacked(begins: bytes) -> bytes:
    """Unpack as much as the beginning of a gzip file gives."""
    try:
        return zlib.decompressobj(wbits=31).decompress(begins, LOOK_AT)
    except zlib.error as error:
        raise NotRecorded(f"it begins like a compressed file but can't be unpacked ({error})") from error
