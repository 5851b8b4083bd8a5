"""A meter comes to a metering point, leaves it, lies in stock, goes out of use, or is forgotten.

A meter that is taken down is no longer found at its addresses: telegrams it still sends are a stranger's. Installed
anew, or taken back into stock, it has them again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from avlas.meters import pulse_inputs
from avlas.meters.adopt import claim, claim_many, read_what_was_heard, settle
from avlas.meters.changes import name_of
from avlas.meters.models import (
    Generation,
    Installation,
    Meter,
    MeterAddress,
    MeterState,
    Reading,
    Telegram,
)
from avlas.system import audit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from avlas.meters.keys import Who
    from avlas.meters.models import MeteringPoint
    from avlas.system.models import Utility


class Impossible(Exception):  # noqa: N818
    """It can't be done with this meter now; ``code`` says why: one of the names in the pages' words."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def create(utility: Utility, values: dict[str, Any], identifier: str, who: Who) -> Meter:
    """Make a meter that nobody has heard yet, in stock; ``identifier``: its number in radio telegrams, "" for none.

    Raises Impossible("taken") when the utility has a meter of this maker and serial number.
    """
    with transaction.atomic():
        meter, new = Meter.objects.get_or_create(
            utility=utility, manufacturer=values["manufacturer"], serial=values["serial"], defaults=values
        )
        if not new:
            raise Impossible("taken")
        if identifier:
            found_by_radio(utility, [(meter.pk, meter.manufacturer + identifier)])
        _tell(meter, "meter.created", who, {"identifier": identifier})
    return meter


def found_by_radio(utility: Utility, pairs: Sequence[tuple[int, str]]) -> None:
    """Say that meters (their ids) of ``utility`` are found by radio at identifiers ("KAM12345678").

    In the caller's transaction.
    """
    claim_many(utility, "radio", [(meter_id, identifier, None, None) for meter_id, identifier in pairs])
    _join_states(utility, {identifier: meter_id for meter_id, identifier in pairs})


def install(
    meter: Meter, point: MeteringPoint, role: str, at: datetime, who: Who | None = None
) -> Installation:
    """Put ``meter`` to ``point`` from ``at`` (aware) on.

    Raises Impossible: "other_utility", "installed" (it is somewhere already), "retired", "virtual_point" (the point is
    the sum of others), "before_its_end" (it was somewhere else at that time), "main_there" (the point has another main
    meter at that time). Without ``who`` the caller writes the audit log.
    """
    with transaction.atomic():
        meter = Meter.objects.select_for_update().get(pk=meter.pk)
        if meter.utility_id != point.utility_id:
            raise Impossible("other_utility")
        if meter.retired_at is not None:
            raise Impossible("retired")
        if point.parts.exists():
            raise Impossible("virtual_point")
        if meter.installations.filter(to_at=None).exists():
            raise Impossible("installed")
        if meter.installations.filter(to_at__gt=at).exists():
            raise Impossible("before_its_end")
        others = Installation.objects.filter(point=point, role=Installation.MAIN)
        if role == Installation.MAIN and (others.filter(to_at=None) | others.filter(to_at__gt=at)).exists():
            raise Impossible("main_there")
        made = Installation.objects.create(point=point, meter=meter, role=role, from_at=at)
        open_addresses(meter)
        if who is not None:
            _tell(
                meter, "meter.installed", who, {"point": name_of(point), "role": role, "at": at.isoformat()}
            )
    return made


def take_down(installation: Installation, at: datetime, reason: str, who: Who | None = None) -> list[int]:
    """End an installation at ``at`` (aware); its meter is in stock from now on. Give the addresses that ended.

    Raises Impossible: "gone" (it has ended already), "before_it_began". Without ``who`` the caller writes the
    audit log.
    """
    with transaction.atomic():
        there = Installation.objects.select_for_update().get(pk=installation.pk)
        if there.to_at is not None:
            raise Impossible("gone")
        if at <= there.from_at:
            raise Impossible("before_it_began")
        there.to_at, there.reason = at, reason
        there.save(update_fields=["to_at", "reason"])
        ended = close_addresses(there.meter)
        pulse_inputs.end_all(there.meter, at)
        if who is not None:
            _tell(there.meter, "meter.taken_down", who,
                  {"point": name_of(there.point), "at": at.isoformat(), "reason": reason})  # fmt: skip
    return ended


