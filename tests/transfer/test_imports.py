"""Tables of customers, metering points and meters: checked, taken in, undone, by the same rules as the forms."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from tests.transfer.conftest import reasons

from avlas.meters import installing, points
from avlas.meters.keys import Who
from avlas.meters.models import (
    Customer,
    Group,
    Installation,
    Meter,
    MeterAddress,
    MeteringPoint,
    Occupancy,
)
from avlas.system.models import AuditEvent, Utility
from avlas.transfer.imports import deeds as deeds_of_rows
from avlas.transfer.imports import register_row, work
from avlas.transfer.imports.models import Import, ImportDeed, ImportFile, ImportRow

HEAD = "Kundnr;Namn;E-post;Anläggningsid;Adress;N;E;Mätarnr;Fabrikat;Medium;Installerad;Grupp\n"
ANNA = "K1;Anna Åberg;anna@example.org;735001;Älvgatan 1;6580822;674032;67000001;KAM;fjärrvärme;2025-03-01;Centrum\n"
BO = "K2;Bo Öst;;735002;Älvgatan 2;;;67000002;Kamstrup;värme;31-12-2024;Centrum, Norr\n"
MODELS = (Customer, MeteringPoint, Meter, MeterAddress, Installation, Occupancy, Group)


def there() -> list[int]:
    return [model.objects.count() for model in MODELS]


def test_the_check_changes_nothing_and_says_what_would_be_done(clerk):
    one = clerk.checks(HEAD + ANNA + BO)
    assert one.status == "checked"
    assert one.counts == {
        "new": 2, "rows": 2, "customer_added": 2, "point_added": 2, "meter_added": 2, "installed": 2, "moved": 2, "member": 3,
    }  # fmt: skip
    assert there() == [0] * 7


def test_a_table_is_taken_in(clerk):
    one = clerk.takes_in(HEAD + ANNA + BO)
    assert (one.status, one.counts["result"]["installed"]) == ("done", 2)
    meter = Meter.objects.get(serial="67000001")
    assert (str(meter), meter.medium, meter.groups.get().name) == ("KAM67000001", "heat", "Centrum")
    assert meter.addresses.get().identifier == "KAM67000001"
    place = meter.installations.get()
    assert place.from_at == datetime(2025, 2, 28, 23, tzinfo=UTC)  # 00:00 standard time
    assert (place.point.latitude, place.point.longitude) == pytest.approx((59.330231, 18.059196), abs=2e-5)
    stay = place.point.occupancies.get()
    assert (stay.customer.name, stay.from_at) == ("Anna Åberg", datetime(2025, 12, 31, 23, tzinfo=UTC))
    assert not ImportFile.objects.filter(of=one).exists()
    assert not ImportRow.objects.filter(of=one).exists()
    told = AuditEvent.objects.get(event="imports.taken_in")
    assert told.user == clerk.user
    assert told.detail["customer_added"] == ["K1", "K2"]
    assert "Anna" not in str(told.detail)


def test_the_same_file_again_changes_nothing(clerk):
    clerk.takes_in(HEAD + ANNA + BO)
    before = there()
    again = clerk.checks(HEAD + ANNA + BO)
    assert again.counts == {"same": 2, "rows": 2}
    assert clerk.works(again, "take_in").status == "done"
    assert there() == before


def test_what_is_there_is_changed_and_empty_cells_change_nothing(clerk):
    clerk.takes_in(HEAD + ANNA)
    text = "Kundnr;Namn;E-post\nK1;Anna Ek;\n"
    assert clerk.checks(text, existing="leave").counts == {"same": 1, "rows": 1}
    one = clerk.takes_in(text)
    assert one.counts["result"] == {"customer_changed": 1}
    customer = Customer.objects.get()
    assert (customer.name, customer.email) == ("Anna Ek", "anna@example.org")


def test_figures_and_days_of_a_meter_are_changed_and_changed_back(clerk):
    head = "Mätarnr;Fabrikat;qp;Revision;Plombering\n"
    clerk.takes_in(head + "10;KAM;0,6;2030;A1\n11;KAM;1,5;2031;\n12;KAM;;;\n")
    before = list(Meter.objects.order_by("serial").values())
    one = clerk.takes_in(head + "10;KAM;1,5;2030;A2\n11;KAM;1,5;2032-03-01;B\n12;KAM;;;\n")
    assert one.counts["result"] == {"meter_changed": 2}
    names = ("qp_m3h", "revision_due", "seals")
    assert list(Meter.objects.order_by("serial").values_list(*names)) == [
        (1.5, date(2030, 12, 31), "A2"), (1.5, date(2032, 3, 1), "B"), (None, None, ""),
    ]  # fmt: skip
    told = AuditEvent.objects.filter(event="imports.taken_in").latest("pk")
    assert told.detail["meter_changed"] == ["KAM10", "KAM11"]
    assert clerk.works(one, "undo").counts["undone"] == {"meter_changed": 2, "kept": 0}
    assert list(Meter.objects.order_by("serial").values()) == before


def test_an_address_that_another_utility_claims_is_contested_until_undone(clerk):
    other = Utility.objects.create(name="Söderby", slug="soderby")
    theirs = Meter.objects.create(utility=other, manufacturer="KAM", serial="67000001")
    installing.found_by_radio(other, [(theirs.pk, "KAM67000001")])
    one = clerk.takes_in(HEAD + ANNA + BO)
    contested = MeterAddress.objects.filter(contested=True)
    assert set(contested.values_list("identifier", flat=True)) == {"KAM67000001"}
    assert contested.count() == 2
    clerk.works(one, "undo")
    assert list(MeterAddress.objects.values_list("meter_id", "contested")) == [(theirs.pk, False)]


BAD = {
    "K1;A;fel;1;;;;2;KAM;heat;;": ("E-post", "fel", "not an e-mail"),
    ";Anna;;1;;;;2;KAM;heat;;": ("Kundnr", "", "customer number is missing"),
    "K1;A;;1;;59,3;;2;KAM;heat;;": ("N", "59,3", "Both coordinates"),
    "K1;A;;1;;18;59;2;KAM;heat;;": ("N, E", "18, 59", "outside the Nordic"),
    "K1;A;;1;;;;2;Okänd AB;heat;;": ("Fabrikat", "Okänd AB", "three letters"),
    "K1;A;;1;;;;2;;heat;;": ("", "", "maker is missing"),
    "K1;A;;1;;;;2;KAM;kol;;": ("Medium", "kol", "no medium"),
    "K1;A;;1;;;;2;KAM;heat;2199-01-01;": ("Installerad", "2199-01-01", "in the future"),
    "K1;A;;1;;;;2;KAM;heat;31/31/2020;": ("Installerad", "31/31/2020", "no such day"),
    "K1;A;;1;;;;=B2;KAM;heat;;": ("Mätarnr", "=B2", "a formula"),
    "K1;A;;1;;;;6,7E+07;KAM;heat;;": ("Mätarnr", "6,7E+07", "rounded"),
    "K1;A;;1;;;;6 7_;KAM;heat;;": ("Mätarnr", "6 7_", "only letters"),
    "K1;" + "A" * 201 + ";;1;;;;2;KAM;heat;;": ("Namn", "A" * 200, "too long"),
    "K1;A;;1;;;": ("", "", "has 7 columns"),
    "K1;A;;1;;;;2;KAM;heat;;;mer": ("", "", "has 13 columns"),
}


def test_a_bad_row_is_refused_with_line_column_value_and_reason(clerk):
    one = clerk.checks(HEAD + "".join(f"{row}\n" for row in BAD))
    said = reasons(one)
    assert [row[0] for row in said] == list(range(2, len(BAD) + 2)), said
    for (line, column, value, reason), (number, expected) in zip(
        said, enumerate(BAD.values(), 2), strict=True
    ):
        assert (line, column, value) == (number, *expected[:2])
        assert expected[2] in reason
    clerk.works(one, "take_in", whole=False)
    assert there() == [0] * 7


def test_the_good_rows_alone(clerk):
    one = clerk.checks(HEAD + ANNA + "K9;X;fel\n" + BO)
    assert (one.counts["new"], one.counts["refused"]) == (2, 1)
    one = clerk.works(one, "take_in", whole=False)
    assert one.status == "done"
    assert Customer.objects.count() == 2
    assert reasons(one)  # they stay to be looked at


def test_the_end_of_half_a_file_is_refused(clerk):
    one = clerk.checks(HEAD + ANNA + BO[:30])
    assert [reason[3] for reason in reasons(one)] == [
        "The file ends in the middle of this line. It is not whole: fetch it again."
    ]


def test_lines_that_contradict_each_other(clerk):
    other = ANNA.replace("Anna Åberg", "Anna Ek")
    elsewhere = "K1;;;735009;;;;67000001;KAM;;;\n"
    main = "K1;;;735001;;;;67000077;KAM;;;\n"
    lives = "K2;;;735001;;;;;;;;\n"
    one = clerk.checks(HEAD + ANNA + ANNA + other + elsewhere + main + lives)
    assert [(row[0], row[1], row[3]) for row in reasons(one)] == [
        (4, "Namn", "Line 2 says otherwise of the same one: Anna Åberg."),
        (5, "Mätarnr", "Line 2 puts the same meter to 735001."),
        (6, "Anläggningsid",
         "Line 2 puts another main meter there. A second one is a sub-meter or control meter."),
        (7, "Kundnr", "Line 2 gives the same metering point to customer K1."),
    ]  # fmt: skip
    assert one.counts["same"] == 1  # the line that stands there twice


def test_sub_meters_and_a_point_on_several_lines(clerk):
    text = ("Anläggningsid;Adress;Mätarnr;Fabrikat;Roll\n1;Gatan 1;10;KAM;Huvudmätare\n1;;11;KAM;undermätare\n"
            "1;Gatan 1;12;KAM;kontroll\n")  # fmt: skip
    clerk.takes_in(text)
    assert sorted(Installation.objects.values_list("role", flat=True)) == ["control", "main", "sub"]
    assert MeteringPoint.objects.count() == 1


WHO = Who()
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("trouble", ["installed", "retired", "before_its_end", "main_there", ""])
def test_installing_is_judged_as_the_form_does(clerk, trouble):
    point = MeteringPoint.objects.create(utility=clerk.utility, facility_id="1")
    other = MeteringPoint.objects.create(utility=clerk.utility, facility_id="2")
    meter = Meter.objects.create(utility=clerk.utility, manufacturer="KAM", serial="10")
    rival = Meter.objects.create(utility=clerk.utility, manufacturer="KAM", serial="11")
    if trouble == "installed":
        installing.install(meter, other, "main", LONG_AGO)
    elif trouble == "retired":
        installing.retire(meter, WHO)
    elif trouble == "before_its_end":
        installing.take_down(
            installing.install(meter, other, "main", LONG_AGO), datetime(2026, 2, 1, tzinfo=UTC), "x"
        )
    elif trouble == "main_there":
        installing.install(rival, point, "main", LONG_AGO)
    one = clerk.checks("Anläggningsid;Mätarnr;Fabrikat\n1;10;KAM\n")
    with transaction.atomic():
        expected = (
            pytest.raises(installing.Impossible, match=trouble) if trouble else contextlib.nullcontext()
        )
        with expected:
            installing.install(meter, point, "main", datetime(2025, 12, 31, 23, tzinfo=UTC))
        transaction.set_rollback(True)
    assert bool(trouble) == bool(one.counts.get("refused")), reasons(one)
    if not trouble:
        clerk.works(one, "take_in")
        assert meter.installations.get().point == point


def test_a_customer_moves_in_and_back_in_time_nobody_does(clerk):
    clerk.takes_in("Kundnr;Anläggningsid\nK1;1\n", since="2026-02-01")
    early = clerk.checks("Kundnr;Anläggningsid\nK2;1\n", since="2026-01-01")
    assert "changed hands on 2026-01-31" in reasons(early)[0][3]
    one = clerk.takes_in("Kundnr;Anläggningsid\nK2;1\n", since="2026-03-01")
    first, second = Occupancy.objects.order_by("from_at")
    assert first.to_at == second.from_at == datetime(2026, 2, 28, 23, tzinfo=UTC)
    clerk.works(one, "undo")
    assert [(stay.customer.number, stay.to_at) for stay in Occupancy.objects.all()] == [("K1", None)]


def test_an_import_is_undone_whole(clerk):
    before = there()
    one = clerk.takes_in(HEAD + ANNA + BO)
    one = clerk.works(one, "undo")
    assert (one.status, one.counts["undone"]["kept"]) == ("undone", 0)
    assert there() == before
    assert clerk.takes_in(HEAD + ANNA + BO).status == "done"


def test_many_rows_are_undone_in_several_parts(clerk, monkeypatch):
    monkeypatch.setattr(deeds_of_rows, "_ROWS", 2)
    before = there()
    one = clerk.takes_in(HEAD + ANNA + BO + "".join(f"K{n};A;;{n};;;;{n};KAM;;;\n" for n in range(3, 6)))
    deeds = one.deeds.order_by("pk")
    assert list(deeds.values_list("rows", flat=True)) == [2, 2, 1]
    assert [line for done in deeds.values_list("done", flat=True) for line, _deeds in done] == [2, 3, 4, 5, 6]
    one = clerk.works(one, "undo")
    assert (one.status, one.progress_done, one.counts["undone"]["kept"]) == ("undone", 5, 0)
    assert there() == before


def test_what_was_changed_or_used_since_stays_and_is_told(clerk):
    clerk.takes_in(HEAD + ANNA)
    one = clerk.takes_in(HEAD + ANNA.replace("Anna Åberg", "Anna Ek").replace("Älvgatan 1", "Ny gata") + BO)
    Customer.objects.filter(number="K1").update(name="Anna Alm")
    Customer.objects.filter(number="K2").update(phone="070")
    bo = MeteringPoint.objects.get(facility_id="735002")
    points.move(bo, Customer.objects.get(number="K1"), datetime(2026, 4, 1, tzinfo=UTC), WHO)
    one = clerk.works(one, "undo")
    kept = dict(ImportDeed.objects.get(of=one).kept)
    said = {line: sorted(why["text"] % why["values"] for why in whys) for line, whys in kept.items()}
    assert said == {
        2: ["K1 (name) has been changed since and is left as it is."],
        3: ["735002 is in use by now and is kept.", "K2 is in use by now and is kept.",
            "Somebody has moved at 735002 since; the occupancies stay."],
    }  # fmt: skip
    assert MeteringPoint.objects.get(facility_id="735001").address == "Älvgatan 1"
    assert Customer.objects.get(number="K1").name == "Anna Alm"
    assert not Meter.objects.filter(serial="67000002").exists()


def test_all_or_nothing_when_something_changed_since_the_check(clerk, monkeypatch):
    monkeypatch.setattr(work, "_FIRST", 1)
    monkeypatch.setattr(work, "_LARGEST", 1)
    monkeypatch.setattr(work, "_SMALLEST", 1)
    one = clerk.checks(HEAD + ANNA + BO)
    taken = Meter.objects.create(utility=clerk.utility, manufacturer="KAM", serial="67000002")
    other = MeteringPoint.objects.create(utility=clerk.utility, facility_id="9")
    installing.install(taken, other, "main", LONG_AGO)
    before = there()
    one = clerk.works(one, "take_in")
    assert (one.status, one.told["values"]["line"]) == ("columns", 3)
    assert there() == before


def test_a_worker_that_died_goes_on_where_it_was(clerk, monkeypatch):
    monkeypatch.setattr(work, "_FIRST", 1)
    monkeypatch.setattr(work, "_LARGEST", 1)
    monkeypatch.setattr(work, "_SMALLEST", 1)
    one = clerk.checks(HEAD + ANNA + BO)
    one.status = "take_in"
    one.save()

    def dies(done, _total):
        raise work.Interrupted

    with pytest.raises(work.Interrupted):
        work.do(one, dies)
    assert Customer.objects.count() == 1
    one = clerk.works(Import.objects.get(pk=one.pk))
    assert (one.status, one.counts["result"]["customer_added"]) == ("done", 2)
    assert clerk.works(one, "undo").status == "undone"
    assert Customer.objects.count() == 0


def test_somebody_adds_the_same_at_the_same_moment(clerk, monkeypatch):
    one = clerk.checks(HEAD + ANNA)
    register, calls = work.KINDS["register"], []

    def twice(*args, **kwargs):
        calls.append(1)
        made = register.take_in(*args, **kwargs)
        if len(calls) == 1:
            raise IntegrityError
        return made

    monkeypatch.setitem(work.KINDS, "register", replace(register, take_in=twice))
    one = clerk.works(one, "take_in")
    assert (one.status, one.counts["result"]["installed"], len(calls)) == ("done", 1, 2)
    assert Installation.objects.count() == Occupancy.objects.count() == 1


def test_a_mapping_that_no_longer_fits_is_told(clerk):
    one = clerk.hands_in(b"Kundnr;Namn\nK1;A\n")
    one.settings["columns"] = [["Kundnr", "customer.number"], ["Mobil", "customer.phone"]]
    one.save()
    one = clerk.works(one)
    assert one.status == "columns"
    assert one.told["values"] == {"missing": "Mobil", "found": "Kundnr, Namn"}


def test_another_utilitys_rows_are_left_alone(clerk):
    other = Utility.objects.create(name="Söderby", slug="soderby")
    Customer.objects.create(utility=other, number="K1", name="Annan")
    Meter.objects.create(utility=other, manufacturer="KAM", serial="67000001")
    one = clerk.takes_in(HEAD + ANNA)
    assert Customer.objects.get(utility=other).name == "Annan"
    assert clerk.works(one, "undo").counts["undone"]["kept"] == 0
    assert Customer.objects.get().utility == other


def test_lengths_are_those_of_the_columns():
    models = {"customer": Customer, "point": MeteringPoint, "meter": Meter}
    for code, longest in register_row.LONGEST.items():
        part, _dot, name = code.partition(".")
        if part in models:
            assert models[part]._meta.get_field(name).max_length == longest, code


def test_old_imports_are_forgotten(clerk):
    done = clerk.takes_in(HEAD + ANNA)
    left = clerk.checks(HEAD + BO)
    now = datetime.now(UTC)
    assert work.can_be_undone(done, now)
    work.forget_old(now + timedelta(days=8))
    assert not Import.objects.filter(pk=left.pk).exists()
    work.forget_old(now + timedelta(days=31))
    assert not ImportDeed.objects.exists()
    assert not work.can_be_undone(done, now)
    assert Customer.objects.count() == 1
