"""The list of meters: groups beside it, search, columns, choosing meters across pages, and what is done to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from avlas.meters import groups, priority
from avlas.meters.directory import current_generation
from avlas.meters.keys import Who
from avlas.meters.models import Meter
from avlas.notify import alerts
from avlas.reports.variables import BY_VARIABLE, PARTS, VARIABLES, chosen, fetch
from avlas.system.models import Permission
from avlas.web import words
from avlas.web.listing import Pages
from avlas.web.meter_search import (
    MISSING_AFTER,
    SEARCHED,
    SORTS,
    STATUSES,
    Wanted,
    all_ids,
    find_meters,
    wanted,
)
from avlas.web.pages import alerts as alert_pages
from avlas.web.pages import group_deeds
from avlas.web.pages.access import PageRequest, computer, page
from avlas.web.pages.column_choice import ColumnChoice
from avlas.web.pages.group_pages import group_form
from avlas.web.pages.ticked import ticked
from avlas.web.table_files import FILE_KINDS, table_file
from avlas.web.variable_words import as_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from django.http import HttpResponse

    from avlas.reports.variables import Variable
    from avlas.web.table_files import Cell

COLUMNS: Final = ("customer", "address", "postal_code", "customer_number", "type", "serial", "latest")
"""Shown until somebody chooses others."""
CHOICE: Final = ColumnChoice("meter", "meters", frozenset(BY_VARIABLE), COLUMNS)
_EXPORTED_AT_ONCE: Final = 2000


@page()
def meters(request: PageRequest) -> HttpResponse:
    """The list of meters. With ``col`` in the address (the form that chooses columns) these become the user's own."""
    if CHOICE.is_made(request.GET):
        return CHOICE.make(request)
    what = wanted(request.GET)
    now = datetime.now(UTC)
    ids, total = find_meters(request.utility.pk, what, now)
    if not ids and total and what.search.page > 1:
        what = replace(what, search=replace(what.search, page=1))
        ids, total = find_meters(request.utility.pk, what, now)
    columns = _columns(request)
    fragment = bool(request.htmx) and not request.htmx.boosted
    context = {
        "rows": fetch(ids, columns),
        "asked": what.search,
        "wanted": what,
        "pages": Pages(total, what.search.page),
        "columns": columns,
        "standard_columns": tuple(one.code for one in columns) == COLUMNS,
        "sorts": SORTS,
        "missing_before": now - MISSING_AFTER,
        "alerted": alerts.fired_of(ids),
        "own_group": groups.by_choice(request.utility.pk, what.group),
    }
    if not fragment:
        context |= _frame(request, what, columns, None if what.narrowed else total)
    return render(request, "pages/meter_rows.html" if fragment else "pages/meters.html", context)


def _frame(
    request: PageRequest, what: Wanted, columns: Sequence[Variable], every: int | None
) -> dict[str, Any]:
    """What stands around the list: the groups with their counts, what can be searched, filtered and shown."""
    counts = groups.counts(request.utility.pk, every)
    own = groups.own(request.utility.pk)
    media = media_of(request.utility.pk, current_generation(request.utility.pk), counts[groups.ALL])
    return {
        "built_in": [(key, title, counts[key]) for key, title in groups.BUILT_IN.items()],
        "own_groups": [(groups.choice_of(one), one, counts[groups.choice_of(one)]) for one in own],
        "group_is_gone": what.group not in counts,
        "heading": _heading(what.group, {groups.choice_of(one): one.name for one in own}),
        "searched": chosen(SEARCHED),
        "media": {name: words.medium(name) for name in media},
        "statuses": STATUSES,
        "offered": [(title, [one for one in VARIABLES if one.part == part]) for part, title in PARTS.items()],
        "shown_codes": [one.code for one in columns],
    }


@lru_cache(64)
def media_of(utility_id: int, _generation: int, _count: int) -> tuple[str, ...]:
    """The media of the utility's meters. Looked for anew when its meters have changed: it takes a look at each."""
    found = Meter.objects.filter(utility_id=utility_id).exclude(medium="")
    return tuple(sorted(found.values_list("medium", flat=True).distinct()))


def _heading(choice: str, own: dict[str, str]) -> str:
    """What the list shows: the group's name, or meters when it shows all or the group is no longer there."""
    if choice in groups.BUILT_IN and choice != groups.ALL:
        return str(groups.BUILT_IN[choice])
    return own.get(choice) or _("Meters")


def _columns(request: PageRequest) -> list[Variable]:
    """The columns in the address, else those the user chose last, else the standard ones."""
    return chosen(CHOICE.codes(request, request.GET))


@page()
def export(request: PageRequest) -> HttpResponse:
    """All meters that fit the list's search and filter, with its columns, as a file (``kind``: csv or xlsx)."""
    kind = request.GET.get("kind", "csv")
    ids = all_ids(request.utility.pk, wanted(request.GET), datetime.now(UTC))
    return _file(request, kind, ids, _columns(request))


def _file(request: PageRequest, kind: str, ids: Sequence[int], columns: Sequence[Variable]) -> HttpResponse:
    def cells() -> Iterator[list[Cell]]:
        for start in range(0, len(ids), _EXPORTED_AT_ONCE):
            for facts in fetch(ids[start : start + _EXPORTED_AT_ONCE], columns):
                yield [as_cell(one, facts) for one in columns]

    headings = [one.heading for one in columns]
    return table_file(request, kind if kind in FILE_KINDS else "csv", _("meters"), headings, cells())


