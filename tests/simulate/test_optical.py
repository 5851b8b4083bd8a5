"""A meter behind an optical head, asked by the real decoder over a real serial line."""

from __future__ import annotations

import os
import select
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from avlas.decode import kmp
from avlas.decode.kmp import table
from avlas.simulate import samples
from avlas.simulate.line import Terminal
from avlas.simulate.optical import NEW_LOGS, OpticalMeter

NOW = datetime(2026, 11, 17, 9, 20, 30, tzinfo=UTC)  # 10:20:30 on the meter's clock
OWN_TIME = datetime(2026, 11, 17, 10, 20, 30)
GIVE_UP_AFTER_S = 20.0  # without a byte: then something is wrong, not slow
NUMBERS = (60, 63, 68, 74, 80, 86, 87, 89, 97, 110, 175, 1004)


def sample(name="multical403", number=0):
    return samples.meters(name, number + 1, 7)[number]


def meter(**more):
    return OpticalMeter(sample(), lambda: NOW, seed=7, **more)


class Host:
    """A program with the line open: asks, and hears until the answer is there or nothing comes any more."""

    def __init__(self, path):
        self.port = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.exchange = kmp.Exchange()

    def ask(self, request):
        """All events until the request is answered or its answer damaged."""
        os.write(self.port, self.exchange.ask(request))
        events = []
        deadline = time.monotonic() + GIVE_UP_AFTER_S
        while self.exchange.waiting and time.monotonic() < deadline:
            if select.select([self.port], [], [], 0.02)[0]:
                events += self.exchange.hear(os.read(self.port, 64))
                deadline = time.monotonic() + GIVE_UP_AFTER_S
            if any(isinstance(event, kmp.Damaged) for event in events):
                break
        return [*events, *self.exchange.give_up()]

    def answer(self, request):
        """The answer; the test fails when there is none."""
        events = self.ask(request)
        (found,) = [event for event in events if isinstance(event, kmp.Answered)]
        return found.answer


@pytest.fixture
def line(tmp_path):
    """Call it with a meter: gives the host on the other end of the line."""
    opened = []

    def open_line(device, **more):
        terminal = Terminal(device, tmp_path / "ttyHEAD", **more)
        terminal.start()
        host = Host(terminal.path)
        opened.append((terminal, host))
        return host

    yield open_line
    for terminal, host in opened:
        os.close(host.port)
        terminal.stop()


def directly(device, request):
    """The same without a line, for what needs many requests."""
    exchange = kmp.Exchange()
    events = exchange.hear(device.feed(exchange.ask(request)))
    return next((event.answer for event in events if isinstance(event, kmp.Answered)), None)


def test_who_are_you(line):
    host = line(meter())
    assert host.answer(kmp.GetType()) == kmp.TypeAnswer(4, "MULTICAL 601 Pt100", "F1")
    assert host.answer(kmp.GetSerialNo()) == kmp.SerialAnswer(int(sample().identification))


def test_registers_agree_with_what_the_meter_sends_by_radio(line):
    host = line(meter(info_code=9), piece=3)
    found = [field for asked in kmp.get_registers(NUMBERS) for field in host.answer(asked).fields]
    assert [field.register for field in found] == list(NUMBERS)
    expected = samples.values(sample(), NOW, 7) | {"energy_cooling_kwh": 0}  # a heat meter
    for code, value in kmp.meaning(found).registers.items():
        step = {"volume_m3": 0.01, "volume_flow_m3h": 0.001, "power_kw": 0.1}.get(
            code, 0.01 if "_c" in code[-2:] else 1
        )
        assert abs(float(value) - expected[code]) < step, code
    rest = kmp.meaning(host.answer(kmp.GetRegister((1001, 1002, 1003, 99))).fields)
    assert (rest.meter_time, rest.info_code, rest.serial) == (OWN_TIME, 9, int(sample().identification))


def test_a_register_the_meter_does_not_have_is_left_out(line):
    host = line(meter(new=False))
    assert [field.register for field in host.answer(kmp.GetRegister((60, 266, 348, 68))).fields] == [60, 68]
    assert host.answer(kmp.GetRegister((266,))).fields == ()


def test_echo_and_noise(line):
    device = meter()
    device.noise = b"\x00\x00"
    events = line(device).ask(kmp.GetSerialNo())
    names = [type(event).__name__ for event in events]
    assert names[0] == "Echo"
    assert names[-1] == "Answered"
    assert set(names[1:-1]) == {"Noise"}


def test_a_damaged_answer_is_asked_for_again(line):
    device = meter(echo=False)
    device.damage = 1
    host = line(device)
    assert any(isinstance(event, kmp.Damaged) for event in host.ask(kmp.GetSerialNo()))
    assert host.answer(kmp.GetSerialNo()) == kmp.SerialAnswer(int(sample().identification))


