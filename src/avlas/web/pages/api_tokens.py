"""API tokens: what programs may do in the utility's name. A token is shown once, when it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django import forms
from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.system import tokens
from avlas.system.models import ApiToken, Permission
from avlas.web.pages.access import PageRequest, computer, find, page, rows

if TYPE_CHECKING:
    from django.http import HttpResponse

_MAY: Final = Permission.ACCESS_CONTROL


class TokenForm(forms.Form):
    """Which program, and what it may do."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        help_text=gettext_lazy("Which program uses it: Billing, concentrator on the water tower."),
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("May be used to"),
        choices=lambda: list(tokens.SCOPES.items()),
        widget=forms.CheckboxSelectMultiple,
    )


@page(view=_MAY)
def api_tokens(request: PageRequest) -> HttpResponse:
    """All tokens of the utility, the ones in force first."""
    found = rows(request, ApiToken).select_related("created_by").order_by("-created_at")
    shown = sorted(found, key=lambda one: one.revoked_at is not None)
    return render(
        request,
        "pages/api_tokens.html",
        {"tokens": [(one, [tokens.SCOPES.get(scope, scope) for scope in one.scopes]) for one in shown]},
    )


@page(view=_MAY, change=_MAY)
def add(request: PageRequest) -> HttpResponse:
    """Make a token and show it, this once."""
    first = {"scopes": list(tokens.SCOPES)} if len(tokens.SCOPES) == 1 else {}
    form = TokenForm(request.POST or None, initial=first)
    if request.method == "POST" and form.is_valid():
        row, token = tokens.create(
            request.utility, form.cleaned_data["name"], form.cleaned_data["scopes"], created_by=request.user,
            computer=computer(request),
        )  # fmt: skip
        response = render(request, "pages/api_token_shown.html", {"row": row, "token": token})
        response["Cache-Control"] = "no-store"
        return response
    status = 422 if request.method == "POST" else 200
    return render(request, "pages/api_token_form.html", {"form": form}, status=status)


@page(view=_MAY, change=_MAY)
def revoke(request: PageRequest, pk: int) -> HttpResponse:
    """Make a token useless."""
    row = find(request, ApiToken, pk)
    if request.method != "POST":
        return render(request, "pages/api_token_revoke.html", {"row": row})
    tokens.revoke(row, user=request.user, computer=computer(request))
    messages.success(request, _("%(name)s can't be used any more.") % {"name": row.name})
    return redirect("api_tokens")
