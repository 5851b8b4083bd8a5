"""The commands ``backup``, ``restore``, ``upgrade`` and ``move``."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from pathlib import Path

from avlas.system.terminal import terminal_language, text

PASSPHRASE = "AVLAS_BACKUP_PASSPHRASE"  # noqa: S105 - a name, not a secret


def add_backup_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``avlas backup``."""
    parser.add_argument(
        "--to",
        type=Path,
        metavar="FOLDER",
        help=text("where to (default: backups in the data folder)", "vart (annars: backups i datamappen)"),
    )
    parser.add_argument(
        "--keep",
        type=int,
        default=14,
        metavar="N",
        help=text("how many backups stay (default 14)", "hur många kopior som sparas (annars 14)"),
    )
    parser.add_argument(
        "--master-key",
        type=Path,
        metavar="FILE",
        help=text(
            "back up the master key instead, into a new file locked with a passphrase",
            "kopiera i stället huvudnyckeln, till en ny fil låst med en lösenfras",
        ),
    )
    parser.add_argument(
        "--unlocked",
        action="store_true",
        help=text(
            "with --master-key: no passphrase; the file belongs in a safe",
            "med --master-key: ingen lösenfras; filen hör hemma i ett kassaskåp",
        ),
    )


def run_backup(args: argparse.Namespace) -> int:
    """Back up the database, or the master key; the exit status is 1 when that failed."""
    _set_up()
    from avlas.operation import backup
    from avlas.operation.archive import BadArchive

    if args.master_key is not None:
        return _keep_key(args.master_key, unlocked=args.unlocked)
    if args.keep < 1:
        raise argparse.ArgumentTypeError(text("--keep must be at least 1", "--keep måste vara minst 1"))
    try:
        path, manifest, removed = backup.make(args.to or backup.folder(), args.keep, _say)
    except BadArchive as problem:
        print(problem, file=sys.stderr)
        return 1
    size = path.stat().st_size / 1e6
    print(
        text(
            f"{path}: {manifest.rows} rows, {size:.1f} MB, read back and whole. Old ones removed: {len(removed)}.",
            f"{path}: {manifest.rows} rader, {size:.1f} MB, återläst och hel. Gamla borttagna: {len(removed)}.",
        )
    )
    print(
        text(
            "The master key is not in it: without the key the meters' keys in the backup can't be read, and whoever\n"
            "finds the backup alone can't read them either. Keep it elsewhere: avlas backup --master-key FILE",
            "Huvudnyckeln finns inte i den: utan nyckeln kan mätarnas nycklar i kopian inte läsas, och den som bara\n"
            "hittar kopian kan inte heller läsa dem. Förvara nyckeln på annan plats: avlas backup --master-key FIL",
        )
    )
    return 0


def _keep_key(path: Path, *, unlocked: bool) -> int:
    from avlas.operation import kept_key

    passphrase = None
    if not unlocked:
        passphrase = os.environ.get(PASSPHRASE) or getpass.getpass(text("Passphrase: ", "Lösenfras: "))
        if len(passphrase) < kept_key.SHORTEST_PASSPHRASE:
            print(text("Choose at least 10 characters.", "Välj minst 10 tecken."), file=sys.stderr)
            return 1
        again = os.environ.get(PASSPHRASE) or getpass.getpass(text("Once more: ", "En gång till: "))
        if again != passphrase:
            print(text("They differ.", "De är olika."), file=sys.stderr)
            return 1
    try:
        with terminal_language():
            key_id = kept_key.write(path, passphrase)
    except FileExistsError:
        print(
            text(f"{path} is there already; choose a new name.", f"{path} finns redan; välj ett nytt namn."),
            file=sys.stderr,
        )
        return 1
    print(text(f"Master key {key_id} kept in {path}.", f"Huvudnyckeln {key_id} sparad i {path}."))
    return 0


