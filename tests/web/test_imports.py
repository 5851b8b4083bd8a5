"""The pages of imports: from handing in a file to undoing it, as somebody does it in the browser."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from avlas.meters.models import Customer, Meter
from avlas.system.models import Job, JobRun
from avlas.transfer.imports import work
from avlas.transfer.imports.models import Import, ImportMapping, ImportRow

TABLE = "Kundnr;Namn;Anläggningsid;Adress;Mätarnr;Fabrikat\nK7;Åsa Öberg;735007;Älvgatan 7;67000007;KAM\n"
BAD = "K8;<b>Bo</b>;735008;Älvgatan 8;67000008;Okänd fabrik\n"


@pytest.fixture
def clerk(north, sign_in):
    north.superuser.language = "en"
    north.superuser.save()
    return sign_in(north.superuser)


def hand_in(client, data: bytes, name: str = "kunder.csv", **more) -> Import:
    answer = client.post(
        reverse("import_add"), {"file": SimpleUploadedFile(name, data), "kind": "register", **more}
    )
    assert answer.status_code == 302, answer.context["form"].errors
    return Import.objects.latest("pk")


def shown(client, one: Import):
    """The columns' page, and what its form says as it stands."""
    answer = client.get(reverse("import_columns", args=[one.pk]))
    form, how = answer.context["form"], answer.context["how"]
    said = {field.html_name: field.value() or "" for field in (*form, *how)}
    return answer, said


def test_from_the_file_to_the_register_and_back(clerk, north):
    from avlas.job_kinds import KINDS
    from avlas.system import jobs

    jobs.ensure_standing(KINDS)
    one = hand_in(clerk, (TABLE + BAD).encode("cp1252"))
    answer, said = shown(clerk, one)
    text = answer.content.decode()
    assert "guessed: Windows-1252" in text
    assert "Älvgatan 7" in text
    assert said["column_3"] == "point.address"
    address = reverse("import_one", args=[one.pk])
    answer = clerk.post(reverse("import_columns", args=[one.pk]), said | {"save_as": "Kundregistret"})
    assert answer.url == address
    assert ImportMapping.objects.get(name="Kundregistret").settings["columns"][0] == [
        "Kundnr",
        "customer.number",
    ]
    assert JobRun.objects.get(job__kind=work.JOB).asked_by == north.superuser  # the worker is called at once
    work.do(Import.objects.get(pk=one.pk))
    answer = clerk.get(address)
    text = answer.content.decode()
    assert answer.context["refused"] == 1
    assert "Okänd fabrik" in text
    clerk.post(reverse("import_take_in", args=[one.pk]))  # whole: not with a refused row
    one.refresh_from_db()
    assert one.status == "checked"
    clerk.post(reverse("import_take_in", args=[one.pk]), {"good_only": "1"})
    one.refresh_from_db()
    assert one.status == "take_in"
    work.do(one)
    assert Meter.objects.filter(utility=north.utility, serial="67000007").exists()
    file = clerk.get(reverse("import_refused", args=[one.pk]) + "?as=csv").content.decode("utf-8-sig")
    assert file.splitlines()[1].startswith("3,Fabrikat,Okänd fabrik,")
    assert clerk.get(reverse("import_undo", args=[one.pk])).context["possible"]
    clerk.post(reverse("import_undo", args=[one.pk]))
    one.refresh_from_db()
    work.do(one)
    assert not Customer.objects.filter(number="K7").exists()
    assert "What was undone" in clerk.get(address).content.decode()


def test_what_lies_in_cells_is_never_markup(clerk):
    one = hand_in(clerk, (TABLE + BAD.replace("Okänd fabrik", "KAM")).encode())
    _answer, said = shown(clerk, one)
    clerk.post(reverse("import_columns", args=[one.pk]), said)
    work.do(Import.objects.get(pk=one.pk))
    text = clerk.get(reverse("import_one", args=[one.pk]) + "?show=new").content.decode()
    assert "&lt;b&gt;Bo" in text
    assert "<b>Bo" not in text


