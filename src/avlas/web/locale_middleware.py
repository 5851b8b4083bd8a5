"""Language and time zone of a request: the signed-in user's own, otherwise what the browser asks for."""

from __future__ import annotations

import zoneinfo
from typing import TYPE_CHECKING

from django.utils import timezone, translation

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

DEFAULT_ZONE = zoneinfo.ZoneInfo("Europe/Stockholm")


def user_locale(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: activate the user's language and time zone for the length of one request."""

    def middleware(request: HttpRequest) -> HttpResponse:
        user = request.user
        language = user.language if user.is_authenticated else translation.get_language_from_request(request)
        zone = _zone(user.time_zone) if user.is_authenticated else DEFAULT_ZONE
        request.LANGUAGE_CODE = language  # read by Django's templates
        with translation.override(language), timezone.override(zone):
            response = get_response(request)
        response.headers.setdefault("Content-Language", language)
        return response

    return middleware


def _zone(name: str) -> zoneinfo.ZoneInfo:
    """The zone called ``name``, or Sweden's when this machine does not know it."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return DEFAULT_ZONE
