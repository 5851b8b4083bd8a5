"""What notifications have to tell: info codes that began become notices, each once for each notification it fits.

Everything here runs in the transaction that also moves the place in the journal on (``watching``), so a worker may die
at any moment: no code is lost and none is noted twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Q
from django.utils import translation

from avlas.meters import groups
from avlas.meters.models import Customer, InfoEvent, Installation, Occupancy
from avlas.notify.models import ConsumerChoice, Notice, Notification, Reader
from avlas.reports.info_words import in_words
from avlas.system.models import Road

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from avlas.meters.models import Meter
    from avlas.reports.info_words import Said

QUIET: Final = timedelta(hours=6)
"""A code that comes back within this time is not told anew; that it has ended is told when it stayed away so long."""
NEWS: Final = timedelta(days=7)
"""What began earlier is history that was brought in, and nothing to call anybody for."""
KEPT: Final = timedelta(days=92)
ALERTS: Final = "alerts"
"""The word by which a customer refuses consumption alerts."""
_AT_ONCE: Final = 400

_Key = tuple[int, int, str]  # notification, meter, what


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that may have to be told of a meter: a code began or ended, an alert fired."""

    meter: Meter
    at: datetime
    what: str  # the code's name, or "alert/" and the alert's number
    severity: int = 0
    info_code: int = 0
    ended: bool = False
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def is_alert(self) -> bool:
        """Whether it is a consumption alert."""
        return self.what.startswith("alert/")


def note_info_codes(
    came: Collection[tuple[int, int]], gone: Collection[tuple[int, int]], now: datetime
) -> None:
    """Note the info events (meter, seconds UTC) that came; those that went are taken back if nobody was told yet."""
    for meter_id, at in gone:
        waiting = Notice.objects.filter(meter_id=meter_id, began_at=at, times=1, ended_at=None, at_once=True)
        waiting.exclude(what__startswith="alert/").delete()
    note(_happened(_events(came)), now)


def note(happened: Sequence[Happened], now: datetime) -> None:
    """Note for every notification what it has to tell of this (in the order of time). In the caller's transaction."""
    by_utility: dict[int, list[Happened]] = {}
    for one in sorted(happened, key=lambda one: one.at):
        by_utility.setdefault(one.meter.utility_id, []).append(one)
    for utility_id, some in by_utility.items():
        wanted = list(Notification.objects.filter(utility_id=utility_id, active=True).order_by("pk"))
        if wanted:
            _note(utility_id, wanted, some, now)


def forget_old(now: datetime) -> int:
    """Remove notices of which nothing waits after three months; gives how many."""
    old = Notice.objects.filter(created_at__lt=now - KEPT, at_once=False, daily=False, over=False)
    return old.delete()[0]


def _note(utility_id: int, wanted: list[Notification], happened: list[Happened], now: datetime) -> None:
    meter_ids = {one.meter.pk for one in happened}
    members = {
        choice: meter_ids if choice == groups.ALL else meter_ids & set(groups.meter_ids(utility_id, choice))
        for choice in {one.group for one in wanted}
    }
    newest = _newest(wanted, meter_ids)
    customers = _Customers(meter_ids) if any(one.who == Reader.CONSUMER for one in wanted) else None
    made: list[Notice] = []
    changed: dict[int, Notice] = {}
    for one in happened:
        for notification in wanted:
            if one.meter.pk not in members[notification.group] or not fits(notification, one):
                continue
            key = (notification.pk, one.meter.pk, one.what)
            before = newest.get(key)
            if one.ended or (before is not None and _same(before, one)):
                if before is not None and _carry_on(before, one, notification):
                    changed[id(before)] = before
                continue
            if one.at < now - NEWS:
                continue
            customer_id = None
            if notification.who == Reader.CONSUMER:
                assert customers is not None
                customer_id = customers.who_is_told(notification, one)
                if customer_id is None:
                    continue
            newest[key] = _new(notification, one, customer_id, now)
            made.append(newest[key])
    Notice.objects.bulk_create(made, ignore_conflicts=True, batch_size=_AT_ONCE)
    Notice.objects.bulk_update(
        [one for one in changed.values() if one.pk],
        ["last_at", "ended_at", "times", "over"],
        batch_size=_AT_ONCE,
    )


def fits(notification: Notification, happened: Happened) -> bool:
    """Whether a notification is about this at all, its group left aside."""
    if happened.is_alert:
        return notification.alerts
    if not notification.info_codes:
        return False
    if notification.codes:
        return happened.what in notification.codes
    return bool(happened.severity >= notification.severity)


def _same(before: Notice, one: Happened) -> bool:
    """Whether what began is still, or soon again, what was noted before."""
    if one.is_alert:
        same: bool = before.began_at == one.at
        return same
    ended: datetime | None = before.ended_at
    return ended is None or one.at - ended < QUIET


