"""Consumption alerts: ceilings on what meters use, judged as readings come in, also those that come late.

What a meter used in a period is counted as in the reports (``reports.period_use``): a value at the period's border is
the meter's own, or lies between its neighbours. Where the border's value isn't known yet the first reading after the
beginning and the last one before the end stand for it, so that what is judged is at most what was used: an alert never
fires too early. Days and months begin in standard time.

``judge`` only reads, and may take its time; ``fire`` writes what it found, in the transaction that moves the place in
the journal on. The same period fires an alert once, however often it is judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django.db import transaction
from django.db.models import Q

from avlas.decode.registers import COUNTERS
from avlas.meters.models import Meter
from avlas.notify import notices
from avlas.notify.models import Alert, AlertLimit, Firing, Period
from avlas.reports.calc.borders import borders
from avlas.reports.counters import AFTER, BEFORE
from avlas.reports.period_use import Spans, used
from avlas.system import audit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from avlas.meters.journal import ReadingKey
    from avlas.meters.keys import Who
    from avlas.system.models import Utility

REGISTERS: Final = tuple(code for code in COUNTERS if code not in ("operating_hours", "error_hours"))
"""What can have a ceiling."""
_FEW: Final = 400  # meters that are named in a statement
_LONGEST_AGO: Final = timedelta(days=31)
_A_LITTLE: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A period of an alert (from ``start``, seconds UTC) in which more was used than the ceiling."""

    alert_id: int
    start: int
    used: float


class TooManyAlerts(ValueError):  # noqa: N818 - the domain's word
    """More meters would be watched than the utility's limit allows."""

    def __init__(self, limit: int, watched: int, more: int) -> None:
        super().__init__(f"{watched} meters are watched, {more} more would pass the limit of {limit}")
        self.limit, self.watched, self.more = limit, watched, more


# --- judging ------------------------------------------------------------------------------------------


def judge(readings: Iterable[ReadingKey], now: datetime) -> list[Exceeded]:
    """Which alerts' ceilings are passed in the periods that these readings tell of."""
    moments: dict[int, set[int]] = {}
    for meter_id, slot_at, _kind in readings:
        moments.setdefault(meter_id, set()).add(slot_at)
    return _judge(_watching(moments.keys(), now), moments)


def judge_now(alerts: Sequence[Alert], now: datetime) -> list[Exceeded]:
    """Which of these ceilings are passed in the period that runs now."""
    moment = int(now.timestamp())
    return _judge(alerts, {one.meter_id: {moment} for one in alerts})


def _watching(meter_ids: Collection[int], now: datetime) -> list[Alert]:
    running = Alert.objects.filter(Q(to_at=None) | Q(to_at__gt=now - _LONGEST_AGO), from_at__lte=now)
    if len(meter_ids) <= _FEW:
        return list(running.filter(meter_id__in=meter_ids).select_related("meter"))
    return [one for one in running.select_related("meter") if one.meter_id in meter_ids]


def _judge(alerts: Iterable[Alert], moments: dict[int, set[int]]) -> list[Exceeded]:
    by_register: dict[str, list[tuple[Alert, int, int]]] = {}
    periods = _Periods()
    for alert in alerts:
        spans = {span for moment in moments[alert.meter_id] for span in periods.of(alert, moment)}
        by_register.setdefault(alert.register, []).extend((alert, *span) for span in sorted(spans))
    found: list[Exceeded] = []
    for register, wanted in by_register.items():
        count = len(wanted)
        spans_ = Spans(
            np.arange(count),
            np.array([alert.meter_id for alert, _start, _end in wanted], np.int64),
            np.array([start for _alert, start, _end in wanted], np.int64),
            np.array([end for _alert, _start, end in wanted], np.int64),
            np.full(count, AFTER, np.int64),
            np.full(count, BEFORE, np.int64),
        )
        families = {alert.meter_id: alert.meter.family for alert, _start, _end in wanted}
        amounts = used(spans_, count, [register], families).amount[register].tolist()
        found += [
            Exceeded(alert.pk, start, amount)
            for (alert, start, _end), amount in zip(wanted, amounts, strict=True)
            if amount > alert.ceiling * (1 + _A_LITTLE)
        ]
    return sorted(found, key=lambda one: (one.start, one.alert_id))


