"""MQTT out: the broker to which the utility's readings go as they come in, and a try."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.core.validators import RegexValidator
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.notify import mqtt
from avlas.notify.errors import NotSent
from avlas.reports import news
from avlas.system.models import MqttOut, Permission
from avlas.system.mqtt_out import DISCOVERY, PREFIX, open_password, seal_password
from avlas.system.secrets import SecretError
from avlas.system.told import in_words
from avlas.web.pages.access import PageRequest, page, record

if TYPE_CHECKING:
    from django.http import HttpResponse

_PLAIN: Final = ("active", "host", "port", "tls", "ca", "user", "topic_prefix", "discovery")
_MAY: Final = Permission.SYSTEM_CONFIGURATION
_TOPIC: Final = RegexValidator(
    r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", gettext_lazy("Letters, digits, - and _, with / between.")
)


class MqttForm(forms.Form):
    """Where to publish, and as whom. An empty password leaves the stored one, for the same broker and user."""

    active = forms.BooleanField(label=gettext_lazy("Publish what comes in"), required=False, initial=True)
    host = forms.CharField(
        label=gettext_lazy("Broker"),
        max_length=253,
        validators=[RegexValidator(r"^[A-Za-z0-9.:_-]+$", gettext_lazy("Write only the broker's name."))],
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "none"}),
    )
    port = forms.IntegerField(label=gettext_lazy("Port"), min_value=1, max_value=65535, initial=8883)
    tls = forms.BooleanField(label=gettext_lazy("Encrypted (TLS)"), required=False, initial=True)
    ca = forms.CharField(
        label=gettext_lazy("Certificate of its authority"),
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=gettext_lazy("PEM, when no public authority vouches for the broker. Empty otherwise."),
    )
    user = forms.CharField(
        label=gettext_lazy("User"),
        max_length=254,
        required=False,
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
    topic_prefix = forms.CharField(
        label=gettext_lazy("Topics begin with"), max_length=100, initial=PREFIX, validators=[_TOPIC]
    )
    discovery = forms.CharField(
        label=gettext_lazy("Home Assistant's discovery"),
        max_length=100,
        required=False,
        initial=DISCOVERY,
        validators=[_TOPIC],
        help_text=gettext_lazy("Its prefix, usually homeassistant. Empty: nothing is announced."),
    )

    def __init__(self, *args: Any, own: MqttOut | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._own = own
        if own is not None and own.password:
            self.fields["password"].help_text = _(
                "A password is stored. Leave this empty to keep it; it is asked for anew when server or user change."
            )

    def clean(self) -> dict[str, Any]:
        """A stored password never goes to another broker, or in clear when it did not before."""
        data = super().clean() or {}
        if data.get("password") and not data.get("user"):
            self.add_error("user", _("A password belongs to a user."))
        if (
            data.get("user")
            and not data.get("password")
            and not self.errors
            and not self.keeps_password(data)
        ):
            self.add_error("password", _("Give the password."))
        return data

    def keeps_password(self, data: dict[str, Any]) -> bool:
        """Whether the stored password is for what the form says."""
        own, same = self._own, ("host", "port", "tls", "user")
        return own is not None and bool(own.password) and all(getattr(own, n) == data[n] for n in same)


@page(view=_MAY, change=_MAY, of_installation=True)
def mqtt_out(request: PageRequest) -> HttpResponse:
    """Set up the broker, or only try what stands in the form."""
    own = MqttOut.objects.filter(utility=request.utility).first()
    first = {name: getattr(own, name) for name in _PLAIN} if own else {}
    form = MqttForm(request.POST or None, own=own, initial=first)
    tried: dict[str, Any] | None = None
    if request.method == "POST" and form.is_valid():
        if "test" not in request.POST:
            _save(request, own, form)
            messages.success(request, _("The settings are saved."))
            return redirect("mqtt_out")
        tried = _try(request, own, form)
    status = 422 if request.method == "POST" and not form.is_valid() else 200
    return render(request, "pages/mqtt_out.html", {"form": form, "own": own, "tried": tried}, status=status)


def _save(request: PageRequest, own: MqttOut | None, form: MqttForm) -> None:
    data = form.cleaned_data
    row = own or MqttOut(utility=request.utility, place=str(news.now()))
    changed = {name: [getattr(row, name), data[name]] for name in _PLAIN if getattr(row, name) != data[name]}
    with transaction.atomic():
        if own is not None and data["active"] and not own.active:
            row.place = str(news.now())  # what came in while it was off is not told
        for name in _PLAIN:
            setattr(row, name, data[name])
        if data["password"]:
            row.password = seal_password(data["password"], request.utility.pk)
            changed["password"] = ["", "***"]
        elif not data["user"]:
            row.password = None
        row.next_try_at, row.attempts, row.told = datetime.now(UTC), 0, {}
        row.save()
        record(request, "mqtt.changed", target=str(row), detail=changed)


def _try(request: PageRequest, own: MqttOut | None, form: MqttForm) -> dict[str, Any]:
    """Publish a test message as the form says; gives what became of it."""
    data = form.cleaned_data
    topic = f"{data['topic_prefix']}/{request.utility.slug}/test"
    try:
        password = data["password"] or (open_password(own) if own and data["user"] else "")
        broker = mqtt.Broker(data["host"], data["port"], data["tls"], data["ca"], data["user"], password)
        mqtt.publish(broker, [mqtt.Message(topic, "Avläs")], f"avlas-{request.utility.slug}"[:18] + "-test")
    except NotSent as problem:
        return {"good": False, "text": in_words({"text": problem.text, "values": problem.values})}
    except SecretError as problem:
        return {"good": False, "text": str(problem)}
    return {"good": True, "text": topic}
