from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from avlas.collect import detect, texts
from avlas.collect.detect import Port
from avlas.collect.spec import parse_spec
from avlas.meters.models import Collector, ReceiverHour
from avlas.simulate.line import Line
from avlas.simulate.usb_receivers import Cul
from avlas.system.models import AuditEvent
from avlas.web import formats

pytestmark = pytest.mark.one_database

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
        "name": "Nordby torn", "driver": "im871a", "where": "/dev/ttyNordby", "link_mode": "c1t1",
        "system": "WGS 84", "north": None, "east": None,
    }  # fmt: skip
    assert client.post(own, form.initial | {"name": "Tornet", "north": "", "east": ""}).status_code == 302
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


def heard_for_days(world, *, silent_hours: int = 0, days: int = 8):
    """Hours of a receiver that hears 40 telegrams an hour from 20 meters; silent for the last few."""
    now = datetime.now(UTC)
    last = int(now.timestamp() // 3600 * 3600)
    for back in range(24 * days):
        heard = back > silent_hours
        ReceiverHour.objects.create(
            collector=world.collector,
            hour_at=last - 3600 * back,
            seconds=3600,
            telegrams=(40 + back * 7 % 11) * heard,
            meters=20 * heard,
            damaged=back % 5 * heard,
            signals={"-81": 12, "-92": 9, "-60": 2} if heard else {},
        )
    Collector.objects.filter(pk=world.collector.pk).update(
        last_heard_at=now - timedelta(hours=silent_hours),
        device={"model": "iM871A", "serial": "00210D7A", "firmware": "14", "mode": "C1T1"},
    )


def test_a_receivers_page_shows_its_history_and_what_it_says_of_itself(north, sign_in):
    heard_for_days(north)
    client = sign_in(north.user)
    for span, count in (("hours", 48), ("days", 30), ("nonsense", 48)):
        answer = client.get(reverse("receiver", args=[north.collector.pk]), {"span": span})
        page = answer.content.decode()
        assert len(answer.context["lines"]) == count
        assert "00210D7A" in page
        assert f"{formats.MINUS}81" in page
        assert reverse("receiver_edit", args=[north.collector.pk]) not in page  # a user changes nothing
    assert answer.context["silent"] is None


def test_a_receiver_fallen_silent_stands_where_people_look(north, south, sign_in):
    heard_for_days(north, silent_hours=5)
    client = sign_in(north.superuser)
    own = reverse("receiver", args=[north.collector.pk])
    page = client.get(own).content.decode()
    assert "Inget hört sedan" in page
    assert "antenn, kabel och radioläge" in page
    assert "Tyst" in client.get(reverse("receivers")).content.decode()
    home = client.get("/").content.decode()
    assert "Nordby torn har inte hört något sedan" in home
    assert own in home
    client.force_login(south.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert "Nordby" not in client.get("/").content.decode()


def test_finding_receivers_and_adding_one_with_a_click(north, south, sign_in, tmp_path, monkeypatch):
    ports = [Port(str(tmp_path / "ttyUSB0"), "1a86:7523", "USB Serial"), Port("/dev/ttyNordby", "10c4:ea60"),
             Port(f"/dev/tty{south.mark}", "10c4:ea60"), Port(f"{tmp_path}/gone", "10c4:ea60")]  # fmt: skip
    monkeypatch.setattr(detect, "serial_ports", lambda: ports)
    client = sign_in(north.superuser)
    with Line(Cul(), tmp_path / "ttyUSB0"):
        answer = client.get(reverse("receiver_find"))
    page = answer.content.decode()
    found, used, theirs, gone = answer.context["found"]
    assert found[2] == {"name": "CUL", "driver": "cul", "where": f"{tmp_path}/ttyUSB0", "link_mode": "c1t1"}
    assert (used[0].state, used[1], theirs[0].state, theirs[1]) == ("in_use", "Nordby torn", "in_use", "")
    assert gone[0].state == "unusable"
    assert "är mottagaren inkopplad?" in page
    assert "Söderby torn" not in page
    assert client.post(reverse("receiver_add"), found[2]).url == reverse("receivers")
    assert Collector.objects.get(name="CUL").spec == f"cul:{tmp_path}/ttyUSB0"
    assert AuditEvent.objects.filter(event="receivers.added", target="CUL").exists()
    assert sign_in(north.user).get(reverse("receiver_find")).status_code == 403


@pytest.mark.parametrize(
    ("change", "spec"),
    [
        ({"driver": "amb8465", "link_mode": "t1"}, "amb8465:/dev/ttyUSB7"),
        ({"driver": "cul", "where": "udp://radio.example:4001"}, "cul:udp://radio.example:4001"),
        ({"driver": "rtl_wmbus", "where": "run/0123", "link_mode": "c1t1s1"}, "rtl_wmbus:run/0123"),
        ({"driver": "amb3665", "link_mode": "n2a"}, "amb3665:/dev/ttyUSB7"),
    ],
)
def test_every_kind_can_be_added(north, sign_in, change, spec):
    assert sign_in(north.superuser).post(reverse("receiver_add"), ADD | change).status_code == 302
    assert Collector.objects.get(name="Skolan").spec == spec


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"driver": "amb3665"}, "link_mode"),  # it can't hear C1
        ({"driver": "rc1180"}, "link_mode"),
        ({"driver": "cul", "where": "run"}, "where"),
        ({"driver": "rtl_wmbus", "where": "run/; rm -r /"}, "where"),
    ],
)
def test_what_a_kind_cannot_is_refused(north, sign_in, change, field):
    answer = sign_in(north.superuser).post(reverse("receiver_add"), ADD | change)
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
