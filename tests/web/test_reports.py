"""Analysis: heat and consumption reports as pages and files, groups made of their rows, reports kept and run again."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.urls import reverse
from django.utils import translation
from openpyxl import load_workbook

from avlas.meters import column_store, formats
from avlas.meters.models import Customer, Group, Installation, Kind, Meter, MeteringPoint, Occupancy, Source
from avlas.meters.slots import READING_KEY
from avlas.reports.calc.borders import months_later
from avlas.reports.models import CoolingLevels, SavedReport
from avlas.system.models import AuditEvent
from avlas.web.report_files import ReportTable, pdf
from avlas.web.report_period import asked_period, today

MONTH = months_later(today(), -1)
PERIOD = f"month={MONTH:%Y-%m}"

# serial, address, customer, model, heat (kWh), volume (m³), inlet and outlet (°C), sent in
ROWS = [
    ("9016", "New Road 1", "Anna", "MULTICAL 402", 5138.8889, 4307.10, None, 48.83, ("GJ", 1)),
    ("9045", "Oak Street 2", "", "MULTICAL 402", 0.0, 0.0, 70.0, 40.0, ("kWh", 0)),
    ("77548", "Church Road 3", "Anthony White", "", 413606.1111, 1769.20, None, None, ("GJ", 3)),
    ("46", "Ängsvägen 4", "George Robinson", "MULTICAL 602", 1000.0, 24.0, 80.0, 43.8, ("kWh", 0)),
]  # fmt: skip


@pytest.fixture
def town(north):
    """North with four meters whose readings stand at the ends of the month before this one."""
    formats.forget()
    start = asked_period_of(PERIOD).start
    end = asked_period_of(PERIOD).end
    for serial, address, customer, model, heat, volume, inlet, outlet, sent in ROWS:
        meter = Meter.objects.create(
            utility=north.utility, manufacturer="KAM", serial=serial, model=model, medium="heat"
        )
        point = MeteringPoint.objects.create(utility=north.utility, facility_id=serial, address=address)
        Installation.objects.create(point=point, meter=meter, from_at=start - timedelta(days=9))
        if customer:
            who = Customer.objects.create(utility=north.utility, number=f"k{serial}", name=customer)
            Occupancy.objects.create(point=point, customer=who, from_at=start)
        values = {"energy_heat_kwh": heat, "volume_m3": volume}
        values |= {"energy_flow_m3c": round(inlet * volume)} if inlet else {}
        values |= {"energy_return_m3c": round(outlet * volume)} if outlet else {}
        spec = {"energy_heat_kwh": list(sent), "volume_m3": ["m³", 2], "energy_flow_m3c": ["m³·°C", 0]}
        text = json.dumps(spec, separators=(",", ":"))
        at = [int(start.timestamp()), int(end.timestamp())]
        column_store.upsert(
            connection,
            "reading",
            {
                "meter_id": [meter.pk] * 2, "slot_at": at, "kind": [int(Kind.LOGGED)] * 2, "heard_at": at,
                "source": [int(Source.RADIO)] * 2, "quality": [0] * 2,
                "format_id": [formats.ids({text})[text]] * 2,
                **{code: column_store.nullable(np.array([100.0, 100.0 + used])) for code, used in values.items()},
            },
            READING_KEY,
        )  # fmt: skip
    yield north
    formats.forget()


def asked_period_of(query):
    from django.http import QueryDict

    return asked_period(QueryDict(query))


def serials(answer):
    return [line.who.serial for line in answer.context["lines"]]


def words(answer):
    return " ".join(answer.content.decode().replace("&nbsp;", " ").replace("\u00a0", " ").split())


def rows_of(answer):
    """A CSV file's rows in English or Swedish."""
    text = answer.content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text), delimiter=";" if ";" in text.splitlines()[0] else ","))


def in_english(world):
    world.superuser.language = "en"
    world.superuser.save()
    return world.superuser


def test_the_outlet_report_shows_the_samples_figures_and_not_available_where_no_water_ran(town, sign_in):
    answer = sign_in(town.superuser).get(reverse("heat_report") + f"?report=outlet&{PERIOD}&sort=serial")
    text = words(answer)
    assert [serial for serial in serials(answer) if len(serial) < 6] == ["46", "77548", "9016", "9045"]
    assert "4 307,10" in text
    assert "5 138,89" in text
    assert ">48,83<" in text
    oak = text.partition("Oak Street")[2].partition("</tr>")[0]
    assert oak.count("N/A") == 1
    assert "Okänd" in text


