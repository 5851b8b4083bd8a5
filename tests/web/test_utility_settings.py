"""What a utility decides for all of it, and that pages, reports and meters follow."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from avlas.meters.models import Generation, Meter
from avlas.system import permissions
from avlas.system.models import AuditEvent

from .asking import Forms

pytestmark = pytest.mark.one_database

ADDRESS = reverse("utility_settings")


def sent(client, **changed: object):
    """Send the page's form as it stands, with changes."""
    forms = Forms(client.get(ADDRESS).content.decode(), ADDRESS).found
    fields = next(fields for action, fields in forms if action == ADDRESS and "keep_all_months" in fields)
    return client.post(ADDRESS, {**fields, **changed})


def test_every_change_is_written_down_with_old_and_new(north, sign_in):
    client = sign_in(north.administrator)
    assert sent(client).status_code == 302
    assert not AuditEvent.objects.filter(event="utility.changed").exists(), "nothing was changed"
    new = {
        "new_language": "en", "new_time_zone": "Europe/Helsinki", "energy_unit": "gj", "slot_minutes": "30",
        "priority_slot_minutes": "1", "second_factor": "administrators", "keep_all_months": "24",
        "keep_daily_years": "10", "keep_telegrams_months": "3", "name": "Nordby Fjärrvärme",
    }  # fmt: skip
    assert sent(client, **new).status_code == 302
    north.utility.refresh_from_db()
    detail = AuditEvent.objects.get(event="utility.changed").detail
    assert set(detail) == set(new)
    for name, value in new.items():
        assert str(getattr(north.utility, name)) == value
        assert str(detail[name][1]) == value
    assert detail["keep_telegrams_months"][0] == 13
    assert detail["energy_unit"][0] == "kwh"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("keep_all_months", "0", "större än eller lika med 1"),
        ("keep_all_months", "61", None),  # longer than the five years of daily ones
        ("keep_daily_years", "1", "minst lika länge"),
        ("keep_telegrams_months", "x", "heltal"),
        ("slot_minutes", "7", "giltigt alternativ"),
        ("priority_slot_minutes", "30", "giltigt alternativ"),
        ("energy_unit", "btu", "giltigt alternativ"),
        ("new_time_zone", "Mars/Olympus", "giltigt alternativ"),
        ("second_factor", "some", "giltigt alternativ"),
    ],
)
def test_what_can_not_be_is_told_beside_the_field(north, sign_in, name, value, says):
    client = sign_in(north.administrator)
    answer = sent(client, **{name: value})
    assert answer.status_code == 422
    text = answer.content.decode()
    assert re.search(r'class="error"', text)
    assert says is None or says in text.lower(), re.findall(r'class="error"[^<]*<?[^<]*', text)
    north.utility.refresh_from_db()
    assert north.utility.keep_all_months == 13


def test_how_people_sign_in_is_access_control(north, sign_in):
    client = sign_in(north.superuser)
    assert 'name="second_factor"' not in client.get(ADDRESS).content.decode()
    sent(client, second_factor="all", name="Nordby")
    north.utility.refresh_from_db()
    assert (north.utility.second_factor, north.utility.name) == ("no", "Nordby")
    permissions.change(north.utility, "superuser", permissions.ALL, user=north.administrator)
    sent(client, second_factor="all")
    north.utility.refresh_from_db()
    assert north.utility.second_factor == "all"


def test_meters_follow_the_slot_lengths_and_new_ones_begin_with_them(north, south, sign_in):
    client = sign_in(north.administrator)
    client.post(
        reverse("meters_act"), {"do": "priority", "meter": [north.meters[0].pk], "list": "all"}, follow=True
    )
    assert Meter.objects.get(pk=north.meters[0].pk).slot_seconds == 300
    before = Generation.objects.get(utility=north.utility).number
    sent(client, slot_minutes="120", priority_slot_minutes="10")
    slots = Meter.objects.filter(utility=north.utility).order_by("pk").values_list("slot_seconds", flat=True)
    assert sorted(slots) == [600, 7200, 7200]
    assert Generation.objects.get(utility=north.utility).number > before, "receivers take up the new lengths"
    assert set(Meter.objects.filter(utility=south.utility).values_list("slot_seconds", flat=True)) == {3600}
    listed = client.get(reverse("meters"), {"group": "priority"}).content.decode()
    assert north.meters[0].serial in listed
    assert north.meters[1].serial not in listed
    from avlas.meters.adopt import adopt
    from avlas.meters.models import MeterState

    north.utility.refresh_from_db()
    states = MeterState.objects.filter(utility=north.utility, meter=None)
    (new,) = adopt(north.utility, states, north.administrator)
    assert new.slot_seconds == 7200


def test_energy_is_shown_in_the_unit_of_the_utility(north, sign_in):
    client = sign_in(north.administrator)
    now = datetime.now(UTC)
    yesterday = f"{now - timedelta(days=1):%Y-%m-%d}"
    days = {"from": yesterday, "to": yesterday, "period": "dates"}
    page = reverse("meter", args=[north.meters[0].pk]) + f"?unit=month&from={now:%Y-%m-01}"

    def shown(unit: str) -> tuple[str, str, str]:
        sent(client, energy_unit=unit)
        report = client.get(reverse("consumption_report"), days).content.decode()
        file = client.get(reverse("consumption_report_file"), days).content.decode()
        return client.get(page).content.decode(), report, file

    figures: dict[str, float] = {}
    for unit, word in (("kwh", "kWh"), ("mwh", "MWh"), ("gj", "GJ")):
        meter, report, file = shown(unit)
        assert f"(E1, {word})" in file
        assert re.search(rf"\d\s{word}", report), word
        assert word in meter
        rows = list(csv.reader(io.StringIO(file), delimiter=";"))
        heading = next(row for row in rows if any("(E1, " in cell for cell in row))
        column = next(at for at, cell in enumerate(heading) if "(E1, " in cell)
        row = next(row for row in rows if north.meters[0].serial in row)
        figures[unit] = float(row[column].replace(",", "."))
    kwh, mwh, gj = (figures[unit] for unit in ("kwh", "mwh", "gj"))
    assert kwh > 0
    assert mwh == pytest.approx(kwh / 1000, abs=0.0006)
    assert gj == pytest.approx(kwh * 0.0036, abs=0.002)


def test_new_accounts_begin_with_the_utilitys_language(north, sign_in):
    client = sign_in(north.administrator)
    sent(client, new_language="en", new_time_zone="Europe/Helsinki")
    text = client.get(reverse("user_add")).content.decode()
    assert re.search(r'<option value="en" selected', text)
    assert re.search(r'<option value="Europe/Helsinki" selected', text)


def test_the_page_tells_what_raw_telegrams_cost(north, sign_in):
    text = sign_in(north.administrator).get(ADDRESS).content.decode()
    told = re.search(
        r"Råa telegram från 3 mätare, (\d+) om dagen från var och en, tar omkring [\d,\s]+", text
    )
    assert int(told[1]) > 1
