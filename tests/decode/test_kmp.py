"""KMP by hand: frames, values, requests, answers, moments. Clauses are those of the fact sheet on KMP (4.2 to 4.6).

Frames are built by the simulator, which has framing and CRC of its own; numbers and values are invented.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlas.decode import DecodeError, FrameError, RecordError, kmp
from avlas.decode.families import as_sent
from avlas.decode.kmp import fields, frame, requests, table
from avlas.decode.registers import BY_CODE
from avlas.simulate import optical


def answer(data, *, address=0x3F):
    """What a meter's answer with this command and data (hexadecimal) says."""
    body = bytes.fromhex(data)
    return kmp.decode(optical.frame(address, body[0], body[1:]))


# --- frames, 4.2 -------------------------------------------------------------------------------------------


def test_the_crc_is_that_of_the_catalogue():
    assert frame.crc(b"123456789").hex() == "31c3"  # CRC-16/XMODEM's check value
    assert optical.crc(b"123456789") == 0x31C3


@given(st.binary(min_size=0, max_size=60), st.integers(0, 255), st.integers(0, 255), st.booleans())
def test_frames_of_both_makes_are_the_same_and_come_back(data, address, command, from_meter):
    built = frame.build(address, command, data, from_meter=from_meter)
    assert built == optical.frame(address, command, data, start=0x40 if from_meter else 0x80)
    assert not set(built[1:-1]) & {0x80, 0x40, 0x0D, 0x06}
    parsed = frame.parse(built)
    assert (parsed.from_meter, parsed.address, parsed.command, parsed.data) == (
        from_meter,
        address,
        command,
        data,
    )
    assert len(parsed.plain) + parsed.stuffed == len(built)


@pytest.mark.parametrize(
    ("plain", "sent"),
    [("80", "1b7f"), ("40", "1bbf"), ("0d", "1bf2"), ("06", "1bf9"), ("1b", "1be4"), ("1b7f", "1be47f")],
)
def test_stuffing(plain, sent):
    assert frame.stuff(bytes.fromhex(plain)).hex() == sent
    assert frame.unstuff(bytes.fromhex(sent)).hex() == plain


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ("", "no bytes at all"),
        ("3f0105", "start byte 3F is neither 80 nor 40"),
        ("40", "the frame ends with 40 instead of the stop byte 0D"),
        ("403f0200001234", "the frame ends with 34 instead of the stop byte 0D"),
        ("403f020d", "2 bytes between start and stop are too few: address, command and CRC are four"),
        ("403f1b0d", "byte 1B at place 2 is the last one: the byte it stands for is missing"),
        ("403f1b120d", "1B 12 at place 2 stands for no byte: damaged"),
        ("803f01058a0d00", "the frame ends with 00 instead of the stop byte 0D"),
        ("803f01058a0d403f0d", "the frame ends at place 5, and 3 bytes follow: one frame at a time"),
        ("403f0240120d", "byte 40 at place 3 never stands bare inside a frame: damaged"),
    ],
)
def test_damaged_frames_say_where(sent, message):
    with pytest.raises(FrameError) as caught:
        kmp.decode(bytes.fromhex(sent))
    assert caught.value.message == message


