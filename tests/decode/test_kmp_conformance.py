"""KMP frames with known answers from outside, when the folder that holds them is there."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import pytest

from avlas.decode import FrameError, kmp
from avlas.decode.kmp import fields, frame, table

FILE = Path(__file__).parents[3] / "shared" / "conformance" / "kmp.jsonl"
pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="no conformance folder")
ROWS = [json.loads(line) for line in FILE.open()] if FILE.is_file() else []
UNITS = {"C": "°C", "m3": "m³"}


def of_kind(*kinds):
    return [pytest.param(row, id=f"{row['kind']} {row['hex'][:24]}") for row in ROWS if row["kind"] in kinds]


def as_told(value):
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, date | time) else value


def check_field(found, expected):
    assert found.register == expected["id"]
    for key, ours in (
        ("unit", found.unit_code),
        ("bytes", len(found.data)),
        ("raw", found.raw),
        ("exp", found.exponent),
    ):
        assert expected.get(key, ours) == ours
    if "u" in expected:
        assert found.unit == UNITS.get(expected["u"], expected["u"])
    if "value" in expected:
        number = isinstance(found.value, Decimal)
        assert (
            (found.value == Decimal(expected["value"]))
            if number
            else (as_told(found.value) == expected["value"])
        )


def content_facts(found):
    """Everything the rows may expect of a message, under their names."""
    content = found.content
    facts = {
        "cid": table.COMMANDS[found.frame.command],
        "sub": found.command,
        "address": found.frame.address,
        "ack": False,
    }
    if isinstance(content, kmp.TypeAnswer):
        facts |= {"meter_type": f"{content.number:04d}", "sw_revision": content.software}
    elif isinstance(content, kmp.SerialAnswer):
        facts["serial"] = content.number
    elif isinstance(content, kmp.SetClock):
        facts |= {"date": content.at.date().isoformat(), "time": content.at.time().isoformat()}
    elif isinstance(content, kmp.SetCutOffState):
        facts["arg"] = table.CUT_OFF_ORDERS[content.order]
    elif isinstance(content, kmp.ConfigurationAnswer):
        facts |= {"logger": content.logger, "depth": content.depth, "registers": len(content.registers)}
    elif isinstance(content, kmp.LogAnswer) and content.new:
        facts |= {"logger": content.log, "entries": len(content.rows), "registers": content.registers}
        facts |= {"first_log_id": content.rows[0].id, "last_log_id": content.newest_id, "info": content.info}
    elif isinstance(content, kmp.LogAnswer):
        facts |= {"log": content.log, "registers": [each.register for each in content.rows[0].fields]}
        facts |= {"records": [row.id for row in content.rows], "last_read": content.last_id}
        facts |= {"newest": content.newest_id, "info": content.info}
    elif isinstance(content, kmp.Request):
        names = {
            "ids": "registers",
            "log": "log",
            "logger": "logger",
            "offset": "offset",
            "entries": "entries",
        }
        names |= {"records": "records", "max_length": "max_length", "record_id": "record", "log_id": "log_id"}
        facts |= {theirs: getattr(content, ours) for theirs, ours in names.items() if hasattr(content, ours)}
        facts["ids"] = list(getattr(content, "registers", ()))
        if hasattr(content, "at"):
            facts["time"] = content.at.isoformat(" ")
    return facts


@pytest.mark.parametrize("row", of_kind("ok"))
def test_frames(row):
    raw, expected = bytes.fromhex(row["hex"]), dict(row["expected"])
    found = kmp.decode(raw)
    if expected.pop("ack", False):
        assert found.frame is None
        return
    assert found.from_meter == (row["direction"] == "from meter")
    assert found.frame.body.hex() == row["body"]
    if isinstance(found.content, kmp.Request):
        assert found.content.frame() == raw
    for key in ("note", "crc"):
        expected.pop(key, None)
    if isinstance(found.content, kmp.RegisterAnswer):
        for field, wanted in zip(found.content.fields, expected.pop("registers"), strict=True):
            check_field(field, wanted)
    if isinstance(found.content, kmp.LogAnswer):
        wanted_rows = expected.pop("log") if found.content.new else []
        for log_row, wanted_row in zip(found.content.rows, wanted_rows, strict=found.content.new):
            for field, wanted in zip(log_row.fields, wanted_row, strict=True):
                check_field(field, wanted)
    facts = content_facts(found)
    assert {key: facts.get(key) for key in expected} == expected


@pytest.mark.parametrize("row", of_kind("error"))
def test_damaged_frames(row):
    with pytest.raises(FrameError):
        kmp.decode(bytes.fromhex(row["hex"]))


@pytest.mark.parametrize("row", of_kind("partial"))
def test_stuffing(row):
    assert frame.unstuff(bytes.fromhex(row["hex"])[1:-1]).hex() == row["expected"]["unstuffed"]


@pytest.mark.parametrize("row", of_kind("value"))
def test_values(row):
    length, sign_exponent, *integer = bytes.fromhex(row["hex"])
    assert length == len(integer)
    found = fields.number(sign_exponent, bytes(integer))
    assert str(found) == row["expected"]["value"] or found == Decimal(row["expected"]["value"])
