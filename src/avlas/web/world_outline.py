"""Makes static/avlas/world.json, the coarse outline of the world's land that every map begins with.

``python -m avlas.web.world_outline node_modules/world-atlas`` reads two files of Natural Earth's public-domain data
in TopoJSON (the browser module world-atlas): the world at 1:110 million, and the countries round the Baltic and the
North Sea at 1:50 million. It is no street map: that comes from ``avlas map add`` or a tile address.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

TARGET: Final = Path(__file__).parent / "static" / "avlas" / "world.json"
_CLOSER: Final = {  # ISO 3166-1 numbers of the countries drawn more closely
    "040", "056", "112", "203", "208", "233", "234", "246", "248", "276", "352", "372", "428", "440", "528", "578",
    "616", "752", "826",
}  # fmt: skip
_DECIMALS: Final = 2  # degrees; about a kilometre

Ring = list[list[float]]


def outline(coarse: dict[str, Any], close: dict[str, Any]) -> dict[str, Any]:
    """GeoJSON of all countries: the close ones from ``close``, all others from ``coarse`` (TopoJSON, ``countries``).

    Raises KeyError when a file is not such a topology.
    """
    parts = [
        polygon
        for topology, wanted in ((coarse, False), (close, True))
        for shape in topology["objects"]["countries"]["geometries"]
        if (str(shape.get("id", "")) in _CLOSER) is wanted
        for polygon in _polygons(topology, shape)
    ]
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {},
                "geometry": {"type": "MultiPolygon", "coordinates": parts},
            }
        ],
    }


def _polygons(topology: dict[str, Any], shape: dict[str, Any]) -> list[list[Ring]]:
    if shape["type"] not in ("Polygon", "MultiPolygon"):
        return []
    described = [shape["arcs"]] if shape["type"] == "Polygon" else shape["arcs"]
    found = [[_ring(topology, arcs) for arcs in polygon] for polygon in described]
    return [[ring for ring in polygon if len(ring) > 3] for polygon in found if len(polygon[0]) > 3]


def _ring(topology: dict[str, Any], arcs: list[int]) -> Ring:
    """Arcs one after the other; a negative number is the arc ~n walked backwards (TopoJSON 1.0, 2.1.4)."""
    ring: Ring = []
    for number in arcs:
        line = _arc(topology, ~number if number < 0 else number)
        for point in reversed(line) if number < 0 else line:
            if not ring or ring[-1] != point:
                ring.append(point)
    return ring


def _arc(topology: dict[str, Any], number: int) -> Ring:
    """An arc's points in degrees: differences of whole numbers, scaled and shifted (TopoJSON 1.0, 2.1.2)."""
    scale, shift = topology["transform"]["scale"], topology["transform"]["translate"]
    at, line = [0, 0], []
    for step in topology["arcs"][number]:
        at = [at[axis] + step[axis] for axis in (0, 1)]
        line.append([round(at[axis] * scale[axis] + shift[axis], _DECIMALS) for axis in (0, 1)])
    return line


def main(folder: Path) -> None:
    """Write the outline from the files of ``folder``."""
    coarse, close = (
        json.loads((folder / f"countries-{size}.json").read_text("utf-8")) for size in ("110m", "50m")
    )
    TARGET.write_text(json.dumps(outline(coarse, close), separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