def test_every_flipped_bit_is_found():
    good = optical.frame(0x3F, 0x10, bytes.fromhex("003c 03 04 43 00 01 a2 b3"))
    for place in range(len(good) * 8):
        bad = bytearray(good)
        bad[place // 8] ^= 1 << place % 8
        if place // 8 == 0 and bad[0] in (0x80, 0x40):
            continue
        with pytest.raises(DecodeError):
            kmp.decode(bytes(bad))


def test_an_acknowledgement():
    found = kmp.decode(b"\x06")
    assert (found.frame, found.content, found.from_meter, found.command) == (None, None, True, "")


# --- values, 4.3 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "sign_exponent", "data", "value", "name"),
    [
        (2, 0x00, "0000a2b3", Decimal(41651), "kWh"),
        (3, 0x43, "0000a2b3", Decimal("41.651"), "MWh"),
        (37, 0xC2, "000000fa", Decimal("-2.50"), "°C"),
        (38, 0x82, "07", Decimal("-7E+2"), "K"),
        (40, 0xC2, "00000000", Decimal("0.00"), "m³"),  # no negative nothing
        (55, 0x41, "000000ff", Decimal(255), "m³"),  # in tens of m³, with one decimal
        (51, 0x00, "ffffffffffffffff", Decimal(2**64 - 1), ""),
        (47, 0x00, "0003 99b7", time(23, 59, 59), ""),
        (47, 0x00, "0003 a980", "24:00:00", ""),
        (48, 0x00, "0003 f805", date(2026, 1, 1), ""),
        (49, 0x00, "01352584", date(2026, 2, 28), ""),
        (50, 0x00, "000004cf", "12-31", ""),
        (79, 0x00, "3c1a0702173b3b", datetime(2026, 7, 2, 23, 59, 59), ""),
        (54, 0x00, "4d3230", "M20", ""),
        (59, 0x00, "00000108", 264, ""),
    ],
)
def test_values(unit, sign_exponent, data, value, name):
    found = fields.field(60, unit, sign_exponent, bytes.fromhex(data))
    assert (found.value, found.unit, found.error) == (value, name, "")
    if isinstance(value, Decimal):
        assert found.value.as_tuple() == value.as_tuple()  # the decimals as sent, too


@pytest.mark.parametrize(
    ("unit", "data", "error"),
    [
        (48, "00000000", "no value"),
        (48, "0003f865", "no such date: 260197"),
        (49, f"{99991231:08x}", "no such date: 99991231"),
        (50, "00000536", "no such date: 1334"),
        (47, "0003a97f", "no such time: 239999"),
        (79, "00000000000000", "no value"),
        (79, "001a0d01000000", "no such time: 001A0D01000000"),
        (79, "1a0101", "no such time: 1A0101"),
        (2, "", "no value"),
    ],
)
def test_what_is_no_value_says_why(unit, data, error):
    found = fields.field(60, unit, 0, bytes.fromhex(data))
    assert (found.value, found.error) == (None, error)


def test_a_unit_without_public_coding_keeps_its_bytes():
    found = fields.field(1047, 53, 0, b"\x01\x02\x03")
    assert (found.value, found.error) == (b"\x01\x02\x03", "unit 53 is not known")


# --- requests, 4.2, 4.5, 4.6 -------------------------------------------------------------------------------

MOMENT = datetime(2026, 3, 29, 1, 30)
REQUESTS = {
    "3f 01": kmp.GetType(),
    "3f 02": kmp.GetSerialNo(),
    "3f 09 0003f8e5 000032c8": kmp.SetClock(datetime(2026, 3, 25, 1, 30)),
    "3f 10 02 003c 0044": kmp.GetRegister((60, 68)),
    "3f 11 1234 0062 32 04 00 00000065": kmp.PutRegister(0x1234, 98, 50, 0, b"\x00\x00\x00\x65"),
    "3f 97 02": kmp.SetCutOffState(2),
    "3f 98": kmp.GetCutOffState(),
    "3f 9b": kmp.GetEventStatus(),
    "7f 9c 00000100 00000000": kmp.ClearEventStatus(bytes.fromhex("0000010000000000"), address=0x7F),
    "7f a0 01 02 03eb 003c 05 80 1a031d011e000000": kmp.GetLogTimePresent(1, (1003, 60), 5, at=MOMENT),
    "7f a1 01 01 003c 05 80": kmp.GetLogLastPresent(1, (60,), 5),
    "bf a2 01 01 003c 05 80 10f3": kmp.GetLogIDPresent(1, (60,), 5, record=0x10F3, address=0xBF),
    "7f a3 01 01 003c 05 80 1a031d011e000000 0007": kmp.GetLogTimePast(1, (60,), 5, at=MOMENT, offset=7),
    "3f b8 05 03": kmp.GetConfiguration(3),
    "3f b8 06 05 00012345 000c 01 015c": kmp.GetLogIDPastAbs(5, 0x12345, 12, (348,)),
    "3f b8 07 05 ffff 0001 01 015c": kmp.GetLogLastEntryPastAbs(5, 0xFFFF, 1, (348,)),
    "3f 85 01": kmp.OtherRequest(0x85, b"\x01"),
    "3f b8 08 05 0102": kmp.OtherRequest(0xB8, b"\x08\x05\x01\x02"),
}


