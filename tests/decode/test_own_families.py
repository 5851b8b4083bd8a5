"""Families of the user's own: drafted from a telegram, checked line by line, handed over to the decoder."""

from __future__ import annotations

import re
import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.decode.by_hand import KEY, full, wired, wireless

from avlas.decode import families
from avlas.decode.family_draft import INVENTED, Heard, NoDraftError, draft
from avlas.decode.family_files import FamilyError, build, own_families, problems, shipped
from avlas.decode.family_samples import differences
from avlas.decode.family_words import draft_text, problem_text
from avlas.decode.single import telegram

FULL = full("04062A0000000414670100000259921D04FF09030000000C7878563412426C3F31440629000000")
MINE = """title = "My meters"

[[meter]]
manufacturer = "XYZ"
version = 0x01
device_types = [0x04]
model = "My 1"

[[register]]
vib = "FF09"
code = "input_a"
unit = "m³"

[[info]]
vib = "FF22"

[[info.bit]]
bit = 0
code = "one"
sv = "Ett"
en = "One"
severity = 1

[[info.bit]]
bit = 3
code = "two"
sv = "Två"
en = "Two"
severity = 2
"""


@pytest.fixture(autouse=True)
def _no_own_families():
    yield
    families.hand_over(())


def heard(frame, key=None, kind="a"):
    return Heard(frame, key, kind, telegram(frame, key, format=kind))


def hand_over(text, name="mine"):
    own, wrong = own_families({name: text})
    assert wrong == ()
    families.hand_over(own)
    return own[0]


def test_an_own_family_is_used_at_once_and_taken_back():
    assert telegram(FULL).family == ""
    hand_over(MINE)
    decoded = telegram(FULL)
    assert (decoded.family, decoded.model, decoded.registers["input_a"]) == ("mine", "My 1", 3)
    families.hand_over(())
    assert "input_a" not in telegram(FULL).registers


def test_an_own_family_goes_before_the_programs_and_may_extend_it():
    hand_over(
        'title = "403 of ours"\nextends = "multical_403"\n[[meter]]\nmanufacturer = "KAM"\nversion = 0x34\n'
        'device_types = [0x04]\nmodel = "Ours"\n'
    )
    theirs = next(family for family in shipped() if family.name == "multical_403")
    sample = theirs.samples[0]
    decoded = telegram(bytes.fromhex(sample.telegram), bytes.fromhex(sample.key))
    assert decoded.model == "Ours"
    assert decoded.registers["energy_flow_m3c"] == 74190  # the rules it builds on still hold
    assert families.named("mine") is not None


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('vib = "FF09"', 'vib = "ff09"', 10, "register 1: vib must be capital hexadecimal bytes, not 'ff09'"),
        ('code = "input_a"', 'code = "input"', 11, "register 1: unknown register code"),
        ("bit = 3", "bit = 40", 25, "info 1: bit must be a number 0-31, not 40"),
        ('sv = "Två"', 'sv = ""', 25, "info 1: bit 3: sv text is missing"),
        ('model = "My 1"', "", 3, "meter 1: model is missing"),
        ("version = 0x01", 'version = "1"', 5, "meter 1: version must be a whole number, not '1'"),
        ("device_types = [0x04]", "device_types = 4", 6, "meter 1: device_types must be a list"),
        ('title = "My meters"', 'title = "My meters"\nroads = ["sea"]', 2, "roads: unknown road 'sea'"),
        ('title = "My meters"', 'title = "My meters"\ntitel = "x"', 2, "unknown key 'titel'"),
        ("severity = 2", "severity = = 2", 29, "this is no TOML"),
    ],
)
def test_a_bad_file_is_named_with_its_line_and_the_others_go_on(old, new, line, message):
    assert old in MINE
    good = MINE.replace("XYZ", "ABC")
    own, wrong = own_families({"bad": MINE.replace(old, new, 1), "good": good})
    assert [family.name for family in own] == ["good"]
    assert wrong[0].name == "bad"
    assert wrong[0].message.startswith(message)
    assert wrong[0].line == line
    assert problem_text(wrong[0].message, "sv") != problem_text(wrong[0].message, "en") == wrong[0].message


def test_two_own_files_for_one_meter():
    own, wrong = own_families({"a": MINE, "b": MINE})
    assert [family.name for family in own] == ["a"]
    assert [(one.name, one.line, one.message) for one in wrong] == [
        ("b", 3, "meter 1: a.toml knows this meter already")
    ]


_toml = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.text(max_size=4) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_keys = st.sampled_from(
    [
        "title",
        "extends",
        "meter",
        "register",
        "name",
        "info",
        "status",
        "bit",
        "group",
        "value",
        "vib",
        "code",
        "unit",
        "sample",
        "expect",
        "registers",
        "digits",
        "sensor_errors",
        "roads",
        "module",
        "device_types",
        "version",
        "manufacturer",
        "model",
        "sv",
        "en",
        "severity",
        "bits",
        "first_bit",
    ]
)


