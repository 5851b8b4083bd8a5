"""Drivers whose source sends text: raw hex, wmbusmeters' files, rtl_wmbus."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.collect.drivers.streams import FRAME, feed, frame, notices, telegrams

from avlas.collect.drivers.heard import Heard, Notice
from avlas.collect.drivers.hexlines import HexLines
from avlas.collect.drivers.lines import LONGEST_LINE
from avlas.collect.drivers.rtl_wmbus import RtlWmbusLines
from avlas.collect.drivers.wmbusmeters import WmbusmetersLines

HEX = FRAME.hex()
KEY = "000102030405060708090A0B0C0D0E0F"


# ---- raw hex lines


@pytest.mark.parametrize(
    "line",
    [
        HEX,
        HEX.upper(),
        FRAME.hex(" "),
        FRAME.hex(":"),
        FRAME.hex("-"),
        "|" + FRAME.hex("|", 4) + "|",
        f"  0x{HEX}\t",
        " ".join(f"0x{byte:02x}" for byte in FRAME),
        f"{HEX} NOKEY",
        f"\ufeff{HEX}",
    ],
)
def test_ways_to_write_a_telegram(line: str) -> None:
    assert feed(HexLines(), f"{line}\r\n".encode()) == [Heard(FRAME)]


def test_key_beside_a_telegram_is_said_once_and_not_used() -> None:
    stream = f"{HEX} {KEY}\n{FRAME.hex(' ')};{KEY}\n".encode()
    assert feed(HexLines(), stream) == [
        Heard(FRAME),
        Notice("info", "line_key_ignored", {"line": 1}),
        Heard(FRAME),
    ]


def test_comments_and_empty_lines() -> None:
    assert feed(HexLines(), f"# a comment\n\n// another\n   \n{HEX}\n".encode()) == [Heard(FRAME)]


@pytest.mark.parametrize(
    ("line", "text_id", "detail"),
    [
        ("hello", "line_not_hex", {"character": "h"}),
        (HEX[:-1], "line_odd_digits", {"digits": 41}),
        (HEX[:-2], "line_length", {"says": 20, "follow": 19}),
        (HEX + "00", "line_length", {"says": 20, "follow": 21}),
        ((b"\xff" * 300).hex(), "line_length", {"says": 255, "follow": 299}),
        ("NOKEY NOKEY", "line_not_hex", {"character": "N"}),
        (";;;", "line_empty", {}),
    ],
)
def test_bad_lines_name_themselves_and_the_rest_goes_on(
    line: str, text_id: str, detail: dict[str, object]
) -> None:
    driver = HexLines()
    events = feed(driver, f"{HEX}\n{line}\n{HEX}\n".encode())
    assert events == [Heard(FRAME), Notice("warning", text_id, {"line": 2, **detail}), Heard(FRAME)]
    assert driver.damaged == 1


def test_link_crcs_are_checked_and_removed() -> None:
    # By hand from EN 13757-4: the CRC of 10 bytes, then of 11; worked out with polynomial 3D65 as long division.
    blocks = [FRAME[:10], FRAME[10:]]
    sent = b"".join(block + slow_crc(block).to_bytes(2, "big") for block in blocks)
    assert feed(HexLines(), sent.hex().encode() + b"\n") == [Heard(FRAME)]
    damaged = bytes([*sent[:12], sent[12] ^ 1, *sent[13:]])
    assert notices(feed(HexLines(), damaged.hex().encode() + b"\n")) == ["line_crc"]


def slow_crc(data: bytes) -> int:
    number = int.from_bytes(data, "big") << 16
    for bit in range(len(data) * 8 - 1, -1, -1):
        if number >> (bit + 16) & 1:
            number ^= 0x13D65 << bit
    return number ^ 0xFFFF


def test_slow_crc_is_the_standards() -> None:
    assert slow_crc(b"123456789") == 0xC2B7  # the catalogue's check value of CRC-16/EN-13757


def test_wired_frame_is_kept_whole() -> None:
    wired = bytes.fromhex("68 0B 0B 68 08 01 72 78563412 2D2C 1B 04 00 16")
    wired = bytes([0x68, len(wired) - 6, len(wired) - 6, *wired[3:]])
    assert feed(HexLines(), wired.hex().encode() + b"\n") == [Heard(wired, wired=True)]


def test_one_byte_is_handed_on() -> None:
    assert feed(HexLines(), b"00\n") == [Heard(b"\x00")]


# ---- wmbusmeters


def test_simulation_file() -> None:
    text = f"""# MULTICAL, invented
