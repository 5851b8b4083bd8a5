"""The map: where each meter is and how it is doing, the collectors and what they hear, and the area's own maps.

Positions go to the browser as one packed answer (``positions``), so that 100,000 meters are 1.3 MB and not 15.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import numpy as np
from django.contrib import messages
from django.db import connection, transaction
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.gzip import gzip_page

from avlas.meters import groups
from avlas.meters.keys import Who
from avlas.meters.models import Collector, MeterState
from avlas.operation import map_files
from avlas.reports import variables
from avlas.system.models import Permission
from avlas.web import formats, info_codes
from avlas.web.meter_search import MISSING_AFTER
from avlas.web.pages.access import PageRequest, computer, find, page, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

READ, MISSING, ALARM, FOREIGN = 0, 1, 2, 4
"""How a meter is drawn: green disc, blue square or red triangle; FOREIGN is added for another maker's: orange."""

_LISTED: Final = 30  # meters in view that are also listed in words
_PIECE: Final = 1 << 20
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True, slots=True)
class Positions:
    """Meters with a position: ids, longitude and latitude (degrees, WGS84), and how each is drawn."""

    ids: np.ndarray  # (n,) uint32
    places: np.ndarray  # (n, 2) float32
    looks: np.ndarray  # (n,) uint8

    def packed(self) -> bytes:
        """Little-endian: the count, ids, positions, looks."""
        return b"".join(
            [
                np.array([len(self.ids)], "<u4").tobytes(),
                self.ids.astype("<u4").tobytes(),
                self.places.astype("<f4").tobytes(),
                self.looks.astype("u1").tobytes(),
            ]
        )


def positions(utility_id: int, chosen: str, now: datetime) -> Positions:
    """The installed meters of a group whose metering point has a position, the gravest last (drawn on top)."""
    test, values = groups.members_test(utility_id, chosen)
    since = int((now - MISSING_AFTER).timestamp())
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.id, p.longitude, p.latitude, m.manufacturer,"
            " max(CASE WHEN s.last_read_at >= %s THEN 1 ELSE 0 END),"
            " max(CASE WHEN s.info_code <> 0 THEN 1 ELSE 0 END)"
            " FROM meters_meter m"
            " JOIN meters_installation i ON i.meter_id = m.id AND i.to_at IS NULL"
            " JOIN meters_meteringpoint p ON p.id = i.point_id"
            " LEFT JOIN meters_meterstate s ON s.meter_id = m.id"
            f" WHERE m.utility_id = %s AND p.longitude IS NOT NULL AND p.latitude IS NOT NULL AND {test}"
            " GROUP BY m.id, p.longitude, p.latitude, m.manufacturer",
            [since, utility_id, *values],
        )
        found = cursor.fetchall()
    if not found:
        return Positions(np.zeros(0, np.uint32), np.zeros((0, 2), np.float32), np.zeros(0, np.uint8))
    ids, east, north, makers, read, alarm = zip(*found, strict=True)
    looks = np.where(np.array(alarm) == 1, ALARM, np.where(np.array(read) == 1, READ, MISSING))
    foreign = np.array(makers) != main_maker(utility_id)
    order = np.argsort(looks, kind="stable")
    return Positions(
        np.array(ids, np.uint32)[order],
        np.array([east, north], np.float32).T[order],
        (looks + FOREIGN * foreign).astype(np.uint8)[order],
    )


