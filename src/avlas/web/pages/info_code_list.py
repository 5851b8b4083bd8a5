"""The info codes of all meters: active and historical, gravest and newest first, with what is done about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from avlas.meters import cases, groups, reading_order
from avlas.meters.directory import current_generation
from avlas.meters.keys import Who
from avlas.meters.models import Case, Installation, Meter
from avlas.reports.calc.recorded_time import LOOK_BACK_SECONDS, began_at
from avlas.reports.info_codes import Reported, all_changes, describe, reported
from avlas.system.models import Permission
from avlas.web import words
from avlas.web.info_codes import Meaning, Meanings, Said
from avlas.web.listing import ROWS_PER_PAGE, Asked, Pages, asked
from avlas.web.meter_search import contains
from avlas.web.pages.access import PageRequest, computer, page, rows
from avlas.web.pages.meter_list import media_of
from avlas.web.table_files import FILE_KINDS, Cell, table_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from django.http import HttpResponse
    from django.utils.functional import Promise

MAY_FOLLOW_UP: Final = Permission.DEVICE_AND_CUSTOMER_MANAGEMENT
SORTS: Final = ("gravity", "since", "read", "address", "serial")
SHOWN: Final[dict[str, Promise]] = {
    "": gettext_lazy("All but snoozed"),
    "new": gettext_lazy("Not acknowledged"),
    "active": gettext_lazy("Active"),
    "past": gettext_lazy("Only historical"),
    "mine": gettext_lazy("Assigned to me"),
    "snoozed": gettext_lazy("Snoozed"),
}
_IN_SESSION: Final = "info_code_columns"
_SEARCHED: Final = (
    "m.serial", "m.model", "m.manufacturer", "p.address", "p.postal_code", "p.city", "p.facility_id",
)  # fmt: skip
_BY_DESCRIPTION: Final = frozenset({"read", "address", "serial"})
"""Orders that need what meters are and where; of others it is looked up for the rows shown alone."""


@dataclass(slots=True)
class Row:
    """One meter of the list."""

    meter: Reported
    active: tuple[Said, ...]
    gravity: int
    since: int | None  # seconds UTC: when the newest of the active codes began, else the last change
    case: Case | None = None
    historical: Sequence[Said] = ()

    @property
    def read_at(self) -> datetime | None:
        """When the meter was last read."""
        return None if self.meter.read_at is None else datetime.fromtimestamp(self.meter.read_at, UTC)

    @property
    def since_at(self) -> datetime | None:
        """``since`` as a moment."""
        return None if self.since is None else datetime.fromtimestamp(self.since, UTC)

    @property
    def is_acknowledged(self) -> bool:
        """Whether somebody knows of the codes that are active."""
        case, since = self.case, self.since_at
        return bool(case and case.acknowledged_at and (since is None or since <= case.acknowledged_at))

    @property
    def is_snoozed(self) -> bool:
        """Whether it is left out for now; a code that began later ends that."""
        case, since = self.case, self.since_at
        return bool(
            case
            and case.snoozed_until
            and case.snoozed_until > datetime.now(UTC)
            and (since is None or case.snoozed_at is None or since <= case.snoozed_at)
        )

    @property
    def state(self) -> str:
        """What is done about it, in words."""
        if self.is_snoozed:
            return _("snoozed")
        if self.active and self.is_acknowledged:
            return _("acknowledged")
        return _("new") if self.active else ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file."""

    title: Promise
    value: Callable[[Row], Cell]
    usual: bool = False


COLUMNS: Final[dict[str, Column]] = {
    "reading_time": Column(gettext_lazy("Reading time"), lambda row: row.read_at, usual=True),
    "address": Column(gettext_lazy("Address"), lambda row: row.meter.address, usual=True),
    "postal_code": Column(gettext_lazy("Postal code"), lambda row: row.meter.postal_code),
    "city": Column(gettext_lazy("City"), lambda row: row.meter.city),
    "serial": Column(gettext_lazy("Serial number"), lambda row: row.meter.serial, usual=True),
    "type": Column(gettext_lazy("Meter type"), lambda row: row.meter.model),
    "medium": Column(gettext_lazy("Medium"), lambda row: words.medium(row.meter.medium)),
    "active": Column(
        gettext_lazy("Info code (active)"), lambda row: "; ".join(s.text for s in row.active), usual=True
    ),
    "since": Column(gettext_lazy("Active since"), lambda row: row.since_at if row.active else None),
    "historical": Column(
        gettext_lazy("Info code (historical)"),
        lambda row: "; ".join(s.text for s in row.historical),
        usual=True,
    ),
    "state": Column(gettext_lazy("State"), lambda row: row.state),
    "assigned_to": Column(
        gettext_lazy("Assigned to"),
        lambda row: str(row.case.assigned_to) if row.case and row.case.assigned_to else "",
    ),
}


