"""Heard addresses become meters of a utility."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.db import connection, transaction

from avlas.decode.families import THERMAL_TYPES, find, medium
from avlas.decode.types import Address
from avlas.meters import column_store, model_rows
from avlas.meters.models import Generation, Meter, MeterAddress, MeterState
from avlas.meters.retro import take_in_recent
from avlas.system import audit
from avlas.system.secrets import SecretError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from avlas.system.models import User, Utility

logger = logging.getLogger(__name__)

_CHUNK = 250  # addresses adopted in one transaction
_Device = tuple[int | None, int | None]  # version, device type
_WATER_TYPES = frozenset({0x06, 0x07, 0x15, 0x16, 0x17})


def adopt(
    utility: Utility, states: Iterable[MeterState], user: User | None, computer: str = ""
) -> list[Meter]:
    """Make the heard addresses ``states`` meters of ``utility``; give the meters, new or already there.

    Rows of another utility, and addresses that have a meter already, are passed over. An address that another
    utility claims too becomes contested for both. The last telegrams heard are decoded at once where a key is
    there. Many are adopted in parts, each in a transaction of its own: after a crash the rest can be adopted again.
    """
    ids = [state.pk for state in states if state.utility_id == utility.pk]
    meters: list[Meter] = []
    adopted: list[MeterState] = []
    for start in range(0, len(ids), _CHUNK):
        with transaction.atomic():
            wanted = list(
                MeterState.objects.select_for_update(no_key=True, of=("self",))
                .filter(pk__in=ids[start : start + _CHUNK], meter=None)
                .order_by("pk")  # as ingest locks them
            )
            adopted += wanted
            meters += _adopt(utility, wanted, user, computer)
    read_what_was_heard(adopted)
    return meters


def read_what_was_heard(states: Iterable[MeterState]) -> None:
    """Take in the last telegrams of addresses that have just become a meter's (outside of any transaction)."""
    try:
        take_in_recent(states)
    except SecretError:  # the meters are there all the same; their next telegrams tell the collector
        logger.exception("the last telegrams of the meters just adopted could not be decoded")


def _adopt(utility: Utility, states: Sequence[MeterState], user: User | None, computer: str) -> list[Meter]:
    addresses = [
        Address(
            state.manufacturer,
            state.identification,
            state.version,
            state.device_type,
            bytes.fromhex(state.address),
        )
        for state in states
    ]
    meters = add_meters(utility, [(address, "") for address in addresses])
    for state, meter in zip(states, meters, strict=True):
        state.meter, state.state_at = meter, None
        audit.record(
            "meter.adopt", utility=utility, user=user, computer=computer, target=str(meter),
            detail={"address": state.address},
        )  # fmt: skip
    column_store.update(
        connection, "meters_meterstate",
        {"id": [state.pk for state in states], "meter_id": [meter.pk for meter in meters],
         "state_at": [None] * len(meters)},
        "id",
    )  # fmt: skip
    return meters


def add_meter(utility: Utility, address: Address, *, serial: str = "", road: str = "radio") -> Meter:
    """Make a meter found at ``address`` on ``road``, or give the one that is there: see ``add_meters``."""
    return add_meters(utility, [(address, serial)], road)[0]


def add_meters(utility: Utility, wanted: Sequence[tuple[Address, str]], road: str = "radio") -> list[Meter]:
    """Make meters found at addresses on ``road``, or give those that are there (caller's transaction).

    Beside each address its serial number when it is not the identification in the address. A maker may give the
    same number to a heat meter and to a water meter: these are two meters, the later one's serial number is written
    with its device type ("12345678/07").
    """
    types: dict[tuple[str, str], set[int]] = {}  # of the devices that have a number
    for maker, number, other in MeterAddress.objects.filter(
        meter__utility=utility,
        meter__serial__in={serial or address.identification for address, serial in wanted},
    ).values_list("meter__manufacturer", "meter__serial", "device_type"):
        if other is not None:
            types.setdefault((maker, number), set()).add(other)
    rows = []
    for address, serial in wanted:
        number = serial or address.identification
        others = types.setdefault((address.manufacturer, number), set())
        if others and not any(_one_device(address.device_type, other) for other in others):
            number = f"{number}/{address.device_type:02X}"
        else:
            others.add(address.device_type)
        rows.append(_meter(utility, address, number))
    meters = _get_or_create(utility, rows)
    claims = [
        (meter.pk, address.manufacturer + address.identification, address.version, address.device_type)
        for meter, (address, _serial) in zip(meters, wanted, strict=True)
    ]
    claim_many(utility, road, claims)
    return meters


def _meter(utility: Utility, address: Address, serial: str) -> Meter:
    found = find(address)
    return Meter(
        utility=utility,
        manufacturer=address.manufacturer,
        serial=serial,
        model=found[1].model if found else "",
        family=found[0].name if found else "",
        medium=medium(address.device_type),
        slot_seconds=utility.slot_minutes * 60,
    )


