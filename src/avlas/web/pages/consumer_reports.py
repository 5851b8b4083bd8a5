"""The consumer's report: a PDF by one click, or sent by e-mail through the outbox, for a meter, a point, a customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters.changes import name_of
from avlas.meters.models import Customer, Meter, MeteringPoint, SentReport
from avlas.reports.calc.borders import STANDARD, zone_of
from avlas.system import outbox
from avlas.system.models import MailServer
from avlas.web import consumer_report
from avlas.web.chart_period import UNITS, Period, asked_period
from avlas.web.consumption_shown import asked_beside
from avlas.web.pages.access import PageRequest, find, page, record, rows
from avlas.web.pages.fields import date_field
from avlas.web.pages.meter_edit import MANAGE
from avlas.web.pages.outgoing import STATUS_TONES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from avlas.web.consumer_report import Subject

EVENT: Final = "reports.consumer_report"
_SHOWN: Final = 8  # of the reports sent earlier
_KINDS: Final[dict[str, type[Meter | MeteringPoint | Customer]]] = {
    "meter": Meter,
    "point": MeteringPoint,
    "customer": Customer,
}


@dataclass(frozen=True, slots=True)
class _Report:
    """Whose report it is and what it is about."""

    kind: str
    own: Meter | MeteringPoint | Customer
    period: Period
    subjects: list[Subject]

    @property
    def customer(self) -> Customer | None:
        """Who gets it."""
        return next((one.customer for one in self.subjects if one.customer is not None), None)


def asked(query: Mapping[str, str], kind: str, borders: str = STANDARD) -> Period:
    """The period asked for; for a customer's page, which shows none, the last twelve whole months.

    ``borders``: where its days begin (calc.borders.zone_of).
    """
    zone = zone_of(borders)
    today = datetime.now(zone).date()
    if kind == "customer" and not query.get("from"):
        last = today.replace(day=1) - timedelta(days=1)
        first = (date(last.year - 1, last.month, 1) + timedelta(days=31)).replace(day=1)
        return Period("month", first, last, zone)
    return asked_period(query, today, zone)


def _report(request: PageRequest, kind: str, pk: int, query: Mapping[str, str]) -> _Report:
    own = find(request, _KINDS[kind], pk)
    period = asked(query, kind, request.utility.day_borders)
    if isinstance(own, Customer):
        subjects = consumer_report.of_customer(own, period)
    elif isinstance(own, MeteringPoint):
        subjects = [consumer_report.of_point(own, period)]
    else:
        subjects = [consumer_report.of_meter(own, period, whole_point=query.get("of") != "meter")]
    return _Report(kind, own, period, subjects)


def _language(text: str) -> str:
    """A language that a report can be in; the reader's own otherwise."""
    return (
        text
        if text in dict(settings.LANGUAGES)
        else (translation.get_language() or settings.LANGUAGE_CODE)[:2]
    )


def _pdf(request: PageRequest, report: _Report, query: Mapping[str, str], language: str) -> bytes:
    kind = asked_beside(query, report.period.unit)
    return consumer_report.pdf(request.utility, report.subjects, query, report.period, kind, language)


@page()
def consumer_pdf(request: PageRequest, kind: str, pk: int) -> HttpResponse:
    """The report as a PDF, noted in the audit log by numbers alone."""
    report = _report(request, kind, pk, request.GET)
    if not report.subjects:
        messages.warning(request, _("The customer had no metering point in this period."))
        return redirect(kind, pk)
    language = _language(request.GET.get("language", ""))
    response = HttpResponse(_pdf(request, report, request.GET, language), content_type="application/pdf")
    with translation.override(language):
        name = consumer_report.file_name(report.period)
    response["Content-Disposition"] = f'inline; filename="{name}"'
    response["Cache-Control"] = "no-store"
    with transaction.atomic():
        record(request, "data.exported", target=name, detail={"of": kind, "number": name_of(report.own)})
    return response


