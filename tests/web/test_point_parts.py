"""Virtual metering points on the pages, and removing points and customers that were entered by mistake."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from tests.reports.test_consumption import store

from avlas.meters import installing
from avlas.meters.keys import Who
from avlas.meters.models import Customer, Installation, Meter, MeteringPoint, PointPart
from avlas.system.models import AuditEvent


@pytest.fixture
def three(north):
    """Two metered points and an empty one."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=3)
    for name, step in (("1001", 5), ("1002", 2)):
        point = MeteringPoint.objects.create(utility=north.utility, facility_id=name, address=f"Gata {name}")
        meter = Meter.objects.create(utility=north.utility, manufacturer="KAM", serial=name, medium="heat")
        installing.install(meter, point, Installation.MAIN, start - timedelta(days=1), Who())
        store(meter, [step * n for n in range(70)], start=start, late=0)
    return MeteringPoint.objects.create(utility=north.utility, facility_id="1003", address="Hela kvarteret")


def test_made_shown_reported_and_taken_apart(north, south, three, sign_in):
    client = sign_in(north.superuser)
    address = reverse("point_parts", args=[three.pk])
    for facility, sign in (("1001", "1"), ("1002", "-1")):
        assert client.post(address, {"facility_id": facility, "sign": sign}).status_code == 302
    for facility in ("1003", "1001", south.point.facility_id, "nowhere"):
        answer = client.post(address, {"facility_id": facility, "sign": "1"})
        assert answer.status_code == 422
        assert "facility_id" in answer.context["form"].errors
    start = (datetime.now(UTC) - timedelta(days=2)).date()
    shown = client.get(f"{reverse('point', args=[three.pk])}?unit=hour&from={start}")
    known = [float(row.amount) for row in shown.context["used"].rows if row.amount is not None]
    assert set(known) == {3.0}
    assert "Gata 1001" in shown.content.decode()
    assert (
        "Hela kvarteret"
        in client.get(
            reverse("point", args=[MeteringPoint.objects.get(facility_id="1001").pk])
        ).content.decode()
    )
    first = (datetime.now(UTC) - timedelta(days=4)).date()
    query = f"?period=dates&from={first}&to={datetime.now(UTC).date()}"
    report = client.get(reverse("consumption_report") + query)
    (line,) = report.context["virtual"]
    assert line.point == three
    assert line.amounts[1][1] == 207
    table = client.get(reverse("consumption_report_file") + query).content.decode()
    assert "Hela kvarteret" in table
    assert client.post(address, {"remove": PointPart.objects.first().pk}).status_code == 302
    assert PointPart.objects.count() == 1
    assert AuditEvent.objects.filter(event__startswith="points.part_").count() == 3


def test_mistakes_are_removed_and_nothing_else(north, three, sign_in):
    client = sign_in(north.superuser)
    mistake = Customer.objects.create(utility=north.utility, number="X-1", name="Fel Person")
    for name, row, listed in (("point_delete", three, "points"), ("customer_delete", mistake, "customers")):
        address = reverse(name, args=[row.pk])
        assert client.get(address).status_code == 200
        answer = client.post(address)
        assert answer.url == reverse(listed)
        assert not type(row).objects.filter(pk=row.pk).exists()
    assert "Fel" not in str(AuditEvent.objects.get(event="customers.removed").target)
    for name, row, reason in (
        ("point_delete", north.point, "meters"), ("customer_delete", north.customer, "points"),
    ):  # fmt: skip
        answer = client.post(reverse(name, args=[row.pk]))
        assert answer.status_code == 409
        assert reason in answer.context["reasons"]
        assert type(row).objects.filter(pk=row.pk).exists()


def test_a_part_of_a_virtual_point_stays(north, three, sign_in):
    alone = MeteringPoint.objects.create(utility=north.utility, facility_id="1004")
    client = sign_in(north.superuser)
    client.post(reverse("point_parts", args=[three.pk]), {"facility_id": "1004", "sign": "1"})
    assert client.post(reverse("point_delete", args=[alone.pk])).context["reasons"] == ["parts"]
    assert client.post(reverse("point_delete", args=[three.pk])).status_code == 302, "the virtual one goes"
    assert client.post(reverse("point_delete", args=[alone.pk])).status_code == 302
