"""A link for a password by mail: the invitation and the forgotten password, over a real mail server."""

from __future__ import annotations

import re
import socket
from datetime import UTC, datetime
from email import message_from_bytes

import pytest
from aiosmtpd.controller import Controller
from django.urls import reverse

from avlas.notify.sending import send_one
from avlas.system.models import AuditEvent, Delivery, MailServer, User

pytestmark = pytest.mark.one_database

FORGOTTEN = "/account/forgotten/"
NEW = "fyra helt nya ord"


class Mailbox:
    """Takes every mail."""

    def __init__(self) -> None:
        self.got: list[tuple[list[str], str]] = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        text = message_from_bytes(envelope.content).get_payload(decode=True).decode()
        self.got.append((envelope.rcpt_tos, text))
        return "250 OK"


@pytest.fixture
def mailbox(north):
    """A mail server that is set up in Avläs; mails come into it when ``send_all`` is called."""
    box = Mailbox()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    MailServer.objects.create(
        host="127.0.0.1", port=port, security="none", sender="avlas@nordby.example",
        site_address="https://avlas.nordby.example/",
    )  # fmt: skip
    Delivery.objects.filter(utility=north.utility).delete()
    yield box
    server.stop()


def send_all() -> None:
    while send_one(datetime.now(UTC)):
        pass


def link_in(text: str) -> str:
    return re.search(r"https://avlas\.nordby\.example(/account/password/\S+)", text)[1]


def test_who_has_forgotten_it_chooses_a_new_one_by_the_link(north, client, mailbox):
    assert FORGOTTEN in client.get("/account/sign-in/").content.decode()
    client.post(FORGOTTEN, {"email": "User@Nordby.example"}, headers={"host": "127.0.0.1"})
    send_all()
    ((to, text),) = mailbox.got
    assert to == [north.user.email]
    assert "Om det inte var du" in text
    link = link_in(text)
    done = client.post(link, {"password": NEW, "again": NEW})
    assert done.url == "/account/sign-in/"
    north.user.refresh_from_db()
    assert north.user.check_password(NEW)
    assert client.get(link).status_code == 403
    asked = AuditEvent.objects.get(event="access.password_link_asked_for")
    assert (asked.user, asked.utility) == (north.user, north.utility)


def test_nobody_learns_whether_there_is_such_an_account(north, client, mailbox):
    User.objects.filter(pk=north.superuser.pk).update(is_active=False)
    answers = []
    for email in (north.user.email, "ingen@nordby.example", north.superuser.email):
        answer = client.post(FORGOTTEN, {"email": email})
        text = re.sub(r'value="[^"]+"', "", answer.content.decode())  # the form's token differs each time
        answers.append((answer.status_code, text.replace(email, "")))
    assert len(set(answers)) == 1
    send_all()
    assert [to for to, _text in mailbox.got] == [[north.user.email]]
    assert client.post(FORGOTTEN, {"email": "x"}).status_code == 422


@pytest.mark.parametrize("name", ["user", "nobody"])
def test_nobody_is_flooded(north, client, mailbox, name):
    answers = [client.post(FORGOTTEN, {"email": f"{name}@nordby.example"}).status_code for _ in range(5)]
    assert answers == [200, 200, 200, 429, 429]
    assert Delivery.objects.count() == (3 if name == "user" else 0)


def test_without_a_mail_server_one_is_told_to_ask_an_administrator(north, client):
    assert FORGOTTEN not in client.get("/account/sign-in/").content.decode()
    assert client.get(FORGOTTEN).url == "/account/sign-in/"
    assert client.post(FORGOTTEN, {"email": north.user.email}).status_code == 302
    assert not Delivery.objects.filter(event="access.password_link").exists()


def test_an_invitation_arrives_and_a_new_link_is_not_called_one(north, sign_in, mailbox):
    anna = {"email": "anna@nordby.example", "role": "user", "language": "sv", "time_zone": "Europe/Stockholm"}
    client = sign_in(north.administrator)
    client.post(reverse("user_add"), anna)
    client.post(reverse("user_link", args=[north.user.pk]))
    send_all()
    (first_to, invitation), (second_to, again) = mailbox.got
    assert (first_to, second_to) == (["anna@nordby.example"], [north.user.email])
    assert "har skapat ett konto åt dig" in invitation
    assert "konto" not in again
    assert client.get(link_in(invitation)).status_code == 200


def test_who_sees_to_messages_does_not_get_at_other_peoples_links(north, sign_in, client, mailbox):
    client.post(FORGOTTEN, {"email": north.administrator.email})
    row = Delivery.objects.get(event="access.password_link")
    link = link_in(row.body)
    superuser = sign_in(north.superuser)
    for page in (reverse("message", args=[row.pk]), reverse("messages")):
        assert link not in superuser.get(page).content.decode()
