"""The iM871A's protocol, with byte streams derived by hand from the description in im871a.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.collect.drivers.streams import FRAME, feed, frame, notices, telegrams

from avlas.collect.drivers.heard import Heard
from avlas.collect.drivers.im871a import Im871a, configured_mode, crc_x25, dbm

PONG = bytes.fromhex("A5010200")
# iM871A (33), mode 0, firmware 14, HCI 17, unique id 0ABBCCDD
DEVICE_INFO = bytes.fromhex("A5011008 33 00 14 17 DDCCBB0A".replace(" ", ""))
FIRMWARE_INFO = bytes.fromhex("A5011403 010203".replace(" ", ""))
SET = bytes.fromhex("A501040101")


def config(mode: int) -> bytes:
    return bytes([0xA5, 0x01, 0x06, 0x06, 0x03, 0x00, mode, 0x30, 0x01, 0x00])


def heard(payload: bytes, rssi: int | None = 0x7D, *, timestamp: bool = False, crc: bool = False) -> bytes:
    """The message for a received telegram; ``payload`` starts with the C-field."""
    flags = 0x20 * timestamp | 0x40 * (rssi is not None) | 0x80 * crc
    message = bytes([flags | 2, 3, len(payload)]) + payload
    message += (b"\x01\x02\x03\x04" if timestamp else b"") + (b"" if rssi is None else bytes([rssi]))
    if crc:
        message += slow_crc(message).to_bytes(2, "little")
    return b"\xa5" + message


def slow_crc(data: bytes) -> int:
    """CRC-16/X-25 as long division of the bit string: written apart from the driver's."""
    bits = [byte >> i & 1 for byte in data for i in range(8)] + [0] * 16
    for i in range(16):
        bits[i] ^= 1
    for i in range(len(bits) - 16):
        if bits[i]:
            for j, tap in enumerate(f"{0x11021:017b}"):
                bits[i + j] ^= int(tap)
    return sum((bit ^ 1) << i for i, bit in enumerate(bits[-16:]))


def test_crc_is_x25() -> None:
    assert slow_crc(b"123456789") == crc_x25(b"123456789") == 0x906E  # the catalogue's check value


def set_up(driver: Im871a) -> list[str]:
    driver.begin()
    return notices(feed(driver, PONG + DEVICE_INFO + FIRMWARE_INFO + SET + config(10)))


@pytest.mark.parametrize(("mode", "byte"), [("c1t1", "0A"), ("c1", "06"), ("t1", "03"), ("s1", "00")])
def test_set_up(mode: str, byte: str) -> None:
    driver = Im871a(mode)
    assert driver.begin().hex() == "a5010100"
    assert driver.feed(PONG) == []
    assert driver.to_send().hex() == "a5010f00"
    assert driver.feed(DEVICE_INFO) == []
    assert driver.to_send().hex() == "a5011300"
    assert driver.feed(FIRMWARE_INFO) == []
    assert driver.to_send() == bytes.fromhex(f"A5010306 00 02 {byte} 30 01 00")
    assert driver.feed(SET) == []
    assert driver.to_send().hex() == "a5010500"
    assert not driver.set_up
    (ready,) = driver.feed(config(int(byte, 16)))
    assert driver.set_up
    assert ready.text_id == "receiver_ready"
    assert ready.detail["firmware"] == "14"
    assert ready.detail["serial"] == "0ABBCCDD"
    assert driver.to_send() == b""


def test_old_firmware_listens_for_c1_only() -> None:
    driver = Im871a("c1t1")
    driver.begin()
    events = feed(driver, PONG + bytes.fromhex("A501100833001316DDCCBB0A") + FIRMWARE_INFO)
    assert notices(events) == ["receiver_one_mode"]
    assert driver.to_send().endswith(bytes.fromhex("A5010306 00 02 06 30 01 00"))


def test_unknown_link_mode() -> None:
    with pytest.raises(ValueError, match="c9"):
        Im871a("c9")


