"""Records become registers, dated values and info codes: hand-made records, and every family's samples."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlas.decode.families import (
    MEDIA,
    as_sent,
    assign,
    can_remote_disconnect,
    canonical,
    find,
    interpret,
    medium,
    sensor_errors,
    status_meanings,
)
from avlas.decode.family_files import shipped
from avlas.decode.family_samples import differences
from avlas.decode.types import Address, Header, Record

HEAT, COOLING, HEAT_COOLING, WATER, ELECTRICITY, ALLOCATOR = 0x04, 0x0A, 0x0D, 0x07, 0x02, 0x08


def header(manufacturer="XYZ", version=1, device_type=HEAT, status=None):
    who = Address(manufacturer, "12345678", version, device_type, bytes(8))
    return Header(who, who, 0x7A, (0x7A,), 1, status, "none", None)


def record(key, value, unit="", **more):
    """A record with VIF ``key`` ("06", "FB00", "FF07") and VIFEs as they would be sent."""
    vife = more.pop("vife", ())
    codes = bytes.fromhex(key)
    vib = more.pop("vib", None) or (
        bytes([codes[-1] | 0x80, *[code | 0x80 for code in vife[:-1]], vife[-1]]) if vife else codes
    )
    defaults = {"vib": vib, "vif_key": key, "vife": tuple(vife), "dib": b"\x04"}
    return Record(quantity="", unit=unit, value=value, **{**defaults, **more})


def registers(records, **who):
    return interpret(header(**who), records).registers


SAMPLES = [(family, sample) for family in shipped() for sample in family.samples]


@pytest.mark.parametrize(
    ("family", "sample"), SAMPLES, ids=[f"{family.name}: {sample.title}" for family, sample in SAMPLES]
)
def test_sample_of_a_family_file(family, sample):
    assert {"id", "model", "medium", "info_codes", "registers"} <= set(sample.expect)
    assert differences(family, sample) == []


def test_every_family_has_a_sample():
    assert {family.name for family, _sample in SAMPLES} == {family.name for family in shipped()}


@pytest.mark.parametrize(
    ("key", "value", "unit", "kwh", "sent"),
    [
        ("06", 165, "kWh", 165, ("kWh", 0)),
        ("05", Decimal("16.5"), "kWh", Decimal("16.5"), ("kWh", 1)),
        ("07", Decimal("17E1"), "kWh", 170, ("MWh", 2)),
        ("FB00", Decimal("1.7"), "MWh", 1700, ("MWh", 1)),
        ("0E", Decimal("3.600"), "GJ", 1000, ("GJ", 3)),
        ("0E", 3600, "MJ", 1000, ("GJ", 3)),
        ("0F", Decimal("161.72"), "GJ", Decimal("44922.222222222"), ("GJ", 2)),
        ("FB0D", 2, "Mcal", Decimal("2.326"), ("Mcal", 0)),
    ],
)
def test_energy_in_kwh_whatever_the_meter_sends(key, value, unit, kwh, sent):
    found = interpret(header(), [record(key, value, unit)])
    assert found.registers == {"energy_heat_kwh": kwh}
    assert found.sent == {"energy_heat_kwh": sent}


@given(st.integers(0, 10**8 - 1), st.sampled_from([("GJ", 3), ("GJ", 2), ("kWh", 1), ("MWh", 3), ("m³", 2)]))
def test_the_figure_on_the_display_comes_back_exactly(count, form):
    unit, decimals = form
    shown = Decimal(count).scaleb(-decimals)
    kept, _unit = canonical(shown, unit)
    assert as_sent(kept, unit, decimals) == shown
    assert as_sent(float(kept), unit, decimals) == shown


def test_unit_without_a_canonical_one():
    assert canonical(Decimal(1), "furlong") is None


def test_register_is_storage_0_tariff_0_subunit_0_and_instantaneous():
    assert registers(
        [
            record("06", 9, "kWh", storage=1),
            record("06", 8, "kWh", tariff=1),
            record("06", 7, "kWh", subunit=1),
            record("06", 6, "kWh", function="maximum"),
            record("06", 5, "kWh"),
            record("06", 4, "kWh"),
        ]
    ) == {"energy_heat_kwh": 5}


@pytest.mark.parametrize(
    ("device_type", "vife", "code"),
    [
        (HEAT, (), "energy_heat_kwh"),
        (HEAT, (0x3C,), "energy_cooling_kwh"),
        (COOLING, (), "energy_cooling_kwh"),
        (HEAT_COOLING, (0x3B,), "energy_heat_kwh"),
        (HEAT_COOLING, (0x3C,), "energy_cooling_kwh"),
        (ELECTRICITY, (), "electricity_import_kwh"),
        (ELECTRICITY, (0x3C,), "electricity_export_kwh"),
        (ELECTRICITY, (0x75,), "electricity_import_kwh"),  # a corrected scale is in the value already
        (ELECTRICITY, (0x7C, 0x01), None),  # phase L1 alone is not the meter's register
        (HEAT, (0x7F, 0x09), None),  # what the maker means by it nobody knows
    ],
)
def test_energy_by_medium_and_direction(device_type, vife, code):
    found = registers([record("06", 12, "kWh", vife=vife)], device_type=device_type)
    assert found == ({code: 12} if code else {})


def test_heat_and_cooling_in_one_meter():
    by_tariff = [record("06", 517, "kWh"), record("06", 6042, "kWh", tariff=1)]
    in_a_row = [record("06", 517, "kWh"), record("06", 6042, "kWh")]
    wanted = {"energy_heat_kwh": 517, "energy_cooling_kwh": 6042}
    assert registers(by_tariff, device_type=HEAT_COOLING) == wanted
    assert registers(in_a_row, device_type=HEAT_COOLING) == wanted


def test_the_standard_quantities_of_a_heat_meter():
    found = registers(
        [
            record("13", Decimal("5.450"), "m³"),
            record("3B", Decimal("0.018"), "m³/h"),
            record("2B", Decimal("2.2"), "kW"),
            record("59", Decimal("53.28"), "°C"),
            record("5D", Decimal("23.04"), "°C"),
            record("61", Decimal("30.24"), "K"),
            record("22", 90, "h"),
            record("26", 80, "h"),
            record("22", 3, "h", function="error"),
        ]
    )
    assert found == {
        "volume_m3": Decimal("5.450"),
        "volume_flow_m3h": Decimal("0.018"),
        "power_kw": Decimal("2.2"),
        "flow_temperature_c": Decimal("53.28"),
        "return_temperature_c": Decimal("23.04"),
        "temperature_difference_k": Decimal("30.24"),
        "operating_hours": 80,
        "error_hours": 3,
    }


def test_units_become_canonical():
    found = registers(
        [record("40", Decimal("0.5"), "m³/min"), record("24", 7200, "s"), record("33", 36, "MJ/h")]
    )
    assert found == {"volume_flow_m3h": 30, "operating_hours": 2, "power_kw": 10}


def test_electricity_tariffs_and_powers():
    found = registers(
        [
            record("03", 25011, "kWh", tariff=1),
            record("03", 18530, "kWh", tariff=2),
            record("2B", Decimal("1.732"), "kW"),
            record("2B", Decimal("0.5"), "kW", vife=(0x3C,)),
            record("FB02", 63, "kvarh"),
            record("FB02", 458, "kvarh", vife=(0x3C,)),
        ],
        device_type=ELECTRICITY,
    )
    assert found == {
        "tariff_2": 18530,
        "power_kw": Decimal("1.732"),
        "power_export_kw": Decimal("0.5"),
        "reactive_import_kvarh": 63,
        "reactive_export_kvarh": 458,
    }


def test_allocators_and_room_sensors():
    assert registers([record("6E", 166)], device_type=ALLOCATOR) == {"heat_cost_units": 166}
    assert registers([record("6E", 166)], device_type=HEAT) == {}
    found = registers(
        [record("65", Decimal("23.34"), "°C"), record("FB1A", Decimal("45.1"), "%")], device_type=0x1B
    )
    assert found == {"ambient_temperature_c": Decimal("23.34"), "humidity_pct": Decimal("45.1")}


def test_a_value_without_a_number_is_no_register():
    records = [
        record("06", None, "kWh", error="BCD digit A"),
        record("13", 5, "m³", error="record error: data error"),
        record("59", "hot", "°C"),
        record("5D", 20, "°F"),
    ]
    assert registers(records) == {}
    assert assign(header(), records) == ("", "", "", "")


def test_an_address_that_names_no_medium_is_judged_by_what_it_sends():
    sent = [record("06", 10, "kWh"), record("13", 2, "m³")]
    assert registers(sent, device_type=0x37)["energy_heat_kwh"] == 10
    assert registers([record("06", 10, "kWh")], device_type=0x37) == {}


@pytest.mark.parametrize(
    ("who", "sent", "at"),
    [
        ({}, date(2025, 12, 31), datetime(2026, 1, 1)),  # the last day of a month means its end
        ({}, date(2026, 1, 1), datetime(2026, 1, 1)),
        ({}, date(2026, 3, 14), datetime(2026, 3, 14)),
        ({}, datetime(2021, 5, 31, 23, 59), datetime(2021, 6, 1)),
        ({}, datetime(2021, 5, 31, 12, 0), datetime(2021, 5, 31, 12)),
        ({"manufacturer": "KAM", "version": 0x1C}, date(2026, 3, 14), datetime(2026, 3, 15)),  # 602: 24:00
        ({"manufacturer": "KAM", "version": 0x34}, date(2026, 1, 31), datetime(2026, 1, 31)),  # 403: 00:00
    ],
)
def test_when_a_target_value_was_stored(who, sent, at):
    key = "6D" if isinstance(sent, datetime) else "6C"
    found = interpret(header(**who), [record("06", 7, "kWh", storage=1), record(key, sent, storage=1)])
    assert [(dated.at, dated.registers, dated.sent) for dated in found.dated] == [
        (at, {"energy_heat_kwh": 7}, {"energy_heat_kwh": ("kWh", 0)})
    ]
    assert found.registers == {}


def test_each_storage_has_its_own_date_and_one_without_gives_nothing():
    found = interpret(
        header(),
        [
            record("06", 7, "kWh", storage=1),
            record("6C", date(2026, 1, 1), storage=1),
            record("06", 6, "kWh", storage=2),
            record("06", 5, "kWh", storage=3),
            record("6C", date(2025, 12, 1), storage=3),
            record("6C", None, storage=2, error="no value"),
        ],
    )
    assert [(d.storage, d.at, d.registers) for d in found.dated] == [
        (3, datetime(2025, 12, 1), {"energy_heat_kwh": 5}),
        (1, datetime(2026, 1, 1), {"energy_heat_kwh": 7}),
    ]


def test_values_of_a_load_profile_carry_their_own_time():
    found = interpret(
        header(),
        [record("06", n, "kWh", storage=n, at=datetime(2026, 2, 1, n)) for n in (1, 2)]
        + [record("06", 9, "kWh")],
    )
    assert [(d.at.hour, d.registers["energy_heat_kwh"]) for d in found.dated] == [(1, 1), (2, 2)]
    assert found.registers == {"energy_heat_kwh": 9}


def test_monthly_profile_that_ends_on_last_days_means_the_ends_of_the_days():
    months = [date(2025, 11, 30), date(2025, 10, 31), date(2025, 9, 30)]
    base = [record("6C", date(2025, 12, 31), storage=1), record("06", 40, "kWh", storage=1)]
    profile = [
        record("06", 30 - n, "kWh", storage=2 + n, at=datetime(day.year, day.month, day.day))
        for n, day in enumerate(months)
    ]
    found = interpret(header(), base + profile)
    assert [d.at for d in found.dated] == [
        datetime(y, m, 1) for y, m in ((2025, 10), (2025, 11), (2025, 12), (2026, 1))
    ]


def test_meter_time_is_the_clock_not_a_date():
    clock = datetime(2026, 2, 14, 7, 30)
    assert interpret(header(), [record("6D", clock)]).meter_time == clock
    assert interpret(header(), [record("6D", clock, storage=1)]).meter_time is None
    assert interpret(header(), [record("6C", date(2026, 2, 14))]).meter_time is None


KAM_403, KAM_602, KAM_21 = (("KAM", 0x34, 4), ("KAM", 0x1C, 4), ("KAM", 0x1B, 0x16))


def info(who, vib, data):
    manufacturer, version, device_type = who
    sent = record("FF22", 0, vib=bytes.fromhex(vib), dib=bytes([len(data)]), data=data)
    return interpret(header(manufacturer, version, device_type), [sent])


def test_the_same_number_means_different_things_in_602_and_403():
    assert [c.code for c in info(KAM_602, "FD17", b"\x00\x01").info_codes] == ["heating_leak"]
    assert [c.code for c in info(KAM_403, "FF22", b"\x00\x01\x00\x00").info_codes] == ["v1_air"]
    assert [c.code for c in info(KAM_403, "FF22", b"\x00\x01").info_codes] == ["v1_air"]  # short telegrams


def test_the_highest_bit_of_an_info_code_is_a_bit_and_no_minus():
    found = info(KAM_403, "FF22", b"\x00\x00\x00\x80")
    assert found.info_code == 0x80000000
    assert [c.code for c in found.info_codes] == ["leak_penetration"]


def test_alarms_come_before_notices_and_unknown_bits_are_shown():
    found = info(KAM_403, "FF22", (0x0400 | 0x0002 | 0x0100).to_bytes(4, "little"))
    assert [(c.code, c.severity) for c in found.info_codes] == [
        ("v1_air", 3),
        ("low_battery", 2),
        ("unknown_bit_10", 1),
    ]


@pytest.mark.parametrize(
    ("step", "english"),
    [
        (1, "1-8 hours"),
        (2, "9-24 hours"),
        (3, "2-3 days"),
        (4, "4-7 days"),
        (5, "8-14 days"),
        (6, "15-21 days"),
    ],
)
def test_how_long_a_water_info_code_was_active(step, english):
    found = info(KAM_21, "FF20", (step << 10).to_bytes(2, "little"))
    assert [(c.source, c.en) for c in found.info_codes] == [
        ("history", f"Leak has been recorded for {english} within the last 30 days")
    ]


def test_active_and_recorded_leak():
    found = info(KAM_21, "FF20", (0x4 | 7 << 10).to_bytes(2, "little"))
    assert [(c.code, c.source) for c in found.info_codes] == [
        ("leak", "info_code"),
        ("leak_recorded_22_31_days", "history"),
    ]
    assert found.info_codes[1].en == "Leak has been recorded for more than 21 days within the last 30 days"
    assert found.info_codes[1].sv == "Läcka har registrerats i mer än 21 dygn under de senaste 30 dygnen"


def test_error_flags_of_a_meter_without_family():
    flags = record("FD17", 0x24, dib=b"\x02", data=b"\x24\x00")
    found = interpret(header(), [flags])
    assert found.info_code == 0x24
    assert [(c.code, c.en) for c in found.info_codes] == [
        ("error_flags", "Error flags 0x24; what they mean is not known for this type of meter")
    ]
    clean = interpret(header(), [record("FD17", 0, dib=b"\x02", data=b"\x00\x00")])
    assert (clean.info_code, clean.info_codes) == (0, ())


def test_no_info_code_is_not_a_clean_one():
    assert interpret(header(), []).info_code is None


@pytest.mark.parametrize(
    ("status", "codes"),
    [
        (None, []),
        (0x00, []),
        (0x01, ["application_busy"]),
        (0x02, ["application_error"]),
        (0x03, ["abnormal_condition"]),
        (0x04, ["power_low"]),
        (0x14, ["power_low", "temporary_error"]),
        (0x0B, ["abnormal_condition", "permanent_error"]),
        (0xE0, []),
    ],
)
def test_status_byte(status, codes):
    meanings = status_meanings(status)
    assert [meaning.code for meaning in meanings] == codes
    assert all(meaning.source == "status" for meaning in meanings)
    assert interpret(header(status=status), []).info_codes == meanings


def test_models_by_address():
    def model(*who):
        found = find(Address(who[0], "1", who[1], who[2], b""))
        return found[1].model if found else None

    assert model("KAM", 0x30, 0x04) == "MULTICAL 302"
    assert model("KAM", 0x30, 0x02) == "OMNIPOWER"  # the version alone does not tell
    assert model("KAW", 0x3A, 0x16) == "flowIQ 2200"
    assert model("KAM", 0x99, 0x04) is None
    assert find(None) is None


def test_kamstrup_inputs_tariffs_and_high_resolution():
    found = interpret(
        header("KAM", 0x35),
        [
            record("FF07", 299, vib=b"\xff\x07"),
            record("FF08", 156, vib=b"\xff\x08"),
            record("14", Decimal("8.23"), "m³", subunit=1),
            record("06", 17, "kWh", subunit=2),
            record("06", 40, "kWh", tariff=1),
            record("FB08", Decimal("3.6"), "GJ", vib=b"\xfb\x08"),
        ],
    )
    assert found.registers == {
        "energy_flow_m3c": 299,
        "energy_return_m3c": 156,
        "input_a": Decimal("8.23"),
        "input_b": 17,
        "tariff_2": 40,
        "energy_heat_kwh": 1000,
    }
    assert found.sent["input_a"] == ("m³", 2)  # what an input counts stands here
    assert found.sent["input_b"] == ("kWh", 0)


def test_sensor_errors_only_for_families_that_say_so():
    values = {
        "flow_temperature_c": Decimal("185.00"),
        "return_temperature_c": Decimal("0.00"),
        "volume_m3": Decimal(0),
    }
    assert sensor_errors("multical_403", values) == {"flow_temperature_c", "return_temperature_c"}
    assert sensor_errors("multical_602", values) == frozenset()
    assert sensor_errors("", values) == frozenset()
    assert sensor_errors("multical_403", {"flow_temperature_c": 184.99}) == frozenset()


def test_remote_disconnect():
    assert [module.number for module in can_remote_disconnect("multical_603")] == ["HC-003-22"]
    assert can_remote_disconnect("multical_602") == ()
    assert can_remote_disconnect("no such family") == ()


def test_every_medium_has_both_languages():
    for device_type in MEDIA:
        assert medium(device_type, "sv")
        assert medium(device_type, "en")
    assert medium(0x77) == "reserved"


def test_real_numbers_stay_floats():
    found = interpret(header(device_type=WATER), [record("13", 1.25, "m³", dib=b"\x05")])
    assert isinstance(found.registers["volume_m3"], float)
    assert math.isclose(float(as_sent(1.25, *found.sent["volume_m3"])), 1.25)


_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**40), 10**40),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.binary(max_size=12),
    st.dates(),
    st.datetimes(),
)
_records = st.builds(
    Record,
    quantity=st.just("x"),
    unit=st.sampled_from(["kWh", "GJ", "m³", "m³/h", "°C", "h", "", "?"]),
    value=_values,
    function=st.sampled_from(["instantaneous", "maximum", "minimum", "error"]),
    storage=st.integers(0, 3),
    tariff=st.integers(0, 3),
    subunit=st.integers(0, 3),
    dib=st.binary(max_size=2),
    vib=st.sampled_from([b"\x06", b"\xff\x22", b"\xff\x07", b"\xfd\x17", b"\x6c"]),
    data=st.binary(max_size=8),
    vif_key=st.sampled_from(["06", "13", "FD17", "FF22", "6C", "6D", "59", "0F"]),
    vife=st.lists(st.integers(0, 127), max_size=2).map(tuple),
    at=st.none() | st.datetimes(),
)


@given(
    st.lists(_records, max_size=8),
    st.sampled_from(["KAM", "XYZ"]),
    st.sampled_from([0x34, 0x08, 0x1B]),
    st.sampled_from([HEAT, HEAT_COOLING, ELECTRICITY, 0x16]),
    st.none() | st.integers(0, 255),
)
def test_interpretation_never_fails(records, manufacturer, version, device_type, status):
    head = header(manufacturer, version, device_type, status)
    found = interpret(head, records)
    assert set(found.sent) == set(found.registers)
    assert len(assign(head, records)) == len(records)
