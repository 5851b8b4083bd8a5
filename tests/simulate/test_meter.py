"""A meter's telegrams one after another."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from avlas.simulate import frames, samples
from avlas.simulate.layouts import TYPES
from avlas.simulate.meter import SimulatedMeter

AT = datetime(2025, 3, 9, 11, 0, tzinfo=UTC)
KEY = bytes(range(16, 32))


def telegrams(name, count, every=timedelta(seconds=16), **settings):
    meter = SimulatedMeter.of(name, "10203040", KEY)
    for setting, value in settings.items():
        setattr(meter, setting, value)
    return [samples.next_telegram(meter, AT + n * every, 1) for n in range(count)]


def opened(frame):
    """Payload CRC and content of an 8D frame, decrypted with the cipher as it stands in the standard."""
    assert frame[10] == 0x8D
    initial = frame[2:10] + frame[11:12] + frame[13:17] + bytes(3)
    decryptor = Cipher(algorithms.AES(KEY), modes.CTR(initial)).decryptor()
    plain = decryptor.update(frame[17:])
    assert frames.crc(plain[2:]) == int.from_bytes(plain[:2], "little")
    return plain[2:]


def test_every_eighth_is_full():
    kinds = [opened(frame)[0] for frame in telegrams("multical403", 17)]
    assert kinds == [0x78, *[0x79] * 7, 0x78, *[0x79] * 7, 0x78]


def test_compact_says_the_same_as_full():
    meter = SimulatedMeter.of("multical403", "10203040", KEY)
    values = samples.values(meter, AT, 1)
    full = opened(meter.telegram(values, AT, compact=False))[1:]
    compact = opened(meter.telegram(values, AT, compact=True))
    assert compact[1:3] == (0xB34D).to_bytes(2, "little")
    assert int.from_bytes(compact[3:5], "little") == frames.crc(full)
    rest = full
    for header in meter.type.headers:
        assert rest.startswith(header)
        rest = rest[len(header) + (header[0] & 15) :]
    assert not rest
    assert compact[5:7] == full[2:4]


def test_session_numbers_only_grow():
    sessions = [
        int.from_bytes(frame[13:17], "little") for frame in telegrams("multical21", 40, timedelta(seconds=2))
    ]
    assert sessions == sorted(set(sessions))
    assert {session >> 29 for session in sessions} == {1}


def test_access_numbers_count_and_wrap():
    frames_sent = telegrams("multical21", 5, access_number=253)
    assert [frame[12] for frame in frames_sent] == [254, 255, 0, 1, 2]


def test_the_meters_clock_is_standard_time_and_may_be_wrong():
    meter = SimulatedMeter.of("multical403", "10203040", KEY)
    summer = datetime(2025, 7, 1, 12, 0, tzinfo=UTC)
    assert meter.own_time(summer) == datetime(2025, 7, 1, 13, 0)
    meter.clock_error = timedelta(hours=-2)
    assert meter.own_time(summer) == datetime(2025, 7, 1, 11, 0)


def test_without_a_key_the_content_is_in_clear():
    meter = SimulatedMeter.of("multical403", "10203040", None)
    frame = samples.next_telegram(meter, AT, 1)
    assert int.from_bytes(frame[13:17], "little") >> 29 == 0
    assert frame[19] == 0x78


def test_key_of_wrong_length():
    with pytest.raises(ValueError, match="16 bytes"):
        SimulatedMeter.of("multical403", "10203040", b"short")


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_type_sends_a_frame_that_fits(name):
    meter = samples.meters(name, 1, 3)[0]
    frame = samples.next_telegram(meter, AT, 3)
    if meter.type.wired:
        assert frame[0] == 0x68
        assert frame[1] == frame[2] == len(frame) - 6
        assert frame[-2] == sum(frame[4:-2]) & 0xFF
    else:
        assert frame[0] == len(frame) - 1
        assert frame[2:10] == meter.address


def test_mode_5_decrypts_to_the_check_bytes():
    meter = SimulatedMeter.of("multical303_oms", "10203040", KEY)
    frame = samples.next_telegram(meter, AT, 1)
    assert frame[10] == 0x7A
    blocks = frame[13] >> 4
    body = frame[15:]
    assert len(body) == 16 * blocks
    initial = frame[2:10] + frame[11:12] * 8
    plain = Cipher(algorithms.AES(KEY), modes.CBC(initial)).decryptor().update(body)
    assert plain[:4].hex() == "2f2f0405"


def test_mode_7_counters_only_grow():
    sent = telegrams("landis_ultraheat", 5, timedelta(seconds=1))
    assert all(frame[10] == 0x8C and frame[13] == 0x90 for frame in sent)
    counters = [int.from_bytes(frame[18:22], "little") for frame in sent]
    assert counters == sorted(set(counters))


def test_the_same_seed_gives_the_same_recording():
    def once():
        return list(samples.recording(samples.meters("multical403", 3, 7), 4, seed=7, start=AT))

    first, second = once(), once()
    assert [each.frame for each in first] == [each.frame for each in second]
    assert [each.at for each in first] == sorted(each.at for each in first)
    assert len(first) == 12
    assert {each.frame for each in first}.isdisjoint(
        each.frame for each in samples.recording(samples.meters("multical403", 3, 8), 4, seed=8, start=AT)
    )


def test_sample_counters_never_go_back():
    previous = samples.registers(samples.INSTALLED, 5)
    for hours in range(24, 24 * 800, 24):
        now = samples.registers(samples.INSTALLED + timedelta(hours=hours), 5)
        assert all(
            now[code] >= previous[code] for code in now if code.startswith(("energy", "volume_m3", "input"))
        )
        previous = now
