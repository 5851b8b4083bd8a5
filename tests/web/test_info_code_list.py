"""The list of info codes and the case behind each meter, on both databases."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import translation
from openpyxl import load_workbook

from avlas.meters import cases
from avlas.meters.keys import Who
from avlas.meters.models import (
    Case,
    CaseEntry,
    Group,
    GroupMember,
    InfoEvent,
    Installation,
    Meter,
    MeteringPoint,
    MeterState,
)
from avlas.system.models import AuditEvent
from avlas.web.info_codes import Meanings, in_words

LEAK_IN_HEAT = 0x1000  # MULTICAL 403, bit 12
T1_ABOVE, LOW_BATTERY = 0x8, 0x2
WATER_LEAK, WATER_BURST, WATER_LEAK_FOR_21_DAYS = 0x4, 0x8, 0x1C00


def report(world, serial, *changes, now, family="multical_403", address="", medium="heat"):
    """A meter whose info code changed at ``changes``: (days ago, code), ...; it was read a minute ago."""
    meter = Meter.objects.create(utility=world.utility, manufacturer="KAM", serial=serial, family=family,
                                 model=family, medium=medium)  # fmt: skip
    if address:
        point = MeteringPoint.objects.create(
            utility=world.utility, facility_id=serial, address=address, city="Ort"
        )
        Installation.objects.create(point=point, meter=meter, from_at=now - timedelta(days=400))
    before = None
    for days, code in changes:
        InfoEvent.objects.create(meter=meter, at=now - timedelta(days=days), code=code, code_before=before)
        before = code
    read = now - timedelta(minutes=1)
    MeterState.objects.create(utility=world.utility, address=serial.rjust(16, "0"), meter=meter, manufacturer="KAM",
                              identification=serial, version=0x34, device_type=4, first_heard_at=read,
                              last_heard_at=read, last_read_at=read, info_code=before)  # fmt: skip
    return meter


@pytest.fixture
def codes(north):
    """North's own meter with an info code is made silent; four others report."""
    now = datetime.now(UTC).replace(microsecond=0)
    InfoEvent.objects.all().delete()
    MeterState.objects.update(info_code=0)
    return {
        "leak": report(north, "11111111", (60, 0), (2, LEAK_IN_HEAT), now=now, address="Ängsvägen 3"),
        "both": report(north, "22222222", (40, T1_ABOVE), (1, T1_ABOVE | LOW_BATTERY), now=now, address="Åsen 1"),
        "water": report(north, "33333333", (22, WATER_LEAK), (0.1, WATER_BURST | WATER_LEAK_FOR_21_DAYS | WATER_LEAK),
                        now=now, family="multical_21", medium="cold water"),
        "past": report(north, "44444444", (25, LOW_BATTERY), (20, 0), now=now, address="Zenit 9"),
        "long_past": report(north, "55555555", (90, LOW_BATTERY), (31, 0), now=now),
    }  # fmt: skip


def serials(answer):
    return "".join(row.meter.serial[0] for row in answer.context["rows"])


def test_gravest_and_newest_first_and_in_words(north, sign_in, codes):
    client = sign_in(north.user)
    with translation.override("en"):
        answer = client.get(reverse("info_codes"), headers={"accept-language": "en"})
    assert serials(answer) == "3124"  # burst; leak; t1 above range; only historical
    water, leak, both, past = answer.context["rows"]
    assert "▲" in answer.content.decode()
    assert len(water.active) == 2
    assert water.active[0].code == "burst"
    assert "21" in water.historical[0].text  # the meter's own memory
    assert water.historical[0].code == "leak_recorded_22_31_days"
    assert [one.code for one in both.active] == ["t1_above_range", "low_battery"]
    assert both.since_at == codes["both"].info_events.order_by("-at").first().at
    assert [one.code for one in leak.historical] == [one.code for one in leak.active]
    assert (past.active, past.is_acknowledged) == ((), False)
    assert serials(client.get(reverse("info_codes"), {"sort": "address"})) == "3421"  # none, Z, Å, Ä


@pytest.mark.parametrize(
    ("days", "english"),
    [(2, "2-3 days"), (0.2, "1-8 hours"), (25, "more than 21 days"), (60, "more than 21 days")],
)
def test_how_long_a_heat_meter_showed_it(north, sign_in, days, english):
    now = datetime.now(UTC)
    InfoEvent.objects.all().delete()
    report(north, "66666666", (days, T1_ABOVE), now=now)
    sign_in(north.user)
    with translation.override("en"):
        meanings = Meanings()
        events = [(int(one.at.timestamp()), one.code) for one in InfoEvent.objects.all()]
        second = int(now.timestamp())
        said = meanings.recorded("multical_403", T1_ABOVE, events, second - 30 * 86400, second)
    (active,) = in_words("multical_403", T1_ABOVE)
    assert said[0].text.endswith(f"has been recorded for {english} within the last 30 days")
    assert said[0].code == active.code


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "ängsvägen"}, "1"),
        ({"q": "2222"}, "2"),
        ({"q": "zz"}, ""),
        ({"show": "past"}, "4"),
        ({"show": "active"}, "312"),
        ({"show": "mine"}, ""),
        ({"medium": "cold water"}, "3"),
        ({"code": "low_battery"}, "24"),  # active or recorded
        ({"code": "leak"}, "3"),
        ({"code": "nonsense"}, ""),
        ({"group": "ungrouped"}, "324"),
        ({"group": "g999999"}, ""),
        ({"sort": "-since"}, "3214"),
        ({"sort": "nonsense", "page": "99"}, "3124"),
        ({"q": "\0'; DROP TABLE x; --"}, ""),
    ],
)
def test_search_filter_and_order(north, sign_in, codes, query, found):
    group = Group.objects.create(utility=north.utility, name="Norr")
    GroupMember.objects.create(group=group, meter=codes["leak"])
    client = sign_in(north.user)
    assert serials(client.get(reverse("info_codes"), query)) == found
    if query == {"group": "ungrouped"}:
        assert serials(client.get(reverse("info_codes"), {"group": f"g{group.pk}"})) == "1"