def test_a_meter_asleep_only_echoes():
    device, exchange = meter(), kmp.Exchange()
    device.asleep = True
    sent = exchange.ask(kmp.GetSerialNo())
    assert exchange.hear(device.feed(sent)) == (kmp.Echo(sent),)
    device.press_key()
    assert directly(device, kmp.GetSerialNo())


def test_an_answer_that_never_comes():
    device = meter()
    device.ignore = 1
    assert directly(device, kmp.GetSerialNo()) is None
    assert directly(device, kmp.GetSerialNo())


def test_the_clock_is_set_and_acknowledged(line):
    host = line(meter())
    told = OWN_TIME + timedelta(minutes=3)
    assert isinstance(host.ask(kmp.SetClock(told))[-1], kmp.Acknowledged)
    assert kmp.meaning(host.answer(kmp.GetRegister((1002, 1003))).fields).meter_time == told


def test_a_wrong_password_changes_nothing(line):
    device = meter(echo=False)
    assert device.feed(kmp.PutRegister(1, 98, 50, 0, b"\0\0\x02\x01").frame()) == b""
    assert device.target_date == 101
    host = line(device)
    assert isinstance(host.ask(kmp.PutRegister(0x1234, 98, 50, 0, b"\0\0\x02\x01"))[-1], kmp.Acknowledged)
    assert host.answer(kmp.GetRegister((98,))).fields[0].value == "05-13"


def read_log(host, logger, registers, rows):
    """``rows`` rows of a new log from the newest on, register by register, going on where the meter cut."""
    answers = []
    for register in registers:
        found = host.answer(kmp.GetLogLastEntryPastAbs(logger, 0, rows, (register,)))
        newest = found.newest_id
        answers.append(found)
        while found.rows and (left := rows - (newest - found.last_id + 1)) > 0 and found.last_id > 0:
            if "oldest entry reached" in found.flags:
                break
            found = host.answer(kmp.GetLogIDPastAbs(logger, found.last_id - 1, left, (register,)))
            answers.append(found)
    return answers


def test_a_new_meters_hourly_log_is_read_in_pieces(line):
    host = line(meter(longest=100))
    logs = read_log(host, table.HOURLY, (348, 60, 86), 30)
    assert len(logs) > 3
    found = kmp.dated(*logs)
    assert [each.at for each in found] == [
        datetime(2026, 11, 17, 10) - timedelta(hours=29 - n) for n in range(30)
    ]
    for each in found:
        true = each.at.replace(tzinfo=UTC) - timedelta(hours=1)
        expected = samples.values(sample(), true, 7)
        assert each.registers["energy_heat_kwh"] == int(expected["energy_heat_kwh"])
        assert each.sent["energy_heat_kwh"] == ("MWh", 3)
        assert each.registers["flow_temperature_c"] == Decimal(str(expected["flow_temperature_c"]))


@pytest.mark.parametrize(
    ("logger", "moments"),
    [
        (table.YEARLY, [datetime(year, 1, 1) for year in range(2023, 2027)]),
        (table.MONTHLY, [datetime(2026, month, 1) for month in (9, 10, 11)]),
        (table.DAILY, [datetime(2026, 11, day) for day in (15, 16, 17)]),
    ],
)
def test_a_new_meters_other_logs(line, logger, moments):
    host = line(meter())
    found = kmp.dated(*read_log(host, logger, (1003, 1002, 60), len(moments)))
    assert [each.at for each in found] == moments


def test_a_new_loggers_configuration_and_ends(line):
    host = line(meter())
    told = host.answer(kmp.GetConfiguration(table.DAILY))
    assert told.depth == NEW_LOGS[table.DAILY].depth
    assert {60, 348} <= set(told.registers)
    oldest = host.answer(kmp.GetLogLastEntryPastAbs(table.DAILY, 0xFFFF, 1, (348,)))
    assert oldest.flags == ("oldest entry reached",)
    assert oldest.newest_id - oldest.rows[0].id == told.depth - 1
    beyond = host.answer(kmp.GetLogIDPastAbs(table.DAILY, oldest.newest_id + 1, 1, (348,)))
    assert (beyond.flags, beyond.rows) == (("out of range",), ())
    unknown = host.answer(kmp.GetLogLastEntryPastAbs(table.DAILY, 0, 1, (348, 515)))
    assert unknown.flags == ("unknown register", "newest entry reached")


