"""Webhooks: other systems that are told what happens in the utility."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from django import forms
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.notify import feeds
from avlas.system import outbox
from avlas.system.models import Delivery, DeliveryStatus, Permission, Webhook, WebhookFeed
from avlas.web.pages.access import PageRequest, find, page, record, rows
from avlas.web.pages.outgoing import STATUS_TONES

if TYPE_CHECKING:
    from django.http import HttpResponse

_MAY: Final = Permission.SYSTEM_CONFIGURATION


class WebhookForm(forms.Form):
    """A webhook's name and address; who runs the installation may let it lead to this computer itself."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=100, help_text=gettext_lazy("Who is told: Operations centre.")
    )
    url = forms.URLField(
        label=gettext_lazy("Address"),
        max_length=500,
        assume_scheme="https",
        help_text=gettext_lazy("Begins with https:// (or http:// on the own network)."),
        widget=forms.URLInput(attrs={"spellcheck": "false"}),
    )
    news = forms.MultipleChoiceField(
        label=gettext_lazy("Is handed as it comes in"),
        choices=[
            ("reading", gettext_lazy("Readings")),
            ("info_code", gettext_lazy("Info codes")),
        ],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("In parts of up to a hundred, in order, again until they are taken."),
    )
    active = forms.BooleanField(label=gettext_lazy("Is told"), required=False, initial=True)
    own_machine = forms.BooleanField(
        label=gettext_lazy("May lead to this computer itself"),
        required=False,
        help_text=gettext_lazy(
            "Otherwise addresses of this computer and of its closest surroundings are refused."
        ),
    )

    def __init__(self, *args: Any, runs_installation: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not runs_installation:
            del self.fields["own_machine"]

    def clean_url(self) -> str:
        """Only http and https, and no password that would stand in lists."""
        url: str = self.cleaned_data["url"]
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise forms.ValidationError(_("A webhook's address begins with http:// or https://."))
        if parts.username or parts.password:
            raise forms.ValidationError(_("Leave user and password out; messages are signed instead."))
        return url


@page(view=_MAY)
def webhooks(request: PageRequest) -> HttpResponse:
    """All webhooks of the utility, each with its newest message."""
    found = [
        (hook, Delivery.objects.filter(webhook=hook).order_by("-pk").first(), getattr(hook, "feed", None))
        for hook in rows(request, Webhook).select_related("feed").order_by("name")
    ]
    return render(request, "pages/webhooks.html", {"webhooks": found, "status_tones": STATUS_TONES})


@page(view=_MAY, change=_MAY)
def add(request: PageRequest) -> HttpResponse:
    """Add a webhook; its secret is shown on the answer, once."""
    runs = request.user.runs_installation
    form = WebhookForm(request.POST or None, runs_installation=runs)
    if request.method == "POST" and form.is_valid():
        secret = outbox.new_webhook_secret()
        with transaction.atomic():
            hook = Webhook(
                utility=request.utility, secret=outbox.seal_webhook_secret(secret, request.utility)
            )
            changed = _fill(hook, form)
            hook.save()
            _hand_on(hook, form, changed)
            record(request, "webhooks.added", target=hook.name, detail=changed)
        return render(request, "pages/webhook_secret.html", {"hook": hook, "secret": secret})
    status = 422 if request.method == "POST" else 200
    return render(request, "pages/webhook_form.html", {"form": form, "hook": None}, status=status)


@page(view=_MAY, change=_MAY)
def edit(request: PageRequest, pk: int) -> HttpResponse:
    """Change a webhook."""
    hook = find(request, Webhook, pk)
    first = {"name": hook.name, "url": hook.url, "active": hook.active, "own_machine": hook.own_machine}
    first["news"] = _handed_on(hook)
    form = WebhookForm(request.POST or None, runs_installation=request.user.runs_installation, initial=first)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            changed = _fill(hook, form)
            if "url" in changed and not request.user.runs_installation:
                hook.own_machine = False  # that was allowed for the address it had
            hook.save()
            _hand_on(hook, form, changed)
            record(request, "webhooks.changed", target=hook.name, detail=changed)
        messages.success(request, _("%(name)s is saved.") % {"name": hook.name})
        return redirect("webhooks")
    status = 422 if request.method == "POST" else 200
    return render(request, "pages/webhook_form.html", {"form": form, "hook": hook}, status=status)


@page(view=_MAY, change=_MAY)
def test(request: PageRequest, pk: int) -> HttpResponse:
    """Send an event that only says it is a test, on the same way as all others."""
    hook = find(request, Webhook, pk)
    if request.method != "POST":
        return redirect("webhooks")
    with transaction.atomic():
        made = outbox.post(hook, "test", {"by": request.user.email}, key=outbox.new_key("test"))
        record(request, "webhooks.tested", target=hook.name)
    return redirect("message", made.pk)


@page(view=_MAY, change=_MAY)
def new_secret(request: PageRequest, pk: int) -> HttpResponse:
    """Give a webhook another signing secret, shown once."""
    hook = find(request, Webhook, pk)
    if request.method != "POST":
        return redirect("webhook_edit", hook.pk)
    secret = outbox.new_webhook_secret()
    with transaction.atomic():
        hook.secret = outbox.seal_webhook_secret(secret, request.utility)
        hook.save(update_fields=["secret"])
        record(request, "webhooks.secret_changed", target=hook.name)
    return render(request, "pages/webhook_secret.html", {"hook": hook, "secret": secret})


@page(view=_MAY, change=_MAY)
def delete(request: PageRequest, pk: int) -> HttpResponse:
    """Remove a webhook; what still waits for it is given up."""
    hook = find(request, Webhook, pk)
    if request.method == "POST":
        with transaction.atomic():
            record(request, "webhooks.removed", target=hook.name, detail={"url": hook.url})
            outbox.remove_webhook(hook)
        messages.success(request, _("%(name)s is removed.") % {"name": hook.name})
        return redirect("webhooks")
    waiting = Delivery.objects.filter(webhook=hook, status=DeliveryStatus.WAITING).count()
    return render(request, "pages/webhook_delete.html", {"hook": hook, "waiting": waiting})


def _fill(hook: Webhook, form: WebhookForm) -> dict[str, Any]:
    """Take over what the form says; gives what changed."""
    changed = {}
    for name, value in form.cleaned_data.items():
        if name != "news" and getattr(hook, name) != value:
            changed[name] = [getattr(hook, name), value]
            setattr(hook, name, value)
    return changed


def _handed_on(hook: Webhook) -> list[str]:
    """What is handed to the webhook as it comes in."""
    feed = WebhookFeed.objects.filter(webhook=hook).first()
    return [name for name in (feed.types if feed else []) if name in ("reading", "info_code")]


def _hand_on(hook: Webhook, form: WebhookForm, changed: dict[str, Any]) -> None:
    """Begin or end to hand on what comes in, as the form says; adds to what changed."""
    before, wanted = _handed_on(hook), form.cleaned_data["news"]
    if before != wanted:
        changed["news"] = [before, wanted]
        feeds.begin(hook, [*wanted, *(["info_code_withdrawn"] if "info_code" in wanted else [])])