def main_maker(utility_id: int) -> str:
    """The maker of most of the utility's meters; those of all others are shown as foreign."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT manufacturer FROM meters_meter WHERE utility_id = %s"
            " GROUP BY manufacturer ORDER BY count(*) DESC, manufacturer LIMIT 1",
            [utility_id],
        )
        found = cursor.fetchone()
    return str(found[0]) if found else ""


def told(request: PageRequest, meters_address: str) -> dict[str, Any]:
    """What the map's script is told; ``meters_address`` gives the positions."""
    return {
        "urls": {
            "maplibre": static("modules/maplibre-gl/maplibre-gl.mjs"),
            "worker": static("modules/maplibre-gl/maplibre-gl-worker.mjs"),
            "pmtiles": static("modules/pmtiles/pmtiles.js"),
            "world": static("avlas/world.json"),
            "meters": meters_address,
            "listed": reverse("map_listed"),
            "lines": reverse("map_lines") if map_files.lines_path(request.utility.slug).exists() else "",
        },
        "areas": [
            {
                "name": area.name,
                "url": reverse("map_area", args=[area.name]),
                "vector": area.vector,
                "zooms": area.zooms,
                "bounds": area.bounds,
            }
            for area in map_files.areas()
        ],
        "tiles": {"url": request.utility.map_tiles, "credit": request.utility.map_credit},
        "collectors": [
            {
                "name": one.name,
                "place": [one.longitude, one.latitude],
                "heard": reverse("map_heard", args=[one.pk]),
                "page": reverse("receiver", args=[one.pk]),
                "silent": one.status != "running",
            }
            for one in rows(request, Collector)
            .exclude(longitude=None)
            .exclude(latitude=None)
            .order_by("name")
        ],
        "words": {
            "in_view": _("{n} meters in view. Come closer, and they are listed here."),
            "none": _("No meter in view."),
            "hears": _("{name} hears {n} of the meters shown."),
            "to_page": _("About the receiver"),
            "selected": _("Meters selected: {n}"),
            "without": _("This browser can't draw the map (it needs WebGL)."),
        },
        "locale": {
            "Map.Title": _("Map"),
            "Popup.Close": _("Close"),
            "NavigationControl.ZoomIn": _("Closer"),
            "NavigationControl.ZoomOut": _("Further away"),
            "AttributionControl.ToggleAttribution": _("Who made the map"),
            "ScaleControl.Meters": "m",
            "ScaleControl.Kilometers": "km",
        },
        "language": formats.language(),
        "show": request.GET.get("meter", ""),
    }


@page()
def map_page(request: PageRequest) -> HttpResponse:
    """The map with its legend and the choice of group."""
    chosen = _chosen(request)
    response = render(
        request,
        "pages/map.html",
        {
            "told": told(request, f"{reverse('map_meters')}?group={chosen}"),
            "chosen": chosen,
            "choices": groups.choices(request.utility.pk),
            "group_is_gone": chosen != request.GET.get("group", groups.ALL),
            "own_groups": [(groups.choice_of(one), one.name) for one in groups.own(request.utility.pk)],
            "placeless": _placeless(request, chosen),
        },
    )
    let_tiles_through(response, request.utility.map_tiles)
    return response


def _placeless(request: PageRequest, chosen: str) -> int:
    """How many of the group's installed meters have no position."""
    test, values = groups.members_test(request.utility.pk, chosen)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM meters_meter m"
            " JOIN meters_installation i ON i.meter_id = m.id AND i.to_at IS NULL"
            " JOIN meters_meteringpoint p ON p.id = i.point_id"
            f" WHERE m.utility_id = %s AND (p.longitude IS NULL OR p.latitude IS NULL) AND {test}",
            [request.utility.pk, *values],
        )
        return int(cursor.fetchone()[0])


def let_tiles_through(response: HttpResponse, address: str) -> None:
    """The content policy for this page: MapLibre's worker, and the tile server of the settings if there is one."""
    allowed: dict[str, Any] = {"worker-src": ["'self'", "blob:"], "img-src": ["blob:"]}
    if address:
        origin = tile_origin(address)
        allowed |= {"connect-src": ["'self'", origin], "img-src": ["blob:", origin]}
    response._csp_update = allowed  # type: ignore[attr-defined]  # noqa: SLF001  # django-csp's own way


