"""The start page: numbers that lead to lists which say the same, what needs a person, priority meters."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.urls import reverse

from avlas.meters import cases, priority
from avlas.meters.keys import Who
from avlas.meters.models import Installation, Meter, MeterState, State
from avlas.reports.days import DAYS, PerformanceDay, count_days, last_days
from avlas.system.models import JobRun
from avlas.web.listing import Asked
from avlas.web.meter_counts import count_states
from avlas.web.meter_search import Wanted, count_meters, find_meters
from avlas.web.pages import home
from avlas.web.pages.priority_meters import drawn, priority_rows

pytestmark = pytest.mark.django_db


def listed(utility, status):
    return find_meters(
        utility.pk, Wanted(Asked((), "", "", "serial", False, 1), status=status), datetime.now(UTC)
    )[1]


def agree(utility):
    """Every number is what the list it leads to shows."""
    counts = count_states(utility.pk, datetime.now(UTC))
    assert {name: counts[name] for name in ("read", "missing", "info", "no_key", "wrong_key")} == {
        name: listed(utility, name) for name in ("read", "missing", "info", "no_key", "wrong_key")
    }
    return counts


def test_numbers_are_those_of_the_lists(north, south):
    counts = agree(north.utility)
    assert counts["new"] == MeterState.objects.filter(utility=north.utility, meter=None).count() > 0
    now = datetime.now(UTC)

    def add(serial, *, heard_hours_ago=None, installed="", **state):
        meter = Meter.objects.create(utility=north.utility, manufacturer="KAM", serial=serial)
        if installed:
            end = now - timedelta(days=1) if installed == "once" else None
            Installation.objects.create(
                point=north.point, meter=meter, from_at=now - timedelta(days=9), to_at=end, role="sub"
            )
        if heard_hours_ago is not None:
            at = now - timedelta(hours=heard_hours_ago)
            hear(meter, at, serial.rjust(16, "0"), **state)
        return meter

    def hear(meter, at, address, **state):
        MeterState.objects.create(
            utility=meter.utility, address=address, meter=meter, manufacturer="KAM", identification=meter.serial,
            version=1, device_type=4, first_heard_at=at, last_heard_at=at, **({"last_read_at": at, "state": State.READ} | state),
        )  # fmt: skip

    add("1", heard_hours_ago=2, installed="now", info_code=4)
    add("2", heard_hours_ago=30, installed="now")  # missing
    add("3", installed="now")  # never heard: missing
    add("4", installed="once", heard_hours_ago=30)  # in stock: not expected
    add("5", heard_hours_ago=30)  # nobody said where it is: expected
    add("6")  # in stock, never heard
    add("7", heard_hours_ago=30, installed="now", last_read_at=None, state=State.NO_KEY)
    before = counts
    counts = agree(north.utility)
    assert counts["missing"] - before["missing"] == 4
    assert counts["info"] - before["info"] == 1
    both = add("8", heard_hours_ago=30, installed="now", info_code=4)
    hear(both, now, "F" * 16, info_code=4)  # read by another road
    assert agree(north.utility)["info"] == counts["info"] + 1
    agree(south.utility)


def test_what_took_long_to_count_is_kept_for_a_moment(north, monkeypatch):
    monkeypatch.setattr(home, "_LONG_SECONDS", 0.0)
    monkeypatch.setattr(home, "_LONGEST_KEPT_SECONDS", 600.0)
    monkeypatch.setattr(home, "_KEPT", {})
    now = datetime.now(UTC)
    first = home._counts(north.utility.pk, now)
    home._KEPT[north.utility.pk] = (home._KEPT[north.utility.pk][0], float("inf"), first)
    MeterState.objects.filter(utility=north.utility, meter=None).delete()
    assert home._counts(north.utility.pk, now) is first
    priority.make(north.utility, [north.meters[0].pk], Who())  # a change of meters: counted anew
    assert home._counts(north.utility.pk, now)["new"] == 0


def test_what_needs_a_person_leads_there(north, sign_in):
    cases.assign(north.meters[0], Who(north.superuser), north.superuser)
    north.meters[0].revision_due = date(2020, 1, 1)
    north.meters[0].save()
    client = sign_in(north.superuser)
    text = client.get("/").content.decode()
    todo = text[text.index('id="todo-head"') :]
    assert "1 ärende är tilldelat dig" in todo
    assert f"{reverse('info_codes')}?show=mine" in todo
    assert "1 mätare ska revideras" in todo
    assert reverse("meter_revisions") in todo
    assert f"{reverse('heard')}?show=new" in todo
    for address in set(re.findall(r'href="([^"#]+)"', todo)):
        assert client.get(address.replace("&amp;", "&")).status_code == 200, address
    assert "är tilldelat dig" not in sign_in(north.user).get("/").content.decode()


def test_latest_jobs_of_the_own_utility(north, south, sign_in):
    text = sign_in(north.user).get("/").content.decode()
    assert reverse("job_run", args=[north.job.pk, north.run.pk]) in text
    assert f"{south.mark} nattjobb" not in text
    JobRun.objects.filter(pk=north.run.pk).update(status="running", progress_done=5, progress_total=9)
    assert '<progress class="bar" value="5" max="9"' in sign_in(north.user).get("/").content.decode()


def test_days_are_counted_once_and_the_newest_again(north, sign_in):
    now = datetime.now(UTC)
    old = PerformanceDay.objects.create(
        utility=north.utility, day=date(2020, 1, 1), expected=1, received=1, counted_at=now
    )
    assert count_days(now) == DAYS
    assert not PerformanceDay.objects.filter(pk=old.pk).exists()
    days = last_days(north.utility.pk, now)
    assert len(days) == DAYS
    assert list(days) == sorted(days)
    assert sum(one.received for one in days.values()) > 0
    assert all(one.expected >= one.received for one in days.values())
    assert count_days(now) == 2
    text = sign_in(north.user).get("/").content.decode()
    assert f"{reverse('performance')}?from={min(days).isoformat()}" in text


def test_priority_meters(north, south, sign_in):
    client = sign_in(north.user)
    page = reverse("priority_meters")
    assert "Ingen mätare är prioriterad" in client.get(page).content.decode()
    mine, other = north.meters[0], south.meters[0]
    for world, meter in ((north, mine), (south, other)):
        priority.make(world.utility, [meter.pk], Who())
    now = datetime.now(UTC)
    north.hear([north.fleet[0]], now - timedelta(hours=2), now - timedelta(hours=1))
    (row,) = priority_rows(north.utility.pk)
    assert row.facts.meter == mine
    assert [code for code, _points in row.courses] == ["flow_temperature_c", "return_temperature_c"]
    for text in (client.get(page).content.decode(), client.get("/").content.decode()):
        assert reverse("meter", args=[mine.pk]) in text
        assert "<polyline" in text
        assert other.serial not in text
    part = client.get(page, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part


def test_small_courses():
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    end = begin + timedelta(hours=6)
    none = dict.fromkeys(("flow_temperature_c", "return_temperature_c", "power_kw", "volume_flow_m3h"))
    rows = [(begin, none | {"volume_flow_m3h": 1.0, "power_kw": 3.0}), (end, none | {"volume_flow_m3h": 2.0})]
    assert drawn(rows, begin, end) == (("volume_flow_m3h", "0.0,31.0 150.0,3.0"),)  # one figure is no course
    assert drawn(rows[:1], begin, end) == ()
    assert drawn([], begin, end) == ()


def test_missing_is_what_the_list_counts(north):
    now = datetime.now(UTC)
    assert count_states(north.utility.pk, now)["missing"] == count_meters(north.utility.pk, "missing", now)
