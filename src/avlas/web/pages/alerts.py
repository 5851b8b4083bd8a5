"""Consumption alerts: ceilings of meters, those that were passed, resetting them, and what happened before."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F, Q
from django.http import QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from avlas.decode.registers import BY_CODE
from avlas.meters import groups
from avlas.meters.keys import Who
from avlas.meters.models import Installation, Meter
from avlas.notify import alerts
from avlas.notify.models import Alert, AlertLimit, Firing, Period
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.system.models import Permission
from avlas.web import formats, words
from avlas.web.listing import ROWS_PER_PAGE, Pages, asked
from avlas.web.pages.access import PageRequest, computer, find, page, record, rows
from avlas.web.pages.fields import FloatNumberField, date_field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpResponse
    from django.utils.functional import Promise

MAY_SET: Final = Permission.DEVICE_AND_CUSTOMER_MANAGEMENT
SHOWN: Final[dict[str, Promise]] = {
    "": gettext_lazy("All"),
    "fired": gettext_lazy("Above the ceiling"),
    "ended": gettext_lazy("Ended"),
}
_FIRINGS_SHOWN: Final = 100
_MOST_AT_ONCE: Final = 100_000


def _registers() -> list[tuple[str, str]]:
    found = []
    for code in alerts.REGISTERS:
        unit = BY_CODE[code].unit
        parts = (words.register_name(code), BY_CODE[code].symbol, f"({unit})" if unit else "")
        found.append((code, " ".join(part for part in parts if part)))
    return found


class CeilingForm(forms.Form):
    """How much may be used in which time, and from when to when that is watched (days in standard time)."""

    register = forms.ChoiceField(label=gettext_lazy("Register"), choices=_registers)
    ceiling = FloatNumberField(
        label=gettext_lazy("Ceiling"),
        least=0,
        help_text=gettext_lazy("In the register's unit: kWh, m³."),
    )
    period = forms.ChoiceField(label=gettext_lazy("In"), choices=Period.choices, initial=Period.DAY)
    first_day = date_field(label=gettext_lazy("From"))
    last_day = date_field(
        label=gettext_lazy("Until"), required=False, help_text=gettext_lazy("Empty: without an end.")
    )

    def clean_ceiling(self) -> float:
        """More than nothing."""
        ceiling: float = self.cleaned_data["ceiling"]
        if ceiling <= 0:
            raise forms.ValidationError(_("Write a number above 0."))
        return ceiling

    def clean(self) -> dict[str, Any]:
        """The end comes after the beginning."""
        data = super().clean() or {}
        first, last = data.get("first_day"), data.get("last_day")
        if first and last and last < first:
            self.add_error("last_day", _("The last day comes before the first."))
        return data

    @property
    def span(self) -> tuple[datetime, datetime | None]:
        """From when to when, as moments."""
        first, last = self.cleaned_data["first_day"], self.cleaned_data["last_day"]
        return _midnight(first), _midnight(last + timedelta(days=1)) if last else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), STANDARD_TIME)


@page()
def alert_list(request: PageRequest) -> HttpResponse:
    """All ceilings; those that are passed come first."""
    wanted = asked(request.GET, columns=(), sorts=("fired",), default="-fired")
    show, group = request.GET.get("show", ""), request.GET.get("group", groups.ALL)
    now = datetime.now(UTC)
    every = rows(request, Alert)
    found = _shown(every, show, now)
    if group != groups.ALL:
        found = found.filter(meter_id__in=groups.meter_ids(request.utility.pk, group))
    for word in wanted.words:
        found = found.filter(
            Q(meter__serial__icontains=word)
            | Q(
                meter_id__in=Installation.objects.filter(point__address__icontains=word, to_at=None).values(
                    "meter_id"
                )
            )
        )
    pages = Pages(found.count(), wanted.page)
    ordered = found.select_related("meter").order_by(
        F("fired_at").desc(nulls_last=True), "meter__serial", "pk"
    )
    shown = list(ordered[wanted.offset : wanted.offset + ROWS_PER_PAGE])
    watched = len(alerts.watched(request.utility, now))
    context = {
        "rows": _lines(shown),
        "asked": wanted,
        "pages": pages,
        "show": show if show in SHOWN else "",
        "shown": SHOWN,
        "group": group,
        "groups": groups.choices(request.utility.pk),
        "watched": watched,
        "limit": alerts.limit_of(request.utility),
        "may_set": MAY_SET in request.allowed,
        "now": now,
        "any": every.exists(),
    }
    fragment = bool(request.htmx) and not request.htmx.boosted
    return render(request, "alerts/rows.html" if fragment else "alerts/list.html", context)


def _shown(every: Any, show: str, now: datetime) -> Any:
    if show == "fired":
        return every.filter(fired_at__isnull=False)
    if show == "ended":
        return every.filter(to_at__lte=now, fired_at=None)
    return every


def _lines(shown: Sequence[Alert]) -> list[tuple[Alert, str, Firing | None]]:
    """Each alert with the address of its meter and the firing that stands."""
    places = {
        one.meter_id: str(one.point)
        for one in Installation.objects.filter(
            meter_id__in={alert.meter_id for alert in shown}, to_at=None
        ).select_related("point")
    }
    standing = {one.alert_id: one for one in Firing.objects.filter(alert__in=shown, reset_at=None)}
    return [(alert, places.get(alert.meter_id, ""), standing.get(alert.pk)) for alert in shown]


def ceiling_form(
    request: PageRequest,
    ids: Sequence[int],
    form: CeilingForm | None = None,
    *,
    back: str = "",
    status: int = 200,
) -> HttpResponse:
    """The page that gives the meters ``ids`` a ceiling."""
    if form is None:
        form = CeilingForm(initial={"first_day": datetime.now(STANDARD_TIME).date(), "period": Period.DAY})
    one = rows(request, Meter).filter(pk=ids[0]).first() if len(ids) == 1 else None
    context = {
        "form": form,
        "count": len(ids),
        "meter": one,
        "place": Installation.objects.filter(meter=one, to_at=None).select_related("point").first()
        if one
        else None,
        "chosen": ",".join(map(str, ids)),
        "back": back,
    }
    return render(request, "alerts/form.html", context, status=status)


@page(view=MAY_SET, change=MAY_SET)
def add(request: PageRequest) -> HttpResponse:
    """Give meters a ceiling: those in ``chosen`` (POST), or the one in ``meter`` (GET)."""
    given = request.POST.get("chosen", "") if request.method == "POST" else request.GET.get("meter", "")
    numbers = [int(text) for text in given.split(",") if text.isascii() and text.isdigit() and len(text) < 19]
    ids = groups.of_utility(request.utility.pk, numbers[:_MOST_AT_ONCE])
    if not ids:
        messages.warning(request, _("Tick meters in the list first, then choose Consumption alert."))
        return redirect("meters")
    back = QueryDict(request.POST.get("list", "")).urlencode()
    if request.method != "POST":
        return ceiling_form(request, ids)
    form = CeilingForm(request.POST)
    if not form.is_valid():
        return ceiling_form(request, ids, form, back=back, status=422)
    from_at, to_at = form.span
    try:
        count = alerts.set_ceiling(
            request.utility, ids, register=form.cleaned_data["register"], period=form.cleaned_data["period"],
            ceiling=form.cleaned_data["ceiling"], from_at=from_at, to_at=to_at, who=_who(request),
        )  # fmt: skip
    except alerts.TooManyAlerts as problem:
        text = _("%(watched)s meters are watched already; %(more)s more would pass the limit of %(limit)s.")
        form.add_error(
            None,
            text
            % {
                "watched": formats.number(problem.watched),
                "more": formats.number(problem.more),
                "limit": formats.number(problem.limit),
            },
        )
        return ceiling_form(request, ids, form, back=back, status=422)
    text = ngettext("%(n)s meter is watched now.", "%(n)s meters are watched now.", count)
    messages.success(request, text % {"n": formats.number(count)})
    return redirect("meter", ids[0]) if len(ids) == 1 else redirect("alerts")


@page(change=Permission.DATA_ACCESS)
def alert(request: PageRequest, pk: int) -> HttpResponse:
    """One alert: what holds, and every time that it fired. POST changes it."""
    found = find(request, Alert, pk)
    if request.method == "POST":
        if MAY_SET not in request.allowed:
            raise PermissionDenied
        form = CeilingForm(request.POST)
        form.fields["register"].required = form.fields["period"].required = False
        if form.is_valid():
            from_at, to_at = form.span
            alerts.set_ceiling(
                request.utility, [found.meter_id], register=found.register, period=found.period,
                ceiling=form.cleaned_data["ceiling"], from_at=from_at, to_at=to_at, who=_who(request),
            )  # fmt: skip
            messages.success(request, _("The alert is saved."))
            return redirect("alert", found.pk)
    else:
        form = CeilingForm(
            initial={
                "ceiling": found.ceiling,
                "first_day": found.from_at.astimezone(STANDARD_TIME).date(),
                "last_day": (found.to_at.astimezone(STANDARD_TIME) - timedelta(seconds=1)).date()
                if found.to_at
                else None,
            }
        )
    ((_alert, place, standing),) = _lines([found])
    context = {
        "alert": found,
        "place": place,
        "standing": standing,
        "form": form,
        "firings": found.firings.select_related("reset_by").order_by("-fired_at", "-pk")[:_FIRINGS_SHOWN],
        "may_set": MAY_SET in request.allowed,
        "now": datetime.now(UTC),
    }
    return render(request, "alerts/alert.html", context, status=422 if request.method == "POST" else 200)


@page(view=MAY_SET, change=MAY_SET)
def act(request: PageRequest) -> HttpResponse:
    """Reset or remove the ticked alerts, as the button says; all that stand when ``all`` is given."""
    if request.method != "POST":
        return redirect("alerts")
    ids = {
        int(text)
        for text in request.POST.getlist("alert")
        if text.isascii() and text.isdigit() and len(text) < 19
    }
    found = list(
        rows(request, Alert).filter(pk__in=sorted(ids)[:_MOST_AT_ONCE]).select_related("meter", "utility")
    )
    do = request.POST.get("do", "")
    if not found:
        messages.warning(request, _("Nothing was chosen."))
    elif do == "reset":
        count = alerts.reset(found, _who(request))
        text = ngettext("%(n)s alert is reset.", "%(n)s alerts are reset.", count)
        if count:
            messages.success(request, text % {"n": formats.number(count)})
        else:
            messages.warning(request, _("None of the chosen alerts has fired."))
    elif do == "remove":
        count = alerts.remove(found, _who(request))
        text = ngettext("%(n)s alert is removed.", "%(n)s alerts are removed.", count)
        messages.success(request, text % {"n": formats.number(count)})
    if request.POST.get("back") == "meter" and found:
        return redirect("meter", found[0].meter_id)
    query = QueryDict(request.POST.get("list", "")).urlencode()
    return redirect(f"{reverse('alerts')}?{query}" if query else "alerts")


class LimitForm(forms.Form):
    """How many meters may be watched at the same time."""

    meters = forms.IntegerField(
        label=gettext_lazy("Most meters watched at the same time"),
        min_value=1,
        max_value=_MOST_AT_ONCE,
        help_text=gettext_lazy(
            "5,000 is what a small computer judges within seconds of the hour's readings."
        ),
    )


@page(view=Permission.SYSTEM_CONFIGURATION, change=Permission.SYSTEM_CONFIGURATION)
def limit(request: PageRequest) -> HttpResponse:
    """Set how many meters the utility may watch at the same time."""
    before = alerts.limit_of(request.utility)
    form = LimitForm(request.POST or None, initial={"meters": before})
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            AlertLimit.objects.update_or_create(
                utility=request.utility, defaults={"meters": form.cleaned_data["meters"]}
            )
            record(request, "alerts.limit_changed", detail={"meters": [before, form.cleaned_data["meters"]]})
        messages.success(request, _("Saved."))
        return redirect("alerts")
    return render(
        request, "alerts/limit.html", {"form": form}, status=422 if request.method == "POST" else 200
    )


def _who(request: PageRequest) -> Who:
    return Who(request.user, computer(request))