class _Periods:
    """The periods that a reading tells of: the one it lies in, and the one before, whose end it may have settled."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], list[tuple[int, int]]] = {}

    def of(self, alert: Alert, moment: int) -> list[tuple[int, int]]:
        """Beginnings and ends, seconds UTC, within the time that the alert watches."""
        low = int(alert.from_at.timestamp())
        high = int(alert.to_at.timestamp()) if alert.to_at else 1 << 40
        reset = int(alert.reset_at.timestamp()) if alert.reset_at else 0
        if alert.period == Period.TOTAL:
            first = max(low, reset)
            return [(first, high)] if first < high else []
        return [
            (max(start, low), min(end, high))
            for start, end in self._around(alert.period, moment)
            if max(start, low) < min(end, high) and max(start, low) >= reset
        ]

    def _around(self, unit: str, moment: int) -> list[tuple[int, int]]:
        hour = moment // 3600
        if (unit, hour) not in self._known:
            here = datetime.fromtimestamp(hour * 3600, UTC)
            this = [int(one.timestamp()) for one in borders(unit, here, here + timedelta(seconds=1))]  # type: ignore[arg-type]
            earlier = datetime.fromtimestamp(this[0] - 1, UTC)
            before = int(borders(unit, earlier, earlier + timedelta(seconds=1))[0].timestamp())  # type: ignore[arg-type]
            self._known[unit, hour] = [(before, this[0]), (this[0], this[1])]
        return self._known[unit, hour]


# --- firing -------------------------------------------------------------------------------------------


def fire(exceeded: Sequence[Exceeded], now: datetime) -> None:
    """Write what ``judge`` found: an alert that doesn't stand fires, one that stands counts. In a transaction."""
    alerts = {
        one.pk: one
        for one in Alert.objects.select_for_update(of=("self",))
        .select_related("meter")
        .filter(pk__in={one.alert_id for one in exceeded})
        .order_by("pk")
    }
    standing = {one.alert_id: one for one in Firing.objects.filter(alert__in=alerts.keys(), reset_at=None)}
    happened: list[notices.Happened] = []
    for one in exceeded:
        alert = alerts.get(one.alert_id)
        if alert is None or (alert.reset_at is not None and _resets(alert, one)):
            continue
        firing = standing.get(alert.pk)
        if firing is not None:
            _count(firing, one)
            continue
        firing, new = Firing.objects.get_or_create(
            alert=alert,
            start_at=one.start,
            ceiling=alert.ceiling,
            defaults={
                "fired_at": now,
                "used": one.used,
                "used_at": one.start,
                "last_at": one.start,
            },
        )
        if not new:  # it was reset: the same period is not told again
            continue
        standing[alert.pk] = Firing.objects.get(pk=firing.pk)
        alert.fired_at = now
        alert.save(update_fields=["fired_at"])
        happened.append(
            notices.Happened(alert.meter, now, f"alert/{alert.pk}", severity=2, detail=_detail(alert, one))
        )
    notices.note(happened, now)


def _resets(alert: Alert, one: Exceeded) -> bool:
    assert alert.reset_at is not None
    return one.start < int(alert.reset_at.timestamp())


def _count(firing: Firing, one: Exceeded) -> None:
    """Enter a period above the ceiling in the firing that stands."""
    changed = []
    if one.used > firing.used:
        firing.used, firing.used_at = one.used, datetime.fromtimestamp(one.start, UTC)
        changed += ["used", "used_at"]
    if one.start > int(firing.last_at.timestamp()):
        firing.last_at = datetime.fromtimestamp(one.start, UTC)
        firing.times += 1
        changed += ["last_at", "times"]
    if changed:
        firing.save(update_fields=changed)


def _detail(alert: Alert, one: Exceeded) -> dict[str, Any]:
    return {
        "alert": alert.pk,
        "register": alert.register,
        "period": alert.period,
        "ceiling": alert.ceiling,
        "used": round(one.used, 6),
        "start": datetime.fromtimestamp(one.start, UTC).isoformat(),
    }


# --- what people do -----------------------------------------------------------------------------------


def limit_of(utility: Utility) -> int:
    """How many meters the utility may watch at the same time."""
    row = AlertLimit.objects.filter(utility=utility).first()
    return row.meters if row else AlertLimit.USUAL


def watched(utility: Utility, now: datetime) -> set[int]:
    """The meters that are watched now or will be."""
    running = Alert.objects.filter(Q(to_at=None) | Q(to_at__gt=now), utility=utility)
    return set(running.values_list("meter_id", flat=True))