@pytest.mark.parametrize("body", REQUESTS, ids=lambda body: type(REQUESTS[body]).__name__)
def test_requests(body):
    address, command, *data = bytes.fromhex(body)
    sent = optical.frame(address, command, bytes(data), start=0x80)
    assert REQUESTS[body].frame() == sent
    assert kmp.decode(sent).content == REQUESTS[body]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (kmp.GetRegister(()), "a request names 1 to 8 registers, not 0"),
        (kmp.GetRegister(tuple(range(9))), "a request names 1 to 8 registers, not 9"),
        (kmp.GetRegister((70000,)), "70000 does not fit in 2 bytes"),
        (kmp.GetLogTimePresent(1, (60,), at=datetime(1999, 1, 1)), "-1 does not fit in 1 bytes"),
    ],
)
def test_what_cannot_be_asked(request_, message):
    with pytest.raises(ValueError, match=message):
        request_.frame()


def test_many_registers_are_asked_for_eight_at_a_time():
    asked = kmp.get_registers(range(60, 80), address=0x7F)
    assert [len(each.registers) for each in asked] == [8, 8, 4]
    assert {each.address for each in asked} == {0x7F}


@pytest.mark.parametrize(
    ("registers", "longest", "rows"), [(1, 0x80, 19), (2, 0x80, 11), (8, 0x80, 2), (8, 20, 0)]
)
def test_an_old_log_is_asked_for_as_much_as_fits(registers, longest, rows):
    assert requests.records_that_fit(registers, longest) == rows
    assert 8 + 5 * registers + (2 + 4 * registers) * (rows + 1) > longest
    ids = tuple(range(60, 60 + registers))
    assert kmp.GetLogLastPresent(1, ids, max_length=longest).data()[-2:] == bytes((rows, longest))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("10 02 003c", "the data field at byte 6 needs 2 bytes, 0 are left"),
        ("01 00", "1 bytes are left over after the last field, from byte 3 on"),
        ("09 00000000 00000000", "000000 000000 is no date and time"),
        ("a0 01 01 003c 05 80 1a0d010000000000", "the time at byte 9 is impossible: 1A0D010000000000"),
    ],
)
def test_data_that_do_not_fit_their_command(data, message):
    body = bytes.fromhex(data)
    with pytest.raises(RecordError) as caught:
        kmp.decode(optical.frame(0x3F, body[0], body[1:], start=0x80))
    assert caught.value.message == message


# --- answers, 4.2 ------------------------------------------------------------------------------------------


def test_type_and_serial():
    assert answer("01 0004 0601").content == kmp.TypeAnswer(4, "MULTICAL 601 Pt100", "F1")
    assert answer("01 5a12 0000").content == kmp.TypeAnswer(0x5A12, "OMNIPOWER", "")
    assert answer("01 ffff 1b01").content == kmp.TypeAnswer(0xFFFF, "", "")
    assert answer("02 047868c0").content == kmp.SerialAnswer(75000000)


def test_states_of_electricity_meters_and_loggers():
    assert answer("98 07 03").content == kmp.CutOffAnswer(7, "off by prepayment", b"\x03")
    assert answer("9b 00000100", address=0x7F).content == kmp.EventAnswer(b"\0\0\1\0")
    assert answer("85 0102").content == kmp.OtherAnswer(0x85, b"\x01\x02")
    assert answer("b8 09 05").content == kmp.OtherAnswer(0xB8, b"\x09\x05")


def test_registers_in_canonical_units_and_as_sent():
    found = answer(
        "10 003c 03 04 43 0000a2b3  003f 08 04 42 000001f4  0044 27 04 02 000000ff  004a 29 04 00 0000007b"
        "   0056 25 04 42 00001bd8  0059 26 04 c2 0000000f  0001 0e 01 00 07  007c 29 04 00 00000309"
    )
    said = kmp.meaning(found.fields)
    assert said.registers == {
        "energy_heat_kwh": Decimal(41651),
        "energy_cooling_kwh": Decimal("1388.888888889"),
        "volume_m3": Decimal("25.5"),
        "volume_flow_m3h": Decimal("0.123"),
        "flow_temperature_c": Decimal("71.28"),
        "temperature_difference_k": Decimal("-0.15"),
    }  # a register in a unit of another kind is none: A+ in kvarh
    assert said.sent["energy_heat_kwh"] == ("MWh", 3)
    assert said.sent["energy_cooling_kwh"] == ("GJ", 2)
    assert said.sent["volume_m3"] == ("m³", 1)
    assert as_sent(said.registers["energy_cooling_kwh"], "GJ", 2) == Decimal("5.00")


