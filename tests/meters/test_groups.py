"""Groups of meters: who is in which, how many, and that nobody reaches another utility's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from avlas.meters import groups
from avlas.meters.keys import Who
from avlas.meters.models import Group, Installation, Meter, MeteringPoint
from avlas.system.models import AuditEvent, Utility

pytestmark = pytest.mark.django_db
NOBODY = Who()


@pytest.fixture
def town():
    """Ten meters of one utility and three of another; the first eight are a day older."""
    utility, other = (Utility.objects.create(name=name, slug=name) for name in ("nord", "syd"))
    meters = [Meter.objects.create(utility=utility, manufacturer="KAM", serial=str(n)) for n in range(10)]
    foreign = [Meter.objects.create(utility=other, manufacturer="KAM", serial=str(n)) for n in range(3)]
    yesterday = datetime.now(UTC) - timedelta(days=1)
    Meter.objects.filter(pk__in=[one.pk for one in meters[:8]]).update(created_at=yesterday)
    Meter.objects.filter(pk=meters[3].pk).update(slot_seconds=300)
    point = MeteringPoint.objects.create(utility=utility, facility_id="1")
    Installation.objects.create(point=point, meter=meters[0], from_at=yesterday)
    return utility, meters, other, foreign


def ids(meters):
    return [one.pk for one in meters]


def test_who_is_in_which(town):
    utility, meters, other, foreign = town
    area = groups.create(utility.pk, " Östra  Ängen ", NOBODY)
    assert area.name == "Östra Ängen"
    assert groups.add(area, [*ids(meters[2:5]), *ids(foreign), 10**12], NOBODY) == 3
    assert groups.add(area, ids(meters[4:6]), NOBODY) == 1
    found = {choice: groups.meter_ids(utility.pk, choice) for choice, _ in groups.choices(utility.pk)}
    assert found == {
        "all": ids(meters),
        "ungrouped": ids([*meters[:2], *meters[6:]]),
        "imported": ids(meters[8:]),
        "priority": ids(meters[3:4]),
        "stock": ids(meters[1:]),
        f"g{area.pk}": ids(meters[2:6]),
    }
    assert groups.counts(utility.pk) == {choice: len(members) for choice, members in found.items()}
    assert groups.counts(other.pk) == {"all": 3, "ungrouped": 3, "imported": 3, "priority": 0, "stock": 3}
    assert groups.remove(area, ids(meters), NOBODY) == 4
    assert groups.meter_ids(utility.pk, f"g{area.pk}") == []
    told = (
        AuditEvent.objects.filter(event__startswith="groups.").order_by("pk").values_list("event", "detail")
    )
    assert list(told) == [
        ("groups.added", {}),
        ("groups.meters_added", {"meters": 3}),
        ("groups.meters_added", {"meters": 1}),
        ("groups.meters_removed", {"meters": 4}),
    ]


def test_another_utilitys_group_is_not_there(town):
    utility, _meters, other, foreign = town
    theirs = groups.create(other.pk, "Centrum", NOBODY)
    groups.add(theirs, ids(foreign), NOBODY)
    choice = groups.choice_of(theirs)
    assert groups.exists(other.pk, choice)
    assert not groups.exists(utility.pk, choice)
    assert groups.meter_ids(utility.pk, choice) == []
    assert groups.title(utility.pk, choice) == groups.title(utility.pk, "g0")
    assert groups.by_choice(utility.pk, choice) is None
    assert groups.create(utility.pk, "Centrum", NOBODY).pk != theirs.pk


@pytest.mark.parametrize("name", ["", "  \0", "x" * 81, "Centrum", "CENTRUM", None])
def test_names_that_cannot_be(town, name):
    utility = town[0]
    groups.create(utility.pk, "Centrum", NOBODY)
    with pytest.raises(groups.BadGroup):
        groups.create(utility.pk, str(groups.BUILT_IN["all"]) if name is None else name, NOBODY)
    assert Group.objects.filter(utility=utility).count() == 1


def test_own_groups_stand_in_reading_order(town):
    utility = town[0]
    names = ["Östra 10", "Område 10", "Område 2", "ånge", "Ängen", "zon"]
    for name in names:
        groups.create(utility.pk, name, NOBODY)
    assert [one.name for one in groups.own(utility.pk)] == [
        "Område 2", "Område 10", "zon", "ånge", "Ängen", "Östra 10",
    ]  # fmt: skip


def test_many_meters_at_once(town):
    utility = town[0]
    Meter.objects.bulk_create(
        Meter(utility=utility, manufacturer="KAM", serial=f"m{n}") for n in range(groups.IN_A_TRANSACTION + 5)
    )
    group = groups.create(utility.pk, "Alla", NOBODY)
    everybody = groups.meter_ids(utility.pk, "all")
    assert groups.add(group, everybody, NOBODY) == len(everybody) == groups.counts(utility.pk)[f"g{group.pk}"]
    assert groups.add(group, everybody, NOBODY) == 0
    assert groups.remove(group, everybody, NOBODY) == len(everybody)
    assert AuditEvent.objects.filter(event="groups.meters_added").count() == 2


def test_changed_and_deleted(town):
    utility, meters, _other, _foreign = town
    group = groups.create(utility.pk, "Centrum", NOBODY)
    groups.add(group, ids(meters), NOBODY)
    groups.change(group, "centrum", "the old town", NOBODY)
    assert groups.title(utility.pk, groups.choice_of(group)) == "centrum"
    groups.delete(group, NOBODY)
    assert Meter.objects.filter(utility=utility).count() == 10
    assert groups.counts(utility.pk)["ungrouped"] == 10
    assert AuditEvent.objects.get(event="groups.removed").detail == {"meters": 10}


@pytest.mark.parametrize("choice", ["", "nothing", "g", "g1x", "g²", "G1", "1 = 1", "g" + "9" * 15])
def test_a_choice_that_makes_no_sense_chooses_nothing(town, choice):
    utility = town[0]
    assert not groups.exists(utility.pk, choice)
    assert groups.meter_ids(utility.pk, choice) == []
