"""Webhooks against a real HTTP server: the signature, where they may lead, and what counts as taken."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import socket
import threading
import time
import uuid

import pytest

from avlas.notify import webhook
from avlas.notify.errors import NotSent
from avlas.system.outbox import new_webhook_secret

from .conftest import free_port

EVENT = uuid.UUID("0f8fad5b-d9cb-469f-a165-70867728950e")


def test_the_receiver_can_check_who_sent_it(http):
    box, secret = http(), new_webhook_secret()
    assert webhook.send(box.url, secret, EVENT, '{"å": 1}', own_machine=True) == "200 OK"
    ((path, headers, body),) = box.got
    assert (path, body, headers["content-type"]) == ("/hook?x=1", '{"å": 1}'.encode(), "application/json")
    assert headers["host"] == box.url.split("/")[2]
    assert headers["webhook-id"] == str(EVENT)
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{EVENT}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_the_published_example_of_the_signature():
    """The vector that Standard Webhooks' own libraries are tested with."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signature = webhook.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_over_tls_by_name_although_the_address_was_looked_up_before(http, tls, trusted):
    box = http(tls)
    assert webhook.send(box.url, new_webhook_secret(), EVENT, "{}", own_machine=True) == "200 OK"


def test_an_untrusted_certificate_is_refused(http, tls):
    box = http(tls)
    with pytest.raises(NotSent, match="certificate verify failed"):
        webhook.send(box.url, new_webhook_secret(), EVENT, "{}", own_machine=True)
    assert not box.got


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((500, {}), "localhost answered 500 Internal Server Error. said so"),
        ((302, {"location": "http://169.254.169.254/"}), "leads elsewhere .302 Found, http://169.254"),
    ],
)
def test_other_answers_are_not_taken_and_redirections_not_followed(http, answer, said):
    box = http()
    box.answers = [answer]
    with pytest.raises(NotSent, match=said) as met:
        webhook.send(box.url, new_webhook_secret(), EVENT, "{}", own_machine=True)
    assert not met.value.for_good
    assert len(box.got) == 1


def test_an_answer_that_drips_in_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(webhook, "LONGEST_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port, ended = server.getsockname()[1], threading.Event()

        def drip():
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
                    connection.send(bytes([byte]))
                    if ended.wait(0.02):
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        with pytest.raises(NotSent, match="localhost did not answer in time"):
            webhook.send(f"http://localhost:{port}/", new_webhook_secret(), EVENT, "{}", own_machine=True)
        ended.set()
        thread.join()


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "[::1]", "0.0.0.0", "169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]",
     "[64:ff9b::a9fe:a9fe]", "[fd00:ec2::254]", "224.0.0.1", "2130706433", "0x7f.1"],
)  # fmt: skip
def test_addresses_of_this_computer_and_its_surroundings_are_refused(host):
    with pytest.raises(NotSent, match=r"this computer itself or its closest surroundings|no computer called"):
        webhook.send(f"http://{host}:1/", new_webhook_secret(), EVENT, "{}")


@pytest.mark.parametrize("address", ["192.0.2.7", "10.1.2.3", "192.168.1.9", "2001:db8::1"])
def test_other_addresses_are_allowed_the_own_network_s_as_well(address):
    assert webhook.allowed_address(address, 443, own_machine=False) == address


def test_a_name_that_leads_both_inward_and_outward_is_used_outward(monkeypatch):
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("127.0.0.1", "192.0.2.7")
    ]
    monkeypatch.setattr(webhook.socket, "getaddrinfo", lambda *_, **__: found)
    assert webhook.allowed_address("x.example", 80, own_machine=False) == "192.0.2.7"


def test_nobody_there_and_no_such_name():
    with pytest.raises(NotSent, match="No connection to localhost"):
        webhook.send(f"http://localhost:{free_port()}/", new_webhook_secret(), EVENT, "{}", own_machine=True)
    with pytest.raises(NotSent, match=r"There is no computer called hook\.invalid"):
        webhook.send("http://hook.invalid/", new_webhook_secret(), EVENT, "{}")
    with pytest.raises(NotSent, match="begins with http"):
        webhook.send("ftp://hook.example/", new_webhook_secret(), EVENT, "{}")