def test_export_with_the_columns_chosen_and_remembered(north, sign_in, codes):
    client = sign_in(north.user)
    address = reverse("info_codes_export")
    answer = client.get(address, {"as": "csv", "show": "active"})
    lines = list(csv.reader(io.StringIO(answer.content.decode().removeprefix("\ufeff")), delimiter=";"))
    assert len(lines[0]) == 5
    assert [line[2] for line in lines[1:]] == ["33333333", "11111111", "22222222"]
    assert "; " in lines[3][3]  # several active codes joined
    client.get(address, {"as": "xlsx", "column": ["serial", "active", "nonsense"]})
    answer = client.get(address, {"as": "xlsx", "column": ["serial", "since"]})
    sheet = load_workbook(io.BytesIO(answer.content)).active
    assert [cell.value for cell in sheet["A"]][1:] == ["33333333", "11111111", "22222222", "44444444"]
    assert sheet.max_column == 2
    picked = [name for name, _title, chosen in client.get(reverse("info_codes")).context["columns"] if chosen]
    assert picked == ["serial", "since"]
    assert AuditEvent.objects.filter(event="data.exported").count() == 3


def test_acknowledging_many_and_a_new_code_afterwards(north, sign_in, codes):
    client = sign_in(north.superuser)
    client.post(
        reverse("info_codes_acknowledge"), {"meter": [codes["leak"].pk, codes["both"].pk, "x", "9" * 30]}
    )
    assert serials(client.get(reverse("info_codes"), {"show": "new"})) == "3"
    assert Case.objects.filter(acknowledged_at__isnull=False).count() == 2
    assert AuditEvent.objects.filter(event="cases.acknowledged", user=north.superuser).count() == 2
    InfoEvent.objects.create(meter=codes["leak"], at=datetime.now(UTC) + timedelta(seconds=5),
                             code=LEAK_IN_HEAT | T1_ABOVE)  # fmt: skip
    MeterState.objects.filter(meter=codes["leak"]).update(info_code=LEAK_IN_HEAT | T1_ABOVE)
    assert serials(client.get(reverse("info_codes"), {"show": "new"})) == "31"
    client.post(reverse("info_codes_acknowledge"), {"next": "https://evil.example/"}).url.startswith(
        "/info-codes/"
    )


def test_following_up(north, sign_in, codes):
    client, meter = sign_in(north.superuser), codes["leak"]
    address = reverse("meter_case", args=[meter.pk])
    until = (datetime.now(ZoneInfo("Europe/Stockholm")) + timedelta(days=7)).date()
    form = {"note": "Ringt kunden.", "assigned_to": north.user.pk, "snoozed_until": until.isoformat()}
    assert client.post(address, form | {"acknowledge": "1"}).status_code == 302
    case = Case.objects.get(point__facility_id="11111111")
    assert case.assigned_to == north.user
    assert case.snoozed_until.astimezone(ZoneInfo("Europe/Stockholm")).date() == until
    assert [one.what for one in case.entries.order_by("pk")] == [
        "noted",
        "assigned",
        "snoozed",
        "acknowledged",
    ]
    assert "Ringt kunden." in client.get(address).content.decode()
    assert serials(client.get(reverse("info_codes"))) == "324"
    assert serials(client.get(reverse("info_codes"), {"show": "snoozed"})) == "1"
    client.post(address, form | {"note": "", "snoozed_until": ""})  # only what was changed is noted
    assert [one.what for one in case.entries.order_by("pk")][4:] == ["woken"]
    assert not AuditEvent.objects.filter(event="cases.noted", detail__icontains="Ringt").exists()
    assert serials(sign_in(north.user).get(reverse("info_codes"), {"show": "mine"})) == "1"
    page = client.get(reverse("meter", args=[meter.pk])).content.decode()
    assert address in page


def test_what_cannot_be(north, south, sign_in, codes):
    client, address = sign_in(north.superuser), reverse("meter_case", args=[codes["leak"].pk])
    for form, field in (
        ({"assigned_to": south.user.pk}, "assigned_to"),
        ({"snoozed_until": "2020-01-01"}, "snoozed_until"),
        ({"snoozed_until": "9999-12-31"}, "snoozed_until"),
        ({"snoozed_until": "tomorrow"}, "snoozed_until"),
        ({"note": "x" * 2001}, "note"),
    ):
        answer = client.post(address, form)
        assert (answer.status_code, list(answer.context["form"].errors)) == (422, [field])
    assert not CaseEntry.objects.exists()
    with pytest.raises(ValueError, match="not a user"):
        cases.assign(codes["leak"], Who(north.user), south.user)


def test_the_history_stays_with_the_point_when_the_meter_is_exchanged(north, codes):
    old = codes["leak"]
    cases.note(old, Who(north.user), "Packning läckte")
    place = Installation.objects.get(meter=old)
    place.to_at = datetime.now(UTC)
    place.save()
    new = report(north, "77777777", (1, 0), now=datetime.now(UTC))
    cases.note(new, Who(north.user), "I lager")
    Installation.objects.create(point=place.point, meter=new, from_at=place.to_at)
    assert [one.note for one in cases.entries(new)] == ["I lager", "Packning läckte"]
    assert cases.case_of(new) == Case.objects.get(point=place.point)
