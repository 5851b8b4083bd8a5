"""Finding receivers: real ports (pty) with simulated sticks on them, and what is in use left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from avlas.cli import main
from avlas.collect import detect
from avlas.collect.detect import Port, find_receivers, opened_devices, software_radios
from avlas.simulate.line import Line
from avlas.simulate.receivers import Im871a, RtlWmbus
from avlas.simulate.usb_receivers import Amber, Cul, Iu891a, Rc1180

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("make", "kind", "model"),
    [
        (Im871a, "im871a", "iM871A"),
        (partial(Im871a, module_type=0x36), "im170a", "iM170A"),
        (Iu891a, "iu891a", "iU891A-XL"),
        (partial(Iu891a, module_type=0x71), "iu893a", "iU893A-XL"),
        (Amber, "amb8465", "AMB8465"),
        (partial(Amber, 169), "amb3665", "AMB3665"),
        (Cul, "cul", "CUL"),
        (Rc1180, "rc1180", "RC1180"),
        (RtlWmbus, "", ""),
    ],
)
def test_each_says_which_it_is_and_nothing_is_set(
    tmp_path: Path, make: Callable[[], Any], kind: str, model: str
) -> None:
    stick = make()
    with Line(stick, tmp_path / "ttyUSB0") as line:
        before = {name: value for name, value in vars(stick).items() if name not in ("_buffer", "commanded")}
        (found,) = find_receivers({}, [Port(str(line.path), "10c4:ea60", "a stick", "42")])
        after = {name: vars(stick)[name] for name in before}
    assert (found.kind, found.model) == (kind, model)
    assert found.state == ("receiver" if kind else "unknown")
    assert found.spec == (f"{kind}:{line.path}" if kind else "")
    assert after == before
    assert not getattr(stick, "commanded", False)


def test_what_is_used_is_left_alone(tmp_path: Path) -> None:
    class Deaf(Im871a):
        def feed(self, data: bytes) -> bytes:
            raise AssertionError(f"disturbed by {data!r}")

    with Line(Deaf(), tmp_path / "ttyUSB0") as line:
        port = Port(str(line.path), "10c4:ea60")
        (ours,) = find_receivers({f"im871a:{line.path}": "Tornet", "import": "import"}, [port])
        assert (ours.state, ours.by) == ("in_use", "Tornet")
        hold = "import sys, time; f = open(sys.argv[1], 'rb', 0); print(1, flush=True); time.sleep(60)"
        with subprocess.Popen([sys.executable, "-c", hold, str(line.path)], stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.readline()
            assert os.path.realpath(line.path) in opened_devices()
            (theirs,) = find_receivers({}, [port])
            other.kill()
        assert (theirs.state, theirs.by) == ("in_use", "")


def test_ports_that_are_no_usb_devices_and_ports_that_are_gone(tmp_path: Path) -> None:
    plain, gone = find_receivers({}, [Port("/dev/ttyS77"), Port(f"{tmp_path}/none", "0403:6001")])
    assert plain.state == "not_asked"
    assert gone.state == "unusable"
    assert gone.problem is not None
    assert gone.problem.text_id == "port_missing"


def test_software_radios_by_their_usb_id(tmp_path: Path) -> None:
    for name, vendor, serial in (("1-1", "0bda", "00000123"), ("1-2", "0bda", "a b"), ("1-3", "1d6b", "")):
        (tmp_path / name).mkdir()
        for file, content in (("idVendor", vendor), ("idProduct", "2838"), ("serial", serial)):
            (tmp_path / name / file).write_text(content + "\n")
    assert [found.spec for found in software_radios(tmp_path)] == ["rtl_wmbus:run/00000123", "rtl_wmbus:run"]


@pytest.mark.django_db
def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AVLAS_LANGUAGE", "en")
    with Line(Cul(), tmp_path / "ttyUSB0") as line:
        monkeypatch.setattr(detect, "serial_ports", lambda: [Port(str(line.path), "1a86:7523")])
        assert main(["receivers", "--json"]) == 0
        (found,) = (json.loads(text) for text in capsys.readouterr().out.splitlines())
        assert (found["kind"], found["spec"]) == ("cul", f"cul:{line.path}")
        assert found["says"]["firmware"].startswith("1.26.08")
        assert main(["receivers"]) == 0
        assert f"use it as cul:{line.path}" in capsys.readouterr().out
