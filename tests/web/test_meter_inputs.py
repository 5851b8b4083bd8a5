"""Pulse inputs on the pages: letting one count for a meter of its own, seeing it on both pages, going on after an exchange."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from tests.reports.test_consumption import store

from avlas.meters import exchange
from avlas.meters.entered import Figure
from avlas.meters.keys import Who
from avlas.meters.models import Exchange, Installation, Meter, MeteringPoint, PulseInput, Reading

START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def heat(north):
    meter = Meter.objects.create(utility=north.utility, manufacturer="KAM", serial="60306030", medium="heat")
    point = MeteringPoint.objects.create(
        utility=north.utility, facility_id="8001", address="Ängsvägen 9", latitude=57.7, longitude=11.9
    )
    Installation.objects.create(point=point, meter=meter, from_at=START - timedelta(days=1))
    store(meter, [100.25 + n for n in range(5)], code="input_a", sent=("m³", 2), start=START)
    return meter


FORM = {"channel": "a", "manufacturer": "sen", "serial": "W-77", "medium": "cold water", "at": "2026-03-01T01:00",
        "facility_id": "8001-V"}  # fmt: skip


def missing(client):
    return [one.meter for one in client.get(reverse("meters") + "?status=missing").context["rows"]]


def test_a_new_water_meter_at_a_new_point(north, heat, sign_in):
    client = sign_in(north.superuser)
    address = reverse("meter_inputs", args=[heat.pk])
    assert client.get(address).status_code == 200
    wrong = client.post(address, FORM | {"medium": "", "serial": "a b"})
    assert wrong.status_code == 422
    assert set(wrong.context["form"].errors) == {"medium", "serial"}
    answer = client.post(address, FORM)
    assert answer.status_code == 302, answer.context["form"].errors
    water = Meter.objects.get(serial="W-77")
    assert answer.url == reverse("meter", args=[water.pk])
    place = water.installations.get()
    assert (place.point.facility_id, place.point.address, place.point.latitude) == (
        "8001-V",
        "Ängsvägen 9",
        57.7,
    )
    assert Reading.objects.filter(meter=water).count() == 5
    assert heat.serial in client.get(answer.url).content.decode()
    assert "W-77" in client.get(reverse("meter", args=[heat.pk])).content.decode()
    assert water.pk not in {one.pk for one in missing(client)}, "it has no voice of its own"
    again = client.post(address, FORM | {"serial": "W-78", "facility_id": ""})
    assert again.status_code == 422
    assert "channel" in again.context["form"].errors
    assert not Meter.objects.filter(serial="W-78").exists(), "nothing half done is left"
    client.post(address, {"end": PulseInput.objects.get().pk})
    assert PulseInput.objects.get().to_at is not None


def test_the_guided_exchange_asks_whether_the_input_goes_on(north, heat, sign_in):
    client = sign_in(north.superuser)
    client.post(reverse("meter_inputs", args=[heat.pk]), FORM | {"per_pulse": "10"})
    new = Meter.objects.create(utility=north.utility, manufacturer="KAM", serial="60306031", medium="heat")
    done = exchange.prepare(heat.installations.get(), {"reason": "batteri"}, Who())
    Exchange.objects.filter(pk=done.pk).update(
        at=START + timedelta(hours=6), new_meter=new, old_unreadable=True,
        new_figures=[Figure("energy_heat_kwh", Decimal(0), "kWh").packed()],
    )  # fmt: skip
    exchange.carry_out(done, Who())
    shown = client.get(reverse("exchange", args=[done.pk]))
    (ended,) = shown.context["ended_inputs"]
    asked = f"{reverse('meter_inputs', args=[new.pk])}?like={ended.pk}"
    assert asked in shown.content.decode()
    initial = client.get(asked).context["form"].initial
    assert (initial["serial"], initial["per_pulse"], initial["at"]) == (
        "W-77",
        10.0,
        START + timedelta(hours=6),
    )
    went_on = client.post(asked, FORM | {"facility_id": "", "at": "2026-03-01T07:00", "start_value": "1.5"})
    assert went_on.status_code == 302, went_on.context["form"].errors
    assert PulseInput.objects.filter(parent=new, to_at=None).count() == 1
    assert not client.get(reverse("exchange", args=[done.pk])).context["ended_inputs"]
