"""avlas decode: one answer a line, in order, whatever the lines are; the contract of its JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal

import pytest

from avlas.decode.command import to_line
from avlas.decode.family_files import shipped
from avlas.simulate import frames, security
from avlas.simulate.meter import SimulatedMeter

SAMPLES = {family.name: family.samples for family in shipped()}
FULL = SAMPLES["multical_403"][0]
COMPACT = SAMPLES["multical_403"][4]


def run(*arguments, lines=None, **environment):
    """Start the program as a person would; gives its answers."""
    done = subprocess.run(
        [sys.executable, "-m", "avlas", "decode", *arguments],
        input=lines.encode() if isinstance(lines, str) else lines,
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", **environment},
        timeout=60,
    )
    assert done.stderr == b""
    assert done.returncode == 0
    return done.stdout.decode()


def answers(*arguments, lines=None):
    return [
        json.loads(line, parse_float=Decimal) for line in run("--json", *arguments, lines=lines).splitlines()
    ]


def test_the_contract():
    (answer,) = answers("--key", FULL.key, FULL.telegram)
    assert {
        k: answer[k] for k in ("manufacturer", "id", "version", "device_type", "medium", "model", "family")
    } == {
        "manufacturer": "KAM",
        "id": "71904512",
        "version": 0x34,
        "device_type": 4,
        "medium": "heat",
        "model": "MULTICAL 403",
        "family": "multical_403",
    }
    assert (answer["link"], answer["security"]) == ("wireless", "ell-ctr")
    assert answer["registers"] == {
        "energy_heat_kwh": 48213,
        "energy_flow_m3c": 74190,
        "energy_return_m3c": 36822,
        "volume_m3": Decimal("1093.47"),
        "volume_flow_m3h": Decimal("0.214"),
        "flow_temperature_c": Decimal("71.36"),
        "return_temperature_c": Decimal("38.02"),
    }
    assert answer["dated"] == [
        {
            "at": "2026-02-01T00:00:00",
            "storage": 1,
            "registers": {"energy_heat_kwh": 46890, "volume_m3": Decimal("1061.12")},
        }
    ]
    assert (answer["info_code"], answer["info_codes"], answer["status"]) == (0, [], [])
    energy, *_rest, target = answer["records"]
    assert energy == {
        "quantity": "energy",
        "unit": "kWh",
        "value": 48213,
        "function": "instantaneous",
        "storage": 0,
        "register": "energy_heat_kwh",
        "range": [20, 26],
    }
    assert (target["quantity"], target["value"], target["storage"]) == ("date", "2026-02-01", 1)


def test_info_codes_carry_both_languages_and_status_stands_apart():
    sample = next(s for s in SAMPLES["multical_303"] if "power_low" in s.expect["info_codes"])
    (answer,) = answers("--key", sample.key, sample.telegram)
    assert [code["code"] for code in answer["info_codes"]] == ["v1_wrong_direction"]
    assert answer["info_codes"][0]["sv"] == "Fel flödesriktning i V1"
    assert [code["code"] for code in answer["status"]] == ["power_low"]


def test_every_line_gets_its_answer_in_order():
    lines = [
        f"{FULL.telegram} {FULL.key}",
        "",
        "# a comment",
        "this is no telegram",
        FULL.telegram,
        f"{FULL.telegram} {'00' * 16}",
        FULL.telegram[:60],
        "0",
        f"{FULL.telegram} 1234",
        f"{FULL.telegram} {FULL.key}",
    ]
    found = answers(lines="\n".join(lines))
    assert [answer.get("error", "") for answer in found] == [
        "", "bad_input", "no_key", "wrong_key", "no_key", "bad_input", "bad_input", "",
    ]  # fmt: skip
    assert [answer["line"] for answer in found if answer.get("error") == "bad_input"] == [4, 8, 9]
    assert all(
        answer["id"] == "71904512" for answer in found if answer.get("error") in ("no_key", "wrong_key")
    )
    assert "not 4" in found[6]["message"]


def test_bytes_that_are_no_text_spoil_their_own_line_alone():
    lines = b"\xff\xfe\x00\x80\n" + f"{FULL.telegram} {FULL.key}\n".encode()
    first, second = answers(lines=lines)
    assert first["error"] == "bad_input"
    assert second["id"] == "71904512"


@pytest.mark.parametrize(
    "line",
    [
        FULL.telegram.lower(),
        " ".join(FULL.telegram[n : n + 2] for n in range(0, len(FULL.telegram), 2)),
        FULL.telegram[:40] + "_" + FULL.telegram[40:],
        f"  {FULL.telegram}\r",
    ],
)
def test_ways_to_write_a_telegram(line):
    (answer,) = answers("--key", FULL.key, lines=line + "\n")
    assert answer["registers"]["energy_heat_kwh"] == 48213


def test_a_lines_own_key_goes_before_the_common_one():
    (answer,) = answers("--key", "00" * 16, lines=f"{FULL.telegram} {FULL.key}")
    assert "error" not in answer


def test_compact_telegram_of_a_shipped_layout():
    (answer,) = answers("--key", COMPACT.key, COMPACT.telegram)
    assert answer["registers"]["energy_heat_kwh"] == 48213


def test_layouts_are_learnt_from_line_to_line():
    """A datagram nobody ships: the compact frame is read once a full one has been seen."""
    headers = (b"\x04\x06", b"\x04\x13", b"\x02\x59", b"\x02\x61")
    values = (b"\x10\x27\0\0", b"\x20\x4e\0\0", b"\x70\x17", b"\xe8\x03")
    full = b"".join(head + value for head, value in zip(headers, values, strict=True))
    compact = frames.tpl_compact(frames.crc(b"".join(headers)), frames.crc(full), b"".join(values))
    address = frames.address("KAM", "71904999", 0x34, 0x04)

    def clear(content):
        session = frames.session_number(100, 1, encrypted=False)
        payload = frames.crc(content).to_bytes(2, "little") + content
        return frames.link(address, frames.ell_long_header(7, session) + payload).hex()

    lines = [clear(compact), clear(frames.tpl_none(full)), clear(compact)]
    found = answers(lines="\n".join(lines))
    assert found[0]["error"] == "unknown_layout"
    assert found[1]["registers"] == found[2]["registers"]
    assert found[2]["registers"]["energy_heat_kwh"] == 10000


def test_fragments_are_put_together():
    """Mode 7 in three fragments: message control, counter and length with the first, MAC with the last."""
    meter = SimulatedMeter.of("diehl_hydrus", "63001234", bytes(range(16)))
    plain = security.fill(bytes.fromhex("0C1378563412") + bytes.fromhex("02FD170000") * 5)
    counter = (77).to_bytes(4, "little")
    content = security.mode_7(meter.key, 77, meter.address[2:6], plain)
    message = frames.tpl_short(5, 0, security.mode_7_configuration(plain), content)
    length = len(message).to_bytes(2, "little")
    _, mac_key = security.mode_7_keys(meter.key, 77, meter.address[2:6])
    mac = security.cmac(mac_key, b"\x65" + counter + length + message)[:8]
    heads = [b"\x01\x78\x65" + counter + length, b"\x02\x40", b"\x03\x04" + mac]
    pieces = [message[:20], message[20:40], message[40:]]
    parts = [
        frames.link(meter.address, frames.ell_short(5) + bytes((0x90, len(head))) + head + piece)
        for head, piece in zip(heads, pieces, strict=True)
    ]
    found = answers("--key", meter.key.hex(), lines="\n".join(part.hex() for part in parts))
    assert [answer.get("error") for answer in found] == ["unsupported", "unsupported", None]
    assert found[-1]["registers"]["volume_m3"] == Decimal("12345.678")


def test_wired_frame_by_itself_and_announced():
    sample = next(s for s in SAMPLES["multical_603"] if s.format == "wired")
    for arguments in ((), ("--format", "wired")):
        (answer,) = answers(*arguments, sample.telegram)
        assert answer["link"] == "wired"
        assert answer["registers"]["input_a"] == Decimal("812.33")


def test_a_wired_frame_that_lies_about_its_length_is_taken_by_force():
    sample = bytes.fromhex(next(s for s in SAMPLES["multical_603"] if s.format == "wired").telegram)
    for lying in (
        sample[:1] + bytes([sample[1] + 2] * 2) + sample[3:],
        sample[:-2] + bytes([sample[-2] ^ 0x55]) + sample[-1:],
    ):
        (refused,) = answers("--format", "wired", lying.hex())
        assert refused["error"] == "frame_error"
        (taken,) = answers("--format", "wired", "--force", lying.hex())
        assert taken["registers"]["input_a"] == Decimal("812.33")
    (other,) = answers("--force", "--format", "wired", "68")
    assert other["error"] == "frame_error"


def test_raw_number_stands_where_there_is_no_value():
    content = bytes.fromhex("780406 000000800413 E8030000".replace(" ", ""))
    telegram = frames.link(frames.address("XYZ", "11112222", 1, 4), content)
    (answer,) = answers(telegram.hex())
    energy, volume = answer["records"]
    assert (energy["value"], energy["raw"], bool(energy["error"])) == (None, -(2**31), True)
    assert "raw" not in volume
    assert answer["registers"] == {"volume_m3": 1}


def test_answers_come_at_once_so_that_it_works_in_a_pipe():
    with subprocess.Popen(
        [sys.executable, "-m", "avlas", "decode", "--json", "--key", FULL.key],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        for _ in range(3):
            program.stdin.write(FULL.telegram + "\n")
            program.stdin.flush()
            assert json.loads(program.stdout.readline())["id"] == "71904512"
        program.stdin.close()
        assert program.wait(timeout=30) == 0


@pytest.mark.parametrize("key", ["12", "x" * 32])
def test_a_wrong_key_on_the_command_line_is_misuse(key):
    done = subprocess.run(
        [sys.executable, "-m", "avlas", "decode", "--key", key, "00"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "hexadecimal digits" in done.stderr


def test_language_follows_the_environment_and_the_option():
    swedish = run(FULL.telegram, LC_ALL="sv_SE.UTF-8", AVLAS_LANGUAGE="")
    assert "nyckeln saknas" in swedish
    assert "key is missing" in run(FULL.telegram, LC_ALL="sv_SE.UTF-8", AVLAS_LANGUAGE="en")
    assert "key is missing" in run("--language", "en", FULL.telegram, AVLAS_LANGUAGE="sv")


def test_no_colours_in_a_pipe():
    assert "\x1b" not in run("--key", FULL.key, FULL.telegram)


def test_numbers_keep_their_digits():
    assert to_line({"a": Decimal("1061.120"), "b": 1.5, "c": (1, None), "d": b"\x0a", "e": float("nan")}) == (
        '{"a": 1061.120, "b": 1.5, "c": [1, null], "d": "0A", "e": null}'
    )
    assert to_line(Decimal("1E+3")) == "1000"
    assert to_line("värme") == '"värme"'
