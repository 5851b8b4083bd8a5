"""The command line: one table of commands, each imported first when asked for, errors in a person's words."""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys

import pytest

from avlas import __version__, cli
from avlas.command_words import HELP, in_swedish
from avlas.system.terminal import language


def avlas(*arguments, code=None, **environment):
    """Run the program (or ``code`` in its place) as a process of its own, with little in its environment."""
    command = [sys.executable, *(["-c", code] if code else ["-m", "avlas"]), *arguments]
    kept = {name: os.environ[name] for name in ("PATH", "AVLAS_DATA")}
    return subprocess.run(
        command, env=kept | environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_help_names_every_command_in_both_languages():
    english, swedish = avlas("--help", LANG="en_GB.UTF-8"), avlas("--help", LANG="sv_SE.UTF-8")
    assert english.returncode == swedish.returncode == 0
    for command in cli.COMMANDS:
        assert f"  {command.name} " in english.stdout
        assert command.english in english.stdout
        assert command.swedish in swedish.stdout


def helps(language, monkeypatch):
    """Every text that the commands' --help can show, by command and place."""
    monkeypatch.setenv("AVLAS_LANGUAGE", language)
    found = {}

    def walk(parser, where):
        found[where, "description"], found[where, "epilog"] = parser.description, parser.epilog
        for action in parser._actions:
            if action.help != argparse.SUPPRESS:
                found[where, action.dest] = action.help
            if isinstance(action, argparse._SubParsersAction):
                for choice in action._choices_actions:
                    found[where, f"{action.dest} {choice.dest}"] = choice.help
                for name, below in action.choices.items():
                    walk(below, f"{where} {name}")

    for command in cli.COMMANDS:
        parser = argparse.ArgumentParser(prog=command.name, description=language)
        getattr(importlib.import_module(command.module), command.add_arguments)(parser)
        if language == "sv":
            in_swedish(parser)
        walk(parser, command.name)
    return found


def test_every_help_text_is_there_in_both_languages(monkeypatch):
    english, swedish = helps("en", monkeypatch), helps("sv", monkeypatch)
    unspoken = [
        key for key, words in english.items() if words is None and key[1] not in ("epilog", "description")
    ]
    assert [key for key in unspoken if key[1] not in SUBCOMMANDS] == []
    same = [key for key, words in english.items() if words is not None and swedish[key] == words]
    assert same == []
    assert set(HELP) <= {words for words in english.values() if words}, "no help that nobody shows"


SUBCOMMANDS = {"part", "what", "task"}


def test_argparse_itself_speaks_swedish():
    answer = avlas("decode", "--format", "x", LANG="sv_SE.UTF-8")
    assert answer.returncode == 2
    assert answer.stderr.startswith("användning: avlas decode")
    assert "går inte att välja" in answer.stderr
    answer = avlas("keys", "import", LANG="sv_SE.UTF-8")
    assert "det här saknas: file" in answer.stderr
    assert "flaggor:" in avlas("decode", "--help", LANG="sv_SE.UTF-8").stdout
    assert "options:" in avlas("decode", "--help", LANG="en_GB.UTF-8").stdout


def test_no_command_is_help():
    assert avlas().stdout == avlas("--help").stdout


def test_version():
    assert avlas("--version").stdout == f"Avläs {__version__}\n"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "sv_SE.UTF-8"}, "sv"),
        ({"LANG": "sv_SE.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE.UTF-8", "AVLAS_LANGUAGE": "sv"}, "sv"),
        ({"LC_ALL": "sv_FI.UTF-8", "AVLAS_LANGUAGE": "en"}, "en"),
    ],
)
def test_language(monkeypatch, environment, expected):
    for name in ("AVLAS_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert language() == expected


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: command.name)
def test_every_command_is_there_and_reads_its_arguments(command):
    module = importlib.import_module(command.module)
    parser = argparse.ArgumentParser()
    getattr(module, command.add_arguments)(parser)
    assert parser.format_help()
    assert callable(getattr(module, command.run))


def test_an_unknown_command_names_the_nearest():
    result = avlas("decoed")
    assert result.returncode == 2
    assert "'decoed'" in result.stderr
    assert "'decode'" in result.stderr
    assert "finns inte" in avlas("decoed", AVLAS_LANGUAGE="sv").stderr


def test_help_imports_nothing_but_itself():
    code = "import sys; from avlas.cli import main; main(['--help']); print({'numpy', 'django'} & set(sys.modules))"
    assert avlas(code=code).stdout.endswith("set()\n")


