"""What is answered when something can't be done: always problem details (RFC 9457), application/problem+json."""

from __future__ import annotations

import json
import logging
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, Throttled, ValidationError

from avlas.system.secrets import SecretError

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"


class Problem(Schema):
    """Problem details (RFC 9457). ``code`` is a stable word for programs where the status alone says too little."""

    title: str
    status: int
    detail: str
    code: str | None = None
    errors: list[dict[str, Any]] | None = None


class Refused(Exception):  # noqa: N818
    """The request can't be done: the answer's status, a sentence, a word for programs and details."""

    def __init__(
        self, status: HTTPStatus, detail: str, code: str = "", errors: Sequence[dict[str, Any]] = ()
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.code, self.errors = status, detail, code, list(errors)


def not_there(what: str) -> Refused:
    """404: there is no such row, or it is another utility's."""
    return Refused(HTTPStatus.NOT_FOUND, f"There is no such {what}.")


def conflict(detail: str, code: str, errors: Sequence[dict[str, Any]] = ()) -> Refused:
    """409: it can't be done as things stand."""
    return Refused(HTTPStatus.CONFLICT, detail, code, errors)


def wrong(where: str, message: str) -> Refused:
    """422: one value of the request is not what this address takes."""
    return Refused(
        HTTPStatus.UNPROCESSABLE_ENTITY, message, errors=[{"where": where.split("."), "message": message}]
    )


def response(status: HTTPStatus, detail: str, **more: Any) -> HttpResponse:
    """The problem as an answer."""
    content = {"title": status.phrase, "status": int(status), "detail": detail}
    content |= {name: value for name, value in more.items() if value}
    return HttpResponse(json.dumps(content, default=str), status=status, content_type=MEDIA_TYPE)


def handle(api: NinjaAPI) -> None:
    """Let every error that a call can meet be answered as a problem."""
    handlers: dict[type[Exception], Any] = {
        AuthenticationError: _no_token,
        HttpError: _refused_by_ninja,
        Throttled: _too_often,
        ValidationError: _malformed,
        Refused: _refused,
        Http404: _no_row,
        RequestDataTooBig: _too_big,
        OperationalError: _database_is_away,
        SecretError: _keys_are_shut,
        Exception: _error,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)


def _no_token(_request: HttpRequest, _: Exception) -> HttpResponse:
    answer = response(
        HTTPStatus.UNAUTHORIZED,
        "Send a valid token: Authorization: Bearer avlas_... An administrator makes one under Configuration, "
        "API tokens, or with: avlas token create NAME",
    )
    answer["WWW-Authenticate"] = "Bearer"
    return answer


def _refused_by_ninja(_request: HttpRequest, problem: HttpError) -> HttpResponse:
    return response(HTTPStatus(problem.status_code), str(problem))


def _too_often(_request: HttpRequest, problem: Throttled) -> HttpResponse:
    seconds = max(1, math.ceil(problem.wait or 1))
    answer = response(HTTPStatus.TOO_MANY_REQUESTS, f"Too many calls with this token. Wait {seconds} s.")
    answer["Retry-After"] = str(seconds)
    return answer


def _malformed(_request: HttpRequest, problem: ValidationError) -> HttpResponse:
    errors = [{"where": [str(part) for part in one["loc"]], "message": one["msg"]} for one in problem.errors]
    return response(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The request is not what this address takes. Nothing was stored.",
        errors=errors,
    )


def _refused(_request: HttpRequest, problem: Refused) -> HttpResponse:
    return response(problem.status, problem.detail, code=problem.code, errors=problem.errors)


def _no_row(_request: HttpRequest, _: Exception) -> HttpResponse:
    return response(HTTPStatus.NOT_FOUND, "There is nothing at this address.")


def _too_big(_request: HttpRequest, _: Exception) -> HttpResponse:
    return response(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large. Send it in smaller parts."
    )


def _database_is_away(_request: HttpRequest, problem: Exception) -> HttpResponse:
    logger.error("A call of the API could not use the database: %s", problem)
    return _later("The database is locked, full or gone.")


def _keys_are_shut(_request: HttpRequest, problem: Exception) -> HttpResponse:
    logger.error("A call of the API could not open or seal a key: %s", problem)
    return _later("The meters' keys can't be opened: the master key is missing or wrong.")


def _later(why: str) -> HttpResponse:
    answer = response(
        HTTPStatus.SERVICE_UNAVAILABLE, f"{why} Send all of it again later: repeats change nothing."
    )
    answer["Retry-After"] = "30"
    return answer


def _error(request: HttpRequest, problem: Exception) -> HttpResponse:
    logger.error("A call of %s %s failed", request.method, request.path, exc_info=problem)
    return response(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "An error in the program. It is in the program's log; please report it.",
    )
