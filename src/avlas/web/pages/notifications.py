"""Notifications: who is told of which info codes and alerts, when, and what became of the newest message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.validators import validate_email
from django.db import transaction
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters import groups
from avlas.meters.models import Meter
from avlas.notify import sms_text, telling
from avlas.notify.models import Notification, Reader
from avlas.reports.info_words import every_code
from avlas.system.models import DeliveryStatus, Language, Permission, Road, SmsGateway, User, Webhook
from avlas.web.pages.access import PageRequest, find, page, record, rows
from avlas.web.pages.account import time_zones
from avlas.web.pages.edited import EditForm

if TYPE_CHECKING:
    from django.http import HttpResponse

    from avlas.notify.models import Told

_ALL: Final = Permission.SYSTEM_CONFIGURATION
"""Who may see and change everybody's; others have their own."""
_NEWEST: Final = 20  # messages shown
SEVERITIES: Final = (
    (1, gettext_lazy("All")),
    (2, gettext_lazy("Warnings and faults")),
    (3, gettext_lazy("Faults alone")),
)
ROADS: Final = ((Road.MAIL, gettext_lazy("E-mail")), (Road.SMS, gettext_lazy("SMS")))


class NotificationForm(EditForm):
    """One recipient, and what, when and how."""

    recipient = forms.ChoiceField(label=gettext_lazy("Recipient"))
    road = forms.ChoiceField(label=gettext_lazy("Sent by"), choices=ROADS, initial=Road.MAIL)
    address = forms.CharField(
        label=gettext_lazy("Address or number"),
        max_length=254,
        required=False,
        help_text=gettext_lazy("A number in international form: +46 70 123 45 67."),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
        ),
    )
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=Language.choices)
    subject = forms.CharField(
        label=gettext_lazy("Subject"),
        max_length=100,
        required=False,
        help_text=gettext_lazy("Of mails. Empty: what has happened, and where."),
    )
    active = forms.BooleanField(label=gettext_lazy("Is active"), required=False)
    group = forms.ChoiceField(label=gettext_lazy("Group"))
    info_codes = forms.BooleanField(label=gettext_lazy("Info codes"), required=False)
    severity = forms.TypedChoiceField(label=gettext_lazy("Which"), choices=SEVERITIES, coerce=int)
    codes = forms.MultipleChoiceField(
        label=gettext_lazy("Only these info codes"), required=False, widget=forms.CheckboxSelectMultiple
    )
    ended = forms.BooleanField(
        label=gettext_lazy("Also when it is over"),
        required=False,
        help_text=gettext_lazy("When a code has stayed away for six hours."),
    )
    alerts = forms.BooleanField(label=gettext_lazy("Consumption alerts"), required=False)
    immediately = forms.BooleanField(
        label=gettext_lazy("Immediately"),
        required=False,
        help_text=gettext_lazy("Within minutes; what happens at the same time comes in one message."),
    )
    daily_at = forms.TimeField(
        label=gettext_lazy("Summary every day at"),
        required=False,
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
        input_formats=["%H:%M", "%H.%M"],
    )
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), choices=time_zones)

    def __init__(self, *args: Any, request: PageRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._utility, self._me = request.utility, request.user
        everybody = _ALL in request.allowed
        choices: dict[str, Any] = {
            "recipient": recipients(request),
            "group": groups.choices(request.utility.pk),
        }
        families = Meter.objects.filter(utility=request.utility).values_list("family", flat=True).distinct()
        known = every_code(families)
        if self.current and self.current.get("codes"):
            known = {code: known.get(code, code) for code in [*known, *self.current["codes"]]}
        choices["codes"] = list(known.items())
        for name, offered in choices.items():
            self.fields[name].choices = offered  # type: ignore[attr-defined]
        if not everybody:  # SMS costs the utility money
            for name in ("road", "address", "language"):
                del self.fields[name]

    def clean(self) -> dict[str, Any]:
        """The address must be one for the road, and something must be told at some time."""
        values = super().clean()
        who, _colon, _pk = str(values.get("recipient", "")).partition(":")
        road = values.get("road") or Road.MAIL
        written = str(values.get("address") or "").strip()
        if who == Reader.WEBHOOK:
            road, written = Road.WEBHOOK, ""
        elif who == Reader.CONSUMER or (who == Reader.USER and road == Road.MAIL):
            written = ""
        elif who and "address" in self.fields:
            written = self._checked(road, written)
        values["road"], values["address"] = road, written
        if road == Road.SMS and not SmsGateway.objects.filter(utility=self._utility).exists():
            self.add_error("road", _("No SMS service is set up (Configuration, SMS)."))
        if not values.get("immediately") and not values.get("daily_at") and "daily_at" not in self.errors:
            self.add_error("immediately", _("Choose immediately, a summary every day, or both."))
        if not values.get("info_codes") and not values.get("alerts"):
            self.add_error("info_codes", _("Choose info codes, consumption alerts, or both."))
        return values

    def _checked(self, road: str, written: str) -> str:
        if road == Road.SMS:
            try:
                return sms_text.number(written)
            except sms_text.BadNumber:
                self.add_error("address", _("Write the number in international form: +46 70 123 45 67."))
        else:
            try:
                validate_email(written)
            except forms.ValidationError:
                self.add_error("address", _("This is no e-mail address."))
        return written


def recipients(request: PageRequest) -> list[tuple[str, Any]]:
    """Who can be told, as the form writes them: "user:7", "address", "consumer", "webhook:2"."""
    if _ALL not in request.allowed:
        return [(f"user:{request.user.pk}", str(request.user))]
    people = rows(request, User).filter(is_active=True).order_by("first_name", "last_name", "email")
    return [
        (str(Reader.ADDRESS), _("An address or a number")),
        (str(Reader.CONSUMER), _("The meter's customer")),
        (_("Users"), [(f"user:{one.pk}", str(one)) for one in people]),
        *(
            [(_("Webhooks"), [(f"webhook:{one.pk}", one.name) for one in hooks])]
            if (hooks := list(rows(request, Webhook).order_by("name")))
            else []
        ),
    ]


@dataclass(frozen=True, slots=True)
class Row:
    """A notification with what became of its messages."""

    notification: Notification
    group: str
    newest: Told | None
    sent: Told | None

    @property
    def status(self) -> tuple[str, str, Any]:
        """Tone, word and reason of the newest message; "" when there was none."""
        return status_of(self.newest)


def status_of(told: Told | None) -> tuple[str, str, Any]:
    """Tone, word and reason (a stored text, or words) of what became of a message."""
    delivery = told.delivery if told else None
    if delivery is None:
        return "", "", ""
    if delivery.status == DeliveryStatus.SENT:
        if delivery.road == Road.SMS:
            newest = delivery.sms.order_by("-pk").first()
            if newest is not None and newest.arrived is False:
                return "bad", _("Failed"), _("The SMS service could not deliver it.")
            if newest is not None and newest.arrived:
                return "good", _("Success"), _("The SMS was delivered.")
            return "good", _("Success"), _("The SMS service has taken it.")
        taken = (
            _("The mail server has taken it.")
            if delivery.road == Road.MAIL
            else _("The webhook has taken it.")
        )
        return "good", _("Success"), taken
    tones = {DeliveryStatus.FAILED: "bad", DeliveryStatus.UNSURE: "warn"}
    words = {
        DeliveryStatus.FAILED: _("Failed"),
        DeliveryStatus.UNSURE: _("Unsure"),
        DeliveryStatus.WAITING: _("Failed, tried again") if delivery.told else _("Waiting"),
        DeliveryStatus.SENDING: _("Sending"),
    }
    status = DeliveryStatus(delivery.status)
    tone = "bad" if status == DeliveryStatus.WAITING and delivery.told else tones.get(status, "")
    return tone, words[status], delivery.told


@page()
def notifications(request: PageRequest) -> HttpResponse:
    """All notifications, or one's own for who may not see to others'."""
    found = [
        Row(one, groups.title(request.utility.pk, one.group), **telling.newest_told(one))
        for one in _mine(request).select_related("user", "webhook").order_by("pk")
    ]
    context = {"rows": found, "everybody": _ALL in request.allowed}
    return render(request, "notifications/list.html", context)


@page(change=Permission.DATA_ACCESS)
def add(request: PageRequest) -> HttpResponse:
    """Add a notification."""
    return _edit(request, None)


@page(change=Permission.DATA_ACCESS)
def edit(request: PageRequest, pk: int) -> HttpResponse:
    """Change a notification."""
    return _edit(request, _one(request, pk))


def _edit(request: PageRequest, own: Notification | None) -> HttpResponse:
    row = own or Notification(utility=request.utility, created_by=request.user)
    first = {
        "recipient": _recipient(own) if own else f"user:{request.user.pk}",
        "active": True,
        "language": request.user.language,
        "time_zone": request.user.time_zone,
        "group": groups.ALL,
        "info_codes": True,
        "severity": 2,
        "immediately": True,
    }
    names = (
        "road", "address", "language", "subject", "active", "group", "info_codes", "severity", "codes", "ended",
        "alerts", "immediately", "daily_at", "time_zone",
    )  # fmt: skip
    if own:
        first |= {name: getattr(own, name) for name in names}
    if request.method == "POST":
        form = NotificationForm(request.POST, request=request, current=first if own else None)
        if form.is_valid():
            _save(request, row, form)
            messages.success(request, _("The notification is saved."))
            return redirect("notifications")
    elif own:
        form = NotificationForm(request=request, current=first)
    else:
        form = NotificationForm(request=request)
        form.initial = first
    status = 422 if request.method == "POST" else 200
    context: dict[str, Any] = {"form": form, "notification": own, "everybody": _ALL in request.allowed}
    if own:
        newest = own.told.select_related("delivery", "customer").order_by("-at", "-pk")[:_NEWEST]
        context["history"] = [(told, *status_of(told)) for told in newest]
    return render(request, "notifications/form.html", context, status=status)


def _save(request: PageRequest, row: Notification, form: NotificationForm) -> None:
    values = form.values
    who, _colon, pk = values.pop("recipient").partition(":")
    changed = {} if row.pk is None else {"was": _recipient(row)}
    with transaction.atomic():
        row.who = who
        row.user = find(request, User, int(pk)) if who == Reader.USER else None
        row.webhook = find(request, Webhook, int(pk)) if who == Reader.WEBHOOK else None
        for name, value in values.items():
            setattr(row, name, value)
        row.daily_due_at = telling.next_daily(row, datetime.now(UTC))
        new = row.pk is None
        row.save()
        if not row.active:
            telling.drop_waiting(row)
        elif not row.immediately:
            row.notices.filter(at_once=True).update(at_once=False)
        record(
            request,
            "notifications.added" if new else "notifications.changed",
            target=str(row),
            detail={**changed, "group": row.group, "active": row.active, "road": row.road},
        )


def _recipient(row: Notification) -> str:
    if row.who == Reader.USER:
        return f"user:{row.user_id}"
    return f"webhook:{row.webhook_id}" if row.who == Reader.WEBHOOK else str(row.who)


@page(change=Permission.DATA_ACCESS)
def test(request: PageRequest, pk: int) -> HttpResponse:
    """Send a message that only says it is a test, on the same way as all others."""
    row = _one(request, pk)
    if request.method == "POST":
        with transaction.atomic():
            told = telling.send_test(row, request.user.email)
            if told is not None:
                record(request, "notifications.tested", target=str(row))
        if told is None:
            messages.warning(
                request, _("There is no one address to test: each message goes to the customer of its meter.")
            )
        else:
            messages.success(request, _("A test is on its way. What becomes of it is shown here."))
    return redirect("notifications")


@page(change=Permission.DATA_ACCESS)
def delete(request: PageRequest, pk: int) -> HttpResponse:
    """Remove a notification; messages that are on their way still go out."""
    row = _one(request, pk)
    if request.method == "POST":
        with transaction.atomic():
            record(request, "notifications.removed", target=str(row), detail={"group": row.group})
            row.delete()
        messages.success(request, _("The notification is removed."))
    return redirect("notifications")


def _mine(request: PageRequest) -> Any:
    found = rows(request, Notification)
    return found if _ALL in request.allowed else found.filter(who=Reader.USER, user=request.user)


def _one(request: PageRequest, pk: int) -> Notification:
    row = find(request, Notification, pk)
    if _ALL not in request.allowed and row.user_id != request.user.pk:
        if request.method == "POST":
            raise PermissionDenied
        raise Http404
    return row