@dataclass(slots=True)
class Chosen:
    """What somebody asked of the list, and the rows that fit, in order."""

    wanted: Asked
    show: str
    code: str
    group: str
    medium: str
    rows: list[Row]
    meanings: Meanings
    now: int  # seconds UTC

    @property
    def is_narrowed(self) -> bool:
        """Whether something was asked for."""
        return bool(self.wanted.words or self.show or self.code or self.medium or self.group != groups.ALL)

    def complete(self, some: list[Row]) -> list[Row]:
        """The rows with what their meters are, what was recorded in 30 days, and since when codes are active."""
        begin = self.now - LOOK_BACK_SECONDS
        describe([row.meter for row in some], self.now)
        every = all_changes(
            row.meter.meter_id
            for row in some
            if row.active and row.meter.changes and row.meter.changes[0][0] < begin
        )
        for row in some:
            meter = row.meter
            end = meter.read_at or begin
            row.historical = self.meanings.recorded(meter.family, meter.info_code, meter.changes, begin, end)
            if meter.meter_id in every:
                row.since = _since(self.meanings, meter, every[meter.meter_id])
        return some


def _plain(code: str) -> str:
    """A code's name whether it is active or remembered."""
    return code.partition("_recorded")[0].removeprefix("was_")


def _since(meanings: Meanings, meter: Reported, changes: list[tuple[int, int]]) -> int | None:
    """When the newest of the active codes began, else the last change."""
    active = meanings.of(meter.family, meter.info_code).shown
    if not active or not changes:
        return changes[-1][0] if changes else None
    shown = [(at, meanings.of(meter.family, number).shown) for at, number in changes]
    began = [at for code in active if (at := began_at(shown, code)) is not None]
    return max(began, default=None)


@dataclass(frozen=True, slots=True)
class _Course:
    """What meters of a family have in common whose codes changed in the same way."""

    meaning: Meaning
    began: int | None  # which of the changes ``_since`` means


def _course(meanings: Meanings, meter: Reported, code: str) -> _Course | None:
    """How the meter's codes went; None when it shows none, or not ``code`` ("": whichever)."""
    meaning = meanings.of(meter.family, meter.info_code)
    numbers = {meter.code_before, *(number for _at, number in meter.changes)}
    before = [shown for number in numbers if (shown := meanings.of(meter.family, number).shown)]
    if not meaning.said and not before:
        return None
    if code and code not in {_plain(one.code) for one in meaning.said}.union(*before):
        return None
    numbered = [(place, number) for place, (_at, number) in enumerate(meter.changes)]
    return _Course(meaning, _since(meanings, meter, numbered))


def choose(request: PageRequest) -> Chosen:
    """The rows that fit what the address asks for."""
    wanted = asked(request.GET, columns=(), sorts=SORTS, default="-gravity")
    show, code = request.GET.get("show", ""), request.GET.get("code", "")
    group, medium = request.GET.get("group", groups.ALL), request.GET.get("medium", "")[:30]
    tests, values = [], []  # type: list[str], list[Any]
    if group != groups.ALL:
        test, values = groups.members_test(request.utility.pk, group)
        tests.append(test)
    for word in wanted.words:
        test, patterns = contains(_SEARCHED, word)
        tests.append(f"({test})")
        values = [*values, *patterns]
    if medium:
        tests.append("m.medium = %s")
        values = [*values, medium]
    now = int(datetime.now(UTC).timestamp())
    meanings, kept = Meanings(), []  # type: Meanings, list[Row]
    cases_of, me = _cases(request), request.user.pk
    courses: dict[tuple[str, int, tuple[int, ...]], _Course | None] = {}  # thousands of meters, few courses
    for meter in reported(request.utility.pk, now, " AND ".join(tests), values):
        changes = meter.changes
        key = (meter.family, meter.info_code, (meter.code_before, *[number for _at, number in changes]))
        try:
            course = courses[key]
        except KeyError:
            course = courses[key] = _course(meanings, meter, code)
        if course is None:
            continue
        since = None if course.began is None else changes[course.began][0]
        row = Row(meter, course.meaning.active, course.meaning.gravity, since, cases_of.get(meter.meter_id))
        if _fits(row, show, me):
            kept.append(row)
    if wanted.sort in _BY_DESCRIPTION:
        describe([row.meter for row in kept], now)
    kept.sort(key=_order(wanted.sort), reverse=wanted.descending)
    return Chosen(wanted, show if show in SHOWN else "", code, group, medium, kept, meanings, now)


