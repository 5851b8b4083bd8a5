"""Metering points and customers: lists, pages, coordinates, who sees the door code, moving in and out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from avlas.meters import points
from avlas.meters.keys import Who
from avlas.meters.models import Customer, InfoEvent, Installation, Meter, MeteringPoint, Occupancy
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.reports.consumption import Row, Span
from avlas.system.models import AuditEvent
from avlas.web.happenings import Happening, happenings, of_rows, told

PLACE = {
    "facility_id": "735999", "address": "Älvgatan 3", "postal_code": "421 02", "city": "Nordbystad",
    "property_name": "Ekorren 7", "system": "WGS 84", "north": "", "east": "", "door_code": "4711",
    "key_place": "skåp A", "contact": "", "warning": "Arg hund",
}  # fmt: skip
SECRETS = ("4711", "skåp A", "Arg hund")


def test_a_point_is_added_found_and_shown(north, sign_in):
    client = sign_in(north.superuser)
    values = PLACE | {"system": "SWEREF 99 TM", "north": "6 580 822", "east": "674032"}
    answer = client.post(reverse("point_add"), values)
    made = MeteringPoint.objects.get(facility_id="735999")
    assert answer.url == reverse("point", args=[made.pk])
    assert (made.latitude, made.longitude) == pytest.approx(
        (59.330231, 18.059196), abs=2e-5
    )  # Stockholm Central
    text = client.get(answer.url).content.decode()
    for word in ("Ekorren 7", "N 6\u00a0580\u00a0822, E 674\u00a0032", *SECRETS):
        assert word in text, word
    listed = client.get(reverse("points") + "?q=älvgatan").context["rows"]
    assert [row.point for row in listed] == [made]
    text = sign_in(north.user).get(answer.url).content.decode()
    assert "Ekorren 7" in text
    for word in SECRETS:
        assert word not in text, word
    told = AuditEvent.objects.filter(event__startswith="points.").latest("pk")
    assert not any(word in str(told.detail) for word in SECRETS)


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"facility_id": ""}, "facility_id"), ({"facility_id": "1100"}, "facility_id"),
     ({"north": "59,3"}, "east"), ({"north": "18", "east": "59"}, "north"), ({"north": "x", "east": "1"}, "north"),
     ({"north": "674032", "east": "6580822", "system": "SWEREF 99 TM"}, "north"),
     ({"north": "1e9", "east": "1", "system": "SWEREF 99 12 00"}, "north"), ({"system": "RT 90"}, "system")],
)  # fmt: skip
def test_what_is_wrong_with_a_point_stands_beside_the_field(north, sign_in, changes, field):
    answer = sign_in(north.superuser).post(reverse("point_add"), PLACE | changes)
    assert answer.status_code == 422
    assert f'id="id_{field}-error"' in answer.content.decode()


def test_two_people_edit_one_point(north, sign_in):
    client, address = sign_in(north.superuser), reverse("point_edit", args=[north.point.pk])
    answer = client.get(address)
    seen = re.search(r'name="seen" value="([^"]+)"', answer.content.decode())[1]
    MeteringPoint.objects.filter(pk=north.point.pk).update(door_code="1234")
    values = PLACE | {"facility_id": "1100", "door_code": "", "seen": seen}
    answer = client.post(address, values)
    assert answer.status_code == 422
    assert 'value="1234"' in answer.content.decode()


def test_the_points_page_shows_its_use_across_an_exchange(north, sign_in):
    now = datetime.now(UTC)
    Installation.objects.filter(meter=north.meters[0]).update(to_at=now - timedelta(hours=30), reason="Byte")
    Installation.objects.create(point=north.point, meter=north.meters[1], from_at=now - timedelta(hours=30))
    day = (now - timedelta(hours=30)).astimezone(STANDARD_TIME).date()
    address = reverse("point", args=[north.point.pk])
    answer = sign_in(north.user).get(f"{address}?unit=day&from={day.isoformat()}")
    text = answer.content.decode()
    assert answer.context["has_values"]
    (exchanged,) = [row for row in answer.context["used"].rows if "exchange" in row.marks]
    assert exchanged.start <= now - timedelta(hours=30) < exchanged.end
    bar = next(one for one in re.findall(r'<a [^>]*class="bar[^>]*>', text) if "mätarbyte" in one)
    assert f"{north.meters[0]} → {north.meters[1]} (Byte)" in bar
    for meter in north.meters[:2]:
        assert str(meter) in text
    assert f'hx-get="{reverse("point", args=[north.point.pk])}"' in text


def test_what_happened_is_told_where_it_happened(north):
    at = datetime(2026, 3, 4, tzinfo=STANDARD_TIME)
    old, new = north.meters[:2]
    spans = [Span(old.pk, None, at), Span(new.pk, at, None)]
    for meter, hours, code in (
        (old, -30, 8),
        (old, 5, 8),
        (new, -5, 8),
        (new, 3, 8),
        (new, 4, 0),
        (new, 5, 16),
    ):
        InfoEvent.objects.create(meter=meter, at=at + timedelta(hours=hours), code=code)
    days = [at + timedelta(days=day) for day in (-2, -1, 0, 1)]
    rows = [Row(one, one + timedelta(days=1), None, frozenset()) for one in days]
    found = happenings(spans, rows[0].start, rows[-1].end)
    told_of = [[one.mark for one in here] for here in of_rows(rows, found)]
    assert told_of == [["info_code"], [], ["exchange", "info_code", "info_code"], []]
    many = [Happening(at, "info_code", f"code {n}") for n in range(9)]
    assert told(many, "info_code") == ["code 0", "code 1", "code 2", "and 6 more"]
    assert told(many, "exchange") == []


def test_a_point_without_a_meter_has_a_page_too(north, sign_in):
    bare = MeteringPoint.objects.create(utility=north.utility, facility_id="77")
    assert sign_in(north.user).get(reverse("point", args=[bare.pk])).status_code == 200


def test_a_customer_is_added_changed_and_shown(north, sign_in):
    client = sign_in(north.superuser)
    values = {"number": "K7", "name": "Åsa Ek", "email": "asa@ek.example", "phone": ""}
    made = client.post(reverse("customer_add"), values).url
    assert client.post(reverse("customer_add"), values).status_code == 422
    assert client.post(reverse("customer_add"), values | {"number": "K8", "email": "x"}).status_code == 422
    own = Customer.objects.get(number="K7")
    address = reverse("customer_edit", args=[own.pk])
    seen = re.search(r'name="seen" value="([^"]+)"', client.get(address).content.decode())[1]
    client.post(address, values | {"phone": "070-1", "seen": seen})
    text = client.get(made).content.decode()
    assert "070-1" in text
    assert [row.customer for row in client.get(reverse("customers") + "?q=åsa").context["rows"]] == [own]
    told = AuditEvent.objects.filter(event="customers.changed").latest("pk")
    assert (told.target, told.detail) == ("K7", {"changed": ["phone"]})  # no personal data in the log
    assert "Nordbygatan 7" in client.get(reverse("customer", args=[north.customer.pk])).content.decode()


def test_moving_shows_the_readings_of_the_day_and_then_splits_the_customers(north, sign_in):
    client, address = sign_in(north.superuser), reverse("point_move", args=[north.point.pk])
    day = datetime.now(STANDARD_TIME).date() - timedelta(days=1)
    values = {"day": day.isoformat(), "what": "in", "number": "K9", "name": "Ny Kund"}
    assert client.post(address, values | {"name": ""}).status_code == 422
    answer = client.post(address, values)
    assert answer.status_code == 200
    ((meter, stood),) = answer.context["standings"]
    assert meter == north.meters[0]
    assert {one.register for one, _how in stood} == {"energy_heat_kwh", "volume_m3"}
    assert all(one.figure is not None for one, _how in stood)
    assert "kWh" in answer.content.decode()
    assert not Customer.objects.filter(number="K9").exists()  # nothing is done yet
    assert client.post(address, values | {"confirmed": "1"}).status_code == 302
    moment = datetime(day.year, day.month, day.day, tzinfo=STANDARD_TIME)
    before, after = Occupancy.objects.filter(point=north.point).order_by("from_at")
    assert (before.to_at, after.from_at, after.customer.number) == (moment, moment, "K9")
    again = client.post(address, values | {"number": north.customer.number, "confirmed": "1"})
    assert again.status_code == 422  # that day is taken
    client.post(address, {"undo": "1"})
    only = Occupancy.objects.get(point=north.point)
    assert (only.customer, only.to_at) == (north.customer, None)
    assert AuditEvent.objects.filter(event="points.move_undone").exists()


def test_moving_out_leaves_the_point_empty_and_a_later_move_fills_it(north, sign_in):
    client, address = sign_in(north.superuser), reverse("point_move", args=[north.point.pk])
    today = datetime.now(STANDARD_TIME).date()
    future = (today + timedelta(days=2)).isoformat()
    assert client.post(address, {"day": future, "what": "out"}).status_code == 422
    out = {"day": (today - timedelta(days=2)).isoformat(), "what": "out", "confirmed": "1"}
    client.post(address, out)
    assert not Occupancy.objects.filter(point=north.point, to_at=None).exists()
    back = {"day": today.isoformat(), "what": "in", "number": north.customer.number, "confirmed": "1"}
    client.post(address, back)
    assert Occupancy.objects.filter(point=north.point).count() == 2


def test_another_utilitys_customer_can_not_move_in(north, south):
    with pytest.raises(ValueError, match="different utilities"):
        points.move(north.point, south.customer, datetime.now(UTC), Who())


def test_a_number_of_another_utility_is_a_new_customer_here(north, south, sign_in):
    values = {
        "day": datetime.now(STANDARD_TIME).date().isoformat(),
        "what": "in",
        "number": south.customer.number,
    }
    answer = sign_in(north.superuser).post(reverse("point_move", args=[north.point.pk]), values)
    assert answer.status_code == 422
    assert "Söderby Öberg" not in answer.content.decode()
    assert Meter.objects.filter(utility=south.utility).exists()
