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
from avlas.system.terminal import text

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
        "createadmin", "avlas.system.command_createadmin", "make an administrator", "skapa en administratör"
    ),
    Command("token", "avlas.system.command_token", "API tokens for programs", "API-nycklar för program"),
    Command("migrate", "avlas.migrate", "create or upgrade the database", "skapa eller uppgradera databasen"),
    Command("decode", "avlas.decode.command", "explain telegrams", "förklara telegram"),
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
    parser = argparse.ArgumentParser(
        prog=f"avlas {command.name}", description=f"{purpose[0].upper()}{purpose[1:]}."
    )
    add_arguments(parser)
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


def explain_database(said: str) -> str:
    """What a database's own words mean for the person who started the command."""
    lines = [text("The database can't be used: ", "Databasen kan inte användas: ") + said]
    if "no such table" in said or "no such column" in said or "does not exist" in said:
        lines.append(
            text("Create or upgrade it with: avlas migrate", "Skapa eller uppgradera den med: avlas migrate")
        )
    elif "locked" in said:
        lines.append(
            text(
                "Another program holds it. Stop that one, or try again in a moment.",
                "Ett annat program håller den. Stoppa det, eller försök igen om en stund.",
            )
        )
    elif "unable to open" in said or "readonly" in said:
        lines.append(
            text(
                "See that the data folder (AVLAS_DATA) exists and that you may write there.",
                "Se till att datamappen (AVLAS_DATA) finns och att du får skriva där.",
            )
        )
    elif "full" in said:
        lines.append(text("Make room on the disk.", "Gör plats på disken."))
    elif "connection" in said or "connect" in said:
        lines.append(
            text(
                "See that PostgreSQL runs and that AVLAS_DATABASE is right.",
                "Se till att PostgreSQL är igång och att AVLAS_DATABASE stämmer.",
            )
        )
    return "\n".join(lines)


def raised_by(problem: Exception, module: str, name: str) -> bool:
    """Whether ``problem`` is of a class in a module that may not even be imported (then it can't be)."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(problem, kind)


def complain(message: str, *, status: int) -> int:
    """Print a message for the person at the terminal; returns the exit status."""
    print(message, file=sys.stderr)
    return status
