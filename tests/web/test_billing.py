"""The billing pages: from a missing amount over an estimate to a closed month and its corrections."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from tests.reports.test_period_use import store

from avlas.meters.models import BilledAmount, BillingMonth, Installation, Meter, MeteringPoint, Reading

pytestmark = pytest.mark.django_db
START = datetime(2026, 8, 31, 23, tzinfo=UTC)
END = datetime(2026, 9, 30, 23, tzinfo=UTC)
SEPTEMBER = {"month": "2026-09"}


@pytest.fixture
def silent(north):
    """A heat meter that was last read on the tenth of September."""
    meter = Meter.objects.create(utility=north.utility, manufacturer="KAM", serial="70000001", medium="heat")
    point = MeteringPoint.objects.create(utility=north.utility, facility_id="SILENT", address="Tysta gatan 1")
    Installation.objects.create(point=point, meter=meter, from_at=START - timedelta(days=90))
    ten = START + timedelta(days=10)
    store(meter, [ten - timedelta(days=30), START, ten], [0.0, 200.0, 300.0])
    return meter


def test_from_a_missing_amount_to_a_closed_month(north, silent, sign_in):
    client = sign_in(north.superuser)
    address = f"{reverse('billing')}?month=2026-09"
    text = client.get(address).content.decode()
    assert "Tysta gatan 1" in text
    assert "ingen mätarställning vid slutet" in text
    assert "Uppskattning:" in text
    assert "medelanvändningen de 30 dagarna" in text
    assert client.post(address, {"approve": "1", "meter": [silent.pk]}).status_code == 302
    kept = Reading.objects.get(meter=silent, kind=2)
    assert kept.energy_heat_kwh == 500.0  # 300 and 10 a day for 20 days
    text = client.get(address + "&state=estimated").content.decode()
    assert "300" in text
    assert "Tysta gatan 1" in text
    client.post(address, {"close": "1"})
    month = BillingMonth.objects.get()
    assert month.utility == north.utility
    assert month.amounts.get(meter=silent).amount == 300.0
    assert "Månaden stängdes" in client.get(address).content.decode()
    client.post(address, {"close": "1"})
    assert BillingMonth.objects.count() == 1
    corrections = f"{reverse('billing_corrections')}?month=2026-09"
    assert "Allt är som det fakturerades" in client.get(corrections).content.decode()
    store(silent, [END], [480.0], kind=1)  # the meter's own value of the month's end comes late
    text = client.get(corrections).content.decode()
    assert "Tysta gatan 1" in text
    assert "−20" in text
    client.post(corrections)
    assert BilledAmount.objects.filter(meter=silent).count() == 2
    assert "Allt är som det fakturerades" in client.get(corrections).content.decode()


def test_files_trial_run_and_odd_questions(north, silent, sign_in):
    client = sign_in(north.user)
    for name in ("billing_file", "billing_trial_file"):
        for kind in ("csv", "xlsx", "pdf"):
            assert client.get(reverse(name), SEPTEMBER | {"file": kind}).status_code == 200
    assert client.get(reverse("billing_corrections_file"), SEPTEMBER).status_code == 404  # not closed
    for name in ("billing", "billing_trial", "billing_corrections"):
        for query in (
            SEPTEMBER,
            {"month": "x", "state": "y", "share": "-3"},
            {"group": "g999"},
            {"month": "2031-01"},
        ):
            assert client.get(reverse(name), query).status_code == 200
    assert client.post(reverse("billing") + "?month=2026-09", {"close": "1"}).status_code == 403
    assert not BillingMonth.objects.exists()


def test_a_running_month_cannot_be_closed(north, silent, sign_in):
    client = sign_in(north.superuser)
    address = f"{reverse('billing')}?month={datetime.now(UTC):%Y-%m}"
    assert "Månaden är inte slut" in client.get(address).content.decode()
    client.post(address, {"close": "1"})
    assert not BillingMonth.objects.exists()


def test_the_form_for_a_typed_value_knows_the_moment(north, silent, sign_in):
    client = sign_in(north.superuser)
    text = client.get(
        reverse("meter_reading_add", args=[silent.pk]), {"at": END.isoformat()}
    ).content.decode()
    assert "2026-10-01" in text
    for odd in ("x", "2026-10-01", "99999-01-01T00:00+00:00"):
        assert client.get(reverse("meter_reading_add", args=[silent.pk]), {"at": odd}).status_code == 200
