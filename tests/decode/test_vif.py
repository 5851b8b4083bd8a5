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

SMHD = ("s", "min", "h", "d")
HDMY = ("h", "d", "month", "year")
SMHDMY = ("s", "min", "h", "d", "month", "year")
# codes whose number counts as it is: (clause, prefix, first code, [(quantity, unit), ...] one after the other)
COUNTS = [
    ("table 10 E010 00nn on time", "", 0x20, [("on_time", unit) for unit in SMHD]),
    ("table 10 E010 01nn operating time", "", 0x24, [("operating_time", unit) for unit in SMHD]),
    ("table 10 E110 1110 units for HCA", "", 0x6E, [("heat_cost_units", "")]),
    ("table 10 E111 00nn averaging duration", "", 0x70, [("averaging_duration", unit) for unit in SMHD]),
    ("table 10 E111 01nn actuality duration", "", 0x74, [("actuality_duration", unit) for unit in SMHD]),
    ("table 10 E111 1000 fabrication number", "", 0x78, [("fabrication_number", "")]),
    ("table 10 E111 1001 (enhanced) identification", "", 0x79, [("enhanced_identification", "")]),
    ("table 10 E111 1010 address", "", 0x7A, [("bus_address", "")]),
    ("table 11 E111 1110 any VIF", "", 0x7E, [("any_vif", "")]),
    ("table 11 E111 1111 manufacturer specific", "", 0x7F, [("manufacturer_specific", "")]),
    ("table 12 E000 1000 unique message identification", "FD", 0x08, [("access_number", "")]),
    ("table 12 E000 1001 device type", "FD", 0x09, [("device_type", "")]),
    ("table 12 E000 1010 manufacturer", "FD", 0x0A, [("manufacturer", "")]),
    ("table 12 E000 1011 parameter set", "FD", 0x0B, [("parameter_set", "")]),
    ("table 12 E000 1100 model / version", "FD", 0x0C, [("model_version", "")]),
    ("table 12 E000 1101 hardware version", "FD", 0x0D, [("hardware_version", "")]),
    ("table 12 E000 1110 metrology firmware version", "FD", 0x0E, [("firmware_version", "")]),
    ("table 12 E000 1111 other software version", "FD", 0x0F, [("software_version", "")]),
    ("table 12 E001 0000 customer location", "FD", 0x10, [("customer_location", "")]),
    ("table 12 E001 0001 customer", "FD", 0x11, [("customer", "")]),
    ("table 12 E001 0010 access code user", "FD", 0x12, [("access_code_user", "")]),
    ("table 12 E001 0011 access code operator", "FD", 0x13, [("access_code_operator", "")]),
    ("table 12 E001 0100 access code system operator", "FD", 0x14, [("access_code_system_operator", "")]),
    ("table 12 E001 0101 access code developer", "FD", 0x15, [("access_code_developer", "")]),
    ("table 12 E001 0110 password", "FD", 0x16, [("password", "")]),
    ("table 12 E001 0111 error flags", "FD", 0x17, [("error_flags", "")]),
    ("table 12 E001 1000 error mask", "FD", 0x18, [("error_mask", "")]),
    ("table 12 E001 1001 security key", "FD", 0x19, [("security_key", "")]),
    ("table 12 E001 1010 digital output", "FD", 0x1A, [("digital_output", "")]),
    ("table 12 E001 1011 digital input", "FD", 0x1B, [("digital_input", "")]),
    ("table 12 E001 1100 baud rate", "FD", 0x1C, [("baud_rate", "Bd")]),
    ("table 12 E001 1101 response delay time", "FD", 0x1D, [("response_delay", "bit times")]),
    ("table 12 E001 1110 retry", "FD", 0x1E, [("retries", "")]),
    ("table 12 E001 1111 remote control", "FD", 0x1F, [("remote_control", "")]),
    ("table 12 E010 0000 first storage of cyclic storage", "FD", 0x20, [("first_storage_number", "")]),
    ("table 12 E010 0001 last storage of cyclic storage", "FD", 0x21, [("last_storage_number", "")]),
    ("table 12 E010 0010 size of storage block", "FD", 0x22, [("storage_block_size", "")]),
    (
        "table 12 E010 0011 descriptor for tariff and device",
        "FD",
        0x23,
        [("tariff_and_subunit_descriptor", "")],
    ),
    (
        "table 12 E010 01nn, 100n storage interval",
        "FD",
        0x24,
        [("storage_interval", unit) for unit in SMHDMY],
    ),
    ("table 12 E010 1010 operator specific data", "FD", 0x2A, [("operator_specific", "")]),
    ("table 12 E010 1011 time point second", "FD", 0x2B, [("time_point_second", "s")]),
    (
        "table 12 E010 11nn duration since last readout",
        "FD",
        0x2C,
        [("time_since_readout", unit) for unit in SMHD],
    ),
    ("table 12 E011 00nn duration of tariff", "FD", 0x31, [("tariff_duration", unit) for unit in SMHD[1:]]),
    ("table 12 E011 01nn, 100n period of tariff", "FD", 0x34, [("tariff_period", unit) for unit in SMHDMY]),
    ("table 12 E011 1010 dimensionless", "FD", 0x3A, [("dimensionless", "")]),
    ("table 12 E011 1011 data container for wireless M-Bus", "FD", 0x3B, [("radio_data_container", "")]),
    (
        "table 12 E011 11nn period of transmissions",
        "FD",
        0x3C,
        [("transmission_period", unit) for unit in SMHD],
    ),
    ("table 12 E110 0000 reset counter", "FD", 0x60, [("reset_counter", "")]),
    ("table 12 E110 0001 cumulation counter", "FD", 0x61, [("cumulation_counter", "")]),
    ("table 12 E110 0010 control signal", "FD", 0x62, [("control_signal", "")]),
    ("table 12 E110 0011 day of week", "FD", 0x63, [("day_of_week", "")]),
    ("table 12 E110 0100 week number", "FD", 0x64, [("week_number", "")]),
    ("table 12 E110 0110 state of parameter activation", "FD", 0x66, [("parameter_activation_state", "")]),
    ("table 12 E110 0111 special supplier information", "FD", 0x67, [("special_supplier_information", "")]),
    (
        "table 12 E110 10pp since last cumulation",
        "FD",
        0x68,
        [("time_since_cumulation", unit) for unit in HDMY],
    ),
    (
        "table 12 E110 11pp operating time battery",
        "FD",
        0x6C,
        [("battery_operating_time", unit) for unit in HDMY],
    ),
    ("table 12 E111 0010 daylight saving", "FD", 0x72, [("daylight_saving", "")]),
    ("table 12 E111 0011 listening window", "FD", 0x73, [("listening_window", "")]),
    ("table 12 E111 0100 remaining battery life time", "FD", 0x74, [("battery_time_left", "d")]),
    ("table 12 E111 0101 number of stops", "FD", 0x75, [("stop_counter", "")]),
    ("table 12 E111 0110 manufacturer's data container", "FD", 0x76, [("manufacturer_data_container", "")]),
    ("table 13 E000 0000 currently selected application", "FDFD", 0x00, [("selected_application", "")]),
    (
        "table 13 E000 001p remaining battery life time",
        "FDFD",
        0x02,
        [("battery_time_left", u) for u in HDMY[2:]],
    ),
]
TIMES = [
    ("table 10 E110 1100 date", "", 0x6C, "date"),
    ("table 10 E110 1101 date and time", "", 0x6D, "datetime"),
    ("table 12 E011 0000 start of tariff", "FD", 0x30, "tariff_start"),
    ("table 12 E110 0101 time point of day change", "FD", 0x65, "day_change"),
    ("table 12 E111 0000 battery change", "FD", 0x70, "battery_change"),
]


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
        pytest.param(prefix, first + n, quantity, unit, id=f"{clause} {first + n:02X}")
        for clause, prefix, first, rows in COUNTS
        for n, (quantity, unit) in enumerate(rows)
    ],
)
def test_counted_vifs(prefix, code, quantity, unit):
    record = only(f"04 {prefix} {code:02X} {DATA}")
    assert (record.quantity, record.unit, record.value, record.error) == (quantity, unit, RAW, "")