def test_telegram_with_rssi() -> None:
    # flags 40 RSSI, endpoint 2, message 3, 20 bytes; RSSI 125 is -100 + 0.5 * 80 = -60 dBm
    stream = bytes.fromhex("A5 42 03 14") + FRAME[1:] + bytes([125])
    assert feed(Im871a(), stream) == [Heard(FRAME, rssi_dbm=-60.0)]


@pytest.mark.parametrize("timestamp", [False, True])
@pytest.mark.parametrize("rssi", [None, 45])
@pytest.mark.parametrize("crc", [False, True])
def test_every_trailer(timestamp: bool, rssi: int | None, crc: bool) -> None:
    stream = heard(FRAME[1:], rssi, timestamp=timestamp, crc=crc)
    expected = Heard(FRAME, rssi_dbm=None if rssi is None else -100.0)
    assert feed(Im871a(), stream * 2) == [expected, expected]


def test_signal_strength() -> None:
    assert [dbm(value) for value in (45, 46, 205, 229, 230, 255)] == [-100, -99.5, -20, -8, 0, 0]


def test_shortest_and_longest() -> None:
    assert telegrams(feed(Im871a(), heard(b"\x44", crc=True))) == [b"\x01\x44"]
    assert telegrams(feed(Im871a(), heard(frame(255)[1:]))) == [frame(255)]
    assert telegrams(feed(Im871a(), heard(b"", crc=False) + heard(FRAME[1:]))) == [FRAME]


lengths = st.integers(1, 255)
quiet = st.binary(max_size=40).map(lambda noise: noise.replace(b"\xa5", b"\x5a"))


@given(st.lists(st.tuples(lengths, st.booleans(), st.booleans()), max_size=6), st.data())
def test_chopping_changes_nothing(messages: list[tuple[int, bool, bool]], data: st.DataObject) -> None:
    stream = b"".join(heard(frame(n)[1:], timestamp=stamp, crc=crc) for n, stamp, crc in messages)
    stream = data.draw(st.binary(max_size=30)) + stream + data.draw(st.binary(max_size=30))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=30))
    assert feed(Im871a(), stream, cuts) == feed(Im871a(), stream)


@given(st.lists(st.tuples(lengths, st.booleans(), quiet), min_size=1, max_size=6), quiet)
def test_noise_between_messages_loses_none(messages: list[tuple[int, bool, bytes]], after: bytes) -> None:
    stream = b"".join(noise + heard(frame(n)[1:], crc=crc) for n, crc, noise in messages) + after
    driver = Im871a()
    assert telegrams(driver.feed(stream)) == [frame(n) for n, _, _ in messages]
    assert driver.damaged == sum(1 for _, _, noise in messages if noise)


@given(st.lists(st.tuples(lengths, st.binary(max_size=40)), min_size=1, max_size=5))
def test_any_noise_loses_none_when_messages_have_crcs(messages: list[tuple[int, bytes]]) -> None:
    stream = b"".join(noise + heard(frame(n)[1:], crc=True) for n, noise in messages)
    driver = Im871a()
    found = telegrams(driver.feed(stream) + driver.end())
    wanted = [frame(n) for n, _ in messages]
    assert [each for each in found if each in wanted] == wanted


@given(st.integers(1, 200), st.integers(0, 200), st.integers(1, 255))
def test_one_damaged_byte_loses_one_message(length: int, at: int, flip: int) -> None:
    first = bytearray(heard(frame(length)[1:], crc=True))
    first[at % len(first)] ^= flip
    driver = Im871a()
    found = telegrams(driver.feed(bytes(first) + heard(FRAME[1:], crc=True)) + driver.end())
    assert found == [FRAME]


@given(st.binary(max_size=600))
def test_garbage_never_raises(garbage: bytes) -> None:
    driver = Im871a()
    driver.begin()
    driver.feed(garbage)
    driver.tick(1.0)
    driver.tick(2.5)
    driver.end()


