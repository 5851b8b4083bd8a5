"""Upgrading the database with a way back: backup, migrate, check; on failure everything is put back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.db import IntegrityError, connection
from django.db.migrations.executor import MigrationExecutor

from avlas import migrate
from avlas.operation import archive, restore, tables
from avlas.system import secrets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEEP: Final = 3
_NAME: Final = re.compile(r"before-upgrade-(\d+)" + re.escape(archive.ENDING))


@dataclass(frozen=True, slots=True)
class Result:
    """The backup that was made first, why the upgrade was undone (None: it wasn't), and the old backups removed."""

    backup: Path
    problem: str | None
    removed: tuple[Path, ...] = ()


def needed() -> bool:
    """Whether this version has migrations that the database hasn't seen."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def upgrade(to: Path, said: Callable[[str], None] = lambda _: None) -> Result:
    """Back up into the folder ``to``, then migrate and check. Nobody else may use the database.

    Once that has gone well, the backups from before the last ``KEEP`` upgrades stay and older ones are removed.
    Raises OSError and archive.BadArchive when the backup can't be made: nothing has been changed then.
    """
    path, _ = back_up_first(to, said)
    try:
        migrate.upgrade()
        check()
    except Exception as problem:  # noqa: BLE001 - whatever a migration did wrong, the way back is the same
        connection.close()
        restore.restore(path, said, upgrade_after=False)
        return Result(path, f"{type(problem).__name__}: {problem}")
    return Result(path, None, removed=prune(to))


def back_up_first(to: Path, said: Callable[[str], None]) -> tuple[Path, archive.Manifest]:
    """A backup that the nightly ones don't push out: its name says that it is from before an upgrade."""
    to.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = max(numbered(to), default=0) + 1
    path = to / f"before-upgrade-{number}{archive.ENDING}"
    return path, archive.write(path, said)


def numbered(to: Path) -> dict[int, Path]:
    """The backups from before upgrades in a folder, by their number: the higher the newer."""
    found = ((_NAME.fullmatch(path.name), path) for path in to.glob(f"*{archive.ENDING}"))
    return {int(name[1]): path for name, path in found if name}


def prune(to: Path) -> tuple[Path, ...]:
    """Remove all backups from before upgrades in the folder but the newest ``KEEP``; give those removed."""
    every = numbered(to)
    old = tuple(every[number] for number in sorted(every)[:-KEEP])
    for path in old:
        path.unlink(missing_ok=True)
    return old


def check() -> None:
    """Raise when references lead nowhere, a table can't be read, or the secrets can't be opened."""
    connection.check_constraints()
    if unknown := [table.name for table in tables.describe() if not table.key]:
        raise IntegrityError(f"no primary key: {', '.join(unknown)}")
    secrets.check_master_key()
