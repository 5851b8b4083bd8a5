"""``avlas migrate``: create the database or bring it up to this version; safe to run any number of times."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Only how much to tell; which database is said by AVLAS_DATABASE and AVLAS_DATA."""
    parser.add_argument("--quiet", action="store_true", help="print nothing when all goes well")


def run(args: argparse.Namespace) -> int:
    """Create or upgrade the database; exit status 0 when it is in order."""
    import django

    django.setup()
    prepare(verbosity=0 if args.quiet else 1)
    return 0


def prepare(verbosity: int = 0) -> None:
    """Run all migrations and make the cache table. Raises django.db.DatabaseError when it can't be done."""
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=verbosity)
    call_command("createcachetable", verbosity=verbosity)
