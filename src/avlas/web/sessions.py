"""Sessions that end: after hours without anybody at the computer, and in any case after some days.

A session begins at sign-in (``begin``). It ends when nobody has done anything for AVLAS_SESSION_IDLE_HOURS, unless
its owner chose to stay signed in on that computer, and always AVLAS_SESSION_DAYS after it began. What pages fetch
by themselves, to be up to date, is not somebody's doing: the browser marks it with the header X-By-Itself, or as a
stream of events.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, logout
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from avlas.system import audit, permissions
from avlas.system.models import User
from avlas.web.computers import described, device

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from django.contrib.sessions.backends.base import SessionBase
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
            if why := over(request.session, now):
                _end(request, why)
                if "HX-Request" in request.headers:
                    return HttpResponse(status=204, headers={"HX-Refresh": "true"})
            elif not _by_itself(request):
                _note(request, now)
        return get_response(request)

    return middleware


def _by_itself(request: HttpRequest) -> bool:
    return "X-By-Itself" in request.headers or request.headers.get("Accept") == "text/event-stream"


def over(session: SessionBase, now: int) -> str:
    """Why a session is over at ``now`` (seconds since 1970): "idle", "age", or "" when it goes on."""
    began = session.get(BEGAN, now)
    if now - began > settings.SESSION_DAYS * 86400:
        return "age"
    stays = not session.get_expire_at_browser_close()
    if not stays and now - session.get(SEEN, now) > settings.SESSION_IDLE_HOURS * 3600:
        return "idle"
    return ""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a stream was opened with: a session, and what its owner was allowed then."""

    session_key: str
    user_id: int
    utility_id: int
    allowed: frozenset[str]

    @classmethod
    def of(cls, request: HttpRequest, allowed: frozenset[str]) -> Stamp:
        """That of a request by somebody who is signed in."""
        user = request.user
        assert isinstance(user, User)
        return cls(request.session.session_key or "", user.pk, user.utility_id, allowed)


def over_by_now(stamps: Collection[Stamp]) -> dict[Stamp, str]:
    """Those that no longer stand, with why: "signed-out", "idle", "age", or "access" when what is allowed changed."""
    now = timezone.now()
    kept = Session.objects.filter(session_key__in={one.session_key for one in stamps}, expire_date__gt=now)
    sessions = {one.session_key: one.get_decoded() for one in kept}
    people = User.objects.select_related("utility").in_bulk({one.user_id for one in stamps})
    allowed: dict[tuple[int, str], frozenset[str]] = {}
    found = {}
    for one in stamps:
        data, user = sessions.get(one.session_key), people.get(one.user_id)
        if data is None or user is None or str(data.get(SESSION_KEY)) != str(user.pk):
            found[one] = "signed-out"
            continue
        if not constant_time_compare(data.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()):
            found[one] = "signed-out"  # the password was changed elsewhere
            continue
        session = SessionStore()
        session.update(data)
        if why := over(session, int(now.timestamp())):
            found[one] = why
            continue
        role = (user.utility_id, user.role)
        if role not in allowed:
            allowed[role] = permissions.of_role(user.utility, user.role)
        if not user.is_active or user.utility_id != one.utility_id or allowed[role] != one.allowed:
            found[one] = "access"
    return found


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
