"""Signing in and a person's own settings."""

from __future__ import annotations

import zoneinfo
from typing import TYPE_CHECKING, Any

from allauth.account.adapter import get_adapter
from allauth.account.views import LoginView, PasswordChangeView
from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from avlas.system.models import MailServer, Role, User
from avlas.web import computers, signin_link
from avlas.web.context import THEMES
from avlas.web.pages.access import OWN, PageRequest, page, record
from avlas.web.pages.passwords import RULES
from avlas.web.sessions import ENDED

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

_YEAR = 365 * 86400


class SignIn(LoginView):  # type: ignore[misc]  # the library has no types
    """The sign-in page; on a new installation it tells how to make the first administrator."""

    template_name = "account/login.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add whether anybody could sign in at all, and whether a forgotten password can be mended by mail."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        context["nobody_yet"] = not User.objects.filter(role=Role.ADMINISTRATOR, is_active=True).exists()
        context["ended"] = self.request.session.pop(ENDED, "")
        context["unnamed"] = not computers.device(self.request)
        context["device"] = self.request.POST.get("device") or computers.browser(
            self.request.headers.get("User-Agent", "")
        )
        context["longest"] = computers.LONGEST_NAME
        context["elsewhere"] = settings.SINGLE_SIGN_ON.name if settings.SINGLE_SIGN_ON else ""
        context["by_mail"] = MailServer.objects.exists()
        return context

    def form_valid(self, form: forms.Form) -> HttpResponse:
        """Sign in, from a device that has a name from now on."""
        name = self.request.POST.get("device", "").strip()
        if not name or computers.device(self.request):
            return super().form_valid(form)  # type: ignore[no-any-return]
        sealed = computers.name_device(self.request, name)
        response: HttpResponse = super().form_valid(form)
        computers.remember_device(self.request, response, sealed)
        return response


class ChangePassword(PasswordChangeView):  # type: ignore[misc]
    """The own password, changed by who knows the present one; the page tells the rules."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the rules."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        context["password_rules"] = RULES
        return context


def follow_signin_link(request: HttpRequest, token: str) -> HttpResponse:
    """Sign in by the demo's one-time link: a GET, as it is opened from a terminal; the token is the proof."""
    user = signin_link.redeem(token)
    if user is None:
        return render(request, "account/signin_link_refused.html", status=403)
    user.backend = "allauth.account.auth_backends.AuthenticationBackend"
    get_adapter(request).login(request, user)
    return redirect("home")


def time_zones() -> list[tuple[str, str]]:
    names = sorted(n for n in zoneinfo.available_timezones() if n.startswith("Europe/")) or [
        "Europe/Stockholm"
    ]
    return [(name, name.replace("_", " ")) for name in [*names, "UTC"]]


class SettingsForm(forms.Form):
    """What a person may choose for the own account."""

    first_name = forms.CharField(label=gettext_lazy("First name"), max_length=150, required=False)
    last_name = forms.CharField(label=gettext_lazy("Last name"), max_length=150, required=False)
    language = forms.ChoiceField(
        label=gettext_lazy("Language"), choices=[("sv", "Svenska"), ("en", "English")]
    )
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        choices=time_zones,
        help_text=gettext_lazy(
            "Moments are shown in this zone. Days and months of meters keep to standard time."
        ),
    )
    theme = forms.ChoiceField(
        label=gettext_lazy("Appearance"),
        choices=[
            ("auto", gettext_lazy("As the computer")),
            ("light", gettext_lazy("Light")),
            ("dark", gettext_lazy("Dark")),
        ],
        widget=forms.RadioSelect,
    )


@page(OWN, change=OWN)
def my_settings(request: PageRequest) -> HttpResponse:
    """Language, time zone, name and appearance of the signed-in person."""
    user, theme = request.user, request.COOKIES.get("theme", "auto")
    kept = {name: getattr(user, name) for name in ("first_name", "last_name", "language", "time_zone")}
    form = SettingsForm(request.POST or None, initial={**kept, "theme": theme if theme in THEMES else "auto"})
    if request.method != "POST" or not form.is_valid():
        return render(
            request, "pages/settings.html", {"form": form}, status=200 if request.method == "GET" else 422
        )
    changed = {name: form.cleaned_data[name] for name in kept if form.cleaned_data[name] != kept[name]}
    if changed:
        with transaction.atomic():
            for name, value in changed.items():
                setattr(user, name, value)
            user.save(update_fields=list(changed))
            record(request, "access.own_settings_changed", target=user.email, detail=changed)
    with translation.override(form.cleaned_data["language"]):
        messages.success(request, _("Your settings are saved."))
    response = redirect("settings")
    _remember_theme(request, response, form.cleaned_data["theme"])
    return response


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep a choice of light or dark in a cookie, also for who has not signed in."""
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    response = redirect(back if safe else "home")
    _remember_theme(request, response, request.POST.get("theme", "auto"))
    return response


def _remember_theme(request: HttpRequest, response: HttpResponse, theme: str) -> None:
    if theme in THEMES:
        response.set_cookie("theme", theme, max_age=_YEAR, samesite="Lax", secure=request.is_secure())
