"""How often a reading is kept: of ordinary meters and of priority meters, few at a time, to look closely at them.

Both lengths are the utility's settings (an hour and five minutes unless it has decided otherwise).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from avlas.meters.groups import PRIORITY_BELOW_SECONDS, of_utility
from avlas.meters.models import Generation, Meter
from avlas.system import audit
from avlas.system.models import Utility

if TYPE_CHECKING:
    from collections.abc import Iterable

    from avlas.meters.keys import Who

_NAMED: Final = 20  # in the audit log


class TooManyPriorityMeters(ValueError):  # noqa: N818
    """More than the installation allows; the message says how many there are, for a person."""


def make(utility: Utility, ids: Iterable[int], who: Who) -> int:
    """Make meters of the utility priority meters; gives how many were not before. Others' ids are passed over.

    Raises TooManyPriorityMeters, and changes nothing, when there would be more than settings.PRIORITY_METERS.
    """
    limit = settings.PRIORITY_METERS
    with transaction.atomic():
        Utility.objects.select_for_update(no_key=True).get(pk=utility.pk)  # one at a time
        there = Meter.objects.filter(utility=utility, slot_seconds__lt=PRIORITY_BELOW_SECONDS)
        count, wanted = there.count(), of_utility(utility.pk, ids)
        new = sorted(set(wanted) - set(there.values_list("pk", flat=True)))
        if count + len(new) > limit:
            raise TooManyPriorityMeters(
                _(
                    "At most %(limit)d meters can be priority meters, and %(count)d are already. These are %(new)d "
                    "more: nothing was changed."
                )
                % {"limit": limit, "count": count, "new": len(new)}
            )
        _set(utility, new, utility.priority_slot_minutes * 60, "meter.priority_begun", who)
    return len(new)


def end(utility: Utility, ids: Iterable[int], who: Who) -> int:
    """Make priority meters ordinary ones again; gives how many were."""
    with transaction.atomic():
        there = Meter.objects.filter(utility=utility, slot_seconds__lt=PRIORITY_BELOW_SECONDS)
        old = sorted(set(ids) & set(there.values_list("pk", flat=True)))
        _set(utility, old, utility.slot_minutes * 60, "meter.priority_ended", who)
    return len(old)


def use_lengths(utility: Utility) -> int:
    """Have the utility's meters follow its slot lengths; gives how many changed. In the caller's transaction.

    Readings that are kept already stay as they are.
    """
    meters = Meter.objects.filter(utility=utility)
    changed = 0
    for priority, minutes in ((True, utility.priority_slot_minutes), (False, utility.slot_minutes)):
        limit = {"slot_seconds__lt" if priority else "slot_seconds__gte": PRIORITY_BELOW_SECONDS}
        changed += meters.filter(**limit).exclude(slot_seconds=minutes * 60).update(slot_seconds=minutes * 60)
    if changed:
        Generation.bump(utility.pk)
    return changed


def _set(utility: Utility, ids: list[int], seconds: int, event: str, who: Who) -> None:
    if not ids:
        return
    meters = Meter.objects.filter(pk__in=ids)
    names = [str(meter) for meter in meters.order_by("serial")[:_NAMED]]
    meters.update(slot_seconds=seconds)
    Generation.bump(utility.pk)
    audit.record(
        event, utility=utility, user=who.user, computer=who.computer,
        target=", ".join(names[:5]) + (" …" if len(ids) > 5 else ""), detail={"meters": len(ids), "names": names},
    )  # fmt: skip
