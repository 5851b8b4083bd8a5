"""The exports' pages: building with a preview, copying, JSON, making once, receipts, sending again, as a job."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from avlas.meters.models import Installation
from avlas.system.models import AuditEvent, Job
from avlas.transfer.models import ExportTemplate, Place, Receipt


@pytest.fixture
def clerk(north, sign_in):
    return sign_in(north.superuser)


@pytest.fixture
def own(north):
    return ExportTemplate.objects.get(utility=north.utility)


def form_of(*columns, **fields):
    """A posted builder, as a browser sends it."""
    return {
        "name": "Vår export", "group": "all", "medium": "none", "role": "none", "only_installed": "on", "interval": "period",
        "borders": "standard", "kind": "separated", "file_name": "{name}.csv", "encoding": "utf-8", "newline": "crlf",
        "header": "on", "language": "sv", "separator": ";", "quote": '"', "quoting": "needed", "decimal": ",",
        "thousands": "none", "date": "dd-MM-yyyy HH:mm", "zone": "standard", "column_code": list(columns),
        "column_heading": [""] * len(columns), "column_text": [""] * len(columns), "column_unit": ["own"] * len(columns),
        "column_decimals": [""] * len(columns), "column_width": ["12"] * len(columns),
        "column_side": ["left"] * len(columns), "column_fill": [" "] * len(columns),
        "column_overflow": ["refuse"] * len(columns), **fields,
    }  # fmt: skip


def test_building_step_by_step_without_scripts(clerk, north):
    url = reverse("export_add")
    said = clerk.post(url, form_of(act="add", new=["serial", "customer"])).content.decode()
    assert north.meters[0].serial in said
    assert "Nordby Öberg" in said
    said = clerk.post(url, form_of("serial", "customer", act="up-1")).content.decode()
    assert said.index('value="customer"') < said.index('value="serial"')
    said = clerk.post(url, form_of("serial", "customer", act="remove-0")).content.decode()
    assert 'name="column_code" value="serial"' not in said
    assert not ExportTemplate.objects.filter(name="Vår export").exists()
    assert clerk.post(url, form_of("serial", "customer", act="save")).status_code == 302
    saved = ExportTemplate.objects.get(name="Vår export")
    assert [one.code for one in saved.read().columns] == ["serial", "customer"]
    assert saved.created_by == north.superuser
    again = clerk.post(url, form_of("serial", act="save"))
    assert again.status_code == 422
    assert "redan en export" in again.content.decode()


def test_the_preview_is_live(clerk):
    url = reverse("export_add")
    said = clerk.post(
        url, form_of("serial", separator="tab"), headers={"HX-Request": "true"}
    ).content.decode()
    assert "<pre" in said
    assert "<form" not in said
    wrong = clerk.post(url, form_of("serial", date="DD.MM"), headers={"HX-Request": "true"}).content.decode()
    assert "ingen del av ett datum" in wrong
    narrow = form_of("serial", kind="fixed", column_width=["3"])
    assert "bredare" in clerk.post(url, narrow, headers={"HX-Request": "true"}).content.decode()
    excel = clerk.post(url, form_of("serial", kind="excel"), headers={"HX-Request": "true"}).content.decode()
    assert "<table" in excel
    none = clerk.post(url, form_of(), headers={"HX-Request": "true"}).content.decode()
    assert "minst en kolumn" in none


@pytest.mark.parametrize("code", ["", "billing", "readings", "hours", "fixed", "excel"])
def test_every_format_opens_in_the_builder(clerk, code):
    assert clerk.get(reverse("export_add"), {"from": code}).status_code == 200


def test_copied_taken_out_and_in_and_removed(clerk, own, north, south, sign_in):
    answer = clerk.post(reverse("export_copy", args=[own.pk]))
    copied = ExportTemplate.objects.get(name="Kopia av Nordby export")
    assert answer.url == reverse("export_edit", args=[copied.pk])
    assert clerk.get(answer.url).status_code == 200
    content = clerk.get(reverse("export_file", args=[own.pk])).content
    assert json.loads(content)["name"] == "Nordby export"
    assert clerk.post(reverse("export_delete", args=[own.pk])).status_code == 302
    client = sign_in(south.superuser)
    file = SimpleUploadedFile("x.json", content)
    assert client.post(reverse("export_upload"), {"file": file}).status_code == 302
    there = ExportTemplate.objects.get(utility=south.utility, name="Nordby export")
    assert there.read() == copied.read()
    for wrong in (b"\xff", b"[]", b"{", b"[" * 100_000, b'{"format": "avlas export 1"}'):
        answer = client.post(
            reverse("export_upload"), {"file": SimpleUploadedFile("x.json", wrong)}, follow=True
        )
        assert "togs inte in" in answer.content.decode()


def test_made_once_and_downloaded(clerk, own, north):
    url = reverse("export_make", args=[own.pk])
    assert clerk.get(url).status_code == 200
    today = datetime.now(UTC).date()
    period = {"period": "dates", "from": str(today - timedelta(days=20)), "to": str(today)}
    answer = clerk.post(url, period)
    content = b"".join(answer.streaming_content).decode("iso8859-1")
    assert answer["Content-Disposition"].startswith('attachment; filename="debitering_')
    assert content.startswith("Anläggning;Kundnummer;")
    assert "Nordby-1" in content
    receipt = Receipt.objects.get(utility=north.utility, made_by=north.superuser)
    assert receipt.downloaded_at
    assert AuditEvent.objects.filter(event="data.exported", target=receipt.file_name).exists()
    second = clerk.post(url, period)
    list(second.streaming_content)
    assert Receipt.objects.order_by("pk").last().again
    shown = clerk.get(reverse("receipts")).content.decode()
    assert "igen" in shown
    assert receipt.sha256 in clerk.get(reverse("receipt", args=[receipt.pk])).content.decode()
    kept = clerk.post(reverse("receipt_download", args=[receipt.pk]))
    assert b"".join(kept.streaming_content).decode("iso8859-1") == content
    assert (
        clerk.post(url, period | {"from": str(today), "to": str(today - timedelta(days=2))}).status_code
        == 422
    )


def test_a_receipts_period_is_whole_days_in_the_time_of_its_borders(clerk, own):
    for borders, clock in (("standard", "normaltid"), ("Europe/Stockholm", "Europe/Stockholm")):
        own.layout = own.layout | {"borders": borders}
        own.save()
        list(clerk.post(reverse("export_make", args=[own.pk]),
                        {"period": "dates", "from": "2026-06-01", "to": "2026-06-30"}).streaming_content)  # fmt: skip
        made = Receipt.objects.latest("pk")
        assert made.borders == borders
        text = clerk.get(reverse("receipt", args=[made.pk])).content.decode()
        assert "2026-06-01 – 2026-06-30" in text
        assert f"dygnen börjar vid midnatt i {clock}" in text
        assert "2026-06-01 – 2026-06-30" in clerk.get(reverse("receipts")).content.decode()


def test_made_once_and_sent_to_a_place(clerk, own, north, tmp_path, settings):
    settings.TRANSFER_FOLDERS = [str(tmp_path)]
    Place.objects.filter(utility=north.utility).update(folder=str(tmp_path / "nix"))
    place = Place.objects.get(utility=north.utility)
    answer = clerk.post(
        reverse("export_make", args=[own.pk]), {"place": place.pk, "period": "last_month"}, follow=True
    )
    receipt = Receipt.objects.get(utility=north.utility, made_by=north.superuser)
    assert receipt.state == "failed"
    assert "finns inte själva mappen" in answer.content.decode()
    (tmp_path / "nix").mkdir()
    clerk.post(reverse("receipt_send", args=[receipt.pk]), {"place": place.pk})
    receipt.refresh_from_db()
    assert (receipt.state, receipt.again) == ("sent", False)
    assert [path.name for path in (tmp_path / "nix").iterdir()] == [receipt.file_name]
    warned = clerk.get(reverse("export_make", args=[own.pk]), {"period": "last_month"}).content.decode()
    assert "redan sänd till Nordby debitering" in warned
    clerk.post(reverse("receipt_send", args=[receipt.pk]), {"place": place.pk})
    receipt.refresh_from_db()
    assert receipt.again


def test_never_to_another_utilitys_place(clerk, own, south):
    place = Place.objects.get(utility=south.utility)
    assert clerk.post(reverse("export_make", args=[own.pk]), {"place": place.pk}).status_code == 404
    assert not Receipt.objects.exclude(made_by=None).exists()


def test_too_many_rows_are_a_jobs_work(clerk, own, monkeypatch):
    from avlas.web.pages import exports

    monkeypatch.setattr(exports, "_MOST_ROWS_AT_ONCE", 1)
    answer = clerk.post(reverse("export_make", args=[own.pk]), {"period": "last_month"})
    assert answer.status_code == 422
    assert "mer än en miljon" in answer.content.decode()


def test_as_a_job_of_the_own_utility(clerk, own, north, south):
    url = reverse("job_add") + "?kind=export"
    said = clerk.get(url).content.decode()
    assert "Nordby export" in said
    assert "Söderby" not in said
    place = Place.objects.get(utility=north.utility)
    fields = {
        "kind": "export", "name": "Nattexport", "pattern": "daily", "daily_at": "06:00", "time_zone": "Europe/Stockholm",
        "parameter_template": own.pk, "parameter_place": place.pk, "parameter_period": "yesterday",
    }  # fmt: skip
    assert clerk.post(url, fields).status_code == 302
    job = Job.objects.get(name="Nattexport")
    shown = clerk.get(reverse("job", args=[job.pk])).content.decode()
    assert "Nordby export" in shown
    assert "I går" in shown
    other = Place.objects.get(utility=south.utility)
    assert clerk.post(url, fields | {"name": "x", "parameter_place": other.pk}).status_code == 422


def test_who_may_not(north, sign_in, own):
    client = sign_in(north.user)
    for name, args in (("export_add", []), ("receipts", []), ("export_edit", [own.pk])):
        assert client.get(reverse(name, args=args)).status_code == 403
    assert (
        f'href="{reverse("export_edit", args=[own.pk])}"'
        not in client.get(reverse("exports")).content.decode()
    )
    make = reverse("export_make", args=[own.pk])
    assert client.get(make).status_code == 200
    october = {"period": "month", "month": "2026-10"}
    assert client.post(make, october).status_code == 200  # a user takes data out, but sends nothing anywhere
    assert client.post(make, {**october, "place": "1"}).status_code == 403


def test_installed_meters_alone_unless_asked(clerk, north):
    url = reverse("export_add")
    assert Installation.objects.filter(meter=north.meters[1]).count() == 0
    head = {"HX-Request": "true"}
    assert north.meters[1].serial not in clerk.post(url, form_of("serial"), headers=head).content.decode()
    every = form_of("serial", only_installed="")
    every.pop("only_installed")
    assert north.meters[1].serial in clerk.post(url, every, headers=head).content.decode()
