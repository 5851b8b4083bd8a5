"""The utility's SMS service: which, how to sign in there, what a day may cost, and a try that shows its answer."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.notify import sms, sms_account, sms_text
from avlas.notify.errors import NotSent
from avlas.system import outbox, sms_gateway
from avlas.system.models import Permission, Road, SmsGateway
from avlas.system.secrets import SecretError
from avlas.system.sms_gateway import USUAL_PARTS_A_DAY, SmsDriver
from avlas.system.told import in_words
from avlas.web.pages.access import PageRequest, page, record

if TYPE_CHECKING:
    from django.http import HttpResponse

_MAY: Final = Permission.SYSTEM_CONFIGURATION
_PLAIN: Final[tuple[str, ...]] = (
    "driver", "sender", "user", "url", "headers", "body", "taken_when", "own_machine", "country_code",
    "most_parts_a_day",
)  # fmt: skip


class SmsForm(forms.Form):
    """A service. An empty password leaves the stored one, for the same service, address and user."""

    driver = forms.ChoiceField(label=gettext_lazy("Service"), choices=SmsDriver.choices)
    sender = forms.CharField(
        label=gettext_lazy("Sender"),
        max_length=40,
        help_text=gettext_lazy("What the phone shows: at most 11 letters and digits, or a number (+46 ...)."),
    )
    user = forms.CharField(
        label=gettext_lazy("User"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("46elks: the API username. Twilio: the account SID (AC...)."),
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
    url = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=1000,
        required=False,
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "none", "class": "mono"}),
        help_text=gettext_lazy(
            "With {to} {text} {sender} {user} {password} {id} where they belong; {number} is the number without +."
        ),
    )
    headers = forms.CharField(
        label=gettext_lazy("Headers"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "class": "mono"}),
        help_text=gettext_lazy("One a line, such as Content-Type: application/json."),
    )
    body = forms.CharField(
        label=gettext_lazy("Body"),
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "mono"}),
        help_text=gettext_lazy(
            'Empty: the address is fetched (GET). Else sent there: {"to": "{to}", "text": "{text}"}.'
        ),
    )
    taken_when = forms.CharField(
        label=gettext_lazy("A good answer holds"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("Empty: every answer 200 to 299 is good."),
    )
    own_machine = forms.BooleanField(
        label=gettext_lazy("May lead to this computer itself"),
        required=False,
        help_text=gettext_lazy(
            "Otherwise addresses of this computer and of its closest surroundings are refused."
        ),
    )
    country_code = forms.RegexField(
        r"^[1-9]\d{0,2}$",
        label=gettext_lazy("Country code"),
        initial="46",
        help_text=gettext_lazy("Of customers' numbers that begin with 0: 46 makes +46 70 ... of 070 ..."),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    most_parts_a_day = forms.IntegerField(
        label=gettext_lazy("Most SMS parts a day"),
        min_value=1,
        max_value=1_000_000,
        initial=USUAL_PARTS_A_DAY,
        help_text=gettext_lazy(
            "So that a storm of alarms can't cost more. A part holds 160 characters, or 70 with signs such as "
            "\N{EN DASH}."
        ),
    )
    to = forms.CharField(
        label=gettext_lazy("Number for a test"),
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
    )

    def __init__(self, *args: Any, own: SmsGateway | None, runs_installation: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._own = own
        if not runs_installation:
            del self.fields["own_machine"]
        if own is not None and own.password:
            self.fields["password"].help_text = _(
                "A password is stored. Leave this empty to keep it; it is asked for anew when service, address or user "
                "change."
            )

    def clean_headers(self) -> str:
        """Each line a header."""
        written: str = self.cleaned_data["headers"]
        try:
            sms.header_lines(written)
        except ValueError as problem:
            raise forms.ValidationError(
                _("This line is no header: %(line)s") % {"line": problem}
            ) from problem
        return written

    def clean(self) -> dict[str, Any]:
        """What the service needs; a stored password is never sent elsewhere."""
        data = super().clean() or {}
        http = data.get("driver") == SmsDriver.HTTP
        if http and not str(data.get("url", "")).startswith(("https://", "http://")):
            self.add_error("url", _("The address begins with https:// (or http:// on the own network)."))
        if http and "{text}" not in _templates(data):
            self.add_error("body", _("{text} must stand in the address or in the body."))
        if not http and data.get("driver") and not data.get("user"):
            self.add_error("user", _("Give the user."))
        own = self._own
        same = own is not None and all(
            getattr(own, name) == data.get(name) for name in ("driver", "user", "url")
        )
        needed = bool(data.get("user")) and (not http or "{password}" in _templates(data))
        if needed and not data.get("password") and not (same and own is not None and own.password):
            self.add_error("password", _("Give the password."))
        return data


def _templates(data: dict[str, Any]) -> str:
    return " ".join(str(data.get(name, "")) for name in ("url", "headers", "body"))


@page(view=_MAY, change=_MAY)
def sms_settings(request: PageRequest) -> HttpResponse:
    """Set up the SMS service, or only try what stands in the form."""
    own = SmsGateway.objects.filter(utility=request.utility).first()
    first = {name: getattr(own, name) for name in _PLAIN} if own else None
    form = SmsForm(
        request.POST or None, own=own, runs_installation=request.user.runs_installation, initial=first
    )
    tried: dict[str, Any] | None = None
    if request.method == "POST" and form.is_valid():
        if "test" not in request.POST:
            _save(request, own, form)
            messages.success(request, _("The SMS service is saved. Messages that waited are sent now."))
            return redirect("sms_settings")
        tried = _try(request, own, form)
    status = 422 if request.method == "POST" and not form.is_valid() else 200
    context = {
        "form": form,
        "own": own,
        "tried": tried,
        "used_today": sms_account.parts_used(request.utility, sms_account.today()),
    }
    return render(request, "notifications/sms.html", context, status=status)


def _save(request: PageRequest, own: SmsGateway | None, form: SmsForm) -> None:
    data = form.cleaned_data
    row = own or SmsGateway(utility=request.utility)
    names = [name for name in _PLAIN if name in data]
    changed = {name: [getattr(row, name), data[name]] for name in names if getattr(row, name) != data[name]}
    with transaction.atomic():
        for name in names:
            setattr(row, name, data[name])
        if "url" in changed and not request.user.runs_installation:
            row.own_machine = False  # that was allowed for the address it had
        if data["password"]:
            row.password = sms_gateway.seal(data["password"], request.utility)
            changed["password"] = ["", "***"]
        elif not data["user"]:
            row.password = None
        row.save()
        outbox.try_now(Road.SMS, request.utility)
        record(request, "sms.changed", target=str(row), detail=changed)


def _try(request: PageRequest, own: SmsGateway | None, form: SmsForm) -> dict[str, Any]:
    """Send an SMS as the form says; gives what the service answered or what went wrong."""
    data = form.cleaned_data
    try:
        to = sms_text.number(data["to"])
    except sms_text.BadNumber:
        form.add_error("to", _("Write the number in international form: +46 70 123 45 67."))
        return {"good": False, "text": _("Give a number to send the test to.")}
    try:
        password = data["password"] or (sms_gateway.password_of(own) if own else "")
        inward = data.get("own_machine", own.own_machine if own and own.url == data["url"] else False)
        gateway = sms.Gateway(
            data["driver"], data["sender"], data["user"], password, data["url"], data["headers"], data["body"],
            data["taken_when"], inward,
        )  # fmt: skip
        text = _("This is a test: %(utility)s sends SMS with Avläs.") % {"utility": request.utility.name}
        taken = sms.send(gateway, to, sms_text.plain(text), uuid.uuid4(), lambda: True)
        with transaction.atomic():
            record(request, "sms.tested", target=to)
    except NotSent as problem:
        return {"good": False, "text": in_words({"text": problem.text, "values": problem.values})}
    except SecretError as problem:
        return {"good": False, "text": str(problem)}
    return {"good": True, "text": taken.said, "to": to}
