"""What programs can ask and send, under /api/v1/. Every call carries a token, and a token sees its own utility only."""

from __future__ import annotations

import functools
from copy import deepcopy
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import path, re_path, reverse
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase

from avlas import __version__
from avlas.web.api import (
    changes,
    events,
    exchanges,
    exports,
    groups,
    info_codes,
    keys,
    meters,
    operation,
    points,
    problems,
    readings,
    telegrams,
    valves,
)
from avlas.web.api.access import WRITES
from avlas.web.api.idempotency import HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninja.operation import Operation

_DESCRIPTION: Final = """Meters, readings, info codes and what is done with them, for other programs.

Every call carries a token (`Authorization: Bearer avlas_...`) that may do what its scopes say, in one utility.
Lists come in parts: hand `next` back as `cursor`. Errors are problem details (RFC 9457). A POST with an
`Idempotency-Key` is done once, however often it is sent. A PATCH with `If-Match` is refused when somebody else was
quicker. Moments are ISO 8601 with time zone; answers are in UTC."""
_ALWAYS: Final = (400, 401, 403, 422, 429, 500, 503)
_ERRORS: Final = {
    400: "The body is no JSON",
    401: "No valid token",
    403: "The token lacks the scope",
    404: "There is no such row in the token's utility",
    409: "It can't be done as things stand; code says why",
    410: "The cursor is too old; fetch everything anew",
    412: "It was changed meanwhile",
    413: "The request is too large",
    422: "The request is not what this address takes",
    429: "Too many calls; Retry-After says how many seconds to wait",
    500: "An error in the program",
    503: "The database or the master key is away; try again later",
}


class Reference(DocsBase):
    """The page on which the API can be read and tried, without anything from elsewhere."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        """Give the page."""
        return render(request, "pages/api_reference.html", {"openapi": self.get_openapi_url(api, kwargs)})


class Api(NinjaAPI):
    """The API, whose description also tells scopes, errors and headers, which are the same everywhere."""

    def get_openapi_schema(self, **kwargs: Any) -> Any:
        """Give the OpenAPI description."""
        schema = super().get_openapi_schema(**kwargs)
        schema["components"].setdefault("schemas", {})["Problem"] = problems.Problem.model_json_schema()
        for found in self._operations():
            for address, method, one in found:
                _complete(schema["paths"][address][method], method, address, one)
        streaming = deepcopy(events.DESCRIBED)
        problem = {"content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
        streaming["responses"] |= {
            status: {"description": _ERRORS[status], **problem} for status in (401, 403, 410, 422, 429, 503)
        }
        schema["paths"][f"{reverse('api:api-root')}events"] = {"get": streaming}
        return schema

    def _operations(self) -> Any:
        prefix = reverse("api:api-root")
        for bound in self._get_bound_routers():
            for end, view in bound.path_operations.items():
                address = prefix.rstrip("/") + "/" + end.lstrip("/")
                yield [
                    (address, method.lower(), operation)
                    for operation in view.operations
                    if operation.include_in_schema
                    for method in operation.methods
                ]


def _complete(told: dict[str, Any], method: str, address: str, operation: Operation) -> None:
    scope = getattr(operation.auth_callbacks[0], "scope", "")
    told["description"] = f"{told.get('description', '')}\n\nScope: `{scope}`".strip()
    told["x-scope"] = scope
    errors = [*_ALWAYS, *([404] if "{" in address else [])]
    if method.upper() in WRITES:
        errors += [409, 413]
        if "telegrams" not in address:
            told["parameters"].append(
                {
                    "in": "header",
                    "name": HEADER,
                    "required": False,
                    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
                    "description": "A name of your own for this deed, such as a UUID: sent again, it is done once.",
                }
            )
    if address.endswith("/changes"):
        errors.append(410)
    if method == "patch" and "groups" not in address:
        errors.append(412)
        told["parameters"].append(
            {
                "in": "header",
                "name": "If-Match",
                "required": False,
                "schema": {"type": "string", "pattern": '^"[0-9a-f]{20}"$'},
                "description": "The ETag with which it was fetched.",
            }
        )
    problem = {"content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for status in sorted(errors):
        told["responses"][status] = {"description": _ERRORS[status], **problem}


def _said_as_problem(view: Callable[..., Any]) -> Callable[..., HttpResponseBase]:
    """A method that an address doesn't take, and any error, is answered as a problem too."""

    @functools.wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            answer: HttpResponseBase = view(request, *args, **kwargs)
        except Exception as problem:  # noqa: BLE001  # what went wrong before or after the operation itself
            said: HttpResponseBase = api.on_exception(request, problem)
            return said
        if answer.status_code == 405:
            allowed = ", ".join(sorted(answer["Allow"].split(", ")))
            answer = problems.response(
                HTTPStatus.METHOD_NOT_ALLOWED, f"This address takes {allowed}, not {request.method}."
            )
            answer["Allow"] = allowed
        return answer

    return answered


def _nothing_here(_request: HttpRequest, **_kwargs: str) -> HttpResponse:
    return problems.response(
        HTTPStatus.NOT_FOUND, "There is nothing at this address. /api/v1/docs tells which there are."
    )


api = Api(
    title="Avläs", version=__version__, description=_DESCRIPTION, urls_namespace="api", docs=Reference(),
    docs_url="/docs",
)  # fmt: skip
problems.handle(api)
for _routes in (
    telegrams.router,
    meters.routes,
    points.routes,
    points.customer_routes,
    groups.routes,
    keys.routes,
    readings.routes,
    info_codes.routes,
    changes.routes,
    exchanges.routes,
    valves.routes,
    exports.routes,
    operation.routes,
):
    api.add_router("", _routes)

_patterns, _app, _namespace = api.urls
for _pattern in _patterns:
    if _pattern.callback is not None:
        _pattern.callback = _said_as_problem(_pattern.callback)
_patterns.append(path("events", _said_as_problem(events.stream), name="events"))
urls = ([*_patterns, re_path(r"^.*$", _nothing_here, name="nothing")], _app, _namespace)
