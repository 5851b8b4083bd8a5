"""Readings, consumption, info codes, exchanges and operation through the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from avlas.collect.texts import pack
from avlas.meters.models import Collector, Exchange, Kind, Meter, Quality, Reading
from avlas.reports.consumption import consumption, spans_of_point
from avlas.reports.latest import latest

pytestmark = pytest.mark.django_db


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_raw_readings_page_by_page_with_exact_figures(north, billing):
    meter = north.meters[0]
    seen, cursor = [], ""
    while cursor is not None:
        told = billing.get(
            f"/meters/{meter.pk}/readings?limit=3&registers=energy_heat_kwh&registers=volume_m3&cursor={cursor}"
        )
        seen += told["items"]
        cursor = told["next"]
    rows = list(Reading.objects.filter(meter_id=meter.pk).order_by("slot_at", "kind"))
    assert len(seen) == len(rows) > 5
    assert [one["kind"] for one in seen] == [Kind(row.kind).name.lower() for row in rows]
    newest = [one for one in seen if one["kind"] == "live"][-1]
    shown = {one.register.code: one for one in latest(meter.pk)}
    heat = newest["values"]["energy_heat_kwh"]
    assert Decimal(heat["figure"]) == shown["energy_heat_kwh"].figure
    assert heat["figure_unit"] == shown["energy_heat_kwh"].unit
    assert (heat["value"], heat["unit"]) == (shown["energy_heat_kwh"].value, "kWh")
    assert set(newest["values"]) <= {"energy_heat_kwh", "volume_m3"}
    half = iso(rows[len(rows) // 2].slot_at)
    before = billing.get(f"/meters/{meter.pk}/readings?end={half}")["items"]
    after = billing.get(f"/meters/{meter.pk}/readings?start={half}")["items"]
    assert len(before) + len(after) == len(rows)
    assert all(
        one["kind"] == "logged" for one in billing.get(f"/meters/{meter.pk}/readings?kind=logged")["items"]
    )


def test_latest_of_one_and_of_many(north, billing):
    meter = north.meters[0]
    one = billing.get(f"/meters/{meter.pk}/readings/latest")
    assert one["values"]["volume_m3"]["at"]
    many = {told["meter_id"]: told for told in billing.get("/readings/latest")["items"]}
    assert many[meter.pk] == one
    assert set(many) == {own.pk for own in north.meters}


def test_consumption_is_what_the_pages_show(north, billing):
    now = datetime.now(UTC)
    start, end = iso(now - timedelta(days=3)), iso(now)
    path = (
        f"/points/{north.point.pk}/consumption?registers=energy_heat_kwh&interval=day&start={start}&end={end}"
    )
    told = billing.get(path)["registers"][0]
    rows = consumption(
        spans_of_point(north.point.pk), "energy_heat_kwh", "day",
        datetime.fromisoformat(start), datetime.fromisoformat(end),
    ).rows  # fmt: skip
    assert [one["amount"] for one in told["items"]] == [
        None if r.amount is None else float(r.amount) for r in rows
    ]
    assert [one["marks"] for one in told["items"]] == [sorted(row.marks) for row in rows]
    assert told["unit"] == "kWh"
    assert billing.refused("GET", path.replace(f"end={end}", f"end={start}"))[0] == 422
    assert (
        billing.refused(
            "GET", path.replace("interval=day", "interval=hour").replace(start, "2020-01-01T00:00:00Z")
        )[0]
        == 422
    )
    civil = billing.get(
        f"/meters/{north.meters[0].pk}/consumption?registers=volume_m3&interval=month&time=civil&start={start}&end={end}"
    )
    assert civil["time"] == "civil"


def test_a_counters_standing_for_the_bill(north, billing):
    meter = north.meters[0]
    row = Reading.objects.filter(meter_id=meter.pk, kind=Kind.LIVE).order_by("slot_at")[2]
    told = billing.get(
        f"/meters/{meter.pk}/standings?at={iso(row.heard_at)}&registers=energy_heat_kwh&registers=energy_cooling_kwh"
    )
    heat, cooling = told["items"]
    assert (heat["how"], heat["value"]) == ("live", row.energy_heat_kwh)
    assert heat["figure"]
    assert (cooling["how"], cooling["figure"], cooling["value"]) == ("unknown", None, None)


def test_entering_and_voiding(north, billing):
    meter = north.meters[0]
    shown = {one.register.code: one for one in latest(meter.pk)}["energy_heat_kwh"]
    low = {"figures": [{"code": "energy_heat_kwh", "figure": "1"}]}
    assert billing.refused("POST", f"/meters/{meter.pk}/readings", low) == (409, "doubtful")
    told = billing("POST", f"/meters/{meter.pk}/readings", low).json()
    assert told["errors"][0]["register"] == "energy_heat_kwh"
    figure = str(shown.figure)
    good = {"figures": [{"code": "energy_heat_kwh", "figure": figure}], "note": "by phone"}
    made = billing.post(f"/meters/{meter.pk}/readings", good, 201)
    assert Decimal(made["values"]["energy_heat_kwh"]["figure"]) == shown.figure
    assert made["kind"] == "entered"
    again = good | {"at": made["slot_at"]}
    assert billing.refused("POST", f"/meters/{meter.pk}/readings", again) == (409, "already_there")
    bad = {"figures": [{"code": "energy_heat_kwh", "figure": "5", "unit": "m³"}]}
    assert billing.refused("POST", f"/meters/{meter.pk}/readings", bad)[0] == 422
    where = {"slot_at": made["slot_at"], "reason": "wrong meter"}
    assert billing("POST", f"/meters/{meter.pk}/readings/void", where).status_code == 204
    row = Reading.objects.get(meter_id=meter.pk, kind=Kind.ENTERED)
    assert row.quality & Quality.VOIDED
    listed = f"/meters/{meter.pk}/readings?kind=entered"
    assert billing.get(listed)["items"] == []
    assert billing.get(f"{listed}&voided=true")["items"][0]["quality"] == ["voided"]
    assert (
        billing.refused(
            "POST", f"/meters/{meter.pk}/readings/void", where | {"slot_at": "2020-01-01T00:00:00Z"}
        )[0]
        == 404
    )
    estimate = good | {"at": "2026-01-01T00:00:00Z", "estimated_by": "last year", "confirmed": True}
    assert billing.post(f"/meters/{meter.pk}/readings", estimate, 201)["quality"] == ["estimated"]


def test_info_codes_active_and_historical(north, billing):
    meter = north.meters[1]
    active = billing.get("/info-codes")["items"]
    assert [(one["meter_id"], one["info_code"]) for one in active] == [(meter.pk, 8)]
    assert active[0]["codes"][0]["text"]
    assert active[0]["since"]
    swedish = billing("GET", "/info-codes", Accept_Language="sv").json()["items"][0]["codes"][0]["text"]
    assert swedish != active[0]["codes"][0]["text"]
    changes = billing.get(f"/meters/{meter.pk}/info-codes")["items"]
    assert changes[0]["info_code"] == 8
    assert changes == sorted(changes, key=lambda one: one["at"], reverse=True)


def figures(meter) -> list[dict[str, str]]:
    return [
        {"code": one.register.code, "figure": str(one.figure), "unit": one.unit}
        for one in latest(meter.pk)
        if one.register.code in ("energy_heat_kwh", "volume_m3")
    ]


def exchange_of(meter, **more):
    return {
        "at": iso(datetime.now(UTC) - timedelta(minutes=1)),
        "new_meter": {"manufacturer": "KAM", "serial": "11223344"},
        "old_figures": figures(meter),
        "new_figures": [{"code": "energy_heat_kwh", "figure": "0", "unit": "MWh"}],
    } | more


def test_a_billing_system_exchanges_a_meter(north, billing):
    old = north.meters[0]
    Exchange.objects.all().delete()
    body = {"old_meter_id": old.pk, "reason": "Revision due", "carry_out": exchange_of(old)}
    made = billing.post("/exchanges", body, 201, Idempotency_Key="order-4711")
    assert billing.post("/exchanges", body, 201, Idempotency_Key="order-4711") == made
    assert made["state"] == "done"
    new = Meter.objects.get(pk=made["new_meter_id"])
    assert (new.serial, new.medium) == ("11223344", old.medium)
    assert billing.get(f"/meters/{new.pk}")["installed"]["point_id"] == north.point.pk
    assert billing.get(f"/meters/{old.pk}")["installed"] is None
    assert Reading.objects.filter(meter_id__in=(old.pk, new.pk), kind=Kind.ENTERED).count() == 2
    assert billing.refused("POST", "/exchanges", body) == (409, "gone")
    undone = billing.post(f"/exchanges/{made['id']}/undo", {"reason": "wrong address"})
    assert undone["state"] == "undone"
    assert billing.get(f"/meters/{old.pk}")["installed"]["point_id"] == north.point.pk
    assert billing.refused("POST", f"/exchanges/{made['id']}/undo", {"reason": "x"}) == (409, "not_done")


def test_a_prepared_exchange_is_carried_out_or_withdrawn(north, billing):
    old = north.meters[0]
    planned = billing.get("/exchanges?state=planned")["items"][0]
    assert planned["missing"] == ["when", "old", "new", "first"]
    assert billing.refused("POST", "/exchanges", {"old_meter_id": old.pk, "reason": "x"}) == (409, "planned")
    path = f"/exchanges/{planned['id']}"
    low = exchange_of(old, old_figures=[{"code": "energy_heat_kwh", "figure": "0.001", "unit": "MWh"}])
    assert billing.refused("POST", f"{path}/carry-out", low) == (409, "doubtful")
    assert billing.get(path)["state"] == "planned"
    assert not Meter.objects.filter(serial="11223344").exists(), "all or nothing"
    assert billing.refused("POST", f"{path}/carry-out", exchange_of(old, new_meter={"id": old.pk})) == (
        409,
        "same_meter",
    )
    done = billing.post(f"{path}/carry-out", exchange_of(old, old_figures=None))
    assert (done["state"], done["old_unreadable"]) == ("done", True)
    other = billing.post(
        "/exchanges", {"old_meter_id": done["new_meter_id"], "reason": "x", "planned_for": "2027-01-01"}, 201
    )
    assert billing("DELETE", f"/exchanges/{other['id']}").status_code == 204
    assert billing.refused("DELETE", path) == (409, "not_planned")


def test_receivers_and_reading_performance(north, billing):
    tower = Collector.objects.get(name="Nordby torn")
    tower.status_text = pack("removed", {})
    tower.save(update_fields=["status_text"])
    (told,) = billing.get("/collectors")["items"]
    assert (told["name"], told["status_text"]) == ("Nordby torn", "removed from the database")
    told = billing.get("/performance")
    assert {one["meter_id"] for one in told["items"]} <= {meter.pk for meter in north.meters}
    assert 0 <= told["percent"] <= 100
    assert billing.refused("GET", "/performance?group=g0")[0] == 422