telegram=|{HEX[:22]}|{HEX[22:]}|
{{"media":"heat","id":"12345678"}}
|Name;12345678;1.5|
#telegram=|{HEX}|
telegram=|{HEX[:10]}_{HEX[10:20]}#{HEX[20:]}|+12.5
telegram={HEX}+60
"""
    base = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    events = feed(WmbusmetersLines(base), text.encode())
    assert events == [
        Heard(FRAME),
        Heard(FRAME, datetime(2026, 1, 2, 3, 4, 17, 500000, tzinfo=UTC)),
        Heard(FRAME, datetime(2026, 1, 2, 3, 5, 5, tzinfo=UTC)),
    ]
    assert feed(WmbusmetersLines(), text.encode()) == [Heard(FRAME)] * 3


def test_telegram_inside_a_log_line() -> None:
    line = f"[2026-01-02_03:04:05] (wmbus) heard telegram=|{HEX}|+3 from im871a\n"
    assert feed(WmbusmetersLines(), line.encode()) == [Heard(FRAME)]


def test_bad_telegrams_in_wmbusmeters_lines() -> None:
    text = f"telegram=|zz|\ntelegram=|{HEX[:-2]}|\ntelegrm=|{HEX}|\ntelegram=|{HEX}|\n"
    driver = WmbusmetersLines()
    events = feed(driver, text.encode())
    assert [(event.text_id, event.detail["line"]) for event in events[:3]] == [
        ("line_not_hex", 1),
        ("line_length", 2),
        ("line_unknown", 3),
    ]
    assert events[3:] == [Heard(FRAME)]
    assert driver.damaged == 3


# ---- rtl_wmbus

AT = datetime(2026, 4, 3, 19, 0, 42, 250000, tzinfo=UTC)
LINE = f"C1;1;1;2026-04-03 19:00:42.250;97;148;12345678;0x{HEX}"


@pytest.mark.parametrize("mode", ["C1", "T1", "S1"])
def test_rtl_line(mode: str) -> None:
    assert feed(RtlWmbusLines(), f"{mode}{LINE[2:]}\n".encode()) == [Heard(FRAME, AT)]


def test_rtl_several_telegrams_and_telegram_alone() -> None:
    stream = f"{LINE};0x{HEX}\n0x{HEX}\n0x{HEX};0x{HEX}\n".encode()
    assert feed(RtlWmbusLines(), stream) == [Heard(FRAME, AT)] * 2 + [Heard(FRAME)] * 3


def test_rtl_length_is_set_right() -> None:
    wrong = "FF" + HEX[2:]
    assert feed(RtlWmbusLines(), f"{LINE[: -len(HEX)]}{wrong}\n".encode()) == [Heard(FRAME, AT)]


def test_rtl_lines_with_wrong_crc_are_counted_only() -> None:
    driver = RtlWmbusLines()
    assert feed(driver, f"C1;0;1{LINE[6:]}\n".encode()) == []
    assert driver.damaged == 1


def test_rtl_time_with_a_zone_is_turned_into_utc() -> None:
    line = LINE.replace("19:00:42.250", "21:00:42.250+02:00")
    assert feed(RtlWmbusLines(), f"{line}\n".encode()) == [Heard(FRAME, AT)]


@pytest.mark.parametrize(
    ("line", "text_id"),
    [
        ("C1;1;1;2026-04-03 19:00:42.250;97;148", "line_cut_short"),
        (LINE[: -len(HEX) - 2], "line_cut_short"),
        (LINE[:-1], "line_odd_digits"),
        (LINE[:-1] + "x", "line_not_hex"),
        (LINE[: -len(HEX)] + "14", "line_length"),
        (LINE[: -len(HEX)] + "44" * 300, "line_length"),
        ("rtl_wmbus: exiting", "source_exiting"),
        ("Found 1 device(s):", "line_unknown"),
    ],
)
def test_rtl_bad_lines(line: str, text_id: str) -> None:
    events = feed(RtlWmbusLines(), f"{line}\n{LINE}\n".encode())
    assert notices(events) == [text_id]
    assert events[1:] == [Heard(FRAME, AT)]


def test_rtl_bad_time_keeps_the_telegram() -> None:
    for wrong in ("yesterday", "", "0001-01-01 00:00:00+05:00"):
        events = feed(RtlWmbusLines(), f"C1;1;1;{wrong};97;148;12345678;0x{HEX}\n".encode())
        assert notices(events) == ["line_time"]
        assert events[1:] == [Heard(FRAME)]


# ---- all of them

DRIVERS = {
    HexLines: lambda raw: raw.hex(),
    WmbusmetersLines: lambda raw: f"telegram=|{raw.hex()}|",
    RtlWmbusLines: lambda raw: f"C1;1;1;2026-04-03 19:00:42.250;97;148;12345678;0x{raw.hex()}",
}
noise = st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=40)


@pytest.mark.parametrize("kind", DRIVERS)
@given(lengths=st.lists(st.integers(1, 255), max_size=6), junk=st.lists(noise, max_size=6), data=st.data())
def test_chopping_changes_nothing(
    kind: type, lengths: list[int], junk: list[str], data: st.DataObject
) -> None:
    lines = data.draw(st.permutations([DRIVERS[kind](frame(n)) for n in lengths] + junk))
    stream = "\r\n".join(lines).encode()
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=30))
    one, other = kind(), kind()
    assert feed(one, stream, cuts) + one.end() == feed(other, stream) + other.end()


@pytest.mark.parametrize("kind", DRIVERS)
@given(
    lengths=st.lists(st.integers(1, 255), min_size=1, max_size=6),
    junk=noise.filter(lambda text: "0x" not in text),
)
def test_noise_on_lines_between_loses_none(kind: type, lengths: list[int], junk: str) -> None:
    stream = "".join(f"!{junk}\n{DRIVERS[kind](frame(n))}\n" for n in lengths).encode()
    assert telegrams(kind().feed(stream)) == [frame(n) for n in lengths]


@pytest.mark.parametrize("kind", DRIVERS)
def test_endless_line_is_not_kept(kind: type) -> None:
    driver = kind()
    for _ in range(20):
        assert driver.feed(b"A" * 5000) == []
    assert len(driver._rest) <= LONGEST_LINE
    line = DRIVERS[kind](FRAME).encode()
    events = driver.feed(b"\n" + line + b"\n")
    assert notices(events) == ["line_too_long"]
    assert telegrams(events) == [FRAME]


@pytest.mark.parametrize("kind", DRIVERS)
def test_last_line_without_line_end(kind: type) -> None:
    driver = kind()
    assert driver.feed(DRIVERS[kind](FRAME).encode()) == []
    assert telegrams(driver.end()) == [FRAME]
    assert driver.end() == []


@pytest.mark.parametrize("kind", DRIVERS)
def test_new_connection_does_not_continue_half_a_line(kind: type) -> None:
    driver = kind()
    driver.feed(DRIVERS[kind](FRAME)[:20].encode())
    assert driver.begin() == b""
    assert telegrams(driver.feed(f"{DRIVERS[kind](FRAME)}\n".encode())) == [FRAME]
