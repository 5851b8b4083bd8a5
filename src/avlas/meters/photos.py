"""Photos at meters, points and exchanges: kept, removed, and erased with the customer in whose time they were taken."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from avlas.meters import pictures
from avlas.meters.changes import name_of
from avlas.meters.models import Exchange, Meter, Photo
from avlas.system import audit

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from avlas.meters.keys import Who
    from avlas.meters.models import MeteringPoint, Occupancy

MOST_EACH: Final = 60
"""How many photos a meter, a point or an exchange may have."""


def keep(of: MeteringPoint | Meter | Exchange, data: bytes, note: str, who: Who) -> Photo:
    """Keep a photo of a point, of a meter (and where it sits now), or of an exchange. Raises pictures.BadPicture."""
    kept = pictures.as_kept(data)
    meter = of if isinstance(of, Meter) else of.old.meter if isinstance(of, Exchange) else None
    if isinstance(of, Exchange):
        point: MeteringPoint | None = of.old.point
    elif isinstance(of, Meter):
        place = of.installations.select_related("point").filter(to_at=None).first()
        point = place.point if place else None
    else:
        point = of
    with transaction.atomic():
        made = Photo.objects.create(
            utility=of.utility, point=point, meter=meter, exchange=of if isinstance(of, Exchange) else None,
            note=note.strip(), content=kept.content, small=kept.small, by=who.user,
        )  # fmt: skip
        _tell("photos.added", made, who)
    return made


def remove(photo: Photo, who: Who) -> None:
    """Remove a photo."""
    with transaction.atomic():
        _tell("photos.removed", photo, who)
        photo.delete()


def in_time_of(occupancy: Occupancy) -> QuerySet[Photo]:
    """The photos taken at a point while a customer had it."""
    until = occupancy.to_at or datetime.now(UTC)
    return Photo.objects.filter(point_id=occupancy.point_id, at__gte=occupancy.from_at, at__lte=until)


def everything(occupancy: Occupancy) -> list[dict[str, Any]]:
    """Those photos, to hand out: when, what was noted, and the JPEG in base64."""
    return [
        {"at": one.at.isoformat(), "note": one.note, "jpeg": b64encode(bytes(one.content)).decode()}
        for one in in_time_of(occupancy).order_by("at")
    ]


def _tell(event: str, photo: Photo, who: Who) -> None:
    of = photo.meter or photo.point
    assert of is not None
    audit.record(
        event, utility=photo.utility, user=who.user, computer=who.computer, target=name_of(of),
        detail={"photo": photo.pk},
    )  # fmt: skip
