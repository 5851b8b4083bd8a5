"""A month of another system beside ours, from the file to the list and its files, on both databases."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from openpyxl import load_workbook
from tests.reports.test_period_use import END, HOUR, START, make, place, store

from avlas.meters import formats
from avlas.meters.models import Reading
from avlas.system.models import AuditEvent, JobRun
from avlas.transfer.imports.models import Import, ImportFile, ImportMapping

HEADINGS = "Anläggning;Mätarnr;Avläst;Ställning [kWh];Förbrukning [MWh]\n"


@pytest.fixture
def clerk(north, sign_in):
    formats.forget()
    north.superuser.language = "en"
    north.superuser.save()
    yield sign_in(north.superuser)
    formats.forget()


@pytest.fixture
def month(north):
    """September: four meters that used 1,234 kWh, one of them exchanged, one without its end; one they don't have."""
    utility = north.utility
    for number, serial in enumerate(("91000001", "91000002", "91000003", "91000005")):
        meter = make(utility, serial)
        place(meter, START - timedelta(days=90))
        last = [1000.0, 2234.0] if number != 2 else [1000.0]
        store(meter, [START, END][: len(last)], last)
    old, new = make(utility, "91000004"), make(utility, "91000014")
    at = START + timedelta(days=10)
    point = place(old, START - timedelta(days=90), at)
    place(new, at, point=point)
    store(old, [START, at], [5000.0, 5400.0])
    store(new, [at, END], [0.0, 834.0])
    return utility


def hand_in(client, text: str, encoding: str = "cp1252", **changes) -> Import:
    """The file, its columns as they are guessed, and on to the differences."""
    upload = SimpleUploadedFile("september.csv", text.encode(encoding))
    client.post(reverse("import_add"), {"file": upload, "kind": "month"})
    one = Import.objects.latest("pk")
    answer = client.get(reverse("import_columns", args=[one.pk]))
    form, how = answer.context["form"], answer.context["how"]
    said = {field.html_name: field.value() or "" for field in (*form, *how)}
    answer = client.post(reverse("import_columns", args=[one.pk]), said | changes)
    assert answer.status_code == 302, answer.context["form"].errors
    assert client.get(answer.url).url == reverse("import_compare", args=[one.pk])
    return one


def compared(client, one: Import, **query):
    """The page, and its lines by serial number."""
    answer = client.get(reverse("import_compare", args=[one.pk]), query)
    assert answer.status_code == 200
    return answer, {shown.line.who.serial: shown for shown in answer.context["lines"]}


FILE = (
    HEADINGS
    + "791000001;91000001;30-09-2026 24:00;2 234;1,234\n"
    + "791000002;91000002;30-09-2026 24:00;2 300;1,300\n"
    + "791000003;91000003;30-09-2026 24:00;2 234;1,234\n"
    + "791000004;;30-09-2026 24:00;834;1,234\n"
    + "700;88;30-09-2026 24:00;17;0,017\n"
    + "791000001;91000001;31-08-2026 24:00;1 000;9,9\n"
    + "791000001;91000001;30-09-2026 24:00;many;\n"
)


def test_a_month_is_compared_and_nothing_is_written(clerk, month):
    before, runs = Reading.objects.count(), JobRun.objects.count()
    one = hand_in(clerk, FILE, save_as="Gamla systemet")
    assert ImportMapping.objects.get(name="Gamla systemet").kind == "month"
    answer, lines = compared(clerk, one)
    assert answer.context["choice"].period.month == "2026-09"  # as the file says
    assert {serial: shown.verdict[0] for serial, shown in lines.items() if serial.startswith(("9100", "88"))} == {
        "91000001": "equal", "91000002": "different", "91000003": "only_theirs", "91000014": "equal",
        "91000005": "only_ours", "88": "only_theirs",
    }  # fmt: skip
    assert lines["91000002"].line.difference == pytest.approx(66)
    assert "no counter at the end" in lines["91000003"].why
    assert "the meter is unknown here" in lines["88"].why
    assert "not in the file" in lines["91000005"].why
    assert any("exchange" in text for _sign, text, _tone in lines["91000014"].marks)
    text = answer.content.decode()
    assert "1 line of the file is of another month" in text
    assert {name: count for name, _t, _tone, count in answer.context["counts"]}["equal"] == 2
    ((_name, _unit, total, _percent),) = [one for one in answer.context["totals"] if one[1] == "kWh"]
    assert (total.theirs, total.ours, total.only_theirs) == pytest.approx((3768, 3702, 1251))
    assert (Reading.objects.count(), JobRun.objects.count()) == (before, runs)
    assert AuditEvent.objects.filter(event="imports.compared", target="september.csv").exists()


def test_the_counters_at_the_end_are_compared_when_that_is_chosen(clerk, month):
    one = hand_in(clerk, FILE)
    answer, lines = compared(clerk, one, figure="reading")
    assert "can't be read" in answer.content.decode()  # “many”
    verdicts = {serial: shown.verdict[0] for serial, shown in lines.items()}
    assert (verdicts["91000001"], verdicts["91000002"], verdicts["91000014"]) == (
        "equal",
        "different",
        "equal",
    )
    assert lines["91000002"].line.ours == 2234
    assert answer.context["totals"] == []


def test_tolerance_month_search_and_state_are_in_the_address(clerk, month):
    one = hand_in(clerk, FILE)
    _answer, lines = compared(clerk, one, share="6")
    assert lines["91000002"].verdict[0] == "equal"
    _answer, lines = compared(clerk, one, absolute="66", share="0")
    assert lines["91000002"].verdict[0] == "equal"
    answer, _lines = compared(clerk, one, month="2026-08")
    assert answer.context["left_out"] == 6
    _answer, lines = compared(clerk, one, q="91000002", state="different")
    assert list(lines) == ["91000002"]
    answer, lines = compared(clerk, one, absolute="-1", share="x", unit="furlong", sort="no", page="77")
    assert lines["91000002"].verdict[0] == "different"


