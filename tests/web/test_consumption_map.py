"""The consumption report as a map, and receivers with a place on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from django.urls import reverse

from avlas.meters.models import Collector, MeteringPoint
from avlas.web.pages import meter_map
from avlas.web.pages.consumption_report import looks


def unpacked(content):
    count = int(np.frombuffer(content[:4], "<u4")[0])
    ids = np.frombuffer(content[4 : 4 + 4 * count], "<u4").tolist()
    return dict(zip(ids, np.frombuffer(content[4 + 12 * count :], "u1").tolist(), strict=True))


def test_looks_tell_who_uses_most_and_who_nothing():
    amount = np.array([*range(1, 21), 0, np.nan, -3], float)
    drawn = looks(amount).tolist()
    assert drawn[:18] == [meter_map.READ] * 18
    assert drawn[18:20] == [meter_map.ALARM] * 2
    assert drawn[20:] == [meter_map.MISSING] * 3
    assert not len(looks(np.zeros(0)))


def test_the_map_shows_the_rows_that_fit(north, south, sign_in):
    MeteringPoint.objects.update(latitude=57.7, longitude=11.97)
    client = sign_in(north.user)
    first = (datetime.now(UTC) - timedelta(days=5)).date()
    query = f"?period=dates&from={first}&to={datetime.now(UTC).date()}&of=E1"
    page = client.get(reverse("consumption_report_map") + query)
    assert page.status_code == 200
    address = page.context["told"]["urls"]["meters"]
    assert address.startswith(reverse("consumption_report_map_meters"))
    assert "blob:" in page["Content-Security-Policy"]
    assert set(unpacked(client.get(address).content)) == {north.meters[0].pk}
    narrowed = f"{address}&test=more&limit=99999999"
    assert unpacked(client.get(narrowed).content) == {}
    wrong_way = address.replace(f"from={first}", "from=2200-01-01")
    assert unpacked(client.get(wrong_way).content) == {}
    listed = client.get(reverse("consumption_report") + query).content.decode()
    assert reverse("consumption_report_map") in listed


def test_a_receiver_gets_a_place_in_either_system(north, sign_in):
    client = sign_in(north.superuser)
    address = reverse("receiver_edit", args=[north.collector.pk])
    form = {"name": "Torn", "driver": "im871a", "where": "/dev/ttyUSB7", "link_mode": "c1t1"}
    place = {"system": "SWEREF 99 TM", "north": "6 399 000", "east": "319 000"}
    assert client.post(address, form | place).status_code == 302
    own = Collector.objects.get(pk=north.collector.pk)
    assert abs(own.latitude - 57.7) < 0.1
    assert abs(own.longitude - 12.0) < 0.1
    told = client.get(reverse("map")).context["told"]["collectors"]
    assert [one["name"] for one in told] == ["Torn"]
    shown = client.get(address).content.decode()
    assert f"{own.latitude:.4f}".replace(".", ",")[:6] in shown
    half = client.post(address, form | {"system": "WGS 84", "north": "57.7", "east": ""})
    assert "east" in half.context["form"].errors
    far = client.post(address, form | {"system": "WGS 84", "north": "11.9", "east": "57.7"})
    assert "north" in far.context["form"].errors
    assert client.post(address, form | {"system": "WGS 84"}).status_code == 302
    own.refresh_from_db()
    assert (own.latitude, own.longitude) == (None, None)
