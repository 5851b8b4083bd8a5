"""The check-up looks at a real server's certificate as a browser does."""

from __future__ import annotations

import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.utils import translation

from avlas.operation.check.certificate import certificate
from avlas.operation.check.finding import Asked, Level
from avlas.system.models import MailServer

NOW = datetime.now(UTC)


def made(folder, *, name: str, begins: datetime, ends: datetime):
    """A certificate that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    shown = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file = folder / "certificate.pem"
    file.write_bytes(
        shown.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


@contextmanager
def served(file):
    """A web server that shows the certificate; its address."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.handle_error = lambda *_: None  # who doesn't believe it hangs up
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"https://localhost:{server.server_port}"
        server.shutdown()


@pytest.fixture
def looked_at(db, tmp_path, monkeypatch):
    def look(*, name="localhost", days_left=60.0, life=90, trusted=True):
        ends = NOW + timedelta(days=days_left)
        file = made(tmp_path, name=name, begins=ends - timedelta(days=life), ends=ends)
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(file))
        else:
            monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        with served(file) as address:
            MailServer.objects.update_or_create(
                pk=1, defaults={"host": "smtp.example", "port": 587, "sender": "a@b.example", "site_address": address}
            )  # fmt: skip
            with translation.override("en"):
                (found,) = certificate(Asked(NOW))
        return found

    return look


@pytest.mark.parametrize(
    ("days_left", "life", "level"),
    [
        (60, 90, Level.OK),
        (10, 90, Level.WARNING),
        (2, 90, Level.BAD),
        (4, 6, Level.OK),
        (1, 6, Level.WARNING),
        (0.5, 6, Level.BAD),
    ],
)
def test_it_says_how_long_it_lasts(looked_at, days_left, life, level):
    found = looked_at(days_left=days_left, life=life)
    assert found.level == level, found
    assert f"{NOW + timedelta(days=days_left):%Y-%m-%d}" in found.sentence
    assert bool(found.advice) == (level != Level.OK)


def test_what_browsers_do_not_believe(looked_at):
    ended = looked_at(days_left=-1)
    assert (ended.level, ended.advice) == (Level.BAD, "Renew it (and see the clock).")
    for found in (looked_at(name="elsewhere.example"), looked_at(trusted=False)):
        assert found.level == Level.BAD
        assert "known issuer" in found.advice


def test_nobody_answers(db):
    MailServer.objects.create(
        pk=1, host="smtp.example", port=587, sender="a@b.example", site_address="https://127.0.0.1:9"
    )
    (found,) = certificate(Asked(NOW))
    assert found.level == Level.WARNING


def test_without_https_there_is_nothing_to_see(db, settings):
    assert list(certificate(Asked(NOW))) == []
    settings.HTTPS = True
    (found,) = certificate(Asked(NOW))
    assert found.level == Level.OK
