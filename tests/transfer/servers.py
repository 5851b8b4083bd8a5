"""Real servers on this machine for the tests of places: SFTP, FTP over TLS, HTTPS."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import asyncssh
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER, PASSWORD = "avlas", "hemligt åäö"


def certificate(folder: Path) -> Path:
    """A self-signed certificate with its key in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=9))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / f"server-{made.serial_number}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@dataclass
class Sftp:
    """A running SFTP server: ``full`` lets its disk be full, ``break_after`` bytes it hangs up, once."""

    root: Path
    port: int = 0
    full: bool = False
    break_after: int | None = None
    allowed_key: asyncssh.SSHKey | None = None
    connections: list[asyncssh.SSHServerConnection] = field(default_factory=list)


@contextlib.contextmanager
def sftp_server(root: Path, host_key: asyncssh.SSHKey | None = None, port: int = 0) -> Iterator[Sftp]:
    """An SFTP server with its files in ``root``."""
    running = Sftp(root)

    class Server(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            running.connections.append(conn)

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == (USER, PASSWORD)

        def public_key_auth_supported(self) -> bool:
            return True

        def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
            return username == USER and running.allowed_key is not None and key == running.allowed_key

    class Files(asyncssh.SFTPServer):
        def __init__(self, chan: asyncssh.SSHServerChannel) -> None:
            super().__init__(chan, chroot=str(root).encode())

        def write(self, file_obj: object, offset: int, data: bytes) -> int:
            if running.full:
                raise OSError(28, "No space left on device")
            if running.break_after is not None and offset + len(data) > running.break_after:
                running.break_after = None
                running.connections[-1].abort()
            return super().write(file_obj, offset, data)

    ready = threading.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        server = await asyncssh.create_server(
            Server, "127.0.0.1", port, sftp_factory=Files,
            server_host_keys=[host_key or asyncssh.generate_private_key("ssh-ed25519")],
        )  # fmt: skip
        running.port = server.sockets[0].getsockname()[1]
        stopped = asyncio.Event()
        running.stop = lambda: loop.call_soon_threadsafe(stopped.set)
        ready.set()
        await stopped.wait()
        server.close()
        for one in running.connections:
            one.abort()
        await server.wait_closed()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield running
    finally:
        running.stop()
        thread.join(30)
        loop.close()


@dataclass
class Ftps:
    """A running FTPS server."""

    root: Path
    port: int
    handler: type


@contextlib.contextmanager
def ftps_server(root: Path, pem: Path) -> Iterator[Ftps]:
    """A server of FTP over TLS that takes nothing unencrypted."""
    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, str(root), perm="elradfmwMT")

    class Handler(TLS_FTPHandler):
        certfile = str(pem)
        tls_control_required = True
        tls_data_required = True
        use_sendfile = False
        ssl_context = None
        auth_failed_timeout = 0

    Handler.authorizer = authorizer
    server = FTPServer(("127.0.0.1", 0), Handler, ioloop=IOLoop())
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            server.serve_forever(timeout=0.05, blocking=False, handle_exit=False)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Ftps(root, server.address[1], Handler)
    finally:
        stop.set()
        thread.join(30)
        server.close_all()


@dataclass
class Https:
    """A running HTTPS server: what it got, and how it answers."""

    port: int = 0
    token: str = "hemlig-token"
    answer: int = 201
    drop: bool = False
    got: dict[str, bytes] = field(default_factory=dict)
    headers: list[dict[str, str]] = field(default_factory=list)
    gives: dict[str, bytes] = field(default_factory=dict)


@contextlib.contextmanager
def https_server(pem: Path) -> Iterator[Https]:
    """A server that takes files by PUT and POST and gives those in ``gives``."""
    running = Https()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def reply(self, status: int, content: bytes = b"") -> None:
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "https://elsewhere.example/")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def admitted(self) -> bool:
            if self.headers.get("Authorization") == f"Bearer {running.token}":
                return True
            self.reply(401, b"no such token")
            return False

        def take(self) -> None:
            length = int(self.headers["Content-Length"])
            if running.drop:
                self.rfile.read(min(1000, length))
                self.connection.close()
                return
            content = self.rfile.read(length)
            running.headers.append({name.lower(): value for name, value in self.headers.items()})
            if not self.admitted():
                return
            if running.answer < 300:
                running.got[self.path] = content
            self.reply(running.answer, b"so said")

        do_PUT = do_POST = take  # noqa: N815

        def do_HEAD(self) -> None:
            if self.admitted():
                self.reply(204)

        def do_GET(self) -> None:
            if self.admitted():
                found = running.gives.get(self.path)
                self.reply(404 if found is None else 200, found or b"nothing")

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # half-open connections are part of the tests

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    running.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        thread.join(30)
        server.server_close()
