"""Passkeys: made and shown by an authenticator of our own here, and by Chromium's in the browser."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from dataclasses import dataclass, field

import pytest
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.urls import reverse
from fido2 import cbor
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import AttestedCredentialData
from playwright.sync_api import expect

from avlas.system import passkeys, second_factor
from avlas.system.models import AuditEvent

from .conftest import PASSWORD

ADD, BEGIN, SIGN_IN = reverse("passkey_add"), reverse("passkey_begin"), reverse("passkey_sign_in")
ASK, LOGIN = reverse("account_second_factor"), reverse("account_login")
ORIGIN = "http://localhost"
TOUCHED, VERIFIED, HAS_KEY = 1, 4, 64


@pytest.fixture(autouse=True)
def _at_localhost(client, settings):
    settings.ALLOWED_HOSTS = ["localhost", "testserver"]
    client.defaults["HTTP_HOST"] = "localhost"


@dataclass
class Device:
    """What keeps passkeys: one key pair, made and used as the standard says (section 6)."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = b"\x01" * 20
    handle: bytes = b""
    counter: int = 0
    origin: str = ORIGIN
    flags: int = TOUCHED | VERIFIED

    def make(self, options: dict) -> str:
        asked = options["publicKey"]
        assert asked["authenticatorSelection"]["residentKey"] == "required"
        self.handle = websafe_decode(asked["user"]["id"])
        numbers = self.key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        kept = bytes(AttestedCredentialData.create(bytes(16), self.id, public))
        data = self._data(asked["rp"]["id"], HAS_KEY) + kept
        attested = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer("webauthn.create", asked, {"attestationObject": websafe_encode(attested)})

    def show(self, options: dict, *, handle: bytes | None = None) -> str:
        asked = options["publicKey"]
        self.counter += 1 if self.counter else 0
        data = self._data(asked["rpId"], 0)
        told = self._told("webauthn.get", asked)
        signature = self.key.sign(data + hashlib.sha256(told).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer("webauthn.get", asked, {
            "authenticatorData": websafe_encode(data), "signature": websafe_encode(signature),
            "userHandle": websafe_encode(self.handle if handle is None else handle),
        })  # fmt: skip

    def _data(self, rp: str, more: int) -> bytes:
        return hashlib.sha256(rp.encode()).digest() + struct.pack(">BI", self.flags | more, self.counter)

    def _told(self, kind: str, asked: dict) -> bytes:
        return json.dumps({"type": kind, "challenge": asked["challenge"], "origin": self.origin}).encode()

    def _answer(self, kind: str, asked: dict, response: dict) -> str:
        told = {"clientDataJSON": websafe_encode(self._told(kind, asked)), **response}
        return json.dumps(
            {"id": websafe_encode(self.id), "rawId": websafe_encode(self.id), "type": "public-key", "response": told}
        )  # fmt: skip


def options_of(page: str) -> dict:
    from html import unescape

    return json.loads(unescape(re.search(r'data-options="([^"]+)"', page)[1]))


def added(client, device: Device, name: str = "Min telefon", password: str = PASSWORD):
    options = options_of(client.get(ADD).content.decode())
    return client.post(ADD, {"name": name, "password": password, "credential": device.make(options)})


def begun(client) -> dict:
    return client.post(BEGIN).json()


def events(name: str) -> int:
    return AuditEvent.objects.filter(event=f"access.{name}").count()


@pytest.fixture
def device(north, sign_in, client) -> Device:
    """A device with a passkey of the user of north, who has signed out."""
    made = Device()
    answer = added(sign_in(north.user), made)
    assert answer.status_code == 200
    client.logout()
    return made


def test_adding_takes_the_password_and_gives_recovery_codes_once(north, sign_in):
    client, device = sign_in(north.user), Device()
    assert added(client, device, password="fel").status_code == 422
    assert not passkeys.own(north.user)
    answer = added(client, device)
    assert answer["Cache-Control"] == "no-store"
    assert len(re.findall(r"<code>\d{4} \d{4}</code>", answer.content.decode())) == 10
    again = Device(id=b"\x02" * 20)
    assert added(client, again, "Nyckeln på ringen").status_code == 302, "the codes are there already"
    shown = client.get(reverse("second_factor")).content.decode()
    assert "Min telefon" in shown
    assert "Nyckeln på ringen" in shown
    assert events("passkey_added") == 2
    assert added(client, again).status_code == 422, "one key is one passkey"


def test_a_passkey_signs_in_alone(north, device, client):
    answer = client.post(SIGN_IN, {"credential": device.show(begun(client)), "next": "/meters/"})
    assert answer.url == "/meters/"
    assert client.get("/").context["user"] == north.user
    assert (events("signed_in"), events("passkey_shown")) == (1, 1)
    assert client.post(SIGN_IN, {"credential": "{}"}).url == "/", "who is in stays in"


def test_where_to_go_is_never_elsewhere(north, device, client):
    answer = client.post(SIGN_IN, {"credential": device.show(begun(client)), "next": "https://evil.example/"})
    assert answer.url == "/"


@pytest.mark.parametrize(
    "fault",
    ["other key", "other page", "no finger", "old challenge", "other user", "no such", "text", "list"],
)
def test_what_proves_nothing_lets_nobody_in(north, device, client, fault):
    options = begun(client)
    answer = device.show(options)
    if fault == "other key":
        answer = Device(handle=device.handle).show(options)
    elif fault == "other page":
        device.origin = "https://avlas.example.evil.example"
        answer = device.show(options)
    elif fault == "no finger":
        device.flags = TOUCHED
        answer = device.show(options)
    elif fault == "old challenge":
        begun(client)
    elif fault == "other user":
        answer = device.show(options, handle=str(north.administrator.pk).encode())
    elif fault == "no such":
        device.id = b"\x09" * 20
        answer = device.show(options)
    else:
        answer = {"text": "no json", "list": "[1]"}[fault]
    refused = client.post(SIGN_IN, {"credential": answer}, follow=True)
    assert "godtogs inte" in refused.content.decode()
    assert client.get("/").status_code == 302
    assert events("signed_in") == 0
    assert events("passkey_failed") == (fault not in ("no such", "text", "list"))


def test_an_answer_works_once_and_a_copied_key_is_found_out(north, device, client):
    device.counter = 5
    answer = device.show(begun(client))
    assert client.post(SIGN_IN, {"credential": answer}).url == "/"
    client.logout()
    assert client.post(SIGN_IN, {"credential": answer}).url == LOGIN, "the challenge is used up"
    device.counter = 3
    assert client.post(SIGN_IN, {"credential": device.show(begun(client))}).url == LOGIN, (
        "its counter went back"
    )
    assert client.get("/").status_code == 302


def test_a_closed_account_stays_out(north, device, client):
    from avlas.system import people

    people.change(north.user, {"is_active": False}, by=north.administrator)
    client.post(SIGN_IN, {"credential": device.show(begun(client))})
    assert client.get("/").status_code == 302


def test_after_the_password_a_passkey_or_a_recovery_code_is_asked_for(north, device, client):
    client.post(LOGIN, {"login": north.user.email, "password": PASSWORD})
    assert client.get("/").status_code == 302
    page = client.get(ASK).content.decode()
    assert "Använd en passkey" in page
    assert "återställningskoder" in page
    stranger = Device(id=b"\x07" * 20)
    refused = client.post(ASK, {"credential": stranger.show(options_of(page))})
    assert refused.status_code == 422
    answer = device.show(options_of(refused.content.decode()))
    assert client.post(ASK, {"credential": answer}).status_code == 302
    assert client.get("/").status_code == 200


def test_another_ones_passkey_is_no_second_factor(north, device, sign_in, client):
    other = Device(id=b"\x03" * 20)
    added(sign_in(north.superuser), other)
    client.logout()
    client.post(LOGIN, {"login": north.user.email, "password": PASSWORD})
    options = options_of(client.get(ASK).content.decode())
    assert client.post(ASK, {"credential": other.show(options)}).status_code == 422
    assert client.get("/").status_code == 302


def test_a_passkey_is_named_and_removed_by_its_owner(north, device, sign_in):
    (own,) = passkeys.own(north.user)
    for name in ("passkey_edit", "passkey_remove"):
        assert sign_in(north.administrator).get(reverse(name, args=[own.pk])).status_code == 404
    client = sign_in(north.user)
    client.post(reverse("passkey_edit", args=[own.pk]), {"name": "Arbetsdatorn"})
    assert passkeys.own(north.user)[0].name == "Arbetsdatorn"
    address = reverse("passkey_remove", args=[own.pk])
    assert client.post(address, {"password": "fel"}).status_code == 422
    assert client.post(address, {"password": PASSWORD}).status_code == 302
    assert not Authenticator.objects.filter(user=north.user).exists(), "recovery codes alone are no factor"
    assert not second_factor.is_on(north.user)
    assert (events("passkey_renamed"), events("passkey_removed")) == (1, 1)


# -- required -------------------------------------------------------------------------------------------------------


def require(world, of: str) -> None:
    world.utility.second_factor = of
    world.utility.save()


def test_who_must_have_a_second_factor_can_do_nothing_before(north, sign_in):
    require(north, "administrators")
    assert sign_in(north.superuser).get("/meters/").status_code == 200
    client = sign_in(north.administrator)
    for address in (
        "/",
        "/meters/",
        reverse("users"),
        reverse("settings"),
        reverse("account_change_password"),
    ):
        assert client.get(address).url == reverse("second_factor"), address
    assert client.post(reverse("user_add"), {"email": "x@y.example"}).url == reverse("second_factor")
    live = client.get("/", headers={"HX-Request": "true"})
    assert live["HX-Redirect"] == reverse("second_factor")
    assert "kräver en andra faktor" in client.get(reverse("second_factor")).content.decode()
    assert client.get(reverse("second_factor_on")).status_code == 200
    added(client, Device())
    assert client.get("/meters/").status_code == 200, "a passkey counts"


def test_everybody_or_nobody(north, south, sign_in):
    require(north, "all")
    assert sign_in(north.user).get("/").url == reverse("second_factor")
    assert sign_in(south.user).get("/").status_code == 200
    assert sign_in(north.user).post(reverse("account_logout")).status_code == 302
    require(north, "no")
    assert sign_in(north.user).get("/").status_code == 200


# -- in a browser ---------------------------------------------------------------------------------------------------


@pytest.mark.one_database
def test_a_browser_makes_a_passkey_and_signs_in_with_it(page, live_server, north):
    complaints = []
    page.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    cdp.send("WebAuthn.addVirtualAuthenticator", {"options": {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }})  # fmt: skip
    page.goto(live_server.url + LOGIN)
    page.fill("#id_login", north.user.email)
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Logga in", exact=True).click()
    expect(page.get_by_role("heading", name="Nordby Energi")).to_be_visible()
    page.goto(live_server.url + ADD)
    page.fill("#id_name", "Datorn")
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Skapa passkeyn").click()
    expect(page.get_by_role("heading", name="Dina återställningskoder")).to_be_visible()
    page.context.clear_cookies()
    page.goto(live_server.url + LOGIN + "?next=/meters/")
    page.get_by_role("button", name="Logga in med en passkey").click()
    expect(page.get_by_role("heading", name="Mätare", exact=True)).to_be_visible()
    page.context.clear_cookies()
    page.goto(live_server.url + LOGIN)
    page.fill("#id_login", north.user.email)
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Logga in", exact=True).click()
    page.get_by_role("button", name="Använd en passkey").click()
    expect(page.get_by_role("heading", name="Nordby Energi")).to_be_visible()
    assert not complaints, complaints
