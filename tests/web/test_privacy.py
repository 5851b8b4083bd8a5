"""The pages for what the law gives customers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from avlas.meters.models import Customer, Fence, Installation, Occupancy, Reading
from avlas.system.models import AuditEvent


@pytest.fixture
def former(north):
    """Somebody who lived where north's first meter sits, until yesterday."""
    now = datetime.now(UTC)
    gone = Customer.objects.create(
        utility=north.utility, number="K-77", name="Åsa Ärlig", email="asa@example.org"
    )
    Installation.objects.update(from_at=now - timedelta(days=40))
    Occupancy.objects.filter(point=north.point).update(from_at=now - timedelta(days=1))
    Occupancy.objects.create(point=north.point, customer=gone, from_at=now - timedelta(days=30),
                             to_at=now - timedelta(days=1))  # fmt: skip
    return gone


def test_find_a_former_customer(north, former, sign_in):
    client = sign_in(north.administrator)
    for text, count in (("åsa", 1), ("ÄRLIG k-77", 1), ("asa@", 1), ("%", 0), ("", 2), ("zz", 0)):
        answer = client.get(reverse("privacy"), {"q": text, "page": "7"})
        assert len(answer.context["customers"]) == count, text


def test_a_copy_of_everything(north, former, sign_in):
    answer = sign_in(north.administrator).get(reverse("privacy_export", args=[former.pk]))
    said = json.loads(answer.content)
    assert said["customer"]["name"] == "Åsa Ärlig"
    assert said["occupancies"][0]["meters"][0]["readings"]
    assert answer["Cache-Control"] == "no-store"
    assert AuditEvent.objects.get(event="privacy.exported").target == str(former.pk)


def test_erase_between_days(north, former, sign_in):
    client, address = sign_in(north.administrator), reverse("privacy_customer", args=[former.pk])
    occupancy = former.occupancies.get()
    meter = north.meters[0]
    inside = Reading.objects.filter(
        meter=meter, kind=0, slot_at__gt=occupancy.from_at, slot_at__lt=occupancy.to_at
    )
    assert inside.count() > 1
    form = {"erase": "1", "occupancy": occupancy.pk}
    for wrong, field in (
        ({}, "sure"),
        ({"sure": "on", "first": "2199-01-01"}, "last"),
        ({"sure": "on", "last": "1990-01-01"}, "last"),
        ({"sure": "on", "first": "9999-12-31", "last": "9999-12-31"}, "last"),
        ({"sure": "on", "last": "0001-01-01"}, "last"),
        ({"sure": "on", "first": "x"}, "first"),
        ({"sure": "on", "occupancy": north.point.occupancies.get(to_at=None).pk}, "occupancy"),
    ):
        answer = client.post(address, form | wrong)
        assert (answer.status_code, list(answer.context["form"].errors)) == (422, [field]), wrong
    assert not Fence.objects.exists()
    assert client.post(address, form | {"sure": "on"}).status_code == 302
    assert not inside.all().exists()
    assert Fence.objects.get().by == north.administrator
    assert str(meter) in client.get(address).content.decode()
    north.hear(north.fleet[:1], occupancy.to_at - timedelta(hours=7))
    assert not inside.all().exists()


def test_make_nameless_when_it_is_meant(north, former, sign_in):
    client, address = sign_in(north.administrator), reverse("privacy_customer", args=[former.pk])
    client.post(address, {"pseudonymise": "1"})
    former.refresh_from_db()
    assert former.name == "Åsa Ärlig"
    client.post(address, {"pseudonymise": "1", "sure": "1"})
    former.refresh_from_db()
    assert (former.name, former.email) == ("", "")
    assert "Åsa" not in client.get(address).content.decode()