def test_a_message_cut_short_does_not_hold_up_the_next() -> None:
    driver = Im871a()
    driver.tick(10.0)
    cut = heard(frame(100)[1:])[:60]
    assert driver.feed(cut) == []
    assert driver.tick(10.2) == []
    assert telegrams(driver.tick(10.8)) == []
    assert telegrams(driver.feed(heard(FRAME[1:]))) == [FRAME]
    assert driver.damaged == 1


def test_unanswered_requests_are_repeated_then_said_once() -> None:
    driver = Im871a()
    assert driver.begin().hex() == "a5010100"
    assert driver.tick(0.0) == []
    sent, said = [], []
    for tenth in range(1, 200):
        said += notices(driver.tick(tenth / 10))
        sent += [driver.to_send().hex()]
    assert said == ["receiver_no_answer"]
    assert sent.count("a5010100") >= 6  # three tries, a rest, three more ...
    assert set(sent) == {"", "a5010100"}
    assert notices(feed(driver, PONG + DEVICE_INFO + FIRMWARE_INFO + SET + config(10))) == ["receiver_ready"]


def test_firmware_info_and_get_configuration_may_stay_unanswered() -> None:
    driver = Im871a()
    driver.begin()
    driver.tick(0.0)
    driver.feed(PONG + DEVICE_INFO)
    said: list[str] = []
    for tenth in range(1, 50):
        said += notices(driver.tick(tenth / 10))
    assert said == []
    assert bytes([0xA5, 1, 3, 6]) in driver.to_send()
    driver.feed(SET)
    for tenth in range(50, 100):
        said += notices(driver.tick(tenth / 10))
    assert said == ["receiver_ready"]


def test_a_late_answer_is_no_wrong_answer() -> None:
    driver = Im871a()
    driver.begin()
    assert notices(feed(driver, PONG + PONG + DEVICE_INFO + DEVICE_INFO)) == []


def test_a_wrong_answer_is_said() -> None:
    driver = Im871a()
    driver.begin()
    assert notices(driver.feed(bytes.fromhex("A5011200"))) == ["receiver_wrong_answer"]
    assert notices(feed(driver, PONG + bytes.fromhex("A501100133"))) == ["receiver_wrong_answer"]


def test_a_receiver_that_keeps_its_old_mode_is_set_up_again() -> None:
    driver = Im871a("c1")
    driver.begin()
    driver.tick(0.0)
    said = notices(feed(driver, PONG + DEVICE_INFO + FIRMWARE_INFO + SET + config(3)))
    assert said == ["receiver_wrong_answer"]
    assert not driver.set_up
    driver.to_send()
    driver.tick(5.1)
    assert driver.to_send().hex() == "a5010100"
    assert notices(feed(driver, PONG + DEVICE_INFO + FIRMWARE_INFO + SET + config(6))) == ["receiver_ready"]


def test_telegrams_pass_during_set_up() -> None:
    driver = Im871a()
    driver.begin()
    assert telegrams(feed(driver, PONG + heard(FRAME[1:]) + DEVICE_INFO + heard(FRAME[1:]))) == [FRAME, FRAME]


def test_a_silent_receiver_is_asked_and_set_up_again() -> None:
    driver = Im871a()
    assert set_up(driver) == ["receiver_ready"]
    driver.to_send()
    said, sent = [], []
    for second in range(140):
        said += notices(driver.tick(second / 2))
        sent.append(driver.to_send().hex())
    assert said == ["receiver_no_answer"]
    assert sent[:120] == [""] * 120
    assert "a5010100" in sent[120:]
    assert not driver.set_up


def test_a_quiet_but_living_receiver_says_nothing() -> None:
    driver = Im871a()
    set_up(driver)
    driver.to_send()
    said = []
    for second in range(300):
        said += notices(driver.tick(float(second)))
        if driver.to_send():
            said += notices(driver.feed(PONG))
    assert said == []


def test_configured_mode() -> None:
    assert configured_mode(bytes.fromhex("02 0A 30")) == 10
    assert configured_mode(bytes.fromhex("03 01 06")) == 6
    assert configured_mode(bytes.fromhex("01 01")) is None
    assert configured_mode(bytes.fromhex("02")) is None
    assert configured_mode(b"") is None
