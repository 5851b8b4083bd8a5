"""The command ``avlas map``: maps of areas and own lines for the pages' map."""

# ruff: noqa: T201  (a command line speaks by printing)
from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from avlas.system.terminal import text

if TYPE_CHECKING:
    from avlas.system.models import Utility


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    commands = parser.add_subparsers(
        dest="action", required=True, metavar="ACTION", help=text("what to do", "vad som ska göras")
    )
    add = commands.add_parser("add", help=text("add a map file", "lägg till en kartfil"))
    add.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help=text(
            "an area (.pmtiles), or streets or pipes of one utility (.geojson, WGS84)",
            "ett område (.pmtiles), eller gator eller ledningar för ett bolag (.geojson, WGS84)",
        ),
    )
    add.add_argument(
        "--utility",
        metavar="NAME",
        help=text(
            "short name of the utility the lines belong to, when there are several",
            "kortnamn på bolaget som linjerna hör till, när det finns flera",
        ),
    )
    commands.add_parser("list", help=text("show which maps there are", "visa vilka kartor som finns"))
    remove = commands.add_parser("remove", help=text("remove an area", "ta bort ett område"))
    remove.add_argument("name", metavar="NAME", help=text("as shown by list", "namnet som list visar"))


def run(args: argparse.Namespace) -> int:
    """Add, list or remove maps; the exit status is 1 when that failed."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avlas.settings")
    import django

    django.setup()
    from avlas.operation import map_files

    if args.action == "list":
        return _list()
    if args.action == "remove":
        if not map_files.remove(args.name):
            print(
                text("There is no map called {}.", "Det finns ingen karta som heter {}.").format(args.name),
                file=sys.stderr,
            )
            return 1
        print(text("{} is removed.", "{} är borttagen.").format(args.name))
        return 0
    try:
        if args.file.suffix.lower() == ".pmtiles":
            found = map_files.add_area(args.file)
            print(
                text("{} is added (zoom {} to {}).", "{} är tillagd (zoom {} till {}).").format(
                    found.name, *found.zooms
                )
            )
        else:
            count = map_files.add_lines(args.file, _utility(args.utility).slug)
            print(text("{} lines are added.", "{} linjer är tillagda.").format(count))
    except map_files.BadMap as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _list() -> int:
    from avlas.operation import map_files

    for one in map_files.areas():
        west, south, east, north = one.bounds
        print(
            f"{one.name}  {west:.3f}, {south:.3f} – {east:.3f}, {north:.3f}  zoom {one.zooms[0]}–{one.zooms[1]}"
            f"  {one.path.stat().st_size / 1e6:.1f} MB"
        )
    for path in sorted((map_files.folder() / "lines").glob("*.geojson")):
        print(text("{}  lines of the utility", "{}  bolagets linjer").format(path.stem))
    return 0


def _utility(slug: str | None) -> Utility:
    from avlas.system.models import Utility

    found = list(Utility.objects.filter(**({"slug": slug} if slug else {})).order_by("slug")[:2])
    if len(found) != 1:
        raise argparse.ArgumentTypeError(
            text("say which utility with --utility: {}", "säg vilket bolag med --utility: {}").format(
                ", ".join(Utility.objects.order_by("slug").values_list("slug", flat=True)) or "–"
            )
        )
    return found[0]
