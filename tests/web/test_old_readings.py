"""The page that shows what the retention rule removes next."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.urls import reverse

from avlas.meters.models import Format
from avlas.meters.retention import month_of
from avlas.reports.old_readings import thin

pytestmark = pytest.mark.django_db


@pytest.fixture
def old_month(north):
    """Ten hourly readings of an old day."""
    month = month_of(datetime(2024, 3, 9, tzinfo=UTC))
    form, _ = Format.objects.get_or_create(spec="{}")
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO reading (meter_id, slot_at, kind, heard_at, source, format_id) VALUES (%s, %s, 0, 0, 1, %s)",
            [(north.meters[0].pk, month.begin + 3600 * n, form.pk) for n in range(10)],
        )
    return month


def test_what_goes_is_counted_and_listed_when_gone(north, old_month, sign_in):
    client = sign_in(north.administrator)
    text = client.get(reverse("old_readings")).content.decode()
    assert "mars 2024" in text
    assert "Räkna" in text
    counted = client.get(reverse("old_readings"), {"month": "2024-03"}).content.decode()
    assert "9 avläsningar försvinner" in counted
    part = client.get(
        reverse("old_readings"), {"month": "2024-03"}, headers={"HX-Request": "true"}
    ).content.decode()
    assert part.strip() == "9 avläsningar försvinner"
    assert client.get(reverse("old_readings"), {"month": "1999-01"}).status_code == 404
    thin(north.utility, old_month)
    text = client.get(reverse("old_readings")).content.decode()
    assert "Gallrade månader" in text
    assert client.get(reverse("old_readings"), {"month": "2024-03"}).status_code == 404


def test_only_who_configures(north, sign_in):
    assert sign_in(north.user).get(reverse("old_readings")).status_code == 403
    assert sign_in(north.superuser).get(reverse("old_readings")).status_code == 200
