from __future__ import annotations

import pytest
from django.urls import reverse

from avlas.collect import texts
from avlas.collect.spec import parse_spec
from avlas.meters.models import Collector
from avlas.system.models import AuditEvent

ADD = {"name": "Skolan", "driver": "im871a", "where": "/dev/ttyUSB7", "link_mode": "c1t1"}


@pytest.mark.parametrize(
    ("driver", "where", "spec"),
    [
        ("im871a", "/dev/ttyUSB7", "im871a:/dev/ttyUSB7"),
        ("im871a", "/dev/serial/by-id/usb-Silicon_Labs_CP2102-if00-port0", None),
        ("rtl_wmbus", "192.168.1.20:1234", "rtl_wmbus:tcp://192.168.1.20:1234"),
        ("rtl_wmbus", "tcp://radio.example:1234", "rtl_wmbus:tcp://radio.example:1234"),
        ("hex", "[::1]:9000", "hex:tcp://[::1]:9000"),
        ("wmbusmeters", " logg.example:80 ", "wmbusmeters:tcp://logg.example:80"),
    ],
)
def test_adding_a_receiver(north, sign_in, driver, where, spec):
    client = sign_in(north.superuser)
    answer = client.post(reverse("receiver_add"), ADD | {"driver": driver, "where": where})
    assert answer.url == reverse("receivers")
    made = Collector.objects.get(utility=north.utility, name="Skolan")
    assert made.spec == (spec or f"im871a:{where}")
    assert str(parse_spec(made.spec)) == made.spec  # the collector understands it
    assert (made.active, made.link_mode) == (True, "c1t1")
    event = AuditEvent.objects.get(event="receivers.added")
    assert (event.target, event.detail["spec"], event.user) == ("Skolan", made.spec, north.superuser)
    assert "Skolan" in client.get(reverse("receivers")).content.decode()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "Nordby torn"}, "name"),
        ({"where": ""}, "where"),
        ({"where": "ttyUSB0"}, "where"),
        ({"where": "host:0"}, "where"),
        ({"where": "host:70000"}, "where"),
        ({"where": "stdin"}, "where"),
        ({"where": "/dev/ttyNordby"}, "where"),  # used already
        ({"driver": "file", "where": "/etc/passwd"}, "driver"),
        ({"link_mode": "x"}, "link_mode"),
    ],
)
def test_what_makes_no_sense_is_refused_beside_its_field(north, sign_in, change, field):
    answer = sign_in(north.superuser).post(reverse("receiver_add"), ADD | change)
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    assert 'aria-invalid="true"' in answer.content.decode()
    assert Collector.objects.filter(utility=north.utility).count() == 1


def test_two_utilities_may_use_the_same_names(north, south, sign_in):
    client = sign_in(north.superuser)
    assert client.post(reverse("receiver_add"), ADD | {"name": "Söderby torn"}).status_code == 302


def test_editing_keeps_what_is_kept_and_notes_the_change(north, sign_in):
    client = sign_in(north.superuser)
    own = reverse("receiver_edit", args=[north.collector.pk])
    form = client.get(own).context["form"]
    assert form.initial == {
        "name": "Nordby torn", "driver": "im871a", "where": "/dev/ttyNordby", "link_mode": "c1t1"
    }  # fmt: skip
    assert client.post(own, form.initial | {"name": "Tornet"}).status_code == 302
    north.collector.refresh_from_db()
    assert (north.collector.name, north.collector.spec) == ("Tornet", "im871a:/dev/ttyNordby")
    assert AuditEvent.objects.get(event="receivers.changed").detail == {"name": ["Nordby torn", "Tornet"]}


def test_stopping_and_starting(north, sign_in):
    client = sign_in(north.superuser)
    for active, event in (("0", "receivers.stopped"), ("1", "receivers.started")):
        client.post(reverse("receiver_switch", args=[north.collector.pk]), {"active": active})
        north.collector.refresh_from_db()
        assert north.collector.active is (active == "1")
        assert AuditEvent.objects.filter(event=event, target="Nordby torn").count() == 1


def test_a_receiver_whose_telegrams_are_kept_stays(north, sign_in):
    client = sign_in(north.superuser)
    address = reverse("receiver_delete", args=[north.collector.pk])
    assert "stoppa den i stället" in client.get(address).content.decode()
    client.post(address)
    assert Collector.objects.filter(pk=north.collector.pk).exists()


def test_a_receiver_that_brought_nothing_can_be_removed(north, sign_in):
    client = sign_in(north.superuser)
    client.post(reverse("receiver_add"), ADD)
    made = Collector.objects.get(name="Skolan")
    client.post(reverse("receiver_delete", args=[made.pk]))
    assert not Collector.objects.filter(pk=made.pk).exists()
    assert AuditEvent.objects.filter(event="receivers.removed", target="Skolan").exists()


def test_imports_and_the_api_are_no_receivers(north, sign_in):
    client = sign_in(north.superuser)
    row = Collector.objects.create(
        utility=north.utility, name="import", spec="import", telegrams=5, active=False
    )
    text = client.get(reverse("receivers")).content.decode()
    assert "Importerade filer" in text
    for name in ("receiver_edit", "receiver_delete"):
        assert client.get(reverse(name, args=[row.pk])).status_code == 302
    client.post(reverse("receiver_switch", args=[row.pk]), {"active": "1"})
    client.post(reverse("receiver_delete", args=[row.pk]))
    row.refresh_from_db()
    assert row.active is False


def test_troubles_stand_in_plain_words_in_the_readers_language(north, sign_in):
    text = texts.pack("port_missing", {"where": "/dev/ttyNordby"})
    Collector.objects.filter(pk=north.collector.pk).update(status="waiting", status_text=text)
    page = sign_in(north.user).get(reverse("receivers")).content.decode()
    assert "är mottagaren inkopplad?" in page
    Collector.objects.filter(pk=north.collector.pk).update(status="failed")
    assert "är mottagaren inkopplad?" in sign_in(north.user).get("/").content.decode()
