"""One meter: registers as its display shows them, consumption, info codes, and every telegram explained."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import translation

from avlas.meters import column_store, formats
from avlas.meters.models import Installation, Meter, Reading, Telegram
from avlas.meters.slots import READING_KEY
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.simulate import samples
from avlas.web import info_codes
from avlas.web.chart_period import asked_period

from .conftest import make_world


def text_of(client, address):
    answer = client.get(address)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode().replace("\u00a0", " "))


@pytest.fixture
def address(north):
    return reverse("meter", args=[north.meters[0].pk])


def test_who_where_and_what_it_shows_now(north, sign_in, address):
    text = text_of(sign_in(north.user), address)
    for word in ("Nordbygatan 7", "421 01 Nordbystad", "Nordby Öberg", "MULTICAL 403", north.fleet[0].identification,
                 "Värmeenergi", "E1", "Ingående temperatur", "kWh", "Nordby torn"):  # fmt: skip
        assert word in text, word
    reading = Reading.objects.filter(meter_id=north.meters[0].pk).latest("slot_at")
    shown = f"{Decimal(str(reading.flow_temperature_c)):.2f}".replace(".", ",")
    assert f'<td class="value">{shown}</td><td class="unit">°C' in text


def test_english_readers_get_english_words_and_figures(north, sign_in, address):
    north.user.language = "en"
    north.user.save(update_fields=["language"])
    text = text_of(sign_in(north.user), address)
    assert "Heat energy" in text
    assert "Place and customer" in text
    reading = Reading.objects.filter(meter_id=north.meters[0].pk).latest("slot_at")
    assert f'<td class="value">{Decimal(str(reading.flow_temperature_c)):.2f}</td>' in text


def test_gigajoules_are_shown_as_the_meter_sends_them(db, sign_in):
    world = make_world("Gigaby", 31)
    sender = samples.meters("multical403_gj", 1, 77)[0]
    world.store_keys([sender])
    moment = datetime.now(UTC) - timedelta(minutes=30)
    world.hear([sender], moment)
    from avlas.meters.adopt import adopt
    from avlas.meters.models import MeterState

    (meter,) = adopt(world.utility, MeterState.objects.filter(identification=sender.identification), None)
    world.hear([sender], moment + timedelta(minutes=10))
    text = text_of(sign_in(world.user), reverse("meter", args=[meter.pk]))
    assert re.search(r'<td class="value">[\d ]+,\d+</td><td class="unit">GJ', text)


def test_consumption_is_the_difference_of_counters(north, sign_in, address):
    client = sign_in(north.user)
    start = datetime.now(STANDARD_TIME).date() - timedelta(days=2)
    answer = client.get(f"{address}?unit=hour&from={start.isoformat()}&register=energy_heat_kwh")
    rows = answer.context["used"].rows
    assert len(rows) == 24
    assert any(row.amount is not None for row in rows)
    assert answer.context["period"].first == start
    text = answer.content.decode()
    assert "normaltid" in text
    assert text.count('class="bar') >= 24
    assert 'role="group"' in text
    assert "<desc>" in text


def test_means_are_a_line_and_amounts_are_bars(north, sign_in, address):
    client = sign_in(north.user)
    means = client.get(f"{address}?unit=day&register=flow_temperature_c")
    assert means.context["wide_chart"].is_line
    assert "Medel, °C" in means.content.decode()
    assert '<circle class="amount"' in means.content.decode()
    amounts = client.get(f"{address}?unit=day&register=energy_heat_kwh")
    assert not amounts.context["wide_chart"].is_line
    assert "<circle" not in amounts.content.decode()


def test_large_amounts_of_energy_are_in_megawatt_hours_all_alike(north, sign_in, address):
    start = datetime.now(STANDARD_TIME).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(
        days=30
    )
    for number, counter in enumerate((100_000, 112_345, 112_400)):
        at = int((start + timedelta(hours=number)).timestamp())
        column_store.upsert(
            connection,
            "reading",
            {
                "meter_id": [north.meters[0].pk], "slot_at": [at], "kind": [0], "heard_at": [at], "source": [1],
                "quality": [0], "format_id": list(formats.ids({'{"energy_heat_kwh":["kWh",0]}'}).values()),
                "energy_heat_kwh": [float(counter)],
            },
            READING_KEY,
        )  # fmt: skip
    query = f"?unit=hour&from={start.date().isoformat()}&register=energy_heat_kwh&of=meter"
    text = text_of(sign_in(north.user), address + query)
    assert '<th scope="col" class="figure">MWh</th>' in text
    assert '<td class="figure">12,345</td>' in text
    assert '<td class="figure">0,055</td>' in text
    assert 'data-text="0,055 MWh"' in text
    assert re.search(r'<td class="figure">[\d ]+,\d{3} MWh</td>', text)  # the total


def test_every_register_and_every_step_can_be_chosen(north, sign_in, address):
    client = sign_in(north.user)
    for register in client.get(address).context["registers"]:
        for unit in ("hour", "day", "month", "year"):
            answer = client.get(f"{address}?unit={unit}&register={register.code}")
            assert answer.status_code == 200
            assert answer.context["register"] is register


@pytest.mark.parametrize("query", ["?unit=week", "?from=never", "?from=9999-12-31", "?from=0001-01-01&unit=year",
                                   "?register=evil", "?register=info_code", "?of=x&unit=month&from=2026-02-30"])  # fmt: skip
def test_nonsense_in_the_address_is_passed_over(north, sign_in, address, query):
    assert sign_in(north.user).get(address + query).status_code == 200


@pytest.mark.parametrize(
    ("unit", "start", "first", "before", "after"),
    [
        ("hour", "2026-11-23", date(2026, 11, 23), date(2026, 11, 22), date(2026, 11, 24)),
        ("day", "2026-11-23", date(2026, 11, 1), date(2026, 10, 1), date(2026, 12, 1)),
        ("day", "2026-12-31", date(2026, 12, 1), date(2026, 11, 1), date(2027, 1, 1)),
        ("month", "2026-11-23", date(2026, 1, 1), date(2025, 1, 1), date(2027, 1, 1)),
        ("year", "2026-11-23", date(2017, 1, 1), date(2007, 1, 1), date(2027, 1, 1)),
        ("year", "2007-01-01", date(2007, 1, 1), date(1997, 1, 1), date(2017, 1, 1)),
        ("nonsense", "", date(2026, 11, 1), date(2026, 10, 1), date(2026, 12, 1)),
    ],
)
def test_periods_step_without_gaps(unit, start, first, before, after):
    shown = asked_period({"unit": unit, "from": start}, date(2026, 11, 25))
    assert (shown.first, shown.stepped(-1).first, shown.end) == (first, before, after)


def test_an_exchange_keeps_the_points_history_together(north, sign_in, address):
    old = Meter.objects.create(
        utility=north.utility, manufacturer="KAM", serial="11112222", model="MULTICAL 402"
    )
    first = Installation.objects.get(meter=north.meters[0])
    Installation.objects.create(
        point=north.point,
        meter=old,
        from_at=first.from_at - timedelta(days=900),
        to_at=first.from_at,
        reason="batteri",
    )
    client = sign_in(north.user)
    answer = client.get(address)
    assert answer.context["whole_point"] is True
    assert "KAM11112222" in answer.content.decode()
    assert "batteri" in answer.content.decode()
    assert client.get(f"{address}?of=meter").context["whole_point"] is False


def test_active_info_codes_stand_in_words_with_their_history(north, sign_in):
    text = text_of(sign_in(north.user), reverse("meter", args=[north.meters[1].pk]))
    with translation.override("sv"):
        words = [said.text for said in info_codes.in_words("multical_403", 8)]
    assert words
    assert "t1" in words[0]
    assert words[0] in text
    assert "Infokoder" in text  # the history
    answer = sign_in(north.user).get(reverse("meter", args=[north.meters[1].pk]) + "?unit=day")
    marked = [row for row in answer.context["used"].rows if "info_code" in row.marks]
    assert len(marked) == 1  # the day it began
    assert info_codes.joined("multical_403", 8 | 16).count(";") == 1
    assert info_codes.in_words("multical_403", 0) == []
    assert "0x8" in info_codes.joined("", 8)


def test_a_meter_without_key_says_so_and_leads_to_the_import(north, sign_in):
    address = reverse("meter", args=[north.meters[2].pk])
    text = text_of(sign_in(north.administrator), address)
    assert "Kan inte läsas: nyckel saknas." in text
    assert reverse("key_import") in text
    assert reverse("key_import") not in text_of(sign_in(north.user), address)


def test_each_telegram_is_explained_byte_by_byte(north, sign_in):
    client = sign_in(north.user)
    meter = north.meters[0]
    text = text_of(client, reverse("meter_telegrams", args=[meter.pk]))
    links = re.findall(r'href="(/meters/\d+/telegrams/\d+/\d+/)"', text)
    assert len(links) == Telegram.objects.filter(meter_id=meter.pk).count()
    answer = client.get(links[0])
    shown = answer.context["shown"]
    assert shown.decoded
    assert shown.decrypted
    page = text_of(client, links[0])
    assert "Tillämpningsskikt" in page
    assert 'data-start="0" data-end="1"' in page
    covered = {
        n
        for s in shown.explanation.sections
        for r in s.rows
        if r.start is not None
        for n in range(r.start, r.end)
    }
    assert covered == set(range(sum(len(line) for _at, line in shown.lines)))
    assert north.fleet[0].key.hex() not in page.lower().replace(" ", "")


def test_a_telegram_without_key_is_explained_as_far_as_it_can_be_read(north, sign_in):
    meter = north.meters[2]
    telegram = Telegram.objects.filter(meter_id=meter.pk).first()
    where = [meter.pk, int(telegram.slot_at.timestamp()), telegram.class_code]
    answer = sign_in(north.user).get(reverse("meter_telegram", args=where))
    assert answer.status_code == 200
    assert answer.context["shown"].decoded is False
    assert north.fleet[2].identification in answer.content.decode()


def test_a_telegram_that_is_not_there(north, sign_in):
    client = sign_in(north.user)
    assert client.get(reverse("meter_telegram", args=[north.meters[0].pk, 12, 12])).status_code == 404
    assert client.get(reverse("meter_telegram", args=[north.meters[0].pk, 10**30, 12])).status_code == 404
