"""The pages of notifications and of the SMS service."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import transaction
from django.urls import reverse

from avlas.notify.models import Notification, SentSms, Told
from avlas.system import outbox, sms_gateway
from avlas.system.models import AuditEvent, Delivery, DeliveryStatus, SmsGateway, Webhook
from avlas.system.told import told

pytestmark = pytest.mark.one_database

FORM = {
    "recipient": "address", "road": "mail", "address": "jour@nordby.example", "language": "sv", "active": "on",
    "group": "all", "info_codes": "on", "severity": "2", "immediately": "on", "time_zone": "Europe/Stockholm",
}  # fmt: skip


@pytest.fixture
def desk(north, sign_in):
    return sign_in(north.administrator)


def gateway(utility):
    with transaction.atomic():
        return SmsGateway.objects.create(
            utility=utility,
            driver="46elks",
            sender="Nordby",
            user="u",
            password=sms_gateway.seal("x", utility),
        )


def test_the_list_shows_what_became_of_the_newest_message(north, desk):
    one = Notification.objects.get(utility=north.utility)
    with transaction.atomic():
        row = outbox.mail("x@y.example", "s", "b", utility=north.utility, event="notification", key="k")
    Told.objects.create(notification=one, delivery=row, at=datetime(2016, 7, 29, 9, 0, tzinfo=UTC), notices=1)
    Delivery.objects.filter(pk=row.pk).update(
        status=DeliveryStatus.SENT, sent_at=datetime(2016, 7, 29, 9, 49, tzinfo=UTC)
    )
    text = desk.get(reverse("notifications")).content.decode().replace("\xa0", " ")
    assert "2016-07-29 11:49 +02:00" in text
    assert "E-postservern har tagit emot det." in text
    with transaction.atomic():
        row = outbox.text_message("+4670", "b", utility=north.utility, event="notification", key="k2")
    Told.objects.create(notification=one, delivery=row, at=datetime(2016, 7, 30, tzinfo=UTC), notices=1)
    why = told(
        "The SMS service answered %(status)s. %(said)s", {"status": "503 ServiceUnavailable", "said": ""}
    )
    Delivery.objects.filter(pk=row.pk).update(status=DeliveryStatus.FAILED, told=why)
    text = desk.get(reverse("notifications")).content.decode()
    assert "Misslyckades" in text
    assert "503 ServiceUnavailable" in text
    Delivery.objects.filter(pk=row.pk).update(status=DeliveryStatus.SENT, told={})
    SentSms.objects.create(
        delivery=row,
        utility=north.utility,
        day="2016-07-30",
        at=datetime(2016, 7, 30, tzinfo=UTC),
        parts=1,
        arrived=True,
    )
    assert "SMS:et levererades." in desk.get(reverse("notifications")).content.decode()


def test_added_changed_tested_and_removed(north, desk):
    asked = FORM | {
        "daily_at": "12:20",
        "subject": "",
        "codes": ["t1_above_range"],
        "alerts": "on",
        "ended": "on",
    }
    assert desk.post(reverse("notification_add"), asked).status_code == 302
    one = Notification.objects.get(address="jour@nordby.example")
    assert (one.who, one.road, one.codes, one.alerts, one.ended) == (
        "address",
        "mail",
        ["t1_above_range"],
        True,
        True,
    )
    assert one.daily_due_at is not None
    text = desk.get(reverse("notifications")).content.decode()
    assert "Dagligen (12:20)" in text
    page = desk.get(reverse("notification_edit", args=[one.pk]))
    seen = page.context["form"]["seen"].value()
    asked = FORM | {
        "seen": seen,
        "recipient": f"user:{north.user.pk}",
        "group": f"g{north.utility.group_set.get().pk}",
    }
    assert desk.post(reverse("notification_edit", args=[one.pk]), asked).status_code == 302
    one.refresh_from_db()
    assert (one.user, one.address, one.daily_at, one.daily_due_at) == (north.user, "", None, None)
    assert (
        desk.post(reverse("notification_edit", args=[one.pk]), asked).status_code == 422
    )  # changed meanwhile
    desk.post(reverse("notification_test", args=[one.pk]))
    row = Delivery.objects.get(event="notification")
    assert (row.destination, row.told_by.get().test) == (north.user.email, True)
    desk.post(reverse("notification_delete", args=[one.pk]))
    assert not Notification.objects.filter(pk=one.pk).exists()
    events = set(
        AuditEvent.objects.filter(event__startswith="notifications.").values_list("event", flat=True)
    )
    assert {one.partition(".")[2] for one in events} == {"added", "changed", "tested", "removed"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"address": "nobody"}, "address"),
        ({"road": "sms", "address": "070-123 45 67"}, "address"),
        ({"immediately": ""}, "immediately"),
        ({"info_codes": ""}, "info_codes"),
        ({"recipient": "user:99999"}, "recipient"),
        ({"group": "g99999"}, "group"),
    ],
)
def test_what_can_t_be_is_refused(north, desk, change, field):
    gateway(north.utility)
    answer = desk.post(reverse("notification_add"), FORM | change)
    assert answer.status_code == 422
    assert field in answer.context["form"].errors


def test_numbers_are_kept_in_international_form_and_need_a_service(north, desk):
    asked = FORM | {"road": "sms", "address": "+46 (0)70-123 45 67"}
    assert "road" in desk.post(reverse("notification_add"), asked).context["form"].errors
    gateway(north.utility)
    assert desk.post(reverse("notification_add"), asked).status_code == 302
    assert Notification.objects.filter(address="+46701234567", road="sms").exists()


def test_a_webhook_is_told_too(north, desk):
    hook = Webhook.objects.get(utility=north.utility)
    assert (
        desk.post(reverse("notification_add"), FORM | {"recipient": f"webhook:{hook.pk}"}).status_code == 302
    )
    assert Notification.objects.get(webhook=hook).road == "webhook"


def test_everybody_may_have_the_own_ones_and_sees_no_others(north, sign_in):
    client = sign_in(north.user)
    asked = FORM | {"recipient": f"user:{north.user.pk}"}
    assert client.post(reverse("notification_add"), asked).status_code == 302
    one = Notification.objects.get(user=north.user)
    assert (one.road, one.created_by) == ("mail", north.user)
    text = client.get(reverse("notifications")).content.decode()
    assert "drift@nordby.example" not in text
    assert client.get(reverse("notification_edit", args=[one.pk])).status_code == 200
    for recipient in ("address", "consumer", f"user:{north.administrator.pk}"):
        assert client.post(reverse("notification_add"), FORM | {"recipient": recipient}).status_code == 422
    other = Notification.objects.get(address="drift@nordby.example")
    assert client.get(reverse("notification_edit", args=[other.pk])).status_code == 404
    assert client.post(reverse("notification_delete", args=[other.pk])).status_code == 403


SMS = {"driver": "46elks", "sender": "Nordby", "user": "u1", "password": "hemligt", "country_code": "46",
       "most_parts_a_day": "50"}  # fmt: skip


def test_the_sms_service_is_set_up_and_its_password_never_shown(north, desk):
    assert desk.post(reverse("sms_settings"), SMS).status_code == 302
    row = SmsGateway.objects.get(utility=north.utility)
    assert sms_gateway.password_of(row) == "hemligt"
    assert "hemligt" not in desk.get(reverse("sms_settings")).content.decode()
    detail = AuditEvent.objects.get(event="sms.changed").detail
    assert detail["password"] == ["", "***"]
    assert desk.post(reverse("sms_settings"), SMS | {"password": "", "sender": "Nytt"}).status_code == 302
    row.refresh_from_db()
    assert (row.sender, sms_gateway.password_of(row)) == ("Nytt", "hemligt")
    answer = desk.post(reverse("sms_settings"), SMS | {"password": "", "driver": "twilio"})
    assert "password" in answer.context["form"].errors  # it is not sent elsewhere


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"driver": "http", "url": "ftp://x/{text}"}, "url"),
        ({"driver": "http", "url": "https://x.example/"}, "body"),
        ({"driver": "http", "url": "https://x.example/{text}", "headers": "no header"}, "headers"),
        ({"user": ""}, "user"),
        ({"most_parts_a_day": "0"}, "most_parts_a_day"),
        ({"test": "1", "to": "070"}, "to"),
    ],
)
def test_what_no_service_can_do_is_refused(desk, change, field):
    answer = desk.post(reverse("sms_settings"), SMS | change)
    assert field in answer.context["form"].errors
    assert not SmsGateway.objects.exists()


def test_a_test_shows_what_went_wrong_and_saves_nothing(desk):
    asked = SMS | {
        "driver": "http",
        "url": "https://sms.invalid/?t={text}&to={to}",
        "test": "1",
        "to": "+46701234567",
    }
    answer = desk.post(reverse("sms_settings"), asked)
    assert "sms.invalid" in answer.context["tried"]["text"]
    assert not SmsGateway.objects.exists()
