"""The protocols of iU891A, AMB8465, RC1180, CUL, bare modems and rtl_433, with byte streams derived by hand."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.collect.drivers.streams import FRAME, feed, notices, telegrams

from avlas.collect.drivers.amber import Amber
from avlas.collect.drivers.cul import Cul
from avlas.collect.drivers.heard import Heard
from avlas.collect.drivers.iu891a import Iu891a
from avlas.collect.drivers.kinds import KINDS, read_link_mode
from avlas.collect.drivers.raw import RawBytes, RawHex, with_crcs
from avlas.collect.drivers.rc1180 import Rc1180
from avlas.collect.drivers.rtl_433 import Rtl433Lines

if TYPE_CHECKING:
    from collections.abc import Callable


def test_amber_by_hand() -> None:
    driver = Amber("c1t1")
    assert driver.begin().hex() == "ff0a02008077"  # get 80 parameters from 00 on; XOR 77
    body = bytes([0xFF, 0x8A, 0x7A, 0x00, 0x78]) + bytes(0x45) + b"\x01" + bytes(0x78 - 0x46)
    check = 0xFF ^ 0x8A ^ 0x7A ^ 0x78 ^ 0x01
    assert driver.feed(body + bytes([check])) == []
    assert driver.to_send().hex() == "ff040109f3"  # C2/T2-other
    assert driver.feed(bytes.fromhex("FF8401007A")) == []
    assert driver.to_send().hex() == "ff0b00f4"
    assert driver.feed(bytes.fromhex("FF8B040001020373"[:-2] + "70")) == []
    assert driver.to_send().hex() == "ff0c00f3"
    (ready,) = driver.feed(bytes.fromhex("FF8C010A78"))
    assert (ready.detail["serial"], ready.detail["firmware"]) == ("00010203", "10")
    payload = FRAME[1:] + b"\x0a"  # 10 / 2 - 74 = -69 dBm; the length 21 counts it
    wrapped = bytes([0xFF, 0x03, 21]) + payload
    check = 0
    for byte in wrapped:
        check ^= byte
    assert driver.feed(wrapped + bytes([check])) == [Heard(FRAME, rssi_dbm=-69.0)]
    assert driver.feed(bytes([21]) + FRAME[1:] + b"\x9c") == [Heard(FRAME, rssi_dbm=-124.0)]  # -100 / 2 - 74


def test_rc1180_by_hand() -> None:
    driver = Rc1180()
    assert driver.begin() == b"\0"
    assert driver.feed(b">") == []
    assert driver.to_send() == b"0"
    memory = bytearray(b"\xff" * 256)
    memory[3], memory[5], memory[0x36] = 1, 1, 0
    memory[0x19:0x21] = FRAME[2:10]
    (ready,) = driver.feed(bytes(memory) + b">")
    assert driver.to_send() == b"X"
    assert ready.detail["serial"] == "KAM 12345678"
    assert driver.feed(bytes([21]) + FRAME[1:] + b"\x8c") == [Heard(FRAME, rssi_dbm=-70.0)]


def test_iu891a_by_hand() -> None:
    driver = Iu891a("c1t1")
    # Ping is 01 01; the CRC of 01 01 by X-25 stands low byte first.
    assert driver.begin()[:3].hex() == "c00101"
    # A message as it stands in public descriptions, its CRC with it: E7 is -25 dBm.
    stream = bytes.fromhex("C009209F436D38000002E71844AE4C4455223368077A55000000041389E20100023B0000AF59C0")
    (heard,) = driver.feed(stream)
    assert heard.rssi_dbm == -25.0
    assert heard.frame.hex() == "1844ae4c4455223368077a55000000041389e20100023b0000"
    damaged = bytes([*stream[:12], stream[12] ^ 1, *stream[13:]])
    assert telegrams(driver.feed(damaged + stream)) == [heard.frame]
    assert driver.damaged == 1


def slow_crc(data: bytes) -> bytes:
    number = int.from_bytes(data, "big") << 16
    for bit in range(len(data) * 8 - 1, -1, -1):
        if number >> (bit + 16) & 1:
            number ^= 0x13D65 << bit
    return (number ^ 0xFFFF).to_bytes(2, "big")


FORMAT_A = b"".join(block + slow_crc(block) for block in (FRAME[:10], FRAME[10:]))
# Format B counts its one CRC in L and forms it over all before it.
_IN_B = bytes([FRAME[0] + 2]) + FRAME[1:]
FORMAT_B = _IN_B + slow_crc(_IN_B)


def test_cul_by_hand() -> None:
    driver = Cul("c1t1")
    assert driver.begin() == b"\r\nV\r\n"
    assert driver.feed(b"V 1.67 nanoCUL868\r\n") == []
    assert driver.to_send() == b"brc\r\n"
    (ready,) = driver.feed(b"CMODE\r\n")
    assert driver.to_send() == b"X21\r\n"
    assert ready.detail["firmware"] == "1.67 nanoCUL868"
    assert driver.feed(b"b" + FORMAT_A.hex().encode() + b"5BF0\r\n") == [Heard(FRAME, rssi_dbm=-82.0)]
    assert driver.feed(b"bY" + FORMAT_B.hex().encode() + b"5B14\r\n") == [Heard(FRAME, rssi_dbm=-64.0)]
    assert notices(driver.feed(b"b" + FORMAT_A.hex().encode()[:-5] + b"\r\n")) == ["receiver_cuts"]
    wrong = FORMAT_A[:5] + b"\0" + FORMAT_A[6:]
    assert notices(driver.feed(b"b" + wrong.hex().encode() + b"5BF0\r\n")) == ["line_crc"]


@pytest.mark.parametrize(
    ("driver", "stream"),
    [
        (RawBytes(), FRAME),
        (RawBytes(with_crcs), FORMAT_A),
        (RawBytes(with_crcs), FORMAT_B),
        (RawHex(), FRAME.hex(" ").encode()),
    ],
)
def test_bare_frames_behind_noise(driver: RawBytes, stream: bytes) -> None:
    assert telegrams(feed(driver, b"\x00\x03" * 4 + stream + stream)) == [FRAME, FRAME]
    assert driver.damaged == (0 if isinstance(driver, RawHex) else 1)


def test_a_bare_frame_cut_short_does_not_hold_up_the_next() -> None:
    driver = RawBytes()
    assert driver.feed(FRAME[:12]) == []
    driver.tick(0.0)
    assert notices(driver.tick(1.0)) == ["line_noise"]
    assert telegrams(driver.feed(FRAME)) == [FRAME]


def test_rtl_433_by_hand() -> None:
    driver = Rtl433Lines()
    head = b"time,msg,codes,model,id,data\n"
    line = f"2026-01-02 03:04:05,,,Wireless-MBus,12345678,{FRAME.hex()}\n".encode()
    other = b"2026-01-02 03:04:06,,,Fineoffset-WHx080,17,\n"
    as_json = f'{{"time" : "x", "model" : "Wireless-MBus", "data" : "ff{FRAME.hex()[2:]}"}}\n'.encode()
    assert driver.feed(head + line + other + as_json) == [Heard(FRAME), Heard(FRAME)]
    assert notices(driver.feed(b"2026-01-02,,,Wireless-MBus,1,\n")) == ["line_cut_short"]


MAKES: list[Callable[[], Any]] = [partial(kind.make, (*kind.link_modes, "")[0]) for kind in KINDS.values()]


@settings(max_examples=40)
@given(st.sampled_from(MAKES), st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_any_bytes_are_borne_however_they_are_cut(
    make: Callable[[], Any], data: bytes, cuts: list[int]
) -> None:
    whole, cut = make(), make()
    whole.begin()
    cut.begin()
    if not isinstance(whole, Rc1180):  # a prompt is told from a length by what follows at once
        assert feed(cut, data, cuts) == feed(whole, data)
    for now in range(20):
        whole.tick(float(now))
    whole.feed(data)
    whole.end()


def test_link_modes_as_people_write_them() -> None:
    written = ["c,t", "t1,c1", "C+T", "s", "n2a", "c,t,s", "x", "c,s"]
    assert [read_link_mode(text) for text in written] == [
        "c1t1", "c1t1", "c1t1", "s1", "n2a", "c1t1s1", None, None
    ]  # fmt: skip
