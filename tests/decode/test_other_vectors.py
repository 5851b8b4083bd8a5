"""Single records, blocks, texts, codings and frames of other projects' tests: all of them, each exception by name.

Where a peer and the standard differ the standard holds:

- FB 23 is a phase angle for one peer; the standard has those at 2A and 2B.
- 7F (global readout request) counts as a record for one peer; it carries no value.
- An identification number with the digits A to F is refused by one peer; meters send them, and keys are found by them.
- Commands of a master (application reset, SND-UD) and frames without values (acknowledgement, short and control
  frames) are told apart by ``wired.parse``, and are no telegrams of a meter.
- A telegram of Techem's own has no access number: a peer takes it from the payload.
- A peer reads access number and status of an extended link layer one byte late; its status is the communication field.
- Lists that come from a third program are in its order and in kWh and kW, labelled Wh and W, and MJ labelled kJ.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from tests.decode.yardstick import UNITS, agrees, identified, needed, plainly, rows, sent

from avlas.decode import (
    DecodeError,
    FrameError,
    NoKey,
    RecordError,
    WrongKey,
    header,
    link,
    security,
    telegram,
    vif,
    wired,
)
from avlas.decode.records import Walk, describe_dib, dib_end
from avlas.decode.values import text

pytestmark = needed
VECTORS = rows("other-vectors.jsonl")
RECORDS, DIBS, VIBS, TEXTS, CODINGS, FRAMES, WALKS, LINKS, CIPHERS, COMMANDS = LEVELS = [
    [row for row in VECTORS if row["level"] == level]
    for level in ("record", "dib", "vib", "text", "coding", "frame", "records", "link", "cipher", "command")
]
MODIFIERS = {
    "PHASE_L1": "at phase L1",
    "PHASE_L3": "at phase L3",
    "NEUTRAL_CONDUCTOR": "at neutral",
    "PHASE_L1_L2": "between L1 and L2",
    "PHASE_L2_L3": "between L2 and L3",
    "PHASE_L3_L1": "between L3 and L1",
    "POSITIVE_ACCUMULATION": "forward flow",
    "NEGATIVE_ACCUMULATION": "backward flow",
    "ABSOLUTE": "absolute",
    "DELTA": "delta between import and export",
    "LOWER_LIMIT": "lower limit",
    "UNCORRECTED_UNIT": "uncorrected",
    "BASE_CONDITION": "at base conditions",
    "Averaged": "average",
    "At phase L1": "at phase L1",
}
QUANTITIES = {
    "remaining_battery_life_time": "battery_time_left",
    "date_time": "datetime",
    "phase": "phase_voltage_to_voltage",
    "phase_i-u": "phase_voltage_to_current",
    "moisture_level": "moisture",
}


def test_every_vector_is_run():
    rest = [row for row in VECTORS if all(row not in level for level in LEVELS)]
    assert [row["level"] for row in rest] == ["app"]  # a master's application reset


def quantity(said):
    name = said.lower().replace(" ", "_")
    return QUANTITIES.get(name, name)


@pytest.mark.parametrize("row", RECORDS, ids=identified)
def test_records(row):
    content, expected = bytes.fromhex(row["hex"]), row["expected"]
    (record,) = telegram(bytes([len(content) + 10, 0x44]) + bytes(8) + b"\x78" + content).records
    assert record.error == ""
    assert record.quantity == quantity(expected.get("description", record.quantity))
    assert [MODIFIERS[one] for one in expected.get("extensions", ())] == list(record.modifiers)
    if "epoch_ms_in_CET" in expected:
        moment = datetime.fromtimestamp(expected["epoch_ms_in_CET"] / 1000, UTC) + timedelta(hours=1)
        assert record.value == moment.replace(tzinfo=None)
    elif "exponent" not in expected:  # energy in Wh, all of them
        assert math.isclose(
            plainly(record), expected["raw"] * 10.0 ** (vif.describe(record.vib).exponent + 3)
        )
    else:
        unit, factor = UNITS.get(record.unit, (record.unit, 1))
        if expected["unit"] in ("h", "month"):
            unit, factor = record.unit, 1
        assert unit == expected["unit"].replace("^3", "³")
        assert math.isclose(
            float(record.value) * factor, expected["raw"] * 10.0 ** expected["exponent"], rel_tol=1e-9
        )


@pytest.mark.parametrize("row", WALKS, ids=identified)
def test_walks(row):
    content, expected = bytes.fromhex(row["hex"]), row["expected"]
    walk = Walk(content, 0, len(content), lambda *_: None)
    assert not walk.broken
    requests = content.count(b"\x7f") if content[0] == 0x7F else 0  # global readout
    assert len(walk.records) + requests == expected["record_count"]
    if "values" in expected:
        assert [record.value for record in walk.records] == expected["values"]
    if "values_raw" in expected:
        assert [int.from_bytes(record.data, "little") for record in walk.records] == expected["values_raw"]


@pytest.mark.parametrize("row", DIBS, ids=identified)
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
    assert found.function == expected.get("function", found.function).lower().replace(" value", "")
    assert found.coding == {"int24": 3, "int32": 4}.get(expected.get("coding"), found.coding)


@pytest.mark.parametrize("row", [row for row in VIBS if row["hex"] != "fb23"], ids=identified)
def test_vibs(row):
    found, expected = vif.describe(bytes.fromhex(row["hex"])), row["expected"]
    if expected.get("reserved"):
        assert found.quantity == "reserved"
    if "unit" in expected:
        assert found.unit == expected["unit"].replace("^3", "³")
    if "quantity" in expected:
        assert found.quantity == quantity(expected["quantity"])
    assert found.exponent == expected.get("exponent", found.exponent)
    labels = [one for one in expected.get("labels", ()) if quantity(one) != found.quantity]
    assert [MODIFIERS[one] for one in labels] == list(found.modifiers)


@pytest.mark.parametrize("row", TEXTS, ids=identified)
def test_texts(row):
    raw, expected = bytes.fromhex(row["hex"]), row["expected"]
    if "text" in expected:
        assert text(raw) == expected["text"]
    elif row["kind"] == "error":
        assert not link.address(raw).identification.isdecimal()
    elif len(raw) == 2:
        assert link.manufacturer_letters(int.from_bytes(raw, "little")) == expected["manufacturer"]
    else:
        if row["source"].startswith("Secondary"):  # a transport header's order
            raw = raw[4:6] + raw[:4] + raw[6:]
        swapped = "version, type, id" in row.get("note", "")
        found = link.link_address(b"\x0b\x44" + raw + (b"\xa0\x00" if swapped else b"\x78\x00"))
        assert (found.manufacturer, found.identification) == (expected["manufacturer"], expected["id"])
        assert found.version == expected["version"]
        types = {"Repeater": 0x32, "Water": 0x07}
        assert found.device_type == types.get(expected["device_type"], expected["device_type"])


@pytest.mark.parametrize("row", CODINGS, ids=identified)
def test_three_out_of_six(row):
    found, expected = link.decode_3_of_6(bytes.fromhex(row["hex"])), row["expected"]
    plain = bytes.fromhex(expected.get("decoded", ""))
    assert found[: len(plain)] == plain
    if "frame_length" in expected:
        assert len(found) == expected["frame_length"]
        assert len(link.strip_crcs(found, "a-crc")) == found[0] + 1


@pytest.mark.parametrize("row", LINKS, ids=identified)
def test_format_b_and_addresses(row):
    frame = link.strip_crcs(bytes.fromhex(row["hex"]), "b-crc")
    assert frame[10:].hex() == row["expected"]["apl"]
    assert link.link_address(frame).identification == row["expected"]["slave"]["id"]


@pytest.mark.parametrize("row", CIPHERS, ids=identified)
def test_cipher(row):
    initial = bytes.fromhex(row["expected"]["iv"])
    plain = security.mode_5(bytes.fromhex(row["key"]), initial[:8], initial[8], bytes.fromhex(row["hex"]))
    assert plain.hex() == row["expected"]["plain"]


@pytest.mark.parametrize("row", COMMANDS, ids=identified)
def test_commands(row):
    parsed = wired.parse(bytes.fromhex(row["hex"]))
    assert (parsed.kind, parsed.control, parsed.address) == ("short", 0x5B, row["expected"]["address"])


# frames


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


def is_from_a_third_program(row):
    return "wmbusmeters" in row["source"]


EMPTY = [row for row in FRAMES if row["expected"].get("frame_type") in ("ack", "short", "control")]
WHOLE = [row for row in FRAMES if row["kind"] == "ok" and row not in EMPTY]


@pytest.mark.parametrize("row", EMPTY, ids=identified)
def test_frames_without_values(row):
    frame = bytes.fromhex(row["hex"])
    assert wired.parse(frame).kind == row["expected"]["frame_type"]
    with pytest.raises(DecodeError):
        telegram(frame, format="wired")


@pytest.mark.parametrize("row", [row for row in FRAMES if row["kind"] == "error"], ids=identified)
def test_errors_are_told_apart(row):
    frame = bytes.fromhex(row["hex"])
    if row["expected"].get("error") == "decryption":
        with pytest.raises(WrongKey):
            telegram(frame, bytes.fromhex(row["key"]))
    else:
        with pytest.raises(FrameError):
            wired.parse(frame)


@pytest.mark.parametrize("row", WHOLE, ids=identified)
def test_frames(row):
    frame, form = frame_of(row)
    if row.get("link_ok") is False:  # the L-field lies: on the wire that is damage, by force it is read
        with pytest.raises(FrameError):
            telegram(frame, format=form)
        frame = wired.mended(frame)
    try:
        result = telegram(frame, bytes.fromhex(row.get("key", "")) or None, format=form, accept_clear=True)
    except NoKey:
        assert "records" not in row["expected"]
    else:
        compare_records(result, row)
    compare_header(header(frame, form), row)


def compare_header(known, row):
    expected, slave = row["expected"], row["expected"].get("slave", {})
    addresses = [one for one in (known.address, known.link_address) if one]
    assert slave.get("id") in [None, *(one.identification for one in addresses)]
    for name in ("manufacturer", "version"):
        assert slave.get(name) in [None, *(getattr(one, name) for one in addresses)]
    assert expected.get("encryption_mode", 5) == 5
    if "encryption_mode" in expected:
        assert known.security == "mode 5"
    if known.ci == 0x8D:
        assert expected.get("status") in (None, bytes.fromhex(row["hex"])[11])  # the communication field
    elif known.access_number is not None:
        assert expected.get("access_number", known.access_number) == known.access_number
        assert expected.get("status", known.status) == known.status
    else:
        assert not expected.get("access_number") or known.link_address.manufacturer == "TCH"


def compare_records(result, row):
    expected, found = row["expected"], sent(result)
    own = [record for record in found if record.vif_key in ("0F", "1F")]
    if "record_count_without_0f_1f" in expected:
        assert len(found) - len(own) == expected["record_count_without_0f_1f"]
    if "record_count" in expected:
        silent = result.more_follows and "1F" not in [record.vif_key for record in own]
        assert len(found) + silent == expected["record_count"]
    # a compact frame, read by a shipped layout where the peer must hear a whole one first
    assert expected.get("record_count_after_long") in (None, len(found))
    assert expected.get("ci") in (None, f"{result.header.ci:02x}")
    assert result.more_follows == expected.get("more_records_follow", result.more_follows)
    if "decrypted_contains" in expected:
        assert expected["decrypted_contains"] in result.plain.hex()
    for wanted in expected.get("records", ()):
        if is_from_a_third_program(row):
            assert any(is_value(record, wanted) for record in result.records), wanted
        elif "n" not in wanted:
            assert any(agrees(record, wanted["value"]) for record in found)
        elif wanted["n"] < len(found):
            compare_record(found[wanted["n"]], wanted)
        else:
            assert result.more_follows
            assert wanted["value"] is None


def is_value(record, wanted):
    """Whether a record has this value, be it in GJ where theirs is in kWh or MJ."""
    number = wanted["raw"] * 10.0 ** wanted["exponent"]
    if not isinstance(record.value, int | float | Decimal):
        return False
    factors = (1, 1000, 1 / 0.0036) if record.unit == "GJ" else (1,)
    return any(math.isclose(float(record.value) * factor, number, rel_tol=1e-6) for factor in factors)


def compare_record(record, wanted):
    value = wanted.get("value")
    if isinstance(value, int | float):
        assert agrees(record, value) or math.isclose(float(record.value), value, rel_tol=1e-6)
    elif value is not None:
        assert str(plainly(record)).replace(" ", "") == str(value)
    if "raw" in wanted:
        binary = int.from_bytes(record.data, "little", signed=True)
        decimal = record.data[::-1].hex().lstrip("0") or "0"
        high_first = record.data.hex().lstrip("0")
        assert str(wanted["raw"]) in (str(binary), decimal, high_first)
    if "date" in wanted:
        assert record.value.isoformat() == wanted["date"]
    if "manufacturer_specific" in wanted:
        assert wanted["manufacturer_specific"] in (record.data.hex(), record.data[::-1].hex())
    function = wanted.get("function", "").removeprefix("FunctionType.").removesuffix("_VALUE").lower()
    assert function in ("", "inst_val", record.function)
    assert wanted.get("storage_number", record.storage) == record.storage
    assert wanted.get("tariff", record.tariff) == record.tariff
    if "unit_enh" in wanted:
        assert MODIFIERS[wanted["unit_enh"].removeprefix("VIFUnitEnhExt.")] in record.modifiers
