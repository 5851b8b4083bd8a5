"""Receivers as their hosts see them, byte by byte."""

from datetime import UTC, datetime

import pytest

from avlas.simulate import frames
from avlas.simulate.receivers import HexLines, Im871a, RtlWmbus, SimulationLines, crc_x25, rssi_byte

AT = datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
FRAME = frames.link(frames.address("KAM", "12345678", 0x34, 0x04), bytes.fromhex("780406D2040000"))
SET_C_AND_T = bytes.fromhex("A5010306" "00020A300100")  # fmt: skip


def configured(**options):
    receiver = Im871a(**options)
    assert receiver.feed(SET_C_AND_T)[-1] == 0 or options.get("attach_crc")
    return receiver


def test_x25_check_value():
    assert crc_x25(b"123456789") == 0x906E


def test_ping_and_device_info():
    receiver = Im871a(device_id=0x01020304, firmware=0x14)
    assert receiver.feed(bytes.fromhex("A5010100")).hex() == "a5010200"
    assert receiver.feed(bytes.fromhex("A5010F00")).hex() == "a50110083300140104030201"
    assert receiver.feed(bytes.fromhex("A5011300"))[:3].hex() == "a50114"


def test_requests_may_come_in_pieces_and_behind_noise():
    receiver = Im871a()
    assert receiver.feed(b"\x00\xff\xa5") == b""
    assert receiver.feed(b"\x01\x01") == b""
    assert receiver.feed(b"\x00\xa5\x01\x01\x00") == bytes.fromhex("A5010200") * 2


def test_requests_with_crc():
    receiver = Im871a()
    body = bytes((0x81, 0x01, 0x00))
    assert receiver.feed(b"\xa5" + body + crc_x25(body).to_bytes(2, "little")).hex() == "a5010200"
    assert receiver.feed(b"\xa5" + body + b"\x00\x00") == b""


def test_hears_nothing_before_it_is_set_up():
    assert Im871a().transmit(FRAME, -70) == b""


def test_telegram_with_rssi():
    message = configured().transmit(FRAME, -70)
    # flag 40 RSSI, endpoint 2, message 3, length, from the C-field on, RSSI 45 + 2 * 30
    assert message == b"\xa5\x42\x03" + bytes((len(FRAME) - 1,)) + FRAME[1:] + bytes((105,))


def test_telegram_with_time_stamp_and_crc():
    receiver = Im871a(attach_crc=True)
    receiver.feed(bytes.fromhex("A501030600020A300101"))
    message = receiver.transmit(FRAME, -100, at=AT)
    assert message[1] == 0xE2
    assert message[4 : 4 + len(FRAME) - 1] == FRAME[1:]
    trailer = message[4 + len(FRAME) - 1 :]
    assert int.from_bytes(trailer[:4], "little") == int(AT.timestamp())
    assert trailer[4] == 45
    assert int.from_bytes(trailer[5:], "little") == crc_x25(message[1:-2])


@pytest.mark.parametrize(
    ("mode", "hears"), [(0, "S1"), (3, "T1"), (6, "C1"), (10, "T1"), (10, "C1"), (11, "N1")]
)
def test_hears_only_what_its_mode_hears(mode, hears):
    receiver = Im871a()
    receiver.feed(bytes((0xA5, 1, 3, 4, 0, 2, mode, 0)))
    assert receiver.transmit(FRAME, -70, mode=hears)
    for other in {"S1", "T1", "C1", "N1"} - {hears} - ({"C1", "T1"} if mode == 10 else set()):
        assert receiver.transmit(FRAME, -70, mode=other) == b""


def test_get_configuration_shows_what_was_set():
    receiver = configured()
    answer = receiver.feed(bytes.fromhex("A5010500"))
    assert answer[:4].hex() == "a5010616"
    payload = answer[4:]
    assert payload[0] == 0xFF
    assert payload[2] == 10  # device mode, then link mode
    assert payload[13] == 0xFF
    assert payload[18:20].hex() == "0100"  # RSSI on, time stamp off


def test_old_firmware_does_not_know_c_and_t_together():
    receiver = Im871a(firmware=0x13)
    assert receiver.feed(SET_C_AND_T) == bytes.fromhex("A501040101")
    assert receiver.transmit(FRAME, -70) == b""


def test_settings_cut_short_are_refused():
    assert Im871a().feed(bytes.fromhex("A50103020002")) == bytes.fromhex("A501040101")


def test_temporary_settings_are_lost_by_a_reset_and_saved_ones_kept():
    receiver = configured()
    receiver.feed(bytes.fromhex("A5010700"))
    assert receiver.transmit(FRAME, -70) == b""
    receiver.feed(bytes.fromhex("A501030601020A300100"))
    receiver.power_on()
    assert receiver.configuration["link_mode"] == 10


@pytest.mark.parametrize(("dbm", "byte"), [(-100, 45), (-20, 205), (-70.5, 104), (-200, 0), (50, 255)])
def test_rssi_byte(dbm, byte):
    assert rssi_byte(dbm) == byte


def test_rtl_wmbus_line():
    line = RtlWmbus().transmit(FRAME, -70, at=AT, mode="C1").decode()
    assert line == f"C1;1;1;2025-01-02 03:04:05.678;90;140;12345678;0x{FRAME.hex()}\n"
    assert RtlWmbus().transmit(FRAME, -70, at=AT, mode="T1", intact=False).startswith(b"T1;0;1;")


def test_hex_lines():
    assert HexLines().transmit(FRAME, -70) == FRAME.hex().upper().encode() + b"\n"
    assert HexLines("a").transmit(FRAME, -70) == frames.format_a(FRAME).hex().upper().encode() + b"\n"
    assert HexLines("b").transmit(FRAME, -70) == frames.format_b(FRAME).hex().upper().encode() + b"\n"
    assert len(HexLines().transmit(FRAME, -70, intact=False)) == 2 * len(FRAME) - 1


def test_simulation_lines_count_seconds():
    receiver = SimulationLines()
    first = receiver.transmit(FRAME, -70, at=AT).decode()
    later = receiver.transmit(FRAME, -70, at=AT.replace(minute=5)).decode()
    assert first.startswith("telegram=|")
    assert first.endswith("|+0\n")
    assert later.endswith("|+60\n")
    assert bytes.fromhex(first.split("|")[1].replace("_", "")) == FRAME
