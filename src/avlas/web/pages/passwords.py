"""Links by which people choose a password: handed over by an administrator, or asked for by who has forgotten it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from allauth.core import ratelimit
from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from avlas.system import audit, outbox, people
from avlas.system.models import MailServer, User
from avlas.web.pages.access import computer

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

RULES: Final = gettext_lazy(
    "At least 10 characters; not one of the most common passwords, and not like your name or e-mail address. "
    "A few words in a row are easy to remember and hard to guess."
)


class PasswordForm(forms.Form):
    """A new password, twice."""

    password = forms.CharField(
        label=gettext_lazy("New password"),
        strip=False,
        help_text=RULES,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label=gettext_lazy("New password once more"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        """Both must be the same."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("password") and data.get("again") and data["password"] != data["again"]:
            self.add_error("again", _("The two passwords are not the same."))
        return data


class ForgottenForm(forms.Form):
    """Whose password is forgotten."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )


def make_link(request: HttpRequest, person: User, *, by: User) -> tuple[str, bool]:
    """A new link for ``person``, and whether it is on its way by mail, in the person's own language."""
    with transaction.atomic():
        parts = people.password_link(person, by=by, computer=computer(request))
        address = _address(request, reverse("choose_password", args=parts))
        mailed = MailServer.objects.exists()
        if mailed:
            with translation.override(person.language):
                subject, body = _mail(person, by)
                values = {"by": by, "utility": person.utility, "address": address, "email": person.email}
                outbox.mail(
                    person.email,
                    subject,
                    body % values,
                    utility=person.utility,
                    event=outbox.PASSWORD_LINK,
                    key=outbox.new_key(outbox.PASSWORD_LINK),
                )
    return address, mailed


def _mail(person: User, by: User) -> tuple[str, str]:
    """Subject and text, with blanks: an invitation, a new password by an administrator, or by oneself."""
    if by.pk == person.pk:
        return _("A new password in Avläs"), _(
            "Hello,\n\nsomebody, probably you, has asked for a new password for %(email)s in Avläs at %(utility)s. "
            "Choose it here within three days:\n\n%(address)s\n\nIf it was not you, do nothing: your password stays."
        )
    if person.has_usable_password():
        return _("A new password in Avläs"), _(
            "Hello,\n\n%(by)s has made a link by which you choose a new password in Avläs at %(utility)s, within "
            "three days:\n\n%(address)s\n\nThen sign in with your e-mail address, %(email)s."
        )
    return _("Your account in Avläs"), _(
        "Hello,\n\n%(by)s has made an account for you in Avläs at %(utility)s. Choose your password "
        "here within three days:\n\n%(address)s\n\nThen sign in with your e-mail address, %(email)s."
    )


def _address(request: HttpRequest, path: str) -> str:
    """Where a mail leads: the address that is set up for the installation, not the one a stranger's request names."""
    server = MailServer.objects.filter(pk=1).first()
    if server and server.site_address:
        return server.site_address.rstrip("/") + path
    return request.build_absolute_uri(path)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """Ask for a link by mail. The answer is the same whether there is such an account or not."""
    if not MailServer.objects.exists():
        return redirect("account_login")
    form = ForgottenForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        status = 422 if request.method == "POST" else 200
        return render(request, "account/forgotten.html", {"form": form}, status=status)
    email = form.cleaned_data["email"].strip().lower()
    if not ratelimit.consume(request, action="reset_password", key=email):
        return render(request, "429.html", status=429)
    person = User.objects.filter(email=email, is_active=True).select_related("utility").first()
    with transaction.atomic():
        audit.record(
            "access.password_link_asked_for",
            utility=person.utility if person else None,
            user=person,
            computer=computer(request),
            target=email,
        )
        if person:
            make_link(request, person, by=person)
    return render(request, "account/forgotten.html", {"email": email})


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def choose_password(request: HttpRequest, number: str, token: str) -> HttpResponse:
    """Where a link leads: its owner chooses a password and then signs in."""
    person = people.who_follows(number, token)
    if person is None:
        return render(request, "account/choose_password.html", {"person": None}, status=403)
    form = PasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            people.choose_password(person, form.cleaned_data["password"], computer=computer(request))
        except ValidationError as problem:
            form.add_error("password", problem)
        else:
            messages.success(request, _("Your password is set. Sign in with it."))
            return redirect("account_login")
    status = 422 if request.method == "POST" else 200
    return render(request, "account/choose_password.html", {"person": person, "form": form}, status=status)
