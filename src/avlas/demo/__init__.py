"""``avlas demo``: a living town of simulated meters on real serial lines, in a database of its own."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

_MOST_POINTS = 100_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    from avlas.web.command import add_arguments as add_web_arguments

    add_web_arguments(parser)
    parser.add_argument(
        "--meters", type=_points, default=300, metavar="N", help="metering points in the town (default 300)"
    )
    parser.add_argument("--seed", type=int, default=1, help="another number makes another town (default 1)")
    parser.add_argument(
        "--fresh", action="store_true", help="make the town anew even if there is a recent one"
    )


def _points(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= _MOST_POINTS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {_MOST_POINTS}")
    return number


def run(args: argparse.Namespace) -> int:
    """Make the town unless there is a recent one, then run all until stopped; gives the exit status."""
    data = Path(os.environ.get("AVLAS_DATA") or "data").resolve() / "demo"
    os.environ["AVLAS_DATA"] = str(data)
    os.environ["AVLAS_DEMO"] = "1"
    os.environ.pop("AVLAS_DATABASE", None)  # the demo never touches a real database
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avlas.settings")
    from avlas.demo.stage import play

    return play(args, data)
