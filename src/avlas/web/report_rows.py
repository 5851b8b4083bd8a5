"""What all reports have in common: whom they are about, search, order, marks, and adding rows to a group."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django.contrib import messages
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from avlas.meters import groups
from avlas.meters.keys import Who
from avlas.reports.period_use import Members, UseMark
from avlas.system.models import Permission
from avlas.web import formats, words
from avlas.web.pages.access import PageRequest, computer
from avlas.web.report_files import REPORT_KINDS
from avlas.web.report_period import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from django.http import QueryDict

    from avlas.reports.period_use import Who as Whose
    from avlas.web.report_period import ReportPeriod

MAY_GROUP: Final = Permission.GROUP_MANAGEMENT
_AFTER_Z: Final = str.maketrans("åäö", "{|}")

_Mark = tuple[str, str, str]  # sign, words, tone


@dataclass(frozen=True, slots=True)
class GroupChoice:
    """The group a report is about. ``members`` is None when it is not there any more."""

    value: str  # as it stands in the address
    title: str
    members: Members | None
    offered: list[tuple[str, str]]


def asked_group(request: PageRequest, name: str = "group") -> GroupChoice:
    """The group that the address asks for under ``name``."""
    value = request.GET.get(name, groups.ALL) or groups.ALL
    utility = request.utility.pk
    members = (
        Members(utility, *groups.members_test(utility, value)) if groups.exists(utility, value) else None
    )
    return GroupChoice(value, groups.title(utility, value), members, groups.choices(utility))


def limit(query: QueryDict, name: str) -> tuple[float | None, str]:
    """A figure that a person typed into the field ``name``: its value (None: none, or no number) and the text."""
    text = query.get(name, "").strip()[:20]
    plain = (
        text.replace(" ", "").replace(formats.HARD_SPACE, "").replace(",", ".").replace(formats.MINUS, "-")
    )
    try:
        value = float(plain) if plain else None
    except ValueError:
        value = None
    return (value if value is not None and np.isfinite(value) else None), text


def searched(people: Sequence[Whose], wanted: Iterable[str]) -> np.ndarray:
    """Which rows hold all the words, whatever their case, in one of the columns that say who it is."""
    found = np.ones(len(people), bool)
    parts = [word.casefold() for word in wanted]
    if not parts:
        return found
    for place, one in enumerate(people):
        whose = f"{one.address} {one.city} {one.customer} {one.customer_number}"
        text = f"{whose} {one.model} {one.manufacturer} {one.serial}".casefold()
        found[place] = all(part in text for part in parts)
    return found


def in_order(lines: np.ndarray, key: np.ndarray | Callable[[int], str], *, descending: bool) -> np.ndarray:
    """``lines`` by their figure (one for each line there is) or by text, as Swedish sorts it; what is missing last."""
    if callable(key):
        texts = [key(line).casefold().translate(_AFTER_Z) for line in lines.tolist()]
        there = [place for place, text in enumerate(texts) if text]
        gone = [place for place, text in enumerate(texts) if not text]
        order = sorted(there, key=texts.__getitem__, reverse=descending) + gone
        return lines[np.array(order, np.int64)]
    figures = key[lines]
    known, gone_lines = lines[~np.isnan(figures)], lines[np.isnan(figures)]
    figures = figures[~np.isnan(figures)]
    order_of = np.argsort(-figures if descending else figures, kind="stable")
    return np.concatenate([known[order_of], gone_lines])


def use_marks(value: int) -> list[_Mark]:
    """The marks of an amount: sign, words and tone."""
    return [
        (words.MARK_SIGNS[name], str(text), words.MARK_TONES.get(name, ""))
        for name, text in words.MARKS.items()
        if name.upper() in UseMark.__members__ and value & UseMark[name.upper()]
    ]


def type_name(one: Whose) -> str:
    """The meter's type; "Unknown" where nothing says which it is."""
    return one.model or _("Unknown")


def consumption_type(one: Whose) -> str:
    """What is consumed: heat, cooling, water; empty where nobody knows."""
    name = words.medium(one.medium)
    return name[:1].upper() + name[1:]


def add_to_group(request: PageRequest, meter_ids: Sequence[int]) -> None:
    """Put meters of a report into the group that the form chose, or a new one, and tell the person."""
    if not meter_ids:
        messages.error(request, _("Choose at least one meter."))
        return
    who = Who(request.user, computer(request))
    new, utility = request.POST.get("new_group", ""), request.utility.pk
    try:
        with transaction.atomic():
            group = (
                groups.create(utility, new, who)
                if new.strip()
                else groups.by_choice(utility, request.POST.get("to", ""))
            )
            if group is None:
                messages.error(request, _("Choose a group, or write the name of a new one."))
                return
            count = groups.add(group, meter_ids, who)
    except groups.BadGroup as problem:
        messages.error(request, str(problem))
        return
    text = ngettext(
        "%(count)s meter was added to %(group)s.", "%(count)s meters were added to %(group)s.", count
    )
    messages.success(request, text % {"count": formats.number(count), "group": group.name})


def posted_meters(request: PageRequest) -> list[int]:
    """The meters ticked in a report's table."""
    return [int(value) for value in request.POST.getlist("meter") if value.isascii() and value.isdecimal()]


def legend(marks: Iterable[Sequence[_Mark]]) -> list[_Mark]:
    """Each mark that stands somewhere on the page, once."""
    return list(dict.fromkeys(mark for of_line in marks for mark in of_line))


def context(request: PageRequest, group: GroupChoice, period: ReportPeriod) -> dict[str, Any]:
    """What the parts that all reports share need in a template."""
    return {
        "group": group,
        "period": period,
        "period_kinds": KINDS,
        "own_groups": [(groups.choice_of(one), one.name) for one in groups.own(request.utility.pk)],
        "kinds": REPORT_KINDS,
    }


def rounded(value: float, decimals: int) -> Decimal | None:
    """A figure for a file, with the decimals it deserves; None for one that is not known."""
    if not np.isfinite(value):
        return None
    return Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-decimals)) + 0  # + 0: never minus nothing


def place(one: Whose) -> str:
    """Address and town on one line."""
    return ", ".join(part for part in (one.address, one.city) if part)
