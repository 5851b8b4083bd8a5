"""Compact profiles (EN 13757-3 annex F; VIFE 13, 1E, 1F): one record, many dated values."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from tests.decode.by_hand import full

from avlas.decode import telegram

# Storage 8: base time 1 March 2023 02:00, base value 500.0 m³ (VIF 15: 0.1 m³, 6 digits)
BASE = "84046D 0002E123 8B0415 005000"


def unfolded(records: str):
    found = telegram(full(records)).records
    last_sent = max(
        n
        for n, record in enumerate(found)
        if record.dib[:1] == b"\x8d" and "profile" in str(record.modifiers)
    )
    return found[last_sent + 1 :]


def test_forward_hourly_increments():
    """F.2.7: control 69 is increments, hours, 2 digit BCD; spacing 1."""
    values = unfolded(BASE + "8D04951F 05 69 01 030211")
    assert [(r.at, r.value, r.storage) for r in values] == [
        (datetime(2023, 3, 1, 3), Decimal("500.3"), 9),
        (datetime(2023, 3, 1, 4), Decimal("500.5"), 10),
        (datetime(2023, 3, 1, 5), Decimal("501.6"), 11),
    ]
    first = values[0]
    assert (first.quantity, first.unit, first.vif_key, first.modifiers, first.vife) == (
        "volume",
        "m³",
        "15",
        (),
        (),
    )
    assert first.data == b"\x03"


def test_inverse_goes_back_in_time_and_down():
    """F.2.8: the youngest value first, each increment taken off."""
    values = unfolded(BASE + "8D049513 05 69 01 110203")
    assert [(r.at.hour, r.at.day, str(r.value)) for r in values] == [
        (1, 1, "498.9"),
        (0, 1, "498.7"),
        (23, 28, "498.4"),
    ]


@pytest.mark.parametrize(
    ("base", "spacing", "dates"),
    [
        ("FF2C", "FE", ["2023-11-30", "2023-10-31", "2023-09-30"]),  # 31 December 2023: ends of months
        ("E12C", "FE", ["2023-11-01", "2023-10-01", "2023-09-01"]),
        (
            "FF2C",
            "FD",
            ["2023-12-15", "2023-11-30", "2023-11-15"],
        ),  # half-months end on the 15th and the last
        ("F02C", "FD", ["2023-12-01", "2023-11-16", "2023-11-01"]),  # or begin on the 1st and the 16th
        ("E12C", "07", ["2023-11-24", "2023-11-17", "2023-11-10"]),  # weeks
        ("E12C", "00", [None, None, None]),  # no spacing that the standard knows
        ("FFFF", "FE", [None, None, None]),  # no base time
    ],
)
def test_calendar_spacings_backwards(base, spacing, dates):
    """Control 31 is absolute values, days or months, 8 bit; storage 16 holds the base."""
    values = unfolded(f"82086C {base} 8D089613 05 31 {spacing} 0A0908")
    assert [r.at and r.at.date().isoformat() for r in values] == dates
    assert [r.value for r in values] == [10, 9, 8]


@pytest.mark.parametrize(
    ("spacing", "base", "dates"),
    [
        ("FE", "FF2C", ["2024-01-31", "2024-02-29"]),
        ("FD", "FF2C", ["2024-01-15", "2024-01-31"]),
        ("FD", "E12C", ["2023-12-16", "2024-01-01"]),
    ],
)
def test_calendar_spacings_forwards(spacing, base, dates):
    values = unfolded(f"82086C {base} 8D08961E 04 31 {spacing} 0A0B")
    assert [r.at.date().isoformat() for r in values] == dates


@pytest.mark.parametrize(
    ("control", "kind", "elements", "expected"),
    [
        ("52", "1F", "0500 0300", ["105", "108"]),  # increments, 16 bit, minutes
        ("92", "1F", "0500 0300", ["95", "92"]),  # decrements
        ("D2", "1F", "0500 FDFF", ["105", "102"]),  # signed differences
        ("52", "13", "0500 0300", ["95", "92"]),
        ("92", "13", "0500 0300", ["105", "108"]),
        ("12", "1F", "0500 0080 0300", ["5", "None", "3"]),  # absolute; 8000 is no value
        ("52", "1F", "0500 FFFF 0300", ["105", "None", "None"]),  # after a gap the sum is unknown
        ("5C", "1F", "05000000 03000000", ["105", "108"]),
    ],
)
def test_modes_and_element_sizes(control, kind, elements, expected):
    data = bytes.fromhex(control) + b"\x0f" + bytes.fromhex(elements)
    base = "84046D 0002E123 840416 64000000"
    values = unfolded(f"{base} 8D0496{kind} {len(data):02X} {data.hex()}")
    assert [str(r.value) for r in values] == expected
    assert [r.error for r in values] == ["" if v != "None" else "no value" for v in expected]


@pytest.mark.parametrize("field", ["01 31", "02 3F FE", "E2 31FE", "03 35 FE 00"])
def test_what_is_no_profile_unfolds_to_nothing(field):
    found = telegram(full(f"8D089613 {field} 0416 07000000")).records
    assert [r.value for r in found] == [None, 7]


def test_a_profile_without_base_value_has_times_but_no_sums():
    values = unfolded("82086C FF2C 8D089613 04 71 FE 0102")
    assert [(r.value, r.at is not None) for r in values] == [(None, True), (None, True)]
