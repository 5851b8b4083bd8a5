"""Family files: the shipped ones are right, and what is wrong with another is said in plain words."""

from __future__ import annotations

import copy

import pytest

from avlas.decode import family_files
from avlas.decode.family_files import FamilyError, build, problems, shipped, shipped_files
from avlas.decode.registers import BY_CODE

GOOD = {
    "title": "Test meter",
    "meter": [{"manufacturer": "TST", "version": 1, "device_types": [4], "model": "T1"}],
    "register": [{"code": "energy_flow_m3c", "vib": "FF07", "unit": "m³·°C"}],
    "info": [
        {
            "vib": "FF22",
            "bit": [{"bit": 0, "code": "one", "sv": "Ett", "en": "One", "severity": 1}],
            "group": [
                {
                    "first_bit": 4,
                    "bits": 3,
                    "code": "leak_recorded",
                    "sv": "Läcka i {value}",
                    "en": "Leak for {value}",
                    "severity": 1,
                    "source": "history",
                    "value": [{"value": 2, "code": "a_day", "sv": "ett dygn", "en": "a day"}],
                }
            ],
        }
    ],
}


def changed(path, value):
    """GOOD with one entry replaced (or removed, value None); path like "info.0.bit.0.sv"."""
    raw = copy.deepcopy(GOOD)
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place = raw
    for step in way:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return raw


@pytest.mark.parametrize("name", sorted(shipped_files()))
def test_shipped_file_has_no_problem(name):
    assert problems(name, shipped_files()) == []


def test_every_seed_family_is_there():
    models = {who.model for family in shipped() for who in family.meters}
    assert {
        "MULTICAL 403", "MULTICAL 603", "MULTICAL 803", "MULTICAL 303", "MULTICAL 302", "MULTICAL 402",
        "MULTICAL 601", "MULTICAL 602", "MULTICAL 21", "flowIQ 2200", "flowIQ 3100", "OMNIPOWER",
        "PressureSensor",
    } <= models  # fmt: skip


def test_no_meter_is_claimed_by_two_families():
    claims = [
        (who.manufacturer, who.version, device_type)
        for family in shipped()
        for who in family.meters
        for device_type in who.device_types
    ]
    assert len(claims) == len(set(claims))


def test_swedish_and_english_texts_differ_and_say_something():
    for family in shipped():
        for bit in (bit for info in family.info for bit in info.bits):
            assert bit.sv != bit.en, (family.name, bit.code)
            assert "{" not in bit.sv + bit.en


