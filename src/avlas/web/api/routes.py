"""What programs can ask and send. Every call carries a token, and a token sees its own utility only."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from http import HTTPStatus
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, AuthorizationError, HttpError, ValidationError
from ninja.security import HttpBearer
from pydantic import AwareDatetime, Field, WrapValidator
from pydantic import ValidationError as ItemError

from avlas import __version__
from avlas.decode.batch import without_crcs
from avlas.meters.ingest import IngestResult, TelegramBatch, ingest
from avlas.meters.models import Collector, Source
from avlas.meters.pace import Pace
from avlas.system import tokens
from avlas.system.models import ApiToken
from avlas.system.secrets import SecretError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from avlas.decode.errors import FrameError

logger = logging.getLogger(__name__)

MOST_TELEGRAMS = 10_000
Format = Literal["a", "a-crc", "b-crc", "wired"]


class Token(HttpBearer):
    """A bearer token with one scope."""

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:  # noqa: ARG002
        """Give the token's row, or None: then the answer is 401."""
        return tokens.verify(token, self.scope)


api = NinjaAPI(title="Avläs", version=__version__, urls_namespace="api", docs_url=None)


class TelegramIn(Schema):
    """A telegram as some receiver heard it."""

    frame: Annotated[str, Field(max_length=1200, description="the frame's bytes as hexadecimal digits")]
    heard_at: AwareDatetime | None = Field(
        None, description="when it was heard, with time zone; now if left out"
    )
    rssi_dbm: Annotated[float, Field(ge=-200, le=50)] | None = None
    format: Format = Field("a", description="a: no link CRCs; wired: M-Bus frame")


class _NoTelegram:
    """What stands in the list of telegrams but is none."""

    def __init__(self, why: str) -> None:
        self.why = why


def _or_none(value: Any, validate: Callable[[Any], TelegramIn]) -> TelegramIn | _NoTelegram:
    """One bad telegram refuses itself, not the others."""
    try:
        return validate(value)
    except ItemError as problem:
        first = problem.errors(include_url=False)[0]
        return _NoTelegram(": ".join([*map(str, first["loc"]), first["msg"]]))


class TelegramsIn(Schema):
    """Up to 10,000 telegrams, and the collector that heard them."""

    collector: Annotated[str, Field(min_length=1, max_length=80)] = "API"
    telegrams: Annotated[
        list[Annotated[TelegramIn, WrapValidator(_or_none)]], Field(max_length=MOST_TELEGRAMS)
    ]


class Refused(Schema):
    """A telegram that is no telegram: its place in the list and why."""

    index: int
    message: str


class TelegramsOut(Schema):
    """What became of the telegrams; everything not refused is stored."""

    accepted: int
    surplus: int
    states: dict[str, int]
    refused: list[Refused]


class Problem(Schema):
    """Problem details (RFC 9457), sent as application/problem+json."""

    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None


_PROBLEMS = {401: Problem, 403: Problem, 413: Problem, 422: Problem, 503: Problem}


@api.post("/telegrams", auth=Token("telegrams:write"), response={200: TelegramsOut, **_PROBLEMS})
def post_telegrams(request: HttpRequest, body: TelegramsIn) -> TelegramsOut:
    """Take in telegrams. The answer comes after they are committed; sending them again changes nothing.

    They are stored in parts, each in a fraction of a second. With 503 some of the parts may be stored already:
    send all of it again later.
    """
    token: ApiToken = request.auth  # type: ignore[attr-defined]
    collector, _ = Collector.objects.get_or_create(
        utility_id=token.utility_id, name=body.collector, defaults={"spec": "api", "active": False}
    )
    good, refused = _sorted_out(body.telegrams)
    now = datetime.now(UTC)
    result, pace = IngestResult(), Pace()
    for wired, found in good.items():
        while found:
            part, found = found[: pace.size], found[pace.size :]  # noqa: PLW2901
            one_result = ingest(_batch(collector.pk, part, now, wired=wired))
            pace.note(len(part), one_result)
            result.add(one_result)
    return TelegramsOut(
        accepted=result.telegrams,
        surplus=result.surplus,
        states={state.name.lower(): count for state, count in result.states.items() if count},
        refused=refused,
    )


