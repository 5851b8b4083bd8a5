"""Every VIF and VIFE of EN 13757-3:2018 with at least one vector; the raw number is 12345 unless given."""

from __future__ import annotations

from decimal import Decimal
from math import isclose

import pytest
from tests.decode.by_hand import full

from avlas.decode import telegram, vif

RAW = 12345
DATA = "39300000"

# (clause, prefix, first code, count, quantity, unit people write, value of the first code; x 10 per code)
SCALES = [
    ("table 10 E000 0nnn 10^(nnn-3) Wh", "", 0x00, 8, "energy", "kWh", "0.012345"),
    ("table 10 E000 1nnn 10^nnn J", "", 0x08, 8, "energy", "GJ", "0.000012345"),
    ("table 10 E001 0nnn 10^(nnn-6) m³", "", 0x10, 8, "volume", "m³", "0.012345"),
    ("table 10 E001 1nnn 10^(nnn-3) kg", "", 0x18, 8, "mass", "kg", "12.345"),
    ("table 10 E010 1nnn 10^(nnn-3) W", "", 0x28, 8, "power", "kW", "0.012345"),
    ("table 10 E011 0nnn 10^nnn J/h", "", 0x30, 8, "power", "GJ/h", "0.000012345"),
    ("table 10 E011 1nnn 10^(nnn-6) m³/h", "", 0x38, 8, "volume_flow", "m³/h", "0.012345"),
    ("table 10 E100 0nnn 10^(nnn-7) m³/min", "", 0x40, 8, "volume_flow", "m³/min", "0.0012345"),
    ("table 10 E100 1nnn 10^(nnn-9) m³/s", "", 0x48, 8, "volume_flow", "m³/s", "0.000012345"),
    ("table 10 E101 0nnn 10^(nnn-3) kg/h", "", 0x50, 8, "mass_flow", "kg/h", "12.345"),
    ("table 10 E101 10nn 10^(nn-3) °C", "", 0x58, 4, "flow_temperature", "°C", "12.345"),
    ("table 10 E101 11nn 10^(nn-3) °C", "", 0x5C, 4, "return_temperature", "°C", "12.345"),
    ("table 10 E110 00nn 10^(nn-3) K", "", 0x60, 4, "temperature_difference", "K", "12.345"),
    ("table 10 E110 01nn 10^(nn-3) °C", "", 0x64, 4, "external_temperature", "°C", "12.345"),
    ("table 10 E110 10nn 10^(nn-3) bar", "", 0x68, 4, "pressure", "bar", "12.345"),
    ("table 14 E000 000n 10^(n-1) MWh", "FB", 0x00, 2, "energy", "MWh", "1234.5"),
    ("table 14 E000 001n 10^n kvarh", "FB", 0x02, 2, "reactive_energy", "kvarh", "12345"),
    ("table 14 E000 010n 10^n kVAh", "FB", 0x04, 2, "apparent_energy", "kVAh", "12345"),
    ("table 14 E000 100n 10^(n-1) GJ", "FB", 0x08, 2, "energy", "GJ", "1234.5"),
    ("table 14 E000 11nn 10^(nn-1) MCal", "FB", 0x0C, 4, "energy", "Mcal", "1234.5"),
    ("table 14 E001 000n 10^(n+2) m³", "FB", 0x10, 2, "volume", "m³", "1234500"),
    ("table 14 E001 01nn 10^(nn-3) kvar", "FB", 0x14, 4, "reactive_power", "kvar", "12.345"),
    ("table 14 E001 100n 10^(n+2) t", "FB", 0x18, 2, "mass", "t", "1234500"),
    ("table 14 E001 101n 10^(n-1) %", "FB", 0x1A, 2, "relative_humidity", "%", "1234.5"),
    ("table 14 E010 0000 ft³", "FB", 0x20, 1, "volume", "ft³", "12345"),
    ("table 14 E010 0001 0.1 ft³", "FB", 0x21, 1, "volume", "ft³", "1234.5"),
    ("table 14 E010 100n 10^(n-1) MW", "FB", 0x28, 2, "power", "MW", "1234.5"),
    ("table 14 E010 1010 0.1° U-U", "FB", 0x2A, 1, "phase_voltage_to_voltage", "°", "1234.5"),
    ("table 14 E010 1011 0.1° U-I", "FB", 0x2B, 1, "phase_voltage_to_current", "°", "1234.5"),
    ("table 14 E010 11nn 10^(nn-3) Hz", "FB", 0x2C, 4, "frequency", "Hz", "12.345"),
    ("table 14 E011 000n 10^(n-1) GJ/h", "FB", 0x30, 2, "power", "GJ/h", "1234.5"),
    ("table 14 E011 01nn 10^(nn-3) kVA", "FB", 0x34, 4, "apparent_power", "kVA", "12.345"),
    ("table 14 E101 10nn 10^(nn-3) °F", "FB", 0x58, 4, "flow_temperature", "°F", "12.345"),
    ("table 14 E101 11nn 10^(nn-3) °F", "FB", 0x5C, 4, "return_temperature", "°F", "12.345"),
    ("table 14 E110 00nn 10^(nn-3) °F", "FB", 0x60, 4, "temperature_difference", "°F", "12.345"),
    ("table 14 E110 01nn 10^(nn-3) °F", "FB", 0x64, 4, "external_temperature", "°F", "12.345"),
    ("table 14 E111 00nn 10^(nn-3) °F", "FB", 0x70, 4, "temperature_limit", "°F", "12.345"),
    ("table 14 E111 01nn 10^(nn-3) °C", "FB", 0x74, 4, "temperature_limit", "°C", "12.345"),
    ("table 14 E111 1nnn 10^(nnn-3) W", "FB", 0x78, 8, "maximum_power_total", "kW", "0.012345"),
    ("table 12 E000 00nn 10^(nn-3) credit", "FD", 0x00, 4, "credit", "currency", "12.345"),
    ("table 12 E000 01nn 10^(nn-3) debit", "FD", 0x04, 4, "debit", "currency", "12.345"),
    ("table 12 E100 nnnn 10^(nnnn-9) V", "FD", 0x40, 16, "voltage", "V", "0.000012345"),
    ("table 12 E101 nnnn 10^(nnnn-12) A", "FD", 0x50, 16, "current", "A", "0.000000012345"),
    ("table 13 E011 1110 %", "FDFD", 0x3E, 1, "moisture", "%", "12345"),
    ("table 13 E011 1111 0.1 %", "FDFD", 0x3F, 1, "moisture", "%", "1234.5"),
]

