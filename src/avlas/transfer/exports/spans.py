"""Which meter, place and customer a row is about, from when to when: cut at exchanges and when somebody moves."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from avlas.meters.models import Exchange, Installation, Occupancy
from avlas.reports import variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from django.utils.functional import Promise

    from avlas.meters.models import Customer
    from avlas.reports.variables import Facts, Variable

PERIOD, EXCHANGE, MOVE, INSTALLED, TAKEN_DOWN = "period", "exchange", "move", "installed", "taken_down"
EDGES: Final[dict[str, Promise]] = {
    PERIOD: _("the period"),
    EXCHANGE: _("meter exchange"),
    MOVE: _("change of customer"),
    INSTALLED: _("the meter's installation"),
    TAKEN_DOWN: _("the meter's removal"),
}
"""What a row begins or ends with."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in which meter, place and customer stay the same. Whole seconds UTC.

    ``begins_with`` and ``ends_with`` are of EDGES; ``exchange`` is the one it begins or ends with.
    """

    facts: Facts
    start: int
    end: int
    begins_with: str = PERIOD
    ends_with: str = PERIOD
    exchange: Exchange | None = None
    other_serial: str = ""


def spans_of(
    meter_ids: Sequence[int],
    start: datetime,
    end: datetime,
    wanted: Sequence[Variable],
    *,
    only_installed: bool,
    role: str = "",
) -> Iterator[Span]:
    """The spans of these meters (a few hundred) in a period, in the meters' order and time's.

    Whose meters they are must have been tested. A meter that is at no place in the period has none, or with
    ``only_installed`` false one over the whole period.
    """
    low, high = int(start.timestamp()), int(end.timestamp())
    sits: dict[int, list[Installation]] = {}
    overlapping = Installation.objects.filter(
        Q(to_at=None) | Q(to_at__gt=start), meter_id__in=meter_ids, from_at__lt=end
    )
    for one in overlapping.select_related("point").order_by("from_at"):
        sits.setdefault(one.meter_id, []).append(one)
    points = {one.point_id for some in sits.values() for one in some}
    lives: dict[int, list[Occupancy]] = {}
    living = Occupancy.objects.filter(
        Q(to_at=None) | Q(to_at__gt=start), point_id__in=points, from_at__lt=end
    )
    for home in living.select_related("customer").order_by("from_at"):
        lives.setdefault(home.point_id, []).append(home)
    exchanges = _exchanges([one.pk for some in sits.values() for one in some])
    for facts in variables.fetch(meter_ids, wanted):
        installed = sits.get(facts.meter.pk, [])
        if not installed and not only_installed and not facts.meter.retired_at:
            bare = replace(facts, installation=None, point=None, customer=None)
            yield Span(bare, low, high)
        for one in installed:
            if role and one.role != role:
                continue
            yield from _of_installation(facts, one, lives.get(one.point_id, []), exchanges, low, high)


def _exchanges(installation_ids: Sequence[int]) -> dict[tuple[int, str], Exchange]:
    """The exchanges carried out, by the installation that ended and the one that began."""
    found: dict[tuple[int, str], Exchange] = {}
    done = Exchange.objects.filter(
        Q(old_id__in=installation_ids) | Q(new_id__in=installation_ids), state=Exchange.DONE
    )
    for one in done.select_related("old__meter", "new_meter"):
        found[one.old_id, "ends"] = one
        if one.new_id is not None:
            found[one.new_id, "begins"] = one
    return found


def _of_installation(
    facts: Facts,
    sits: Installation,
    lives: Sequence[Occupancy],
    exchanges: dict[tuple[int, str], Exchange],
    low: int,
    high: int,
) -> Iterator[Span]:
    """One installation's part of the period, cut where the customer changes."""
    begun, ended = exchanges.get((sits.pk, "begins")), exchanges.get((sits.pk, "ends"))
    first = max(low, _seconds(sits.from_at))
    last = min(high, _seconds(sits.to_at)) if sits.to_at else high
    if first >= last:
        return
    cuts = {
        _seconds(moment): None
        for home in lives
        for moment in (home.from_at, home.to_at)
        if moment is not None and first < _seconds(moment) < last
    }
    edges = [first, *sorted(cuts), last]
    for begin, end in itertools.pairwise(edges):
        begins_with = MOVE if begin in cuts else PERIOD
        if begin == first > low:
            begins_with = EXCHANGE if begun else INSTALLED
        ends_with = MOVE if end in cuts else PERIOD
        if end == last < high:
            ends_with = EXCHANGE if ended else TAKEN_DOWN
        exchange, other = None, ""
        if ends_with == EXCHANGE and ended:
            exchange, other = ended, ended.new_meter.serial if ended.new_meter else ""
        elif begins_with == EXCHANGE and begun:
            exchange, other = begun, begun.old.meter.serial
        here = replace(facts, installation=sits, point=sits.point, customer=_living(lives, begin))
        yield Span(here, begin, end, begins_with, ends_with, exchange, other)


def _living(lives: Sequence[Occupancy], at: int) -> Customer | None:
    """Who has the place at a moment; None when nobody has."""
    place = bisect_right([_seconds(home.from_at) for home in lives], at) - 1
    if place < 0:
        return None
    home = lives[place]
    return home.customer if home.to_at is None or at < _seconds(home.to_at) else None


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
