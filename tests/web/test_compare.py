"""Data comparison: registers of one meter or of many, side by side, as a page and as a file."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from avlas.reports import comparison


def line(meter, register):
    return f"line={meter.pk}.{register}"


@pytest.fixture
def days():
    today = datetime.now(UTC).date()
    return f"period=dates&from={today - timedelta(days=4)}&to={today + timedelta(days=1)}"


def test_inlet_against_outlet_of_one_meter_and_volume_on_the_second_axis(north, sign_in, days):
    meter = north.meters[0]
    registers = ("flow_temperature_c", "return_temperature_c", "volume_m3")
    query = "&".join([days, "step=hour", *(line(meter, code) for code in registers)])
    answer = sign_in(north.user).get(f"{reverse('compare')}?{query}")
    shown = answer.context["shown"]
    assert [one.line.register for one in shown] == list(registers)
    assert [one.side for one in shown] == ["left", "left", "right"]
    assert answer.context["left_unit"] == "°C"
    assert answer.context["wide_chart"]["paper"].ticks[0].right
    warm, cold = shown[0].line.values, shown[1].line.values
    assert warm.keys() == cold.keys()
    assert all(warm[at] > cold[at] for at in warm)
    assert f"{north.mark}gatan 7" in answer.content.decode()


def test_every_reading_has_the_moment_at_which_it_was_heard(north, days):
    meter = north.meters[0]
    start, end = datetime.now(UTC) - timedelta(days=4), datetime.now(UTC) + timedelta(days=1)
    found = comparison.line(meter.pk, "flow_temperature_c", "reading", start, end)
    assert len(found.values) >= 8
    assert len({at.minute for at in found.values}) > 1  # not the slots' beginnings alone
    with pytest.raises(ValueError, match="no register"):
        comparison.line(meter.pk, "x; DROP TABLE reading", "reading", start, end)


def test_a_third_unit_is_only_in_the_table_and_nine_lines_are_too_many(north, sign_in, days):
    meter = north.meters[0]
    many = [line(meter, code) for code in comparison.comparable()]
    answer = sign_in(north.user).get(f"{reverse('compare')}?{days}&{'&'.join(many)}")
    assert len(answer.context["shown"]) == 8
    three = [line(meter, code) for code in ("flow_temperature_c", "volume_m3", "energy_heat_kwh")]
    answer = sign_in(north.user).get(f"{reverse('compare')}?{days}&step=hour&{'&'.join(three)}")
    assert [one.side for one in answer.context["shown"]] == ["left", "right", ""]
    assert len(answer.context["rows"][0][1]) == 3


def test_meters_are_found_and_added_and_others_are_neither_found_nor_shown(north, south, sign_in, days):
    client = sign_in(north.user)
    mine, theirs = north.meters[0], south.meters[0]
    for text in (mine.serial, f"{north.mark}gatan"):
        answer = client.get(f"{reverse('compare')}?{days}&q={text}&register=volume_m3")
        assert [one.meter.pk for one in answer.context["candidates"]] == [mine.pk]
        assert f'value="{mine.pk}.volume_m3"' in answer.content.decode()
    assert not client.get(f"{reverse('compare')}?q={theirs.serial}").context["candidates"]
    added = client.get(f"{reverse('compare')}?{days}&{line(mine, 'volume_m3')}&add={mine.pk}.power_kw")
    assert [one.key for one in added.context["shown"]] == [f"{mine.pk}.volume_m3", f"{mine.pk}.power_kw"]
    for query in (line(theirs, "volume_m3"), f"add={theirs.pk}.volume_m3"):
        assert client.get(f"{reverse('compare')}?{days}&{query}").context["shown"] == []
        assert theirs.serial not in client.get(f"{reverse('compare_file')}?{days}&{query}").content.decode()


@pytest.mark.parametrize(
    "query",
    [
        "period=dates&from=2026-05-02&to=2026-05-01", "step=reading&period=dates&from=2020-01-01&to=2026-01-01",
        "line=x&line=9.&line=99999999999999.volume_m3", "step=y", "q=%00&register=%00", "month=2020-02",
    ],
)  # fmt: skip
def test_nonsense_is_shown_sensibly(north, sign_in, query):
    address = f"?{query}&{line(north.meters[0], 'volume_m3')}&{line(north.meters[0], 'info_code')}"
    answer = sign_in(north.user).get(reverse("compare") + address)
    assert answer.status_code == 200
    assert len(answer.context["shown"]) == (0 if "from=2026-05-02" in query else 1)


def test_the_table_is_taken_as_a_file(north, sign_in, days):
    meter = north.meters[0]
    client = sign_in(north.user)
    query = f"?{days}&step=day&{line(meter, 'flow_temperature_c')}&{line(meter, 'volume_m3')}"
    answer = client.get(reverse("compare_file") + query)
    headings, *rows = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";")
    assert headings == [
        "Tid",
        f"t1 {meter.serial}, {north.mark}gatan 7 (°C)",
        f"V1 {meter.serial}, {north.mark}gatan 7 (m³)",
    ]
    assert len(rows) >= 2
    assert client.get(reverse("compare_file") + query + "&file=pdf").content.startswith(b"%PDF-")
