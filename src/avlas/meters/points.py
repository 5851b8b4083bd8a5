"""Metering points and customers: made, removed again, and who has which point from when to when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.db import transaction

from avlas.meters.changes import name_of
from avlas.meters.models import Case, Customer, MeteringPoint, Occupancy
from avlas.system import audit

if TYPE_CHECKING:
    from datetime import datetime

    from avlas.meters.keys import Who
    from avlas.system.models import Utility

R = TypeVar("R", MeteringPoint, Customer)


class NotThen(Exception):  # noqa: N818
    """Nobody can move in or out at that moment: ``began_at`` says since when the point's customer has it."""

    def __init__(self, began_at: datetime) -> None:
        super().__init__(f"the point changed hands at {began_at} already")
        self.began_at = began_at


def create(model: type[R], utility: Utility, values: dict[str, Any], who: Who) -> R:
    """Make a metering point or a customer. Raises IntegrityError when its number is taken."""
    with transaction.atomic():
        made = model._default_manager.create(utility=utility, **values)  # noqa: SLF001  # Django's own name
        event = "points.added" if isinstance(made, MeteringPoint) else "customers.added"
        audit.record(event, utility=utility, user=who.user, computer=who.computer, target=name_of(made))
    return made


def move(point: MeteringPoint, customer: Customer | None, at: datetime, who: Who) -> None:
    """Let ``customer`` have the point from ``at`` (aware) on; None: nobody has it.

    Whoever had it has it until then. Nothing happens when it is the same customer already. Raises NotThen when the
    point changed hands at or after ``at``, ValueError when point and customer belong to different utilities.
    """
    if customer is not None and customer.utility_id != point.utility_id:
        raise ValueError("point and customer belong to different utilities")
    with transaction.atomic():
        MeteringPoint.objects.select_for_update().get(pk=point.pk)
        newest = point.occupancies.order_by("-from_at").first()
        here = newest if newest is not None and newest.to_at is None else None
        if here is not None and customer is not None and here.customer_id == customer.pk:
            return
        if newest is not None:
            changed_at = newest.to_at or newest.from_at
            if at < changed_at or (newest.to_at is None and at == changed_at):
                raise NotThen(changed_at)
        if here is not None:
            here.to_at = at
            here.save(update_fields=["to_at"])
        if customer is not None:
            Occupancy.objects.create(point=point, customer=customer, from_at=at)
        if here is not None or customer is not None:
            audit.record(
                "points.moved", utility=point.utility, user=who.user, computer=who.computer,
                target=name_of(point),
                detail={
                    "at": at.isoformat(),
                    "out": here.customer.number if here is not None else None,
                    "in": customer.number if customer is not None else None,
                },
            )  # fmt: skip


def undo_move(point: MeteringPoint, who: Who) -> bool:
    """Take back the newest moving in or out; give whether there was one to take back."""
    with transaction.atomic():
        MeteringPoint.objects.select_for_update().get(pk=point.pk)
        newest = point.occupancies.order_by("-from_at").first()
        if newest is None:
            return False
        if newest.to_at is not None:
            newest.to_at = None
            newest.save(update_fields=["to_at"])
        else:
            began_at = newest.from_at
            newest.delete()
            point.occupancies.filter(to_at=began_at).update(to_at=None)
        audit.record(
            "points.move_undone", utility=point.utility, user=who.user, computer=who.computer,
            target=name_of(point),
        )  # fmt: skip
    return True


class StillNeeded(Exception):  # noqa: N818
    """A point or customer can't be removed; ``reasons``: what hangs on it (see ``hanging``)."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(", ".join(reasons))
        self.reasons = reasons


def hanging(row: MeteringPoint | Customer) -> list[str]:
    """What hangs on a point or customer and keeps it from being removed as a mistake; [] when nothing does.

    "meters", "customers", "parts" (it is a part of a virtual point), "case" of a point; "points", "reports" (sent to
    them) of a customer.
    """
    if isinstance(row, MeteringPoint):
        there = {
            "meters": row.installations.exists(),
            "customers": row.occupancies.exists(),
            "parts": row.part_of.exists(),
            "case": Case.objects.filter(point=row).exists(),
        }
    else:
        there = {"points": row.occupancies.exists(), "reports": row.reports.exists()}
    return [reason for reason, is_there in there.items() if is_there]


def remove(row: MeteringPoint | Customer, who: Who) -> None:
    """Forget a point or customer that was entered by mistake. Raises StillNeeded when something hangs on it."""
    with transaction.atomic():
        if isinstance(row, MeteringPoint):
            MeteringPoint.objects.select_for_update().get(pk=row.pk)
        else:
            Customer.objects.select_for_update().get(pk=row.pk)
        if reasons := hanging(row):
            raise StillNeeded(reasons)
        event = "points.removed" if isinstance(row, MeteringPoint) else "customers.removed"
        audit.record(event, utility=row.utility, user=who.user, computer=who.computer, target=name_of(row))
        row.delete()
