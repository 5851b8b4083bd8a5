"""Sessions that end: after hours without anybody at the computer, and in any case after some days.

A session begins at sign-in (``begin``). It ends when nobody has done anything for AVLAS_SESSION_IDLE_HOURS, unless
its owner chose to stay signed in on that computer, and always AVLAS_SESSION_DAYS after it began. What pages fetch
by themselves, to be up to date, is not somebody's doing: the browser marks it with the header X-By-Itself.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import logout
from django.db import transaction
from django.http import HttpResponse
from django.utils import timezone

from avlas.system import audit
from avlas.web.computers import described, device

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

BEGAN: Final = "began_at"
SEEN: Final = "seen_at"
ENDED: Final = "ended"  # in the session after the one that has ended: why
_NOTED_EVERY_SECONDS: Final = 60


def begin(request: HttpRequest) -> None:
    """Note when the session that has just been made began, and on which device."""
    request.session[BEGAN] = request.session[SEEN] = int(time.time())
    request.session.save()  # one that is not in the database yet would be taken off the list as ended
    list_as_own(request)


def list_as_own(request: HttpRequest) -> None:
    """Have the session, with the device's name, in the list that its owner sees."""
    UserSession.objects.create_from_request(request)
    mine = UserSession.objects.filter(session_key=request.session.session_key)
    mine.update(data={"device": device(request)})


def ending_sessions(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: end a session whose time is over; note when somebody was last at the computer."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            now = int(time.time())
            if why := over(request, now):
                _end(request, why)
                if "HX-Request" in request.headers:
                    return HttpResponse(status=204, headers={"HX-Refresh": "true"})
            elif "X-By-Itself" not in request.headers:
                _note(request, now)
        return get_response(request)

    return middleware


def over(request: HttpRequest, now: int) -> str:
    """Why the session is over at ``now`` (seconds since 1970): "idle", "age", or "" when it goes on."""
    began = request.session.get(BEGAN, now)
    if now - began > settings.SESSION_DAYS * 86400:
        return "age"
    stays = not request.session.get_expire_at_browser_close()
    if not stays and now - request.session.get(SEEN, now) > settings.SESSION_IDLE_HOURS * 3600:
        return "idle"
    return ""


def _end(request: HttpRequest, why: str) -> None:
    user = request.user
    if not user.is_authenticated:
        return
    with transaction.atomic():
        audit.record(
            "access.session_ended",
            utility=user.utility,
            user=user,
            computer=described(request),
            target=user.email,
            detail={"why": why},
        )
        UserSession.objects.filter(session_key=request.session.session_key).delete()
        logout(request)
    request.session[ENDED] = why


def _note(request: HttpRequest, now: int) -> None:
    session = request.session
    if BEGAN in session and now - session.get(SEEN, 0) < _NOTED_EVERY_SECONDS:
        return
    session.setdefault(BEGAN, now)  # it began before this was kept
    session[SEEN] = now
    mine = UserSession.objects.filter(session_key=session.session_key)
    if not mine.update(last_seen_at=timezone.now()):
        list_as_own(request)
