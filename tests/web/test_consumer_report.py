"""The consumer's report: what it tells, whom it tells of, sending it, and taking it back when somebody is forgotten."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import translation
from tests.reports.test_consumption import store

from avlas.meters import about_customer, erasure, virtual_points
from avlas.meters.keys import Who
from avlas.meters.models import (
    Customer,
    InfoEvent,
    Installation,
    Meter,
    MeteringPoint,
    Occupancy,
    Quality,
    Reading,
    SentReport,
)
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.system.models import Attachment, AuditEvent, Delivery
from avlas.web import consumer_report
from avlas.web.chart_period import LAST_YEAR, Period, asked_period
from avlas.web.pages import consumer_reports

YEAR, MONTH = 2024, 3
MOVED = datetime(2024, 3, 11, tzinfo=STANDARD_TIME)


@pytest.fixture
def flat(north):
    """A flat metered by the day, 10 kWh a day in 2023 and 12 in 2024; Anna left and Bo came on 11 March 2024."""
    point = MeteringPoint.objects.create(
        utility=north.utility, facility_id="70707", address="Ängsvägen 3", postal_code="421 30", city="Nordby"
    )
    meter = Meter.objects.create(
        utility=north.utility, manufacturer="KAM", serial="77770001", family="multical_403", medium="heat"
    )
    Installation.objects.create(point=point, meter=meter, from_at=MOVED - timedelta(days=800))
    anna, bo = (
        Customer.objects.create(
            utility=north.utility, number=f"F-{n}", name=n, email=f"{n.lower()}@home.example"
        )
        for n in ("Anna", "Bo")
    )
    Occupancy.objects.create(point=point, customer=anna, from_at=MOVED - timedelta(days=700), to_at=MOVED)
    Occupancy.objects.create(point=point, customer=bo, from_at=MOVED)
    for year, first, use in ((2023, 1000, 10), (2024, 5000, 12)):
        start = datetime(year, 3, 1, tzinfo=STANDARD_TIME)
        store(meter, [first + use * n for n in range(32)], start=start, step=timedelta(days=1), late=0)
    InfoEvent.objects.create(meter=meter, at=datetime(2024, 3, 15, 4, tzinfo=UTC), code=8, code_before=0)
    InfoEvent.objects.create(meter=meter, at=datetime(2024, 3, 5, 4, tzinfo=UTC), code=2, code_before=0)
    return point, meter, anna, bo


def told(subjects, period, language="en"):
    with translation.override(language):
        return consumer_report.contents(subjects[0].point.utility, subjects, {}, period, LAST_YEAR)[
            "sections"
        ]


MARCH = Period("day", date(2024, 3, 1))


def test_chart_table_comparison_stands_and_codes(flat):
    _point, _meter, anna, _bo = flat
    period = Period("day", date(2024, 3, 1), date(2024, 3, 10))
    (one,) = told(consumer_report.of_customer(anna, period), period)
    assert one["figures"] == [
        ("Total", "120\u00a0kWh", ""),
        ("1\u00a0Mar\u00a02023 to 10\u00a0Mar\u00a02023", "100\u00a0kWh", ""),
        ("Difference", "+20\u00a0%", ""),
    ]
    assert one["rows"][0] == ["Fri 1", "12", "10", "+20\u00a0%", ""]
    assert len(one["bars"]) == len(one["rows"]) == 10
    bar = one["bars"][3]
    assert bar["value"] == pytest.approx(1.2 * bar["beside"], rel=0.01)
    (stands,) = one["stands"]
    assert [stands[0], stands[2], stands[4]] == ["Meter 77770001", "5,000\u00a0kWh", "5,120\u00a0kWh"]
    assert [text for text, _times in one["codes"]] == ["Low battery"]
    assert [times for _text, times in one["codes"]] == ["5 Mar 2024 05:00".replace(" ", "\u00a0")]
    assert dict(one["facts"])["Customer"] == "Anna"


def test_nobody_reads_of_the_one_before(flat):
    point, meter, anna, bo = flat
    for subjects in (
        [consumer_report.of_point(point, MARCH)],
        [consumer_report.of_meter(meter, MARCH, whole_point=True)],
        [consumer_report.of_meter(meter, MARCH, whole_point=False)],
        consumer_report.of_customer(bo, MARCH),
    ):
        (one,) = told(subjects, MARCH)
        assert [row[1] for row in one["rows"]] == ["–"] * 10 + ["12"] * 21
        assert one["beside"] == "", "the year before is Anna's"
        assert one["stands"][0][2] == "5,120\u00a0kWh"
        assert len(one["codes"]) == 1
        assert "Anna" not in str(one)
        assert any("this customer" in note for note in one["notes"])
    (hers,) = told(consumer_report.of_customer(anna, MARCH), MARCH)
    assert [row[1] for row in hers["rows"]] == ["12"] * 10 + ["–"] * 21
    assert "Bo" not in str(hers["facts"])


def test_estimates_are_marked_and_explained(flat):
    _point, meter, _anna, bo = flat
    Reading.objects.filter(
        meter=meter, slot_at=int(datetime(2024, 3, 20, tzinfo=STANDARD_TIME).timestamp())
    ).update(quality=int(Quality.ESTIMATED))
    (one,) = told(consumer_report.of_customer(bo, MARCH), MARCH, "sv")
    assert [row[-1] for row in one["rows"] if "skatta" in row[-1]]
    assert any("skattade" in note for note in one["notes"])


def test_a_click_gives_a_pdf_and_the_log_names_nobody(north, flat, sign_in):
    point, meter, anna, _bo = flat
    client = sign_in(north.user)
    query = "?unit=day&from=2024-03-01&register=energy_heat_kwh&beside=last_year"
    for name, pk in (("meter", meter.pk), ("point", point.pk), ("customer", anna.pk)):
        answer = client.get(reverse(f"{name}_report", args=[pk]) + query)
        assert answer.content.startswith(b"%PDF-")
        assert answer["Content-Type"] == "application/pdf"
        event = AuditEvent.objects.filter(event="data.exported").latest("pk")
        assert event.detail["of"] == name
        assert not {"Anna", "Ängsvägen"} & set(f"{event.target} {event.detail}".replace("'", " ").split())
    shown = client.get(reverse("meter", args=[meter.pk]) + query).content.decode()
    assert reverse("meter_report", args=[meter.pk]) in shown
    assert reverse("meter_report_send", args=[meter.pk]) not in shown, "may not manage customers"
    assert client.get(reverse("meter_report_send", args=[meter.pk])).status_code == 403


def test_a_customer_of_long_ago_has_no_report_of_last_year(north, flat, sign_in):
    _point, _meter, anna, _bo = flat
    answer = sign_in(north.user).get(reverse("customer_report", args=[anna.pk]), follow=True)
    assert answer.redirect_chain == [(reverse("customer", args=[anna.pk]), 302)]
    assert "ingen mätpunkt" in answer.content.decode()


@pytest.mark.parametrize(
    ("now", "first", "last"),
    [("2026-03-10", "2025-03-01", "2026-02-28"), ("2026-01-01", "2025-01-01", "2025-12-31"),
     ("2024-03-31", "2023-03-01", "2024-02-29"), ("2026-05-02", "2025-05-01", "2026-04-30")],
)  # fmt: skip
def test_a_customers_report_is_about_the_last_twelve_months(now, first, last):
    with time_machine.travel(f"{now} 12:00+00:00", tick=False):
        period = consumer_reports.asked({}, "customer")
    assert (period.first.isoformat(), period.final.isoformat()) == (first, last)


@pytest.fixture
def yard(north, flat):
    """A virtual point of Carin's: the flat and a laundry (2 kWh a day) less a garage (1 kWh a day, first days unknown)."""
    whole = MeteringPoint.objects.create(utility=north.utility, facility_id="80808", address="Ängsvägen gård")
    carin = Customer.objects.create(
        utility=north.utility, number="F-Carin", name="Carin", email="c@home.example"
    )
    Occupancy.objects.create(point=whole, customer=carin, from_at=MOVED - timedelta(days=8))
    virtual_points.add(whole, flat[0], 1, Who())
    for serial, sign, use, first in (("77770002", 1, 2, 1), ("77770003", -1, 1, 5)):
        part = MeteringPoint.objects.create(
            utility=north.utility, facility_id=serial, address=f"Tvätt {serial}"
        )
        meter = Meter.objects.create(utility=north.utility, manufacturer="KAM", serial=serial, medium="heat")
        Installation.objects.create(point=part, meter=meter, from_at=MOVED - timedelta(days=800))
        start = datetime(2024, 3, first, tzinfo=STANDARD_TIME)
        store(meter, [use * n for n in range(33 - first)], start=start, step=timedelta(days=1), late=0)
        InfoEvent.objects.create(meter=meter, at=datetime(2024, 3, 15, 4, tzinfo=UTC), code=8, code_before=0)
        virtual_points.add(whole, part, sign, Who())
    return whole, carin


