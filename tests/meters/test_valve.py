"""The valve behind gates: reasons, legal steps, a second person, frost; opening is never held up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import IntegrityError, transaction

from avlas.meters import valve_requests, valve_rules
from avlas.meters.keys import Who
from avlas.meters.models import (
    Customer,
    Installation,
    Meter,
    MeteringPoint,
    Occupancy,
    ValveRequest,
    ValveRules,
)
from avlas.meters.valve_requests import Held
from avlas.system.models import AuditEvent, User, Utility

SUMMER = datetime(2026, 7, 15, 10, tzinfo=UTC)
TODAY = date(2026, 7, 15)
STEPS = {
    "urged": date(2026, 5, 4),
    "reminded": date(2026, 6, 1),
    "social_welfare": date(2026, 6, 1),
    "no_harm": date(2026, 7, 14),
}


class TestRules:
    def test_what_the_steps_lack(self):
        assert valve_rules.missing_steps(STEPS, TODAY) == []
        assert valve_rules.missing_steps({}, TODAY) == ["urged", "reminded", "social_welfare", "no_harm"]
        assert valve_rules.missing_steps(STEPS | {"no_harm": TODAY + timedelta(days=1)}, TODAY) == ["future"]
        assert valve_rules.missing_steps(STEPS | {"urged": date(2026, 6, 2)}, TODAY) == ["order"]
        assert valve_rules.missing_steps(STEPS, date(2026, 6, 21)) == ["future", "too_early"]
        assert valve_rules.missing_steps(STEPS | {"no_harm": date(2026, 6, 2)}, date(2026, 6, 22)) == []
        assert valve_rules.missing_steps(STEPS, TODAY, reminder_days=60) == ["too_early"]
        told_late = STEPS | {"social_welfare": date(2026, 7, 1)}  # the board has its three weeks as well
        assert valve_rules.missing_steps(told_late, TODAY) == ["too_early"]
        assert valve_rules.missing_steps(told_late, date(2026, 7, 22)) == []

    def test_each_medium_has_its_law(self):
        reminded = valve_rules.STEPS["reminded"]
        assert "28 §" in str(reminded.source("heat"))
        assert "4 §" in str(reminded.source("electricity"))
        assert reminded.source("water") == ""

    def test_frost(self):
        local = SUMMER.astimezone(ZoneInfo("Europe/Stockholm"))
        assert valve_rules.frost("heat", local) == ""
        assert valve_rules.frost("heat", local.replace(month=1)) == "season"
        assert valve_rules.frost("water", local.replace(month=1)) == ""
        cold = (4.9, SUMMER - timedelta(hours=23))
        assert valve_rules.frost("heat/cooling", local, outdoor=cold) == "temperature"
        assert valve_rules.frost("heat", local, outdoor=(5.0, SUMMER)) == ""
        assert valve_rules.frost("heat", local, outdoor=(-9.0, SUMMER - timedelta(hours=25))) == ""
        assert valve_rules.frost("heat", local.replace(month=1), months=(12,)) == ""


@pytest.fixture
def home(db):
    utility = Utility.objects.create(name="Norrtuna", slug="norrtuna")
    people = [
        User.objects.create_user(f"{n}@x.example", utility=utility, role="superuser") for n in ("a", "b")
    ]
    meter = Meter.objects.create(utility=utility, manufacturer="KAM", serial="1", medium="heat")
    point = MeteringPoint.objects.create(utility=utility, facility_id="7")
    Installation.objects.create(meter=meter, point=point, from_at=SUMMER - timedelta(days=900))
    customer = Customer.objects.create(utility=utility, number="K-1")
    Occupancy.objects.create(point=point, customer=customer, from_at=SUMMER - timedelta(days=900))
    with time_machine.travel(SUMMER, tick=False):
        yield meter, Who(people[0]), Who(people[1])


def held(deed, *args, **kwargs) -> tuple[str, ...]:
    with pytest.raises(Held) as problem:
        deed(*args, **kwargs)
    return (problem.value.code, *problem.value.what)


def test_somebody_who_does_not_pay(home):
    meter, anna, bo = home
    assert held(valve_requests.ask, meter, "disconnect", anna) == ("no_reason",)
    assert held(valve_requests.ask, meter, "disconnect", anna, reason="non_payment")[0] == "steps"
    made = valve_requests.ask(meter, "disconnect", anna, reason="non_payment", steps=STEPS)
    assert made.state == "asked"
    assert held(valve_requests.carried_out, made, "", anna, went_well=True) == ("not_waiting",)
    assert held(valve_requests.approve, made, anna) == ("same_person",)
    assert held(valve_requests.approve, made, Who()) == ("needs_person",)
    assert held(valve_requests.ask, meter, "disconnect", bo, reason="vacant") == (
        "already_asked",
        str(made.pk),
    )
    valve_requests.approve(made, bo)
    made.refresh_from_db()
    assert (made.state, made.decided_by) == ("queued", bo.user)
    assert held(valve_requests.approve, made, bo) == ("not_waiting",)
    valve_requests.carried_out(made, "stängd av montör", bo, went_well=True)
    made.refresh_from_db()
    assert (made.state, made.note) == ("done", "stängd av montör")
    assert held(valve_requests.cancel, made, "", anna) == ("finished",)
    events = list(AuditEvent.objects.order_by("pk").values_list("event", flat=True))
    assert events == ["valve.asked", "valve.approved", "valve.done"]


def test_prepayment_passes_the_same_gates(home):
    meter, _anna, bo = home
    assert (
        held(valve_requests.ask, meter, "disconnect", Who(), reason="prepaid_used_up", program="API")[0]
        == "steps"
    )
    made = valve_requests.ask(
        meter, "disconnect", Who(), reason="prepaid_used_up", program="API", steps=STEPS
    )
    assert (made.state, made.by) == ("asked", "API")
    valve_requests.refuse(made, "has paid", bo)
    made.refresh_from_db()
    assert (made.state, made.note) == ("refused", "has paid")


def test_no_heat_is_cut_in_the_frost_but_for_danger(home):
    meter, anna, bo = home
    with time_machine.travel(datetime(2026, 1, 15, 10, tzinfo=UTC), tick=False):
        for reason in ("customer_request", "vacant", "work"):
            assert held(valve_requests.ask, meter, "disconnect", anna, reason=reason) == ("frost", "season")
        assert held(valve_requests.ask, meter, "disconnect", anna, reason="other") == ("no_explanation",)
        assert held(valve_requests.ask, meter, "disconnect", anna, reason="danger") == ("no_explanation",)
        by_program = valve_requests.ask(meter, "disconnect", Who(), reason="danger", explanation="leak")
        assert by_program.state == "asked"
        valve_requests.cancel(by_program, "", anna)
        made = valve_requests.ask(meter, "disconnect", anna, reason="danger", explanation="burst")
        assert made.state == "queued"
        valve_requests.carried_out(made, "", bo, went_well=True)


def test_a_cold_night_after_the_approval(home):
    meter, anna, _bo = home
    made = valve_requests.ask(meter, "disconnect", anna, reason="work")
    assert made.state == "queued"
    valve_requests.set_outdoor_temperature(meter.utility, 1.5, SUMMER, anna)
    valve_requests.set_outdoor_temperature(meter.utility, 20.0, SUMMER - timedelta(hours=1), anna)  # older
    assert held(valve_requests.carried_out, made, "", anna, went_well=True) == ("frost", "temperature")
    valve_requests.carried_out(made, "stuck", anna, went_well=False)
    assert held(valve_requests.ask, meter, "disconnect", anna, reason="work") == ("frost", "temperature")
    ValveRules.objects.update(frost_below_c=0.0)
    assert valve_requests.ask(meter, "disconnect", anna, reason="work").state == "queued"


def test_opening_is_never_held_up_and_takes_closing_back(home):
    meter, anna, bo = home
    closing = valve_requests.ask(meter, "disconnect", anna, reason="customer_request")
    opening = valve_requests.ask(meter, "connect", bo)
    closing.refresh_from_db()
    assert (opening.state, closing.state) == ("queued", "cancelled")
    Installation.objects.all().delete()
    valve_requests.cancel(opening, "", anna)
    assert valve_requests.ask(meter, "connect", anna).state == "queued"
    assert valve_requests.ask(meter, "refresh", anna).state == "queued"
    assert held(valve_requests.ask, meter, "disconnect", anna, reason="vacant") == ("not_installed",)


def test_somebody_else_lives_there_now(home):
    meter, anna, bo = home
    made = valve_requests.ask(meter, "disconnect", anna, reason="non_payment", steps=STEPS)
    Occupancy.objects.update(to_at=SUMMER)
    assert held(valve_requests.approve, made, bo) == ("customer_changed",)
    valve_requests.cancel(made, "moved", anna)


def test_one_open_request_of_a_kind(home):
    meter, anna, _bo = home
    made = valve_requests.ask(meter, "connect", anna)
    made.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        made.save()
    assert ValveRequest.objects.count() == 1
