"""Encoder against decoder: two programs that share nothing must agree on every register of every type."""

from datetime import UTC, datetime, time, timedelta
from fractions import Fraction

import pytest

from avlas.decode import WrongKey, telegram
from avlas.decode.compact import Layouts
from avlas.decode.registers import COUNTERS
from avlas.simulate import frames, samples
from avlas.simulate.layouts import TYPES

AT = datetime(2025, 3, 9, 11, 17, 5, tzinfo=UTC)
NOT_REGISTERS = {"info_code", "meter_time", "target_at", "identification", "constant"}


def expected(meter, values, prefix=""):
    """What the meter shows: each register cut to the step it is sent in."""
    out = {}
    for field in meter.type.fields:
        if field.source in NOT_REGISTERS or field.source.rpartition(".")[0] != prefix.rstrip("."):
            continue
        code = field.source.rpartition(".")[2]
        out[code] = (Fraction(str(values.get(code, 0))), field.step)
    return out


def check(found, wanted):
    hair = Fraction(1, 10**6)
    for code, (value, step) in wanted.items():
        assert code in found, code
        behind = value - Fraction(str(found[code]))
        if code in COUNTERS:
            assert -hair <= behind < step, (code, found[code], float(value))
        else:
            assert abs(behind) <= step / 2 + hair, (code, found[code], float(value))


def decoded(meter, frame, format_="auto"):
    return telegram(frame, meter.key, format="wired" if meter.type.wired else format_)


# Registers that have no place in the register table.
EXTRA = {"volume_reverse_m3"}


@pytest.mark.parametrize("name", sorted(TYPES))
def test_full(name):
    meter = samples.meters(name, 1, 11)[0]
    values = samples.values(meter, AT, 11)
    target_at, moment = samples.month_start(meter, AT)
    target = samples.values(meter, moment, 11)
    frame = meter.telegram(values, AT, target_at=target_at, target=target, compact=False)
    result = decoded(meter, frame)

    assert result.header.address.identification == meter.identification
    assert result.header.address.manufacturer == meter.type.manufacturer
    assert result.manufacturer == meter.type.manufacturer
    wanted = {code: pair for code, pair in expected(meter, values).items() if code not in EXTRA}
    check(result.registers, wanted)

    sends_target = expected(meter, target, "target.")
    dates = [field for field in meter.type.fields if field.source == "target_at"]
    if sends_target and not dates:  # a value of the last month without saying which
        assert [record for record in result.records if record.storage == 1]
    elif sends_target:
        dated = [each for each in result.dated if set(sends_target) <= set(each.registers)]
        assert dated, "the target-date values are missing"
        check(dated[0].registers, sends_target)
        stamped_the_minute_before = dated[0].at == datetime.combine(target_at, time()) - timedelta(minutes=1)
        assert stamped_the_minute_before or dated[0].at == datetime.combine(target_at, time())
    if any(field.source == "info_code" for field in meter.type.fields):
        assert result.info_code == 0


@pytest.mark.parametrize("name", sorted(name for name, kind in TYPES.items() if kind.compact))
def test_compact_says_what_full_says(name):
    meter = samples.meters(name, 1, 12)[0]
    values = samples.values(meter, AT, 12)
    target_at, moment = samples.month_start(meter, AT)
    layouts = Layouts.shipped()
    sent = {"target_at": target_at, "target": samples.values(meter, moment, 12)}
    full = telegram(meter.telegram(values, AT, compact=False, **sent), meter.key, layouts=layouts)
    layouts.learn(full)
    compact = telegram(meter.telegram(values, AT, compact=True, **sent), meter.key, layouts=layouts)
    assert compact.registers == full.registers
    assert compact.sent == full.sent
    assert compact.dated == full.dated
    assert compact.info_code == full.info_code


@pytest.mark.parametrize("name", ["multical403", "multical303_oms", "landis_ultraheat", "multical21"])
def test_wrong_key(name):
    meter = samples.meters(name, 1, 13)[0]
    frame = samples.next_telegram(meter, AT, 13)
    with pytest.raises(WrongKey):
        telegram(frame, bytes(16))


@pytest.mark.parametrize("name", ["multical403", "multical603_fixed", "landis_ultraheat"])
def test_link_crcs(name):
    meter = samples.meters(name, 1, 14)[0]
    frame = samples.next_telegram(meter, AT, 14)
    plain = telegram(frame, meter.key)
    assert telegram(frames.format_a(frame), meter.key, format="a-crc").registers == plain.registers
    assert telegram(frames.format_b(frame), meter.key, format="b-crc").registers == plain.registers


def test_info_code_reaches_the_reader():
    meter = samples.meters("multical403", 1, 15)[0]
    frame = meter.telegram(samples.values(meter, AT, 15), AT, info_code=0x00000308)
    result = telegram(frame, meter.key)
    assert result.info_code == 0x308
    assert len([code for code in result.info_codes if code.source == "info_code"]) == 3


def test_old_and_new_stamps_of_the_same_moment_agree():
    new, old = (samples.meters(name, 1, 16)[0] for name in ("multical403", "multical602"))
    moments = {telegram(samples.next_telegram(meter, AT, 16), meter.key).dated[0].at for meter in (new, old)}
    assert len(moments) == 1


def test_meter_clock():
    meter = samples.meters("sensus_pollucom", 1, 17)[0]
    meter.clock_error = timedelta(hours=3)
    result = telegram(samples.next_telegram(meter, AT, 17), meter.key)
    assert result.meter_time == meter.own_time(AT).replace(second=0)