def chosen_ids(request: PageRequest) -> list[int]:
    """The meters somebody ticked in a list (POST): on the page shown, on other pages, or all that fit the list.

    Only meters of the own utility, each once.
    """
    if request.POST.get("all"):
        return all_ids(request.utility.pk, wanted(QueryDict(request.POST.get("list", ""))), datetime.now(UTC))
    numbers = ticked(request.POST, "meter")
    allowed = set(groups.of_utility(request.utility.pk, numbers))
    return [one for one in numbers if one in allowed]


@page(change=Permission.DATA_ACCESS)
def act(request: PageRequest) -> HttpResponse:
    """Do to the chosen meters what the button pressed says: ``do`` is a deed, or a deed and what with ("add:g12")."""
    do, _colon, what = request.POST.get("do", "").partition(":")
    if request.method != "POST" or do not in _DEEDS:
        return redirect("meters")
    needed, deed = _DEEDS[do]
    if needed not in request.allowed:
        raise PermissionDenied
    ids = chosen_ids(request)
    if not ids and do != "export":
        messages.warning(request, _("No meter is chosen. Tick the meters first."))
        return _back(request)
    return deed(request, ids, what)


def _back(request: PageRequest) -> HttpResponse:
    """To the list as it was."""
    query = QueryDict(request.POST.get("list", ""))
    return redirect(f"{reverse('meters')}?{query.urlencode()}" if query else "meters")


def _of_one(address: str) -> Callable[[PageRequest, list[int], str], HttpResponse]:
    """A deed that is the page ``address`` of the one meter that was ticked."""

    def go(request: PageRequest, ids: list[int], _what: str) -> HttpResponse:
        if len(ids) > 1:
            messages.warning(request, _("Choose one meter for this."))
            return _back(request)
        return redirect(address, ids[0])

    return go


def _export(request: PageRequest, ids: list[int], kind: str) -> HttpResponse:
    request.GET = QueryDict(request.POST.get("list", ""))
    if not ids:
        ids = all_ids(request.utility.pk, wanted(request.GET), datetime.now(UTC))
    return _file(request, kind, ids, _columns(request))


def _add(request: PageRequest, ids: list[int], choice: str) -> HttpResponse:
    group_deeds.add(request, ids, choice)
    return _back(request)


def _remove(request: PageRequest, ids: list[int], choice: str) -> HttpResponse:
    group_deeds.remove(request, ids, choice)
    return _back(request)


def _new_group(request: PageRequest, ids: list[int], _what: str) -> HttpResponse:
    return group_form(request, ids=ids, back=request.POST.get("list", ""))


def _alert(request: PageRequest, ids: list[int], _what: str) -> HttpResponse:
    return alert_pages.ceiling_form(request, ids, back=request.POST.get("list", ""))


def _priority(request: PageRequest, ids: list[int], _what: str) -> HttpResponse:
    try:
        count = priority.make(request.utility, ids, Who(request.user, computer(request)))
    except priority.TooManyPriorityMeters as problem:
        messages.error(request, str(problem))
        return _back(request)
    text = ngettext(
        "%(n)d meter is a priority meter now: it is read every %(minutes)d minutes.",
        "%(n)d meters are priority meters now: they are read every %(minutes)d minutes.",
        count,
    )
    values = {"n": count, "minutes": request.utility.priority_slot_minutes}
    messages.success(request, text % values if count else _("They are priority meters already."))
    return _back(request)


def _ordinary(request: PageRequest, ids: list[int], _what: str) -> HttpResponse:
    count = priority.end(request.utility, ids, Who(request.user, computer(request)))
    text = ngettext(
        "%(n)d meter is an ordinary meter again.", "%(n)d meters are ordinary meters again.", count
    )
    if count:
        messages.success(request, text % {"n": count})
    else:
        messages.warning(request, _("None of the chosen meters is a priority meter."))
    return _back(request)


_DEEDS: Final[dict[str, tuple[str, Callable[[PageRequest, list[int], str], HttpResponse]]]] = {
    "readings": (Permission.DATA_ACCESS, _of_one("meter_readings")),
    "details": (Permission.DATA_ACCESS, _of_one("meter")),
    "edit": (Permission.DEVICE_AND_CUSTOMER_MANAGEMENT, _of_one("meter_edit")),
    "delete": (Permission.DEVICE_AND_CUSTOMER_MANAGEMENT, _of_one("meter_delete")),
    "exchange": (Permission.DEVICE_AND_CUSTOMER_MANAGEMENT, _of_one("meter_exchange")),
    "export": (Permission.DATA_ACCESS, _export),
    "add": (Permission.GROUP_MANAGEMENT, _add),
    "remove": (Permission.GROUP_MANAGEMENT, _remove),
    "new_group": (Permission.GROUP_MANAGEMENT, _new_group),
    "alert": (alert_pages.MAY_SET, _alert),
    "priority": (Permission.READING_MANAGEMENT, _priority),
    "ordinary": (Permission.READING_MANAGEMENT, _ordinary),
}
"""What can be done to chosen meters, and who may."""
