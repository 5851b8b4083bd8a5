"""``avlas migrate``: make or upgrade the database."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--check", action="store_true", help="say what would be done; change nothing")


def run(args: argparse.Namespace) -> int:
    """Bring the database to this version's tables; the exit status is 1 when --check found work."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avlas.settings")
    import django

    django.setup()
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if args.check:
        for migration, _ in plan:
            print(migration)
        return int(bool(plan))
    upgrade()
    return 0


def upgrade() -> None:
    """Make or upgrade all tables, the shared cache and the partitions around now (Django is set up)."""
    from django.core.management import call_command
    from django.db import connection

    from avlas.meters.ddl import ensure_partitions

    call_command("migrate", verbosity=0, interactive=False)
    call_command("createcachetable", verbosity=0)
    ensure_partitions(connection, datetime.now(UTC))
