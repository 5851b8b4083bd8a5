"""The town goes into the database: utility, administrator, customers, points, meters, keys, history."""

from __future__ import annotations

from datetime import UTC, datetime
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import transaction

from avlas.decode.families import find
from avlas.decode.types import Address
from avlas.demo import office
from avlas.demo.history import Progress, write_history
from avlas.meters import models
from avlas.meters.models import Generation
from avlas.migrate import upgrade
from avlas.operation import map_files
from avlas.reports.days import count_days
from avlas.simulate.layouts import meter_type
from avlas.simulate.meter import SimulatedMeter
from avlas.system import secrets
from avlas.system.command_createadmin import create_admin

if TYPE_CHECKING:
    from pathlib import Path

    from avlas.simulate.registry import Meter
    from avlas.simulate.town import Town
    from avlas.system.models import Utility

ADMINISTRATOR = "admin@norrtuna.example"
_BATCH = 500


def receiver_path(data: Path, index: int) -> Path:
    """Where the simulated receiver of a collector is plugged in."""
    return data / "receivers" / f"receiver{index}"


def simulated(meter: Meter) -> SimulatedMeter:
    """The meter as the simulator sends for it."""
    one = SimulatedMeter.of(meter.type_name, meter.identification, meter.key)
    one.clock_error = meter.clock_error
    one.primary_address = meter.primary_address or 1
    return one


def load(town: Town, data: Path, progress: Progress) -> None:
    """Make the database in ``data`` and put the whole town with its 13 months into it."""
    upgrade()
    user, _ = create_admin(
        ADMINISTRATOR,
        token_urlsafe(24),
        utility_name=f"{town.name} Energi",
        first_name="Astrid",
        last_name="Admin",
    )
    utility = user.utility
    with transaction.atomic():
        points = _places(town, utility)
        meters = _meters(town, utility, points)
        _keys(town, utility)
        collectors = _collectors(town, utility, data)
        Generation.bump(utility.pk)
    map_files.write_lines(utility.slug, _lines(town))
    write_history(town, utility.pk, meters, collectors, progress)
    count_days()
    office.set_up(utility, user)


def _lines(town: Town) -> list[dict[str, Any]]:
    """Streets and rivers as GeoJSON features, for the map."""
    drawn = [
        *((one.line, {"name": one.name, "kind": "main" if one.main else "street"}) for one in town.streets),
        *((river, {"kind": "water"}) for river in town.rivers),
    ]
    return [
        {
            "type": "Feature",
            "properties": properties,
            "geometry": {"type": "LineString", "coordinates": np.round(line[:, ::-1], 6).tolist()},
        }
        for line, properties in drawn
    ]


def _places(town: Town, utility: Utility) -> list[models.MeteringPoint]:
    customers = models.Customer.objects.bulk_create(
        (
            models.Customer(
                utility=utility, number=one.number, name=one.name, email=one.email, phone=one.phone
            )
            for one in town.customers
        ),
        batch_size=_BATCH,
    )
    points = models.MeteringPoint.objects.bulk_create(
        (
            models.MeteringPoint(
                utility=utility,
                facility_id=one.facility,
                address=one.address,
                postal_code=one.postal_code,
                city=one.city,
                district=one.district,
                latitude=one.latitude,
                longitude=one.longitude,
            )
            for one in town.points
        ),
        batch_size=_BATCH,
    )
    models.Occupancy.objects.bulk_create(
        (
            models.Occupancy(
                point=points[point.index],
                customer=customers[one.customer.index],
                from_at=one.begins,
                to_at=one.ends,
            )
            for point in town.points
            for one in point.occupancies
        ),
        batch_size=_BATCH,
    )
    return points


def _meters(town: Town, utility: Utility, points: list[models.MeteringPoint]) -> dict[int, models.Meter]:
    """The meters the utility knows of, by their number in the town, with addresses and installations."""
    known = [one for one in town.meters if one.registered]
    rows = models.Meter.objects.bulk_create((_meter(one, utility) for one in known), batch_size=_BATCH)
    found = {one.index: row for one, row in zip(known, rows, strict=True)}
    models.MeterAddress.objects.bulk_create(
        (
            models.MeterAddress(
                utility=utility,
                meter=found[one.index],
                road="wired" if one.wired else "radio",
                identifier=meter_type(one.type_name).manufacturer + one.identification,
                version=meter_type(one.type_name).version,
                device_type=meter_type(one.type_name).device_type,
                from_at=one.mounted_at,
                to_at=one.dismounted_at,
            )
            for one in known
        ),
        batch_size=_BATCH,
    )
    models.Installation.objects.bulk_create(
        (
            models.Installation(
                point=points[one.point],
                meter=found[one.index],
                from_at=one.mounted_at or town.begin,
                to_at=one.dismounted_at,
                reason="Mätarbyte" if one.dismounted_at else "",
            )
            for one in known
            if one.point is not None
        ),
        batch_size=_BATCH,
    )
    return found


def _meter(one: Meter, utility: Utility) -> models.Meter:
    kind = meter_type(one.type_name)
    raw = simulated(one).address
    family = find(Address(kind.manufacturer, one.identification, kind.version, kind.device_type, raw))
    return models.Meter(
        utility=utility,
        manufacturer=kind.manufacturer,
        serial=one.identification,
        model=one.model,
        family=family[0].name if family else "",
        medium=kind.medium,
        config={"qp_m3h": one.qp_m3h, "year": one.year, "type_number": kind.type_number},
        created_at=one.mounted_at or datetime.now(UTC),
    )


def _keys(town: Town, utility: Utility) -> None:
    sealing = secrets.writing_key()
    rows = []
    for one in town.meters:
        if one.registered_key is None:
            continue
        row = models.Key(
            utility=utility,
            manufacturer=meter_type(one.type_name).manufacturer,
            identification=one.identification,
            source="norrtuna.kem2",
        )
        row.sealed = sealing.encrypt(one.registered_key, row.context())
        rows.append(row)
    models.Key.objects.bulk_create(rows, batch_size=_BATCH)


def _collectors(town: Town, utility: Utility, data: Path) -> list[models.Collector]:
    names = [one.name for one in town.collectors]
    return [
        models.Collector.objects.create(
            utility=utility,
            name=one.name if names.count(one.name) == 1 else f"{one.name}, {one.city} {one.index}",
            spec="api" if one.kind == "mbus" else f"im871a:{receiver_path(data, one.index)}",
            link_mode="c1t1",
            active=one.kind != "mbus",
            latitude=one.latitude,
            longitude=one.longitude,
        )
        for one in town.collectors
    ]
