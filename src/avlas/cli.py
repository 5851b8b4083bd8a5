"""The command ``avlas``: one table of commands, each imported only when it is asked for.

A command is a module with ``add_arguments(parser)`` and ``run(args) -> int`` (the exit status). Because
nothing else is imported, ``avlas --help`` is instant and ``avlas decode`` never touches Django.
"""

# ruff: noqa: T201  (a command line speaks by printing)
from __future__ import annotations

import argparse
import difflib
import errno
import importlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from avlas import __version__
from avlas.command_words import argparse_speaks, in_swedish
from avlas.system.terminal import language, text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType


@dataclass(frozen=True, slots=True)
class Command:
    """One line of the table: where the command lives and what it does, in a few words."""

    name: str
    module: str
    english: str
    swedish: str
    add_arguments: str = "add_arguments"
    run: str = "run"


COMMANDS = [
    Command(
        "serve",
        "avlas.serve",
        "run everything: pages, collectors and jobs",
        "kör allt: sidor, insamling och jobb",
    ),
    Command(
        "demo", "avlas.demo", "a living town with simulated meters", "en levande stad med simulerade mätare"
    ),
    Command("web", "avlas.web.command", "the pages and the API alone", "bara sidorna och API:et"),
    Command("work", "avlas.work", "regular work alone", "bara det regelbundna arbetet"),
    Command(
        "collect",
        "avlas.collect.commands",
        "listen to receivers",
        "lyssna på mottagare",
        "add_collect_arguments",
        "run_collect",
    ),
    Command(
        "receivers",
        "avlas.collect.commands",
        "find out which receivers are plugged in",
        "ta reda på vilka mottagare som är inkopplade",
        "add_receivers_arguments",
        "run_receivers",
    ),
    Command(
        "import",
        "avlas.collect.commands",
        "read files with recorded telegrams",
        "läs in filer med inspelade telegram",
        "add_import_arguments",
        "run_import",
    ),
    Command(
        "keys", "avlas.meters.command_keys", "import and manage meter keys", "läs in och sköt mätarnycklar"
    ),
    Command(
        "reread",
        "avlas.meters.command_reread",
        "decode stored telegrams again that could not be read",
        "tolka på nytt lagrade telegram som inte gick att läsa",
    ),
    Command(
        "createadmin", "avlas.system.command_createadmin", "make an administrator", "skapa en administratör"
    ),
    Command("token", "avlas.system.command_token", "API tokens for programs", "API-nycklar för program"),
    Command("migrate", "avlas.migrate", "create or upgrade the database", "skapa eller uppgradera databasen"),
    Command(
        "check",
        "avlas.operation.check.command",
        "look over the installation: what is wrong, how to mend it",
        "se över installationen: vad som är fel, hur det rättas",
    ),
    Command(
        "upgrade",
        "avlas.operation.commands",
        "back up, then upgrade the database",
        "säkerhetskopiera och uppgradera sedan databasen",
        "add_upgrade_arguments",
        "run_upgrade",
    ),
    Command(
        "backup",
        "avlas.operation.commands",
        "back up the database or the master key",
        "säkerhetskopiera databasen eller huvudnyckeln",
        "add_backup_arguments",
        "run_backup",
    ),
    Command(
        "restore",
        "avlas.operation.commands",
        "put a backup back",
        "lägg tillbaka en säkerhetskopia",
        "add_restore_arguments",
        "run_restore",
    ),
    Command(
        "move",
        "avlas.operation.commands",
        "move from SQLite to PostgreSQL",
        "flytta från SQLite till PostgreSQL",
        "add_move_arguments",
        "run_move",
    ),
    Command("sbom", "avlas.operation.sbom", "what the program is made of", "vad programmet består av"),
    Command("map", "avlas.operation.map_commands", "maps for the pages", "kartor för sidorna"),
    Command("decode", "avlas.decode.command", "explain telegrams", "förklara telegram"),
    Command(
        "families",
        "avlas.meters.command_families",
        "known meter types, files of your own",
        "kända mätartyper, egna filer",
    ),
    Command(
        "simulate",
        "avlas.simulate.command",
        "make telegrams of invented meters",
        "gör telegram av påhittade mätare",
    ),
]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (2 when the command line itself is wrong)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if given[0] == "--version":
        print(f"Avläs {__version__}")
        return 0
    command = next((known for known in COMMANDS if known.name == given[0]), None)
    if command is None:
        return complain(unknown(given[0]), status=2)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avlas.settings")
    os.umask(0o077)  # database, keys and logs are their owner's alone, wherever the data folder lies
    try:
        return start(command, given[1:])
    except KeyboardInterrupt:
        return complain(text("Stopped.", "Avbrutet."), status=130)
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as problem:
        known = explain(problem)
        if known is None:
            raise
        return complain(known, status=1)