def test_a_wrong_guess_is_put_right(clerk):
    one = hand_in(clerk, TABLE.replace(";", "#").encode())
    address = reverse("import_columns", args=[one.pk])
    answer, said = shown(clerk, one)
    assert answer.context["table"].headings != ["Kundnr"]
    one.settings = {"delimiter": "#", "heading_line": 1}
    one.save()
    _answer, said = shown(clerk, one)
    assert said["column_0"] == "customer.number"
    answer = clerk.post(address, said | {"encoding": "mac_roman", "again": "1"}, follow=True)
    assert answer.context["table"].how.encoding == "mac_roman"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"column_0": ""}, "Which column holds the customer number?"), ({"column_1": "customer.number"}, "is that already"),
     ({"column_5": ""}, "Which column holds the maker?"), ({"since": "2199-01-01"}, "in the future"),
     ({"column_4": "", "column_5": ""} | {f"column_{n}": "" for n in range(4)}, "Say of at least one column"),
     ({"column_1": "point.north"}, "Both coordinates are needed")],
)  # fmt: skip
def test_what_is_missing_among_the_columns_is_said(clerk, changes, reason):
    one = hand_in(clerk, TABLE.encode())
    _answer, said = shown(clerk, one)
    answer = clerk.post(reverse("import_columns", args=[one.pk]), said | changes)
    assert answer.status_code == 422
    assert reason in answer.content.decode()


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"PK\3\4 half"])
def test_a_file_that_is_no_table_is_refused_beside_the_field(clerk, data):
    count = Import.objects.count()
    answer = clerk.post(
        reverse("import_add"), {"file": SimpleUploadedFile("x.xlsx", data), "kind": "register"}
    )
    assert answer.status_code == 422
    assert answer.context["form"].errors["file"]
    assert Import.objects.count() == count


def test_a_saved_mapping_that_does_not_fit_is_told_and_the_rest_is_used(clerk, north):
    mapping = ImportMapping.objects.create(
        utility=north.utility, kind="register", name="Gammal",
        settings={"columns": [["Kundnr", "customer.number"], ["Mobil", "customer.phone"]]},
    )  # fmt: skip
    one = hand_in(clerk, TABLE.encode(), mapping=mapping.pk)
    answer, said = shown(clerk, one)
    assert "no column “Mobil”" in answer.content.decode()
    assert (said["column_0"], said["column_1"]) == ("customer.number", "")


def test_a_file_is_thrown_away(clerk):
    one = hand_in(clerk, TABLE.encode())
    clerk.post(reverse("import_throw_away", args=[one.pk]))
    assert not Import.objects.filter(pk=one.pk).exists()
    assert not ImportRow.objects.filter(of_id=one.pk).exists()


def test_the_duty_under_gdpr_is_said_before_a_file_is_handed_in(clerk):
    assert "GDPR" in clerk.get(reverse("import_add")).content.decode()


def test_the_job_works_through_what_waits(clerk, north):
    from threading import Event

    from avlas.job_kinds import KINDS
    from avlas.system import jobs

    one = hand_in(clerk, TABLE.encode())
    _answer, said = shown(clerk, one)
    clerk.post(reverse("import_columns", args=[one.pk]), said)
    jobs.ensure_standing(KINDS)
    jobs.run_now(Job.objects.get(kind=work.JOB), north.superuser)
    while jobs.work_once({work.JOB: KINDS[work.JOB]}, Event()):
        pass
    one.refresh_from_db()
    assert one.status == "checked"
    assert "kunder.csv" in JobRun.objects.get(job__kind=work.JOB).lines.get().values["name"]


def test_a_file_that_is_recognised_is_checked_without_columns(clerk, north):
    from tests.transfer.test_mscons import interchange

    sent = interchange("LOC+90+735::9'LIN+1'MEA+AAZ++KWH'QTY+136:1'DTM+324:202601010000202601010100:719'")
    one = hand_in(clerk, sent, "matvarden.edi")
    assert (one.status, one.kind) == ("check", "readings")
    address = reverse("import_one", args=[one.pk])
    assert "Recognised: MSCONS (EDIFACT)." in clerk.get(address).content.decode()
    assert clerk.get(reverse("import_columns", args=[one.pk])).url == address
    work.do(one)
    text = clerk.get(address).content.decode()
    assert "No main meter was installed at this metering point" in text
    assert "Segment</th>" in text
    assert reverse("import_columns", args=[one.pk]) not in text
    broken = hand_in(clerk, sent[:-9], "halv.edi")
    work.do(broken)
    text = clerk.get(reverse("import_one", args=[broken.pk])).content.decode()
    assert "It is not whole: fetch it again." in text
    assert "Throw it away" in text
    assert reverse("import_columns", args=[broken.pk]) not in text


def test_a_gateways_report_comes_with_its_columns_filled_in(clerk, north):
    one = hand_in(clerk, b"00000161;05047168;2009-12-17 00:00:00;00;08147268710405ac4841034700000000\r\n")
    answer, said = shown(clerk, one)
    assert (said["column_2"], said["column_4"], said["delimiter"]) == ("reading.at", "reading.telegram", ";")
    assert "Recognised: Elvaco" in answer.content.decode()
