"""A utility that has chosen civil time: what its pages, files, exports and programs say of days and months."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from openpyxl import load_workbook
from tests.reports.test_civil_days import hourly

from avlas.meters.models import BillingMonth, Installation, Meter, MeteringPoint, Occupancy
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.transfer.exports.layout import Layout
from avlas.web.chart_period import BEFORE, partners
from avlas.web.consumption_shown import label

pytestmark = pytest.mark.django_db
CIVIL = ZoneInfo("Europe/Stockholm")
SAID = "borgerlig tid (Europe/Stockholm)"


@pytest.fixture
def house(north):
    """A heat meter read every hour over the change of the clock in October 2025, in a utility with civil days."""
    north.utility.day_borders = "Europe/Stockholm"
    north.utility.save()
    meter = Meter.objects.create(utility=north.utility, manufacturer="KAM", serial="70000011", medium="heat")
    point = MeteringPoint.objects.create(utility=north.utility, facility_id="CIV", address="Sommargatan 1")
    Installation.objects.create(point=point, meter=meter, from_at=datetime(2025, 1, 1, tzinfo=UTC))
    hourly(meter, date(2025, 9, 28), date(2025, 11, 3), own=[date(2025, 10, 1)])
    return meter


def plain(answer):
    return answer.content.decode().replace("\xa0", " ")


def test_the_day_of_the_change_hour_by_hour(north, house, sign_in):
    client = sign_in(north.user)
    page = plain(client.get(reverse("meter", args=[house.pk]), {"unit": "hour", "from": "2025-10-26"}))
    assert "02–03 (+02:00)" in page
    assert "02–03 (+01:00)" in page
    assert "(+0" not in page.replace("02–03 (+02:00)", "").replace("02–03 (+01:00)", "")
    assert "34 kWh" in page  # 25 hours
    assert SAID in page
    days = plain(client.get(reverse("meter", args=[house.pk]), {"unit": "day", "from": "2025-10-01"}))
    assert SAID in days


def test_hours_of_a_long_day_stand_beside_those_of_the_day_before():
    class Row:
        def __init__(self, start):
            self.start = start

    def hours(day):
        start = datetime(day.year, day.month, day.day, tzinfo=CIVIL).astimezone(UTC)
        end = (datetime(day.year, day.month, day.day, tzinfo=CIVIL) + timedelta(days=1)).astimezone(UTC)
        return [Row(start + timedelta(hours=n)) for n in range((end - start) // timedelta(hours=1))]

    for day, before in ((date(2025, 10, 26), date(2025, 10, 25)), (date(2025, 10, 27), date(2025, 10, 26))):
        found = partners(hours(day), hours(before), "hour", BEFORE, CIVIL)
        for row, other in zip(hours(day), found, strict=True):
            here = row.start.astimezone(CIVIL)
            if here.fold:
                assert other is None  # the day before has that hour once
            else:
                assert other.start.astimezone(CIVIL).hour == here.hour
    assert label("hour", datetime(2025, 10, 26, 3, tzinfo=CIVIL))[1] == "03–04"


@pytest.mark.parametrize(
    "name",
    ["consumption_report", "heat_report", "billing", "billing_trial", "billing_corrections", "compare"],
)
def test_reports_say_it(north, house, sign_in, name):
    client = sign_in(north.superuser)
    query = {"month": "2025-10", "line": f"{house.pk}.energy_heat_kwh"}
    assert SAID in plain(client.get(reverse(name), query))
    if name == "billing_corrections":
        return
    file = client.get(reverse(f"{name}_file"), query | {"file": "xlsx"})
    assert "borgerlig-tid" in file["Content-Disposition"]
    book = load_workbook(io.BytesIO(file.content))
    about = [cell.value for row in book.worksheets[1].rows for cell in row]
    assert any(SAID in str(value) for value in about)
    north.utility.day_borders = "standard"
    north.utility.save()
    client = sign_in(north.superuser)
    assert "normaltid (UTC+1)" in plain(client.get(reverse(name), query))
    file = client.get(reverse(f"{name}_file"), query | {"file": "csv"})
    assert "borgerlig-tid" not in file["Content-Disposition"]


def test_a_closed_month_keeps_its_borders(north, house, sign_in):
    client = sign_in(north.superuser)
    address = reverse("billing") + "?month=2025-10"
    shown = plain(client.get(address + "&q=Sommargatan"))
    own_value_to_standard_midnight = 31 * 33
    assert f"{own_value_to_standard_midnight:,} kWh".replace(",", " ") in shown
    client.post(address, {"close": "1"})
    made = BillingMonth.objects.get()
    assert made.borders == "Europe/Stockholm"
    north.utility.day_borders = "standard"
    north.utility.save()
    client = sign_in(north.superuser)
    assert SAID in plain(client.get(address))
    corrections = plain(client.get(reverse("billing_corrections") + "?month=2025-10"))
    assert SAID in corrections
    assert "Sommargatan" not in corrections
    client.post(address, {"close": "1"})
    assert BillingMonth.objects.count() == 1
    assert "normaltid" in plain(client.get(reverse("billing") + "?month=2025-09"))


def test_moving_in_begins_with_the_day(north, house, sign_in):
    point = MeteringPoint.objects.get(facility_id="CIV")
    form = {"day": "2025-10-10", "what": "in", "number": "C-1", "name": "Siv", "confirmed": "1"}
    assert sign_in(north.superuser).post(reverse("point_move", args=[point.pk]), form).status_code == 302
    assert Occupancy.objects.get(point=point).from_at == datetime(2025, 10, 10, tzinfo=CIVIL)


def test_a_new_export_begins_with_it_and_old_ones_stay(north, house, sign_in):
    page = sign_in(north.superuser).get(reverse("export_add")).content.decode()
    assert '<option value="Europe/Stockholm" selected' in page
    assert Layout().borders == "standard"


def test_consumers_reports_and_their_period(north, house, sign_in):
    answer = sign_in(north.superuser).get(
        reverse("meter_report_send", args=[house.pk]), {"unit": "day", "from": "2025-10-26"}
    )
    period = answer.context["report"].period
    assert period.start_at == datetime(2025, 10, 1, tzinfo=CIVIL)
    assert period.end_at == datetime(2025, 11, 1, tzinfo=STANDARD_TIME)
