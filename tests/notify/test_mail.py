"""Mail by SMTP, against real servers: every way in, and every way in which it goes wrong."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from avlas.notify import mail
from avlas.notify.errors import ClaimLost, NotSent

from .conftest import PASSWORD, USER, free_port

BODY = "Värmemätaren i källaren svarar inte.\n.\n.. prickar\n" + "lång rad " * 200 + "\n"


def server_at(port, security="none", user="", password="", host="127.0.0.1"):
    return mail.Server(host, port, security, "avlas@vattern.example", user, password)


def a_mail(subject="Tyst mätare: Ängsgatan 7"):
    return mail.Mail("drift@vattern.example", subject, BODY, uuid.uuid4(), datetime(2026, 11, 25, tzinfo=UTC))


def text_of(message):
    return message.get_payload(decode=True).decode().replace("\r\n", "\n")


def test_a_mail_arrives_as_it_was_written(smtp):
    box = smtp()
    handed_over = []
    sent = a_mail()
    answer = mail.send(server_at(box.port), sent, lambda: handed_over.append(len(box.got)) or True)
    assert answer == "250 2.0.0 queued as 1"
    assert handed_over == [0]  # noted before the server had it
    (got,) = box.got
    assert got["Message-ID"] == f"<{sent.message_id}@vattern.example>"
    assert got["To"] == "drift@vattern.example"
    assert got["From"] == "avlas@vattern.example"
    assert got["Auto-Submitted"] == "auto-generated"
    assert got["Date"] == "Wed, 25 Nov 2026 00:00:00 +0000"
    assert str(mail.message(server_at(1), sent)["Subject"]) == "Tyst mätare: Ängsgatan 7"
    assert text_of(got) == BODY


@pytest.mark.parametrize("at_once", [True, False])
def test_protected_and_signed_in(smtp, tls, trusted, at_once):
    box = smtp(tls=tls, at_once=at_once, sign_in=True)
    server = server_at(box.port, "tls" if at_once else "starttls", USER, PASSWORD, "localhost")
    assert mail.send(server, a_mail(), lambda: True).startswith("250")
    with pytest.raises(NotSent, match="refused the user or the password: 535"):
        mail.send(server_at(box.port, server.security, USER, "fel", "localhost"), a_mail(), lambda: True)
    assert len(box.got) == 1


def test_a_stranger_s_certificate_is_refused(smtp, tls):
    box = smtp(tls=tls)
    with pytest.raises(NotSent, match="certificate of localhost is not trusted: self-signed") as met:
        mail.send(server_at(box.port, "starttls", host="localhost"), a_mail(), lambda: True)
    assert not met.value.for_good


def test_a_server_that_offers_no_starttls_gets_nothing(smtp):
    box = smtp()
    with pytest.raises(NotSent, match="does not offer STARTTLS"):
        mail.send(server_at(box.port, "starttls"), a_mail(), lambda: True)
    with pytest.raises(NotSent, match="No TLS with"):
        mail.send(server_at(box.port, "tls"), a_mail(), lambda: True)
    assert not box.got


def test_what_the_server_refuses(smtp):
    box = smtp()
    for to_rcpt, answers, said, for_good in (
        (["550 5.1.1 no such user"], [], "550 5.1.1 no such user", True),
        (["450 4.2.1 mailbox busy"], [], "450 4.2.1 mailbox busy", False),
        ([], ["451 4.3.0 try later"], "451 4.3.0 try later", False),
        ([], ["554 5.7.1 spam"], "554 5.7.1 spam", True),
    ):
        box.to_rcpt, box.answers = to_rcpt, answers
        with pytest.raises(NotSent) as met:
            mail.send(server_at(box.port), a_mail(), lambda: True)
        assert str(met.value) == f"The mail server answered: {said}"
        assert (met.value.for_good, met.value.unsure) == (for_good, False)


def test_a_server_that_dies_before_it_has_all_can_be_tried_again(smtp, monkeypatch):
    box = smtp(dies=True)
    begun = []
    monkeypatch.setattr(mail.select, "select", waiting_select)
    with pytest.raises(NotSent, match="closed the connection") as met:
        mail.send(server_at(box.port), a_mail(), lambda: begun.append(1) or True)
    assert (met.value.unsure, begun) == (False, [])


def waiting_select(reading, writing, broken, _seconds):
    """As ``select``, but with patience: the server's end shall be seen whatever the machine is doing."""
    import select as real

    poll = real.poll()
    poll.register(reading[0], real.POLLIN)
    return ([reading[0]] if poll.poll(5000) else [], [], [])


def test_a_server_that_dies_after_it_has_all_leaves_doubt(smtp):
    box = smtp()
    box.answers = ["hang up"]
    with pytest.raises(NotSent, match="may have arrived") as met:
        mail.send(server_at(box.port), a_mail(), lambda: True)
    assert met.value.unsure


def test_without_its_claim_the_last_byte_is_never_sent(smtp):
    box = smtp()
    with pytest.raises(ClaimLost):
        mail.send(server_at(box.port), a_mail(), lambda: False)
    assert not box.got


def test_no_server():
    with pytest.raises(NotSent, match=r"No connection to 127\.0\.0\.1"):
        mail.send(server_at(free_port()), a_mail(), lambda: True)
    with pytest.raises(NotSent, match=r"There is no computer called mail\.invalid"):
        mail.send(server_at(25, host="mail.invalid"), a_mail(), lambda: True)


def test_a_domain_with_swedish_letters(smtp):
    box = smtp()
    sent = mail.Mail("drift@värme.example", "x", "x\n", uuid.uuid4(), datetime(2026, 11, 25, tzinfo=UTC))
    assert mail.send(server_at(box.port), sent, lambda: True)
    assert box.got[0]["To"] == "drift@xn--vrme-loa.example"


def test_a_subject_can_not_smuggle_in_a_header(smtp):
    with pytest.raises(ValueError, match="linefeed"):
        mail.message(server_at(1), a_mail("x\r\nBcc: all@example.se"))
