"""Search, filter, order and paging of the list of meters, on both databases."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from django.urls import reverse
from django.utils import translation

from avlas.meters import groups
from avlas.meters.directory import current_generation
from avlas.meters.keys import Who
from avlas.meters.models import (
    Customer,
    Group,
    GroupMember,
    Installation,
    Kind,
    Meter,
    MeteringPoint,
    MeterState,
    Occupancy,
    Quality,
    Reading,
    State,
)
from avlas.reports.variables import VARIABLES, fetch
from avlas.system.models import AuditEvent, Utility
from avlas.web import formats, listing, meter_search
from avlas.web.listing import ROWS_PER_PAGE, Asked, Pages
from avlas.web.meter_search import Wanted, contains, count_meters, find_meters

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def place(utility, serial, *, name="", number="", address="", code="", model="MULTICAL 403", medium="heat",
          read_hours_ago=1.0, state=State.READ, info=0, installed=True):  # fmt: skip
    meter = Meter.objects.create(utility=utility, manufacturer="KAM", serial=serial, model=model, medium=medium,
                                 family="multical_403")  # fmt: skip
    if installed:
        point = MeteringPoint.objects.create(
            utility=utility, facility_id=serial, address=address, postal_code=code, city="Ort"
        )
        Installation.objects.create(point=point, meter=meter, from_at=NOW - timedelta(days=100))
        if number:
            customer = Customer.objects.create(utility=utility, number=number, name=name)
            Occupancy.objects.create(point=point, customer=customer, from_at=NOW - timedelta(days=100))
    if read_hours_ago is not None:
        read = NOW - timedelta(hours=read_hours_ago)
        MeterState.objects.create(
            utility=utility, address=serial.rjust(16, "0"), meter=meter, manufacturer="KAM", identification=serial,
            version=0x34, device_type=4, first_heard_at=read, last_heard_at=read,
            last_read_at=read if state == State.READ else None, state=state, info_code=info,
        )  # fmt: skip
    return meter


@pytest.fixture
def town(db):
    utility = Utility.objects.create(name="Ort Energi", slug="ort")
    place(utility, "10000001", name="Östen Åkesson", number="K-1", address="Ängsvägen 3", code="421 30")
    place(
        utility,
        "10000002",
        name="Anna Berg",
        number="K-2",
        address="Åsgatan 12",
        code="421 31",
        read_hours_ago=3,
    )
    place(utility, "10000003", name="Bo 100%_rätt", number="K-3", address="Backen 1", code="500 01", info=8)
    place(utility, "10000004", address="Östra Ängsvägen 9", code="421 30", medium="water", model="MULTICAL 21",
          state=State.NO_KEY)  # fmt: skip
    place(utility, "10000005", installed=False, read_hours_ago=None)
    place(utility, "10000006", name="Nils Ek", number="K-6", address="Zakrisgatan 2", read_hours_ago=50)
    return utility


def serials(
    utility, text="", column="", sort="serial", *, down=False, page=1, medium="", status="", group="all"
):
    search = Asked(tuple(text.split()), text, column, sort, down, page)
    ids, total = find_meters(utility.pk, Wanted(search, medium, status, group), NOW)
    found = [facts.meter.serial[-1] for facts in fetch(ids, [])]
    assert total == len(found) or total > ROWS_PER_PAGE
    return "".join(found)


@pytest.mark.parametrize(
    ("text", "column", "found"),
    [
        ("", "", "123456"),
        ("anna", "", "2"),
        ("ÄNGSVÄGEN", "", "14"),
        ("ängsvägen", "address", "14"),
        ("östen", "customer", "1"),
        ("östen", "address", ""),
        ("421 30", "postal_code", "14"),  # both words, each somewhere
        ("k-3", "customer_number", "3"),
        ("multical 21", "type", "4"),
        ("0000005", "serial", "5"),
        ("anna åsgatan", "", "2"),
        ("anna backen", "", ""),
        ("100%", "", "3"),
        ("%", "", "3"),
        ("_r", "", "3"),
        ("*", "", ""),
        ("[", "", ""),
        ("å[]", "", ""),
        ("ort", "address", "12346"),
        ("'; DROP TABLE meters_meter; --", "", ""),
    ],
)
def test_search(town, text, column, found):
    assert serials(town, text, column) == found


def test_letters_after_z_inside_names(db):
    utility = Utility.objects.create(name="Ort Energi", slug="ort")
    for number, name in enumerate(["Börje", "Bäckman", "Båge", "Bz", "Ärla", "Åke", "Östen"]):
        place(utility, f"1000000{number}", name=name, number=f"K-{number}", address="Backen 1")
    assert serials(utility, sort="customer") == "3210546"


@pytest.mark.parametrize(
    ("sort", "down", "order"),
    [
        ("serial", False, "123456"),
        ("serial", True, "654321"),
        ("customer", False, "236145"),  # Anna, Bo, Nils, Östen; then those without
        ("address", False, "362145"),  # Backen, Zakris..., Åsgatan, Ängsvägen, Östra; stock last
        ("customer_number", True, "632154"),
        ("postal_code", False, "614235"),
        ("type", False, "412356"),
        ("latest", False, "623145"),
        ("latest", True, "312645"),
    ],
)
def test_order(town, sort, down, order):
    got = serials(town, sort=sort, down=down)
    if sort == "latest":
        assert [s for s in got if s in "26"] == [s for s in order if s in "26"]
        assert set(got[-2:]) == {"4", "5"}  # never read: last in both orders
    elif sort == "customer_number":
        assert got[:4] == order[:4]
    else:
        assert got == order
    assert sorted(got) == list("123456")


@pytest.mark.parametrize("counted_from", [1, 2000])
@pytest.mark.parametrize("down", [False, True])
def test_pages_from_either_end_are_the_whole_list(town, monkeypatch, down, counted_from):
    """What is walked from the nearer end, page by page, is the list that sorting everything gives."""
    monkeypatch.setattr(meter_search, "ROWS_PER_PAGE", 2)
    monkeypatch.setattr(listing, "ROWS_PER_PAGE", 2)
    monkeypatch.setattr(meter_search, "_SORTED_AT_MOST", 0)
    monkeypatch.setattr(meter_search, "_COUNTED_FROM", counted_from)
    monkeypatch.setattr(meter_search, "_WALKED_AT_ONCE", 2)
    customer = Customer.objects.create(utility=town, number="K-9", name="zeta")
    for number, address in enumerate(["Backen 10", "Backen 9 B", "Åsgatan 12"]):
        place(town, f"2000000{number}", address=address, read_hours_ago=number)
        point = MeteringPoint.objects.get(facility_id=f"2000000{number}")
        Occupancy.objects.create(point=point, customer=customer, from_at=NOW)
    placed = set(Installation.objects.filter(to_at=None).values_list("meter_id", flat=True))
    for sort in meter_search.SORTS:
        pages = [
            find_meters(town.pk, Wanted(Asked((), "", "", sort, down, number)), NOW)[0]
            for number in range(1, 7)
        ]
        walked = [pk for page in pages for pk in page]
        everything = meter_search.all_ids(town.pk, Wanted(Asked((), "", "", sort, down, 1)), NOW)
        assert [len(page) for page in pages] == [2, 2, 2, 2, 1, 0], sort
        assert len(walked) == 9, sort
        assert set(walked) == set(everything), sort
        if sort in ("address", "serial", "type", "facility_id"):  # no two the same, or ties by number in both
            assert [one for one in walked if one in placed] == [one for one in everything if one in placed]

        some = set(Meter.objects.filter(utility=town, medium="heat").values_list("pk", flat=True))
        assert 4 < len(some) <= 9
        picked = []
        for number in range(1, 7):
            what = Wanted(Asked((), "", "", sort, down, number), medium="heat")
            ids, total = find_meters(town.pk, what, NOW)
            assert total == len(some)
            picked += ids
        assert len(picked) == len(some)
        assert set(picked) == some
        if sort in ("address", "serial", "type", "facility_id"):
            assert [one for one in picked if one in placed] == [one for one in walked if one in placed & some]


def test_house_numbers_count_as_numbers(db):
    utility = Utility.objects.create(name="Ort Energi", slug="ort")
    streets = [
        "Backen 2",
        "backen 10",
        "Backen 10 A",
        "Backen 10b",
        "Backen 111",
        "Backen C",
        "Backe 1",
        "Torget",
    ]
    for number, address in enumerate(streets):
        place(utility, f"1000000{number}", address=address)
    assert serials(utility, sort="address") == "60123457"


@pytest.mark.parametrize(
    ("status", "found"),
    [("read", "123"), ("missing", "46"), ("info", "3"), ("no_key", "4"), ("wrong_key", "")],
)
def test_filter_by_status(town, status, found):
    assert serials(town, status=status) == found
    assert count_meters(town.pk, status, NOW) == len(found)


def test_groups(town):
    group = groups.create(town.pk, "Ängen", Who())
    meters = {meter.serial[-1]: meter.pk for meter in Meter.objects.filter(utility=town)}
    groups.add(group, [meters["1"], meters["4"], meters["5"]], Who())
    choice = groups.choice_of(group)
    assert serials(town, group=choice) == "145"
    assert serials(town, "ängs", group=choice, medium="water") == "4"
    assert serials(town, group="ungrouped", sort="latest") == "623"
    assert serials(town, group="stock") == "5"
    assert serials(town, group="g0") == ""


def test_filter_and_search_together(town):
    assert serials(town, "ängs", medium="water") == "4"
    assert serials(town, "ängs", medium="water", status="read") == ""


def test_a_meter_that_was_taken_down_is_not_missing(town):
    meter = Meter.objects.get(serial="10000006")
    Installation.objects.filter(meter=meter).update(to_at=NOW - timedelta(days=1))
    assert serials(town, status="missing") == "4"
    assert serials(town, group="stock") == "56"


def test_pages_have_fifty_meters_and_end(town):
    Meter.objects.bulk_create(
        Meter(utility=town, manufacturer="KAM", serial=str(20000000 + n), model="M") for n in range(120)
    )
    first, total = find_meters(town.pk, Wanted(Asked((), "", "", "serial", False, 1)), NOW)
    third, _total = find_meters(town.pk, Wanted(Asked((), "", "", "serial", False, 3)), NOW)
    assert (len(first), len(third), total) == (50, 26, 126)
    assert not set(first) & set(third)
    found, total = find_meters(town.pk, Wanted(Asked(("20000",), "20000", "", "serial", False, 3)), NOW)
    assert (len(found), total) == (20, 120)
    assert find_meters(town.pk, Wanted(Asked(("2000",), "2000", "", "serial", False, 9)), NOW) == ([], 120)


@pytest.mark.parametrize(
    ("total", "number", "around"),
    [
        (0, 1, [1]),
        (50, 1, [1]),
        (51, 1, [1, 2]),
        (100_000, 1, [1, 2, None, 2000]),
        (100_000, 1000, [1, None, 999, 1000, 1001, None, 2000]),
        (200, 4, [1, None, 3, 4]),
    ],
)
def test_which_pages_are_offered(total, number, around):
    assert Pages(total, number).around == around


def test_few_queries_however_many_meters(north, sign_in, django_assert_max_num_queries):
    client = sign_in(north.administrator)
    client.get(reverse("home"))  # the first page of a session notes the session itself
    with django_assert_max_num_queries(26):
        assert client.get(reverse("meters")).status_code == 200


def test_the_same_address_shows_the_same_view(north, sign_in):
    client = sign_in(north.administrator)
    query = f"?q={north.mark}&in=customer&sort=-serial&medium=heat&status=read"
    text = client.get(reverse("meters") + query).content.decode()
    assert f'value="{north.mark}"' in text
    assert '<option value="customer" selected>' in text
    assert '<option value="heat" selected>' in text
    assert 'aria-sort="descending"' in text
    assert north.fleet[0].identification in text
    assert north.fleet[1].identification not in text  # no customer there


@pytest.mark.parametrize("query", ["?page=0", "?page=-1", "?page=x", "?page=99999999999999999999", "?sort=evil",
                                   "?in=1;&q=%00", "?status=nothing", "?medium=%27", "?q=" + "a " * 300])  # fmt: skip
def test_nonsense_in_the_address_is_passed_over(north, sign_in, query):
    assert sign_in(north.administrator).get(reverse("meters") + query).status_code == 200
    assert sign_in(north.administrator).get(reverse("heard") + query).status_code == 200
    assert sign_in(north.administrator).get(reverse("keys") + query).status_code == 200


def test_the_list_says_why_a_meter_is_not_read_and_marks_info_codes(north, sign_in):
    text = sign_in(north.administrator).get(reverse("meters")).content.decode()
    assert "nyckel saknas" in text  # the third meter
    assert "#warning" in text  # the second: an active info code
    assert "inte monterad" in text


def test_export_is_a_file_for_spreadsheets(north, sign_in):
    Customer.objects.filter(pk=north.customer.pk).update(name='=HYPERLINK("x")')
    answer = sign_in(north.administrator).get(reverse("meters_export"))
    assert answer["Content-Type"].startswith("text/csv")
    text = answer.content.decode("utf-8-sig")
    lines = text.strip().split("\r\n")
    assert lines[0] == "Kund;Adress;Postnummer;Kundnummer;Mätartyp;Serienummer;Senaste"
    assert len(lines) == 4
    assert "'=HYPERLINK" in text  # no spreadsheet runs it
    assert f"{north.mark}gatan 7;421 01;{north.mark}-1;MULTICAL 403;{north.fleet[0].identification};" in text
    assert AuditEvent.objects.filter(event="data.exported", target="matare.csv", detail={"rows": 3}).exists()


def test_columns_are_chosen_kept_and_stand_in_the_address(north, sign_in):
    client = sign_in(north.administrator)
    answer = client.get(reverse("meters"), {"q": "403", "col": ["serial", "nonsense", "energy_heat_kwh"]})
    assert answer.url == f"{reverse('meters')}?q=403&columns=serial.energy_heat_kwh"
    latest = Reading.objects.filter(meter=north.meters[0], kind=Kind.LIVE).latest("slot_at")
    shown = client.get(answer.url)
    assert [column.code for column in shown.context["columns"]] == ["serial", "energy_heat_kwh"]
    with translation.override("sv"):
        assert f">{formats.number(int(latest.energy_heat_kwh))}</td>" in shown.content.decode()
    more = {"col": ["customer", "serial", "energy_heat_kwh"], "columns": "energy_heat_kwh.serial"}
    assert client.get(reverse("meters"), more).url.endswith("?columns=energy_heat_kwh.serial.customer")
    client.get(answer.url.replace("columns=", "col=").replace(".", "&col="))
    again = client.get(reverse("meters"))  # remembered without being in the address
    assert [column.code for column in again.context["columns"]] == ["serial", "energy_heat_kwh"]
    file = client.get(reverse("meters_export")).content.decode("utf-8-sig").split("\r\n")
    assert file[0] == "Serienummer;Värmeenergi E1 (kWh)"
    standard = client.get(reverse("meters"), {"col": "serial", "standard": "1"}, follow=True)
    assert len(standard.context["columns"]) == 7


def test_every_variable_has_a_value_or_none_for_every_meter(north, sign_in):
    every = ".".join(one.code for one in VARIABLES)
    for language in ("sv", "en"):
        with translation.override(language):
            assert all(one.title and str(one.title) for one in VARIABLES)
    client = sign_in(north.administrator)
    group = groups.create(north.utility.pk, "Ängen", Who())
    groups.add(group, [north.meters[0].pk], Who())
    answer = client.get(reverse("meters_export"), {"kind": "xlsx", "columns": every})
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    table = {
        row[0].value: dict(zip(VARIABLES, (cell.value for cell in row), strict=True)) for row in sheet.rows
    }
    mine = {one.code: value for one, value in table[f"{north.mark} Öberg"].items()}
    latest = Reading.objects.filter(meter=north.meters[0], kind=Kind.LIVE).latest("slot_at")
    assert mine["energy_heat_kwh"] == latest.energy_heat_kwh
    assert (mine["groups"], mine["interval"], mine["medium"]) == ("Ängen", 60, "värme")
    assert (mine["role"], mine["receiver"], mine["state"]) == ("huvudmätare", f"{north.mark} torn", "avläst")
    assert mine["input_a"] is None


def press(client, do, **fields):
    return client.post(reverse("meters_act"), {"do": do, **fields}, follow=True)


def test_what_is_done_to_chosen_meters(north, sign_in):
    client = sign_in(north.superuser)
    first, second, third = (meter.pk for meter in north.meters)
    assert press(client, "details", meter=[first]).request["PATH_INFO"] == reverse("meter", args=[first])
    assert press(client, "details", meter=[first, second]).request["PATH_INFO"] == reverse("meters")
    form = press(client, "new_group", meter=[first], chosen=f"{second},{second},x")
    assert form.context["chosen"] == f"{first},{second}"
    made = client.post(reverse("group_add"), {"name": "Ängen", "chosen": form.context["chosen"]}, follow=True)
    choice = groups.choice_of(Group.objects.get(utility=north.utility, name="Ängen"))
    assert made.context["wanted"].group == choice
    assert made.context["pages"].total == 2
    press(client, f"add:{choice}", all="1", list="q=" + north.fleet[2].identification)
    assert groups.meter_ids(north.utility.pk, choice) == sorted([first, second, third])
    back = press(client, f"remove:{choice}", meter=[first], list="group=ungrouped&sort=-serial")
    assert back.context["wanted"].group == "ungrouped"
    assert groups.meter_ids(north.utility.pk, choice) == sorted([second, third])
    text = press(client, f"add:{choice}").content.decode()
    assert "Ingen mätare är vald" in text
    lines = press(client, "export:csv", meter=[second]).content.decode("utf-8-sig").split("\r\n")
    assert len(lines) == 3  # heading, meter, end
    assert len(press(client, "export:csv").content.decode("utf-8-sig").split("\r\n")) == 5
    client.post(reverse("group_delete", args=[choice[1:]]))
    assert "finns inte längre" in press(client, f"add:{choice}", meter=[first]).content.decode()
    assert "finns inte längre" in client.get(f"{reverse('meters')}?group={choice}").content.decode()


def test_a_meters_readings_as_they_are_kept(north, sign_in):
    client = sign_in(north.user)
    meter = north.meters[1]
    address = reverse("meter_readings", args=[meter.pk])
    assert press(client, "readings", meter=[meter.pk]).request["PATH_INFO"] == address
    kept = Reading.objects.filter(meter=meter)
    answer = client.get(address)
    assert answer.context["pages"].total == kept.count() > 5
    newest = kept.latest("slot_at")
    with translation.override("sv"):
        text = answer.content.decode()
        assert formats.number(int(newest.energy_heat_kwh)) in text
        assert formats.date_time(newest.heard_at, ZoneInfo("Europe/Stockholm")) in text
    assert any(line.info for line in answer.context["lines"])  # info code 8
    logged = client.get(address, {"kind": "logged"})
    assert {line.kind for line in logged.context["lines"]} == {"lagrad av mätaren"}
    day = newest.slot_at.date().isoformat()
    assert client.get(address, {"from": "2001-01-01", "to": "2001-01-02"}).context["pages"].total == 0
    assert "Vänd på datumen" in client.get(address, {"from": day, "to": "2001-01-02"}).content.decode()
    assert (
        client.get(address, {"from": "9999-99-99", "to": "x", "kind": "y", "page": "999"}).status_code == 200
    )
    Reading.objects.filter(meter=meter, slot_at=newest.slot_at, kind=newest.kind).update(
        quality=int(Quality.VOIDED | Quality.IMPLAUSIBLE)
    )
    lines = client.get(address, {"file": "csv"}).content.decode("utf-8-sig").strip().split("\r\n")
    assert lines[0].startswith("Tid;Ursprung;Väg;Värmeenergi E1 (kWh);")
    assert len(lines) == kept.count() + 1
    assert lines[1].endswith('"orimligt; tagen ur bruk";')
    file = client.get(address, {"file": "xlsx", "from": day})
    assert openpyxl.load_workbook(io.BytesIO(file.content)).active.max_row > 1


def test_priority_meters_are_few_and_ingest_hears_of_them(north, sign_in, settings):
    client = sign_in(north.superuser)
    ids = [meter.pk for meter in north.meters]
    settings.PRIORITY_METERS = 2
    before = current_generation(north.utility.pk)
    assert "inget ändrades" in press(client, "priority", meter=ids).content.decode()
    assert current_generation(north.utility.pk) == before
    press(client, "priority", meter=ids[:2])
    assert groups.meter_ids(north.utility.pk, "priority") == sorted(ids[:2])
    assert current_generation(north.utility.pk) > before
    assert "redan prioriterade" in press(client, "priority", meter=ids[:1]).content.decode()
    press(client, "ordinary", meter=ids)
    assert groups.meter_ids(north.utility.pk, "priority") == []
    events = AuditEvent.objects.filter(event__startswith="meter.priority").order_by("pk")
    assert [(one.event, one.detail["meters"]) for one in events] == [
        ("meter.priority_begun", 2), ("meter.priority_ended", 2),
    ]  # fmt: skip


def test_another_utilitys_meters_and_groups_are_passed_over(north, south, sign_in):
    client = sign_in(north.administrator)
    mine = groups.create(north.utility.pk, "Ängen", Who())
    theirs = groups.create(south.utility.pk, "Ängen", Who())
    foreign = [meter.pk for meter in south.meters]
    for do in (f"add:g{mine.pk}", f"add:g{theirs.pk}", f"remove:g{theirs.pk}", "priority", "details"):
        press(client, do, meter=foreign)
    press(client, f"add:g{theirs.pk}", meter=[north.meters[0].pk])
    client.post(reverse("group_add"), {"name": "Ny", "chosen": ",".join(map(str, foreign))})
    assert not GroupMember.objects.filter(group__in=[mine, theirs]).exists()
    assert not Group.objects.get(name="Ny").members.exists()
    assert not Meter.objects.filter(slot_seconds=300).exists()


@pytest.mark.parametrize("do", ["add:g1", "remove:g1", "new_group", "priority", "ordinary"])
def test_who_only_looks_may_look_and_export_alone(north, sign_in, do):
    client = sign_in(north.user)
    assert client.post(reverse("meters_act"), {"do": do, "meter": north.meters[0].pk}).status_code == 403
    assert press(client, "export:csv").status_code == 200
    text = client.get(reverse("meters")).content.decode()
    assert "new_group" not in text
    assert 'priority" data-needs' not in text


def test_search_patterns_hold_what_was_typed(db):
    test, values = contains(["a", "b"], "50%")
    assert test.count(" OR ") == 1
    assert len(values) == 2
    assert all(r"50\%" in value for value in values)