def _carry_on(before: Notice, one: Happened, notification: Notification) -> bool:
    """Enter in a notice that it ended, or began again; gives whether that was news."""
    if one.ended:
        if one.at < before.last_at or (before.ended_at is not None and before.ended_at >= one.at):
            return False
        before.ended_at, before.over = one.at, notification.ended
        return True
    if one.at <= before.last_at:
        return False
    before.last_at, before.ended_at, before.over = one.at, None, False
    before.times += 1
    return True


def _new(notification: Notification, one: Happened, customer_id: int | None, now: datetime) -> Notice:
    made = Notice(
        notification=notification,
        meter_id=one.meter.pk,
        customer_id=customer_id,
        what=one.what,
        info_code=one.info_code,
        detail=one.detail,
        created_at=now,
        at_once=notification.immediately,
        daily=notification.daily_at is not None,
    )
    made.began_at = made.last_at = one.at
    return made


def _newest(wanted: list[Notification], meter_ids: Collection[int]) -> dict[_Key, Notice]:
    found: dict[_Key, Notice] = {}
    ids = sorted(meter_ids)
    for start in range(0, len(ids), _AT_ONCE):
        rows = Notice.objects.filter(notification__in=wanted, meter_id__in=ids[start : start + _AT_ONCE])
        for row in rows.order_by("began_at"):
            found[row.notification_id, row.meter_id, row.what] = row
    return found


def _events(keys: Collection[tuple[int, int]]) -> list[InfoEvent]:
    found: list[InfoEvent] = []
    wanted = sorted(set(keys))
    for start in range(0, len(wanted), _AT_ONCE):
        asked = set(wanted[start : start + _AT_ONCE])
        rows = InfoEvent.objects.filter(
            meter_id__in={meter_id for meter_id, _at in asked}, at__in={at for _meter, at in asked}
        ).select_related("meter")
        found += [row for row in rows if (row.meter_id, int(row.at.timestamp())) in asked]
    return found


def _happened(events: Sequence[InfoEvent]) -> list[Happened]:
    found: list[Happened] = []
    known: dict[tuple[str, int | None], dict[str, Said]] = {}

    def active(family: str, number: int | None) -> dict[str, Said]:
        if (family, number) not in known:
            known[family, number] = {one.code: one for one in in_words(family, number) if one.now}
        return known[family, number]

    with translation.override("en"):
        for event in events:
            meter = event.meter
            before, after = active(meter.family, event.code_before), active(meter.family, event.code)
            found += [
                Happened(meter, event.at, code, said.severity, event.code)
                for code, said in after.items()
                if code not in before
            ]
            found += [
                Happened(meter, event.at, code, said.severity, ended=True)
                for code, said in before.items()
                if code not in after
            ]
    return found


class _Customers:
    """Who lives where some meters sit, and what they want to be told."""

    def __init__(self, meter_ids: Collection[int]) -> None:
        placed = list(Installation.objects.filter(meter_id__in=meter_ids))
        self._placed: dict[int, list[Installation]] = {}
        for one in placed:
            self._placed.setdefault(one.meter_id, []).append(one)
        self._living: dict[int, list[Occupancy]] = {}
        for living in Occupancy.objects.filter(point_id__in={one.point_id for one in placed}).select_related(
            "customer"
        ):
            self._living.setdefault(living.point_id, []).append(living)
        ids = {living.customer_id for some in self._living.values() for living in some}
        self._choices = {one.customer_id: one for one in ConsumerChoice.objects.filter(customer_id__in=ids)}

    def who_is_told(self, notification: Notification, one: Happened) -> int | None:
        """The customer who had the meter then, if there is one who can be reached and wants to know."""
        customer = self._customer(one.meter.pk, one.at)
        if customer is None or not address_of(customer, notification.road):
            return None
        choice = self._choices.get(customer.pk)
        return customer.pk if choice is None or wants(choice, notification.road, one.what) else None

    def _customer(self, meter_id: int, at: datetime) -> Customer | None:
        return next(
            (
                living.customer
                for place in self._placed.get(meter_id, ())
                if place.from_at <= at and (place.to_at is None or at < place.to_at)
                for living in self._living.get(place.point_id, ())
                if living.from_at <= at and (living.to_at is None or at < living.to_at)
            ),
            None,
        )


def address_of(customer: Customer, road: str) -> str:
    """The customer's address on a road; "" when there is none."""
    return customer.email if road == Road.MAIL else customer.phone if road == Road.SMS else ""


def wants(choice: ConsumerChoice, road: str, what: str) -> bool:
    """Whether a customer who has chosen wants to be told this on that road."""
    by_road: bool = choice.mail if road == Road.MAIL else choice.sms
    return by_road and (ALERTS if what.startswith("alert/") else what) not in choice.refused


def waiting() -> Q:
    """Notices of which something still is to be told."""
    return Q(at_once=True) | Q(daily=True) | Q(over=True)