# codes whose number counts as it is: prefix, first code, [(quantity, unit), ...] one after the other
COUNTS = [
    ("", 0x20, [("on_time", unit) for unit in ("s", "min", "h", "d")]),
    ("", 0x24, [("operating_time", unit) for unit in ("s", "min", "h", "d")]),
    ("", 0x6E, [("heat_cost_units", "")]),
    ("", 0x70, [("averaging_duration", unit) for unit in ("s", "min", "h", "d")]),
    ("", 0x74, [("actuality_duration", unit) for unit in ("s", "min", "h", "d")]),
    ("", 0x78, [("fabrication_number", ""), ("enhanced_identification", ""), ("bus_address", "")]),
    ("", 0x7E, [("any_vif", ""), ("manufacturer_specific", "")]),
    ("FD", 0x08, [("access_number", ""), ("device_type", ""), ("manufacturer", ""), ("parameter_set", "")]),
    ("FD", 0x0C, [(f"{part}_version", "") for part in ("model", "hardware", "firmware", "software")]),
    ("FD", 0x10, [("customer_location", ""), ("customer", ""), ("access_code_user", "")]),
    ("FD", 0x13, [("access_code_operator", ""), ("access_code_system_operator", "")]),
    ("FD", 0x15, [("access_code_developer", ""), ("password", ""), ("error_flags", ""), ("error_mask", "")]),
    ("FD", 0x19, [("security_key", ""), ("digital_output", ""), ("digital_input", ""), ("baud_rate", "Bd")]),
    ("FD", 0x1D, [("response_delay", "bit times"), ("retries", ""), ("remote_control", "")]),
    ("FD", 0x20, [("first_storage_number", ""), ("last_storage_number", ""), ("storage_block_size", "")]),
    ("FD", 0x23, [("tariff_and_subunit_descriptor", "")]),
    ("FD", 0x24, [("storage_interval", unit) for unit in ("s", "min", "h", "d", "month", "year")]),
    ("FD", 0x2A, [("operator_specific", ""), ("time_point_second", "s")]),
    ("FD", 0x2C, [("time_since_readout", unit) for unit in ("s", "min", "h", "d")]),
    ("FD", 0x31, [("tariff_duration", unit) for unit in ("min", "h", "d")]),
    ("FD", 0x34, [("tariff_period", unit) for unit in ("s", "min", "h", "d", "month", "year")]),
    ("FD", 0x3A, [("dimensionless", ""), ("radio_data_container", "")]),
    ("FD", 0x3C, [("transmission_period", unit) for unit in ("s", "min", "h", "d")]),
    ("FD", 0x60, [("reset_counter", ""), ("cumulation_counter", ""), ("control_signal", "")]),
    ("FD", 0x63, [("day_of_week", ""), ("week_number", "")]),
    ("FD", 0x66, [("parameter_activation_state", ""), ("special_supplier_information", "")]),
    ("FD", 0x68, [("time_since_cumulation", unit) for unit in ("h", "d", "month", "year")]),
    ("FD", 0x6C, [("battery_operating_time", unit) for unit in ("h", "d", "month", "year")]),
    ("FD", 0x72, [("daylight_saving", ""), ("listening_window", ""), ("battery_time_left", "d")]),
    ("FD", 0x75, [("stop_counter", ""), ("manufacturer_data_container", "")]),
    ("FDFD", 0x00, [("selected_application", "")]),
    ("FDFD", 0x02, [("battery_time_left", "month"), ("battery_time_left", "year")]),
]
TIMES = [
    ("", 0x6C, "date"),
    ("", 0x6D, "datetime"),
    ("FD", 0x30, "tariff_start"),
    ("FD", 0x70, "battery_change"),
]
TIMES += [("FD", 0x65, "day_change")]