def _sorted_out(
    telegrams: Iterable[TelegramIn | _NoTelegram],
) -> tuple[dict[bool, list[tuple[bytes, TelegramIn]]], list[Refused]]:
    """The frames without link CRCs, by whether they are wired, and what is no telegram, in order."""
    refused: list[Refused] = []
    said: dict[Format, list[tuple[int, bytes, TelegramIn]]] = {}
    for index, one in enumerate(telegrams):
        if isinstance(one, _NoTelegram):
            refused.append(Refused(index=index, message=one.why))
            continue
        try:
            said.setdefault(one.format, []).append((index, _bytes(one), one))
        except ValueError as problem:
            refused.append(Refused(index=index, message=str(problem)))
    good: dict[bool, list[tuple[bytes, TelegramIn]]] = {False: [], True: []}
    for form, sent in said.items():
        plain = [frame for _, frame, _ in sent]
        damaged: dict[int, FrameError] = {}
        if form in ("a-crc", "b-crc"):
            plain, damaged = without_crcs(plain, form)
        for row, (index, _, one) in enumerate(sent):
            if row in damaged:
                refused.append(Refused(index=index, message=str(damaged[row])))
            else:
                good[form == "wired"].append((plain[row], one))
    return good, sorted(refused, key=attrgetter("index"))


def _bytes(one: TelegramIn) -> bytes:
    try:
        frame = bytes.fromhex(one.frame)
    except ValueError as problem:
        raise ValueError(f"frame is not hexadecimal: {problem}") from problem
    if not frame:
        raise ValueError("frame is empty")
    return frame


def _batch(
    collector_id: int, found: Sequence[tuple[bytes, TelegramIn]], now: datetime, *, wired: bool
) -> TelegramBatch:
    return TelegramBatch(
        collector_id,
        [frame for frame, _ in found],
        np.array([min(one.heard_at or now, now).timestamp() for _, one in found], np.float64),
        np.array([np.nan if one.rssi_dbm is None else one.rssi_dbm for _, one in found], np.float32),
        wired=wired,
        source=Source.WIRED if wired else Source.RADIO,
    )


# -- errors: always problem details --------------------------------------------------------------------------------


def _problem(status: HTTPStatus, detail: str, **more: Any) -> HttpResponse:
    content = {"title": status.phrase, "status": int(status), "detail": detail, **more}
    return HttpResponse(
        json.dumps(content, default=str), status=status, content_type="application/problem+json"
    )


@api.exception_handler(AuthenticationError)
def _no_token(request: HttpRequest, _: Exception) -> HttpResponse:  # noqa: ARG001
    response = _problem(
        HTTPStatus.UNAUTHORIZED,
        "Send a valid token that may do this: Authorization: Bearer avlas_... A person makes one with: "
        "avlas token create NAME",
    )
    response["WWW-Authenticate"] = "Bearer"
    return response


@api.exception_handler(AuthorizationError)
def _not_allowed(request: HttpRequest, _: Exception) -> HttpResponse:  # noqa: ARG001
    return _problem(HTTPStatus.FORBIDDEN, "This token may not do that.")


@api.exception_handler(ValidationError)
def _malformed(request: HttpRequest, problem: ValidationError) -> HttpResponse:  # noqa: ARG001
    errors = [{"where": list(one["loc"]), "message": one["msg"]} for one in problem.errors]
    return _problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "The request is not what this address takes. Nothing was stored.",
        errors=errors,
    )  # fmt: skip


@api.exception_handler(HttpError)
def _refused(request: HttpRequest, problem: HttpError) -> HttpResponse:  # noqa: ARG001
    return _problem(HTTPStatus(problem.status_code), str(problem))


@api.exception_handler(RequestDataTooBig)
def _too_big(request: HttpRequest, _: Exception) -> HttpResponse:  # noqa: ARG001
    return _problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The request is too large. Send at most {MOST_TELEGRAMS} telegrams at a time.",
    )


@api.exception_handler(OperationalError)
def _database_is_away(request: HttpRequest, problem: Exception) -> HttpResponse:  # noqa: ARG001
    logger.error("telegrams over the API could not be stored: %s", problem)
    return _later("The database is locked, full or gone.")


@api.exception_handler(SecretError)
def _keys_are_shut(request: HttpRequest, problem: Exception) -> HttpResponse:  # noqa: ARG001
    logger.error("telegrams over the API could not be decrypted: %s", problem)
    return _later("The meters' keys can't be opened: the master key is missing or wrong.")


def _later(why: str) -> HttpResponse:
    response = _problem(
        HTTPStatus.SERVICE_UNAVAILABLE, f"{why} Send all of it again later: repeats change nothing."
    )
    response["Retry-After"] = "30"
    return response
