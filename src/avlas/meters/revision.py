"""When a meter has to be revised: a date somebody set, or the year it was made plus its utility's period.

Periods depend on what is measured and on the size (permanent flow). The defaults below are where most Nordic
utilities begin; what the law asks of one's own meters has to be looked up and set.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.db.models import Q

from avlas.meters.models import Meter, RevisionRule
from avlas.system import audit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import QuerySet

    from avlas.meters.keys import Who
    from avlas.system.models import Utility

KINDS: Final[dict[str, tuple[str, ...]]] = {
    "thermal": ("heat", "cooling", "heat/cooling"),
    "water": ("water", "warm water", "hot water", "cold water"),
    "electricity": ("electricity",),
}
"""Which media a rule is for."""


@dataclass(frozen=True, slots=True)
class Period:
    """Years between revisions: of meters up to ``small_to_qp_m3h`` (or of unknown size), and of larger ones."""

    small_to_qp_m3h: float
    years_small: int
    years_large: int

    def years(self, qp_m3h: float | None) -> int:
        """The years for a meter of this size."""
        return self.years_small if qp_m3h is None or qp_m3h <= self.small_to_qp_m3h else self.years_large


DEFAULTS: Final[dict[str, Period]] = {
    "thermal": Period(2.5, 10, 5),
    "water": Period(2.5, 10, 5),
    "electricity": Period(2.5, 18, 18),
}


def periods(utility_id: int) -> dict[str, Period]:
    """Give the periods of a utility by kind."""
    own = {
        rule.kind: Period(rule.small_to_qp_m3h, rule.years_small, rule.years_large)
        for rule in RevisionRule.objects.filter(utility_id=utility_id, kind__in=KINDS)
    }
    return DEFAULTS | own


def set_periods(utility: Utility, wanted: Mapping[str, Period], who: Who) -> None:
    """Set a utility's periods. Raises KeyError for an unknown kind."""
    with transaction.atomic():
        before = periods(utility.pk)
        changed = {kind: period for kind, period in wanted.items() if before[kind] != period}
        for kind, period in changed.items():
            RevisionRule.objects.update_or_create(
                utility=utility,
                kind=kind,
                defaults={
                    "small_to_qp_m3h": period.small_to_qp_m3h,
                    "years_small": period.years_small,
                    "years_large": period.years_large,
                },
            )
        if changed:
            audit.record(
                "meter.revision_periods_changed", utility=utility, user=who.user, computer=who.computer,
                detail={
                    kind: [f"{one.small_to_qp_m3h:g}: {one.years_small}/{one.years_large}"
                           for one in (before[kind], period)]
                    for kind, period in changed.items()
                },
            )  # fmt: skip


def due(meter: Meter, of_utility: Mapping[str, Period]) -> date | None:
    """Give the day by which the meter has to be revised; None when nobody knows how old it is."""
    if meter.revision_due is not None:
        return meter.revision_due
    kind = next((kind for kind, media in KINDS.items() if meter.medium in media), None)
    if kind is None or meter.manufactured_year is None:
        return None
    return date(meter.manufactured_year + of_utility[kind].years(meter.qp_m3h), 12, 31)


def due_by(utility_id: int, day: date) -> QuerySet[Meter]:
    """Give the installed meters that have to be revised by ``day``."""
    last_year = day.year if (day.month, day.day) == (12, 31) else day.year - 1
    wanted = Q(revision_due__lte=day)
    for kind, period in periods(utility_id).items():
        of_kind = Q(revision_due=None, medium__in=KINDS[kind])
        large = Q(qp_m3h__gt=period.small_to_qp_m3h)
        wanted |= of_kind & large & Q(manufactured_year__lte=last_year - period.years_large)
        small = Q(qp_m3h=None) | Q(qp_m3h__lte=period.small_to_qp_m3h)
        wanted |= of_kind & small & Q(manufactured_year__lte=last_year - period.years_small)
    return Meter.objects.filter(wanted, utility_id=utility_id, installations__to_at=None,
                                installations__isnull=False)  # fmt: skip
