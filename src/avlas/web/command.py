"""``avlas web``: the pages and the API, served by granian."""

from __future__ import annotations

import argparse
import os

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

    host, port = split_address(args.listen)
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


def split_address(text: str) -> tuple[str, int]:
    """Split "address:port"; raises argparse.ArgumentTypeError when it isn't that."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not ADDRESS:PORT, for example {DEFAULT_ADDRESS}")
    return host.strip("[]") or "127.0.0.1", int(port)
