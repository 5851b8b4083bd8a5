"""The second factor: asked for after the password, turned on and off by its owner, with recovery codes.

For passkeys, which are one too, see ``passkeys``.
"""

from __future__ import annotations

import base64
import io
import json
import time
from typing import TYPE_CHECKING, Any, Final

from allauth.account.internal.decorators import login_stage_required
from allauth.account.stages import LoginStage
from allauth.core import ratelimit
from django import forms
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters

from avlas.system import passkeys
from avlas.system import second_factor as factor
from avlas.web.pages.access import OWN, PageRequest, computer, page
from avlas.web.passkey_answers import PROVEN, begin, shown
from avlas.web.sessions import BEGAN

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from avlas.system.models import User

_JUST_NOW_SECONDS: Final = 600
_KEPT: Final = "second_factor_secret"  # in the session, sealed, from showing the picture to the first code


class Stage(LoginStage):  # type: ignore[misc]  # the library has no types
    """Between the right password and being signed in: the second factor, for who has one."""

    key = "second_factor"
    urlname = "account_second_factor"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        """Lead to the page that asks, or let the person on."""
        if not self.login.state.get(PROVEN) and factor.is_on(self.login.user):
            return redirect(self.urlname), True
        return None, True


class CodeForm(forms.Form):
    """A code of the app."""

    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )


class AskForm(CodeForm):
    """A code of the app, or a recovery code; nothing when a passkey is shown instead."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "credential" in self.data:
            self.fields["code"].required = False
        else:
            self.fields["code"].widget.attrs["autofocus"] = True


class OwnPasswordForm(forms.Form):
    """The own password once more: an unattended computer must not be enough to change how one signs in."""

    password = forms.CharField(
        label=gettext_lazy("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, request: PageRequest) -> None:
        self.request = request
        super().__init__(request.POST or None)
        if not request.user.has_usable_password():  # signs in elsewhere
            del self.fields["password"]

    def clean(self) -> dict[str, Any]:
        """Who has no password must have signed in just now."""
        data: dict[str, Any] = super().clean() or {}
        age = time.time() - self.request.session.get(BEGAN, 0)
        if "password" not in self.fields and age > _JUST_NOW_SECONDS:
            raise forms.ValidationError(_("Sign out and in again first: that shows that it is you."))
        return data

    def clean_password(self) -> str:
        """It must be right, and not be guessed at."""
        password: str = self.cleaned_data["password"]
        if not ratelimit.consume(self.request, action="reauthenticate", user=self.request.user):
            raise forms.ValidationError(_("Too many attempts. Wait a few minutes, then try again."))
        if not self.request.user.check_password(password):
            raise forms.ValidationError(_("That is not your password."))
        return password


class TurnOnForm(OwnPasswordForm, CodeForm):
    """Proof that the app has the secret, and that it is the owner who sits there."""

    field_order = ("code", "password")


@sensitive_post_parameters()
@login_stage_required(stage=Stage.key, redirect_urlname="account_login")  # type: ignore[untyped-decorator]
def ask(request: HttpRequest) -> HttpResponse:
    """The page between password and home."""
    stage: Stage = request._login_stage  # type: ignore[attr-defined]  # noqa: SLF001 - where the decorator puts it
    user: User = stage.login.user
    form = AskForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        key = f"second-factor-{user.pk}"
        if not ratelimit.consume(request, action="login_failed", key=key):
            form.add_error("code", _("Too many attempts. Wait a few minutes, then try again."))
        elif _is_shown(request, user, form.cleaned_data["code"]):
            ratelimit.clear(request, action="login_failed", key=key)
            return stage.exit()  # type: ignore[no-any-return]
        else:
            form.add_error("code", _refused(request))
    status = 422 if request.method == "POST" else 200
    context = {
        "form": form,
        "person": user,
        "app": factor.app_is_on(user),
        "options": json.dumps(begin(request, user)) if passkeys.own(user) else "",
    }
    return render(request, "account/second_factor_ask.html", context, status=status)


def _is_shown(request: HttpRequest, user: User, code: str) -> bool:
    if "credential" not in request.POST:
        return factor.show(user, code, computer=computer(request)) is not None
    try:
        shown(request, user)
    except passkeys.Refused:
        return False
    return True


def _refused(request: HttpRequest) -> str:
    if "credential" in request.POST:
        return _("That passkey was not accepted. Try again, or enter a code.")
    return _("That code is wrong or used already. Wait for the app's next one.")


@page(OWN)
def second_factor(request: PageRequest) -> HttpResponse:
    """Whether one's own second factor is on, and what one can do about it."""
    on = factor.is_on(request.user)
    context = {
        "on": on,
        "app": on and factor.app_is_on(request.user),
        "left": factor.codes_left(request.user) if on else 0,
        "passkeys": passkeys.own(request.user),
        "lacking": factor.is_lacking(request.user),
    }
    return render(request, "account/second_factor.html", context)


