"""Groups of meters: a utility's own ones, and those that are always there. Lists, reports and the map choose by them.

A choice is a short word that stands in addresses: ``all``, ``ungrouped``, ``imported``, ``priority``, ``stock``,
or ``g`` and the number of an own group (``g12``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters.models import Group, GroupMember, Meter
from avlas.system import audit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.utils.functional import Promise

    from avlas.meters.keys import Who

ALL: Final = "all"
PRIORITY_SLOT_SECONDS: Final = 300
BUILT_IN: Final[dict[str, Promise]] = {
    ALL: gettext_lazy("All meters"),
    "ungrouped": gettext_lazy("Non-grouped meters"),
    "imported": gettext_lazy("Last imported meters"),
    "priority": gettext_lazy("Priority meters"),
    "stock": gettext_lazy("Meters in stock"),
}
_TOGETHER_SECONDS: Final = 3600  # meters made within an hour of the newest one came with it
_OWN = re.compile(r"g(\d{1,15})", re.ASCII)
_AT_ONCE: Final = 500  # rows a statement

_TESTS: Final[dict[str, str]] = {  # SQL on meters_meter m; {utility} is the utility's number
    ALL: "1 = 1",
    "ungrouped": "NOT EXISTS (SELECT 1 FROM meters_groupmember gm WHERE gm.meter_id = m.id)",
    "imported": "m.created_at >= (SELECT {together} FROM meters_meter n WHERE n.utility_id = {utility})",
    "priority": f"m.slot_seconds = {PRIORITY_SLOT_SECONDS}",
    "stock": (
        "NOT EXISTS (SELECT 1 FROM meters_installation gi WHERE gi.meter_id = m.id AND gi.to_at IS NULL)"
    ),
}
_TOGETHER: Final = {
    "sqlite": f"datetime(max(n.created_at), '-{_TOGETHER_SECONDS} seconds')",
    "postgresql": f"max(n.created_at) - interval '{_TOGETHER_SECONDS} seconds'",
}


class BadGroup(ValueError):  # noqa: N818
    """The group can't be made, found or named so; the message says why, for a person."""


def members_test(utility_id: int, choice: str) -> tuple[str, list[Any]]:
    """SQL (and its parameters) that tests whether the row ``m`` of meters_meter is chosen by ``choice``.

    The test says nothing of whose the meter is: ``m.utility_id`` must be tested beside it. A choice that is not
    there (any more) chooses nothing.
    """
    if choice in _TESTS:
        return _TESTS[choice].format(together=_TOGETHER[connection.vendor], utility=int(utility_id)), []
    own = _OWN.fullmatch(choice)
    if own is None:
        return "1 = 0", []
    return (
        "m.id IN (SELECT gm.meter_id FROM meters_groupmember gm JOIN meters_group g ON g.id = gm.group_id"
        " WHERE g.id = %s AND g.utility_id = %s)"
    ), [int(own[1]), utility_id]


def meter_ids(utility_id: int, choice: str) -> list[int]:
    """The ids of the utility's meters that ``choice`` chooses, in order."""
    test, values = members_test(utility_id, choice)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT m.id FROM meters_meter m WHERE m.utility_id = %s AND {test} ORDER BY m.id",
            [utility_id, *values],
        )
        return [row[0] for row in cursor.fetchall()]


