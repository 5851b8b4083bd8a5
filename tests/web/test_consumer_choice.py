"""A customer chooses by a link, without an account, what to be told; the link tells nothing else."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from avlas.meters.models import Customer
from avlas.notify import consumer_link
from avlas.notify.models import ConsumerChoice, Notification
from avlas.system.models import AuditEvent, Delivery, MailServer, SmsGateway
from avlas.web.pages import consumer_choice


@pytest.fixture(autouse=True)
def _nobody_asked_before(db):
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def anna(north):
    """A customer with an address and a number, in a utility that tells its customers."""
    Customer.objects.filter(pk=north.customer.pk).update(email="anna@nordby.example", phone="070-123 45 67")
    north.customer.refresh_from_db()
    for road in ("mail", "sms"):
        Notification.objects.create(utility=north.utility, who="consumer", road=road, severity=1, alerts=True)
    return north.customer


def link(customer):
    return reverse("my_choices", args=[consumer_link.token(customer)])


def test_choosing(anna, client):
    page = client.get(link(anna), headers={"accept-language": "en"})
    assert (
        page["Referrer-Policy"] == "same-origin"
    )  # nothing goes to other sites; "no-referrer" would break the form
    assert "no-store" in page["Cache-Control"]
    text = page.content.decode()
    for secret in (
        "Öberg",
        "anna@",
        "070",
        "Nordbygatan",
        anna.number,
        *(m.serial for m in north_meters(anna)),
    ):
        assert secret not in text
    offered = dict(page.context["form"].fields["told"].choices)
    assert "alerts" in offered
    assert len(offered) > 3
    first = next(code for code in offered if code != "alerts")
    answer = client.post(link(anna), {"told": [first], "mail": "on", "language": "en"})
    assert (
        "Your choice is saved." in answer.content.decode() or "Ditt val är sparat." in answer.content.decode()
    )
    choice = ConsumerChoice.objects.get(customer=anna)
    assert (choice.mail, choice.sms, choice.language) == (True, False, "en")
    assert set(choice.refused) == set(offered) - {first}
    assert choice.chosen_at is not None
    again = client.get(link(anna)).context["form"]
    assert again.initial["told"] == [first]
    event = AuditEvent.objects.get(event="customers.chose")
    assert (event.user_id, event.utility_id, event.target) == (None, anna.utility_id, anna.number)


def north_meters(customer):
    from avlas.meters.models import Meter

    return Meter.objects.filter(utility=customer.utility)


def test_only_what_the_utility_tells_can_be_chosen(anna, client):
    Notification.objects.filter(who="consumer", road="sms").delete()
    form = client.get(link(anna)).context["form"]
    assert "sms" not in form.fields
    assert client.post(link(anna), {"told": ["no_such_code"], "language": "sv"}).status_code == 422
    Notification.objects.filter(who="consumer").delete()
    assert b'<form class="form"' not in client.get(link(anna)).content


def test_a_bad_link_and_no_link_of_another(anna, south, client):
    good = link(anna)
    for bad in (
        good[:-2] + "/",
        reverse("my_choices", args=["x"]),
        reverse("my_choices", args=["1-1-1-" + "0" * 26]),
    ):
        answer = client.get(bad)
        assert answer.status_code == 404
        assert answer.context.get("form") is None
    consumer_link.revoke(anna)
    assert client.post(good, {"language": "sv"}).status_code == 404
    assert not ConsumerChoice.objects.filter(chosen_at__isnull=False).exists()


def test_it_is_not_asked_too_often(anna, client, monkeypatch):
    monkeypatch.setattr(consumer_choice, "RATE", "3/m/ip")
    bad = reverse("my_choices", args=["1-1-1-x"])
    assert [client.get(bad).status_code for _ in range(5)] == [404, 404, 404, 429, 429]
    assert client.get(link(anna)).status_code == 429


def test_the_staff_sends_and_revokes_links(anna, north, sign_in):
    desk = sign_in(north.administrator)
    address = reverse("customer_link", args=[anna.pk])
    desk.post(address, {"do": "mail"})
    assert not Delivery.objects.filter(
        event="customers.link"
    ).exists()  # nobody has said where these pages are
    MailServer.objects.create(host="x", sender="a@x.example", site_address="https://avlas.example.se")
    SmsGateway.objects.create(utility=north.utility, sender="Nordby", user="u")
    desk.post(address, {"do": "mail"})
    desk.post(address, {"do": "sms"})
    mail, sms = Delivery.objects.filter(event="customers.link").order_by("pk")
    assert (mail.destination, sms.destination) == ("anna@nordby.example", "+46701234567")
    token = sms.body.partition("/my/")[2].strip().strip("/")
    assert consumer_link.who(token).customer == anna
    ConsumerChoice.objects.filter(customer=anna).update(chosen_at=timezone.now(), refused=["alerts"])
    text = desk.get(reverse("customer", args=[anna.pk])).content.decode()
    assert "Kunden har valt" in text
    desk.post(address, {"do": "revoke"})
    assert consumer_link.who(token) is None
    events = AuditEvent.objects.filter(event__startswith="customers.link").values_list("event", flat=True)
    assert sorted(events) == ["customers.link_sent", "customers.link_sent", "customers.links_revoked"]
