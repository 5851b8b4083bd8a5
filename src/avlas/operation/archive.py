"""The backup's file: a zip with one file of JSON lines a table and a manifest, the same for both databases.

    manifest.json          format, version of the program, when, from which engine, migrations, and for each table
                           columns, kinds, key, number of rows and checksum (SHA-256 of the lines)
    tables/NAME.jsonl      one row a line (see ``tables``)

It appears under its name only when it is whole, on disk and verified by reading it again.
"""

from __future__ import annotations

import contextlib
import json
import os
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.db import connection

from avlas import __version__
from avlas.operation import tables
from avlas.operation.tables import Sum, Table
from avlas.system.terminal import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FORMAT: Final = "avlas backup 1"
ENDING: Final = ".avlas-backup"


class BadArchive(Exception):  # noqa: N818
    """The file is no backup, is damaged, or was made by a newer version. The message is for people."""


@dataclass(frozen=True, slots=True)
class Content:
    """One table of an archive."""

    table: Table
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive says of itself."""

    version: str
    made_at: datetime
    engine: str
    migrations: list[tuple[str, str]]
    tables: list[Content]

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(content.rows for content in self.tables)


def write(path: Path, said: Callable[[str], None] = lambda _: None) -> Manifest:
    """Write the whole database (Django's default) as it is at this moment to ``path``; give what it holds.

    ``said`` is called with each table's name as its turn comes. Raises OSError or BadArchive (a file that can't
    be read back); then nothing is left behind.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            _write(file, said)
            file.flush()
            os.fsync(file.fileno())
        manifest = verify(part)
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    return manifest


def _write(file: Any, said: Callable[[str], None]) -> None:
    described, contents = tables.describe(), []
    migrations = tables.applied_migrations()
    made_at = datetime.now(UTC)
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive,
        tables.snapshot() as own,
    ):
        for table in described:
            said(table.name)
            total = Sum()
            with archive.open(_member(table.name), "w", force_zip64=True) as out:
                for line, _ in tables.lines(own, table):
                    total.add(line)
                    out.write(line.encode() + b"\n")
            contents.append(
                {
                    "name": table.name,
                    "columns": table.columns,
                    "kinds": table.kinds,
                    "key": table.key,
                    "rows": total.rows,
                    "sha256": total.hex(),
                }
            )
        manifest = {
            "format": FORMAT,
            "version": __version__,
            "made_at": made_at.isoformat(),
            "engine": connection.vendor,
            "migrations": migrations,
            "tables": contents,
        }
        archive.writestr("manifest.json", json.dumps(manifest, indent=1))


def _member(name: str) -> str:
    return f"tables/{name}.jsonl"


def read_manifest(path: Path) -> Manifest:
    """What the archive says of itself. Raises BadArchive, or OSError."""
    try:
        with zipfile.ZipFile(path) as archive:
            said = json.loads(archive.read("manifest.json"))
        if said.get("format") != FORMAT:
            raise BadArchive(
                text(
                    f"{path} was made by another version of Avläs ({said.get('format')}); this one reads {FORMAT}.",
                    f"{path} är gjord av en annan version av Avläs ({said.get('format')}); den här läser {FORMAT}.",
                )
            )
        contents = [
            Content(
                Table(t["name"], tuple(t["columns"]), tuple(t["kinds"]), tuple(t["key"])),
                t["rows"],
                t["sha256"],
            )
            for t in said["tables"]
        ]
        made_at = datetime.fromisoformat(said["made_at"])
        migrations = [(app, name) for app, name in said["migrations"]]
        return Manifest(said["version"], made_at, said["engine"], migrations, contents)
    except (
        zipfile.BadZipFile,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        NotImplementedError,
    ) as problem:
        raise BadArchive(
            text(
                f"{path} is no whole backup of Avläs ({problem}).",
                f"{path} är ingen hel säkerhetskopia av Avläs ({problem}).",
            )
        ) from problem


def lines(path: Path, content: Content) -> Iterator[str]:
    """The lines of one table. Raises BadArchive at the end when number or checksum is wrong."""
    total = Sum()
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_member(content.table.name)) as file:
            for raw in file:
                line = raw.decode().removesuffix("\n")
                total.add(line)
                yield line
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError) as problem:
        raise _damaged(path, content.table.name) from problem
    except Exception as problem:
        if type(problem).__module__ == "zlib":
            raise _damaged(path, content.table.name) from problem
        raise
    if (total.rows, total.hex()) != (content.rows, content.sha256):
        raise _damaged(path, content.table.name)


def _damaged(path: Path, table: str) -> BadArchive:
    return BadArchive(
        text(
            f"{path} is damaged (table {table}). Take an older backup.",
            f"{path} är skadad (tabellen {table}). Ta en äldre säkerhetskopia.",
        )
    )


def verify(path: Path) -> Manifest:
    """Read all of it; raises BadArchive when anything is missing or altered."""
    manifest = read_manifest(path)
    for content in manifest.tables:
        for _ in lines(path, content):
            pass
    return manifest