@sensitive_post_parameters()
@page(OWN, change=OWN)
def turn_on(request: PageRequest) -> HttpResponse:
    """Hand a secret to an app; its first code and the password turn the second factor on."""
    if factor.app_is_on(request.user):
        return redirect("second_factor")
    secret = _secret(request)
    form = TurnOnForm(request)
    if request.method == "POST" and form.is_valid():
        codes = factor.turn_on(request.user, secret, form.cleaned_data["code"], computer=computer(request))
        if codes:
            del request.session[_KEPT]
            return show_codes(request, codes)
        form.add_error("code", _("That is not the code the app shows for this account now."))
    address = factor.address_for_app(request.user, secret)
    context = {
        "form": form,
        "address": address,
        "drawn": drawn(address),
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
    }
    return secretly(render(request, "account/second_factor_on.html", context, status=status_of(form)))


@sensitive_post_parameters()
@page(OWN, change=OWN)
def turn_off(request: PageRequest) -> HttpResponse:
    """Sign in by the password alone again."""
    form = OwnPasswordForm(request)
    if request.method == "POST" and form.is_valid():
        factor.turn_off(request.user, by=request.user, computer=computer(request))
        messages.success(request, _("The second factor is off."))
        return redirect("second_factor")
    return render(request, "account/second_factor_off.html", {"form": form}, status=status_of(form))


@sensitive_post_parameters()
@page(OWN, change=OWN)
def codes(request: PageRequest) -> HttpResponse:
    """Make new recovery codes; the old ones end."""
    if not factor.is_on(request.user):
        return redirect("second_factor")
    form = OwnPasswordForm(request)
    if request.method == "POST" and form.is_valid():
        return show_codes(request, factor.new_recovery_codes(request.user, computer=computer(request)))
    return render(request, "account/second_factor_codes.html", {"form": form}, status=status_of(form))


def drawn(address: str) -> str:
    """A QR code as the address of a picture (data:), "" where the library that draws it is not installed."""
    try:
        import qrcode
        from qrcode.image.svg import SvgPathImage
    except ImportError:
        return ""
    made = io.BytesIO()
    qrcode.make(address, image_factory=SvgPathImage, border=2).save(made)
    return "data:image/svg+xml;base64," + base64.b64encode(made.getvalue()).decode()


def _secret(request: PageRequest) -> str:
    """The secret that is being set up: the same from the first look to the right code."""
    kept = request.session.get(_KEPT)
    if kept:
        return factor.Sealing().decrypt(kept)
    secret = factor.new_secret()
    with transaction.atomic():
        request.session[_KEPT] = factor.Sealing().encrypt(secret)
    return secret


def show_codes(request: PageRequest, codes: list[str]) -> HttpResponse:
    """Recovery codes, this once."""
    return secretly(render(request, "account/second_factor_shown.html", {"codes": codes}))


def secretly(response: HttpResponse) -> HttpResponse:
    """An answer that no browser and no proxy keeps."""
    response["Cache-Control"] = "no-store"
    return response


def status_of(form: forms.Form) -> int:
    """422 for a form with something wrong in it."""
    return 422 if form.errors else 200