class SendForm(forms.Form):
    """To whom, in which language, and about which days."""

    email = forms.EmailField(label=gettext_lazy("To (e-mail)"), max_length=254)
    language = forms.ChoiceField(label=gettext_lazy("Language of the report"), choices=settings.LANGUAGES)
    unit = forms.ChoiceField(label=gettext_lazy("Step"), choices=list(UNITS.items()))
    first = date_field(label=gettext_lazy("From the day"))
    last = date_field(label=gettext_lazy("To the day, included"))
    words = forms.CharField(
        label=gettext_lazy("A few words of your own"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    register = forms.CharField(max_length=40, required=False, widget=forms.HiddenInput)
    of = forms.CharField(max_length=10, required=False, widget=forms.HiddenInput)
    beside = forms.CharField(max_length=20, required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        """A period the right way round."""
        data = super().clean() or {}
        if data.get("first") and data.get("last") and data["last"] < data["first"]:
            self.add_error("last", _("It ends before it begins."))
        return data

    @property
    def query(self) -> dict[str, str]:
        """What the valid form says, as the address of the PDF would."""
        data = self.cleaned_data
        return {
            "unit": data["unit"],
            "from": data["first"].isoformat(),
            "to": data["last"].isoformat(),
            "register": data["register"],
            "of": data["of"],
            "beside": data["beside"],
        }


@page(view=MANAGE, change=MANAGE)
def consumer_send(request: PageRequest, kind: str, pk: int) -> HttpResponse:
    """Send the report by e-mail; what was sent before stands below with what became of it."""
    shown = _report(request, kind, pk, request.GET)
    form = SendForm(request.POST or None, initial=_initial(request, shown))
    if request.method == "POST" and form.is_valid():
        report = _report(request, kind, pk, form.query)
        if not any(one.meter_ids for one in report.subjects):
            form.add_error("first", _("Nothing is known of this period."))
        else:
            _send(request, report, form)
            messages.success(request, _("The report is on its way; below stands what becomes of it."))
            return redirect(f"{request.path}?{report.period.query}")
    sent = rows(request, SentReport).select_related("delivery", "by").order_by("-at")
    sent = sent.filter(**{{"meter": "meters", "point": "points", "customer": "customer"}[kind]: shown.own})
    context = {
        "kind": kind,
        "own": shown.own,
        "back": reverse(kind, args=[pk]),
        "report": shown,
        "form": form,
        "pdf": reverse(f"{kind}_report", args=[pk]),
        "sent": list(sent.distinct()[:_SHOWN]),
        "status_tones": STATUS_TONES,
        "no_server": not MailServer.objects.exists(),
    }
    return render(request, "pages/consumer_send.html", context, status=422 if form.errors else 200)


def _initial(request: PageRequest, report: _Report) -> dict[str, Any]:
    before = rows(request, SentReport).filter(customer=report.customer).order_by("-at").first()
    return {
        "email": report.customer.email if report.customer else "",
        "language": before.language
        if before and report.customer
        else _language(request.GET.get("language", "")),
        "unit": report.period.unit,
        "first": report.period.first,
        "last": report.period.final,
        **{name: request.GET.get(name, "") for name in ("register", "of", "beside")},
    }


def _send(request: PageRequest, report: _Report, form: SendForm) -> None:
    """Make the PDF and put it into the outbox; the audit log names numbers, no person and no address."""
    language = form.cleaned_data["language"]
    made = _pdf(request, report, form.query, language)
    with translation.override(language):
        subject = consumer_report.title(report.period)
        body = _("Hello,\n\nhere is your consumption, %(period)s, as a PDF.") % {
            "period": report.period.title
        }
        name = consumer_report.file_name(report.period)
    own_words = form.cleaned_data["words"].strip()
    parts = [body, own_words, request.utility.name]
    with transaction.atomic():
        delivery = outbox.mail(
            form.cleaned_data["email"],
            subject,
            "\n\n".join(part for part in parts if part) + "\n",
            utility=request.utility,
            event=EVENT,
            key=outbox.new_key(EVENT),
            files=[outbox.File(name, "application/pdf", made)],
        )
        noted = SentReport.objects.create(
            utility=request.utility,
            customer=report.customer,
            delivery=delivery,
            first=report.period.first,
            last=report.period.final,
            language=language,
            by=request.user,
        )
        noted.points.set([one.point for one in report.subjects if one.point is not None])
        noted.meters.set({meter for one in report.subjects for meter in one.meter_ids})
        record(
            request,
            "reports.sent",
            target=name_of(report.own),
            detail={"of": report.kind, "from": report.period.first.isoformat(),
                    "to": report.period.final.isoformat(), "message": delivery.pk},
        )  # fmt: skip
