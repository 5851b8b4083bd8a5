"""Real telegrams and vectors with known answers, when the folder that holds them is there (no part of the project)."""

from __future__ import annotations

import json
import math
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "shared" / "conformance"
needed = pytest.mark.skipif(not FOLDER.is_dir(), reason="no conformance folder")

# our unit -> (the peers' unit, how many of theirs)
UNITS = {
    "kWh": ("Wh", 1000),
    "MWh": ("Wh", 10**6),
    "MW": ("W", 10**6),
    "Mcal": ("cal", 10**6),
    "GJ": ("J", 10**9),
    "kW": ("W", 1000),
    "m³/min": ("m³/h", 60),
    "m³/s": ("m³/h", 3600),
    "min": ("s", 60),
    "h": ("s", 3600),
    "d": ("s", 86400),
    "kvarh": ("varh", 1000),
}


def rows(name):
    path = FOLDER / name
    return [json.loads(line) for line in path.open()] if path.is_file() else []


def identified(row):
    return row["id"]


def plainly(record):
    """A record's value as the peers write it: numbers in their base unit, dates as text."""
    value = record.value
    if isinstance(value, int | float | Decimal):
        return float(value) * UNITS.get(record.unit, ("", 1))[1]
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value.hex(" ").upper() if isinstance(value, bytes) else value


def agrees(record, expected):
    """Whether our value is theirs, or ours is none where theirs is a known misreading.

    The peer of the wired frames calculates with the digits A to F, prints no date as the year 2000 or 1900, takes the
    moment of an extreme (VIFE 6B, 6F) for its value, and drops the leading zeros of numbers that are names.
    """
    ours = plainly(record)
    if isinstance(expected, int | float):
        if record.error.startswith("not decimal digits"):
            return True  # the peer calculates with the digits A to F
        if set(record.vife) & {0x6B, 0x6F}:
            return (
                isinstance(record.value, datetime) or record.error == "no value"
            )  # the peer ignores the VIFE
        try:
            return math.isclose(float(ours), expected, rel_tol=1e-6, abs_tol=1e-9)
        except (TypeError, ValueError):
            return False
    if record.value is None or record.error == "the meter marks its time as invalid":
        return str(expected)[:10] in (
            "2000-00-00",
            "1900-01-00",
            "1900-01-01",
        )  # the peer's way to print no date
    return str(ours).strip() == str(expected).rstrip("Z").strip()


def unit_agrees(record, expected):
    """Whether our unit is the peer's, by any other name; it ignores what VIFEs make of a unit."""
    ours = UNITS.get(record.unit, (record.unit, 1))[0]
    return (
        ours in (expected.replace("^3", "³"), expected.lower())
        or expected in ("-", "", "Reserved", "Units for H.C.A.")
        or bool(record.vife)
    )


def sent(result):
    return [record for record in result.records if record.at is None]