def retire(meter: Meter, who: Who) -> None:
    """Take a meter out of use for good. Raises Impossible("installed")."""
    with transaction.atomic():
        meter = Meter.objects.select_for_update().get(pk=meter.pk)
        if meter.installations.filter(to_at=None).exists():
            raise Impossible("installed")
        if meter.retired_at is None:
            meter.retired_at = datetime.now(UTC)
            meter.save(update_fields=["retired_at"])
            close_addresses(meter)
            _tell(meter, "meter.retired", who)


def back_in_stock(meter: Meter, who: Who) -> None:
    """Take a meter that was out of use into stock again."""
    with transaction.atomic():
        if Meter.objects.filter(pk=meter.pk).exclude(retired_at=None).update(retired_at=None):
            open_addresses(meter)
            _tell(meter, "meter.back_in_stock", who)


def is_needed(meter: Meter) -> bool:
    """Whether readings, telegrams or installations speak of the meter, so that it must stay."""
    return (
        Reading.objects.filter(meter_id=meter.pk).exists()
        or Telegram.objects.filter(meter_id=meter.pk).exists()
        or meter.installations.exists()
    )


def delete(meter: Meter, who: Who) -> None:
    """Forget a meter of which nothing is kept. Raises Impossible("needed")."""
    with transaction.atomic():
        meter = Meter.objects.select_for_update().get(pk=meter.pk)
        if is_needed(meter):
            raise Impossible("needed")
        claims = list(meter.addresses.values_list("road", "identifier"))
        _tell(meter, "meter.deleted", who)
        meter.delete()
        for road, identifier in claims:
            settle(road, {identifier})
        Generation.bump(meter.utility_id)


def close_addresses(meter: Meter) -> list[int]:
    """End all addresses of ``meter`` now (caller's transaction); give their ids."""
    rows = list(MeterAddress.objects.filter(meter=meter, to_at=None).order_by("pk"))
    MeterAddress.objects.filter(pk__in=[row.pk for row in rows]).update(
        to_at=datetime.now(UTC), contested=False
    )
    MeterState.objects.filter(meter=meter).update(meter=None)
    for road in sorted({row.road for row in rows}):
        settle(road, {row.identifier for row in rows if row.road == road})
    Generation.bump(meter.utility_id)
    return [row.pk for row in rows]


def open_addresses(meter: Meter, ids: Iterable[int] | None = None) -> None:
    """Let ``meter`` be found again at the addresses that ended last (or at ``ids``), in the caller's transaction."""
    ended = MeterAddress.objects.filter(meter=meter).exclude(to_at=None)
    if ids is not None:
        ended = ended.filter(pk__in=list(ids))
    elif MeterAddress.objects.filter(meter=meter, to_at=None).exists():
        return
    seen = set()
    for row in ended.order_by("-to_at", "-pk"):
        if (row.road, row.identifier, row.version, row.device_type) not in seen:
            seen.add((row.road, row.identifier, row.version, row.device_type))
            claim(meter, row.road, row.identifier, row.version, row.device_type)
            _join_states(meter.utility, {row.identifier: meter.pk})


def _join_states(utility: Utility, meters: Mapping[str, int]) -> None:
    """What was heard of addresses as a stranger's is the meters' own from now on, and read after the commit."""
    strangers = MeterState.objects.filter(
        utility=utility, identification__in={identifier[3:] for identifier in meters}, meter=None
    )
    states = [state for state in strangers if state.manufacturer + state.identification in meters]
    for state in states:
        state.meter_id, state.state_at = meters[state.manufacturer + state.identification], None
    MeterState.objects.bulk_update(states, ["meter", "state_at"], batch_size=200)
    if states:
        transaction.on_commit(lambda: read_what_was_heard(states))


def _tell(meter: Meter, event: str, who: Who, detail: dict[str, Any] | None = None) -> None:
    audit.record(
        event, utility=meter.utility, user=who.user, computer=who.computer, target=str(meter), detail=detail
    )
