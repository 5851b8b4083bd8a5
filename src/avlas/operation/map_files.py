"""The maps that lie in the data folder: areas (PMTiles) that all see, and each utility's own lines (GeoJSON).

An area is any .pmtiles file, vector or picture tiles; lines are streets or pipes that only one utility sees.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings

from avlas.system.terminal import text

if TYPE_CHECKING:
    from pathlib import Path

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
_HEADER: Final = struct.Struct(
    "<7sB11Q6B4i"
)  # PMTiles 3.0, section 3: magic, version, offsets, kinds, zooms, bounds
_TILE_KINDS: Final = {1: "vector", 2: "picture", 3: "picture", 4: "picture", 5: "picture"}
_LINES: Final = {"LineString", "MultiLineString", "Polygon", "MultiPolygon", "Point", "MultiPoint"}


class BadMap(Exception):  # noqa: N818
    """The file is no map that can be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Area:
    """A map of an area: its name, whether its tiles are vectors, zooms, and where it lies (degrees, west to north)."""

    name: str
    path: Path
    vector: bool
    zooms: tuple[int, int]
    bounds: tuple[float, float, float, float]


def folder() -> Path:
    """Where maps lie."""
    return settings.DATA / "maps"


def areas() -> list[Area]:
    """The areas that can be shown, by name; a file that has been damaged since is left out."""
    found = []
    for path in sorted(folder().glob("*.pmtiles")):
        with contextlib.suppress(BadMap, OSError):
            found.append(read_area(path))
    return found


def read_area(path: Path) -> Area:
    """What the header of a PMTiles file says. Raises BadMap for any other file, OSError if it can't be read."""
    with path.open("rb") as file:
        head = file.read(_HEADER.size)
    if head[:7] != b"PMTiles" or len(head) < _HEADER.size:
        raise BadMap(
            text(
                "{} is not a PMTiles file. Maps from other programs can be converted with the program pmtiles.",
                "{} är ingen PMTiles-fil. Kartor från andra program kan göras om med programmet pmtiles.",
            ).format(path.name)
        )
    fields = _HEADER.unpack(head)
    if fields[1] != 3:
        raise BadMap(
            text(
                "{} has version {} of PMTiles; version 3 is needed (pmtiles convert).",
                "{} har version {} av PMTiles; version 3 behövs (pmtiles convert).",
            ).format(path.name, fields[1])
        )
    kind, low, high, *bounds = fields[16:23]
    if kind not in _TILE_KINDS:
        raise BadMap(
            text(
                "{} holds tiles of an unknown kind ({}).", "{} innehåller kartrutor av ett okänt slag ({})."
            ).format(path.name, kind)
        )
    west, south, east, north = (number / 1e7 for number in bounds)
    return Area(path.stem, path, _TILE_KINDS[kind] == "vector", (low, high), (west, south, east, north))


def area(name: str) -> Area | None:
    """The area of that name, None when there is none."""
    return next((one for one in areas() if one.name == name), None)


def lines_path(slug: str) -> Path:
    """Where the lines of the utility with this short name lie, if it has any."""
    return folder() / "lines" / f"{slug}.geojson"


def add_area(source: Path) -> Area:
    """Copy a PMTiles file into the data folder, whole or not at all. Raises BadMap or OSError."""
    name = re.sub(r"[^a-z0-9._-]+", "-", source.stem.lower()).strip("-.")
    if not _NAME.fullmatch(name):
        raise BadMap(
            text(
                "Give the file a name of letters and digits: {}",
                "Ge filen ett namn av bokstäver och siffror: {}",
            ).format(source.name)
        )
    read_area(source)
    target = folder() / f"{name}.pmtiles"
    _put(target, lambda part: shutil.copyfile(source, part))
    return read_area(target)


def add_lines(source: Path, slug: str) -> int:
    """Keep a GeoJSON file as the utility's lines; gives how many features it has. Raises BadMap or OSError."""
    try:
        read: Any = json.loads(source.read_text("utf-8-sig"))
        features = read["features"]
        kinds = {one["geometry"]["type"] for one in features}
    except (ValueError, KeyError, TypeError) as problem:
        raise BadMap(
            text(
                "{} is not a GeoJSON file with a list of features ({}).",
                "{} är ingen GeoJSON-fil med en lista av objekt ({}).",
            ).format(source.name, problem)
        ) from problem
    if unknown := kinds - _LINES:
        raise BadMap(
            text(
                "{} holds something that can't be drawn: {}", "{} innehåller något som inte kan ritas: {}"
            ).format(source.name, ", ".join(sorted(map(str, unknown))))
        )
    write_lines(slug, features)
    return len(features)


def write_lines(slug: str, features: list[dict[str, Any]]) -> None:
    """Keep GeoJSON features (WGS84) as the lines of a utility."""
    content = json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":"))
    _put(lines_path(slug), lambda part: part.write_text(content, "utf-8"))


def remove(name: str) -> bool:
    """Take an area away; whether there was one."""
    found = area(name)
    if found is not None:
        found.path.unlink()
    return found is not None


def _put(target: Path, write: Any) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        write(part)
        os.replace(part, target)  # noqa: PTH105
    finally:
        part.unlink(missing_ok=True)
