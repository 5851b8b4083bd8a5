"""Tables as files: exact numbers, the reader's language, nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import zoneinfo
from datetime import UTC, date, datetime
from decimal import Decimal

import openpyxl
import pytest
from django.test import RequestFactory
from django.utils import timezone, translation

from avlas.system.models import AuditEvent
from avlas.web.table_files import table_file

pytestmark = pytest.mark.django_db

HEADINGS = ["Kund", "Energi", "Tid", "Dag", "Antal"]
ROWS = [
    ["Åsa; Öberg", Decimal("413606.110"), datetime(2026, 7, 1, 12, 30, tzinfo=UTC), date(2026, 7, 1), 3],
    ["=HYPERLINK(1)", None, None, None, 0.5],
    ["", Decimal("1234567890123456.789"), None, None, float("nan")],
]


@pytest.fixture
def request_of(north):
    request = RequestFactory().get("/")
    request.user, request.utility = north.administrator, north.utility
    with timezone.override(zoneinfo.ZoneInfo("Europe/Stockholm")):
        yield request


@pytest.mark.parametrize(("language", "delimiter", "point"), [("sv", ";", ","), ("en", ",", ".")])
def test_csv(request_of, language, delimiter, point):
    with translation.override(language):
        response = table_file(request_of, "csv", "lista", HEADINGS, ROWS)
    text = response.content.decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text), delimiter=delimiter)) == [
        HEADINGS,
        ["Åsa; Öberg", f"413606{point}110", "2026-07-01 14:30:00", "2026-07-01", "3"],
        ["'=HYPERLINK(1)", "", "", "", f"0{point}5"],
        ["", f"1234567890123456{point}789", "", "", ""],
    ]
    assert response["Content-Disposition"] == 'attachment; filename="lista.csv"'
    event = AuditEvent.objects.get(event="data.exported")
    assert (event.target, event.detail) == ("lista.csv", {"rows": 3})


def test_excel(request_of):
    response = table_file(request_of, "xlsx", "lista", HEADINGS, (row for row in ROWS))
    sheet = openpyxl.load_workbook(io.BytesIO(response.content)).active
    assert [[cell.value for cell in row] for row in sheet.rows] == [
        HEADINGS,
        ["Åsa; Öberg", 413606.11, datetime(2026, 7, 1, 14, 30), datetime(2026, 7, 1), 3],
        ["=HYPERLINK(1)", None, None, None, 0.5],
        [None, "1234567890123456.789", None, None, None],
    ]
    assert sheet["A3"].data_type == "s"  # a text, not a formula
    assert sheet["B2"].number_format == "0.000"
    assert sheet["A1"].font.bold
    assert sheet.auto_filter.ref == "A1:E4"


def test_unknown_kind(request_of):
    with pytest.raises(KeyError):
        table_file(request_of, "pdf", "lista", HEADINGS, ROWS)
    assert not AuditEvent.objects.filter(event="data.exported").exists()


def test_nothing_to_tell(request_of):
    assert table_file(request_of, "xlsx", "tom", HEADINGS, []).content
    assert table_file(request_of, "csv", "tom", HEADINGS, []).content.decode("utf-8-sig").count("\r\n") == 1