def test_clock_serial_and_info_code():
    found = answer(
        "10 03e9 33 04 00 047868c0  03ea 2f 04 00 000321c6  03eb 30 04 00 0003fa5e  0063 33 04 00 00000009"
    )
    said = kmp.meaning(found.fields)
    assert (said.serial, said.info_code) == (75000000, 9)
    assert said.meter_time == datetime(2026, 7, 2, 20, 52, 54)
    assert said.registers == {}


def test_info_bits_count_before_the_displays_code():
    both = answer("10 0063 33 04 00 00000900  0171 3b 04 00 00000108")
    assert kmp.meaning(both.fields).info_code == 0x108
    assert kmp.meaning(answer("10 0063 33 04 00 00000900").fields).info_code == 0x900


def test_summer_time_is_taken_off_the_clock():
    found = answer("10 015c 4f 07 00 3c1a0702003b3b")
    assert kmp.meaning(found.fields).meter_time == datetime(2026, 7, 1, 23, 59, 59)


def test_no_register_the_meter_has_is_an_answer_too():
    assert answer("10").content == kmp.RegisterAnswer(())


@pytest.mark.parametrize(
    "data", ["10 003c 03 04 43 0000a2", "10 003c 03", "02 0102", "01 0004 060100", "98", "b8"]
)
def test_answers_cut_short(data):
    with pytest.raises(RecordError):
        answer(data)


def test_impossible_sizes_are_no_registers():
    """A counter times 10^63 is shown as it stands, but nobody's reading."""
    found = answer("10 003c 03 04 3f 00000001  0044 28 09 00 010000000000000000")
    assert found.fields[0].value == Decimal("1E+63")
    assert kmp.meaning(found.fields).registers == {}


# --- logs, 4.5 and 4.6 -------------------------------------------------------------------------------------

OLD_ROWS = (
    "a0 02 03  0010 03eb 30 04 00 0003fa03  03ea 2f 04 00 {clock}  003c 03 04 43 00009c40"
    "   0011 0003fa04 {clock} 00009c72   0011 0012 00"
)


def old(clock):
    return answer(OLD_ROWS.format(clock=clock), address=0x7F).content


def test_an_old_log():
    found = old("00000000")
    assert [row.id for row in found.rows] == [16, 17]
    assert [field.register for field in found.rows[1].fields] == [1003, 1002, 60]
    assert (found.log, found.new, found.last_id, found.newest_id, found.info, found.flags) == (
        2,
        False,
        17,
        18,
        0,
        (),
    )
    assert [each.at for each in kmp.dated(found)] == [datetime(2026, 6, 11), datetime(2026, 6, 12)]
    assert [each.registers for each in kmp.dated(found)] == [
        {"energy_heat_kwh": Decimal(40000)},
        {"energy_heat_kwh": Decimal(40050)},
    ]


@pytest.mark.parametrize("clock", ["0003a980", "000399b7"])
def test_the_end_of_a_day_is_the_beginning_of_the_next(clock):
    """240000 or 235959 of 11 June, as old types stamp, is 00:00 of 12 June, as new ones do."""
    assert kmp.dated(old(clock))[0].at == datetime(2026, 6, 12)


DATE_ONLY = "a1 02 02  0010 03eb 30 04 00 0003fa03  003c 03 04 43 00009c40  0010 0010 10"
NEW_DATE_ONLY = "b8 06 04 0001 02 00000010 00000010 0080  03eb 30 04 00 0003fa03  003c 03 04 43 00009c40"


@pytest.mark.parametrize(
    ("data", "stamp", "day"),
    [
        (DATE_ONLY, "", 12),
        (DATE_ONLY, "24:00", 12),
        (DATE_ONLY, "00:00", 11),
        (NEW_DATE_ONLY, "", 11),
        (NEW_DATE_ONLY, "24:00", 12),
    ],
)
def test_a_date_alone_means_what_its_type_means(data, stamp, day):
    (found,) = kmp.dated(answer(data).content, stamp=stamp)
    assert found.at == datetime(2026, 6, day)