def only(records: str):
    found = telegram(full(records)).records
    assert len(found) == 1, found
    return found[0]


def scales():
    for clause, prefix, first, count, quantity, unit, value in SCALES:
        for n in range(count):
            yield pytest.param(
                prefix, first + n, quantity, unit, Decimal(value).scaleb(n), id=f"{clause} {first + n:02X}"
            )


@pytest.mark.parametrize(("prefix", "code", "quantity", "unit", "value"), list(scales()))
def test_scaled_vifs(prefix, code, quantity, unit, value):
    record = only(f"04 {prefix} {code:02X} {DATA}")
    assert (record.quantity, record.unit, record.error) == (quantity, unit, "")
    assert record.value == value
    assert record.vif_key == f"{prefix}{code:02X}"
    real = only(f"05 {prefix} {code:02X} 00E44046")  # 12345.0 as IEEE 754
    assert isclose(real.value, float(value), rel_tol=1e-12)


@pytest.mark.parametrize(
    ("prefix", "code", "quantity", "unit"),
    [
        pytest.param(prefix, first + n, quantity, unit, id=f"{prefix}{first + n:02X}")
        for prefix, first, rows in COUNTS
        for n, (quantity, unit) in enumerate(rows)
    ],
)
def test_counted_vifs(prefix, code, quantity, unit):
    record = only(f"04 {prefix} {code:02X} {DATA}")
    assert (record.quantity, record.unit, record.value, record.error) == (quantity, unit, RAW, "")


@pytest.mark.parametrize(("prefix", "code", "quantity"), TIMES)
def test_vifs_of_time(prefix, code, quantity):
    record = only(f"04 {prefix} {code:02X} 1E 0A D7 2B")  # 10:30 on 23 November 2022, type F
    assert (record.quantity, record.unit, str(record.value)) == (quantity, "", "2022-11-23 10:30:00")


def test_signal_strength_counts_down_from_minus_130_dbm():
    record = only("01 FD71 1E")
    assert (record.quantity, record.value, record.unit) == ("signal_strength", -70, "dBm")


