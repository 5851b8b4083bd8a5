"""``avlas createadmin``, run as the program runs it."""

from __future__ import annotations

import argparse

import pytest

from avlas.system import command_createadmin
from avlas.system.models import AuditEvent, Role, User, Utility

pytestmark = pytest.mark.django_db
PASSWORD = "en lagom lång fras"


@pytest.fixture(autouse=True)
def _english(monkeypatch):
    monkeypatch.setenv("AVLAS_LANGUAGE", "en")
    monkeypatch.setenv(command_createadmin.PASSWORD_ENVIRONMENT, PASSWORD)


def command(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command_createadmin.add_arguments(parser)
    return command_createadmin.run(parser.parse_args(arguments))


def test_the_first_administrator_gets_a_utility_and_the_installation(capsys):
    assert command("--email", "Anna@Example.se", "--utility", "Vätterns Energi", "--first-name", "Anna") == 0
    user = User.objects.get()
    assert (user.email, user.role, user.utility.slug) == (
        "anna@example.se",
        Role.ADMINISTRATOR,
        "vatterns-energi",
    )
    assert user.check_password(PASSWORD)
    assert user.runs_installation
    assert "anna@example.se" in capsys.readouterr().out
    assert [event.event for event in AuditEvent.objects.filter(utility=user.utility).order_by("pk")] == [
        "access.utility_created",
        "access.user_created",
    ]


def test_without_a_utility_the_first_one_is_named_and_the_only_one_is_taken():
    assert command("--email", "a@example.se") == 0
    assert command("--email", "b@example.se") == 0
    assert Utility.objects.get().users.count() == 2
    assert [user.runs_installation for user in User.objects.order_by("pk")] == [True, False]


def test_a_made_password_is_printed_and_works(capsys):
    assert command("--email", "a@example.se", "--generate") == 0
    password = capsys.readouterr().out.split("Password: ")[1].strip()
    assert len(password) >= 20
    assert User.objects.get().check_password(password)


def test_with_several_utilities_one_must_be_chosen(capsys):
    Utility.objects.create(name="A", slug="a")
    Utility.objects.create(name="B", slug="b")
    assert command("--email", "a@example.se") == 1
    assert "--utility" in capsys.readouterr().err
    assert command("--email", "a@example.se", "--utility", "b") == 0
    assert User.objects.get().utility.slug == "b"


@pytest.mark.parametrize(
    ("arguments", "password", "says"),
    [
        (("--email", "not an address"), PASSWORD, "email"),
        (("--email", "a@example.se"), "short", "short"),
        (("--email", "a@example.se"), "password123", "common"),
        (("--email", "a@example.se"), "", "--generate"),
        ((), PASSWORD, "--email"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_changed(arguments, password, says, capsys, monkeypatch):
    monkeypatch.setenv(command_createadmin.PASSWORD_ENVIRONMENT, password)
    assert command(*arguments) == 1
    assert says in capsys.readouterr().err.lower()
    assert not User.objects.exists()
    assert not Utility.objects.exists()


def test_a_taken_address_is_refused_in_any_case(capsys):
    assert command("--email", "a@example.se") == 0
    assert command("--email", "A@EXAMPLE.SE") == 1
    assert "already" in capsys.readouterr().err


def test_short_names_never_clash():
    for _ in range(3):
        Utility.objects.create(name="Å!", slug=command_createadmin.free_slug("Å!"))
    assert Utility.objects.values_list("slug", flat=True).distinct().count() == 3
