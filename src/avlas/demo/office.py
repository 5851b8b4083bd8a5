"""What the people of the town's utility have set up: groups, exports, ceilings, a valve that is asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.utils import timezone, translation

from avlas.meters import valve_requests
from avlas.meters.keys import Who
from avlas.meters.models import Group, GroupMember, Installation, Kind, Reading
from avlas.meters.valve_rules import DISCONNECT
from avlas.notify import alerts
from avlas.notify.models import Alert, Period
from avlas.system.models import Language
from avlas.transfer.exports.layout import to_data
from avlas.transfer.exports.ready_made import READY_MADE
from avlas.transfer.exports.template import ExportTemplate

if TYPE_CHECKING:
    from datetime import datetime

    from avlas.system.models import User, Utility

_EXPORTS: Final = ("billing", "excel")
_WATCHED: Final = 50
_TIMES: Final = 2
"""A day may use so many times what was usual a month ago; a leak uses more, and the town has some."""
_LEAST_M3: Final = 0.5


def set_up(utility: Utility, user: User) -> None:
    """Set all of it up, by ``user``."""
    installed = list(
        Installation.objects.filter(meter__utility=utility, to_at=None)
        .select_related("meter", "point")
        .order_by("pk")
    )
    with transaction.atomic(), translation.override(Language.SWEDISH):
        _groups(utility, installed)
        _exports(utility, user)
        _ceilings(utility, user, [one for one in installed if "water" in one.meter.medium][:_WATCHED])
        _valve(installed)


def _groups(utility: Utility, installed: list[Installation]) -> None:
    """One for each district."""
    for name in sorted({one.point.district for one in installed if one.point.district}):
        group = Group.objects.create(utility=utility, name=name)
        GroupMember.objects.bulk_create(
            GroupMember(group=group, meter=one.meter) for one in installed if one.point.district == name
        )


def _exports(utility: Utility, user: User) -> None:
    for code in _EXPORTS:
        ready = READY_MADE[code]
        ExportTemplate.objects.create(
            utility=utility, name=str(ready.name), layout=to_data(ready.layout), created_by=user
        )


def _ceilings(utility: Utility, user: User, installed: list[Installation]) -> None:
    now = timezone.now()
    watched = []
    for one in installed:
        month_ago, before = (_volume_m3(one, now - timedelta(days=days)) for days in (30, 60))
        usual = (month_ago - before) / 30 if month_ago is not None and before is not None else 0.0
        watched.append(
            Alert(
                utility=utility, meter=one.meter, register="volume_m3", period=Period.DAY,
                ceiling=max(_LEAST_M3, round(_TIMES * usual, 1)), from_at=now - timedelta(days=7), created_by=user,
            )
        )  # fmt: skip
    alerts.fire(alerts.judge_now(Alert.objects.bulk_create(watched), now), now)


def _volume_m3(one: Installation, at: datetime) -> float | None:
    """What the meter had counted then."""
    rows = Reading.objects.filter(meter_id=one.meter_id, slot_at__lte=at, kind=Kind.LIVE).order_by("-slot_at")
    value: float | None = rows.values_list("volume_m3", flat=True).first()
    return value


def _valve(installed: list[Installation]) -> None:
    """A program asks for somebody's electricity to be cut: it waits for a person."""
    one = next((one for one in installed if one.meter.medium == "electricity"), None)
    if one is not None:
        valve_requests.ask(
            one.meter, DISCONNECT, Who(), reason="vacant", explanation="Utflyttad enligt kundsystemet.",
            program="Kundsystemet",
        )  # fmt: skip
