"""Where one is signed in, each of which can be ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from avlas.web import computers
from avlas.web.pages.access import OWN, PageRequest, page, record
from avlas.web.sessions import list_as_own

if TYPE_CHECKING:
    from django.http import HttpResponse


@dataclass(frozen=True, slots=True)
class Shown:
    """A session as the page shows it."""

    session: UserSession
    device: str
    browser: str
    computer: str
    here: bool


@page(OWN, change=OWN)
def own_sessions(request: PageRequest) -> HttpResponse:
    """All sessions of the signed-in person, this one first; a POST ends others or names this device."""
    kept: list[UserSession] = UserSession.objects.purge_and_list(request.user)
    here = request.session.session_key
    if request.method != "POST":
        kept.sort(key=lambda one: (one.session_key != here, -one.last_seen_at.timestamp()))
        shown = [_shown(one, here=one.session_key == here) for one in kept]
        context = {"sessions": shown, "longest": computers.LONGEST_NAME, "device": computers.device(request)}
        return render(request, "pages/own_sessions.html", context)
    if "device" in request.POST:
        return _name(request, request.POST["device"])
    others = [one for one in kept if one.session_key != here]
    ended = others if request.POST.get("end") == "others" else _one(others, request.POST.get("end", ""))
    if ended:
        with transaction.atomic():
            for one in ended:
                one.end()
            told = [f"{one.ip} {one.data.get('device', '')}".strip() for one in ended]
            record(request, "access.sessions_ended", target=request.user.email, detail={"ended": told})
        text = ngettext("Signed out on %(n)s other device.", "Signed out on %(n)s other devices.", len(ended))
        messages.success(request, text % {"n": len(ended)})
    return redirect("own_sessions")


def _name(request: PageRequest, name: str) -> HttpResponse:
    response = redirect("own_sessions")
    if name.strip():
        with transaction.atomic():
            computers.remember_device(request, response, computers.name_device(request, name))
            list_as_own(request)
            record(request, "access.device_named", target=computers.device(request))
        messages.success(request, _("The device is called %(name)s.") % {"name": computers.device(request)})
    return response


def _one(sessions: list[UserSession], number: str) -> list[UserSession]:
    return [one for one in sessions if str(one.pk) == number]


def _shown(one: UserSession, *, here: bool) -> Shown:
    return Shown(
        one,
        one.data.get("device", ""),
        computers.browser(one.user_agent),
        computers.computer_name(one.ip),
        here,
    )