def test_a_log_without_dates_says_what_to_ask_for():
    found = answer("a1 02 01  0010 003c 03 04 43 00009c40  0010 0010 00").content
    with pytest.raises(RecordError, match="ask for 348, or for 1003 and 1002"):
        kmp.dated(found)
    assert kmp.dated(answer("a1 02 01  0000 0010 00").content) == ()


@pytest.mark.parametrize(("info", "flag"), [(1, "the log is empty"), (4, "out of range")])
def test_an_old_log_that_says_only_what_went_wrong(info, flag):
    found = answer(f"a0 aa bb cc {info:02x}").content
    assert (found.rows, found.log, found.newest_id, found.flags) == ((), None, None, (flag,))


def test_a_cut_old_log_keeps_its_rows():
    found = answer(DATE_ONLY.replace("0010 0010 10", "0010 0012 08")).content
    assert found.flags == ("cut at the longest answer",)
    assert len(found.rows) == 1


NEW_ROWS = (  # the hourly log, two rows towards the past, stamped some seconds late
    "b8 06 05 0002 02 00001234 00001235 0010"
    "   015c 4f 07 00 001a010f0c0004  003c 02 04 00 0000a2b3"
    "   001a010f0b0005 0000a2b0"
)


def test_a_new_log():
    found = answer(NEW_ROWS).content
    assert [row.id for row in found.rows] == [0x1234, 0x1233]
    assert (found.log, found.new, found.last_id, found.newest_id) == (5, True, 0x1233, 0x1235)
    assert found.flags == ("entries cut",)
    assert [(each.at, each.registers["energy_heat_kwh"]) for each in kmp.dated(found)] == [
        (datetime(2026, 1, 15, 11), 41648),
        (datetime(2026, 1, 15, 12), 41651),
    ]


def test_registers_asked_for_one_by_one_meet_in_their_rows():
    stamps = answer("b8 06 05 0002 01 00001234 00001235 0000  015c 4f 07 00 001a010f0c0004  001a010f0b0005")
    energy = answer("b8 06 05 0003 01 00001235 00001235 0000  003c 02 04 00 0000a2b9  0000a2b3 0000a2b0")
    assert kmp.dated(stamps.content, energy.content) == kmp.dated(answer(NEW_ROWS).content)


def test_minute_logs_keep_their_seconds():
    found = answer(NEW_ROWS.replace("b8 06 05", "b8 06 07")).content
    assert kmp.dated(found)[1].at == datetime(2026, 1, 15, 12, 0, 4)


def test_the_hour_that_comes_twice_in_autumn_is_two_hours():
    """02:00 with summer time and 02:00 without: an hour apart in the meter's standard time."""
    found = answer(
        "b8 06 05 0002 02 00001234 00001234 0080"
        "   015c 4f 07 00 001a0a19020000  003c 02 04 00 0000a2b3   3c1a0a19020000 0000a2b0"
    ).content
    assert [each.at.hour for each in kmp.dated(found)] == [1, 2]


def test_an_empty_log_has_a_row_of_zeros_that_says_nothing():
    found = answer(
        "b8 07 05 0001 02 00000000 00000000 0001  03eb 30 04 00 00000000  003c 02 04 00 00000000"
    ).content
    assert found.flags == ("no entries",)
    assert kmp.dated(found) == ()


def test_a_row_with_an_impossible_date_is_left_out_alone():
    found = answer(NEW_ROWS.replace("001a010f0b0005", "001a0d0f0b0005")).content
    assert [each.at.hour for each in kmp.dated(found)] == [12]


def test_a_new_log_that_ends_before_its_number_of_rows_keeps_the_whole_ones():
    found = answer(NEW_ROWS.replace("0002 02", "0009 02")).content
    assert len(found.rows) == 2
    with pytest.raises(RecordError):
        answer(NEW_ROWS[:-2])


def test_rows_without_bytes_do_not_go_on_for_ever():
    assert len(answer("b8 06 05 ffff 01 00001234 00001234 0000  003c 02 00 00").content.rows) == 1
    assert answer("b8 06 05 ffff 00 00001234 00001234 0000").content.rows == ()


def test_a_loggers_configuration():
    found = answer("b8 05 03 010101010000 01000100 0024 03 003c 0044 015c").content
    assert found == kmp.ConfigurationAnswer(3, 36, (60, 68, 348))


