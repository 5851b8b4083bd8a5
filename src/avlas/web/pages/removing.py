"""Removing a metering point or a customer that was entered by mistake, or saying what to do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from avlas.meters import points as meter_points
from avlas.meters.models import Customer, MeteringPoint
from avlas.web.pages.access import PageRequest, find, page
from avlas.web.pages.meter_edit import MANAGE, who

if TYPE_CHECKING:
    from django.http import HttpResponse


@page(view=MANAGE, change=MANAGE)
def point(request: PageRequest, pk: int) -> HttpResponse:
    """Ask, then remove a metering point."""
    return _remove(request, find(request, MeteringPoint, pk), "point")


@page(view=MANAGE, change=MANAGE)
def customer(request: PageRequest, pk: int) -> HttpResponse:
    """Ask, then remove a customer."""
    return _remove(request, find(request, Customer, pk), "customer")


def _remove(request: PageRequest, own: MeteringPoint | Customer, kind: str) -> HttpResponse:
    name = str(own)
    reasons = meter_points.hanging(own)
    if request.method == "POST":
        try:
            meter_points.remove(own, who(request))
        except meter_points.StillNeeded as problem:
            reasons = problem.reasons
        else:
            messages.success(request, _("%(name)s is removed.") % {"name": name})
            return redirect(f"{kind}s")
    context = {"own": own, "kind": kind, "reasons": reasons}
    return render(request, "pages/remove.html", context, status=409 if request.method == "POST" else 200)
