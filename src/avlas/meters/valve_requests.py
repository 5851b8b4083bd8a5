"""Asking for a valve to be closed, opened or looked at, and what has to be so before it is done.

Closing has a reason. For want of payment the legal steps must be dated (see valve_rules.py) and another person than the
one who asked must approve; heat is never cut in the frost. Whoever asks, a person, a program or a prepayment system,
passes the same gates, and what a program asks to be closed always waits for a person. Opening is never held up: it also
takes back what was asked before to close the valve.

What is queued is carried out by a road that reaches the valve, or by a person on site who tells how it went.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.db import transaction

from avlas.meters import valve_rules
from avlas.meters.models import Installation, Meter, Occupancy, ValveRequest, ValveRules
from avlas.meters.valve import OPEN
from avlas.meters.valve_rules import CONNECT, DISCONNECT, REASONS
from avlas.system import audit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from avlas.meters.keys import Who
    from avlas.system.models import Utility

_LOCAL = ZoneInfo("Europe/Stockholm")


class Held(Exception):  # noqa: N818
    """A gate is shut.

    ``code``: no_reason, no_explanation, steps, frost, not_installed, already_asked, same_person,
    needs_person, customer_changed, not_waiting or finished; ``what``: which steps are lacking, which frost rule, or the
    number of the request that is open already.
    """

    def __init__(self, code: str, *what: str) -> None:
        super().__init__(code)
        self.code, self.what = code, what


def rules_of(utility: Utility) -> ValveRules:
    """The utility's rules, the usual ones until something is set."""
    return ValveRules.objects.filter(utility=utility).first() or ValveRules(utility=utility)


def frost_now(meter: Meter, now: datetime | None = None) -> str:
    """Which rule of the frost guard forbids cutting this meter's heat now; "" for none."""
    rules = rules_of(meter.utility)
    outdoor = None
    if rules.outdoor_c is not None and rules.outdoor_at is not None:
        outdoor = (rules.outdoor_c, rules.outdoor_at)
    local = (now or datetime.now(UTC)).astimezone(_LOCAL)
    return valve_rules.frost(meter.medium, local, rules.frost_months, rules.frost_below_c, outdoor)


def ask(
    meter: Meter,
    wish: str,
    who: Who,
    *,
    reason: str = "",
    explanation: str = "",
    steps: Mapping[str, date] | None = None,
    program: str = "",
) -> ValveRequest:
    """Ask for something to be done with a meter's valve; give the request. Raises Held when a gate is shut."""
    given = dict(steps or {})
    with transaction.atomic():
        meter = Meter.objects.select_for_update(of=("self",)).select_related("utility").get(pk=meter.pk)
        there = ValveRequest.objects.filter(meter=meter, wish=wish, state__in=OPEN).first()
        if there is not None:
            raise Held("already_asked", str(there.pk))
        point, customer = _place(meter)
        state = ValveRequest.QUEUED
        if wish == DISCONNECT:
            if point is None:
                raise Held("not_installed")
            _pass_gates(meter, reason, explanation, given)
            if (
                REASONS[reason].second or who.user is None
            ):  # what a program asks for always waits for a person
                state = ValveRequest.ASKED
        made = ValveRequest.objects.create(
            utility=meter.utility, meter=meter, point_id=point, customer_id=customer, wish=wish, reason=reason,
            explanation=explanation, steps={name: day.isoformat() for name, day in given.items()}, state=state,
            asked_at=datetime.now(UTC), asked_by=who.user, program=program,
        )  # fmt: skip
        if wish == CONNECT:
            for other in ValveRequest.objects.filter(meter=meter, wish=DISCONNECT, state__in=OPEN):
                _finish(other, ValveRequest.CANCELLED, who, "", "valve.cancelled")
        _tell(made, "valve.asked", who, {"reason": reason, "steps": made.steps, "state": state})
    return made


def approve(request: ValveRequest, who: Who) -> None:
    """Another person approves; the gates are looked at once more. Raises Held."""
    with transaction.atomic():
        row = _held(request)
        if row.state != ValveRequest.ASKED:
            raise Held("not_waiting")
        if who.user is None:
            raise Held("needs_person")
        if row.asked_by_id == who.user.pk:
            raise Held("same_person")
        if _place(row.meter) != (row.point_id, row.customer_id):
            raise Held("customer_changed")
        given = {name: date.fromisoformat(day) for name, day in row.steps.items()}
        _pass_gates(row.meter, row.reason, row.explanation, given)
        row.state, row.decided_at, row.decided_by = ValveRequest.QUEUED, datetime.now(UTC), who.user
        row.save(update_fields=["state", "decided_at", "decided_by"])
        _tell(row, "valve.approved", who)


