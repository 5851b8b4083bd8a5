"""``avlas families``: what a person does who has a meter that nobody knows, with the real command and database."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys

import pytest

from avlas.decode import families
from avlas.meters import command_families
from avlas.meters.own_families import hand_over


@pytest.fixture(autouse=True)
def _no_own_families():
    yield
    families.hand_over(())


def frame():
    """A heat meter of a maker nobody knows: energy, volume, one record of its own and error flags."""
    body = bytes.fromhex("44633A" + "4523016711" + "04" + "7A2A000000")
    body += bytes.fromhex("0C0612470000" + "0C1336120000" + "04FF0911000000" + "02FD170200")
    return (bytes([len(body)]) + body).hex().upper()


def call(*arguments):
    parser = argparse.ArgumentParser()
    command_families.add_arguments(parser)
    return command_families.run(parser.parse_args(arguments))


def test_a_meter_in_ten_minutes(tmp_path, capsys, monkeypatch):
    """Draft, add a rule and an info bit, check, use: the way docs/en/add-a-meter.md tells it."""
    assert call("draft", frame()) == 0
    drafted = capsys.readouterr().out
    file = tmp_path / "families" / "mymeter.toml"
    file.parent.mkdir()
    file.write_text(drafted, encoding="utf-8")
    assert call("check", str(file)) == 0
    assert "right" in capsys.readouterr().out

    proposal = '# [[register]]\n# vib = "FF09"\n# code = "..."'
    assert proposal in drafted
    wrong = drafted.replace(proposal, '[[register]]\nvib = "FF09"\ncode = "input_a"\nunit = "m³"')
    file.write_text(wrong, encoding="utf-8")
    families.hand_over(())
    assert call("check", str(file)) == 1
    line = wrong.splitlines().index("[[sample]]") + 1
    assert f"{file}:{line}: sample 1: input_a is 17, not expected" in capsys.readouterr().err

    file.write_text(
        wrong.replace("[sample.expect.registers]", "[sample.expect.registers]\ninput_a = 17"), "utf-8"
    )
    families.hand_over(())
    assert call("check", str(file)) == 0
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    decode = [sys.executable, "-m", "avlas", "decode", "--json", "--families", str(file.parent), frame()]
    answer = subprocess.run(decode, capture_output=True, text=True, check=True, env=environment).stdout
    assert '"input_a": 17' in answer
    assert '"family": "mymeter"' in answer

    families.hand_over(())
    assert hand_over(file.parent) == ()
    assert families.named("mymeter") is not None
    monkeypatch.setenv("AVLAS_DATA", str(tmp_path))
    capsys.readouterr()
    assert call("list", "xyz") == 0
    assert "mymeter.toml" not in capsys.readouterr().out
    assert call("list", "NSC") == 0
    assert "mymeter.toml (own)" in capsys.readouterr().out


def test_a_bad_file_is_logged_with_its_line_and_the_good_ones_are_used(tmp_path, capsys, caplog):
    assert call("draft", frame()) == 0
    good = capsys.readouterr().out
    (tmp_path / "good.toml").write_text(good, encoding="utf-8")
    (tmp_path / "bad.toml").write_text(good.replace('model = "', 'modell = "'), encoding="utf-8")
    (tmp_path / "binary.toml").write_bytes(b"\xff\x00\xfe")
    with caplog.at_level(logging.WARNING):
        assert {one.name for one in hand_over(tmp_path)} == {"bad", "binary"}
    assert any("bad.toml, line " in text and "modell" in text for text in caplog.messages)
    assert families.named("good") is not None
    assert hand_over(tmp_path / "nowhere") == ()
    assert families.named("good") is None


@pytest.mark.parametrize("telegram", ["", "XYZ", "2E4"])
def test_what_is_no_telegram_is_a_misuse(telegram):
    with pytest.raises(argparse.ArgumentTypeError):
        call("draft", telegram)


def test_no_draft_of_a_damaged_telegram(capsys):
    assert call("draft", "2E44") == 1
    assert "No draft" in capsys.readouterr().err


def test_registers_are_listed(capsys):
    assert call("registers") == 0
    assert "energy_heat_kwh" in capsys.readouterr().out


@pytest.mark.django_db
def test_a_draft_from_the_newest_kept_telegram_of_a_meter(desk, hear, capsys):
    heard = hear("multical303_oms", each=3)
    desk.own(heard)
    desk.take_in(heard)
    meter = heard[0].meter
    assert call("draft", "--meter", meter.identification) == 0
    text = capsys.readouterr().out
    assert 'extends = "multical_303"' in text
    assert meter.identification not in text
    assert meter.key.hex().upper() not in text
    assert call("draft", "--meter", "00000001") == 1
    assert "00000001" in capsys.readouterr().err


@pytest.mark.django_db
def test_a_draft_from_a_meter_that_is_nobodys_yet(desk, hear, capsys):
    heard = hear("sensus_iperl")
    desk.take_in(heard)
    number, key = heard[0].meter.identification, heard[0].meter.key.hex()
    assert call("draft", "--meter", number) == 1
    capsys.readouterr()
    assert call("draft", "--meter", number, "--key", key) == 0
    assert 'extends = "sensus"' in capsys.readouterr().out
