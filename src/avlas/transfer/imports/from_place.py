"""The job that takes in the files lying at a place, by a saved mapping or because they are recognised.

Each file becomes an import like one handed in by a person, is moved to the place's archive folder, checked and taken
in. One that is refused waits among the imports with the reason for somebody to decide; the run then fails, so that
whoever the job tells is told.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from avlas.meters.key_text import N_
from avlas.system import audit
from avlas.system.job_kind import JobFailed, Parameter
from avlas.system.told import told
from avlas.transfer.imports import sheet, work
from avlas.transfer.imports.known_files import recognised
from avlas.transfer.imports.models import Import, ImportFile, ImportKind, ImportMapping, ImportStatus
from avlas.transfer.places.opening import opened
from avlas.transfer.places.place import Place
from avlas.transfer.places.road import PlaceError

if TYPE_CHECKING:
    from avlas.system.job_kind import Context
    from avlas.system.models import Utility
    from avlas.transfer.places.road import Road

ALL, GOOD = "all", "good"
RECOGNISED: Final = "recognised"


def _mappings(utility: Utility | None) -> list[tuple[str, str]]:
    taken_in = ImportMapping.objects.filter(utility=utility).exclude(kind=ImportKind.MONTH)
    return [
        *((str(one.pk), one.name) for one in taken_in.order_by("name")),
        (RECOGNISED, gettext("none: readings in MSCONS and in exports of Avläs")),
    ]


def places(utility: Utility | None) -> list[tuple[str, str]]:
    """The places that files can be fetched from."""
    every = Place.objects.filter(utility=utility).exclude(kind="mail").order_by("name")
    return [(str(one.pk), one.name) for one in every]


PARAMETERS: Final = (
    Parameter("place", _("From"), "choice", choices=places),
    Parameter("pattern", _("Names of the files"), default="*.csv", help=_("* stands for any characters.")),
    Parameter("mapping", _("Mapping"), "choice", choices=_mappings,
              help=_("Saved when a file like these was imported by hand.")),
    Parameter("rows", _("Takes in"), "choice", default=ALL,
              choices=((ALL, _("all rows, or nothing if one is refused")), (GOOD, _("the good rows")))),
)  # fmt: skip


def run(context: Context) -> None:
    """Fetch every file, take it in, and fail at the end if something was refused."""
    place = own(context, Place, "place", N_("The place is not there any more."))
    mapping = None
    if context.parameters["mapping"] != RECOGNISED:
        mapping = own(context, ImportMapping, "mapping", N_("The mapping is not there any more."))
    if mapping is not None and mapping.kind == ImportKind.MONTH:  # saved anew under its name
        raise JobFailed(N_("The mapping is for months that are only compared. Choose another."))
    try:
        road = opened(place)
        names = road.names(str(context.parameters["pattern"]))
        for name in names:
            context.check()
            _fetch(context, road, name, mapping, place.utility)
    except PlaceError as problem:
        raise JobFailed(problem.text, **problem.values) from problem
    if not names:
        context.log(N_("No file lies there."))
    mine = Import.objects.filter(job=context.job_id).select_related("utility")
    for one in mine.filter(status__in=[ImportStatus.CHECK, ImportStatus.TAKE_IN], by=None).order_by("pk"):
        _finish(context, one)
    bad = mine.filter(run_id=context.run_id).exclude(status=ImportStatus.DONE).order_by("pk")
    for one in bad:  # also at the next attempts of this run, so that it is told
        why = one.told or told(
            N_("%(count)s rows are refused. Look at it under Imports."),
            {"count": one.counts.get("refused", 0)},
        )
        raise JobFailed(N_("%(name)s: %(why)s"), name=one.name, why=why)


def fetched(road: Road, name: str) -> bytes:
    """A file's bytes. Raises PlaceError, also for one that is too large."""
    with road.fetch(name) as file:
        data = file.read(sheet.LARGEST + 1)
    if len(data) > sheet.LARGEST:
        raise PlaceError(
            N_("The file is larger than %(limit)s MB."), limit=sheet.LARGEST >> 20, for_good=True
        )
    return data


def _fetch(context: Context, road: Road, name: str, mapping: ImportMapping | None, utility: Utility) -> None:
    """Make an import of a file and put the file away, in this order: after a crash it is known by its content."""
    data = fetched(road, name)
    mark = hashlib.sha256(data).hexdigest()
    last = Import.objects.filter(job=context.job_id, name=name[:200]).order_by("-pk").first()
    if last is not None and last.sha256 == mark and last.status != ImportStatus.UNDONE:
        context.log(N_("%(name)s is the same as last time."), name=name)
    else:
        how = _how(data, mapping, utility)
        with transaction.atomic():
            made = Import.objects.create(
                utility=utility, name=name[:200], size=len(data), sha256=mark, mapping=mapping, job_id=context.job_id,
                run_id=context.run_id, whole=context.parameters["rows"] != GOOD, **how,
            )  # fmt: skip
            ImportFile.objects.create(of=made, packed=zlib.compress(data))
            audit.record(
                "imports.uploaded", utility=utility, target=made.name,
                detail={"import": made.pk, "job": context.job_id, "bytes": made.size, "sha256": mark},
            )  # fmt: skip
    road.archive(name)


def _how(data: bytes, mapping: ImportMapping | None, utility: Utility) -> dict[str, Any]:
    """How a file is to be understood: the columns of its import."""
    if mapping is not None:
        return {"kind": mapping.kind, "settings": mapping.settings, "status": ImportStatus.CHECK}
    known = recognised(data, ImportKind.READINGS, utility)
    if known is not None and known.ready:
        return {
            "kind": ImportKind.READINGS,
            "settings": known.settings.packed(),
            "status": ImportStatus.CHECK,
        }
    why = N_(
        "The file is not recognised: it is neither MSCONS nor an export of Avläs whose columns say everything."
    )
    return {"kind": ImportKind.READINGS, "status": ImportStatus.COLUMNS, "told": told(why, {}),
            "settings": known.settings.packed() if known else {}}  # fmt: skip


def _finish(context: Context, one: Import) -> None:
    """Check an import and take it in, as far as nobody has to decide."""
    if one.status == ImportStatus.CHECK:
        work.do(one, context.progress)
    if one.status == ImportStatus.CHECKED and (not one.whole or not one.counts.get("refused")):
        one.status, one.progress_done = ImportStatus.TAKE_IN, 0
        one.save(update_fields=["status", "progress_done"])
    if one.status == ImportStatus.TAKE_IN:
        work.do(one, context.progress)
    if one.status == ImportStatus.DONE:
        result = one.counts.get("result", {})
        context.log(
            N_("%(name)s: %(rows)s rows, %(added)s things added, %(changed)s changed, %(refused)s rows refused."),
            name=one.name, rows=one.counts.get("rows", 0), refused=one.counts.get("refused", 0),
            added=sum(count for what, count in result.items() if what.endswith("_added")),
            changed=sum(count for what, count in result.items() if what.endswith("_changed")),
        )  # fmt: skip


def own(context: Context, model: Any, name: str, gone: str) -> Any:
    """The row of the job's utility that a parameter names. Raises JobFailed with ``gone``."""
    given = str(context.parameters[name])
    found = model.objects.filter(utility=context.utility, pk=int(given) if given.isdecimal() else 0).first()
    if found is None:
        raise JobFailed(gone)
    return found
