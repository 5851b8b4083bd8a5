"""KMP explained: every byte told once, in both languages; the command and its JSON."""

from __future__ import annotations

import ast
import json
import re
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.decode.test_command import answers, run
from tests.decode.test_kmp import FIELDS, NEW_ROWS, OLD_ROWS, REQUESTS, registers_of

from avlas.decode import DecodeError, errors, kmp
from avlas.decode.command import to_line
from avlas.decode.error_words import error_text
from avlas.decode.explain import render
from avlas.decode.kmp import frame, table, words
from avlas.decode.kmp.explain import as_json, explain, explain_error
from avlas.simulate import optical

REGISTERS = (
    "3f 10  003c 03 04 43 0000a2b3  0056 25 04 42 00001bd8  0080 16 04 41 0000007b  03e9 33 04 00 047868c0"
    "  0063 33 04 00 00000009  03eb 30 04 00 0003fa03  03ea 2f 04 00 000321c6  0417 35 02 00 0102"
)
ANSWERS = [
    REGISTERS,
    "3f 01 0004 0601",
    "3f 02 047868c0",
    "7f " + OLD_ROWS.format(clock="0003a980"),
    "3f " + NEW_ROWS,
    "3f b8 05 03 010101010000 01000100 0024 03 003c 0044 015c",
    "3f 98 07 03",
    "7f 9b 00000100",
    "3f 85 0102",
    "7f a1 02 01  0010 003c 03 04 43 00009c40  0010 0010 00",
    "7f a1 aa bb 05",
]

FIELD_LISTS = st.lists(FIELDS, max_size=5)


def framed(body, start):
    address, command, *data = bytes.fromhex(body)
    return optical.frame(address, command, bytes(data), start=start)


FRAMES = [*(framed(body, 0x40) for body in ANSWERS), *(framed(body, 0x80) for body in REQUESTS), b"\x06"]


@pytest.mark.parametrize("raw", FRAMES, ids=lambda raw: raw.hex()[:16])
def test_every_byte_is_told_exactly_once(raw):
    found = kmp.decode(raw)
    rows = [row for section in explain(found).sections for row in section.rows if row.start is not None]
    told = sorted((row.start, row.end) for row in rows if row.kind in ("field", "record"))
    assert told[0][0] == 0
    assert told[-1][1] == len(found.plain)
    assert all(before[1] == after[0] for before, after in pairwise(told))
    for row in rows:
        assert bytes.fromhex(row.bytes) == found.plain[row.start : row.end]


def section(explanation, identifier):
    return next(s for s in explanation.sections if s.id == identifier)


def test_registers_in_swedish():
    found = explain(kmp.decode(FRAMES[0]), "sv")
    assert found.title == "KMP · svar från mätaren · GetRegister"
    rows = section(found, "apl").rows
    first = next(n for n, row in enumerate(rows) if row.kind == "record")
    assert [(row.kind, row.name, row.meaning) for row in rows[first : first + 6]] == [
        ("record", "E1 värmeenergi", "41,651 MWh"),
        ("part", "register", "60 E1 värmeenergi"),
        ("part", "enhet", "3 MWh"),
        ("part", "längd", "4"),
        ("part", "tecken, exponent", "× 10^-3"),
        ("part", "heltal", "41651"),
    ]
    assert [(row.name, row.meaning) for row in section(found, "registers").rows] == [
        ("E1 Värmeenergi", "41,651 MWh = 41\u202f651,0 kWh"),
        ("t1 Ingående temperatur", "71,28 °C"),
        ("Infokod", "9 = 0x9"),
        ("Serienummer", "75000000"),
        ("Mätarens klocka", "2026-06-11 20:52:54"),
    ]
    values = {row.name: row.meaning for row in rows if row.kind == "record"}
    assert values["högsta effekt, år"] == "12,3 kW"
    assert values["Info infokod"] == "0x00000009"
    assert values["realtidsklocka"] == "01 02 (enhet 53 är inte känd)"


def test_a_logs_rows_and_their_moments():
    found = explain(kmp.decode(framed("3f " + NEW_ROWS, 0x40)))
    assert [row.meaning for row in section(found, "apl").rows if row.name == "row"] == ["4660", "4659"]
    dated = [s for s in found.sections if s.id == "dated"]
    assert [s.title for s in dated] == [
        "Stored by the meter, 2026-01-15 11:00",
        "Stored by the meter, 2026-01-15 12:00",
    ]
    assert dated[1].rows[0].meaning == "41\u202f651 kWh"


def test_a_log_without_dates_says_what_is_missing():
    found = explain(kmp.decode(FRAMES[9]), "sv")
    assert section(found, "dated").rows[0].meaning.startswith("inget register i loggen anger datum")


def test_stuffing_is_told():
    found = explain(kmp.decode(optical.frame(0x3F, 0x02, bytes.fromhex("0d0640 80"))))
    assert next(row.meaning for row in section(found, "link").rows if row.name == "CRC").startswith(
        "right; 4 bytes 1B of stuffing taken out"
    )


def test_a_damaged_frame_in_both_languages():
    raw = b"\x40\x3f\x02\x1b\x0d"
    with pytest.raises(DecodeError) as caught:
        kmp.decode(raw)
    english, swedish = (explain_error(caught.value, raw, language) for language in ("en", "sv"))
    assert english.title == "The frame is damaged"
    assert section(swedish, "problem").rows[0].meaning.startswith("byten 1B på plats 3 är den sista")
    assert section(swedish, "problem").rows[1].meaning.startswith("Ange en ram, från 80 eller 40 till 0D")