def test_a_file_extends_another_and_its_own_entries_come_first():
    files = {
        "base": {"title": "Base", "register": [{"code": "input_a", "quantity": "volume", "subunit": 1}]},
        "child": {**GOOD, "extends": "base"},
    }
    family = build("child", files)
    assert [rule.code for rule in family.registers] == ["energy_flow_m3c", "input_a"]
    assert family.title == "Test meter"
    assert [(bit.mask, bit.value, bit.code) for bit in family.info[0].bits] == [
        (0x01, 0x01, "one"),
        (0x70, 0x20, "leak_recorded_a_day"),
    ]
    assert family.info[0].bits[1].sv == "Läcka i ett dygn"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("register.0.code", "energy_heat", "register 1: unknown register code 'energy_heat'"),
        ("register.0.vib", "ff07", "register 1: vib must be capital hexadecimal bytes, not 'ff07'"),
        ("register.0.vib", None, "register 1: give either vib or quantity"),
        ("register.0.quantity", "volume", "register 1: give either vib or quantity"),
        ("register.0.functon", "maximum", "register 1: unknown key 'functon'"),
        ("register.0.tariff", "1", "register 1: tariff must be a whole number, not '1'"),
        ("info.0.bit.0.sv", None, "info 1: bit 0: sv text is missing"),
        ("info.0.bit.0.en", "  ", "info 1: bit 0: en text is missing"),
        ("info.0.bit.0.bit", 32, "info 1: bit must be a number 0-31, not 32"),
        ("info.0.bit.0.severity", 4, "info 1: bit 0: severity must be 1 (notice), 2 (warning) or 3 (alarm), not 4"),
        ("info.0.bit.0.code", "One!", "info 1: bit 0: code must be small letters, digits and _, not 'One!'"),
        ("info.0.group.0.first_bit", 0, "info 1: group 1: its bits are already used"),
        ("info.0.group.0.bits", 30, "info 1: group 1: first_bit 4 and bits 30 do not lie within 32 bits"),
        ("info.0.group.0.value.0.value", 8, "info 1: group 1: value must be 1-7, not 8"),
        ("info.0.group.0.value.0.sv", None, "info 1: group 1: value 2: sv text is missing"),
        ("info.0.group.0.source", "old", "info 1: group 1: source must be info_code or history, not 'old'"),
        ("meter.0.manufacturer", "KAMS", "meter 1: manufacturer must be three capital letters, not 'KAMS'"),
        ("meter.0.version", 256, "meter 1: version must be a number 0-255, not 256"),
        ("meter.0.device_types", [], "meter 1: device_types must be a list of numbers 0-255"),
        ("meter.0.model", None, "meter 1: model is missing"),
        ("title", "", "title is missing"),
        ("titel", "x", "unknown key 'titel'"),
        ("extends", "nothing", "extends names the unknown file 'nothing'"),
        ("target_date_stamp", "12:00", "target_date_stamp must be 00:00 or 24:00, not '12:00'"),
        ("digits", [77], "digits must be a list of numbers 4-12"),
        ("roads", ["carrier_pigeon"], "roads: unknown road 'carrier_pigeon'"),
        ("sensor_errors", {"volume_m3": ["x"]}, "sensor_errors: volume_m3 must be a list of numbers in quotes"),
        ("module", [{"number": "1", "sv": "a", "en": "b", "roads": ["air"]}], "module 1: unknown road 'air'"),
        ("sample", [{"title": "x", "telegram": "zz", "expect": {"id": "1"}}], "sample 1: telegram must be capital"),
        ("register", {"code": "volume_m3"}, "register must be a list of tables, written [[register]]"),
    ],
)  # fmt: skip
def test_a_problem_is_told_in_plain_words(path, value, expected):
    files = {"mine": changed(path, value)}
    found = problems("mine", files)
    assert any(text.startswith(expected) for text in found), found
    with pytest.raises(FamilyError, match=r"mine\.toml: "):
        build("mine", files)


def test_the_same_bit_twice_is_a_problem():
    raw = copy.deepcopy(GOOD)
    raw["info"][0]["bit"] *= 2
    found = problems("mine", {"mine": raw})
    assert "info 1: bit 0 is there twice" in found
    assert "info 1: bit 0: code 'one' is there twice" in found


def test_extends_in_a_circle_is_a_problem():
    files = {"a": {"title": "A", "extends": "b"}, "b": {"title": "B", "extends": "a"}}
    assert problems("a", files) == ["extends goes in a circle at 'a'"]


def test_modules_of_the_large_types_name_roads_and_remote_disconnect_is_wired_alone():
    for name in ("multical_403", "multical_603", "multical_803"):
        modules = next(family for family in shipped() if family.name == name).modules
        disconnect = [module for module in modules if "remote_disconnect" in module.features]
        assert [module.roads for module in disconnect] == [("wired",)]
        roads = {road for module in modules for road in module.roads}
        assert {"drive_by", "fixed_network", "linkiq", "wired", "point_to_point"} <= roads
        assert roads <= set(family_files.ROADS)
    for name in ("multical_302", "multical_402", "multical_602", "multical_21", "flowiq"):
        family = next(family for family in shipped() if family.name == name)
        assert not any("remote_disconnect" in module.features for module in family.modules)


def test_point_to_point_of_403_is_nb_iot_alone():
    def point_to_point(name):
        modules = next(family for family in shipped() if family.name == name).modules
        return {module.number for module in modules if "point_to_point" in module.roads}

    assert all("NB-IoT" in number for number in point_to_point("multical_403"))
    assert "HC-003-83" in point_to_point("multical_603")


def test_sensor_error_registers_exist():
    for family in shipped():
        assert set(family.sensor_errors) <= set(BY_CODE)
