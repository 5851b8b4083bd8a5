"""Making backups: where they lie, what they are called, and which old ones go."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_noop

from avlas.operation import archive
from avlas.operation.size import database_bytes
from avlas.system import audit
from avlas.system.job_kind import JobFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from avlas.operation.archive import Manifest
    from avlas.system.job_kind import Context

KEEP: Final = 14
_NAME: Final = re.compile(r"avlas-\d{8}-\d{6}" + re.escape(archive.ENDING))


def folder() -> Path:
    """Where backups go when nothing else is said: ``backups`` in the data folder."""
    return Path(settings.DATA) / "backups"


def make(
    to: Path, keep: int = KEEP, said: Callable[[str], None] = lambda _: None
) -> tuple[Path, Manifest, list[Path]]:
    """Back up the database into a new file in the folder ``to``, then remove all but the newest ``keep``.

    Gives the file, what it holds, and the files removed. Only files named as this function names them are ever
    removed, and only after the new one is whole. Raises OSError and archive.BadArchive.
    """
    to.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = to / f"avlas-{datetime.now(UTC):%Y%m%d-%H%M%S}{archive.ENDING}"
    manifest = archive.write(path, said)
    removed = prune(to, keep)
    with transaction.atomic():
        taken = database_bytes()  # the check-up's forecast of the disk lives on these
        detail = {"rows": manifest.rows, "database_bytes": taken}
        audit.record("backup.made", utility=None, target=str(path)[-255:], detail=detail)
    return path, manifest, removed


def kept(to: Path) -> list[Path]:
    """The backups in a folder, newest first."""
    return sorted(
        (path for path in to.glob(f"*{archive.ENDING}") if _NAME.fullmatch(path.name)), reverse=True
    )


def prune(to: Path, keep: int) -> list[Path]:
    """Remove all backups in the folder but the newest ``keep`` (at least one); give those removed."""
    old = kept(to)[max(keep, 1) :]
    for path in old:
        path.unlink(missing_ok=True)
    return old


def run(context: Context) -> None:
    """The job: a backup into the folder and by the rule that its parameters say."""
    to = Path(str(context.parameters["folder"]).strip() or folder())
    count = 0

    def said(_name: str) -> None:
        nonlocal count
        context.progress(count)
        context.check()
        count += 1

    try:
        path, manifest, removed = make(to, int(context.parameters["keep"]), said)
    except OSError as problem:
        raise JobFailed(
            gettext_noop("The backup could not be written to %(folder)s: %(problem)s"),
            folder=str(to),
            problem=problem.strerror or str(problem),
        ) from problem
    except archive.BadArchive as problem:
        raise JobFailed(
            gettext_noop("The backup could not be read back: %(problem)s"), problem=str(problem)
        ) from problem
    context.log(
        gettext_noop(
            "%(file)s: %(rows)s rows, %(megabytes)s MB, read back and whole. Old ones removed: %(old)s."
        ),
        file=str(path),
        rows=manifest.rows,
        megabytes=round(path.stat().st_size / 1e6, 1),
        old=len(removed),
    )
