"""Heard addresses become meters of a utility."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from avlas.decode.families import find
from avlas.decode.types import Address
from avlas.meters.models import Generation, Meter, MeterAddress, MeterState
from avlas.meters.retro import take_in_recent
from avlas.system import audit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from avlas.system.models import User, Utility


def adopt(
    utility: Utility, states: Iterable[MeterState], user: User | None, computer: str = ""
) -> list[Meter]:
    """Make the heard addresses ``states`` meters of ``utility``; give the meters, new or already there.

    Rows of another utility, and addresses that have a meter already, are passed over. An address that another
    utility claims too becomes contested for both. The last telegrams heard are decoded at once where a key is there.
    """
    wanted = [state for state in states if state.utility_id == utility.pk and state.meter_id is None]
    meters = []
    with transaction.atomic():
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
    take_in_recent(wanted)
    return meters


def add_meter(utility: Utility, address: Address, *, serial: str = "", road: str = "radio") -> Meter:
    """Make a meter found at ``address`` on ``road``, or give the one that is there (caller's transaction).

    ``serial``: the serial number when it is not the identification in the address.
    """
    found = find(address)
    meter, _ = Meter.objects.get_or_create(
        utility=utility,
        manufacturer=address.manufacturer,
        serial=serial or address.identification,
        defaults={
            "model": found[1].model if found else "",
            "family": found[0].name if found else "",
        },
    )
    claim(meter, road, address.manufacturer + address.identification, address.version, address.device_type)
    return meter


def claim(
    meter: Meter, road: str, identifier: str, version: int | None, device_type: int | None
) -> MeterAddress:
    """Say that ``meter`` is found at an address from now on (caller's transaction).

    When another utility has it too, it is contested for both until one gives it up: see ``settle``.
    """
    mine, _ = MeterAddress.objects.get_or_create(
        utility_id=meter.utility_id,
        meter=meter,
        road=road,
        identifier=identifier,
        to_at=None,
        defaults={"version": version, "device_type": device_type},
    )
    settle(road, identifier)
    Generation.bump(meter.utility_id)
    return mine


def settle(road: str, identifier: str) -> None:
    """Work out anew whether an address is contested; tell all utilities concerned when that changed."""
    claims = MeterAddress.objects.filter(road=road, identifier=identifier, to_at__isnull=True)
    owners = set(claims.values_list("utility_id", flat=True))
    contested = len(owners) > 1
    if not claims.exclude(contested=contested).exists():
        return
    claims.update(contested=contested)
    Generation.bump(*owners)
    for claim_row in claims.select_related("utility", "meter"):
        audit.record(
            "meter.address_contested" if contested else "meter.address_settled",
            utility=claim_row.utility, target=str(claim_row.meter), detail={"road": road, "identifier": identifier},
        )  # fmt: skip
