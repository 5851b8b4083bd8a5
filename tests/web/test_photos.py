"""Photos on the pages: added from a phone, shown to those who may see them, removed."""

from __future__ import annotations

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from tests.meters.test_photos import file

from avlas.meters.models import Exchange, Photo
from avlas.system.models import AuditEvent


def test_added_seen_and_removed(north, sign_in):
    Photo.objects.all().delete()
    client = sign_in(north.superuser)
    exchange = Exchange.objects.get(utility=north.utility)
    for kind, pk in (("meter", north.meters[0].pk), ("point", north.point.pk), ("exchange", exchange.pk)):
        address = reverse(f"{kind}_photos", args=[pk])
        wrong = client.post(address, {"picture": SimpleUploadedFile("x.jpg", b"no picture"), "note": ""})
        assert wrong.status_code == 422
        assert "Det här är ingen bild" in wrong.content.decode()
        answer = client.post(
            address, {"picture": SimpleUploadedFile("IMG_1.jpg", file()), "note": f"vid {kind}"}
        )
        assert answer.status_code == 302, answer.context["form"].errors
        page = client.get(reverse(kind, args=[pk])).content.decode()
        assert f'alt="vid {kind}"' in page
    photo = Photo.objects.get(note="vid exchange")
    assert (photo.point, photo.meter, photo.exchange) == (north.point, north.meters[0], exchange)
    shown = client.get(reverse("photo", args=[photo.pk]))
    assert shown["Content-Type"] == "image/jpeg"
    assert shown["X-Content-Type-Options"] == "nosniff"
    assert len(client.get(reverse("photo", args=[photo.pk]) + "?small=1").content) < len(shown.content)
    reader = sign_in(north.user)
    assert reader.get(reverse("photo", args=[photo.pk])).status_code == 403
    assert reader.get(reverse("point_photos", args=[north.point.pk])).status_code == 403
    assert "vid point" not in reader.get(reverse("point", args=[north.point.pk])).content.decode()
    client = sign_in(north.superuser)
    gone = client.post(reverse("photo_delete", args=[photo.pk]), {"from": "point"})
    assert gone.url == reverse("point_photos", args=[north.point.pk])
    assert Photo.objects.count() == 2
    assert [one.event for one in AuditEvent.objects.filter(event__startswith="photos.").order_by("pk")] == [
        *["photos.added"] * 3, "photos.removed",
    ]  # fmt: skip
