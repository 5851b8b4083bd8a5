"""Server-sent events: readings and info codes as soon as they are received, resumed by Last-Event-ID.

The id of an event is a cursor of ``/changes``: a reader that comes back misses nothing and gets nothing twice.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, StreamingHttpResponse
from django.utils import translation
from ninja.errors import AuthenticationError, Throttled

from avlas.meters.journal import CursorTooOld
from avlas.reports import news
from avlas.system.models import ApiToken
from avlas.web import live
from avlas.web.api.access import Token
from avlas.web.api.problems import Refused, wrong

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SCOPE: Final = "readings:read"
HEARTBEAT_SECONDS: Final = 15.0
MOST_OF_A_TOKEN: Final = 20  # streams, in each web process
_AT_ONCE: Final = 200
_open: dict[int, int] = {}  # token: streams; touched in the event loop only

DESCRIBED: Final[dict[str, Any]] = {
    "operationId": "stream_events",
    "summary": "Events as they come in",
    "tags": ["Live"],
    "description": "Server-sent events: `id` is a cursor as of `/changes`, `event` the type, `data` an item as there. "
    "Begins after `Last-Event-ID` (or `cursor`), else with what is to come.\n\nScope: `readings:read`",
    "x-scope": SCOPE,
    "security": [{"Token": []}],
    "parameters": [
        {
            "in": "header",
            "name": "Last-Event-ID",
            "required": False,
            "schema": {"type": "string", "pattern": r"^\d{1,18}(\.\d{1,9})?$"},
        },
        {
            "in": "query",
            "name": "types",
            "required": False,
            "schema": {"type": "string", "enum": [*news.TYPES]},
            "description": "which events, with commas between; all if left out",
        },
    ],
    "responses": {
        200: {"description": "OK", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    },
}
"""What the reference says; ``routes`` adds the errors."""


def stream(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Open a stream; its token is looked at again with every heartbeat."""
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    token = Token(SCOPE)(request)
    if token is None:
        raise AuthenticationError
    types = tuple(filter(None, request.GET.get("types", "").split(","))) or news.TYPES
    if unknown := set(types) - set(news.TYPES):
        raise wrong(
            "query.types",
            f"There are no events of the type {min(unknown)}; there are {', '.join(news.TYPES)}.",
        )
    place = _place(request, token)
    if not isinstance(request, ASGIRequest):
        raise Refused(
            HTTPStatus.SERVICE_UNAVAILABLE, "This server can't keep a stream open; ask /changes instead."
        )
    if _open.get(token.pk, 0) >= MOST_OF_A_TOKEN:
        raise Throttled(60)
    asked = translation.get_language_from_request(request) if "Accept-Language" in request.headers else "en"
    return StreamingHttpResponse(
        _events(token, place, types, asked),
        content_type="text/event-stream; charset=utf-8",
        headers={"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"},
    )


def _place(request: HttpRequest, token: ApiToken) -> news.Place:
    """Where the reader was; refuses (410) a place whose news are no longer kept."""
    written = request.headers.get("Last-Event-ID") or request.GET.get("cursor") or ""
    if not written:
        return news.now()
    try:
        place = news.Place.read(written)
        news.since(token.utility_id, place, 1)
    except CursorTooOld as problem:
        raise Refused(
            HTTPStatus.GONE,
            "What came after this event is no longer kept. Fetch everything anew.",
            "cursor_too_old",
        ) from problem
    except ValueError as problem:
        raise wrong("header.Last-Event-ID", str(problem)) from problem
    return place


async def _events(
    token: ApiToken, place: news.Place, types: tuple[str, ...], language: str
) -> AsyncIterator[str]:
    _open[token.pk] = _open.get(token.pk, 0) + 1
    try:
        with live.listening(token.utility_id, {"readings"}) as listener:
            yield f"retry: 3000\nid: {place}\n\n"
            while not listener.ended:
                found = await asyncio.to_thread(_read, token, place, types, language)
                if found is None:
                    return
                for event in found.events:
                    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
                    yield f"id: {event['id']}\nevent: {event['type']}\ndata: {data}\n\n"
                place = found.place
                if not found.more and not await listener.news(HEARTBEAT_SECONDS):
                    yield f": still here\nid: {place}\n\n"
    finally:
        _open[token.pk] -= 1


def _read(token: ApiToken, place: news.Place, types: tuple[str, ...], language: str) -> news.News | None:
    """What came after a place; None when the token was revoked or the news are gone, which ends the stream."""
    try:
        if not ApiToken.objects.filter(pk=token.pk, revoked_at=None).exists():
            return None
        with translation.override(language):
            return news.since(token.utility_id, place, _AT_ONCE, types)
    except CursorTooOld:
        return None
    finally:
        connections.close_all()  # between two news a stream needs none
