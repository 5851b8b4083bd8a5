"""Virtual metering points: the sum or difference of others, such as a main meter's point minus its sub-meters'."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from avlas.meters.changes import name_of
from avlas.meters.models import MeteringPoint, PointPart
from avlas.system import audit
from avlas.system.models import Utility

if TYPE_CHECKING:
    from collections.abc import Iterable

    from avlas.meters.keys import Who


class Impossible(Exception):  # noqa: N818
    """A point can't be a part; ``code``: "other_utility", "cycle", "there", "has_meters"."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def add(whole: MeteringPoint, part: MeteringPoint, sign: int, who: Who) -> None:
    """Add (``sign`` 1) or subtract (-1) a point. Raises Impossible."""
    if whole.utility_id != part.utility_id:
        raise Impossible("other_utility")
    with transaction.atomic():
        Utility.objects.select_for_update().get(pk=whole.utility_id)  # two at once could make a ring
        if whole.installations.exists():
            raise Impossible("has_meters")
        if PointPart.objects.filter(whole=whole, part=part).exists():
            raise Impossible("there")
        if whole.pk == part.pk or whole.pk in beneath(part.utility_id, [part.pk]):
            raise Impossible("cycle")
        PointPart.objects.create(whole=whole, part=part, sign=sign)
        _tell("points.part_added", whole, part, sign, who)


def remove(one: PointPart, who: Who) -> None:
    """Take a part out."""
    with transaction.atomic():
        _tell("points.part_removed", one.whole, one.part, one.sign, who)
        one.delete()


def beneath(utility_id: int, point_ids: Iterable[int]) -> set[int]:
    """All points that these are made of, however deep."""
    parts: dict[int, list[int]] = {}
    for whole, part in PointPart.objects.filter(whole__utility_id=utility_id).values_list("whole", "part"):
        parts.setdefault(whole, []).append(part)
    found: set[int] = set()
    waiting = list(point_ids)
    while waiting:
        for part in parts.get(waiting.pop(), ()):
            if part not in found:
                found.add(part)
                waiting.append(part)
    return found


def measured(utility_id: int) -> dict[int, dict[int, int]]:
    """Each virtual point with the metered points it comes down to, and how often each counts (negative: subtracted)."""
    parts: dict[int, list[tuple[int, int]]] = {}
    rows = PointPart.objects.filter(whole__utility_id=utility_id).order_by("pk")
    for whole, part, sign in rows.values_list("whole", "part", "sign"):
        parts.setdefault(whole, []).append((part, sign))
    return {whole: _leaves(whole, parts) for whole in parts}


def _leaves(whole: int, parts: dict[int, list[tuple[int, int]]]) -> dict[int, int]:
    found: dict[int, int] = {}
    for part, sign in parts[whole]:
        beneath_it = _leaves(part, parts) if part in parts else {part: 1}
        for leaf, times in beneath_it.items():
            found[leaf] = found.get(leaf, 0) + sign * times
    return {leaf: times for leaf, times in found.items() if times}


def _tell(event: str, whole: MeteringPoint, part: MeteringPoint, sign: int, who: Who) -> None:
    audit.record(
        event, utility=whole.utility, user=who.user, computer=who.computer, target=name_of(whole),
        detail={"part": name_of(part), "sign": sign},
    )  # fmt: skip
