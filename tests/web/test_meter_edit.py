"""Meters by hand: added, changed by two people at once, installed, taken down, out of use, removed; revision."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from avlas.meters import installing, revision
from avlas.meters.keys import Who
from avlas.meters.models import (
    Group,
    Installation,
    Meter,
    MeterAddress,
    MeteringPoint,
    MeterState,
    Reading,
    Telegram,
)
from avlas.system.models import AuditEvent

pytestmark = pytest.mark.one_database

MASTER = {
    "manufacturer": "kam", "serial": "87654321", "model": "MULTICAL 403", "medium": "heat", "qp_m3h": "1,5",
    "mounted_in": "return", "litres_per_pulse": "", "accuracy_class": "2", "manufactured_year": "2019",
    "revision_due": "", "seals": "A 17", "note": "",
}  # fmt: skip


def local(moment: datetime) -> str:
    return f"{moment.astimezone(ZoneInfo('Europe/Stockholm')):%Y-%m-%dT%H:%M}"


def seen_in(answer) -> str:
    return re.search(r'name="seen" value="([^"]+)"', answer.content.decode())[1]


def form_of(meter: Meter) -> dict[str, str]:
    return {
        "manufacturer": meter.manufacturer, "serial": meter.serial, "model": meter.model, "medium": meter.medium,
        "note": meter.note, "seals": meter.seals,
    }  # fmt: skip


def test_a_meter_is_added_by_hand_and_lies_in_stock(north, sign_in):
    client = sign_in(north.superuser)
    answer = client.post(reverse("meter_add"), MASTER, follow=True)
    assert answer.status_code == 200
    made = Meter.objects.get(utility=north.utility, serial="87654321")
    assert (made.manufacturer, made.qp_m3h, made.mounted_in, made.manufactured_year) == (
        "KAM",
        1.5,
        "return",
        2019,
    )
    assert made.addresses.get().identifier == "KAM87654321"
    assert revision.due(made, revision.periods(north.utility.pk)) == date(2029, 12, 31)
    text = client.get(reverse("meter_stock")).content.decode()
    assert "87654321" in text
    assert north.fleet[0].identification not in text  # installed
    again = client.post(reverse("meter_add"), MASTER)
    assert again.status_code == 422
    assert "finns redan" in again.content.decode()


def test_a_stranger_who_was_heard_becomes_the_meter_that_is_added(
    north, sign_in, django_capture_on_commit_callbacks
):
    stranger = MeterState.objects.get(utility=north.utility, meter=None)
    values = MASTER | {
        "manufacturer": stranger.manufacturer,
        "serial": "X-1",
        "identifier": stranger.identification,
    }
    client = sign_in(north.superuser)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("meter_add"), values)
    stranger.refresh_from_db()
    assert Telegram.objects.filter(meter_id=stranger.meter_id).exists()  # what was heard last is its own
    assert stranger.meter is not None
    assert stranger.meter.serial == "X-1"


@pytest.mark.parametrize(
    ("field", "value"),
    [("manufacturer", "KA"), ("serial", ""), ("serial", "<b>"), ("qp_m3h", "mycket"), ("qp_m3h", "-1"),
     ("manufactured_year", "19"), ("revision_due", "igår"), ("identifier", "123"), ("medium", "plasma")],
)  # fmt: skip
def test_what_is_wrong_stands_beside_the_field(north, sign_in, field, value):
    answer = sign_in(north.superuser).post(reverse("meter_add"), MASTER | {field: value})
    assert answer.status_code == 422
    assert f'id="id_{field}-error"' in answer.content.decode()
    assert not Meter.objects.filter(serial="87654321").exists()


def test_two_people_edit_one_meter_and_neither_is_overwritten_silently(north, sign_in):
    meter = north.meters[0]
    client = sign_in(north.superuser)
    address = reverse("meter_edit", args=[meter.pk])
    seen = seen_in(client.get(address))
    Meter.objects.filter(pk=meter.pk).update(note="by the other", seals="theirs")
    mine = form_of(meter) | {"note": "mine", "seen": seen}
    answer = client.post(address, mine)
    assert answer.status_code == 422
    news = {one.label: (one.before, one.now, one.both) for one in answer.context["form"].news}
    assert news == {"Anteckning": ("–", "by the other", True), "Plomberingsnummer": ("–", "theirs", False)}
    text = answer.content.decode()
    assert 'value="theirs"' in text  # only the other wrote there
    assert "mine</textarea>" in text  # both did: the reader's own words are kept
    meter.refresh_from_db()
    assert meter.note == "by the other"
    answer = client.post(address, mine | {"seals": "theirs", "seen": seen_in(answer)})
    assert answer.status_code == 302
    meter.refresh_from_db()
    assert (meter.note, meter.seals) == ("mine", "theirs")
    told = AuditEvent.objects.filter(event="meter.changed").latest("pk")
    assert told.detail == {"note": ["by the other", "mine"]}


def test_taken_down_it_is_no_longer_heard_and_installed_again_it_is(north, sign_in):
    meter, client = north.meters[0], sign_in(north.superuser)
    now = datetime.now(UTC)
    readings = Reading.objects.filter(meter_id=meter.pk).count()
    answer = client.post(
        reverse("meter_take_down", args=[meter.pk]), {"at": local(now), "reason": "House gone"}
    )
    assert answer.status_code == 302
    place = Installation.objects.get(meter=meter)
    assert place.reason == "House gone"
    assert abs(place.to_at - now) <= timedelta(minutes=1)
    assert not MeterAddress.objects.filter(meter=meter, to_at=None).exists()
    north.hear(north.fleet[:1], now + timedelta(hours=3))
    assert Reading.objects.filter(meter_id=meter.pk).count() == readings
    assert client.post(reverse("meter_install", args=[meter.pk]),
                       {"point": north.point.pk, "role": "main", "at": local(now - timedelta(days=1))}
                       ).status_code == 422  # it sat there until now  # fmt: skip
    MeteringPoint.objects.create(utility=north.utility, facility_id="77", address="Ågatan 2")
    page = client.get(reverse("meter_install", args=[meter.pk]) + "?q=ågatan").content.decode()
    assert "Ågatan 2" in page
    later = now + timedelta(minutes=1)
    with pytest.MonkeyPatch.context() as patch:  # the moment after it was taken down
        patch.setattr("avlas.web.pages.meter_edit.datetime", type("Later", (), {"now": lambda _zone: later}))
        answer = client.post(reverse("meter_install", args=[meter.pk]),
                             {"point": north.point.pk, "role": "main", "at": local(later)})  # fmt: skip
    assert answer.status_code == 302
    assert MeterAddress.objects.filter(meter=meter, to_at=None).count() == 1
    assert MeterState.objects.filter(meter=meter).exists()
    north.hear(north.fleet[:1], now + timedelta(hours=5))
    assert Reading.objects.filter(meter_id=meter.pk).count() > readings


def test_a_point_has_one_main_meter_at_a_time(north, sign_in):
    client, at = sign_in(north.superuser), local(datetime.now(UTC))
    address = reverse("meter_install", args=[north.meters[1].pk])
    answer = client.post(address, {"point": north.point.pk, "role": "main", "at": at})
    assert answer.status_code == 422
    assert "annan huvudmätare" in answer.content.decode()
    assert client.post(address, {"point": north.point.pk, "role": "sub", "at": at}).status_code == 302


def test_a_foreign_point_can_not_be_chosen(north, south, sign_in):
    address = reverse("meter_install", args=[north.meters[1].pk])
    values = {"point": south.point.pk, "role": "main", "at": local(datetime.now(UTC))}
    answer = sign_in(north.superuser).post(address, values)
    assert answer.status_code == 422
    assert "Söderby" not in answer.content.decode()
    with pytest.raises(installing.Impossible):
        installing.install(north.meters[1], south.point, "main", datetime.now(UTC), Who())


def test_a_meter_with_readings_goes_out_of_use_instead_of_being_removed(north, sign_in):
    client, read = sign_in(north.superuser), north.meters[1]
    address = reverse("meter_delete", args=[read.pk])
    assert "Ta ur bruk" in client.get(address).content.decode()
    assert client.post(address).status_code == 200
    assert Meter.objects.filter(pk=read.pk).exists()
    client.post(reverse("meter_use", args=[read.pk]), {"in_use": "0"})
    read.refresh_from_db()
    assert read.retired_at is not None
    assert not read.addresses.filter(to_at=None).exists()
    assert not any(row.pk == read.pk for row in client.get(reverse("meter_stock")).context["rows"])
    client.post(reverse("meter_use", args=[read.pk]), {"in_use": "1"})
    read.refresh_from_db()
    assert read.retired_at is None
    assert read.addresses.filter(to_at=None).count() == 1
    client.post(reverse("meter_use", args=[north.meters[0].pk]), {"in_use": "0"})  # installed
    north.meters[0].refresh_from_db()
    assert north.meters[0].retired_at is None


def test_a_meter_of_which_nothing_is_kept_is_removed(north, sign_in):
    client = sign_in(north.superuser)
    client.post(reverse("meter_add"), MASTER)
    made = Meter.objects.get(serial="87654321")
    answer = client.post(reverse("meter_delete", args=[made.pk]))
    assert answer.url == reverse("meters")
    assert not Meter.objects.filter(pk=made.pk).exists()
    assert AuditEvent.objects.filter(event="meter.deleted", target="KAM87654321").exists()


def test_who_is_due_for_revision_and_makes_a_group(north, sign_in):
    client, today = sign_in(north.superuser), datetime.now(UTC).date()
    large, stocked = north.meters[0], north.meters[1]
    Meter.objects.filter(pk=large.pk).update(qp_m3h=6, manufactured_year=today.year - 5, medium="heat")
    Meter.objects.filter(pk=stocked.pk).update(manufactured_year=1999, medium="heat")  # not installed
    answer = client.get(reverse("meter_revisions"))
    assert [(meter.pk, due) for meter, _point, due in answer.context["rows"]] == [
        (large.pk, date(today.year, 12, 31))
    ]
    before = set(Group.objects.filter(utility=north.utility))
    client.post(reverse("meter_revisions"))
    (made,) = set(Group.objects.filter(utility=north.utility)) - before
    assert list(made.meters.all()) == [large]
    kinds = {"thermal": (10, 12, 9), "water": (2.5, 10, 5), "electricity": (2.5, 18, 18)}
    values = {f"{kind}_{part}": n for kind, three in kinds.items()
              for part, n in zip(("size", "small", "large"), three, strict=True)}  # fmt: skip
    assert client.post(reverse("revision_periods"), values | {"thermal_small": "0"}).status_code == 422
    assert client.post(reverse("revision_periods"), values).status_code == 302
    assert not client.get(reverse("meter_revisions")).context["rows"]
    Meter.objects.filter(pk=large.pk).update(revision_due=today)
    assert len(client.get(reverse("meter_revisions")).context["rows"]) == 1


def test_the_meters_page_shows_its_master_data(north, sign_in):
    Meter.objects.filter(pk=north.meters[0].pk).update(
        qp_m3h=1.5,
        mounted_in="return",
        seals="A 17",
        note="behind\nthe door",
        manufactured_year=2010,
        medium="heat",
    )
    address = reverse("meter", args=[north.meters[0].pk])
    text = sign_in(north.superuser).get(address).content.decode()
    for word in ("1,5\u00a0m³/h", "A 17", "behind<br>the door", "2020-12-31", "returledning"):
        assert word in text, word
    assert (
        reverse("meter_edit", args=[north.meters[0].pk])
        not in sign_in(north.user).get(address).content.decode()
    )
