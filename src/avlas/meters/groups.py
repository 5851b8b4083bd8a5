"""Groups of meters: a utility's own ones, and those that are always there. Lists, reports and the map choose by them.

A choice is a short word that stands in addresses: ``all``, ``ungrouped``, ``imported``, ``priority``, ``stock``,
or ``g`` and the number of an own group (``g12``).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters.models import Group
from avlas.system import audit
from avlas.system.models import Utility

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.utils.functional import Promise

    from avlas.meters.keys import Who

ALL: Final = "all"
PRIORITY_BELOW_SECONDS: Final = 30 * 60
"""A priority meter is one of which a reading is kept oftener than this; ordinary ones never are."""
BUILT_IN: Final[dict[str, Promise]] = {
    ALL: gettext_lazy("All meters"),
    "ungrouped": gettext_lazy("Non-grouped meters"),
    "imported": gettext_lazy("Last imported meters"),
    "priority": gettext_lazy("Priority meters"),
    "stock": gettext_lazy("Meters in stock"),
}
_TOGETHER_SECONDS: Final = 3600  # meters made within an hour of the newest one came with it
_OWN = re.compile(r"g(\d{1,15})", re.ASCII)
_AFTER_Z: Final = str.maketrans("åäö", "{|}")
IN_A_TRANSACTION: Final = 20_000  # meters put into a group or taken out of it
_LISTED: Final = {"sqlite": "SELECT value FROM json_each(%s)", "postgresql": "SELECT unnest(%s::bigint[])"}

_TESTS: Final[dict[str, str]] = {  # SQL on meters_meter m; {utility} is the utility's number
    ALL: "1 = 1",
    "ungrouped": "NOT EXISTS (SELECT 1 FROM meters_groupmember gm WHERE gm.meter_id = m.id)",
    "imported": (  # ids follow the order of making: looked for from the newest back
        "m.id > coalesce((SELECT n.id FROM meters_meter n WHERE n.utility_id = {utility}"
        " AND n.created_at < (SELECT {together} FROM meters_meter l WHERE l.utility_id = {utility}"
        " ORDER BY l.id DESC LIMIT 1) ORDER BY n.id DESC LIMIT 1), 0)"
    ),
    "priority": f"m.slot_seconds < {PRIORITY_BELOW_SECONDS}",
    "stock": (
        "m.retired_at IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM meters_installation gi WHERE gi.meter_id = m.id AND gi.to_at IS NULL)"
    ),
}
_TOGETHER: Final = {
    "sqlite": f"datetime(l.created_at, '-{_TOGETHER_SECONDS} seconds')",
    "postgresql": f"l.created_at - interval '{_TOGETHER_SECONDS} seconds'",
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
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM meters_meter WHERE utility_id = %s AND id IN ({_LISTED[connection.vendor]})"
            " ORDER BY id",
            [utility_id, _list(wanted)],
        )
        return [row[0] for row in cursor.fetchall()]


def own(utility_id: int) -> list[Group]:
    """The utility's own groups by name; numbers in names count as numbers (2 before 10), Å comes before Ä and Ö."""
    return sorted(Group.objects.filter(utility_id=utility_id), key=_reading_order)


def _reading_order(group: Group) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", group.name.casefold().translate(_AFTER_Z), flags=re.ASCII)
    return [(int(part[:18]), "") if n % 2 else (0, part) for n, part in enumerate(parts)]


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


def counts(utility_id: int, every: int | None = None) -> dict[str, int]:
    """How many meters each choice has now. Quick with 100,000 meters: it stands beside every list.

    ``every``: how many the utility has, if that has been counted already.
    """
    if every is None:
        every = _count("SELECT count(*) FROM meters_meter WHERE utility_id = %s", utility_id)
    found = {ALL: every}
    found["ungrouped"] = found[ALL] - _grouped(utility_id)
    for key in ("imported", "priority"):
        test, _values = members_test(utility_id, key)
        found[key] = _count(
            f"SELECT count(*) FROM meters_meter m WHERE m.utility_id = %s AND {test}", utility_id
        )
    retired = _count(
        "SELECT count(*) FROM meters_meter WHERE utility_id = %s AND retired_at IS NOT NULL", utility_id
    )
    found["stock"] = found[ALL] - _installed(utility_id) - retired  # what is out of use is not installed
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT g.id, (SELECT count(*) FROM meters_groupmember gm WHERE gm.group_id = g.id)"
            " FROM meters_group g WHERE g.utility_id = %s",
            [utility_id],
        )
        return found | {f"g{group}": int(count) for group, count in cursor.fetchall()}


def _grouped(utility_id: int) -> int:
    """How many meters are in some group. Where one utility has the installation to itself, without a join."""
    if _alone(utility_id):
        return _count("SELECT count(DISTINCT meter_id) FROM meters_groupmember")
    return _count(
        "SELECT count(DISTINCT gm.meter_id) FROM meters_groupmember gm"
        " JOIN meters_group g ON g.id = gm.group_id WHERE g.utility_id = %s",
        utility_id,
    )


def _installed(utility_id: int) -> int:
    """How many meters are installed somewhere now; a meter is so at one place at most."""
    if _alone(utility_id):
        return _count("SELECT count(*) FROM meters_installation WHERE to_at IS NULL")
    return _count(
        "SELECT count(*) FROM meters_installation i JOIN meters_meter m ON m.id = i.meter_id"
        " WHERE i.to_at IS NULL AND m.utility_id = %s",
        utility_id,
    )


def _alone(utility_id: int) -> bool:
    return not Utility.objects.exclude(pk=utility_id).exists()


def _count(statement: str, *values: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.fetchone()[0])


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
    """Put meters of the group's utility into it; gives how many were not in it before. Others' ids are passed over.

    Many are put in by parts, each in a transaction of its own with its line in the audit log.
    """
    added = 0
    for some in _pieces(sorted({one for one in ids if 0 < one < 1 << 63}), IN_A_TRANSACTION):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO meters_groupmember (group_id, meter_id) SELECT g.id, m.id FROM meters_group g"
                " JOIN meters_meter m ON m.utility_id = g.utility_id"
                f" WHERE g.id = %s AND m.id IN ({_LISTED[connection.vendor]}) ORDER BY m.id ON CONFLICT DO NOTHING",
                [group.pk, _list(some)],
            )
            if cursor.rowcount > 0:
                added += cursor.rowcount
                _audit("groups.meters_added", group, who, meters=cursor.rowcount)
    return added


def remove(group: Group, ids: Iterable[int], who: Who) -> int:
    """Take meters out of the group; gives how many were in it. By parts, as ``add``."""
    removed = 0
    for some in _pieces(sorted({one for one in ids if 0 < one < 1 << 63}), IN_A_TRANSACTION):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM meters_groupmember WHERE group_id = %s"
                f" AND meter_id IN ({_LISTED[connection.vendor]})",
                [group.pk, _list(some)],
            )
            if cursor.rowcount > 0:
                removed += cursor.rowcount
                _audit("groups.meters_removed", group, who, meters=cursor.rowcount)
    return removed


def _list(ids: list[int]) -> Any:
    """Numbers as one parameter of a statement, for ``_LISTED``."""
    return json.dumps(ids) if connection.vendor == "sqlite" else ids


def _pieces(ids: list[int], size: int) -> Iterator[list[int]]:
    for begin in range(0, len(ids), size):
        yield ids[begin : begin + size]


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
