"""The datagrams: bytes by hand, the signatures known from real meters, and real datagrams where they are."""

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from avlas.simulate import frames
from avlas.simulate.layouts import TYPES, Sample, meter_type

CONFORMANCE = Path(__file__).parents[3] / "shared" / "conformance" / "telegrams.jsonl"

HEAT = {
    "energy_heat_kwh": 12345.9,
    "energy_flow_m3c": 40000,
    "energy_return_m3c": 20000,
    "volume_m3": 512.349,
    "volume_flow_m3h": 0.237,
    "flow_temperature_c": 71.36,
    "return_temperature_c": 34.04,
    "power_kw": 10.24,
    "operating_hours": 8760,
}
NOON = datetime(2025, 3, 9, 12, 0)


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("multical403", 0xB34D),
        ("multical302", 0xF1E7),
        ("multical302_gj", 0x6DE2),
        ("multical303", 0xAE5A),
        ("multical602", 0x8400),
        ("multical803_gj", 0xE7A2),
        ("multical21", 0xA8ED),
        ("omnipower", 0x8C13),
        ("pressure_sensor", 0x73DE),
    ],
)
def test_signatures_known_from_real_meters(name, signature):
    assert meter_type(name).signature == signature


def test_multical_403_by_hand():
    sample = Sample(HEAT, NOON, 0x308, date(2025, 3, 1), {"energy_heat_kwh": 12000, "volume_m3": 500})
    assert meter_type("multical403").full(sample).hex() == (
        "0406" "39300000"  # 12345 kWh: a counter shows what it has reached
        "04ff07" "409c0000"  # 40000
        "04ff08" "204e0000"  # 20000
        "0414" "22c80000"  # 51234 x 0.01 m3
        "043b" "ed000000"  # 237 l/h
        "0259" "e01b"  # 7136
        "025d" "4c0d"  # 3404
        "04ff22" "08030000"
        "026c" "2933"  # 9 March 2025
        "4406" "e02e0000"
        "4414" "50c30000"
        "426c" "2133"  # 1 March 2025
    )  # fmt: skip


def test_the_same_heat_in_gigajoules_and_megawatt_hours():
    heat = HEAT | {"energy_heat_kwh": 10000}  # 36 GJ
    sample = Sample(heat, NOON)
    assert meter_type("multical403_gj").full(sample)[:6].hex() == "040e" + (36000).to_bytes(4, "little").hex()
    assert meter_type("multical403_mwh").full(sample)[:6].hex() == "0407" + (1000).to_bytes(4, "little").hex()
    assert meter_type("multical402_gj").full(sample)[:6].hex() == "040f" + (3600).to_bytes(4, "little").hex()


def test_old_types_stamp_the_day_before():
    target = {"target_at": date(2025, 3, 1), "target": {"energy_heat_kwh": 1}}
    old = meter_type("multical302").full(Sample(HEAT, NOON, **target))
    assert bytes.fromhex("426c3c32") in old  # 28 February, 24:00
    new = meter_type("multical403").full(Sample(HEAT, NOON, **target))
    assert new.endswith(bytes.fromhex("426c2133"))  # 1 March, 00:00


def test_before_the_first_target_date_nothing_is_stored():
    assert b"\x42\x6c\xff\xff" in meter_type("multical302").full(Sample(HEAT, NOON))


def test_counters_roll_over_at_their_digits():
    old, new = meter_type("multical402"), meter_type("multical403")
    just_over = Sample(HEAT | {"energy_heat_kwh": 10_000_005}, NOON)
    assert old.full(just_over)[2:6] == (5).to_bytes(4, "little")
    assert new.full(just_over)[2:6] == (10_000_005).to_bytes(4, "little")


@pytest.mark.parametrize("number", [0.29, 1.15, 8.7, 4.35, 1000.01, 77777.77, Decimal("0.57")])
def test_a_whole_step_in_floating_point_is_not_lost(number):
    field = meter_type("multical403").full(Sample(HEAT | {"volume_m3": number}, NOON))
    at = field.index(b"\x04\x14") + 2
    assert int.from_bytes(field[at : at + 4], "little") == round(number * 100)


def test_extremes_fall_back_on_the_present_value():
    kind = meter_type("multical603_fixed")
    plain = kind.full(Sample(HEAT, NOON))
    assert plain.endswith(bytes.fromhex("142d66000000"))
    peak = kind.full(Sample(HEAT | {"maximum.power_kw": 33.3}, NOON))
    assert peak.endswith(bytes.fromhex("142d4d010000"))


def test_what_is_missing_or_does_not_fit_is_named():
    kind = meter_type("multical403")
    with pytest.raises(ValueError, match="volume_flow_m3h"):
        kind.full(Sample({k: v for k, v in HEAT.items() if k != "volume_flow_m3h"}, NOON))
    with pytest.raises(ValueError, match=r"flow_temperature_c = 400 in record 0259"):
        kind.full(Sample(HEAT | {"flow_temperature_c": 400}, NOON))
    with pytest.raises(ValueError, match="there is no meter type 'multical9'"):
        meter_type("multical9")


def test_needs_is_enough():
    for kind in TYPES.values():
        sample = Sample(dict.fromkeys(kind.needs, 1), NOON)
        assert len(kind.full(sample)) < 230, kind.name
        for code in kind.needs:
            with pytest.raises(ValueError, match=code):
                kind.full(Sample(dict.fromkeys(set(kind.needs) - {code}, 1), NOON))


def real_datagrams():
    if not CONFORMANCE.exists():
        return
    for line in CONFORMANCE.read_text().splitlines():
        row = json.loads(line)
        if row["already_decrypted"] and row["ci_chain"].startswith("8D"):
            yield bytes.fromhex(row["telegram"])


@pytest.mark.skipif(not CONFORMANCE.exists(), reason="the collection of real telegrams is not here")
def test_real_frames_hold_the_crc_we_would_write():
    checked = compact = 0
    by_signature = {kind.signature: kind for kind in TYPES.values()}
    for frame in real_datagrams():
        content = frame[19:]
        assert frames.crc(content) == int.from_bytes(frame[17:19], "little")
        checked += 1
        if content[0] == 0x79:
            kind = by_signature.get(int.from_bytes(content[1:3], "little"))
            if kind is None:
                continue
            values, full = content[5:], b""
            sizes = {1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 6: 6}
            for header in kind.headers:
                size = sizes[header[0] & 15]
                full += header + values[:size]
                values = values[size:]
            assert not values
            assert frames.crc(full) == int.from_bytes(content[3:5], "little")
            compact += 1
    assert checked > 15
    assert compact > 5
