"""Sessions end by themselves, are seen and ended by their owner, and the audit log says from which device."""

from __future__ import annotations

import time

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.test import Client, RequestFactory
from django.urls import reverse

from avlas.system.models import AuditEvent
from avlas.web import computers

from .conftest import PASSWORD

pytestmark = pytest.mark.one_database

LOGIN = "/account/sign-in/"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"


def signed_in(user, *, stays: bool = False, device: str = "", **headers: str) -> Client:
    client = Client(headers=headers)
    asked = {"login": user.email, "password": PASSWORD, "device": device} | (
        {"remember": "on"} if stays else {}
    )
    assert client.post(LOGIN, asked).status_code == 302
    assert client.get("/settings/").status_code == 200
    return client


def hours(n: float) -> time_machine.travel:
    return time_machine.travel(time.time() + n * 3600, tick=False)


def test_a_session_ends_when_nobody_has_been_there_for_hours(north):
    client = signed_in(north.user)
    with hours(11):
        assert client.get("/settings/").status_code == 200
    with hours(22):  # 11 hours after somebody was last there
        assert client.get("/settings/").status_code == 200
    with hours(35):
        answer = client.get("/settings/")
        assert answer.url == f"{LOGIN}?next=/settings/"
        assert "ingen hade använt datorn" in client.get(answer.url).content.decode()
        assert "ingen hade använt datorn" not in client.get(answer.url).content.decode()
    assert AuditEvent.objects.get(event="access.session_ended").detail == {"why": "idle"}
    assert not UserSession.objects.filter(user=north.user).exists()


def test_a_page_that_fetches_by_itself_is_nobody_at_the_computer(north):
    client = signed_in(north.user)
    for later in (3, 6, 9, 11.9):
        with hours(later):
            assert client.get("/", headers={"hx-request": "true", "x-by-itself": "1"}).status_code == 200
    with hours(12.1):
        answer = client.get("/", headers={"hx-request": "true", "x-by-itself": "1"})
        assert (answer.status_code, answer["HX-Refresh"]) == (204, "true")
        assert client.get("/").status_code == 302


def test_who_stays_signed_in_does_so_for_fourteen_days_and_no_longer(north):
    client = signed_in(north.user, stays=True)
    for day in (3, 6, 9, 13):
        with hours(24 * day):
            assert client.get("/settings/").status_code == 200
    with hours(24 * 14 + 1):
        assert client.get("/settings/").status_code == 302
    assert AuditEvent.objects.get(event="access.session_ended").detail == {"why": "age"}


def test_hours_and_days_are_settings(north, settings):
    settings.SESSION_IDLE_HOURS, settings.SESSION_DAYS = 1, 2
    client = signed_in(north.user)
    with hours(1.1):
        assert client.get("/settings/").status_code == 302
    client = signed_in(north.user, stays=True)
    with hours(49):
        assert client.get("/settings/").status_code == 302


def test_a_device_is_named_once_and_stands_in_the_audit_log_from_then_on(north):
    client = Client(headers={"user-agent": FIREFOX})
    assert 'value="Firefox, Windows"' in client.get(LOGIN).content.decode()
    client.post(LOGIN, {"login": north.user.email, "password": PASSWORD, "device": "Annas  bärbara"})
    event = AuditEvent.objects.get(event="access.signed_in")
    assert event.computer == "127.0.0.1 (Firefox, Windows, Annas bärbara)"
    assert client.cookies["device"]["httponly"]
    client.post("/account/sign-out/")
    assert AuditEvent.objects.get(event="access.signed_out").computer.endswith("Annas bärbara)")
    assert 'name="device"' not in client.get(LOGIN).content.decode()
    client.cookies["device"] = "forged"
    assert 'name="device"' in client.get(LOGIN).content.decode()


def test_a_device_named_as_its_browser_is_told_once(north):
    client = signed_in(north.user, device="Firefox, Windows", **{"user-agent": FIREFOX})
    assert AuditEvent.objects.get(event="access.signed_in").computer == "127.0.0.1 (Firefox, Windows)"
    assert "Firefox, Windows</span>" not in client.get(reverse("own_sessions")).content.decode()


def test_a_wrong_password_names_no_device(north):
    client = Client()
    client.post(LOGIN, {"login": north.user.email, "password": "fel", "device": "Annas"})
    assert "device" not in client.cookies


def test_own_sessions_are_listed_and_the_others_ended(north, south):
    here = signed_in(north.user, device="Kontoret", **{"user-agent": FIREFOX})
    phone, third = signed_in(north.user, device="Telefonen"), signed_in(north.user)
    stranger = signed_in(south.user, device="Söderby dator")
    address = reverse("own_sessions")
    text = here.get(address).content.decode()
    assert text.index("Kontoret") < text.index("Telefonen")
    assert "Söderby dator" not in text
    theirs = UserSession.objects.get(user=south.user)
    here.post(address, {"end": str(theirs.pk)})
    assert stranger.get("/").status_code == 200
    here.post(address, {"end": str(UserSession.objects.get(data__device="Telefonen").pk)})
    assert (phone.get("/").status_code, third.get("/").status_code) == (302, 200)
    here.post(address, {"end": "others"})
    assert (here.get("/").status_code, third.get("/").status_code) == (200, 302)
    ended = AuditEvent.objects.filter(event="access.sessions_ended").order_by("pk")
    assert [one.detail["ended"] for one in ended] == [["127.0.0.1 Telefonen"], ["127.0.0.1"]]
    here.post(address, {"device": "Kundtjänst 3"})
    assert 'value="Kundtjänst 3"' in here.get(address).content.decode()


def test_a_new_password_ends_the_other_sessions(north):
    here, there = signed_in(north.user), signed_in(north.user)
    new = "helt annan lång fras"
    here.post("/account/password/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert (here.get("/").status_code, there.get("/").status_code) == (200, 302)


@pytest.mark.parametrize(
    ("user_agent", "told"),
    [
        (FIREFOX, "Firefox, Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36", "Chrome, Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/142.0 Safari/537.36 Edg/142.0", "Edge, Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Mobile Safari/604.1", "Safari, iPhone"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/142.0 Mobile Safari/537.36", "Chrome, Android"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_browser_in_two_words(user_agent, told):
    assert computers.browser(user_agent) == told


def test_no_page_waits_for_a_name_server(monkeypatch):
    import threading

    may_answer = threading.Event()

    def slow(address):
        may_answer.wait(30)
        return ("ekonomi-4.nordby.example", [], [address])

    monkeypatch.setattr(computers.socket, "gethostbyaddr", slow)
    monkeypatch.setattr(computers, "_asked", {})
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.17")
    assert computers.described(request) == "192.0.2.17"
    may_answer.set()
    assert computers.computer_name("192.0.2.17", wait_seconds=30) == "ekonomi-4.nordby.example"
    assert computers.described(request) == "192.0.2.17 (ekonomi-4.nordby.example)"


@pytest.mark.parametrize("name", ["<b>x</b>", "a b", "", "192.0.2.18", "x" * 101])
def test_what_a_name_server_says_is_taken_only_when_it_is_a_name(monkeypatch, name):
    monkeypatch.setattr(computers.socket, "gethostbyaddr", lambda address: (name, [], [address]))
    monkeypatch.setattr(computers, "_asked", {})
    assert computers.computer_name("192.0.2.18", wait_seconds=30) == ""