def test_every_vif_of_the_tables_has_a_vector():
    seen = {(prefix, first + n) for _, prefix, first, count, *_ in SCALES for n in range(count)}
    seen |= {(prefix, first + n) for prefix, first, rows in COUNTS for n in range(len(rows))}
    seen |= {(prefix, code) for prefix, code, _ in TIMES} | {("FD", 0x71)}
    tables = {"": vif.PRIMARY, "FB": vif.EXTENSION_FB, "FD": vif.EXTENSION_FD, "FDFD": vif.EXTENSION_FDFD}
    assert seen == {(prefix, code) for prefix, table in tables.items() for code in table}


@pytest.mark.parametrize("vib", ["6F", "FB22", "FB40", "FD77", "FDFD10"])
def test_reserved_codes_keep_their_number(vib):
    record = only(f"04 {vib} {DATA}")
    assert (record.quantity, record.value) == ("reserved", RAW)


# tables 15 to 17: orthogonal VIFEs behind a volume in litres (93) that sent 12345

VIFES = [
    ("00", "m³", "12.345", ()),
    ("12", "m³", "12.345", ("average",)),
    ("14", "m³", "12.345", ("relative deviation",)),
    ("1D", "m³", "12.345", ("standard conform data content",)),
    ("20", "m³/s", "12.345", ("per s",)),
    ("21", "m³/min", "12.345", ("per min",)),
    ("22", "m³/h", "12.345", ("per h",)),
    ("23", "m³/d", "12.345", ("per d",)),
    ("24", "m³/week", "12.345", ("per week",)),
    ("25", "m³/month", "12.345", ("per month",)),
    ("26", "m³/year", "12.345", ("per year",)),
    ("27", "m³/revolution", "12.345", ("per revolution",)),
    ("28", "m³/input pulse on channel 0", "12.345", ("per input pulse on channel 0",)),
    ("29", "m³/input pulse on channel 1", "12.345", ("per input pulse on channel 1",)),
    ("2A", "m³/output pulse on channel 0", "12.345", ("per output pulse on channel 0",)),
    ("2B", "m³/output pulse on channel 1", "12.345", ("per output pulse on channel 1",)),
    ("2C", "m³/l", "12.345", ("per l",)),
    ("2D", "m³/m³", "12.345", ("per m³",)),
    ("2E", "m³/kg", "12.345", ("per kg",)),
    ("2F", "m³/K", "12.345", ("per K",)),
    ("30", "m³/kWh", "12.345", ("per kWh",)),
    ("31", "m³/GJ", "12.345", ("per GJ",)),
    ("32", "m³/kW", "12.345", ("per kW",)),
    ("33", "m³/(K·l)", "12.345", ("per (K·l)",)),
    ("34", "m³/V", "12.345", ("per V",)),
    ("35", "m³/A", "12.345", ("per A",)),
    ("36", "m³·s", "12.345", ("times s",)),
    ("37", "m³·s/V", "12.345", ("times s/V",)),
    ("38", "m³·s/A", "12.345", ("times s/A",)),
    ("3A", "m³", "12.345", ("uncorrected",)),
    ("3B", "m³", "12.345", ("forward flow",)),
    ("3C", "m³", "12.345", ("backward flow",)),
    ("3D", "m³", "12.345", ("alternate unit system",)),
    ("3E", "m³", "12.345", ("at base conditions",)),
    ("3F", "m³", "12.345", ("OBIS declaration",)),
    ("40", "m³", "12.345", ("lower limit",)),
    ("48", "m³", "12.345", ("upper limit",)),
    ("41", "", "12345", ("number of exceeds of lower limit",)),
    ("49", "", "12345", ("number of exceeds of upper limit",)),
    ("50", "s", "12345", ("duration of first exceed of lower limit",)),
    ("56", "h", "12345", ("duration of last exceed of lower limit",)),
    ("5B", "d", "12345", ("duration of first exceed of upper limit",)),
    ("5D", "min", "12345", ("duration of last exceed of upper limit",)),
    ("61", "min", "12345", ("duration of first",)),
    ("66", "h", "12345", ("duration of last",)),
    ("68", "m³", "12.345", ("value during lower limit exceed",)),
    ("69", "m³", "12.345", ("leakage",)),
    ("6C", "m³", "12.345", ("value during upper limit exceed",)),
    ("6D", "m³", "12.345", ("overflow",)),
    ("70", "m³", "0.000012345", ()),
    ("76", "m³", "12.345", ()),
    ("77", "m³", "123.45", ()),
    ("78", "m³", "12.346", ()),
    ("7B", "m³", "13.345", ()),
    ("7D", "m³", "12345", ()),
    ("7E", "m³", "12.345", ("future value",)),
    ("FC01", "m³", "12.345", ("at phase L1",)),
    ("FC02", "m³", "12.345", ("at phase L2",)),
    ("FC03", "m³", "12.345", ("at phase L3",)),
    ("FC04", "m³", "12.345", ("at neutral",)),
    ("FC05", "m³", "12.345", ("between L1 and L2",)),
    ("FC06", "m³", "12.345", ("between L2 and L3",)),
    ("FC07", "m³", "12.345", ("between L3 and L1",)),
    ("FC08", "m³", "12.345", ("at quadrant Q1",)),
    ("FC09", "m³", "12.345", ("at quadrant Q2",)),
    ("FC0A", "m³", "12.345", ("at quadrant Q3",)),
    ("FC0B", "m³", "12.345", ("at quadrant Q4",)),
    ("FC0C", "m³", "12.345", ("delta between import and export",)),
    ("FC10", "m³", "12.345", ("absolute",)),
    ("FC11", "m³", "12.345", ("type C",)),
    ("FC12", "m³", "12.345", ("type D",)),
    ("FC13", "m³", "12.345", ("from partner to meter",)),
    ("FC14", "m³", "12.345", ("from meter to partner",)),
    ("FFA207", "m³", "12.345", ("manufacturer's 22", "manufacturer's 07")),
    ("BC FC02", "m³", "12.345", ("backward flow", "at phase L2")),
    ("BB77", "m³", "123.45", ("forward flow",)),
]


