"""The page of the MQTT broker: set up, tried, its password never shown or sent elsewhere."""

from __future__ import annotations

import pytest
from django.urls import reverse
from tests.notify.conftest import free_port

from avlas.system.models import AuditEvent, MqttOut
from avlas.system.mqtt_out import open_password

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]
FORM = {"active": "on", "host": "broker.example", "port": "8883", "tls": "on", "user": "avlas", "password": "hemligt",
        "topic_prefix": "avlas", "discovery": ""}  # fmt: skip


def test_set_up_and_changed(north, sign_in):
    client = sign_in(north.administrator)
    page = reverse("mqtt_out")
    assert client.post(page, FORM).status_code == 302
    row = MqttOut.objects.get(utility=north.utility)
    assert (row.host, row.tls, open_password(row)) == ("broker.example", True, "hemligt")
    assert "hemligt" not in client.get(page).content.decode()
    assert "hemligt" not in str(AuditEvent.objects.get(event="mqtt.changed").detail)
    kept = FORM | {"password": "", "topic_prefix": "annat"}
    assert client.post(page, kept).status_code == 302
    row.refresh_from_db()
    assert (row.topic_prefix, open_password(row)) == ("annat", "hemligt")
    for other in ({"host": "elsewhere.example"}, {"tls": ""}, {"user": "somebody"}):
        assert client.post(page, kept | other).status_code == 422, other
    for wrong in ({"topic_prefix": "a/#"}, {"port": "0"}, {"host": "mqtt://x"}, {"user": ""}):
        assert client.post(page, FORM | wrong).status_code == 422, wrong


def test_a_try_says_what_is_wrong_and_saves_nothing(north, sign_in):
    client = sign_in(north.administrator)
    told = FORM | {"host": "127.0.0.1", "port": str(free_port()), "tls": "", "test": "1"}
    answer = client.post(reverse("mqtt_out"), told)
    assert answer.status_code == 200
    assert "127.0.0.1" in answer.context["tried"]["text"]
    assert answer.context["tried"]["good"] is False
    assert not MqttOut.objects.exists()


def test_only_for_who_runs_the_installation(north, south, sign_in):
    assert sign_in(south.administrator).get(reverse("mqtt_out")).status_code == 403
