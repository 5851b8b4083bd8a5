"""``avlas keys``: take in meter keys, list whose there are, change the master key they are sealed with."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from avlas.meters.keys import Stored
    from avlas.system.models import Utility

PASSWORD_ENVIRONMENT = "AVLAS_KEM_PASSWORD"  # noqa: S105 - the variable's name
_SHOWN_PROBLEMS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own commands and their flags."""
    commands = parser.add_subparsers(dest="what", required=True, metavar="import|add|list|rotate")
    take = commands.add_parser("import", help="take in a KEM, KEM2 or CSV file")
    take.add_argument("file", type=Path, help="the KEM, KEM2 or CSV file")
    take.add_argument(
        "--password",
        help=f"the file's password; better asked for, or in {PASSWORD_ENVIRONMENT}, than given here",
    )
    add = commands.add_parser("add", help="take in one key")
    add.add_argument("serial", help="the meter's serial number")
    add.add_argument("key", nargs="?", help="32 hexadecimal digits (asked for when left out)")
    add.add_argument("--manufacturer", default="", help="three letters, like KAM")
    show = commands.add_parser("list", help="list which meters have a key; keys are never shown")
    for command in (take, add, show):
        command.add_argument("--utility", help="short name of the utility, when there are several")
    commands.add_parser("rotate", help="change the master key that all keys are sealed with")


def run(args: argparse.Namespace) -> int:
    """Runs the command. Exit status 0 done (also with some bad lines), 1 nothing done and why."""
    import django

    django.setup()
    from avlas.meters.key_text import KeyFileError
    from avlas.meters.keys import explain
    from avlas.system.terminal import chosen_utility, terminal_language

    with terminal_language():
        if args.what == "rotate":
            return _rotate()
        utility = chosen_utility(args.utility)
        if utility is None:
            return 1
        try:
            if args.what == "import":
                return _import(utility, args.file, args.password)
            if args.what == "add":
                return _add(utility, args.serial, args.key, args.manufacturer)
        except KeyFileError as error:
            print(explain(error), file=sys.stderr)
            return 1
        except EOFError:
            print(file=sys.stderr)
            return 1
        return _list(utility)


def _import(utility: Utility, path: Path, password: str | None) -> int:
    from avlas.meters.kem import PasswordNeeded
    from avlas.meters.keys import Who, import_file

    data = path.read_bytes()
    password = password or os.environ.get(PASSWORD_ENVIRONMENT)
    try:
        stored = import_file(utility, path.name, data, password, Who())
    except PasswordNeeded:
        if not sys.stdin.isatty():
            raise
        stored = import_file(utility, path.name, data, getpass.getpass(f"{path.name}: "), Who())
    _tell(stored)
    return 0 if stored.added + stored.replaced + stored.unchanged else 1


def _add(utility: Utility, serial: str, key: str | None, manufacturer: str) -> int:
    from django.utils.translation import gettext as _

    from avlas.meters.keys import Who, add

    _tell(add(utility, serial, key or getpass.getpass(_("Key: ")), Who(), manufacturer))
    return 0


def _list(utility: Utility) -> int:
    from django.utils.translation import gettext as _

    from avlas.meters.models import Key

    keys = Key.objects.filter(utility=utility).order_by("identification", "manufacturer")
    for key in keys.iterator():
        source = key.source or _("by hand")
        print(f"{key.manufacturer or '   '} {key.identification}  {key.created_at:%Y-%m-%d %H:%M}Z  {source}")
    print(_("%(count)d keys in %(utility)s.") % {"count": keys.count(), "utility": utility.name})
    return 0


def _rotate() -> int:
    from django.utils.translation import gettext as _

    from avlas.meters.keys import seal_all_again
    from avlas.system import audit, kept_secret, outbox, second_factor, secrets

    def seal(old: secrets.MasterKey, new: secrets.MasterKey) -> int:
        count = sum(
            part(old, new)
            for part in (
                seal_all_again,
                outbox.seal_all_again,
                second_factor.seal_all_again,
                kept_secret.seal_all_again,
            )
        )
        audit.record("keys.rotated", utility=None, target=new.id, detail={"from": old.id, "keys": count})
        return count

    key_id, count, kept = secrets.rotate(seal)
    print(_("%(count)d keys are now sealed with the new master key %(id)s.") % {"count": count, "id": key_id})
    if kept is None:
        print(
            _("Set %(name)s to the new key before the program is started again.")
            % {"name": secrets.ENVIRONMENT}
        )
    else:
        print(_("The old one is kept as %(path)s: backups made until now need it.") % {"path": kept})
        print(_("Back up the new master.key, apart from the database."))
    return 0


def _tell(stored: Stored) -> None:
    from django.utils.translation import gettext as _

    from avlas.meters.keys import explain

    print(
        _("%(added)d new, %(replaced)d replaced, %(unchanged)d unchanged.")
        % {"added": stored.added, "replaced": stored.replaced, "unchanged": stored.unchanged}
    )
    for problem in stored.problems[:_SHOWN_PROBLEMS]:
        print(explain(problem), file=sys.stderr)
    if (more := len(stored.problems) - _SHOWN_PROBLEMS) > 0:
        print(_("… and %(count)d more.") % {"count": more}, file=sys.stderr)