def overview() -> str:
    """What ``avlas --help`` prints."""
    width = max(len(command.name) for command in COMMANDS)
    lines = [
        text("Avläs reads meters remotely.", "Avläs läser av mätare på distans."),
        "",
        text("usage: avlas COMMAND [...]", "användning: avlas KOMMANDO [...]"),
        "",
        *(f"  {command.name:<{width}}  {text(command.english, command.swedish)}" for command in COMMANDS),
        "",
        text(
            "avlas COMMAND --help tells more about one command; avlas --version the version.",
            "avlas KOMMANDO --help berättar mer om ett kommando; avlas --version ger versionen.",
        ),
    ]
    return "\n".join(lines)


def unknown(name: str) -> str:
    """The message for a command that isn't there, with the nearest that is."""
    message = text("There is no command {!r}.", "Kommandot {!r} finns inte.").format(name)
    near = difflib.get_close_matches(name, [command.name for command in COMMANDS], n=1)
    if near:
        message += text(" Did you mean {!r}?", " Menade du {!r}?").format(near[0])
    return message + text(" avlas --help lists them all.", " avlas --help visar alla.")


def start(command: Command, arguments: Sequence[str]) -> int:
    """Import the command's module, read its arguments and run it."""
    module = imported(command)
    add_arguments = cast("Callable[[argparse.ArgumentParser], None]", getattr(module, command.add_arguments))
    run = cast("Callable[[argparse.Namespace], int]", getattr(module, command.run))
    purpose = text(command.english, command.swedish)
    argparse_speaks()
    parser = argparse.ArgumentParser(
        prog=f"avlas {command.name}", description=f"{purpose[0].upper()}{purpose[1:]}."
    )
    add_arguments(parser)
    if language() == "sv":
        in_swedish(parser)
    try:
        status = run(parser.parse_args(arguments))
    except argparse.ArgumentTypeError as problem:  # an argument that only the command itself could judge
        parser.error(str(problem))
    sys.stdout.flush()
    return status


class NotInstalled(Exception):  # noqa: N818
    """The command's module, or a package it needs, isn't there."""


def imported(command: Command) -> ModuleType:
    """The command's module; raises NotInstalled with what is missing."""
    try:
        return importlib.import_module(command.module)
    except ModuleNotFoundError as problem:
        missing = problem.name or ""
        if missing.partition(".")[0] != "avlas":
            message = text(
                "The Python package {} is missing. Start Avläs with ./run, which installs what is needed.",
                "Python-paketet {} saknas. Starta Avläs med ./run, som installerar det som behövs.",
            ).format(missing)
        else:
            message = text(
                "avlas {} is not part of this installation ({} is missing).",
                "avlas {} ingår inte i den här installationen ({} saknas).",
            ).format(command.name, missing)
        raise NotInstalled(message) from problem


