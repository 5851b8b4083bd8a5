"""Whether pages are as quick with 200 open streams of news as with none.

    .venv/bin/python benchmarks/streams.py [--streams 200] [--pages 100] [--meters 20000] [--folder PATH] [--postgresql]

Makes a town as ``pages.py`` does, starts the real server and opens so many streams as pages in so many browsers would.
Every second something new is written to the journal, and whenever a stream says so its page is fetched again, as a
browser does. Beside that the list of meters and a meter's page are asked for, one after the other. Printed are the
median and the 99th percentile of the time until the whole answer is there, with the server's threads and its
connections to PostgreSQL: without streams, with streams while nothing is new, and with streams and news. In the end the
server is told to stop with all streams open, and how long that takes is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ingest import start_postgresql
from pages import make_town

ASKED = ("/meters/", "/meters/2/")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--pages", type=int, default=100)
    parser.add_argument("--meters", type=int, default=20_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--postgresql", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="avlas-benchmark-") as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        database, stop = start_postgresql(folder) if arguments.postgresql else ("", None)
        os.environ |= {"AVLAS_DATA": str(folder), "AVLAS_DATABASE": database}
        os.environ |= {
            "AVLAS_ALLOWED_HOSTS": "127.0.0.1,testserver",
            "DJANGO_SETTINGS_MODULE": "avlas.settings",
        }
        import django

        django.setup()
        from avlas.meters.models import Meter
        from avlas.migrate import upgrade

        upgrade()
        if not Meter.objects.exists():
            make_town(arguments.meters)
        cookies = sign_in(-(-arguments.streams // 40))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = subprocess.Popen([sys.executable, "-m", "avlas", "web", "--listen", f"127.0.0.1:{port}"])
        try:
            asyncio.run(measure(server, port, cookies, arguments.streams, arguments.pages))
        finally:
            server.kill()
            from django.db import connections

            connections.close_all()
            if stop:
                stop()


def sign_in(count: int) -> list[str]:
    """Sessions of the one user, as many computers have."""
    from django.test import Client

    from avlas.system.models import User

    clients = [Client() for _ in range(count)]
    for client in clients:
        client.force_login(User.objects.get(), backend="allauth.account.auth_backends.AuthenticationBackend")
    return [client.cookies["sessionid"].value for client in clients]


async def measure(
    server: subprocess.Popen[bytes], port: int, cookies: list[str], streams: int, pages: int
) -> None:
    async def answered() -> None:
        while True:
            try:
                return await fetch(port, ASKED[0], cookies[0])
            except OSError:
                await asyncio.sleep(0.2)

    await answered()
    fetched = [0]
    print(f"{'':<34}{'list ms':>10}{'p99':>8}{'meter ms':>10}{'p99':>8}{'threads':>10}{'connections':>14}")
    await ask(server, port, cookies[0], pages, "no stream")
    opened = asyncio.Semaphore(10)
    tasks = [
        asyncio.create_task(follow(port, cookies[number % len(cookies)], opened, fetched))
        for number in range(streams)
    ]
    await asyncio.sleep(streams / 40)
    fetched[0] = 0
    await ask(server, port, cookies[0], pages, f"{streams} streams, nothing new")
    news = asyncio.create_task(write_news())
    await asyncio.sleep(2)
    begin, fetched[0] = time.monotonic(), 0
    await ask(server, port, cookies[0], pages, f"{streams} streams, news every second")
    print(
        f"{fetched[0] / (time.monotonic() - begin):.1f} start pages a second were fetched because of the news"
    )
    news.cancel()
    await asyncio.gather(news, return_exceptions=True)
    ended = sum(task.done() for task in tasks)
    begin = time.monotonic()
    server.terminate()
    await asyncio.to_thread(server.wait)
    print(f"{time.monotonic() - begin:.2f} s to stop with {streams - ended} streams open")
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not ended, f"{ended} streams ended"


async def ask(server: subprocess.Popen[bytes], port: int, cookie: str, count: int, title: str) -> None:
    told = ""
    for address in ASKED:
        await fetch(port, address, cookie)
        took = []
        for _ in range(count):
            begin = time.perf_counter()
            await fetch(port, address, cookie)
            took.append((time.perf_counter() - begin) * 1000)
        p99 = statistics.quantiles(took, n=100, method="inclusive")[98]
        told += f"{statistics.median(took):>10.0f}{p99:>8.0f}"
    print(
        f"{title:<34}{told}{threads(server.pid):>10}{await asyncio.to_thread(connections_to_postgresql):>14}"
    )


def threads(pid: int) -> int:
    """Threads of the server's worker process."""
    (worker,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return len(list(Path(f"/proc/{worker}/task").iterdir()))


def connections_to_postgresql() -> str:
    """How many the server has; this program's own are left out."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return ""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
        (count,) = cursor.fetchone()
    connection.close()
    return str(count - 1)


async def fetch(port: int, address: str, cookie: str, headers: str = "") -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
            f"Cookie: sessionid={cookie}\r\n{headers}\r\n".encode()
        )
        answer = await reader.read(-1)
        assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
    finally:
        writer.close()


async def follow(port: int, cookie: str, opened: asyncio.Semaphore, fetched: list[int]) -> None:
    """A browser with the start page open: a stream, and a fetch when it says that something is new."""
    async with opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"GET /live/?on=readings,receivers,jobs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Accept: text/event-stream\r\nCookie: sessionid={cookie}\r\n\r\n".encode()
        )
        status = await reader.readline()
        assert b" 200 " in status, status
    try:
        while line := await reader.readline():
            assert b"event: end" not in line
            if line.startswith(b"data: "):
                fetched[0] += 1
                await fetch(port, "/", cookie, "HX-Request: true\r\nX-By-Itself: 1\r\n")
    finally:
        writer.close()


async def write_news() -> None:
    from django.db import transaction

    from avlas.meters.journal import Written
    from avlas.system.models import Utility

    def write() -> None:
        with transaction.atomic():
            written = Written(Utility.objects.get().pk)
            written.reading(2, int(time.time()), 0)
            written.append()

    while True:
        await asyncio.to_thread(write)
        await asyncio.sleep(1)


if __name__ == "__main__":
    main()