def of_utility(utility_id: int, ids: Iterable[int]) -> list[int]:
    """Those of ``ids`` that are meters of the utility, in order, each once."""
    wanted = sorted({one for one in ids if 0 < one < 1 << 63})
    found: list[int] = []
    for some in _pieces(wanted):
        found += (
            Meter.objects.filter(utility_id=utility_id, pk__in=some)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
    return found


def own(utility_id: int) -> list[Group]:
    """The utility's own groups by name."""
    return sorted(Group.objects.filter(utility_id=utility_id), key=lambda group: group.name.casefold())


def choice_of(group: Group) -> str:
    """The word for an own group."""
    return f"g{group.pk}"


def exists(utility_id: int, choice: str) -> bool:
    """Whether there is such a choice for this utility."""
    return choice in BUILT_IN or by_choice(utility_id, choice) is not None


def by_choice(utility_id: int, choice: str) -> Group | None:
    """The own group that ``choice`` means, None for the built-in ones and for what is not there."""
    found = _OWN.fullmatch(choice)
    return Group.objects.filter(utility_id=utility_id, pk=int(found[1])).first() if found else None


def choices(utility_id: int) -> list[tuple[str, str]]:
    """Every choice with its name, the built-in ones first."""
    return [
        *((key, str(title)) for key, title in BUILT_IN.items()),
        *((choice_of(group), group.name) for group in own(utility_id)),
    ]


def title(utility_id: int, choice: str) -> str:
    """What a choice is called; a group that was deleted is called that."""
    if choice in BUILT_IN:
        return str(BUILT_IN[choice])
    found = by_choice(utility_id, choice)
    return found.name if found else _("a group that is no longer there")


def counts(utility_id: int) -> dict[str, int]:
    """How many meters each choice has now."""
    tests = [members_test(utility_id, key)[0] for key in BUILT_IN if key != "ungrouped"]
    found: dict[str, int] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(f'sum(CASE WHEN {test} THEN 1 ELSE 0 END)' for test in tests)}"
            " FROM meters_meter m WHERE m.utility_id = %s",
            [utility_id],
        )
        row = cursor.fetchone()
        found |= dict(
            zip((key for key in BUILT_IN if key != "ungrouped"), (int(one or 0) for one in row), strict=True)
        )
        cursor.execute(
            "SELECT count(DISTINCT gm.meter_id) FROM meters_groupmember gm"
            " JOIN meters_group g ON g.id = gm.group_id WHERE g.utility_id = %s",
            [utility_id],
        )
        found["ungrouped"] = found[ALL] - int(cursor.fetchone()[0])
        cursor.execute(
            "SELECT g.id, count(gm.id) FROM meters_group g LEFT JOIN meters_groupmember gm ON gm.group_id = g.id"
            " WHERE g.utility_id = %s GROUP BY g.id",
            [utility_id],
        )
        found |= {f"g{group}": int(count) for group, count in cursor.fetchall()}
    return found


def create(utility_id: int, name: str, who: Who, note: str = "") -> Group:
    """Make an own group. Raises BadGroup when the name is empty, too long or taken."""
    named = _checked(utility_id, name, None)
    try:
        with transaction.atomic():
            group = Group.objects.create(utility_id=utility_id, name=named, note=note.strip()[:300])
            _audit("groups.added", group, who)
    except IntegrityError:  # somebody else was quicker
        raise BadGroup(_("There is a group with this name already.")) from None
    return group


def change(group: Group, name: str, note: str, who: Who) -> None:
    """Give the group another name and note. Raises BadGroup when the name is empty, too long or taken."""
    before = {"name": group.name, "note": group.note}
    group.name, group.note = _checked(group.utility_id, name, group.pk), note.strip()[:300]
    if before == {"name": group.name, "note": group.note}:
        return
    with transaction.atomic():
        group.save(update_fields=["name", "note"])
        _audit("groups.changed", group, who, before=before)


def delete(group: Group, who: Who) -> None:
    """Take the group away; its meters stay."""
    with transaction.atomic():
        _audit("groups.removed", group, who, meters=group.members.count())
        group.delete()


def add(group: Group, ids: Iterable[int], who: Who) -> int:
    """Put meters of the group's utility into it; gives how many were not in it before. Others' ids are passed over."""
    wanted = of_utility(group.utility_id, ids)
    with transaction.atomic():
        before = group.members.count()
        for some in _pieces(wanted):
            GroupMember.objects.bulk_create(
                [GroupMember(group=group, meter_id=one) for one in some], ignore_conflicts=True
            )
        count = group.members.count() - before
        if count:
            _audit("groups.meters_added", group, who, meters=count)
    return count


def remove(group: Group, ids: Iterable[int], who: Who) -> int:
    """Take meters out of the group; gives how many were in it."""
    count = 0
    with transaction.atomic():
        for some in _pieces(sorted(set(ids))):
            count += GroupMember.objects.filter(group=group, meter_id__in=some).delete()[0]
        if count:
            _audit("groups.meters_removed", group, who, meters=count)
    return count


def _pieces(ids: list[int]) -> Iterator[list[int]]:
    for begin in range(0, len(ids), _AT_ONCE):
        yield ids[begin : begin + _AT_ONCE]


def _checked(utility_id: int, name: str, own_pk: int | None) -> str:
    named = " ".join(name.replace("\0", "").split())
    if not named:
        raise BadGroup(_("Give the group a name."))
    if len(named) > 80:
        raise BadGroup(_("The name has more than 80 letters."))
    taken = {group.name.casefold() for group in own(utility_id) if group.pk != own_pk}
    if named.casefold() in taken | {str(text).casefold() for text in BUILT_IN.values()}:
        raise BadGroup(_("There is a group with this name already."))
    return named


def _audit(event: str, group: Group, who: Who, **detail: Any) -> None:
    audit.record(
        event, utility=group.utility, user=who.user, computer=who.computer, target=group.name, detail=detail
    )
