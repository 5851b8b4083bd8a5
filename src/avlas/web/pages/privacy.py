"""What the law gives customers: a copy of what is stored about them, being forgotten, being made nameless."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.db import connection, transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from avlas.meters import about_customer
from avlas.meters.keys import Who
from avlas.meters.models import Customer, Fence, Occupancy
from avlas.system.models import Permission
from avlas.web import formats
from avlas.web.listing import ROWS_PER_PAGE, Pages, asked
from avlas.web.meter_search import contains
from avlas.web.pages.access import PageRequest, computer, find, page, record, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAY: Final = Permission.ACCESS_CONTROL
_SEARCHED: Final = ("k.number", "k.name", "k.email", "k.phone")


@page(view=_MAY)
def privacy(request: PageRequest) -> HttpResponse:
    """Search for a customer, former ones too."""
    wanted = asked(request.GET, columns=(), sorts=(), default="")
    ids = _found(request.utility.pk, wanted.words)
    pages = Pages(len(ids), wanted.page)
    if pages.number > pages.count:
        pages = Pages(pages.total, 1)
    start = (pages.number - 1) * ROWS_PER_PAGE
    by_id = rows(request, Customer).in_bulk(ids[start : start + ROWS_PER_PAGE])
    shown = [by_id[pk] for pk in ids[start : start + ROWS_PER_PAGE] if pk in by_id]
    homes: dict[int, list[Occupancy]] = {one.pk: [] for one in shown}
    for one in Occupancy.objects.filter(customer__in=shown).select_related("point").order_by("-from_at"):
        homes[one.customer_id].append(one)
    context = {"customers": [(one, homes[one.pk]) for one in shown], "asked": wanted, "pages": pages}
    fragment = bool(request.htmx) and not request.htmx.boosted
    return render(request, "pages/privacy_rows.html" if fragment else "pages/privacy.html", context)


def _found(utility_id: int, searched: Sequence[str]) -> list[int]:
    """The ids of the utility's customers who fit all words, by name."""
    where, values = "k.utility_id = %s", [utility_id]  # type: str, list[Any]
    for word in searched:
        test, patterns = contains(_SEARCHED, word)
        where, values = f"{where} AND ({test})", [*values, *patterns]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT k.id FROM meters_customer k WHERE {where} ORDER BY k.name, k.number, k.id", values
        )
        return [row[0] for row in cursor.fetchall()]


class EraseForm(forms.Form):
    """Which span of which former occupancy, and that it is meant."""

    occupancy = forms.ModelChoiceField(
        label=gettext_lazy("Metering point"), queryset=Occupancy.objects.none(), empty_label=None
    )
    first = forms.DateField(
        label=gettext_lazy("From the day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("Empty: from when the customer moved in."),
    )
    last = forms.DateField(
        label=gettext_lazy("To the day, included"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("Empty: until the customer moved out."),
    )
    sure = forms.BooleanField(
        label=gettext_lazy("Erase for good"),
        help_text=gettext_lazy(
            "Readings, telegrams and info codes of these days can't be brought back by anybody."
        ),
    )

    def __init__(self, *args: Any, former: Sequence[Occupancy], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["occupancy"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Occupancy.objects.filter(pk__in=[one.pk for one in former]).select_related("point")
        field.label_from_instance = _spell  # type: ignore[method-assign,assignment]  # as Django allows

    def clean(self) -> dict[str, Any]:
        """Turn days into moments within the occupancy."""
        data = super().clean() or {}
        occupancy: Occupancy | None = data.get("occupancy")
        if occupancy is None or occupancy.to_at is None or self.errors:
            return data
        begin, end = occupancy.from_at, occupancy.to_at
        if data["first"]:
            begin = max(begin, _midnight(data["first"]))
        if data["last"]:
            end = min(
                end, _midnight(date.fromordinal(min(data["last"].toordinal() + 1, date.max.toordinal())))
            )
        if begin >= end:
            self.add_error("last", _("No day of the occupancy lies between these."))
        data["from_at"], data["to_at"] = begin, end
        return data


def _midnight(day: date) -> datetime:
    try:
        return timezone.make_aware(datetime.combine(day, time()))
    except (OverflowError, ValueError):  # at the ends of the calendar
        return datetime.combine(day, time(), UTC)


def _spell(one: Occupancy) -> str:
    until = formats.day(formats.local(one.to_at).date()) if one.to_at else ""
    place = f"{one.point.facility_id} {one.point.address}".strip()  # two points may have one address
    return f"{place}, {formats.day(formats.local(one.from_at).date())} {formats.UNTIL} {until}"


@page(view=_MAY, change=_MAY)
def customer(request: PageRequest, pk: int) -> HttpResponse:
    """One customer: what is stored, erasing, making nameless."""
    own = find(request, Customer, pk)
    every = about_customer.occupancies(own)
    former = [one for one in every if one.to_at is not None and one.to_at <= datetime.now(UTC)]
    who = Who(request.user, computer(request))
    form = EraseForm(request.POST if "erase" in request.POST else None, former=former)
    if request.method == "POST":
        if "pseudonymise" in request.POST and request.POST.get("sure") == "1":
            about_customer.pseudonymise(own, who)
            messages.success(request, _("The customer is now called %(number)s.") % {"number": own.number})
            return redirect("privacy_customer", own.pk)
        if "erase" in request.POST and form.is_valid():
            data = form.cleaned_data
            count = about_customer.erase_occupancy(data["occupancy"], data["from_at"], data["to_at"], who)
            text = ngettext("%(n)d reading erased for good.", "%(n)d readings erased for good.", count)
            messages.success(request, text % {"n": count})
            return redirect("privacy_customer", own.pk)
    meters = {meter.pk: meter for one in every for meter, _from, _to in about_customer.meters_of(one)}
    context = {
        "customer": own,
        "occupancies": every,
        "former": former,
        "form": form,
        "nameless": about_customer.is_nameless(own),
        "fences": Fence.objects.filter(meter_id__in=meters)
        .select_related("meter", "by")
        .order_by("-made_at"),
    }
    return render(request, "pages/privacy_customer.html", context, status=422 if form.errors else 200)


@page(view=_MAY)
def export(request: PageRequest, pk: int) -> HttpResponse:
    """Everything stored about one customer, as a JSON file; the audit log says who took it."""
    own = find(request, Customer, pk)
    said = {
        "utility": request.utility.name,
        "made_at": datetime.now(UTC).isoformat(),
        **about_customer.everything(own),
    }
    text = json.dumps(said, ensure_ascii=False, indent=1)
    with transaction.atomic():
        record(request, "privacy.exported", target=str(own.pk))
    response = HttpResponse(text, content_type="application/json; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{_("customer")}-{own.pk}.json"'
    response["Cache-Control"] = "no-store"
    return response
