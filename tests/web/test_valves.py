"""The pages about valves: asked from a meter's page, approved by somebody else, carried out; and over the API."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.urls import reverse
from tests.web.api.conftest import program

from avlas.meters.models import Meter, ValveRequest, ValveRules
from avlas.system.models import AuditEvent

pytestmark = pytest.mark.django_db
TODAY = date.today()
STEPS = {
    "urged": TODAY - timedelta(days=60),
    "reminded": TODAY - timedelta(days=30),
    "social_welfare": TODAY - timedelta(days=30),
    "no_harm": TODAY - timedelta(days=1),
}
OWED = {"wish": "disconnect", "reason": "non_payment"} | {name: f"{day}" for name, day in STEPS.items()}


@pytest.fixture
def no_frost(north):
    """Whatever the day, the season doesn't speak against it."""
    ValveRules.objects.create(utility=north.utility, frost_months=[])


def asked(north) -> ValveRequest:
    return ValveRequest.objects.filter(utility=north.utility, wish="disconnect").get()


def test_asked_by_one_and_approved_by_another(north, sign_in, no_frost):
    meter = north.meters[0]
    client = sign_in(north.superuser)
    assert (
        reverse("meter_valve", args=[meter.pk])
        in client.get(reverse("meter", args=[meter.pk])).content.decode()
    )
    address = reverse("meter_valve", args=[meter.pk])
    assert "28 §" in client.get(address).content.decode()
    lacking = client.post(address, {"wish": "disconnect", "reason": "non_payment"})
    assert lacking.status_code == 422
    assert "Socialnämnden underrättad" in lacking.content.decode()
    assert client.post(address, OWED, follow=True).status_code == 200
    one = asked(north)
    assert (one.state, one.customer, one.asked_by) == ("asked", north.customer, north.superuser)
    page = reverse("valve_request", args=[one.pk])
    text = client.get(page).content.decode()
    assert 'value="approve"' not in text
    assert client.post(page, {"do": "approve"}).status_code == 422
    waits = "1 ventil väntar på ditt godkännande"
    assert waits not in client.get(reverse("home")).content.decode()
    client = sign_in(north.administrator)
    assert waits in client.get(reverse("home")).content.decode()
    assert 'value="approve"' in client.get(page).content.decode()
    assert client.post(page, {"do": "approve"}).status_code == 302
    text = client.get(page).content.decode()
    assert "Ingen väg till den här ventilen än" in text
    client.post(page, {"do": "done", "note": "closed by hand"})
    one.refresh_from_db()
    assert (one.state, one.note, one.decided_by) == ("done", "closed by hand", north.administrator)
    assert "closed by hand" in client.get(page).content.decode()
    assert "Avslutade, nyast först" in client.get(reverse("valve_list")).content.decode()


def test_rules_are_set_and_hold(north, sign_in):
    client = sign_in(north.administrator)
    month = datetime.now(UTC).month
    told = {"frost_months": [month], "frost_below_c": "3,5", "reminder_days": "25", "outdoor_c": "-2"}
    assert client.post(reverse("valve_rules"), told).status_code == 302
    rules = ValveRules.objects.get(utility=north.utility)
    assert (rules.frost_months, rules.frost_below_c, rules.reminder_days, rules.outdoor_c) == (
        [month],
        3.5,
        25,
        -2.0,
    )
    assert AuditEvent.objects.filter(event="valve.rules_changed", utility=north.utility).exists()
    meter = Meter.objects.filter(pk=north.meters[0].pk)
    meter.update(medium="heat")
    address = reverse("meter_valve", args=[north.meters[0].pk])
    assert "frostskydd" in client.get(address).content.decode()
    answer = client.post(address, {"wish": "disconnect", "reason": "customer_request"})
    assert answer.status_code == 422
    assert client.post(address, {"wish": "connect"}).status_code == 302
    assert client.post(reverse("valve_rules"), told | {"reminder_days": "0"}).status_code == 422


def test_a_prepayment_program_passes_the_same_gates(north, sign_in, no_frost):
    prepaid = program(north, "valves:ask")
    body = {"meter_id": north.meters[0].pk, "wish": "disconnect", "reason": "prepaid_used_up"}
    assert prepaid.refused("POST", "/valve-requests", body) == (409, "steps")
    told = prepaid("POST", "/valve-requests", body).json()
    assert {one["lacks"] for one in told["errors"]} == set(STEPS)
    body["steps"] = {name: f"{day}" for name, day in STEPS.items()}
    made = prepaid.post("/valve-requests", body, 201, Idempotency_Key="balance-17")
    assert prepaid.post("/valve-requests", body, 201, Idempotency_Key="balance-17") == made
    assert (made["state"], made["steps"]) == ("asked", body["steps"])
    assert made["asked_by"].startswith("API: Billing (")
    assert prepaid.refused("POST", "/valve-requests", body) == (409, "already_asked")
    sign_in(north.user).post(reverse("valve_request", args=[made["id"]]), {"do": "approve"})
    assert prepaid.get(f"/valve-requests/{made['id']}")["state"] == "asked"
    sign_in(north.administrator).post(reverse("valve_request", args=[made["id"]]), {"do": "approve"})
    queued = prepaid.get(f"/valve-requests/{made['id']}")
    assert (queued["state"], "No road" in queued["state_text"]) == ("queued", True)
    paid = prepaid.post("/valve-requests", {"meter_id": body["meter_id"], "wish": "connect"}, 201)
    assert paid["state"] == "queued"
    listed = prepaid.get(f"/valve-requests?meter_id={body['meter_id']}")["items"]
    assert [one["state"] for one in listed] == ["queued", "cancelled", "queued"]
    assert prepaid.post(f"/valve-requests/{paid['id']}/cancel", {"note": "x"})["state"] == "cancelled"
    assert prepaid.refused("POST", f"/valve-requests/{paid['id']}/cancel", {}) == (409, "finished")


def test_the_frost_guard_over_the_api(north, no_frost):
    prepaid = program(north)
    Meter.objects.filter(pk=north.meters[0].pk).update(medium="heat")
    assert prepaid("PUT", "/outdoor-temperature", {"celsius": -3.5}).json()["celsius"] == -3.5
    body = {"meter_id": north.meters[0].pk, "wish": "disconnect", "reason": "customer_request"}
    assert prepaid.refused("POST", "/valve-requests", body) == (409, "frost")
    assert prepaid("PUT", "/outdoor-temperature", {"celsius": 12}).status_code == 200
    assert prepaid.post("/valve-requests", body, 201)["state"] == "asked"
