"""Readings typed by a person: doubts before they are kept, estimates marked, voiding with a reason, replaced."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from avlas.decode.families import known
from avlas.meters import entered
from avlas.meters.entered import Figure
from avlas.meters.keys import Who
from avlas.meters.models import Kind, Meter, Quality, Reading, Source, VoidedReading
from avlas.reports.calc import value_at
from avlas.reports.calc.judgement import most_use
from avlas.reports.consumption import standing
from avlas.reports.latest import latest
from avlas.system.models import AuditEvent

NOON = datetime.now(UTC).replace(hour=11, minute=0, second=0, microsecond=0) - timedelta(days=100)


def local(moment: datetime) -> str:
    return f"{moment.astimezone(ZoneInfo('Europe/Stockholm')):%Y-%m-%dT%H:%M}"


def heat(figure: str, unit: str = "kWh") -> Figure:
    return Figure("energy_heat_kwh", Decimal(figure), unit)


@pytest.fixture
def dumb(north) -> Meter:
    """A meter that nobody reads remotely, with two entered readings a day apart."""
    made = Meter.objects.create(
        utility=north.utility, manufacturer="KAM", serial="7", medium="heat", qp_m3h=1.5
    )
    for day, figure in ((0, "1000"), (1, "1100")):
        entered.enter(made, NOON + timedelta(days=day), [heat(figure)], Source.TYPED, Who())
    return made


def codes(meter: Meter, at: datetime, figure: str, unit: str = "kWh") -> list[str]:
    return [doubt.code for doubt in entered.doubts(meter, at, [heat(figure, unit)])]


def test_what_can_not_be_right_is_doubted(dumb):
    half_day = NOON + timedelta(hours=12)
    assert codes(dumb, half_day, "1050") == []
    assert codes(dumb, half_day, "1.05", "MWh") == []
    assert codes(dumb, half_day, "999") == [entered.LOWER]
    assert codes(dumb, half_day, "1101") == [entered.HIGHER]
    later = NOON + timedelta(days=1, hours=1)
    most = most_use("energy_heat_kwh", 1.5, 1)
    assert codes(dumb, later, str(1099 + most)) == []
    assert codes(dumb, later, str(1101 + most)) == [entered.TOO_MUCH]
    assert codes(dumb, NOON - timedelta(hours=1), str(999 - most)) == [entered.TOO_LITTLE]
    Meter.objects.filter(pk=dumb.pk).update(qp_m3h=None)
    dumb.refresh_from_db()
    assert codes(dumb, later, "999999") == []  # of an unknown size everything may be


def test_a_register_that_began_again_is_asked_about_as_such(dumb):
    family = next(one for one in known() if one.digits)
    Meter.objects.filter(pk=dumb.pk).update(family=family.name, qp_m3h=None)
    dumb.refresh_from_db()
    top = 10 ** min(family.digits)
    at = NOON + timedelta(days=9)
    entered.enter(dumb, at, [heat(str(top - 5))], Source.TYPED, Who())
    assert codes(dumb, at + timedelta(days=1), "7") == [entered.ROLLED]


def test_a_reading_is_typed_in_and_shown(north, sign_in, dumb):
    client, address = sign_in(north.superuser), reverse("meter_reading_add", args=[dumb.pk])
    at = NOON + timedelta(days=2)
    values = {"at": local(at), "energy_heat_kwh": "1 150,5", "note": "Lapp i brevlådan"}
    assert client.post(address, values).url == reverse("meter_readings", args=[dumb.pk])
    row = Reading.objects.get(meter_id=dumb.pk, slot_at=int(at.timestamp()))
    assert (row.kind, row.source, row.quality, row.energy_heat_kwh) == (2, Source.TYPED, 0, 1150.5)
    text = client.get(reverse("meter_readings", args=[dumb.pk])).content.decode()
    for word in ("1\u00a0150,5", "Lapp i brevlådan", str(north.superuser), "inmatad, för hand"):
        assert word in text, word
    assert client.post(address, values).status_code == 422  # that minute is taken
    told = AuditEvent.objects.filter(event="readings.entered").latest("pk")
    assert told.detail["figures"] == {"energy_heat_kwh": "1150.5 kWh"}


def test_a_doubtful_reading_is_asked_about_and_kept_when_confirmed(north, sign_in, dumb):
    client, address = sign_in(north.superuser), reverse("meter_reading_add", args=[dumb.pk])
    values = {"at": local(NOON + timedelta(days=2)), "energy_heat_kwh": "900"}
    answer = client.post(address, values)
    assert answer.status_code == 422
    assert "är lägre än 1\u00a0100\u00a0kWh" in answer.content.decode()
    assert Reading.objects.filter(meter_id=dumb.pk).count() == 2
    sure = answer.context["form"]["sure"].value()
    assert client.post(address, values | {"sure": sure}).status_code == 302
    assert Reading.objects.filter(meter_id=dumb.pk).count() == 3


def test_units_follow_the_display(north, sign_in):
    bare = Meter.objects.create(utility=north.utility, manufacturer="KAM", serial="8", medium="heat")
    client, address = sign_in(north.superuser), reverse("meter_reading_add", args=[bare.pk])
    values = {"at": local(NOON), "energy_heat_kwh": "12,345", "energy_heat_kwh_unit": "MWh"}
    client.post(address, values)
    (newest,) = latest(bare.pk)
    assert (newest.figure, newest.unit, newest.value) == (Decimal("12.345"), "MWh", 12345.0)
    assert "energy_heat_kwh_unit" not in client.get(address).content.decode()  # it is known now


def test_an_estimate_says_how_and_who_stands_for_it(north, sign_in, dumb):
    client = sign_in(north.superuser)
    at = NOON + timedelta(days=2)
    values = {"at": local(at), "energy_heat_kwh": "1150", "method": "Medel av mars två år"}
    client.post(reverse("meter_reading_add", args=[dumb.pk]), values)
    row = Reading.objects.get(meter_id=dumb.pk, slot_at=int(at.timestamp()))
    assert row.quality == Quality.ESTIMATED
    text = client.get(reverse("meter_readings", args=[dumb.pk])).content.decode()
    assert "Medel av mars två år" in text
    assert "uppskattat och godkänt" in text
    assert AuditEvent.objects.filter(event="readings.estimated").exists()


def test_a_reading_is_voided_with_a_reason_and_replaced(north, sign_in, dumb):
    client, at = sign_in(north.superuser), NOON + timedelta(days=1)
    address = reverse("meter_reading_void", args=[dumb.pk, int(at.timestamp()), 2])
    assert client.post(address, {"reason": ""}).status_code == 422
    assert client.post(address, {"reason": "Grannens mätare"}).status_code == 302
    assert standing(dumb.pk, "energy_heat_kwh", at).how == value_at.NONE
    kept = VoidedReading.objects.get(meter=dumb)
    assert (kept.row["energy_heat_kwh"], kept.reason, kept.voided_by) == (
        1100.0,
        "Grannens mätare",
        north.superuser,
    )
    text = client.get(reverse("meter_readings", args=[dumb.pk])).content.decode()
    assert "Grannens mätare" in text
    assert 'class="voided"' in text
    entered.enter(dumb, at, [heat("1080")], Source.TYPED, Who())
    stood = standing(dumb.pk, "energy_heat_kwh", at)
    assert (stood.figure, stood.how) == (Decimal(1080), value_at.ENTERED)
    client.post(address, {"reason": "also wrong"})
    assert VoidedReading.objects.filter(meter=dumb).count() == 2  # both are kept


def test_a_heard_reading_that_is_voided_stays_so_when_its_slot_is_filled_anew(north, sign_in):
    meter, sender = north.meters[0], north.fleet[0]
    moment = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) + timedelta(hours=2)
    north.hear([sender], moment)
    row = Reading.objects.filter(meter_id=meter.pk, kind=Kind.LIVE).latest("slot_at")
    entered.void(meter, row.slot_at, Kind.LIVE, "Test bench", Who(north.superuser))
    north.hear([sender], moment - timedelta(minutes=5))  # an earlier one of the same slot
    again = Reading.objects.get(meter_id=meter.pk, slot_at=int(row.slot_at.timestamp()), kind=Kind.LIVE)
    assert again.quality & Quality.VOIDED


@pytest.mark.parametrize("values", [{}, {"at": "", "energy_heat_kwh": "1"}, {"energy_heat_kwh": "-1"},
                                    {"at": "2099-01-01T00:00", "energy_heat_kwh": "1"}, {"energy_heat_kwh": "ett"}])  # fmt: skip
def test_what_is_wrong_is_said(north, sign_in, dumb, values):
    address = reverse("meter_reading_add", args=[dumb.pk])
    answer = sign_in(north.superuser).post(address, {"at": local(NOON + timedelta(days=3))} | values)
    assert answer.status_code == 422
    assert Reading.objects.filter(meter_id=dumb.pk).count() == 2


def test_a_reading_that_is_not_there(north, sign_in, dumb):
    client = sign_in(north.superuser)
    for slot, kind in ((12, 2), (10**30, 2), (int(NOON.timestamp()), 9)):
        assert client.get(reverse("meter_reading_void", args=[dumb.pk, slot, kind])).status_code == 404
