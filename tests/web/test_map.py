"""The map's data: positions packed, groups, areas in pieces, what collectors hear, and nobody else's."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.urls import reverse

from avlas.meters import groups
from avlas.meters.keys import Who
from avlas.meters.models import Group, GroupMember, Installation, Meter, MeteringPoint, MeterState
from avlas.operation import map_files
from avlas.system.models import AuditEvent
from avlas.web.pages.meter_map import ALARM, FOREIGN, MISSING, READ, positions

from .test_utility_settings import sent as settings_sent

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _data(settings, tmp_path):
    settings.DATA = tmp_path


def place(world, meter, *, at=(16.0, 59.0), read_hours_ago=1, info_code=0):
    """Install a meter at a new point and say when it was read last."""
    point = MeteringPoint.objects.create(
        utility=world.utility,
        facility_id=f"P{meter.pk}",
        address="Kajgatan 1",
        longitude=at[0],
        latitude=at[1],
    )
    Installation.objects.filter(meter=meter).delete()
    Installation.objects.create(point=point, meter=meter, from_at=NOW - timedelta(days=9))
    MeterState.objects.filter(meter=meter).update(
        last_read_at=NOW - timedelta(hours=read_hours_ago), info_code=info_code
    )


def new_meter(world, maker, serial):
    meter = Meter.objects.create(utility=world.utility, manufacturer=maker, serial=serial)
    MeterState.objects.create(
        utility=world.utility, address=serial, meter=meter, manufacturer=maker, identification=serial, version=1,
        device_type=4, first_heard_at=NOW, last_heard_at=NOW,
    )  # fmt: skip
    return meter


@pytest.fixture
def placed(north):
    """Meters of each look, and their ids."""
    Installation.objects.all().delete()
    found = {}
    for number, (look, maker, hours, code) in enumerate(
        [(READ, "KAM", 1, 0), (MISSING, "KAM", 30, 0), (ALARM, "KAM", 30, 4), (READ, "KAM", 1, None),
         (READ | FOREIGN, "ZRI", 1, 0), (ALARM | FOREIGN, "ZRI", 1, 1)]
    ):  # fmt: skip
        meter = new_meter(north, maker, f"9000{number}")
        place(north, meter, at=(16.5 + number / 100, 59.25), read_hours_ago=hours, info_code=code)
        found[meter.pk] = look
    Meter.objects.filter(pk__in=[one.pk for one in north.meters]).update(manufacturer="KAM")
    return found


def unpacked(content):
    count = struct.unpack_from("<I", content)[0]
    ids = np.frombuffer(content, "<u4", count, 4)
    places = np.frombuffer(content, "<f4", 2 * count, 4 + 4 * count).reshape(-1, 2)
    looks = np.frombuffer(content, "u1", count, 4 + 12 * count)
    assert len(content) == 4 + 13 * count
    return ids.tolist(), places, looks.tolist()


def test_positions_packed(north, placed, sign_in):
    answer = sign_in(north.user).get(reverse("map_meters"))
    ids, places, looks = unpacked(answer.content)
    assert dict(zip(ids, looks, strict=True)) == placed
    assert [look & 3 for look in looks] == sorted(look & 3 for look in looks)  # the gravest are drawn last
    np.testing.assert_allclose(places[:, 1], 59.25)
    assert np.ptp(places[:, 0]) == pytest.approx(0.05, abs=1e-5)


def test_only_the_group(north, placed, sign_in):
    group = groups.create(north.utility.pk, "Hamnen", Who())
    some = list(placed)[1:3]
    groups.add(group, some, Who())
    client = sign_in(north.user)
    ids, _places, _looks = unpacked(client.get(reverse("map_meters"), {"group": f"g{group.pk}"}).content)
    assert sorted(ids) == some
    page = client.get(reverse("map"), {"group": f"g{group.pk}"}).content.decode()
    assert f'<option value="g{group.pk}" selected>Hamnen</option>' in page
    assert f"group=g{group.pk}" in page
    ids, *_ = unpacked(client.get(reverse("map_meters"), {"group": "g999999"}).content)
    assert len(ids) == len(placed)  # a group deleted meanwhile: all meters


def test_without_a_position(north, placed, sign_in):
    MeteringPoint.objects.filter(facility_id=f"P{next(iter(placed))}").update(latitude=None)
    client = sign_in(north.user)
    assert len(unpacked(client.get(reverse("map_meters")).content)[0]) == len(placed) - 1
    assert "1 installerad mätare saknar läge" in client.get(reverse("map")).content.decode()


def test_no_meters_at_all(north):
    Meter.objects.filter(utility=north.utility).delete()
    assert positions(north.utility.pk, "all", NOW).packed() == bytes(4)


def test_nobody_elses(north, south, placed, sign_in):
    client = sign_in(south.superuser)
    assert not set(unpacked(client.get(reverse("map_meters")).content)[0]) & set(placed)
    ids = ",".join(map(str, placed))
    assert "Kajgatan" not in client.get(reverse("map_listed"), {"ids": ids}).content.decode()
    assert client.get(reverse("map_heard", args=[north.collector.pk])).status_code == 404
    members = GroupMember.objects.count()
    client.post(reverse("map_group"), {"name": "Våra", "ids": ids})
    assert GroupMember.objects.count() == members
    theirs = groups.create(north.utility.pk, "Nordens", Who())
    client.post(reverse("map_group"), {"group": f"g{theirs.pk}", "ids": str(south.meters[0].pk)})
    assert GroupMember.objects.count() == members


def test_listed_in_words(north, placed, sign_in):
    client = sign_in(north.user)
    given = f"{next(iter(placed))},x,,0,-3,99999999999999999999"
    page = client.get(reverse("map_listed"), {"ids": given}).content.decode()
    assert page.count("<li>") == 1
    assert "Kajgatan 1" in page
    assert "viewpoint=59.250000,16.500000" in page


def test_what_a_collector_hears(north, sign_in):
    found = sign_in(north.user).get(reverse("map_heard", args=[north.collector.pk])).json()
    assert set(found["meters"]) == set(
        MeterState.objects.filter(last_collector=north.collector)
        .exclude(meter=None)
        .values_list("meter", flat=True)
    )
    assert found["meters"]


def test_selected_meters_go_into_a_group(north, placed, sign_in):
    client = sign_in(north.superuser)
    answer = client.post(reverse("map_group"), {"name": "Ritade", "ids": ",".join(map(str, placed))})
    group = Group.objects.get(utility=north.utility, name="Ritade")
    assert answer.url == f"{reverse('map')}?group=g{group.pk}"
    assert set(groups.meter_ids(north.utility.pk, f"g{group.pk}")) == set(placed)
    assert AuditEvent.objects.get(event="groups.meters_added").user == north.superuser
    count = Group.objects.count()
    for wrong in ({"name": "ritade"}, {"name": ""}, {"group": "g999999"}):
        assert client.post(reverse("map_group"), wrong | {"ids": "1"}).url == reverse("map")
    assert Group.objects.count() == count
    assert sign_in(north.user).post(reverse("map_group"), {"name": "Nej", "ids": "1"}).status_code == 403


def pmtiles(kind=1, version=3, size=3000):
    """A PMTiles file whose header tells the truth; its tiles are of no concern to the server."""
    head = b"PMTiles" + bytes([version]) + struct.pack("<11Q", *([0] * 11)) + bytes([1, 2, 2, kind, 0, 14])
    head += struct.pack("<4i", 160000000, 590000000, 180000000, 600000000) + bytes(9)
    return head + bytes(range(256)) * ((size - len(head)) // 256 + 1)


def test_an_area_comes_in_pieces(north, sign_in, tmp_path):
    source = tmp_path / "Norrtuna Kommun.pmtiles"
    source.write_bytes(pmtiles())
    area = map_files.add_area(source)
    assert (area.name, area.vector, area.zooms) == ("norrtuna-kommun", True, (0, 14))
    assert area.bounds == (16.0, 59.0, 18.0, 60.0)
    client = sign_in(north.user)
    address = reverse("map_area", args=[area.name])
    whole, size = source.read_bytes(), source.stat().st_size
    for asked, first, last in (
        ("bytes=0-126", 0, 126),
        ("bytes=500-", 500, size - 1),
        ("bytes=9-999999", 9, size - 1),
    ):
        answer = client.get(address, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (206, whole[first : last + 1])
        assert answer["Content-Range"] == f"bytes {first}-{last}/{size}"
    assert client.get(address, headers={"Range": f"bytes={size}-"}).status_code == 416
    assert client.get(reverse("map_area", args=["nowhere"])).status_code == 404
    assert area.name in client.get(reverse("map")).content.decode()
    assert map_files.remove(area.name)
    assert not map_files.remove(area.name)
    assert map_files.areas() == []


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 and so on", pmtiles()[:50], pmtiles(version=2), pmtiles(kind=9)]
)
def test_files_that_are_no_maps(tmp_path, content):
    source = tmp_path / "x.pmtiles"
    source.write_bytes(content)
    with pytest.raises(map_files.BadMap, match=r"x\.pmtiles"):
        map_files.add_area(source)
    assert map_files.areas() == []


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"features": 3}', '{"features": [{"geometry": null}]}',
     '{"features": [{"geometry": {"type": "Blob"}}]}'],
)  # fmt: skip
def test_lines_that_are_none(tmp_path, content):
    source = tmp_path / "pipes.geojson"
    source.write_text(content)
    with pytest.raises(map_files.BadMap, match=r"pipes\.geojson"):
        map_files.add_lines(source, "nordby")
    assert not map_files.lines_path("nordby").exists()


def test_lines_are_the_utilitys_own(north, south, sign_in, tmp_path):
    source = tmp_path / "pipes.geojson"
    source.write_text(
        '{"features": [{"type": "Feature", "properties": {"kind": "pipe"},'
        ' "geometry": {"type": "LineString", "coordinates": [[16, 59], [17, 60]]}}]}'
    )
    assert map_files.add_lines(source, north.utility.slug) == 1
    answer = sign_in(north.user).get(reverse("map_lines"))
    assert answer.json()["features"][0]["properties"] == {"kind": "pipe"}
    assert sign_in(south.user).get(reverse("map_lines")).json()["features"] == []


def test_tiles_of_a_server(north, sign_in):
    client = sign_in(north.superuser)
    for wrong in ("tiles.example/{z}/{x}/{y}.png", "https://tiles.example/{z}/{x}.png", "https://a b/{z}{x}{y}",
                  "https://x.example;script-src *//{z}/{x}/{y}"):  # fmt: skip
        answer = settings_sent(client, map_tiles=wrong)
        assert answer.status_code == 422, wrong
    given = {
        "name": "Nordby",
        "map_tiles": "https://{s}.tiles.example:8443/{z}/{x}/{y}.png",
        "map_credit": "© A",
    }
    assert settings_sent(client, **given).status_code == 302
    assert AuditEvent.objects.get(event="utility.changed").detail["map_credit"] == ["", "© A"]
    policy = client.get(reverse("map"))["Content-Security-Policy"]
    assert policy.count("https://*.tiles.example:8443") == 2
    assert "tiles.example" not in client.get(reverse("home"))["Content-Security-Policy"]
