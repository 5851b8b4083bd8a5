"""The guided meter exchange: on the spot and prepared, with doubts, undone; use goes on across it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from avlas.meters import entered
from avlas.meters import exchange as meter_exchange
from avlas.meters.entered import Figure
from avlas.meters.installing import Impossible
from avlas.meters.keys import Who
from avlas.meters.models import (
    Exchange,
    Installation,
    Kind,
    Meter,
    MeterAddress,
    MeteringPoint,
    MeterState,
    Quality,
    Reading,
    Source,
)
from avlas.reports.calc.borders import STANDARD_TIME
from avlas.reports.consumption import consumption, spans_of_point
from avlas.reports.latest import latest
from avlas.system.models import AuditEvent


def local(moment: datetime) -> str:
    return f"{moment.astimezone(ZoneInfo('Europe/Stockholm')):%Y-%m-%dT%H:%M}"


def minutes_ago(count: int) -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=count)


def newest(meter: Meter, register: str) -> Decimal:
    return next(one.figure for one in latest(meter.pk) if one.register.code == register)


@pytest.fixture
def plan(north) -> Exchange:
    return Exchange.objects.get(utility=north.utility)


def walk(client, plan: Exchange, at: datetime, old: dict, choice: dict, first: dict):
    """Fill in every step; give the answer of the last one before the check."""
    address = reverse("exchange", args=[plan.pk])
    when = {"step": "when", "at": local(at), "reason": "Revision", "note": ""}
    for step in (when, {"step": "old", **old}, {"step": "new", **choice}):
        answer = client.post(address, step)
        assert answer.status_code == 302, step
    return client.post(address, {"step": "first", **first})


def old_figures(meter: Meter, more: int = 1) -> dict[str, str]:
    return {code: str(newest(meter, code) + more) for code in ("energy_heat_kwh", "volume_m3")}


def test_an_exchange_on_the_spot_from_start_to_end(north, sign_in, plan):
    client, old = sign_in(north.superuser), north.meters[0]
    plan.delete()
    page = client.get(reverse("meter", args=[old.pk])).content.decode()
    assert reverse("meter_exchange", args=[old.pk]) in page
    address = client.post(reverse("meter_exchange", args=[old.pk]), {"reason": "Faulty"}).url
    plan = Exchange.objects.get(utility=north.utility)
    assert address == reverse("exchange", args=[plan.pk])
    proposed = client.get(address + "?step=old").content.decode()
    assert f'value="{newest(old, "energy_heat_kwh")}"' in proposed
    at, last = minutes_ago(1), old_figures(old)
    new = {"choice": f"meter:{north.meters[1].pk}"}
    first = {code: str(newest(north.meters[1], code)) for code in ("energy_heat_kwh", "volume_m3")}
    assert walk(client, plan, at, last, new, first).url.endswith("?step=check")
    text = client.get(address).content.decode()
    assert "Genomför bytet" in text
    assert client.post(address, {"step": "check"}).url == address
    was, now = Installation.objects.filter(point=north.point).order_by("from_at")
    assert (was.meter, was.to_at, was.reason) == (old, at, "Revision")
    assert (now.meter, now.from_at, now.role) == (north.meters[1], at, Installation.MAIN)
    for meter, figures in ((old, last), (north.meters[1], first)):
        row = Reading.objects.get(meter_id=meter.pk, kind=Kind.ENTERED)
        assert (row.slot_at, row.source) == (at, Source.EXCHANGE)
        assert row.energy_heat_kwh == float(figures["energy_heat_kwh"])
    told = AuditEvent.objects.get(event="exchange.carried_out")
    assert told.detail["new"] == str(north.meters[1])
    assert client.post(address, {"step": "check"}).status_code == 200  # only once
    assert Installation.objects.filter(point=north.point).count() == 2


def test_later_telegrams_of_the_old_meter_count_nowhere(north, sign_in, plan):
    client, old = sign_in(north.superuser), north.meters[0]
    at, choice = minutes_ago(1), {"choice": "typed", "manufacturer": "KAM", "serial": "99000001"}
    walk(client, plan, at, old_figures(old), choice, {"energy_heat_kwh": "0", "volume_m3": "0"})
    client.post(reverse("exchange", args=[plan.pk]), {"step": "check"})
    assert not MeterAddress.objects.filter(meter=old, to_at=None).exists()
    readings = Reading.objects.filter(meter_id=old.pk).count()
    north.hear(north.fleet[:1], datetime.now(UTC) + timedelta(hours=2))
    assert Reading.objects.filter(meter_id=old.pk).count() == readings
    state = MeterState.objects.get(utility=north.utility, identification=north.fleet[0].identification)
    assert state.meter is None
    new = Meter.objects.get(serial="99000001")
    assert new.addresses.get(to_at=None).identifier == "KAM99000001"


def test_use_goes_on_across_an_exchange_and_nothing_is_lost(north):
    """What the old meter counted until the exchange and the new one since add up, to the last digit."""
    point = MeteringPoint.objects.create(utility=north.utility, facility_id="88")
    old, new = (
        Meter.objects.create(utility=north.utility, manufacturer="KAM", serial=serial, medium="heat")
        for serial in ("99000002", "99000003")
    )
    today = datetime.now(STANDARD_TIME).replace(hour=0, minute=0, second=0, microsecond=0)
    noon = today - timedelta(hours=12)  # of yesterday

    def enter(meter: Meter, at: datetime, figure: str) -> None:
        entered.enter(meter, at, [heat(figure)], Source.TYPED, Who())

    def heat(figure: str) -> Figure:
        return Figure("energy_heat_kwh", Decimal(figure), "MWh", 3)

    place = Installation.objects.create(point=point, meter=old, from_at=noon - timedelta(days=9))
    enter(old, today - timedelta(days=1), "100.250")
    plan = Exchange.objects.create(
        utility=north.utility, old=place, reason="Revision", at=noon, new_meter=new,
        old_figures=[heat("100.257").packed()], new_figures=[heat("3.001").packed()],
    )  # fmt: skip
    meter_exchange.carry_out(plan, Who(north.superuser))
    enter(new, today, "3.012")
    used = consumption(spans_of_point(point.pk), "energy_heat_kwh", "day", today - timedelta(days=1), today)
    assert used.total == Decimal(18)  # 7 kWh and 11 kWh, exactly
    assert [row.marks for row in used.rows] == [{"exchange"}]
    by_hour = consumption(
        spans_of_point(point.pk), "energy_heat_kwh", "hour", today - timedelta(days=1), today
    )
    assert by_hour.total == pytest.approx(18)
    assert all(row.amount is not None for row in by_hour.rows)


def test_an_exchange_is_prepared_and_finished_later(north, sign_in, plan):
    client = sign_in(north.superuser)
    client.post(reverse("exchange_undo", args=[plan.pk]))  # withdrawn
    assert not Exchange.objects.filter(utility=north.utility).exists()
    day = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
    values = {"reason": "Revision due", "planned_for": day, "prepare": "1"}
    answer = client.post(reverse("meter_exchange", args=[north.meters[0].pk]), values, follow=True)
    assert "Revision due" in answer.content.decode()
    again = client.post(reverse("meter_exchange", args=[north.meters[0].pk]), values)
    assert again.status_code == 422
    made = Exchange.objects.get(utility=north.utility)
    assert Installation.objects.get(point=north.point).to_at is None  # nothing has happened yet
    assert meter_exchange.missing(made) == ["when", "old", "new", "first"]
    with pytest.raises(Impossible, match="incomplete"):
        meter_exchange.carry_out(made, Who())
    refused = client.post(reverse("exchange", args=[made.pk]), {"step": "check"})
    assert refused.status_code == 422
    assert "Några steg är inte ifyllda" in refused.content.decode()


def test_a_figure_that_can_not_be_right_is_asked_about_once(north, sign_in, plan):
    client, address = sign_in(north.superuser), reverse("exchange", args=[plan.pk])
    client.post(address, {"step": "when", "at": local(minutes_ago(1)), "reason": "x"})
    low = {"step": "old", "energy_heat_kwh": "12"}
    answer = client.post(address, low)
    assert answer.status_code == 422
    assert "är lägre än" in answer.content.decode()
    sure = answer.context["form"]["sure"].value()
    other = client.post(address, low | {"energy_heat_kwh": "13", "sure": sure})
    assert other.status_code == 422  # another figure is another question
    assert client.post(address, low | {"sure": sure}).status_code == 302
    plan.refresh_from_db()
    assert plan.old_figures[0][:2] == ["energy_heat_kwh", "12"]


@pytest.mark.parametrize(
    ("step", "values"),
    [("when", {"at": "2099-01-01T00:00", "reason": "x"}), ("when", {"at": "2001-01-01T00:00", "reason": "x"}),
     ("when", {"at": "", "reason": ""}), ("old", {}), ("old", {"energy_heat_kwh": "-4"}),
     ("old", {"energy_heat_kwh": "tolv"}), ("new", {}), ("new", {"choice": "meter:0"}), ("new", {"choice": "heard:x"}),
     ("new", {"choice": "typed", "manufacturer": "K", "serial": ""})],
)  # fmt: skip
def test_a_step_filled_in_wrongly_says_so(north, sign_in, plan, step, values):
    before = Exchange.objects.values().get(pk=plan.pk)
    answer = sign_in(north.superuser).post(reverse("exchange", args=[plan.pk]), {"step": step, **values})
    assert answer.status_code == 422
    text = answer.content.decode()
    assert 'class="error"' in text or 'class="note bad"' in text
    assert Exchange.objects.values().get(pk=plan.pk) == before


def test_a_heard_stranger_becomes_the_new_meter_and_a_foreign_one_does_not(north, south, sign_in, plan):
    client, address = sign_in(north.superuser), reverse("exchange", args=[plan.pk])
    foreign = MeterState.objects.get(utility=south.utility, meter=None)
    for choice in (f"heard:{foreign.pk}", f"meter:{south.meters[1].pk}", f"meter:{north.meters[0].pk}"):
        assert client.post(address, {"step": "new", "choice": choice}).status_code == 422, choice
    stranger = MeterState.objects.get(utility=north.utility, meter=None)
    assert stranger.identification in client.get(address + "?step=new").content.decode()
    client.post(address, {"step": "new", "choice": f"heard:{stranger.pk}"})
    plan.refresh_from_db()
    assert plan.new_meter.serial == stranger.identification


def test_a_new_meter_that_measures_something_else_is_asked_about(north, sign_in, plan):
    client, address = sign_in(north.superuser), reverse("exchange", args=[plan.pk])
    kinds = {"cold water": True, "heat": False, "heat/cooling": False, "": False}
    for number, (medium, asked) in enumerate(kinds.items()):
        new = Meter.objects.create(
            utility=north.utility, manufacturer="KAM", serial=f"5511000{number}", medium=medium
        )
        client.post(address, {"step": "new", "choice": f"meter:{new.pk}"})
        for step in ("first", "check"):
            text = client.get(f"{address}?step={step}").content.decode()
            assert ("Är det rätt mätare?" in text) == asked, (medium, step)


def test_a_broken_meter_needs_no_last_reading(north, sign_in, plan):
    client, old = sign_in(north.superuser), north.meters[0]
    choice = {"choice": f"meter:{north.meters[1].pk}"}
    first = {"energy_heat_kwh": str(newest(north.meters[1], "energy_heat_kwh"))}
    walk(client, plan, minutes_ago(1), {"unreadable": "on"}, choice, first)
    client.post(reverse("exchange", args=[plan.pk]), {"step": "check"})
    plan.refresh_from_db()
    assert plan.state == Exchange.DONE
    assert not Reading.objects.filter(meter_id=old.pk, kind=Kind.ENTERED).exists()


def test_an_exchange_is_undone_and_can_be_done_right(north, sign_in, plan):
    client, old, new = sign_in(north.superuser), *north.meters[:2]
    at = minutes_ago(1)
    choice = {"choice": f"meter:{new.pk}"}
    first = {"energy_heat_kwh": str(newest(new, "energy_heat_kwh"))}
    walk(client, plan, at, old_figures(old), choice, first)
    address = reverse("exchange", args=[plan.pk])
    client.post(address, {"step": "check"})
    undo = reverse("exchange_undo", args=[plan.pk])
    assert client.post(undo, {"reason": ""}).status_code == 422
    assert client.post(undo, {"reason": "Fel hus"}).status_code == 302
    plan.refresh_from_db()
    assert (plan.state, plan.undone_reason) == (Exchange.UNDONE, "Fel hus")
    place = Installation.objects.get(point=north.point)
    assert (place.meter, place.to_at) == (old, None)
    assert not new.installations.exists()
    voided = Reading.objects.filter(kind=Kind.ENTERED)
    assert all(row.quality & Quality.VOIDED for row in voided)
    assert MeterAddress.objects.filter(meter=old, to_at=None).count() == 1
    readings = Reading.objects.filter(meter_id=old.pk).count()
    north.hear(north.fleet[:1], datetime.now(UTC) + timedelta(hours=2))
    assert Reading.objects.filter(meter_id=old.pk).count() > readings
    assert client.post(undo, {"reason": "again"}).status_code == 422
    right = Exchange.objects.create(utility=north.utility, old=place, reason="Right")
    walk(client, right, at, old_figures(old, 0), choice, first)
    client.post(reverse("exchange", args=[right.pk]), {"step": "check"})
    right.refresh_from_db()
    assert right.state == Exchange.DONE  # the voided readings leave their place


def test_an_exchange_whose_meters_have_moved_on_can_not_be_undone(north, sign_in, plan):
    client, old, new = sign_in(north.superuser), *north.meters[:2]
    first = {"energy_heat_kwh": str(newest(new, "energy_heat_kwh"))}
    walk(client, plan, minutes_ago(1), old_figures(old), {"choice": f"meter:{new.pk}"}, first)
    client.post(reverse("exchange", args=[plan.pk]), {"step": "check"})
    Installation.objects.create(point=north.point, meter=old, role="sub", from_at=datetime.now(UTC))
    answer = client.post(reverse("exchange_undo", args=[plan.pk]), {"reason": "x"})
    assert answer.status_code == 422
    plan.refresh_from_db()
    assert plan.state == Exchange.DONE


def test_who_only_looks_sees_the_plan_but_no_buttons(north, sign_in, plan):
    answer = sign_in(north.user).get(reverse("exchange", args=[plan.pk]))
    assert answer.status_code == 200
    assert "<form" not in answer.content.decode().split("<main")[1]
