"""From an info code in a telegram to the message: who is told, once, together, and when it comes and goes."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import transaction

from avlas.meters.groups import choice_of
from avlas.meters.models import (
    Customer,
    Group,
    GroupMember,
    InfoEvent,
    Installation,
    Meter,
    MeteringPoint,
    Occupancy,
)
from avlas.notify import consumer_link, notices, telling, watching
from avlas.notify.models import ConsumerChoice, Notice, Notification, Told, Watch
from avlas.notify.sending import send_one
from avlas.system import outbox
from avlas.system.models import Delivery, MailServer, SmsGateway, User, Webhook

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


@pytest.fixture
def town(utility):
    """Twelve meters at twelve addresses, each with a customer."""
    meters = []
    for number in range(12):
        meter = Meter.objects.create(
            utility=utility,
            manufacturer="KAM",
            serial=f"7000{number:04}",
            family="multical_403",
            medium="heat",
        )
        point = MeteringPoint.objects.create(
            utility=utility, facility_id=f"F{number}", address=f"Ängsgatan {number}", city="Storstad"
        )
        Installation.objects.create(meter=meter, point=point, from_at=NOW - timedelta(days=99))
        customer = Customer.objects.create(
            utility=utility, number=f"K{number}", name=f"Kund {number}", email=f"kund{number}@example.se",
            phone=f"070-123 45 {number:02}",
        )  # fmt: skip
        Occupancy.objects.create(point=point, customer=customer, from_at=NOW - timedelta(days=99))
        meters.append(meter)
    return meters


def codes():
    """Two info codes of this family: a number each, their names, and how severe they are."""
    from avlas.reports.info_words import in_words

    found = {}
    for bit in range(16):
        said = [
            one
            for one in in_words("multical_403", 1 << bit)
            if one.now and not one.code.startswith("unknown")
        ]
        if said:
            found[said[0].code] = (1 << bit, said[0].severity)
    return found


@pytest.fixture
def bits():
    known = codes()
    grave = next(name for name, (_n, severity) in known.items() if severity == 3)
    mild = next(name for name, (_n, severity) in known.items() if severity < 3)
    return {"grave": (grave, known[grave][0]), "mild": (mild, known[mild][0])}


def change(meter, before, code, at=NOW):
    """The meter's info code changed, as ingest and the journal tell it."""
    InfoEvent.objects.create(meter=meter, at=at, code_before=before, code=code)
    with transaction.atomic():
        notices.note_info_codes([(meter.pk, int(at.timestamp()))], [], max(at, NOW))


def notification(utility, **more):
    known = {"who": "address", "road": "mail", "address": "drift@vattern.example", "language": "en"} | more
    return Notification.objects.create(utility=utility, **known)


def tell(now):
    while telling.tell_once(now):
        pass
    return list(Delivery.objects.order_by("pk"))


def test_many_meters_in_a_short_while_are_one_message(utility, town, bits):
    one = notification(utility)
    name, number = bits["grave"]
    for meter in town:
        change(meter, 0, number)
    assert tell(NOW + timedelta(seconds=30)) == []  # what belongs together comes together
    (message,) = tell(NOW + timedelta(seconds=61))
    assert message.destination == "drift@vattern.example"
    assert message.subject.endswith("(12 meters)")
    assert message.body.count("Ängsgatan") == 12
    assert "KAM 70000003" in message.body
    assert tell(NOW + timedelta(hours=1)) == [message]
    told = Told.objects.get()
    assert (told.notification, told.notices, told.delivery) == (one, 12, message)
    assert Notice.objects.filter(what=name, at_once=False).count() == 12