def test_impossible_rows_are_marked_and_can_be_singled_out(town, sign_in):
    answer = sign_in(town.superuser).get(reverse("heat_report") + f"?{PERIOD}&level=doubtful&sort=serial")
    assert serials(answer) == ["77548", "9016"]
    church, new = (" ".join(text for _sign, text, _tone in line.marks) for line in answer.context["lines"])
    assert "fysiskt omöjligt" in church
    assert "knappt kyldes" in new or "kyldes knappt" in new


def test_cooling_can_be_filtered_by_level_and_difference_and_good_is_what_the_utility_says(town, sign_in):
    client = sign_in(town.superuser)
    address = reverse("heat_report") + f"?{PERIOD}"
    assert serials(client.get(address + "&level=good&q=602")) == ["46"]
    assert serials(client.get(address + "&difference=36,3&test=below")) == ["9016", "46"]
    assert "46" not in serials(client.get(address + "&difference=36.1&test=below"))
    assert "inget tal" in words(client.get(address + "&difference=kall"))
    client.post(
        reverse("heat_levels"),
        {
            "good_from_k": "45,5",
            "poor_below_k": "40",
            "cooling_good_from_k": "8",
            "cooling_poor_below_k": "5",
        },
    )
    assert CoolingLevels.of(town.utility).good_from_k == 45.5
    assert serials(client.get(address + "&level=poor&q=602")) == ["46"]
    assert AuditEvent.objects.filter(event="reports.levels_changed").count() == 1
    wrong = client.post(
        reverse("heat_levels"),
        {"good_from_k": "30", "poor_below_k": "40", "cooling_good_from_k": "8", "cooling_poor_below_k": "x"},
    )
    assert wrong.status_code == 422
    assert set(wrong.context["form"].errors) == {"good_from_k", "cooling_poor_below_k"}


def test_the_consumption_report_adds_up_and_large_totals_are_in_megawatt_hours(town, sign_in):
    answer = sign_in(town.superuser).get(
        reverse("consumption_report") + f"?{PERIOD}&q=Road&sort=-E1&medium=heat"
    )
    assert serials(answer) == ["77548", "9016"]
    text = words(answer)
    assert "413 606,111 kWh" in text
    assert "E1</span> 418,745 MWh" in text
    assert "V1</span> 6 076,30 m³" in text
    assert "E3</span> 0 kWh" in text
    assert "Mätare:</span> 2" in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("of=V1&test=more&limit=1000", {"9016", "77548"}),
        ("of=V1&test=less&limit=1000", {"9045", "46"}),
        ("of=E1&test=more&limit=5138,89", {"77548"}),
        ("of=E1&test=zero", {"9045"}),
        ("of=E3&test=unknown&medium=heat", {"9016", "9045", "77548", "46"}),
        ("of=V1&test=more&limit=", {"9016", "9045", "77548", "46"}),
        ("q=anthony", {"77548"}),
        ("q=ängsvägen", {"46"}),
    ],
)
def test_unusually_high_or_no_consumption_is_found(town, sign_in, query, found):
    answer = sign_in(town.superuser).get(reverse("consumption_report") + f"?{PERIOD}&{query}")
    assert {one for one in serials(answer) if len(one) < 6} == found


def test_rows_go_into_a_group_chosen_or_new_and_the_group_chooses_the_reports_rows(town, sign_in):
    client = sign_in(town.superuser)
    address = reverse("consumption_report") + f"?{PERIOD}&of=E1&test=zero"
    client.post(address, {"all": "1", "new_group": "Noll"})
    group = Group.objects.get(utility=town.utility, name="Noll")
    assert [meter.serial for meter in group.meters.all()] == ["9045"]
    chosen = Meter.objects.get(utility=town.utility, serial="46")
    answer = client.post(address, {"meter": [chosen.pk, "x"], "to": f"g{group.pk}"}, follow=True)
    assert "1 mätare lades till i Noll" in words(answer)
    assert serials(client.get(reverse("heat_report") + f"?{PERIOD}&group=g{group.pk}&sort=serial")) == [
        "46",
        "9045",
    ]
    assert "Välj minst en" in words(client.post(address, {"to": f"g{group.pk}"}, follow=True))
    assert "Välj en grupp" in words(client.post(address, {"all": "1", "to": "g0"}, follow=True))
    group.delete()
    gone = client.get(reverse("heat_report") + f"?{PERIOD}&group=g{group.pk}")
    assert gone.status_code == 200
    assert "finns inte kvar" in words(gone)
    assert client.get(reverse("heat_report_file") + f"?{PERIOD}&group=g{group.pk}").status_code == 404