@pytest.mark.parametrize(
    ("prefix", "code", "quantity"), [pytest.param(*rest, id=clause) for clause, *rest in TIMES]
)
def test_vifs_of_time(prefix, code, quantity):
    record = only(f"04 {prefix} {code:02X} 1E 0A D7 2B")  # 10:30 on 23 November 2022, type F
    assert (record.quantity, record.unit, str(record.value)) == (quantity, "", "2022-11-23 10:30:00")


def test_signal_strength_counts_up_from_minus_130_dbm():
    """Table 12 E111 0001: 2 dBm a step."""
    record = only("01 FD71 1E")
    assert (record.quantity, record.value, record.unit) == ("signal_strength", -70, "dBm")


def test_every_vif_of_the_tables_has_a_vector():
    seen = {(prefix, first + n) for _, prefix, first, count, *_ in SCALES for n in range(count)}
    seen |= {(prefix, first + n) for _, prefix, first, rows in COUNTS for n in range(len(rows))}
    seen |= {(prefix, code) for _, prefix, code, _ in TIMES} | {("FD", 0x71)}
    tables = {"": vif.PRIMARY, "FB": vif.EXTENSION_FB, "FD": vif.EXTENSION_FD, "FDFD": vif.EXTENSION_FDFD}
    assert seen == {(prefix, code) for prefix, table in tables.items() for code in table}


