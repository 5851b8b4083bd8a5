"""What the retention rule removes: which months are next, how many readings would go, and what is done already."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.http import Http404
from django.shortcuts import render

from avlas.meters import retention
from avlas.meters.models import ThinnedMonth
from avlas.system.models import Job, Permission
from avlas.web.pages.access import PageRequest, page, rows

if TYPE_CHECKING:
    from django.http import HttpResponse

_LOOK = Permission.SYSTEM_CONFIGURATION
_SHOWN = 24


@page(view=_LOOK)
def old_readings(request: PageRequest) -> HttpResponse:
    """Show the rule, the months that are due and those that were thinned; ``?month=YYYY-MM`` counts one."""
    now = datetime.now(UTC)
    rule = retention.Rule.of(request.utility)
    thinned_before, gone_before = retention.limits(rule, now)
    due = retention.due_months(request.utility, rule, now)
    counted = None
    if wanted := request.GET.get("month"):
        chosen = next((month for month in due if f"{month.first:%Y-%m}" == wanted), None)
        if chosen is None:
            raise Http404
        number, whole = retention.surplus_of(request.utility, chosen)
        counted = {"month": wanted, "number": number, "whole": whole}
        if request.htmx:
            return render(request, "parts/old_readings_counted.html", {"counted": counted})
    thinned = rows(request, ThinnedMonth).order_by("-month_at")
    return render(
        request,
        "pages/old_readings.html",
        {
            "rule": rule,
            "thinned_before": thinned_before,
            "gone_before": gone_before,
            "due": [{"key": f"{month.first:%Y-%m}", "first": month.first.date()} for month in due],
            "counted": counted,
            "thinned": [
                {"first": retention.month_of(one.month_at).first.date(), "at": one.thinned_at}
                for one in thinned[:_SHOWN]
            ],
            "thinned_in_all": thinned.count(),
            "job": Job.objects.filter(kind="retention", standing=True).first(),
        },
    )
