"""From a saved place to the road there; and testing it, with the result on its row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from avlas.system.secrets import SecretError
from avlas.system.told import told
from avlas.transfer.places import sftp, tls
from avlas.transfer.places.folder import Folder, allowed_folders
from avlas.transfer.places.ftps import Ftps
from avlas.transfer.places.https import Https
from avlas.transfer.places.mail import Mail
from avlas.transfer.places.place import PlaceKind
from avlas.transfer.places.road import PlaceError
from avlas.transfer.places.sftp import Sftp

if TYPE_CHECKING:
    from avlas.transfer.places.place import Place
    from avlas.transfer.places.road import Identity, Road


def opened(place: Place) -> Road:
    """The road to a place. Nothing is connected yet. Raises PlaceError when its secret can't be opened."""
    if place.kind == PlaceKind.FOLDER:
        return Folder(place.folder, place.archive, allowed_folders(place.utility.slug))
    if place.kind == PlaceKind.MAIL:
        return Mail(place.utility, place.name, place.to)
    try:
        secret = place.open_secret()
    except SecretError as problem:
        raise PlaceError(str(problem), for_good=True) from problem
    if place.kind == PlaceKind.HTTPS:
        return Https(
            place.url,
            method=place.method,
            token=secret,
            token_header=place.token_header,
            pinned=place.pinned,
            own_machine=place.own_machine,
        )
    if place.kind == PlaceKind.FTPS:
        return Ftps(
            place.host,
            place.port,
            place.user,
            secret,
            pinned=place.pinned,
            folder=place.folder,
            archive=place.archive,
            own_machine=place.own_machine,
        )
    return Sftp(
        place.host,
        place.port,
        place.user,
        secret,
        by_key=place.by_key,
        pinned=place.pinned,
        folder=place.folder,
        archive=place.archive,
        own_machine=place.own_machine,
    )


def fingerprint(place: Place) -> str:
    """The fingerprint of the host key or certificate that is pinned; "" when none is."""
    if not place.pinned:
        return ""
    return sftp.fingerprint(place.pinned) if place.kind == PlaceKind.SFTP else tls.fingerprint(place.pinned)


def test(place: Place) -> Identity | None:
    """Test a place and note on its row what was found and whether it works.

    Gives who answers there when that is somebody unknown whom a person may confirm (``pin``), else None.
    """
    shown = None
    try:
        found = [told(text, values) for text, values in opened(place).test()]
        place.works = True
    except PlaceError as problem:
        found, place.works = [told(problem.text, problem.values)], False
        if problem.stranger:
            try:
                shown = opened(place).identity()
            except PlaceError as away:  # nobody answers now
                found = [told(away.text, away.values)]
    place.tested, place.tested_at = found, datetime.now(UTC)
    place.save(update_fields=["tested", "tested_at", "works"])
    return shown


def pin(place: Place, fingerprint_seen: str) -> bool:
    """Pin who answers if it is the one whose fingerprint a person has confirmed; False when it is not.

    In the transaction of its audit. Raises PlaceError when nobody answers.
    """
    shown = opened(place).identity()
    if shown is None or shown.fingerprint != fingerprint_seen:
        return False
    place.pinned = shown.written
    place.save(update_fields=["pinned"])
    return True
