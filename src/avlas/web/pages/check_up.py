"""The check-up: what is wrong with the installation and how to mend it, as ``avlas check`` says it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from django.shortcuts import render
from django.utils.translation import gettext_lazy

from avlas.operation.check import everything
from avlas.operation.check.finding import Asked, Level
from avlas.system.models import Permission
from avlas.web.pages.access import PageRequest, page

if TYPE_CHECKING:
    from django.http import HttpResponse

_GROUPS: Final = (
    (Level.BAD, gettext_lazy("Wrong"), "bad", "warning"),
    (Level.WARNING, gettext_lazy("To see to"), "warn", "warning"),
    (Level.OK, gettext_lazy("As it should be"), "good", "check"),
)


@page(Permission.SYSTEM_CONFIGURATION, of_installation=True)
def check_up(request: PageRequest) -> HttpResponse:
    """Look everything over, now: the worst first."""
    now = datetime.now(UTC)
    found = everything.look_over(Asked(now, request.utility.pk))
    groups = [
        {
            "heading": heading,
            "tone": tone,
            "icon": icon,
            "findings": [one for one in found if one.level == level],
        }
        for level, heading, tone, icon in _GROUPS
    ]
    context = {"at": now, "all_well": everything.worst(found) == Level.OK, "groups": groups}
    return render(request, "pages/check_up.html", context)
