"""Everything stored about one customer, to hand out (GDPR article 15), and making a customer nameless."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import JSONField

from avlas.decode.registers import CODES
from avlas.meters import erasure, photos, sent_reports
from avlas.meters.models import (
    CaseEntry,
    Customer,
    InfoEvent,
    Installation,
    Kind,
    MeteringPoint,
    Occupancy,
    Reading,
    Source,
    ValveRequest,
)
from avlas.meters.personal_data import Personal, fields
from avlas.system import audit, outbox

if TYPE_CHECKING:
    from avlas.meters.keys import Who
    from avlas.meters.models import Meter

_NAMELESS = re.compile(r"P-[0-9a-f]{8}")


def occupancies(customer: Customer) -> list[Occupancy]:
    """Where the customer lives and has lived, newest first."""
    return list(customer.occupancies.select_related("point").order_by("-from_at"))


def meters_of(occupancy: Occupancy) -> list[tuple[Meter, datetime, datetime]]:
    """The meters that sat at the point during the occupancy, each with from and until when (now, if still)."""
    end = occupancy.to_at or datetime.now(UTC)
    found = []
    for one in (
        Installation.objects.filter(point_id=occupancy.point_id).select_related("meter").order_by("from_at")
    ):
        since, until = max(one.from_at, occupancy.from_at), min(one.to_at or end, end)
        if since < until:
            found.append((one.meter, since, until))
    return found


def everything(customer: Customer) -> dict[str, Any]:
    """All that is stored about the customer, as JSON can hold it."""
    return {
        "customer": {name: getattr(customer, name) for name in fields("meters.Customer", Personal.CUSTOMER)},
        "occupancies": [_occupancy(one) for one in occupancies(customer)],
        "reports_sent": [
            {
                "at": one.at.isoformat(),
                "from": one.first.isoformat(),
                "to": one.last.isoformat(),
                "destination": one.delivery.destination if one.delivery else None,
            }
            for one in customer.reports.select_related("delivery").order_by("at")
        ],
        "messages": [
            {
                "at": one.created_at.isoformat(),
                "to": one.destination,
                "subject": one.subject,
                "text": one.body,
            }
            for one in outbox.to_person(customer.utility_id, customer.email, customer.phone).order_by("pk")
        ],
        "valve_requests": [
            {"asked_at": one.asked_at.isoformat(), "wish": one.wish, "state": one.state}
            | {name: getattr(one, name) for name in fields("meters.ValveRequest", Personal.WRITTEN)}
            for one in ValveRequest.objects.filter(customer=customer).order_by("asked_at")
        ],
    }


def _occupancy(one: Occupancy) -> dict[str, Any]:
    """One of them; how to get in, and notes about the place as it is now, only to who lives there now."""
    kinds = [Personal.PLACE] if one.to_at else [Personal.PLACE, Personal.ACCESS, Personal.WRITTEN]
    return {
        "from": one.from_at.isoformat(),
        "to": one.to_at.isoformat() if one.to_at else None,
        "metering_point": {
            name: getattr(one.point, name) for kind in kinds for name in fields("meters.MeteringPoint", kind)
        },
        "photos": photos.everything(one),
        "meters": [_metered(*about) for about in meters_of(one)],
    }


def _metered(meter: Meter, since: datetime, until: datetime) -> dict[str, Any]:
    readings = Reading.objects.filter(meter=meter, slot_at__gte=since, slot_at__lt=until).order_by(
        "slot_at", "kind"
    )
    others = {one.register for one in meter.pulse_inputs.all()}  # they count for meters of their own
    names = (
        "slot_at",
        "heard_at",
        "kind",
        "source",
        "quality",
        *(code for code in CODES if code not in others),
    )
    events = InfoEvent.objects.filter(meter=meter, at__gte=since, at__lt=until).order_by("at")
    notes = CaseEntry.objects.filter(meter=meter, at__gte=since, at__lt=until).order_by("at")
    return {
        "manufacturer": meter.manufacturer,
        "serial": meter.serial,
        "model": meter.model,
        "medium": meter.medium,
        "from": since.isoformat(),
        "to": until.isoformat(),
        "readings": [
            _reading(dict(zip(names, row, strict=True)))
            for row in readings.values_list(*names).iterator(5000)
        ],
        "info_codes": [{"at": one.at.isoformat(), "info_code": one.code} for one in events],
        "cases": [{"at": one.at.isoformat(), "what": one.what, "note": one.note} for one in notes],
    }


def _reading(row: dict[str, Any]) -> dict[str, Any]:
    """A reading without its empty registers, times in ISO 8601, kind and source in words."""
    said = {
        "at": row.pop("slot_at").isoformat(),
        "heard_at": row.pop("heard_at").isoformat(),
        "kind": Kind(row.pop("kind")).name.lower(),
        "source": Source(row.pop("source")).name.lower(),
    }
    return said | {name: value for name, value in row.items() if value is not None}


def pseudonymise(customer: Customer, who: Who) -> None:
    """Take away who the customer is: number and everything else that names them. It can't be taken back.

    Messages to the customer are deleted. Occupancies and readings stay, without a name; what staff wrote about who
    lives there now is emptied. The audit log names the customer by the new number alone.
    """
    with transaction.atomic():
        row = Customer.objects.select_for_update().get(pk=customer.pk)
        outbox.to_person(row.utility_id, row.email, row.phone).delete()
        names = fields("meters.Customer", Personal.CUSTOMER)
        for name in names:
            setattr(row, name, {} if isinstance(row._meta.get_field(name), JSONField) else "")  # noqa: SLF001
        row.number = _free_number(row.utility_id)
        written = dict.fromkeys(fields("meters.MeteringPoint", Personal.WRITTEN), "")
        MeteringPoint.objects.filter(occupancies__customer=row, occupancies__to_at=None).update(**written)
        sent_reports.withdraw_from(row)
        for one in row.occupancies.all():
            photos.in_time_of(one).delete()
        row.save(update_fields=names)
        ValveRequest.objects.filter(customer=row).update(explanation="", note="", steps={})
        audit.record(
            "privacy.pseudonymised",
            utility=row.utility,
            user=who.user,
            computer=who.computer,
            target=row.number,
        )
    customer.refresh_from_db()


def is_nameless(customer: Customer) -> bool:
    """Whether ``pseudonymise`` was here before."""
    return bool(_NAMELESS.fullmatch(customer.number)) and not customer.name


def erase_occupancy(occupancy: Occupancy, from_at: datetime, to_at: datetime, who: Who) -> int:
    """Erase what all meters of a former occupancy said within it between two moments; gives how many readings.

    Raises ValueError when the occupancy has not ended, or when the span is empty or not within it.
    """
    if occupancy.to_at is None or occupancy.to_at > datetime.now(UTC):
        raise ValueError("the customer still lives there")
    if not occupancy.from_at <= from_at < to_at <= occupancy.to_at:
        raise ValueError("the span is not within the occupancy")
    count = 0
    meters = meters_of(occupancy)
    with transaction.atomic():
        erasure.hold(meter.pk for meter, _since, _until in meters)
        for meter, since, until in meters:
            begin, end = max(since, from_at), min(until, to_at)
            if begin < end:
                count += erasure.erase(meter, begin, end, who)["readings"]
        photos.in_time_of(occupancy).filter(at__gte=from_at, at__lte=to_at).delete()
    return count


def _free_number(utility_id: int) -> str:
    while True:
        number = f"P-{secrets.token_hex(4)}"
        if not Customer.objects.filter(utility_id=utility_id, number=number).exists():
            return number
