"""The audit log's copy: to real sockets, after the commit, in order, and never in the way of the deed."""

from __future__ import annotations

import json
import re
import socket
from datetime import UTC, datetime

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from avlas import settings as avlas_settings
from avlas.system import audit, syslog
from avlas.system.models import AuditEvent

RFC_5424 = re.compile(
    r"<109>1 (?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) [!-~]{1,255} avlas \d{1,128} (?P<id>[!-~]{1,32}) - (?P<said>{.*})"
)
WAIT_SECONDS = 20


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(syslog, "RETRY_SECONDS", 0.02)


@pytest.fixture
def listening():
    """Opens servers; gives each as a socket."""
    made = []

    def listen(family, kind, address):
        server = socket.socket(family, kind)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.settimeout(WAIT_SECONDS)
        server.bind(address)
        if kind == socket.SOCK_STREAM:
            server.listen()
        made.append(server)
        return server

    yield listen
    for one in made:
        one.close()


def event(name: str = "keys.imported", **more: object) -> AuditEvent:
    more = {
        "at": datetime(2026, 11, 25, 13, 5, tzinfo=UTC),
        "user_name": "Åsa Ek",
        "computer": "192.0.2.7",
    } | more
    return AuditEvent(pk=41, event=name, **more)


def read(line: bytes) -> tuple[str, str, dict]:
    """Time, message id and message of a line."""
    found = RFC_5424.fullmatch(line.decode("ascii"))
    assert found, line
    return found["at"], found["id"], json.loads(found["said"])


def test_a_line_is_as_the_standard_says():
    at, message_id, said = read(syslog.line(event(target='två "rader"\n', detail={"å": [1, None]})))
    assert (at, message_id) == ("2026-11-25T13:05:00.000000Z", "keys.imported")
    assert said == {
        "id": 41, "utility": None, "user": "Åsa Ek", "computer": "192.0.2.7", "target": 'två "rader"\n',
        "detail": {"å": [1, None]},
    }  # fmt: skip


def test_a_line_has_a_longest_length():
    long = syslog.line(event("x." + "y" * 50, target="å" * 255, detail={"keys": ["61000001"] * 2000}))
    assert len(long) < syslog.LONGEST
    _, message_id, said = read(long)
    assert len(message_id) == 32
    assert said["detail"] == "too long, see the audit log"


@pytest.mark.parametrize(
    ("written", "way"),
    [
        ("local", ("local", "/dev/log", 0)),
        ("/run/log", ("local", "/run/log", 0)),
        ("udp://log.example", ("udp", "log.example", 514)),
        ("udp://[::1]:5514", ("udp", "::1", 5514)),
        ("tcp://log.example/", ("tcp", "log.example", 601)),
    ],
)
def test_ways(written, way):
    assert syslog.way(written) == way


@pytest.mark.parametrize(
    "written", ["log.example:514", "http://log.example", "udp://", "tcp://a/b", "tcp://a:x"]
)
def test_a_wrong_way_is_refused_at_the_start(written):
    with pytest.raises(ImproperlyConfigured, match="AVLAS_SYSLOG"):
        avlas_settings._syslog(written)


def test_over_udp_and_to_a_local_socket(listening, tmp_path):
    udp = listening(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
    local = listening(socket.AF_UNIX, socket.SOCK_DGRAM, str(tmp_path / "log"))
    for server, written in (
        (udp, f"udp://127.0.0.1:{udp.getsockname()[1]}"),
        (local, str(tmp_path / "log")),
    ):
        for number in range(3):
            syslog.send(event(target=str(number)), syslog.way(written))
        assert [read(server.recv(9000))[2]["target"] for _ in range(3)] == ["0", "1", "2"]


def test_over_tcp_nothing_is_lost_while_the_server_is_away(listening, quick):
    server = listening(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
    port = server.getsockname()[1]
    to = syslog.way(f"tcp://127.0.0.1:{port}")

    def two_targets(server):
        """What arrives on a connection; then the server ends it."""
        line, _ = server.accept()
        line.settimeout(WAIT_SECONDS)
        with line, line.makefile("rb") as lines:
            return [read(next(lines).removesuffix(b"\n"))[2]["target"] for _ in range(2)]

    def both(first, second):
        syslog.send(event(target=first), to)
        syslog.send(event(target=second), to)

    both("1", "2")
    assert two_targets(server) == ["1", "2"]
    server.close()
    both("3", "4")
    again = listening(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port))
    assert two_targets(again) == ["3", "4"]
    both("5", "6")
    assert two_targets(again) == ["5", "6"]
    assert syslog.sender(to).flush(WAIT_SECONDS)


def test_too_many_waiting_are_counted_and_nobody_waits(monkeypatch, quick, listening, caplog):
    monkeypatch.setattr(syslog, "MOST_WAITING", 5)
    probe = listening(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
    port = probe.getsockname()[1]
    probe.close()
    sender = syslog.Sender(syslog.way(f"tcp://127.0.0.1:{port}"))
    for number in range(20):
        sender.put(b"%d" % number)
    assert not sender.flush(0.05)
    server = listening(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port))
    line, _ = server.accept()
    assert sender.flush(WAIT_SECONDS)
    line.settimeout(WAIT_SECONDS)
    with line, line.makefile("rb") as lines:
        assert next(lines) == b"0\n"
    assert any("takes lines again; 1" in record.getMessage() for record in caplog.records)


def test_after_the_commit_and_only_then(
    listening, settings, utility, administrator, django_capture_on_commit_callbacks
):
    server = listening(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
    settings.SYSLOG = syslog.way(f"udp://127.0.0.1:{server.getsockname()[1]}")
    with django_capture_on_commit_callbacks(execute=True):
        with transaction.atomic():
            audit.record("keys.added", utility=utility, user=administrator)
            transaction.set_rollback(True)
        with transaction.atomic():
            kept = audit.record("keys.removed", utility=utility, user=administrator, target="61000001")
    _, message_id, said = read(server.recv(9000))
    assert message_id == "keys.removed"
    assert (said["id"], said["utility"], said["user"]) == (kept.pk, "Vätterns Energi", "Anna Ek")
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(9000)


def test_what_goes_wrong_does_not_stop_the_deed(
    settings, utility, monkeypatch, caplog, django_capture_on_commit_callbacks
):
    def broken(*_):
        raise RuntimeError("no thread could be started")

    settings.SYSLOG = syslog.way("udp://127.0.0.1:9")
    monkeypatch.setattr(syslog, "sender", broken)
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        audit.record("keys.added", utility=utility)
    assert AuditEvent.objects.filter(event="keys.added").exists()
    assert "no thread could be started" in caplog.text
