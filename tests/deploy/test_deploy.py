"""The service files and the container file: what they start exists, and what should be locked is."""

from __future__ import annotations

import argparse
import configparser
import importlib
import re
from pathlib import Path

import pytest

from avlas import cli

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy").glob("*.service"))


def starts(arguments: list[str]) -> None:
    command = next(known for known in cli.COMMANDS if known.name == arguments[0])
    parser = argparse.ArgumentParser()
    getattr(importlib.import_module(command.module), command.add_arguments)(parser)
    parser.parse_args(arguments[1:])


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units(path):
    unit = configparser.ConfigParser(strict=True, interpolation=None)
    unit.optionxform = str
    unit.read(path, encoding="utf-8")
    service = unit["Service"]
    python, module, name, *arguments = service["ExecStart"].split()
    assert (python, module, name) == ("/opt/avlas/.venv/bin/python", "-m", "avlas")
    starts(arguments)
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == "yes"
    assert service["Environment"] == f"AVLAS_DATA=/var/lib/{service['StateDirectory']}"
    needs_ports = arguments[0] in ("serve", "collect")
    assert ("PrivateDevices" in service) is not needs_ports
    assert service.get("SupplementaryGroups") == ("dialout" if needs_ports else None)


def test_all_parts_have_a_unit():
    assert {path.stem for path in UNITS} == {"avlas", "avlas-collect", "avlas-web", "avlas-work"}


def test_container_file():
    lines = (ROOT / "deploy" / "Containerfile").read_text().splitlines()
    steps = [line.partition(" ")[::2] for line in lines if line and not line.startswith("#")]
    for step, words in steps:
        if step == "COPY":
            for source in words.split()[:-1]:
                assert (ROOT / source).exists(), source
    named = dict(steps)
    assert named["ENTRYPOINT"] == '["avlas"]'
    starts(re.findall(r'"(\w+)"', named["CMD"]))
    assert named["USER"] == "avlas"
    assert "--require-hashes" in "".join(words for step, words in steps if step == "RUN")
