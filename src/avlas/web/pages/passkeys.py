"""Passkeys: added, named and removed by their owner; signed in with, alone or after the password."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from allauth.account.internal.flows.login import perform_login
from allauth.account.models import Login
from allauth.core import ratelimit
from django import forms
from django.contrib import messages
from django.http import Http404, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from avlas.system import passkeys
from avlas.web import computers, passkey_answers
from avlas.web.pages.access import OWN, PageRequest, computer, page
from avlas.web.pages.second_factor import OwnPasswordForm, secretly, show_codes, status_of
from avlas.web.passkey_answers import PROVEN, STATE, answer_in, host, shown

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

REFUSED: Final = gettext_lazy("That passkey was not accepted. Try again, or sign in with your password.")


class AddForm(OwnPasswordForm):
    """What the passkey is called; the browser adds the passkey itself, as ``credential``."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=passkeys.LONGEST_NAME,
        help_text=gettext_lazy("Where it is kept: my phone, the office computer, the key on my key ring."),
    )
    field_order = ("name", "password")


class NameForm(forms.Form):
    """What a passkey is called."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=passkeys.LONGEST_NAME)


@sensitive_post_parameters()
@page(OWN, change=OWN)
def add(request: PageRequest) -> HttpResponse:
    """Make a passkey: the browser and its owner do, this page keeps the public half."""
    form = AddForm(request)
    if "name" not in form.data:
        form.initial["name"] = computers.device(request) or computers.browser(
            request.headers.get("User-Agent", "")
        )
    if request.method == "POST" and form.is_valid():
        try:
            codes = passkeys.add(
                request.user,
                host(request),
                request.session.pop(STATE, {}),
                answer_in(request),
                form.cleaned_data["name"],
                computer=computer(request),
            )
        except passkeys.Refused:
            form.add_error(None, _("No passkey was made. Try again."))
        else:
            messages.success(request, _("The passkey is kept."))
            return show_codes(request, codes) if codes else redirect("second_factor")
    options, request.session[STATE] = passkeys.begin_adding(request.user, host(request))
    context = {"form": form, "options": json.dumps(options)}
    return secretly(render(request, "account/passkey_add.html", context, status=status_of(form)))


@page(OWN, change=OWN)
def edit(request: PageRequest, pk: int) -> HttpResponse:
    """Call a passkey something else."""
    own = _find(request, pk)
    form = NameForm(request.POST or None, initial={"name": own.name})
    if request.method == "POST" and form.is_valid():
        passkeys.rename(request.user, pk, form.cleaned_data["name"], computer=computer(request))
        return redirect("second_factor")
    return render(request, "account/passkey_edit.html", {"form": form, "own": own}, status=status_of(form))


@sensitive_post_parameters()
@page(OWN, change=OWN)
def remove(request: PageRequest, pk: int) -> HttpResponse:
    """Make a passkey useless."""
    own = _find(request, pk)
    form = OwnPasswordForm(request)
    if request.method == "POST" and form.is_valid():
        passkeys.remove(request.user, pk, computer=computer(request))
        messages.success(request, _("The passkey %(name)s is removed.") % {"name": own.name})
        return redirect("second_factor")
    return render(request, "account/passkey_remove.html", {"form": form, "own": own}, status=status_of(form))


@require_POST
def begin(request: HttpRequest) -> HttpResponse:
    """What the browser needs to show a passkey, whoever's it is: fetched by the sign-in page's script."""
    return secretly(JsonResponse(passkey_answers.begin(request)))


@require_POST
def sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in with a passkey alone."""
    if request.user.is_authenticated:
        return redirect("home")
    if not ratelimit.consume(request, action="login"):
        return render(request, "429.html", status=429)
    try:
        user = shown(request)
    except passkeys.Refused:
        messages.error(request, str(REFUSED))
        return redirect("account_login")
    request.session.set_expiry(0)  # like a sign-in that is not to be remembered
    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    user.backend = "allauth.account.auth_backends.AuthenticationBackend"
    login = Login(user=user, redirect_url=wanted if safe else None)
    login.state[PROVEN] = True
    answered: HttpResponse = perform_login(request, login)
    return answered


def _find(request: PageRequest, pk: int) -> passkeys.Passkey:
    for one in passkeys.own(request.user):
        if one.pk == pk:
            return one
    raise Http404
