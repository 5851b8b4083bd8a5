"""Heard addresses become meters of a utility."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.db import transaction

from avlas.decode.families import THERMAL_TYPES, find, medium
from avlas.decode.types import Address
from avlas.meters.models import Generation, Meter, MeterAddress, MeterState
from avlas.meters.retro import take_in_recent
from avlas.system import audit
from avlas.system.secrets import SecretError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from avlas.system.models import User, Utility

logger = logging.getLogger(__name__)

_WATER_TYPES = frozenset({0x06, 0x07, 0x15, 0x16, 0x17})


def adopt(
    utility: Utility, states: Iterable[MeterState], user: User | None, computer: str = ""
) -> list[Meter]:
    """Make the heard addresses ``states`` meters of ``utility``; give the meters, new or already there.

    Rows of another utility, and addresses that have a meter already, are passed over. An address that another
    utility claims too becomes contested for both. The last telegrams heard are decoded at once where a key is
    there.
    """
    ids = [state.pk for state in states if state.utility_id == utility.pk]
    meters = []
    with transaction.atomic():
        wanted = list(
            MeterState.objects.select_for_update(no_key=True, of=("self",))
            .filter(pk__in=ids, meter=None)
            .order_by("address")
        )
        for state in wanted:
            address = Address(
                state.manufacturer,
                state.identification,
                state.version,
                state.device_type,
                bytes.fromhex(state.address),
            )
            meter = add_meter(utility, address)
            MeterState.objects.filter(pk=state.pk).update(meter=meter, state_at=None)
            meters.append(meter)
            audit.record(
                "meter.adopt", utility=utility, user=user, computer=computer, target=str(meter),
                detail={"address": state.address},
            )  # fmt: skip
    try:
        take_in_recent(wanted)
    except SecretError:  # the meters are adopted all the same; their next telegrams tell the collector
        logger.exception("the last telegrams of the meters just adopted could not be decoded")
    return meters


def add_meter(utility: Utility, address: Address, *, serial: str = "", road: str = "radio") -> Meter:
    """Make a meter found at ``address`` on ``road``, or give the one that is there (caller's transaction).

    ``serial``: the serial number when it is not the identification in the address. A maker may give the same
    number to a heat meter and to a water meter: these are two meters, the later one's serial number is written
    with its device type ("12345678/07").
    """
    found = find(address)
    serial = serial or address.identification
    identifier = address.manufacturer + address.identification
    others = MeterAddress.objects.filter(
        meter__utility=utility, meter__manufacturer=address.manufacturer, meter__serial=serial
    )
    types = {other for other in others.values_list("device_type", flat=True) if other is not None}
    if types and not any(_one_device(address.device_type, other) for other in types):
        serial = f"{serial}/{address.device_type:02X}"
    meter, _ = Meter.objects.get_or_create(
        utility=utility,
        manufacturer=address.manufacturer,
        serial=serial,
        defaults={
            "model": found[1].model if found else "",
            "family": found[0].name if found else "",
            "medium": medium(address.device_type),
        },
    )
    claim(meter, road, identifier, address.version, address.device_type)
    return meter


def claim(
    meter: Meter, road: str, identifier: str, version: int | None, device_type: int | None
) -> MeterAddress:
    """Say that ``meter`` is found at an address from now on (caller's transaction).

    ``version`` and ``device_type`` None: whatever they are. When another utility has the address too, it is
    contested for both until one gives it up: see ``release``.
    """
    there = MeterAddress.objects.filter(meter=meter, road=road, identifier=identifier, to_at=None)
    mine = next((row for row in there if _covers(row, version, device_type)), None)
    if mine is None:
        mine = MeterAddress.objects.create(
            utility_id=meter.utility_id,
            meter=meter,
            road=road,
            identifier=identifier,
            version=version,
            device_type=device_type,
        )
    settle(road, identifier)
    Generation.bump(meter.utility_id)
    mine.refresh_from_db(fields=["contested"])
    return mine


def release(address: MeterAddress, user: User | None, computer: str = "") -> None:
    """Say that the meter is no longer found at ``address``; what was contested may be settled by that.

    Its telegrams are a stranger's from now on. Releasing it again changes nothing.
    """
    with transaction.atomic():
        if not MeterAddress.objects.filter(pk=address.pk, to_at=None).update(
            to_at=datetime.now(UTC), contested=False
        ):
            return
        settle(address.road, address.identifier)
        Generation.bump(address.utility_id)
        audit.record(
            "meter.address_released", utility=address.utility, user=user, computer=computer,
            target=str(address.meter), detail={"road": address.road, "identifier": address.identifier},
        )  # fmt: skip


def settle(road: str, identifier: str) -> None:
    """Work out anew who contests an address (caller's transaction); tell all utilities for which that changed."""
    claims = list(
        MeterAddress.objects.filter(road=road, identifier=identifier, to_at=None)
        .select_related("utility", "meter")
        .order_by("pk")
    )
    changed = []
    for one in claims:
        contested = any(other.utility_id != one.utility_id and _overlap(one, other) for other in claims)
        if contested != one.contested:
            one.contested = contested
            one.save(update_fields=["contested"])
            changed.append(one)
    Generation.bump(*(one.utility_id for one in changed))
    for one in changed:
        audit.record(
            "meter.address_contested" if one.contested else "meter.address_settled",
            utility=one.utility, target=str(one.meter), detail={"road": road, "identifier": identifier},
        )  # fmt: skip


def _one_device(one: int, other: int) -> bool:
    """Whether two device types can be one meter's (by radio and by wire, say): both heat and cooling, both water."""
    return one == other or any({one, other} <= kind for kind in (THERMAL_TYPES, _WATER_TYPES))


def _covers(row: MeterAddress, version: int | None, device_type: int | None) -> bool:
    return row.version in (None, version) and row.device_type in (None, device_type)


def _overlap(one: MeterAddress, other: MeterAddress) -> bool:
    """Whether some telegram would belong to both."""
    return (one.version is None or other.version in (None, one.version)) and (
        one.device_type is None or other.device_type in (None, one.device_type)
    )
