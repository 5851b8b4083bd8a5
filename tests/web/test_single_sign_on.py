"""Signing in at an OpenID Connect provider, a small real one; and everything that it may get wrong."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest
from django.urls import reverse

from avlas.system import people, second_factor, sign_on_provider, single_sign_on
from avlas.system.models import AuditEvent, OutsideIdentity, User

from .openid_provider import CLIENT, SECRET, OpenIdProvider
from .test_second_factor import turned_on

pytestmark = pytest.mark.one_database

THERE, LOGIN = reverse("single_sign_on"), reverse("account_login")


@pytest.fixture(scope="module")
def running():
    provider = OpenIdProvider()
    yield provider
    provider.stop()


@pytest.fixture
def provider(running, settings, north) -> OpenIdProvider:
    running.faults, running.basic, running.key_name, running.asked = {}, True, "one", []
    running.person = {"sub": "8f3a", "email": "User@Nordby.example", "email_verified": True}
    set_up(settings, running)
    return running


def set_up(settings, running, **more: str) -> None:
    single_sign_on.forget()
    settings.SINGLE_SIGN_ON = sign_on_provider.provider({
        "AVLAS_OIDC_ISSUER": running.issuer + "/", "AVLAS_OIDC_CLIENT_ID": CLIENT,
        "AVLAS_OIDC_CLIENT_SECRET": SECRET, "AVLAS_OIDC_NAME": "Nordby ID", **more,
    })  # fmt: skip


def visit(client, query: str = ""):
    """Go there and come back, as a browser does; the answer to the coming back."""
    away = client.get(THERE + query)
    assert away.status_code == 302
    if away.url.startswith("/"):
        return away
    return client.get(
        urlsplit(httpx.get(away.url).headers["Location"])._replace(scheme="", netloc="").geturl()
    )


def told(client) -> str:
    return client.get(LOGIN).content.decode()


def events(name: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(event=f"access.{name}"))


def test_who_has_an_account_signs_in_and_is_known_by_the_subject_afterwards(provider, north, client):
    assert "Logga in med Nordby ID" in told(client)
    assert visit(client, "?next=/meters/").url == "/meters/"
    assert client.get("/").context["user"] == north.user
    linked = OutsideIdentity.objects.get()
    assert (linked.user, linked.subject) == (north.user, "8f3a")
    assert (len(events("single_sign_on_linked")), len(events("signed_in"))) == (1, 1)
    client.logout()
    provider.person |= {"email": "new-name@nordby.example"}
    assert visit(client).url == "/"
    assert client.get("/").context["user"] == north.user, "a new e-mail address there changes nothing"
    assert len(events("single_sign_on_linked")) == 1


@pytest.mark.parametrize("basic", [True, False])
def test_the_secret_is_sent_as_the_provider_wants_it(provider, north, client, basic):
    provider.basic = basic
    assert visit(client).url == "/"


def test_nobody_gets_an_account_by_it(provider, north, client):
    provider.person = {"sub": "77", "email": "stranger@nordby.example", "email_verified": True}
    before = User.objects.count()
    assert visit(client).url == LOGIN
    assert "Det finns inget konto här för stranger@nordby.example" in told(client)
    assert (User.objects.count(), OutsideIdentity.objects.count()) == (before, 0)
    assert client.get("/").status_code == 302
    people.add(north.utility, {"email": "stranger@nordby.example"}, by=north.administrator)
    assert visit(client).url == "/", "invited: the account is there, without a password"


def test_a_closed_account_and_one_that_is_anothers_stay_shut(provider, north, client):
    visit(client)
    client.logout()
    provider.person |= {"sub": "another subject"}
    assert visit(client).url == LOGIN, "the address has been given to somebody else there"
    provider.person |= {"sub": "8f3a"}
    people.change(north.user, {"is_active": False}, by=north.administrator)
    visit(client)
    assert client.get("/").status_code == 302


def test_an_unverified_address_counts_only_where_that_is_set(provider, north, client, settings):
    provider.person["email_verified"] = False
    assert visit(client).url == LOGIN
    assert "ingen verifierad e-postadress" in told(client)
    refused = events("single_sign_on_refused")[-1]
    assert (refused.utility, refused.target) == (north.utility, "user@nordby.example")
    del provider.person["email_verified"]
    assert visit(client).url == LOGIN
    set_up(settings, provider, AVLAS_OIDC_TRUST_EMAIL="1")
    assert visit(client).url == "/"


def test_the_address_may_stand_in_userinfo_alone(provider, north, client):
    provider.faults = {"email elsewhere": True}
    assert visit(client).url == "/"
    client.logout()
    provider.faults["userinfo sub"] = None
    OutsideIdentity.objects.all().delete()
    provider.person = {"email": provider.person["email"], "email_verified": True, "sub": "8f3a"}
    assert visit(client).url == "/"


@pytest.mark.parametrize(
    "faults",
    [
        {"claims": {"iss": "https://evil.example"}},
        {"claims": {"iss": None}},
        {"claims": {"aud": "another program"}},
        {"claims": {"aud": [CLIENT, "other"], "azp": "other"}},
        {"claims": {"nonce": "old"}},
        {"claims": {"nonce": None}},
        {"claims": {"exp": 1_000_000_000}},
        {"claims": {"exp": None}},
        {"claims": {"iat": 4_000_000_000}},
        {"claims": {"sub": None}},
        {"signed": "none"},
        {"signed": "by the secret"},
        {"signed": "by another"},
        {"kid": "no such"},
        {"answer": {"state": "guessed"}},
        {"answer": {"iss": "https://evil.example"}},
        {"answer": {"code": "used before"}},
        {"answer": {"error": "access_denied"}},
        {"discovered": "https://evil.example"},
    ],
    ids=str,
)
def test_an_answer_that_can_not_be_trusted_lets_nobody_in(provider, north, client, faults, caplog):
    provider.faults = faults
    assert visit(client).url == LOGIN
    assert "Inloggningstjänsten" in told(client)
    assert client.get("/").status_code == 302
    assert not OutsideIdentity.objects.exists()
    (refused,) = events("single_sign_on_refused")
    said = caplog.text + str(refused.detail)
    assert refused.detail["why"]
    assert SECRET not in said
    assert "hemligt" not in said
    assert "eyJ" not in said, "no token either"


def test_coming_back_without_having_gone_or_twice_does_nothing(provider, north, client):
    back = reverse("single_sign_on_back")
    assert client.get(back + "?code=x&state=").url == LOGIN
    away = client.get(THERE)
    location = urlsplit(httpx.get(away.url).headers["Location"])
    other = type(client)()
    assert other.get(f"{location.path}?{location.query}").url == LOGIN, "another browser's answer"
    assert client.get(f"{location.path}?{location.query}").url == "/"
    client.logout()
    assert client.get(f"{location.path}?{location.query}").url == LOGIN


def test_new_keys_of_the_provider_are_found(provider, north, client, monkeypatch):
    assert visit(client).url == "/"
    client.logout()
    provider.key_name = "two"
    monkeypatch.setattr(single_sign_on, "_AGAIN_AFTER_SECONDS", 0)
    assert visit(client).url == "/"
    assert provider.asked.count("/keys") == 2
    assert provider.asked.count("/.well-known/openid-configuration") == 1


def test_a_provider_that_is_away_is_told_of(north, client, settings):
    class Away:
        issuer = "http://127.0.0.1:9"

    set_up(settings, Away)
    assert visit(client).url == LOGIN
    assert "kan inte nås" in told(client)


def test_the_second_factor_is_asked_for_unless_the_provider_does(provider, north, client, settings):
    north.utility.second_factor = "all"
    north.utility.save()
    visit(client)
    assert client.get("/").url == reverse("second_factor"), "required, and there is none"
    client.logout()
    turned_on(north.user)
    assert visit(client).url == reverse("account_second_factor")
    assert client.get("/").status_code == 302
    set_up(settings, provider, AVLAS_OIDC_SECOND_FACTOR="1")
    fresh = type(client)()
    assert visit(fresh).url == "/"
    assert fresh.get("/").status_code == 200
    second_factor.turn_off(north.user, by=north.user)
    assert fresh.get("/").status_code == 200, "shown there"


def test_without_a_provider_there_is_nothing(north, client, settings):
    settings.SINGLE_SIGN_ON = None
    assert client.get(THERE).status_code == 404
    assert reverse("single_sign_on") not in told(client)


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"AVLAS_OIDC_ISSUER": "http://login.example"}, "https://"),
        ({"AVLAS_OIDC_ISSUER": "login.example"}, "https://"),
        ({"AVLAS_OIDC_ISSUER": "https://login.example"}, "AVLAS_OIDC_CLIENT_ID"),
        (
            {"AVLAS_OIDC_ISSUER": "https://login.example", "AVLAS_OIDC_CLIENT_ID": "x"},
            "AVLAS_OIDC_CLIENT_SECRET",
        ),
    ],
)
def test_what_is_missing_is_told_at_the_start(environment, says):
    with pytest.raises(ValueError, match=says):
        sign_on_provider.provider(environment)
    assert sign_on_provider.provider({}) is None


def test_the_secret_is_in_no_text():
    made = sign_on_provider.provider({
        "AVLAS_OIDC_ISSUER": "https://login.example", "AVLAS_OIDC_CLIENT_ID": "x", "AVLAS_OIDC_CLIENT_SECRET": SECRET,
    })  # fmt: skip
    assert SECRET not in repr(made)
