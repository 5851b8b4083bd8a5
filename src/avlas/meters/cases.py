"""What people do about info codes: acknowledge, put off, hand to somebody, note. Everything stays in the case."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q

from avlas.meters.models import Case, CaseEntry, Installation, Meter, MeterState
from avlas.system import audit

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from avlas.meters.keys import Who
    from avlas.system.models import User


def case_of(meter: Meter) -> Case | None:
    """The case of the point where the meter sits, or of the meter itself when it sits at none."""
    return Case.objects.filter(**_whose(meter)).select_related("assigned_to").first()


def entries(meter: Meter) -> QuerySet[CaseEntry]:
    """Everything that was done about the meter, and about the point where it sits now, newest first."""
    mine = Q(case__meter=meter) | Q(meter=meter)
    if (point := _point_id(meter)) is not None:
        mine |= Q(case__point_id=point)
    return (
        CaseEntry.objects.filter(mine, case__utility_id=meter.utility_id)
        .select_related("by", "to", "meter")
        .order_by("-at", "-pk")
    )


def acknowledge(meter: Meter, who: Who) -> None:
    """Say that the codes the meter shows now are known."""
    with transaction.atomic():
        case, now = _held(meter), datetime.now(UTC)
        case.acknowledged_at = now
        case.save(update_fields=["acknowledged_at"])
        _enter(case, meter, who, CaseEntry.ACKNOWLEDGED, now)


def snooze(meter: Meter, who: Who, until: datetime | None) -> None:
    """Leave the meter's codes of now out of the list until then; None: show them again."""
    with transaction.atomic():
        case, now = _held(meter), datetime.now(UTC)
        if case.snoozed_until == until:
            return
        case.snoozed_until, case.snoozed_at = until, now if until else None
        case.save(update_fields=["snoozed_until", "snoozed_at"])
        _enter(case, meter, who, CaseEntry.SNOOZED if until else CaseEntry.WOKEN, now, until=until)


def assign(meter: Meter, who: Who, to: User | None) -> None:
    """Hand the case to a user of the same utility, or to nobody. Raises ValueError for another utility's."""
    if to is not None and to.utility_id != meter.utility_id:
        raise ValueError(f"{to} is not a user of the utility that has {meter}")
    with transaction.atomic():
        case, now = _held(meter), datetime.now(UTC)
        if case.assigned_to_id == (to.pk if to else None):
            return
        case.assigned_to = to
        case.save(update_fields=["assigned_to"])
        _enter(case, meter, who, CaseEntry.ASSIGNED if to else CaseEntry.UNASSIGNED, now, to=to)


def note(meter: Meter, who: Who, text: str) -> None:
    """Write something down; the audit log tells that, not what."""
    with transaction.atomic():
        _enter(_held(meter), meter, who, CaseEntry.NOTED, datetime.now(UTC), note=text)


def _point_id(meter: Meter) -> int | None:
    return Installation.objects.filter(meter=meter, to_at=None).values_list("point_id", flat=True).first()


def _whose(meter: Meter) -> dict[str, int]:
    point = _point_id(meter)
    return {"meter_id": meter.pk} if point is None else {"point_id": point}


def _held(meter: Meter) -> Case:
    """The case, made if there is none, and held until the transaction ends."""
    whose = _whose(meter)
    Case.objects.get_or_create(**whose, defaults={"utility_id": meter.utility_id})
    return Case.objects.select_for_update().get(**whose)


def _enter(case: Case, meter: Meter, who: Who, what: str, at: datetime, **more: Any) -> None:
    newest = (
        MeterState.objects.filter(meter=meter, last_read_at__isnull=False).order_by("-last_read_at").first()
    )
    CaseEntry.objects.create(
        case=case,
        meter=meter,
        by=who.user,
        what=what,
        at=at,
        info_code=newest.info_code if newest else None,
        **more,
    )
    detail = {}
    if more.get("until"):
        detail["until"] = more["until"].isoformat()
    if more.get("to"):
        detail["to"] = str(more["to"])
    audit.record(
        f"cases.{what}",
        utility=meter.utility,
        user=who.user,
        computer=who.computer,
        target=str(meter),
        detail=detail,
    )