def test_a_virtual_points_sum_is_told_and_nothing_of_its_parts(yard):
    whole, carin = yard
    for subjects in ([consumer_report.of_point(whole, MARCH)], consumer_report.of_customer(carin, MARCH)):
        (one,) = told(subjects, MARCH)
        assert [row[1] for row in one["rows"]] == ["–"] * 2 + ["14"] * 2 + ["13"] * 27
        assert ["part is missing" in row[-1] for row in one["rows"][2:]] == [True] * 2 + [False] * 27
        assert dict(one["facts"])["Customer"] == "Carin"
        assert dict(one["facts"])["Metering point"] == "worked out from 3 others"
        assert one["stands"] == one["codes"] == []
        assert not [word for word in ("7777", "Anna", "Bo", "Tvätt") if word in str(one)]
        assert any("no meter of its own" in note for note in one["notes"])
        assert any("lacks it" in note for note in one["notes"])
        assert any("this customer" in note for note in one["notes"])


def test_a_virtual_points_report_is_sent_and_taken_back_with_its_parts(north, flat, yard, sign_in):
    whole, _carin = yard
    client = sign_in(north.superuser)
    shown = client.get(reverse("point", args=[whole.pk]) + "?unit=day&from=2024-03-01").content.decode()
    assert reverse("point_report", args=[whole.pk]) in shown
    assert client.get(reverse("point_report", args=[whole.pk]) + "?from=2024-03-01").content.startswith(
        b"%PDF-"
    )
    address = reverse("point_report_send", args=[whole.pk])
    assert 'value="c@home.example"' in client.get(address + "?unit=day&from=2024-03-01").content.decode()
    form = {
        "email": "c@home.example",
        "language": "sv",
        "unit": "day",
        "first": "2024-03-01",
        "last": "2024-03-31",
    }
    assert client.post(address, form).status_code == 302
    assert Attachment.objects.count() == 1
    erasure.erase(flat[1], MOVED, MOVED + timedelta(days=1), Who())
    assert not Attachment.objects.exists()


