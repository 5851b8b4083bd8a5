"""The installation's mail server: where mail is handed in, and a try that shows the server's own answer."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.notify import mail
from avlas.notify.errors import NotSent
from avlas.system import outbox
from avlas.system.models import MailSecurity, MailServer, Permission
from avlas.system.secrets import SecretError
from avlas.system.told import in_words
from avlas.web.pages.access import PageRequest, page, record

if TYPE_CHECKING:
    from django.http import HttpResponse

_PLAIN: Final = ("host", "port", "security", "user", "sender", "site_address")
_MAY: Final = Permission.SYSTEM_CONFIGURATION


class MailServerForm(forms.Form):
    """Where mail is handed in, and as whom. An empty password leaves the stored one, for the same server and user."""

    host = forms.CharField(
        label=gettext_lazy("Server"),
        max_length=253,
        help_text=gettext_lazy("For example smtp.example.se."),
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "none"}),
    )
    port = forms.IntegerField(label=gettext_lazy("Port"), min_value=1, max_value=65535, initial=587)
    security = forms.ChoiceField(
        label=gettext_lazy("Security"), choices=MailSecurity.choices, initial=MailSecurity.STARTTLS
    )
    user = forms.CharField(
        label=gettext_lazy("User"),
        max_length=254,
        required=False,
        help_text=gettext_lazy("Empty when the server asks for none."),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
        ),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        max_length=500,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    sender = forms.EmailField(
        label=gettext_lazy("Sender"),
        max_length=254,
        help_text=gettext_lazy("The address that messages come from. The server must let you use it."),
    )
    site_address = forms.URLField(
        label=gettext_lazy("Address of these pages"),
        max_length=200,
        required=False,
        assume_scheme="https",
        help_text=gettext_lazy("For links in messages: https://avlas.example.se. Empty: no links."),
    )

    def __init__(self, *args: Any, own: MailServer | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._own = own
        if own is not None and own.password:
            self.fields["password"].help_text = _(
                "A password is stored. Leave this empty to keep it; it is asked for anew when server or user change."
            )

    def clean_host(self) -> str:
        """One name or address, nothing else."""
        host: str = self.cleaned_data["host"].strip().lower()
        if any(sign in host for sign in " /@") or "://" in host:
            raise forms.ValidationError(_("Write only the server's name, such as smtp.example.se."))
        return host

    def clean(self) -> dict[str, Any]:
        """A stored password is never sent to another server, or in clear when it was not before."""
        data = super().clean() or {}
        if data.get("password") and not data.get("user"):
            self.add_error("user", _("A password belongs to a user."))
        if (
            data.get("user")
            and not data.get("password")
            and not self.errors
            and not self._keeps_password(data)
        ):
            self.add_error("password", _("Give the password."))
        return data

    def _keeps_password(self, data: dict[str, Any]) -> bool:
        own = self._own
        same = ("host", "port", "security", "user")
        return own is not None and bool(own.password) and all(getattr(own, n) == data[n] for n in same)


@page(view=_MAY, change=_MAY, of_installation=True)
def mail_server(request: PageRequest) -> HttpResponse:
    """Set up the mail server, or only try what stands in the form."""
    own = MailServer.objects.filter(pk=1).first()
    first = {name: getattr(own, name) for name in _PLAIN} if own else {"sender": "", "port": 587}
    form = MailServerForm(request.POST or None, own=own, initial=first)
    tried: dict[str, Any] | None = None
    if request.method == "POST" and form.is_valid():
        if "test" not in request.POST:
            _save(request, own, form)
            messages.success(request, _("The mail server is saved. Messages that waited are sent now."))
            return redirect("mail_server")
        tried = _try(request, own, form)
    status = 422 if request.method == "POST" and not form.is_valid() else 200
    return render(
        request, "pages/mail_server.html", {"form": form, "own": own, "tried": tried}, status=status
    )


def _save(request: PageRequest, own: MailServer | None, form: MailServerForm) -> None:
    data = form.cleaned_data
    row = own or MailServer(pk=1)
    changed = {name: [getattr(row, name), data[name]] for name in _PLAIN if getattr(row, name) != data[name]}
    with transaction.atomic():
        for name in _PLAIN:
            setattr(row, name, data[name])
        if data["password"]:
            row.password = outbox.seal_mail_password(data["password"])
            changed["password"] = ["", "***"]
        elif not data["user"]:
            row.password = None
        row.save()
        outbox.try_now()
        record(request, "mail.server_changed", target=str(row), detail=changed)


def _try(request: PageRequest, own: MailServer | None, form: MailServerForm) -> dict[str, Any]:
    """Send a mail to whoever asks, as the form says; gives what the server answered or what went wrong."""
    data = form.cleaned_data
    try:
        password = data["password"] or (outbox.mail_password(own) if own and data["user"] else "")
        server = mail.Server(
            data["host"], data["port"], data["security"], data["sender"], data["user"], password
        )
        text = _("This is a test. Avläs can send mail through %(server)s.") % {"server": data["host"]}
        test = mail.Mail(
            request.user.email, _("Test from Avläs"), text + "\n", uuid.uuid4(), datetime.now(UTC)
        )
        answer = mail.send(server, test, lambda: True)
    except NotSent as problem:
        return {"good": False, "text": in_words({"text": problem.text, "values": problem.values})}
    except SecretError as problem:
        return {"good": False, "text": str(problem)}
    return {"good": True, "text": answer}
