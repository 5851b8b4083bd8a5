"""Find receivers: what is plugged into the computer, and adding one with a click."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.shortcuts import render

from avlas.collect.detect import find_receivers
from avlas.collect.drivers.kinds import KINDS, link_modes
from avlas.collect.spec import parse_spec
from avlas.meters.models import Collector
from avlas.system.models import Permission
from avlas.web.pages.access import PageRequest, page, rows
from avlas.web.pages.receivers import DRIVERS

if TYPE_CHECKING:
    from django.http import HttpResponse

    from avlas.collect.detect import Found


@page(view=Permission.SYSTEM_CONFIGURATION)
def receiver_find(request: PageRequest) -> HttpResponse:
    """Ask what is plugged in. Adding is the form of `receiver_add`, filled in."""
    used = dict(Collector.objects.filter(active=True).values_list("spec", "name"))
    own = set(rows(request, Collector).values_list("name", flat=True))
    found = [(one, one.by if one.by in own else "", _form(one, own)) for one in find_receivers(used)]
    return render(request, "pages/receiver_find.html", {"found": found, "drivers": DRIVERS})


def _form(one: Found, taken: set[str]) -> dict[str, str]:
    """What to post to add it; empty when there is nothing to add."""
    if one.state != "receiver":
        return {}
    spec = parse_spec(one.spec)
    name, number = one.model, 2
    while name in taken:
        name, number = f"{one.model} {number}", number + 1
    mode = (*link_modes(KINDS[spec.driver], spec.road), "c1t1")[0]
    return {"name": name, "driver": spec.driver, "where": spec.place, "link_mode": mode}
