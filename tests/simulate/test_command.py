"""``avlas simulate`` as people run it."""

import argparse
import os
import select
import subprocess
import sys
import time

import pytest

from avlas.simulate import command, optical


def run(*words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(words))


def test_types(capsys):
    assert run("types") == 0
    out = capsys.readouterr().out
    assert "multical403 " in out
    assert "PressureSensor" in out


def test_telegrams_carry_their_key_and_repeat(capsys):
    assert run("telegrams", "--type", "multical403", "--type", "multical21", "--count", "3") == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert len(lines) == 6
    assert all(bytes.fromhex(frame)[0] == len(frame) // 2 - 1 and len(key) == 32 for frame, key in lines)
    run("telegrams", "--type", "multical403", "--type", "multical21", "--count", "3")
    assert capsys.readouterr().out == out
    run("telegrams", "--type", "multical403", "--seed", "2", "--count", "3")
    assert not {line.split()[0] for line in capsys.readouterr().out.splitlines()} & {
        line[0] for line in lines
    }


@pytest.mark.parametrize(
    ("form", "begins"), [("rtl_wmbus", "C1;1;1;2024-02-29 "), ("simulation", "telegram=|")]
)
def test_other_formats(capsys, form, begins):
    assert run("telegrams", "--format", form, "--start", "2024-02-29T12:00") == 0
    assert all(line.startswith(begins) for line in capsys.readouterr().out.splitlines())


def test_no_keys(capsys):
    run("telegrams", "--no-keys", "--count", "1")
    assert " " not in capsys.readouterr().out.strip()


def test_key_file(tmp_path, capsys):
    path = tmp_path / "town.zip.kem"
    assert run("keys", "--meters", "3", "--password", "secret", str(path)) == 0
    assert path.read_bytes().startswith(b"PK")
    assert "3 meters" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("telegrams", "--type", "multical603_wired", "--format", "rtl_wmbus"), "read by wire"),
        (("keys", "--type", "multical603_wired", "--password", "x", "f"), "no keys"),
        (("keys", "--password", "seventeen letters", "f"), "1 to 16 bytes"),
        (("keys", "--password", "x", "/nowhere/f"), "/nowhere/f"),
        (("receiver", "--path", "/nowhere/radio"), "no folder /nowhere"),
    ],
)
def test_refusals_say_why(capsys, words, says):
    assert run(*words) == 1
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [("telegrams", "--count", "0"), ("telegrams", "--type", "x"), ("telegrams", "--start", "noon"),
     ("receiver", "--interval", "-1"), ()],
)  # fmt: skip
def test_misuse_is_refused_by_the_parser(words):
    with pytest.raises(SystemExit):
        run(*words)


def test_receiver_serves_a_port(tmp_path):
    path = tmp_path / "radio"
    program = (
        "import argparse; from avlas.simulate import command; p = argparse.ArgumentParser(); "
        f"command.add_arguments(p); raise SystemExit(command.run(p.parse_args(['receiver', '--path', {str(path)!r}, "
        "'--interval', '0.2', '--count', '100'])))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout.readline().decode().strip() == str(path)
            port = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            os.write(port, bytes.fromhex("A501030600020A300100"))
            got, deadline = b"", time.monotonic() + 10
            while b"\xa5\x42\x03" not in got and time.monotonic() < deadline:
                try:
                    got += os.read(port, 500)
                except BlockingIOError:
                    time.sleep(0.02)
            assert got.startswith(bytes.fromhex("A501040100"))
            assert b"\xa5\x42\x03" in got
            os.close(port)
        finally:
            process.terminate()


@pytest.mark.parametrize(("kind", "asked"), [("multical602", "a1"), ("multical403", "b8")])
def test_an_optical_head_serves_a_port(tmp_path, kind, asked):
    """A meter asleep echoes alone; woken by Enter it answers, an old type with old logs, a new one with new."""
    path = tmp_path / "head"
    program = (
        "import argparse; from avlas.simulate import command; p = argparse.ArgumentParser(); "
        f"command.add_arguments(p); raise SystemExit(command.run(p.parse_args(['optical', '--path', {str(path)!r}, "
        f"'--type', {kind!r}, '--asleep'])))"
    )
    request = {
        "a1": optical.frame(0x7F, 0xA1, bytes.fromhex("02 01 003c 01 80"), start=0x80),
        "b8": optical.frame(0x3F, 0xB8, bytes.fromhex("07 04 0000 0001 01 003c"), start=0x80),
    }[asked]
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout.readline().decode().strip() == str(path)
            assert b"asleep" in process.stderr.readline()
            port = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            os.write(port, request)
            assert read_until(port, b"\x0d") == request
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert b"answers" in process.stderr.readline()
            os.write(port, request)
            assert read_until(port, b"\x0d") == request
            answer = read_until(port, b"\x0d")
            assert answer[:1] == b"\x40"
            assert answer[2:3].hex() == asked
            os.close(port)
        finally:
            process.terminate()


def read_until(port, end, within=20.0):
    """One byte after the other until ``end``, or what came in time."""
    got, deadline = b"", time.monotonic() + within
    while not got.endswith(end) and time.monotonic() < deadline:
        if select.select([port], [], [], 0.05)[0]:
            got += os.read(port, 1)
    return got