def set_ceiling(
    utility: Utility,
    meter_ids: Collection[int],
    *,
    register: str,
    period: str,
    ceiling: float,
    from_at: datetime,
    to_at: datetime | None,
    who: Who,
) -> int:
    """Give meters of the utility a ceiling, instead of the one for the same register and period; gives how many.

    It is judged at once as well. Raises TooManyAlerts.
    """
    now = datetime.now(UTC)
    ids = (
        sorted(Meter.objects.filter(utility=utility, pk__in=meter_ids).values_list("pk", flat=True))
        if len(meter_ids) <= _FEW
        else sorted(set(meter_ids) & set(Meter.objects.filter(utility=utility).values_list("pk", flat=True)))
    )
    limit = limit_of(utility)
    with transaction.atomic():
        type(utility).objects.select_for_update().get(
            pk=utility.pk
        )  # two at once don't pass the limit together
        there = watched(utility, now)
        more = len(set(ids) - there)
        if more and len(there) + more > limit:
            raise TooManyAlerts(limit, len(there), more)
        known = {
            one.meter_id: one
            for one in Alert.objects.filter(utility=utility, register=register, period=period)
            if one.meter_id in set(ids)
        }
        anew = [one for one in known.values() if (one.ceiling, one.from_at) != (ceiling, from_at)]
        Firing.objects.filter(alert__in=anew, reset_at=None).update(reset_at=now, reset_by=who.user)
        for one in anew:
            one.fired_at = one.reset_at = None
        for one in known.values():
            one.ceiling, one.from_at, one.to_at, one.created_by = ceiling, from_at, to_at, who.user
        Alert.objects.bulk_update(
            known.values(),
            ["ceiling", "from_at", "to_at", "created_by", "fired_at", "reset_at"],
            batch_size=500,
        )
        Alert.objects.bulk_create(
            [
                Alert(
                    utility=utility,
                    meter_id=one,
                    register=register,
                    period=period,
                    ceiling=ceiling,
                    from_at=from_at,
                    to_at=to_at,
                    created_by=who.user,
                )
                for one in ids
                if one not in known
            ],
            batch_size=500,
        )
        target = ""
        if len(ids) == 1:
            target = str(Meter.objects.get(pk=ids[0]))
        audit.record(
            "alerts.set",
            utility=utility,
            user=who.user,
            computer=who.computer,
            target=target,
            detail={"meters": len(ids), "register": register, "period": period, "ceiling": ceiling},
        )
    made = list(
        Alert.objects.filter(
            utility=utility, register=register, period=period, from_at__lte=now
        ).select_related("meter")
    )
    exceeded = judge_now([one for one in made if one.meter_id in set(ids)], now)
    with transaction.atomic():
        fire(exceeded, now)
    return len(ids)


def reset(alerts: Sequence[Alert], who: Who) -> int:
    """Reset alerts of one utility that stand: a later period above the ceiling fires them again. Gives how many."""
    now, count = datetime.now(UTC), 0
    with transaction.atomic():
        standing = Alert.objects.select_for_update(of=("self",)).filter(
            pk__in=[one.pk for one in alerts], fired_at__isnull=False
        )
        for alert in standing.select_related("meter", "utility").order_by("pk"):
            Firing.objects.filter(alert=alert, reset_at=None).update(reset_at=now, reset_by=who.user)
            alert.fired_at, alert.reset_at = None, now
            alert.save(update_fields=["fired_at", "reset_at"])
            audit.record(
                "alerts.reset", utility=alert.utility, user=who.user, computer=who.computer, target=str(alert.meter),
                detail={"register": alert.register, "period": alert.period},
            )  # fmt: skip
            count += 1
    return count


def remove(alerts: Sequence[Alert], who: Who) -> int:
    """Take ceilings of one utility away, with what was fired; gives how many."""
    with transaction.atomic():
        for alert in alerts:
            audit.record(
                "alerts.removed", utility=alert.utility, user=who.user, computer=who.computer, target=str(alert.meter),
                detail={"register": alert.register, "period": alert.period, "ceiling": alert.ceiling},
            )  # fmt: skip
            alert.delete()
    return len(alerts)


def fired_of(meter_ids: Collection[int]) -> set[int]:
    """Which of these meters (one page of a list) have an alert that stands."""
    standing = Alert.objects.filter(meter_id__in=meter_ids, fired_at__isnull=False)
    return set(standing.values_list("meter_id", flat=True))
