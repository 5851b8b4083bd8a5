"""Where a customer chooses, by a link and without an account, what to be told and how; and the staff's side of it.

The page shows the choices and nothing else: no name, no address, no reading. Whoever has the link can change the
choices until it ends or is revoked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from allauth.core.internal import ratelimit  # the public face lets every GET through
from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from avlas.meters.models import Customer, Meter
from avlas.notify import consumer_link, sms_text
from avlas.notify.models import ConsumerChoice, Notification, Reader
from avlas.notify.notices import ALERTS, address_of
from avlas.reports.info_words import every_code
from avlas.system import audit, outbox
from avlas.system.models import Language, Permission, Road, SmsGateway
from avlas.web.pages.access import PageRequest, computer, find, page, record

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

RATE: Final = "60/m/ip"
_MANAGE: Final = Permission.DEVICE_AND_CUSTOMER_MANAGEMENT


@dataclass(frozen=True, slots=True)
class Offered:
    """What the utility tells its customers at all, of which one can choose."""

    codes: dict[str, str]
    roads: frozenset[str]


def offered(choice: ConsumerChoice) -> Offered:
    """What this customer can choose among: what the utility tells its customers, of the own meters' types."""
    customer = choice.customer
    found = list(
        Notification.objects.filter(utility=choice.utility, who=Reader.CONSUMER, active=True).order_by("pk")
    )
    families = Meter.objects.filter(
        installations__to_at=None, installations__point__occupancies__customer=customer,
        installations__point__occupancies__to_at=None,
    ).values_list("family", flat=True)  # fmt: skip
    names = list(families.distinct())
    codes = {ALERTS: _("High consumption")} if any(one.alerts for one in found) else {}
    for one in found:
        if one.info_codes:
            known = every_code(names, 1 if one.codes else one.severity)
            codes |= {code: text for code, text in known.items() if not one.codes or code in one.codes}
    return Offered(codes, frozenset(one.road for one in found if address_of(customer, one.road)))


class ChoiceForm(forms.Form):
    """What a customer wants to be told, how, and in which language."""

    told = forms.MultipleChoiceField(
        label=gettext_lazy("What do you want to be told?"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    mail = forms.BooleanField(label=gettext_lazy("By e-mail"), required=False)
    sms = forms.BooleanField(label=gettext_lazy("By SMS"), required=False)
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=Language.choices)

    def __init__(self, *args: Any, can: Offered, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["told"].choices = list(can.codes.items())  # type: ignore[attr-defined]
        for road in (Road.MAIL, Road.SMS):
            if road not in can.roads:
                del self.fields[str(road)]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def my_choices(request: HttpRequest, token: str) -> HttpResponse:
    """Where the link leads."""
    if not ratelimit.consume(request, app="avlas", action="link", config={"link": RATE}, limit_get=True):
        return _shown(request, {"too_many": True}, status=429)
    choice = consumer_link.who(token)
    if choice is None:
        return _shown(request, {"choice": None}, status=404)
    asked = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME)
    language = (
        asked if asked in Language.values else choice.language if choice.chosen_at else request.LANGUAGE_CODE
    )
    with translation.override(language):
        request.LANGUAGE_CODE = language
        return _choices(request, choice)


def _choices(request: HttpRequest, choice: ConsumerChoice) -> HttpResponse:
    can = offered(choice)
    first = {
        "told": [code for code in can.codes if code not in choice.refused],
        "mail": choice.mail,
        "sms": choice.sms,
        "language": choice.language if choice.chosen_at else translation.get_language(),
    }
    form = ChoiceForm(request.POST or None, can=can, initial=first)
    saved = False
    if request.method == "POST" and form.is_valid():
        _save(request, choice, form, can)
        saved = True
    status = 422 if request.method == "POST" and not saved else 200
    return _shown(request, {"choice": choice, "form": form, "saved": saved, "can": can}, status=status)


def _save(request: HttpRequest, choice: ConsumerChoice, form: ChoiceForm, can: Offered) -> None:
    data = form.cleaned_data
    with transaction.atomic():
        kept = [code for code in choice.refused if code not in can.codes]  # of what isn't offered just now
        choice.refused = sorted({*kept, *(code for code in can.codes if code not in data["told"])})
        choice.mail, choice.sms = data.get("mail", choice.mail), data.get("sms", choice.sms)
        choice.language, choice.chosen_at = data["language"], datetime.now(UTC)
        choice.save(update_fields=["refused", "mail", "sms", "language", "chosen_at"])
        audit.record(
            "customers.chose",
            utility=choice.utility,
            user=None,
            computer=computer(request),
            target=choice.customer.number,
        )


def _shown(request: HttpRequest, context: dict[str, Any], *, status: int) -> HttpResponse:
    response = render(request, "notifications/my_choices.html", context, status=status)
    response["X-Robots-Tag"] = "noindex"
    return response


@page(view=_MANAGE, change=_MANAGE)
def customer_link(request: PageRequest, pk: int) -> HttpResponse:
    """Send the customer the link to the own choices, or make all links that were sent invalid."""
    customer = find(request, Customer, pk)
    if request.method != "POST":
        return redirect("customer", customer.pk)
    do = request.POST.get("do", "")
    if do == "revoke":
        with transaction.atomic():
            consumer_link.revoke(customer)
            record(request, "customers.links_revoked", target=customer.number)
        messages.success(request, _("Links that were sent until now lead nowhere any more."))
    elif do in (Road.MAIL, Road.SMS):
        _send(request, customer, Road(do))
    return redirect("customer", customer.pk)


def _send(request: PageRequest, customer: Customer, road: Road) -> None:
    choice = consumer_link.of(customer)
    address = consumer_link.link_for(customer)
    if not address:
        messages.error(request, _("Set the address of these pages first (Configuration, Mail server)."))
        return
    event = "customers.link"
    with translation.override(choice.language):
        text = _("%(utility)s: choose here which alarms of your meter you are told, and how:") % {
            "utility": request.utility.name
        }
        subject = _("Alarms of your meter")
    with transaction.atomic():
        if road == Road.SMS:
            gateway = SmsGateway.objects.filter(utility=request.utility).first()
            try:
                to = sms_text.number(customer.phone, gateway.country_code if gateway else "")
            except sms_text.BadNumber:
                messages.error(request, _("The customer has no phone number that can be used."))
                return
            body = f"{sms_text.plain(text)}\n{address}"
            outbox.text_message(to, body, utility=request.utility, event=event, key=outbox.new_key(event))
        else:
            if not customer.email:
                messages.error(request, _("The customer has no e-mail address."))
                return
            body = f"{text}\n\n{address}\n"
            outbox.mail(
                customer.email, subject, body, utility=request.utility, event=event, key=outbox.new_key(event)
            )
        record(request, "customers.link_sent", target=customer.number, detail={"road": str(road)})
    messages.success(request, _("The link is on its way."))