@pytest.mark.parametrize("arguments", [["decode", "00"], ["simulate", "types"]])
def test_decode_and_simulate_do_without_django(arguments):
    code = f"import sys; from avlas.cli import main; main({arguments}); print('django' in sys.modules)"
    assert avlas(code=code).stdout.endswith("False\n")


def test_a_reader_that_has_seen_enough_is_no_error():
    code = (
        "import sys; from avlas import cli; cli.start = lambda *_: [print('x' * 9999) for _ in range(99)] and 0;"
        "sys.exit(cli.main(['decode']))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(1)
    process.stdout.close()
    assert process.wait(30) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_wrong_database_address_is_explained():
    result = avlas("migrate", AVLAS_DATABASE="mysql://somewhere/avlas")
    assert result.returncode == 1
    assert "AVLAS_DATABASE" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_database_that_does_not_answer_is_explained(tmp_path):
    result = avlas("migrate", AVLAS_DATABASE=f"postgresql://nobody@/avlas?host={tmp_path}")
    assert result.returncode == 1
    assert "See that PostgreSQL runs" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unusable_data_folder_is_explained(tmp_path):
    (tmp_path / "file").touch()
    result = avlas("migrate", AVLAS_DATA=str(tmp_path / "file" / "data"))
    assert result.returncode == 1
    assert "AVLAS_DATA" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("no such table: meters_meter", "avlas migrate"),
        ('relation "meters_meter" does not exist', "avlas migrate"),
        ("database is locked", "Another program holds it"),
        ("unable to open database file", "data folder"),
        ("attempt to write a readonly database", "data folder"),
        ("database or disk is full", "Make room"),
        ("connection to server failed: Connection refused", "See that PostgreSQL runs"),
    ],
)
def test_what_a_database_says_becomes_advice(monkeypatch, said, advice):
    from django.db import OperationalError

    monkeypatch.setenv("AVLAS_LANGUAGE", "en")
    assert advice in cli.explain(OperationalError(said))
    monkeypatch.setenv("AVLAS_LANGUAGE", "sv")
    assert cli.explain(OperationalError(said)).startswith("Databasen kan inte användas")


def test_a_full_disk_and_a_closed_door_are_explained(monkeypatch):
    monkeypatch.setenv("AVLAS_LANGUAGE", "en")
    assert (
        cli.explain(OSError(28, "No space left on device", "/data/avlas.db"))
        == "The disk is full (/data/avlas.db)."
    )
    assert cli.explain(PermissionError(13, "Permission denied", "/x")) == "No permission (/x)."
    assert cli.explain(ZeroDivisionError()) is None


def test_a_missing_package_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setenv("AVLAS_LANGUAGE", "en")
    monkeypatch.setattr(cli, "COMMANDS", [cli.Command("look", "look_here_for_nothing", "look", "titta")])
    assert cli.main(["look"]) == 1
    assert "look_here_for_nothing is missing. Start Avläs with ./run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("no such table: meters_meter", "avlas migrate"),
        ('relation "meters_meter" does not exist', "avlas migrate"),
        ("database or disk is full", "Make room"),
        ('could not extend file "base/1/2": No space left on device', "Make room"),
        ("disk I/O error", "df -h"),
        ("database disk image is malformed", "restore the latest backup"),
        ("database is locked", "Another program"),
        ("unable to open database file", "AVLAS_DATA"),
        ("attempt to write a readonly database", "AVLAS_DATA"),
        ('FATAL:  password authentication failed for user "avlas"', "user and password"),
        ("permission denied for table reading", "must own"),
        ("FATAL:  sorry, too many clients already", "max_connections"),
        ('FATAL:  database "avlas" does not exist', "Make the database"),
        ("terminating connection due to administrator command", "PostgreSQL runs"),
        ("connection failed: Connection refused", "PostgreSQL runs"),
    ],
)
def test_a_databases_words_get_advice_in_both_languages(monkeypatch, said, advice):
    monkeypatch.setenv("AVLAS_LANGUAGE", "en")
    english = cli.explain_database(said)
    assert said in english
    assert advice in english
    monkeypatch.setenv("AVLAS_LANGUAGE", "sv")
    assert len(cli.explain_database(said).splitlines()) == 2
    assert cli.explain_database(said).splitlines()[1] != english.splitlines()[1]
