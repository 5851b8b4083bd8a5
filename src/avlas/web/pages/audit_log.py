"""The audit log: who did what, when and from which computer; chosen by period, area and words, and exported."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from avlas.system.models import AuditEvent, Permission
from avlas.web import audit_words, formats
from avlas.web.listing import ROWS_PER_PAGE, Asked, Pages, asked
from avlas.web.pages.access import PageRequest, page, record, rows_and_installation
from avlas.web.table_files import as_text

if TYPE_CHECKING:
    from django.db.models import QuerySet

_MAY: Final = Permission.ACCESS_CONTROL
_DAYS: Final = 30  # shown when no period is chosen


@dataclass(frozen=True, slots=True)
class Shown:
    """An event as the page shows it."""

    event: AuditEvent
    words: str
    detail: str  # technical details as JSON, "" for none


@page(view=_MAY)
def audit_log(request: PageRequest) -> HttpResponse:
    """The events of a period, newest first."""
    wanted, first, last, area = _asked(request)
    found = _events(request, wanted, first, last, area)
    part = found[wanted.offset : wanted.offset + ROWS_PER_PAGE]
    context = {
        "events": [_shown(one) for one in part],
        "pages": Pages(found.count(), wanted.page),
        "asked": wanted,
        "first": first,
        "last": last,
        "wrong_way": first > last,
        "area": area,
        "areas": sorted(audit_words.AREAS.items(), key=lambda pair: str(pair[1])),
    }
    fragment = request.htmx and not request.htmx.boosted
    return render(request, "pages/audit_rows.html" if fragment else "pages/audit_log.html", context)


@page(view=_MAY)
def export(request: PageRequest) -> HttpResponse:
    """What is chosen on the page, as a CSV file; that it was exported is itself an event."""
    wanted, first, last, area = _asked(request)
    with transaction.atomic():
        record(
            request,
            "access.log_exported",
            target=f"{first.isoformat()}–{last.isoformat()}",
            detail={"area": area, "narrowed": bool(wanted.words)},
        )
    response = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
    name = _("audit-log")
    response["Content-Disposition"] = f'attachment; filename="{name}-{first}-{last}.csv"'
    semicolon = formats.language() == "sv"
    writer = csv.writer(response, delimiter=";" if semicolon else ",", lineterminator="\r\n")
    writer.writerow([_("Time"), _("Event"), _("Code"), _("User"), _("Computer"), _("Of what"), _("Details")])
    for one in _events(request, wanted, first, last, area).iterator(1000):
        writer.writerow(
            [
                f"{formats.local(one.at):%Y-%m-%d %H:%M:%S}",
                audit_words.in_words(one.event), one.event, as_text(one.user_name), as_text(one.computer),
                as_text(one.target), as_text(json.dumps(one.detail, ensure_ascii=False) if one.detail else ""),
            ]
        )  # fmt: skip
    return response


def _asked(request: PageRequest) -> tuple[Asked, date, date, str]:
    """The search words, the first and last day (as the reader's calendar has them) and the area."""
    wanted = asked(request.GET, columns=(), sorts=("at",), default="-at")
    today = formats.local(datetime.now(UTC)).date()
    last = _day(request.GET.get("to", "")) or today
    first = _day(request.GET.get("from", "")) or last - timedelta(days=_DAYS)
    area = request.GET.get("area", "")
    return wanted, first, last, area if area in audit_words.AREAS else ""


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _events(request: PageRequest, wanted: Asked, first: date, last: date, area: str) -> QuerySet[AuditEvent]:
    zone = formats.local(datetime.now(UTC)).tzinfo
    begin = datetime.combine(first, time(), zone)
    end = datetime.combine(last, time(), zone) + timedelta(days=1) if last < date.max else None
    found = rows_and_installation(request, AuditEvent).filter(at__gte=begin)
    if end is not None:
        found = found.filter(at__lt=end)
    if area:
        found = found.filter(event__startswith=f"{area}.")
    for word in wanted.words:
        lower = word.lower()
        named = [event for event, words in audit_words.EVENTS.items() if lower in str(words).lower()]
        found = found.filter(
            Q(user_name__icontains=word)
            | Q(computer__icontains=word)
            | Q(target__icontains=word)
            | Q(event__icontains=word)
            | Q(event__in=named)
        )
    return found.order_by("-at", "-pk")


def _shown(one: AuditEvent) -> Shown:
    detail: dict[str, Any] = one.detail or {}
    text = json.dumps(detail, ensure_ascii=False, indent=1) if detail else ""
    return Shown(one, audit_words.in_words(one.event), text)
