"""Where a utility requires a second factor, who has none is led to set one up and can do nothing else until then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from avlas.system import second_factor
from avlas.web.passkey_answers import PROVEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

_OPEN: Final = {
    "second_factor", "second_factor_on", "second_factor_codes", "passkey_add", "passkey_edit", "account_logout",
    "set_language", "theme",
}  # fmt: skip


class SecondFactorRequired:
    """Middleware. Whoever signed in elsewhere with a second factor (``PROVEN`` in the session) has shown one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Nothing before the address is known."""
        return self.get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        _view: Callable[..., HttpResponse],
        _args: list[Any],
        _kwargs: dict[str, Any],
    ) -> HttpResponse | None:
        """Lead to the second factor's page, or let the request on."""
        match, user = request.resolver_match, request.user
        if not user.is_authenticated or (match and match.url_name in _OPEN and not match.namespace):
            return None
        if request.session.get(PROVEN) or not second_factor.is_lacking(user):
            return None
        if "HX-Request" in request.headers:
            return HttpResponse(status=204, headers={"HX-Redirect": reverse("second_factor")})
        return redirect("second_factor")
