"""Recorded files: told by their content, read line by line, damage named."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from avlas.collect.drivers.heard import Heard, Notice
from avlas.collect.recorded import NotRecorded, Recording, guess

if TYPE_CHECKING:
    from pathlib import Path

FRAME = bytes.fromhex("14442D2C785634121B048D2011223344556677889901"[:42])
HEX = FRAME.hex()
CHANGED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
AT = datetime(2026, 4, 3, 19, 0, 42, tzinfo=UTC)
RTL = f"C1;1;1;2026-04-03 19:00:42.000;97;148;12345678;0x{HEX}\n"


@pytest.fixture
def write(tmp_path: Path):
    def make(content: str | bytes, name: str = "recorded.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(path, (CHANGED.timestamp(), CHANGED.timestamp()))
        return path

    return make


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (f"# note\n\n{HEX}\n", "hex"),
        (f"{FRAME.hex(' ')}\n", "hex"),
        (f"0x{HEX}\n", "hex"),
        (f"{HEX};000102030405060708090A0B0C0D0E0F\n", "hex"),
        (f"garbage first\n{HEX}\n", "hex"),
        (f"# MULTICAL\ntelegram=|{HEX}|+1\n", "wmbusmeters"),
        (f"2026-01-01 (wmbus) telegram=|{HEX}|\n", "wmbusmeters"),
        (f"Found 1 device(s):\n{RTL}", "rtl_wmbus"),
        ("C1;0;1;2026-04-03 19:00:42.000;97;148;12345678;0x1444\n", "rtl_wmbus"),
        (f"0x{HEX};0x{HEX}\n", "rtl_wmbus"),
    ],
)
def test_kind_is_told_by_content(content: str, kind: str) -> None:
    assert guess(content) == kind


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"id;name\n1;Anna\n", b"%PDF-1.7 ...", bytes(range(256)) * 10]
)
def test_other_files_are_refused(write, content: bytes) -> None:
    with pytest.raises(NotRecorded, match="no telegrams"):
        Recording(write(content))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Recording(tmp_path / "none.txt")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_with_numbers(write, encoding: str, packed: bool) -> None:
    content = f"# note\r\n{HEX}\r\nnonsense\r\n\r\n{HEX}\r\n".encode(encoding)
    recording = Recording(write(gzip.compress(content) if packed else content))
    assert recording.kind == "hex"
    assert list(recording) == [
        (2, Heard(FRAME, CHANGED)),
        (3, Notice("warning", "line_not_hex", {"line": 3, "character": "n"})),
        (5, Heard(FRAME, CHANGED)),
    ]
    assert recording.position == recording.size > 0
    assert recording.without_time == 2


def test_time_given(write) -> None:
    path = write(f"telegram=|{HEX}|\ntelegram=|{HEX}|+1.5\n")
    recording = Recording(path, AT)
    assert [event.heard_at for _, event in recording] == [AT, AT.replace(microsecond=500000, second=43)]
    assert recording.without_time == 1
    assert [event.heard_at for _, event in Recording(path)] == [CHANGED, CHANGED]


def test_own_times(write) -> None:
    recording = Recording(write(RTL), datetime(2020, 1, 1, tzinfo=UTC))
    assert list(recording) == [(1, Heard(FRAME, AT))]
    assert recording.without_time == 0


def test_a_file_changed_in_the_future_is_not_believed(write) -> None:
    path = write(HEX)
    os.utime(path, (4e9, 4e9))
    assert Recording(path).fallback_at <= datetime.now(UTC)


def test_a_time_in_the_future_is_not_believed(write) -> None:
    recording = Recording(write(RTL.replace("2026", "2226") + RTL))
    assert list(recording) == [
        (1, Notice("warning", "line_future", {"line": 1, "time": "2226-04-03 19:00:42Z"})),
        (1, Heard(FRAME, CHANGED)),
        (2, Heard(FRAME, AT)),
    ]
    assert recording.without_time == 1


def test_compressed_file_cut_short(write) -> None:
    whole = "".join(os.urandom(100).hex() + "\n" + HEX + "\n" for _ in range(50))
    packed = gzip.compress(whole.encode())
    events = [event for _, event in Recording(write(packed[: len(packed) // 2]))]
    assert events[-1].text_id == "file_cut_short"
    assert sum(isinstance(event, Heard) for event in events) > 10


def test_not_really_compressed(write) -> None:
    with pytest.raises(NotRecorded, match="unpacked"):
        Recording(write(b"\x1f\x8b" + b"A" * 500))


def test_endless_line_is_skipped(write) -> None:
    recording = Recording(write(f"{HEX}\n{'A' * 100_000}\n{HEX}\n"))
    events = list(recording)
    assert [number for number, _ in events] == [1, 2, 3]
    assert events[1][1].text_id == "line_too_long"
    assert events[2][1] == Heard(FRAME, CHANGED)


def test_position_moves(write) -> None:
    recording = Recording(write(f"{HEX}\n" * 20_000))
    seen = {recording.position for _ in recording}
    assert len(seen) > 10
    assert max(seen) <= recording.size