def test_a_storm_s_messages_come_ever_more_seldom(utility, town, bits):
    notification(utility)
    for minute, meter in enumerate(town):
        change(meter, 0, bits["grave"][1], NOW + timedelta(minutes=minute))
        tell(NOW + timedelta(minutes=minute, seconds=61))
    for minute in range(13, 59):
        tell(NOW + timedelta(minutes=minute))
    moments = [
        int((at - NOW).total_seconds() // 60)
        for at in Told.objects.order_by("at").values_list("at", flat=True)
    ]
    assert moments == [1, 6, 22]  # one, five and fifteen minutes; the thirty after it tell nothing new
    assert sum(Told.objects.values_list("notices", flat=True)) == 12


def test_a_code_that_flaps_is_told_once_and_its_end_when_it_stays_away(utility, town, bits):
    notification(utility, ended=True)
    meter, number = town[0], bits["grave"][1]
    for hour in range(6):
        change(
            meter, 0 if hour % 2 == 0 else number, number if hour % 2 == 0 else 0, NOW + timedelta(hours=hour)
        )
        tell(NOW + timedelta(hours=hour, minutes=2))
    assert len(tell(NOW + timedelta(hours=10, minutes=59))) == 1
    assert Notice.objects.get().times == 3
    _message, over = tell(NOW + timedelta(hours=11, minutes=1))
    assert over.subject.startswith("Over: ")
    assert "from 2026-11-26 13:00 to 2026-11-26 18:00" in over.body
    change(meter, 0, number, NOW + timedelta(hours=20))
    assert len(tell(NOW + timedelta(hours=21))) == 3  # after six quiet hours it is news again


def test_which_codes_and_meters_are_told(utility, town, bits):
    group = Group.objects.create(utility=utility, name="Centrum")
    GroupMember.objects.create(group=group, meter=town[1])
    notification(utility, address="grave@x.example", severity=3)
    notification(utility, address="group@x.example", group=choice_of(group))
    notification(utility, address="one@x.example", codes=[bits["mild"][0]])
    notification(utility, address="off@x.example", active=False)
    notification(utility, address="none@x.example", info_codes=False, alerts=True)
    change(town[0], 0, bits["grave"][1])
    change(town[1], None, bits["mild"][1])
    told = {message.destination: message for message in tell(NOW + timedelta(minutes=2))}
    assert set(told) == {"grave@x.example", "group@x.example", "one@x.example"}
    assert "Ängsgatan 0" in told["grave@x.example"].body
    assert "Ängsgatan 1" in told["group@x.example"].body
    assert "Ängsgatan 0" not in told["one@x.example"].body


def test_history_that_is_brought_in_and_codes_that_stay_are_no_news(utility, town, bits):
    notification(utility)
    change(town[0], 0, bits["grave"][1], NOW - timedelta(days=30))
    change(town[1], bits["grave"][1], bits["grave"][1] | bits["mild"][1])
    (message,) = tell(NOW + timedelta(minutes=2))
    assert message.body.count("Ängsgatan") == 1
    assert Notice.objects.get().what == bits["mild"][0]


def test_what_a_late_reading_takes_back_is_not_told(utility, town, bits):
    notification(utility)
    change(town[0], 0, bits["grave"][1])
    with transaction.atomic():
        notices.note_info_codes([], [(town[0].pk, int(NOW.timestamp()))], NOW)
    assert tell(NOW + timedelta(minutes=2)) == []


def test_the_day_s_summary(utility, town, bits):
    one = notification(
        utility, immediately=False, daily_at=time(12, 20), subject="", time_zone="Europe/Stockholm",
        daily_due_at=datetime(2026, 11, 26, 11, 20, tzinfo=UTC),
    )  # fmt: skip
    tell(NOW)
    one.refresh_from_db()
    assert one.daily_due_at == datetime(2026, 11, 27, 11, 20, tzinfo=UTC)
    change(town[0], 0, bits["grave"][1])
    change(town[1], 0, bits["mild"][1], NOW + timedelta(hours=1))
    assert tell(NOW + timedelta(hours=23)) == []
    (message,) = tell(NOW + timedelta(hours=23, minutes=20))
    assert message.subject == "Summary: 2 meters have reported something"
    assert tell(NOW + timedelta(hours=48)) == [message]  # nothing happened: nothing to say


def test_each_customer_is_told_of_the_own_meter_alone_with_a_link(utility, town, bits):
    MailServer.objects.create(
        host="x", port=1, security="none", sender="a@x.example", site_address="https://avlas.example.se"
    )
    SmsGateway.objects.create(utility=utility, driver="46elks", sender="Vattern", user="u")
    notification(utility, who="consumer", address="", language="sv", road="mail")
    notification(utility, who="consumer", address="", language="sv", road="sms")
    refusing = Customer.objects.get(number="K2")
    ConsumerChoice.objects.create(
        utility=utility,
        customer=refusing,
        language="en",
        sms=False,
        refused=[bits["grave"][0]],
        chosen_at=NOW,
    )
    for meter in town[:3]:
        change(meter, 0, bits["grave"][1])
    change(town[2], bits["grave"][1], bits["grave"][1] | bits["mild"][1], NOW + timedelta(seconds=1))
    told = {message.destination: message for message in tell(NOW + timedelta(minutes=2))}
    assert set(told) == {
        "kund0@example.se", "kund1@example.se", "kund2@example.se", "+46701234500", "+46701234501"
    }  # fmt: skip
    mail = told["kund0@example.se"]
    assert "Ängsgatan 0" in mail.body
    assert "Ängsgatan 1" not in mail.body
    assert "70000000" not in mail.body
    token = mail.body.partition("https://avlas.example.se/my/")[2].split("/")[0]
    assert consumer_link.who(token).customer.number == "K0"
    assert "https://avlas.example.se/my/" in told["+46701234501"].body
    assert told["kund2@example.se"].body.startswith("Vätterns Energi reads your meter.")
    assert told["kund0@example.se"].body.startswith("Vätterns Energi läser av din mätare.")


def test_an_sms_says_what_fits(utility, town, bits):
    from avlas.notify.sms_text import size

    SmsGateway.objects.create(utility=utility, driver="46elks", sender="Vattern", user="u")
    notification(utility, road="sms", address="+46701234567")
    for number in range(60):
        meter = Meter.objects.create(
            utility=utility, manufacturer="KAM", serial=f"8000{number:04}", family="multical_403"
        )
        change(meter, 0, bits["grave"][1])
    (message,) = tell(NOW + timedelta(minutes=2))
    assert size(message.body).parts == 3
    assert not size(message.body).odd
    assert message.body.startswith("Vätterns Energi: ")
    assert " +" in message.body


def test_a_webhook_gets_data(utility, town, bits):
    hook = Webhook.objects.create(utility=utility, name="W", url="https://hook.example/", secret=b"x")
    notification(utility, who="webhook", road="webhook", webhook=hook, address="")
    change(town[0], 0, bits["grave"][1])
    (message,) = tell(NOW + timedelta(minutes=2))
    assert (message.road, message.webhook) == ("webhook", hook)
    assert f'"code": "{bits["grave"][0]}"' in message.body
    assert '"serial": "70000000"' in message.body


def test_who_has_left_is_told_nothing(utility, town, bits):
    user = User.objects.create_user("a@x.example", "x", utility=utility, role="user", is_active=False)
    notification(utility, who="user", user=user, address="")
    change(town[0], 0, bits["grave"][1])
    assert tell(NOW + timedelta(minutes=2)) == []


def test_the_journal_is_followed_each_entry_once(utility, town, bits):
    from avlas.meters.journal import Written

    notification(utility)
    assert not watching.look_once(NOW)  # what came before is not news
    InfoEvent.objects.create(meter=town[0], at=NOW, code_before=0, code=bits["grave"][1])
    with transaction.atomic():
        written = Written(utility.pk)
        written.info_events([(town[0].pk, int(NOW.timestamp()))], opened=True)
        written.append()
    place = Watch.objects.get(name="info codes").cursor
    assert watching.look_once(NOW)
    assert not watching.look_once(NOW)
    assert Notice.objects.count() == 1
    Watch.objects.update(cursor=place)  # as if the worker had died before: told once all the same
    assert watching.look_once(NOW)
    assert Notice.objects.count() == 1


def test_a_real_mail_arrives_and_the_newest_message_is_known(utility, town, bits, smtp):
    box = smtp()
    MailServer.objects.create(host="127.0.0.1", port=box.port, security="none", sender="a@x.example")
    one = notification(utility, subject="Larm")
    change(town[0], 0, bits["grave"][1])
    tell(NOW + timedelta(minutes=2))
    assert send_one(datetime.now(UTC))
    (got,) = box.got
    assert str(got["Subject"]) == "Larm"
    assert telling.newest_told(one)["sent"].delivery.status == "sent"
    with transaction.atomic():
        assert telling.send_test(one, "anna@x.example").test
    assert send_one(datetime.now(UTC))
    assert len(box.got) == 2


def test_a_forged_old_or_revoked_link_leads_nowhere(utility, town):
    customer = Customer.objects.get(number="K0")
    token = consumer_link.token(customer)
    assert consumer_link.who(token).customer == customer
    other = Customer.objects.get(number="K1")
    forged = f"{other.pk:x}" + token[token.index("-") :]
    for bad in (forged, token[:-1], token + "0", "", "-", "--", "x-1-1-" + token.rpartition("-")[2], "ö-1"):
        assert consumer_link.who(bad) is None
    assert consumer_link.who(token, datetime.now(UTC).date() + timedelta(days=181)) is None
    consumer_link.revoke(customer)
    assert consumer_link.who(token) is None
    assert consumer_link.who(consumer_link.token(customer)) is not None


def test_old_notices_are_forgotten_but_not_what_waits(utility, town, bits):
    notification(utility)
    change(town[0], 0, bits["grave"][1])
    assert notices.forget_old(NOW + timedelta(days=100)) == 0
    tell(NOW + timedelta(minutes=2))
    assert notices.forget_old(NOW + timedelta(days=100)) == 1
    assert outbox.forget_old(NOW) == 0
