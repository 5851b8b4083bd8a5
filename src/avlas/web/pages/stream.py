"""The stream of news that keeps a page live: it says what is new, and the page fetches it from where it always is.

``/live/?on=readings,meter:7`` answers with server-sent events (see ``live`` for the subjects; ``priority`` are the
readings of priority meters): ``news`` with the subject as its data, and ``end`` when the session is over or what its
owner may do has changed. What is fetched then passes the ordinary guards of its page, so a stream itself holds nothing
of anybody.

All streams of a process together say at most PER_SECOND news, each in its turn: however many pages are open, what
they fetch leaves the server time for everything else. When the program stops a stream ends without ``end``: browsers
come again by themselves.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, cast

from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404

from avlas.meters import groups
from avlas.meters.models import Meter
from avlas.web import live
from avlas.web.pages.access import page, rows
from avlas.web.sessions import Stamp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from avlas.web.pages.access import PageRequest

PER_SECOND: Final = 8
MOST: Final = 1000  # streams of a process
MOST_OF_ONE: Final = 40  # of one session: windows on a screen
HEARTBEAT_SECONDS: Final = 15.0
_AT_LEAST_SECONDS: Final = {"readings": 5.0, "receivers": 2.0, "priority": 2.0, "jobs": 1.0}
"""Between two news of the same; what comes meanwhile is one."""
_METER_SECONDS: Final = 1.0
_SUBJECTS: Final = frozenset(_AT_LEAST_SECONDS)
_MOST_SUBJECTS: Final = 8


@page()
def stream(request: PageRequest) -> HttpResponse:
    """Open a stream. 204, which tells browsers to ask no more, where none can be had: the page then looks by itself."""
    subjects, meters = _wanted(request)
    stamp = Stamp.of(request, request.allowed)
    listeners = live.WATCHER.listeners
    full = len(listeners) >= MOST or sum(one.stamp == stamp for one in listeners) >= MOST_OF_ONE
    if full or request.method != "GET" or not isinstance(request, ASGIRequest):
        return HttpResponse(status=204)
    again = "Last-Event-ID" in request.headers or "again" in request.GET
    events = _events(request.utility.pk, subjects, meters, stamp, again, request.user.runs_installation)
    headers = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
    streaming = StreamingHttpResponse(
        events, content_type="text/event-stream; charset=utf-8", headers=headers
    )
    return cast("HttpResponse", streaming)  # Django's other kind of answer


def _wanted(request: PageRequest) -> tuple[frozenset[str], dict[int, str]]:
    """What the stream is about; Http404 for what there is not, also when it belongs to another utility."""
    subjects, meters = set(), {}  # type: set[str], dict[int, str]
    for subject in request.GET.get("on", "").split(",")[:_MOST_SUBJECTS]:
        kind, _colon, number = subject.partition(":")
        if kind == "meter" and number.isascii() and number.isdigit() and len(number) < 19:
            meters[get_object_or_404(rows(request, Meter), pk=int(number)).pk] = subject
        elif subject not in _SUBJECTS:
            raise Http404
        subjects.add(subject)
    if "priority" in subjects:
        meters = dict.fromkeys(groups.meter_ids(request.utility.pk, "priority"), "priority") | meters
    return frozenset(subjects), meters


async def _events(
    utility_id: int,
    subjects: frozenset[str],
    meters: dict[int, str],
    stamp: Stamp,
    again: bool,
    of_installation: bool,
) -> AsyncIterator[str]:
    with live.listening(
        utility_id, subjects, meters=meters, stamp=stamp, of_installation=of_installation
    ) as listener:
        waiting = set(subjects) if again else set()  # after a gap everything may be new
        told = dict.fromkeys(subjects, 0.0)
        number, said_at = 0, time.monotonic()
        yield "retry: 3000\nid: 0\n\n"
        while not listener.ended:
            now = time.monotonic()
            due = {one: told[one] + _AT_LEAST_SECONDS.get(one, _METER_SECONDS) - now for one in waiting}
            waiting |= await listener.news(max(0.0, min([*due.values(), said_at + HEARTBEAT_SECONDS - now])))
            now = time.monotonic()
            for subject in sorted(waiting):
                if now - told[subject] < _AT_LEAST_SECONDS.get(subject, _METER_SECONDS):
                    continue
                if await listener.ends_within(TURNS.take()):
                    break
                waiting.discard(subject)
                told[subject] = said_at = time.monotonic()
                number += 1
                yield f"id: {number}\nevent: news\ndata: {subject}\n\n"
            if now - said_at >= HEARTBEAT_SECONDS:
                said_at = now
                yield ": still here\n\n"
        if listener.ended != live.STOPPING:
            yield f"event: end\ndata: {listener.ended}\n\n"


class Turns:
    """Hands out turns, first come first served, so many a second."""

    def __init__(self, per_second: float) -> None:
        self._every = 1 / per_second
        self._free_at = 0.0

    def take(self) -> float:
        """Take the next one: in how many seconds it comes."""
        now = time.monotonic()
        mine = max(now, self._free_at)
        self._free_at = mine + self._every
        return mine - now


TURNS: Final = Turns(PER_SECOND)