@pytest.mark.parametrize(("vife", "unit", "value", "modifiers"), VIFES)
def test_orthogonal_vifes(vife, unit, value, modifiers):
    record = only(f"04 93 {vife} {DATA}")
    assert (record.unit, record.value, record.modifiers) == (unit, Decimal(value), modifiers)
    assert record.quantity == "volume"
    assert record.vif_key == "13"
    assert record.vife == tuple(byte & 0x7F for byte in bytes.fromhex(vife))


def test_a_rate_per_time_stays_a_rate():
    """OMS: "94 8001 AE 25" is the largest power of a month, not a power per month."""
    record = only("14 AE25 07000000")
    assert (record.value, record.unit, record.modifiers) == (7, "kW", ("per month",))


def test_the_additive_constant_counts_in_the_tables_unit():
    assert only("04 8378 64000000").value == Decimal("0.100001")  # 100 Wh + 0.001 Wh
    assert only("04 837B 64000000").value == Decimal("0.101")  # 100 Wh + 1 Wh


@pytest.mark.parametrize("vife", ["39", "42", "43", "46", "47", "4A", "4F", "6A", "6B", "6E", "6F"])
def test_vifes_that_make_the_value_a_date(vife):
    record = only(f"02 93 {vife} D72B")
    assert (str(record.value), record.unit) == ("2022-11-23", "")


@pytest.mark.parametrize(("code", "words"), sorted(vif.RECORD_ERRORS.items()))
def test_record_errors(code, words):
    record = only(f"04 93 {code:02X} {DATA}")
    assert (record.value, record.error) == (None, f"record error: {words}")
    assert record.data == bytes.fromhex(DATA)


def test_manufacturers_vifs_are_keyed_for_families():
    for vib, key, vife in (("FF22", "FF22", (0x22,)), ("FFA007", "FF2007", (0x20, 0x07)), ("7F", "FF", ())):
        record = only(f"04 {vib} FFFFFFFF")
        assert (record.quantity, record.vif_key, record.vife) == ("manufacturer_specific", key, vife)
        assert record.value == 0xFFFFFFFF  # info codes are bits, not negative numbers
    behind = only("04 EEFF07 01000000")
    assert (behind.vif_key, behind.vife) == ("6E", (0x7F, 0x07))
