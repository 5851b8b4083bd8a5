"""A meter exchange: prepared, filled in step by step, carried out at one stroke, and undone when it was wrong.

The old meter's last reading and the new one's first stand at the same moment, at which the one installation ends and
the other begins; so the point's use goes on without a gap. The old meter is no longer found at its addresses.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from avlas.meters import entered, installing, pulse_inputs
from avlas.meters.billed import is_billed
from avlas.meters.changes import name_of
from avlas.meters.entered import Figure
from avlas.meters.installing import Impossible
from avlas.meters.models import Exchange, Installation, Kind, Reading, Source
from avlas.system import audit

if TYPE_CHECKING:
    from avlas.meters.keys import Who


def prepare(old: Installation, values: dict[str, Any], who: Who) -> Exchange:
    """Prepare the exchange of the meter of ``old``: ``values`` has reason, and may have planned_for and note.

    Raises Impossible: "gone" (the meter has been taken down), "planned" (an exchange is prepared already).
    """
    with transaction.atomic():
        old = Installation.objects.select_for_update().select_related("meter__utility").get(pk=old.pk)
        if old.to_at is not None:
            raise Impossible("gone")
        if old.exchanges.filter(state=Exchange.PLANNED).exists():
            raise Impossible("planned")
        made = Exchange.objects.create(utility=old.meter.utility, old=old, created_by=who.user, **values)
        _tell(made, "exchange.prepared", who, {"planned_for": str(made.planned_for or "")})
    return made


def missing(exchange: Exchange) -> list[str]:
    """Give the steps that are not filled in yet: "when", "old", "new", "first"."""
    there = {
        "when": exchange.at is not None,
        "old": bool(exchange.old_figures) or exchange.old_unreadable,
        "new": exchange.new_meter_id is not None,
        "first": bool(exchange.new_figures),
    }
    return [step for step, done in there.items() if not done]


def carry_out(exchange: Exchange, who: Who) -> None:
    """Do what is prepared: both readings, the end of the old installation, the beginning of the new one.

    Raises Impossible: "not_planned" (done or withdrawn meanwhile), "incomplete", "future", what installing says, and
    "reading_there" (a reading is entered at this very minute already), "erased" (a fence holds it back). Nothing is
    written then.
    """
    with transaction.atomic():
        exchange = Exchange.objects.select_for_update(of=("self",)).get(pk=exchange.pk)
        if exchange.state != Exchange.PLANNED:
            raise Impossible("not_planned")
        at, meter = exchange.at, exchange.new_meter
        if missing(exchange) or at is None or meter is None:
            raise Impossible("incomplete")
        if at > datetime.now(UTC):
            raise Impossible("future")
        old = exchange.old
        at = exchange.at = at.replace(second=0, microsecond=0)
        try:
            if exchange.old_figures:
                figures = [Figure.unpacked(one) for one in exchange.old_figures]
                entered.enter(old.meter, at, figures, Source.EXCHANGE, who)
            exchange.ended_addresses = installing.take_down(old, at, exchange.reason)
            exchange.new = installing.install(meter, old.point, old.role, at)
            figures = [Figure.unpacked(one) for one in exchange.new_figures]
            entered.enter(meter, at, figures, Source.EXCHANGE, who)
        except entered.AlreadyThere as problem:
            raise Impossible("reading_there") from problem
        except entered.Erased as problem:
            raise Impossible("erased") from problem
        exchange.state, exchange.done_at, exchange.done_by = Exchange.DONE, datetime.now(UTC), who.user
        exchange.save()
        _tell(exchange, "exchange.carried_out", who, {"at": at.isoformat(), "new": str(meter)})


def why_not_undone(exchange: Exchange) -> str:
    """Say why an exchange can't be undone: "not_done", "changed_since", "billed"; "" when it can."""
    if exchange.state != Exchange.DONE:
        return "not_done"
    new, old = exchange.new, exchange.old
    elsewhere = old.meter.installations.filter(from_at__gte=old.to_at).exists() if old.to_at else True
    if new is None or new.to_at is not None or elsewhere or old.meter.retired_at is not None:
        return "changed_since"
    if exchange.at is not None and is_billed([old.meter_id, new.meter_id], exchange.at):
        return "billed"
    return ""


def undo(exchange: Exchange, reason: str, who: Who) -> None:
    """Make an exchange undone: its readings are voided, the old meter sits there again, the new one is in stock.

    Raises Impossible: what ``why_not_undone`` says.
    """
    with transaction.atomic():
        exchange = Exchange.objects.select_for_update(of=("self",)).get(pk=exchange.pk)
        if problem := why_not_undone(exchange):
            raise Impossible(problem)
        old, new, at = exchange.old, exchange.new, exchange.at
        if new is None or at is None:  # as why_not_undone has made sure of
            raise Impossible("changed_since")
        for meter in (old.meter, new.meter):
            there = Reading.objects.filter(
                meter_id=meter.pk, slot_at=int(at.timestamp()), kind=Kind.ENTERED, source=Source.EXCHANGE
            )
            if there.exists():
                entered.void(meter, at, Kind.ENTERED, reason, who)
        exchange.new = None
        new.delete()
        Installation.objects.filter(pk=old.pk).update(to_at=None, reason="")
        installing.open_addresses(old.meter, exchange.ended_addresses)
        pulse_inputs.open_again(old.meter, at)
        exchange.state, exchange.undone_reason = Exchange.UNDONE, reason
        exchange.save()
        _tell(exchange, "exchange.undone", who, {"reason": reason})


def withdraw(exchange: Exchange, who: Who) -> None:
    """Forget an exchange that was only prepared. Raises Impossible("not_planned")."""
    with transaction.atomic():
        exchange = Exchange.objects.select_for_update(of=("self",)).get(pk=exchange.pk)
        if exchange.state != Exchange.PLANNED:
            raise Impossible("not_planned")
        _tell(exchange, "exchange.withdrawn", who)
        exchange.delete()


def _tell(exchange: Exchange, event: str, who: Who, detail: dict[str, Any] | None = None) -> None:
    place = {"point": name_of(exchange.old.point), "reason": exchange.reason}
    audit.record(
        event, utility=exchange.utility, user=who.user, computer=who.computer, target=str(exchange.old.meter),
        detail=place | (detail or {}),
    )  # fmt: skip
