"""Explanations: every byte told once, registers and info codes in words, in both languages."""

from __future__ import annotations

import ast
import re
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

import avlas.decode
from avlas.decode import errors, records, tpl
from avlas.decode.compact import Layouts
from avlas.decode.error_words import error_text
from avlas.decode.errors import DecodeError
from avlas.decode.explain import explain, explain_bad_input, explain_error, number_text, render
from avlas.decode.family_files import shipped
from avlas.decode.single import telegram
from avlas.decode.vif import EXTENSION_FB, EXTENSION_FD, EXTENSION_FDFD, PRIMARY
from avlas.decode.words import ADVICE, CODINGS, TEXTS, modifier, quantity, span_text

SAMPLES = [(family.name, sample) for family in shipped() for sample in family.samples]


def decoded(sample):
    key = bytes.fromhex(sample.key) if sample.key else None
    return telegram(bytes.fromhex(sample.telegram), key, format=sample.format, layouts=Layouts.shipped())


def sample_of(family, words=""):
    return next(sample for name, sample in SAMPLES if name == family and words in sample.title)


@pytest.mark.parametrize(
    "sample", [sample for _name, sample in SAMPLES], ids=[f"{name}: {s.title}" for name, s in SAMPLES]
)
def test_every_byte_is_told_exactly_once(sample):
    found = decoded(sample)
    rows = [row for section in explain(found).sections for row in section.rows if row.start is not None]
    told = [row for row in rows if row.kind in ("field", "record")]
    covered = sorted((row.start, row.end) for row in told)
    assert covered[0][0] == 0
    assert covered[-1][1] == len(found.plain)
    assert all(before[1] == after[0] for before, after in pairwise(covered))
    for row in rows:
        assert bytes.fromhex(row.bytes) == found.plain[row.start : row.end]


def test_a_records_parts_are_dif_vif_and_data():
    rows = [row for s in explain(decoded(sample_of("multical_403"))).sections for row in s.rows]
    first = next(n for n, row in enumerate(rows) if row.kind == "record")
    record, dif, vif, data = rows[first : first + 4]
    assert (record.name, record.meaning) == ("E1 energy", "48\u202f213 kWh")
    assert (dif.name, dif.bytes, dif.meaning) == ("DIF", "04", "32 bit integer, instantaneous, storage 0")
    assert (vif.name, vif.bytes, vif.meaning) == ("VIF", "06", "energy [kWh]")
    assert (data.bytes, data.meaning) == ("55 BC 00 00", "48\u202f213 kWh")


def section(explanation, identifier):
    return next(s for s in explanation.sections if s.id == identifier)


def test_swedish_explanation():
    found = explain(decoded(sample_of("multical_403", "disconnected")), "sv")
    assert found.title == "MULTICAL 403 · värme · KAM 71904513"
    registers = {row.name: (row.meaning, row.kind) for row in section(found, "registers").rows}
    assert registers["E1 Värmeenergi"] == ("43,290 GJ = 12\u202f025,0 kWh", "value")
    assert registers["t1 Ingående temperatur"] == ("185,00 °C (givarfel, inget mätvärde)", "alarm")
    info = [(row.kind, row.meaning) for row in section(found, "info").rows]
    assert info == [
        ("value", "264 = 0x108"),
        ("alarm", "Givare t1 över mätområdet eller avbruten"),
        ("alarm", "Luft i flödesgivare V1"),
    ]
    assert section(found, "dated").title == "Lagrat av mätaren, 2026-02-01 00:00"


def test_bits_are_shown_as_bits():
    rows = [row for s in explain(decoded(sample_of("multical_21"))).sections for row in s.rows]
    assert next(row.meaning for row in rows if row.name == "info code" and row.kind == "record") == "0x1C24"


def test_no_info_code_active():
    found = explain(decoded(sample_of("multical_403")))
    assert [row.meaning for row in section(found, "info").rows] == ["0, no irregularities"]


def failure(frame, key=None, **more):
    with pytest.raises(DecodeError) as caught:
        telegram(frame, key, **more)
    return caught.value