def _cases(request: PageRequest) -> dict[int, Case]:
    """The cases by meter: that of the point where it sits, else its own."""
    found = list(rows(request, Case).select_related("assigned_to"))
    at_points = {case.point_id: case for case in found if case.point_id is not None}
    of_meters = {case.meter_id: case for case in found if case.meter_id is not None}
    here = Installation.objects.filter(to_at=None)
    sitting = here.filter(point__in=at_points).values_list("meter_id", "point_id")
    for meter_id in here.filter(meter__in=of_meters).values_list("meter_id", flat=True):
        del of_meters[meter_id]
    return of_meters | {meter_id: at_points[point_id] for meter_id, point_id in sitting}


def _fits(row: Row, show: str, user_id: int) -> bool:
    if not show and row.case is None:
        return True
    if show == "snoozed":
        return row.is_snoozed
    if show == "mine":
        return bool(row.case and row.case.assigned_to_id == user_id)
    if show == "active":
        return bool(row.active)
    if show == "past":
        return not row.active
    if show == "new":
        return bool(row.active) and not row.is_acknowledged and not row.is_snoozed
    return not row.is_snoozed


def _order(sort: str) -> Callable[[Row], tuple[Any, ...]]:
    orders: dict[str, Callable[[Row], tuple[Any, ...]]] = {
        "gravity": lambda row: (row.gravity, row.since or 0, row.meter.meter_id),
        "since": lambda row: (row.since or 0, row.gravity, row.meter.meter_id),
        "read": lambda row: (row.meter.read_at or 0, row.meter.meter_id),
        "address": lambda row: (reading_order.address_key(row.meter.address), row.meter.meter_id),
        "serial": lambda row: (row.meter.serial, row.meter.meter_id),
    }
    return orders[sort]


@page()
def info_codes(request: PageRequest) -> HttpResponse:
    """The list, or its rows alone."""
    chosen = choose(request)
    pages = Pages(len(chosen.rows), chosen.wanted.page)
    if pages.number > pages.count:
        pages = Pages(pages.total, 1)
    start = (pages.number - 1) * ROWS_PER_PAGE
    picked = request.session.get(_IN_SESSION) or [name for name, one in COLUMNS.items() if one.usual]
    fragment = bool(request.htmx) and not request.htmx.boosted
    context = {
        "rows": chosen.complete(chosen.rows[start : start + ROWS_PER_PAGE]),
        "asked": chosen.wanted,
        "pages": pages,
        "shown": SHOWN,
        "chosen": chosen,
        "codes": sorted(chosen.meanings.met().items(), key=lambda item: item[1].casefold()),
        "groups": groups.choices(request.utility.pk),
        "group_is_gone": not groups.exists(request.utility.pk, chosen.group),
        "media": {} if fragment else _media(request),
        "columns": [(name, column.title, name in picked) for name, column in COLUMNS.items()],
        "may_follow_up": MAY_FOLLOW_UP in request.allowed,
    }
    return render(request, "pages/info_code_rows.html" if fragment else "pages/info_codes.html", context)


def _media(request: PageRequest) -> dict[str, str]:
    count = rows(request, Meter).count()
    found = media_of(request.utility.pk, current_generation(request.utility.pk), count)
    return {name: words.medium(name) for name in found}


@page()
def export(request: PageRequest) -> HttpResponse:
    """All rows that fit, with the columns chosen, which are remembered for the next time."""
    asked_for = [name for name in request.GET.getlist("column") if name in COLUMNS]
    if asked_for:
        request.session[_IN_SESSION] = asked_for
    picked = asked_for or [name for name, one in COLUMNS.items() if one.usual]
    kind = request.GET.get("as", "")
    chosen = choose(request)
    columns = [COLUMNS[name] for name in picked]
    lines: Iterable[list[Cell]] = ([one.value(row) for one in columns] for row in _in_steps(chosen))
    titles = [str(one.title) for one in columns]
    return table_file(request, kind if kind in FILE_KINDS else "csv", _("info-codes"), titles, lines)


def _in_steps(chosen: Chosen) -> Iterable[Row]:
    for start in range(0, len(chosen.rows), 500):
        yield from chosen.complete(chosen.rows[start : start + 500])


@page(view=MAY_FOLLOW_UP, change=MAY_FOLLOW_UP)
def acknowledge(request: PageRequest) -> HttpResponse:
    """Acknowledge the codes of the chosen meters."""
    if request.method != "POST":
        return redirect("info_codes")
    ids = {int(text) for text in request.POST.getlist("meter")[:ROWS_PER_PAGE] if text.isdecimal()}
    found = list(rows(request, Meter).filter(pk__in=[one for one in ids if one < 1 << 63]).order_by("pk"))
    for meter in found:
        cases.acknowledge(meter, Who(request.user, computer(request)))
    if found:
        text = ngettext("%(n)d meter acknowledged", "%(n)d meters acknowledged", len(found))
        messages.success(request, text % {"n": len(found)})
    else:
        messages.warning(request, _("Nothing was chosen."))
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return redirect(back if safe else reverse("info_codes"))