def explain(problem: Exception) -> str | None:
    """A person's words for what a command met, or None for what nobody foresaw (a traceback is due)."""
    if isinstance(problem, NotInstalled):
        return str(problem)
    if isinstance(problem, OSError):
        where = f" ({problem.filename})" if problem.filename else ""
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            return text("The disk is full{}.", "Disken är full{}.").format(where)
        if problem.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return text("No permission{}.", "Behörighet saknas{}.").format(where)
        if problem.errno in (errno.ENOENT, errno.EISDIR, errno.ENOTDIR) and where:
            return text("There is no such file{}.", "Filen finns inte{}.").format(where)
        return None
    if raised_by(problem, "django.core.exceptions", "ImproperlyConfigured"):
        return str(problem)
    if raised_by(problem, "avlas.system.secrets", "SecretError"):
        return str(problem)
    if raised_by(problem, "django.db.utils", "DatabaseError"):
        return explain_database(str(problem).strip())
    return None


_DATABASE_ADVICE = [  # words of SQLite and PostgreSQL -> what to do; the first that fits
    (
        ("no such table", "no such column", "relation", "undefined column"),
        "Create or upgrade it with: avlas migrate",
        "Skapa eller uppgradera den med: avlas migrate",
    ),
    (
        ("No space left", "disk is full", "database or disk is full", "could not extend"),
        "Make room on the disk. Nothing that was stored before is lost.",
        "Gör plats på disken. Inget som sparats tidigare är förlorat.",
    ),
    (
        ("disk I/O error",),
        "The disk is full or failing. See that there is room (df -h) and what the system's log says (dmesg).",
        "Disken är full eller trasig. Se efter att det finns plats (df -h) och vad systemets logg säger (dmesg).",
    ),
    (
        ("malformed", "not a database", "invalid page"),
        "The file is damaged. Stop Avläs, keep a copy of the file, and restore the latest backup.",
        "Filen är skadad. Stoppa Avläs, spara en kopia av filen och återställ den senaste säkerhetskopian.",
    ),
    (
        ("locked",),
        "Another program holds it. Stop that one, or try again in a moment.",
        "Ett annat program håller den. Stoppa det, eller försök igen om en stund.",
    ),
    (
        ("unable to open", "readonly", "read-only"),
        "See that the data folder (AVLAS_DATA) exists and that you may write there.",
        "Se till att datamappen (AVLAS_DATA) finns och att du får skriva där.",
    ),
    (
        ("password authentication failed", "no password supplied", "no pg_hba.conf entry"),
        "PostgreSQL does not let this user in: see user and password in AVLAS_DATABASE.",
        "PostgreSQL släpper inte in användaren: se användare och lösenord i AVLAS_DATABASE.",
    ),
    (
        ("permission denied",),
        "The database's user may not do this: it must own the database's tables.",
        "Databasens användare får inte göra detta: den måste äga databasens tabeller.",
    ),
    (
        ("too many clients", "too many connections", "remaining connection slots"),
        "PostgreSQL has no more room for programs: raise its max_connections, or stop some of them.",
        "PostgreSQL har inte plats för fler program: höj max_connections, eller stoppa några.",
    ),
    (
        ("does not exist",),
        "Make the database and its user first; the manual's page on installing says how.",
        "Skapa databasen och dess användare först; handbokens sida om installation säger hur.",
    ),
    (
        ("terminating connection", "server closed", "connection", "connect", "could not translate host"),
        "See that PostgreSQL runs and that AVLAS_DATABASE is right.",
        "Se till att PostgreSQL är igång och att AVLAS_DATABASE stämmer.",
    ),
]


def explain_database(said: str) -> str:
    """What a database's own words mean for the person who started the command."""
    lines = [text("The database can't be used: ", "Databasen kan inte användas: ") + said]
    for words, english, swedish in _DATABASE_ADVICE:
        if any(word in said for word in words):
            lines.append(text(english, swedish))
            break
    return "\n".join(lines)


def raised_by(problem: Exception, module: str, name: str) -> bool:
    """Whether ``problem`` is of a class in a module that may not even be imported (then it can't be)."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(problem, kind)


def complain(message: str, *, status: int) -> int:
    """Print a message for the person at the terminal; returns the exit status."""
    print(message, file=sys.stderr)
    return status
