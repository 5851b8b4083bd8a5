"""The outbox's way out: rows of a transaction become messages, with retries, order and an end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest
from django.db import transaction
from django.db.models.functions import Now

from avlas.notify.sending import send_one
from avlas.system import outbox, secrets
from avlas.system.models import Delivery, DeliveryStatus, MailServer, Webhook
from avlas.system.told import in_words

pytestmark = pytest.mark.django_db


@pytest.fixture
def box(smtp):
    made = smtp()
    MailServer.objects.create(host="127.0.0.1", port=made.port, security="none", sender="a@vattern.example")
    return made


@pytest.fixture
def write(utility):
    def written(number=1, to="drift@vattern.example"):
        with transaction.atomic():
            outbox.mail(to, f"Larm {number}", "Läs.\n", utility=utility, event="test", key=f"mail/{number}")
        return Delivery.objects.get(key=f"mail/{number}")

    return written


@pytest.fixture
def hook(utility):
    def made(url):
        with transaction.atomic():
            secret = outbox.seal_webhook_secret(outbox.new_webhook_secret(), utility)
            return Webhook.objects.create(
                utility=utility, name="Driftcentral", url=url, secret=secret, own_machine=True
            )

    return made


def later(seconds=10**6):
    return datetime.now(UTC) + timedelta(seconds=seconds)


def again(row):
    row.refresh_from_db()
    return row


def test_a_message_is_kept_with_its_deed_or_not_at_all(utility, write):
    with transaction.atomic():
        outbox.mail("x@y.example", "x", "x", utility=utility, event="test", key="lost")
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()
    first = write()
    assert write() == first
    assert Delivery.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_no_message_is_written(utility):
    with pytest.raises(RuntimeError):
        outbox.mail("x@y.example", "x", "x", utility=utility, event="test", key="x")


def test_sent_once_and_noted(box, write):
    row = write()
    assert send_one(datetime.now(UTC))
    assert not send_one(later())
    assert again(row).status == DeliveryStatus.SENT
    assert row.sent_at is not None
    assert box.ids == [str(row.event_id)]


def test_a_file_goes_with_its_mail_under_the_utilitys_name(box, utility):
    content = bytes(range(256)) * 40
    with transaction.atomic():
        outbox.mail(
            "kund@home.example", "Din förbrukning", "Hej.\n", utility=utility, event="test", key="file",
            files=[outbox.File("förbrukning.pdf", "application/pdf", content)],
        )  # fmt: skip
    assert send_one(datetime.now(UTC))
    (got,) = box.got
    text, file = got.get_payload()
    assert text.get_payload(decode=True).decode().strip() == "Hej."
    assert file.get_content_type() == "application/pdf"
    assert file.get_payload(decode=True) == content
    name, address = parseaddr(got["From"])
    assert (str(make_header(decode_header(name))), address) == ("Vätterns Energi", "a@vattern.example")
    assert Delivery.objects.get(key="file").status == "sent"


def test_tried_again_with_growing_pauses_until_it_is_taken(box, write):
    row = write()
    box.answers = ["451 4.3.0 try later", "452 4.3.1 disk full"]
    began = datetime.now(UTC)
    assert send_one(began)
    assert (again(row).status, in_words(row.told)) == (
        DeliveryStatus.WAITING, "The mail server answered: 451 4.3.0 try later",
    )  # fmt: skip
    assert row.next_try_at >= began + outbox.PAUSES[0]
    assert not send_one(began)
    assert send_one(later())
    assert again(row).next_try_at >= began + outbox.PAUSES[1]
    assert send_one(later())
    assert (again(row).status, row.told, row.attempts) == (DeliveryStatus.SENT, {}, 3)


def test_refused_for_good_is_given_up_and_can_be_sent_again(box, write):
    row = write()
    box.to_rcpt = ["550 5.1.1 no such user"]
    send_one(datetime.now(UTC))
    assert again(row).status == DeliveryStatus.FAILED
    assert not send_one(later())
    with transaction.atomic():
        assert outbox.send_again(row)
        assert not outbox.send_again(again(row))
    assert send_one(datetime.now(UTC))
    assert again(row).status == DeliveryStatus.SENT
    assert "may have reached you" not in str(box.got[0])


def test_given_up_after_three_days_with_the_last_reason(write):
    row = write()
    send_one(datetime.now(UTC))
    assert in_words(again(row).told) == "No mail server is set up (Configuration, Mail server)."
    Delivery.objects.update(give_up_at=datetime.now(UTC))
    send_one(later())
    assert again(row).status == DeliveryStatus.FAILED
    assert in_words(row.told) == (
        "Given up after 3 days. Last: No mail server is set up (Configuration, Mail server)."
    )


def test_a_doubtful_mail_is_not_sent_again_by_itself_and_says_so_when_a_person_does(box, write):
    row = write()
    box.answers = ["hang up"]
    send_one(datetime.now(UTC))
    assert again(row).status == DeliveryStatus.UNSURE
    assert "may have arrived" in in_words(row.told)
    assert not send_one(later())
    with transaction.atomic():
        outbox.send_again(row)
    send_one(datetime.now(UTC))
    assert again(row).status == DeliveryStatus.SENT
    assert box.ids == [str(row.event_id)]
    text = box.got[0].get_payload(decode=True).decode()
    assert text.startswith("(Det här meddelandet kan ha nått dig tidigare.")


def test_what_a_dead_worker_left(box, write, hook, http):
    """Before the last byte: tried again. After it: a mail is unsure, a webhook is sent again with the same id."""
    early, late = write(1), write(2)
    got = http()
    with transaction.atomic():
        event = outbox.post(hook(got.url), "test", {}, key="event")
    now = datetime.now(UTC)
    for row in (early, late, event):
        claimed = outbox.claim(now)
        assert claimed == row
        if row != early:
            assert outbox.hand_over(claimed)
    assert outbox.claim(later()) is None
    Delivery.objects.update(lease_until=Now() - timedelta(seconds=1))
    while send_one(later()):
        pass
    assert [again(row).status for row in (early, late, event)] == ["sent", "unsure", "sent"]
    assert box.ids == [str(early.event_id)]
    assert got.got[0][1]["webhook-id"] == str(event.event_id)


def test_a_worker_that_lost_its_claim_hands_nothing_over_and_notes_nothing(write):
    row = write()
    claimed = outbox.claim(datetime.now(UTC))
    Delivery.objects.update(lease_until=Now() - timedelta(seconds=1))
    other = outbox.claim(later())
    assert other == claimed
    assert not outbox.hand_over(claimed)
    outbox.sent(claimed)
    assert again(row).status == DeliveryStatus.SENDING


def test_events_go_in_order_and_others_need_not_wait(utility, hook, http):
    first, second = http(), http()
    first.answers = [(503, {})]
    one, two = hook(first.url), hook(second.url)
    for number in range(3):
        with transaction.atomic():
            outbox.publish(utility, f"test.{number}", {"number": number}, key=f"event/{number}")
    now = later(0)
    while send_one(now):
        pass
    assert len(first.got) == 1
    assert len(second.got) == 3
    assert Delivery.objects.filter(webhook=two, status=DeliveryStatus.SENT).count() == 3
    while send_one(later()):
        pass
    assert [body.count(b'"number": ') for *_, body in first.got] == [1, 1, 1, 1]
    ids = [headers["webhook-id"] for _, headers, _ in first.got]
    assert ids[0] == ids[1]
    rows = Delivery.objects.filter(webhook=one).order_by("pk")
    assert ids[1:] == [str(row.event_id) for row in rows]


def test_a_removed_webhook_gives_up_what_waits(utility, hook):
    made = hook("https://hook.example/")
    with transaction.atomic():
        row = outbox.post(made, "test", {}, key="event")
        outbox.remove_webhook(made)
    assert (again(row).status, row.webhook) == (DeliveryStatus.FAILED, None)
    assert not send_one(later())


def test_a_lost_master_key_keeps_messages_waiting(box, write, settings, tmp_path):
    with transaction.atomic():
        password = outbox.seal_mail_password("hemligt")
    MailServer.objects.update(user="avlas", password=password)
    row = write()
    settings.DATA = tmp_path / "elsewhere"
    secrets.forget()
    send_one(datetime.now(UTC))
    assert again(row).status == DeliveryStatus.WAITING
    assert "master key is missing" in in_words(row.told)


def test_a_changed_master_key_seals_these_secrets_as_well(utility, hook):
    made = hook("https://hook.example/")
    before = outbox.webhook_secret(made)
    with transaction.atomic():
        password = outbox.seal_mail_password("hemligt å")
    server = MailServer.objects.create(host="x", sender="a@x.example", user="a", password=password)
    _, count, _ = secrets.rotate(outbox.seal_all_again)
    assert count == 2
    assert outbox.webhook_secret(again(made)) == before
    assert outbox.mail_password(again(server)) == "hemligt å"


def test_old_messages_are_forgotten_waiting_ones_never(write):
    rows = [write(number) for number in range(3)]
    Delivery.objects.update(created_at=datetime.now(UTC) - timedelta(days=100))
    Delivery.objects.filter(pk=rows[0].pk).update(status=DeliveryStatus.SENT)
    assert outbox.forget_old(datetime.now(UTC)) == 1
    assert Delivery.objects.count() == 2
