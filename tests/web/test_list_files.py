"""The lists of points, customers and stock as files: what the search finds, all pages of it, nobody else's."""

from __future__ import annotations

import csv
import io

import pytest
from django.urls import reverse
from openpyxl import load_workbook

from avlas.meters.models import Customer, Meter, MeteringPoint, Occupancy
from avlas.system.models import AuditEvent
from avlas.web.listing import ROWS_PER_PAGE

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


def table(client, name, **query):
    answer = client.get(reverse(name), {"file": "csv", **query})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))


def test_points_with_customer_and_meters(north, south, sign_in):
    client = sign_in(north.user)
    MeteringPoint.objects.bulk_create(
        MeteringPoint(
            utility=north.utility, facility_id=f"F{number:03}", address="Provgatan", door_code="1234"
        )
        for number in range(ROWS_PER_PAGE + 5)
    )
    found = table(client, "points")
    assert len(found) == MeteringPoint.objects.filter(utility=north.utility).count() > ROWS_PER_PAGE
    held = Occupancy.objects.filter(to_at=None, point__utility=north.utility).select_related(
        "point", "customer"
    )[0]
    line = next(one for one in found if one["Anläggnings-id"] == held.point.facility_id)
    assert line["Kund"] == held.customer.name
    assert north.meters[0].serial in {one["Mätare"][3:] for one in found}
    assert "1234" not in {text for one in found for text in one.values()}
    assert len(table(client, "points", q="provgatan", page="2")) == ROWS_PER_PAGE + 5
    assert not AuditEvent.objects.filter(utility=south.utility, event="data.exported").exists()
    assert AuditEvent.objects.filter(utility=north.utility, event="data.exported").count() == 2


def test_customers_in_the_order_of_the_list(north, sign_in):
    client = sign_in(north.user)
    Customer.objects.create(utility=north.utility, number="9", name="=HYPERLINK(1)")
    names = [one["Kundnummer"] for one in table(client, "customers", sort="-number")]
    assert names == sorted(names, reverse=True)
    assert len(names) == Customer.objects.filter(utility=north.utility).count()
    assert table(client, "customers", q="hyperlink")[0]["Namn"] == "'=HYPERLINK(1)"


def test_stock_in_excel_and_a_kind_of_file_there_is_not(north, sign_in):
    client = sign_in(north.user)
    Meter.objects.create(
        utility=north.utility, manufacturer="KAM", serial="66000001", medium="heat", qp_m3h=1.5
    )
    answer = client.get(reverse("meter_stock"), {"file": "xlsx", "q": "66000001"})
    sheet = load_workbook(io.BytesIO(answer.content)).active
    assert [cell.value for cell in sheet[2]][:5] == ["66000001", "KAM", None, "värme", 1.5]
    assert sheet.max_row == 2
    assert client.get(reverse("meter_stock"), {"file": "exe"})["Content-Type"].startswith("text/html")
