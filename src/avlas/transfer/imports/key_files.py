"""The job that watches a place for key files: keys come in, and newly bought meters appear by themselves in stock.

Every file is put into the place's archive folder; one that is refused stays where it lies, and why is told once. A new
password gives it another chance.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from avlas.meters import installing
from avlas.meters import keys as meter_keys
from avlas.meters.kem import PasswordNeeded, WrongPassword
from avlas.meters.key_text import N_, KeyFileError
from avlas.meters.models import Meter
from avlas.system import audit
from avlas.system.job_kind import JobFailed, Parameter
from avlas.system.secrets import SecretError
from avlas.system.told import told
from avlas.transfer.imports.from_place import fetched, own, places
from avlas.transfer.imports.models import KeyFilePassword, KeyFileSeen
from avlas.transfer.places.opening import opened
from avlas.transfer.places.place import Place
from avlas.transfer.places.road import PlaceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avlas.meters.key_text import KeyEntry, KeyList
    from avlas.system.job_kind import Context
    from avlas.system.models import Utility
    from avlas.transfer.places.road import Road

_CHUNK: Final = 200  # meters in one transaction
_MEDIA: Final[dict[str, str]] = {  # the words of delivery lists, in lower case
    "heat": "heat", "heatcooling": "heat/cooling", "volumecold": "cold water", "volumehot": "warm water",
    "heating": "heat", "heat energy": "heat", "heat/cooling": "heat/cooling",
    "heat and cooling": "heat/cooling",
    "cooling": "cooling", "water": "water", "cold water": "cold water", "hot water": "warm water",
    "warm water": "warm water",
    "electricity": "electricity", "gas": "gas",
}  # fmt: skip
PARAMETERS: Final = (
    Parameter("place", _("From"), "choice", choices=places),
    Parameter("pattern", _("Names of the files"), default="*.kem*", help=_("* stands for any characters.")),
    Parameter("meters", _("Make meters that are not there yet, in stock"), "yes_no", default=True),
)


def run(context: Context) -> None:
    """Take in every key file that is new; fail at the end if one was refused in this run."""
    place = own(context, Place, "place", N_("The place is not there any more."))
    try:
        passwords = _passwords(place.utility)
        road = opened(place)
        names = road.names(str(context.parameters["pattern"]))
        for name in names:
            context.check()
            _file(context, place.utility, road, name, passwords)
    except PlaceError as problem:
        raise JobFailed(problem.text, **problem.values) from problem
    except SecretError as problem:
        raise JobFailed(N_("%(why)s"), why=str(problem)) from problem
    if not names:
        context.log(N_("No file lies there."))
    for seen in KeyFileSeen.objects.filter(job=context.job_id, run_id=context.run_id).order_by("pk"):
        if seen.told:
            raise JobFailed(N_("%(name)s: %(why)s"), name=seen.name, why=seen.told)


def _passwords(utility: Utility) -> list[tuple[int, str]]:
    """The kept passwords, the newest first. Raises SecretError."""
    rows = KeyFilePassword.objects.filter(utility=utility).select_related("secret").order_by("-pk")
    return [(row.pk, row.secret.open()) for row in rows]


def _file(
    context: Context, utility: Utility, road: Road, name: str, passwords: Sequence[tuple[int, str]]
) -> None:
    data = fetched(road, name)
    mark = hashlib.sha256(data).hexdigest()
    newest = passwords[0][0] if passwords else 0
    seen = KeyFileSeen.objects.filter(job=context.job_id, name=name[:200], sha256=mark).first()
    if seen is not None and seen.told and seen.passwords >= newest:
        context.log(N_("%(name)s is still refused; a new password gives it another chance."), name=name)
        return
    if seen is None or seen.told:
        why = None
        try:
            found, password = _opened(data, [text for _pk, text in passwords])
            _take_in(context, utility, name, data, password, found)
        except KeyFileError as problem:
            why = told(problem.text, problem.values)
        KeyFileSeen.objects.update_or_create(
            job_id=context.job_id, name=name[:200], sha256=mark,
            defaults={"run_id": context.run_id, "passwords": newest, "told": why or {}},
        )  # fmt: skip
        if why is not None:
            context.log(N_("%(name)s: %(why)s"), name=name, why=why)
            return
    road.archive(name)


def _opened(data: bytes, passwords: Sequence[str]) -> tuple[KeyList, str | None]:
    """What a file holds, and the password that opens it. Raises KeyFileError."""
    problem: KeyFileError | None = None
    for password in (None, *passwords):
        try:
            return meter_keys.read_file(data, password), password
        except PasswordNeeded as needed:
            problem = needed
        except WrongPassword as wrong:
            problem = wrong
    assert problem is not None
    raise problem


def _take_in(
    context: Context, utility: Utility, name: str, data: bytes, password: str | None, found: KeyList
) -> None:
    who = meter_keys.Who()
    stored = meter_keys.import_file(utility, name, data, password, who)
    made = 0
    if context.parameters["meters"]:
        for start in range(0, len(found.entries), _CHUNK):
            made += add_to_stock(utility, name, found.entries[start : start + _CHUNK])
            context.check()
    context.log(
        N_("%(name)s: %(added)s keys added, %(replaced)s replaced, %(same)s the same; %(meters)s meters added."),
        name=name, added=stored.added, replaced=stored.replaced, same=stored.unchanged, meters=made,
    )  # fmt: skip
    for problem in stored.problems[:50]:
        context.log(N_("%(name)s: %(why)s"), name=name, why=told(problem.error.text, problem.error.values))


def add_to_stock(utility: Utility, source: str, entries: Sequence[KeyEntry]) -> int:
    """Make meters of a delivery list that the utility doesn't have, those whose maker is said; give how many."""
    with transaction.atomic():
        there = set(
            Meter.objects.select_for_update(no_key=True)
            .filter(utility=utility, serial__in={entry.identification for entry in entries})
            .values_list("manufacturer", "serial")
        )
        rows: dict[tuple[str, str], Meter] = {}
        for entry in entries:
            key = (entry.manufacturer, entry.identification)
            if entry.manufacturer and key not in there and not _same_maker(key, there):
                rows.setdefault(key, _meter(utility, entry))
        Meter.objects.bulk_create(list(rows.values()), batch_size=200)
        if rows:
            installing.found_by_radio(utility, [(meter.pk, str(meter)) for meter in rows.values()])
            audit.record(
                "meter.delivered",
                utility=utility,
                target=source,
                detail={"meters": [str(m) for m in rows.values()]},
            )
    return len(rows)


def _same_maker(key: tuple[str, str], there: set[tuple[str, str]]) -> bool:
    """Kamstrup's heat and water meters are one maker's, whatever the letters."""
    return key[0] in ("KAM", "KAW") and bool({("KAM", key[1]), ("KAW", key[1])} & there)


def _meter(utility: Utility, entry: KeyEntry) -> Meter:
    listed = {"type_number": entry.type_number, "config": entry.config}
    return Meter(
        utility=utility, manufacturer=entry.manufacturer, serial=entry.identification, model=entry.meter_type[:60],
        medium=_MEDIA.get(entry.medium.lower(), ""), config={name: text for name, text in listed.items() if text},
    )  # fmt: skip
