"""Real telegrams with known answers, when the folder that holds them is there (it is not part of the project)."""

from __future__ import annotations

import json
import math
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from avlas.decode import (
    DecodeError,
    FrameError,
    Layouts,
    RecordError,
    WrongKey,
    link,
    security,
    telegram,
    vif,
    wired,
)
from avlas.decode.records import describe_dib, dib_end
from avlas.decode.values import text

FOLDER = Path(__file__).parents[3] / "shared" / "conformance"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no conformance folder")

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
    """Whether our value is theirs, or ours is none where theirs is a known misreading."""
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


def sent(result):
    return [record for record in result.records if record.at is None]


@pytest.mark.parametrize("row", rows("wired-frames.jsonl"), ids=identified)
def test_wired_frames(row):
    frame = bytes.fromhex(row["hex"])
    if row["kind"] != "ok":
        with pytest.raises(DecodeError) as caught:
            telegram(frame, format="wired")
        kinds = {
            "error": {"application_error", "record_error", "header_error"},
            "unsupported": {"frame_error", "unsupported"},
        }
        assert caught.value.kind in kinds[row["kind"]]
        assert ("application_error" in row["expected"]) == (caught.value.kind == "application_error")
        return
    result = telegram(frame, format="wired")
    found = sent(result)
    for expected in row["expected"]["records"]:
        if expected["function"] == "More records follow":
            assert result.more_follows
            continue
        record = found[expected["n"]]
        if frame[6] == 0x73:  # the fixed structure's peer keeps the units kWh and l
            assert record.value * (1 if record.unit == "kWh" else 1000) == expected["value"]
            continue
        assert agrees(record, expected["value"]), (expected, record)
        for ours, theirs in (("storage", "storage"), ("tariff", "tariff"), ("subunit", "device")):
            assert getattr(record, ours) == expected.get(theirs, getattr(record, ours))


@pytest.fixture(scope="module")
def decoded():
    """(row, telegram or error) of all telegrams in order, layouts learnt on the way."""
    layouts = Layouts.shipped()
    results = []
    for row in rows("telegrams.jsonl"):
        key = bytes.fromhex(row["key"]) if row["key"] else None
        try:
            result = telegram(bytes.fromhex(row["telegram"]), key, layouts=layouts, accept_clear=True)
            layouts.learn(result)
        except DecodeError as error:
            result = error
        results.append((row, result))
    return results


def test_no_standard_telegram_is_refused_but_for_a_reason(decoded):
    reasons = [
        (row["id"], result.kind)
        for row, result in decoded
        if isinstance(result, DecodeError)
        and row["payload"] != "manufacturer payload"
        and "DES" not in row["security"]
    ]
    assert reasons == []


def test_the_right_meter(decoded):
    wrong = [
        row["id"]
        for row, result in decoded
        if not isinstance(result, DecodeError)
        and result.header.address.identification.lower() != str(row["expected"]["id"]).lower()
    ]
    # a meter's address inside a maker's radio block, and one sample whose answer belongs to another telegram
    assert len(wrong) <= 2, wrong


def test_kamstrups_telegrams_are_whole(decoded):
    for row, result in decoded:
        if row["meter"]["manufacturer"] in ("KAM", "KAW") and row["already_decrypted"]:
            assert not isinstance(result, DecodeError), row["id"]
            assert not any(record.error == "unreadable" for record in result.records)
            assert not any(r.quantity == "reserved" for r in result.records)


# single vectors


VECTORS = rows("other-vectors.jsonl")


def of_level(*levels):
    return [row for row in VECTORS if row["level"] in levels]


@pytest.mark.parametrize("row", [r for r in of_level("record") if "raw" in r["expected"]], ids=identified)
def test_records(row):
    content = bytes.fromhex(row["hex"])
    record = telegram(bytes([len(content) + 10, 0x44]) + bytes(8) + b"\x78" + content).records[0]
    expected = row["expected"]
    assert record.error == ""
    if "exponent" not in expected:  # energy in Wh, all of them
        assert math.isclose(
            plainly(record), expected["raw"] * 10.0 ** (vif.describe(record.vib).exponent + 3)
        )
        return
    unit, factor = UNITS.get(record.unit, (record.unit, 1))
    if expected["unit"] not in ("h", "month"):
        assert unit == expected["unit"].replace("^3", "³")
    else:
        unit, factor = record.unit, 1
        assert unit == expected["unit"]
    assert math.isclose(
        float(record.value) * factor, expected["raw"] * 10.0 ** expected["exponent"], rel_tol=1e-9
    )


@pytest.mark.parametrize("row", of_level("dib"), ids=identified)
def test_dibs(row):
    raw, expected = bytes.fromhex(row["hex"]), row["expected"]
    if row["kind"] == "error":
        with pytest.raises(RecordError):
            dib_end(raw, 0, len(raw))
        return
    if "special" in expected:
        assert raw in (b"\x2f", b"\x0f")
        return
    assert dib_end(raw, 0, len(raw)) == len(raw)
    found = describe_dib(raw)
    assert found.storage == expected.get("storage", found.storage)
    assert found.tariff == expected.get("tariff", found.tariff)
    assert found.subunit == expected.get("device", found.subunit)
    assert expected.get("function", "Maximum value") == "Maximum value"


