"""Signing in with a second factor: an app's codes, recovery codes, and what an administrator does when both are lost."""

from __future__ import annotations

import re
import time

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.urls import reverse

from avlas.system import second_factor, secrets
from avlas.system.models import AuditEvent

from .conftest import PASSWORD

pytestmark = pytest.mark.one_database

LOGIN = "/account/sign-in/"
ASK = "/account/second-factor/ask/"


def now_code(secret: str, later: int = 0) -> str:
    """What the app shows, ``later`` steps from now."""
    return second_factor.code_at(secret, int(time.time()) // 30 + later)


def turned_on(user) -> tuple[str, list[str]]:
    """The secret and the recovery codes of a second factor that was set up a while ago."""
    secret = second_factor.new_secret()
    with time_machine.travel(time.time() - 3600):
        return secret, second_factor.turn_on(user, secret, now_code(secret))


def with_password(client, user):
    return client.post(LOGIN, {"login": user.email, "password": PASSWORD})


def events(name: str) -> int:
    return AuditEvent.objects.filter(event=f"access.{name}").count()


@pytest.mark.parametrize(
    ("at", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")]
)
def test_codes_are_those_of_rfc_6238_appendix_b(at, code):
    assert second_factor.code_at("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", at // 30) == code


def test_turning_it_on_takes_the_apps_code_and_the_password_and_shows_recovery_codes(north, sign_in):
    client = sign_in(north.user)
    address = reverse("second_factor_on")
    first = client.get(address)
    assert first["Cache-Control"] == "no-store"
    secret = re.search(r'<code class="secret">([A-Z2-7 ]+)<', first.content.decode())[1].replace(" ", "")
    assert f"secret={secret}&amp;issuer=Avl%C3%A4s%20Nordby%20Energi" in first.content.decode()
    assert secret not in str(dict(client.session.items())), "sealed in the session"
    wrong = client.post(address, {"code": "000000", "password": PASSWORD})
    assert wrong.status_code == 422
    assert client.post(address, {"code": now_code(secret), "password": "fel"}).status_code == 422
    assert not second_factor.is_on(north.user)
    done = client.post(address, {"code": now_code(secret), "password": PASSWORD})
    codes = re.findall(r"<code>(\d{4} \d{4})</code>", done.content.decode())
    assert len(codes) == 10
    assert done["Cache-Control"] == "no-store"
    kept = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in kept
    assert codes[0].replace(" ", "") not in kept
    assert events("second_factor_on") == 1
    assert "10 återställningskoder" in client.get(reverse("second_factor")).content.decode()


def test_the_password_alone_is_not_enough_any_more(north, client):
    secret, _codes = turned_on(north.user)
    answer = with_password(client, north.user)
    assert answer.url == ASK
    assert client.get("/").status_code == 302
    assert events("signed_in") == 0
    assert north.user.email in client.get(ASK).content.decode()
    wrong = client.post(ASK, {"code": "12345"})
    assert wrong.status_code == 422
    assert events("second_factor_failed") == 1
    right = client.post(ASK, {"code": f" {now_code(secret)[:3]} {now_code(secret)[3:]}"})
    assert right.status_code == 302
    assert client.get("/").status_code == 200
    assert (events("signed_in"), events("second_factor_shown")) == (1, 1)


def test_where_one_wanted_to_go_is_kept(north, client):
    secret, _codes = turned_on(north.user)
    client.post(LOGIN, {"login": north.user.email, "password": PASSWORD, "next": "/meters/"})
    assert client.post(ASK, {"code": now_code(secret)}).url == "/meters/"


def test_a_code_works_once_and_an_older_one_not_after_it(north, client):
    secret, _codes = turned_on(north.user)
    with time_machine.travel(time.time(), tick=False):
        assert second_factor.show(north.user, now_code(secret)) == second_factor.Way.APP
        assert second_factor.show(north.user, now_code(secret)) is None
        assert second_factor.show(north.user, now_code(secret, -1)) is None
        assert second_factor.show(north.user, now_code(secret, 1)) == second_factor.Way.APP, (
            "a clock may be fast"
        )
        assert second_factor.show(north.user, now_code(secret, 2)) is None


def test_a_recovery_code_works_once_and_new_ones_end_the_old(north, sign_in, client):
    _secret, codes = turned_on(north.user)
    with_password(client, north.user)
    assert client.post(ASK, {"code": codes[3]}).status_code == 302
    assert client.get("/").status_code == 200
    assert events("recovery_code_used") == 1
    assert second_factor.show(north.user, codes[3]) is None
    assert second_factor.codes_left(north.user) == 9
    address = reverse("second_factor_codes")
    assert client.post(address, {"password": "fel"}).status_code == 422
    new = re.findall(
        r"<code>(\d{4}) (\d{4})</code>", client.post(address, {"password": PASSWORD}).content.decode()
    )
    assert second_factor.show(north.user, codes[4]) is None
    assert second_factor.show(north.user, "".join(new[0])) == second_factor.Way.RECOVERY_CODE


def test_codes_are_not_guessed(north, client):
    secret, _codes = turned_on(north.user)
    with_password(client, north.user)
    for n in range(8):
        client.post(ASK, {"code": f"x{n}"})
    assert client.post(ASK, {"code": now_code(secret)}).status_code == 422
    assert client.get("/").status_code == 302
    assert events("second_factor_failed") < 8


def test_who_has_not_given_the_password_is_not_asked(north, client):
    turned_on(north.user)
    assert client.get(ASK).url == LOGIN


def test_turning_it_off_takes_the_password(north, sign_in, client):
    turned_on(north.user)
    client = sign_in(north.user)
    assert client.post(reverse("second_factor_off"), {"password": "fel"}).status_code == 422
    assert client.post(reverse("second_factor_off"), {"password": PASSWORD}).status_code == 302
    assert not Authenticator.objects.exists()
    assert events("second_factor_off") == 1
    client.logout()
    assert with_password(client, north.user).url == "/"


def test_an_administrator_resets_a_lost_one(north, south, sign_in):
    turned_on(north.user)
    address = reverse("user_second_factor", args=[north.user.pk])
    assert sign_in(south.administrator).post(address).status_code == 404
    assert sign_in(north.superuser).post(address).status_code == 403
    client = sign_in(north.administrator)
    assert (
        "Återställ andra faktorn" in client.get(reverse("user_edit", args=[north.user.pk])).content.decode()
    )
    client.post(address)
    assert not second_factor.is_on(north.user)
    event = AuditEvent.objects.get(event="access.second_factor_reset")
    assert (event.user, event.target) == (north.administrator, north.user.email)


def test_a_new_master_key_seals_it_again(north, tmp_path, settings):
    settings.DATA = tmp_path
    secrets.forget()
    from avlas.system.models import SecretCheck

    SecretCheck.objects.all().delete()
    secret, codes = turned_on(north.user)
    assert secrets.rotate(second_factor.seal_all_again)[1] == 2
    assert second_factor.show(north.user, now_code(secret)) == second_factor.Way.APP
    assert second_factor.show(north.user, codes[0]) == second_factor.Way.RECOVERY_CODE
    secrets.forget()


def test_the_secret_is_drawn_for_the_phones_camera():
    pytest.importorskip("qrcode")
    from avlas.web.pages.second_factor import drawn

    assert drawn("otpauth://totp/x?secret=ABC").startswith("data:image/svg+xml;base64,")
