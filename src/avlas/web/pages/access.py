"""Who may see and do what on the pages: every view is wrapped by ``page`` and finds rows through ``rows``.

No row of one utility is ever visible to another: ``rows``, ``rows_and_installation`` and ``find`` are the only
ways a page reaches the tables that belong to a utility.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Final, TypeVar, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404

from avlas.system import audit, permissions
from avlas.system.models import Permission, User, Utility
from avlas.web import computers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Concatenate, ParamSpec

    from django.db.models import QuerySet
    from django_htmx.middleware import HtmxDetails

    P = ParamSpec("P")

M = TypeVar("M", bound=Model)

OWN: Final = "own"
"""In place of a permission: what everybody who has signed in may see and do, as it is about themselves alone."""


class PageRequest(HttpRequest):
    """A request that ``page`` has let through: somebody is signed in and may see this."""

    user: User
    utility: Utility
    allowed: frozenset[str]
    htmx: HtmxDetails


def page(
    view: str = Permission.DATA_ACCESS, change: str | None = None, *, of_installation: bool = False
) -> Callable[[Callable[Concatenate[PageRequest, P], HttpResponse]], Callable[..., HttpResponse]]:
    """Decorator of a view: sign-in needed, permission ``view`` to look and ``change`` to POST.

    Without ``change`` the page only answers GET and HEAD. ``OWN`` stands for no permission.
    ``of_installation``: only for who runs the installation.
    """

    def decorate(
        function: Callable[Concatenate[PageRequest, P], HttpResponse],
    ) -> Callable[..., HttpResponse]:
        @wraps(function)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            asked = cast("PageRequest", request)
            asked.utility = asked.user.utility
            asked.allowed = permissions.of(asked.user)
            may = asked.allowed | {OWN}
            posting = request.method == "POST"
            methods = ["GET", "HEAD", *(["POST"] if change else [])]
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            if view not in may or (posting and change not in may):
                raise PermissionDenied
            if of_installation and not asked.user.runs_installation:
                raise PermissionDenied
            return function(asked, *args, **kwargs)

        return cast("Callable[..., HttpResponse]", login_required(guarded))

    return decorate


def rows(request: PageRequest, model: type[M]) -> QuerySet[M]:
    """The rows of ``model`` that belong to the utility of whoever asks."""
    return model._default_manager.filter(utility_id=request.user.utility_id)  # noqa: SLF001  # Django's own name


def rows_and_installation(request: PageRequest, model: type[M]) -> QuerySet[M]:
    """The own utility's rows and, for who runs the installation, those that belong to no utility."""
    mine = Q(utility_id=request.user.utility_id)
    if request.user.runs_installation:
        mine |= Q(utility=None)
    return model._default_manager.filter(mine)  # noqa: SLF001


def find(request: PageRequest, model: type[M], pk: int) -> M:
    """One row of the own utility; Http404 when there is none, also when it belongs to another utility."""
    return get_object_or_404(rows(request, model), pk=pk)


def record(
    request: PageRequest, event: str, *, target: str = "", detail: Mapping[str, Any] | None = None
) -> None:
    """Write to the audit log what the signed-in person did; call it in the transaction of the deed."""
    audit.record(
        event,
        utility=request.utility,
        user=request.user,
        computer=computer(request),
        target=target,
        detail=detail,
    )


def computer(request: HttpRequest) -> str:
    """The computer a request comes from: address, name, browser and device, as far as known."""
    return computers.described(request)
