"""The lists of meters in stock, points and customers: one column searched, columns chosen, rows ticked across pages."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest
from django.urls import reverse

from avlas.meters import groups
from avlas.meters.models import Customer, Group, GroupMember, Installation, Meter, MeteringPoint, Occupancy
from avlas.system.models import AuditEvent

pytestmark = pytest.mark.django_db


def titles(client, name, **query):
    return [row.title for row in client.get(reverse(name), query).context["rows"]]


def act(client, name, do, **sent):
    return client.post(reverse(name), {"do": do, **sent}, follow=True)


def lines(answer):
    assert answer["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))


@pytest.fixture
def stocked(north):
    """Some meters in stock, their serials 77000000 and on; every second one a Landis+Gyr."""
    Meter.objects.filter(utility=north.utility, installations=None).delete()
    return Meter.objects.bulk_create(
        Meter(
            utility=north.utility,
            manufacturer="LUG" if number % 2 else "KAM",
            serial=f"{77000000 + number}",
            model="KAMSTRUP-like" if number % 2 else "Multical 603",
            medium="heat" if number else "water",
            manufactured_year=2000 + number,
        )
        for number in range(4)
    )


def test_stock_is_searched_in_all_or_one_column_filtered_and_sorted(north, stocked, sign_in):
    client = sign_in(north.user)
    assert titles(client, "meter_stock", q="kam") == ["77000000", "77000002", "77000001", "77000003"]
    assert titles(client, "meter_stock", q="kam", **{"in": "manufacturer"}) == ["77000000", "77000002"]
    assert titles(client, "meter_stock", q="kam", **{"in": "type"}) == ["77000001", "77000003"]
    assert titles(client, "meter_stock", q="kam", **{"in": "serial"}) == []
    assert titles(client, "meter_stock", medium="water") == ["77000000"]
    assert titles(client, "meter_stock", sort="-year")[0] == "77000003"
    assert titles(client, "meter_stock", page="99") == titles(client, "meter_stock")


@pytest.mark.one_database
def test_columns_are_chosen_kept_for_the_next_visit_and_stand_in_files(north, stocked, sign_in):
    client = sign_in(north.user)
    answer = client.get(
        reverse("meter_stock"), {"col": ["groups", "year", "nonsense"], "q": "77", "page": "3"}
    )
    assert answer.url == f"{reverse('meter_stock')}?q=77&page=3&columns=groups.year"
    there = client.get(answer.url)
    assert [column.code for column in there.context["columns"]] == ["groups", "year"]
    assert "data-label" in there.content.decode()
    assert [column.code for column in client.get(reverse("meter_stock")).context["columns"]] == [
        "groups",
        "year",
    ]
    assert client.get(reverse("meters")).context["columns"][0].code == "customer"
    assert list(lines(client.get(reverse("meter_stock"), {"file": "csv"}))[0]) == [
        "Grupper",
        "Tillverkningsår",
    ]
    client.get(reverse("meter_stock"), {"standard": "1"})
    assert client.get(reverse("meter_stock")).context["standard_columns"]
    assert len(lines(client.get(reverse("meter_stock"), {"file": "csv"}))[0]) > 9


def test_ticked_meters_in_stock_are_put_into_groups_and_exported(north, south, stocked, sign_in):
    client = sign_in(north.superuser)
    group = Group.objects.create(utility=north.utility, name="Till revision")
    foreign = south.meters[0].pk
    installed = Installation.objects.filter(to_at=None, meter__utility=north.utility)[0].meter_id
    chosen = f"{stocked[1].pk},{foreign},{installed},x"
    answer = act(
        client,
        "meter_stock_act",
        f"add:{groups.choice_of(group)}",
        stock=stocked[0].pk,
        chosen=chosen,
        list="q=77",
    )
    assert answer.redirect_chain[-1][0] == f"{reverse('meter_stock')}?q=77"
    members = GroupMember.objects.filter(group=group).values_list("meter", flat=True)
    assert set(members) == {stocked[0].pk, stocked[1].pk}
    assert "Till revision" in answer.content.decode()

    found = lines(act(client, "meter_stock_act", "export:csv", chosen=chosen, list="sort=-serial"))
    assert [one["Serienummer"] for one in found] == ["77000001"]
    found = lines(act(client, "meter_stock_act", "export:csv", list="q=kam&in=manufacturer"))
    assert [one["Serienummer"] for one in found] == ["77000000", "77000002"]  # none ticked: all that fit
    assert AuditEvent.objects.filter(utility=north.utility, event="data.exported").count() == 2

    act(client, "meter_stock_act", f"add:{groups.choice_of(group)}", all="1", list="q=kam&in=type")
    assert GroupMember.objects.filter(group=group).count() == 3


@pytest.mark.one_database
def test_a_new_group_is_made_of_ticked_meters_in_stock(north, stocked, sign_in):
    client = sign_in(north.superuser)
    form = act(
        client, "meter_stock_act", "new_group", stock=[stocked[2].pk, stocked[3].pk], list="medium=heat"
    )
    assert f"{reverse('meter_stock')}?medium=heat" in form.content.decode()  # where Cancel leads
    assert form.context["chosen"] == f"{stocked[2].pk},{stocked[3].pk}"
    sent = {"chosen": form.context["chosen"], "came_from": "meter_stock", "list": "medium=heat"}
    again = client.post(reverse("group_add"), {"name": "", **sent})
    assert f"{reverse('meter_stock')}?medium=heat" in again.content.decode()
    assert client.post(reverse("group_add"), {"name": "", **sent, "came_from": "//evil"}).status_code == 422
    client.post(reverse("group_add"), {"name": "Nya", **sent})
    assert Group.objects.get(name="Nya").members.count() == 2


@pytest.mark.one_database
def test_nothing_ticked_and_who_only_looks(north, stocked, sign_in):
    client = sign_in(north.superuser)
    group = Group.objects.create(utility=north.utility, name="Tom")
    for name, offered, counted in (
        ("meter_stock", True, "Valda mätare:"),
        ("points", True, "Valda mätpunkter:"),
        ("customers", False, "Valda kunder:"),
    ):
        text = client.get(reverse(name)).content.decode()
        assert (f"add:g{group.pk}" in text) == offered
        assert counted in text
    assert "Ingen mätare är vald" in act(client, "meter_stock_act", f"add:g{group.pk}").content.decode()
    assert act(client, "meter_stock_act", "nonsense").status_code == 200
    assert client.get(reverse("meter_stock_act")).status_code == 302
    client = sign_in(north.user)
    for do in (f"add:g{group.pk}", "new_group"):
        assert act(client, "meter_stock_act", do, stock=stocked[0].pk).status_code == 403
    assert "new_group" not in client.get(reverse("meter_stock")).content.decode()
    assert not group.members.exists()


@pytest.fixture
def street(north):
    """Three points in Provgatan, of a customer who has two of them, each with a meter but the last."""
    points = MeteringPoint.objects.bulk_create(
        MeteringPoint(
            utility=north.utility,
            facility_id=f"P{number}",
            address=f"Provgatan {number}",
            city="Ängby" if number == 10 else "Nordby",
            district="Provgatan Östra",
            door_code="4711",
        )
        for number in (2, 10, 9)
    )
    customer = Customer.objects.create(utility=north.utility, number="K-88", name="Åke Ek", phone="0701")
    begun = datetime(2024, 1, 1, tzinfo=UTC)
    for number, point in enumerate(points[:2]):
        meter = Meter.objects.create(
            utility=north.utility, manufacturer="KAM", serial=f"{88000000 + number}", medium="heat"
        )
        Installation.objects.create(point=point, meter=meter, from_at=begun)
        Occupancy.objects.create(point=point, customer=customer, from_at=begun)
    return points


def test_points_are_searched_by_place_customer_and_meter(north, south, street, sign_in):
    client = sign_in(north.user)
    everything = ["Provgatan 2", "Provgatan 9", "Provgatan 10"]
    assert titles(client, "points", q="provgatan") == everything
    assert titles(client, "points", q="provgatan", **{"in": "district"}) == everything
    assert titles(client, "points", q="provgatan", **{"in": "facility"}) == []
    assert titles(client, "points", q="ÄNGBY", **{"in": "city"}) == ["Provgatan 10"]
    assert titles(client, "points", q="åke provgatan") == ["Provgatan 2", "Provgatan 10"]
    assert titles(client, "points", q="k-88", **{"in": "customer"}) == ["Provgatan 2", "Provgatan 10"]
    assert titles(client, "points", q="88000001", **{"in": "meters"}) == titles(
        client, "points", q="88000001"
    )
    assert titles(client, "points", q="88000001") == ["Provgatan 10"]
    assert titles(client, "points", q="4711") == []  # what is for a visit is never searched
    assert titles(client, "points", q="provgatan", sort="-city")[0] == "Provgatan 10"
    Customer.objects.filter(name="Åke Ek").update(name="<b>Ek")
    text = client.get(reverse("points"), {"q": "ängby"}).content.decode()
    assert '<span class="mono">88000001</span>' in text
    assert "&lt;b&gt;Ek" in text
    assert "<b>Ek" not in text
    assert titles(sign_in(south.user), "points", q="88000001") == []


def test_the_meters_at_ticked_points_are_put_into_a_group(north, south, street, sign_in):
    client = sign_in(north.superuser)
    group = Group.objects.create(utility=north.utility, name="Östra")
    foreign = MeteringPoint.objects.filter(utility=south.utility, installations__to_at=None)[0].pk
    chosen = ",".join(str(point.pk) for point in street[1:])
    act(client, "points_act", f"add:g{group.pk}", point=[street[0].pk, foreign], chosen=chosen)
    assert list(group.members.values_list("meter__serial", flat=True).order_by("meter__serial")) == [
        "88000000",
        "88000001",
    ]
    assert (
        "Ingen mätare är vald"
        in act(client, "points_act", f"add:g{group.pk}", point=street[2].pk).content.decode()
    )
    form = act(client, "points_act", "new_group", all="1", list="q=ängby&in=city")
    assert form.context["count"] == 1
    assert f"{reverse('points')}?q=" in form.content.decode()
    found = lines(act(client, "points_act", "export:csv", point=[street[1].pk, street[2].pk, foreign]))
    assert [one["Adress"] for one in found] == ["Provgatan 9", "Provgatan 10"]
    assert found[1]["Mätare"] == "KAM88000001"


def test_customers_are_searched_chosen_and_exported(north, south, street, sign_in):
    client = sign_in(north.user)
    own = Customer.objects.get(utility=north.utility, number="K-88")
    assert titles(client, "customers", q="ÅKE") == ["Åke Ek"]
    assert titles(client, "customers", q="provgatan") == ["Åke Ek"]
    assert titles(client, "customers", q="provgatan åke", **{"in": "points"}) == []
    assert titles(client, "customers", q="0701", **{"in": "phone"}) == ["Åke Ek"]
    assert titles(client, "customers", q="0701", **{"in": "name"}) == []
    theirs = Customer.objects.filter(utility=south.utility)[0].pk
    found = lines(act(client, "customers_act", "export:csv", customer=[own.pk, theirs]))
    assert [(one["Kundnummer"], one["Mätpunkter nu"]) for one in found] == [("K-88", "P10, P2")]
    assert act(client, "customers_act", "add:g1", customer=own.pk).redirect_chain[-1][0] == reverse(
        "customers"
    )
    text = client.get(reverse("customers"), {"columns": "addresses.phone"}).content.decode()
    assert "Provgatan 10, Provgatan 2" in text
