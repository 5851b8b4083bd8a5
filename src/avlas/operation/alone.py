"""Making sure that nobody else uses the database, before it is replaced or left for another."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from django.db import DatabaseError, connection

from avlas.system.terminal import text

if TYPE_CHECKING:
    from pathlib import Path


class InUse(Exception):  # noqa: N818
    """Another program has the database open. The message is for people."""

    def __init__(self) -> None:
        super().__init__(
            text(
                "Avläs is running (or another program has the database open). Stop it first, then run this again.",
                "Avläs är igång (eller så har ett annat program databasen öppen). Stoppa det först och kör sedan igen.",
            )
        )


def hold(path: Path) -> sqlite3.Connection:
    """Open an SQLite database for oneself alone, its log folded in, until the connection is closed; raises InUse."""
    own = sqlite3.connect(path, timeout=2, isolation_level=None)
    try:
        own.execute("PRAGMA journal_mode=DELETE")  # refused while anybody else has it open
        own.execute("PRAGMA locking_mode=EXCLUSIVE")
        own.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as problem:
        own.close()
        if "locked" in str(problem):
            raise InUse from problem
        raise
    return own


def ensure_alone() -> None:
    """Raise InUse when another program has Django's default database open."""
    connection.close()
    if connection.vendor == "sqlite":
        from pathlib import Path

        path = Path(connection.settings_dict["NAME"])
        if path.exists():
            hold(path).close()
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        if cursor.fetchone()[0]:
            raise InUse


def holds_something() -> bool:
    """Whether the default database already is an installation with a utility in it."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM system_utility LIMIT 1")
            return cursor.fetchone() is not None
    except DatabaseError:
        return False
    finally:
        connection.close()
