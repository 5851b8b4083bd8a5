"""The audit log leaves nothing out: every file that is taken away, every key that is tried, every way in and out."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.urls import reverse

from avlas.meters.models import Key
from avlas.system.models import AuditEvent

from .asking import PAGES, address_of, ask, signed_in
from .conftest import PASSWORD
from .test_matrix import NOTHING_HERE

FILES = [
    name
    for name in PAGES
    if re.search("_(file|export)$", name)
    and name not in {"import_file", "import_compare_file", *NOTHING_HERE}  # a month: see test_imports_compare
]


def newest(since: int) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(pk__gt=since).order_by("pk"))


@pytest.mark.one_database
def test_every_file_that_is_taken_away_is_written_down(north):
    assert len(FILES) > 7
    client, silent = signed_in(north.administrator), []
    for name in FILES:
        address = address_of(north, name)
        last = AuditEvent.objects.order_by("-pk").values_list("pk", flat=True)[0]
        answer = client.get(address + f"?period=dates&from={datetime.now(UTC):%Y-%m-%d}&file=csv")
        assert answer.status_code == 200, address
        assert "attachment" in answer.get("Content-Disposition", ""), address
        if answer.streaming:
            b"".join(answer)
        found = newest(last)
        if not found or found[0].user != north.administrator or "127.0.0.1" not in found[0].computer:
            silent.append(name)
    assert not silent


def test_a_key_that_is_tried_is_written_down_without_the_key(north, sign_in):
    client, key = sign_in(north.administrator), Key.objects.filter(utility=north.utility).first()
    client.post(reverse("key_test", args=[key.pk]))
    secret = north.fleet[0].key.hex()
    client.post(reverse("key_add"), {"number": north.fleet[0].identification, "key": secret, "test": "1"})
    events = list(AuditEvent.objects.filter(event="keys.tested"))
    assert [event.user for event in events] == [north.administrator] * 2
    assert events[1].detail["opens"] > 0
    assert secret not in str([event.detail for event in events]).lower()


def test_ways_in_and_out_are_written_down(north, client):
    login = reverse("account_login")
    client.post(login, {"login": north.user.email, "password": "fel"})
    client.post(login, {"login": "nobody@nordby.example", "password": "fel"})
    client.post(login, {"login": north.user.email, "password": PASSWORD, "device": "Expeditionen"})
    client.post(reverse("own_sessions"), {"device": "Disken"})
    client.post(reverse("account_logout"))
    told = list(AuditEvent.objects.filter(event__startswith="access.").order_by("pk"))
    told = [(event.event.partition(".")[2], event.target) for event in told[-5:]]
    assert told == [
        ("sign_in_failed", north.user.email), ("sign_in_failed", "nobody@nordby.example"),
        ("signed_in", north.user.email), ("device_named", "Disken"), ("signed_out", north.user.email),
    ]  # fmt: skip
    assert "Expeditionen" in AuditEvent.objects.get(event="access.signed_in").computer


def test_looking_changes_nothing_in_the_log_but_taking_away_does(north):
    client = signed_in(north.administrator)
    before = AuditEvent.objects.count()
    for name in ("home", "meters", "meter", "customers", "customer", "audit_log", "users", "keys"):
        assert ask(client, "GET", address_of(north, name)).status_code == 200
    assert AuditEvent.objects.count() == before
