"""Photos: drawn anew without what the file says of place and camera, and gone with the customer in whose time they were."""

from __future__ import annotations

import contextlib
import io
import zlib
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from avlas.meters import about_customer, erasure, photos
from avlas.meters.keys import Who
from avlas.meters.models import Customer, Installation, Meter, MeteringPoint, Occupancy, Photo
from avlas.meters.pictures import BadPicture, as_kept
from avlas.system.models import Utility


def file(width=640, height=480, kind="JPEG", mode="RGB", **options):
    out = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert(mode).save(out, kind, **options)
    return out.getvalue()


def with_place(width=640, height=480, turned=1):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x9286] = turned, "PhoneMaker", "Annas hus"
    exif.get_ifd(0x8825).update({1: "N", 2: (57.0, 42.0, 30.0), 3: "E", 4: (11.0, 58.0, 0.0)})
    return file(width, height, exif=exif, comment=b"hemligt")


def test_only_the_picture_is_kept():
    data = with_place(3000, 2000, turned=6)
    assert b"PhoneMaker" in data
    kept = as_kept(data)
    for one, longest in ((kept.content, 1600), (kept.small, 320)):
        made = Image.open(io.BytesIO(one))
        assert made.format == "JPEG"
        assert max(made.size) == longest
        assert made.height > made.width, "turned as the phone was held"
        assert not dict(made.getexif())
        assert not [word for word in (b"PhoneMaker", b"hemligt", b"Annas hus") if word in one]
    assert len(kept.content) < len(data)


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGBA"), ("PNG", "L"), ("WEBP", "RGB"), ("PNG", "1"), ("JPEG", "CMYK")]
)
def test_what_phones_and_scanners_send(kind, mode):
    assert Image.open(io.BytesIO(as_kept(file(kind=kind, mode=mode)).content)).size == (640, 480)


def png_bomb():
    """A PNG of 60,000 x 60,000 points in a few kilobytes."""

    def chunk(name, body):
        return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")

    head = (60_000).to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(99)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "no_picture"), (b"%PDF-1.7", "no_picture"), (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no_picture"),
     (file(kind="GIF", mode="P"), "no_picture"), (file()[:900], "no_picture"), (png_bomb(), "too_large"),
     (bytes(26 * 2**20), "too_large"), (file(9000, 7000, kind="PNG", mode="1"), "too_large")],
    ids=["empty", "pdf", "svg", "gif", "cut", "bomb", "bytes", "pixels"],
)  # fmt: skip
def test_what_is_refused(data, code):
    with pytest.raises(BadPicture) as problem:
        as_kept(data)
    assert problem.value.code == code


SAMPLE = file(64, 48)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_damaged_files_are_a_picture_or_refused(data):
    cut = bytearray(SAMPLE[: data.draw(st.integers(1, len(SAMPLE)))])
    for at in data.draw(st.lists(st.integers(0, len(cut) - 1), max_size=8)):
        cut[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BadPicture):
        assert as_kept(bytes(cut)).content.startswith(b"\xff\xd8")


@pytest.fixture
def home(db):
    """Anna lived there until yesterday, Bo since; one photo in each one's time."""
    utility = Utility.objects.create(name="B", slug="b")
    point = MeteringPoint.objects.create(utility=utility, facility_id="7")
    meter = Meter.objects.create(utility=utility, manufacturer="KAM", serial="1")
    now = timezone.now()
    moved = now - timedelta(days=1)
    Installation.objects.create(meter=meter, point=point, from_at=now - timedelta(days=99))
    anna, bo = (Customer.objects.create(utility=utility, number=n, name=n) for n in ("Anna", "Bo"))
    hers = Occupancy.objects.create(point=point, customer=anna, from_at=now - timedelta(days=50), to_at=moved)
    Occupancy.objects.create(point=point, customer=bo, from_at=moved)
    old = photos.keep(meter, file(), "källaren", Who())
    Photo.objects.filter(pk=old.pk).update(at=moved - timedelta(days=2))
    photos.keep(point, file(), "dörren", Who())
    return anna, bo, hers, meter


def notes():
    return {one.note for one in Photo.objects.all()}


def test_kept_with_the_meter_and_where_it_sits_and_handed_out_to_whose_time_it_was(home):
    anna, bo, hers, _meter = home
    assert Photo.objects.get(note="källaren").point == hers.point
    said = about_customer.everything(anna)["occupancies"][0]["photos"]
    assert [one["note"] for one in said] == ["källaren"]
    assert said[0]["jpeg"].startswith("/9j/")
    assert [one["note"] for one in about_customer.everything(bo)["occupancies"][0]["photos"]] == ["dörren"]


def test_gone_with_the_readings_of_that_time(home):
    _anna, _bo, hers, meter = home
    about_customer.erase_occupancy(hers, hers.from_at, hers.to_at, Who())
    assert notes() == {"dörren"}
    erasure.erase(meter, hers.to_at, timezone.now() + timedelta(hours=1), Who())
    assert not notes(), "as a restored backup does it, by the fence alone"


def test_gone_when_the_customer_is_made_nameless(home):
    anna, bo, _hers, _meter = home
    about_customer.pseudonymise(anna, Who())
    assert notes() == {"dörren"}
    about_customer.pseudonymise(bo, Who())
    assert not notes()