def test_an_empty_new_log():
    early = OpticalMeter(sample(), lambda: samples.INSTALLED + timedelta(hours=2), seed=7)
    found = directly(early, kmp.GetLogLastEntryPastAbs(table.YEARLY, 0, 5, (1003, 60)))
    assert found.flags == ("no entries",)
    assert kmp.dated(found) == ()


OLD_HOUR, OLD_DAY = 1, 2


def test_an_old_meters_hours_towards_now(line):
    host = line(meter(new=False))
    begin = datetime(2026, 11, 17, 3, 30)
    found = host.answer(kmp.GetLogTimePresent(OLD_HOUR, (1003, 1002, 60), 5, at=begin))
    assert [each.at.hour for each in kmp.dated(found)] == [4, 5, 6, 7, 8]
    assert found.flags == ()
    again = host.answer(kmp.GetLogIDPresent(OLD_HOUR, (1003, 1002, 60), 5, record=found.last_id + 1))
    assert [each.at.hour for each in kmp.dated(again)] == [9, 10]
    assert again.flags == ("end of the log reached",)
    assert again.newest_id == again.last_id


def test_an_old_meters_hours_towards_the_past(line):
    host = line(meter(new=False))
    begin = datetime(2026, 11, 17, 3, 30)
    found = host.answer(kmp.GetLogTimePast(OLD_HOUR, (1003, 1002, 60), 3, at=begin, offset=2))
    assert [each.at.hour for each in kmp.dated(found)] == [23, 0, 1]
    assert [row.id for row in found.rows] == sorted((row.id for row in found.rows), reverse=True)


def test_as_much_of_an_old_log_as_fits(line):
    host = line(meter(new=False))
    request = kmp.GetLogTimePresent(OLD_HOUR, (1003, 1002, 60), at=datetime(2026, 11, 1))
    fitting = host.answer(request)
    assert (len(fitting.rows), fitting.flags) == (7, ())
    cut = host.answer(kmp.GetLogTimePresent(OLD_HOUR, (1003, 1002, 60), 50, at=datetime(2026, 11, 1)))
    assert (len(cut.rows), cut.flags) == (7, ("cut at the longest answer",))


def test_what_was_not_read_yet(line):
    host = line(meter(new=False))
    asked = kmp.GetLogLastPresent(OLD_DAY, (1003, 60), 200, 0xFF)
    first = host.answer(asked)
    assert host.answer(asked) == first  # reading alone marks nothing
    assert host.answer(kmp.GetEventStatus(address=kmp.TOP_MODULE)).status == bytes((0, 0, 3, 0))
    host.answer(kmp.ClearEventStatus(bytes((0, 0, 2, 0, 0, 0, 0, 0)), address=kmp.TOP_MODULE))
    assert host.answer(asked).rows[0].id == first.last_id + 1


def test_old_and_new_stamps_of_a_day_become_the_same_moment():
    """The old type stamps the end of 16 November with that date, the new one 17 November, 00:00."""
    old = directly(meter(new=False), kmp.GetLogTimePast(OLD_DAY, (1003, 60), 3, at=OWN_TIME))
    with_clock = directly(meter(new=False), kmp.GetLogTimePast(OLD_DAY, (1003, 1002, 60), 3, at=OWN_TIME))
    new = directly(meter(), kmp.GetLogLastEntryPastAbs(table.DAILY, 0, 3, (348, 60)))
    assert old.rows[0].fields[0].value.day == 16
    assert new.rows[0].fields[0].value.day == 17
    assert kmp.dated(old) == kmp.dated(new) == kmp.dated(with_clock)
    assert kmp.dated(new)[-1].at == datetime(2026, 11, 17)


def test_old_and_new_meters_do_not_know_each_others_logs():
    assert directly(meter(), kmp.GetLogLastPresent(OLD_DAY, (60,))) is None
    assert directly(meter(new=False), kmp.GetConfiguration(table.DAILY)) is None
    assert directly(meter(new=False), kmp.GetLogLastPresent(9, (60,))) is None


ANY_REQUEST = st.tuples(
    st.sampled_from([0x3F, 0x7F, 0xBF]), st.sampled_from([*table.COMMANDS, 0x77]), st.binary(max_size=24)
)


@given(ANY_REQUEST, st.booleans())
@example((0x3F, 0x09, b"\xff" * 24), True)
def test_whatever_is_asked_the_head_answers_or_keeps_silent(request_, new):
    address, command, data = request_
    exchange = kmp.Exchange()
    sent = exchange.ask(kmp.OtherRequest(command, data, address=address))
    events = exchange.hear(meter(new=new).feed(sent))
    assert events[0] == kmp.Echo(sent)
    assert not any(isinstance(event, kmp.Damaged) for event in events)
    assert meter(new=new).feed(data) == data  # bytes that are no frame: the echo alone