def add_restore_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``avlas restore``."""
    parser.add_argument("file", type=Path, help=text("the backup", "säkerhetskopian"))
    parser.add_argument(
        "--replace",
        action="store_true",
        help=text("in place of what is there now", "i stället för det som finns nu"),
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help=text("don't ask whether to replace", "fråga inte om det ska ersättas"),
    )
    parser.add_argument(
        "--master-key",
        action="store_true",
        help=text(
            "the file is a backup of the master key; put that back",
            "filen är en kopia av huvudnyckeln; lägg tillbaka den",
        ),
    )


def run_restore(args: argparse.Namespace) -> int:
    """Put a backup back; the exit status is 1 when that failed and nothing was changed."""
    _set_up()
    from avlas.operation import alone, restore
    from avlas.operation.archive import BadArchive

    if args.master_key:
        return _put_key_back(args.file)
    if alone.holds_something():
        if not args.replace:
            print(
                text(
                    "There is an installation here already. To put the backup in its place: --replace",
                    "Här finns redan en installation. För att lägga kopian i dess ställe: --replace",
                ),
                file=sys.stderr,
            )
            return 1
        question = text(
            "All that is here now is replaced by the backup. Go on? [y/N] ",
            "Allt som finns här nu ersätts av kopian. Fortsätta? [j/N] ",
        )
        if not args.yes and input(question).strip().lower() not in ("y", "yes", "j", "ja"):
            return 1
    try:
        manifest, kept = restore.restore(args.file, _say)
    except (BadArchive, alone.InUse) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(
        text(
            f"Restored: {manifest.rows} rows as of {manifest.made_at:%Y-%m-%d %H:%M} UTC, every table compared.",
            f"Återställt: {manifest.rows} rader från {manifest.made_at:%Y-%m-%d %H:%M} UTC, varje tabell jämförd.",
        )
    )
    if kept is not None:
        print(text(f"What was there before: {kept}", f"Det som fanns förut: {kept}"))
    return _check_key()


def _put_key_back(path: Path) -> int:
    from django.conf import settings

    from avlas.operation import kept_key
    from avlas.system import secrets

    passphrase = None
    if kept_key.is_locked(path):
        passphrase = os.environ.get(PASSPHRASE) or getpass.getpass(text("Passphrase: ", "Lösenfras: "))
    try:
        with terminal_language():
            key = kept_key.read(path, passphrase)
    except kept_key.WrongPassphrase as problem:
        print(problem, file=sys.stderr)
        return 1
    target = Path(settings.DATA) / "master.key"
    if not secrets.put_back(key):
        print(
            text(
                f"{target} holds a master key already. Move it aside first.",
                f"{target} innehåller redan en huvudnyckel. Flytta undan den först.",
            ),
            file=sys.stderr,
        )
        return 1
    print(text(f"Master key {key.id} put back: {target}", f"Huvudnyckeln {key.id} är tillbaka: {target}"))
    return 0


def _check_key() -> int:
    from avlas.system import secrets

    try:
        with terminal_language():
            secrets.check_master_key()
    except secrets.SecretError as problem:
        print(problem, file=sys.stderr)
    return 0


def add_upgrade_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``avlas upgrade``."""
    parser.add_argument(
        "--to",
        type=Path,
        metavar="FOLDER",
        help=text("where the backup goes first", "vart säkerhetskopian läggs först"),
    )


def run_upgrade(args: argparse.Namespace) -> int:
    """Back up, migrate, check; put everything back when that fails (exit status 1)."""
    _set_up()
    from avlas.operation import alone, backup, upgrade
    from avlas.operation.archive import BadArchive

    try:
        alone.ensure_alone()
        if not upgrade.needed():
            print(text("The database is up to date.", "Databasen är aktuell."))
            return 0
        result = upgrade.upgrade(args.to or backup.folder(), _say)
    except (alone.InUse, BadArchive) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(text(f"Backup: {result.backup}", f"Säkerhetskopia: {result.backup}"))
    if result.problem is None:
        print(text("The database is upgraded.", "Databasen är uppgraderad."))
        for path in result.removed:
            print(text(f"Removed, as old: {path}", f"Borttagen, som gammal: {path}"))
        return 0
    print(
        text(
            f"The upgrade failed: {result.problem}\nThe database is as it was before. Go on with the old version.",
            f"Uppgraderingen misslyckades: {result.problem}\nDatabasen är som förut. Fortsätt med den gamla versionen.",
        ),
        file=sys.stderr,
    )
    return 1