def _get_or_create(utility: Utility, rows: Sequence[Meter]) -> list[Meter]:
    """The meters with the makers and serial numbers of ``rows``, made of the first of these where there is none."""
    rows_of: dict[tuple[str, str], Meter] = {}
    for row in rows:
        rows_of.setdefault((row.manufacturer, row.serial), row)
    for new in (True, False):
        there = {
            (meter.manufacturer, meter.serial): meter
            for meter in Meter.objects.filter(utility=utility, serial__in={serial for _, serial in rows_of})
        }
        missing = [row for key, row in rows_of.items() if key not in there]
        if not (new and missing):
            break
        Meter.objects.bulk_create(missing, ignore_conflicts=True, batch_size=200)
    return [there[row.manufacturer, row.serial] for row in rows]


def claim(
    meter: Meter, road: str, identifier: str, version: int | None, device_type: int | None
) -> MeterAddress:
    """Say that ``meter`` is found at an address from now on (caller's transaction).

    ``version`` and ``device_type`` None: whatever they are. When another utility has the address too, it is
    contested for both until one gives it up: see ``release``.
    """
    claim_many(meter.utility, road, [(meter.pk, identifier, version, device_type)])
    there = MeterAddress.objects.filter(meter=meter, road=road, identifier=identifier, to_at=None).order_by(
        "pk"
    )
    return next(row for row in there if _covers((row.version, row.device_type), (version, device_type)))


def claim_many(
    utility: Utility, road: str, claims: Sequence[tuple[int, str, int | None, int | None]]
) -> None:
    """Say where meters are found: the id of each, its identifier, version, device type (caller's transaction)."""
    there: dict[tuple[int, str], list[_Device]] = {}
    for meter_id, identifier, *device in MeterAddress.objects.filter(
        meter__in={meter_id for meter_id, *_ in claims}, road=road, to_at=None
    ).values_list("meter_id", "identifier", "version", "device_type"):
        there.setdefault((meter_id, identifier), []).append((device[0], device[1]))
    new = []
    for meter_id, identifier, version, device_type in claims:
        mine = there.setdefault((meter_id, identifier), [])
        if not any(_covers(device, (version, device_type)) for device in mine):
            mine.append((version, device_type))
            new.append((meter_id, identifier, version, device_type))
    if new:
        names = ("meter_id", "identifier", "version", "device_type")
        columns = dict(zip(names, map(list, zip(*new, strict=True)), strict=True))
        model_rows.insert(MeterAddress, columns, {"utility_id": utility.pk, "road": road})
    settle(road, {identifier for _, identifier, *_ in claims})
    Generation.bump(utility.pk)


def release(address: MeterAddress, user: User | None, computer: str = "") -> None:
    """Say that the meter is no longer found at ``address``; what was contested may be settled by that.

    Its telegrams are a stranger's from now on. Releasing it again changes nothing.
    """
    with transaction.atomic():
        if not MeterAddress.objects.filter(pk=address.pk, to_at=None).update(
            to_at=datetime.now(UTC), contested=False
        ):
            return
        settle(address.road, {address.identifier})
        Generation.bump(address.utility_id)
        audit.record(
            "meter.address_released", utility=address.utility, user=user, computer=computer,
            target=str(address.meter), detail={"road": address.road, "identifier": address.identifier},
        )  # fmt: skip


def settle(road: str, identifiers: Collection[str]) -> None:
    """Work out anew who contests addresses (caller's transaction); tell all utilities for which that changed."""
    found = MeterAddress.objects.filter(road=road, identifier__in=identifiers, to_at=None)
    times: dict[str, int] = {}
    for identifier, contested in found.values_list("identifier", "contested"):
        times[identifier] = times.get(identifier, 0) + 1 + contested
    doubtful = [identifier for identifier, count in times.items() if count > 1]
    if not doubtful:
        return
    claims: dict[str, list[MeterAddress]] = {}
    for row in (
        MeterAddress.objects.filter(road=road, identifier__in=doubtful, to_at=None)
        .select_related("utility", "meter")
        .order_by("pk")
    ):
        claims.setdefault(row.identifier, []).append(row)
    changed = []
    for identifier in sorted(claims):
        rivals = claims[identifier]
        for one in rivals:
            contested = any(other.utility_id != one.utility_id and _overlap(one, other) for other in rivals)
            if contested != one.contested:
                one.contested = contested
                one.save(update_fields=["contested"])
                changed.append(one)
    Generation.bump(*(one.utility_id for one in changed))
    for one in changed:
        audit.record(
            "meter.address_contested" if one.contested else "meter.address_settled",
            utility=one.utility, target=str(one.meter), detail={"road": road, "identifier": one.identifier},
        )  # fmt: skip


def _one_device(one: int, other: int) -> bool:
    """Whether two device types can be one meter's (by radio and by wire, say): both heat and cooling, both water."""
    return one == other or any({one, other} <= kind for kind in (THERMAL_TYPES, _WATER_TYPES))


def _covers(one: _Device, other: _Device) -> bool:
    return one[0] in (None, other[0]) and one[1] in (None, other[1])


def _overlap(one: MeterAddress, other: MeterAddress) -> bool:
    """Whether some telegram would belong to both."""
    return (one.version is None or other.version in (None, one.version)) and (
        one.device_type is None or other.device_type in (None, one.device_type)
    )
