"""``avlas token``: API tokens for programs that send in or fetch data."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from avlas.system.terminal import chosen_utility, terminal_language, text

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    tasks = parser.add_subparsers(dest="task", required=True, metavar="create|list|revoke")
    create = tasks.add_parser(
        "create", help=text("make a token; it is shown once", "skapa en nyckel; visas en gång")
    )
    create.add_argument("name", help=text("which program uses it", "vilket program som använder den"))
    create.add_argument(
        "--scope",
        action="append",
        metavar="SCOPE",
        help=text("what it may be used for (default telegrams:write)", "vad den får användas till"),
    )
    listed = tasks.add_parser("list", help=text("show all tokens", "visa alla nycklar"))
    revoke = tasks.add_parser("revoke", help=text("make a token useless", "gör en nyckel oanvändbar"))
    revoke.add_argument(
        "prefix", help=text("its first part, as list shows it", "dess första del, som list visar")
    )
    for task in (create, listed, revoke):
        task.add_argument(
            "--utility", metavar="NAME", help=text("when there are several", "när det finns flera")
        )


def run(args: argparse.Namespace) -> int:
    """Do the task; the exit status is 1 when it can't be done."""
    import django

    django.setup()
    from avlas.system import tokens
    from avlas.system.models import ApiToken

    with terminal_language():
        utility = chosen_utility(args.utility)
        if utility is None:
            return 1
        mine = ApiToken.objects.filter(utility=utility)
        if args.task == "create":
            try:
                _, token = tokens.create(
                    utility, args.name, args.scope or ["telegrams:write"], created_by=None
                )
            except ValueError as problem:
                print(problem, file=sys.stderr)
                return 1
            print(token)
            told = text("Keep it now: it can't be shown again.", "Spara den nu: den kan inte visas igen.")
            print(told, file=sys.stderr)
        elif args.task == "revoke":
            row = mine.filter(prefix=args.prefix.removeprefix("avlas_")[:8]).first()
            if row is None:
                print(text("There is no such token.", "Det finns ingen sådan nyckel."), file=sys.stderr)
                return 1
            tokens.revoke(row, user=None)
        else:
            for row in mine.order_by("created_at"):
                state = text("revoked", "återkallad") if row.revoked_at else ", ".join(row.scopes)
                used = f"{row.last_used_at:%Y-%m-%d %H:%M}Z" if row.last_used_at else "-"
                print(f"avlas_{row.prefix}  {used:<17}  {state:<20}  {row.name}")
    return 0