# --- tables and laws ---------------------------------------------------------------------------------------


def test_registers_of_ours_exist_and_every_register_has_two_names():
    assert set(table.CODES.values()) <= set(BY_CODE)
    assert set(table.CODES) <= set(table._names())
    numbers = [row[0] for row in (*table._THERMAL, *table._ELECTRIC, *table._series())]
    assert len(numbers) == len(set(numbers))
    assert table.register_name(60) == "heat energy"
    assert table.register_name(60, "sv") == "värmeenergi"
    assert table.register_name(515) == "register 515"
    assert table.quantity(127) == "date_of_maximum_power_of_the_year"


def told_once(found):
    """Whether the spans cover the plain frame without gap or overlap."""
    spans = sorted((span.start, span.end) for span in found.spans)
    return (
        spans[0][0] == 0
        and spans[-1][1] == len(found.plain)
        and all(a[1] == b[0] for a, b in pairwise(spans))
    )


@given(st.binary(max_size=120), st.sampled_from([*table.COMMANDS, 0x77]), st.booleans())
def test_any_data_give_a_message_or_an_error(data, command, from_meter):
    built = frame.build(0x3F, command, data, from_meter=from_meter)
    try:
        found = kmp.decode(built)
    except DecodeError:
        return
    assert told_once(found)
    kmp.meaning(found.fields)
    if isinstance(found.content, kmp.LogAnswer):
        with suppress(RecordError):  # no register of the log tells a date
            kmp.dated(found.content)
    if isinstance(found.content, kmp.Request):
        with suppress(ValueError):  # no register, or more than eight
            assert found.content.frame() == built


def four_bytes(number):
    return number.to_bytes(4, "big")


SHOWN_IN = [
    Decimal(10) ** n for n in range(-9, 4)
]  # a figure is shown in a larger or smaller unit of its kind
DATES = st.one_of(
    st.binary(max_size=9), st.sampled_from([99991231, 991231, 240000, 1010101, 0]).map(four_bytes)
)
FIELDS = st.tuples(
    st.sampled_from([*table.CODES, 348, 369, 1001, 1002, 1003]),
    st.integers(0, 100),
    st.integers(0, 255),
    st.binary(max_size=12),
)


def registers_of(values):
    """The data of an answer with these registers."""
    return b"".join(
        number.to_bytes(2, "big") + bytes((unit, len(integer), sign_exponent)) + integer
        for number, unit, sign_exponent, integer in values
    )


@given(st.lists(FIELDS, max_size=8))
def test_any_values_of_known_registers_mean_something_or_nothing(values):
    found = kmp.decode(frame.build(0x3F, 0x10, registers_of(values), from_meter=True))
    said = kmp.meaning(found.fields)
    values_sent = {field.value for field in found.fields if isinstance(field.value, Decimal | int)}
    for code, (unit, decimals) in said.sent.items():
        assert BY_CODE[code]
        shown = as_sent(said.registers[code], unit, decimals)
        if any(field.exponent < -2 for field in found.fields):
            continue  # finer than the 1e-9 kWh to which joules are kept
        assert any(shown == value * scale for value in values_sent for scale in SHOWN_IN), (code, shown)


@given(
    st.lists(st.tuples(st.sampled_from([47, 48, 49, 79]), DATES), min_size=2, max_size=2),
    st.sampled_from([1002, 348]),
    st.integers(0, 9),
    st.sampled_from(["", "24:00", "00:00"]),
)
def test_any_dates_of_a_log_are_moments_or_nothing(stamps, second, logger, stamp):
    data = bytes((6, logger)) + bytes.fromhex("0001 03 00000007 00000007 0000")
    for number, (unit, integer) in zip((1003, second), stamps, strict=True):
        data += number.to_bytes(2, "big") + bytes((unit, len(integer), 0)) + integer
    data += bytes.fromhex("003c 02 04 00 0000a2b3")
    found = kmp.dated(kmp.decode(frame.build(0x3F, 0xB8, data, from_meter=True)).content, stamp=stamp)
    assert len(found) <= 1


@given(st.binary(max_size=40))
def test_any_bytes_give_a_message_or_an_error(data):
    with suppress(DecodeError):
        kmp.decode(data)
