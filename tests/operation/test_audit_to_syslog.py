"""The program as a person runs it copies its audit to a syslog server before it ends, and ends without one."""

from __future__ import annotations

import json
import socket


def test_a_command_sends_its_events_before_it_ends(copied):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        copied.more["AVLAS_SYSLOG"] = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        copied.run("backup")
        line, _ = server.accept()
        with line, line.makefile("rb") as lines:
            (sent,) = lines.read().splitlines()
    assert b" backup.made - {" in sent
    assert json.loads(sent.partition(b" - ")[2])["target"].endswith(".avlas-backup")


def test_without_its_server_the_deed_is_done_and_the_check_up_says_so(copied):
    copied.more["AVLAS_SYSLOG"] = "tcp://127.0.0.1:9"
    copied.run("backup")
    found = [json.loads(line) for line in copied.run("check", "--json", status=1).splitlines()]
    assert {one["area"]: one["level"] for one in found}["Syslog"] == "warning"
    copied.more["AVLAS_SYSLOG"] = "127.0.0.1:514"
    assert "udp://host:port" in copied.run("check", status=1)