@pytest.mark.parametrize("vib", ["6F", "FB22", "FB40", "FD77", "FDFD10"])
def test_reserved_codes_keep_their_number(vib):
    record = only(f"04 {vib} {DATA}")
    assert (record.quantity, record.value) == ("reserved", RAW)


def test_plain_text_is_the_unit():
    """Table 11 E111 1100: the text stands behind the VIF, last character first."""
    record = only("04 7C 03 6D7070 39300000")
    assert (record.quantity, record.unit, record.value) == ("plain_text", "ppm", RAW)


# tables 15 to 17: orthogonal VIFEs behind a volume in litres (93) that sent 12345

VIFES = [
    # table 15 E000 0000 none; E001 0010 average; E001 0100 relative deviation; E001 1101 standard conform
    ("00", "m³", "12.345", ()),
    ("12", "m³", "12.345", ("average",)),
    ("14", "m³", "12.345", ("relative deviation",)),
    ("1D", "m³", "12.345", ("standard conform data content",)),
    # table 15 E010 0000 to E011 0101: per ..., increment per pulse on channel p
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
    # table 15 E011 0110 to E011 1000: multiplied by
    ("36", "m³·s", "12.345", ("times s",)),
    ("37", "m³·s/V", "12.345", ("times s/V",)),
    ("38", "m³·s/A", "12.345", ("times s/A",)),
    # table 15 E011 1010 to E011 1111
    ("3A", "m³", "12.345", ("uncorrected",)),
    ("3B", "m³", "12.345", ("forward flow",)),
    ("3C", "m³", "12.345", ("backward flow",)),
    ("3D", "m³", "12.345", ("alternate unit system",)),
    ("3E", "m³", "12.345", ("at base conditions",)),
    ("3F", "m³", "12.345", ("OBIS declaration",)),
    # table 15 E100 u000 limit value, E100 u001 number of exceeds
    ("40", "m³", "12.345", ("lower limit",)),
    ("48", "m³", "12.345", ("upper limit",)),
    ("41", "", "12345", ("number of exceeds of lower limit",)),
    ("49", "", "12345", ("number of exceeds of upper limit",)),
    # table 15 E110 1u00 value during exceed, E110 1u01 leakage, overflow
    ("68", "m³", "12.345", ("value during lower limit exceed",)),
    ("69", "m³", "12.345", ("leakage",)),
    ("6C", "m³", "12.345", ("value during upper limit exceed",)),
    ("6D", "m³", "12.345", ("overflow",)),
    # table 15 E111 0nnn multiplicative correction factor 10^(nnn-6)
    ("70", "m³", "0.000012345", ()),
    ("71", "m³", "0.00012345", ()),
    ("72", "m³", "0.0012345", ()),
    ("73", "m³", "0.012345", ()),
    ("74", "m³", "0.12345", ()),
    ("75", "m³", "1.2345", ()),
    ("76", "m³", "12.345", ()),
    ("77", "m³", "123.45", ()),
    # table 15 E111 10nn additive correction constant 10^(nn-3) x unit of the VIF
    ("78", "m³", "12.346", ()),
    ("79", "m³", "12.355", ()),
    ("7A", "m³", "12.445", ()),
    ("7B", "m³", "13.345", ()),
    # table 15 E111 1101 factor 10^3, E111 1110 future value
    ("7D", "m³", "12345", ()),
    ("7E", "m³", "12.345", ("future value",)),
    # table 17, behind FC
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
    # table 15 E111 1111: what follows is the manufacturer's; several VIFEs one after the other
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
    assert isclose(only("05 937B 00E44046").value, 13.345)  # 12345.0 l + 1 m³


# table 15, VIFEs of limits whose bits are u (upper), f (last), b (end), nn (s, min, h, d)

MOMENTS = [
    ("39", "start of"),
    ("42", "begin of first exceed of lower limit"),
    ("43", "end of first exceed of lower limit"),
    ("46", "begin of last exceed of lower limit"),
    ("47", "end of last exceed of lower limit"),
    ("4A", "begin of first exceed of upper limit"),
    ("4B", "end of first exceed of upper limit"),
    ("4E", "begin of last exceed of upper limit"),
    ("4F", "end of last exceed of upper limit"),
    ("6A", "begin of first"),
    ("6B", "end of first"),
    ("6E", "begin of last"),
    ("6F", "end of last"),
]
DURATIONS = [
    ("table 15 E101 00nn", 0x50, "duration of first exceed of lower limit"),
    ("table 15 E101 01nn", 0x54, "duration of last exceed of lower limit"),
    ("table 15 E101 10nn", 0x58, "duration of first exceed of upper limit"),
    ("table 15 E101 11nn", 0x5C, "duration of last exceed of upper limit"),
    ("table 15 E110 00nn", 0x60, "duration of first"),
    ("table 15 E110 01nn", 0x64, "duration of last"),
]
RESERVED = ["08", "09", "0A", "10", "11", "19", "1A", "1B", "44", "45", "4C", "4D", "FC00", "FC0D", "FC15"]


@pytest.mark.parametrize(("vife", "words"), MOMENTS)
def test_vifes_that_make_the_value_a_date(vife, words):
    """Table 15 E100 uf1b and E110 1f1b: date of begin or end of the first or last exceed; E011 1001 start of."""
    record = only(f"02 93 {vife} D72B")
    assert (str(record.value), record.unit, record.modifiers) == ("2022-11-23", "", (words,))


@pytest.mark.parametrize(
    ("code", "unit", "words"),
    [
        pytest.param(first + nn, unit, words, id=f"{clause} {first + nn:02X}")
        for clause, first, words in DURATIONS
        for nn, unit in enumerate(SMHD)
    ],
)
def test_vifes_that_make_the_value_a_duration(code, unit, words):
    record = only(f"04 93 {code:02X} {DATA}")
    assert (record.unit, record.value, record.modifiers) == (unit, RAW, (words,))


@pytest.mark.parametrize("vife", RESERVED)
def test_reserved_vifes_are_named_and_change_nothing(vife):
    record = only(f"04 93 {vife} {DATA}")
    assert (record.value, record.unit) == (Decimal("12.345"), "m³")
    assert record.modifiers[0].startswith("reserved VIFE")


def test_every_vife_of_table_15_has_a_vector():
    seen = {vife for vife, *_ in VIFES} | {vife for vife, _ in MOMENTS} | set(RESERVED)
    seen |= {f"{first + nn:02X}" for _, first, _ in DURATIONS for nn in range(4)}
    seen |= {f"{code:02X}" for code in vif.RECORD_ERRORS}
    profiles = {"13", "1E", "1F"}  # test_profiles.py
    assert {f"{code:02X}" for code in range(0x80)} - seen - profiles == {
        "7C",
        "7F",
    }  # table 17, the manufacturer


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
