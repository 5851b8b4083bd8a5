"""Meters in stock, and meters whose revision is due: two short lists with what one does with them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from avlas.meters import revision
from avlas.meters.directory import current_generation
from avlas.meters.models import Group, GroupMember, Installation, Meter, MeteringPoint
from avlas.reports.calc.borders import months_later
from avlas.system.models import Permission
from avlas.web import stock_columns, words
from avlas.web.listing import ROWS_PER_PAGE, Pages, asked
from avlas.web.pages.access import PageRequest, page, record, rows
from avlas.web.pages.fields import FloatNumberField
from avlas.web.pages.listed import Listed
from avlas.web.pages.meter_edit import MANAGE, who
from avlas.web.pages.meter_list import media_of

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpResponse, QueryDict
    from django.utils.functional import Promise

KIND_TITLES: Final[dict[str, Promise]] = {
    "thermal": gettext_lazy("Heat and cooling meters"),
    "water": gettext_lazy("Water meters"),
    "electricity": gettext_lazy("Electricity meters"),
}
_MONTHS_AHEAD: Final = 12


def in_stock(request: PageRequest) -> QuerySet[Meter]:
    """The utility's meters that are neither installed nor out of use."""
    installed = Installation.objects.filter(to_at=None, meter__utility=request.utility)
    return rows(request, Meter).filter(retired_at=None).exclude(pk__in=installed.values("meter_id"))


def _of_medium(request: PageRequest, query: QueryDict) -> QuerySet[Meter]:
    found = in_stock(request)
    medium = query.get("medium", "").replace("\0", "")[:30]
    return found.filter(medium=medium) if medium else found


_LIST: Final = Listed(
    name="stock",
    address="meter_stock",
    act="meter_stock_act",
    page_template="pages/meter_stock.html",
    empty="pages/meter_stock_none.html",
    columns=stock_columns.COLUMNS,
    standard=stock_columns.STANDARD,
    searched=stock_columns.SEARCHED,
    in_all=("search_text",),
    sorts=stock_columns.SORTS,
    sort="manufacturer",
    rows=_of_medium,
    fetch=stock_columns.fetch,
    file_name=gettext_lazy("meters-in-stock"),
    caption=gettext_lazy("Meters in stock"),
    selected=gettext_lazy("Meters selected:"),
    exported=gettext_lazy("The ticked meters, or all in the list when none is ticked."),
    row_end="parts/stock_install.html",
    meters=lambda _request, ids: list(ids),
)


@page()
def stock(request: PageRequest) -> HttpResponse:
    """The meters in stock; with ``point`` in the address, to choose the one that is put there."""
    number = request.GET.get("point", "")
    point = (
        rows(request, MeteringPoint).filter(pk=int(number[:18])).first()
        if number.isascii() and number.isdigit()
        else None
    )
    utility = request.utility.pk
    count = rows(request, Meter).count()
    return _LIST.page(
        request,
        point=point,
        media={name: words.medium(name) for name in media_of(utility, current_generation(utility), count)},
        medium=request.GET.get("medium", ""),
        retired=rows(request, Meter).exclude(retired_at=None).order_by("-retired_at")[:20],
    )


@page(change=Permission.DATA_ACCESS)
def act(request: PageRequest) -> HttpResponse:
    """Do to the chosen meters in stock what the button pressed says."""
    return _LIST.deed(request) if request.method == "POST" else redirect("meter_stock")


def _in_months(day: date, months: int) -> date:
    last = months_later(day, months + 1) - timedelta(days=1)
    return last.replace(day=min(day.day, last.day))


