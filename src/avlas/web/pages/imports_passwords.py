"""The passwords that key files fetched by a job are opened with. They are never shown again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.system.models import KeptSecret
from avlas.system.secrets import SecretError
from avlas.transfer.imports.models import KeyFilePassword
from avlas.web.pages.access import PageRequest, find, page, record, rows
from avlas.web.pages.meter_edit import MANAGE

if TYPE_CHECKING:
    from typing import Any

    from django.http import HttpResponse


class PasswordForm(forms.Form):
    """A password, and which files it is for."""

    name = forms.CharField(
        label=gettext_lazy("For"),
        max_length=100,
        help_text=gettext_lazy("In your own words: the supplier, the order."),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Kept encrypted, and tried on every key file that a job fetches."),
    )

    def __init__(self, *args: Any, request: PageRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request

    def clean_name(self) -> str:
        """A name that is not taken."""
        name: str = self.cleaned_data["name"]
        if rows(self._request, KeyFilePassword).filter(name=name).exists():
            raise forms.ValidationError(_("There is a password with this name already. Remove it first."))
        return name


@page(view=MANAGE, change=MANAGE)
def passwords(request: PageRequest) -> HttpResponse:
    """The names of the passwords, and adding one."""
    form = PasswordForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        try:
            with transaction.atomic():
                secret = KeptSecret.keep(request.utility, form.cleaned_data["password"])
                KeyFilePassword.objects.create(utility=request.utility, name=name, secret=secret)
                record(request, "imports.password_added", target=name)
        except SecretError as problem:
            form.add_error("password", str(problem))
        else:
            messages.success(request, _("The password for %(name)s is kept.") % {"name": name})
            return redirect("key_passwords")
    context = {"form": form, "rows": rows(request, KeyFilePassword).order_by("name")}
    return render(request, "imports/passwords.html", context, status=422 if form.errors else 200)


@page(view=MANAGE, change=MANAGE)
def remove(request: PageRequest, pk: int) -> HttpResponse:
    """Forget a password."""
    own = find(request, KeyFilePassword, pk)
    if request.method == "POST":
        with transaction.atomic():
            record(request, "imports.password_removed", target=own.name)
            own.secret.delete()  # and with it the row
        messages.success(request, _("The password for %(name)s is removed.") % {"name": own.name})
    return redirect("key_passwords")