# one peer takes FB 23 for a phase angle; the standard has those at 2A and 2B
@pytest.mark.parametrize("row", [r for r in of_level("vib") if r["hex"] != "fb23"], ids=identified)
def test_vibs(row):
    found, expected = vif.describe(bytes.fromhex(row["hex"])), row["expected"]
    if expected.get("reserved"):
        assert found.quantity == "reserved"
    if "unit" in expected:
        assert found.unit == expected["unit"].replace("^3", "³")
    assert found.exponent == expected.get("exponent", found.exponent)
    if "Averaged" in expected.get("labels", []):
        assert found.modifiers == ("average",)


@pytest.mark.parametrize("row", [r for r in of_level("text") if "text" in r["expected"]], ids=identified)
def test_texts(row):
    assert text(bytes.fromhex(row["hex"])) == row["expected"]["text"]


@pytest.mark.parametrize("row", [r for r in of_level("coding") if "decoded" in r["expected"]], ids=identified)
def test_three_out_of_six(row):
    coded, plain = bytes.fromhex(row["hex"]), bytes.fromhex(row["expected"]["decoded"])
    assert link.decode_3_of_6(coded)[: len(plain)] == plain


def test_format_b_and_addresses():
    for row in of_level("link"):
        frame = link.strip_crcs(bytes.fromhex(row["hex"]), "b-crc")
        assert frame[10:].hex() == row["expected"]["apl"]
        assert link.link_address(frame).identification == row["expected"]["slave"]["id"]


def test_cipher():
    for row in of_level("cipher"):
        initial = bytes.fromhex(row["expected"]["iv"])
        plain = security.mode_5(bytes.fromhex(row["key"]), initial[:8], initial[8], bytes.fromhex(row["hex"]))
        assert plain.hex() == row["expected"]["plain"]


def frame_of(row):
    """(bytes, format) of a frame vector."""
    frame, form = bytes.fromhex(row["hex"]), row.get("form", "")
    if row["bus"] == "wired":
        return frame, "wired"
    if form.startswith("first 8 bytes"):
        return bytes([len(frame) + 1, 0x44]) + frame, "a"
    if form == "frame format A with block CRCs":
        return frame, "a-crc"
    return frame, "auto"


FRAMES = [row for row in of_level("frame") if row["kind"] == "ok"]
WHOLE = [row for row in FRAMES if {"records", "slave", "record_count_without_0f_1f"} & set(row["expected"])]


@pytest.mark.parametrize("row", WHOLE, ids=identified)
def test_frames(row):
    frame, form = frame_of(row)
    expected = row["expected"]
    slave = expected.get("slave", {})
    try:
        result = telegram(frame, bytes.fromhex(row.get("key", "")) or None, format=form, accept_clear=True)
    except DecodeError as error:
        result, known, kind = None, error.header, error.kind
    else:
        known, kind = result.header, ""
    if result is not None:
        compare_records(result, expected)
    elif kind != "no_key":
        assert (kind, frame[1] + 6 == len(frame)) == ("frame_error", False)  # the L-field lies, on the wire
    if known is not None and known.address is not None:
        assert slave.get("manufacturer", known.address.manufacturer) == known.address.manufacturer
        addresses = {a.identification for a in (known.address, known.link_address) if a}
        assert slave.get("id", known.address.identification) in addresses
        assert (
            expected.get("access_number", known.access_number) == known.access_number
            or known.access_number is None
        )


def compare_records(result, expected):
    found = sent(result)
    standard = [record for record in found if record.vif_key not in ("0F", "1F")]
    if "record_count_without_0f_1f" in expected and not expected.get("then_error"):
        assert len(standard) == expected["record_count_without_0f_1f"]
    for wanted in expected.get("records", ()):
        if "n" not in wanted:
            assert any(agrees(record, wanted["value"]) for record in found if "value" in wanted)
            continue
        place = wanted["n"]
        if not isinstance(wanted.get("value"), int | float) or place >= len(found):
            continue
        record = found[place]
        if record.unit in UNITS and "unit" in wanted and not agrees(record, wanted["value"]):
            assert math.isclose(float(record.value), wanted["value"], rel_tol=1e-6), (wanted, record)
        else:
            assert agrees(record, wanted["value"]) or math.isclose(float(record.value), wanted["value"]), (
                wanted
            )


def test_errors_are_told_apart():
    broken = [row for row in of_level("frame") if row["kind"] == "error" and "error" in row["expected"]]
    for row in broken:
        frame = bytes.fromhex(row["hex"])
        if row["expected"]["error"] == "decryption":
            with pytest.raises(WrongKey):
                telegram(frame, bytes.fromhex(row["key"]))
        else:
            with pytest.raises(FrameError):
                wired.parse(frame)
