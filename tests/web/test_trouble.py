"""What a person sees when something is wrong with the address, the role, the database, the disk or a key."""

from __future__ import annotations

import sqlite3
import threading

import pytest
from django.conf import settings as live
from django.db import OperationalError, connection
from django.urls import reverse

from avlas.meters.models import Key
from avlas.web.pages.errors import explain


@pytest.fixture
def browser_like(client):
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize(("language", "said"), [("sv", "Här finns inget"), ("en", "There is nothing here")])
def test_not_found_in_the_readers_language(db, client, language, said):
    answer = client.get("/nowhere/", headers={"accept-language": language})
    assert answer.status_code == 404
    assert said in answer.content.decode()


def test_not_allowed(north, sign_in):
    answer = sign_in(north.user).get(reverse("receiver_add"))
    assert answer.status_code == 403
    assert "Du får inte göra det här" in answer.content.decode()


def test_a_host_that_is_not_ours(db, client):
    answer = client.get("/", headers={"host": "evil.example", "accept-language": "sv"})
    assert answer.status_code == 400
    assert "Adressen gick inte att förstå" in answer.content.decode()


def test_a_lost_master_key_is_told_in_words(north, browser_like, tmp_path, settings):
    from avlas.system import secrets

    browser_like.force_login(north.superuser, backend=live.AUTHENTICATION_BACKENDS[0])
    path = live.DATA / "master.key"
    kept = path.read_bytes()
    key = Key.objects.filter(utility=north.utility).first()
    path.unlink()
    secrets.forget()
    try:
        answer = browser_like.post(reverse("key_test", args=[key.pk]), headers={"accept-language": "sv"})
    finally:
        path.write_bytes(kept)
        path.chmod(0o600)
    assert answer.status_code == 503
    text = answer.content.decode()
    assert "Huvudnyckeln saknas" in text
    assert "säkerhetskopia" in text


@pytest.mark.django_db(transaction=True)
def test_a_locked_database_is_told_in_words(browser_like, django_user_model):
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL locks rows, not the database")
    from avlas.system.models import Utility

    utility = Utility.objects.create(name="L", slug="l")
    user = django_user_model.objects.create_user("l@l.example", "x", utility=utility, role="administrator")
    browser_like.force_login(user, backend=live.AUTHENTICATION_BACKENDS[0])
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 50")
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        held.set()
        done.wait(20)
        other.execute("ROLLBACK")
        other.close()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(20)
    try:
        post = {"name": "X", "driver": "im871a", "where": "/dev/ttyUSB9", "link_mode": "c1t1"}
        answer = browser_like.post(reverse("receiver_add"), post, headers={"accept-language": "sv"})
    finally:
        done.set()
        thread.join()
    assert answer.status_code == 503
    assert "Databasen är upptagen" in answer.content.decode()
    assert answer["Retry-After"]
    assert browser_like.post(reverse("receiver_add"), post).status_code == 302  # and nothing is broken


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (OperationalError("database is locked"), "upptagen"),
        (OperationalError("database or disk is full"), "Disken är full"),
        (OSError(28, "No space left on device"), "Disken är full"),
        (OperationalError("no such table: meters_meter"), "inte anpassad"),
        (OperationalError("unable to open database file"), "kan inte öppnas"),
        (OperationalError("attempt to write a readonly database"), "kan inte öppnas"),
        (OperationalError("connection to server failed: Connection refused"), "svarar inte"),
    ],
)
def test_troubles_one_can_do_something_about(problem, said):
    from django.utils import translation

    with translation.override("sv"):
        title, advice = explain(problem)
    assert said in title
    assert advice


def test_troubles_nobody_foresaw_are_not_explained_away():
    assert explain(ValueError("x")) is None
    assert explain(None) is None


def test_an_error_in_the_program_gives_a_page_without_its_insides(north, browser_like, monkeypatch):
    from avlas.web.pages import home

    browser_like.force_login(north.user, backend=live.AUTHENTICATION_BACKENDS[0])

    def broken(*_: object) -> None:
        raise RuntimeError("secret insides")

    monkeypatch.setattr(home, "_live", broken)
    answer = browser_like.get("/")
    assert answer.status_code == 500
    text = answer.content.decode()
    assert "Något gick fel här" in text
    assert "secret insides" not in text
    assert "<script" not in text


def test_every_page_keeps_to_the_strict_rules_for_browsers(north, sign_in):
    client = sign_in(north.administrator)
    for name in ("home", "meters", "heard", "receivers", "keys", "explain", "settings"):
        answer = client.get(reverse(name))
        policy = answer["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        text = answer.content.decode()
        assert " style=" not in text
        assert "<style" not in text
        assert " onclick=" not in text
        assert text.count("<script") == text.count('<script type="module" src=') + text.count("<script src=")
        assert answer["X-Frame-Options"] == "DENY"
