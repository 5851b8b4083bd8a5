"""Signing in and out, the demo's one-time link, passwords and a person's own settings."""

from __future__ import annotations

import pytest
from django.core import signing
from django.urls import reverse
from django.utils import timezone

from avlas.system.models import AuditEvent, User, Utility
from avlas.web import signin_link

from .conftest import PASSWORD

pytestmark = pytest.mark.one_database

LOGIN = "/account/sign-in/"


@pytest.fixture
def demo(settings):
    settings.DEMO = True


def test_sign_in_with_e_mail_and_password(north, client):
    answer = client.post(LOGIN, {"login": "User@Nordby.example", "password": PASSWORD, "next": "/meters/"})
    assert answer.status_code == 302
    assert answer.url == "/meters/"
    assert client.get("/").status_code == 200
    event = AuditEvent.objects.get(event="access.signed_in")
    assert (event.user, event.utility, event.computer) == (north.user, north.utility, "127.0.0.1")


def test_a_wrong_password_is_refused_and_noted(north, client):
    answer = client.post(LOGIN, {"login": north.user.email, "password": "fel"})
    assert answer.status_code == 200
    assert "note bad" in answer.content.decode()
    event = AuditEvent.objects.get(event="access.sign_in_failed")
    assert (event.target, event.utility) == (north.user.email, north.utility)
    assert "fel" not in str(event.detail)
    assert client.get("/").status_code == 302


def test_too_many_wrong_passwords_must_wait(north, client):
    answers = [client.post(LOGIN, {"login": north.user.email, "password": f"fel {n}"}) for n in range(12)]
    right = client.post(LOGIN, {"login": north.user.email, "password": PASSWORD})
    assert client.get("/").status_code == 302
    assert right.status_code in (200, 429)
    assert {answer.status_code for answer in answers} <= {200, 429}


def test_a_closed_account_can_not_sign_in(north, client):
    User.objects.filter(pk=north.user.pk).update(is_active=False)
    client.post(LOGIN, {"login": north.user.email, "password": PASSWORD})
    assert client.get("/").status_code == 302


def test_signing_out_needs_a_post_and_is_noted(north, sign_in):
    client = sign_in(north.user)
    assert "Vill du logga ut?" in client.get("/account/sign-out/").content.decode()
    assert client.get("/").status_code == 200
    client.post("/account/sign-out/")
    assert client.get("/").status_code == 302
    assert AuditEvent.objects.filter(event="access.signed_out", user=north.user).count() == 1


def test_a_new_installation_tells_how_to_make_an_administrator(db, client):
    assert "./run createadmin" in client.get(LOGIN).content.decode()
    utility = Utility.objects.create(name="U", slug="u")
    User.objects.create_user("a@u.example", PASSWORD, utility=utility, role="user")
    assert "./run createadmin" in client.get(LOGIN).content.decode()
    User.objects.create_user("b@u.example", PASSWORD, utility=utility, role="administrator")
    assert "./run createadmin" not in client.get(LOGIN).content.decode()


def test_nobody_signs_up(north, client):
    assert client.get("/account/signup/").status_code == 404
    assert "signup" not in client.get(LOGIN).content.decode()


@pytest.mark.parametrize(
    ("asked", "said"), [("sv-SE,sv;q=0.9", "Logga in"), ("en-GB", "Sign in"), ("fi", "Logga in")]
)
def test_who_has_not_signed_in_is_met_in_the_browsers_language(db, client, asked, said):
    answer = client.get(LOGIN, headers={"accept-language": asked})
    assert f"<h1>{said}</h1>" in answer.content.decode()
    assert answer["Content-Language"] == ("en" if said == "Sign in" else "sv")


def test_a_link_signs_in_once(north, client, demo):
    path = signin_link.path_for(north.administrator)
    answer = client.get(path)
    assert (answer.status_code, answer.url) == (302, "/")
    assert client.get("/").status_code == 200
    client.post("/account/sign-out/")
    again = client.get(path)
    assert again.status_code == 403
    assert client.get("/").status_code == 302


def test_a_link_expires(north, client, demo, monkeypatch):
    path = signin_link.path_for(north.administrator)
    later = timezone.now().timestamp() + signin_link.VALID_SECONDS + 1
    monkeypatch.setattr(signing.time, "time", lambda: later)
    assert client.get(path).status_code == 403


def test_a_link_is_refused_outside_the_demo_and_when_forged(north, client, settings):
    settings.DEMO = False
    path = signin_link.path_for(north.administrator)
    assert client.get(path).status_code == 403
    settings.DEMO = True
    assert client.get(path[:-4] + "xxx/").status_code == 403
    assert client.get("/signin/x/").status_code == 403
    forged = signing.dumps([north.administrator.pk, "n"], salt="another salt")
    assert client.get(reverse("signin_link", args=[forged])).status_code == 403
    User.objects.filter(pk=north.administrator.pk).update(is_active=False)
    assert client.get(path).status_code == 403


def test_own_settings_are_kept_and_noted(north, sign_in):
    client = sign_in(north.user)
    assert '<html lang="sv"' in client.get("/settings/").content.decode()
    answer = client.post(
        "/settings/",
        {
            "first_name": "Vera",
            "last_name": "Ek",
            "language": "en",
            "time_zone": "Europe/Helsinki",
            "theme": "dark",
        },
    )
    assert answer.status_code == 302
    assert answer.cookies["theme"].value == "dark"
    text = client.get("/settings/").content.decode()
    assert '<html lang="en" data-theme="dark">' in text
    assert "Your settings are saved." in text
    assert "Times in Europe/Helsinki" in text
    north.user.refresh_from_db()
    assert str(north.user) == "Vera Ek"
    event = AuditEvent.objects.get(event="access.own_settings_changed")
    assert event.detail["language"] == "en"


def test_settings_that_make_no_sense_are_refused(north, sign_in):
    wrong = {"language": "xx", "time_zone": "Mars/Base", "theme": "pink"}
    answer = sign_in(north.user).post("/settings/", wrong)
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {"language", "time_zone", "theme"}
    north.user.refresh_from_db()
    assert north.user.language == "sv"


def test_changing_the_password(north, sign_in, client):
    client = sign_in(north.user)
    wrong = {"oldpassword": "fel", "password1": "kort", "password2": "kort"}
    assert client.post("/account/password/", wrong).status_code == 200
    new = "helt annan lång fras"
    right = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert client.post("/account/password/", right).status_code == 302
    north.user.refresh_from_db()
    assert north.user.check_password(new)
    assert AuditEvent.objects.filter(event="access.password_changed", user=north.user).exists()


def test_the_theme_is_kept_also_before_sign_in_and_leads_nowhere_else(db, client):
    answer = client.post("/theme/", {"theme": "dark", "next": LOGIN})
    assert (answer.url, answer.cookies["theme"].value) == (LOGIN, "dark")
    assert 'data-theme="dark"' in client.get(LOGIN).content.decode()
    assert client.post("/theme/", {"theme": "dark", "next": "https://evil.example/"}).url == "/"
    assert "theme" not in client.post("/theme/", {"theme": "<script>"}).cookies
    assert client.get("/theme/").status_code == 405


def test_the_title_tells_version_utility_and_user(north, sign_in):
    import avlas

    text = sign_in(north.user).get("/meters/").content.decode()
    assert (
        f"<title>Mätare \u2013 Avläs {avlas.__version__} \u2013 Nordby Energi \u2013 user@nordby.example</title>"
        in text
    )