def refuse(request: ValveRequest, why: str, who: Who) -> None:
    """Another person refuses. Raises Held."""
    with transaction.atomic():
        row = _held(request)
        if row.state != ValveRequest.ASKED:
            raise Held("not_waiting")
        row.decided_at, row.decided_by = datetime.now(UTC), who.user
        row.save(update_fields=["decided_at", "decided_by"])
        _finish(row, ValveRequest.REFUSED, who, why, "valve.refused")


def cancel(request: ValveRequest, why: str, who: Who) -> None:
    """Take a request back that is not carried out yet. Raises Held("finished")."""
    with transaction.atomic():
        row = _held(request)
        if not row.is_open:
            raise Held("finished")
        _finish(row, ValveRequest.CANCELLED, who, why, "valve.cancelled")


def carried_out(request: ValveRequest, note: str, who: Who, *, went_well: bool) -> None:
    """Tell how carrying out a queued request went. Raises Held("not_waiting") when it isn't queued.

    The last look at the frost guard was at asking and approving: a cold night in between holds a queued request, so
    closing is refused (Held("frost")) while there is frost; that it failed can always be told.
    """
    with transaction.atomic():
        row = _held(request)
        if row.state != ValveRequest.QUEUED:
            raise Held("not_waiting")
        if (
            went_well
            and row.wish == DISCONNECT
            and REASONS[row.reason].frost
            and (cold := frost_now(row.meter))
        ):
            raise Held("frost", cold)
        state = ValveRequest.DONE if went_well else ValveRequest.FAILED
        _finish(row, state, who, note, "valve.done" if went_well else "valve.failed")


def set_outdoor_temperature(utility: Utility, celsius: float, at: datetime, who: Who) -> None:
    """Keep how cold it is outside, for the frost guard; an older value than the one known is passed over."""
    with transaction.atomic():
        rules, _made = ValveRules.objects.select_for_update().get_or_create(utility=utility)
        if rules.outdoor_at is not None and at < rules.outdoor_at:
            return
        rules.outdoor_c, rules.outdoor_at = celsius, at
        rules.save(update_fields=["outdoor_c", "outdoor_at"])
        audit.record(
            "valve.temperature_told", utility=utility, user=who.user, computer=who.computer,
            detail={"celsius": celsius, "at": at.isoformat()},
        )  # fmt: skip


def _pass_gates(meter: Meter, reason: str, explanation: str, steps: Mapping[str, date]) -> None:
    if reason not in REASONS:
        raise Held("no_reason")
    if reason in ("danger", "other") and not explanation.strip():
        raise Held("no_explanation")
    if REASONS[reason].owed:
        today = datetime.now(_LOCAL).date()
        if lacking := valve_rules.missing_steps(steps, today, rules_of(meter.utility).reminder_days):
            raise Held("steps", *lacking)
    if REASONS[reason].frost and (cold := frost_now(meter)):
        raise Held("frost", cold)


def _place(meter: Meter) -> tuple[int | None, int | None]:
    """The point where a meter sits now, and the customer who has it."""
    point = Installation.objects.filter(meter=meter, to_at=None).values_list("point_id", flat=True).first()
    if point is None:
        return None, None
    has = Occupancy.objects.filter(point_id=point, to_at=None).values_list("customer_id", flat=True).first()
    return point, has


def _held(request: ValveRequest) -> ValveRequest:
    found = ValveRequest.objects.select_for_update(of=("self",)).select_related("meter__utility", "utility")
    return found.get(pk=request.pk)


def _finish(row: ValveRequest, state: str, who: Who, note: str, event: str) -> None:
    row.state, row.note, row.finished_at = state, note.strip()[:500], datetime.now(UTC)
    row.save(update_fields=["state", "note", "finished_at"])
    _tell(row, event, who)


def _tell(row: ValveRequest, event: str, who: Who, more: dict[str, Any] | None = None) -> None:
    audit.record(
        event, utility=row.utility, user=who.user, computer=who.computer, target=str(row.meter),
        detail={"request": row.pk, "wish": row.wish} | (more or {}),
    )  # fmt: skip