def add_move_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``avlas move``."""
    parser.add_argument(
        "address",
        metavar="postgresql://USER:PASSWORD@HOST/NAME",
        help=text("an empty PostgreSQL database", "en tom PostgreSQL-databas"),
    )


def run_move(args: argparse.Namespace) -> int:
    """Copy the SQLite database to PostgreSQL; 0: moved, 3: all but the last part, 1: failed."""
    here = os.environ.get("AVLAS_DATABASE", "")
    if here and not here.startswith("sqlite:"):
        raise argparse.ArgumentTypeError(
            text(
                "AVLAS_DATABASE already is no SQLite database", "AVLAS_DATABASE är redan ingen SQLite-databas"
            )
        )
    if not args.address.startswith(("postgresql://", "postgres://")):
        raise argparse.ArgumentTypeError(
            text("the address must begin with postgresql://", "adressen måste börja med postgresql://")
        )
    data = Path(os.environ.get("AVLAS_DATA") or "data").resolve()
    path = Path(here.removeprefix("sqlite:").removeprefix("//") or data / "avlas.db").resolve()
    os.environ["AVLAS_DATABASE"] = args.address  # from here on this process speaks to PostgreSQL
    _set_up()
    from avlas.operation import alone, move

    if not path.exists():
        print(text(f"There is no database {path}.", f"Databasen {path} finns inte."), file=sys.stderr)
        return 1
    source = move.open_source(path)
    try:
        _prepare_target(source)
        move.copy_pieces(source, _say_pieces)
        source.close()
        try:
            source = alone.hold(path)
        except alone.InUse:
            print(
                text(
                    "Readings and telegrams are copied. For the last part stop Avläs and run the same command again;\n"
                    "only what has changed since is copied then.",
                    "Avläsningar och telegram är kopierade. Stoppa Avläs inför sista delen och kör samma kommando\n"
                    "igen; då kopieras bara det som har ändrats.",
                )
            )
            return 3
        move.copy_pieces(source, _say_pieces)
        counts = move.finish(source, _say)
    except move.NotMovable as problem:
        print(problem, file=sys.stderr)
        return 1
    finally:
        source.close()
    kept = path.with_name(f"{path.name}.moved")
    path.rename(kept)
    print(
        text(
            f"Moved: {sum(counts.values())} rows in {len(counts)} tables, each compared by count and checksum.\n"
            f"The old database is kept as {kept}. From now on start Avläs with\n"
            "  AVLAS_DATABASE=postgresql://... (the same address as given here)\n"
            "set for every part of it, and with the same data folder and master key. People sign in anew.",
            f"Flyttat: {sum(counts.values())} rader i {len(counts)} tabeller, alla jämförda.\n"
            f"Den gamla databasen finns kvar som {kept}. Starta Avläs från och med nu med\n"
            "  AVLAS_DATABASE=postgresql://... (samma adress som här)\n"
            "satt för alla dess delar, och med samma datamapp och huvudnyckel. Alla loggar in på nytt.",
        )
    )
    return 0


def _prepare_target(source: object) -> None:
    from django.db import connection

    from avlas.migrate import upgrade
    from avlas.operation import alone, move, tables

    with connection.cursor() as cursor:
        begun = "avlas_move" in connection.introspection.table_names(cursor)
    if not begun and alone.holds_something():
        raise move.NotMovable(
            text(
                "The PostgreSQL database already holds an installation. Give an empty one.",
                "PostgreSQL-databasen innehåller redan en installation. Ange en tom.",
            )
        )
    upgrade()
    rows = source.execute("SELECT app, name FROM django_migrations").fetchall()  # type: ignore[attr-defined]
    if {tuple(row) for row in rows} != set(tables.applied_migrations()):
        raise move.NotMovable(
            text(
                "The SQLite database is of another version. Stop Avläs and run avlas upgrade first.",
                "SQLite-databasen har en annan version. Stoppa Avläs och kör avlas upgrade först.",
            )
        )
    move.begin()


def _set_up() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avlas.settings")
    import django

    django.setup()


def _say(name: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{name}", end="\r", file=sys.stderr, flush=True)


def _say_pieces(name: str, passed: int, copied: int) -> None:
    _say(text(f"{name}: {passed} rows, {copied} copied", f"{name}: {passed} rader, {copied} kopierade"))
