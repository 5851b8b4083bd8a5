"""Real telegrams with known answers, when the folder that holds them is there (it is not part of the project)."""

from __future__ import annotations

import pytest
from tests.decode.yardstick import agrees, identified, needed, rows, sent, unit_agrees

from avlas.decode import DecodeError, Layouts, telegram

pytestmark = needed

FUNCTIONS = {
    "Instantaneous value": "instantaneous",
    "Maximum value": "maximum",
    "Minimum value": "minimum",
    "Value during error state": "error",
}


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
        assert unit_agrees(record, expected["unit"]), (expected, record)
        if expected["function"] in FUNCTIONS:
            assert record.function == FUNCTIONS[expected["function"]]
        else:  # manufacturer's data, and "actual value" in the fixed structure
            assert record.vif_key == "0F"
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
