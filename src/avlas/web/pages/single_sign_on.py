"""Signing in elsewhere: there, and back again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from allauth.account.internal.flows.login import perform_login
from allauth.account.models import Login
from allauth.core import ratelimit
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from avlas.system import audit, single_sign_on
from avlas.system.models import User
from avlas.web.pages.access import computer
from avlas.web.passkey_answers import PROVEN

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from avlas.system.sign_on_provider import Provider

logger = logging.getLogger(__name__)
_KEPT: Final = "single_sign_on"  # in the session, on the way there and back


@never_cache
@require_safe
def there(request: HttpRequest) -> HttpResponse:
    """Lead to the provider."""
    provider = _provider()
    if request.user.is_authenticated:
        return redirect("home")
    if not ratelimit.consume(request, action="login"):
        return render(request, "429.html", status=429)
    try:
        address, kept = single_sign_on.begin(provider, _back(request))
    except single_sign_on.Refused as problem:
        return _refused(request, problem)
    wanted = request.GET.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    request.session[_KEPT] = {**kept, "next": wanted if safe else ""}
    return redirect(address)


@never_cache
@require_safe
def back(request: HttpRequest) -> HttpResponse:
    """Where the provider leads back to: sign in whoever that is."""
    provider = _provider()
    if request.user.is_authenticated:
        return redirect("home")
    kept = request.session.pop(_KEPT, {})
    try:
        identity = single_sign_on.finish(provider, kept, request.GET.dict(), _back(request))
        user = single_sign_on.person(identity, computer=computer(request))
    except single_sign_on.Refused as problem:
        return _refused(request, problem)
    request.session.set_expiry(0)
    user.backend = "allauth.account.auth_backends.AuthenticationBackend"
    login = Login(user=user, redirect_url=kept["next"] or None)
    login.state[PROVEN] = provider.both_factors
    answered: HttpResponse = perform_login(request, login)
    if provider.both_factors and request.user.is_authenticated:
        request.session[PROVEN] = True
    return answered


def _provider() -> Provider:
    if settings.SINGLE_SIGN_ON is None:
        raise Http404
    provider: Provider = settings.SINGLE_SIGN_ON
    return provider


def _back(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("single_sign_on_back"))


def _refused(request: HttpRequest, problem: single_sign_on.Refused) -> HttpResponse:
    logger.warning("single sign-on refused: %s", problem.why)
    user = (
        User.objects.filter(email=problem.email).select_related("utility").first() if problem.email else None
    )
    with transaction.atomic():
        audit.record(
            "access.single_sign_on_refused",
            utility=user.utility if user else None,
            user=user,
            computer=computer(request),
            target=problem.email,
            detail={"why": problem.why},
        )
    messages.error(request, str(problem.text))
    return redirect("account_login")