def tile_origin(address: str) -> str:
    """Scheme and host of a tile address; a {s} in it stands for any sub-domain."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.replace('{s}', '*')}"


def _chosen(request: PageRequest) -> str:
    chosen = request.GET.get("group", groups.ALL)
    return chosen if groups.exists(request.utility.pk, chosen) else groups.ALL


@page()
def map_meters(request: PageRequest) -> HttpResponse:
    """The positions, packed (``Positions.packed``)."""
    found = positions(request.utility.pk, _chosen(request), datetime.now(UTC))
    response = HttpResponse(found.packed(), content_type="application/octet-stream")
    response["Cache-Control"] = "private, no-store"
    return response


@page()
def map_listed(request: PageRequest) -> HttpResponse:
    """A few meters in words: those in view, or the one that was clicked (?ids=1,2,3)."""
    given = request.GET.get("ids", "").split(",")[:_LISTED]
    ids = [int(one) for one in given if one.isascii() and one.isdigit() and len(one) < 16]
    mine = set(groups.of_utility(request.utility.pk, ids))
    return render(
        request,
        "pages/map_listed.html",
        {
            "rows": [
                (one, info_codes.joined(one.meter.family, one.info_code))
                for one in variables.fetch(
                    [one for one in ids if one in mine], variables.chosen(["customer", "address", "latest"])
                )
            ],
            "missing_before": datetime.now(UTC) - MISSING_AFTER,
        },
    )


@page()
def map_heard(request: PageRequest, pk: int) -> JsonResponse:
    """The ids of the meters that a collector was the last to hear."""
    collector = find(request, Collector, pk)
    heard = rows(request, MeterState).filter(last_collector=collector).exclude(meter=None)
    return JsonResponse({"meters": list(heard.values_list("meter_id", flat=True).distinct())})


@gzip_page
@page()
def map_lines(request: PageRequest) -> HttpResponse:
    """The utility's own lines: streets, pipes."""
    try:
        content = map_files.lines_path(request.utility.slug).read_bytes()
    except FileNotFoundError:
        content = b'{"type":"FeatureCollection","features":[]}'
    return HttpResponse(content, content_type="application/geo+json")


@page()
def map_area(request: PageRequest, name: str) -> HttpResponse:
    """A piece of an area's PMTiles file (HTTP range, RFC 9110 section 14), at most a megabyte at a time."""
    area = map_files.area(name)
    if area is None:
        raise Http404
    size = area.path.stat().st_size
    asked = _RANGE.fullmatch(request.headers.get("Range", ""))
    first = int(asked[1]) if asked else 0
    if first >= size:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    last = min(int(asked[2]) if asked and asked[2] else size - 1, size - 1, first + 16 * _PIECE - 1)
    with area.path.open("rb") as file:
        file.seek(first)
        content = file.read(max(0, last - first + 1))
    response = HttpResponse(content, content_type="application/octet-stream", status=206)
    response["Content-Range"] = f"bytes {first}-{first + len(content) - 1}/{size}"
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = f'"{area.path.stat().st_mtime_ns:x}-{size:x}"'
    return response


@page(view=Permission.GROUP_MANAGEMENT, change=Permission.GROUP_MANAGEMENT)
def map_group(request: PageRequest) -> HttpResponse:
    """Add the meters selected on the map to a group, an own one or a new one."""
    if request.method != "POST":
        return redirect("map")
    ids = [int(one) for one in request.POST.get("ids", "").split(",") if one.isascii() and one.isdigit()]
    return _added(request, ids)


def _added(request: PageRequest, ids: Sequence[int]) -> HttpResponse:
    who = Who(request.user, computer(request))
    chosen = request.POST.get("group", "")
    try:
        with transaction.atomic():
            group = groups.by_choice(request.utility.pk, chosen)
            if group is None and chosen:
                messages.error(request, _("The group is no longer there."))
                return redirect("map")
            if group is None:
                group = groups.create(request.utility.pk, request.POST.get("name", ""), who)
            count = groups.add(group, ids, who)
    except groups.BadGroup as problem:
        messages.error(request, str(problem))
        return redirect("map")
    text = ngettext("%(n)s meter was added to %(group)s.", "%(n)s meters were added to %(group)s.", count)
    messages.success(request, text % {"n": formats.number(count), "group": group.name})
    return redirect(f"{reverse('map')}?group={groups.choice_of(group)}")
