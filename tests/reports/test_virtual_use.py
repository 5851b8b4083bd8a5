"""Virtual metering points: sums and differences, what is missing, rings refused, the consumption report."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.reports.test_consumption import HOUR, START, amounts, nothing_remembered, store, utility  # noqa: F401

from avlas.meters import installing, virtual_points
from avlas.meters.installing import Impossible as NotInstalled
from avlas.meters.keys import Who
from avlas.meters.models import Installation, Meter, MeteringPoint
from avlas.meters.virtual_points import Impossible
from avlas.reports.period_use import UseMark
from avlas.reports.virtual_use import MISSING, combined, newest_of, parts_of, virtual_use
from avlas.system.models import Utility

pytestmark = pytest.mark.django_db


@pytest.fixture
def town(utility):  # noqa: F811 - the fixture
    """A main meter and two sub-meters at points of their own, and two empty points."""

    def point(name):
        return MeteringPoint.objects.create(utility=utility, facility_id=name)

    made = {name: point(name) for name in ("main", "one", "two", "lost", "all")}
    for name, values in {"main": [0, 10, 20, 30], "one": [5, 6, 7, 8], "two": [100, 103, None, None]}.items():
        meter = Meter.objects.create(utility=utility, manufacturer="KAM", serial=name, medium="heat")
        installing.install(meter, made[name], Installation.MAIN, START - timedelta(days=1))
        store(meter, values, late=0)
    return made


def add(whole, part, sign):
    virtual_points.add(whole, part, sign, Who())


def test_main_minus_subs_and_what_is_missing(town):
    add(town["lost"], town["main"], 1)
    add(town["lost"], town["one"], -1)
    add(town["lost"], town["two"], -1)
    parts = parts_of(town["lost"])
    found = combined(parts, "energy_heat_kwh", "hour", START, START + 3 * HOUR)
    assert amounts(found) == [6, 9, 9]
    assert [MISSING in row.marks for row in found.rows] == [False, True, True]
    assert float(found.total) == 24
    assert [one.register.code for one in newest_of(parts)] == ["energy_heat_kwh"]
    assert parts_of(town["main"]) == []


def test_virtual_points_of_virtual_points(town):
    add(town["all"], town["one"], 1)
    add(town["all"], town["main"], 1)
    add(town["lost"], town["main"], 1)
    add(town["lost"], town["all"], -1)
    assert virtual_points.measured(town["all"].utility_id)[town["lost"].pk] == {town["one"].pk: -1}
    found = combined(parts_of(town["lost"]), "energy_heat_kwh", "hour", START, START + 3 * HOUR)
    assert amounts(found) == [-1, -1, -1]


def test_rings_and_other_nonsense_are_refused(town):
    add(town["all"], town["lost"], 1)
    elsewhere = MeteringPoint.objects.create(
        utility=Utility.objects.create(name="B", slug="b"), facility_id="main"
    )
    for whole, part, code in (
        ("lost", town["all"], "cycle"), ("all", town["all"], "cycle"), ("all", town["lost"], "there"),
        ("main", town["one"], "has_meters"), ("all", elsewhere, "other_utility"),
    ):  # fmt: skip
        with pytest.raises(Impossible) as problem:
            add(town[whole], part, 1)
        assert problem.value.code == code
    meter = Meter.objects.create(utility=town["all"].utility, manufacturer="KAM", serial="new")
    with pytest.raises(NotInstalled, match="virtual_point"):
        installing.install(meter, town["all"], Installation.MAIN, START)


def test_the_consumption_report(town):
    add(town["lost"], town["main"], 1)
    add(town["lost"], town["one"], -1)
    add(town["lost"], town["two"], -1)
    registers = ("energy_heat_kwh", "volume_m3")
    (one,) = virtual_use(town["lost"].utility_id, registers, START, START + HOUR)
    assert (one.point, one.amount["energy_heat_kwh"]) == (town["lost"], 6)
    assert one.amount["volume_m3"] != one.amount["volume_m3"]
    assert not one.marks & UseMark.PART_MISSING
    (later,) = virtual_use(town["lost"].utility_id, registers, START + HOUR, START + 3 * HOUR)
    assert later.marks & UseMark.PART_MISSING
    assert later.amount["energy_heat_kwh"] == 18
    assert virtual_use(Utility.objects.create(name="C", slug="c").pk, registers, START, START + HOUR) == []