def test_an_error_says_what_is_wrong_and_what_to_do():
    frame = bytes.fromhex(sample_of("multical_403").telegram)
    found = explain_error(failure(frame), frame, "sv")
    assert found.title == "Innehållet är krypterat och nyckeln saknas"
    wrong, advice, given = section(found, "problem").rows
    assert wrong.meaning == "innehållet är krypterat (ELL AES-CTR): mätarens nyckel behövs"
    assert advice.meaning == "Ange mätarens nyckel eller läs in dess nyckelfil (på kommandoraden: --key)."
    assert given.meaning.startswith(f"{len(frame)} byte: ")
    assert section(found, "header").rows[0].meaning == "KAM 71904512, version 34, 04 värme"


def test_an_error_without_any_address():
    found = explain_error(failure(b"\x01"), b"\x01")
    assert [s.id for s in found.sections] == ["problem"]


def test_bad_input_names_its_line():
    found = explain_bad_input("7 hexadecimal digits are no whole number of bytes", 12, "sv")
    assert found.sections[0].rows[0].meaning == "rad 12: 7 hexadecimala siffror är inget helt antal byte"


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("language", ["sv", "en"])
def test_text_keeps_to_its_width(width, language):
    for _name, sample in SAMPLES:
        text = render(explain(decoded(sample), language), width=width)
        assert max(len(line) for line in text.splitlines()) <= max(width, 34 + 36 + 24 + 4)
        assert "None" not in text
        assert "  \n" not in text


def test_colours_only_on_request():
    found = explain(decoded(sample_of("multical_403", "disconnected")))
    plain, coloured = render(found), render(found, color=True)
    assert "\x1b" not in plain
    assert "\x1b[1;31m" in coloured

    def words(text):
        lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
        return [line.rstrip() for line in lines if set(line) - {"-", "="}]

    assert words(plain) == words(coloured)


def test_numbers_in_both_languages():
    assert number_text(Decimal("12345.670"), "sv") == "12\u202f345,670"
    assert number_text(Decimal("12345.670"), "en") == "12\u202f345.670"
    assert number_text(-0.25, "sv") == "-0,25"


def test_every_quantity_of_the_standard_has_a_swedish_name():
    names = {
        v.quantity for table in (PRIMARY, EXTENSION_FB, EXTENSION_FD, EXTENSION_FDFD) for v in table.values()
    }
    names |= {rule.quantity for family in shipped() for rule in family.names}
    missing = {name for name in names if quantity(name, "sv") == name.replace("_", " ")} - {
        "frequency",
        "any_vif",
    }
    assert missing <= set()


def test_every_error_kind_has_its_advice():
    kinds = {
        cls.kind for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, DecodeError)
    }
    assert kinds <= set(ADVICE)
    for texts in (*ADVICE.values(), *TEXTS.values(), *CODINGS):
        assert set(texts) == {"sv", "en"}


def raised_messages():
    """Every text that a module of the decoder raises an error with; 7 for each number in it."""
    for path in sorted(Path(avlas.decode.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            call = node.exc if isinstance(node, ast.Raise) else None
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or not call.args:
                continue
            if not hasattr(errors, call.func.id):
                continue
            text = call.args[0]
            if isinstance(text, ast.Constant):
                yield text.value
            elif isinstance(text, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "7" for part in text.values)


@pytest.mark.parametrize("message", sorted(set(raised_messages())))
def test_every_error_message_has_its_swedish(message):
    told = message.replace("longer message7:", "longer message:")
    assert error_text(told, "sv") != told
    assert error_text(told, "en") == told


def test_words_of_the_layers_in_swedish():
    for status in range(0x20):
        assert not re.search(r"battery|error|busy|condition", span_text(tpl.status_words(status), "sv"))
    assert span_text("98 bytes follow", "sv") == "98 byte följer"
    assert span_text("extended link layer", "en") == "extended link layer"
    assert modifier("at phase L2", "sv") == "i fas L2"
    assert modifier("backward flow", "sv") == "bakåtflöde"
    assert len(CODINGS) == len(records._CODINGS)