@pytest.mark.parametrize("sort", ["verdict", "address", "serial", "theirs", "ours", "difference"])
def test_every_order_holds_the_same_lines(clerk, month, sort):
    one = hand_in(clerk, FILE)
    _answer, lines = compared(clerk, one)
    _answer, others = compared(clerk, one, sort=f"-{sort}")
    assert others.keys() == lines.keys()


def test_a_unit_that_the_file_does_not_say_is_chosen_or_guessed_at(clerk, month):
    one = hand_in(clerk, "Mätare;Energi\n91000001;1,234\n91000002;4,44\n")
    _answer, lines = compared(clerk, one, month="2026-09")
    assert "it fits if theirs is in MWh" in lines["91000001"].why
    _answer, lines = compared(clerk, one, month="2026-09", unit="MWh")
    assert lines["91000001"].verdict[0] == "equal"
    one = hand_in(
        clerk, "Mätare;Förbrukning;Enhet;Storhet\n91000001;5;m³;\n91000002;1,234;MWh;E1\n91000005;1;kg;\n"
    )
    answer, lines = compared(clerk, one, month="2026-09")
    assert lines["91000001"].verdict[0] == "different"
    assert any("another unit" in text for text in lines["91000001"].why)
    assert lines["91000002"].verdict[0] == "equal"
    assert "“kg” is no unit of energy or volume." in answer.content.decode()


def test_the_same_meter_twice_and_a_meter_exchanged_only_here(clerk, month):
    one = hand_in(
        clerk,
        "Anläggning;Mätare;Förbrukning [kWh]\n;91000004;400\n;91000014;834\n;91000001;1234\n;91000001;1234\n"
        "791000002;77;1234\n",
    )
    _answer, lines = compared(clerk, one, month="2026-09")
    assert lines["91000014"].line.theirs == 1234
    assert "sum of 2 lines of the file" in lines["91000014"].why
    assert lines["91000001"].verdict[0] == "equal"  # the same line twice counts once
    assert (lines["91000002"].verdict[0], lines["91000002"].why) == (
        "equal",
        ["theirs is of another meter: 77"],
    )


def test_the_list_is_a_file_too(clerk, month):
    one = hand_in(clerk, FILE)
    address = reverse("import_compare_file", args=[one.pk])
    text = clerk.get(address, {"file": "csv"}).content.decode("utf-8-sig")
    assert any("91000002" in line and "66" in line and "Different" in line for line in text.splitlines())
    book = load_workbook(io.BytesIO(b"".join(clerk.get(address, {"file": "xlsx"}))))
    assert any("88" in [str(cell) for cell in row] for row in book.active.iter_rows(values_only=True))
    assert clerk.get(address, {"file": "pdf"}).content.startswith(b"%PDF-")
    assert clerk.get(address, {"file": "exe"}).status_code == 404


def test_the_file_goes_after_a_month_and_the_page_says_so(clerk, month):
    from avlas.transfer.imports import work

    one = hand_in(clerk, FILE)
    work.forget_old(datetime.now(UTC) + work.UNDO_WITHIN - HOUR)
    assert ImportFile.objects.filter(of=one).exists()
    work.forget_old(datetime.now(UTC) + work.UNDO_WITHIN + HOUR)
    assert not ImportFile.objects.filter(of=one).exists()
    assert "no longer kept" in clerk.get(reverse("import_compare", args=[one.pk])).content.decode()
    assert clerk.get(reverse("import_compare_file", args=[one.pk])).status_code == 302
    clerk.post(reverse("import_throw_away", args=[one.pk]))
    assert not Import.objects.filter(pk=one.pk).exists()


def test_a_job_never_takes_in_a_month_by_its_mapping(clerk, month):
    from avlas.transfer.imports import from_place

    hand_in(clerk, FILE, save_as="Gamla systemet")
    offered = next(one for one in from_place.PARAMETERS if one.name == "mapping").choices(month)
    assert "Gamla systemet" not in [name for _pk, name in offered]


def test_another_utility_sees_nothing_of_it_and_its_meters_are_unknown(clerk, month, south, sign_in):
    make(south.utility, "99887766")
    one = hand_in(clerk, "Mätare;Förbrukning [kWh]\n99887766;5\n")
    _answer, lines = compared(clerk, one, month="2026-09")
    assert lines["99887766"].line.who.meter_id == 0
    other = sign_in(south.superuser)
    for name in ("import_compare", "import_compare_file"):
        assert other.get(reverse(name, args=[one.pk])).status_code == 404


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"column_1": "", "column_0": ""}, "serial number, or the facility id"), ({"column_3": "", "column_4": ""}, "figures")],
)  # fmt: skip
def test_what_is_missing_among_the_columns_is_said(clerk, month, changes, reason):
    upload = SimpleUploadedFile("september.csv", FILE.encode())
    clerk.post(reverse("import_add"), {"file": upload, "kind": "month"})
    one = Import.objects.latest("pk")
    answer = clerk.get(reverse("import_columns", args=[one.pk]))
    form, how = answer.context["form"], answer.context["how"]
    said = {field.html_name: field.value() or "" for field in (*form, *how)}
    answer = clerk.post(reverse("import_columns", args=[one.pk]), said | changes)
    assert answer.status_code == 422
    assert reason in answer.content.decode()
