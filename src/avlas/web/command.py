"""``avlas web``: the pages and the API, served by granian."""

from __future__ import annotations

import argparse
import os
import socket

from avlas.system.terminal import text

DEFAULT_ADDRESS = "127.0.0.1:8000"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "--listen",
        default=os.environ.get("AVLAS_LISTEN", DEFAULT_ADDRESS),
        metavar="ADDRESS:PORT",
        help=f"where to answer (default {DEFAULT_ADDRESS}; 0.0.0.0:8000 for the whole network)",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until stopped; gives the exit status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avlas.settings")
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    host, port = check_address(args.listen)
    Granian(
        "avlas.asgi:application",
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        websockets=False,
        log_level=LogLevels.warning,
        log_access=False,
        workers_kill_timeout=5,
    ).serve()
    return 0


def split_address(where: str) -> tuple[str, int]:
    """Split "address:port"; raises argparse.ArgumentTypeError when it isn't that."""
    host, colon, port = where.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{where!r} is not ADDRESS:PORT, for example {DEFAULT_ADDRESS}")
    return host.strip("[]") or "127.0.0.1", int(port)


def check_address(where: str) -> tuple[str, int]:
    """As `split_address`; argparse.ArgumentTypeError also when the address can't be answered on.

    The server would share a port with others that do the same, so a second one would go unnoticed.
    """
    host, port = split_address(where)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as asked:
            asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            asked.bind((host, port))
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise argparse.ArgumentTypeError(
            text(
                f"can't answer on {host}:{port} ({reason}). If another program uses the port, stop it "
                f"or choose another one: --listen {host}:{port + 1}",
                f"kan inte svara på {host}:{port} ({reason}). Om ett annat program använder porten: "
                f"stoppa det eller välj en annan: --listen {host}:{port + 1}",
            )
        ) from problem
    return host, port
