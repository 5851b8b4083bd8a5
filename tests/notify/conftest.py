"""Real servers that messages are sent to: SMTP, plain and with TLS, and HTTP."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from avlas.system import secrets

USER, PASSWORD = "avlas", "hemligt å"


@pytest.fixture(autouse=True)
def _own_data_folder(settings, tmp_path):
    """The master key lies in a folder of this test's own."""
    settings.DATA = tmp_path / "data"
    secrets.forget()
    yield
    secrets.forget()


@pytest.fixture
def utility(db):
    from avlas.system.models import Utility

    return Utility.objects.create(name="Vätterns Energi", slug="vattern")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate for localhost; who trusts it as an authority trusts the servers here."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def trusted(certificate, monkeypatch):
    """This process trusts the servers' certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return certificate


@pytest.fixture
def tls(certificate):
    """The servers' side of TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@dataclass
class Mailbox:
    """What a server does with messages: takes them, or answers from ``answers`` first, one a message."""

    answers: list[str] = field(default_factory=list)
    to_rcpt: list[str] = field(default_factory=list)
    got: list[Message] = field(default_factory=list)
    pause_seconds: float = 0.0
    port: int = 0

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if self.to_rcpt:
            return self.to_rcpt.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        answer = self.answers.pop(0) if self.answers else ""
        if answer == "hang up":
            server.transport.abort()
            return "421 gone"
        if answer:
            return answer
        self.got.append(message_from_bytes(envelope.content))
        if self.pause_seconds:
            await asyncio.sleep(self.pause_seconds)
        return f"250 2.0.0 queued as {len(self.got)}"

    @property
    def ids(self) -> list[str]:
        return [one["Message-ID"].strip("<>").partition("@")[0] for one in self.got]


class HangsUpInData(SMTP):
    """Dies after the first line of the message, before it has got all of it."""

    async def smtp_DATA(self, arg):  # noqa: N802
        await self.push("354 go on")
        await self._reader.readline()
        self.transport.abort()


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.fixture
def smtp():
    """Give a function that starts a mail server and gives its mailbox."""
    running = []

    def start(*, tls=None, at_once=False, sign_in=False, dies=False):
        box = Mailbox(port=free_port())

        def check(server, session, envelope, mechanism, login):
            good = (login.login, login.password) == (USER.encode(), PASSWORD.encode())
            return AuthResult(success=good, handled=False)

        settings = {"authenticator": check, "auth_required": True} if sign_in else {}
        kind = HangsUpInData if dies else SMTP

        class Server(Controller):
            def factory(self):
                own = {} if at_once or tls is None else {"tls_context": tls, "require_starttls": True}
                return kind(self.handler, auth_require_tls=tls is not None and not at_once, **settings, **own)

        server = Server(box, hostname="127.0.0.1", port=box.port, ssl_context=tls if at_once else None)
        server.start()
        running.append(server)
        return box

    yield start
    for server in running:
        server.stop()


@dataclass
class Requests:
    """What an HTTP server got, and the answers (status, headers) it gives first."""

    answers: list[tuple[int, dict[str, str]] | str] = field(default_factory=list)  # "hang up": none
    said: list[str] = field(default_factory=list)  # the answers' bodies, "said so" when there are no more
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def http():
    """Give a function that starts a web server and gives what it gets."""
    running = []

    def start(tls=None):
        box = Requests()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                box.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                answer = box.answers.pop(0) if box.answers else (200, {})
                if answer == "hang up":
                    self.close_connection = True
                    return
                status, headers = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write((box.said.pop(0) if box.said else "said so").encode())

            do_GET = do_POST  # noqa: N815 - the library's name

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        box.url = f"{'https' if tls else 'http'}://localhost:{server.server_port}/hook?x=1"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        running.append(server)
        return box

    yield start
    for server in running:
        server.shutdown()
        server.server_close()
