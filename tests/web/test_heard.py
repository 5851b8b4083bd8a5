"""What is heard, and adopting it."""

from __future__ import annotations

import pytest
from django.urls import reverse

from avlas.meters.models import Meter, MeterState, Reading, State
from avlas.system.models import AuditEvent


@pytest.fixture
def stranger(north):
    return MeterState.objects.get(utility=north.utility, meter=None)


def test_the_list_tells_all_about_an_address(north, sign_in, stranger):
    text = sign_in(north.superuser).get(reverse("heard")).content.decode()
    for word in (stranger.identification, "KAM", "MULTICAL 21", "kallvatten", "ell-ctr", "\u221271", "inte tillagd",
                 "nyckel saknas", "Nordby torn"):  # fmt: skip
        assert word in text, word


@pytest.mark.parametrize(("query", "count"), [("", 4), ("?show=new", 1), ("?show=own", 3), ("?show=trouble", 1),
                                              ("?medium=heat", 3), ("?q=kam+multical+403", 3), ("?q=nothing", 0)])  # fmt: skip
def test_filter_and_search(north, sign_in, query, count):
    assert len(sign_in(north.user).get(reverse("heard") + query).context["rows"]) == count


@pytest.mark.parametrize(
    "sort", ["address", "maker", "model", "medium", "security", "signal", "heard", "last", "state"]
)
def test_every_column_orders(north, sign_in, sort):
    client = sign_in(north.user)
    up = [row.pk for row in client.get(f"{reverse('heard')}?sort={sort}").context["rows"]]
    down = [row.pk for row in client.get(f"{reverse('heard')}?sort=-{sort}").context["rows"]]
    assert sorted(up) == sorted(down)
    assert client.get(f"{reverse('heard')}?sort={sort}").context["asked"].sort == sort


def test_adopting_makes_a_meter_and_is_noted(north, sign_in, stranger):
    client = sign_in(north.superuser)
    answer = client.post(reverse("heard_adopt"), {"one": str(stranger.pk)}, follow=True)
    text = answer.content.decode()
    assert "1 mätare tillagd" in text
    assert "behöver en nyckel" in text
    meter = Meter.objects.get(utility=north.utility, serial=stranger.identification)
    assert meter.medium == "cold water"
    stranger.refresh_from_db()
    assert (stranger.meter, stranger.state) == (meter, State.NO_KEY)
    event = AuditEvent.objects.get(event="meter.adopt", user=north.superuser)
    assert event.target == str(meter)
    assert event.computer == "127.0.0.1"


def test_adopting_with_the_key_there_reads_the_last_telegrams_at_once(north, sign_in, stranger):
    north.store_keys([north.fleet[3]])
    sign_in(north.superuser).post(reverse("heard_adopt"), {"state": [str(stranger.pk)]})
    meter = Meter.objects.get(utility=north.utility, serial=stranger.identification)
    assert Reading.objects.filter(meter_id=meter.pk).exists()


def test_adopting_twice_or_nothing_says_so(north, sign_in, stranger):
    client = sign_in(north.superuser)
    client.post(reverse("heard_adopt"), {"one": str(stranger.pk)})
    for post in ({"one": str(stranger.pk)}, {}, {"state": ["x", "-1", "99999999"]}, {"one": "x"}):
        answer = client.post(reverse("heard_adopt"), post, follow=True)
        assert "Inget var valt" in answer.content.decode()


def test_adopting_leads_back_to_the_list_but_nowhere_else(north, sign_in, stranger):
    client = sign_in(north.superuser)
    answer = client.post(reverse("heard_adopt"), {"one": str(stranger.pk), "next": "/heard/?show=new"})
    assert answer.url == "/heard/?show=new"
    answer = client.post(reverse("heard_adopt"), {"next": "https://evil.example/"})
    assert answer.url == "/heard/"


def test_an_address_that_is_not_adopted_shows_its_newest_telegram(north, sign_in, stranger):
    text = sign_in(north.user).get(reverse("heard_one", args=[stranger.pk])).content.decode()
    assert "Länkskikt" in text or "klartext" in text
    assert stranger.identification in text


def test_the_fragment_is_only_the_rows(north, sign_in):
    answer = sign_in(north.user).get(reverse("heard"), headers={"hx-request": "true"})
    assert "<html" not in answer.content.decode()
    assert north.fleet[0].identification in answer.content.decode()