def test_another_utilitys_meters_never_come_into_a_group_or_a_report(town, south, sign_in):
    theirs = Group.objects.create(utility=south.utility, name="Deras")
    client = sign_in(town.superuser)
    client.post(reverse("heat_report"), {"meter": [south.meters[0].pk], "new_group": "Vår"})
    assert Group.objects.get(utility=town.utility, name="Vår").meters.count() == 0
    client.post(reverse("heat_report"), {"meter": [town.meters[0].pk], "to": f"g{theirs.pk}"})
    assert theirs.meters.count() == 0
    assert client.get(reverse("heat_report") + f"?group=g{theirs.pk}").context.get("lines") is None


@pytest.mark.parametrize("name", ["heat_report", "consumption_report"])
def test_a_period_the_wrong_way_round_and_nonsense_are_said_and_not_an_error(town, sign_in, name):
    client = sign_in(town.superuser)
    wrong = client.get(reverse(name) + "?period=dates&from=2026-05-02&to=2026-05-01")
    assert "innan den börjar" in words(wrong)
    for query in ("?month=2026-99", "?period=dates&from=x&to=", "?period=dates&to=9999-12-31", "?page=999", "?sort=x",
                  "?group=", "?group=g99999999999999999999", "?limit=1e999", "?difference=nan", "?report=x&level=y",
                  "?month=2026-01-05", "?period=last_month"):  # fmt: skip
        assert client.get(reverse(name) + query).status_code == 200, query


def test_a_file_holds_the_whole_report_as_it_is_filtered(town, sign_in):
    client = sign_in(in_english(town))
    query = f"?{PERIOD}&report=outlet&sort=serial&q=Road"
    headings, *rows = rows_of(client.get(reverse("heat_report_file") + query))
    assert headings == ["Address", "Meter type", "Serial number", "Volume change (m³)", "Energy change (kWh)",
                        "Outlet temperature (°C)", "Remarks"]  # fmt: skip
    assert rows[1][:6] == ["New Road 1", "MULTICAL 402", "9016", "4307.10", "5138.89", "48.83"]
    assert rows[0][:6] == ["Church Road 3", "Unknown", "77548", "1769.20", "413606.111", ""]
    answer = client.get(reverse("consumption_report_file") + f"?{PERIOD}&of=E1&test=zero&file=xlsx")
    sheet = load_workbook(io.BytesIO(answer.content)).active
    assert [cell.value for cell in sheet[2]][:7] == [
        "Oak Street 2",
        None,
        "MULTICAL 402",
        "9045",
        "Heat",
        0,
        0,
    ]
    assert client.get(reverse("heat_report_file") + "?file=exe").status_code == 404
    assert AuditEvent.objects.filter(event="data.exported", utility=town.utility).count() == 2