@page(change=Permission.GROUP_MANAGEMENT)
def revisions(request: PageRequest) -> HttpResponse:
    """The installed meters that have to be revised within a year; with one click they are a group."""
    today = datetime.now(UTC).date()
    by = _in_months(today, _MONTHS_AHEAD)
    found = revision.due_by(request.utility.pk, by).order_by("manufactured_year", "revision_due", "serial")
    if request.method == "POST":
        group, count = _as_group(request, found, by)
        said = ngettext(
            "%(n)d meter is in the group “%(name)s” now.",
            "%(n)d meters are in the group “%(name)s” now.",
            count,
        )
        messages.success(request, said % {"n": count, "name": group})
        return redirect("meter_revisions")
    wanted = asked(request.GET, columns=(), sorts=(), default="")
    pages = Pages(found.count(), wanted.page)
    shown = list(found[wanted.offset : wanted.offset + ROWS_PER_PAGE])
    places = {
        one.meter_id: one.point
        for one in Installation.objects.filter(meter__in=shown, to_at=None).select_related("point")
    }
    periods = revision.periods(request.utility.pk)
    context = {
        "rows": [(meter, places.get(meter.pk), revision.due(meter, periods)) for meter in shown],
        "pages": pages,
        "by": by,
        "today": today,
        "periods": [(KIND_TITLES[kind], period) for kind, period in periods.items()],
        "undated": rows(request, Meter)
        .filter(
            manufactured_year=None, revision_due=None, installations__to_at=None, installations__isnull=False
        )
        .count(),
    }
    return render(request, "pages/meter_revisions.html", context)


def _as_group(request: PageRequest, found: QuerySet[Meter], by: date) -> tuple[Group, int]:
    """Put the meters found into a group named after the day."""
    if Permission.GROUP_MANAGEMENT not in request.allowed:
        raise PermissionDenied
    with transaction.atomic():
        name = _("Revision due by %(day)s") % {"day": by.isoformat()}
        group, _new = Group.objects.get_or_create(utility=request.utility, name=name)
        ids = list(found.values_list("pk", flat=True))
        GroupMember.objects.bulk_create(
            [GroupMember(group=group, meter_id=pk) for pk in ids], ignore_conflicts=True, batch_size=500
        )
        record(request, "meter.revision_group_made", target=name, detail={"meters": len(ids)})
    return group, len(ids)


class PeriodsForm(forms.Form):
    """Years between revisions, by kind and, where water flows, by size."""

    def __init__(self, data: QueryDict | None = None, *, periods: dict[str, revision.Period]) -> None:
        super().__init__(data)
        self._parts: dict[str, tuple[str, ...]] = {}
        for kind, period in periods.items():
            sized = kind != "electricity"
            if sized:
                self.fields[f"{kind}_size"] = FloatNumberField(
                    label=_("Small up to qp (Q3), m³/h"),
                    least=0.01,
                    most=10000,
                    initial=period.small_to_qp_m3h,
                )
            self.fields[f"{kind}_small"] = _years(
                _("Years, small") if sized else _("Years"), period.years_small
            )
            if sized:
                self.fields[f"{kind}_large"] = _years(_("Years, larger"), period.years_large)
            self._parts[kind] = ("size", "small", "large") if sized else ("small",)

    @property
    def kinds(self) -> list[tuple[Promise, list[forms.BoundField]]]:
        """The fields of each kind under its title."""
        return [
            (KIND_TITLES[kind], [self[f"{kind}_{part}"] for part in parts])
            for kind, parts in self._parts.items()
        ]

    @property
    def periods(self) -> dict[str, revision.Period]:
        """What the valid form says."""
        data = self.cleaned_data
        return {
            kind: revision.Period(
                data.get(f"{kind}_size", revision.DEFAULTS[kind].small_to_qp_m3h),
                data[f"{kind}_small"],
                data.get(f"{kind}_large", data[f"{kind}_small"]),
            )
            for kind in self._parts
        }


def _years(label: str, initial: int) -> forms.IntegerField:
    return forms.IntegerField(label=label, min_value=1, max_value=50, initial=initial)


@page(view=MANAGE, change=MANAGE)
def periods(request: PageRequest) -> HttpResponse:
    """Set after how many years meters are revised."""
    form = PeriodsForm(request.POST or None, periods=revision.periods(request.utility.pk))
    if request.method == "POST" and form.is_valid():
        revision.set_periods(request.utility, form.periods, who(request))
        messages.success(request, _("The periods are saved."))
        return redirect("meter_revisions")
    return render(request, "pages/revision_periods.html", {"form": form}, status=422 if form.errors else 200)
