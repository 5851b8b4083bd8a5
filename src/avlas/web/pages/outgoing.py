"""Messages that go out: what was sent to whom, what waits and why, and sending again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.contrib import messages as notices
from django.db import transaction
from django.db.models import Count, Q
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from avlas.system import outbox
from avlas.system.models import Delivery, DeliveryStatus, MailServer, Permission, Road
from avlas.web.listing import ROWS_PER_PAGE, Pages, asked
from avlas.web.pages.access import PageRequest, page, record, rows_and_installation

if TYPE_CHECKING:
    from django.http import HttpResponse

STATUS_TONES: Final[dict[str, str]] = {
    DeliveryStatus.WAITING: "",
    DeliveryStatus.SENDING: "accent",
    DeliveryStatus.SENT: "good",
    DeliveryStatus.UNSURE: "warn",
    DeliveryStatus.FAILED: "bad",
}
_SEE: Final = Permission.SYSTEM_CONFIGURATION


@page(view=_SEE)
def messages(request: PageRequest) -> HttpResponse:
    """The newest messages first; those of one status when asked."""
    wanted = asked(request.GET, columns=(), sorts=("at",), default="-at")
    every = rows_and_installation(request, Delivery)
    counts = dict(every.order_by().values_list("status").annotate(Count("pk")))
    status = request.GET.get("status", "")
    if status not in DeliveryStatus.values:
        status = ""
    found = every.filter(status=status) if status else every
    for word in wanted.words:
        found = found.filter(
            Q(destination__icontains=word) | Q(subject__icontains=word) | Q(event__icontains=word)
        )
    context = {
        "messages_out": list(
            found.select_related("webhook").order_by("-pk")[wanted.offset : wanted.offset + ROWS_PER_PAGE]
        ),
        "pages": Pages(found.count(), wanted.page),
        "asked": wanted,
        "status": status,
        "statuses": [(value, label, counts.get(value, 0)) for value, label in DeliveryStatus.choices],
        "status_tones": STATUS_TONES,
        "no_server": not MailServer.objects.exists()
        and every.filter(road=Road.MAIL, status=DeliveryStatus.WAITING).exists(),
    }
    fragment = request.htmx and not request.htmx.boosted
    return render(request, "pages/message_rows.html" if fragment else "pages/messages.html", context)


@page(view=_SEE)
def message(request: PageRequest, pk: int) -> HttpResponse:
    """One message with everything that is known of it."""
    found = get_object_or_404(rows_and_installation(request, Delivery).select_related("webhook"), pk=pk)
    context = {
        "message": found,
        "for_addressee": found.event == outbox.PASSWORD_LINK,
        "status_tones": STATUS_TONES,
        "finished": found.status not in outbox.UNFINISHED,
        "sendable": found.road != Road.WEBHOOK or found.webhook is not None,
    }
    return render(request, "pages/message.html", context)


@page(view=_SEE, change=_SEE)
def send_again(request: PageRequest, pk: int) -> HttpResponse:
    """Send a finished message once more."""
    found = get_object_or_404(rows_and_installation(request, Delivery), pk=pk)
    if request.method == "POST":
        with transaction.atomic():
            begun = outbox.send_again(found)
            if begun:
                record(
                    request,
                    "messages.sent_again",
                    target=found.destination,
                    detail={"message": found.pk, "event": found.event, "was": found.status},
                )
        if begun:
            notices.success(request, _("The message is sent again within seconds."))
        else:
            notices.warning(request, _("The message is on its way already."))
    return redirect("message", found.pk)