@pytest.mark.parametrize("name", ["heat_report_file", "consumption_report_file"])
def test_a_pdf_is_set(town, sign_in, name):
    answer = sign_in(town.superuser).get(reverse(name) + f"?{PERIOD}&file=pdf")
    assert answer["Content-Type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
    assert len(answer.content) > 5000


@pytest.mark.parametrize("language", ["sv", "en"])
def test_a_long_pdf_has_pages_and_text_is_never_taken_for_markup(language):
    rows = [["#panic(1) $x$ *y* <z> @ref", 1.5, None]] * 200
    table = ReportTable(
        "r", "Rapport #1", [("Group", "[a] #b")], ["A", "B", "C"], rows, [1], [3, 1, 1], [("V1", "1")], ["n"]
    )
    with translation.override(language):
        made = pdf("Norrtuna #Energi", table)
    assert made.count(b"/Type /Page\n") + made.count(b"/Type/Page/") >= 3 or b"/Count" in made


def test_a_report_is_kept_with_its_settings_and_run_again(town, sign_in):
    client = sign_in(town.superuser)
    query = f"?kind=heat_report&{PERIOD}&report=outlet&q=Road"
    assert client.get(reverse("report_save") + query).status_code == 200
    client.post(reverse("report_save") + query, {"name": "Retur", "note": "varje månad"})
    kept = SavedReport.objects.get(utility=town.utility, name="Retur")
    assert kept.settings["report"] == ["outlet"]
    text = words(client.get(reverse("saved_reports")))
    address = text.partition(">Retur<")[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    again = client.get(address)
    assert again.context["choice"].report == "outlet"
    assert set(serials(again)) == {"9016", "77548"}
    twice = client.post(reverse("report_save") + query, {"name": "Retur", "note": ""})
    assert twice.status_code == 422
    client.post(reverse("report_edit", args=[kept.pk]), {"name": "Returer", "note": ""})
    kept.refresh_from_db()
    assert kept.name == "Returer"
    client.post(reverse("report_edit", args=[kept.pk]), {"remove": "1"})
    assert not SavedReport.objects.filter(pk=kept.pk).exists()
    events = ["reports.saved", "reports.changed", "reports.removed"]
    assert (
        list(
            AuditEvent.objects.filter(event__startswith="reports.")
            .order_by("pk")
            .values_list("event", flat=True)
        )
        == events
    )


def test_who_only_looks_sees_reports_and_takes_files_but_changes_nothing(town, sign_in):
    client = sign_in(town.user)
    page = client.get(reverse("heat_report") + f"?{PERIOD}")
    assert serials(page)
    assert "Spara rapporten" not in words(page)
    assert 'name="new_group"' not in words(page)
    assert client.get(reverse("heat_report_file")).status_code == 200
    assert client.get(reverse("heat_levels")).status_code == 200
    for name in ("heat_report", "consumption_report", "heat_levels", "report_save"):
        assert client.post(reverse(name), {"name": "x"}).status_code == 403, name


@pytest.fixture
def zone(north):
    """A group of one feeding water meter, and one of consumers, without readings."""
    meters = [
        Meter.objects.create(utility=north.utility, manufacturer="KAM", serial=f"zon{n}", medium="water")
        for n in range(2)
    ]
    made = [Group.objects.create(utility=north.utility, name=name) for name in ("Matning", "Hus")]
    for group, meter in zip(made, meters, strict=True):
        group.meters.add(meter)
    return made


def test_a_zone_without_values_and_without_groups_is_shown_sensibly(north, zone, sign_in):
    client = sign_in(north.superuser)
    supply, houses = (f"g{group.pk}" for group in zone)
    address = reverse("water_loss") + f"?view=balance&{PERIOD}"
    assert "Välj två grupper" in words(client.get(address))
    shown = client.get(f"{address}&supply={supply}&group={houses}")
    assert shown.context["lost"] == "–"
    assert "saknas i summorna" in words(shown)
    assert "finns inte kvar" in words(client.get(f"{address}&supply=g0&group={houses}"))
    assert "innan den börjar" in words(client.get(f"{address}&period=dates&from=2026-02-02&to=2026-01-01"))
    headings, *rows = rows_of(
        client.get(reverse("water_loss_file") + f"?view=balance&{PERIOD}&supply={supply}&group={houses}")
    )
    assert headings[1:4] == ["Matat (m³)", "Använt (m³)", "Förlorat (m³)"]
    assert rows[0][1:] == ["0,000", "0,000", "", "", "2"]
    assert client.get(reverse("water_loss_file") + f"?view=balance&{PERIOD}").status_code == 404


def test_night_flow_lists_water_meters_and_puts_them_into_a_group(north, sign_in):
    client = sign_in(north.superuser)
    address = reverse("water_loss") + f"?period=dates&from={today() - timedelta(days=2)}&to={today()}"
    shown = client.get(address)
    assert [line.who.serial for line in shown.context["lines"]] in ([], [north.fleet[3].identification])
    assert client.get(address + "&only=running&register=input_a&q=x").status_code == 200
    client.post(address, {"all": "1", "new_group": "Natt"})
    for kind in ("csv", "xlsx", "pdf"):
        assert client.get(reverse("water_loss_file") + f"?{PERIOD}&file={kind}").status_code == 200
    assert sign_in(north.user).post(address, {"all": "1"}).status_code == 403
