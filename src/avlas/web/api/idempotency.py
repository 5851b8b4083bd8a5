"""Idempotency-Key: a writing call that is sent again, because no answer came, is done once and answered the same.

The same key with another request is refused (422). See ``system.api_answers``.
"""

from __future__ import annotations

import functools
import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse

from avlas.system import tokens
from avlas.system.api_answers import ApiAnswer
from avlas.web.api import problems

if TYPE_CHECKING:
    from collections.abc import Callable

    from avlas.system.models import ApiToken

HEADER: Final = "Idempotency-Key"
_KEPT_HEADERS: Final = ("ETag", "Location")
_LONGEST: Final = 200


def once(run: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Do a writing operation once per key and token."""

    @functools.wraps(run)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        key = request.headers.get(HEADER, "")
        if not key or request.method in ("GET", "HEAD"):
            return run(request, *args, **kwargs)
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        token = tokens.find(given) if scheme.lower() == "bearer" else None
        if token is None:  # the operation itself says so
            return run(request, *args, **kwargs)
        if len(key) > _LONGEST or not key.isprintable():
            return problems.response(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"The {HEADER} must have at most {_LONGEST} printable characters, such as a UUID.",
            )
        return _once(lambda: run(request, *args, **kwargs), token, key, _hash(request))

    return answered


def _hash(request: HttpRequest) -> str:
    head = f"{request.method} {request.get_full_path()}\n".encode("utf-8", "surrogatepass")
    return hashlib.sha256(head + request.body).hexdigest()


def _once(run: Callable[[], HttpResponse], token: ApiToken, key: str, request_hash: str) -> HttpResponse:
    """Whoever comes second waits at the row until the first is done, and then finds its answer."""
    try:
        with transaction.atomic():
            row = ApiAnswer.objects.filter(token=token, key=key).first()
            if row is None:
                row = ApiAnswer.objects.create(token=token, key=key, request=request_hash)
                done = run()
                if 200 <= done.status_code < 300:
                    row.status, row.body = done.status_code, done.content.decode()
                    row.headers = {name: done[name] for name in _KEPT_HEADERS if name in done}
                    row.save()
                else:  # nothing was done, and nothing is kept
                    transaction.set_rollback(True)
                return done
    except IntegrityError:
        row = ApiAnswer.objects.filter(token=token, key=key).first()
        if row is None:
            raise
    return _again(row, request_hash)


def _again(row: ApiAnswer, request_hash: str) -> HttpResponse:
    if row.request != request_hash:
        return problems.response(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"This {HEADER} was used for another request. Give every deed a key of its own.",
            code="key_reused",
        )
    answer = HttpResponse(row.body, status=row.status, content_type="application/json")
    for name, value in row.headers.items():
        answer[name] = value
    answer["Idempotent-Replayed"] = "true"
    return answer
