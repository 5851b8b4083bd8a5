"""Putting a backup back, on either engine, whole or not at all.

SQLite: a new file is built beside the old one and takes its place at the very end; the old one is kept beside
it. PostgreSQL: everything happens in one transaction. What was erased for somebody's sake since the backup was made
is erased anew: the fences of the database that is replaced are kept.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from avlas.meters import erasure
from avlas.meters.keys import Who
from avlas.migrate import upgrade
from avlas.operation import alone, archive, tables
from avlas.operation.archive import BadArchive, Manifest
from avlas.system import audit
from avlas.system.terminal import text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from avlas.meters.erasure import KnownFence


def restore(
    path: Path, said: Callable[[str], None] = lambda _: None, *, upgrade_after: bool = True
) -> tuple[Manifest, Path | None]:
    """Make Django's default database what the archive holds; give its manifest and where the old file is kept.

    The database becomes this version's (``upgrade_after``), or stays as the archive's version had it. Raises
    BadArchive, alone.InUse, OSError and DatabaseError; then the database is as before.
    """
    manifest = archive.verify(path)
    _refuse_newer(manifest, path)
    alone.ensure_alone()
    fences = _fences_of_old()
    if connection.vendor == "sqlite":
        return manifest, _restore_file(path, manifest, said, upgrade_after, fences)
    with transaction.atomic():
        _drop_everything()
        _fill(path, manifest, said)
        connection.check_constraints()  # now: tables with checks yet to come can't be altered
        if upgrade_after:
            upgrade()
        _record(path, manifest, fences)
    return manifest, None


def _fences_of_old() -> list[KnownFence]:
    """What was erased in the database that is about to be replaced; none where there is no database."""
    if connection.vendor == "sqlite" and not Path(connection.settings_dict["NAME"]).exists():
        return []
    try:
        return erasure.known_fences()
    finally:
        if connection.vendor == "sqlite":
            connection.close()  # the next one opens the new file


def _restore_file(
    path: Path,
    manifest: Manifest,
    said: Callable[[str], None],
    upgrade_after: bool,
    fences: Sequence[KnownFence],
) -> Path | None:
    target = Path(connection.settings_dict["NAME"])
    building = target.with_name(f"{target.name}.restoring")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove(building)
    connection.settings_dict["NAME"] = str(building)
    try:
        with connection.cursor() as cursor:  # a file that is thrown away when anything goes wrong
            cursor.execute("PRAGMA synchronous=OFF")
        _fill(path, manifest, said)
        connection.check_constraints()
        if upgrade_after:
            upgrade()
        _record(path, manifest, fences)
        connection.close()
        alone.hold(building).close()  # folds the log in
        with building.open("rb") as file:
            os.fsync(file.fileno())
        kept = None
        if target.exists():
            alone.hold(target).close()
            kept = target.with_name(f"{target.name}.before-restore-{datetime.now(UTC):%Y%m%d-%H%M%S}")
            target.rename(kept)
        building.rename(target)
    except BaseException:
        connection.close()
        _remove(building)
        raise
    finally:
        connection.settings_dict["NAME"] = str(target)
    return kept


def _remove(building: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        Path(f"{building}{end}").unlink(missing_ok=True)


def _refuse_newer(manifest: Manifest, path: Path) -> None:
    known = MigrationExecutor(None).loader.graph.nodes
    if unknown := [node for node in manifest.migrations if node not in known]:
        app, name = unknown[0]
        raise BadArchive(
            text(
                f"{path} was made by Avläs {manifest.version}, which is newer than this ({app}.{name} is unknown). "
                "Install that version first.",
                f"{path} är gjord av Avläs {manifest.version}, som är nyare än den här ({app}.{name} är okänd). "
                "Installera den versionen först.",
            )
        )


def _drop_everything() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE {name} CASCADE")
        cursor.execute(
            "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE pronamespace = current_schema()::regnamespace"
            " AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP FUNCTION {name} CASCADE")


def _fill(path: Path, manifest: Manifest, said: Callable[[str], None]) -> None:
    """Make the tables as they were when the archive was made, fill them and compare."""
    executor = MigrationExecutor(connection)
    graph, wanted = executor.loader.graph, set(manifest.migrations)
    ends = [
        node
        for node in manifest.migrations
        if not any(child.key in wanted and child.key[0] == node[0] for child in graph.node_map[node].children)
    ]
    executor.migrate(ends)
    there = {table.name: table for table in tables.describe()}
    if strange := [c.table.name for c in manifest.tables if there.get(c.table.name) != c.table]:
        raise BadArchive(
            text(
                f"{path} does not fit this program's tables ({', '.join(strange)}).",
                f"{path} passar inte det här programmets tabeller ({', '.join(strange)}).",
            )
        )
    with transaction.atomic():
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET CONSTRAINTS ALL DEFERRED")  # migrating may have left them immediate
            for name in there:
                cursor.execute(f'DELETE FROM "{name}"')  # what migrations put there themselves
        for content in manifest.tables:
            said(content.table.name)
            tables.load(content.table, archive.lines(path, content))
        tables.set_sequences(there.values())
        for content in manifest.tables:
            found = tables.total(connection.connection, content.table)
            if (found.rows, found.hex()) != (content.rows, content.sha256):
                raise IntegrityError(f"{content.table.name} differs from the backup after restoring")


def _record(path: Path, manifest: Manifest, fences: Sequence[KnownFence]) -> None:
    """Erase anew what was erased since the backup was made, and write to the audit log what was done."""
    with connection.cursor() as cursor:
        there = set(connection.introspection.table_names(cursor))
    if "system_auditevent" not in there:
        return
    with transaction.atomic():
        fenced = erasure.put_up_again(fences, Who()) if "meters_fence" in there else 0
        audit.record(
            "backup.restored",
            utility=None,
            target=path.name,
            detail={"made_at": manifest.made_at.isoformat(), "rows": manifest.rows, "erased_anew": fenced},
        )
