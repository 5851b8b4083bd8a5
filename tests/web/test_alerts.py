"""The pages of consumption alerts: set from the list, seen at the meter, reset, and what happened before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.urls import reverse

from avlas.meters.keys import Who
from avlas.notify import alerts
from avlas.notify.models import Alert, AlertLimit, Firing
from avlas.system.models import AuditEvent

FORM = {"register": "energy_heat_kwh", "ceiling": "12,5", "period": "day", "first_day": "2026-11-01"}


@pytest.fixture
def desk(north, sign_in):
    Alert.objects.all().delete()
    return sign_in(north.administrator)


def fired(meter, ceiling=1e-3):
    """An alert that stands: whatever the meter has used is above the ceiling."""
    now = datetime.now(UTC)
    alerts.set_ceiling(
        meter.utility, [meter.pk], register="energy_heat_kwh", period="total", ceiling=ceiling,
        from_at=now - timedelta(days=30), to_at=None, who=Who(),
    )  # fmt: skip
    return Alert.objects.get(meter=meter, period="total")


def test_set_for_meters_chosen_in_the_list(north, south, desk):
    chosen = {"meter": [north.meters[0].pk, north.meters[1].pk], "do": "alert", "list": "medium=heat"}
    page = desk.post(reverse("meters_act"), chosen)
    assert page.context["count"] == 2
    asked = FORM | {"chosen": page.context["chosen"] + f",{south.meters[0].pk}", "last_day": "2026-11-30"}
    assert desk.post(reverse("alert_add"), asked).status_code == 302
    made = list(Alert.objects.order_by("meter"))
    assert [one.meter for one in made] == sorted(north.meters[:2], key=lambda one: one.pk)
    assert made[0].from_at == datetime(2026, 10, 31, 23, tzinfo=UTC)
    assert made[0].to_at == datetime(2026, 11, 30, 23, tzinfo=UTC)
    text = desk.get(reverse("alerts")).content.decode().replace("\xa0", " ")
    assert "12,5 kWh på ett dygn" in text
    assert "2026-11-01–2026-11-30" in text
    assert AuditEvent.objects.get(event="alerts.set").detail["meters"] == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [({"ceiling": "0"}, "ceiling"), ({"ceiling": "x"}, "ceiling"), ({"last_day": "2026-10-01"}, "last_day"),
     ({"register": "flow_temperature_c"}, "register"), ({"period": "week"}, "period")],
)  # fmt: skip
def test_what_is_no_ceiling_is_refused(north, desk, change, field):
    answer = desk.post(reverse("alert_add"), FORM | {"chosen": str(north.meters[0].pk)} | change)
    assert answer.status_code == 422
    assert field in answer.context["form"].errors


def test_the_limit(north, desk):
    assert desk.post(reverse("alert_limit"), {"meters": "1"}).status_code == 302
    assert AlertLimit.objects.get().meters == 1
    ids = ",".join(str(one.pk) for one in north.meters[:2])
    answer = desk.post(reverse("alert_add"), FORM | {"chosen": ids})
    assert answer.status_code == 422
    assert "gränsen 1" in answer.content.decode()
    assert not Alert.objects.exists()


def test_the_symbol_at_the_meter_and_the_reset(north, desk, sign_in):
    alert = fired(north.meters[0])
    assert alert.fired_at is not None
    for name, arguments in (("meters", []), ("meter", [north.meters[0].pk]), ("alerts", [])):
        text = desk.get(reverse(name, args=arguments)).content.decode()
        assert "Hög förbrukning" in text or "över taket" in text, name
    assert "Hög förbrukning" not in desk.get(reverse("meter", args=[north.meters[1].pk])).content.decode()
    assert len(desk.get(reverse("alerts") + "?show=fired").context["rows"]) == 1
    page = desk.get(reverse("alert", args=[alert.pk]))
    assert "över taket" in page.content.decode().lower()
    back = desk.post(reverse("alerts_act"), {"alert": [alert.pk], "do": "reset", "back": "meter"})
    assert back.url == reverse("meter", args=[north.meters[0].pk])
    assert "Hög förbrukning" not in desk.get(reverse("meters")).content.decode()
    firing = Firing.objects.get()
    assert firing.reset_by == north.administrator
    assert str(north.administrator) in desk.get(reverse("alert", args=[alert.pk])).content.decode()


def test_changed_and_removed(north, desk):
    alert = fired(north.meters[0], ceiling=1e9)
    asked = {"ceiling": "0,5", "first_day": "2026-11-01"}
    assert desk.post(reverse("alert", args=[alert.pk]), asked).status_code == 302
    alert.refresh_from_db()
    assert alert.ceiling == 0.5
    desk.post(reverse("alerts_act"), {"alert": [alert.pk], "do": "remove"})
    assert not Alert.objects.exists()


def test_another_utilitys_alerts_are_not_reset(north, south, desk):
    other = fired(south.meters[0])
    desk.post(reverse("alerts_act"), {"alert": [other.pk], "do": "reset"})
    other.refresh_from_db()
    assert other.fired_at is not None


def test_who_may_not_set_sees_no_buttons(north, sign_in):
    alert = fired(north.meters[0])
    client = sign_in(north.user)
    for address in (reverse("alerts"), reverse("alert", args=[alert.pk])):
        assert 'value="reset"' not in client.get(address).content.decode()
    assert client.post(reverse("alert", args=[alert.pk]), {"ceiling": "1"}).status_code == 403


def test_removing_a_meter_takes_its_alerts_along(north):
    fired(north.meters[0])
    with transaction.atomic():
        north.meters[0].delete()
    assert not Firing.objects.exists()