@example({"status": [{}]})  # a bit without a number
@given(st.dictionaries(_keys, _toml | st.lists(st.dictionaries(_keys, _toml, max_size=4), max_size=2)))
def test_whatever_stands_in_a_file_is_told_and_never_raises(raw):
    files = {"mine": {"title": "x", **raw}}
    if found := problems("mine", files):
        assert [text for text in found if problem_text(text, "sv") == text] == []
        with pytest.raises(FamilyError):
            build("mine", files)
    else:
        assert build("mine", files).name == "mine"


def test_a_draft_is_a_right_file_with_an_invented_number():
    text = draft(heard(FULL))
    assert "12345678" not in text
    assert "78563412" not in text
    assert 'vib = "FF09"' in text  # a proposal for what nothing was made of
    assert "fabrication number (left out)" in text
    family = hand_over(text)
    assert [who.manufacturer for who in family.meters] == ["XYZ"]
    assert differences(family, family.samples[0]) == []
    assert family.samples[0].expect["id"] == INVENTED
    assert family.samples[0].expect["registers"]["volume_m3"] == 3.59
    assert family.samples[0].expect["dated"][0]["registers"] == {"energy_heat_kwh": 41}


def test_a_draft_of_a_wired_meter_and_one_as_heard():
    frame = wired(bytes.fromhex("72785634123A63010405000000" + "04062A000000"))
    family = hand_over(draft(heard(frame, kind="wired")))
    assert family.roads == ("wired",)
    assert differences(family, family.samples[0]) == []
    families.hand_over(())
    text = draft(heard(frame, kind="wired"), as_heard=True)
    assert frame.hex().upper() in text
    family = hand_over(text)
    assert family.samples[0].expect["id"] == "12345678"
    assert differences(family, family.samples[0]) == []


OWN_PAYLOADS = {"izar", "techem_smoke"}  # no records: read by code, not by a file
WITH_RECORDS = [family for family in shipped() if family.name not in OWN_PAYLOADS]


@pytest.mark.parametrize("family", WITH_RECORDS, ids=lambda family: family.name)
def test_a_draft_of_a_known_meter_builds_on_its_family(family):
    sample = family.samples[0]
    key = bytes.fromhex(sample.key) if sample.key else None
    text = draft(heard(bytes.fromhex(sample.telegram), key, sample.format))
    assert tomllib.loads(text)["extends"] == family.name
    assert sample.key == "" or sample.key not in text
    own = hand_over(text)
    assert differences(own, own.samples[0]) == []


def test_every_remark_of_a_draft_is_there_in_swedish():
    flags = full("04062A00000002FD1702004406290000004" + "26C3F3104FF0903000000")
    sample = next(family for family in shipped() if family.name == "lansen_pulse").samples[0]
    for one in (heard(FULL), heard(flags), heard(bytes.fromhex(sample.telegram))):
        for as_heard in (False, True):
            text = draft(one, as_heard=as_heard)
            swedish = draft_text(text, "sv")
            assert tomllib.loads(swedish) == tomllib.loads(text)
            same = {
                line
                for line in set(text.splitlines()) & set(swedish.splitlines())
                if re.search(r"# [A-Za-z].* [a-z]+ [a-z]+", line) and not re.match(r"# +\d+\.|# \w+ =", line)
            }
            assert same == set()


def test_no_draft_without_records():
    frame = wireless(b"\xa0" + bytes(20))
    with pytest.raises(NoDraftError, match="no records"):
        draft(heard(frame))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("volume_m3 = 3.59", "volume_m3 = 3.6", "volume_m3 is 3.59, expected 3.6"),
        ("volume_m3 = 3.59", "", "volume_m3 is 3.59, not expected"),
        ("volume_m3 = 3.59", "volume_m3 = 3.59\npower_kw = 1", "power_kw is not there, expected 1"),
        ('medium = "heat"', 'medium = "water"', "medium is 'heat', expected 'water'"),
        ('id = "99000099"', 'id = "1"', "id is '99000099', expected '1'"),
        (
            "energy_heat_kwh = 41",
            "energy_heat_kwh = 40",
            "energy_heat_kwh of 2025-02-01 00:00 is 41, expected 40",
        ),
    ],
)
def test_where_a_sample_differs(old, new, said):
    text = draft(heard(FULL))
    assert old in text
    family = hand_over(text.replace(old, new))
    found = differences(family, family.samples[0])
    assert any(one.startswith(said) for one in found)
    assert [text for text in found if problem_text(text, "sv") == text] == []


def test_a_sample_that_cannot_be_decoded_says_why():
    text = draft(heard(FULL), as_heard=True).replace(FULL.hex().upper(), FULL.hex().upper()[:-20])
    family = hand_over(text)
    assert differences(family, family.samples[0])
    assert KEY.hex().upper() not in text
