"""Text messages against servers that answer as the services' documentation says, and in every way it goes wrong."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import transaction

from avlas.notify import sms, sms_account
from avlas.notify.errors import ClaimLost, NotSent
from avlas.notify.models import SentSms
from avlas.notify.sending import send_one
from avlas.system import outbox, sms_gateway
from avlas.system.models import Delivery, DeliveryStatus, SmsGateway, User

from .conftest import free_port

TO, TEXT, ID = "+46701234567", "Läcka på Ängsgatan 7 & 9", uuid.UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
ACCOUNT = "AC" + "0" * 32


def elks_answer(**more):
    """As 46elks documents it."""
    said = {"status": "created", "direction": "outgoing", "from": "Vattern", "created": "2026-11-26T02:00:00.1",
            "parts": 1, "to": TO, "cost": 5200, "message": TEXT, "id": "s3633fa8e62f823e52fbc67ebf6925ab5"}  # fmt: skip
    return json.dumps(said | more)


def twilio_answer(**more):
    """As Twilio documents it."""
    said = {"sid": "SM" + "1" * 32, "status": "queued", "to": TO, "body": TEXT, "num_segments": "1",
            "error_code": None, "error_message": None, "price": None, "account_sid": ACCOUNT}  # fmt: skip
    return json.dumps(said | more)


@pytest.fixture
def service(http, monkeypatch):
    """A server in the place of both services."""
    box = http()
    address = box.url.partition("/hook")[0]
    monkeypatch.setattr(sms, "ELKS", address)
    monkeypatch.setattr(sms, "TWILIO", address)
    return box


def gateway(driver="46elks", **more):
    known = {"sender": "Vattern", "user": ACCOUNT if driver == "twilio" else "u1", "password": "hemligt å"}
    return sms.Gateway(driver, **(known | more), own_machine=True)


def send(of, hand_over=lambda: True):
    return sms.send(of, TO, TEXT, ID, hand_over)


def form_of(body):
    return {name: values[0] for name, values in parse_qs(body.decode()).items()}


def test_46elks(service):
    service.said = [elks_answer()]
    assert send(gateway()) == sms.Taken("200 OK created", "s3633fa8e62f823e52fbc67ebf6925ab5")
    ((path, headers, body),) = service.got
    assert path == "/a1/sms"
    assert headers["authorization"] == "Basic " + base64.b64encode("u1:hemligt å".encode()).decode()
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert form_of(body) == {"from": "Vattern", "to": TO, "message": TEXT}


@pytest.mark.parametrize("sender", ["+4670000000", "MG" + "a" * 32])
def test_twilio(service, sender):
    service.answers, service.said = [(201, {})], [twilio_answer()]
    assert send(gateway("twilio", sender=sender)) == sms.Taken("201 Created queued", "SM" + "1" * 32)
    ((path, headers, body),) = service.got
    assert path == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    assert headers["authorization"].startswith("Basic ")
    own = "MessagingServiceSid" if sender.startswith("MG") else "From"
    assert form_of(body) == {own: sender, "To": TO, "Body": TEXT}


@pytest.mark.parametrize(
    ("headers", "body", "read"),
    [
        ("X-Key: {password}", '{"to": ["{number}"], "text": "{text}", "x": {}}', json.loads),
        ("", "to={to}&text={text}", lambda body: {"to": [form_of(body)["to"].lstrip("+")], "text": form_of(body)["text"]}),
        ("Content-Type: text/xml", "<m to='{number}'>{text}</m>", None),
    ],
)  # fmt: skip
def test_another_service_by_templates(service, headers, body, read):
    text = 'Rad 1\n"citat" & <tagg>'
    own = gateway("http", url=service.url.replace("x=1", "to={to}&t={text}"), headers=headers, body=body)
    assert sms.send(own, TO, text, ID, lambda: True) == sms.Taken("200 OK")
    ((path, got, sent),) = service.got
    assert parse_qs(urlsplit(path).query) == {"to": [TO], "t": [text]}
    assert got.get("x-key") == ("hemligt å".encode().decode("latin-1") if "X-Key" in headers else None)
    if read is None:
        assert sent.decode() == "<m to='46701234567'>Rad 1\n\"citat\" &amp; &lt;tagg&gt;</m>"
    else:
        said = read(sent)
        assert (said["to"], said["text"]) == (["46701234567"], text)


def test_another_service_by_get_whose_answer_tells(service):
    own = gateway("http", url=service.url, taken_when="said so")
    assert send(own) == sms.Taken("200 OK")
    service.said = ["ERR no credit"]
    with pytest.raises(NotSent, match=r"200 OK\. ERR no credit"):
        send(own)


@pytest.mark.parametrize(
    ("driver", "status", "said", "told", "for_good", "unsure"),
    [
        ("46elks", 403, "Not enough credits", "403 Forbidden. Not enough credits", False, False),
        ("46elks", 401, "API access requires Basic HTTP authentication", "401 Unauthorized", False, False),
        ("46elks", 400, "Invalid to number", "400 Bad Request. Invalid to number", True, False),
        ("46elks", 503, "", "503 Service Unavailable", False, False),
        ("46elks", 504, "", "504 Gateway Timeout", False, True),
        ("46elks", 200, "<html>", "200 OK. <html>", True, False),
        ("twilio", 400, '{"code": 21211, "message": "The \'To\' number is not valid.", "status": 400}',
         "400 Bad Request. 21211: The 'To' number is not valid.", True, False),
        ("twilio", 429, '{"code": 20429, "message": "Too Many Requests"}', "20429", False, False),
        ("twilio", 201, '{"sid": "SM1", "status": "failed", "message": "x"}', "201 Created. x", True, False),
    ],
)  # fmt: skip
def test_what_a_service_refuses(service, driver, status, said, told, for_good, unsure):
    service.answers, service.said = [(status, {})], [said]
    with pytest.raises(NotSent) as met:
        send(gateway(driver))
    assert str(met.value).startswith(
        f"The SMS service answered {told}" if told[0].isdigit() and " " in told else "The"
    )
    assert told in str(met.value)
    assert (met.value.for_good, met.value.unsure) == (for_good, unsure)


def test_before_it_is_handed_over_it_can_be_tried_again_and_after_that_not(service, monkeypatch):
    handed = []
    service.answers = ["hang up"]
    with pytest.raises(NotSent, match="may have arrived") as met:
        send(gateway(), lambda: handed.append(1) or True)
    assert (met.value.unsure, handed, len(service.got)) == (True, [1], 1)
    with pytest.raises(ClaimLost):
        send(gateway(), lambda: False)
    assert len(service.got) == 1
    monkeypatch.setattr(sms, "ELKS", f"http://localhost:{free_port()}")
    with pytest.raises(NotSent, match="The connection to the SMS service failed") as met:
        send(gateway(), lambda: handed.append(1) or True)
    assert (met.value.unsure, met.value.for_good, handed) == (False, False, [1])


def test_inward_addresses_only_when_allowed(service):
    with pytest.raises(NotSent, match="this computer itself"):
        send(sms.Gateway("http", "Vattern", url=service.url))
    assert not service.got


@pytest.fixture
def account(utility, service):
    with transaction.atomic():
        return SmsGateway.objects.create(
            utility=utility, driver="46elks", sender="Vattern", user="u1", own_machine=True,
            password=sms_gateway.seal("hemligt å", utility), most_parts_a_day=3,
        )  # fmt: skip


def put(utility, *texts):
    with transaction.atomic():
        return [
            outbox.text_message(TO, text, utility=utility, event="test", key=outbox.new_key("test"))
            for text in texts
        ]


def work():
    while send_one(datetime.now(UTC)):
        pass


def test_a_message_of_the_outbox_goes_out_and_it_is_known_that_it_arrived(account, utility, service):
    (row,) = put(utility, "Läcka")
    service.said = [elks_answer()]
    work()
    row.refresh_from_db()
    assert (row.status, row.told) == (DeliveryStatus.SENT, {})
    sent = SentSms.objects.get()
    assert (sent.delivery_id, sent.parts, sent.arrived) == (row.pk, 1, None)
    later = datetime.now(UTC) + timedelta(minutes=2)
    assert not sms_account.ask_what_became(datetime.now(UTC))
    service.answers, service.said = [(503, {}), (200, {})], ["", elks_answer(status="delivered")]
    assert sms_account.ask_what_became(later)  # the service was away: asked again later
    assert not sms_account.ask_what_became(later)
    assert sms_account.ask_what_became(later + timedelta(minutes=5))
    sent.refresh_from_db()
    assert (sent.arrived, sent.look_at) == (True, None)
    assert [path for path, *_ in service.got][-1] == f"/a1/sms/{sent.reference}"


def test_the_day_s_limit_holds_and_is_told_once(account, utility, service):
    User.objects.create_user(
        "anna@vattern.example", "x", utility=utility, role="administrator", language="en"
    )
    rows = put(utility, "x" * 161, "y", "z", "z")
    service.said = [elks_answer(parts=2), elks_answer()]
    work()
    for row in rows:
        row.refresh_from_db()
    assert [row.status for row in rows] == ["sent", "sent", "failed", "failed"]
    assert "limit of %(limit)s SMS parts is reached" in rows[2].told["text"]
    assert len(service.got) == 2
    assert sms_account.parts_used(utility, sms_account.today()) == 3
    (mail,) = Delivery.objects.filter(event="sms.limit")
    assert (mail.destination, mail.subject) == ("anna@vattern.example", "Today's limit for SMS is reached")


def test_what_was_refused_costs_nothing(account, utility, service):
    (row,) = put(utility, "x")
    service.answers = [(503, {})]
    assert send_one(datetime.now(UTC))
    row.refresh_from_db()
    assert (row.status, SentSms.objects.count()) == (DeliveryStatus.WAITING, 0)
    assert row.told["values"]["status"] == "503 Service Unavailable"


def test_without_a_service_it_waits_and_says_why(utility):
    (row,) = put(utility, "x")
    work()
    row.refresh_from_db()
    assert row.status == DeliveryStatus.WAITING
    assert row.told["text"] == "No SMS service is set up (Configuration, SMS)."


def test_the_password_follows_a_new_master_key(account):
    from avlas.system import secrets

    secrets.rotate(sms_gateway.seal_all_again)
    account.refresh_from_db()
    assert sms_gateway.password_of(account) == "hemligt å"
    assert b"hemligt" not in bytes(account.password)
