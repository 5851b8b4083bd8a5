"""Every address that any receiver of the utility hears, why it can't be read, and adopting it as a meter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.contrib import messages
from django.db.models import F, Q
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from avlas.meters.adopt import adopt as adopt_states
from avlas.meters.models import STATE_TEXTS, MeterState, State
from avlas.system.models import Permission
from avlas.web import words
from avlas.web.explained import explained
from avlas.web.listing import ROWS_PER_PAGE, Asked, Pages, asked
from avlas.web.pages.access import PageRequest, computer, find, page, rows

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpResponse
    from django.utils.functional import Promise


@dataclass(frozen=True, slots=True)
class Column:
    """A column: how it is called and by which field it is ordered."""

    title: Promise
    field: str
    css: str = ""


COLUMNS: Final[dict[str, Column]] = {
    "address": Column(gettext_lazy("Number"), "identification"),
    "maker": Column(gettext_lazy("Maker"), "manufacturer"),
    "model": Column(gettext_lazy("Meter type"), "model"),
    "medium": Column(gettext_lazy("Medium"), "medium"),
    "security": Column(gettext_lazy("Encryption"), "security"),
    "signal": Column(gettext_lazy("Signal"), "rssi_dbm"),
    "heard": Column(gettext_lazy("Telegrams"), "heard", "figure"),
    "last": Column(gettext_lazy("Last heard"), "last_heard_at"),
    "state": Column(gettext_lazy("State"), "state"),
}
SHOWN: Final[dict[str, Promise]] = {
    "": gettext_lazy("All heard"),
    "new": gettext_lazy("Not adopted"),
    "own": gettext_lazy("Own meters"),
    "trouble": gettext_lazy("Can't be read"),
}
_UNREAD: Final = [state for state in State if state not in (State.READ, State.UNKNOWN_METER)]
_DESCENDING_FIRST: Final = frozenset({"signal", "heard", "last"})


def _chosen(request: PageRequest) -> tuple[QuerySet[MeterState], Asked, str, str]:
    wanted = asked(request.GET, columns=(), sorts=COLUMNS, default="-last")
    show = request.GET.get("show", "")
    show = show if show in SHOWN else ""
    medium = request.GET.get("medium", "")
    found = rows(request, MeterState).defer("recent")
    for word in wanted.words:
        found = found.filter(
            Q(identification__icontains=word) | Q(manufacturer__icontains=word) | Q(model__icontains=word)
        )
    if medium:
        found = found.filter(medium=medium)
    if show == "new":
        found = found.filter(meter=None)
    elif show == "own":
        found = found.exclude(meter=None)
    elif show == "trouble":
        found = found.filter(state__in=_UNREAD)
    return found, wanted, show, medium


@page()
def heard(request: PageRequest) -> HttpResponse:
    """The list of what is heard; refreshed by itself while it is open."""
    found, wanted, show, medium = _chosen(request)
    field = F(COLUMNS[wanted.sort].field)
    order = field.desc(nulls_last=True) if wanted.descending else field.asc(nulls_last=True)
    total = found.count()
    number = min(wanted.page, max(1, -(-total // ROWS_PER_PAGE)))
    start = (number - 1) * ROWS_PER_PAGE
    ids = list(
        found.order_by(order, "identification", "pk").values_list("pk", flat=True)[
            start : start + ROWS_PER_PAGE
        ]
    )
    by_id = rows(request, MeterState).select_related("meter", "last_collector").defer("recent").in_bulk(ids)
    page_rows = [by_id[pk] for pk in ids if pk in by_id]
    fragment = bool(request.htmx) and not request.htmx.boosted
    context = {
        "rows": page_rows,
        "asked": wanted,
        "pages": Pages(total, number),
        "columns": [
            (
                name,
                column,
                name if name not in _DESCENDING_FIRST or wanted.order == f"-{name}" else f"-{name}",
            )
            for name, column in COLUMNS.items()
        ],
        "shown": SHOWN,
        "show": show,
        "media": {} if fragment else _media(request),
        "medium": medium,
        "narrowed": bool(wanted.words or show or medium),
        "may_adopt": Permission.DEVICE_AND_CUSTOMER_MANAGEMENT in request.allowed,
    }
    return render(request, "pages/heard_rows.html" if fragment else "pages/heard.html", context)


def _media(request: PageRequest) -> dict[str, str]:
    """The media of what is heard, in words."""
    found = rows(request, MeterState).exclude(medium="").values_list("medium", flat=True).distinct()
    return {name: words.medium(name) for name in sorted(found)}


@page()
def heard_one(request: PageRequest, pk: int) -> HttpResponse:
    """One address that is nobody's meter yet: its counters and its last telegrams, explained."""
    state = find(request, MeterState, pk)
    if state.meter_id is not None:
        return redirect("meter", state.meter_id)
    recent = [
        (moment, dbm, explained(request.utility.pk, bytes.fromhex(text), wired=text.startswith("68")))
        for moment, dbm, text in reversed(state.recent)
    ]
    context = {
        "state": state,
        "recent": recent,
        "newest": recent[0] if recent else None,
        "may_adopt": Permission.DEVICE_AND_CUSTOMER_MANAGEMENT in request.allowed,
    }
    return render(request, "pages/heard_one.html", context)


@page(view=Permission.DEVICE_AND_CUSTOMER_MANAGEMENT, change=Permission.DEVICE_AND_CUSTOMER_MANAGEMENT)
def adopt(request: PageRequest) -> HttpResponse:
    """Make the chosen addresses meters of the utility; the audit log is written by ``meters.adopt``."""
    if request.method != "POST":
        return redirect("heard")
    wanted = {
        int(text)
        for text in [*request.POST.getlist("state"), request.POST.get("one", "")]
        if text.isdecimal()
    }
    if request.POST.get("one"):
        wanted = {int(request.POST["one"])} if request.POST["one"].isdecimal() else set()
    states = list(rows(request, MeterState).filter(pk__in=list(wanted)[:10_000], meter=None))
    meters = adopt_states(request.utility, states, request.user, computer(request))
    if not meters:
        messages.warning(request, _("Nothing was chosen, or somebody else has just adopted it."))
    else:
        messages.success(
            request,
            ngettext("%(n)d meter adopted: %(names)s", "%(n)d meters adopted: %(names)s", len(meters))
            % {
                "n": len(meters),
                "names": ", ".join(str(m) for m in meters[:5]) + (" …" if len(meters) > 5 else ""),
            },
        )
        now = {s.pk: s for s in rows(request, MeterState).filter(pk__in=[s.pk for s in states])}
        for state, text in (
            (State.NO_KEY, _("%(n)d of them need a key: import the KEM file under Keys.")),
            (
                State.CONTESTED,
                _(
                    "%(n)d of them are claimed by another utility as well; nobody reads them until "
                    "that is settled."
                ),
            ),
        ):
            if count := sum(one.state == state for one in now.values()):
                messages.warning(request, f"{text % {'n': count}} ({STATE_TEXTS[state]})")
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return redirect(back if safe else "heard")
