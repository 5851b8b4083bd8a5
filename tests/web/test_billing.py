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


@pytest.mark.parametrize(
    ("unit", "name", "row", "of_total", "total", "before", "more"),
    [
        ("kwh", "kWh", "2 450", "MWh", "12,700", "12,250", "11"),
        ("mwh", "MWh", "2,450", "MWh", "12,700", "12,250", "0,011"),
        ("gj", "GJ", "8,820", "GJ", "45,720", "44,100", "0,040"),
    ],
)
def test_energy_in_the_utilitys_unit(north, sign_in, unit, name, row, of_total, total, before, more):
    """Five meters that used 2,350 to 2,750 kWh; all together more than 10,000 kWh, and so MWh where kWh is chosen."""
    for number, used in enumerate((2350.0, 2450.0, 2550.0, 2600.0, 2750.0)):
        meter = Meter.objects.create(
            utility=north.utility, manufacturer="KAM", serial=f"7100000{number}", medium="heat"
        )
        point = MeteringPoint.objects.create(
            utility=north.utility, facility_id=f"UNIT{number}", address=f"Enhetsgatan {number}"
        )
        Installation.objects.create(point=point, meter=meter, from_at=START - timedelta(days=90))
        store(meter, [START - timedelta(days=31), START, END], [0.0, 2450.0, 2450.0 + used])
    north.utility.energy_unit = unit
    north.utility.save()
    client = sign_in(north.superuser)

    def plain(page: str, **query: str) -> str:
        return client.get(reverse(page), SEPTEMBER | query).content.decode().replace("\xa0", " ")

    assert f"{row} {name}" in plain("billing", q="Enhetsgatan")
    trial = plain("billing_trial", share="1")
    assert f"<strong>{total} {of_total}</strong>" in trial
    assert f'<td class="figure">{before} {of_total}</td>' in trial
    assert f"<strong>{row} {name}</strong>" not in trial  # as much as the month before
    listed = plain("billing_trial_file", share="1", file="csv")
    assert row.replace(" ", "") in listed  # the month before
    assert f";{name};" in listed
    client.post(f"{reverse('billing')}?month=2026-09", {"close": "1"})
    store(meter, [END], [2450.0 + 2761.0], kind=1)
    assert f"{more} {name}" in plain("billing_corrections")
