"""Who calls: the token, what it may do and how often, and the rows of its utility.

Every operation names one scope. ``mine`` and ``find`` are the only ways an operation reaches the tables that belong
to a utility.
"""

from __future__ import annotations

import functools
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

from django.conf import settings
from django.db.models import Model
from django.http import HttpRequest
from django.utils import translation
from ninja import Router
from ninja.errors import Throttled
from ninja.security import HttpBearer

from avlas.meters.keys import Who
from avlas.system import audit, tokens
from avlas.system.models import ApiToken
from avlas.web import computers
from avlas.web.api.idempotency import once
from avlas.web.api.problems import Refused, not_there

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet

M = TypeVar("M", bound=Model)
WRITES: Final = ("POST", "PUT", "PATCH", "DELETE")


class ApiRequest(HttpRequest):
    """A request whose token was found good for the operation."""

    auth: ApiToken


class Token(HttpBearer):
    """A bearer token with one scope."""

    def __init__(self, scope: str) -> None:
        if scope not in tokens.SCOPES:
            raise KeyError(scope)
        super().__init__()
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:  # noqa: ARG002
        """Give the token's row; None: the answer is 401. Without the scope it is 403, too often 429."""
        row = tokens.find(token)
        if row is None:
            return None
        if self.scope not in row.scopes:
            raise Refused(
                HTTPStatus.FORBIDDEN,
                f"This token may not do that: it lacks {self.scope}. An administrator makes one that may.",
                "missing_scope",
            )
        wait = rates.take(row.pk)
        if wait:
            raise Throttled(wait)  # type: ignore[arg-type]  # seconds, rounded up where they are told
        return row


class Rates:
    """How many calls a token may make: a bucket that fills again evenly over a minute, in this process."""

    def __init__(self) -> None:
        self._left: dict[int, tuple[float, float]] = {}  # token: calls left, at which moment
        self._lock = threading.Lock()

    def take(self, token_id: int) -> float:
        """Take one call; gives how many seconds to wait when there is none left, else 0."""
        most = settings.API_CALLS_PER_MINUTE
        now = time.monotonic()
        with self._lock:
            left, at = self._left.get(token_id, (float(most), now))
            left = min(float(most), left + (now - at) * most / 60)
            if left < 1:
                self._left[token_id] = (left, now)
                return (1 - left) * 60 / most
            self._left[token_id] = (left - 1, now)
        return 0.0

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._left.clear()


rates = Rates()


def router(tag: str) -> Router:
    """A router whose operations speak the caller's language, are done once per key and audited as the program's."""
    made = Router(tags=[tag])
    made.add_decorator(_as_program, mode="operation")
    made.add_decorator(once, mode="view")
    made.add_decorator(_in_language, mode="view")
    return made


def _as_program(function: Callable[..., Any]) -> Callable[..., Any]:
    """What is done is audited as done by the token's program."""

    @functools.wraps(function)
    def done(request: ApiRequest, *args: Any, **kwargs: Any) -> Any:
        with audit.acting_as(f"API: {request.auth}"):
            return function(request, *args, **kwargs)

    return done


def _in_language(run: Callable[..., Any]) -> Callable[..., Any]:
    """Texts are in the language asked for (Accept-Language), English when none is."""

    @functools.wraps(run)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        asked = (
            translation.get_language_from_request(request) if "Accept-Language" in request.headers else "en"
        )
        with translation.override(asked):
            return run(request, *args, **kwargs)

    return answered


def who(request: ApiRequest) -> Who:
    """Who asks, for the audit log."""
    return Who(None, computers.described(request))


def mine(request: ApiRequest, model: type[M]) -> QuerySet[M]:
    """The rows of ``model`` that belong to the token's utility."""
    return model._default_manager.filter(utility_id=request.auth.utility_id)  # noqa: SLF001  # Django's own name


def find(request: ApiRequest, model: type[M], pk: int, what: str) -> M:
    """One row of the token's utility; refuses (404) when there is none, also when it is another utility's."""
    row = mine(request, model).filter(pk=pk).first()
    if row is None:
        raise not_there(what)
    return row