@pytest.mark.parametrize("raw", FRAMES, ids=lambda raw: raw.hex()[:16])
def test_nothing_stays_english(raw):
    text = render(explain(kmp.decode(raw), "sv"))
    for names in (*table.COMMANDS.values(), *table.LOGGER_COMMANDS.values()):
        text = text.replace(names, "")
    found = re.findall(
        r"\b(?:the|of|and|from|to|row|rows|unit|length|integer|right|answer|meter|number|address|log|state|first|newest)\b",
        text,
    )
    assert found == []
    assert "None" not in text


def told_words():
    """Every word the tables and readers can put into an explanation."""
    for names in (table.LOGGERS, table.OLD_INFO, table.NEW_INFO, table.CUT_OFF_ORDERS, table.CUT_OFF_STATES):
        yield from names.values()
    folder = Path(kmp.__file__).parent
    for name in ("requests.py", "answers.py", "walk.py"):
        for node in ast.walk(ast.parse((folder / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("take", "number"):
                yield from (arg.value for arg in node.args[1:2] if isinstance(arg, ast.Constant))


@pytest.mark.parametrize("text", sorted(set(told_words())))
def test_every_word_of_an_explanation_has_its_swedish(text):
    assert text in words._SV


def raised_messages():
    """Every text the package raises an error with; 7 for each number in it."""
    for path in sorted(Path(kmp.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                not isinstance(node, ast.Call)
                or not hasattr(errors, getattr(node.func, "id", ""))
                or not node.args
            ):
                continue
            text = node.args[0]
            if isinstance(text, ast.Constant):
                yield text.value
            elif isinstance(text, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "7" for part in text.values)


@pytest.mark.parametrize("message", sorted(set(raised_messages())))
def test_every_error_message_has_its_swedish(message):
    assert error_text(message, "sv") != message
    assert error_text(message, "en") == message


# --- the command -------------------------------------------------------------------------------------------


def test_the_command_explains_a_frame():
    text = run("--format", "kmp", FRAMES[0].hex(" "), "--language", "sv")
    assert "E1 värmeenergi" in text
    assert "41,651 MWh" in text


def test_the_commands_json():
    serial, registers, log, request, acknowledged, broken = answers(
        "--format",
        "kmp",
        lines="\n".join(
            raw.hex()
            for raw in (
                FRAMES[2],
                FRAMES[0],
                framed("3f " + NEW_ROWS, 0x40),
                framed("3f 10 01 003c", 0x80),
                b"\x06",
                b"\x40",
            )
        ),
    )
    assert (serial["manufacturer"], serial["id"], serial["command"]) == ("KAM", "75000000", "GetSerialNo")
    assert registers["id"] == "75000000"
    assert registers["records"][0] == {
        "quantity": "heat_energy",
        "number": 60,
        "unit": "MWh",
        "value": Decimal("41.651"),
        "function": "instantaneous",
        "storage": 0,
        "register": "energy_heat_kwh",
        "range": [3, 12],
    }
    assert registers["records"][2]["function"] == "maximum"
    assert registers["records"][-1] == {
        "quantity": "real_time_clock",
        "number": 1047,
        "unit": "",
        "value": "0102",
        "function": "instantaneous",
        "storage": 0,
        "register": None,
        "range": [66, 73],
        "error": "unit 53 is not known",
    }
    assert registers["registers"] == {"energy_heat_kwh": 41651, "flow_temperature_c": Decimal("71.28")}
    assert (registers["info_code"], registers["meter_time"]) == (9, "2026-06-11T20:52:54")
    assert log["content"]["flags"] == ["entries cut"]
    assert [(each["at"], each["registers"]) for each in log["dated"]] == [
        ("2026-01-15T11:00:00", {"energy_heat_kwh": 41648}),
        ("2026-01-15T12:00:00", {"energy_heat_kwh": 41651}),
    ]
    assert [record["row"] for record in log["records"]] == [0x1234, 0x1234, 0x1233, 0x1233]
    assert (request["from_meter"], request["address"], request["content"]) == (
        False,
        0x3F,
        {"registers": [60]},
    )
    assert (acknowledged["from_meter"], acknowledged["command"], acknowledged["content"]) == (True, "", {})
    assert broken == {"error": "frame_error", "message": "the frame ends with 40 instead of the stop byte 0D"}


@given(st.one_of(st.binary(max_size=60), st.sampled_from([bytes.fromhex(body)[2:] for body in ANSWERS])), FIELD_LISTS,
       st.sampled_from([*table.COMMANDS]), st.booleans(), st.sampled_from(["sv", "en"]))  # fmt: skip
def test_whatever_can_be_read_can_be_explained(data, values, command, from_meter, language):
    content = registers_of(values) if command == table.GET_REGISTER and from_meter else data
    raw = frame.build(0x3F, command, content, from_meter=from_meter)
    try:
        found = kmp.decode(raw)
    except DecodeError as error:
        told = explain_error(error, raw, language)
    else:
        told = explain(found, language)
        json.loads(to_line(as_json(found)))
    assert render(told)


def test_what_stands_in_json_can_be_read_back():
    for raw in FRAMES:
        json.loads(to_line(as_json(kmp.decode(raw))))