def send(client, meter, **changes):
    form = {"email": "anna@home.example", "language": "en", "unit": "day", "first": "2024-03-01", "last": "2024-03-10",
            "words": "See you!", "register": "energy_heat_kwh"} | changes  # fmt: skip
    return client.post(reverse("meter_report_send", args=[meter.pk]), form)


def test_sent_by_mail_in_the_receivers_language_and_shown_with_its_state(north, flat, sign_in):
    _point, meter, anna, _bo = flat
    client = sign_in(north.superuser)
    page = client.get(
        reverse("meter_report_send", args=[meter.pk]) + "?unit=day&from=2024-03-01&to=2024-03-10"
    )
    assert 'value="anna@home.example"' in page.content.decode()
    assert send(client, meter, email="nobody").status_code == 422
    assert send(client, meter, last="2024-02-01").status_code == 422
    assert send(client, meter, first="2001-01-01", last="2001-01-31").status_code == 422
    answer = send(client, meter)
    assert answer.status_code == 302, answer.context["form"].errors
    mail = Delivery.objects.get(event="reports.consumer_report")
    assert mail.destination == "anna@home.example"
    assert mail.subject.startswith("Your consumption")
    assert "See you!" in mail.body
    assert "Nordby Energi" in mail.body
    (file,) = mail.attachments.all()
    assert bytes(file.content).startswith(b"%PDF-")
    event = AuditEvent.objects.get(event="reports.sent")
    assert "anna" not in f"{event.target} {event.detail}".lower()
    shown = client.get(reverse("meter_report_send", args=[meter.pk])).content.decode()
    assert "anna@home.example" in shown
    assert "väntar" in shown
    assert about_customer.everything(anna)["reports_sent"][0]["destination"] == "anna@home.example"


def test_who_is_forgotten_is_in_no_outbox(north, flat, sign_in):
    _point, meter, anna, _bo = flat
    send(sign_in(north.superuser), meter)
    about_customer.pseudonymise(anna, Who())
    assert not Delivery.objects.filter(event="reports.consumer_report").exists()
    assert not Attachment.objects.exists()
    assert sign_in(north.superuser).get(reverse("meter_report_send", args=[meter.pk])).status_code == 200


def test_erased_readings_go_from_the_outbox_too(north, flat, sign_in):
    _point, meter, _anna, _bo = flat
    send(sign_in(north.superuser), meter)
    erasure.erase(meter, MOVED, MOVED + timedelta(days=9), Who())
    assert Attachment.objects.count() == 1, "another time"
    erasure.erase(meter, MOVED - timedelta(days=5), MOVED, Who())
    assert not Attachment.objects.exists()
    assert SentReport.objects.count() == 1


@pytest.mark.parametrize(
    ("query", "first", "last", "before", "year_before"),
    [
        ({"unit": "day", "from": "2024-02-29", "to": "2024-03-09"}, "2024-02-29", "2024-03-09",
         "2024-02-19", "2023-02-28"),
        ({"unit": "hour", "from": "2024-03-01", "to": "2024-12-31"}, "2024-03-01", "2024-03-31",
         "2024-01-30", "2023-03-01"),
        ({"unit": "month", "from": "2023-11-20", "to": "2024-02-02"}, "2023-11-01", "2024-02-29",
         "2023-07-01", "2022-11-01"),
        ({"unit": "day", "from": "2024-03-05", "to": "2024-03-01"}, "2024-03-01", "2024-03-31",
         "2024-02-01", "2023-03-01"),
    ],
)  # fmt: skip
def test_any_days_can_be_chosen(query, first, last, before, year_before):
    period = asked_period(query, date(2026, 11, 26))
    assert (period.first.isoformat(), period.final.isoformat()) == (first, last)
    assert period.stepped(-1).first.isoformat() == before
    assert period.stepped(-1).stepped(1).first == period.first
    assert period.a_year_before.first.isoformat() == year_before
